package aggregate

import (
	"bytes"
	"hash/maphash"
	"math"
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
	slots []uint64 // hash<<32 | index+1
	rows  [][]leaf // in chunks: growing copies nothing
	count uint32
	stats [][]stats
	nstat uint32
	text  arena
	mods  modules
	hists int64 // bytes of histograms and kind lists
	fixed int64 // bytes of slots, rows and stats
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
	keySame   = math.MaxUint16
	leafBytes = 40
	leafChunk = 1 << 10
	statChunk = 1 << 6
	statBytes = 168
	histBytes = 32
)

// stats are the sums of a pattern with several keys.
type stats struct {
	keys, bytes, elems      int64
	min, max                int64 // of the keys' bytes
	noTTLKeys, noTTLBytes   int64
	fieldTTLKeys            int64
	expiredKeys             int64
	expiredBytes            int64
	foldedKeys, foldedBytes int64 // what came here because the table was full
	ttl, idle               *Hist
	sizes                   Hist
	kinds                   []kindBytes
}

// arena keeps text in chunks, addressed by multiples of 4 bytes.
type arena struct {
	chunks [][]byte
	used   int64
}

const arenaChunk = 1 << 18

func (a *arena) put(b []byte) uint32 {
	n := len(a.chunks)
	if n == 0 || cap(a.chunks[n-1])-len(a.chunks[n-1]) < len(b)+3 {
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
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
	return &leaves{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<8), fixed: 8 << 8}
}

// memory is what the table holds, in bytes.
func (t *leaves) memory() int64 {
	return t.fixed + t.text.used + t.hists
}

func (t *leaves) row(i uint32) *leaf { return &t.rows[i/leafChunk][i%leafChunk] }

func (t *leaves) more(l *leaf) *stats {
	i := l.more - 1
	return &t.stats[i/statChunk][i%statChunk]
}

func (t *leaves) pattern(l *leaf) []byte { return t.text.get(l.text, l.textLen) }

// find gives the row of a pattern, a new and empty one if fresh.
func (t *leaves) find(text []byte) (l *leaf, fresh bool) {
	h := uint32(maphash.Bytes(t.seed, text))
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return t.insert(h, text), true
		}
		if uint32(s>>32) == h {
			l := t.row(uint32(s) - 1)
			if bytes.Equal(t.pattern(l), text) {
				return l, false
			}
		}
	}
}

func (t *leaves) insert(h uint32, text []byte) *leaf {
	if int(t.count) >= len(t.slots)/4*3 {
		t.grow()
	}
	if t.count%leafChunk == 0 {
		t.rows = append(t.rows, make([]leaf, leafChunk))
	}
	t.count++
	t.fixed += leafBytes
	t.place(h, t.count)
	l := t.row(t.count - 1)
	l.text, l.textLen = t.text.put(text), uint16(len(text))
	return l
}

func (t *leaves) place(h, index uint32) {
	mask := uint32(len(t.slots) - 1)
	i := h & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = uint64(h)<<32 | uint64(index)
}

func (t *leaves) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	t.fixed += int64(len(old)) * 8
	for _, s := range old {
		if s != 0 {
			t.place(uint32(s>>32), uint32(s))
		}
	}
}

