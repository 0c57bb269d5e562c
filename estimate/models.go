package estimate

import (
	"strconv"
	"strings"

	"rdbaudit/rdbparse"
)

// Line is a server line: the releases that lay keys out alike. It is plain
// data; the formulas that read it stand in the file of their type.
//
// Sources, for each line at its tag (redis 6.2.16, 7.0.15, 7.2.6, 7.4.1,
// 8.0.6, 8.6.3, valkey 8.0.1, 8.1.1, 9.1.2): object.c objectComputeSize and
// memoryCommand (8.6: kvobjComputeSize), dict.h and hashtable.c for the
// structs, rdb.c rdbLoadObject for what loading makes of a dump.
type Line struct {
	Name   string // "redis-7.2"
	Tested string // the release it was checked against: "7.2.6"
	RDB    int    // highest version of the REDIS magic that it reads

	head        headKind
	modernSds   bool  // header bounds that leave room for the size class (sds.c@valkey-8.0.1)
	slotPerKey  int64 // cluster mode: bytes per key for the slot lists (7.0, 7.2)
	embstr      embstrRule
	sdsExact    bool // short strings are counted without their class (8.6)
	packedExact bool // packed blobs are counted without their class (6.2, 8.6)

	dictStruct int64 // sizeof(dict), sizeof(hashtable)
	dictNewer  bool  // hints that are smaller than the table do nothing
	bucketed   bool  // tables of 64-byte buckets (Valkey 8.1)
	hashExtra  int64 // bytes of the type of a hash table that hashes carry (Valkey 9)
	entries    entryRule

	ziplists                                  bool // packed values are ziplists (6.2)
	listPacked                                bool // a list of one node is a bare listpack (7.2)
	plain                                     plainRule
	nodeStruct                                int64 // sizeof(quicklistNode)
	byElements                                bool  // list sizes are averaged over elements (8.0)
	setListpack                               bool  // 7.2
	growPacked                                bool  // tables that replace a packed zset grow step by step (6.2, 7.0)
	growHash                                  bool  // likewise hashes (6.2)
	hashFinds                                 int64 // look-ups before a live hash inserts a field (t_hash.c hashTypeSet)
	bulk                                      bool  // one command with many elements sizes the table at once (7.2)
	fpconv                                    bool  // scores as the shortest digits (7.2)
	fieldTTL                                  ttlRule
	hash                                      hashRule
	skip                                      skipRule
	stream                                    streamRule
	streamStruct, groupStruct, consumerStruct int64 // sizeof(stream), sizeof(streamCG), sizeof(streamConsumer)

	presized bool  // the main dictionary is sized by RESIZEDB
	perSlot  int64 // cluster mode: bytes per slot that holds keys, for its table of keys
	perSlotX int64 // and for its table of expires
	once     int64 // bytes a database pays once, stand-alone

	startup, startupCluster int64 // used_memory of an empty server, 16 databases
	base                    int64 // the same with one client, stand-alone
}

type headKind uint8

const (
	headClassic   headKind = iota // sds key, dict entry, object: three allocations
	headEntryKey                  // the key lies in its dict entry (valkey 8.0)
	headUncounted                 // the key lies in the object, MEMORY USAGE counts 16 (valkey 8.1)
	headObject                    // the key lies in the object (valkey 9.1, redis 8.6)
)

type embstrRule uint8

const (
	embstrUnrounded  embstrRule = iota // 44 bytes, counted without its class (6.2)
	embstrClassic                      // 44 bytes
	embstrCacheLine                    // key and value share 64 bytes, TTL added later (valkey 8.1)
	embstrCacheLineX                   // the same, the TTL always has room (redis 8.6)
	embstrTwoLines                     // 128 bytes (valkey 9.1)
)

type entryRule uint8

const (
	entriesFull    entryRule = iota // 24 bytes each
	entriesSet                      // sets keep no entry for the first of a bucket; counted as 24 (7.2)
	entriesSetSeen                  // the same, counted so (valkey 8.0)
	entriesAny                      // no table keeps one; counted as 24 (8.6)
)

type plainRule uint8

const (
	plainNever    plainRule = iota // 6.2
	plainFrom1GiB                  // 7.0, 7.2
	plainOverNode                  // longer than a node may be (7.4)
)

type ttlRule uint8

const (
	ttlNone    ttlRule = iota
	ttlRedis           // listpackex, and mstr fields with an ebuckets index (7.4)
	ttlRedis86         // entries that hold field and value
	ttlValkey          // always a hash table, with a vset (valkey 9.0)
)

