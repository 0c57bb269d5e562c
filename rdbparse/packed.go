package rdbparse

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Entry is an element of a packed part. The Reader reuses it.
type Entry struct {
	IsInt bool
	Int   int64
	Len   int64  // bytes of the string, or of the integer's text
	Str   []byte // the string; nil for integers, and for strings too long to hold
}

// packed reads the head of a blob: its string head, then, from its first
// bytes, the number of entries it claims.
func (r *Reader) packed(p *Part, f Format) {
	at := r.src.offset()
	p.Format = f
	r.string(p)
	if r.src.err != nil {
		return
	}
	var first [16]byte
	var b []byte
	if s, n := &r.src, int(min(r.body.left, firstSeen)); s.end-s.pos >= n && !r.body.lzf && !r.body.isInt {
		b = s.buf[s.pos : s.pos+min(n, len(first))] // where it lies
	} else {
		b = r.firstBytes(first[:0])
	}
	if r.src.err != nil {
		return
	}
	total := int64(-1)
	switch f {
	case Listpack:
		if len(b) >= 6 {
			total = int64(binary.LittleEndian.Uint32(b))
			p.Count = int64(binary.LittleEndian.Uint16(b[4:]))
		}
	case Ziplist:
		if len(b) >= 10 {
			total = int64(binary.LittleEndian.Uint32(b))
			p.Count = int64(binary.LittleEndian.Uint16(b[8:]))
		}
	case Intset:
		if len(b) >= 8 {
			width, n := int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))
			if width == 2 || width == 4 || width == 8 {
				total, p.Count = 8+width*n, n
			}
		}
	case Zipmap:
		if len(b) >= 2 {
			total = p.Len
			if p.Count = int64(b[0]); p.Count >= 254 {
				p.Count = -1
			}
		}
	}
	if f != Zipmap && p.Count == 65535 && f != Intset {
		p.Count = -1 // more than the field can say, or just that many
	}
	if total != p.Len {
		// The framing is whole, but nothing about this value can be believed.
		p.Count = -1
		r.cur.on, r.cur.stream, r.cur.err = true, false, r.soft(ErrPacked, at, "its header is wrong") // not to be opened
		r.unsound(ErrPacked, at, fmt.Sprintf("a %s of %d bytes whose header says %d", f, p.Len, total))
	}
}

// firstSeen is how many stored bytes firstBytes asks to see. Whether they are
// there must not depend on where the window ends.
const firstSeen = 64

// firstBytes appends up to 16 bytes of the current part to dst without
// consuming it, expanding no more than that.
func (r *Reader) firstBytes(dst []byte) []byte {
	b, s := &r.body, &r.src
	if b.isInt {
		return strconv.AppendInt(dst, b.num, 10)
	}
	// Fifteen bytes of output take at most thirty of input, and the token that
	// brings the sixteenth is at most 33 bytes long.
	v := s.need(int(min(b.left, firstSeen)))
	if !b.lzf {
		return append(dst, v[:min(len(v), 16)]...)
	}
	want := int(min(b.ulen, 16))
	var out [320]byte
	x, _, ok := expandLZF(out[:0], v, want, len(out))
	if !ok || len(x) < want && uint64(len(v)) == b.left {
		r.unsound(ErrString, s.offset(), "LZF data that does not expand")
		return dst
	}
	return append(dst, x[:min(len(x), want)]...)
}

// Held is a packed part that was put aside, but for its stored bytes.
type Held struct {
	part    Part
	typ     *Type
	body    body
	maxHeld int64
	base    int64 // offset in the file of the stored bytes
}

// Hold puts the current packed part aside, for a Reader to Reopen it: it appends
// its stored bytes to dst, of which there may be 64 KiB at most. It says false,
// and has appended nothing, if it did not.
func (r *Reader) Hold(h *Held, dst []byte) ([]byte, bool) {
	if r.err != nil || r.typ == nil || r.cur.on || r.part.Format == Plain || r.body.isInt || r.body.left > headroom || r.part.Len > wholeBlob {
		return dst, false
	}
	v := r.src.need(int(r.body.left))
	if r.src.err != nil {
		return dst, false
	}
	*h = Held{r.part, r.typ, r.body, r.MaxHeld, r.src.offset()}
	h.body.held = nil
	return append(dst, v...), true
}

