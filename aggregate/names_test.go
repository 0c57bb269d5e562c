package aggregate

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"rdbaudit/estimate"
)

// testConfig is the configuration of all records of a sample in tests.
var testConfig = sync.OnceValue(func() *estimate.Config {
	line, _, _ := estimate.Lookup("redis-7.2")
	return &estimate.Config{Line: line, Limits: estimate.DefaultLimits()}
})

// randomSample adds what is known of values looked into and of keys of the
// sample to what an audit says of a record.
func randomSample(rng *rand.Rand, r *estimate.Record) {
	if r.Audit == nil {
		r.Audit = &estimate.Audit{}
	}
	x := r.Audit
	switch r.Type {
	case estimate.String:
		r.Largest = rng.Int64N(68)
		x.Squeezed = rng.Int64N(2) * r.Largest / 2
		x.JSON = estimate.JSONState(rng.IntN(3))
		x.Entry, x.NumberSaves = int32(r.Largest+2), int32(16*rng.IntN(2))
		if x.JSON == estimate.JSONObject {
			x.Fields, x.AsHash, x.AsHashPacked = 5, r.Alloc+100-rng.Int64N(200), rng.IntN(2) == 0
			x.AsPacked, x.FieldLen = x.AsHash/2, 70
		}
	case estimate.Hash:
		x.JSON = estimate.JSONState(rng.IntN(3))
		x.Fields, x.AsHash, x.Apart = 3, r.Alloc-50, rng.IntN(2) == 0
		x.FieldBytes, x.FieldSaves, x.FieldMask = 10*r.Elems, rng.Int64N(100), 1<<rng.IntN(64)
		x.Packed, x.Over = r.Alloc/2, estimate.Over(rng.IntN(4))
	}
	if rng.IntN(4) > 0 {
		x.Config = testConfig()
	} else {
		x.Entry, x.NumberSaves, x.FieldBytes, x.FieldSaves, x.FieldMask = 0, 0, 0, 0, 0
	}
}

// TestFindingsMerge holds that findings do not depend on order and workers.
func TestFindingsMerge(t *testing.T) {
	rng := newRand(t)
	show := func(s *Set) string {
		list := s.Findings(s.Tables(), AuditOptions{JSONEvery: 8, Sample: 8, Model: *testConfig(), Line: "redis-7.2", MinShare: 1e-9})
		var b strings.Builder
		for i := range list {
			fmt.Fprintf(&b, "%+v\n", list[i])
		}
		return b.String()
	}
	kinds := map[string]bool{}
	for range 20 {
		o := &Options{Now: now}
		var records []*estimate.Record
		for i := range 4000 { // enough of one pattern for the findings that want many
			r := &estimate.Record{Key: fmt.Appendf(nil, "a:longer:prefix:of:keys%d:%d", i%2, 10*i), Type: estimate.String, Encoding: estimate.Embstr, Alloc: 112,
				Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1, Elems: 1}
			if i%2 == 0 {
				r.Type, r.Encoding, r.Elems = estimate.Hash, estimate.Listpack, 8
			}
			randomSample(rng, r)
			if i%2 == 0 {
				r.Audit.FieldMask &= 0xffff
			}
			records = append(records, r)
		}
		records = append(records, randomRecords(rng, 2000)...)
		want := show(newSet(t, o, records...))
		for _, l := range strings.Split(want, "\n") {
			kind, _, _ := strings.Cut(l, " ")
			kinds[kind] = true
		}
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		a, b := newSet(t, o), newSet(t, o)
		for _, r := range records {
			[]*Set{a, b}[rng.IntN(2)].Add(r)
		}
		if err := a.Merge(b); err != nil {
			t.Fatal(err)
		}
		if got := show(a); got != want {
			t.Fatalf("merging changed the findings:\n%s", firstDiff(want, got))
		}
	}
	for _, k := range []string{"json-strings", "json-fields", "long-field-names", "long-key-names", "tiny-strings"} {
		if !kinds["{Kind:"+k] {
			t.Errorf("%s was never found: the law was not tried on it", k)
		}
	}
}

