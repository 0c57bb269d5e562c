package output

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"rdbaudit/aggregate"
)

// manyPatterns is a report with about n rows of patterns, in the shape that
// aggregate gives them: a root, inner nodes that end in a separator, leaves.
func manyPatterns(n int) *Report {
	r := sampleReport()
	t := r.Table("patterns")
	t.Rows = nil
	keys, bytes := int64(0), int64(0)
	add := func(pattern string, depth, leaf int, k, b int64) {
		t.Rows = append(t.Rows, row(pattern, depth, leaf, k, b, 0.0, b/max(k, 1), b/max(k, 1), b/max(k, 1)*3, b/max(k, 1)*4, pattern+"1", k*7,
			k/3, b/3, int64(0), int64(0), int64(0), int64(86400), nil, "hash 80.0%,string 20.0%", "listpack", ""))
	}
	add("*", 0, 0, 0, 0)
	for s := 0; len(t.Rows) < n; s++ {
		service := fmt.Sprintf("service-%d:", s)
		at := len(t.Rows)
		add(service, 1, 0, 0, 0)
		sk, sb := int64(0), int64(0)
		for e := 0; e < 40 && len(t.Rows) < n; e++ {
			entity := fmt.Sprintf("%sentity%d:", service, e)
			k, b := int64(10+(s*31+e*7)%1000), int64(1000+(s*7919+e*104729)%1_000_000)
			add(entity, 2, 0, k, b)
			add(entity+"{num}", 3, 1, k, b)
			sk, sb = sk+k, sb+b
		}
		t.Rows[at][3].I, t.Rows[at][4].I = sk, sb
		keys, bytes = keys+sk, bytes+sb
	}
	t.Rows[0][3].I, t.Rows[0][4].I = keys, bytes
	for _, row := range t.Rows {
		row[5].F = roundShare(ratio(row[4].I, bytes))
	}
	r.Totals = aggregate.Totals{Keys: keys, Bytes: bytes, Size: bytes, Alloc: bytes, Serialized: bytes / 2, Elements: keys * 7, NoTTLKeys: keys / 3, NoTTLBytes: bytes / 3}
	r.Memory.Keys = bytes
	r.Memory.Estimate = bytes + r.Memory.Tables + r.Memory.Startup
	d := r.Table("databases")
	d.Rows = [][]aggregate.Cell{row(0, keys-5, bytes-5, 0.99, keys/3), row(1, 5, 5, 0.01, 0)}
	return r
}

const manyRows = 50_000

func BenchmarkFormats(b *testing.B) {
	r := manyPatterns(manyRows)
	for _, f := range reportFormats() {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Write(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseReport(b *testing.B) {
	var buf bytes.Buffer
	if err := writeJSON(&buf, manyPatterns(manyRows)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseReport(bytes.NewReader(buf.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}

// A report of 50,000 patterns is written within 0.3 s, and its page is under 3 MB.
// The limit here is wider: test machines are shared and slow.
func TestManyPatterns(t *testing.T) {
	if testing.Short() {
		t.Skip("50,000 rows")
	}
	r := manyPatterns(manyRows)
	for _, f := range reportFormats() {
		start := time.Now()
		out := render(t, f.Name, r)
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %v", f.Name, d)
		}
		if f.Name == "html" && len(out) > 3_000_000 {
			t.Errorf("the page has %d bytes", len(out))
		}
	}
	var b bytes.Buffer
	if err := writeJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	back, err := ParseReport(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"html", "json"} {
		if x, y := render(t, f, r), render(t, f, back); x != y {
			t.Errorf("%s of what was read back differs: %s", f, firstDiff(y, x))
		}
	}
}
