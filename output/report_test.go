package output

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"rdbaudit/aggregate"
)

// column writes "name kind" pairs as columns.
func columns(pairs ...string) (cs []aggregate.Column) {
	for _, p := range pairs {
		name, kind, _ := strings.Cut(p, " ")
		cs = append(cs, aggregate.Column{Name: name, Kind: kindOf(kind), Doc: "what " + name + " means"})
	}
	return cs
}

// row makes cells from Go values; nil is null.
func row(values ...any) (cells []aggregate.Cell) {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			cells = append(cells, aggregate.Cell{Null: true})
		case string:
			cells = append(cells, aggregate.Cell{S: v})
		case float64:
			cells = append(cells, aggregate.Cell{F: v})
		case int:
			cells = append(cells, aggregate.Cell{I: int64(v)})
		case int64:
			cells = append(cells, aggregate.Cell{I: v})
		default:
			panic(v)
		}
	}
	return cells
}

var patternColumns = columns("pattern name", "depth count", "leaf flag", "keys count", "bytes bytes", "share share", "avg_bytes bytes",
	"p50_bytes bytes", "p99_bytes bytes", "max_bytes bytes", "max_key name", "elements count", "no_ttl_keys count", "no_ttl_bytes bytes",
	"field_ttl_keys count", "expired_keys count", "expired_bytes bytes", "ttl_p50_seconds seconds", "idle_p50_seconds seconds",
	"types text", "encodings text", "owner text")

const total = int64(18_363_000_000)

func patternRow(pattern string, depth, leaf, keys int, bytes int64, noTTL float64, types, encodings, owner string) []aggregate.Cell {
	var ttl, idle any
	if noTTL < 1 {
		ttl, idle = 86400*3+4*3600, 3600
	}
	avg := bytes / int64(keys)
	return row(pattern, depth, leaf, keys, bytes, ratio(bytes, total), avg, avg*9/10, avg*4, avg*11, strings.NewReplacer("{uuid}", "5f2b9c1e-77aa-4a0e-9d2c-0a1b2c3d4e5f", "{num}", "8812", "*", "x").Replace(pattern), keys*3,
		int(float64(keys)*noTTL), int64(float64(bytes)*noTTL), keys/1000, keys/100, bytes/100, ttl, idle, types, encodings, owner)
}

func escaped(s string) string { return string(aggregate.AppendEscaped(nil, []byte(s))) }

