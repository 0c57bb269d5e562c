package output

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
)

// Schema names the shape of the JSON report. Fields may be added under the
// same name; a change of what is there takes a new one.
const Schema = "rdbaudit/report/1"

// The JSON report: these types say how everything but the tables is written and
// read. Times are RFC 3339 with milliseconds, null stands for what is not known.
type (
	jsonHead struct {
		Schema   string          `json:"schema"`
		Program  jsonProgram     `json:"rdbaudit"`
		Warnings []string        `json:"warnings"` // first, as in every format
		Now      jsonTime        `json:"now"`
		NowFirst *jsonTime       `json:"now_first"`
		NowFrom  string          `json:"now_from"`
		Measure  string          `json:"measure"`
		Filtered string          `json:"filtered"`
		Options  jsonOptions     `json:"options"`
		Sources  []jsonSource    `json:"sources"`
		Model    jsonModel       `json:"model"`
		Memory   jsonMemory      `json:"memory"`
		Totals   json.RawMessage `json:"totals"`
		Notes    []string        `json:"notes"`
	}
	jsonOptions struct {
		Separators []string `json:"separators"`
		Depth      int      `json:"depth"`
		Patterns   string   `json:"patterns"`
	}
	jsonProgram struct {
		Version string `json:"version"`
	}
	jsonSource struct {
		Path      string    `json:"path"`
		Bytes     int64     `json:"bytes_read"`
		Size      *int64    `json:"file_bytes"`
		Server    string    `json:"server"`
		Format    string    `json:"format"`
		Created   *jsonTime `json:"created"`
		UsedMem   *int64    `json:"used_mem"`
		Keys      int64     `json:"keys"`
		Checksum  string    `json:"checksum"`
		Functions int64     `json:"functions"`
		Error     string    `json:"error"`
		Offset    int64     `json:"error_offset"`
		Trailing  string    `json:"trailing"`
		Announced string    `json:"announced"`
	}
	jsonModel struct {
		Line      string      `json:"line"`
		From      string      `json:"from"`
		Verified  bool        `json:"verified"`
		View      string      `json:"view"`
		Allocator string      `json:"allocator"`
		Cluster   bool        `json:"cluster"`
		Limits    []jsonLimit `json:"limits"`
	}
	jsonLimit struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  string `json:"from"`
	}
	// jsonMemory has null for the reconciliation of a filtered report.
	jsonMemory struct {
		Keys         int64   `json:"keys_bytes"`
		Tables       *int64  `json:"tables_bytes"`
		Startup      *int64  `json:"startup_bytes"`
		Estimate     *int64  `json:"estimate_bytes"`
		DumpUsedMem  *int64  `json:"dump_used_mem"`
		Remainder    *int64  `json:"remainder_bytes"` // derived, not read back
		Slack        int64   `json:"slack_bytes"`
		ExpectedPart float64 `json:"expected_share"`
		ExpectedSD   int64   `json:"expected_sd_bytes"`
		Opaque       int64   `json:"opaque_bytes"`
	}
)

type jsonTime int64

func (t jsonTime) MarshalJSON() ([]byte, error) {
	return append(appendTime([]byte{'"'}, int64(t)), '"'), nil
}

func (t *jsonTime) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	ms, err := parseTime(strings.Trim(string(b), `"`))
	*t = jsonTime(ms)
	return err
}

func known(n int64, known bool) *int64 {
	if !known {
		return nil
	}
	return &n
}

func orElse[T any](p *T, unknown T) T {
	if p == nil {
		return unknown
	}
	return *p
}

