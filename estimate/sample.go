package estimate

import (
	"encoding/binary"
	"math/bits"

	"github.com/valyala/fastjson"

	"rdbaudit/rdbparse"
)

// closeLook is what an audit wants to know of the keys of its sample: things
// that would take too long for every key.
type closeLook struct {
	config *Config // as the records of the sample have it
	s      *sizer  // for what-ifs
	json   *jsonLook

	// The hash at hand.
	key      *rdbparse.Key
	wantJSON bool
	f        item  // its latest field
	bytes    int64 // of field names
	blob     bool  // it is stored packed
	short    int64 // a name of two bytes as an entry of a packed hash
	packed   int64 // bytes less as entries of a packed hash, with names of two bytes
	table    int64 // bytes less in a table
	mask     uint64
	objects  int32
	pairs    []closePair
	flat     *sizer // the hash with the fields of its objects
	rest     *sizer // without its objects
	apart    int64  // the objects as hashes of their own
	first    firstFields
}

// firstFields is what the first fields of a large hash say of all: a server
// writes them in the order of their hashes, which is a random one.
type firstFields struct {
	looked, objects int64
	cost            int64 // of the objects' fields in the table
	all             int64 // of all fields looked at
	own             int64 // of the objects as hashes of their own
	// Sums for the variance, of what a field adds to the size after: x is what
	// an object takes more as a hash, y what its field takes in the table.
	x, y, xx, xy, yy float64
}

// closePair is a field of the hash, or of an object in a field of it.
type closePair struct {
	f, v item
	own  bool // of the hash itself
}

const (
	// maxCloseFields is the largest packed hash that is looked at closely.
	maxCloseFields = 1 << 16
	// largeHash is from how many fields on a hash that is stored field by field
	// is judged by its first: whether it is of the sample or not, as such
	// hashes are few. The first of all tell whether the others are worth it.
	largeHash  = 4096
	manyFields = 256 // at least; an eighth of all if that is more
	fewFields  = 16
)

// maxClosePairs is how many fields there is room for all the time.
const maxClosePairs = 4096

// shortName is the length that field names would have.
const shortName = 2

func newCloseLook(c Config, json *jsonLook) *closeLook {
	config := c
	loaded := c
	loaded.Loaded, loaded.Audit = true, false
	c.Audit = false
	l := &closeLook{config: &config, s: newSizer(c), json: json, flat: newSizer(loaded), rest: newSizer(loaded)}
	l.short = l.s.entry(item{len: shortName})
	return l
}

// nameHash chooses the keys of a sample by their names alone, so that the
// choice does not depend on order, files or workers. Words are mixed by
// multiplication, two by two, whose high bits hold what all of them say.
func nameHash(name []byte) uint64 {
	const (
		first  = 0x9e3779b97f4a7c15
		second = 0xd6e8feb86659fd93
	)
	h := uint64(len(name)) * first
	for ; len(name) > 32; name = name[16:] {
		h = mixed(h^binary.LittleEndian.Uint64(name), second^binary.LittleEndian.Uint64(name[8:]))
	}
	if n := len(name); n >= 8 {
		// Words may overlap: the length is part of the hash. Nearly all names come this
		// way, so there is no branch on how long they are.
		a, b := binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[min(8, n-8):])
		c, d := binary.LittleEndian.Uint64(name[max(n-16, 0):]), binary.LittleEndian.Uint64(name[n-8:])
		h = mixed(h^a, second^b) ^ mixed(first^c, h^d)
		return h ^ h>>32
	}
	var rest uint64
	switch n := len(name); {
	case n >= 4:
		rest = uint64(binary.LittleEndian.Uint32(name))<<32 | uint64(binary.LittleEndian.Uint32(name[n-4:]))
	case n > 0:
		rest = uint64(name[0])<<16 | uint64(name[n>>1])<<8 | uint64(name[n-1])
	}
	h = mixed(h^rest, second)
	return h ^ h>>32
}