// sampleReport is what a report of two shards looks like.
func sampleReport() *Report {
	const now = 1714564800000
	patterns := aggregate.Table{Name: "patterns", Title: "Key patterns", Columns: patternColumns, Notes: []string{"212 keys were folded into * (1.2 MiB)"}}
	patterns.Rows = append(patterns.Rows, [][]aggregate.Cell{
		patternRow("*", 0, 0, 6_523_497, total, 0.75, "string hash", "raw", ""),
		patternRow("session:", 1, 0, 4_123_456, 11_460_000_000, 1, "string", "raw", ""),
		patternRow("session:{uuid}", 2, 1, 4_123_456, 11_460_000_000, 1, "string", "raw", "identity"),
		patternRow("user:", 1, 0, 2_400_000, 4_800_000_000, 0.4, "hash zset", "listpack hashtable skiplist", ""),
		patternRow("user:{num}:", 2, 0, 2_000_000, 4_700_000_000, 0.39, "hash zset", "listpack hashtable skiplist", ""),
		patternRow("user:{num}:cart", 3, 1, 1_200_000, 3_000_000_000, 0.1, "hash", "listpack hashtable", "checkout"),
		patternRow("user:{num}:feed", 3, 1, 800_000, 1_700_000_000, 0.9, "zset", "skiplist", "feed"),
		patternRow("user:"+escaped("名前キー"), 2, 1, 400_000, 100_000_000, 0, "hash", "listpack", ""),
		patternRow("feature-flags", 1, 1, 1, 1_500_000_000, 1, "hash", "hashtable", ""),
		patternRow("events:", 1, 0, 40, 540_000_000, 1, "stream", "stream", ""),
		patternRow("events:"+strings.Repeat("very-long-literal-", 6)+"end", 2, 1, 40, 540_000_000, 1, "stream", "stream", ""),
	}...)
	rest := int64(total - 11_460_000_000 - 4_800_000_000 - 1_500_000_000 - 540_000_000)
	patterns.Rows = append(patterns.Rows, patternRow("*", 1, 1, 1000, rest/2, 0.5, "string", "embstr", ""))
	for _, n := range hostileNames {
		if n != "" && n != "*" {
			patterns.Rows = append(patterns.Rows, patternRow(escaped(n), 1, 1, 10, rest/2/int64(len(hostileNames)), 0.5, "string", "embstr", n))
		}
	}

	largest := aggregate.Table{Name: "largest", Title: "Largest keys", Columns: columns("rank count", "scope text", "database count", "type text", "key name", "bytes bytes",
		"size_in_bytes bytes", "allocated_bytes bytes", "encoding text", "num_elements count", "len_largest_element bytes", "expiry time", "pattern name")}
	for i, n := range append([]string{"feature-flags", "events:" + strings.Repeat("very-long-literal-", 6) + "end"}, hostileNames...) {
		var expiry any
		if i%3 == 2 {
			expiry = now + int64(i)*86400000
		}
		size := 1_500_000_000 / (i + 1)
		largest.Rows = append(largest.Rows, row(i+1, "all", i%2, "hash", escaped(n), size, size-400, size, "hashtable", 1_234_567/(i+1), 4096, expiry, escaped(n)))
	}

	for _, scope := range []string{"hash", "stream"} {
		largest.Rows = append(largest.Rows, row(1, scope, 0, scope, scope+":"+escaped("<b>"), 9000, 8000, 9000, "stream", 5, nil, nil, scope))
	}

	return &Report{
		Version: "v0.1.0", Now: now, NowFrom: "dump", Measure: "allocated", Options: Options{Separators: []string{":", "\\x00"}, Depth: 6, Patterns: "0123456789abcdef"},
		Sources: []Source{
			{Path: "backups/prod-1.rdb", Bytes: 4_512_345_678, Size: 4_512_345_678, Server: "redis 7.2.6", Format: "REDIS0011", Created: now, UsedMem: 9_900_000_000, Keys: 3_261_700, Checksum: "ok", Functions: 2},
			{Path: "backups/名前-<b>=2.rdb", Bytes: 4_212_345_678, Size: -1, Server: "valkey 8.1.0", Format: "REDIS0011", Created: 0, UsedMem: -1, Keys: 3_261_797, Checksum: "none", Trailing: "an AOF tail of 1.20 MiB follows"},
		},
		Memory: Memory{Keys: total, Tables: 510_000_000, Startup: 880_000, Estimate: total + 510_880_000, DumpUsedMem: 19_800_000_000, Slack: 4_100_000, ExpectedPart: 0.0123, ExpectedSD: 310_000, Opaque: 12_000},
		Model: Model{Line: "redis-7.2", From: "the dump's redis-ver 7.2.6", Verified: true, View: "live", Allocator: "jemalloc", Limits: []Limit{
			{"hash-max-listpack-entries", "900", "dump"}, {"hash-max-listpack-value", "64", "default"}, {"list-max-listpack-size", "-2", "--config"}}},
		Totals: aggregate.Totals{Keys: 6_523_497, Bytes: total, Size: total - 900, Alloc: total, Serialized: 8_700_000_000, Elements: 99_000_000,
			NoTTLKeys: 4_923_456, NoTTLBytes: 14_900_000_000, TTLKeys: 1_600_041, TTLBytes: total - 14_900_000_000, ExpiredKeys: 1201, ExpiredBytes: 3_400_000},
		Tables: []aggregate.Table{
			patterns,
			{Name: "types", Title: "Types and encodings", Columns: columns("type text", "encoding text", "keys count", "bytes bytes", "share share", "elements count", "avg_bytes bytes"), Rows: [][]aggregate.Cell{
				row("string", "raw", 4_123_456, int64(11_460_000_000), 0.624, 4_123_456, 2779),
				row("hash", "listpack", 1_600_000, int64(3_100_000_000), 0.1688, 16_000_000, 1937),
				row("zset", "skiplist", 800_000, 1_700_000_000, 0.0926, 79_000_000, 2125),
				row("module:"+clean("<b>"), "raw", 1, 300, 0.00000001, 1, 300)}},
			largest,
			{Name: "ttl", Title: "Time to live", Columns: columns("ttl text", "from_seconds seconds", "to_seconds seconds", "keys count", "bytes bytes", "share share"), Rows: [][]aggregate.Cell{
				row("expired", nil, 0, 1201, 3_400_000, 0.0002), row("under 1m", 0, 60, 600_041, 1_000_000_000, 0.054), row("1y or more", 365*86400, nil, 0, 0, 0.0), row("none", nil, nil, 4_923_456, int64(14_900_000_000), 0.811)}},
			{Name: "sizes", Title: "Key sizes", Columns: columns("from_bytes bytes", "to_bytes bytes", "keys count", "bytes bytes", "share share"), Rows: [][]aggregate.Cell{
				row(0, 0, 0, 0, 0.0), row(64, 127, 1_000_000, 100_000_000, 0.0054), row(1024, 2047, 5_000_000, int64(16_000_000_000), 0.9)}},
			{Name: "databases", Title: "Databases", Columns: columns("database count", "keys count", "bytes bytes", "share share", "no_ttl_keys count"), Rows: [][]aggregate.Cell{
				row(0, 6_523_000, total-1000, 0.9999, 4_923_456), row(7, 497, 1000, 0.0001, 0)}},
			evictionTable(),
			ownersTable(),
			findingsTable(),
			{Name: "idle", Title: "Idle time", Columns: columns("idle text", "keys count", "bytes bytes", "share share"), Notes: []string{"The dump does not say when keys were last used."}},
		},
		Warnings: []string{"backups/prod-2.rdb: no stored checksum; \x1b[31mwhat was read\x1b[0m could not be held against one, so a flipped bit in a value would go unseen"},
		Notes:    []string{"Table sizes kept from before are not in a dump.", "<script>alert('note')</script>"},
	}
}

