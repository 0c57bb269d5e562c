package aggregate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"rdbaudit/estimate"
)

// Totals are the sums over all keys. It is the analysis "totals" itself, and
// what the others hold their shares against.
//
// NoTTL, FieldTTL and TTL part the keys: FieldTTL are hashes without a TTL of
// their own all of whose fields have one; Expired are those of TTL whose time
// has run out at the dump's moment.
type Totals struct {
	Keys       int64
	Bytes      int64 // by the measure of the run: what shares are shares of
	Size       int64 // sum of size_in_bytes
	Alloc      int64 // sum of allocated_bytes
	Serialized int64 // bytes in the dump
	Elements   int64
	Slack      int64 // bytes of Alloc that a restart gives back

	ChanceKeys  int64 // keys whose size rests on an expected value
	ChanceBytes int64 // their bytes
	SizeVar     int64 // variance of Size in bytes squared, saturating
	AllocVar    int64 // variance of Alloc in bytes squared, saturating

	OpaqueKeys  int64 // keys that no formula covers
	OpaqueBytes int64
	HistoryKeys int64 // keys that the live server may hold otherwise

	NoTTLKeys, NoTTLBytes       int64
	TTLKeys, TTLBytes           int64
	FieldTTLKeys, FieldTTLBytes int64
	ExpiredKeys, ExpiredBytes   int64
	IdleKeys                    int64 // keys whose idle time the dump gives
	FreqKeys                    int64 // keys whose LFU counter the dump gives

	o       *Options
	dbs     *databases
	dicts   *dicts
	moments moments
}

// moments are the first and the last of the moments that keys were held
// against, in unix milliseconds.
type moments struct {
	known       bool
	first, last int64
}

func (m *moments) add(o moments) {
	switch {
	case !o.known:
	case !m.known:
		*m = o
	default:
		m.first, m.last = min(m.first, o.first), max(m.last, o.last)
	}
}

// now is the last of the moments, that of the options if no other is known.
func (m *moments) now(o *Options) int64 {
	if m.known {
		return m.last
	}
	return o.Now
}

// Database is what one database of the server holds.
type Database struct {
	DB                               uint64
	Keys, Bytes, Elements            int64
	NoTTLKeys, TTLKeys, FieldTTLKeys int64
	ExpiredKeys, ExpiredBytes        int64
}

// Dict counts the keys of one main dictionary of a server: of a database,
// and in cluster mode of a slot of it.
type Dict struct {
	Source  int32 // index of the dump
	Slot    int32 // -1: not a cluster dump
	DB      uint64
	Keys    int64
	TTLKeys int64 // keys in its expires dictionary
	Bytes   int64 // by the measure of the run
}

// NewTotals makes the analysis "totals".
func NewTotals(o *Options) *Totals {
	return &Totals{o: o.normal(), dbs: &databases{}, dicts: &dicts{}}
}

// Add counts one record.
func (t *Totals) Add(r *estimate.Record) {
	var it item
	it.fill(t.o, r)
	t.add(&it)
}

func (t *Totals) add(it *item) {
	var x sums
	items := []item{*it}
	x.of(items)
	t.addAll(items, &x)
}

// addAll counts items with these sums.
func (t *Totals) addAll(items []item, x *sums) {
	if x.flagged {
		for i := range items {
			if r := items[i].r; r.Flags != 0 {
				t.addFlagged(r, items[i].n)
			}
		}
	}
	t.Size += x.size
	t.Alloc += x.alloc
	t.Serialized += x.serialized
	t.Elements += x.elems
	t.Slack += x.slack
	t.IdleKeys += x.idle
	t.FreqKeys += x.freq
	t.addLives(&x.lives)
	if !x.apart {
		t.addDict(items[0].r, x.elems, &x.lives)
		return
	}
	for len(items) > 0 {
		first := items[0].r
		var lives [numLives]tally
		elems, n := int64(0), 0
		for ; n < len(items); n++ {
			r := items[n].r
			if r.DB != first.DB || r.Slot != first.Slot || r.Source != first.Source {
				break
			}
			elems += r.Elems
			lives[items[n].life].add(items[n].n)
		}
		items = items[n:]
		t.addDict(first, elems, &lives)
	}
}

// addDict counts keys of one dictionary, of which r is one.
func (t *Totals) addDict(r *estimate.Record, elems int64, lives *[numLives]tally) {
	d := t.dbs.at(r.DB)
	d.Elements += elems
	d.addLives(lives)
	t.dicts.at(r.Source, r.DB, r.Slot).addLives(lives)
}

