package rdbparse

import (
	"io"
	"sync"
	"sync/atomic"
)

// Shared reads an input for a Reader on goroutines that have the time: whoever
// has nothing better to do may Help, and reads a stretch ahead of the Reader and
// checksums it; a Reader that would have to wait does so itself. What it reads
// then lies in the cache of its own processor. It suits files, whose reads end
// soon; others want an Ahead. Give it to NewReader, and Close it in the end.
type Shared struct {
	in      io.Reader
	mu      sync.Mutex
	changed *sync.Cond
	full    []stretch // read, in order
	free    []stretch
	filling bool // somebody reads
	ended   bool // there is no more to read
	wanted  atomic.Bool
	awaited atomic.Bool // the Reader waits for what is being read
	last    stretch
	sum     sum
}

// Share makes a Shared of an input.
func Share(in io.Reader) *Shared {
	a := &Shared{in: in, sum: sum{on: true, factor: crcFactor(stretchSize)}}
	a.changed = sync.NewCond(&a.mu)
	for range stretchesAhead {
		a.free = append(a.free, stretch{})
	}
	a.wanted.Store(true)
	return a
}

// Wanted says whether there is something to Help with, at this moment.
func (a *Shared) Wanted() bool { return a.wanted.Load() }

// Help reads a stretch ahead, if that can be done now, and says whether it did.
func (a *Shared) Help() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.filling || a.ended || len(a.free) == 0 {
		return false
	}
	a.fill()
	return true
}

// fill reads a stretch, and sums it up unless the Reader waits for it, who can do
// that while the next is read. The lock is held, but not meanwhile.
func (a *Shared) fill() {
	n := len(a.free) - 1
	s := a.free[n]
	a.free = a.free[:n]
	a.filling = true
	a.wanted.Store(false)
	a.mu.Unlock()
	if s.buf == nil {
		s.buf = make([]byte, headroom+stretchSize)
	}
	s.read(a.in)
	if !a.awaited.Load() {
		s.sumUp()
	}
	a.mu.Lock()
	a.filling = false
	a.ended = a.ended || s.err != nil
	a.full = append(a.full, s)
	a.note()
	a.changed.Broadcast()
}

// note keeps wanted what it says.
func (a *Shared) note() { a.wanted.Store(!a.filling && !a.ended && len(a.free) > 0) }

func (a *Shared) feed(carry []byte) stretch {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.awaited.Store(true)
	for len(a.full) == 0 && (a.filling || !a.ended) {
		if a.filling {
			a.changed.Wait()
		} else {
			a.fill() // there is a free one: none is full, and one is the Reader's
		}
	}
	a.awaited.Store(false)
	var s stretch
	if len(a.full) == 0 { // closed
		s = closedStretch()
	} else {
		s = a.full[0]
		a.full = append(a.full[:0], a.full[1:]...)
	}
	a.sum.add(&s)
	copy(s.buf[headroom-len(carry):], carry)
	if a.last.buf != nil {
		a.free = append(a.free, a.last)
		a.note()
	}
	a.last = s
	return s
}

// Read makes a Shared an io.Reader. NewReader does not use it.
func (a *Shared) Read(p []byte) (int, error) { return a.last.copy(p, a.feed) }

// Close stops reading. It waits for a read that is under way; it does not close
// the input.
func (a *Shared) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.note()
	for a.filling {
		a.changed.Wait()
	}
	return nil
}
