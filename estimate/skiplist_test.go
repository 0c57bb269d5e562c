package estimate

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSkiplistNode(t *testing.T) {
	// Section 6.
	for a, want := range map[Allocator][2]float64{Jemalloc: {45.836, 150.2}, JemallocQ16: {53.336, 114.4}, Libc: {45.333, 113.8}} {
		mean, variance := skiplistNode(a, 24)
		require.InDelta(t, want[0], mean, 6e-4, a)
		require.InDelta(t, want[1], variance, 0.06, a)
	}
	// Section 18, z2 of 200 members: sd 173.3; m0..m199 in Valkey 8.1 with the
	// buckets' own spread 202.4.
	_, variance := skiplistNode(Jemalloc, 24)
	require.InDelta(t, 173.3, math.Sqrt(200*variance), 0.05)
	_, ofBuckets := children(200, bucketsFor(200))
	require.InDelta(t, 202.4, math.Sqrt(200*variance+64*64*ofBuckets), 0.06)
	mean, _ := skiplistNode(Jemalloc, 24)
	require.InDelta(t, 18399.3, 40+16+32+640+56+8*256+200*(8+24)+200*mean, 0.1) // Valkey 8.0

	// Valkey 9.1: members of 2, 3 and 4 bytes, all in one class.
	mean, _ = skiplistNode(Jemalloc, 16+1+embeddedSds(4))
	kids, _ := children(200, bucketsFor(200))
	require.InDelta(t, 12465.0, float64(24+16+528+80+64*32)+64*kids+200*mean, 0.1)

	var memo skiplistMemo
	for fixed := int64(0); fixed < 700; fixed++ {
		for range 2 {
			mean, variance := memo.node(fixed)
			m, v := skiplistNode(Jemalloc, fixed)
			require.Equal(t, [2]float64{m, v}, [2]float64{mean, variance})
		}
	}
}

func BenchmarkSkiplistNode(b *testing.B) {
	for b.Loop() {
		skiplistNode(Jemalloc, 400)
	}
}
