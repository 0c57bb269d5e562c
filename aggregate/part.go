package aggregate

import (
	"fmt"
	"math"
)

// A part is what a Set holds, as bytes: the options, then each analysis by its
// name. Parts of the same sums are the same bytes. They say nothing of the
// dumps but how many there are, nor do they carry their version or a checksum: that is
// for the file that holds them.

// PartVersion is the version of the parts that AppendPart writes. ReadPart reads
// those before as well.
const PartVersion = 3

// From which version on parts say which rows of a full audit may lack keys, and
// how many keys each key of a sample stands for.
const (
	lateVersion = 2
	thinVersion = 3
)

// AppendPart appends what the set has counted of that many dumps. Like Tables
// it comes after the last Add and Merge.
func (s *Set) AppendPart(dst []byte, sources int) []byte {
	return s.appendPart(dst, PartVersion, sources)
}

// appendPart writes a part of an earlier version, too: what that cannot say is
// left out.
func (s *Set) appendPart(dst []byte, version, sources int) []byte {
	c := &coder{b: dst, version: version, sources: int32(sources)}
	o := *s.o
	o.Now = s.totals.moments.now(s.o) // which record came last is of no account
	o.code(c)
	specs := Specs()
	for i, a := range s.analyses() {
		name := specs[i].Name
		c.string(&name, math.MaxUint8)
		body := &coder{version: version, sources: c.sources}
		a.code(body)
		c.text(&body.b, math.MaxInt)
	}
	return c.b
}

// ReadPart makes a set of what AppendPart has written, of that or an earlier version.
// The dumps of the part have the indexes from base on; tableMemory is
// Options.TableMemory, whatever that was when it was written. It keeps nothing
// of part, which is not trusted: errors unwrap to ErrPart.
func ReadPart(part []byte, version, base, sources int, tableMemory int64) (*Set, error) {
	c := &coder{b: part, reads: true, version: version}
	o := &Options{}
	if o.code(c); c.err != nil {
		return nil, c.err
	}
	o.TableMemory = tableMemory
	s, err := NewSet(o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPart, err)
	}
	specs := Specs()
	for i, a := range s.analyses() {
		var name string
		var body []byte
		c.string(&name, math.MaxUint8)
		if c.text(&body, math.MaxInt); c.err != nil {
			return nil, c.err
		}
		if name != specs[i].Name {
			return nil, fmt.Errorf("%w: %q where %q must stand", ErrPart, name, specs[i].Name)
		}
		in := &coder{b: body, reads: true, version: version, base: int32(base), sources: int32(sources)}
		if a.code(in); in.err == nil && len(in.b) > 0 {
			in.fail("more than there should be")
		}
		if in.err != nil {
			return nil, fmt.Errorf("%s: %w", name, in.err)
		}
	}
	if len(c.b) > 0 {
		return nil, fmt.Errorf("%w: more than there should be", ErrPart)
	}
	if version < lateVersion {
		s.audit.unsure()
	}
	return s, nil
}

// Options are those that the set was made with, defaults filled in.
func (s *Set) Options() Options { return *s.o }

func (o *Options) code(c *coder) {
	c.int(&o.Now)
	c.bool(&o.Usage, &o.Eviction)
	list := func(p *[]string, most, longest int) {
		eachOf(c, p, most, func(s *string) { c.string(s, longest) })
	}
	list(&o.Separators, maxSeparators, maxSeparator)
	list(&o.Patterns, maxPatterns, maxUserPattern)
	list(&o.Owners, maxPatterns, maxOwner)
	small(c, &o.Depth, maxDepth+1)
	top := o.Top + 1 // -1: no lists
	small(c, &top, maxTop+2)
	o.Top = top - 1
}
