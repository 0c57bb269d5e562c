package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"

	"rdbaudit/estimate"
)

// Names is the analysis "names": by pattern, what names cost and what keys
// would take if they were named or cut otherwise. It looks at the keys of the
// sample only (Record.Audit.Config) and counts nothing of others.
type Names struct {
	o       *Options
	p       *Patterner
	rows    map[string]*namesRow // by pattern in marked form
	other   namesRow             // of what the cap has pushed out: keys, bytes and names alone
	free    []*namesRow          // rows to use again
	gate    *gate                // once rows were dropped
	buf     []byte
	printed []printed
	probes  map[*estimate.Config]*estimate.Probe
	// What the last key of a configuration found.
	config *estimate.Config
	probe  *estimate.Probe
	finder finder[namesRow]
}

// maxNamesRows bounds the patterns told apart; when there are more, the smaller
// half is dropped. A finding needs a pattern that holds a part of all bytes, of
// which there can be some hundreds, and none is hurt if keys seen early are
// missing from the sample. A row is about 250 bytes, and 400 more if all is found.
const maxNamesRows = 4096

// maxNamesShown is how many rows the table has.
const maxNamesShown = 1000

// cheaper sums keys that would be cheaper otherwise.
type cheaper struct {
	keys, before int64
	saves        spread
}

// add counts a key that stands for so many.
func (c *cheaper) add(r *estimate.Record, saves, times int64) {
	c.keys += times
	c.before += r.Alloc * times
	c.saves.addTimes(saves, times)
}

func (c *cheaper) merge(o *cheaper) {
	c.keys += o.keys
	c.before += o.before
	c.saves.merge(&o.saves)
}

// namesRow sums up the keys of a pattern, each as many times as looks says.
type namesRow struct {
	shape
	name               string // the pattern in marked form
	hash               uint32 // of name, if it came with keys
	looks              looks
	keys, bytes, names int64 // of the sample
	texts              int64 // strings that are no integers
	db                 uint64
	source             int32
	spreads            bool   // over several databases or dumps
	example            []byte // the first of the keys by name
	prefix             *cheaper
	numbers            *cheaper
	fields             *fieldSums
	tiny               *tinySums
}

// fieldSums are of hashes.
type fieldSums struct {
	cheaper
	count, bytes int64  // fields, and the bytes of their names
	mask         uint64 // Audit.FieldMask of all
}

// tinySums are of strings that could be fields of hashes that hold many.
type tinySums struct {
	cheaper            // saves: less what is left of each in a hash, without its field's name
	entries     spread // of the values in a packed hash
	pairs       spread // with the whole identifier as the field's name
	heads       int64  // what the hashes' keys would take, if each had its own
	least, most int64  // identifier
	odd         int64  // identifiers that are no plain numbers
	values      int64  // bytes of the values
}

// shape is what the form of a pattern says of its keys' names.
type shape struct {
	before, after int64 // bytes of literal text at the start and at the end
	single        bool  // one identifier lies between
}

