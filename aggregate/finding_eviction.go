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
	o := a.o.Eviction.InForce()
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
	o := a.o.Eviction.InForce()
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

const (
	docCannotFree = `At its maxmemory a server evicts keys before each write until it is under the
limit again. The volatile policies may take only keys with a TTL, noeviction
takes none. Once nothing is left that the policy may take, commands that need
memory fail with "OOM command not allowed when used memory > 'maxmemory'";
reads and deletions still work.

What must go is what the server used, new data of --growth included, less
maxmemory. What it used is taken from --info (used_memory less
mem_not_counted_for_evict), else from the dump (used-mem), else it is our
estimate. What can go is the memory of the keys that the policy may take; the
tables that hold them shrink later or not at all and are not counted.
Sources: evict.c performEvictions, getMaxmemoryState of redis 7.0.15.`
	docTakes = `The policy in force would evict a third or more of this pattern to get under
maxmemory. That is what a cache is for; sessions, queues and locks are not
expected to vanish.

LRU policies go by the time since the last access, LFU policies by a counter of
accesses that decays, volatile-ttl by the time left to live; the random ones by
nothing. A server does not sort its keys: it draws a few of each database
(maxmemory-samples, 5), keeps the 16 best candidates it has seen, and evicts
the best of them. The figures are what that gives on average. They are held
against real servers in the tests.

A dump tells idle times only if it was written while maxmemory-policy was an
LRU one, and counters only under an LFU one. To get them, set such a policy
with CONFIG SET some days before the dump is made; where maxmemory is not
reached, nothing is evicted for it. Switching between LRU and LFU makes the
values of before meaningless.

To reconstruct an incident, take the last dump before it, the maxmemory and
policy of that day, and as --growth what was written from then until memory was
full and beyond:

  rdbaudit report --maxmemory 8gb --maxmemory-policy allkeys-lru \
    --growth 500mb dump.rdb

Sources: evict.c evictionPoolPopulate, rdb.c rdbSaveKeyValuePair, object.c
estimateObjectIdleTime of redis 7.0.15.`
)
