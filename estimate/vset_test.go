package estimate

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
)

// vsetLiteral is the last part of section 11 word for word, over one map of
// all buckets. Nested tables count as zero; it returns how many entries they hold.
func vsetLiteral(a Allocator, expires []int64) (bytes, hashed int64) {
	t := len(expires)
	if t <= 1 {
		return 0, 0
	}
	if t <= 127 {
		return a.Class(int64(8 + 8*t)), 0
	}
	fine := func(e int64) int64 { return e/16*16 + 16 }
	coarse := func(e int64) int64 { return e/8192*8192 + 8192 }
	order := slices.Clone(expires)
	slices.Sort(order[:127])
	vectors := map[int64][]int64{}
	tables := map[int64]int64{}
	var keys []int64
	put := func(k int64) {
		i, found := slices.BinarySearch(keys, k)
		if !found {
			keys = slices.Insert(keys, i, k)
		}
	}
	for _, e := range order {
	retry:
		i := sort.Search(len(keys), func(i int) bool { return keys[i] > e })
		if i == len(keys) || keys[i] > coarse(e) {
			put(coarse(e))
			vectors[coarse(e)] = []int64{e}
			continue
		}
		k := keys[i]
		if tables[k] > 0 {
			tables[k]++
			continue
		}
		v := vectors[k]
		if len(v) < 127 {
			vectors[k] = append(v, e)
			continue
		}
		slices.Sort(v)
		if m := fine(v[126]); m < k {
			delete(vectors, k)
			keys = slices.Delete(keys, i, i+1)
			put(m)
			vectors[m] = v
			goto retry
		} else if m == fine(v[0]) {
			tables[k] = 127
			delete(vectors, k)
			goto retry
		}
		best := -1
		for p := 1; p < 127; p++ {
			if fine(v[p-1]) == fine(v[p]) {
				continue
			}
			dist := func(p int) int { return max(p-63, 63-p) }
			if best < 0 || dist(p) < dist(best) {
				best = p
			}
		}
		left := fine(v[best-1])
		put(left)
		vectors[left] = slices.Clone(v[:best])
		vectors[k] = slices.Clone(v[best:])
		goto retry
	}
	names := make([][]byte, len(keys))
	for i, k := range keys {
		names[i] = binary.BigEndian.AppendUint64(nil, uint64(k))
		if w := len(vectors[k]); w > 1 {
			bytes += a.Class(int64(8 + 8*w))
		}
		hashed += tables[k]
	}
	return bytes + 32 + raxOf(a, names).bytes, hashed
}

func TestVset(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for round := range 400 {
		n := r.IntN(300)
		if round%20 == 0 {
			n = r.IntN(5000)
		}
		span := int64(1) << r.IntN(40)
		sorted := r.IntN(4) == 0
		expires := make([]int64, n)
		for i := range expires {
			expires[i] = 1800000000000 + r.Int64N(span)
		}
		if sorted {
			slices.Sort(expires)
		}
		want, hashed := vsetLiteral(Jemalloc, expires)
		mean, variance := vsetBytes(Jemalloc, expires, int64(n))
		if hashed == 0 {
			require.Zero(t, variance)
			require.Equal(t, float64(want), mean, "%d over %d", n, span)
			continue
		}
		// The tables take 9.1 bytes and more an entry; the rest is as certain.
		require.Greater(t, mean, float64(want)+float64(hashed)*9)
		require.Less(t, mean, float64(want)+float64(hashed)*40+1000)
	}
	mean, _ := vsetBytes(Jemalloc, nil, 0)
	require.Zero(t, mean)
}

func TestVsetDamaged(t *testing.T) {
	odd := []int64{math.MinInt64, -1, 0, math.MaxInt64, math.MaxInt64 - 8191}
	expires := make([]int64, 1000)
	for i := range expires {
		expires[i] = odd[i%len(odd)]
	}
	mean, _ := vsetBytes(Jemalloc, expires, 1000)
	require.Greater(t, mean, 9000.)
}

func TestVsetScaled(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	all := make([]int64, 40000)
	for i := range all {
		all[i] = 1800000000000 + r.Int64N(1e12)
	}
	part, _ := vsetBytes(Jemalloc, slices.Clone(all[:20000]), int64(len(all)))
	whole, _ := vsetBytes(Jemalloc, all, int64(len(all)))
	require.InEpsilon(t, whole, part, 0.1)
}

func TestTTLIndex(t *testing.T) {
	require.Zero(t, ttlIndex(16, 0, 1))
	require.EqualValues(t, 1506, ttlIndex(1000, 5, 5))
	require.EqualValues(t, 3306, ttlIndex(1000, 0, 1000))
	require.EqualValues(t, 5306, ttlIndex(1000, 0, 86400000))
	require.EqualValues(t, 5306, ttlIndex(1000, 0, 1<<62))
	for last, spread := int64(0), int64(0); spread < 1e9; spread = spread*2 + 1 {
		got := ttlIndex(1000, 0, spread)
		require.GreaterOrEqual(t, got, last)
		last = got
	}
}

func BenchmarkVset(b *testing.B) {
	r := rand.New(rand.NewPCG(17, 18))
	all := make([]int64, 1<<16)
	for b.Loop() {
		for i := range all {
			all[i] = 1800000000000 + r.Int64N(1e9)
		}
		vsetBytes(Jemalloc, all, int64(len(all)))
	}
}