func headOf(r *Report) *jsonHead {
	m, whole := &r.Memory, r.Filtered == ""
	h := &jsonHead{
		Schema:  Schema,
		Program: jsonProgram{r.Version},
		Now:     jsonTime(r.Now), NowFirst: (*jsonTime)(known(r.NowFirst, r.NowFirst != 0)), NowFrom: r.NowFrom, Measure: r.Measure, Filtered: r.Filtered,
		Options: jsonOptions{append([]string{}, r.Options.Separators...), r.Options.Depth, r.Options.Patterns},
		Sources: []jsonSource{},
		Model:   jsonModel{r.Model.Line, r.Model.From, r.Model.Verified, r.Model.View, r.Model.Allocator, r.Model.Cluster, []jsonLimit{}},
		Memory: jsonMemory{
			Keys: m.Keys, Tables: known(m.Tables, whole), Startup: known(m.Startup, whole), Estimate: known(m.Estimate, whole),
			DumpUsedMem: known(m.DumpUsedMem, whole && m.DumpUsedMem >= 0), Remainder: known(r.remainder()),
			Slack: m.Slack, ExpectedPart: roundShare(m.ExpectedPart), ExpectedSD: m.ExpectedSD, Opaque: m.Opaque,
		},
		Totals:   totalsJSON(&r.Totals),
		Warnings: r.Warnings,
		Notes:    r.Notes,
	}
	for _, l := range r.Model.Limits {
		h.Model.Limits = append(h.Model.Limits, jsonLimit(l))
	}
	for _, s := range r.Sources {
		h.Sources = append(h.Sources, jsonSource{
			s.Path, s.Bytes, known(s.Size, s.Size >= 0), s.Server, s.Format, (*jsonTime)(known(s.Created, s.Created != 0)),
			known(s.UsedMem, s.UsedMem >= 0), s.Keys, s.Checksum, s.Functions, s.Error, s.Offset, s.Trailing, s.Announced,
		})
	}
	// Copies, and [] instead of null.
	h.Warnings, h.Notes = append([]string{}, h.Warnings...), append([]string{}, h.Notes...)
	eachText(reflect.ValueOf(h).Elem(), prose)
	return h
}

// eachText replaces every string within v, which is addressable.
func eachText(v reflect.Value, f func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			eachText(v.Field(i), f)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				eachText(v.Index(i), f)
			}
		}
	}
}

func (h *jsonHead) report() (*Report, error) {
	m := &h.Memory
	r := &Report{
		Version: h.Program.Version, Now: int64(h.Now), NowFirst: int64(orElse(h.NowFirst, 0)), NowFrom: h.NowFrom, Measure: h.Measure, Filtered: h.Filtered,
		Memory: Memory{
			Keys: m.Keys, Tables: orElse(m.Tables, 0), Startup: orElse(m.Startup, 0), Estimate: orElse(m.Estimate, 0),
			DumpUsedMem: orElse(m.DumpUsedMem, -1), Slack: m.Slack, ExpectedPart: m.ExpectedPart, ExpectedSD: m.ExpectedSD, Opaque: m.Opaque,
		},
		Options:  Options{nil, h.Options.Depth, h.Options.Patterns},
		Model:    Model{h.Model.Line, h.Model.From, h.Model.Verified, h.Model.View, h.Model.Allocator, h.Model.Cluster, nil},
		Warnings: h.Warnings,
		Notes:    h.Notes,
	}
	if len(h.Options.Separators) > 0 {
		r.Options.Separators = h.Options.Separators
	}
	for _, l := range h.Model.Limits {
		r.Model.Limits = append(r.Model.Limits, Limit(l))
	}
	for _, s := range h.Sources {
		r.Sources = append(r.Sources, Source{
			s.Path, s.Bytes, orElse(s.Size, -1), s.Server, s.Format, int64(orElse(s.Created, 0)), orElse(s.UsedMem, -1),
			s.Keys, s.Checksum, s.Functions, s.Error, s.Offset, s.Trailing, s.Announced,
		})
	}
	return r, parseTotals(h.Totals, &r.Totals)
}

// totalsFields gives the sums of aggregate.Totals their JSON names, from the
// names in Go: NoTTLKeys is no_ttl_keys. A sum added there appears here by itself.
func totalsFields(t *aggregate.Totals, f func(name string, sum *int64)) {
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if sum, ok := v.Field(i).Addr().Interface().(*int64); ok {
			f(snake(v.Type().Field(i).Name), sum)
		}
	}
}

func snake(s string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(s) && s[i] >= 'A' && s[i] <= 'Z' }
	for i := range len(s) {
		if upper(i) && i > 0 && (!upper(i-1) || i+1 < len(s) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(s[i] | 0x20)
	}
	return b.String()
}

func totalsJSON(t *aggregate.Totals) []byte {
	dst := []byte{'{'}
	totalsFields(t, func(name string, sum *int64) {
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = strconv.AppendInt(dst, *sum, 10)
	})
	return append(dst, '}')
}

