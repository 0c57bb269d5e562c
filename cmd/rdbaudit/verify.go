package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

func verifyCommand() command {
	return command{
		name: "verify", args: "[FLAGS] DUMP...", short: "say whether a dump is whole",
		long: `Reads a dump to its end and says whether it is whole: its structure, its
announced numbers of keys, its checksum, and where it breaks. A line per dump,
tab separated: ok, damaged or unreadable; path; format; server; keys; bytes;
checksum; and what there is to say. --format ndjson gives a JSON object per dump
instead, with the offset and the key. Memory stays flat.

--deep also opens what is packed or compressed: each entry, the pairs of hashes
and sorted sets, scores and their order, names that are there twice, the entries
of streams and what their consumers own. Values with bad contents are counted.
--wire prints every opcode, key and part with its offset, for bug reports.`,
		setup: func(fs *pflag.FlagSet) func(*env, []string) error {
			v := &verifier{}
			fs.StringVar(&v.format, "format", "text", "text (a line per dump) or ndjson (an object per dump)")
			fs.BoolVar(&v.deep, "deep", false, "check the contents of packed values and compressed strings too")
			fs.BoolVar(&v.wire, "wire", false, "print opcodes, keys and parts with their offsets")
			fs.StringVar(&v.flags.progress, "progress", "auto", "progress on stderr: auto (a bar on terminals), bar, plain or none")
			v.flags.onError = "stop"
			return func(e *env, args []string) error {
				if v.format != "text" && v.format != "ndjson" {
					return usageError("--format is text or ndjson, not %q", v.format)
				}
				if v.wire && v.format != "text" {
					return usageError("--wire prints lines of its own: leave --format out")
				}
				if err := v.flags.check(); err != nil {
					return err
				}
				return v.run(e, args)
			}
		},
	}
}

type verifier struct {
	format     string
	deep, wire bool
	flags      scanFlags
}

// verdict is what verify says of a dump.
type verdict struct {
	State    string   `json:"state"`
	Path     string   `json:"path"`
	Format   string   `json:"format"`
	Server   string   `json:"server"`
	Keys     int64    `json:"keys"`
	Bytes    int64    `json:"bytes_read"`
	Size     *int64   `json:"file_bytes"`
	Checksum string   `json:"checksum"`
	Bad      int64    `json:"bad_values"`
	Error    string   `json:"error"`
	Offset   *int64   `json:"error_offset"`
	Key      *string  `json:"error_key"` // as our CSV prints it
	Remarks  []string `json:"remarks"`
}

// blame copies the place out of an error.
func (v *verdict) blame(err error) {
	var at *rdbparse.Error
	if errors.As(err, &at) {
		v.Offset = &at.Offset
		if at.Key != nil {
			key := string(aggregate.AppendEscaped(nil, at.Key))
			v.Key = &key
		}
	}
}

func (v *verdict) write(w io.Writer, format string) error {
	v.Path, v.Error = output.Printable(v.Path), output.Printable(v.Error)
	v.Server = output.Printable(v.Server) // the file's own words
	for i := range v.Remarks {
		v.Remarks[i] = output.Printable(v.Remarks[i])
	}
	if format == "ndjson" {
		enc := json.NewEncoder(w)
		return enc.Encode(v)
	}
	say := v.Remarks
	if v.Error != "" {
		say = append([]string{v.Error}, say...)
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", v.State, v.Path, v.Format, v.Server, v.Keys, v.Bytes, v.Checksum, strings.Join(say, "; "))
	return err
}

func (v *verifier) run(e *env, args []string) error {
	inputs, err := expand(e, args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdoutWriter{e.stdout})
	read := &readBytes{}
	p := startProgress(e, v.flags.progress, totalSize(inputs), read.sum, func() string { return "verify" })
	defer p.end()
	good, bad := 0, 0
	for _, in := range inputs {
		said, err := v.one(e, in, read, out)
		if err != nil {
			return err
		}
		if said.State != "unreadable" {
			good++
		}
		if said.State != "ok" {
			bad++
		}
		said.write(out, v.format)
		if err := out.Flush(); err != nil { // each dump can take a while
			return writeError("-", err)
		}
	}
	p.end()
	switch {
	case good == 0:
		return &exitError{status: exitFailed}
	case bad > 0:
		return &exitError{status: exitDamaged}
	}
	return nil
}

// one reads a dump. The error is of the run, not of the dump.
func (v *verifier) one(e *env, in source.Input, read *readBytes, out io.Writer) (*verdict, error) {
	said := &verdict{State: "unreadable", Path: in.Path, Remarks: []string{}}
	if in.Size >= 0 {
		said.Size = &in.Size
	}
	d, err := e.open(in, nil)
	if e.ctx.Err() != nil {
		return nil, e.ctx.Err()
	}
	if err != nil {
		said.Error = err.Error()
		said.blame(err)
		return said, nil
	}
	defer d.Close()
	read.follow(d.Stream)
	var wireErr error
	if v.wire {
		d.R.Wire = func(offset int64, what, detail string) {
			if _, err := fmt.Fprintf(out, "%d\t%s\t%q\n", offset, what, detail); err != nil {
				wireErr = err
			}
		}
	}
	c := &deepCheck{r: d.R, bad: d.Bad}
	d.R.OnBad = d.Bad
	if !v.deep {
		c = nil
	}
	keys, err := walk(e, d, c, &wireErr)
	if wireErr != nil {
		return nil, writeError("-", wireErr)
	}
	if e.ctx.Err() != nil {
		return nil, e.ctx.Err()
	}
	d.Finish(err)
	said.State, said.Format, said.Server, said.Checksum = "ok", d.Src.Format, d.Src.Server, d.Src.Checksum
	said.Keys, said.Bytes, said.Bad = keys, d.Src.Bytes, d.Skipped
	said.Remarks = append(said.Remarks, d.Src.Remarks()...)
	if d.R.Info().Trailing == rdbparse.TrailingEOFMark && d.Src.Trailing == "" {
		// Of a whole transfer no report speaks; who asks what there is hears it.
		said.Remarks = append(said.Remarks, "40 bytes follow the dump: the end mark of a replication stream")
	}
	if c != nil && c.large > 0 {
		said.Remarks = append(said.Remarks, fmt.Sprintf("%d values have more than %s elements, too many to look for one that is there twice", c.large, output.Count(maxNames)))
	}
	if d.Damaged() {
		said.State, said.Error = "damaged", d.Src.Error
		said.blame(d.Err)
	}
	return said, nil
}

// walk reads a dump to its end, and says how many keys have a whole value.
// With c it looks into the values too.
func walk(e *env, d *scan.Dump, c *deepCheck, stop *error) (keys int64, err error) {
	for {
		if d.Src.Keys&1023 == 0 && e.ctx.Err() != nil {
			return d.Src.Keys, e.ctx.Err()
		}
		k, err := d.R.Next()
		if err == nil {
			d.Count(k)
			if c != nil {
				err = c.value(k)
			}
		}
		if err == nil && *stop == nil {
			continue
		}
		var fault *rdbparse.Error
		switch {
		case *stop != nil:
			err = *stop
		case errors.As(err, &fault) && fault.Key != nil:
			return d.Src.Keys - 1, err // the last key has no value
		}
		return d.Src.Keys, err
	}
}
