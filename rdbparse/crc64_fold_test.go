package rdbparse

import (
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// foldPower is x^n modulo the polynomial: the highest power is the lowest bit, so
// times x is a shift to the right.
func foldPower(n int) uint64 {
	r := uint64(1) << 63 // x^0
	for range n {
		r = r>>1 ^ crcPoly&-(r&1)
	}
	return r
}

func TestFoldFactors(t *testing.T) {
	for _, c := range []struct {
		name  string
		power int
		have  uint64
	}{
		{"foldStepL", 8*foldStep + 63, foldStepL},
		{"foldStepH", 8*foldStep - 1, foldStepH},
		{"foldLaneL", 8*16 + 63, foldLaneL},
		{"foldLaneH", 8*16 - 1, foldLaneH},
		{"wideStepL", 8*wideStep + 63, wideStepL},
		{"wideStepH", 8*wideStep - 1, wideStepH},
		{"wideLaneL", 8*64 + 63, wideLaneL},
		{"wideLaneH", 8*64 - 1, wideLaneH},
	} {
		if want := foldPower(c.power); c.have != want {
			t.Errorf("%s is %#016x, x^%d is %#016x", c.name, c.have, c.power, want)
		}
	}
}

// foldModel is foldCRC with one lane and no assembly, so that the arithmetic is
// tested on every processor.
func foldModel(crc uint64, p []byte) uint64 {
	var l, h [2]uint64 // the two halves of the product: upper, lower
	lane := foldHalves(p)
	lane[0] ^= crc
	for p = p[16:]; len(p) >= 16; p = p[16:] {
		l, h = foldMul(lane[0], foldLaneL), foldMul(lane[1], foldLaneH)
		lane = foldHalves(p)
		lane[0] ^= l[1] ^ h[1]
		lane[1] ^= l[0] ^ h[0]
	}
	var b []byte
	for _, half := range lane {
		for i := range 8 {
			b = append(b, byte(half>>(8*i)))
		}
	}
	return tableCRC(0, append(b, p...))
}

func foldHalves(p []byte) (v [2]uint64) {
	for i := range 16 {
		v[i/8] |= uint64(p[i]) << (i % 8 * 8)
	}
	return v
}

// foldMul is the carry-less product of a and b: upper half, lower half.
func foldMul(a, b uint64) (p [2]uint64) {
	for i := range 64 {
		if b>>i&1 == 1 {
			p[1] ^= a << i
			p[0] ^= a >> 1 >> (63 - i)
		}
	}
	return p
}

func TestFoldModel(t *testing.T) {
	p, r := foldBytes(400)
	for n := 16; n <= len(p); n++ {
		crc := r.Uint64()
		if have, want := foldModel(crc, p[:n]), tableCRC(crc, p[:n]); have != want {
			t.Fatalf("%d bytes from %016x: %016x, want %016x", n, crc, have, want)
		}
	}
}

// foldBytes returns n bytes, the same each time, and the source they came from.
func foldBytes(n int) ([]byte, *rand.Rand) {
	r := rand.New(rand.NewPCG(64, 0x95ac))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p, r
}

// foldEqual holds updateCRC, whole and in two parts, and, whatever updateCRC prefers
// for the length and the processor, what folds against the tables.
func foldEqual(t *testing.T, crc uint64, p []byte, split int) {
	t.Helper()
	want := tableCRC(crc, p)
	if have := updateCRC(crc, p); have != want {
		t.Fatalf("%d bytes from %016x: %016x, tables say %016x", len(p), crc, have, want)
	}
	if have := updateCRC(updateCRC(crc, p[:split]), p[split:]); have != want {
		t.Fatalf("%d bytes from %016x, split at %d: %016x, tables say %016x", len(p), crc, split, have, want)
	}
	for _, way := range []struct {
		can   bool
		least int
		fold  func(uint64, []byte) (l, h uint64)
	}{{canFold, foldStep, foldCRC}, {canFoldWide, wideStep, foldWide}} {
		n := len(p) &^ 15
		if !way.can || n < way.least {
			continue
		}
		var lane []byte
		l, h := way.fold(crc, p[:n])
		for _, half := range []uint64{l, h} {
			for i := range 8 {
				lane = append(lane, byte(half>>(8*i)))
			}
		}
		if have := tableCRC(tableCRC(0, lane), p[n:]); have != want {
			t.Fatalf("%d bytes from %016x: folded %016x, tables say %016x", len(p), crc, have, want)
		}
	}
}

// foldStandard holds updateCRC against hash/crc64, which inverts its register.
func foldStandard(t *testing.T, standard *crc64.Table, crc uint64, p []byte) {
	t.Helper()
	if have, want := updateCRC(crc, p), ^crc64.Update(^crc, standard, p); have != want {
		t.Fatalf("%d bytes from %016x: %016x, hash/crc64 says %016x", len(p), crc, have, want)
	}
}

func TestFoldLengths(t *testing.T) {
	t.Logf("folding: %v, wide: %v", canFold, canFoldWide) // false: the tables were compared with themselves
	standard := crc64.MakeTable(crcPoly)
	p, r := foldBytes(2100)
	for n := 0; n <= len(p); n++ {
		for _, crc := range []uint64{0, ^uint64(0), r.Uint64()} {
			foldEqual(t, crc, p[:n], r.IntN(n+1))
			foldStandard(t, standard, crc, p[:n])
		}
	}
}

func TestFoldAlignments(t *testing.T) {
	p, r := foldBytes(2100)
	for start := range 130 {
		for end := len(p) - 130; end <= len(p); end++ {
			foldEqual(t, r.Uint64(), p[start:end], 0)
		}
	}
}

func TestFoldSplits(t *testing.T) {
	p, r := foldBytes(1000)
	crc := r.Uint64()
	for split := range len(p) + 1 {
		foldEqual(t, crc, p, split)
	}
}

func TestFoldRandom(t *testing.T) {
	standard := crc64.MakeTable(crcPoly)
	p, r := foldBytes(1<<20 + 64)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		start := r.IntN(64)
		part := p[start : start+r.IntN(1<<20+1)]
		crc := r.Uint64()
		foldEqual(t, crc, part, r.IntN(len(part)+1))
		foldStandard(t, standard, crc, part)
	}
}

