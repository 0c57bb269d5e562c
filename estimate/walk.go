package estimate

import (
	"io"
	"slices"

	"rdbaudit/rdbparse"
)

// Estimator turns a dump into records: it walks each value once and sizes it
// under one or more configurations.
type Estimator struct {
	// Keep, if set, refuses keys by their header, before the value is read.
	Keep func(*rdbparse.Key) bool
	// WantLargest, if set, says for which keys Record.Largest is wanted of
	// packed values, which must be opened for it; faults in there leave it
	// unknown and are no errors. It is asked at the head of
	// each packed part. size and alloc are those of the whole key, or about
	// the most that they can be where several parts are still to come.
	WantLargest func(k *rdbparse.Key, size, alloc int64) bool
	// EveryLargest wants it for all keys.
	EveryLargest bool
	// KeepNodes is how many stored bytes of the nodes of a list or a stream may
	// be kept until its size is known, to be opened only if WantLargest then says
	// so, 1 MiB at least. Those of a larger value are opened at once if it might.
	KeepNodes int64
	// OnSkip, if set, is told of values whose content is bad although their
	// framing is whole; they are left out. Without it they are errors.
	OnSkip func(*rdbparse.Key, error)

	r         *rdbparse.Reader
	sizers    []*sizer
	recs      []Record
	opens     []bool
	key       *rdbparse.Key
	elems     int64
	ttls      int64
	large     int64
	bound     int64 // of what the value's nodes take, once decided
	nodes     int64 // packed ones so far
	nodesOpen bool  // they are opened
	ended     bool  // a list is sized
	spoilt    bool  // a fault hides the longest entry
	maxPacked int64 // bytes of the largest packed node, and of the longest plain one
	maxPlain  int64
	lens      [512]int64
	vals      [512]int64
	items     [256]rdbparse.Item
	packed    [128]rdbparse.Entry
	opener    opener
	kept      kept
	again     rdbparse.Reader // of a node that was kept
	audit     Audit           // of the current key, if noted
	noted     bool
	json      *jsonLook
	streamed  streamLook
	look      *closeLook // nil: none is taken
	sampled   bool       // the key is one of those looked at closely
	thin      thinning   // of the sample
	wantJSON  bool       // it is one of those looked into for JSON
	str       []byte     // text of the entry that entries is at
	err       error      // soft fault inside a value
	proven    Limits
}

// Proven are the limits that the packed values seen so far show to have been
// in force on the writing server: no limit was below these. Fields that no
// value speaks of are zero.
func (e *Estimator) Proven() Limits { return e.proven }

// Forget forgets what was Proven, so that it is of what comes.
func (e *Estimator) Forget() { e.proven = Limits{} }

// New makes an Estimator over r. The records that Next gives follow the first
// configuration; Others has those under the rest.
func New(r *rdbparse.Reader, configs ...Config) *Estimator {
	e := &Estimator{r: r, recs: make([]Record, len(configs)), opens: make([]bool, len(configs))}
	for _, c := range configs {
		e.sizers = append(e.sizers, newSizer(c))
	}
	if len(configs) > 0 && configs[0].JSON > 0 {
		e.json = newJSONLook(configs[0])
	}
	if len(configs) > 0 && configs[0].Sample > 0 {
		e.look = newCloseLook(configs[0], e.json)
	}
	return e
}

// Explain collects what each key's sizes are made of into items, under the
// first configuration. The slice is reused for each record.
func (e *Estimator) Explain(items *[]Item) { e.sizers[0].items = items }

// Others are the records of the current key under the second and further
// configurations.
func (e *Estimator) Others() []Record { return e.recs[1:] }

// Reader is what the Estimator reads.
func (e *Estimator) Reader() *rdbparse.Reader { return e.r }

// Next gives the next record, valid until the following call. Its errors are
// the Reader's: io.EOF at a good end.
func (e *Estimator) Next() (*Record, error) {
	r := &e.recs[0]
	if err := e.Read(r); err != nil {
		return nil, err
	}
	return r, nil
}

// Read is Next into a record of the caller's, of which the name alone is valid
// only until the following call.
func (e *Estimator) Read(rec *Record) error {
	for {
		k, err := e.r.Next()
		if err != nil {
			return err
		}
		if e.Keep != nil && !e.Keep(k) {
			continue
		}
		if err := e.value(k, rec); err != nil {
			return err
		}
		if e.err != nil {
			if e.OnSkip == nil {
				return e.err
			}
			e.OnSkip(k, e.err)
			continue
		}
		return nil
	}
}

// kinds says how each kind of value becomes a record.
func typeOf(k *rdbparse.Key) Type {
	switch k.Type.Kind {
	case rdbparse.StringKind:
		return String
	case rdbparse.ListKind:
		return List
	case rdbparse.SetKind:
		return Set
	case rdbparse.ZSetKind:
		return ZSet
	case rdbparse.HashKind:
		return Hash
	case rdbparse.StreamKind:
		return Stream
	case rdbparse.ModuleKind:
		return Module
	}
	return Other
}

