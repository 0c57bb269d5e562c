package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

func reportCommand() command {
	return command{
		name: "report", args: "[FLAGS] DUMP...", short: "say where the memory goes (the default command)",
		long: `Reads dumps once and prints a summary; -o writes files beside it, in the format
of their ending or FORMAT=PATH, and - is stdout:

  rdbaudit report dump.rdb
  rdbaudit report dump.rdb -o report.html -o report.json -o csv:types=types.csv
  rdbaudit report --target valkey-8.1 dump.rdb
  rdbaudit report --maxmemory 8gb --maxmemory-policy allkeys-lru dump.rdb
  zcat dump.rdb.gz | rdbaudit report -
  rdbaudit report report.json -o report.html

With --maxmemory it also says which keys each maxmemory-policy would evict.
A report that was saved as JSON is rendered again without the dump.
` + rulesHelp,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var f reportFlags
			fs.StringArrayVarP(&f.outputs, "output", "o", nil, "write to PATH, or FORMAT=PATH (repeatable): "+formatExts())
			fs.StringVar(&f.format, "format", "", "format on stdout instead of the summary")
			fs.IntVar(&f.patterns.top, "top", 20, "length of the lists of largest patterns and keys")
			fs.BoolVarP(&f.scan.quiet, "quiet", "q", false, "no summary on stdout")
			fs.StringVar(&f.color, "color", "auto", "colours in the summary: auto, always or never")
			f.filter.add(fs)
			f.patterns.add(fs)
			fs.StringVar(&f.patterns.tableMemory, "table-memory", "64mb", "memory for all tables; when it is full, the smallest patterns fold")
			fs.IntVar(&f.scan.jobs, "jobs", runtime.GOMAXPROCS(0), "dumps read side by side, and workers that add up (default: one per CPU)")
			f.model.add(fs)
			fs.StringVar(&f.json, "json-values", "sample", "look for JSON in strings and in fields of hashes: full (all), sample (one key of every eight) or off")
			fs.BoolVar(&f.plain, "no-findings", false, "sums alone, without findings: takes up to a quarter less time")
			fs.StringArrayVar(&f.failOn, "fail-on", nil, "exit with 4 if this holds: 'no-ttl-bytes(session:*) > 1GB' (repeatable; metrics are the columns of the pattern table and, with --maxmemory, evicted-keys, evicted-bytes, evicted-share and short-bytes)")
			fs.StringVar(&f.eviction.growth, "growth", "", "with --maxmemory: new data that must fit too, such as 500mb; says what that evicts")
			fs.StringVar(&f.info, "info", "", "join the output of INFO, from FILE, to the reconciliation")
			f.redact.add(fs)
			f.scan.add(fs)
			f.set = fs
			return func(e *env, args []string) error { return f.run(e, args) }
		},
	}
}

type reportFlags struct {
	outputs  []string
	format   string
	color    string
	info     string
	json     string
	plain    bool
	failOn   []string
	rules    []*rule
	model    modelFlags
	eviction evictionFlags
	filter   filterFlags
	patterns patternFlags
	redact   redactFlags
	scan     scanFlags
	set      *pflag.FlagSet
}

func formatExts() string {
	var exts []string
	for _, f := range output.Formats() {
		exts = append(exts, f.Ext)
	}
	return strings.Join(exts, " ")
}

