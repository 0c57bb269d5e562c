package aggregate

import (
	"encoding/binary"
	"fmt"

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
}

// NewPatterns makes the analysis "patterns".
func NewPatterns(o *Options) *Patterns {
	o = o.normal()
	p, _ := NewPatterner(o) // Options.Check is the place for the error
	p.scratch = make([]byte, 0, 4096)
	return &Patterns{o: o, p: p, t: newLeaves(), budget: o.TableMemory / 4 * 3}
}

// Add counts one record.
func (p *Patterns) Add(r *estimate.Record) {
	p.it.fill(p.o, r)
	p.it.text, p.it.same = p.p.walk(p.it.text[:0], r.Key, true)
	p.add(&p.it)
}

func (p *Patterns) add(it *item) {
	p.t.add(p.p, it)
	if p.t.memory() > p.budget {
		p.fold()
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
		for i := range o.t.count {
			l := o.t.row(i)
			p.t.absorb(p.p, o.t, l, o.t.pattern(l), false)
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

// fold makes room: it brings the table down to half its budget, so that the
// cost of a sweep is spread over as many new patterns as it removed.
func (p *Patterns) fold() {
	goal := p.budget / 2
	for round := 0; round < 32 && p.t.memory() > goal; round++ {
		// A little more than the part that is too much, and more if that did not do.
		over := (p.t.memory() - goal) * 100 / p.t.memory()
		p.sweep(min(100, over+5+10*int64(round)))
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
	victims := make([]bool, t.count)

	// How many victims would share a pattern with a wildcard here or there.
	// Counters are found by a hash that may collide: that costs a worse choice
	// at times, and being free of any seed it is the same choice on every run.
	counts := make([]uint32, 1<<10)
	for len(counts) < 2*int(t.count) && len(counts) < 1<<22 {
		counts = make([]uint32, 2*len(counts))
	}
	mask := uint64(len(counts) - 1)
	var f folds
	for i := range t.count {
		l := t.row(i)
		if histBucket(l.bytes) > limit || spare && t.folded(l) {
			continue
		}
		if !literals {
			victims[i] = true
			continue
		}
		f.of(t.pattern(l))
		victims[i] = f.n > 0
		for k := range f.n {
			counts[f.one[k]&mask]++
			if f.rest[k] != f.one[k] {
				counts[f.rest[k]&mask]++
			}
		}
	}

	p.t = newLeaves()
	p.t.mods.names = t.mods.names
	var buf []byte
	for i := range t.count {
		l := t.row(i)
		text := t.pattern(l)
		switch {
		case !victims[i]:
			p.t.absorb(p.p, t, l, text, false)
		case !literals:
			p.t.absorb(p.p, t, l, []byte{markClass, '*'}, true)
		default:
			f.of(text)
			from, all := f.choose(counts)
			buf = appendFolded(buf[:0], text, from, all)
			p.t.absorb(p.p, t, l, buf, true)
		}
	}
}

// folds are the ways to fold a pattern: for each literal segment a hash of
// the pattern in which that one is *, and of that in which all literals from
// it on are.
type folds struct {
	n         int
	at        [maxDepth]int // of the segment's mark
	one, rest [maxDepth]uint64
}

// of hashes segments once: the hash of a pattern is a sum over its segments,
// so that folding one is a subtraction.
func (f *folds) of(marked []byte) {
	const prime = 0x9e3779b97f4a7c15
	f.n = 0
	var sum uint64
	var change [maxDepth]uint64
	weight := uint64(prime)
	for i := 0; i < len(marked); weight *= prime {
		to := segmentEnd(marked, i)
		h := hashSegment(marked[i:to]) * weight
		if marked[i]&markClass == 0 && f.n < maxDepth {
			f.at[f.n] = i
			change[f.n] = hashSegment([]byte{marked[i] | markClass, '*'})*weight - h
			f.n++
		}
		sum += h
		i = to
	}
	rest := sum
	for k := f.n - 1; k >= 0; k-- {
		rest += change[k]
		f.one[k], f.rest[k] = scramble(sum+change[k]), scramble(rest)
	}
}

func hashSegment(b []byte) uint64 {
	h := uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = scramble(h ^ binary.LittleEndian.Uint64(b))
	}
	var tail uint64
	for _, c := range b {
		tail = tail<<8 | uint64(c)
	}
	return scramble(h ^ tail)
}

func scramble(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// choose says which literal segment becomes *, or from which on all do. One
// is enough if that brings a group together: the deepest of those with at
// least half as many as the best, so sess_8fk2:data becomes *:data and
// cfg:payment:timeout becomes cfg:payment:*. Else it takes as few of the
// deepest as make a group, at worst all.
func (f *folds) choose(counts []uint32) (from int, all bool) {
	mask := uint64(len(counts) - 1)
	var best uint32
	var one [maxDepth]uint32
	for k := range f.n {
		one[k] = counts[f.one[k]&mask]
		best = max(best, one[k])
	}
	for k := f.n - 1; k >= 0; k-- {
		if best >= minGroup && one[k] >= (best+1)/2 {
			return f.at[k], false
		}
		if best < minGroup && counts[f.rest[k]&mask] >= minGroup {
			return f.at[k], true
		}
	}
	return f.at[0], true
}

func appendFolded(dst, marked []byte, from int, all bool) []byte {
	for i := 0; i < len(marked); {
		to := segmentEnd(marked, i)
		if i == from || all && i > from && marked[i]&markClass == 0 {
			dst = append(dst, marked[i]|markClass, '*')
		} else {
			dst = append(dst, marked[i:to]...)
		}
		i = to
	}
	return dst
}

// segmentEnd is where the segment whose mark is at i ends.
func segmentEnd(marked []byte, i int) int {
	for i++; i < len(marked) && marked[i] >= markEnd; i++ {
	}
	return i
}

func hasLiteral(marked []byte) bool {
	for _, b := range marked {
		if b < markEnd && b&markClass == 0 {
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
			"the tables were full (--table-memory %d bytes): the smallest patterns were folded into *, folded_keys %d, folded_bytes %d; sums are exact",
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