// shapeOf reads a pattern in marked form.
func (p *Patterner) shapeOf(marked []byte) shape {
	var s shape
	vars := 0
	for i := 0; i < len(marked); {
		mark := marked[i]
		end := i + 1
		for end < len(marked) && marked[end] >= markEnd {
			end++
		}
		text := marked[i+1 : end]
		n := int64(0)
		if sep := int(mark >> markShift); sep > 0 {
			n = int64(len(p.seps[sep-1].raw))
		}
		// Escapes and tags within a literal: not the bytes of the name.
		if !bytes.ContainsAny(text, `{<*\`) {
			n += int64(len(text))
		} else {
			if vars++; vars == 1 {
				s.before += n
				n = 0
			}
			if string(text) == "*" || mark&markClass == 0 {
				vars += 2
			}
			if len(text) > 0 && text[0] != '{' && text[0] != '<' { // text around a <name>
				vars += 2
			}
		}
		if vars == 0 {
			s.before += n
		} else {
			s.after += n
		}
		i = end
	}
	s.single = vars == 1
	if vars == 0 {
		s.before = 0 // a single key
	}
	return s
}

// NewNames makes the analysis "names".
func NewNames(o *Options) *Names {
	o = o.normal()
	p, _ := NewPatterner(o)
	return &Names{o: o, p: p, rows: make(map[string]*namesRow), probes: make(map[*estimate.Config]*estimate.Probe)}
}

// Add counts one record.
func (a *Names) Add(r *estimate.Record) {
	if r.Audit == nil {
		return
	}
	a.buf, _ = a.p.walk(a.buf[:0], r.Key, true)
	a.add(r, uint32(hashSegment(a.buf)), a.buf)
}

// add counts a record whose pattern in marked form is known; hash is of the
// pattern, by whatever rule, always the same.
func (a *Names) add(r *estimate.Record, hash uint32, pattern []byte) {
	x := r.Audit
	if x == nil || x.Config == nil {
		return
	}
	row := a.row(r, hash, pattern)
	if row == nil {
		a.other.count(r)
		return
	}
	if x.Config != a.config {
		if a.config, a.probe = x.Config, a.probes[x.Config]; a.probe == nil {
			if len(a.probes) == maxProbes { // one for each dump that is being read
				clear(a.probes)
			}
			a.probe = estimate.NewProbe(x.Config)
			a.probes[x.Config] = a.probe
		}
	}
	probe, times := a.probe, int64(1)<<x.Thins
	row.count(r)
	row.offer(r.Key[:min(len(r.Key), maxExample)])
	row.spreads = row.spreads || row.db != r.DB || row.source != r.Source
	n := int64(len(r.Key))
	if row.before > shortPrefix {
		if row.prefix == nil {
			row.prefix = &cheaper{}
		}
		row.prefix.add(r, -probe.Renamed(r, n-row.before+shortPrefix), times)
	}
	switch r.Type {
	case estimate.String:
		if r.Encoding != estimate.Int {
			row.texts += times
		}
		if x.NumberSaves > 0 {
			if row.numbers == nil {
				row.numbers = &cheaper{}
			}
			row.numbers.add(r, int64(x.NumberSaves), times)
		}
		if row.single && row.before > 0 && r.Expiry == estimate.NoExpiry && r.Largest <= x.Config.Limits.HashValue && n-row.before-row.after <= x.Config.Limits.HashValue {
			if row.tiny == nil {
				row.tiny = &tinySums{least: math.MaxInt64}
			}
			row.tiny.add(r, probe, r.Key[row.before:n-row.after], times)
		}
	case estimate.Hash:
		if x.FieldMask != 0 {
			if row.fields == nil {
				row.fields = &fieldSums{}
			}
			f := row.fields
			f.cheaper.add(r, x.FieldSaves, times)
			f.count += r.Elems * times
			f.bytes += x.FieldBytes * times
			f.mask |= x.FieldMask
		}
	}
}

// row is that of a pattern, nil if it gets none.
func (a *Names) row(r *estimate.Record, hash uint32, pattern []byte) *namesRow {
	row := a.finder.last(hash)
	if row != nil && row.name == string(pattern) {
		return row
	}
	if row = nil; a.finder.may(hash) {
		row = a.rows[string(pattern)]
	}
	if row == nil {
		if a.gate != nil && a.gate.turnsAway(pattern) {
			return nil
		}
		if len(a.rows) == maxNamesRows {
			a.drop()
		}
		row = &namesRow{}
		if n := len(a.free); n > 0 {
			row, a.free = a.free[n-1], a.free[:n-1]
		}
		row.shape, row.db, row.source = a.p.shapeOf(pattern), r.DB, r.Source
		row.name, row.hash = string(pattern), hash
		a.rows[row.name] = row
	}
	a.finder.at(hash, row)
	return row
}

// maxProbes is how many are kept.
const maxProbes = 16

// drop makes room: the half of the rows with the fewest bytes goes.
func (a *Names) drop() {
	type named struct {
		name string
		row  *namesRow
	}
	list := make([]named, 0, len(a.rows))
	for name, row := range a.rows {
		list = append(list, named{name, row})
	}
	slices.SortFunc(list, func(x, y named) int {
		if x.row.bytes != y.row.bytes {
			return cmp.Compare(x.row.bytes, y.row.bytes)
		}
		return cmp.Compare(x.name, y.name)
	})
	if a.gate == nil {
		a.gate = &gate{}
	}
	for _, x := range list[:len(list)/2] {
		a.other.take(x.row)
		delete(a.rows, x.name)
		*x.row = namesRow{}
		if len(a.free) < maxNamesRows { // merging brings rows and uses none of these
			a.free = append(a.free, x.row)
		}
	}
	a.finder.reset()
	for _, x := range list[len(list)/2:] {
		a.finder.at(x.row.hash, x.row)
	}
}

// shortPrefix is what a prefix would be: a letter and a separator.
const shortPrefix = 2

func (row *namesRow) count(r *estimate.Record) {
	times := int64(1) << r.Audit.Thins
	row.looks.add(times)
	row.keys += times
	row.bytes += r.Alloc * times
	row.names += int64(len(r.Key)) * times
}

// take counts the keys of another row, and nothing that was found of them.
func (row *namesRow) take(o *namesRow) {
	row.looks.merge(&o.looks)
	row.keys += o.keys
	row.bytes += o.bytes
	row.names += o.names
}

// offer keeps the first key by name.
func (row *namesRow) offer(key []byte) {
	if row.example == nil {
		row.example = append(make([]byte, 0, len(key)), key...) // a key may have no name
	}
	if bytes.Compare(key, row.example) < 0 {
		row.example = append(row.example[:0], key...)
	}
}

// perBucket is how many strings a hash would hold: as many as two digits tell
// apart, which any limit worth keeping allows.
const perBucket = 100

func (t *tinySums) add(r *estimate.Record, probe *estimate.Probe, id []byte, times int64) {
	entry := int64(r.Audit.Entry)
	t.cheaper.add(r, r.Alloc-entry, times)
	t.entries.addTimes(entry, times)
	t.pairs.addTimes(entry+probe.Entry(id), times)
	t.values += r.Largest * times
	t.heads += probe.Hash(int64(len(r.Key))-min(2, int64(len(id))-1)) * times
	v, ok := plainNumber(id)
	if !ok {
		t.odd += times
		return
	}
	t.least, t.most = min(t.least, v), max(t.most, v)
}

// plainNumber reads digits without zeros in front.
func plainNumber(b []byte) (v int64, ok bool) {
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		} else {
			v = v*10 + int64(c)
		}
	}
	return v, true
}

func (row *namesRow) merge(o *namesRow) {
	row.take(o)
	row.texts += o.texts
	row.offer(o.example)
	row.spreads = row.spreads || o.spreads || row.db != o.db || row.source != o.source
	if o.prefix != nil {
		if row.prefix == nil {
			row.prefix = &cheaper{}
		}
		row.prefix.merge(o.prefix)
	}
	if o.numbers != nil {
		if row.numbers == nil {
			row.numbers = &cheaper{}
		}
		row.numbers.merge(o.numbers)
	}
	if f := o.fields; f != nil {
		if row.fields == nil {
			row.fields = &fieldSums{}
		}
		row.fields.cheaper.merge(&f.cheaper)
		row.fields.count += f.count
		row.fields.bytes += f.bytes
		row.fields.mask |= f.mask
	}
	if t := o.tiny; t != nil {
		if row.tiny == nil {
			row.tiny = &tinySums{least: math.MaxInt64}
		}
		row.tiny.merge(t)
	}
}

func (t *tinySums) merge(o *tinySums) {
	t.cheaper.merge(&o.cheaper)
	t.entries.merge(&o.entries)
	t.pairs.merge(&o.pairs)
	t.heads += o.heads
	t.least, t.most = min(t.least, o.least), max(t.most, o.most)
	t.odd += o.odd
	t.values += o.values
}

// renumber gives the dumps new numbers.
func (a *Names) renumber(to []int32) {
	for _, r := range a.rows {
		r.source = place(to, r.source)
	}
}

// Merge counts all that other has counted.
func (a *Names) Merge(other Analysis) error {
	o, ok := other.(*Names)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	a.finder.others()
	for name, from := range o.rows {
		if row := a.rows[name]; row != nil {
			row.merge(from)
		} else {
			a.rows[name] = from
		}
	}
	for len(a.rows) > maxNamesRows {
		a.drop()
	}
	a.other.take(&o.other)
	return nil
}

// each calls f with each row, by printed pattern. It is for when all has been
// added: the patterns are printed once.
func (a *Names) each(f func(pattern string, r *namesRow)) {
	if a.printed == nil {
		a.printed = make([]printed, 0, len(a.rows))
		for _, name := range slices.Sorted(maps.Keys(a.rows)) {
			a.buf = a.p.expand(a.buf[:0], []byte(name))
			a.printed = append(a.printed, printed{string(a.buf), a.rows[name]})
		}
	}
	for _, p := range a.printed {
		f(p.pattern, p.row)
	}
}

// printed is a row by its printed pattern.
type printed struct {
	pattern string
	row     *namesRow
}

// Tables renders the table "names": what names take, of the keys looked at.
func (a *Names) Tables(*Totals) []Table {
	table := Table{Name: "names", Title: "What names take, in the sample", Columns: []Column{
		{"pattern", Name, "key pattern"},
		{"keys", Count, "keys looked at"},
		{"bytes", Bytes, "their bytes"},
		{"name_bytes", Bytes, "bytes of their names"},
		{"prefix_bytes", Bytes, "bytes that the names start with, all the same"},
		{"prefix_saves", Bytes, "what a prefix of two bytes would save"},
		{"fields", Count, "fields of the hashes among them"},
		{"field_bytes", Bytes, "bytes of the fields' names"},
		{"field_saves", Bytes, "what names of two bytes would save"},
		{"field_names", Count, "different names of fields, about; empty if too many to tell"},
	}}
	a.each(func(pattern string, r *namesRow) {
		f := r.fields
		if f == nil {
			f = &fieldSums{}
		}
		kinds, few := f.kinds()
		saves := int64(0)
		if r.prefix != nil {
			saves = r.prefix.saves.sum
		}
		part := func(sum int64) Cell { return Cell{I: r.looks.part(sum, r.keys)} }
		table.Rows = append(table.Rows, []Cell{
			{S: pattern}, {I: r.looks.seen}, part(r.bytes), part(r.names), {I: r.before}, part(saves),
			part(f.count), part(f.bytes), part(f.saves.sum), {I: kinds, Null: !few},
		})
	})
	slices.SortStableFunc(table.Rows, func(x, y []Cell) int { return cmp.Or(cmp.Compare(y[3].I+y[7].I, x[3].I+x[7].I)) })
	if n := len(table.Rows) - maxNamesShown; n > 0 {
		table.Rows = table.Rows[:maxNamesShown]
		table.Notes = append(table.Notes, fmt.Sprintf("%d more patterns, whose names take less", n))
	}
	if n := a.other.looks.seen; n > 0 {
		table.Notes = append(table.Notes, fmt.Sprintf("more than %d patterns: the smallest were dropped, with %d of the keys looked at", maxNamesRows, n))
	}
	if len(table.Rows) == 0 {
		return nil
	}
	return []Table{table}
}

// kinds is about how many different names the fields have, and whether they
// are few: names at random would leave no bit unset.
func (f *fieldSums) kinds() (n int64, few bool) {
	set := bits.OnesCount64(f.mask)
	if set > 48 {
		return 0, false
	}
	return int64(math.Log1p(-float64(set)/64)/math.Log1p(-1./64) + 0.5), true
}

func (a *Names) code(c *coder) {
	names := slices.Sorted(maps.Keys(a.rows))
	eachOf(c, &names, maxNamesRows, func(name *string) {
		if c.marked(a.p, name); c.err != nil {
			return
		}
		row := a.rows[*name]
		if c.reads {
			if row != nil {
				c.fail("a pattern twice")
				return
			}
			row = &namesRow{name: *name, shape: a.p.shapeOf([]byte(*name))}
			a.rows[*name] = row
		}
		row.code(c)
	})
	c.sum(&a.other.keys, &a.other.bytes, &a.other.names)
	c.looks(&a.other.looks, a.other.keys)
	if c.reads {
		a.finder.others()
	}
}

func (row *namesRow) code(c *coder) {
	c.sum(&row.keys, &row.bytes, &row.names, &row.texts)
	c.looks(&row.looks, row.keys)
	c.place(&row.spreads, &row.db, &row.source)
	c.own(&row.example, maxExample)
	optional(c, &row.prefix, func(s *cheaper) { s.code(c) })
	optional(c, &row.numbers, func(s *cheaper) { s.code(c) })
	optional(c, &row.fields, func(f *fieldSums) {
		f.cheaper.code(c)
		c.sum(&f.count, &f.bytes)
		c.uint(&f.mask)
	})
	optional(c, &row.tiny, func(t *tinySums) {
		t.cheaper.code(c)
		c.spread(&t.entries)
		c.spread(&t.pairs)
		c.sum(&t.heads)
		c.big(&t.least)
		c.sum(&t.most, &t.odd, &t.values)
	})
}

func (s *cheaper) code(c *coder) {
	c.sum(&s.keys, &s.before)
	c.spread(&s.saves)
}
