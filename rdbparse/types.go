package rdbparse

// Kind is what a value is to a user, whatever its layout.
type Kind uint8

// The kinds of values.
const (
	StringKind Kind = iota
	ListKind
	SetKind
	ZSetKind
	HashKind
	StreamKind
	ModuleKind
	OtherKind // arrays, rate limiters, vendors' own
)

// Type is a row of the table of value types.
type Type struct {
	Code   byte
	Name   string // as rdb.h of its server calls it
	Kind   Kind
	Format Format // of values and nodes that are packed
	Level  uint8  // of streams: which fields a file of that age has
	Since  string // first release that writes it
	// Untested marks rows known from third parties only: no server's file was at hand.
	Untested bool

	step func(*Reader, *Part) bool // gives the next part, or false at the end
	one  bool                      // the value is a single part
}

// common are the types that mean the same in both families
// (rdb.h@redis-8.6.3, rdb.h@valkey-9.1.2).
var common = [...]Type{
	{Code: 0, Name: "STRING", Kind: StringKind, Since: "1.0", step: (*Reader).stepString, one: true},
	{Code: 1, Name: "LIST", Kind: ListKind, Since: "1.0", step: (*Reader).stepElements},
	{Code: 2, Name: "SET", Kind: SetKind, Since: "1.0", step: (*Reader).stepElements},
	{Code: 3, Name: "ZSET", Kind: ZSetKind, Since: "1.2", step: (*Reader).stepZSetText},
	{Code: 4, Name: "HASH", Kind: HashKind, Since: "2.0", step: (*Reader).stepHash},
	{Code: 5, Name: "ZSET_2", Kind: ZSetKind, Since: "4.0", step: (*Reader).stepZSet},
	{Code: 7, Name: "MODULE_2", Kind: ModuleKind, Since: "4.0", step: (*Reader).stepModule},
	{Code: 9, Name: "HASH_ZIPMAP", Kind: HashKind, Format: Zipmap, Since: "2.4", step: (*Reader).stepPacked, one: true},
	{Code: 10, Name: "LIST_ZIPLIST", Kind: ListKind, Format: Ziplist, Since: "2.4", step: (*Reader).stepPacked, one: true},
	{Code: 11, Name: "SET_INTSET", Kind: SetKind, Format: Intset, Since: "2.4", step: (*Reader).stepPacked, one: true},
	{Code: 12, Name: "ZSET_ZIPLIST", Kind: ZSetKind, Format: Ziplist, Since: "2.4", step: (*Reader).stepPacked, one: true},
	{Code: 13, Name: "HASH_ZIPLIST", Kind: HashKind, Format: Ziplist, Since: "2.6", step: (*Reader).stepPacked, one: true},
	{Code: 14, Name: "LIST_QUICKLIST", Kind: ListKind, Format: Ziplist, Since: "3.2", step: (*Reader).stepNodes},
	{Code: 15, Name: "STREAM_LISTPACKS", Kind: StreamKind, Level: 1, Since: "5.0", step: (*Reader).stepStream},
	{Code: 16, Name: "HASH_LISTPACK", Kind: HashKind, Format: Listpack, Since: "7.0", step: (*Reader).stepPacked, one: true},
	{Code: 17, Name: "ZSET_LISTPACK", Kind: ZSetKind, Format: Listpack, Since: "7.0", step: (*Reader).stepPacked, one: true},
	{Code: 18, Name: "LIST_QUICKLIST_2", Kind: ListKind, Format: Listpack, Since: "7.0", step: (*Reader).stepNodes2},
	{Code: 19, Name: "STREAM_LISTPACKS_2", Kind: StreamKind, Level: 2, Since: "7.0", step: (*Reader).stepStream},
	{Code: 20, Name: "SET_LISTPACK", Kind: SetKind, Format: Listpack, Since: "7.2", step: (*Reader).stepPacked, one: true},
	{Code: 21, Name: "STREAM_LISTPACKS_3", Kind: StreamKind, Level: 3, Since: "7.2", step: (*Reader).stepStream},
}

// redisOnly are the types of files that start with REDIS.
var redisOnly = [...]Type{
	{Code: 22, Name: "HASH_METADATA_PRE_GA", Kind: HashKind, Since: "7.4-rc1", step: (*Reader).stepHashTTLPreGA},
	{Code: 23, Name: "HASH_LISTPACK_EX_PRE_GA", Kind: HashKind, Format: Listpack, Since: "7.4-rc1", step: (*Reader).stepPacked, one: true},
	{Code: 24, Name: "HASH_METADATA", Kind: HashKind, Since: "7.4", step: (*Reader).stepHashTTL},
	{Code: 25, Name: "HASH_LISTPACK_EX", Kind: HashKind, Format: Listpack, Since: "7.4", step: (*Reader).stepPackedMin, one: true},
	{Code: 26, Name: "STREAM_LISTPACKS_4", Kind: StreamKind, Level: 4, Since: "8.6", step: (*Reader).stepStream},
	{Code: 27, Name: "STREAM_LISTPACKS_5", Kind: StreamKind, Level: 5, Since: "8.8", Untested: true, step: (*Reader).stepStream},
	{Code: 28, Name: "ARRAY", Kind: OtherKind, Since: "8.8", Untested: true, step: (*Reader).stepArray},
	{Code: 29, Name: "HASH_TEMPLATE_LISTPACK", Kind: HashKind, Format: Listpack, Since: "8.10", Untested: true, step: (*Reader).stepTemplateListpack},
	{Code: 30, Name: "HASH_LISTPACK_REF", Kind: HashKind, Format: Listpack, Since: "8.10", Untested: true, step: (*Reader).stepPacked, one: true},
	{Code: 31, Name: "HASH_TEMPLATE_ARRAY", Kind: HashKind, Since: "8.10", Untested: true, step: (*Reader).stepTemplateArray},
	{Code: 32, Name: "HASH_ARRAY_REF", Kind: HashKind, Since: "8.10", Untested: true, step: (*Reader).stepArrayRef},
	{Code: 33, Name: "GCRA", Kind: OtherKind, Since: "unreleased", Untested: true, step: (*Reader).stepNumber},
	{Code: 64, Name: "CRON", Kind: OtherKind, Since: "KeyDB", Untested: true, step: (*Reader).stepCron},
}

// valkeyOnly are the types of files that start with VALKEY.
var valkeyOnly = [...]Type{
	{Code: 22, Name: "HASH_2", Kind: HashKind, Since: "Valkey 9.0", step: (*Reader).stepHashTTLValkey},
}

// Types lists the value types of a family, by code.
func Types(f Flavor) []Type {
	own := redisOnly[:]
	if f == Valkey {
		own = valkeyOnly[:]
	}
	return append(append([]Type(nil), common[:]...), own...)
}

// index makes a table by code. Only 256 pointers, once a Reader.
func (r *Reader) index() {
	for i := range common {
		r.types[common[i].Code] = &common[i]
	}
	own := redisOnly[:]
	if r.info.Flavor == Valkey {
		own = valkeyOnly[:]
	}
	for i := range own {
		r.types[own[i].Code] = &own[i]
	}
	for i := range r.ops {
		r.ops[i], _ = r.opcodeOf(byte(firstOpcode + i))
	}
}
