package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"rdbaudit/estimate"
)

// Audit is the analysis "audit": by pattern, what it would save to hold keys
// otherwise. It counts what Record.Audit says and nothing of other records.
type Audit struct {
	o      *Options
	p      *Patterner
	rows   map[string]*auditRow // by pattern in marked form
	other  auditRow             // of patterns beyond the cap
	buf    []byte
	finder finder[auditRow]
	sorted []namedRow // of rows and other, by pattern in marked form; nil: to be made
	// Once rows were dropped: the bytes above which a key gets a row at once,
	// the most that let one of them in; who gets one all the same; and rows to use again.
	floor int64
	gate  *gate
	free  []*auditRow
}

// namedRow is a row with its printed pattern.
type namedRow struct {
	pattern string
	row     *auditRow
}

// maxAuditRows bounds the patterns told apart; a row is about 450 bytes, and
// 1900 more if all that can be is found. When there are more, those with the
// least to say about them are counted together.
const maxAuditRows = 5000

// switched sums keys that would be held another way.
type switched struct {
	keys, before, after int64
	maxEntries, maxLen  int64 // what limits would have to allow
	overEntries         int64 // keys
	overValue           int64
	overIntset          int64
	maxInts             int64 // members of the largest set of integers
	saves               spread
	gain                int64 // of the example
	example             []byte
}

// auditTypes are the types of collections that can be packed.
const auditTypes = int(estimate.NumTypes)

type auditRow struct {
	pattern string     // in marked form
	hash    uint32     // of pattern, if it came with keys
	first   int64      // bytes of which something was found when it got its row; of no part
	late    bool       // others were dropped before it got its row: keys may be missing
	lost    []switched // by type: tables that limits keep from being packed; nil: none
	past    []switched // by type: tables that only their past keeps so; nil: none
	json    switched   // JSON objects among those looked at, as hashes
	packed  spread     // what they would save if limits let all of their hashes be packed
	allow   [2]int64   // fields and bytes that the limits would have to allow
	looked  int64      // string values looked at for JSON, each as many times as looks says
	looks   looks      // of them
	loose   int64      // JSON objects whose hash would be no packed one
	marks   *[numMarks]marked
	inner   *inner   // hashes whose fields may hold JSON, of the sample; nil: none
	large   *inner   // large ones, of all keys
	squeeze switched // string values that LZF made smaller; before and after are of the value alone
}

// inner sums hashes whose fields hold JSON objects.
type inner struct {
	switched
	looked  int64 // hashes looked at, each as many times as looks says
	looks   looks
	objects int64 // JSON objects
	apart   int64 // of them in hashes that are smaller with each in a hash of its own
	alloc   int64 // variance of what that takes
	db      uint64
	source  int32
	spreads bool // over several databases or dumps
}

func (in *inner) merge(o *inner) {
	in.switched.merge(&o.switched)
	in.looks.merge(&o.looks)
	in.looked += o.looked
	in.objects += o.objects
	in.apart += o.apart
	in.alloc = addSaturating(in.alloc, o.alloc)
	in.spreads = in.spreads || o.spreads || in.db != o.db || in.source != o.source
}

// ofType is the sum of a type; the list is made for the first of any.
func ofType(list *[]switched, t estimate.Type) *switched {
	if *list == nil {
		*list = make([]switched, auditTypes)
	}
	return &(*list)[t]
}

// NewAudit makes the analysis "audit".
func NewAudit(o *Options) *Audit {
	o = o.normal()
	p, _ := NewPatterner(o)
	return &Audit{o: o, p: p, rows: make(map[string]*auditRow)}
}

// Add counts one record.
func (a *Audit) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	if !audited(r.Audit) && it.left < farTTL && r.Slack <= 0 {
		return
	}
	a.buf, _ = a.p.walk(a.buf[:0], r.Key, true)
	it.text = a.buf
	a.addItem(&it)
}

// addItem counts a record whose pattern is known.
func (a *Audit) addItem(it *item) {
	far := it.left >= farTTL
	if !far && it.r.Slack <= 0 && !audited(it.r.Audit) {
		return
	}
	n := int64(0) // of what is found
	if far || it.r.Slack > 0 || found(it.r.Audit) {
		n = it.n
	}
	row := a.row(it.hash, it.text, n)
	if far {
		row.markTTL(it)
	}
	if it.r.Slack > 0 {
		row.markRoom(it.r)
	}
	if audited(it.r.Audit) {
		a.add(it.r, row)
	}
}

