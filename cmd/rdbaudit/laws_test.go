package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
)

// report is what these tests look at of a report's JSON.
type report struct {
	Filtered string
	Sources  []struct {
		Path string
		Keys int64
	}
	Memory struct {
		Keys     int64  `json:"keys_bytes"`
		Tables   int64  `json:"tables_bytes"`
		Startup  int64  `json:"startup_bytes"`
		Estimate *int64 `json:"estimate_bytes"`
		UsedMem  *int64 `json:"dump_used_mem"`
	}
	Totals struct {
		Keys, Bytes, Size, Alloc int64
	}
}

func parseReport(t *testing.T, text string) (r report) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	return r
}

func reportJSON(t *testing.T, args ...string) report {
	t.Helper()
	return parseReport(t, good(t, append([]string{"report", "--format", "json"}, args...)...))
}

// TestLaws: whatever way the same keys are added up, the sums are the same.
func TestLaws(t *testing.T) {
	inDir(t)
	var big bytes.Buffer
	_, err := synth.Write(&big, synth.Options{Kind: "mixed", Keys: 20_000})
	require.NoError(t, err)
	write(t, "mixed.rdb", big.Bytes())
	dumps := []string{"mixed.rdb"}
	for _, f := range fixtures.All(t) {
		write(t, f.Name+".rdb", f.Data)
		dumps = append(dumps, f.Name+".rdb")
	}
	for _, f := range fixtures.AsmAll(t) {
		write(t, f.Name+".rdb", f.Data)
	}
	for _, dump := range dumps {
		for _, measure := range []string{"allocated", "usage"} {
			args := []string{"--measure", measure, dump}
			column := map[string]string{"allocated": "allocated_bytes", "usage": "size_in_bytes"}[measure]
			require.Empty(t, good(t, append([]string{"report", "-q", "-o", "r.json", "-o", "p.csv", "-o", "csv:types=t.csv", "-o", "csv:databases=d.csv",
				"-o", "csv:sizes=s.csv", "-o", "csv:ttl=l.csv", "-o", "r.html", "-o", "r.txt"}, args...)...))
			r := parseReport(t, read(t, "r.json"))
			keys := keysTable(t, args...)
			require.EqualValues(t, len(keys.rows), r.Totals.Keys)
			require.Equal(t, keys.sum(t, column), r.Totals.Bytes, "%s: %s of keys", dump, column)
			require.Equal(t, keys.sum(t, "allocated_bytes"), r.Totals.Alloc)
			require.Equal(t, keys.sum(t, "size_in_bytes"), r.Totals.Size)
			require.Equal(t, r.Totals.Alloc, r.Memory.Keys)
			require.Equal(t, r.Memory.Keys+r.Memory.Tables+r.Memory.Startup, *r.Memory.Estimate)

			var leafKeys, leafBytes int64
			patterns := parseTable(t, read(t, "p.csv"))
			for _, row := range patterns.rows {
				if patterns.text(row, "leaf") == "1" {
					leafKeys += patterns.number(t, row, "keys")
					leafBytes += patterns.number(t, row, "bytes")
				}
			}
			require.Equal(t, r.Totals.Keys, leafKeys, dump)
			require.Equal(t, r.Totals.Bytes, leafBytes, dump)
			checkTree(t, patterns)
			for _, name := range []string{"t.csv", "d.csv", "s.csv", "l.csv"} {
				tab := parseTable(t, read(t, name))
				require.Equal(t, r.Totals.Keys, tab.sum(t, "keys"), "%s %s", dump, name)
				require.Equal(t, r.Totals.Bytes, tab.sum(t, "bytes"), "%s %s", dump, name)
			}
			for _, name := range []string{"r.html", "r.txt"} {
				require.NotEmpty(t, read(t, name))
			}
		}
	}
}

// checkTree: children sum to their parent.
func checkTree(t *testing.T, tab table) {
	t.Helper()
	type node struct{ depth, keys, bytes, childKeys, childBytes int64 }
	var path []node
	end := func(to int64) {
		for len(path) > 0 && path[len(path)-1].depth >= to {
			n := path[len(path)-1]
			path = path[:len(path)-1]
			require.Equal(t, n.keys, n.childKeys)
			require.Equal(t, n.bytes, n.childBytes)
		}
	}
	for _, row := range tab.rows {
		depth, keys, bytes := tab.number(t, row, "depth"), tab.number(t, row, "keys"), tab.number(t, row, "bytes")
		end(depth)
		if len(path) > 0 {
			path[len(path)-1].childKeys += keys
			path[len(path)-1].childBytes += bytes
		}
		if tab.text(row, "leaf") == "0" {
			path = append(path, node{depth: depth, keys: keys, bytes: bytes})
		}
	}
	end(0)
}

