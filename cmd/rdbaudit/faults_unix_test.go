//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// outputs are commands that write files, in all formats; OUT stands for the file.
var outputs = [][]string{
	{"report", "-q", "-o", "html=OUT"}, {"report", "-q", "-o", "json=OUT"}, {"report", "-q", "-o", "csv=OUT"}, {"report", "-q", "-o", "md=OUT"},
	{"report", "-q", "-o", "parquet=OUT"}, {"report", "-q", "-o", "prom=OUT"}, {"report", "-q", "-o", "text=OUT"},
	{"keys", "-o", "csv=OUT"}, {"keys", "-o", "ndjson=OUT"}, {"keys", "-o", "parquet=OUT"}, {"keys", "-o", "table=OUT"},
	{"whatif", "--target", "valkey-9.1", "--format", "json", "-o", "OUT"},
}

func into(args []string, out string, more ...string) []string {
	var all []string
	for _, a := range args {
		all = append(all, strings.ReplaceAll(a, "OUT", out))
	}
	return append(all, more...)
}

// TestDiskFills: a disk that is full in the middle of a file leaves what was
// there before, and nothing new. A limit on the size of files does it without a disk.
func TestDiskFills(t *testing.T) {
	sh, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to set a limit on the size of files")
	}
	inDir(t, shop)
	write(t, "old", []byte("as it was"))
	before := listing(t)
	for _, args := range outputs {
		for _, out := range []string{"new", "old"} {
			cmd := exec.Command(sh, append([]string{"-c", `ulimit -f 2 || exit 99; exec "$0" "$@"`, process().Path}, into(args, out, shop+".rdb")...)...)
			cmd.Env = process().Env
			text, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() == 99 {
				t.Skip("no limit on the size of files here")
			}
			if cmd.ProcessState.ExitCode() == 0 { // it is that small
				st, err := os.Stat(out)
				require.NoError(t, err)
				require.Less(t, st.Size(), int64(2049), args)
				os.Remove("new")
				write(t, "old", []byte("as it was"))
				continue
			}
			require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%v: %s", args, text)
			require.Equal(t, "rdbaudit: "+out+": file too large\n", string(text), args)
			require.Equal(t, before, listing(t), args)
			require.Equal(t, "as it was", read(t, "old"), args)
		}
	}
}

// TestUnreadable: what may not be read is named, and does not hide the rest.
func TestUnreadable(t *testing.T) {
	inDir(t, shop)
	dir, err := os.Getwd()
	require.NoError(t, err)
	write(t, "all/good.rdb", fixtures.Get(t, shop).Data)
	write(t, "all/closed.rdb", []byte("REDIS0011"))
	write(t, "all/sub/more.rdb", []byte("REDIS0011"))
	write(t, "shut/x", nil)
	for path, mode := range map[string]os.FileMode{"all/closed.rdb": 0, "all/sub": 0, "shut": 0o555, "all": 0o755, ".": 0o755, "..": 0o755} {
		require.NoError(t, os.Chmod(path, mode))
	}
	defer os.Chmod("all/sub", 0o755)
	defer os.Chmod("shut", 0o755)
	as := func(args ...string) result {
		cmd := process(args...)
		if os.Getuid() == 0 { // who may read everything, and so asks as somebody else
			copied := filepath.Join(dir, "rdbaudit-copy")
			data, err := os.ReadFile(cmd.Path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(copied, data, 0o755))
			cmd.Path = copied
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Skipf("cannot run as somebody else: %v", err)
		}
		return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	}
	for _, args := range [][]string{{"report", "all"}, {"keys", "all"}, {"verify", "all"}, {"whatif", "--target", "valkey-9.1", "all"}, {"key", "all", "user:1443"}} {
		r := as(args...)
		require.Equal(t, exitDamaged, r.status, "%v: %s", args, r.stderr)
		require.Contains(t, r.stderr+r.stdout, "all/closed.rdb: permission denied", args)
		require.Contains(t, r.stderr+r.stdout, "all/sub: permission denied", args)
		require.Contains(t, r.stdout, map[string]string{"report": "1,891 keys", "keys": "user:1443", "verify": "\t1891\t", "whatif": "before", "key": "user:1443"}[args[0]])
	}
	r := as("keys", "all/closed.rdb")
	require.Equal(t, exitFailed, r.status)
	require.Equal(t, "rdbaudit: all/closed.rdb: permission denied\n", r.stderr)
	for _, args := range outputs {
		r := as(into(args, "shut/out", "all/good.rdb")...)
		require.Equal(t, exitFailed, r.status, args)
		require.Equal(t, "rdbaudit: shut/out: permission denied\n", r.stderr, args)
	}
	require.Equal(t, []string{"x"}, names(t, "shut"))
}

