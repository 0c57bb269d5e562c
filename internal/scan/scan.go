// Package scan reads dumps and makes of them what a report is made of: a
// [Part], which can be merged with others, written and read again. It is what
// the command and whatever runs it over a fleet have in common; flags,
// progress bars and exit statuses are the command's.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

// Dump is an input that is open, and what became of it.
type Dump struct {
	In         source.Input
	Stream     *source.Stream
	Compressed bool
	ahead      io.ReadCloser    // what R reads
	shared     *rdbparse.Shared // the same, if others may help to read it; else nil
	R          *rdbparse.Reader
	Config     estimate.Config
	Verified   bool
	From       string // how the server line was found
	mode       bool   // Config.Cluster was given
	Src        output.Source
	Proven     estimate.Limits
	census     census
	badKey     int64 // which of the keys was bad last
	Skipped    int64 // values with bad contents
	FirstBad   error // the first of them
	Err        error // why reading ended before the end
}

// Open opens an input and reads its head. model nil leaves Config empty.
func Open(ctx context.Context, stdin io.Reader, in source.Input, model *Model) (*Dump, error) {
	d, _, err := open(ctx, stdin, in, model, helpers{})
	return d, err
}

// helpers say who there is to read a dump.
type helpers struct {
	help     bool  // somebody reads ahead when there is nothing better to do
	together bool  // all may read it at once
	section  int64 // Options.Section
}

// open is Open. Where nobody helps to read, a goroutine reads ahead.
func open(ctx context.Context, stdin io.Reader, in source.Input, model *Model, by helpers) (*Dump, *sections, error) {
	d := &Dump{In: in, Src: output.Source{Path: in.Path, Size: in.Size, UsedMem: -1, Checksum: "unread"}}
	stream, err := in.Open(ctx, stdin)
	if err != nil {
		return d, nil, err
	}
	d.Stream, d.Compressed = stream, stream.Compressed
	var split *sections
	if by.help && by.together && stream.Local {
		d.R, split = sectioned(ctx, stream.At(), in.Size, by.section)
	}
	if split == nil {
		if by.help && stream.Local {
			d.shared = rdbparse.Share(&cancelReader{ctx, stream})
			d.ahead = d.shared
		} else {
			d.ahead = rdbparse.ReadAhead(&cancelReader{ctx, stream}, false)
		}
		if d.R, err = rdbparse.NewReader(d.ahead); err != nil {
			d.Close()
			return d, nil, fmt.Errorf("%s: %w", in.Path, err)
		}
	}
	info := d.R.Info()
	if model != nil {
		d.Config, d.Verified, d.From = model.Resolve(info)
		d.mode = model.clusterGiven()
	}
	d.Src.Format = info.Format()
	d.Src.Server = serverOf(info)
	if v, ok := info.AuxValue("ctime"); ok {
		if n, err := parseInt(v); err == nil {
			d.Src.Created = n * 1000
		}
	}
	if v, ok := info.AuxValue("used-mem"); ok {
		if n, err := parseInt(v); err == nil {
			d.Src.UsedMem = n
		}
	}
	return d, split, nil
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(strings.TrimSpace(s), 10, 64) }

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

// Close lets go of the input; what was read of it stays.
func (d *Dump) Close() {
	if d.ahead != nil {
		d.ahead.Close()
		d.ahead = nil
	}
	if d.Stream != nil {
		d.Stream.Close()
		d.Stream = nil
	}
}

// serverOf names the server that wrote a dump, as the dump says: any bytes.
func serverOf(info *rdbparse.Info) string {
	if v, ok := info.AuxValue("valkey-ver"); ok {
		return "valkey " + output.Printable(v)
	}
	if v, ok := info.AuxValue("redis-ver"); ok {
		return "redis " + output.Printable(v)
	}
	return ""
}

// Estimator is what turns the dump into records, under several configurations
// if they are given. Bad values are skipped and counted if skipBad says so.
func (d *Dump) Estimator(skipBad bool, keep func(*rdbparse.Key) bool, configs ...estimate.Config) *estimate.Estimator {
	if len(configs) == 0 {
		configs = []estimate.Config{d.Config}
	}
	est := estimate.New(d.R, configs...)
	est.Keep = func(k *rdbparse.Key) bool {
		d.Count(k)
		return keep == nil || keep(k)
	}
	if skipBad {
		est.OnSkip = func(_ *rdbparse.Key, err error) { d.Bad(err) }
	}
	return est
}

