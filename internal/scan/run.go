package scan

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

// Options say how dumps are read into a part.
type Options struct {
	How
	Version   string             // of the program
	Aggregate *aggregate.Options // Now is set for each dump
	// Keep gives a reader's own filter on the headers of keys; nil: all pass.
	Keep    func() func(*rdbparse.Key) bool
	Min     int64 // bytes by the measure that a key must have
	SkipBad bool  // values with bad contents are skipped and counted
	Jobs    int   // dumps read side by side, and workers that add up
	Stdin   io.Reader
	// Also makes for each worker who else looks at the records; nil: nobody.
	Also func() func([]estimate.Record)
	// Progress is told of everything that happens to a dump; nil: nobody is.
	Progress *Progress
}

// Progress is how far reading has come. Its methods may be called while it goes on.
type Progress struct {
	mu    sync.Mutex
	open  []*reading
	done  int64 // stored bytes of dumps that have been read
	count int   // of them
}

type reading struct {
	name   string
	stream *source.Stream
}

// Bytes are the stored bytes that have been read.
func (p *Progress) Bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.done
	for _, r := range p.open {
		n += r.stream.Stored()
	}
	return n
}

// Now is how many dumps have been read, and which are being read.
func (p *Progress) Now() (done int, names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.open {
		names = append(names, r.name)
	}
	return p.count, names
}

func (p *Progress) begin(d *Dump) *reading {
	if p == nil {
		return nil
	}
	r := &reading{BaseName(d.In.Path), d.Stream}
	p.mu.Lock()
	p.open = append(p.open, r)
	p.mu.Unlock()
	return r
}

func (p *Progress) end(r *reading) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.count++
	if r != nil {
		p.done += r.stream.Stored()
		p.open = slices.DeleteFunc(p.open, func(o *reading) bool { return o == r })
	}
	p.mu.Unlock()
}

// keepNodes is Estimator.KeepNodes of all dumps being read together.
const keepNodes = 16 << 20

// maxWorkers bounds the sets: each has tables of its own.
const maxWorkers = 8

// Run reads dumps into a part. A dump that cannot be read is a fact of the
// part; the error is of the run: the options, or the context's.
func Run(ctx context.Context, inputs []source.Input, o *Options) (*Part, error) {
	w, err := newWorkers(o.Aggregate, max(1, min(o.Jobs, maxWorkers)))
	if err != nil {
		return nil, err
	}
	if o.Also != nil { // before the first batch
		for range w.sets {
			w.also = append(w.also, o.Also())
		}
	}
	p := &Part{Version: o.Version, How: o.How, Dumps: make([]Facts, len(inputs))}
	side := max(1, min(o.Jobs, len(inputs))) // dumps at a time
	w.keepNodes = keepNodes / int64(side)
	places := make(chan struct{}, side)
	var wait sync.WaitGroup
	for i := range inputs {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() { <-places }()
			p.Dumps[i] = readOne(ctx, inputs[i], int32(i), o, w)
		}()
	}
	wait.Wait()
	if p.Set, err = w.end(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p.unsorted = true
	p.Sort()
	return p, nil
}

// maxLargestKey bounds the name of a dump's largest key.
const maxLargestKey = 256

// readOne feeds one dump's records to the workers.
func readOne(ctx context.Context, in source.Input, index int32, o *Options, w *workers) Facts {
	d, err := Open(ctx, o.Stdin, in, &o.Model)
	if err != nil {
		o.Progress.end(nil)
		return facts(in, err)
	}
	defer d.Close()
	reading := o.Progress.begin(d)
	defer func() { o.Progress.end(reading) }()
	f := Facts{Open: true, Moment: o.Now, MomentFrom: "--now"}
	if !o.NowGiven {
		f.Moment, f.MomentFrom = d.Moment()
	}
	o.audit(&d.Config, f.Moment)
	var keep func(*rdbparse.Key) bool
	if o.Keep != nil {
		keep = o.Keep()
	}
	est := d.Estimator(o.SkipBad, keep)
	est.WantLargest, est.KeepNodes = w.wantLargest, w.keepNodes
	b := <-w.free
	b.moment = f.Moment
	f.Largest = -1
	turn := int(index)
	for {
		rec := b.Next()
		if err = est.Read(rec); err != nil {
			break
		}
		n := o.Aggregate.Measure(rec)
		if o.Min > 0 && n < o.Min {
			continue
		}
		if d.Config.Loaded && rec.ExpiredAt(f.Moment) {
			f.LeftKeys++
			f.LeftByte += n
			continue
		}
		f.Keys++
		f.Bytes += n
		if n >= f.Largest {
			f.offer(n, rec.Key)
		}
		w.floors.Offer(rec, n)
		rec.Source = index
		b.Keep(rec)
		if b.Full() {
			w.send(b, turn)
			turn++
			b = <-w.free
			b.moment = f.Moment
			if ctx.Err() != nil {
				break
			}
		}
	}
	w.send(b, turn)
	d.Proven = est.Proven()
	if ctx.Err() == nil {
		d.Finish(err)
		f.of(d, o)
	}
	return f
}

