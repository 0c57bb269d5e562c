package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/output"
)

func whatifCommand() command {
	return command{
		name: "whatif", args: "[FLAGS] DUMP...", short: "the same data under another server, allocator or limits",
		long: `Sizes the same keys twice in one pass: as the writing server's line holds them
after a restart, with the limits of --config or the defaults (before), and
under --target, --allocator and the limits given as flags (after). Prints what
that saves or costs, in total, by type and by pattern.

  rdbaudit whatif --target valkey-9.1 dump.rdb
  rdbaudit whatif --hash-max-listpack-entries 1024 dump.rdb
  rdbaudit whatif --sweep hash-max-listpack-value=64..1024 dump.rdb

--sweep LIMIT=A..B tries the powers of two from A to B, all in one pass;
LIMIT=A,B,C tries just these. Larger limits save memory and cost time: a packed
collection is searched from its start, so each access reads up to all of it.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var (
				model    modelFlags
				filter   filterFlags
				patterns patternFlags
				scan     scanFlags
			)
			sweep := fs.String("sweep", "", "try several values of a limit: LIMIT=A..B or LIMIT=A,B,C")
			format := fs.String("format", "text", "text, csv (the patterns, or the sweep) or json")
			out := fs.StringP("output", "o", "-", "write to PATH")
			fs.IntVar(&patterns.top, "top", 20, "rows of the list of patterns")
			filter.add(fs)
			patterns.add(fs)
			model.add(fs)
			scan.add(fs)
			return func(e *env, args []string) error {
				if err := firstError(model.check, filter.check, scan.check); err != nil {
					return err
				}
				opts, err := patterns.options()
				if err != nil {
					return err
				}
				if *format != "text" && *format != "csv" && *format != "json" {
					return usageError("--format is text, csv or json, not %q", *format)
				}
				w := &whatif{e: e, model: &model, filter: &filter, scan: &scan, opts: opts, top: patterns.top, measure: patterns.measure, nowGiven: patterns.now != ""}
				if *sweep != "" {
					if err := w.parseSweep(*sweep); err != nil {
						return err
					}
				} else if !w.changes() {
					return usageError("nothing to compare with: give --target, --allocator, a limit such as --hash-max-listpack-entries, or --sweep")
				}
				return w.run(args, *format, *out)
			}
		},
	}
}

type whatif struct {
	e        *env
	model    *modelFlags
	filter   *filterFlags
	scan     *scanFlags
	opts     *aggregate.Options
	measure  string
	top      int
	nowGiven bool

	limit  string // of the sweep
	values []int64

	before, after *aggregate.Set
	names         [2]string // of the two sides
	sums          []sweepSum
	tables        []int64 // bytes of dictionaries under each configuration
	startup       []int64
	warnings      []string // what must be said first: of which part of the data this is
}

// sweepSum is what one value of a limit gives.
type sweepSum struct {
	value  int64
	bytes  int64
	packed int64 // keys in a packed encoding, of all types
	moved  int64 // keys whose encoding differs from before
}

// changes says whether the flags change anything.
func (w *whatif) changes() bool {
	if w.model.target != "" || w.model.allocator != "jemalloc" {
		return true
	}
	for _, from := range w.model.origin {
		if from == "flag" {
			return true
		}
	}
	return false
}

// maxSweep bounds the configurations of one pass.
const maxSweep = 64

func (w *whatif) parseSweep(s string) error {
	name, values, ok := strings.Cut(s, "=")
	if !ok {
		return usageError("--sweep takes LIMIT=A..B or LIMIT=A,B,C, not %q", s)
	}
	known := false
	var names []string
	for _, setting := range estimate.Settings() {
		known = known || setting.Name == name || setting.Old != "" && setting.Old == name
		names = append(names, setting.Name)
	}
	if !known {
		return usageError("--sweep: no limit is called %q; there are %s", name, strings.Join(names, ", "))
	}
	w.limit = name
	if from, to, ok := strings.Cut(values, ".."); ok {
		a, errA := estimate.ParseSize(from)
		b, errB := estimate.ParseSize(to)
		if errA != nil || errB != nil || a < 0 || b < a {
			return usageError("--sweep: %q is not a range of two numbers, the smaller first", values)
		}
		for v := a; v < b && len(w.values) < maxSweep; v = max(v+1, 2*v) {
			w.values = append(w.values, v)
		}
		w.values = append(w.values, b)
	} else {
		for _, v := range strings.Split(values, ",") {
			n, err := estimate.ParseSize(v)
			if err != nil {
				return usageError("--sweep: %s", err)
			}
			w.values = append(w.values, n)
		}
	}
	if len(w.values) > maxSweep {
		return usageError("--sweep: %d values, the most is %d", len(w.values), maxSweep)
	}
	return nil
}

// configs gives the configurations for a dump: before, then after or the values of the sweep.
func (w *whatif) configs(d *scan.Dump) []estimate.Config {
	// Before: what --config says of the server, and nothing else.
	before := estimate.Config{Limits: estimate.DefaultLimits(), Loaded: w.model.as != "live", Cluster: d.Config.Cluster}
	before.Line, _, _ = estimate.ForInfo(d.R.Info())
	file := make(map[string]string)
	for name, value := range w.model.options {
		if w.model.origin[name] == "--config" {
			file[name] = value
		}
	}
	before.SetOptions(file)
	after := d.Config
	after.Loaded = true
	if w.limit == "" {
		return []estimate.Config{before, after}
	}
	list := []estimate.Config{after}
	for _, v := range w.values {
		c := after
		c.Set(w.limit, strconv.FormatInt(v, 10))
		list = append(list, c)
	}
	return list
}

func (w *whatif) run(args []string, format, path string) error {
	inputs, err := expand(w.e, args)
	if err != nil {
		return err
	}
	if err := checkSink(w.e, path); err != nil {
		return err
	}
	half := *w.opts
	half.TableMemory = 32 << 20
	ends := &endings{}
	read := &readBytes{}
	p := startProgress(w.e, w.scan.progress, totalSize(inputs), read.sum, func() string { return "whatif" })
	defer p.end()
	var sides [2][]string
	for i, in := range inputs {
		d, err := w.e.open(in, w.model)
		if err != nil {
			ends.unreadable(err)
			w.warnings = append(w.warnings, output.Printable(err.Error()))
			continue
		}
		if w.before == nil {
			if w.before, err = aggregate.NewSet(&half); err != nil {
				return usageError("%s", err)
			}
			w.after, _ = aggregate.NewSet(&half)
		}
		read.follow(d.Stream)
		moment := half.Now
		if !w.nowGiven {
			moment, _ = d.Moment()
		}
		w.before.SetMoment(moment)
		w.after.SetMoment(moment)
		configs := w.configs(d)
		w.unknownSettings(d.In.Path, configs[len(configs)-1].Line)
		var patterner *aggregate.Patterner
		if len(w.filter.in) > 0 {
			patterner, _ = aggregate.NewPatterner(w.opts)
		}
		est := d.Estimator(w.scan.skip(), w.filter.keep(patterner), configs...)
		err = w.feed(est, int32(i), moment)
		if w.e.ctx.Err() != nil {
			d.Close()
			return w.e.ctx.Err()
		}
		d.Finish(err)
		w.overhead(d, int32(i), configs)
		for side := range sides {
			c := configs[min(side, len(configs)-1)]
			view := "loaded"
			if !c.Loaded {
				view = "live"
			}
			name := fmt.Sprintf("%s, %s, %s", c.Line.Name, c.Allocator, view)
			if !slices.Contains(sides[side], name) {
				sides[side] = append(sides[side], name)
			}
		}
		d.Close()
		ends.add(&d.Src)
		if d.Damaged() {
			w.warnings = append(w.warnings, output.Printable(d.Damage()))
		}
		for _, say := range d.Src.Remarks() {
			w.warnings = append(w.warnings, output.Printable(scan.BaseName(d.In.Path)+": "+say))
		}
	}
	p.end()
	status := ends.result(w.e)
	if ends.read == 0 {
		return status
	}
	w.names = [2]string{strings.Join(sides[0], "; "), strings.Join(sides[1], "; ")}
	for name, value := range w.model.options {
		if w.model.origin[name] == "flag" {
			w.names[1] += ", " + name + " " + value
		}
	}
	out, err := openSink(w.e, path)
	if err != nil {
		return err
	}
	if err := w.write(out.w, format); err != nil {
		out.abort()
		return writeError(path, err)
	}
	if err := out.commit(); err != nil {
		return err
	}
	return status
}

// unknownSettings says which of the limits asked about the line does not have.
func (w *whatif) unknownSettings(path string, line *estimate.Line) {
	for _, s := range estimate.Settings() {
		asked := w.limit == s.Name || w.model.origin[s.Name] == "flag"
		if asked && !line.Has(&s) {
			w.e.say("%s: %s has no %s: it changes nothing", path, line.Name, s.Name)
		}
	}
}

// feed adds all records of a dump to both sides, or to the sums of the sweep.
func (w *whatif) feed(est *estimate.Estimator, source int32, now int64) error {
	if w.limit != "" && w.sums == nil {
		w.sums = make([]sweepSum, len(w.values)+1)
		for i, v := range w.values {
			w.sums[i+1].value = v
		}
	}
	for n := 0; ; n++ {
		rec, err := est.Next()
		if err != nil || n&1023 == 0 && w.e.ctx.Err() != nil {
			return err
		}
		if w.filter.min > 0 && w.opts.Measure(rec) < w.filter.min || rec.ExpiredAt(now) {
			continue // a primary leaves expired keys out when it loads
		}
		rec.Source = source
		w.before.Add(rec)
		others := est.Others()
		if w.limit == "" {
			others[0].Source = source
			w.after.Add(&others[0])
			continue
		}
		w.sums[0].bytes += w.opts.Measure(rec)
		for i := range others {
			s := &w.sums[i+1]
			s.bytes += w.opts.Measure(&others[i])
			switch others[i].Encoding {
			case estimate.Listpack, estimate.Ziplist, estimate.ListpackEx, estimate.Intset:
				s.packed++
			}
			if others[i].Encoding != rec.Encoding {
				s.moved++
			}
		}
	}
}

// overhead adds what dictionaries and an empty server take.
func (w *whatif) overhead(d *scan.Dump, source int32, configs []estimate.Config) {
	if w.tables == nil {
		w.tables, w.startup = make([]int64, len(configs)), make([]int64, len(configs))
	}
	list, _ := w.before.Totals().Dicts()
	for i := range configs {
		c := &configs[i]
		c.Cluster = d.Config.Cluster
		w.startup[i] += c.Startup()
		b, _ := scan.Dictionaries(c, list, source)
		w.tables[i] += b
	}
}

// write prints the comparison.
func (w *whatif) write(out *bufio.Writer, format string) error {
	if w.limit != "" {
		return w.writeSweep(out, format)
	}
	types := aggregate.CompareTypes(w.before, w.after)
	patterns, err := aggregate.Compare(w.before.Patterns(), w.after.Patterns())
	if err != nil {
		return err
	}
	switch format {
	case "csv":
		return output.WriteTableCSV(out, &patterns)
	case "json":
		return w.writeJSON(out, map[string]aggregate.Table{"types": types, "patterns": patterns})
	}
	w.writeWarnings(out)
	fmt.Fprintf(out, "before  %s\nafter   %s\n\n", w.names[0], w.names[1])
	b, a := w.before.Totals(), w.after.Totals()
	row := func(name string, before, after int64) {
		fmt.Fprintf(out, "%-12s %12s %12s %13s\n", name, output.Bytes(before), output.Bytes(after), signed(after-before)+" "+percent(before, after))
	}
	fmt.Fprintf(out, "%-12s %12s %12s %13s\n", strings.ToUpper(w.measure), "before", "after", "change")
	row("keys", b.Bytes, a.Bytes)
	if w.filter.words() == "" {
		row("tables", w.tables[0], w.tables[1])
		row("start-up", w.startup[0], w.startup[1])
		row("estimate", b.Bytes+w.tables[0]+w.startup[0], a.Bytes+w.tables[1]+w.startup[1])
	}
	fmt.Fprintf(out, "\n%-9s %-11s %11s %11s %11s %11s %11s\n", "TYPE", "encoding", "keys before", "keys after", "before", "after", "change")
	for _, r := range types.Rows {
		fmt.Fprintf(out, "%-9s %-11s %11s %11s %11s %11s %11s\n", cutTo(r[0].S, 9), r[1].S, output.Count(r[2].I), output.Count(r[3].I),
			output.Bytes(r[4].I), output.Bytes(r[5].I), signed(r[6].I))
	}
	fmt.Fprintf(out, "\n%-42s %11s %11s %11s\n", "PATTERN", "before", "after", "change")
	rows := slices.Clone(patterns.Rows)
	rows = slices.DeleteFunc(rows, func(r []aggregate.Cell) bool { return r[2].I == 0 })
	slices.SortStableFunc(rows, func(x, y []aggregate.Cell) int { return int(sign(abs(y[7].I) - abs(x[7].I))) })
	for i, r := range rows {
		if i >= w.top || r[7].I == 0 {
			break
		}
		fmt.Fprintf(out, "%-42s %11s %11s %11s\n", cutTo(r[0].S, 42), output.Bytes(r[5].I), output.Bytes(r[6].I), signed(r[7].I))
	}
	return nil
}

func (w *whatif) writeWarnings(out io.Writer) {
	for _, line := range w.warnings {
		fmt.Fprintf(out, "! %s\n", line)
	}
	if len(w.warnings) > 0 {
		fmt.Fprintln(out)
	}
}

func (w *whatif) writeSweep(out *bufio.Writer, format string) error {
	table := aggregate.Table{Name: "sweep", Title: "Sweep of " + w.limit, Columns: []aggregate.Column{
		{Name: "value", Kind: aggregate.Count, Doc: w.limit},
		{Name: "bytes", Kind: aggregate.Bytes, Doc: "bytes of all keys"},
		{Name: "bytes_change", Kind: aggregate.Bytes, Doc: "bytes more than with the limit as it is"},
		{Name: "packed_keys", Kind: aggregate.Count, Doc: "keys in a packed encoding"},
		{Name: "moved_keys", Kind: aggregate.Count, Doc: "keys whose encoding differs from what it is now"},
	}}
	for _, s := range w.sums[1:] {
		table.Rows = append(table.Rows, []aggregate.Cell{{I: s.value}, {I: s.bytes}, {I: s.bytes - w.sums[0].bytes}, {I: s.packed}, {I: s.moved}})
	}
	switch format {
	case "csv":
		return output.WriteTableCSV(out, &table)
	case "json":
		return w.writeJSON(out, map[string]aggregate.Table{"sweep": table})
	}
	w.writeWarnings(out)
	fmt.Fprintf(out, "%s, keys as they are now: %s %s\n\n", w.names[0], output.Bytes(w.sums[0].bytes), w.measure)
	fmt.Fprintf(out, "%-26s %12s %19s %12s %12s\n", strings.ToUpper(w.limit), "bytes", "change", "packed keys", "moved keys")
	for _, s := range w.sums[1:] {
		fmt.Fprintf(out, "%-26d %12s %19s %12s %12s\n", s.value, output.Bytes(s.bytes),
			signed(s.bytes-w.sums[0].bytes)+" "+percent(w.sums[0].bytes, s.bytes), output.Count(s.packed), output.Count(s.moved))
	}
	return nil
}

func (w *whatif) writeJSON(out io.Writer, tables map[string]aggregate.Table) error {
	type side struct {
		Name    string `json:"name"`
		Keys    int64  `json:"keys_bytes"`
		Tables  int64  `json:"tables_bytes"`
		Startup int64  `json:"startup_bytes"`
	}
	doc := struct {
		Schema   string                      `json:"schema"`
		Warnings []string                    `json:"warnings"`
		Measure  string                      `json:"measure"`
		Before   side                        `json:"before"`
		After    *side                       `json:"after,omitempty"`
		Limit    string                      `json:"limit,omitempty"`
		Tables   map[string][]map[string]any `json:"tables"`
	}{Schema: "rdbaudit/whatif/1", Warnings: append([]string{}, w.warnings...), Measure: w.measure, Limit: w.limit, Tables: make(map[string][]map[string]any)}
	doc.Before = side{w.names[0], w.before.Totals().Bytes, w.tables[0], w.startup[0]}
	if w.limit == "" {
		doc.After = &side{w.names[1], w.after.Totals().Bytes, w.tables[1], w.startup[1]}
	}
	for name, t := range tables {
		for _, row := range t.Rows {
			m := make(map[string]any)
			for i, c := range t.Columns {
				switch c.Kind {
				case aggregate.Text, aggregate.Name:
					m[c.Name] = row[i].S
				default:
					m[c.Name] = row[i].I
				}
			}
			doc.Tables[name] = append(doc.Tables[name], m)
		}
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func signed(n int64) string {
	if n < 0 {
		return "-" + output.Bytes(-n)
	}
	return "+" + output.Bytes(n)
}

func percent(before, after int64) string {
	if before == 0 {
		return ""
	}
	return fmt.Sprintf("%+.1f%%", 100*float64(after-before)/float64(before))
}

func abs(n int64) int64 { return max(n, -n) }

func sign(n int64) int64 {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// cutTo shortens a text in the middle to n columns of plain characters.
func cutTo(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-(n-n/2-1):])
}
