package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
)

// leaves is the table of whole patterns: open addressing over compact rows,
// text in an arena. Most patterns of a large dump may hold a single key, so a
// row of one key is 40 bytes without pointers and describes that key itself;
// only a second key brings sums and histograms.
//
// Hashes are seeded at random, so that no dump can choose its collisions;
// nothing that is rendered depends on them.
type leaves struct {
	seed  maphash.Seed
	slots []uint64 // hash<<32 | index+1, in the order of hashes but where they collide
	shift uint8    // of a hash, to the number of its slot
	rows  [][]leaf // in chunks: growing copies nothing
	count uint32
	stats [][]stats
	nstat uint32
	free  []uint32 // stats that are in no use, index+1
	text  arena
	mods  modules
	hists int64   // bytes of histograms and kind lists
	fixed int64   // bytes of slots, rows and stats
	shut  *closed // nil until the table was full
	moves uint32  // times that rows got other indexes
	gone  int     // chunks of text that another table has taken over
}

// leaf is a pattern with keys of its own.
type leaf struct {
	bytes   int64
	text    uint32 // pattern in marked form, in the arena
	key     uint32 // kept name of the largest key, in the arena
	more    uint32 // index+1 of the stats; 0: one key, described right here
	elems   uint32
	textLen uint16
	keyLen  uint16 // keySame: the pattern is the key
	ttl     uint16 // histogram bucket+1 of the time to live; 0: none
	idle    uint16
	kind    kind
	life    life
}

const (
	keySame    = math.MaxUint16
	firstSlots = 8 // as a power of two
	leafBytes  = 40
	leafChunk  = 1 << 10
	statChunk  = 1 << 6
	statBytes  = 192
	histBytes  = 32
	// of the head of a list of kinds
	kindListBytes = 24
)

// stats are the sums of a pattern with several keys, in lines of the cache: each
// key changes the first two, few look at the third. Chunks of them are aligned.
type stats struct {
	keys, bytes, elems      int64
	noTTLKeys, noTTLBytes   int64
	foldedKeys, foldedBytes int64 // what came here because the table was full
	max                     int64 // of the keys' bytes

	sizes Hist
	kind  kindBytes // the first kind, if there are keys
	min   int64
	idle  *Hist

	ttl          *Hist
	heads        heads        // of the largest key's name; 0: not known
	kinds        *[]kindBytes // the other kinds, nil: there is none
	fieldTTLKeys int64
	expiredKeys  int64
	expiredBytes int64
}

// others are the kinds but for the first.
func (s *stats) others() []kindBytes {
	if s.kinds == nil {
		return nil
	}
	return *s.kinds
}

// arena keeps text in chunks, addressed by multiples of 4 bytes.
type arena struct {
	chunks [][]byte
	free   [][]byte // chunks to use next
	used   int64
}

const arenaChunk = 1 << 18

func (a *arena) put(b []byte) uint32 {
	n := len(a.chunks)
	if n == 0 || cap(a.chunks[n-1])-len(a.chunks[n-1]) < len(b)+3 {
		if f := len(a.free); f > 0 {
			a.chunks, a.free = append(a.chunks, a.free[f-1]), a.free[:f-1]
		} else {
			a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
		}
		n++
	}
	c := a.chunks[n-1]
	at := len(c)
	c = append(c, b...)
	c = c[:(len(c)+3)&^3]
	a.chunks[n-1] = c
	a.used += int64(len(c) - at)
	return uint32(n-1)*(arenaChunk/4) + uint32(at/4)
}

func (a *arena) get(at uint32, n uint16) []byte {
	c := a.chunks[at/(arenaChunk/4)]
	from := int(at%(arenaChunk/4)) * 4
	return c[from : from+int(n)]
}

func newLeaves() *leaves {
	return &leaves{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<firstSlots), shift: 32 - firstSlots, fixed: 8 << firstSlots}
}

