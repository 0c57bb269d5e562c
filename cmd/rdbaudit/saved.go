package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/output"
)

// savedReport opens what an earlier run wrote with -o x.json, if that is what
// the only argument is: its first byte tells, as no dump begins with a brace.
func savedReport(args []string) (*os.File, error) {
	if len(args) != 1 || args[0] == "-" {
		return nil, nil
	}
	st, err := os.Stat(args[0])
	if err != nil || !st.Mode().IsRegular() {
		return nil, nil // the dump's reader says what is wrong
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, nil
	}
	var first [1]byte
	if n, _ := f.Read(first[:]); n == 0 || first[0] != '{' {
		f.Close()
		return nil, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, failed(fmt.Errorf("%s: %s", args[0], errText(err)))
	}
	return f, nil
}

// savedFlags are the flags of report that do not need the dump.
var savedFlags = []string{"output", "format", "quiet", "color", "redact", "redact-key", "separator", "fail-on", "progress"}

// renderSaved renders a saved report again.
func (f *reportFlags) renderSaved(e *env, file *os.File, path string, targets []reportTarget, opts *aggregate.Options) error {
	defer file.Close()
	var refused []string
	f.set.Visit(func(flag *pflag.Flag) {
		for _, name := range savedFlags {
			if flag.Name == name {
				return
			}
		}
		refused = append(refused, "--"+flag.Name)
	})
	if len(refused) > 0 {
		return usageError("%s needs the dump; %s is a report that was made of one", strings.Join(refused, ", "), path)
	}
	for _, t := range targets {
		if t.format.Name == "part" {
			return usageError("-o %s: a part holds sums that %s has no more; make it of the dump", t.path, path)
		}
	}
	for _, r := range f.rules {
		if r.evicted {
			return usageError("--fail-on %q needs the dump; %s is a report that was made of one", r.text, path)
		}
	}
	rep, err := output.ParseReport(file)
	if err != nil {
		return failed(fmt.Errorf("%s: %w", path, err))
	}
	return f.finish(e, rep, targets, opts, nil, nil)
}
