package main

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/output"
)

// keyRows makes rows of records on several goroutines and writes them in the
// order in which the records came.
type keyRows struct {
	work  chan *rowBatch // to be formatted
	order chan *rowBatch // to be written, in order
	free  chan *rowBatch
	large chan struct{} // a place for each batch with large names that may be under way
	now   *rowBatch     // being filled
	wait  sync.WaitGroup
	last  bytes.Buffer // rows that came with the end
	out   io.Writer
	err   atomic.Pointer[error]
}

// rowBatch is a batch with the text of its rows.
type rowBatch struct {
	scan.Batch
	source string
	text   bytes.Buffer
	ready  chan struct{}
	large  bool
}

// largeNames is from how many bytes of names on a batch counts as large, and
// largeBatches how many such are under way, whatever the number of processors:
// a name may have 1 MiB, and four times that as text.
const (
	largeNames   = 2 * scan.BatchNames
	largeBatches = 1
)

// redirect lets a KeyWriter write into one batch after the other.
type redirect struct{ to *bytes.Buffer }

func (r *redirect) Write(p []byte) (int, error) { return r.to.Write(p) }

// newKeyRows starts the goroutines. The header is written at once.
func newKeyRows(w io.Writer, o output.KeyOptions, opts *aggregate.Options, redact *redactFlags) (*keyRows, error) {
	n := runtime.GOMAXPROCS(0)
	k := &keyRows{work: make(chan *rowBatch, 4*n), order: make(chan *rowBatch, 4*n), free: make(chan *rowBatch, 4*n+2),
		large: make(chan struct{}, largeBatches), out: w}
	for range cap(k.free) {
		k.free <- &rowBatch{ready: make(chan struct{}, 1)}
	}
	parts := o.Parallel()
	if parts { // the header apart, then rows alone
		head, err := output.NewKeyWriter(w, o)
		if err != nil {
			return nil, err
		}
		if err := head.Close(); err != nil {
			return nil, err
		}
		o.RowsOnly = true
	} else {
		n = 1
	}
	for range n {
		p, err := aggregate.NewPatterner(opts)
		if err != nil {
			return nil, err
		}
		to := &redirect{}
		rows, err := output.NewKeyWriter(to, o)
		if err != nil {
			return nil, err
		}
		hide, err := redact.redactor(opts)
		if err != nil {
			return nil, err
		}
		k.wait.Add(1)
		go k.format(rows, to, p, hide, parts)
	}
	k.wait.Add(1)
	go k.write()
	k.now = <-k.free
	return k, nil
}

// format makes the rows of batches. A format that cannot be made in parts has
// one worker, which may keep rows back: what it has at the end comes last.
func (k *keyRows) format(rows output.KeyWriter, to *redirect, p *aggregate.Patterner, hide *output.Redactor, parts bool) {
	defer k.wait.Done()
	var pattern []byte
	namer := aggregate.NewNamer(p)
	for b := range k.work {
		to.to = &b.text
		recs := b.Records()
		for i := range recs {
			rec := &recs[i]
			var owner string
			pattern, owner = namer.AppendOwned(pattern[:0], rec.Key)
			if hide != nil {
				pattern, rec.Key, owner = append(pattern[:0], hide.Pattern(string(pattern))...), []byte(hide.Key(rec.Key)), hide.Owner(owner)
			}
			if err := rows.Add(rec, pattern, owner, b.source); err != nil {
				k.fail(err)
				break
			}
		}
		if parts {
			if err := rows.Close(); err != nil {
				k.fail(err)
			}
		}
		b.ready <- struct{}{}
	}
	if !parts {
		to.to = &k.last
		if err := rows.Close(); err != nil {
			k.fail(err)
		}
	}
}

func (k *keyRows) write() {
	defer k.wait.Done()
	for b := range k.order {
		<-b.ready
		if k.err.Load() == nil {
			if _, err := k.out.Write(b.text.Bytes()); err != nil {
				k.fail(err)
			}
		}
		if b.large {
			b.large, b.text = false, bytes.Buffer{}
			<-k.large
		}
		b.text.Reset()
		b.Reset()
		k.free <- b
	}
}

func (k *keyRows) fail(err error) { k.err.CompareAndSwap(nil, &err) }

func (k *keyRows) failed() error {
	if err := k.err.Load(); err != nil {
		return *err
	}
	return nil
}

// from names the dump of the records to come.
func (k *keyRows) from(source string) {
	if k.now.Len() > 0 {
		k.send()
	}
	k.now.source = source
}

// next is room for a record, which counts once it is kept.
func (k *keyRows) next() *estimate.Record { return k.now.Next() }

// keep takes over the record that next gave room for. The error is of a row
// written earlier.
func (k *keyRows) keep(rec *estimate.Record) error {
	k.now.Keep(rec)
	if !k.now.Full() {
		return nil
	}
	k.send()
	return k.failed()
}

func (k *keyRows) send() {
	source := k.now.source
	if k.now.large = k.now.NameBytes() > largeNames; k.now.large {
		k.large <- struct{}{}
	}
	k.order <- k.now
	k.work <- k.now
	k.now = <-k.free
	k.now.source = source
}

// close writes what is left and waits for all.
func (k *keyRows) close() error {
	k.send()
	close(k.work)
	close(k.order)
	k.wait.Wait()
	if err := k.failed(); err != nil {
		return err
	}
	_, err := k.out.Write(k.last.Bytes())
	return err
}
