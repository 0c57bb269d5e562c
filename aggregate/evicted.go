package aggregate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// EvictionOptions say what a server at its maxmemory would do.
type EvictionOptions struct {
	Need    []int64 // bytes that each dump's server must free, by Record.Source; not above 0: none
	Samples int     // maxmemory-samples, 0: the default
	Policy  string  // the maxmemory-policy in force, "" if nobody says
}

// EvictionPlan is what each policy would evict.
type EvictionPlan struct {
	Need     int64 // bytes, of all servers that are over their limit
	Outcomes []Outcome
	named    int      // patterns that the table has rows for; * stands for the others
	Notes    []string // what the dump does not say, caps that bit
}

// Outcome is what one policy would evict.
type Outcome struct {
	Policy   Policy
	InForce  bool
	Unknown  string // why it cannot be told, "" if it can; the figures of what would go are then 0
	Held     tally  // keys that the policy may evict
	Gone     tally
	Short    int64  // bytes that it cannot free: writes fail
	Takes    string // which keys, in words
	Patterns []Loss // the largest first, the same ones for each policy
}

// Loss is what a pattern would lose.
type Loss struct {
	Pattern string
	All     tally // its keys
	Gone    tally
}

// InForce is the outcome of the policy in force, nil if nobody says which it is.
func (p *EvictionPlan) InForce() *Outcome {
	if p != nil {
		for i := range p.Outcomes {
			if p.Outcomes[i].InForce {
				return &p.Outcomes[i]
			}
		}
	}
	return nil
}

// Lost sums up what the patterns that match lose; share is of their bytes.
func (o *Outcome) Lost(match func(pattern string) bool) (keys, bytes int64, share float64) {
	var all, gone tally
	for _, l := range o.Patterns {
		if match(l.Pattern) {
			all.join(l.All)
			gone.join(l.Gone)
		}
	}
	return gone.keys, gone.bytes, float64(gone.bytes) / float64(max(all.bytes, 1))
}

// Eviction says what would be evicted. tables are the ones that the set has
// rendered: patterns go by the names that they have there.
func (s *Set) Eviction(tables []Table, o EvictionOptions) *EvictionPlan {
	if o.Samples <= 0 {
		o.Samples = defaultSamples
	}
	e := s.eviction
	plan := &EvictionPlan{}
	for _, n := range o.Need {
		plan.Need = addSaturating(plan.Need, n)
	}
	w := &evictionWork{e: e, o: o, spaces: e.ordered()}
	w.sum(newRowNames(tables, e.p))
	written := strings.HasSuffix(o.Policy, "-lrm")
	for _, p := range Policies() {
		// Idle times of a dump are since the last write if the policy says so.
		if p.by == byIdle && p.written != written {
			continue
		}
		out := w.outcome(p)
		out.InForce = p.Name == o.Policy
		plan.Outcomes = append(plan.Outcomes, out)
	}
	plan.named = w.named
	if e.full {
		plan.Notes = append(plan.Notes, "more patterns than there is room for in --table-memory: some are counted under *, sums are exact")
	}
	return plan
}

// EvictionBytes is what evicting all keys of a dump would free.
func (s *Set) EvictionBytes(source int32) (n int64) {
	for _, sp := range s.eviction.spaces {
		if sp.source != source {
			continue
		}
		for _, row := range sp.rows {
			n += row.total().bytes
		}
		n += sp.other.total().bytes
	}
	return n
}

// evictionWork makes the plan.
type evictionWork struct {
	e      *Eviction
	o      EvictionOptions
	spaces []*space
	sums   []crowds  // of each space
	rows   [][]shown // of each space, in the order of their patterns
	names  []string  // shown, the largest first
	named  int       // as in the plan
	all    map[string]tally
	bare   int64 // what servers without a key must free
}

// shown is a row and the name that it is shown under, together with others.
type shown struct {
	name string
	*crowds
}

// need is what the server of a dump must free.
func (w *evictionWork) need(source int32) int64 {
	if int(source) < len(w.o.Need) && source >= 0 {
		return w.o.Need[source]
	}
	return 0
}

