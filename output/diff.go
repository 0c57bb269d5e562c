package output

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"rdbaudit/aggregate"
)

// Diff is everything that a format may print of a comparison of moments.
type Diff struct {
	Version, Measure, Filtered string
	Moments                    []Moment // in the order of the arguments
	Span                       aggregate.Span
	MaxMemory                  int64 // of one server; 0: not known
	Servers                    int   // of the last moment
	Used                       int64 // of maxmemory, by all servers of the last moment
	UsedFrom                   string
	Full                       bool // what single patterns hold is not exact
	Tables                     []aggregate.Table
	Warnings, Notes            []string
}

// Moment is one side of a comparison.
type Moment struct {
	Name   string // as the user named it
	From   string // "dumps", "part" or "report"
	Time   int64  // unix milliseconds; 0: not known
	Report *Report
}

// Table finds a table by name; nil if there is none.
func (d *Diff) Table(name string) *aggregate.Table { return (&Report{Tables: d.Tables}).Table(name) }

func (d *Diff) view(name string) *tableView { return (&Report{Tables: d.Tables}).view(name) }

func (d *Diff) first() *Moment { return &d.Moments[0] }
func (d *Diff) last() *Moment  { return &d.Moments[len(d.Moments)-1] }

// seconds is the time from the first moment to the last, 0 if it is not known.
func (d *Diff) seconds() int64 {
	if d.Span.Times == nil {
		return 0
	}
	return (d.Span.Times[len(d.Span.Times)-1] - d.Span.Times[0]) / 1000
}

// asReport is a report about the last moment with the tables of the
// comparison, for what writers of reports print of any table.
func (d *Diff) asReport() *Report {
	r := *d.last().Report
	r.Tables, r.Warnings, r.Notes, r.Filtered, r.Version, r.Measure = d.Tables, d.Warnings, d.Notes, d.Filtered, d.Version, d.Measure
	return &r
}

