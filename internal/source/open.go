package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// Stream is an input that is open.
type Stream struct {
	io.Reader
	Compressed bool // or framed: its bytes are not those that are stored
	Local      bool // a file's own bytes, which are had as fast as the disk gives them
	at         io.ReaderAt
	read       atomic.Int64
	closes     []func() error
}

// Stored is how many stored bytes have been read, of Input.Size.
func (s *Stream) Stored() int64 { return s.read.Load() }

// At reads the same bytes at any place, if it is Local; else it is nil. What is read
// there is not in Stored before Told of it.
func (s *Stream) At() io.ReaderAt {
	if !s.Local {
		return nil
	}
	return s.at
}

// Tell counts bytes that were read by At.
func (s *Stream) Tell(bytes int64) { s.read.Add(bytes) }

// Close closes everything that was opened.
func (s *Stream) Close() error {
	var first error
	for i := len(s.closes) - 1; i >= 0; i-- {
		if err := s.closes[i](); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// counter counts what is read from the stored bytes.
type counter struct {
	io.Reader
	n   *atomic.Int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Open opens an input, decompresses it if its first bytes say so, twice if
// need be, and takes the framing of a replication off.
func (in *Input) Open(ctx context.Context, stdin io.Reader) (*Stream, error) {
	if in.Err != nil {
		return nil, in.Err
	}
	s := &Stream{}
	raw, local := io.Reader(stdin), false
	switch {
	case in.remote != nil:
		r := in.remote.reader(ctx)
		s.closes = append(s.closes, r.Close)
		raw = &told{r, &in.remote.loc}
	case in.Path != "-":
		f, err := os.Open(in.Path)
		if err != nil {
			return nil, describe(in.Path, err)
		}
		s.closes = append(s.closes, f.Close)
		if st, err := f.Stat(); err == nil {
			local = st.Mode().IsRegular()
		}
		raw, s.at = f, f
	}
	stored := &counter{Reader: raw, n: &s.read}
	head, r, err := look(stored)
	if err != nil && err != io.EOF {
		s.Close()
		return nil, describe(in.Path, err)
	}
	for range maxPacked {
		open := compression(head)
		if open == nil {
			break
		}
		inner, closeFunc, err := open(bufio.NewReaderSize(r, 256<<10))
		if err != nil {
			if stored.err != nil {
				err = stored.err
			} else {
				err = fmt.Errorf("damaged compression: %w", err)
			}
			s.Close()
			return nil, fmt.Errorf("%s: %w", in.Path, err)
		}
		if closeFunc != nil {
			s.closes = append(s.closes, closeFunc)
		}
		s.Compressed = true
		head, r, _ = look(&unpacked{inner, stored})
	}
	if err := in.refuse(head); err != nil {
		s.Close()
		return nil, err
	}
	if skip, length, mark := framing(head); skip > 0 {
		s.Compressed = true
		io.CopyN(io.Discard, r, int64(skip))
		if mark != nil {
			r = &marked{in: r, mark: mark}
		} else {
			r = &framed{Reader: r, length: length}
		}
	}
	s.Reader, s.Local = r, local && !s.Compressed
	return s, nil
}

// maxPacked is how often a dump may be compressed over: a backup tool packs
// what a script had packed. More is somebody's bomb.
const maxPacked = 2

// look reads the first bytes and gives a reader of them and of the rest. Its
// error is the rest's as well.
func look(r io.Reader) (head []byte, all io.Reader, err error) {
	head = make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err == io.ErrUnexpectedEOF { // of ReadFull: a short file
		err = io.EOF
	}
	head = head[:n]
	if err != nil {
		r = failing{err}
	}
	return head, &prefixed{head, r}, err
}

// told explains the errors of a store.
type told struct {
	io.Reader
	loc *location
}

func (t *told) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = t.loc.explain(err)
	}
	return n, err
}

// refuse says of what is no dump what it is, and what to do.
func (in *Input) refuse(head []byte) error {
	from := " " + in.Path
	if in.Path == "-" || in.remote != nil {
		from = ""
	}
	has := func(magics ...string) bool {
		for _, m := range magics {
			if len(head) >= len(m) && strings.EqualFold(string(head[:len(m)]), m) {
				return true
			}
		}
		return false
	}
	say := ""
	switch {
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		if from != "" {
			from = " -f" + from
		}
		say = "a tar archive; pipe the dump out of it: tar -xO" + from + " NAME.rdb | rdbaudit -"
	case has("PK\x03\x04"):
		say = "a zip archive; pipe the dump out of it: unzip -p" + from + " NAME.rdb | rdbaudit -"
	case has("BZh"):
		say = "packed by bzip2; unpack it: bzip2 -dc" + from + " | rdbaudit -"
	case has("*1\r\n", "*2\r\n", "*3\r\n", "*4\r\n", "*5\r\n", "*6\r\n", "#TS:"):
		say = "an append-only file with " + noPreamble
	case has("-ERR", "-NOAUTH", "-LOADING", "-NOPERM", "-MISCONF", "-NOMASTERLINK", "-DENIED"):
		line, _, _ := strings.Cut(string(head), "\n")
		say = "no dump but a server's refusal: " + oneLine(line)
	default:
		text := strings.TrimLeft(strings.TrimPrefix(string(head), "\xef\xbb\xbf"), " \t\r\n")
		if head = []byte(text); has("<!doctype html", "<html") {
			say = "an HTML page, not a dump; is it the page of a login or of an error?"
		}
	}
	if say == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", in.Path, say)
}

// failing has nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// prefixed gives the bytes that were looked at back before the rest.
type prefixed struct {
	head []byte
	rest io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.rest.Read(b)
}

// unpacked says of errors that they are the compression's, not the dump's,
// unless what is stored could not be read.
type unpacked struct {
	io.Reader
	stored *counter
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case u.stored.err != nil:
		err = u.stored.err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errEarly):
		err = errEarly
	default:
		if !strings.HasPrefix(err.Error(), "damaged compression: ") { // of an outer one
			err = fmt.Errorf("damaged compression: %w", err)
		}
	}
	return n, err
}

var errEarly = errors.New("the compressed file ends too early")

type opener func(io.Reader) (io.Reader, func() error, error)

// compression finds the decompressor by the first bytes, nil for none.
func compression(head []byte) opener {
	has := func(magic string) bool { return strings.HasPrefix(string(head), magic) }
	switch {
	case has("\x1f\x8b"):
		return func(r io.Reader) (io.Reader, func() error, error) {
			z, err := gzip.NewReader(r)
			return z, nil, err
		}
	case has("\x28\xb5\x2f\xfd"):
		return func(r io.Reader) (io.Reader, func() error, error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			if err != nil {
				return nil, nil, err
			}
			return z, func() error { z.Close(); return nil }, nil
		}
	case has("\x04\x22\x4d\x18"):
		return func(r io.Reader) (io.Reader, func() error, error) { return lz4.NewReader(r), nil, nil }
	case has("\xfd7zXZ\x00"):
		return func(r io.Reader) (io.Reader, func() error, error) {
			z, err := xz.NewReader(r)
			return z, nil, err
		}
	}
	return nil
}
