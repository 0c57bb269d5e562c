package aggregate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Patterner turns keys into patterns. The pattern of a key is a function of
// that key and the options alone, never of other keys.
//
// A key is cut at the separators. Each segment that is an identifier by its
// form becomes its class; all other text stays as it is, escaped as by
// [AppendEscaped]:
//
//	{num}    42  -7  3.14  +49-30-1234  1.2.3     digits, alone or with - + _ . , / among them; 30Z, 30.5Z
//	{time}   1712345678  1712345678901            10 or 13 digits: unix seconds or milliseconds of 2001 to 2099
//	{date}   2024-01-15  2024_01  15.01.2024      a calendar date (years 1900 to 2099), also with a time of day
//	         20240115  20240115093000  2024-W03   without punctuation: 8, 12 or 14 digits of 2000 to 2099
//	{hex}    9ae3f0  DEADBEEF01  0x1aB4           at least 6 hex digits of one case, with a digit and a letter;
//	                                              16 or more may be all letters, 32, 40 or 64 all digits
//	{uuid}   1b4e28ba-2fa1-11d2-883f-0016d3cca427
//	{ulid}   01ARZ3NDEKTSV4RRFFQ69G5FAV           26 characters of Crockford's base 32, time before 2109
//	{email}  ann@example.org
//	{ip}     10.0.0.1  10.0.0.0/8  2001:db8::1    also where : is a separator
//	{id}     V1StGXR8_Z5jdHi6B-myT                16 or more of A-Z a-z 0-9 - _ . + / that change between
//	                                              letters, digits and cases as no words do
//	{tag}    {42}  {user:42}                      a hash tag of Redis Cluster, wherever it stands in a segment:
//	                                              {42}.following is {tag}.following
//	{long}                                        other text of more than 128 bytes
//	*                                             the rest of a key of more segments than Depth
//
// A tag that separators cut is classed piece by piece: {user:42}:cart becomes
// {user:{num}}:cart. Words with a number attached (item12, v2, page_3) are no
// identifiers by form and stay; the user's own patterns can name them.
//
// A literal segment that would read as * or <name> has its first byte escaped
// (\x2a), and one that would read as a class is a {tag}, so patterns are
// unambiguous. [Unescape] of a pattern without classes gives the key.
//
// The user's own patterns come first, the first that matches wins. They are
// cut at the same separators. <name> stands for one non-empty segment and *
// for one segment, each possibly with literal text around (user-<id>); * at
// the very end is any rest; a class such as {num} stands for segments of that
// class; all else is literal, with escapes as in AppendEscaped.
type Patterner struct {
	depth   int
	tab     [256]charClass
	seps    []separator
	order   []int // indexes of seps, the longest first: the one to try first
	single  bool  // all separators are one byte
	oneByte bool  // there is one, of one byte of ASCII
	colon   bool  // ':' is one of them
	mute    bool  // none has a digit or a letter of hexadecimal ones
	byByte  [256]uint8
	user    []userPattern
	first   *userIndex // of user, nil if there are none
	hit     int        // index+1 into user of what the last walk matched, 0: none
	owners  []string   // distinct, after a nameless one
	names   [numClasses]string
	// For names that must be made to be compared, two at a time.
	scratch, scratch2 []byte
}

type separator struct {
	raw  []byte
	text []byte // as printed
}

// In the tables a pattern is kept in marked form: each segment starts with a
// byte below 0x20 that holds the index+1 of the separator before it (0 for
// the first segment) and whether it is literal; the separators themselves are
// left out. Printed text has no byte below 0x20, so marks are unambiguous.
const (
	markClass = 1 // the segment is a class, a wildcard or the user's own: never folded
	markShift = 1
	markEnd   = 0x20
)

type charClass uint16

const (
	cDigit  charClass = 1 << iota
	cHexLow           // a-f
	cLow              // g-z
	cHexUp            // A-F
	cUp               // G-Z
	cPunct            // - _ . + / ,
	cEqual            // =
	cAt               // @
	cBrace            // { }
	cWild             // * <
	cColon            // : that separates nothing
	cOdd              // needs an escape, or is not ASCII
	cOther            // other printable ASCII
	cSep              // a separator may start here

	cHex    = cDigit | cHexLow | cHexUp
	cLower  = cHexLow | cLow
	cUpper  = cHexUp | cUp
	cLetter = cLower | cUpper
	cAlnum  = cDigit | cLetter
)

