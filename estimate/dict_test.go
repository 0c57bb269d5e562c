package estimate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// chained is a literal chained table: the number of keys in every bucket.
type chained struct {
	newer    bool
	old, new []int32
	oldUsed  int64
	newUsed  int64
	at       int
}

func (d *chained) hint(n int64) {
	if d.new != nil || d.oldUsed > n {
		return
	}
	size := pow2(n)
	switch {
	case d.old == nil || d.newer && d.oldUsed == 0 && int64(len(d.old)) < n:
		d.old = make([]int32, size)
	case size == int64(len(d.old)) || d.newer && int64(len(d.old)) >= n:
	default:
		d.new, d.at = make([]int32, size), 0
	}
}

func (d *chained) insert(r *rand.Rand) {
	if d.new != nil {
		if d.oldUsed > 0 {
			for empty := 0; empty < 10; d.at++ {
				if n := d.old[d.at]; n > 0 {
					d.old[d.at] = 0
					for range n {
						// A bucket of the old table feeds fixed places of the new one.
						at := d.at
						if len(d.new) > len(d.old) {
							at += len(d.old) * r.IntN(len(d.new)/len(d.old))
						}
						d.new[at%len(d.new)]++
					}
					d.oldUsed -= int64(n)
					d.newUsed += int64(n)
					d.at++
					break
				}
				empty++
			}
		}
		if d.oldUsed == 0 {
			d.old, d.oldUsed, d.new, d.newUsed = d.new, d.newUsed, nil, 0
		}
	}
	if d.new == nil {
		if d.old == nil {
			d.old = make([]int32, 4)
		} else if d.oldUsed == int64(len(d.old)) {
			d.new, d.at = make([]int32, 2*len(d.old)), 0
		}
	}
	if d.new != nil {
		d.new[r.IntN(len(d.new))]++
		d.newUsed++
	} else {
		d.old[r.IntN(len(d.old))]++
		d.oldUsed++
	}
}

// op is a hint, or as many insertions.
type op struct {
	hint bool
	n    int64
}

func TestDict(t *testing.T) {
	cases := [][]op{
		{{false, 3}}, {{false, 4}}, {{false, 5}}, {{false, 7}}, {{false, 9}}, {{false, 12}}, {{false, 25}}, {{false, 100}}, {{false, 420}},
		{{false, 515}}, {{false, 2000}},
		{{true, 0}}, {{true, 0}, {false, 1}}, {{true, 3}, {true, 100}}, {{true, 3}, {true, 100}, {false, 1}},
		{{true, 6}, {false, 7}, {true, 93}, {false, 93}}, {{true, 8}, {false, 9}, {true, 93}, {false, 93}},
		{{true, 64}, {false, 65}, {true, 30}, {false, 30}}, {{true, 64}, {false, 65}, {true, 200}, {false, 200}},
		{{true, 40}, {false, 40}, {true, 300}, {false, 20}}, {{true, 40}, {false, 40}, {true, 300}, {false, 30}},
		{{true, 300}, {false, 300}, {true, 500}, {false, 200}}, {{true, 130}, {false, 130}, {true, 500}, {false, 110}},
		{{false, 31}, {true, 400}, {false, 400}}, {{false, 40}, {true, 400}, {false, 400}},
		{{true, 5}, {false, 5}, {true, 12}, {false, 4}}, {{true, 5}, {false, 5}, {true, 12}, {false, 3}},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, ops := range cases {
		for _, newer := range []bool{false, true} {
			d := dict{newer: newer}
			for _, o := range ops {
				if o.hint {
					d.hint(o.n)
				} else {
					d.insert(o.n)
				}
			}
			const rounds = 300
			var sum float64
			seen := map[int64]int{}
			for range rounds {
				l := chained{newer: newer}
				for _, o := range ops {
					if o.hint {
						l.hint(o.n)
					} else {
						for range o.n {
							l.insert(r)
						}
					}
				}
				slots := int64(len(l.old) + len(l.new))
				seen[slots]++
				sum += float64(slots)
			}
			likely, mean, variance := d.slots()
			if v := math.Sqrt(variance/rounds)*4 + 1e-9; math.Abs(mean-sum/rounds) > v {
				t.Errorf("%v %v: mean %v, simulated %v %v", newer, ops, mean, sum/rounds, seen)
			}
			for slots, n := range seen {
				if n > rounds*6/10 && slots != likely {
					t.Errorf("%v %v: likely %d, simulated %v", newer, ops, likely, seen)
				}
			}
		}
	}
}

func TestDictPresized(t *testing.T) {
	for _, n := range []int64{1, 4, 5, 8, 9, 16, 17, 4096, 4097, 5000, 6000, 1e8} {
		for _, newer := range []bool{false, true} {
			d := dict{newer: newer}
			d.hint(n)
			d.insert(n)
			likely, mean, variance := d.slots()
			require.Equal(t, pow2(n), likely)
			require.Equal(t, float64(likely), mean)
			require.Zero(t, variance)
		}
	}
}

func TestDictGrown(t *testing.T) {
	// Section 5.1: certain except near 1.632 s.
	for s := int64(64); s <= 1<<40; s *= 4 {
		b := (1 - 1/math.E) * float64(s)
		w := 8*0.31*math.Sqrt(float64(s)) + 5e-5*float64(s) // insertions that met ten empty buckets come on top
		for n, want := range map[int64]int64{s + 1: 3 * s, s + 1 + int64(b-w): 3 * s, s + 2 + int64(b+w): 2 * s, 2 * s: 2 * s, 2*s + 1: 6 * s} {
			likely, _, variance := dictGrown(n)
			require.Equal(t, want, likely, n)
			require.InDelta(t, 0, variance, 1e-4*float64(s)*float64(s), n)
		}
	}
}

func TestNonEmpty(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range [][2]int64{{1, 1}, {5, 1}, {1, 2}, {3, 2}, {3, 4}, {50, 64}, {200, 256}, {30, 256}, {1000, 256}} {
		const rounds = 4000
		var s1, s2 float64
		for range rounds {
			seen := make([]bool, c[1])
			n := 0.
			for range c[0] {
				if i := r.IntN(len(seen)); !seen[i] {
					seen[i] = true
					n++
				}
			}
			s1 += n
			s2 += n * n
		}
		mean, variance := nonEmpty(c[0], c[1])
		require.InDelta(t, s1/rounds, mean, 4*math.Sqrt(variance/rounds)+1e-9, c)
		require.InDelta(t, s2/rounds-s1/rounds*s1/rounds, variance, 0.1*variance+1e-6, c)
	}
	mean, variance := nonEmpty(1<<40, 1<<40)
	require.InEpsilon(t, 0.63212, mean/(1<<40), 1e-4)
	require.InEpsilon(t, 0.0972, variance/(1<<40), 1e-2)
	require.Equal(t, pow2(1<<40), int64(1<<40))
}

func BenchmarkDictGrown(b *testing.B) {
	for b.Loop() {
		dictGrown(1e8)
	}
}
