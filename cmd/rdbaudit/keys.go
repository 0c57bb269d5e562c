package main

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

func keysCommand() command {
	return command{
		name: "keys", args: "[FLAGS] DUMP...", short: "print a row per key",
		long: `Prints a row for each key, in the order of the dump, to stdout or to a file:
csv (default), ndjson, parquet, table or list (raw names, but on a terminal, on
which they would act; -0 ends them with NUL).

Columns: database, type, key, size_in_bytes (what MEMORY USAGE key SAMPLES 0
would say), encoding, num_elements, len_largest_element, expiry,
allocated_bytes (what the allocator holds), serialized_bytes, idle_seconds,
lfu_frequency, field_ttls, slot, pattern, owner, source.

  rdbaudit keys dump.rdb > keys.csv
  rdbaudit keys --type hash --min-size 1mb --format table dump.rdb
  rdbaudit keys --format list -0 --in 'session:{uuid}' dump.rdb | xargs -0 redis-cli unlink

A rules file (--rules) fills the columns pattern and owner as in reports; see
rdbaudit help report.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var (
				model    modelFlags
				filter   filterFlags
				patterns patternFlags
				scan     scanFlags
				redact   redactFlags
				o        output.KeyOptions
				out      string
			)
			var formats, compats []string
			for _, p := range output.KeyProfiles() {
				compats = append(compats, p.Name)
			}
			for _, f := range output.KeyFormats() {
				formats = append(formats, f.Name)
			}
			fs.StringVar(&o.Format, "format", "", strings.Join(formats, ", ")+" (default: by the ending of -o, else csv)")
			fs.StringVarP(&out, "output", "o", "-", "write to PATH, or FORMAT=PATH")
			fs.BoolVarP(&o.NUL, "null", "0", false, "with --format list: end names with NUL")
			fs.StringVar(&o.Encoding, "key-encoding", "escape", "how key names are written: escape, hex or base64")
			fs.StringVar(&o.Compat, "compat", "", "csv with the columns of another program: rdbtools (redis-rdb-tools, with its names of types) or hdt (HDT3213/rdb)")
			redact.add(fs)
			filter.add(fs)
			patterns.add(fs)
			model.add(fs)
			scan.add(fs)
			return func(e *env, args []string) error {
				if err := firstError(model.check, filter.check, scan.check, redact.check); err != nil {
					return err
				}
				opts, err := patterns.options()
				if err != nil {
					return err
				}
				if o.Compat != "" && !slices.Contains(compats, o.Compat) {
					return usageError("--compat is %s, not %q", strings.Join(compats, " or "), o.Compat)
				}
				t := parseTarget(out, func(s string) bool { return slices.Contains(formats, s) })
				if t.format != "" && o.Format != "" && t.format != o.Format {
					return usageError("-o says %s and --format says %s", t.format, o.Format)
				}
				if o.Format == "" {
					o.Format = t.format
				}
				ext := strings.ToLower(filepath.Ext(source.Shown(t.path)))
				for _, f := range output.KeyFormats() {
					if o.Format == "" && f.Ext != "" && f.Ext == ext {
						o.Format = f.Name
					}
				}
				switch {
				case t.path == "":
					return usageError("-o takes a path")
				case o.Compat != "" && o.Format != "" && o.Format != "csv":
					return usageError("--compat is a shape of csv; it does not go with %s", o.Format)
				case o.Format == "parquet" && t.path == "-" && e.stdoutTerm:
					return usageError("parquet is nothing for a terminal: name a file with -o, or pipe it")
				case o.Format == "" && ext != "" && t.path != "-":
					return usageError("-o %s: no format goes by that ending; name one: --format %s", source.Shown(t.path), strings.Join(formats, ", "))
				}
				if e.stdoutTerm && t.path == "-" {
					o.Width, o.Terminal = e.width, true
				}
				return writeKeys(e, args, t.path, o, opts, &model, &filter, &scan, &redact)
			}
		},
	}
}

func writeKeys(e *env, args []string, path string, o output.KeyOptions, opts *aggregate.Options, model *modelFlags, filter *filterFlags, flags *scanFlags, redact *redactFlags) error {
	inputs, err := expand(e, args)
	if err != nil {
		return err
	}
	// Option errors come before anything is read or opened.
	if _, err := output.NewKeyWriter(io.Discard, o); err != nil {
		return usageError("%s", err)
	}
	patterner, err := aggregate.NewPatterner(opts)
	if err != nil {
		return usageError("%s", err)
	}
	out, err := openSink(e, path)
	if err != nil {
		return err
	}
	defer out.abort()
	rows, err := newKeyRows(out.w, o, opts, redact)
	if err != nil {
		return writeError(path, err)
	}
	ends := &endings{}
	read := &readBytes{}
	mode := flags.progress
	if mode == "auto" && path == "-" && e.stdoutTerm {
		mode = "none" // a bar among the rows
	}
	p := startProgress(e, mode, totalSize(inputs), read.sum, func() string { return "keys" })
	defer p.end()
	passed := int64(0)
	for i, in := range inputs {
		d, err := e.open(in, model)
		if err != nil {
			ends.unreadable(err)
			continue
		}
		read.follow(d.Stream)
		est := d.Estimator(flags.skip(), filter.keep(patterner))
		est.EveryLargest = true
		if redact.on {
			rows.from(output.Base(in.Path))
		} else {
			rows.from(in.Path)
		}
		for {
			rec := rows.next()
			if err = est.Read(rec); err != nil {
				break
			}
			if filter.min > 0 && opts.Measure(rec) < filter.min {
				continue
			}
			rec.Source = int32(i)
			passed++
			if werr := rows.keep(rec); werr != nil {
				d.Close()
				rows.close()
				return writeError(path, werr)
			}
			if e.ctx.Err() != nil {
				break
			}
		}
		if e.ctx.Err() != nil {
			d.Close()
			rows.close()
			return e.ctx.Err()
		}
		d.Finish(err)
		d.Close()
		ends.add(&d.Src)
	}
	if err := rows.close(); err != nil {
		return writeError(path, err)
	}
	p.end()
	if err := ends.result(e); err != nil && exitOf(err) == exitFailed {
		return err // nothing was read: nothing is written
	} else if commitErr := out.commit(); commitErr != nil {
		return commitErr
	} else {
		filter.hint(e, passed, opts.Separators)
		return err
	}
}

func writeError(path string, err error) error {
	if errors.Is(err, errClosedStdout) {
		return err
	}
	if path == "-" {
		path = "stdout"
	}
	return failed(errors.New(source.Shown(path) + ": " + errText(err)))
}

func expand(e *env, args []string) ([]source.Input, error) {
	if len(args) == 0 {
		return nil, usageError("no dump given: name a file, a directory, a glob, a URL or - for standard input")
	}
	std := 0
	for _, arg := range args {
		if arg == "-" {
			std++
		}
	}
	if std > 1 {
		return nil, usageError("standard input can be read only once")
	}
	return e.stores.Expand(e.ctx, args), nil
}
