package aggregate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"rdbaudit/estimate"
)

// Finding is something that an expert would say about a dump: where, what it
// is, what it costs and what to do.
type Finding struct {
	Kind     string // a name of FindingKinds
	Pattern  string // printed pattern, "" for the whole dump
	Keys     int64  // that it is about
	Bytes    int64  // what they cost now
	After    int64  // what they would cost then; Bytes if nothing is saved
	Sure     string // exact, expected, or estimated with how far it may be off
	Evidence string // counts and lengths, in words
	Example  string // a key, printed
	Advice   string // the setting, the command or the change of code
	Owner    string // of the pattern, empty if nobody is known
}

// Saves is how many bytes following the advice gives back.
func (f *Finding) Saves() int64 { return f.Bytes - f.After }

// FindingKind is a row of the list of kinds of findings.
type FindingKind struct {
	Name  string
	Title string
	Doc   string // what it means, in plain words, with sources
	find  func(*auditor)
}

// AuditOptions say what findings need to know beside the sums.
type AuditOptions struct {
	JSONEvery int64             // one of so many values was looked at for JSON; 0: none
	Sample    int64             // one of so many keys was looked at closely, of large databases fewer: see Audit.Thins
	Model     estimate.Config   // of the first dump: limits in force, and how large dictionaries are
	Line      string            // server line, for the names of settings
	Eviction  *EvictionPlan     // nil: maxmemory is not known
	Config    map[string]string // options as redis.conf has them, as far as they are known
	Sources   []string          // names of the dumps, by Record.Source
	Outside   []string          // module types that left data outside of keys
	// UsedMemory is what the server says it uses, Estimate what its keys,
	// tables and start-up take; 0 where they cannot be held against each other.
	UsedMemory, Estimate int64

	MinShare float64 // least share of all bytes that a saving must have; default 0.5 %
}

// auditor collects the findings of one set.
type auditor struct {
	o       AuditOptions
	set     *Set
	rows    [][]Cell             // of the pattern table
	types   [][]Cell             // of the table of types
	keys    map[string]int64     // of the pattern table's leaves
	sampled map[string]*namesRow // what is known of the sample
	min     int64                // least saving
	found   []Finding
}

// Findings says what there is to say about what a set has counted. tables are
// the ones that it has rendered. The largest saving comes first.
func (s *Set) Findings(tables []Table, o AuditOptions) []Finding {
	if o.MinShare <= 0 {
		o.MinShare = 0.005
	}
	a := &auditor{o: o, set: s, min: max(int64(float64(s.totals.Bytes)*o.MinShare), 1)}
	for i := range tables {
		switch tables[i].Name {
		case "patterns":
			a.rows = tables[i].Rows
		case "types":
			a.types = tables[i].Rows
		}
	}
	a.sampled = make(map[string]*namesRow)
	s.sample.each(func(pattern string, r *namesRow) { a.sampled[pattern] = r })
	a.keys = make(map[string]int64, len(a.rows))
	for _, r := range a.rows {
		if r[colLeaf].I != 0 {
			a.keys[r[colPattern].S] = r[colKeys].I
		}
	}
	for _, k := range FindingKinds() {
		n := len(a.found)
		k.find(a)
		for i := range a.found[n:] {
			a.found[n+i].Kind = k.Name
		}
	}
	a.setOwners()
	slices.SortStableFunc(a.found, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(y.Saves(), x.Saves()), cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Pattern, y.Pattern))
	})
	return a.found
}

// FindingsTable shows findings as a table.
func FindingsTable(list []Finding) Table {
	t := Table{Name: "findings", Title: "Findings", Columns: []Column{
		{"finding", Text, "kind; rdbaudit explain KIND tells more"},
		{"pattern", Name, "key pattern, empty for the whole dump"},
		{"keys", Count, "keys that it is about"},
		{"bytes", Bytes, "what they cost now"},
		{"bytes_after", Bytes, "what they would cost then"},
		{"saves", Bytes, "the difference"},
		{"sure", Text, "how sure the saving is"},
		{"evidence", Text, "counts and lengths"},
		{"example", Name, "a key"},
		{"advice", Text, "what to do"},
		{"owner", Text, "who owns the pattern, as told by the rules"},
	}}
	for i := range list {
		f := &list[i]
		t.Rows = append(t.Rows, []Cell{
			{S: f.Kind}, {S: f.Pattern}, {I: f.Keys}, {I: f.Bytes}, {I: f.After}, {I: f.Saves()},
			{S: f.Sure}, {S: f.Evidence}, {S: f.Example}, {S: f.Advice}, {S: f.Owner},
		})
	}
	return t
}

