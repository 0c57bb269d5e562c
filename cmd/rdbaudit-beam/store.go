package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rdbaudit/internal/source"
)

type writer = io.Writer

// create writes a file or an object whole or not at all: of two workers that
// write the same, which a runner may well start, one wins.
func create(ctx context.Context, stores *source.Stores, path string, write func(io.Writer) error) error {
	if source.IsURL(path) {
		up, err := stores.Create(ctx, path)
		if err == nil {
			if err = write(up); err == nil {
				err = up.Commit()
			} else {
				up.Abort()
			}
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", source.Shown(path), err)
		}
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rdbaudit-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := write(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// join puts names below a prefix, which may be a URL.
func join(prefix string, names ...string) string {
	return strings.TrimRight(prefix, "/") + "/" + strings.Join(names, "/")
}

// folder is a folder as DuckDB, Spark and Athena read columns from.
func folder(column, value string) string { return column + "=" + plainName(value) }

// plainName escapes what a file system or a reader of folders may stumble over, as they do.
func plainName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// writeBad writes the list of what could not be read.
func writeBad(w io.Writer, list []Bad) error {
	c := csv.NewWriter(w)
	c.Write([]string{"cluster", "dump", "keys_read", "error"})
	for _, b := range list {
		c.Write([]string{b.Cluster, b.Path, strconv.FormatInt(b.Keys, 10), b.Error})
	}
	c.Flush()
	return c.Error()
}
