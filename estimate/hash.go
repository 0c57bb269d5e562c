package estimate

import "rdbaudit/rdbparse"

// Hashes: packed up to a number of fields and a length, else a hash table
// (t_hash.c hashTypeConvertListpack, rdb.c rdbLoadObject).

// fieldTTL is the TTL of a field, or none.
type fieldTTL struct {
	has bool
	at  int64 // unix milliseconds
}

// pair adds a field and its value.
func (s *sizer) pair(f, v item, ttl fieldTTL) {
	s.pairCost(f.len, v.len, ttl.has)
	s.longest = max(s.longest, f.len, v.len)
	if ttl.has {
		s.ttls++
		s.ttlMin, s.ttlMax = min(s.ttlMin, ttl.at), max(s.ttlMax, ttl.at)
		if s.l.fieldTTL == ttlValkey && len(s.expires) < maxVsetEntries {
			s.expires = append(s.expires, ttl.at)
		}
	}
	if s.build {
		s.pack(f)
		s.pack(v)
		if s.firstLong < 0 && max(f.len, v.len) > s.Limits.HashValue {
			s.firstLong = s.n
		}
	}
	s.n++
}

// pairCost adds what a field takes in a table, its dictionary entry apart.
func (s *sizer) pairCost(f, v int64, ttl bool) {
	switch s.l.hash {
	case hashClassic, hashMstr:
		vreq, vu, vr := s.sds(v)
		freq, fu, fr := s.sds(f)
		if s.l.hash == hashMstr {
			// mstr.c@redis-7.4.1: a header of 1, 3 or 9 bytes and, with a TTL,
			// 17 bytes of metadata in front.
			freq = 1 + f + 1
			if f >= 65536 {
				freq += 8
			} else if f >= 32 {
				freq += 2
			}
			if ttl {
				freq += 17
			}
			fu = s.a.Class(freq)
			fr = fu
		}
		s.req += freq + vreq
		s.costU += float64(fu + vu)
		s.costR += fr + vr
	case hashEntry:
		// entry.c@valkey-9.1.2, t_hash.c@redis-8.6.3: value in the same
		// allocation up to 128 bytes, else a pointer to it.
		x := int64(0)
		if ttl {
			x = 8
			if s.l.fieldTTL == ttlRedis86 {
				x = 16
			}
		}
		fs := embeddedSds(f)
		if f < 32 && ttl && s.l.fieldTTL == ttlRedis86 {
			fs += 2 // a header that can say where the field starts
		}
		var req, u, r int64
		if x+fs+v+4 <= 128 {
			req = x + fs + v + 4
			r = s.a.Class(req)
			u = r
			if s.l.sdsExact {
				u = req
			}
		} else {
			fs = embeddedSds(f)
			if f < 32 {
				fs += 2
			}
			vreq, vu, vr := s.sds(v)
			req = x + 8 + fs
			r = s.a.Class(req)
			u = r
			if s.l.sdsExact {
				u = req
			}
			req, u, r = req+vreq, u+vu, r+vr
		}
		s.req += req
		s.costU += float64(u)
		s.costR += r
	}
}

func (s *sizer) hashTable(kind tableKind, steps []step) {
	if s.ttls == 0 {
		s.auditPacked(s.packedBuilt(), s.Limits.HashEntries, s.Limits.HashValue)
	}
	s.enc = Hashtable
	s.key()
	s.table(kind, s.n, steps, false, true, s.ttls > 0)
	s.elements("fields and values", 0)
	if s.ttls > 0 {
		s.ttlIndex()
	}
}

// ttlIndex adds the index of the fields' expiry times.
func (s *sizer) ttlIndex() {
	switch s.l.fieldTTL {
	case ttlRedis, ttlRedis86:
		s.add("index of field TTLs (expected)", 1, 0, 0, ttlIndex(s.ttls, s.ttlMin, s.ttlMax))
	case ttlValkey:
		mean, variance := vsetBytes(s.a, s.expires, s.ttls)
		b := int64(mean + 0.5)
		s.add("index of field TTLs", 1, b, b, b)
		s.chance(variance, variance)
	}
}

// pairLengths is pair for many fields and values of which only the lengths matter.
func (s *sizer) pairLengths(lens []int64) {
	if s.l.hash == hashClassic { // both are strings of their own
		n := s.n
		s.memberLengths(lens)
		s.n = n + int64(len(lens)/2)
		return
	}
	for i := 0; i+1 < len(lens); i += 2 {
		s.pairCost(lens[i], lens[i+1], false)
		s.longest = max(s.longest, lens[i], lens[i+1])
	}
	s.n += int64(len(lens) / 2)
}

