package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Sums are what is compared of the keys of a pattern.
type Sums struct {
	Keys, Bytes, Elements     int64
	NoTTLKeys, NoTTLBytes     int64
	ExpiredKeys, ExpiredBytes int64
}

func (s *Sums) add(o *Sums) {
	s.Keys += o.Keys
	s.Bytes += o.Bytes
	s.Elements += o.Elements
	s.NoTTLKeys += o.NoTTLKeys
	s.NoTTLBytes += o.NoTTLBytes
	s.ExpiredKeys += o.ExpiredKeys
	s.ExpiredBytes += o.ExpiredBytes
}

// Side is the patterns of one moment, or of one way to hold the same keys: of
// dumps, where no literal has been folded for reading, or of a table that was
// saved, where some have.
type Side struct {
	o    *Options
	p    *Patterner
	t    *leaves // of dumps
	rows []sideRow
	full bool // the table was full, so that patterns were folded while it was made
}

// sideRow is a leaf of a table that was saved.
type sideRow struct {
	text  []byte // in marked form
	sums  Sums
	kinds []kindPart // encodings
}

// kindPart is how many bytes have an encoding.
type kindPart struct {
	name  string
	bytes int64
}

// Side is what Compare looks at. It shares the memory of p.
func (p *Patterns) Side() *Side {
	keys, _ := p.Folded()
	return &Side{o: p.o, p: p.p, t: p.t, full: keys > 0}
}

// SideOf makes a side of the table "patterns" of a saved report, which was
// made under these options.
func SideOf(o *Options, table *Table) (*Side, error) {
	p, err := NewPatterner(o)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int)
	for i, c := range table.Columns {
		at[c.Name] = i
	}
	for _, name := range []string{"pattern", "leaf", "keys", "bytes"} {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("its table of patterns has no column %s", name)
		}
	}
	s := &Side{o: o.normal(), p: p}
	for _, row := range table.Rows {
		of := func(name string) int64 {
			if i, ok := at[name]; ok {
				return row[i].I
			}
			return 0
		}
		if of("leaf") == 0 {
			continue
		}
		r := sideRow{text: p.parse(row[at["pattern"]].S), sums: Sums{
			of("keys"), of("bytes"), of("elements"), of("no_ttl_keys"), of("no_ttl_bytes"), of("expired_keys"), of("expired_bytes"),
		}}
		if i, ok := at["encodings"]; ok {
			r.kinds = unmix(row[i].S, r.sums.Bytes)
		}
		s.rows = append(s.rows, r)
	}
	return s, nil
}

// saved says whether literals were folded for reading.
func (s *Side) saved() bool { return s.t == nil }

func (s *Side) len() int {
	if s.saved() {
		return len(s.rows)
	}
	return int(s.t.count)
}

func (s *Side) text(i uint32) []byte {
	if s.saved() {
		return s.rows[i].text
	}
	return s.t.pattern(s.t.row(i))
}

// folded says whether a row may hold keys of other patterns.
func (s *Side) folded(i uint32) bool { return s.saved() || s.full && s.t.folded(s.t.row(i)) }

func (s *Side) sums(i uint32) Sums {
	if s.saved() {
		return s.rows[i].sums
	}
	l := s.t.row(i)
	if l.more == 0 {
		one := Sums{Keys: 1, Bytes: l.bytes, Elements: int64(l.elems)}
		switch l.life {
		case noTTL:
			one.NoTTLKeys, one.NoTTLBytes = 1, l.bytes
		case expired:
			one.ExpiredKeys, one.ExpiredBytes = 1, l.bytes
		}
		return one
	}
	m := s.t.more(l)
	return Sums{m.keys, m.bytes, m.elems, m.noTTLKeys, m.noTTLBytes, m.expiredKeys, m.expiredBytes}
}

// eachKind gives the encodings of a row by bytes.
func (s *Side) eachKind(i uint32, f func(name string, bytes int64)) {
	if s.saved() {
		for _, k := range s.rows[i].kinds {
			f(k.name, k.bytes)
		}
		return
	}
	l := s.t.row(i)
	if l.more == 0 {
		f(s.t.mods.encoding(l.kind), l.bytes)
		return
	}
	m := s.t.more(l)
	f(s.t.mods.encoding(m.kind.kind), m.kind.bytes)
	for _, k := range m.others() {
		f(s.t.mods.encoding(k.kind), k.bytes)
	}
}

