package aggregate

import (
	"math/bits"
	"slices"
)

// Hist is a histogram of non-negative integers with 16 buckets per octave:
// values below 32 are exact, others are off by 3.1 % at worst. Counts are
// exact, so histograms add up without loss. The zero value is empty.
//
// Up to 4 distinct buckets are kept as a list, more as a dense window over
// the range seen: most patterns hold few sizes, possibly far apart.
type Hist struct {
	n     []int64 // dense: count of bucket lo+i; list: bucket<<48 | count, unsorted
	lo    int32
	dense bool
}

const (
	histList  = 4  // longest list
	histShift = 48 // of the bucket in a list's entry
	histMask  = 1<<histShift - 1
	histMax   = 59*16 + 15 // bucket of math.MaxInt64 is 58*16 + 31
)

// histBucket is the bucket of a value; values below zero count as zero.
func histBucket(v int64) int {
	if v < 16 {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - 5
	return e<<4 + int(v>>e)
}

// histValue is the value that stands for a bucket: its middle.
func histValue(b int) int64 {
	if b < 32 {
		return int64(b)
	}
	s := b>>4 - 1
	return int64(b&15|16)<<s + (int64(1)<<s-1)/2
}

// Add counts a value.
func (h *Hist) Add(v int64) { h.addBucket(histBucket(v), 1) }

func (h *Hist) addBucket(b int, count int64) {
	if h.dense {
		if i := b - int(h.lo); uint(i) < uint(len(h.n)) {
			h.n[i] += count
			return
		}
		h.widen(b, b)
		h.n[b-int(h.lo)] += count
		return
	}
	for i, e := range h.n {
		if e>>histShift == int64(b) {
			h.n[i] += count
			return
		}
	}
	if len(h.n) < histList {
		if h.n == nil {
			h.n = make([]int64, 0, histList)
		}
		h.n = append(h.n, int64(b)<<histShift|count)
		return
	}
	h.toDense()
	h.addBucket(b, count)
}

func (h *Hist) toDense() {
	list := h.n
	h.n, h.dense = nil, true
	if len(list) == 0 {
		return
	}
	lo, hi := histMax, 0
	for _, e := range list {
		lo, hi = min(lo, int(e>>histShift)), max(hi, int(e>>histShift))
	}
	h.widen(lo, hi)
	for _, e := range list {
		h.n[int(e>>histShift)-int(h.lo)] += e & histMask
	}
}

// widen makes the window span lo and hi, with a little room on the side that grew.
func (h *Hist) widen(lo, hi int) {
	if len(h.n) == 0 {
		h.n, h.lo = make([]int64, hi+1-lo), int32(lo)
		return
	}
	from, to := int(h.lo), int(h.lo)+len(h.n)
	room := len(h.n)/4 + 1
	if lo < from {
		from = max(0, lo-room)
	}
	if hi >= to {
		to = min(histMax+1, hi+1+room)
	}
	n := make([]int64, to-from)
	copy(n[int(h.lo)-from:], h.n)
	h.n, h.lo = n, int32(from)
}

// Merge counts all that o has counted; o stays as it is.
func (h *Hist) Merge(o *Hist) {
	if o.dense && len(o.n) > 0 {
		if !h.dense {
			h.toDense()
		}
		first, last := o.bounds()
		if first <= last && (first < int(h.lo) || last >= int(h.lo)+len(h.n)) {
			h.widen(first, last)
		}
	}
	o.each(func(b int, count int64) { h.addBucket(b, count) })
}

// bounds are the first and last buckets in use of a dense histogram.
func (h *Hist) bounds() (first, last int) {
	i, j := 0, len(h.n)-1
	for i <= j && h.n[i] == 0 {
		i++
	}
	for j >= i && h.n[j] == 0 {
		j--
	}
	return i + int(h.lo), j + int(h.lo)
}

// each calls f for the buckets in use: in order if dense, else in any.
func (h *Hist) each(f func(b int, count int64)) {
	for i, e := range h.n {
		if !h.dense {
			f(int(e>>histShift), e&histMask)
		} else if e != 0 {
			f(i+int(h.lo), e)
		}
	}
}

// Len is the number of values counted.
func (h *Hist) Len() int64 {
	var n int64
	h.each(func(_ int, count int64) { n += count })
	return n
}

// Percentile is the nearest-rank percentile, p from 1 to 100; 0 if nothing was counted.
func (h *Hist) Percentile(p int64) int64 {
	total := h.Len()
	if total == 0 {
		return 0
	}
	rank := total/100*p + (total%100*p+99)/100
	n := h.n
	if !h.dense {
		n = slices.Clone(n)
		slices.Sort(n) // the bucket is in the top bits
	}
	for i, e := range n {
		b, count := i+int(h.lo), e
		if !h.dense {
			b, count = int(e>>histShift), e&histMask
		}
		if rank -= count; rank <= 0 {
			return histValue(b)
		}
	}
	return 0
}

// memory is what the counts take, in bytes.
func (h *Hist) memory() int64 { return int64(cap(h.n)) * 8 }
