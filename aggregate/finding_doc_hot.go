package aggregate

// What the findings of finding_hot.go and expiry.go mean, for rdbaudit explain.
const (
	docDecades = `These keys have a TTL that ends in thirty years or more: they never expire.
As a rule somebody gave milliseconds to a command that takes seconds: EXPIRE,
SETEX and SET EX take seconds; PEXPIRE, PSETEX and SET PX take milliseconds. An
EX of 86400000, meant as a day, is 2.7 years; one of 2592000000, meant as
thirty days, is 82 years. A time in milliseconds given to EXPIREAT or EXAT lies
tens of thousands of years ahead.

The keys count as volatile all the same: volatile-lru and volatile-ttl may
evict them, volatile-ttl last of all.

The saving is all of them, if they are meant to be gone by now. Whether they
are, only the code that writes them can tell.
Sources: t_string.c getExpireMillisecondsOrReply, expire.c
expireGenericCommand of redis 7.2.6.`
	docFar = `These keys have a TTL that ends in a year or more, but in less than thirty. Some
data is meant to be kept so long: consents, receipts, links. In a cache it is a
unit gone wrong (milliseconds given as seconds turn a day into 2.7 years), or
a TTL that was set so as to have one.

Nothing is saved by the finding itself: memory that comes back in years must
fit until then.
Sources: t_string.c getExpireMillisecondsOrReply of redis 7.2.6.`
	docStorm = `A thousand keys or more expire in the same second, and they are a twentieth of
all that expire, or a hundred thousand of them. Keys that were written together
with the same TTL, or that were given the same time of the clock (midnight)
by EXPIREAT, do that.

Two things follow. The server deletes expired keys in slices of time, ten times
a second, and goes on with a quarter of its time while there are many: latency
rises, and until it is through the memory is not free. And whatever was cached
is missed by all clients at once, so that the database behind has to compute
it all in the same moment. A random part in each TTL avoids both.

Seconds are told apart for a day after the dump, minutes for 31 days (where a
storm is a fifth of all that expires in one minute, since what happens within it
is not known); the table expiry_peaks lists the largest, expiry_hours and
expiry_days say when how much memory comes back.
Sources: expire.c activeExpireCycle of redis 7.2.6.`
	docBlocks = `A server that deletes a collection in one go must free its elements one by one,
and does nothing else meanwhile. These keys have a hundred thousand elements
or more in a hash table or a skip list, or as many nodes of a list or stream
and pending entries of its groups. Packed values are freed at once, however
large, and so are strings.

Deleting is not only DEL: a key that expires, is evicted, or is overwritten by
SET, RENAME or a STORE command is freed just so, unless the server is told to
hand it to a thread in the background, which it does with values of more than 64
pieces. UNLINK always does. The settings lazyfree-lazy-user-del, -expire,
-eviction and -server-del are off by default in Redis and on since Valkey 8.0;
given with --config, those that are on are left out here. Reading such a key
whole (HGETALL, SMEMBERS, LRANGE 0 -1) blocks as well; use HSCAN and its kin.

The time is estimated. Measured on redis 7.0.15: DEL of 500,000 elements that
had just been written took 51 ms (sorted set), 117 ms (set), 146 ms (hash);
of as many pending entries of a stream 57 ms. Memory that is old and scattered
takes longer.
Sources: lazyfree.c lazyfreeGetFreeEffort, LAZYFREE_THRESHOLD and config.c of
redis 7.2.6; config.c of valkey 8.0.1.`
	docIntset = `A set whose members are all integers is an intset, a sorted array of 2, 4 or 8
bytes a member, up to set-max-intset-entries of them (512 by default). With one
member more it becomes a hash table, which takes ten times as much and more. It
never turns back while the server runs. A member that is no integer does the
same at any size.

These sets are within a sixteenth of the limit. The bytes after it are those
of each set with just one member over the limit. Raising the limit before they
get there costs little time: an intset is searched by halving; an insertion
moves what lies behind the place, some kilobytes.
Sources: t_set.c setTypeAddAux, maybeConvertIntset, intset.c of redis 7.2.6.`
	docGrows = `A stream keeps its entries until something removes them: XADD with MAXLEN or
MINID, XTRIM, or XDEL. Reading and acknowledging removes nothing. Since 7.0 a
dump says how many entries were ever added to a stream; here that is as many as
it holds, so none was ever removed. Streams of fewer than a thousand entries are
left out.

A stream whose limit has not been reached yet looks the same, and so does one
that a server loaded from a dump older than 7.0, for which counting began
with that.

XADD key MAXLEN ~ N bounds a stream where it is written, for next to nothing:
with ~ whole nodes are dropped.
Sources: rdb.c rdbSaveObject, rdbLoadObject (entries_added), t_stream.c
streamTrim of redis 7.2.6.`
	docRoom = `A stream keeps its entries in nodes. For the last one, to which XADD adds, a
server sets aside stream-node-max-bytes at once, 4096 bytes unless told
otherwise (never more than that), and gives back what is left when the node is
full. Many streams of few entries each hold little but that room.

A dump holds no room, so a server that has loaded one starts without, and each
XADD brings it back to the stream that it writes to. A smaller
stream-node-max-bytes makes more and smaller nodes of long streams, which costs
them some memory and time; it counts for nodes made after it was set. One stream
for many senders, told apart by a field, needs no room for each.
Sources: t_stream.c streamAppendItem (STREAM_LISTPACK_MAX_PRE_ALLOCATE), rdb.c
rdbLoadObject of redis 7.0.15.`
	docPending = `A consumer group remembers each entry that it has delivered until somebody
acknowledges it: in the group's list of pending entries and once more in the
consumer's, some tens of bytes each, entry by entry. Consumers that never call
XACK, and workers that died on the way, make these lists grow without end, also
after the entries themselves have been trimmed away.

Here they take a share of memory worth naming, and the first was delivered an
hour or more before the dump, so it is not just being worked on. Entries of
consumers that are gone are a finding of their own. The saving is what both
lists take; the entries of the stream stay.
Sources: t_stream.c streamReplyWithRange, streamCreateNACK of redis 7.2.6.`
	docGone = `Entries that a group has delivered belong to one consumer until it acknowledges
them or another one claims them. These consumers have such entries and were not
seen for a week or more before the dump: a worker that took its name from a
container or a process that is gone never comes back for them. Nobody works on
these entries and no reader of new ones ever gets them.

A consumer that waits in XREADGROUP with BLOCK 0 counts as seen when it began to
wait, so one that has waited for a week without an entry looks gone; with
entries pending that is rare.

XAUTOCLAIM (6.2) moves them to a living consumer; XGROUP DELCONSUMER before
that throws them away.
Sources: t_stream.c xreadCommand, xclaimCommand (seen_time), rdb.c
rdbSaveStreamConsumers of redis 7.2.6.`
	docHotSlot = `A cluster spreads keys over 16384 slots and slots over nodes. A slot is never
divided: all its keys are on one node. This one holds a twentieth or more of
all bytes and at least a hundred times its even share, and no single hash tag
explains it: a very large key, or a few, do.

Such keys can be split: a hash of a million fields into a thousand hashes, named
by a part of the field's name.
Sources: cluster.c keyHashSlot of redis 7.2.6.`
	docHotTag = `Where a key's name has a part in braces, that part alone decides its slot, so
that keys which are used together in one command can be on one node. All keys
with this tag are in one slot, which holds a twentieth or more of all bytes and
at least a hundred times its even share. The node that has it fills first, and
no rebalancing can help, since a slot is never divided.

As a rule the tag is too wide: {user} where {user:17} would do.

Tags are counted in a table of 8192; in a dump with more the figures are the
least that a tag can hold, and the finding says by how much it may be more.
Sources: cluster.c keyHashSlot of redis 7.2.6.`
	docNodes = `These dumps have no slot in common, so they are nodes of one cluster, and the
fullest holds a quarter more than the mean, or still more. It reaches maxmemory
first, and then it evicts, or refuses writes, while the others have room.

redis-cli --cluster rebalance makes the number of slots even, not the bytes.
Where the fullest node has no more slots than the others, single slots are
heavy: the table slots lists them, and --cluster reshard moves a number of them.
Sources: redis-cli.c clusterManagerCommandRebalance of redis 7.2.6.`
	docUnexplained = `The server wrote into the dump how much memory it used (used-mem), or --info
gave it. Keys, their tables and an empty server's own memory explain less than
three quarters of that, and 64 MiB or more are left.

A dump holds nothing of what else a server keeps: output buffers of clients
that read too slowly, the replication backlog, scripts and functions with their
engines, data of modules outside of keys, memory of watched and blocked keys.
MEMORY STATS names most of these on the server, CLIENT LIST the clients (omem).
Values of modules are counted by their bytes in the dump, so what a module holds
beyond these is in here as well.
Sources: object.c getMemoryOverheadData of redis 7.2.6.`
)
