package aggregate

import "bytes"

// Within says whether a table's row of that pattern counts the key: the
// pattern is the key's own, or ends in a separator and the key is below it,
// or has * where the key's has a literal segment that may have been folded.
// Which literals a table folds depends on all keys, so a row with * is
// matched by the keys of its unfolded neighbours too. A lone * is the root
// and matches every key.
func (p *Patterner) Within(pattern string, key []byte) bool {
	if pattern == "*" {
		return true
	}
	p.scratch, _ = p.walk(p.scratch[:0], key, true)
	marked := p.scratch
	for i := 0; i < len(marked); {
		to := segmentEnd(marked, i)
		text := marked[i+1 : to]
		if i > 0 {
			sep := p.seps[marked[i]>>markShift-1].text
			if len(pattern) < len(sep) || pattern[:len(sep)] != string(sep) {
				return false
			}
			if pattern = pattern[len(sep):]; pattern == "" {
				return true // all below
			}
		} else if len(text) > 0 && isFormula(text[0]) {
			text = escapeFormula(bytes.Clone(text), 0)
		}
		last := to == len(marked)
		switch {
		case len(pattern) >= len(text) && pattern[:len(text)] == string(text) && p.cutAt(pattern[len(text):], last):
			pattern = pattern[len(text):]
		case pattern[:min(1, len(pattern))] == "*" && marked[i]&markClass == 0 && p.cutAt(pattern[1:], last):
			pattern = pattern[1:]
		default:
			return false
		}
		i = to
	}
	return pattern == ""
}

// cutAt says whether a segment ends where rest of a pattern begins.
func (p *Patterner) cutAt(rest string, last bool) bool {
	if last {
		return rest == ""
	}
	for i := range p.seps {
		if sep := p.seps[i].text; len(rest) >= len(sep) && rest[:len(sep)] == string(sep) {
			return true
		}
	}
	return false
}
