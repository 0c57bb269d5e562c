package aggregate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"rdbaudit/estimate"
)

// Patterns is the analysis "patterns": the keys by pattern, as a tree. While
// it counts it holds leaves only, whole patterns with keys of their own; the
// inner nodes of the tree are made when it is rendered.
//
// Its Patterner keeps scratch space, so a Patterns is for one goroutine.
type Patterns struct {
	o      *Options
	p      *Patterner
	t      *leaves
	budget int64
	it     item
	warmed uint64 // what warming the caches returned, so that it is done
	// Of sweeps, kept for the next: a table that is full is swept again and again.
	victims []bool
	counts  []uint16
}

// patternShare is the part of Options.TableMemory that patterns have: half. A
// quarter is what eviction counts; the rest is for all others, whose rows are
// capped (maxAuditRows, maxNamesRows, maxPages).
const patternShare = 2

// NewPatterns makes the analysis "patterns".
func NewPatterns(o *Options) *Patterns {
	o = o.normal()
	p, _ := NewPatterner(o) // Options.Check is the place for the error
	p.scratch, p.scratch2 = make([]byte, 0, 4096), make([]byte, 0, 4096)
	return &Patterns{o: o, p: p, t: newLeaves(), budget: o.TableMemory / patternShare}
}

// Add counts one record.
func (p *Patterns) Add(r *estimate.Record) {
	p.it.fill(p.o, r)
	p.it.text, p.it.same = p.p.walk(p.it.text[:0], r.Key, true)
	p.it.hash = p.t.hash(p.it.text)
	p.t.locate(&p.it.at, p.it.hash, p.it.text)
	p.add(&p.it)
}

// locate finds the spots of items whose patterns are known: of the first of
// those that are like each other.
func (p *Patterns) locate(items []item) {
	var groups [ahead]uint32
	n := 0
	for i := range items {
		it := &items[i]
		if it.like {
			continue
		}
		p.t.locate(&it.at, it.hash, it.text)
		if it.at.group != 0 {
			groups[n] = it.at.group
			n++
			p.warmed += uint64(*p.t.shut.times(it.at.whole))
		}
	}
	p.warmed += p.t.warmStats(groups[:n])
}

func (p *Patterns) add(it *item) {
	p.t.add(p.p, it)
	if p.t.memory() > p.budget {
		p.fold()
	}
}

// addAll counts items, those of one pattern that lie together at a time.
func (p *Patterns) addAll(items []item) {
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].like {
			n++
		}
		p.t.addRun(p.p, items[:n])
		items = items[n:]
		if p.t.memory() > p.budget {
			p.fold()
		}
	}
}

// Merge counts all that other has counted.
func (p *Patterns) Merge(other Analysis) error {
	o, ok := other.(*Patterns)
	if !ok {
		return errType(p, other)
	}
	if err := p.o.same(o.o); err != nil {
		return err
	}
	if p.t.count == 0 {
		p.t = o.t
	} else {
		var hashes [ahead]uint32
		from := o.t
		from.slots = nil
		for i := range from.count {
			if i%ahead == 0 {
				p.t.inherit(from, i)
				n := min(from.count-i, ahead)
				for k := range n {
					hashes[k] = p.t.hash(from.pattern(from.row(i + k)))
				}
				p.warmed += p.t.warm(hashes[:n])
			}
			p.t.take(p.p, from, from.row(i), hashes[i%ahead])
			if p.t.memory() > p.budget {
				p.fold()
			}
		}
	}
	if p.t.memory() > p.budget {
		p.fold()
	}
	return nil
}

// SetTableMemory changes Options.TableMemory from now on.
func (p *Patterns) SetTableMemory(n int64) {
	o := *p.o
	o.TableMemory = n
	p.o = o.normal()
	p.budget = p.o.TableMemory / patternShare
}

// Len is the number of distinct patterns held.
func (p *Patterns) Len() int { return int(p.t.count) }

// Folded is what was counted under a wildcard because the table was full: the
// folded_keys and folded_bytes of the report.
func (p *Patterns) Folded() (keys, bytes int64) {
	for i := range p.t.nstat {
		s := &p.t.stats[i/statChunk][i%statChunk]
		keys += s.foldedKeys
		bytes += s.foldedBytes
	}
	return keys, bytes
}

