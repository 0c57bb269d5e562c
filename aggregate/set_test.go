package aggregate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"rdbaudit/estimate"
)

const now = 1_700_000_000_000

// randomRecords makes records of all types whose names nest, repeat, collide
// with what patterns print, and hold hostile bytes.
func randomRecords(rng *rand.Rand, n int) []*estimate.Record {
	words := make([]string, 60)
	for i := range words {
		words[i] = word(rng)
	}
	words = append(words, "", "*", "{num}", "{a}", "\xff\xfe", "=1+1", "a\\b", "<x>", strings.Repeat("x y", 60), "é")
	segment := func() string {
		switch rng.IntN(12) {
		case 0:
			return fmt.Sprint(rng.IntN(1000))
		case 1:
			return fmt.Sprintf("%016x", rng.Uint64())
		case 2:
			return fmt.Sprintf("page_%d", rng.IntN(300))
		}
		return words[int(float64(len(words))*rng.Float64()*rng.Float64())]
	}
	records := make([]*estimate.Record, n)
	for i := range records {
		key := segment()
		for range rng.IntN(5) {
			key += []string{":", ":", ":", "."}[rng.IntN(4)] + segment()
		}
		if rng.IntN(200) == 0 {
			key += strings.Repeat("z", 400+rng.IntN(300))
		}
		r := &estimate.Record{
			Key: []byte(key), DB: uint64(rng.IntN(3)), Type: estimate.Type(rng.IntN(int(estimate.NumTypes))),
			Encoding: estimate.Encoding(rng.IntN(int(estimate.NumEncodings))), Elems: 1 + rng.Int64N(100),
			Alloc: 16 * (1 + int64(rng.ExpFloat64()*20)), Serialized: rng.Int64N(1000), Expiry: estimate.NoExpiry,
			Idle: -1, Freq: -1, Slot: -1, Largest: -1, Source: int32(rng.IntN(2)),
		}
		r.Size = r.Alloc - 8
		if rng.IntN(3) == 0 {
			r.Expiry = now + rng.Int64N(1e10) - 1e9
		}
		if r.Type == estimate.Hash && rng.IntN(2) == 0 {
			r.FieldTTLs = rng.Int64N(r.Elems + 1)
			if rng.IntN(2) == 0 {
				r.FieldTTLs = r.Elems
			}
		}
		if r.Type == estimate.Module {
			r.Module = []string{"ReJSON-RL", "MBbloom--", "TSDB-TYPE"}[rng.IntN(3)]
		}
		if rng.IntN(4) == 0 {
			r.Idle = rng.Int64N(1 << rng.IntN(30))
		}
		if rng.IntN(4) == 0 {
			r.Freq = int16(rng.IntN(256))
		}
		if rng.IntN(9) == 0 {
			r.Flags, r.SizeVar, r.AllocVar = estimate.Flags(rng.IntN(8)), 100, 1<<61
		}
		if rng.IntN(50) == 0 {
			r.Alloc <<= rng.IntN(30)
			r.Elems <<= rng.IntN(40)
		}
		if rng.IntN(3) == 0 {
			r.Key = append([]byte(words[rng.IntN(8)]+"{"+words[rng.IntN(8)]+"}"), r.Key...)
			r.Slot = int32(rng.IntN(16384))
		}
		if rng.IntN(9) == 0 {
			r.Expiry = now + rng.Int64N(1<<rng.IntN(62)+1)
		}
		randomAudit(rng, r)
		if rng.IntN(3) == 0 {
			randomSample(rng, r)
		}
		records[i] = r
	}
	return records
}

// randomAudit sets what an audit may have seen of a key.
func randomAudit(rng *rand.Rand, r *estimate.Record) {
	kind := rng.IntN(12)
	if kind > 3 {
		return
	}
	r.Audit = &estimate.Audit{}
	switch kind {
	case 0:
		r.Audit.Pieces = estimate.ManyPieces + rng.Int64N(1000)
	case 1:
		r.Audit.Unpacked = r.Alloc * (1 + rng.Int64N(20))
	case 2:
		s := &estimate.StreamAudit{Added: r.Elems, First: now - rng.Int64N(1e10), Last: now, Groups: 1, Pending: 1 + rng.Int64N(500), Oldest: now - rng.Int64N(1e9)}
		s.PendingSize = r.Alloc / 2
		if rng.IntN(2) == 0 {
			s.Gone, s.GonePending = 1, 1+rng.Int64N(s.Pending)
		}
		if rng.IntN(2) == 0 {
			r.Elems, s.Added = 5000, 5000
		}
		r.Audit.Stream = s
	case 3:
		r.Audit.Packed, r.Audit.Over = r.Alloc/2, estimate.Over(rng.IntN(4))
	}
}

