package rdbparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// A seen is a key as tests compare it.
type seen struct {
	name         string
	nameLen      int64
	db           uint64
	typ          *Type
	module       string
	expiry, idle int64
	freq         int16
	slot         int32
	meta         int
	offset       int64
}

// A depth says how much of each value a test looks at.
type depth uint8

const (
	skipping depth = iota // Next alone
	lengths               // and Lengths where it can be had, else Part
	items                 // and Integers and Items likewise
	parts                 // and Part
	deep                  // and Bytes of every part, Entries of every packed one
	full                  // the same with Entry one by one, and what they gave is kept
	numDepths
)

func (d depth) String() string {
	return [...]string{"skipping", "lengths", "items", "parts", "deep", "full"}[d]
}

// A content is what a deep walk saw of a value.
type content struct {
	elements int64  // as fixtures.AsmKey counts them, -1: not known
	lengths  uint64 // of the strings that Lengths gives
	shorts   uint32 // of the texts and scores that Items gives
	digest   uint32
	items    []item // full only
}

// An item is a string, integer or number of a value.
type item struct {
	part   PartKind
	packed bool
	isInt  bool
	text   string // of strings, and of integers in decimal
	score  float64
	expiry int64
}

// A result is all that a test saw of a dump.
type result struct {
	keys     []seen
	contents []content
	soft     []error // faults inside of values
	err      error   // what ended it; io.EOF is a good end
	end      int64
	info     Info
}

// readAll opens a dump and reads it to its end.
func readAll(in io.Reader, d depth) result {
	r, err := NewReader(in)
	if err != nil {
		return result{err: err}
	}
	return drain(r, d)
}

// drain reads what is left of a dump.
func drain(r *Reader, d depth) result {
	var res result
	for res.err == nil {
		var k *Key
		if k, res.err = r.Next(); res.err != nil {
			break
		}
		res.keys = append(res.keys, seen{
			string(k.Name), k.NameLen, k.DB, k.Type, k.Module, k.Expiry, k.Idle, k.Freq, k.Slot, k.Meta, k.Offset,
		})
		if d == skipping {
			continue
		}
		c, soft, err := walkValue(r, k.Type, d)
		res.contents, res.soft = append(res.contents, c), append(res.soft, soft...)
		if err != nil {
			res.err = err
		}
	}
	res.end, res.info = r.Offset(), *r.Info()
	return res
}

// walkValue walks the current value and holds it to what any value keeps:
// lengths are those of the bytes, counts those of the entries.
func walkValue(r *Reader, typ *Type, d depth) (c content, soft []error, err error) {
	if (d == lengths || d == items) && r.Elements() >= 0 {
		c, err = walkLengths(r, typ, d)
		return c, nil, err
	}
	var scratch []byte
	var last int64 // entries seen by the last packed walk
	unknown := false
	for {
		p, err := r.Part()
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, soft, err
		}
		part := *p
		n := int64(1)
		if part.Format != Plain {
			if n = part.Count; part.Format == Zipmap {
				n *= 2
			}
			unknown = unknown || n < 0
		}
		switch typ.Code {
		case 1, 2, 4, 5:
			if part.Kind != PartScore {
				c.lengths = c.lengths*31 + uint64(part.Len)
			}
		}
		if d >= deep {
			var s []error
			if scratch, last, s, err = walkPart(r, &part, &c, d, scratch[:0]); err != nil {
				return c, soft, err
			}
			soft = append(soft, s...)
			switch typ.Code {
			case 1, 2, 4, 5:
				text := []byte(nil)
				if part.Len <= longestInt {
					text, _ = r.Bytes()
				}
				c.shorts = addShort(c.shorts, text, part.Score)
			}
			if part.Format != Plain {
				n, unknown = last, false
			}
			c.digest = crc32.Update(c.digest, crc32.IEEETable, scratch)
		}
		switch {
		case unknown:
			c.elements = -1
		case part.Kind == PartStream:
			c.elements = part.Count
		case part.Kind == PartStreamNode, typ.Kind == StreamKind:
		case typ.Kind == ModuleKind:
			c.elements = -1
		case typ.Code == 29 || typ.Code == 30:
			c.elements = n - 1 // the listpack starts with the template's id
		case typ.Code == 23 || typ.Code == 25:
			c.elements = n / 3
		case part.Format != Plain && (typ.Kind == HashKind || typ.Kind == ZSetKind):
			c.elements = n / 2
		case typ.Code == 31 || typ.Code == 32:
			if part.Kind == PartFieldValue {
				c.elements++
			}
		case part.Kind == PartFieldValue, part.Kind == PartScore, part.Kind == PartFieldTTL:
		default:
			c.elements += n
		}
	}
	if p, err := r.Part(); err != io.EOF {
		return c, soft, fmt.Errorf("Part after the end gave %v, %v", p, err)
	}
	return c, soft, nil
}

