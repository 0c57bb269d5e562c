// Package aggregate adds records up: how many bytes each key pattern, type,
// database and age holds, and which keys are the largest.
//
// Every analysis is mergeable: adding the records of two streams one after
// the other gives the same tables, byte for byte, as adding each stream apart
// and merging the two. Workers, shards and parts of a fleet therefore share
// one code path. The law rests on three habits: sums are integers, ties are
// broken to the last byte, and what is kept does not depend on the order of
// arrival. Where a cap on memory bites, what does not fit is counted under a
// wildcard or an "other" row, the table says so in its notes, and sums stay
// exact.
//
// Nothing here reads a clock, the environment or a file.
package aggregate

import (
	"errors"
	"fmt"
	"slices"

	"rdbaudit/estimate"
)

// Options are what all analyses of one run share. Parts made under different
// options cannot be merged; TableMemory may differ, as it changes no meaning,
// and so may Now: each key is held against the moment of its own dump. The zero
// value of a field stands for its default.
type Options struct {
	Now         int64    // unix milliseconds: the dump's moment, never the wall clock; Set.SetMoment changes it from dump to dump
	Usage       bool     // sum Record.Size instead of Record.Alloc
	Separators  []string // where key names are cut; default ":"; at most 15 of at most 16 bytes
	Depth       int      // most segments of a pattern; default 6, at most 32
	Top         int      // length of the lists of largest keys; default 20, negative: no lists
	Patterns    []string // the user's own patterns, first match wins
	Owners      []string // of Patterns, in their order; empty or missing: nobody
	Eviction    bool     // count what eviction at maxmemory looks at
	TableMemory int64    // bytes that all tables of one run may hold; default 64 MiB; a run of several sets must divide it
}

// DefaultTableMemory is Options.TableMemory if nobody says otherwise, in bytes.
const DefaultTableMemory = 64 << 20

// Limits of Options.
const (
	defaultDepth   = 6
	maxDepth       = 32
	defaultTop     = 20
	maxTop         = 100_000
	maxSeparators  = 15 // a separator's index shares a byte below 0x20 with one flag
	maxSeparator   = 16
	maxUserPattern = 4096
	maxPatterns    = 2000 // each worker has them several times
	maxOwner       = 200
	minTableMemory = 512 << 10
)

// Check says what is wrong with the options. Analyses made from options that
// fail it use what they understand of them.
func (o *Options) Check() error {
	if len(o.Separators) > maxSeparators {
		return fmt.Errorf("%d separators, the most is %d", len(o.Separators), maxSeparators)
	}
	for _, s := range o.Separators {
		if s == "" {
			return errors.New("an empty separator")
		}
		if len(s) > maxSeparator {
			return fmt.Errorf("separator %q is longer than %d bytes", s, maxSeparator)
		}
	}
	if o.Depth < 0 || o.Depth > maxDepth {
		return fmt.Errorf("depth %d is not in 1 to %d", o.Depth, maxDepth)
	}
	if o.Top > maxTop {
		return fmt.Errorf("top %d is more than %d", o.Top, maxTop)
	}
	if len(o.Patterns) > maxPatterns {
		return fmt.Errorf("%d patterns, the most is %d", len(o.Patterns), maxPatterns)
	}
	for i, name := range o.Owners {
		if name != "" && i >= len(o.Patterns) {
			return fmt.Errorf("owner %q of no pattern", name)
		}
		if len(name) > maxOwner {
			return fmt.Errorf("owner %q is longer than %d bytes", name, maxOwner)
		}
	}
	_, err := NewPatterner(o)
	return err
}

// normal is a copy of the options with defaults filled in and limits kept.
func (o *Options) normal() *Options {
	n := *o
	n.Separators, n.Patterns = nil, slices.Clone(o.Patterns)
	n.Owners = make([]string, len(o.Patterns))
	copy(n.Owners, o.Owners)
	for _, s := range o.Separators {
		if s != "" && len(s) <= maxSeparator && len(n.Separators) < maxSeparators && !slices.Contains(n.Separators, s) {
			n.Separators = append(n.Separators, s)
		}
	}
	if len(n.Separators) == 0 {
		n.Separators = []string{":"}
	}
	if n.Depth <= 0 {
		n.Depth = defaultDepth
	}
	n.Depth = min(n.Depth, maxDepth)
	if n.Top == 0 {
		n.Top = defaultTop
	}
	n.Top = max(0, min(n.Top, maxTop))
	if o.Top < 0 {
		n.Top = -1
	}
	if n.TableMemory <= 0 {
		n.TableMemory = DefaultTableMemory
	}
	n.TableMemory = max(n.TableMemory, minTableMemory)
	return &n
}

// same names the first option in which two normal sets of options differ.
func (o *Options) same(p *Options) error {
	differ := func(name string, a, b any) error {
		return fmt.Errorf("cannot merge: made with different %s: %v and %v", name, a, b)
	}
	switch {
	case o.Usage != p.Usage:
		return differ("measure", measureName(o.Usage), measureName(p.Usage))
	case !slices.Equal(o.Separators, p.Separators):
		return differ("separators", fmt.Sprintf("%q", o.Separators), fmt.Sprintf("%q", p.Separators))
	case o.Depth != p.Depth:
		return differ("depth", o.Depth, p.Depth)
	case o.Top != p.Top:
		return differ("top", o.Top, p.Top)
	case !slices.Equal(o.Patterns, p.Patterns):
		return differ("patterns", fmt.Sprintf("%q", o.Patterns), fmt.Sprintf("%q", p.Patterns))
	case !slices.Equal(o.Owners, p.Owners):
		return differ("owners", fmt.Sprintf("%q", o.Owners), fmt.Sprintf("%q", p.Owners))
	case o.Eviction != p.Eviction:
		return differ("eviction", o.Eviction, p.Eviction)
	}
	return nil
}

func measureName(usage bool) string {
	if usage {
		return "usage"
	}
	return "allocated"
}

// Measure is the size that sums and lists follow, in bytes.
func (o *Options) Measure(r *estimate.Record) int64 {
	if o.Usage {
		return r.Size
	}
	return r.Alloc
}

// Analysis adds up records. Sums are integers, so that the result does not
// depend on the order of records, files or workers; where a table has been
// full, what is told apart may, the sums do not. It is not safe for concurrent
// use: give each worker its own and merge.
type Analysis interface {
	// Add counts one record; it copies whatever it keeps.
	Add(*estimate.Record)
	// Merge counts all that other has counted. Other is of the same concrete
	// type and options and must not be used afterwards.
	Merge(other Analysis) error
	// Tables renders the result. It may be called once, after the last Add and Merge.
	Tables(*Totals) []Table
	// code writes what was counted, or reads it into an analysis that has
	// counted nothing.
	code(*coder)
}

// Spec is a row of the list of analyses: help, flags, tests and formats follow from it.
type Spec struct {
	Name string
	Doc  string
	New  func(*Options) Analysis
}

func errType(want Analysis, got Analysis) error {
	return fmt.Errorf("cannot merge: %T into %T", got, want)
}
