package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"strconv"

	"rdbaudit/rdbparse"
)

// deepCheck looks into the values of a dump: what servers check of packed values
// with sanitize-dump-payload (lpValidateIntegrityAndDups in t_hash.c and
// t_zset.c, streamValidateListpackIntegrity in t_stream.c @redis-7.2.6), and
// what they build on without a check: the order of packed sorted sets.
type deepCheck struct {
	r      *rdbparse.Reader
	key    *rdbparse.Key
	bad    func(error)
	names  nameSet // elements, members, fields; or groups
	inner  nameSet // consumers of a group
	ids    nameSet // pending entries of a group
	owned  int64
	waits  int64 // pending entries of the group
	live   int64 // entries of the stream's nodes
	buf    []byte
	before []byte  // the member before
	score  float64 // its score
	large  int64   // values with more names than are compared
}

// maxNames is how many elements of a value are compared with each other: the
// table for them takes 16 MiB.
const maxNames = 1 << 20

// nameSet knows texts by their hash. The seed is new in each run, so that nobody
// can make two that only seem equal.
type nameSet struct {
	seed  maphash.Seed
	slots []uint64
	n     int
	full  bool
}

func (s *nameSet) reset() {
	if s.slots == nil {
		s.seed, s.slots = maphash.MakeSeed(), make([]uint64, 256)
	}
	s.slots = s.slots[:256]
	clear(s.slots)
	s.n, s.full = 0, false
}

func (s *nameSet) hash(b []byte) uint64 { return maphash.Bytes(s.seed, b) | 1 }

// add says whether b is new.
func (s *nameSet) add(b []byte) bool {
	if s.n >= maxNames {
		s.full = true
		return true
	}
	if 2*s.n >= len(s.slots) {
		old := append([]uint64(nil), s.slots...)
		if cap(s.slots) < 2*len(old) {
			s.slots = make([]uint64, 2*len(old))
		}
		s.slots = s.slots[:2*len(old)]
		clear(s.slots)
		for _, h := range old {
			if h != 0 {
				s.put(h)
			}
		}
	}
	if !s.put(s.hash(b)) {
		return false
	}
	s.n++
	return true
}

func (s *nameSet) put(h uint64) bool {
	i, ok := s.find(h)
	s.slots[i] = h
	return !ok
}

func (s *nameSet) has(b []byte) bool {
	_, ok := s.find(s.hash(b))
	return ok
}

func (s *nameSet) find(h uint64) (i int, ok bool) {
	mask := len(s.slots) - 1
	for i = int(h>>1) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if s.slots[i] == h {
			return i, true
		}
	}
	return i, false
}

// fault is bad content at an offset.
func (c *deepCheck) fault(at int64, format string, args ...any) {
	c.bad(&rdbparse.Error{Offset: at, Key: bytes.Clone(c.key.Name), Err: rdbparse.ErrValue, Detail: fmt.Sprintf(format, args...)})
}

// value opens all parts of the value of k. Only a loss of the framing is an error.
func (c *deepCheck) value(k *rdbparse.Key) error {
	c.key = k
	c.names.reset()
	c.live = 0
	for {
		at := c.r.Offset()
		p, err := c.r.Part()
		if errors.Is(err, io.EOF) {
			c.groupEnds(at)
			if c.names.full || c.inner.full || c.ids.full {
				c.large++
			}
			return nil
		} else if err != nil {
			return err
		}
		switch err := c.part(at, p); {
		case err == nil:
		case errors.Is(err, rdbparse.ErrTooLong): // a string too long to be held
		case errors.Is(err, rdbparse.ErrPacked) || errors.Is(err, rdbparse.ErrString):
			c.bad(err)
		default:
			return err
		}
	}
}

