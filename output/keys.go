package output

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// KeyWriter writes a row per key while the dump is being read.
type KeyWriter interface {
	// Add writes one row. Pattern is text that aggregate made of the key; owner and
	// source name the pattern's owner and the dump, both may be empty.
	Add(rec *estimate.Record, pattern []byte, owner, source string) error
	// Close writes what is buffered. It does not close the underlying writer.
	Close() error
}

// KeyOptions choose the shape of rows per key. The zero value is the contract's CSV.
type KeyOptions struct {
	Format   string // a name of KeyFormats; "" is csv
	Encoding string // how csv, ndjson and table write key names: escape ("" too), hex, base64
	Compat   string // csv: a name of KeyProfiles: the columns of another program
	NUL      bool   // list: end names with NUL instead of a line feed
	Terminal bool   // list: names as CSV prints them, for raw ones would act on a terminal
	Width    int    // table: columns of the terminal; 0 does not cut long names
	RowsOnly bool   // csv: no header, for one of several writers of the same output
}

// Parallel says whether rows of the format can be made by several writers,
// each with RowsOnly, and joined in order.
func (o *KeyOptions) Parallel() bool { return o.Format != "table" && o.Format != "parquet" }

// KeyFormat is a row of the list of formats for rows per key.
type KeyFormat struct {
	Name, Ext, Doc string
	new            func(*rowBuffer, *KeyOptions) (KeyWriter, error)
}

var keyFormats = []KeyFormat{
	{"csv", ".csv", "comma separated, for spreadsheets and databases", newCSVKeys},
	{"ndjson", ".ndjson", "a JSON object per line", newJSONKeys},
	{"parquet", ".parquet", "columns with zstd and dictionaries, for DuckDB, Spark, ClickHouse", newParquetKeys},
	{"table", "", "aligned columns for a terminal", newTableKeys},
	{"list", "", "raw key names, one per line or NUL-ended, for xargs and redis-cli", newListKeys},
}

// KeyFormats lists the formats of NewKeyWriter.
func KeyFormats() []KeyFormat { return keyFormats }

// NewKeyWriter returns a writer of rows per key. An error means that an option has an unknown value.
func NewKeyWriter(w io.Writer, o KeyOptions) (KeyWriter, error) {
	if o.Format == "" {
		o.Format = "csv"
	}
	for _, f := range keyFormats {
		if f.Name == o.Format {
			return f.new(&rowBuffer{w: w}, &o)
		}
	}
	return nil, fmt.Errorf("unknown format of rows per key: %q", o.Format)
}

// rowBuffer collects bytes of whole rows; an error of its writer stays.
type rowBuffer struct {
	w   io.Writer
	buf []byte
	err error
}

const (
	rowBufferFull = 64 << 10
	rowBufferKeep = 1 << 20 // a longer key's buffer is given back
)

// end takes the buffer back after a row was appended to it.
func (b *rowBuffer) end(buf []byte) error {
	b.buf = buf
	if len(buf) < rowBufferFull {
		return b.err
	}
	return b.flush()
}

func (b *rowBuffer) flush() error {
	if len(b.buf) > 0 && b.err == nil {
		_, b.err = b.w.Write(b.buf)
	}
	if cap(b.buf) > rowBufferKeep {
		b.buf = nil
	}
	b.buf = b.buf[:0]
	return b.err
}

// keyRow is what the columns read: one record and what its caller knows of it.
type keyRow struct {
	*estimate.Record
	numbers       [keyNumbers]int64
	pattern       []byte
	owner, source string
	appendName    func(dst, name []byte) []byte
	escaped       bool // appendName escapes and does no more
	rdbtools      bool
	cleanOf       [2]cleaned
}

// cleaned remembers the last text that was cleaned: owners and sources repeat.
type cleaned struct {
	raw       string
	text, csv []byte // csv is text with quotes if it needs them
}

func (c *cleaned) of(s string) *cleaned {
	if s != c.raw {
		c.raw, c.text, c.csv = s, []byte(clean(s)), nil
		if s != "" {
			c.csv = quoteCSV(slices.Clone(c.text), 0)
		}
	}
	return c
}

// KeyColumn is one column of the rows per key: it has a number or a text.
type KeyColumn struct {
	Name string
	Kind aggregate.Kind
	Doc  string

	number keyNumber
	text   func(dst []byte, r *keyRow) []byte
	raw    func(r *keyRow) []byte   // what text makes text of, which mostly is the same
	shared func(r *keyRow) *cleaned // the text, if most rows have it in common
	active bool                     // the text may need quotes
}

