package output

import (
	"unicode/utf8"

	"rdbaudit/aggregate"
)

// Names reach this package in the reversible form of aggregate.AppendEscaped,
// in which nothing is active. A report read from a file may say otherwise, and
// so may paths and texts: every writer passes its texts through clean.

// clean makes a text inert: bytes that are no visible UTF-8, and a leading
// = + - @ that would start a spreadsheet formula, become \xHH. What
// aggregate.AppendEscaped wrote stays as it is, and so does a lone "-".
func clean(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || i == 0 && formulaStart(c) {
			return string(appendClean(nil, s))
		}
	}
	return s
}

// prose is clean for sentences and paths, which stand in no spreadsheet: a
// leading = + - @ stays.
func prose(s string) string {
	if s != "" && formulaStart(s[0]) {
		return s[:1] + string(appendClean(nil, " "+s[1:]))[1:]
	}
	return clean(s)
}

// Printable makes a text inert for a line on a terminal: nothing in it ends the
// line, moves the cursor, or turns the order of what is shown.
func Printable(s string) string { return prose(s) }

func formulaStart(c byte) bool { return c == '=' || c == '+' || c == '-' || c == '@' }

func appendClean[T string | []byte](dst []byte, s T) []byte {
	if len(s) == 1 && s[0] == '-' {
		return append(dst, '-')
	}
	i := 0
	if len(s) > 0 && !formulaStart(s[0]) {
		for i < len(s) && s[i] >= ' ' && s[i] < 0x7f {
			i++
		}
		dst = append(dst, s[:i]...)
	}
	for i < len(s) {
		c := s[i]
		if c >= ' ' && c < 0x7f && (i > 0 || !formulaStart(c)) {
			dst = append(dst, c)
			i++
			continue
		}
		// One character at a time, so that no backslash is doubled.
		var buf [utf8.UTFMax]byte
		n := copy(buf[:], s[i:])
		if c < utf8.RuneSelf {
			n = 1
		} else {
			_, n = utf8.DecodeRune(buf[:n])
		}
		dst = aggregate.AppendEscaped(dst, buf[:n])
		i += n
	}
	return dst
}

func appendHex(dst []byte, b byte) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'x', digits[b>>4], digits[b&15])
}

// csvActive marks the bytes that make a field need quotes: RFC 4180's own and
// the separators that spreadsheets and other readers may take for commas.
var csvActive = [256]bool{'"': true, ',': true, ';': true, '\t': true, '\n': true, '\r': true}

// csvPlain says whether a name is written as it is in CSV: nothing in it needs
// an escape or quotes. Some names that need none are not among these.
func csvPlain(b []byte) bool {
	if len(b) == 0 || formulaStart(b[0]) {
		return false
	}
	bad := uint8(0)
	for ; len(b) >= 4; b = b[4:] {
		bad |= csvOdd[b[0]] | csvOdd[b[1]] | csvOdd[b[2]] | csvOdd[b[3]]
	}
	for _, c := range b {
		bad |= csvOdd[c]
	}
	return bad == 0
}

// csvOdd is 1 for bytes that csvPlain leaves to others.
var csvOdd = func() (odd [256]uint8) {
	for c := range odd {
		if c <= ' ' || c >= 0x7f || c == '\\' || csvActive[c] {
			odd[c] = 1
		}
	}
	return odd
}()

// quoteCSV puts quotes around the field dst[start:] if it needs them. An empty
// text gets quotes as well, to tell it from a field of which nothing is known.
func quoteCSV(dst []byte, start int) []byte {
	field := dst[start:]
	quotes, active := 0, len(field) == 0 || field[0] == ' ' || field[len(field)-1] == ' '
	for _, c := range field {
		if csvActive[c] {
			active = true
			if c == '"' {
				quotes++
			}
		}
	}
	if !active {
		return dst
	}
	n := len(field)
	for range quotes + 2 {
		dst = append(dst, '"')
	}
	// From the end backwards, so that nothing is overwritten before it moved.
	w := len(dst) - 2
	for i := start + n - 1; i >= start; i-- {
		dst[w] = dst[i]
		w--
		if dst[i] == '"' {
			dst[w] = '"'
			w--
		}
	}
	dst[w] = '"'
	return dst
}

// jsonPlain marks the bytes that stand for themselves in a JSON string.
var jsonPlain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// appendJSON writes a JSON string. As encoding/json does it escapes < > & and
// the two line separators that JavaScript knows, so that the text can stand in a
// page as well.
func appendJSON[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	i := 0
	for i < len(s) && jsonPlain[s[i]] {
		i++
	}
	dst = append(dst, s[:i]...)
	for i < len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '<' || c == '>' || c == '&' || c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c >= utf8.RuneSelf:
			var buf [utf8.UTFMax]byte
			r, n := utf8.DecodeRune(buf[:copy(buf[:], s[i:])])
			switch {
			case r == utf8.RuneError && n == 1:
				dst = append(dst, "\uFFFD"...)
			case r == 0x2028 || r == 0x2029:
				dst = append(dst, '\\', 'u', '2', '0', '2', digits[r&15])
			default:
				dst = append(dst, buf[:n]...)
			}
			i += n
			continue
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