func formatNames() []string {
	var names []string
	for _, f := range output.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// reportTarget is an output of the report.
type reportTarget struct {
	path   string
	format output.Format
}

func (f *reportFlags) targets() ([]reportTarget, error) {
	var targets []reportTarget
	known := func(s string) bool { _, ok := output.FormatByName(s); return ok }
	for _, o := range f.outputs {
		t := parseTarget(o, known)
		if t.path == "" {
			return nil, usageError("-o takes a path")
		}
		if t.format != "" {
			format, _ := output.FormatByName(t.format)
			targets = append(targets, reportTarget{t.path, format})
			continue
		}
		if t.path == "-" { // in --format, if that was given
			name := f.format
			if name == "" {
				name = "text"
			}
			format, ok := output.FormatByName(name)
			if !ok {
				break
			}
			targets = append(targets, reportTarget{"-", format})
			continue
		}
		format, ok := output.FormatByExt(filepath.Ext(t.path))
		if !ok {
			return nil, usageError("-o %s: no format goes by that ending; there are %s; or name one: FORMAT=PATH with %s, csv:TABLE or parquet:TABLE", o, formatExts(), strings.Join(formatNames(), ", "))
		}
		targets = append(targets, reportTarget{t.path, format})
	}
	if f.format != "" {
		format, ok := output.FormatByName(f.format)
		if !ok {
			return nil, usageError("--format %q is not a format of reports; there are %s, csv:TABLE and parquet:TABLE", f.format, strings.Join(formatNames(), ", "))
		}
		if !slices.Contains(f.outputs, "-") {
			targets = append(targets, reportTarget{"-", format})
		}
	}
	seen := make(map[string]bool)
	for _, t := range targets {
		if seen[t.path] && t.path == "-" {
			return nil, usageError("only one output can go to stdout")
		} else if seen[t.path] && t.path != os.DevNull {
			return nil, usageError("two outputs go to %s", t.path)
		}
		seen[t.path] = true
	}
	// Stdout comes last: files are wanted whole even if its reader leaves.
	if i := slices.IndexFunc(targets, func(t reportTarget) bool { return t.path == "-" }); i >= 0 {
		std := targets[i]
		targets = append(slices.Delete(targets, i, i+1), std)
	}
	return targets, nil
}

func (f *reportFlags) run(e *env, args []string) error {
	if err := firstError(f.model.check, f.filter.check, f.scan.check, f.redact.check); err != nil {
		return err
	}
	opts, err := f.patterns.options()
	if err != nil {
		return err
	}
	if f.patterns.top < 1 {
		return usageError("--top must be at least 1")
	}
	if f.scan.jobs < 1 {
		return usageError("--jobs must be at least 1")
	}
	if f.color != "auto" && f.color != "always" && f.color != "never" {
		return usageError("--color is auto, always or never, not %q", f.color)
	}
	if _, ok := jsonEvery[f.json]; !ok {
		return usageError("--json-values is full, sample or off, not %q", f.json)
	}
	for _, text := range f.failOn {
		r, err := parseRule(fmt.Sprintf("--fail-on %q", text), text)
		if err != nil {
			return err
		}
		f.rules = append(f.rules, r)
	}
	f.rules = append(f.rules, f.patterns.rules.fails...)
	targets, err := f.targets()
	if err != nil {
		return err
	}
	if saved, err := savedReport(args); err != nil {
		return err
	} else if saved != nil {
		return f.renderSaved(e, saved, args[0], targets, opts)
	}
	var info serverInfo
	if f.info != "" {
		if info, err = readInfo(f.info); err != nil {
			return err
		}
		if max, ok := info.number("maxmemory"); ok && max > 0 && f.model.options["maxmemory"] == "" {
			f.model.options["maxmemory"] = info["maxmemory"]
		}
		if policy := info["maxmemory_policy"]; policy != "" && f.model.options["maxmemory-policy"] == "" {
			f.model.options["maxmemory-policy"] = policy
		}
	}
	if err := f.eviction.check(&f.model, f.filter.active); err != nil {
		return err
	}
	opts.Eviction = f.eviction.max > 0 && !f.filter.active
	for _, r := range f.rules {
		if r.evicted && (!opts.Eviction || f.eviction.policy == "") {
			return usageError("%s: needs --maxmemory and --maxmemory-policy, or --config or --info that have them, and no filter", r.from)
		}
	}
	inputs, err := expand(args)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := checkSink(e, t.path); err != nil {
			return err
		}
	}
	run := &reportRun{f: f, e: e, opts: opts, inputs: inputs, info: info}
	rep, readErr := run.read()
	if rep == nil {
		return readErr
	}
	return f.finish(e, rep, targets, opts, run.plan, readErr)
}

