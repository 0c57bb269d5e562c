# Types and opcodes that nobody knows, or that the other family knows.

=== type 8 | ErrType | byte 8 (0x08) in a REDIS0011 file
REDIS0011 fe len(0) @ 08 str("k") str("v")

=== type 6, which cannot be skipped | ErrType | release candidate
REDIS0011 @ 06 str("k") len(1)

=== type 34 | ErrType | after key "before"
REDIS0011 00 str("before") str("v") @ 22 str("k")

=== opcode 241 | ErrType | newer release
REDIS0011 @ f1

=== Valkey has no type 24 | ErrType | VALKEY080
VALKEY080 @ 18 str("k")

=== Valkey has no hash templates | ErrType | 242
VALKEY080 @ f2

=== a Dragonfly block | ErrType | Dragonfly
REDIS0009 @ c9 str("k")

=== a Redis-On-Rocks record | ErrType | Redis-On-Rocks
REDIS0009 @ 82 str("k")

=== a bitmap of Redis-On-Rocks | ErrType | Redis-On-Rocks
REDIS0009 fe len(0) @ c0 str("k")

=== an expiry, then nothing known | ErrType
REDIS0011 fc i64le(1) @ ee

=== version 0 | ErrVersion
"REDIS" @ "0000"

=== VALKEY before 80 | ErrVersion
"VALKEY" @ "079"

=== a version that is no number | ErrMagic
"REDIS" @ "00x1" ff

=== a signed version | ErrMagic
"VALKEY" @ "+80" ff

=== no dump at all | ErrMagic
@ 1f8b0800000000000003

=== nothing at all | ErrTruncated
@
