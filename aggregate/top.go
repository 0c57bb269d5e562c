package aggregate

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"rdbaudit/estimate"
)

// Top is the analysis "largest": the largest keys of each type and overall.
type Top struct {
	o *Options
	p *Patterner
	// The largest overall are among the largest of each type, so only those
	// are kept: a heap per type, the smallest at its root.
	heaps [estimate.NumTypes][]topKey
	kept  []byte
}

// topKey is a record that outlives its reading.
type topKey struct {
	r       estimate.Record // Key is the kept form
	n       int64
	pattern []byte // printed
	owner   string
}

// NewTop makes the analysis "largest".
func NewTop(o *Options) *Top {
	o = o.normal()
	p, _ := NewPatterner(o)
	return &Top{o: o, p: p}
}

// Add counts one record.
func (t *Top) Add(r *estimate.Record) {
	var it item
	it.fill(t.o, r)
	t.add(&it)
}

func (t *Top) add(it *item) {
	typ := min(it.r.Type, estimate.NumTypes-1)
	h := t.heaps[typ]
	full := len(h) >= t.o.Top
	if full && (t.o.Top <= 0 || it.n < h[0].n) {
		return
	}
	key := it.r.Key
	if len(key) > maxKey {
		t.kept = appendKept(t.kept[:0], key)
		key = t.kept
	}
	var old topKey
	if full {
		if rank(it.n, it.r, key, &h[0]) >= 0 {
			return
		}
		old = h[0]
	}
	// What no order looks at is not kept: which of two keys alike is kept would show.
	r := it.r
	k := topKey{n: it.n, r: estimate.Record{
		DB: r.DB, Encoding: r.Encoding, Size: r.Size, Alloc: r.Alloc, Elems: r.Elems, Largest: r.Largest, Expiry: r.Expiry, Slot: r.Slot,
	}}
	k.pattern, k.owner = t.p.AppendOwned(old.pattern[:0], it.r.Key)
	k.r.Key = append(old.r.Key[:0], key...)
	k.r.Module = strings.Clone(it.r.Module)
	k.r.Type = typ
	t.push(typ, k)
}

// rank orders keys, the largest first; ties go on until nothing that is shown differs.
func rank(n int64, r *estimate.Record, kept []byte, b *topKey) int {
	if n != b.n {
		return cmp.Compare(b.n, n)
	}
	if r.DB != b.r.DB {
		return cmp.Compare(r.DB, b.r.DB)
	}
	if c := bytes.Compare(kept, b.r.Key); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(r.Type, b.r.Type), cmp.Compare(r.Module, b.r.Module),
		cmp.Compare(r.Encoding, b.r.Encoding), cmp.Compare(b.r.Size, r.Size), cmp.Compare(b.r.Alloc, r.Alloc),
		cmp.Compare(b.r.Elems, r.Elems), cmp.Compare(b.r.Largest, r.Largest), cmp.Compare(r.Expiry, b.r.Expiry),
		cmp.Compare(r.Slot, b.r.Slot))
}

func (k *topKey) compare(b *topKey) int { return rank(k.n, &k.r, k.r.Key, b) }

// push puts a key into its heap, in place of the root if that is full.
func (t *Top) push(typ estimate.Type, k topKey) {
	h := t.heaps[typ]
	if len(h) < t.o.Top {
		h = append(h, k)
		t.heaps[typ] = h
		for i := len(h) - 1; i > 0; {
			up := (i - 1) / 2
			if h[i].compare(&h[up]) <= 0 {
				break
			}
			h[i], h[up] = h[up], h[i]
			i = up
		}
		return
	}
	h[0] = k
	for i := 0; ; {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].compare(&h[last]) > 0 {
				last = child
			}
		}
		if last == i {
			return
		}
		h[i], h[last] = h[last], h[i]
		i = last
	}
}

