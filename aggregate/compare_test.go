package aggregate

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"rdbaudit/estimate"
)

// savedSide is a side as it is after its table was written and read again.
func savedSide(t testing.TB, o *Options, s *Set) *Side {
	t.Helper()
	table := s.Patterns().Tables(nil)[0]
	side, err := SideOf(o, &table)
	if err != nil {
		t.Fatal(err)
	}
	return side
}

// someMoments are sets of the same keys with some added, some gone and some of
// another size at each.
func someMoments(t testing.TB, rng *rand.Rand, o *Options, n int) []*Set {
	records := randomRecords(rng, 3000)
	var sets []*Set
	for range n {
		var some []*estimate.Record
		for _, r := range records {
			switch rng.IntN(10) {
			case 0:
				continue
			case 1:
				c := *r
				c.Alloc += 16 * rng.Int64N(100)
				r = &c
			}
			some = append(some, r)
		}
		sets = append(sets, newSet(t, o, some...))
		records = slices.DeleteFunc(records, func(*estimate.Record) bool { return rng.IntN(20) == 0 })
		records = append(records, randomRecords(rng, 200)...)
	}
	return sets
}

// The rows of a comparison sum up: leaves to what each side holds in all, and
// children to the row above them, whatever the sides are and were folded to.
func TestCompareSums(t *testing.T) {
	rng := newRand(t)
	for round := range 12 {
		options := testOptions()
		o := options[round%len(options)]
		sets := someMoments(t, rng, o, 2+rng.IntN(3))
		var sides []*Side
		kind := ""
		for _, s := range sets {
			if rng.IntN(3) == 0 {
				kind += "saved "
				sides = append(sides, savedSide(t, o, s))
			} else {
				kind += "dump "
				sides = append(sides, s.Patterns().Side())
			}
		}
		c, err := CompareSides(sides)
		if err != nil {
			t.Fatal(err)
		}
		leaves := make([]Sums, len(sides))
		var above []int // rows from the top down to the row before
		below := make([][]Sums, len(c.Rows))
		seen := make(map[string]bool)
		for i, r := range c.Rows {
			if id := fmt.Sprintf("%q %t", r.Pattern, r.Leaf); seen[id] {
				t.Errorf("two rows %s", id)
			} else {
				seen[id] = true
			}
			for len(above) > 0 && c.Rows[above[len(above)-1]].Depth >= r.Depth {
				above = above[:len(above)-1]
			}
			if len(above) > 0 {
				p := above[len(above)-1]
				if below[p] == nil {
					below[p] = make([]Sums, len(sides))
				}
				for side := range sides {
					below[p][side].add(&r.Sums[side])
				}
			}
			above = append(above, i)
			for side := range sides {
				if r.Leaf {
					leaves[side].add(&r.Sums[side])
				}
			}
		}
		for i, r := range c.Rows {
			if !r.Leaf && !slices.Equal(below[i], r.Sums) {
				t.Errorf("%s: children of %q sum up to %v, not %v", kind, r.Pattern, below[i], r.Sums)
			}
		}
		for side, s := range sets {
			want := s.Totals()
			got := leaves[side]
			if got.Keys != want.Keys || got.Bytes != want.Bytes || got.Elements != want.Elements || got.NoTTLKeys != want.NoTTLKeys || got.ExpiredBytes != want.ExpiredBytes {
				t.Errorf("%s: side %d sums up to %+v, its totals are %d keys, %d bytes", kind, side, got, want.Keys, want.Bytes)
			}
		}
	}
}