// memory is what the table holds, in bytes.
func (t *leaves) memory() int64 {
	n := t.fixed + t.text.used + t.hists
	if t.shut != nil {
		n += t.shut.memory()
	}
	return n
}

func (t *leaves) row(i uint32) *leaf { return &t.rows[i/leafChunk][i%leafChunk] }

func (t *leaves) more(l *leaf) *stats {
	i := l.more - 1
	return &t.stats[i/statChunk][i%statChunk]
}

func (t *leaves) pattern(l *leaf) []byte { return t.text.get(l.text, l.textLen) }

func (t *leaves) hash(text []byte) uint32 { return uint32(maphash.Bytes(t.seed, text)) }

// find gives the row of a pattern with hash h, a new and empty one if fresh.
func (t *leaves) find(h uint32, text []byte) (l *leaf, fresh bool) {
	if i := t.lookup(h, text); i != 0 {
		return t.row(i - 1), false
	}
	return t.insert(h, text), true
}

// lookup gives the index+1 of the row of a pattern with hash h, or 0.
func (t *leaves) lookup(h uint32, text []byte) uint32 {
	mask := uint32(len(t.slots) - 1)
	for i := h >> t.shift; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return 0
		}
		if uint32(s>>32) == h && bytes.Equal(t.pattern(t.row(uint32(s)-1)), text) {
			return uint32(s)
		}
	}
}

// ahead is how many rows are looked for at a time: by themselves, loads that
// miss the caches wait for one another.
const ahead = 64

// spot is where a pattern is counted. It holds until rows move.
type spot struct {
	row   uint32 // index+1 of its own row, 0: none
	group uint32 // index+1 of the row of its closed group, 0: none
	next  int32  // if the group has several wildcards, the first literal that one with less has as *
	moves uint32
	// Of rows and groups, when there was no row.
	count, groups uint32
	// Hashes that stand for the pattern and for the group with a wildcard less.
	whole, less uint64
}

// warm brings into the cache what lookups of these hashes read first. The sum
// that it returns keeps the compiler from leaving that out.
func (t *leaves) warm(hashes []uint32) (sum uint64) {
	var found [ahead]uint32
	n := 0
	for _, h := range hashes[:min(len(hashes), ahead)] {
		s := t.slots[h>>t.shift]
		found[n] = uint32(s)
		if uint32(s>>32) == h && s != 0 {
			n++
		}
	}
	var at [ahead]uint32
	for i, row := range found[:n] {
		at[i] = t.row(row - 1).text
	}
	for _, a := range at[:n] {
		sum += uint64(t.text.chunks[a/(arenaChunk/4)][a%(arenaChunk/4)*4])
	}
	return sum + t.warmStats(found[:n])
}

// warmStats does so for the sums of rows, given by index+1.
func (t *leaves) warmStats(rows []uint32) (sum uint64) {
	var more [ahead]*stats
	n := 0
	for _, i := range rows[:min(len(rows), ahead)] {
		if l := t.row(i - 1); l.more != 0 {
			more[n] = t.more(l)
			n++
		}
	}
	var hists [2 * ahead]*Hist
	k := 0
	for _, s := range more[:n] {
		sum += uint64(s.keys) + uint64(s.max) + s.sizes.warm()
		if s.ttl != nil {
			hists[k] = s.ttl
			k++
		}
		if s.idle != nil {
			hists[k] = s.idle
			k++
		}
	}
	for _, h := range hists[:k] {
		sum += uint64(h.lo)
	}
	for _, h := range hists[:k] {
		sum += h.warm()
	}
	return sum
}

// locate finds the spot of a pattern.
func (t *leaves) locate(at *spot, h uint32, text []byte) {
	at.moves, at.count = t.moves, t.count
	at.row, at.group = 0, 0
	if at.row = t.lookup(h, text); at.row == 0 && t.shut != nil {
		t.locateGroup(at, text)
	}
}