func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func newSet(t testing.TB, o *Options, records ...*estimate.Record) *Set {
	t.Helper()
	s, err := NewSet(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		s.Add(r)
	}
	return s
}

func render(s *Set) string {
	var b strings.Builder
	tables := s.Tables()
	tables = append(tables, EvictionTable(s.Eviction(tables, EvictionOptions{Need: []int64{200_000, 1 << 40}, Policy: "allkeys-lru"})))
	tables = append(tables, FindingsTable(s.Findings(tables, AuditOptions{Line: "redis-7.2", MinShare: 1e-6})))
	for _, t := range tables {
		fmt.Fprintf(&b, "# %s %q\n", t.Name, t.Notes)
		for _, row := range t.Rows {
			for i, c := range row {
				switch t.Columns[i].Kind {
				case Text, Name:
					fmt.Fprintf(&b, "%s\t", c.S)
				case Share:
					fmt.Fprintf(&b, "%v\t", c.F)
				default:
					fmt.Fprintf(&b, "%d/%v\t", c.I, c.Null)
				}
			}
			b.WriteByte('\n')
		}
	}
	list, other := s.Totals().Dicts()
	totals := *s.Totals()
	totals.o, totals.dbs, totals.dicts = nil, nil, nil
	fmt.Fprintf(&b, "%+v\n%+v\n%+v\n", totals, list, other)
	return b.String()
}

func testOptions() []*Options {
	return []*Options{
		{Now: now},
		{Now: now, Usage: true, Separators: []string{":", "."}, Depth: 3, Top: 5, Eviction: true},
		{Now: now, Separators: []string{"."}, Patterns: []string{"<x>.*", "a:<b>"}, Owners: []string{"x", "=b"}, Top: -1, Eviction: true},
	}
}

// TestOrder holds the law: order, shards and the order of merging change nothing.
func TestOrder(t *testing.T) {
	rng := newRand(t)
	for _, o := range testOptions() {
		records := randomRecords(rng, 3000)
		want := render(newSet(t, o, records...))
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if got := render(newSet(t, o, records...)); got != want {
			t.Fatalf("the order of keys changed the tables:\n%s", firstDiff(want, got))
		}
		for _, parts := range []int{2, 7} {
			sets := make([]*Set, parts)
			for i := range sets {
				sets[i] = newSet(t, o)
			}
			for _, r := range records {
				sets[rng.IntN(parts)].Add(r)
			}
			rng.Shuffle(parts, func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
			for len(sets) > 1 { // as a random tree
				if err := sets[0].Merge(sets[1]); err != nil {
					t.Fatal(err)
				}
				sets = append(sets[2:], sets[0])
			}
			if got := render(sets[0]); got != want {
				t.Fatalf("merging %d parts changed the tables:\n%s", parts, firstDiff(want, got))
			}
		}
	}
}

func firstDiff(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return fmt.Sprintf("line %d:\n%s\n%s", i, x[i], strings.Join(y[i:min(i+1, len(y))], ""))
		}
	}
	return "one is longer"
}

// TestSums holds that children sum to their parent and leaves to the total.
func TestSums(t *testing.T) {
	rng := newRand(t)
	for _, o := range testOptions() {
		for _, n := range []int{1, 2, 5000} {
			s := newSet(t, o, randomRecords(rng, n)...)
			checkSums(t, s)
		}
	}
	if rows := newSet(t, &Options{}).Patterns().Tables(nil)[0].Rows; len(rows) != 0 {
		t.Errorf("%d rows of no keys", len(rows))
	}
}