// parse is the marked form of a printed pattern.
func (p *Patterner) parse(text string) []byte {
	s := make([]byte, 0, len(text))
	for _, b := range []byte(text) {
		if b < markEnd { // of a report that somebody changed: it would read as a mark
			s = appendHex(s, b)
		} else {
			s = append(s, b)
		}
	}
	if len(s) >= 4 && s[0] == '\\' && s[1] == 'x' && unhex(s[2]) < 16 && unhex(s[3]) < 16 {
		if b := unhex(s[2])<<4 | unhex(s[3]); isFormula(b) {
			s = append([]byte{b}, s[4:]...)
		}
	}
	var out []byte
	before := byte(0)
	for start := 0; ; {
		end, sep := p.cut(s, start)
		mark := before << markShift
		if isClassText(s[start:end]) {
			mark |= markClass
		}
		out = append(append(out, mark), s[start:end]...)
		if sep < 0 {
			return out
		}
		start = end + len(p.seps[sep].text)
		before = byte(sep + 1)
	}
}

// cut finds the next separator of a printed pattern, -1 if there is none.
func (p *Patterner) cut(s []byte, from int) (at, sep int) {
	for at = from; at < len(s); at++ {
		if n := classText(s[at:]); n > 0 {
			at += n - 1
			continue
		}
		for _, i := range p.order {
			if bytes.HasPrefix(s[at:], p.seps[i].text) {
				return at, i
			}
		}
	}
	return at, -1
}

// classText is the length of the class that a text begins with, 0 for none.
func classText(s []byte) int {
	if len(s) == 0 || s[0] != '{' {
		return 0
	}
	for c := literal + 1; c < numClasses; c++ {
		if name := c.text(); len(name) > 2 && len(s) >= len(name) && string(s[:len(name)]) == name {
			return len(name)
		}
	}
	return 0
}

// isClassText says whether a printed segment is a class or a wildcard.
func isClassText(s []byte) bool {
	return string(s) == "*" || len(s) > 0 && classText(s) == len(s) || len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>'
}

// canonical writes the marks of a pattern anew as parse makes them: what
// printing does not tell apart must be equal to be compared.
func canonical(dst, marked []byte) []byte {
	for i := 0; i < len(marked); {
		to := segmentEnd(marked, i)
		mark := marked[i] &^ markClass
		if isClassText(marked[i+1 : to]) {
			mark |= markClass
		}
		dst = append(append(dst, mark), marked[i+1:to]...)
		i = to
	}
	return dst
}

// unmix reads what mix prints.
func unmix(s string, bytes int64) []kindPart {
	if s == "" {
		return nil
	}
	var parts []kindPart
	for from := 0; from <= len(s); {
		to := from
		for to < len(s) && s[to] != ',' {
			to++
		}
		part := s[from:to]
		name, permille := part, int64(1000)
		if n := len(part); n > 0 && part[n-1] == '%' {
			at := n - 1
			for at > 0 && part[at-1] != ' ' {
				at--
			}
			permille = 0
			for _, c := range []byte(part[at : n-1]) {
				if c-'0' < 10 && permille < 10000 {
					permille = permille*10 + int64(c-'0')
				}
			}
			name = part[:max(at-1, 0)]
		}
		parts = append(parts, kindPart{name, int64(float64(bytes) * float64(permille) / 1000)})
		from = to + 1
	}
	return parts
}

// Comparison is the patterns of several sides next to one another, folded for
// reading by one rule.
type Comparison struct {
	Rows  []ComparedRow
	New   []Appeared // patterns without keys on the first side and with keys on the last, the largest first
	Gone  []Appeared
	Full  bool // the tables of a side were full: what single patterns hold is not exact
	notes []string

	NewCount, GoneCount int64 // of which New and Gone hold the largest
}

// ComparedRow is a row of the tree of patterns: a parent stands before its
// children, and these by size. The rows of Leaf sum up to the whole.
type ComparedRow struct {
	Pattern string
	Depth   int
	Leaf    bool
	Sums    []Sums // by side
	Owner   string
	// Encodings on the first and on the last side, as the table of patterns has them.
	Before, After string
}

// Appeared is a pattern that is there on one of two sides only.
type Appeared struct {
	Pattern string
	Owner   string
	Sums    Sums
}

