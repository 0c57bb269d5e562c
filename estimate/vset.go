package estimate

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
)

// maxVsetEntries is how many expiry times of one hash are looked at.
const maxVsetEntries = 1 << 20

// Sizes of the volatile set, Valkey 9.1's index of fields by expiry time
// (src/vset.c of 9.1.2).
const (
	vsetVector = 127     // VOLATILESET_VECTOR_BUCKET_MAX_SIZE
	vsetFine   = 1 << 4  // VOLATILESET_BUCKET_INTERVAL_MIN, milliseconds
	vsetCoarse = 1 << 13 // VOLATILESET_BUCKET_INTERVAL_MAX
	vsetTree   = 32      // what is counted for struct rax
	vsetTable  = 80      // sizeof(hashtable), src/hashtable.c
)

// vsetBytes returns mean and variance of the bytes of the index of a hash with
// total expiring fields, given their expiry times (unix milliseconds) in the
// order of the dump. If there are only the first of them, what these take is
// scaled up. The slice is its to reorder.
func vsetBytes(a Allocator, expires []int64, total int64) (mean, variance float64) {
	total = max(total, int64(len(expires)))
	switch {
	case total <= 1 || len(expires) == 0:
		return 0, 0
	case total <= vsetVector:
		return float64(vectorBytes(a, total)), 0
	}
	for i, at := range expires {
		expires[i] = min(at, 1<<62) // so that a damaged dump's windows have an end
	}
	// A vector that gets too long hands over its entries by expiry time, the
	// rest come as they are. Buckets never span coarse windows, so each window
	// can be filled apart from the others.
	slices.Sort(expires[:min(vsetVector, len(expires))])
	slices.SortStableFunc(expires, func(x, y int64) int {
		switch x, y := x&^(vsetCoarse-1), y&^(vsetCoarse-1); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	tree := rax{alloc: a}
	var w vsetWindow
	for rest := expires; len(rest) > 0; {
		end := windowEnd(rest[0], vsetCoarse)
		n := sort.Search(len(rest), func(i int) bool { return rest[i] >= end })
		w.fill(rest[:n], end)
		rest = rest[n:]
		for i := range w.buckets {
			b := &w.buckets[i]
			var key [8]byte
			binary.BigEndian.PutUint64(key[:], uint64(b.end))
			tree.add(key[:])
			if b.hashed == 0 {
				mean += float64(vectorBytes(a, int64(len(b.times))))
				continue
			}
			t := table{newer: true}
			t.insert(b.hashed)
			_, _, buckets, bucketsVar := t.buckets()
			children, childrenVar, _ := t.children()
			mean += vsetTable + bucketBytes*(buckets+children)
			variance += bucketBytes * bucketBytes * (bucketsVar + childrenVar)
		}
	}
	mean += float64(tree.finish().bytes)
	scale := float64(total) / float64(len(expires))
	return vsetTree + mean*scale, variance * scale
}

// vectorBytes returns what a vector of w entries takes (pvRequiredSize); a
// single entry needs none.
func vectorBytes(a Allocator, w int64) int64 {
	if w <= 1 {
		return 0
	}
	return a.Class(8 + 8*w)
}

// windowEnd returns the end of the window, so long in milliseconds, around at
// (get_bucket_ts, get_max_bucket_ts).
func windowEnd(at, long int64) int64 { return at&^(long-1) + long }

// vsetBucket holds the entries that expire before end and not before the end
// of the bucket in front of it.
type vsetBucket struct {
	end    int64
	times  []int64 // in a vector
	hashed int64   // entries in a hash table; 0 for a vector
}

// vsetWindow is one coarse window with its buckets in order.
type vsetWindow struct {
	buckets []vsetBucket
}

// fill replaces the buckets by those of the given entries (insertToBucket_RAX
// and what it calls).
func (w *vsetWindow) fill(times []int64, end int64) {
	w.buckets = w.buckets[:0]
	for _, at := range times {
		for !w.insert(at, end) {
		}
	}
}

// insert adds one entry, or makes room and reports false.
func (w *vsetWindow) insert(at, end int64) bool {
	i := sort.Search(len(w.buckets), func(i int) bool { return w.buckets[i].end > at })
	if i == len(w.buckets) {
		w.buckets = append(w.buckets, vsetBucket{end: end, times: []int64{at}})
		return true
	}
	b := &w.buckets[i]
	switch {
	case b.hashed > 0:
		b.hashed++
		return true
	case len(b.times) < vsetVector:
		b.times = append(b.times, at)
		return true
	}
	slices.Sort(b.times)
	first, last := windowEnd(b.times[0], vsetFine), windowEnd(b.times[vsetVector-1], vsetFine)
	switch {
	case last < b.end:
		b.end = last // wider than its entries need
	case first == last:
		b.hashed, b.times = vsetVector, nil // nothing to part them by
	default:
		n := splitPosition(b.times)
		left := vsetBucket{end: windowEnd(b.times[n-1], vsetFine), times: b.times[:n:n]}
		b.times = b.times[n:]
		w.buckets = slices.Insert(w.buckets, i, left)
	}
	return false
}

// splitPosition returns the place nearest the middle where sorted times go
// from one fine window to another, the earlier of two (findSplitPosition).
func splitPosition(times []int64) int {
	differ := func(i int) bool {
		return 0 < i && i < len(times) && windowEnd(times[i-1], vsetFine) < windowEnd(times[i], vsetFine)
	}
	mid := len(times) / 2
	for off := 0; off <= mid; off++ {
		switch {
		case differ(mid - off):
			return mid - off
		case differ(mid + off):
			return mid + off
		}
	}
	return mid // not reached: the ends lie in different windows
}

// ttlIndex returns about what the index of n expiring fields of one hash takes
// in Redis 7.4 and later (src/ebuckets.c), by what was measured for fields
// that expire between minMs and maxMs. Up to 16 fields (EB_LIST_MAX_ITEMS) form
// a list inside the fields themselves.
func ttlIndex(n, minMs, maxMs int64) int64 {
	if n <= 16 {
		return 0
	}
	const (
		sameMs, second, day = 1.5, 3.3, 5.3 // bytes a field, by how far the times lie apart
		perHash             = 6
	)
	per := sameMs
	if spread := float64(maxMs) - float64(minMs); spread > 0 {
		// Between what was measured, in proportion to the digits of the spread.
		const lgSecond, lgDay = 3, 7.9365
		switch lg := math.Log10(spread); {
		case lg >= lgDay:
			per = day
		case lg >= lgSecond:
			per = second + (day-second)*(lg-lgSecond)/(lgDay-lgSecond)
		default:
			per = sameMs + (second-sameMs)*(lg+1)/(lgSecond+1)
		}
	}
	return perHash + int64(per*float64(n)+0.5)
}