// finish writes a report and holds the rules against it.
func (f *reportFlags) finish(e *env, rep *output.Report, targets []reportTarget, opts *aggregate.Options, plan *aggregate.EvictionPlan, readErr error) error {
	var broken []string // said with the true names, to whoever ran this
	if t := rep.Table("patterns"); t != nil {
		for _, r := range f.rules {
			if text, is := r.broken(t.Rows, plan.InForce()); is {
				broken = append(broken, text)
			}
		}
	}
	hide, err := f.redact.redactor(opts)
	if err != nil {
		return usageError("%s", err)
	}
	if hide != nil {
		hide.Report(rep)
	}
	if err := f.write(e, rep, targets); err != nil {
		return err
	}
	for _, text := range broken {
		fmt.Fprintln(e.stderr, "rdbaudit: "+text)
	}
	if readErr == nil && len(broken) > 0 {
		return &exitError{exitRule, nil}
	}
	return readErr
}

// write renders the report everywhere it was asked for.
func (f *reportFlags) write(e *env, rep *output.Report, targets []reportTarget) error {
	std := false
	for _, t := range targets {
		std = std || t.path == "-"
		out, err := openSink(e, t.path)
		if err != nil {
			return err
		}
		if err := t.format.Write(out.w, rep); err != nil {
			out.abort()
			return writeError(t.path, err)
		}
		if err := out.commit(); err != nil {
			return err
		}
	}
	if std || f.scan.quiet {
		return nil
	}
	w := bufio.NewWriter(stdoutWriter{e.stdout})
	color := f.color == "always" || f.color == "auto" && e.stdoutTerm && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
	width := 80
	if e.stdoutTerm {
		width = min(e.width, 120)
	}
	if err := output.WriteText(w, rep, output.TextOptions{Width: width, Color: color}); err != nil {
		return writeError("-", err)
	}
	if err := w.Flush(); err != nil {
		return writeError("-", err)
	}
	return nil
}

// reportRun reads all dumps of one report.
type reportRun struct {
	f       *reportFlags
	e       *env
	opts    *aggregate.Options
	info    serverInfo
	nowFrom string
	inputs  []source.Input
	dumps   []*dump
	gone    []error // of inputs that could not be opened, by index
	expired []life
	plan    *aggregate.EvictionPlan // nil: nobody asked
}

// jsonEvery is of how many string values one is looked at.
var jsonEvery = map[string]uint32{"full": 1, "sample": sampleEvery, "off": 0}

// sampleEvery is of how many keys one is looked at closely, the same ones that
// are sampled for JSON.
const sampleEvery = 8

// life counts the keys that a loading server would leave out.
type life struct{ keys, bytes int64 }

func (run *reportRun) read() (*output.Report, error) {
	n := len(run.inputs)
	run.dumps, run.gone, run.expired = make([]*dump, n), make([]error, n), make([]life, n)
	// The first readable head gives the moment.
	run.nowFrom = "--now"
	at := 0
	for ; at < n; at++ {
		if run.dumps[at], run.gone[at] = openDump(run.e, run.inputs[at], &run.f.model); run.gone[at] == nil {
			break
		}
	}
	if at < n && run.f.patterns.now == "" {
		run.opts.Now, run.nowFrom = dumpTime(run.e, run.inputs, run.dumps[at])
	}
	jobs := run.f.scan.jobs
	w, err := newWorkers(run.opts, max(1, min(jobs, 8)))
	if err != nil {
		return nil, usageError("%s", err)
	}
	read := &readBytes{}
	var current sync.Map
	p := startProgress(run.e, run.f.scan.progress, totalSize(run.inputs), read.sum, func() string {
		label := ""
		current.Range(func(k, v any) bool { label = v.(string); return false })
		return label
	})
	defer p.end()
	slots := make(chan struct{}, max(1, jobs))
	var wait sync.WaitGroup
	for i := at; i < n; i++ {
		slots <- struct{}{}
		if run.e.ctx.Err() != nil {
			break
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() { <-slots }()
			label := baseName(run.inputs[i].Path)
			if n > 1 {
				label = fmt.Sprintf("%d of %d %s", i+1, n, label)
			}
			current.Store(i, label)
			defer current.Delete(i)
			run.readOne(i, w, read)
		}()
	}
	wait.Wait()
	set, err := w.end()
	p.end()
	if err != nil {
		return nil, failed(err)
	}
	if run.e.ctx.Err() != nil {
		return nil, run.e.ctx.Err()
	}
	return run.finish(set)
}

