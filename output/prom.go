package output

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
)

// Prometheus keeps a series for every set of labels it ever saw, so there are
// only so many of each; what is left over is summed in one series more.
const (
	promPatterns  = 50
	promTypes     = 100
	promOwners    = 100
	promDatabases = 64
	promDumps     = 100
	promName      = 200 // columns of a label's value; longer ones are cut in the middle
)

// promRest is the label of the sum of what has no series of its own. No name
// in the form of aggregate.AppendEscaped reads like it.
const promRest = `\rest`

// writeProm writes gauges in Prometheus' text format, for the textfile
// collector. Every series has the label dump, so that the files of several
// dumps can stand in one directory.
func writeProm(w io.Writer, r *Report) error {
	p := &promPage{w: bufio.NewWriter(w), dump: promValue(reportTitle(r))}
	for _, line := range r.firstLines() {
		p.w.WriteString("# rdbaudit: " + line + "\n")
	}
	p.whole(r)
	p.memory(r)
	p.dumps(r)
	labels := []string{"pattern"}
	if v := r.view("patterns"); v != nil && saysSomething(v, "owner") {
		labels = append(labels, "owner")
	}
	p.table(r, "patterns", labels, promPatterns, []promColumn{
		{"keys", "rdbaudit_pattern_keys", "Keys of the largest patterns"},
		{"bytes", "rdbaudit_pattern_bytes", "Bytes of the largest patterns"},
		{"no_ttl_keys", "rdbaudit_pattern_no_ttl_keys", "Keys without a TTL of the largest patterns"},
		{"no_ttl_bytes", "rdbaudit_pattern_no_ttl_bytes", "Bytes of keys without a TTL of the largest patterns"},
		{"expired_keys", "rdbaudit_pattern_expired_keys", "Keys of the largest patterns whose TTL has run out"},
	})
	p.table(r, "owners", []string{"owner"}, promOwners, []promColumn{
		{"keys", "rdbaudit_owner_keys", "Keys by owner, as the rules name them; without a name what nobody owns"},
		{"bytes", "rdbaudit_owner_bytes", "Bytes by owner"},
		{"no_ttl_keys", "rdbaudit_owner_no_ttl_keys", "Keys without a TTL by owner"},
		{"no_ttl_bytes", "rdbaudit_owner_no_ttl_bytes", "Bytes of keys without a TTL by owner"},
		{"expired_bytes", "rdbaudit_owner_expired_bytes", "Bytes of keys whose TTL has run out by owner"},
	})
	p.table(r, "types", []string{"type", "encoding"}, promTypes, []promColumn{
		{"keys", "rdbaudit_type_keys", "Keys by type and encoding"},
		{"bytes", "rdbaudit_type_bytes", "Bytes by type and encoding"},
	})
	p.table(r, "databases", []string{"database"}, promDatabases, []promColumn{
		{"keys", "rdbaudit_database_keys", "Keys by database"},
		{"bytes", "rdbaudit_database_bytes", "Bytes by database"},
		{"no_ttl_keys", "rdbaudit_database_no_ttl_keys", "Keys without a TTL by database"},
		{"expired_keys", "rdbaudit_database_expired_keys", "Keys whose TTL has run out by database"},
	})
	return p.w.Flush()
}

type promPage struct {
	w    *bufio.Writer
	dump string
}

// promColumn is a column of a table as a metric.
type promColumn struct{ column, metric, help string }

// head starts a metric: all of its series must follow it at once.
func (p *promPage) head(metric, help string) {
	p.w.WriteString("# HELP " + metric + " " + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help) + "\n# TYPE " + metric + " gauge\n")
}

// series writes one value; labels are name, value, name, value.
func (p *promPage) series(metric, value, dump string, labels ...string) {
	p.w.WriteString(metric + `{dump="` + promEscape(dump) + `"`)
	for i := 0; i < len(labels); i += 2 {
		p.w.WriteString("," + labels[i] + `="` + promEscape(labels[i+1]) + `"`)
	}
	p.w.WriteString("} " + value + "\n")
}

func (p *promPage) gauge(metric, help string, n int64) {
	p.head(metric, help+".")
	p.series(metric, strconv.FormatInt(n, 10), p.dump)
}

