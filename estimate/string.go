package estimate

// A string that is a canonical integer is kept as one; short ones share an
// allocation with their object, or with their key, the rest have their own
// (object.c tryObjectEncoding, createStringObject; @redis-8.6.3 kvobjSet;
// @valkey-8.1.1 createStringObjectWithKeyAndExpire, objectSetExpire;
// @valkey-9.1.2 shouldEmbedStringObject).

// longestEmbstr is OBJ_ENCODING_EMBSTR_SIZE_LIMIT.
const longestEmbstr = 44

// sharedInts is OBJ_SHARED_INTEGERS.
const sharedInts = 10000

// stringValue sizes a string. What short names and values come to is
// remembered: it is the cost of most keys of most dumps.
func (s *sizer) stringValue(v item) {
	if s.name >= memoNames || v.len >= memoValues || s.meta != 0 || s.items != nil {
		s.stringCost(v)
		return
	}
	at := s.name<<1 | int64(btoi(s.ttl))
	m := &s.strings[at][v.len]
	if v.isInt {
		m = &s.ints[at][btoi(v.val >= 0 && v.val < sharedInts)]
	}
	if m.r == 0 {
		s.stringCost(v)
		*m = stringMemo{uint16(s.u), uint16(s.r), uint8(s.keyU), s.enc}
		return
	}
	s.u, s.r, s.keyU, s.enc = int64(m.u), int64(m.r), int64(m.keyU), m.enc
}

// The lengths that are remembered. What such a key takes is below 64 KiB, and
// its name's part below 256 bytes.
const (
	memoNames  = 64
	memoValues = 128
)

type stringMemo struct {
	u, r uint16 // 0: not known yet
	keyU uint8
	enc  Encoding
}

// keyMemo is what a key without its value takes.
type keyMemo struct{ u, r, keyU uint16 } // r 0: not known yet

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *sizer) stringCost(v item) {
	n := v.len
	if v.isInt {
		s.enc = Int
		saved := int64(0)
		if s.l.head <= headEntryKey && v.val >= 0 && v.val < sharedInts && !s.NoSharedInts {
			saved = s.a.Class(16)
		}
		s.keyAnd("object", saved)
		return
	}
	whole := int64(-1) // an object that holds key and value
	switch s.l.embstr {
	case embstrUnrounded, embstrClassic:
		if n > longestEmbstr {
			break
		}
		s.enc = Embstr
		req := 16 + 3 + n + 1
		counted := s.a.Class(req)
		if s.l.embstr == embstrUnrounded {
			counted = n + 18
		}
		// The object's 16 bytes are within: key counts them.
		s.key()
		s.add("value in its object", 1, req-16, counted-16, s.a.Class(req)-s.a.Class(16))
		return
	case embstrCacheLineX:
		if n <= longestEmbstr && 16+(s.name+3)+(n+4) <= 64 {
			whole = 16 + (n + 4) + 1 + embeddedSds(s.name) + 8*s.meta
			if s.ttl {
				whole += 8
			}
		}
	case embstrCacheLine:
		fits := 16 + (s.name + 3) + (n + 4)
		if n <= longestEmbstr && fits <= 64 {
			whole = s.roomForTTL(16+(n+4)+1+embeddedSds(s.name), fits+8 <= 64)
		}
	case embstrTwoLines:
		fits := 8 + (1 + embeddedSds(s.name)) + (n + 4)
		if 8+(n+4) <= 128 && fits <= 128 {
			whole = s.roomForTTL(8+1+embeddedSds(s.name)+max(8, n+4), fits+8 <= 128)
		}
	}
	if whole >= 0 {
		s.enc = Embstr
		s.one("object with key text and value", whole)
		return
	}
	s.enc = Raw
	s.key()
	req, counted, alloc := s.sds(n)
	s.add("value", 1, req, counted, alloc)
}

// roomForTTL is the size of an embedded string once its TTL has been added, in
// a second step: in spare room of its class if there is some, else in an object
// made anew, if that still fits; -1 if it does not.
func (s *sizer) roomForTTL(n int64, fits bool) int64 {
	switch {
	case !s.ttl || s.a.Class(n) >= n+8:
		return n
	case fits:
		return n + 8
	}
	return -1
}