// A pattern of the user's own may read like the names beside it: they are one row.
func TestCompareUserPattern(t *testing.T) {
	o := &Options{Now: now, Patterns: []string{"user:admin", "item:<n>"}}
	record := func(key string) *estimate.Record {
		return &estimate.Record{Key: []byte(key), Alloc: 64, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
	}
	keys := []*estimate.Record{record("user:admin"), record("user:admin:x"), record("user:bob"), record("user"), record("users:admin"), record("item:1"), record("item:1:2")}
	a, b := newSet(t, o, keys...), newSet(t, o, keys[1:]...)
	for _, sides := range [][]*Side{{a.Patterns().Side(), b.Patterns().Side()}, {savedSide(t, o, a), b.Patterns().Side()}} {
		c, err := CompareSides(sides)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]int64{}
		for _, r := range c.Rows {
			id := fmt.Sprint(r.Pattern, r.Leaf)
			if _, ok := rows[id]; ok {
				t.Errorf("two rows %s", id)
			}
			rows[id] = r.Sums[0].Keys
		}
		if rows["user:false"] != 3 || rows["user:admin:false"] != 1 || rows["item:<n>true"] != 1 {
			t.Errorf("rows %v", rows)
		}
	}
}

// What is compared with itself has not changed, and the other way round all
// changes have the other sign.
func TestCompareSigns(t *testing.T) {
	rng := newRand(t)
	for _, o := range testOptions() {
		sets := someMoments(t, rng, o, 2)
		a, b := sets[0].Patterns().Side(), sets[1].Patterns().Side()
		span := &Span{Times: []int64{now, now + 7*hourMillis}}
		back := &Span{Times: []int64{now, now + 7*hourMillis}}
		self, err := CompareSides([]*Side{a, a})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range self.Changes(span).Rows {
			if row[3].S != "same" || row[6].I != 0 || row[9].I != 0 || row[11].I != 0 || row[20].I != 0 {
				t.Fatalf("a row against itself: %v", row)
			}
		}
		if len(self.New)+len(self.Gone) != 0 {
			t.Errorf("%d patterns appeared against itself", len(self.New)+len(self.Gone))
		}
		there, _ := CompareSides([]*Side{a, b})
		back1, _ := CompareSides([]*Side{b, a})
		forth, home := there.Changes(span), back1.Changes(back)
		opposite := map[string]string{"new": "gone", "gone": "new", "grew": "shrank", "shrank": "grew", "changed": "changed", "same": "same"}
		if len(forth.Rows) != len(home.Rows) || len(forth.Rows) < 10 {
			t.Fatalf("%d rows there, %d back", len(forth.Rows), len(home.Rows))
		}
		for i, f := range forth.Rows {
			h := home.Rows[i]
			if f[0] != h[0] || f[6].I != -h[6].I || f[9].I != -h[9].I || f[11].I != -h[11].I || f[19].I != -h[19].I || f[20].I != -h[20].I || opposite[f[3].S] != h[3].S {
				t.Fatalf("there %v\nback  %v", f, h)
			}
		}
		if there.NewCount != back1.GoneCount || there.GoneCount != back1.NewCount {
			t.Errorf("%d new and %d gone, but back %d new and %d gone", there.NewCount, there.GoneCount, back1.NewCount, back1.GoneCount)
		}
	}
}

