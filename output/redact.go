package output

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"hash"
	"path"
	"regexp"
	"strings"

	"rdbaudit/aggregate"
)

// Redactor replaces names of keys by keyed hashes, so that a report can be
// shared: equal names stay equal, separators and the classes of identifiers stay
// as they are, and without the key nobody can try names until one fits. Not safe
// for concurrent use.
type Redactor struct {
	sum        hash.Hash
	separators []string // as printed
	patterner  *aggregate.Patterner
	known      map[string]string
	paths      []string // of dumps, each followed by what stands for it
}

// RedactedLine is the first line of every redacted report.
const RedactedLine = "Redacted: names of keys are keyed hashes; separators, classes of identifiers and all figures are as they were."

// Redacted says whether a report is.
func (r *Report) Redacted() bool { return len(r.Warnings) > 0 && r.Warnings[0] == RedactedLine }

// NewRedactor makes a Redactor for names that were cut under these options.
func NewRedactor(key []byte, o *aggregate.Options) (*Redactor, error) {
	p, err := aggregate.NewPatterner(o)
	if err != nil {
		return nil, err
	}
	r := &Redactor{sum: hmac.New(sha256.New, key), patterner: p, known: make(map[string]string)}
	for _, s := range o.Separators {
		r.separators = append(r.separators, string(aggregate.AppendEscaped(nil, []byte("x"+s))[1:]))
	}
	if len(r.separators) == 0 {
		r.separators = []string{":"}
	}
	return r, nil
}

// maxKnown bounds the memory for words: those of a report are few, those of
// all keys may be many.
const maxKnown = 100_000

// word is eight letters and digits for a text.
func (r *Redactor) word(s string) string {
	if w, ok := r.known[s]; ok {
		return w
	}
	r.sum.Reset()
	r.sum.Write([]byte(s))
	w := strings.ToLower(base32.StdEncoding.EncodeToString(r.sum.Sum(nil)[:5]))
	if len(r.known) < maxKnown && len(s) < 1024 {
		r.known[strings.Clone(s)] = w
	}
	return w
}

// classToken is what stands in a pattern for identifiers. Text of a key that
// looks like one is printed otherwise (aggregate.Patterner).
var classToken = regexp.MustCompile(`\{(?:num|time|date|hex|uuid|ulid|email|ip|id|tag|long)\}`)

// Pattern redacts a printed pattern.
func (r *Redactor) Pattern(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		end, sep := len(s), ""
		for _, p := range r.separators {
			if i := strings.Index(s, p); i >= 0 && (i < end || i == end && len(p) > len(sep)) {
				end, sep = i, p
			}
		}
		r.segment(&b, s[:end])
		b.WriteString(sep)
		s = s[end+len(sep):]
	}
	return b.String()
}

func (r *Redactor) segment(b *strings.Builder, s string) {
	if s == "*" {
		b.WriteString(s)
		return
	}
	for s != "" {
		at := classToken.FindStringIndex(s)
		if at == nil {
			b.WriteString(r.word(s))
			return
		}
		if at[0] > 0 {
			b.WriteString(r.word(s[:at[0]]))
		}
		b.WriteString(s[at[0]:at[1]])
		s = s[at[1]:]
	}
}

// Key redacts the name of a key: its pattern, and a hash that tells it from
// others of that pattern.
func (r *Redactor) Key(name []byte) string {
	return r.Pattern(string(r.patterner.Append(nil, name))) + "#" + r.word("key "+string(name))
}

// printed redacts a name as reports print it.
func (r *Redactor) printed(s string) string {
	if s == "" {
		return ""
	}
	name, _ := aggregate.Unescape(s)
	if name == nil { // not as we print it: from a report that somebody changed
		name = []byte(s)
	}
	return r.Key(name)
}

// Owner redacts the name of an owner.
func (r *Redactor) Owner(s string) string {
	if s == "" {
		return ""
	}
	return r.word("owner " + s)
}

// inKey is where an error of the parser names the key that it was in.
var inKey = regexp.MustCompile(`\(in key "(?:[^"\\]|\\.)*"[^)]*\)`)

