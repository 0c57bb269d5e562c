package aggregate

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"rdbaudit/estimate"
)

// Specs lists all analyses in the order of their tables. The names are
// stable: help, flags and parts use them.
func Specs() []Spec {
	return []Spec{
		{"patterns", "memory by key pattern, as a tree", func(o *Options) Analysis { return NewPatterns(o) }},
		{"types", "keys by type and encoding", func(o *Options) Analysis { return NewTypes(o) }},
		{"totals", "sums over all keys, and by database", func(o *Options) Analysis { return NewTotals(o) }},
		{"owners", "memory by owner, as the user's patterns name them", func(o *Options) Analysis { return NewOwners(o) }},
		{"largest", "the largest keys, overall and of each type", func(o *Options) Analysis { return NewTop(o) }},
		{"sizes", "keys by size, in powers of two", func(o *Options) Analysis { return NewSizes(o) }},
		{"ttl", "keys by time to live", func(o *Options) Analysis { return NewTTL(o) }},
		{"idle", "keys by time since their last access", func(o *Options) Analysis { return NewIdle(o) }},
		{"frequency", "keys by LFU access counter", func(o *Options) Analysis { return NewFreq(o) }},
		{"expiry", "when memory comes back by itself", func(o *Options) Analysis { return NewExpiry(o) }},
		{"slots", "cluster slots, nodes and hash tags", func(o *Options) Analysis { return NewSlots(o) }},
		{"audit", "what other encodings would take", func(o *Options) Analysis { return NewAudit(o) }},
		{"eviction", "what maxmemory would evict", func(o *Options) Analysis { return NewEviction(o) }},
		{"names", "what the names of keys and fields take", func(o *Options) Analysis { return NewNames(o) }},
	}
}

// Set is one of each analysis. It works out once what several of them need of
// a record. Not safe for concurrent use: each worker has its own, and they
// are merged; Options.TableMemory is then each worker's share.
type Set struct {
	o        *Options
	items    [ahead]item
	names    []byte // text of the items
	sums     sums   // of the items
	molds    molds
	patterns *Patterns
	types    *Types
	totals   *Totals
	owners   *Owners
	largest  *Top
	sizes    *Sizes
	ttl      *TTL
	idle     *Idle
	freq     *Freq
	expiry   *Expiry
	slots    *Slots
	audit    *Audit
	eviction *Eviction
	sample   *Names
}

// NewSet makes a set, or says what is wrong with the options.
func NewSet(o *Options) (*Set, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	return &Set{
		o: o.normal(), patterns: NewPatterns(o), types: NewTypes(o), totals: NewTotals(o), owners: NewOwners(o), largest: NewTop(o),
		sizes: NewSizes(o), ttl: NewTTL(o), idle: NewIdle(o), freq: NewFreq(o), expiry: NewExpiry(o), slots: NewSlots(o),
		audit: NewAudit(o), eviction: NewEviction(o), sample: NewNames(o),
	}, nil
}

// SetMoment says at what moment the records to come were dumped: TTLs and ages
// are held against it. It is Options.Now until this is called.
func (s *Set) SetMoment(ms int64) {
	if s.totals.moments.known && s.o.Now == ms {
		return
	}
	s.totals.moments.add(moments{true, ms, ms})
	s.o.Now, s.eviction.o.Now, s.audit.o.Now = ms, ms, ms
	s.expiry.setMoment(ms)
}

// Measure is the name of the measure that sums go by.
func (s *Set) Measure() string { return measureName(s.o.Usage) }

// CountsEviction says whether the set counts what eviction looks at.
func (s *Set) CountsEviction() bool { return s.o.Eviction }

// Same says in which option two sets differ, if they do: then they cannot be merged.
func (s *Set) Same(o *Set) error { return s.o.same(o.o) }

