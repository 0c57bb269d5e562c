package rdbparse

import "slices"

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
	for len(dst) < want && len(src) > 0 {
		c := int(src[0])
		if c < 32 {
			n := c + 1
			if len(dst)+n > limit {
				return dst, src, false
			}
			if len(src) < 1+n {
				return dst, src, true
			}
			dst = append(dst, src[1:1+n]...)
			src = src[1+n:]
			continue
		}
		n, used := c>>5, 2
		if n == 7 {
			if len(src) < 3 {
				return dst, src, true
			}
			n += int(src[1])
			used = 3
		} else if len(src) < 2 {
			return dst, src, true
		}
		n += 2
		from := len(dst) - (c&31)<<8 - int(src[used-1]) - 1
		if from < 0 || len(dst)+n > limit {
			return dst, src, false
		}
		src = src[used:]
		at := len(dst)
		if at+n > cap(dst) {
			dst = slices.Grow(dst, n)
		}
		dst = dst[:at+n]
		if from+n <= at {
			copy(dst[at:], dst[from:from+n])
		} else { // the copy repeats what it writes
			for n > 0 {
				m := copy(dst[at:at+n], dst[from:at])
				at += m
				n -= m
			}
		}
	}
	return dst, src, true
}
