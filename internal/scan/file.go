package scan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/output"
)

// A part as a file (PARTS.md has it in full): a line of text that names the
// format and its version; behind its length as a varint a head in JSON, of how
// the part was made and of its dumps; behind its length the sums as
// aggregate.Set.AppendPart writes them; a CRC-64 of all that. Equal parts are
// equal bytes.
const (
	partMagic   = "rdbaudit part "
	partVersion = aggregate.PartVersion
	maxPart     = 1 << 30 // bytes of a file that is read
	maxHead     = 256 << 20
)

// IsPart says whether a file that begins so is a part.
func IsPart(begin []byte) bool { return bytes.HasPrefix(begin, []byte(partMagic)) }

// ErrPart is what is wrong with a file that is no part, or a damaged one.
var ErrPart = errors.New("damaged part")

// head is what a file says beside the sums.
type head struct {
	Version string `json:"rdbaudit"` // of the program that wrote it
	Layout  string `json:"layout"`   // what numbers in the sums mean
	How     How    `json:"how"`
	Dumps   []fact `json:"dumps"`
}

// fact is Facts as the head has it. Texts from outside may be any bytes, which
// JSON cannot hold: they are escaped as names of keys are.
type fact struct {
	Path        text             `json:"path"`
	Bytes       int64            `json:"bytes_read"`
	Size        int64            `json:"file_bytes"`
	Server      text             `json:"server,omitempty"`
	Format      text             `json:"format,omitempty"`
	Created     int64            `json:"created,omitempty"`
	UsedMem     int64            `json:"used_mem"`
	Keys        int64            `json:"keys"`
	Checksum    text             `json:"checksum,omitempty"`
	Functions   int64            `json:"functions,omitempty"`
	Error       text             `json:"error,omitempty"`
	Offset      int64            `json:"error_offset,omitempty"`
	Trailing    text             `json:"trailing,omitempty"`
	Open        bool             `json:"open"`
	Moment      int64            `json:"moment"`
	MomentFrom  text             `json:"moment_from,omitempty"`
	Line        text             `json:"line,omitempty"`
	From        text             `json:"line_from,omitempty"`
	Verified    bool             `json:"verified"`
	Cluster     bool             `json:"cluster"`
	Proven      map[string]int64 `json:"proven,omitempty"`
	ReplID      text             `json:"repl_id,omitempty"`
	Modules     []text           `json:"modules,omitempty"`
	Counted     int64            `json:"counted_keys"`
	CountedSize int64            `json:"counted_bytes"`
	Largest     int64            `json:"largest_bytes"`
	LargestKey  text             `json:"largest_key,omitempty"`
	LeftKeys    int64            `json:"left_keys,omitempty"`
	LeftBytes   int64            `json:"left_bytes,omitempty"`
	Warnings    []text           `json:"warnings,omitempty"`
	Notes       []text           `json:"notes,omitempty"`
}

// text is any bytes, escaped where they are written.
type text string

func (t text) MarshalText() ([]byte, error) { return aggregate.AppendEscaped(nil, []byte(t)), nil }

func (t *text) UnmarshalText(b []byte) error {
	raw, err := aggregate.Unescape(string(b))
	*t = text(raw)
	return err
}

func texts(list []string) (out []text) {
	for _, s := range list {
		out = append(out, text(s))
	}
	return out
}

