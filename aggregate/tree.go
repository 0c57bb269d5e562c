package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
)

// keepLargest is how many children of a node keep their names however small
// they are; maxRows bounds the rendered table, which tables of very many
// patterns with large families at each level would exceed.
const (
	keepLargest = 20
	maxRows     = 20_000
)

// render makes the tree: each node's children by bytes, the largest first.
func (p *Patterns) render() (rows [][]Cell, notes []string) {
	n := int(p.t.count)
	if n == 0 {
		return nil, nil
	}
	var total int64
	for i := range p.t.count {
		total += p.t.row(i).bytes
	}
	r := &renderer{p: p.p, t: p.t, total: total, owners: p.p.ownersByPattern(), ids: make([]uint32, n), tmp: make([]uint32, n), gid: make([]uint32, n),
		off: make([]uint16, n), tmpOff: make([]uint16, n)}
	for _, r.keep = range []int{keepLargest, 10, 5, 2, 1, 0} {
		r.rows, r.path = nil, r.path[:0]
		for i := range r.ids {
			r.ids[i], r.off[i] = uint32(i), 0
		}
		var a acc
		if r.put(0, false, &a, func() bool { return r.node(0, n, 1, &a, r.p.first == nil) }) {
			break
		}
	}
	if r.keep < keepLargest {
		notes = append(notes, fmt.Sprintf("too many rows to read: %d instead of %d children of a node keep their names however small", r.keep, keepLargest))
	}
	return r.rows, notes
}

type renderer struct {
	p     *Patterner
	t     *leaves
	total int64
	keep  int
	path  []byte // printed
	rows  [][]Cell

	// Leaves in the order of the tree so far, and how much of each one's
	// pattern is above the node at hand. A node permutes its own range only.
	ids, tmp, gid []uint32
	off, tmpOff   []uint16
	slots         []uint32
	names         [2][]byte
	list          []group  // of groups, until joined
	into          []uint32 // of joined, until the leaves are in order
	warmed        uint64
	owners        map[string]int // by pattern in marked form; nil if nobody owns anything
}

// acc is what adds up below a node.
type acc struct {
	stats
	top   *leaf // with the largest key
	owner int   // index+1 of the one owner of all; 1: nobody, or not one alone; 0: nothing is below yet
}

// own says who owns what is added.
func (a *acc) own(owner int) {
	if a.owner == 0 {
		a.owner = owner
	} else if a.owner != owner {
		a.owner = 1
	}
}

// group is a child of a node: patterns with the same next segment and the
// same separator behind it.
type group struct {
	id      uint32 // of a leaf in it
	off     uint16 // of the segment in that leaf's pattern
	len     uint16
	sep     uint8 // index+1 of the separator; 0: the pattern ends here
	literal bool
	n       uint32
	bytes   int64
}

// starID marks a group that is * by folding only.
const starID = math.MaxUint32

func (r *renderer) name(g *group) []byte {
	if g.id == starID {
		return star
	}
	return r.t.pattern(r.t.row(g.id))[g.off:][:g.len]
}

var star = []byte("*")

// before orders groups: the largest first, then by name.
func (r *renderer) before(a, b *group) int {
	if c := cmp.Compare(b.bytes, a.bytes); c != 0 {
		return c
	}
	return cmp.Or(bytes.Compare(r.name(a), r.name(b)), cmp.Compare(a.sep, b.sep))
}

// groups finds the children of a node and notes in gid which leaf is in which.
// The list holds until the next call. Apart says that no two patterns that end
// here do so in the same text.
func (r *renderer) groups(lo, hi int, apart bool) (list []group) {
	size := 16
	for size < 2*(hi-lo) {
		size *= 2
	}
	if len(r.slots) < size {
		r.slots = make([]uint32, size)
	}
	slots := r.slots[:size]
	clear(slots)
	list = r.list[:0]
	if apart { // a family of patterns that come once has as many groups
		list = slices.Grow(list, hi-lo)
	}
	defer func() { r.list = list[:0] }()
	last := -1
	var texts [ahead][]byte
	for i := lo; i < hi; i++ {
		if (i-lo)%ahead == 0 {
			some := r.ids[i:min(i+ahead, hi)]
			for k, id := range some {
				texts[k] = r.t.pattern(r.t.row(id))
			}
			for k := range some {
				r.warmed += uint64(texts[k][r.off[i+k]])
			}
		}
		l := r.t.row(r.ids[i])
		text := texts[(i-lo)%ahead]
		g := group{id: r.ids[i], off: r.off[i] + 1, literal: text[r.off[i]]&markClass == 0}
		end := segmentEnd(text, int(g.off)-1)
		if end < len(text) {
			g.sep = text[end] >> markShift
		}
		g.len = uint16(end) - g.off
		name := text[g.off:end]
		r.off[i] = uint16(end)
		if g.sep == 0 && apart {
			g.n, g.bytes = 1, l.bytes
			r.gid[i] = uint32(len(list))
			list = append(list, g)
			continue
		}
		last = r.groupOf(slots, &list, &g, name, last)
		at := &list[last]
		at.n++
		at.bytes += l.bytes
		at.literal = at.literal && g.literal
		r.gid[i] = uint32(last)
	}
	return list
}

