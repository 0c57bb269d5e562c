package estimate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func childrenIn(x int32) int64 {
	if x <= 7 {
		return 0
	}
	return int64(x-7+5) / 6
}

func TestBuckets(t *testing.T) {
	for n := int64(0); n < 3000; n++ {
		b := bucketsFor(n)
		want := int64(1)
		for want < (5*max(n, 1)-1)/32+1 {
			want *= 2
		}
		require.Equal(t, want, b, n)
		var tb table
		tb.insert(n)
		for tb.next != 0 { // let it finish
			tb.size, tb.next = tb.next, 0
		}
		if n > 0 {
			require.Equal(t, bucketsGrown(n), tb.size, n)
		}
	}
	require.EqualValues(t, int64(maxBuckets), bucketsFor(math.MaxInt64))
}

func TestChildrenList(t *testing.T) {
	// Section 5.2.
	for _, c := range []struct {
		n                int64
		mean, sd, mt, st float64
	}{
		{8, 0.008, 0.09, 5e-4, 5e-3}, {14, 0.04, 0.20, 5e-3, 5e-3}, {20, 0.41, 0.51, 5e-3, 5e-3}, {50, 2.29, 0.88, 5e-3, 5e-3},
		{100, 4.66, 1.18, 5e-3, 5e-3}, {129, 1.61, 1.05, 5e-3, 5e-3}, {200, 9.40, 1.63, 5e-3, 5e-3}, {513, 6.52, 2.10, 5e-3, 5e-3},
		{1000, 11.64, 2.85, 5e-3, 5e-3}, {10000, 249.7, 11.0, 0.05, 0.05},
	} {
		mean, variance := children(c.n, bucketsFor(c.n))
		require.InDelta(t, c.mean, mean, c.mt+1e-9, c.n)
		require.InDelta(t, c.sd, math.Sqrt(variance), c.st, c.n)
	}
	// Section 18: h2 in Valkey 8.1 is 18718.5 bytes with sd 168.3: 600 fields, of
	// which 32 bytes each and 16+72 do not vary. e3: sd 104.5.
	_, variance := children(600, bucketsFor(600))
	require.InDelta(t, 168.3, 64*math.Sqrt(variance), 0.05)
	mean, variance := children(200, bucketsFor(200))
	require.InDelta(t, 104.5, 64*math.Sqrt(variance), 0.05)
	require.InDelta(t, 4337.7, 16+72+64*(32+mean)+200*8, 0.05)
}

func TestChildrenExact(t *testing.T) {
	// The distribution itself, bucket by bucket: ways[x][s] of x keys and s children.
	off, total := 0, 0
	for _, buckets := range []int64{1, 2, 4, 8, 16} {
		top := int(bucketEntries * buckets)
		lowest := 8
		lf := make([]float64, top+1)
		for i := 1; i <= top; i++ {
			lf[i] = lf[i-1] + math.Log(float64(i))
		}
		maxS := top/6 + 1
		cur := make([][]float64, top+1)
		for x := range cur {
			cur[x] = make([]float64, maxS+1)
		}
		cur[0][0] = 1
		for range buckets {
			nxt := make([][]float64, top+1)
			for x := range nxt {
				nxt[x] = make([]float64, maxS+1)
			}
			for x := 0; x <= top; x++ {
				for s := 0; s <= maxS; s++ {
					if cur[x][s] == 0 {
						continue
					}
					for y := 0; x+y <= top; y++ {
						c := int(childrenIn(int32(y)))
						if s+c <= maxS {
							nxt[x+y][s+c] += cur[x][s] * math.Exp(-lf[y])
						}
					}
				}
			}
			cur = nxt
		}
		for n := lowest; n <= top; n++ {
			if bucketsFor(int64(n)) != buckets && bucketsGrown(int64(n)) != buckets {
				continue
			}
			scale := math.Exp(lf[n] - float64(n)*math.Log(float64(buckets)))
			var m1, m2, best float64
			arg := 0
			for s, p := range cur[n] {
				p *= scale
				m1 += p * float64(s)
				m2 += p * float64(s) * float64(s)
				if p > best {
					best, arg = p, s
				}
			}
			mean, variance := children(int64(n), buckets)
			require.InDelta(t, m1, mean, 1e-9+1e-6*m1, "%d in %d", n, buckets)
			// The spread is that of many buckets; few show less.
			sd := math.Sqrt(max(0, m2-m1*m1))
			if ours := math.Sqrt(variance); buckets > 1 && (ours < 0.9*sd || n*10 <= int(buckets)*64 && ours > 1.16*sd) {
				t.Errorf("%d in %d: sd %v, exact %v", n, buckets, ours, sd)
			}
			total++
			if got := likeliestChildren(int64(n), buckets); got != int64(arg) {
				off++
				require.Greater(t, cur[n][got]*scale, 0.9*best, "%d in %d: %d, not %d", n, buckets, got, arg)
			}
		}
	}
	require.LessOrEqual(t, off, total/50)
}

// bucketed is a literal bucketed table: the keys, by their hashes, of every bucket.
type bucketed struct {
	newer    bool
	old, new [][]uint64
	oldUsed  int64
	newUsed  int64
	at       int
}

