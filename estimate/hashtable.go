package estimate

import "math"

// A bucket of the bucketed table is 64 bytes: a word of hash bits and seven
// entries. One that overflows gives its last place to the address of a child
// bucket, so that the first seven entries need one bucket and every further
// six another (src/hashtable.c ENTRIES_PER_BUCKET, bucketConvertToChained;
// Valkey 8.1.1 and 9.1.2).
const (
	bucketBytes   = 64
	bucketEntries = 7
)

// maxBuckets stops the doubling for counts that only damaged dumps have.
const maxBuckets = 1 << 56

// bucketsFor returns the top-level buckets of a table that was told to hold n
// keys (src/hashtable.c nextBucketExp: floor((5n-1)/32)+1 and up to a power of
// two, which fills buckets to 6.4 keys at most).
func bucketsFor(n int64) int64 {
	want := int64(1)
	if n > 0 {
		want = (5*min(n, 7*maxBuckets)-1)/32 + 1
	}
	b := int64(1)
	for b < want && b < maxBuckets {
		b <<= 1
	}
	return b
}

// bucketsGrown returns the top-level buckets of a table that got n keys one by
// one and has finished rehashing: it starts with one and doubles when an
// insertion finds 7 keys to every bucket (src/hashtable.c expandIfNeeded with
// MAX_FILL_PERCENT_SOFT 100).
func bucketsGrown(n int64) int64 {
	b := int64(1)
	for bucketEntries*b < n && b < maxBuckets {
		b <<= 1
	}
	return b
}

// childStats describes the number of child buckets of one bucket.
type childStats struct {
	mean     float64
	variance float64
	cov      float64 // covariance with the number of keys in it
	third    float64 // third central moment of what does not follow from that number
}

// childrenOf returns the statistics for a bucket that each of n keys falls
// into with probability p: ceil((X-7)/6) children for X keys above 7, X being
// binomial.
func childrenOf(n int64, p float64) (s childStats) {
	lambda := float64(n) * p
	if n <= bucketEntries || lambda <= 0 {
		return s
	}
	if p >= 1 {
		s.mean = float64((n - 2) / 6)
		return s
	}
	if lambda > 600 {
		// So full that only where in a child the chain ends is left of chance:
		// one of six places, evenly.
		s.mean = (lambda-bucketEntries)/6 + 5./12
		s.cov = lambda * (1 - p) / 6
		s.variance = s.cov/6 + 35./432
		return s
	}
	// The sums run from 8 keys up to where nothing is left, through the
	// recurrence of the binomial probabilities.
	nf := float64(n)
	odds := p / (1 - p)
	prob := math.Exp(nf * math.Log1p(-p)) // of no key
	for x := 1.; x <= bucketEntries; x++ {
		prob *= (nf - x + 1) / x * odds
	}
	var c, cx, cc, ccx, cxx, ccc float64 // means of products of children (c) and keys beyond lambda (x)
	children, left := 0., 0
	for x := float64(bucketEntries + 1); x <= nf; x++ {
		prob *= (nf - x + 1) / x * odds
		if left == 0 {
			children++
			left = 6
		}
		left--
		d := x - lambda
		w := prob * children
		c += w
		cx += w * d
		cxx += w * d * d
		w *= children
		cc += w
		ccx += w * d
		ccc += w * children
		if w < 1e-18*cc && d > 0 {
			break
		}
	}
	q := 1 - p
	s.mean = c
	s.variance = cc - c*c
	s.cov = cx
	// Third central moment of children - beta*keys, expanded.
	varX := lambda * q
	beta := cx / varX
	c3 := ccc - 3*c*cc + 2*c*c*c
	c2x := ccx - 2*c*cx
	cx2 := cxx - c*varX
	x3 := lambda * q * (q - p)
	s.third = c3 - 3*beta*c2x + 3*beta*beta*cx2 - beta*beta*beta*x3
	return s
}

// children returns mean and variance of the child buckets of a table of n keys
// in so many top-level buckets. The places of the keys depend on a hash seed
// drawn when the server starts.
func children(n, buckets int64) (mean, variance float64) {
	mean, variance, _ = childMoments(n, buckets)
	return mean, variance
}

// likeliestChildren returns the most likely number of child buckets.
func likeliestChildren(n, buckets int64) int64 {
	return mode(childMoments(n, buckets))
}

// childMoments returns the first three cumulants of the child buckets of a
// whole table. Its buckets share n keys, so what children owe to the number of
// keys in their bucket adds up to nothing.
func childMoments(n, buckets int64) (mean, variance, third float64) {
	if n <= bucketEntries {
		return 0, 0, 0
	}
	m := float64(buckets)
	s := childrenOf(n, 1/m)
	if buckets == 1 {
		return s.mean, 0, 0
	}
	mc := m * s.cov
	return m * s.mean, max(0, m*s.variance-mc*mc/float64(n)), m * s.third
}

