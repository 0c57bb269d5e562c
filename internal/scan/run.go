package scan

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

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
	Jobs    int   // dumps read side by side, and workers that add up or read a file together
	Section int64 // bytes of a file that a worker reads at a time where several read one; 0: as suits it
	Stdin   io.Reader
	// Also makes for each worker who else looks at the records; nil: nobody.
	Also func() func([]estimate.Record)
	// Elapsed is a clock that runs, by which workers share the work, and nothing
	// else comes of it; nil: they do without.
	Elapsed func() time.Duration
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
	w, err := newWorkers(ctx, inputs, o)
	if err != nil {
		return nil, err
	}
	set, err := w.run()
	if err != nil {
		return nil, err
	}
	p := &Part{Version: o.Version, How: o.How, Dumps: w.facts, Set: set, unsorted: true}
	p.Sort()
	return p, nil
}

// maxLargestKey bounds the name of a dump's largest key.
const maxLargestKey = 256

// stream is a dump that is being read into batches, by one worker at a time or in
// sections, of each of which a stream with facts of its own is made.
type stream struct {
	o       *Options
	index   int32
	d       *Dump
	est     *estimate.Estimator
	f       *Facts
	floors  *aggregate.Floors
	reading *reading
	turn    int       // of the next batch
	split   *sections // nil: it is read by one worker at a time
	census  *census   // of what is read, if est.Keep does not see it
}

// open opens a dump; nil: it cannot be read.
func (w *workers) open(index int) *stream {
	o, in, f := w.o, w.inputs[index], &w.facts[index]
	// As many dumps as workers leave nobody to help.
	d, split, err := open(w.ctx, o.Stdin, in, &o.Model, helpers{len(w.sets) > w.side, w.side == 1 && !o.SkipBad, o.Section})
	if err != nil {
		o.Progress.end(nil)
		*f = facts(in, err)
		return nil
	}
	*f = Facts{Open: true, Moment: o.Now, MomentFrom: "--now", Largest: -1}
	if !o.NowGiven {
		f.Moment, f.MomentFrom = d.Moment()
	}
	o.audit(&d.Config, f.Moment)
	var keep func(*rdbparse.Key) bool
	if o.Keep != nil {
		keep = o.Keep()
	}
	s := &stream{o: o, index: int32(index), d: d, f: f, floors: w.floors, reading: o.Progress.begin(d), turn: index}
	s.est = d.Estimator(o.SkipBad, keep)
	s.est.WantLargest, s.est.KeepNodes = w.wantLargest, w.keepNodes
	if s.split = split; split != nil {
		split.s, split.workers = s, len(w.sets)
	}
	return s
}

// fill reads records until the batch is full, and reports how reading ended if it did.
func (s *stream) fill(b *Batch) error {
	o, f := s.o, s.f
	b.moment = f.Moment
	for !b.Full() {
		rec := b.Next()
		if err := s.est.Read(rec); err != nil {
			return err
		}
		if s.census != nil {
			s.census.add(rec.DB, rec.Expiry != estimate.NoExpiry)
		}
		n := o.Aggregate.Measure(rec)
		if o.Min > 0 && n < o.Min {
			continue
		}
		if s.d.Config.Loaded && rec.ExpiredAt(f.Moment) {
			f.LeftKeys++
			f.LeftByte += n
			continue
		}
		f.Keys++
		f.Bytes += n
		if n >= f.Largest {
			f.offer(n, rec.Key)
		}
		if s.floors.Beaten(rec.Type, n, rec.DB, rec.Key) {
			b.large = append(b.large, int32(b.Len()))
		}
		rec.Source = s.index
		b.Keep(rec)
	}
	return nil
}

// close lets go of the dump, all of which was read as the error says.
func (s *stream) close(ctx context.Context, err error) {
	s.d.Proven.Raise(s.est.Proven())
	if ctx.Err() == nil {
		s.d.Finish(err)
		s.f.of(s.d, s.o)
	}
	s.o.Progress.end(s.reading)
	s.d.Close()
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
