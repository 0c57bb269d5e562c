package rdbparse

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// A dump is a chain of records of which each says where the next begins, so
// that only who has read all before knows where one does. But a chain begun at a
// wrong place hardly ever goes on for long, unless it falls in with the right
// one: so the place can be guessed, and several Readers read a section each. The guess is
// held against where the Reader of the section before it has arrived.

// ErrUntil is what Next says where the section of a Reader ends. It is no fault.
var ErrUntil = errors.New("end of the section")

// Place is where a Reader is between two records, and what it knows of those
// before that matters to those behind.
type Place struct {
	Offset    int64 // bytes from the start of the RDB data
	db        uint64
	announced uint64
	slot      int32
	templates *templates // which are not written to any more
	name      []byte     // the first bytes of the last key's: an error names it; nil: there was none
}

// Equal says that reading goes on alike from both.
func (p *Place) Equal(o *Place) bool {
	return p.Offset == o.Offset && p.db == o.db && p.announced == o.announced && p.slot == o.slot && p.templates.equal(o.templates)
}

// At is the place at another offset, if all between were keys of its database.
func (p Place) At(offset int64) Place {
	p.Offset = offset
	return p
}

// section is what a Reader of sections has beside what all have.
type section struct {
	in    io.ReaderAt
	from  Place
	buf   []byte
	at    int64 // offset of what is read next
	size  int   // of the next read
	crc   uint64
	fresh int // buf from here on is not in crc yet
	end   int // of the data in buf
}

// leastRead is how much is read where a section is longer than was thought.
const leastRead = 16 << 10

// Begin reads on to where the first key begins, and gives that place. It does
// not tell Wire.
func (r *Reader) Begin() (Place, error) {
	for r.err == nil {
		p := r.src.peek(1)
		if len(p) == 0 || r.types[p[0]] != nil {
			break
		}
		op := r.opcode(p[0])
		if op == nil || op.ofKey {
			break
		}
		r.at = r.src.offset()
		r.src.pos++
		if op.read(r); r.src.err != nil {
			return Place{}, r.fail()
		}
	}
	return r.Place(), r.err
}

// Place is where the Reader is, which must have come to the end of a value.
func (r *Reader) Place() Place {
	return Place{r.src.offset(), r.db, r.announced, r.slot, r.templates, bytes.Clone(cut(r.name, maxShown))}
}

// Sum is the checksum of a text, and what it takes to put the text behind another.
type Sum struct{ CRC, factor uint64 }

// Then is the sum of s's text and o's behind it.
func (s Sum) Then(o Sum) Sum {
	return Sum{crcTimes(s.CRC, o.factor) ^ o.CRC, crcTimes(s.factor, o.factor)}
}

// Sum is that of what was read, of a Reader of sections of its section. A checksum
// that the file has is not in it.
func (r *Reader) Sum() Sum {
	switch x := r.section; {
	case x == nil:
		return Sum{r.src.sum(), crcFactor(r.src.offset())}
	case r.done:
		return Sum{r.info.Computed, crcFactor(r.ended - x.from.Offset)}
	default:
		return Sum{updateCRC(x.crc, x.buf[x.fresh:r.src.pos]), crcFactor(r.src.offset() - x.from.Offset)}
	}
}

// Fork makes a Reader of sections of the same dump, for another goroutine. It
// has nothing to read before Section. Of r's options it has MaxHeld alone.
func (r *Reader) Fork(in io.ReaderAt) *Reader {
	f := r.kin()
	f.section = &section{in: in, buf: make([]byte, headroom+stretchSize)}
	return f
}

// kin is a Reader of the same dump that has no input yet.
func (r *Reader) kin() *Reader {
	k := &Reader{MaxHeld: r.MaxHeld, slot: -1, info: r.info.bare()}
	k.index()
	return k
}

// bare is what was known before anything was read but the magic.
func (i *Info) bare() Info { return Info{Flavor: i.Flavor, Version: i.Version} }

// restart begins to read another input as if at a place, but for its offset, which
// is the input's.
func (r *Reader) restart(s source, from *Place) {
	r.src = s
	r.db, r.announced, r.slot, r.templates, r.ours = from.db, from.announced, from.slot, from.templates, false
	r.typ, r.part, r.body, r.walk = nil, Part{}, body{}, walk{}
	r.cur.on = false
	r.err, r.done = nil, false
}

// Section goes to a place, to read from there to the first record that begins at
// the offset until or behind it: Next says ErrUntil there. Info is of the section
// alone then.
func (r *Reader) Section(from Place, until int64) {
	until = min(until, math.MaxInt64-1)
	x := r.section
	x.from, x.at, x.crc, x.fresh, x.end = from, from.Offset, 0, headroom, headroom
	x.size = int(min(max(until-from.Offset, 0)+leastRead, stretchSize))
	r.restart(source{in: x, base: from.Offset - headroom, buf: x.buf, pos: headroom, end: headroom}, &from)
	r.info, r.stop = r.info.bare(), until+1
	if r.name = nil; from.name != nil {
		r.name = append(make([]byte, 0, maxShown), from.name...)
	}
}

