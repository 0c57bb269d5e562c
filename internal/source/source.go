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
}

// Expand turns the user's arguments into inputs, in the order of the arguments
// and by name within each. A directory gives the files below it that look like
// dumps by their first bytes.
func Expand(args []string) ([]Input, error) {
	var inputs []Input
	for _, arg := range args {
		if arg == "-" {
			inputs = append(inputs, Input{Path: "-", Size: -1})
			continue
		}
		st, err := os.Stat(arg)
		if err != nil && strings.ContainsAny(arg, "*?[") {
			names, globErr := filepath.Glob(arg)
			if globErr != nil {
				return nil, fmt.Errorf("%s: not a pattern of file names: %w", arg, globErr)
			}
			if len(names) == 0 {
				return nil, fmt.Errorf("%s: no file matches", arg)
			}
			sort.Strings(names)
			for _, name := range names {
				if st, err := os.Stat(name); err == nil && !st.IsDir() {
					inputs = append(inputs, fileInput(name, st))
				}
			}
			continue
		}
		if err != nil {
			return nil, describe(arg, err)
		}
		if !st.IsDir() {
			inputs = append(inputs, fileInput(arg, st))
			continue
		}
		found, err := walk(arg)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no dump in this directory", arg)
		}
		inputs = append(inputs, found...)
	}
	return inputs, nil
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

func walk(dir string) ([]Input, error) {
	var found []Input
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return describe(path, err)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return describe(path, err)
		}
		head := make([]byte, 16)
		n, _ := io.ReadFull(f, head)
		f.Close()
		if looksLikeDump(path, head[:n]) {
			st, err := d.Info()
			if err != nil {
				return describe(path, err)
			}
			found = append(found, fileInput(path, st))
		}
		return nil
	})
	return found, err
}

// looksLikeDump takes a file of a directory for a dump: by its magic, or, if it
// is compressed, by its name.
func looksLikeDump(path string, head []byte) bool {
	if strings.HasPrefix(string(head), "REDIS0") || strings.HasPrefix(string(head), "VALKEY") {
		return true
	}
	return compression(head) != nil && strings.Contains(filepath.Base(path), ".rdb")
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
		if len(head) >= 262 && string(head[257:262]) == "ustar" {
			s.Close()
			return nil, fmt.Errorf("%s: a tar archive; pipe the dump out of it: tar -xO -f %s NAME.rdb | rdbaudit -", in.Path, in.Path)
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
	s.Reader, s.Compressed = r, true
	return s, nil
}

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
