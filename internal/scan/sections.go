package scan

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"rdbaudit/estimate"
	"rdbaudit/rdbparse"
)

// sections is a file that all workers read at once, each a section of it in
// turn. Where a section begins is guessed; whoever has read one waits until the one
// before has been read, and reads it again if that did not end where this one
// began. Then it counts what it has read in its own set. So nothing but where
// a section ends goes from one worker to another, and what they count does not
// depend on who was faster, nor on what was guessed.
type sections struct {
	s       *stream
	base    *rdbparse.Reader // which is before the first key
	in      io.ReaderAt
	size    int64 // of a section, about
	record  int64 // of a key's record, about
	workers int

	done atomic.Int64 // sections that are certain
	over atomic.Bool  // there is no more to read

	mu      sync.Mutex // guards what follows
	changed *sync.Cond // done or over
	starts  map[int64]start

	latest rdbparse.Place // copy of place

	// What the sections that are certain have said: only who reads the next
	// may touch it.
	place rdbparse.Place // behind them
	sum   rdbparse.Sum   // of all bytes before that
	info  rdbparse.Info
	err   error // how reading ended

	inside int // workers; workers.mu guards it
}

// start is where a section begins, most likely.
type start struct {
	at    int64
	known bool
}

const (
	// sectionKeys is how many keys a section should have: their records are to stay
	// in the cache of a processor until they are counted.
	sectionKeys = 2048
	minSection  = 64 << 10
	maxSection  = 1 << 20
	// leastSections is how many sections a file must have to be read so.
	leastSections = 16
	// largeRecord is the mean size from which on a dump is read by one: where
	// values are large, little can be guessed, and little is to be gained.
	largeRecord = 4 << 10
	// sectionPatience is patience where another worker is about to finish a section:
	// a millisecond, in which one is read.
	sectionPatience = 16 * patience
	// maxSectionBatches bounds what is read before it is counted.
	maxSectionBatches = 4 * sectionKeys / batchRecords
)

// cancelReaderAt ends reading when the context is done.
type cancelReaderAt struct {
	ctx context.Context
	io.ReaderAt
}

func (c *cancelReaderAt) ReadAt(p []byte, at int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.ReaderAt.ReadAt(p, at)
}

// sectioned says how a file of so many bytes is to be read in sections, nil if
// it is not. size is that of a section, 0 for what suits the file. The Reader is
// before the first key then.
func sectioned(ctx context.Context, in io.ReaderAt, bytes, size int64) (*rdbparse.Reader, *sections) {
	at := &cancelReaderAt{ctx, in}
	r, err := rdbparse.NewReader(io.NewSectionReader(at, 0, bytes))
	if err != nil {
		return nil, nil
	}
	place, err := r.Begin()
	keys := int64(min(r.Announced(), 1<<40))
	if err != nil || keys == 0 || r.Info().Cluster {
		return nil, nil
	}
	x := &sections{base: r, in: at, size: size, record: max(bytes/keys, 1), place: place, latest: place, info: *r.Info(), starts: make(map[int64]start)}
	if x.record >= largeRecord {
		return nil, nil
	}
	if x.size <= 0 {
		x.size = min(max(x.record*sectionKeys, minSection), maxSection)
		if !x.guessable(bytes) {
			return nil, nil
		}
	}
	if bytes < leastSections*x.size {
		return nil, nil
	}
	x.sum = r.Sum()
	x.changed = sync.NewCond(&x.mu)
	return r, x
}

// guessable says whether most of some guesses tell where a record begins, in a
// file of so many bytes.
func (x *sections) guessable(bytes int64) bool {
	g := rdbparse.NewGuesser(x.base, x.in, x.record)
	known := 0
	for i := range int64(leastSections) {
		if _, ok := g.After(bytes / leastSections * i); ok {
			known++
		}
	}
	return known > leastSections/2
}

// sectionReader reads sections for one worker.
type sectionReader struct {
	x     *sections
	st    stream // with facts of a section
	f     Facts
	c     census
	r     *rdbparse.Reader
	guess *rdbparse.Guesser
	sum   rdbparse.Sum
	list  []*Batch // what was read, in the first used of them
	used  int
}

func (x *sections) reader() *sectionReader {
	s := x.s
	q := &sectionReader{x: x, st: *s, r: x.base.Fork(x.in), guess: rdbparse.NewGuesser(x.base, x.in, x.record)}
	q.st.f = &q.f
	q.st.est = estimate.New(q.r, s.d.Config)
	if q.st.census = &q.c; s.o.Keep != nil {
		keep := s.o.Keep()
		q.st.est.Keep = func(k *rdbparse.Key) bool {
			q.c.add(k.DB, k.Expiry != rdbparse.NoExpiry)
			return keep(k)
		}
		q.st.census = nil
	}
	q.st.est.WantLargest, q.st.est.KeepNodes = s.est.WantLargest, s.est.KeepNodes/int64(x.workers)
	return q
}

