package output

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

const (
	markdownPatterns = 20
	markdownKeys     = 10
	markdownRows     = 30 // of any other table
	markdownName     = 80 // columns of a name; longer ones are cut in the middle
)

// writeMarkdown writes a summary for a ticket or a wiki, in GitHub's dialect.
func writeMarkdown(w io.Writer, r *Report) error {
	p := &markdownPage{bufio.NewWriter(w)}
	lines := r.firstLines()
	for i, line := range lines {
		if i > 0 {
			p.line(">")
		}
		p.line("> **!** " + mdText(line))
	}
	if len(lines) > 0 {
		p.line("")
	}
	p.line("## Memory of " + mdName(reportTitle(r)))
	p.line("")
	p.para(r.lead())
	facts := plural(r.Totals.Keys, "key") + ", " + Bytes(r.Totals.Bytes) + " " + r.measureName()
	if len(r.Sources) == 1 {
		s := &r.Sources[0]
		facts = serverName(s.Server) + ", " + s.createdText() + ", " + s.sizeText() + ", " + s.checksumText() + "; " + facts
	} else if len(r.Sources) > 1 {
		facts = plural(int64(len(r.Sources)), "dump") + "; " + facts
	}
	p.line(mdText(facts) + ".")
	p.memory(r)
	p.findings(r)
	p.patterns(r)
	p.owners(r)
	p.largest(r)
	p.eviction(r)
	p.types(r)
	if len(r.Notes) > 0 {
		p.head("Notes", "")
		for _, n := range r.Notes {
			p.line("- " + mdText(prose(n)))
		}
	}
	p.line("")
	p.line("<sub>rdbaudit " + mdText(prose(r.Version)) + "</sub>")
	return p.w.Flush()
}

type markdownPage struct{ w *bufio.Writer }

func (p *markdownPage) line(s string) {
	p.w.WriteString(s)
	p.w.WriteByte('\n')
}

func (p *markdownPage) head(title, remark string) {
	p.line("")
	if remark != "" {
		remark = " (" + mdText(remark) + ")"
	}
	p.line("### " + mdText(title) + remark)
	p.line("")
}

func (p *markdownPage) para(sentences [][]span) {
	var b strings.Builder
	for i, s := range sentences {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, part := range s {
			switch part.Role {
			case figure:
				b.WriteString("**" + mdText(part.Text) + "**")
			case name:
				b.WriteString(mdName(part.Text))
			default:
				b.WriteString(mdText(part.Text))
			}
		}
	}
	p.line(b.String())
	p.line("")
}

// rule writes the head of a table; a name with a colon at its end is aligned right.
func (p *markdownPage) rule(heads ...string) {
	var head, under strings.Builder
	for _, h := range heads {
		text, right := strings.CutSuffix(h, ":")
		head.WriteString("| " + text + " ")
		if right {
			under.WriteString("|---:")
		} else {
			under.WriteString("|:---")
		}
	}
	p.line(head.String() + "|")
	p.line(under.String() + "|")
}

func (p *markdownPage) row(cells ...string) { p.line("| " + strings.Join(cells, " | ") + " |") }

func (p *markdownPage) memory(r *Report) {
	m := &r.Memory
	if r.Filtered != "" || m.Estimate == 0 && m.DumpUsedMem < 0 {
		return
	}
	p.head("Memory", r.modelLine())
	p.rule("part", "bytes:", "share:", "")
	for _, part := range r.memoryParts() {
		p.row(part.Name, Bytes(part.Bytes), mdText(Share(part.Share)), part.Doc)
	}
	p.row("**estimate**", "**"+Bytes(m.Estimate)+"**", "", "keys, tables and start-up")
	if m.DumpUsedMem >= 0 {
		p.row("**used-mem**", "**"+Bytes(m.DumpUsedMem)+"**", "", "as the server said")
	}
	p.notes(r.memoryNotes())
}

func (p *markdownPage) notes(notes []string) {
	for _, n := range notes {
		p.line("")
		p.line(mdText(prose(n)))
	}
}

