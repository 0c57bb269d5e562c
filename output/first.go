package output

import "strings"

// damaged is true if a dump could not be read to its end, or not at all.
func (r *Report) damaged() bool {
	for i := range r.Sources {
		if r.Sources[i].Error != "" {
			return true
		}
	}
	return false
}

// firstLines are what every format says before anything else: which dumps are
// damaged, that the figures are those of a filter, then the other warnings.
func (r *Report) firstLines() []string {
	told := make([]bool, len(r.Warnings))
	var out []string
	for i := range r.Sources {
		s := &r.Sources[i]
		if s.Error == "" {
			continue
		}
		found := false
		for j, w := range r.Warnings {
			if !strings.Contains(w, s.Error) {
				continue
			}
			if !told[j] {
				out = append(out, prose(w))
			}
			found, told[j] = true, true
		}
		if !found {
			out = append(out, s.damageLine())
		}
	}
	if r.Filtered != "" {
		out = append(out, "Filtered: "+prose(r.Filtered)+". Keys that the filter refused are in no figure, so nothing is reconciled with the server.")
	}
	for j, w := range r.Warnings {
		if !told[j] {
			out = append(out, prose(w))
		}
	}
	return out
}

// damageLine names the dump, how much of it was read, and where and why reading ended.
func (s *Source) damageLine() string {
	if s.Bytes == 0 && s.Keys == 0 {
		return prose(s.Path) + " could not be read: " + prose(s.Error) + "."
	}
	line := prose(s.Path) + " is damaged: " + s.errorText() + ". " + plural(s.Keys, "key") + " and " + Count(s.Bytes) + " bytes were read"
	if s.Size > s.Bytes {
		line += ", " + Share(ratio(s.Bytes, s.Size)) + " of its " + Bytes(s.Size)
	}
	return line + "."
}
