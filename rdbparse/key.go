package rdbparse

import "math"

// NoExpiry is Key.Expiry of a key without a TTL.
const NoExpiry = math.MinInt64

// Key is a key as the dump has it, without its value. The Reader reuses it:
// it and Name are valid until the following Next.
type Key struct {
	Name    []byte // at most maxName bytes of the name
	NameLen int64  // length of the whole name in bytes
	DB      uint64
	Type    *Type
	Module  string // name of the module type, for ModuleKind
	Expiry  int64  // unix milliseconds, or NoExpiry
	Idle    int64  // seconds since the last access, -1: not in the dump
	Freq    int16  // LFU counter 0 to 255, -1: not in the dump
	Slot    int32  // cluster slot the dump announced, -1: none
	Meta    int    // module metadata classes attached to the key (Redis 8.6)
	Offset  int64  // of the first byte of its record, attributes included
}

// maxName bounds how much of a name is held. Servers allow 512 MB.
const maxName = 1 << 20

// Clone is a copy that outlives the following Next.
func (k *Key) Clone() *Key {
	c := *k
	c.Name = append([]byte(nil), k.Name...)
	return &c
}

// PartKind says what a Part is to its key.
type PartKind uint8

// The kinds of parts, in the order in which a value shows them.
const (
	PartValue        PartKind = iota // the value of a string key
	PartPacked                       // a whole value in one packed blob
	PartElement                      // an element of a list or an array, a member of a set
	PartMember                       // a member of a sorted set; its PartScore follows
	PartScore                        // Score
	PartField                        // a field of a hash; its PartFieldValue follows
	PartFieldValue                   // the value of a field
	PartFieldTTL                     // TTL of a field: before it in Redis, after its value in Valkey
	PartNode                         // a node of a list: Format says whether packed or one plain element
	PartStreamNode                   // a listpack of stream entries; ID is its master ID
	PartStream                       // after the nodes: Count live entries, ID the last one, Int entries ever added or -1
	PartGroup                        // the name of a consumer group
	PartPending                      // an entry pending in the group, in ascending ID order; Int its last delivery, unix ms
	PartConsumer                     // the name of a consumer of the group
	PartOwned                        // an entry pending for the consumer, in ascending ID order; Int when that was last seen, unix ms
	PartProducer                     // the id of an idempotent producer (Redis 8.6)
	PartProducerItem                 // one of its remembered item ids
	PartNumber                       // a number of a module value: Int
	PartOpaque                       // bytes of a module value
	numPartKinds
)

var partNames = [numPartKinds]string{
	"value", "packed", "element", "member", "score", "field", "field value", "field ttl", "node",
	"stream node", "stream", "group", "pending", "consumer", "owned", "producer", "producer item", "number", "opaque",
}

func (k PartKind) String() string {
	if k < numPartKinds {
		return partNames[k]
	}
	return "part"
}

// Format is the layout of a part's bytes.
type Format uint8

// The formats. Plain bytes have no entries.
const (
	Plain Format = iota
	Listpack
	Ziplist
	Intset
	Zipmap
)

var formatNames = [...]string{"plain", "listpack", "ziplist", "intset", "zipmap"}

func (f Format) String() string { return formatNames[f] }

// StreamID names an entry of a stream.
type StreamID struct{ Ms, Seq uint64 }

// Part is a piece of a value: one allocation, or the number beside one. The
// Reader reuses it.
type Part struct {
	Kind   PartKind
	Format Format
	IsInt  bool // the string is stored as the integer Int, Len is the length of its text
	LZF    bool // stored compressed

	Len    int64 // uncompressed bytes
	Stored int64 // bytes of it in the file, without the length before it
	Count  int64 // entries by the header of a packed part, -1: only a walk can tell; else see Kind
	Int    int64
	Score  float64
	Expiry int64 // of PartFieldTTL: unix milliseconds, NoExpiry if the field has none
	ID     StreamID
}