// Every single bit of the input must reach the sum, and as a linear map: this is
// what a lane folded by a wrong distance would get wrong.
func TestFoldBits(t *testing.T) {
	p := make([]byte, 3*foldStep+3*16+5)
	for bit := range 8 * len(p) {
		p[bit/8] = 1 << (bit % 8)
		foldEqual(t, 0, p, 0)
		// The register ends with x^64 times the polynomial that is the input.
		if have, want := updateCRC(0, p), foldPower(8*len(p)-1-bit+64); have != want {
			t.Fatalf("bit %d alone: %016x, want %016x", bit, have, want)
		}
		p[bit/8] = 0
	}
}

func FuzzFold(f *testing.F) {
	standard := crc64.MakeTable(crcPoly)
	p, _ := foldBytes(1000)
	for _, n := range []int{0, 15, 16, 127, 128, 255, 256, 271, 384, 1000} {
		f.Add(uint64(n)*crcPoly, p[:n], uint16(n/2))
	}
	f.Fuzz(func(t *testing.T, crc uint64, p []byte, split uint16) {
		foldEqual(t, crc, p, int(split)%(len(p)+1))
		foldStandard(t, standard, crc, p)
	})
}

func BenchmarkFold(b *testing.B) {
	p, _ := foldBytes(512 << 10)
	for _, way := range []struct {
		name   string
		update func(uint64, []byte) uint64
	}{{"table", tableCRC}, {"folded", updateCRC}} {
		for _, n := range []int{256, 4 << 10, 64 << 10, 512 << 10} {
			b.Run(fmt.Sprintf("%s/%d", way.name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				var crc uint64
				for b.Loop() {
					crc = way.update(crc, p[:n])
				}
			})
		}
	}
}
