package estimate

import (
	"encoding/binary"
	"slices"

	"rdbaudit/rdbparse"
)

// Streams: a radix tree of listpacks by ID, and per consumer group trees of
// pending entries and of consumers (t_stream.c, rax.c, object.c
// streamRadixTreeMemoryUsage).

// streamSize follows a stream part by part.
type streamSize struct {
	keys      rax // the nodes' first IDs
	names     rax // of the groups
	pel       rax // of the group, or of all
	consNames rax
	owned     rax
	ids       []rdbparse.StreamID // all pending, for the index over all groups (8.6)
	id        [16]byte
	streamSums
}

// streamSums are of the stream, or of the group or consumer at hand.
type streamSums struct {
	nodes   int64
	lp      int64 // bytes of all listpacks
	lpAlloc int64
	lastLP  int64

	groups     int64
	groupsU    float64
	groupR     int64 // allocated for the groups so far
	groupReq   int64
	pendingR   int64 // part of it that acknowledging all entries gives back
	pending    int64 // of the group
	allPending int64
	inGroup    bool
	consumers  int64
	consU      float64
	consR      int64
	ownedN     int64
	inConsumer bool
	consName   int64
	idsSeen    int64
}

// maxPendingIDs bounds the IDs held for the index over all groups; beyond, its
// size is scaled up.
const maxPendingIDs = 1 << 20

// trees are all that a stream has.
func (st *streamSize) trees() [5]*rax {
	return [...]*rax{&st.keys, &st.names, &st.pel, &st.consNames, &st.owned}
}

func (s *sizer) beginStream() {
	st := &s.stream
	st.streamSums, st.ids = streamSums{}, st.ids[:0]
	for _, t := range st.trees() {
		if t.keys > 0 { // what a stream that broke off has left
			t.finish()
		}
	}
}

func (st *streamSize) key(id rdbparse.StreamID) []byte {
	binary.BigEndian.PutUint64(st.id[:], id.Ms)
	binary.BigEndian.PutUint64(st.id[8:], id.Seq)
	return st.id[:]
}

// streamNode adds a listpack of b bytes.
func (s *sizer) streamNode(id rdbparse.StreamID, b int64) {
	st := &s.stream
	st.keys.add(st.key(id))
	st.nodes++
	st.lp += b
	st.lpAlloc += s.a.Class(b)
	st.lastLP = b
}

// tree is what a radix tree of n keys costs: counted by the line's rule (a
// guess per node before Valkey 8.1), and allocated.
func (s *sizer) tree(t *rax, n int64) (counted, alloc int64) {
	size := t.finish()
	if s.l.stream == streamGuess {
		// 16 bytes a key and 244 a node; the tree itself is 24 (object.c).
		return 16*n + 244*size.nodes, s.a.Class(24) + size.bytes
	}
	return 32 + size.bytes, s.a.Class(32) + size.bytes
}

// emptyTree is what is allocated for a radix tree without keys.
func (s *sizer) emptyTree() int64 {
	var t rax
	t.alloc = s.a
	_, r := s.tree(&t, 0)
	return r
}

func (s *sizer) group(name []byte) {
	s.endGroup()
	st := &s.stream
	st.inGroup = true
	st.groups++
	st.names.add(name)
	st.pending, st.consumers, st.consU, st.consR = 0, 0, 0, 0
}

func (s *sizer) pendingEntry(id rdbparse.StreamID) {
	st := &s.stream
	st.pel.add(st.key(id))
	st.pending++
	st.allPending++
	if s.l.stream == streamExact {
		st.idsSeen++
		if len(st.ids) < maxPendingIDs {
			st.ids = append(st.ids, id)
		}
	}
}

func (s *sizer) consumer(name []byte, length int64) {
	s.endConsumer()
	st := &s.stream
	st.inConsumer, st.consName, st.ownedN = true, length, 0
	st.consumers++
	st.consNames.add(name)
}

func (s *sizer) ownedEntry(id rdbparse.StreamID) {
	st := &s.stream
	st.owned.add(st.key(id))
	st.ownedN++
}

func (s *sizer) endConsumer() {
	st := &s.stream
	if !st.inConsumer {
		return
	}
	st.inConsumer = false
	_, nameU, nameR := s.sds(st.consName)
	u, r := s.tree(&st.owned, st.ownedN)
	c := s.l.consumerStruct
	if s.l.stream == streamExact {
		st.consU += float64(s.a.Class(c) + nameU + u)
	} else {
		st.consU += float64(c + st.consName + u)
	}
	st.consR += s.a.Class(c) + nameR + r
	st.pendingR += r - s.noTree
}