func evictionTable() aggregate.Table {
	t := aggregate.EvictionTable(&aggregate.EvictionPlan{Notes: []string{"maxmemory is 16.0 GiB, used 18.4 GiB (used-mem of the dump): 2.44 GiB must go"}})
	t.Rows = [][]aggregate.Cell{
		row("noeviction", 0, nil, 6_523_497, total, 0, 0, 0.0, int64(2_620_000_000), "none; writes fail"),
		row("allkeys-lru", 0, nil, 6_523_497, total, 930_000, int64(2_620_000_000), 0.143, 0, "idle for 2.1d or more"),
		row("volatile-lru", 1, nil, 6_523_497, total, 1_600_041, 1_500_000_000, 0.082, 1_120_000_000, "all with a TTL; writes fail"),
		row("volatile-lfu", 0, nil, 6_523_497, total, nil, nil, nil, nil, "the dump holds no access counters"),
	}
	for i, policy := range []string{"volatile-lru", "allkeys-lru"} {
		for k, n := range append([]string{"session:{uuid}", "events:" + strings.Repeat("very-long-literal-", 6) + "end", "*"}, hostileNames[:4]...) {
			t.Rows = append(t.Rows, row(policy, 1-i, escaped(n), 1000, 4_800_000, 100*k, 480_000*k, 0.1*float64(k), nil, ""))
		}
	}
	return t
}

func findingsTable() aggregate.Table {
	list := []aggregate.Finding{
		{Kind: "json-strings", Pattern: "session:{uuid}", Keys: 4_000_000, Bytes: 11_000_000_000, After: 7_000_000_000, Sure: "estimated from one of every 8 values", Evidence: "objects of 12 fields", Example: "session:5f2b9c1e-77aa-4a0e-9d2c-0a1b2c3d4e5f", Advice: "store them as hashes"},
		{Kind: "no-ttl", Pattern: "feature-flags", Keys: 1, Bytes: 1_500_000_000, After: 1_500_000_000, Sure: "exact", Evidence: "8 % of all bytes", Advice: "EXPIRE them"},
		{Kind: "of a later release", Keys: 3, Bytes: 10, After: 20},
	}
	for _, n := range hostileNames {
		list = append(list, aggregate.Finding{Kind: "ttl-forgotten", Pattern: escaped(n), Keys: 10, Bytes: 1000, After: 900, Evidence: n, Example: escaped(n), Advice: n})
	}
	return aggregate.FindingsTable(list)
}

