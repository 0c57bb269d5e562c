package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"rdbaudit/internal/source"
)

// sink is an output that is being written.
type sink struct {
	w     *bufio.Writer
	file  *os.File
	tmp   string         // "" if written in place
	path  string         // as the user named it
	final string         // where symbolic links lead
	up    *source.Upload // nil: on this machine
	temps *tempFiles
	toStd bool
}

// tempFiles are the files to remove if the process has to end at once.
type tempFiles struct {
	mu    sync.Mutex
	names map[string]bool
}

func (t *tempFiles) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = make(map[string]bool)
	}
	t.names[name] = true
}

func (t *tempFiles) drop(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.names, name)
}

func (t *tempFiles) removeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.names {
		os.Remove(name)
	}
}

// openSink opens path for writing, "-" for stdout. Regular files appear whole
// or not at all: they are written beside their place and moved there in the
// end. What exists and is no regular file is written in place. So do objects
// of stores: they are uploaded while they are written, and then completed.
func openSink(e *env, path string) (*sink, error) {
	if path == "-" {
		return &sink{w: bufio.NewWriterSize(stdoutWriter{e.stdout}, 32<<10), path: path, toStd: true}, nil
	}
	if source.IsURL(path) {
		up, err := e.stores.Create(e.ctx, path)
		if err != nil {
			return nil, failed(fmt.Errorf("%s: %w", source.Shown(path), err))
		}
		return &sink{path: path, up: up, w: bufio.NewWriterSize(up, 32<<10)}, nil
	}
	if strings.HasPrefix(path, "file://") {
		local, err := source.FilePath(path)
		if err != nil {
			return nil, failed(fmt.Errorf("%s: %w", path, err))
		}
		path = local
	}
	s := &sink{path: path, final: followLinks(path), temps: &e.temps}
	mode := os.FileMode(0o666) // less the umask
	st, err := os.Stat(s.final)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, failed(fmt.Errorf("%s: %s", path, errText(err)))
	case err == nil && st.IsDir():
		return nil, failed(fmt.Errorf("%s: is a directory", path))
	case err == nil && !st.Mode().IsRegular():
		if s.file, err = os.OpenFile(s.final, os.O_WRONLY, 0); err != nil {
			return nil, failed(fmt.Errorf("%s: %s", path, errText(err)))
		}
	default:
		if err == nil {
			mode = st.Mode().Perm() // a report that was private stays so
		}
		if s.file, err = createBeside(s.final, mode); err != nil {
			return nil, failed(fmt.Errorf("%s: %s", path, errText(err)))
		}
		s.tmp = s.file.Name()
		s.temps.add(s.tmp)
		if st != nil {
			s.file.Chmod(mode)
		}
	}
	s.w = bufio.NewWriterSize(s.file, 32<<10)
	return s, nil
}

// followLinks gives the path that symbolic links lead to, whether or not
// something is there: a link is written through, as a shell's > does.
func followLinks(path string) string {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path
}

// createBeside makes a new file of a name of its own in the directory of path.
func createBeside(path string, mode os.FileMode) (f *os.File, err error) {
	for range 100 {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".rdbaudit-%08x.tmp", rand.Uint32()))
		if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	return f, err
}

// checkSink says before hours of reading whether path can be written.
func checkSink(e *env, path string) error {
	if st, err := os.Stat(path); path == "-" || err == nil && !st.IsDir() && !st.Mode().IsRegular() {
		return nil // opening a pipe would wait for its reader
	}
	s, err := openSink(e, path)
	if err == nil {
		s.abort()
	}
	return err
}

// commit makes what was written appear.
func (s *sink) commit() error {
	err := s.w.Flush()
	if s.toStd {
		if err != nil {
			return writeError("-", err)
		}
		return nil
	}
	if s.up != nil {
		if err == nil {
			err = s.up.Commit()
		}
		if err != nil {
			s.abort()
			return failed(fmt.Errorf("%s: %w", source.Shown(s.path), err))
		}
		return nil
	}
	if closeErr := s.file.Close(); err == nil {
		err = closeErr
	}
	if s.tmp != "" {
		if err == nil {
			err = os.Rename(s.tmp, s.final)
		}
		if err != nil {
			os.Remove(s.tmp)
		}
		s.temps.drop(s.tmp)
		s.tmp = ""
	}
	if err != nil {
		return failed(fmt.Errorf("%s: %s", s.path, errText(err)))
	}
	return nil
}

// abort leaves nothing behind, unless commit was called.
func (s *sink) abort() {
	if s.up != nil {
		s.up.Abort()
	}
	if s.file != nil {
		s.file.Close()
	}
	if s.tmp != "" {
		os.Remove(s.tmp)
		s.temps.drop(s.tmp)
		s.tmp = ""
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

// print writes text that was made by write to stdout.
func (e *env) print(write func(io.Writer)) error {
	var b bytes.Buffer
	write(&b)
	if _, err := (stdoutWriter{e.stdout}).Write(b.Bytes()); err != nil {
		return writeError("-", err)
	}
	return nil
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
