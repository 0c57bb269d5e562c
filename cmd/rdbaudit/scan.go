package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

// errClosedStdout ends the work quietly: nobody reads on.
var errClosedStdout = errors.New("stdout was closed")

// scanFlags say how dumps are read.
type scanFlags struct {
	onError  string
	progress string
	quiet    bool
	jobs     int
}

func (s *scanFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&s.onError, "on-error", "stop", "a value with bad contents: stop there, or skip it and count it")
	fs.StringVar(&s.progress, "progress", "auto", "progress on stderr: auto (a bar on terminals), bar, plain or none")
}

func (s *scanFlags) check() error {
	if s.onError != "stop" && s.onError != "skip" {
		return usageError("--on-error is stop or skip, not %q", s.onError)
	}
	switch s.progress {
	case "auto", "bar", "plain", "none":
		return nil
	}
	return usageError("--progress is auto, bar, plain or none, not %q", s.progress)
}

// dump is an input that is open, and what became of it.
type dump struct {
	in         source.Input
	stream     *source.Stream
	compressed bool
	ahead      *rdbparse.Ahead
	r          *rdbparse.Reader
	config     estimate.Config
	verified   bool
	from       string // how the server line was found
	src        output.Source
	proven     estimate.Limits
	skipped    int64 // values with bad contents
	firstBad   error // the first of them
	read       bool  // at least its head was
	err        error // why reading ended before the end
}

// openDump opens an input and reads its head.
func openDump(e *env, in source.Input, m *modelFlags) (*dump, error) {
	d := &dump{in: in, src: output.Source{Path: in.Path, Size: in.Size, UsedMem: -1, Checksum: "unread"}}
	stream, err := in.Open(e.stdin)
	if err != nil {
		return d, err
	}
	d.stream, d.compressed = stream, stream.Compressed
	d.ahead = rdbparse.ReadAhead(&cancelReader{e.ctx, stream}, false)
	d.r, err = rdbparse.NewReader(d.ahead)
	if err != nil {
		d.close()
		return d, fmt.Errorf("%s: %w", in.Path, err)
	}
	d.read = true
	info := d.r.Info()
	if m != nil {
		d.config, d.verified, d.from = m.resolve(info)
	}
	d.src.Format = info.Format()
	d.src.Server = serverOf(info)
	if v, ok := info.AuxValue("ctime"); ok {
		if n, err := parseInt(v); err == nil {
			d.src.Created = n * 1000
		}
	}
	if v, ok := info.AuxValue("used-mem"); ok {
		if n, err := parseInt(v); err == nil {
			d.src.UsedMem = n
		}
	}
	return d, nil
}

