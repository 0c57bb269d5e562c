package scan

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/rdbparse"
)

// workers read dumps and add their records up in sets, each doing whatever
// there is to do next. A batch is counted by the worker that has read it if
// that can be: its records are in that processor's cache, and to fetch them
// from another's takes longer than to count some of them. But where reading
// takes longer than counting, and others are idle because of that, a worker
// reads on and leaves the batches to them. A file that they can read together is
// cut into sections instead: see there.
type workers struct {
	ctx       context.Context
	o         *Options
	inputs    []source.Input
	facts     []Facts           // by input
	floors    *aggregate.Floors // of what has been read
	keepNodes int64             // Estimator.KeepNodes of each dump

	mu      sync.Mutex
	changed *sync.Cond    // something became free, or all is done
	news    atomic.Uint32 // counts what may end a wait
	waiting int           // workers that sleep
	lingers int           // number of the one that is idle and awake, 0: none is
	// What a batch takes of late, some times over; 0 if there is no clock.
	reading, counting time.Duration

	opened int       // inputs taken so far
	side   int       // dumps that may be open at a time
	busy   int       // dumps that are being opened or read now
	ready  []*stream // open dumps that nobody reads
	read   []*stream // those that somebody does
	split  *sections // one that all read at once; nil: none
	sets   []*counter
	free   []*Batch
}

// counter is a set with the batches that it has to count. Batches of a dump, as its
// sections do, go to the sets in turn, not to whichever is free, and are counted in order: where
// tables are full, what is folded depends on who has counted what, and a
// report of one dump is to be the same each time.
type counter struct {
	set  *aggregate.Set
	also func([]estimate.Record) // who else looks at the records; nil: nobody
	todo []*Batch
	busy bool // somebody is counting
	by   int  // number of the worker who counted last
}

func newWorkers(ctx context.Context, inputs []source.Input, o *Options) (*workers, error) {
	n := max(1, min(o.Jobs, maxWorkers))
	w := &workers{ctx: ctx, o: o, inputs: inputs, facts: make([]Facts, len(inputs)), floors: aggregate.NewFloors(o.Aggregate)}
	w.changed = sync.NewCond(&w.mu)
	w.side = max(1, min(o.Jobs, len(inputs)))
	w.keepNodes = keepNodes / int64(w.side)
	share := *o.Aggregate // the memory for tables is theirs together
	if share.TableMemory <= 0 {
		share.TableMemory = aggregate.DefaultTableMemory
	}
	share.TableMemory /= int64(n)
	for range n {
		set, err := aggregate.NewSet(&share)
		if err != nil {
			return nil, err
		}
		c := &counter{set: set}
		if o.Also != nil {
			c.also = o.Also()
		}
		w.sets = append(w.sets, c)
	}
	for range 2*n + w.side {
		w.free = append(w.free, &Batch{})
	}
	return w, nil
}

// run works until all is read and counted, and merges what the sets have.
func (w *workers) run() (*aggregate.Set, error) {
	var wait sync.WaitGroup
	for i := range max(len(w.sets), w.side) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			w.work(i + 1)
		}()
	}
	wait.Wait()
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	first := w.sets[0].set
	first.SetTableMemory(w.o.Aggregate.TableMemory) // as the others are merged into it
	for _, c := range w.sets[1:] {
		if err := first.Merge(c.set); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// work does what there is to do until there is nothing left. Workers have
// numbers from 1 on.
func (w *workers) work(me int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for seen := uint32(0); ; {
		if c := w.countable(me); c != nil {
			c.by = me
			w.count(c)
		} else if x := w.split; x != nil && !x.over.Load() && !w.sets[me-1].busy {
			w.together(x, me)
		} else if len(w.ready) > 0 && len(w.free) > 0 {
			s := w.ready[0]
			w.ready = slices.Delete(w.ready, 0, 1)
			w.busy++
			w.take(s)
		} else if w.opened < len(w.inputs) && w.busy+len(w.ready) < w.side && w.ctx.Err() == nil {
			w.next()
		} else if w.busy+len(w.ready) == 0 && !w.behind() {
			w.tellAll()
			return
		} else if now := w.news.Load(); now != seen && w.lingers == 0 {
			if seen = now; w.linger(me, now) {
				seen-- // and again
			}
		} else {
			w.waiting++
			w.changed.Wait()
		}
	}
}

// patience is how often the idle worker looks for news before it sleeps, in which
// some 50 microseconds pass: to be woken takes about as long.
const patience = 500

// linger looks for news for a while, or helps those who read, and reports
// whether it did. One worker does that at a time: to be awake costs a processor.
func (w *workers) linger(me int, seen uint32) bool {
	reading := slices.Clone(w.read)
	w.lingers = me
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.lingers = 0
	}()
	for range patience {
		if w.news.Load() != seen {
			break
		}
		for _, s := range reading {
			if in := s.d.shared; in != nil && in.Wanted() && in.Help() {
				return true
			}
		}
		runtime.Gosched()
	}
	return false
}

