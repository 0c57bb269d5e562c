package scan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/output"
)

// View says what a report shows of a part beside what the part holds.
type View struct {
	Version string
	Info    map[string]string // the server's output of INFO, nil if nobody gave it
	// Eviction at maxmemory; Max 0: nobody asked.
	Max, Growth int64  // bytes
	Policy      string // maxmemory-policy, "" if nobody says
	Samples     int    // maxmemory-samples, 0: the default
}

func (v *View) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(v.Info[name], 10, 64)
	return n, err == nil
}

// Report renders a part, and says what eviction would take; nil: nobody asked.
// It may be called once, after the last Merge.
func (p *Part) Report(v *View) (*output.Report, *aggregate.EvictionPlan) {
	p.Sort()
	rep := &output.Report{Version: v.Version, Measure: p.Set.Measure(), Filtered: p.How.Filtered, Options: options(p.Set.Options())}
	p.moments(rep)
	for i := range p.Dumps {
		f := &p.Dumps[i]
		rep.Sources = append(rep.Sources, f.Source)
		if !f.Open {
			rep.Warnings = append(rep.Warnings, f.Source.Error)
		}
		rep.Warnings = append(rep.Warnings, f.Warnings...)
		rep.Notes = append(rep.Notes, f.Notes...)
	}
	rep.Warnings = append(rep.Warnings, p.copies()...)
	rep.Totals = *p.Set.Totals()
	p.memory(rep, v)
	p.model(rep)
	rep.Tables = p.Set.Tables()
	if t, ok := p.dumpsTable(rep.Totals.Bytes); ok {
		rep.Tables = append(rep.Tables, t)
	}
	plan := p.eviction(rep, v)
	options := p.auditOptions(rep)
	options.Eviction = plan
	if p.How.Findings {
		rep.Tables = append(rep.Tables, aggregate.FindingsTable(p.Set.Findings(rep.Tables, options)))
	}
	if plan != nil {
		rep.Tables = append(rep.Tables, aggregate.EvictionTable(plan))
	}
	p.notes(rep)
	return rep, plan
}

// options is what a report says of how keys were cut into patterns.
func options(o aggregate.Options) output.Options {
	out := output.Options{Depth: o.Depth}
	for _, sep := range o.Separators {
		out.Separators = append(out.Separators, string(aggregate.AppendEscaped(nil, []byte("x"+sep))[1:]))
	}
	if len(o.Patterns) > 0 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", o.Patterns, o.Owners))
		out.Patterns = hex.EncodeToString(sum[:8])
	}
	return out
}

// moments says which moments the dumps are of.
func (p *Part) moments(rep *output.Report) {
	var from []string
	for i := range p.Dumps {
		f := &p.Dumps[i]
		if !f.Open {
			continue
		}
		if from == nil || f.Moment > rep.Now {
			rep.Now = f.Moment
		}
		if from == nil || f.Moment < rep.NowFirst {
			rep.NowFirst = f.Moment
		}
		if !slices.Contains(from, f.MomentFrom) {
			from = append(from, f.MomentFrom)
		}
	}
	if rep.NowFirst == rep.Now {
		rep.NowFirst = 0
	}
	sort.Strings(from)
	rep.NowFrom = strings.Join(from, ", ")
}

// auditOptions says what findings need to know of the run.
func (p *Part) auditOptions(rep *output.Report) aggregate.AuditOptions {
	o := aggregate.AuditOptions{
		JSONEvery: int64(p.How.JSONEvery), Sample: SampleEvery, Model: p.config(p.first()), Line: rep.Model.Line, Config: p.How.Model.Options,
	}
	damaged := false
	for i := range p.Dumps {
		f := &p.Dumps[i]
		o.Sources = append(o.Sources, f.Name())
		if damaged = damaged || f.Damaged(); !f.Damaged() {
			o.Outside = append(o.Outside, f.Modules...)
		}
	}
	// Of a part of the keys, or on another server, there is nothing to be explained.
	if p.How.Model.Target == "" && rep.Filtered == "" && !damaged {
		o.UsedMemory, o.Estimate = rep.Memory.DumpUsedMem, rep.Memory.Estimate
	}
	return o
}

// first is the first dump that could be opened, or else the first.
func (p *Part) first() *Facts {
	for i := range p.Dumps {
		if p.Dumps[i].Open {
			return &p.Dumps[i]
		}
	}
	return &Facts{}
}

