package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// sink is an output that is being written.
type sink struct {
	w     *bufio.Writer
	file  *os.File
	tmp   string // "" if written in place
	path  string
	toStd bool
}

// openSink opens path for writing, "-" for stdout. Regular files appear whole
// or not at all: they are written beside their place and moved there in the
// end. What exists and is no regular file is written in place.
func openSink(e *env, path string) (*sink, error) {
	if path == "-" {
		return &sink{w: bufio.NewWriterSize(stdoutWriter{e.stdout}, 64<<10), path: path, toStd: true}, nil
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return nil, failed(fmt.Errorf("%s: is a directory", path))
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, failed(fmt.Errorf("%s: %s", path, errText(err)))
		}
		return &sink{w: bufio.NewWriterSize(f, 64<<10), file: f, path: path}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %s", path, errText(err)))
	}
	return &sink{w: bufio.NewWriterSize(f, 64<<10), file: f, tmp: f.Name(), path: path}, nil
}

// commit makes what was written appear.
func (s *sink) commit() error {
	err := s.w.Flush()
	if s.toStd {
		return err
	}
	if s.tmp != "" && err == nil {
		mode := os.FileMode(0o666) &^ umask()
		err = s.file.Chmod(mode)
	}
	if closeErr := s.file.Close(); err == nil {
		err = closeErr
	}
	if s.tmp != "" {
		if err == nil {
			err = os.Rename(s.tmp, s.path)
		}
		if err != nil {
			os.Remove(s.tmp)
		}
	}
	if err != nil {
		return failed(fmt.Errorf("%s: %s; nothing was written there", s.path, errText(err)))
	}
	return nil
}

// abort leaves nothing behind.
func (s *sink) abort() {
	if s.file != nil {
		s.file.Close()
	}
	if s.tmp != "" {
		os.Remove(s.tmp)
	}
}

// stdoutWriter marks the end of interest in stdout.
type stdoutWriter struct{ io.Writer }

func (s stdoutWriter) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)) {
		err = errClosedStdout
	}
	return n, err
}

// target is one -o: a format by name or by the path's extension.
type target struct{ format, path string }

// parseTarget splits FORMAT=PATH; without a format it is the path alone. known
// says what is a format.
func parseTarget(s string, known func(string) bool) target {
	if f, p, ok := strings.Cut(s, "="); ok && known(f) && p != "" {
		return target{f, p}
	}
	return target{"", s}
}
