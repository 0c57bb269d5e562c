package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

const (
	shop  = "redis-7.2.6-shop"
	edges = "redis-7.2.6-edges"
)

func TestGoldenReport(t *testing.T) {
	inDir(t, shop)
	out := good(t, shop+".rdb")
	require.Equal(t, out, good(t, "report", shop+".rdb"), "report is the default command")
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
	}
	golden(t, "report.txt", out)
}

func TestGoldenKeys(t *testing.T) {
	inDir(t, edges, shop)
	golden(t, "keys.csv", head(good(t, "keys", shop+".rdb"), 25))
	golden(t, "keys-loaded.csv", head(good(t, "keys", "--as", "loaded", "--type", "stream,zset", edges+".rdb"), 25))
	golden(t, "keys.ndjson", head(good(t, "keys", "--format", "ndjson", shop+".rdb"), 10))
	golden(t, "keys-table.txt", head(good(t, "keys", "--format", "table", shop+".rdb"), 25))
	golden(t, "keys-list.txt", head(good(t, "keys", "--format", "list", shop+".rdb"), 10))
	golden(t, "keys-rdbtools.csv", head(good(t, "keys", "--compat", "rdbtools", edges+".rdb"), 25))
	// Odd names: what each encoding makes of them.
	data, _ := fixtures.Asm(t, `REDIS0011 fe 00
		00 str("=cmd|' /C calc'!A0") str("v")
		00 str("a,\"b\";c\td") str("v")
		00 str("\x00\xff\n\\") str("v")
		00 str("naïve ☃ \u202egnp.exe") str("v")
		00 str("") str("v")
		ff crc()`)
	write(t, "odd.rdb", data)
	for _, encoding := range []string{"escape", "hex", "base64"} {
		golden(t, "keys-"+encoding+".csv", good(t, "keys", "--key-encoding", encoding, "odd.rdb"))
	}
	nul := good(t, "keys", "--format", "list", "-0", shop+".rdb")
	require.Equal(t, strings.ReplaceAll(good(t, "keys", "--format", "list", shop+".rdb"), "\n", "\x00"), nul)
}

func TestGoldenKey(t *testing.T) {
	inDir(t, shop, edges)
	var b strings.Builder
	for _, args := range [][]string{
		{shop + ".rdb", "user:1", "product:688:attrs", "events:pz9j81:1408", "board:205:00a8c8"},
		{"--as", "loaded", shop + ".rdb", "events:pz9j81:1408"},
		{"--target", "valkey-8.1", shop + ".rdb", "followers:598"},
		{edges + ".rdb", "list:plain:20000"},
		{"--allocator", "libc", "--now", "2026-01-01", shop + ".rdb", "cache:page:/qatmzaao/ym8wt3kv/626"},
	} {
		out := good(t, append([]string{"key"}, args...)...)
		fmt.Fprintf(&b, "$ rdbaudit key %s\n%s\n", strings.Join(args, " "), out)
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
		}
	}
	golden(t, "key.txt", b.String())
}

func TestGoldenVerify(t *testing.T) {
	inDir(t, shop)
	whole := fixtures.Get(t, shop).Data
	write(t, "cut.rdb", whole[:300_000])
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)-1] ^= 1
	write(t, "sum.rdb", flipped)
	write(t, "no.rdb", []byte("hello\x1b[31m, this is no dump"))
	write(t, "empty.rdb", nil)
	write(t, "zero.rdb", asm(t, "v10-stored-zero-checksum"))
	write(t, "tail.rdb", append(append([]byte(nil), whole...), "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"...))
	r := rdbaudit("verify", shop+".rdb", "zero.rdb", "tail.rdb", "cut.rdb", "sum.rdb", "no.rdb", "empty.rdb", "gone.rdb")
	require.Equal(t, exitDamaged, r.status)
	golden(t, "verify.txt", r.stdout)
	write(t, "tiny.rdb", asm(t, "v9-minimal"))
	golden(t, "verify-wire.txt", good(t, "verify", "--wire", "tiny.rdb"))
}

// TestGoldenHelp holds the texts of all commands, and that each flag says
// what it does.
func TestGoldenHelp(t *testing.T) {
	golden(t, "help.txt", good(t, "help"))
	require.Equal(t, good(t, "help"), good(t, "--help"))
	require.Equal(t, good(t, "help"), good(t, "-h"))
	for _, c := range commands() {
		out := good(t, "help", c.name)
		golden(t, "help-"+c.name+".txt", out)
		require.Equal(t, out, good(t, c.name, "--help"))
		require.Equal(t, out, good(t, c.name, "-h"))
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "  rdbaudit ") { // a command line is not broken
				require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
			}
		}
		for _, name := range flagNames(&c) {
			require.Contains(t, out, " "+name)
		}
		require.NotContains(t, out, " VALUE\n")
		require.NotContains(t, out, " VALUE ", "name the value in valueNames")
	}
	require.Regexp(t, `^rdbaudit \S+ \(go1\.[^)]*\)\n$`, good(t, "version"))
	require.Equal(t, good(t, "version"), good(t, "--version"))
	for _, name := range []string{"rdbaudit, LICENSE", "Go, its standard library", "github.com/spf13/pflag", "echarts"} {
		require.Contains(t, good(t, "licenses"), name)
	}
}

