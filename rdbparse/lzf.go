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

// maxLZFToken is the longest token with its literals.
const maxLZFToken = 33

// lzfWindow is how far back a copy can reach.
const lzfWindow = 8192

// expandLZF appends the expansion of src to dst until dst has want bytes or src
// holds no whole token any more, and returns dst and the unused part of src.
// Copies reach back into dst, so it must hold what was expanded before. ok is
// false if src is no LZF or if a token would take dst past limit bytes.
func expandLZF(dst, src []byte, want, limit int) (out, rest []byte, ok bool) {
	d, at, i := dst[:cap(dst)], len(dst), 0
	for at < want && i < len(src) {
		// As long as neither input nor room can run out, no token asks for them.
		last, full := len(src)-maxLZFToken, min(len(d)-maxLZFCopy-15, limit-maxLZFCopy, want-1)
		if at, i, ok = expandShort(d, src, at, i, full, last); !ok {
			return d[:at], src[i:], false
		}
		if at >= want || i == len(src) {
			break
		}
		c := int(src[i])
		if c < 32 {
			n := c + 1
			if at+n > limit {
				return d[:at], src[i:], false
			}
			if i+1+n > len(src) {
				break
			}
			if at+n > len(d) {
				d = growTo(d[:at], n, limit)
			}
			copy(d[at:at+n], src[i+1:i+1+n])
			at += n
			i += 1 + n
			continue
		}
		n, used := c>>5+2, 2
		if n == 7+2 {
			if i+3 > len(src) {
				break
			}
			n += int(src[i+1])
			used = 3
		} else if i+2 > len(src) {
			break
		}
		back := (c&31)<<8 + int(src[i+used-1]) + 1
		if back > at || at+n > limit {
			return d[:at], src[i:], false
		}
		if at+n > len(d) {
			d = growTo(d[:at], n, limit)
		}
		repeat(d[at-back:at+n], back)
		at += n
		i += used
	}
	return d[:at], src[i:], true
}

// expandShort expands tokens of src from i on to d[at:], as long as i is at most
// last and at is at most full: nobody runs out there. They are copied in steps
// of sixteen bytes, though most are shorter. It is a function of its own so that
// all of it stays in registers; a slice whose capacity is known costs one look
// at its bounds.
func expandShort(d, src []byte, at, i, full, last int) (_, _ int, ok bool) {
	for i <= last && at <= full {
		in := (*[maxLZFToken]byte)(src[i : i+maxLZFToken : i+maxLZFToken])
		c := int(in[0])
		if c < 32 {
			out := (*[32]byte)(d[at : at+32 : at+32])
			copy16(out[:16], in[1:17])
			if c >= 16 {
				copy16(out[16:], in[17:])
			}
			at += c + 1
			i += c + 2
			continue
		}
		n, low, used := c>>5+2, int(in[1]), 2
		if n == 7+2 {
			n += low
			low, used = int(in[2]), 3
		}
		from := at - (c&31)<<8 - low - 1
		if from < 0 {
			return at, i, false
		}
		end := at + n
		i += used
		if at-from < 16 {
			repeat(d[from:end], at-from)
		} else {
			copy16(d[at:at+16:at+16], d[from:from+16:from+16])
			for at += 16; at < end; at += 16 {
				from += 16
				copy16(d[at:at+16:at+16], d[from:from+16:from+16])
			}
		}
		at = end
	}
	return at, i, true
}

// repeat fills d with its first n bytes, over and over.
func repeat(d []byte, n int) {
	if len(d) < 2*n+8 { // short: a call would take longer
		for k := n; k < len(d); k++ {
			d[k] = d[k-n]
		}
		return
	}
	for n < len(d) {
		n += copy(d[n:], d[:n])
	}
}

// copy16 copies sixteen bytes, all of which it reads before it writes.
func copy16(dst, src []byte) {
	to, from := (*[16]byte)(dst), (*[16]byte)(src)
	a, b := binary.LittleEndian.Uint64(from[:8]), binary.LittleEndian.Uint64(from[8:])
	binary.LittleEndian.PutUint64(to[:8], a)
	binary.LittleEndian.PutUint64(to[8:], b)
}

// growTo makes room for n bytes more and some to come, and gives all of the
// capacity. Limit is what the whole expansion may have.
func growTo(d []byte, n, limit int) []byte {
	d = slices.Grow(d, max(n, min(limit-len(d)+16, len(d)+4096)))
	return d[:cap(d)]
}
