package rdbparse

import (
	"encoding/binary"
	"sync"
)

// The CRC-64 of RDB files ("Jones"): polynomial ad93d23594c935a9 in reflected
// form, start 0, nothing inverted (crc64.c@redis-8.6.3). hash/crc64 inverts its
// register and, for this polynomial, builds helper tables on every call.
const crcPoly = 0x95ac9329ac4bc9b5

// Folding by carry-less multiplication, where the processor has it, is several
// times faster than tables. A lane is 16 bytes read as a polynomial L·x^64 + H:
// L is the first eight bytes, and the lowest bit the highest power. A lane d bits
// before another may be added to that one if it is multiplied by x^d first, and
//
//	(L·x^64 + H)·x^d = L·x^(d+64) + H·x^d
//
// where modulo the polynomial the powers of x are numbers of 64 bits: two products,
// each of which fits a lane. The product of two reflected numbers, read as a lane,
// comes out times x, so the factors are one power lower: x^(d+63) and x^(d-1).
const (
	foldStepL = 0xcc26fa7c57f8054c // x^(1024+63): to the same lane of the next step
	foldStepH = 0x768361524d29ed0b // x^(1024-1)
	foldLaneL = 0xd9d7be7d505da32c // x^(128+63): to the lane after
	foldLaneH = 0x381d0015c96f4444 // x^(128-1)

	wideStepL = 0x9a8908341a6d6d52 // x^(2048+63): to the same lane of the next step of wide ones
	wideStepH = 0x9471a5389095fe44 // x^(2048-1)
	wideLaneL = 0xaf86efb16d9ab4fb // x^(512+63): to the fourth lane after
	wideLaneH = 0xf49784a634f014e4 // x^(512-1)

	foldStep = 128 // bytes a step: eight lanes hide the latency of the multiplication
	wideStep = 256 // bytes a step where the processor multiplies four lanes at once
	foldMin  = 256 // shorter inputs are too few to matter
)

// crcTables are for slicing by 16: sixteen bytes a step, 32 KiB in all.
var crcTables = sync.OnceValue(func() *[16][256]uint64 {
	t := new([16][256]uint64)
	for i := range 256 {
		c := uint64(i)
		for range 8 {
			c = c>>1 ^ crcPoly&-(c&1)
		}
		t[0][i] = c
	}
	for i := range 256 {
		for k := 1; k < 16; k++ {
			c := t[k-1][i]
			t[k][i] = t[0][byte(c)] ^ c>>8
		}
	}
	return t
})

// updateCRC adds p to the running checksum crc.
func updateCRC(crc uint64, p []byte) uint64 {
	if canFold && len(p) >= foldMin {
		n := len(p) &^ 15
		var lane [16]byte
		var l, h uint64
		if canFoldWide { // not by a variable, which p would escape to
			l, h = foldWide(crc, p[:n])
		} else {
			l, h = foldCRC(crc, p[:n])
		}
		binary.LittleEndian.PutUint64(lane[:], l)
		binary.LittleEndian.PutUint64(lane[8:], h)
		crc, p = tableCRC(0, lane[:]), p[n:]
	}
	return tableCRC(crc, p)
}

// tableCRC is updateCRC on any processor.
func tableCRC(crc uint64, p []byte) uint64 {
	t := crcTables()
	for len(p) >= 16 {
		a := crc ^ binary.LittleEndian.Uint64(p)
		b := binary.LittleEndian.Uint64(p[8:])
		crc = t[15][byte(a)] ^ t[14][byte(a>>8)] ^ t[13][byte(a>>16)] ^ t[12][byte(a>>24)] ^
			t[11][byte(a>>32)] ^ t[10][byte(a>>40)] ^ t[9][byte(a>>48)] ^ t[8][a>>56] ^
			t[7][byte(b)] ^ t[6][byte(b>>8)] ^ t[5][byte(b>>16)] ^ t[4][byte(b>>24)] ^
			t[3][byte(b>>32)] ^ t[2][byte(b>>40)] ^ t[1][byte(b>>48)] ^ t[0][b>>56]
		p = p[16:]
	}
	for _, c := range p {
		crc = t[0][byte(crc)^c] ^ crc>>8
	}
	return crc
}

// A checksum is a polynomial whose highest power, x^63, is the lowest bit. That
// of a text followed by n bytes is that of the text times x^8n, plus the n
// bytes' own from 0.

// crcFactor is x^8n modulo the polynomial.
func crcFactor(n int64) uint64 {
	f, power := uint64(1)<<63, uint64(1)<<(63-8)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			f = crcTimes(f, power)
		}
		power = crcTimes(power, power)
	}
	return f
}

// crcTimes is a product modulo the polynomial.
func crcTimes(a, b uint64) (p uint64) {
	for ; b != 0; b <<= 1 {
		p ^= a & -(b >> 63)
		a = a>>1 ^ crcPoly&-(a&1)
	}
	return p
}
