package aggregate

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"

	"rdbaudit/estimate"
)

// Which keys grew most between two dumps is found without holding all keys.
// While the later dump is read, its largest keys are kept; while the earlier
// one is read, each of its keys is looked up among them. A key cannot have
// grown by more than its size, so what is not among the kept ones grew by no
// more than the largest key that was let go: below that, the list may miss
// keys, above it is exact. The same the other way round gives the keys that
// shrank most.
//
// The designs that lost: a table of sums by hash of all keys finds changes of
// small keys, but takes two passes over each dump and lets a key that grew
// hide one that shrank; keeping names by their first bytes needs the dumps to
// be in one order, which they are not.

// The largest keys that are kept of a dump by each worker, and the bytes of
// their names. What all workers together keep does not depend on who saw what:
// the keys larger than the largest that did not fit.
const (
	maxLarge      = 20_000
	maxLargeBytes = 4 << 20
)

// LargeKeys keeps the largest keys of a dump. It is for one goroutine; those
// of all workers together make [Large].
type LargeKeys struct {
	o      *Options
	seeds  *largeSeeds
	heap   []largeKey // the smallest at the root
	bytes  int        // of names
	beyond int64      // the largest size that was let go
}

// largeSeeds make the ids of keys: the same on all sides of one run.
type largeSeeds [2]maphash.Seed

type largeID [2]uint64

func (s *largeSeeds) id(db uint64, key []byte) largeID {
	var h [2]uint64
	for i, seed := range s {
		h[i] = maphash.Bytes(seed, key) ^ db*0x9e3779b97f4a7c15
	}
	return h
}

type largeKey struct {
	id       largeID
	n        int64
	db       uint64
	elems    int64
	name     []byte // kept form
	typ      string
	encoding estimate.Encoding
}

func (a *largeKey) less(b *largeKey) int {
	return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(b.db, a.db), slices.Compare(b.name, a.name))
}

// LargeSeeds makes what the sides of one comparison share.
func LargeSeeds() *largeSeeds { return &largeSeeds{maphash.MakeSeed(), maphash.MakeSeed()} }

// NewLargeKeys makes the collector of one worker.
func NewLargeKeys(o *Options, seeds *largeSeeds) *LargeKeys {
	return &LargeKeys{o: o.normal(), seeds: seeds}
}

// AddBatch looks at records; it keeps nothing of them but copies.
func (l *LargeKeys) AddBatch(records []estimate.Record) {
	for i := range records {
		r := &records[i]
		if n := l.o.Measure(r); n > l.beyond {
			l.add(r, n)
		}
	}
}

func (l *LargeKeys) add(r *estimate.Record, n int64) {
	k := largeKey{id: l.seeds.id(r.DB, r.Key), n: n, db: r.DB, elems: r.Elems, name: appendKept(nil, r.Key), typ: r.TypeName(), encoding: r.Encoding}
	l.heap = append(l.heap, k)
	l.bytes += len(k.name)
	for i := len(l.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if l.heap[i].less(&l.heap[up]) >= 0 {
			break
		}
		l.heap[i], l.heap[up] = l.heap[up], l.heap[i]
		i = up
	}
	for len(l.heap) > maxLarge || l.bytes > maxLargeBytes {
		l.pop()
	}
}

func (l *LargeKeys) pop() {
	l.beyond = max(l.beyond, l.heap[0].n)
	l.bytes -= len(l.heap[0].name)
	n := len(l.heap) - 1
	l.heap[0], l.heap[n] = l.heap[n], largeKey{}
	l.heap = l.heap[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return
		}
		if c+1 < n && l.heap[c+1].less(&l.heap[c]) < 0 {
			c++
		}
		if l.heap[i].less(&l.heap[c]) <= 0 {
			return
		}
		l.heap[i], l.heap[c] = l.heap[c], l.heap[i]
		i = c
	}
}

// Large is the largest keys of one side, and what the other side holds for
// them. Looking up may be done by several goroutines at once.
type Large struct {
	o      *Options
	seeds  *largeSeeds
	keys   []largeKey
	beyond int64
	filter []uint64 // a bit for some of the hash: most keys of the other side are none of these
	slots  []uint32 // open addressing: index+1 into keys
	other  []otherKey
}

type otherKey struct {
	n, elems, times atomic.Int64
	encoding        atomic.Int32
}

// NewLarge joins what the workers kept.
func NewLarge(parts []*LargeKeys) *Large {
	l := &Large{}
	for _, p := range parts {
		l.o, l.seeds = p.o, p.seeds
		l.beyond = max(l.beyond, p.beyond)
		l.keys = append(l.keys, p.heap...)
		p.heap = nil
	}
	slices.SortFunc(l.keys, func(a, b largeKey) int { return b.less(&a) })
	bytes := 0
	for i := range l.keys {
		if bytes += len(l.keys[i].name); i == maxLarge || bytes > maxLargeBytes {
			l.beyond = max(l.beyond, l.keys[i].n)
			break
		}
	}
	if i := slices.IndexFunc(l.keys, func(k largeKey) bool { return k.n <= l.beyond }); i >= 0 {
		l.keys = slices.Clone(l.keys[:i])
	}
	size := 64
	for size < 2*len(l.keys) {
		size *= 2
	}
	l.slots, l.filter = make([]uint32, size), make([]uint64, size/4) // 8 to 16 bits a key
	all := l.keys
	l.keys = all[:0]
	for _, k := range all {
		at := l.find(&k.id)
		if *at != 0 { // in several dumps of the side
			was := &l.keys[*at-1]
			was.n += k.n
			was.elems += k.elems
			continue
		}
		l.keys = append(l.keys, k)
		*at = uint32(len(l.keys))
		bit := k.id[0] >> 32 & uint64(64*len(l.filter)-1)
		l.filter[bit/64] |= 1 << (bit % 64)
	}
	l.other = make([]otherKey, len(l.keys))
	return l
}