func (t *leaves) insert(h uint32, text []byte) *leaf {
	if int(t.count) >= len(t.slots)/4*3 {
		t.grow()
	}
	if int(t.count/leafChunk) == len(t.rows) {
		t.rows = append(t.rows, make([]leaf, leafChunk))
	}
	t.count++
	t.fixed += leafBytes
	t.place(h, t.count)
	l := t.row(t.count - 1)
	*l = leaf{text: t.text.put(text), textLen: uint16(len(text))}
	return l
}

func (t *leaves) place(h, index uint32) {
	mask := uint32(len(t.slots) - 1)
	i := h >> t.shift
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = uint64(h)<<32 | uint64(index)
}

func (t *leaves) grow() {
	old := t.slots
	t.slots = touched(make([]uint64, 2*len(old)))
	t.shift--
	t.fixed += int64(len(old)) * 8
	for _, s := range old {
		if s != 0 {
			t.place(uint32(s>>32), uint32(s))
		}
	}
}

// touched writes to all of new memory. Where a page is read first, the kernel
// lends one of zeros, and must take that back on all processors when it is
// written to.
func touched[T any](list []T) []T {
	clear(list)
	return list
}

// add counts one record, whose spot was found.
func (t *leaves) add(p *Patterner, it *item) {
	at := &it.at
	if at.moves != t.moves {
		t.locate(at, it.hash, it.text)
	} else if at.row == 0 && at.count != t.count {
		if t.shut != nil && at.groups != t.shut.count {
			t.locate(at, it.hash, it.text)
		} else {
			at.row = t.lookup(it.hash, it.text)
		}
	}
	k := t.mods.kind(it.r)
	if at.row == 0 {
		if at.group != 0 && !t.opens(at, it.text, it.n) {
			t.addFolded(p, t.row(at.group-1), it, k)
			return
		}
		l := t.insert(it.hash, it.text)
		t.setKey(l, it)
		if uint64(it.r.Elems) > math.MaxUint32 {
			t.addMore(l, t.promote(l, true), it, k)
			return
		}
		l.bytes, l.elems, l.kind, l.life = it.n, uint32(it.r.Elems), k, it.life
		if it.life == expires {
			l.ttl = uint16(histBucket(it.left) + 1)
		}
		if it.r.Idle >= 0 {
			l.idle = uint16(histBucket(it.r.Idle) + 1)
		}
		return
	}
	l := t.row(at.row - 1)
	s := t.promote(l, false)
	if it.n >= s.max {
		t.offerKey(p, l, s, it)
	}
	t.addMore(l, s, it, k)
}

// addRun counts items of one pattern, the spot of the first of which was found.
func (t *leaves) addRun(p *Patterner, items []item) {
	for len(items) > 0 {
		it := &items[0]
		t.add(p, it)
		if items = items[1:]; len(items) == 0 {
			return
		}
		at := &items[0].at
		if *at = it.at; at.row == 0 || at.moves != t.moves {
			t.locate(at, it.hash, it.text)
		}
		if at.row != 0 {
			l := t.row(at.row - 1)
			t.addSeveral(p, l, t.promote(l, false), items)
			return
		}
	}
}

// addSeveral counts items of a pattern that has a key already.
func (t *leaves) addSeveral(p *Patterner, l *leaf, s *stats, items []item) {
	var lives [numLives]tally
	var elems int64
	least, most := s.min, s.max
	for i := 0; i < len(items); {
		it := &items[i]
		n, k := it.n, t.mods.kind(it.r)
		least = min(least, n)
		from := i
		for ; i < len(items); i++ {
			if it = &items[i]; it.n != n || t.mods.kind(it.r) != k {
				break
			}
			if n >= most {
				s.max = most
				t.offerKey(p, l, s, it)
				most = n
			}
			lives[it.life].add(n)
			elems += it.r.Elems
			if it.life == expires {
				t.tally(&s.ttl, histBucket(it.left))
			}
			if it.r.Idle >= 0 {
				t.tally(&s.idle, histBucket(it.r.Idle))
			}
		}
		count := int64(i - from)
		t.hists += s.sizes.tally(histBucket(n), count)
		t.addKind(s, k, count*n)
	}
	s.min, s.max = least, most
	all := sumLives(&lives)
	l.bytes += all.bytes
	s.keys += all.keys
	s.bytes += all.bytes
	s.elems += elems
	s.noTTLKeys += lives[noTTL].keys
	s.noTTLBytes += lives[noTTL].bytes
	s.fieldTTLKeys += lives[fieldTTL].keys
	s.expiredKeys += lives[expired].keys
	s.expiredBytes += lives[expired].bytes
}

