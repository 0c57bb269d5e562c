package aggregate

import (
	"fmt"
	"math"
	"math/bits"

	"rdbaudit/estimate"
)

// tally counts keys and their bytes.
type tally struct{ keys, bytes int64 }

func (t *tally) add(n int64) {
	t.keys++
	t.bytes += n
}

// addSeveral counts keys of n bytes each.
func (t *tally) addSeveral(keys, n int64) {
	t.keys += keys
	t.bytes += keys * n
}

func mergeTallies(a, b []tally) {
	for i := range a {
		a[i].keys += b[i].keys
		a[i].bytes += b[i].bytes
	}
}

// row ends a row of buckets with what its tally holds.
func (t *tally) row(total int64, head ...Cell) []Cell {
	return append(head, Cell{I: t.keys}, Cell{I: t.bytes}, share(t.bytes, total))
}

func tallyColumns(head ...Column) []Column {
	return append(head,
		Column{"keys", Count, "keys"},
		Column{"bytes", Bytes, "their bytes"},
		Column{"share", Share, "bytes as a share of all"})
}

// Sizes is the analysis "sizes": keys by their bytes, in powers of two.
type Sizes struct {
	o *Options
	n [64]tally // by bits.Len64 of the bytes
}

// NewSizes makes the analysis "sizes".
func NewSizes(o *Options) *Sizes { return &Sizes{o: o.normal()} }

// Add counts one record.
func (s *Sizes) Add(r *estimate.Record) {
	var it item
	it.fill(s.o, r)
	s.add(&it)
}

func (s *Sizes) add(it *item) { s.addAll([]item{*it}) }

// addAll counts items, those of one size that lie together at a time.
func (s *Sizes) addAll(items []item) {
	for i := 0; i < len(items); {
		from, n := i, items[i].n
		for i < len(items) && items[i].n == n {
			i++
		}
		s.n[bits.Len64(uint64(n))&63].addSeveral(int64(i-from), n)
	}
}

// Merge counts all that other has counted.
func (s *Sizes) Merge(other Analysis) error {
	o, ok := other.(*Sizes)
	if !ok {
		return errType(s, other)
	}
	if err := s.o.same(o.o); err != nil {
		return err
	}
	mergeTallies(s.n[:], o.n[:])
	return nil
}

// Tables renders the table "sizes": the octaves between the smallest and the largest key.
func (s *Sizes) Tables(t *Totals) []Table {
	table := Table{Name: "sizes", Title: "Key sizes", Columns: tallyColumns(
		Column{"from_bytes", Bytes, "smallest size of the row"},
		Column{"to_bytes", Bytes, "largest size of the row"})}
	first, last := 0, len(s.n)-1
	for first < len(s.n) && s.n[first].keys == 0 {
		first++
	}
	for last > first && s.n[last].keys == 0 {
		last--
	}
	for i := first; i <= last; i++ {
		from, to := int64(0), int64(0)
		if i > 0 {
			from, to = 1<<(i-1), int64(uint64(1)<<i-1)
		}
		table.Rows = append(table.Rows, s.n[i].row(t.Bytes, Cell{I: from}, Cell{I: to}))
	}
	return []Table{table}
}

// span is a bucket of durations, from the end of the one before it.
type span struct {
	name string
	to   int64 // seconds, exclusive
}

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
)

func spans() [8]span {
	return [8]span{
		{"under 1m", minute}, {"1m to 1h", hour}, {"1h to 1d", day}, {"1d to 7d", 7 * day}, {"7d to 30d", 30 * day},
		{"30d to 90d", 90 * day}, {"90d to 1y", 365 * day}, {"1y or more", math.MaxInt64},
	}
}

// spanOf is the index of a duration among the spans.
func spanOf(seconds int64) int {
	switch {
	case seconds < hour:
		if seconds < minute {
			return 0
		}
		return 1
	case seconds < 7*day:
		if seconds < day {
			return 2
		}
		return 3
	case seconds < 30*day:
		return 4
	case seconds < 90*day:
		return 5
	case seconds < 365*day:
		return 6
	}
	return 7
}

