package aggregate

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// part writes a set and reads it again.
func part(t testing.TB, s *Set) *Set {
	t.Helper()
	b := s.AppendPart([]byte("before"), 2)[len("before"):]
	back, err := ReadPart(b, PartVersion, 0, 2, s.o.TableMemory)
	if err != nil {
		t.Fatal(err)
	}
	if again := back.AppendPart(nil, 2); !bytes.Equal(again, b) {
		at := 0
		for at < min(len(again), len(b)) && again[at] == b[at] {
			at++
		}
		t.Fatalf("written again it differs from byte %d on, of %d and %d", at, len(b), len(again))
	}
	return back
}

// TestPartLaw: parts of any split, merged in any order and by any detour, are
// one pass over all, in what they show and in what they write.
func TestPartLaw(t *testing.T) {
	rng := newRand(t)
	for _, o := range testOptions() {
		records := randomRecords(rng, 3000)
		whole := newSet(t, o, records...)
		var parts []*Set
		for len(records) > 0 {
			n := 1 + rng.IntN(len(records))
			parts = append(parts, part(t, newSet(t, o, records[:n]...)))
			records = records[n:]
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for len(parts) > 1 {
			i := rng.IntN(len(parts) - 1)
			if err := parts[i].Merge(parts[i+1]); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(2) == 0 {
				parts[i] = part(t, parts[i])
			}
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		a, b := whole.AppendPart(nil, 2), parts[0].AppendPart(nil, 2)
		if !bytes.Equal(a, b) {
			t.Errorf("options %+v: parts merged are %d bytes that differ from the %d of one pass", o, len(b), len(a))
		}
		if got, want := render(parts[0]), render(whole); got != want {
			t.Fatalf("options %+v:\n%s", o, firstDiff(got, want))
		}
	}
}

// TestPartSources: dumps of a part are numbered from its base on.
func TestPartSources(t *testing.T) {
	rng := newRand(t)
	records := randomRecords(rng, 500)
	o := &Options{Now: now, Eviction: true}
	first := newSet(t, o, records...)
	b := first.AppendPart(nil, 2)
	for _, r := range records {
		r.Source += 5
	}
	moved, err := ReadPart(b, PartVersion, 5, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := render(moved), render(newSet(t, o, records...)); got != want {
		t.Error(firstDiff(got, want))
	}
	if _, err := ReadPart(b, PartVersion, 0, 1, 0); !errors.Is(err, ErrPart) {
		t.Errorf("a part of two dumps that says it is of one: %v", err)
	}
}

// TestPartMemory: a table that is larger than what there is room for folds as
// it is read, and no sum is lost.
func TestPartMemory(t *testing.T) {
	rng := newRand(t)
	records := randomRecords(rng, 30000)
	s := newSet(t, &Options{Now: now}, records...)
	b := s.AppendPart(nil, 2)
	small, err := ReadPart(b, PartVersion, 0, 2, minTableMemory)
	if err != nil {
		t.Fatal(err)
	}
	if n := small.patterns.t.memory(); n > minTableMemory {
		t.Errorf("%d bytes of table", n)
	}
	checkSums(t, small)
	if small.totals.Bytes != s.totals.Bytes || small.totals.Keys != 30000 {
		t.Errorf("%d keys, %d bytes, not %d", small.totals.Keys, small.totals.Bytes, s.totals.Bytes)
	}
}

// FuzzPart: whatever a part says, it is refused or it can be shown and merged.
// edits are triples of a place, in two bytes, and what is written there: bytes
// made up as a whole would be refused at the first.
func FuzzPart(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	var parts [][]byte
	for _, o := range testOptions() {
		parts = append(parts, newSet(f, o, randomRecords(rng, 30)...).AppendPart(nil, 2))
	}
	f.Add(uint8(0), []byte{0, 200, 255, 1, 0, 0})
	f.Add(uint8(1), []byte{4, 1, 128})
	f.Add(uint8(2), []byte("0123456789ab"))
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		b := bytes.Clone(parts[int(which)%len(parts)])
		for ; len(edits) >= 3; edits = edits[3:] {
			b[(int(edits[0])<<8|int(edits[1]))%len(b)] = edits[2]
		}
		s, err := ReadPart(b, PartVersion, 0, 2, minTableMemory)
		if err != nil {
			if !errors.Is(err, ErrPart) {
				t.Fatal(err)
			}
			return
		}
		again, err := ReadPart(s.AppendPart(nil, 2), PartVersion, 0, 2, minTableMemory)
		if err != nil {
			t.Fatalf("what was read and written is not read again: %v", err)
		}
		if err := s.Merge(again); err != nil {
			t.Fatal(err)
		}
		tables := s.Tables()
		s.Findings(tables, AuditOptions{})
		s.Eviction(tables, EvictionOptions{Need: []int64{1 << 20}, Policy: "allkeys-lru"})
	})
}
