package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
)

func mergeCommand() command {
	return command{
		name: "merge", args: "[FLAGS] PART...", short: "one report of parts that were made apart",
		long: `Reads parts, which report -o NAME.rdbaudit writes, and makes of them the report
that one pass over all of their dumps would have made, to the byte:

  rdbaudit report shard-1.rdb -q -o shard-1.rdbaudit      (on each host)
  rdbaudit merge *.rdbaudit -o report.html -o report.json
  rdbaudit merge monday/ tuesday/ -o both.rdbaudit        (a part again)

PART is a file, a directory that holds some, a glob, or a URL, which may be a
glob where the store can list: 's3://bucket/parts/*.rdbaudit'. Parts hold sums
and names of patterns and of the largest keys, never values. They must have
been made with the same options: the first that differs is named. What a report
shows is chosen here: outputs, --rules (with the patterns that the parts were
made with) and --fail-on, --redact, --info. --maxmemory too, if the parts were
made with one: eviction is counted only then.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var f reportFlags
			fs.StringArrayVarP(&f.outputs, "output", "o", nil, "write to PATH, or FORMAT=PATH (repeatable): "+formatExts())
			fs.StringVar(&f.format, "format", "", "format on stdout instead of the summary")
			fs.BoolVarP(&f.scan.quiet, "quiet", "q", false, "no summary on stdout")
			fs.StringVar(&f.color, "color", "auto", "colours in the summary: auto, always or never")
			fs.StringVar(&f.patterns.tableMemory, "table-memory", "64mb", "memory for all tables; when it is full, the smallest patterns fold")
			fs.StringArrayVar(&f.failOn, "fail-on", nil, "exit with 4 if this holds, as of report: 'no-ttl-bytes(session:*) > 1GB' (repeatable)")
			fs.StringVar(&f.patterns.rulesPath, "rules", "", "what must not be, from FILE; its patterns must be those of the parts")
			fs.StringVar(&f.model.maxmemory, "maxmemory", "", "the servers' maxmemory, such as 8gb, instead of that of the parts")
			fs.StringVar(&f.model.policy, "maxmemory-policy", "", "the servers' maxmemory-policy, likewise")
			fs.StringVar(&f.eviction.growth, "growth", "", "with --maxmemory: new data that must fit too, such as 500mb")
			fs.StringVar(&f.info, "info", "", "join the output of INFO, from FILE, to the reconciliation")
			f.redact.add(fs)
			fs.StringVar(&f.scan.progress, "progress", "auto", "progress on stderr: auto (a bar on terminals), bar, plain or none")
			f.scan.onError = "stop"
			f.set = fs
			return func(e *env, args []string) error { return f.merge(e, args) }
		},
	}
}

// merge is the command.
func (f *reportFlags) merge(e *env, args []string) error {
	if err := firstError(f.scan.check, f.redact.check, f.checkColor, f.parseRules); err != nil {
		return err
	}
	targets, err := f.targets()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usageError("no part given: name files that report -o NAME.rdbaudit has written, or a directory that holds some")
	}
	if args, err = objects(e, args); err != nil {
		return err
	}
	parts, others := splitParts(args, true)
	if len(others) > 0 {
		if source.IsURL(others[0]) {
			return usageError("%s: the names of parts end in .rdbaudit; a URL may be a glob of them, where its store can list", source.Shown(others[0]))
		}
		if _, err := os.Stat(others[0]); err != nil && others[0] != "-" {
			return usageError("%s: %s", others[0], missing(err))
		}
		return usageError("%s: no part; merge takes what report -o NAME.rdbaudit writes, and report takes dumps", others[0])
	}
	return f.renderParts(e, parts, nil, targets)
}

// objects puts the URLs that a glob among the arguments matches in its place.
func objects(e *env, args []string) (all []string, err error) {
	for _, arg := range args {
		if !source.IsURL(arg) || strings.HasPrefix(arg, "http") || !strings.ContainsAny(arg, "*?[") {
			all = append(all, arg)
			continue
		}
		for _, in := range e.stores.Expand(e.ctx, []string{arg}) {
			if in.Err != nil {
				return nil, failed(in.Err)
			}
			all = append(all, in.Path)
		}
	}
	return all, nil
}

func missing(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "no such file"
	}
	return errText(err)
}

// renderParts makes a report of parts, and of the dumps of one that was just
// made, if there is one.
func (f *reportFlags) renderParts(e *env, paths []string, fresh *scan.Part, targets []reportTarget) error {
	memory, err := f.patterns.memory()
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := checkSink(e, t.path); err != nil {
			return err
		}
	}
	// Each part is garbage once it is merged: without this it would take as much
	// again as the tables.
	defer collectLate(50)()
	all, err := f.readParts(e, paths, memory, fresh)
	if err != nil {
		return err
	}
	opts := all.Set.Options()
	if err := f.ofParts(e, all, &opts); err != nil {
		return err
	}
	var info serverInfo
	if f.info != "" {
		if info, err = f.takeInfo(); err != nil {
			return err
		}
	}
	if err := f.eviction.check(&f.model, all.How.Filtered != ""); err != nil {
		return err
	}
	if f.eviction.max > 0 && !all.Set.CountsEviction() && all.How.Filtered == "" {
		return usageError("--maxmemory: the parts were made without, so what eviction looks at was not counted; give it to report -o NAME.rdbaudit")
	}
	if err := f.checkEvictedRules(all.Set.CountsEviction()); err != nil {
		return err
	}
	return f.render(e, all, targets, &opts, info)
}

// ofParts takes the options that the parts were made with, where no flag says otherwise.
func (f *reportFlags) ofParts(e *env, p *scan.Part, opts *aggregate.Options) error {
	options := maps.Clone(map[string]string(p.How.Model.Options))
	if options == nil {
		options = make(map[string]string)
	}
	given := map[string]string{"maxmemory": f.model.maxmemory, "maxmemory-policy": f.model.policy}
	for name, value := range given {
		if value != "" {
			options[name] = value
		}
	}
	f.model.options = options
	if f.patterns.rulesPath == "" {
		return nil
	}
	rules, err := readRules(f.patterns.rulesPath, opts.Separators)
	if err != nil {
		return err
	}
	f.rules = append(f.rules, rules.fails...)
	n, k := len(opts.Patterns), len(rules.patterns)
	if k > n || !slices.Equal(opts.Patterns[n-k:], rules.patterns) || !slices.Equal(opts.Owners[n-k:], rules.owners) {
		return usageError("--rules %s: its patterns are not those that the parts were made with; its fail lines can be had alone, in a file of their own", f.patterns.rulesPath)
	}
	return nil
}

// readParts merges parts as they are read: the next is read while one is merged.
func (f *reportFlags) readParts(e *env, paths []string, memory int64, all *scan.Part) (*scan.Part, error) {
	var total, read atomic.Int64
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil {
			total.Add(st.Size())
		}
	}
	var label atomic.Value
	label.Store("merge")
	p := startProgress(e, f.scan.progress, total.Load(), read.Load, func() string { return label.Load().(string) })
	defer p.end()
	type next struct {
		part *scan.Part
		err  error
	}
	parts := make(chan next)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(parts)
		for i, path := range paths {
			label.Store(fmt.Sprintf("%d of %d merged, %s", i, len(paths), scan.BaseName(path)))
			part, err := readPart(e, path, memory, &read)
			select {
			case parts <- next{part, err}:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	i := 0
	for n := range parts {
		if n.err != nil {
			return nil, failed(n.err)
		}
		if e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		if all == nil {
			all = n.part
			all.Version = version()
		} else if err := all.Merge(n.part); err != nil {
			return nil, failed(fmt.Errorf("%s: %w", paths[i], err))
		}
		i++
	}
	all.Sort()
	return all, nil
}

// readPart reads the part in a file or at a URL.
func readPart(e *env, path string, memory int64, read *atomic.Int64) (*scan.Part, error) {
	if source.IsURL(path) {
		in := e.stores.Expand(e.ctx, []string{path})[0]
		stream, err := in.Open(e.ctx, nil)
		if err != nil {
			return nil, err
		}
		defer stream.Close()
		part, err := scan.ReadPart(&countingReader{stream, read}, memory)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.Path, err)
		}
		return part, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, errText(err))
	}
	defer file.Close()
	part, err := scan.ReadPart(&countingReader{file, read}, memory)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return part, nil
}

type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// splitParts tells the parts among arguments from all others: by their first
// bytes. With open, directories and globs are looked into for files that end in
// .rdbaudit; a dump's are left to those who read dumps.
func splitParts(args []string, open bool) (parts, others []string) {
	for _, arg := range args {
		st, err := os.Stat(arg)
		switch {
		case arg == "-":
			others = append(others, arg)
		case open && source.IsURL(arg):
			name, _, _ := strings.Cut(arg, "?") // before what signs it
			if strings.HasSuffix(strings.ToLower(name), ".rdbaudit") {
				parts = append(parts, arg)
			} else {
				others = append(others, arg)
			}
		case err == nil && st.IsDir() && open, err != nil && open && strings.ContainsAny(arg, "*?["):
			found := partsBelow(arg, err == nil)
			if len(found) == 0 {
				others = append(others, arg)
			}
			parts = append(parts, found...)
		case err == nil && st.Mode().IsRegular() && beginsAsPart(arg):
			parts = append(parts, arg)
		default:
			others = append(others, arg)
		}
	}
	return parts, others
}

func partsBelow(arg string, dir bool) (found []string) {
	if !dir {
		found, _ = filepath.Glob(arg)
	} else {
		filepath.WalkDir(arg, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".rdbaudit") {
				found = append(found, path)
			}
			return nil
		})
	}
	slices.Sort(found)
	return found
}

func beginsAsPart(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	begin := make([]byte, 32)
	n, _ := io.ReadFull(file, begin)
	return scan.IsPart(begin[:n])
}

// withParts is report where some of the arguments are parts.
func (f *reportFlags) withParts(e *env, parts, dumps []string, targets []reportTarget, opts *aggregate.Options) error {
	if len(dumps) > 0 {
		inputs := e.stores.Expand(e.ctx, dumps)
		fresh, err := f.read(e, inputs, opts)
		if err != nil {
			return err
		}
		return f.renderParts(e, parts, fresh, targets)
	}
	var refused []string
	f.set.Visit(func(flag *pflag.Flag) {
		if !slices.Contains(partFlags, flag.Name) {
			refused = append(refused, "--"+flag.Name)
		}
	})
	if len(refused) > 0 {
		return usageError("%s needs the dump; %s is a part that was made of some", strings.Join(refused, ", "), parts[0])
	}
	return f.renderParts(e, parts, nil, targets)
}

// partFlags are the flags of report that do not need the dumps.
var partFlags = []string{
	"output", "format", "quiet", "color", "redact", "redact-key", "fail-on", "rules", "progress", "table-memory", "maxmemory", "maxmemory-policy", "growth", "info", "jobs",
}
