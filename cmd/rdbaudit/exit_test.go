package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
)

// TestStatusFailed: 1, for what leaves nothing to report.
func TestStatusFailed(t *testing.T) {
	inDir(t, shop)
	write(t, "empty.rdb", nil)
	write(t, "no.rdb", []byte("not a dump"))
	require.NoError(t, os.MkdirAll("bare/deep", 0o755))
	write(t, "bare/readme.txt", []byte("REDIS is a database"))
	for _, c := range []struct {
		say  string
		args []string
	}{
		{"gone.rdb: no such file", []string{"gone.rdb"}},
		{"the file is empty", []string{"empty.rdb"}},
		{"not an RDB file", []string{"no.rdb"}},
		{"bare: no dump in this directory", []string{"bare"}},
		{"*.dump: no file matches", []string{"*.dump"}},
		{"[: not a pattern of file names", []string{"["}},
		{"no.rdb", []string{"gone.rdb", "no.rdb"}},
		{"gone/x.csv: no such file or directory", []string{shop + ".rdb", "-o", "gone/x.csv"}},
		{"bare: is a directory", []string{shop + ".rdb", "-o", "csv=bare"}},
		{"no.rdb/x.csv: not a directory", []string{shop + ".rdb", "-o", "no.rdb/x.csv"}},
		{`no table "nope"; it has patterns`, []string{shop + ".rdb", "-o", "csv:nope=x.csv"}},
	} {
		for _, command := range []string{"report", "keys"} {
			if command == "keys" && strings.Contains(strings.Join(c.args, " "), "csv:nope") {
				continue
			}
			r := rdbaudit(append([]string{command}, c.args...)...)
			require.Equal(t, exitFailed, r.status, c.args)
			require.Contains(t, r.stderr, c.say)
			require.Empty(t, r.stdout)
			for line := range strings.Lines(r.stderr) {
				require.Regexp(t, `^rdbaudit: `, line)
			}
		}
	}
	require.Equal(t, []string{"bare", "empty.rdb", "no.rdb", shop + ".rdb"}, listing(t), "no file was left")

	r := rdbaudit("verify", "gone.rdb", "no.rdb")
	require.Equal(t, exitFailed, r.status)
	r = rdbaudit("key", shop+".rdb", "user:1", "nope:1", "user:1", `\x00`)
	require.Equal(t, exitFailed, r.status)
	require.Equal(t, "rdbaudit: nope:1 is not in the dump\nrdbaudit: \\x00 is not in the dump\n", r.stderr)
	require.Equal(t, good(t, "key", shop+".rdb", "user:1"), r.stdout, "what is there is shown, once")
	require.Equal(t, good(t, "key", shop+".rdb", "user:1"), good(t, "key", shop+".rdb", "user:1", "user:1"))
}

// TestStatusDamaged: 3, with a report of what could be read that names the
// dump, the place, and how much was read.
func TestStatusDamaged(t *testing.T) {
	inDir(t, shop, edges)
	whole := fixtures.Get(t, shop).Data
	write(t, "cut.rdb", whole[:400_000])
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 0xff
	write(t, "sum.rdb", flipped)
	write(t, "no.rdb", []byte("not a dump"))
	_, keys, _ := strings.Cut(good(t, "verify", shop+".rdb"), "redis 7.2.6\t")
	require.Regexp(t, `^1891\t`, keys)

	for _, c := range []struct {
		say  []string
		args []string
	}{
		{[]string{"cut.rdb", "offset 400000", "916 keys", "400000 bytes"}, []string{"cut.rdb"}},
		{[]string{"sum.rdb", "wrong checksum", "1891 keys", "821288 bytes"}, []string{"sum.rdb"}},
		{[]string{"no.rdb", "not an RDB file"}, []string{edges + ".rdb", "no.rdb"}},
		{[]string{"gone.rdb: no such file"}, []string{edges + ".rdb", "gone.rdb"}},
		{[]string{"gone*: no file matches"}, []string{"gone*", edges + ".rdb"}},
	} {
		r := rdbaudit(append([]string{"report", "-o", "r.json", "-o", "r.csv"}, c.args...)...)
		require.Equal(t, exitDamaged, r.status, c.args)
		plain := strings.Join(strings.Fields(strings.ReplaceAll(r.stdout, ",", "")), " ")
		for _, say := range c.say {
			require.Contains(t, r.stderr, say)
			require.Contains(t, plain, say, "the report says so too")
		}
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		require.Contains(t, r.stdout, "PATTERNS")
		require.Contains(t, read(t, "r.json"), strings.Fields(c.say[0])[0])
		require.Contains(t, read(t, "r.csv"), "pattern,depth")

		r = rdbaudit(append([]string{"keys", "-o", "k.csv"}, c.args...)...)
		require.Equal(t, exitDamaged, r.status, c.args)
		for _, say := range c.say {
			require.Contains(t, r.stderr, say)
		}
		require.Greater(t, strings.Count(read(t, "k.csv"), "\n"), 900, "the rows that could be read")

		require.Equal(t, exitDamaged, rdbaudit(append([]string{"verify"}, c.args...)...).status)
	}
	r := rdbaudit("key", "cut.rdb", "user:1443")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stdout, "OBJECT ENCODING")
	r = rdbaudit("key", "cut.rdb", "nope")
	require.Equal(t, exitFailed, r.status)
	require.Contains(t, r.stderr, "nope is not in what could be read")
}

