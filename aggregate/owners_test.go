package aggregate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"rdbaudit/estimate"
)

// randomRules makes patterns of the user's own that match some of
// randomRecords' names, overlap, repeat, and are owned by few or nobody.
func randomRules(rng *rand.Rand, o *Options, records []*estimate.Record) *Options {
	out := *o
	out.Patterns, out.Owners = nil, nil
	owners := []string{"", "a", "b", "@team", "=1+1", "<script>", "x,\"y\"", "éq"}
	for range rng.IntN(30) {
		key := records[rng.IntN(len(records))].Key
		parts := strings.Split(string(AppendEscaped(nil, key[:min(len(key), 300)])), ":")
		for i := range parts {
			switch rng.IntN(5) {
			case 0:
				parts[i] = "*"
			case 1:
				parts[i] = "<n>"
			case 2:
				parts[i] = "{num}"
			}
		}
		text := strings.Join(parts[:1+rng.IntN(len(parts))], ":")
		if rng.IntN(3) == 0 {
			text += []string{"*", ":*", "<n>"}[rng.IntN(3)]
		}
		p := &Options{Separators: o.Separators, Patterns: []string{text}}
		if _, err := NewPatterner(p); err != nil {
			continue // such as two wildcards in one segment
		}
		out.Patterns = append(out.Patterns, text)
		out.Owners = append(out.Owners, owners[rng.IntN(len(owners))])
	}
	out.Patterns = append(out.Patterns, "{ip}", "{ip}:<n>")
	out.Owners = append(out.Owners, "net", "a")
	return &out
}

func withAddresses(rng *rand.Rand, records []*estimate.Record) []*estimate.Record {
	for _, r := range records {
		if rng.IntN(20) == 0 {
			r.Key = append([]byte([]string{"2001:db8::1", "10.0.0.1", "fe80::1:2", "2001:db8::1:"}[rng.IntN(4)]), []byte([]string{"", ":x", "7"}[rng.IntN(3)])...)
		}
	}
	return records
}

// TestFirstMatch holds the index of the user's patterns against trying one
// after the other.
func TestFirstMatch(t *testing.T) {
	rng := newRand(t)
	for range 40 {
		for _, o := range testOptions() {
			records := withAddresses(rng, randomRecords(rng, 200))
			o = randomRules(rng, o, records)
			p, err := NewPatterner(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				want := 0
				for i := range p.user {
					if want == 0 && p.user[i].match(p, r.Key) {
						want = i + 1
					}
				}
				if got := p.userMatch(r.Key); got != want {
					t.Fatalf("%q matches pattern %d of %q, the index says %d", r.Key, want, o.Patterns, got)
				}
			}
		}
	}
}

