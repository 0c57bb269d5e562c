package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/output"
)

// rule is one --fail-on, or fail in a rules file: a metric of the pattern
// table, over the patterns that match, against a number. A rule that holds true
// is broken.
type rule struct {
	text    string
	from    string // for messages: the flag, or the line of the file
	where   string // file and line, "" for a flag
	metric  string // a column of the pattern table
	pattern string // with * for any text, "" for the whole dump
	op      string
	value   float64
	glob    *regexp.Regexp
	evicted bool               // the metric is of eviction under the policy in force
	columns []aggregate.Column // of the table that it is about
	growth  bool               // that is the table of changes
}

// evictionMetrics are those of the table eviction.
var evictionMetrics = []string{"evicted_keys", "evicted_bytes", "evicted_share", "short_bytes"}

var ruleForm = regexp.MustCompile(`^\s*([a-z0-9_-]+)\s*(?:\(\s*(.*?)\s*\))?\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*$`)

// parseRule reads 'metric(PATTERN) > NUMBER'. Metrics are the columns of the
// pattern table, with - or _; sizes take units. From says where it stands.
func parseRule(from, text string) (*rule, error) {
	return parseRuleOf(aggregate.PatternColumns(), evictionMetrics, from, text)
}

// parseRuleOf reads a rule about a table of patterns with these columns, or
// about one of the metrics of eviction.
func parseRuleOf(columns []aggregate.Column, eviction []string, from, text string) (*rule, error) {
	m := ruleForm.FindStringSubmatch(text)
	if m == nil {
		return nil, usageError("%s: want METRIC(PATTERN) > NUMBER, as in 'no-ttl-bytes(session:*) > 1GB'", from)
	}
	r := &rule{text: strings.TrimSpace(text), from: from, metric: strings.ReplaceAll(m[1], "-", "_"), pattern: m[2], op: m[3], columns: columns}
	var known []string
	ok := false
	for _, c := range columns {
		switch c.Kind {
		case aggregate.Count, aggregate.Bytes, aggregate.Share, aggregate.Seconds:
			if c.Name != "depth" {
				known = append(known, c.Name)
				ok = ok || c.Name == r.metric
			}
		}
	}
	known = append(known, eviction...)
	if r.evicted = slices.Contains(eviction, r.metric); !ok && !r.evicted {
		hint := ""
		if meant := nearest(r.metric, known); meant != "" {
			hint = " did you mean " + meant + "?"
		}
		return nil, usageError("%s: no metric is called %s;%s there are %s", from, m[1], hint, strings.Join(known, ", "))
	}
	number := m[4]
	if pct, is := strings.CutSuffix(number, "%"); is {
		f, err := strconv.ParseFloat(pct, 64)
		if err != nil || math.IsNaN(f) {
			return nil, usageError("%s: %q is not a number", from, number)
		}
		r.value = f / 100
	} else if f, err := strconv.ParseFloat(number, 64); err == nil && !math.IsNaN(f) {
		r.value = f
	} else if n, ok := seconds(number); ok && strings.HasSuffix(r.metric, "seconds") {
		r.value = float64(n)
	} else if n, err := estimate.ParseSize(number); err == nil {
		r.value = float64(n)
	} else {
		return nil, usageError("%s: %q is neither a number nor a size such as 1GB", from, number)
	}
	if r.pattern != "" {
		parts := strings.Split(r.pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		r.glob = regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
	}
	return r, nil
}

// seconds reads 90s, 5m, 12h or 7d.
func seconds(s string) (int64, bool) {
	units := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
	if s == "" || units[s[len(s)-1]] == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 32)
	return n * units[s[len(s)-1]], err == nil && n >= 0
}

// measureGrowth is the metric of the comparison as a whole, which is its first
// row, or over the patterns that match. What never fills takes forever.
func (r *rule) measureGrowth(rows [][]aggregate.Cell) float64 {
	if r.metric == "full_in_seconds" {
		column, soonest := len(r.columns)-1, math.Inf(1)
		for i, c := range r.columns {
			if c.Name == r.metric {
				column = i
			}
		}
		for i, row := range rows {
			if r.glob == nil && i == 0 || r.glob != nil && row[2].I == 1 && r.glob.MatchString(row[0].S) {
				if c := row[column]; !c.Null {
					soonest = min(soonest, float64(c.I))
				}
			}
		}
		return soonest
	}
	if r.glob == nil && len(rows) > 0 {
		whole := slices.Clone(rows[0])
		whole[2].I = 1
		return r.measure([][]aggregate.Cell{whole})
	}
	return r.measure(rows)
}