// A table that was saved compares as the dump it was made of where nothing was
// folded for reading, in every cell of the changes.
func TestCompareSaved(t *testing.T) {
	rng := newRand(t)
	for round := range 6 {
		o := &Options{Now: now, Separators: [][]string{{":"}, {":", "."}, {"::", ":"}}[round%3]}
		// Few names at each level, so that none is folded.
		words := [][]string{{"user", "a b", "=x", "*", "{num}", "\xff"}, {"<x>", "v2", "", "{a}b", "x{42}", "-1+1"}}[round/3]
		make1 := func() *Set {
			var records []*estimate.Record
			for _, r := range randomRecords(rng, 2000) {
				key := words[rng.IntN(len(words))]
				for range rng.IntN(3) {
					key += o.Separators[rng.IntN(len(o.Separators))] + words[rng.IntN(len(words))]
				}
				r.Key = []byte(key)
				records = append(records, r)
			}
			return newSet(t, o, records...)
		}
		a, b := make1(), make1()
		want, err := CompareSides([]*Side{a.Patterns().Side(), b.Patterns().Side()})
		if err != nil {
			t.Fatal(err)
		}
		for _, sides := range [][]*Side{
			{savedSide(t, o, a), b.Patterns().Side()}, {a.Patterns().Side(), savedSide(t, o, b)}, {savedSide(t, o, a), savedSide(t, o, b)},
		} {
			got, err := CompareSides(sides)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Rows) != len(want.Rows) || got.NewCount != want.NewCount || got.GoneCount != want.GoneCount || len(got.notes) > 0 {
				t.Fatalf("%d rows, %d new, %d gone %q; of dumps %d, %d, %d", len(got.Rows), got.NewCount, got.GoneCount, got.notes, len(want.Rows), want.NewCount, want.GoneCount)
			}
			for i, r := range got.Rows {
				w := want.Rows[i]
				if r.Pattern != w.Pattern || r.Leaf != w.Leaf || r.Depth != w.Depth || !slices.Equal(r.Sums, w.Sums) {
					t.Fatalf("row %d is %+v, of dumps %+v", i, r, w)
				}
			}
		}
	}
}