// Merge counts all that other has counted.
func (t *Top) Merge(other Analysis) error {
	o, ok := other.(*Top)
	if !ok {
		return errType(t, other)
	}
	if err := t.o.same(o.o); err != nil {
		return err
	}
	for typ := range o.heaps {
		for _, k := range o.heaps[typ] {
			if h := t.heaps[typ]; len(h) < t.o.Top || k.compare(&h[0]) < 0 {
				t.push(estimate.Type(typ), k)
			}
		}
	}
	return nil
}

// Tables renders the table "largest": first overall, then type by type.
func (t *Top) Tables(*Totals) []Table {
	table := Table{Name: "largest", Title: "Largest keys", Columns: []Column{
		{"rank", Count, "1 is the largest of the scope"},
		{"scope", Text, "all, or the type among whose keys the rank holds"},
		{"database", Count, "number of the database"},
		{"type", Text, "type; module:NAME for values of modules"},
		{"key", Name, "name of the key; of more than 512 bytes its head and \\+N for N bytes more"},
		{"bytes", Bytes, "bytes by the measure of the report"},
		{"size_in_bytes", Bytes, "what MEMORY USAGE says"},
		{"allocated_bytes", Bytes, "what the allocator holds"},
		{"encoding", Text, "what OBJECT ENCODING says"},
		{"num_elements", Count, "members, fields, list elements, stream entries; 1 for a string"},
		{"len_largest_element", Bytes, "bytes of the longest value, member, field or entry"},
		{"expiry", Time, "when it expires; empty if never"},
		{"pattern", Name, "its pattern"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}}
	compare := func(a, b *topKey) int { return a.compare(b) }
	var all []*topKey
	var byType [estimate.NumTypes][]*topKey
	for typ := range t.heaps {
		for i := range t.heaps[typ] {
			byType[typ] = append(byType[typ], &t.heaps[typ][i])
		}
		slices.SortFunc(byType[typ], compare)
		all = append(all, byType[typ]...)
	}
	slices.SortFunc(all, compare)
	list := func(scope string, keys []*topKey) {
		for i, k := range keys {
			table.Rows = append(table.Rows, []Cell{
				{I: int64(i + 1)}, {S: scope}, dbCell(k.r.DB), {S: k.r.TypeName()}, {S: string(appendKeptText(nil, k.r.Key))},
				{I: k.n}, {I: k.r.Size}, {I: k.r.Alloc}, {S: k.r.Encoding.String()}, {I: k.r.Elems},
				{I: k.r.Largest, Null: k.r.Largest < 0}, {I: k.r.Expiry, Null: k.r.Expiry == estimate.NoExpiry}, {S: string(k.pattern)}, {S: k.owner},
			})
		}
	}
	list("all", all[:min(len(all), max(t.o.Top, 0))])
	for typ := range byType {
		list(estimate.Type(typ).String(), byType[typ])
	}
	return []Table{table}
}

func (t *Top) code(c *coder) {
	for typ := range t.heaps {
		list := t.heaps[typ]
		if !c.reads {
			list = slices.Clone(list)
			slices.SortFunc(list, func(a, b topKey) int { return a.compare(&b) })
		}
		eachOf(c, &list, max(t.o.Top, 0), func(k *topKey) {
			k.r.Type = estimate.Type(typ)
			t.codeKey(c, k)
		})
		if c.reads {
			for i := range list {
				t.push(estimate.Type(typ), list[i])
			}
		}
	}
}

func (t *Top) codeKey(c *coder, k *topKey) {
	r := &k.r
	c.own(&r.Key, maxKept)
	c.string(&r.Module, maxModuleName)
	c.uint(&r.DB)
	small(c, &r.Encoding, int64(estimate.NumEncodings))
	c.sum(&k.n, &r.Size, &r.Alloc, &r.Elems)
	c.int(&r.Largest)
	c.int(&r.Expiry)
	slot := r.Slot + 1
	small(c, &slot, maxSlot+2)
	r.Slot = slot - 1
	c.own(&k.pattern, maxPrinted)
	c.string(&k.owner, maxOwner)
}

// maxPrinted is longer than any printed pattern of 32 segments.
const maxPrinted = 1 << 16
