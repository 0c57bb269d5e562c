package output

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // of the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rdbaudit/aggregate"
)

// What a page is made of, in the program's own pages: only what is used is read.
var (
	//go:embed web/report.html
	reportHTML string
	//go:embed web/diff.html
	diffHTML string
	//go:embed web/report.css
	reportCSS string
	//go:embed web/report.js
	reportJS string
	//go:embed web/draw.js
	drawJS string
	//go:embed web/diff.js
	diffJS string
	//go:embed web/charts.min.js
	pageCharts string // made by web/build.sh
	//go:embed web/NOTICES.txt
	pageNotices string
)

// Notices are the licences of the programs that HTML reports carry.
func Notices() string { return pageNotices }

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
	pagePatternBytes = 2 << 20
	pagePlain        = 200 // pattern rows that are there without the script
	pageRows         = 200 // of any other table
	pageFoldedRows   = 50  // of one that few will open
	pageSources      = 500
	pageName         = 160 // columns of a name; longer ones are cut in the middle
)

type page struct {
	CSP         template.HTML
	CSS         template.CSS
	Charts      template.JS
	JS, Data    template.JS
	Notices     string
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
	Findings    *pageFindings
	Eviction    *pageEviction
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
	Name, Head, Doc string
	Num, Bar        bool
}

type pageCell struct{ Text, Title, Bar, Class, Value string }

type pageTable struct {
	ID, Title, Count string
	Chart, Says      string // how the script draws it, and of what
	Wide, Folded     bool
	Long             bool // the chart comes first, the table when it is asked for
	Heads            []pageHead
	Rows             []struct{ Cells []pageCell }
	Notes            []string
}

// Body is the rows as HTML.
func (t pageTable) Body() template.HTML {
	var b markup
	for i := range t.Rows {
		b.WriteString("\n<tr>")
		for j := range t.Rows[i].Cells {
			c := &t.Rows[i].Cells[j]
			if c.Bar != "" {
				b.WriteString(`<td class="b"><i`)
				b.attr("class", c.Bar)
				b.WriteString("></i></td>")
			}
			b.WriteString("<td")
			b.attr("class", c.Class)
			b.attr("data-v", c.Value)
			b.WriteByte('>')
			b.text(c.Text)
			b.WriteString("</td>")
		}
		b.WriteString("</tr>")
	}
	return template.HTML(b.String())
}

// markup is HTML that is put together for a page, where a template would take
// long: that of the rows of its tables.
type markup struct{ strings.Builder }

// text writes text that a reader is to see.
func (m *markup) text(s string) {
	if !strings.ContainsAny(s, "&<>\"'\x00") {
		m.WriteString(s)
		return
	}
	template.HTMLEscape(m, []byte(s))
}

// attr writes an attribute, unless it is empty.
func (m *markup) attr(name, value string) {
	if value != "" {
		m.WriteByte(' ')
		m.WriteString(name)
		m.WriteString(`="`)
		m.text(value)
		m.WriteByte('"')
	}
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
	if err := execute(bw, p, reportHTML); err != nil {
		return err
	}
	return bw.Flush()
}

// execute writes a page by the last of these texts of ours, which may use what the
// others define.
func execute(w io.Writer, page any, texts ...string) error {
	t := template.New("")
	for i, text := range texts {
		var err error
		if t, err = t.New(strconv.Itoa(i)).Parse(text); err != nil {
			return err
		}
	}
	return t.Execute(w, page)
}

func sourceHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func newPage(r *Report) *page {
	// The pattern table is about half of the work.
	var data []byte
	var patterns *pagePatternTable
	var aside sync.WaitGroup
	aside.Go(func() { data, patterns = patternPage(r) })
	p := barePage("")
	p.Version, p.Title, p.Warnings, p.Lead = prose(r.Version), reportTitle(r), r.firstLines(), r.lead()
	p.ModelLine, p.MemoryNotes, p.SourceCount = r.modelLine(), r.memoryNotes(), plural(int64(len(r.Sources)), "file")
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
	p.Findings = findingsPage(r)
	p.Eviction = evictionPage(r)
	for i := range r.Tables {
		t := &r.Tables[i]
		switch {
		case t.Name == "patterns" || r.Totals.Keys == 0 || len(t.Columns) == 0 || len(t.Rows)+len(t.Notes) == 0:
		case t.Name == "databases" && len(t.Rows) == 1: // the cards say it all
		case t.Name == "largest":
			p.Largest = largestPage(t)
		case t.Name == "findings" || t.Name == "eviction": // shown in ways of their own
		default:
			p.Tables = append(p.Tables, tablePage(readable(t), pageRows))
		}
	}
	p.sources(r)
	p.model(r)
	aside.Wait()
	p.Data, p.Patterns = template.JS(data), patterns
	return p
}

// barePage is a page with its style, script and policy; more is script of this page alone.
func barePage(more string) *page {
	css, script := reportCSS+barRules(), reportJS+drawJS+more
	return &page{
		CSS: template.CSS(css), Charts: template.JS(pageCharts), JS: template.JS(script), Notices: pageNotices,
		// The hashes hold nothing that HTML would read.
		CSP: template.HTML(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; script-src ` +
			sourceHash(pageCharts) + ` ` + sourceHash(script) + `; style-src ` + sourceHash(css) + `; img-src data:">`),
	}
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
	elements := Count(t.Elements) + " elements"
	if v := r.view("databases"); v != nil && len(v.Rows) > 1 {
		elements += ", " + plural(int64(len(v.Rows)), "database")
	}
	out := []fact{
		{"Keys", Count(t.Keys), elements},
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

// charts says how the script draws a table, above it: rings of its first
// columns, or bars named by its first.
var charts = map[string]string{
	"types": "rings", "sizes": "bars", "ttl": "bars", "idle": "bars", "frequency": "bars",
	"expiry_hours": "bars", "expiry_days": "bars", "expiry_peaks": "bars",
	"slots": "bars", "dumps": "bars", "nodes": "bars", "hash_tags": "bars", "owners": "bars",
}

// tablePage is any other table as HTML.
func tablePage(v *tableView, most int) pageTable {
	t := v.Table
	out := pageTable{ID: "t-" + clean(t.Name), Title: prose(t.Title), Chart: charts[t.Name], Folded: t.Name == "audit"}
	if out.Folded {
		most = min(most, pageFoldedRows)
	}
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
			out.Heads = append(out.Heads, pageHead{Name: clean(c.Name), Head: headText(c.Name), Doc: prose(c.Doc), Num: !isText(c.Kind), Bar: c.Name == bar})
		}
	}
	out.Wide = len(columns) > 6
	if len(t.Rows) < 2 || !v.has("bytes") {
		out.Chart = ""
	}
	out.Long = out.Chart != "" && len(t.Rows) > 16
	out.Says = "Chart of the table below: " + out.Title + ", by bytes"
	some := min(len(t.Rows), most)
	out.Rows = make([]struct{ Cells []pageCell }, 0, some)
	room := make([]pageCell, 0, some*len(columns)) // of all rows
	for i, row := range t.Rows {
		if i == most {
			out.Count = "the first " + Count(int64(most)) + " of " + plural(int64(len(t.Rows)), "row")
			out.Notes = append(out.Notes, "The CSV (-o csv:"+clean(t.Name)+"=FILE) has all rows.")
			break
		}
		cells := room[len(room):len(room):cap(room)]
		for _, j := range columns {
			c := t.Columns[j]
			cell := pageCell{Text: columnText(&c, &row[j])}
			switch {
			case t.Name == "owners" && c.Name == "owner":
				cell.Text = middle(ownerText(v, i), pageName/2)
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
		room = room[:len(room)+len(cells)]
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
		add("now", r.moments(), r.NowFrom)
	}
	for _, l := range m.Limits {
		p.Limits = append(p.Limits, Limit{prose(l.Name), prose(l.Value), prose(l.From)})
	}
}
