package aggregate

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"

	"rdbaudit/estimate"
)

// Eviction is the analysis "eviction": what a server at its maxmemory looks
// at when it chooses keys to evict, by pattern. It counts only if
// Options.Eviction says so, and has no table of its own: what goes depends on how
// much must, see [Set.Eviction].
//
// A server ranks the keys of one database against each other, so keys are
// counted by dump and database first. All bytes are those that eviction gives
// back, Record.Alloc, whatever the measure of the run.
type Eviction struct {
	o      *Options
	p      *Patterner
	spaces map[spaceName]*space
	last   *space
	cells  int  // in all rows, a new row counting as rowCells
	limit  int  // of cells
	coarse uint // how often the ranges of idle times and TTLs have been doubled
	full   bool // patterns are counted together
	buf    []byte
	folded []byte
}

type spaceName struct {
	source int32
	db     uint64
}

// space is one database of one dump.
type space struct {
	spaceName
	rows  map[string]*crowds // by pattern in marked form
	other crowds             // of patterns beyond the cap
}

// A dump may name as many databases as it has keys: from this one on they are
// counted as one.
const maxSpaceDB = 32

// crowds counts keys by what a server ranks them by: those in one crowd it
// cannot tell apart, as far as we can. The list is sorted. Each key is in the
// cell of its TTL, and in those of its idle time and its access counter if the
// dump tells them.
type crowds struct{ list []crowd }

type crowd struct {
	at uint32 // how<<30 | volatile<<29 | bucket
	tally
}

const (
	rankHow      = 30
	rankVolatile = 1 << 29
	rankBucket   = rankVolatile - 1
	rowCells     = 8  // what a row takes beside its cells, in cells
	cellBytes    = 32 // with the room that lists grow by
	maxCoarse    = 4
)

// how says by what a policy ranks keys.
type how uint32

const (
	byTTL how = iota
	byIdle
	byFreq
	byLot
)

// rankBits makes 64 ranges of idle times, or of TTLs, of each octave: two keys
// in one are 1.6 % apart at most and taken for the same.
const rankBits = 6

