package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rdbaudit/estimate"
)

// candidate is a key as a server at its maxmemory sees it: the higher its
// score, the sooner it goes.
type candidate struct {
	score float64
	id    int
}

// serverPool is the eviction pool of evict.c, drawn by lot: what poolChance
// and lots.evict are held against.
type serverPool []candidate

// offer puts a key in where it belongs, pushing out the worst if it is full.
func (p *serverPool) offer(c candidate) {
	at, _ := slices.BinarySearchFunc(*p, c, func(a, b candidate) int {
		if a.score < b.score {
			return -1
		}
		return 1
	})
	if len(*p) < poolSize {
		*p = slices.Insert(*p, at, c)
	} else if at > 0 {
		copy((*p)[:at-1], (*p)[1:at])
		(*p)[at-1] = c
	}
}

func (p *serverPool) best() candidate {
	c := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return c
}

func TestPoolChance(t *testing.T) {
	rng := newRand(t)
	for _, n := range []int{1, 3, 5, 10, 80, 400} {
		p := newPool(n)
		const rounds = 100_000
		var got []float64
		var s serverPool
		for range rounds {
			for range n {
				s.offer(candidate{score: 1 - rng.Float64()})
			}
			got = append(got, 1-s.best().score)
		}
		slices.Sort(got)
		before := 0.0
		for _, u := range []float64{0.001, 0.02, 0.5, 0.9, 1, 1.1, 1.5, 3} {
			u = min(1, u/float64(n)) // the pool lives around one of the best a round
			chance := p.chance(u)
			share := float64(slices.IndexFunc(append(got, 2), func(v float64) bool { return v > u })) / rounds
			// Rounds hang together through the pool, so the error is wider than that of single draws.
			if off := math.Abs(chance - share); off > 0.02 {
				t.Errorf("%d drawn, best %.5f: chance %.4f, drawn by lot %.4f", n, u, chance, share)
			}
			if chance < before || chance > 1 {
				t.Errorf("%d drawn, best %.5f: chance %v after %v", n, u, chance, before)
			}
			before = chance
		}
	}
}

// byLots evicts keys as the server does, key by key, and says how many of each
// pattern went.
func byLots(rng *rand.Rand, records []*estimate.Record, p Policy, need int64) map[string]int64 {
	var dbs [4][]int
	score := func(r *estimate.Record) float64 {
		switch p.by {
		case byIdle:
			return float64(r.Idle)
		case byFreq:
			return 255 - float64(r.Freq)
		case byTTL:
			return -float64(r.Expiry)
		}
		return 0
	}
	for i, r := range records {
		if !p.Volatile || r.Expiry != estimate.NoExpiry {
			dbs[r.DB] = append(dbs[r.DB], i)
		}
	}
	gone := make(map[string]int64)
	dead := make([]bool, len(records))
	evict := func(i int) {
		dead[i] = true
		db := &dbs[records[i].DB]
		at := slices.Index(*db, i)
		(*db)[at] = (*db)[len(*db)-1]
		*db = (*db)[:len(*db)-1]
		need -= records[i].Alloc
		gone[kindOf(records[i])]++
	}
	var pool serverPool
	turn := 0
	for need > 0 {
		if p.by == byLot {
			turn++
			if db := dbs[turn%len(dbs)]; len(db) > 0 {
				evict(db[rng.IntN(len(db))])
			}
			continue
		}
		for _, db := range dbs {
			for range min(defaultSamples, len(db)) {
				i := db[rng.IntN(len(db))]
				pool.offer(candidate{score(records[i]), i})
			}
		}
		for len(pool) > 0 {
			if c := pool.best(); !dead[c.id] {
				evict(c.id)
				break
			}
		}
	}
	return gone
}

// kindOf is the pattern of the test keys.
func kindOf(r *estimate.Record) string {
	return string(r.Key[:slices.Index(r.Key, ':')]) + ":{num}"
}

// evictable makes keys of some patterns that differ in all that eviction looks
// at, in so many databases.
func evictable(rng *rand.Rand, n, dbs int) []*estimate.Record {
	var records []*estimate.Record
	for i := range n {
		kind := rng.IntN(4)
		r := &estimate.Record{Key: fmt.Appendf(nil, "%s:%d", []string{"cache", "session", "feed", "config"}[kind], i), Type: estimate.String, Elems: 1,
			Alloc: int64(64 + 48*kind + 16*rng.IntN(20)), Slot: -1, Expiry: estimate.NoExpiry}
		r.DB = uint64(min(rng.IntN(dbs), rng.IntN(dbs)))
		r.Idle = int64(rng.ExpFloat64() * []float64{90_000, 3600, 20_000, 400_000}[kind])
		r.Freq = int16(min(255, rng.ExpFloat64()*[]float64{3, 20, 8, 60}[kind]))
		if kind < 2 || kind == 2 && rng.IntN(2) == 0 {
			r.Expiry = now + int64(rng.ExpFloat64()*[]float64{1e6, 1e7, 1e8}[kind])
		}
		records = append(records, r)
	}
	return records
}