func charClassOf(b byte) charClass {
	switch {
	case b-'0' < 10:
		return cDigit
	case b-'a' < 6:
		return cHexLow
	case b-'a' < 26:
		return cLow
	case b-'A' < 6:
		return cHexUp
	case b-'A' < 26:
		return cUp
	case b < 0x20 || b >= 0x7f || b == '\\':
		return cOdd
	}
	switch b {
	case '-', '_', '.', '+', '/', ',':
		return cPunct
	case '=':
		return cEqual
	case '@':
		return cAt
	case '{', '}':
		return cBrace
	case '*', '<':
		return cWild
	case ':':
		return cColon
	}
	return cOther
}

type class uint8

const (
	literal class = iota
	classNum
	classTime
	classDate
	classHex
	classUUID
	classULID
	classEmail
	classIP
	classID
	classTag
	classLong
	numClasses
)

func (c class) text() string {
	switch c {
	case classNum:
		return "{num}"
	case classTime:
		return "{time}"
	case classDate:
		return "{date}"
	case classHex:
		return "{hex}"
	case classUUID:
		return "{uuid}"
	case classULID:
		return "{ulid}"
	case classEmail:
		return "{email}"
	case classIP:
		return "{ip}"
	case classID:
		return "{id}"
	case classTag:
		return "{tag}"
	case classLong:
		return "{long}"
	}
	return ""
}

// maxLiteral is the longest literal segment: key names are hostile input, and
// the tables keep pattern text.
const maxLiteral = 128

// NewPatterner makes a Patterner. If it returns an error (a user pattern that
// cannot be read), the Patterner works without the patterns at fault.
func NewPatterner(o *Options) (*Patterner, error) {
	o = o.normal()
	p := &Patterner{depth: o.Depth, single: true, mute: mute(o.Separators)}
	for b := range p.tab {
		p.tab[b] = charClassOf(byte(b))
	}
	for c := range numClasses {
		p.names[c] = c.text()
	}
	for i, s := range o.Separators {
		p.seps = append(p.seps, separator{[]byte(s), appendText(nil, []byte(s))})
		p.order = append(p.order, i)
		p.tab[s[0]] |= cSep
		p.single = p.single && len(s) == 1
		p.colon = p.colon || s == ":"
		p.byByte[s[0]] = uint8(i)
	}
	p.oneByte = p.single && len(p.seps) == 1 && p.seps[0].raw[0] < 0x80
	slices.SortStableFunc(p.order, func(a, b int) int { return len(o.Separators[b]) - len(o.Separators[a]) })
	var firstErr error
	p.owners = []string{""}
	for i, text := range o.Patterns {
		u, err := p.parseUser(text)
		if err == nil {
			if i < len(o.Owners) {
				u.owner = p.ownerIndex(o.Owners[i])
			}
			p.user = append(p.user, u)
		} else if firstErr == nil {
			firstErr = fmt.Errorf("pattern %q: %w", text, err)
		}
	}
	p.index()
	return p, firstErr
}

// Append appends the pattern of a key, as reports print it. The length is
// bounded by Depth segments of 4 times 128 bytes and their separators.
func (p *Patterner) Append(dst, key []byte) []byte {
	base := len(dst)
	dst, _ = p.walk(dst, key, false)
	return escapeFormula(dst, base)
}

// escapeFormula escapes the first byte of a printed pattern if it must be.
func escapeFormula(dst []byte, base int) []byte {
	if len(dst) > base && isFormula(dst[base]) {
		b := dst[base]
		dst = append(dst, 0, 0, 0)
		copy(dst[base+4:], dst[base+1:])
		copy(dst[base:], appendHex(nil, b))
	}
	return dst
}

// sepAt is the index of the separator that starts at key[i], the longest if
// several do, or -1.
func (p *Patterner) sepAt(key []byte, i int) int {
	if p.tab[key[i]]&cSep == 0 {
		return -1
	}
	if p.single {
		return int(p.byByte[key[i]])
	}
	for _, j := range p.order {
		if bytes.HasPrefix(key[i:], p.seps[j].raw) {
			return j
		}
	}
	return -1
}

