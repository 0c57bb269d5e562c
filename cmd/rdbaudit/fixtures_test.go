package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestEveryFixture gives every dump there is, of servers and by hand, to keys
// and to report: each has a row for each of its keys.
func TestEveryFixture(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range fixtures.AsmAll(t) {
		write(t, f.Name+".rdb", f.Data)
		r := rdbaudit("keys", f.Name+".rdb")
		require.Zero(t, r.status, "%s: %s", f.Name, r.stderr)
		rows := 0
		for _, c := range r.stdout {
			if c == '\n' {
				rows++
			}
		}
		require.Equal(t, len(f.Keys)+1, rows, f.Name)
		require.Zero(t, rdbaudit("report", f.Name+".rdb").status, f.Name)
		require.Zero(t, rdbaudit("verify", "--deep", f.Name+".rdb").status, f.Name)
	}
	for _, f := range fixtures.All(t) {
		write(t, f.Name+".rdb", f.Data)
		require.Zero(t, rdbaudit("keys", "-o", "keys.csv", f.Name+".rdb").status, f.Name)
		require.Zero(t, rdbaudit("verify", "--deep", f.Name+".rdb").status, f.Name)
	}
}

// TestClusterFlag: --cluster is what the server is to be, whatever slots the
// dump shows; without it they decide.
func TestClusterFlag(t *testing.T) {
	const dump = "redis-7.4.1-cluster-shop"
	inDir(t, dump)
	type shown struct {
		Model  struct{ Cluster bool }
		Memory struct {
			Tables  int64 `json:"tables_bytes"`
			Startup int64 `json:"startup_bytes"`
		}
	}
	look := func(mode string) (s shown) {
		require.NoError(t, json.Unmarshal([]byte(good(t, "--cluster", mode, "-o", "json=-", dump+".rdb")), &s))
		return s
	}
	auto, on, off := look("auto"), look("on"), look("off")
	require.True(t, auto.Model.Cluster)
	require.Equal(t, auto, on)
	require.False(t, off.Model.Cluster)
	require.Less(t, off.Memory.Tables, auto.Memory.Tables) // no dictionaries of slots
	require.Less(t, off.Memory.Startup, auto.Memory.Startup)
}
