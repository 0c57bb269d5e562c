package rdbparse

import (
	"encoding/binary"
	"math"
	"strconv"
)

// The walks through values. Each step reads up to the bytes of the next part,
// which are skipped or read afterwards, and says whether there was one. Every
// step that has a part consumes input, so the input bounds every walk
// (rdb.c@redis-8.6.3 rdbLoadObject, and @valkey-9.1.2).

// stepString: one string.
func (r *Reader) stepString(p *Part) bool {
	if r.walk.phase > 0 {
		return false
	}
	r.walk.phase = 1
	p.Kind = PartValue
	r.string(p)
	return true
}

// begin reads the count that a value starts with.
func (r *Reader) begin() {
	if r.walk.phase == 0 {
		r.walk.phase = 1
		r.walk.left = r.src.length()
		r.at = r.src.offset() // the first element, not its count
	}
}

// stepElements: count, then strings.
func (r *Reader) stepElements(p *Part) bool {
	r.begin()
	if r.walk.left == 0 {
		return false
	}
	r.walk.left--
	p.Kind = PartElement
	r.string(p)
	return true
}

// stepPairs gives first and second strings in turn.
func (r *Reader) stepHash(p *Part) bool {
	w := &r.walk
	if w.phase == 2 {
		w.phase = 1
		p.Kind = PartFieldValue
		r.string(p)
		return true
	}
	r.begin()
	if w.left == 0 {
		return false
	}
	w.left--
	w.phase = 2
	p.Kind = PartField
	r.string(p)
	return true
}

const notANumber = "a score that is not a number"

// isNaN says whether a double of these bits is not a number.
func isNaN(bits uint64) bool { return bits&math.MaxInt64 > 0x7ff<<52 }

// stepZSet: count, then members each with a little-endian double.
func (r *Reader) stepZSet(p *Part) bool {
	w := &r.walk
	if w.phase == 2 {
		w.phase = 1
		bits := r.src.u64()
		p.Kind, p.Score = PartScore, math.Float64frombits(bits)
		if isNaN(bits) {
			r.unsound(ErrValue, r.at, notANumber)
		}
		return true
	}
	return r.member(p)
}

func (r *Reader) member(p *Part) bool {
	r.begin()
	if r.walk.left == 0 {
		return false
	}
	r.walk.left--
	r.walk.phase = 2
	p.Kind = PartMember
	r.string(p)
	return true
}

// stepZSetText: as stepZSet with scores as text: a length byte, of which 253
// to 255 are NaN and the infinities (rdb.c@redis-2.4.18 rdbLoadDoubleValue).
func (r *Reader) stepZSetText(p *Part) bool {
	w := &r.walk
	if w.phase != 2 {
		return r.member(p)
	}
	w.phase = 1
	p.Kind = PartScore
	switch n := r.src.u8(); n {
	case 255:
		p.Score = math.Inf(-1)
	case 254:
		p.Score = math.Inf(1)
	case 253:
		r.unsound(ErrValue, r.at, notANumber)
	default:
		b := r.src.take(int(n))
		v, err := strconv.ParseFloat(string(b), 64)
		if r.src.err == nil && (err != nil && !math.IsInf(v, 0) || math.IsNaN(v)) {
			r.unsound(ErrValue, r.at, "score "+strconv.Quote(string(b)))
		}
		p.Score = v
	}
	return true
}

// The expiry of a field is at most 48 bits of milliseconds (t_hash.c@redis-7.4.1).
const maxFieldExpiry = 1<<48 - 1

// stepHashTTL: minimum, count, then TTL, field, value; the TTL is relative to
// the minimum, plus one, and zero for none (rdb.c@redis-7.4.1).
func (r *Reader) stepHashTTL(p *Part) bool {
	if r.walk.phase == 0 {
		r.walk.min = int64(r.src.u64())
	}
	return r.ttlFirst(p, true)
}

// stepHashTTLPreGA: as above without the minimum, TTLs absolute.
func (r *Reader) stepHashTTLPreGA(p *Part) bool { return r.ttlFirst(p, false) }