// segment finds the end of the segment that starts at i: what kinds of bytes
// it has, and the separator that ends it, -1 at the end of the key.
func (p *Patterner) segment(key []byte, i int) (end int, mask charClass, sep int) {
	tab := &p.tab
	for i+4 <= len(key) {
		k := key[i : i+4]
		m := tab[k[0]] | tab[k[1]] | tab[k[2]] | tab[k[3]]
		if m >= cSep {
			break
		}
		mask |= m
		i += 4
	}
	for ; i < len(key); i++ {
		c := tab[key[i]]
		if c >= cSep {
			if sep := p.sepAt(key, i); sep >= 0 {
				return i, mask, sep
			}
			c &^= cSep
		}
		mask |= c
	}
	return i, mask, -1
}

// walk appends the pattern of a key in marked or printed form (but for a
// leading formula character). Same says that the pattern, marks replaced by
// separators, is the very key.
func (p *Patterner) walk(dst, key []byte, marked bool) (_ []byte, same bool) {
	if p.first != nil {
		if p.hit = p.userMatch(key); p.hit > 0 {
			u := &p.user[p.hit-1]
			if marked {
				return append(dst, u.marked...), false
			}
			return append(dst, u.text...), false
		}
	}
	if marked {
		var ok bool
		if dst, same, ok = p.walkPlain(dst, key); ok {
			return dst, same
		}
	}
	return p.walkAny(dst, key, marked)
}

// walkAny is walk for any key, without the user's own patterns.
func (p *Patterner) walkAny(dst, key []byte, marked bool) (_ []byte, same bool) {
	same = true
	before := byte(0) // index+1 of the separator before the segment
	for start, n := 0, 1; ; n++ {
		i, mask, sep := p.segment(key, start)
		var c class
		if sep >= 0 {
			if n == p.depth {
				if marked {
					dst = append(dst, before<<markShift|markClass)
				}
				return append(dst, '*'), false
			}
			if i-start == 4 && p.colon && mask&^cHex == 0 && key[i] == ':' {
				if n := ipv6(key[start:]); n > 0 {
					if next, _, s := p.segment(key, start+n); next == start+n {
						c, i, sep = classIP, next, s
					}
				}
			}
		}
		// A literal without digits is the most common segment: no call for it.
		if c == literal && (mask&(cDigit|cAt|cBrace|cColon) != 0 || i-start >= 16) {
			c = classify(key[start:i], mask)
		}
		if c != literal {
			if marked {
				dst = append(dst, before<<markShift|markClass)
			}
			dst = append(dst, p.names[c]...)
			same = false
		} else {
			if marked {
				dst = append(dst, before<<markShift)
			}
			if mask&(cBrace|cWild|cOdd) == 0 {
				dst = append(dst, key[start:i]...)
			} else {
				dst = appendSegment(dst, key[start:i])
				same = false
			}
		}
		if sep < 0 {
			return dst, same
		}
		if !marked {
			dst = append(dst, p.seps[sep].text...)
		}
		start = i + len(p.seps[sep].raw)
		before = byte(sep + 1)
	}
}

// appendSegment appends a segment that is no class as a whole: hash tags in
// it become {tag}, and what is beside a brace may be a class of its own.
func appendSegment(dst, seg []byte) []byte {
	whole := true
	for {
		open := bytes.IndexByte(seg, '{')
		if open < 0 {
			break
		}
		n := bytes.IndexByte(seg[open:], '}')
		if n < 2 { // none, or {} which is no tag
			break
		}
		dst = appendPiece(dst, seg[:open])
		dst = append(dst, classTag.text()...)
		seg = seg[open+n+1:]
		whole = false
	}
	if len(seg) > 1 && seg[0] == '{' && seg[1] != '}' {
		return appendPiece(append(dst, '{'), seg[1:])
	}
	if n := len(seg); n > 1 && seg[n-1] == '}' && seg[n-2] != '{' {
		return append(appendPiece(dst, seg[:n-1]), '}')
	}
	if whole && (string(seg) == "*" || len(seg) > 1 && seg[0] == '<' && seg[len(seg)-1] == '>') {
		return appendText(appendHex(dst, seg[0]), seg[1:])
	}
	return appendPiece(dst, seg)
}

func appendPiece(dst, piece []byte) []byte {
	var mask charClass
	for _, b := range piece {
		mask |= charClassOf(b)
	}
	if c := classify(piece, mask); c != literal && mask&cBrace == 0 {
		return append(dst, c.text()...)
	}
	return appendText(dst, piece)
}

