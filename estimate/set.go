package estimate

import (
	"math"

	"rdbaudit/rdbparse"
)

// Sets: integers are an intset up to a limit, small sets a listpack since
// 7.2, the rest a hash table (t_set.c, rdb.c rdbLoadObject).

// member adds an element of a set.
func (s *sizer) member(e item) {
	req, u, r := s.sds(e.len)
	s.req += req
	s.costU += float64(u)
	s.costR += r
	if s.build {
		if e.isInt && s.firstText < 0 {
			s.minInt, s.maxInt = min(s.minInt, e.val), max(s.maxInt, e.val)
		} else if !e.isInt && s.firstText < 0 {
			s.firstText = s.n
		}
		s.pack(e)
	}
	s.longest = max(s.longest, e.len)
	s.n++
}

// members is member for many elements.
func (s *sizer) members(items []rdbparse.Item) {
	s.texts(items)
	if s.build {
		for i := range items {
			if s.firstText >= 0 {
				break
			}
			if it := &items[i]; it.IsInt {
				s.minInt, s.maxInt = min(s.minInt, it.Int), max(s.maxInt, it.Int)
			} else {
				s.firstText = s.n + int64(i)
			}
		}
	}
	s.n += int64(len(items))
}

// intMembers is member for many integers, given with their lengths.
func (s *sizer) intMembers(values, lens []int64) {
	s.memberLengths(lens)
	if !s.build {
		return
	}
	if s.firstText < 0 {
		lo, hi := s.minInt, s.maxInt
		for _, v := range values {
			lo, hi = min(lo, v), max(hi, v)
		}
		s.minInt, s.maxInt = lo, hi
	}
	if s.l.setListpack {
		for _, v := range values {
			s.lp += listpackInt(v)
		}
	}
}

// setBuilds says whether the texts of the members of a set of n, stored one by
// one, matter: it may become packed.
func (s *sizer) setBuilds(n int64) bool {
	return s.Loaded && n <= s.Limits.SetIntset || s.Audit && n <= auditEntries
}

// textMatters says whether the texts of members to come matter for a set, some
// of which were seen: where no set is a listpack, the first that is no integer
// has told all.
func (s *sizer) textMatters() bool { return s.build && (s.l.setListpack || s.firstText < 0) }

// setWasInts says whether it matters if a set of n was an intset before it
// became a table: before 7.2 that sized the table. One member tells, as far as
// it can be told.
func (s *sizer) setWasInts(n int64) bool {
	return !s.Loaded && !s.l.bulk && n > s.Limits.SetIntset
}

// memberLengths is member for many elements of which only the lengths matter.
func (s *sizer) memberLengths(lens []int64) {
	var req, u, r, longest int64
	var short sdsSizes
	for _, l := range lens {
		if uint64(l) < uint64(len(s.short)) {
			short += s.short[l]
		} else {
			a, b, c := s.sds(l)
			req, u, r = req+a, u+b, r+c
		}
		longest = max(longest, l)
	}
	s.addSizes(req, u, r, short)
	s.longest = max(s.longest, longest)
	s.n += int64(len(lens))
}

func (s *sizer) setTable(kind tableKind, steps []step) {
	switch {
	case s.firstText < 0:
		s.auditPacked(8+s.n*max(intsetWidth(s.minInt), intsetWidth(s.maxInt)), s.Limits.SetIntset, math.MaxInt64)
		if s.over&OverEntries != 0 {
			s.over = OverIntset
		}
	case s.l.setListpack:
		s.auditPacked(s.packedBuilt(), s.Limits.SetEntries, s.Limits.SetValue)
	}
	s.enc = Hashtable
	s.key()
	s.table(kind, s.n, steps, true, false, false)
	s.elements("members", 0)
}

// endSet sizes a set that the dump holds member by member.
func (s *sizer) endSet() {
	n := s.n
	switch {
	case !s.Loaded:
		s.shrunk = s.l.setListpack && n <= s.Limits.SetEntries && s.longest <= s.Limits.SetValue
		if s.l.bulk {
			s.setTable(s.live(n, s.Limits.SetEntries, false))
		} else {
			// By the first member alone, also where an audit has looked at all.
			s.setTable(s.live(n, s.Limits.SetIntset, s.firstText != 0))
		}
	case n > s.Limits.SetIntset:
		s.setTable(tablePresized, nil)
	case s.firstText < 0:
		s.endIntset(8 + n*max(intsetWidth(s.minInt), intsetWidth(s.maxInt)))
	case !s.l.setListpack:
		p := s.firstText
		s.setTable(tableSteps, []step{{false, p}, {true, p}, {false, n}, {true, n - p}})
	case n <= s.Limits.SetEntries && s.longest <= s.Limits.SetValue:
		s.enc = Listpack
		s.key()
		s.builtListpack()
	default:
		s.setTable(tablePresized, nil)
	}
}

// builtListpack is the listpack that loading makes of an intset so far and the
// rest of the members: it is created for the integers at the size of their
// longest (t_set.c@redis-7.2.6 setTypeConvertAndExpand) and only ever grows.
func (s *sizer) builtListpack() {
	est := int64(listpackFrame)
	if p := s.firstText; p > 0 {
		est += p * max(listpackInt(s.minInt), listpackInt(s.maxInt))
	}
	b := s.packedBuilt()
	alloc := max(s.a.Class(est), s.a.Class(b))
	counted := alloc
	if s.l.packedExact {
		counted = b
	}
	s.add("listpack", 1, b, counted, alloc)
}

func (s *sizer) endIntset(bytes int64) {
	s.enc = Intset
	s.key()
	s.blob("intset", bytes)
}

// setBlob says whether a packed set of n members must be opened: it will be a
// table.
func (s *sizer) setBlobOpens(intset bool, n int64) bool {
	if intset {
		return s.Loaded && s.Given.SetIntset && n > s.Limits.SetIntset
	}
	return s.Loaded && (s.Given.Set && n > s.Limits.SetEntries || !s.l.setListpack)
}

// endSetBlob sizes a set that the dump holds packed, in b bytes; opened, its
// members have been added.
func (s *sizer) endSetBlob(intset bool, b int64, opened bool) {
	switch {
	case opened && (intset || s.n > s.Limits.SetEntries || !s.l.setListpack):
		s.setTable(tablePresized, nil)
	case intset:
		s.endIntset(b)
	default:
		s.enc = Listpack
		s.key()
		s.blob("listpack", b)
	}
}