func number(name string, kind aggregate.Kind, doc string, at keyNumber) KeyColumn {
	return KeyColumn{Name: name, Kind: kind, Doc: doc, number: at}
}

func text(name string, kind aggregate.Kind, active bool, doc string, f func([]byte, *keyRow) []byte) KeyColumn {
	return KeyColumn{Name: name, Kind: kind, Doc: doc, text: f, active: active}
}

// shared is a text that most rows have in common.
func shared(name, doc string, f func(*keyRow) *cleaned) KeyColumn {
	return KeyColumn{Name: name, Kind: aggregate.Text, Doc: doc, shared: f,
		text: func(dst []byte, r *keyRow) []byte { return append(dst, f(r).text...) }}
}

// keyColumns is the one place where a column of the rows per key is described.
var keyColumns = []KeyColumn{
	number("database", aggregate.Count, "number of the database", numDB),
	text("type", aggregate.Text, false, "string, list, set, zset, hash, stream or module:NAME", appendTypeName),
	{Name: "key", Kind: aggregate.Name, Doc: "name of the key, reversible", active: true, raw: (*keyRow).rawName,
		text: func(dst []byte, r *keyRow) []byte { return r.appendName(dst, r.Key) }},
	number("size_in_bytes", aggregate.Bytes, "what MEMORY USAGE key SAMPLES 0 reports", numSize),
	text("encoding", aggregate.Text, false, "what OBJECT ENCODING reports", func(dst []byte, r *keyRow) []byte { return append(dst, r.Record.Encoding.String()...) }),
	number("num_elements", aggregate.Count, "members, fields, list elements or stream entries; 1 for a string", numElements),
	number("len_largest_element", aggregate.Bytes, "bytes of the longest value, member, field or entry", numLargest),
	number("expiry", aggregate.Time, "when the key expires, UTC; empty without a TTL", numExpiry),
	number("allocated_bytes", aggregate.Bytes, "what the allocator holds for the key, its expiry included", numAllocated),
	number("serialized_bytes", aggregate.Bytes, "bytes in the dump", numSerialized),
	number("idle_seconds", aggregate.Seconds, "time since the last access, if the dump says", numIdle),
	number("lfu_frequency", aggregate.Count, "LFU counter, if the dump says", numFrequency),
	number("field_ttls", aggregate.Count, "fields of a hash that have a TTL of their own", numFieldTTLs),
	number("slot", aggregate.Count, "cluster slot, if the dump says", numSlot),
	{Name: "pattern", Kind: aggregate.Name, Doc: "pattern of the key", active: true, raw: func(r *keyRow) []byte { return r.pattern },
		text: func(dst []byte, r *keyRow) []byte { return appendClean(dst, r.pattern) }},
	shared("owner", "owner of the pattern, from a rules file", func(r *keyRow) *cleaned { return r.cleanOf[0].of(r.owner) }),
	shared("source", "the dump", func(r *keyRow) *cleaned { return r.cleanOf[1].of(r.source) }),
}

// keyNumber is where a row has the number of a column.
type keyNumber uint8

const (
	noNumber keyNumber = iota // the column is a text
	numDB
	numSize
	numElements
	numLargest
	numExpiry
	numAllocated
	numSerialized
	numIdle
	numFrequency
	numFieldTTLs
	numSlot
	keyNumbers
)

// unknown is a number that the dump does not say.
const unknown = estimate.NoExpiry

// ifAny is n, which is not known if it is negative.
func ifAny(n int64) int64 {
	if n < 0 {
		return unknown
	}
	return n
}

// fill works out all numbers of a row at once: a call for each of them would
// take about as long as to write it.
func (r *keyRow) fill() {
	rec, n := r.Record, &r.numbers
	n[numDB] = int64(rec.DB)
	n[numSize] = rec.Size
	n[numElements] = rec.Elems
	n[numLargest] = ifAny(rec.Largest)
	n[numExpiry] = rec.Expiry // unknown if there is none
	n[numAllocated] = rec.Alloc
	n[numSerialized] = rec.Serialized
	n[numIdle] = ifAny(rec.Idle)
	n[numFrequency] = ifAny(int64(rec.Freq))
	n[numFieldTTLs] = rec.FieldTTLs
	n[numSlot] = ifAny(int64(rec.Slot))
}

// KeyColumns lists the columns of the rows per key, in order.
func KeyColumns() []KeyColumn { return keyColumns }