// FindingKinds lists the kinds, in the order in which an audit looks for them.
func FindingKinds() []FindingKind {
	return []FindingKind{
		{"compact-encoding-lost", "Collections that a larger limit would pack", docLost, findLost},
		{"restart-packs", "Tables that a restart would pack", docRestart, findRestart},
		{"json-strings", "JSON strings that could be hashes", docJSON, findJSON},
		{"json-fields", "JSON in fields of hashes", docJSONFields, findJSONFields},
		{"compressible-values", "Values that compress well", docCompress, findCompress},
		{"numbers-as-text", "Numbers kept as text", docNumbers, findNumbers},
		{"long-field-names", "Long names of fields in many hashes", docFieldNames, findFieldNames},
		{"long-key-names", "Long beginnings of key names", docKeyNames, findKeyNames},
		{"tiny-strings", "Tiny strings that hashes could hold", docTiny, findTiny},
		{"ttl-forgotten", "A few keys without TTL among many that expire", docForgotten, findForgotten},
		{"no-ttl", "Patterns without any TTL", docNoTTL, findNoTTL},
		{"expired-held", "Expired keys that still take memory", docExpired, findExpired},
		{"ttl-decades", "TTLs of decades", docDecades, findDecades},
		{"ttl-far", "TTLs of years", docFar, findFar},
		{"expiry-storm", "Many keys that expire in the same moment", docStorm, findStorm},
		{"blocking-keys", "Keys that stop the server while they are freed", docBlocks, findBlocks},
		{"intset-near-limit", "Sets of integers about to become tables", docIntset, findIntset},
		{"stream-untrimmed", "Streams that only grow", docGrows, findGrows},
		{"stream-room", "Room that short streams keep in their last node", docRoom, findRoom},
		{"stream-pending", "Entries that are never acknowledged", docPending, findPending},
		{"stream-consumers-gone", "Consumers that are gone and hold entries", docGone, findGone},
		{"hot-slot", "A cluster slot that holds far too much", docHotSlot, findHotSlot},
		{"hash-tag-piles-up", "A hash tag that puts too much on one node", docHotTag, findHotTag},
		{"nodes-unbalanced", "Cluster nodes of uneven size", docNodes, findNodes},
		{"unexplained-memory", "Memory that the dump does not explain", docUnexplained, findUnexplained},
		{"eviction-cannot-free", "A maxmemory-policy that cannot free enough", docCannotFree, findCannotFree},
		{"eviction-takes", "Patterns that eviction takes", docTakes, findTakes},
		{"opaque", "Data that no formula covers", docOpaque, findOpaque},
	}
}

func example(b []byte) string { return string(AppendEscaped(nil, b)) }

// settingFamily is the name of a type's limits in redis.conf of the line.
func (a *auditor) setting(t estimate.Type, what string) string {
	family := "listpack"
	if a.o.Line == "redis-6.2" {
		family = "ziplist"
	}
	return t.String() + "-max-" + family + "-" + what
}

func plural(t estimate.Type) string {
	switch t {
	case estimate.Hash:
		return "hashes"
	case estimate.ZSet:
		return "sorted sets"
	}
	return t.String() + "s"
}

// eachAudited calls f with each row of the audit, and has what f finds say so
// if the row may lack keys.
func (a *auditor) eachAudited(f func(pattern string, r *auditRow)) {
	a.set.audit.each(func(pattern string, r *auditRow) {
		n := len(a.found)
		f(pattern, r)
		if !r.late {
			return
		}
		for i := range a.found[n:] {
			at := &a.found[n+i]
			at.Sure = "at least, as others of its keys may be under *; of those here: " + at.Sure
		}
	})
}

// eachMark does so with what is marked so.
func (a *auditor) eachMark(m mark, f func(pattern string, s *marked)) {
	a.eachAudited(func(pattern string, r *auditRow) {
		if r.marks != nil && r.marks[m].keys > 0 {
			f(pattern, &r.marks[m])
		}
	})
}

