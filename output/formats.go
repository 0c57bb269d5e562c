package output

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is one way to write a whole report.
type Format struct {
	Name  string
	Ext   string
	Doc   string
	Write func(io.Writer, *Report) error
}

var formats = []Format{
	{"text", ".txt", "summary for a terminal, 80 columns", func(w io.Writer, r *Report) error { return WriteText(w, r, TextOptions{}) }},
	{"html", ".html", "one page for a browser, works offline", writeHTML},
	{"json", ".json", "everything, for programs; `rdbaudit report` reads it back", writeJSON},
	{"csv", ".csv", "the pattern table; csv:TABLE for any other", tableCSV("patterns")},
	{"md", ".md", "summary for an issue or a wiki, Markdown", writeMarkdown},
	{"parquet", ".parquet", "the pattern table; parquet:TABLE for any other", tableParquet("patterns")},
	{"part", ".rdbaudit", "the sums themselves, for `rdbaudit merge`", writePart},
	{"prom", ".prom", "metrics for Prometheus' textfile collector", writeProm},
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
		return Format{name, ".csv", "table " + table, tableCSV(table)}, true
	}
	if table, ok := strings.CutPrefix(name, "parquet:"); ok && table != "" {
		return Format{name, ".parquet", "table " + table, tableParquet(table)}, true
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