// sum adds up what all policies ask for.
func (w *evictionWork) sum(names *rowNames) {
	w.all = make(map[string]tally)
	w.sums, w.rows = make([]crowds, len(w.spaces)), make([][]shown, len(w.spaces))
	for i, s := range w.spaces {
		for _, text := range slices.Sorted(maps.Keys(s.rows)) {
			w.rows[i] = append(w.rows[i], shown{names.name([]byte(text)), s.rows[text]})
		}
		w.rows[i] = append(w.rows[i], shown{"*", &s.other})
		for _, row := range w.rows[i] {
			w.sums[i].merge(row.crowds)
			t := w.all[row.name]
			t.join(row.total())
			w.all[row.name] = t
		}
	}
	for i, need := range w.o.Need {
		if !slices.ContainsFunc(w.spaces, func(s *space) bool { return int(s.source) == i }) {
			w.bare = addSaturating(w.bare, need)
		}
	}
	var total int64
	for name, t := range w.all {
		w.names = append(w.names, name)
		total += t.bytes
	}
	slices.SortFunc(w.names, func(a, b string) int {
		return cmp.Or(cmp.Compare(w.all[b].bytes, w.all[a].bytes), cmp.Compare(a, b))
	})
	// As in the pattern table, what is under 0.1 % and not among the largest has no row of its own.
	for w.named < len(w.names) && (w.named < keepLargest || w.all[w.names[w.named]].bytes >= (total+999)/1000) {
		w.named++
	}
}

// crowdsOf lists what a policy sees of the keys in a row: what they are ranked
// by, and how many there are. Keys whose rank the dump does not tell are as a
// server that loads it has them: just used, or with the counter of a new key.
func crowdsOf(row *crowds, p Policy, f func(rank uint32, t tally)) {
	const fresh = 5 // server.h LFU_INIT_VAL
	var unknown tally
	for _, c := range row.list {
		if p.never || p.Volatile && c.at&rankVolatile == 0 {
			continue
		}
		switch by := how(c.at >> rankHow); {
		case by == byTTL && p.by == byTTL:
			f(c.at&rankBucket, c.tally)
		case by == byTTL && p.by == byLot:
			f(0, c.tally)
		case by == byTTL:
			unknown.join(c.tally)
		case by == p.by:
			unknown.join(tally{-c.keys, -c.bytes})
			f(c.at&rankBucket, c.tally)
		}
	}
	if unknown.keys > 0 {
		rank := uint32(0)
		if p.by == byFreq {
			rank = fresh
		}
		f(rank, unknown)
	}
}

// ranked says whether a dump tells what the policy ranks its keys by.
func ranked(row *crowds, p Policy) bool {
	return p.by == byTTL || p.by == byLot || slices.ContainsFunc(row.list, func(c crowd) bool {
		return how(c.at>>rankHow) == p.by && (!p.Volatile || c.at&rankVolatile != 0)
	})
}

// lots are what a policy may evict of the databases from to to, those of one
// server.
func (w *evictionWork) lots(p Policy, from, to int) *lots {
	l := &lots{at: make(map[uint32]int)}
	for k := from; k < to; k++ {
		l.known = l.known || ranked(&w.sums[k], p)
		crowdsOf(&w.sums[k], p, func(rank uint32, t tally) {
			l.all.join(t)
			if _, ok := l.at[rank]; !ok {
				l.at[rank] = 0
				l.ranks = append(l.ranks, rank)
			}
		})
	}
	slices.Sort(l.ranks)
	if p.by == byIdle {
		slices.Reverse(l.ranks)
	}
	for c, rank := range l.ranks {
		l.at[rank] = c
		l.crowds = append(l.crowds, make([]lot, to-from))
	}
	for k := from; k < to; k++ {
		crowdsOf(&w.sums[k], p, func(rank uint32, t tally) {
			l.crowds[l.at[rank]][k-from].join(t)
		})
	}
	for _, crowd := range l.crowds {
		for d := range crowd {
			c := &crowd[d]
			c.left, c.mean = float64(c.keys), float64(c.bytes)/float64(max(c.keys, 1))
		}
	}
	return l
}

// parts adds up keys and bytes of which only parts count.
type parts struct{ keys, bytes float64 }