func (t *Totals) addFlagged(r *estimate.Record, n int64) {
	if r.Flags&estimate.Chance != 0 {
		t.ChanceKeys++
		t.ChanceBytes += n
		t.SizeVar = addSaturating(t.SizeVar, r.SizeVar)
		t.AllocVar = addSaturating(t.AllocVar, r.AllocVar)
	}
	if r.Flags&estimate.Opaque != 0 {
		t.OpaqueKeys++
		t.OpaqueBytes += n
	}
	if r.Flags&estimate.History != 0 {
		t.HistoryKeys++
	}
}

func (t *Totals) addLives(lives *[numLives]tally) {
	all := sumLives(lives)
	t.Keys += all.keys
	t.Bytes += all.bytes
	t.NoTTLKeys += lives[noTTL].keys
	t.NoTTLBytes += lives[noTTL].bytes
	t.FieldTTLKeys += lives[fieldTTL].keys
	t.FieldTTLBytes += lives[fieldTTL].bytes
	t.TTLKeys += lives[expires].keys + lives[expired].keys
	t.TTLBytes += lives[expires].bytes + lives[expired].bytes
	t.ExpiredKeys += lives[expired].keys
	t.ExpiredBytes += lives[expired].bytes
}

func (d *Database) addLives(lives *[numLives]tally) {
	all := sumLives(lives)
	d.Keys += all.keys
	d.Bytes += all.bytes
	d.NoTTLKeys += lives[noTTL].keys
	d.FieldTTLKeys += lives[fieldTTL].keys
	d.TTLKeys += lives[expires].keys + lives[expired].keys
	d.ExpiredKeys += lives[expired].keys
	d.ExpiredBytes += lives[expired].bytes
}

func (d *Dict) addLives(lives *[numLives]tally) {
	all := sumLives(lives)
	d.Keys += all.keys
	d.Bytes += all.bytes
	d.TTLKeys += lives[expires].keys + lives[expired].keys
}

func sumLives(lives *[numLives]tally) (all tally) {
	for i := range lives {
		all.merge(&lives[i])
	}
	return all
}

// addSaturating adds numbers that are not negative; in this form the order of
// additions does not matter.
func addSaturating(a, b int64) int64 {
	b = max(b, 0)
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Merge counts all that other has counted.
func (t *Totals) Merge(other Analysis) error {
	o, ok := other.(*Totals)
	if !ok {
		return errType(t, other)
	}
	if err := t.o.same(o.o); err != nil {
		return err
	}
	t.Keys += o.Keys
	t.Bytes += o.Bytes
	t.Size += o.Size
	t.Alloc += o.Alloc
	t.Serialized += o.Serialized
	t.Elements += o.Elements
	t.Slack += o.Slack
	t.ChanceKeys += o.ChanceKeys
	t.ChanceBytes += o.ChanceBytes
	t.SizeVar = addSaturating(t.SizeVar, o.SizeVar)
	t.AllocVar = addSaturating(t.AllocVar, o.AllocVar)
	t.OpaqueKeys += o.OpaqueKeys
	t.OpaqueBytes += o.OpaqueBytes
	t.HistoryKeys += o.HistoryKeys
	t.NoTTLKeys += o.NoTTLKeys
	t.NoTTLBytes += o.NoTTLBytes
	t.TTLKeys += o.TTLKeys
	t.TTLBytes += o.TTLBytes
	t.FieldTTLKeys += o.FieldTTLKeys
	t.FieldTTLBytes += o.FieldTTLBytes
	t.ExpiredKeys += o.ExpiredKeys
	t.ExpiredBytes += o.ExpiredBytes
	t.IdleKeys += o.IdleKeys
	t.FreqKeys += o.FreqKeys
	t.moments.add(o.moments)
	for i := range o.dbs.list {
		t.dbs.at(o.dbs.list[i].DB).add(&o.dbs.list[i])
	}
	t.dbs.other.add(&o.dbs.other)
	t.dbs.folded = t.dbs.folded || o.dbs.folded
	for _, d := range o.dicts.list {
		at := t.dicts.at(d.Source, d.DB, d.Slot)
		at.Keys += d.Keys
		at.TTLKeys += d.TTLKeys
		at.Bytes += d.Bytes
	}
	t.dicts.other.Keys += o.dicts.other.Keys
	t.dicts.other.TTLKeys += o.dicts.other.TTLKeys
	t.dicts.other.Bytes += o.dicts.other.Bytes
	return nil
}

// Databases lists the databases by number. Beyond some thousands the smallest
// are summed up in other.
func (t *Totals) Databases() (list []Database, other Database) {
	if t.dbs == nil {
		return nil, other
	}
	list = slices.Clone(t.dbs.list)
	slices.SortFunc(list, func(a, b Database) int { return cmp.Compare(a.DB, b.DB) })
	return list, t.dbs.other
}

// Dicts lists the main dictionaries in order of source, database and slot.
// Beyond 131072 (8 whole clusters) the rest is summed up in other, whose
// Source and Slot are -1.
func (t *Totals) Dicts() (list []Dict, other Dict) {
	other = Dict{Source: -1, Slot: -1}
	if t.dicts == nil {
		return nil, other
	}
	list = slices.Clone(t.dicts.list)
	slices.SortFunc(list, func(a, b Dict) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.DB, b.DB), cmp.Compare(a.Slot, b.Slot))
	})
	other.Keys, other.TTLKeys, other.Bytes = t.dicts.other.Keys, t.dicts.other.TTLKeys, t.dicts.other.Bytes
	return list, other
}

