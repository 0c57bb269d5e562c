package aggregate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rdbaudit/estimate"
)

// auditSums adds up the audit's table by kind and type.
func auditSums(t *testing.T, s *Set) (sums map[string][3]int64, patterns map[string]bool) {
	sums, patterns = make(map[string][3]int64), make(map[string]bool)
	for _, table := range s.audit.Tables(nil) {
		for _, r := range table.Rows {
			sum := sums[r[1].S+" "+r[2].S]
			for i, c := range []int{3, 4, 5} {
				sum[i] += r[c].I
			}
			sums[r[1].S+" "+r[2].S] = sum
			patterns[r[0].S] = true
		}
	}
	return sums, patterns
}

// TestAuditFull: among any number of patterns of which nothing is found, or
// little, those of which much is have their rows whenever they come, and
// nothing is missing from the sums.
func TestAuditFull(t *testing.T) {
	rng := newRand(t)
	o := &Options{Now: now}
	parts := []*Set{newSet(t, o), newSet(t, o), newSet(t, o)}
	want := make(map[string][3]int64)
	count := func(kind string, r *estimate.Record, after int64) {
		sum := want[kind]
		want[kind] = [3]int64{sum[0] + 1, sum[1] + r.Alloc, sum[2] + after}
	}
	big := make(map[string]bool)
	const n = 8 * maxAuditRows
	for i := range n {
		r := cappedRecord(word(rng)+":"+word(rng)+":"+word(rng), 64)
		r.Audit = &estimate.Audit{JSON: estimate.JSONNone}
		switch {
		case i%400 == 399: // one large key
			name := "large" + word(rng)
			r.Key, r.Alloc, r.Type, r.Encoding = []byte(name), 1<<20, estimate.Hash, estimate.Hashtable
			r.Audit = &estimate.Audit{Packed: 1 << 19, Over: estimate.OverEntries}
			count("packed hash", r, 1<<19)
			big[name] = true
		case i%400 == 200 && i > n/2: // some small ones of one pattern, which come late
			name := fmt.Sprintf("many:%d", i)
			for range 40 {
				r := cappedRecord(name, 4096)
				r.Type, r.Encoding = estimate.Set, estimate.Hashtable
				r.Audit = &estimate.Audit{Packed: 1024, Over: estimate.OverValue}
				count("packed set", r, 1024)
				parts[rng.IntN(len(parts))].Add(r)
			}
			big["many:{num}"] = true
			continue
		case i%2 == 1: // and one of little weight
			r.Type, r.Encoding = estimate.ZSet, estimate.Skiplist
			r.Audit = &estimate.Audit{Packed: 32, Over: estimate.OverValue}
			count("packed zset", r, 32)
		}
		parts[rng.IntN(len(parts))].Add(r)
	}
	check := func(s *Set) {
		t.Helper()
		if len(s.audit.rows) > maxAuditRows {
			t.Errorf("%d rows", len(s.audit.rows))
		}
		for _, row := range s.audit.rows {
			if s.audit.rows[row.pattern] != row {
				t.Fatalf("%q is a row of another name", row.pattern)
			}
		}
	}
	for _, s := range parts {
		check(s)
	}
	for _, s := range parts[1:] {
		if err := parts[0].Merge(s); err != nil {
			t.Fatal(err)
		}
	}
	check(parts[0])
	sums, patterns := auditSums(t, parts[0])
	for kind, sum := range want {
		if sums[kind] != sum {
			t.Errorf("%s: %v, not %v", kind, sums[kind], sum)
		}
	}
	if len(sums) != len(want) {
		t.Errorf("%d sums, not %d", len(sums), len(want))
	}
	for name := range big {
		if !patterns[name] {
			t.Errorf("%s has no row", name)
		}
	}
	if !patterns["*"] {
		t.Error("nothing was counted together: the test shows nothing")
	}
}

// TestAuditGate: keys of which as much is found as of those that were dropped
// come in only when their pattern is seen again, whatever the values alone
// take; and merging keeps no rows that nobody uses.
func TestAuditGate(t *testing.T) {
	rng := newRand(t)
	squeezed := func() *estimate.Record {
		r := cappedRecord(word(rng)+":"+word(rng)+":"+word(rng), 4096)
		r.Largest, r.Audit = 64, &estimate.Audit{Squeezed: 32}
		return r
	}
	s := newSet(t, &Options{Now: now})
	for range maxAuditRows + 1 {
		s.Add(squeezed())
	}
	rows := len(s.audit.rows)
	for range 1000 {
		s.Add(squeezed())
	}
	if n := len(s.audit.rows) - rows; n > 10 {
		t.Errorf("%d of 1000 patterns that come once got a row", n)
	}
	if s.AuditPartial() == "" {
		t.Error("nothing says that the rows are not whole")
	}
	for range 6 {
		o := newSet(t, &Options{Now: now})
		for range 4000 {
			o.Add(squeezed())
		}
		if err := s.Merge(o); err != nil {
			t.Fatal(err)
		}
		if len(s.audit.free) > maxAuditRows || len(s.audit.rows) > maxAuditRows {
			t.Fatalf("%d rows, %d free", len(s.audit.rows), len(s.audit.free))
		}
	}
}