// TestNamesFull holds that beyond the cap on rows totals still agree, and that
// patterns that hold much keep their row.
func TestNamesFull(t *testing.T) {
	rng := newRand(t)
	a, b := NewNames(&Options{}), NewNames(&Options{})
	var keys, bytes, names int64
	for i := range 60_000 {
		key := fmt.Appendf(nil, "only:once:%c%c%c%c:x", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, 'a'+i/17576%26)
		if rng.IntN(20) == 0 {
			key = fmt.Appendf(nil, "often:%d", i)
		}
		r := &estimate.Record{Key: key, Type: estimate.String, Alloc: 16 * (1 + rng.Int64N(9)), Expiry: estimate.NoExpiry, Audit: &estimate.Audit{Config: testConfig()}}
		keys, bytes, names = keys+1, bytes+r.Alloc, names+int64(len(key))
		[]*Names{a, b}[rng.IntN(2)].Add(r)
	}
	if len(a.rows) > maxNamesRows || len(b.rows) > maxNamesRows {
		t.Fatalf("%d and %d rows", len(a.rows), len(b.rows))
	}
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if len(a.rows) > maxNamesRows {
		t.Fatalf("%d rows once merged", len(a.rows))
	}
	got, often := a.other, int64(0)
	a.each(func(pattern string, r *namesRow) {
		got.keys, got.bytes, got.names = got.keys+r.keys, got.bytes+r.bytes, got.names+r.names
		if pattern == "often:{num}" {
			often = r.keys
		}
	})
	if got.keys != keys || got.bytes != bytes || got.names != names {
		t.Errorf("%d keys, %d bytes, %d of names; counted %d, %d, %d", got.keys, got.bytes, got.names, keys, bytes, names)
	}
	if often < 2000 {
		t.Errorf("a pattern of 3000 keys has %d of them in its row", often)
	}
}

// TestSampling holds the error that is stated against what samples do: the
// true sum is within it 19 times of 20, also where those that come later are
// chosen more rarely and are others than those before.
func TestSampling(t *testing.T) {
	for _, thins := range []uint8{0, 2, 4} {
		testSampling(t, thins)
	}
}

func testSampling(t *testing.T, thins uint8) {
	rng := newRand(t)
	within, tries := 0, 0
	for range 40 {
		// Savings of a population: some are zero, the rest in steps as size classes are.
		of := (500 + rng.IntN(4000)) << thins
		all := make([]int64, of)
		var true64 int64
		share := 0.2 + 0.8*rng.Float64()
		for i := range all {
			if rng.Float64() < share*(1-0.2*float64(i)/float64(of)) {
				all[i] = 16 * (rng.Int64N(8) - 1)
			}
			true64 += all[i]
		}
		for range 100 {
			var s spread
			var l looks
			n := int64(0)
			for i, v := range all {
				times := int64(1) << (i * int(thins+1) / of)
				if rng.Int64N(8*times) == 0 {
					n += times
					l.add(times)
					if v != 0 {
						s.addTimes(v, times)
					}
				}
			}
			sample := sampling{l, n, int64(of), false}
			tries++
			got := float64(sample.all(s.sum))
			if math.Abs(got-float64(true64)) <= sample.off(&s)*math.Abs(got) {
				within++
			}
		}
	}
	// 5 standard deviations around 95 %, and the little that a normal
	// distribution is off for samples of some 60.
	if share := float64(within) / float64(tries); share < 0.93 || share > 0.97 {
		t.Errorf("the true sum was within the stated error in %.1f %% of %d samples that thin %d times", 100*share, tries, thins)
	}
}

// TestThinnedIsRepeated: a key that stands for several counts as if it had come
// so often, but for how many were looked at.
func TestThinnedIsRepeated(t *testing.T) {
	rng := newRand(t)
	thinned, repeated := newSet(t, &Options{Now: now}), newSet(t, &Options{Now: now})
	for _, r := range randomRecords(rng, 3000) {
		if r.Audit == nil || r.Audit.Config == nil {
			continue
		}
		x := *r.Audit
		x.Packed, x.Squeezed, x.Pieces, x.Unpacked, x.Stream = 0, 0, 0, 0, nil // of every key
		one := *r
		one.Audit = &x
		for range 1 << (len(r.Key) % 4) {
			repeated.Add(&one)
		}
		x.Thins, x.JSONThins = uint8(len(r.Key)%4), uint8(len(r.Key)%4)
		thinned.Add(&one)
	}
	looked := map[*Set]int64{}
	for _, s := range []*Set{thinned, repeated} {
		s.sample.each(func(_ string, r *namesRow) {
			looked[s] += r.looks.seen
			r.looks = looks{}
		})
		s.audit.each(func(_ string, r *auditRow) {
			r.looks, r.marks = looks{}, nil
			if r.inner != nil {
				r.inner.looks = looks{}
			}
		})
	}
	for _, names := range [][2]string{{"names", ""}, {"audit", ""}} {
		var text [2]string
		for i, s := range []*Set{thinned, repeated} {
			c := &coder{version: thinVersion - 1, sources: 2}
			if names[0] == "names" {
				s.sample.code(c)
			} else {
				s.audit.code(c)
			}
			text[i] = string(c.b)
		}
		if text[0] != text[1] {
			t.Errorf("%s differ", names[0])
		}
	}
	if looked[thinned] == 0 || looked[thinned] >= looked[repeated] {
		t.Errorf("%d and %d keys were looked at", looked[thinned], looked[repeated])
	}
}

