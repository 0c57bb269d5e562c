package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// listpack packs texts and small numbers as servers do, with a header that says
// what it is told to.
func listpack(entries ...any) []byte {
	b := make([]byte, 6)
	for _, e := range entries {
		switch e := e.(type) {
		case int:
			b = append(b, byte(e), 1) // 0 to 127
		case string:
			b = append(append(append(b, 0x80|byte(len(e))), e...), byte(len(e)+1))
		}
	}
	b = append(b, 0xff)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint16(b[4:], uint16(len(entries)))
	return b
}

// packed is a key with a packed value, in the words of fixtures.Asm.
func packed(typ byte, key string, blob []byte) string {
	return fmt.Sprintf("%02x str(%q) len(%d) %s\n", typ, key, len(blob), hex.EncodeToString(blob))
}

func dumpOf(t *testing.T, path, records string) []byte {
	t.Helper()
	data, _ := fixtures.Asm(t, "REDIS0011 fe len(0)\n"+records+" ff crc()")
	if path != "" {
		write(t, path, data)
	}
	return data
}

const (
	firstKey = "00 str(\"first\") str(\"v\")\n"
	lastKey  = "00 str(\"last\") str(\"v\")\n"
)

// unsound are values whose end is known and whose content is bad; shallow says
// that one need not look inside to see it.
func unsound() map[string]struct {
	value   string
	shallow bool
	say     string
} {
	type value = struct {
		value   string
		shallow bool
		say     string
	}
	short, count := listpack("a", 1), listpack("a", 1)
	short[0]--
	count[4]++
	return map[string]value{
		"header":       {packed(16, "bad", short), true, "header says"},
		"width":        {packed(11, "bad", []byte{3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 4, 0, 7, 0}), true, "header says"},
		"empty header": {packed(11, "bad", []byte{2, 0, 0}), true, "header says"},
		"listpack 3":   {packed(16, "bad", []byte{2, 0, 0}), true, "header says"},
		"ziplist 3":    {packed(13, "bad", []byte{2, 0, 0}), true, "header says"},
		"node header":  {"12 str(\"bad\") len(1) len(2) len(3) 010203", true, "header says"},
		"lzf":          {"00 str(\"bad\") c3 len(2) len(5000) 0061", true, "cannot expand"},
		"nan":          {"05 str(\"bad\") len(2) str(\"a\") 000000000000f87f str(\"b\") 000000000000f03f", true, "not a number"},
		"nan text":     {"03 str(\"bad\") len(1) str(\"a\") fd", true, "not a number"},
		"plain node":   {"12 str(\"bad\") len(2) len(1) len(0) len(1) str(\"a\")", true, "empty plain list node"},
		"count":        {packed(16, "bad", count), false, "announces 3 entries and holds 2"},
		"odd":          {packed(16, "bad", listpack("a", 1, "b")), false, "come out even"},
		"field twice":  {packed(16, "bad", listpack("a", 1, "a", 2)), false, "twice"},
		"number twice": {packed(20, "bad", listpack(7, "7")), false, "twice"},
		"member twice": {packed(17, "bad", listpack("a", 1, "a", 2)), false, "twice"},
		"order":        {packed(17, "bad", listpack("a", 2, "b", 1)), false, "order of their scores"},
		"tie":          {packed(17, "bad", listpack("b", 1, "a", 1)), false, "order of their scores"},
		"score":        {packed(17, "bad", listpack("a", "one")), false, "not a number"},
		"hash":         {"04 str(\"bad\") len(2) str(\"f\") str(\"1\") str(\"f\") str(\"2\")", false, "came before"},
		"set":          {"02 str(\"bad\") len(2) c0 07 str(\"7\")", false, "came before"},
		"intset":       {packed(11, "bad", []byte{2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 4, 0}), false, "ascend"},
		"stream master": {"15 str(\"bad\") len(1) " + streamNode(listpack(1, 0, 1, "f", 1, 2, 0, 0, "v", 4)) +
			" len(1) len(1) len(0) len(1) len(0) len(0) len(0) len(1) len(0)", false, "the end of the master entry"},
		"stream length": {"15 str(\"bad\") len(1) " + streamNode(goodNode) +
			" len(2) len(1) len(0) len(1) len(0) len(0) len(0) len(1) len(0)", false, "announces 2 entries, its nodes hold 1"},
		"stream owner": {"15 str(\"bad\") len(1) " + streamNode(goodNode) +
			" len(1) len(1) len(0) len(1) len(0) len(0) len(0) len(1) len(1) str(\"g\") len(0) len(0) len(0)" +
			" len(1) 00000000000000010000000000000000 0000000000000000 len(1) len(0)", false, "have no consumer"},
	}
}

