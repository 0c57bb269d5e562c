package scan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// How says how a part was made. Parts that differ in it cannot be merged.
type How struct {
	Model     Model  `json:"model"`
	Filtered  string `json:"filtered,omitempty"` // the filter in words
	Now       int64  `json:"now,omitempty"`      // unix milliseconds if somebody gave the moment for all dumps
	NowGiven  bool   `json:"now_given,omitempty"`
	Findings  bool   `json:"findings"`
	JSONEvery uint32 `json:"json_every"` // one of so many values was looked at for JSON; 0: none
}

// SampleEvery is of how many keys one is looked at closely, of large databases
// fewer, the same ones that are sampled for JSON.
const SampleEvery = 8

// Facts are what is known of one dump beside its keys.
type Facts struct {
	Source     output.Source
	Open       bool   // its head could be read
	Moment     int64  // unix milliseconds that its TTLs and ages are held against
	MomentFrom string // where that comes from
	Line       string // server line
	From       string // how the line was found
	Verified   bool
	Cluster    bool
	Proven     estimate.Limits // what its packed values show of the limits
	ReplID     string          // replication id of the data set
	Modules    []string        // module types that left data outside of keys

	Keys, Bytes        int64  // that are in the sums, by the measure
	Largest            int64  // bytes of the largest key
	LargestKey         []byte // its name, the first bytes of it
	LeftKeys, LeftByte int64  // expired, which a loading server leaves out

	Warnings, Notes []string // what a report says of it
}

// Name is how texts call the dump.
func (f *Facts) Name() string { return BaseName(f.Source.Path) }

// Damaged says whether the dump was not read to its end.
func (f *Facts) Damaged() bool { return f.Source.Error != "" }

// Part is what reports are made of: the sums over some dumps, and what is known
// of each of them. Its dumps are in the order of their paths, after a Merge once
// Write, Report or Sort was called.
type Part struct {
	Version  string // of the program that made it
	How      How
	Set      *aggregate.Set
	Dumps    []Facts // by Record.Source
	unsorted bool    // Dumps are as they came, not in their order yet
}

// Read is how many dumps could be read, in part at least.
func (p *Part) Read() (n int) {
	for i := range p.Dumps {
		if p.Dumps[i].Open {
			n++
		}
	}
	return n
}

// Merge adds another part, which must not be used afterwards. The error names
// the option in which they differ; nothing is merged then.
func (p *Part) Merge(o *Part) error {
	if err := p.How.same(&o.How); err != nil {
		return err
	}
	if err := p.Set.Same(o.Set); err != nil {
		return err
	}
	// To put them in order each time would take longer with each part.
	behind := make([]int32, len(o.Dumps))
	for i := range behind {
		behind[i] = int32(len(p.Dumps) + i)
	}
	o.Set.Renumber(behind)
	p.Dumps, p.unsorted = append(p.Dumps, o.Dumps...), true
	return p.Set.Merge(o.Set)
}

// sorted puts dumps in order, and says where each comes to stand.
func sorted(dumps []Facts) (order []Facts, place []int32) {
	at := make([]int, len(dumps))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		a, b := &dumps[i], &dumps[j]
		return cmp.Or(cmp.Compare(a.Source.Path, b.Source.Path), cmp.Compare(a.Moment, b.Moment), cmp.Compare(a.Source.Bytes, b.Source.Bytes),
			cmp.Compare(a.Source.Keys, b.Source.Keys), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Source.Error, b.Source.Error))
	})
	place = make([]int32, len(dumps))
	for to, from := range at {
		order = append(order, dumps[from])
		place[from] = int32(to)
	}
	return order, place
}

// Sort puts the part's dumps in their order.
func (p *Part) Sort() {
	if !p.unsorted {
		return
	}
	order, place := sorted(p.Dumps)
	p.Dumps, p.unsorted = order, false
	p.Set.Renumber(place)
}

// same names the first option in which two parts differ.
func (h *How) same(o *How) error {
	differ := func(name string, a, b any) error {
		return fmt.Errorf("cannot merge: made with different %s: %v and %v", name, a, b)
	}
	m, n := &h.Model, &o.Model
	switch {
	case h.NowGiven != o.NowGiven || h.Now != o.Now:
		return differ("--now", moment(h), moment(o))
	case h.Filtered != o.Filtered:
		return differ("filter", quoted(h.Filtered), quoted(o.Filtered))
	case h.Findings != o.Findings:
		return errors.New("cannot merge: one was made with --no-findings, the other without")
	case h.JSONEvery != o.JSONEvery:
		return differ("--json-values", "one of "+fmt.Sprint(h.JSONEvery), "one of "+fmt.Sprint(o.JSONEvery))
	case m.Target != n.Target:
		return differ("--target", quoted(m.Target), quoted(n.Target))
	case m.As != n.As:
		return differ("--as", quoted(m.As), quoted(n.As))
	case m.Allocator != n.Allocator:
		return differ("--allocator", m.Allocator, n.Allocator)
	case m.Cluster != n.Cluster:
		return differ("--cluster", m.Cluster, n.Cluster)
	}
	names := slices.Sorted(maps.Keys(m.Options))
	for _, name := range slices.Sorted(maps.Keys(n.Options)) {
		if _, ok := m.Options[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		a, b := m.Options[name], n.Options[name]
		if a == b && m.Origin[name] == n.Origin[name] {
			continue
		}
		return differ("option "+name, quoted(a), quoted(b))
	}
	return nil
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}

func moment(h *How) string {
	if !h.NowGiven {
		return "each dump's own moment"
	}
	return output.Time(h.Now)
}

// config is the configuration under which a dump was sized.
func (p *Part) config(f *Facts) estimate.Config {
	var c estimate.Config
	c.Line, _, _ = estimate.Lookup(f.Line)
	p.How.Model.apply(&c)
	c.Cluster = f.Cluster
	p.How.audit(&c, f.Moment)
	return c
}

// audit sets what an audit looks at.
func (h *How) audit(c *estimate.Config, now int64) {
	if c.Now = now; h.Findings {
		c.Audit, c.JSON, c.Sample = true, h.JSONEvery, SampleEvery
	}
}

// facts are what is known of a dump that was read, or could not be.
func facts(in source.Input, err error) Facts {
	return Facts{Source: output.Source{Path: in.Path, Size: in.Size, UsedMem: -1, Error: err.Error()}}
}
