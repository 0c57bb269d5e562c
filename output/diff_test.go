package output

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// sampleDiff compares so many moments of keys with these names.
func sampleDiff(t testing.TB, moments int, names []string) *Diff {
	t.Helper()
	const day = 86400000
	start := int64(1714564800000)
	d := &Diff{
		Version: "v0.1.0", Measure: "allocated", MaxMemory: 1 << 30, Servers: 1, Used: 400 << 20, UsedFrom: "used-mem",
		Span:  aggregate.Span{Room: 1<<30 - 400<<20, HasRoom: true},
		Notes: []string{"a note of \x1b[31m <b>"}, Warnings: []string{"a warning of </script> \x00"},
	}
	var sides []*aggregate.Side
	seeds := aggregate.LargeSeeds()
	var large *aggregate.Large
	for m := range moments {
		o := &aggregate.Options{Now: start + int64(m)*day}
		set, err := aggregate.NewSet(o)
		if err != nil {
			t.Fatal(err)
		}
		keys := aggregate.NewLargeKeys(o, seeds)
		rng := rand.New(rand.NewPCG(7, uint64(m)))
		for i, name := range names {
			for k := range 20 {
				if i%5 == 4 && m == 0 || i%7 == 6 && m == moments-1 {
					continue // new, gone
				}
				r := estimate.Record{Key: fmt.Appendf(nil, "%s:%d", name, k), DB: uint64(i % 2), Type: estimate.String, Encoding: estimate.Raw, Elems: 1,
					Alloc: 100*int64(i+1) + int64(m)*int64(i-10)*rng.Int64N(20), Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Largest: -1}
				r.Alloc = max(r.Alloc, 16)
				if i%3 == 0 && m > 0 {
					r.Type, r.Encoding = estimate.Hash, estimate.Listpack
				}
				one := []estimate.Record{r}
				set.AddBatch(one)
				keys.AddBatch(one)
				if m == 0 && large != nil {
					large.LookUp(one)
				}
			}
		}
		if m == moments-1 {
			large = aggregate.NewLarge([]*aggregate.LargeKeys{keys})
		}
		rep := sampleReport()
		rep.Totals = *set.Totals()
		sides = append(sides, set.Patterns().Side())
		d.Span.Times = append(d.Span.Times, start+int64(m)*day)
		rep.Tables = set.Tables()
		name := fmt.Sprintf("backups/%d/dump.rdb", m+1)
		if len(names) > 0 {
			name += names[m%len(names)]
		}
		d.Moments = append(d.Moments, Moment{Name: name, From: "dumps", Time: start + int64(m)*day, Report: rep})
	}
	c, err := aggregate.CompareSides(sides)
	if err != nil {
		t.Fatal(err)
	}
	first, last := d.first().Report, d.last().Report
	totals := aggregate.Table{Name: "totals", Title: "In all", Columns: columns("metric text", "before count", "after count", "change count", "per_hour count", "full_in_seconds seconds")}
	for _, m := range []struct {
		name          string
		before, after int64
		full          any
	}{{"keys", first.Totals.Keys, last.Totals.Keys, nil}, {"bytes", first.Totals.Bytes, last.Totals.Bytes, 86400}} {
		totals.Rows = append(totals.Rows, row(m.name, m.before, m.after, m.after-m.before, (m.after-m.before)/24, m.full))
	}
	d.Tables = []aggregate.Table{totals, c.Changes(&d.Span), c.AppearedTable()}
	if moments > 2 {
		d.Tables = append(d.Tables, c.Series(&d.Span))
	}
	d.Tables = append(d.Tables, large.Risers(false), large.Risers(true))
	for _, j := range []aggregate.Join{
		{Name: "types", Title: "Types and encodings", ID: []string{"type", "encoding"}, Values: []string{"keys", "bytes", "elements"}},
		{Name: "databases", Title: "Databases", ID: []string{"database"}, Values: []string{"keys", "bytes"}},
	} {
		d.Tables = append(d.Tables, j.Tables(first.Table(j.Name), last.Table(j.Name)))
	}
	findings := aggregate.Join{Name: "findings", Title: "Findings", ID: []string{"finding", "pattern"}, Values: []string{"keys", "bytes", "saves"}}
	some := findingsTable()
	d.Tables = append(d.Tables, findings.Tables(nil, &some))
	d.Tables = append(d.Tables, aggregate.Table{Name: "settings", Title: "Servers and limits that changed", Columns: columns("setting text", "before text", "after text"), Rows: [][]aggregate.Cell{row("server", "redis 7.2.6", "<b>\x1b[31m")}})
	for i := range d.Moments {
		d.Moments[i].Report.Tables = nil
	}
	return d
}

