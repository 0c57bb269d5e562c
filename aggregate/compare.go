package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Compare sets the patterns of two moments, or of two ways to hold the same
// keys, side by side. Both are folded for reading by one rule, so that a
// pattern keeps its name in both or in neither: a literal child joins * if it
// has less than 0.1 % of all bytes on both sides and is not among its
// parent's largest.
func Compare(before, after *Patterns) (Table, error) {
	sameBut := *before.o
	sameBut.Now = after.o.Now // two moments differ in that
	if err := sameBut.same(after.o); err != nil {
		return Table{}, err
	}
	c := &comparer{p: before.p}
	index := make(map[string]int)
	for side, p := range []*Patterns{before, after} {
		for i := range p.t.count {
			l := p.t.row(i)
			text := p.t.pattern(l)
			at, ok := index[string(text)]
			if !ok {
				at = len(c.leaves)
				index[string(text)] = at
				c.leaves = append(c.leaves, compared{text: text})
			}
			v := &c.leaves[at].sides[side]
			v.keys += p.t.keys(l)
			v.bytes += l.bytes
			c.total[side] += l.bytes
		}
	}
	slices.SortFunc(c.leaves, func(a, b compared) int { return bytes.Compare(a.text, b.text) })
	table := Table{Name: "changes", Title: "Change by key pattern", Columns: compareColumns()}
	var all comparedNode
	for i := range c.leaves {
		all.add(&c.leaves[i])
	}
	if len(c.leaves) > 0 {
		c.put("*", 0, false, &all)
		c.walk(nil, []comparedLeaf{{c.leaves, 0}}, 1)
	}
	table.Rows = c.rows
	if c.cut > 0 {
		table.Notes = append(table.Notes, fmt.Sprintf("%d rows of small changes were left out", c.cut))
	}
	return table, nil
}

func compareColumns() []Column {
	return []Column{
		{"pattern", Name, "key pattern; an inner node of the tree ends in its separator, the root is *"},
		{"depth", Count, "segments of the pattern; 0 for the root"},
		{"leaf", Flag, "1: keys of this very pattern; 0: sums of an inner node over the rows below it"},
		{"keys_before", Count, "keys before"},
		{"keys_after", Count, "keys after"},
		{"bytes_before", Bytes, "their bytes before"},
		{"bytes_after", Bytes, "their bytes after"},
		{"bytes_change", Bytes, "bytes after less bytes before"},
	}
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
	sums := make(map[id]*[2]comparedSum)
	var order []id
	for side, set := range []*Set{before, after} {
		t := set.types.Tables(set.totals)[0]
		for _, row := range t.Rows {
			k := id{row[0].S, row[1].S}
			if sums[k] == nil {
				sums[k] = new([2]comparedSum)
				order = append(order, k)
			}
			sums[k][side] = comparedSum{row[2].I, row[3].I}
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

// keys is how many keys a leaf counts.
func (t *leaves) keys(l *leaf) int64 {
	if l.more == 0 {
		return 1
	}
	return t.more(l).keys
}

type comparedSum struct{ keys, bytes int64 }

// compared is a pattern with its sums on both sides.
type compared struct {
	text  []byte
	sides [2]comparedSum
}

// comparedLeaf is a run of leaves with how much of their text is above.
type comparedLeaf struct {
	leaves []compared
	off    int
}

// comparedNode is a child: the runs of leaves whose next segment it is.
type comparedNode struct {
	name    []byte
	sep     byte // index+1 of the separator behind it, 0: the pattern ends
	literal bool
	runs    []comparedLeaf
	sides   [2]comparedSum
}

func (n *comparedNode) add(l *compared) {
	for i := range n.sides {
		n.sides[i].keys += l.sides[i].keys
		n.sides[i].bytes += l.sides[i].bytes
	}
}

func (n *comparedNode) change() int64 { return n.sides[1].bytes - n.sides[0].bytes }
func (n *comparedNode) size() int64   { return max(n.sides[0].bytes, n.sides[1].bytes) }

type comparer struct {
	p      *Patterner
	leaves []compared
	total  [2]int64
	rows   [][]Cell
	cut    int64
}

func (c *comparer) put(pattern string, depth int, leaf bool, n *comparedNode) {
	cells := make([]Cell, 8)
	cells[0].S = pattern
	cells[1].I = int64(depth)
	if leaf {
		cells[2].I = 1
	}
	cells[3].I, cells[4].I = n.sides[0].keys, n.sides[1].keys
	cells[5].I, cells[6].I = n.sides[0].bytes, n.sides[1].bytes
	cells[7].I = n.change()
	c.rows = append(c.rows, cells)
}

// walk puts the rows of the children of a node.
func (c *comparer) walk(path []byte, runs []comparedLeaf, depth int) {
	nodes := c.children(runs)
	nodes = c.fold(nodes)
	slices.SortFunc(nodes, func(a, b *comparedNode) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), bytes.Compare(a.name, b.name), cmp.Compare(a.sep, b.sep))
	})
	for _, n := range nodes {
		text := append(slices.Clone(path), n.name...)
		if n.sep == 0 {
			if len(c.rows) >= maxRows {
				c.cut++
				continue
			}
			c.put(string(escapeFormula(slices.Clone(text), 0)), depth, true, n)
			continue
		}
		text = append(text, c.p.seps[n.sep-1].text...)
		if len(c.rows) >= maxRows {
			c.cut++
			continue
		}
		c.put(string(escapeFormula(slices.Clone(text), 0)), depth, false, n)
		c.walk(text, n.runs, depth+1)
	}
}