// addFolded counts one record of a closed group in the row of its wildcard.
func (t *leaves) addFolded(p *Patterner, l *leaf, it *item, k kind) {
	s := t.more(l)
	it.same = false // the pattern of the row is another
	if s.keys == 0 {
		t.setKey(l, it)
	} else if it.n >= s.max {
		t.offerKey(p, l, s, it)
	}
	s.foldedKeys++
	s.foldedBytes += it.n
	t.addMore(l, s, it, k)
}

func (t *leaves) addMore(l *leaf, s *stats, it *item, k kind) {
	l.bytes += it.n
	s.count(t, it.n, it.r.Elems, it.life, k)
	if it.life == expires {
		t.tally(&s.ttl, histBucket(it.left))
	}
	if it.r.Idle >= 0 {
		t.tally(&s.idle, histBucket(it.r.Idle))
	}
}

// count adds one key to the sums.
func (s *stats) count(t *leaves, n, elems int64, life life, k kind) {
	if s.keys == 0 {
		s.min, s.max = n, n
		s.kind.kind = k
	}
	s.min, s.max = min(s.min, n), max(s.max, n)
	s.keys++
	s.bytes += n
	s.elems += elems
	switch life {
	case noTTL:
		s.noTTLKeys++
		s.noTTLBytes += n
	case fieldTTL:
		s.fieldTTLKeys++
	case expired:
		s.expiredKeys++
		s.expiredBytes += n
	}
	t.hists += s.sizes.tally(histBucket(n), 1)
	t.addKind(s, k, n)
}

// addKind adds to the bytes of a kind; s.kind is set if s has keys.
func (t *leaves) addKind(s *stats, k kind, n int64) {
	if s.kind.kind == k {
		s.kind.bytes += n
		return
	}
	others := s.others()
	for i := range others {
		if others[i].kind == k {
			others[i].bytes += n
			return
		}
	}
	if s.kinds == nil {
		s.kinds = new([]kindBytes)
		t.hists += kindListBytes
	}
	*s.kinds = append(others, kindBytes{k, n})
	t.hists += int64(cap(*s.kinds)-cap(others)) * 16
}

// promote gives the stats of a row, made from its one key if there is one.
func (t *leaves) promote(l *leaf, fresh bool) *stats {
	if l.more != 0 {
		return t.more(l)
	}
	l.more = t.newStats()
	s := t.more(l)
	if !fresh {
		t.countOne(s, l, l.kind)
	}
	return s
}

// newStats gives the index+1 of empty stats.
func (t *leaves) newStats() uint32 {
	t.fixed += statBytes
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i
	}
	if t.nstat%statChunk == 0 {
		t.stats = append(t.stats, touched(make([]stats, statChunk)))
	}
	t.nstat++
	return t.nstat
}

// countOne adds the one key that a row describes.
func (t *leaves) countOne(s *stats, l *leaf, k kind) {
	s.count(t, l.bytes, int64(l.elems), l.life, k)
	if l.ttl != 0 {
		t.tally(&s.ttl, int(l.ttl)-1)
	}
	if l.idle != 0 {
		t.tally(&s.idle, int(l.idle)-1)
	}
}

// join counts in s all that row l of o holds; k is the kind of its one key.
func (t *leaves) join(s *stats, o *leaves, l *leaf) {
	if l.more == 0 {
		t.countOne(s, l, t.mods.from(&o.mods, l.kind))
		return
	}
	t.joinStats(s, &o.mods, o.more(l))
}