// Reopen makes r a Reader of a part that was put aside, and of nothing else:
// its Entries may be asked for on any goroutine. stored are its bytes, which are
// read where they are; key is named by errors. r is to be reused.
func (r *Reader) Reopen(h *Held, stored, key []byte) {
	r.MaxHeld, r.typ, r.err, r.part, r.body = h.maxHeld, h.typ, nil, h.part, h.body
	r.key.Name = append(r.key.Name[:0], key...)
	r.cur.on = false
	r.src = source{buf: stored, end: len(stored), base: h.base}
	r.src.cur.err = io.EOF
}

// cursor walks a packed part. Small ones lie in buf as a whole; larger ones
// pass through it.
type cursor struct {
	on       bool
	format   Format
	buf      []byte
	pos, end int
	off      int64 // offset in the blob of buf[0]
	total    int64 // length of the blob
	fileAt   int64 // offset in the file of the stored blob, for errors
	entry    Entry
	seen     int64
	prev     int64 // bytes of the entry before (ziplist), or its value (intset)
	tail     int64 // offset of the last entry by the header (ziplist)
	last     int64 // offset of the last entry seen
	width    int64 // intset
	value    bool  // zipmap: a value comes next
	stream   bool  // buf is a window, refilled from the Reader
	lzfIn    []byte
	window   []byte
	err      error
}

const (
	// wholeBlob is the largest blob that is walked as a whole.
	wholeBlob = 1 << 20
	// blobWindow is the window for larger ones. It holds the longest string
	// that an Entry shows, and the history that LZF copies from.
	blobWindow = 256 << 10
)

// Entry gives the next entry of the current packed part, or io.EOF at its end.
// A fault inside the blob ends the walk and unwraps to ErrPacked or ErrString;
// the Reader itself can go on with the next part.
func (r *Reader) Entry() (*Entry, error) {
	if r.err != nil {
		return nil, r.err
	}
	c := &r.cur
	if !c.on {
		if err := r.openPacked(); err != nil {
			return nil, err
		}
	}
	if c.err == nil && !c.next(r) && c.err == nil {
		c.err = io.EOF
	}
	if c.err != nil {
		return nil, c.err
	}
	return &c.entry, nil
}

