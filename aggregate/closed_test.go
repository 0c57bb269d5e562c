package aggregate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"rdbaudit/estimate"
)

func cappedRecord(key string, alloc int64) *estimate.Record {
	return &estimate.Record{Key: []byte(key), Alloc: alloc, Size: alloc, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
}

// TestClosed: a table that was full counts new singletons in the groups it
// has folded, and still gives rows to what turns up late and often.
func TestClosed(t *testing.T) {
	s := newSet(t, &Options{Now: now, TableMemory: 1})
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20_000 {
		s.Add(cappedRecord(fmt.Sprintf("cfg:%s:%d", word(rng), rng.IntN(1e6)), 64))
	}
	if keys, _ := s.Patterns().Folded(); keys == 0 || s.patterns.t.shut == nil {
		t.Fatal("the table is not full")
	}
	moves := s.patterns.t.moves
	for i := range 20_000 {
		s.Add(cappedRecord(fmt.Sprintf("cfg:%s:%d", word(rng), rng.IntN(1e6)), 64))
		if i%10 == 1 {
			s.Add(cappedRecord(fmt.Sprintf("cfg:steady:%d", i), 64))
		}
	}
	s.Add(cappedRecord("cfg:large:1", 1e6))
	if n := s.patterns.t.moves - moves; n > 4 {
		t.Errorf("%d sweeps for patterns that were to be folded", n)
	}
	rows := map[string]int64{}
	folded, foldedBytes := s.Patterns().Folded()
	if total := s.Totals(); folded < 38_000 || folded > total.Keys || foldedBytes != 64*folded {
		t.Errorf("%d keys with %d bytes folded of %d", folded, foldedBytes, total.Keys)
	}
	tab := s.patterns.t
	for i := range tab.count {
		rows[string(s.patterns.p.expand(nil, tab.pattern(tab.row(i))))] = tab.keys(tab.row(i))
	}
	if rows["cfg:*:{num}"] < 30_000 || rows["cfg:steady:{num}"] < 1900 || rows["cfg:large:{num}"] != 1 {
		t.Errorf("cfg:*:{num} has %d keys, cfg:steady:{num} %d, cfg:large:{num} %d", rows["cfg:*:{num}"], rows["cfg:steady:{num}"], rows["cfg:large:{num}"])
	}
	checkSums(t, s)
}

// TestFoldedHash: the hash of a pattern folded here or there is that of the
// pattern that comes of it, whatever its length.
func TestFoldedHash(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var f, g folds
	for range 100_000 {
		var marked []byte
		for n := range 1 + rng.IntN(5) {
			mark := byte(min(n, 1) << markShift)
			if rng.IntN(3) == 0 {
				marked = append(append(marked, mark|markClass), []string{"*", "{num}", "{hex}"}[rng.IntN(3)]...)
			} else {
				marked = append(append(marked, mark), []string{"", "a", "ab", "*", " ", "abcdefg", "abcdefgh", "a longer one of them"}[rng.IntN(8)]...)
			}
		}
		f.of(marked)
		for k := range f.n {
			for all, want := range map[bool]uint64{false: f.one(k), true: f.rest(k)} {
				folded := appendFolded(nil, marked, f.at[k], all)
				if g.of(folded); g.whole() != want {
					t.Fatalf("%q folded at %d, %v has another hash than %q", marked, f.at[k], all, folded)
				}
				var naive []byte
				for i := 0; i < len(marked); {
					to := i + 1
					for to < len(marked) && marked[to] >= markEnd {
						to++
					}
					if i == f.at[k] || all && i > f.at[k] && marked[i]&markClass == 0 {
						naive = append(naive, marked[i]|markClass, '*')
					} else {
						naive = append(naive, marked[i:to]...)
					}
					i = to
				}
				if !bytes.Equal(folded, naive) {
					t.Fatalf("%q folded at %d, %v gives %q, not %q", marked, f.at[k], all, folded, naive)
				}
			}
		}
	}
}

// TestLateGroup: a family that comes when all is folded gets a row of its own.
func TestLateGroup(t *testing.T) {
	s := newSet(t, &Options{Now: now, TableMemory: 1})
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range 40_000 {
		s.Add(cappedRecord(word(rng)+":"+word(rng)+":"+word(rng), 64))
		if i > 20_000 && i%10 == 0 {
			s.Add(cappedRecord("late:"+word(rng)+":"+word(rng), 64))
		}
	}
	for _, row := range s.Patterns().Tables(nil)[0].Rows {
		if row[0].S == "late:*:*" {
			if row[3].I < 1800 {
				t.Errorf("late:*:* has %d keys", row[3].I)
			}
			return
		}
	}
	t.Error("no row late:*:*")
}

// TestClosedKeys: the largest key of a wildcard's row is a key, not its pattern.
func TestClosedKeys(t *testing.T) {
	s := newSet(t, &Options{Now: now, TableMemory: 1})
	rng := rand.New(rand.NewPCG(4, 4))
	keys := map[string]bool{}
	for range 30_000 {
		key := word(rng) + ":" + word(rng) + ":end"
		keys[key] = true
		s.Add(cappedRecord(key, 64+rng.Int64N(4)))
	}
	for _, row := range s.Patterns().Tables(nil)[0].Rows {
		if !keys[row[10].S] {
			t.Fatalf("%s: no key is named %s", row[0].S, row[10].S)
		}
	}
}

// TestAddBatch: batches give what single records give, where no cap bites. Where
// one does, what is folded depends on the order of arrival: the same batches
// give the same, and the sums are those of single records.
func TestAddBatch(t *testing.T) {
	rng := newRand(t)
	for _, mem := range []int64{0, 1} {
		o := &Options{Now: now, TableMemory: mem, Top: 5}
		one, many, again := newSet(t, o), newSet(t, o), newSet(t, o)
		var batch []estimate.Record
		flush := func() {
			many.AddBatch(batch)
			again.AddBatch(batch)
			batch = batch[:0]
		}
		n := 4000 // within the cap of each table
		if mem > 0 {
			n = 20_000
		}
		for _, r := range randomRecords(rng, n) {
			one.Add(r)
			if batch = append(batch, *r); len(batch) > rng.IntN(1500) {
				flush()
			}
		}
		flush()
		if n := one.patterns.t.moves; (n > 0) != (mem > 0) {
			t.Fatalf("%d sweeps", n)
		}
		a, b, c := render(one), render(many), render(again)
		if b != c {
			t.Fatalf("the same batches differ:\n%s", firstDiff(b, c))
		}
		if mem == 0 {
			if a != b {
				t.Fatalf("batches differ:\n%s", firstDiff(a, b))
			}
			continue
		}
		root := func(s *Set) []Cell { return s.Patterns().Tables(nil)[0].Rows[0] }
		if a, b := root(one), root(many); !slices.Equal(a, b) {
			t.Fatalf("sums differ: %v and %v", a, b)
		}
	}
}

// TestSweepInPlace: a sweep takes little memory besides the table.
func TestSweepInPlace(t *testing.T) {
	const mem = 24 << 20
	s := newSet(t, &Options{Now: now, TableMemory: mem})
	rng := rand.New(rand.NewPCG(5, 5))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.TotalAlloc
	r := cappedRecord("", 64)
	for i := range 600_000 {
		r.Key = append(append(append(r.Key[:0], word(rng)...), ':'), word(rng)...)
		r.Alloc = 64 << (i % 7 * i / 100_000)
		s.Add(r)
	}
	runtime.ReadMemStats(&m)
	if s.patterns.t.moves < 2 {
		t.Fatal("no sweeps")
	}
	words := uint64(600_000 * 2 * 16)
	if n := m.TotalAlloc - before; n > 2*mem+words {
		t.Errorf("%d bytes allocated for tables of %d in %d sweeps", n, mem, s.patterns.t.moves)
	}
	if row := s.Patterns().Tables(nil)[0].Rows[0]; row[3].I != 600_000 || strings.Count(row[0].S, ":") != 0 {
		t.Errorf("%d keys", row[3].I)
	}
}

// TestMergeLarge: merging takes over the memory of what is merged bit by bit,
// and nothing of it is lost.
func TestMergeLarge(t *testing.T) {
	rng := newRand(t)
	o := &Options{Now: now}
	all := newSet(t, o)
	parts := []*Set{newSet(t, o), newSet(t, o), newSet(t, o)}
	for i, r := range randomRecords(rng, 60_000) {
		if i%12 > 0 {
			r.Key = append(r.Key, ":"+word(rng)...)
			r.Audit, r.Expiry = nil, estimate.NoExpiry // an audit tells fewer patterns apart
		}
		if r.Audit != nil {
			r.Audit.Config = nil // and the sample fewer still
		}
		all.Add(r)
		parts[rng.IntN(3)].Add(r)
	}
	for _, p := range parts[1:] {
		if n := len(p.patterns.t.text.chunks); n < 3 {
			t.Fatalf("%d chunks of text", n)
		}
		if err := parts[0].Merge(p); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := render(all), render(parts[0]); a != b {
		t.Fatalf("merging changed the tables:\n%s", firstDiff(a, b))
	}
}

// TestSetTableMemory: what does not fit into a share fits into the whole.
func TestSetTableMemory(t *testing.T) {
	rng := newRand(t)
	o := &Options{Now: now, TableMemory: 4 << 20}
	a, b := newSet(t, o), newSet(t, o)
	for range 20_000 {
		a.Add(cappedRecord(word(rng)+":"+word(rng), 64))
		b.Add(cappedRecord(word(rng)+":"+word(rng), 64))
	}
	a.SetTableMemory(8 << 20)
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if keys, _ := a.Patterns().Folded(); keys != 0 || a.Patterns().Len() < 39_000 {
		t.Errorf("%d keys folded, %d patterns", keys, a.Patterns().Len())
	}
	checkSums(t, a)
}

// keys is how many keys a leaf counts.
func (t *leaves) keys(l *leaf) int64 {
	if l.more == 0 {
		return 1
	}
	return t.more(l).keys
}
