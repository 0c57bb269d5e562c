// Package source is where bytes come from and where outputs go: paths,
// directories, globs, standard input and URLs, compressed or not. It finds out
// what a stream is by its first bytes, never by its name.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// Input is a dump that can be opened.
type Input struct {
	Path string    // as the user named it, without secrets; "-" for standard input
	Size int64     // bytes as stored, -1 if unknown
	Time time.Time // of the last change, zero if unknown
	Err  error     // why it cannot be opened: Open says it again
	// Later is how many bytes of commands the increments of an AOF hold, whose
	// base this is.
	Later  int64
	remote *remote // nil: on this machine
}

// Expand turns the user's arguments into inputs, in the order of the arguments
// and by name within each. A directory gives the files below it that look like
// dumps. What cannot be found is an input too, with its Err: one bad path among
// many must not hide the others.
func (s *Stores) Expand(ctx context.Context, args []string) []Input {
	each := make([][]Input, len(args))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 8) // stores answer slowly, not seldom
	for i, arg := range args {
		l, ok, err := locate(arg)
		switch {
		case strings.HasPrefix(arg, "file://"):
			each[i] = fileURL(arg)
		case !ok:
			each[i] = expand(arg)
		case err != nil:
			each[i] = []Input{{Path: Shown(arg), Size: -1, Err: fmt.Errorf("%s: %w", Shown(arg), err)}}
		default:
			slots <- struct{}{}
			wait.Add(1)
			go func() {
				defer wait.Done()
				defer func() { <-slots }()
				each[i] = s.expand(ctx, l)
			}()
		}
	}
	wait.Wait()
	var inputs []Input
	for _, found := range each {
		inputs = append(inputs, found...)
	}
	return inputs
}

// FilePath is the path of a file:// URL.
func FilePath(arg string) (string, error) {
	u, err := url.Parse(arg)
	if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
		return "", errors.New("not the URL of a file here; it goes file:///PATH")
	}
	path := u.Path
	if len(path) > 2 && path[2] == ':' && filepath.Separator == '\\' { // /C:/dir
		path = path[1:]
	}
	return filepath.FromSlash(path), nil
}

func fileURL(arg string) []Input {
	path, err := FilePath(arg)
	if err != nil {
		return []Input{{Path: arg, Size: -1, Err: fmt.Errorf("%s: %w", arg, err)}}
	}
	return expand(path)
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
	case strings.HasSuffix(arg, ".manifest"):
		in, _, err := multiPart(arg)
		if err != nil {
			return bad(fmt.Errorf("%s: %w", arg, err))
		}
		found = []Input{in}
	default:
		found = []Input{fileInput(arg, st)}
	}
	return found
}

// multiPart finds the base of an AOF in several parts, by its manifest. names
// are the paths of all its files.
func multiPart(path string) (in Input, names []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return in, nil, errors.New("permission denied")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return in, nil, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return in, nil, err
	}
	files := make(map[string]os.FileInfo)
	for _, name := range m.names {
		name := filepath.Join(filepath.Dir(path), name)
		names = append(names, name)
		if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
			files[filepath.Base(name)] = st
		}
	}
	base, err := pick(m, files)
	if err != nil {
		return in, names, err
	}
	in = fileInput(filepath.Join(filepath.Dir(path), m.base), base)
	in.Later = m.later(func(name string) int64 {
		if st := files[name]; st != nil {
			return st.Size()
		}
		return 0
	})
	return in, names, nil
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
	parts := make(map[string]*Input) // of AOFs: nil, or what to read
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
		if strings.HasSuffix(path, ".manifest") {
			in, names, err := multiPart(path)
			for _, name := range names {
				parts[name] = nil
			}
			if err == nil {
				parts[in.Path] = &in
				found = append(found, in)
			} else if !errors.Is(err, errNoManifest) {
				bad(path, err)
			}
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
	kept := found[:0]
	for _, in := range found {
		if own, is := parts[in.Path]; is {
			if own == nil {
				continue
			}
			in = *own
			parts[in.Path] = nil // once
		}
		kept = append(kept, in)
	}
	return kept
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
