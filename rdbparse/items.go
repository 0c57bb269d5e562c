package rdbparse

import (
	"encoding/binary"
	"io"
	"math"
)

// Item is a string of a value that is stored element by element.
type Item struct {
	Len   int64
	IsInt bool // it is stored as an integer
	Int   int64
	Text  []byte  // any other string of at most ShortText bytes that ends in a digit; valid until the next call
	Score float64 // of a member of a sorted set
}

// ShortText is the longest string that Items shows: the longest integer. What
// does not end in a digit is none.
const ShortText = 20

// Items is Lengths for callers that also want to see integers, the texts of
// strings that may be one, and the scores of sorted sets. It may fill less than dst before
// the end; only 0 with io.EOF is the end.
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
			it.IsInt, it.Text = false, nil
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
				if l <= ShortText && l > 0 && buf[at-1]-'0' <= 9 {
					it.Text = buf[at-l : at : at]
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
				it.Len = intLen(it.Int)
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
	if s.err != nil {
		err := r.fail()
		r.typ = nil
		return 0, err
	}
	if n == 0 && w.left == 0 {
		r.typ = nil
		return 0, io.EOF
	}
	return n, nil
}

// slowItems reads one element of any form.
func (r *Reader) slowItems(dst []Item, gap int) (int, error) {
	s := &r.src
	r.texts = r.texts[:0]
	if cap(r.texts) < len(dst)*ShortText {
		r.texts = make([]byte, 0, len(dst)*ShortText)
	}
	for i := range dst {
		r.at = s.offset()
		var p Part
		r.string(&p)
		dst[i] = Item{Len: p.Len, IsInt: p.IsInt, Int: p.Int}
		if s.err == nil && p.Len <= ShortText && p.Len > 0 && !p.IsInt {
			b, err := r.bytes()
			if err == nil && b[len(b)-1]-'0' <= 9 {
				from := len(r.texts)
				r.texts = append(r.texts, b...)
				dst[i].Text = r.texts[from:len(r.texts):len(r.texts)]
			}
		}
		r.body.skip(r)
		if gap > 0 {
			r.at = s.offset()
			bits := s.u64()
			if isNaN(bits) {
				r.bad(ErrValue, notANumber)
			}
			dst[i].Score = math.Float64frombits(bits)
		}
	}
	if s.err != nil {
		err := r.fail()
		r.typ = nil
		return 0, err
	}
	return len(dst), nil
}
