package aggregate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func percent(part, of int64) string {
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(max(of, 1)))
}

// findCannotFree: the policy in force runs out of keys, and writes fail.
func findCannotFree(a *auditor) {
	o := a.o.Eviction.inForce()
	if o == nil || o.Short == 0 {
		return
	}
	need := a.o.Eviction.Need
	evidence := fmt.Sprintf("%s may evict %d keys, %s of what must go; then writes fail with OOM", o.Policy.Name, o.Held.keys, percent(o.Held.bytes, need))
	advice := "raise maxmemory, or choose an allkeys policy if all of it is a cache; else give a TTL to what may go, or delete it"
	switch {
	case o.Policy.never:
		evidence = "noeviction evicts nothing, and writes fail with OOM"
		advice = "raise maxmemory, or set maxmemory-policy: the table eviction says what each would take"
	case !o.Policy.Volatile:
		advice = "raise maxmemory: what it holds beside keys (buffers of clients and replicas, scripts) takes too much of it"
	case o.Held.keys == 0:
		evidence = o.Policy.Name + " may evict nothing, for no key has a TTL, and writes fail with OOM"
	}
	a.found = append(a.found, Finding{
		Keys: o.Held.keys, Bytes: o.Short, After: o.Short, Sure: "as sure as the sum of the keys with a TTL",
		Evidence: evidence, Advice: advice,
	})
}

// findTakes: patterns of which the policy in force takes a third or more.
func findTakes(a *auditor) {
	o := a.o.Eviction.inForce()
	if o == nil || o.Gone.keys == 0 {
		return
	}
	const most = 5
	losses := slices.Clone(o.Patterns)
	slices.SortStableFunc(losses, func(x, y Loss) int { return cmp.Compare(y.Gone.bytes, x.Gone.bytes) })
	n := 0
	for _, l := range losses {
		if l.Pattern == "*" || 3*l.Gone.keys < l.All.keys || l.Gone.bytes < a.o.Eviction.Need/100 || n == most {
			continue
		}
		n++
		var others []string
		for i := range a.o.Eviction.Outcomes {
			other := &a.o.Eviction.Outcomes[i]
			if other.InForce || other.Unknown != "" || other.Short > 0 {
				continue
			}
			for _, x := range other.Patterns {
				if x.Pattern == l.Pattern && 3*x.Gone.bytes < l.Gone.bytes {
					others = append(others, fmt.Sprintf("%s %s", other.Policy.Name, percent(x.Gone.keys, x.All.keys)))
				}
			}
		}
		advice := "if they must stay, raise maxmemory, or keep them on a server of their own; no policy that frees enough spares them"
		if len(others) > 0 {
			advice = "if they must stay, another maxmemory-policy takes less of them: " + strings.Join(others, ", ") + "; what it takes instead the table eviction says"
		}
		a.found = append(a.found, Finding{
			Pattern: l.Pattern, Keys: l.Gone.keys, Bytes: l.Gone.bytes, After: l.Gone.bytes, Sure: "expected: the server draws lots, and what was used since the dump is not in it",
			Evidence: fmt.Sprintf("%s evicts %s of its %d keys", o.Policy.Name, percent(l.Gone.keys, l.All.keys), l.All.keys), Advice: advice,
		})
	}
}