// pairs is pair for many fields and values without TTLs.
func (s *sizer) pairs(items []rdbparse.Item) {
	if s.l.hash != hashClassic || s.l.ziplists {
		for i := 0; i+1 < len(items); i += 2 {
			s.pair(itemOf(&items[i]), itemOf(&items[i+1]), fieldTTL{})
		}
		return
	}
	s.texts(items)
	if s.build {
		for i := 0; s.firstLong < 0 && i < len(items); i++ {
			if items[i].Len > s.Limits.HashValue {
				s.firstLong = s.n + int64(i/2)
			}
		}
	}
	s.n += int64(len(items) / 2)
}

// hashBuilds says whether a hash of n fields, stored one by one, may become
// packed, so that the texts of its elements must be seen.
func (s *sizer) hashBuilds(n int64) bool {
	return s.Loaded && n <= s.Limits.HashEntries || s.Audit && n <= auditEntries
}

// endHash sizes a hash that the dump holds field by field.
func (s *sizer) endHash(withTTL bool) {
	n, p := s.n, s.firstLong
	r := n - p - 1
	valkeyTTL := withTTL && s.l.fieldTTL == ttlValkey
	switch {
	case !s.Loaded && valkeyTTL && n <= s.Limits.HashEntries:
		s.hashTable(tablePresized, nil) // made of a listpack at the first TTL
	case !s.Loaded:
		s.shrunk = n <= s.Limits.HashEntries && s.longest <= s.Limits.HashValue && !valkeyTTL
		s.hashTable(s.live(n, s.Limits.HashEntries, false))
	case valkeyTTL:
		s.hashTable(tablePresized, nil)
	case n > s.Limits.HashEntries && withTTL:
		s.hashTable(tableGrown, nil)
	case n > s.Limits.HashEntries && s.l.growHash && n <= 4:
		s.hashTable(tableGrown, nil)
	case n > s.Limits.HashEntries:
		s.hashTable(tablePresized, nil)
	case p < 0:
		s.endHashPacked(s.packedBuilt(), withTTL)
	case withTTL:
		later := r
		if s.l.fieldTTL == ttlRedis86 {
			later = n
		}
		steps := []step{{false, p}, {true, p}, {false, later}, {true, r + 1}}
		if later <= 4 {
			steps = []step{{false, p}, {true, p}, {true, r + 1}}
		}
		s.hashTable(tableSteps, steps)
	case s.l.growHash: // 6.2 tells nothing before
		steps := []step{{true, p + 1}, {false, r}, {true, r}}
		if r <= 4 {
			steps = []step{{true, p + 1}, {true, r}}
		}
		s.hashTable(tableSteps, steps)
	case s.l.bucketed:
		s.hashTable(tableSteps, []step{{false, p}, {true, p + 1}, {false, r}, {true, r}})
	default:
		later := r
		if s.l.fieldTTL == ttlRedis86 {
			later = n
		}
		steps := []step{{false, p}, {true, p + 1}, {false, later}, {true, r}}
		if later <= 4 {
			steps = []step{{false, p}, {true, p + 1}, {true, r}}
		}
		s.hashTable(tableSteps, steps)
	}
}

// endHashPacked sizes a packed hash of b bytes.
func (s *sizer) endHashPacked(b int64, withTTL bool) {
	s.enc = s.packedEncoding()
	s.key()
	if withTTL {
		s.enc = ListpackEx
		switch s.l.fieldTTL {
		case ttlRedis86: // counts the struct and the blob as they were asked for
			s.add("listpackex", 1, 24, 24, s.a.Class(24))
			s.add("listpack", 1, b, b, s.a.Class(b))
		default:
			s.one("listpackex", 32)
			s.one("listpack", b)
		}
		return
	}
	s.blob(s.enc.String(), b)
}

// hashBlobOpens says whether a packed hash must be opened: it will be rebuilt
// or become a table.
func (s *sizer) hashBlobOpens(n int64, rebuild, withTTL bool) bool {
	return rebuild || s.Loaded && s.Given.Hash && (n > s.Limits.HashEntries || n < 0) || withTTL && s.l.fieldTTL == ttlValkey
}

// endHashBlob sizes a hash that the dump holds packed, in b bytes; opened, its
// fields have been added. zipmaps also give way to long elements.
func (s *sizer) endHashBlob(b int64, opened, rebuild, zipmap, withTTL bool) {
	if opened {
		over := s.n > s.Limits.HashEntries && (s.Given.Hash || zipmap) || zipmap && s.firstLong >= 0
		if s.Loaded && over || withTTL && s.l.fieldTTL == ttlValkey {
			kind := tablePresized
			if s.l.growHash {
				kind = tableGrown
			}
			s.hashTable(kind, nil)
			return
		}
		if rebuild {
			b = s.packedBuilt()
		}
	}
	s.endHashPacked(b, withTTL)
}