func (t *leaves) joinStats(s *stats, mods *modules, from *stats) {
	if from.keys == 0 {
		return
	}
	if s.keys == 0 {
		s.min, s.max = from.min, from.max
		s.kind.kind = t.mods.from(mods, from.kind.kind)
	}
	s.min, s.max = min(s.min, from.min), max(s.max, from.max)
	s.keys += from.keys
	s.bytes += from.bytes
	s.elems += from.elems
	s.noTTLKeys += from.noTTLKeys
	s.noTTLBytes += from.noTTLBytes
	s.fieldTTLKeys += from.fieldTTLKeys
	s.expiredKeys += from.expiredKeys
	s.expiredBytes += from.expiredBytes
	s.foldedKeys += from.foldedKeys
	s.foldedBytes += from.foldedBytes
	had := s.histMemory()
	s.sizes.Merge(&from.sizes)
	s.ttl = mergeHist(s.ttl, from.ttl)
	s.idle = mergeHist(s.idle, from.idle)
	t.hists += s.histMemory() - had
	t.addKind(s, t.mods.from(mods, from.kind.kind), from.kind.bytes)
	for _, k := range from.others() {
		t.addKind(s, t.mods.from(mods, k.kind), k.bytes)
	}
}

// warm reads from among the buckets.
func (h *Hist) warm() uint64 {
	if len(h.n) == 0 {
		return 0
	}
	return uint64(h.n[len(h.n)/2])
}

// tally is addBucket that says by how many bytes the histogram grew.
func (h *Hist) tally(b int, count int64) int64 {
	if h.dense {
		if i := b - int(h.lo); uint(i) < uint(len(h.n)) {
			h.n[i] += count
			return 0
		}
	}
	had := cap(h.n)
	h.addBucket(b, count)
	return int64(cap(h.n)-had) * 8
}

// tally counts in a histogram that is made for the first value.
func (t *leaves) tally(h **Hist, b int) {
	if *h == nil {
		*h = &Hist{}
		t.hists += histBytes
	}
	t.hists += (*h).tally(b, 1)
}

// mergeHist adds o to h, either of which may be nil; it does not keep o.
func mergeHist(h, o *Hist) *Hist {
	if o == nil {
		return h
	}
	if h == nil {
		h = &Hist{}
	}
	h.Merge(o)
	return h
}

// folded reports whether keys came to a row because the table was full.
func (t *leaves) folded(l *leaf) bool { return l.more != 0 && t.more(l).foldedKeys > 0 }

func (t *leaves) setKey(l *leaf, it *item) {
	t.forgetHead(l)
	if it.same && len(it.r.Key) <= maxKey {
		l.keyLen = keySame
		return
	}
	var buf [maxKey + 8]byte
	t.storeKey(l, appendKept(buf[:0], it.r.Key))
}

// storeKey writes over the name before if there is room: names of one pattern
// are of similar length, so a run of ever larger keys does not grow the arena.
func (t *leaves) storeKey(l *leaf, kept []byte) {
	t.forgetHead(l)
	if l.keyLen != keySame && l.keyLen != 0 && len(kept) <= (int(l.keyLen)+3)&^3 {
		l.keyLen = uint16(len(kept))
		copy(t.text.get(l.key, l.keyLen), kept)
		return
	}
	l.key, l.keyLen = t.text.put(kept), uint16(len(kept))
}

// kept gives the name of a row's largest key, by way of buf if it must be made.
func (t *leaves) kept(p *Patterner, buf []byte, l *leaf) []byte {
	if l.keyLen == keySame {
		return p.original(buf[:0], t.pattern(l))
	}
	return t.text.get(l.key, l.keyLen)
}