// classify says what a segment is by its form; mask holds the kinds of its bytes.
func classify(s []byte, mask charClass) class {
	n := len(s)
	if mask&cDigit == 0 {
		if n < 16 && mask&(cAt|cBrace|cColon) == 0 {
			return literal
		}
	} else if mask == cDigit {
		return classifyDigits(s)
	} else if mask&^(cDigit|cPunct) == 0 {
		switch {
		case n <= 32 && isDate(s):
			return classDate
		case isIPv4(s):
			return classIP
		}
		return classNum
	}
	if mask&(cBrace|cAt|cColon) != 0 {
		switch {
		case mask&cBrace != 0:
			if n > 2 && s[0] == '{' && bytes.IndexByte(s, '}') == n-1 {
				return classTag
			}
		case mask&cAt != 0:
			if isEmail(s) {
				return classEmail
			}
		case ipv6(s) == n:
			return classIP
		}
		return literalOrLong(n)
	}
	if mask&cDigit != 0 {
		if mask&^cHex == 0 && n >= 6 && mask&(cHexLow|cHexUp) != cHexLow|cHexUp {
			return classHex
		}
		if n == 36 && mask&^(cHex|cPunct) == 0 && hasUUIDMarks(s) {
			return classUUID
		}
		if n >= 6 && s[0] == '0' && s[1]|0x20 == 'x' && isHex(s[2:]) {
			return classHex
		}
		if n == 26 && mask&^cAlnum == 0 && isULID(s) {
			return classULID
		}
		if n >= 3 && n <= 32 && mask&cUp != 0 && mask&cLower == 0 && isDate(s) {
			return classDate
		}
		if n >= 3 && n <= 32 && mask&^(cDigit|cUp|cPunct) == 0 && isSeconds(s) {
			return classNum
		}
	} else if n >= 16 && (mask == cHexLow || mask == cHexUp) {
		return classHex
	}
	if n >= 16 && mask&^(cAlnum|cPunct|cEqual) == 0 &&
		(mask&cDigit != 0 || n >= 20 && mask&cLower != 0 && mask&cUpper != 0) && isID(s) {
		return classID
	}
	return literalOrLong(n)
}

func literalOrLong(n int) class {
	if n > maxLiteral {
		return classLong
	}
	return literal
}

func classifyDigits(s []byte) class {
	switch len(s) {
	case 10, 13: // 2001-09-09 is the first with 10 digits; up to the end of 2099
		if string(s[:10]) >= "1000000000" && string(s[:10]) < "4102444800" {
			return classTime
		}
	case 8:
		if s[0] == '2' && s[1] == '0' && isMonth(s[4:6]) && isDay(s[6:8]) {
			return classDate
		}
	case 12, 14:
		if s[0] == '2' && s[1] == '0' && isMonth(s[4:6]) && isDay(s[6:8]) && string(s[8:10]) < "24" &&
			s[10] < '6' && (len(s) == 12 || s[12] < '6') {
			return classDate
		}
	case 32, 40, 64:
		return classHex
	}
	return classNum
}

// number reads one or two digits; n is how many there were.
func number(s []byte) (v, n int) {
	for n < len(s) && n < 2 && s[n]-'0' < 10 {
		v = v*10 + int(s[n]-'0')
		n++
	}
	return v, n
}

func isMonth(s []byte) bool { v, n := number(s); return n == len(s) && v >= 1 && v <= 12 }
func isDay(s []byte) bool   { v, n := number(s); return n == len(s) && v >= 1 && v <= 31 }

