package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"rdbaudit/estimate"
)

// Slots is the analysis "slots": of dumps of a cluster, which slots and hash
// tags hold most. Sums of slots are those of Totals. Hash tags are counted in
// a table of bounded size: once it has been full, what it says of a tag is the
// least that the tag can hold, and slack how much more it can be at most.
type Slots struct {
	o     *Options
	list  []tagSums
	slots []uint16 // open addressing: index+1 into list
	last  int      // of the last key
	slack int64    // bytes that any tag may hold beside its own sum
}

// tagSums is a hash tag, told by its hash: 80 bytes.
type tagSums struct {
	hash uint64
	tally
	len  uint8
	text [maxTag]byte
}

const (
	maxTags     = 8192 // held at most, half of them after folding
	slotsOfTags = 2 * maxTags
	maxTag      = 55 // bytes of a tag that are kept
)

// NewSlots makes the analysis "slots".
func NewSlots(o *Options) *Slots { return &Slots{o: o.normal()} }

// Add counts one record.
func (a *Slots) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	a.add(&it)
}

func (a *Slots) add(it *item) {
	if it.r.Slot < 0 {
		return
	}
	if tag := hashTag(it.r.Key); tag != nil {
		h := tagHash(tag)
		if a.last >= len(a.list) || a.list[a.last].hash != h {
			a.last = a.find(h, tag[:min(len(tag), maxTag)])
		}
		a.list[a.last].add(it.n)
	}
}

// hashTag is the part of a key in braces that alone decides its slot, nil if
// there is none (cluster.c keyHashSlot of redis 7.2.6).
func hashTag(key []byte) []byte {
	i := bytes.IndexByte(key, '{')
	if i < 0 {
		return nil
	}
	n := bytes.IndexByte(key[i+1:], '}')
	if n <= 0 {
		return nil
	}
	return key[i+1 : i+1+n]
}

// tagHash mixes a tag, eight bytes at a time. It is the same in each worker.
// Tags chosen to collide are counted as one, or cost time in proportion to
// maxTags at worst.
func tagHash(tag []byte) uint64 {
	const k = 0x9e3779b97f4a7c15
	h := uint64(len(tag)) * k
	for ; len(tag) >= 8; tag = tag[8:] {
		h = (h ^ binary.LittleEndian.Uint64(tag)) * k
		h ^= h >> 32
	}
	var rest uint64
	for i, b := range tag {
		rest |= uint64(b) << (8 * i)
	}
	h = (h ^ rest) * k
	h ^= h >> 29
	return h * 0xbf58476d1ce4e5b9
}

// find gives the place of a tag, which it makes if need be.
func (a *Slots) find(h uint64, tag []byte) int {
	if a.slots == nil {
		a.slots = make([]uint16, slotsOfTags)
		a.list = make([]tagSums, 0, maxTags)
	}
	at := h >> 40
	for ; ; at++ {
		i := a.slots[at%slotsOfTags]
		if i == 0 {
			break
		}
		if a.list[i-1].hash == h {
			return int(i - 1)
		}
	}
	if len(a.list) == maxTags {
		a.fold()
		for at = h >> 40; a.slots[at%slotsOfTags] != 0; at++ {
		}
	}
	t := tagSums{hash: h, len: uint8(len(tag))}
	copy(t.text[:], tag)
	a.list = append(a.list, t)
	a.slots[at%slotsOfTags] = uint16(len(a.list))
	return len(a.list) - 1
}

// fold forgets the smaller half of the tags at least: those below a bucket of
// a histogram, so that tags alike are kept or forgotten alike.
func (a *Slots) fold() {
	var count [histMax + 1]int
	for i := range a.list {
		count[histBucket(a.list[i].bytes)]++
	}
	least, kept := len(count), 0
	for least > 0 && kept+count[least-1] <= maxTags/2 {
		least--
		kept += count[least]
	}
	var forgotten int64 // of the largest of them
	list := a.list[:0]
	for i := range a.list {
		if t := &a.list[i]; histBucket(t.bytes) >= least {
			list = append(list, *t)
		} else {
			forgotten = max(forgotten, t.bytes)
		}
	}
	a.list = list
	a.slack += forgotten
	clear(a.slots)
	for i := range a.list {
		at := a.list[i].hash >> 40
		for ; a.slots[at%slotsOfTags] != 0; at++ {
		}
		a.slots[at%slotsOfTags] = uint16(i + 1)
	}
}

func compareTags(x, y tagSums) int {
	return cmp.Or(cmp.Compare(y.bytes, x.bytes), cmp.Compare(y.keys, x.keys), cmp.Compare(x.hash, y.hash))
}

// Merge counts all that other has counted.
func (a *Slots) Merge(other Analysis) error {
	o, ok := other.(*Slots)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	a.slack += o.slack
	for i := range o.list {
		t := &o.list[i]
		a.list[a.find(t.hash, t.text[:t.len])].merge(&t.tally)
	}
	return nil
}

// tags are the hash tags, the largest first.
func (a *Slots) tags() []tagSums {
	list := slices.Clone(a.list)
	slices.SortFunc(list, compareTags)
	return list
}

// slotSums is what a slot or a node holds, over databases and dumps.
type slotSums struct {
	tally
	at    int32 // slot, or index of the dump
	slots int64 // of a node
}

