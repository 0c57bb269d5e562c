package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

func diffCommand() command {
	return command{
		name: "diff", args: "[FLAGS] BEFORE AFTER [LATER...]", short: "what changed between two moments, or a series of them",
		long: `Each argument is a moment: a dump, a directory or glob of dumps (quoted, so that
the shell leaves it alone), a part that report -o x.rdbaudit wrote or a folder
of parts, or a report saved with -o x.json. Says by key pattern what grew, what
is new and what is gone, which single keys grew most, which encodings and
findings changed, how much it is an hour, and with --maxmemory when the server
will be full.

  rdbaudit diff monday.rdb tuesday.rdb
  rdbaudit diff --maxmemory 8gb monday.rdb tuesday.rdb -o growth.html
  rdbaudit diff 'mon/*.rdb' 'tue/*.rdb' 'wed/*.rdb' -o csv:series=series.csv
  rdbaudit diff monday.json tuesday.rdb
  rdbaudit diff --fail-on 'bytes-change(session:*) > 1GB' a.rdb b.rdb
  rdbaudit diff --maxmemory 8gb --fail-on 'full-in-seconds < 7d' a.rdb b.rdb

Three moments or more are a series: rates are then the slope over all of them,
and changes are those between the first and the last.

Metrics of --fail-on are the columns of the table of changes, such as
bytes-change, keys-change, bytes-per-hour, growth or full-in-seconds (which
takes 12h and 7d); what a rules file says must not be is about one dump, and
not held here.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var d diffFlags
			f := &d.reportFlags
			fs.StringArrayVarP(&f.outputs, "output", "o", nil, "write to PATH, or FORMAT=PATH (repeatable): "+formatExts())
			fs.StringVar(&f.format, "format", "", "format on stdout instead of the summary")
			fs.IntVar(&f.patterns.top, "top", 20, "length of the lists of patterns and keys")
			fs.BoolVarP(&f.scan.quiet, "quiet", "q", false, "no summary on stdout")
			fs.StringVar(&f.color, "color", "auto", "colours in the summary: auto, always or never")
			f.filter.add(fs)
			f.patterns.add(fs)
			fs.StringVar(&f.patterns.tableMemory, "table-memory", "64mb", "memory for all tables; when it is full, the smallest patterns fold")
			fs.IntVar(&f.scan.jobs, "jobs", runtime.GOMAXPROCS(0), "dumps read side by side, and workers that add up (default: one per CPU)")
			f.model.add(fs)
			fs.StringVar(&f.json, "json-values", "sample", "look for JSON in strings and in fields of hashes: full (all), sample (one key of every eight, fewer of a large database) or off")
			fs.BoolVar(&f.plain, "no-findings", false, "sums alone, without findings: takes up to a quarter less time")
			fs.BoolVar(&d.noKeys, "no-keys", false, "do not look for the single keys that changed most: no second look at the last moment's dumps")
			fs.StringArrayVar(&f.failOn, "fail-on", nil, "exit with 4 if this holds: 'bytes-change(session:*) > 1GB' (repeatable; metrics are the columns of the table of changes)")
			fs.StringVar(&f.info, "info", "", "take maxmemory from the output of INFO in FILE")
			f.redact.add(fs)
			f.scan.add(fs)
			f.set = fs
			return func(e *env, args []string) error { return d.run(e, args) }
		},
	}
}

// diffFlags are those of report, but for what is about one dump alone.
type diffFlags struct {
	reportFlags
	noKeys bool
}

func (d *diffFlags) run(e *env, args []string) error {
	f := &d.reportFlags
	if err := firstError(f.model.check, f.filter.check, f.scan.check, f.redact.check); err != nil {
		return err
	}
	opts, err := f.patterns.options()
	if err != nil {
		return err
	}
	switch {
	case f.patterns.top < 1:
		return usageError("--top must be at least 1")
	case f.scan.jobs < 1:
		return usageError("--jobs must be at least 1")
	case f.color != "auto" && f.color != "always" && f.color != "never":
		return usageError("--color is auto, always or never, not %q", f.color)
	case len(args) < 2:
		return usageError("diff compares two moments or more: rdbaudit diff BEFORE AFTER; a directory or a quoted glob is one of them")
	}
	if _, ok := jsonEvery[f.json]; !ok {
		return usageError("--json-values is full, sample or off, not %q", f.json)
	}
	for _, text := range f.failOn {
		r, err := parseRuleOf(aggregate.ChangeColumns(), nil, fmt.Sprintf("--fail-on %q", text), text)
		if err != nil {
			return err
		}
		r.growth = true
		f.rules = append(f.rules, r)
	}
	targets, err := f.targets()
	if err != nil {
		return err
	}
	for _, t := range targets {
		if t.format.Diff == nil {
			return usageError("the format %s is of reports; diff has %s", t.format.Name, strings.Join(diffFormatNames(), ", "))
		}
	}
	run := &diffRun{diffFlags: d, e: e, opts: opts}
	if err := run.capacity(); err != nil {
		return err
	}
	stdin := 0
	for _, arg := range args {
		if arg == "-" {
			stdin++
		}
		m := &moment{name: source.Shown(arg)}
		if m.saved, err = savedReport([]string{arg}); err != nil {
			return err
		}
		if m.saved == nil {
			m.parts, _ = splitParts([]string{arg}, true)
			if slices.ContainsFunc(m.parts, func(path string) bool { return !beginsAsPart(path) }) {
				m.parts = nil // a glob of dumps
			}
		}
		if m.saved == nil && m.parts == nil {
			if m.inputs, err = expand(e, []string{arg}); err != nil {
				return err
			}
		}
		run.moments = append(run.moments, m)
	}
	if stdin > 1 {
		return usageError("standard input can be one moment only")
	}
	for _, t := range targets {
		if err := checkSink(e, t.path); err != nil {
			return err
		}
	}
	doc, readErr := run.read()
	if doc == nil {
		return readErr
	}
	return run.finish(doc, targets, readErr)
}

func diffFormatNames() []string {
	var names []string
	for _, f := range output.Formats() {
		if f.Diff != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// moment is one of the sides that are compared.
type moment struct {
	name   string
	saved  *os.File // a report, or
	parts  []string // parts, or
	inputs []source.Input

	opts *aggregate.Options // of a report or of parts
	rep  *output.Report     // without its tables of patterns
	side *aggregate.Side
	err  error // why nothing of it could be read
	bad  error // the exit status of what was damaged
}

type diffRun struct {
	*diffFlags
	e       *env
	opts    *aggregate.Options
	moments []*moment
	max     int64 // maxmemory, 0: none

	grew, shrank *aggregate.Large
	unseen       string // why the keys that shrank are not known
}

// capacity reads maxmemory from all who may say it.
func (run *diffRun) capacity() error {
	text := run.model.options["maxmemory"]
	if run.info != "" {
		info, err := readInfo(run.info)
		if err != nil {
			return err
		}
		if text == "" {
			text = info["maxmemory"]
		}
	}
	if text == "" {
		return nil
	}
	n, err := estimate.ParseSize(text)
	if err != nil || n < 0 {
		return usageError("--maxmemory %q is no size", text)
	}
	run.max = n
	return nil
}

// read reads all moments: the last first, as its largest keys are looked up in the first.
func (run *diffRun) read() (*output.Diff, error) {
	n := len(run.moments)
	first, last := run.moments[0], run.moments[n-1]
	// All sides are held at once: let no garbage of the reading lie beside them.
	defer collectLate(50)()
	tables := run.opts.TableMemory
	run.opts.TableMemory = max(tables/int64(n+1), 1<<20) // all sides are held at once, and a part for the comparison
	keys := !run.noKeys && first.inputs != nil && last.inputs != nil
	seeds := aggregate.LargeSeeds()
	collect := func(parts *[]*aggregate.LargeKeys) func() func([]estimate.Record) {
		return func() func([]estimate.Record) {
			l := aggregate.NewLargeKeys(run.opts, seeds)
			*parts = append(*parts, l)
			return l.AddBatch
		}
	}
	var ofLast, ofFirst []*aggregate.LargeKeys
	order := []*moment{last, first}
	order = append(order, run.moments[1:n-1]...)
	for _, m := range order {
		var also func() func([]estimate.Record)
		switch {
		case keys && m == last:
			also = collect(&ofLast)
		case keys && m == first && last.err == nil:
			run.grew = aggregate.NewLarge(ofLast)
			kept := collect(&ofFirst)
			also = func() func([]estimate.Record) {
				keep := kept()
				return func(records []estimate.Record) {
					keep(records)
					run.grew.LookUp(records)
				}
			}
		}
		run.readMoment(m, also)
		debug.FreeOSMemory() // what reading took is garbage now: the next takes it again
		if run.e.ctx.Err() != nil {
			return nil, run.e.ctx.Err()
		}
		var wrong *exitError
		if errors.As(m.err, &wrong) && wrong.status == exitUsage {
			return nil, m.err
		}
	}
	var status error
	var there []*moment
	for _, m := range run.moments {
		if m.err != nil {
			status = &exitError{status: exitDamaged}
			continue
		}
		if m.bad != nil {
			status = m.bad
		}
		there = append(there, m)
	}
	if len(there) < 2 {
		return nil, failed(fmt.Errorf("of %d moments %d could be read: there is nothing to compare", n, len(there)))
	}
	run.opts.TableMemory = tables
	if first.err != nil || last.err != nil {
		run.grew = nil
	}
	if run.grew != nil {
		run.shrank = aggregate.NewLarge(ofFirst)
		if run.again(last); run.e.ctx.Err() != nil {
			return nil, run.e.ctx.Err()
		}
	}
	run.moments = there
	doc, err := run.compare()
	if err != nil {
		return nil, err
	}
	return doc, status
}

func (run *diffRun) readMoment(m *moment, also func() func([]estimate.Record)) {
	opts := *run.opts
	if m.saved != nil {
		m.rep, m.side, m.err = run.readSaved(m, &opts)
		return
	}
	var part *scan.Part
	if m.parts != nil {
		if part, m.err = run.readParts(run.e, m.parts, opts.TableMemory, nil); m.err != nil {
			if run.e.ctx.Err() == nil {
				fmt.Fprintln(run.e.stderr, "rdbaudit: "+m.err.Error())
			}
			return
		}
		opts = part.Set.Options()
		m.opts = &opts
	} else {
		run.also = also
		if part, m.err = run.reportFlags.read(run.e, m.inputs, &opts); m.err != nil {
			return
		}
	}
	ends := endingsOf(part)
	status := ends.result(run.e)
	if ends.read == 0 {
		m.err = status
		return
	}
	run.filter.hint(run.e, part.Set.Totals().Keys, opts.Separators)
	m.side, m.bad = part.Set.Patterns().Side(), status
	m.rep, _ = part.Report(&scan.View{Version: version()})
	m.rep.Tables = slices.DeleteFunc(m.rep.Tables, func(t aggregate.Table) bool { return !comparedTable(t.Name) })
}

// comparedTable says whether a table of a report is looked at beside its patterns.
func comparedTable(name string) bool {
	return name == "types" || name == "databases" || name == "findings"
}

func (run *diffRun) readSaved(m *moment, opts *aggregate.Options) (*output.Report, *aggregate.Side, error) {
	defer m.saved.Close()
	rep, err := output.ParseReport(m.saved)
	if err != nil {
		err = fmt.Errorf("%s: %w", m.name, err)
		run.e.say("%s", err)
		return nil, nil, &exitError{status: exitFailed}
	}
	t := rep.Table("patterns")
	if t == nil {
		return nil, nil, usageError("%s: the report has no table of patterns", m.name)
	}
	// What the report was cut with is compared in sameOptions; one of an earlier
	// version does not say.
	if o := rep.Options; o.Separators != nil {
		opts.Separators, opts.Depth = nil, o.Depth
		for _, sep := range o.Separators {
			raw, _ := aggregate.Unescape(sep)
			opts.Separators = append(opts.Separators, string(raw))
		}
		if err := opts.Check(); err != nil {
			return nil, nil, usageError("%s: %s", m.name, err)
		}
	}
	side, err := aggregate.SideOf(opts, t)
	if err != nil {
		return nil, nil, usageError("%s: %s", m.name, err)
	}
	m.opts = opts
	rep.Tables = slices.DeleteFunc(rep.Tables, func(t aggregate.Table) bool { return !comparedTable(t.Name) })
	return rep, side, nil
}

// again looks up the largest keys of the first moment in the last: its values
// are skipped but for those few.
func (run *diffRun) again(m *moment) {
	read := &readBytes{}
	p := startProgress(run.e, run.scan.progress, totalSize(m.inputs), read.sum, func() string { return "keys that shrank" })
	defer p.end()
	for _, in := range m.inputs {
		if in.Path == "-" {
			run.shrank, run.unseen = nil, "standard input can be read once only"
			return
		}
		d, err := run.e.open(in, &run.model)
		if err != nil {
			continue // said before
		}
		read.follow(d.Stream)
		run.lookAgain(d)
		d.Close()
	}
}

func (run *diffRun) compare() (*output.Diff, error) {
	n := len(run.moments)
	first, last := run.moments[0], run.moments[n-1]
	doc := &output.Diff{Version: version(), Measure: run.patterns.measure, Filtered: run.filter.words(), MaxMemory: run.max}
	var sides []*aggregate.Side
	for _, m := range run.moments {
		from := "dumps"
		switch {
		case m.parts != nil:
			from = "part"
		case m.inputs == nil:
			from = "report"
		}
		doc.Moments = append(doc.Moments, output.Moment{Name: m.name, From: from, Time: m.time(), Report: m.rep})
		sides = append(sides, m.side)
	}
	if err := run.sameOptions(); err != nil {
		return nil, err
	}
	if first.opts != nil && last.opts != nil {
		run.opts.Separators, run.opts.Depth = first.opts.Separators, first.opts.Depth
	}
	run.span(doc)
	c, err := aggregate.CompareSides(sides)
	if err != nil {
		return nil, usageError("%s", strings.Replace(err.Error(), "cannot merge", "cannot compare", 1))
	}
	doc.Full = c.Full
	doc.Tables = append(doc.Tables, run.totals(doc), c.Changes(&doc.Span), c.AppearedTable())
	if n > 2 {
		doc.Tables = append(doc.Tables, c.Series(&doc.Span))
	}
	if run.grew != nil {
		doc.Tables = append(doc.Tables, run.grew.Risers(false))
	}
	if run.shrank != nil {
		doc.Tables = append(doc.Tables, run.shrank.Risers(true))
	}
	for _, j := range []aggregate.Join{
		{Name: "types", Title: "Types and encodings", ID: []string{"type", "encoding"}, Values: []string{"keys", "bytes", "elements"}},
		{Name: "databases", Title: "Databases", ID: []string{"database"}, Values: []string{"keys", "bytes", "no_ttl_keys", "expired_keys"}},
		{Name: "findings", Title: "Findings", ID: []string{"finding", "pattern"}, Values: []string{"keys", "bytes", "saves"}},
	} {
		b, a := first.rep.Table(j.Name), last.rep.Table(j.Name)
		if j.Name == "findings" && (b == nil || a == nil) {
			continue
		}
		doc.Tables = append(doc.Tables, j.Tables(b, a))
	}
	doc.Tables = append(doc.Tables, settingsTable(first.rep, last.rep))
	run.notes(doc)
	return doc, nil
}

// time is when a moment was: the newest of its dumps; 0 if that is not known.
func (m *moment) time() int64 {
	ms := int64(0)
	for i := range m.rep.Sources {
		ms = max(ms, m.rep.Sources[i].Created)
	}
	if ms == 0 && m.rep.NowFrom == "file time" {
		ms = m.rep.Now
	}
	return ms
}

// sameOptions refuses sides that were made otherwise, naming the option.
func (run *diffRun) sameOptions() error {
	like := func(option string, name, a, with, b string) error {
		return usageError("cannot compare: %s was made with %s %s, %s with %s", name, option, orNone(a), with, orNone(b))
	}
	one := run.moments[0]
	for _, m := range run.moments[1:] {
		switch a, b := one.rep, m.rep; {
		case a.Measure != b.Measure:
			return like("--measure", one.name, a.Measure, m.name, b.Measure)
		case a.Filtered != b.Filtered:
			return like("the filter", one.name, a.Filtered, m.name, b.Filtered)
		case a.Model.View != b.Model.View:
			return like("--as", one.name, a.Model.View, m.name, b.Model.View)
		case a.Model.Allocator != b.Model.Allocator:
			return like("--allocator", one.name, a.Model.Allocator, m.name, b.Model.Allocator)
		case a.Redacted() != b.Redacted():
			return like("--redact", one.name, yes(a.Redacted()), m.name, yes(b.Redacted()))
		}
	}
	// Reports of earlier versions do not say how they were cut.
	var with *moment
	for _, m := range run.moments {
		if m.rep.Options.Separators == nil {
			continue
		}
		if with == nil {
			with = m
		}
		switch a, b := with.rep.Options, m.rep.Options; {
		case !slices.Equal(a.Separators, b.Separators):
			return like("--separator", with.name, fmt.Sprintf("%q", a.Separators), m.name, fmt.Sprintf("%q", b.Separators))
		case a.Depth != b.Depth:
			return like("--depth", with.name, strconv.Itoa(a.Depth), m.name, strconv.Itoa(b.Depth))
		case a.Patterns != b.Patterns:
			return like("--pattern or --rules", with.name, orNone(a.Patterns), m.name, orNone(b.Patterns))
		}
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// span says when the moments were and how much room there is.
func (run *diffRun) span(doc *output.Diff) {
	doc.Span.Times = nil
	times := make([]int64, len(doc.Moments))
	known, order := true, true
	for i := range doc.Moments {
		times[i] = doc.Moments[i].Time
		known = known && times[i] != 0
		order = order && (i == 0 || times[i] >= times[i-1])
	}
	switch {
	case !known:
		doc.Warnings = append(doc.Warnings, "When a moment was is not known, so there is no change per hour.")
	case !order:
		i := 1
		for times[i] >= times[i-1] {
			i++
		}
		b, a := &doc.Moments[i-1], &doc.Moments[i]
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("%s (%s) is newer than %s (%s), which comes after it: is the order as meant? What is given as growth is from the first argument to the last; there is no change per hour.",
			b.Name, output.Time(b.Time), a.Name, output.Time(a.Time)))
	case times[0] == times[len(times)-1]:
		doc.Warnings = append(doc.Warnings, "All moments are of the same time, so there is no change per hour.")
	default:
		doc.Span.Times = times
	}
	last := &doc.Moments[len(doc.Moments)-1]
	if doc.MaxMemory == 0 || doc.Filtered != "" {
		return
	}
	doc.Servers = 0
	for i := range last.Report.Sources {
		if last.Report.Sources[i].Bytes > 0 {
			doc.Servers++
		}
	}
	doc.Servers = max(doc.Servers, 1)
	doc.Used, doc.UsedFrom = used(doc, len(doc.Moments)-1)
	doc.Span.Room, doc.Span.HasRoom = doc.MaxMemory*int64(doc.Servers)-doc.Used, true
}

// used is what the servers of a moment held: as they said, if they all did at
// all moments, else as estimated.
func used(doc *output.Diff, i int) (int64, string) {
	for k := range doc.Moments {
		if doc.Moments[k].Report.Memory.DumpUsedMem < 0 {
			return doc.Moments[i].Report.Memory.Estimate, "estimate"
		}
	}
	return doc.Moments[i].Report.Memory.DumpUsedMem, "used-mem"
}

// totals sets the sums of all moments side by side.
func (run *diffRun) totals(doc *output.Diff) aggregate.Table {
	t := aggregate.Table{Name: "totals", Title: "In all", Columns: []aggregate.Column{
		{Name: "metric", Kind: aggregate.Text, Doc: "what is counted; names that end in bytes are bytes"},
		{Name: "before", Kind: aggregate.Count, Doc: "at the first moment; empty if it is not known"},
		{Name: "after", Kind: aggregate.Count, Doc: "at the last moment"},
		{Name: "change", Kind: aggregate.Count, Doc: "after less before"},
		{Name: "per_hour", Kind: aggregate.Count, Doc: "change an hour; of more than two moments the slope by least squares"},
		{Name: "full_in_seconds", Kind: aggregate.Seconds, Doc: "how long until maxmemory is reached at this rate"},
	}}
	whole := doc.Filtered == ""
	_, from := used(doc, 0)
	for _, m := range []struct {
		name  string
		known bool
		full  bool // fills maxmemory
		value func(r *output.Report) int64
	}{
		{"keys", true, false, func(r *output.Report) int64 { return r.Totals.Keys }},
		{"bytes", true, false, func(r *output.Report) int64 { return r.Totals.Bytes }},
		{"elements", true, false, func(r *output.Report) int64 { return r.Totals.Elements }},
		{"no_ttl_keys", true, false, func(r *output.Report) int64 { return r.Totals.NoTTLKeys }},
		{"no_ttl_bytes", true, false, func(r *output.Report) int64 { return r.Totals.NoTTLBytes }},
		{"expired_keys", true, false, func(r *output.Report) int64 { return r.Totals.ExpiredKeys }},
		{"expired_bytes", true, false, func(r *output.Report) int64 { return r.Totals.ExpiredBytes }},
		{"tables_bytes", whole, false, func(r *output.Report) int64 { return r.Memory.Tables }},
		{"estimate_bytes", whole, from == "estimate", func(r *output.Report) int64 { return r.Memory.Estimate }},
		{"used_mem_bytes", whole && from == "used-mem", true, func(r *output.Report) int64 { return r.Memory.DumpUsedMem }},
	} {
		if !m.known {
			continue
		}
		value := func(i int) int64 { return m.value(doc.Moments[i].Report) }
		b, a := value(0), value(len(doc.Moments)-1)
		perHour, known := doc.Span.PerHour(value)
		full, fills := doc.Span.UntilFull(perHour)
		t.Rows = append(t.Rows, []aggregate.Cell{{S: m.name}, {I: b}, {I: a}, {I: a - b}, {I: perHour, Null: !known}, {I: full, Null: !fills || !m.full}})
	}
	return t
}

// settingsTable lists what is not the same of the servers and of how they were sized.
func settingsTable(before, after *output.Report) aggregate.Table {
	t := aggregate.Table{Name: "settings", Title: "Servers and limits that changed", Columns: []aggregate.Column{
		{Name: "setting", Kind: aggregate.Text, Doc: "what is not the same"},
		{Name: "before", Kind: aggregate.Text, Doc: "at the first moment"},
		{Name: "after", Kind: aggregate.Text, Doc: "at the last moment"},
	}}
	add := func(name, b, a string) {
		if b != a {
			t.Rows = append(t.Rows, []aggregate.Cell{{S: name}, {S: b}, {S: a}})
		}
	}
	all := func(r *output.Report, of func(*output.Source) string) string {
		var list []string
		for i := range r.Sources {
			if s := of(&r.Sources[i]); s != "" && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	server := func(s *output.Source) string { return s.Server }
	format := func(s *output.Source) string { return s.Format }
	add("server", all(before, server), all(after, server))
	add("format", all(before, format), all(after, format))
	add("line", before.Model.Line, after.Model.Line)
	add("cluster", strconv.FormatBool(before.Model.Cluster), strconv.FormatBool(after.Model.Cluster))
	add("dumps", strconv.Itoa(len(before.Sources)), strconv.Itoa(len(after.Sources)))
	was := make(map[string]output.Limit)
	for _, l := range before.Model.Limits {
		was[l.Name] = l
	}
	for _, l := range after.Model.Limits {
		if b, ok := was[l.Name]; ok {
			add(l.Name, b.Value, l.Value)
		}
	}
	return t
}

// notes says what makes the figures less than they look.
func (run *diffRun) notes(doc *output.Diff) {
	first, last := doc.Moments[0].Report, doc.Moments[len(doc.Moments)-1].Report
	damaged := func(s output.Source) bool { return s.Error != "" }
	if slices.ContainsFunc(doc.Moments, func(m output.Moment) bool { return slices.ContainsFunc(m.Report.Sources, damaged) }) {
		doc.Warnings = append(doc.Warnings, "What could not be read of a dump is missing from its moment: it looks like keys that went or came.")
	}
	if first.Model.Line != last.Model.Line {
		doc.Notes = append(doc.Notes, fmt.Sprintf("Sized as %s before and as %s after: a part of the change is the server's own. --target sizes both as one line.", first.Model.Line, last.Model.Line))
	}
	if run.filter.min > 0 {
		doc.Notes = append(doc.Notes, "--min-size holds at each moment: a key that grew past it looks new.")
	}
	switch {
	case run.noKeys:
	case run.grew == nil:
		doc.Notes = append(doc.Notes, "Which single keys grew is not known: that needs the dumps of the first and of the last moment.")
	case run.shrank == nil:
		doc.Notes = append(doc.Notes, "Which single keys shrank is not known: "+run.unseen+".")
	}
}

// finish writes the comparison and holds the rules against it.
func (run *diffRun) finish(doc *output.Diff, targets []reportTarget, readErr error) error {
	e, f := run.e, &run.reportFlags
	var broken []string // said with the true names, to whoever ran this
	for _, r := range f.rules {
		if text, is := r.broken(ruleRows(doc), nil); is {
			broken = append(broken, text)
		} else if text, is := r.idle(ruleRows(doc)); is {
			e.say("%s", text)
		}
	}
	hide, err := f.redact.redactor(run.opts)
	if err != nil {
		return usageError("%s", err)
	}
	if hide != nil {
		hide.Diff(doc)
	}
	std := false
	for _, t := range targets {
		std = std || t.path == "-"
		out, err := openSink(e, t.path)
		if err != nil {
			return err
		}
		if err := t.format.Diff(out.w, doc); err != nil {
			out.abort()
			return writeError(t.path, err)
		}
		if err := out.commit(); err != nil {
			return err
		}
	}
	if !std && !f.scan.quiet {
		w := bufio.NewWriter(stdoutWriter{e.stdout})
		color := f.color == "always" || f.color == "auto" && e.stdoutTerm && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
		width := 80
		if e.stdoutTerm {
			width = min(e.width, 120)
		}
		if err := output.WriteDiffText(w, doc, output.TextOptions{Width: width, Color: color, Top: f.patterns.top}); err != nil {
			return writeError("-", err)
		}
		if err := w.Flush(); err != nil {
			return writeError("-", err)
		}
	}
	for _, text := range broken {
		e.say("%s", text)
	}
	if readErr == nil && len(broken) > 0 {
		return &exitError{status: exitRule}
	}
	return readErr
}

// ruleRows are the changes; when all of them together fill maxmemory is what
// the totals say of the servers, not of the keys alone.
func ruleRows(doc *output.Diff) [][]aggregate.Cell {
	t := doc.Table("changes")
	rows := slices.Clone(t.Rows)
	if len(rows) == 0 {
		return rows
	}
	whole := aggregate.Cell{Null: true}
	for _, row := range doc.Table("totals").Rows {
		if full := row[len(row)-1]; !full.Null {
			whole = full
		}
	}
	rows[0] = slices.Clone(rows[0])
	for i, c := range t.Columns {
		if c.Name == "full_in_seconds" {
			rows[0][i] = whole
		}
	}
	return rows
}

// lookAgain feeds the largest keys of the first moment that a dump of the last
// has; all others are skipped by their names.
func (run *diffRun) lookAgain(d *scan.Dump) {
	if d.Config.Now = run.opts.Now; run.patterns.now == "" {
		d.Config.Now, _ = d.Moment()
	}
	var p *aggregate.Patterner
	if len(run.filter.in) > 0 {
		p, _ = aggregate.NewPatterner(run.opts)
	}
	passes := run.filter.keep(p)
	est := d.Estimator(run.scan.skip(), func(k *rdbparse.Key) bool {
		return run.shrank.Index(k.DB, k.Name) >= 0 && (passes == nil || passes(k))
	})
	var one [1]estimate.Record
	for {
		if est.Read(&one[0]) != nil {
			return // of what is wrong the first reading told
		}
		if run.filter.min > 0 && run.opts.Measure(&one[0]) < run.filter.min || d.Config.Loaded && one[0].ExpiredAt(d.Config.Now) {
			continue
		}
		run.shrank.LookUp(one[:])
	}
}
