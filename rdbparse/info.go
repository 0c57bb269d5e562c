package rdbparse

// Flavor is the family of a file: the same type byte can mean different things
// in each.
type Flavor uint8

// The flavors, by magic.
const (
	Redis  Flavor = iota // REDIS and four digits: all of Redis, Valkey before 9
	Valkey               // VALKEY and three digits: Valkey 9 and later
)

func (f Flavor) String() string {
	if f == Valkey {
		return "VALKEY"
	}
	return "REDIS"
}

// Aux is a named text of the file's head, or between its records.
type Aux struct{ Name, Value string }

// Hint is what a RESIZEDB opcode announces for a database. It can be wrong.
type Hint struct {
	DB            uint64
	Keys, Expires uint64
}

// ChecksumState says how the checksum of a file turned out.
type ChecksumState uint8

// The states. Servers store zero for "not computed" (rdbchecksum no).
const (
	ChecksumUnread ChecksumState = iota // the end was not reached, or nobody asked
	ChecksumAbsent                      // the version has none, or it is zero
	ChecksumOK
	ChecksumWrong
)

var checksumNames = [...]string{"unread", "none", "ok", "wrong"}

func (c ChecksumState) String() string { return checksumNames[c] }

// Trailing says what follows the end of the dump.
type Trailing uint8

// The kinds of trailing bytes.
const (
	TrailingNone    Trailing = iota
	TrailingAOF              // commands of an append-only file
	TrailingEOFMark          // the 40-byte mark of a diskless transfer
	TrailingDump             // another dump
	TrailingUnknown
)

var trailingNames = [...]string{
	"nothing", "append-only file commands", "the 40-byte end mark of a replication stream", "another dump", "no known kind",
}

func (t Trailing) String() string { return trailingNames[t] }

// MaxHints is how many of a file's hints Info holds; HintKeys sums all.
const MaxHints = 4 << 10

// Limits of what Info holds; what goes over is counted only.
const (
	maxAux       = 256
	maxAuxValue  = 4 << 10
	maxFunctions = 1 << 10
)

// Info is what a file says of itself. It grows as the file is read; the aux
// fields at the head are there from the start.
type Info struct {
	Flavor  Flavor
	Version int
	Aux     []Aux  // at most maxAux
	Hints   []Hint // one a database, in file order, at most MaxHints
	Cluster bool   // slot information was seen

	HintKeys, HintExpires uint64 // sums of all RESIZEDB opcodes, saturating

	Functions     int64    // libraries of functions
	FunctionBytes int64    // of their source
	FunctionNames []string // at most maxFunctions
	Scripts       int64    // Lua scripts kept for replication (4.0 to 6.x)
	ScriptBytes   int64
	ModuleAux     []string // names of the module types that left data outside of keys
	Templates     int64    // hash templates (8.10)
	SlotImports   int64    // slot imports under way (Valkey 9)
	Foreign       int64    // records of other vendors that were skipped

	Checksum         ChecksumState
	Stored, Computed uint64 // the checksums; Computed 0 until the end
	Trailing         Trailing
}

// AuxValue is the value of the first aux field of that name.
func (i *Info) AuxValue(name string) (string, bool) {
	for _, a := range i.Aux {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Format is the magic and version as the file spells them.
func (i *Info) Format() string {
	if i.Flavor == Valkey {
		return "VALKEY" + pad(i.Version, 3)
	}
	return "REDIS" + pad(i.Version, 4)
}

func pad(n, width int) string {
	b := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b)
}