func (r *Redactor) prose(s string) string {
	return strings.NewReplacer(r.paths...).Replace(inKey.ReplaceAllString(s, "(in a key)"))
}

// Report redacts all names of a report. It changes rep.
func (r *Redactor) Report(rep *Report) {
	for i := range rep.Sources {
		s := &rep.Sources[i]
		if base := Base(s.Path); base != s.Path {
			r.paths = append(r.paths, s.Path, base)
		}
		s.Path, s.Error = Base(s.Path), r.prose(s.Error)
	}
	for i, w := range rep.Warnings {
		rep.Warnings[i] = r.prose(w)
	}
	for i, n := range rep.Notes {
		rep.Notes[i] = r.prose(n)
	}
	rep.Filtered = redactFilter(rep.Filtered)
	if rep.Options.Patterns != "" { // could be tried out
		rep.Options.Patterns = r.word("patterns " + rep.Options.Patterns)
	}
	for i := range rep.Tables {
		r.table(&rep.Tables[i])
	}
	rep.Warnings = append([]string{RedactedLine}, rep.Warnings...)
}

// Diff redacts all names of a comparison. It changes d.
func (r *Redactor) Diff(d *Diff) {
	for i := range d.Moments {
		m := &d.Moments[i]
		r.Report(m.Report)
		m.Report.Warnings = m.Report.Warnings[1:] // one such line is enough
		if base := Base(strings.TrimRight(m.Name, `/\`)); base != m.Name {
			r.paths = append(r.paths, m.Name, base)
			m.Name = base
		}
	}
	for i, w := range d.Warnings {
		d.Warnings[i] = r.prose(w)
	}
	for i, n := range d.Notes {
		d.Notes[i] = r.prose(n)
	}
	d.Filtered = redactFilter(d.Filtered)
	for i := range d.Tables {
		r.table(&d.Tables[i])
	}
	d.Warnings = append([]string{RedactedLine}, d.Warnings...)
}

// Base is the last part of a path: folders may be named after customers.
func Base(p string) string {
	if p == "" || p == "-" {
		return p
	}
	return path.Base(strings.ReplaceAll(p, `\`, "/"))
}

func (r *Redactor) table(t *aggregate.Table) {
	for i, row := range t.Rows {
		row = append([]aggregate.Cell(nil), row...)
		// Advice repeats the names of its row in quotes, as a command to run.
		var quoted []string
		for j, c := range t.Columns {
			s := row[j].S
			switch {
			case row[j].Null || s == "":
			case c.Kind == aggregate.Name && (c.Name == "pattern" || c.Name == "tag"):
				row[j].S = r.Pattern(s)
			case c.Kind == aggregate.Name:
				row[j].S = r.printed(s)
			case c.Name == "dump" && t.Name == "dumps":
				row[j].S = Base(s)
			case c.Name == "error":
				row[j].S = r.prose(s)
			case c.Name == "owner":
				row[j].S = r.Owner(s)
			default:
				continue
			}
			quoted = append(quoted, "'"+s+"'", "'"+row[j].S+"'")
		}
		for j, c := range t.Columns {
			if c.Name == "evidence" || c.Name == "advice" {
				row[j].S = strings.NewReplacer(quoted...).Replace(r.prose(row[j].S))
			}
		}
		t.Rows[i] = row
	}
	for i, n := range t.Notes {
		t.Notes[i] = r.prose(n)
	}
}

// redactFilter keeps which filters were in force and drops what they named.
func redactFilter(s string) string {
	if s == "" {
		return ""
	}
	var out []string
	for _, part := range strings.Split(s, "--")[1:] {
		flag, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		switch flag {
		case "db", "type", "min-size", "no-ttl":
			out = append(out, strings.TrimSpace("--"+flag+" "+value))
		case "key", "not-key", "in":
			out = append(out, "--"+flag+" (redacted)")
		}
	}
	if out == nil {
		return "(redacted)"
	}
	return strings.Join(out, " ")
}