// rankOf is the range of a number, and rankFrom where a range begins.
func rankOf(v int64) uint32 {
	if v < 1<<(rankBits+1) {
		return uint32(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - rankBits - 1
	return uint32(e<<rankBits) + uint32(v>>e)
}

func rankFrom(b uint32) int64 {
	if b < 1<<(rankBits+1) {
		return int64(b)
	}
	e := b>>rankBits - 1
	return int64(b-e<<rankBits) << e
}

// NewEviction makes the analysis "eviction".
func NewEviction(o *Options) *Eviction {
	o = o.normal()
	p, _ := NewPatterner(o)
	e := &Eviction{o: o, p: p, spaces: make(map[spaceName]*space)}
	e.setTableMemory(o.TableMemory)
	return e
}

// Add counts one record.
func (e *Eviction) Add(r *estimate.Record) {
	if !e.o.Eviction {
		return
	}
	e.buf, _ = e.p.walk(e.buf[:0], r.Key, true)
	e.add(r, e.buf)
}

// add counts a record whose pattern in marked form is known.
func (e *Eviction) add(r *estimate.Record, pattern []byte) {
	name := spaceName{r.Source, min(r.DB, maxSpaceDB)}
	if e.last == nil || e.last.spaceName != name {
		e.last = e.space(name)
	}
	s := e.last
	full := !e.fits(rowCells + 2)
	ats, n := e.cellsOf(r)
	row := s.rows[string(pattern)]
	switch {
	case full && (row == nil || !row.have(ats[:n])):
		row = e.spare(s, pattern, ats[:n])
	case row == nil:
		row = e.row(s, pattern)
	}
	for _, at := range ats[:n] {
		e.cells += row.add(at, tally{1, max(0, r.Alloc)})
	}
}

func (e *Eviction) row(s *space, pattern []byte) *crowds {
	row := &crowds{}
	s.rows[string(pattern)] = row
	e.cells += rowCells
	return row
}

// spare is the row for a pattern that there is no room for: the one with * for
// its literal segments but the first, if there is room for that in what is
// kept back, half as much again, else that of all others.
func (e *Eviction) spare(s *space, pattern []byte, ats []uint32) *crowds {
	e.full = true
	first := true
	for i := 0; i < len(pattern); i = segmentEnd(pattern, i) {
		if pattern[i]&markClass != 0 {
			continue
		}
		if first {
			first = false
			continue
		}
		e.folded = appendFolded(e.folded[:0], pattern, i, true)
		row, room := s.rows[string(e.folded)], e.cells+rowCells <= e.limit/2*3
		switch {
		case row == nil && room:
			return e.row(s, e.folded)
		case row != nil && (room || len(ats) > 0 && row.have(ats)):
			return row
		}
		return &s.other
	}
	return &s.other
}

// cellsOf are the cells that a key is counted in.
func (e *Eviction) cellsOf(r *estimate.Record) (ats [3]uint32, n int) {
	volatile, ttl := uint32(0), uint32(0)
	if r.Expiry != estimate.NoExpiry {
		volatile = rankVolatile
		if left := r.Expiry - e.o.Now; r.Expiry > e.o.Now {
			if left < 0 { // Now is far below zero
				left = math.MaxInt64
			}
			ttl = rankOf(left) >> e.coarse
		}
	}
	ats[0], n = uint32(byTTL)<<rankHow|volatile|ttl, 1
	if r.Idle >= 0 {
		ats[n] = uint32(byIdle)<<rankHow | volatile | rankOf(r.Idle)>>e.coarse
		n++
	}
	if r.Freq >= 0 {
		ats[n] = uint32(byFreq)<<rankHow | volatile | uint32(min(r.Freq, 255))
		n++
	}
	return ats, n
}

func (e *Eviction) space(name spaceName) *space {
	s := e.spaces[name]
	if s == nil {
		s = &space{spaceName: name, rows: make(map[string]*crowds)}
		e.spaces[name] = s
	}
	return s
}

// fits says whether so many more cells may be made, and makes room if it can
// be had by widening the ranges.
func (e *Eviction) fits(n int) bool {
	for e.cells+n > e.limit && e.coarse < maxCoarse {
		e.coarsen(e.coarse + 1)
	}
	return e.cells+n <= e.limit
}

// coarsen widens the ranges of idle times and TTLs, two into one each time.
func (e *Eviction) coarsen(to uint) {
	by := to - min(e.coarse, to)
	if by == 0 {
		return
	}
	e.coarse = to
	e.cells = 0
	for _, s := range e.spaces {
		for _, row := range s.rows {
			row.coarsen(by)
			e.cells += rowCells + len(row.list)
		}
		s.other.coarsen(by)
		e.cells += len(s.other.list)
	}
}

func (r *crowds) coarsen(by uint) {
	out := r.list[:0]
	for _, c := range r.list {
		if how(c.at>>rankHow) != byFreq {
			c.at = c.at&^rankBucket | c.at&rankBucket>>by
		}
		if n := len(out); n > 0 && out[n-1].at == c.at {
			out[n-1].join(c.tally)
		} else {
			out = append(out, c)
		}
	}
	r.list = out
}

// find is where a cell is in the list, or would be.
func (r *crowds) find(at uint32) (i int, found bool) {
	lo, hi := 0, len(r.list)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); r.list[m].at < at {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < len(r.list) && r.list[lo].at == at
}

func (r *crowds) have(ats []uint32) bool {
	for _, at := range ats {
		if _, ok := r.find(at); !ok {
			return false
		}
	}
	return true
}

// add counts keys in a cell and returns how many cells were made for that.
func (r *crowds) add(at uint32, t tally) int {
	i, ok := r.find(at)
	if ok {
		r.list[i].join(t)
		return 0
	}
	r.list = slices.Insert(r.list, i, crowd{at, t})
	return 1
}

func (r *crowds) merge(o *crowds) (made int) {
	for _, c := range o.list {
		made += r.add(c.at, c.tally)
	}
	return made
}

// renumber gives the dumps new numbers.
func (e *Eviction) renumber(to []int32) {
	spaces := make(map[spaceName]*space, len(e.spaces))
	for _, s := range e.spaces {
		s.source = place(to, s.source)
		spaces[s.spaceName] = s
	}
	e.spaces, e.last = spaces, nil
}

// Merge counts all that other has counted.
func (e *Eviction) Merge(other Analysis) error {
	o, ok := other.(*Eviction)
	if !ok {
		return errType(e, other)
	}
	if err := e.o.same(o.o); err != nil {
		return err
	}
	e.full = e.full || o.full
	e.coarsen(max(e.coarse, o.coarse))
	for _, from := range o.ordered() {
		to := e.space(from.spaceName)
		for _, name := range slices.Sorted(maps.Keys(from.rows)) {
			row := from.rows[name]
			fits := e.fits(rowCells + len(row.list))
			o.coarsen(e.coarse) // fits may have widened the ranges
			switch at := to.rows[name]; {
			case at != nil && fits:
				e.cells += at.merge(row)
			case fits:
				to.rows[name] = row
				e.cells += rowCells + len(row.list)
			default:
				e.cells += e.spare(to, []byte(name), nil).merge(row)
			}
			delete(from.rows, name) // a row that moved must not be coarsened twice
		}
		e.cells += to.other.merge(&from.other)
	}
	return nil
}

// ordered lists the spaces by dump and database.
func (e *Eviction) ordered() []*space {
	return slices.SortedFunc(maps.Values(e.spaces), func(a, b *space) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.db, b.db))
	})
}

