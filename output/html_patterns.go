package output

import (
	"html/template"
	"slices"
	"strconv"

	"rdbaudit/aggregate"
)

// pagePatternColumns are the columns of the page's pattern table after the
// pattern itself, those that say something. What stands first stays on a phone.
var pagePatternColumns = []struct{ name, head string }{
	{"share", "share"}, {"bytes", "bytes"}, {"bytes_change", "change"}, {"growth", "growth"}, {"keys", "keys"}, {"keys_change", "keys' change"}, {"no_ttl_bytes", "no TTL"}, {"types", "types"},
	{"avg_bytes", "average"}, {"p50_bytes", "median"}, {"p99_bytes", "p99"}, {"max_bytes", "largest"}, {"ttl_p50_seconds", "median TTL"},
	{"status", "status"}, {"bytes_per_hour", "an hour"}, {"full_in_seconds", "full in"}, {"ttl_share", "with TTL"},
	{"encodings", "encodings"}, {"owner", "owner"},
	{"idle_p50_seconds", "median idle"}, {"expired_bytes", "expired"}, {"elements", "elements"}, {"field_ttl_keys", "field TTLs"},
}

type pagePatternTable struct {
	Count string
	Heads []pageHead
	Rows  []pagePatternRow // the largest; the script has more
	Notes []string
}

type pagePatternRow struct {
	Class, Prefix, Label string
	Cells                []pageCell
}

// Body is the rows as HTML.
func (t *pagePatternTable) Body() template.HTML {
	var b markup
	text, attr := b.text, b.attr
	for i := range t.Rows {
		row := &t.Rows[i]
		b.WriteString("\n<tr")
		attr("class", row.Class)
		b.WriteString(`><th scope="row"><span>`)
		text(row.Prefix)
		b.WriteString("</span>")
		text(row.Label)
		b.WriteString("</th>")
		for j := range row.Cells {
			c := &row.Cells[j]
			if c.Bar != "" {
				b.WriteString("<td><i")
				attr("class", c.Bar)
				b.WriteString("></i>")
			}
			b.WriteString("<td")
			attr("class", c.Class)
			attr("title", c.Title)
			b.WriteByte('>')
			text(c.Text)
		}
	}
	return template.HTML(b.String())
}

// patternPage is the pattern table: all rows that the page holds as data for
// the script, which makes rows and the treemap of them, and the largest as HTML
// for readers without it.
func patternPage(r *Report) (data []byte, out *pagePatternTable) {
	data = []byte(`{"patterns":`)
	v := r.view("patterns")
	if v == nil || len(v.Rows) == 0 || !v.has("pattern") || !v.has("bytes") {
		return append(data, "null}"...), nil
	}
	nodes := compactTree(v, patternTree(v))
	keep := pageNodes(v, nodes, pagePatterns, pagePatternBytes)
	if len(keep) == 0 { // the root alone
		return append(data, "null}"...), nil
	}
	plain := make(map[int]bool)
	for _, n := range pageNodes(v, nodes, pagePlain, pagePatternBytes/8) {
		plain[n] = true
	}
	out = &pagePatternTable{Heads: []pageHead{{Name: "pattern", Head: "pattern", Doc: prose(v.Columns[v.at["pattern"]].Doc)}}}
	data = strconv.AppendInt(append(data, `{"bytes":`...), r.Totals.Bytes, 10)
	data = append(data, `,"columns":[`...)
	var columns []string
	for _, c := range pagePatternColumns {
		i, ok := v.at[c.name]
		if !ok || c.name != "bytes" && !saysSomething(v, c.name) {
			continue
		}
		if len(columns) > 0 {
			data = append(data, ',')
		}
		data = append(appendJSON(append(data, '['), c.name), ',')
		data = append(appendJSON(data, kindName(v.Columns[i].Kind)), ']')
		columns = append(columns, c.name)
		out.Heads = append(out.Heads, pageHead{Name: c.name, Head: c.head, Doc: prose(v.Columns[i].Doc), Num: !isText(v.Columns[i].Kind), Bar: c.name == "share"})
	}
	largest := 0.0
	for _, n := range keep {
		largest = max(largest, v.share(nodes[n].row, "share"))
	}
	var parents, leaves, names, stems, most, rows []byte
	place := make(map[int]int, len(keep)) // of a node among those kept
	for at, n := range keep {
		place[n] = at
		row := nodes[n].row
		sep := byte(',')
		if at == 0 {
			sep = '['
		}
		parent, stem := -1, 0
		label := middle(v.text(row, "pattern"), pageName)
		if above := nodes[n].parent; above >= 0 {
			parent = place[above]
			if s := patternStem(v.str(nodes[above].row, "pattern")); len(label) > len(s) && label[:len(s)] == s {
				stem = len(s)
			}
		}
		names = appendJSON(append(names, sep), label)
		stems = strconv.AppendInt(append(stems, sep), int64(utf16Len(label[:stem])), 10)
		parents = strconv.AppendInt(append(parents, sep), int64(parent), 10)
		leaves = strconv.AppendInt(append(leaves, sep), v.int(row, "leaf"), 10)
		most = appendJSON(append(most, sep), middle(v.str(row, "max_key"), pageName/2))
		rows = append(rows, sep)
		for j, name := range columns {
			inner := byte(',')
			if j == 0 {
				inner = '['
			}
			rows = appendJSONCell(append(rows, inner), v.Columns[v.at[name]].Kind, v.cell(row, name))
		}
		rows = append(rows, ']')
		if plain[n] {
			out.Rows = append(out.Rows, patternRowOf(v, row, nodes[n].level, label, stem, columns, largest))
		}
	}
	data = append(append(data, `],"parents":`...), parents...)
	data = append(append(data, `],"leaf":`...), leaves...)
	data = append(append(data, `],"names":`...), names...)
	data = append(append(data, `],"stems":`...), stems...)
	data = append(append(data, `],"max_keys":`...), most...)
	data = append(append(data, `],"rows":`...), rows...)
	data = append(data, "]}}"...)
	out.Count = plural(int64(len(v.Rows)), "row")
	if left := len(nodes) - len(keep); left > 0 {
		out.Count = "the largest " + Count(int64(len(keep))) + " of " + plural(int64(len(v.Rows)), "row")
		out.Notes = append(out.Notes, plural(int64(left), "smaller row")+" are left out to keep the page small; the CSV (-o patterns.csv) has them all.")
	}
	for _, n := range v.Notes {
		out.Notes = append(out.Notes, prose(n))
	}
	return data, out
}

