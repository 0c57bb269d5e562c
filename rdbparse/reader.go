package rdbparse

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Reader reads a dump key by key. It is not for use by several goroutines.
type Reader struct {
	// SkipChecksum leaves the checksum out. Set it before the first Next; a
	// Reader over an Ahead computes what that was told to compute.
	SkipChecksum bool
	// MaxHeld bounds the bytes that Bytes holds of one string; default 64 MiB.
	MaxHeld int64
	// Wire, if set, is told of each opcode, key and part with its offset, from
	// the first record after the aux fields at the head: Info has those.
	Wire func(offset int64, what, detail string)

	// OnBad, if set, is told of values whose content is bad although where they
	// end is known, and reading goes on. Without it they are errors.
	OnBad func(error)

	src   source
	info  Info
	types [256]*Type
	ops   [256 - firstOpcode]opcode

	key  Key
	name []byte
	typ  *Type // of the value being walked, nil between keys
	part Part
	body body
	walk walk
	cur  cursor

	db        uint64
	announced uint64 // keys of db
	slot      int32
	templates *templates
	ours      bool // templates are this section's own, not to be seen by others yet

	at   int64 // offset of the item being read
	err  error // sticky
	done bool
	// Offset behind the end mark, once that was read.
	ended int64

	stop    int64    // one more than the offset from which on no record is read; 0: all are
	section *section // nil but for a Reader of sections

	big, plain []byte // scratch of Bytes: stored and expanded
	small      [24]byte
}

// body is what is left in the file of the current part.
type body struct {
	left  uint64 // stored bytes not read yet
	lzf   bool
	isInt bool
	num   int64 // of isInt
	ulen  uint64
	held  []byte // what Bytes gave, to be given again
}

// walk is how far the walk through a value has come. Each type uses the
// counters its own way.
type walk struct {
	phase                      uint8
	left                       uint64
	groups, consumers, pending uint64
	min                        int64
	seen                       int64 // of the consumer whose entries come
}

// defaultMaxHeld bounds strings that are held as a whole.
const defaultMaxHeld = 64 << 20

// NewReader reads the magic and the aux fields at the head. Give it an Ahead
// or a Shared to have the input read and summed on other goroutines.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{slot: -1, MaxHeld: defaultMaxHeld}
	switch a := in.(type) {
	case *Ahead:
		r.src.in = a
	case *Shared:
		r.src.in = a
	default:
		r.src.in = &directFeeder{in: in, skip: &r.SkipChecksum}
	}
	return r.open()
}

// open reads up to the first record that is no aux field.
func (r *Reader) open() (*Reader, error) {
	if err := r.magic(); err != nil {
		return nil, err
	}
	r.index()
	for r.err == nil {
		p := r.src.peek(1)
		if len(p) == 0 || p[0] != opAux {
			break
		}
		r.src.pos++
		r.aux()
		if r.src.err != nil {
			r.fail()
		}
	}
	return r, nil
}

// magic reads the first nine bytes (rdb.c@redis-8.6.3 and @valkey-9.1.2
// rdbLoadRioWithLoadingCtx).
func (r *Reader) magic() error {
	b := r.src.peek(9)
	flavor, digits := Redis, ""
	switch {
	case len(b) >= 9 && string(b[:6]) == "VALKEY":
		flavor, digits = Valkey, string(b[6:9])
	case len(b) >= 9 && string(b[:5]) == "REDIS":
		digits = string(b[5:9])
	case len(b) < 9:
		if err := r.src.cur.err; err != nil && err != io.EOF {
			return &Error{Offset: int64(len(b)), Err: err}
		}
		if len(b) == 0 {
			return &Error{Err: ErrTruncated, Detail: "the file is empty"}
		}
		if isPrefix(b, "REDIS") || isPrefix(b, "VALKEY") {
			return &Error{Offset: int64(len(b)), Err: ErrTruncated, Detail: "inside the first nine bytes"}
		}
		fallthrough
	default:
		return &Error{Err: ErrMagic, Detail: fmt.Sprintf("it starts with %q, not with REDIS or VALKEY and a version", b)}
	}
	version := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return &Error{Offset: int64(9 - len(digits)), Err: ErrMagic, Detail: fmt.Sprintf("the version is %q, not digits", digits)}
		}
		version = version*10 + int(c-'0')
	}
	if version == 0 {
		return &Error{Offset: 5, Err: ErrVersion, Detail: "version 0 was written by betas of 2009 only"}
	}
	if flavor == Valkey && version < 80 {
		return &Error{Offset: 6, Err: ErrVersion, Detail: fmt.Sprintf("VALKEY versions start at 080, this is %s", digits)}
	}
	r.info.Flavor, r.info.Version = flavor, version
	r.src.pos += 9
	return nil
}

