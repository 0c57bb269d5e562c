package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

const shopRules = `# the shop
pattern session:<id> owner identity
pattern user:<id>	owner  identity
pattern product:* owner Team Catalog
pattern board:* owner =cmd|' /C calc'!A0
pattern cache:*
pattern {num} owner <script>alert(1)</script>
`

// TestRulesRefused: what is wrong with a rules file is said with its line and
// what to write instead, before any dump is looked at.
func TestRulesRefused(t *testing.T) {
	inDir(t)
	for _, c := range []struct{ file, say string }{
		{"patern a:*", `r.rules:1: no line begins with "patern"; did you mean pattern?`},
		{"# x\n\nfial keys > 1", `r.rules:3: no line begins with "fial"; did you mean fail?`},
		{"fail-on keys > 1", `r.rules:1: no line begins with "fail-on"; did you mean fail?`},
		{"Pattern a:*", "did you mean pattern?"},
		{"owner identity session:*", "r.rules:1: no line begins with \"owner\"; an owner stands behind its pattern: pattern session:* owner NAME"},
		{"session:* identity", "r.rules:1: no line begins with \"session:*\"; a line is: pattern PATTERN [owner NAME], or: fail METRIC(PATTERN) > NUMBER"},
		{"pattern", "r.rules:1: pattern of what?"},
		{"pattern owner me", `r.rules:1: "me" behind the pattern`},
		{"pattern a:* ownr me", `r.rules:1: "ownr" behind the pattern; did you mean owner?`},
		{"pattern a b:* owner me", `r.rules:1: "b:*" behind the pattern; a space in a key is written \x20`},
		{"pattern a:* owner", "r.rules:1: owner without a name"},
		{"pattern a:* # all", "r.rules:1: a comment stands in a line of its own"},
		{"pattern a:* owner me # all", "r.rules:1: a comment stands in a line of its own"},
		{"pattern 'a:*' owner me", `r.rules:1: no quotes are needed here; a key that begins with one is written \x27`},
		{"pattern a:<x owner me", `r.rules:1: pattern "a:<x": "<x": <name> must be closed within its segment`},
		{"pattern a:\\q", `r.rules:1: pattern "a:\\q"`},
		{"pattern a:* owner " + strings.Repeat("x", 300), "longer than 200 bytes"},
		{"pattern a:*\npattern b\npattern a:* owner me", "r.rules:3: the same pattern stands in line 1"},
		{"fail", "r.rules:1: fail on what? As in: fail no-ttl-bytes(session:*) > 1GB"},
		{"fail keys", "r.rules:1: fail keys: want METRIC(PATTERN) > NUMBER"},
		{"\nfail no-ttl-byte(a) > 1", "r.rules:2: fail no-ttl-byte(a) > 1: no metric is called no-ttl-byte; did you mean no_ttl_bytes? there are keys,"},
		{"fail keys > lots", `r.rules:1: fail keys > lots: "lots" is neither a number nor a size such as 1GB`},
		{"fail keys > nan", "neither a number"},
		{"fail evicted-share(a) > 1%", "r.rules:1: fail evicted-share(a) > 1%: needs --maxmemory and --maxmemory-policy"},
		{"pattern a\x1b[31m:*", `r.rules:1: not a line of text; odd bytes of keys are written \xHH`},
		{"REDIS0011\xfa\x09redis-ver", "r.rules:1: not a line of text"},
		{strings.Repeat("# long\n", 700_000), "--rules r.rules: more than 4 MiB: is it a rules file?"},
		{strings.Repeat("x", 70_000), "r.rules:1: no line begins with"},
	} {
		write(t, "r.rules", []byte(c.file))
		for _, command := range []string{"report", "keys", "whatif"} {
			if command != "report" && strings.Contains(c.file, "evicted") {
				continue
			}
			args := []string{command, "--rules", "r.rules", "gone.rdb"}
			if command == "whatif" {
				args = append(args, "--target", "redis-8.0")
			}
			r := rdbaudit(args...)
			require.Equal(t, exitUsage, r.status, c.file[:min(len(c.file), 100)])
			require.Contains(t, r.stderr, c.say)
			require.Empty(t, r.stdout)
			require.NotContains(t, r.stderr, "\x1b")
		}
	}
	require.Contains(t, rdbaudit("report", "--rules", "no.rules", "gone.rdb").stderr, "--rules no.rules: no such file")
	require.Contains(t, rdbaudit("report", "--rules", ".", "gone.rdb").stderr, "--rules .: is a directory")
	var many strings.Builder
	for i := range 3000 {
		many.WriteString("pattern a" + strconv.Itoa(i) + "\n")
	}
	write(t, "r.rules", []byte(many.String()))
	require.Contains(t, rdbaudit("report", "--rules", "r.rules", "gone.rdb").stderr, "3000 patterns, the most is 2000")
}

