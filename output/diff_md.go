package output

import (
	"bufio"
	"io"
	"strings"
)

// writeDiffMarkdown writes the comparison for a ticket or a wiki.
func writeDiffMarkdown(w io.Writer, d *Diff) error {
	p := &markdownPage{bufio.NewWriter(w)}
	lines := d.firstLines()
	for i, line := range lines {
		if i > 0 {
			p.line(">")
		}
		p.line("> **!** " + mdText(line))
	}
	if len(lines) > 0 {
		p.line("")
	}
	names := d.names()
	p.line("## " + mdName(names[0]) + " → " + mdName(names[len(names)-1]))
	p.line("")
	p.para(d.lead())
	for i := range d.Moments[:min(len(d.Moments), markdownRows)] {
		p.line("- " + mdName(names[i]) + ": " + mdText(d.Moments[i].momentText()))
	}
	if left := len(d.Moments) - markdownRows; left > 0 {
		p.line("- and " + plural(int64(left), "moment") + " more")
	}
	p.head("In all", d.asReport().measureName())
	p.rule("", "before:", "after:", "change:", "in percent:", "an hour:")
	for _, row := range d.totalRows() {
		p.row(mdText(row[0]), row[1], row[2], "**"+mdText(row[3])+"**", mdText(row[4]), mdText(row[5]))
	}
	d.markdownPatterns(p)
	d.markdownSeries(p)
	if v := d.view("appeared"); v != nil && len(v.Rows) > 0 {
		p.head("New and vanished patterns", "")
		p.rule("pattern", "", "keys:", "bytes:")
		for i := range v.Rows[:min(len(v.Rows), markdownRows)] {
			p.row(mdName(v.text(i, "pattern")), mdText(v.str(i, "status")), v.text(i, "keys"), v.text(i, "bytes"))
		}
		p.notes(v.Notes)
	}
	for _, name := range []string{"risers", "fallers"} {
		v := d.view(name)
		if v == nil || len(v.Rows) == 0 {
			continue
		}
		p.head(prose(v.Title), "")
		p.rule("key", "", "change:", "before:", "after:", "type", "encoding")
		for i := range v.Rows[:min(len(v.Rows), markdownKeys)] {
			p.row(mdName(v.text(i, "key")), mdText(v.str(i, "status")), mdText(signedBytes(v.int(i, "bytes_change"))), v.text(i, "bytes_before"), v.text(i, "bytes_after"),
				mdText(v.str(i, "type")), mdText(v.encodings(i)))
		}
		p.notes(v.Notes)
	}
	if v := d.view("types"); v != nil {
		headed := false
		for i := range v.Rows {
			if v.str(i, "status") == "same" {
				continue
			}
			if !headed {
				p.head("Types and encodings that changed", "")
				p.rule("type", "encoding", "keys:", "change:", "bytes:", "change:")
				headed = true
			}
			p.row(mdText(v.text(i, "type")), mdText(v.text(i, "encoding")), v.text(i, "keys_after"), mdText(signedCount(v.int(i, "keys_change"))),
				v.text(i, "bytes_after"), mdText(signedBytes(v.int(i, "bytes_change"))))
		}
	}
	if list := d.changedFindings(); len(list) > 0 {
		p.head("Findings", "new and gone")
		for _, f := range list[:min(len(list), markdownFindings)] {
			line := "- " + f.status + ": **" + mdText(f.title) + "**"
			if f.pattern != "" {
				line += " " + mdName(f.pattern)
			}
			p.line(line + ", " + mdText(f.what))
		}
		if left := len(list) - markdownFindings; left > 0 {
			p.line("")
			p.line("and " + Count(int64(left)) + " more; the JSON has all.")
		}
	}
	if v := d.view("settings"); v != nil && len(v.Rows) > 0 {
		p.head(prose(v.Title), "")
		p.rule("", "before", "after")
		for i := range v.Rows {
			p.row(mdText(v.str(i, "setting")), mdText(v.text(i, "before")), mdText(v.text(i, "after")))
		}
	}
	if len(d.Notes) > 0 {
		p.head("Notes", "")
		for _, n := range d.Notes {
			p.line("- " + mdText(prose(n)))
		}
	}
	p.line("")
	p.line("<sub>rdbaudit " + mdText(prose(d.Version)) + "</sub>")
	return p.w.Flush()
}

func (d *Diff) markdownPatterns(p *markdownPage) {
	v := d.view("changes")
	rows := d.changedLeaves()
	if len(rows) == 0 {
		return
	}
	p.head("Patterns that changed", "")
	rates, full := saysSomething(v, "bytes_per_hour"), saysSomething(v, "full_in_seconds")
	heads := []string{"pattern", "", "change:", "in percent:", "before:", "after:", "keys:", "with TTL:"}
	if rates {
		heads = append(heads, "an hour:")
	}
	if full {
		heads = append(heads, "full in:")
	}
	p.rule(heads...)
	for _, i := range rows[:min(len(rows), markdownPatterns)] {
		n := v.int(i, "bytes_change")
		cells := []string{mdName(v.text(i, "pattern")), mdText(v.str(i, "status")), "**" + mdText(signedBytes(n)) + "**", mdText(growthText(n, v.int(i, "bytes_before"))),
			v.text(i, "bytes_before"), v.text(i, "bytes_after"), mdText(signedCount(v.int(i, "keys_change"))), mdText(v.moved(i, "ttl_share"))}
		if rates {
			cells = append(cells, mdText(signedBytes(v.int(i, "bytes_per_hour"))))
		}
		if full {
			cells = append(cells, v.text(i, "full_in_seconds"))
		}
		p.row(cells...)
	}
	if left := len(rows) - markdownPatterns; left > 0 {
		p.line("")
		p.line("and " + plural(int64(left), "smaller change") + ".")
	}
	p.notes(v.Notes)
}

func (d *Diff) markdownSeries(p *markdownPage) {
	rows := d.shownSeries(markdownPatterns)
	if rows == nil {
		return
	}
	names := d.names()
	const most = 12 // columns that a page has room for: the first, the last, and some between
	var columns []int
	for i := range min(len(names), most) {
		columns = append(columns, i*(len(names)-1)/max(min(len(names), most)-1, 1))
	}
	p.head("Over time", plural(int64(len(names)), "moment"))
	heads := []string{"pattern", "trend"}
	for _, i := range columns {
		head := mdName(names[i])
		if t := d.Moments[i].Time; t != 0 {
			head = strings.Replace(strings.TrimSuffix(Time(t), "Z"), "T", " ", 1)
		}
		heads = append(heads, head+":")
	}
	p.rule(append(heads, "an hour:")...)
	for _, r := range rows {
		cells := []string{mdName(r.pattern), spark(r.bytes, 16)}
		if r.whole {
			cells[0] = "**all keys**"
		}
		for _, i := range columns {
			cells = append(cells, Bytes(r.bytes[i]))
		}
		slope := ""
		if r.sloped {
			slope = signedBytes(r.slope)
		}
		p.row(append(cells, mdText(slope))...)
	}
}
