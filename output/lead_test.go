package output

import (
	"strings"
	"testing"

	"rdbaudit/aggregate"
)

func leadText(r *Report) string {
	var b strings.Builder
	for i, s := range r.lead() {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, part := range s {
			b.WriteString(part.Text)
		}
	}
	return b.String()
}

// The first sentence names the row that tells most, in plain words.
func TestLead(t *testing.T) {
	at := func(pattern string, depth, leaf, keys int, bytes int64, noTTL float64, types string) []aggregate.Cell {
		return patternRow(pattern, depth, leaf, keys, bytes, noTTL, types, "raw", "")
	}
	const most = total * 6 / 10
	for _, c := range []struct {
		what string
		rows [][]aggregate.Cell
		want string
	}{
		{"one child after another holds most", [][]aggregate.Cell{
			at("*", 0, 0, 1000, total, 1, "string"), at("app:", 1, 0, 900, most, 0.31, "string"), at("app:v2:", 2, 0, 890, most, 0.31, "string"),
			at("app:v2:{uuid}", 3, 1, 800, most*9/10, 0.25, "string"), at("app:v2:x", 3, 1, 90, most/10, 0.25, "string"),
		}, "54 % of 17.1 GiB is app:v2:{uuid}, 800 strings, 25 % of them without a TTL, 11.8 MiB on average."},
		{"it splits at once", [][]aggregate.Cell{
			at("*", 0, 0, 1000, total, 1, "stream"), at("events:", 1, 0, 900, most, 1, "stream"), at("events:a:", 2, 1, 450, most/2, 1, "stream"),
			at("events:b:", 2, 1, 450, most/2, 1, "stream"), at("big", 1, 1, 1, total-most, 1, "hash"),
		}, "60 % of 17.1 GiB is below events: (900 streams, none of them with a TTL, 11.7 MiB on average)."},
		{"a single key", [][]aggregate.Cell{at("*", 0, 0, 1, total, 1, "hash"), at("big", 1, 1, 1, total, 1, "hash")},
			"100 % of 17.1 GiB is big, a single hash without a TTL."},
		{"types mixed", [][]aggregate.Cell{at("a:{num}", 1, 1, 10, total, 0, "hash 85.0%,string 15.0%")},
			"100 % of 17.1 GiB is a:{num}, 10 keys, mostly hashes, all of them with a TTL, 1.71 GiB on average."},
		{"two types", [][]aggregate.Cell{at("a:{num}", 1, 1, 10, total, 0, "zset 60.0%,string 40.0%")},
			"100 % of 17.1 GiB is a:{num}, 10 sorted sets and strings, all of them with a TTL, 1.71 GiB on average."},
		{"three types", [][]aggregate.Cell{at("a:{num}", 1, 1, 10, total, 0, "zset 50.0%,string 40.0%,module:a b 10.0%")},
			"100 % of 17.1 GiB is a:{num}, 10 keys of 3 types, all of them with a TTL, 1.71 GiB on average."},
		{"modules", [][]aggregate.Cell{at("a:{num}", 1, 1, 10, total, 0, "module:ReJSON-RL")},
			"100 % of 17.1 GiB is a:{num}, 10 module values, all of them with a TTL, 1.71 GiB on average."},
		{"nothing stands out", [][]aggregate.Cell{at("*", 0, 0, 1000, total, 0, "list"), at("q:{num}", 1, 1, 10, total/20, 0, "list"), at("r:{num}", 1, 1, 10, total/30, 0, "list")},
			"The memory is spread over many patterns. The largest part: 5.0 % of 17.1 GiB is q:{num}, 10 lists, all of them with a TTL, 87.6 MiB on average."},
	} {
		r := sampleReport()
		r.Tables = []aggregate.Table{{Name: "patterns", Columns: patternColumns, Rows: c.rows}}
		if got := leadText(r); !strings.HasPrefix(got, c.want+" ") {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}

// TestLeadJSON: strings are called JSON if most that were looked at are.
func TestLeadJSON(t *testing.T) {
	for keys, want := range map[int]string{60: "800 strings of JSON, ", 50: "800 strings, "} {
		r := sampleReport()
		r.Tables = []aggregate.Table{
			{Name: "patterns", Columns: patternColumns, Rows: [][]aggregate.Cell{patternRow("a:{num}", 1, 1, 800, total, 0.5, "string", "raw", "")}},
			{Name: "audit", Columns: columns("pattern name", "kind text", "type text", "keys count", "looked count"), Rows: [][]aggregate.Cell{
				row("b", "json", "string", 9, 9), row("a:{num}", "json", "hash", 9, 9), row("a:{num}", "lzf", "string", 90, nil), row("a:{num}", "json", "string", keys, 100)}},
		}
		if got := leadText(r); !strings.Contains(got, "a:{num}, "+want) {
			t.Error(got)
		}
	}
}

// What a damaged dump did not give is not called buffers.
func TestDamagedRemainder(t *testing.T) {
	r := sampleReport()
	r.Sources[0].Error = "offset 12: the file ends too early"
	parts := r.memoryParts()
	if doc := parts[len(parts)-1].Doc; !strings.Contains(doc, "not read") {
		t.Errorf("the remainder is %q", doc)
	}
	lines := r.firstLines()
	if !strings.HasPrefix(lines[0], "backups/prod-1.rdb is damaged: ") || !strings.Contains(lines[0], "ends too early") {
		t.Errorf("starts with %q", lines[0])
	}
	// A warning that says it is not said twice, but comes first.
	r.Filtered = "--db 3"
	r.Warnings = append(r.Warnings, "prod-1.rdb is damaged: "+r.Sources[0].Error)
	if lines = r.firstLines(); len(lines) != 3 || lines[0] != r.Warnings[1] || !strings.HasPrefix(lines[1], "Filtered: --db 3. ") {
		t.Errorf("%q", lines)
	}
}
