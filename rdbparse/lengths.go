package rdbparse

import (
	"encoding/binary"
	"io"
	"math"
)

// Elements is the count that the current value starts with, for values stored
// element by element (lists, sets, hashes, sorted sets in their plain forms);
// -1 for all others. It may be asked before the first Part.
func (r *Reader) Elements() int64 {
	if r.typ == nil || r.err != nil {
		return -1
	}
	switch r.typ.Code {
	case 1, 2, 4, 5:
		r.begin()
		if r.walk.phase == 1 && r.src.err == nil {
			return int64(min(r.walk.left, math.MaxInt64>>1))
		}
	}
	return -1
}

// Lengths is Part for callers that want nothing but lengths: it fills dst with
// the bytes of the next strings of a value for which Elements is not negative
// (members; fields and values in turn; members without their scores), and says
// how many. At the end of the value it gives 0 and io.EOF. The length of dst
// is to be even, so that fields and values stay together.
func (r *Reader) Lengths(dst []int64) (int, error) {
	per, gap, err := r.beginStrings()
	if err != nil {
		return 0, err
	}
	s, w := &r.src, &r.walk
	n := 0
	for w.left > 0 && n+per <= len(dst) && s.err == nil {
		// Short strings that lie in the window as a whole.
		buf, pos, end := s.buf, s.pos, s.end
		for w.left > 0 && n+per <= len(dst) {
			at, k := pos, 0
		strings:
			for ; k < per; k++ {
				if at+2 > end {
					break strings
				}
				l := int64(buf[at])
				at++
				switch {
				case l < 0x40:
					at += int(l)
				case l < 0x80:
					l = (l&0x3f)<<8 | int64(buf[at])
					at += 1 + int(l)
				case l == 0xc0+formInt8:
					l = IntLen(int64(int8(buf[at])))
					at++
				case l == 0xc0+formInt16 && at+2 <= end:
					l = IntLen(int64(int16(binary.LittleEndian.Uint16(buf[at:]))))
					at += 2
				case l == 0xc0+formInt32 && at+4 <= end:
					l = IntLen(int64(int32(binary.LittleEndian.Uint32(buf[at:]))))
					at += 4
				default:
					at = end + 1
				}
				if at += gap; at > end || gap > 0 && isNaN(binary.LittleEndian.Uint64(buf[at-gap:])) {
					break strings
				}
				dst[n+k] = l
			}
			if k < per {
				break
			}
			n += per
			pos = at
			w.left--
		}
		s.pos = pos
		if w.left == 0 || n+per > len(dst) {
			break
		}
		// Everything else, one element at a time.
		w.left--
		r.at = s.offset()
		for range per {
			var p Part
			r.string(&p)
			r.body.skip(r)
			if gap > 0 {
				if r.at = s.offset(); isNaN(s.u64()) {
					r.unsound(ErrValue, r.at, notANumber)
				}
			}
			dst[n] = p.Len
			n++
		}
	}
	return r.endStrings(n)
}

// endStrings ends a bulk read of n strings.
func (r *Reader) endStrings(n int) (int, error) {
	if r.src.err != nil {
		err := r.fail()
		r.typ = nil
		return 0, err
	}
	if n == 0 && r.walk.left == 0 {
		r.typ = nil
		return 0, io.EOF
	}
	return n, nil
}

// beginStrings makes ready to read the strings of a value in bulk: an element
// is per of them, with gap bytes behind.
func (r *Reader) beginStrings() (per, gap int, err error) {
	switch {
	case r.err != nil:
		r.typ = nil
		return 0, 0, r.err
	case r.typ == nil:
		return 0, 0, io.EOF
	}
	r.body.skip(r)
	r.begin()
	switch r.typ.Code {
	case 4:
		return 2, 0, nil
	case 5:
		return 1, 8, nil
	}
	return 1, 0, nil
}