// Entries gives the next entries of the current packed part, as Entry does one
// by one, and says how many; io.EOF at its end. They are valid until the next
// call. An error comes after the entries before it.
func (r *Reader) Entries(dst []Entry) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	c := &r.cur
	if !c.on {
		if err := r.openPacked(); err != nil {
			return 0, err
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	n := 0
	if c.format == Listpack && !c.stream {
		n = c.listpacks(dst)
	}
	if n == 0 { // the end, a fault, or a part that is no whole listpack
		e, err := r.Entry()
		if err != nil || len(dst) == 0 {
			return 0, err
		}
		dst[0], n = *e, 1
	}
	return n, nil
}

// listpacks is listpack for the common entries of a part that lies in buf as a
// whole: those of up to 127 bytes. It stops before any other.
func (c *cursor) listpacks(dst []Entry) int {
	b, at, n := c.buf[:c.end], c.pos, 0
	for n < len(dst) && at+2 < len(b) {
		e, h := &dst[n], b[at]
		size := 1
		switch {
		case h < 0x80:
			e.IsInt, e.Int, e.Str = true, int64(h), nil
			e.Len = IntLen(e.Int)
		case h < 0xc0:
			l := int(h & 0x3f)
			if size += l; at+size >= len(b) {
				c.pos, c.seen = at, c.seen+int64(n)
				return n
			}
			e.IsInt, e.Int, e.Len = false, 0, int64(l)
			e.Str = b[at+1 : at+size : at+size]
		case h < 0xe0:
			v := int64(h&0x1f)<<8 | int64(b[at+1])
			e.IsInt, e.Int, e.Str = true, v<<51>>51, nil
			e.Len = IntLen(e.Int)
			size = 2
		case h < 0xf0:
			l := int(h&15)<<8 | int(b[at+1])
			if size = 2 + l; size > 127 || at+size >= len(b) {
				c.pos, c.seen = at, c.seen+int64(n)
				return n
			}
			e.IsInt, e.Int, e.Len = false, 0, int64(l)
			e.Str = b[at+2 : at+size : at+size]
		case h == 0xf1 && at+4 <= len(b):
			e.IsInt, e.Int, e.Str = true, int64(int16(binary.LittleEndian.Uint16(b[at+1:]))), nil
			e.Len = IntLen(e.Int)
			size = 3
		case h == 0xf2 && at+5 <= len(b):
			e.IsInt, e.Int, e.Str = true, int64(int32(binary.LittleEndian.Uint32(b[at:]))>>8), nil
			e.Len = IntLen(e.Int)
			size = 4
		case h == 0xf3 && at+6 <= len(b):
			e.IsInt, e.Int, e.Str = true, int64(int32(binary.LittleEndian.Uint32(b[at+1:]))), nil
			e.Len = IntLen(e.Int)
			size = 5
		case h == 0xf4 && at+10 <= len(b):
			e.IsInt, e.Int, e.Str = true, int64(binary.LittleEndian.Uint64(b[at+1:])), nil
			e.Len = IntLen(e.Int)
			size = 9
		default:
			c.pos, c.seen = at, c.seen+int64(n)
			return n
		}
		if at+size >= len(b) || b[at+size] != byte(size) { // the size behind it
			break
		}
		at += size + 1
		n++
	}
	c.pos, c.seen = at, c.seen+int64(n)
	return n
}

func (r *Reader) openPacked() error {
	c, p := &r.cur, &r.part
	if p.Format == Plain || r.typ == nil {
		return io.EOF
	}
	*c = cursor{on: true, format: p.Format, total: p.Len, window: c.window, lzfIn: c.lzfIn[:0]}
	c.fileAt = r.src.offset() - (p.Stored - int64(r.body.left))
	if r.body.held != nil || p.Len <= min(wholeBlob, r.MaxHeld) {
		b, err := r.bytes()
		if err != nil {
			c.err = err
			return err
		}
		c.buf, c.end = b, len(b)
	} else {
		if c.window == nil {
			c.window = make([]byte, 0, blobWindow+headroom)
		}
		c.stream, c.buf = true, c.window[:0]
	}
	var head int
	switch c.format {
	case Listpack:
		head = 6
	case Ziplist:
		head = 10
	case Intset:
		head = 8
	case Zipmap:
		head = 1
	}
	h := c.need(r, head)
	if h == nil {
		return c.err
	}
	switch c.format {
	case Ziplist:
		c.tail, c.last = int64(binary.LittleEndian.Uint32(h[4:])), 10
	case Intset:
		c.width = int64(binary.LittleEndian.Uint32(h))
	}
	c.pos += head
	return nil
}

// refill brings n bytes into the window of a large blob.
func (c *cursor) refill(r *Reader, n int) bool {
	if !c.stream || r.src.err != nil {
		return false
	}
	// Keep what is unread, the string just read, and what LZF may copy from.
	keep := max(0, c.pos-headroom)
	copy(c.buf[:cap(c.buf)], c.buf[keep:c.end])
	c.off += int64(keep)
	c.pos -= keep
	c.end -= keep
	for c.end-c.pos < n {
		if !c.pull(r) {
			return false
		}
	}
	return true
}

// pull adds some bytes at the end of the window.
func (c *cursor) pull(r *Reader) bool {
	b, s := &r.body, &r.src
	limit := min(cap(c.buf), c.end+int(min(c.total-c.off-int64(c.end), 1<<30)))
	if c.end >= limit {
		return false
	}
	if !b.lzf {
		room := c.buf[c.end:limit]
		n := s.read(room[:min(uint64(len(room)), b.left)])
		b.left -= uint64(n)
		c.end += n
		c.buf = c.buf[:c.end]
		return n > 0
	}
	for {
		want := limit - maxLZFCopy
		if int64(limit) == c.total-c.off {
			want = limit
		}
		out, rest, ok := expandLZF(c.buf[:c.end], c.lzfIn, want, limit)
		grew := len(out) > c.end
		c.buf, c.end = out, len(out)
		c.lzfIn = c.lzfIn[:copy(c.lzfIn, rest)]
		if !ok {
			c.bad(r, ErrString, "LZF data that does not expand to its length")
			return false
		}
		if grew {
			return true
		}
		if b.left == 0 {
			c.bad(r, ErrString, "LZF data that is shorter than its length says")
			return false
		}
		// A token is at most 33 bytes; bring plenty.
		n := int(min(b.left, 16<<10))
		old := len(c.lzfIn)
		c.lzfIn = slices.Grow(c.lzfIn, n)[:old+n]
		m := s.read(c.lzfIn[old : old+n])
		b.left -= uint64(m)
		c.lzfIn = c.lzfIn[:old+m]
		if m == 0 {
			return false
		}
	}
}

func (c *cursor) bad(r *Reader, err error, detail string) bool {
	if c.err == nil {
		at := c.off + int64(c.pos)
		c.err = r.soft(err, c.fileAt, c.format.String()+" at its byte "+strconv.FormatInt(at, 10)+": "+detail)
	}
	return false
}

// need gives a view of the next n bytes of the blob, n at most headroom.
func (c *cursor) need(r *Reader, n int) []byte {
	if c.end-c.pos < n && !c.refill(r, n) {
		if r.src.err != nil {
			c.err = r.fail()
		}
		c.bad(r, ErrPacked, "an entry runs past the end")
		return nil
	}
	return c.buf[c.pos : c.pos+n]
}

// text takes a string of n bytes, which may be longer than the window.
func (c *cursor) text(r *Reader, n int64) bool {
	e := &c.entry
	e.IsInt, e.Int, e.Len, e.Str = false, 0, n, nil
	if n > c.total-c.off-int64(c.pos) {
		return c.bad(r, ErrPacked, "a string of "+strconv.FormatInt(n, 10)+" bytes runs past the end")
	}
	long := c.stream && n > headroom // the window does not keep it
	if !long && n <= int64(c.end-c.pos) {
		e.Str = c.buf[c.pos : c.pos+int(n)]
		c.pos += int(n)
		return true
	}
	if !long {
		b := c.need(r, int(n))
		if b == nil {
			return false
		}
		e.Str = b
		c.pos += int(n)
		return true
	}
	for n > 0 {
		m := min(n, int64(c.end-c.pos))
		c.pos += int(m)
		if n -= m; n > 0 && c.need(r, 1) == nil {
			return false
		}
	}
	return true
}

func (c *cursor) integer(v int64) bool {
	c.entry.IsInt, c.entry.Int, c.entry.Len, c.entry.Str = true, v, IntLen(v), nil
	return true
}

// ended says whether the end mark stands at the very end.
func (c *cursor) ended(r *Reader) bool {
	if c.off+int64(c.pos)+1 != c.total {
		return c.bad(r, ErrPacked, "the end mark stands before the end")
	}
	return c.drained(r)
}

// drained says whether the compressed bytes ended with the blob. It gives false.
func (c *cursor) drained(r *Reader) bool {
	if c.stream && (r.body.left > 0 || len(c.lzfIn) > 0) {
		c.bad(r, ErrString, "LZF data that is longer than its length says")
	}
	return false
}

func (c *cursor) next(r *Reader) bool {
	switch c.format {
	case Listpack:
		return c.listpack(r)
	case Ziplist:
		return c.ziplist(r)
	case Intset:
		return c.intset(r)
	case Zipmap:
		return c.zipmap(r)
	}
	return false
}

// listpack reads an entry: encoding, data, then its size from right to left
// (listpack.c@redis-8.6.3 lpGetWithSize).
func (c *cursor) listpack(r *Reader) bool {
	p := c.need(r, 1)
	if p == nil {
		return false
	}
	b, from := p[0], c.off+int64(c.pos)
	str, ok := int64(-1), true
	switch {
	case b < 0x80:
		c.pos++
		c.integer(int64(b))
	case b < 0xc0:
		c.pos++
		str = int64(b & 0x3f)
	case b < 0xe0:
		if p = c.need(r, 2); p != nil {
			c.pos += 2
			v := int64(b&0x1f)<<8 | int64(p[1])
			if v >= 1<<12 {
				v -= 1 << 13
			}
			c.integer(v)
		}
	case b < 0xf0:
		if p = c.need(r, 2); p != nil {
			c.pos += 2
			str = int64(b&15)<<8 | int64(p[1])
		}
	case b == 0xf0:
		if p = c.need(r, 5); p != nil {
			c.pos += 5
			str = int64(binary.LittleEndian.Uint32(p[1:]))
		}
	case b == 0xf1:
		if p = c.need(r, 3); p != nil {
			c.pos += 3
			c.integer(int64(int16(binary.LittleEndian.Uint16(p[1:]))))
		}
	case b == 0xf2:
		if p = c.need(r, 4); p != nil {
			c.pos += 4
			c.integer(int64(int32(uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24) >> 8))
		}
	case b == 0xf3:
		if p = c.need(r, 5); p != nil {
			c.pos += 5
			c.integer(int64(int32(binary.LittleEndian.Uint32(p[1:]))))
		}
	case b == 0xf4:
		if p = c.need(r, 9); p != nil {
			c.pos += 9
			c.integer(int64(binary.LittleEndian.Uint64(p[1:])))
		}
	case b == 0xff:
		return c.ended(r)
	default:
		return c.bad(r, ErrPacked, "encoding byte "+hexByte(b))
	}
	if p == nil {
		return false
	}
	if str >= 0 {
		ok = c.text(r, str)
	}
	return ok && c.backlen(r, c.off+int64(c.pos)-from)
}

// backlen checks the size behind an entry. Writers disagree on how many bytes
// the three sizes of all ones take (Valkey 9.1, pull request 3601): both
// spellings are read.
func (c *cursor) backlen(r *Reader, size int64) bool {
	if size <= 127 {
		if c.pos < c.end && c.buf[c.pos] == byte(size) {
			c.pos++
			c.seen++
			return true
		}
	}
	// The string just read may lie in the window: keep it there.
	str, at, off := c.entry.Str != nil, c.pos-len(c.entry.Str), c.off
	k := 1
	for v := size; v > 127; v >>= 7 {
		k++
	}
	if size == 16383 || size == 2097151 || size == 268435455 {
		p := c.need(r, 1)
		if p == nil {
			return false
		}
		if p[0] == 0 {
			k++
		}
	}
	p := c.need(r, k)
	if p == nil {
		return false
	}
	if str && c.off != off { // the window has moved
		at -= int(c.off - off)
		c.entry.Str = c.buf[at : at+len(c.entry.Str)]
	}
	v := int64(0)
	for i, x := range p {
		if x&0x80 != 0 != (i > 0) {
			return c.bad(r, ErrPacked, "an entry's size mark")
		}
		v = v<<7 | int64(x&0x7f)
	}
	if v != size {
		return c.bad(r, ErrPacked, fmt.Sprintf("an entry of %d bytes marked as %d", size, v))
	}
	c.pos += k
	c.seen++
	return true
}

// ziplist reads an entry: size of the one before, encoding, data
// (ziplist.c@redis-6.2.16).
func (c *cursor) ziplist(r *Reader) bool {
	p := c.need(r, 1)
	if p == nil {
		return false
	}
	from := c.off + int64(c.pos)
	if p[0] == 0xff {
		if c.tail != c.last {
			return c.bad(r, ErrPacked, "the offset of the last entry is wrong")
		}
		return c.ended(r)
	}
	prev := int64(p[0])
	if p[0] == 0xfe {
		if p = c.need(r, 5); p == nil {
			return false
		}
		prev = int64(binary.LittleEndian.Uint32(p[1:]))
		c.pos += 4
	}
	c.pos++
	if prev != c.prev {
		return c.bad(r, ErrPacked, fmt.Sprintf("the entry before has %d bytes, not %d", c.prev, prev))
	}
	if p = c.need(r, 1); p == nil {
		return false
	}
	b, str := p[0], int64(-1)
	switch {
	case b < 0x40:
		c.pos++
		str = int64(b)
	case b < 0x80:
		if p = c.need(r, 2); p != nil {
			c.pos += 2
			str = int64(b&0x3f)<<8 | int64(p[1])
		}
	case b < 0xc0:
		if p = c.need(r, 5); p != nil {
			c.pos += 5
			str = int64(binary.BigEndian.Uint32(p[1:]))
		}
	case b == 0xc0:
		if p = c.need(r, 3); p != nil {
			c.pos += 3
			c.integer(int64(int16(binary.LittleEndian.Uint16(p[1:]))))
		}
	case b == 0xd0:
		if p = c.need(r, 5); p != nil {
			c.pos += 5
			c.integer(int64(int32(binary.LittleEndian.Uint32(p[1:]))))
		}
	case b == 0xe0:
		if p = c.need(r, 9); p != nil {
			c.pos += 9
			c.integer(int64(binary.LittleEndian.Uint64(p[1:])))
		}
	case b == 0xf0:
		if p = c.need(r, 4); p != nil {
			c.pos += 4
			c.integer(int64(int32(uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24) >> 8))
		}
	case b == 0xfe:
		if p = c.need(r, 2); p != nil {
			c.pos += 2
			c.integer(int64(int8(p[1])))
		}
	case b >= 0xf1 && b <= 0xfd:
		c.pos++
		c.integer(int64(b&15) - 1)
	default:
		return c.bad(r, ErrPacked, "encoding byte "+hexByte(b))
	}
	if p == nil || str >= 0 && !c.text(r, str) {
		return false
	}
	c.last = from
	c.prev = c.off + int64(c.pos) - from
	c.seen++
	return true
}

// intset reads a member: ascending, of one width (intset.c@redis-7.2.6).
func (c *cursor) intset(r *Reader) bool {
	if c.off+int64(c.pos) == c.total {
		return c.drained(r)
	}
	p := c.need(r, int(c.width))
	if p == nil {
		return false
	}
	var v int64
	switch c.width {
	case 2:
		v = int64(int16(binary.LittleEndian.Uint16(p)))
	case 4:
		v = int64(int32(binary.LittleEndian.Uint32(p)))
	default:
		v = int64(binary.LittleEndian.Uint64(p))
	}
	if c.seen > 0 && v <= c.prev {
		return c.bad(r, ErrPacked, "members that do not ascend")
	}
	c.pos += int(c.width)
	c.prev = v
	c.seen++
	return c.integer(v)
}

// zipmap reads a key or a value (zipmap.c@redis-2.4.18).
func (c *cursor) zipmap(r *Reader) bool {
	p := c.need(r, 1)
	if p == nil {
		return false
	}
	n, used := int64(p[0]), 1
	if p[0] == 0xff && !c.value {
		return c.ended(r)
	}
	if p[0] == 0xff {
		return c.bad(r, ErrPacked, "the end mark stands for a value")
	}
	if p[0] == 0xfe {
		if p = c.need(r, 5); p == nil {
			return false
		}
		n, used = int64(binary.LittleEndian.Uint32(p[1:])), 5
	}
	c.pos += used
	if !c.value {
		c.value = true
		c.seen++
		return c.text(r, n)
	}
	c.value = false
	c.seen++
	if p = c.need(r, 1); p == nil {
		return false
	}
	free := int(p[0])
	c.pos++
	if !c.text(r, n) {
		return false
	}
	if free > 0 {
		off, at, k := c.off, c.pos-len(c.entry.Str), len(c.entry.Str)
		if c.need(r, free) == nil {
			return false
		}
		if c.entry.Str != nil && c.off != off {
			at -= int(c.off - off)
			c.entry.Str = c.buf[at : at+k]
		}
		c.pos += free
	}
	return true
}
