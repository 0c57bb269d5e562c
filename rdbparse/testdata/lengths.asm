# Lengths that nobody writes, and lengths of what is not there.

=== a string of 2^63 bytes | ErrLength | 9223372036854775808 bytes
REDIS0011 fe len(0) 00 str("k") @ len64(9223372036854775808) "abc"

=== a string of 2^64-1 bytes | ErrLength | 18446744073709551615 bytes
REDIS0011 00 str("k") @ len64(18446744073709551615)

=== a string of 2^63-1 bytes | ErrTruncated
REDIS0011 00 str("k") len64(9223372036854775807) "abc" @

=== a name of 2^63 bytes | ErrLength
REDIS0011 00 @ len64(9223372036854775808) "abc"

=== a name of 2^40 bytes | ErrTruncated | 
REDIS0011 00 len64(1099511627776) "abc" @

=== an aux field of 2^40 bytes | ErrTruncated
REDIS0011 fa str("redis-ver") len64(1099511627776) "abc" @

=== an aux field of 2^63 bytes | ErrLength
REDIS0011 fe len(0) fa @ len64(9223372036854775808) "abc"

=== a function of 2^62 bytes | ErrTruncated
REDIS0011 f5 len64(4611686018427387904) "#!lua name=x" @

=== a module's string of 2^63 bytes | ErrLength
REDIS0011 07 str("m") 81b5eb2dffffddb401 05 @ len64(9223372036854775808)

=== a blob of 2^63 bytes | ErrLength
REDIS0011 10 str("h") @ len64(9223372036854775808) 00

=== length byte 0x82 | ErrLength | 0x82
REDIS0011 00 str("k") @ 82 00000001

=== length byte 0xbf for a name | ErrLength | 0xbf
REDIS0011 00 @ bf

=== length byte 0x90 for a count | ErrLength | 0x90
REDIS0011 01 str("l") @ 90

=== length byte 0x88 for a database | ErrLength | 0x88
REDIS0011 fe @ 88

=== an integer for a count | ErrLength | a string form
REDIS0011 01 str("l") @ c2 00000001

=== a compressed string for a count of nodes | ErrLength | a string form
REDIS0011 0e str("l") @ c3 01 01 0000

=== an integer for a database | ErrLength | a string form
REDIS0011 fe @ c0 01
