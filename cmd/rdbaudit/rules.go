package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"rdbaudit/aggregate"
	"rdbaudit/output"
)

// rulesHelp tells the form of a rules file, in the help of commands that read one.
const rulesHelp = `
A rules file (--rules) has a line for each of your own patterns, with its owner
if it has one, and for each thing that must not be, as with --fail-on: exit
status 4 if it is. The first pattern that matches wins; lines that begin with #
are comments:

  # carts go to checkout, all other sessions to identity
  pattern session:<id>:cart owner checkout
  pattern session:* owner identity
  fail no-ttl-bytes(session:*) > 1GB`

// ruleSet is what a rules file says.
type ruleSet struct {
	patterns, owners []string // side by side
	fails            []*rule
}

// maxRules bounds a rules file: a dump given by mistake is not read whole.
const maxRules = 4 << 20

// readRules reads a rules file. Separators are those of the run: what a pattern
// may hold depends on them.
func readRules(path string, separators []string) (*ruleSet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError("--rules %s: %s", path, errText(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRules+1))
	if err != nil {
		return nil, usageError("--rules %s: %s", path, errText(err))
	}
	if len(data) > maxRules {
		return nil, usageError("--rules %s: more than 4 MiB: is it a rules file?", path)
	}
	s := &ruleSet{}
	first := make(map[string]int) // line of each pattern
	for i, line := range strings.Split(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\n") {
		where := fmt.Sprintf("%s:%d", path, i+1)
		if err := s.line(where, strings.TrimSpace(line), separators); err != nil {
			return nil, err
		}
		if n := len(s.patterns); n > len(first) {
			if before := first[s.patterns[n-1]]; before > 0 {
				return nil, usageError("%s: the same pattern stands in line %d, and the first match wins; take one of the two out", where, before)
			}
			first[s.patterns[n-1]] = i + 1
		}
	}
	return s, nil
}

// ruleForms is what a line may be, for messages.
const ruleForms = "a line is: pattern PATTERN [owner NAME], or: fail METRIC(PATTERN) > NUMBER"

// likelyWords are words that people may try, with what to write instead.
var likelyWords = map[string]string{
	"owner": "an owner stands behind its pattern: pattern session:* owner NAME",
	"owns":  "an owner stands behind its pattern: pattern session:* owner NAME",
	"team":  "an owner stands behind its pattern: pattern session:* owner NAME",
	"rule":  "write fail METRIC(PATTERN) > NUMBER",
	"alert": "write fail METRIC(PATTERN) > NUMBER",
	"warn":  "write fail METRIC(PATTERN) > NUMBER",
}

func (s *ruleSet) line(where, line string, separators []string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return usageError("%s: not a line of text; odd bytes of keys are written \\xHH", where)
	}
	word, rest := cutWord(line)
	switch word {
	case "pattern":
		return s.pattern(where, rest, separators)
	case "fail":
		if rest == "" {
			return usageError("%s: fail on what? As in: fail no-ttl-bytes(session:*) > 1GB", where)
		}
		r, err := parseRule(where+": fail "+output.Printable(rest), rest)
		if err != nil {
			return err
		}
		r.where = where
		s.fails = append(s.fails, r)
		return nil
	}
	hint := likelyWords[strings.ToLower(word)]
	if meant := nearest(strings.ToLower(word), []string{"pattern", "fail", "fail-on"}); hint == "" && meant != "" {
		hint = "did you mean " + strings.TrimSuffix(meant, "-on") + "?"
	}
	if hint == "" {
		hint = ruleForms
	}
	return usageError("%s: no line begins with %q; %s", where, word, hint)
}

// pattern reads what stands behind the word pattern.
func (s *ruleSet) pattern(where, rest string, separators []string) error {
	text, rest := cutWord(rest)
	if text == "" {
		return usageError("%s: pattern of what? As in: pattern session:* owner identity", where)
	}
	if text[0] == '\'' || text[0] == '"' {
		return usageError("%s: no quotes are needed here; a key that begins with one is written \\x%02x", where, text[0])
	}
	owner := ""
	if rest != "" {
		word, name := cutWord(rest)
		switch {
		case word[0] == '#':
			return usageError("%s: a comment stands in a line of its own", where)
		case word != "owner":
			hint := "a space in a key is written \\x20"
			if nearest(word, []string{"owner"}) != "" {
				hint = "did you mean owner?"
			}
			return usageError("%s: %q behind the pattern; %s", where, word, hint)
		case name == "":
			return usageError("%s: owner without a name", where)
		case strings.Contains(name, " #") || name[0] == '#':
			return usageError("%s: a comment stands in a line of its own", where)
		}
		owner = name
	}
	o := aggregate.Options{Separators: separators, Patterns: []string{text}, Owners: []string{owner}}
	if err := o.Check(); err != nil {
		return usageError("%s: %s", where, err)
	}
	s.patterns, s.owners = append(s.patterns, text), append(s.owners, owner)
	return nil
}

// cutWord cuts a trimmed line behind its first word.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// ownersOf names the owners of rows, those with most first.
func ownersOf(held map[string]float64) string {
	const most = 3
	var names []string
	for name := range held {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if held[a] != held[b] {
			if held[a] > held[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for i := range names {
		names[i] = output.Printable(names[i])
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n == 1:
		return "owner " + names[0]
	case n > most:
		return fmt.Sprintf("owners %s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return "owners " + strings.Join(names, ", ")
}