// find is the place of a key: 0 in it if it is none of the largest.
func (l *Large) find(id *largeID) *uint32 {
	mask := uint64(len(l.slots) - 1)
	for i := id[0] & mask; ; i = (i + 1) & mask {
		if s := &l.slots[i]; *s == 0 || l.keys[*s-1].id == *id {
			return s
		}
	}
}

// Index gives the number of a key among the largest, -1 if it is none of them.
func (l *Large) Index(db uint64, key []byte) int {
	h := maphash.Bytes(l.seeds[0], key) ^ db*0x9e3779b97f4a7c15
	if bit := h >> 32 & uint64(64*len(l.filter)-1); l.filter[bit/64]&(1<<(bit%64)) == 0 {
		return -1
	}
	id := l.seeds.id(db, key)
	return int(*l.find(&id)) - 1
}

// LookUp notes what the other side holds for the largest keys.
func (l *Large) LookUp(records []estimate.Record) {
	for i := range records {
		r := &records[i]
		at := l.Index(r.DB, r.Key)
		if at < 0 {
			continue
		}
		o := &l.other[at]
		o.times.Add(1)
		o.n.Add(l.o.Measure(r))
		o.elems.Add(r.Elems)
		o.encoding.Store(int32(r.Encoding))
	}
}

// Len is how many keys there are.
func (l *Large) Len() int { return len(l.keys) }

// RiserColumns are those of the tables of keys that grew and shrank.
func riserColumns() []Column {
	return []Column{
		{"rank", Count, "1 is the key that changed most"},
		{"database", Count, "number of the database"},
		{"type", Text, "type"},
		{"key", Name, "the key; of more than 512 bytes its head and \\+N for N bytes more"},
		{"status", Text, "new, gone, grew or shrank"},
		{"bytes_before", Bytes, "its bytes at the first moment; 0 if it was not there"},
		{"bytes_after", Bytes, "its bytes at the last moment; 0 if it is not there"},
		{"bytes_change", Bytes, "bytes after less bytes before"},
		{"num_elements_before", Count, "entries of a stream, fields of a hash, 1 for a string; empty if it was not there"},
		{"num_elements_after", Count, "the same after; empty if it is not there"},
		{"encoding_before", Text, "its encoding before; empty if it was not there"},
		{"encoding_after", Text, "its encoding after; empty if it is not there"},
		{"pattern", Name, "its pattern"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}
}

// Risers are the keys that grew most, of the largest keys of the last moment
// that were looked up in the first; with shrank those that shrank most, of the
// largest of the first moment that were looked up in the last.
func (l *Large) Risers(shrank bool) Table {
	table := Table{Name: "risers", Title: "Keys that grew most", Columns: riserColumns()}
	if shrank {
		table.Name, table.Title = "fallers", "Keys that shrank most or went"
	}
	var order []int
	gain := func(i int) int64 { return l.keys[i].n - l.other[i].n.Load() }
	for i := range l.keys {
		if gain(i) > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &l.keys[a], &l.keys[b]
		return cmp.Or(cmp.Compare(gain(b), gain(a)), cmp.Compare(x.db, y.db), slices.Compare(x.name, y.name))
	})
	top := max(l.o.Top, 0)
	least := int64(0) // the change of the last row of a full list
	if len(order) >= top && top > 0 {
		least = gain(order[top-1])
	}
	p, _ := NewPatterner(l.o)
	for rank, i := range order[:min(len(order), top)] {
		k, o := &l.keys[i], &l.other[i]
		there := o.times.Load() > 0
		side := func(n int64) Cell { return Cell{I: n, Null: !there} }
		own := [3]Cell{{I: k.n}, {I: k.elems}, {S: k.encoding.String()}}
		other := [3]Cell{{I: o.n.Load()}, side(o.elems.Load()), {S: estimate.Encoding(o.encoding.Load()).String(), Null: !there}}
		if !there {
			other[2].S = ""
		}
		before, after, word := other, own, "grew"
		if shrank {
			before, after, word = own, other, "shrank"
		}
		if !there && shrank {
			word = "gone"
		} else if !there {
			word = "new"
		}
		pattern, owner := p.AppendOwned(nil, fullName(k.name))
		table.Rows = append(table.Rows, []Cell{
			{I: int64(rank + 1)}, dbCell(k.db), {S: k.typ}, {S: string(appendKeptText(nil, k.name))}, {S: word},
			before[0], after[0], {I: after[0].I - before[0].I}, before[1], after[1], before[2], after[2], {S: string(pattern)}, {S: owner},
		})
	}
	verb := "grew"
	if shrank {
		verb = "shrank"
	}
	switch bound := max(l.beyond, least); {
	case l.beyond == 0:
		table.Notes = append(table.Notes, "exact: every key was compared")
	case least >= l.beyond:
		table.Notes = append(table.Notes, fmt.Sprintf("exact: all %d keys of more than %d bytes were compared, and no smaller key can have changed more than the last row", len(l.keys), l.beyond))
	default:
		table.Notes = append(table.Notes, fmt.Sprintf("all %d keys of more than %d bytes were compared; a key that is not listed %s by at most %d bytes", len(l.keys), l.beyond, verb, bound))
	}
	return table
}

// fullName is what is left of a kept name for its pattern.
func fullName(kept []byte) []byte {
	if len(kept) > maxKey {
		return kept[:maxKey]
	}
	return kept
}