// TypeOf is the type of a key.
func TypeOf(k *rdbparse.Key) Type { return typeOf(k) }

// shortString fills the record of a key of the most common kind, a short string
// under one configuration that nobody looks at closely, and says whether it was
// one. What such keys take is remembered by the lengths of name and value.
func (e *Estimator) shortString(k *rdbparse.Key, r *Record) bool {
	if len(e.sizers) != 1 || k.Meta != 0 || k.NameLen >= memoNames || e.sampled || e.wantJSON || typeOf(k) != String {
		return false
	}
	s, en := e.sizers[0], &e.packed[0]
	if s.items != nil || !e.r.Short(en) {
		return false
	}
	it := entryItem(en)
	s.begin(String, k.NameLen, k.Expiry != rdbparse.NoExpiry, 0)
	s.stringValue(it)
	slot := k.Slot
	if slot < 0 && s.Cluster {
		slot = int32(Slot(k.Name))
	}
	r.Key, r.Module, r.DB, r.Type, r.Encoding, r.Flags = k.Name, "", k.DB, String, s.enc, 0
	r.Size, r.Alloc, r.SizeVar, r.AllocVar, r.Slack = s.u, s.r, 0, 0, 0
	r.Serialized, r.Elems, r.Largest = e.r.Offset()-k.Offset, 1, en.Len
	r.Expiry, r.Idle, r.Freq, r.Slot = k.Expiry, k.Idle, k.Freq, slot
	r.FieldTTLs, r.Source, r.Audit = 0, 0, nil
	return true
}

// value walks the value of k and fills the records, of which first is the first.
func (e *Estimator) value(k *rdbparse.Key, first *Record) error {
	e.choose(k)
	if e.err = nil; e.shortString(k, first) {
		return nil
	}
	e.key, e.elems, e.ttls, e.large = k, 0, 0, -1
	if e.OnSkip != nil && e.r.OnBad == nil {
		e.r.OnBad = func(err error) { e.soft(err) }
	}
	e.bound, e.nodes, e.nodesOpen, e.ended, e.maxPacked, e.maxPlain = 0, 0, false, false, 0, 0
	e.noted, e.spoilt = false, false
	t := typeOf(k)
	for _, s := range e.sizers {
		s.begin(t, k.NameLen, k.Expiry != rdbparse.NoExpiry, k.Meta)
	}
	var err error
	switch {
	case t == String:
		err = e.stringValue()
	case k.Type.Untested && t != Stream || t == Module || t == Other:
		err = e.opaque()
	case t == List:
		err = e.list()
	case t == Set:
		err = e.set()
	case t == ZSet:
		err = e.zset()
	case t == Hash:
		err = e.hash()
	case t == Stream:
		err = e.stream()
	}
	if err != nil {
		return err
	}
	// To the end of the value, where the type's own walk stopped before it.
	if err := e.r.End(); err != nil {
		return err
	}
	if e.spoilt {
		e.large = -1
	}
	serialized := e.r.Offset() - k.Offset
	slot := k.Slot
	if slot < 0 && e.sizers[0].Cluster {
		slot = int32(Slot(k.Name))
	}
	for i, s := range e.sizers {
		r := first
		if i > 0 {
			r = &e.recs[i]
		}
		// One by one: a literal would be made elsewhere and copied.
		r.Key, r.Module, r.DB, r.Type, r.Encoding, r.Flags = k.Name, k.Module, k.DB, t, s.enc, 0
		r.Size, r.Alloc, r.SizeVar, r.AllocVar, r.Slack = s.u, s.r, int64(s.uVar+0.5), int64(s.rVar+0.5), s.slack
		r.Serialized, r.Elems, r.Largest = serialized, e.elems, e.large
		r.Expiry, r.Idle, r.Freq, r.Slot = k.Expiry, k.Idle, k.Freq, slot
		r.FieldTTLs, r.Source = e.ttls, 0
		if r.SizeVar > 0 || r.AllocVar > 0 {
			r.Flags |= Chance
		}
		if s.opaque {
			r.Flags |= Opaque
		}
		if s.shrunk {
			r.Flags |= History
		}
		r.Audit = nil
		if i == 0 && s.Audit {
			e.fillAudit(s, t)
			if e.noted {
				r.Audit = &e.audit
			}
		}
	}
	return nil
}

// note is the audit of the current key, with something to be said.
func (e *Estimator) note() *Audit {
	if !e.noted {
		e.audit, e.noted = Audit{}, true
	}
	return &e.audit
}