// work reads every so many-th section from the me-th on, and counts it in c,
// until all is read.
func (x *sections) work(me int, c *counter) {
	q := x.reader()
	for i := int64(me); ; i += int64(x.workers) {
		end, certain, err := q.section(i)
		if !certain {
			return
		}
		if end {
			x.conclude(q.r, err)
			x.over.Store(true)
		} else {
			x.done.Add(1)
		}
		x.mu.Lock()
		x.changed.Broadcast()
		x.mu.Unlock()
		q.count(c)
		if end {
			return
		}
	}
}

// conclude makes the Reader that has read last that of the dump, and notes how
// reading ended.
func (x *sections) conclude(r *rdbparse.Reader, err error) {
	if said := r.Conclude(x.info, x.sum); errors.Is(err, io.EOF) {
		err = said
	}
	x.s.d.R, x.err = r, err
}

// section reads the i-th section, and reports whether it was the last one, with
// how reading ended; certain is false if the dump has no such section.
func (q *sectionReader) section(i int64) (end, certain bool, err error) {
	x := q.x
	from, until := x.start(q.guess, i), x.start(q.guess, i+1)
	if !until.known {
		until.at = max(until.at, from.at) // to the first record from there on
	}
	var guessed rdbparse.Place
	read := from.known && x.done.Load() != i
	if read {
		x.mu.Lock()
		guessed = x.latest.At(from.at)
		x.mu.Unlock()
		end, err = q.read(guessed, until.at)
	}
	if !x.await(i) {
		return false, false, nil
	}
	if !read || !guessed.Equal(&x.place) {
		end, err = q.read(x.place, until.at)
	}
	q.accept()
	x.forget(i)
	return end, true, err
}

// read reads a section, and reports whether reading ended.
func (q *sectionReader) read(from rdbparse.Place, until int64) (end bool, err error) {
	q.used = 0
	q.f = Facts{Moment: q.x.s.f.Moment, Largest: -1}
	q.c.reset()
	q.st.est.Forget()
	q.r.Section(from, until)
	defer func() { q.sum = q.r.Sum() }() // here, as nobody waits for it
	for q.used < maxSectionBatches {
		if q.used == len(q.list) {
			q.list = append(q.list, &Batch{})
		}
		b := q.list[q.used]
		b.Reset()
		q.used++
		if err := q.st.fill(b); errors.Is(err, rdbparse.ErrUntil) {
			return false, nil
		} else if err != nil {
			var at *rdbparse.Error
			if q.st.census != nil && errors.As(err, &at) && at.Key != nil {
				q.c.keys++ // begun
			}
			return true, err
		}
	}
	return false, nil
}

// accept counts what the section has said of the dump.
func (q *sectionReader) accept() {
	x := q.x
	d, f := x.s.d, x.s.f
	x.sum = x.sum.Then(q.sum)
	x.info.Add(q.r.Info())
	x.place = q.r.Place()
	x.mu.Lock()
	x.latest = x.place
	x.mu.Unlock()
	d.census.take(&q.c)
	d.Src.Keys = d.census.keys
	d.Proven.Raise(q.st.est.Proven())
	f.Keys += q.f.Keys
	f.Bytes += q.f.Bytes
	f.LeftKeys += q.f.LeftKeys
	f.LeftByte += q.f.LeftByte
	if q.f.Largest >= 0 && q.f.Largest >= f.Largest {
		f.offer(q.f.Largest, q.f.LargestKey)
	}
	if more := x.place.Offset - d.Stream.Stored(); more > 0 {
		d.Stream.Tell(more)
	}
}

// count counts the records of the section.
func (q *sectionReader) count(c *counter) {
	for _, b := range q.list[:q.used] {
		b.count(c, q.st.floors, q.st.o)
	}
}

// start is where the i-th section begins. It depends on nothing but the dump.
func (x *sections) start(g *rdbparse.Guesser, i int64) start {
	x.mu.Lock()
	s, ok := x.starts[i]
	x.mu.Unlock()
	if ok {
		return s
	}
	if s.at = i * x.size; i > 0 {
		if at, ok := g.After(s.at); ok {
			s = start{at, true}
		}
	}
	x.mu.Lock()
	x.starts[i] = s
	x.mu.Unlock()
	return s
}

// forget lets go of where sections begin that nobody asks for any more.
func (x *sections) forget(i int64) {
	x.mu.Lock()
	delete(x.starts, i)
	x.mu.Unlock()
}

// await waits until all sections before the i-th are certain, and reports
// whether there is one.
func (x *sections) await(i int64) bool {
	for range sectionPatience {
		if x.done.Load() == i || x.over.Load() {
			break
		}
		runtime.Gosched()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.done.Load() != i && !x.over.Load() {
		x.changed.Wait()
	}
	return !x.over.Load()
}
