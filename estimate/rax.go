package estimate

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// rax works out the radix tree (src/rax.c) that holds a set of keys, given in
// ascending order. The tree is a function of the set alone, so it keeps only
// the path to the last key: whatever branches off above is finished.
//
// The zero value is an empty tree allocated by vendored jemalloc; finish makes
// it one again.
type rax struct {
	alloc Allocator

	keys   int64
	nodes  int64
	bytes  int64 // allocated for nodes
	raw    int64 // asked for
	last   []byte
	path   []raxPoint // above and at the end of last, by depth; none of a first key
	broken bool       // a key came out of order, so the numbers are too high
}

// raxPoint is a depth on the way to the last key where the tree must begin a
// node: the root, the end of a key, or a branching.
type raxPoint struct {
	depth    int
	first    int // depth of the first point below
	children int // finished ones and the one on the path
	key      bool
}

// raxWord is sizeof(void*), the size of a child or value pointer in a node and
// what its header of 4 and its characters are padded to (src/rax.c raxPadding).
const raxWord = 8

// node counts a node of n characters, the given pointers to children and, if a
// key ends there, its value (src/rax.c raxNodeCurrentLength).
func (r *rax) node(n, children int, key bool) {
	size := int64(4+n+raxWord-1)&^(raxWord-1) + int64(children)*raxWord
	if key {
		size += raxWord
	}
	r.nodes++
	r.raw += size
	r.bytes += r.alloc.Class(size)
}

// add puts a key in. Repeated keys count once.
func (r *rax) add(key []byte) {
	if r.keys == 0 { // most trees have one
		r.keys, r.last = 1, append(r.last[:0], key...)
		return
	}
	common := commonPrefix(r.last, key)
	if common == len(key) && common == len(r.last) {
		return
	}
	if common == len(key) || common < len(r.last) && key[common] < r.last[common] {
		r.broken = true
	}
	if len(r.path) == 0 {
		r.path = append(r.path, raxPoint{})
		r.end(len(r.last))
	}
	r.close(common)
	r.keys++
	r.last = append(r.last[:0], key...)
	r.end(len(key))
}

// end puts the end of a key of n bytes at the end of the path.
func (r *rax) end(n int) {
	top := &r.path[len(r.path)-1]
	if top.depth == n {
		top.key = true
		return
	}
	top.children++
	r.path = append(r.path, raxPoint{depth: n, key: true})
}

// addID puts in a stream ID, which is a key of 16 bytes (src/t_stream.c
// streamEncodeID).
func (r *rax) addID(ms, seq uint64) {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:], ms)
	binary.BigEndian.PutUint64(key[8:], seq)
	r.add(key[:])
}

// close finishes all points of the path below depth and makes depth its last.
func (r *rax) close(depth int) {
	for {
		end := len(r.path) - 1
		p := r.path[end]
		if p.depth <= depth {
			return
		}
		r.seal(p)
		above := &r.path[end-1]
		if above.depth < depth {
			// The new key leaves in the middle of a run.
			r.path[end] = raxPoint{depth: depth}
			above = &r.path[end]
			above.children = 1
		} else {
			r.path = r.path[:end]
		}
		if above.children == 1 {
			above.first = p.depth
		} else {
			r.run(p.depth - above.depth - 1)
		}
	}
}

// seal counts the node that begins at p, and the run of its first child if
// that is a node of its own.
func (r *rax) seal(p raxPoint) {
	switch p.children {
	case 0:
		r.node(0, 0, p.key)
	case 1:
		r.node(p.first-p.depth, 1, p.key)
	default:
		r.node(p.children, p.children, p.key)
		r.run(p.first - p.depth - 1)
	}
}

// run counts the node of the n characters that follow a branching's own.
func (r *rax) run(n int) {
	if n > 0 {
		r.node(n, 1, false)
	}
}

// raxSize is the outcome: X(S) is 32 + Bytes, O(S) is 16*Keys + 244*Nodes.
type raxSize struct {
	keys  int64 // distinct ones
	nodes int64
	bytes int64 // allocated for nodes; the tree's own struct is not in it
	raw   int64 // asked for
}

// finish returns the size of the tree and empties r.
func (r *rax) finish() raxSize {
	switch {
	case len(r.path) > 0:
		r.close(0)
		r.seal(r.path[0])
	case len(r.last) > 0: // as long as a key: all of its bytes, and what they lead to
		r.node(len(r.last), 1, false)
		r.node(0, 0, true)
	default:
		r.node(0, 0, r.keys > 0)
	}
	s := raxSize{r.keys, r.nodes, r.bytes, r.raw}
	r.keys, r.nodes, r.bytes, r.raw, r.broken = 0, 0, 0, 0, false
	r.last, r.path = r.last[:0], r.path[:0]
	return s
}

// raxOf returns the size of the tree of a few keys in any order.
func raxOf(a Allocator, keys [][]byte) raxSize {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, bytes.Compare)
	r := rax{alloc: a}
	for _, key := range keys {
		r.add(key)
	}
	return r.finish()
}

// commonPrefix returns the length of the longest common prefix.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if d := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); d != 0 {
			return i + bits.LeadingZeros64(d)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
