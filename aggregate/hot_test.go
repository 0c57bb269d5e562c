package aggregate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"rdbaudit/estimate"
)

// ttlRecords are of keys that expire within a number of seconds, in a cluster,
// with hash tags of which there are so many.
func ttlRecords(rng *rand.Rand, n, seconds, tags int) []estimate.Record {
	records := make([]estimate.Record, n)
	for i := range records {
		r := &records[i]
		r.Key = fmt.Appendf(nil, "{user:%d}:session", rng.IntN(tags))
		r.Alloc, r.Elems, r.Idle, r.Freq = 16+rng.Int64N(1000), 1, -1, -1
		r.Expiry = now + 1 + rng.Int64N(int64(seconds)*1000)
		r.Slot = int32(estimate.Slot(r.Key))
	}
	return records
}

// TestExpiryExact holds seconds and minutes against a count by map.
func TestExpiryExact(t *testing.T) {
	rng := newRand(t)
	parts := []*Expiry{NewExpiry(&Options{Now: now}), NewExpiry(&Options{Now: now})}
	type cell struct{ at, span int64 }
	want := map[cell]tally{}
	for _, r := range ttlRecords(rng, 20_000, 40*day, 10) {
		if rng.IntN(2) == 0 {
			r.Expiry = now + 1000*rng.Int64N(20*hour)
		}
		if rng.IntN(10) == 0 { // more keys than a cell holds
			r.Expiry = now + 5000
		}
		if rng.IntN(100) == 0 { // more bytes than that
			r.Alloc, r.Expiry = 1<<rng.IntN(45), now+3000+rng.Int64N(3)*40*day
		}
		parts[rng.IntN(2)].Add(&r)
		left := (r.Expiry - now) / 1000
		c := cell{floorDiv(r.Expiry, 1000), 1}
		if c.at-now/1000 >= day {
			c = cell{floorDiv(r.Expiry, 60_000) * 60, 60}
		}
		if left < 31*day && r.Expiry > now {
			x := want[c]
			x.add(r.Alloc)
			want[c] = x
		}
	}
	if err := parts[0].Merge(parts[1]); err != nil {
		t.Fatal(err)
	}
	got := parts[0].peaks(1<<20, func(peak) bool { return true })
	if len(got) != len(want) {
		t.Fatalf("%d cells, want %d", len(got), len(want))
	}
	for i, p := range got {
		if want[cell{p.at, p.span}] != p.tally {
			t.Fatalf("%d for %d s: %v, want %v", p.at, p.span, p.tally, want[cell{p.at, p.span}])
		}
		if i < 20 && p != parts[0].peaks(20, func(peak) bool { return true })[i] {
			t.Fatal("a short list is another one")
		}
		if i > 0 && p.keys > got[i-1].keys {
			t.Fatal("not in order")
		}
	}
}

// TestTagsFull fills the table of hash tags: what it says of a tag is the least
// that it holds, and slack the most that is missing.
func TestTagsFull(t *testing.T) {
	rng := newRand(t)
	for _, tags := range []int{maxTags / 2, 5 * maxTags} {
		parts := []*Slots{NewSlots(&Options{Now: now}), NewSlots(&Options{Now: now})}
		want := map[string]tally{}
		for _, r := range ttlRecords(rng, 100_000, day, tags) {
			if rng.IntN(5) == 0 {
				r.Key = []byte("{heavy}:x")
			}
			parts[rng.IntN(2)].Add(&r)
			tag := "{" + string(hashTag(r.Key)) + "}"
			x := want[tag]
			x.add(r.Alloc)
			want[tag] = x
		}
		if err := parts[0].Merge(parts[1]); err != nil {
			t.Fatal(err)
		}
		a := parts[0]
		if full := a.slack > 0; full != (tags >= 5*maxTags) {
			t.Errorf("%d tags, slack %d", tags, a.slack)
		}
		list := a.tags()
		if list[0].print() != "{heavy}" || list[0].tally != want["{heavy}"] {
			t.Errorf("the largest is %s, %v of %v", list[0].print(), list[0].tally, want["{heavy}"])
		}
		for i := range list {
			x := want[list[i].print()]
			if list[i].bytes > x.bytes || x.bytes > list[i].bytes+a.slack {
				t.Fatalf("%s: %d of %d bytes, slack %d", list[i].print(), list[i].bytes, x.bytes, a.slack)
			}
		}
	}
}

// TestHashTag: the tag is what alone decides the slot.
func TestHashTag(t *testing.T) {
	rng := newRand(t)
	oracle := regexp.MustCompile(`^[^{]*\{([^}]+)\}`)
	for range 20_000 {
		key := make([]byte, rng.IntN(12))
		for i := range key {
			key[i] = "{}ab"[rng.IntN(4)]
		}
		var want []byte
		if m := oracle.FindSubmatch(key); m != nil {
			want = m[1]
		}
		tag := hashTag(key)
		if !bytes.Equal(tag, want) {
			t.Fatalf("%q: tag %q, want %q", key, tag, want)
		}
		if tag != nil && estimate.Slot(key) != estimate.Slot(tag) {
			t.Fatalf("%q: the tag %q is of another slot", key, tag)
		}
	}
}

// TestHotAllocs: nothing is allocated per key once pages and tables are there.
func TestHotAllocs(t *testing.T) {
	records := ttlRecords(rand.New(rand.NewPCG(1, 1)), 1000, 40*day, 500)
	e, s := NewExpiry(&Options{Now: now}), NewSlots(&Options{Now: now})
	add := func() {
		for i := range records {
			e.Add(&records[i])
			s.Add(&records[i])
		}
	}
	add()
	if n := testing.AllocsPerRun(5, add); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkExpiry(b *testing.B) {
	for _, seconds := range []int{hour, day, 30 * day} {
		records := ttlRecords(rand.New(rand.NewPCG(1, 1)), 1<<16, seconds, 10)
		items := make([]item, len(records))
		e := NewExpiry(&Options{Now: now})
		for i := range items {
			items[i].fill(e.o, &records[i])
		}
		b.Run(fmt.Sprint(seconds), func(b *testing.B) {
			i := 0
			for b.Loop() {
				e.add(&items[i&(1<<16-1)])
				i++
			}
		})
	}
}

func BenchmarkTags(b *testing.B) {
	for _, tags := range []int{100, 5000, 1 << 20} {
		records := ttlRecords(rand.New(rand.NewPCG(1, 1)), 1<<16, day, tags)
		items := make([]item, len(records))
		s := NewSlots(&Options{Now: now})
		for i := range items {
			items[i].fill(s.o, &records[i])
		}
		b.Run(fmt.Sprint(tags), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.add(&items[i&(1<<16-1)])
				i++
			}
		})
	}
}