// TestOwners: what owners hold sums to the total and is what their keys hold,
// one by one; a row of the pattern table has the owner of all its keys, and
// an inner node that of all below.
func TestOwners(t *testing.T) {
	rng := newRand(t)
	for round := range 10 {
		for _, o := range testOptions() {
			records := withAddresses(rng, randomRecords(rng, 1500))
			for _, r := range records {
				if round%2 == 0 { // many of one size are the largest
					r.Alloc, r.Size = min(r.Alloc, 160), min(r.Size, 150)
				}
			}
			rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			o = randomRules(rng, o, records)
			s := newSet(t, o, records...)
			p, _ := NewPatterner(o)
			want := map[string]*owned{}
			byPattern := map[string]string{}
			for _, r := range records {
				pattern, owner := p.AppendOwned(nil, r.Key)
				if was, ok := byPattern[string(pattern)]; ok && was != owner {
					t.Fatalf("keys of pattern %s are owned by %q and by %q", pattern, was, owner)
				}
				byPattern[string(pattern)] = owner
				if want[owner] == nil {
					want[owner] = &owned{}
				}
				w := want[owner]
				if kept := appendKept(nil, r.Key); w.keys == 0 || o.Measure(r) > w.max || o.Measure(r) == w.max && string(kept) < string(w.top) {
					w.max, w.top = o.Measure(r), kept
				}
				w.keys++
				w.bytes += o.Measure(r)
				w.elems += r.Elems
				switch {
				case r.Expiry != estimate.NoExpiry && r.Expiry <= now:
					w.expiredKeys++
					w.expiredBytes += o.Measure(r)
				case r.Expiry == estimate.NoExpiry && r.FieldTTLs > 0 && r.FieldTTLs >= r.Elems:
					w.fieldTTLKeys++
				case r.Expiry == estimate.NoExpiry:
					w.noTTLKeys++
					w.noTTLBytes += o.Measure(r)
				}
			}
			tables := map[string]Table{}
			for _, table := range s.Tables() {
				tables[table.Name] = table
			}
			var keys, bytes, patterns int64
			for _, row := range tables["owners"].Rows {
				w := want[row[0].S]
				if w == nil {
					w = &owned{}
				}
				delete(want, row[0].S)
				got := owned{keys: row[2].I, bytes: row[3].I, elems: row[8].I, noTTLKeys: row[9].I, noTTLBytes: row[10].I, fieldTTLKeys: row[11].I, expiredKeys: row[12].I, expiredBytes: row[13].I,
					max: row[6].I, top: w.top}
				if largest := string(appendKeptText(nil, w.top)); fmt.Sprint(got) != fmt.Sprint(*w) || row[7].S != largest {
					t.Fatalf("owner %q: %+v, want %+v", row[0].S, got, *w)
				}
				keys, bytes, patterns = keys+row[2].I, bytes+row[3].I, patterns+row[1].I
			}
			if len(want) > 0 || keys != s.Totals().Keys || bytes != s.Totals().Bytes {
				t.Fatalf("%d keys and %d bytes, want %d and %d; missing %v", keys, bytes, s.Totals().Keys, s.Totals().Bytes, want)
			}
			if nobody := int64(len(o.Patterns)); patterns > nobody {
				t.Fatalf("%d patterns of %d", patterns, nobody)
			}
			checkTreeOwners(t, tables["patterns"], byPattern)
		}
	}
}

func checkTreeOwners(t *testing.T, table Table, byPattern map[string]string) {
	t.Helper()
	type node struct {
		row    []Cell
		owners map[string]bool
	}
	var path []node
	end := func(depth int64) {
		for len(path) > 0 && path[len(path)-1].row[1].I >= depth {
			n := path[len(path)-1]
			path = path[:len(path)-1]
			want := ""
			if len(n.owners) == 1 {
				for want = range n.owners {
				}
			}
			if got := n.row[colOwner].S; got != want {
				t.Fatalf("inner node %s is owned by %q, those below by %v", n.row[0].S, got, n.owners)
			}
		}
	}
	for _, row := range table.Rows {
		end(row[1].I)
		if row[2].I == 0 {
			path = append(path, node{row, map[string]bool{}})
			continue
		}
		owner, known := byPattern[row[0].S]
		if known && owner != row[colOwner].S { // else it came about by folding
			t.Fatalf("row %s is owned by %q, its keys by %q", row[0].S, row[colOwner].S, owner)
		}
		if !known {
			owner = ""
		}
		for _, n := range path {
			n.owners[owner] = true
		}
	}
	end(0)
}

