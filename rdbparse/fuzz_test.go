package rdbparse

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"rdbaudit/fixtures"
)

// FuzzReader reads any bytes as a dump. It may not panic; errors name a place
// inside; what can be read as a whole can be skipped, with the same keys and
// the same end; how the input arrives makes no difference; and what all that
// allocates is bounded by what arrives.
func FuzzReader(f *testing.F) {
	for _, a := range fixtures.AsmAll(f) {
		f.Add(a.Data)
	}
	for _, b := range loadBroken(f) {
		f.Add(b.data)
	}
	for _, s := range fixtures.All(f) {
		for _, slice := range slicesOf(f, s.Data) {
			f.Add(slice)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 || len(data) < 9 {
			return
		}
		if string(data[:5]) != "REDIS" && string(data[:6]) != "VALKEY" { // there is more to find behind it
			data = bytes.Clone(data)
			copy(data, [...]string{"REDIS0015", "VALKEY080"}[data[0]&1])
		}
		r, err := openBytes(data)
		if err != nil {
			checkError(t, "magic", err, len(data))
			return
		}
		_, total := mallocs(func() { _, err = consume(r, deep) })
		if most := uint64(1<<20 + 1000*len(data)); total > most {
			t.Errorf("%d bytes allocated for %d", total, len(data))
		}
		var want result
		for d := range full {
			r, err := openBytes(data)
			if err != nil {
				t.Fatal(err)
			}
			res := drain(r, d)
			if res.end < 0 || res.end > int64(len(data)) {
				t.Fatalf("%s: ends at %d of %d", d, res.end, len(data))
			}
			if res.err != io.EOF {
				checkError(t, d.String(), res.err, len(data))
				checkErrorKey(t, d.String(), res)
			}
			for _, soft := range res.soft {
				var e *Error
				if errors.As(soft, &e) {
					checkError(t, d.String(), soft, len(data))
				}
			}
			if d == skipping {
				want = res
			} else if d > skipping {
				sameResult(t, d.String(), res, want)
			}
			size := 1 + len(data)/7
			if r, err = openFeeder(&drip{data: data, next: inStretches(size)}); err != nil {
				t.Fatal(err)
			}
			got := drain(r, d)
			got.info.Computed, got.info.Checksum = res.info.Computed, res.info.Checksum // not computed in memory
			if errors.Is(got.err, ErrChecksum) && res.err == io.EOF {
				got.err = io.EOF
			}
			sameResult(t, d.String()+" in stretches", got, res)
		}
		checkOnBad(t, data, want)
	})
}

// checkOnBad: told of bad values, a Reader goes at least as far as without, to
// the same end if there are none, and stands whatever is asked of such values.
func checkOnBad(t *testing.T, data []byte, without result) {
	t.Helper()
	var first result
	for d := range 4 {
		r, err := openBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		bad, keys := 0, 0
		r.OnBad = func(err error) {
			bad++
			checkError(t, "OnBad", err, len(data))
		}
		for err == nil {
			if _, err = r.Next(); err != nil {
				break
			}
			keys++
			for err == nil && d > 0 {
				var p *Part
				if p, err = r.Part(); err != nil {
					break
				}
				if d > 1 {
					r.Bytes()
				}
				for d > 2 && p.Format != Plain {
					if _, err := r.Entry(); err != nil {
						break
					}
				}
			}
			if err == io.EOF {
				err = nil
			}
		}
		if r.Offset() > int64(len(data)) || r.Offset() < without.end || keys < len(without.keys) || bad == 0 && (r.Offset() != without.end || keys != len(without.keys)) {
			t.Fatalf("%d: %d bad values, %d keys and %d bytes; without OnBad %d and %d", d, bad, keys, r.Offset(), len(without.keys), without.end)
		}
		if d == 0 {
			first = result{end: r.Offset(), keys: make([]seen, keys)}
		} else if r.Offset() != first.end || keys != len(first.keys) {
			t.Fatalf("%d: %d keys and %d bytes; skipped: %d and %d", d, keys, r.Offset(), len(first.keys), first.end)
		}
	}
}

// slicesOf are some whole dumps of a few keys each, out of a large one: one of
// each type, the smallest.
func slicesOf(tb testing.TB, data []byte) [][]byte {
	r, err := openBytes(data)
	if err != nil {
		tb.Fatal(err)
	}
	r.SkipChecksum = true
	head := r.Offset()
	small := map[byte][]byte{}
	for {
		k, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		at, code := k.Offset, k.Type.Code
		for err == nil {
			_, err = r.Part()
		}
		if rec := data[at:r.Offset()]; small[code] == nil || len(rec) < len(small[code]) && len(rec) > 40 {
			small[code] = rec
		}
	}
	var all [][]byte
	for _, rec := range small {
		if len(rec) < 2000 {
			all = append(all, appendCRC(append(append(bytes.Clone(data[:head]), rec...), opEOF)))
		}
	}
	return all
}