// maxAppeared is how many new patterns, and how many that are gone, are named.
const maxAppeared = 200

// CompareSides sets the patterns of several sides side by side, folded for
// reading by one rule, so that a pattern keeps its name on all sides or on
// none: a literal child joins * if it has less than 0.1 % of all bytes on each
// side and is not among its parent's largest; and, where a side was folded
// before, if that side has it in * already.
func CompareSides(sides []*Side) (*Comparison, error) {
	if len(sides) < 2 || len(sides) > math.MaxUint16 {
		return nil, fmt.Errorf("%d sides to compare", len(sides))
	}
	anySaved, full := false, false
	for _, s := range sides {
		like := *sides[0].o
		like.Now, like.Top, like.Eviction = s.o.Now, s.o.Top, s.o.Eviction // which patterns do not depend on
		if err := like.same(s.o); err != nil {
			return nil, err
		}
		anySaved, full = anySaved || s.saved(), full || s.full
	}
	c := &comparer{p: sides[0].p, sides: sides, total: make([]int64, len(sides)), hides: anySaved || full}
	c.owners = c.p.ownersByPattern()
	for side, s := range sides {
		for i := range uint32(s.len()) {
			text := s.text(i)
			if anySaved && !s.saved() {
				text = canonical(nil, text)
			}
			c.refs = append(c.refs, comparedRef{text, uint16(side), i})
			c.total[side] += s.sums(i).Bytes
		}
	}
	slices.SortFunc(c.refs, func(a, b comparedRef) int {
		return cmp.Or(bytes.Compare(a.text, b.text), cmp.Compare(a.side, b.side), cmp.Compare(a.row, b.row))
	})
	out := &Comparison{}
	if len(c.refs) == 0 {
		return out, nil
	}
	whole := []comparedRun{{c.refs, 0}}
	c.appear([]byte{0}, whole, out)
	var all comparedNode
	c.sum(&all, c.refs)
	for _, c.keep = range []int{keepLargest, 10, 5, 2, 1, 0} {
		c.rows = nil
		if c.put(nil, 0, false, &all) && c.walk([]byte{0}, whole, 1) {
			break
		}
	}
	out.Rows = c.rows
	if c.keep < keepLargest {
		out.notes = append(out.notes, fmt.Sprintf("too many rows to read: %d instead of %d children of a node keep their names however small", c.keep, keepLargest))
	}
	if out.Full = full; full {
		out.notes = append(out.notes, "the tables of a side were full (--table-memory): some of its small patterns are in *, so that small changes of single patterns may be none; the sums are exact")
	}
	if c.hidden.Keys > 0 {
		out.notes = append(out.notes, fmt.Sprintf("%d patterns are counted in *, as one of the sides was folded before and may have them there; the largest is %s, %d keys, %d bytes",
			c.hiddenCount, c.hidden.Pattern, c.hidden.Keys, c.hidden.Bytes))
	}
	for _, list := range []*[]Appeared{&out.New, &out.Gone} {
		slices.SortFunc(*list, func(a, b Appeared) int {
			return cmp.Or(cmp.Compare(b.Sums.Bytes, a.Sums.Bytes), cmp.Compare(a.Pattern, b.Pattern))
		})
		*list = (*list)[:min(len(*list), maxAppeared)]
	}
	return out, nil
}

// Compare sets the patterns of two ways to hold the same keys side by side.
func Compare(before, after *Patterns) (Table, error) {
	c, err := CompareSides([]*Side{before.Side(), after.Side()})
	if err != nil {
		return Table{}, err
	}
	table := Table{Name: "changes", Title: "Change by key pattern", Notes: c.notes, Columns: []Column{
		{"pattern", Name, "key pattern; an inner node of the tree ends in its separator, the root is *"},
		{"depth", Count, "segments of the pattern; 0 for the root"},
		{"leaf", Flag, "1: keys of this very pattern; 0: sums of an inner node over the rows below it"},
		{"keys_before", Count, "keys before"},
		{"keys_after", Count, "keys after"},
		{"bytes_before", Bytes, "their bytes before"},
		{"bytes_after", Bytes, "their bytes after"},
		{"bytes_change", Bytes, "bytes after less bytes before"},
	}}
	for _, r := range c.Rows {
		b, a := r.Sums[0], r.Sums[1]
		table.Rows = append(table.Rows, []Cell{{S: r.Pattern}, {I: int64(r.Depth)}, flagCell(r.Leaf), {I: b.Keys}, {I: a.Keys}, {I: b.Bytes}, {I: a.Bytes}, {I: a.Bytes - b.Bytes}})
	}
	return table, nil
}