// fillAudit notes what the sizer has found.
func (e *Estimator) fillAudit(s *sizer, t Type) {
	if s.packed > 0 {
		a := e.note()
		a.Packed, a.Over = s.packed, s.over
	}
	if s.unpacked > 0 {
		e.note().Unpacked = s.unpacked
	}
	if n := s.pieces(e.elems); n > 0 {
		e.note().Pieces = n
	}
	if t == Stream {
		if x := e.streamed.audit(s); x != nil {
			e.note().Stream = x
		}
	}
	if e.sampled {
		a := e.note()
		a.Config, a.Thins = e.look.config, e.thin.by
		if c := &s.Config; c.JSON == c.Sample && !a.Large {
			a.JSONThins = e.thin.by
		}
	}
}

// item makes an element of the current part; text says that it matters whether
// the bytes spell an integer.
func (e *Estimator) item(p *rdbparse.Part, text bool) (item, error) {
	it := item{len: p.Len, isInt: p.IsInt, val: p.Int}
	if p.Len > e.large {
		e.large = p.Len
	}
	if text && !p.IsInt && p.Len <= longestInt {
		b, err := e.r.Bytes()
		if err != nil {
			return it, e.soft(err)
		}
		it.val, it.isInt = rdbparse.Integer(b)
	}
	return it, nil
}

// soft keeps faults of the content apart from those of the framing, after
// which the Reader cannot go on.
func (e *Estimator) soft(err error) error {
	if e.err == nil {
		e.err = err
	}
	return nil
}

// glanced is soft for what was opened for its longest entry alone. Whether
// WantLargest asks for that depends on how far others have come, and what is
// said of a dump must not: the entry stays unknown, and only who asks for every
// value hears of the fault.
func (e *Estimator) glanced(err error) error {
	e.spoilt = true
	if e.EveryLargest {
		return e.soft(err)
	}
	return nil
}

func (e *Estimator) stringValue() error {
	var it item
	var text []byte
	if en := &e.packed[0]; e.r.Short(en) {
		it, text, e.large = entryItem(en), en.Str, en.Len
	} else {
		p, err := e.r.Part()
		if err != nil {
			return err
		}
		if it, err = e.item(p, true); err != nil {
			return err
		}
		json := e.wantJSON && p.Len <= longestJSON
		if first, ok := e.r.First(); ok && !mayStartJSON(first) {
			json = false // text stays empty, in which no JSON is found
		}
		if !it.isInt && (json || e.sampled && p.Len <= longestNumber) {
			if text, err = e.r.Bytes(); err != nil {
				return e.soft(err)
			}
		}
		if p.LZF && e.sizers[0].Audit {
			e.note().Squeezed = p.Stored
		}
	}
	e.elems = 1
	if e.wantJSON && !it.isInt && it.len <= longestJSON {
		e.json.look(e.note(), text, e.key.NameLen, e.key.Expiry != rdbparse.NoExpiry, e.key.Meta)
	}
	for _, s := range e.sizers {
		s.stringValue(it)
	}
	if e.sampled {
		e.closeString(it, text)
	}
	return nil
}

// opaque passes over a value without a formula: a module's, an array.
func (e *Estimator) opaque() error {
	from := e.r.Offset()
	for {
		p, err := e.r.Part()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		e.large = max(e.large, p.Len)
		switch p.Kind {
		case rdbparse.PartElement, rdbparse.PartFieldValue:
			e.elems++
		case rdbparse.PartPacked:
			e.elems += max(p.Count-1, 0)
		}
	}
	for _, s := range e.sizers {
		s.opaqueValue(e.r.Offset() - from)
	}
	return nil
}

// entries walks the entries of the current packed part. A fault of the
// contents ends it and is kept apart.
func (e *Estimator) entries(each func(item)) error {
	if err := e.entriesOf(e.r, each); err != nil {
		return e.soft(err)
	}
	return nil
}