func (w *evictionWork) outcome(p Policy) Outcome {
	out := Outcome{Policy: p, Short: w.bare}
	gone := make(map[string]parts)
	held, left := make(map[uint32]float64), make(map[uint32]float64)
	for from, to := 0, 0; from < len(w.spaces); from = to {
		source := w.spaces[from].source
		for to = from; to < len(w.spaces) && w.spaces[to].source == source; to++ {
		}
		l := w.lots(p, from, to)
		out.Held.join(l.all)
		switch need := w.need(source); {
		case need <= 0:
		case l.all.bytes <= need:
			out.Short = addSaturating(out.Short, need-l.all.bytes)
			l.clear()
		case !l.known:
			out.Unknown = unknown(p)
		default:
			l.evict(float64(need), w.o.Samples, p.by == byLot)
		}
		for c, rank := range l.ranks {
			for _, n := range l.crowds[c] {
				held[rank] += float64(n.keys)
				left[rank] += n.left
			}
		}
		for k := from; k < to; k++ {
			for _, row := range w.rows[k] {
				g := gone[row.name]
				crowdsOf(row.crowds, p, func(rank uint32, t tally) {
					part := l.crowds[l.at[rank]][k-from].gone()
					g.keys += part * float64(t.keys)
					g.bytes += part * float64(t.bytes)
				})
				gone[row.name] = g
			}
		}
	}
	if out.Unknown != "" {
		clear(gone)
	}
	out.Patterns = w.losses(gone)
	for _, l := range out.Patterns {
		out.Gone.join(l.Gone)
	}
	if out.Gone.keys > 0 {
		out.Takes = takes(p, out.Gone == out.Held, held, left, w.e.coarse)
	}
	return out
}

// losses lists what patterns lose. What is rounded off of one goes to the
// next, so that the whole numbers sum to the whole.
func (w *evictionWork) losses(gone map[string]parts) (list []Loss) {
	var sum parts
	var given tally
	for _, name := range w.names {
		all, g := w.all[name], gone[name]
		sum.keys += g.keys
		sum.bytes += g.bytes
		l := Loss{name, all, tally{
			max(0, min(all.keys, int64(sum.keys+0.5)-given.keys)),
			max(0, min(all.bytes, int64(sum.bytes+0.5)-given.bytes)),
		}}
		given.join(l.Gone)
		list = append(list, l)
	}
	return list
}

func unknown(p Policy) string {
	if p.by == byFreq {
		return "the dump holds no access counters: a server writes them only while its maxmemory-policy is an LFU one; CONFIG SET it some days before the dump"
	}
	return "the dump holds no idle times: a server writes them only while its maxmemory-policy is an LRU one; CONFIG SET it some days before the dump"
}

// takes says up to where more than half of the keys go.
func takes(p Policy, all bool, held, left map[uint32]float64, coarse uint) string {
	with, which := "", "any"
	if p.Volatile {
		with, which = "with a TTL, ", "any with a TTL"
	}
	if all {
		return strings.Replace(which, "any", "all", 1)
	}
	var ranks []uint32
	for rank, n := range held {
		if left[rank] < n/2 {
			ranks = append(ranks, rank)
		}
	}
	if p.by == byLot || len(ranks) == 0 { // or too many rank the same
		return which
	}
	lo, hi := slices.Min(ranks), slices.Max(ranks)
	switch p.by {
	case byIdle:
		verb := "idle for "
		if p.written {
			verb = "not written for "
		}
		return with + verb + duration(rankFrom(lo<<coarse)) + " or more"
	case byFreq:
		return fmt.Sprintf("%scounter of %d or less", with, hi)
	}
	return "expiring within " + duration((rankFrom((hi+1)<<coarse)+999)/1000)
}

// duration is a time to two figures or three, as users write it.
func duration(seconds int64) string {
	for _, u := range []struct {
		name string
		n    int64
	}{{"d", day}, {"h", hour}, {"m", minute}} {
		if seconds >= 10*u.n {
			return fmt.Sprintf("%d%s", seconds/u.n, u.name)
		} else if seconds >= 2*u.n {
			return fmt.Sprintf("%d.%d%s", seconds/u.n, seconds%u.n*10/u.n, u.name)
		}
	}
	return fmt.Sprintf("%ds", seconds)
}