func (r *Reader) ttlFirst(p *Part, relative bool) bool {
	w := &r.walk
	switch w.phase {
	case 2:
		w.phase = 3
		p.Kind = PartField
		r.string(p)
		return true
	case 3:
		w.phase = 1
		p.Kind = PartFieldValue
		r.string(p)
		return true
	}
	r.begin()
	if w.left == 0 {
		return false
	}
	w.left--
	w.phase = 2
	p.Kind, p.Expiry = PartFieldTTL, NoExpiry
	if t := r.src.length(); t != 0 {
		if relative {
			t += uint64(w.min) - 1
		}
		if t > maxFieldExpiry {
			r.unsound(ErrValue, r.at, "a field expiry of more than 48 bits")
			return true
		}
		p.Expiry = int64(t)
	}
	return true
}

// stepHashTTLValkey: count, then field, value, TTL; -1 for none
// (rdb.c@valkey-9.1.2).
func (r *Reader) stepHashTTLValkey(p *Part) bool {
	w := &r.walk
	switch w.phase {
	case 2:
		w.phase = 3
		p.Kind = PartFieldValue
		r.string(p)
		return true
	case 3:
		w.phase = 1
		p.Kind, p.Expiry = PartFieldTTL, int64(r.src.u64())
		if p.Expiry == -1 {
			p.Expiry = NoExpiry
		}
		return true
	}
	r.begin()
	if w.left == 0 {
		return false
	}
	w.left--
	w.phase = 2
	p.Kind = PartField
	r.string(p)
	return true
}

// stepPacked: the whole value is one blob.
func (r *Reader) stepPacked(p *Part) bool {
	if r.walk.phase > 0 {
		return false
	}
	r.walk.phase = 1
	p.Kind = PartPacked
	r.packed(p, r.typ.Format)
	return true
}

// stepPackedMin: the smallest expiry, which may be stale, then the blob.
func (r *Reader) stepPackedMin(p *Part) bool {
	if r.walk.phase == 0 {
		r.src.u64()
	}
	return r.stepPacked(p)
}

// stepNodes: count, then ziplists.
func (r *Reader) stepNodes(p *Part) bool {
	r.begin()
	if r.walk.left == 0 {
		return false
	}
	r.walk.left--
	p.Kind = PartNode
	r.packed(p, Ziplist)
	return true
}

// stepNodes2: count, then containers: 1 plain, 2 packed (quicklist.h@redis-7.0.15).
func (r *Reader) stepNodes2(p *Part) bool {
	r.begin()
	if r.walk.left == 0 {
		return false
	}
	r.walk.left--
	p.Kind = PartNode
	switch c := r.src.length(); c {
	case 1:
		r.string(p)
		p.Count = 1
		if p.Len == 0 && r.src.err == nil {
			r.unsound(ErrValue, r.at, "an empty plain list node")
		}
	case 2:
		r.packed(p, Listpack)
	default:
		if r.src.err == nil {
			r.bad(ErrValue, "list node container "+strconv.FormatUint(c, 10))
		}
	}
	return true
}

// The phases of a stream.
const (
	streamStart = iota
	streamNodes
	streamGroups
	streamGroup
	streamPending
	streamConsumers
	streamConsumer
	streamOwned
	streamUnowned
	streamProducers
	streamProducer
	streamItems
	streamItem
	streamEnd
)