func (t *bucketed) step() {
	for _, h := range t.old[t.at] {
		i := h % uint64(len(t.new))
		t.new[i] = append(t.new[i], h)
		t.oldUsed--
		t.newUsed++
	}
	t.old[t.at] = nil
	t.at++
	if t.at == len(t.old) || t.newer && t.oldUsed == 0 {
		t.old, t.oldUsed, t.new, t.newUsed = t.new, t.newUsed, nil, 0
	}
}

func (t *bucketed) resize(n int64) {
	size := bucketsFor(n)
	current := t.old
	if t.new != nil {
		current = t.new
	}
	if int(size) == len(current) {
		return
	}
	for t.new != nil {
		t.step()
	}
	if t.oldUsed == 0 {
		t.old = make([][]uint64, size)
	} else {
		t.new, t.at = make([][]uint64, size), 0
	}
}

func (t *bucketed) hint(n int64) {
	if n < t.oldUsed+t.newUsed || t.newer && t.new != nil {
		return
	}
	t.resize(n)
}

func (t *bucketed) insert(h uint64) {
	if t.new != nil {
		t.step()
	}
	current := t.old
	if t.new != nil {
		current = t.new
	}
	if used := t.oldUsed + t.newUsed; used+1 > int64(7*len(current)) && (t.new == nil || !t.newer) {
		t.resize(used + 1)
	}
	if t.new != nil {
		t.new[h%uint64(len(t.new))] = append(t.new[h%uint64(len(t.new))], h)
		t.newUsed++
	} else {
		t.old[h%uint64(len(t.old))] = append(t.old[h%uint64(len(t.old))], h)
		t.oldUsed++
	}
}

func TestTable(t *testing.T) {
	cases := [][]op{
		{{false, 3}}, {{false, 7}}, {{false, 8}}, {{false, 15}}, {{false, 30}}, {{false, 100}}, {{false, 226}}, {{false, 240}}, {{false, 500}},
		{{true, 100}, {false, 100}}, {{true, 0}, {false, 1}, {true, 300}, {false, 300}},
		{{true, 20}, {false, 21}, {true, 300}, {false, 300}}, {{true, 60}, {false, 61}, {true, 62}, {false, 62}},
		{{true, 300}, {false, 301}, {true, 400}, {false, 20}}, {{true, 300}, {false, 301}, {true, 400}, {false, 40}, {true, 2000}, {false, 5}},
		{{true, 6}, {false, 6}, {true, 60}, {false, 1}}, {{false, 225}, {true, 500}}, {{false, 225}, {true, 500}, {false, 3}},
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, ops := range cases {
		for _, newer := range []bool{false, true} {
			tb := table{newer: newer}
			for _, o := range ops {
				if o.hint {
					tb.hint(o.n)
				} else {
					tb.insert(o.n)
				}
			}
			const rounds = 1000
			var tops, kids, kids2 float64
			count := map[int64]int{}
			for range rounds {
				l := bucketed{newer: newer}
				for _, o := range ops {
					if o.hint {
						l.hint(o.n)
						continue
					}
					for range o.n {
						l.insert(r.Uint64())
					}
				}
				tops += float64(len(l.old) + len(l.new))
				var c int64
				for _, b := range append(l.old, l.new...) {
					c += childrenIn(int32(len(b)))
				}
				kids += float64(c)
				kids2 += float64(c * c)
				count[c]++
			}
			_, _, mean, variance := tb.buckets()
			require.InDelta(t, tops/rounds, mean, 5*math.Sqrt(variance/rounds)+1e-9, "%v %v", newer, ops)
			mean, variance, likeliest := tb.children()
			kids /= rounds
			kids2 = kids2/rounds - kids*kids
			require.InDelta(t, kids, mean, 5*math.Sqrt(kids2/rounds)+0.01, "%v %v", newer, ops)
			require.InDelta(t, kids2, variance, 0.35*kids2+0.2, "%v %v", newer, ops)
			best := 0
			for _, n := range count {
				best = max(best, n)
			}
			require.Greater(t, count[likeliest], best*8/10, "%v %v: %d of %v", newer, ops, likeliest, count)
		}
	}
}

func TestChildrenLarge(t *testing.T) {
	// As good at any size, and continuous where the closed form takes over.
	for _, n := range []int64{1 << 20, 1 << 40} {
		mean, _ := children(n, bucketsFor(n))
		per, _ := children(1<<14, bucketsFor(1<<14))
		require.InEpsilon(t, per/(1<<14), mean/float64(n), 1e-2)
	}
	a, va := children(600*64-1, 64)
	b, vb := children(600*64+1, 64)
	require.InEpsilon(t, a, b, 1e-4)
	require.InEpsilon(t, va, vb, 2e-2)

	var memo childMemo
	for range 2 {
		for _, n := range []int64{0, 7, 8, 100, 1124, 2148} {
			mean, variance, likeliest := memo.children(n, bucketsFor(n))
			m, v := children(n, bucketsFor(n))
			require.Equal(t, [2]float64{m, v}, [2]float64{mean, variance})
			require.Equal(t, likeliestChildren(n, bucketsFor(n)), likeliest)
		}
	}
}

func BenchmarkChildren(b *testing.B) {
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			children(1e6, 1<<18)
		}
	})
	b.Run("memo", func(b *testing.B) {
		var m childMemo
		for b.Loop() {
			m.children(600, 128)
		}
	})
}
