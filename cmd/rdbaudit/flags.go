package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

// The groups of flags that commands share. Each has the flags, and afterwards
// what they mean.

// modelFlags say under which server keys are sized.
type modelFlags struct {
	target, as, allocator, cluster, config string
	limits                                 map[string]*string
	maxmemory, policy                      string

	options map[string]string // of --config, then of single flags
	origin  map[string]string // where each option came from
}

func (m *modelFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&m.as, "as", "", "size keys as the writing server held them (live, default) or as after a restart (loaded)")
	fs.StringVar(&m.target, "target", "", "size keys as another server line would hold them after loading: "+strings.Join(estimate.LineNames(), ", "))
	fs.StringVar(&m.allocator, "allocator", "jemalloc", "jemalloc (the servers' own), jemalloc-q16 (distribution packages) or libc")
	fs.StringVar(&m.cluster, "cluster", "auto", "cluster mode: auto, on or off")
	fs.StringVar(&m.config, "config", "", "take limits from FILE: a redis.conf or the output of CONFIG GET")
	fs.StringVar(&m.maxmemory, "maxmemory", "", "the server's maxmemory, such as 8gb")
	fs.StringVar(&m.policy, "maxmemory-policy", "", "the server's maxmemory-policy")
	m.limits = make(map[string]*string)
	for _, s := range estimate.Settings() {
		m.limits[s.Name] = fs.String(s.Name, "", "the server's "+s.Name)
		if s.Old != "" {
			m.limits[s.Old] = fs.String(s.Old, "", "")
			fs.MarkHidden(s.Old)
		}
	}
}

// check reads what the flags say, before any dump is opened.
func (m *modelFlags) check() error {
	m.options, m.origin = make(map[string]string), make(map[string]string)
	if m.config != "" {
		data, err := os.ReadFile(m.config)
		if err != nil {
			return usageError("--config %s: %s", m.config, errText(err))
		}
		for name, value := range parseConfig(data) {
			m.options[name] = value
			m.origin[name] = "--config"
		}
	}
	for name, value := range m.limits {
		if *value != "" {
			m.options[name] = *value
			m.origin[name] = "flag"
		}
	}
	for name, value := range map[string]string{"maxmemory": m.maxmemory, "maxmemory-policy": m.policy} {
		if value != "" {
			m.options[name] = value
			m.origin[name] = "flag"
		}
	}
	if m.maxmemory != "" {
		if _, err := estimate.ParseSize(m.maxmemory); err != nil {
			return usageError("--maxmemory: %s", err)
		}
	}
	if m.as != "" && m.as != "live" && m.as != "loaded" {
		return usageError("--as is live or loaded, not %q", m.as)
	}
	if m.cluster != "auto" && m.cluster != "on" && m.cluster != "off" {
		return usageError("--cluster is auto, on or off, not %q", m.cluster)
	}
	if _, ok := estimate.ParseAllocator(m.allocator); !ok {
		return usageError("--allocator is jemalloc, jemalloc-q16 or libc, not %q", m.allocator)
	}
	if m.target != "" {
		if m.as == "live" {
			return usageError("--target says what another server would make of the dump on loading; it does not go with --as live")
		}
		if _, _, ok := estimate.Lookup(m.target); !ok {
			return usageError("--target %q: no server line of that name; there are %s", m.target, strings.Join(estimate.LineNames(), ", "))
		}
	}
	var probe estimate.Config
	if err := probe.SetOptions(m.options); err != nil {
		return usageError("%s", err)
	}
	return nil
}

// model is what the flags say, for the scan.
func (m *modelFlags) model() *scan.Model {
	return &scan.Model{Target: m.target, As: m.as, Allocator: m.allocator, Cluster: m.cluster, Options: m.options, Origin: m.origin}
}

func parseConfig(data []byte) map[string]string { return scan.ParseConfig(data) }

