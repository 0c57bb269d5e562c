package aggregate

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A mold is what a key must look like to have the pattern of the key that it
// was made of: so many bytes, the same text here, decimal digits there. Keys
// come sorted by form, so that most are of the mold of the one before, and it
// takes a fraction of a walk to see that. A key that does not fit may have
// that pattern all the same.
type mold struct {
	size  int // of the key; 0: there is no mold
	words []moldWord
	mixed bool   // a segment is hexadecimal: it must have a digit and a letter
	text  []byte // the pattern, in marked form in a set's
	hash  uint32 // of text
	same  bool   // the pattern is the very key
	// What a mold was made of last, or could not be.
	asked     uint32 // hash of the pattern
	askedSize int    // of the key
	last      uint32 // hash of the pattern of the last key that did not fit; of a Namer's
}

// molds are those of the forms of late. The hashes of a set's are for its table
// of patterns: another one takes its place only while it is empty.
type molds [16]mold

// place is where the mold of a key is if there is one.
func (l *molds) place(key []byte) *mold {
	h := uint32(len(key))
	if len(key) > 1 {
		h += uint32(key[0])<<8 + uint32(key[1])<<16
	}
	return &l[h*2654435761>>28]
}

// moldWord is what 8 bytes of the key must be, each byte of a mask for one of
// the key: 0xff where it must be that of text, 0xf0 where a digit, 0x10 where
// a hexadecimal one.
type moldWord struct {
	at               int
	text, fixed      uint64
	digits, hexadecs uint64
}

const (
	minMold = 8
	maxMold = 64
)

// fits reports whether a key has the mold's pattern for sure.
func (m *mold) fits(key []byte) bool {
	if len(key) != m.size || m.size == 0 {
		return false
	}
	const (
		ones = 0x0101010101010101
		high = 0xf0 * ones
	)
	var figures, letters uint64
	for i := range m.words {
		w := &m.words[i]
		x := binary.LittleEndian.Uint64(key[w.at:])
		// Not zero in the upper half of a byte that is no digit. What a byte
		// carries into the next makes that one fail, never pass.
		digit := (x&high ^ '0'*ones) | ((x+6*ones)&high ^ '0'*ones)
		if (x^w.text)&w.fixed|digit&w.digits != 0 {
			return false
		}
		if w.hexadecs != 0 {
			letter := (x&high ^ 0x60*ones) | ((x+9*ones)&high ^ 0x60*ones) | ((x-ones)&high ^ 0x60*ones)
			noDigit, noLetter := (digit>>4+0x0f*ones)&w.hexadecs, (letter>>4+0x0f*ones)&w.hexadecs
			if noDigit&noLetter != 0 {
				return false
			}
			figures |= w.hexadecs &^ noDigit
			letters |= w.hexadecs &^ noLetter
		}
	}
	return !m.mixed || figures != 0 && letters != 0
}

// of makes the mold of a key, if there is one. text is its pattern, with that
// hash, and same says that it is the very key.
func (m *mold) of(p *Patterner, key, text []byte, hash uint32, same bool) bool {
	if m.asked == hash && m.askedSize == len(key) {
		return false // there was none, or this key does not fit
	}
	m.asked, m.askedSize = hash, len(key)
	m.size = 0
	if p.first != nil || !p.mute || len(key) < minMold || len(key) > maxMold {
		return false
	}
	const (
		fixed = iota
		digit
		hexadec
	)
	var must [maxMold]uint8
	m.mixed = false
	for start := 0; ; {
		end, mask, sep := p.segment(key, start)
		seg := key[start:end]
		if sep >= 0 && len(seg) == 4 && mayBeIPv6(key[start:]) {
			return false
		}
		switch c := classify(seg, mask); {
		case c == literal:
		case c == classNum && mask == cDigit && !otherDigits(len(seg)):
			for i := range seg {
				must[start+i] = digit
			}
		case (c == classHex || c == classUUID) && mask&^(cDigit|cHexLow|cPunct) == 0 && mask&cDigit != 0 && mask&cHexLow != 0 && !m.mixed:
			m.mixed = true
			for i, b := range seg {
				if b != '-' {
					must[start+i] = hexadec
				}
			}
		default:
			return false
		}
		if sep < 0 {
			break
		}
		start = end + len(p.seps[sep].raw)
	}
	m.words = m.words[:0]
	for at := 0; at < len(key); at += 8 {
		w := moldWord{at: min(at, len(key)-8)}
		w.text = binary.LittleEndian.Uint64(key[w.at:])
		for i := range 8 {
			switch must[w.at+i] {
			case fixed:
				w.fixed |= 0xff << (8 * i)
			case digit:
				w.digits |= 0xf0 << (8 * i)
			case hexadec:
				w.hexadecs |= 0x10 << (8 * i)
			}
		}
		m.words = append(m.words, w)
	}
	m.text, m.hash, m.same, m.size = append(m.text[:0], text...), hash, same, len(key)
	return true
}

// A Namer gives keys their patterns as its Patterner does, and faster where keys
// of one form come again and again. It is for one goroutine.
type Namer struct {
	p     *Patterner
	molds molds
}

// NewNamer makes a Namer.
func NewNamer(p *Patterner) *Namer { return &Namer{p: p} }

// AppendOwned is [Patterner.AppendOwned].
func (n *Namer) AppendOwned(dst, key []byte) ([]byte, string) {
	m := n.molds.place(key)
	if m.fits(key) {
		return append(dst, m.text...), "" // with patterns of the user's there are no molds
	}
	base := len(dst)
	dst, owner := n.p.AppendOwned(dst, key)
	// Only a pattern that came twice in a row is worth a mold.
	if h := uint32(hashSegment(dst[base:])); h == m.last {
		m.of(n.p, key, dst[base:], h, false)
	} else {
		m.last = h
	}
	return dst, owner
}

// otherDigits says whether so many digits may be something else than a number:
// see classifyDigits.
func otherDigits(n int) bool {
	switch n {
	case 8, 10, 12, 13, 14, 32, 40, 64:
		return true
	}
	return false
}

// mayBeIPv6 says whether there are colons enough for an address.
func mayBeIPv6(key []byte) bool {
	return bytes.Contains(key, []byte("::")) || bytes.Count(key, []byte{':'}) >= 7
}

// mute says of separators that none has a byte that a mold leaves open.
func mute(separators []string) bool {
	for _, s := range separators {
		if strings.ContainsAny(s, "0123456789abcdef") {
			return false
		}
	}
	return true
}
