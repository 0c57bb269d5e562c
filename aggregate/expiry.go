package aggregate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"rdbaudit/estimate"
)

// Expiry is the analysis "expiry": when memory comes back by itself, and
// moments at which much of it expires at once. Time to live is that after a
// dump's own moment; moments are those of the clock. Of each dump seconds are
// told apart for a day after it, minutes for a month.
type Expiry struct {
	o       *Options
	base    int64     // second of the clock of the dump's moment
	seconds clock     // of keys that expire within a day of their dump
	minutes clock     // of the others, as far as they are told apart
	hours   [48]tally // after the dump's moment
	days    [31]tally // likewise; the first day's are in hours alone
	later   tally     // beyond the days
}

const expirySeconds = day // told apart

// clock counts by seconds or minutes of the clock: most that are used hold few
// keys and lie close together.
type clock struct {
	pages map[int64]*clockPage // by number of the page
	near  [64]*clockPage       // those found of late, by their lower bits
	over  tally                // of pages beyond the cap
}

// maxPages bounds the pages of a clock, 48 KiB each at most: 12 days of seconds,
// two years of minutes.
const (
	pageCells = 4096
	maxPages  = 256
)

// clockPage holds what was counted in three places, as it fits. Keys come in no
// order of time, and each finds its cell in the cache only if cells are small.
type clockPage struct {
	at   int64 // number
	n    [pageCells]uint32
	wide *[pageCells]uint64
	more map[int]tally
}

// Keys are above the lower bits of a cell, 24 or 40, bytes in these. What might not
// fit any more goes over into the next place.
const (
	cellKey  = 1 << 24
	cellFull = 1<<31 | cellKey>>1 // one of these bits set: half full
	wideKey  = 1 << 40
	wideFull = 1<<63 | wideKey>>1
)

// add counts keys at second or minute at.
func (c *clock) add(at int64, t tally) {
	number := at >> 12
	p := c.near[number&63]
	if p == nil || p.at != number {
		if p = c.page(number); p == nil {
			c.over.merge(&t)
			return
		}
	}
	i := int(at & (pageCells - 1))
	cell := &p.n[i]
	if *cell&cellFull == 0 && uint64(t.bytes) < cellKey>>1 && uint64(t.keys) < 1<<6 {
		*cell += uint32(t.keys)*cellKey + uint32(t.bytes)
		return
	}
	p.spill(i, t)
}

// spill makes a cell empty: what it has goes into the next place, and t with it.
func (p *clockPage) spill(i int, t tally) {
	t.merge(&tally{int64(p.n[i] / cellKey), int64(p.n[i] % cellKey)})
	p.n[i] = 0
	if p.wide == nil {
		p.wide = new([pageCells]uint64)
	}
	cell := &p.wide[i]
	if *cell&wideFull == 0 && uint64(t.bytes) < wideKey>>1 && uint64(t.keys) < 1<<22 {
		*cell += uint64(t.keys)*wideKey + uint64(t.bytes)
		return
	}
	if p.more == nil {
		p.more = make(map[int]tally)
	}
	x := p.get(i)
	x.merge(&t)
	*cell, p.more[i] = 0, x
}

// page finds or makes a page, nil if there are too many.
func (c *clock) page(number int64) *clockPage {
	p := c.pages[number]
	if p == nil {
		if len(c.pages) == maxPages {
			return nil
		}
		if c.pages == nil {
			c.pages = make(map[int64]*clockPage)
		}
		p = &clockPage{at: number}
		touched(p.n[:])
		c.pages[number] = p
	}
	c.near[number&63] = p
	return p
}

func (p *clockPage) get(i int) tally {
	x := tally{int64(p.n[i] / cellKey), int64(p.n[i] % cellKey)}
	if p.wide != nil {
		x.merge(&tally{int64(p.wide[i] / wideKey), int64(p.wide[i] % wideKey)})
	}
	if p.more != nil {
		more := p.more[i]
		x.merge(&more)
	}
	return x
}

// each calls f with the seconds or minutes that hold keys, in order.
func (c *clock) each(f func(at int64, t tally)) {
	for _, number := range slices.Sorted(maps.Keys(c.pages)) {
		p := c.pages[number]
		for i := range p.n {
			if p.n[i] != 0 || p.wide != nil {
				if t := p.get(i); t.keys > 0 {
					f(number*pageCells+int64(i), t)
				}
			}
		}
	}
}

func (c *clock) merge(o *clock) {
	o.each(c.add)
	c.over.merge(&o.over)
}

// NewExpiry makes the analysis "expiry".
func NewExpiry(o *Options) *Expiry {
	a := &Expiry{o: o.normal()}
	a.base = floorDiv(a.o.Now, 1000)
	return a
}