// filterFlags choose keys.
type filterFlags struct {
	dbs         []string
	keys, nots  []string
	types       []string
	minSize     string
	noTTL       bool
	in          []string
	dbSet       map[uint64]bool
	keyRE, noRE []*regexp.Regexp
	typeSet     map[string]bool
	min         int64
	active      bool
}

func (f *filterFlags) add(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.dbs, "db", nil, "only these databases")
	fs.StringArrayVar(&f.keys, "key", nil, "only keys that match this regular expression (repeatable: any of them)")
	fs.StringArrayVar(&f.nots, "not-key", nil, "no keys that match this regular expression")
	fs.StringSliceVar(&f.types, "type", nil, "only these types: string, list, set, zset, hash, stream, module, module:NAME")
	fs.StringVar(&f.minSize, "min-size", "", "only keys of at least this size, such as 10kb, by --measure")
	fs.BoolVar(&f.noTTL, "no-ttl", false, "only keys without a TTL")
	fs.StringArrayVar(&f.in, "in", nil, "only keys of this pattern, as reports print it (repeatable): user: means all below, user:* the names in its place")
}

func (f *filterFlags) check() error {
	f.active = len(f.dbs)+len(f.keys)+len(f.nots)+len(f.types)+len(f.in) > 0 || f.minSize != "" || f.noTTL
	for _, s := range f.dbs {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return usageError("--db takes numbers, not %q", s)
		}
		if f.dbSet == nil {
			f.dbSet = make(map[uint64]bool)
		}
		f.dbSet[n] = true
	}
	for _, list := range []struct {
		flag string
		from []string
		to   *[]*regexp.Regexp
	}{{"--key", f.keys, &f.keyRE}, {"--not-key", f.nots, &f.noRE}} {
		for _, s := range list.from {
			re, err := regexp.Compile(s)
			if err != nil {
				return usageError("%s: %s", list.flag, err)
			}
			*list.to = append(*list.to, re)
		}
	}
	for _, s := range f.types {
		known := strings.HasPrefix(s, "module:")
		for t := estimate.Type(0); t < estimate.NumTypes; t++ {
			known = known || t.String() == s
		}
		if !known {
			return usageError("--type %q: the types are string, list, set, zset, hash, stream, module and module:NAME", s)
		}
		if f.typeSet == nil {
			f.typeSet = make(map[string]bool)
		}
		f.typeSet[s] = true
	}
	if f.minSize != "" {
		n, err := estimate.ParseSize(f.minSize)
		if err != nil {
			return usageError("--min-size: %s", err)
		}
		if n < 0 {
			return usageError("--min-size must not be negative")
		}
		f.min = n
	}
	return nil
}

// keep is the filter on a key's header, nil if there is none. Each reader
// needs its own.
func (f *filterFlags) keep(p *aggregate.Patterner) func(*rdbparse.Key) bool {
	if !f.active {
		return nil
	}
	return func(k *rdbparse.Key) bool {
		if f.dbSet != nil && !f.dbSet[k.DB] || f.noTTL && k.Expiry != rdbparse.NoExpiry {
			return false
		}
		if f.typeSet != nil {
			t := estimate.TypeOf(k)
			if !f.typeSet[t.String()] && !(t == estimate.Module && f.typeSet["module:"+k.Module]) {
				return false
			}
		}
		if f.keyRE != nil && !anyMatch(f.keyRE, k.Name) || anyMatch(f.noRE, k.Name) {
			return false
		}
		for _, in := range f.in {
			if p.Within(in, k.Name) {
				return true
			}
		}
		return len(f.in) == 0
	}
}

// hint says that no key passed, and what may have been meant: user:* is a row
// of the table, and all below user: to those who think of file names.
func (f *filterFlags) hint(e *env, passed int64, separators []string) {
	if !f.active || passed > 0 {
		return
	}
	say := "no key passed the filter"
	for _, in := range f.in {
		for _, sep := range separators {
			if below, ok := strings.CutSuffix(in, sep+"*"); ok && below != "" {
				say += "; all below " + output.Printable(below) + " is --in '" + output.Printable(below+sep) + "'"
			}
		}
	}
	e.say("%s", say)
}