func checkSums(t *testing.T, s *Set) {
	t.Helper()
	tables := map[string]Table{}
	for _, table := range s.Tables() {
		tables[table.Name] = table
		for _, row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Fatalf("%s: %d cells in a row of %d columns", table.Name, len(row), len(table.Columns))
			}
		}
	}
	p := tables["patterns"]
	sums := []int{3, 4, 11, 12, 13, 14, 15, 16}
	type node struct {
		row      []Cell
		children map[int]int64
	}
	var stack []node
	leaves := map[int]int64{}
	seen := map[string]bool{}
	pop := func() {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, c := range sums {
			if n.children[c] != n.row[c].I {
				t.Fatalf("%s: children have %d %s, the row says %d", n.row[0].S, n.children[c], p.Columns[c].Name, n.row[c].I)
			}
		}
	}
	for i, row := range p.Rows {
		depth, leaf := int(row[1].I), row[2].I == 1
		if i == 0 && (row[0].S != "*" || depth != 0 || leaf) {
			t.Fatalf("the first row is %v, not the root", row)
		}
		if name := fmt.Sprint(row[0].S, row[1].I, leaf); seen[name] {
			t.Fatalf("%s is there twice", name)
		} else {
			seen[name] = true
		}
		for len(stack) > depth {
			pop()
		}
		if depth > 0 {
			for _, c := range sums {
				stack[depth-1].children[c] += row[c].I
				if leaf {
					leaves[c] += row[c].I
				}
			}
			if parent := stack[depth-1].row[0].S; depth > 1 && !strings.HasPrefix(row[0].S, parent) {
				t.Fatalf("%s is no child of %s", row[0].S, parent)
			}
		}
		if !leaf {
			stack = append(stack, node{row, map[int]int64{}})
		}
		if row[7].I > row[8].I || row[8].I > row[9].I || row[9].I > row[4].I {
			t.Fatalf("%s: p50 %d, p99 %d, max %d, sum %d", row[0].S, row[7].I, row[8].I, row[9].I, row[4].I)
		}
	}
	for len(stack) > 0 {
		pop()
	}
	total := s.Totals()
	for _, c := range []struct {
		column int
		want   int64
	}{{3, total.Keys}, {4, total.Bytes}, {11, total.Elements}, {12, total.NoTTLKeys}, {13, total.NoTTLBytes},
		{14, total.FieldTTLKeys}, {15, total.ExpiredKeys}, {16, total.ExpiredBytes}} {
		if leaves[c.column] != c.want {
			t.Fatalf("leaves have %d %s, the total is %d", leaves[c.column], p.Columns[c.column].Name, c.want)
		}
	}
	if total.NoTTLKeys+total.TTLKeys+total.FieldTTLKeys != total.Keys {
		t.Fatal("keys with, without and with TTLs of fields are not all keys")
	}
	var dbs Database
	list, smaller := total.Databases()
	for _, d := range append(list, smaller) {
		dbs.add(&d)
	}
	if want := (Database{0, total.Keys, total.Bytes, total.Elements, total.NoTTLKeys, total.TTLKeys, total.FieldTTLKeys, total.ExpiredKeys, total.ExpiredBytes}); dbs != want {
		t.Fatalf("databases have %+v, the total is %+v", dbs, want)
	}
	var dicts Dict
	each, beyond := total.Dicts()
	for _, d := range append(each, beyond) {
		dicts.Keys, dicts.TTLKeys, dicts.Bytes = dicts.Keys+d.Keys, dicts.TTLKeys+d.TTLKeys, dicts.Bytes+d.Bytes
	}
	if dicts != (Dict{Keys: total.Keys, TTLKeys: total.TTLKeys, Bytes: total.Bytes}) {
		t.Fatalf("dictionaries have %+v, the total is %+v", dicts, total)
	}
	for name, column := range map[string]int{"types": 2, "sizes": 2, "ttl": 3, "databases": 1} {
		var keys int64
		for _, row := range tables[name].Rows {
			keys += row[column].I
		}
		if keys != total.Keys {
			t.Fatalf("%s: rows have %d keys, the total is %d", name, keys, total.Keys)
		}
	}
}