func flagCell(b bool) Cell {
	if b {
		return Cell{I: 1}
	}
	return Cell{}
}

// CompareTypes sets types and encodings side by side.
func CompareTypes(before, after *Set) Table {
	table := Table{Name: "type_changes", Title: "Change by type and encoding", Columns: []Column{
		{"type", Text, "type"},
		{"encoding", Text, "encoding"},
		{"keys_before", Count, "keys before"},
		{"keys_after", Count, "keys after"},
		{"bytes_before", Bytes, "their bytes before"},
		{"bytes_after", Bytes, "their bytes after"},
		{"bytes_change", Bytes, "bytes after less bytes before"},
	}}
	type id struct{ typ, enc string }
	type sum struct{ keys, bytes int64 }
	sums := make(map[id]*[2]sum)
	var order []id
	for side, set := range []*Set{before, after} {
		t := set.types.Tables(set.totals)[0]
		for _, row := range t.Rows {
			k := id{row[0].S, row[1].S}
			if sums[k] == nil {
				sums[k] = new([2]sum)
				order = append(order, k)
			}
			sums[k][side] = sum{row[2].I, row[3].I}
		}
	}
	slices.SortFunc(order, func(a, b id) int {
		x, y := sums[a], sums[b]
		return cmp.Or(cmp.Compare(max(y[0].bytes, y[1].bytes), max(x[0].bytes, x[1].bytes)), cmp.Compare(a.typ, b.typ), cmp.Compare(a.enc, b.enc))
	})
	for _, k := range order {
		v := sums[k]
		table.Rows = append(table.Rows, []Cell{{S: k.typ}, {S: k.enc}, {I: v[0].keys}, {I: v[1].keys}, {I: v[0].bytes}, {I: v[1].bytes}, {I: v[1].bytes - v[0].bytes}})
	}
	return table
}

// comparedRef is a row of a side.
type comparedRef struct {
	text []byte // pattern in marked form
	side uint16
	row  uint32
}

// comparedRun is sorted refs, with how much of their text is above.
type comparedRun struct {
	refs []comparedRef
	off  int
}

// comparedNode is a child: the runs of refs whose next segment it is.
type comparedNode struct {
	name    []byte
	sep     byte // index+1 of the separator behind it, 0: the pattern ends
	literal bool
	runs    []comparedRun
	sums    []Sums
	hides   []bool // by side: rows of it may hold keys of other patterns; nil: none

	// Where the first of runs and sums lie: there may be very many nodes of one run.
	run [1]comparedRun
	two [2]Sums
}

func (n *comparedNode) size() (most int64) {
	for i := range n.sums {
		most = max(most, n.sums[i].Bytes)
	}
	return most
}

func (n *comparedNode) isStar() bool { return !n.literal && string(n.name) == "*" }

type comparer struct {
	p      *Patterner
	sides  []*Side
	refs   []comparedRef
	total  []int64
	hides  bool // some side was folded before
	keep   int
	rows   []ComparedRow
	owners map[string]int

	hidden struct {
		Pattern     string
		Keys, Bytes int64
	}
	hiddenCount int64
}

func (c *comparer) newSums(n *comparedNode) []Sums {
	if len(c.sides) <= len(n.two) {
		return n.two[:len(c.sides)]
	}
	return make([]Sums, len(c.sides))
}

func (c *comparer) sum(n *comparedNode, refs []comparedRef) {
	if n.sums == nil {
		n.sums = c.newSums(n)
	}
	for i := range refs {
		r := &refs[i]
		s := c.sides[r.side].sums(r.row)
		n.sums[r.side].add(&s)
		if c.hides && c.sides[r.side].folded(r.row) {
			if n.hides == nil {
				n.hides = make([]bool, len(c.sides))
			}
			n.hides[r.side] = true
		}
	}
}

// printed is a pattern as tables show it.
func (c *comparer) printed(path []byte) string {
	var out []byte
	for i := 0; i < len(path); {
		to := segmentEnd(path, i)
		if i > 0 {
			out = append(out, c.p.seps[path[i]>>markShift-1].text...)
		}
		out = append(out, path[i+1:to]...)
		i = to
	}
	return string(escapeFormula(out, 0))
}

