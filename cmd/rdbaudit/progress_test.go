package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestProgressPlain: lines of how far reading has come, for logs.
func TestProgressPlain(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_000_000, 0)
	e := &env{stderr: &out, ctx: context.Background(), now: func() time.Time { return now }}
	read := int64(0)
	p := startProgress(e, "plain", 400<<20, func() int64 { return read }, func() string { return "a.rdb" })
	now = now.Add(10 * time.Second)
	read = 100 << 20
	p.show()
	p.end()
	p.end()
	require.Equal(t, "a.rdb: 100 MiB of 400 MiB read, 10.0 MiB/s, 30s left\n", out.String())

	out.Reset()
	p = startProgress(e, "plain", -1, func() int64 { return read }, func() string { return "stdin" })
	now = now.Add(20 * time.Second)
	p.show()
	p.end()
	require.Equal(t, "stdin: 100 MiB read, 5.00 MiB/s\n", out.String())

	out.Reset()
	startProgress(e, "auto", 1, func() int64 { return 1 }, nil).end()
	require.Empty(t, out.String(), "silent off a terminal")
}

func TestTotalSize(t *testing.T) {
	inDir(t, shop, edges)
	inputs, err := expand(&env{ctx: context.Background()}, []string{shop + ".rdb", "gone.rdb", edges + ".rdb"})
	require.NoError(t, err)
	require.EqualValues(t, 821288+1940188, totalSize(inputs), "what cannot be read is not waited for")
	inputs, err = expand(&env{ctx: context.Background()}, []string{shop + ".rdb", "-"})
	require.NoError(t, err)
	require.EqualValues(t, -1, totalSize(inputs))
}

// TestProgressBar: on a terminal a bar shows, and is gone when the work ends.
func TestProgressBar(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script command to make a terminal")
	}
	if out, err := exec.Command(script, "-qec", "echo terminal", "/dev/null").Output(); err != nil || !strings.Contains(string(out), "terminal") {
		t.Skip("script does not work as that of util-linux does")
	}
	inDir(t)
	bigDump(t, "big.rdb", 1_000_000)
	rates := 0
	for _, c := range []struct {
		line string
		want string // in what is shown while it runs; "" for nothing at all
	}{
		{"report -q big.rdb", "big.rdb"},
		{"report -q -", "stdin"},
		{"report -q --progress none big.rdb", ""},
		{"keys -o keys.csv big.rdb", "keys"},
		{"verify big.rdb > verify.txt", "verify"},
		{"key big.rdb nothing", "key"},
	} {
		t.Run(c.line, func(t *testing.T) {
			input := "cat big.rdb | "
			if strings.HasSuffix(c.line, " -") { // slow enough for a bar on any machine
				input = "{ head -c 3000000 big.rdb; sleep 1; tail -c +3000001 big.rdb; } | "
			}
			cmd := exec.Command(script, "-qec", input+process().Path+" "+c.line, "/dev/null")
			cmd.Env = append(process().Env, "TERM=xterm", "COLUMNS=80")
			out, _ := cmd.Output()
			shown := string(out)
			require.NotContains(t, shown, "panic")
			if c.want == "" {
				require.Empty(t, shown)
				return
			}
			if shown == "" || strings.HasPrefix(shown, "rdbaudit: ") {
				return // it was over before a bar was due
			}
			require.Contains(t, shown, c.want, c.line)
			rates += strings.Count(shown, "MiB/s")
			_, left, ok := cutLast(shown, "\x1b[2K\r")
			require.True(t, ok, "%s: %q", c.line, shown)
			if c.line != "key big.rdb nothing" {
				require.Empty(t, left, "%s: the bar is taken away", c.line)
			}
		})
	}
	require.NotZero(t, rates, "no bar showed a rate in any run")
}

// TestProgressInterrupted: a signal takes the bar away as well, before its message.
func TestProgressInterrupted(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script command to make a terminal")
	}
	inDir(t, shop)
	for _, args := range []string{"keys - -o x.csv", "report -q -", "verify -", "key - nothing", "whatif --target valkey-9.1 -"} {
		// SIGTERM: a shell keeps SIGINT from what runs in the background.
		cmd := exec.Command(script, "-qec", "{ head -c 300000 "+shop+".rdb; sleep 3; } | { exec 3<&0; "+process().Path+" "+args+" <&3 & sleep 1; kill -TERM $!; wait $!; echo status $?; }", "/dev/null")
		cmd.Env = append(process().Env, "TERM=xterm", "COLUMNS=80", "SHELL=/bin/sh")
		out, _ := cmd.Output()
		if !strings.Contains(string(out), "status") {
			t.Skipf("script does not work as that of util-linux does: %q", out)
		}
		require.Contains(t, string(out), "\x1b[2K\rrdbaudit: interrupted\r\n", args)
		require.Contains(t, string(out), "status 143", args)
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
