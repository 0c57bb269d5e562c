package estimate

import (
	"encoding/binary"
	"math"
	"sort"

	"rdbaudit/rdbparse"
)

// What an audit looks at beside sizes: what blocks a server when it is
// deleted, sets that are about to become tables, and streams.

// ManyPieces is how many elements or nodes a key must have for Audit.Pieces:
// freeing so many takes a server 10 ms or more.
const ManyPieces = 100_000

// pieces is Audit.Pieces of a key whose size is known, as lazyfree.c
// lazyfreeGetFreeEffort (redis 7.2.6) counts them, with the pending entries of
// all groups of a stream rather than of the first.
func (s *sizer) pieces(elems int64) int64 {
	n := int64(0)
	switch s.enc {
	case Hashtable, Skiplist:
		n = elems
	case Quicklist:
		n = s.list.nodes
	case StreamEnc:
		n = s.stream.nodes + s.stream.allPending
	}
	if n < ManyPieces {
		return 0
	}
	return n
}

// nearIntset says whether a set of n integers is so near to
// set-max-intset-entries that an audit wants to know what it becomes beyond:
// 15 of 16 parts full, and a table is what follows.
func (s *sizer) nearIntset(n int64) bool {
	limit := s.Limits.SetIntset
	return s.Audit && limit >= 16 && n <= limit && n >= limit-limit/16 && !(s.l.setListpack && limit < s.Limits.SetEntries)
}

// nearIntset looks at an intset that is near to its limit for any sizer.
func (e *Estimator) nearIntset(p *rdbparse.Part) {
	n := p.Count
	var lens [longestInt + 1]int64
	read := false
	for _, s := range e.sizers {
		if !s.nearIntset(n) {
			continue
		}
		if !read {
			b, err := e.r.Bytes()
			if err != nil || int64(len(b)) < 8+n*2 {
				return // whoever reads the set says so
			}
			lens, read = intsetLengths(b[8:], int(n)), true
		}
		s.auditUnpacked(n, &lens)
	}
}

// intsetLengths says how many of the n members in b have a text of each
// length. They are in ascending order (intset.c), so those of a length are found
// by halving.
func intsetLengths(b []byte, n int) (lens [longestInt + 1]int64) {
	width := len(b) / n
	at := func(i int) int64 {
		switch p := b[i*width:]; {
		case width >= 8:
			return int64(binary.LittleEndian.Uint64(p))
		case width >= 4:
			return int64(int32(binary.LittleEndian.Uint32(p)))
		default:
			return int64(int16(binary.LittleEndian.Uint16(p)))
		}
	}
	for i := 0; i < n; {
		v := at(i)
		size := rdbparse.IntLen(v)
		// The first member behind that has a text of another length or another sign.
		last := lastOfText(v, size)
		rest := sort.Search(n-i-1, func(k int) bool { return at(i+1+k) > last })
		lens[size] += int64(rest + 1)
		i += rest + 1
	}
	return lens
}

// lastOfText is the largest number of v's sign whose text has as many bytes, size.
func lastOfText(v, size int64) int64 {
	switch {
	case v < 0:
		return -int64(tens[size-2])
	case size == 19:
		return math.MaxInt64
	}
	return int64(tens[size]) - 1
}

// auditUnpacked notes the size of a set of n integers of these lengths, once
// members of average length have brought it over the limit. It is asked before
// the set is sized.
func (s *sizer) auditUnpacked(n int64, lens *[longestInt + 1]int64) {
	u, r, keyU, uVar, rVar, items := s.u, s.r, s.keyU, s.uVar, s.rVar, s.items
	s.r, s.items = 0, nil
	for size, count := range lens {
		_, _, alloc := s.sds(int64(size))
		s.costR += count * alloc
	}
	s.n = s.Limits.SetIntset + 1
	s.costR += s.costR / n * (s.n - n)
	// The member that is too much is added first; the table is made for all
	// (t_set.c maybeConvertIntset of redis 7.2.6, setTypeAdd before).
	s.setTable(tableSteps, []step{{false, s.n}, {true, s.n}})
	s.unpacked = s.r
	s.u, s.r, s.keyU, s.uVar, s.rVar, s.items = u, r, keyU, uVar, rVar, items
	s.beginElements(n, s.build)
}

// StreamAudit is what an audit knows of a stream.
type StreamAudit struct {
	Added       int64 // entries ever added; -1: not known (dumps before 7.0)
	First, Last int64 // milliseconds in the IDs of the first node and the last entry
	Groups      int64 // with pending entries
	Pending     int64 // entries delivered and not acknowledged, over all groups
	PendingSize int64 // bytes that acknowledging them gives back
	Oldest      int64 // unix ms of the delivery longest ago of those pending
	Gone        int64 // consumers with pending entries, not seen for GoneAfter
	GonePending int64 // their entries
}

// GoneAfter is how long a consumer must not have been seen to count as gone,
// in milliseconds: a week.
const GoneAfter = 7 * 24 * 3600 * 1000

// LongStream is how many entries make a stream worth a StreamAudit of its own.
const LongStream = 1000

// streamLook gathers a StreamAudit part by part.
type streamLook struct {
	now   int64
	a     StreamAudit
	elems int64
	nodes bool
	fresh bool          // of the group or consumer at hand no entry has come
	spare []StreamAudit // what is handed out, some at a time
}

func (l *streamLook) begin(now int64) {
	l.now, l.a, l.elems, l.nodes, l.fresh = now, StreamAudit{Added: -1}, 0, false, false
}

func (l *streamLook) node(p *rdbparse.Part) {
	if !l.nodes {
		l.nodes, l.a.First = true, millis(p.ID.Ms)
	}
}

func (l *streamLook) end(p *rdbparse.Part) {
	l.elems, l.a.Added, l.a.Last = p.Count, p.Int, millis(p.ID.Ms)
}

// named begins a group or a consumer.
func (l *streamLook) named() {
	l.fresh = true
}

func (l *streamLook) pending(p *rdbparse.Part) {
	if l.a.Pending == 0 || p.Int < l.a.Oldest {
		l.a.Oldest = p.Int
	}
	l.a.Pending++
	if l.fresh {
		l.a.Groups++
		l.fresh = false
	}
}

func (l *streamLook) owned(p *rdbparse.Part) {
	if l.now == 0 || p.Int > l.now-GoneAfter {
		return
	}
	if l.fresh {
		l.a.Gone++
		l.fresh = false
	}
	l.a.GonePending++
}

// audit is what there is to say of the stream, nil if nothing.
func (l *streamLook) audit(s *sizer) *StreamAudit {
	if l.a.Pending == 0 && l.elems < LongStream {
		return nil
	}
	if len(l.spare) == 0 {
		l.spare = make([]StreamAudit, 64)
	}
	a := &l.spare[0]
	l.spare = l.spare[1:]
	*a = l.a
	a.PendingSize = s.stream.pendingR
	return a
}

// millis is the time in a stream's ID, which may be any number.
func millis(ms uint64) int64 { return int64(min(ms, 1<<62)) }