// audited says whether there is anything to count.
func audited(x *estimate.Audit) bool {
	return x != nil && (x.JSON != estimate.JSONUnseen || found(x))
}

// found says whether there is more to count than that somebody looked.
func found(x *estimate.Audit) bool {
	return x.Packed > 0 || x.Squeezed > 0 || x.JSON == estimate.JSONObject || x.Pieces > 0 || x.Unpacked > 0 || x.Stream != nil
}

// add counts in the row of its pattern what an audit says of a record.
func (a *Audit) add(r *estimate.Record, row *auditRow) {
	x := r.Audit
	row.mark(r, max(0, a.o.Measure(r)), a.o.Now)
	if x.Packed > 0 {
		list := &row.past
		if x.Over != 0 {
			list = &row.lost
		}
		s := ofType(list, r.Type)
		if x.Over != 0 {
			if x.Over&estimate.OverIntset != 0 {
				s.overIntset++
				s.maxInts = max(s.maxInts, r.Elems)
			} else {
				s.maxEntries, s.maxLen = max(s.maxEntries, r.Elems), max(s.maxLen, r.Largest)
			}
			if x.Over&estimate.OverEntries != 0 {
				s.overEntries++
			}
			if x.Over&estimate.OverValue != 0 {
				s.overValue++
			}
		}
		s.count(r, r.Alloc, x.Packed)
	}
	if x.JSON != estimate.JSONUnseen {
		row.seen(r)
	}
	if x.Squeezed > 0 {
		row.squeeze.count(r, r.Largest, x.Squeezed)
	}
}

// row is that of a pattern in marked form, of which something was found in n
// bytes; hash is of the pattern, by whatever rule, always the same.
func (a *Audit) row(hash uint32, pattern []byte, n int64) *auditRow {
	row := a.finder.last(hash)
	if row != nil && row.pattern == string(pattern) {
		return row
	}
	if row = nil; a.finder.may(hash) {
		row = a.rows[string(pattern)]
	}
	if row == nil {
		a.sorted = nil
		if a.gate != nil && n <= a.floor && a.gate.turnsAway(pattern) {
			return &a.other
		}
		if len(a.rows) >= maxAuditRows {
			a.shrink(maxAuditRows / 4)
		}
		row = &auditRow{}
		if n := len(a.free); n > 0 {
			row, a.free = a.free[n-1], a.free[:n-1]
		}
		row.pattern, row.hash, row.first, row.late = string(pattern), hash, n, a.dropped()
		a.rows[row.pattern] = row
	}
	a.finder.at(hash, row)
	return row
}

// shrink keeps the n rows that weigh most and counts the others together.
func (a *Audit) shrink(n int) {
	if len(a.rows) <= n {
		return
	}
	type weighed struct {
		row    *auditRow
		weight int64
	}
	list := make([]weighed, 0, len(a.rows))
	for _, row := range a.rows {
		list = append(list, weighed{row, row.weight()})
	}
	slices.SortFunc(list, func(x, y weighed) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.row.pattern, y.row.pattern))
	})
	if a.gate == nil {
		a.gate = &gate{}
	}
	for _, x := range list[n:] {
		delete(a.rows, x.row.pattern)
		a.other.merge(x.row)
		// In the unit that keys are held against it: what was found may be the
		// values alone.
		a.floor = max(a.floor, x.row.first)
		*x.row = auditRow{}
		if len(a.free) < maxAuditRows { // merging brings rows and uses none of these
			a.free = append(a.free, x.row)
		}
	}
	a.finder.reset()
	for _, x := range list[:n] {
		a.finder.at(x.row.hash, x.row)
	}
	a.sorted = nil
}

// weight is the bytes of what was found: a row of which nothing was is as good as none.
func (r *auditRow) weight() int64 {
	n := addSaturating(r.json.before, r.squeeze.before)
	for _, list := range [][]switched{r.lost, r.past} {
		for t := range list {
			n = addSaturating(n, list[t].before)
		}
	}
	if r.marks != nil {
		for i := range r.marks {
			n = addSaturating(n, r.marks[i].before)
		}
	}
	for _, in := range []*inner{r.inner, r.large} {
		if in != nil {
			n = addSaturating(n, in.before)
		}
	}
	return n
}

