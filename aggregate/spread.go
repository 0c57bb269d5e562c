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

func (s *spread) add(v int64) {
	s.sum += v
	u := uint64(max(v, -v))
	hi, lo := bits.Mul64(u, u)
	s.plus(hi, lo)
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

// a sampling is how many keys were looked at, of how many; about says that these
// were not counted.
type sampling struct {
	n, of int64
	about bool
}

// all scales a sum over those looked at up to all.
func (s sampling) all(sum int64) int64 {
	if s.n <= 0 || s.n >= s.of {
		return sum
	}
	hi, lo := bits.Mul64(uint64(max(sum, -sum)), uint64(s.of))
	if hi >= uint64(s.n) {
		return math.MaxInt64
	}
	v, _ := bits.Div64(hi, lo, uint64(s.n))
	if sum < 0 {
		return -int64(v)
	}
	return int64(v)
}

// leastSample is how many keys must have been looked at for anything to be said.
const leastSample = 10

// few says that too few were looked at to say anything of all.
func (s sampling) few() bool { return s.n < s.of && s.n < leastSample }

// off is how far such a sum may be off by the luck of the draw, as a part of
// it: 1.96 standard errors of the mean of n drawn without putting back (Cochran,
// Sampling Techniques, 2.5 to 2.7), and more for few keys, about as Student's
// distribution has it: it lies within that 19 times of 20.
func (s sampling) off(v *spread) float64 {
	if s.n >= s.of || v.sum == 0 {
		return 0
	}
	if s.n < 2 {
		return 1
	}
	n := float64(s.n)
	mean := math.Abs(float64(v.sum)) / n
	return 1.96 * (1 + 1.4/(n-1)) * math.Sqrt(v.variance(s.n)/n*(1-n/float64(s.of))) / mean
}

// sure says in words how sure a sum is.
func (s sampling) sure(v *spread) string {
	if s.n >= s.of {
		return "exact by the memory model: all " + count(s.of) + " keys were looked at"
	}
	about := ""
	if s.about {
		about = "about "
	}
	return fmt.Sprintf("estimated from %s of %s%s keys: give or take %s, 19 times of 20", count(s.n), about, count(s.of), tenths(s.off(v)))
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
