package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/output"
)

// outputsOf writes every format of a report, every table and all rows per key.
func outputsOf(t *testing.T, args ...string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	report := []string{"report", "-q"}
	for _, f := range output.Formats() {
		if f.Name == "part" { // holds names as they are, so the two are refused together
			continue
		}
		report = append(report, "-o", f.Name+"="+filepath.Join(dir, f.Name))
	}
	rep := parsed(t, args...)
	for _, table := range rep.Tables {
		report = append(report, "-o", "csv:"+table.Name+"="+filepath.Join(dir, "table "+table.Name))
	}
	r := rdbaudit(append(report, args...)...)
	require.Contains(t, []int{0, exitDamaged}, r.status, r.stderr)
	out := map[string]string{"stderr": ""}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		out[f.Name()] = string(data)
	}
	return out
}

// parsed is the report of a run as its JSON has it.
func parsed(t *testing.T, args ...string) *output.Report {
	t.Helper()
	r := rdbaudit(append([]string{"report", "--format", "json"}, args...)...)
	require.Contains(t, []int{0, exitDamaged}, r.status, r.stderr)
	rep, err := output.ParseReport(strings.NewReader(r.stdout))
	require.NoError(t, err)
	return rep
}

// TestRedact: no name of a key comes out, in any format, whatever goes wrong
// with the dump; all figures stay.
func TestRedact(t *testing.T) {
	inDir(t, shop, edges)
	data, err := os.ReadFile(shop + ".rdb")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("acmecorp/inner", 0o777))
	write(t, "acmecorp/inner/cut.rdb", data[:300_000])
	dumps := []string{shop + ".rdb", edges + ".rdb", "acmecorp/inner/cut.rdb"}
	extra := []string{"--maxmemory", "1mb", "--maxmemory-policy", "allkeys-random", "--json-values", "full", "--as", "loaded"}

	// Whole names, and the words that they are made of which no report has by itself.
	secret := map[string]bool{"acmecorp": true}
	for _, name := range strings.Split(good(t, "keys", "--format", "list", "-0", shop+".rdb", edges+".rdb"), "\x00") {
		if len(name) >= 8 {
			secret[name] = true
		}
	}
	for _, word := range []string{"followers", "attrs", "board:", "queue:"} {
		secret[word] = true
	}
	require.Greater(t, len(secret), 1000)
	args := append(append([]string{"--redact"}, extra...), dumps...)
	outputs := outputsOf(t, args...)
	r := rdbaudit(append([]string{"keys", "--redact"}, dumps...)...)
	outputs["keys"] = r.stdout
	ordinary := regexp.MustCompile(`rdbaudit keys --no-ttl --in|NOTICES|by-product`)
	for name, text := range outputs {
		if name == "html" { // less the library, which knows no name
			text = text[:strings.Index(text, "<footer>")] + text[strings.Index(text, `id="data">`):strings.Index(text, "</script>")]
		}
		text = ordinary.ReplaceAllString(text, "")
		for s := range secret {
			if strings.Contains(text, s) {
				t.Errorf("%s names %q", name, s)
				break
			}
		}
		if name != "keys" && !strings.HasPrefix(name, "table ") && name != "csv" && name != "parquet" && name != "prom" && name != "stderr" {
			require.Contains(t, strings.Join(strings.Fields(text), " "), "keyed hashes", name)
		}
	}

	// The figures are those of the report that names names.
	open, hidden := parsed(t, append(extra, dumps...)...), parsed(t, args...)
	require.Equal(t, open.Totals, hidden.Totals)
	require.Equal(t, open.Memory, hidden.Memory)
	require.Equal(t, len(open.Tables), len(hidden.Tables))
	class := regexp.MustCompile(`\{[a-z]+\}`)
	for i, table := range open.Tables {
		h := hidden.Tables[i]
		require.Equal(t, len(table.Rows), len(h.Rows), table.Name)
		for j, row := range table.Rows {
			for k, c := range row {
				require.Equal(t, c.I, h.Rows[j][k].I)
				require.Equal(t, c.F, h.Rows[j][k].F)
				if table.Columns[k].Name == "pattern" {
					require.Equal(t, class.FindAllString(c.S, -1), class.FindAllString(h.Rows[j][k].S, -1), c.S)
					require.Equal(t, strings.Count(c.S, ":"), strings.Count(h.Rows[j][k].S, ":"), c.S)
				}
			}
		}
	}
}

// TestRedactKey: one key gives one hash for a name, everywhere; another key, or
// none, others.
func TestRedactKey(t *testing.T) {
	inDir(t, shop)
	write(t, "key.txt", []byte("correct horse\n"))
	patterns := func(flags ...string) string {
		return good(t, append(append([]string{"report", "--format", "csv"}, flags...), shop+".rdb")...)
	}
	byFlag := patterns("--redact-key", "correct horse")
	require.Equal(t, byFlag, patterns("--redact", "--redact-key", "@key.txt"))
	require.NotEqual(t, byFlag, patterns("--redact-key", "battery staple"))
	require.NotEqual(t, patterns("--redact"), patterns("--redact"))

	// Patterns of rows per key are those of the report.
	rep := parsed(t, "--redact-key", "correct horse", "--table-memory", "64mb", shop+".rdb")
	known := map[string]bool{}
	for _, row := range rep.Table("patterns").Rows {
		known[row[0].S] = true
	}
	seen, keys := 0, map[string]bool{}
	rows, err := csv.NewReader(strings.NewReader(good(t, "keys", "--redact-key", "correct horse", shop+".rdb"))).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		pattern, key := row[14], row[2]
		require.True(t, strings.HasPrefix(key, pattern+"#"), "%s is of %s", key, pattern)
		require.False(t, keys[key], "two keys are %s", key)
		keys[key] = true
		if known[pattern] {
			seen++
		}
	}
	require.Greater(t, seen, len(keys)/2) // the rest folded

	for _, bad := range [][]string{{"--redact-key", "short"}, {"--redact-key", "@nosuch"}, {"--redact-key", "@"}} {
		r := rdbaudit(append(append([]string{"report"}, bad...), shop+".rdb")...)
		require.Equal(t, exitUsage, r.status, bad)
	}
}

// TestSavedReport: a report that was saved renders as it did the first time.
func TestSavedReport(t *testing.T) {
	inDir(t, shop)
	first := outputsOf(t, shop+".rdb")
	write(t, "saved.json", []byte(first["json"]))
	again := outputsOf(t, "saved.json")
	for name, text := range first {
		require.Equal(t, text, again[name], name)
	}
	require.Equal(t, good(t, shop+".rdb"), good(t, "saved.json"))
	require.Contains(t, good(t, "--redact", "saved.json"), "keyed hashes")

	r := rdbaudit("report", "--top", "3", "--type", "hash", "saved.json")
	require.Equal(t, exitUsage, r.status)
	require.Contains(t, r.stderr, "--top, --type")
	r = rdbaudit("report", "--fail-on", "keys(*) > 5", "saved.json")
	require.Equal(t, exitRule, r.status)
	write(t, "other.json", []byte(`{"a":1}`))
	require.Equal(t, exitFailed, rdbaudit("report", "other.json").status)
}
