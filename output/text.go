package output

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"rdbaudit/aggregate"
)

// TextOptions shape the summary for a terminal.
type TextOptions struct {
	Width int  // columns; 0 is 80, less than 40 is 40
	Color bool // ANSI colours
	Top   int  // rows of the lists of patterns and of largest keys; 0 is 20 and 10
}

// WriteText writes the summary for a terminal. No line is wider than the
// terminal, and the warnings come first.
func WriteText(w io.Writer, r *Report, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	p := &textPage{w: bufio.NewWriter(w), r: r, o: o}
	for _, section := range []func(){p.warnings, p.sources, p.leads, p.memory, p.patterns, p.owners, p.largest, p.eviction, p.findings, p.tables, p.notes} {
		section()
	}
	return p.w.Flush()
}

type textPage struct {
	w *bufio.Writer
	r *Report
	o TextOptions
	n int // sections written
}

func (p *textPage) top(usual int) int {
	if p.o.Top > 0 {
		return p.o.Top
	}
	return usual
}

type style uint8

const (
	normal style = iota
	bold
	dim
	red
	yellow
	cyan
	blue
)

var styleCodes = [...]string{bold: "1", dim: "2", red: "1;31", yellow: "33", cyan: "36", blue: "34"}

// styled colours a text. Spaces at its end stay outside of the codes, so that
// what is cut off the end of a line is the same with colours and without.
func (p *textPage) styled(s string, st style) string {
	text := strings.TrimRight(s, " ")
	if !p.o.Color || st == normal || text == "" {
		return s
	}
	return "\x1b[" + styleCodes[st] + "m" + text + "\x1b[0m" + s[len(text):]
}

func (p *textPage) line(s string) {
	p.w.WriteString(strings.TrimRight(s, " "))
	p.w.WriteByte('\n')
}

// space parts a section from the one before.
func (p *textPage) space() {
	if p.n++; p.n > 1 {
		p.w.WriteByte('\n')
	}
}

// head starts a section with its title and a remark on the right.
func (p *textPage) head(title, remark string) {
	p.space()
	title = middle(strings.ToUpper(title), p.o.Width)
	room := p.o.Width - displayWidth(title) - 2
	if remark == "" || room < 8 {
		p.line(p.styled(title, bold))
		return
	}
	p.line(p.styled(title, bold) + "  " + p.styled(padLeft(remark, room), dim))
}

// para writes a paragraph, wrapped, its first line after mark and the others
// under it.
func (p *textPage) para(mark string, spans []span, plainStyle style) {
	indent := displayWidth(mark)
	type word struct {
		text string
		st   style
		glue bool // no space before it
	}
	var words []word
	glue := true
	for _, s := range spans {
		st := plainStyle
		switch s.Role {
		case figure:
			st = bold
		case name:
			// A name is one word, whatever it holds.
			words = append(words, word{s.Text, cyan, glue})
			glue = true
			continue
		}
		rest := s.Text
		for rest != "" {
			trimmed := strings.TrimLeft(rest, " ")
			glue = glue && len(trimmed) == len(rest)
			rest = trimmed
			if rest == "" {
				break
			}
			end := strings.IndexByte(rest, ' ')
			if end < 0 {
				end = len(rest)
			}
			words = append(words, word{rest[:end], st, glue})
			rest = rest[end:]
			glue = rest == ""
		}
	}
	room := p.o.Width - indent
	var line strings.Builder
	sign := strings.TrimRight(mark, " ")
	line.WriteString(p.styled(sign, plainStyle))
	line.WriteString(mark[len(sign):])
	used := 0
	for i, w := range words {
		// A word and what is glued to it stay together.
		need := 0
		for j := i; j < len(words) && (j == i || words[j].glue); j++ {
			need += displayWidth(words[j].text)
		}
		text := w.text
		if i == 0 || !w.glue {
			if used > 0 && used+1+need > room {
				p.line(line.String())
				line.Reset()
				line.WriteString(strings.Repeat(" ", indent))
				used = 0
			} else if used > 0 {
				line.WriteByte(' ')
				used++
			}
		}
		tail := need - displayWidth(text)
		text = middle(text, max(room-used-min(tail, room/4), 1))
		if used >= room {
			text = ""
		}
		line.WriteString(p.styled(text, w.st))
		used += displayWidth(text)
	}
	p.line(line.String())
}