// TestGoldenUsage holds what is said of wrong usage: status 2, nothing on
// stdout, and nothing was read.
func TestGoldenUsage(t *testing.T) {
	inDir(t)
	write(t, "d.rdb", []byte("never read"))
	write(t, "bad.conf", []byte("hash-max-listpack-entries many\n"))
	var b strings.Builder
	for _, args := range [][]string{
		{},
		{"--bogus", "d.rdb"},
		{"--max-memory", "5gb", "d.rdb"},
		{"--seperator", "|", "d.rdb"},
		{"keys", "--top", "5", "d.rdb"},
		{"kyes", "d.rdb"},
		{"help", "kyes"},
		{"help", "me"},
		{"report"},
		{"keys"},
		{"verify"},
		{"whatif", "d.rdb"},
		{"key", "d.rdb"},
		{"key", "d.rdb", `a\b`},
		{"key", "--db", "x", "d.rdb", "a"},
		{"key", "--now", "x", "d.rdb", "a"},
		{"-", "-"},
		{"--top", "x", "d.rdb"},
		{"--top", "0", "d.rdb"},
		{"--jobs", "0", "d.rdb"},
		{"--depth", "0", "d.rdb"},
		{"--depth", "1000", "d.rdb"},
		{"--color", "red", "d.rdb"},
		{"--progress", "loud", "d.rdb"},
		{"--on-error", "panic", "d.rdb"},
		{"--as", "was", "d.rdb"},
		{"--target", "mysql-8", "d.rdb"},
		{"--target", "redis-7.2", "--as", "live", "d.rdb"},
		{"--allocator", "tcmalloc", "d.rdb"},
		{"--cluster", "maybe", "d.rdb"},
		{"--config", "gone.conf", "d.rdb"},
		{"--config", "bad.conf", "d.rdb"},
		{"--maxmemory", "lots", "d.rdb"},
		{"--hash-max-listpack-entries", "many", "d.rdb"},
		{"--db", "0x1", "d.rdb"},
		{"--key", "(", "d.rdb"},
		{"--not-key", "[", "d.rdb"},
		{"--type", "table", "d.rdb"},
		{"--min-size", "big", "d.rdb"},
		{"--min-size=-1", "d.rdb"},
		{"--measure", "rss", "d.rdb"},
		{"--pattern", "a:<b", "d.rdb"},
		{"--separator", "", "d.rdb"},
		{"--table-memory", "1kb", "d.rdb"},
		{"--now", "yesterday", "d.rdb"},
		{"--format", "xls", "d.rdb"},
		{"-o", "x.unknown", "d.rdb"},
		{"-o", "x", "d.rdb"},
		{"-o", "", "d.rdb"},
		{"-o", "json=-", "-o", "csv=-", "d.rdb"},
		{"-o", "json=-", "--format", "csv", "d.rdb"},
		{"-o", "x.json", "-o", "x.json", "d.rdb"},
		{"keys", "--format", "xls", "d.rdb"},
		{"keys", "-o", "x.orc", "d.rdb"},
		{"keys", "-o", "", "d.rdb"},
		{"keys", "-o", "ndjson=x", "--format", "csv", "d.rdb"},
		{"keys", "--key-encoding", "rot13", "d.rdb"},
		{"keys", "--compat", "rdr", "d.rdb"},
		{"completion"},
		{"completion", "tcsh"},
		{"diff"},
		{"diff", "d.rdb"},
		{"diff", "-", "-"},
		{"diff", "--fail-on", "p50-bytes > 1", "d.rdb", "d.rdb"},
		{"diff", "--maxmemory", "lots", "d.rdb", "d.rdb"},
		{"diff", "-o", "x.rdb", "d.rdb", "d.rdb"},
	} {
		r := rdbaudit(args...)
		require.Equal(t, exitUsage, r.status, args)
		require.Empty(t, r.stdout, args)
		require.NotContains(t, r.stderr, "not an RDB file", args)
		if len(args) > 0 {
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			require.LessOrEqual(t, len(lines), 2, args)
			fmt.Fprintf(&b, "$ rdbaudit %s\n%s", quoted(args), r.stderr)
		} else {
			require.Equal(t, good(t, "help"), r.stderr)
		}
	}
	golden(t, "usage.txt", b.String())
	require.Equal(t, []string{"bad.conf", "d.rdb"}, listing(t), "no file was made")
	r := rdbaudit("--max-memory", "5gb", "d.rdb")
	require.Contains(t, r.stderr, "--maxmemory")
	require.Contains(t, r.stderr, "--table-memory")
}

func quoted(args []string) string {
	var out []string
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, `(|<\[ `) {
			a = "'" + a + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

// asm is a dump written by hand.
func asm(t *testing.T, name string) []byte {
	t.Helper()
	for _, f := range fixtures.AsmAll(t) {
		if f.Name == name {
			return f.Data
		}
	}
	t.Fatalf("no asm fixture is named %q", name)
	return nil
}
