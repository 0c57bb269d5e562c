package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/hdt3213/rdb/bytefmt"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// hostileNames are key names that some reader of some format would act upon.
var hostileNames = []string{
	"",
	" ",
	"plain",
	"user:1;drop",
	"tab\there",
	"=cmd|' /C calc'!A0",
	"+1+1", "-2+3", "@SUM(A1)",
	"line\nfeed\r\n",
	"say \"hi\", twice",
	`back\slash\x41`,
	"</script><script>alert(1)</script>",
	"<img src=x onerror=alert(1)>",
	"<!--", "-->", "]]>", "{{.}}", "${jndi:ldap://x}", "%s%n",
	"esc\x1b[31mred\x1b]0;title\x07",
	"nul\x00byte\xff\xfe",
	"bidi\u202egnp.exe", "zero\u200bwidth", "line\u2028sep",
	"名前:キー", "emoji:👩‍👩‍👧‍👦:🇩🇪", "é́́́",
	"`code` **bold** | pipe | [x](javascript:alert(1))",
	"a\\", "{num}", "*", "\"", "\"\"", ",", ";", "'", "label=\"x\"\n",
}

func record(key string) *estimate.Record {
	return &estimate.Record{
		Key: []byte(key), Type: estimate.Hash, Encoding: estimate.Listpack, Size: 1234, Alloc: 1300,
		Serialized: 800, Elems: 12, Largest: 99, Expiry: 1714564800123, Idle: 17, Freq: 5, Slot: 16383, FieldTTLs: 2,
	}
}

func unknownRecord(key string) *estimate.Record {
	return &estimate.Record{Key: []byte(key), Type: estimate.Module, Module: "ReJSON-RL", Encoding: estimate.Raw,
		Largest: -1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Elems: 1, DB: 15}
}

