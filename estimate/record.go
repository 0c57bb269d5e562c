package estimate

import "math"

// NoExpiry is Record.Expiry of a key without a TTL. A TTL may be any other
// number, also zero or less: a dump can hold keys that expired long ago.
const NoExpiry = math.MinInt64

// Type is the type of a key as the TYPE command names it.
type Type uint8

// The types of keys. Module covers every value that a module wrote, vector
// sets of Redis 8 included; Record.Module holds its name.
const (
	String Type = iota
	List
	Set
	ZSet
	Hash
	Stream
	Module
	Other // of a dialect or a release whose values no formula covers
	NumTypes
)

var typeNames = [NumTypes]string{"string", "list", "set", "zset", "hash", "stream", "module", "other"}

func (t Type) String() string {
	if t < NumTypes {
		return typeNames[t]
	}
	return "unknown"
}

// Encoding is what OBJECT ENCODING answers.
type Encoding uint8

// The encodings of all server lines.
const (
	Raw Encoding = iota
	Int
	Embstr
	Ziplist
	Listpack
	ListpackEx
	Quicklist
	Intset
	Hashtable
	Skiplist
	StreamEnc
	Unknown
	NumEncodings
)

var encodingNames = [NumEncodings]string{
	"raw", "int", "embstr", "ziplist", "listpack", "listpackex",
	"quicklist", "intset", "hashtable", "skiplist", "stream", "unknown",
}

func (e Encoding) String() string {
	if e < NumEncodings {
		return encodingNames[e]
	}
	return "unknown"
}

// Flags say how a record's sizes come about.
type Flags uint8

const (
	// Chance: the server draws lots (skip list levels, bucket chains, a
	// rehash under way), so the sizes are expected values.
	Chance Flags = 1 << iota
	// Opaque: no formula covers the value; the sizes are serialised bytes.
	Opaque
	// History: the live server may hold it otherwise for reasons that only
	// its past explains.
	History
)

// Record is one key: what the dump says of it and what a server holds for it.
// It is the one thing that analyses and row formats are fed with.
type Record struct {
	Key    []byte // the name; valid only during the call that hands the record over
	Module string // name of the module type, for Type Module

	DB       uint64
	Type     Type
	Encoding Encoding
	Flags    Flags

	Size       int64 // bytes that MEMORY USAGE key SAMPLES 0 reports
	Alloc      int64 // bytes that the allocator holds for the key, its expires entry included
	SizeVar    int64 // variance of Size in bytes squared; 0 where the size is certain
	AllocVar   int64 // variance of Alloc in bytes squared
	Slack      int64 // part of Alloc that a restart gives back: preallocation of a live stream's last node
	Serialized int64 // bytes of the record in the dump, its expiry and other attributes included

	Elems   int64 // members, fields, list elements, stream entries; 1 for a string
	Largest int64 // bytes of the longest value, member, field or entry; -1: not looked at

	Expiry    int64 // unix milliseconds, or NoExpiry
	Idle      int64 // seconds since the last access; -1: the dump does not say
	Freq      int16 // logarithmic access counter of LFU, 0 to 255; -1: the dump does not say
	Slot      int32 // cluster slot; -1: not a cluster dump
	FieldTTLs int64 // fields of a hash that have a TTL of their own

	Source int32 // index of the dump among the inputs

	Audit *Audit // what an audit looks at, nil if there is nothing; valid as long as Key
}

// Audit is what a key would be if it were held otherwise. Sizes are as Alloc.
type Audit struct {
	// Packed is the size of a collection that is a hash table or a skip list
	// if the limits let it be packed; 0 for all others. Record.Largest is then
	// the length that the value limit would have to allow.
	Packed int64
	Over   Over // the limits that keep such a collection from being packed; none: only its past does
	// Squeezed is how many bytes LZF made of a string value in the dump, 0 if
	// the server did not compress it. Record.Largest is its length.
	Squeezed int64
	// JSON says what was found in a string value.
	JSON JSONState
	// Fields of the JSON object, and the size of a hash that holds them: flat
	// values as they are, nested ones as JSON text.
	Fields int32
	AsHash int64
	// AsHashPacked says that such a hash would be packed. If not, AsPacked is
	// what it would take if the limits let it be, FieldLen its longest element.
	AsHashPacked bool
	// Pieces is how many elements or nodes the server frees one by one when it
	// deletes the key, of keys with at least ManyPieces; 0 of others.
	Pieces int64
	// Unpacked is the size of a set of integers near set-max-intset-entries
	// after one member more; 0 for all others.
	Unpacked int64
	// Stream is what an audit knows of a stream that is long or has pending
	// entries; nil for all others. It outlives the record.
	Stream   *StreamAudit
	AsPacked int64
	FieldLen int32

	// The sample of a database that announces very many keys is thinner, so that
	// each stands for several: as one of the sample for 1<<Thins of the keys that
	// Config.Sample would choose, as one looked into for JSON for 1<<JSONThins.
	Thins, JSONThins uint8
	// Config is set for the keys of the sample. What follows is known of them
	// alone.
	Config *Config
	// Entry is what a string value would take as an entry of a packed hash.
	Entry int32
	// NumberSaves is what a string value that is a number in a form of its own
	// ("1.50", "007") would save as an integer.
	NumberSaves int32
	// FieldBytes are the bytes of the names of a hash's fields, FieldSaves is
	// what names of two bytes would save, and FieldMask has a bit of 64 set for
	// each name, chosen by its hash: what few names leave unset is many names'.
	FieldBytes int64
	FieldSaves int64
	FieldMask  uint64
	// Of a hash whose fields hold JSON objects JSON, Fields and AsHash are
	// their number, and the size if their fields were fields, of the same hash
	// or, if Apart, of a hash each; the slots that its key takes in the main
	// dictionary are left out. A Large hash is judged by its first fields, and
	// whether or not its key is of the sample; AsHashVar is the variance of that.
	Apart, Large bool
	AsHashVar    int64
}

// Over says which limits of its type a collection exceeds.
type Over uint8

// The limits, as bits.
const (
	OverEntries Over = 1 << iota
	OverValue
	OverIntset // a set of integers, which set-max-intset-entries limits
)

// JSONState is what is known of a string value.
type JSONState uint8

// The states.
const (
	JSONUnseen JSONState = iota // nobody looked
	JSONNone                    // no JSON object
	JSONObject
)

// ExpiredAt reports whether the key's TTL has run out at now (unix milliseconds).
func (r *Record) ExpiredAt(now int64) bool { return r.Expiry != NoExpiry && r.Expiry <= now }

// TypeName is the type as rows show it: module:NAME for module values.
func (r *Record) TypeName() string {
	if r.Type == Module {
		return "module:" + r.Module
	}
	return r.Type.String()
}
