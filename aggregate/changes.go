package aggregate

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// Span is when the moments of a comparison were, and how much room was left at
// the last of them.
type Span struct {
	Times []int64 // unix milliseconds by side; nil: not known, so there are no rates
	Room  int64   // bytes until maxmemory, if HasRoom
	// HasRoom says whether a maxmemory is known.
	HasRoom bool
}

const hourMillis = 3600 * 1000

// PerHour is the slope of a series by least squares, in units an hour: of two
// moments the change over the time between them. Sums are integers until the
// one division. It is not known of moments that are all the same.
func (s *Span) PerHour(value func(side int) int64) (perHour int64, known bool) {
	n := int64(len(s.Times))
	if n < 2 {
		return 0, false
	}
	var t, y, tt, ty, a, b big.Int
	for i, at := range s.Times {
		a.SetInt64(at)
		a.Sub(&a, b.SetInt64(s.Times[0]))
		t.Add(&t, &a)
		y.Add(&y, b.SetInt64(value(i)))
		ty.Add(&ty, b.Mul(&b, &a))
		tt.Add(&tt, a.Mul(&a, &a))
	}
	count := big.NewInt(n)
	below := new(big.Int).Mul(count, &tt)
	below.Sub(below, a.Mul(&t, &t))
	if below.Sign() == 0 {
		return 0, false
	}
	above := new(big.Int).Mul(count, &ty)
	above.Sub(above, a.Mul(&t, &y))
	above.Mul(above, b.SetInt64(hourMillis))
	// To the nearest integer, halves away from zero.
	half := new(big.Int).Rsh(below, 1)
	if above.Sign() < 0 {
		half.Neg(half)
	}
	above.Quo(above.Add(above, half), below)
	switch {
	case above.IsInt64():
		return above.Int64(), true
	case above.Sign() < 0:
		return math.MinInt64, true
	}
	return math.MaxInt64, true
}

// UntilFull is how many seconds it takes at so many bytes an hour until
// nothing is left of the room: not known of what does not grow, or takes more
// than a thousand years.
func (s *Span) UntilFull(perHour int64) (seconds int64, known bool) {
	if !s.HasRoom || perHour <= 0 {
		return 0, false
	}
	var a big.Int
	a.Mul(big.NewInt(max(s.Room, 0)), big.NewInt(3600)).Quo(&a, big.NewInt(perHour))
	if !a.IsInt64() || a.Int64() > 1000*365*86400 {
		return 0, false
	}
	return a.Int64(), true
}

// status says in a word what became of a row between two moments.
func status(before, after *Sums, same bool) string {
	switch {
	case before.Keys == 0 && after.Keys > 0:
		return "new"
	case before.Keys > 0 && after.Keys == 0:
		return "gone"
	case after.Bytes > before.Bytes:
		return "grew"
	case after.Bytes < before.Bytes:
		return "shrank"
	case !same || *before != *after:
		return "changed"
	}
	return "same"
}