// TestOwnersFolded: a full table folds patterns, never what owners hold, and
// gives no owner what may be another's.
func TestOwnersFolded(t *testing.T) {
	rng := newRand(t)
	records := randomRecords(rng, 30_000)
	for i, r := range records {
		r.Key = fmt.Appendf(nil, "%s:%s:%s", word(rng), word(rng), word(rng))
		if i%3 == 0 {
			r.Key = append([]byte("mine:"), r.Key...)
		}
	}
	// 1,900 patterns of the user's own are too many for the table: the last resort is a lone *.
	o := &Options{Now: now, Patterns: []string{"mine:<a>:*"}, Owners: []string{"me"}}
	for i := range 1900 {
		o.Patterns = append(o.Patterns, fmt.Sprintf("many%d-%s:<x>", i, strings.Repeat("y", 250)))
		o.Owners = append(o.Owners, "many")
		records = append(records, &estimate.Record{Key: fmt.Appendf(nil, "many%d-%s:1", i, strings.Repeat("y", 250)), Alloc: 64, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1})
	}
	for _, rest := range []string{"", "rest"} {
		if rest != "" {
			o.Patterns, o.Owners = append(o.Patterns, "*"), append(o.Owners, rest)
		}
		small := *o
		small.TableMemory = minTableMemory
		tables := func(o *Options) (owners string, patterns [][]Cell) {
			for _, table := range newSet(t, o, records...).Tables() {
				switch table.Name {
				case "owners":
					owners = fmt.Sprint(table)
				case "patterns":
					patterns = table.Rows
				}
			}
			return owners, patterns
		}
		whole, _ := tables(o)
		folded, patterns := tables(&small)
		if whole != folded {
			t.Errorf("folding changed what owners hold:\n%s\n%s", whole, folded)
		}
		p, _ := NewPatterner(o)
		holds, shown, star := map[string]int64{}, map[string]int64{}, int64(0)
		for _, r := range records {
			_, owner := p.AppendOwned(nil, r.Key)
			holds[owner]++
		}
		for _, row := range patterns {
			if row[2].I == 1 {
				shown[row[colOwner].S] += row[3].I
				if row[0].S == "*" {
					star += row[3].I
				}
			}
		}
		if star == 0 || shown["many"] == holds["many"] {
			t.Fatal("nothing was folded into a lone *: this tests nothing")
		}
		for owner, keys := range shown {
			if owner != "" && keys > holds[owner] {
				t.Errorf("the pattern table gives %q %d keys, it has %d", owner, keys, holds[owner])
			}
		}
	}
}

// TestFindingOwners: findings name the owner of their pattern, those about the
// whole dump none.
func TestFindingOwners(t *testing.T) {
	var records []*estimate.Record
	for i := range 1000 {
		for _, name := range []string{"user:%d", "job:%d", ""} {
			r := &estimate.Record{Key: []byte(name), Alloc: 200, Elems: 1, Expiry: estimate.NoExpiry, Idle: -1, Freq: -1, Slot: -1}
			if name != "" {
				r.Key = fmt.Appendf(nil, name, i)
			}
			records = append(records, r)
		}
	}
	o := &Options{Now: now, Patterns: []string{"user:<id>", "<x>"}, Owners: []string{"accounts", "odd"}}
	s := newSet(t, o, records...)
	found := s.Findings(s.Tables(), AuditOptions{Line: "redis-7.2"})
	got := map[string]string{}
	for _, f := range found {
		if f.Kind == "no-ttl" {
			got[f.Pattern] = f.Owner
		}
	}
	if want := map[string]string{"user:<id>": "accounts", "job:{num}": "", "": ""}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("owners of findings %q, want %q", got, want)
	}
}

// BenchmarkOwners adds keys with and without patterns of the user's own.
func BenchmarkOwners(b *testing.B) {
	records := benchRecords()
	rules := []string{"user:<id>:*", "sess:<id>", "cfg:*", "u:<id>"}
	for i := range 96 {
		rules = append(rules, fmt.Sprintf("%c%s:<id>:*", 'a'+i%26, strings.Repeat("v", 1+i/26)))
	}
	for _, n := range []int{0, 4, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := &Options{Now: now, Patterns: rules[len(rules)-max(0, n-4):]}
			o.Patterns = append(o.Patterns[:len(o.Patterns):len(o.Patterns)], rules[:min(n, 4)]...)
			for i := range o.Patterns {
				o.Owners = append(o.Owners, fmt.Sprint("owner", i%7))
			}
			s := newSet(b, o)
			some := make([]estimate.Record, len(records))
			for i := range some {
				some[i] = *records[i]
			}
			b.ReportAllocs()
			for b.Loop() {
				s.AddBatch(some)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(some)), "ns/key")
		})
	}
}
