package aggregate

import (
	"cmp"
	"slices"
	"strings"

	"rdbaudit/estimate"
)

// A kind is a type with an encoding, or a module type with one, as a small
// number. Module types are numbered as they appear, so numbers mean something
// only beside the modules they come from.
type kind uint16

const (
	plainKinds  = kind(estimate.NumTypes) * kind(estimate.NumEncodings)
	maxModules  = 250 // a dump names its module types itself; those beyond share one name
	otherModule = "(other)"
)

// modules numbers the names of module types.
type modules struct{ names []string }

func (m *modules) kind(r *estimate.Record) kind {
	if r.Type == estimate.Module {
		return m.named(r.Module, r.Encoding)
	}
	if r.Type >= estimate.NumTypes || r.Encoding >= estimate.NumEncodings {
		return kind(estimate.Other)*kind(estimate.NumEncodings) + kind(estimate.Unknown)
	}
	return kind(r.Type)*kind(estimate.NumEncodings) + kind(r.Encoding)
}

func (m *modules) named(name string, e estimate.Encoding) kind {
	i := slices.Index(m.names, name)
	if i < 0 {
		if len(m.names) >= maxModules {
			name = otherModule
			i = slices.Index(m.names, name)
		}
		if i < 0 {
			i = len(m.names)
			m.names = append(m.names, strings.Clone(name))
		}
	}
	return plainKinds + kind(i)*kind(estimate.NumEncodings) + kind(min(e, estimate.Unknown))
}

func (m *modules) typeName(k kind) string {
	if k >= plainKinds {
		return "module:" + m.names[(k-plainKinds)/kind(estimate.NumEncodings)]
	}
	return estimate.Type(k / kind(estimate.NumEncodings)).String()
}

func (m *modules) encoding(k kind) string {
	return estimate.Encoding(k % kind(estimate.NumEncodings)).String()
}

// from gives the number that a kind of o has in m.
func (m *modules) from(o *modules, k kind) kind {
	if k < plainKinds {
		return k
	}
	i := (k - plainKinds) / kind(estimate.NumEncodings)
	return m.named(o.names[i], estimate.Encoding(k%kind(estimate.NumEncodings)))
}

// kindBytes is how many bytes are of a kind.
type kindBytes struct {
	kind  kind
	bytes int64
}

// mix prints shares by bytes: "hash", or "hash 80.0%,string 20.0%", the
// largest first.
func mix(kinds []kindBytes, name func(kind) string) string {
	var parts []kindPart
next:
	for _, k := range kinds {
		n := name(k.kind)
		for i := range parts {
			if parts[i].name == n {
				parts[i].bytes += k.bytes
				continue next
			}
		}
		parts = append(parts, kindPart{n, k.bytes})
	}
	return mixParts(parts)
}

// mixParts prints shares of distinct names. It sorts parts.
func mixParts(parts []kindPart) string {
	if len(parts) == 0 {
		return ""
	}
	if len(parts) == 1 {
		return parts[0].name
	}
	var total int64
	for _, p := range parts {
		total += p.bytes
	}
	slices.SortFunc(parts, func(a, b kindPart) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name)) })
	var s []byte
	for i, p := range parts {
		if i > 0 {
			s = append(s, ',')
		}
		s = append(s, p.name...)
		s = append(s, ' ')
		permille := int64(0)
		if total > 0 {
			permille = int64(float64(p.bytes)/float64(total)*1000 + 0.5)
		}
		s = appendInt(s, permille/10)
		s = append(s, '.', byte('0'+permille%10), '%')
	}
	return string(s)
}

// kinds is how many kinds there are.
func (m *modules) kinds() kind {
	return plainKinds + kind(len(m.names))*kind(estimate.NumEncodings)
}

// in gives the number that a kind has in sorted, which has the same names in
// another order.
func (m *modules) in(sorted *modules, k kind) kind {
	if k < plainKinds {
		return k
	}
	i := slices.Index(sorted.names, m.names[(k-plainKinds)/kind(estimate.NumEncodings)])
	return plainKinds + kind(i)*kind(estimate.NumEncodings) + (k-plainKinds)%kind(estimate.NumEncodings)
}
