package main

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQueries runs the queries of deploy/queries in DuckDB over the rows of two
// clusters at two dates, and holds each against sums over the rows as CSV.
func TestQueries(t *testing.T) {
	script, err := filepath.Abs("../../output/testdata/duckdb/query.mjs")
	require.NoError(t, err)
	queries, err := filepath.Abs("deploy/queries")
	require.NoError(t, err)
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node here: the queries were not run in DuckDB (output/testdata/duckdb)")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(script), "node_modules/@duckdb/node-api")); err != nil {
		t.Skip("DuckDB is not installed: (cd output/testdata/duckdb && npm install --ignore-scripts)")
	}
	inMoments(t)
	write(t, "r.rules", []byte("pattern user:<id> owner identity\npattern session:<id> owner web\n"))
	const first, last = "2026-11-21", "2026-11-22"
	type row struct {
		cluster, date string
		of            map[string]string
		bytes         int64
	}
	var rows []row
	// Cluster a goes from moment 1 to 2, b from 2 to 3.
	for _, x := range [][3]string{{"a", first, "1"}, {"a", last, "2"}, {"b", first, "2"}, {"b", last, "3"}} {
		dir := filepath.Join("keys", "cluster="+x[0], "date="+x[1])
		require.NoError(t, os.MkdirAll(dir, 0o755))
		args := []string{"keys", x[2] + ".rdb", "--cluster", "on", "--rules", "r.rules"}
		good(t, append(args, "-o", filepath.Join(dir, "shard-0.parquet"))...)
		for _, r := range csvRows(t, good(t, args...)) {
			rows = append(rows, row{x[0], x[1], r, integer(t, r["allocated_bytes"])})
		}
	}
	num := func(n int64) string { return strconv.FormatInt(n, 10) }
	// grouped sums the rows that key gives a name, as name, keys, bytes.
	grouped := func(key func(r *row) string) (out [][]string) {
		keys, bytes := map[string]int64{}, map[string]int64{}
		for i := range rows {
			if name := key(&rows[i]); name != "" {
				keys[name]++
				bytes[name] += rows[i].bytes
			}
		}
		for name := range keys {
			out = append(out, append(strings.Split(name, "\x00"), num(keys[name]), num(bytes[name])))
		}
		slices.SortFunc(out, func(a, b []string) int {
			return cmp.Or(cmp.Compare(integer(t, b[len(b)-1]), integer(t, a[len(a)-1])), slices.Compare(a, b))
		})
		return out
	}
	at := func(name func(r *row) string) func(r *row) string {
		return func(r *row) string {
			if r.date != last {
				return ""
			}
			return name(r)
		}
	}
	run := func(name string) (got [][]string) {
		cmd := exec.Command("node", script, filepath.Join(queries, name+".sql"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		for line := range strings.Lines(string(out)) {
			var r []string
			require.NoError(t, json.Unmarshal([]byte(line), &r), line)
			got = append(got, r)
		}
		return got
	}
	require.Equal(t, grouped(at(func(r *row) string { return r.of["pattern"] })), run("by-pattern"))
	require.Equal(t, grouped(at(func(r *row) string { return cmp.Or(r.of["owner"], "(nobody)") })), run("by-owner"))
	require.Equal(t, grouped(at(func(r *row) string {
		if r.of["expiry"] != "" {
			return ""
		}
		return r.of["pattern"]
	})), run("without-ttl"))
	// Slots are numbers, and ordered as such.
	bySlot := grouped(at(func(r *row) string { return r.cluster + "\x00" + r.of["slot"] }))
	slices.SortStableFunc(bySlot, func(a, b []string) int {
		return cmp.Or(cmp.Compare(integer(t, b[3]), integer(t, a[3])), cmp.Compare(a[0], b[0]), cmp.Compare(integer(t, a[1]), integer(t, b[1])))
	})
	require.Equal(t, bySlot[:20], run("by-slot"))

	growth := map[string][2]int64{}
	for i := range rows {
		r, sign := &rows[i], int64(1)
		if r.date == first {
			sign = -1
		}
		name := r.cluster + "\x00" + r.of["pattern"]
		g := growth[name]
		growth[name] = [2]int64{g[0] + sign*r.bytes, g[1] + sign}
	}
	got := run("growth")
	require.Len(t, got, len(growth))
	for _, r := range got {
		want := growth[r[0]+"\x00"+r[1]]
		require.Equal(t, []string{num(want[0]), num(want[1])}, r[2:], r)
	}
	require.True(t, slices.IsSortedFunc(got, func(a, b []string) int { return cmp.Compare(integer(t, b[2]), integer(t, a[2])) }))

	var largest []int64
	for i := range rows {
		if rows[i].date == last {
			largest = append(largest, rows[i].bytes)
		}
	}
	slices.SortFunc(largest, func(a, b int64) int { return cmp.Compare(b, a) })
	got = run("largest")
	require.Len(t, got, 20)
	for i, r := range got {
		require.Equal(t, num(largest[i]), r[5])
	}
}