func findLost(a *auditor) {
	a.eachAudited(func(pattern string, r *auditRow) {
		for i := range r.lost {
			s := &r.lost[i]
			t := estimate.Type(i)
			if s.before-s.after < a.min || s.keys == 0 {
				continue
			}
			var over, advice []string
			if s.overIntset > 0 {
				over = append(over, fmt.Sprintf("%d are integers and too many (up to %d)", s.overIntset, s.maxInts))
				advice = append(advice, fmt.Sprintf("set-max-intset-entries %d", s.maxInts))
			}
			if s.overEntries > 0 {
				over = append(over, fmt.Sprintf("%d have too many elements (up to %d)", s.overEntries, s.maxEntries))
				advice = append(advice, fmt.Sprintf("%s %d", a.setting(t, "entries"), s.maxEntries))
			}
			if s.overValue > 0 {
				over = append(over, fmt.Sprintf("%d have too long an element (up to %d bytes)", s.overValue, s.maxLen))
				advice = append(advice, fmt.Sprintf("%s %d", a.setting(t, "value"), s.maxLen))
			}
			caveat := "; packed collections are searched from their start, so raise it in steps and watch latency"
			if s.overEntries+s.overValue == 0 {
				caveat = "; an intset is searched by halving, but each insertion moves what lies behind it, so raise it in steps"
			}
			if s.overValue > 0 {
				caveat += ", or move the long field out"
			}
			a.found = append(a.found, Finding{
				Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "exact after a restart with these limits, but for what is chance in the tables",
				Evidence: fmt.Sprintf("%s, of which %s", plural(t), strings.Join(over, " and ")), Example: example(s.example),
				Advice: "in redis.conf: " + strings.Join(advice, "; ") + caveat,
			})
		}
	})
}

func findRestart(a *auditor) {
	var keys, before, after int64
	var best *switched
	a.set.audit.each(func(pattern string, r *auditRow) {
		for i := range r.past {
			s := &r.past[i]
			keys, before, after = keys+s.keys, before+s.before, after+s.after
			if s.keys > 0 && (best == nil || s.gain > best.gain) {
				best = s
			}
		}
	})
	if before-after < a.min || best == nil {
		return
	}
	a.found = append(a.found, Finding{
		Keys: keys, Bytes: before, After: after, Sure: "a lower bound: the dump does not say how large the tables still are",
		Evidence: "tables that fit the limits, because they were larger once", Example: example(best.example),
		Advice: "restart, or fail over to a replica that has been restarted: loading packs them",
	})
}

func findJSON(a *auditor) {
	if a.o.JSONEvery <= 0 {
		return
	}
	a.eachAudited(func(pattern string, r *auditRow) {
		s := &r.json
		if s.keys == 0 || 2*s.keys < r.looked {
			return
		}
		of := a.jsonSampling(pattern, r, r.looks, r.looked)
		saves := s.saves
		// The limits that would pack all of them, if that is what it takes.
		limits := ""
		if of.all(saves.sum) < a.min && r.allow[0] > 0 {
			saves = r.packed
			l := &a.o.Model.Limits
			if n := r.allow[0]; n > l.HashEntries {
				limits += fmt.Sprintf(" %s %d", a.setting(estimate.Hash, "entries"), n)
			}
			if n := r.allow[1]; n > l.HashValue {
				limits += fmt.Sprintf(" %s %d", a.setting(estimate.Hash, "value"), n)
			}
		}
		if of.all(saves.sum) < a.min || of.few() || of.off(&saves) >= 1 {
			return
		}
		sure := "exact for a server that is given the hashes"
		if !of.exact() {
			sure = of.sure(&saves) + "; --json-values full looks at all"
		}
		evidence := fmt.Sprintf("%s of %d values looked at are JSON objects of up to %d fields", r.looks.count(s.keys, r.looked, 0), r.looks.seen, s.maxEntries)
		advice := "store them as hashes: HSET key field value ... instead of SET key json; nested values stay JSON text in their field. Single fields can then be read and written alone"
		if r.loose > 0 {
			evidence += fmt.Sprintf("; %s of them exceed the limits of packed hashes and would be tables, which rarely save anything", r.looks.count(r.loose, r.looked, 0))
		}
		if limits != "" {
			advice += "; only worth it with" + limits + " in redis.conf, or with the long fields left as strings of their own"
		}
		bytes := of.all(s.before)
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: of.all(s.keys), Bytes: bytes, After: bytes - of.all(saves.sum), Sure: sure, Evidence: evidence, Example: example(s.example), Advice: advice,
		})
	})
}

