package output

import (
	"html"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	mdSpan  = regexp.MustCompile("`[^`]*`")
	mdEnts  = regexp.MustCompile(`&#[0-9]+;`)
	mdTags  = regexp.MustCompile(`</?(code|sub)>`)
	mdBold  = regexp.MustCompile(`\*\*[^*]*\*\*`)
	mdLinks = regexp.MustCompile(`(?i)https?:|www\.`)
)

// What is left of a line without our own marks holds nothing that Markdown, HTML,
// a template or a ticket system acts upon.
func TestMarkdownInert(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}}
	for range 60 {
		reports = append(reports, randomReport(rng))
	}
	for _, r := range reports {
		checkMarkdown(t, render(t, "md", r))
	}
}

func checkMarkdown(t *testing.T, page string) {
	t.Helper()
	lines := strings.Split(page, "\n")
	columns := 0
	for _, line := range lines {
		if strings.ContainsFunc(line, unicode.IsControl) {
			t.Fatalf("control byte in %q", line)
		}
		bare := mdSpan.ReplaceAllStringFunc(line, func(s string) string {
			if strings.ContainsAny(s, "|<>&") || strings.Contains(s, "{{") || strings.Contains(s, "{%") || strings.HasSuffix(s, "\\`") {
				t.Errorf("%q is not safe as code", s)
			}
			return ""
		})
		if strings.HasPrefix(line, "|") {
			n := strings.Count(bare, "|")
			if columns == 0 {
				columns = n
			}
			if n != columns || !strings.HasSuffix(line, "|") {
				t.Fatalf("%d bars, not %d: %q", n, columns, line)
			}
		} else {
			columns = 0
		}
		bare = strings.TrimPrefix(strings.Trim(bare, "| "), "> ")
		bare = strings.TrimLeft(bare, "#->")
		bare = mdBold.ReplaceAllStringFunc(bare, func(s string) string { return strings.Trim(s, "*") })
		for cell := range strings.SplitSeq(bare, "|") {
			cell = mdTags.ReplaceAllString(mdEnts.ReplaceAllString(cell, ""), "")
			if strings.Trim(cell, " :-!") == "" {
				continue // the rule under a head
			}
			if strings.ContainsAny(cell, "\\`*_[]<>&~$^@#") || mdLinks.MatchString(cell) || strings.Contains(cell, "{{") {
				t.Fatalf("%q is active in %q", cell, line)
			}
		}
	}
}

func TestMarkdownNames(t *testing.T) {
	for _, n := range append([]string{"user:{num}:cart", "a|b", "x`y", "{{x}}", "http://evil.example", "@team", "#12", "a\\"}, hostileNames...) {
		n = nameText(escaped(n))
		got := mdName(n)
		if s, ok := strings.CutPrefix(got, "`"); ok {
			got = strings.TrimSuffix(s, "`")
		} else {
			got = html.UnescapeString(mdTags.ReplaceAllString(got, ""))
		}
		if got != middle(n, markdownName) {
			t.Errorf("%q reads as %q", n, got)
		}
		if got := html.UnescapeString(mdTags.ReplaceAllString(mdText(n), "")); got != n {
			t.Errorf("%q as text reads as %q", n, got)
		}
	}
	for in, want := range map[string]string{"user:{num}": "`user:{num}`", "a|b": "<code>a&#124;b</code>"} {
		if got := mdName(in); got != want {
			t.Errorf("mdName(%q) = %q", in, got)
		}
	}
	if got := mdText("2.54 GiB, 1. x"); got != "2.54 GiB, 1. x" {
		t.Errorf("got %q", got)
	}
	if got := mdText("1. x"); got != "1&#46; x" {
		t.Errorf("got %q", got)
	}
}

func TestMarkdownFirst(t *testing.T) {
	out := render(t, "md", damagedReport())
	if !strings.HasPrefix(out, "> **!** backups/prod-1.rdb is damaged") || strings.Contains(out, "### Memory") {
		t.Errorf("%.300q", out)
	}
	if i, j := strings.Index(out, "Filtered:"), strings.Index(out, "## "); i < 0 || i > j {
		t.Errorf("the filter is not said first: %.300q", out)
	}
}