func emptyReport() *Report {
	return &Report{Version: "v0.1.0", Measure: "allocated", Memory: Memory{DumpUsedMem: -1},
		Sources: []Source{{Path: "empty.rdb", Bytes: 18, Size: 18, Format: "REDIS0011", UsedMem: -1, Checksum: "ok"}},
		Tables:  []aggregate.Table{{Name: "patterns", Title: "Key patterns", Columns: patternColumns}, {Name: "largest", Title: "Largest keys"}}}
}

func damagedReport() *Report {
	r := sampleReport()
	r.Filtered = "--type hash --min-size 1kb"
	r.Measure = "usage"
	r.Sources = r.Sources[:1]
	s := &r.Sources[0]
	s.Bytes, s.Error, s.Offset, s.Checksum = 400_000, "unexpected end of file in the value of key \x1b]0;x\x07", 399_998, ""
	r.Warnings = []string{"backups/prod-1.rdb is damaged at byte 399,998 (<0.1 % read): every figure counts what was read before it"}
	r.Model.Verified, r.Model.Cluster = false, true
	r.Memory.DumpUsedMem = -1
	return r
}

// randomReport is of any shape and holds any text.
func randomReport(rng *rand.Rand) *Report {
	text := func() string {
		n := hostileNames[rng.IntN(len(hostileNames))]
		return strings.Repeat(n, rng.IntN(4)) + hostileNames[rng.IntN(len(hostileNames))]
	}
	num := func() int64 { return int64(rng.Uint64()>>1) >> rng.IntN(63) }
	texts := func() (s []string) {
		for range rng.IntN(4) {
			s = append(s, text())
		}
		return s
	}
	r := &Report{Version: text(), Now: num(), NowFrom: text(), Measure: "allocated", Warnings: texts(), Notes: texts(),
		Memory: Memory{Keys: num(), Tables: num(), Startup: num(), Estimate: num(), DumpUsedMem: num() - 1, Slack: num(), ExpectedPart: roundShare(rng.Float64()), ExpectedSD: num(), Opaque: num()},
		Model:  Model{Line: text(), From: text(), Verified: rng.IntN(2) == 0, View: text(), Allocator: text(), Cluster: rng.IntN(2) == 0}}
	if rng.IntN(3) == 0 {
		r.Filtered = text()
	}
	if rng.IntN(2) == 0 {
		r.Options = Options{Separators: []string{text() + ":"}, Depth: rng.IntN(32), Patterns: text()}
	}
	for range rng.IntN(15) {
		r.Sources = append(r.Sources, Source{Path: text(), Bytes: num(), Size: num() - 1, Server: text(), Format: text(), Created: num(), UsedMem: num(), Keys: num(), Checksum: text(), Functions: num(), Error: text(), Offset: num(), Trailing: text()})
	}
	for range rng.IntN(3) {
		r.Model.Limits = append(r.Model.Limits, Limit{text(), text(), text()})
	}
	totalsFields(&r.Totals, func(_ string, n *int64) { *n = num() })
	cells := func(t *aggregate.Table, n int) {
		for range n {
			var cells []aggregate.Cell
			for _, c := range t.Columns {
				cell := aggregate.Cell{Null: rng.IntN(9) == 0}
				switch {
				case cell.Null:
				case c.Name == "depth":
					cell.I = int64(rng.IntN(4))
				case c.Kind == aggregate.Text || c.Kind == aggregate.Name:
					cell.S = escaped(text())
				case c.Kind == aggregate.Share:
					cell.F = roundShare(rng.Float64())
				case c.Kind == aggregate.Flag:
					cell.I = int64(rng.IntN(2))
				default:
					cell.I = num()
				}
				cells = append(cells, cell)
			}
			t.Rows = append(t.Rows, cells)
		}
	}
	for _, t := range sampleReport().Tables {
		t.Rows = nil
		cells(&t, rng.IntN(40))
		t.Notes = texts()
		r.Tables = append(r.Tables, t)
	}
	odd := aggregate.Table{Name: fmt.Sprint("odd", rng.IntN(100)), Title: text()}
	for k := range kindNames {
		if rng.IntN(2) == 0 {
			odd.Columns = append(odd.Columns, aggregate.Column{Name: fmt.Sprint(kindNames[k], k), Kind: aggregate.Kind(k), Doc: text()})
		}
	}
	cells(&odd, rng.IntN(5))
	r.Tables = append(r.Tables, odd)
	return r
}
