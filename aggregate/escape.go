package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	hexDigits = "0123456789abcdef"
	ones      = 0x0101010101010101
	tops      = 0x8080808080808080
)

func appendHex(dst []byte, b byte) []byte {
	return append(dst, '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
}

// AppendEscaped appends the reversible text of a key: a backslash as \\, each
// byte that is no part of printable UTF-8 as \xHH (two lower-case digits),
// and a leading = + - or @ as \xHH, so that no spreadsheet takes it for a
// formula. Printable means visible: control, bidirectional, zero-width and
// other ignorable characters, unassigned and private ones, and all spaces but
// U+0020 are escaped. [Unescape] is the way back.
func AppendEscaped(dst, key []byte) []byte {
	if len(key) > 0 && isFormula(key[0]) {
		return appendText(appendHex(dst, key[0]), key[1:])
	}
	return appendText(dst, key)
}

func isFormula(b byte) bool { return b == '=' || b == '+' || b == '-' || b == '@' }

// appendText is AppendEscaped for text that does not start a field.
func appendText(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		if i+8 <= len(text) && plain8(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
			continue
		}
		b := text[i]
		if b-0x20 < 0x5f && b != '\\' {
			i++
			continue
		}
		n := 1
		if b >= utf8.RuneSelf {
			var r rune
			// An invalid byte is U+FFFD of size 1; a real U+FFFD has size 3 and is printable.
			if r, n = utf8.DecodeRune(text[i:]); n > 1 && visible(r) {
				i += n
				continue
			}
		}
		dst = append(dst, text[start:i]...)
		if b == '\\' {
			dst = append(dst, '\\', '\\')
		} else {
			for _, c := range text[i : i+n] {
				dst = appendHex(dst, c)
			}
		}
		i += n
		start = i
	}
	return append(dst, text[start:]...)
}

// plain8 reports whether 8 bytes are all printable ASCII and no backslash.
// (y-ones)&^y has the top bit of a byte set if one of them is zero.
func plain8(x uint64) bool {
	slash, del := x^ones*'\\', x^ones*0x7f
	return (x|(x-ones*0x20)|(slash-ones)&^slash|(del-ones)&^del)&tops == 0
}

// visible is stricter than unicode.IsPrint: some letters, marks and symbols show nothing.
func visible(r rune) bool {
	return strconv.IsPrint(r) && r != 0x2800 &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// ErrCut is wrapped by Unescape's error for the text of a key that was too
// long to keep: its first bytes, then \+N for N bytes more.
var ErrCut = errors.New("the name is cut")

// Unescape gives back the bytes of a key from its text. For a key that was
// cut it returns the bytes that are there and an error that wraps [ErrCut].
func Unescape(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		rest := s[i+1:]
		switch {
		case len(rest) >= 1 && rest[0] == '\\':
			b = append(b, '\\')
			i++
		case len(rest) >= 3 && rest[0] == 'x' && unhex(rest[1]) < 16 && unhex(rest[2]) < 16:
			b = append(b, unhex(rest[1])<<4|unhex(rest[2]))
			i += 3
		case len(rest) >= 2 && rest[0] == '+' && allDigits(rest[1:]):
			return b, fmt.Errorf("%w: %s more bytes", ErrCut, rest[1:])
		default:
			return nil, fmt.Errorf("position %d of %q: a backslash must be followed by another or by x and two hex digits", i, s)
		}
	}
	return b, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

func unhex(b byte) byte {
	switch {
	case b-'0' < 10:
		return b - '0'
	case b-'a' < 6:
		return b - 'a' + 10
	case b-'A' < 6:
		return b - 'A' + 10
	}
	return 255
}
