package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// Beam finds types and functions by registration, which it wants at start; a
// worker is this same program.
func init() {
	beam.RegisterType(reflect.TypeFor[Dump]())
	beam.RegisterType(reflect.TypeFor[Bad]())
	beam.RegisterType(reflect.TypeFor[Job]())
	// Without a coder Beam writes the exported fields of a type as a row: of a
	// sum that has none, nothing, and nobody would be told.
	beam.RegisterCoder(reflect.TypeFor[*sums](), encodeSums, decodeSums)
	register.DoFn4x1[context.Context, Dump, func(string, []byte), func(Bad), error](&readFn{})
	register.Emitter2[string, []byte]()
	register.Emitter1[Bad]()
	register.Combiner3[*sums, []byte, []byte](&mergeFn{})
	register.DoFn3x1[context.Context, string, []byte, error](&writeFn{})
	register.DoFn3x1[context.Context, []byte, func(*Bad) bool, error](&badFn{})
	register.Iter1[Bad]()
	register.Function2x1(shareOut)
	register.Function1x2(allOf)
}

// Job is what the pipeline does with each dump: all workers have it, as JSON.
type Job struct {
	How       scan.How
	Aggregate aggregate.Options
	SkipBad   bool
	Version   string
	Max       int64 // maxmemory, 0: nobody said
	Policy    string
	Samples   int
	Pool      int    // dumps that a bundle reads side by side
	Keys      bool   // rows per key too
	Output    string // where all of it goes
	Formats   []string
}

// Dump is an element of the list.
type Dump struct {
	Index   int
	Cluster string
	Path    string // as reports show it
	Open    string `json:",omitempty"` // as it is opened if that is another: with the signature of a URL
	Size    int64  // -1: unknown
}

// Bad is a dump that could not be read, or not to its end.
type Bad struct {
	Cluster string
	Path    string
	Error   string
	Keys    int64 // that were read nevertheless
}

// byCost puts the dumps that take longest first: one that comes last would be
// waited for alone.
func byCost(list []Dump) {
	slices.SortStableFunc(list, func(a, b Dump) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Path, b.Path))
	})
}

// build is the pipeline.
func build(s beam.Scope, job Job, dumps []Dump) {
	list := beam.CreateList(s.Scope("List"), dumps)
	// Else a runner may fuse all up to here into one bundle on one worker.
	list = beam.Reshuffle(s, list)
	parts, bad := beam.ParDo2(s.Scope("Read"), &readFn{Job: job}, list)
	clusters := beam.CombinePerKey(s.Scope("Cluster"), &mergeFn{TableMemory: job.Aggregate.TableMemory}, parts)
	// Merging is associative: the fleet is the sum of its clusters.
	fleet := beam.Combine(s.Scope("Fleet"), &mergeFn{TableMemory: job.Aggregate.TableMemory}, beam.ParDo(s, shareOut, clusters))
	beam.ParDo0(s.Scope("WriteCluster"), &writeFn{Job: job, Clusters: true}, clusters)
	beam.ParDo0(s.Scope("WriteFleet"), &writeFn{Job: job}, beam.ParDo(s, allOf, fleet))
	beam.ParDo0(s.Scope("WriteUnreadable"), &badFn{Job: job}, beam.Impulse(s), beam.SideInput{Input: bad})
}

func shareOut(_ string, part []byte) []byte { return part }

func allOf(part []byte) (string, []byte) { return "", part }

// readFn makes a part of a dump. What cannot be read is told, and is a fact of
// the part; an error is worth another try: output that could not be written.
type readFn struct {
	Job Job

	stores *source.Stores // one for all dumps: clients are kept

	mu    sync.Mutex
	done  []readDump
	err   error
	wait  sync.WaitGroup
	place chan struct{}
}

type readDump struct {
	cluster string
	part    []byte
	bad     []Bad
	keys    int64
	bytes   int64
	opened  int
}

var (
	counted = beam.NewCounter("rdbaudit", "dumps")
	unread  = beam.NewCounter("rdbaudit", "dumps_not_opened")
	badOnes = beam.NewCounter("rdbaudit", "dumps_bad")
	keysIn  = beam.NewCounter("rdbaudit", "keys")
	bytesIn = beam.NewCounter("rdbaudit", "bytes_read")
	sizes   = beam.NewDistribution("rdbaudit", "part_bytes")
)

// Setup comes once for many bundles.
func (f *readFn) Setup() { f.stores = &source.Stores{} }

