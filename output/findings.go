package output

import "rdbaudit/aggregate"

// finding is a row of the table of findings as people read it.
type finding struct {
	Kind, Title               string // Title says in words what Kind names
	Pattern, Owner            string // empty if it is about the whole dump, or nobody is known
	Saves                     string // empty if nothing is
	Keys, Bytes               string
	Evidence, Example, Advice string
	Sure                      string
}

// findingsOf lists the findings, the largest saving first.
func findingsOf(r *Report) []finding {
	v := r.view("findings")
	if v == nil {
		return nil
	}
	titles := make(map[string]string)
	for _, k := range aggregate.FindingKinds() {
		titles[k.Name] = k.Title
	}
	list := make([]finding, len(v.Rows))
	for row := range v.Rows {
		text := func(column string) string { return v.str(row, column) }
		f := finding{
			Kind: text("finding"), Owner: ownerName(v.cell(row, "owner").S), Keys: plural(v.int(row, "keys"), "key"), Bytes: Bytes(v.int(row, "bytes")),
			Evidence: text("evidence"), Advice: text("advice"), Sure: text("sure"),
		}
		if f.Title = titles[f.Kind]; f.Title == "" {
			f.Title = f.Kind
		}
		if n := v.int(row, "saves"); n > 0 {
			f.Saves = Bytes(n)
		}
		if v.cell(row, "pattern").S != "" {
			f.Pattern = v.text(row, "pattern")
		}
		if v.cell(row, "example").S != "" {
			f.Example = v.text(row, "example")
		}
		list[row] = f
	}
	return list
}

// findings shows what looks wrong: the largest savings first, each with its
// evidence and what to do.
func (p *textPage) findings() {
	list := findingsOf(p.r)
	if len(list) == 0 {
		return
	}
	p.head("findings", "saves, of "+p.r.measureName())
	top := min(p.top(5), len(list))
	for _, f := range list[:top] {
		saves := f.Saves
		if saves == "" {
			saves = "-"
		}
		spans := []span{{saves, figure}, {" " + f.Kind + " ", plain}}
		if f.Pattern != "" {
			spans = append(spans, span{f.Pattern, name})
		}
		if f.Owner != "" {
			spans = append(spans, span{" owner " + f.Owner, plain})
		}
		p.para("  ", spans, normal)
		p.para("      ", []span{{f.Keys + ", " + f.Bytes + ": " + f.Evidence + ".", plain}}, normal)
		p.para("      ", []span{{f.Advice + ".", plain}}, dim)
	}
	if left := len(list) - top; left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more; rdbaudit explain KIND says what each means", plain}}, dim)
	}
}

// markdownFindings is how many findings a summary shows; the JSON has all.
const markdownFindings = 20

func (p *markdownPage) findings(r *Report) {
	list := findingsOf(r)
	if len(list) == 0 {
		return
	}
	p.head("Findings", r.measureName())
	for _, f := range list[:min(len(list), markdownFindings)] {
		line := "- **" + mdText(f.Title) + "**"
		if f.Pattern != "" {
			line += ": " + mdName(f.Pattern)
		}
		if f.Owner != "" {
			line += ", owner " + mdText(middle(f.Owner, markdownName))
		}
		p.line(line)
		cost := f.Keys + ", " + f.Bytes
		if f.Saves != "" {
			cost += ", **saves " + f.Saves + "**"
		}
		p.line("  - " + cost + ": " + mdText(f.Evidence))
		if f.Example != "" {
			p.line("  - for example " + mdName(f.Example))
		}
		p.line("  - do: " + mdText(f.Advice))
		if f.Sure != "" {
			p.line("  - sure: " + mdText(f.Sure))
		}
	}
	if left := len(list) - markdownFindings; left > 0 {
		p.line("")
		p.line("and " + Count(int64(left)) + " more; the JSON has all.")
	}
}