// measure is the metric over all leaves that match: sums are added, of
// averages, medians and maxima the largest counts.
func (r *rule) measure(rows [][]aggregate.Cell) float64 {
	column, kind := 0, aggregate.Count
	for i, c := range r.columns {
		if c.Name == r.metric {
			column, kind = i, c.Kind
		}
	}
	sums := true
	for _, prefix := range []string{"avg_", "p50_", "p99_", "max_", "ttl_", "idle_", "growth", "full_in"} {
		sums = sums && !strings.HasPrefix(r.metric, prefix)
	}
	got, first := 0.0, true
	for _, row := range rows {
		if row[2].I == 0 || r.glob != nil && !r.glob.MatchString(row[0].S) {
			continue
		}
		v := float64(row[column].I)
		if kind == aggregate.Share {
			v = row[column].F
		}
		if sums {
			got += v
		} else if first {
			got = v // which may be below zero
		} else {
			got = max(got, v)
		}
		first = false
	}
	return got
}

// measureEvicted is the metric over the patterns that match, of what the
// policy in force evicts: the share is of all their bytes together.
func (r *rule) measureEvicted(o *aggregate.Outcome) float64 {
	if r.metric == "short_bytes" {
		return float64(o.Short)
	}
	keys, bytes, share := o.Lost(func(pattern string) bool { return r.glob == nil || r.glob.MatchString(pattern) })
	switch r.metric {
	case "evicted_keys":
		return float64(keys)
	case "evicted_bytes":
		return float64(bytes)
	}
	return share
}

// broken says whether the rule is, given the pattern table or what the policy
// in force evicts. What cannot be told is no good sign and breaks it.
func (r *rule) broken(rows [][]aggregate.Cell, o *aggregate.Outcome) (string, bool) {
	var got float64
	switch {
	case r.growth:
		got = r.measureGrowth(rows)
	case !r.evicted:
		got = r.measure(rows)
	case o == nil || o.Unknown != "":
		why := "nothing is known of eviction"
		if o != nil {
			why = o.Unknown
		}
		return r.say("rule cannot be told", why, rows), true
	default:
		got = r.measureEvicted(o)
	}
	var is bool
	switch r.op {
	case ">":
		is = got > r.value
	case ">=":
		is = got >= r.value
	case "<":
		is = got < r.value
	case "<=":
		is = got <= r.value
	case "==":
		is = got == r.value
	default:
		is = got != r.value
	}
	if !is {
		return "", false
	}
	return r.say("rule broken", fmt.Sprintf("it is %s, the limit is %s", r.figure(got), r.figure(r.value)), rows), true
}

// idle says that a rule which is not broken is about no pattern at all: more
// often than not a slip.
func (r *rule) idle(rows [][]aggregate.Cell) (string, bool) {
	if r.glob == nil {
		return "", false
	}
	for _, row := range rows {
		if row[2].I == 1 && r.glob.MatchString(row[0].S) {
			return "", false
		}
	}
	s := "rule " + output.Printable(r.text) + ": no pattern is like " + output.Printable(r.pattern) + "; rules go by the names in the table of patterns, such as user:{num}"
	if r.where != "" {
		s = r.where + ": " + s
	}
	return s, true
}

// say makes the message: where the rule stands, what it says, what is, and who
// owns the patterns that it looks at.
func (r *rule) say(what, figures string, rows [][]aggregate.Cell) string {
	s := what + ": " + output.Printable(r.text) + ": " + figures
	if r.where != "" {
		s = r.where + ": " + s
	}
	if r.glob == nil {
		return s // of the whole dump, which is nobody's
	}
	column, owner := 0, 0
	by := r.metric
	if r.evicted {
		by = "bytes"
	}
	for i, c := range r.columns {
		switch c.Name {
		case by:
			column = i
		case "owner":
			owner = i
		}
	}
	held := make(map[string]float64)
	for _, row := range rows {
		if name := row[owner].S; row[2].I == 1 && name != "" && r.glob.MatchString(row[0].S) {
			held[name] += float64(row[column].I) + row[column].F
		}
	}
	if owners := ownersOf(held); owners != "" {
		s += "; " + owners
	}
	return s
}

// figure is a value of the metric, exact and for people.
func (r *rule) figure(v float64) string {
	if math.IsInf(v, 1) {
		return "never"
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	switch {
	case strings.HasSuffix(r.metric, "full_in_seconds"):
		s += " (" + output.Duration(int64(v)) + ")"
	case r.metric == "growth":
		s += " (" + output.Share(v) + ")"
	case strings.HasSuffix(r.metric, "bytes"):
		s += " (" + output.Bytes(int64(v)) + ")"
	case strings.HasSuffix(r.metric, "share"):
		s += " (" + output.Share(v) + ")"
	}
	return s
}
