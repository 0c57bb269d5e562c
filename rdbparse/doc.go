// Package rdbparse says what an RDB file says: a streaming reader of the dumps
// of Redis 2.x to 8.6 and Valkey 7.2 to 9.1, with what is known of Redis 8.8
// and 8.10 (marked as untested in the type table).
//
// A file is a magic and version, then records, then an end mark and, since
// version 5, a CRC-64. A record is an opcode with its payload or a key: its
// attributes (expiry, idle time, access frequency, metadata), a type byte, its
// name and its value. The same byte can mean different things to Redis and to
// Valkey, so that the table of types is chosen by the magic.
//
// # Reading
//
// Reader.Next gives the next key with everything that belongs to it, as
// archive/tar folds its meta records into the header that follows them.
// Reader.Part walks the key's value in pieces the size of the server's
// allocations: a string, a packed blob, a list node, a member, a pending
// entry. Reader.Bytes gives the bytes of the current part and Reader.Entry the
// elements of a packed one. What is not asked for is skipped, by the same code.
//
// Memory is flat: no number in the file sizes an allocation, strings are
// decompressed only when their bytes are wanted, and packed values larger than
// a buffer are walked through a window.
//
// The grammar, checked on 18 servers, and its sources are cited at each place
// as file@release of redis/redis or valkey-io/valkey.
package rdbparse