// isDate tests the punctuated forms: year-month, year-month-day,
// day-month-year and year-Wweek, with - _ . or / between, and a time of day
// behind a full date.
func isDate(s []byte) bool {
	sep := func(i int) bool { return i < len(s) && (s[i] == '-' || s[i] == '_' || s[i] == '.' || s[i] == '/') }
	year := func(i int) bool {
		return i+4 <= len(s) && (s[i] == '1' && s[i+1] == '9' || s[i] == '2' && s[i+1] == '0') && s[i+2]-'0' < 10 && s[i+3]-'0' < 10
	}
	if len(s) < 7 {
		return false
	}
	if year(0) && sep(4) {
		if s[5] == 'W' {
			week, n := number(s[6:])
			rest := s[6+n:]
			return n == 2 && week <= 53 && (len(rest) == 0 || len(rest) == 2 && rest[0] == s[4] && rest[1]-'1' < 7)
		}
		month, n := number(s[5:])
		if n == 0 || month < 1 || month > 12 {
			return false
		}
		i := 5 + n
		if i == len(s) {
			return n == 2 && s[4] != '.' // 2024.01 is a number
		}
		if !sep(i) || s[i] != s[4] {
			return false
		}
		day, m := number(s[i+1:])
		if m == 0 || day < 1 || day > 31 {
			return false
		}
		i += 1 + m
		return i == len(s) || isClock(s[i:])
	}
	day, n := number(s)
	if n == 0 || day < 1 || day > 31 || !sep(n) {
		return false
	}
	month, m := number(s[n+1:])
	i := n + 1 + m
	return m > 0 && month >= 1 && month <= 12 && sep(i) && s[i] == s[n] && year(i+1) && i+5 == len(s)
}

// isClock tests the time of day behind a date: T09, -09-30, T093000.123Z.
func isClock(s []byte) bool {
	if s[0] != 'T' && s[0] != '-' && s[0] != '_' || len(s) < 3 || s[1]-'0' > 2 {
		return false
	}
	for i, b := range s[1:] {
		if b-'0' < 10 || b == '-' || b == '.' || b == '_' || b == '+' || b == 'Z' && i == len(s)-2 {
			continue
		}
		return false
	}
	return true
}

// isSeconds tests 30Z and 30.123Z: what a : leaves of the end of an ISO 8601 time.
func isSeconds(s []byte) bool {
	if s[len(s)-1] != 'Z' || s[0] > '6' || s[1]-'0' > 9 {
		return false
	}
	for i, b := range s[:len(s)-1] {
		if b-'0' > 9 && !(i == 2 && b == '.') {
			return false
		}
	}
	return len(s) == 3 || s[2] == '.'
}

func isHex(s []byte) bool {
	for _, b := range s {
		if unhex(b) > 15 {
			return false
		}
	}
	return true
}

// hasUUIDMarks tests 36 hex digits and marks for being a UUID: with a - in
// four places and no other mark.
func hasUUIDMarks(s []byte) bool {
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	marks := 0
	for _, b := range s[:36] { // all marks but _ are below the digits
		marks += int((b-'0')>>7) + int(((b^'_')-1)>>7)
	}
	return marks == 4
}

// isULID asks for a time before 2109 (the first 10 of 26 characters hold it),
// which tells ULIDs from most other identifiers of that length.
func isULID(s []byte) bool {
	if s[0] != '0' || s[1] > '3' {
		return false
	}
	upper, lower := false, false
	for _, b := range s {
		upper = upper || b-'A' < 26
		lower = lower || b-'a' < 26
		if b |= 0x20; b == 'i' || b == 'l' || b == 'o' || b == 'u' {
			return false
		}
	}
	return upper != lower
}

func isEmail(s []byte) bool {
	at := bytes.IndexByte(s, '@')
	host := s[at+1:]
	dot := bytes.LastIndexByte(host, '.')
	return at > 0 && dot > 0 && dot < len(host)-1 && bytes.IndexByte(host, '@') < 0 && bytes.IndexByte(s, ' ') < 0 && len(s) <= 254
}

func isIPv4(s []byte) bool {
	if len(s) > len("255.255.255.255/32") {
		return false
	}
	for part := range 4 {
		v, i := 0, 0
		for i < len(s) && i < 3 && s[i]-'0' < 10 {
			v = v*10 + int(s[i]-'0')
			i++
		}
		if i == 0 || v > 255 {
			return false
		}
		s = s[i:]
		if part < 3 {
			if len(s) == 0 || s[0] != '.' {
				return false
			}
			s = s[1:]
		}
	}
	if len(s) == 0 {
		return true
	}
	v, n := number(s[1:])
	return s[0] == '/' && n > 0 && n == len(s)-1 && v <= 32
}