// TestDeviceError: a file that opens and cannot be read. /proc/self/mem has
// nothing at its start.
func TestDeviceError(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc here")
	}
	inDir(t, edges)
	for _, args := range oneOfEach {
		r := rdbaudit(on(args, "/proc/self/mem")...)
		require.Equal(t, exitFailed, r.status, args)
		require.Contains(t, r.stderr+r.stdout, "/proc/self/mem: input/output error", args)
		if args[0] != "key" {
			r = rdbaudit(on(args, "/proc/self/mem", edges+".rdb")...)
			require.Equal(t, exitDamaged, r.status, args)
		}
	}
}

// TestSignalsWhileWriting: a run that is interrupted while it writes, or waits
// for who reads what it writes, ends with the signal's status and leaves no part
// of a file. What was whole before may stay.
func TestSignalsWhileWriting(t *testing.T) {
	inDir(t)
	bigDump(t, "big.rdb", 300_000)
	bigDump(t, "more.rdb", 1000)
	require.NoError(t, syscall.Mkfifo("fifo", 0o644))
	before := listing(t)
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		for _, args := range [][]string{
			{"keys", "big.rdb", "-o", "csv=fifo"},
			{"keys", "big.rdb", "more.rdb", "--format", "ndjson", "-o", "fifo"},
			{"keys", "more.rdb", "big.rdb"},
			{"report", "more.rdb", "-q", "-o", "html=fifo", "-o", "new.json"},
			{"report", "more.rdb", "more.rdb", "-q", "-o", "html=fifo"},
			{"whatif", "--target", "valkey-9.1", "more.rdb", "-o", "fifo"},
			{"verify", "--wire", "more.rdb"},
		} {
			cmd := process(args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			toStdout := args[len(args)-1] != "fifo" && !strings.Contains(strings.Join(args, " "), "=fifo")
			var out *os.File
			var w *os.File
			if toStdout {
				var err error
				out, w, err = os.Pipe()
				require.NoError(t, err)
				cmd.Stdout = w
			}
			require.NoError(t, cmd.Start())
			if toStdout {
				w.Close()
			} else if args[0] != "whatif" { // of which all would fit into the pipe: there nobody opens it
				var err error
				out, err = os.Open("fifo") // waits until the writer is there
				require.NoError(t, err)
			}
			if out != nil {
				_, err := io.ReadFull(out, make([]byte, 10)) // it writes now, and then nobody reads
				require.NoError(t, err)
			} else {
				waitForHandlers(t, cmd)
			}
			cmd.Process.Signal(c.signal)
			ended := make(chan struct{})
			go func() { cmd.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				cmd.Process.Kill()
				t.Fatalf("%v does not end", args)
			}
			if out != nil {
				out.Close()
			}
			require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v: %s", args, stderr.String())
			require.Equal(t, "rdbaudit: interrupted\n", stderr.String(), args)
			require.Equal(t, before, listing(t), args)
		}
	}
}

// waitForHandlers gives a process the time to get to where it hangs.
func waitForHandlers(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	time.Sleep(2 * time.Second)
	require.NoError(t, cmd.Process.Signal(syscall.Signal(0)), "it hangs")
}
