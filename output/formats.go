package output

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is one way to write a whole report, or a comparison.
type Format struct {
	Name  string
	Ext   string
	Doc   string
	Write func(io.Writer, *Report) error
	Diff  func(io.Writer, *Diff) error // nil: not of comparisons
}

var formats = []Format{
	{"text", ".txt", "summary for a terminal, 80 columns", func(w io.Writer, r *Report) error { return WriteText(w, r, TextOptions{}) },
		func(w io.Writer, d *Diff) error { return WriteDiffText(w, d, TextOptions{}) }},
	{"html", ".html", "one page for a browser, works offline", writeHTML, writeDiffHTML},
	{"json", ".json", "everything, for programs; `rdbaudit report` reads it back", writeJSON, writeDiffJSON},
	{"csv", ".csv", "the pattern table; csv:TABLE for any other", tableCSV("patterns"), ofDiff(tableCSV("changes"))},
	{"md", ".md", "summary for an issue or a wiki, Markdown", writeMarkdown, writeDiffMarkdown},
	{"parquet", ".parquet", "the pattern table; parquet:TABLE for any other", tableParquet("patterns"), ofDiff(tableParquet("changes"))},
	{"part", ".rdbaudit", "the sums themselves, for `rdbaudit merge`", writePart, nil},
	{"prom", ".prom", "metrics for Prometheus' textfile collector", writeProm, writeDiffProm},
}

// ofDiff writes a table of a comparison as the same table of a report is written.
func ofDiff(write func(io.Writer, *Report) error) func(io.Writer, *Diff) error {
	return func(w io.Writer, d *Diff) error { return write(w, d.asReport()) }
}

// writePart writes what the report was made of.
func writePart(w io.Writer, r *Report) error {
	if r.Part == nil {
		return errors.New("a part is made of dumps, or of other parts, not of a report")
	}
	return r.Part.Write(w)
}

// Formats lists the formats of reports, in the order of help texts.
func Formats() []Format { return formats }

// FormatByName finds a format: a name of Formats, csv:TABLE or parquet:TABLE.
func FormatByName(name string) (Format, bool) {
	if table, ok := strings.CutPrefix(name, "csv:"); ok && table != "" {
		return Format{name, ".csv", "table " + table, tableCSV(table), ofDiff(tableCSV(table))}, true
	}
	if table, ok := strings.CutPrefix(name, "parquet:"); ok && table != "" {
		return Format{name, ".parquet", "table " + table, tableParquet(table), ofDiff(tableParquet(table))}, true
	}
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// FormatByExt finds a format by the ending of a file's name, with its dot, in any case.
func FormatByExt(ext string) (Format, bool) {
	for _, f := range formats {
		if strings.EqualFold(f.Ext, ext) && ext != "" {
			return f, true
		}
	}
	return Format{}, false
}

func tableCSV(name string) func(io.Writer, *Report) error {
	return func(w io.Writer, r *Report) error {
		t := r.Table(name)
		if t == nil {
			return r.noTable(name)
		}
		return writeCSV(w, t)
	}
}

func (r *Report) noTable(name string) error {
	var names []string
	for i := range r.Tables {
		names = append(names, r.Tables[i].Name)
	}
	return fmt.Errorf("the report has no table %q; it has %s", name, strings.Join(names, ", "))
}