// ipv6 is the length of the IPv6 address that s starts with, or 0. Other
// paths of short hex numbers must not pass, so it asks for a first group of a
// prefix in use (2000::/3, fc00::/7, fe80::/10) and for either a :: or all 8
// groups with a letter among them.
func ipv6(s []byte) int {
	if len(s) < 6 || s[4] != ':' || s[0] != '2' && s[0] != '3' && s[0]|0x20 != 'f' {
		return 0
	}
	groups, i, letter, gap := 0, 0, false, false
	for {
		start := i
		for i < len(s) && i-start < 4 && unhex(s[i]) < 16 {
			letter = letter || s[i] > '9'
			i++
		}
		if i == start {
			return 0
		}
		groups++
		if groups == 8 || i == len(s) || s[i] != ':' {
			break
		}
		next := i + 1
		if !gap && next < len(s) && s[next] == ':' {
			gap = true
			next++
		}
		if next == len(s) || unhex(s[next]) > 15 || !hexGroup(s[next:]) {
			if s[next-1] == ':' && s[next-2] == ':' {
				i = next // ends in ::
			}
			break
		}
		i = next
	}
	if gap && groups < 8 || groups == 8 && letter && !gap {
		return i
	}
	return 0
}

// hexGroup reports whether s starts with 1 to 4 hex digits and no other word.
func hexGroup(s []byte) bool {
	n := 0
	for n < len(s) && unhex(s[n]) < 16 {
		n++
	}
	return n >= 1 && n <= 4 && (n == len(s) || charClassOf(s[n])&(cAlnum|cOdd) == 0)
}

// isID tests long text for randomness of form. Random text of both cases
// changes its kind of character about every second one; words change it at
// their borders, where a capital that starts a word counts once. Punctuation
// may be 1 in 8, as in base64url, not 1 in 5 as between words.
func isID(s []byte) bool {
	n := len(s)
	for range 2 {
		if s[len(s)-1] == '=' {
			s = s[:len(s)-1]
		}
	}
	const (
		none = iota
		digit
		lower
		upper
	)
	var digits, runs, turns, puncts, kinds, prev, capitals int
	for _, b := range s {
		k := none
		switch {
		case b-'a' < 26:
			k = lower
		case b-'0' < 10:
			k = digit
			digits++
			if prev != digit {
				runs++
			}
		case b-'A' < 26:
			k = upper
		case b == '=':
			return false
		default:
			puncts++
		}
		if k != prev && k != none && prev != none && !(prev == upper && k == lower && capitals == 1) {
			turns++
		}
		if k == upper {
			capitals++
		} else {
			capitals = 0
		}
		kinds |= 1 << k
		prev = k
	}
	if puncts*8 > n {
		return false
	}
	if runs >= 2 && turns >= 3 {
		return true
	}
	mixed := kinds&(1<<lower) != 0 && kinds&(1<<upper) != 0
	return mixed && (digits > 0 && turns*4 >= n || n >= 20 && turns*3 >= n)
}

// A userPattern is one of the user's own.
type userPattern struct {
	tokens       []token
	text, marked []byte
	owner        int // index into Patterner.owners
}

type token struct {
	kind     tokenKind
	pre, suf []byte // literal text around a wildcard; all of a literal is in pre
	class    class
	sep      int // separator before it, -1 for the first
}

type tokenKind uint8

const (
	tokenLiteral tokenKind = iota
	tokenName              // <name>: one segment, not empty
	tokenAny               // *: one segment
	tokenRest              // * at the end: any rest
	tokenClass             // {num}
)

func (p *Patterner) parseUser(text string) (u userPattern, err error) {
	if text == "" {
		return u, fmt.Errorf("empty")
	}
	if len(text) > maxUserPattern {
		return u, fmt.Errorf("longer than %d bytes", maxUserPattern)
	}
	key := []byte(text)
	before := -1
	for i := 0; ; {
		end, _, sep := p.segment(key, i)
		t, err := parseToken(text[i:end], sep < 0)
		if err != nil {
			return u, err
		}
		t.sep = before
		u.tokens = append(u.tokens, t)
		u.marked = append(u.marked, byte(before+1)<<markShift|markClass)
		if before >= 0 {
			u.text = append(u.text, p.seps[before].text...)
		}
		shown := t.show(text[i:end])
		u.marked = append(u.marked, shown...)
		u.text = append(u.text, shown...)
		if sep < 0 {
			return u, nil
		}
		i = end + len(p.seps[sep].raw)
		before = sep
	}
}