func (c *deepCheck) part(at int64, p *rdbparse.Part) error {
	if p.Format != rdbparse.Plain {
		if p.Kind == rdbparse.PartStreamNode {
			return c.streamNode(at, p)
		}
		return c.packed(at, p)
	}
	switch p.Kind {
	case rdbparse.PartElement, rdbparse.PartMember, rdbparse.PartField:
		if c.key.Type.Kind == rdbparse.ListKind || c.key.Type.Kind == rdbparse.OtherKind {
			break
		}
		return c.unique(at, &c.names, p.Kind.String())
	case rdbparse.PartStream:
		if p.Count != c.live {
			c.fault(at, "the stream announces %d entries, its nodes hold %d", p.Count, c.live)
		}
	case rdbparse.PartGroup:
		c.groupEnds(at)
		c.inner.reset()
		c.ids.reset()
		return c.unique(at, &c.names, "group")
	case rdbparse.PartConsumer:
		return c.unique(at, &c.inner, "consumer")
	case rdbparse.PartPending:
		c.waits++
		if !c.ids.add(c.id("p", p.ID)) {
			c.fault(at, "entry %d-%d is pending twice", p.ID.Ms, p.ID.Seq)
		}
	case rdbparse.PartOwned:
		c.owned++
		if !c.ids.full && !c.ids.has(c.id("p", p.ID)) {
			c.fault(at, "a consumer owns entry %d-%d, which is not pending in its group", p.ID.Ms, p.ID.Seq)
		} else if !c.ids.full && !c.ids.add(c.id("o", p.ID)) {
			c.fault(at, "two consumers own entry %d-%d", p.ID.Ms, p.ID.Seq)
		}
	}
	if p.LZF {
		_, err := c.r.Bytes()
		return err
	}
	return nil
}

func (c *deepCheck) id(kind string, id rdbparse.StreamID) []byte {
	c.buf = append(strconv.AppendUint(append(c.buf[:0], kind...), id.Ms, 10), '-')
	c.buf = strconv.AppendUint(c.buf, id.Seq, 10)
	return c.buf
}

// groupEnds holds what the consumers own against what is pending. From Redis 8.8
// on entries can be pending without an owner.
func (c *deepCheck) groupEnds(at int64) {
	if c.key.Type.Kind == rdbparse.StreamKind && c.owned < c.waits && c.key.Type.Level < 5 {
		c.fault(at, "%d pending entries of a group have no consumer", c.waits-c.owned)
	}
	c.waits, c.owned = 0, 0
}

func (c *deepCheck) unique(at int64, in *nameSet, what string) error {
	b, err := c.r.Bytes()
	if err != nil {
		return err
	}
	if !in.add(b) {
		c.fault(at, "a %s that came before", what)
	}
	return nil
}

// packed walks a blob, entry by entry.
func (c *deepCheck) packed(at int64, p *rdbparse.Part) error {
	kind, per := c.key.Type.Kind, int64(1)
	switch {
	case kind == rdbparse.ZSetKind:
		per = 2
	case kind == rdbparse.HashKind && (c.key.Type.Code == 23 || c.key.Type.Code == 25) && p.Format == rdbparse.Listpack:
		per = 3 // field, value, TTL
	case kind == rdbparse.HashKind:
		per = 2
	}
	untested := c.key.Type.Untested // layouts that nobody could check
	names := !untested && (kind == rdbparse.HashKind || kind == rdbparse.ZSetKind || kind == rdbparse.SetKind)
	c.before, c.score = c.before[:0], math.Inf(-1)
	want, n, twice, order, whole := p.Count, int64(0), false, false, true
	for {
		e, err := c.r.Entry()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		switch i := n % per; {
		case !names:
		case i == 0:
			c.before, c.buf = c.buf, c.text(c.before[:0], e)
			whole = whole && e.Len == int64(len(c.buf)) // else it was too long to be held
			if p.Format != rdbparse.Intset && whole && !c.names.add(c.buf) && !twice {
				twice = true
				c.fault(at, "an entry of a %s is there twice", p.Format)
			}
		case kind == rdbparse.ZSetKind:
			score, ok := scoreOf(e)
			if !ok {
				c.fault(at, "a score that is not a number")
			} else if late := score < c.score || score == c.score && whole && bytes.Compare(c.buf, c.before) < 0; late && n > 1 && !order {
				order = true
				c.fault(at, "the members of a sorted %s are not in the order of their scores", p.Format)
			}
			c.score = score
		case i == 2:
			if _, ok := integerOf(e); !ok {
				c.fault(at, "a field's TTL that is not a number")
			}
		}
		n++
	}
	if !untested && n%per != 0 {
		c.fault(at, "the number of entries, %d, does not come out even", n)
	}
	if p.Format == rdbparse.Zipmap {
		n /= 2
	}
	if want >= 0 && want != n {
		c.fault(at, "a %s announces %d entries and holds %d", p.Format, want, n)
	}
	return nil
}