func isPrefix(b []byte, of string) bool {
	return len(b) <= len(of) && string(b) == of[:len(b)] || len(b) > len(of) && string(b[:len(of)]) == of
}

// Info is what the file has said of itself so far. It is the Reader's own.
func (r *Reader) Info() *Info { return &r.info }

// Offset is how many bytes of the file have been read.
func (r *Reader) Offset() int64 { return r.src.offset() }

// fail turns the fault of the source into the Reader's.
func (r *Reader) fail() error {
	if r.err == nil {
		e := &Error{Offset: r.src.errAt, Err: r.src.err, Detail: r.src.detail}
		if r.typ != nil {
			e.Key = append([]byte{}, r.key.Name...)
		}
		r.err = e
	}
	return r.err
}

// bad records a fault of the file at the item being read.
func (r *Reader) bad(err error, detail string) { r.src.fail(err, r.at, detail) }

// unsound records a fault of the content of a value, at an offset: the framing is whole.
func (r *Reader) unsound(err error, at int64, detail string) {
	switch {
	case r.src.err != nil:
	case r.OnBad != nil && r.typ != nil:
		r.OnBad(r.soft(err, at, detail))
	default:
		r.src.fail(err, at, detail)
	}
}

// The opcodes (rdb.h@redis-8.6.3; 242 from Redis 8.10, untested).
const (
	opHashTemplate  = 242
	opKeyMeta       = 243 // SLOT_IMPORT in files that start with VALKEY
	opSlotInfo      = 244
	opFunction2     = 245
	opFunctionPreGA = 246
	opModuleAux     = 247
	opIdle          = 248
	opFreq          = 249
	opAux           = 250
	opResizeDB      = 251
	opExpireMs      = 252
	opExpire        = 253
	opSelectDB      = 254
	opEOF           = 255
)

// opcode is a row of the table of opcodes.
type opcode struct {
	name  string
	read  func(*Reader)
	ofKey bool // it belongs to the key that follows
}

// opcodeOf has the opcodes of both families and what is known of vendors'.
// The byte that ends the file is not in it.
func (r *Reader) opcodeOf(code byte) (op opcode, ok bool) {
	switch code {
	case opSelectDB:
		return opcode{"SELECTDB", (*Reader).selectDB, false}, true
	case opExpireMs:
		return opcode{"EXPIRETIME_MS", func(r *Reader) { r.key.Expiry = int64(r.src.u64()) }, true}, true
	case opExpire:
		return opcode{"EXPIRETIME", func(r *Reader) { r.key.Expiry = int64(int32(r.src.u32())) * 1000 }, true}, true
	case opIdle:
		return opcode{"IDLE", func(r *Reader) { r.key.Idle = int64(min(r.src.length(), math.MaxInt64)) }, true}, true
	case opFreq:
		return opcode{"FREQ", func(r *Reader) { r.key.Freq = int16(r.src.u8()) }, true}, true
	case opAux:
		return opcode{"AUX", (*Reader).aux, false}, true
	case opResizeDB:
		return opcode{"RESIZEDB", (*Reader).resizeDB, false}, true
	case opSlotInfo:
		return opcode{"SLOT_INFO", (*Reader).slotInfo, false}, true
	case opFunction2:
		return opcode{"FUNCTION2", (*Reader).function, false}, true
	case opFunctionPreGA:
		return opcode{"FUNCTION_PRE_GA", (*Reader).functionPreGA, false}, true
	case opModuleAux:
		return opcode{"MODULE_AUX", (*Reader).moduleAux, false}, true
	case opKeyMeta:
		if r.info.Flavor == Valkey {
			return opcode{"SLOT_IMPORT", (*Reader).slotImport, false}, true
		}
		return opcode{"KEY_META", (*Reader).keyMeta, true}, true
	case opHashTemplate:
		if r.info.Flavor == Redis {
			return opcode{"HASH_TEMPLATE", (*Reader).hashTemplate, false}, true
		}
	case 107, 121: // Redis Enterprise: RAM_LRU and SLOT_NUM
		return opcode{"Redis Enterprise record", func(r *Reader) { r.src.length(); r.info.Foreign++ }, false}, true
	case 129, 131: // Redis-On-Rocks: swap version, cold key count
		return opcode{"Redis-On-Rocks record", func(r *Reader) { r.src.length(); r.info.Foreign++ }, false}, true
	case 220: // Dragonfly: flags of the next key
		return opcode{"Dragonfly mask", func(r *Reader) {
			if r.src.u32()&2 != 0 {
				r.src.u32()
			}
			r.info.Foreign++
		}, false}, true
	}
	return opcode{}, false
}

