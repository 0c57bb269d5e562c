package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/internal/scan"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

func verifyCommand() command {
	return command{
		name: "verify", args: "[FLAGS] DUMP...", short: "say whether a dump is whole",
		long: `Reads a dump to its end and says whether it is whole: its structure, its
announced numbers of keys, its checksum, and where it breaks. A line per dump,
tab separated: ok, damaged or unreadable; path; format; server; keys; bytes;
checksum; and what there is to say. Memory stays flat.

--deep opens packed values and compressed strings as well and checks each entry.
--wire prints every opcode, key and part with its offset, for bug reports.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			var scan scanFlags
			deep := fs.Bool("deep", false, "check the contents of packed values and compressed strings too")
			wire := fs.Bool("wire", false, "print opcodes, keys and parts with their offsets")
			fs.StringVar(&scan.progress, "progress", "auto", "progress on stderr: auto (a bar on terminals), bar, plain or none")
			scan.onError = "stop"
			return func(e *env, args []string) error {
				if err := scan.check(); err != nil {
					return err
				}
				return verify(e, args, *deep, *wire, &scan)
			}
		},
	}
}

func verify(e *env, args []string, deep, wire bool, flags *scanFlags) error {
	inputs, err := expand(e, args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdoutWriter{e.stdout})
	read := &readBytes{}
	p := startProgress(e, flags.progress, totalSize(inputs), read.sum, func() string { return "verify" })
	defer p.end()
	good, bad := 0, 0
	for _, in := range inputs {
		d, err := e.open(in, nil)
		if err != nil {
			bad++
			fmt.Fprintf(out, "unreadable\t%s\t\t\t0\t0\t\t%s\n", printable(in.Path), printable(err.Error()))
			continue
		}
		read.follow(d.Stream)
		if wire {
			d.R.Wire = func(offset int64, what, detail string) { fmt.Fprintf(out, "%d\t%s\t%q\n", offset, what, detail) }
		}
		keys, err := walk(e, d, deep)
		if err == nil {
			err = io.EOF
		}
		if e.ctx.Err() != nil {
			d.Close()
			return e.ctx.Err()
		}
		d.Finish(err)
		state, say := "ok", d.Src.Trailing
		if d.Err == nil && d.FirstBad == nil {
			if hint := d.R.Info().HintKeys; len(d.R.Info().Hints) > 0 && hint != uint64(keys) {
				say = joinSay(say, fmt.Sprintf("the dump announces %s keys", output.Count(int64(min(hint, 1<<62)))))
			}
		}
		if d.Damaged() {
			state, say = "damaged", joinSay(d.Src.Error, say)
			bad++
		}
		good++
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", state, printable(in.Path), d.Src.Format, d.Src.Server, keys, d.Src.Bytes,
			d.Src.Checksum, printable(say))
		d.Close()
	}
	p.end()
	if err := out.Flush(); err != nil {
		return writeError("-", err)
	}
	switch {
	case good == 0:
		return &exitError{exitFailed, nil}
	case bad > 0:
		return &exitError{exitDamaged, nil}
	}
	return nil
}

func joinSay(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// printable keeps a line a line, whatever a path or a name holds.
func printable(s string) string {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x202a && r <= 0x2069 {
			q := fmt.Sprintf("%q", s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

// walk reads a dump to its end. Deep, it counts bad contents in d.
func walk(e *env, d *scan.Dump, deep bool) (keys int64, err error) {
	for {
		if keys&1023 == 0 && e.ctx.Err() != nil {
			return keys, e.ctx.Err()
		}
		var k *rdbparse.Key
		if k, err = d.R.Next(); err == nil {
			keys++
			if deep {
				err = deepValue(d, k.Type)
			}
		}
		if err != nil {
			return endOfWalk(keys, err)
		}
	}
}

// endOfWalk says how many keys have a whole value.
func endOfWalk(keys int64, err error) (int64, error) {
	var fault *rdbparse.Error
	switch {
	case errors.Is(err, io.EOF):
		return keys, nil
	case errors.As(err, &fault) && fault.Key != nil:
		return keys - 1, err // the last key has none
	}
	return keys, err
}

// deepValue opens all parts of a value. What is bad in them is counted; only a
// loss of the framing is an error.
func deepValue(d *scan.Dump, t *rdbparse.Type) error {
	for {
		p, err := d.R.Part()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch err := deepPart(d.R, t, p); {
		case err == nil:
		case errors.Is(err, rdbparse.ErrPacked) || errors.Is(err, rdbparse.ErrString):
			d.Skipped++
			if d.FirstBad == nil {
				d.FirstBad = err
			}
		default:
			return err
		}
	}
}

// deepPart opens what is packed or compressed.
func deepPart(r *rdbparse.Reader, t *rdbparse.Type, p *rdbparse.Part) error {
	if p.Format == rdbparse.Plain {
		if !p.LZF {
			return nil
		}
		_, err := r.Bytes()
		if errors.Is(err, rdbparse.ErrTooLong) {
			return nil
		}
		return err
	}
	want, n, per := p.Count, int64(0), entriesPer(t)
	for {
		if _, err := r.Entry(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		n++
	}
	if p.Format == rdbparse.Zipmap {
		n /= 2
	}
	switch {
	case want >= 0 && want != n:
		return &rdbparse.Error{Offset: r.Offset(), Err: rdbparse.ErrPacked, Detail: fmt.Sprintf("a %s announces %d entries and holds %d", p.Format, want, n)}
	case p.Kind == rdbparse.PartPacked && p.Format != rdbparse.Zipmap && n%per != 0:
		return &rdbparse.Error{Offset: r.Offset(), Err: rdbparse.ErrPacked, Detail: fmt.Sprintf("%d entries where each element has %d", n, per)}
	}
	return nil
}

// entriesPer is how many entries of a packed value make an element: a member
// and its score, a field, its value and, where fields have one, its TTL. Types
// that nobody has seen written are not judged.
func entriesPer(t *rdbparse.Type) int64 {
	switch {
	case t.Untested:
		return 1
	case strings.HasPrefix(t.Name, "HASH_LISTPACK_EX"):
		return 3
	case t.Kind == rdbparse.HashKind || t.Kind == rdbparse.ZSetKind:
		return 2
	}
	return 1
}