// mixed is a product, folded.
func mixed(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// chosen says whether a hash is among one of so many.
func chosen(h, every uint32) bool { return uint64(h)*uint64(every)>>32 == 0 }

// choose decides whether a key is of the sample and looked into for JSON.
func (e *Estimator) choose(k *rdbparse.Key) {
	if e.look == nil && e.json == nil {
		return
	}
	h := uint32(nameHash(k.Name))
	c := &e.sizers[0].Config
	e.thin.to(e.r.Announced(), c.Sample)
	e.sampled = e.look != nil && chosen(h, c.Sample<<e.thin.by)
	if c.JSON == c.Sample {
		e.wantJSON = e.sampled
	} else {
		e.wantJSON = e.json != nil && chosen(h, c.JSON)
	}
}

// thinning makes the sample of a large database smaller: how far a finding may
// be off depends on how many keys were looked at, and not on of how many. Each
// key says for how many it stands.
type thinning struct {
	announced uint64 // keys of the database
	by        uint8  // one of Config.Sample<<by is chosen
}

const (
	// manyChosen is how many keys of a database are chosen, by what it announces,
	// before it takes twice as many keys to choose one; maxThin how often that
	// happens: what is announced can be wrong.
	manyChosen = 32768
	maxThin    = 10
)

// to makes the sample one for a database of so many keys.
func (t *thinning) to(announced uint64, every uint32) {
	if announced == t.announced {
		return
	}
	*t = thinning{announced: announced}
	for every > 1 && t.by < maxThin && announced/uint64(every)>>t.by > manyChosen {
		t.by++
	}
}

// closely says whether the fields of a hash are looked at one by one.
func (e *Estimator) closely() bool { return e.look != nil && (e.sampled || e.wantJSON) }

// closeText is the text of the current part if somebody looks at it.
func (e *Estimator) closeText(it item) []byte {
	if it.isInt || it.len > longestJSON {
		return nil
	}
	b, err := e.r.Bytes()
	if err != nil {
		e.soft(err)
	}
	return b
}

// closeString looks at a string value of the sample, whose sizes are known.
// text is its bytes where there are up to longestNumber of them.
func (e *Estimator) closeString(it item, text []byte) {
	l, s := e.look, e.sizers[0]
	e.note().Entry = int32(min(l.s.entry(it), longestJSON))
	if !it.isInt && it.len <= longestNumber && isNumber(text) {
		l.s.begin(String, s.name, s.ttl, int(s.meta))
		l.s.stringValue(item{len: it.len, isInt: true, val: sharedInts})
		e.note().NumberSaves = int32(max(s.r-l.s.r, 0))
	}
}

// entry is what an element takes in a packed value, on its own.
func (s *sizer) entry(it item) int64 {
	s.lp, s.zl = 0, ziplistSize{}
	s.pack(it)
	return s.lp + s.zl.sum
}

// longestNumber is the longest text that is held for a number: digits that an
// integer of 64 bits takes, and blanks around them.
const longestNumber = 64

// isNumber says whether a text is a decimal number that an integer of 64 bits
// could stand for, if its digits behind the point are a fixed number: with
// blanks, quotes, a sign, zeros in front or behind.
func isNumber(b []byte) bool {
	trim := func() {
		for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
			b = b[1:]
		}
		for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t' || b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
			b = b[:len(b)-1]
		}
	}
	trim()
	if n := len(b); n > 2 && b[0] == '"' && b[n-1] == '"' {
		b = b[1 : n-1]
		trim()
	}
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	digits, points, first := 0, 0, true
	for i, c := range b {
		switch {
		case c == '.' && points == 0 && i > 0 && i < len(b)-1:
			points++
		case c-'0' > 9:
			return false
		case c == '0' && first: // in front: no digit of the integer
		default:
			digits++
			first = false
		}
	}
	return len(b) > 0 && digits <= 18
}

// beginHash begins to look at a hash; blob says that it is stored packed.
func (l *closeLook) beginHash(k *rdbparse.Key, json, blob bool) {
	l.key, l.wantJSON, l.blob = k, json && l.json != nil, blob
	l.bytes, l.packed, l.table, l.mask, l.objects, l.apart = 0, 0, 0, 0, 0, 0
	l.pairs = l.pairs[:0]
	if cap(l.pairs) > maxClosePairs { // one large hash must not be kept for good
		l.pairs = nil
	}
}

