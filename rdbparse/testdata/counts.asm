# Counts of more than the file holds. Each ends where the file ends, at once.

=== a list | ErrTruncated
REDIS0011 01 str("k") len64(9223372036854775808) str("a") str("b") @

=== a set of 2^64-1 | ErrTruncated
REDIS0011 02 str("k") len64(18446744073709551615) str("a") @

=== a sorted set, text scores | ErrTruncated
REDIS0011 03 str("k") len64(9223372036854775808) str("a") 01 "1" @

=== a sorted set | ErrTruncated
REDIS0011 05 str("k") len64(9223372036854775808) str("a") f64le(1) @

=== a hash | ErrTruncated
REDIS0011 04 str("k") len64(9223372036854775808) str("a") str("b") @

=== a hash with TTLs | ErrTruncated
REDIS0012 18 str("k") i64le(5) len64(9223372036854775808) len(0) str("a") str("b") @

=== a hash with TTLs of the release candidates | ErrTruncated
REDIS0012 16 str("k") len64(9223372036854775808) len(0) str("a") str("b") @

=== a hash of Valkey with TTLs | ErrTruncated
VALKEY080 16 str("k") len64(9223372036854775808) str("a") str("b") i64le(-1) @

=== ziplist nodes | ErrTruncated
REDIS0009 0e str("k") len64(9223372036854775808) str(ziplist()) @

=== list nodes | ErrTruncated
REDIS0011 12 str("k") len64(9223372036854775808) len(1) str("a") @

=== stream nodes | ErrTruncated
REDIS0009 0f str("k") len64(9223372036854775808) str(u64be(1) u64be(1)) str(listpack()) @

=== stream groups | ErrTruncated
REDIS0009 0f str("k") len(0) len(0) len(0) len(0) len64(9223372036854775808) str("g") len(0) len(0) len(0) len(0) @

=== pending entries | ErrTruncated
REDIS0009 0f str("k") len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len64(9223372036854775808) u64be(1) u64be(1) i64le(0) len(1) @

=== consumers | ErrTruncated
REDIS0009 0f str("k") len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len(0) len64(9223372036854775808) str("c") i64le(0) len(0) @

=== a consumer's entries | ErrTruncated
REDIS0009 0f str("k") len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len(0) len(1) str("c") i64le(0) len64(9223372036854775808) u64be(1) u64be(1) @

=== entries that nobody owns | ErrTruncated
REDIS0014 1b str("k") len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(1) str("g") len(0) len(0) len(0) len(0) len(0) len64(9223372036854775808) u64be(1) u64be(1) @

=== producers | ErrTruncated
REDIS0013 1a str("k") len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(100) len(100) len64(9223372036854775808) str("p") len(0) @

=== a producer's items | ErrTruncated
REDIS0013 1a str("k") len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(0) len(100) len(100) len(1) str("p") len64(9223372036854775808) str("i") len(1) len(1) @

=== an array | ErrTruncated
REDIS0014 1c str("k") len64(9223372036854775808) len(0) len(0) len(0) str("a") @

=== a hash template | ErrTruncated
REDIS0015 f2 len(1) len64(9223372036854775808) str("a") @

=== values of a hash template | ErrTruncated
REDIS0015 f2 len(1) len(2) str("a") str("b") 20 str("k") len(1) str("v") @

=== fields of a hash template in a value | ErrTruncated
REDIS0015 1f str("k") len(1) len64(9223372036854775808) str("a") @

=== slots of an import | ErrTruncated
VALKEY080 f3 str("job") len64(9223372036854775808) len(0) len(5) @

=== a module key without its type | ErrTruncated | module type of key "m"
REDIS0011 07 str("m") @

=== a module key whose type is half there | ErrTruncated | module type of key "m"
REDIS0011 00 str("k") str("v") 07 str("m") 81b5eb2dff @

=== a module key whose type is no number | ErrLength | in the module type of key "m"
REDIS0011 07 str("m") @ 82

=== items of a module | ErrTruncated
REDIS0011 07 str("m") 81b5eb2dffffddb401 02 01 02 02 @

=== data of a module beside the keys | ErrTruncated
REDIS0011 f7 81b5eb2dfffadd6c01 02 01 05 str("a") @

=== key metadata | ErrTruncated
REDIS0013 f3 len(7) u32le(1) 02 01 00 u32le(2) 02 01 @
