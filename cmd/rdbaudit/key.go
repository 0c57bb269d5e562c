package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

func keyCommand() command {
	return command{
		name: "key", args: "[FLAGS] DUMP KEY...", short: "show how the bytes of single keys come about",
		long: `Prints all that is known of these keys: what MEMORY USAGE, OBJECT ENCODING, TTL,
OBJECT IDLETIME and OBJECT FREQ would say, and of which allocations the bytes
are made, so that the sum can be checked by hand. KEY is written as our CSV
prints it (\xHH for odd bytes); --raw takes it byte for byte. A key that stands
in several databases, or in several dumps of a directory, is shown for each.

Exit status 1 if a KEY is not in the dump.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var model modelFlags
			var scan scanFlags
			var dbs []string
			raw := fs.Bool("raw", false, "take KEY byte for byte, without escapes")
			now := fs.String("now", "", "the moment TTLs are held against: RFC 3339 or unix seconds (default: when the dump was made)")
			fs.StringSliceVar(&dbs, "db", nil, "only these databases")
			model.add(fs)
			scan.add(fs)
			return func(e *env, args []string) error {
				if err := firstError(model.check, scan.check); err != nil {
					return err
				}
				if len(args) < 2 {
					return usageError("key takes a dump and at least one KEY")
				}
				return showKeys(e, args[0], args[1:], *raw, *now, dbs, &model, &scan)
			}
		},
	}
}

func showKeys(e *env, path string, names []string, raw bool, now string, dbs []string, model *modelFlags, flags *scanFlags) error {
	wanted := make(map[string]int) // how often it was found
	var order []string
	for _, name := range names {
		b := []byte(name)
		if !raw {
			var err error
			if b, err = aggregate.Unescape(name); err != nil {
				return usageError("KEY %q: %s; --raw takes it byte for byte", name, err)
			}
		}
		if _, again := wanted[string(b)]; !again {
			order = append(order, string(b))
		}
		wanted[string(b)] = 0
	}
	filter := filterFlags{dbs: dbs}
	if err := filter.check(); err != nil {
		return err
	}
	inDB := filter.keep(nil)
	at := int64(0)
	if now != "" {
		var err error
		if at, err = parseTime(now); err != nil {
			return err
		}
	}
	inputs, err := expand(e, []string{path})
	if err != nil {
		return err
	}
	var out bytes.Buffer // shown when the bar is gone
	shown := 0
	ends := &endings{}
	read := &readBytes{}
	p := startProgress(e, flags.progress, totalSize(inputs), read.sum, func() string { return "key" })
	defer p.end()
	for _, in := range inputs {
		d, err := e.open(in, model)
		if err != nil {
			ends.unreadable(err)
			continue
		}
		moment := at
		if now == "" {
			moment, _ = d.Moment()
		}
		read.follow(d.Stream)
		est := d.Estimator(flags.skip(), func(k *rdbparse.Key) bool {
			_, ok := wanted[string(k.Name)]
			return ok && (inDB == nil || inDB(k))
		})
		est.EveryLargest = true
		var items []estimate.Item
		est.Explain(&items)
		for {
			var rec *estimate.Record
			if rec, err = est.Next(); err != nil {
				break
			}
			wanted[string(rec.Key)]++
			if shown++; shown > 1 {
				fmt.Fprintln(&out)
			}
			dump := ""
			if len(inputs) > 1 {
				dump = in.Path
			}
			showKey(&out, rec, items, &d.Config, moment, dump)
			if e.ctx.Err() != nil {
				break
			}
		}
		if e.ctx.Err() != nil {
			d.Close()
			return e.ctx.Err()
		}
		d.Finish(err)
		d.Close()
		ends.add(&d.Src)
	}
	p.end()
	if err := e.print(func(w io.Writer) { out.WriteTo(w) }); err != nil {
		return err
	}
	err = ends.result(e)
	if ends.read == 0 {
		return err
	}
	where := "not in the dump"
	switch {
	case ends.bad > 0:
		where = "not in what could be read"
	case len(inputs) > 1:
		where = "in none of the dumps"
	}
	for _, name := range order {
		if wanted[name] == 0 {
			e.say("%s is %s", aggregate.AppendEscaped(nil, []byte(name)), where)
			err = &exitError{status: exitFailed}
		}
	}
	return err
}

func showKey(w io.Writer, r *estimate.Record, items []estimate.Item, c *estimate.Config, now int64, dump string) {
	name := string(aggregate.AppendEscaped(nil, r.Key))
	view := "as the writing server held it"
	if c.Loaded {
		view = "as it is after loading"
	}
	fmt.Fprintf(w, "%s\n", name)
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-16s %s\n", label, fmt.Sprintf(format, args...))
	}
	if dump != "" {
		line("dump", "%s", output.Printable(dump))
	}
	line("database", "%d", r.DB)
	elements := "elements"
	if r.Elems == 1 {
		elements = "element"
	}
	line("TYPE", "%s, %s %s", r.TypeName(), output.Count(r.Elems), elements)
	line("OBJECT ENCODING", "%s", r.Encoding)
	// A size may rest on an expectation: then its spread has a line of its own.
	chance := func(variance int64) {
		if variance > 0 {
			line("", "expected; standard deviation %s bytes", output.Count(scan.Isqrt(variance)))
		}
	}
	line("MEMORY USAGE", "%s bytes on %s, %s", output.Count(r.Size), c.Line.Name, view)
	chance(r.SizeVar)
	line("allocated", "%s bytes by %s", output.Count(r.Alloc), c.Allocator)
	chance(r.AllocVar)
	line("in the dump", "%s bytes", output.Count(r.Serialized))
	if r.Largest >= 0 {
		line("longest element", "%s bytes", output.Count(r.Largest))
	}
	switch {
	case r.Expiry == estimate.NoExpiry:
		line("TTL", "none")
	case r.ExpiredAt(now):
		line("TTL", "expired at %s", output.Time(r.Expiry))
	default:
		line("TTL", "%s, until %s", output.Duration((r.Expiry-now)/1000), output.Time(r.Expiry))
	}
	if r.FieldTTLs > 0 {
		line("field TTLs", "%s of %s fields", output.Count(r.FieldTTLs), output.Count(r.Elems))
	}
	if r.Idle >= 0 {
		line("OBJECT IDLETIME", "%s (%d seconds)", output.Duration(r.Idle), r.Idle)
	}
	if r.Freq >= 0 {
		line("OBJECT FREQ", "%d", r.Freq)
	}
	if r.Slot >= 0 {
		line("slot", "%d", r.Slot)
	}
	if r.Flags&estimate.History != 0 {
		line("history", "a table although it would fit a packed encoding: it was larger once")
	}
	rows := [][5]string{{"part", "count", "requested", "allocated", "counted"}}
	var req, alloc, counted int64
	for _, it := range items {
		rows = append(rows, [5]string{it.What, number(it.Count), number(it.Request), number(it.Alloc), number(it.Counted)})
		req += it.Request
		alloc += it.Alloc
		counted += it.Counted
	}
	rows = append(rows, [5]string{"sum", "", number(req), number(alloc), number(counted)})
	var width [5]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	fmt.Fprintln(w)
	for _, row := range rows {
		fmt.Fprintf(w, "  %-*s", width[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(w, "  %*s", width[i+1], cell)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "  counted is what MEMORY USAGE adds up; allocated is what the allocator holds")
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