// KeyProfile is the CSV of another program, for scripts that were written for
// it. Figures and encodings are ours, and so are names of keys: reversible text.
type KeyProfile struct {
	Name, Doc string
	Columns   []KeyColumn
}

// KeyProfiles lists the values of KeyOptions.Compat.
func KeyProfiles() []KeyProfile {
	return []KeyProfile{
		{"rdbtools", "redis-rdb-tools, rdb -c memory", keyColumns[:8]},
		{"hdt", "HDT3213/rdb, rdb -c memory", []KeyColumn{
			keyColumn("database", "database"),
			keyColumn("key", "key"),
			keyColumn("type", "type"),
			keyColumn("size_in_bytes", "size"),
			text("size_readable", aggregate.Text, false, "the same with a unit: 512B, 1.5K, 20M", func(dst []byte, r *keyRow) []byte { return appendShortSize(dst, r.Size) }),
			keyColumn("num_elements", "element_count"),
			keyColumn("encoding", "encoding"),
			text("expiration", aggregate.Text, false, "when the key expires, UTC, whole seconds; empty without a TTL", func(dst []byte, r *keyRow) []byte {
				if r.Expiry == estimate.NoExpiry {
					return dst
				}
				return append(dst, Time(r.Expiry)...)
			}),
		}},
	}
}

// keyColumn is one of keyColumns under the name that another program gave it.
func keyColumn(name, as string) KeyColumn {
	for _, c := range keyColumns {
		if c.Name == name {
			c.Name = as
			return c
		}
	}
	return KeyColumn{Name: as}
}

// appendShortSize writes a size with at most one decimal and one letter.
func appendShortSize(dst []byte, n int64) []byte {
	if n <= 0 {
		return append(dst, '0')
	}
	const units = "BKMGTPE"
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', 1, 64)
	if strings.HasSuffix(string(dst[from:]), ".0") {
		dst = dst[:len(dst)-2]
	}
	return append(dst, units[i])
}

func appendTypeName(dst []byte, r *keyRow) []byte {
	switch {
	case r.rdbtools && r.Type == estimate.ZSet:
		return append(dst, "sortedset"...)
	case r.rdbtools || r.Type != estimate.Module:
		return append(dst, r.Type.String()...)
	}
	// The name of a module is at most nine bytes of letters, digits, - and _ by
	// the format; nothing else may come out.
	dst = append(dst, "module:"...)
	for i := 0; i < len(r.Module); i++ {
		c := r.Module[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			dst = append(dst, c)
		} else {
			dst = appendHex(dst, c)
		}
	}
	return dst
}

// appendNumber writes what a number column of either kind of row holds.
func appendNumber(dst []byte, kind aggregate.Kind, n int64) []byte {
	if kind == aggregate.Time {
		return appendTime(dst, n)
	}
	if uint64(n) >= 10_000 {
		return strconv.AppendInt(dst, n, 10)
	}
	// Most numbers are short, and quick to write without a call.
	u := uint32(n)
	switch {
	case u < 10:
		return append(dst, byte('0'+u))
	case u < 100:
		return append(dst, byte('0'+u/10), byte('0'+u%10))
	case u < 1000:
		return append(dst, byte('0'+u/100), byte('0'+u/10%10), byte('0'+u%10))
	}
	return append(dst, byte('0'+u/1000), byte('0'+u/100%10), byte('0'+u/10%10), byte('0'+u%10))
}

// nameEncodings are the values of --key-encoding. Only escape keeps a
// spreadsheet from reading a leading "+": base64 is meant for programs.
var nameEncodings = map[string]func(dst, name []byte) []byte{
	"":       aggregate.AppendEscaped,
	"escape": aggregate.AppendEscaped,
	"hex":    hex.AppendEncode,
	"base64": base64.StdEncoding.AppendEncode,
}

func newKeyRow(o *KeyOptions) (keyRow, error) {
	f := nameEncodings[o.Encoding]
	if f == nil {
		return keyRow{}, fmt.Errorf("unknown key encoding %q: escape, hex or base64", o.Encoding)
	}
	return keyRow{appendName: f, escaped: o.Encoding == "" || o.Encoding == "escape", rdbtools: o.Compat == "rdbtools"}, nil
}

// rawName is the name if rows show it escaped, else nothing.
func (r *keyRow) rawName() []byte {
	if !r.escaped {
		return nil
	}
	return r.Key
}

func (r *keyRow) set(rec *estimate.Record, pattern []byte, owner, source string) {
	r.Record, r.pattern, r.owner, r.source = rec, pattern, owner, source
	r.fill()
}

