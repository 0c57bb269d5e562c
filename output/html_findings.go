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
	finding
	Figure, What string // the saving, or what is concerned if nothing is saved
	BarClass     string
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
	list := findingsOf(r)
	p := &pageFindings{Count: plural(int64(len(list)), "finding")}
	if len(list) == 0 {
		p.Count = ""
		p.Notes = append(p.Notes, "Nothing was found that is worth a remark.")
	}
	for _, n := range v.Notes {
		p.Notes = append(p.Notes, prose(n))
	}
	seen := make(map[string]bool)
	for i, f := range list {
		if i == pageCards {
			p.Count = "the first " + Count(pageCards) + " of " + plural(int64(len(list)), "finding")
			p.Notes = append(p.Notes, "The CSV (-o csv:findings=FILE) has all.")
			break
		}
		card := pageFinding{finding: f, Figure: f.Bytes, What: "concerned"}
		if f.Saves != "" {
			card.Figure, card.What = f.Saves, "to save"
			card.BarClass = barClass(ratio(v.int(i, "saves"), r.Totals.Bytes))
		}
		card.Evidence, card.Advice = sentence(f.Evidence), sentence(f.Advice)
		card.Pattern, card.Example = middle(f.Pattern, pageName), middle(f.Example, pageName)
		p.Cards = append(p.Cards, card)
		seen[f.Kind] = true
	}
	for _, k := range aggregate.FindingKinds() {
		if seen[k.Name] {
			p.Kinds = append(p.Kinds, pageKind{k.Name, k.Title, paragraphs(k.Doc)})
		}
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