func (s *sizer) endGroup() {
	s.endConsumer()
	st := &s.stream
	if !st.inGroup {
		return
	}
	st.inGroup = false
	pelU, pelR := s.tree(&st.pel, st.pending)
	namesU, namesR := s.tree(&st.consNames, st.consumers)
	g := s.l.groupStruct
	var u int64
	switch s.l.stream {
	case streamGuess:
		u = g + pelU + 24*st.pending + int64(st.consU)
	case streamTree:
		u = g + pelU + 24*st.pending
		if st.consumers > 0 {
			u = sampled(float64(u), st.consU, st.consumers, st.consumers)
		}
	case streamExact:
		u = s.a.Class(56) + pelU + s.a.Class(64)*st.pending + namesU + int64(st.consU)
	}
	st.groupsU += float64(u)
	nack := s.a.Class(24)
	group := s.a.Class(g)
	if s.l.stream == streamExact {
		// Each pending entry is linked into the index over all groups as well.
		nack, group = s.a.Class(64)+24, s.a.Class(56)
	}
	st.groupR += group + pelR + nack*st.pending + namesR + st.consR
	st.pendingR += pelR - s.noTree + nack*st.pending
	st.groupReq += g + 24*st.pending
}

func (s *sizer) producer() {
	s.add("producer", 1, 24, s.a.Class(24), s.a.Class(24))
}

func (s *sizer) producerItem(n int64) {
	s.one("producer item", 32+n)
}

// lastNodePrealloc is what a live server asks for when it starts a node:
// stream-node-max-bytes, at most 4096 (t_stream.c STREAM_LISTPACK_MAX_PRE_ALLOCATE).
func (s *sizer) lastNodePrealloc() int64 {
	if b := s.Limits.StreamNodeBytes; b > 0 && b < 4096 {
		return b
	}
	return 4096
}

// endStream comes after all parts. Producers were added on the way.
func (s *sizer) endStream() {
	s.endGroup()
	st := &s.stream
	s.enc = StreamEnc
	s.key()
	exact := s.l.stream == streamExact
	if exact {
		s.one("stream", 160)
	} else {
		s.add("stream", 1, s.l.streamStruct, s.l.streamStruct, s.a.Class(s.l.streamStruct))
	}
	u, r := s.tree(&st.keys, st.nodes)
	s.add("tree of nodes", st.nodes, 0, u, r)
	counted := st.lpAlloc
	if exact {
		counted = st.lp
	}
	s.add("nodes", st.nodes, st.lp, counted, st.lpAlloc)
	if !s.Loaded && st.nodes > 0 {
		if pre := s.lastNodePrealloc(); pre > st.lastLP {
			s.slack = s.a.Class(pre) - s.a.Class(st.lastLP)
			counted := s.slack
			if exact {
				counted = 0
			}
			s.add("room kept in the last node", 1, pre-st.lastLP, counted, s.slack)
		}
	}
	if st.groups == 0 {
		return
	}
	namesU, namesR := s.tree(&st.names, st.groups)
	known := s.u - s.keyU
	switch s.l.stream {
	case streamGuess:
		s.add("groups", st.groups, st.groupReq, int64(st.groupsU), st.groupR+namesR)
	case streamTree:
		total := sampled(float64(known), st.groupsU, st.groups, st.groups)
		s.add("groups", st.groups, st.groupReq, total-known, st.groupR+namesR)
	case streamExact:
		s.add("groups", st.groups, st.groupReq, int64(st.groupsU)+namesU, st.groupR+namesR)
		s.pendingIndex()
	}
}

// pendingIndex is the tree of all IDs that are pending in any group
// (t_stream.c@redis-8.6.3 streamLinkCGroupToEntry).
func (s *sizer) pendingIndex() {
	st := &s.stream
	if len(st.ids) == 0 {
		return
	}
	slices.SortFunc(st.ids, func(a, b rdbparse.StreamID) int {
		switch {
		case a.Ms != b.Ms && a.Ms < b.Ms, a.Ms == b.Ms && a.Seq < b.Seq:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	ids := slices.Compact(st.ids)
	for _, id := range ids {
		st.pel.add(st.key(id))
	}
	n := int64(len(ids))
	u, r := s.tree(&st.pel, n)
	r += s.a.Class(48) * n
	if seen := st.idsSeen; seen > maxPendingIDs { // scaled up from the first ones
		u = int64(float64(u) / maxPendingIDs * float64(seen))
		r = int64(float64(r) / maxPendingIDs * float64(seen))
		s.chance(1, 1)
	}
	st.pendingR += r
	s.add("index of pending entries", n, 0, u, r)
}