func (x *section) feed(carry []byte) stretch {
	x.crc = updateCRC(x.crc, x.buf[x.fresh:x.end-len(carry)])
	x.fresh = headroom - len(carry)
	copy(x.buf[x.fresh:], carry)
	n, err := x.in.ReadAt(x.buf[headroom:headroom+x.size], x.at)
	x.end = headroom + n
	x.at += int64(n)
	x.size = min(max(2*x.size, leastRead), stretchSize)
	return stretch{buf: x.buf, end: x.end, err: err}
}

// Conclude makes r, which has come to a good end in its section, the Reader of
// the whole dump: info is that of all sections, sum that of all before the stored
// one. It returns what Next says of the end.
func (r *Reader) Conclude(info Info, sum Sum) error {
	end := r.info
	if r.info = info; r.done {
		r.info.Stored, r.info.Trailing, r.info.Computed = end.Stored, end.Trailing, sum.CRC
		r.judge(true)
	}
	return r.err
}

// Add adds what another section of the dump, behind those so far, has said.
func (i *Info) Add(o *Info) {
	i.Aux = appendSome(i.Aux, o.Aux, maxAux)
	i.Hints = appendSome(i.Hints, o.Hints, MaxHints)
	i.FunctionNames = appendSome(i.FunctionNames, o.FunctionNames, maxFunctions)
	i.ModuleAux = appendSome(i.ModuleAux, o.ModuleAux, maxAux)
	i.Cluster = i.Cluster || o.Cluster
	i.HintKeys, i.HintExpires = addSaturating(i.HintKeys, o.HintKeys), addSaturating(i.HintExpires, o.HintExpires)
	i.Functions += o.Functions
	i.FunctionBytes += o.FunctionBytes
	i.Scripts += o.Scripts
	i.ScriptBytes += o.ScriptBytes
	i.Templates += o.Templates
	i.SlotImports += o.SlotImports
	i.Foreign += o.Foreign
}

func appendSome[T any](list, more []T, most int) []T {
	return append(list, more[:min(len(more), most-len(list))]...)
}

// A Guesser guesses where records begin. It is for one goroutine.
type Guesser struct {
	in     io.ReaderAt
	probe  *Reader
	window []byte
	chain  []int64
	left   int // of the work for one guess
}

const (
	// links are how many records in a row tell that a chain is the right one,
	// which it has fallen in with by the one in their middle.
	links = 12
	// guessWindows is how many windows are looked through, guessWork how many
	// windows' bytes are followed in all: what looks like the begin of a record
	// may do so at each byte.
	guessWindows = 2
	guessWork    = 8
	linkWork     = 64 // of a record, beside its bytes
)

// NewGuesser makes a Guesser for a dump whose records are of about so many bytes.
func NewGuesser(r *Reader, in io.ReaderAt, record int64) *Guesser {
	return &Guesser{in: in, probe: r.kin(), window: make([]byte, min(max(4*links*record, 4<<10), headroom))}
}

// After is an offset at or behind near at which a record begins, most likely; false
// if none can be told. It depends on nothing but the dump.
func (g *Guesser) After(near int64) (offset int64, ok bool) {
	g.left = guessWork * len(g.window)
	for range guessWindows {
		n, _ := g.in.ReadAt(g.window, near)
		w := g.window[:n]
		for at := range w {
			if g.begins(w, at) && g.follow(w, at, near) {
				return g.chain[len(g.chain)/2], true
			}
			if g.left < 0 {
				return 0, false
			}
		}
		if n < len(g.window) {
			break
		}
		near += int64(n)
	}
	return 0, false
}

// begins says whether w[at:] looks like a key's record: with a name of some
// letters, and a time to live that ends within some thousand years.
func (g *Guesser) begins(w []byte, at int) bool {
	b := w[at:]
	if b[0] == opExpireMs {
		if len(b) < 10 || b[7] != 0 || b[8] != 0 {
			return false
		}
		b = b[9:]
	}
	for len(b) > 2 && b[0] == opFreq {
		b = b[2:]
	}
	if b[0] == opIdle {
		return true
	}
	if len(b) < 3 || g.probe.types[b[0]] == nil {
		return false
	}
	n, name := int(b[1]), b[2:]
	if n >= 0x40 {
		n, name = (n&0x3f)<<8|int(b[2]), b[3:]
	}
	if n == 0 || b[1] >= 0x42 || len(name) < n { // names of 512 bytes and more look like text
		return false
	}
	for _, c := range name[:min(n, maxShown)] {
		if c < ' ' {
			return false
		}
	}
	return true
}

// follow puts the records of a chain that begins in w into g.chain, and says
// whether there are enough.
func (g *Guesser) follow(w []byte, at int, base int64) bool {
	r := g.probe
	// From nowhere: nothing that another guess has met counts.
	r.restart(source{buf: w, pos: at, end: len(w), base: base, cur: stretch{err: io.EOF}}, &Place{slot: -1})
	g.chain = g.chain[:0]
	for len(g.chain) < links {
		at := r.src.offset()
		if r.src.pos >= len(w) {
			return false
		}
		// To find out why something is none takes longer than to see that.
		if code := w[r.src.pos]; r.types[code] == nil && (r.opcode(code) == nil || !r.opcode(code).ofKey) {
			return false
		}
		k, err := r.Next()
		good := err == nil && k.NameLen > 0 && r.End() == nil
		if g.left -= linkWork + int(r.src.offset()-at); !good || g.left < 0 {
			return false
		}
		g.chain = append(g.chain, at)
	}
	return true
}