func spanRow(i int, t *tally, total int64) []Cell {
	list := spans()
	from := Cell{}
	if i > 0 {
		from.I = list[i-1].to
	}
	return t.row(total, Cell{S: list[i].name}, from, Cell{I: list[i].to, Null: i == len(list)-1})
}

// TTL is the analysis "ttl": keys by how long they have still to live.
type TTL struct {
	o     *Options
	lives [numLives]tally
	n     [8]tally // of those that expire later, by span
}

// NewTTL makes the analysis "ttl".
func NewTTL(o *Options) *TTL { return &TTL{o: o.normal()} }

// Add counts one record.
func (a *TTL) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	a.add(&it)
}

func (a *TTL) add(it *item) {
	a.lives[it.life].add(it.n)
	if it.life == expires {
		a.n[spanOf(it.left)].add(it.n)
	}
}

// addAll counts items with these sums.
func (a *TTL) addAll(items []item, x *sums) {
	mergeTallies(a.lives[:], x.lives[:])
	if x.lives[expires].keys == 0 {
		return
	}
	for i := range items {
		if it := &items[i]; it.life == expires {
			a.n[spanOf(it.left)].add(it.n)
		}
	}
}

// Merge counts all that other has counted.
func (a *TTL) Merge(other Analysis) error {
	o, ok := other.(*TTL)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	mergeTallies(a.lives[:], o.lives[:])
	mergeTallies(a.n[:], o.n[:])
	return nil
}

// Tables renders the table "ttl"; its rows sum to all keys.
func (a *TTL) Tables(t *Totals) []Table {
	table := Table{Name: "ttl", Title: "Time to live", Columns: tallyColumns(
		Column{"ttl", Text, "time left: expired, a range, fields (hashes all of whose fields have a TTL) or none"},
		Column{"from_seconds", Seconds, "least time left of the row"},
		Column{"to_seconds", Seconds, "time left that the row stays under"})}
	empty := Cell{Null: true}
	table.Rows = append(table.Rows, a.lives[expired].row(t.Bytes, Cell{S: "expired"}, empty, empty))
	for i := range a.n {
		table.Rows = append(table.Rows, spanRow(i, &a.n[i], t.Bytes))
	}
	table.Rows = append(table.Rows,
		a.lives[fieldTTL].row(t.Bytes, Cell{S: "fields"}, empty, empty),
		a.lives[noTTL].row(t.Bytes, Cell{S: "none"}, empty, empty))
	return []Table{table}
}

// Idle is the analysis "idle": keys by the time since their last access.
type Idle struct {
	o    *Options
	n    [8]tally // by span
	none tally    // the dump does not say
}

// NewIdle makes the analysis "idle".
func NewIdle(o *Options) *Idle { return &Idle{o: o.normal()} }

// Add counts one record.
func (a *Idle) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	a.add(&it)
}

func (a *Idle) add(it *item) {
	if it.r.Idle < 0 {
		a.none.add(it.n)
		return
	}
	a.n[spanOf(it.r.Idle)].add(it.n)
}

// addAll counts items with these sums.
func (a *Idle) addAll(items []item, x *sums) {
	if x.idle == 0 {
		a.none.merge(&x.all)
		return
	}
	for i := range items {
		a.add(&items[i])
	}
}

// Merge counts all that other has counted.
func (a *Idle) Merge(other Analysis) error {
	o, ok := other.(*Idle)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	mergeTallies(a.n[:], o.n[:])
	a.none.keys += o.none.keys
	a.none.bytes += o.none.bytes
	return nil
}

