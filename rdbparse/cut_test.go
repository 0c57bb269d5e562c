package rdbparse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"rdbaudit/fixtures"
)

// wholeAt is the number of bytes from which on a dump is whole.
func wholeAt(t *testing.T, data []byte) int {
	t.Helper()
	res := readAll(bytes.NewReader(data), skipping)
	if res.err != io.EOF {
		t.Fatal(res.err)
	}
	return int(res.end)
}

// checkCut holds what ended the reading of data[:cut] to what must end it.
func checkCut(t *testing.T, cut int, err error) {
	t.Helper()
	what := fmt.Sprintf("cut at %d", cut)
	if err == io.EOF {
		t.Fatalf("%s: a good end", what)
	}
	if e := checkError(t, what, err, cut); e.Err != ErrTruncated || e.Offset != int64(cut) {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestCutAsm cuts every dump written by hand at every byte.
func TestCutAsm(t *testing.T) {
	for _, f := range fixtures.AsmAll(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			whole := wholeAt(t, f.Data)
			for cut := 0; cut < whole; cut += thin {
				for d := range full {
					r, err := openBytes(f.Data[:cut:cut])
					if err == nil {
						res := drain(r, d)
						err = res.err
						for _, soft := range res.soft {
							t.Fatalf("cut at %d: %v", cut, soft)
						}
					}
					checkCut(t, cut, err)
				}
				if cut%8 == 0 { // through the buffers as well
					checkCut(t, cut, readAll(bytes.NewReader(f.Data[:cut]), parts).err)
					checkCut(t, cut, readAhead(f.Data[:cut], parts).err)
				}
			}
			for cut := whole; cut <= len(f.Data); cut++ {
				if err := readAll(bytes.NewReader(f.Data[:cut]), parts).err; err != io.EOF {
					t.Fatalf("cut at %d, after the end: %v", cut, err)
				}
			}
		})
	}
}

// readAhead is readAll with the input on a goroutine of its own.
func readAhead(data []byte, d depth) result {
	a := ReadAhead(bytes.NewReader(data), false)
	defer a.Close()
	return readAll(a, d)
}

// TestCut cuts the dumps of real servers round every record, round some parts
// of each value, and in 2,000 places of no meaning. Most cuts are read from the
// key before them on, by a Reader that is a copy of one that came so far.
func TestCut(t *testing.T) {
	for _, f := range someServers(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			data, whole := f.Data, wholeAt(t, f.Data)
			if len(data) <= 64<<10 {
				t.Fatal("a small one: cut it at every byte")
			}
			cuts := cutsOf(t, data, whole)
			r, err := openBytes(data)
			if err != nil {
				t.Fatal(err)
			}
			r.SkipChecksum = true
			forks := 0
			for done := false; !done; {
				// Between two keys: what is cut before the next one ends is read from here.
				fork := *r
				_, err := r.Next()
				for err == nil {
					_, err = r.Part()
				}
				if done = r.typ == nil && r.err != nil; done && r.err != io.EOF {
					t.Fatal(r.err)
				}
				upto := int(r.Offset())
				if done {
					upto = whole
				}
				n, _ := slices.BinarySearch(cuts, upto)
				for i, cut := range cuts[:n] {
					if cut < int(fork.Offset()) {
						checkCut(t, cut, readAll(bytes.NewReader(data[:cut]), skipping).err)
						continue
					}
					g := fork
					g.templates = fork.templates.copy()
					g.src = inMemory(data[:cut:cut], int(fork.Offset()))
					d := skipping
					if i%32 == 0 {
						d = deep
					}
					checkCut(t, cut, drain(&g, d).err)
					forks++
				}
				cuts = cuts[n:]
			}
			if len(cuts) > 0 {
				t.Fatalf("%d cuts left, from %d on", len(cuts), cuts[0])
			}
			if forks < 3000/thin {
				t.Errorf("only %d cuts", forks)
			}
			// Some from the start, through the buffers.
			rng := seeded(uint64(len(data)))
			for i := range 24 {
				cut := rng.IntN(whole)
				if i < 4 {
					cut = whole - 1 - i*4
				}
				if i%2 == 0 {
					checkCut(t, cut, readAll(bytes.NewReader(data[:cut]), skipping).err)
				} else {
					checkCut(t, cut, readAhead(data[:cut], skipping).err)
				}
			}
		})
	}
}

// cutsOf picks where to cut: ascending, each place once.
func cutsOf(t *testing.T, data []byte, whole int) []int {
	r, err := openBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	r.SkipChecksum = true
	var cuts []int
	round := func(at int64, reach int) {
		for cut := int(at) - reach; cut <= int(at)+reach; cut++ {
			if cut >= 0 && cut < whole {
				cuts = append(cuts, cut)
			}
		}
	}
	inValue := 0
	r.Wire = func(at int64, what, _ string) {
		if slices.Contains(partNames[:], what) {
			if inValue++; inValue < 8 {
				round(at, 2)
			}
			return
		}
		inValue = 0
		round(at, 16)
	}
	for err == nil {
		_, err = r.Next()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	rng := seeded(uint64(len(data)), 1)
	for range 2000 {
		cuts = append(cuts, rng.IntN(whole))
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	n := 0
	for i := 0; i < len(cuts); i += thin {
		cuts[n] = cuts[i]
		n++
	}
	return cuts[:n]
}

// TestCutMagic: what is no dump at all is told from what is the start of one.
func TestCutMagic(t *testing.T) {
	for _, magic := range []string{"REDIS0011", "VALKEY080"} {
		for cut := range len(magic) {
			_, err := NewReader(strings.NewReader(magic[:cut]))
			if e := checkError(t, magic[:cut], err, cut); e.Err != ErrTruncated {
				t.Errorf("%q: %v", magic[:cut], err)
			}
		}
	}
	for text, want := range map[string]error{
		"X": ErrMagic, "REDIX": ErrMagic, "REDIS00x1": ErrMagic, "REDIS 11\n": ErrMagic, "VALKEYx80": ErrMagic, "redis0011": ErrMagic,
		"REDIS0000": ErrVersion, "VALKEY079": ErrVersion, "VALKEY000": ErrVersion, "REDIS0x": ErrTruncated, "\x1f\x8b": ErrMagic,
		"VALKEX080": ErrMagic, "REDIS-011": ErrMagic,
	} {
		_, err := NewReader(strings.NewReader(text))
		if e := checkError(t, text, err, len(text)); !errors.Is(e, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{"REDIS0001\xff", "REDIS9999\xff12345678", "VALKEY999\xff12345678"} {
		if _, err := NewReader(strings.NewReader(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