// TestSame: neither workers nor runs change a byte.
func TestSame(t *testing.T) {
	inDir(t, shop, edges, "valkey-9.1.2-shop")
	var big bytes.Buffer
	_, err := synth.Write(&big, synth.Options{Kind: "many-patterns", Keys: 30_000})
	require.NoError(t, err)
	write(t, "many.rdb", big.Bytes())
	for _, args := range [][]string{
		{shop + ".rdb"}, {edges + ".rdb", "valkey-9.1.2-shop.rdb", shop + ".rdb"}, {"many.rdb", shop + ".rdb"}, {"--as", "loaded", edges + ".rdb", "many.rdb"},
	} {
		for _, format := range []string{"json", "text", "html", "csv"} {
			one := good(t, append([]string{"report", "--format", format, "--jobs", "1"}, args...)...)
			for _, jobs := range []string{"1", "2", "4", "9"} {
				require.Equal(t, one, good(t, append([]string{"report", "--format", format, "--jobs", jobs}, args...)...), "%s with %s jobs", format, jobs)
			}
		}
		require.Equal(t, good(t, append([]string{"keys"}, args...)...), good(t, append([]string{"keys"}, args...)...))
	}
	// A full table folds: totals still agree.
	a := reportJSON(t, "--table-memory", "1mb", "--jobs", "1", "many.rdb")
	b := reportJSON(t, "--table-memory", "1mb", "--jobs", "4", "many.rdb")
	c := reportJSON(t, "many.rdb")
	require.Equal(t, c.Totals, a.Totals)
	require.Equal(t, c.Totals, b.Totals)
}

// TestSeveralDumps: a report over several dumps is their sum.
func TestSeveralDumps(t *testing.T) {
	inDir(t, shop, edges, "valkey-8.1.1-shop")
	var sum, parts report
	dumps := []string{shop + ".rdb", edges + ".rdb", "valkey-8.1.1-shop.rdb"}
	var rows int
	for _, d := range dumps {
		r := reportJSON(t, "--now", "2026-11-22", d)
		parts.Totals.Keys += r.Totals.Keys
		parts.Totals.Bytes += r.Totals.Bytes
		parts.Totals.Size += r.Totals.Size
		parts.Totals.Alloc += r.Totals.Alloc
		parts.Memory.Tables += r.Memory.Tables
		parts.Memory.Startup += r.Memory.Startup
		rows += len(keysTable(t, d).rows)
	}
	sum = reportJSON(t, append([]string{"--now", "2026-11-22"}, dumps...)...)
	require.Equal(t, parts.Totals, sum.Totals)
	require.Equal(t, parts.Memory.Tables, sum.Memory.Tables)
	require.Equal(t, parts.Memory.Startup, sum.Memory.Startup)
	keys := keysTable(t, dumps...)
	require.Len(t, keys.rows, rows)
	from := map[string]int64{}
	for _, row := range keys.rows {
		from[keys.text(row, "source")]++
	}
	require.Len(t, from, 3)
	for i, s := range sum.Sources {
		require.Equal(t, slices.Sorted(slices.Values(dumps))[i], s.Path, "by path, whatever the order of the arguments")
		require.Equal(t, from[s.Path], s.Keys)
	}
	require.Contains(t, good(t, dumps...), "3 dumps")
}

// TestLargestElements: of each key in a list of the largest, the report says the
// longest element that rows say, whatever it did not open of others. Names that
// the list shortens are left out.
func TestLargestElements(t *testing.T) {
	inDir(t)
	dumps := []string{"mixed.rdb"}
	var mixed bytes.Buffer
	_, err := synth.Write(&mixed, synth.Options{Kind: "mixed", Keys: 20_000})
	require.NoError(t, err)
	write(t, "mixed.rdb", mixed.Bytes())
	for _, f := range fixtures.All(t) {
		write(t, f.Name+".rdb", f.Data)
		dumps = append(dumps, f.Name+".rdb")
	}
	known := make(map[string]map[[4]string]string) // by dump; database, type, key and size to the longest element
	for _, dump := range dumps {
		keys := keysTable(t, dump)
		known[dump] = make(map[[4]string]string)
		for _, row := range keys.rows {
			key := [4]string{keys.text(row, "database"), keys.text(row, "type"), keys.text(row, "key"), keys.text(row, "allocated_bytes")}
			known[dump][key] = keys.text(row, "len_largest_element")
		}
	}
	packed := 0
	check := func(dumps []string, args ...string) {
		t.Helper()
		for _, row := range tableOf(t, "largest", append(args, dumps...)...) {
			key := [4]string{row["database"], row["type"], row["key"], row["allocated_bytes"]}
			if len(row["key"]) > 256 {
				continue
			}
			found := false
			for _, dump := range dumps {
				longest, ok := known[dump][key]
				found = found || ok && longest == row["len_largest_element"]
			}
			require.True(t, found, "%s: %v", dumps, row)
			if row["type"] == "list" || row["type"] == "stream" {
				packed++
			}
		}
	}
	for _, dump := range dumps {
		check([]string{dump})
		check([]string{dump}, "--top", "1")
	}
	check(dumps[:8], "--top", "5", "--jobs", "4")
	check(dumps, "--jobs", "1")
	require.Greater(t, packed, 200)
}