// entriesOf is entries of a part of any reader, and gives the fault.
func (e *Estimator) entriesOf(r *rdbparse.Reader, each func(item)) error {
	for {
		n, err := r.Entries(e.packed[:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range e.packed[:n] {
			e.str = e.packed[i].Str
			each(entryItem(&e.packed[i]))
		}
	}
}

func entryItem(en *rdbparse.Entry) item {
	it := item{len: en.Len, isInt: en.IsInt, val: en.Int}
	if b := en.Str; len(b) > 0 && len(b) <= longestInt && b[len(b)-1]-'0' <= 9 { // else it is no integer
		it.val, it.isInt = rdbparse.Integer(b)
	}
	return it
}

// wantNode asks whether the nodes of a list or a stream are to be opened for
// their longest entry. It is decided twice, at the first of them by what the
// whole value can take at most if nodes are of usual size, and again when some
// have shown how large this value's nodes are. Both bounds rest on the dump
// alone. A value that turns out larger has no Largest, opened or not: what is
// said of a key must not depend on how far other keys have raised the answer of
// WantLargest.
func (e *Estimator) wantNode(p *rdbparse.Part) bool {
	e.nodes++
	if e.EveryLargest || e.WantLargest == nil {
		return e.EveryLargest
	}
	e.maxPacked = max(e.maxPacked, p.Len)
	switch left := min(e.r.Left(), 1<<32); {
	case e.nodes == 1:
		each := p.Len
		if left > 0 { // nodes still to come are rarely larger than this
			each = max(2*each, 64<<10)
		}
		e.bound = 2*(left+1)*min(each, 1<<28) + 2*e.key.NameLen + 16<<10
		e.nodesOpen = e.WantLargest(e.key, 4*e.bound, e.bound)
		e.kept.over = e.nodesOpen && e.WantLargest(e.key, 0, 0) // whatever the size: no need to wait for it
	case e.nodes == shownNodes && e.nodesOpen:
		each := 3 * min(e.maxPacked, 1<<28) / 2
		if e.key.Type.Kind == rdbparse.StreamKind { // entries pending in groups are still to come
			each *= 5
		}
		e.bound = min(e.bound, (left+shownNodes)*(each+64)+2*e.key.NameLen+16<<10)
		if e.nodesOpen = e.WantLargest(e.key, 4*e.bound, e.bound); !e.nodesOpen {
			e.large = -1
			e.kept.reset()
			e.kept.over = true
		}
	}
	return e.nodesOpen
}

// shownNodes is how many nodes of a value show how large the others may be.
const shownNodes = 4

// keep puts the current node aside until the value's size is known. Where it
// does not, the nodes so far and this one are to be looked at.
func (e *Estimator) keep() bool {
	return e.WantLargest != nil && !e.EveryLargest && e.kept.add(e.r, e.KeepNodes)
}

// wantKept says of a list or a stream whose size is known whether the nodes that
// were kept are to be looked at. It takes back the longest entry of a value that
// is larger than it was bounded to be. A plain element longer than any node is
// known to be the longest all the same.
func (e *Estimator) wantKept() bool {
	s := e.sizers[0]
	known := e.bound == 0 || s.r <= e.bound && s.u <= 4*e.bound
	some := len(e.kept.nodes) > 0
	if known && some {
		known = e.WantLargest(e.key, s.u, s.r)
	}
	if !known {
		e.large = -1
		if e.maxPlain > e.maxPacked {
			e.large = e.maxPlain
		}
	}
	return known && some
}

// lookKept looks at the nodes that were kept.
func (e *Estimator) lookKept(look func(*Estimator, *rdbparse.Reader) error) error {
	nodes := e.kept.nodes
	e.kept.nodes = nodes[:0] // they stay as they are until another is kept
	for i := range nodes {
		if n := &nodes[i]; e.opener.work == nil || !e.opener.sendKept(n, e.key.Name) {
			e.again.Reopen(&n.held, n.stored, e.key.Name)
			if err := look(e, &e.again); err != nil {
				return err
			}
		}
	}
	return nil
}

// longest opens a packed value once its sizes are known, if its longest entry
// is wanted. per is how many entries make an element, of which the first show
// are looked at.
func (e *Estimator) longest(per, show int) error {
	s := e.sizers[0]
	if !e.EveryLargest && (e.WantLargest == nil || !e.WantLargest(e.key, s.u, s.r)) {
		return nil
	}
	return e.entriesLongest(e.r, per, show)
}

// entriesLongest is longest for a part of any reader, that is wanted.
func (e *Estimator) entriesLongest(r *rdbparse.Reader, per, show int) error {
	i := 0
	for {
		n, err := r.Entries(e.packed[:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return e.glanced(err)
		}
		for k := range e.packed[:n] {
			if i < show {
				e.large = max(e.large, e.packed[k].Len)
			}
			if i++; i == per {
				i = 0
			}
		}
	}
}

// rebuilds says whether a packed format is not the line's own.
func (s *sizer) rebuilds(f rdbparse.Format) bool {
	switch f {
	case rdbparse.Zipmap:
		return true
	case rdbparse.Ziplist:
		return !s.l.ziplists
	case rdbparse.Listpack:
		return s.l.ziplists
	}
	return false
}

// open decides for each sizer whether it wants the entries of a part, and says
// whether anybody does.
func (e *Estimator) open(p *rdbparse.Part, wants func(*sizer) bool) bool {
	any := p.Count < 0
	for i, s := range e.sizers {
		e.opens[i] = wants(s)
		any = any || e.opens[i]
	}
	return any
}

func (e *Estimator) list() error {
	e.kept.reset()
	for _, s := range e.sizers {
		s.beginList()
	}
	err := e.listParts()
	e.endOpener()
	if err != nil || e.ended {
		return err
	}
	for _, s := range e.sizers {
		s.endList()
	}
	if e.wantKept() {
		if len(e.kept.nodes) >= openerNodes {
			e.opener.start()
		}
		err = e.lookKept((*Estimator).nodeLongest)
		e.endOpener()
	}
	return err
}

// endOpener waits for what others look at, if they do.
func (e *Estimator) endOpener() {
	if e.opener.work == nil {
		return
	}
	large, fault := e.opener.end()
	if e.large = max(e.large, large); e.EveryLargest {
		e.err = firstFault(e.err, fault)
	}
	e.spoilt = e.spoilt || fault != nil
}

func (e *Estimator) listParts() error {
	for {
		p, err := e.r.Part()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch p.Kind {
		case rdbparse.PartElement:
			it, err := e.item(p, true)
			if err != nil {
				return err
			}
			e.elems++
			for _, s := range e.sizers {
				s.push(it)
			}
		case rdbparse.PartPacked: // one ziplist, which is taken apart
			for _, s := range e.sizers {
				s.list.neverPacked = true
			}
			if err := e.entries(func(it item) {
				e.elems++
				e.large = max(e.large, it.len)
				for _, s := range e.sizers {
					s.push(it)
				}
			}); err != nil {
				return err
			}
		case rdbparse.PartNode:
			if err := e.listNode(p); err != nil {
				return err
			}
			if e.ended {
				return nil
			}
		}
	}
}

func (e *Estimator) listNode(p *rdbparse.Part) error {
	n, b, stored := p.Count, p.Len, int64(0)
	plain := p.Format == rdbparse.Plain
	// The only node need not be opened before the list's size is known.
	single := !plain && e.elems == 0 && e.nodes == 0 && e.r.Left() == 0
	if p.LZF {
		stored = p.Stored
	}
	var err error
	if plain {
		e.large, e.maxPlain = max(e.large, p.Len), max(e.maxPlain, p.Len)
	} else if want := !single && e.wantNode(p); e.open(p, func(s *sizer) bool { return s.rebuilds(p.Format) }) || want {
		for i, s := range e.sizers {
			if e.opens[i] {
				s.lp, s.zl = listpackFrame, ziplistSize{}
			}
		}
		if n >= 0 && !slices.Contains(e.opens, true) {
			err = e.longestOfNode()
		} else {
			n = 0
			err = e.entries(func(it item) {
				n++
				e.large = max(e.large, it.len)
				for i, s := range e.sizers {
					if e.opens[i] {
						s.pack(it)
					}
				}
			})
		}
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return nil // servers drop empty nodes
	}
	e.elems += n
	for i, s := range e.sizers {
		size := b
		if !plain && e.opens[i] {
			size = s.packedBuilt()
		}
		s.node(size, n, stored, plain)
	}
	if single && n == p.Count && !slices.Contains(e.opens, true) {
		for _, s := range e.sizers {
			s.endList()
		}
		e.ended = true
		return e.longest(1, 1)
	}
	return nil
}

// longestOfNode looks for the longest entry of a list's node, or has it looked
// for if there are many, or keeps it.
func (e *Estimator) longestOfNode() error {
	if e.keep() {
		return nil
	}
	o := &e.opener
	if o.work == nil && e.nodes >= shownNodes && e.r.Left() >= openerNodes {
		o.start()
	}
	if err := e.lookKept((*Estimator).nodeLongest); err != nil {
		return err
	}
	if o.work != nil && o.send(e.r, e.key.Name) {
		return nil
	}
	return e.nodeLongest(e.r)
}

func (e *Estimator) nodeLongest(r *rdbparse.Reader) error { return e.entriesLongest(r, 1, 1) }

func (e *Estimator) set() error {
	if n := e.r.Elements(); n > 0 {
		if !e.begin(n, (*sizer).setBuilds) {
			if err := e.firstMember(n); err != nil {
				return err
			}
			return e.lengths((*sizer).memberLengths, (*sizer).endSet, 1)
		}
		for e.textMatters() {
			n, err := e.r.Integers(e.vals[:], e.lens[:])
			if n > 0 {
				e.elems += int64(n)
				for _, s := range e.sizers {
					s.intMembers(e.vals[:n], e.lens[:n])
				}
				e.large = max(e.large, e.sizers[0].longest)
				continue
			}
			if err == nil {
				n, err = e.r.Items(e.items[:min(int64(len(e.items)), 8+e.elems)])
			}
			if err == io.EOF {
				return e.ends((*sizer).endSet)
			}
			if err != nil {
				return err
			}
			e.addTexts(e.items[:n], (*sizer).members, 1)
		}
		return e.lengths((*sizer).memberLengths, (*sizer).endSet, 1)
	}
	p, err := e.r.Part()
	if err == io.EOF {
		return e.empty()
	}
	if err != nil {
		return err
	}
	intset, b := p.Format == rdbparse.Intset, p.Len
	if intset {
		e.proven.SetIntset = max(e.proven.SetIntset, p.Count)
	} else {
		e.proven.SetEntries = max(e.proven.SetEntries, p.Count)
	}
	e.elems = p.Count
	for _, s := range e.sizers {
		s.beginElements(p.Count, false)
	}
	if intset {
		e.nearIntset(p)
	}
	opened := e.open(p, func(s *sizer) bool { return s.setBlobOpens(intset, p.Count) })
	if opened {
		e.elems = 0
		if err := e.entries(func(it item) {
			e.elems++
			e.large = max(e.large, it.len)
			for i, s := range e.sizers {
				if e.opens[i] {
					s.member(it)
				}
			}
		}); err != nil {
			return err
		}
	}
	for i, s := range e.sizers {
		s.endSetBlob(intset, b, opened && e.opens[i])
	}
	if !opened {
		return e.longest(1, 1)
	}
	return nil
}

// begin clears the sums of all sizers for a value of n elements, and says
// whether any of them wants to see the elements' texts: builds tells, for one.
func (e *Estimator) begin(n int64, builds func(*sizer, int64) bool) bool {
	any := false
	for _, s := range e.sizers {
		s.beginElements(n, builds(s, n))
		any = any || s.build
	}
	return any
}

// firstMember looks at the first member of a set of n for the sizers that want
// to know whether it was an intset once.
func (e *Estimator) firstMember(n int64) error {
	wanted := false
	for _, s := range e.sizers {
		wanted = wanted || s.setWasInts(n)
	}
	if !wanted {
		return nil
	}
	p, err := e.r.Part()
	if err != nil {
		return err
	}
	it, err := e.item(p, true)
	if err != nil {
		return err
	}
	e.elems++
	for _, s := range e.sizers {
		s.build = true
		s.member(it)
		s.build = false
	}
	return nil
}

// lengths walks a value stored element by element of which only the lengths of
// its strings matter.
func (e *Estimator) lengths(add func(*sizer, []int64), end func(*sizer), per int64) error {
	for {
		n, err := e.r.Lengths(e.lens[:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		lens := e.lens[:n]
		e.elems += int64(n) / per
		for _, s := range e.sizers {
			add(s, lens)
		}
		e.large = max(e.large, e.sizers[0].longest)
	}
	return e.ends(end)
}

// ends has all sizers end a value.
func (e *Estimator) ends(end func(*sizer)) error {
	for _, s := range e.sizers {
		end(s)
	}
	return nil
}

// textMatters says whether any sizer wants to see the texts of the members of
// a set that are still to come.
func (e *Estimator) textMatters() bool {
	for _, s := range e.sizers {
		if s.textMatters() {
			return true
		}
	}
	return false
}

// texts walks a value stored element by element of which the texts matter too.
// Each element is per strings.
func (e *Estimator) texts(add func(*sizer, []rdbparse.Item), end func(*sizer), per int) error {
	for {
		n, err := e.r.Items(e.items[:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		e.addTexts(e.items[:n], add, per)
	}
	return e.ends(end)
}

func (e *Estimator) addTexts(items []rdbparse.Item, add func(*sizer, []rdbparse.Item), per int) {
	e.elems += int64(len(items) / per)
	for _, s := range e.sizers {
		add(s, items)
	}
	e.large = max(e.large, e.sizers[0].longest)
}

// empty is a collection without elements, which servers do not load.
func (e *Estimator) empty() error {
	for _, s := range e.sizers {
		s.beginElements(0, false)
		s.enc = Unknown
		s.key()
	}
	return nil
}

func (e *Estimator) zset() error {
	if n := e.r.Elements(); n > 0 {
		if !e.begin(n, (*sizer).zsetBuilds) {
			return e.lengths((*sizer).zmemberLengths, (*sizer).endZSet, 1)
		}
		return e.texts((*sizer).zmembers, (*sizer).endZSet, 1)
	}
	p, err := e.r.Part()
	if err == io.EOF {
		return e.empty()
	}
	if err != nil {
		return err
	}
	if p.Kind == rdbparse.PartPacked {
		b, format := p.Len, p.Format
		n := int64(-1)
		if p.Count >= 0 {
			n = p.Count / 2
		}
		e.elems = n
		e.proven.ZSetEntries = max(e.proven.ZSetEntries, n)
		for _, s := range e.sizers {
			s.beginElements(n, s.rebuilds(format))
		}
		opened := e.open(p, func(s *sizer) bool { return s.zsetBlobOpens(n, s.rebuilds(format)) })
		if opened {
			count := int64(0)
			if err := e.entries(func(it item) {
				member := count&1 == 0
				if member {
					e.large = max(e.large, it.len)
				}
				count++
				for i, s := range e.sizers {
					if !e.opens[i] {
						continue
					}
					if member {
						s.zmember(it)
					}
					if s.build {
						s.pack(it)
					}
				}
			}); err != nil {
				return err
			}
			if count&1 != 0 {
				e.soft(e.pairFault())
			}
			e.elems = count / 2
		}
		for i, s := range e.sizers {
			s.endZSetBlob(b, opened && e.opens[i], s.rebuilds(format))
		}
		if !opened {
			return e.longest(2, 1)
		}
		return nil
	}
	build := e.begin(e.r.Left()+1, (*sizer).zsetBuilds)
	for {
		it, err := e.item(p, build)
		if err != nil {
			return err
		}
		if p, err = e.r.Part(); err != nil {
			return err
		}
		e.elems++
		for _, s := range e.sizers {
			s.scored(it, p.Score)
		}
		if p, err = e.r.Part(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	for _, s := range e.sizers {
		s.endZSet()
	}
	return nil
}

func (e *Estimator) pairFault() error {
	return &rdbparse.Error{Offset: e.r.Offset(), Key: append([]byte{}, e.key.Name...), Err: rdbparse.ErrPacked,
		Detail: "the number of entries does not come out even"}
}

func (e *Estimator) hash() error {
	if n := e.r.Elements(); n > 0 && (n >= largeHash || !e.closely()) {
		build := e.begin(n, (*sizer).hashBuilds)
		end := func(s *sizer) { s.endHash(false) }
		if n >= largeHash && e.look != nil && e.json != nil {
			if err := e.firstFields(build); err != nil {
				return err
			}
			end = func(s *sizer) {
				s.endHash(false)
				if s == e.sizers[0] {
					e.look.endFirst(e.note(), s)
				}
			}
		}
		if !build {
			return e.lengths((*sizer).pairLengths, end, 2)
		}
		return e.texts((*sizer).pairs, end, 2)
	}
	p, err := e.r.Part()
	if err == io.EOF {
		return e.empty()
	}
	if err != nil {
		return err
	}
	if p.Kind == rdbparse.PartPacked {
		return e.hashBlob(p)
	}
	return e.hashFields(p)
}

func (e *Estimator) hashBlob(p *rdbparse.Part) error {
	b, format := p.Len, p.Format
	zipmap := format == rdbparse.Zipmap
	withTTL := e.key.Type.Code == 23 || e.key.Type.Code == 25
	per := int64(2)
	if withTTL {
		per = 3
	}
	n := p.Count
	if n >= 0 && !zipmap {
		n /= per
		e.proven.HashEntries = max(e.proven.HashEntries, n)
	}
	e.elems = n
	for _, s := range e.sizers {
		s.beginElements(n, s.rebuilds(format))
	}
	opened := e.open(p, func(s *sizer) bool { return s.hashBlobOpens(n, s.rebuilds(format), withTTL) })
	closely := e.closely() && !withTTL && n <= maxCloseFields
	if closely {
		c := &e.sizers[0].Config
		e.look.beginHash(e.key, e.wantJSON, !(c.Loaded && c.Given.Hash))
		opened = true
	}
	// The fields with a TTL can be told from the entries alone.
	if opened || withTTL {
		count := int64(0)
		var f, v item
		var ttl fieldTTL
		if err := e.entries(func(it item) {
			switch count % per {
			case 0:
				f = it
				e.large = max(e.large, it.len)
				if closely {
					e.look.field(it, e.str)
				}
			case 1:
				v = it
				e.large = max(e.large, it.len)
				if closely {
					e.look.value(it, e.str)
				}
			case 2:
				if ttl = (fieldTTL{it.val != 0, it.val}); ttl.has {
					e.ttls++
				}
			}
			count++
			if count%per != 0 {
				return
			}
			for i, s := range e.sizers {
				if e.opens[i] {
					s.pair(f, v, ttl)
				}
			}
		}); err != nil {
			return err
		}
		if count%per != 0 {
			e.soft(e.pairFault())
		}
		e.elems = count / per
	}
	for i, s := range e.sizers {
		s.endHashBlob(b, opened && e.opens[i], s.rebuilds(format), zipmap, withTTL)
	}
	if closely {
		if s := e.sizers[0]; s.rebuilds(format) {
			b = s.packedBuilt()
		}
		e.look.endHash(e.note(), e.sizers[0], b)
	}
	if !opened && !withTTL {
		return e.longest(2, 2)
	}
	return nil
}

func (e *Estimator) hashFields(p *rdbparse.Part) error {
	withTTL := p.Kind == rdbparse.PartFieldTTL
	valkey := e.r.Info().Flavor == rdbparse.Valkey && e.key.Type.Code == 22
	build := e.begin(e.r.Left()+1, func(s *sizer, n int64) bool { return !valkey && s.hashBuilds(n) })
	closely := e.closely() && !withTTL && !valkey
	if closely {
		e.look.beginHash(e.key, e.wantJSON, false)
	}
	for {
		var ttl fieldTTL
		if withTTL {
			ttl = partTTL(p)
			var err error
			if p, err = e.r.Part(); err != nil {
				return err
			}
		}
		f, err := e.item(p, build)
		if err != nil {
			return err
		}
		if closely {
			e.look.field(f, e.closeText(f))
		}
		if p, err = e.r.Part(); err != nil {
			return err
		}
		v, err := e.item(p, build)
		if err != nil {
			return err
		}
		if closely {
			e.look.value(v, e.closeText(v))
		}
		if valkey {
			if p, err = e.r.Part(); err != nil {
				return err
			}
			ttl = partTTL(p)
		}
		e.elems++
		if ttl.has {
			e.ttls++
		}
		for _, s := range e.sizers {
			s.pair(f, v, ttl)
			if s.build && withTTL {
				s.pack(item{isInt: true, val: ttl.at, len: 1})
			}
		}
		if p, err = e.r.Part(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	for _, s := range e.sizers {
		s.endHash(withTTL || valkey)
	}
	if closely {
		e.look.endHash(e.note(), e.sizers[0], e.sizers[0].packedBuilt())
	}
	return nil
}

func partTTL(p *rdbparse.Part) fieldTTL {
	if p.Expiry == rdbparse.NoExpiry {
		return fieldTTL{}
	}
	return fieldTTL{true, p.Expiry}
}

func (e *Estimator) stream() error {
	e.kept.reset()
	for _, s := range e.sizers {
		s.beginStream()
	}
	e.streamed.begin(e.sizers[0].Now)
	for {
		p, err := e.r.Part()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		switch p.Kind {
		case rdbparse.PartStreamNode:
			e.streamed.node(p)
			for _, s := range e.sizers {
				s.streamNode(p.ID, p.Len)
			}
			// The only node need not be asked for before the stream's size is known.
			if e.nodes == 0 && e.r.Left() == 0 && e.keep() {
				continue
			}
			if e.wantNode(p) && !e.keep() {
				if err := e.lookKept((*Estimator).streamEntries); err != nil {
					return err
				}
				if err := e.streamEntries(e.r); err != nil {
					return err
				}
			}
		case rdbparse.PartStream:
			e.elems = p.Count
			e.streamed.end(p)
		case rdbparse.PartPending:
			e.streamed.pending(p)
			for _, s := range e.sizers {
				s.pendingEntry(p.ID)
			}
		case rdbparse.PartOwned:
			e.streamed.owned(p)
			for _, s := range e.sizers {
				s.ownedEntry(p.ID)
			}
		case rdbparse.PartGroup, rdbparse.PartConsumer:
			kind, n := p.Kind, p.Len
			name, err := e.r.Bytes()
			if err != nil {
				if e.soft(err); n > 0 {
					name = nil
				}
			}
			e.streamed.named()
			for _, s := range e.sizers {
				if kind == rdbparse.PartGroup {
					s.group(name)
				} else {
					s.consumer(name, n)
				}
			}
		case rdbparse.PartProducer:
			for _, s := range e.sizers {
				s.producer()
			}
		case rdbparse.PartProducerItem:
			for _, s := range e.sizers {
				s.producerItem(p.Len)
			}
		}
	}
	for _, s := range e.sizers {
		s.endStream()
	}
	if e.wantKept() {
		return e.lookKept((*Estimator).streamEntries)
	}
	return nil
}

// streamEntries finds the longest entry of a node: the bytes of its fields and
// values (t_stream.c@redis-8.6.3 streamAppendItem for the layout).
func (e *Estimator) streamEntries(r *rdbparse.Reader) error {
	const (
		deleted    = 1
		sameFields = 2
	)
	at, state := int64(0), 0 // state 0: master entry; then flags, ms, seq, ...
	var masterFields, masterLen, left, size, flags int64
	big := int64(-1)
	err := e.entriesOf(r, func(it item) {
		switch state {
		case 0: // count, deleted, fields, names, 0
			switch {
			case at == 2:
				masterFields = it.val
				left = it.val
			case at > 2 && left > 0:
				masterLen += it.len
				left--
			case at > 2:
				state = 1
			}
			at++
		case 1:
			flags, state = it.val, 2
		case 2:
			state = 3
		case 3:
			size, state = 0, 4
			if flags&sameFields != 0 {
				left, size, state = masterFields, masterLen, 5
				if left <= 0 {
					state = 6
				}
			}
		case 4: // number of pairs
			left, state = 2*it.val, 5
			if left <= 0 {
				state = 6
			}
		case 5:
			size += it.len
			if left--; left <= 0 {
				state = 6
			}
		case 6: // the entry's length in elements
			if flags&deleted == 0 {
				big = max(big, size)
			}
			state = 1
		}
	})
	e.large = max(e.large, big)
	if err != nil {
		return e.glanced(err)
	}
	return nil
}
