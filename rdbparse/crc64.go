package rdbparse

import (
	"encoding/binary"
	"sync"
)

// The CRC-64 of RDB files ("Jones"): polynomial ad93d23594c935a9 in reflected
// form, start 0, nothing inverted (crc64.c@redis-8.6.3). hash/crc64 inverts its
// register and, for this polynomial, builds helper tables on every call.
const crcPoly = 0x95ac9329ac4bc9b5

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