// addShort adds a text and a score to a sum; what has neither adds nothing.
func addShort(sum uint32, text []byte, score float64) uint32 {
	if _, ok := Integer(text); !ok { // Items does not show it
		text = nil
	}
	sum = crc32.Update(sum, crc32.IEEETable, text)
	if score != 0 {
		sum += uint32(math.Float64bits(score)>>32) ^ uint32(math.Float64bits(score))
	}
	return sum
}

// walkLengths has only the lengths of a value's strings, or those and the short
// texts.
func walkLengths(r *Reader, typ *Type, d depth) (c content, err error) {
	per, want := 1, r.Elements()
	if typ.Code == 4 {
		per = 2
	}
	var room, values [6]int64
	var texts [6]Item
	for {
		n := 0
		if d == lengths {
			n, err = r.Lengths(room[:])
		} else if n, err = r.Integers(values[:], room[:]); n > 0 {
			for _, v := range values[:n] {
				c.shorts = addShort(c.shorts, strconv.AppendInt(nil, v, 10), 0)
			}
		} else if err == nil {
			n, err = r.Items(texts[:])
			for i, it := range texts[:n] {
				room[i] = it.Len
				var text []byte
				if it.IsInt {
					text = strconv.AppendInt(nil, it.Int, 10)
				}
				c.shorts = addShort(c.shorts, text, it.Score)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, err
		}
		c.elements += int64(n / per)
		for _, l := range room[:n] {
			c.lengths = c.lengths*31 + uint64(l)
		}
	}
	if c.elements != want {
		return c, fmt.Errorf("%d elements, Elements says %d", c.elements, want)
	}
	return c, nil
}

// walkPart looks into one part and appends all that it is to b.
func walkPart(r *Reader, p *Part, c *content, d depth, b []byte) (out []byte, entries int64, soft []error, err error) {
	at := r.at
	b = append(b, byte(p.Kind), byte(p.Format))
	b = strconv.AppendBool(strconv.AppendBool(b, p.IsInt), p.LZF)
	for _, n := range [...]uint64{
		uint64(p.Len), uint64(p.Stored), uint64(p.Count), uint64(p.Int), math.Float64bits(p.Score), uint64(p.Expiry), p.ID.Ms, p.ID.Seq,
	} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	gentle := func(err error) error { // nil if the Reader goes on after err
		if r.err != nil {
			return err
		}
		var e *Error
		if !errors.As(err, &e) {
			return fmt.Errorf("offset %d: %w is no *Error", at, err)
		}
		soft = append(soft, err)
		return nil
	}
	keep := func(it item) {
		if d == full {
			it.part, it.score, it.expiry = p.Kind, p.Score, p.Expiry
			c.items = append(c.items, it)
		}
	}
	if p.Len <= wholeBlob {
		v, err := r.Bytes()
		switch {
		case err != nil:
			if err = gentle(err); err != nil {
				return b, 0, soft, err
			}
		case int64(len(v)) != p.Len:
			return b, 0, soft, fmt.Errorf("offset %d: %s of %d bytes gives %d", at, p.Kind, p.Len, len(v))
		default:
			b = append(b, v...)
			if p.IsInt && string(v) != strconv.FormatInt(p.Int, 10) {
				return b, 0, soft, fmt.Errorf("offset %d: %d reads %q", at, p.Int, v)
			}
			if p.Format == Plain {
				keep(item{isInt: p.IsInt, text: string(v)})
			}
		}
	}
	if p.Format == Plain {
		return b, 0, soft, nil
	}
	next := r.Entry
	if d == deep {
		next = inBulk(r)
	}
	for {
		e, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return b, entries, soft, gentle(err)
		}
		entries++
		it := item{packed: true, isInt: e.IsInt, text: string(e.Str)}
		switch {
		case e.IsInt:
			it.text = strconv.FormatInt(e.Int, 10)
			if e.Str != nil || int64(len(it.text)) != e.Len {
				return b, entries, soft, fmt.Errorf("offset %d: integer entry %+v", at, *e)
			}
		case e.Str == nil:
			if e.Len <= headroom {
				return b, entries, soft, fmt.Errorf("offset %d: an entry of %d bytes does not show them", at, e.Len)
			}
		case int64(len(e.Str)) != e.Len:
			return b, entries, soft, fmt.Errorf("offset %d: an entry of %d bytes has %d", at, e.Len, len(e.Str))
		}
		b = strconv.AppendInt(b, e.Len, 10)
		b = append(append(b, ' '), it.text...)
		keep(it)
	}
	if _, err := r.Entry(); err != io.EOF {
		return b, entries, soft, fmt.Errorf("offset %d: Entry after the end gave %v", at, err)
	}
	if p.Count >= 0 && p.Format != Zipmap && p.Count != entries || p.Format == Zipmap && p.Count >= 0 && p.Count*2 != entries {
		soft = append(soft, fmt.Errorf("offset %d: header says %d entries, there are %d", at, p.Count, entries))
	}
	return b, entries, soft, nil
}

