package estimate_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
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
		read := func(every bool, least int64) (*estimate.Record, error) {
			p, err := rdbparse.NewReader(bytes.NewReader(dump))
			require.NoError(t, err)
			e := estimate.New(p, config)
			e.EveryLargest = every
			e.WantLargest = func(_ *rdbparse.Key, _, alloc int64) bool { return alloc >= least }
			return e.Next()
		}
		closed, err := read(false, math.MaxInt64)
		require.NoError(t, err, name)
		closed.Largest = -1
		for _, least := range []int64{0, 1} { // opened at once, or kept until its size is known
			opened, err := read(false, least)
			require.NoError(t, err, name)
			require.EqualValues(t, -1, opened.Largest, name)
			require.Equal(t, closed, opened, name)
		}
		_, err = read(true, 0)
		require.ErrorIs(t, err, rdbparse.ErrPacked, name)
	}
}

// pendingStream is a dump of a stream of one node, which takes far less than its
// pending entries.
func pendingStream(pending int) []byte {
	id := func(b []byte, i int) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 1000), uint64(i))
	}
	b := []byte("REDIS0009\x0f")
	b = wire.AppendLen(wire.AppendString(b, "stream"), 1)
	b = wire.AppendString(b, id(nil, 1))
	lp := wire.BeginListpack(nil)
	for _, n := range []int64{1, 0, 1} { // entries, deleted, fields
		lp = wire.AppendListpackInt(lp, n)
	}
	lp = wire.AppendListpackInt(wire.AppendListpackString(lp, "field"), 0)
	for _, n := range []int64{2, 0, 0} { // the fields are the same; ms, seq
		lp = wire.AppendListpackInt(lp, n)
	}
	lp = wire.AppendListpackInt(wire.AppendListpackString(lp, "a value"), 4)
	b = wire.AppendString(b, wire.EndListpack(lp, 0, 9))
	for _, n := range []uint64{1, 1000, 1, 1} { // length, last ID, groups
		b = wire.AppendLen(b, n)
	}
	b = wire.AppendString(b, "group")
	for _, n := range []uint64{1000, 1, uint64(pending)} {
		b = wire.AppendLen(b, n)
	}
	for i := range pending {
		b = wire.AppendLen(append(id(b, i+1), 0, 0, 0, 0, 0, 0, 0, 0), 1)
	}
	b = wire.AppendString(wire.AppendLen(b, 1), "consumer")
	b = wire.AppendLen(append(b, 0, 0, 0, 0, 0, 0, 0, 0), uint64(pending))
	for i := range pending {
		b = id(b, i+1)
	}
	return append(b, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
}

// TestKept: nodes that are kept until the size of their value is known give the
// longest entry that they give when they are opened at once; of a value that is
// not wanted at its size, none is opened.
func TestKept(t *testing.T) {
	type dump struct {
		name, line string
		data       []byte
	}
	var dumps []dump
	for _, f := range fixtures.All(t) {
		dumps = append(dumps, dump{f.Name, f.Line, f.Data})
	}
	r := rand.New(rand.NewPCG(7, 8))
	for _, count := range []int{2, 3, 4, 5, 40, 300} {
		var nodes [][]int
		for range count {
			nodes = append(nodes, []int{1 + r.IntN(8000), 3 + r.IntN(20), r.IntN(50)})
		}
		dumps = append(dumps, dump{"list", "redis-7.2", listOf(nodes, nil)})
	}
	var tiny [][]int // more than are kept
	for i := range 6000 {
		tiny = append(tiny, []int{1 + i%7})
	}
	tiny[5000][0] = 50
	dumps = append(dumps, dump{"tiny nodes", "redis-7.2", listOf(tiny, nil)}, dump{"pending entries", "redis-7.2", pendingStream(2000)})
	opened, closed := 0, 0
	for _, d := range dumps {
		line, _, ok := estimate.Lookup(d.line)
		require.True(t, ok)
		read := func(keep int64, want func(k *rdbparse.Key, alloc int64) bool) (list []estimate.Record) {
			p, err := rdbparse.NewReader(bytes.NewReader(d.data))
			require.NoError(t, err, d.name)
			e := estimate.New(p, estimate.Config{Line: line, Limits: estimate.DefaultLimits()})
			e.KeepNodes = keep
			e.WantLargest = func(k *rdbparse.Key, _, alloc int64) bool { return want(k, alloc) }
			for {
				rec, err := e.Next()
				if err != nil {
					return list
				}
				one := *rec
				one.Key = bytes.Clone(rec.Key)
				list = append(list, one)
			}
		}
		if d.name == "pending entries" {
			list := read(0, func(*rdbparse.Key, int64) bool { return true })
			require.Len(t, list, 1)
			require.EqualValues(t, len("field")+len("a value"), list[0].Largest)
			require.Greater(t, list[0].Alloc, int64(100_000))
		}
		atOnce := read(0, func(*rdbparse.Key, int64) bool { return true })
		sizes := make(map[string]int64)
		for i := range atOnce {
			sizes[fmt.Sprint(atOnce[i].DB, string(atOnce[i].Key))] = atOnce[i].Alloc
		}
		for _, keep := range []int64{0, 64 << 20} {
			for _, over := range []int64{0, 1} {
				list := read(keep, func(k *rdbparse.Key, alloc int64) bool {
					return alloc >= sizes[fmt.Sprint(k.DB, string(k.Name))]+over
				})
				require.Equal(t, len(atOnce), len(list))
				for i := range list {
					a, b := &atOnce[i], &list[i]
					if a.Type != estimate.List && a.Type != estimate.Stream {
						continue
					}
					if over == 0 {
						require.Equal(t, a, b, d.name)
						if a.Largest >= 0 {
							opened++
						}
					} else if b.Largest != a.Largest { // plain elements are known all the same
						require.EqualValues(t, -1, b.Largest, "%s %q", d.name, b.Key)
						closed++
					}
				}
			}
		}
	}
	if opened < 1000 || closed < 1000 {
		t.Errorf("%d values were opened, %d were not", opened, closed)
	}
}
