package estimate

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPow10(t *testing.T) {
	for i, got := range pow10 {
		p := pow10First + pow10Step*i
		ten := new(big.Float).SetPrec(3000).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(p, -p))), nil))
		if p < 0 {
			ten.Quo(big.NewFloat(1).SetPrec(3000), ten)
		}
		ten.SetMantExp(ten, -pow10Exp(i))
		ten.Add(ten, big.NewFloat(0.5))
		want, _ := ten.Uint64()
		require.Equal(t, want, got, p)
	}
}

// shortest returns the digits and exponent of the shortest text that reads
// back as f.
func shortest(f float64) (digits string, exp int) {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, e, _ := strings.Cut(s, "e")
	digits = strings.Replace(mantissa, ".", "", 1)
	exp, _ = strconv.Atoi(e)
	return digits, exp - len(digits) + 1
}

func randomDouble(r *rand.Rand) float64 {
	switch r.IntN(5) {
	case 0:
		return math.Round(r.Float64()*1e9) / 1e3
	case 1:
		return r.Float64()
	case 2:
		return r.NormFloat64() * 1e6
	case 3:
		return math.Ldexp(1, r.IntN(2098)-1074)
	}
	for {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) && f != 0 {
			return f
		}
	}
}

func TestGrisu2(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	const rounds = 300000
	longer := 0
	for range rounds {
		f := math.Abs(randomDouble(r))
		if f == 0 {
			continue
		}
		digits, exp := shortest(f)
		n, k := grisu2(f)
		if n < len(digits) || n > 18 {
			t.Fatalf("%v: %d digits, shortest %d", f, n, len(digits))
		}
		if n > len(digits) {
			longer++
		} else if k != exp {
			t.Fatalf("%v: exponent %d, want %d", f, k, exp)
		}
	}
	require.Less(t, longer, rounds/1000)
	require.Positive(t, longer) // or it is not Grisu2
}

func TestFpconvLen(t *testing.T) {
	for text, want := range map[string][2]int{ // digits, exponent
		"1.5": {2, -1}, "0.25": {2, -2}, "123000": {3, 3}, "0.00000025": {2, -8}, "1e+21": {1, 21}, "1.5e+300": {2, 299},
		"1.5e-7": {2, -8}, "3e-10": {1, -10}, "0.000001": {1, -6}, "1e-7": {1, -7}, "1234.5678901": {11, -7}, "123.45678901": {11, -8},
		"12345.678901234": {14, -9}, "1.2345678901234e+5": {14, -9},
	} {
		got := fpconvLen(want[0], want[1], false)
		switch text {
		case "0.00000025": // 25e-8 is written 2.5e-7
			require.EqualValues(t, 6, got, text)
		case "12345.678901234": // its exponent is beyond both bounds
			require.EqualValues(t, len("1.2345678901234e+4"), got, text)
		default:
			require.EqualValues(t, len(text), got, text)
			require.EqualValues(t, len(text)+1, fpconvLen(want[0], want[1], true), text)
		}
	}
}

func TestPrintfLen(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	check := func(f float64) {
		// Go's %g differs from C's in when it drops zeros, so C's rules are spelt
		// out over %e.
		s := fmt.Sprintf("%.16e", f)
		mantissa, e, _ := strings.Cut(s, "e")
		exp, _ := strconv.Atoi(e)
		if exp < -4 || exp >= 17 {
			s = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".") + "e" + e
		} else {
			s = strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 16-exp, 64), "0"), ".")
			if exp == 16 {
				s = strconv.FormatFloat(f, 'f', 0, 64)
			}
		}
		if got := printfLen(f); got != int64(len(s)) {
			t.Fatalf("%q: %d", s, got)
		}
	}
	for range 100000 {
		if f := randomDouble(r); f != 0 {
			check(f)
			check(-f)
		}
	}
	for range 200000 {
		check(math.Round(r.Float64()*1e8) / 1e2)
		if f := math.Ldexp(float64(r.Uint64N(1<<53)), -r.IntN(54)); f != 0 { // ties among them
			check(f)
		}
	}
	for e := -320; e < 309; e++ {
		check(math.Pow(10, float64(e)))
		check(math.Nextafter(math.Pow(10, float64(e)), 0))
	}
	require.EqualValues(t, 3, printfLen(math.Inf(1)))
	require.EqualValues(t, 4, printfLen(math.Inf(-1)))
	require.EqualValues(t, 3, printfLen(math.NaN()))
	require.EqualValues(t, 2, printfLen(math.Copysign(0, -1)))
}

func TestScores(t *testing.T) {
	for _, c := range []struct {
		score               float64
		fpconv, c, ziplist6 int64
	}{
		{0, 2, 2, 2}, {math.Copysign(0, -1), 2, 2, 4}, {127, 2, 2, 3}, {2.5, 5, 5, 5}, {-2.5, 6, 6, 6}, {0.1, 5, 21, 21},
		{1 << 52, 10, 10, 10}, {1 << 62, 10, 10, 0}, {1e16, 10, 10, 10}, {1e17, 10, 10, 7}, {1e18, 10, 10, 7}, {1e19, 7, 7, 7}, {1e100, 8, 8, 8},
		{5e18, 7, 7, 7},
		{4611686018427389000, 10, 24, 0}, {math.Inf(1), 5, 5, 5}, {math.Inf(-1), 6, 6, 6},
	} {
		require.Equal(t, c.fpconv, listpackScore(c.score, true), "fpconv %v", c.score)
		require.Equal(t, c.c, listpackScore(c.score, false), "printf %v", c.score)
		if c.ziplist6 != 0 {
			var z ziplistSize
			z.addScore(c.score)
			require.Equal(t, 11+c.ziplist6, z.total(), "ziplist %v", c.score)
		}
	}
	require.Zero(t, int(testing.AllocsPerRun(100, func() {
		listpackScore(0.1, true)
		listpackScore(0.1, false)
	})))
	// Section 18, z1: Redis 8.6 has 49 bytes, 24 of them around the listpack.
	lp := 7 + 3*listpackStr(1) + listpackScore(1, true) + listpackScore(2, true) + listpackScore(2.5, true)
	require.EqualValues(t, 49-24, lp)
	var z ziplistSize // 77 in Redis 6.2
	for _, score := range []float64{1, 2, 2.5} {
		z.addStr(1)
		z.addScore(score)
	}
	require.EqualValues(t, 77-48, z.total())
}

func BenchmarkListpackScore(b *testing.B) {
	for _, fpconv := range []bool{true, false} {
		b.Run(fmt.Sprint(fpconv), func(b *testing.B) {
			f := 0.1
			for b.Loop() {
				f += 0.7
				listpackScore(f, fpconv)
			}
		})
	}
}
