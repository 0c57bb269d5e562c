package output

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
)

// What several formats show is worked out here once: the terminal, the page and
// Markdown print the same figures and the same sentences.

// Table finds a table by name; nil if the report has none of that name.
func (r *Report) Table(name string) *aggregate.Table {
	for i := range r.Tables {
		if r.Tables[i].Name == name {
			return &r.Tables[i]
		}
	}
	return nil
}

// remainder is what the server said that it used beyond the estimate. It is
// unknown if the dump does not say, or if a filter left keys out.
func (r *Report) remainder() (n int64, known bool) {
	if r.Filtered != "" || r.Memory.DumpUsedMem < 0 {
		return 0, false
	}
	return r.Memory.DumpUsedMem - r.Memory.Estimate, true
}

// memoryPart is one line of the reconciliation.
type memoryPart struct {
	Name  string
	Bytes int64
	Share float64 // of the larger of the estimate and the server's own figure
	Doc   string
}

// memoryParts lists what adds up to the server's figure, or to the estimate.
func (r *Report) memoryParts() []memoryPart {
	m := &r.Memory
	if r.Filtered != "" {
		return nil
	}
	parts := []memoryPart{
		{Name: "keys", Bytes: m.Keys, Doc: "names and values"},
		{Name: "tables", Bytes: m.Tables, Doc: "dictionaries of keys and TTLs"},
		{Name: "start-up", Bytes: m.Startup, Doc: "an empty server"},
	}
	whole := m.Estimate
	if rest, known := r.remainder(); known && rest > 0 {
		whole = m.DumpUsedMem
		doc := "buffers, slack: not in a dump"
		if r.damaged() {
			doc = "keys that were not read, buffers, slack"
		}
		parts = append(parts, memoryPart{Name: "remainder", Bytes: rest, Doc: doc})
	}
	for i := range parts {
		parts[i].Share = ratio(parts[i].Bytes, whole)
	}
	return parts
}

// memoryNotes says how sure the sum of the keys is, in sentences.
func (r *Report) memoryNotes() []string {
	m := &r.Memory
	var notes []string
	if rest, known := r.remainder(); known && rest < 0 {
		notes = append(notes, "The estimate is "+Bytes(-rest)+" above what the server said that it used.")
	}
	if r.Filtered == "" && m.DumpUsedMem < 0 {
		notes = append(notes, "The dump does not say how much memory the server used.")
	}
	if m.ExpectedPart > 0 {
		s := Share(m.ExpectedPart) + " of the keys' bytes is an expected value: the server draws lots there"
		if m.ExpectedSD > 0 {
			s += " (standard deviation " + Bytes(m.ExpectedSD) + ")"
		}
		notes = append(notes, s+".")
	}
	if m.Opaque > 0 {
		notes = append(notes, Bytes(m.Opaque)+" is serialised bytes of module values, for which no formula exists.")
	}
	return notes
}

// modelLine names the server that the sizes are for.
func (r *Report) modelLine() string {
	m := &r.Model
	if m.Line == "" {
		return ""
	}
	s := m.Line
	for _, part := range []string{m.View, m.Allocator} {
		if part != "" {
			s += ", " + part
		}
	}
	if m.Cluster {
		s += ", cluster"
	}
	if !m.Verified {
		s += ", unverified"
	}
	return prose(s)
}

// measureName says which size the sums add up.
func (r *Report) measureName() string {
	if r.Measure == "usage" {
		return "by MEMORY USAGE"
	}
	return "allocated"
}

// span is a piece of a sentence.
type span struct {
	Text string
	Role role
}

type role uint8

const (
	plain  role = iota
	figure      // a number that matters
	name        // a key or a pattern
)

