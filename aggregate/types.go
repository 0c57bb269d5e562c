package aggregate

import (
	"cmp"
	"fmt"
	"slices"

	"rdbaudit/estimate"
)

// Types is the analysis "types": keys by type and encoding.
type Types struct {
	o    *Options
	mods modules
	rows []typeSums // by kind
}

type typeSums struct {
	keys, bytes, elems, max int64
	noTTLKeys, noTTLBytes   int64
	expected                int64
}

// NewTypes makes the analysis "types".
func NewTypes(o *Options) *Types { return &Types{o: o.normal(), rows: make([]typeSums, plainKinds)} }

// Add counts one record.
func (t *Types) Add(r *estimate.Record) {
	var it item
	it.fill(t.o, r)
	t.add(&it)
}

func (t *Types) add(it *item) { t.addAll([]item{*it}) }

// addAll counts items, those of one kind that lie together at a time.
func (t *Types) addAll(items []item) {
	for len(items) > 0 {
		k := t.mods.kind(items[0].r)
		var sum typeSums
		n := 0
		for ; n < len(items); n++ {
			it := &items[n]
			if n > 0 && t.mods.kind(it.r) != k {
				break
			}
			sum.bytes += it.n
			sum.elems += it.r.Elems
			sum.max = max(sum.max, it.n)
			if it.life == noTTL {
				sum.noTTLKeys++
				sum.noTTLBytes += it.n
			}
			if it.r.Flags&estimate.Chance != 0 {
				sum.expected += it.n
			}
		}
		items = items[n:]
		sum.keys = int64(n)
		t.at(k).merge(&sum)
	}
}

func (s *typeSums) merge(o *typeSums) {
	s.keys += o.keys
	s.bytes += o.bytes
	s.elems += o.elems
	s.max = max(s.max, o.max)
	s.noTTLKeys += o.noTTLKeys
	s.noTTLBytes += o.noTTLBytes
	s.expected += o.expected
}

func (t *Types) at(k kind) *typeSums {
	for int(k) >= len(t.rows) {
		t.rows = append(t.rows, make([]typeSums, estimate.NumEncodings)...)
	}
	return &t.rows[k]
}

// Merge counts all that other has counted.
func (t *Types) Merge(other Analysis) error {
	o, ok := other.(*Types)
	if !ok {
		return errType(t, other)
	}
	if err := t.o.same(o.o); err != nil {
		return err
	}
	for k := range o.rows {
		from := &o.rows[k]
		if from.keys == 0 {
			continue
		}
		t.at(t.mods.from(&o.mods, kind(k))).merge(from)
	}
	return nil
}

// Tables renders the table "types", the largest first.
func (t *Types) Tables(totals *Totals) []Table {
	table := Table{Name: "types", Title: "Types and encodings", Columns: []Column{
		{"type", Text, "type of the keys; module:NAME for values of modules"},
		{"encoding", Text, "what OBJECT ENCODING says"},
		{"keys", Count, "keys"},
		{"bytes", Bytes, "their bytes"},
		{"share", Share, "bytes as a share of all"},
		{"elements", Count, "members, fields, list elements, stream entries; 1 for a string"},
		{"avg_bytes", Bytes, "mean bytes of a key"},
		{"max_bytes", Bytes, "bytes of the largest key"},
		{"no_ttl_keys", Count, "keys without a TTL"},
		{"no_ttl_bytes", Bytes, "their bytes"},
		{"expected_bytes", Bytes, "part of bytes that rests on an expected value, because the server draws lots"},
	}}
	for k := range t.rows {
		s := &t.rows[k]
		if s.keys == 0 {
			continue
		}
		table.Rows = append(table.Rows, []Cell{
			{S: t.mods.typeName(kind(k))}, {S: t.mods.encoding(kind(k))}, {I: s.keys}, {I: s.bytes}, share(s.bytes, totals.Bytes),
			{I: s.elems}, {I: mean(s.bytes, s.keys)}, {I: s.max}, {I: s.noTTLKeys}, {I: s.noTTLBytes}, {I: s.expected},
		})
	}
	slices.SortFunc(table.Rows, func(a, b []Cell) int {
		return cmp.Or(cmp.Compare(b[3].I, a[3].I), cmp.Compare(a[0].S, b[0].S), cmp.Compare(a[1].S, b[1].S))
	})
	if slices.Contains(t.mods.names, otherModule) {
		table.Notes = append(table.Notes, fmt.Sprintf("more than %d module types: the rest is module:%s", maxModules, otherModule))
	}
	return []Table{table}
}

func (t *Types) code(c *coder) {
	sorted := c.modules(&t.mods)
	type row struct {
		kind kind
		sums typeSums
	}
	var list []row
	if !c.reads {
		for k := range t.rows {
			if t.rows[k].keys > 0 {
				list = append(list, row{t.mods.in(&sorted, kind(k)), t.rows[k]})
			}
		}
		slices.SortFunc(list, func(x, y row) int { return cmp.Compare(x.kind, y.kind) })
	}
	eachOf(c, &list, int(sorted.kinds()), func(r *row) {
		small(c, &r.kind, int64(sorted.kinds()))
		c.sum(&r.sums.keys, &r.sums.bytes, &r.sums.elems, &r.sums.max, &r.sums.noTTLKeys, &r.sums.noTTLBytes, &r.sums.expected)
	})
	if c.reads {
		for i := range list {
			*t.at(list[i].kind) = list[i].sums
		}
	}
}