// csvKeys writes rows per key as CSV.
type csvKeys struct {
	*rowBuffer
	row     keyRow
	columns []KeyColumn
}

func newCSVKeys(b *rowBuffer, o *KeyOptions) (KeyWriter, error) {
	row, err := newKeyRow(o)
	k := &csvKeys{rowBuffer: b, row: row, columns: keyColumns}
	if o.Compat != "" {
		k.columns = nil
		for _, p := range KeyProfiles() {
			if p.Name == o.Compat {
				k.columns = p.Columns
			}
		}
		if k.columns == nil {
			return nil, fmt.Errorf("no program goes by %q", o.Compat)
		}
	}
	if o.RowsOnly {
		return k, err
	}
	for i := range k.columns {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.buf = append(b.buf, k.columns[i].Name...)
	}
	b.buf = append(b.buf, '\n')
	return k, err
}

func (k *csvKeys) Add(rec *estimate.Record, pattern []byte, owner, source string) error {
	k.row.set(rec, pattern, owner, source)
	dst := k.buf
	for i := range k.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &k.columns[i]
		if c.number != noNumber {
			if n := k.row.numbers[c.number]; n != unknown {
				dst = appendNumber(dst, c.Kind, n)
			}
			continue
		}
		if c.shared != nil {
			dst = append(dst, c.shared(&k.row).csv...)
			continue
		}
		if c.raw != nil {
			if b := c.raw(&k.row); csvPlain(b) {
				dst = append(dst, b...)
				continue
			}
		}
		start := len(dst)
		dst = c.text(dst, &k.row)
		if c.active && (len(dst) > start || c.Kind == aggregate.Name) {
			dst = quoteCSV(dst, start)
		}
	}
	return k.end(append(dst, '\n'))
}

func (k *csvKeys) Close() error { return k.flush() }

// jsonKeys writes rows per key as newline-delimited JSON.
type jsonKeys struct {
	*rowBuffer
	row     keyRow
	heads   []string // `,"name":` of each column
	scratch []byte
}

func newJSONKeys(b *rowBuffer, o *KeyOptions) (KeyWriter, error) {
	row, err := newKeyRow(o)
	k := &jsonKeys{rowBuffer: b, row: row}
	for i, c := range keyColumns {
		head := `,"` + c.Name + `":`
		if i == 0 {
			head = "{" + head[1:]
		}
		k.heads = append(k.heads, head)
	}
	return k, err
}

func (k *jsonKeys) Add(rec *estimate.Record, pattern []byte, owner, source string) error {
	k.row.set(rec, pattern, owner, source)
	dst := k.buf
	for i := range keyColumns {
		c := &keyColumns[i]
		dst = append(dst, k.heads[i]...)
		if c.number == noNumber {
			k.scratch = c.text(k.scratch[:0], &k.row)
			dst = appendJSON(dst, k.scratch)
			continue
		}
		n := k.row.numbers[c.number]
		switch {
		case n == unknown:
			dst = append(dst, "null"...)
		case c.Kind == aggregate.Time:
			dst = append(appendTime(append(dst, '"'), n), '"')
		default:
			dst = strconv.AppendInt(dst, n, 10)
		}
	}
	if cap(k.scratch) > rowBufferKeep {
		k.scratch = nil
	}
	return k.end(append(dst, '}', '\n'))
}

func (k *jsonKeys) Close() error { return k.flush() }

// listKeys writes nothing but names, byte for byte.
type listKeys struct {
	*rowBuffer
	sep   byte
	inert bool
}

func newListKeys(b *rowBuffer, o *KeyOptions) (KeyWriter, error) {
	k := &listKeys{b, '\n', o.Terminal}
	if o.NUL {
		k.sep = 0
	}
	return k, nil
}

func (k *listKeys) Add(rec *estimate.Record, _ []byte, _, _ string) error {
	if k.inert {
		return k.end(append(aggregate.AppendEscaped(k.buf, rec.Key), k.sep))
	}
	return k.end(append(append(k.buf, rec.Key...), k.sep))
}

func (k *listKeys) Close() error { return k.flush() }

// tableKeys writes rows for a terminal. It holds the first rows back until it
// knows how wide the columns should be; a later cell that is wider than its
// column pushes its own row only. The name comes last, so that its length does
// no harm.
type tableKeys struct {
	*rowBuffer
	row    keyRow
	width  int
	widths [len(tableKeyColumns)]int
	held   []byte // cells of the rows held back
	ends   []int  // of each cell in held
	cells  []byte
	live   bool // widths are settled
}