// lead sums the report up in sentences.
func (r *Report) lead() [][]span {
	t := &r.Totals
	if t.Keys == 0 {
		if r.Filtered != "" {
			return [][]span{{{"No key passed the filter.", plain}}}
		}
		return [][]span{{{"There are no keys.", plain}}}
	}
	var out [][]span
	if v := r.view("patterns"); v != nil {
		if top := mainPattern(v); top >= 0 {
			out = append(out, r.patternSentence(v, top))
		}
	}
	if v := r.view("largest"); v != nil && len(v.Rows) > 0 && v.has("key") {
		out = append(out, []span{{"The largest key, ", plain}, {v.text(0, "key"), name}, {", takes ", plain}, {Bytes(v.int(0, "bytes")), figure}, {".", plain}})
	}
	out = append(out, []span{{"Keys without a TTL hold ", plain}, {Share(ratio(t.NoTTLBytes, t.Bytes)), figure}, {" of the bytes.", plain}})
	if t.ExpiredKeys > 0 {
		verb := " have expired and still hold "
		if t.ExpiredKeys == 1 {
			verb = " has expired and still holds "
		}
		out = append(out, []span{{plural(t.ExpiredKeys, "key"), figure}, {verb, plain}, {Bytes(t.ExpiredBytes), figure}, {".", plain}})
	}
	return out
}

// patternSentence says of one row what it holds: "62 % of 18.4 GiB is
// session:{uuid}, 4,123,456 strings, 31 % of them without a TTL, 2.71 KiB on average."
func (r *Report) patternSentence(v *tableView, row int) []span {
	const spread = 0.1
	part := ratio(v.int(row, "bytes"), r.Totals.Bytes)
	verb, begin, end := " is ", ", ", "."
	switch {
	case v.int(row, "leaf") == 0:
		// The pattern ends in its separator, after which a comma would look like a part of it.
		verb, begin, end = " is below ", " (", ")."
	case v.cell(row, "pattern").S == "*":
		verb = " is small patterns together, "
	}
	s := []span{{Share(part), figure}, {" of ", plain}, {Bytes(r.Totals.Bytes), figure}, {verb, plain}}
	if part < spread {
		s = append([]span{{"The memory is spread over many patterns. The largest part: ", plain}}, s...)
	}
	keys, noTTL := v.int(row, "keys"), v.int(row, "no_ttl_keys")
	s = append(s, span{v.text(row, "pattern"), name})
	if keys == 1 {
		noun := typeNoun(v.str(row, "types"), false)
		ttl := " with a TTL"
		if noTTL == 1 {
			ttl = " without a TTL"
		}
		return append(s, span{begin + "a single " + noun + ttl + end, plain})
	}
	ttl := Share(ratio(noTTL, keys)) + " of them without a TTL"
	switch noTTL {
	case 0:
		ttl = "all of them with a TTL"
	case keys:
		ttl = "none of them with a TTL"
	}
	what := typesText(v.str(row, "types"), keys)
	if v.str(row, "types") == "string" && r.isJSON(v.str(row, "pattern")) {
		what += " of JSON"
	}
	return append(s, span{begin + what + ", " + ttl + ", " + Bytes(v.int(row, "avg_bytes")) + " on average" + end, plain})
}

// isJSON says whether most of a pattern's strings that were looked at are JSON
// objects.
func (r *Report) isJSON(pattern string) bool {
	v := r.view("audit")
	if v == nil || !v.has("looked") { // not of a report of an earlier version
		return false
	}
	for row := range v.Rows {
		if v.str(row, "pattern") == pattern && v.str(row, "kind") == "json" && v.str(row, "type") == "string" {
			return 2*v.int(row, "keys") > v.int(row, "looked")
		}
	}
	return false
}

// typesText counts keys by what they are: "12 strings", "12 hashes and strings",
// "12 keys, mostly hashes". It reads what the types column of the patterns says:
// a type, or "hash 80.0%,string 20.0%".
func typesText(types string, keys int64) string {
	const mostly = 80
	parts := strings.Split(types, ",")
	if len(parts) == 1 {
		return Count(keys) + " " + typeNoun(types, true)
	}
	var nouns []string
	first := 0.0
	for i, part := range parts {
		at := strings.LastIndexByte(part, ' ')
		share, err := strconv.ParseFloat(strings.TrimSuffix(part[at+1:], "%"), 64)
		if at < 0 || err != nil {
			return Count(keys) + " keys"
		}
		nouns = append(nouns, typeNoun(part[:at], true))
		if i == 0 {
			first = share
		}
	}
	switch {
	case first >= mostly:
		return Count(keys) + " keys, mostly " + nouns[0]
	case len(nouns) == 2:
		return Count(keys) + " " + nouns[0] + " and " + nouns[1]
	}
	return Count(keys) + " keys of " + Count(int64(len(nouns))) + " types"
}

