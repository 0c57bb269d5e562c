// Package source is where bytes come from: paths, directories, globs and
// standard input, compressed or not. It finds out what a stream is by its
// first bytes, never by its name.
package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// Input is a dump that can be opened.
type Input struct {
	Path string    // as the user named it, "-" for standard input
	Size int64     // bytes as stored, -1 if unknown
	Time time.Time // of the last change, zero if unknown
	Err  error     // why it cannot be opened: Open says it again
}

// Expand turns the user's arguments into inputs, in the order of the arguments
// and by name within each. A directory gives the files below it that look like
// dumps. What cannot be found is an input too, with its Err: one bad path among
// many must not hide the others.
func Expand(args []string) []Input {
	var inputs []Input
	for _, arg := range args {
		inputs = append(inputs, expand(arg)...)
	}
	return inputs
}

func expand(arg string) []Input {
	if arg == "-" {
		return []Input{{Path: "-", Size: -1}}
	}
	bad := func(err error) []Input { return []Input{{Path: arg, Size: -1, Err: err}} }
	st, err := os.Stat(arg)
	var found []Input
	switch {
	case err != nil && strings.ContainsAny(arg, "*?["):
		names, err := filepath.Glob(arg)
		if err != nil {
			return bad(fmt.Errorf("%s: not a pattern of file names: %w", arg, err))
		}
		sort.Strings(names)
		for _, name := range names {
			if st, err := os.Stat(name); err == nil && !st.IsDir() {
				found = append(found, fileInput(name, st))
			}
		}
		if found == nil {
			return bad(fmt.Errorf("%s: no file matches", arg))
		}
	case err != nil:
		return bad(describe(arg, err))
	case st.IsDir():
		if found = walk(arg); found == nil {
			return bad(fmt.Errorf("%s: no dump in this directory", arg))
		}
	default:
		found = []Input{fileInput(arg, st)}
	}
	return found
}

// describe says of a failed open what the user can use.
func describe(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: no such file", path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: permission denied", path)
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", path, pe.Err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func fileInput(path string, st os.FileInfo) Input {
	in := Input{Path: path, Size: -1, Time: st.ModTime()}
	if st.Mode().IsRegular() {
		in.Size = st.Size()
	}
	return in
}

// walk finds the dumps below a directory. What it may not look into is an
// input that cannot be opened.
func walk(dir string) []Input {
	var found []Input
	bad := func(path string, err error) {
		found = append(found, Input{Path: path, Size: -1, Err: describe(path, err)})
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			bad(path, err)
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			bad(path, err)
			return nil
		}
		head := make([]byte, 16)
		n, _ := io.ReadFull(f, head)
		st, err := f.Stat()
		f.Close()
		if err == nil && looksLikeDump(path, head[:n]) {
			found = append(found, fileInput(path, st))
		}
		return nil
	})
	return found
}

// looksLikeDump takes a file of a directory for a dump: by its magic; if it is
// compressed, or ends in .rdb, by its name. An empty dump.rdb is a backup that
// failed, and must not go unseen.
func looksLikeDump(path string, head []byte) bool {
	if strings.HasPrefix(string(head), "REDIS0") || strings.HasPrefix(string(head), "VALKEY") {
		return true
	}
	name := strings.ToLower(filepath.Base(path))
	return strings.HasSuffix(name, ".rdb") || compression(head) != nil && strings.Contains(name, ".rdb")
}

// Stream is an input that is open.
type Stream struct {
	io.Reader
	Compressed bool
	read       atomic.Int64
	closes     []func() error
}

// Stored is how many stored bytes have been read, of Input.Size.
func (s *Stream) Stored() int64 { return s.read.Load() }

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
	n *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Open opens an input and decompresses it if its first bytes say so.
func (in *Input) Open(stdin io.Reader) (*Stream, error) {
	if in.Err != nil {
		return nil, in.Err
	}
	s := &Stream{}
	var raw io.Reader = stdin
	if in.Path != "-" {
		f, err := os.Open(in.Path)
		if err != nil {
			return nil, describe(in.Path, err)
		}
		s.closes = append(s.closes, f.Close)
		raw = f
	}
	counted := counter{raw, &s.read}
	head := make([]byte, 512)
	n, err := io.ReadFull(counted, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		s.Close()
		return nil, describe(in.Path, err)
	}
	head = head[:n]
	var stream io.Reader = &prefixed{head, counted}
	open := compression(head)
	if open == nil {
		if isTar(head) {
			s.Close()
			return nil, in.tar()
		}
		s.Reader = stream
		return s, nil
	}
	r, closeFunc, err := open(bufio.NewReaderSize(stream, 256<<10))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: damaged compression: %w", in.Path, err)
	}
	if closeFunc != nil {
		s.closes = append(s.closes, closeFunc)
	}
	s.Compressed = true
	inner := &unpacked{Reader: r}
	head = make([]byte, 512)
	n, err = io.ReadFull(inner, head)
	if isTar(head[:n]) {
		s.Close()
		return nil, in.tar()
	}
	if err == io.ErrUnexpectedEOF { // of ReadFull: a short file
		err = io.EOF
	}
	s.Reader = &prefixed{head[:n], inner}
	if err != nil {
		s.Reader = &prefixed{head[:n], failing{err}}
	}
	return s, nil
}

func isTar(head []byte) bool { return len(head) >= 262 && string(head[257:262]) == "ustar" }

func (in *Input) tar() error {
	from := " -f " + in.Path
	if in.Path == "-" {
		from = ""
	}
	return fmt.Errorf("%s: a tar archive; pipe the dump out of it: tar -xO%s NAME.rdb | rdbaudit -", in.Path, from)
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

// unpacked says of errors that they are the compression's, not the dump's.
type unpacked struct{ io.Reader }

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the compressed file ends too early")
	default:
		err = fmt.Errorf("damaged compression: %w", err)
	}
	return n, err
}

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