// children groups sorted runs of leaves by their next segment.
func (c *comparer) children(runs []comparedLeaf) []*comparedNode {
	type id struct {
		name string
		sep  byte
	}
	index := make(map[id]*comparedNode)
	var nodes []*comparedNode
	for _, run := range runs {
		for i := 0; i < len(run.leaves); {
			text := run.leaves[i].text
			end := segmentEnd(text, run.off)
			sep := byte(0)
			if end < len(text) {
				sep = text[end] >> markShift
			}
			key := id{string(text[run.off+1 : end]), sep}
			n := index[key]
			if n == nil {
				n = &comparedNode{name: text[run.off+1 : end], sep: sep, literal: true}
				index[key] = n
				nodes = append(nodes, n)
			}
			n.literal = n.literal && text[run.off]&markClass == 0
			from := i
			for ; i < len(run.leaves); i++ {
				t := run.leaves[i].text
				if len(t) < end || !bytes.Equal(t[run.off:end], text[run.off:end]) || segmentEnd(t, run.off) != end {
					break
				}
				s := byte(0)
				if end < len(t) {
					s = t[end] >> markShift
				}
				if s != sep {
					break
				}
				n.add(&run.leaves[i])
			}
			n.runs = append(n.runs, comparedLeaf{run.leaves[from:i], end})
		}
	}
	return nodes
}

// fold joins small literal children to *.
func (c *comparer) fold(nodes []*comparedNode) []*comparedNode {
	if len(nodes) <= keepLargest {
		return nodes
	}
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b *comparedNode) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), bytes.Compare(a.name, b.name), cmp.Compare(a.sep, b.sep))
	})
	stars := make(map[byte]*comparedNode)
	var out []*comparedNode
	for _, n := range sorted {
		if !n.literal && string(n.name) == "*" {
			stars[n.sep] = n
			out = append(out, n)
		}
	}
	for i, n := range sorted {
		if !n.literal && string(n.name) == "*" {
			continue
		}
		small := n.sides[0].bytes*1000 < c.total[0] && n.sides[1].bytes*1000 < c.total[1]
		if i < keepLargest || !n.literal || !small {
			out = append(out, n)
			continue
		}
		s := stars[n.sep]
		if s == nil {
			s = &comparedNode{name: star, sep: n.sep}
			stars[n.sep] = s
			out = append(out, s)
		}
		for side := range s.sides {
			s.sides[side].keys += n.sides[side].keys
			s.sides[side].bytes += n.sides[side].bytes
		}
		s.runs = append(s.runs, n.runs...)
	}
	return out
}