func promEscape(s string) string {
	if !strings.ContainsAny(s, "\\\"\n") {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}

// promValue is a text that may stand in a label: visible UTF-8 of bounded length.
func promValue(s string) string { return middle(prose(s), promName) }

func flag01(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (p *promPage) whole(r *Report) {
	t := &r.Totals
	p.head("rdbaudit_info", "How the sums were made; always 1.")
	p.series("rdbaudit_info", "1", p.dump, "version", promValue(r.Version), "measure", promValue(r.Measure),
		"line", promValue(r.Model.Line), "view", promValue(r.Model.View), "allocator", promValue(r.Model.Allocator))
	p.gauge("rdbaudit_filtered", "1 if a filter left keys out of every sum", flag01(r.Filtered != ""))
	p.gauge("rdbaudit_damaged", "1 if a dump could not be read to its end, so that keys are missing", flag01(r.damaged()))
	p.gauge("rdbaudit_dumps", "Dumps that the sums are over", int64(len(r.Sources)))
	p.gauge("rdbaudit_keys", "Keys", t.Keys)
	p.gauge("rdbaudit_bytes", "Bytes of all keys, by the measure of rdbaudit_info", t.Bytes)
	p.gauge("rdbaudit_serialized_bytes", "Bytes of the keys in the dump", t.Serialized)
	p.gauge("rdbaudit_elements", "Members, fields, list elements and stream entries; 1 for a string", t.Elements)
	p.gauge("rdbaudit_no_ttl_keys", "Keys without a TTL", t.NoTTLKeys)
	p.gauge("rdbaudit_no_ttl_bytes", "Bytes of keys without a TTL", t.NoTTLBytes)
	p.gauge("rdbaudit_expired_keys", "Keys whose TTL has run out", t.ExpiredKeys)
	p.gauge("rdbaudit_expired_bytes", "Bytes of keys whose TTL has run out", t.ExpiredBytes)
}

func (p *promPage) memory(r *Report) {
	m := &r.Memory
	p.gauge("rdbaudit_memory_keys_bytes", "What the allocator holds for the keys", m.Keys)
	p.gauge("rdbaudit_memory_slack_bytes", "Part of it that a restart gives back", m.Slack)
	p.gauge("rdbaudit_memory_opaque_bytes", "Part of it that no formula covers: serialised bytes of modules", m.Opaque)
	p.gauge("rdbaudit_memory_expected_sd_bytes", "Standard deviation of it, as servers draw lots", m.ExpectedSD)
	p.head("rdbaudit_memory_expected_ratio", "Share of it that is an expected value.")
	p.series("rdbaudit_memory_expected_ratio", string(appendShare(nil, m.ExpectedPart)), p.dump)
	if r.Filtered != "" {
		return
	}
	p.gauge("rdbaudit_memory_tables_bytes", "Dictionaries of keys and TTLs", m.Tables)
	p.gauge("rdbaudit_memory_startup_bytes", "An empty server", m.Startup)
	p.gauge("rdbaudit_memory_estimate_bytes", "Keys, dictionaries and start-up", m.Estimate)
	if m.DumpUsedMem >= 0 {
		p.gauge("rdbaudit_memory_dump_used_mem_bytes", "What the server said that it used when it wrote the dump", m.DumpUsedMem)
	}
	if rest, known := r.remainder(); known {
		p.gauge("rdbaudit_memory_remainder_bytes", "What it used beyond the estimate: buffers and slack", rest)
	}
}

func (p *promPage) dumps(r *Report) {
	sources := r.Sources[:min(len(r.Sources), promDumps)]
	names := make([]string, len(sources))
	seen := map[string]bool{}
	for i := range sources {
		name := promValue(sources[i].Path)
		for n := 2; seen[name]; n++ {
			name = promValue(sources[i].Path) + "#" + strconv.Itoa(n)
		}
		seen[name], names[i] = true, name
	}
	each := func(metric, help string, value func(*Source) (string, bool)) {
		headed := false
		for i := range sources {
			s, ok := value(&sources[i])
			if ok && !headed {
				p.head(metric, help)
				headed = true
			}
			if ok {
				p.series(metric, s, names[i])
			}
		}
	}
	integer := func(n int64) string { return strconv.FormatInt(n, 10) }
	each("rdbaudit_dump_created_timestamp_seconds", "When the server wrote the dump.", func(s *Source) (string, bool) {
		return strconv.FormatFloat(float64(s.Created)/1000, 'f', 3, 64), s.Created != 0
	})
	each("rdbaudit_dump_damaged", "1 if the dump could not be read to its end.", func(s *Source) (string, bool) { return integer(flag01(s.Error != "")), true })
	each("rdbaudit_dump_keys", "Keys read from the dump.", func(s *Source) (string, bool) { return integer(s.Keys), true })
	each("rdbaudit_dump_read_bytes", "Bytes read from the dump.", func(s *Source) (string, bool) { return integer(s.Bytes), true })
	each("rdbaudit_dump_used_mem_bytes", "What the server said that it used when it wrote the dump.", func(s *Source) (string, bool) { return integer(s.UsedMem), s.UsedMem >= 0 })
}

// table writes columns of a table as metrics: a series for each of its largest
// rows, and one for the sum of all others.
func (p *promPage) table(r *Report, name string, labels []string, most int, columns []promColumn) {
	v := r.view(name)
	if v == nil || len(v.Rows) == 0 {
		return
	}
	var rows []int
	for i := range v.Rows {
		if !v.has("leaf") || v.int(i, "leaf") == 1 {
			rows = append(rows, i)
		}
	}
	sortBy(rows, func(i int) int64 { return -v.int(i, "bytes") })
	type series struct {
		labels []string
		rows   []int
	}
	var all []series
	rest := series{}
	for _, l := range labels {
		rest.labels = append(rest.labels, l, promRest)
	}
	seen := map[string]bool{}
	for _, row := range rows {
		if len(all) == most {
			rest.rows = append(rest.rows, row)
			continue
		}
		s := series{rows: []int{row}}
		known := true
		for _, l := range labels {
			c := v.cell(row, l)
			known = known && !c.Null
			text := c.S
			if i, ok := v.at[l]; ok && !isText(v.Columns[i].Kind) {
				text = strconv.FormatInt(c.I, 10)
			}
			if l == "owner" {
				text = ownerName(text)
			}
			s.labels = append(s.labels, l, promValue(text))
		}
		id := strings.Join(s.labels, "\x00")
		if !known || seen[id] || slices.Contains(s.labels, promRest) {
			rest.rows = append(rest.rows, row)
			continue
		}
		seen[id] = true
		all = append(all, s)
	}
	if len(rest.rows) > 0 {
		all = append(all, rest)
	}
	if len(all) == 0 {
		return
	}
	for _, c := range columns {
		if i, ok := v.at[c.column]; !ok || isText(v.Columns[i].Kind) || v.Columns[i].Kind == aggregate.Share {
			continue
		}
		p.head(c.metric, c.help+`; "`+promRest+`" sums all others.`)
		for _, s := range all {
			sum := int64(0)
			for _, row := range s.rows {
				sum += v.int(row, c.column)
			}
			p.series(c.metric, strconv.FormatInt(sum, 10), p.dump, s.labels...)
		}
	}
}