// TestCap fills tables far beyond their memory.
func TestCap(t *testing.T) {
	rng := newRand(t)
	o := &Options{Now: now, TableMemory: 1} // the least there is
	sets := []*Set{newSet(t, o), newSet(t, o)}
	records := randomRecords(rng, 1000)
	for i := range 40_000 {
		r := *records[i%len(records)]
		r.DB, r.Slot = uint64(i), int32(i%16384)
		switch i % 4 {
		case 0:
			r.Key = fmt.Appendf(nil, "cfg:%s:%s", word(rng), word(rng))
		case 1:
			r.Key = fmt.Appendf(nil, "page_%d:data", rng.IntN(1e9))
		case 2:
			r.Key = fmt.Appendf(nil, "%s %d", word(rng), i)
		}
		sets[i%2].Add(&r)
		if m := sets[i%2].patterns.t.memory(); m > minTableMemory {
			t.Fatalf("%d bytes of patterns", m)
		}
	}
	if err := sets[0].Merge(sets[1]); err != nil {
		t.Fatal(err)
	}
	s := sets[0]
	keys, bytes := s.Patterns().Folded()
	total := s.Totals()
	if keys < total.Keys/2 || keys > total.Keys || bytes > total.Bytes || bytes <= 0 {
		t.Errorf("%d of %d keys, %d of %d bytes folded", keys, total.Keys, bytes, total.Bytes)
	}
	table := s.Patterns().Tables(nil)[0]
	if len(table.Notes) == 0 {
		t.Error("no note that the table was full")
	}
	want := map[string]bool{"*:data": false}
	for _, row := range table.Rows {
		if _, ok := want[row[0].S]; ok {
			want[row[0].S] = true
		}
	}
	for p, ok := range want {
		if !ok {
			t.Errorf("no row %s", p)
		}
	}
	checkSums(t, s)
}

// TestRowBytes keeps what the budget counts true.
func TestRowBytes(t *testing.T) {
	if unsafe.Sizeof(leaf{}) > leafBytes {
		t.Errorf("a leaf is %d bytes", unsafe.Sizeof(leaf{}))
	}
	if n := unsafe.Sizeof(stats{}); n > statBytes {
		t.Errorf("stats are %d bytes", n)
	}
	if n := unsafe.Sizeof(Hist{}); n > histBytes {
		t.Errorf("a histogram is %d bytes", n)
	}
	// The running sums agree with a count of all that there is.
	s := newSet(t, &Options{Now: now}, randomRecords(newRand(t), 5000)...)
	tab := s.patterns.t
	var hists int64
	for i := range tab.nstat {
		hists += tab.stats[i/statChunk][i%statChunk].memory()
	}
	fixed := int64(len(tab.slots))*8 + int64(tab.count)*leafBytes + int64(tab.nstat)*statBytes
	if hists != tab.hists || fixed != tab.fixed {
		t.Errorf("histograms take %d bytes, counted %d; rows %d, counted %d", hists, tab.hists, fixed, tab.fixed)
	}
}

// TestClassCap fills a table with patterns that have nothing literal left.
func TestClassCap(t *testing.T) {
	p := NewPatterns(&Options{TableMemory: 1, Depth: 8})
	classes := []string{"1", "1712345678", "2024-01-15", "9ae3f0", "10.0.0.1", "a@b.de", "{x}", "V1StGXR8_Z5jdHi6B-myT"}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		var key []string
		for range 8 {
			key = append(key, classes[rng.IntN(len(classes))])
		}
		p.Add(&estimate.Record{Key: []byte(strings.Join(key, ":")), Alloc: 1 + rng.Int64N(1000), Expiry: estimate.NoExpiry, Idle: -1, Freq: -1})
	}
	memory := p.t.memory()
	if row := p.Tables(nil)[0].Rows[0]; row[3].I != 20_000 || memory > minTableMemory {
		t.Fatalf("%d keys in %d bytes", row[3].I, memory)
	}
}

func TestPatternTable(t *testing.T) {
	o := &Options{Now: now}
	var records []*estimate.Record
	add := func(key string, bytes int64) *estimate.Record {
		r := &estimate.Record{Key: []byte(key), Alloc: bytes, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1}
		records = append(records, r)
		return r
	}
	add("user:1:cart", 100).Type = estimate.Hash
	add("user:2:cart", 300)
	add("user:2", 60).Expiry = now + 90_000
	add("user:3", 60).Expiry = now + 90_000
	add("user:4", 60).Expiry = now
	h := add("cfg", 48)
	h.Type, h.Elems, h.FieldTTLs, h.Encoding = estimate.Hash, 3, 3, estimate.ListpackEx
	var got []string
	for _, row := range newSet(t, o, records...).Patterns().Tables(nil)[0].Rows {
		got = append(got, fmt.Sprint(row[0].S, "|", row[1].I, row[2].I, row[3].I, row[4].I, row[7].I, row[9].I, "|", row[10].S, "|",
			row[12].I, row[14].I, row[15].I, row[16].I, "|", row[17].I, row[17].Null, "|", row[19].S, "|", row[20].S))
	}
	want := []string{
		"*|0 0 6 628 60 300|user:2:cart|2 1 1 60|89 false|string 76.4%,hash 23.6%|raw 92.4%,listpackex 7.6%",
		"user:|1 0 5 580 60 300|user:2:cart|2 0 1 60|89 false|string 82.8%,hash 17.2%|raw",
		"user:{num}:|2 0 2 400 101 300|user:2:cart|2 0 0 0|0 true|string 75.0%,hash 25.0%|raw",
		"user:{num}:cart|3 1 2 400 101 300|user:2:cart|2 0 0 0|0 true|string 75.0%,hash 25.0%|raw",
		"user:{num}|2 1 3 180 60 60|user:2|0 0 1 60|89 false|string|raw",
		"cfg|1 1 1 48 48 48|cfg|0 1 0 0|0 true|hash|listpackex",
	}
	if a, b := strings.Join(want, "\n"), strings.Join(got, "\n"); a != b {
		t.Errorf("want\n%s\ngot\n%s", a, b)
	}
}

