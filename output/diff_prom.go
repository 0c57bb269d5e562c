package output

import (
	"bufio"
	"io"
	"strconv"

	"rdbaudit/aggregate"
)

// writeDiffProm writes how the last moment differs from the first as gauges;
// the label dump is the last moment.
func writeDiffProm(w io.Writer, d *Diff) error {
	p := &promPage{w: bufio.NewWriter(w), dump: promValue(d.names()[len(d.Moments)-1])}
	for _, line := range d.firstLines() {
		p.w.WriteString("# rdbaudit: " + line + "\n")
	}
	p.head("rdbaudit_diff_info", "What was compared; always 1.")
	p.series("rdbaudit_diff_info", "1", p.dump, "version", promValue(d.Version), "measure", promValue(d.Measure), "before", promValue(d.names()[0]), "moments", strconv.Itoa(len(d.Moments)))
	if d.Span.Times != nil {
		p.gauge("rdbaudit_diff_seconds", "Time from the first moment to the last", d.seconds())
	}
	if v := d.view("totals"); v != nil {
		for i := range v.Rows {
			p.gauge("rdbaudit_diff_"+v.str(i, "metric"), "Change of the total "+v.str(i, "metric"), v.int(i, "change"))
			if c := v.cell(i, "full_in_seconds"); !c.Null {
				p.gauge("rdbaudit_diff_full_in_seconds", "Time until maxmemory is reached at this rate", c.I)
			}
		}
	}
	p.table(d.largestFirst("changes"), "changes", []string{"pattern"}, promPatterns, []promColumn{
		{"keys_change", "rdbaudit_diff_pattern_keys", "Change of the keys of the patterns that changed most"},
		{"bytes_change", "rdbaudit_diff_pattern_bytes", "Change of the bytes of the patterns that changed most"},
		{"no_ttl_bytes_change", "rdbaudit_diff_pattern_no_ttl_bytes", "Change of the bytes of keys without a TTL of the patterns that changed most"},
	})
	p.table(d.largestFirst("types"), "types", []string{"type", "encoding"}, promTypes, []promColumn{
		{"keys_change", "rdbaudit_diff_type_keys", "Change of the keys by type and encoding"},
		{"bytes_change", "rdbaudit_diff_type_bytes", "Change of the bytes by type and encoding"},
	})
	return p.w.Flush()
}

// largestFirst is a report with one table, whose column "bytes" says how much a row changed.
func (d *Diff) largestFirst(name string) *Report {
	v := d.view(name)
	if v == nil {
		return &Report{}
	}
	t := *v.Table
	t.Columns = append(append([]aggregate.Column(nil), t.Columns...), aggregate.Column{Name: "bytes", Kind: aggregate.Bytes})
	t.Rows = nil
	for i, row := range v.Rows {
		t.Rows = append(t.Rows, append(append([]aggregate.Cell(nil), row...), aggregate.Cell{I: abs(v.int(i, "bytes_change"))}))
	}
	return &Report{Tables: []aggregate.Table{t}}
}