// offerKey makes the key of it the row's name if it is the largest so far, of
// several the one that sorts first.
func (t *leaves) offerKey(p *Patterner, l *leaf, s *stats, it *item) {
	if it.n == s.max {
		key := it.r.Key
		if s.heads.sortBefore(key) { // the usual end, without a look at the name
			return
		}
		old := t.kept(p, p.scratch[:0], l)
		c := bytes.Compare(key[:min(len(key), maxKey)], old[:min(len(old), maxKey)])
		if c > 0 || c == 0 && (len(old) <= maxKey || len(key) >= keptLen(old)) {
			s.heads = headsOf(old)
			return
		}
	}
	t.setKey(l, it)
}

// headOf is the first bytes of a name as a number that sorts like them, as if
// zeros came behind a short one: of two names with other heads, the one with the
// smaller sorts first.
func headOf(name []byte) uint64 {
	if len(name) >= 8 {
		return binary.BigEndian.Uint64(name)
	}
	var h uint64
	for i, c := range name {
		h |= uint64(c) << (56 - 8*i)
	}
	return h
}

// heads are the first bytes of a name, 8 in each.
type heads [3]uint64

func headsOf(name []byte) (h heads) {
	for i := range h {
		h[i] = headOf(name[min(8*i, len(name)):])
	}
	return h
}

// sortBefore says that the name whose heads these are sorts before another for
// sure; what is not known does not.
func (h *heads) sortBefore(name []byte) bool {
	if h[0] == 0 {
		return false
	}
	for i := range h {
		if x := headOf(name[min(8*i, len(name)):]); x != h[i] {
			return h[i] < x
		}
	}
	return false
}

// forgetHead says that the name of a row's largest key is about to change.
func (t *leaves) forgetHead(l *leaf) {
	if l.more != 0 {
		t.more(l).heads = heads{}
	}
}

// inherit takes over memory of o whose rows below i were counted in t.
func (t *leaves) inherit(o *leaves, i uint32) {
	if i%leafChunk == 0 && i > 0 {
		done := &o.rows[i/leafChunk-1]
		t.rows, *done = append(t.rows, *done), nil
	}
	// What rows keep of text comes after the text of the rows before.
	for at := int(o.row(i).text / (arenaChunk / 4)); o.gone < at; o.gone++ {
		t.text.free = append(t.text.free, o.text.chunks[o.gone][:0])
		o.text.chunks[o.gone] = nil
	}
}

// take counts row l of o, whose pattern has hash h in t.
func (t *leaves) take(p *Patterner, o *leaves, l *leaf, h uint32) {
	text := o.pattern(l)
	if t.shut != nil && l.more == 0 {
		var at spot
		if t.locate(&at, h, text); at.group != 0 && !t.opens(&at, text, l.bytes) {
			text = t.pattern(t.row(at.group - 1))
			t.absorb(p, o, l, t.hash(text), text, true)
			return
		}
	}
	t.absorb(p, o, l, h, text, false)
}

// absorb counts row l of o under the pattern text with hash h; folded says that this is
// not the pattern that the keys were added under. O loses the row. It may
// share its stats with t, as it does in a sweep.
func (t *leaves) absorb(p *Patterner, o *leaves, l *leaf, h uint32, text []byte, folded bool) {
	d, fresh := t.find(h, text)
	if fresh && !folded {
		d.bytes, d.elems, d.ttl, d.idle, d.life = l.bytes, l.elems, l.ttl, l.idle, l.life
		if l.more != 0 {
			d.more = t.adopt(o, l)
		} else {
			d.kind = t.mods.from(&o.mods, l.kind)
		}
		if d.keyLen = l.keyLen; l.keyLen != keySame {
			d.key = t.text.put(o.text.get(l.key, l.keyLen))
		}
		return
	}
	keys, was, wasBytes := int64(1), int64(0), int64(0)
	if l.more != 0 {
		from := o.more(l)
		keys, was, wasBytes = from.keys, from.foldedKeys, from.foldedBytes
	}
	if fresh {
		t.storeKey(d, o.kept(p, p.scratch, l))
		if l.more != 0 {
			d.more = t.adopt(o, l)
		} else {
			t.countOne(t.promote(d, true), l, t.mods.from(&o.mods, l.kind))
		}
	} else {
		s := t.promote(d, false)
		if top := o.top(l); top >= s.max {
			if kept := o.kept(p, p.scratch, l); top > s.max || bytes.Compare(kept, t.kept(p, p.scratch2, d)) < 0 {
				t.storeKey(d, kept)
			}
		}
		t.join(s, o, l)
		if l.more != 0 && o.shares(t) {
			t.release(l.more)
		}
	}
	d.bytes += l.bytes
	if folded {
		s := t.more(d)
		s.foldedKeys += keys - was
		s.foldedBytes += l.bytes - wasBytes
	}
}

