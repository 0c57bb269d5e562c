package estimate

// Lists are quicklists: nodes of packed elements; since 7.2 a list of one node
// is a bare listpack (quicklist.c, t_list.c listTypeTryConvertQuicklist).

// listSize follows a list node by node.
type listSize struct {
	size, depth int64 // list-max-listpack-size, list-compress-depth
	maxBytes    int64
	maxEntries  int64
	nodes       int64
	elems       int64
	req         int64
	u, r        float64 // of the nodes, counted and allocated
	onlyBytes   int64   // of the first node
	onlyElems   int64
	onlyPlain   bool
	open        bool
	openBytes   int64
	openElems   int64
	neverPacked bool       // came as one ziplist, which loading leaves a quicklist
	inner       []nodeCost // the last nodes: the outer depth of them stay as they are
	innerAt     int64
}

// nodeCost is what a node counts as it is, and compressed.
type nodeCost struct{ u, r, cu, cr float64 }

// maxDepth bounds the nodes that are remembered for list-compress-depth.
const maxDepth = 1 << 12

func (s *sizer) beginList() {
	inner := s.list.inner[:0]
	s.list = listSize{size: s.Limits.ListSize, depth: min(s.Limits.ListDepth, maxDepth), inner: inner}
	s.list.maxBytes, s.list.maxEntries = nodeLimit(s.list.size)
	s.beginElements(-1, true)
}

// node adds a node of b bytes; stored is the length of its compressed form in
// the dump, 0 if it was stored as it is.
func (s *sizer) node(b, elems, stored int64, plain bool) {
	l := &s.list
	if l.nodes == 0 {
		l.onlyBytes, l.onlyElems, l.onlyPlain = b, elems, plain
	}
	l.nodes++
	l.elems += elems
	head := s.l.nodeStruct
	c := s.a.Class(b)
	cost := nodeCost{u: float64(head + c), r: float64(s.a.Class(head) + c)}
	if s.l.packedExact {
		cost.u = float64(head + b)
		if s.l.sdsExact {
			cost.u = float64(s.a.Class(head) + b)
		}
	}
	l.req += head + b
	cost.cu, cost.cr = cost.u, cost.r
	// quicklist.c __quicklistCompress: 48 bytes at least, 8 bytes gained at least.
	if l.depth > 0 && b >= 48 && stored > 0 && stored+8 < b {
		z := s.a.Class(8 + stored)
		cost.cr = float64(s.a.Class(head) + z)
		switch {
		case s.l.sdsExact:
			cost.cu = float64(s.a.Class(head) + 8 + stored)
		case s.l.packedExact:
			cost.cu = float64(head + stored)
		default:
			cost.cu = float64(head + z)
		}
	}
	if l.depth == 0 || l.nodes <= l.depth {
		l.u += cost.u
		l.r += cost.r
		return
	}
	// Not one of the first; one of the last depth nodes stays as it is.
	if int64(len(l.inner)) < l.depth {
		l.inner = append(l.inner, cost)
		return
	}
	at := l.innerAt % l.depth
	l.u += l.inner[at].cu
	l.r += l.inner[at].cr
	l.inner[at] = cost
	l.innerAt++
}

// push adds an element to a list that is filled one by one.
func (s *sizer) push(e item) {
	l := &s.list
	plain := false
	switch s.l.plain {
	case plainOverNode:
		plain = e.len > l.maxBytes
	case plainFrom1GiB:
		plain = e.len >= 1<<30
	}
	if plain {
		s.closeNode()
		s.node(e.len, 1, 0, true)
		return
	}
	if l.open {
		grown := l.openBytes + e.len + 8 // SIZE_ESTIMATE_OVERHEAD (quicklist.c@redis-7.0.15)
		if s.l.ziplists {
			grown = l.openBytes + e.len + zipOverhead(e.len)
		}
		if grown > l.maxBytes || l.maxEntries > 0 && l.openElems >= l.maxEntries {
			s.closeNode()
		}
	}
	if !l.open {
		l.open, l.openElems = true, 0
		s.lp, s.zl = listpackFrame, ziplistSize{}
	}
	s.pack(e)
	l.openBytes = s.packedBuilt()
	l.openElems++
}

// zipOverhead is what quicklist.c@redis-6.2.16 _quicklistNodeAllowInsert adds
// for an element's framing.
func zipOverhead(n int64) int64 {
	o := int64(1)
	if n >= 254 {
		o = 5
	}
	switch {
	case n < 64:
		return o + 1
	case n < 16384:
		return o + 2
	}
	return o + 5
}

func (s *sizer) closeNode() {
	if s.list.open {
		s.list.open = false
		s.node(s.list.openBytes, s.list.openElems, 0, false)
	}
}

func (s *sizer) endList() {
	l := &s.list
	s.closeNode()
	for _, c := range l.inner {
		l.u += c.u
		l.r += c.r
	}
	if s.l.listPacked && !l.neverPacked && l.nodes == 1 && !l.onlyPlain &&
		l.onlyBytes <= l.maxBytes && (l.maxEntries < 0 || l.onlyElems <= l.maxEntries) {
		s.enc = Listpack
		s.key()
		s.blob("listpack", l.onlyBytes)
		return
	}
	s.enc = Quicklist
	s.key()
	if s.l.sdsExact {
		s.one("quicklist", 48)
	} else {
		s.add("quicklist", 1, 40, 40, s.a.Class(40))
	}
	s.n, s.req, s.costU, s.costR, s.mean, s.variance = l.nodes, l.req, l.u, int64(l.r), 0, 0
	samples := l.nodes
	if s.l.byElements {
		samples = l.elems
	}
	s.elements("nodes", samples)
}