// TestRulesOwners: on every fixture what owners hold sums to the total, is
// the same by keys and by report however many work on it, and without rules
// there are none.
func TestRulesOwners(t *testing.T) {
	inDir(t)
	write(t, "r.rules", []byte("\ufeff"+strings.ReplaceAll(shopRules, "\n", "\r\n")))
	owned := 0
	for _, f := range fixtures.All(t) {
		dump := f.Name + ".rdb"
		write(t, dump, f.Data)
		args := []string{"--rules", "r.rules", dump}
		require.Empty(t, good(t, append([]string{"report", "-q", "-o", "r.json", "-o", "csv:owners=o.csv", "-o", "p.csv", "-o", "r.html", "-o", "r.md"}, args...)...))
		total := parseReport(t, read(t, "r.json")).Totals
		owners := parseTable(t, read(t, "o.csv"))
		require.Equal(t, total.Keys, owners.sum(t, "keys"))
		require.Equal(t, total.Bytes, owners.sum(t, "bytes"))

		keys, bytes := map[string]int64{}, map[string]int64{}
		byPattern := map[string]string{}
		rows := keysTable(t, args...)
		for _, row := range rows.rows {
			owner := rows.text(row, "owner")
			keys[owner]++
			bytes[owner] += rows.number(t, row, "allocated_bytes")
			pattern := rows.text(row, "pattern")
			if was, ok := byPattern[pattern]; ok {
				require.Equal(t, was, owner, pattern)
			}
			byPattern[pattern] = owner
		}
		for _, row := range owners.rows {
			owner := owners.text(row, "owner")
			require.False(t, strings.HasPrefix(owner, "="), "no formula starts in a CSV")
			require.Equal(t, keys[owner], owners.number(t, row, "keys"), owner)
			require.Equal(t, bytes[owner], owners.number(t, row, "bytes"), owner)
			if owner != "" && keys[owner] > 0 {
				owned++
			}
		}
		patterns := parseTable(t, read(t, "p.csv"))
		for _, row := range patterns.rows {
			if owner, ok := byPattern[patterns.text(row, "pattern")]; ok && patterns.text(row, "leaf") == "1" {
				require.Equal(t, owner, patterns.text(row, "owner"), patterns.text(row, "pattern"))
			}
		}
		for _, name := range []string{"r.html", "r.md"} {
			require.NotContains(t, read(t, name), "<script>alert(1)")
		}
		one := good(t, append([]string{"report", "--format", "json", "--jobs", "1"}, args...)...)
		require.Equal(t, one, good(t, append([]string{"report", "--format", "json", "--jobs", "5"}, args...)...))
		r := rdbaudit("report", "--format", "csv:owners", dump)
		require.Contains(t, r.stderr, `no table "owners"`)
		require.NotContains(t, good(t, dump), "OWNERS")
	}
	require.Greater(t, owned, 20, "the rules matched something")
}

// TestRulesFirst: flags come before the file, and in each the first match wins.
func TestRulesFirst(t *testing.T) {
	p := newPlanted()
	for _, name := range []string{"a:1", "a:b", "a:b:c", "z:1"} {
		p.text(0, name, "v")
	}
	t.Chdir(t.TempDir())
	p.write(t, "d.rdb")
	write(t, "r.rules", []byte("pattern a:b owner x\npattern a:<n> owner y\npattern a:* owner z\n"))
	owners := func(args ...string) (got []string) {
		tab := keysTable(t, append(args, "--rules", "r.rules", "d.rdb")...)
		for _, row := range tab.rows {
			got = append(got, tab.text(row, "pattern")+"="+tab.text(row, "owner"))
		}
		return got
	}
	require.Equal(t, []string{"a:<n>=y", "a:b=x", "a:*=z", "z:{num}="}, owners())
	require.Equal(t, []string{"a:<q>=", "a:<q>=", "a:*=z", "z:{num}="}, owners("--pattern", "a:<q>"))
	require.Equal(t, []string{"a:*=", "a:*=", "a:*=", "z:{num}="}, owners("--pattern", "a:*"))
	// An inner node is owned by who owns all below it.
	inner := patternTable(t, "--rules", "r.rules", "d.rdb")
	require.Equal(t, "", inner.text(inner.rows[0], "owner"))
	write(t, "r.rules", []byte("pattern a:b owner x\npattern a:* owner x\n"))
	for _, row := range patternTable(t, "--rules", "r.rules", "d.rdb").rows {
		if row[0] == "a:" || row[0] == "a:b" {
			require.Equal(t, "x", row[len(row)-1], row[0])
		}
	}
	write(t, "r.rules", []byte("pattern nope:* owner x\npattern a:* owner y\n"))
	require.Contains(t, good(t, "report", "--format", "csv:owners", "--rules", "r.rules", "d.rdb"), "\nx,1,0,0,0,", "an owner without keys is listed")
	require.Regexp(t, `matched no key, or an earlier one had taken it:\s+nope:\*`, good(t, "--rules", "r.rules", "d.rdb"))
}