func writeKeys(t *testing.T, o KeyOptions, recs ...*estimate.Record) string {
	t.Helper()
	var b bytes.Buffer
	k, err := NewKeyWriter(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		pattern := aggregate.AppendEscaped(nil, r.Key)
		if err := k.Add(r, pattern, "team; a", "a.rdb"); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestKeysCSV(t *testing.T) {
	zset := record("z")
	zset.Type = estimate.ZSet
	for _, c := range []struct {
		name string
		o    KeyOptions
		rec  *estimate.Record
		want string
	}{
		{"full", KeyOptions{}, record("a:1"),
			"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry,allocated_bytes,serialized_bytes,idle_seconds,lfu_frequency,field_ttls,slot,pattern,owner,source\n" +
				"0,hash,a:1,1234,listpack,12,99,2024-05-01T12:00:00.123Z,1300,800,17,5,2,16383,a:1,\"team; a\",a.rdb\n"},
		{"unknown", KeyOptions{}, unknownRecord(""),
			"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry,allocated_bytes,serialized_bytes,idle_seconds,lfu_frequency,field_ttls,slot,pattern,owner,source\n" +
				"15,module:ReJSON-RL,\"\",0,raw,1,,,0,0,,,0,,\"\",\"team; a\",a.rdb\n"},
		{"rdbtools", KeyOptions{Compat: "rdbtools"}, zset,
			"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry\n0,sortedset,z,1234,listpack,12,99,2024-05-01T12:00:00.123Z\n"},
		{"hdt", KeyOptions{Compat: "hdt"}, zset,
			"database,key,type,size,size_readable,element_count,encoding,expiration\n0,z,zset,1234,1.2K,12,listpack,2024-05-01T12:00:00Z\n"},
		{"hex", KeyOptions{Compat: "rdbtools", Encoding: "hex"}, unknownRecord("a,\xff"),
			"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry\n15,module,612cff,0,raw,1,,\n"},
		{"base64", KeyOptions{Compat: "rdbtools", Encoding: "base64"}, unknownRecord("a,\xff"),
			"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry\n15,module,YSz/,0,raw,1,,\n"},
	} {
		if got := writeKeys(t, c.o, c.rec); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Whatever a name is, a CSV reader gets it back as escaped text, no field
// starts a formula and no line is broken.
func TestKeysCSVHostile(t *testing.T) {
	for _, name := range hostileNames {
		out := writeKeys(t, KeyOptions{}, record(name))
		if n := strings.Count(out, "\n"); n != 2 {
			t.Errorf("%q: %d lines", name, n)
		}
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if want := string(aggregate.AppendEscaped(nil, []byte(name))); rows[1][2] != want || rows[1][14] != want {
			t.Errorf("%q: read back %q and %q", name, rows[1][2], rows[1][14])
		}
		for _, f := range rows[1] {
			if f != "" && strings.ContainsRune("=+-@\t\r", rune(f[0])) {
				t.Errorf("%q: field %q starts a formula", name, f)
			}
			if strings.ContainsAny(f, ";\t,") && !strings.Contains(out, `"`+strings.ReplaceAll(f, `"`, `""`)+`"`) {
				t.Errorf("%q: field %q is not quoted", name, f)
			}
		}
	}
}

// Sizes read as the program has them whose profile it is.
func TestShortSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	for range 5000 {
		n := int64(rng.Uint64()>>1) >> rng.IntN(63)
		if got, want := string(appendShortSize(nil, n)), bytefmt.FormatSize(uint64(n)); got != want {
			t.Fatalf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestQuoteCSV(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		b := make([]byte, rng.IntN(12))
		for i := range b {
			b[i] = "ab,\";\t\r\n \xff"[rng.IntN(10)]
		}
		dst := quoteCSV(append([]byte("x,"), b...), 2)
		r := csv.NewReader(bytes.NewReader(dst))
		rec, err := r.Read()
		want := strings.ReplaceAll(string(b), "\r\n", "\n") // encoding/csv's reader does so
		if err != nil || len(rec) != 2 || rec[1] != want {
			t.Fatalf("%q: %q: %q, %v", b, dst, rec, err)
		}
	}
}

// What aggregate wrote is clean, and clean keeps everything else inert.
func TestClean(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	check := func(raw string) {
		esc := string(aggregate.AppendEscaped(nil, []byte(raw)))
		if got := clean(esc); got != esc && esc != "-" {
			t.Errorf("%q: escaped %q, clean %q", raw, esc, got)
		}
		c := clean(raw)
		if c != clean(c) {
			t.Errorf("%q: clean %q is not clean", raw, c)
		}
		if string(appendClean(nil, raw)) != c {
			t.Errorf("%q: appendClean %q, clean %q", raw, appendClean(nil, raw), c)
		}
	}
	for _, name := range hostileNames {
		check(name)
	}
	for range 5000 {
		b := make([]byte, rng.IntN(10))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		check(string(b))
		check(string(rune(rng.IntN(0x30000))) + "x")
	}
	for raw, want := range map[string]string{"-": "-", "-1": `\x2d1`, "=1": `\x3d1`, "a=1": "a=1", "\x1b[0m": `\x1b[0m`, "é\xff": `é\xff`} {
		if got := clean(raw); got != want {
			t.Errorf("clean(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestKeysNDJSON(t *testing.T) {
	got := writeKeys(t, KeyOptions{Format: "ndjson"}, record("a\"b"), unknownRecord("x"))
	want := `{"database":0,"type":"hash","key":"a\"b","size_in_bytes":1234,"encoding":"listpack","num_elements":12,"len_largest_element":99,"expiry":"2024-05-01T12:00:00.123Z","allocated_bytes":1300,"serialized_bytes":800,"idle_seconds":17,"lfu_frequency":5,"field_ttls":2,"slot":16383,"pattern":"a\"b","owner":"team; a","source":"a.rdb"}
{"database":15,"type":"module:ReJSON-RL","key":"x","size_in_bytes":0,"encoding":"raw","num_elements":1,"len_largest_element":null,"expiry":null,"allocated_bytes":0,"serialized_bytes":0,"idle_seconds":null,"lfu_frequency":null,"field_ttls":0,"slot":null,"pattern":"x","owner":"team; a","source":"a.rdb"}
`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, name := range hostileNames {
		rec := record(name)
		rec.Expiry = math.MaxInt64
		var row map[string]any
		out := writeKeys(t, KeyOptions{Format: "ndjson"}, rec)
		if err := json.Unmarshal([]byte(out), &row); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if want := string(aggregate.AppendEscaped(nil, []byte(name))); row["key"] != want {
			t.Errorf("%q: read back %q", name, row["key"])
		}
		if strings.Contains(out, "<") || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: %s", name, out)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	for _, name := range hostileNames {
		var back string
		if err := json.Unmarshal(appendJSON(nil, name), &back); err != nil || back != strings.ToValidUTF8(name, "\uFFFD\uFFFD") {
			t.Errorf("%q: %q, %v", name, back, err)
		}
	}
}

func TestKeysList(t *testing.T) {
	if got := writeKeys(t, KeyOptions{Format: "list"}, record("a\xff"), record("b")); got != "a\xff\nb\n" {
		t.Errorf("got %q", got)
	}
	if got := writeKeys(t, KeyOptions{Format: "list", NUL: true}, record("a\nb"), record("")); got != "a\nb\x00\x00" {
		t.Errorf("got %q", got)
	}
}

func TestKeysTable(t *testing.T) {
	long := record("session:" + strings.Repeat("0123456789", 12) + ":end")
	long.Elems = 1234567
	golden(t, "keys.table", writeKeys(t, KeyOptions{Format: "table", Width: 100}, record("a:1"), unknownRecord("名前\x1b"), long))

	// All rows come out, in order, whether held back or streamed.
	var recs []*estimate.Record
	for i := range 1000 {
		recs = append(recs, record(fmt.Sprintf("key:%d", i)))
	}
	lines := strings.Split(strings.TrimSuffix(writeKeys(t, KeyOptions{Format: "table"}, recs...), "\n"), "\n")
	if len(lines) != 1001 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines[1:] {
		if !strings.HasSuffix(line, fmt.Sprintf("  key:%d", i)) || strings.Index(line, "key:") != strings.Index(lines[0], "KEY") {
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	if got := writeKeys(t, KeyOptions{Format: "table"}); strings.Count(got, "\n") != 1 {
		t.Errorf("no rows: %q", got)
	}
}

type brokenWriter struct{ n int }

var errBroken = errors.New("disk full")

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestKeysErrors(t *testing.T) {
	for _, f := range KeyFormats() {
		k, err := NewKeyWriter(&brokenWriter{1000}, KeyOptions{Format: f.Name})
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		for range 10000 {
			if failed = k.Add(record("some:key:with:a:name"), nil, "", ""); failed != nil {
				break
			}
		}
		// Parquet writes a group of rows at once, here at the end.
		if err := k.Close(); failed != errBroken && f.Name != "parquet" || err != errBroken {
			t.Errorf("%s: Add %v, Close %v", f.Name, failed, err)
		}
	}
	for _, o := range []KeyOptions{{Format: "xml"}, {Encoding: "rot13"}, {Format: "ndjson", Encoding: "x"}, {Format: "table", Encoding: "x"}} {
		if _, err := NewKeyWriter(io.Discard, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestKeyColumns(t *testing.T) {
	var names []string
	for _, c := range KeyColumns() {
		names = append(names, c.Name)
		if (c.number == noNumber) == (c.text == nil) || c.Doc == "" {
			t.Errorf("column %s is not described", c.Name)
		}
	}
	want := strings.Split("database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry,allocated_bytes,serialized_bytes,idle_seconds,lfu_frequency,field_ttls,slot,pattern,owner,source", ",")
	if !reflect.DeepEqual(names, want) {
		t.Errorf("columns %v", names)
	}
}

func TestKeyWriterAllocs(t *testing.T) {
	rec, pattern := record("session:5f2b9c1e-77aa-4a0e-9d2c-0a1b2c3d4e5f:cart"), []byte("session:{uuid}:cart")
	for _, f := range KeyFormats() {
		k, err := NewKeyWriter(io.Discard, KeyOptions{Format: f.Name})
		if err != nil {
			t.Fatal(err)
		}
		add := func() {
			if err := k.Add(rec, pattern, "checkout", "prod-1.rdb"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2000 {
			add()
		}
		if n := testing.AllocsPerRun(2000, add); n != 0 {
			t.Errorf("%s: %v allocations per row", f.Name, n)
		}
	}
}

func BenchmarkKeyWriter(b *testing.B) {
	rec, pattern := record("session:5f2b9c1e-77aa-4a0e-9d2c-0a1b2c3d4e5f:cart"), []byte("session:{uuid}:cart")
	for _, f := range KeyFormats() {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			k, err := NewKeyWriter(io.Discard, KeyOptions{Format: f.Name})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := k.Add(rec, pattern, "checkout", "prod-1.rdb"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
