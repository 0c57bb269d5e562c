package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
)

// table is a CSV by column name.
type table struct {
	at   map[string]int
	rows [][]string
}

func parseTable(t *testing.T, text string) table {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	tab := table{map[string]int{}, all[1:]}
	for i, name := range all[0] {
		tab.at[name] = i
	}
	return tab
}

func (tab table) text(row []string, column string) string { return row[tab.at[column]] }

func (tab table) number(t *testing.T, row []string, column string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(tab.text(row, column), 10, 64)
	require.NoError(t, err, column)
	return n
}

func (tab table) sum(t *testing.T, column string) (total int64) {
	t.Helper()
	for _, row := range tab.rows {
		total += tab.number(t, row, column)
	}
	return total
}

func keysTable(t *testing.T, args ...string) table {
	t.Helper()
	return parseTable(t, good(t, append([]string{"keys"}, args...)...))
}

func patternTable(t *testing.T, args ...string) table {
	t.Helper()
	return parseTable(t, good(t, append([]string{"report", "-o", "csv=-"}, args...)...))
}

// TestFilters holds each filter against the rows that a reader of the whole
// table would keep.
func TestFilters(t *testing.T) {
	inDir(t, shop, edges)
	for _, dump := range []string{shop + ".rdb", edges + ".rdb"} {
		all := keysTable(t, dump)
		field := func(name string) func([]string) string {
			return func(row []string) string { return all.text(row, name) }
		}
		db, typ, key, expiry := field("database"), field("type"), field("key"), field("expiry")
		for _, c := range []struct {
			args []string
			keep func([]string) bool
		}{
			{[]string{"--db", "0"}, func(r []string) bool { return db(r) == "0" }},
			{[]string{"--db", "3", "--db", "5,9"}, func(r []string) bool { return db(r) == "3" || db(r) == "5" || db(r) == "9" }},
			{[]string{"--type", "hash"}, func(r []string) bool { return typ(r) == "hash" }},
			{[]string{"--type", "zset,list", "--type", "module"}, func(r []string) bool { return typ(r) == "zset" || typ(r) == "list" }},
			{[]string{"--key", "^user:"}, func(r []string) bool { return strings.HasPrefix(key(r), "user:") }},
			{[]string{"--key", "^user:", "--key", "1$"}, func(r []string) bool { return strings.HasPrefix(key(r), "user:") || strings.HasSuffix(key(r), "1") }},
			{[]string{"--not-key", ":"}, func(r []string) bool { return !strings.Contains(key(r), ":") }},
			{[]string{"--key", "^s", "--not-key", "^session", "--not-key", "2"}, func(r []string) bool {
				return strings.HasPrefix(key(r), "s") && !strings.HasPrefix(key(r), "session") && !strings.Contains(key(r), "2")
			}},
			{[]string{"--no-ttl"}, func(r []string) bool { return expiry(r) == "" }},
			{[]string{"--min-size", "4kb"}, func(r []string) bool { return all.number(t, r, "allocated_bytes") >= 4096 }},
			{[]string{"--min-size", "4k", "--measure", "usage"}, func(r []string) bool { return all.number(t, r, "size_in_bytes") >= 4000 }},
			{[]string{"--min-size", "0"}, func(r []string) bool { return true }},
			{[]string{"--type", "hash", "--no-ttl", "--min-size", "1KiB", "--in", "product:"}, func(r []string) bool {
				return typ(r) == "hash" && expiry(r) == "" && all.number(t, r, "allocated_bytes") >= 1024 && strings.HasPrefix(key(r), "product:")
			}},
		} {
			var want [][]string
			var bytes, usage int64
			for _, row := range all.rows {
				if c.keep(row) {
					want = append(want, row)
					bytes += all.number(t, row, "allocated_bytes")
					usage += all.number(t, row, "size_in_bytes")
				}
			}
			args := append(c.args, dump)
			if want == nil {
				require.Equal(t, result{0, head(good(t, "keys", dump), 1), "rdbaudit: no key passed the filter\n"}, rdbaudit(append([]string{"keys"}, args...)...))
				continue
			}
			got := keysTable(t, args...)
			require.Equal(t, want, append([][]string(nil), got.rows...), args)

			// The report adds up the same keys, says that it is filtered, and does not reconcile.
			rep := reportJSON(t, args...)
			require.EqualValues(t, len(want), rep.Totals.Keys, args)
			if !strings.Contains(strings.Join(args, " "), "usage") {
				require.Equal(t, bytes, rep.Totals.Bytes, args)
			} else {
				require.Equal(t, usage, rep.Totals.Bytes, args)
			}
			require.NotEmpty(t, rep.Filtered)
			require.Nil(t, rep.Memory.Estimate, "a filtered report does not reconcile")
			require.Nil(t, rep.Memory.UsedMem)
			out := good(t, args...)
			require.Contains(t, strings.Join(strings.Fields(head(out, 4)), " "), "! Filtered: "+rep.Filtered, "the first line")
			require.NotContains(t, out, "\nMEMORY")
			for i, arg := range c.args {
				if arg != "--measure" && (i == 0 || c.args[i-1] != "--measure") {
					require.Contains(t, rep.Filtered, strings.Split(arg, ",")[0])
				}
			}
		}
	}
	require.Contains(t, good(t, shop+".rdb"), "\nMEMORY")

	// Nothing passed: that is no error, but is said, with what may have been meant.
	r := rdbaudit("keys", "--type", "module:none", shop+".rdb")
	require.Zero(t, r.status)
	require.Equal(t, 1, strings.Count(r.stdout, "\n"))
	require.Equal(t, "rdbaudit: no key passed the filter\n", r.stderr)
	r = rdbaudit("report", "--in", "user:*", shop+".rdb")
	require.Zero(t, r.status)
	require.Equal(t, "rdbaudit: no key passed the filter; all below user is --in 'user:'\n", r.stderr)
	require.Contains(t, r.stdout, "0 keys")
}

