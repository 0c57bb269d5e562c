package output

import (
	"bufio"
	"encoding/json"
	"io"
	"reflect"
)

// DiffSchema names the shape of the JSON of a comparison. Fields may be added
// under the same name; a change of what is there takes a new one.
const DiffSchema = "rdbaudit/diff/1"

type (
	jsonDiff struct {
		Schema    string         `json:"schema"`
		Program   jsonProgram    `json:"rdbaudit"`
		Measure   string         `json:"measure"`
		Filtered  string         `json:"filtered"`
		Moments   []jsonMoment   `json:"moments"`
		Seconds   *int64         `json:"seconds"` // from the first to the last; null: not known
		MaxMemory *jsonMaxMemory `json:"maxmemory"`
		Warnings  []string       `json:"warnings"`
		Notes     []string       `json:"notes"`
	}
	jsonMoment struct {
		Name    string          `json:"name"`
		From    string          `json:"from"`
		Time    *jsonTime       `json:"time"`
		Now     jsonTime        `json:"now"`
		Sources []jsonSource    `json:"sources"`
		Model   jsonModel       `json:"model"`
		Memory  jsonMemory      `json:"memory"`
		Totals  json.RawMessage `json:"totals"`
	}
	jsonMaxMemory struct {
		Bytes    int64  `json:"bytes"` // of one server
		Servers  int    `json:"servers"`
		Used     int64  `json:"used_bytes"`
		UsedFrom string `json:"used_from"`
		Room     int64  `json:"room_bytes"`
	}
)

func writeDiffJSON(w io.Writer, d *Diff) error {
	doc := &jsonDiff{
		Schema: DiffSchema, Program: jsonProgram{d.Version}, Measure: d.Measure, Filtered: d.Filtered,
		Warnings: append([]string{}, d.Warnings...), Notes: append([]string{}, d.Notes...),
		Seconds: known(d.seconds(), d.Span.Times != nil),
	}
	if d.Span.HasRoom {
		doc.MaxMemory = &jsonMaxMemory{d.MaxMemory, d.Servers, d.Used, d.UsedFrom, d.Span.Room}
	}
	for i := range d.Moments {
		m := &d.Moments[i]
		h := headOf(m.Report)
		doc.Moments = append(doc.Moments, jsonMoment{m.Name, m.From, (*jsonTime)(known(m.Time, m.Time != 0)), h.Now, h.Sources, h.Model, h.Memory, h.Totals})
	}
	v := reflect.ValueOf(doc).Elem()
	eachText(v, prose)
	bw := bufio.NewWriterSize(w, 64<<10)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if name == "warnings" { // tables go before the last two
			if err := writeJSONTables(bw, d.Tables); err != nil {
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
