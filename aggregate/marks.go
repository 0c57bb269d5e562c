package aggregate

import (
	"bytes"

	"rdbaudit/estimate"
)

// A mark is something about single keys that an audit notes by pattern,
// beside what other encodings would take.
type mark uint8

const (
	markFar     mark = iota // a TTL of a year or more
	markDecades             // a TTL of decades
	markBlocks              // frees so much at once that the server stands still
	markIntset              // a set of integers about to become a table
	markGrows               // a long stream that was never trimmed
	markPending             // a stream with pending entries
	markGone                // a stream with pending entries of consumers that are gone
	markRoom                // a stream with room set aside in its last node
	numMarks
)

// marked sums the keys with a mark.
type marked struct {
	keys, before, after int64
	count, more         int64 // what the mark counts, and a part or another sort of it
	least, most         int64 // the range of what the mark measures; of times, the oldest as seconds before the dump, negated
	example             []byte
}

// Marks of TTLs, in seconds. Two years can be meant; three decades cannot.
const (
	farTTL     = 365 * day
	decadesTTL = 30 * 365 * day
)

// markTTL notes a key whose TTL is far away.
func (row *auditRow) markTTL(it *item) {
	m := markFar
	after := it.n
	if it.left >= decadesTTL {
		m, after = markDecades, 0
	}
	row.ofMark(m).note(it.r.Key, it.n, after, 0, 0, it.left, it.left)
}

// markRoom notes a stream whose last node has room.
func (row *auditRow) markRoom(r *estimate.Record) {
	row.ofMark(markRoom).note(r.Key, r.Alloc, r.Alloc-r.Slack, r.Elems, 0, r.Slack, r.Slack)
}

// mark notes what the estimator has seen of a key of n bytes.
func (row *auditRow) mark(r *estimate.Record, n, now int64) {
	x, s := r.Audit, r.Audit.Stream
	if x.Pieces == 0 && x.Unpacked == 0 && s == nil {
		return
	}
	if x.Pieces > 0 {
		withTTL := int64(0)
		if r.Expiry != estimate.NoExpiry {
			withTTL = 1
		}
		row.ofMark(markBlocks).note(r.Key, n, n, x.Pieces, withTTL, x.Pieces, x.Pieces)
	}
	if x.Unpacked > 0 {
		row.ofMark(markIntset).note(r.Key, r.Alloc, x.Unpacked, 0, 0, r.Elems, r.Elems)
	}
	if s == nil {
		return
	}
	if s.Added == r.Elems && s.Added >= estimate.LongStream {
		row.ofMark(markGrows).note(r.Key, n, n, r.Elems, 0, -since(s.First, now), r.Elems)
	}
	// Entries of consumers that are gone are told apart from the others.
	gone := int64(0)
	if s.Gone > 0 {
		gone = int64(float64(s.PendingSize) * float64(s.GonePending) / float64(max(s.Pending, s.GonePending)))
		row.ofMark(markGone).note(r.Key, r.Alloc, r.Alloc-gone, s.GonePending, s.Gone, s.GonePending, s.GonePending)
	}
	if held := s.Pending - s.GonePending; held > 0 {
		row.ofMark(markPending).note(r.Key, r.Alloc, r.Alloc-(s.PendingSize-gone), held, s.Groups, -since(s.Oldest, now), held)
	}
}

// ofMark is the sum of one mark; room for all is made for the first of any.
func (row *auditRow) ofMark(m mark) *marked {
	if row.marks == nil {
		row.marks = new([numMarks]marked)
	}
	return &row.marks[m]
}

func (m *marked) note(key []byte, before, after, count, more, least, most int64) {
	m.offer(most, key[:min(len(key), maxExample)])
	if m.keys == 0 || least < m.least {
		m.least = least
	}
	m.keys++
	m.before += before
	m.after += after
	m.count = addSaturating(m.count, count)
	m.more += more
}

// offer keeps the example with the most, of equals the first by name.
func (m *marked) offer(most int64, key []byte) {
	if m.keys == 0 || most > m.most || most == m.most && bytes.Compare(key, m.example) < 0 {
		m.most = most
		m.example = append(m.example[:0], key...)
	}
}

func (m *marked) merge(o *marked) {
	if o.keys == 0 {
		return
	}
	m.offer(o.most, o.example)
	if m.keys == 0 || o.least < m.least {
		m.least = o.least
	}
	m.keys += o.keys
	m.before += o.before
	m.after += o.after
	m.count = addSaturating(m.count, o.count)
	m.more += o.more
}

// mergeMarks counts the marks of another row.
func (r *auditRow) mergeMarks(o *auditRow) {
	if o.marks == nil {
		return
	}
	if r.marks == nil {
		r.marks = new([numMarks]marked)
	}
	for i := range o.marks {
		r.marks[i].merge(&o.marks[i])
	}
}
