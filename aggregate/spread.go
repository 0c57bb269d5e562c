package aggregate

import (
	"fmt"
	"math"
	"math/bits"
)

// spread is the sum of numbers and the sum of their squares, which has 128
// bits so that it stays an integer.
type spread struct {
	sum    int64
	hi, lo uint64
}

func (s *spread) add(v int64) { s.addTimes(v, 1) }

// addTimes adds a number so many times.
func (s *spread) addTimes(v, times int64) {
	s.sum += v * times
	u := uint64(max(v, -v))
	hi, lo := bits.Mul64(u, u)
	over, lo := bits.Mul64(lo, uint64(times))
	s.plus(hi*uint64(times)+over, lo)
}

func (s *spread) plus(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

func (s *spread) merge(o *spread) {
	s.sum += o.sum
	s.plus(o.hi, o.lo)
}

// variance is that of a number, of n of which those not added were zero.
func (s *spread) variance(n int64) float64 {
	if n < 2 {
		return 0
	}
	squares := float64(s.hi)*0x1p64 + float64(s.lo)
	return max(0, squares-float64(s.sum)*float64(s.sum)/float64(n)) / float64(n-1)
}

// looks are how many keys were looked at, and the sum of the squares of how many
// others of the sample each stands for, itself among them (Audit.Thins): sums
// over them have each key that many times.
type looks struct{ seen, squares int64 }

func (l *looks) add(times int64) {
	l.seen++
	l.squares += times * times
}

func (l *looks) merge(o *looks) {
	l.seen += o.seen
	l.squares += o.squares
}

// part is how much of a sum over keys that stand for so many is of those that
// were looked at themselves, about.
func (l *looks) part(sum, standFor int64) int64 { return scale(sum, l.seen, standFor) }

// count is part of a number of keys, and others that stand for themselves, in words.
func (l *looks) count(n, standFor, others int64) string {
	if l.squares == l.seen {
		return count(n + others)
	}
	return "about " + count(l.part(n, standFor)+others)
}

// a sampling is how many keys were looked at, for how many of the sample they
// stand, and of how many they are; about says that these were not counted.
type sampling struct {
	looks
	n, of int64
	about bool
}

// allOf is the sampling of keys all of which were looked at.
func allOf(n int64) sampling { return sampling{looks{n, n}, n, n, false} }

// all scales a sum over those looked at up to all.
func (s sampling) all(sum int64) int64 {
	return scale(sum, s.of, s.n)
}

// scale is sum*of/n, or sum if n is nothing.
func scale(sum, of, n int64) int64 {
	if n <= 0 || n == of {
		return sum
	}
	hi, lo := bits.Mul64(uint64(max(sum, -sum)), uint64(of))
	if hi >= uint64(n) {
		return math.MaxInt64
	}
	v, _ := bits.Div64(hi, lo, uint64(n))
	if v > math.MaxInt64 {
		return math.MaxInt64
	}
	if sum < 0 {
		return -int64(v)
	}
	return int64(v)
}

// exact says that all were looked at.
func (s sampling) exact() bool { return s.seen >= s.of }

// worth is how many keys that stand for equally many would tell as much (Kish,
// Survey Sampling, 11.7).
func (s sampling) worth() float64 {
	return min(float64(s.n)/float64(max(s.squares, 1))*float64(s.n), float64(s.seen))
}

// leastSample is how many keys must have been looked at for anything to be said.
const leastSample = 10

// few says that too few were looked at to say anything of all.
func (s sampling) few() bool { return !s.exact() && s.worth() < leastSample }

// off is how far such a sum may be off by the luck of the draw, as a part of
// it: 1.96 standard errors of the mean of n drawn without putting back (Cochran,
// Sampling Techniques, 2.5 to 2.7), and more for few keys, about as Student's
// distribution has it: it lies within that 19 times of 20.
func (s sampling) off(v *spread) float64 {
	if s.exact() || v.sum == 0 {
		return 0
	}
	n := s.worth()
	if n < 2 {
		return 1
	}
	mean := math.Abs(float64(v.sum)) / float64(s.n)
	return 1.96 * (1 + 1.4/(n-1)) * math.Sqrt(v.variance(s.n)/n*(1-n/float64(s.of))) / mean
}

// sure says in words how sure a sum is.
func (s sampling) sure(v *spread) string {
	if s.exact() {
		return "exact by the memory model: all " + count(s.of) + " keys were looked at"
	}
	about := ""
	if s.about {
		about = "about "
	}
	return fmt.Sprintf("estimated from %s of %s%s keys: give or take %s, 19 times of 20", count(s.seen), about, count(s.of), tenths(s.off(v)))
}

func tenths(f float64) string {
	switch {
	case f < 0.0005:
		return "0.1 %"
	case f < 0.095:
		return fmt.Sprintf("%.1f %%", 100*f)
	}
	return fmt.Sprintf("%.0f %%", min(100*f, 999))
}

func count(n int64) string { return fmt.Sprint(n) }
