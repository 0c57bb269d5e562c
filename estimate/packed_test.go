package estimate

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/rdbparse"
)

func TestSdsHeader(t *testing.T) {
	for _, c := range []struct{ l, old, modern int64 }{
		{0, 3, 3}, {1, 1, 1}, {31, 1, 1}, {32, 3, 3}, {252, 3, 3}, {253, 3, 5}, {255, 3, 5}, {256, 5, 5},
		{65530, 5, 5}, {65531, 5, 9}, {65535, 5, 9}, {65536, 9, 9}, {1<<32 - 10, 9, 9}, {1<<32 - 9, 9, 17},
		{1<<32 - 1, 9, 17}, {1 << 32, 17, 17},
	} {
		require.Equal(t, c.old, sdsHeader(c.l, false), c.l)
		require.Equal(t, c.modern, sdsHeader(c.l, true), c.l)
	}
	require.EqualValues(t, 2, embeddedSds(0))
	require.EqualValues(t, 3, embeddedSds(1))
	require.EqualValues(t, 36, embeddedSds(32))
}

func TestCanonicalInt(t *testing.T) {
	check := func(s string) {
		want, err := strconv.ParseInt(s, 10, 64)
		ok := err == nil && strconv.FormatInt(want, 10) == s
		got, gotOK := rdbparse.Integer([]byte(s))
		if gotOK != ok || ok && got != want {
			t.Errorf("%q: %d, %v; want %d, %v", s, got, gotOK, want, ok)
		}
	}
	for _, s := range []string{"", "-", "0", "-0", "00", "01", "+1", "-01", "1-", "--1", "a1", "1a", "1a1", " 1", "1 ", "/1", ":1", "1/", "1:",
		"9223372036854775807", "9223372036854775808", "9999999999999999999", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551615", "10000000000000000000", "-10000000000000000000", "99999999999999999999", "123456789012345678901"} {
		check(s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		check(strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10))
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = "-0123456789+a"[r.IntN(13)]
		}
		check(string(b))
	}
}

func TestListpackEntries(t *testing.T) {
	for _, c := range []struct{ v, enc int64 }{
		{0, 1}, {127, 1}, {128, 2}, {4095, 2}, {4096, 3}, {-1, 2}, {-4096, 2}, {-4097, 3}, {32767, 3}, {32768, 4}, {-32768, 3},
		{-32769, 4}, {1<<23 - 1, 4}, {1 << 23, 5}, {-1 << 23, 4}, {math.MaxInt32, 5}, {math.MaxInt32 + 1, 9}, {math.MinInt64, 9},
	} {
		require.Equal(t, c.enc+1, listpackInt(c.v), c.v)
	}
	for _, c := range [][2]int64{{0, 2}, {63, 65}, {64, 67}, {125, 128}, {126, 130}, {4095, 4099}, {4096, 4103}, {16377, 16384}, {16378, 16386}} {
		require.Equal(t, c[1], listpackStr(c[0]), c[0])
	}
	// Section 18: h1 in Redis 7.2 is 80 bytes, 56 of them around C(listpack),
	// and 51 in Redis 8.6, 24 of them around the listpack.
	lp := 7 + 3*listpackStr(1) + listpackInt(1) + listpackInt(2) + listpackStr(5)
	require.EqualValues(t, 51-24, lp)
	require.EqualValues(t, 80-48, Jemalloc.Class(lp))
}

func TestZiplist(t *testing.T) {
	var z ziplistSize
	require.EqualValues(t, 11, z.total())
	z.addStr(251) // 1 + 2 + 251 = 254
	require.EqualValues(t, 11+254, z.total())
	z.addInt(12)
	require.EqualValues(t, 11+254+6, z.total())
	z.addInt(13)
	require.EqualValues(t, 11+254+6+3, z.total())
	for _, c := range [][2]int64{{-1, 2}, {-128, 2}, {127, 2}, {128, 3}, {32768, 4}, {1 << 23, 5}, {1 << 31, 9}} {
		z = ziplistSize{}
		z.addInt(c[0])
		require.Equal(t, 12+c[1], z.total(), c[0])
	}
	// Section 18: h1 in Redis 6.2 is 79 bytes, 48 of them around the ziplist.
	z = ziplistSize{}
	z.addStr(1)
	z.addInt(1)
	z.addStr(1)
	z.addInt(2)
	z.addStr(1)
	z.addStr(5)
	require.EqualValues(t, 79-48, z.total())
}

func TestIntsetWidth(t *testing.T) {
	for _, c := range [][2]int64{{0, 2}, {-32768, 2}, {32768, 4}, {math.MinInt32, 4}, {math.MinInt32 - 1, 8}} {
		require.Equal(t, c[1], intsetWidth(c[0]))
	}
}

func TestSampled(t *testing.T) {
	require.EqualValues(t, 10, sampled(10, 99, 0, 5))
	require.EqualValues(t, 109, sampled(10, 99, 7, 7))
	// Not every sum survives the division: 3*(1/3 of it) may fall a byte short.
	short := 0
	for n := int64(1); n < 1000; n++ {
		if sampled(0, 40001, n, n) != 40001 {
			short++
		}
	}
	require.Positive(t, short)
	require.EqualValues(t, int64(math.MaxInt64), sampled(0, 1e300, 1, 1))
}