// TestIn: each row of the pattern table, given to --in, selects the keys that
// it counts. What a row with * has folded depends on all keys, so it selects
// its unfolded neighbours too: the rows that it could have been.
func TestIn(t *testing.T) {
	inDir(t, shop, edges)
	var big bytes.Buffer
	_, err := synth.Write(&big, synth.Options{Kind: "mixed", Keys: 4000})
	require.NoError(t, err)
	write(t, "mixed.rdb", big.Bytes())
	odd, _ := fixtures.Asm(t, `REDIS0011 fe 00
		00 str("=a:1") str("v") 00 str("=a:2") str("v") 00 str("=b") str("v") 00 str("-:x") str("v")
		00 str("*:x") str("v") 00 str("*") str("v") 00 str("{num}:x") str("v") 00 str("<a>:x") str("v")
		00 str("") str("v") 00 str(":") str("v") 00 str("a:") str("v") 00 str("a::b") str("v") 00 str("a") str("v")
		00 str("{user:42}:cart") str("v") 00 str("{42}.following:7") str("v") 00 str("\\x00:\\xff:\\\\x3d") str("v")
		00 str("a:b:c:d:e:f:g:h") str("v") 00 str("10.0.0.1:80") str("v") 00 str("2001:db8::1") str("v") 00 str("x|y:z") str("v")
		ff crc()`)
	write(t, "odd.rdb", odd)
	for _, args := range [][]string{
		{shop + ".rdb"}, {edges + ".rdb"}, {"mixed.rdb"}, {"odd.rdb"},
		{"--depth", "2", shop + ".rdb"}, {"--depth", "1", "odd.rdb"},
		{"--separator", "|", "--separator", ":", "odd.rdb"}, {"--separator", "::", "--separator", ":", "odd.rdb"},
		{"--pattern", "user:*", "--pattern", "<any>:page:*", shop + ".rdb"},
		{"--measure", "usage", shop + ".rdb"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			checkIn(t, args)
		})
	}
}

func checkIn(t *testing.T, args []string) {
	patterns := patternTable(t, args...)
	leaves := map[string]int64{} // of the whole dump, unfolded: by the keys themselves
	for _, row := range keysTable(t, args...).rows {
		leaves[row[14]]++
	}
	// Rows are many: all keys are selected by several processes' worth of runs
	// in one, with a few hundred rows at most.
	rows := patterns.rows
	step := max(1, len(rows)/80)
	for i := 0; i < len(rows); i += step {
		row := rows[i]
		pattern, want := patterns.text(row, "pattern"), patterns.number(t, row, "keys")
		rep := reportJSON(t, append([]string{"--in", pattern}, args...)...)
		if rep.Totals.Keys == want {
			if m := rep.Totals.Bytes; m != patterns.number(t, row, "bytes") {
				t.Errorf("--in %s: %d bytes, the row has %s", pattern, m, patterns.text(row, "bytes"))
			}
			continue
		}
		if rep.Totals.Keys < want {
			t.Errorf("--in %s selects %d keys, the row counts %d", pattern, rep.Totals.Keys, want)
			continue
		}
		// More: only where the row is not alone with its name.
		if strings.Contains(pattern, "*") {
			continue
		}
		if leaf := patterns.text(row, "leaf"); leaf == "1" && leaves[pattern] == want && strings.HasSuffix(pattern, ":") {
			continue // a: as a key and a: for all below
		}
		t.Errorf("--in %s selects %d keys, the row counts %d", pattern, rep.Totals.Keys, want)
	}
	require.EqualValues(t, patterns.number(t, rows[0], "keys"), reportJSON(t, append([]string{"--in", "*"}, args...)...).Totals.Keys)
	r := rdbaudit(append([]string{"-o", "json=-", "--in", "no:such:row"}, args...)...)
	require.Zero(t, r.status)
	require.Equal(t, "rdbaudit: no key passed the filter\n", r.stderr)
	require.Zero(t, parseReport(t, r.stdout).Totals.Keys)
	if leaves[""] > 0 {
		require.Equal(t, leaves[""], reportJSON(t, append([]string{"--in", ""}, args...)...).Totals.Keys)
	}
	if testing.Verbose() {
		fmt.Printf("%v: %d rows\n", args, len(rows))
	}
}
