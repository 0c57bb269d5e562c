package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

const usage = `usage: rdbaudit-beam --output PREFIX [FLAGS] DUMP...

Reads the dumps of a fleet on Apache Beam, and writes below PREFIX:

  fleet/report.html .json .csv, part.rdbaudit      all dumps
  clusters/cluster=NAME/...                        the same of each cluster
  unreadable.csv                                   what could not be read, and why
  keys/cluster=NAME/date=DAY/*.parquet             a row for each key, with --keys
  run.json                                         options, versions and inputs

DUMP is a file, a directory or a glob, here or in s3:// gs:// azblob://. --manifest has a line for each dump:
its cluster, a space or a tab, its path. Dumps given as arguments are of the
cluster --name.

  rdbaudit-beam --output out backups/*.rdb.gz
  rdbaudit-beam --output /mnt/reports --manifest fleet.txt \
      --runner flink --endpoint jobserver:8099 --environment_type EXTERNAL --environment_config localhost:50000

Exit status: 0 all read; 2 wrong usage; 3 some dumps could not be read whole;
1 anything else. The flags of Beam's own runners are in README.md.

`

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// options are the flags. Those that rdbaudit report has too are called as there
// and mean the same.
type options struct {
	output, manifest, name, formats string
	pool                            int
	keys                            bool

	target, as, allocator, cluster, config, maxmemory, policy string
	limits                                                    map[string]*string
	separators, patterns                                      list
	depth, top                                                int
	measure, now, json, onError, memory                       string
	plain                                                     bool
}

func (o *options) add(fs *flag.FlagSet) {
	fs.StringVar(&o.output, "output", "", "where all of it goes: a directory that all workers see, or s3:// gs:// azblob://")
	fs.StringVar(&o.manifest, "manifest", "", "read clusters and paths of dumps from FILE")
	fs.StringVar(&o.name, "name", "fleet", "cluster of the dumps that are given as arguments")
	fs.StringVar(&o.formats, "formats", "html,json,csv", "reports to write: "+strings.Join(names(), ", "))
	fs.BoolVar(&o.keys, "keys", false, "write a row for each key too, as Parquet")
	fs.IntVar(&o.pool, "pool", 0, "dumps that a bundle reads side by side (default: one per CPU on prism, else 1: the runner has its own)")

	fs.StringVar(&o.target, "target", "", "as of rdbaudit report: "+strings.Join(estimate.LineNames(), ", "))
	fs.StringVar(&o.as, "as", "", "as of rdbaudit report: live or loaded")
	fs.StringVar(&o.allocator, "allocator", "jemalloc", "as of rdbaudit report")
	fs.StringVar(&o.cluster, "cluster", "auto", "as of rdbaudit report: cluster mode auto, on or off")
	fs.StringVar(&o.config, "config", "", "as of rdbaudit report: a redis.conf or the output of CONFIG GET")
	fs.StringVar(&o.maxmemory, "maxmemory", "", "as of rdbaudit report: of each server")
	fs.StringVar(&o.policy, "maxmemory-policy", "", "as of rdbaudit report")
	o.limits = make(map[string]*string)
	for _, s := range estimate.Settings() {
		o.limits[s.Name] = fs.String(s.Name, "", "the servers' "+s.Name)
	}
	fs.Var(&o.separators, "separator", "as of rdbaudit report (repeatable; default :)")
	fs.Var(&o.patterns, "pattern", "as of rdbaudit report (repeatable)")
	fs.IntVar(&o.depth, "depth", 6, "as of rdbaudit report")
	fs.IntVar(&o.top, "top", 20, "as of rdbaudit report")
	fs.StringVar(&o.measure, "measure", "allocated", "as of rdbaudit report: allocated or usage")
	fs.StringVar(&o.now, "now", "", "as of rdbaudit report: RFC 3339 or unix seconds (default: when each dump was made)")
	fs.StringVar(&o.json, "json-values", "sample", "as of rdbaudit report: full, sample or off")
	fs.StringVar(&o.onError, "on-error", "stop", "as of rdbaudit report: stop or skip")
	fs.StringVar(&o.memory, "table-memory", "64mb", "as of rdbaudit report, of each part and of each merge")
	fs.BoolVar(&o.plain, "no-findings", false, "as of rdbaudit report")
}

func names() (list []string) {
	for _, f := range output.Formats() {
		if f.Name != "part" {
			list = append(list, f.Name)
		}
	}
	return list
}

// oneOf says that a flag has a value it cannot have.
func oneOf(flag, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("--%s is one of %s, not %q", flag, strings.Join(values, ", "), value)
}