// StartBundle makes room for the pool. Prism hardly runs elements side by
// side, so the bundle does; Flink and Dataflow want one at a time.
func (f *readFn) StartBundle(ctx context.Context, _ func(string, []byte), _ func(Bad)) error {
	f.place = make(chan struct{}, max(1, f.Job.Pool))
	f.done, f.err = nil, nil
	return nil
}

// ProcessElement begins to read a dump, and passes on what was read meanwhile.
func (f *readFn) ProcessElement(ctx context.Context, d Dump, part func(string, []byte), bad func(Bad)) error {
	f.place <- struct{}{}
	f.wait.Add(1)
	read := func() {
		defer f.wait.Done()
		defer func() { <-f.place }()
		r, err := f.Job.read(ctx, f.stores, d)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err != nil {
			f.err = cmp.Or(f.err, err)
		} else {
			f.done = append(f.done, r)
		}
	}
	if cap(f.place) > 1 {
		go read()
	} else {
		read()
	}
	return f.emit(ctx, part, bad)
}

// FinishBundle waits for the rest.
func (f *readFn) FinishBundle(ctx context.Context, part func(string, []byte), bad func(Bad)) error {
	f.wait.Wait()
	return f.emit(ctx, part, bad)
}

func (f *readFn) emit(ctx context.Context, part func(string, []byte), bad func(Bad)) error {
	f.mu.Lock()
	done, err := f.done, f.err
	f.done = nil
	f.mu.Unlock()
	for _, r := range done {
		counted.Inc(ctx, 1)
		keysIn.Inc(ctx, r.keys)
		bytesIn.Inc(ctx, r.bytes)
		sizes.Update(ctx, int64(len(r.part)))
		if r.opened == 0 {
			unread.Inc(ctx, 1)
		}
		for _, b := range r.bad {
			badOnes.Inc(ctx, 1)
			bad(b)
		}
		part(r.cluster, r.part)
	}
	return err
}

// read makes the part of one dump.
func (j *Job) read(ctx context.Context, stores *source.Stores, d Dump) (readDump, error) {
	inputs := stores.Expand(ctx, []string{cmp.Or(d.Open, d.Path)})
	opts := j.Aggregate
	o := &scan.Options{How: j.How, Version: j.Version, Aggregate: &opts, SkipBad: j.SkipBad, Jobs: 1, Stdin: bytes.NewReader(nil)}
	var rows *keyRows
	if j.Keys {
		var err error
		if rows, err = newKeyRows(&opts, d.Path); err != nil {
			return readDump{}, err
		}
		defer rows.remove()
		o.Also = func() func([]estimate.Record) { return rows.add }
	}
	p, err := scan.Run(ctx, inputs, o)
	if err != nil {
		return readDump{}, err
	}
	r := readDump{cluster: d.Cluster, opened: p.Read()}
	for i := range p.Dumps {
		f := &p.Dumps[i]
		r.keys += f.Keys
		r.bytes += f.Source.Bytes
		if f.Damaged() {
			r.bad = append(r.bad, Bad{d.Cluster, f.Source.Path, f.Source.Error, f.Keys})
		}
	}
	if rows != nil && p.Read() > 0 {
		if err := rows.save(ctx, stores, j.Output, d, p.Dumps[0].Moment); err != nil {
			return readDump{}, err
		}
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return readDump{}, err
	}
	r.part = b.Bytes()
	return r, nil
}

// sums is a part that is being merged into; without one it is empty.
type sums struct {
	part   *scan.Part
	memory int64 // for its tables
}