// put makes a row; it reports false if there are too many.
func (c *comparer) put(path []byte, depth int, leaf bool, n *comparedNode) bool {
	if len(c.rows) >= maxRows && c.keep > 0 {
		return false
	}
	row := ComparedRow{Pattern: "*", Depth: depth, Leaf: leaf, Sums: n.sums}
	if depth > 0 {
		row.Pattern = c.printed(path)
	}
	runs := n.runs
	if runs == nil {
		runs = []comparedRun{{refs: c.refs}}
	}
	row.Before, row.After = c.mixOf(runs, 0), c.mixOf(runs, len(c.sides)-1)
	row.Owner = c.ownerOf(runs)
	c.rows = append(c.rows, row)
	return true
}

// mixOf prints the encodings of a side's rows.
func (c *comparer) mixOf(runs []comparedRun, side int) string {
	var parts []kindPart
	for _, run := range runs {
		for i := range run.refs {
			if r := &run.refs[i]; int(r.side) == side {
				c.sides[side].eachKind(r.row, func(name string, bytes int64) {
					for k := range parts {
						if parts[k].name == name {
							parts[k].bytes += bytes
							return
						}
					}
					parts = append(parts, kindPart{name, bytes})
				})
			}
		}
	}
	return mixParts(parts)
}

// ownerOf is the one owner of all patterns of runs, nobody if there are several.
func (c *comparer) ownerOf(runs []comparedRun) string {
	if c.owners == nil {
		return ""
	}
	owner := -1
	for _, run := range runs {
		for i := range run.refs {
			r := &run.refs[i]
			of := 0
			if s := c.sides[r.side]; s.saved() || !s.t.folded(s.t.row(r.row)) {
				of = c.owners[string(c.sides[r.side].text(r.row))]
			}
			if owner >= 0 && owner != of {
				return ""
			}
			owner = of
		}
	}
	return c.p.owners[max(owner, 0)]
}

// walk puts the rows of the children of a node.
func (c *comparer) walk(path []byte, runs []comparedRun, depth int) bool {
	nodes := c.fold(c.hide(path, c.children(runs), false))
	for _, n := range nodes {
		below := c.below(path, n)
		if !c.put(below, depth, n.sep == 0, n) {
			return false
		}
		if n.sep != 0 && !c.walk(below, n.runs, depth+1) {
			return false
		}
	}
	return true
}

// below is the path of a child in marked form; that of an inner node ends in
// the mark of the segments under it.
func (c *comparer) below(path []byte, n *comparedNode) []byte {
	out := append(slices.Clone(path), n.name...)
	if n.sep != 0 {
		out = append(out, n.sep<<markShift)
	}
	return out
}

// appear finds patterns that are on the first side or on the last only, and
// counts what other sides hide.
func (c *comparer) appear(path []byte, runs []comparedRun, out *Comparison) {
	for _, n := range c.hide(path, c.children(runs), true) {
		below := c.below(path, n)
		if n.sep != 0 {
			c.appear(below, n.runs, out)
			continue
		}
		first, last := &n.sums[0], &n.sums[len(n.sums)-1]
		add := func(list *[]Appeared, count *int64, s *Sums) {
			*count++
			*list = append(*list, Appeared{c.printed(below), c.ownerOf(n.runs), *s})
			if len(*list) >= 8*maxAppeared {
				slices.SortFunc(*list, func(a, b Appeared) int {
					return cmp.Or(cmp.Compare(b.Sums.Bytes, a.Sums.Bytes), cmp.Compare(a.Pattern, b.Pattern))
				})
				*list = (*list)[:maxAppeared]
			}
		}
		switch {
		case first.Keys == 0 && last.Keys > 0:
			add(&out.New, &out.NewCount, last)
		case first.Keys > 0 && last.Keys == 0:
			add(&out.Gone, &out.GoneCount, first)
		}
	}
}

