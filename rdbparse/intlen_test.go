package rdbparse

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestIntLen(t *testing.T) {
	check := func(v int64) {
		if got, want := IntLen(v), int64(len(strconv.FormatInt(v, 10))); got != want {
			t.Fatalf("%d: got %d, want %d", v, got, want)
		}
	}
	for _, v := range []int64{0, math.MaxInt64, math.MinInt64} {
		check(v)
	}
	for p := int64(1); p < math.MaxInt64/10; p *= 10 {
		for _, v := range []int64{p - 1, p, p + 1, 9 * p, -p, -p + 1, -p - 1} {
			check(v)
		}
	}
	for range 100_000 {
		check(int64(rand.Uint64() >> rand.IntN(64)))
		check(-int64(rand.Uint64() >> (1 + rand.IntN(63))))
	}
}