// Tables renders the table "idle"; without idle times it has a note instead of rows.
func (a *Idle) Tables(t *Totals) []Table {
	table := Table{Name: "idle", Title: "Time since last access", Columns: tallyColumns(
		Column{"idle", Text, "time since the last access: a range, or unknown"},
		Column{"from_seconds", Seconds, "least time of the row"},
		Column{"to_seconds", Seconds, "time that the row stays under"})}
	known := false
	for i := range a.n {
		known = known || a.n[i].keys > 0
	}
	if !known {
		table.Notes = []string{"the dump holds no idle times: a server writes them only while its maxmemory-policy is an LRU one (allkeys-lru, volatile-lru)"}
		return []Table{table}
	}
	for i := range a.n {
		table.Rows = append(table.Rows, spanRow(i, &a.n[i], t.Bytes))
	}
	if a.none.keys > 0 {
		table.Rows = append(table.Rows, a.none.row(t.Bytes, Cell{S: "unknown"}, Cell{Null: true}, Cell{Null: true}))
	}
	return []Table{table}
}

// Freq is the analysis "frequency": keys by their LFU counter. The counter is
// logarithmic and starts at 5: 0 to 4 has decayed from that, 10 stands for
// about 100 accesses, 18 for 1000, 142 for 100,000, 255 for a million or more.
type Freq struct {
	o    *Options
	n    [256]tally
	none tally // the dump does not say
}

// NewFreq makes the analysis "frequency".
func NewFreq(o *Options) *Freq { return &Freq{o: o.normal()} }

// Add counts one record.
func (a *Freq) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	a.add(&it)
}

func (a *Freq) add(it *item) {
	if it.r.Freq < 0 {
		a.none.add(it.n)
		return
	}
	a.n[uint8(min(it.r.Freq, 255))].add(it.n)
}

// addAll counts items with these sums.
func (a *Freq) addAll(items []item, x *sums) {
	if x.freq == 0 {
		a.none.merge(&x.all)
		return
	}
	for i := range items {
		a.add(&items[i])
	}
}

// Merge counts all that other has counted.
func (a *Freq) Merge(other Analysis) error {
	o, ok := other.(*Freq)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	mergeTallies(a.n[:], o.n[:])
	a.none.keys += o.none.keys
	a.none.bytes += o.none.bytes
	return nil
}

// Tables renders the table "frequency"; without counters it has a note instead of rows.
func (a *Freq) Tables(t *Totals) []Table {
	table := Table{Name: "frequency", Title: "Access frequency (LFU)", Columns: tallyColumns(
		Column{"frequency", Text, "LFU counter: a range, or unknown"},
		Column{"from_counter", Count, "least counter of the row"},
		Column{"to_counter", Count, "largest counter of the row"})}
	known := false
	from := 0
	for _, to := range []int{0, 4, 5, 9, 17, 49, 141, 254, 255} {
		var band tally
		for i := from; i <= to; i++ {
			band.keys += a.n[i].keys
			band.bytes += a.n[i].bytes
		}
		name := fmt.Sprint(from)
		if to > from {
			name = fmt.Sprintf("%d to %d", from, to)
		}
		known = known || band.keys > 0
		table.Rows = append(table.Rows, band.row(t.Bytes, Cell{S: name}, Cell{I: int64(from)}, Cell{I: int64(to)}))
		from = to + 1
	}
	if !known {
		table.Rows = nil
		table.Notes = []string{"the dump holds no access counters: a server writes them only while its maxmemory-policy is an LFU one (allkeys-lfu, volatile-lfu)"}
	} else if a.none.keys > 0 {
		table.Rows = append(table.Rows, a.none.row(t.Bytes, Cell{S: "unknown"}, Cell{Null: true}, Cell{Null: true}))
	}
	return []Table{table}
}

func (s *Sizes) code(c *coder) { c.tallies(s.n[:]) }

func (a *TTL) code(c *coder) {
	c.tallies(a.lives[:])
	c.tallies(a.n[:])
}

func (a *Idle) code(c *coder) {
	c.tallies(a.n[:])
	c.tally(&a.none)
}

func (a *Freq) code(c *coder) {
	c.tallies(a.n[:])
	c.tally(&a.none)
}
