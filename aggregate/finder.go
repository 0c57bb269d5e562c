package aggregate

// finder remembers where the rows of a table are that is kept as a map: those
// found of late, as most keys are of few patterns, and of all others a bit each
// by which most patterns without a row are told without a look into the map.
// Hashes are of patterns, by whatever rule, always the same.
type finder[R any] struct {
	late [64]struct {
		hash uint32
		row  *R
	}
	bits [1 << 10]uint64
	full bool // rows are in the table that no bit was set for
}

// last is the row found last for some hash like this, nil if there was none.
func (f *finder[R]) last(hash uint32) *R {
	if l := &f.late[hash%uint32(len(f.late))]; l.hash == hash {
		return l.row
	}
	return nil
}

// may says whether a pattern can have a row.
func (f *finder[R]) may(hash uint32) bool {
	at := hash >> 16
	return f.full || f.bits[at/64]>>(at%64)&1 != 0
}

// at notes the row of a pattern.
func (f *finder[R]) at(hash uint32, row *R) {
	l := &f.late[hash%uint32(len(f.late))]
	l.hash, l.row = hash, row
	at := hash >> 16
	f.bits[at/64] |= 1 << (at % 64)
}

// others says that the table got rows from elsewhere.
func (f *finder[R]) others() {
	clear(f.late[:])
	f.full = true
}

// reset forgets all, to be told of the rows that remain.
func (f *finder[R]) reset() { *f = finder[R]{full: f.full} }