// EvictionTable shows a plan as a table: a row for each policy, and one for
// each pattern under each policy that evicts anything.
func EvictionTable(p *EvictionPlan) Table {
	t := Table{Name: "eviction", Title: "Eviction at maxmemory", Notes: p.Notes, Columns: []Column{
		{"policy", Text, "maxmemory-policy"},
		{"in_force", Flag, "1: the policy that the server has, as far as it was told"},
		{"pattern", Name, "key pattern, empty for all keys, * for small patterns together"},
		{"keys", Count, "keys"},
		{"bytes", Bytes, "what evicting them all would free"},
		{"evicted_keys", Count, "expected to be evicted; empty if the dump does not tell what the policy goes by"},
		{"evicted_bytes", Bytes, "what that frees"},
		{"evicted_share", Share, "of the bytes"},
		{"short_bytes", Bytes, "of all keys: what cannot be freed, so that writes fail"},
		{"takes", Text, "of all keys: up to where more than half of them go, or why that cannot be told"},
	}}
	row := func(o *Outcome, pattern string, all, gone tally) []Cell {
		no := o.Unknown != ""
		cells := []Cell{{S: o.Policy.Name}, {}, {S: pattern}, {I: all.keys}, {I: all.bytes}, {I: gone.keys, Null: no}, {I: gone.bytes, Null: no}, share(gone.bytes, all.bytes), {Null: true}, {}}
		if o.InForce {
			cells[1].I = 1
		}
		cells[7].Null = no
		return cells
	}
	// The policies, then what each takes: the one in force first.
	var order []*Outcome
	for i := range p.Outcomes {
		o := &p.Outcomes[i]
		var all tally
		for _, l := range o.Patterns {
			all.join(l.All)
		}
		head := row(o, "", all, o.Gone)
		head[2].Null = true // not that of the empty key
		head[8] = Cell{I: o.Short, Null: o.Unknown != ""}
		head[9].S = o.Takes
		switch {
		case o.Unknown != "":
			head[9].S = o.Unknown
		case o.Short > 0 && o.Gone.keys == 0:
			head[9].S = "none; writes fail"
		case o.Short > 0:
			head[9].S += "; writes fail"
		}
		t.Rows = append(t.Rows, head)
		switch {
		case o.Gone.keys == 0:
		case o.InForce:
			order = slices.Insert(order, 0, o)
		default:
			order = append(order, o)
		}
	}
	for _, o := range order {
		rest := Loss{Pattern: "*"}
		for k, l := range o.Patterns {
			if k < p.named && l.Pattern != "*" {
				t.Rows = append(t.Rows, row(o, l.Pattern, l.All, l.Gone))
				continue
			}
			rest.All.join(l.All)
			rest.Gone.join(l.Gone)
		}
		if rest.All.keys > 0 {
			t.Rows = append(t.Rows, row(o, rest.Pattern, rest.All, rest.Gone))
		}
	}
	return t
}

// rowNames finds the row of the pattern table that shows a pattern: going down
// the tree, a segment has its own name there or has joined *.
type rowNames struct {
	p    *Patterner
	rows map[string]bool
}

func newRowNames(tables []Table, p *Patterner) *rowNames {
	n := &rowNames{p: p, rows: make(map[string]bool)}
	for i := range tables {
		if tables[i].Name == "patterns" {
			for _, r := range tables[i].Rows {
				if r[1].I > 0 { // the root is a * as well
					n.rows[r[colPattern].S] = true
				}
			}
		}
	}
	return n
}

// name is the row's pattern; * if there is none.
func (n *rowNames) name(marked []byte) string {
	var path, try []byte
	for i := 0; i < len(marked); {
		to := segmentEnd(marked, i)
		var sep []byte
		if to < len(marked) {
			sep = n.p.seps[marked[to]>>markShift-1].text
		}
		found := false
		for _, text := range [][]byte{marked[i+1 : to], star} {
			try = append(append(append(try[:0], path...), text...), sep...)
			if found = n.rows[string(escapeFormula(slices.Clone(try), 0))]; found {
				break
			}
		}
		if !found {
			return "*"
		}
		path = append(path[:0], try...)
		i = to
	}
	return string(escapeFormula(path, 0))
}

// PolicyNames lists the policies, for help texts.
func PolicyNames() []string {
	var names []string
	for _, p := range Policies() {
		names = append(names, p.Name)
	}
	return names
}
