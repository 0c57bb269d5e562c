package output

import (
	"fmt"
	"strings"
	"testing"

	"rdbaudit/aggregate"
)

// ownersTable is one of teams, of hostile names among them, and of what nobody owns.
func ownersTable() aggregate.Table {
	t := aggregate.NewOwners(&aggregate.Options{Patterns: []string{"a"}, Owners: []string{"a"}}).Tables(&aggregate.Totals{})[0]
	t.Rows, t.Notes = nil, []string{"these patterns of the rules matched no key, or an earlier one had taken it: nope:*"}
	for i, n := range append([]string{"identity", "", "@checkout"}, hostileNames...) {
		if i > 2 && n == "" {
			continue
		}
		bytes := int64(11_460_000_000) >> i
		expired := 0
		if i%2 == 0 {
			expired = 3_400_000
		}
		t.Rows = append(t.Rows, row(n, i%3, 1_000_000>>i, bytes, ratio(bytes, total), 2000, 24_000, escaped(n), 1_000_000, 500_000>>i, bytes/2, 0, expired/1000, expired))
	}
	return t
}

func TestOwnerName(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "identity": "identity", "@team": "@team", "=x": "=x", `\x40team`: "@team", "a\x1b[31m": `a\x1b[31m`, `\x41`: `\x41`, "-": "-", "+\n": `+\x0a`,
	} {
		got := ownerName(in)
		if got != want || ownerName(clean(in)) != got {
			t.Errorf("%q reads %q and %q, want %q", in, got, ownerName(clean(in)), want)
		}
	}
}

// TestFindingsShown: what people read of findings says all that is known of
// each, in Markdown with the rest in the JSON.
func TestFindingsShown(t *testing.T) {
	r := sampleReport()
	var list []aggregate.Finding
	for i := range 30 {
		list = append(list, aggregate.Finding{Kind: "no-ttl", Pattern: fmt.Sprintf("p%d:<x>", i), Keys: 1234, Bytes: 5 << 20, After: 2 << 20, Sure: "sure so far",
			Evidence: "evidence <b>", Example: escaped(hostileNames[i%len(hostileNames)]), Advice: "advice `x`", Owner: "@team|" + hostileNames[i%len(hostileNames)]})
	}
	list[0].Pattern, list[0].Owner = "", ""
	*r.Table("findings") = aggregate.FindingsTable(list)
	md := render(t, "md", r)
	for _, want := range []string{"- **Patterns without any TTL**\n", ": <code>p1&#58;&#60;x&#62;</code>, owner <code>&#64;</code>team&#124;",
		"  - 1,234 keys, 5.00 MiB, **saves 3.00 MiB**: evidence &#60;b&#62;\n", "  - do: advice &#96;x&#96;\n", "  - sure: sure so far\n", "\nand 10 more; the JSON has all.\n"} {
		if !strings.Contains(md, want) {
			t.Errorf("the Markdown has no %q:\n%s", want, md)
		}
	}
	text := render(t, "text", r)
	for _, want := range []string{"3.00 MiB no-ttl p1:<x> owner @team|", "1,234 keys, 5.00 MiB: evidence <b>.", "and 25 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("the terminal has no %q:\n%s", want, text)
		}
	}
	if n := strings.Count(render(t, "json", r), `"advice":"advice `); n != 30 {
		t.Errorf("the JSON has %d findings", n)
	}
	checkMarkdown(t, md)
}

// TestPromOwners: what owners hold is a metric, and their names are labels of
// their patterns.
func TestPromOwners(t *testing.T) {
	r := sampleReport()
	v := r.view("owners")
	sum, want, labels := 0.0, 0.0, map[string]string{}
	for i := range v.Rows {
		want += float64(v.int(i, "bytes"))
	}
	for _, s := range promSamples(t, r) {
		switch s.metric {
		case "rdbaudit_owner_bytes":
			sum += s.value
			if s.labels["owner"] == "@checkout" && s.value != float64(11_460_000_000>>2) {
				t.Errorf("%v", s)
			}
		case "rdbaudit_pattern_bytes":
			labels[s.labels["pattern"]] = s.labels["owner"]
		}
	}
	if sum != want {
		t.Errorf("owners' bytes sum to %v, want %v", sum, want)
	}
	if labels["user:{num}:feed"] != "feed" || labels["feature-flags"] != "" {
		t.Errorf("owners of patterns: %v", labels)
	}
}
