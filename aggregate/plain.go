package aggregate

import (
	"encoding/binary"
	"math/bits"
)

// Most keys are short, of ASCII, and cut at one separator of one byte. Their
// bytes are classed eight at a time, which leaves a bit for each byte of the
// key in a word for each class: the end of a segment is then found by counting
// zeros, and what it is made of by a mask, without a branch for each byte.
const (
	minPlain = 8
	maxPlain = 63 // so that the end of a key is a bit of the word, too
	bytes1   = 0x0101010101010101
	bytes80  = 0x80 * bytes1
)

// between has the top bit of each byte of x set that is in lo to hi; none of
// them may be above 0x7f.
func between(x uint64, lo, hi uint64) uint64 {
	return (x + (0x80-lo)*bytes1) &^ (x + (0x7f-hi)*bytes1) & bytes80
}

// gathered has a bit for the top bit of each byte.
func gathered(x uint64) uint64 { return x >> 7 * 0x0102040810204080 >> 56 }

// plainBits are the bytes of a key by class, a bit for each.
type plainBits struct{ seps, digits, hexLow, low uint64 }

// plain classes the bytes of a key, or says that this is not the way for it.
func (p *Patterner) plain(key []byte) (b plainBits, ok bool) {
	if len(key) < minPlain || len(key) > maxPlain || !p.oneByte {
		return b, false
	}
	sep := uint64(p.seps[0].raw[0])
	var odd uint64
	for at := 0; at < len(key); at += 8 {
		i := min(at, len(key)-8)
		x := binary.LittleEndian.Uint64(key[i:])
		odd |= x
		b.seps |= gathered(between(x, sep, sep)) << (i & 63)
		b.digits |= gathered(between(x, '0', '9')) << (i & 63)
		b.hexLow |= gathered(between(x, 'a', 'f')) << (i & 63)
		b.low |= gathered(between(x, 'g', 'z')) << (i & 63)
	}
	return b, odd&bytes80 == 0
}

// walkPlain is walk, in marked form, for most keys; ok says that this was one.
func (p *Patterner) walkPlain(dst, key []byte) (_ []byte, same, ok bool) {
	b, ok := p.plain(key)
	if !ok {
		return dst, false, false
	}
	base := len(dst)
	dst = append(append(dst, 0), key...) // as if all were literal: a mark takes the place of its separator
	const mark = 1 << markShift
	var before byte
	same = true
	whole := true // so far the text lies where it was copied to
	for start, n := 0, 1; ; n++ {
		end := start + bits.TrailingZeros64(b.seps>>(start&63))
		last := end >= len(key)
		if last {
			end = len(key)
		} else if n == p.depth {
			if whole {
				dst = dst[:base+start]
			}
			return append(dst, before|markClass, '*'), false, true
		}
		in := uint64(1)<<((end-start)&63) - 1
		d, h, l := b.digits>>(start&63)&in, b.hexLow>>(start&63)&in, b.low>>(start&63)&in
		c := literal
		switch {
		case d|h|l != in:
			var mask charClass
			for _, c := range key[start:end] {
				mask |= p.tab[c]
			}
			if mask &^= cSep; mask&(cBrace|cWild|cOdd) != 0 || mask&^cHex == 0 && mayGoOn(p, key[start:], end-start) {
				return dst[:base], false, false
			}
			if mask&(cDigit|cAt|cColon) != 0 || end-start >= 16 {
				c = classify(key[start:end], mask)
			}
		case l != 0 && end-start < 16 && key[start] != '0': // a word, whatever digits are in it
		case l == 0 && mayGoOn(p, key[start:], end-start):
			return dst[:base], false, false
		case d != 0 || end-start >= 16:
			var mask charClass
			if d != 0 {
				mask = cDigit
			}
			if h != 0 {
				mask |= cHexLow
			}
			if l != 0 {
				mask |= cLow
			}
			c = classify(key[start:end], mask)
		}
		switch {
		case c != literal:
			if whole {
				dst = dst[:base+start]
			}
			dst = append(append(dst, before|markClass), p.names[c]...)
			whole, same = false, false
		case whole:
			dst[base+start] = before
		default:
			dst = append(append(dst, before), key[start:end]...)
		}
		if last {
			return dst, same, true
		}
		start, before = end+1, mark
	}
}

// mayGoOn says whether a segment of n hexadecimal digits may start an address,
// which goes on behind the separator: see ipv6.
func mayGoOn(p *Patterner, rest []byte, n int) bool {
	return n == 4 && len(rest) > n && p.colon && (rest[0] == '2' || rest[0] == '3' || rest[0]|0x20 == 'f')
}