func sumAlloc(records []*estimate.Record) (n int64) {
	for _, r := range records {
		n += r.Alloc
	}
	return n
}

func plan(t *testing.T, records []*estimate.Record, need int64) *EvictionPlan {
	s := newSet(t, &Options{Now: now, Eviction: true}, records...)
	return s.Eviction(s.Tables(), EvictionOptions{Need: []int64{need}})
}

// TestEvictionByLot holds the plan against keys evicted one by one.
func TestEvictionByLot(t *testing.T) {
	rng := newRand(t)
	for _, dbs := range []int{1, 3} {
		records := evictable(rng, 20_000, dbs)
		for _, share := range []int64{10, 3} {
			need := sumAlloc(records) / share
			for _, o := range plan(t, records, need).Outcomes {
				if o.Short > 0 || o.Policy.never {
					continue
				}
				want := byLots(rng, records, o.Policy, need)
				for _, l := range o.Patterns {
					off := math.Abs(float64(l.Gone.keys-want[l.Pattern])) / float64(l.All.keys)
					if off > 0.03 {
						t.Errorf("%d databases, 1/%d must go, %s: %s loses %d of %d keys, by lot %d", dbs, share, o.Policy.Name, l.Pattern, l.Gone.keys, l.All.keys, want[l.Pattern])
					}
				}
			}
		}
	}
}

// TestEvictionLaws: nothing is evicted that is not there, more to free never
// evicts less, what goes is what must or all there is, and patterns sum to the whole.
func TestEvictionLaws(t *testing.T) {
	rng := newRand(t)
	sets := [][]*estimate.Record{nil, evictable(rng, 3, 1), evictable(rng, 3000, 2), randomRecords(rng, 3000)}
	for _, records := range sets {
		for _, r := range records {
			r.Source = 0
		}
		total := sumAlloc(records)
		before := make(map[string]tally)
		for _, need := range []int64{-1, 0, 1, total / 100, total / 10, total / 3, total / 2, total - total/50, total, 2 * total, math.MaxInt64} {
			p := plan(t, records, need)
			if len(p.Outcomes) != 8 || p.Need != max(0, need) {
				t.Fatalf("%d policies for %d bytes", len(p.Outcomes), p.Need)
			}
			checkTable(t, EvictionTable(p))
			for _, o := range p.Outcomes {
				var sum, all tally
				for _, l := range o.Patterns {
					name := o.Policy.Name + " " + l.Pattern
					if l.Gone.keys < before[name].keys-1 || l.Gone.bytes < before[name].bytes-1 || // rounded each time
						l.Gone.keys > l.All.keys || l.Gone.bytes > l.All.bytes {
						t.Errorf("%s: %v of %v go for %d bytes, before %v", name, l.Gone, l.All, need, before[name])
					}
					before[name] = l.Gone
					sum.join(l.Gone)
					all.join(l.All)
				}
				if sum != o.Gone || all != (tally{int64(len(records)), total}) {
					t.Errorf("%s: patterns sum to %v of %v, the whole is %v of %d", o.Policy.Name, sum, all, o.Gone, total)
				}
				if o.Gone.keys > o.Held.keys || o.Gone.bytes > o.Held.bytes || o.Unknown != "" && o.Gone.keys > 0 {
					t.Errorf("%s: %v of %v go", o.Policy.Name, o.Gone, o.Held)
				}
				want := min(max(0, need), o.Held.bytes)
				if o.Unknown == "" && math.Abs(float64(o.Gone.bytes-want)) > 1 || o.Short != max(0, need-o.Held.bytes) {
					t.Errorf("%s: %d of %d bytes go, %d short, for %d", o.Policy.Name, o.Gone.bytes, o.Held.bytes, o.Short, need)
				}
			}
		}
	}
}