// offer keeps the name of the largest key, of equals the first by name.
func (f *Facts) offer(n int64, key []byte) {
	key = key[:min(len(key), maxLargestKey)]
	if n > f.Largest || bytes.Compare(key, f.LargestKey) < 0 {
		f.Largest, f.LargestKey = n, append(f.LargestKey[:0], key...)
	}
}

// of notes what is known of a dump once it has been read.
func (f *Facts) of(d *Dump, o *Options) {
	info := d.R.Info()
	f.Source, f.Proven, f.Verified, f.From = d.Src, d.Proven, d.Verified, d.From
	f.Line, f.Cluster = d.Config.Line.Name, d.Config.Cluster
	f.ReplID, _ = info.AuxValue("repl-id")
	f.Modules = info.ModuleAux
	name := f.Name()
	warn := func(format string, args ...any) { f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { f.Notes = append(f.Notes, fmt.Sprintf(format, args...)) }
	if d.Err != nil {
		warn("%s", d.Damage())
	}
	for _, say := range d.Src.Remarks() {
		warn("%s: %s", name, say)
	}
	if why := d.Config.Line.Refuses(info); why != "" {
		warn("%s: %s and would refuse to load it; the figures say what it would hold if it did", name, why)
	}
	if !d.Verified {
		warn("%s: no line of its own for this server; the sizes are those of %s (%s), not verified", name, d.Config.Line.Name, d.From)
	}
	if info.Foreign > 0 {
		warn("%s: %s records of another vendor were skipped", name, output.Count(info.Foreign))
	}
	if f.LeftKeys > 0 {
		note("%s: %s keys had expired by the dump's moment (%s); a primary leaves them out when it loads, and so do these sums",
			name, output.Count(f.LeftKeys), output.Bytes(f.LeftByte))
	}
	if info.Functions > 0 {
		note("%s holds %d libraries of functions, %s of source; what their engine takes is not in the sums.", name, info.Functions, output.Bytes(info.FunctionBytes))
	}
	if len(info.ModuleAux) > 0 {
		note("%s holds data of modules outside of keys: %s.", name, strings.Join(info.ModuleAux, ", "))
	}
}

// workers add records up, each in a set of its own.
type workers struct {
	full        []chan *Batch // by worker
	free        chan *Batch
	sets        []*aggregate.Set
	also        []func([]estimate.Record) // by worker: who else looks at the records; nil: nobody
	wait        sync.WaitGroup
	floors      *aggregate.Floors // of what all readers have seen
	usage       bool
	keepNodes   int64 // Estimator.KeepNodes of each
	tableMemory int64 // of all sets together, 0: the default
}

// newWorkers starts n workers. The memory for tables is theirs together.
func newWorkers(o *aggregate.Options, n int) (*workers, error) {
	w := &workers{free: make(chan *Batch, 4*n+2), floors: aggregate.NewFloors(o), usage: o.Usage, tableMemory: o.TableMemory}
	share := *o
	if share.TableMemory > 0 {
		share.TableMemory /= int64(n)
	} else {
		share.TableMemory = 64 << 20 / int64(n)
	}
	for range n {
		set, err := aggregate.NewSet(&share)
		if err != nil {
			return nil, err
		}
		w.sets = append(w.sets, set)
		w.full = append(w.full, make(chan *Batch, 3))
	}
	for range cap(w.free) {
		w.free <- &Batch{}
	}
	for i := range w.sets {
		w.wait.Add(1)
		go w.work(i)
	}
	return w, nil
}

// send gives a batch to the worker whose turn it is, not to whoever is free:
// where tables are full, what is folded depends on who has counted what, and a
// report of one dump is to be the same each time.
func (w *workers) send(b *Batch, turn int) { w.full[turn%len(w.full)] <- b }

func (w *workers) work(i int) {
	defer w.wait.Done()
	set := w.sets[i]
	for b := range w.full[i] {
		set.SetMoment(b.moment)
		records := b.Records()
		set.AddBatch(records)
		if w.also != nil {
			w.also[i](records)
		}
		b.Reset()
		w.free <- b
	}
}

// end waits for the workers and merges what they have.
func (w *workers) end() (*aggregate.Set, error) {
	for _, full := range w.full {
		close(full)
	}
	w.wait.Wait()
	w.sets[0].SetTableMemory(w.tableMemory) // as the others are merged into it
	for _, set := range w.sets[1:] {
		if err := w.sets[0].Merge(set); err != nil {
			return nil, err
		}
	}
	return w.sets[0], nil
}

// wantLargest opens packed values only of keys that may enter a list of the largest.
func (w *workers) wantLargest(k *rdbparse.Key, size, alloc int64) bool {
	if w.usage {
		alloc = size
	}
	return w.floors.Beaten(estimate.TypeOf(k), alloc, k.DB, k.Name)
}