func (c *deepCheck) text(dst []byte, e *rdbparse.Entry) []byte {
	if e.IsInt {
		return strconv.AppendInt(dst, e.Int, 10)
	}
	return append(dst, e.Str...)
}

func integerOf(e *rdbparse.Entry) (int64, bool) {
	if e.IsInt {
		return e.Int, true
	}
	return rdbparse.Integer(e.Str)
}

// scoreOf reads a score as zzlGetScore does (t_zset.c@redis-7.2.6).
func scoreOf(e *rdbparse.Entry) (float64, bool) {
	if e.IsInt {
		return float64(e.Int), true
	}
	v, err := strconv.ParseFloat(string(e.Str), 64)
	return v, !math.IsNaN(v) && (err == nil || errors.Is(err, strconv.ErrRange))
}

// streamNode walks a node of a stream. Its first entries are the master's: live
// and deleted entries, its fields, a zero. Then each entry: flags, two parts of
// an ID, fields and values, and the number of these (t_stream.c@redis-7.2.6).
func (c *deepCheck) streamNode(at int64, p *rdbparse.Part) error {
	var fault error
	n := int64(0)
	next := func() (*rdbparse.Entry, bool) {
		if fault != nil {
			return nil, false
		}
		var e *rdbparse.Entry
		if e, fault = c.r.Entry(); fault != nil {
			return nil, false
		}
		n++
		return e, true
	}
	number := func(what string) int64 {
		e, ok := next()
		if !ok {
			return 0
		}
		v, ok := integerOf(e)
		if !ok {
			fault = &rdbparse.Error{Offset: at, Err: rdbparse.ErrPacked, Key: bytes.Clone(c.key.Name), Detail: "in a stream's node, text stands for " + what}
		}
		return v
	}
	skip := func(many int64) {
		for ok := true; many > 0 && ok; many-- {
			_, ok = next()
		}
	}
	wrong := func(what string, v, want int64) {
		if fault == nil && v != want {
			fault = &rdbparse.Error{Offset: at, Err: rdbparse.ErrPacked, Key: bytes.Clone(c.key.Name), Detail: fmt.Sprintf("in a stream's node, %s is %d, not %d", what, v, want)}
		}
	}
	const deletedFlag, sameFields = 1, 2
	live, deleted, fields := number("the entries"), number("the deleted entries"), number("the fields")
	skip(fields)
	wrong("the end of the master entry", number("the end of the master entry"), 0)
	if fields < 0 || live < 0 || deleted < 0 {
		wrong("a count", min(fields, live, deleted), 0)
	}
	var sawLive, sawDeleted int64
	for sawLive+sawDeleted < live+deleted && fault == nil {
		flags := number("the flags")
		number("an ID")
		number("an ID")
		items := fields + 3
		if flags&sameFields == 0 {
			own := number("the fields")
			wrong("a count", min(own, 0), 0)
			items = 2*own + 4
			skip(2 * own)
		} else {
			skip(fields)
		}
		wrong("the length of an entry", number("the length of an entry"), items)
		if flags&deletedFlag != 0 {
			sawDeleted++
		} else {
			sawLive++
		}
	}
	wrong("the number of deleted entries", sawDeleted, deleted)
	c.live += sawLive
	if errors.Is(fault, io.EOF) {
		c.fault(at, "a stream's node ends inside an entry")
		return nil
	}
	if fault != nil {
		return fault
	}
	if _, err := c.r.Entry(); err == nil {
		c.fault(at, "a stream's node goes on after its %d entries", live+deleted)
		return nil
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if p.Count >= 0 && p.Count != n {
		c.fault(at, "a %s announces %d entries and holds %d", p.Format, p.Count, n)
	}
	return nil
}
