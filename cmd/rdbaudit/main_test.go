package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain makes the test binary the command itself where a test needs a
// process of its own: for signals, a closed stdout, a terminal. For the campaign
// it is the command again and again.
func TestMain(m *testing.M) {
	if to := os.Getenv(peakVariable); to != "" {
		runWithPeak(to)
	}
	if os.Getenv("RDBAUDIT_TEST_AS_WORKER") == "1" {
		serveAndExit()
	}
	if os.Getenv("RDBAUDIT_TEST_AS_COMMAND") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// result is how a run of the command ended.
type result struct {
	status         int
	stdout, stderr string
}

// runWith runs the command in this process, with an input on stdin.
func runWith(stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	e := &env{
		stdin: stdin, stdout: &stdout, stderr: &stderr, ctx: context.Background(), width: 80,
		getenv: func(string) string { return "" }, now: time.Now,
	}
	status := run(args, e)
	return result{status, stdout.String(), stderr.String()}
}

func rdbaudit(args ...string) result { return runWith(strings.NewReader(""), args...) }

// good runs the command, which must end well and say nothing on stderr.
func good(t *testing.T, args ...string) string {
	t.Helper()
	r := rdbaudit(args...)
	require.Equal(t, "", r.stderr, args)
	require.Zero(t, r.status, args)
	return r.stdout
}

// inDir makes a new directory the working one and puts dumps there, each by
// its fixture's name: paths in outputs are then the same on every machine.
func inDir(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		write(t, name+".rdb", fixtures.Get(t, name).Data)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// golden holds text against testdata/name, which lies in the directory that
// the test binary was started in.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(home, "testdata", name)
	if *update {
		write(t, path, []byte(got))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./cmd/rdbaudit -update writes it", err)
	}
	require.Equal(t, string(want), got, "testdata/%s; if the change is meant: go test ./cmd/rdbaudit -update, and read the diff", name)
}

// home is the directory of the package: tests change the working directory.
var home = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()

// head is the first n lines.
func head(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[:min(n, len(lines))], "")
}

// listing is what lies in the working directory, hidden files included.
func listing(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// names is what lies in a directory.
func names(t *testing.T, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