// TestFoldForReading: 20 literal children keep their names, and those of 0.1 %.
func TestFoldForReading(t *testing.T) {
	p := NewPatterns(&Options{})
	add := func(key string, bytes int64) {
		p.Add(&estimate.Record{Key: []byte(key), Alloc: bytes, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1})
	}
	for i := range 100 {
		add(fmt.Sprintf("small_%03d:x:a", i), 1+int64(i))
		add(fmt.Sprintf("small_%03d:y", i), 10)
	}
	add("big", 1e6)
	add("17", 5)
	rows := map[string][]Cell{}
	for _, row := range p.Tables(nil)[0].Rows {
		rows[row[0].S+fmt.Sprint(row[1].I)] = row
	}
	for name, keys := range map[string]int64{"*0": 202, "big1": 1, "{num}1": 1, "small_099:1": 2, "small_081:1": 2, "*:1": 162, "*:x:a3": 81, "*:y2": 81} {
		if rows[name] == nil || rows[name][3].I != keys {
			t.Errorf("%s: %v, want %d keys", name, rows[name], keys)
		}
	}
	if rows["small_080:1"] != nil {
		t.Error("small_080: is not folded")
	}
}

// TestManyRows: families of 30 at each of 4 levels do not give 30^4 rows.
func TestManyRows(t *testing.T) {
	p := NewPatterns(&Options{})
	for i := range 30 * 30 * 30 * 30 / 9 {
		n := i * 9
		p.Add(&estimate.Record{Key: fmt.Appendf(nil, "g%dx:h%dx:i%dx:j%dx", n%30, n/30%30, n/900%30, n/27000%30), Alloc: 64,
			Expiry: estimate.NoExpiry, Idle: -1, Freq: -1})
	}
	table := p.Tables(nil)[0]
	if n := len(table.Rows); n > maxRows || n < 1000 || len(table.Notes) != 1 || table.Rows[0][3].I != 90000 {
		t.Errorf("%d rows, notes %q", n, table.Notes)
	}
	for _, row := range table.Rows[1:] {
		if !strings.HasPrefix(row[0].S, "g") && row[0].S[0] != '*' || strings.Count(row[0].S, ":")+int(row[2].I) != int(row[1].I) {
			t.Fatalf("row %s of depth %d", row[0].S, row[1].I)
		}
	}
}

func TestLargest(t *testing.T) {
	rng := newRand(t)
	records := randomRecords(rng, 2000)
	o := &Options{Now: now, Top: 10}
	s := newSet(t, o)
	for _, r := range records {
		s.Add(r)
	}
	var sizes []int64
	for _, r := range records {
		sizes = append(sizes, -r.Alloc)
	}
	for _, row := range s.largest.Tables(nil)[0].Rows[:10] {
		want := -quantile(sizes, int(row[0].I))
		if row[1].S != "all" || row[5].I != want {
			t.Errorf("rank %d of %s is %d bytes, want %d", row[0].I, row[1].S, row[5].I, want)
		}
	}
}

