package output

import (
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"rdbaudit/aggregate"
)

// A number that stands in two outputs is the same in both: CSV, JSON and what
// the page's script reads. (Parquet is held to CSV in TestParquet, and words for
// people come of one set of functions, in the page's script too: TestBrowserNumbers.)
func TestSameNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(61, 62))
	reports := []*Report{sampleReport(), damagedReport(), emptyReport()}
	for range 10 {
		reports = append(reports, randomReport(rng))
	}
	compared := 0
	for _, r := range reports {
		var doc struct {
			Totals map[string]json.Number
			Tables map[string]struct {
				Rows []map[string]json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(render(t, "json", r)), &doc); err != nil {
			t.Fatal(err)
		}
		for i := range r.Tables {
			table := &r.Tables[i]
			if len(table.Columns) == 0 {
				continue
			}
			rows, err := csv.NewReader(strings.NewReader(render(t, "csv:"+table.Name, r))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			inJSON := doc.Tables[table.Name].Rows
			if len(rows)-1 != len(inJSON) {
				t.Fatalf("%s: %d rows in CSV, %d in JSON", table.Name, len(rows)-1, len(inJSON))
			}
			for k, row := range rows[1:] {
				for j, c := range table.Columns {
					raw := string(inJSON[k][c.Name])
					want := strings.Trim(raw, `"`)
					if isText(c.Kind) && c.Kind != aggregate.Flag && c.Kind != aggregate.Time {
						json.Unmarshal([]byte(raw), &want)
					}
					if raw == "null" {
						want = ""
					}
					if row[j] != want {
						t.Errorf("%s row %d: %s is %q in CSV, %s in JSON", table.Name, k, c.Name, row[j], raw)
					}
					compared++
				}
			}
			// Tables of the page; those cut short have the first rows.
			v := viewOf(table)
			for k, row := range tablePage(v, pageRows).Rows {
				at := 0
				for j, c := range table.Columns {
					if !saysSomething(v, c.Name) && j > 0 {
						continue
					}
					if cell := row.Cells[at]; cell.Value != "" && cell.Value != string(inJSON[k][c.Name]) {
						t.Errorf("%s row %d: %s is %s in HTML, %s in JSON", table.Name, k, c.Name, cell.Value, inJSON[k][c.Name])
					}
					at++
				}
			}
		}

		// The pattern rows of the page are rows of the table.
		data, page := patternPage(r)
		if page == nil {
			continue
		}
		var d struct {
			Patterns struct {
				Columns [][2]string
				Rows    [][]json.RawMessage
			}
		}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		id := func(cell func(j int, name string) string) string {
			var b strings.Builder
			for j, c := range d.Patterns.Columns {
				b.WriteString(cell(j, c[0]) + "\x00")
			}
			return b.String()
		}
		for _, row := range doc.Tables["patterns"].Rows {
			known[id(func(_ int, name string) string { return string(row[name]) })] = true
		}
		for k, row := range d.Patterns.Rows {
			if !known[id(func(j int, _ string) string { return string(row[j]) })] {
				t.Errorf("row %d of the page is no row of the table", k)
			}
			compared++
		}
	}
	if compared < 10_000 {
		t.Errorf("only %d compared", compared)
	}
}
