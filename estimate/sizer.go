package estimate

import (
	"math"

	"rdbaudit/rdbparse"
)

// Config says under which server a dump's keys are sized.
type Config struct {
	Line      *Line
	Allocator Allocator
	Loaded    bool // after a restart from the dump; else as the writing server held it
	Cluster   bool
	Limits    Limits
	Given     Given // the limits that somebody set; the dump's own evidence overrules the others
	// NoSharedInts: maxmemory with an LRU or LFU policy, under which each
	// small integer is an object of its own (object.c tryObjectEncoding).
	NoSharedInts bool
	// Audit fills Record.Audit: what packed encodings would save, what LZF
	// made of values. It makes small tables cost more time.
	Audit bool
	// JSON looks into string values for JSON objects: into one key of every
	// so many, chosen by name; 0 looks at none, 1 at all.
	JSON uint32
	// Now is the dump's moment in unix milliseconds, for an audit to tell
	// consumers of streams that are gone; 0 tells none.
	Now int64
	// Sample looks closer at one key of every so many, chosen by name, or at fewer
	// of a large database: see Audit.Thins; 0 at none. Where JSON is as much,
	// it is the same keys.
	Sample uint32
}

// auditEntries is the largest collection that an audit would pack: beyond, a
// packed encoding is too slow to search whatever it saves.
const auditEntries = 2048

// Item is a part of what a key costs: Count allocations or figures of one
// kind. The sums over all items are the key's sizes.
type Item struct {
	What    string
	Count   int64
	Request int64 // bytes asked of the allocator, in all
	Alloc   int64 // bytes the allocator holds for them, in all
	Counted int64 // bytes that MEMORY USAGE counts for them, in all
}

// sizer works out the sizes of one key under one Config. The walk feeds it
// with parts; nothing but sums is kept.
type sizer struct {
	Config
	l     *Line
	a     Allocator
	nodes skiplistMemo
	kids  childMemo
	items *[]Item       // filled if somebody wants the breakdown
	short [512]sdsSizes // what sds says of short strings
	grown map[int64]grownTable

	strings [2 * memoNames][memoValues]stringMemo
	ints    [2 * memoNames][2]stringMemo // those that servers may share, and others
	keys    [2 * memoNames]keyMemo       // what key adds

	// the key
	name   int64 // bytes of its name
	ttl    bool
	meta   int64
	u, r   int64 // bytes counted and allocated so far
	keyU   int64 // part of u that sampling leaves alone: key text and entry
	uVar   float64
	rVar   float64
	kind   Type
	enc    Encoding
	slack  int64
	opaque bool
	shrunk bool  // a table that a restart would pack again
	packed int64 // size of a table if it were packed, for an audit
	over   Over
	// unpacked is the size of an intset after one member more, for an audit
	unpacked int64

	// sums over elements
	n              int64 // elements seen
	count          int64 // elements announced, -1 unknown
	req, costR     int64 // of the elements, stored one by one
	costU          float64
	mean, variance float64 // of their skip list nodes
	lp             int64   // of the packed value that would hold them
	zl             ziplistSize
	longest        int64
	firstText      int64 // position of the first element that is no integer, -1
	firstLong      int64 // position of the first one over the limit, -1
	minInt, maxInt int64
	ttls           int64
	ttlMin, ttlMax int64
	expires        []int64 // of the fields, in file order (valkey 9 only)
	build          bool    // lp and zl are wanted

	list   listSize
	stream streamSize
	noTree int64 // size of a radix tree without keys
}

func newSizer(c Config) *sizer {
	s := &sizer{Config: c, l: c.Line, a: c.Allocator}
	s.nodes.alloc = c.Allocator
	s.noTree = s.emptyTree()
	for _, t := range s.stream.trees() {
		t.alloc = c.Allocator
	}
	for n := range s.short {
		req, counted, alloc := s.sds(int64(n))
		s.short[n] = sdsSizes(req | counted<<sdsBits | alloc<<(2*sdsBits))
	}
	return s
}