// field looks at the name of a field; text is nil for integers.
func (l *closeLook) field(it item, text []byte) {
	l.f = it
	l.bytes += it.len
	if it.isInt {
		l.mask |= 1 << (uint64(it.val) * 0x9e3779b97f4a7c15 >> 58)
	} else {
		l.mask |= 1 << (nameHash(text) >> 58)
	}
}

// value looks at the value of the latest field.
func (l *closeLook) value(v item, text []byte) {
	if l.f.len > shortName {
		l.packed += l.s.entry(l.f) - l.short
		if s := l.s; !l.blob {
			s.costR = 0
			s.pairCost(l.f.len, v.len, false)
			long := s.costR
			s.costR = 0
			s.pairCost(shortName, v.len, false)
			l.table += long - s.costR
		}
	}
	if len(l.pairs) > maxCloseFields { // too many to tell
		l.wantJSON = false
	}
	if !l.wantJSON {
		return
	}
	if text == nil || v.isInt || !looksLikeJSON(text) {
		l.pairs = append(l.pairs, closePair{l.f, v, true})
		return
	}
	o := l.json.object(text)
	if o == nil {
		l.pairs = append(l.pairs, closePair{l.f, v, true})
		return
	}
	l.objects++
	k, own := l.key, l.json.hash
	own.begin(Hash, k.NameLen+1+l.f.len, k.Expiry != rdbparse.NoExpiry, k.Meta)
	own.beginElements(int64(o.Len()), true)
	o.Visit(func(key []byte, v *fastjson.Value) {
		it := l.json.value(v)
		own.pair(l.json.item(key), it, fieldTTL{})
		l.pairs = append(l.pairs, closePair{item{len: l.f.len + 1 + int64(len(key))}, it, false})
	})
	own.endHash(false)
	l.apart += own.r
}

// mainSlots is the most that a key takes of the slots of the main dictionary:
// two of 8 bytes, right after it has doubled.
const mainSlots = 16

// endHash says what was found. s has sized the hash, blob is the length of a
// packed one.
func (l *closeLook) endHash(a *Audit, s *sizer, blob int64) {
	a.FieldBytes, a.FieldMask = l.bytes, l.mask
	if s.enc == Hashtable {
		a.FieldSaves = max(l.table, 0)
	} else {
		a.FieldSaves = s.a.Class(blob) - s.a.Class(blob-l.packed)
	}
	if !l.wantJSON {
		return
	}
	a.JSON = JSONNone
	if l.objects == 0 {
		return
	}
	k := l.key
	for _, s := range []*sizer{l.flat, l.rest} {
		s.begin(Hash, k.NameLen, k.Expiry != rdbparse.NoExpiry, k.Meta)
		s.beginElements(-1, true)
	}
	for i := range l.pairs {
		p := &l.pairs[i]
		l.flat.pair(p.f, p.v, fieldTTL{})
		if p.own {
			l.rest.pair(p.f, p.v, fieldTTL{})
		}
	}
	l.flat.endHash(false)
	if l.rest.n > 0 {
		l.rest.endHash(false)
		l.apart += l.rest.r
	}
	a.JSON, a.Fields, a.AsHash = JSONObject, l.objects, l.flat.r
	if l.apart+mainSlots*int64(l.objects) < a.AsHash {
		a.AsHash, a.Apart = l.apart, true
	}
}

