package output

import (
	"slices"
	"strings"

	"rdbaudit/aggregate"
)

// nobody stands for the owner of what no rule names.
const nobody = "(nobody)"

// ownersOf is the table of owners, nil if the rules name none.
func ownersOf(r *Report) *tableView {
	v := r.view("owners")
	if v == nil || len(v.Rows) == 0 {
		return nil
	}
	return v
}

func ownerText(v *tableView, row int) string {
	if s := ownerName(v.cell(row, "owner").S); s != "" {
		return s
	}
	return nobody
}

// ownerName is an owner for people, to whom @team should read like that: what
// only spreadsheets act upon is not escaped, nor left so by a report read back.
func ownerName(s string) string {
	s = clean(s)
	for _, c := range "=+-@" {
		if rest, ok := strings.CutPrefix(s, string(appendHex(nil, byte(c)))); ok {
			return string(c) + rest
		}
	}
	return s
}

// owners shows what each owner of patterns holds.
func (p *textPage) owners() {
	v := ownersOf(p.r)
	if v == nil {
		return
	}
	p.head("owners", p.r.measureName())
	g := grid{columns: []gridColumn{
		{head: "owner", flex: true}, {bar: true, drop: 2}, {head: "share", right: true}, {head: "bytes", right: true},
		{head: "keys", right: true}, {head: "no TTL", right: true, drop: 3}, {right: true, drop: 4},
	}}
	if saysSomething(v, "expired_bytes") {
		g.columns[len(g.columns)-1].head = "expired"
	}
	largest := int64(0)
	for row := range v.Rows {
		largest = max(largest, v.int(row, "bytes"))
	}
	top := p.top(10)
	for row := range v.Rows {
		if row == top {
			break
		}
		st := cyan
		if v.cell(row, "owner").S == "" {
			st = dim
		}
		expired := ""
		if n := v.int(row, "expired_bytes"); n > 0 {
			expired = Bytes(n)
		}
		g.row(
			gridCell{text: ownerText(v, row), st: st}, gridCell{share: ratio(v.int(row, "bytes"), largest), whole: 1},
			gridCell{text: v.text(row, "share")}, gridCell{text: v.text(row, "bytes"), st: bold}, gridCell{text: v.text(row, "keys")},
			gridCell{text: Share(ratio(v.int(row, "no_ttl_bytes"), v.int(row, "bytes")))}, gridCell{text: expired},
		)
	}
	p.grid(&g, "  ")
	if left := len(v.Rows) - top; left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more; -o csv:owners=PATH has them all", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

func (p *markdownPage) owners(r *Report) {
	v := ownersOf(r)
	if v == nil {
		return
	}
	p.head("Owners", r.measureName())
	p.rule("owner", "share:", "bytes:", "keys:", "no TTL:", "expired:", "largest key")
	for row := range v.Rows[:min(len(v.Rows), markdownRows)] {
		largest := ""
		if !v.cell(row, "max_key").Null {
			largest = mdName(v.text(row, "max_key"))
		}
		p.row(mdText(middle(ownerText(v, row), markdownName)), mdText(v.text(row, "share")), v.text(row, "bytes"), v.text(row, "keys"),
			mdText(Share(ratio(v.int(row, "no_ttl_bytes"), v.int(row, "bytes")))), v.text(row, "expired_bytes"), largest)
	}
	if left := len(v.Rows) - markdownRows; left > 0 {
		p.line("")
		p.line("and " + plural(int64(left), "smaller owner") + ".")
	}
	p.notes(v.Notes)
}

// readableOwners is the table with owners as people read them.
func readableOwners(v *tableView) *tableView {
	at, ok := v.at["owner"]
	if !ok {
		return v
	}
	out := *v.Table
	out.Rows = make([][]aggregate.Cell, len(v.Rows))
	for i, row := range v.Rows {
		out.Rows[i] = slices.Clone(row)
		out.Rows[i][at] = aggregate.Cell{S: ownerText(v, i)}
	}
	return viewOf(&out)
}