// fold makes room: it brings the table down to about half its budget, so that
// the cost of a sweep is spread over as many new patterns as it removed. Where
// hardly a pattern has a second key, few of them will be missed, and it goes
// down to a quarter: all that comes after has less to look through.
func (p *Patterns) fold() {
	goal, enough := p.budget/2, p.budget/4*3
	if several := p.t.nstat - uint32(len(p.t.free)); several < p.t.count/8 {
		goal /= 2
	}
	for round := 0; round < 32 && p.t.memory() > enough; round++ {
		// A little more than the part that is too much, and more if that did not do.
		over := (p.t.memory() - goal) * 100 / p.t.memory()
		p.sweep(min(100, over+5+10*int64(round)))
	}
	if p.t.shut != nil {
		p.t.findGroups()
	}
}

// minGroup is how many patterns should come together under a wildcard: a row
// of several keys takes the memory of about four rows of one.
const minGroup = 8

// sweep replaces literal segments by * in the smallest patterns, percent of
// all by number; those that came about by folding are spared while there are
// others. Where nothing is literal any more, patterns are counted under a
// lone *.
func (p *Patterns) sweep(percent int64) {
	t := p.t
	need := max(1, int64(t.count)*percent/100)
	var sizes, folded Hist
	for i := range t.count {
		if l := t.row(i); hasLiteral(t.pattern(l)) {
			if t.folded(l) {
				folded.Add(l.bytes)
			} else {
				sizes.Add(l.bytes)
			}
		}
	}
	spare := sizes.Len() >= need
	if !spare {
		sizes.Merge(&folded)
	}
	literals := sizes.Len() > 0
	if !literals {
		for i := range t.count {
			sizes.Add(t.row(i).bytes)
		}
	}
	limit := histBucket(sizes.Percentile(min(100, need*100/sizes.Len()+1)))
	p.victims = emptied(p.victims, int(t.count))
	victims, gone := p.victims, uint32(0)

	// How many victims would share a pattern with a wildcard here or there.
	// Counters are found by a hash that may collide: that costs a worse choice
	// at times, and being free of any seed it is the same choice on every run.
	size := 1 << 10
	for size < 2*int(t.count) && size < 1<<22 {
		size *= 2
	}
	p.counts = emptied(p.counts, size)
	counts := p.counts // that stop at the largest number
	mask := uint64(len(counts) - 1)
	var f folds
	for i := range t.count {
		l := t.row(i)
		if histBucket(l.bytes) > limit || spare && t.folded(l) {
			continue
		}
		if !literals {
			victims[i] = true
			gone++
			continue
		}
		f.of(t.pattern(l))
		if victims[i] = f.n > 0; victims[i] {
			gone++
		}
		for k := range f.n {
			one, rest := f.one(k), f.rest(k)
			c := &counts[one&mask]
			*c += 1 - *c/math.MaxUint16
			if rest != one {
				c = &counts[rest&mask]
				*c += 1 - *c/math.MaxUint16
			}
		}
	}

	if t.shut == nil {
		t.shut = newClosed(p.budget)
	}
	p.warmed += t.refill(p.p, t.count-gone, func(dst []byte, i uint32, text []byte) ([]byte, bool) {
		if !victims[i] {
			return append(dst, text...), false
		}
		if !literals {
			return append(dst, markClass, '*'), true
		}
		f.of(text)
		k, all := f.choose(counts)
		t.shut.note(k, all)
		return appendFolded(dst, text, f.at[k], all), true
	})
}

// emptied is a list of n zeros, in the memory of list if that is enough.
func emptied[T any](list []T, n int) []T {
	if cap(list) < n {
		return touched(make([]T, n))
	}
	list = list[:n]
	clear(list)
	return list
}