// TestRulesBroken: a broken rule of the file says where it stands, the figure,
// the limit and the owner; the exit status is that of --fail-on.
func TestRulesBroken(t *testing.T) {
	inDir(t, shop)
	write(t, "cut.rdb", fixtures.Get(t, shop).Data[:400_000])
	dump := shop + ".rdb"
	for _, c := range []struct {
		rules  string
		args   []string
		status int
		say    []string // all of stderr
	}{
		{"fail no-ttl-bytes(session:*) > 1GB", nil, exitOK, nil},
		{"fail no-ttl-bytes(session:*) > 40kb", nil, exitRule,
			[]string{"r.rules:8: rule broken: no-ttl-bytes(session:*) > 40kb: it is 41248 (40.3 KiB), the limit is 40960 (40.0 KiB); owner identity"}},
		{"fail keys(*) > 1\n# between\nfail share(product:*) > 1%", nil, exitRule,
			[]string{"r.rules:8: rule broken: keys(*) > 1: it is 1891, the limit is 1; owners identity, =cmd|' /C calc'!A0, Team Catalog",
				"r.rules:10: rule broken: share(product:*) > 1%: it is 0.07870356006123026 (7.9 %), the limit is 0.01 (1.0 %); owner Team Catalog"}},
		{"fail keys > 1", []string{"--fail-on", "keys(cache:*) >= 1"}, exitRule,
			[]string{"rule broken: keys(cache:*) >= 1: it is 147, the limit is 1", "r.rules:8: rule broken: keys > 1: it is 1891, the limit is 1"}},
		{"fail keys > 1000000", []string{"--fail-on", "keys > 1"}, exitRule, []string{"rule broken: keys > 1: it is 1891, the limit is 1"}},
	} {
		write(t, "r.rules", []byte(shopRules+c.rules+"\n"))
		r := rdbaudit(append([]string{"report", "-q", "--rules", "r.rules", dump}, c.args...)...)
		require.Equal(t, c.status, r.status, c.rules)
		var want strings.Builder
		for _, s := range c.say {
			want.WriteString("rdbaudit: " + s + "\n")
		}
		require.Equal(t, want.String(), r.stderr)
		good(t, "keys", "--rules", "r.rules", dump) // has no rules to break
	}
	write(t, "r.rules", []byte("fail keys > 1\n"))
	r := rdbaudit("report", "-q", "--rules", "r.rules", "cut.rdb")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stderr, "r.rules:1: rule broken: keys > 1")
}

// TestFindingOwner: a finding names who owns its pattern, on the terminal and
// in every file.
func TestFindingOwner(t *testing.T) {
	inDir(t, shop)
	write(t, "r.rules", []byte(shopRules))
	out := good(t, "--rules", "r.rules", "--top", "30", shop+".rdb", "-o", "r.md", "-o", "r.json", "-o", "csv:findings=f.csv")
	require.Regexp(t, `ttl-forgotten session:<id> owner identity`, out)
	require.Contains(t, read(t, "r.md"), "- **A few keys without TTL among many that expire**: <code>session&#58;&#60;id&#62;</code>, owner identity\n")
	require.Contains(t, read(t, "r.json"), `"owner":"Team Catalog"`)
	tab := parseTable(t, read(t, "f.csv"))
	found := map[string]string{}
	for _, row := range tab.rows {
		found[tab.text(row, "pattern")] = tab.text(row, "owner")
	}
	require.Equal(t, "identity", found["session:<id>"])
	require.Equal(t, "Team Catalog", found["product:*"])
	require.Equal(t, "", found["followers:{num}"])
}

// TestExampleRules: the example is read without a word, and the README shows it.
func TestExampleRules(t *testing.T) {
	example := read(t, filepath.Join(home, "deploy", "shop.rules"))
	readme := read(t, filepath.Join(home, "..", "..", "README.md"))
	require.Contains(t, readme, "```\n"+example+"```\n")
	inDir(t, shop)
	write(t, "shop.rules", []byte(example))
	tab := parseTable(t, good(t, "report", "--format", "csv:owners", "--rules", "shop.rules", shop+".rdb"))
	for _, row := range tab.rows {
		require.NotZero(t, tab.number(t, row, "keys"), row)
	}
}
