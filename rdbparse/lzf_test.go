package rdbparse

import (
	"bytes"
	"io"
	"testing"

	"rdbaudit/fixtures/wire"
)

// compressLZF compresses as servers do, more or less: a copy wherever the same
// three bytes stood within reach.
func compressLZF(src []byte) []byte {
	var out []byte
	last := map[[3]byte]int{}
	from := 0
	literals := func(to int) {
		for from < to {
			n := min(to-from, 32)
			out = append(append(out, byte(n-1)), src[from:from+n]...)
			from += n
		}
	}
	for i := 0; i < len(src); {
		n, back := 0, 0
		if i+3 <= len(src) {
			three := [3]byte(src[i:])
			if at, ok := last[three]; ok && i-at <= lzfWindow {
				back = i - at - 1
				for n < 264 && i+n < len(src) && src[at+n] == src[i+n] {
					n++
				}
			}
			last[three] = i
		}
		if n < 3 {
			i++
			continue
		}
		literals(i)
		if n-2 < 7 {
			out = append(out, byte((n-2)<<5|back>>8), byte(back))
		} else {
			out = append(out, byte(7<<5|back>>8), byte(n-2-7), byte(back))
		}
		i += n
		from = i
	}
	literals(len(src))
	return out
}

// naiveLZF is LZF as its page in the format's description puts it, a byte at a
// time. It says false of what does not expand to just n bytes.
func naiveLZF(src []byte, n int) (out []byte, ok bool) {
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 32 {
			for range c + 1 {
				if i == len(src) {
					return nil, false
				}
				out = append(out, src[i])
				i++
			}
		} else {
			length := c >> 5
			if length == 7 {
				if i == len(src) {
					return nil, false
				}
				length += int(src[i])
				i++
			}
			if i == len(src) {
				return nil, false
			}
			back := (c&31)<<8 | int(src[i])
			i++
			for range length + 2 {
				at := len(out) - back - 1
				if at < 0 {
					return nil, false
				}
				out = append(out, out[at])
			}
		}
		if len(out) > n {
			return nil, false
		}
	}
	return out, len(out) == n
}

// texts are of all kinds that matter to LZF: short, random, of few letters,
// with repeats from near and far.
func texts(yield func([]byte) bool) {
	rng := seeded(7)
	for n := range 40 {
		if !yield(bytes.Repeat([]byte("x"), n+1)) {
			return
		}
	}
	for _, n := range []int{1, 2, 3, 31, 32, 33, 263, 264, 265, 8191, 8192, 8193, 20_000, 70_000} {
		for _, letters := range []int{1, 2, 5, 256} {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.IntN(letters))
				if back := 1 + rng.IntN(9000); i%50 > 10 && back <= i {
					b[i] = b[i-back]
				}
			}
			for i := 1000; i+500 < len(b); i += 997 { // what can be copied
				copy(b[i:i+500], b[i-1-rng.IntN(min(i, 8192)):])
			}
			if !yield(b) {
				return
			}
		}
	}
}

func TestLZF(t *testing.T) {
	for plain := range texts {
		packed := compressLZF(plain)
		if got, ok := naiveLZF(packed, len(plain)); !ok || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: the test's own compressor and decoder disagree", len(plain))
		}
		if len(plain) > maxLZFRatio*len(packed) {
			t.Errorf("%d bytes give %d: more than can be", len(packed), len(plain))
		}
		got, rest, ok := expandLZF(nil, packed, len(plain), len(plain))
		if !ok || len(rest) > 0 || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v, %d left, equal %v", len(plain), ok, len(rest), bytes.Equal(got, plain))
		}
		// In pieces of input, and up to lengths on the way.
		rng := seeded(uint64(len(plain)))
		var out, in []byte
		for left := packed; len(out) < len(plain); {
			n := min(1+rng.IntN(300), len(left))
			in, left = append(in, left[:n]...), left[n:]
			want := min(len(out)+rng.IntN(500), len(plain))
			out, in, ok = expandLZF(out, in, want, len(plain))
			if !ok || n == 0 && len(in) == 0 && len(out) < len(plain) {
				t.Fatalf("%d bytes in pieces: stuck at %d", len(plain), len(out))
			}
		}
		if !bytes.Equal(out, plain) {
			t.Errorf("%d bytes in pieces: others", len(plain))
		}
	}
}

