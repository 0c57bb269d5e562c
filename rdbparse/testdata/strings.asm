# Strings of forms that are none, and compressed ones that lie.

=== string form 4, of Redis Enterprise | ErrString | string form 4
REDIS0011 00 str("k") @ c4 00

=== string form 63 | ErrString | string form 63
REDIS0011 00 str("k") @ ff 00

=== string form 5 for a name | ErrString | string form 5
REDIS0011 00 @ c5

=== 512 MB from 20 bytes | ErrString | cannot expand to 536870912
REDIS0011 00 str("k") @ c3 len(20) len32(536870912) rep(20 00) ff

=== 89 times | ErrString
REDIS0011 00 str("k") @ c3 len(100) len(8801) rep(100 00) ff

=== 2^63 compressed bytes | ErrString
REDIS0011 00 str("k") @ c3 len64(9223372036854775808) len(10) 00

=== a product that overflows | ErrString
REDIS0011 00 str("k") @ c3 len64(2305843009213693952) len64(18446744073709551615) 00

=== compressed bytes that are not there | ErrTruncated
REDIS0011 00 str("k") c3 len64(1152921504606846) len(1000) 00 "a" @

=== nothing, compressed | ErrString
REDIS0011 00 str("k") @ c3 len(1) len(0) 00

=== something from nothing | ErrString
REDIS0011 00 str("k") @ c3 len(0) len(1)

=== an integer for a compressed length | ErrLength
REDIS0011 00 str("k") c3 @ c0 05 05

=== a copy before the start | soft ErrString
REDIS0011 00 str("k") c3 len(3) len(100) @ e0 5b 00 ff crc()

=== shorter than it says | soft ErrString
REDIS0011 00 str("k") c3 len(4) len(4) @ 02 "abc" ff crc()

=== longer than it says | soft ErrString
REDIS0011 00 str("k") c3 len(4) len(2) @ 02 "abc" ff crc()

=== bytes behind it | soft ErrString
REDIS0011 00 str("k") c3 len(6) len(3) @ 02 "abc" 0000 ff crc()

=== a token cut off | soft ErrString
REDIS0011 00 str("k") c3 len(3) len(20) @ 00 "a" e0 ff crc()

=== a compressed name that lies | ErrString
REDIS0011 00 @ c3 len(3) len(100) e0 5b 00 str("v") ff crc()

=== a compressed aux name that lies | ErrString
REDIS0011 fa @ c3 len(3) len(100) e0 5b 00 str("v") ff crc()

=== a compressed aux value that lies | ErrString
REDIS0011 fe len(0) fa str("a") @ c3 len(4) len(4) 02 "abc" ff crc()

=== a compressed function that lies | ErrString
REDIS0011 f5 @ c3 len(4) len(4) 02 "abc" ff crc()

=== a compressed blob that lies at once | ErrString
REDIS0011 10 str("h") c3 len(3) len(100) @ e0 5b 00 ff crc()