// readOne feeds one dump's records to the workers.
func (run *reportRun) readOne(i int, w *workers, read *readBytes) {
	d := run.dumps[i]
	if d == nil {
		if d, run.gone[i] = openDump(run.e, run.inputs[i], &run.f.model); run.gone[i] != nil {
			return
		}
		run.dumps[i] = d
	}
	defer d.close()
	read.follow(d.stream)
	var keep *aggregate.Patterner
	if len(run.f.filter.in) > 0 {
		keep, _ = aggregate.NewPatterner(run.opts)
	}
	if d.config.Now = run.opts.Now; !run.f.plain {
		d.config.Audit, d.config.JSON, d.config.Sample = true, jsonEvery[run.f.json], sampleEvery
	}
	est := d.estimator(&run.f.scan, run.f.filter.keep(keep))
	est.WantLargest = w.wantLargest
	b := <-w.free
	var err error
	for {
		rec := b.next()
		if err = est.Read(rec); err != nil {
			break
		}
		if run.f.filter.min > 0 && run.opts.Measure(rec) < run.f.filter.min {
			continue
		}
		if d.config.Loaded && rec.ExpiredAt(run.opts.Now) {
			run.expired[i].keys++
			run.expired[i].bytes += run.opts.Measure(rec)
			continue
		}
		rec.Source = int32(i)
		b.keep(rec)
		if b.full() {
			w.full <- b
			b = <-w.free
			if run.e.ctx.Err() != nil {
				break
			}
		}
	}
	w.full <- b
	d.proven = est.Proven()
	if run.e.ctx.Err() == nil {
		d.finish(err)
	}
}

// finish makes the report of what was read.
func (run *reportRun) finish(set *aggregate.Set) (*output.Report, error) {
	rep := &output.Report{
		Version: version(), Now: run.opts.Now, NowFrom: run.nowFrom, Measure: run.f.patterns.measure, Filtered: run.f.filter.words(),
	}
	ends := &endings{}
	var models []string
	for i, d := range run.dumps {
		if run.gone[i] != nil {
			ends.unreadable(run.gone[i])
			rep.Sources = append(rep.Sources, output.Source{Path: run.inputs[i].Path, Size: run.inputs[i].Size, UsedMem: -1, Error: run.gone[i].Error()})
			rep.Warnings = append(rep.Warnings, run.gone[i].Error())
			continue
		}
		ends.add(d)
		rep.Sources = append(rep.Sources, d.src)
		run.warn(rep, d)
		if run.expired[i].keys > 0 {
			rep.Notes = append(rep.Notes, fmt.Sprintf("%s: %s keys had expired by the dump's moment (%s); a primary leaves them out when it loads, and so do these sums",
				baseName(d.in.Path), output.Count(run.expired[i].keys), output.Bytes(run.expired[i].bytes)))
		}
		models = append(models, d.config.Line.Name)
	}
	status := ends.result(run.e)
	if ends.read == 0 {
		return nil, status
	}
	rep.Totals = *set.Totals()
	run.f.filter.hint(run.e, rep.Totals.Keys, run.opts.Separators)
	run.memory(rep)
	run.model(rep, models)
	rep.Tables = set.Tables()
	run.plan = run.eviction(rep, set)
	options := run.auditOptions(rep)
	options.Eviction = run.plan
	if !run.f.plain {
		rep.Tables = append(rep.Tables, aggregate.FindingsTable(set.Findings(rep.Tables, options)))
	}
	if run.plan != nil {
		rep.Tables = append(rep.Tables, aggregate.EvictionTable(run.plan))
	}
	if run.info != nil {
		rep.Tables = append(rep.Tables, run.info.table())
	}
	run.notes(rep)
	return rep, status
}