func parseTotals(b []byte, t *aggregate.Totals) error {
	if len(b) == 0 {
		return nil
	}
	var sums map[string]json.RawMessage
	if err := json.Unmarshal(b, &sums); err != nil {
		return fmt.Errorf("totals: %w", err)
	}
	var err error
	totalsFields(t, func(name string, sum *int64) {
		if raw, ok := sums[name]; ok && err == nil {
			err = json.Unmarshal(raw, sum)
		}
	})
	return err
}

// writeJSON writes the report: a line per section, and a line per row of a
// table, so that two reports can be compared line by line.
func writeJSON(w io.Writer, r *Report) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	head := headOf(r)
	v := reflect.ValueOf(head).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if name == "notes" { // tables go before them
			if err := writeJSONTables(bw, r.Tables); err != nil {
				return err
			}
		}
		text, err := json.Marshal(v.Field(i).Interface())
		if err != nil {
			return err
		}
		sep := ",\n"
		if i == 0 {
			sep = "{\n"
		}
		bw.WriteString(sep + `"` + name + `":`)
		bw.Write(text)
	}
	bw.WriteString("\n}\n")
	return bw.Flush()
}

func writeJSONTables(bw *bufio.Writer, tables []aggregate.Table) error {
	bw.WriteString(",\n\"tables\":{")
	var dst []byte
	for i := range tables {
		if i > 0 {
			bw.WriteByte(',')
		}
		dst = append(dst[:0], '\n')
		dst = appendJSON(dst, tables[i].Name)
		dst = append(dst, ':')
		bw.Write(dst)
		if err := writeJSONTable(bw, &tables[i], len(tables[i].Rows)); err != nil {
			return err
		}
	}
	bw.WriteString("\n}")
	return nil
}

// writeJSONTable writes the head of a table and its first n rows.
func writeJSONTable(bw *bufio.Writer, t *aggregate.Table, n int) error {
	dst := append([]byte(nil), `{"title":`...)
	dst = appendJSON(dst, prose(t.Title))
	dst = append(dst, `,"columns":[`...)
	for i, c := range t.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendJSON(dst, c.Name)
		dst = append(dst, `,"kind":`...)
		dst = appendJSON(dst, kindName(c.Kind))
		dst = append(dst, `,"doc":`...)
		dst = append(appendJSON(dst, prose(c.Doc)), '}')
	}
	dst = append(dst, `],"notes":[`...)
	for i, note := range t.Notes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, prose(note))
	}
	bw.Write(append(dst, `],"rows":[`...))
	heads := make([][]byte, len(t.Columns))
	for i, c := range t.Columns {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		heads[i] = append(appendJSON([]byte{sep}, c.Name), ':')
	}
	for i, row := range t.Rows[:n] {
		dst = dst[:0]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '\n')
		for j := range t.Columns {
			dst = append(dst, heads[j]...)
			dst = appendJSONCell(dst, t.Columns[j].Kind, &row[j])
		}
		if len(t.Columns) == 0 {
			dst = append(dst, '{')
		}
		if _, err := bw.Write(append(dst, '}')); err != nil {
			return err
		}
	}
	_, err := bw.WriteString("]}")
	return err
}

func appendJSONCell(dst []byte, kind aggregate.Kind, c *aggregate.Cell) []byte {
	switch {
	case c.Null:
		return append(dst, "null"...)
	case kind == aggregate.Text || kind == aggregate.Name:
		return appendJSON(dst, clean(c.S))
	case kind == aggregate.Share:
		return appendShare(dst, c.F)
	case kind == aggregate.Time:
		return append(appendTime(append(dst, '"'), c.I), '"')
	}
	return strconv.AppendInt(dst, c.I, 10)
}

var kindNames = [...]string{
	aggregate.Text: "text", aggregate.Name: "name", aggregate.Count: "count", aggregate.Bytes: "bytes",
	aggregate.Share: "share", aggregate.Time: "time", aggregate.Seconds: "seconds", aggregate.Flag: "flag",
}

func kindName(k aggregate.Kind) string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "count"
}

func kindOf(name string) aggregate.Kind {
	for k, n := range kindNames {
		if n == name {
			return aggregate.Kind(k)
		}
	}
	return aggregate.Text
}

// ParseReport reads a report that the json format wrote. What a later release
// added under the same schema is passed over.
func ParseReport(rd io.Reader) (*Report, error) {
	r, err := parseReport(json.NewDecoder(rd))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return r, nil
}

