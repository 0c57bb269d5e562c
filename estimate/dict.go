package estimate

import "math"

// pow2 returns the slots of a chained table that was told to hold n keys: the
// smallest power of two that is at least n and at least 4 (src/dict.c
// _dictNextPower, DICT_HT_INITIAL_SIZE).
func pow2(n int64) int64 {
	size := int64(4)
	for size < n && size < 1<<62 {
		size <<= 1
	}
	return size
}

// nonEmpty returns mean and variance of the number of buckets that keys
// hashed at random leave non-empty.
func nonEmpty(keys, buckets int64) (mean, variance float64) {
	if keys <= 0 || buckets <= 0 {
		return 0, 0
	}
	if buckets == 1 {
		return 1, 0
	}
	u, m := float64(keys), float64(buckets)
	// Empty ones: their mean a = m(1-1/m)^u, and for the variance
	// m(m-1)(1-2/m)^u + a - a^2, written so that nothing large cancels.
	la := u * math.Log1p(-1/m)
	a := m * math.Exp(la)
	mean = -m * math.Expm1(la)
	if buckets == 2 {
		return mean, max(0, a-a*a)
	}
	// ln of ((1-2/m)/(1-1/m)^2)^u = u ln(1 - 1/(m-1)^2)
	d := u * math.Log1p(-1/((m-1)*(m-1)))
	variance = a - a*a/m + a*a*(1-1/m)*math.Expm1(d)
	return mean, max(0, variance)
}

// dict follows a chained table (src/dict.c) through hints and insertions by
// its sizes alone, in time that depends on how often it grows. Only how many
// buckets hold the keys when a rehash starts is random, and with it when the
// rehash ends: where a hint meets an uncertain end the likelier case is
// followed.
//
// The zero value is a table of Redis 6.2, 7.0 or 7.2 without slots.
type dict struct {
	newer bool  // Redis 7.4 and later, Valkey 8.0
	finds int64 // look-ups before each insertion, which move a bucket each

	size  int64 // slots of the table, or of the old one while rehashing
	next  int64 // slots of the new table; 0 when not rehashing
	used  int64 // keys in both
	moved int64 // keys when the rehash started
	steps int64 // insertions since
}

// hint is dictExpand(n).
func (d *dict) hint(n int64) {
	d.settle(0)
	if d.next != 0 || d.used > n {
		return
	}
	size := pow2(n)
	switch {
	case d.size == 0:
		d.size = size
	case size == d.size || d.newer && d.size >= n:
	case d.newer && d.used == 0:
		d.size = size
	default:
		d.expand(size)
	}
}

func (d *dict) expand(size int64) {
	d.next, d.moved, d.steps = size, d.used, 0
}

// insert adds count new keys.
func (d *dict) insert(count int64) {
	for count > 0 {
		if d.next == 0 {
			if d.size == 0 {
				d.size = 4 // src/dict.h DICT_HT_INITIAL_SIZE
			}
			if n := min(count, d.size-d.used); n > 0 {
				d.used += n
				count -= n
				continue
			}
			// Full: this insertion starts a rehash, the next one moves a bucket.
			d.expand(2 * d.size)
			d.used++
			count--
			continue
		}
		// Whether the rehash is over matters again when the new table is full.
		if n := min(count, d.next-d.used); n > 0 {
			d.used += n
			d.steps += n * (1 + d.finds)
			count -= n
			continue
		}
		if d.settle(1 + d.finds); d.next == 0 {
			continue
		}
		d.used++
		d.steps += 1 + d.finds
		count--
	}
}

// settle ends the rehash if it is likely over after extra more steps.
func (d *dict) settle(extra int64) {
	if d.next != 0 && d.finished(d.steps+extra) >= 0.5 {
		d.size, d.next = d.next, 0
	}
}

// finished returns the probability that a rehash is over after so many steps.
// A step moves one non-empty bucket, or gives up after ten empty ones
// (src/dict.c dictRehash: empty_visits = n*10).
func (d *dict) finished(steps int64) float64 {
	if steps <= 0 {
		return 0
	}
	if d.moved == 0 || steps >= min(d.moved, d.size) && d.moved >= d.size/2 {
		return 1
	}
	small := d.size <= occupancyLimit && d.moved <= occupancyLimit
	if small && d.size <= 10 {
		return occupancyAtMost(d.moved, d.size, steps)
	}
	mean, variance := nonEmpty(d.moved, d.size)
	empty := math.Exp(float64(d.moved) * math.Log1p(-1/float64(d.size)))
	run := min(math.Pow(empty, 10), 0.999)
	wasted := mean * run / (1 - run) // steps that gave up
	z := (float64(steps) + 0.5 - mean - wasted) / math.Sqrt(variance+wasted+1e-9)
	switch {
	case z > 6:
		return 1
	case z < -6:
		return 0
	case small && wasted < 0.01:
		return occupancyAtMost(d.moved, d.size, steps)
	}
	return math.Erfc(-z/math.Sqrt2) / 2
}

// occupancyLimit bounds the tables whose occupancy is worked out exactly
// rather than as a normal distribution.
const occupancyLimit = 64

// occupancyAtMost returns the probability that keys thrown at random into
// buckets leave no more than most of them non-empty.
func occupancyAtMost(keys, buckets, most int64) float64 {
	var p [occupancyLimit + 1]float64 // by non-empty buckets
	p[0] = 1
	m := float64(buckets)
	for u := range keys {
		for b := min(u+1, buckets); b > 0; b-- {
			p[b] = p[b]*float64(b)/m + p[b-1]*(m-float64(b-1))/m
		}
		p[0] = 0
	}
	var sum float64
	for b := int64(0); b <= min(most, buckets); b++ {
		sum += p[b]
	}
	return min(sum, 1)
}

// tables returns the likeliest sizes of the table and, if a rehash is likely
// under way, of the new one.
func (d *dict) tables() (size, next int64) {
	if d.next != 0 && d.finished(d.steps) >= 0.5 {
		return d.next, 0
	}
	return d.size, d.next
}

// slots returns the likeliest number of slots of both tables, and mean and
// variance of that number.
func (d *dict) slots() (likely int64, mean, variance float64) {
	size, next := d.tables()
	likely = size + next
	if d.next == 0 {
		return likely, float64(likely), 0
	}
	p := 1 - d.finished(d.steps)
	old := float64(d.size)
	return likely, float64(d.next) + p*old, p * (1 - p) * old * old
}

// dictGrown returns the slots of a table that was never told its size.
func dictGrown(n int64) (likely int64, mean, variance float64) {
	var d dict
	d.insert(n)
	return d.slots()
}
