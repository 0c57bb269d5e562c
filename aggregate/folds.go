package aggregate

import (
	"encoding/binary"
	"math/bits"
)

// folds are the ways to fold a pattern: each literal segment can become *, alone
// or with all literals behind it. The hash of a pattern is a sum over its segments,
// scrambled, so that the hash of what a fold gives takes an addition.
type folds struct {
	n      int              // literal segments
	at     [maxDepth]int    // of their marks
	sum    uint64           // of all segments
	change [maxDepth]uint64 // what folding one adds
	below  [maxDepth]uint64 // the sum with that one folded and all behind it
}

// whole is the hash of the pattern itself.
func (f *folds) whole() uint64 { return scramble(f.sum) }

// one is the hash of the pattern in which the k-th literal is *.
func (f *folds) one(k int) uint64 { return scramble(f.sum + f.change[k]) }

// rest is that of the pattern in which the k-th literal and all behind it are.
func (f *folds) rest(k int) uint64 { return scramble(f.below[k]) }

// of takes a pattern.
func (f *folds) of(marked []byte) {
	const prime = 0x9e3779b97f4a7c15
	n := 0
	var sum uint64
	weight := uint64(prime)
	marks, short := markBits(marked)
	for i := 0; i < len(marked); weight *= prime {
		var to int
		if short {
			marks &= marks - 1 // but for the one of this segment
			to = min(bits.TrailingZeros64(marks), len(marked))
		} else {
			to = segmentEnd(marked, i)
		}
		h := hashIn(marked, i, to) * weight
		if marked[i]&markClass == 0 && n < maxDepth {
			f.at[n] = i
			f.change[n] = scramble(2^(uint64(marked[i]|markClass)|'*'<<8))*weight - h
			n++
		}
		sum += h
		i = to
	}
	f.n, f.sum = n, sum
	for k := n - 1; k >= 0; k-- {
		sum += f.change[k]
		f.below[k] = sum
	}
}

// markBits has a bit for each mark in a pattern that is neither very short nor long.
func markBits(marked []byte) (at uint64, ok bool) {
	if len(marked) < minPlain || len(marked) > maxPlain {
		return 0, false
	}
	for i := 0; i < len(marked); i += 8 {
		from := min(i, len(marked)-8)
		x := binary.LittleEndian.Uint64(marked[from:])
		at |= gathered(^((x|bytes80)-markEnd*bytes1)&^x&bytes80) << (from & 63)
	}
	return at, true
}

// hashIn is a hash of b[i:to], for which bytes around it may be read.
func hashIn(b []byte, i, to int) uint64 {
	n := to - i
	if n > 16 {
		return hashSegment(b[i:to])
	}
	x := firstOf(b, i, min(n, 8))
	if n > 8 {
		x = scramble(x) ^ firstOf(b, i+8, n-8)
	}
	return scramble(x ^ uint64(n))
}

// firstOf are the n bytes of b from i on, 8 at most, as a number.
func firstOf(b []byte, i, n int) (x uint64) {
	switch {
	case i+8 <= len(b):
		x = binary.LittleEndian.Uint64(b[i:])
	case len(b) >= 8:
		x = binary.LittleEndian.Uint64(b[len(b)-8:]) >> (8 * (i + 8 - len(b)) & 63)
	default:
		for k := len(b) - 1; k >= i; k-- {
			x = x<<8 | uint64(b[k])
		}
	}
	return x << (8 * (8 - n) & 63) >> (8 * (8 - n) & 63)
}

func hashSegment(b []byte) uint64 {
	h := uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = scramble(h ^ binary.LittleEndian.Uint64(b))
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.LittleEndian.Uint32(b))<<32 | uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	} else {
		for _, c := range b {
			tail = tail<<8 | uint64(c)
		}
	}
	return scramble(h ^ tail)
}

func scramble(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// choose says which literal segment becomes *, or from which on all do. One
// is enough if that brings a group together: the deepest of those with at
// least half as many as the best, so sess_8fk2:data becomes *:data and
// cfg:payment:timeout becomes cfg:payment:*. Else it takes as few of the
// deepest as make a group, at worst all.
func (f *folds) choose(counts []uint16) (k int, all bool) {
	mask := uint64(len(counts) - 1)
	var best uint16
	var one [maxDepth]uint16
	for k := range f.n {
		one[k] = counts[f.one(k)&mask]
		best = max(best, one[k])
	}
	for k := f.n - 1; k >= 0; k-- {
		if best >= minGroup && one[k] >= best-best/2 {
			return k, false
		}
		if best < minGroup && counts[f.rest(k)&mask] >= minGroup {
			return k, true
		}
	}
	return 0, true
}

// appendFolded appends a pattern in which the literal segment at from is *, or
// all from there on are.
func appendFolded(dst, marked []byte, from int, all bool) []byte {
	dst = append(append(dst, marked[:from]...), marked[from]|markClass, '*')
	marked = marked[segmentEnd(marked, from):]
	if !all {
		return append(dst, marked...)
	}
	for len(marked) > 0 {
		seg := marked[:segmentEnd(marked, 0)]
		if marked = marked[len(seg):]; seg[0]&markClass == 0 {
			dst = append(dst, seg[0]|markClass, '*')
		} else {
			dst = append(dst, seg...)
		}
	}
	return dst
}