// TestSpread holds that sums of squares do not overflow and merge.
func TestSpread(t *testing.T) {
	var a, b, both spread
	for _, v := range []int64{math.MaxInt64, math.MinInt64 + 1, 3, -4} {
		a.add(v)
		both.add(v)
	}
	for range 1000 {
		b.add(-1 << 40)
		both.add(-1 << 40)
	}
	a.merge(&b)
	if a != both {
		t.Errorf("%+v, merged %+v", both, a)
	}
	hi, lo := bits.Mul64(math.MaxInt64, math.MaxInt64)
	want := spread{}
	want.plus(hi, lo)
	want.plus(hi, lo)
	want.plus(0, 25)
	for range 1000 {
		want.plus(1<<16, 0)
	}
	if a.hi != want.hi || a.lo != want.lo {
		t.Errorf("squares %x %x, want %x %x", a.hi, a.lo, want.hi, want.lo)
	}
	if v := (sampling{n: 3, of: 10}).all(30); v != 100 {
		t.Errorf("30 of 3 of 10 is %d", v)
	}
	if v := (sampling{n: 1, of: math.MaxInt64}).all(math.MaxInt64); v != math.MaxInt64 {
		t.Errorf("overflow gives %d", v)
	}
}

// TestShape reads what patterns say of names: the literal bytes at both ends of
// the one part that varies are those of the keys.
func TestShape(t *testing.T) {
	for _, c := range []struct {
		key, before, id, after string
		user                   []string
	}{
		{"user:42", "user:", "42", "", nil},
		{"user:42:cart:x", "user:", "42", ":cart:x", nil},
		{"42:cart", "", "42", ":cart", nil},
		{"a::42", "a::", "42", "", nil},
		{"{42}:cart", "", "{42}", ":cart", nil},
		{"tenant.42", "tenant.", "42", "", []string{"tenant.<id>"}},
		{"u-42:name", "u-", "", "", nil}, // a literal: no identifier by its form
	} {
		o := &Options{Patterns: c.user, Separators: []string{":", "."}}
		p, err := NewPatterner(o)
		if err != nil {
			t.Fatal(err)
		}
		marked, _ := p.walk(nil, []byte(c.key), true)
		s := p.shapeOf(marked)
		if c.id == "" {
			if s.single || s.before != 0 {
				t.Errorf("%s: %+v", c.key, s)
			}
			continue
		}
		if got := (shape{int64(len(c.before)), int64(len(c.after)), true}); s != got {
			t.Errorf("%s: %+v, want %+v", c.key, s, got)
		}
	}
	for _, key := range []string{"a:42:43", "a:b\xff:42", "a:x{42}:c:43", "1:2:3:4:5:6:7:8"} {
		p, _ := NewPatterner(&Options{})
		marked, _ := p.walk(nil, []byte(key), true)
		if s := p.shapeOf(marked); s.single && s.before+s.after >= int64(len(key)) {
			t.Errorf("%s: %+v", key, s)
		}
	}
	// Names of any bytes: what varies lies between the two ends.
	rng := newRand(t)
	for _, o := range testOptions() {
		p, _ := NewPatterner(o)
		for _, r := range randomRecords(rng, 2000) {
			marked, _ := p.walk(nil, r.Key, true)
			if s := p.shapeOf(marked); s.single && s.before+s.after > int64(len(r.Key)) || s.before > int64(len(r.Key)) {
				t.Fatalf("%q: %+v", r.Key, s)
			}
		}
	}
}