// add counts one record.
func (t *leaves) add(p *Patterner, it *item) {
	l, fresh := t.find(it.text)
	k := t.mods.kind(it.r)
	if fresh && uint64(it.r.Elems) <= math.MaxUint32 {
		l.bytes, l.elems, l.kind, l.life = it.n, uint32(it.r.Elems), k, it.life
		if it.life == expires {
			l.ttl = uint16(histBucket(it.left) + 1)
		}
		if it.r.Idle >= 0 {
			l.idle = uint16(histBucket(it.r.Idle) + 1)
		}
		t.setKey(l, it)
		return
	}
	s := t.promote(l, fresh)
	if fresh {
		t.setKey(l, it)
	} else if it.n >= s.max {
		t.offerKey(p, l, s, it)
	}
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

func (t *leaves) addKind(s *stats, k kind, n int64) {
	for i := range s.kinds {
		if s.kinds[i].kind == k {
			s.kinds[i].bytes += n
			return
		}
	}
	had := cap(s.kinds)
	s.kinds = append(s.kinds, kindBytes{k, n})
	t.hists += int64(cap(s.kinds)-had) * 16
}

// promote gives the stats of a row, made from its one key if there is one.
func (t *leaves) promote(l *leaf, fresh bool) *stats {
	if l.more != 0 {
		return t.more(l)
	}
	if t.nstat%statChunk == 0 {
		t.stats = append(t.stats, make([]stats, statChunk))
	}
	t.nstat++
	t.fixed += statBytes
	l.more = t.nstat
	s := t.more(l)
	if !fresh {
		t.countOne(s, l, l.kind)
	}
	return s
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
	if s.keys == 0 {
		s.min, s.max = from.min, from.max
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
	had := s.memory() - int64(cap(s.kinds))*16
	s.sizes.Merge(&from.sizes)
	s.ttl = mergeHist(s.ttl, from.ttl)
	s.idle = mergeHist(s.idle, from.idle)
	t.hists += s.memory() - int64(cap(s.kinds))*16 - had
	for _, k := range from.kinds {
		t.addKind(s, t.mods.from(mods, k.kind), k.bytes)
	}
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
		old := t.kept(p, p.scratch[:0], l)
		key := it.r.Key
		c := bytes.Compare(key[:min(len(key), maxKey)], old[:min(len(old), maxKey)])
		if c > 0 || c == 0 && (len(old) <= maxKey || len(key) >= keptLen(old)) {
			return
		}
	}
	t.setKey(l, it)
}

// absorb counts row l of o under the pattern text; folded says that this is
// not the pattern that the keys were added under. O loses its histograms.
func (t *leaves) absorb(p *Patterner, o *leaves, l *leaf, text []byte, folded bool) {
	d, fresh := t.find(text)
	kept := o.kept(p, p.scratch[:0], l)
	if l.more == 0 && fresh && !folded {
		same := l.keyLen == keySame
		d.bytes, d.elems, d.ttl, d.idle, d.life = l.bytes, l.elems, l.ttl, l.idle, l.life
		d.kind = t.mods.from(&o.mods, l.kind)
		if same {
			d.keyLen = keySame
		} else {
			t.storeKey(d, kept)
		}
		return
	}
	s := t.promote(d, fresh)
	if top := o.top(l); fresh || top > s.max || top == s.max && bytes.Compare(kept, t.kept(p, nil, d)) < 0 {
		t.storeKey(d, kept)
	}
	d.bytes += l.bytes
	keys, was, wasBytes := int64(1), int64(0), int64(0)
	if l.more != 0 {
		from := o.more(l)
		keys, was, wasBytes = from.keys, from.foldedKeys, from.foldedBytes
		if s.keys == 0 {
			*s = *from
			t.hists += s.memory()
			for i := range s.kinds {
				s.kinds[i].kind = t.mods.from(&o.mods, s.kinds[i].kind)
			}
		} else {
			t.joinStats(s, &o.mods, from)
		}
	} else {
		t.countOne(s, l, t.mods.from(&o.mods, l.kind))
	}
	if folded {
		s.foldedKeys += keys - was
		s.foldedBytes += l.bytes - wasBytes
	}
}

// top is the size of a row's largest key.
func (t *leaves) top(l *leaf) int64 {
	if l.more == 0 {
		return l.bytes
	}
	return t.more(l).max
}

func (s *stats) memory() int64 {
	n := s.sizes.memory() + int64(cap(s.kinds))*16
	if s.ttl != nil {
		n += histBytes + s.ttl.memory()
	}
	if s.idle != nil {
		n += histBytes + s.idle.memory()
	}
	return n
}
