package aggregate

// sums are what several analyses want to know of items taken together: most
// need to look at the items themselves only now and then.
type sums struct {
	lives                                 [numLives]tally
	all                                   tally // of lives
	size, alloc, serialized, elems, slack int64
	idle, freq                            int64   // keys of which the dump says so
	slots                                 bool    // some are of a cluster's slots
	flagged                               bool    // some have flags
	apart                                 bool    // they are of several dictionaries
	seen                                  []*item // with something for an audit to look at
}

// of sums items up.
func (x *sums) of(items []item) {
	*x = sums{seen: x.seen[:0]}
	first := items[0].r
	var flags uint8
	for i := range items {
		it := &items[i]
		r := it.r
		x.lives[it.life].add(it.n)
		x.size += r.Size
		x.alloc += r.Alloc
		x.serialized += r.Serialized
		x.elems += r.Elems
		x.slack += r.Slack
		flags |= uint8(r.Flags)
		if r.Idle >= 0 {
			x.idle++
		}
		if r.Freq >= 0 {
			x.freq++
		}
		if r.Slot >= 0 {
			x.slots = true
		}
		if r.DB != first.DB || r.Slot != first.Slot || r.Source != first.Source {
			x.apart = true
		}
		if r.Audit != nil || r.Slack > 0 || it.left >= farTTL {
			x.seen = append(x.seen, it)
		}
	}
	x.flagged = flags != 0
	x.all = sumLives(&x.lives)
}
