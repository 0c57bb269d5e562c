package main

import (
	"errors"

	"github.com/spf13/pflag"

	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
)

// errClosedStdout ends the work quietly: nobody reads on.
var errClosedStdout = errors.New("stdout was closed")

// scanFlags say how dumps are read.
type scanFlags struct {
	onError  string
	progress string
	quiet    bool
	jobs     int
}

func (s *scanFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&s.onError, "on-error", "stop", "a value with bad contents: stop there, or skip it and count it")
	fs.StringVar(&s.progress, "progress", "auto", "progress on stderr: auto (a bar on terminals), bar, plain or none")
}

func (s *scanFlags) check() error {
	if s.onError != "stop" && s.onError != "skip" {
		return usageError("--on-error is stop or skip, not %q", s.onError)
	}
	switch s.progress {
	case "auto", "bar", "plain", "none":
		return nil
	}
	return usageError("--progress is auto, bar, plain or none, not %q", s.progress)
}

// skip says that values with bad contents are skipped and counted.
func (s *scanFlags) skip() bool { return s.onError == "skip" }

// open opens an input and reads its head.
func (e *env) open(in source.Input, m *modelFlags) (*scan.Dump, error) {
	var model *scan.Model
	if m != nil {
		model = m.model()
	}
	return scan.Open(e.ctx, e.stdin, in, model)
}