// auditOptions says what findings need to know of the run.
func (run *reportRun) auditOptions(rep *output.Report) aggregate.AuditOptions {
	o := aggregate.AuditOptions{
		JSONEvery: int64(jsonEvery[run.f.json]), Sample: sampleEvery, Model: run.dumps[first(run.gone)].config, Line: rep.Model.Line,
		Config: run.f.model.options,
	}
	damaged := false
	for i, in := range run.inputs {
		o.Sources = append(o.Sources, baseName(in.Path))
		if d := run.dumps[i]; run.gone[i] != nil || d.err != nil {
			damaged = true
		} else {
			o.Outside = append(o.Outside, d.r.Info().ModuleAux...)
		}
	}
	// Of a part of the keys, or on another server, there is nothing to be explained.
	if run.f.model.target == "" && rep.Filtered == "" && !damaged {
		o.UsedMemory, o.Estimate = rep.Memory.DumpUsedMem, rep.Memory.Estimate
	}
	return o
}

// first is the index of the first input that could be opened.
func first(gone []error) int {
	for i, err := range gone {
		if err == nil {
			return i
		}
	}
	return 0
}

// warn says what the first lines of a report must say of a dump.
func (run *reportRun) warn(rep *output.Report, d *dump) {
	name := baseName(d.in.Path)
	if d.err != nil {
		part := ""
		if d.in.Size > 0 && !d.compressed && d.src.Bytes < d.in.Size {
			part = fmt.Sprintf(" This is %s of its %s.", output.Share(float64(d.src.Bytes)/float64(d.in.Size)), output.Bytes(d.in.Size))
		}
		rep.Warnings = append(rep.Warnings, fmt.Sprintf("%s is damaged: %s. %s keys were read from %s bytes.%s",
			name, d.src.Error, output.Count(d.src.Keys), output.Count(d.src.Bytes), part))
	}
	if d.src.Trailing != "" {
		rep.Warnings = append(rep.Warnings, name+": "+d.src.Trailing)
	}
	if why := d.config.Line.Refuses(d.r.Info()); why != "" {
		rep.Warnings = append(rep.Warnings, name+": "+why+" and would refuse to load it; the figures say what it would hold if it did")
	}
	if !d.verified {
		rep.Warnings = append(rep.Warnings, fmt.Sprintf("%s: no line of its own for this server; the sizes are those of %s (%s), not verified", name, d.config.Line.Name, d.from))
	}
	if info := d.r.Info(); info.Foreign > 0 {
		rep.Warnings = append(rep.Warnings, fmt.Sprintf("%s: %s records of another vendor were skipped", name, output.Count(info.Foreign)))
	}
	if info := d.r.Info(); d.err == nil && len(info.Hints) > 0 && run.f.filter.words() == "" && info.HintKeys != uint64(d.src.Keys) {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s announces %d keys and holds %d", name, info.HintKeys, d.src.Keys))
	}
}