// patternRowOf is a row as people read it; the script makes the same of the data.
func patternRowOf(v *tableView, row, level int, label string, stem int, columns []string, largest float64) pagePatternRow {
	pr := pagePatternRow{Prefix: label[:stem], Label: label[stem:], Cells: make([]pageCell, 0, len(columns))}
	if level > 0 {
		pr.Class = "l" + strconv.Itoa(min(level, 8))
	}
	for _, name := range columns {
		pc := pageCell{Text: v.text(row, name)}
		switch name {
		case "share":
			pc.Bar = barClass(v.share(row, name) / max(largest, 1e-12))
		case "no_ttl_bytes":
			pc.Title = pc.Text
			pc.Text = Share(ratio(v.int(row, name), v.int(row, "bytes")))
		case "max_bytes":
			pc.Title = middle(v.str(row, "max_key"), pageName/2)
		}
		if isText(v.Columns[v.at[name]].Kind) {
			pc.Class = "t"
			// Shares of many types or encodings are cut to the column's width.
			if len(pc.Text) > 20 {
				pc.Title = pc.Text
			}
		}
		pr.Cells = append(pr.Cells, pc)
	}
	return pr
}

// utf16Len is the length of a text as scripts count it.
func utf16Len(s string) (n int) {
	for _, r := range s {
		if n++; r >= 0x10000 {
			n++
		}
	}
	return n
}

// pageNodes picks the largest nodes, so many and of so many bytes, in tree
// order. With a node come all that it is under, as these hold at least as much.
func pageNodes(v *tableView, nodes []patternNode, most, mostBytes int) []int {
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	bytes := v.ints("bytes")
	sortBy(order, func(i int) int64 { return -bytes[nodes[i].row] })
	var columns []int
	for _, c := range append(slices.Clone(pagePatternColumns), struct{ name, head string }{"pattern", ""}, struct{ name, head string }{"max_key", ""}) {
		if j, ok := v.at[c.name]; ok {
			columns = append(columns, j)
		}
	}
	keep := make([]bool, len(nodes))
	n, size := 0, 0
	for _, i := range order {
		var path []int
		for p := i; p >= 0 && !keep[p]; p = nodes[p].parent {
			path = append(path, p)
			size += pageRowBytes(v, nodes[p].row, columns)
		}
		if n += len(path); n > most || size > mostBytes {
			break
		}
		for _, p := range path {
			keep[p] = true
		}
	}
	var kept []int
	for i, k := range keep {
		if k {
			kept = append(kept, i)
		}
	}
	return kept
}

// pageRowBytes is more than a row takes in the page's data.
func pageRowBytes(v *tableView, row int, columns []int) int {
	n := 24
	for _, j := range columns {
		c := v.Columns[j]
		if s := v.Rows[row][j].S; isText(c.Kind) {
			most := len(s)
			if c.Kind == aggregate.Name { // cut to columns, of which only ASCII has one for each byte
				most = min(most, 8*pageName)
				if isASCII(s) {
					most = min(most, pageName)
				}
			}
			for k := range most {
				switch c := s[k]; {
				case c == '<' || c == '>' || c == '&':
					n += 6
				case c == '"' || c == '\\':
					n += 2
				default:
					n++
				}
			}
			n += 3
		} else {
			n += 12
		}
	}
	return n
}