func anyMatch(list []*regexp.Regexp, b []byte) bool {
	for _, re := range list {
		if re.Match(b) {
			return true
		}
	}
	return false
}

// words describes the filter for the report.
func (f *filterFlags) words() string {
	if !f.active {
		return ""
	}
	var parts []string
	add := func(flag string, values []string) {
		for _, v := range values {
			parts = append(parts, "--"+flag+" "+v)
		}
	}
	add("db", f.dbs)
	add("key", f.keys)
	add("not-key", f.nots)
	add("type", f.types)
	add("in", f.in)
	if f.minSize != "" {
		add("min-size", []string{f.minSize})
	}
	if f.noTTL {
		parts = append(parts, "--no-ttl")
	}
	return strings.Join(parts, " ")
}

// patternFlags say how keys are summed up.
type patternFlags struct {
	separators  []string
	depth, top  int
	patterns    []string
	rulesPath   string
	rules       *ruleSet // what is in it, after options
	measure     string
	now         string
	tableMemory string
}

func (p *patternFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&p.separators, "separator", nil, "where key names are cut into segments (repeatable; default :)")
	fs.IntVar(&p.depth, "depth", 6, "most segments of a pattern")
	fs.StringArrayVar(&p.patterns, "pattern", nil, "a pattern of your own, tried first: 'tenant:<name>:cache:*'")
	fs.StringVar(&p.rulesPath, "rules", "", "patterns of your own with their owners, and what must not be, from FILE; --pattern comes first")
	fs.StringVar(&p.measure, "measure", "allocated", "sum what the allocator holds (allocated) or what MEMORY USAGE says (usage)")
	fs.StringVar(&p.now, "now", "", "the moment TTLs are held against: RFC 3339 or unix seconds (default: when the dump was made)")
}

func (p *patternFlags) options() (*aggregate.Options, error) {
	o := &aggregate.Options{Separators: p.separators, Depth: p.depth, Top: p.top}
	p.rules = &ruleSet{}
	if p.rulesPath != "" {
		var err error
		if p.rules, err = readRules(p.rulesPath, p.separators); err != nil {
			return nil, err
		}
	}
	o.Patterns = slices.Concat(p.patterns, p.rules.patterns)
	o.Owners = slices.Concat(make([]string, len(p.patterns)), p.rules.owners)
	switch p.measure {
	case "usage":
		o.Usage = true
	case "allocated":
	default:
		return nil, usageError("--measure is allocated or usage, not %q", p.measure)
	}
	if p.depth < 1 {
		return nil, usageError("--depth must be at least 1")
	}
	if len(o.Separators) == 0 {
		o.Separators = []string{":"}
	}
	var err error
	if o.TableMemory, err = p.memory(); err != nil {
		return nil, err
	}
	if p.now != "" {
		ms, err := parseTime(p.now)
		if err != nil {
			return nil, err
		}
		o.Now = ms
	}
	if err := o.Check(); err != nil {
		return nil, usageError("%s", err)
	}
	return o, nil
}

// memory is --table-memory, 0 if the command has no such flag.
func (p *patternFlags) memory() (int64, error) {
	if p.tableMemory == "" {
		return 0, nil
	}
	n, err := estimate.ParseSize(p.tableMemory)
	if err != nil || n < 1<<20 {
		return 0, usageError("--table-memory takes a size of at least 1mb, not %q", p.tableMemory)
	}
	return n, nil
}

func parseTime(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n * 1000, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, usageError("--now %q is neither RFC 3339 (2026-11-22T15:04:05Z) nor unix seconds", s)
}

// errText is an error without the operation and path that os puts before it.
func errText(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	var le *os.LinkError // of renames
	if errors.As(err, &le) {
		return le.Err.Error()
	}
	return fmt.Sprint(err)
}

// firstError runs the checks of a command's flags up to the first that fails.
func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}