// Tables renders nothing; see [Set.Eviction].
func (e *Eviction) Tables(*Totals) []Table { return nil }

// setTableMemory changes Options.TableMemory from now on.
func (e *Eviction) setTableMemory(n int64) {
	o := *e.o
	o.TableMemory = n
	e.o = o.normal()
	e.limit = int(e.o.TableMemory / 8 / cellBytes)
}

// total is all keys: each is in one cell by its TTL.
func (r *crowds) total() (t tally) {
	for _, c := range r.list {
		if how(c.at>>rankHow) == byTTL {
			t.join(c.tally)
		}
	}
	return t
}

func (t *tally) join(o tally) {
	t.keys += o.keys
	t.bytes += o.bytes
}

func (e *Eviction) code(c *coder) {
	c.bool(&e.full)
	coarse := int(e.coarse)
	small(c, &coarse, maxCoarse+1)
	e.coarse = uint(coarse)
	list := e.ordered()
	eachOf(c, &list, math.MaxInt32, func(p **space) {
		if c.reads {
			*p = &space{rows: make(map[string]*crowds)}
		}
		s := *p
		c.source(&s.source)
		small(c, &s.db, maxSpaceDB+1)
		names := slices.Sorted(maps.Keys(s.rows))
		eachOf(c, &names, math.MaxInt32, func(name *string) {
			if c.marked(e.p, name); c.err != nil {
				return
			}
			row := s.rows[*name]
			if c.reads {
				row = &crowds{}
				s.rows[*name] = row
				e.cells += rowCells
			}
			e.codeRow(c, row)
		})
		e.codeRow(c, &s.other)
		if c.reads {
			e.spaces[s.spaceName] = s
			e.fits(0)
		}
	})
}

func (e *Eviction) codeRow(c *coder, r *crowds) {
	last := uint32(0)
	eachOf(c, &r.list, math.MaxInt32, func(x *crowd) {
		step := uint64(x.at - last)
		c.uint(&step)
		if c.reads && (step > uint64(math.MaxUint32-last) || step == 0 && len(r.list) > 0) {
			c.fail("crowds out of order")
			step = 0
		}
		last += uint32(step)
		x.at = last
		if c.reads {
			x.at = last
		}
		c.tally(&x.tally)
	})
	if c.reads {
		e.cells += len(r.list)
	}
}