// typeNoun names keys of one type; "key" for all but the server's own types.
func typeNoun(typ string, many bool) string {
	switch typ {
	case "string", "list", "set", "stream":
	case "zset":
		typ = "sorted set"
	case "hash":
		if many {
			return "hashes"
		}
	default:
		if strings.HasPrefix(typ, "module:") {
			typ = "module value"
		} else {
			typ = "key"
		}
	}
	if many {
		typ += "s"
	}
	return typ
}

// mainPattern is the row that says where most of the memory is: the largest
// under the root, or the one within it that holds most of it, and so on down.
// -1 if there are no rows.
func mainPattern(v *tableView) int {
	const most = 0.6
	nodes := patternTree(v)
	if len(nodes) == 0 {
		return -1
	}
	at := 0 // siblings come by bytes
	for len(nodes[at].children) > 0 {
		child := nodes[at].children[0]
		if float64(v.int(nodes[child].row, "bytes")) < most*float64(v.int(nodes[at].row, "bytes")) {
			break
		}
		at = child
	}
	return nodes[at].row
}

// serverName writes "redis 7.2.6" as its makers do.
func serverName(s string) string {
	s = prose(s)
	if s == "" {
		return "unknown server"
	}
	if rest, ok := strings.CutPrefix(s, "redis"); ok {
		return "Redis" + rest
	}
	if rest, ok := strings.CutPrefix(s, "valkey"); ok {
		return "Valkey" + rest
	}
	return s
}

// checksumText says what the stored checksum told.
func (s *Source) checksumText() string {
	switch s.Checksum {
	case "none":
		return "no checksum stored"
	case "":
		return "checksum not read"
	}
	return "checksum " + prose(s.Checksum)
}

// sizeText says how much of the dump was read.
func (s *Source) sizeText() string {
	if s.Size > s.Bytes {
		return Bytes(s.Bytes) + " of " + Bytes(s.Size) + " read (" + Share(ratio(s.Bytes, s.Size)) + ")"
	}
	return Bytes(s.Bytes)
}

func (s *Source) createdText() string {
	if s.Created == 0 {
		return "time of saving unknown"
	}
	return "saved " + Time(s.Created)
}

// errorText says why and where reading ended; empty if it went well.
func (s *Source) errorText() string {
	if s.Error == "" {
		return ""
	}
	return "stopped at byte " + Count(s.Offset) + ": " + prose(s.Error)
}

// cellText is a cell in words, for people.
func cellText(kind aggregate.Kind, c *aggregate.Cell) string {
	if c.Null {
		return ""
	}
	switch kind {
	case aggregate.Count:
		return Count(c.I)
	case aggregate.Bytes:
		return Bytes(c.I)
	case aggregate.Share:
		return Share(c.F)
	case aggregate.Time:
		return Time(c.I)
	case aggregate.Seconds:
		return Duration(c.I)
	case aggregate.Flag:
		if c.I != 0 {
			return "yes"
		}
		return "no"
	case aggregate.Name:
		return nameText(c.S)
	}
	return clean(c.S)
}

// nameText is a key or pattern for people: in quotes if it is empty or its
// spaces would not be seen.
func nameText(s string) string {
	s = clean(s)
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return `"` + s + `"`
	}
	return s
}

// saysSomething is false for a column that is empty or zero in every row.
func saysSomething(v *tableView, column string) bool {
	for i := range v.Rows {
		if c := v.cell(i, column); !c.Null && (c.S != "" || c.I != 0 || c.F != 0) {
			return true
		}
	}
	return false
}

func isText(k aggregate.Kind) bool {
	return k == aggregate.Text || k == aggregate.Name || k == aggregate.Time || k == aggregate.Flag
}

// tableView reads a table by the names of its columns. A column that is not
// there reads as null.
type tableView struct {
	*aggregate.Table
	at map[string]int
}

func (r *Report) view(table string) *tableView {
	if t := r.Table(table); t != nil {
		return viewOf(t)
	}
	return nil
}

func viewOf(t *aggregate.Table) *tableView {
	v := &tableView{t, make(map[string]int, len(t.Columns))}
	for i, c := range t.Columns {
		v.at[c.Name] = i
	}
	return v
}

func (v *tableView) has(column string) bool { _, ok := v.at[column]; return ok }

var nullCell = aggregate.Cell{Null: true}

