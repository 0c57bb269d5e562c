package rdbparse

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// Item is a string of a value that is stored element by element.
type Item struct {
	Len   int64
	Text  []byte  // the string if it has at most ShortText bytes; valid until the next call
	Score float64 // of a member of a sorted set
}

// ShortText is the longest string that Items shows: the longest integer.
const ShortText = 20

// Items is Lengths for callers that also want to see the texts of short
// strings and the scores of sorted sets. It may fill less than dst before the
// end; only 0 with io.EOF is the end.
func (r *Reader) Items(dst []Item) (int, error) {
	per, gap, err := r.beginStrings()
	if err != nil {
		return 0, err
	}
	s, w := &r.src, &r.walk
	n := 0
	dst = dst[:min(len(dst), maxItems)]
	if r.texts = r.texts[:0]; cap(r.texts) == 0 {
		r.texts = make([]byte, 0, itemTexts)
	}
	// Plain strings that lie in the window as a whole.
	buf, pos, end := s.buf, s.pos, s.end
	for w.left > 0 && n+per <= len(dst) && s.err == nil {
		at, k := pos, 0
		for ; k < per && at+2 <= end; k++ {
			l := int(buf[at])
			at++
			if l >= 0x40 {
				if l >= 0x80 {
					break
				}
				l = (l&0x3f)<<8 | int(buf[at])
				at++
			}
			if at+l+gap > end {
				break
			}
			it := &dst[n+k]
			it.Len, it.Text = int64(l), nil
			if l <= ShortText {
				it.Text = buf[at : at+l : at+l]
			}
			at += l
			if gap > 0 {
				bits := binary.LittleEndian.Uint64(buf[at:])
				if isNaN(bits) {
					break
				}
				it.Score = math.Float64frombits(bits)
				at += gap
			}
		}
		if k == per {
			n += per
			pos = at
			w.left--
			continue
		}
		s.pos = pos
		// Integers stay in the window; for all else what was given must be
		// done with before the window moves.
		if !r.intItems(dst[n:n+per], gap) {
			if n > 0 {
				return n, nil
			}
			w.left--
			return r.slowItems(dst[:per], gap)
		}
		n += per
		pos = s.pos
		w.left--
	}
	s.pos = pos
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

// intItems reads an element of which at least one string is stored as an
// integer, if it lies in the window and its texts have room.
func (r *Reader) intItems(dst []Item, gap int) bool {
	s := &r.src
	at := s.pos
	for i := range dst {
		if at+5+gap > s.end {
			return false
		}
		b := s.buf[at:s.end]
		var v int64
		switch {
		case b[0] < 0x40:
			l := int(b[0])
			if 1+l+gap > len(b) {
				return false
			}
			dst[i].Len, dst[i].Text = int64(l), nil
			if l <= ShortText {
				dst[i].Text = b[1 : 1+l : 1+l]
			}
			at += 1 + l
		case b[0] == 0xc0+formInt8:
			v = int64(int8(b[1]))
			at += 2
		case b[0] == 0xc0+formInt16:
			v = int64(int16(binary.LittleEndian.Uint16(b[1:])))
			at += 3
		case b[0] == 0xc0+formInt32:
			v = int64(int32(binary.LittleEndian.Uint32(b[1:])))
			at += 5
		default:
			return false
		}
		if b[0] >= 0xc0 {
			from := len(r.texts)
			r.texts = strconv.AppendInt(r.texts, v, 10)
			dst[i].Text = r.texts[from:len(r.texts):len(r.texts)]
			dst[i].Len = int64(len(dst[i].Text))
		}
		if gap > 0 {
			bits := binary.LittleEndian.Uint64(s.buf[at:])
			if isNaN(bits) {
				return false
			}
			dst[i].Score = math.Float64frombits(bits)
			at += gap
		}
	}
	s.pos = at
	return true
}

// itemTexts is room for the texts of the integers of one call.
const (
	maxItems  = 1024
	itemTexts = 2 * maxItems * ShortText
)

// slowItems reads one element of any form.
func (r *Reader) slowItems(dst []Item, gap int) (int, error) {
	s := &r.src
	for i := range dst {
		r.at = s.offset()
		var p Part
		r.string(&p)
		dst[i] = Item{Len: p.Len}
		if s.err == nil && p.Len <= ShortText {
			b, err := r.bytes()
			if err == nil {
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