type hashRule uint8

const (
	hashClassic hashRule = iota // entry, field and value: three allocations
	hashMstr                    // fields without the sds rounding rules (7.4)
	hashEntry                   // field and value in one (redis 8.6, valkey 8.1)
)

type skipRule uint8

const (
	skipClassic skipRule = iota // the node points to the member's sds
	skipEmbedV                  // the member lies in the node (valkey 9.1)
	skipEmbedR                  // the same, without the byte before (redis 8.6)
)

type streamRule uint8

const (
	streamGuess streamRule = iota // trees are counted by a guess per node
	streamTree                    // trees are counted node by node (valkey 8.1)
	streamExact                   // all allocations are counted (redis 8.6)
)

// lines are the nine lines, oldest first. Start-up figures: empty servers, asked.
func lines() []Line {
	redis62 := Line{
		Name: "redis-6.2", Tested: "6.2.16", RDB: 9,
		packedExact: true, dictStruct: 96, ziplists: true, nodeStruct: 32, growPacked: true, growHash: true, hashFinds: 1,
		presized: true, slotPerKey: 44, streamStruct: 40, groupStruct: 32, consumerStruct: 24,
		startup: 812136, base: 874120, startupCluster: 1470000,
	}
	redis70 := Line{
		Name: "redis-7.0", Tested: "7.0.15", RDB: 10,
		embstr: embstrClassic, dictStruct: 56, nodeStruct: 40, plain: plainFrom1GiB, growPacked: true, hashFinds: 1,
		presized: true, slotPerKey: 16, streamStruct: 80, groupStruct: 40, consumerStruct: 24,
		startup: 858904, base: 906640, startupCluster: 1580000,
	}
	redis72 := redis70
	redis72.Name, redis72.Tested, redis72.RDB = "redis-7.2", "7.2.6", 11
	redis72.listPacked, redis72.setListpack, redis72.entries, redis72.growPacked, redis72.fpconv, redis72.bulk, redis72.hashFinds = true, true, entriesSet, false, true, true, 0
	redis72.slotPerKey, redis72.consumerStruct = 8, 32
	redis72.startup, redis72.base, redis72.startupCluster = 866096, 913968, 1582912

	redis74 := redis72
	redis74.Name, redis74.Tested, redis74.RDB = "redis-7.4", "7.4.1", 12
	redis74.dictNewer, redis74.plain, redis74.fieldTTL, redis74.hash, redis74.presized = true, plainOverNode, ttlRedis, hashMstr, false
	redis74.slotPerKey, redis74.perSlot, redis74.perSlotX = 0, 64, 64
	redis74.startup, redis74.base, redis74.startupCluster = 946512, 994384, 2278976

	redis80 := redis74
	redis80.Name, redis80.Tested = "redis-8.0", "8.0.6"
	redis80.byElements, redis80.hashFinds = true, 1
	redis80.perSlot, redis80.perSlotX, redis80.once = 2560, 64, 2624
	redis80.startup, redis80.base, redis80.startupCluster = 652872, 700760, 1940000

	redis86 := redis80
	redis86.Name, redis86.Tested, redis86.RDB = "redis-8.6", "8.6.3", 13
	redis86.head, redis86.embstr, redis86.modernSds, redis86.sdsExact, redis86.packedExact = headObject, embstrCacheLineX, true, true, true
	redis86.byElements, redis86.hashFinds, redis86.entries, redis86.presized = false, 0, entriesAny, true
	redis86.fieldTTL, redis86.hash, redis86.skip, redis86.stream = ttlRedis86, hashEntry, skipEmbedR, streamExact
	redis86.perSlot, redis86.perSlotX = 2624, 0
	redis86.startup, redis86.base, redis86.startupCluster = 705608, 754040, 2258264

	valkey80 := redis72
	valkey80.Name, valkey80.Tested = "valkey-8.0", "8.0.1"
	valkey80.head, valkey80.modernSds, valkey80.dictNewer, valkey80.plain = headEntryKey, true, true, plainOverNode
	valkey80.entries, valkey80.presized = entriesSetSeen, false
	valkey80.slotPerKey, valkey80.perSlot, valkey80.perSlotX = 0, 80, 80
	valkey80.startup, valkey80.base, valkey80.startupCluster = 912272, 939664, 2710000

	valkey81 := valkey80
	valkey81.Name, valkey81.Tested = "valkey-8.1", "8.1.1"
	valkey81.head, valkey81.embstr, valkey81.hash = headUncounted, embstrCacheLine, hashEntry
	valkey81.bucketed, valkey81.dictStruct, valkey81.entries, valkey81.presized = true, 72, entriesFull, true
	valkey81.stream = streamTree
	valkey81.perSlot, valkey81.perSlotX = 96, 96
	valkey81.startup, valkey81.base, valkey81.startupCluster = 879664, 906528, 2680000

	valkey91 := valkey81
	valkey91.Name, valkey91.Tested = "valkey-9.1", "9.1.2"
	valkey91.head, valkey91.embstr = headObject, embstrTwoLines
	valkey91.dictStruct, valkey91.hashExtra, valkey91.fieldTTL, valkey91.skip = 80, 8, ttlValkey, skipEmbedV
	valkey91.startup, valkey91.base, valkey91.startupCluster = 927456, 954576, 2503128

	return []Line{redis62, redis70, redis72, redis74, redis80, redis86, valkey80, valkey81, valkey91}
}