// encodeSums writes the memory for tables in a line of its own, then the part.
func encodeSums(s *sums) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", s.memory)
	if s.part != nil {
		if err := s.part.Write(&b); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func decodeSums(b []byte) (*sums, error) {
	head, rest, ok := bytes.Cut(b, []byte("\n"))
	s := &sums{}
	if _, err := fmt.Sscan(string(head), &s.memory); err != nil || !ok {
		return nil, errors.New("not what encodeSums writes")
	}
	return s, s.add(rest)
}

// add merges an encoded part.
func (s *sums) add(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	p, err := scan.ReadPart(bytes.NewReader(b), s.memory)
	if err != nil {
		return err
	}
	return s.merge(p)
}

func (s *sums) merge(p *scan.Part) error {
	if s.part == nil {
		s.part = p
		return nil
	}
	return s.part.Merge(p)
}

// mergeFn merges parts. Elements are bytes, not parts: a runner may hand the
// same element to two steps, and merging changes what it merges into.
type mergeFn struct{ TableMemory int64 }

func (f *mergeFn) CreateAccumulator() *sums { return &sums{memory: f.TableMemory} }

func (f *mergeFn) AddInput(s *sums, part []byte) (*sums, error) { return s, s.add(part) }

func (f *mergeFn) MergeAccumulators(a, b *sums) (*sums, error) {
	if b.part == nil {
		return a, nil
	}
	return a, a.merge(b.part)
}

func (f *mergeFn) ExtractOutput(s *sums) ([]byte, error) {
	if s.part == nil {
		return nil, nil
	}
	var b bytes.Buffer
	err := s.part.Write(&b)
	return b.Bytes(), err
}

// writeFn writes a part and its reports. Done again, it writes the same.
type writeFn struct {
	Job      Job
	Clusters bool
}

func (f *writeFn) ProcessElement(ctx context.Context, cluster string, part []byte) error {
	if len(part) == 0 {
		return nil
	}
	dir := "fleet"
	if f.Clusters {
		dir = "clusters/" + folder("cluster", cluster)
	}
	return f.Job.write(ctx, &source.Stores{}, join(f.Job.Output, dir), part)
}

func (j *Job) write(ctx context.Context, stores *source.Stores, dir string, part []byte) error {
	if err := create(ctx, stores, join(dir, "part.rdbaudit"), func(w writer) error { _, err := w.Write(part); return err }); err != nil {
		return err
	}
	p, err := scan.ReadPart(bytes.NewReader(part), j.Aggregate.TableMemory)
	if err != nil {
		return err
	}
	if p.Read() == 0 {
		return nil // as rdbaudit: no report of nothing; unreadable.csv says why
	}
	rep, _ := p.Report(&scan.View{Version: j.Version, Max: j.Max, Policy: j.Policy, Samples: j.Samples})
	for _, name := range j.Formats {
		format, ok := output.FormatByName(name)
		if !ok {
			return fmt.Errorf("no format is called %q", name)
		}
		if err := create(ctx, stores, join(dir, "report"+format.Ext), func(w writer) error { return format.Write(w, rep) }); err != nil {
			return err
		}
	}
	return nil
}

// badFn lists the dumps that could not be read, or not to their end.
type badFn struct{ Job Job }

func (f *badFn) ProcessElement(ctx context.Context, _ []byte, next func(*Bad) bool) error {
	var list []Bad
	var b Bad
	for next(&b) {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b Bad) int { return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Path, b.Path)) })
	return create(ctx, &source.Stores{}, join(f.Job.Output, "unreadable.csv"), func(w writer) error { return writeBad(w, list) })
}

// keyRows writes a row for each key into a file beside, which is put in its
// place when the dump's moment is known.
type keyRows struct {
	file    *os.File
	w       output.KeyWriter
	p       *aggregate.Patterner
	source  string
	pattern []byte
	err     error
}

func newKeyRows(o *aggregate.Options, source string) (*keyRows, error) {
	p, err := aggregate.NewPatterner(o)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "rdbaudit-keys-*.parquet")
	if err != nil {
		return nil, err
	}
	w, err := output.NewKeyWriter(file, output.KeyOptions{Format: "parquet"})
	return &keyRows{file: file, w: w, p: p, source: source}, err
}

func (k *keyRows) add(records []estimate.Record) {
	for i := range records {
		if k.err != nil {
			return
		}
		var owner string
		k.pattern, owner = k.p.AppendOwned(k.pattern[:0], records[i].Key)
		k.err = k.w.Add(&records[i], k.pattern, owner, k.source)
	}
}

func (k *keyRows) save(ctx context.Context, stores *source.Stores, prefix string, d Dump, moment int64) error {
	if err := cmp.Or(k.err, k.w.Close()); err != nil {
		return err
	}
	if _, err := k.file.Seek(0, 0); err != nil {
		return err
	}
	date := time.UnixMilli(moment).UTC().Format("2006-01-02")
	name := fmt.Sprintf("%05d-%s.parquet", d.Index, plainName(filepath.Base(d.Path)))
	return create(ctx, stores, join(prefix, "keys", folder("cluster", d.Cluster), "date="+date, name), func(w writer) error {
		_, err := k.file.WriteTo(w)
		return err
	})
}

func (k *keyRows) remove() {
	k.file.Close()
	os.Remove(k.file.Name())
}