// TestFloors: who enters a list of the largest beats the floor, whether all keys
// were offered or some, and hardly anybody else does, not even where all are
// of one size.
func TestFloors(t *testing.T) {
	rng := newRand(t)
	for _, sizes := range []int64{1, 40, 1 << 20} {
		records := randomRecords(rng, 4000)
		o := &Options{Now: now, Top: 1 + rng.IntN(12)}
		s, all, some := newSet(t, o), NewFloors(o), NewFloors(o)
		beat, entered := 0, 0
		for i, r := range records {
			r.Alloc = rng.Int64N(sizes)
			if i%50 == 0 {
				r.Key = append(bytes.Clone(r.Key), bytes.Repeat([]byte{'z'}, maxKey)...)
			}
			before := s.largest.heaps[r.Type]
			was := len(before)
			var least topKey
			if was > 0 {
				least = before[0]
			}
			s.Add(r)
			now := s.largest.heaps[r.Type]
			in := len(now) > was || !bytes.Equal(now[0].r.Key, least.r.Key) || now[0].r.DB != least.r.DB || now[0].n != least.n
			if in {
				entered++
			}
			if all.Beaten(r.Type, r.Alloc, r.DB, r.Key) {
				beat++
			} else if in {
				t.Fatalf("%q of %d bytes entered below the floor", r.Key, r.Alloc)
			}
			if in && !some.Beaten(r.Type, r.Alloc, r.DB, r.Key) {
				t.Fatalf("%q of %d bytes entered below the floor of some keys", r.Key, r.Alloc)
			}
			all.Offer(r, r.Alloc)
			if rng.IntN(3) == 0 {
				some.Offer(r, r.Alloc)
			}
		}
		if beat > entered+len(records)/20 {
			t.Errorf("sizes below %d: %d beat the floor, %d entered", sizes, beat, entered)
		}
	}
	none := NewFloors(&Options{Top: -1})
	r := &estimate.Record{Key: []byte("k"), Alloc: 1 << 40}
	none.Offer(r, r.Alloc)
	if none.Beaten(r.Type, r.Alloc, 0, r.Key) {
		t.Error("without lists keys may enter")
	}
}

func TestDatabasesCap(t *testing.T) {
	a := NewTotals(&Options{})
	for i := range 50_000 {
		a.Add(&estimate.Record{DB: uint64(i), Alloc: int64(i), Slot: int32(i), Expiry: estimate.NoExpiry})
	}
	list, other := a.Databases()
	if len(list) > 2*keptDatabases || list[len(list)-1].DB != 49_999 {
		t.Errorf("%d databases", len(list))
	}
	keys := other.Keys
	for _, d := range list {
		keys += d.Keys
	}
	if keys != a.Keys {
		t.Errorf("%d keys in databases of %d", keys, a.Keys)
	}
}

func TestMergeRefuses(t *testing.T) {
	for name, o := range map[string]*Options{
		"measure": {Usage: true}, "separators": {Separators: []string{"/"}}, "depth": {Depth: 3}, "top": {Top: 3},
		"patterns": {Patterns: []string{"a"}}, "owners": {Patterns: []string{"b"}, Owners: []string{"x"}}, "eviction": {Eviction: true},
	} {
		like := &Options{}
		if name == "owners" {
			like.Patterns = o.Patterns
		}
		err := newSet(t, like).Merge(newSet(t, o))
		if err == nil || !strings.Contains(err.Error(), "different "+name) {
			t.Errorf("different %s: %v", name, err)
		}
		for _, spec := range Specs() {
			if err := spec.New(like).Merge(spec.New(o)); err == nil {
				t.Errorf("%s with different %s merges", spec.Name, name)
			}
		}
	}
	if err := newSet(t, &Options{}).Merge(newSet(t, &Options{TableMemory: 1 << 20, Separators: []string{":"}, Depth: 6})); err != nil {
		t.Error(err)
	}
	if NewTotals(&Options{}).Merge(NewTop(&Options{})) == nil {
		t.Error("different analyses merge")
	}
}

// TestSpecs: each analysis alone gives the tables that it gives in a set.
func TestSpecs(t *testing.T) {
	records := randomRecords(newRand(t), 500)
	o := &Options{Now: now, Patterns: []string{"<x>:*", "{num}"}, Owners: []string{"", "me"}}
	set := newSet(t, o, records...)
	tables := map[string]string{}
	for _, table := range newSet(t, o, records...).Tables() {
		tables[table.Name] = fmt.Sprint(table)
	}
	for _, spec := range Specs() {
		a := spec.New(o)
		for _, r := range records {
			a.Add(r)
		}
		for _, table := range a.Tables(set.Totals()) {
			if tables[table.Name] != fmt.Sprint(table) {
				t.Errorf("table %s of analysis %s differs from the set's", table.Name, spec.Name)
			}
			delete(tables, table.Name)
		}
	}
	if len(tables) > 0 {
		t.Errorf("tables of no spec: %v", len(tables))
	}
}