// Tables renders the table "databases". The argument is ignored.
func (t *Totals) Tables(*Totals) []Table {
	table := Table{
		Name:  "databases",
		Title: "Databases",
		Columns: []Column{
			{"database", Count, "number of the database; empty: the smallest of very many together"},
			{"keys", Count, "keys"},
			{"bytes", Bytes, "their bytes"},
			{"share", Share, "bytes as a share of all"},
			{"elements", Count, "members, fields, list elements, stream entries; 1 for a string"},
			{"no_ttl_keys", Count, "keys without a TTL"},
			{"ttl_keys", Count, "keys with a TTL"},
			{"field_ttl_keys", Count, "hashes without a TTL of their own all of whose fields have one"},
			{"expired_keys", Count, "keys whose TTL has run out"},
			{"expired_bytes", Bytes, "their bytes"},
		},
	}
	row := func(number Cell, d *Database) {
		table.Rows = append(table.Rows, []Cell{
			number, {I: d.Keys}, {I: d.Bytes}, share(d.Bytes, t.Bytes), {I: d.Elements}, {I: d.NoTTLKeys},
			{I: d.TTLKeys}, {I: d.FieldTTLKeys}, {I: d.ExpiredKeys}, {I: d.ExpiredBytes},
		})
	}
	list, other := t.Databases()
	for i := range list {
		row(dbCell(list[i].DB), &list[i])
	}
	if other.Keys > 0 {
		row(Cell{Null: true}, &other)
		table.Notes = append(table.Notes, fmt.Sprintf("more than %d databases: the smallest are one row without a number", 2*keptDatabases))
	}
	return []Table{table}
}

// dbCell holds a database's number; those that no server can have saturate.
func dbCell(db uint64) Cell { return Cell{I: int64(min(db, math.MaxInt64))} }

func share(part, of int64) Cell {
	if of <= 0 {
		return Cell{}
	}
	return Cell{F: float64(part) / float64(of)}
}

func (d *Database) add(o *Database) {
	d.Keys += o.Keys
	d.Bytes += o.Bytes
	d.Elements += o.Elements
	d.NoTTLKeys += o.NoTTLKeys
	d.TTLKeys += o.TTLKeys
	d.FieldTTLKeys += o.FieldTTLKeys
	d.ExpiredKeys += o.ExpiredKeys
	d.ExpiredBytes += o.ExpiredBytes
}

// keptDatabases is how many databases remain when there are twice as many: a
// hostile dump can name a new one before each key.
const keptDatabases = 4096

// databases finds a database by number, the one of the last key at once.
type databases struct {
	list   []Database
	index  map[uint64]int32
	last   int
	other  Database
	folded bool
}

func (d *databases) at(db uint64) *Database {
	if d.last < len(d.list) && d.list[d.last].DB == db {
		return &d.list[d.last]
	}
	return d.find(db)
}

func (d *databases) find(db uint64) *Database {
	if i, ok := d.index[db]; ok {
		d.last = int(i)
		return &d.list[i]
	}
	if len(d.list) == 2*keptDatabases {
		d.fold()
	}
	if d.index == nil {
		d.index = make(map[uint64]int32)
	}
	d.last = len(d.list)
	d.index[db] = int32(d.last)
	d.list = append(d.list, Database{DB: db})
	return &d.list[d.last]
}

func (d *databases) fold() {
	slices.SortFunc(d.list, func(a, b Database) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.DB, b.DB))
	})
	for i := range d.list[keptDatabases:] {
		d.other.add(&d.list[keptDatabases+i])
	}
	d.list = d.list[:keptDatabases]
	clear(d.index)
	for i := range d.list {
		d.index[d.list[i].DB] = int32(i)
	}
	d.folded = true
}