// children groups sorted runs by their next segment.
func (c *comparer) children(runs []comparedRun) []*comparedNode {
	type id struct {
		name string
		sep  byte
	}
	// In one run, equal names are neighbours, but for those of the user's own
	// patterns, which come after all literal ones.
	var index map[id]*comparedNode
	literals := 0
	if len(runs) > 1 {
		index = make(map[id]*comparedNode)
	}
	var nodes []*comparedNode
	sepAt := func(text []byte, end int) byte {
		if end < len(text) {
			return text[end] >> markShift
		}
		return 0
	}
	for _, run := range runs {
		for i := 0; i < len(run.refs); {
			text := run.refs[i].text
			end := segmentEnd(text, run.off)
			name, sep := text[run.off+1:end], sepAt(text, end)
			var n *comparedNode
			if index != nil {
				n = index[id{string(name), sep}]
			} else if text[run.off]&markClass == 0 {
				literals = len(nodes) + 1
			} else if at, ok := slices.BinarySearchFunc(nodes[:literals], id{"", sep}, func(n *comparedNode, _ id) int {
				return cmp.Or(bytes.Compare(n.name, name), cmp.Compare(n.sep, sep))
			}); ok {
				n = nodes[at]
			}
			if n == nil {
				n = &comparedNode{name: name, sep: sep, literal: true}
				n.runs = n.run[:0]
				if index != nil {
					index[id{string(name), sep}] = n
				}
				nodes = append(nodes, n)
			}
			n.literal = n.literal && text[run.off]&markClass == 0
			from := i
			for i++; i < len(run.refs); i++ {
				t := run.refs[i].text
				if len(t) < end || !bytes.Equal(t[run.off:end], text[run.off:end]) || segmentEnd(t, run.off) != end || sepAt(t, end) != sep {
					break
				}
			}
			c.sum(n, run.refs[from:i])
			n.runs = append(n.runs, comparedRun{run.refs[from:i], end})
		}
	}
	return nodes
}

func (c *comparer) join(to, n *comparedNode) {
	if to.sums == nil {
		to.sums = c.newSums(to)
	}
	for side := range n.sums {
		to.sums[side].add(&n.sums[side])
	}
	to.runs = append(to.runs, n.runs...)
}

// hide joins literal children to * where a side that was folded before may
// have them there: it has a * and not the child.
func (c *comparer) hide(path []byte, nodes []*comparedNode, count bool) []*comparedNode {
	if !c.hides {
		return nodes
	}
	stars := make(map[byte]*comparedNode)
	for _, n := range nodes {
		if n.isStar() && n.hides != nil {
			stars[n.sep] = n
		}
	}
	if len(stars) == 0 {
		return nodes
	}
	var out []*comparedNode
next:
	for _, n := range nodes {
		if s := stars[n.sep]; s != nil && n.literal {
			for side, hides := range s.hides {
				if hides && n.sums[side].Keys == 0 {
					if most := n.size(); count {
						c.hiddenCount++
						if keys := n.keys(); c.hidden.Keys == 0 || most > c.hidden.Bytes {
							c.hidden.Pattern, c.hidden.Keys, c.hidden.Bytes = c.printed(c.below(path, n)), keys, most
						}
					}
					c.join(s, n)
					continue next
				}
			}
		}
		out = append(out, n)
	}
	return out
}

func (n *comparedNode) keys() (most int64) {
	for i := range n.sums {
		most = max(most, n.sums[i].Keys)
	}
	return most
}

// fold joins small literal children to * and puts all in order.
func (c *comparer) fold(nodes []*comparedNode) []*comparedNode {
	order := func(a, b *comparedNode) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), bytes.Compare(a.name, b.name), cmp.Compare(a.sep, b.sep))
	}
	slices.SortFunc(nodes, order)
	if len(nodes) <= c.keep {
		return nodes
	}
	stars := make(map[byte]*comparedNode)
	var out []*comparedNode
	for _, n := range nodes {
		if n.isStar() {
			stars[n.sep] = n
			out = append(out, n)
		}
	}
	for i, n := range nodes {
		if n.isStar() {
			continue
		}
		small := true
		for side := range n.sums {
			small = small && (n.sums[side].Bytes*1000 < c.total[side] || n.sums[side].Bytes == 0)
		}
		if i < c.keep || !n.literal && c.keep > 0 || !small {
			out = append(out, n)
			continue
		}
		s := stars[n.sep]
		if s == nil {
			s = &comparedNode{name: star, sep: n.sep}
			stars[n.sep] = s
			out = append(out, s)
		}
		c.join(s, n)
	}
	slices.SortFunc(out, order)
	return out
}