// TestAuditLate: what is found of patterns that got their rows after others had
// lost theirs is said to be a least, also after merging and in parts; what is
// found of others is not.
func TestAuditLate(t *testing.T) {
	rng := newRand(t)
	o := &Options{Now: now}
	add := func(s *Set, name string) {
		for i := range 100 {
			r := cappedRecord(fmt.Sprintf("%s:%d", name, i), 1<<20)
			r.Type, r.Encoding = estimate.Hash, estimate.Hashtable
			r.Audit = &estimate.Audit{Packed: 1 << 19, Over: estimate.OverEntries}
			s.Add(r)
		}
	}
	fill := func(s *Set) {
		for range maxAuditRows + 1 {
			r := cappedRecord(word(rng)+":"+word(rng)+":"+word(rng), 64)
			r.Largest, r.Audit = 64, &estimate.Audit{Squeezed: 32}
			s.Add(r)
		}
	}
	check := func(s *Set, want map[string]bool) {
		t.Helper()
		b := s.AppendPart(nil, 1)
		back, err := ReadPart(b, PartVersion, 0, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Set{s, back} {
			found := 0
			for _, f := range s.Findings(s.Tables(), AuditOptions{Line: "redis-7.0"}) {
				if late, ok := want[f.Pattern]; ok && f.Kind == "compact-encoding-lost" {
					found++
					if strings.HasPrefix(f.Sure, "at least") != late || f.Keys%100 != 0 {
						t.Errorf("%s: %d keys, %s", f.Pattern, f.Keys, f.Sure)
					}
				}
			}
			if found != len(want) {
				t.Errorf("%d of %d findings", found, len(want))
			}
		}
	}
	full := func() *Set {
		s := newSet(t, o)
		add(s, "early")
		fill(s)
		add(s, "late")
		return s
	}
	s := newSet(t, o)
	add(s, "early")
	check(s, map[string]bool{"early:{num}": false})
	check(full(), map[string]bool{"early:{num}": false, "late:{num}": true})

	s = full()
	fill(s) // drops rows that came late
	if s.audit.other.late || s.audit.other.keys() == 0 {
		t.Error("what has no row of its own is not whole")
	}
	old := func(s *Set) *Set { // as a part that does not say which rows are whole
		back, err := ReadPart(s.appendPart(nil, lateVersion-1, 1), lateVersion-1, 0, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	check(old(full()), map[string]bool{"early:{num}": true, "late:{num}": true})
	s = newSet(t, o)
	add(s, "early")
	check(old(s), map[string]bool{"early:{num}": false})

	other := func() *Set {
		s := newSet(t, o)
		add(s, "other")
		add(s, "late") // all of its own
		return s
	}
	want := map[string]bool{"early:{num}": false, "late:{num}": true, "other:{num}": true, "after:{num}": true}
	for _, pair := range [][2]*Set{{full(), other()}, {other(), full()}} {
		if err := pair[0].Merge(pair[1]); err != nil {
			t.Fatal(err)
		}
		add(pair[0], "after")
		check(pair[0], want)
	}
}

// TestAuditJSONSample: rows that are whole stand for all keys of their pattern,
// others for as many as they have seen.
func TestAuditJSONSample(t *testing.T) {
	a := &auditor{o: AuditOptions{JSONEvery: 8, Sample: 8}, set: newSet(t, &Options{Now: now}), keys: map[string]int64{"p:{num}": 800, "*": 90}}
	l := looks{40, 80} // some stand for several
	for _, c := range []struct {
		pattern string
		row     *auditRow
		want    sampling
	}{
		{"p:{num}", &auditRow{}, sampling{l, 50, 800, false}},
		{"p:{num}", &auditRow{late: true}, sampling{l, 50, 400, true}},
		{"*", &auditRow{}, sampling{l, 50, 90, false}}, // the pattern of that name
		{"*", &a.set.audit.other, sampling{l, 50, 400, true}},
		{"folded:{num}", &auditRow{}, sampling{l, 50, 400, true}},
	} {
		if got := a.jsonSampling(c.pattern, c.row, l, 50); got != c.want {
			t.Errorf("%s: %v, not %v", c.pattern, got, c.want)
		}
	}
}

// TestPatternTwice: a part that has a pattern twice is refused.
func TestPatternTwice(t *testing.T) {
	for _, x := range []*estimate.Audit{{Packed: 32}, {Config: testConfig()}} {
		s := newSet(t, &Options{Now: now})
		for _, name := range []string{"aaaa", "bbbb"} {
			r := cappedRecord(name, 64)
			r.Audit = x
			s.Add(r)
		}
		b := s.AppendPart(nil, 1)
		if _, err := ReadPart(b, PartVersion, 0, 1, 0); err != nil {
			t.Fatal(err)
		}
		refused := 0
		for at := range b {
			if twice := slices.Clone(b); bytes.HasPrefix(b[at:], []byte("bbbb")) {
				copy(twice[at:], "aaaa")
				if _, err := ReadPart(twice, PartVersion, 0, 1, 0); errors.Is(err, ErrPart) {
					refused++
				}
			}
		}
		if refused < 2 { // of the table of patterns, and of another
			t.Errorf("%d refused", refused)
		}
	}
}