func parseToken(s string, last bool) (t token, err error) {
	for c := classNum; c < numClasses; c++ {
		if s == c.text() {
			return token{kind: tokenClass, class: c}, nil
		}
	}
	open, wild := strings.IndexByte(s, '<'), strings.IndexByte(s, '*')
	pre, suf := s, ""
	switch {
	case open >= 0:
		n := strings.IndexByte(s[open:], '>')
		if n < 2 {
			return t, fmt.Errorf("%q: <name> must be closed within its segment", s)
		}
		t.kind, pre, suf = tokenName, s[:open], s[open+n+1:]
		if strings.ContainsAny(s[open+1:open+n], "*<\\{}") {
			return t, fmt.Errorf("%q: a name may not hold * < { } or a backslash", s)
		}
	case wild >= 0:
		t.kind, pre, suf = tokenAny, s[:wild], s[wild+1:]
		if last && suf == "" {
			t.kind = tokenRest
		}
	}
	if t.kind != tokenLiteral && strings.ContainsAny(pre+suf, "*<") {
		return t, fmt.Errorf("%q: more than one wildcard in a segment", s)
	}
	if t.pre, err = Unescape(pre); err == nil {
		t.suf, err = Unescape(suf)
	}
	return t, err
}

// show is the printed form of a segment of a user pattern.
func (t *token) show(s string) []byte {
	var mid string
	switch t.kind {
	case tokenClass:
		return []byte(s)
	case tokenLiteral:
		return appendSegmentLiteral(nil, t.pre)
	case tokenName:
		open := strings.IndexByte(s, '<')
		mid = s[open : open+strings.IndexByte(s[open:], '>')+1]
	default:
		mid = "*"
	}
	b := appendText(nil, t.pre)
	b = appendText(b, []byte(mid))
	return appendText(b, t.suf)
}

// appendSegmentLiteral escapes a literal that would read as a wildcard or class.
func appendSegmentLiteral(dst, s []byte) []byte {
	if n := len(s); string(s) == "*" || n > 1 && (s[0] == '<' && s[n-1] == '>' || s[0] == '{' && s[n-1] == '}') {
		return appendText(appendHex(dst, s[0]), s[1:])
	}
	return appendText(dst, s)
}

func (u *userPattern) match(p *Patterner, key []byte) bool {
	i := 0
	for n := range u.tokens {
		t := &u.tokens[n]
		if t.kind == tokenRest {
			return bytes.HasPrefix(key[i:], t.pre)
		}
		if t.kind == tokenLiteral && !bytes.HasPrefix(key[i:], t.pre) {
			return false // without a look at the rest of the segment
		}
		end, mask, sep := p.segment(key, i)
		if t.kind == tokenClass && t.class == classIP && sep >= 0 && p.colon && key[end] == ':' {
			// As in walk: the one class that holds separators.
			if n := ipv6(key[i:]); n > 0 {
				if next, _, s := p.segment(key, i+n); next == i+n {
					end, mask, sep = next, cColon, s
				}
			}
		}
		seg := key[i:end]
		switch t.kind {
		case tokenLiteral:
			if len(seg) != len(t.pre) {
				return false
			}
		case tokenClass:
			if classify(seg, mask) != t.class {
				return false
			}
		default:
			least := len(t.pre) + len(t.suf)
			if t.kind == tokenName {
				least++
			}
			if len(seg) < least || !bytes.HasPrefix(seg, t.pre) || !bytes.HasSuffix(seg, t.suf) {
				return false
			}
		}
		if n == len(u.tokens)-1 {
			return sep < 0
		}
		if sep < 0 || sep != u.tokens[n+1].sep {
			return false
		}
		i = end + len(p.seps[sep].raw)
	}
	return false
}

// expand appends the printed form of a pattern in marked form.
func (p *Patterner) expand(dst, marked []byte) []byte {
	base := len(dst)
	start := 0
	for i, b := range marked {
		if b >= markEnd {
			continue
		}
		dst = append(dst, marked[start:i]...)
		if sep := int(b >> markShift); sep > 0 {
			dst = append(dst, p.seps[sep-1].text...)
		}
		start = i + 1
	}
	return escapeFormula(append(dst, marked[start:]...), base)
}

// original appends the key of a pattern in marked form that walk called the same.
func (p *Patterner) original(dst, marked []byte) []byte {
	start := 0
	for i, b := range marked {
		if b >= markEnd {
			continue
		}
		dst = append(dst, marked[start:i]...)
		if sep := int(b >> markShift); sep > 0 {
			dst = append(dst, p.seps[sep-1].raw...)
		}
		start = i + 1
	}
	return append(dst, marked[start:]...)
}
