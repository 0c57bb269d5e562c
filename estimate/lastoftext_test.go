package estimate

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"rdbaudit/rdbparse"
)

// TestLastOfText: of the numbers with a text of so many bytes it is the last.
func TestLastOfText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := []int64{0, 9, 10, -1, -9, -10, math.MaxInt64, math.MinInt64, math.MaxInt64 / 10, math.MinInt64 / 10}
	for range 10_000 {
		values = append(values, rng.Int64()>>rng.IntN(64), -rng.Int64()>>rng.IntN(64))
	}
	for _, v := range values {
		size := int64(len(strconv.FormatInt(v, 10)))
		if got := rdbparse.IntLen(v); got != size {
			t.Fatalf("IntLen(%d) = %d", v, got)
		}
		last := lastOfText(v, size)
		if last < v || (last < 0) != (v < 0) || rdbparse.IntLen(last) != size {
			t.Fatalf("the last of %d bytes like %d is %d", size, v, last)
		}
		if last < math.MaxInt64 && (last+1 < 0) == (v < 0) && rdbparse.IntLen(last+1) == size {
			t.Fatalf("the last of %d bytes like %d is %d, not the one behind", size, v, last)
		}
	}
}
