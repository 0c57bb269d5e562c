package main

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestTransfersOfServer: what a real server keeps as an AOF, sends to a replica
// and gives to redis-cli holds the same keys as its dump.
func TestTransfersOfServer(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		s := fixtures.StartServer(t, nil, "--appendonly", "yes", "--aof-use-rdb-preamble", "yes",
			"--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0")
		for i := range 500 {
			s.Do("SET", fmt.Sprint("key:", i), "value")
		}
		s.Do("BGREWRITEAOF")
		base := filepath.Join(s.Dir, "appendonlydir", "appendonly.aof.2.base.rdb")
		require.Eventually(t, func() bool { return exists(base) }, 20*time.Second, 10*time.Millisecond)
		inDir(t)
		write(t, "dump.rdb", s.Dump())
		want := withoutSource(good(t, "keys", "dump.rdb"))
		s.Do("SET", "later", "than the base")
		r := rdbaudit("keys", filepath.Join(s.Dir, "appendonlydir"))
		require.Zero(t, r.status)
		require.Equal(t, want, withoutSource(r.stdout))
		require.Regexp(t, `appendonly.aof.2.base.rdb: \d+ bytes of later commands in other files of the AOF were not read\n$`, r.stderr)
		s.Do("DEL", "later")

		if out, err := exec.Command("redis-cli", "-s", filepath.Join(s.Dir, "s"), "--rdb", "-").Output(); err == nil {
			r = runWith(bytes.NewReader(out), "keys", "-")
			require.Equal(t, result{0, want, ""}, result{r.status, withoutSource(r.stdout), r.stderr})
		}
		c, err := net.Dial("unix", filepath.Join(s.Dir, "s"))
		require.NoError(t, err)
		buf := make([]byte, 1<<16)
		_, err = c.Write([]byte("REPLCONF capa eof\r\n"))
		require.NoError(t, err)
		n, err := c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "+OK\r\n", string(buf[:n]))
		_, err = c.Write([]byte("PSYNC ? -1\r\n"))
		require.NoError(t, err)
		var got bytes.Buffer
		for idle := 3 * time.Second; ; { // the server sends no end
			c.SetReadDeadline(time.Now().Add(idle))
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				break
			}
		}
		c.Close()
		require.Equal(t, diskless == "yes", bytes.Contains(got.Bytes(), []byte("$EOF:")), "%.200q", got.Bytes())
		r = runWith(&got, "keys", "-")
		require.Zero(t, r.status, r.stderr)
		require.Equal(t, want, withoutSource(r.stdout))
	}
}