// firstOpcode is the lowest byte that is an opcode in some dialect.
const firstOpcode = 107

// opcode is the row of a byte, nil if it has none.
func (r *Reader) opcode(code byte) *opcode {
	if code < firstOpcode || r.ops[code-firstOpcode].read == nil {
		return nil
	}
	return &r.ops[code-firstOpcode]
}

// Next gives the next key. It skips what was not read of the value before. At
// a good end of the file it returns io.EOF; where only the checksum is wrong,
// every key has been given before an error that unwraps to ErrChecksum.
func (r *Reader) Next() (*Key, error) {
	if err := r.End(); err != nil {
		return nil, err
	}
	k, s := &r.key, &r.src
	if uint64(s.offset()) >= uint64(r.stop-1) {
		return nil, ErrUntil
	}
	k.Expiry, k.Idle, k.Freq, k.Meta, k.Module = NoExpiry, -1, -1, 0, ""
	k.Offset = -1
	for {
		r.at = s.offset()
		code := s.u8()
		if s.err != nil {
			if s.err == ErrTruncated {
				s.detail = "no end mark"
			}
			return nil, r.fail()
		}
		if t := r.types[code]; t != nil {
			if k.Offset < 0 {
				k.Offset = r.at
			}
			return r.readKey(t)
		}
		if code == opExpireMs && s.end-s.pos >= 8 && r.Wire == nil { // before every key of a cache
			if k.Offset < 0 {
				k.Offset = r.at
			}
			k.Expiry = int64(binary.LittleEndian.Uint64(s.buf[s.pos:]))
			s.pos += 8
			continue
		}
		if code == opEOF {
			return nil, r.end()
		}
		op := r.opcode(code)
		if op == nil {
			r.bad(ErrType, r.describeUnknown(code))
			return nil, r.fail()
		}
		if op.ofKey && k.Offset < 0 {
			k.Offset = r.at
		}
		at := r.at
		op.read(r)
		if s.err != nil {
			return nil, r.fail()
		}
		if r.Wire != nil && code != opAux { // which says more than its name
			r.Wire(at, op.name, "")
		}
	}
}

func (r *Reader) describeUnknown(code byte) string {
	d := fmt.Sprintf("byte %d (0x%02x) in a %s file", code, code, r.info.Format())
	if r.name != nil {
		d += fmt.Sprintf(", after key %q", cut(r.name, maxShown))
	}
	switch {
	case code == 6:
		return d + ": a module value of a 4.0 release candidate, which cannot be skipped"
	case code == 200 || code == 201 || code == 202 || code == 210 || code == 211 || code >= 222 && code <= 224:
		return d + ": a Dragonfly block; load it into Dragonfly and save it as a Redis dump"
	case code >= 128 && code <= 137 || code == 192:
		return d + ": a Redis-On-Rocks record, not supported"
	}
	return d + "; a newer release of rdbaudit may know it"
}

// maxShown is how many bytes of a name an error shows.
const maxShown = 80

func cut(b []byte, n int) []byte {
	if len(b) > n {
		return b[:n]
	}
	return b
}

func (r *Reader) readKey(t *Type) (*Key, error) {
	k, s := &r.key, &r.src
	at := r.at
	k.Type, k.DB, k.Slot = t, r.db, r.slot
	// Names up to 63 bytes that lie in the window: no calls.
	if n := s.pos; n < s.end && s.buf[n] < 0x40 && s.end-n > int(s.buf[n]) {
		l := int(s.buf[n])
		r.name = append(r.name[:0], s.buf[n+1:n+1+l]...)
		s.pos = n + 1 + l
		k.NameLen = int64(l)
	} else {
		var ok bool
		r.name, k.NameLen, ok = r.shortString(r.name[:0], maxName)
		if !ok {
			return nil, r.fail()
		}
		r.body = body{}
	}
	k.Name = r.name
	if t.Kind == ModuleKind {
		k.Module = moduleName(s.length())
		if s.err != nil { // Error.Key is for keys that Next gave
			s.detail = strings.TrimPrefix(s.detail+", ", ", ") + "in the module type of key " + strconv.Quote(string(cut(k.Name, 80)))
			return nil, r.fail()
		}
	}
	r.typ = t
	if t.one { // which counts nothing
		r.walk.phase, r.walk.left = 0, 0
	} else {
		r.walk = walk{}
	}
	if r.Wire != nil {
		r.Wire(at, t.Name, string(cut(k.Name, 200)))
	}
	return k, nil
}