// sdsSizes are what sds gives for short strings, or the sums of that for some
// thousand of them, side by side in a word.
type sdsSizes uint64

const sdsBits = 21

// split gives the bytes asked for, counted and allocated.
func (x sdsSizes) split() (req, u, r int64) {
	const mask = 1<<sdsBits - 1
	return int64(x & mask), int64(x >> sdsBits & mask), int64(x >> (2 * sdsBits))
}

// grownTable is what a chained table that grew to a number of elements holds.
type grownTable struct {
	size, next int64
	variance   float64
}

// maxGrown bounds the tables remembered.
const maxGrown = 4096

// grownTo is the state of a table after n insertions, remembered: working it
// out takes microseconds while a rehash is under way.
func (s *sizer) grownTo(n, finds int64) grownTable {
	key := n<<1 | finds
	if g, ok := s.grown[key]; ok {
		return g
	}
	d := dict{newer: s.l.dictNewer, finds: finds}
	d.insert(n)
	var g grownTable
	_, _, g.variance = d.slots()
	g.size, g.next = d.tables()
	if s.grown == nil {
		s.grown = make(map[int64]grownTable)
	}
	if len(s.grown) < maxGrown {
		s.grown[key] = g
	}
	return g
}

func (s *sizer) begin(kind Type, name int64, ttl bool, meta int) {
	s.kind = kind
	s.name, s.ttl, s.meta = name, ttl, int64(meta)
	s.u, s.r, s.keyU, s.uVar, s.rVar, s.slack, s.opaque, s.shrunk, s.packed, s.unpacked = 0, 0, 0, 0, 0, 0, false, false, 0, 0
	if s.items != nil {
		*s.items = (*s.items)[:0]
	}
}

// beginElements clears the sums for a value of n elements, -1 if unknown.
func (s *sizer) beginElements(n int64, build bool) {
	s.n, s.count, s.build = 0, n, build
	s.req, s.costR, s.costU, s.mean, s.variance = 0, 0, 0, 0, 0
	s.lp, s.zl = listpackFrame, ziplistSize{}
	s.longest, s.firstText, s.firstLong, s.ttls = 0, -1, -1, 0
	s.minInt, s.maxInt = math.MaxInt64, math.MinInt64
	s.ttlMin, s.ttlMax = math.MaxInt64, math.MinInt64
	s.expires = s.expires[:0]
}

// listpackFrame is an empty listpack: header and end mark.
const listpackFrame = 7

func (s *sizer) add(what string, count, request, counted, alloc int64) {
	s.u += counted
	s.r += alloc
	if s.items != nil && (request|counted|alloc) != 0 {
		*s.items = append(*s.items, Item{what, count, request, alloc, counted})
	}
}

func (s *sizer) chance(uVar, rVar float64) {
	s.uVar += uVar
	s.rVar += rVar
}

// one is an allocation of n bytes that is counted as a whole.
func (s *sizer) one(what string, n int64) {
	c := s.a.Class(n)
	s.add(what, 1, n, c, c)
}

// keyInObject is the size of an object that holds the key's text and no value
// (object.c@valkey-9.1.2 createUnembeddedObjectWithKeyAndExpire,
// object.c@redis-8.6.3 kvobjCreate). Long names and names with a TTL make
// room for the TTL.
func (s *sizer) keyInObject() int64 {
	n := 16 + 1 + embeddedSds(s.name)
	if s.ttl || s.name >= 128 {
		n += 8
	}
	return n + 8*s.meta
}

// key adds the object header, the entry of the main dictionary and the key's text.
func (s *sizer) key() {
	if s.name >= memoNames || s.meta != 0 || s.items != nil {
		s.keyAnd("object", 0)
		return
	}
	m := &s.keys[s.name<<1|int64(btoi(s.ttl))]
	if m.r == 0 {
		u, r := s.u, s.r
		s.keyAnd("object", 0)
		*m = keyMemo{uint16(s.u - u), uint16(s.r - r), uint16(s.keyU)}
		return
	}
	s.u += int64(m.u)
	s.r += int64(m.r)
	s.keyU = int64(m.keyU)
}

