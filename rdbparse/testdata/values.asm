# Values whose framing is right and whose content cannot be.

=== a score that is no number | ErrValue | not a number
REDIS0011 05 str("z") len(1) str("m") @ 000000000000f87f

=== a text score that is no number | ErrValue
REDIS0003 03 str("z") len(1) str("m") @ fd

=== a text score of nan | ErrValue
REDIS0003 03 str("z") len(1) str("m") @ 03 "nan"

=== a text score of letters | ErrValue | score "12x"
REDIS0003 03 str("z") len(1) str("m") @ 03 "12x"

=== an empty text score | ErrValue
REDIS0003 03 str("z") len(1) str("m") @ 00

=== a list node in container 3 | ErrValue | container 3
REDIS0011 12 str("l") len(1) @ len(3) str("a")

=== the second list node in container 0 | ErrValue | container 0
REDIS0011 12 str("l") len(2) len(1) str("a") @ len(0) str("a")

=== an empty plain list node | ErrValue | empty
REDIS0011 12 str("l") len(1) @ len(1) str("")

=== an expiry of more than 48 bits | ErrValue | 48 bits
REDIS0012 18 str("h") i64le(281474976710655) len(1) @ len(2) str("f") str("v")

=== an expiry that overflows | ErrValue | 48 bits
REDIS0012 18 str("h") i64le(-5) len(2) len(0) str("f") str("v") @ len(2) str("g") str("v")

=== an absolute expiry of more than 48 bits | ErrValue | 48 bits
REDIS0012 16 str("h") len(1) @ len64(281474976710656) str("f") str("v")

=== a stream node whose name is no ID | ErrValue | 16 bytes
REDIS0009 0f str("s") len(1) @ str("short") str(listpack())

=== a stream node whose name is a number | ErrValue | 16 bytes
REDIS0009 0f str("s") len(1) @ c0 05 str(listpack())

=== module opcode 6 | ErrValue | module opcode 6
REDIS0011 07 str("m") 81b5eb2dffffddb401 02 01 @ 06

=== module opcode 6 beside the keys | ErrValue | module opcode 6
REDIS0011 f7 81b5eb2dfffadd6c01 02 01 @ 06

=== module opcode 7 in key metadata | ErrValue | module opcode 7
REDIS0013 f3 len(1) u32le(1) @ 07

=== module opcode 2^64-1 | ErrValue | module opcode
REDIS0011 07 str("m") 81b5eb2dffffddb401 @ len(18446744073709551615)

=== eight classes of key metadata | ErrLength | more than 7
REDIS0013 fc i64le(1) @ f3 len(8) u32le(1) 00

=== a hash template that was not announced | ErrValue | template 5
REDIS0015 f2 len(4) len(1) str("a") 20 str("h") @ len(5) str("v")

=== a hash template of an unknown number of fields | ErrValue | unknown number
REDIS0015 1f str("h") @ len(0) str(u32le(12) u16le(65535) 816102 0101 ff)

=== an array value of tag 4 | ErrValue | array tag 4
REDIS0014 1c str("a") len(1) len(0) len(0) @ len(4) str("v")
