# Packed values. Where the header lies about the length, nothing is believed; a
# fault inside ends that value only.

=== a listpack longer than it says | ErrPacked | says 7
REDIS0011 10 str("h") @ str(u32le(7) u16le(0) 0000 ff)

=== a listpack shorter than it says | ErrPacked | 4294967295
REDIS0011 10 str("h") @ str(u32le(4294967295) u16le(0) ff)

=== an empty listpack string | ErrPacked
REDIS0011 10 str("h") @ str("")

=== a listpack that is a number | ErrPacked
REDIS0011 10 str("h") @ c1 0a00

=== a listpack of a list node | ErrPacked
REDIS0011 12 str("l") len(1) len(2) @ str(u32le(9) u16le(0) ff)

=== a listpack of a stream | ErrPacked
REDIS0009 0f str("s") len(1) str(u64be(1) u64be(1)) @ str(u32le(9) u16le(0) ff)

=== a ziplist longer than it says | ErrPacked
REDIS0006 0a str("l") @ str(u32le(10) u32le(10) u16le(0) ff)

=== a ziplist of nine bytes | ErrPacked
REDIS0006 0a str("l") @ str(u32le(9) u32le(10) 00)

=== an intset of width 3 | ErrPacked
REDIS0006 0b str("s") @ str(u32le(3) u32le(1) 010203)

=== an intset of width 0 | ErrPacked
REDIS0006 0b str("s") @ str(u32le(0) u32le(0))

=== an intset of 2^32-1 members | ErrPacked
REDIS0006 0b str("s") @ str(u32le(8) u32le(4294967295) 0102030405060708)

=== an intset whose size overflows 32 bits | ErrPacked
REDIS0006 0b str("s") @ str(u32le(8) u32le(536870913) 0102030405060708)

=== a zipmap of one byte | ErrPacked
REDIS0002 09 str("h") @ str(ff)

=== listpack: an entry past the end | soft ErrPacked | past the end
REDIS0011 10 str("h") len(12) @ u32le(12) u16le(1) 8a 6161 6104 ff ff crc()

=== listpack: a string of 2^32-1 bytes | soft ErrPacked | 4294967295 bytes
REDIS0011 10 str("h") len(12) @ u32le(12) u16le(1) f0 ffffffff ff ff crc()

=== listpack: encoding byte f5 | soft ErrPacked | 0xf5
REDIS0011 10 str("h") len(9) @ u32le(9) u16le(1) f5 01 ff ff crc()

=== listpack: a size that lies | soft ErrPacked | marked as 3
REDIS0011 10 str("h") len(10) @ u32le(10) u16le(1) 8161 03 ff ff crc()

=== listpack: a size mark of the wrong bits | soft ErrPacked | size mark
REDIS0011 10 str("h") len(10) @ u32le(10) u16le(1) 8161 82 ff ff crc()

=== listpack: ends before its end | soft ErrPacked | before the end
REDIS0011 10 str("h") len(10) @ u32le(10) u16le(1) 0101 ff ff ff crc()

=== listpack: no end mark | soft ErrPacked | past the end
REDIS0011 10 str("h") len(8) @ u32le(8) u16le(1) 0101 ff crc()

=== ziplist: entry past the end | soft ErrPacked | past the end
REDIS0006 0a str("l") len(14) @ u32le(14) u32le(10) u16le(1) 00 0a 61 ff ff crc()

=== ziplist: a string of 2^32-1 bytes | soft ErrPacked | 4294967295 bytes
REDIS0006 0a str("l") len(17) @ u32le(17) u32le(10) u16le(1) 00 80 ffffffff ff ff crc()

=== ziplist: the entry before is another | soft ErrPacked | 0 bytes, not 5
REDIS0006 0a str("l") len(14) @ u32le(14) u32le(10) u16le(1) 05 01 61 ff ff crc()

=== ziplist: the entry before is 4 GiB | soft ErrPacked | 4294967295
REDIS0006 0a str("l") len(18) @ u32le(18) u32le(10) u16le(1) fe ffffffff 01 61 ff ff crc()

=== ziplist: the last entry is elsewhere | soft ErrPacked | last entry
REDIS0006 0a str("l") len(14) @ u32le(14) u32le(4294967295) u16le(1) 00 01 61 ff ff crc()

=== ziplist: encoding byte c1 | soft ErrPacked | 0xc1
REDIS0006 0a str("l") len(15) @ u32le(15) u32le(10) u16le(1) 00 c1 0100 ff ff crc()

=== ziplist: ends before its end | soft ErrPacked | before the end
REDIS0006 0a str("l") len(13) @ u32le(13) u32le(10) u16le(0) ff 0000 ff crc()

=== intset: not ascending | soft ErrPacked | ascend
REDIS0006 0b str("s") len(12) @ u32le(2) u32le(2) 0200 0100 ff crc()

=== intset: the same twice | soft ErrPacked | ascend
REDIS0006 0b str("s") len(12) @ u32le(2) u32le(2) 0000 0000 ff crc()

=== zipmap: a key of 2^32-1 bytes | soft ErrPacked | past the end
REDIS0002 09 str("h") len(8) @ 01 fe ffffffff 61 ff ff

=== zipmap: free bytes past the end | soft ErrPacked | past the end
REDIS0002 09 str("h") len(7) @ 01 01 61 01 ff 62 ff ff

=== zipmap: no value | soft ErrPacked | stands for a value
REDIS0002 09 str("h") len(4) @ 01 01 61 ff ff

=== zipmap: no end mark | soft ErrPacked | past the end
REDIS0002 09 str("h") len(6) @ 01 01 61 01 00 62 ff