// firstLines are what every format says before anything else: those of each
// moment, then those of the comparison.
func (d *Diff) firstLines() []string {
	var out []string
	seen := make(map[string]bool)
	add := func(line string) {
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	if d.Filtered != "" {
		add("Filtered: " + prose(d.Filtered) + ". Keys that the filter refused are in no figure.")
	}
	for i := range d.Moments {
		r := *d.Moments[i].Report
		r.Filtered = ""
		for _, line := range r.firstLines() {
			add(line)
		}
	}
	for _, line := range d.Warnings {
		add(prose(line))
	}
	return out
}

// hasSign says whether the figures of a column are changes, which are printed with their sign.
func hasSign(column string) bool {
	return strings.HasSuffix(column, "_change") || strings.HasSuffix(column, "per_hour") || column == "change" || column == "growth"
}

// columnText is a cell in words by what its column says.
func columnText(c *aggregate.Column, cell *aggregate.Cell) string {
	s := cellText(c.Kind, cell)
	if hasSign(c.Name) && !cell.Null && (cell.I > 0 || cell.F > 0) {
		s = "+" + s
	}
	return s
}

func signedBytes(n int64) string {
	if n > 0 {
		return "+" + Bytes(n)
	}
	return Bytes(n)
}

func signedCount(n int64) string {
	if n > 0 {
		return "+" + Count(n)
	}
	return Count(n)
}

// growthText is a change as a share of what was; "new" of nothing.
func growthText(change, before int64) string {
	switch {
	case before == 0 && change == 0:
		return ""
	case before == 0:
		return "new"
	case change > 0:
		return "+" + Share(ratio(change, before))
	}
	return Share(ratio(change, before))
}

// names are the moments by the shortest names that tell them apart.
func (d *Diff) names() []string {
	out := make([]string, len(d.Moments))
	seen := make(map[string]int)
	for i := range d.Moments {
		out[i] = Base(strings.TrimRight(d.Moments[i].Name, "/"))
		seen[out[i]]++
	}
	for i := range out {
		if seen[out[i]] > 1 || strings.ContainsAny(out[i], "*?[") || out[i] == "" {
			out[i] = d.Moments[i].Name
		}
		out[i] = prose(out[i])
	}
	return out
}

// momentText says what a moment is.
func (m *Moment) momentText() string {
	r := m.Report
	s := "time not known"
	if m.Time != 0 {
		s = Time(m.Time)
	}
	switch m.From {
	case "part":
		s += ", part"
	case "report":
		s += ", saved report"
	}
	if n := len(r.Sources); n == 1 {
		s += ", " + serverName(r.Sources[0].Server)
	} else if n > 1 {
		s += ", " + plural(int64(n), "dump")
	}
	return s + ", " + plural(r.Totals.Keys, "key") + ", " + Bytes(r.Totals.Bytes)
}

// total is a row of the table of totals.
func (d *Diff) total(metric string) (before, after int64, row int, v *tableView) {
	v = d.view("totals")
	if v == nil {
		return 0, 0, -1, nil
	}
	for row = range v.Rows {
		if v.str(row, "metric") == metric {
			return v.int(row, "before"), v.int(row, "after"), row, v
		}
	}
	return 0, 0, -1, v
}

// lead sums the comparison up in sentences.
func (d *Diff) lead() [][]span {
	before, after, row, v := d.total("bytes")
	keysBefore, keysAfter, _, _ := d.total("keys")
	change := after - before
	apart := ""
	if s := d.seconds(); s != 0 {
		apart = " in " + Duration(s)
	}
	series := ""
	if n := len(d.Moments); n > 2 {
		series = " over " + plural(int64(n), "moment")
	}
	var out [][]span
	switch {
	case change == 0 && !d.anyChange():
		return [][]span{{{"Nothing changed" + apart + series + ": ", plain}, {plural(keysAfter, "key") + ", " + Bytes(after), figure}, {".", plain}}}
	case change == 0:
		out = append(out, []span{{"The keys take as much as before" + apart + series + ", ", plain}, {Bytes(after), figure}, {", but are not the same", plain}})
	default:
		verb := "grew by "
		if change < 0 {
			verb = "shrank by "
		}
		s := []span{{"The keys ", plain}, {verb, plain}, {Bytes(abs(change)), figure}}
		if before > 0 {
			s = append(s, span{" (" + growthText(change, before) + ")", plain})
		}
		s = append(s, span{" to ", plain}, span{Bytes(after), figure}, span{apart + series, plain})
		if row >= 0 && !v.cell(row, "per_hour").Null {
			s = append(s, span{", " + signedBytes(v.int(row, "per_hour")) + " an hour", plain})
		}
		out = append(out, s)
	}
	last := &out[len(out)-1]
	if n := keysAfter - keysBefore; n > 0 {
		*last = append(*last, span{"; " + plural(n, "key") + " more.", plain})
	} else if n < 0 {
		*last = append(*last, span{"; " + plural(-n, "key") + " fewer.", plain})
	} else {
		*last = append(*last, span{"; the number of keys is the same.", plain})
	}
	if rows := d.changedLeaves(); len(rows) > 0 && (change != 0 || !d.Full) {
		c := d.view("changes")
		at := rows[0]
		s := []span{{"Most of it is ", plain}}
		if n := c.int(at, "bytes_change"); n == 0 || (n > 0) != (change > 0) || 2*abs(n) < abs(change) {
			s = []span{{"The largest change is ", plain}}
		}
		s = append(s, span{c.text(at, "pattern"), name}, span{": ", plain}, span{signedBytes(c.int(at, "bytes_change")), figure})
		if n := c.int(at, "keys_change"); n != 0 {
			s = append(s, span{", " + signedCount(n) + " keys", plain})
		}
		switch c.str(at, "status") {
		case "new":
			s = append(s, span{", a new pattern", plain})
		case "gone":
			s = append(s, span{", a pattern that is gone", plain})
		}
		out = append(out, append(s, span{".", plain}))
	}
	if s := d.fullSentence(); s != nil {
		out = append(out, s)
	}
	return out
}

// anyChange says whether any row of the changes is not the same, or of the sums
// where patterns are not exact.
func (d *Diff) anyChange() bool {
	if v := d.view("totals"); d.Full {
		return slices.ContainsFunc(v.Rows, func(row []aggregate.Cell) bool { return row[v.at["change"]].I != 0 })
	}
	v := d.view("changes")
	for i := range v.Rows {
		if v.str(i, "status") != "same" {
			return true
		}
	}
	return false
}

// fullSentence says when the servers are full; nil if that cannot be told.
func (d *Diff) fullSentence() []span {
	if !d.Span.HasRoom {
		return nil
	}
	limit := Bytes(d.MaxMemory)
	if d.Servers > 1 {
		limit += " of each of " + Count(int64(d.Servers)) + " servers"
	}
	if d.Span.Room <= 0 {
		return []span{{"maxmemory (" + limit + ") is reached already: ", plain}, {Bytes(d.Used), figure}, {" by " + d.usedText() + ".", plain}}
	}
	v := d.view("totals")
	for row := range v.Rows {
		if c := v.cell(row, "full_in_seconds"); !c.Null {
			return []span{{"At this rate maxmemory (" + limit + ") is reached in ", plain}, {Duration(c.I), figure},
				{": " + Bytes(d.Span.Room) + " are left, by " + d.usedText() + ".", plain}}
		}
	}
	why := "it does not grow"
	if d.Span.Times == nil {
		why = "the time between the moments is not known"
	}
	return []span{{"When maxmemory (" + limit + ") is reached cannot be told: " + why + "; ", plain}, {Bytes(d.Span.Room), figure}, {" are left, by " + d.usedText() + ".", plain}}
}

func (d *Diff) usedText() string {
	if d.UsedFrom == "used-mem" {
		return "what the servers said that they used"
	}
	return "the estimate"
}

func abs(n int64) int64 { return max(n, -n) }

// changedLeaves are the patterns that changed, the largest change first.
func (d *Diff) changedLeaves() []int {
	v := d.view("changes")
	var rows []int
	for i := range v.Rows {
		if v.int(i, "leaf") == 1 && v.str(i, "status") != "same" {
			rows = append(rows, i)
		}
	}
	sortBy(rows, func(i int) int64 { return -abs(v.int(i, "keys_change")) })
	sortBy(rows, func(i int) int64 { return -abs(v.int(i, "bytes_change")) })
	return rows
}

// metricText is a figure of the table of totals.
func metricText(metric string, c *aggregate.Cell, sign bool) string {
	if c.Null {
		return ""
	}
	text, signed := Count, signedCount
	if strings.HasSuffix(metric, "bytes") {
		text, signed = Bytes, signedBytes
	}
	if sign {
		return signed(c.I)
	}
	return text(c.I)
}

// metricNames are the totals as people read them.
var metricNames = map[string]string{
	"bytes": "keys' memory", "no_ttl_keys": "keys without TTL", "no_ttl_bytes": "their memory", "expired_keys": "expired keys", "expired_bytes": "their memory",
	"tables_bytes": "tables", "estimate_bytes": "server, estimate", "used_mem_bytes": "used-mem",
}

// totalRows are the rows of the totals that say something, as texts: name,
// before, after, change, growth, per hour.
func (d *Diff) totalRows() (rows [][6]string) {
	v := d.view("totals")
	if v == nil {
		return nil
	}
	for i := range v.Rows {
		m := v.str(i, "metric")
		b, a := v.cell(i, "before"), v.cell(i, "after")
		if b.I == 0 && a.I == 0 {
			continue
		}
		label := metricNames[m]
		if label == "" {
			label = strings.ReplaceAll(m, "_", " ")
		}
		rows = append(rows, [6]string{label, metricText(m, b, false), metricText(m, a, false), metricText(m, v.cell(i, "change"), true),
			growthText(a.I-b.I, b.I), metricText(m, v.cell(i, "per_hour"), true)})
	}
	return rows
}

// WriteDiffText writes the comparison for a terminal.
func WriteDiffText(w io.Writer, d *Diff, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	r := d.asReport()
	p := &diffText{textPage{w: bufio.NewWriter(w), r: r, o: o}, d}
	p.first()
	p.moments()
	p.leads(d.lead())
	p.totals()
	p.patterns()
	p.series()
	p.appeared()
	p.keys("risers")
	p.keys("fallers")
	p.joined("types", []string{"type", "encoding"})
	p.joined("databases", []string{"database"})
	p.findings()
	p.settings()
	p.notes()
	return p.w.Flush()
}

type diffText struct {
	textPage
	d *Diff
}

func (p *diffText) first() {
	lines := p.d.firstLines()
	if len(lines) > 0 {
		p.space()
	}
	for _, line := range lines {
		p.para("! ", []span{{line, plain}}, red)
	}
}

func (p *diffText) leads(sentences [][]span) {
	p.space()
	var all []span
	for i, s := range sentences {
		if i > 0 {
			all = append(all, span{" ", plain})
		}
		all = append(all, s...)
	}
	p.para("", all, normal)
}

func (p *diffText) moments() {
	p.space()
	names := p.d.names()
	for i := range p.d.Moments {
		if n := len(p.d.Moments); n > shownSources && i >= shownSources/2 && i < n-shownSources/2 {
			if i == shownSources/2 {
				p.para("  ", []span{{"and " + Count(int64(n-shownSources)) + " between", plain}}, dim)
			}
			continue
		}
		p.line(p.styled(middle(names[i], p.o.Width), bold))
		p.para("  ", []span{{p.d.Moments[i].momentText(), plain}}, normal)
	}
}

func (p *diffText) totals() {
	if len(p.d.totalRows()) == 0 {
		return
	}
	remark := p.r.measureName()
	if s := p.d.seconds(); s != 0 {
		remark += ", " + Duration(s) + " apart"
	}
	p.head("in all", remark)
	g := grid{columns: []gridColumn{{}, {head: "before", right: true}, {head: "after", right: true}, {head: "change", right: true}, {right: true}, {head: "an hour", right: true, drop: 1}}}
	for _, row := range p.d.totalRows() {
		g.row(gridCell{text: row[0]}, gridCell{text: row[1]}, gridCell{text: row[2]}, gridCell{text: row[3], st: bold}, gridCell{text: row[4]}, gridCell{text: row[5]})
	}
	p.grid(&g, "  ")
}

func changeStyle(n int64) style {
	switch {
	case n > 0:
		return yellow
	case n < 0:
		return blue
	}
	return normal
}

func (p *diffText) patterns() {
	v := p.d.view("changes")
	rows := p.d.changedLeaves()
	p.head("patterns that changed", "")
	if len(rows) == 0 {
		p.para("  ", []span{{"None.", plain}}, normal)
		return
	}
	g := grid{columns: []gridColumn{
		{head: "pattern", flex: true}, {head: "change", right: true}, {right: true}, {head: "now", right: true}, {head: "keys", right: true},
		{head: "an hour", right: true, drop: 3}, {head: "full in", right: true, drop: 2}, {head: "with TTL", right: true, drop: 4}, {head: "average", right: true, drop: 5},
	}}
	top := p.top(20)
	for _, i := range rows[:min(len(rows), top)] {
		n := v.int(i, "bytes_change")
		word := growthText(n, v.int(i, "bytes_before"))
		if v.str(i, "status") == "gone" {
			word = "gone"
		}
		rate := ""
		if c := v.cell(i, "bytes_per_hour"); !c.Null {
			rate = signedBytes(c.I)
		}
		g.row(gridCell{text: v.text(i, "pattern"), st: cyan}, gridCell{text: signedBytes(n), st: changeStyle(n)}, gridCell{text: word},
			gridCell{text: v.text(i, "bytes_after")}, gridCell{text: signedCount(v.int(i, "keys_change"))}, gridCell{text: rate},
			gridCell{text: v.text(i, "full_in_seconds")}, gridCell{text: v.moved(i, "ttl_share")}, gridCell{text: v.moved(i, "avg_bytes")})
	}
	p.grid(&g, "  ")
	if left := len(rows) - top; left > 0 {
		p.para("  ", []span{{plural(int64(left), "smaller change") + "; -o diff.html or -o changes.csv has them all", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

// shownSeries are the patterns of a series that its short forms show: those of
// the largest changes between any two moments.
func (d *Diff) shownSeries(most int) (rows []seriesRow) {
	v := d.view("series")
	if v == nil {
		return nil
	}
	n := len(d.Moments)
	for at := 0; at+n <= len(v.Rows); at += n {
		if v.int(at, "leaf") == 0 && v.int(at, "depth") > 0 {
			continue
		}
		r := seriesRow{pattern: v.text(at, "pattern"), whole: v.int(at, "depth") == 0}
		if r.whole {
			r.pattern = "all keys"
		}
		low, high := v.int(at, "bytes"), v.int(at, "bytes")
		for i := range n {
			b := v.int(at+i, "bytes")
			low, high = min(low, b), max(high, b)
			r.bytes = append(r.bytes, b)
			r.keys = append(r.keys, v.int(at+i, "keys"))
		}
		r.spread = high - low
		r.slope, r.sloped = d.Span.PerHour(func(side int) int64 { return r.bytes[side] })
		rows = append(rows, r)
	}
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	sortBy(order, func(i int) int64 {
		if rows[i].whole {
			return -1 << 63
		}
		return -rows[i].spread
	})
	var out []seriesRow
	for _, i := range order {
		if len(out) > most || rows[i].spread == 0 && !rows[i].whole {
			break
		}
		out = append(out, rows[i])
	}
	return out
}

type seriesRow struct {
	pattern     string
	whole       bool
	bytes, keys []int64
	spread      int64
	slope       int64
	sloped      bool
}

const sparks = "▁▂▃▄▅▆▇█"

// spark draws figures in so many columns of text: the first is what was first.
func spark(values []int64, width int) string {
	low, high := values[0], values[0]
	for _, n := range values {
		low, high = min(low, n), max(high, n)
	}
	if len(values) > width {
		short := make([]int64, width)
		for i := range short {
			short[i] = values[i*(len(values)-1)/(width-1)]
		}
		values = short
	}
	var b strings.Builder
	for _, n := range values {
		at := 3
		if high > low {
			at = min(max(int((float64(n)-float64(low))/(float64(high)-float64(low))*7+0.5), 0), 7)
		}
		b.WriteString(sparks[3*at : 3*at+3])
	}
	return b.String()
}

func (p *diffText) series() {
	rows := p.d.shownSeries(p.top(20))
	if rows == nil {
		return
	}
	p.head("over time", plural(int64(len(p.d.Moments)), "moment"))
	g := grid{columns: []gridColumn{{head: "pattern", flex: true}, {head: "trend"}, {head: "first", right: true}, {head: "last", right: true}, {head: "an hour", right: true}}}
	for i := range rows {
		r := &rows[i]
		slope := ""
		if r.sloped {
			slope = signedBytes(r.slope)
		}
		st := cyan
		if r.whole {
			st = bold
		}
		g.row(gridCell{text: r.pattern, st: st}, gridCell{text: spark(r.bytes, 16), st: blue}, gridCell{text: Bytes(r.bytes[0])}, gridCell{text: Bytes(r.bytes[len(r.bytes)-1])}, gridCell{text: slope, st: changeStyle(r.slope)})
	}
	p.grid(&g, "  ")
	p.para("  ", []span{{"An hour: the slope over all moments by least squares.", plain}}, dim)
}

func (p *diffText) appeared() {
	v := p.d.view("appeared")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head("new and vanished patterns", "")
	g := grid{columns: []gridColumn{{head: "pattern", flex: true}, {}, {head: "keys", right: true}, {head: "bytes", right: true}}}
	shown := map[string]int{}
	left := 0
	for i := range v.Rows {
		word := v.str(i, "status")
		if shown[word]++; shown[word] > p.top(20)/2 {
			left++
			continue
		}
		st := changeStyle(1)
		if word == "gone" {
			st = changeStyle(-1)
		}
		g.row(gridCell{text: v.text(i, "pattern"), st: cyan}, gridCell{text: word, st: st}, gridCell{text: v.text(i, "keys")}, gridCell{text: v.text(i, "bytes")})
	}
	p.grid(&g, "  ")
	if left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

func (p *diffText) keys(table string) {
	v := p.d.view(table)
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head(prose(v.Title), "")
	g := grid{columns: []gridColumn{{head: "key", flex: true}, {head: "change", right: true}, {head: "before", right: true}, {head: "after", right: true}, {head: "type", drop: 2}, {head: "encoding", drop: 1}, {head: "database", right: true, drop: 3}}}
	databases := saysSomething(v, "database")
	if !databases {
		g.columns[6].head = ""
	}
	top := min(p.top(20), 10)
	for i := range v.Rows[:min(len(v.Rows), top)] {
		db := ""
		if databases {
			db = v.text(i, "database")
		}
		n := v.int(i, "bytes_change")
		before, after := v.text(i, "bytes_before"), v.text(i, "bytes_after")
		switch v.str(i, "status") {
		case "new":
			before = "new"
		case "gone":
			after = "gone"
		}
		g.row(gridCell{text: v.text(i, "key"), st: cyan}, gridCell{text: signedBytes(n), st: changeStyle(n)}, gridCell{text: before},
			gridCell{text: after}, gridCell{text: v.str(i, "type")}, gridCell{text: v.encodings(i)}, gridCell{text: db})
	}
	p.grid(&g, "  ")
	if left := len(v.Rows) - top; left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more", plain}}, dim)
	}
	p.tableNotes(v.Table)
}

// encodings says what a key's encoding was and is.
func (v *tableView) encodings(row int) string { return v.moved(row, "encoding") }

// moved says what a figure was and is: one text if it is the same, or there is no other.
func (v *tableView) moved(row int, column string) string {
	b, a := v.text(row, column+"_before"), v.text(row, column+"_after")
	switch {
	case b == "" || a == b:
		return a
	case a == "":
		return b
	}
	return b + " → " + a
}

// joined prints the rows of a joined table that changed.
func (p *diffText) joined(table string, id []string) {
	v := p.d.view(table)
	if v == nil {
		return
	}
	var g grid
	for _, name := range id {
		g.columns = append(g.columns, gridColumn{head: headText(name)})
	}
	g.columns = append(g.columns, gridColumn{head: "keys", right: true}, gridColumn{head: "change", right: true}, gridColumn{head: "bytes", right: true}, gridColumn{head: "change", right: true}, gridColumn{right: true})
	if table == "databases" && len(v.Rows) < 2 {
		return
	}
	for i := range v.Rows {
		if v.str(i, "status") == "same" {
			continue
		}
		var cells []gridCell
		for _, name := range id {
			cells = append(cells, gridCell{text: v.text(i, name)})
		}
		n := v.int(i, "bytes_change")
		g.row(append(cells, gridCell{text: v.text(i, "keys_after")}, gridCell{text: signedCount(v.int(i, "keys_change"))}, gridCell{text: v.text(i, "bytes_after")},
			gridCell{text: signedBytes(n), st: changeStyle(n)}, gridCell{text: growthText(n, v.int(i, "bytes_before"))})...)
	}
	if len(g.rows) == 0 {
		return
	}
	p.head(prose(v.Title)+" that changed", "")
	p.grid(&g, "  ")
}

func (p *diffText) findings() {
	list := p.d.changedFindings()
	if len(list) == 0 {
		return
	}
	p.head("findings", "new and gone")
	for i, f := range list {
		if i == 2*p.top(5) {
			p.para("  ", []span{{"and " + Count(int64(len(list)-i)) + " more", plain}}, dim)
			break
		}
		spans := []span{{f.kind, figure}}
		if f.pattern != "" {
			spans = append(spans, span{" ", plain}, span{f.pattern, name})
		}
		p.para("  "+f.status+strings.Repeat(" ", 6-len(f.status)), append(spans, span{": " + f.what, plain}), normal)
	}
}

type changedFinding struct{ status, kind, title, pattern, what string }

// changedFindings are the findings that one of the two moments has alone.
func (d *Diff) changedFindings() (list []changedFinding) {
	v := d.view("findings")
	if v == nil {
		return nil
	}
	titles := make(map[string]string)
	for _, k := range aggregate.FindingKinds() {
		titles[k.Name] = k.Title
	}
	for _, word := range []string{"new", "gone"} {
		side := "after"
		if word == "gone" {
			side = "before"
		}
		for i := range v.Rows {
			if v.str(i, "status") != word {
				continue
			}
			f := changedFinding{status: word, kind: v.str(i, "finding")}
			f.title = titles[f.kind]
			if v.cell(i, "pattern").S != "" {
				f.pattern = v.text(i, "pattern")
			}
			f.what = plural(v.int(i, "keys_"+side), "key") + ", " + Bytes(v.int(i, "bytes_"+side))
			if n := v.int(i, "saves_"+side); n > 0 {
				f.what += ", would save " + Bytes(n)
			}
			list = append(list, f)
		}
	}
	return list
}

func (p *diffText) settings() {
	v := p.d.view("settings")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head(prose(v.Title), "")
	g := grid{columns: []gridColumn{{}, {head: "before"}, {head: "after", flex: true}}}
	for i := range v.Rows {
		g.row(gridCell{text: v.str(i, "setting")}, gridCell{text: v.text(i, "before")}, gridCell{text: v.text(i, "after"), st: bold})
	}
	p.grid(&g, "  ")
}
