package aggregate

import (
	"math"

	"rdbaudit/estimate"
)

// life is where a key stands with its time to live. Each key is in one class.
type life uint8

const (
	noTTL    life = iota
	fieldTTL      // no TTL of its own, but all fields of the hash have one
	expires       // a TTL that runs out later than the dump's moment
	expired       // a TTL that has run out
	numLives
)

// An item is a record with what several analyses want to know of it, worked
// out once.
type item struct {
	r    *estimate.Record
	n    int64 // bytes by the measure
	life life
	left int64  // seconds to live, if life is expires
	text []byte // pattern in marked form
	hash uint32 // of text, in the table of patterns
	same bool   // the pattern is the very key
	like bool   // the pattern is that of the item before
	at   spot   // in the table of patterns, unless like
	mold *mold  // of the pattern, if it was seen from that
	user int    // index+1 of the user's pattern that matched, 0: none
}

func (it *item) fill(o *Options, r *estimate.Record) {
	it.r = r
	it.n = max(0, o.Measure(r))
	it.left = 0
	switch {
	case r.Expiry == estimate.NoExpiry:
		it.life = noTTL
		if r.FieldTTLs > 0 && r.FieldTTLs >= r.Elems {
			it.life = fieldTTL
		}
	case r.Expiry <= o.Now:
		it.life = expired
	default:
		it.life = expires
		left := r.Expiry - o.Now
		if left < 0 { // Now is far below zero
			left = math.MaxInt64
		}
		it.left = left / 1000
	}
}

// maxKey is the longest key name that is kept, in bytes. Names may be of
// hundreds of megabytes; a longer one is kept as its first maxKey bytes and
// its length, which sorts and merges like the name itself.
const maxKey = 512

// appendKept appends what is kept of a key: the key itself, or if it is
// longer than maxKey its head and 8 bytes of its length.
func appendKept(dst, key []byte) []byte {
	if len(key) <= maxKey {
		return append(dst, key...)
	}
	dst = append(dst, key[:maxKey]...)
	n := uint64(len(key))
	return append(dst, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// appendKeptText appends the text of a kept key; see ErrCut for those cut.
func appendKeptText(dst, kept []byte) []byte {
	if len(kept) <= maxKey {
		return AppendEscaped(dst, kept)
	}
	dst = AppendEscaped(dst, kept[:maxKey])
	dst = append(dst, '\\', '+')
	return appendInt(dst, int64(keptLen(kept))-maxKey)
}

// keptLen is the length of the whole key.
func keptLen(kept []byte) int {
	if len(kept) <= maxKey {
		return len(kept)
	}
	var n uint64
	for _, b := range kept[maxKey:] {
		n = n<<8 | uint64(b)
	}
	return int(n)
}

// maxKept is the longest that appendKept gives.
const maxKept = maxKey + 8