// cancelReader ends reading when the context is done: between two keys is too
// rare to look if a filter lets few through.
type cancelReader struct {
	ctx context.Context
	io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

func (d *dump) close() {
	if d.ahead != nil {
		d.ahead.Close()
		d.ahead = nil
	}
	if d.stream != nil {
		d.stream.Close()
		d.stream = nil
	}
}

// serverOf names the server that wrote a dump, as the dump says: any bytes.
func serverOf(info *rdbparse.Info) string {
	if v, ok := info.AuxValue("valkey-ver"); ok {
		return "valkey " + printable(v)
	}
	if v, ok := info.AuxValue("redis-ver"); ok {
		return "redis " + printable(v)
	}
	return ""
}

// estimator is what turns the dump into records.
func (d *dump) estimator(s *scanFlags, keep func(*rdbparse.Key) bool) *estimate.Estimator {
	return d.estimatorOf(s, keep, d.config)
}

// estimatorOf is estimator under several configurations.
func (d *dump) estimatorOf(s *scanFlags, keep func(*rdbparse.Key) bool, configs ...estimate.Config) *estimate.Estimator {
	est := estimate.New(d.r, configs...)
	est.Keep = func(k *rdbparse.Key) bool {
		d.src.Keys++
		return keep == nil || keep(k)
	}
	if s.onError == "skip" {
		est.OnSkip = func(k *rdbparse.Key, err error) {
			d.skipped++
			if d.firstBad == nil {
				d.firstBad = err
			}
		}
	}
	return est
}

// finish records how reading ended: err is what the estimator said last.
func (d *dump) finish(err error) {
	info := d.r.Info()
	d.src.Offset = d.r.Offset()
	d.src.Bytes = d.r.Offset()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil || errors.Is(err, rdbparse.ErrChecksum) {
		d.src.Checksum = info.Checksum.String()
		if rest := d.rest(); rest != "" {
			d.src.Trailing = rest
		}
	}
	if err == nil && d.firstBad != nil {
		err = fmt.Errorf("%d values with bad contents were skipped, the first at %w", d.skipped, d.firstBad)
	}
	d.src.Functions = info.Functions
	if err != nil {
		d.err = err
		d.src.Error = err.Error()
		var at *rdbparse.Error
		if errors.As(err, &at) && at.Key != nil && d.firstBad == nil && d.src.Keys > 0 {
			d.src.Keys-- // begun, not read
		}
	}
	if d.config.Line != nil && !d.config.Cluster && info.Cluster {
		d.config.Cluster = true
	}
}

// rest says in words what follows the dump.
func (d *dump) rest() string {
	info := d.r.Info()
	if info.Trailing == rdbparse.TrailingNone {
		return ""
	}
	n := int64(-1)
	if d.in.Size >= 0 && d.stream.Stored() <= d.in.Size && d.src.Format != "" {
		if total := d.in.Size - d.r.Offset(); total > 0 && !d.stream.Compressed {
			n = total
		}
	}
	if n < 0 {
		n = d.r.Rest()
	}
	return fmt.Sprintf("%s of %s follow the dump and were not read", output.Count(n)+" bytes", info.Trailing)
}

// damaged says whether the dump ended in an error; AOF tails and the like are none.
func (d *dump) damaged() bool { return d.err != nil }

// dumpTime is the moment of the dumps: the newest ctime, else the newest file time.
func dumpTime(e *env, inputs []source.Input, first *dump) (ms int64, from string) {
	take := func(d *dump) {
		if d.src.Created > ms {
			ms, from = d.src.Created, "dump"
		}
	}
	take(first)
	if len(inputs) > 1 {
		for _, in := range inputs {
			if in.Path == first.in.Path || in.Size < 0 {
				continue // a pipe can be read once only
			}
			if d, err := openDump(e, in, nil); err == nil {
				take(d)
				d.close()
			}
		}
	}
	if ms == 0 {
		for _, in := range inputs {
			if t := in.Time.UnixMilli(); !in.Time.IsZero() && t > ms {
				ms, from = t, "file time"
			}
		}
	}
	if ms == 0 {
		from = "nothing: TTLs are held against 1970"
	}
	return ms, from
}

// batch carries records from the parser to a worker. Its records' names lie in
// names.
type batch struct {
	recs   []estimate.Record
	ends   []int // of the names
	names  []byte
	audits []estimate.Audit
	dump   int64 // bytes that the records take in the dump
}

const (
	batchRecords = 512
	batchNames   = 64 << 10
	batchDump    = 1 << 20 // large keys go on at once: what they raise saves opening others
)

// next is room for a record. It counts once keep was called.
func (b *batch) next() *estimate.Record {
	if len(b.recs) == cap(b.recs) {
		b.recs = slices.Grow(b.recs, batchRecords)
	}
	return &b.recs[:len(b.recs)+1][len(b.recs)]
}

func (b *batch) keep(r *estimate.Record) {
	b.names = append(b.names, r.Key...)
	b.recs = b.recs[:len(b.recs)+1]
	b.ends = append(b.ends, len(b.names))
	b.dump += r.Serialized
	if r.Audit != nil { // which is valid as long as the name
		if b.audits == nil {
			b.audits = make([]estimate.Audit, 0, batchRecords) // never grows: records point into it
		}
		b.audits = append(b.audits, *r.Audit)
		r.Audit = &b.audits[len(b.audits)-1]
	}
}

func (b *batch) full() bool {
	return len(b.recs) >= batchRecords || len(b.names) >= batchNames || b.dump >= batchDump
}

func (b *batch) reset() {
	b.dump = 0
	b.recs, b.ends, b.audits = b.recs[:0], b.ends[:0], b.audits[:0]
	if cap(b.names) > 4*batchNames { // one long name must not be kept for good
		b.names = nil
	}
	b.names = b.names[:0]
}

// workers add records up, each in a set of its own.
type workers struct {
	full, free chan *batch
	sets       []*aggregate.Set
	wait       sync.WaitGroup
	// floors are what a key of each type must beat to be among the largest. A
	// floor only rises, so an old one opens too much, never too little.
	floors      [estimate.NumTypes]atomic.Pointer[aggregate.Floor]
	usage       bool
	tableMemory int64 // of all sets together, 0: the default
}

// newWorkers starts n workers. The memory for tables is theirs together.
func newWorkers(o *aggregate.Options, n int) (*workers, error) {
	w := &workers{full: make(chan *batch, 2*n), free: make(chan *batch, 4*n+2), usage: o.Usage, tableMemory: o.TableMemory}
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
	}
	for range cap(w.free) {
		w.free <- &batch{}
	}
	for _, set := range w.sets {
		w.wait.Add(1)
		go w.work(set)
	}
	return w, nil
}

func (w *workers) work(set *aggregate.Set) {
	defer w.wait.Done()
	for b := range w.full {
		from := 0
		for i := range b.recs {
			b.recs[i].Key = b.names[from:b.ends[i]]
			from = b.ends[i]
		}
		set.AddBatch(b.recs)
		w.raise(set)
		b.reset()
		w.free <- b
	}
}

// raise publishes a set's floors where they are higher than what is known.
func (w *workers) raise(set *aggregate.Set) {
	for t := range w.floors {
		old := w.floors[t].Load()
		f := set.Floor(estimate.Type(t), old)
		if f != nil && f != old && (old == nil || f.N > old.N || f.N == old.N && old.Beaten(f.N, f.DB, f.Key)) {
			w.floors[t].CompareAndSwap(old, f)
		}
	}
}

// end waits for the workers and merges what they have.
func (w *workers) end() (*aggregate.Set, error) {
	close(w.full)
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
	return w.floors[estimate.TypeOf(k)].Load().Beaten(alloc, k.DB, k.Name)
}

// baseName shortens a path for labels.
func baseName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return filepath.Base(path)
}