// shortString reads a string of which at most limit bytes are wanted, into dst,
// which is empty. length is that of the whole string. A string that cannot be
// expanded as far as that is a fault: nothing here could do without it.
func (r *Reader) shortString(dst []byte, limit int) (b []byte, length int64, ok bool) {
	s := &r.src
	at := s.offset()
	var p Part
	r.string(&p)
	want := int(min(p.Len, int64(limit)))
	switch {
	case p.IsInt:
		dst = strconv.AppendInt(dst, p.Int, 10)
		dst = dst[:want]
	case p.LZF:
		dst = r.shortLZF(dst, want, at)
	default:
		for len(dst) < want && (s.pos < s.end || s.more(1)) {
			n := min(want-len(dst), s.end-s.pos)
			dst = append(dst, s.buf[s.pos:s.pos+n]...)
			s.pos += n
			r.body.left -= uint64(n)
		}
	}
	r.body.skip(r)
	return dst, p.Len, s.err == nil
}

// shortLZF expands the first bytes of the current string, which stands at
// offset at, into dst, and no more.
func (r *Reader) shortLZF(dst []byte, want int, at int64) []byte {
	s, b := &r.src, &r.body
	limit := int(min(b.ulen, uint64(want+maxLZFCopy)))
	for len(dst) < want && s.err == nil {
		v := s.need(int(min(b.left, 4<<10)))
		out, rest, ok := expandLZF(dst, v, want, limit)
		used := len(v) - len(rest)
		if s.err == nil && (!ok || used == 0) {
			s.fail(ErrString, at, "LZF data that does not expand to its length")
		}
		if s.err != nil {
			return dst
		}
		dst, s.pos, b.left = out, s.pos+used, b.left-uint64(used)
	}
	if uint64(len(dst)) == b.ulen && b.left > 0 {
		s.fail(ErrString, at, "LZF data that is longer than its length says")
	}
	return dst[:min(want, len(dst))]
}

// end checks what follows the end mark (rdb.c@redis-8.6.3 rdbSaveRio).
func (r *Reader) end() error {
	s := &r.src
	if r.Wire != nil {
		r.Wire(r.at, "EOF", "")
	}
	sums := !r.SkipChecksum && s.cur.sums
	if r.ended = s.offset(); sums || r.section != nil {
		r.info.Computed = r.Sum().CRC
	}
	if r.info.Version >= 5 {
		r.at = s.offset()
		r.info.Stored = s.u64()
		if s.err != nil {
			s.detail = "inside the checksum"
			return r.fail()
		}
	}
	r.info.Trailing = classify(s.peek(48))
	r.done = true
	return r.judge(sums)
}

// judge holds the checksums against each other, if they were computed, and says
// how the file ends.
func (r *Reader) judge(sums bool) error {
	switch {
	case r.info.Version < 5 || r.info.Stored == 0:
		r.info.Checksum = ChecksumAbsent
	case !sums:
		r.info.Checksum = ChecksumUnread
	case r.info.Stored == r.info.Computed:
		r.info.Checksum = ChecksumOK
	default:
		r.info.Checksum = ChecksumWrong
	}
	if r.info.Checksum == ChecksumWrong {
		r.err = &Error{Offset: r.at, Err: ErrChecksum, Detail: fmt.Sprintf(
			"the file says %016x, its bytes sum to %016x: some of them are not what the server wrote", r.info.Stored, r.info.Computed)}
	} else {
		r.err = io.EOF
	}
	return r.err
}

