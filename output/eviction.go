package output

import (
	"cmp"
	"slices"
	"strings"
)

// evictionView is the table of eviction as the terminal and Markdown show it:
// a row for each policy, and the share that each takes of the large patterns.
type evictionView struct {
	policies []evictionPolicy
	patterns []evictionPattern
}

type evictionPolicy struct {
	name                string
	inForce             bool
	known               bool
	bytes, keys, short  string
	takes               string
	fails, takesNothing bool
}

type evictionPattern struct {
	name   string
	shares []string // of the policies that take something, in their order
	lost   int64    // bytes, under the policy in force
	rest   bool     // all others
}

func evictionOf(r *Report) (v *tableView, e evictionView) {
	v = r.view("eviction")
	if v == nil || len(v.Rows) == 0 {
		return nil, e
	}
	column := make(map[string]int) // of the policies that take something
	for i := range v.Rows {
		if !v.cell(i, "pattern").Null || slices.ContainsFunc(e.policies, func(p evictionPolicy) bool { return p.name == v.str(i, "policy") }) {
			continue
		}
		p := evictionPolicy{
			name: v.str(i, "policy"), inForce: v.int(i, "in_force") == 1, known: !v.cell(i, "evicted_share").Null, takes: prose(v.cell(i, "takes").S),
			fails: v.int(i, "short_bytes") > 0, takesNothing: v.int(i, "evicted_keys") == 0, bytes: "-", keys: "-", short: "-",
		}
		if !p.known {
			p.bytes, p.keys, p.short = "?", "?", "?"
		}
		if !p.takesNothing {
			p.bytes, p.keys = Bytes(v.int(i, "evicted_bytes")), Count(v.int(i, "evicted_keys"))
			column[p.name] = len(column)
		}
		if p.fails {
			p.short = Bytes(v.int(i, "short_bytes"))
		}
		e.policies = append(e.policies, p)
	}
	index := make(map[string]int)
	for i := range v.Rows {
		name := v.cell(i, "pattern").S
		c, takes := column[v.str(i, "policy")]
		if v.cell(i, "pattern").Null || !takes {
			continue
		}
		at, ok := index[name]
		if !ok {
			at = len(e.patterns)
			index[name] = at
			e.patterns = append(e.patterns, evictionPattern{name: v.text(i, "pattern"), rest: name == "*", shares: make([]string, len(column))})
		}
		p := &e.patterns[at]
		p.shares[c] = v.text(i, "evicted_share")
		if v.int(i, "in_force") == 1 {
			p.lost = v.int(i, "evicted_bytes")
		}
	}
	// Who loses most comes first, what is small together last.
	slices.SortStableFunc(e.patterns, func(a, b evictionPattern) int { return cmp.Compare(b.lost, a.lost) })
	if i := slices.IndexFunc(e.patterns, func(p evictionPattern) bool { return p.rest }); i >= 0 {
		rest := e.patterns[i]
		rest.name = "small patterns together"
		e.patterns = append(slices.Delete(e.patterns, i, i+1), rest)
	}
	return v, e
}

// taking lists the policies that take something.
func (e *evictionView) taking() (list []evictionPolicy) {
	for _, p := range e.policies {
		if !p.takesNothing {
			list = append(list, p)
		}
	}
	return list
}

// eviction says what each policy takes: the one in force is marked.
func (p *textPage) eviction() {
	v, e := evictionOf(p.r)
	if v == nil {
		return
	}
	p.head(v.Title, "expected")
	for i, n := range v.Notes {
		st := dim
		if i == 0 {
			st = normal
		}
		p.para("  ", []span{{prose(n), plain}}, st)
	}
	for _, q := range e.policies {
		if q.inForce && q.fails {
			p.para("  ", []span{{q.name + ", the policy in force, is " + q.short + " short: writes fail", plain}}, red)
		}
	}
	taking := e.taking()
	unknown := false
	g := grid{columns: []gridColumn{{head: "policy"}, {head: "frees", right: true}, {head: "keys", right: true, drop: 2}, {head: "short of", right: true}, {head: "takes", flex: true, drop: 1}}}
	for _, q := range e.policies {
		if !q.known {
			unknown = true
			continue
		}
		st := normal
		switch {
		case q.inForce:
			st = bold
		case q.fails:
			st = dim
		}
		g.row(gridCell{text: q.label(), st: st}, gridCell{text: q.bytes, st: st}, gridCell{text: q.keys, st: st}, gridCell{text: q.short, st: st}, gridCell{text: q.takes, st: st})
	}
	if len(taking) > 0 || p.shortOfAny(e) {
		p.grid(&g, "  ")
	}
	if unknown {
		for _, line := range e.unknown() {
			p.para("  ", []span{{line, plain}}, dim)
		}
	}
	if len(taking) == 0 {
		return
	}
	g = grid{columns: []gridColumn{{head: "bytes lost of", flex: true}}}
	for i, q := range taking {
		drop := 0
		if !q.inForce {
			drop = i + 1
		}
		g.columns = append(g.columns, gridColumn{head: q.label(), right: true, drop: drop})
	}
	const shownPatterns = 10
	for i, pattern := range e.patterns {
		if i == p.top(shownPatterns) {
			break
		}
		cells := []gridCell{{text: pattern.name, st: cyan}}
		if pattern.rest {
			cells[0].st = dim
		}
		for j := range taking {
			st := normal
			if taking[j].inForce {
				st = bold
			}
			cells = append(cells, gridCell{text: pattern.shares[j], st: st})
		}
		g.row(cells...)
	}
	p.grid(&g, "  ")
	if left := len(e.patterns) - p.top(shownPatterns); left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more; -o csv:eviction=PATH has them all", plain}}, dim)
	}
}

func (p *textPage) shortOfAny(e evictionView) bool {
	for _, q := range e.policies {
		if q.fails {
			return true
		}
	}
	return false
}

// label marks the policy in force.
func (q *evictionPolicy) label() string {
	if q.inForce {
		return q.name + " *"
	}
	return q.name
}

// unknown says for which policies the dump does not tell enough, and why.
func (e *evictionView) unknown() (lines []string) {
	var reasons []string
	names := make(map[string][]string)
	for _, q := range e.policies {
		if !q.known {
			if names[q.takes] == nil {
				reasons = append(reasons, q.takes)
			}
			names[q.takes] = append(names[q.takes], q.label())
		}
	}
	for _, why := range reasons {
		lines = append(lines, strings.Join(names[why], ", ")+": not known, "+why)
	}
	return lines
}

func (p *markdownPage) eviction(r *Report) {
	v, e := evictionOf(r)
	if v == nil {
		return
	}
	p.head(v.Title, "expected")
	for i, n := range v.Notes {
		if i > 0 {
			p.line("")
		}
		p.line(mdText(prose(n)))
	}
	p.line("")
	p.rule("policy", "frees:", "keys:", "short of:", "takes")
	for _, q := range e.policies {
		p.row(mdText(q.label()), q.bytes, q.keys, q.short, mdText(q.takes))
	}
	taking := e.taking()
	if len(taking) == 0 {
		return
	}
	heads := []string{"bytes lost of"}
	for _, q := range taking {
		heads = append(heads, mdText(q.label())+":")
	}
	p.line("")
	p.rule(heads...)
	for i, pattern := range e.patterns {
		if i == markdownPatterns {
			break
		}
		cells := []string{mdName(pattern.name)}
		if pattern.rest {
			cells[0] = pattern.name
		}
		for _, s := range pattern.shares {
			cells = append(cells, mdText(s))
		}
		p.row(cells...)
	}
}