func (t *leaves) shares(o *leaves) bool {
	return len(t.stats) > 0 && len(o.stats) > 0 && &t.stats[0] == &o.stats[0]
}

// adopt gives the index+1 that the stats of row l of o have in t from now on.
func (t *leaves) adopt(o *leaves, l *leaf) uint32 {
	if o.shares(t) {
		return l.more
	}
	i := t.newStats()
	s := &t.stats[(i-1)/statChunk][(i-1)%statChunk]
	*s = *o.more(l)
	t.hists += s.memory()
	s.kind.kind = t.mods.from(&o.mods, s.kind.kind)
	others := s.others()
	for k := range others {
		others[k].kind = t.mods.from(&o.mods, others[k].kind)
	}
	return i
}

// release frees stats that were counted elsewhere.
func (t *leaves) release(i uint32) {
	s := &t.stats[(i-1)/statChunk][(i-1)%statChunk]
	t.hists -= s.memory()
	t.fixed -= statBytes
	*s = stats{}
	t.free = append(t.free, i)
}

// refill puts all rows into the table anew, each under the pattern that rename
// appends for it. The table does not grow meanwhile: rows move to the front,
// stats stay where they are, and text moves to chunks whose own has moved.
// About expect rows are going to remain.
func (t *leaves) refill(p *Patterner, expect uint32, rename func(dst []byte, i uint32, text []byte) (_ []byte, folded bool)) (sum uint64) {
	n := t.count
	old := &leaves{stats: t.stats, text: t.text, mods: t.mods}
	t.text = arena{free: t.text.free}
	t.count = 0
	t.moves++
	size, shift := 1<<firstSlots, uint8(32-firstSlots)
	for size/2 < int(expect) {
		size, shift = 2*size, shift-1
	}
	if size < len(t.slots) { // lookups reach into less memory
		t.fixed -= int64(len(t.slots)-size) * 8
		t.slots, t.shift = make([]uint64, size), shift
	}
	clear(t.slots)
	t.fixed -= int64(n) * leafBytes
	moved := 0
	var (
		rows   [ahead]leaf
		ends   [ahead]int // of names
		hashes [ahead]uint32
		folded [ahead]bool
		names  []byte
	)
	for from := uint32(0); from < n; from += ahead {
		names = names[:0]
		some := int(min(n-from, ahead))
		for i := range some {
			l := t.row(from + uint32(i)) // no more rows than so far overwrite it
			rows[i] = *l
			names, folded[i] = rename(names, from+uint32(i), old.pattern(l))
			start := 0
			if i > 0 {
				start = ends[i-1]
			}
			ends[i] = len(names)
			hashes[i] = t.hash(names[start:])
		}
		sum += t.warm(hashes[:some])
		// What rows keep of text comes after the text of the rows before.
		for at := int(rows[0].text / (arenaChunk / 4)); moved < at; moved++ {
			t.text.free = append(t.text.free, old.text.chunks[moved][:0])
			old.text.chunks[moved] = nil
		}
		start := 0
		for i := range some {
			t.absorb(p, old, &rows[i], hashes[i], names[start:ends[i]], folded[i])
			old.stats = t.stats
			start = ends[i]
		}
	}
	for ; moved < len(old.text.chunks); moved++ {
		t.text.free = append(t.text.free, old.text.chunks[moved][:0])
	}
	return sum
}