var goodNode = listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4)

func streamNode(blob []byte) string {
	return fmt.Sprintf("len(16) 00000000000000010000000000000000 len(%d) %s", len(blob), hex.EncodeToString(blob))
}

// TestUnsound: bad contents in a whole frame. verify finds what shows from
// outside, --deep all of it; each is named with its key, and what comes after it
// is read. With --on-error skip reports go on as well.
func TestUnsound(t *testing.T) {
	inDir(t)
	dumpOf(t, "good.rdb", firstKey+packed(16, "h", listpack("a", 1, "b", 1))+packed(17, "z", listpack("b", 1, "a", 2, "c", 2))+
		"15 str(\"s\") len(1) "+streamNode(goodNode)+" len(1) len(1) len(0) len(1) len(0) len(0) len(0) len(1) len(0)\n"+lastKey)
	require.Contains(t, good(t, "verify", "--deep", "good.rdb"), "ok\t")
	for name, c := range unsound() {
		dumpOf(t, "d.rdb", firstKey+c.value+"\n"+lastKey)
		for _, args := range [][]string{{"verify"}, {"verify", "--deep"}} {
			if !c.shallow && len(args) == 1 {
				require.Zero(t, rdbaudit("verify", "d.rdb").status, name)
				continue
			}
			r := rdbaudit(append(args, "--format", "ndjson", "d.rdb")...)
			require.Equal(t, exitDamaged, r.status, name)
			var v verdict
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &v), name)
			require.Equal(t, int64(1), v.Bad, name)
			require.Equal(t, int64(3), v.Keys, name)
			require.Equal(t, "bad", *v.Key, name)
			require.Contains(t, v.Error, c.say, name)
			require.Equal(t, "ok", v.Checksum, "%s: everything was read", name)
		}
		if !c.shallow {
			continue
		}
		r := rdbaudit("keys", "--on-error", "stop", "d.rdb")
		require.Equal(t, exitDamaged, r.status, name)
		require.Contains(t, r.stdout, "first", name)
		require.NotContains(t, r.stdout, "last", "%s: nothing is skipped unasked", name)
		r = rdbaudit("keys", "--on-error", "skip", "d.rdb")
		require.Equal(t, exitDamaged, r.status, name)
		require.Contains(t, r.stdout, ",last,", name)
		require.NotContains(t, r.stdout, ",bad,", name)
		require.Contains(t, r.stderr, "1 value has bad contents and was left out, the first at offset", name)
		r = rdbaudit("--on-error", "skip", "d.rdb")
		require.Equal(t, exitDamaged, r.status, name)
		require.Contains(t, strings.Join(strings.Fields(head(r.stdout, 3)), " "), "1 value has bad contents", name)
	}
}

// TestLostFraming: after a loss of the framing nothing is guessed, asked for or not.
func TestLostFraming(t *testing.T) {
	inDir(t)
	for _, lost := range []string{"00 str(\"bad\") c9", "12 str(\"bad\") len(1) len(3) str(\"a\")", "8f str(\"bad\")", "00 str(\"bad\") 82"} {
		dumpOf(t, "d.rdb", firstKey+lost+"\n"+lastKey)
		for _, args := range [][]string{{"keys"}, {"keys", "--on-error", "skip"}, {"verify"}, {"verify", "--deep"}, {"report", "--on-error", "skip"}} {
			r := rdbaudit(append(args, "d.rdb")...)
			require.Equal(t, exitDamaged, r.status, "%v: %s", args, lost)
			require.NotContains(t, r.stdout, "last")
		}
	}
}