// mode returns the likeliest value of a count with these cumulants, by the
// first correction to the normal distribution.
func mode(mean, variance, third float64) int64 {
	if variance > 0 {
		mean -= third / (2 * variance)
	}
	return max(0, int64(math.Round(mean)))
}

// childMemo remembers child bucket statistics. The zero value is ready to use.
type childMemo struct {
	entries [1024]childEntry
}

type childEntry struct {
	n, buckets     int64
	mean, variance float64
	likeliest      int64
}

// children returns mean, variance and likeliest number of child buckets of n
// keys in so many top-level buckets.
func (m *childMemo) children(n, buckets int64) (mean, variance float64, likeliest int64) {
	if n <= bucketEntries {
		return 0, 0, 0
	}
	e := &m.entries[n%int64(len(m.entries))]
	if e.n != n || e.buckets != buckets {
		mean, variance, third := childMoments(n, buckets)
		*e = childEntry{n, buckets, mean, variance, mode(mean, variance, third)}
	}
	return e.mean, e.variance, e.likeliest
}

// table follows a bucketed table through hints and insertions by its sizes
// alone (src/hashtable.c), in time that depends on how often it grows. The zero
// value is an empty table of Valkey 8.1.
type table struct {
	newer bool // Valkey 9.1

	size  int64 // buckets, or those of the old table while rehashing
	next  int64 // buckets of the new table; 0 when not rehashing
	used  int64 // keys in both
	moved int64 // keys when the rehash started
	steps int64 // old buckets moved since
}

// hint is hashtableExpand(n).
func (t *table) hint(n int64) {
	t.settle()
	if n < t.used || t.newer && t.next != 0 {
		return
	}
	t.resize(n)
}

// resize gives the table buckets for n keys. A rehash under way is completed
// first.
func (t *table) resize(n int64) {
	size := bucketsFor(n)
	if t.next != 0 {
		if size == t.next {
			return
		}
		t.size, t.next = t.next, 0
	}
	switch {
	case size == t.size:
	case t.used == 0:
		t.size = size
	default:
		t.next, t.moved, t.steps = size, t.used, 0
	}
}

// insert adds count new keys. Each insertion moves one old bucket while a
// rehash is under way, and only then looks whether there is room.
func (t *table) insert(count int64) {
	for count > 0 {
		current := t.size
		if t.next != 0 {
			current = t.next
		}
		if n := min(count, bucketEntries*current-t.used); n > 0 {
			t.steps += n
			t.used += n
			count -= n
			t.settle()
			continue
		}
		t.steps++
		t.settle()
		if t.next == 0 || !t.newer {
			t.resize(t.used + 1)
		}
		t.used++
		count--
	}
}

// settle ends the rehash if it is likely over.
func (t *table) settle() {
	if t.next != 0 && t.finished() >= 0.5 {
		t.size, t.next = t.next, 0
	}
}

// finished returns the probability that the rehash is over: Valkey 8.1 visits
// every old bucket, 9.1 stops once the last key has moved.
func (t *table) finished() float64 {
	switch {
	case t.steps >= t.size:
		return 1
	case !t.newer:
		return 0
	}
	return math.Pow(float64(t.steps)/float64(t.size), float64(t.moved))
}

// buckets returns the likeliest number of top-level buckets, those of the new
// table apart, and mean and variance of their sum.
func (t *table) buckets() (size, next int64, mean, variance float64) {
	t.settle()
	if t.next == 0 {
		return t.size, 0, float64(t.size), 0
	}
	p := 1 - t.finished()
	old := float64(t.size)
	return t.size, t.next, float64(t.next) + p*old, p * (1 - p) * old * old
}

// children returns mean, variance and likeliest number of child buckets of
// both tables.
func (t *table) children() (mean, variance float64, likeliest int64) {
	t.settle()
	var third float64
	add := func(share float64, n, buckets int64) {
		c, v, k := childMoments(n, buckets)
		mean += share * c
		variance += share * v
		third += share * k
	}
	if t.next == 0 {
		add(1, t.used, t.size)
	} else {
		// Keys moved so far fill the same share of the new table.
		moved := float64(t.steps) / float64(t.size)
		add(1-moved, t.moved, t.size)
		add(moved, t.used, t.next)
		add(1-moved, t.used-t.moved, t.next)
	}
	return mean, variance, mode(mean, variance, third)
}