// segmentEnd is where the segment whose mark is at i ends.
func segmentEnd(marked []byte, i int) int {
	const ones = 0x0101010101010101
	i++
	for ; i+8 <= len(marked); i += 8 {
		w := binary.LittleEndian.Uint64(marked[i:])
		if m := (w - markEnd*ones) &^ w & (0x80 * ones); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(marked) && marked[i] >= markEnd; i++ {
	}
	return i
}

func hasLiteral(marked []byte) bool {
	for i := 0; i < len(marked); i = segmentEnd(marked, i) {
		if marked[i]&markClass == 0 {
			return true
		}
	}
	return false
}

// Tables renders the table "patterns". The argument is ignored.
func (p *Patterns) Tables(*Totals) []Table {
	table := Table{Name: "patterns", Title: "Memory by key pattern", Columns: PatternColumns()}
	table.Rows, table.Notes = p.render()
	if keys, bytes := p.Folded(); keys > 0 {
		table.Notes = append(table.Notes, fmt.Sprintf(
			"the tables were full (--table-memory %d bytes): the smallest patterns were folded into *, and rare ones counted there at once, folded_keys %d, folded_bytes %d; sums are exact",
			p.o.TableMemory, keys, bytes))
	}
	return []Table{table}
}

// PatternColumns are the columns of the pattern table, and the metrics of rules.
func PatternColumns() []Column {
	return []Column{
		{"pattern", Name, "key pattern; an inner node of the tree ends in its separator, the root is *"},
		{"depth", Count, "segments of the pattern; 0 for the root"},
		{"leaf", Flag, "1: keys of this very pattern; 0: sums of an inner node over the rows below it"},
		{"keys", Count, "keys"},
		{"bytes", Bytes, "their bytes"},
		{"share", Share, "bytes as a share of all"},
		{"avg_bytes", Bytes, "mean bytes of a key"},
		{"p50_bytes", Bytes, "median bytes of a key, off by 3.1 % at most"},
		{"p99_bytes", Bytes, "99th percentile of the bytes of a key, off by 3.1 % at most"},
		{"max_bytes", Bytes, "bytes of the largest key"},
		{"max_key", Name, "the largest key; of more than 512 bytes its head and \\+N for N bytes more"},
		{"elements", Count, "members, fields, list elements, stream entries; 1 for a string"},
		{"no_ttl_keys", Count, "keys without a TTL; hashes all of whose fields have one are not among them"},
		{"no_ttl_bytes", Bytes, "their bytes"},
		{"field_ttl_keys", Count, "hashes without a TTL of their own all of whose fields have one"},
		{"expired_keys", Count, "keys whose TTL has run out"},
		{"expired_bytes", Bytes, "their bytes"},
		{"ttl_p50_seconds", Seconds, "median time to live of the keys that have some left; empty if none has"},
		{"idle_p50_seconds", Seconds, "median time since the last access; empty if the dump does not say"},
		{"types", Text, "types: a name, or names with shares by bytes, as in hash 80.0%,string 20.0%"},
		{"encodings", Text, "encodings, in the same form"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}
}

// code codes the rows in order of their patterns. What is read goes the way of
// a merge, so that the table stays within its memory whatever the input says.
func (p *Patterns) code(c *coder) {
	t := p.t
	if !c.reads {
		sorted := c.modules(&t.mods)
		order := make([]uint32, t.count)
		for i := range order {
			order[i] = uint32(i)
		}
		slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(t.pattern(t.row(a)), t.pattern(t.row(b))) })
		c.count(len(order), math.MaxInt32)
		for _, i := range order {
			l := t.row(i)
			text := t.pattern(l)
			c.text(&text, maxMarked)
			t.code(c, p.p, l, &sorted)
		}
		return
	}
	from := newLeaves()
	sorted := c.modules(&from.mods)
	n := c.count(0, math.MaxInt32)
	var last string
	for i := range n {
		var text string
		if c.marked(p.p, &text); i > 0 && text <= last {
			c.fail("patterns out of order")
		}
		last = text
		from.reset()
		l := from.insert(0, []byte(text))
		if from.code(c, p.p, l, &sorted); c.err != nil {
			return
		}
		p.t.take(p.p, from, l, p.t.hash([]byte(text)))
		if p.t.memory() > p.budget {
			p.fold()
		}
	}
}
