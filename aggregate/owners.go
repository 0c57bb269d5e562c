package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rdbaudit/estimate"
)

// Owners is the analysis "owners": what each owner of patterns holds. It
// counts by the user's pattern that matched a key, so its sums are exact
// whatever the table of patterns had to fold. Where no pattern has an owner it
// counts nothing.
type Owners struct {
	o    *Options
	p    *Patterner
	on   bool // some pattern has an owner
	sums []owned
	buf  []byte
}

// owned sums the keys that one of the user's patterns matched; the first of
// the list those that none did.
type owned struct {
	keys, bytes, elems        int64
	noTTLKeys, noTTLBytes     int64
	fieldTTLKeys              int64
	expiredKeys, expiredBytes int64
	max                       int64
	top                       []byte // kept form of the largest key's name
}

// NewOwners makes the analysis "owners".
func NewOwners(o *Options) *Owners {
	o = o.normal()
	p, _ := NewPatterner(o)
	a := &Owners{o: o, p: p, on: len(p.owners) > 1}
	if a.on {
		a.sums = make([]owned, len(p.user)+1)
	}
	return a
}

// Add counts one record.
func (a *Owners) Add(r *estimate.Record) {
	if !a.on {
		return
	}
	var it item
	it.fill(a.o, r)
	it.user = a.p.userMatch(r.Key)
	a.add(&it)
}

func (a *Owners) add(it *item) {
	s := &a.sums[it.user]
	if it.n >= s.max {
		key := it.r.Key
		if len(key) > maxKey {
			a.buf = appendKept(a.buf[:0], key)
			key = a.buf
		}
		s.offer(it.n, key)
	}
	s.keys++
	s.bytes += it.n
	s.elems += it.r.Elems
	switch it.life {
	case noTTL:
		s.noTTLKeys++
		s.noTTLBytes += it.n
	case fieldTTL:
		s.fieldTTLKeys++
	case expired:
		s.expiredKeys++
		s.expiredBytes += it.n
	}
}

// offer keeps the name of the largest key, of equals the first by name. It
// comes before the key is counted.
func (s *owned) offer(n int64, kept []byte) {
	if s.keys == 0 || n > s.max || n == s.max && bytes.Compare(kept, s.top) < 0 {
		s.max = n
		s.top = append(s.top[:0], kept...)
	}
}

func (s *owned) merge(o *owned) {
	if o.keys == 0 {
		return
	}
	s.offer(o.max, o.top)
	s.keys += o.keys
	s.bytes += o.bytes
	s.elems += o.elems
	s.noTTLKeys += o.noTTLKeys
	s.noTTLBytes += o.noTTLBytes
	s.fieldTTLKeys += o.fieldTTLKeys
	s.expiredKeys += o.expiredKeys
	s.expiredBytes += o.expiredBytes
}

// Merge counts all that other has counted.
func (a *Owners) Merge(other Analysis) error {
	o, ok := other.(*Owners)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	for i := range o.sums {
		a.sums[i].merge(&o.sums[i])
	}
	return nil
}

// maxIdle is how many patterns without keys a note names.
const maxIdle = 10

// Tables renders the table "owners", if there are any.
func (a *Owners) Tables(t *Totals) []Table {
	if !a.on {
		return nil
	}
	table := Table{Name: "owners", Title: "Owners", Columns: []Column{
		{"owner", Text, "as the rules name them; empty: keys that nobody owns"},
		{"patterns", Count, "patterns of the rules with this owner"},
		{"keys", Count, "keys that one of these patterns was the first to match"},
		{"bytes", Bytes, "their bytes"},
		{"share", Share, "bytes as a share of all"},
		{"avg_bytes", Bytes, "mean bytes of a key"},
		{"max_bytes", Bytes, "bytes of the largest key"},
		{"max_key", Name, "the largest key; of more than 512 bytes its head and \\+N for N bytes more"},
		{"elements", Count, "members, fields, list elements, stream entries; 1 for a string"},
		{"no_ttl_keys", Count, "keys without a TTL; hashes all of whose fields have one are not among them"},
		{"no_ttl_bytes", Bytes, "their bytes"},
		{"field_ttl_keys", Count, "hashes without a TTL of their own all of whose fields have one"},
		{"expired_keys", Count, "keys whose TTL has run out"},
		{"expired_bytes", Bytes, "their bytes"},
	}}
	sums := make([]owned, len(a.p.owners))
	patterns := make([]int64, len(a.p.owners))
	var idle []string
	for hit := range a.sums {
		owner := a.p.ownerOf(hit)
		sums[owner].merge(&a.sums[hit])
		if hit == 0 {
			continue
		}
		patterns[owner]++
		if u := &a.p.user[hit-1]; a.sums[hit].keys == 0 {
			idle = append(idle, string(escapeFormula(slices.Clone(u.text), 0)))
		}
	}
	order := make([]int, 0, len(sums))
	for i := range sums {
		if i > 0 || sums[i].keys > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(sums[j].bytes, sums[i].bytes), cmp.Compare(a.p.owners[i], a.p.owners[j]))
	})
	for _, i := range order {
		s := &sums[i]
		largest := Cell{Null: true}
		if s.keys > 0 {
			largest = Cell{S: string(appendKeptText(nil, s.top))}
		}
		table.Rows = append(table.Rows, []Cell{
			{S: a.p.owners[i]}, {I: patterns[i]}, {I: s.keys}, {I: s.bytes}, share(s.bytes, t.Bytes), {I: mean(s.bytes, s.keys)}, {I: s.max}, largest,
			{I: s.elems}, {I: s.noTTLKeys}, {I: s.noTTLBytes}, {I: s.fieldTTLKeys}, {I: s.expiredKeys}, {I: s.expiredBytes},
		})
	}
	if n := len(idle); n > 0 {
		more := ""
		if n > maxIdle {
			more = fmt.Sprintf(" and %d more", n-maxIdle)
		}
		table.Notes = append(table.Notes, "these patterns of the rules matched no key, or an earlier one had taken it: "+strings.Join(idle[:min(n, maxIdle)], ", ")+more)
	}
	return []Table{table}
}

func (a *Owners) code(c *coder) {
	for i := range a.sums { // as many as the options have patterns
		s := &a.sums[i]
		c.sum(&s.keys, &s.bytes, &s.elems, &s.noTTLKeys, &s.noTTLBytes, &s.fieldTTLKeys, &s.expiredKeys, &s.expiredBytes, &s.max)
		c.own(&s.top, maxKept)
	}
}