// Renumber gives the dumps new numbers: to[i] is that of the dump that was
// Record.Source i.
func (s *Set) Renumber(to []int32) {
	same := true
	for i, n := range to {
		same = same && int(n) == i
	}
	if same {
		return
	}
	s.totals.dicts.renumber(to)
	s.audit.renumber(to)
	s.eviction.renumber(to)
	s.sample.renumber(to)
}

// place is the new number of a dump.
func place(to []int32, source int32) int32 {
	if source < 0 || int(source) >= len(to) {
		return source
	}
	return to[source]
}

// Add counts one record in all analyses. It keeps nothing of r.
func (s *Set) Add(r *estimate.Record) {
	s.names = s.names[:0]
	it := &s.items[0]
	s.look(it, r, nil)
	s.patterns.t.locate(&it.at, it.hash, it.text)
	s.add(s.items[:1])
}

// AddBatch counts records as Add does, but faster: records with names of one
// form come one after the other, and what is read of the tables is fetched for
// some records at a time. It keeps nothing of them.
func (s *Set) AddBatch(records []estimate.Record) {
	var order [batch]uint16
	for len(records) > 0 {
		some := records[:min(len(records), batch)]
		records = records[len(some):]
		byForm(order[:len(some)], some)
		for at := 0; at < len(some); at += ahead {
			s.addOrdered(some, order[at:min(at+ahead, len(some))])
		}
	}
}

// batch is how many records are brought into order at a time.
const batch = 512