// countable is a set that has something to count and nobody who does, best the
// one that this worker has in its cache. One that another has, who is about to
// look for something to do, is left to that one.
func (w *workers) countable(me int) (found *counter) {
	for _, c := range w.sets {
		if c.busy || len(c.todo) == 0 {
			continue
		}
		if c.by == me {
			return c
		}
		if c.by == 0 || c.by != w.lingers {
			found = c
		}
	}
	return found
}

// behind says that some set is not done with what it was given.
func (w *workers) behind() bool {
	return slices.ContainsFunc(w.sets, func(c *counter) bool { return c.busy || len(c.todo) > 0 })
}

// count counts the next batch of a set.
func (w *workers) count(c *counter) {
	b := c.todo[0]
	c.todo = slices.Delete(c.todo, 0, 1)
	c.busy = true
	w.mu.Unlock()
	start := w.clock()
	b.count(c, w.floors, w.o)
	b.Reset()
	took := w.clock() - start
	w.mu.Lock()
	spent(&w.counting, took)
	c.busy = false
	w.free = append(w.free, b)
	w.tell()
}

// tell says that there is something to do, and reports whether it woke somebody.
func (w *workers) tell() bool {
	w.news.Add(1)
	if w.waiting == 0 {
		return false
	}
	w.waiting--
	w.changed.Signal()
	return true
}

// tellAll says that all may be done.
func (w *workers) tellAll() {
	w.news.Add(1)
	w.waiting = 0
	w.changed.Broadcast()
}

// next opens the next input.
func (w *workers) next() {
	index := w.opened
	w.opened++
	w.busy++
	w.mu.Unlock()
	s := w.open(index)
	w.mu.Lock()
	switch {
	case s == nil:
		w.busy--
		w.tell()
	case s.split != nil: // w.busy until it is read
		w.split = s.split
		w.tellAll()
	default:
		w.busy--
		w.ready = append(w.ready, s)
		w.tell()
	}
}

// together reads a dump with all others; the last one closes it.
func (w *workers) together(x *sections, me int) {
	c := w.sets[me-1]
	c.busy, c.by = true, me
	x.inside++
	w.mu.Unlock()
	x.work(me-1, c)
	w.mu.Lock()
	c.busy = false
	if x.inside--; x.inside > 0 {
		return
	}
	w.split = nil
	w.mu.Unlock()
	x.s.close(w.ctx, x.err)
	w.mu.Lock()
	w.busy--
	w.tellAll()
}

// take reads a batch of a dump, and more if it has woken somebody who counts it
// or that is what takes longest.
func (w *workers) take(s *stream) {
	w.read = append(w.read, s)
	defer func() { w.read = slices.DeleteFunc(w.read, func(o *stream) bool { return o == s }) }()
	for {
		b := w.free[len(w.free)-1]
		w.free = w.free[:len(w.free)-1]
		w.mu.Unlock()
		start := w.clock()
		err := s.fill(b)
		if err == nil {
			err = w.ctx.Err()
		}
		if err != nil {
			s.close(w.ctx, err)
		}
		w.mu.Lock()
		c := w.sets[s.turn%len(w.sets)]
		s.turn++
		c.todo = append(c.todo, b)
		spent(&w.reading, w.clock()-start)
		if err != nil {
			w.busy--
			w.tellAll()
			return
		}
		if woken := w.tell(); len(w.free) == 0 || !woken && !w.readsOn() {
			break
		}
	}
	w.busy--
	w.ready = append(w.ready, s)
	w.news.Add(1)
}

// maxTodo is how many batches wait to be counted before whoever reads helps.
const maxTodo = 2

// readsOn says, with a batch read, whether to read the next as well: if all
// others together count what one reads in less time than that takes, and do not
// lag behind.
func (w *workers) readsOn() bool {
	todo := 0
	for _, c := range w.sets {
		todo += len(c.todo)
	}
	others := len(w.sets) - 1
	return others > 0 && todo <= maxTodo && w.reading > w.counting/time.Duration(others)
}

// clock is the time by the clock that workers share their work by.
func (w *workers) clock() time.Duration {
	if w.o.Elapsed == nil {
		return 0
	}
	return w.o.Elapsed()
}

// spent adds to the time that something took of late.
func spent(sum *time.Duration, d time.Duration) { *sum += d - *sum/64 }

// wantLargest opens packed values only of keys that may enter a list of the largest.
func (w *workers) wantLargest(k *rdbparse.Key, size, alloc int64) bool {
	if w.o.Aggregate.Usage {
		alloc = size
	}
	return w.floors.Beaten(estimate.TypeOf(k), alloc, k.DB, k.Name)
}