// top is the size of a row's largest key.
func (t *leaves) top(l *leaf) int64 {
	if l.more == 0 {
		return l.bytes
	}
	return t.more(l).max
}

func (s *stats) memory() int64 {
	n := s.histMemory()
	if s.kinds != nil {
		n += kindListBytes + int64(cap(*s.kinds))*16
	}
	return n
}

// histMemory is what the histograms take beside the stats themselves.
func (s *stats) histMemory() int64 {
	n := s.sizes.memory()
	if s.ttl != nil {
		n += histBytes + s.ttl.memory()
	}
	if s.idle != nil {
		n += histBytes + s.idle.memory()
	}
	return n
}

// reset forgets the one row of a table that holds one at a time.
func (t *leaves) reset() {
	clear(t.slots)
	t.count, t.hists, t.fixed = 0, 0, 0
	if t.nstat > 0 {
		t.stats[0][0] = stats{}
		t.free = append(t.free[:0], 1)
	}
	for i := range t.text.chunks {
		t.text.free = append(t.text.free, t.text.chunks[i][:0])
	}
	t.text = arena{free: t.text.free}
}

// code codes a row but for its pattern. sorted are the table's modules in order.
func (t *leaves) code(c *coder, p *Patterner, l *leaf, sorted *modules) {
	kindOf := func(k *kind) {
		n := *k
		if !c.reads {
			n = t.mods.in(sorted, n)
		}
		if small(c, &n, int64(sorted.kinds())); c.reads {
			*k = n
		}
	}
	several, same, key := l.more != 0, false, []byte(nil)
	if !c.reads {
		p.scratch = append(p.scratch[:0], t.kept(p, p.scratch, l)...)
		p.scratch2 = p.original(p.scratch2[:0], t.pattern(l))
		key, same = p.scratch, len(p.scratch) <= maxKey && bytes.Equal(p.scratch, p.scratch2)
	}
	if c.bool(&several, &same); !same {
		c.text(&key, maxKept)
	}
	switch {
	case !c.reads:
	case same:
		l.keyLen = keySame
	default:
		l.key, l.keyLen = t.text.put(key), uint16(len(key))
	}
	c.sum(&l.bytes)
	if !several {
		small(c, &l.elems, math.MaxUint32)
		small(c, &l.ttl, histMax+2)
		small(c, &l.idle, histMax+2)
		small(c, &l.life, int64(numLives))
		kindOf(&l.kind)
		return
	}
	s := t.promote(l, true)
	s.bytes = l.bytes
	c.sum(&s.keys, &s.elems, &s.noTTLKeys, &s.noTTLBytes, &s.fieldTTLKeys, &s.expiredKeys, &s.expiredBytes, &s.foldedKeys, &s.foldedBytes, &s.min, &s.max)
	c.hist(&s.sizes)
	optional(c, &s.ttl, c.hist)
	optional(c, &s.idle, c.hist)
	var kinds []kindBytes
	if !c.reads && s.keys > 0 {
		kinds = append(slices.Clone(s.others()), s.kind)
		for i := range kinds {
			kinds[i].kind = t.mods.in(sorted, kinds[i].kind)
		}
		slices.SortFunc(kinds, func(a, b kindBytes) int { return cmp.Compare(a.kind, b.kind) })
	}
	eachOf(c, &kinds, int(sorted.kinds()), func(k *kindBytes) {
		small(c, &k.kind, int64(sorted.kinds()))
		c.sum(&k.bytes)
	})
	if c.reads {
		if s.keys <= 0 || len(kinds) == 0 || s.sizes.Len() != s.keys {
			c.fail("a pattern without keys")
			return
		}
		if s.kind = kinds[0]; len(kinds) > 1 {
			others := kinds[1:]
			s.kinds = &others
		}
		t.hists += s.memory()
	}
}
