package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/output"
)

// slotsOf is what is known of the cluster slots that a dump has keys in.
type slotsOf struct {
	n    int64
	hash uint64 // of their numbers
}

// slots says which slots each dump has keys in.
func (p *Part) slots() []slotsOf {
	out := make([]slotsOf, len(p.Dumps))
	list, _ := p.Set.Totals().Dicts()
	last := make([]int32, len(p.Dumps)) // 1 more than the last slot seen
	for _, d := range list {
		if d.Slot < 0 || d.Source < 0 || int(d.Source) >= len(out) || last[d.Source] == d.Slot+1 {
			continue
		}
		last[d.Source] = d.Slot + 1
		s := &out[d.Source]
		s.n++
		s.hash += (uint64(d.Slot) + 1) * 0x9e3779b97f4a7c15
	}
	return out
}

// dumpsTable has a row for each dump, if there are several.
func (p *Part) dumpsTable(total int64) (aggregate.Table, bool) {
	t := aggregate.Table{Name: "dumps", Title: "Dumps", Columns: []aggregate.Column{
		{Name: "dump", Kind: aggregate.Text, Doc: "path of the dump"},
		{Name: "server", Kind: aggregate.Text, Doc: "what wrote it"},
		{Name: "moment", Kind: aggregate.Time, Doc: "what its TTLs and ages are held against"},
		{Name: "keys", Kind: aggregate.Count, Doc: "its keys in the sums"},
		{Name: "bytes", Kind: aggregate.Bytes, Doc: "their bytes"},
		{Name: "share", Kind: aggregate.Share, Doc: "bytes as a share of all"},
		{Name: "avg_bytes", Kind: aggregate.Bytes, Doc: "mean bytes of a key"},
		{Name: "max_bytes", Kind: aggregate.Bytes, Doc: "bytes of the largest key"},
		{Name: "max_key", Kind: aggregate.Name, Doc: "the largest key, its first 256 bytes"},
		{Name: "slots", Kind: aggregate.Count, Doc: "cluster slots with keys; empty if it is of no cluster"},
		{Name: "used_mem", Kind: aggregate.Bytes, Doc: "what the server said that it used; empty if the dump does not say"},
		{Name: "bytes_read", Kind: aggregate.Bytes, Doc: "bytes of the dump that were read, after decompression"},
		{Name: "error", Kind: aggregate.Text, Doc: "why it could not be read to its end"},
	}}
	if len(p.Dumps) < 2 {
		return t, false
	}
	slots := p.slots()
	var keys, bytes []int64
	for i := range p.Dumps {
		f := &p.Dumps[i]
		if f.Open {
			keys, bytes = append(keys, f.Keys), append(bytes, f.Bytes)
		}
		share := 0.0
		if total > 0 {
			share = float64(f.Bytes) / float64(total)
		}
		mean := int64(0)
		if f.Keys > 0 {
			mean = f.Bytes / f.Keys
		}
		t.Rows = append(t.Rows, []aggregate.Cell{
			{S: f.Source.Path}, {S: f.Source.Server}, {I: f.Moment, Null: !f.Open}, {I: f.Keys}, {I: f.Bytes}, {F: share}, {I: mean},
			{I: max(f.Largest, 0), Null: f.Keys == 0}, {S: string(aggregate.AppendEscaped(nil, f.LargestKey)), Null: f.Keys == 0},
			{I: slots[i].n, Null: slots[i].n == 0}, {I: f.Source.UsedMem, Null: f.Source.UsedMem < 0}, {I: f.Source.Bytes}, {S: f.Source.Error},
		})
	}
	slices.SortStableFunc(t.Rows, func(a, b []aggregate.Cell) int { return cmp.Compare(b[4].I, a[4].I) })
	if len(keys) > 1 {
		t.Notes = append(t.Notes, skew("bytes", bytes, output.Bytes), skew("keys", keys, output.Count))
	}
	return t, true
}

// skew says how uneven the dumps are.
func skew(what string, list []int64, text func(int64) string) string {
	slices.Sort(list)
	n := len(list)
	sum := int64(0)
	for _, v := range list {
		sum += v
	}
	mean := float64(sum) / float64(n)
	over := ""
	if mean > 0 {
		over = fmt.Sprintf(", %.2f times the mean", float64(list[n-1])/mean)
	}
	return fmt.Sprintf("%s of a dump: %s at least, %s in the middle, %s at most%s", what, text(list[0]), text(list[n/2]), text(list[n-1]), over)
}

// copies warns of dumps that are of the same data: a primary and its replica,
// or one server twice. Their keys are in the sums once for each.
func (p *Part) copies() (warnings []string) {
	slots := p.slots()
	told := make([]bool, len(p.Dumps))
	find := func(why string, id func(i int) string) {
		groups := make(map[string][]int)
		var order []string
		for i := range p.Dumps {
			if f := &p.Dumps[i]; !f.Open || told[i] {
				continue
			}
			if s := id(i); s != "" {
				if groups[s] == nil {
					order = append(order, s)
				}
				groups[s] = append(groups[s], i)
			}
		}
		for _, s := range order {
			g := groups[s]
			if len(g) < 2 {
				continue
			}
			var names []string
			for k, i := range g {
				told[i] = true
				if k < 4 {
					names = append(names, p.Dumps[i].Name())
				}
			}
			list := strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
			if more := len(g) - len(names); more > 0 {
				list = strings.Join(names, ", ") + fmt.Sprintf(" and %d more", more)
			}
			warnings = append(warnings, fmt.Sprintf("%s %s: a primary and its replica, or one server twice? Their keys are counted once for each.", list, why))
		}
	}
	find("are of one data set (the same replication id)", func(i int) string { return p.Dumps[i].ReplID })
	find("hold the same cluster slots", func(i int) string {
		if slots[i].n < 2 {
			return ""
		}
		return fmt.Sprint(slots[i])
	})
	find("have the same keys, as far as their number, bytes and the largest tell", func(i int) string {
		f := &p.Dumps[i]
		if f.Keys < 2 {
			return ""
		}
		return fmt.Sprint(f.Keys, f.Bytes, f.Largest, " ", string(f.LargestKey))
	})
	return warnings
}
