package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

// mostPeak is what the contract lets the process take on any input: twice the
// 64 MiB of its tables, and 64 MB.
const mostPeak = 2*64<<20 + 64_000_000

// peakVariable names the file in which the command's process leaves the most
// memory it had resident.
const peakVariable = "RDBAUDIT_TEST_PEAK"

// runWithPeak is the command, which says what it took (proc_pid_status(5)).
func runWithPeak(to string) {
	status := run(os.Args[1:], newEnv(os.Stdin, os.Stdout, os.Stderr))
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		os.WriteFile(to, []byte(strings.Fields(rest)[0]), 0o644)
	}
	os.Exit(status)
}

// A bomb is a dump that claims, or holds, more than anybody would want.
type bomb struct {
	name string
	asm  string // in the form of fixtures.Asm, or
	make func(*shell)
	// status of report, of keys and of verify --deep: 0, 3 if it is damaged,
	// or -1 where 0 and 3 are both right.
	report, keys, deep int
	say                string // part of what all say that find fault
}

var bombs = []bomb{
	{name: "a list of 2^63", asm: `REDIS0011 01 str("k") len64(9223372036854775808) str("a")`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a set of 2^63", asm: `REDIS0011 02 str("k") len64(9223372036854775808) str("a")`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a hash of 2^64-1", asm: `REDIS0011 04 str("k") len64(18446744073709551615) str("a") str("b")`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a sorted set of 2^64-1", asm: `REDIS0011 05 str("k") len64(18446744073709551615) str("a") f64le(1)`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a list of 2^63 nodes", asm: `REDIS0011 12 str("k") len64(9223372036854775808) len(2) str(listpack("a"))`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "LZF: 512 MB from 20 bytes", asm: `REDIS0011 00 str("k") c3 len(20) len(536870912) rep(20 00) ff 0000000000000000`, report: 3, keys: 3, deep: 3, say: "cannot expand"},
	{name: "LZF: a name of 512 MB from 20 bytes", asm: `REDIS0011 00 c3 len(20) len(536870912) rep(20 00) str("v") ff 0000000000000000`, report: 3, keys: 3, deep: 3, say: "cannot expand"},
	{name: "LZF: 2^64-1 from 2^63", asm: `REDIS0011 00 str("k") c3 len64(9223372036854775808) len64(18446744073709551615) 00`, report: 3, keys: 3, deep: 3, say: "cannot expand"},
	{name: "LZF: a listpack of 1 GB, 12 MB of which are there", make: func(w *shell) {
		w.asm(`REDIS0011 10 str("k")`)
		w.lzf(1 << 30)
		w.end()
	}, report: -1, keys: 3, deep: 3, say: "listpack"},
	{name: "LZF: a string of 1 GB", make: func(w *shell) {
		w.asm(`REDIS0011 00 str("k")`)
		w.lzf(1 << 30)
		w.end()
	}},
	{name: "LZF: a name of 1 GB", make: func(w *shell) {
		w.asm(`REDIS0011 00`)
		w.lzf(1 << 30)
		w.WriteString("\x01v")
		w.end()
	}},
	{name: "a million databases", make: func(w *shell) {
		w.asm(`REDIS0011`)
		for i := range uint64(1_000_000) {
			w.Write(wire.AppendLen([]byte{0xfe}, i<<40))
			w.WriteString("\xfb\x01\x00\x00\x01k\x01v")
		}
		w.end()
	}},
	{name: "databases that announce 2^64-1 keys", asm: `REDIS0011 fe len64(18446744073709551615) fb len64(18446744073709551615) len64(18446744073709551615)
		fe len(1) fb len64(18446744073709551615) len64(18446744073709551615) 00 str("k") str("v") ff crc()`},
	{name: "slots that lie", asm: `REDIS0012 fe len(0) fb len(1) len(0) f4 len64(18446744073709551615) len64(18446744073709551615) len(0) fa str("slot-info") str("99999999999999999999,1,1")
		f4 len(16384) len(0) len(0) 00 str("k") str("v") f4 len(3) len64(9223372036854775808) len64(18446744073709551615) 00 str("l") str("v") ff crc()`},
	{name: "numbers at their ends", asm: `REDIS0011 fe len(0) fc i64le(-9223372036854775807) f8 len64(18446744073709551615) 00 str("a") str("v")
		fc i64le(9223372036854775807) f9 ff 00 str("b") str("v") fd i32le(-2147483648) 05 str("z") len(1) str("m") f64le(-inf) ff crc()`},
	{name: "a module's data without end", make: func(w *shell) {
		w.asm(`REDIS0011 f7 81b5eb2dfffadd6c01`)
		for range 8 << 20 {
			w.WriteString("\x02\x01")
		}
	}, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a module's value without end", make: func(w *shell) {
		w.asm(`REDIS0011 07 str("m") 81b5eb2dffffddb401`)
		for range 4 << 20 {
			w.WriteString("\x02\x01\x05\x01x")
		}
	}, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a million aux fields", make: func(w *shell) {
		w.asm(`REDIS0011`)
		for i := range 1_000_000 {
			w.Write(wire.AppendString(wire.AppendString([]byte{0xfa}, "n"+strconv.Itoa(i)), "value"))
		}
		w.WriteString("\x00\x01k\x01v")
		w.end()
	}},
	{name: "a version of 100 MB", make: func(w *shell) {
		w.asm(`REDIS0011 fa str("redis-ver") len(100000000)`)
		w.fill("\x1b[2J\n", 100_000_000)
		w.WriteString("\x00\x01k\x01v")
		w.end()
	}},
	{name: "a library of 1 GB that is not there", asm: `REDIS0011 f5 len(1073741824) "#!lua name=x\n"`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a million libraries", make: func(w *shell) {
		w.asm(`REDIS0011`)
		for range 1_000_000 {
			w.WriteString("\xf5\x0d#!lua name=x\n")
		}
		w.WriteString("\x00\x01k\x01v")
		w.end()
	}},
	{name: "a name of 500 MB that is not there", asm: `REDIS0011 00 len(500000000) "abc"`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a name of 500 MB", make: func(w *shell) {
		w.asm(`REDIS0011 00 len(500000000)`)
		w.fill("user:1:\xff", 500_000_000)
		w.WriteString("\x01v")
		w.end()
	}},
	{name: "names of 1 MB of every type", make: func(w *shell) {
		w.asm(`REDIS0011`)
		name := bytes.Repeat([]byte{0xff}, 1<<20)
		for i := range 60 {
			binary.BigEndian.PutUint32(name, uint32(i))
			if i%2 == 0 {
				w.WriteString("\xfd\x01\x02\x03\x04")
			}
			code := []byte{0, 1, 2, 4, 5}[i%5]
			w.Write(wire.AppendString([]byte{code}, name))
			w.WriteString([]string{"\x01v", "\x01\x01a", "\x01\x01a", "\x01\x01a\x01b", "\x01\x01a12345678"}[i%5])
		}
		w.end()
	}},
	{name: "a name of 10,000 separators", make: func(w *shell) {
		w.asm(`REDIS0011`)
		for i := range 2000 {
			w.Write(wire.AppendString([]byte{0}, strconv.Itoa(i)+strings.Repeat(":a", i%7)+strings.Repeat(":", 10_000)))
			w.WriteString("\x01v")
		}
		w.end()
	}},
	{name: "patterns without number", make: func(w *shell) {
		w.asm(`REDIS0011`)
		word := func(n int) string { // no class has such words
			b := make([]byte, 0, 40)
			for range 6 {
				b = append(b, "bcdfghjklmnpqrstvwxz"[n%20], "aeiou"[n/20%5], 'n')
				n = n*7 + 3
			}
			return string(b)
		}
		for i := range 300_000 {
			w.Write(wire.AppendString([]byte{0}, word(i)+":"+word(i/2)+":"+word(i/3)+":"+word(i+1)))
			w.WriteString("\x01v")
		}
		w.end()
	}},
	{name: "JSON 100,000 deep", make: func(w *shell) {
		w.asm(`REDIS0011`)
		for i, s := range []string{strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000), strings.Repeat(`{"a":[`, 50_000) + strings.Repeat(`]}`, 50_000),
			`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"} {
			w.Write(wire.AppendString(wire.AppendString([]byte{0}, "json:"+strconv.Itoa(i)), s))
		}
		w.end()
	}},
	{name: "JSON of a million fields", make: func(w *shell) {
		w.asm(`REDIS0011 00 str("json")`)
		var b bytes.Buffer
		for i := range 1_000_000 {
			fmt.Fprintf(&b, `,"f%d":1`, i)
		}
		w.Write(wire.AppendString(nil, "{"+b.String()[1:]+"}"))
		w.end()
	}},
	{name: "a stream of 10^9 entries, one of which is there", asm: `REDIS0011 13 str("s") len(1) str(u64be(1) u64be(1)) str(listpack(1 0 1 "f" 0 2 0 0 "v" 4)) len(1000000000) len(1) len(1) len(1) len(1) len(0) len(0) len(1000000000) len(0) ff crc()`, deep: 3, say: "its nodes hold 1"},
	{name: "a stream of 2^64-1 entries", asm: `REDIS0011 13 str("s") len(1) str(u64be(1) u64be(1)) str(listpack(1 0 1 "f" 0 0 0 0 "v" 4)) len64(18446744073709551615) len(1) len(1) len(1) len(1) len(0) len(0) len64(18446744073709551615) len(0) ff crc()`, report: -1, keys: -1, deep: -1},
	{name: "a stream of 10^9 groups", asm: `REDIS0009 0f str("s") len(0) len(0) len(0) len(0) len(1000000000) str("g") len(0) len(0) len(0) len(0)`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a stream of 10^9 consumers", asm: `REDIS0009 0f str("s") len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len(0) len(1000000000) str("c") i64le(0) len(0)`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "10^9 pending entries", asm: `REDIS0009 0f str("s") len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len(1000000000) u64be(1) u64be(1) i64le(0) len(1)`, report: 3, keys: 3, deep: 3, say: "too early"},
	{name: "a stream of 500,000 groups and consumers", make: func(w *shell) {
		w.asm(`REDIS0009 0f str("s") len(0) len(0) len(0) len(0) len(500000)`)
		for i := range 500_000 {
			w.Write(wire.AppendString(nil, "group"+strconv.Itoa(i)))
			w.WriteString("\x00\x00\x00\x01")
			w.Write(wire.AppendString(nil, "consumer"+strconv.Itoa(i)))
			w.WriteString("12345678\x00")
		}
		w.end()
	}},
	{name: "a listpack that lies about its length", asm: `REDIS0011 10 str("h") str(u32le(4294967295) u16le(2) 8161 02 8162 02 ff) ff crc()`, report: 3, keys: 3, deep: 3, say: "listpack"},
	{name: "a listpack that lies about its entries", asm: `REDIS0011 10 str("h") str(u32le(13) u16le(65534) 8161 02 8162 02 ff) ff crc()`, report: -1, keys: -1, deep: 3, say: "65534"},
	{name: "a hash of three entries", asm: `REDIS0011 10 str("h") str(listpack("a" "b" "c")) ff crc()`, report: -1, keys: -1, deep: 3, say: "entries"},
	{name: "a listpack entry of 4 GiB", asm: `REDIS0011 14 str("s") str(u32le(14) u16le(1) f0 ffffffff 6105 ff) ff crc()`, report: -1, keys: 3, deep: 3, say: "4294967295"},
	{name: "a ziplist that lies about all", asm: `REDIS0006 0a str("l") str(u32le(17) u32le(4294967295) u16le(65534) fe ffffffff 0161 ff) ff crc()`, report: 3, keys: 3, deep: 3, say: "ziplist"},
	{name: "an intset of 2^32-1", asm: `REDIS0006 0b str("s") str(u32le(8) u32le(4294967295) 0102030405060708) ff crc()`, report: 3, keys: 3, deep: 3, say: "intset"},
	{name: "a zipmap that lies about all", asm: `REDIS0002 09 str("h") str(fd fe ffffffff 61 fe ffffffff 62 ff) ff`, report: 3, keys: 3, deep: 3, say: "past the end"},
	{name: "a million hash templates", make: func(w *shell) {
		w.asm(`REDIS0015`)
		for i := range uint64(1_000_000) {
			w.Write(wire.AppendLen([]byte{0xf2}, i))
			w.WriteString("\x01\x01f")
		}
		w.end()
	}},
}

// TestBombs gives each to a process of the command of its own: what finds fault
// names the offset, in a line of text, and memory stays where the contract has it.
func TestBombs(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("short, or under the race detector, which makes minutes of it and whose memory is not ours")
	}
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				want int
				args []string
			}{
				{b.report, []string{"report", "--json-values", "full", "-"}},
				{b.report, []string{"report", "-q", "--jobs", "2", "-o", "html=" + os.DevNull, "-o", "json=" + os.DevNull, "-"}},
				{b.keys, []string{"keys", "-"}},
				{b.keys, []string{"keys", "--format", "ndjson", "-"}},
				{b.deep, []string{"verify", "--deep", "-"}},
				{b.report, []string{"whatif", "--target", "valkey-9.1", "-"}},
			} {
				b.run(t, c.want, c.args)
			}
		})
	}
}

var offsetIn = regexp.MustCompile(`offset (\d+)`)

func (b *bomb) run(t *testing.T, want int, args []string) {
	t.Helper()
	peak := t.TempDir() + "/peak"
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), peakVariable+"="+peak)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	fed := make(chan int64)
	go func() {
		count := &counter{w: in}
		w := &shell{bufio.NewWriterSize(count, 1<<20), t}
		if b.make != nil {
			b.make(w)
		} else {
			w.asm(b.asm)
		}
		w.Flush() // it fails where the command has seen enough
		in.Close()
		fed <- count.n
	}()
	text := firstAndRest(t, out)
	size := <-fed
	err = cmd.Wait()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit), "%v", err)
	status := cmd.ProcessState.ExitCode()
	said := stderr.String()
	if want == -1 && status == 3 {
		want = 3
	}
	require.Equal(t, max(want, 0), status, "%v: %.2000s", args, said)
	if args[0] == "verify" {
		said += text
	}
	require.LessOrEqual(t, len(stderr.String()), 2000, "%v: a message is a line or two", args)
	plain(t, stderr.String())
	if status == 3 || status == 1 {
		require.Contains(t, said, b.say, args)
		m := offsetIn.FindStringSubmatch(said)
		require.NotNil(t, m, "%v names no offset: %s", args, said)
		at, err := strconv.ParseInt(m[1], 10, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, at, size)
	}
	if got, err := os.ReadFile(peak); err == nil && !raceEnabled {
		kb, err := strconv.ParseInt(string(got), 10, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, kb<<10, int64(mostPeak), "%v: %d MiB resident for %d bytes", args, kb>>10, size)
		if kb > 100<<10 || testing.Verbose() {
			t.Logf("%v: %d MiB resident for %d bytes", args, kb>>10, size)
		}
	} else if runtime.GOOS == "linux" && !raceEnabled {
		t.Error(err)
	}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if errors.Is(err, syscall.EPIPE) {
		c.n = 1 << 62 // it would have been more
	}
	return n, err
}

// firstAndRest reads all of an output, of which it keeps the start, and holds
// it to plain text.
func firstAndRest(t *testing.T, in io.Reader) string {
	var first []byte
	r := bufio.NewReaderSize(in, 4<<20)
	for {
		line, err := r.ReadSlice('\n') // no line is longer than a name that is escaped
		if len(first) < 100_000 {
			first = append(first, line...)
		}
		if bytes.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }) >= 0 {
			t.Errorf("an output holds control characters: %.200q", line)
		}
		if err == io.EOF {
			return string(first)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			t.Error(err)
			return string(first)
		}
	}
}

// plain holds text to what a terminal shows and does nothing with.
func plain(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			t.Fatalf("%q holds %q", text, r)
		}
	}
}

// A shell is what a bomb is written to.
type shell struct {
	*bufio.Writer
	t *testing.T
}

func (w *shell) asm(text string) {
	data, _ := fixtures.Asm(w.t, text)
	w.Write(data)
}

// end ends a dump without a checksum.
func (w *shell) end() { w.WriteString("\xff\x00\x00\x00\x00\x00\x00\x00\x00") }

func (w *shell) fill(with string, n int) {
	block := strings.Repeat(with, 1+64<<10/len(with))
	for n > 0 {
		k := min(n, len(block)/len(with)*len(with))
		w.WriteString(block[:k])
		n -= k
	}
}

// lzf writes a compressed string that expands to about n bytes, as far as LZF
// goes: 264 bytes from 3.
func (w *shell) lzf(n int) {
	times := n / 264
	w.Write(wire.AppendLen(wire.AppendLen([]byte{0xc3}, uint64(2+3*times)), uint64(1+264*times)))
	w.WriteString("\x00x")
	w.fill("\xe0\xff\x00", 3*times)
}
