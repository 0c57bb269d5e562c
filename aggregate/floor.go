package aggregate

import (
	"bytes"
	"container/heap"
	"sync"
	"sync/atomic"

	"rdbaudit/estimate"
)

// Floors say of each type what a key must beat to be among the largest of those
// that were offered so far: whoever reads asks before opening a packed value
// for its longest entry. Floors only rise. Safe for concurrent use.
type Floors struct {
	top   int
	at    [estimate.NumTypes]atomic.Pointer[floor] // nil while there is room
	mu    sync.Mutex
	heaps [estimate.NumTypes]floorHeap
}

// floor is a key among the largest. It does not change once made.
type floor struct {
	n   int64 // size in bytes of the measure
	db  uint64
	key []byte // in its kept form
	// Of key as headOf gives it: where all keys are of one size, most are told apart by that.
	head uint64
}

// NewFloors makes the Floors of lists of Options.Top keys.
func NewFloors(o *Options) *Floors {
	f := &Floors{top: o.normal().Top}
	if f.top <= 0 { // nothing enters a list that there is not
		for t := range f.at {
			f.at[t].Store(&floor{n: 1<<63 - 1})
		}
	}
	return f
}

// Beaten says whether a key of n bytes would enter the list of its type. It
// never denies one that would, not even if the list is made of other keys as well.
func (f *Floors) Beaten(t estimate.Type, n int64, db uint64, key []byte) bool {
	return f.at[min(t, estimate.NumTypes-1)].Load().beaten(n, db, key)
}

func (f *floor) beaten(n int64, db uint64, key []byte) bool {
	switch {
	case f == nil || n != f.n:
		return f == nil || n > f.n
	case db != f.db:
		return db < f.db
	}
	if head := headOf(key); head != f.head {
		return head < f.head
	}
	return len(key) > maxKey || bytes.Compare(key, f.key) <= 0
}

// Offer counts a key of n bytes by the measure.
func (f *Floors) Offer(r *estimate.Record, n int64) {
	t := min(r.Type, estimate.NumTypes-1)
	if !f.at[t].Load().beaten(n, r.DB, r.Key) || f.top <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &f.heaps[t]
	heap.Push(h, &floor{n, r.DB, appendKept(nil, r.Key), headOf(r.Key)})
	if h.Len() > f.top {
		heap.Pop(h)
	}
	if h.Len() == f.top {
		f.at[t].Store((*h)[0])
	}
}

// floorHeap has the least of its keys first, in the order of the analysis "largest".
type floorHeap []*floor

func (h floorHeap) Len() int { return len(h) }
func (h floorHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.n != b.n:
		return a.n < b.n
	case a.db != b.db:
		return a.db > b.db
	}
	return bytes.Compare(a.key, b.key) > 0
}
func (h floorHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *floorHeap) Push(x any)   { *h = append(*h, x.(*floor)) }
func (h *floorHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	return x
}