// maxDicts bounds the dictionaries: 8 clusters of 16384 slots.
const maxDicts = 8 * 16384

// dicts finds a dictionary, the one of the last key at once: dumps are in
// order of database and slot.
type dicts struct {
	list  []Dict
	slots []uint32 // open addressing: index+1 into list
	last  int
	other Dict
}

func (d *dicts) at(source int32, db uint64, slot int32) *Dict {
	if d.last < len(d.list) {
		if l := &d.list[d.last]; l.Slot == slot && l.DB == db && l.Source == source {
			return l
		}
	}
	return d.find(source, db, slot)
}

func (d *dicts) find(source int32, db uint64, slot int32) *Dict {
	if 2*len(d.list) >= len(d.slots) {
		d.slots = make([]uint32, max(16, 2*len(d.slots)))
		for i := range d.list {
			l := &d.list[i]
			h := hashDict(l.Source, l.DB, l.Slot)
			for ; d.slots[h&uint64(len(d.slots)-1)] != 0; h++ {
			}
			d.slots[h&uint64(len(d.slots)-1)] = uint32(i + 1)
		}
	}
	h := hashDict(source, db, slot)
	for ; ; h++ {
		i := d.slots[h&uint64(len(d.slots)-1)]
		if i == 0 {
			break
		}
		if l := &d.list[i-1]; l.Slot == slot && l.DB == db && l.Source == source {
			d.last = int(i - 1)
			return l
		}
	}
	if len(d.list) == maxDicts {
		return &d.other
	}
	d.last = len(d.list)
	d.list = append(d.list, Dict{Source: source, DB: db, Slot: slot})
	d.slots[h&uint64(len(d.slots)-1)] = uint32(len(d.list))
	return &d.list[d.last]
}

// renumber gives the dumps new numbers.
func (d *dicts) renumber(to []int32) {
	list := d.list
	*d = dicts{other: d.other}
	for _, x := range list {
		at := d.at(place(to, x.Source), x.DB, x.Slot)
		at.Keys, at.TTLKeys, at.Bytes = x.Keys, x.TTLKeys, x.Bytes
	}
}

// hashDict mixes a dictionary's name. The table is bounded, so names chosen
// to collide cost time in proportion to maxDicts at worst.
func hashDict(source int32, db uint64, slot int32) uint64 {
	h := db*0x9e3779b97f4a7c15 ^ uint64(uint32(slot))<<32 ^ uint64(uint32(source))
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func (t *Totals) code(c *coder) {
	c.sum(&t.Keys, &t.Bytes, &t.Size, &t.Alloc, &t.Serialized, &t.Elements, &t.Slack, &t.ChanceKeys, &t.ChanceBytes)
	c.big(&t.SizeVar)
	c.big(&t.AllocVar)
	c.sum(&t.OpaqueKeys, &t.OpaqueBytes, &t.HistoryKeys, &t.NoTTLKeys, &t.NoTTLBytes, &t.TTLKeys, &t.TTLBytes,
		&t.FieldTTLKeys, &t.FieldTTLBytes, &t.ExpiredKeys, &t.ExpiredBytes, &t.IdleKeys, &t.FreqKeys)
	c.bool(&t.moments.known)
	c.int(&t.moments.first)
	c.int(&t.moments.last)
	one := func(d *Database) {
		c.uint(&d.DB)
		c.sum(&d.Keys, &d.Bytes, &d.Elements, &d.NoTTLKeys, &d.TTLKeys, &d.FieldTTLKeys, &d.ExpiredKeys, &d.ExpiredBytes)
	}
	dbs, other := t.Databases()
	eachOf(c, &dbs, 2*keptDatabases, one)
	one(&other)
	c.bool(&t.dbs.folded)
	dict := func(d *Dict) {
		c.source(&d.Source)
		slot := d.Slot + 1
		small(c, &slot, maxSlot+2)
		d.Slot = slot - 1
		c.uint(&d.DB)
		c.sum(&d.Keys, &d.TTLKeys, &d.Bytes)
	}
	dicts, rest := t.Dicts()
	eachOf(c, &dicts, maxDicts, dict)
	c.sum(&rest.Keys, &rest.TTLKeys, &rest.Bytes)
	if c.reads {
		for i := range dbs {
			*t.dbs.at(dbs[i].DB) = dbs[i]
		}
		t.dbs.other = other
		for _, d := range dicts {
			*t.dicts.at(d.Source, d.DB, d.Slot) = d
		}
		t.dicts.other = rest
	}
}

// maxSlot is the highest slot of a cluster.
const maxSlot = 16383