// inBulk is Entry by way of Entries.
func inBulk(r *Reader) func() (*Entry, error) {
	var room [5]Entry
	var err error
	at, n := 0, 0
	return func() (*Entry, error) {
		if at == n {
			if n, err = r.Entries(room[:]); err != nil {
				n = 0
			}
			if at = 0; err != nil {
				return nil, err
			}
		}
		at++
		return &room[at-1], nil
	}
}

// sameResult compares two readings of one dump, as deep as both went.
func sameResult(t testing.TB, what string, got, want result) {
	t.Helper()
	if fmt.Sprint(got.err) != fmt.Sprint(want.err) || got.end != want.end {
		t.Errorf("%s: ends at %d with %v, want at %d with %v", what, got.end, got.err, want.end, want.err)
	}
	if len(got.keys) != len(want.keys) {
		t.Errorf("%s: %d keys, want %d", what, len(got.keys), len(want.keys))
		return
	}
	for i, k := range got.keys {
		if k != want.keys[i] {
			t.Errorf("%s: key %d is %+v, want %+v", what, i, k, want.keys[i])
			return
		}
	}
	for i := range min(len(got.contents), len(want.contents)) {
		g, w := got.contents[i], want.contents[i]
		if g.lengths != w.lengths || g.shorts != 0 && w.shorts != 0 && g.shorts != w.shorts {
			t.Errorf("%s: key %d (%q): other lengths", what, i, want.keys[i].name)
			return
		}
		if g.elements != w.elements && g.elements >= 0 && w.elements >= 0 || g.digest != 0 && w.digest != 0 && g.digest != w.digest {
			t.Errorf("%s: key %d (%q): %d elements, digest %08x, want %d, %08x", what, i, want.keys[i].name, g.elements, g.digest, w.elements, w.digest)
			return
		}
	}
	g, w := got.info, want.info
	if g.Checksum != w.Checksum || g.Stored != w.Stored || g.Computed != w.Computed || g.Trailing != w.Trailing ||
		g.HintKeys != w.HintKeys || fmt.Sprint(g.Aux) != fmt.Sprint(w.Aux) || g.Functions != w.Functions {
		t.Errorf("%s: info %+v, want %+v", what, g, w)
	}
}

// checkError holds a fault of a file of size bytes to what every fault keeps,
// and returns it.
func checkError(t testing.TB, what string, err error, size int) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v (%T) is no *Error", what, err, err)
	}
	if e.Err == nil || e.Offset < 0 || e.Offset > int64(size) {
		t.Fatalf("%s: error %#v of a file of %d bytes", what, e, size)
	}
	_ = e.Error()
	return e
}

// checkErrorKey holds the key of the error that ended a dump against the last
// one that was given: who counts keys takes that one back.
func checkErrorKey(t testing.TB, what string, res result) {
	t.Helper()
	var e *Error
	if errors.As(res.err, &e) && e.Key != nil && (len(res.keys) == 0 || res.keys[len(res.keys)-1].name != string(e.Key)) {
		t.Errorf("%s: %v, after %d keys, names a key that was not given last", what, e, len(res.keys))
	}
}

// A drip is a feeder that hands out stretches of the sizes that next says.
type drip struct {
	data []byte
	next func() int
	sum  uint64
	last []byte
	bufs [2][]byte // in turn: what was handed out last carries over
}

func (f *drip) feed(carry []byte) stretch {
	f.sum = updateCRC(f.sum, f.last)
	f.last = f.data[:min(max(f.next(), 1), len(f.data))]
	f.data = f.data[len(f.last):]
	end := headroom + len(f.last)
	f.bufs[0], f.bufs[1] = f.bufs[1], f.bufs[0]
	if len(f.bufs[0]) < end {
		f.bufs[0] = make([]byte, end+end/4)
	}
	s := stretch{buf: f.bufs[0], end: end, crc: f.sum, sums: true}
	copy(s.buf[headroom-len(carry):], carry)
	copy(s.buf[headroom:], f.last)
	if len(f.data) == 0 {
		s.err = io.EOF
	}
	return s
}

// openFeeder is NewReader over a feeder of the test's own.
func openFeeder(f feeder) (*Reader, error) {
	r := &Reader{slot: -1, MaxHeld: defaultMaxHeld}
	r.src.in = f
	return r.open()
}

// inMemory is a Reader over bytes whose window is those bytes, from an offset
// on: the cheapest there is. It computes no checksum.
func inMemory(data []byte, at int) source {
	return source{buf: data, pos: at, end: len(data), cur: stretch{buf: data, end: len(data), err: io.EOF}}
}

// openBytes is NewReader without its buffers.
func openBytes(data []byte) (*Reader, error) {
	r := &Reader{slot: -1, MaxHeld: defaultMaxHeld}
	r.src = inMemory(data, 0)
	return r.open()
}

func seeded(words ...uint64) *rand.Rand {
	var a, b uint64 = 1, 2
	for _, w := range words {
		a, b = a*31+w, b*37+w
	}
	return rand.New(rand.NewPCG(a, b))
}

// failing is a reader over data that ends with err in place of io.EOF.
func failing(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), errReader{err})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