// seen counts a value that was looked into for JSON.
func (row *auditRow) seen(r *estimate.Record) {
	x := r.Audit
	times := int64(1) << x.JSONThins
	if r.Type == estimate.Hash {
		at := &row.inner
		if x.Large {
			at = &row.large
		}
		if *at == nil {
			*at = &inner{db: r.DB, source: r.Source}
		}
		in := *at
		in.looks.add(times)
		in.looked += times
		in.spreads = in.spreads || in.db != r.DB || in.source != r.Source
		if x.JSON == estimate.JSONObject {
			in.countTimes(r, r.Alloc, x.AsHash, times)
			in.objects += int64(x.Fields) * times
			if x.Apart {
				in.apart += int64(x.Fields) * times
			}
			in.alloc = addSaturating(in.alloc, x.AsHashVar)
		}
		return
	}
	row.looks.add(times)
	row.looked += times
	if x.JSON != estimate.JSONObject {
		return
	}
	row.json.countTimes(r, r.Alloc, x.AsHash, times)
	row.json.maxEntries = max(row.json.maxEntries, int64(x.Fields))
	best := x.AsHash
	if !x.AsHashPacked {
		row.loose += times
		if x.AsPacked > 0 {
			best = min(best, x.AsPacked)
			row.allow[0], row.allow[1] = max(row.allow[0], int64(x.Fields)), max(row.allow[1], int64(x.FieldLen))
		}
	}
	row.packed.addTimes(r.Alloc-best, times)
}

// maxExample bounds the name of an example.
const maxExample = 256

func (s *switched) count(r *estimate.Record, before, after int64) { s.countTimes(r, before, after, 1) }

// countTimes counts a key that stands for so many.
func (s *switched) countTimes(r *estimate.Record, before, after, times int64) {
	s.keys += times
	s.before += before * times
	s.after += after * times
	s.saves.addTimes(before-after, times)
	s.offer(before-after, r.Key[:min(len(r.Key), maxExample)])
}

// offer keeps the example with the largest gain, of equals the first by name.
func (s *switched) offer(gain int64, key []byte) {
	if s.example == nil {
		s.example = make([]byte, 0, len(key)) // a key may have no name
		s.gain = gain - 1
	}
	if gain > s.gain || gain == s.gain && bytes.Compare(key, s.example) < 0 {
		s.gain = gain
		s.example = append(s.example[:0], key...)
	}
}

func (s *switched) merge(o *switched) {
	if o.keys == 0 {
		return
	}
	s.keys += o.keys
	s.before += o.before
	s.after += o.after
	s.saves.merge(&o.saves)
	s.maxEntries, s.maxLen = max(s.maxEntries, o.maxEntries), max(s.maxLen, o.maxLen)
	s.overEntries += o.overEntries
	s.overValue += o.overValue
	s.overIntset += o.overIntset
	s.maxInts = max(s.maxInts, o.maxInts)
	s.offer(o.gain, o.example)
}

func (r *auditRow) merge(o *auditRow) {
	for t := range o.lost {
		ofType(&r.lost, estimate.Type(t)).merge(&o.lost[t])
	}
	for t := range o.past {
		ofType(&r.past, estimate.Type(t)).merge(&o.past[t])
	}
	r.json.merge(&o.json)
	r.packed.merge(&o.packed)
	for i, n := range o.allow {
		r.allow[i] = max(r.allow[i], n)
	}
	for _, p := range [][2]**inner{{&r.inner, &o.inner}, {&r.large, &o.large}} {
		switch mine, other := p[0], *p[1]; {
		case other == nil:
		case *mine == nil:
			*mine = other
		default:
			(*mine).merge(other)
		}
	}
	r.squeeze.merge(&o.squeeze)
	r.mergeMarks(o)
	r.looks.merge(&o.looks)
	r.looked += o.looked
	r.loose += o.loose
}