// LineNames lists the lines, for help texts.
func LineNames() []string {
	var names []string
	for _, l := range lines() {
		names = append(names, l.Name)
	}
	return names
}

// Lookup finds the line for a name such as redis-7.2, redis-7.2.6, 7.2 or
// valkey-8.1. Releases without a line of their own get the one that shares
// their layout, and verified is false.
func Lookup(name string) (line *Line, verified, ok bool) {
	server, version, found := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "-")
	if !found {
		server, version = "redis", server
	}
	if server != "redis" && server != "valkey" {
		return nil, false, false
	}
	line, verified = forVersion(server == "valkey", version)
	return line, verified, line != nil
}

func forVersion(valkey bool, version string) (*Line, bool) {
	parts := strings.SplitN(version, ".", 3)
	major, err := strconv.Atoi(parts[0])
	if err != nil || major < 0 {
		return nil, false
	}
	minor := 0
	if len(parts) > 1 {
		if minor, err = strconv.Atoi(parts[1]); err != nil || minor < 0 {
			return nil, false
		}
	}
	name, verified := "", false
	v := major*1000 + minor
	if valkey {
		switch {
		case v < 8000:
			name = "redis-7.2"
		case v == 8000:
			name, verified = "valkey-8.0", true
		case v < 9000:
			name, verified = "valkey-8.1", v == 8001
		default:
			name, verified = "valkey-9.1", v == 9001
		}
	} else {
		switch {
		case v < 6009: // 6.9 is what 7.0's release candidates call themselves
			name, verified = "redis-6.2", v == 6002
		case v < 7001:
			name, verified = "redis-7.0", v == 7000
		case v < 7003:
			name, verified = "redis-7.2", v == 7002
		case v < 8000:
			name, verified = "redis-7.4", v == 7004
		case v == 8000:
			name, verified = "redis-8.0", true
		default:
			name, verified = "redis-8.6", v == 8006
		}
	}
	for _, l := range lines() {
		if l.Name == name {
			return &l, verified
		}
	}
	return nil, false
}

// ForInfo is the line that wrote a dump, and in words how that was found out.
// It is never nil.
func ForInfo(info *rdbparse.Info) (line *Line, verified bool, from string) {
	if v, ok := info.AuxValue("valkey-ver"); ok {
		if l, verified := forVersion(true, v); l != nil {
			return l, verified, "the dump's valkey-ver " + v
		}
	}
	if v, ok := info.AuxValue("redis-ver"); ok {
		if l, verified := forVersion(false, v); l != nil {
			return l, verified, "the dump's redis-ver " + v
		}
	}
	if info.Flavor == rdbparse.Valkey {
		l, _ := forVersion(true, "9.1")
		return l, false, "the format " + info.Format()
	}
	v := "6.2"
	switch {
	case info.Version >= 13:
		v = "8.6"
	case info.Version == 12:
		v = "7.4"
	case info.Version == 11:
		v = "7.2"
	case info.Version == 10:
		v = "7.0"
	}
	l, _ := forVersion(false, v)
	return l, false, "the format " + info.Format()
}

// Refuses says in words why a server of the line would refuse to load the
// dump, or nothing if it would not.
func (l *Line) Refuses(info *rdbparse.Info) string {
	if info.Flavor == rdbparse.Valkey {
		if l.Name != "valkey-9.1" {
			return l.Name + " does not read " + info.Format() + " files"
		}
		return ""
	}
	if info.Version > l.RDB {
		return l.Name + " reads RDB versions up to " + strconv.Itoa(l.RDB) + ", this dump has " + strconv.Itoa(info.Version)
	}
	return ""
}
