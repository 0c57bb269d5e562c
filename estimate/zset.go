package estimate

import "rdbaudit/rdbparse"

// Sorted sets: packed up to a number of members and a length, else a skip list
// and a hash table that share the members (t_zset.c, rdb.c rdbLoadObject).

// scored adds a member, and its score where the packed form is wanted.
func (s *sizer) scored(e item, score float64) {
	s.zmember(e)
	if s.build {
		s.pack(e)
		if s.l.ziplists {
			s.zl.addScore(score)
		} else {
			s.lp += listpackScore(score, s.l.fpconv)
		}
	}
}

func (s *sizer) zmember(e item) {
	s.longest = max(s.longest, e.len)
	s.n++
	switch s.l.skip {
	case skipClassic:
		req, u, r := s.sds(e.len)
		s.req += req
		s.costU += float64(u)
		s.costR += r
		mean, variance := s.nodes.node(24)
		s.mean += mean
		s.variance += variance
	case skipEmbedV:
		mean, variance := s.nodes.node(16 + 1 + embeddedSds(e.len))
		s.mean += mean
		s.variance += variance
		s.req += 17 + embeddedSds(e.len)
	case skipEmbedR:
		mean, variance := s.nodes.node(16 + embeddedSds(e.len))
		s.mean += mean
		s.variance += variance
		s.req += 16 + embeddedSds(e.len)
	}
}

// zmemberLengths is zmember for many members.
func (s *sizer) zmemberLengths(lens []int64) {
	if s.l.skip != skipClassic {
		for _, l := range lens {
			s.zmember(item{len: l})
		}
		return
	}
	s.memberLengths(lens)
	mean, variance := s.nodes.node(24)
	s.mean += float64(float64(len(lens)) * mean)
	s.variance += float64(float64(len(lens)) * variance)
}

// zmembers is scored for many members.
func (s *sizer) zmembers(items []rdbparse.Item) {
	if s.l.skip != skipClassic || s.l.ziplists {
		for i := range items {
			s.scored(itemOf(&items[i]), items[i].Score)
		}
		return
	}
	s.texts(items)
	s.n += int64(len(items))
	mean, variance := s.nodes.node(24)
	s.mean += float64(float64(len(items)) * mean)
	s.variance += float64(float64(len(items)) * variance)
	if !s.build {
		return
	}
	lp := int64(0)
	for i := range items {
		lp += listpackScore(items[i].Score, s.l.fpconv)
	}
	s.lp += lp
}

// zsetBuilds says whether a sorted set of n members, stored one by one, may
// become packed.
func (s *sizer) zsetBuilds(n int64) bool {
	return s.Loaded && n <= s.Limits.ZSetEntries || s.Audit && n <= auditEntries
}

// endZSet sizes a sorted set that the dump holds member by member.
func (s *sizer) endZSet() {
	switch {
	case !s.Loaded:
		s.shrunk = s.n <= s.Limits.ZSetEntries && s.longest <= s.Limits.ZSetValue
		if s.l.bulk {
			s.skiplist(tablePresized)
		} else {
			s.skiplist(tableGrown)
		}
	case s.n <= s.Limits.ZSetEntries && s.longest <= s.Limits.ZSetValue:
		s.enc = s.packedEncoding()
		s.key()
		s.blob(s.enc.String(), s.packedBuilt())
	default:
		s.skiplist(tablePresized)
	}
}

func (s *sizer) zsetBlobOpens(n int64, rebuild bool) bool {
	return rebuild || s.Loaded && s.Given.ZSet && (n > s.Limits.ZSetEntries || n < 0)
}

// endZSetBlob sizes a sorted set that the dump holds packed, in b bytes;
// opened, its members have been added.
func (s *sizer) endZSetBlob(b int64, opened, rebuild bool) {
	if opened && s.Loaded && s.Given.ZSet && s.n > s.Limits.ZSetEntries {
		kind := tablePresized
		if s.l.growPacked {
			kind = tableGrown
		}
		s.skiplist(kind)
		return
	}
	if rebuild {
		b = s.packedBuilt()
	}
	s.enc = s.packedEncoding()
	s.key()
	s.blob(s.enc.String(), b)
}

// skiplistLevels is ZSKIPLIST_MAXLEVEL; the header node has all of them.
const skiplistLevels = 32

func (s *sizer) skiplist(kind tableKind) {
	s.auditPacked(s.packedBuilt(), s.Limits.ZSetEntries, s.Limits.ZSetValue)
	s.enc = Skiplist
	s.key()
	s.add("sorted set", 1, 16, 16, s.a.Class(16))
	switch s.l.skip {
	case skipClassic:
		s.add("skip list", 1, 32, 32, s.a.Class(32))
		s.one("skip list header", 24+16*skiplistLevels)
	case skipEmbedV:
		s.add("skip list with header", 1, 16+16*skiplistLevels, 16+16*skiplistLevels, s.a.Class(16+16*skiplistLevels))
	case skipEmbedR:
		s.one("skip list", 40)
		s.one("skip list header", 16+16*skiplistLevels)
	}
	s.table(kind, s.n, nil, false, false, false)
	s.elements("members with nodes (expected)", 0)
}
