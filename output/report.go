// Package output shows what the analyses found: terminal text, CSV, JSON,
// HTML and rows per key. It prints; it does no arithmetic beyond shares and units.
package output

import (
	"io"

	"rdbaudit/aggregate"
)

// Report is everything that a report format may print. Formats print the same
// Report, so N analyses and M formats cost N+M files.
type Report struct {
	Version  string // of rdbaudit
	Now      int64  // unix milliseconds that TTLs and idle times are held against; the last, if each dump has its own
	NowFirst int64  // the first of them; 0: there is but one
	NowFrom  string // where Now comes from: "dump", "file time", "--now"
	Measure  string // "allocated" or "usage"
	Filtered string // the filters in force, in words; empty if none: then Memory reconciles
	Options  Options
	Sources  []Source
	Memory   Memory
	Model    Model
	Totals   aggregate.Totals
	Tables   []aggregate.Table
	Warnings []string // first lines of the report: damage, refusals, what was assumed
	Notes    []string // what is listed, not guessed
	// Part is what the report was made of, to be merged with others; nil if
	// that is not at hand.
	Part interface{ Write(io.Writer) error }
}

// Options say how keys were cut into patterns, so that reports made otherwise
// are not compared. The zero value says that it is not known.
type Options struct {
	Separators []string
	Depth      int
	Patterns   string // a fingerprint of the user's own patterns and their owners; empty: none
}

// Source is one dump that was read.
type Source struct {
	Path      string
	Bytes     int64  // bytes read
	Size      int64  // bytes there are, -1 if unknown (a pipe)
	Server    string // "redis 7.2.6", "valkey 9.1.2"
	Format    string // "REDIS0011", "VALKEY080"
	Created   int64  // unix milliseconds from aux ctime; 0 if absent
	UsedMem   int64  // aux used-mem; -1 if absent
	Keys      int64
	Checksum  string // "ok", "none", "wrong"
	Functions int64
	Error     string // empty, or why and where reading ended
	Offset    int64  // where reading ended in error
	Trailing  string // what follows the end of the dump, in words
	Announced string // where the dump holds other numbers of keys than it announces, in words
}

// Remarks are what there is to say of a dump that is no damage.
func (s *Source) Remarks() []string {
	var all []string
	for _, say := range []string{s.Trailing, s.Announced} {
		if say != "" {
			all = append(all, say)
		}
	}
	return all
}

// Memory reconciles the keys with what the server said that it used.
type Memory struct {
	Keys         int64   // sum of all keys, allocated
	Tables       int64   // main and expires dictionaries, per-slot structures
	Startup      int64   // an empty server of that line
	Estimate     int64   // Keys + Tables + Startup
	DumpUsedMem  int64   // aux used-mem summed; -1 if the dumps do not say
	Slack        int64   // part of Keys that a restart gives back (streams' last nodes)
	ExpectedPart float64 // share of Keys that is an expected value, not a certain one
	ExpectedSD   int64   // standard deviation of Keys in bytes
	Opaque       int64   // part of Keys that no formula covers: serialised bytes of module values
}

// Model says under which server the sizes hold.
type Model struct {
	Line      string // "redis-7.2"
	From      string // why this line: "the dump's redis-ver 7.2.6", "--target"
	Verified  bool   // the line was checked against real servers
	View      string // "live" or "loaded"
	Allocator string
	Cluster   bool
	Limits    []Limit
}

// Limit is one encoding limit in force.
type Limit struct {
	Name  string
	Value string
	From  string // "default", "dump", "--config", "flag"
}

// moments says when the dumps were made.
func (r *Report) moments() string {
	if r.NowFirst == 0 || r.NowFirst == r.Now {
		return Time(r.Now)
	}
	return Time(r.NowFirst) + " to " + Time(r.Now)
}
