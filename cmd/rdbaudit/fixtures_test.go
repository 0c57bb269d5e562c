package main

import (
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
