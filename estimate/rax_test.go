package estimate

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// raxRecursive is section 12.2 word for word. keys are sorted and distinct.
func raxRecursive(a Allocator, keys [][]byte, d int, s *raxSize) {
	value := int64(0)
	if len(keys) > 0 && len(keys[0]) == d {
		value = 8
		keys = keys[1:]
	}
	count := func(chars, pointers int64) {
		size := 4 + chars
		for size%8 != 0 {
			size++
		}
		size += 8*pointers + value
		s.nodes++
		s.raw += size
		s.bytes += a.Class(size)
	}
	if len(keys) == 0 {
		count(0, 0)
		return
	}
	var groups [][][]byte
	for i, key := range keys {
		if i == 0 || key[d] != keys[i-1][d] {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], key)
	}
	if len(groups) > 1 {
		count(int64(len(groups)), int64(len(groups)))
		for _, g := range groups {
			raxRecursive(a, g, d+1, s)
		}
		return
	}
	n := 1
	for {
		same := true
		for _, key := range keys {
			if len(key) == d+n || key[d+n] != keys[0][d+n] {
				same = false
				break
			}
		}
		if !same {
			break
		}
		n++
	}
	count(int64(n), 1)
	raxRecursive(a, keys, d+n, s)
}

func randomKeys(r *rand.Rand) [][]byte {
	n := r.IntN(60)
	if r.IntN(10) == 0 {
		n = r.IntN(2000)
	}
	keys := make([][]byte, n)
	kind, letters, length := r.IntN(3), 1+r.IntN(5), 1+r.IntN(30)
	ms, seq := uint64(1700000000000)+r.Uint64()>>40, uint64(0)
	spread := r.IntN(30)
	for i := range keys {
		switch kind {
		case 0: // stream IDs
			if r.IntN(3) == 0 {
				ms += r.Uint64N(1 << spread)
				seq = 0
			}
			seq += 1 + r.Uint64N(3)
			keys[i] = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, ms), seq)
		case 1: // names out of few letters, many of them prefixes of others
			keys[i] = make([]byte, r.IntN(length))
			for j := range keys[i] {
				keys[i][j] = byte('a' + r.IntN(letters))
			}
		case 2:
			keys[i] = make([]byte, r.IntN(4))
			for j := range keys[i] {
				keys[i][j] = byte(r.Uint32())
			}
		}
	}
	return keys
}

func TestRax(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var fed rax
	for range 1500 {
		a := Allocator(r.IntN(int(numAllocators)))
		keys := randomKeys(r)
		got := raxOf(a, keys)
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
		want := raxSize{keys: int64(len(keys))}
		raxRecursive(a, keys, 0, &want)
		require.Equal(t, want, got, "%q", keys)
		fed.alloc = a
		for _, key := range keys {
			fed.add(key)
			require.False(t, fed.broken)
			fed.add(key)
		}
		require.Equal(t, want, fed.finish())
	}
}

func TestRaxKnown(t *testing.T) {
	require.Equal(t, raxSize{0, 1, 8, 8}, raxOf(Jemalloc, nil))
	require.Equal(t, raxSize{1, 1, 16, 16}, raxOf(Jemalloc, [][]byte{{}}))
	// Section 18, x1 with group g and consumer c, 5 of them pending, in Valkey
	// 8.1 and Redis 7.0: the group adds 1121-304 and 6961-760.
	var stream rax
	for seq := range uint64(5) {
		stream.addID(seq+1, 0)
	}
	pel := stream.finish()
	require.EqualValues(t, 1121-304, 40+(32+pel.bytes)+24*5+32+1+(32+pel.bytes))
	require.EqualValues(t, 6961-760, 40+2*(16*5+244*pel.nodes)+24*5+24+1)
}

func TestRaxUnsorted(t *testing.T) {
	// A damaged dump may have its keys in any order: wrong sums, nothing worse.
	r := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		var s rax
		keys := randomKeys(r)
		for _, key := range keys {
			s.add(key)
		}
		broken := s.broken
		sorted := slices.IsSortedFunc(keys, bytes.Compare)
		require.Equal(t, !sorted, broken)
		require.Positive(t, s.finish().bytes)
	}
}

func TestRaxFlat(t *testing.T) {
	var s rax
	s.addID(0, 0)
	seq := uint64(0)
	require.Zero(t, int(testing.AllocsPerRun(10, func() {
		for range 1000 {
			seq += 97
			s.addID(1+seq>>8, seq)
		}
		seq += 1 << 20
	})))
}

func BenchmarkRaxAdd(b *testing.B) {
	b.ReportAllocs()
	var s rax
	ms := uint64(1700000000000)
	for b.Loop() {
		ms += 3
		s.addID(ms, 0)
	}
}