// TestStatusGood: 0 for what is no damage.
func TestStatusGood(t *testing.T) {
	inDir(t)
	whole := fixtures.Get(t, shop).Data
	zero := bytes.Clone(whole)
	clear(zero[len(zero)-8:])
	write(t, "zero.rdb", zero)
	tail := "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
	write(t, "aof.rdb", append(bytes.Clone(whole), tail...))

	require.Contains(t, good(t, "zero.rdb"), "no checksum")
	require.Contains(t, good(t, "verify", "zero.rdb"), "\tnone\t")

	r := rdbaudit("aof.rdb")
	require.Zero(t, r.status)
	say := fmt.Sprintf("aof.rdb: %d bytes of append-only file commands follow the dump and were not read", len(tail))
	require.Equal(t, "rdbaudit: "+say+"\n", r.stderr)
	require.Contains(t, strings.Join(strings.Fields(head(r.stdout, 2)), " "), say, "the first line of the report")
	for _, args := range [][]string{{"keys", "aof.rdb"}, {"key", "aof.rdb", "user:1"}} {
		r := rdbaudit(args...)
		require.Zero(t, r.status)
		require.Contains(t, r.stderr, say)
	}
	r = runWith(bytes.NewReader(append(bytes.Clone(whole), tail...)), "-")
	require.Zero(t, r.status)
	require.Contains(t, r.stderr, fmt.Sprintf("-: %d bytes of append-only", len(tail)))

	write(t, "none.rdb", asm(t, "v9-empty"))
	require.Contains(t, good(t, "none.rdb"), "0 keys", "an empty server's dump is a dump")
	require.Equal(t, 1, strings.Count(good(t, "keys", "none.rdb"), "\n"))
}

// process runs the test binary as the command, in the working directory.
func process(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "RDBAUDIT_TEST_AS_COMMAND=1")
	return cmd
}

// bigDump makes a dump of about 47 bytes a key, which takes a while to read.
func bigDump(t *testing.T, path string, keys int) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = synth.Write(f, synth.Options{Kind: "small", Keys: keys})
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestClosedStdout: | head has seen enough, which is no error and no message.
func TestClosedStdout(t *testing.T) {
	inDir(t, shop)
	for _, args := range [][]string{
		{"keys", shop + ".rdb"}, {"keys", "--format", "ndjson", shop + ".rdb"}, {"report", shop + ".rdb"},
		{"report", shop + ".rdb", "-o", "json=-", "-o", "all.csv"}, {"verify", "--wire", shop + ".rdb"},
		{"key", shop + ".rdb", "user:1"}, {"help"}, {"help", "report"}, {"version"}, {"licenses"}, {"completion", "bash"},
	} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		cmd := process(args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		r.Close()
		err = cmd.Run()
		w.Close()
		require.NoError(t, err, args)
		require.Empty(t, stderr.String(), args)
	}
	require.Equal(t, []string{"all.csv", shop + ".rdb"}, listing(t), "files are whole although stdout was closed")
	require.Equal(t, good(t, "-q", shop+".rdb", "-o", "csv=-"), read(t, "all.csv"))

	sh, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash for a real pipeline")
	}
	bigDump(t, "big.rdb", 200_000)
	cmd := exec.Command(sh, "-c", `"$0" keys big.rdb | head -1; echo "${PIPESTATUS[0]}"`, process().Path)
	cmd.Env = process().Env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Regexp(t, `^database,type,key,[a-z_,]*\n0\n$`, string(out))
}

// TestFullDisk: an output that cannot be written is a failure that names it.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	inDir(t, shop)
	for _, args := range [][]string{{shop + ".rdb", "-o", "json=/dev/full"}, {"keys", shop + ".rdb", "-o", "csv=/dev/full"}} {
		r := rdbaudit(args...)
		require.Equal(t, exitFailed, r.status)
		require.Equal(t, "rdbaudit: /dev/full: no space left on device\n", r.stderr)
	}
	for _, args := range [][]string{{shop + ".rdb"}, {"keys", shop + ".rdb"}, {"key", shop + ".rdb", "user:1"}, {"verify", shop + ".rdb"},
		{"help"}, {"help", "keys"}, {"version"}, {"licenses"}, {"completion", "fish"}} {
		cmd := process(args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &stderr
		cmd.Run()
		require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), args)
		require.Equal(t, "rdbaudit: stdout: no space left on device\n", stderr.String(), args)
	}
}