func (v *tableView) cell(row int, column string) *aggregate.Cell {
	if i, ok := v.at[column]; ok {
		return &v.Rows[row][i]
	}
	return &nullCell
}

func (v *tableView) int(row int, column string) int64 { return v.cell(row, column).I }

// ints is a whole column, for loops that would look its name up for every row.
func (v *tableView) ints(column string) []int64 {
	out := make([]int64, len(v.Rows))
	if at, ok := v.at[column]; ok {
		for i, row := range v.Rows {
			out[i] = row[at].I
		}
	}
	return out
}

func (v *tableView) share(row int, column string) float64 { return v.cell(row, column).F }
func (v *tableView) str(row int, column string) string    { return clean(v.cell(row, column).S) }

func (v *tableView) text(row int, column string) string {
	i, ok := v.at[column]
	if !ok {
		return ""
	}
	return columnText(&v.Columns[i], &v.Rows[row][i])
}

// heads are the column heads that people read; others are their names with spaces.
var heads = map[string]string{
	"avg_bytes": "average", "p50_bytes": "median", "p99_bytes": "p99", "max_bytes": "largest", "max_key": "largest key",
	"no_ttl_keys": "no-TTL keys", "no_ttl_bytes": "no-TTL bytes", "field_ttl_keys": "field TTLs", "expired_keys": "expired",
	"expired_bytes": "expired bytes", "ttl_p50_seconds": "median TTL", "idle_p50_seconds": "median idle",
	"size_in_bytes": "usage", "allocated_bytes": "allocated", "serialized_bytes": "in dump", "num_elements": "elements",
	"len_largest_element": "longest", "idle_seconds": "idle", "lfu_frequency": "LFU", "field_ttls": "field TTLs",
}

func headText(column string) string {
	if h, ok := heads[column]; ok {
		return h
	}
	return clean(strings.ReplaceAll(column, "_", " "))
}

// patternNode is a row of the pattern table in its place in the tree.
type patternNode struct {
	row      int
	parent   int // index of a node, -1 at the top
	level    int
	children []int
}

// patternTree puts the rows of the pattern table in tree order: parents before
// children, siblings by bytes. The root, which holds everything, is left out. A parent is the nearest row above that is one
// segment shorter, as the table has its rows, or, if its order is another one,
// the inner row with the longest text that the pattern begins with.
func patternTree(v *tableView) []patternNode {
	parents := parentsByOrder(v)
	if parents == nil {
		parents = parentsByText(v)
	}
	children := make([][]int, len(v.Rows))
	var roots []int
	depth, leaf, bytes := v.ints("depth"), v.ints("leaf"), v.ints("bytes")
	isRoot := func(i int) bool { return depth[i] == 0 && leaf[i] == 0 }
	for i, p := range parents {
		if isRoot(i) {
			continue
		}
		if p < 0 || isRoot(p) {
			roots = append(roots, i)
		} else {
			children[p] = append(children[p], i)
		}
	}
	byBytes := func(a, b int) int { return cmp.Compare(bytes[b], bytes[a]) }
	nodes := make([]patternNode, 0, len(v.Rows))
	type frame struct{ row, parent, level int }
	stack := make([]frame, 0, 64)
	push := func(rows []int, parent, level int) {
		slices.SortStableFunc(rows, byBytes)
		for _, row := range slices.Backward(rows) {
			stack = append(stack, frame{row, parent, level})
		}
	}
	push(roots, -1, 0)
	for len(stack) > 0 {
		f := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := len(nodes)
		nodes = append(nodes, patternNode{row: f.row, parent: f.parent, level: f.level})
		if f.parent >= 0 {
			nodes[f.parent].children = append(nodes[f.parent].children, n)
		}
		push(children[f.row], n, f.level+1)
	}
	return nodes
}

// compactTree leaves out the nodes whose only child holds the same keys: the child
// says it all.
func compactTree(v *tableView, nodes []patternNode) []patternNode {
	keys, bytes := v.ints("keys"), v.ints("bytes")
	same := func(a, b int) bool {
		a, b = nodes[a].row, nodes[b].row
		return keys[a] == keys[b] && bytes[a] == bytes[b]
	}
	out := make([]patternNode, 0, len(nodes))
	place := make([]int, len(nodes)) // of a node, or of the node above it that stays
	for i, n := range nodes {
		above := -1
		if n.parent >= 0 {
			above = place[n.parent]
		}
		if len(n.children) == 1 && same(i, n.children[0]) {
			place[i] = above
			continue
		}
		place[i] = len(out)
		level := 0
		if above >= 0 {
			level = out[above].level + 1
			out[above].children = append(out[above].children, len(out))
		}
		out = append(out, patternNode{row: n.row, parent: above, level: level})
	}
	return out
}

