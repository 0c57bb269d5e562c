package aggregate

import (
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
	return &Patterns{o: o, p: p, t: newLeaves(), budget: o.TableMemory / 8 * 7}
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
	for round := 0; round < 32 && p.t.memory() > p.budget/2; round++ {
		p.sweep(min(100, []int64{50, 75, 90, 100}[min(round, 3)]))
	}
}

// sweep replaces one literal segment by * in the smallest patterns, percent
// of them by number. Of the literal segments of a pattern it takes the one
// whose wildcard would bring the most patterns together, of several the
// deepest: in sess_8fk2:data that is the first, in cfg:payment:timeout the last.
// Where nothing is literal any more, patterns are counted under a lone *.
func (p *Patterns) sweep(percent int64) {
	t := p.t
	var sizes Hist
	for i := range t.count {
		if l := t.row(i); hasLiteral(t.pattern(l)) {
			sizes.Add(l.bytes)
		}
	}
	literals := sizes.Len() > 0
	if !literals {
		for i := range t.count {
			sizes.Add(t.row(i).bytes)
		}
	}
	limit := histBucket(sizes.Percentile(percent))
	victim := func(l *leaf) bool {
		return histBucket(l.bytes) <= limit && (!literals || hasLiteral(t.pattern(l)))
	}

	// How many victims share a pattern but for one segment. Counters are
	// found by a hash that may collide: that costs a worse choice at times,
	// and being free of any seed it is the same choice on every run.
	counts := make([]uint32, 1<<10)
	for len(counts) < int(t.count) && len(counts) < 1<<22 {
		counts = make([]uint32, 2*len(counts))
	}
	mask := uint64(len(counts) - 1)
	if literals {
		for i := range t.count {
			if l := t.row(i); victim(l) {
				eachLiteral(t.pattern(l), func(_, _ int, h uint64) { counts[h&mask]++ })
			}
		}
	}

	p.t = newLeaves()
	p.t.mods.names = t.mods.names
	var buf []byte
	for i := range t.count {
		l := t.row(i)
		text := t.pattern(l)
		if !victim(l) {
			p.t.absorb(p.p, t, l, text, false)
			continue
		}
		if !literals {
			p.t.absorb(p.p, t, l, []byte{markClass, '*'}, true)
			continue
		}
		var from, to int
		var most uint32
		eachLiteral(text, func(i, j int, h uint64) {
			if n := counts[h&mask]; n >= most {
				from, to, most = i, j, n
			}
		})
		buf = append(buf[:0], text[:from]...)
		buf = append(buf, text[from]|markClass, '*')
		buf = append(buf, text[to:]...)
		p.t.absorb(p.p, t, l, buf, true)
	}
}

func hasLiteral(marked []byte) bool {
	for _, b := range marked {
		if b < markEnd && b&markClass == 0 {
			return true
		}
	}
	return false
}

// eachLiteral calls f for each literal segment, mark included, with a hash of
// all that is around it.
func eachLiteral(marked []byte, f func(from, to int, around uint64)) {
	const prime = 1099511628211
	h := uint64(14695981039346656037) // FNV-1a of what is before i
	for i := 0; i < len(marked); {
		to := i + 1
		for to < len(marked) && marked[to] >= markEnd {
			to++
		}
		if marked[i]&markClass == 0 {
			around := (h ^ uint64(marked[i]|markClass)) * prime
			for _, b := range marked[to:] {
				around = (around ^ uint64(b)) * prime
			}
			f(i, to, around^around>>32)
		}
		for _, b := range marked[i:to] {
			h = (h ^ uint64(b)) * prime
		}
		i = to
	}
}

// Tables renders the table "patterns". The argument is ignored.
func (p *Patterns) Tables(*Totals) []Table {
	table := Table{Name: "patterns", Title: "Memory by key pattern", Columns: patternColumns()}
	table.Rows, table.Notes = p.render()
	if keys, bytes := p.Folded(); keys > 0 {
		table.Notes = append(table.Notes, fmt.Sprintf(
			"the tables were full (--table-memory %d bytes): the smallest patterns were folded into *, folded_keys %d, folded_bytes %d; sums are exact",
			p.o.TableMemory, keys, bytes))
	}
	return []Table{table}
}

func patternColumns() []Column {
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
