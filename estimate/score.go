package estimate

import (
	"math"
	"math/bits"
	"strconv"

	"rdbaudit/rdbparse"
)

// listpackScore returns the bytes of the listpack entry that holds the score
// of a sorted set's member (src/t_zset.c zzlInsertAt): an integer if it is one
// (src/util.c double2ll), else text printed by fpconv (Redis 7.2 and later,
// Valkey) or by printf (Redis 7.0).
func listpackScore(score float64, fpconv bool) int64 {
	if math.Abs(score) <= 1<<62 && score == math.Trunc(score) {
		return listpackInt(int64(score))
	}
	if !fpconv || math.IsInf(score, 0) || math.IsNaN(score) {
		return listpackStr(printfLen(score))
	}
	digits, exp := grisu2(math.Abs(score))
	n := fpconvLen(digits, exp, math.Signbit(score))
	if exp >= 0 && math.Abs(score) < 1<<63 && n == int64(digits+exp)+signLen(score) {
		return listpackInt(int64(score)) // the text is all digits, which a listpack notices
	}
	return listpackStr(n)
}

// addScore adds a score to a sorted set's ziplist (src/util.c d2string of Redis
// 6.2.16, which prints with %.17g; zipTryEncoding makes integers of all that
// look like one).
func (z *ziplistSize) addScore(score float64) {
	if math.Abs(score) < 1e17 && score == math.Trunc(score) && (score != 0 || !math.Signbit(score)) {
		z.addInt(int64(score))
		return
	}
	z.addStr(printfLen(score))
}

func signLen(f float64) int64 {
	if math.Signbit(f) {
		return 1
	}
	return 0
}

// printfLen returns the length of f printed with %.17g.
func printfLen(f float64) int64 {
	sign := signLen(f)
	switch {
	case math.IsNaN(f):
		return 3 // d2string writes "nan" whatever the sign
	case math.IsInf(f, 0):
		return sign + 3
	case f == 0:
		return sign + 1
	}
	if n := fixedLen(math.Abs(f)); n > 0 {
		return sign + n
	}
	const precision = 17
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], math.Abs(f), 'e', precision-1, 64) // d.dddde±xx
	exp := 0
	for _, c := range text[precision+3:] {
		exp = exp*10 + int(c-'0')
	}
	if text[precision+2] == '-' {
		exp = -exp
	}
	n := precision
	for text[n] == '0' { // stops at the point, in the place of a second digit
		n--
	}
	switch {
	case exp < -4 || exp >= precision:
		return sign + point(n) + int64(len(text)-precision-1)
	case exp < 0:
		return sign + int64(1-exp+n) // 0.000ddd
	case n > exp+1:
		return sign + int64(n) + 1
	}
	return sign + int64(exp) + 1
}

// fixedLen is printfLen for the common scores, from 1 to 2^53 with a fraction,
// whose 17 digits come exactly out of 128 bits; 0 for all others.
func fixedLen(f float64) int64 {
	if f < 1 || f >= 1<<53 {
		return 0
	}
	bitsOf := math.Float64bits(f)
	k := 1023 + 52 - uint(bitsOf>>52) // bits behind the point
	mantissa := bitsOf&(1<<52-1) | 1<<52
	whole, fraction := mantissa>>k, mantissa&(1<<k-1)
	if fraction == 0 {
		return 0
	}
	before := rdbparse.IntLen(int64(whole)) // digits before the point
	after := 17 - before
	hi, lo := bits.Mul64(fraction, tens[after])
	v := hi<<(64-k) | lo>>k
	// To the nearest, of two the even one; which way it goes cannot be foreseen.
	rest, half := lo&(1<<k-1), uint64(1)<<(k-1)
	v += (rest + half - 1 + v&1) >> k
	if v == 0 || v == tens[after] {
		return 0
	}
	for ; v%10 == 0; v /= 10 {
		after--
	}
	return before + 1 + after
}

// tens are the powers of ten that an int64 holds.
var tens = [19]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// point returns the length of n digits with a point after the first.
func point(n int) int64 {
	if n > 1 {
		return int64(n) + 1
	}
	return 1
}

// fpconvLen returns the length of a number of n digits times 10^exp as fpconv
// lays it out (deps/fpconv/fpconv_dtoa.c emit_digits, Redis 7.2.6).
func fpconvLen(n, exp int, negative bool) int64 {
	sign := int64(0)
	if negative {
		sign = 1
	}
	x := max(exp+n-1, 1-exp-n)
	switch {
	case exp >= 0 && x < n+7:
		return sign + int64(n+exp)
	case exp < 0 && (exp > -7 || x < 4):
		if n > -exp {
			return sign + int64(n) + 1
		}
		return sign + int64(2-exp)
	}
	n = min(n, 18-int(sign))
	length := sign + point(n) + 3
	for x > 9 {
		x /= 10
		length++
	}
	return length
}

