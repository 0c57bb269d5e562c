package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// oneOfEach are all commands that read a dump, in all formats that stdout can
// have, without the dump.
var oneOfEach = [][]string{
	{"report"}, {"report", "--format", "json"}, {"report", "--format", "csv"}, {"report", "--format", "html"}, {"report", "--format", "md"},
	{"report", "--format", "prom"}, {"report", "--format", "parquet"}, {"report", "--format", "csv:types"}, {"report", "--jobs", "1"},
	{"keys"}, {"keys", "--format", "ndjson"}, {"keys", "--format", "parquet"}, {"keys", "--format", "table"}, {"keys", "--format", "list", "-0"},
	{"keys", "--compat", "rdbtools"}, {"keys", "--compat", "hdt"}, {"verify"}, {"verify", "--deep"}, {"verify", "--wire"}, {"verify", "--format", "ndjson"},
	{"whatif", "--target", "valkey-9.1"}, {"whatif", "--target", "valkey-9.1", "--format", "json"}, {"whatif", "--sweep", "hash-max-listpack-entries=0..64"},
	{"key"},
}

// on completes a command line with its dumps.
func on(args []string, dumps ...string) []string {
	all := append(append([]string{}, args...), dumps...)
	if args[0] == "key" {
		return append(all[:2:2], "events:pz9j81:1408")
	}
	return all
}

// goroutines fails if some are left after what was run since it was called.
func goroutines(t *testing.T) func() {
	t.Helper()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines are left of a finished run:\n%s", runtime.NumGoroutine()-before, buf[:runtime.Stack(buf, true)])
			}
		}
	}
}

// faulty gives the bytes of r in pieces, then an error.
type faulty struct {
	r     io.Reader
	piece int
	err   error
}

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.r.Read(p[:min(len(p), f.piece)])
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// TestReadErrors: a device that fails in the middle gives the report of what
// came before, says the device's words and the place, and nothing hangs.
func TestReadErrors(t *testing.T) {
	inDir(t)
	whole := fixtures.Get(t, shop).Data
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(whole)
	z.Close()
	done := goroutines(t)
	for _, args := range oneOfEach {
		for _, piece := range []int{1 << 20, 700} {
			r := runWith(&faulty{bytes.NewReader(whole[:500_000]), piece, syscall.EIO}, on(args, "-")...)
			require.Equal(t, exitDamaged, r.status, args)
			if args[0] != "verify" {
				require.Regexp(t, `^rdbaudit: -: offset 500000: .*input/output error`, r.stderr, args)
			} else {
				require.Contains(t, r.stdout, "input/output error")
			}
			require.NotEmpty(t, r.stdout, "%v: what was read is shown", args)
		}
		r := runWith(&faulty{bytes.NewReader(packed.Bytes()[:packed.Len()/2]), 1000, syscall.EIO}, on(args, "-")...)
		require.Equal(t, exitDamaged, r.status, args)
		require.Contains(t, r.stderr+r.stdout, "input/output error", args)
		for _, n := range []int{0, 3, 20} { // the head
			r := runWith(&faulty{bytes.NewReader(whole[:n]), 2, syscall.EIO}, on(args, "-")...)
			require.Contains(t, []int{exitFailed, exitDamaged}, r.status, args)
			require.Contains(t, r.stderr+r.stdout, "input/output error", "%v, %d bytes", args, n)
		}
	}
	done()
}

// tight takes some bytes, and then none.
type tight struct {
	room int
	err  error
}

func (f *tight) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n := f.room
		f.room = 0
		return n, f.err
	}
	f.room -= len(p)
	return len(p), nil
}

