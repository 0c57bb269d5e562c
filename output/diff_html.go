package output

import (
	"bufio"
	"html/template"
	"io"
	"slices"
	"strconv"

	"rdbaudit/aggregate"
)

const (
	pageBars  = 20
	pageLines = 40 // patterns of a series
)

type diffPage struct {
	*page
	Bars    bool
	BarsSay string
	Totals  [][6]string
	Series  *pageSeries
	Changed []pageChanged
	Moments []fact
}

type pageChanged struct{ Status, Title, Pattern, What string }

type pageSeries struct {
	Says  string
	Heads []string
	Rows  []pageSeriesRow
	Notes []string
}

type pageSeriesRow struct {
	Name  string
	Whole bool
	Cells []pageCell
}

// writeDiffHTML writes the comparison as one page that needs nothing but itself.
func writeDiffHTML(w io.Writer, d *Diff) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	if err := execute(bw, newDiffPage(d), reportHTML, diffHTML); err != nil {
		return err
	}
	return bw.Flush()
}

func newDiffPage(d *Diff) *diffPage {
	p := &diffPage{page: barePage(diffJS), Totals: d.totalRows()}
	names := d.names()
	p.Version, p.Warnings, p.Lead = prose(d.Version), d.firstLines(), d.lead()
	p.Title = middle(names[0], pageName/2) + " → " + middle(names[len(names)-1], pageName/2)
	p.Subtitle = d.asReport().measureName()
	if s := d.seconds(); s != 0 {
		p.Subtitle += ", " + Duration(s) + " apart"
	}
	for i := range d.Moments {
		if i == pageSources {
			p.Notes = append(p.Notes, "The first "+Count(pageSources)+" moments are listed; the JSON has all.")
			break
		}
		p.Moments = append(p.Moments, fact{middle(prose(d.Moments[i].Name), pageName), d.Moments[i].momentText(), d.Moments[i].Report.modelLine()})
	}
	for _, n := range d.Notes {
		p.Notes = append(p.Notes, prose(n))
	}
	p.cards(d)
	data, patterns := patternPage(d.patternReport())
	p.Patterns = patterns
	data = append(data[:len(data)-1], `,"diff":{"bars":`...)
	data, p.Bars = d.bars(data)
	data = append(data, `,"series":`...)
	data = p.lines(d, data)
	p.Data = template.JS(append(data, "}}"...))
	p.BarsSay = "the largest changes of patterns, not counting those above them"
	for _, f := range d.changedFindings() {
		if len(p.Changed) == pageCards {
			break
		}
		p.Changed = append(p.Changed, pageChanged{f.status, f.title, middle(f.pattern, pageName), f.what})
	}
	for _, name := range []string{"appeared", "risers", "fallers", "types", "databases", "settings"} {
		if v := d.view(name); v != nil {
			if t := changedRows(v); len(t.Rows) > 0 && !(name == "databases" && len(v.Rows) < 2) {
				out := tablePage(viewOf(t), pageRows)
				out.ID = "t-" + name
				p.Tables = append(p.Tables, out)
			}
		}
	}
	return p
}

// changedRows is a table without the rows that are the same, and without
// columns that only programs want.
func changedRows(v *tableView) *aggregate.Table {
	t := *v.Table
	drop := func(c aggregate.Column) bool {
		return c.Name == "rank" || c.Name == "elements_before" || c.Name == "elements_after" || c.Name == "database" && t.Name != "databases" && !saysSomething(v, "database")
	}
	t.Columns, t.Rows = slices.DeleteFunc(slices.Clone(t.Columns), drop), nil
	for i, row := range v.Rows {
		if v.str(i, "status") == "same" {
			continue
		}
		var cells []aggregate.Cell
		for j, c := range v.Columns {
			if !drop(c) {
				cells = append(cells, row[j])
			}
		}
		t.Rows = append(t.Rows, cells)
	}
	return &t
}

func (p *diffPage) cards(d *Diff) {
	before, after, row, v := d.total("bytes")
	p.Cards = append(p.Cards, fact{"Keys' memory", signedBytes(after - before), Bytes(before) + " → " + Bytes(after)})
	keysBefore, keysAfter, _, _ := d.total("keys")
	p.Cards = append(p.Cards, fact{"Keys", signedCount(keysAfter - keysBefore), Count(keysBefore) + " → " + Count(keysAfter)})
	if row >= 0 && !v.cell(row, "per_hour").Null {
		perHour := v.int(row, "per_hour")
		p.Cards = append(p.Cards, fact{"An hour", signedBytes(perHour), signedBytes(24*perHour) + " a day"})
	}
	if b, a, at, _ := d.total("used_mem_bytes"); at >= 0 {
		p.Cards = append(p.Cards, fact{"used-mem", signedBytes(a - b), Bytes(b) + " → " + Bytes(a)})
	}
	if d.Span.HasRoom {
		c := fact{"maxmemory", "not reached", Bytes(max(d.Span.Room, 0)) + " left of " + Bytes(d.MaxMemory*int64(d.Servers))}
		if d.Span.Room <= 0 {
			c.Value = "reached"
		}
		for i := range v.Rows {
			if full := v.cell(i, "full_in_seconds"); !full.Null && d.Span.Room > 0 {
				c.Name, c.Value = "Full in", Duration(full.I)
			}
		}
		p.Cards = append(p.Cards, c)
	}
	if a := d.view("appeared"); a != nil {
		counts := map[string]int64{}
		for i := range a.Rows {
			counts[a.str(i, "status")]++
		}
		p.Cards = append(p.Cards, fact{"Patterns", Count(counts["new"]) + " new", Count(counts["gone"]) + " gone"})
	}
}