// Where a side has had small names folded into *, the other side's are counted
// there too, and the comparison says so: a name is not new because it was small.
func TestCompareFoldedBefore(t *testing.T) {
	o := &Options{Now: now}
	record := func(key string, n int64) *estimate.Record {
		return &estimate.Record{Key: []byte(key), Alloc: n, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
	}
	before, after := []*estimate.Record{record("big:1", 1<<30)}, []*estimate.Record{record("big:1", 1<<30)}
	for i := range 100 {
		name := "small-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26)) // a literal
		before, after = append(before, record(name, 64)), append(after, record(name, 64))
	}
	after = append(after, record("grown", 1<<29))
	a, b := newSet(t, o, before...), newSet(t, o, after...)
	c, err := CompareSides([]*Side{savedSide(t, o, a), b.Patterns().Side()})
	if err != nil {
		t.Fatal(err)
	}
	if c.NewCount != 0 || c.GoneCount != 0 {
		t.Errorf("%d new and %d gone, of names that the saved table does not tell: %v", c.NewCount, c.GoneCount, c.New)
	}
	if len(c.notes) != 1 || !strings.Contains(c.notes[0], "grown") {
		t.Errorf("notes %q do not name the largest pattern that is hidden", c.notes)
	}
	// Of two dumps all is known.
	c, _ = CompareSides([]*Side{a.Patterns().Side(), b.Patterns().Side()})
	if c.NewCount != 1 || c.New[0].Pattern != "grown" || c.GoneCount != 0 {
		t.Errorf("new %v, gone %v", c.New, c.Gone)
	}
}

// A printed pattern is read back to the marks it was printed of, as far as
// printing tells them.
func TestParsePattern(t *testing.T) {
	rng := newRand(t)
	for _, o := range []*Options{{}, {Separators: []string{":", ".", "::"}}, {Separators: []string{"/", "-"}, Depth: 3}} {
		p, err := NewPatterner(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range randomRecords(rng, 3000) {
			marked, _ := p.walk(nil, r.Key, true)
			printed := escapeFormula(p.expand(nil, marked), 0)
			if got, want := p.parse(string(printed)), canonical(nil, marked); !bytes.Equal(got, want) {
				t.Fatalf("%q prints as %q and is read as %q, not %q", r.Key, printed, got, want)
			}
		}
	}
}

// The slope is that of least squares, and of two moments the change over the time.
func TestPerHour(t *testing.T) {
	rng := newRand(t)
	for range 500 {
		n := 2 + rng.IntN(20)
		span := &Span{}
		var values []int64
		for range n {
			span.Times = append(span.Times, now+rng.Int64N(1e10))
			values = append(values, rng.Int64N(1<<rng.IntN(50)))
		}
		got, known := span.PerHour(func(i int) int64 { return values[i] })
		if !known {
			t.Fatal("not known")
		}
		var st, sy float64
		for i := range n {
			st += float64(span.Times[i] - now)
			sy += float64(values[i])
		}
		var above, below float64
		for i := range n {
			dt := float64(span.Times[i]-now) - st/float64(n)
			above += dt * (float64(values[i]) - sy/float64(n))
			below += dt * dt
		}
		want := above / below * hourMillis
		if math.Abs(float64(got)-want) > 0.5+math.Abs(want)*1e-9 {
			t.Fatalf("%v at %v: %d an hour, not %f", values, span.Times, got, want)
		}
		if n == 2 {
			exact := float64(values[1]-values[0]) / float64(span.Times[1]-span.Times[0]) * hourMillis
			if math.Abs(float64(got)-exact) > 0.5+math.Abs(exact)*1e-9 {
				t.Fatalf("two moments: %d, not %f", got, exact)
			}
		}
	}
	for _, times := range [][]int64{nil, {5}, {7, 7, 7}} {
		if _, known := (&Span{Times: times}).PerHour(func(int) int64 { return 1 }); known {
			t.Errorf("a slope over %v", times)
		}
	}
	if n, _ := (&Span{Times: []int64{0, 1}}).PerHour(func(i int) int64 { return int64(i) * math.MaxInt64 }); n != math.MaxInt64 {
		t.Errorf("a slope of more than fits is %d", n)
	}
}

// Keys that changed are those that holding all keys would give, for as many
// rows as the note promises, whoever saw which record in which order.
func TestRisers(t *testing.T) {
	rng := newRand(t)
	for round := range 4 {
		o := &Options{Now: now, Top: 30}
		n := []int{500, 30_000, 60_000, 45_000}[round]
		type key struct {
			db   uint64
			name string
		}
		sides := [2]map[key]int64{{}, {}}
		record := func(k key, n int64) estimate.Record {
			return estimate.Record{Key: []byte(k.name), DB: k.db, Alloc: n, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
		}
		for i := range n {
			k := key{uint64(rng.IntN(2)), fmt.Sprintf("k:%d", i)}
			if i%100 == 0 {
				k.name += strings.Repeat("long", 150) // more than is kept
			}
			size := 16 * (1 + int64(rng.ExpFloat64()*float64(int64(10)<<rng.IntN(8))))
			if rng.IntN(10) > 0 {
				sides[0][k] = size
			}
			if rng.IntN(10) > 0 {
				if rng.IntN(5) == 0 {
					size = 16 * (1 + int64(rng.ExpFloat64()*float64(int64(10)<<rng.IntN(8))))
				}
				sides[1][k] = size
			}
		}
		run := func(workers int) [2]Table {
			seeds := LargeSeeds()
			read := func(side int, also func([]estimate.Record)) *Large {
				var parts []*LargeKeys
				var wait sync.WaitGroup
				batches := make([][]estimate.Record, workers)
				for k, n := range sides[side] { // in any order
					w := rng.IntN(workers)
					batches[w] = append(batches[w], record(k, n))
				}
				for w := range workers {
					l := NewLargeKeys(o, seeds)
					parts = append(parts, l)
					wait.Add(1)
					go func() {
						defer wait.Done()
						l.AddBatch(batches[w])
						if also != nil {
							also(batches[w])
						}
					}()
				}
				wait.Wait()
				return NewLarge(parts)
			}
			grew := read(1, nil)
			shrank := read(0, grew.LookUp)
			for k, n := range sides[1] {
				if shrank.Index(k.db, []byte(k.name)) >= 0 {
					shrank.LookUp([]estimate.Record{record(k, n)})
				}
			}
			return [2]Table{grew.Risers(false), shrank.Risers(true)}
		}
		one, many := run(1), run(5)
		for way, name := range []string{"grew", "shrank"} {
			if a, b := fmt.Sprint(one[way]), fmt.Sprint(many[way]); a != b {
				t.Fatalf("%d keys, %s: not the same by one worker and by five\n%s", n, name, firstDiff(a, b))
			}
			var all []int64
			for _, side := range sides {
				for k := range side {
					if change := sides[1][k] - sides[0][k]; change != 0 && (way == 0) == (change > 0) {
						_, both := sides[0][k]
						if _, other := sides[1][k]; both && other && fmt.Sprintf("%p", side) == fmt.Sprintf("%p", sides[1]) {
							continue // counted on the other side
						}
						all = append(all, max(change, -change))
					}
				}
			}
			slices.Sort(all)
			slices.Reverse(all)
			rows, note := one[way].Rows, one[way].Notes[0]
			exact := strings.HasPrefix(note, "exact")
			for i, row := range rows {
				got := row[7].I
				if want := sides[1][key{uint64(row[1].I), strings.ReplaceAll(row[3].S, "\\+", "")}]; !strings.Contains(row[3].S, "\\+") && row[6].I != want {
					t.Fatalf("%s is of %d bytes, not %d", row[3].S, row[6].I, want)
				}
				if got = max(got, -got); exact && got != all[i] {
					t.Fatalf("%d keys, %s: row %d is %d, of all keys it is %d: %s", n, name, i, got, all[i], note)
				}
			}
			if exact && len(rows) != min(len(all), o.Top) {
				t.Fatalf("%d rows of %d keys that %s, said to be exact", len(rows), len(all), name)
			}
			if !exact {
				var bound int64
				fmt.Sscanf(note[strings.Index(note, "by at most")+len("by at most"):], "%d", &bound)
				if len(rows) < len(all) && all[len(rows)] > bound {
					t.Fatalf("a key that %s by %d is not listed: %s", name, all[len(rows)], note)
				}
			}
		}
		if round > 0 && strings.Contains(one[0].Notes[0], "every key") {
			t.Errorf("%d keys were all kept", n)
		}
	}
}

// Whatever a saved table holds, it compares without a panic and keeps its sums.
func FuzzSaved(f *testing.F) {
	f.Add("user:{num}", "=x:*", "a 50.0%,b 50.0%", int64(3), int64(100), ":")
	f.Add("\x01\x02", "\\x3dx", ",,%% 9%", int64(-1), int64(math.MinInt64), "\x00")
	f.Add("{num", "<x>:", "", int64(math.MaxInt64), int64(0), "{")
	f.Fuzz(func(t *testing.T, one, two, encodings string, keys, bytes int64, sep string) {
		o := &Options{Separators: []string{":", sep}}
		if o.Check() != nil {
			t.Skip()
		}
		table := Table{Name: "patterns", Columns: PatternColumns()}
		for _, name := range []string{one, two, one + ":" + two, one + sep + two} {
			row := make([]Cell, len(table.Columns))
			row[0].S, row[2].I, row[3].I, row[4].I, row[20].S = name, 1, keys, bytes, encodings
			table.Rows = append(table.Rows, row)
		}
		side, err := SideOf(o, &table)
		if err != nil {
			t.Fatal(err)
		}
		set := newSet(t, o, &estimate.Record{Key: []byte(two), Alloc: 64, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1})
		c, err := CompareSides([]*Side{side, set.Patterns().Side(), side})
		if err != nil {
			t.Fatal(err)
		}
		var sum, dump int64
		for _, row := range c.Changes(&Span{Times: []int64{1, 2, 4}, Room: bytes, HasRoom: true}).Rows {
			if row[2].I == 1 {
				sum += row[7].I
			}
		}
		for _, r := range c.Rows {
			if r.Leaf {
				dump += r.Sums[1].Bytes
			}
		}
		if sum != 4*bytes || dump != 64 {
			t.Fatalf("leaves sum up to %d and %d, not %d and 64", sum, dump, 4*bytes)
		}
		c.Series(&Span{})
		c.AppearedTable()
	})
}