// setMoment changes the moment that keys are held against.
func (a *Expiry) setMoment(ms int64) {
	a.o.Now, a.base = ms, floorDiv(ms, 1000)
}

// Add counts one record.
func (a *Expiry) Add(r *estimate.Record) {
	var it item
	it.fill(a.o, r)
	a.add(&it)
}

func (a *Expiry) add(it *item) {
	if it.life != expires {
		return
	}
	hours := it.left / hour
	if hours < int64(len(a.hours)) {
		a.hours[hours].add(it.n)
	}
	d := it.left / day
	if d >= int64(len(a.days)) {
		a.later.add(it.n)
		return
	}
	if d > 0 {
		a.days[d].add(it.n)
	}
	second := floorDiv(it.r.Expiry, 1000)
	if second-a.base < expirySeconds {
		a.seconds.add(second, tally{1, it.n})
		return
	}
	a.minutes.add(floorDiv(second, minute), tally{1, it.n})
}

// floorDiv rounds down also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Merge counts all that other has counted.
func (a *Expiry) Merge(other Analysis) error {
	o, ok := other.(*Expiry)
	if !ok {
		return errType(a, other)
	}
	if err := a.o.same(o.o); err != nil {
		return err
	}
	mergeTallies(a.hours[:], o.hours[:])
	mergeTallies(a.days[:], o.days[:])
	a.later.merge(&o.later)
	a.seconds.merge(&o.seconds)
	a.minutes.merge(&o.minutes)
	return nil
}

func (t *tally) merge(o *tally) {
	t.keys += o.keys
	t.bytes += o.bytes
}

// byDay are the days after the dump's moment.
func (a *Expiry) byDay() (days [31]tally) {
	days = a.days
	for i := range a.hours[:24] {
		days[0].merge(&a.hours[i])
	}
	return days
}

// total is all that expires after the dump's moment.
func (a *Expiry) total() tally {
	t := a.later
	days := a.byDay()
	for i := range days {
		t.merge(&days[i])
	}
	return t
}

// A peak is a second or a minute in which keys expire.
type peak struct {
	tally
	at   int64 // unix seconds of its begin
	span int64 // seconds
}

// peaks are the seconds and minutes with the most keys of those that want is
// true of, the most first.
func (a *Expiry) peaks(most int, want func(peak) bool) []peak {
	var list []peak
	shorten := func() {
		slices.SortFunc(list, func(x, y peak) int {
			return cmp.Or(cmp.Compare(y.keys, x.keys), cmp.Compare(y.bytes, x.bytes), cmp.Compare(x.at, y.at), cmp.Compare(x.span, y.span))
		})
		list = list[:min(len(list), most)]
	}
	least := int64(0) // keys of the last of those that are surely in it
	keep := func(p peak) {
		if p.keys < least || !want(p) {
			return
		}
		if list = append(list, p); len(list) >= 4*most {
			shorten()
			least = list[most-1].keys
		}
	}
	a.seconds.each(func(at int64, t tally) { keep(peak{t, at, 1}) })
	a.minutes.each(func(at int64, t tally) { keep(peak{t, minute * at, minute}) })
	shorten()
	return list
}

// Tables renders the tables "expiry_hours", "expiry_days" and "expiry_peaks",
// if anything expires.
func (a *Expiry) Tables(t *Totals) []Table {
	if all := a.total(); all.keys == 0 {
		return nil
	}
	const note = "fields of hashes with a TTL of their own are not in it, nor what is evicted or deleted before"
	table := func(name, title string, n []tally, unit int64) Table {
		out := Table{Name: name, Title: title, Columns: append(tallyColumns(
			Column{"from_seconds", Seconds, "begin, in time after the dump"},
			Column{"to_seconds", Seconds, "end of the row, exclusive"},
			Column{"from_time", Time, "begin, UTC"}),
			Column{"cumulated_bytes", Bytes, "bytes that have come back by the end of the row"})}
		var sum int64
		row := func(i int64, to Cell, x *tally) {
			sum += x.bytes
			cells := x.row(t.Bytes, Cell{I: i * unit}, to, Cell{I: t.moments.now(a.o) + 1000*i*unit})
			out.Rows = append(out.Rows, append(cells, Cell{I: sum}))
		}
		last := len(n) - 1
		for last >= 0 && n[last].keys == 0 {
			last--
		}
		for i := range n[:last+1] {
			row(int64(i), Cell{I: int64(i+1) * unit}, &n[i])
		}
		if unit == day && a.later.keys > 0 {
			row(int64(len(n)), Cell{Null: true}, &a.later)
		}
		out.Notes = []string{note}
		if t.moments.first != t.moments.last {
			out.Notes = append(out.Notes, "times are reckoned from each dump's own moment; from_time is that of the last of them")
		}
		return out
	}
	hours, days := a.hours, a.byDay()
	tables := []Table{
		table("expiry_hours", "Memory that comes back by itself, by hour", hours[:], hour),
		table("expiry_days", "Memory that comes back by itself, by day", days[:], day),
	}
	if len(tables[0].Rows) == 0 { // nothing in the next two days
		tables = tables[1:]
	}
	list := a.peaks(20, func(p peak) bool { return p.keys > 1 })
	peaks := Table{Name: "expiry_peaks", Title: "Moments at which most keys expire", Columns: tallyColumns(
		Column{"at", Time, "begin of the second or minute, UTC"},
		Column{"seconds", Seconds, "its length: seconds are told apart for a day after the dump, minutes for 31 days"})}
	for i := range list {
		p := &list[i]
		peaks.Rows = append(peaks.Rows, p.row(t.Bytes, Cell{I: 1000 * p.at}, Cell{I: p.span}))
	}
	if n := a.seconds.over.keys + a.minutes.over.keys; n > 0 {
		peaks.Notes = append(peaks.Notes, fmt.Sprintf("the dumps are of moments too far apart: %d keys are in no row", n))
	}
	if len(peaks.Rows) > 0 {
		tables = append(tables, peaks)
	}
	return tables
}

