package aggregate

// gate is for tables that have been full: it lets those patterns in that were
// seen lately. Patterns that come once only would otherwise push each other
// out all the time. The zero value has seen nothing.
type gate [gateSize]uint64

// gateSize is how many patterns are remembered.
const gateSize = 4096

// turnsAway says that a pattern was not seen lately, and remembers it.
func (g *gate) turnsAway(pattern []byte) bool {
	h := hashSegment(pattern)
	at := &g[h%gateSize]
	if *at == h {
		return false
	}
	*at = h
	return true
}