// keyAnd is key with the object's 16 bytes less saved of them allocated: small
// integers share one object.
func (s *sizer) keyAnd(what string, saved int64) {
	switch s.l.head {
	case headClassic:
		s.add(what, 1, 16, 16, s.a.Class(16)-saved)
		u := s.u
		s.one("key text", sdsHeader(s.name, s.l.modernSds)+s.name+1)
		s.add("dictionary entry", 1, 24, 24, s.a.Class(24))
		if s.Cluster && s.l.slotPerKey > 0 {
			s.clusterEntry()
		}
		s.keyU = s.u - u
	case headEntryKey:
		s.add(what, 1, 16, 16, s.a.Class(16)-saved)
		u := s.u
		header := sdsHeader(s.name, true)
		if !s.Loaded {
			header = max(header, 3) // of the command's argument, which was copied as it was
		}
		s.one("dictionary entry with key text", 17+header+s.name+1)
		s.keyU = s.u - u
	case headUncounted:
		n := s.keyInObject()
		s.add("object with key text", 1, n, 16, s.a.Class(n))
	case headObject:
		n := s.keyInObject()
		s.one("object with key text", n)
	}
	if s.ttl && s.l.head <= headEntryKey {
		s.add("expires entry", 1, 24, 0, s.a.Class(24))
	}
}

// clusterEntry is what a key costs for the slot lists in cluster mode: 16
// bytes more in its dictionary entry (7.0), 8 (7.2; dict.c dictEntryMetadata),
// and a place in a radix tree before (6.2, an average).
func (s *sizer) clusterEntry() {
	n := s.l.slotPerKey
	if s.l.ziplists {
		s.add("slot tree (average)", 1, n, 0, n)
		return
	}
	s.add("slot list", 1, n, n, s.a.Class(24+n)-s.a.Class(24))
}

// sds is the size of a string of its own: bytes asked for, counted, allocated.
func (s *sizer) sds(n int64) (req, counted, alloc int64) {
	req = sdsHeader(n, s.l.modernSds) + n + 1
	alloc = s.a.Class(req)
	if s.l.sdsExact && n >= 1 && n <= 31 {
		return req, n + 2, alloc // a header of one byte has no room for its slack (sds.h@redis-8.6.3)
	}
	return req, alloc, alloc
}

// blob adds a packed value of n bytes.
func (s *sizer) blob(what string, n int64) {
	c := s.a.Class(n)
	counted := c
	if s.l.packedExact {
		counted = n
	}
	s.add(what, 1, n, counted, c)
}

// keyAlloc is what the key costs apart from its value, as key adds it.
func (s *sizer) keyAlloc() int64 {
	u, r, keyU, items := s.u, s.r, s.keyU, s.items
	s.u, s.r, s.items = 0, 0, nil
	s.key()
	cost := s.r
	s.u, s.r, s.keyU, s.items = u, r, keyU, items
	return cost
}

// auditPacked notes for an audit what a table would take packed in b bytes.
// entries and value are the limits that would have to allow it.
func (s *sizer) auditPacked(b, entries, value int64) {
	if !s.Audit || !s.build || s.n > auditEntries {
		return
	}
	s.packed, s.over = s.keyAlloc()+s.a.Class(b), 0
	if s.n > entries {
		s.over |= OverEntries
	}
	if s.longest > value {
		s.over |= OverValue
	}
}

// canonical integers fit in this many bytes.
const longestInt = 20

// item is an element of a value.
type item struct {
	len   int64
	isInt bool // its text is a canonical integer
	val   int64
}

// pack adds e to the packed value that is being built.
func (s *sizer) pack(e item) {
	if s.l.ziplists {
		if e.isInt {
			s.zl.addInt(e.val)
		} else {
			s.zl.addStr(e.len)
		}
		return
	}
	if e.isInt {
		s.lp += listpackInt(e.val)
	} else {
		s.lp += listpackStr(e.len)
	}
}