// Merge counts all that other has counted.
func (a *Audit) Merge(other Analysis) error {
	o, ok := other.(*Audit)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	a.sorted = nil
	a.finder.others()
	names := make([]string, 0, len(o.rows))
	for name := range o.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	if o.dropped() {
		for name, row := range a.rows {
			row.late = row.late || o.rows[name] == nil
		}
	}
	dropped := a.dropped()
	for _, name := range names {
		from := o.rows[name]
		if row := a.rows[name]; row != nil {
			row.merge(from)
			row.late = row.late || from.late
		} else {
			from.late = from.late || dropped
			a.rows[name] = from
		}
	}
	a.other.merge(&o.other)
	a.floor = max(a.floor, o.floor)
	if len(a.rows) > maxAuditRows {
		a.shrink(maxAuditRows / 4 * 3) // and not again for the very next part
	}
	return nil
}

// renumber gives the dumps new numbers.
func (a *Audit) renumber(to []int32) {
	rows := func(r *auditRow) {
		for _, in := range []*inner{r.inner, r.large} {
			if in != nil {
				in.source = place(to, in.source)
			}
		}
	}
	for _, r := range a.rows {
		rows(r)
	}
	rows(&a.other)
}

// each calls f with each row, by printed pattern.
func (a *Audit) each(f func(pattern string, r *auditRow)) {
	if a.sorted == nil {
		for name, row := range a.rows {
			a.sorted = append(a.sorted, namedRow{name, row})
		}
		slices.SortFunc(a.sorted, func(x, y namedRow) int { return cmp.Compare(x.pattern, y.pattern) })
		for i := range a.sorted {
			a.sorted[i].pattern = string(a.p.expand(nil, []byte(a.sorted[i].pattern)))
		}
		if a.other.keys() > 0 {
			a.sorted = append(a.sorted, namedRow{"*", &a.other})
		}
	}
	for i := range a.sorted {
		f(a.sorted[i].pattern, a.sorted[i].row)
	}
}

func (r *auditRow) keys() int64 {
	n := r.json.keys + r.squeeze.keys + r.looked
	if r.marks != nil {
		for i := range r.marks {
			n += r.marks[i].keys
		}
	}
	for _, in := range []*inner{r.inner, r.large} {
		if in != nil {
			n += in.looked
		}
	}
	for t := range r.lost {
		n += r.lost[t].keys
	}
	for t := range r.past {
		n += r.past[t].keys
	}
	return n
}

// dropped says whether keys were counted without a row of their own, here or in
// a part that was merged.
func (a *Audit) dropped() bool { return a.other.keys() > 0 }

// unsure says that any row may lack keys, if some do: parts of version 1 do not
// tell which.
func (a *Audit) unsure() {
	if a.dropped() {
		for _, row := range a.rows {
			row.late = true
		}
	}
}

// partial says in words what a full table lacks; empty if it lacks nothing.
func (a *Audit) partial() string {
	if !a.dropped() {
		return ""
	}
	return fmt.Sprintf("more than %d patterns have something to audit: those with the fewest bytes found are under *, and keys of others that came while these had no row; the sums are exact", maxAuditRows)
}

