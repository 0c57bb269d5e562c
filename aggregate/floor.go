package aggregate

import (
	"bytes"

	"rdbaudit/estimate"
)

// Floor is the last key of a full list of the largest: what a key must beat to
// enter it. It does not change once made.
type Floor struct {
	N   int64 // size in bytes of the measure
	DB  uint64
	Key []byte // in its kept form
}

// Beaten says whether a key of size n would enter the list. It never denies
// one that would; keys that only tie are told apart by database and name.
func (f *Floor) Beaten(n int64, db uint64, key []byte) bool {
	if f == nil || n != f.N || len(key) > maxKey {
		return f == nil || n >= f.N
	}
	if db != f.DB {
		return db < f.DB
	}
	return bytes.Compare(key, f.Key) <= 0
}

// Floor is the floor of the list of a type; nil while there is room. last is
// the one given before: if it still holds it is given again.
func (s *Set) Floor(t estimate.Type, last *Floor) *Floor {
	top := s.largest
	t = min(t, estimate.NumTypes-1)
	h := top.heaps[t]
	if top.o.Top <= 0 {
		return &Floor{N: 1<<63 - 1}
	}
	if len(h) < top.o.Top {
		return nil
	}
	at := &h[0]
	if last != nil && last.N == at.n && last.DB == at.r.DB && bytes.Equal(last.Key, at.r.Key) {
		return last
	}
	return &Floor{N: at.n, DB: at.r.DB, Key: bytes.Clone(at.r.Key)}
}