func itemOf(x *rdbparse.Item) item { return item{x.Len, x.IsInt, x.Int} }

// texts adds what strings of their own take, and what they would take in a
// packed value.
func (s *sizer) texts(items []rdbparse.Item) {
	var req, u, r, longest, lp int64
	var short sdsSizes
	for i := range items {
		it := &items[i]
		l := it.Len
		switch {
		case it.IsInt:
			lp += listpackInt(it.Int)
		case l < 64:
			lp += l + 2 // as listpackStr says
		default:
			lp += listpackStr(l)
		}
		if uint64(l) < uint64(len(s.short)) {
			short += s.short[l]
		} else {
			a, b, c := s.sds(l)
			req, u, r = req+a, u+b, r+c
		}
		longest = max(longest, l)
	}
	if s.build {
		if s.l.ziplists {
			for i := range items {
				s.pack(itemOf(&items[i]))
			}
		} else {
			s.lp += lp
		}
	}
	s.addSizes(req, u, r, short)
	s.longest = max(s.longest, longest)
}

// addSizes adds what elements stored one by one take.
func (s *sizer) addSizes(req, u, r int64, short sdsSizes) {
	a, b, c := short.split()
	s.req += req + a
	s.costU += float64(u + b)
	s.costR += r + c
}

// packedBuilt is the size of what pack has built.
func (s *sizer) packedBuilt() int64 {
	if s.l.ziplists {
		return s.zl.total()
	}
	return s.lp
}

func (s *sizer) packedEncoding() Encoding {
	if s.l.ziplists {
		return Ziplist
	}
	return Listpack
}

// step is an operation on a table that is being filled: a hint of its size to
// come, or insertions.
type step struct {
	insert bool
	n      int64
}

// elements adds the elements that lie one by one: their sum is what MEMORY
// USAGE reaches by averaging, in doubles (object.c objectComputeSize).
func (s *sizer) elements(what string, samples int64) {
	n := s.n
	if n == 0 {
		return
	}
	if samples == 0 {
		samples = n
	}
	known := s.u - s.keyU
	total := sampled(float64(known), s.costU+s.mean, samples, samples)
	if s.l.head == headObject && s.l.sdsExact { // 8.6 keeps counters, no averages
		total = known + int64(s.costU+s.mean)
	}
	s.add(what, n, s.req, total-known, s.costR+int64(s.mean+0.5))
	s.chance(s.variance, s.variance)
}

// tableKind says how a table came to its size.
type tableKind uint8

const (
	tablePresized tableKind = iota // told once, before the first element
	tableAtRest                    // grown by insertions, long ago
	tableGrown                     // grown by insertions just now
	tableSteps
)

// live sizes the table of n elements of a server that has not been restarted,
// as far as that can be told. One command with many elements makes a table of
// the right size (7.2); what became a table for other reasons has grown step
// by step, and a rehash may have stopped on the way for want of commands.
func (s *sizer) live(n, limit int64, ints bool) (tableKind, []step) {
	switch {
	case s.l.bulk && n > limit:
		return tablePresized, nil
	case n > limit && (ints || !s.l.growHash && !s.l.bulk && s.kind == Hash):
		// Converted with the element that was too much, and sized for that.
		return tableSteps, []step{{false, limit + 1}, {true, n}}
	}
	return tableGrown, nil
}

