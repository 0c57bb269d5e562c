package rdbparse

import (
	"encoding/binary"
	"slices"
)

// LZF as servers write it (lzf_d.c@redis-8.6.3). A control byte below 32
// starts a run of literals, any other a copy from at most 8192 bytes back in
// the output, which may overlap itself.

// maxLZFRatio bounds what compressed bytes can expand to: 3 bytes give at most
// 264. A larger claim is refused before anything is allocated.
const maxLZFRatio = 88

// maxLZFCopy is the longest copy, and so the most that a token adds.
const maxLZFCopy = 264

// lzfWindow is how far back a copy can reach.
const lzfWindow = 8192

// expandLZF appends the expansion of src to dst until dst has want bytes or src
// holds no whole token any more, and returns dst and the unused part of src.
// Copies reach back into dst, so it must hold what was expanded before. ok is
// false if src is no LZF or if a token would take dst past limit bytes.
func expandLZF(dst, src []byte, want, limit int) (out, rest []byte, ok bool) {
	// Most runs are short: eight or sixteen bytes are copied where room and
	// input allow, though fewer count.
	d, at, i := dst[:cap(dst)], len(dst), 0
	for at < want && i < len(src) {
		c := int(src[i])
		if c < 32 {
			n := c + 1
			if at+n > limit {
				return d[:at], src[i:], false
			}
			if i+1+n > len(src) {
				break
			}
			if n <= 16 && i+17 <= len(src) && at+16 <= len(d) {
				copy16(d[at:], src[i+1:])
			} else {
				if at+n > len(d) {
					d = growTo(d[:at], n, limit)
				}
				copy(d[at:at+n], src[i+1:i+1+n])
			}
			at += n
			i += 1 + n
			continue
		}
		n, used := c>>5, 2
		if n == 7 {
			if i+3 > len(src) {
				break
			}
			n += int(src[i+1])
			used = 3
		} else if i+2 > len(src) {
			break
		}
		n += 2
		back := (c&31)<<8 + int(src[i+used-1]) + 1
		from := at - back
		if from < 0 || at+n > limit {
			return d[:at], src[i:], false
		}
		i += used
		if at+n > len(d) {
			d = growTo(d[:at], n, limit)
		}
		end := at + n
		switch {
		case n > 64 && back >= n:
			copy(d[at:end], d[from:from+n])
		case back >= 16 && end+16 <= len(d):
			for ; at < end; at, from = at+16, from+16 {
				copy16(d[at:], d[from:])
			}
		case back >= 8 && end+8 <= len(d):
			for ; at < end; at, from = at+8, from+8 {
				binary.LittleEndian.PutUint64(d[at:], binary.LittleEndian.Uint64(d[from:]))
			}
		case n < 16: // the copy may repeat what it writes
			for ; at < end; at, from = at+1, from+1 {
				d[at] = d[from]
			}
		default:
			for at < end {
				at += copy(d[at:end], d[from:at])
			}
		}
		at = end
	}
	return d[:at], src[i:], true
}

// copy16 copies sixteen bytes, all of which it reads before it writes.
func copy16(dst, src []byte) {
	a, b := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
	binary.LittleEndian.PutUint64(dst, a)
	binary.LittleEndian.PutUint64(dst[8:], b)
}

// growTo makes room for n bytes more and some to come, and gives all of the
// capacity. Limit is what the whole expansion may have.
func growTo(d []byte, n, limit int) []byte {
	d = slices.Grow(d, max(n, min(limit-len(d)+16, len(d)+4096)))
	return d[:cap(d)]
}