// ChangeColumns are the columns of the table "changes", and the metrics of
// rules about it.
func ChangeColumns() []Column {
	return []Column{
		{"pattern", Name, "key pattern; an inner node of the tree ends in its separator, the root is *"},
		{"depth", Count, "segments of the pattern; 0 for the root"},
		{"leaf", Flag, "1: keys of this very pattern; 0: sums of an inner node over the rows below it"},
		{"status", Text, "new, gone, grew, shrank (by bytes), changed (bytes are equal, something else is not) or same"},
		{"keys_before", Count, "keys at the first moment"},
		{"keys_after", Count, "keys at the last moment"},
		{"keys_change", Count, "keys after less keys before"},
		{"bytes_before", Bytes, "bytes of the keys before"},
		{"bytes_after", Bytes, "bytes of the keys after"},
		{"bytes_change", Bytes, "bytes after less bytes before"},
		{"growth", Share, "bytes_change as a share of bytes_before; empty if there were none"},
		{"elements_change", Count, "members, fields, list elements and stream entries more than before"},
		{"avg_bytes_before", Bytes, "mean bytes of a key before; empty if there was none"},
		{"avg_bytes_after", Bytes, "mean bytes of a key after; empty if there is none"},
		{"ttl_share_before", Share, "share of the keys that had a TTL, of their own or of all their fields; empty if there was none"},
		{"ttl_share_after", Share, "share of the keys that have a TTL; empty if there is none"},
		{"no_ttl_keys_change", Count, "keys without a TTL more than before"},
		{"no_ttl_bytes_change", Bytes, "their bytes more than before"},
		{"expired_keys_change", Count, "keys whose TTL has run out more than before, each by its own moment"},
		{"keys_per_hour", Count, "keys more an hour; of more than two moments the slope by least squares"},
		{"bytes_per_hour", Bytes, "bytes more an hour, likewise"},
		{"full_in_seconds", Seconds, "how long until this row alone, growing like this, fills maxmemory; empty if it does not grow"},
		{"encodings_before", Text, "encodings before, with shares by bytes"},
		{"encodings_after", Text, "encodings after"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}
}

// Changes is what became of each pattern between the first moment and the last.
func (c *Comparison) Changes(span *Span) Table {
	table := Table{Name: "changes", Title: "Change by key pattern", Columns: ChangeColumns(), Notes: c.notes}
	for i := range c.Rows {
		r := &c.Rows[i]
		b, a := &r.Sums[0], &r.Sums[len(r.Sums)-1]
		keysPerHour, known := span.PerHour(func(side int) int64 { return r.Sums[side].Keys })
		bytesPerHour, _ := span.PerHour(func(side int) int64 { return r.Sums[side].Bytes })
		full, fills := span.UntilFull(bytesPerHour)
		growth := Cell{Null: true}
		if b.Bytes > 0 {
			growth = Cell{F: float64(a.Bytes-b.Bytes) / float64(b.Bytes)}
		}
		table.Rows = append(table.Rows, []Cell{
			{S: r.Pattern}, {I: int64(r.Depth)}, flagCell(r.Leaf), {S: status(b, a, r.Before == r.After)},
			{I: b.Keys}, {I: a.Keys}, {I: a.Keys - b.Keys},
			{I: b.Bytes}, {I: a.Bytes}, {I: a.Bytes - b.Bytes}, growth, {I: a.Elements - b.Elements},
			{I: mean(b.Bytes, b.Keys), Null: b.Keys == 0}, {I: mean(a.Bytes, a.Keys), Null: a.Keys == 0},
			b.ttlShare(), a.ttlShare(), {I: a.NoTTLKeys - b.NoTTLKeys}, {I: a.NoTTLBytes - b.NoTTLBytes}, {I: a.ExpiredKeys - b.ExpiredKeys},
			{I: keysPerHour, Null: !known}, {I: bytesPerHour, Null: !known}, {I: full, Null: !fills},
			{S: r.Before}, {S: r.After}, {S: r.Owner},
		})
	}
	return table
}

func (s *Sums) ttlShare() Cell {
	if s.Keys == 0 {
		return Cell{Null: true}
	}
	return Cell{F: float64(s.Keys-s.NoTTLKeys) / float64(s.Keys)}
}

// AppearedTable lists the patterns that are new and those that are gone.
func (c *Comparison) AppearedTable() Table {
	table := Table{Name: "appeared", Title: "New and vanished patterns", Columns: []Column{
		{"pattern", Name, "key pattern, before any is folded for reading"},
		{"status", Text, "new: no key at the first moment; gone: none at the last"},
		{"keys", Count, "its keys, where it has some"},
		{"bytes", Bytes, "their bytes"},
		{"no_ttl_keys", Count, "those without a TTL"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}}
	for _, list := range []struct {
		status string
		rows   []Appeared
		count  int64
	}{{"new", c.New, c.NewCount}, {"gone", c.Gone, c.GoneCount}} {
		for i := range list.rows {
			r := &list.rows[i]
			table.Rows = append(table.Rows, []Cell{{S: r.Pattern}, {S: list.status}, {I: r.Sums.Keys}, {I: r.Sums.Bytes}, {I: r.Sums.NoTTLKeys}, {S: r.Owner}})
		}
		if n := list.count - int64(len(list.rows)); n > 0 {
			table.Notes = append(table.Notes, fmt.Sprintf("%d smaller patterns are %s too", n, list.status))
		}
	}
	return table
}

// Series is every pattern at every moment.
func (c *Comparison) Series(span *Span) Table {
	table := Table{Name: "series", Title: "Key patterns over time", Notes: c.notes, Columns: []Column{
		{"pattern", Name, "key pattern; an inner node of the tree ends in its separator, the root is *"},
		{"depth", Count, "segments of the pattern; 0 for the root"},
		{"leaf", Flag, "1: keys of this very pattern; 0: sums of an inner node over the rows below it"},
		{"moment", Count, "number of the moment, from 1"},
		{"time", Time, "when it was; empty if that is not known"},
		{"keys", Count, "keys"},
		{"bytes", Bytes, "their bytes"},
		{"no_ttl_keys", Count, "keys without a TTL"},
		{"from_first_change", Bytes, "bytes more than at the first moment"},
		{"to_last_change", Bytes, "bytes more at the last moment"},
	}}
	for i := range c.Rows {
		r := &c.Rows[i]
		first, last := r.Sums[0].Bytes, r.Sums[len(r.Sums)-1].Bytes
		for side := range r.Sums {
			s := &r.Sums[side]
			at := Cell{Null: true}
			if span.Times != nil {
				at = Cell{I: span.Times[side]}
			}
			table.Rows = append(table.Rows, []Cell{
				{S: r.Pattern}, {I: int64(r.Depth)}, flagCell(r.Leaf), {I: int64(side + 1)}, at,
				{I: s.Keys}, {I: s.Bytes}, {I: s.NoTTLKeys}, {I: s.Bytes - first}, {I: last - s.Bytes},
			})
		}
	}
	return table
}

// Join is a table that sets rows of two others side by side, by the texts or
// numbers in the columns ID. Of each column of Values it has what was before
// and after, and the change.
type Join struct {
	Name, Title string
	ID, Values  []string
}

// Tables joins two tables; a table that is not there, or lacks a column of ID, has no rows.
func (j *Join) Tables(before, after *Table) Table {
	out := Table{Name: j.Name, Title: j.Title}
	var docs [2]map[string]Column
	type joined struct {
		id     []Cell
		values [2][]int64
		there  [2]bool
	}
	index := make(map[string]*joined)
	var rows []*joined
	for side, t := range []*Table{before, after} {
		if t == nil {
			continue
		}
		at := make(map[string]int)
		docs[side] = make(map[string]Column)
		for i, c := range t.Columns {
			at[c.Name] = i
			docs[side][c.Name] = c
		}
		if slices.ContainsFunc(j.ID, func(name string) bool { _, ok := at[name]; return !ok }) {
			continue
		}
		for _, row := range t.Rows {
			var key strings.Builder
			var id []Cell
			for _, name := range j.ID {
				c := row[at[name]]
				id = append(id, c)
				fmt.Fprintf(&key, "%q %d %t;", c.S, c.I, c.Null)
			}
			r := index[key.String()]
			if r == nil {
				r = &joined{id: id}
				r.values[0], r.values[1] = make([]int64, len(j.Values)), make([]int64, len(j.Values))
				index[key.String()] = r
				rows = append(rows, r)
			}
			r.there[side] = true
			for k, name := range j.Values {
				if i, ok := at[name]; ok {
					r.values[side][k] += row[i].I
				}
			}
		}
	}
	column := func(name string) Column {
		for side := 1; side >= 0; side-- {
			if c, ok := docs[side][name]; ok {
				return c
			}
		}
		return Column{Name: name}
	}
	for _, name := range j.ID {
		out.Columns = append(out.Columns, column(name))
	}
	out.Columns = append(out.Columns, Column{"status", Text, "new: not there at the first moment; gone: not there at the last; changed or same"})
	for _, name := range j.Values {
		c := column(name)
		out.Columns = append(out.Columns, Column{name + "_before", c.Kind, c.Doc + ", at the first moment"},
			Column{name + "_after", c.Kind, c.Doc + ", at the last moment"}, Column{name + "_change", c.Kind, "what is more than before"})
	}
	// By the last of the values that are bytes, which all of these tables have.
	by := max(slices.Index(j.Values, "bytes"), 0)
	slices.SortStableFunc(rows, func(a, b *joined) int {
		if c := cmp.Compare(max(b.values[0][by], b.values[1][by]), max(a.values[0][by], a.values[1][by])); c != 0 {
			return c
		}
		for i := range a.id {
			if c := cmp.Or(cmp.Compare(a.id[i].S, b.id[i].S), cmp.Compare(a.id[i].I, b.id[i].I)); c != 0 {
				return c
			}
		}
		return 0
	})
	for _, r := range rows {
		word := "same"
		switch {
		case !r.there[0]:
			word = "new"
		case !r.there[1]:
			word = "gone"
		case !slices.Equal(r.values[0], r.values[1]):
			word = "changed"
		}
		cells := append(slices.Clone(r.id), Cell{S: word})
		for k := range j.Values {
			b, a := r.values[0][k], r.values[1][k]
			cells = append(cells, Cell{I: b}, Cell{I: a}, Cell{I: a - b})
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}