// memory reconciles the keys with the server's own figure.
func (run *reportRun) memory(rep *output.Report) {
	t := &rep.Totals
	m := &rep.Memory
	m.Keys, m.Slack, m.Opaque = t.Alloc, t.Slack, t.OpaqueBytes
	if t.Bytes > 0 {
		m.ExpectedPart = float64(t.ChanceBytes) / float64(t.Bytes)
	}
	variance := t.AllocVar
	list, other := t.Dicts()
	for i, d := range run.dumps {
		if run.gone[i] != nil {
			continue
		}
		b, v := dictionaries(&d.config, list, int32(i))
		m.Tables += b
		variance += v
	}
	if other.Keys > 0 { // of more databases than are told apart: as if they were one
		for i, d := range run.dumps {
			if run.gone[i] == nil {
				b, v := d.config.Tables(other.Keys, other.TTLKeys)
				m.Tables += b
				variance += v
				break
			}
		}
	}
	m.DumpUsedMem = -1
	known := true
	sum := int64(0)
	for i, d := range run.dumps {
		if run.gone[i] != nil {
			continue
		}
		m.Startup += d.config.Startup()
		if d.src.UsedMem < 0 {
			known = false
		} else {
			sum += d.src.UsedMem
		}
	}
	if known {
		m.DumpUsedMem = sum
	}
	if run.info != nil {
		// The server's own figures, where it gave them.
		if n, ok := run.info.number("used_memory_startup"); ok {
			m.Startup = n
		}
		if n, ok := run.info.number("used_memory"); ok {
			m.DumpUsedMem = n
			rep.Notes = append(rep.Notes, "used memory and start-up are those of --info, asked at another moment than the dump was made")
		}
	}
	m.ExpectedSD = isqrt(variance)
	m.Estimate = m.Keys + m.Tables + m.Startup
}

// dictionaries sums what the dictionaries of one dump take: of each database,
// and of each slot where the server has them apart. Bytes, and their variance.
func dictionaries(c *estimate.Config, list []aggregate.Dict, source int32) (bytes, variance int64) {
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

func isqrt(n int64) int64 {
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
func (run *reportRun) model(rep *output.Report, names []string) {
	sort.Strings(names)
	var distinct []string
	for _, n := range names {
		if len(distinct) == 0 || distinct[len(distinct)-1] != n {
			distinct = append(distinct, n)
		}
	}
	var first *dump
	verified, cluster := true, false
	var proven estimate.Limits
	for _, d := range run.dumps {
		if d == nil || d.config.Line == nil {
			continue
		}
		if first == nil {
			first = d
		}
		verified = verified && d.verified
		cluster = cluster || d.config.Cluster
		for _, s := range estimate.Settings() {
			*s.Field(&proven) = max(*s.Field(&proven), *s.Field(&d.proven))
		}
	}
	m := &rep.Model
	m.Line, m.From, m.Verified, m.Cluster = strings.Join(distinct, ", "), first.from, verified, cluster
	m.Allocator = first.config.Allocator.String()
	m.View = "live"
	if first.config.Loaded {
		m.View = "loaded"
	}
	for _, s := range estimate.Settings() {
		value := *s.Field(&first.config.Limits)
		from := "default"
		for _, name := range []string{s.Name, s.Old} {
			if o := run.f.model.origin[name]; o != "" {
				from = o
			}
		}
		if p := *s.Field(&proven); p > value && value >= 0 && from == "default" {
			value, from = p, "the dump proves at least this"
		}
		m.Limits = append(m.Limits, output.Limit{Name: s.Name, Value: strconv.FormatInt(value, 10), From: from})
	}
}

// notes lists what was not guessed.
func (run *reportRun) notes(rep *output.Report) {
	t := &rep.Totals
	if t.HistoryKeys > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s collections are hash tables or skip lists although they would fit a packed encoding: they were larger once. "+
			"A restart packs them; how large their tables still are the dump cannot say.", output.Count(t.HistoryKeys)))
	}
	if t.Slack > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s is room that streams keep in their last node; a restart gives it back.", output.Bytes(t.Slack)))
	}
	for _, d := range run.dumps {
		if d == nil || d.r == nil {
			continue
		}
		info := d.r.Info()
		if info.Functions > 0 {
			rep.Notes = append(rep.Notes, fmt.Sprintf("%s holds %d libraries of functions, %s of source; what their engine takes is not in the sums.",
				baseName(d.in.Path), info.Functions, output.Bytes(info.FunctionBytes)))
		}
		if len(info.ModuleAux) > 0 {
			rep.Notes = append(rep.Notes, fmt.Sprintf("%s holds data of modules outside of keys: %s.", baseName(d.in.Path), strings.Join(info.ModuleAux, ", ")))
		}
	}
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(strings.TrimSpace(s), 10, 64) }
