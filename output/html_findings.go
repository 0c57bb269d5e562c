package output

import (
	"strings"

	"rdbaudit/aggregate"
)

// pageFindings are the findings as cards: the largest saving first.
type pageFindings struct {
	Count string
	Cards []pageFinding
	Kinds []pageKind
	Notes []string
}

type pageFinding struct {
	Figure, What            string // the saving, or what is concerned if nothing is saved
	Title, Kind, Pattern    string
	Keys, Bytes             string
	Evidence, Advice        string
	Sure, Example, BarClass string
}

// pageKind explains a kind of finding.
type pageKind struct {
	Kind, Title string
	Text        []string
}

const pageCards = 60

func findingsPage(r *Report) *pageFindings {
	v := r.view("findings")
	if v == nil || r.Totals.Keys == 0 {
		return nil
	}
	kinds := make(map[string]aggregate.FindingKind)
	for _, k := range aggregate.FindingKinds() {
		kinds[k.Name] = k
	}
	p := &pageFindings{Count: plural(int64(len(v.Rows)), "finding")}
	if len(v.Rows) == 0 {
		p.Count = ""
		p.Notes = append(p.Notes, "Nothing was found that is worth a remark.")
	}
	for _, n := range v.Notes {
		p.Notes = append(p.Notes, prose(n))
	}
	told := make(map[string]bool)
	for i := range v.Rows {
		if i == pageCards {
			p.Count = "the first " + Count(pageCards) + " of " + plural(int64(len(v.Rows)), "finding")
			p.Notes = append(p.Notes, "The CSV (-o csv:findings=FILE) has all.")
			break
		}
		text := func(column string) string { return v.str(i, column) }
		kind := kinds[v.cell(i, "finding").S]
		f := pageFinding{
			Figure: Bytes(v.int(i, "bytes")), What: "concerned", Title: kind.Title, Kind: text("finding"),
			Keys: plural(v.int(i, "keys"), "key"), Bytes: Bytes(v.int(i, "bytes")), Evidence: sentence(text("evidence")), Advice: sentence(text("advice")), Sure: text("sure"),
		}
		if n := v.int(i, "saves"); n > 0 {
			f.Figure, f.What = Bytes(n), "to save"
			f.BarClass = barClass(ratio(n, r.Totals.Bytes))
		}
		if f.Title == "" { // of a later release's report
			f.Title = f.Kind
		}
		if v.cell(i, "pattern").S != "" {
			f.Pattern = middle(v.text(i, "pattern"), pageName)
		}
		if v.cell(i, "example").S != "" {
			f.Example = middle(v.text(i, "example"), pageName)
		}
		if kind.Name != "" && !told[kind.Name] {
			told[kind.Name] = true
			p.Kinds = append(p.Kinds, pageKind{kind.Name, kind.Title, paragraphs(kind.Doc)})
		}
		p.Cards = append(p.Cards, f)
	}
	return p
}

// sentence begins with a capital, unless it begins with a name of a setting,
// and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	first, _, _ := strings.Cut(s, " ")
	if c := s[0]; c >= 'a' && c <= 'z' && !strings.ContainsAny(first, "-_:.=/0123456789") {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// paragraphs undoes the line breaks of a text for the terminal.
func paragraphs(doc string) (out []string) {
	for _, p := range strings.Split(doc, "\n\n") {
		out = append(out, strings.ReplaceAll(strings.TrimSpace(p), "\n", " "))
	}
	return out
}

// pageEviction is what each maxmemory-policy would evict, and of which patterns.
type pageEviction struct {
	Title    string
	Notes    []string
	Policies []pagePolicy
	Taking   []pagePolicy
	Patterns []pageLoss
	Left     string
}

type pagePolicy struct {
	Name, Frees, Keys, Short, Takes string
	InForce, Fails                  bool
}

type pageLoss struct {
	Name   string
	Rest   bool
	Shares []string
}

func evictionPage(r *Report) *pageEviction {
	v, e := evictionOf(r)
	if v == nil {
		return nil
	}
	p := &pageEviction{Title: prose(v.Title)}
	for _, n := range v.Notes {
		p.Notes = append(p.Notes, prose(n))
	}
	policy := func(q evictionPolicy) pagePolicy {
		return pagePolicy{Name: q.name, Frees: q.bytes, Keys: q.keys, Short: q.short, Takes: q.takes, InForce: q.inForce, Fails: q.fails}
	}
	for _, q := range e.policies {
		p.Policies = append(p.Policies, policy(q))
	}
	for _, q := range e.taking() {
		p.Taking = append(p.Taking, policy(q))
	}
	const most = 20
	for i, q := range e.patterns {
		if i == most {
			p.Left = "and " + plural(int64(len(e.patterns)-most), "more row") + "; the CSV (-o csv:eviction=FILE) has them all."
			break
		}
		p.Patterns = append(p.Patterns, pageLoss{Name: middle(prose(q.name), pageName), Rest: q.rest, Shares: q.shares})
	}
	return p
}