func plain(list []text) (out []string) {
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

func factOf(f *Facts) fact {
	s := &f.Source
	proven := make(map[string]int64)
	for _, set := range estimate.Settings() {
		if n := *set.Field(&f.Proven); n != 0 {
			proven[set.Name] = n
		}
	}
	return fact{
		text(s.Path), s.Bytes, s.Size, text(s.Server), text(s.Format), s.Created, s.UsedMem, s.Keys, text(s.Checksum), s.Functions,
		text(s.Error), s.Offset, text(s.Trailing), f.Open, f.Moment, text(f.MomentFrom), text(f.Line), text(f.From), f.Verified, f.Cluster,
		proven, text(f.ReplID), texts(f.Modules), f.Keys, f.Bytes, f.Largest, text(f.LargestKey), f.LeftKeys, f.LeftByte, texts(f.Warnings), texts(f.Notes),
	}
}

func (d *fact) facts() (Facts, error) {
	f := Facts{
		Source: output.Source{
			Path: string(d.Path), Bytes: d.Bytes, Size: d.Size, Server: string(d.Server), Format: string(d.Format), Created: d.Created,
			UsedMem: d.UsedMem, Keys: d.Keys, Checksum: string(d.Checksum), Functions: d.Functions, Error: string(d.Error), Offset: d.Offset, Trailing: string(d.Trailing),
		},
		Open: d.Open, Moment: d.Moment, MomentFrom: string(d.MomentFrom), Line: string(d.Line), From: string(d.From), Verified: d.Verified, Cluster: d.Cluster,
		ReplID: string(d.ReplID), Modules: plain(d.Modules), Keys: d.Counted, Bytes: d.CountedSize, Largest: d.Largest, LargestKey: []byte(d.LargestKey),
		LeftKeys: d.LeftKeys, LeftByte: d.LeftBytes, Warnings: plain(d.Warnings), Notes: plain(d.Notes),
	}
	for _, set := range estimate.Settings() {
		*set.Field(&f.Proven) = d.Proven[set.Name]
	}
	const most = 1 << 56
	for _, n := range []int64{d.Bytes, d.Keys, d.Counted, d.CountedSize, d.LeftKeys, d.LeftBytes, d.Functions} {
		if n < 0 || n > most {
			return f, fmt.Errorf("%w: its head has a number of %d", ErrPart, n)
		}
	}
	if d.Size > most || d.UsedMem > most || d.Size < -1 || d.UsedMem < -1 {
		return f, fmt.Errorf("%w: its head has a size of %d", ErrPart, max(d.Size, d.UsedMem))
	}
	if line, _, ok := estimate.Lookup(f.Line); f.Open && (!ok || line.Name != f.Line) {
		return f, fmt.Errorf("%w: no server line is called %.40q", ErrPart, f.Line)
	}
	if !f.Open && f.Source.Error == "" {
		return f, fmt.Errorf("%w: a dump that could not be read, and no word why", ErrPart)
	}
	return f, nil
}

// layout says what numbers in the sums mean: if another release has other
// types or analyses, its parts are not to be read by this one.
func layout() string {
	var b strings.Builder
	for t := estimate.Type(0); t < estimate.NumTypes; t++ {
		b.WriteString(t.String() + " ")
	}
	for e := estimate.Encoding(0); e < estimate.NumEncodings; e++ {
		b.WriteString(e.String() + " ")
	}
	for _, s := range aggregate.Specs() {
		b.WriteString(s.Name + " ")
	}
	return strings.TrimSpace(b.String())
}

var table = crc64.MakeTable(crc64.ECMA)

// Write writes the part. It comes before Report.
func (p *Part) Write(w io.Writer) error {
	p.Sort()
	h := head{Version: p.Version, Layout: layout(), How: p.How}
	for i := range p.Dumps {
		h.Dumps = append(h.Dumps, factOf(&p.Dumps[i]))
	}
	js, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := crc64.New(table)
	to := io.MultiWriter(w, sum)
	begin := binary.AppendUvarint([]byte(partMagic+strconv.Itoa(partVersion)+"\n"), uint64(len(js)))
	body := p.Set.AppendPart(nil, len(p.Dumps))
	for _, b := range [][]byte{begin, js, binary.AppendUvarint([]byte{'\n'}, uint64(len(body))), body} {
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.BigEndian.AppendUint64(nil, sum.Sum64()))
	return err
}

// ReadPart reads what Write has written. It is not trusted: what cannot be is
// refused. tableMemory is what its tables may hold, 0 for the default.
func ReadPart(r io.Reader, tableMemory int64) (*Part, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPart+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxPart {
		return nil, fmt.Errorf("%w: more than %s", ErrPart, output.Bytes(maxPart))
	}
	if !IsPart(b) {
		return nil, errors.New("no part: it does not begin with \"" + partMagic + "\"")
	}
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	version, err := strconv.Atoi(string(line[len(partMagic):]))
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("%w: its first line is cut", ErrPart)
	case version > partVersion:
		return nil, fmt.Errorf("a part of version %d, and this rdbaudit reads up to %d: it was made by a later release, which can read both", version, partVersion)
	case version < 1:
		return nil, fmt.Errorf("%w: it says that it is of version %d", ErrPart, version)
	case len(rest) < 8:
		return nil, fmt.Errorf("%w: it ends too early", ErrPart)
	}
	end := len(b) - 8
	if crc64.Checksum(b[:end], table) != binary.BigEndian.Uint64(b[end:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong, so it is cut or was changed", ErrPart)
	}
	return decode(rest[:len(rest)-8], version, tableMemory)
}

// decode reads what is between the first line and the checksum.
func decode(rest []byte, version int, tableMemory int64) (*Part, error) {
	piece := func(most int) []byte {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(most) || n > uint64(len(rest)-size) {
			return nil
		}
		b := rest[size:][:n]
		rest = rest[size:][n:]
		return b
	}
	js := piece(maxHead)
	if js == nil || len(rest) == 0 || rest[0] != '\n' {
		return nil, fmt.Errorf("%w: its head is cut", ErrPart)
	}
	rest = rest[1:]
	body := piece(maxPart)
	if body == nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: its sums are cut", ErrPart)
	}
	var h head
	if err := json.Unmarshal(js, &h); err != nil {
		return nil, fmt.Errorf("%w: its head: %w", ErrPart, err)
	}
	if h.Layout != layout() {
		return nil, fmt.Errorf("it was made by rdbaudit %.60q, which counts other things: make it again with this release, or merge with that one", h.Version)
	}
	p := &Part{Version: h.Version, How: h.How}
	for i := range h.Dumps {
		f, err := h.Dumps[i].facts()
		if err != nil {
			return nil, err
		}
		p.Dumps = append(p.Dumps, f)
	}
	if len(p.Dumps) == 0 {
		return nil, fmt.Errorf("%w: it is of no dump", ErrPart)
	}
	var err error
	if p.Set, err = aggregate.ReadPart(body, version, 0, len(p.Dumps), tableMemory); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPart, err)
	}
	return p, nil
}
