package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestMerge: merged parts are the report over all dumps, to the byte, in every
// format, with rules, eviction and redaction, whatever the order.
func TestMerge(t *testing.T) {
	const valkey = "valkey-8.1.1-shop"
	inDir(t, shop, edges, valkey)
	write(t, "cut.rdb", fixtures.Get(t, shop).Data[:200_000])
	write(t, "rules.txt", []byte("pattern list:* owner lists\nfail no-ttl-bytes(list:*) > 1\n"))
	dumps := []string{shop + ".rdb", edges + ".rdb", valkey + ".rdb", "cut.rdb"}
	outs := func(name string) (args []string) {
		for _, o := range []string{".json", ".html", ".csv", ".md", ".prom", ".parquet"} {
			args = append(args, "-o", name+o)
		}
		return append(args, "-q", "-o", "csv:dumps="+name+".dumps", "--rules", "rules.txt", "--redact-key", "a key of tests", "--fail-on", "evicted-keys(*) > 1")
	}
	eviction := []string{"--maxmemory", "1mb", "--maxmemory-policy", "allkeys-lru"}
	want := rdbaudit(append(append(append([]string{"report"}, outs("one")...), eviction...), dumps...)...)
	require.Equal(t, exitDamaged, want.status, want.stderr)
	require.Contains(t, want.stderr, "owner lists")
	var parts []string
	for i, d := range dumps {
		part := string(rune('a'+len(dumps)-i)) + ".rdbaudit"
		r := rdbaudit(append([]string{"report", d, "-q", "-o", part, "--rules", "rules.txt"}, eviction...)...)
		require.Contains(t, []int{0, exitRule, exitDamaged}, r.status, r.stderr)
		parts = append(parts, part)
	}
	got := rdbaudit(append(append([]string{"merge"}, outs("merged")...), parts...)...)
	require.Equal(t, want, got)
	same := func(a, b string) {
		t.Helper()
		x, err := os.ReadFile(a)
		require.NoError(t, err)
		y, err := os.ReadFile(b)
		require.NoError(t, err)
		require.True(t, string(x) == string(y), "%s and %s differ", a, b)
	}
	for _, ext := range []string{".json", ".html", ".csv", ".md", ".prom", ".parquet", ".dumps"} {
		same("one"+ext, "merged"+ext)
	}

	// Merges of merges, of a directory, of parts with dumps: all the same.
	report := func(args ...string) string {
		r := rdbaudit(args...)
		require.Contains(t, []int{0, exitDamaged}, r.status, r.stderr)
		return r.stdout
	}
	whole := report(append([]string{"merge"}, parts...)...)
	report("merge", "-q", parts[2], parts[0], "-o", "two.rdbaudit")
	require.Equal(t, whole, report("merge", parts[3], "two.rdbaudit", parts[1]))
	require.Equal(t, whole, report("report", "two.rdbaudit", parts[3], parts[1]))
	require.NoError(t, os.Remove("two.rdbaudit"))
	require.Equal(t, whole, report("merge", "."))
	require.Equal(t, whole, report("merge", "*.rdbaudit"))
	mixed := rdbaudit(append([]string{"report", "--rules", "rules.txt", parts[0], dumps[1], parts[2], dumps[3]}, eviction...)...)
	require.Equal(t, whole, mixed.stdout, mixed.stderr)
}

// TestMergeErrors: what cannot be merged is said in one line that names it.
func TestMergeErrors(t *testing.T) {
	inDir(t, shop, edges)
	good(t, "report", "-q", shop+".rdb", "-o", "a.rdbaudit")
	good(t, "report", "-q", edges+".rdb", "-o", "depth.rdbaudit", "--depth", "3")
	good(t, "report", "-q", edges+".rdb", "-o", "now.rdbaudit", "--now", "2026-11-22")
	part, err := os.ReadFile("a.rdbaudit")
	require.NoError(t, err)
	write(t, "cut.rdbaudit", part[:len(part)-9])
	write(t, "later.rdbaudit", []byte(strings.Replace(string(part), "part 3\n", "part 7\n", 1)))
	write(t, "rules.txt", []byte("pattern list:* owner lists\n"))
	for _, c := range []struct {
		args   string
		status int
		say    string
	}{
		{"merge a.rdbaudit depth.rdbaudit", exitFailed, "depth.rdbaudit: cannot merge: made with different depth: 6 and 3"},
		{"merge a.rdbaudit now.rdbaudit", exitFailed, "now.rdbaudit: cannot merge: made with different --now"},
		{"merge a.rdbaudit cut.rdbaudit", exitFailed, "cut.rdbaudit: damaged part: its checksum is wrong"},
		{"merge later.rdbaudit", exitFailed, "later.rdbaudit: a part of version 7"},
		{"merge", exitUsage, "no part given"},
		{"merge nothing.rdbaudit", exitUsage, "nothing.rdbaudit: no such file"},
		{"merge a.rdbaudit " + shop + ".rdb", exitUsage, shop + ".rdb: no part; merge takes"},
		{"merge a.rdbaudit --rules rules.txt", exitUsage, "its patterns are not those"},
		{"merge a.rdbaudit --maxmemory 1mb", exitUsage, "the parts were made without"},
		{"merge a.rdbaudit --redact -o x.rdbaudit", exitUsage, "a part holds names as they are"},
		{"report --redact -o x.rdbaudit " + shop + ".rdb", exitUsage, "a part holds names as they are"},
		{"report --db 0 a.rdbaudit", exitUsage, "--db needs the dump"},
		{"report a.rdbaudit --depth 3 " + edges + ".rdb", exitFailed, "different depth"},
	} {
		r := rdbaudit(strings.Fields(c.args)...)
		require.Equal(t, c.status, r.status, c.args+": "+r.stderr)
		require.Contains(t, r.stderr, c.say, c.args)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	}
}

// TestBrokenDump: one dump that is none does not spoil the others.
func TestBrokenDump(t *testing.T) {
	inDir(t, shop, edges)
	write(t, "none.rdb", []byte("nothing"))
	r := rdbaudit("report", ".", "--format", "json")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stderr, "none.rdb")
	rep := parseReport(t, r.stdout)
	require.EqualValues(t, len(keysTable(t, shop+".rdb", edges+".rdb").rows), rep.Totals.Keys)
	r = rdbaudit("report", "none.rdb", "-q", "-o", "none.rdbaudit")
	require.Equal(t, exitFailed, r.status)
}

// TestDumpsTable: the rows of the dumps are the sums, and copies are told.
func TestDumpsTable(t *testing.T) {
	inDir(t, shop, edges)
	write(t, "copy.rdb", fixtures.Get(t, shop).Data)
	rep := parsed(t, ".")
	table := rep.Table("dumps")
	require.Len(t, table.Rows, 3)
	var keys, bytes int64
	for _, row := range table.Rows {
		keys += row[3].I
		bytes += row[4].I
	}
	require.Equal(t, rep.Totals.Keys, keys)
	require.Equal(t, rep.Totals.Bytes, bytes)
	require.Contains(t, strings.Join(rep.Warnings, "\n"), "copy.rdb and "+shop+".rdb")
	require.Nil(t, parsed(t, shop+".rdb").Table("dumps"))
	require.NotContains(t, good(t, shop+".rdb", edges+".rdb"), "primary and its replica")
}
