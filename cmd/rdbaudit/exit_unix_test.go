//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestSignals: an interrupted run leaves no file behind, half-written or
// temporary, and ends at once even where it waits for input.
func TestSignals(t *testing.T) {
	inDir(t)
	bigDump(t, "big.rdb", 10_000)
	write(t, "old.csv", []byte("as it was"))
	require.NoError(t, syscall.Mkfifo("pipe", 0o644))
	before := listing(t)
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		for _, args := range [][]string{
			// All read a dump that stops coming: none can be done before the signal.
			{"keys", "-", "-o", "new.csv"},
			{"keys", "-", "-o", "old.csv"},
			{"keys", "-", "--key", "^nothing$", "-o", "new.csv"},
			{"report", "-", "-o", "new.json"},
			{"report", "big.rdb", "-", "-o", "new.json"},
			{"key", "-", "nothing"},
			{"verify", "-"},
			{"whatif", "--target", "valkey-9.1", "-", "-o", "new.txt"},
			{"diff", "big.rdb", "-", "-o", "new.json"},
		} {
			var cmd *exec.Cmd
			var stdout, stderr bytes.Buffer
			var begun time.Time
			// On a busy machine the signal may come before the process is there to catch it.
			for wait := 30 * time.Millisecond; ; wait *= 3 {
				stdout.Reset()
				stderr.Reset()
				cmd = process(args...)
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				// A dump that stops coming, for those that read stdin.
				r, w, err := os.Pipe()
				require.NoError(t, err)
				cmd.Stdin = r
				require.NoError(t, cmd.Start())
				r.Close()
				w.Write(fixtures.Get(t, shop).Data[:30_000])
				time.Sleep(wait)
				begun = time.Now()
				cmd.Process.Signal(c.signal)
				cmd.Wait()
				w.Close()
				if cmd.ProcessState.ExitCode() >= 0 || wait > time.Second {
					break
				}
			}
			require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v: %s", args, stderr.String())
			require.Equal(t, "rdbaudit: interrupted\n", stderr.String(), args)
			require.Less(t, time.Since(begun), 5*time.Second, args)
			require.Equal(t, before, listing(t), args)
			if args[len(args)-2] == "-o" {
				require.Empty(t, stdout.String(), args)
			}
		}
	}
	require.Equal(t, "as it was", read(t, "old.csv"))
}

// TestOutputFiles: regular files appear whole, with the mode that the umask
// or the file before says; links are followed; all else is written in place.
func TestOutputFiles(t *testing.T) {
	inDir(t, shop)
	want := good(t, "keys", shop+".rdb")
	keys := func(out string) { t.Helper(); require.Empty(t, good(t, "keys", shop+".rdb", "-o", out)) }

	mode := func(path string) os.FileMode {
		st, err := os.Stat(path)
		require.NoError(t, err)
		return st.Mode().Perm()
	}
	for _, mask := range []int{0o022, 0o077, 0o002} {
		old := syscall.Umask(mask)
		keys("new.csv")
		syscall.Umask(old)
		require.Equal(t, os.FileMode(0o666&^mask), mode("new.csv"))
		require.Equal(t, want, read(t, "new.csv"))
		require.NoError(t, os.Remove("new.csv"))
	}
	write(t, "private.csv", []byte("old"))
	require.NoError(t, os.Chmod("private.csv", 0o600))
	keys("private.csv")
	require.Equal(t, os.FileMode(0o600), mode("private.csv"), "a private file stays private")
	require.Equal(t, want, read(t, "private.csv"))

	// Symbolic links: relative to where they lie, in chains, and to nothing yet.
	write(t, "sub/old.csv", []byte("old"))
	require.NoError(t, os.Symlink("old.csv", "sub/link.csv"))
	require.NoError(t, os.Symlink("sub/link.csv", "chain.csv"))
	require.NoError(t, os.Symlink("sub/later.csv", "dangling.csv"))
	keys("chain.csv")
	require.Equal(t, want, read(t, "sub/old.csv"))
	keys("dangling.csv")
	require.Equal(t, want, read(t, "sub/later.csv"))
	for _, link := range []string{"chain.csv", "dangling.csv", "sub/link.csv"} {
		st, err := os.Lstat(link)
		require.NoError(t, err)
		require.NotZero(t, st.Mode()&os.ModeSymlink, "%s is still a link", link)
	}
	require.NoError(t, os.Symlink("loop.csv", "loop.csv"))
	require.Equal(t, exitFailed, rdbaudit("keys", shop+".rdb", "-o", "loop.csv").status)
	require.NoError(t, os.Remove("loop.csv"))

	keys("/dev/null")
	st, err := os.Stat("/dev/null")
	require.NoError(t, err)
	require.False(t, st.Mode().IsRegular(), "/dev/null is what it was")

	require.NoError(t, syscall.Mkfifo("pipe", 0o644))
	got := make(chan string)
	go func() {
		data, _ := os.ReadFile("pipe")
		got <- string(data)
	}()
	keys("csv=pipe")
	require.Equal(t, want, <-got)
	go func() {
		data, _ := os.ReadFile("pipe")
		got <- string(data)
	}()
	require.Empty(t, good(t, "-q", shop+".rdb", "-o", "csv=pipe"))
	require.Contains(t, <-got, "pattern,depth")

	// A long name leaves room for that of the temporary file.
	long := strings.Repeat("n", 251) + ".csv"
	keys(long)
	require.Equal(t, want, read(t, long))
	require.NoError(t, os.Remove(long))
	left, err := filepath.Glob(".*")
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file")
}