func parseReport(d *json.Decoder) (*Report, error) {
	// The sections are gathered one by one, so that tables need not be held twice.
	var head bytes.Buffer
	var tables []aggregate.Table
	sawSchema := false
	err := eachField(d, func(name string) error {
		if name == "tables" {
			return eachField(d, func(name string) error {
				t, err := parseTable(d)
				if err != nil {
					return fmt.Errorf("table %q: %w", name, err)
				}
				t.Name = name
				tables = append(tables, t)
				return nil
			})
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if name == "schema" {
			var schema string
			if json.Unmarshal(raw, &schema) != nil || schema != Schema {
				return fmt.Errorf("its schema is %.80s, this program reads %q", raw, Schema)
			}
			sawSchema = true
		}
		sep := byte(',')
		if head.Len() == 0 {
			sep = '{'
		}
		head.WriteByte(sep)
		head.Write(appendJSON(nil, name))
		head.WriteByte(':')
		head.Write(raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !sawSchema {
		return nil, fmt.Errorf("it names no schema, so it is none of ours; expected %q", Schema)
	}
	head.WriteByte('}')
	var h jsonHead
	if err := json.Unmarshal(head.Bytes(), &h); err != nil {
		return nil, err
	}
	r, err := h.report()
	if err != nil {
		return nil, err
	}
	r.Tables = tables
	return r, nil
}

// eachField calls f with the name of every field of the object that comes
// next; f reads the value.
func eachField(d *json.Decoder, f func(name string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := tok.(string)
		if !ok {
			return errors.New("a field without a name")
		}
		if err := f(name); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

func delim(d *json.Decoder, want json.Delim) error {
	tok, err := d.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("found %v at byte %d, expected %v", tok, d.InputOffset(), want)
	}
	return nil
}

func parseTable(d *json.Decoder) (t aggregate.Table, err error) {
	index := map[string]int{}
	err = eachField(d, func(name string) error {
		switch name {
		case "title":
			return d.Decode(&t.Title)
		case "notes":
			if err := d.Decode(&t.Notes); err != nil || len(t.Notes) > 0 {
				return err
			}
			t.Notes = nil
			return nil
		case "columns":
			var columns []struct{ Name, Kind, Doc string }
			if err := d.Decode(&columns); err != nil {
				return err
			}
			for i, c := range columns {
				t.Columns = append(t.Columns, aggregate.Column{Name: c.Name, Kind: kindOf(c.Kind), Doc: c.Doc})
				index[c.Name] = i
			}
			return nil
		case "rows":
			if err := delim(d, '['); err != nil {
				return err
			}
			for d.More() {
				row := make([]aggregate.Cell, len(t.Columns))
				for i := range row {
					row[i].Null = true
				}
				if err := eachField(d, func(name string) error {
					i, ok := index[name]
					if !ok {
						var skip json.RawMessage
						return d.Decode(&skip)
					}
					return parseCell(d, t.Columns[i].Kind, &row[i])
				}); err != nil {
					return fmt.Errorf("row %d: %w", len(t.Rows), err)
				}
				t.Rows = append(t.Rows, row)
			}
			return delim(d, ']')
		}
		var skip json.RawMessage
		return d.Decode(&skip)
	})
	for i := range t.Rows {
		if err == nil && len(t.Rows[i]) != len(t.Columns) {
			err = errors.New("its rows come before its columns")
		}
	}
	return t, err
}

func parseCell(d *json.Decoder, kind aggregate.Kind, c *aggregate.Cell) (err error) {
	switch kind {
	case aggregate.Text, aggregate.Name:
		var s *string
		if err = d.Decode(&s); err == nil && s != nil {
			*c = aggregate.Cell{S: *s}
		}
	case aggregate.Share:
		var f *float64
		if err = d.Decode(&f); err == nil && f != nil {
			*c = aggregate.Cell{F: *f}
		}
	case aggregate.Time:
		var t *jsonTime
		if err = d.Decode(&t); err == nil && t != nil {
			*c = aggregate.Cell{I: int64(*t)}
		}
	default:
		var n *int64
		if err = d.Decode(&n); err == nil && n != nil {
			*c = aggregate.Cell{I: *n}
		}
	}
	return err
}