// classify names what follows a dump.
func classify(b []byte) Trailing {
	switch {
	case len(b) == 0:
		return TrailingNone
	case len(b) >= 40 && allHex(b[:40]) && (len(b) == 40 || b[40] == '*'): // commands can follow it
		return TrailingEOFMark
	case len(b) > 1 && (b[0] == '*' || b[0] == '$') && b[1] >= '0' && b[1] <= '9' || len(b) >= 4 && string(b[:4]) == "#TS:":
		return TrailingAOF
	case len(b) >= 9 && (string(b[:5]) == "REDIS" || string(b[:6]) == "VALKEY"):
		return TrailingDump
	}
	return TrailingUnknown
}

func allHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// Rest reads what follows the end of the dump, and says how many bytes that
// was. A read error ends it.
func (r *Reader) Rest() int64 {
	if !r.done {
		return 0
	}
	s, from := &r.src, r.src.offset()
	for s.err == nil {
		s.pos = s.end
		if s.cur.err != nil {
			break
		}
		s.advance()
	}
	return s.offset() - from
}

func (r *Reader) selectDB() {
	r.db = r.src.length()
	r.slot, r.announced = -1, 0
}

// Announced is how many keys the dump announces for the database being read, 0
// if it does not say. It can be wrong.
func (r *Reader) Announced() uint64 { return r.announced }

func (r *Reader) resizeDB() {
	h := Hint{DB: r.db, Keys: r.src.length(), Expires: r.src.length()}
	r.announced = h.Keys
	r.info.HintKeys = addSaturating(r.info.HintKeys, h.Keys)
	r.info.HintExpires = addSaturating(r.info.HintExpires, h.Expires)
	if len(r.info.Hints) < MaxHints {
		r.info.Hints = append(r.info.Hints, h)
	}
}