func findJSONFields(a *auditor) {
	if a.o.JSONEvery <= 0 {
		return
	}
	a.eachAudited(func(pattern string, r *auditRow) {
		// Large hashes were all looked at, in part; of others a sample, whole.
		whole := r.inner
		if whole == nil {
			whole = &inner{}
		}
		large := r.large
		if large == nil {
			large = &inner{}
		}
		if keys := whole.keys + large.keys; keys == 0 || 2*keys < whole.looked+large.looked {
			return
		}
		of := a.jsonSampling(pattern, r, whole.looks, whole.looked)
		if whole.looked == 0 {
			of = sampling{}
		}
		objects, apart := of.all(whole.objects)+large.objects, of.all(whole.apart)+large.apart
		saves := of.all(whole.saves.sum) + large.saves.sum
		off := of.off(&whole.saves) * float64(of.all(whole.saves.sum))
		if apart > 0 { // as many keys more
			at := large
			if whole.apart > 0 {
				at = whole
			}
			saves -= a.tables(at.db, at.source, at.spreads, apart)
		}
		if saves < a.min {
			return
		}
		sure := "exact by the memory model"
		off = math.Sqrt(off*off + 1.96*1.96*float64(large.alloc))
		if off >= float64(saves) || large.keys == 0 && of.few() {
			return // may as well be none
		}
		if off /= float64(saves); off > 0 || !of.exact() {
			sure = fmt.Sprintf("estimated from some keys, of large hashes from their first fields: give or take %s, 19 times of 20", tenths(off))
		}
		advice := "write their fields as fields of the same hash: HSET key field.name value ... instead of HSET key field json"
		if 2*apart > objects {
			advice = "make each of them a hash of its own: HSET key:field name value ... instead of HSET key field json"
		}
		bytes, best := of.all(whole.before)+large.before, &whole.switched
		if large.keys > 0 && (best.keys == 0 || large.gain > best.gain) {
			best = &large.switched
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: of.all(whole.keys) + large.keys, Bytes: bytes, After: bytes - saves, Sure: sure,
			Evidence: fmt.Sprintf("%s of %d hashes looked at hold JSON objects in their fields, about %d in all",
				whole.looks.count(whole.keys, whole.looked, large.keys), whole.looks.seen+large.looked, objects), Example: example(best.example),
			Advice: advice + "; HGETALL then no longer gives the object as one text",
		})
	})
}

func findCompress(a *auditor) {
	a.eachAudited(func(pattern string, r *auditRow) {
		s := &r.squeeze
		if s.keys == 0 || 10*s.after > 7*s.before || s.before-s.after < a.min {
			return
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "as the server's own LZF compressed the values in the dump; zstd or snappy do better",
			Evidence: fmt.Sprintf("LZF makes %d %% of the values' bytes", 100*s.after/max(s.before, 1)), Example: example(s.example),
			Advice: "compress values in the client before SET; the server cannot do it in memory",
		})
	})
}

// The columns of the pattern table that rules look at.
const (
	colPattern = 0
	colLeaf    = 2
	colKeys    = 3
	colBytes   = 4
	colMaxKey  = 10
	colNoTTL   = 12
	colNoTTLB  = 13
	colTTLP50  = 17
	colTypes   = 19
	colOwner   = 21
)

func findForgotten(a *auditor) {
	for _, r := range a.rows {
		keys, no, bytes := r[colKeys].I, r[colNoTTL].I, r[colNoTTLB].I
		if r[colLeaf].I == 0 || no == 0 || keys < 100 || 5*no > 2*keys || bytes < a.min/5 {
			continue
		}
		a.found = append(a.found, Finding{
			Pattern: r[colPattern].S, Keys: no, Bytes: bytes, After: 0, Sure: "if they are meant to expire like the others",
			Evidence: fmt.Sprintf("%d of %d keys expire, %d do not", keys-no, keys, no), Example: r[colMaxKey].S,
			Advice: "find the code path that writes them without EXPIRE (SET without EX, or a later SET, SETEX or GETSET that drops the TTL), and give the rest a TTL: rdbaudit keys --no-ttl --in '" + r[colPattern].S + "' --format list",
		})
	}
}

func findNoTTL(a *auditor) {
	total := a.set.totals.Bytes
	for _, r := range a.rows {
		keys, no, bytes := r[colKeys].I, r[colNoTTL].I, r[colNoTTLB].I
		if r[colLeaf].I == 0 || keys < 2 || 10*no < 9*keys || bytes*10 < total {
			continue
		}
		a.found = append(a.found, Finding{
			Pattern: r[colPattern].S, Keys: no, Bytes: bytes, After: bytes, Sure: "exact",
			Evidence: fmt.Sprintf("%d %% of all bytes, none of which comes back by itself", 100*bytes/max(total, 1)), Example: r[colMaxKey].S,
			Advice: "if it is a cache, give it a TTL; if it is data, make sure that it is bounded, and that the eviction policy spares it (volatile-*)",
		})
	}
}

func findExpired(a *auditor) {
	t := a.set.totals
	if t.ExpiredBytes < a.min {
		return
	}
	a.found = append(a.found, Finding{
		Keys: t.ExpiredKeys, Bytes: t.ExpiredBytes, After: 0, Sure: "exact at the dump's moment",
		Evidence: fmt.Sprintf("%d keys are past their TTL and not deleted yet", t.ExpiredKeys),
		Advice:   "raise active-expire-effort (1 to 10) or hz if this does not shrink between dumps",
	})
}