// patternReport is the table of changes in the columns that the page's tree of
// patterns has, as a report.
func (d *Diff) patternReport() *Report {
	v := d.view("changes")
	_, total, _, _ := d.total("bytes")
	from := []struct{ name, column string }{
		{"pattern", "pattern"}, {"depth", "depth"}, {"leaf", "leaf"}, {"bytes", "bytes_after"}, {"bytes_change", "bytes_change"}, {"growth", "growth"},
		{"keys", "keys_after"}, {"keys_change", "keys_change"}, {"status", "status"}, {"bytes_per_hour", "bytes_per_hour"}, {"full_in_seconds", "full_in_seconds"},
		{"ttl_share", "ttl_share_after"}, {"avg_bytes", "avg_bytes_after"}, {"encodings", "encodings_after"}, {"owner", "owner"},
	}
	t := aggregate.Table{Name: "patterns", Notes: v.Notes}
	for _, f := range from {
		c := v.Columns[v.at[f.column]]
		c.Name = f.name
		t.Columns = append(t.Columns, c)
	}
	t.Columns = append(t.Columns, aggregate.Column{Name: "share", Kind: aggregate.Share, Doc: "bytes as a share of all, after"})
	for i := range v.Rows {
		var cells []aggregate.Cell
		for _, f := range from {
			cells = append(cells, *v.cell(i, f.column))
		}
		t.Rows = append(t.Rows, append(cells, aggregate.Cell{F: ratio(v.int(i, "bytes_after"), total)}))
	}
	return &Report{Tables: []aggregate.Table{t}, Totals: aggregate.Totals{Bytes: total}}
}

// bars are the largest changes as data for the script.
func (d *Diff) bars(dst []byte) ([]byte, bool) {
	v := d.view("changes")
	rows := d.changedLeaves()
	if len(rows) == 0 {
		return append(dst, "null"...), false
	}
	for at, i := range rows[:min(len(rows), pageBars)] {
		sep := byte(',')
		if at == 0 {
			sep = '['
		}
		dst = appendJSON(append(append(dst, sep), `{"name":`...), middle(v.text(i, "pattern"), pageName))
		dst = appendJSON(append(dst, `,"status":`...), v.str(i, "status"))
		for _, f := range [...][2]string{{"bytes", "bytes_change"}, {"keys", "keys_change"}, {"before", "bytes_before"}, {"after", "bytes_after"}, {"keysAfter", "keys_after"}} {
			dst = strconv.AppendInt(append(dst, `,"`+f[0]+`":`...), v.int(i, f[1]), 10)
		}
		dst = append(appendJSONCell(append(dst, `,"rate":`...), aggregate.Bytes, v.cell(i, "bytes_per_hour")), '}')
	}
	return append(dst, ']'), true
}

// lines is the series as a table, and as data for the script.
func (p *diffPage) lines(d *Diff, dst []byte) []byte {
	rows := d.shownSeries(pageLines)
	if rows == nil {
		return append(dst, "null"...)
	}
	names := d.names()
	p.Series = &pageSeries{Says: "the slope an hour is by least squares over all moments"}
	list := func(name string, n int, value func(i int)) {
		dst = append(dst, `"`+name+`":[`...)
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			value(i)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, '{')
	list("moments", len(names), func(i int) {
		head := middle(names[i], pageName/4)
		if t := d.Moments[i].Time; t != 0 {
			head = Time(t)
		}
		p.Series.Heads = append(p.Series.Heads, head)
		dst = appendJSON(dst, head)
	})
	if d.Span.Times == nil {
		dst = append(dst, `,"times":null`...)
	} else {
		dst = append(dst, ',')
		list("times", len(names), func(i int) { dst = strconv.AppendInt(dst, d.Span.Times[i], 10) })
	}
	dst = append(dst, ',')
	list("rows", len(rows), func(k int) {
		r := &rows[k]
		row := pageSeriesRow{Name: middle(r.pattern, pageName/2), Whole: r.whole}
		dst = strconv.AppendBool(append(appendJSON(append(dst, `{"name":`...), row.Name), `,"whole":`...), r.whole)
		dst = append(dst, ',')
		list("bytes", len(r.bytes), func(i int) {
			dst = strconv.AppendInt(dst, r.bytes[i], 10)
			row.Cells = append(row.Cells, pageCell{Text: Bytes(r.bytes[i]), Value: strconv.FormatInt(r.bytes[i], 10)})
		})
		dst = append(dst, ',')
		list("keys", len(r.keys), func(i int) { dst = strconv.AppendInt(dst, r.keys[i], 10) })
		slope := pageCell{Value: "0"}
		if r.sloped {
			slope = pageCell{Text: signedBytes(r.slope), Value: strconv.FormatInt(r.slope, 10)}
		}
		row.Cells = append(row.Cells, slope)
		dst = append(appendJSONCell(append(dst, `,"rate":`...), aggregate.Bytes, &aggregate.Cell{I: r.slope, Null: !r.sloped}), '}')
		p.Series.Rows = append(p.Series.Rows, row)
	})
	return append(dst, '}')
}