func addSaturating(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

const maxSlot = 16383

func (r *Reader) setSlot(n uint64) {
	r.info.Cluster = true
	r.slot = -1
	if n <= maxSlot {
		r.slot = int32(n)
	}
}

func (r *Reader) slotInfo() {
	r.setSlot(r.src.length())
	r.src.length()
	r.src.length()
}

// aux reads a named text. Servers compare the names without case and pass
// over those they do not know.
func (r *Reader) aux() {
	at := r.src.offset() - 1
	name, _, ok := r.shortString(nil, maxAuxValue)
	if !ok {
		return
	}
	value, length, ok := r.shortString(nil, maxAuxValue)
	if !ok {
		return
	}
	if r.Wire != nil {
		r.Wire(at, "AUX", fmt.Sprintf("%q %q", cut(name, 80), cut(value, 80)))
	}
	switch string(name) {
	case "slot-info": // Valkey 8 and later: slot,keys,expires[,fields with TTL]
		n := uint64(0)
		i := 0
		for ; i < len(value) && i < 6 && value[i] >= '0' && value[i] <= '9'; i++ {
			n = n*10 + uint64(value[i]-'0')
		}
		if i > 0 {
			r.setSlot(n)
		}
		return
	case "lua":
		r.info.Scripts++
		r.info.ScriptBytes += length
		return
	case "mvcc-tstamp", "keydb-subexpire-key", "keydb-subexpire-when": // one a key
		return
	}
	if len(r.info.Aux) < maxAux {
		r.info.Aux = append(r.info.Aux, Aux{string(name), string(value)})
	}
}

// function reads a library of functions: its source starts with
// "#!<engine> name=<name>" (functions.c@redis-7.2.6).
func (r *Reader) function() {
	code, n, ok := r.shortString(nil, maxAuxValue)
	if !ok {
		return
	}
	name := ""
	for i := 0; i+5 < len(code) && code[i] != '\n'; i++ {
		if string(code[i:i+5]) == "name=" {
			end := i + 5
			for end < len(code) && code[end] > ' ' {
				end++
			}
			name = string(code[i+5 : end])
			break
		}
	}
	r.addFunction(name, n)
}

func (r *Reader) addFunction(name string, bytes int64) {
	r.info.Functions++
	r.info.FunctionBytes += bytes
	if len(r.info.FunctionNames) < maxFunctions {
		r.info.FunctionNames = append(r.info.FunctionNames, name)
	}
}

// functionPreGA reads what 7.0-rc1 and rc2 wrote (rdb.c@redis-7.0-rc1).
func (r *Reader) functionPreGA() {
	name, _, _ := r.shortString(nil, maxAuxValue)
	r.shortString(r.big[:0], 0) // engine
	if r.src.length() != 0 {
		r.shortString(r.big[:0], 0) // description
	}
	_, n, _ := r.shortString(r.big[:0], 0)
	if r.src.err == nil {
		r.addFunction(string(name), n)
	}
}

func (r *Reader) moduleAux() {
	name := moduleName(r.src.length())
	r.skipModule()
	if r.src.err == nil && len(r.info.ModuleAux) < maxAux {
		r.info.ModuleAux = append(r.info.ModuleAux, name)
	}
}

// keyMeta reads the metadata that modules attach to a key
// (keymeta.c@redis-8.6.3 rdbLoadKeyMetadata).
func (r *Reader) keyMeta() {
	n := r.src.length()
	if n > 7 {
		r.bad(ErrLength, "more than 7 classes of key metadata")
		return
	}
	for range n {
		r.src.u32()
		r.skipModule()
	}
	r.key.Meta = int(n)
}

// slotImport reads a slot migration under way
// (cluster_migrateslots.c@valkey-9.1.2 clusterRDBLoadSlotImport).
func (r *Reader) slotImport() {
	r.shortString(r.big[:0], 0)
	n := r.src.length()
	for ; n > 0 && r.src.err == nil; n-- {
		r.src.length()
		r.src.length()
	}
	r.info.SlotImports++
}

// templates are the fields of hash templates, by their ids.
type templates struct{ fields map[uint64]uint64 }

func (t *templates) copy() *templates {
	if t == nil {
		return &templates{make(map[uint64]uint64)}
	}
	return &templates{maps.Clone(t.fields)}
}

// of is how many fields a template has, if there is one.
func (t *templates) of(id uint64) (n uint64, ok bool) {
	if t != nil {
		n, ok = t.fields[id]
	}
	return n, ok
}

func (t *templates) equal(o *templates) bool {
	return t == o || t != nil && o != nil && maps.Equal(t.fields, o.fields)
}

// maxTemplates bounds the table of hash templates: a few dozen bytes each.
const maxTemplates = 1 << 20

func (r *Reader) hashTemplate() {
	id, n := r.src.length(), r.src.length()
	for i := uint64(0); i < n && r.src.err == nil; i++ {
		r.shortString(r.big[:0], 0)
	}
	if !r.ours {
		r.templates, r.ours = r.templates.copy(), true
	}
	if len(r.templates.fields) >= maxTemplates {
		r.bad(ErrLength, "more than a million hash templates")
		return
	}
	r.templates.fields[id] = n
	r.info.Templates++
}

// string reads the head of a string into p and arranges for its bytes
// (rdb.c@redis-8.6.3 rdbGenericLoadStringObject).
func (r *Reader) string(p *Part) {
	s := &r.src
	if s.pos < s.end && s.buf[s.pos] < 0x40 {
		n := s.buf[s.pos]
		s.pos++
		p.Len, p.Stored = int64(n), int64(n)
		r.body = body{left: uint64(n)}
		return
	}
	r.longString(p)
}

func (r *Reader) longString(p *Part) {
	s := &r.src
	at := s.offset()
	n, special := s.head()
	if s.err != nil {
		return
	}
	if !special {
		if n > math.MaxInt64 {
			s.fail(ErrLength, at, "a string of "+strconv.FormatUint(n, 10)+" bytes")
			return
		}
		p.Len, p.Stored = int64(n), int64(n)
		r.body = body{left: n}
		s.foresee(n)
		return
	}
	switch n {
	case formInt8:
		p.Int, p.Stored = int64(int8(s.u8())), 1
	case formInt16:
		if b := s.take(2); b != nil {
			p.Int, p.Stored = int64(int16(binary.LittleEndian.Uint16(b))), 2
		}
	case formInt32:
		p.Int, p.Stored = int64(int32(s.u32())), 4
	case formLZF:
		clen, ulen := s.length(), s.length()
		if s.err != nil {
			return
		}
		// A product that would overflow is a lie as well.
		if ulen == 0 || clen > math.MaxInt64/maxLZFRatio || ulen > clen*maxLZFRatio {
			r.unsound(ErrString, at, fmt.Sprintf("%d compressed bytes cannot expand to %d", clen, ulen))
			p.Len, p.Stored = int64(min(clen, math.MaxInt64)), int64(min(clen, math.MaxInt64))
			r.body = body{left: uint64(p.Len)}
			return
		}
		p.LZF, p.Len, p.Stored = true, int64(ulen), int64(clen)
		r.body = body{left: clen, lzf: true, ulen: ulen}
		s.foresee(clen)
		return
	default:
		s.fail(ErrString, at, "string form "+strconv.FormatUint(n, 10))
		return
	}
	p.IsInt, p.Len = true, IntLen(p.Int)
	r.body = body{isInt: true, num: p.Int}
}

// IntLen is the length of the decimal text of v, in bytes.
func IntLen(v int64) int64 {
	u, sign := uint64(v), int64(0)
	if v < 0 {
		u, sign = -u, 1
	}
	if u < 10 {
		return sign + 1
	}
	// log10(2) is about 1233/4096: right, or one too many.
	n := int64(bits.Len64(u)) * 1233 >> 12
	if u >= powersOf10[n] {
		n++
	}
	return sign + n
}

// powersOf10 are those that a uint64 holds.
var powersOf10 = [20]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

func (b *body) skip(r *Reader) {
	if b.left > 0 {
		r.src.skip(b.left)
		b.left = 0
	}
}

// End passes over what is left of the value. Its error is one of framing, and
// stays.
func (r *Reader) End() error {
	if r.typ == nil {
		return r.err
	}
	if r.typ.one && r.src.err == nil && (r.walk.phase > 0 || r.typ.Code == 0 && r.Wire == nil && r.err == nil) {
		if r.walk.phase == 0 { // a string that nobody wants to see
			r.at = r.src.offset()
			r.stepString(&r.part)
		}
		r.body.skip(r)
		if r.src.err == nil {
			r.typ = nil
			return r.err
		}
	}
	if r.Wire == nil && r.walk.phase <= 1 && r.Elements() >= 0 {
		var lens [128]int64
		for r.typ != nil {
			r.Lengths(lens[:]) // so does its
		}
	}
	for r.typ != nil {
		r.Part() // its error stays
	}
	return r.err
}

// Short fills e with the value of the current key if that is a string of up to
// 63 bytes, stored as it is or as an integer, which is the most common value: it
// is read then, and e valid until the next call. Where it says false, Part tells
// more.
func (r *Reader) Short(e *Entry) bool {
	s := &r.src
	if r.typ == nil || r.typ.Code != 0 || r.walk.phase > 0 || r.Wire != nil || r.err != nil || s.end-s.pos < 64 {
		return false
	}
	b := s.buf[s.pos : s.pos+64]
	n := int(b[0])
	switch {
	case n < 0x40:
		e.IsInt, e.Int, e.Len, e.Str = false, 0, int64(n), b[1:n+1]
		s.pos += n + 1
		r.typ = nil
		return true
	case n == 0xc0|formInt8:
		e.Int, n = int64(int8(b[1])), 1
	case n == 0xc0|formInt16:
		e.Int, n = int64(int16(binary.LittleEndian.Uint16(b[1:]))), 2
	case n == 0xc0|formInt32:
		e.Int, n = int64(int32(binary.LittleEndian.Uint32(b[1:]))), 4
	default:
		return false
	}
	e.IsInt, e.Len, e.Str = true, IntLen(e.Int), nil
	s.pos += n + 1
	r.typ = nil
	return true
}

// Part gives the next part of the key's value, or io.EOF at its end.
func (r *Reader) Part() (*Part, error) {
	if r.typ == nil {
		if r.err != nil {
			return nil, r.err
		}
		return nil, io.EOF
	}
	if r.err != nil {
		r.typ = nil
		return nil, r.err
	}
	if r.body.left > 0 {
		r.src.skip(r.body.left)
		r.body.left = 0
	}
	r.cur.on = false
	r.part = Part{Count: -1}
	r.at = r.src.offset()
	at := r.at
	if s := &r.src; r.typ.Code == 0 && r.walk.phase == 0 && s.pos < s.end && s.buf[s.pos] < 0x40 && r.Wire == nil {
		r.stepString(&r.part) // a short string, the most common value
		return &r.part, nil
	}
	more := r.src.err == nil && r.typ.step(r, &r.part)
	if r.src.err != nil {
		err := r.fail()
		r.typ = nil
		return nil, err
	}
	if !more {
		r.typ = nil
		return nil, io.EOF
	}
	if r.Wire != nil {
		r.Wire(at, r.part.Kind.String(), wireDetail(&r.part))
	}
	return &r.part, nil
}

func wireDetail(p *Part) string {
	switch p.Kind {
	case PartScore:
		return strconv.FormatFloat(p.Score, 'g', -1, 64)
	case PartPending, PartOwned:
		return fmt.Sprintf("%d-%d", p.ID.Ms, p.ID.Seq)
	case PartNumber:
		return strconv.FormatInt(p.Int, 10)
	case PartFieldTTL:
		if p.Expiry == NoExpiry {
			return "none"
		}
		return strconv.FormatInt(p.Expiry, 10)
	}
	d := strconv.FormatInt(p.Len, 10) + " bytes"
	if p.LZF {
		d += ", " + strconv.FormatInt(p.Stored, 10) + " compressed"
	}
	if p.Format != Plain {
		d += ", " + p.Format.String()
	}
	if p.Count >= 0 {
		d += ", " + strconv.FormatInt(p.Count, 10) + " entries"
	}
	return d
}

// Bytes gives the bytes of the current part: decompressed, integers as their
// text. They are valid until the next call. Strings longer than MaxHeld are an
// error that unwraps to ErrTooLong and does not stop the Reader, and so are
// strings whose compressed form is damaged (ErrString). Ask for the Bytes of a
// packed part before its first Entry: a large one is gone after that.
func (r *Reader) Bytes() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.part.Len == 0 { // a part without a string leaves the body of the one before
		return r.small[:0], nil
	}
	return r.bytes()
}

