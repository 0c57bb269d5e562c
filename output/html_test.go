package output

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"rdbaudit/aggregate"
)

var (
	scriptTag  = regexp.MustCompile(`(?is)<script([^>]*)>(.*?)</script>`)
	styleTag   = regexp.MustCompile(`(?is)<style>(.*?)</style>`)
	cspTag     = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`)
	anyTag     = regexp.MustCompile(`<([a-zA-Z!/][a-zA-Z0-9]*)`)
	handler    = regexp.MustCompile(`(?i)<[^>]*\s(on[a-z]+|style|srcdoc|action|src)\s*=`)
	quoted     = regexp.MustCompile(`"[^"]*"`)
	withAddr   = regexp.MustCompile(`(?i)(https?:|//[a-z0-9]|url\(|@import|\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon)`)
	hrefValues = regexp.MustCompile(`(?i)href="([^"]*)"`)
)

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// checkInert holds a page to its policy and to the tags of its template.
func checkInert(t *testing.T, id, page, template string) {
	t.Helper()
	known := map[string]bool{"meta": true}
	for _, tag := range anyTag.FindAllStringSubmatch(reportHTML+template, -1) {
		known[tag[1]] = true
	}
	scripts := scriptTag.FindAllStringSubmatch(page, -1)
	if len(scripts) != 3 || scripts[0][1] != ` type="application/json" id="data"` || scripts[1][1] != "" || scripts[2][1] != "" {
		t.Fatalf("%s: %d scripts", id, len(scripts))
	}
	if strings.Count(strings.ToLower(page), "<script") != 3 {
		t.Fatalf("%s: a name opens a script", id)
	}
	if !json.Valid([]byte(scripts[0][2])) || strings.ContainsAny(scripts[0][2], "<>&") {
		t.Fatalf("%s: the data is no inert JSON", id)
	}
	style := styleTag.FindStringSubmatch(page)
	csp := cspTag.FindStringSubmatch(page)
	if style == nil || csp == nil {
		t.Fatalf("%s: no style or no policy", id)
	}
	policy := html.UnescapeString(csp[1])
	for _, want := range []string{"default-src 'none'", "script-src " + hashOf(scripts[1][2]) + " " + hashOf(scripts[2][2]) + ";", "style-src " + hashOf(style[1]) + ";", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, want) {
			t.Fatalf("%s: the policy %q lacks %q", id, policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Index(page, csp[0]) > strings.Index(page, "<style>") {
		t.Fatalf("%s: the policy is weak or late", id)
	}
	body := strings.NewReplacer(scripts[0][2], "", scripts[1][2], "", scripts[2][2], "", style[1], "", html.EscapeString(pageNotices), "").Replace(page)
	for _, tag := range anyTag.FindAllStringSubmatch(body, -1) {
		if !known[tag[1]] {
			t.Fatalf("%s: a name makes the tag %s", id, tag[0])
		}
	}
	if m := handler.FindString(quoted.ReplaceAllString(body, `""`)); m != "" {
		t.Fatalf("%s: attribute %q", id, m)
	}
	for _, m := range hrefValues.FindAllStringSubmatch(body, -1) {
		if m[1] != "data:," {
			t.Fatalf("%s: link to %q", id, m[1])
		}
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Fatalf("%s: a value in a place where it cannot stand", id)
	}
}

// The page's policy lets its own script and style run and nothing else, whatever
// the names are.
func TestHTMLInert(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}}
	for range 25 {
		reports = append(reports, randomReport(rng))
	}
	for i, r := range reports {
		checkInert(t, fmt.Sprintf("report %d", i), render(t, "html", r), reportHTML)
	}
	for _, source := range []string{reportCSS, reportJS, drawJS, diffJS} {
		if m := withAddr.FindString(source); m != "" {
			t.Errorf("the page's own code has an address: %q", m)
		}
		if strings.Contains(source, "</") {
			t.Error("the page's own code closes a tag")
		}
	}
	if m := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function`).FindString(reportJS + drawJS + diffJS); m != "" {
		t.Errorf("the page's script reads text as code: %s", m)
	}
}

// bigReport has so many and so long patterns that not all fit the page.
func bigReport(patterns int, name func(i int) string) *Report {
	r := sampleReport()
	t := aggregate.Table{Name: "patterns", Title: "Key patterns", Columns: patternColumns}
	t.Rows = append(t.Rows, patternRow("*", 0, 0, patterns, int64(patterns)*1_000_000, 0.5, "string", "raw", ""))
	for i := range patterns {
		t.Rows = append(t.Rows, patternRow(name(i), 1, 1, 1000, int64(2_000_000-i), 0.5, "string 60.0%,hash 40.0%", "raw 60.0%,listpack 40.0%", "team <&\"'>"))
	}
	r.Tables[0] = t
	return r
}

func TestHTMLSize(t *testing.T) {
	const most = 3_000_000
	for _, c := range []struct {
		what string
		n    int
		name func(i int) string
	}{
		{"short", 20_000, func(i int) string { return fmt.Sprintf("app:%d", i) }},
		{"long", 20_000, func(i int) string { return fmt.Sprintf("app:%d:", i) + strings.Repeat("long-", 100) }},
		{"hostile", 20_000, func(i int) string { return fmt.Sprintf("app:%d:", i) + strings.Repeat("<'\"&>", 30) }},
		{"huge", 50, func(i int) string { return strings.Repeat("x", 1<<20) + fmt.Sprint(i) }},
	} {
		page := render(t, "html", bigReport(c.n, c.name))
		if len(page) > most {
			t.Errorf("%s: %d bytes", c.what, len(page))
		}
		if c.n > pagePatterns && (!strings.Contains(page, "are left out") || !strings.Contains(page, "patterns.csv")) {
			t.Errorf("%s: the page does not say that rows are left out", c.what)
		}
		t.Logf("%s: %d bytes, %d rows", c.what, len(page), pageRowsOf(t, page))
	}
	// Rows that fit are all there.
	page := render(t, "html", bigReport(4000, func(i int) string { return fmt.Sprintf("user:{num}:some-feature-%d:state", i) }))
	if n := pageRowsOf(t, page); n != 4000 || len(page) > most {
		t.Errorf("%d rows of 4000 in %d bytes", n, len(page))
	}
}

// pageRowsOf counts the pattern rows that a page's script has.
func pageRowsOf(t *testing.T, page string) int {
	var d struct{ Patterns struct{ Names []string } }
	if err := json.Unmarshal([]byte(scriptTag.FindStringSubmatch(page)[2]), &d); err != nil {
		t.Fatal(err)
	}
	return len(d.Patterns.Names)
}

// The script has of each row what the report says, and the page shows the largest of them without it.
func TestHTMLData(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	reports := []*Report{sampleReport(), bigReport(6000, func(i int) string { return fmt.Sprintf("app:%d", i) })}
	for range 25 {
		reports = append(reports, randomReport(rng))
	}
	for _, r := range reports {
		data, table := patternPage(r)
		var d struct {
			Patterns struct {
				Bytes   int64
				Columns [][2]string
				Parents []int
				Leaf    []int
				Names   []string
				Stems   []int
				Rows    [][]any
			}
		}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		p := d.Patterns
		if table == nil {
			if len(p.Rows) > 0 {
				t.Fatal("data without a table")
			}
			continue
		}
		if len(p.Parents) != len(p.Rows) || len(p.Leaf) != len(p.Rows) || len(p.Names) != len(p.Rows) || len(p.Stems) != len(p.Rows) || len(p.Columns) != len(table.Heads)-1 || p.Bytes != r.Totals.Bytes {
			t.Fatalf("%d rows, %d parents, %d leaves, %d columns for %d heads", len(p.Rows), len(p.Parents), len(p.Leaf), len(p.Columns), len(table.Heads))
		}
		for i, parent := range p.Parents {
			if parent >= i {
				t.Errorf("row %d: parent %d comes later", i, parent)
			}
			if u := utf16Len(p.Names[i]); p.Stems[i] > u || p.Stems[i] == u && u > 0 {
				t.Errorf("row %d: %d of %d characters are its parent's", i, p.Stems[i], u)
			}
		}
		if len(p.Rows) < len(table.Rows) || len(p.Rows) > pagePatterns {
			t.Errorf("%d rows of data and %d of HTML", len(p.Rows), len(table.Rows))
		}
	}
	if data, table := patternPage(emptyReport()); table != nil || !json.Valid(data) {
		t.Errorf("an empty report: %s", data)
	}
}

func BenchmarkHTML(b *testing.B) {
	r := bigReport(5000, func(i int) string { return fmt.Sprintf("user:{num}:some-feature-%d:state", i) })
	for b.Loop() {
		if err := writeHTML(&brokenWriter{1 << 30}, r); err != nil {
			b.Fatal(err)
		}
	}
}
