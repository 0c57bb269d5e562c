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
and the saving is lost, which the finding says. Looking into values takes time,
so by default one of every eight is parsed, chosen by its name, the same ones on
every run; --json-values full parses all.`
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