// stepStream walks all five generations; level says which fields there are.
func (r *Reader) stepStream(p *Part) bool {
	w, s, level := &r.walk, &r.src, r.typ.Level
	for s.err == nil {
		switch w.phase {
		case streamStart:
			w.left, w.phase = s.length(), streamNodes
		case streamNodes:
			if w.left > 0 {
				w.left--
				return r.streamNode(p)
			}
			p.Kind, p.Count = PartStream, int64(min(s.length(), math.MaxInt64))
			p.ID = StreamID{s.length(), s.length()}
			p.Int = -1
			if level >= 2 {
				for range 4 { // first id, highest deleted id
					s.length()
				}
				p.Int = int64(min(s.length(), math.MaxInt64)) // entries added
			}
			w.groups, w.phase = s.length(), streamGroups
			return true
		case streamGroups:
			if w.groups > 0 {
				w.groups--
				w.phase = streamGroup
				p.Kind = PartGroup
				r.string(p)
				return true
			}
			w.phase = streamEnd
			if level >= 4 {
				s.length() // idempotence: duration, entries
				s.length()
				w.groups, w.phase = s.length(), streamProducers
			}
		case streamGroup:
			s.length() // last delivered id
			s.length()
			if level >= 2 {
				s.length() // entries read; -1 is a real value
			}
			w.pending, w.phase = s.length(), streamPending
		case streamPending:
			if w.pending > 0 {
				w.pending--
				p.Kind, p.ID = PartPending, r.rawID()
				p.Int = int64(s.u64())                          // delivery time
				p.Count = int64(min(s.length(), math.MaxInt64)) // deliveries
				return true
			}
			w.consumers, w.phase = s.length(), streamConsumers
		case streamConsumers:
			if w.consumers > 0 {
				w.consumers--
				w.phase = streamConsumer
				p.Kind = PartConsumer
				r.string(p)
				return true
			}
			w.phase = streamGroups
			if level >= 5 {
				w.pending, w.phase = s.length(), streamUnowned
			}
		case streamConsumer:
			w.seen = int64(s.u64())
			if level >= 3 {
				s.u64() // active
			}
			w.pending, w.phase = s.length(), streamOwned
		case streamOwned:
			if w.pending > 0 {
				w.pending--
				p.Kind, p.ID, p.Int = PartOwned, r.rawID(), w.seen
				return true
			}
			w.phase = streamConsumers
		case streamUnowned:
			if w.pending > 0 {
				w.pending--
				r.rawID()
				continue
			}
			w.phase = streamGroups
		case streamProducers:
			if w.groups > 0 {
				w.groups--
				w.phase = streamProducer
				p.Kind = PartProducer
				r.string(p)
				return true
			}
			s.length() // ids added, duplicates seen
			s.length()
			w.phase = streamEnd
		case streamProducer:
			w.pending, w.phase = s.length(), streamItems
		case streamItems:
			if w.pending > 0 {
				w.pending--
				w.phase = streamItem
				p.Kind = PartProducerItem
				r.string(p)
				return true
			}
			w.phase = streamProducers
		case streamItem:
			s.length() // the entry's id
			s.length()
			w.phase = streamItems
		default:
			return false
		}
	}
	return false
}