// table adds a hash table of n elements. entries says that elements need
// entries of their own, noValue that they have none.
func (s *sizer) table(kind tableKind, n int64, steps []step, set, hash, ttl bool) {
	if s.l.bucketed {
		s.bucketTable(kind, n, steps, hash)
		return
	}
	structAlloc := s.a.Class(s.l.dictStruct)
	counted := s.l.dictStruct
	switch {
	case hash && s.l.fieldTTL == ttlRedis86:
		structAlloc = s.a.Class(64)
		if ttl {
			structAlloc = s.a.Class(88)
		}
	case hash && ttl:
		structAlloc = s.a.Class(88)
	}
	s.add("hash table", 1, counted, counted, structAlloc)
	var size, next int64
	var variance float64
	switch kind {
	case tablePresized, tableAtRest:
		size = pow2(n)
	default:
		d := dict{newer: s.l.dictNewer}
		switch {
		case s.Loaded:
		case s.kind == Hash:
			d.finds = s.l.hashFinds
		case s.kind == ZSet:
			d.finds = 1 // t_zset.c zsetAdd
		}
		if kind == tableGrown {
			g := s.grownTo(n, d.finds)
			size, next, variance = g.size, g.next, g.variance
			break
		}
		for _, st := range steps {
			if st.insert {
				d.insert(st.n)
			} else {
				d.hint(st.n)
			}
		}
		_, _, variance = d.slots()
		size, next = d.tables()
	}
	s.add("slots", size+next, 8*(size+next), 8*(size+next), s.a.Class(8*size)+s.classOrZero(8*next))
	s.chance(64*variance, 64*variance)
	// Entries of 24 bytes, but for tables whose first key of a bucket needs none.
	// All structs: {key, val, next} or {key, next} (dict.c@redis-7.2.6).
	switch {
	case s.l.entries == entriesAny, set && s.l.entries != entriesFull:
		ne, variance := nonEmpty(n, size+next)
		alloc := int64(float64(s.a.Class(16))*(float64(n)-ne) + 0.5)
		v := float64(s.a.Class(16)) * float64(s.a.Class(16)) * variance
		if set && s.l.entries == entriesSetSeen {
			// Counted with the elements, whose average is taken.
			s.costU += 16 * (float64(n) - ne)
			s.add("entries", n, 0, 0, alloc)
			s.chance(256*variance, v)
		} else {
			s.costU += float64(24 * n)
			s.add("entries", n, 16*n, 0, alloc)
			s.chance(0, v)
		}
	default:
		s.costU += float64(24 * n)
		s.add("entries", n, 24*n, 0, n*s.a.Class(24))
	}
}

func (s *sizer) classOrZero(n int64) int64 {
	if n == 0 {
		return 0
	}
	return s.a.Class(n)
}

func (s *sizer) bucketTable(kind tableKind, n int64, steps []step, hash bool) {
	counted := s.l.dictStruct
	if hash {
		counted += s.l.hashExtra
	}
	s.add("hash table", 1, counted, counted, s.a.Class(counted))
	var size, next int64
	var mean, variance float64
	switch kind {
	case tablePresized:
		size = bucketsFor(n)
		mean, variance, _ = s.kids.children(n, size)
	case tableAtRest:
		size = bucketsGrown(n)
		mean, variance, _ = s.kids.children(n, size)
	default:
		t := table{newer: s.l.hashExtra > 0}
		if kind == tableGrown {
			t.insert(n)
		}
		for _, st := range steps {
			if st.insert {
				t.insert(st.n)
			} else {
				t.hint(st.n)
			}
		}
		var v float64
		size, next, _, v = t.buckets()
		mean, variance, _ = t.children()
		variance += v
	}
	b := bucketBytes * (size + next)
	s.add("buckets", size+next, b, b, s.a.Class(bucketBytes*size)+s.classOrZero(bucketBytes*next))
	kids := int64(bucketBytes*mean + 0.5)
	s.add("child buckets (expected)", int64(mean+0.5), kids, kids, kids)
	s.chance(bucketBytes*bucketBytes*variance, bucketBytes*bucketBytes*variance)
}

// opaqueValue is a value that no formula covers: its serialised bytes.
func (s *sizer) opaqueValue(bytes int64) {
	s.key()
	s.opaque = true
	s.enc = Raw
	s.add("serialised bytes of a value without a formula", 1, bytes, bytes, bytes)
}