// groupOf finds the index of the group that g belongs to, or makes it one.
// Last is that of the leaf before, -1 if there is none.
func (r *renderer) groupOf(slots []uint32, list *[]group, g *group, name []byte, last int) int {
	is := func(i int) bool {
		at := &(*list)[i]
		return at.sep == g.sep && bytes.Equal(r.name(at), name)
	}
	if last >= 0 && is(last) {
		return last
	}
	for h := maphash.Bytes(r.t.seed, name) + uint64(g.sep); ; h++ {
		s := &slots[h&uint64(len(slots)-1)]
		if *s == 0 {
			*list = append(*list, *g)
			*s = uint32(len(*list))
			return len(*list) - 1
		}
		if i := int(*s - 1); is(i) {
			return i
		}
	}
}

// joined folds for reading: a literal child with less than 0.1 % of all bytes
// that is not among its parent's largest joins *. It says for each group
// which of the resulting ones it is in, until the next call. With keep 0, the last resort, any
// child that small joins.
func (r *renderer) joined(list []group) (out []group, into []uint32) {
	if cap(r.into) < len(list) {
		r.into = make([]uint32, len(list))
	}
	into = r.into[:len(list)]
	var largest []*group // sorted
	if len(list) > r.keep {
		for i := range list {
			g := &list[i]
			at := len(largest)
			for at > 0 && r.before(g, largest[at-1]) < 0 {
				at--
			}
			if at < r.keep {
				if len(largest) == r.keep {
					largest = largest[:r.keep-1]
				}
				largest = slices.Insert(largest, at, g)
			}
		}
	}
	var stars [maxSeparators + 1]uint32 // index+1 by separator; made first from what is * already
	for i := range list {
		if g := &list[i]; !g.literal && string(r.name(g)) == "*" {
			into[i] = uint32(len(out))
			out = append(out, *g)
			stars[g.sep] = uint32(len(out))
		}
	}
	small := (r.total + 999) / 1000
	for i := range list {
		g := &list[i]
		if !g.literal && string(r.name(g)) == "*" {
			continue
		}
		if len(list) > r.keep && (g.literal || r.keep == 0) && (g.bytes < small || r.total == 0) && !slices.Contains(largest, g) {
			if stars[g.sep] == 0 {
				out = append(out, group{id: starID, sep: g.sep})
				stars[g.sep] = uint32(len(out))
			}
			at := stars[g.sep] - 1
			out[at].n += g.n
			out[at].bytes += g.bytes
			into[i] = at
			continue
		}
		into[i] = uint32(len(out))
		out = append(out, *g)
	}
	return out, into
}

