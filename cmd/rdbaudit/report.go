package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
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
  rdbaudit report shard-1.rdb -q -o shard-1.rdbaudit

With --maxmemory it also says which keys each maxmemory-policy would evict.
A report that was saved as JSON is rendered again without the dump. A part
(.rdbaudit) holds the sums themselves: rdbaudit merge makes one report of many.
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
			fs.StringVar(&f.json, "json-values", "sample", "look for JSON in strings and in fields of hashes: full (all), sample (one key of every eight, fewer of a large database) or off")
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
	also     func() func([]estimate.Record) // makes for each worker who else looks at the records; nil: nobody
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
	targets, err := reportTargets(f.outputs, f.format)
	for _, t := range targets {
		if t.format.Name == "part" && f.redact.on {
			return nil, usageError("-o %s: a part holds names as they are; --redact is for what merge makes of it", t.path)
		}
	}
	return targets, err
}

// reportTargets reads -o and --format.
func reportTargets(outputs []string, stdout string) ([]reportTarget, error) {
	var targets []reportTarget
	known := func(s string) bool { _, ok := output.FormatByName(s); return ok }
	for _, o := range outputs {
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
			name := stdout
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
		format, ok := output.FormatByExt(filepath.Ext(source.Shown(t.path)))
		if !ok {
			return nil, usageError("-o %s: no format goes by that ending; there are %s; or name one: FORMAT=PATH with %s, csv:TABLE or parquet:TABLE", source.Shown(o), formatExts(), strings.Join(formatNames(), ", "))
		}
		targets = append(targets, reportTarget{t.path, format})
	}
	if stdout != "" {
		format, ok := output.FormatByName(stdout)
		if !ok {
			return nil, usageError("--format %q is not a format of reports; there are %s, csv:TABLE and parquet:TABLE", stdout, strings.Join(formatNames(), ", "))
		}
		if !slices.Contains(outputs, "-") {
			targets = append(targets, reportTarget{"-", format})
		}
	}
	seen := make(map[string]bool)
	for _, t := range targets {
		if seen[t.path] && t.path == "-" {
			return nil, usageError("only one output can go to stdout")
		} else if seen[t.path] && t.path != os.DevNull {
			return nil, usageError("two outputs go to %s", source.Shown(t.path))
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

// checkColor looks at --color.
func (f *reportFlags) checkColor() error {
	if f.color != "auto" && f.color != "always" && f.color != "never" {
		return usageError("--color is auto, always or never, not %q", f.color)
	}
	return nil
}

// parseRules reads the rules of --fail-on.
func (f *reportFlags) parseRules() error {
	for _, text := range f.failOn {
		r, err := parseRule(fmt.Sprintf("--fail-on %q", text), text)
		if err != nil {
			return err
		}
		f.rules = append(f.rules, r)
	}
	return nil
}

// takeInfo reads --info, and takes from it what no flag says.
func (f *reportFlags) takeInfo() (serverInfo, error) {
	info, err := readInfo(f.info)
	if err != nil {
		return nil, err
	}
	if max, ok := info.number("maxmemory"); ok && max > 0 && f.model.options["maxmemory"] == "" {
		f.model.options["maxmemory"] = info["maxmemory"]
	}
	if policy := info["maxmemory_policy"]; policy != "" && f.model.options["maxmemory-policy"] == "" {
		f.model.options["maxmemory-policy"] = policy
	}
	return info, nil
}

// checkEvictedRules refuses rules on eviction where it is not counted.
func (f *reportFlags) checkEvictedRules(counted bool) error {
	for _, r := range f.rules {
		if r.evicted && (!counted || f.eviction.max == 0 || f.eviction.policy == "") {
			return usageError("%s: needs --maxmemory and --maxmemory-policy, or --config or --info that have them, and no filter", r.from)
		}
	}
	return nil
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
	if _, ok := jsonEvery[f.json]; !ok {
		return usageError("--json-values is full, sample or off, not %q", f.json)
	}
	if err := firstError(f.checkColor, f.parseRules); err != nil {
		return err
	}
	targets, err := f.targets()
	if err != nil {
		return err
	}
	parts, dumps := splitParts(args, false)
	if len(parts) > 0 && len(dumps) == 0 {
		return f.withParts(e, parts, nil, targets, opts)
	}
	f.rules = append(f.rules, f.patterns.rules.fails...)
	if saved, err := savedReport(args); err != nil {
		return err
	} else if saved != nil {
		return f.renderSaved(e, saved, args[0], targets, opts)
	}
	var info serverInfo
	if f.info != "" {
		if info, err = f.takeInfo(); err != nil {
			return err
		}
	}
	if err := f.eviction.check(&f.model, f.filter.active); err != nil {
		return err
	}
	opts.Eviction = f.eviction.max > 0 && !f.filter.active
	if err := f.checkEvictedRules(opts.Eviction); err != nil {
		return err
	}
	if len(parts) > 0 {
		f.rules = f.rules[:len(f.rules)-len(f.patterns.rules.fails)] // they come with the parts
		return f.withParts(e, parts, dumps, targets, opts)
	}
	inputs, err := expand(e, args)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := checkSink(e, t.path); err != nil {
			return err
		}
	}
	// Three quarters of the tables may well be filled before there is any garbage.
	tables := min(cmp.Or(opts.TableMemory, aggregate.DefaultTableMemory), aggregate.DefaultTableMemory)
	defer collectAfter(lateHeap+tables*3/4, 25)()
	part, err := f.read(e, inputs, opts)
	if err != nil {
		return err
	}
	return f.render(e, part, targets, opts, info)
}

// render makes a report of a part and writes it.
func (f *reportFlags) render(e *env, part *scan.Part, targets []reportTarget, opts *aggregate.Options, info serverInfo) error {
	ends := endingsOf(part)
	status := ends.result(e)
	if ends.read == 0 {
		return status
	}
	f.filter.hint(e, part.Set.Totals().Keys, opts.Separators)
	v := f.eviction
	rep, plan := part.Report(&scan.View{Version: version(), Info: info, Max: v.max, Growth: v.more, Policy: v.policy, Samples: v.samples})
	rep.Part = part
	if info != nil {
		rep.Tables = append(rep.Tables, info.table())
	}
	return f.finish(e, rep, targets, opts, plan, status)
}

// finish writes a report and holds the rules against it.
func (f *reportFlags) finish(e *env, rep *output.Report, targets []reportTarget, opts *aggregate.Options, plan *aggregate.EvictionPlan, readErr error) error {
	var broken []string // said with the true names, to whoever ran this
	if t := rep.Table("patterns"); t != nil {
		for _, r := range f.rules {
			if text, is := r.broken(t.Rows, plan.InForce()); is {
				broken = append(broken, text)
			} else if text, is := r.idle(t.Rows); is {
				e.say("%s", text)
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
		e.say("%s", text)
	}
	if readErr == nil && len(broken) > 0 {
		return &exitError{status: exitRule}
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

// jsonEvery is of how many string values one is looked at.
var jsonEvery = map[string]uint32{"full": 1, "sample": scan.SampleEvery, "off": 0}

// read reads the dumps into a part. A nil part comes with what to end with.
func (f *reportFlags) read(e *env, inputs []source.Input, opts *aggregate.Options) (*scan.Part, error) {
	shown, begun := &scan.Progress{}, time.Now()
	o := &scan.Options{
		How:     scan.How{Model: *f.model.model(), Filtered: f.filter.words(), Now: opts.Now, NowGiven: f.patterns.now != "", Findings: !f.plain, JSONEvery: jsonEvery[f.json]},
		Version: version(), Aggregate: opts, Min: f.filter.min, SkipBad: f.scan.skip(), Jobs: f.scan.jobs, Stdin: e.stdin, Progress: shown, Also: f.also,
		Elapsed: func() time.Duration { return time.Since(begun) },
	}
	if f.filter.active {
		o.Keep = func() func(*rdbparse.Key) bool {
			p, _ := aggregate.NewPatterner(opts) // each has scratch space of its own
			return f.filter.keep(p)
		}
	}
	p := startProgress(e, f.scan.progress, totalSize(inputs), shown.Bytes, func() string { return dumpsLabel(shown, len(inputs)) })
	defer p.end()
	part, err := scan.Run(e.ctx, inputs, o)
	p.end()
	if err != nil {
		if e.ctx.Err() != nil {
			return nil, err
		}
		return nil, usageError("%s", err)
	}
	return part, nil
}

// dumpsLabel says which of n dumps are being read.
func dumpsLabel(p *scan.Progress, n int) string {
	done, names := p.Now()
	if len(names) == 0 {
		return ""
	}
	label := names[0]
	if more := len(names) - 1; more > 0 {
		label += fmt.Sprintf(" and %d more", more)
	}
	if n > 1 {
		label = fmt.Sprintf("%d of %d done, %s", done, n, label)
	}
	return label
}

// endingsOf is how the dumps of a part ended.
func endingsOf(part *scan.Part) *endings {
	ends := &endings{}
	for i := range part.Dumps {
		f := &part.Dumps[i]
		if !f.Open {
			ends.unreadable(errors.New(f.Source.Error))
			continue
		}
		ends.add(&f.Source)
	}
	return ends
}