// moment prints a second or a minute as the rows of keys print an expiry.
func (p *peak) moment() string {
	layout := "2006-01-02T15:04:05"
	if p.span == minute {
		layout = "2006-01-02T15:04:"
	}
	return time.Unix(p.at, 0).UTC().Format(layout)
}

func (p *peak) unit() string {
	if p.span == minute {
		return "minute"
	}
	return "second"
}

// isStorm says whether so many keys expire in a second or a minute that it is
// felt: by the server, or by what must fill a cache again.
func (p *peak) isStorm(all int64) bool {
	switch {
	case p.keys < 1000:
		return false
	case p.span == 1:
		return p.keys >= 100_000 || 20*p.keys >= all
	}
	return 5*p.keys >= all
}

// maxStorms bounds the moments that one finding sums up.
const maxStorms = 1000

func findStorm(a *auditor) {
	e := a.set.expiry
	all := e.total()
	list := e.peaks(maxStorms, func(p peak) bool { return p.isStorm(all.keys) })
	var sum tally
	for i := range list {
		sum.merge(&list[i].tally)
	}
	if len(list) == 0 || sum.bytes < a.min {
		return
	}
	p := &list[0]
	f := Finding{
		Keys: sum.keys, Bytes: sum.bytes, After: sum.bytes, Sure: "exact",
		Evidence: fmt.Sprintf("%d of %d keys that expire do so in the same %s, %s", p.keys, all.keys, p.unit(), p.moment()),
		Advice: "add a random part to the TTL where it is set (EX 3600 becomes 3600 plus 0 to 600), and no EXPIREAT at round times; the keys: rdbaudit keys DUMP | grep " +
			p.moment(),
	}
	if n := len(list) - 1; n > 0 {
		f.Evidence += fmt.Sprintf("; %d more moments are like that, %d keys in all", n, sum.keys)
	}
	// The pattern whose keys mostly expire then, if there is one.
	left := histBucket(p.at - floorDiv(a.set.totals.moments.now(e.o), 1000))
	var most int64
	for _, r := range a.rows {
		if r[colLeaf].I != 0 && !r[colTTLP50].Null && r[colKeys].I-r[colNoTTL].I > most && near(histBucket(r[colTTLP50].I), left) {
			most = r[colKeys].I - r[colNoTTL].I
			f.Pattern, f.Example = r[colPattern].S, r[colMaxKey].S
		}
	}
	if f.Pattern != "" {
		f.Sure = "exact; the pattern is the largest whose median TTL ends then"
	}
	a.found = append(a.found, f)
}

// near says whether two buckets of a histogram are the same or neighbours.
func near(a, b int) bool { return a-b <= 1 && b-a <= 1 }

func (a *Expiry) code(c *coder) {
	c.tallies(a.hours[:])
	c.tallies(a.days[:])
	c.tally(&a.later)
	a.seconds.code(c)
	a.minutes.code(c)
}

// code codes those seconds or minutes that hold keys.
func (x *clock) code(c *coder) {
	type cell struct {
		step int64 // from the one before
		tally
	}
	var list []cell
	last := int64(0)
	x.each(func(at int64, t tally) {
		list = append(list, cell{at - last, t})
		last = at
	})
	last = 0
	eachOf(c, &list, maxPages*pageCells, func(e *cell) {
		c.int(&e.step)
		c.tally(&e.tally)
		if c.reads {
			last += e.step // may go around: any second is one
			x.add(last, e.tally)
		}
	})
	c.tally(&x.over)
}