func (p *textPage) warnings() {
	lines := p.r.firstLines()
	if len(lines) == 0 {
		return
	}
	p.space()
	for _, line := range lines {
		p.para("! ", []span{{line, plain}}, red)
	}
}

const shownSources = 12

func (p *textPage) sources() {
	r := p.r
	p.space()
	if len(r.Sources) == 1 {
		s := &r.Sources[0]
		p.line(p.styled(middle(prose(s.Path), p.o.Width), bold))
		server := serverName(s.Server)
		if s.Format != "" {
			server += " (" + prose(s.Format) + ")"
		}
		p.para("  ", []span{{server + ", " + s.createdText() + ", " + s.sizeText() + ", " + s.checksumText(), plain}}, normal)
		p.trailing(s)
	} else if len(r.Sources) > 1 {
		g := grid{columns: []gridColumn{{head: plural(int64(len(r.Sources)), "dump"), flex: true}, {head: "server", drop: 2}, {head: "saved", drop: 3}, {head: "size", right: true}, {head: "keys", right: true}, {head: "checksum", drop: 1}}}
		for i := range r.Sources {
			s := &r.Sources[i]
			if i == shownSources {
				break
			}
			saved := ""
			if s.Created != 0 {
				saved = Time(s.Created)
			}
			st := normal
			if s.Error != "" {
				st = red
			}
			g.row(gridCell{text: prose(s.Path), st: st}, gridCell{text: serverName(s.Server)}, gridCell{text: saved}, gridCell{text: Bytes(s.Bytes)}, gridCell{text: Count(s.Keys)}, gridCell{text: prose(s.Checksum)})
		}
		p.grid(&g, "")
		if n := len(r.Sources) - shownSources; n > 0 {
			p.para("  ", []span{{"and " + Count(int64(n)) + " more", plain}}, dim)
		}
		if t := r.Table("dumps"); t != nil {
			p.tableNotes(t)
		}
		for i := range r.Sources[:min(len(r.Sources), shownSources)] {
			p.trailing(&r.Sources[i])
		}
	}
	keys := plural(r.Totals.Keys, "key")
	if t := r.Table("databases"); t != nil && len(t.Rows) > 0 {
		keys += " in " + plural(int64(len(t.Rows)), "database")
	}
	keys += ", " + Bytes(r.Totals.Bytes) + " " + r.measureName()
	if r.Now != 0 {
		keys += ", as of " + r.moments()
		if r.NowFrom != "" {
			keys += " (" + prose(r.NowFrom) + ")"
		}
	}
	p.para("  ", []span{{keys, plain}}, normal)
}

func (p *textPage) trailing(s *Source) {
	// Damage is among the first lines, and a warning may have told what follows.
	if s.Trailing == "" || slices.ContainsFunc(p.r.Warnings, func(w string) bool { return strings.Contains(w, s.Trailing) }) {
		return
	}
	path := ""
	if len(p.r.Sources) > 1 {
		path = prose(s.Path) + ": "
	}
	p.para("  ", []span{{path + prose(s.Trailing), plain}}, yellow)
}

func (p *textPage) leads() {
	p.space()
	var all []span
	for i, s := range p.r.lead() {
		if i > 0 {
			all = append(all, span{" ", plain})
		}
		all = append(all, s...)
	}
	p.para("", all, normal)
}

func (p *textPage) memory() {
	r := p.r
	if r.Filtered != "" || r.Memory.Estimate == 0 && r.Memory.DumpUsedMem < 0 {
		return
	}
	p.head("memory", r.modelLine())
	g := grid{columns: []gridColumn{{}, {right: true}, {bar: true, drop: 1}, {right: true}, {drop: 2, flex: true}}}
	parts := r.memoryParts()
	for _, part := range parts {
		g.row(gridCell{text: part.Name}, gridCell{text: Bytes(part.Bytes), st: bold}, gridCell{share: part.Share, whole: 1}, gridCell{text: Share(part.Share)}, gridCell{text: part.Doc, st: dim})
	}
	g.row(gridCell{text: "estimate"}, gridCell{text: Bytes(r.Memory.Estimate), st: bold}, gridCell{}, gridCell{}, gridCell{text: "keys, tables and start-up", st: dim})
	if r.Memory.DumpUsedMem >= 0 {
		g.row(gridCell{text: "used-mem"}, gridCell{text: Bytes(r.Memory.DumpUsedMem), st: bold}, gridCell{}, gridCell{}, gridCell{text: "as the server said", st: dim})
	}
	p.grid(&g, "  ")
	for _, n := range r.memoryNotes() {
		p.para("  ", []span{{n, plain}}, dim)
	}
}