// memory reconciles the keys with the server's own figure.
func (p *Part) memory(rep *output.Report, v *View) {
	t := &rep.Totals
	m := &rep.Memory
	m.Keys, m.Slack, m.Opaque = t.Alloc, t.Slack, t.OpaqueBytes
	if t.Bytes > 0 {
		m.ExpectedPart = float64(t.ChanceBytes) / float64(t.Bytes)
	}
	variance := t.AllocVar
	tables := p.dictionaries()
	known := true
	sum := int64(0)
	for i := range p.Dumps {
		f := &p.Dumps[i]
		if !f.Open {
			continue
		}
		c := p.config(f)
		m.Tables += tables[i].bytes
		variance += tables[i].variance
		m.Startup += c.Startup()
		if f.Source.UsedMem < 0 {
			known = false
		} else {
			sum += f.Source.UsedMem
		}
	}
	if _, other := t.Dicts(); other.Keys > 0 { // of more databases than are told apart: as if they were one
		c := p.config(p.first())
		b, v := c.Tables(other.Keys, other.TTLKeys)
		m.Tables += b
		variance += v
	}
	m.DumpUsedMem = -1
	if known {
		m.DumpUsedMem = sum
	}
	if v.Info != nil {
		// The server's own figures, where it gave them.
		if n, ok := v.number("used_memory_startup"); ok {
			m.Startup = n
		}
		if n, ok := v.number("used_memory"); ok {
			m.DumpUsedMem = n
			rep.Notes = append(rep.Notes, "used memory and start-up are those of --info, asked at another moment than the dump was made")
		}
	}
	m.ExpectedSD = Isqrt(variance)
	m.Estimate = m.Keys + m.Tables + m.Startup
}

// expectation is a number of bytes with its variance.
type expectation struct{ bytes, variance int64 }

// dictionaries sums what the dictionaries of each dump take.
func (p *Part) dictionaries() []expectation {
	out := make([]expectation, len(p.Dumps))
	list, _ := p.Set.Totals().Dicts() // in the order of dumps
	for from, to := 0, 0; from < len(list); from = to {
		source := list[from].Source
		for to = from; to < len(list) && list[to].Source == source; to++ {
		}
		if source >= 0 && int(source) < len(out) {
			c := p.config(&p.Dumps[source])
			out[source].bytes, out[source].variance = Dictionaries(&c, list[from:to], source)
		}
	}
	return out
}

// Dictionaries sums what the dictionaries of one dump take: of each database,
// and of each slot where the server has them apart. Bytes, and their variance.
func Dictionaries(c *estimate.Config, list []aggregate.Dict, source int32) (bytes, variance int64) {
	add := func(keys, ttlKeys int64) {
		b, v := c.Tables(keys, ttlKeys)
		bytes += b
		variance += v
	}
	var whole aggregate.Dict // of a database whose slots share one; the list is in their order
	for _, d := range list {
		switch {
		case d.Source != source:
		case d.Slot >= 0 && c.SlotTables():
			add(d.Keys, d.TTLKeys)
		case whole.Keys > 0 && whole.DB == d.DB:
			whole.Keys += d.Keys
			whole.TTLKeys += d.TTLKeys
		default:
			if whole.Keys > 0 {
				add(whole.Keys, whole.TTLKeys)
			}
			whole = d
		}
	}
	if whole.Keys > 0 {
		add(whole.Keys, whole.TTLKeys)
	}
	return bytes, variance
}

// Isqrt is the square root, rounded down; 0 of what has none.
func Isqrt(n int64) int64 {
	if n <= 0 {
		return 0
	}
	x := n
	for y := (x + 1) / 2; y < x; y = (x + n/x) / 2 {
		x = y
	}
	return x
}

