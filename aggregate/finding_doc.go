package aggregate

// What each kind of finding means, for rdbaudit explain: a page of plain words.
const (
	docLost = `Redis and Valkey keep small collections in one packed block of memory (a
listpack, an intset) and turn them into a hash table or a skip list once they
have more elements, or a longer one, than a limit in redis.conf. A table costs
several times as much: an entry, a pointer and an allocation for every element.
A collection never turns back while the server runs.

The saving is what the same collections take if the limits are raised to what
the largest of them needs and the server is restarted. Whether that is wise is
a question of time, not of memory: a packed collection is searched from its
start, so each access reads half of it on average. Some hundreds of elements of
some tens of bytes are rarely felt; thousands are. Where a single long field is
the reason, moving that field into a key of its own does the same without
touching the limits.

Try it on a copy: rdbaudit whatif --sweep LIMIT=A..B shows what each value of a
limit saves.
Sources: t_hash.c hashTypeTryConversion, t_set.c setTypeAddAux, t_zset.c zsetAdd
of redis 7.2.6.`
	docRestart = `These collections are hash tables or skip lists although they would fit a
packed encoding under the limits in force: they had more elements once, and a
collection never turns back while the server runs. Loading a dump builds every
collection afresh, so a restart, or a failover to a replica that has been
restarted, packs them.

The saving is a lower bound. A table that has shrunk may still have the slots
of its largest time, which a dump does not show.
Sources: rdb.c rdbLoadObject of redis 7.2.6.`
	docJSON = `A JSON object in a string is stored with all its quotes, braces and field names
as text, and every reader takes all of it. As a hash the same fields are packed
in a listpack, small numbers in one to three bytes, and single fields can be
read and written alone.

The size after is that of a hash of the top-level fields, nested values kept as
JSON text in their field, under the limits in force; where there are more
fields or longer values than the limits of packed hashes, the hash is a table
and the saving is lost, which the finding says; if raised limits would bring it
back, it names them. Looking into values takes time, so by default one key of
every eight is looked at, chosen by its name, the same ones on every run. Of a
database that announces more than 262,000 keys it is one of 16, of twice as
many one of 32, and so on: how far a sum may be off depends on how many were
looked at, not on how many there are. What that is by chance is stated;
--json-values full parses all.`
	docCompress = `When a server writes a dump it compresses strings of more than 20 bytes with
LZF, quickly and not very well. In memory nothing is compressed. So the dump
says for free what compressing these values in the client would save at least;
zstd or snappy with a dictionary save more.

The cost is time in every client that reads or writes such a value, and values
that redis-cli no longer shows as text.
Sources: rdb.c rdbSaveRawString of redis 7.2.6.`
	docForgotten = `Most keys of this pattern have a TTL and a few have none. As a rule that is one
code path that forgot EXPIRE, or a plain SET that dropped the TTL of a key that
had one: SET without KEEPTTL does. Such keys are never deleted and only ever
grow in number.`
	docNoTTL = `This pattern holds a tenth of the memory or more, and its keys have no TTL.
Memory that is held so comes back only when somebody deletes it, or when
maxmemory is reached under an allkeys policy. Under a volatile policy it is
never evicted, and if too little else has a TTL writes fail.`
	docExpired = `These keys are past their TTL at the moment the dump was made and were still in
memory. A primary deletes expired keys when they are asked for and in the
background, a few at a time; many of them at once mean that the background work
does not keep up, or that very many keys expired in the same moment. A replica
never deletes them by itself.
Sources: expire.c activeExpireCycle of redis 7.2.6.`
	docOpaque = `These values were written by modules, in a form of their own. A dump holds what
the module chose to save, which can be far less or more than what it keeps in
memory. The bytes shown are those in the dump and are marked wherever they are
summed. There is a finding for each type of values, with the pattern that has
most of it, and the command by which its module says what it holds, where that
is known.`
)

const (
	docJSONFields = `Fields of these hashes hold JSON objects. Each repeats the names of its own
fields, quoted, and a value of more than hash-max-listpack-value bytes (64)
turns the whole hash into a hash table, which costs an entry and two
allocations for every field.

The size after is the smaller of two: the objects' fields as fields of the same
hash, named field.name, or a hash of its own for each object, its key, its
entry and its slots in the dictionary of keys included. What is nested deeper
stays JSON text. Keep the objects as they are if they are only ever read and
written as a whole, or if the hash has a TTL that must cover them all at once.
Hashes of 4096 fields and more are all looked at, and judged by their first
eighth, as fields lie in random order; of smaller ones a sample is.
Sources: t_hash.c hashTypeTryConversion of redis 7.2.6.`
	docNumbers = `A string that is the canonical text of a 64-bit integer is kept as that integer
in the object itself: no text, and for 0 to 9999 not even an object of its own,
unless maxmemory is set with an LRU or LFU policy. Any other spelling is text:
1.50, 007, +5, "5" with quotes, blanks around. It costs up to 48 bytes more.

What is saved is counted as if each became an integer of its own. Fractions
need a fixed scale (cents instead of euros), which INCRBY then serves as well.
Leave them if the zeros mean something, as in postal codes and account numbers.
Sources: object.c tryObjectEncoding, util.c string2ll of redis 7.2.6.`
	docFieldNames = `Every hash holds the names of its fields anew: a million users with a field
registration_timestamp hold that name a million times. In a packed hash a name
takes its bytes and two or three more, in a table an allocation of its own.

The size after is that with names of two bytes (longer ones alone change),
rounded as the allocator rounds. Names count as few if the hashes looked at
share them; fields that are identifiers are not meant. An object mapper in the
client usually has a place for such names. Savings found for one pattern in
several ways do not add up.
Sources: listpack.c lpEncodeString, t_hash.c of redis 7.2.6.`
	docKeyNames = `Each key holds its whole name, in an allocation of its own on most lines, which
is rounded up to a size class: 8 or 16 bytes less may save 16, or nothing. The
saving is worked out key by key with the sizes of the server line, so it counts
what classes give back, not characters.

The prefix is what all names of the pattern start with, up to the first part
that varies, and becomes two bytes. Reported from 12 bytes on, if a tenth of
the pattern's memory is saved: short, telling names are worth their bytes.
Renaming needs all writers and readers at once, or a time in which readers try
both names.
Sources: sds.c sdsReqType, object.c kvobjCreate of redis 8.6.3.`
	docTiny = `A key costs some 50 to 90 bytes whatever it holds: its name, an entry and a
slot in the dictionary, an object. A field of a packed hash costs two to four.
So many small strings take several times less as hashes of about a hundred
fields: HSET user:12 34 value instead of SET user:1234 value.

Where identifiers follow each other, the key keeps all but the last two digits
and the field is these two. Others are spread by a checksum over as many hashes
as keep a hundred fields each, and the field is the identifier. Sizes are those
of the memory model, with the slots that the dictionary of keys no longer
needs. A hundred fields stay below hash-max-listpack-entries on every line; a
look-up reads half a hash.

Fields have no TTL of their own before HEXPIRE (Redis 7.4) and are evicted and
expired only with the whole hash, so keys with a TTL are left out.
Sources: t_hash.c, listpack.c of redis 7.2.6; Redis documentation, "Memory
optimization".`
)
