package output

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
)

//go:embed web
var web embed.FS

var (
	pageTemplate = template.Must(template.ParseFS(web, "web/report.html"))
	pageCSS      = mustRead("web/report.css") + barRules()
	pageJS       = mustRead("web/report.js")
)

func mustRead(name string) string {
	b, err := web.ReadFile(name)
	if err != nil {
		panic(err) // embedded, so it is there
	}
	return string(b)
}

// barRules fill a bar by its class. Classes take a tenth of the room that a
// drawing in each row would, and unlike style attributes the page's policy can name them.
func barRules() string {
	var b strings.Builder
	for n := range 101 {
		fmt.Fprintf(&b, ".b%d{background-size:%d%% 100%%}\n", n, n)
	}
	return b.String()
}

// barClass is the class of a bar. What is not nothing shows.
func barClass(share float64) string {
	n := int(min(max(roundShare(share), 0), 1)*100 + 0.5)
	if n == 0 && share > 0 {
		n = 1
	}
	return "b" + strconv.Itoa(n)
}

// The page stays small enough to be mailed and to open at once: only so many
// rows, and only so many bytes of them.
const (
	pagePatterns     = 5000
	pagePatternBytes = 2600 << 10
	pageRows         = 500 // of any other table
	pageSources      = 500
	pageName         = 160 // columns of a name; longer ones are cut in the middle
)

type page struct {
	CSP         template.HTML
	CSS         template.CSS
	JS, Data    template.JS
	Version     string
	Title       string
	Subtitle    string
	Warnings    []string
	Lead        [][]span
	Cards       []fact
	ModelLine   string
	Memory      []memoryRect
	MemorySums  []fact
	MemoryNotes []string
	Patterns    *pagePatternTable
	Largest     []pageTable
	Tables      []pageTable
	Sources     []pageSource
	SourceCount string
	SourceNotes []string
	Model       []fact
	Limits      []Limit
	Notes       []string
}

type fact struct{ Name, Value, Doc string }

type memoryRect struct {
	Name, Bytes, Share, Doc string
	Class, From, Width      string
}

type pageHead struct {
	Head, Doc string
	Num, Bar  bool
}

type pageCell struct{ Text, Title, Bar, Class, Value string }

type pageTable struct {
	ID, Title, Count string
	Wide             bool
	Heads            []pageHead
	Rows             []struct{ Cells []pageCell }
	Notes            []string
}

type pagePatternTable struct {
	Count string
	Heads []pageHead
	Rows  []pagePatternRow
	Notes []string
}

type pagePatternRow struct {
	Class, Prefix, Label string
	Cells                []pageCell
}

// Body is the rows as HTML: thousands of them, which a template takes half a second for.
func (t *pagePatternTable) Body() template.HTML {
	var b strings.Builder
	text := func(s string) { template.HTMLEscape(&b, []byte(s)) }
	attr := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + `="`)
			text(value)
			b.WriteByte('"')
		}
	}
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

type pageSource struct {
	Path, Server, Format, Created, Bytes, Keys, UsedMem, Checksum, Error, Remarks string
	BytesValue, KeysValue, UsedMemValue                                           int64
}

// writeHTML writes one page that needs nothing but itself. Names are text
// wherever they stand: html/template escapes them by context, and the page's
// policy runs no script but ours.
func writeHTML(w io.Writer, r *Report) error {
	p := newPage(r)
	bw := bufio.NewWriterSize(w, 64<<10)
	if err := pageTemplate.Execute(bw, p); err != nil {
		return err
	}
	return bw.Flush()
}

func sourceHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func newPage(r *Report) *page {
	p := &page{
		CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		// The hashes hold nothing that HTML would read.
		CSP: template.HTML(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; script-src ` +
			sourceHash(pageJS) + `; style-src ` + sourceHash(pageCSS) + `; img-src data:">`),
		Version: prose(r.Version), Title: reportTitle(r), Warnings: r.firstLines(), Lead: r.lead(),
		ModelLine: r.modelLine(), MemoryNotes: r.memoryNotes(), SourceCount: plural(int64(len(r.Sources)), "file"),
	}
	p.Subtitle = plural(r.Totals.Keys, "key") + ", " + Bytes(r.Totals.Bytes) + " " + r.measureName()
	if len(r.Sources) == 1 {
		s := &r.Sources[0]
		p.Subtitle = serverName(s.Server) + ", " + s.createdText() + ", " + s.sizeText() + ", " + s.checksumText()
	}
	for _, n := range r.Notes {
		p.Notes = append(p.Notes, prose(n))
	}
	p.Cards = cards(r)
	p.memory(r)
	var data []byte
	data, p.Patterns = patternPage(r)
	for i := range r.Tables {
		t := &r.Tables[i]
		switch {
		case t.Name == "patterns" || r.Totals.Keys == 0 || len(t.Columns) == 0 || len(t.Rows)+len(t.Notes) == 0:
		case t.Name == "databases" && len(t.Rows) == 1: // the cards say it all
		case t.Name == "largest":
			p.Largest = largestPage(t)
		default:
			p.Tables = append(p.Tables, tablePage(readable(t), pageRows))
		}
	}
	p.sources(r)
	p.model(r)
	p.Data = template.JS(data)
	return p
}

// reportTitle names the dumps.
func reportTitle(r *Report) string {
	switch n := len(r.Sources); n {
	case 0:
		return "Report"
	case 1:
		return middle(prose(r.Sources[0].Path), pageName)
	default:
		return middle(prose(r.Sources[0].Path), pageName) + " and " + Count(int64(n-1)) + " more"
	}
}

// cards are the figures at the head of a report.
func cards(r *Report) []fact {
	t, m := &r.Totals, &r.Memory
	avg := int64(0)
	if t.Keys > 0 {
		avg = t.Bytes / t.Keys
	}
	out := []fact{
		{"Keys", Count(t.Keys), Count(t.Elements) + " elements"},
		{"Keys' memory", Bytes(t.Bytes), r.measureName() + ", " + Bytes(avg) + " a key"},
	}
	if r.Filtered == "" && m.Estimate > 0 {
		out = append(out, fact{"Server's memory", Bytes(m.Estimate), "estimate: keys, tables, start-up"})
		if rest, known := r.remainder(); known {
			doc := Bytes(rest) + " beyond the estimate"
			if rest < 0 {
				doc = Bytes(-rest) + " below the estimate"
			}
			out = append(out, fact{"used-mem", Bytes(m.DumpUsedMem), doc})
		}
	}
	out = append(out, fact{"Without a TTL", Share(ratio(t.NoTTLBytes, t.Bytes)), Bytes(t.NoTTLBytes) + " in " + plural(t.NoTTLKeys, "key")})
	if t.ExpiredKeys > 0 {
		out = append(out, fact{"Expired, still there", Bytes(t.ExpiredBytes), plural(t.ExpiredKeys, "key")})
	}
	return append(out, fact{"In the dump", Bytes(t.Serialized), "serialised, " + Share(ratio(t.Serialized, t.Bytes)) + " of the memory"})
}

func (p *page) memory(r *Report) {
	if r.Memory.Estimate == 0 && r.Memory.DumpUsedMem < 0 {
		return
	}
	from := 0.0
	for i, part := range r.memoryParts() {
		p.Memory = append(p.Memory, memoryRect{
			Name: part.Name, Bytes: Bytes(part.Bytes), Share: Share(part.Share), Doc: part.Doc,
			Class: "m" + strconv.Itoa(i%4), From: percent(from), Width: percent(part.Share),
		})
		from += part.Share
	}
	p.MemorySums = []fact{{"estimate", Bytes(r.Memory.Estimate), "keys, tables and start-up"}}
	if r.Memory.DumpUsedMem >= 0 {
		p.MemorySums = append(p.MemorySums, fact{"used-mem", Bytes(r.Memory.DumpUsedMem), "as the server said when it wrote the dump"})
	}
}

// percent is a share for the geometry of a drawing, not for reading.
func percent(f float64) string {
	return strconv.FormatFloat(min(max(roundShare(f)*100, 0), 100), 'f', 2, 64) + "%"
}

// pagePatternColumns are the columns of the page's pattern table after the
// pattern itself, those that say something. What stands first stays on a phone.
var pagePatternColumns = []struct{ name, head string }{
	{"share", "share"}, {"bytes", "bytes"}, {"keys", "keys"}, {"no_ttl_bytes", "no TTL"}, {"types", "types"},
	{"avg_bytes", "average"}, {"p50_bytes", "median"}, {"p99_bytes", "p99"}, {"max_bytes", "largest"}, {"ttl_p50_seconds", "median TTL"},
	{"encodings", "encodings"}, {"owner", "owner"},
	{"idle_p50_seconds", "median idle"}, {"expired_bytes", "expired"}, {"elements", "elements"}, {"field_ttl_keys", "field TTLs"},
}

// patternPage is the pattern table as rows of HTML, with what the page's
// script needs beside them: parents, leaves and exact values.
func patternPage(r *Report) (data []byte, out *pagePatternTable) {
	data = []byte(`{"patterns":`)
	v := r.view("patterns")
	if v == nil || len(v.Rows) == 0 || !v.has("pattern") || !v.has("bytes") {
		return append(data, "null}"...), nil
	}
	nodes := compactTree(v, patternTree(v))
	keep := pageNodes(v, nodes)
	out = &pagePatternTable{Heads: []pageHead{{Head: "pattern"}}}
	if i := v.at["pattern"]; true {
		out.Heads[0].Doc = prose(v.Columns[i].Doc)
	}
	data = append(data, `{"columns":[`...)
	var columns []string
	for _, c := range pagePatternColumns {
		i, ok := v.at[c.name]
		if !ok || c.name != "bytes" && !saysSomething(v, c.name) {
			continue
		}
		if len(columns) > 0 {
			data = append(data, ',')
		}
		if c.name == "no_ttl_bytes" {
			data = append(data, `"no_ttl_share"`...) // as it reads in the row
		} else {
			data = appendJSON(data, c.name)
		}
		columns = append(columns, c.name)
		out.Heads = append(out.Heads, pageHead{Head: c.head, Doc: prose(v.Columns[i].Doc), Num: !isText(v.Columns[i].Kind), Bar: c.name == "share"})
	}
	largest := 0.0
	for _, n := range keep {
		largest = max(largest, v.share(nodes[n].row, "share"))
	}
	var parents, leaves, rows []byte
	place := make(map[int]int, len(keep)) // of a node among those kept
	for at, n := range keep {
		place[n] = at
		row := nodes[n].row
		sep := byte(',')
		if at == 0 {
			sep = '['
		}
		parent := -1
		label, prefix := middle(v.text(row, "pattern"), pageName), ""
		if above := nodes[n].parent; above >= 0 {
			parent = place[above]
			stem := patternStem(v.str(nodes[above].row, "pattern"))
			if len(label) > len(stem) && label[:len(stem)] == stem {
				prefix, label = stem, label[len(stem):]
			}
		}
		pr := pagePatternRow{Prefix: prefix, Label: label}
		if level := nodes[n].level; level > 0 {
			pr.Class = "l" + strconv.Itoa(min(level, 8))
		}
		rows = append(rows, sep)
		for j, name := range columns {
			cell := v.cell(row, name)
			pc := pageCell{Text: v.text(row, name)}
			switch name {
			case "share":
				pc.Bar = barClass(v.share(row, name) / max(largest, 1e-12))
			case "no_ttl_bytes":
				pc.Title = pc.Text
				pc.Text = Share(ratio(cell.I, v.int(row, "bytes")))
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
			inner := byte(',')
			if j == 0 {
				inner = '['
			}
			rows = append(rows, inner)
			if name == "no_ttl_bytes" {
				rows = appendShare(rows, ratio(cell.I, v.int(row, "bytes")))
			} else {
				rows = appendJSONCell(rows, v.Columns[v.at[name]].Kind, cell)
			}
		}
		rows = append(rows, ']')
		parents = strconv.AppendInt(append(parents, sep), int64(parent), 10)
		leaves = strconv.AppendInt(append(leaves, sep), v.int(row, "leaf"), 10)
		out.Rows = append(out.Rows, pr)
	}
	data = append(append(data, `],"parents":`...), parents...)
	data = append(append(data, `],"leaf":`...), leaves...)
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

// pageNodes picks the largest nodes that fit the page, in tree order. With a
// node come all that it is under, as these hold at least as much.
func pageNodes(v *tableView, nodes []patternNode) []int {
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	bytes := v.ints("bytes")
	sortBy(order, func(i int) int64 { return -bytes[nodes[i].row] })
	keep := make([]bool, len(nodes))
	n, size := 0, 0
	for _, i := range order {
		var path []int
		for p := i; p >= 0 && !keep[p]; p = nodes[p].parent {
			path = append(path, p)
			size += pageRowBytes(v, nodes[p].row)
		}
		if n += len(path); n > pagePatterns || size > pagePatternBytes {
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

// pageRowBytes is more than a row takes in the page, script data included.
func pageRowBytes(v *tableView, row int) int {
	n := 60
	for j, c := range v.Columns {
		if s := v.Rows[row][j].S; isText(c.Kind) {
			// A byte is at most six as an entity or an escape; a cut name is short.
			text := min(len(s), 4*pageName)
			for k := range text {
				switch s[k] {
				case '<', '>', '&', '"', '\'', '+':
					text += 5
				}
			}
			n += text
			if c.Name == "types" || c.Name == "encodings" || c.Name == "owner" {
				n += text
			}
		} else {
			n += 18
		}
	}
	return n
}

// tablePage is any other table as HTML.
func tablePage(v *tableView, most int) pageTable {
	t := v.Table
	out := pageTable{ID: "t-" + clean(t.Name), Title: prose(t.Title)}
	if out.Count = plural(int64(len(t.Rows)), "row"); len(t.Rows) < 8 {
		out.Count = ""
	}
	if out.Title == "" {
		out.Title = prose(t.Name)
	}
	for _, n := range t.Notes {
		out.Notes = append(out.Notes, prose(n))
	}
	bar := "share"
	if !v.has(bar) {
		bar = "bytes"
	}
	if v.has("key") {
		bar = "" // keys are next to each other in size
	}
	largest := 0.0
	for i := range v.Rows {
		largest = max(largest, barValue(v, i, bar))
	}
	var columns []int
	for j, c := range t.Columns {
		if saysSomething(v, c.Name) || j == 0 {
			columns = append(columns, j)
			out.Heads = append(out.Heads, pageHead{Head: headText(c.Name), Doc: prose(c.Doc), Num: !isText(c.Kind), Bar: c.Name == bar})
		}
	}
	out.Wide = len(columns) > 6
	for i, row := range t.Rows {
		if i == most {
			out.Count = "the first " + Count(int64(most)) + " of " + plural(int64(len(t.Rows)), "row")
			out.Notes = append(out.Notes, "The CSV (-o csv:"+clean(t.Name)+"=FILE) has all rows.")
			break
		}
		var cells []pageCell
		for _, j := range columns {
			c := t.Columns[j]
			cell := pageCell{Text: cellText(c.Kind, &row[j])}
			switch {
			case c.Kind == aggregate.Name:
				cell.Class = "name"
				cell.Text = middle(cell.Text, pageName/2)
			case c.Kind == aggregate.Text:
				cell.Text = middle(cell.Text, pageName/2)
			case !isText(c.Kind):
				cell.Class = "n"
				if !row[j].Null {
					cell.Value = string(appendJSONCell(nil, c.Kind, &row[j]))
				}
			}
			if c.Name == bar {
				cell.Bar = barClass(barValue(v, i, bar) / max(largest, 1e-12))
			}
			cells = append(cells, cell)
		}
		out.Rows = append(out.Rows, struct{ Cells []pageCell }{cells})
	}
	return out
}

// largestPage is the table of largest keys: all types first, then each type that
// is not all of them, folded.
func largestPage(t *aggregate.Table) (out []pageTable) {
	scopes := scopesOf(t)
	if len(scopes) == 0 {
		return []pageTable{tablePage(viewOf(t), pageRows)}
	}
	// Bytes is one of the two sizes beside it, by the measure of the report.
	dropped := func(column string) bool { return column == "scope" || column == "bytes" }
	for _, scope := range scopes {
		if len(scopes) == 2 && len(out) == 1 {
			break // one type alone: the same rows again
		}
		v := largestOf(t, scope)
		cut := *v.Table
		cut.Columns = slices.DeleteFunc(slices.Clone(v.Columns), func(c aggregate.Column) bool { return dropped(c.Name) })
		cut.Rows = make([][]aggregate.Cell, len(v.Rows))
		for i, row := range v.Rows {
			for j, c := range v.Columns {
				if !dropped(c.Name) {
					cut.Rows[i] = append(cut.Rows[i], row[j])
				}
			}
		}
		if scope != "all" {
			cut.Notes = nil
		}
		page := tablePage(viewOf(&cut), pageRows/len(scopes)+20)
		if scope != "all" {
			page.Title = clean(scope)
			page.Count = plural(int64(len(cut.Rows)), "key")
		}
		out = append(out, page)
	}
	return out
}

func barValue(v *tableView, row int, column string) float64 {
	c := v.cell(row, column)
	return c.F + float64(c.I)
}

func (p *page) sources(r *Report) {
	for i := range r.Sources {
		s := &r.Sources[i]
		if i == pageSources {
			p.SourceNotes = append(p.SourceNotes, "The first "+Count(pageSources)+" are shown; the JSON has all.")
			break
		}
		ps := pageSource{
			Path: middle(prose(s.Path), pageName), Server: serverName(s.Server), Format: prose(s.Format), Bytes: s.sizeText(), Keys: Count(s.Keys),
			Checksum: prose(s.Checksum), Error: s.errorText(), Remarks: prose(s.Trailing),
			BytesValue: s.Bytes, KeysValue: s.Keys, UsedMemValue: s.UsedMem,
		}
		if s.Created != 0 {
			ps.Created = Time(s.Created)
		}
		if s.UsedMem >= 0 {
			ps.UsedMem = Bytes(s.UsedMem)
		}
		if s.Functions > 0 {
			if ps.Remarks != "" {
				ps.Remarks += "; "
			}
			ps.Remarks += plural(s.Functions, "function library")
		}
		p.Sources = append(p.Sources, ps)
	}
}

func (p *page) model(r *Report) {
	m := &r.Model
	add := func(name, value, doc string) {
		if value != "" {
			p.Model = append(p.Model, fact{name, prose(value), prose(doc)})
		}
	}
	doc := m.From
	if !m.Verified && m.Line != "" {
		doc += "; not verified against real servers"
	}
	add("server line", m.Line, doc)
	switch m.View {
	case "live":
		add("view", m.View, "the server that wrote the dump")
	case "loaded":
		add("view", m.View, "the server after a restart from this dump")
	default:
		add("view", m.View, "")
	}
	add("allocator", m.Allocator, "")
	if m.Cluster {
		add("cluster", "yes", "bytes per key or slot of cluster mode included")
	}
	measure := "what the allocator holds"
	if r.Measure == "usage" {
		measure = "what MEMORY USAGE reports"
	}
	add("sums", r.Measure, measure)
	if r.Now != 0 {
		add("now", Time(r.Now), r.NowFrom)
	}
	for _, l := range m.Limits {
		p.Limits = append(p.Limits, Limit{prose(l.Name), prose(l.Value), prose(l.From)})
	}
}
