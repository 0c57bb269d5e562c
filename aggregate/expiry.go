package aggregate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rdbaudit/estimate"
)

// Expiry is the analysis "expiry": when memory comes back by itself, and
// moments at which much of it expires at once. All of it is exact: seconds are
// told apart for a day after the dump, minutes for a month.
type Expiry struct {
	o       *Options
	part    int64     // milliseconds of its second that have gone at the dump's moment
	into    int64     // seconds of its minute, likewise
	seconds cells     // of the clock, beginning with the dump's
	minutes cells     // likewise, of what the seconds do not reach
	hours   [48]tally // after the dump's moment, of what the seconds do not reach
	days    [31]tally // likewise
	later   tally     // beyond the days
}

const (
	expirySeconds = day               // told apart
	expiryMinutes = 31*day/minute + 1 // told apart; the first has begun before the dump
)

// cells are very many tallies, most of them small: keys are above the lower 40
// bits of n, bytes in these. What might not fit any more goes over into more.
type cells struct {
	n    []uint64
	more map[int64]tally
}

const (
	cellKey         = 1 << 40
	expiryCellBytes = cellKey - 1
	cellFull        = 1<<63 | cellKey>>1 // one of these bits set: half full
)

// add counts keys in cell i of size.
func (c *cells) add(size int, i int64, t tally) {
	if c.n == nil {
		c.n = make([]uint64, size)
	}
	p := &c.n[i]
	if *p&cellFull == 0 && uint64(t.bytes) < cellKey>>1 && uint64(t.keys) < 1<<22 {
		*p += uint64(t.keys)*cellKey + uint64(t.bytes)
		return
	}
	if c.more == nil {
		c.more = make(map[int64]tally)
	}
	x := c.at(i)
	x.merge(&t)
	*p, c.more[i] = 0, x
}

func (c *cells) at(i int64) tally {
	x := tally{int64(c.n[i] / cellKey), int64(c.n[i] & expiryCellBytes)}
	if c.more != nil {
		more := c.more[i]
		x.merge(&more)
	}
	return x
}

// each calls f with the cells that hold keys.
func (c *cells) each(f func(i int64, t tally)) {
	for i := range c.n {
		if c.n[i] != 0 || c.more != nil {
			if t := c.at(int64(i)); t.keys > 0 {
				f(int64(i), t)
			}
		}
	}
}

// NewExpiry makes the analysis "expiry".
func NewExpiry(o *Options) *Expiry {
	a := &Expiry{o: o.normal()}
	s := floorDiv(a.o.Now, 1000)
	a.part, a.into = a.o.Now-1000*s, s-minute*floorDiv(s, minute)
	return a
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
	second := it.left
	if a.part > 0 && second < 32*day { // no second of the clock begins with the dump's moment
		second = (it.r.Expiry - a.o.Now + a.part) / 1000
	}
	if second < expirySeconds {
		a.seconds.add(expirySeconds, second, tally{1, it.n})
		return
	}
	d := it.left / day
	if d >= int64(len(a.days)) {
		a.later.add(it.n)
		return
	}
	a.minutes.add(expiryMinutes, (second+a.into)/minute, tally{1, it.n})
	a.days[d].add(it.n)
	if d < 2 {
		a.hours[it.left/hour].add(it.n)
	}
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
	o.seconds.each(func(i int64, t tally) { a.seconds.add(expirySeconds, i, t) })
	o.minutes.each(func(i int64, t tally) { a.minutes.add(expiryMinutes, i, t) })
	return nil
}

func (t *tally) merge(o *tally) {
	t.keys += o.keys
	t.bytes += o.bytes
}

// byTime are the hours and days after the dump's moment.
func (a *Expiry) byTime() (hours [48]tally, days [31]tally) {
	hours, days = a.hours, a.days
	a.seconds.each(func(i int64, t tally) {
		hours[i/hour].merge(&t)
		days[i/day].merge(&t)
	})
	return hours, days
}

// total is all that expires after the dump's moment.
func (a *Expiry) total() tally {
	t := a.later
	_, days := a.byTime()
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
	keep := func(p peak) {
		if !want(p) {
			return
		}
		if list = append(list, p); len(list) >= 4*most {
			shorten()
		}
	}
	from := floorDiv(a.o.Now, 1000)
	a.seconds.each(func(i int64, t tally) { keep(peak{t, from + i, 1}) })
	from -= a.into
	a.minutes.each(func(i int64, t tally) { keep(peak{t, from + minute*i, minute}) })
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
			cells := x.row(t.Bytes, Cell{I: i * unit}, to, Cell{I: a.o.Now + 1000*i*unit})
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
		return out
	}
	hours, days := a.byTime()
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
	left := histBucket(p.at - floorDiv(e.o.Now, 1000))
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
	a.seconds.code(c, expirySeconds)
	a.minutes.code(c, expiryMinutes)
}

// code codes those of size cells that hold keys.
func (x *cells) code(c *coder, size int) {
	type cell struct {
		step int // from the one before
		tally
	}
	var list []cell
	last := 0
	x.each(func(i int64, t tally) {
		list = append(list, cell{int(i) - last, t})
		last = int(i)
	})
	last = 0
	eachOf(c, &list, size, func(e *cell) {
		small(c, &e.step, int64(size-last))
		last += e.step
		c.tally(&e.tally)
	})
	if c.reads {
		last = 0
		for _, e := range list {
			last += e.step
			x.add(size, int64(last), e.tally)
		}
	}
}
