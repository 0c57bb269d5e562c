# Ends that are missing or wrong.

=== no end mark | ErrTruncated | no end mark
REDIS0011 fa str("redis-ver") str("7.2.6") fe len(0) fb len(1) len(0) 00 str("k") str("v") @

=== nothing but a magic | ErrTruncated | no end mark
REDIS0011 @

=== half a checksum | ErrTruncated | inside the checksum
REDIS0011 ff 01020304 @

=== a wrong checksum | ErrChecksum
REDIS0011 00 str("k") str("v") ff @ 0102030405060708

=== a wrong checksum before other bytes | ErrChecksum
REDIS0011 00 str("k") str("v") ff @ 0102030405060708 "*1\r\n"

=== an expiry cut off | ErrTruncated
REDIS0011 fc 010203 @

=== a string cut off | ErrTruncated
REDIS0011 00 str("k") len(100) "abc" @

=== a compressed string cut off | ErrTruncated
REDIS0011 00 str("k") c3 len(100) len(200) 02 "abc" @

=== a long string cut off | ErrTruncated
REDIS0011 00 str("k") len(100000) "abc" @

=== a listpack cut off | ErrTruncated
REDIS0011 10 str("h") len(100) u32le(100) u16le(2) 0101 8161 02 @

=== an intset cut off in its header | ErrTruncated
REDIS0011 0b str("s") len(12) u32le(2) @
