package rdbparse

import (
	"encoding/binary"
	"math"
)

// Item is a string of a value that is stored element by element.
type Item struct {
	Len   int64
	Int   int64
	Score float64 // of a member of a sorted set
	IsInt bool    // the string is the text of Int, stored as a number or not
}

// longestInt is the length of the longest integer's text.
const longestInt = 20

// The bytes that numbers begin and end with, as bits from '-' on.
const (
	endsNumber   = uint64(0x3ff) << ('0' - '-')
	beginsNumber = endsNumber | 1
)

// Integer reads b as the servers' string2ll (src/util.c) does: only the
// one spelling that printing the number gives back counts as an integer.
func Integer(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 || b[len(b)-1]-'0' > 9 {
		return 0, false
	}
	neg := b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || b[0]-'0' > 9 {
		return 0, false
	}
	if b[0] == '0' {
		return 0, len(b) == 1 && !neg
	}
	if len(b) > 19 {
		return 0, false
	}
	var v uint64 // 19 digits fit
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		} else {
			v = v*10 + uint64(c)
		}
	}
	if neg {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v < 1<<63
}

// Items is Lengths for callers that also want to know integers and the scores
// of sorted sets. It may fill less than dst before the end; only 0 with io.EOF
// is the end.
func (r *Reader) Items(dst []Item) (int, error) {
	per, gap, err := r.beginStrings()
	if err != nil {
		return 0, err
	}
	s, w := &r.src, &r.walk
	n := 0
	// Strings that lie in the window as a whole.
	buf, pos := s.buf[:s.end], s.pos
elements:
	for ; w.left > 0 && n+per <= len(dst) && s.err == nil; w.left-- {
		at := pos
		for k := range per {
			if at+2 > len(buf) {
				break elements
			}
			it := &dst[n+k]
			it.IsInt = false
			l := int(buf[at])
			at++
			switch {
			case l < 0x80:
				if l >= 0x40 {
					l = (l&0x3f)<<8 | int(buf[at])
					at++
				}
				if at+l > len(buf) {
					break elements
				}
				it.Len = int64(l)
				at += l
				// Of an empty string the length's byte, which is no digit. One branch for
				// both ends: what a text ends in cannot be foreseen, that it is a number can.
				if l <= longestInt && (endsNumber>>(buf[at-1]-'-'))&(beginsNumber>>(buf[at-l]-'-'))&1 != 0 {
					it.Int, it.IsInt = Integer(buf[at-l : at])
				}
			case l == 0xc0+formInt8:
				it.IsInt, it.Int = true, int64(int8(buf[at]))
				at++
			case l == 0xc0+formInt16 && at+2 <= len(buf):
				it.IsInt, it.Int = true, int64(int16(binary.LittleEndian.Uint16(buf[at:])))
				at += 2
			case l == 0xc0+formInt32 && at+4 <= len(buf):
				it.IsInt, it.Int = true, int64(int32(binary.LittleEndian.Uint32(buf[at:])))
				at += 4
			default:
				break elements
			}
			if it.IsInt {
				it.Len = IntLen(it.Int)
			}
			if gap > 0 {
				if at+gap > len(buf) {
					break elements
				}
				bits := binary.LittleEndian.Uint64(buf[at:])
				if isNaN(bits) {
					break elements
				}
				it.Score = math.Float64frombits(bits)
				at += gap
			}
		}
		n += per
		pos = at
	}
	s.pos = pos
	// All else moves the window, so what was given must be done with before.
	if n == 0 && w.left > 0 && per <= len(dst) && s.err == nil {
		w.left--
		return r.slowItems(dst[:per], gap)
	}
	return r.endStrings(n)
}

// Integers is Items for members of a set that are stored as numbers one after
// the other, which it reads faster: numbers and the lengths of their texts, up
// to as many as both lists have room for. 0 without an error says that the next
// member is to be read otherwise.
func (r *Reader) Integers(values, lens []int64) (int, error) {
	per, gap, err := r.beginStrings()
	if err != nil {
		return 0, err
	}
	s, w := &r.src, &r.walk
	if per != 1 || gap != 0 || s.err != nil || w.left == 0 {
		return r.endStrings(0)
	}
	most := int(min(uint64(min(len(values), len(lens))), w.left))
	values, lens = values[:most], lens[:most]
	buf := s.buf[s.pos:s.end]
	n, at := 0, 0
	for ; n < most && at+5 <= len(buf); n++ {
		b := buf[at : at+5 : at+5]
		form := b[0] - 0xc0
		if form > formInt32 {
			break
		}
		// Without a branch: which form comes next cannot be foreseen.
		size := 1 << form
		unused := (64 - 8*size) & 63
		v := int64(uint64(binary.LittleEndian.Uint32(b[1:]))<<unused) >> unused
		at += 1 + size
		values[n], lens[n] = v, IntLen(v)
	}
	s.pos += at
	w.left -= uint64(n)
	return n, nil
}

// slowItems reads one element of any form.
func (r *Reader) slowItems(dst []Item, gap int) (int, error) {
	s := &r.src
	for i := range dst {
		r.at = s.offset()
		var p Part
		r.string(&p)
		dst[i] = Item{Len: p.Len, IsInt: p.IsInt, Int: p.Int}
		if s.err == nil && p.Len <= longestInt && !p.IsInt {
			if b, err := r.bytes(); err == nil {
				dst[i].Int, dst[i].IsInt = Integer(b)
			}
		}
		r.body.skip(r)
		if gap > 0 {
			r.at = s.offset()
			bits := s.u64()
			if isNaN(bits) {
				r.unsound(ErrValue, r.at, notANumber)
			}
			dst[i].Score = math.Float64frombits(bits)
		}
	}
	return r.endStrings(len(dst))
}
