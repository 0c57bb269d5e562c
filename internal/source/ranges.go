package source

import (
	"context"
	"io"
	"sync"
)

// One connection to a store brings a fraction of what the network could: the
// parts of an object are fetched side by side and handed on in order.
const (
	partSize   = 4 << 20
	partsEach  = 4 // for one object
	maxParts   = 8 // for all objects together: 32 MiB, however many are read
	parallelAt = 4 * partSize
)

// take gives up to n parts to a reader. None waits for them: who gets none
// reads on one connection.
func (s *Stores) take(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, maxParts-s.spare)
	s.spare += n
	return n
}

func (s *Stores) give(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare -= n
}

// ranges reads from off to the end of an object. The first part comes as it
// is read, so that who wants the head alone gets little else.
type ranges struct {
	ctx    context.Context
	stop   context.CancelFunc
	remote *remote
	stores *Stores
	head   *resume
	next   int64 // where the next part to ask for begins
	parts  int   // taken from the stores
	queue  []chan part
	free   [][]byte
	cur    part
	pos    int
	wait   sync.WaitGroup
}

type part struct {
	buf []byte
	err error
}

// reader reads a whole object in the way that suits it.
func (r *remote) reader(ctx context.Context) io.ReadCloser {
	if !r.from || r.size < parallelAt {
		return r.stores.stream(ctx, r, 0, -1)
	}
	ctx, stop := context.WithCancel(ctx)
	return &ranges{ctx: ctx, stop: stop, remote: r, stores: r.stores, head: r.stores.stream(ctx, r, 0, partSize), next: partSize}
}

func (r *ranges) Read(p []byte) (int, error) {
	if r.head != nil {
		n, err := r.head.Read(p)
		if err != io.EOF {
			return n, err
		}
		r.begin()
	}
	if r.head != nil { // no parts were to be had
		return r.head.Read(p)
	}
	for r.pos == len(r.cur.buf) {
		if r.cur.err != nil {
			return 0, r.cur.err
		}
		if r.cur.buf != nil {
			r.free = append(r.free, r.cur.buf[:partSize])
			r.cur = part{}
		}
		r.fill()
		if len(r.queue) == 0 {
			return 0, io.EOF
		}
		r.cur, r.pos = <-r.queue[0], 0
		r.queue = r.queue[1:]
	}
	n := copy(p, r.cur.buf[r.pos:])
	r.pos += n
	return n, nil
}

// begin turns from the head to the parts.
func (r *ranges) begin() {
	if r.parts > 0 || r.next >= r.remote.size {
		return
	}
	if r.parts = r.stores.take(partsEach); r.parts < 2 {
		r.stores.give(r.parts)
		r.parts = 0
		r.head = r.stores.stream(r.ctx, r.remote, r.next, -1)
		r.next = r.remote.size
		return
	}
	r.head = nil
	for range r.parts {
		r.free = append(r.free, make([]byte, partSize))
	}
}

// fill asks for as many parts as there are buffers.
func (r *ranges) fill() {
	for len(r.free) > 0 && r.next < r.remote.size {
		buf := r.free[len(r.free)-1]
		r.free = r.free[:len(r.free)-1]
		from := r.stores.stream(r.ctx, r.remote, r.next, min(partSize, r.remote.size-r.next))
		r.next = from.end
		got := make(chan part, 1)
		r.queue = append(r.queue, got)
		r.wait.Add(1)
		go func() {
			defer r.wait.Done()
			defer from.Close()
			n, err := io.ReadFull(from, buf[:from.end-from.off])
			got <- part{buf[:n], err}
		}()
	}
}

func (r *ranges) Close() error {
	r.stop()
	if r.head != nil {
		r.head.Close()
	}
	r.wait.Wait()
	r.stores.give(r.parts)
	r.parts = 0
	return nil
}