func benchRecords() []*estimate.Record {
	keys := benchKeys()
	rng := rand.New(rand.NewPCG(5, 5))
	records := make([]*estimate.Record, len(keys))
	for i, k := range keys {
		r := &estimate.Record{Key: k, Type: estimate.String, Encoding: estimate.Embstr, Elems: 1, Size: 56, Alloc: 64 + 16*rng.Int64N(8),
			Serialized: 40, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
		if i%4 == 1 {
			r.Expiry = now + rng.Int64N(86_400_000)
		}
		if i%16 == 0 {
			r.Type, r.Encoding, r.Elems = estimate.Hash, estimate.Listpack, 10
		}
		records[i] = r
	}
	return records
}

func TestAllocs(t *testing.T) {
	records := benchRecords()
	for _, o := range []*Options{{Now: now}, {Now: now, Eviction: true}, {Now: now, Patterns: []string{"user:<id>:*", "u:<id>"}, Owners: []string{"a", "b"}}} {
		s := newSet(t, o, records...)
		for range 3 {
			for _, r := range records {
				s.Add(r)
			}
		}
		i := 0
		if n := testing.AllocsPerRun(10_000, func() { s.Add(records[i%len(records)]); i++ }); n != 0 {
			t.Errorf("%v allocations per key", n)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	records := benchRecords()
	for kind, name := range []string{"user:N:last_seen", "sess:hex", "cfg:word:word:N", "u:N", "mix"} {
		var some []*estimate.Record
		for i, r := range records {
			if kind == 4 || i%4 == kind {
				some = append(some, r)
			}
		}
		b.Run(name, func(b *testing.B) {
			s := newSet(b, &Options{Now: now})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Add(some[i])
				if i++; i == len(some) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkAnalyses adds keys to each analysis alone; what a set works out once
// for several of them, each works out for itself.
func BenchmarkAnalyses(b *testing.B) {
	records := benchRecords()
	for _, spec := range Specs() {
		b.Run(spec.Name, func(b *testing.B) {
			a := spec.New(&Options{Now: now, Eviction: true})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a.Add(records[i])
				if i++; i == len(records) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkDistinct adds keys nearly each of which is a pattern of its own,
// beyond what the table holds.
func BenchmarkDistinct(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var words [3000]string
	for i := range words {
		words[i] = word(rng)
	}
	for _, mem := range []int64{64 << 20, 8 << 30} {
		b.Run(fmt.Sprintf("%dMiB", mem>>20), func(b *testing.B) {
			s := newSet(b, &Options{Now: now, TableMemory: mem})
			r := benchRecords()[0]
			b.ReportAllocs()
			for b.Loop() {
				r.Key = append(r.Key[:0], "cfg:"...)
				r.Key = append(r.Key, words[rng.IntN(3000)]...)
				r.Key = append(r.Key, ':')
				r.Key = append(r.Key, words[rng.IntN(3000)]...)
				r.Key = append(r.Key, ":17"...)
				s.Add(r)
			}
			n := float64(s.patterns.Len())
			b.ReportMetric(n, "patterns")
			b.ReportMetric(float64(s.patterns.t.memory())/n, "B/pattern")
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	const n = 100_000
	o := &Options{Now: now}
	records := randomRecords(rand.New(rand.NewPCG(1, 1)), n)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		x, y := newSet(b, o, records[:n/2]...), newSet(b, o, records[n/2:]...)
		b.StartTimer()
		if err := x.Merge(y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTables(b *testing.B) {
	records := randomRecords(rand.New(rand.NewPCG(1, 1)), 100_000)
	s := newSet(b, &Options{Now: now}, records...)
	b.ReportAllocs()
	for b.Loop() {
		s.Tables()
	}
}

// BenchmarkTree renders a family of which each key is a pattern of its own.
func BenchmarkTree(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	p := NewPatterns(&Options{Now: now})
	for i := range 165_000 {
		p.Add(cappedRecord(fmt.Sprintf("cache:page:/%s/%s/%d", word(rng), word(rng), i), 64+rng.Int64N(400)))
	}
	for b.Loop() {
		p.Tables(nil)
	}
}