func isChildOf(v *tableView, child, parent int) bool {
	return v.int(parent, "leaf") == 0 && strings.HasPrefix(v.cell(child, "pattern").S, patternStem(v.cell(parent, "pattern").S))
}

// patternStem is what all patterns under p begin with.
func patternStem(p string) string { return strings.TrimSuffix(p, "*") }

// parentsByOrder reads the table as a walk of the tree; nil if it is none.
func parentsByOrder(v *tableView) []int {
	parents := make([]int, len(v.Rows))
	var path []int // rows from the top down to the row before
	depth := v.ints("depth")
	for i := range v.Rows {
		for len(path) > 0 && depth[path[len(path)-1]] >= depth[i] {
			path = path[:len(path)-1]
		}
		parents[i] = -1
		if len(path) > 0 {
			p := path[len(path)-1]
			if !isChildOf(v, i, p) {
				return nil
			}
			parents[i] = p
		}
		path = append(path, i)
	}
	return parents
}

func parentsByText(v *tableView) []int {
	inner := map[string]int{}
	for i := range v.Rows {
		if v.int(i, "leaf") == 0 {
			inner[patternStem(v.cell(i, "pattern").S)] = i
		}
	}
	parents := make([]int, len(v.Rows))
	for i := range v.Rows {
		parents[i] = -1
		p := v.cell(i, "pattern").S
		for n := min(len(p), 1024); n > 0; n-- {
			if at, ok := inner[p[:n]]; ok && at != i && v.int(at, "depth") < v.int(i, "depth") {
				parents[i] = at
				break
			}
		}
	}
	return parents
}

// readable is a table as people read it: the bounds of a histogram's rows, which
// the machine formats give as two numbers, become its label, or go where it has one.
func readable(t *aggregate.Table) *tableView {
	v := viewOf(t)
	if t.Name == "owners" {
		return readableOwners(v)
	}
	from, to := -1, -1
	for i, c := range t.Columns {
		switch {
		case strings.HasPrefix(c.Name, "from_"):
			from = i
		case strings.HasPrefix(c.Name, "to_"):
			to = i
		}
	}
	if from < 0 || to != from+1 {
		return v
	}
	out := *t
	out.Columns = slices.Concat(t.Columns[:from], t.Columns[to+1:])
	if from == 0 {
		label := aggregate.Column{Name: strings.TrimPrefix(t.Columns[0].Name, "from_"), Kind: aggregate.Text, Doc: t.Columns[0].Doc}
		if label.Name == "bytes" {
			label.Name = "size"
		}
		out.Columns = slices.Insert(out.Columns, 0, label)
	}
	out.Rows = make([][]aggregate.Cell, len(t.Rows))
	for i, row := range t.Rows {
		cells := slices.Concat(row[:from], row[to+1:])
		if from == 0 {
			kind := t.Columns[0].Kind
			// The upper bound is the last value within; people take the round one after it.
			upper := row[to]
			if upper.I < math.MaxInt64 {
				upper.I++
			}
			cells = slices.Insert(cells, 0, aggregate.Cell{S: cellText(kind, &row[from]) + " to " + cellText(kind, &upper)})
		}
		out.Rows[i] = cells
	}
	return viewOf(&out)
}

// largestOf gives the rows of the table of largest keys that rank in a scope:
// "all", or a type. An older table without scopes is all of one.
func largestOf(t *aggregate.Table, scope string) *tableView {
	v := viewOf(t)
	if !v.has("scope") {
		return v
	}
	out := *t
	out.Rows = nil
	for i, row := range t.Rows {
		if v.cell(i, "scope").S == scope {
			out.Rows = append(out.Rows, row)
		}
	}
	return viewOf(&out)
}

// scopesOf are the scopes of the table of largest keys, in order.
func scopesOf(t *aggregate.Table) (scopes []string) {
	v := viewOf(t)
	for i := range t.Rows {
		if s := v.cell(i, "scope").S; v.has("scope") && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}