func (p *markdownPage) patterns(r *Report) {
	v := r.view("patterns")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	var rows []int
	for i := range v.Rows {
		if v.int(i, "leaf") == 1 {
			rows = append(rows, i)
		}
	}
	sortBy(rows, func(i int) int64 { return -v.int(i, "bytes") })
	p.head("Largest patterns", r.measureName())
	heads := []string{"pattern", "share:", "bytes:", "keys:", "average:", "no TTL:", "types"}
	owned := saysSomething(v, "owner")
	if owned {
		heads = append(heads, "owner")
	}
	p.rule(heads...)
	for _, i := range rows[:min(len(rows), markdownPatterns)] {
		cells := []string{mdName(v.text(i, "pattern")), mdText(v.text(i, "share")), v.text(i, "bytes"), v.text(i, "keys"), v.text(i, "avg_bytes"),
			mdText(Share(ratio(v.int(i, "no_ttl_bytes"), v.int(i, "bytes")))), mdText(middle(v.str(i, "types"), markdownName))}
		if owned {
			cells = append(cells, mdText(middle(ownerName(v.cell(i, "owner").S), markdownName)))
		}
		p.row(cells...)
	}
	if left := len(rows) - markdownPatterns; left > 0 {
		p.line("")
		p.line("and " + plural(int64(left), "smaller pattern") + ".")
	}
	p.notes(v.Notes)
}

func (p *markdownPage) largest(r *Report) {
	v := r.view("largest")
	if v == nil || !v.has("key") {
		return
	}
	n := 0
	for i := range v.Rows {
		if n == markdownKeys {
			break
		}
		if v.has("scope") && v.str(i, "scope") != "all" {
			continue
		}
		if n++; n == 1 {
			p.head("Largest keys", r.measureName())
			p.rule("key", "bytes:", "type", "encoding", "elements:", "expires", "database:")
		}
		size := "bytes"
		if !v.has(size) {
			size = "allocated_bytes"
		}
		p.row(mdName(v.text(i, "key")), v.text(i, size), mdText(v.text(i, "type")), mdText(v.text(i, "encoding")),
			v.text(i, "num_elements"), v.text(i, "expiry"), v.text(i, "database"))
	}
}

func (p *markdownPage) types(r *Report) {
	v := r.view("types")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head("Types and encodings", "")
	p.rule("type", "encoding", "keys:", "bytes:", "share:", "average:")
	for i := range v.Rows[:min(len(v.Rows), markdownRows)] {
		p.row(mdText(v.text(i, "type")), mdText(v.text(i, "encoding")), v.text(i, "keys"), v.text(i, "bytes"), mdText(v.text(i, "share")), v.text(i, "avg_bytes"))
	}
	p.notes(v.Notes)
}

// mdName is a key, a pattern or a path. Between backquotes nothing is active,
// and what cannot stand there safely is written as entities within <code>, where
// no reader looks for links, mentions or templates.
func mdName(s string) string {
	s = middle(s, markdownName)
	if s != "" && !strings.ContainsAny(s, "`|<>&") && s[0] != ' ' && !strings.ContainsRune(" \\", rune(s[len(s)-1])) &&
		!strings.Contains(s, "{{") && !strings.Contains(s, "{%") && !strings.Contains(s, "{#") {
		return "`" + s + "`"
	}
	var b strings.Builder
	b.WriteString("<code>")
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x80 && !isAlphanumeric(c) {
			writeEntity(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteString("</code>")
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func writeEntity(b *strings.Builder, c byte) {
	b.WriteString("&#" + strconv.Itoa(int(c)) + ";")
}

// mdText is a sentence, which may hold names. What Markdown acts upon becomes an
// entity. Mentions, references and addresses are found in the finished page as
// well, so the character that makes one stands in a <code> of its own.
func mdText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case strings.IndexByte("\\`*_{}[]<>&|~$^!=", c) >= 0:
			writeEntity(&b, c)
		case c == '@' || c == '#' || c == ':' && strings.HasPrefix(s[i:], "://") || c == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"):
			b.WriteString("<code>")
			writeEntity(&b, c)
			b.WriteString("</code>")
		case i == 0 && (c == '-' || c == '+'):
			writeEntity(&b, c) // a list
		case c == '.' || c == ')':
			// "1. " at the front starts a list.
			if i > 0 && strings.Trim(s[:i], "0123456789") == "" && (i+1 == len(s) || s[i+1] == ' ') {
				writeEntity(&b, c)
			} else {
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