func sampleDiffs(t testing.TB) map[string]*Diff {
	plain := []string{"user", "session", "cache:page", "queue", "job", "cart", "feed"}
	empty := sampleDiff(t, 2, nil)
	bare := sampleDiff(t, 2, plain)
	bare.Span = aggregate.Span{}
	return map[string]*Diff{
		"two": sampleDiff(t, 2, plain), "series": sampleDiff(t, 5, plain), "hostile": sampleDiff(t, 3, hostileNames), "empty": empty, "bare": bare,
	}
}

func renderDiff(t testing.TB, format string, d *Diff) string {
	t.Helper()
	f, ok := FormatByName(format)
	if !ok {
		t.Fatalf("no format %s", format)
	}
	var b bytes.Buffer
	if err := f.Diff(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoldenDiff(t *testing.T) {
	for name, d := range sampleDiffs(t) {
		for _, format := range []string{"text", "md", "html", "prom", "json"} {
			if name == "hostile" || (format == "html" || format == "json") && name != "series" {
				continue
			}
			golden(t, "diff-"+name+"."+format, strings.Replace(withoutAssets(renderDiff(t, format, d)), diffJS, "", 1))
		}
	}
}

// No format of a comparison passes on what a name would do to its reader.
func TestDiffInert(t *testing.T) {
	for name, d := range sampleDiffs(t) {
		checkInert(t, name, renderDiff(t, "html", d), diffHTML)
		for _, format := range []string{"text", "md", "prom", "csv", "csv:risers", "csv:types", "csv:totals"} {
			text := renderDiff(t, format, d)
			for _, r := range text {
				if r < ' ' && r != '\n' || r == 0x7f || r == 0x202e || r == 0x2028 || r == utf8.RuneError {
					t.Errorf("%s.%s has a %q", name, format, r)
					break
				}
			}
		}
		for line := range strings.Lines(renderDiff(t, "text", d)) {
			if displayWidth(strings.TrimRight(line, "\n")) > 80 {
				t.Errorf("%s: wider than 80: %s", name, line)
			}
		}
		checkMarkdown(t, renderDiff(t, "md", d))
		families, err := expfmtParse(renderDiff(t, "prom", d))
		if err != nil || families == 0 {
			t.Errorf("%s: %d metrics, %v", name, families, err)
		}
	}
}

func expfmtParse(text string) (int, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	return len(families), err
}

// Every comparison is as diff.schema.json says, with no field that it does not
// describe, and without any of its fields it is none.
func TestDiffSchema(t *testing.T) {
	schema := readSchema(t, "diff.schema.json")
	for name, d := range sampleDiffs(t) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(renderDiff(t, "json", d)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		whole := v.(map[string]any)
		moment := whole["moments"].([]any)[0].(map[string]any)
		for _, m := range []map[string]any{whole, moment} {
			for field, value := range m {
				delete(m, field)
				if schema.Validate(v) == nil {
					t.Errorf("%s: %s may be missing", name, field)
				}
				m[field] = value
			}
			m["one more"] = 1
			if schema.Validate(v) == nil {
				t.Errorf("%s: any field may be there", name)
			}
			delete(m, "one more")
		}
	}
}

// The page of a comparison draws its pictures, and neither asks for anything
// nor says anything on the console.
func TestBrowserDiff(t *testing.T) {
	parent := browser(t)
	for _, name := range []string{"series", "two", "hostile", "empty"} {
		b := openTab(t, parent)
		d := sampleDiffs(t)[name]
		b.openPage(renderDiff(t, "html", d))
		b.scheme(name == "two")
		if name == "empty" {
			b.wait(`document.readyState === "complete"`)
			b.clean()
			continue
		}
		b.wait(`document.getElementById("treemap").dataset.drawn === "yes"`)
		pictures := []string{"diverging"}
		if name != "two" {
			pictures = append(pictures, "lines")
		}
		for _, id := range pictures {
			eval[bool](b, fmt.Sprintf(`document.getElementById(%q).scrollIntoView(), true`, id))
			b.wait(fmt.Sprintf(`document.getElementById(%q).dataset.drawn === "yes"`, id))
		}
		// A bar's buttons draw anew; the rows of the table are those of the changes, with their signs.
		eval[bool](b, `document.querySelector("#bars figcaption button[data-pick=keys]").click(), true`)
		if n := eval[int](b, `document.querySelectorAll("#pt tbody tr").length`); n < 5 {
			t.Errorf("%s: %d rows of patterns", name, n)
		}
		if name != "hostile" {
			column := `[...document.querySelectorAll("#pt tbody tr")].map((r) => r.cells[4].textContent)`
			if !eval[bool](b, column+`.some((s) => s.startsWith("+")) && `+column+`.some((s) => s.startsWith("-"))`) {
				t.Errorf("%s: changes %v", name, eval[[]string](b, column))
			}
		}
		b.shots("diff-" + name)
		b.clean()
	}
}