// firstFields looks at the first fields of a large hash.
func (e *Estimator) firstFields(build bool) error {
	l := e.look
	l.first = firstFields{}
	x, k := &l.first, e.key
	many := max(manyFields, (e.r.Left()+1)/8)
	for x.looked < many && (x.looked < fewFields || x.objects > 0) {
		p, err := e.r.Part()
		if err != nil {
			return err
		}
		f, err := e.item(p, build)
		if err != nil {
			return err
		}
		if p, err = e.r.Part(); err != nil {
			return err
		}
		v, err := e.item(p, build)
		if err != nil {
			return err
		}
		e.elems++
		for _, s := range e.sizers {
			s.pair(f, v, fieldTTL{})
		}
		x.looked++
		l.s.costR = l.s.a.Class(24) // its entry, or what takes its place
		l.s.pairCost(f.len, v.len, false)
		x.all += l.s.costR
		y := float64(l.s.costR)
		x.y += y
		x.yy += y * y
		o := l.json.object(e.closeText(v))
		if o == nil {
			continue
		}
		own := l.json.hash
		own.begin(Hash, k.NameLen+1+f.len, k.Expiry != rdbparse.NoExpiry, k.Meta)
		own.beginElements(int64(o.Len()), true)
		o.Visit(func(key []byte, v *fastjson.Value) { own.pair(l.json.item(key), l.json.value(v), fieldTTL{}) })
		own.endHash(false)
		x.objects++
		x.cost += l.s.costR
		x.own += own.r
		d := float64(own.r) - y
		x.x += d
		x.xx += d * d
		x.xy += d * y
	}
	return nil
}

// endFirst says what the first fields say of the whole hash, which s has sized.
func (l *closeLook) endFirst(a *Audit, s *sizer) {
	x := &l.first
	a.JSON, a.Large = JSONNone, true
	if x.objects == 0 || x.all == 0 {
		return
	}
	n, looked := float64(s.n), float64(x.looked)
	a.JSON, a.Apart = JSONObject, true
	a.Fields = int32(min(n*float64(x.objects)/looked, 1<<30))
	a.AsHash = int64(float64(s.r)*(1-float64(x.cost)/float64(x.all)) + n/looked*float64(x.own))
	// The size of the whole is known, so what is uncertain is a ratio: its
	// variance is that of what is left of each field (Cochran, Sampling
	// Techniques, 6.4).
	part := float64(x.cost) / float64(x.all)
	sum := x.x + part*x.y
	squares := x.xx + 2*part*x.xy + part*part*x.yy
	variance := max(0, squares-sum*sum/looked) / (looked - 1)
	a.AsHashVar = int64(min(n*n*variance/looked*(1-looked/n), 1<<62))
}

// Probe answers what keys would take otherwise, under one configuration.
type Probe struct{ s *sizer }

// NewProbe makes a Probe.
func NewProbe(c *Config) *Probe {
	plain := *c
	plain.Audit, plain.JSON, plain.Sample = false, 0, 0
	return &Probe{newSizer(plain)}
}

// Renamed is how many bytes more, or less if negative, a key takes if its name
// has other bytes.
func (p *Probe) Renamed(r *Record, bytes int64) int64 {
	return p.head(r, bytes) - p.head(r, int64(len(r.Key)))
}

// head is what a key of that name takes, for a string with its value.
func (p *Probe) head(r *Record, name int64) int64 {
	p.s.begin(r.Type, name, r.Expiry != NoExpiry, 0)
	switch {
	case r.Type != String:
		p.s.key()
	case r.Encoding == Int:
		p.s.stringValue(item{len: r.Largest, isInt: true, val: sharedInts})
	default:
		p.s.stringValue(item{len: r.Largest})
	}
	return p.s.r
}

// Hash is what a key with a packed hash takes apart from its packed bytes.
func (p *Probe) Hash(name int64) int64 {
	p.s.begin(Hash, name, false, 0)
	return p.s.keyAlloc()
}

// Packed is what the allocator holds for a packed value of so many bytes of
// entries.
func (p *Probe) Packed(entries int64) int64 {
	frame := int64(listpackFrame)
	if p.s.l.ziplists {
		frame = ziplistFrame
	}
	return p.s.a.Class(frame + entries)
}

// Entry is what a text takes as an entry of a packed value, on its own.
func (p *Probe) Entry(text []byte) int64 {
	it := item{len: int64(len(text))}
	if len(text) <= longestInt {
		it.val, it.isInt = rdbparse.Integer(text)
	}
	return p.s.entry(it)
}