// Finish records how reading ended: err is what the estimator said last.
func (d *Dump) Finish(err error) {
	info := d.R.Info()
	d.Src.Offset = d.R.Offset()
	d.Src.Bytes = d.R.Offset()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil || errors.Is(err, rdbparse.ErrChecksum) {
		d.Src.Checksum = info.Checksum.String()
		if rest := d.rest(); rest != "" {
			d.Src.Trailing = rest
		}
	}
	d.Src.Announced = d.announced()
	d.Src.Functions = info.Functions
	var at *rdbparse.Error
	if errors.As(err, &at) && at.Key != nil && d.Src.Keys > 0 {
		d.Src.Keys-- // begun, not read
	}
	if d.FirstBad != nil {
		bad := fmt.Errorf("%s, the first at %w", badValues(d.Skipped), d.FirstBad)
		if err != nil {
			bad = fmt.Errorf("%w; %w", err, bad)
		}
		err = bad
	}
	if err != nil {
		d.Err, d.Src.Error = err, err.Error()
	}
	if d.Config.Line != nil && info.Cluster && !d.mode {
		d.Config.Cluster = true
	}
}

// Damaged says whether the dump ended in an error; AOF tails and the like are none.
func (d *Dump) Damaged() bool { return d.Err != nil }

// Moment is what TTLs and ages of the dump are held against: when it was
// made, else when its file was last written, and which of these it is.
func (d *Dump) Moment() (ms int64, from string) {
	switch {
	case d.Src.Created > 0:
		return d.Src.Created, "dump"
	case !d.In.Time.IsZero() && d.In.Time.UnixMilli() > 0:
		return d.In.Time.UnixMilli(), "file time"
	}
	return 0, "nothing: TTLs are held against 1970"
}

// Batch carries records from the parser to who works on them. The records'
// names lie in it.
type Batch struct {
	recs   []estimate.Record
	ends   []int // of the names
	names  []byte
	audits []estimate.Audit
	large  []int32 // records that may be among the largest
	dump   int64   // bytes that the records take in the dump
	moment int64   // of the dump, unix milliseconds
}

const (
	batchRecords = 512
	// BatchNames is how many bytes of names make a batch full.
	BatchNames = 64 << 10
	batchDump  = 1 << 20 // large keys go on at once: what is made of them need not wait for hundreds more
)

// Next is room for a record. It counts once Keep was called.
func (b *Batch) Next() *estimate.Record {
	if len(b.recs) == cap(b.recs) {
		b.recs = slices.Grow(b.recs, batchRecords)
	}
	return &b.recs[:len(b.recs)+1][len(b.recs)]
}

// Keep takes over the record that Next gave room for.
func (b *Batch) Keep(r *estimate.Record) {
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

// Full says that the batch should go on.
func (b *Batch) Full() bool {
	return len(b.recs) >= batchRecords || len(b.names) >= BatchNames || b.dump >= batchDump
}

// Reset empties the batch, to be filled again.
func (b *Batch) Reset() {
	b.dump = 0
	b.recs, b.ends, b.audits, b.large = b.recs[:0], b.ends[:0], b.audits[:0], b.large[:0]
	if cap(b.names) > 4*BatchNames { // one long name must not be kept for good
		b.names = nil
	}
	b.names = b.names[:0]
}

// count counts the records in a set, and offers those that may be among the largest.
func (b *Batch) count(c *counter, floors *aggregate.Floors, o *Options) {
	c.set.SetMoment(b.moment)
	records := b.Records()
	for _, i := range b.large {
		floors.Offer(&records[i], o.Aggregate.Measure(&records[i]))
	}
	c.set.AddBatch(records)
	if c.also != nil {
		c.also(records)
	}
}

// NameBytes are the bytes of the records' names.
func (b *Batch) NameBytes() int { return len(b.names) }

// Len is how many records were kept.
func (b *Batch) Len() int { return len(b.recs) }

// Records are those that were kept, with their names in place.
func (b *Batch) Records() []estimate.Record {
	from := 0
	for i := range b.recs {
		b.recs[i].Key = b.names[from:b.ends[i]]
		from = b.ends[i]
	}
	return b.recs
}

// BaseName shortens a path for labels.
func BaseName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return filepath.Base(path)
}