// bySlot sums what the slots hold, and what the dumps hold in slots. apart
// says that no slot is in two dumps: that they are nodes of one cluster.
func bySlot(t *Totals) (bySlot, byNode []slotSums, apart bool) {
	apart = true
	sums := map[int32]*slotSums{}
	owner := map[int32]int32{}
	nodes := map[int32]*slotSums{}
	at := func(m map[int32]*slotSums, i int32) *slotSums {
		if m[i] == nil {
			m[i] = &slotSums{at: i}
		}
		return m[i]
	}
	list, other := t.Dicts()
	if other.Keys > 0 {
		apart = false
	}
	for _, d := range list {
		if d.Slot < 0 {
			apart = false // not of a cluster
			continue
		}
		node := at(nodes, d.Source)
		if o, ok := owner[d.Slot]; !ok {
			owner[d.Slot] = d.Source
			node.slots++
		} else if o != d.Source {
			apart = false
		}
		n := tally{d.Keys, d.Bytes}
		at(sums, d.Slot).merge(&n)
		node.merge(&n)
	}
	sorted := func(m map[int32]*slotSums) []slotSums {
		var out []slotSums
		for _, s := range m {
			out = append(out, *s)
		}
		slices.SortFunc(out, func(x, y slotSums) int {
			return cmp.Or(cmp.Compare(y.bytes, x.bytes), cmp.Compare(y.keys, x.keys), cmp.Compare(x.at, y.at))
		})
		return out
	}
	return sorted(sums), sorted(nodes), apart
}

// Tables renders the tables "slots", "nodes" and "hash_tags" of cluster dumps.
func (a *Slots) Tables(t *Totals) []Table {
	bySlot, byNode, _ := bySlot(t)
	if len(bySlot) == 0 {
		return nil
	}
	const most = 20
	slots := Table{Name: "slots", Title: "Largest cluster slots", Columns: tallyColumns(Column{"slot", Count, "cluster slot"})}
	for i := range bySlot[:min(len(bySlot), most)] {
		s := &bySlot[i]
		slots.Rows = append(slots.Rows, s.row(t.Bytes, Cell{I: int64(s.at)}))
	}
	if n := len(bySlot); n > most {
		slots.Notes = append(slots.Notes, fmt.Sprintf("%d of %d slots with keys", most, n))
	}
	tables := []Table{slots}
	if len(byNode) > 1 {
		nodes := Table{Name: "nodes", Title: "Dumps of cluster nodes", Columns: tallyColumns(
			Column{"source", Count, "index of the dump, as in rows of keys"}, Column{"slots", Count, "slots with keys that only this dump or this one first has"})}
		for i := range byNode {
			s := &byNode[i]
			nodes.Rows = append(nodes.Rows, s.row(t.Bytes, Cell{I: int64(s.at)}, Cell{I: s.slots}))
		}
		tables = append(tables, nodes)
	}
	if list := a.tags(); len(list) > 0 {
		tags := Table{Name: "hash_tags", Title: "Largest hash tags", Columns: tallyColumns(
			Column{"tag", Name, "what stands in braces"}, Column{"slot", Count, "its slot"})}
		for i := range list[:min(len(list), most)] {
			x := &list[i]
			tags.Rows = append(tags.Rows, x.row(t.Bytes, Cell{S: x.print()}, Cell{I: x.slot()}))
		}
		if a.slack > 0 {
			tags.Notes = append(tags.Notes, fmt.Sprintf("more than %d tags: the figures are the least that each can hold, %d bytes more the most", maxTags, a.slack))
		}
		tables = append(tables, tags)
	}
	return tables
}

func (t *tagSums) print() string { return "{" + string(AppendEscaped(nil, t.text[:t.len])) + "}" }

// slot is that of the tag; of one that was cut it is not known.
func (t *tagSums) slot() int64 {
	if t.len == maxTag {
		return -1
	}
	return int64(estimate.Slot(t.text[:t.len]))
}

// isHotSlot: a slot, which no cluster can divide, is hot if it holds a twentieth of the
// bytes and a hundred times its even share of the slots that have keys; with
// few slots in use it cannot be told.
func isHotSlot(s *slotSums, slots int, total int64) bool {
	return s.bytes >= total/20 && float64(s.bytes)*float64(slots) >= 100*float64(total)
}

// hotSlots calls f with each hot slot and the tag that holds most of it, nil if none does.
func (a *auditor) hotSlots(f func(s *slotSums, tag *tagSums)) {
	list, _, _ := bySlot(a.set.totals)
	tags := a.set.slots.tags()
	for i := range list {
		s := &list[i]
		if !isHotSlot(s, len(list), a.set.totals.Bytes) {
			break // the largest come first
		}
		var of *tagSums
		for k := range tags {
			if t := &tags[k]; t.bytes > s.bytes/2 && t.slot() == int64(s.at) {
				of = t
				break
			}
		}
		f(s, of)
	}
}

func (a *Slots) code(c *coder) {
	c.sum(&a.slack)
	list := a.tags()
	eachOf(c, &list, maxTags, func(t *tagSums) {
		c.uint(&t.hash)
		c.tally(&t.tally)
		text := t.text[:t.len]
		c.text(&text, maxTag)
		t.len = uint8(copy(t.text[:], text))
	})
	if c.reads {
		for i := range list {
			t := &list[i]
			a.list[a.find(t.hash, t.text[:t.len])].merge(&t.tally)
		}
	}
}