// TestWriteErrors: stdout that cannot take more, for each command and format,
// from the first byte on and later: 1 with a message for a disk, 0 without a
// word for a reader that left. Nothing is left running.
func TestWriteErrors(t *testing.T) {
	inDir(t, shop)
	done := goroutines(t)
	for _, args := range oneOfEach {
		whole := len(good(t, on(args, shop+".rdb")...))
		rooms := []int{0, 1, whole / 2, whole - 1}
		if raceEnabled { // which is slow, and finds its races in one
			rooms = rooms[2:3]
		}
		for _, room := range rooms {
			for _, c := range []struct {
				err    error
				status int
				say    string
			}{
				{syscall.ENOSPC, exitFailed, "rdbaudit: stdout: no space left on device\n"},
				{syscall.EPIPE, exitOK, ""}, {io.ErrClosedPipe, exitOK, ""},
			} {
				var stderr bytes.Buffer
				e := &env{stdin: strings.NewReader(""), stdout: &tight{room, c.err}, stderr: &stderr, ctx: context.Background(), width: 80,
					getenv: func(string) string { return "" }, now: time.Now}
				status := run(on(args, shop+".rdb"), e)
				require.Equal(t, c.status, status, "%v, room for %d: %s", args, room, stderr.String())
				require.Equal(t, c.say, stderr.String(), args)
			}
		}
	}
	done()
}

// TestOutputPlaces: an output that cannot be there is refused before hours of
// reading, and leaves nothing behind.
func TestOutputPlaces(t *testing.T) {
	inDir(t, shop)
	require.NoError(t, os.Mkdir("dir", 0o755))
	write(t, "file", nil)
	before := listing(t)
	for path, say := range map[string]string{
		"gone/x.csv": "gone/x.csv: no such file or directory", "dir": "dir: is a directory", "file/x.csv": "file/x.csv: not a directory",
	} {
		for _, args := range [][]string{{"report", "-o", "json=" + path}, {"keys", "-o", "csv=" + path}, {"whatif", "--target", "valkey-9.1", "-o", path}} {
			stdin := &faulty{strings.NewReader(""), 1, errors.New("was read")}
			r := runWith(stdin, append(args, "-")...)
			require.Equal(t, exitFailed, r.status, args)
			require.Equal(t, "rdbaudit: "+say+"\n", r.stderr, args)
		}
	}
	require.Equal(t, before, listing(t))
}

// changing lets something happen to a file once half of it was read: the
// progress line, which a test's clock brings, is too late for a small one.
type changing struct {
	*os.File
	at int64
	f  func()
}

func (c *changing) Read(p []byte) (int, error) {
	n, err := c.File.Read(p[:min(len(p), 4096)])
	if c.at -= int64(n); c.at <= 0 && c.f != nil {
		c.f()
		c.f = nil
	}
	return n, err
}

// TestChangingInput: a dump that grows, shrinks or is replaced while it is read.
func TestChangingInput(t *testing.T) {
	whole := fixtures.Get(t, shop).Data
	half := int64(len(whole)) / 2
	for name, c := range map[string]struct {
		change func()
		status int
		say    string
	}{
		"grows":    {func() { appendTo("d.rdb", "*1\r\n$4\r\nPING\r\n") }, exitOK, "append-only file commands follow the dump"},
		"shrinks":  {func() { os.Truncate("d.rdb", half+10_000) }, exitDamaged, fmt.Sprintf("offset %d: the file ends too early", half+10_000)},
		"replaced": {func() { os.Remove("d.rdb"); os.WriteFile("d.rdb", []byte("something else"), 0o644) }, exitOK, ""},
		"removed":  {func() { os.Remove("d.rdb") }, exitOK, ""},
		"spoiled":  {func() { spoil("d.rdb", half+50_000) }, exitDamaged, "offset "},
	} {
		if runtime.GOOS == "windows" && (name == "replaced" || name == "removed") {
			continue // an open file cannot be removed there
		}
		t.Run(name, func(t *testing.T) {
			inDir(t)
			for _, args := range oneOfEach {
				write(t, "d.rdb", whole)
				f, err := os.Open("d.rdb")
				require.NoError(t, err)
				r := runWith(&changing{f, half, c.change}, on(args, "-")...)
				f.Close()
				require.Equal(t, c.status, r.status, "%v: %s", args, r.stderr)
				require.Contains(t, r.stderr+r.stdout, c.say, args)
			}
		})
	}
}

func appendTo(path, text string) {
	if f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
		f.WriteString(text)
		f.Close()
	}
}

func spoil(path string, at int64) {
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.WriteAt(bytes.Repeat([]byte{0xc7}, 8), at)
		f.Close()
	}
}