// node puts the rows of the leaves ids[lo:hi], whose patterns agree down to
// this node, and adds them up in a. It reports false if there are too many.
// Apart says that these are different patterns: they are not below a *, where
// several come together, and none is the user's own that looks like another.
func (r *renderer) node(lo, hi, depth int, a *acc, apart bool) bool {
	list, into := r.joined(r.groups(lo, hi, apart))
	order := make([]uint32, len(list))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return r.before(&list[a], &list[b]) })

	// Bring the leaves into the order of the groups.
	starts := make([]int, len(list))
	at := lo
	for _, i := range order {
		starts[i] = at
		at += int(list[i].n)
	}
	next := slices.Clone(starts)
	for i := lo; i < hi; i++ {
		g := into[r.gid[i]]
		r.tmp[next[g]], r.tmpOff[next[g]] = r.ids[i], r.off[i]
		next[g]++
	}
	copy(r.ids[lo:hi], r.tmp[lo:hi])
	copy(r.off[lo:hi], r.tmpOff[lo:hi])

	above := len(r.path)
	for _, i := range order {
		g := &list[i]
		from, to := starts[i], starts[i]+int(g.n)
		r.path = append(r.path[:above], r.name(g)...)
		var below acc
		ok := false
		if g.sep == 0 {
			ok = r.put(depth, true, &below, func() bool {
				for _, id := range r.ids[from:to] {
					r.leaf(&below, r.t.row(id))
				}
				return true
			})
		} else {
			r.path = append(r.path, r.p.seps[g.sep-1].text...)
			ok = r.put(depth, false, &below, func() bool { return r.node(from, to, depth+1, &below, apart && string(r.name(g)) != "*") })
		}
		if !ok {
			return false
		}
		r.offer(a, below.top, below.max)
		a.own(below.owner)
		r.t.joinStats(&a.stats, &r.t.mods, &below.stats)
	}
	return true
}

// put makes a row of what fill adds up in a; the row stands before those that
// fill puts.
func (r *renderer) put(depth int, leaf bool, a *acc, fill func() bool) bool {
	if len(r.rows) >= maxRows && r.keep > 0 {
		return false
	}
	at := len(r.rows)
	r.rows = append(r.rows, nil)
	path := len(r.path)
	if !fill() {
		return false
	}
	r.path = r.path[:path]
	r.rows[at] = r.cells(depth, leaf, a)
	return true
}

func (r *renderer) leaf(a *acc, l *leaf) {
	r.offer(a, l, r.t.top(l))
	a.own(r.ownerOf(l) + 1)
	r.t.join(&a.stats, r.t, l)
}

// ownerOf is the index of a leaf's owner. What was folded into a lone * when
// the table was full may be anybody's.
func (r *renderer) ownerOf(l *leaf) int {
	if r.owners == nil || l.more != 0 && r.t.more(l).foldedKeys > 0 {
		return 0
	}
	return r.owners[string(r.t.pattern(l))]
}

// offer keeps the row whose largest key is the larger, of equals the one with
// the name that sorts first. It comes before the sums of l are added.
func (r *renderer) offer(a *acc, l *leaf, top int64) {
	if a.keys > 0 {
		if top < a.max {
			return
		}
		if top == a.max {
			r.names[0] = append(r.names[0][:0], r.t.kept(r.p, r.p.scratch, a.top)...)
			r.names[1] = append(r.names[1][:0], r.t.kept(r.p, r.p.scratch, l)...)
			if bytes.Compare(r.names[0], r.names[1]) <= 0 {
				return
			}
		}
	}
	a.top = l
}

func (r *renderer) cells(depth int, leaf bool, a *acc) []Cell {
	c := make([]Cell, 22)
	path := "*"
	if depth > 0 {
		path = string(escapeFormula(slices.Clone(r.path), 0))
	}
	c[0].S = path
	c[1].I = int64(depth)
	if leaf {
		c[2].I = 1
	}
	c[3].I = a.keys
	c[4].I = a.bytes
	c[5] = share(a.bytes, r.total)
	c[6].I = mean(a.bytes, a.keys)
	c[7].I = min(max(a.sizes.Percentile(50), a.min), a.max)
	c[8].I = min(max(a.sizes.Percentile(99), a.min), a.max)
	c[9].I = a.max
	c[10].S = string(appendKeptText(nil, r.t.kept(r.p, r.p.scratch, a.top)))
	c[11].I = a.elems
	c[12].I = a.noTTLKeys
	c[13].I = a.noTTLBytes
	c[14].I = a.fieldTTLKeys
	c[15].I = a.expiredKeys
	c[16].I = a.expiredBytes
	c[17], c[18] = median(a.ttl), median(a.idle)
	kinds := append([]kindBytes{a.kind}, a.others()...)
	c[19].S = mix(kinds, r.t.mods.typeName)
	c[20].S = mix(kinds, r.t.mods.encoding)
	c[21].S = r.p.owners[max(a.owner-1, 0)]
	return c
}

func median(h *Hist) Cell {
	if h == nil {
		return Cell{Null: true}
	}
	return Cell{I: h.Percentile(50)}
}

// mean rounds to the nearest integer.
func mean(sum, n int64) int64 {
	if n == 0 {
		return 0
	}
	return sum/n + (sum%n+n/2)/n
}