// Tables renders the table "audit": what each pattern would save.
func (a *Audit) Tables(*Totals) []Table {
	table := Table{Name: "audit", Title: "What other encodings would take", Columns: []Column{
		{"pattern", Name, "key pattern"},
		{"kind", Text, "packed: tables that a larger limit would pack; restart: tables that a restart packs; json: JSON strings as hashes, or JSON in hashes as fields, of those looked at; lzf: string values as LZF compresses them"},
		{"type", Text, "type of the keys"},
		{"keys", Count, "keys"},
		{"bytes", Bytes, "their bytes now; of lzf: of the values alone"},
		{"bytes_after", Bytes, "and then"},
		{"saves", Bytes, "bytes less"},
		{"max_entries", Count, "most elements of one"},
		{"max_length", Bytes, "longest element"},
		{"example", Name, "the key that saves most"},
		{"looked", Count, "keys looked at, of json; of the other kinds every key is"},
	}}
	row := func(pattern, kind, typ string, s *switched, keys, before, after int64, looked Cell) {
		table.Rows = append(table.Rows, []Cell{
			{S: pattern}, {S: kind}, {S: typ}, {I: keys}, {I: before}, {I: after}, {I: before - after},
			{I: max(s.maxEntries, s.maxInts)}, {I: s.maxLen}, {S: string(AppendEscaped(nil, s.example))}, looked,
		})
	}
	put := func(pattern, kind, typ string, s *switched) {
		if s.keys > 0 {
			row(pattern, kind, typ, s, s.keys, s.before, s.after, Cell{Null: true})
		}
	}
	putJSON := func(pattern, typ string, s *switched, l *looks, looked int64) {
		if s.keys > 0 {
			row(pattern, "json", typ, s, l.part(s.keys, looked), l.part(s.before, looked), l.part(s.after, looked), Cell{I: l.seen})
		}
	}
	a.each(func(pattern string, r *auditRow) {
		for t := range auditTypes {
			if r.lost != nil {
				put(pattern, "packed", estimate.Type(t).String(), &r.lost[t])
			}
			if r.past != nil {
				put(pattern, "restart", estimate.Type(t).String(), &r.past[t])
			}
		}
		putJSON(pattern, "string", &r.json, &r.looks, r.looked)
		for _, in := range []*inner{r.inner, r.large} {
			if in != nil {
				putJSON(pattern, "hash", &in.switched, &in.looks, in.looked)
			}
		}
		put(pattern, "lzf", "string", &r.squeeze)
	})
	slices.SortStableFunc(table.Rows, func(x, y []Cell) int { return cmp.Compare(y[6].I, x[6].I) })
	if say := a.partial(); say != "" {
		table.Notes = append(table.Notes, say)
	}
	if len(table.Rows) == 0 {
		return nil
	}
	return []Table{table}
}

func (a *Audit) code(c *coder) {
	names := slices.Sorted(maps.Keys(a.rows))
	eachOf(c, &names, 2*maxAuditRows, func(name *string) { // twice: as many as older parts may hold
		if c.marked(a.p, name); c.err != nil {
			return
		}
		row := a.rows[*name]
		if c.reads {
			if row != nil {
				c.fail("a pattern twice")
				return
			}
			row = &auditRow{pattern: *name}
			a.rows[*name] = row
		}
		row.code(c)
	})
	a.other.code(c)
	if c.reads {
		a.finder.others()
		a.sorted = nil
		a.shrink(maxAuditRows)
	}
}

func (r *auditRow) code(c *coder) {
	list := func(list *[]switched, there bool) {
		for t := range auditTypes {
			if there {
				ofType(list, estimate.Type(t)).code(c)
			}
		}
	}
	const hasLost, isLate = 1, 2
	flags := 0
	if r.lost != nil {
		flags |= hasLost
	}
	if r.late && c.version >= lateVersion {
		flags |= isLate
	}
	small(c, &flags, hasLost+isLate+1)
	r.late = flags&isLate != 0
	list(&r.lost, flags&hasLost != 0)
	there := r.past != nil
	c.bool(&there)
	list(&r.past, there)
	r.json.code(c)
	c.spread(&r.packed)
	c.sum(&r.allow[0], &r.allow[1], &r.looked, &r.loose)
	c.looks(&r.looks, r.looked)
	optional(c, &r.marks, func(list *[numMarks]marked) {
		for i := range list {
			list[i].code(c)
		}
	})
	for _, p := range []**inner{&r.inner, &r.large} {
		optional(c, p, func(in *inner) {
			in.switched.code(c)
			c.sum(&in.looked, &in.objects, &in.apart)
			c.looks(&in.looks, in.looked)
			c.big(&in.alloc)
			c.place(&in.spreads, &in.db, &in.source)
		})
	}
	r.squeeze.code(c)
}

func (s *switched) code(c *coder) {
	c.sum(&s.keys)
	if s.keys == 0 {
		return
	}
	c.int(&s.before)
	c.int(&s.after)
	c.sum(&s.maxEntries, &s.maxLen, &s.overEntries, &s.overValue, &s.overIntset, &s.maxInts)
	c.spread(&s.saves)
	c.int(&s.gain)
	c.own(&s.example, maxExample)
}

func (m *marked) code(c *coder) {
	c.sum(&m.keys)
	if m.keys == 0 {
		return
	}
	c.sum(&m.before)
	for _, p := range []*int64{&m.after, &m.least, &m.most} {
		c.int(p)
	}
	c.big(&m.count)
	c.sum(&m.more)
	c.own(&m.example, maxExample)
}
