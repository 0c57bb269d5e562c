package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A coder writes what an analysis holds, or reads it again: each analysis has
// one method that does both, so that the two cannot differ.
//
// Written is the same for the same sums, however they came about: what is kept
// in no order, or in that of arrival, is sorted first. Numbers are varints, text
// is behind its length. What is read is not trusted: no count sizes anything
// before the bytes for it are there, and numbers that no sum can be end it.
type coder struct {
	b       []byte // written so far, or still to be read
	reads   bool
	version int // of the part
	err     error
	base    int32 // added to each index of a dump that is read
	sources int32 // how many dumps there are
}

// ErrPart is what is wrong with bytes that say what no analysis does.
var ErrPart = errors.New("its contents make no sense")

func (c *coder) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrPart, what)
		c.b = nil
	}
}

// uint codes a number.
func (c *coder) uint(p *uint64) {
	if !c.reads {
		c.b = binary.AppendUvarint(c.b, *p)
		return
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail("a number is cut")
		*p = 0
		return
	}
	*p, c.b = v, c.b[n:]
}

// int codes a number of any sign.
func (c *coder) int(p *int64) {
	u := uint64(*p)<<1 ^ uint64(*p>>63)
	c.uint(&u)
	*p = int64(u>>1) ^ -int64(u&1)
}

// mostSum is more than any sum over real dumps.
const mostSum = 1 << 56

// sum codes sums and counts, which are never negative.
func (c *coder) sum(ps ...*int64) {
	for _, p := range ps {
		u := uint64(*p)
		c.uint(&u)
		if *p = int64(u); c.reads && u > mostSum {
			c.fail("a sum is too large")
			*p = 0
		}
	}
}

// big codes a number that is not negative and may be as large as can be: sums
// that saturate.
func (c *coder) big(p *int64) {
	u := uint64(*p)
	c.uint(&u)
	*p = int64(u & math.MaxInt64)
}

// small codes a number below limit.
func small[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int16 | ~int32 | ~int](c *coder, p *T, limit int64) {
	u := uint64(*p)
	c.uint(&u)
	if c.reads && u >= uint64(limit) {
		c.fail("a number is out of its range")
		u = 0
	}
	*p = T(u)
}

func (c *coder) bool(ps ...*bool) {
	for _, p := range ps {
		u := 0
		if *p {
			u = 1
		}
		small(c, &u, 2)
		*p = u == 1
	}
}

// count codes how many of something follow, each of at least one byte.
func (c *coder) count(n, most int) int {
	if c.reads {
		most = min(most, len(c.b))
	}
	small(c, &n, int64(most)+1)
	return n
}

// text codes bytes, up to most of them. What is read is a part of the input.
func (c *coder) text(p *[]byte, most int) {
	n := c.count(len(*p), most)
	if !c.reads {
		c.b = append(c.b, *p...)
		return
	}
	if n > len(c.b) {
		c.fail("text is cut")
		n = 0
	}
	*p, c.b = c.b[:n:n], c.b[n:]
}

// own is text that does not share memory with the input.
func (c *coder) own(p *[]byte, most int) {
	c.text(p, most)
	if c.reads {
		*p = slices.Clone(*p)
	}
}

func (c *coder) string(p *string, most int) {
	b := []byte(*p)
	c.text(&b, most)
	if c.reads {
		*p = string(b)
	}
}

// source codes the index of a dump.
func (c *coder) source(p *int32) {
	n := *p - c.base
	small(c, &n, int64(c.sources))
	*p = n + c.base
}

// place codes the database and the dump that all keys of a row are in, unless
// they are in several: which of them was the first is of no account.
func (c *coder) place(several *bool, db *uint64, source *int32) {
	if c.bool(several); *several {
		if c.reads {
			*source = c.base
		}
		return
	}
	c.uint(db)
	c.source(source)
}

func (c *coder) tally(t *tally) { c.sum(&t.keys, &t.bytes) }

func (c *coder) tallies(list []tally) {
	for i := range list {
		c.tally(&list[i])
	}
}

// looks codes how many keys of a sample were looked at, who stand for so many.
func (c *coder) looks(l *looks, standFor int64) {
	if c.version < thinVersion {
		if c.reads {
			*l = looks{standFor, standFor}
		}
		return
	}
	c.sum(&l.seen, &l.squares)
	// No fewer keys can stand for so many (Cauchy and Schwarz), but for rounding.
	if c.reads && (l.seen > standFor || l.squares < standFor || float64(l.seen)*float64(l.squares) < 0.999*float64(standFor)*float64(standFor)) {
		c.fail("a sample that cannot be")
		*l = looks{standFor, standFor}
	}
}

func (c *coder) spread(s *spread) {
	c.int(&s.sum)
	c.uint(&s.hi)
	c.uint(&s.lo)
}

// eachOf codes a list of up to most elements.
func eachOf[T any](c *coder, list *[]T, most int, f func(*T)) {
	n := c.count(len(*list), most)
	if !c.reads {
		for i := range *list {
			f(&(*list)[i])
		}
		return
	}
	*list = (*list)[:0]
	for range n {
		var v T
		f(&v)
		if c.err != nil {
			return
		}
		*list = append(*list, v)
	}
}

// optional codes what may be missing.
func optional[T any](c *coder, p **T, f func(*T)) {
	there := *p != nil
	c.bool(&there)
	if !there {
		*p = nil
		return
	}
	if c.reads {
		*p = new(T)
	}
	f(*p)
}

// hist codes a histogram: the buckets in use, in order.
func (c *coder) hist(h *Hist) {
	type bucket struct {
		at    int
		count int64
	}
	var list []bucket
	if !c.reads {
		h.each(func(b int, count int64) { list = append(list, bucket{b, count}) })
		slices.SortFunc(list, func(x, y bucket) int { return x.at - y.at })
	}
	last := 0
	eachOf(c, &list, histMax+1, func(b *bucket) {
		step := b.at - last
		small(c, &step, histMax+1)
		c.sum(&b.count)
		if last += step; last > histMax || b.count > histMask {
			c.fail("no such bucket")
			last = 0
		}
		b.at = last
	})
	if c.reads {
		*h = Hist{}
		for _, b := range list {
			h.addBucket(b.at, b.count)
		}
	}
}

// modules codes the names of module types, in order, and gives them so.
func (c *coder) modules(m *modules) (sorted modules) {
	sorted.names = slices.Sorted(slices.Values(m.names))
	eachOf(c, &sorted.names, maxModules+1, func(s *string) { c.string(s, maxModuleName) })
	if c.reads {
		m.names = slices.Clone(sorted.names)
	}
	return sorted
}

// maxModuleName is more than the nine characters that a dump has for it.
const maxModuleName = 64

// marked codes a pattern in marked form.
func (c *coder) marked(p *Patterner, s *string) {
	c.string(s, maxMarked)
	if c.reads && !p.isMarked(*s) {
		c.fail("no pattern")
	}
}

// maxMarked is the longest pattern in marked form that a table has room for.
const maxMarked = math.MaxUint16 - 1

// isMarked says whether s can be a pattern in marked form.
func (p *Patterner) isMarked(s string) bool {
	if s == "" || s[0]>>markShift != 0 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if sep := int(s[i] >> markShift); s[i] < markEnd && (sep == 0 || sep > len(p.seps)) {
			return false
		}
	}
	return true
}