// job is what the flags say.
func (o *options) job(version string, prism bool) (Job, error) {
	j := Job{Version: version, Output: o.output, Keys: o.keys, Pool: o.pool, SkipBad: o.onError == "skip"}
	if o.output == "" {
		return j, errors.New("--output says where the reports go; it is missing")
	}
	if !prism {
		j.Pool = max(1, o.pool)
	} else if o.pool == 0 {
		j.Pool = runtime.NumCPU()
	}
	if err := errors.Join(oneOf("measure", o.measure, "allocated", "usage"), oneOf("on-error", o.onError, "stop", "skip"), oneOf("json-values", o.json, "full", "sample", "off"),
		oneOf("cluster", o.cluster, "auto", "on", "off"), oneOf("as", o.as, "", "live", "loaded")); err != nil {
		return j, err
	}
	for _, name := range strings.Split(o.formats, ",") {
		if err := oneOf("formats", name, names()...); err != nil {
			return j, err
		}
		j.Formats = append(j.Formats, name)
	}
	if _, ok := estimate.ParseAllocator(o.allocator); !ok {
		return j, fmt.Errorf("--allocator is jemalloc, jemalloc-q16 or libc, not %q", o.allocator)
	}
	if _, _, ok := estimate.Lookup(o.target); o.target != "" && !ok {
		return j, oneOf("target", o.target, estimate.LineNames()...)
	} else if o.target != "" && o.as == "live" {
		return j, errors.New("--target says what another server would make of the dump on loading; it does not go with --as live")
	}
	memory, err := estimate.ParseSize(o.memory)
	if err != nil || memory < 1<<20 {
		return j, fmt.Errorf("--table-memory takes a size of at least 1mb, not %q", o.memory)
	}
	j.How = scan.How{Findings: !o.plain, JSONEvery: map[string]uint32{"full": 1, "sample": scan.SampleEvery}[o.json]}
	if j.How.Model, err = o.model(); err != nil {
		return j, err
	}
	m := &j.How.Model
	if text := m.Options["maxmemory"]; text != "" {
		if j.Max, err = estimate.ParseSize(text); err != nil {
			return j, fmt.Errorf("--maxmemory: %w", err)
		}
	}
	j.Policy = strings.ToLower(m.Options["maxmemory-policy"])
	if aggregate.PolicyByName(j.Policy) == nil {
		if o.policy != "" {
			return j, oneOf("maxmemory-policy", o.policy, aggregate.PolicyNames()...)
		}
		j.Policy = ""
	}
	j.Samples, _ = strconv.Atoi(m.Options["maxmemory-samples"])
	if len(o.separators) == 0 {
		o.separators = list{":"}
	}
	if o.depth < 1 || o.top < 1 {
		return j, errors.New("--depth and --top must be at least 1")
	}
	j.Aggregate = aggregate.Options{Usage: o.measure == "usage", Separators: o.separators, Depth: o.depth, Top: o.top,
		Patterns: o.patterns, Owners: make([]string, len(o.patterns)), Eviction: j.Max > 0, TableMemory: memory}
	if o.now != "" {
		if j.Aggregate.Now, err = moment(o.now); err != nil {
			return j, err
		}
		j.How.Now, j.How.NowGiven = j.Aggregate.Now, true
	}
	return j, j.Aggregate.Check()
}

func moment(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n * 1000, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("--now %q is neither RFC 3339 (2026-11-22T15:04:05Z) nor unix seconds", s)
}

// model says under which servers keys are sized.
func (o *options) model() (scan.Model, error) {
	m := scan.Model{Target: o.target, As: o.as, Allocator: o.allocator, Cluster: o.cluster, Options: scan.Config{}, Origin: scan.Config{}}
	if o.config != "" {
		data, err := os.ReadFile(o.config)
		if err != nil {
			return m, fmt.Errorf("--config: %w", err)
		}
		for name, value := range scan.ParseConfig(data) {
			m.Options[name], m.Origin[name] = value, "--config"
		}
	}
	set := func(name, value string) {
		if value != "" {
			m.Options[name], m.Origin[name] = value, "flag"
		}
	}
	for name, value := range o.limits {
		set(name, *value)
	}
	set("maxmemory", o.maxmemory)
	set("maxmemory-policy", o.policy)
	var probe estimate.Config
	return m, probe.SetOptions(m.Options)
}

// dumps lists what is to be read: arguments and manifest.
func (o *options) dumps(ctx context.Context, stores *source.Stores, args []string) ([]Dump, error) {
	var dumps []Dump
	add := func(cluster string, args []string) error {
		for _, arg := range args {
			inputs := stores.Expand(ctx, []string{arg})
			for _, in := range inputs {
				if in.Path == "-" {
					return errors.New("workers have no standard input: name files")
				}
				d := Dump{Cluster: cluster, Path: absolute(in.Path), Size: in.Size}
				if source.IsURL(arg) && len(inputs) == 1 && arg != in.Path && !strings.ContainsAny(in.Path, "*[") {
					d.Open = arg
				}
				dumps = append(dumps, d)
			}
		}
		return nil
	}
	if err := add(o.name, args); err != nil {
		return nil, err
	}
	if o.manifest != "" {
		data, err := os.ReadFile(o.manifest)
		if err != nil {
			return nil, fmt.Errorf("--manifest: %w", err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			cut := strings.IndexAny(line, " \t")
			if cut < 0 {
				return nil, fmt.Errorf("%s:%d: a line is CLUSTER, a space or a tab, and a path; this has one word", o.manifest, i+1)
			}
			if err := add(line[:cut], []string{strings.TrimSpace(line[cut:])}); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", o.manifest, i+1, err)
			}
		}
	}
	if len(dumps) == 0 {
		return nil, errors.New("no dump given: name some, or a --manifest")
	}
	byCost(dumps)
	seen := make(map[string]bool)
	for i := range dumps {
		dumps[i].Index = i
		if seen[dumps[i].Path] {
			return nil, fmt.Errorf("%s is in the list twice, and would be counted twice", dumps[i].Path)
		}
		seen[dumps[i].Path] = true
	}
	return dumps, nil
}