// checkLZF holds the decoder to the naive one on any bytes.
func checkLZF(t *testing.T, packed []byte, n int) {
	want, valid := naiveLZF(packed, n)
	got, rest, ok := expandLZF(nil, packed, n, n)
	if cap(got) > 2*n+4*maxLZFCopy || len(got) > n {
		t.Errorf("limit %d: %d bytes, room for %d", n, len(got), cap(got))
	}
	if whole := ok && len(rest) == 0 && len(got) == n; whole != valid || whole && !bytes.Equal(got, want) {
		t.Errorf("%x to %d: %v, want %v", packed, n, whole, valid)
	}
	// A limit above what is wanted is what the window uses: same bytes, none beyond.
	if more, _, _ := expandLZF(nil, packed, n, n+maxLZFCopy); len(more) > n+maxLZFCopy || !bytes.HasPrefix(more, got) {
		t.Errorf("%x to %d: other bytes with more room", packed, n)
	}
}

func TestLZFCorrupt(t *testing.T) {
	rng := seeded(8)
	for plain := range texts {
		packed := compressLZF(plain)
		for range 30 {
			bad := bytes.Clone(packed)
			for range 1 + rng.IntN(3) {
				bad[rng.IntN(len(bad))] = byte(rng.Uint32())
			}
			checkLZF(t, bad[:rng.IntN(len(bad)+1)], len(plain))
			checkLZF(t, bad, max(1, len(plain)+rng.IntN(5)-2))
		}
	}
}

func FuzzLZF(f *testing.F) {
	f.Add([]byte("\x01vv\xe0\x34\x00\x01vv"), uint16(65))
	f.Add([]byte("\x00x\xe0\xff\x00"), uint16(265))
	for plain := range texts {
		if len(plain) < 300 {
			f.Add(compressLZF(plain), uint16(len(plain)))
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte, n uint16) { checkLZF(t, packed, int(n)) })
}

// TestStringsLZF reads every string of the dumps that is compressed against the
// naive decoder.
func TestStringsLZF(t *testing.T) {
	forAll(t, func(t *testing.T, data []byte) {
		r, err := openBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		r.SkipChecksum = true
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for {
				p, err := r.Part()
				if err != nil {
					break
				}
				if !p.LZF {
					continue
				}
				at := r.Offset()
				want, ok := naiveLZF(data[at:at+p.Stored], int(p.Len))
				if !ok {
					t.Fatalf("offset %d: the naive decoder does not expand it", at)
				}
				if got, err := r.Bytes(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("offset %d: %v, equal %v", at, err, bytes.Equal(got, want))
				}
			}
		}
	})
}

// TestShortLZF: names, fields and the like of any form and length.
func TestShortLZF(t *testing.T) {
	for plain := range texts {
		packed := compressLZF(plain)
		name := wire.AppendLen(wire.AppendLen([]byte{0xc3}, uint64(len(packed))), uint64(len(plain)))
		name = append(name, packed...)
		dump := append([]byte("REDIS0011\xfe\x00\xfa"), name...) // an aux field
		dump = append(append(dump, name...), 0)
		dump = append(append(append(dump, name...), 1, 'v', 0), 1, 'k', 1, 'v', 0xff)
		dump = appendCRC(dump)
		for _, size := range []int{1, 100, 10_000, 1 << 20} {
			if len(dump)/size > 10_000 {
				continue
			}
			r, err := openFeeder(&drip{data: dump, next: func() int { return size }})
			if err != nil {
				t.Fatal(err)
			}
			res := drain(r, deep)
			if res.err != io.EOF || len(res.keys) != 2 || res.keys[0].name != string(plain) || res.keys[0].nameLen != int64(len(plain)) || res.keys[1].name != "k" {
				t.Fatalf("%d bytes in stretches of %d: %v, %d keys", len(plain), size, res.err, len(res.keys))
			}
			if a := res.info.Aux; len(a) != 1 || a[0].Name != string(plain[:min(len(plain), maxAuxValue)]) || a[0].Value != a[0].Name {
				t.Errorf("%d bytes: aux %.100q", len(plain), a)
			}
		}
		// Damaged, it is a fault: without a name there is no key.
		for _, shorter := range []int{len(plain) - 1, len(plain) + 1} {
			if shorter < 1 {
				continue
			}
			bad := append([]byte("REDIS0011\x00"), 0xc3)
			bad = append(wire.AppendLen(wire.AppendLen(bad, uint64(len(packed))), uint64(shorter)), packed...)
			bad = append(bad, "\x01v\xff12345678"...)
			res := readAll(bytes.NewReader(bad), skipping)
			e := checkError(t, "damaged name", res.err, len(bad))
			if e.Err != ErrString || e.Offset != 10 {
				t.Errorf("%d bytes that say %d: %v", len(plain), shorter, res.err)
			}
		}
	}
}
