package estimate

// skiplistNode returns mean and variance of the allocation of one skip list
// node of fixed + 16*level bytes. Level j has probability 3/4 * 1/4^(j-1), the
// last one what is left (src/t_zset.c zslRandomLevel; ZSKIPLIST_P 0.25 and
// ZSKIPLIST_MAXLEVEL 32 in Redis 6.2.16 ... 8.6.3 and Valkey 8.0.1 ... 9.1.2).
//
// fixed is 24 up to Redis 8.0 and Valkey 8.1, 16+E(L) in Redis 8.6 and
// 16+1+E(L) in Valkey 9.1, which embed the member.
func skiplistNode(a Allocator, fixed int64) (mean, variance float64) {
	const maxLevel = 32
	first := a.Class(fixed + 16)
	p := 0.75
	var m1, m2 float64 // moments of what exceeds a node of one level
	for j := int64(2); j < maxLevel; j++ {
		p /= 4
		d := float64(a.Class(fixed+16*j) - first)
		m1 += p * d
		m2 += p * d * d
	}
	p /= 3 // 1/4^31
	d := float64(a.Class(fixed+16*maxLevel) - first)
	m1 += p * d
	m2 += p * d * d
	return float64(first) + m1, m2 - m1*m1
}

// skiplistMemo remembers skiplistNode for the usual sizes of one allocator.
// The zero value with the allocator set is ready to use.
type skiplistMemo struct {
	alloc Allocator
	nodes [320]struct{ mean, variance float64 }
}

func (m *skiplistMemo) node(fixed int64) (mean, variance float64) {
	if uint64(fixed) >= uint64(len(m.nodes)) {
		return skiplistNode(m.alloc, fixed)
	}
	n := &m.nodes[fixed]
	if n.mean == 0 {
		n.mean, n.variance = skiplistNode(m.alloc, fixed)
	}
	return n.mean, n.variance
}