// TestGrowingFile: a file that somebody appends to all the time is read once,
// up to where the dump ends.
func TestGrowingFile(t *testing.T) {
	inDir(t, shop)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				appendTo(shop+".rdb", "*1\r\n$4\r\nPING\r\n")
			}
		}
	}()
	for _, args := range oneOfEach {
		r := rdbaudit(on(args, shop+".rdb")...)
		require.Zero(t, r.status, "%v: %s", args, r.stderr)
	}
	close(stop)
	<-stopped
}

// TestHugeDirectory: of thousands of files the dumps are found, and no more
// files are open at a time than are read.
func TestHugeDirectory(t *testing.T) {
	inDir(t)
	small := asm(t, "v9-minimal")
	for i := range 3000 {
		data := []byte("no dump")
		if i%500 == 0 {
			data = small
		}
		write(t, fmt.Sprintf("many/%d/file%d", i%7, i), data)
	}
	require.Equal(t, 6, strings.Count(good(t, "verify", "many"), "\n"))
	require.Equal(t, 7, strings.Count(good(t, "keys", "many"), "\n"))
}

// TestDiffFaults: a moment that cannot be read to its end is compared as far
// as it goes, and said to be cut, also if it changes while it is read; stdout
// that cannot take more ends the run as that of other commands.
func TestDiffFaults(t *testing.T) {
	whole := fixtures.Get(t, shop).Data
	inDir(t, shop)
	write(t, "before.rdb", whole)
	done := goroutines(t)
	formats := []string{"text", "json", "csv", "html", "md"}
	for _, format := range formats {
		for _, args := range [][]string{{"diff", "before.rdb", "-"}, {"diff", "-", "before.rdb"}, {"diff", "before.rdb", "-", shop + ".rdb"}} {
			args = append(args, "--format", format)
			r := runWith(&faulty{bytes.NewReader(whole[:500_000]), 700, syscall.EIO}, args...)
			require.Equal(t, exitDamaged, r.status, "%v: %s", args, r.stderr)
			require.Regexp(t, `(?m)^rdbaudit: -: offset 500000: .*input/output error`, r.stderr, args)
			require.NotEmpty(t, r.stdout, args)
		}
		r := runWith(&faulty{strings.NewReader("RED"), 2, syscall.EIO}, "diff", "before.rdb", "-", "--format", format)
		require.NotZero(t, r.status)
		require.Contains(t, r.stderr, "input/output error")
		require.Empty(t, r.stdout, "nothing to compare")

		args := []string{"diff", "before.rdb", shop + ".rdb", "--format", format}
		length := len(good(t, args...))
		for _, room := range []int{0, 1, length / 2, length - 1} {
			for err, status := range map[error]int{syscall.ENOSPC: exitFailed, syscall.EPIPE: exitOK} {
				var stderr bytes.Buffer
				e := &env{stdin: strings.NewReader(""), stdout: &tight{room, err}, stderr: &stderr, ctx: context.Background(), width: 80,
					getenv: func(string) string { return "" }, now: time.Now}
				require.Equal(t, status, run(args, e), "%v, room for %d: %s", args, room, stderr.String())
				if status == exitFailed {
					require.Equal(t, "rdbaudit: stdout: no space left on device\n", stderr.String(), args)
				}
			}
		}
	}
	half := int64(len(whole)) / 2
	for name, c := range map[string]struct {
		change func()
		status int
		say    string
	}{
		"grows":   {func() { appendTo("d.rdb", "*1\r\n$4\r\nPING\r\n") }, exitOK, ""},
		"shrinks": {func() { os.Truncate("d.rdb", half+10_000) }, exitDamaged, fmt.Sprintf("offset %d: the file ends too early", half+10_000)},
		"spoiled": {func() { spoil("d.rdb", half+50_000) }, exitDamaged, "offset "},
	} {
		write(t, "d.rdb", whole)
		f, err := os.Open("d.rdb")
		require.NoError(t, err)
		r := runWith(&changing{f, half, c.change}, "diff", "before.rdb", "-")
		f.Close()
		require.Equal(t, c.status, r.status, "%s: %s", name, r.stderr)
		require.Contains(t, r.stderr+r.stdout, c.say, name)
	}
	done()
}
