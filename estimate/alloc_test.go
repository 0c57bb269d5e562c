package estimate

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClass(t *testing.T) {
	q8 := []int64{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448,
		512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
		10240, 12288, 14336, 16384, 20480}
	var q16 []int64
	for _, c := range q8 {
		if c != 24 && c != 40 && c != 56 {
			q16 = append(q16, c)
		}
	}
	for a, list := range map[Allocator][]int64{Jemalloc: q8, JemallocQ16: q16} {
		n := int64(0)
		for _, class := range list {
			for ; n <= class; n++ {
				if got := a.Class(n); got != class {
					t.Fatalf("%v: C(%d) = %d, want %d", a, n, got, class)
				}
			}
		}
	}
	require.Equal(t, int64(80<<20), Jemalloc.Class(70<<20))
	require.Equal(t, int64(8), Jemalloc.Class(0))
	for _, a := range []Allocator{Jemalloc, JemallocQ16} {
		require.EqualValues(t, int64(7<<60), a.Class(7<<60))
		require.EqualValues(t, int64(7<<60), a.Class(math.MaxInt64))
		require.EqualValues(t, int64(7<<60), a.Class(6<<60+1))
	}
}

func TestClassLibc(t *testing.T) {
	for _, c := range [][2]int64{{0, 24}, {1, 24}, {24, 24}, {25, 40}, {40, 40}, {41, 56}, {1000, 1000},
		{1001, 1016}, {131048, 131048}, {131049, 135168 - 16}, {131064, 135168 - 16}, {200000, 200704 - 16}, {math.MaxInt64, 7<<60 + 4096 - 16}} {
		if got := Libc.Class(c[0]); got != c[1] {
			t.Errorf("C(%d) = %d, want %d", c[0], got, c[1])
		}
	}
}

func TestParseAllocator(t *testing.T) {
	for a := range numAllocators {
		got, ok := ParseAllocator(a.String())
		require.True(t, ok)
		require.Equal(t, a, got)
	}
	_, ok := ParseAllocator("tcmalloc")
	require.False(t, ok)
}

func BenchmarkClass(b *testing.B) {
	for _, a := range []Allocator{Jemalloc, Libc} {
		b.Run(a.String(), func(b *testing.B) {
			n, sum := int64(0), int64(0)
			for b.Loop() {
				sum += a.Class(n & 4095)
				n += 17
			}
			if sum == 0 {
				b.Fatal(sum)
			}
		})
	}
}