// TestAnnounced: other numbers of keys than a dump announces are said first, by
// database, in all commands; they are no damage.
func TestAnnounced(t *testing.T) {
	inDir(t)
	key := func(name string) string { return "00 str(\"" + name + "\") str(\"v\") " }
	ttl := "fc i64le(4000000000000) "
	for _, c := range []struct{ records, say string }{
		{"fb len(1) len(0) " + key("a"), ""},
		{key("a") + key("b"), ""}, // an old dump announces nothing
		{"fb len(2) len(1) " + key("a") + ttl + key("b") + "fe len(3) fb len(1) len(1) " + ttl + key("c"), ""},
		{"fb len(1) len(0) " + key("a") + "fe len(0) fb len(1) len(1) " + ttl + key("b"), ""}, // selected twice
		{"fb len(5) len(0) " + key("a"), "the dump announces 5 keys in database 0, 1 came"},
		{"fe len(7) fb len(1) len(1) " + key("a"), "the dump announces 1 key with a TTL in database 7, 0 came"},
		{"fe len(9) fb len(3) len(0) fe len(2) fb len(0) len(0) " + key("a"), "the dump announces 3 keys in database 9, 0 came, and 0 keys in database 2, 1 came"},
		{"fb len64(18446744073709551615) len(0) " + key("a"), "announces 18446744073709551615 keys in database 0, 1 came"},
	} {
		dumpOf(t, "d.rdb", c.records)
		for _, args := range [][]string{
			{"report"}, {"report", "--key", "^nothing"}, {"report", "--format", "md"}, {"report", "--format", "html"}, {"report", "--format", "prom"},
			{"report", "--format", "json"}, {"keys"}, {"key", "d.rdb", "a"}, {"verify"}, {"whatif", "--target", "valkey-9.1"},
		} {
			if args[0] != "key" {
				args = append(args, "d.rdb")
			}
			r := rdbaudit(args...)
			require.Zero(t, r.status, args)
			all := strings.Join(strings.Fields(r.stdout), " ")
			if c.say == "" {
				require.NotContains(t, all+r.stderr, "announces", args)
				continue
			}
			if args[0] != "verify" {
				require.Contains(t, r.stderr, c.say, args)
			}
			if args[0] != "keys" && args[0] != "key" {
				require.Contains(t, all, c.say, args)
			}
		}
	}
}

// TestFirstLine: of a damaged dump every format says first which part it shows,
// where that ends, why, and at which key. CSV has no place for it.
func TestFirstLine(t *testing.T) {
	inDir(t)
	whole := fixtures.Get(t, shop).Data
	// In the middle of the file framing is lost: there is a rest that was not read.
	broken := append([]byte{}, whole...)
	at := strings.Index(string(whole), "queue:7w1cr:87") - 2
	broken[at] = 0xc8
	write(t, "cut.rdb", whole[:400_000])
	write(t, "broken.rdb", broken)
	for dump, say := range map[string][]string{
		"cut.rdb":    {"cut.rdb", "offset 400000", "the file ends too early", "queue:7w1cr:87", "916 keys", "of 1,891 announced", "400,000 bytes"},
		"broken.rdb": {"broken.rdb", "offset " + fmt.Sprint(at), "byte 200", "after key", "916 keys", "of 1,891 announced", "49 % of its 802 KiB"},
	} {
		for _, args := range [][]string{
			{"report"}, {"report", "--format", "md"}, {"report", "--format", "prom"}, {"report", "--format", "json"}, {"report", "--format", "html"},
			{"whatif", "--target", "valkey-9.1"}, {"whatif", "--target", "valkey-9.1", "--format", "json"}, {"whatif", "--sweep", "hash-max-listpack-entries=1,2"},
		} {
			r := rdbaudit(append(args, dump)...)
			require.Equal(t, exitDamaged, r.status, args)
			first := strings.Join(strings.Fields(head(r.stdout, 6)), " ")
			if args[len(args)-1] == "html" {
				_, first, _ = strings.Cut(r.stdout, "<body>")
				first = strings.Join(strings.Fields(first), " ")[:1500]
			}
			for _, s := range say {
				require.Contains(t, first, s, "%v %s", args, dump)
			}
		}
	}
}

// TestVerifyEndMark: verify names what a whole transfer leaves behind the dump,
// of which no report speaks.
func TestVerifyEndMark(t *testing.T) {
	inDir(t)
	write(t, "a.rdb", append(slices.Clone(fixtures.Get(t, shop).Data), "0123456789abcdef0123456789abcdef01234567"...))
	require.Contains(t, good(t, "verify", "a.rdb"), "\tok\t40 bytes follow the dump: the end mark of a replication stream\n")
	require.NotContains(t, good(t, "report", "a.rdb"), "end mark")
}
