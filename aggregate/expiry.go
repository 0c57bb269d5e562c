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
// told apart for a day after the dump, minutes for a month, days until then.
type Expiry struct {
	o       *Options
	hours   [48]tally // after the dump's moment
	days    [31]tally
	later   tally // beyond the days
	seconds cells // of the clock, beginning with the dump's
	minutes cells // likewise, of what the seconds do not reach
}

const (
	expirySeconds = day          // told apart
	expiryMinutes = 31 * 24 * 60 // told apart
)

// cells are very many tallies, made in pages when they are first used.
type cells []*[1024]tally

func (c *cells) at(i int64) *tally {
	page := int(i >> 10)
	for page >= len(*c) {
		*c = append(*c, nil)
	}
	if (*c)[page] == nil {
		(*c)[page] = new([1024]tally)
	}
	return &(*c)[page][i&1023]
}

func (c *cells) each(f func(i int64, t *tally)) {
	for p, page := range *c {
		if page == nil {
			continue
		}
		for i := range page {
			if page[i].keys > 0 {
				f(int64(p)<<10|int64(i), &page[i])
			}
		}
	}
}

// NewExpiry makes the analysis "expiry".
func NewExpiry(o *Options) *Expiry { return &Expiry{o: o.normal()} }

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
	d := it.left / day
	if d >= int64(len(a.days)) {
		a.later.add(it.n)
		return
	}
	a.days[d].add(it.n)
	if d < 2 {
		a.hours[it.left/hour].add(it.n)
	}
	// left is below a month, so these are small and not below zero.
	if i := floorDiv(it.r.Expiry, 1000) - floorDiv(a.o.Now, 1000); i < expirySeconds {
		a.seconds.at(i).add(it.n)
	} else {
		a.minutes.at(floorDiv(it.r.Expiry, 60_000) - floorDiv(a.o.Now, 60_000)).add(it.n)
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
	o.seconds.each(func(i int64, t *tally) { a.seconds.at(i).merge(t) })
	o.minutes.each(func(i int64, t *tally) { a.minutes.at(i).merge(t) })
	return nil
}

func (t *tally) merge(o *tally) {
	t.keys += o.keys
	t.bytes += o.bytes
}

// total is all that expires after the dump's moment.
func (a *Expiry) total() tally {
	t := a.later
	for i := range a.days {
		t.merge(&a.days[i])
	}
	return t
}

// A peak is a second or a minute in which keys expire.
type peak struct {
	tally
	at   int64 // unix seconds of its begin
	span int64 // seconds
}

// peaks are the seconds and minutes that want is true of, the most keys first.
func (a *Expiry) peaks(want func(*peak) bool) []peak {
	var list []peak
	keep := func(p peak) {
		if want(&p) {
			list = append(list, p)
		}
	}
	a.seconds.each(func(i int64, t *tally) { keep(peak{*t, floorDiv(a.o.Now, 1000) + i, 1}) })
	a.minutes.each(func(i int64, t *tally) { keep(peak{*t, 60 * (floorDiv(a.o.Now, 60_000) + i), minute}) })
	slices.SortFunc(list, func(x, y peak) int {
		return cmp.Or(cmp.Compare(y.keys, x.keys), cmp.Compare(y.bytes, x.bytes), cmp.Compare(x.at, y.at), cmp.Compare(x.span, y.span))
	})
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
	tables := []Table{
		table("expiry_hours", "Memory that comes back by itself, by hour", a.hours[:], hour),
		table("expiry_days", "Memory that comes back by itself, by day", a.days[:], day),
	}
	if len(tables[0].Rows) == 0 { // nothing in the next two days
		tables = tables[1:]
	}
	list := a.peaks(func(p *peak) bool { return p.keys > 1 })
	peaks := Table{Name: "expiry_peaks", Title: "Moments at which most keys expire", Columns: tallyColumns(
		Column{"at", Time, "begin of the second or minute, UTC"},
		Column{"seconds", Seconds, "its length: seconds are told apart for a day after the dump, minutes for 31 days"})}
	for i := range list[:min(len(list), 20)] {
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

func findStorm(a *auditor) {
	e := a.set.expiry
	all := e.total()
	list := e.peaks(func(p *peak) bool { return p.isStorm(all.keys) })
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