func (p *textPage) patterns() {
	v := p.r.view("patterns")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head("patterns", p.r.measureName())
	g := grid{columns: []gridColumn{
		{head: "pattern", flex: true}, {bar: true, drop: 2}, {head: "share", right: true}, {head: "bytes", right: true},
		{head: "keys", right: true}, {head: "average", right: true, drop: 4}, {head: "no TTL", right: true, drop: 3},
	}}
	nodes := compactTree(v, patternTree(v))
	shown := topNodes(v, nodes, p.top(20))
	largest := int64(0)
	for i := range nodes {
		if nodes[i].level == 0 {
			largest = max(largest, v.int(nodes[i].row, "bytes"))
		}
	}
	for _, n := range shown {
		row := n.row
		noTTL := ratio(v.int(row, "no_ttl_bytes"), v.int(row, "bytes"))
		st := normal
		if noTTL > 0.5 {
			st = yellow
		}
		g.row(
			gridCell{text: strings.Repeat("  ", n.indent) + n.label, st: cyan},
			gridCell{share: ratio(v.int(row, "bytes"), largest), whole: 1},
			gridCell{text: v.text(row, "share")}, gridCell{text: v.text(row, "bytes"), st: bold},
			gridCell{text: v.text(row, "keys")}, gridCell{text: v.text(row, "avg_bytes")}, gridCell{text: Share(noTTL), st: st},
		)
	}
	p.grid(&g, "  ")
	if left := len(nodes) - len(shown); left > 0 {
		p.para("  ", []span{{plural(int64(left), "more row") + "; -o report.html or -o patterns.csv has them all", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

// shownNode is a line of the pattern tree.
type shownNode struct {
	row, indent int
	label       string
}

// topNodes picks the rows of the tree that say most: the largest ones, with
// all that they are under.
func topNodes(v *tableView, nodes []patternNode, top int) []shownNode {
	// Largest first, as many as there is room for. What is under a thousandth of
	// all is left to the longer reports, and so is a row within a branch that is
	// under a hundredth of all or a twentieth of the branch.
	const (
		alwaysShown = 5
		leastShare  = 0.001
		leastInner  = 0.01
		leastPart   = 20
	)
	var order []int
	for i := range nodes {
		p := nodes[i].parent
		if p < 0 || v.share(nodes[i].row, "share") >= leastInner && v.int(nodes[i].row, "bytes") >= v.int(nodes[p].row, "bytes")/leastPart {
			order = append(order, i)
		}
	}
	sortBy(order, func(i int) int64 { return -v.int(nodes[i].row, "bytes") })
	keep := make([]bool, len(nodes))
	n := 0
	for _, i := range order {
		if n >= top || n >= alwaysShown && v.share(nodes[i].row, "share") < leastShare {
			break
		}
		keep[i] = true
		n++
	}
	var out []shownNode
	for i := range nodes {
		if !keep[i] {
			continue
		}
		label, indent := v.text(nodes[i].row, "pattern"), 0
		above := -1
		for p := nodes[i].parent; p >= 0; p = nodes[p].parent {
			if keep[p] {
				indent++
				if above < 0 {
					above = p
				}
			}
		}
		if above >= 0 {
			stem := patternStem(v.str(nodes[above].row, "pattern"))
			if rest, ok := strings.CutPrefix(label, stem); ok && rest != "" && stem != "" {
				label = rest
			}
		}
		out = append(out, shownNode{nodes[i].row, indent, label})
	}
	return out
}

func (p *textPage) largest() {
	t := p.r.Table("largest")
	if t == nil || len(t.Rows) == 0 {
		return
	}
	v := largestOf(t, "all")
	p.head("largest keys", p.r.measureName())
	p.tableRows(v, p.top(10), []string{"key", "bytes", "type", "encoding", "num_elements", "expiry", "database"})
}

// tableRows prints some columns of a table, those that it has.
func (p *textPage) tableRows(v *tableView, top int, columns []string) {
	var g grid
	var used []int
	for _, name := range columns {
		i, ok := v.at[name]
		if !ok || len(used) > 0 && !saysSomething(v, name) {
			continue
		}
		kind := v.Columns[i].Kind
		g.columns = append(g.columns, gridColumn{head: headText(name), right: !isText(kind), flex: len(used) == 0, drop: len(used)})
		used = append(used, i)
	}
	for row := range v.Rows {
		if row == top {
			break
		}
		cells := make([]gridCell, len(used))
		for j, i := range used {
			cells[j].text = cellText(v.Columns[i].Kind, &v.Rows[row][i])
			if v.Columns[i].Kind == aggregate.Name {
				cells[j].st = cyan
			}
		}
		g.row(cells...)
	}
	p.grid(&g, "  ")
	if left := len(v.Rows) - top; left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

// shortTables are the tables that the summary shows after the lists, if they say anything.
var shortTables = []string{"types", "ttl", "idle", "frequency", "sizes", "databases"}

func (p *textPage) tables() {
	for _, name := range shortTables {
		t := p.r.Table(name)
		if t == nil {
			continue
		}
		v := readable(t)
		if !worthShowing(v) {
			continue
		}
		p.head(prose(v.Title), "")
		p.shareTable(v)
	}
}

// worthShowing is false for a table with nothing in it, or with the whole in one row of one database.
func worthShowing(v *tableView) bool {
	n := 0
	for i := range v.Rows {
		if v.int(i, "keys") != 0 || !v.has("keys") {
			n++
		}
	}
	return n > 1 || n == 1 && v.Name != "databases"
}

// shareTable prints a table with a bar of each row's bytes (keys, if it has no bytes).
func (p *textPage) shareTable(v *tableView) {
	const shortRows = 16
	by := "bytes"
	if !v.has(by) {
		by = "keys"
	}
	largest := int64(0)
	for i := range v.Rows {
		largest = max(largest, v.int(i, by))
	}
	var g grid
	var used []int
	bar := -1
	for i, c := range v.Columns {
		g.columns = append(g.columns, gridColumn{head: headText(c.Name), right: !isText(c.Kind), drop: i, flex: false})
		used = append(used, i)
		if i+1 == textColumns(v) && v.has(by) {
			bar = len(g.columns)
			g.columns = append(g.columns, gridColumn{bar: true, drop: 1})
			used = append(used, -1)
		}
	}
	rows := 0
	for row := range v.Rows {
		if v.has("keys") && v.int(row, "keys") == 0 {
			continue
		}
		if rows++; rows > shortRows {
			continue
		}
		cells := make([]gridCell, len(used))
		for j, i := range used {
			if j == bar {
				cells[j] = gridCell{share: ratio(v.int(row, by), largest), whole: 1}
			} else {
				cells[j].text = cellText(v.Columns[i].Kind, &v.Rows[row][i])
			}
		}
		g.row(cells...)
	}
	p.grid(&g, "  ")
	if rows > shortRows {
		p.para("  ", []span{{"and " + Count(int64(rows-shortRows)) + " more", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

// textColumns is the number of leading columns that name a row.
func textColumns(v *tableView) int {
	for i, c := range v.Columns {
		if !isText(c.Kind) {
			return max(i, 1)
		}
	}
	return len(v.Columns)
}

func (p *textPage) tableNotes(t *aggregate.Table) {
	for _, n := range t.Notes {
		p.para("  ", []span{{prose(n), plain}}, dim)
	}
}

func (p *textPage) notes() {
	if len(p.r.Notes) == 0 {
		return
	}
	p.head("notes", "")
	for _, n := range p.r.Notes {
		p.para("  - ", []span{{prose(n), plain}}, normal)
	}
}