func (r *Reader) rawID() StreamID {
	if b := r.src.take(16); b != nil {
		return StreamID{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
	}
	return StreamID{}
}

func (r *Reader) streamNode(p *Part) bool {
	var key Part
	r.at = r.src.offset()
	r.string(&key)
	if r.src.err != nil {
		return false
	}
	if key.Len != 16 || key.LZF || key.IsInt {
		r.bad(ErrValue, "the key of a stream node is not 16 bytes")
		return false
	}
	p.ID = r.rawID()
	p.Kind = PartStreamNode
	r.packed(p, Listpack)
	return true
}

// The opcodes inside module values (module.c@redis-7.2.6).
const (
	moduleEOF = iota
	moduleSint
	moduleUint
	moduleFloat
	moduleDouble
	moduleString
)

// stepModule: opcodes until zero. The module's id was read with the key.
func (r *Reader) stepModule(p *Part) bool {
	s := &r.src
	switch op := s.length(); {
	case s.err != nil:
	case op == moduleEOF:
	case op == moduleSint, op == moduleUint:
		p.Kind, p.Int = PartNumber, int64(s.length())
		return true
	case op == moduleFloat:
		s.u32()
		p.Kind = PartNumber
		return true
	case op == moduleDouble:
		s.u64()
		p.Kind = PartNumber
		return true
	case op == moduleString:
		p.Kind = PartOpaque
		r.string(p)
		return true
	default:
		r.bad(ErrValue, "module opcode "+strconv.FormatUint(op, 10))
	}
	return false
}

// skipModule passes over module opcodes outside of a value.
func (r *Reader) skipModule() {
	typ, at := r.typ, r.at
	for r.src.err == nil {
		var p Part
		r.at = r.src.offset()
		if !r.stepModule(&p) {
			break
		}
		r.body.skip(r)
	}
	r.typ, r.at = typ, at
}

// moduleName decodes the nine characters of a module type's id
// (module.c@redis-7.2.6 moduleTypeNameByID). Key metadata swaps the last two
// characters of this set.
func moduleName(id uint64) string {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [9]byte
	id >>= 10
	for i := 8; i >= 0; i-- {
		b[i] = set[id&63]
		id >>= 6
	}
	return string(b[:])
}

// stepNumber: one number (GCRA).
func (r *Reader) stepNumber(p *Part) bool {
	if r.walk.phase > 0 {
		return false
	}
	r.walk.phase = 1
	p.Kind, p.Int = PartNumber, int64(r.src.length())
	return true
}

// stepArray: count, a flag, perhaps the insertion index, then index, tag, value
// (Redis 8.8, from third parties, untested).
func (r *Reader) stepArray(p *Part) bool {
	s, first := &r.src, r.walk.phase == 0
	r.begin()
	if first && s.length() == 1 {
		s.length()
	}
	if r.walk.left == 0 || s.err != nil {
		return false
	}
	r.walk.left--
	s.length() // index
	r.at = s.offset()
	switch tag := s.length(); tag {
	case 0, 3:
		p.Kind = PartElement
		r.string(p)
	case 1:
		p.Kind, p.Int = PartNumber, int64(s.u64())
	case 2:
		p.Kind, p.Score = PartNumber, math.Float64frombits(s.u64())
	default:
		if s.err == nil {
			r.bad(ErrValue, "array tag "+strconv.FormatUint(tag, 10))
		}
	}
	return true
}

// Hash templates (Redis 8.10, from pull requests, untested). A field list is
// 0 and a listpack, or 1, a count and strings.

// stepTemplateListpack: field list, then a listpack of an id and the values.
func (r *Reader) stepTemplateListpack(p *Part) bool {
	w := &r.walk
	if w.phase <= 1 {
		if r.templateFields(p) {
			return true
		}
		w.phase = 2
	}
	if w.phase > 2 || r.src.err != nil {
		return false
	}
	w.phase = 3
	p.Kind = PartPacked
	r.packed(p, Listpack)
	return true
}

// templateFields gives the parts of a field list: phase 0 and 1 are its own.
// pending counts the fields of a list form, groups those seen.
func (r *Reader) templateFields(p *Part) bool {
	w, s := &r.walk, &r.src
	if w.phase == 0 {
		w.phase = 1
		if s.length() == 0 {
			p.Kind = PartField
			r.packed(p, Listpack)
			if p.Count < 0 && s.err == nil {
				r.bad(ErrValue, "a hash template of an unknown number of fields")
			}
			w.groups = uint64(max(p.Count, 0))
			return true
		}
		w.pending = s.length()
	}
	if w.pending == 0 || s.err != nil {
		return false
	}
	w.pending--
	w.groups++
	p.Kind = PartField
	r.string(p)
	return true
}

// stepTemplateArray: field list, then as many values.
func (r *Reader) stepTemplateArray(p *Part) bool {
	w := &r.walk
	if w.phase <= 1 {
		if r.templateFields(p) {
			return true
		}
		w.phase, w.left = 2, w.groups
	}
	return r.templateValue(p)
}

func (r *Reader) templateValue(p *Part) bool {
	if r.walk.left == 0 || r.src.err != nil {
		return false
	}
	r.walk.left--
	p.Kind = PartFieldValue
	r.string(p)
	return true
}

// stepArrayRef: a template's id, then as many values as that has fields.
func (r *Reader) stepArrayRef(p *Part) bool {
	w := &r.walk
	if w.phase == 0 {
		w.phase = 1
		id := r.src.length()
		n, ok := r.templates.of(id)
		if !ok && r.src.err == nil {
			r.bad(ErrValue, "hash template "+strconv.FormatUint(id, 10)+" was not announced")
			return false
		}
		w.left = n
	}
	return r.templateValue(p)
}

// stepCron: KeyDB's scheduled scripts: script, start, interval, keys, arguments
// (rdb.cpp of Snapchat/KeyDB, untested).
func (r *Reader) stepCron(p *Part) bool {
	w, s := &r.walk, &r.src
	switch w.phase {
	case 0:
		w.phase = 1
		p.Kind = PartOpaque
		r.string(p)
		return true
	case 1:
		s.u64()
		s.u64()
		w.left, w.phase = s.length(), 2
	}
	for s.err == nil {
		if w.left > 0 {
			w.left--
			p.Kind = PartOpaque
			r.string(p)
			return true
		}
		if w.phase == 3 {
			return false
		}
		w.left, w.phase = s.length(), 3
	}
	return false
}