// absolute makes a path good in any directory: a worker has another.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil && !source.IsURL(path) && !strings.HasPrefix(path, "file://") {
		return abs
	}
	return path
}

// sendItself makes this very program the workers': otherwise Beam compiles its
// main.go again, which takes minutes and a Go where the job is handed in.
func sendItself() error {
	own := flag.Lookup("worker_binary")
	if own == nil || own.Value.String() != "" || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	return own.Value.Set(path)
}

// record is run.json: what one must know to run this again, or to compare.
type record struct {
	Program string            `json:"program"`
	Version string            `json:"version"`
	Beam    string            `json:"beam"`
	Go      string            `json:"go"`
	Runner  string            `json:"runner"`
	Flags   map[string]string `json:"flags"`
	Job     Job               `json:"job"`
	Inputs  []Dump            `json:"inputs"`
	Results map[string]int64  `json:"results,omitempty"` // counters, if the runner has told them
}

func version() (own, beam string) {
	own, beam = "(devel)", "?"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			own = info.Main.Version
		}
		for _, d := range info.Deps {
			if d.Path == "github.com/apache/beam/sdks/v2" {
				beam = d.Version
			}
		}
	}
	return own, beam
}

// run does all of it and gives the exit status.
func run(ctx context.Context, o *options, args []string, runner string, stderr io.Writer) int {
	stores := &source.Stores{}
	say := func(err error) { fmt.Fprintln(stderr, "rdbaudit-beam:", err) }
	own, beamVersion := version()
	job, err := o.job(own, runner == "prism" && *jobopts.Endpoint == "")
	if err != nil {
		say(err)
		return 2
	}
	dumps, err := o.dumps(ctx, stores, args)
	if err != nil {
		say(err)
		return 2
	}
	job.Output = absolute(job.Output)
	rec := record{"rdbaudit-beam", own, beamVersion, runtime.Version(), runner, given(), job, slices.Clone(dumps), nil}
	rec.Job.Output = source.Shown(job.Output)
	for i := range rec.Inputs {
		rec.Inputs[i].Open = "" // may hold a secret
	}
	if err := rec.write(ctx, stores, job.Output); err != nil {
		say(err)
		return 1
	}
	if err := sendItself(); err != nil {
		say(err)
		return 1
	}
	p, s := beam.NewPipelineWithRoot()
	build(s, job, dumps)
	result, err := beamx.RunWithMetrics(ctx, p)
	if err != nil {
		say(fmt.Errorf("the runner gave up: %w", err))
		return 1
	}
	if rec.Results = counters(result); rec.Results != nil {
		if err := rec.write(ctx, stores, job.Output); err != nil {
			say(err)
			return 1
		}
	}
	if int(rec.Results["dumps_not_opened"]) == len(dumps) {
		say(fmt.Errorf("none of the dumps could be read: %s says why", join(rec.Job.Output, "unreadable.csv")))
		return 1
	}
	fmt.Fprintf(stderr, "rdbaudit-beam: %d dumps, %d keys; reports in %s\n", len(dumps), rec.Results["keys"], join(rec.Job.Output, "fleet"))
	if bad := rec.Results["dumps_bad"]; bad > 0 {
		fmt.Fprintf(stderr, "rdbaudit-beam: %d of them could not be read, or not to their end: %s says why\n", bad, join(rec.Job.Output, "unreadable.csv"))
		return 3
	}
	return 0
}

func (r *record) write(ctx context.Context, stores *source.Stores, prefix string) error {
	return create(ctx, stores, join(prefix, "run.json"), func(w writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
}

func given() map[string]string {
	m := make(map[string]string)
	flag.Visit(func(f *flag.Flag) { m[f.Name] = source.Shown(f.Value.String()) })
	return m
}

// counters are what the workers have counted; nil: the runner does not tell.
func counters(r beam.PipelineResult) map[string]int64 {
	if r == nil {
		return nil
	}
	m := make(map[string]int64)
	q := r.Metrics().Query(func(s beam.MetricResult) bool { return s.Namespace() == "rdbaudit" })
	for _, c := range q.Counters() {
		m[c.Name()] += c.Result()
	}
	for _, d := range q.Distributions() {
		v := metrics.DistributionValue(d.Result())
		m[d.Name()] = v.Sum
		m[d.Name()+"_max"] = v.Max
	}
	return m
}

func main() {
	var o options
	o.add(flag.CommandLine)
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	beam.Init() // a worker goes no further
	runner := flag.Lookup("runner").Value.String()
	if runner == "" {
		runner = "prism"
	}
	os.Exit(run(context.Background(), &o, flag.Args(), runner, os.Stderr))
}
