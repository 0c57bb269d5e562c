package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"html"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func render(t *testing.T, format string, r *Report) string {
	t.Helper()
	f, ok := FormatByName(format)
	if !ok {
		t.Fatalf("no format %s", format)
	}
	var b bytes.Buffer
	if err := f.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// reportFormats are those that show a report, not what it was made of.
func reportFormats() []Format {
	return slices.DeleteFunc(slices.Clone(Formats()), func(f Format) bool { return f.Name == "part" })
}

// longPart is a part of some hundred bytes.
type longPart struct{}

func (longPart) Write(w io.Writer) error {
	_, err := w.Write(make([]byte, 1000))
	return err
}

// TestPartFormat: a part is what the report was made of, or an error.
func TestPartFormat(t *testing.T) {
	rep := sampleReport()
	f, _ := FormatByName("part")
	if err := f.Write(io.Discard, rep); err == nil {
		t.Error("a report without a part gives one")
	}
	rep.Part = longPart{}
	if got := render(t, "part", rep); len(got) != 1000 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*Report{"sample": sampleReport(), "empty": emptyReport(), "damaged": damagedReport()} {
		for _, f := range reportFormats() {
			t.Run(name+"."+f.Name, func(t *testing.T) {
				text := withoutAssets(render(t, f.Name, r))
				if f.Name == "parquet" {
					text = parquetText(t, text)
				}
				golden(t, name+"."+f.Name, text)
			})
		}
	}
}

// withoutAssets leaves out of a page what is the same in all and has files of its own.
func withoutAssets(page string) string {
	for _, asset := range []string{pageCharts, reportJS + drawJS, reportCSS + barRules(), html.EscapeString(pageNotices)} {
		page = strings.Replace(page, asset, "", 1)
	}
	return policyHash.ReplaceAllString(page, "sha256-")
}

var policyHash = regexp.MustCompile(`sha256-[A-Za-z0-9+/=]+`)

func TestFormats(t *testing.T) {
	for _, f := range Formats() {
		byName, ok := FormatByName(f.Name)
		byExt, ok2 := FormatByExt(strings.ToUpper(f.Ext))
		if !ok || !ok2 || byName.Name != f.Name || byExt.Name != f.Name || f.Doc == "" {
			t.Errorf("%s is not found by its name and extension", f.Name)
		}
		rep := sampleReport()
		rep.Part = longPart{}
		for n := range 3 {
			if err := f.Write(&brokenWriter{n * 100}, rep); err != errBroken {
				t.Errorf("%s: a full disk gives %v", f.Name, err)
			}
		}
	}
	if _, ok := FormatByName("csv:"); ok {
		t.Error("csv: without a table is a format")
	}
	if _, ok := FormatByExt(""); ok {
		t.Error("no extension is a format")
	}
	f, ok := FormatByName("csv:nosuch")
	if !ok {
		t.Fatal("csv:TABLE is no format")
	}
	if err := f.Write(&bytes.Buffer{}, sampleReport()); err == nil || !strings.Contains(err.Error(), "patterns") {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestCSVTables(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		r := randomReport(rng)
		for _, table := range r.Tables {
			if len(table.Columns) == 0 {
				continue
			}
			rows, err := csv.NewReader(strings.NewReader(render(t, "csv:"+table.Name, r))).ReadAll()
			if err != nil || len(rows) != len(table.Rows)+1 {
				t.Fatalf("%s: %d rows of %d, %v", table.Name, len(rows), len(table.Rows), err)
			}
			for _, row := range rows[1:] {
				for _, f := range row {
					if f != "" && f != "-" && strings.ContainsRune("=+@-\t", rune(f[0])) {
						t.Errorf("%s: field %q starts a formula", table.Name, f)
					}
				}
			}
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	check := func(r *Report) {
		t.Helper()
		first := render(t, "json", r)
		if !json.Valid([]byte(first)) {
			t.Fatalf("not JSON: %s", first)
		}
		back, err := ParseReport(strings.NewReader(first))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range reportFormats() {
			if a, b := render(t, f.Name, r), render(t, f.Name, back); a != b {
				t.Fatalf("%s of what was read back differs: %s", f.Name, firstDiff(b, a))
			}
		}
	}
	check(sampleReport())
	check(emptyReport())
	check(damagedReport())
	rng := rand.New(rand.NewPCG(9, 10))
	for range 30 {
		check(randomReport(rng))
	}

	r := sampleReport()
	for i := range r.Tables {
		for _, row := range r.Tables[i].Rows {
			for j := range row { // JSON holds clean texts and six decimals
				row[j].S, row[j].F = clean(row[j].S), roundShare(row[j].F)
			}
		}
	}
	for i := range r.Warnings {
		r.Warnings[i] = prose(r.Warnings[i])
	}
	back, err := ParseReport(strings.NewReader(render(t, "json", r)))
	if err != nil || !reflect.DeepEqual(r, back) {
		t.Errorf("read back: %v\n%+v\n%+v", err, r, back)
	}
}

// Every figure of the report is in the JSON under its own name.
func TestJSONShape(t *testing.T) {
	var v struct {
		Schema   string
		Now      string
		Rdbaudit struct{ Version string }
		Sources  []map[string]any
		Model    map[string]any
		Memory   map[string]any
		Totals   map[string]any
		Tables   map[string]struct {
			Columns []struct{ Name, Kind string }
			Rows    []map[string]any
		}
		Warnings, Notes []string
	}
	if err := json.Unmarshal([]byte(render(t, "json", sampleReport())), &v); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"keys_bytes": float64(total), "tables_bytes": 510_000_000, "startup_bytes": 880_000,
		"estimate_bytes": float64(total + 510_880_000), "dump_used_mem": 19_800_000_000, "expected_share": 0.0123} {
		if v.Memory[name] != want {
			t.Errorf("memory.%s = %v, want %v", name, v.Memory[name], want)
		}
	}
	if v.Totals["no_ttl_keys"] != 4_923_456.0 || v.Totals["field_ttl_keys"] != 0.0 || v.Totals["ttl_bytes"] == nil {
		t.Errorf("totals %v", v.Totals)
	}
	if v.Schema != Schema || v.Now != "2024-05-01T12:00:00.000Z" || v.Rdbaudit.Version != "v0.1.0" || len(v.Sources) != 2 || v.Sources[1]["used_mem"] != nil {
		t.Errorf("head %+v", v)
	}
	if p := v.Tables["patterns"]; len(p.Columns) != 22 || p.Rows[2]["pattern"] != "session:{uuid}" || p.Rows[2]["leaf"] != 1.0 || p.Rows[2]["ttl_p50_seconds"] != nil {
		t.Errorf("patterns %+v", v.Tables["patterns"].Rows[2])
	}
}

func TestParseReportErrors(t *testing.T) {
	good := render(t, "json", sampleReport())
	for _, s := range []string{"", "{}", "[]", "null", `{"schema":"rdbaudit/report/2"}`, `{"schema":1}`, `{"tables":{}}`, "REDIS0011",
		`{"schema":"rdbaudit/report/1","now":"yesterday"}`, `{"schema":"rdbaudit/report/1","tables":{"a":1}}`,
		`{"schema":"rdbaudit/report/1","totals":[]}`,
		`{"schema":"rdbaudit/report/1","tables":{"a":{"rows":[{}],"columns":[{"name":"x","kind":"text"}]}}}`,
		`{"schema":"rdbaudit/report/1","tables":{"a":{"columns":[{"name":"x","kind":"count"}],"rows":[{"x":"y"}]}}}`,
	} {
		if r, err := ParseReport(strings.NewReader(s)); err == nil || r != nil {
			t.Errorf("%q was read as a report: %v", s, r)
		}
	}
	for n := 0; n < len(good)-2; n += 97 {
		if _, err := ParseReport(strings.NewReader(good[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes were read as a report", n, len(good))
		}
	}
	// What a later release adds is passed over.
	later := strings.Replace(good, `{"pattern":`, `{"new":[{}],"pattern":`, 1)
	later = strings.Replace(later, `"now":`, `"new":{"a":[1]},"now":`, 1)
	if back, err := ParseReport(strings.NewReader(later)); err != nil || render(t, "json", back) != good {
		t.Errorf("a later report: %v", err)
	}
}

func FuzzParseReport(f *testing.F) {
	var b bytes.Buffer
	for _, r := range []*Report{sampleReport(), emptyReport(), damagedReport()} {
		b.Reset()
		if err := writeJSON(&b, r); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReport(bytes.NewReader(data))
		if (r == nil) == (err == nil) {
			t.Fatal("a report or an error, not both or none")
		}
		if err != nil {
			return
		}
		for _, f := range reportFormats() {
			var b bytes.Buffer
			if err := f.Write(&b, r); err != nil && f.Name != "csv" && f.Name != "parquet" { // there may be no such table
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	})
}
