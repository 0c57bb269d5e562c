package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/pprof"
	"time"

	pprofile "github.com/google/pprof/profile"

	"rdbaudit/aggregate"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// profileRuns is how often each dump is read for a profile.
const profileRuns = 40

// profile writes where reports of the dumps spend their time. As
// cmd/rdbaudit/default.pgo it tells the compiler what is worth inlining.
func profile(to string, dumps []string) error {
	var raw bytes.Buffer
	if err := pprof.StartCPUProfile(&raw); err != nil {
		return err
	}
	err := reports(dumps)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	p, err := pprofile.Parse(&raw)
	if err != nil {
		return err
	}
	// The compiler looks at functions and lines; where they lay on this machine
	// is nobody's business.
	for _, f := range p.Function {
		f.Filename = path.Base(f.Filename)
	}
	for _, m := range p.Mapping {
		m.File, m.BuildID = "", ""
	}
	p.TimeNanos = 0
	var out bytes.Buffer
	if err := p.Compact().Write(&out); err != nil {
		return err
	}
	return os.WriteFile(to, out.Bytes(), 0o644)
}

// reports makes reports of the dumps, again and again.
func reports(dumps []string) error {
	html, ok := output.FormatByName("html")
	if !ok {
		return errors.New("there is no format html")
	}
	begun := time.Now()
	var stores source.Stores
	for range profileRuns {
		for _, dump := range dumps {
			o := scan.Options{
				How:       scan.How{Model: scan.Model{Allocator: "jemalloc", Cluster: "auto"}, Findings: true, JSONEvery: scan.SampleEvery},
				Aggregate: &aggregate.Options{}, Jobs: runtime.NumCPU(), Elapsed: func() time.Duration { return time.Since(begun) },
			}
			part, err := scan.Run(context.Background(), stores.Expand(context.Background(), []string{dump}), &o)
			if err != nil {
				return err
			}
			report, _ := part.Report(&scan.View{})
			if err := html.Write(io.Discard, report); err != nil {
				return err
			}
		}
	}
	return nil
}