// model says under which servers the sizes hold.
func (p *Part) model(rep *output.Report) {
	var lines []string
	verified, cluster := true, false
	var proven estimate.Limits
	for i := range p.Dumps {
		f := &p.Dumps[i]
		if !f.Open {
			continue
		}
		if !slices.Contains(lines, f.Line) {
			lines = append(lines, f.Line)
		}
		verified = verified && f.Verified
		cluster = cluster || f.Cluster
		for _, s := range estimate.Settings() {
			*s.Field(&proven) = max(*s.Field(&proven), *s.Field(&f.Proven))
		}
	}
	sort.Strings(lines)
	first := p.first()
	c := p.config(first)
	m := &rep.Model
	m.Line, m.From, m.Verified, m.Cluster = strings.Join(lines, ", "), first.From, verified, cluster
	m.Allocator = c.Allocator.String()
	m.View = "live"
	if c.Loaded {
		m.View = "loaded"
	}
	for _, s := range estimate.Settings() {
		value := *s.Field(&c.Limits)
		from := "default"
		for _, name := range []string{s.Name, s.Old} {
			if o := p.How.Model.Origin[name]; o != "" {
				from = o
			}
		}
		if n := *s.Field(&proven); n > value && value >= 0 && from == "default" {
			value, from = n, "the dump proves at least this"
		}
		m.Limits = append(m.Limits, output.Limit{Name: s.Name, Value: strconv.FormatInt(value, 10), From: from})
	}
}

// notes lists what was not guessed.
func (p *Part) notes(rep *output.Report) {
	t := &rep.Totals
	if say := p.Set.AuditPartial(); say != "" && p.How.Findings {
		rep.Notes = append(rep.Notes, "Findings: "+say+".")
	}
	if t.HistoryKeys > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s collections are hash tables or skip lists although they would fit a packed encoding: they were larger once. "+
			"A restart packs them; how large their tables still are the dump cannot say.", output.Count(t.HistoryKeys)))
	}
	if t.Slack > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s is room that streams keep in their last node; a restart gives it back.", output.Bytes(t.Slack)))
	}
}

// used is what a dump's server holds against its maxmemory, and who says so.
func (p *Part) used(i int, v *View, tables []expectation) (int64, string) {
	f := &p.Dumps[i]
	if len(p.Dumps) == 1 {
		if n, ok := v.number("used_memory"); ok {
			left, _ := v.number("mem_not_counted_for_evict")
			return n - left, "INFO's used_memory less mem_not_counted_for_evict"
		}
	}
	c := p.config(f)
	if f.Source.UsedMem >= 0 && !c.Loaded && !f.Damaged() {
		return f.Source.UsedMem, "used-mem of the dump"
	}
	return p.Set.EvictionBytes(int32(i)) + tables[i].bytes + c.Startup(), "our estimate"
}

// eviction is what each policy would evict, nil if nobody asked.
func (p *Part) eviction(rep *output.Report, v *View) *aggregate.EvictionPlan {
	if v.Max == 0 {
		return nil
	}
	if !p.Set.CountsEviction() {
		rep.Notes = append(rep.Notes, "eviction at maxmemory is left out: it chooses among all keys, and a filter leaves some out")
		return nil
	}
	o := aggregate.EvictionOptions{Need: make([]int64, len(p.Dumps)), Samples: v.Samples, Policy: v.Policy}
	var used, spare int64
	var from []string
	servers := 0
	tables := p.dictionaries()
	for i := range p.Dumps {
		if !p.Dumps[i].Open {
			continue
		}
		n, who := p.used(i, v, tables)
		if servers++; !slices.Contains(from, who) {
			from = append(from, who)
		}
		used += n
		o.Need[i] = n + v.Growth - v.Max
		spare += max(0, -o.Need[i])
	}
	plan := p.Set.Eviction(rep.Tables, o)
	say := fmt.Sprintf("maxmemory is %s, used %s (%s)", output.Bytes(v.Max), output.Bytes(used), strings.Join(from, ", "))
	if servers > 1 {
		say = fmt.Sprintf("maxmemory is %s for each of %d servers, used %s in all (%s)", output.Bytes(v.Max), servers, output.Bytes(used), strings.Join(from, ", "))
	}
	if v.Growth > 0 {
		say += fmt.Sprintf(", new data %s", output.Bytes(v.Growth))
	}
	if plan.Need > 0 {
		say += fmt.Sprintf(": %s must go", output.Bytes(plan.Need))
	} else {
		say += fmt.Sprintf(": %s are free; --growth SIZE says what goes when so much more is written", output.Bytes(spare))
	}
	plan.Notes = append([]string{say}, plan.Notes...)
	if v.Policy == "" {
		plan.Notes = append(plan.Notes, "nobody said which policy is in force (--maxmemory-policy); a server's default is noeviction")
	}
	return plan
}
