package aggregate

import "hash/maphash"

// A table that was full once meets new patterns that its next sweep would
// only fold again. closed remembers the groups that sweeps have folded, as the
// rows of their wildcards, so that such a pattern is counted there at once,
// unless it proves itself: its record is of more than twice the size of any key of the group, or
// the pattern was seen some times of late. Dumps are in the order of hashes,
// so patterns of many keys are seen early and often.
//
// A group of several wildcards gives birth in the same way to one with a
// wildcard less, so that families that come late get rows of their own.
type closed struct {
	// Groups by hash. The hash is that of folds, which knows no seed, so that
	// what is folded is the same on every run; names chosen to collide are
	// therefore looked for in few places only, and told apart by another hash.
	slots []closedSlot
	count uint32
	// By which literal segments groups came about: bit k of ones for the k-th
	// alone, of rests for the k-th and all behind it.
	ones, rests uint32
	// What was seen of late: tag<<seenBits | times. A newcomer wears down what
	// it finds in its place. Small, as it is to stay in a processor's cache.
	seen []uint16
	f    folds
	buf  []byte
}

type closedSlot struct {
	row   uint32 // index+1 of its row
	tag   uint32 // of the hash
	check uint64 // seeded hash of the pattern: its text is far away
}

const (
	seenBits      = 7
	proves        = 8  // times that a pattern is seen before it gets a row
	provesGroup   = 64 // the same for a group
	maxSeen       = 1 << 16
	closedProbes  = 16
	bytesPerProbe = 384 // of budget for each place in seen
)

func (c *closed) memory() int64 { return int64(len(c.slots))*16 + int64(len(c.seen))*2 }

// note says how a pattern was folded.
func (c *closed) note(k int, all bool) {
	if all {
		c.rests |= 1 << k
	} else {
		c.ones |= 1 << k
	}
}

func newClosed(budget int64) *closed {
	n := 1 << 8
	for n < maxSeen && int64(n)*bytesPerProbe < budget {
		n *= 2
	}
	return &closed{seen: touched(make([]uint16, n))}
}

// findGroups finds the groups anew after sweeps.
func (t *leaves) findGroups() {
	c := t.shut
	n := 0
	for i := range t.count {
		if t.folded(t.row(i)) {
			n++
		}
	}
	size := 64
	for size <= 2*n {
		size *= 2
	}
	if size > len(c.slots) || size < len(c.slots)/4 {
		c.slots = touched(make([]closedSlot, size))
	} else {
		clear(c.slots)
	}
	c.count = 0
	for i := range t.count {
		if l := t.row(i); t.folded(l) {
			c.f.of(t.pattern(l))
			c.put(c.f.whole(), maphash.Bytes(t.seed, t.pattern(l)), i)
		}
	}
}

func (c *closed) put(h, check uint64, row uint32) {
	mask := uint64(len(c.slots) - 1)
	for i := range uint64(closedProbes) {
		if s := &c.slots[(h+i)&mask]; s.row == 0 {
			*s = closedSlot{row + 1, uint32(h >> 32), check}
			c.count++
			return
		}
	}
}

// group is the index+1 of the row of the group with hash h that a pattern falls into
// by folding its k-th literal, or all from there on; 0 if there is none.
func (c *closed) group(t *leaves, text []byte, h uint64, k int, all bool) uint32 {
	mask := uint64(len(c.slots) - 1)
	for i := range uint64(closedProbes) {
		s := &c.slots[(h+i)&mask]
		if s.row == 0 {
			return 0
		}
		if s.tag == uint32(h>>32) {
			if c.buf = appendFolded(c.buf[:0], text, c.f.at[k], all); s.check == maphash.Bytes(t.seed, c.buf) {
				return s.row
			}
		}
	}
	return 0
}

// locateGroup finds the group that a pattern without a row of its own is in.
func (t *leaves) locateGroup(at *spot, text []byte) {
	c := t.shut
	if c.ones|c.rests == 0 {
		return
	}
	f := &c.f
	f.of(text)
	at.groups = c.count
	at.whole, at.next = f.whole(), 0
	for k := f.n - 1; k >= 0; k-- {
		if c.ones>>k&1 != 0 {
			if at.group = c.group(t, text, f.one(k), k, false); at.group != 0 {
				return
			}
		}
	}
	for k := f.n - 1; k >= 0; k-- {
		if c.rests>>k&1 != 0 {
			if at.group = c.group(t, text, f.rest(k), k, true); at.group != 0 {
				if k+1 < f.n {
					at.next, at.less = int32(k+1), f.rest(k+1)
				}
				return
			}
		}
	}
}

// opens reports whether a pattern in a closed group is to have a row of its
// own all the same, with a record of n bytes.
func (t *leaves) opens(at *spot, text []byte, n int64) bool {
	c := t.shut
	if n > 2*t.more(t.row(at.group-1)).max || c.proven(at.whole, proves) {
		return true
	}
	if at.next != 0 && c.proven(at.less, provesGroup) {
		at.group = t.openGroup(text, int(at.next))
	}
	return false
}

// openGroup makes the group of a pattern with all literals from the k-th on
// folded, and gives the index+1 of its row.
func (t *leaves) openGroup(text []byte, k int) uint32 {
	c := t.shut
	if 2*int(c.count) >= len(c.slots) {
		t.findGroups()
	}
	c.f.of(text)
	c.buf = appendFolded(c.buf[:0], text, c.f.at[k], true)
	h := t.hash(c.buf)
	i := t.lookup(h, c.buf)
	fresh := i == 0
	if fresh {
		t.insert(h, c.buf)
		i = t.count
		c.note(k, true)
		c.put(c.f.rest(k), maphash.Bytes(t.seed, c.buf), i-1)
	}
	t.promote(t.row(i-1), fresh)
	return i
}

// proven counts that something was seen, and reports whether it was often enough.
func (c *closed) proven(h uint64, times uint16) bool {
	e := c.times(h)
	tag, n := uint16(h>>(48+seenBits)), *e&(1<<seenBits-1)
	switch {
	case *e>>seenBits == tag:
		if n+1 >= times {
			*e = 0
			return true
		}
		*e++
	case n > 1:
		*e--
	default:
		*e = tag<<seenBits | 1
	}
	return false
}

// times is where it is counted how often something was seen.
func (c *closed) times(h uint64) *uint16 { return &c.seen[h&uint64(len(c.seen)-1)] }