// checkTable: the rows of patterns sum to those of their policies.
func checkTable(t *testing.T, table Table) {
	t.Helper()
	type sum [4]int64
	sums, heads := make(map[string]sum), make(map[string]sum)
	for _, r := range table.Rows {
		if len(r) != len(table.Columns) {
			t.Fatalf("%d cells in a row of %d columns", len(r), len(table.Columns))
		}
		to := sums
		if r[2].Null {
			to = heads
		}
		n := to[r[0].S]
		for i := range n {
			n[i] += r[3+i].I
		}
		to[r[0].S] = n
	}
	if len(heads) != 8 {
		t.Errorf("%d policies", len(heads))
	}
	for policy, head := range heads {
		if n, ok := sums[policy]; ok != (head[2] > 0) || ok && n != head {
			t.Errorf("%s: patterns sum to %d, the whole is %d", policy, n, head)
		}
	}
}

// TestEvictionUnknown: what the dump does not tell is not guessed.
func TestEvictionUnknown(t *testing.T) {
	records := evictable(newRand(t), 1000, 1)
	for _, r := range records {
		r.Idle = -1
	}
	for _, o := range plan(t, records, sumAlloc(records)/5).Outcomes {
		if want := o.Policy.by == byIdle; (o.Unknown != "") != want {
			t.Errorf("%s without idle times: %q", o.Policy.Name, o.Unknown)
		}
	}
	// If all must go it does not matter which go first.
	for _, o := range plan(t, records, 2*sumAlloc(records)).Outcomes {
		if o.Unknown != "" || o.Short == 0 || o.Gone != o.Held {
			t.Errorf("%s: %v of %v, %d short, %q", o.Policy.Name, o.Gone, o.Held, o.Short, o.Unknown)
		}
	}
}

// TestEvictionCap: once the memory for cells is used up sums are the same, and
// no policy is far off.
func TestEvictionCap(t *testing.T) {
	rng := newRand(t)
	records := evictable(rng, 30_000, 2)
	for i, r := range records {
		if i%2 == 0 {
			r.Key = fmt.Appendf(nil, "%s:%s:%d", []string{"a", "b", word(rng)}[rng.IntN(3)], word(rng)+word(rng), i)
		}
	}
	need := sumAlloc(records) / 4
	outcomes := func(memory int64, parts int) ([]Outcome, *Eviction) {
		sets := make([]*Set, parts)
		for i := range sets {
			sets[i] = newSet(t, &Options{Now: now, Eviction: true, TableMemory: memory})
		}
		for _, r := range records {
			sets[rng.IntN(parts)].Add(r)
		}
		for _, o := range sets[1:] {
			if err := sets[0].Merge(o); err != nil {
				t.Fatal(err)
			}
		}
		return sets[0].Eviction(sets[0].Tables(), EvictionOptions{Need: []int64{need}}).Outcomes, sets[0].eviction
	}
	want, _ := outcomes(0, 1)
	for _, parts := range []int{1, 3} {
		got, e := outcomes(minTableMemory, parts)
		if !e.full || e.coarse != maxCoarse {
			t.Fatal("the cap did not bite")
		}
		cells, most := 0, e.limit/2*3+600 // and a row that moved in whole
		for _, s := range e.spaces {
			for _, row := range s.rows {
				cells += rowCells + len(row.list)
			}
			cells += len(s.other.list)
			most += len(s.other.list) // beyond it
		}
		if cells != e.cells || cells > most {
			t.Errorf("%d cells, counted as %d, of at most %d", cells, e.cells, e.limit)
		}
		for i := range want {
			if got[i].Held != want[i].Held || got[i].Short != want[i].Short || math.Abs(float64(got[i].Gone.keys-want[i].Gone.keys)) > 0.02*float64(want[i].Gone.keys) {
				t.Errorf("%s: %v of %v, without a cap %v of %v", want[i].Policy.Name, got[i].Gone, got[i].Held, want[i].Gone, want[i].Held)
			}
		}
	}
}

// TestRanks: ranges of ranks follow each other without a gap and are narrow,
// also when they have been widened.
func TestRanks(t *testing.T) {
	rng := newRand(t)
	for range 100_000 {
		v := rng.Int64() >> rng.IntN(63)
		for coarse := range uint(maxCoarse + 1) {
			b := rankOf(v) >> coarse
			from, to := rankFrom(b<<coarse), rankFrom((b+1)<<coarse)
			if v < from || v >= to && to > 0 || rankOf(v) > rankBucket {
				t.Fatalf("%d is in the range from %d to %d", v, from, to)
			}
			if width := to - from; to > 0 && width > 1<<coarse && float64(width) > float64(from)/64*float64(int(1)<<coarse) {
				t.Fatalf("%d: from %d to %d is wide", v, from, to)
			}
		}
	}
}
