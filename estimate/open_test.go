package estimate_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
	"rdbaudit/rdbparse"
)

// listOf is a dump of one list of nodes with the entries' lengths; broken nodes
// have a wrong size mark behind their last entry.
func listOf(lengths [][]int, broken map[int]bool) []byte {
	b := []byte("REDIS0010\x12")
	b = wire.AppendString(b, "list")
	b = wire.AppendLen(b, uint64(len(lengths)))
	for i, node := range lengths {
		b = wire.AppendLen(b, 2)
		lp := wire.BeginListpack(nil)
		for _, n := range node {
			lp = wire.AppendListpackString(lp, strings.Repeat("x", n))
		}
		lp = wire.EndListpack(lp, 0, len(node))
		if broken[i] {
			lp[len(lp)-2]++
		}
		b = wire.AppendString(b, lp)
	}
	return append(b, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
}

// TestOpenNodes holds the longest element of lists of many nodes, and the fault
// that comes first, against what was put in: other goroutines look for them.
func TestOpenNodes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	line, _, ok := estimate.Lookup("redis-7.0")
	require.True(t, ok)
	config := estimate.Config{Line: line, Limits: estimate.DefaultLimits()}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for round := range 60 {
		runtime.GOMAXPROCS(1 + round%3) // one processor has nobody beside the reader
		longest, elems := 0, 0
		var nodes [][]int
		for range 1 + r.IntN(300) {
			var node []int
			for range 1 + r.IntN(20) {
				node = append(node, 1+r.IntN(40+round*r.IntN(3)))
				longest = max(longest, node[len(node)-1])
				elems++
			}
			nodes = append(nodes, node)
		}
		read := func(dump []byte) (*estimate.Record, error) {
			p, err := rdbparse.NewReader(bytes.NewReader(dump))
			require.NoError(t, err)
			e := estimate.New(p, config)
			e.EveryLargest = true
			return e.Next()
		}
		rec, err := read(listOf(nodes, nil))
		require.NoError(t, err)
		require.EqualValues(t, longest, rec.Largest)
		require.EqualValues(t, elems, rec.Elems)

		first := r.IntN(len(nodes))
		broken := map[int]bool{first: true}
		for range r.IntN(3) {
			broken[first+r.IntN(len(nodes)-first)] = true
		}
		only := map[int]bool{first: true}
		_, want := read(listOf(nodes, only))
		_, err = read(listOf(nodes, broken))
		var fault *rdbparse.Error
		require.True(t, errors.As(err, &fault), "%v", err)
		require.ErrorIs(t, err, rdbparse.ErrPacked)
		require.Equal(t, want.Error(), err.Error())
		require.Contains(t, err.Error(), "list")
	}
}

// TestSpoilt: what is found in a value that was opened for its longest entry
// alone changes nothing but that: who asks depends on how far others have come.
func TestSpoilt(t *testing.T) {
	good := make([][]int, 50)
	for i := range good {
		good[i] = []int{3, 5, 7}
	}
	hash, _ := fixtures.Asm(t, `REDIS0010 10 str("h") str(u32le(14) u16le(2) 8161 02 826262 04 ff) ff 0000000000000000`)
	stream, _ := fixtures.Asm(t, `REDIS0009 0f str("s") len(1) str(u64be(1) u64be(1)) str(u32le(10) u16le(1) 8161 04 ff) len(1) len(1) len(1) len(0) ff 0000000000000000`)
	line, _, ok := estimate.Lookup("redis-7.0")
	require.True(t, ok)
	config := estimate.Config{Line: line, Limits: estimate.DefaultLimits()}
	for name, dump := range map[string][]byte{
		"list": listOf(good, map[int]bool{40: true}), "short list": listOf(good[:1], map[int]bool{0: true}), "hash": hash, "stream": stream,
	} {
		read := func(every bool, want bool) (*estimate.Record, error) {
			p, err := rdbparse.NewReader(bytes.NewReader(dump))
			require.NoError(t, err)
			e := estimate.New(p, config)
			e.EveryLargest = every
			e.WantLargest = func(*rdbparse.Key, int64, int64) bool { return want }
			return e.Next()
		}
		closed, err := read(false, false)
		require.NoError(t, err, name)
		opened, err := read(false, true)
		require.NoError(t, err, name)
		require.EqualValues(t, -1, opened.Largest, name)
		closed.Largest = -1
		require.Equal(t, closed, opened, name)
		_, err = read(true, true)
		require.ErrorIs(t, err, rdbparse.ErrPacked, name)
	}
}