// grisu2 returns how many digits Grisu2 prints for a positive finite f, and
// the power of ten of the last one. Florian Loitsch, "Printing Floating-Point
// Numbers Quickly and Accurately with Integers", PLDI 2010, section 5, with the
// choices of deps/fpconv that show: powers of ten in steps of eight, and
// scaled exponents of -60 to -32. It is now and then a digit longer than need
// be, and so is the servers' text. The digits themselves are not wanted, so
// neither is its last step, which makes the last one the nearest.
func grisu2(f float64) (digits, exp int) {
	const hidden = 1 << 52
	b := math.Float64bits(f)
	frac, e := b&(hidden-1), int(b>>52)&0x7ff
	if e == 0 {
		e = 1
	} else {
		frac |= hidden
	}
	e -= 1023 + 52

	// The ends of the interval that rounds to f, scaled to 64 bits.
	up := bits.LeadingZeros64(2*frac + 1)
	high, low := (2*frac+1)<<up, (2*frac-1)<<up
	if frac == hidden {
		low = (4*frac - 1) << (up - 1) // doubles below lie closer
	}
	e -= 1 + up

	// Times the power of ten 10^p that brings the exponent into range.
	i := (1096 - e) / 27 // short of it by two at most
	for e+pow10Exp(i)+64 < -60 {
		i++
	}
	p := pow10First + pow10Step*i
	shift := -(e + pow10Exp(i) + 64)
	high, low = mulRound(high, pow10[i])-1, mulRound(low, pow10[i])+1
	delta := high - low

	// The shortest prefix of high's digits that is still in the interval.
	whole, part := high>>shift, high&(1<<shift-1)
	for n := whole; n > 0; n /= 10 {
		digits++
	}
	if part <= delta {
		kappa := 0
		for ten := uint64(10); whole%ten<<shift+part <= delta; ten *= 10 {
			kappa++
		}
		return digits - kappa, kappa - p
	}
	for kappa := -1; ; kappa-- {
		part = part * 10 & (1<<shift - 1)
		delta *= 10
		if part < delta {
			return digits - kappa, kappa - p
		}
	}
}

// mulRound returns the upper half of a*b, rounded.
func mulRound(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi + lo>>63
}

const (
	pow10First = -348
	pow10Step  = 8
)

// pow10Exp returns the binary exponent that goes with pow10[i].
func pow10Exp(i int) int {
	return (pow10First+pow10Step*i)*217706>>16 - 63 // log2(10) * 2^16
}

// pow10 holds 10^(pow10First+pow10Step*i), the leading 64 bits, rounded.
var pow10 = [...]uint64{
	0xfa8fd5a0081c0288, 0xbaaee17fa23ebf76, 0x8b16fb203055ac76, 0xcf42894a5dce35ea,
	0x9a6bb0aa55653b2d, 0xe61acf033d1a45df, 0xab70fe17c79ac6ca, 0xff77b1fcbebcdc4f,
	0xbe5691ef416bd60c, 0x8dd01fad907ffc3c, 0xd3515c2831559a83, 0x9d71ac8fada6c9b5,
	0xea9c227723ee8bcb, 0xaecc49914078536d, 0x823c12795db6ce57, 0xc21094364dfb5637,
	0x9096ea6f3848984f, 0xd77485cb25823ac7, 0xa086cfcd97bf97f4, 0xef340a98172aace5,
	0xb23867fb2a35b28e, 0x84c8d4dfd2c63f3b, 0xc5dd44271ad3cdba, 0x936b9fcebb25c996,
	0xdbac6c247d62a584, 0xa3ab66580d5fdaf6, 0xf3e2f893dec3f126, 0xb5b5ada8aaff80b8,
	0x87625f056c7c4a8b, 0xc9bcff6034c13053, 0x964e858c91ba2655, 0xdff9772470297ebd,
	0xa6dfbd9fb8e5b88f, 0xf8a95fcf88747d94, 0xb94470938fa89bcf, 0x8a08f0f8bf0f156b,
	0xcdb02555653131b6, 0x993fe2c6d07b7fac, 0xe45c10c42a2b3b06, 0xaa242499697392d3,
	0xfd87b5f28300ca0e, 0xbce5086492111aeb, 0x8cbccc096f5088cc, 0xd1b71758e219652c,
	0x9c40000000000000, 0xe8d4a51000000000, 0xad78ebc5ac620000, 0x813f3978f8940984,
	0xc097ce7bc90715b3, 0x8f7e32ce7bea5c70, 0xd5d238a4abe98068, 0x9f4f2726179a2245,
	0xed63a231d4c4fb27, 0xb0de65388cc8ada8, 0x83c7088e1aab65db, 0xc45d1df942711d9a,
	0x924d692ca61be758, 0xda01ee641a708dea, 0xa26da3999aef774a, 0xf209787bb47d6b85,
	0xb454e4a179dd1877, 0x865b86925b9bc5c2, 0xc83553c5c8965d3d, 0x952ab45cfa97a0b3,
	0xde469fbd99a05fe3, 0xa59bc234db398c25, 0xf6c69a72a3989f5c, 0xb7dcbf5354e9bece,
	0x88fcf317f22241e2, 0xcc20ce9bd35c78a5, 0x98165af37b2153df, 0xe2a0b5dc971f303a,
	0xa8d9d1535ce3b396, 0xfb9b7cd9a4a7443c, 0xbb764c4ca7a44410, 0x8bab8eefb6409c1a,
	0xd01fef10a657842c, 0x9b10a4e5e9913129, 0xe7109bfba19c0c9d, 0xac2820d9623bf429,
	0x80444b5e7aa7cf85, 0xbf21e44003acdd2d, 0x8e679c2f5e44ff8f, 0xd433179d9c8cb841,
	0x9e19db92b4e31ba9, 0xeb96bf6ebadf77d9, 0xaf87023b9bf0ee6b,
}