// First is the first byte of the current part, which stays unread and unexpanded;
// false where it is not at hand.
func (r *Reader) First() (first byte, ok bool) {
	b := &r.body
	if r.part.Len == 0 || b.isInt || b.left < 2 || b.held != nil || r.cur.on {
		return 0, false
	}
	switch v := r.src.peek(2); {
	case len(v) < 2:
		return 0, false
	case !b.lzf:
		return v[0], true
	default: // a run of literals comes first
		return v[1], v[0] < 32
	}
}

func (r *Reader) bytes() ([]byte, error) {
	b, s := &r.body, &r.src
	switch {
	case b.held != nil:
		return b.held, nil
	case r.cur.on && r.cur.stream:
		return nil, r.soft(ErrTooLong, r.cur.fileAt, "Entry has read some of it")
	case b.isInt:
		return strconv.AppendInt(r.small[:0], b.num, 10), nil
	case b.left <= headroom && !b.lzf:
		v := s.need(int(b.left)) // stays unread: the next Part skips it
		if v == nil && b.left > 0 {
			return nil, r.fail()
		}
		return v, nil
	}
	at := s.offset() - (r.part.Stored - int64(b.left))
	if n := max(b.left, b.ulen); n > uint64(max(r.MaxHeld, 0)) {
		return nil, r.soft(ErrTooLong, at, strconv.FormatUint(n, 10)+" bytes")
	}
	stored, err := r.stored()
	if err != nil {
		return nil, err
	}
	if !b.lzf {
		b.held = stored
		return stored, nil
	}
	out, rest, ok := expandLZF(r.plain[:0], stored, int(b.ulen), int(b.ulen))
	r.plain = out
	if !ok || len(rest) > 0 || uint64(len(out)) != b.ulen {
		return nil, r.soft(ErrString, at, "LZF data that does not expand to its length")
	}
	b.held = out
	return out, nil
}

// stored reads the rest of the part's stored bytes, growing with what arrives.
func (r *Reader) stored() ([]byte, error) {
	b, s := &r.body, &r.src
	if b.left <= headroom {
		v := s.take(int(b.left))
		if s.err != nil {
			return nil, r.fail()
		}
		b.left = 0
		return v, nil
	}
	r.big = r.big[:0]
	for b.left > 0 {
		if s.pos == s.end && !s.more(1) {
			return nil, r.fail()
		}
		n := int(min(b.left, uint64(s.end-s.pos)))
		r.big = append(r.big, s.buf[s.pos:s.pos+n]...)
		s.pos += n
		b.left -= uint64(n)
	}
	return r.big, nil
}

// soft is a fault inside a value whose framing is whole: the Reader can go on.
func (r *Reader) soft(err error, at int64, detail string) error {
	e := &Error{Offset: at, Err: err, Detail: detail}
	if r.typ != nil {
		e.Key = append([]byte{}, r.key.Name...)
	}
	return e
}

// Left is how many elements of the value are still to come after the current
// part, by the count that the value starts with.
func (r *Reader) Left() int64 { return int64(min(r.walk.left, math.MaxInt64>>1)) }