// tableKeyHold is the number of rows that choose the widths.
const tableKeyHold = 256

var tableKeyColumns = [...]struct {
	name  string
	right bool
	cell  func(dst []byte, r *keyRow) []byte
}{
	{"allocated", true, func(dst []byte, r *keyRow) []byte { return appendBytes(dst, r.Alloc) }},
	{"usage", true, func(dst []byte, r *keyRow) []byte { return appendBytes(dst, r.Size) }},
	{"elements", true, func(dst []byte, r *keyRow) []byte { return appendCount(dst, r.Elems) }},
	{"type", false, appendTypeName},
	{"encoding", false, func(dst []byte, r *keyRow) []byte { return append(dst, r.Record.Encoding.String()...) }},
	{"expiry", false, func(dst []byte, r *keyRow) []byte {
		if r.Expiry == estimate.NoExpiry {
			return append(dst, '-')
		}
		dst = appendTime(dst, r.Expiry)
		return append(dst[:len(dst)-len(".000Z")], 'Z')
	}},
	{"db", true, func(dst []byte, r *keyRow) []byte { return strconv.AppendUint(dst, r.DB, 10) }},
	{"key", false, func(dst []byte, r *keyRow) []byte { return r.appendName(dst, r.Key) }},
}

func newTableKeys(b *rowBuffer, o *KeyOptions) (KeyWriter, error) {
	row, err := newKeyRow(o)
	k := &tableKeys{rowBuffer: b, row: row, width: o.Width}
	for i := range tableKeyColumns {
		k.hold(append(k.held, strings.ToUpper(tableKeyColumns[i].name)...), i)
	}
	return k, err
}

func (k *tableKeys) hold(held []byte, column int) {
	start := len(k.held)
	k.held = held
	k.ends = append(k.ends, len(held))
	if column < len(tableKeyColumns)-1 {
		k.widths[column] = max(k.widths[column], len(held)-start)
	}
}

func (k *tableKeys) Add(rec *estimate.Record, pattern []byte, owner, source string) error {
	k.row.set(rec, pattern, owner, source)
	if !k.live {
		for i := range tableKeyColumns {
			k.hold(tableKeyColumns[i].cell(k.held, &k.row), i)
		}
		if len(k.ends) < tableKeyHold*len(tableKeyColumns) && len(k.held) < rowBufferFull {
			return k.err
		}
		return k.release()
	}
	dst := k.buf
	for i := range tableKeyColumns {
		k.cells = tableKeyColumns[i].cell(k.cells[:0], &k.row)
		dst = k.pad(dst, i, k.cells)
	}
	if cap(k.cells) > rowBufferKeep {
		k.cells = nil
	}
	return k.end(append(dst, '\n'))
}

// pad writes a cell of any column but the last at its column's width.
func (k *tableKeys) pad(dst []byte, column int, cell []byte) []byte {
	if column == len(tableKeyColumns)-1 {
		return k.cut(dst, cell)
	}
	gap := max(k.widths[column]-len(cell), 0)
	if tableKeyColumns[column].right {
		dst = appendSpaces(dst, gap)
		dst = append(dst, cell...)
	} else {
		dst = append(dst, cell...)
		dst = appendSpaces(dst, gap)
	}
	return append(dst, ' ', ' ')
}

// cut writes a name, shortened in its middle if the terminal is too narrow.
func (k *tableKeys) cut(dst, name []byte) []byte {
	room := k.width
	for i := range len(tableKeyColumns) - 1 {
		room -= k.widths[i] + 2
	}
	if k.width <= 0 || len(name) <= room {
		return append(dst, name...)
	}
	return append(dst, middle(string(name), max(room, 16))...)
}

func (k *tableKeys) release() error {
	k.live = true
	start := 0
	dst := k.buf
	for i, end := range k.ends {
		column := i % len(tableKeyColumns)
		dst = k.pad(dst, column, k.held[start:end])
		if column == len(tableKeyColumns)-1 {
			dst = append(dst, '\n')
		}
		start = end
	}
	k.held, k.ends = nil, nil
	return k.end(dst)
}

func (k *tableKeys) Close() error {
	if !k.live {
		k.release()
	}
	return k.flush()
}

func appendSpaces(dst []byte, n int) []byte {
	const spaces = "                                "
	for n > len(spaces) {
		dst, n = append(dst, spaces...), n-len(spaces)
	}
	return append(dst, spaces[:n]...)
}