// byForm orders records so that those alike in form and size are together: what
// the processor has learned of one, which bytes end a segment and which class
// it is, holds for the next, and sums are made of several at a time.
func byForm(order []uint16, records []estimate.Record) {
	const (
		formBits = 6
		sizeBits = 3
	)
	var forms [batch]uint16
	var ends [1<<(formBits+sizeBits) + 1]uint16
	for i := range records {
		r := &records[i]
		h := uint32(r.Encoding)<<8 + uint32(len(r.Key))
		if len(r.Key) >= 2 {
			h += uint32(r.Key[0])<<16 + uint32(r.Key[1])<<20
		}
		if r.Expiry != estimate.NoExpiry {
			h++
		}
		forms[i] = uint16(h*2654435761>>(32-formBits)<<sizeBits | uint32(r.Alloc)>>3&(1<<sizeBits-1))
		ends[int(forms[i])+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	for i := range records {
		at := &ends[forms[i]]
		order[*at] = uint16(i)
		*at++
	}
}

// addOrdered counts the records of these indexes, ahead at most.
func (s *Set) addOrdered(records []estimate.Record, order []uint16) {
	var hashes [ahead]uint32
	n := 0
	s.names = s.names[:0]
	items := s.items[:len(order)]
	var before *item
	for i, j := range order {
		it := &items[i]
		if s.look(it, &records[j], before); !it.like {
			hashes[n] = it.hash
			n++
		}
		before = it
	}
	s.patterns.warmed += s.patterns.t.warm(hashes[:n])
	s.patterns.locate(items)
	s.add(items)
}

// look fills an item but for its spot; before is the one before it, if there
// is one. Its text is in names until that is emptied.
func (s *Set) look(it *item, r *estimate.Record, before *item) {
	it.fill(s.o, r)
	if before != nil && before.mold != nil && before.mold.fits(r.Key) {
		it.mold, it.user, it.same, it.hash, it.text, it.like = before.mold, 0, before.same, before.hash, before.text, true
		return
	}
	p := s.patterns
	base := len(s.names)
	m := s.molds.place(r.Key)
	if m.fits(r.Key) {
		it.mold, it.user, it.same, it.hash = m, 0, m.same, m.hash
		s.names = append(s.names, m.text...)
		it.text = s.names[base:]
		it.like = before != nil && bytes.Equal(it.text, before.text)
		return
	}
	s.names, it.same = p.p.walk(s.names, r.Key, true)
	it.mold, it.user, it.text = nil, p.p.hit, s.names[base:]
	if it.like = before != nil && bytes.Equal(it.text, before.text); !it.like {
		it.hash = p.t.hash(it.text)
		return
	}
	it.hash = before.hash
	if m.of(p.p, r.Key, it.text, it.hash, it.same) {
		it.mold = m
	}
}

// add counts items in one analysis after the other: what each reads of its own
// stays in the cache, and what must be fetched is fetched for several at a time.
func (s *Set) add(items []item) {
	x := &s.sums
	x.of(items)
	s.patterns.addAll(items)
	s.types.addAll(items)
	s.totals.addAll(items, x)
	if s.owners.on {
		for i := range items {
			s.owners.add(&items[i])
		}
	}
	for i := range items {
		s.largest.add(&items[i])
	}
	s.sizes.addAll(items)
	s.ttl.addAll(items, x)
	s.idle.addAll(items, x)
	s.freq.addAll(items, x)
	if x.slots {
		for i := range items {
			s.slots.add(&items[i])
		}
	}
	if x.lives[expires].keys > 0 {
		for i := range items {
			s.expiry.add(&items[i])
		}
	}
	for _, it := range x.seen {
		s.audit.addItem(it)
	}
	if s.o.Eviction {
		for i := range items {
			s.eviction.add(items[i].r, items[i].text)
		}
	}
	for _, it := range x.seen {
		s.sample.add(it.r, it.hash, it.text)
	}
}

// analyses are in the order of Specs.
func (s *Set) analyses() []Analysis {
	return []Analysis{
		s.patterns, s.types, s.totals, s.owners, s.largest, s.sizes, s.ttl, s.idle, s.freq, s.expiry, s.slots, s.audit, s.eviction, s.sample,
	}
}

// Merge counts all that o has counted; o must not be used afterwards. The
// error names the option in which the two differ; nothing is merged then.
func (s *Set) Merge(o *Set) error {
	if err := s.o.same(o.o); err != nil {
		return err
	}
	mine, others := s.analyses(), o.analyses()
	errs := make([]error, len(mine))
	s.sideBySide(func(i int) { errs[i] = mine[i].Merge(others[i]) })
	return errors.Join(errs...)
}

// sideBySide calls f for each analysis, two at a time: first for those that take
// longest to merge and to render.
func (s *Set) sideBySide(f func(i int)) {
	list, long := s.analyses(), []Analysis{s.patterns, s.audit, s.sample}
	var order []int
	for _, a := range long {
		order = append(order, slices.Index(list, a))
	}
	for i, a := range list {
		if !slices.Contains(long, a) {
			order = append(order, i)
		}
	}
	var taken atomic.Int32
	work := func() {
		for {
			n := int(taken.Add(1))
			if n > len(order) {
				return
			}
			f(order[n-1])
		}
	}
	var other sync.WaitGroup
	other.Go(work)
	work()
	other.Wait()
}

// SetTableMemory changes what the tables may hold from now on: the first of
// several sets that shared Options.TableMemory has all of it when the others
// are merged into it.
func (s *Set) SetTableMemory(n int64) {
	s.patterns.SetTableMemory(n)
	s.eviction.setTableMemory(n)
}

// Tables renders all analyses. It may be called once, after the last Add and Merge.
func (s *Set) Tables() []Table {
	list := s.analyses()
	tables := make([][]Table, len(list))
	s.sideBySide(func(i int) { tables[i] = list[i].Tables(s.totals) })
	return slices.Concat(tables...)
}

// Totals are the sums so far; they go on changing with Add and Merge.
func (s *Set) Totals() *Totals { return s.totals }

// AuditPartial says in words what findings by pattern lack because the audit's
// table was full; empty if it was not.
func (s *Set) AuditPartial() string { return s.audit.partial() }

// Patterns is the pattern analysis, for what its tables do not say.
func (s *Set) Patterns() *Patterns { return s.patterns }
