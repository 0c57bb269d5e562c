package aggregate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rdbaudit/estimate"
)

// Findings about time to live, about keys and slots that hurt a server
// otherwise than by their size, and about bytes that nothing explains.

// sizeText prints bytes in words of findings.
func sizeText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for ; f >= 1000 && u < len(units)-1; u++ {
		f /= 1024
	}
	if u == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}

// spanText prints a time in seconds.
func spanText(s int64) string {
	units := []struct {
		name string
		s    int64
	}{{"years", 365 * day}, {"days", day}, {"hours", hour}, {"minutes", minute}}
	for _, u := range units {
		if s >= 2*u.s {
			return fmt.Sprintf("%d %s", s/u.s, u.name)
		}
	}
	return fmt.Sprintf("%d seconds", s)
}

func findFar(a *auditor) {
	a.eachMark(markFar, func(pattern string, s *marked) {
		if s.before < a.min {
			return
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "exact; whether it is meant the dump cannot say",
			Evidence: fmt.Sprintf("they expire in %s to %s; if that was meant in milliseconds, in %s at most", spanText(s.least), spanText(s.most), spanText(s.most/1000)),
			Example:  example(s.example),
			Advice:   "see that the unit is right (EXPIRE, SETEX and SET EX take seconds); if it is, this is data, not a cache: see that it is bounded, and that no volatile policy may evict what is still wanted",
		})
	})
}

func findDecades(a *auditor) {
	a.eachMark(markDecades, func(pattern string, s *marked) {
		if s.before < a.min {
			return
		}
		meant := fmt.Sprintf("as milliseconds that would be %s at most", spanText(s.most/1000))
		if now := a.set.totals.moments.now(a.set.o) / 1000; s.least/1000 > now/2 && s.most/1000 < 2*now {
			// Of a time in milliseconds, taken as seconds, what is left is about
			// a thousand times the time since 1970.
			meant = "a time in milliseconds was given to EXPIREAT or EXAT, which take seconds"
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "if they are meant to expire, as their TTL says",
			Evidence: fmt.Sprintf("they expire in %s to %s: never; %s", spanText(s.least), spanText(s.most), meant), Example: example(s.example),
			Advice: "set the TTL in the right unit: EXPIRE, SETEX and SET EX take seconds; PEXPIRE, PSETEX and SET PX take milliseconds",
		})
	})
}

// lazySettings are those that let a server free large values in the
// background, off by default in Redis and on since Valkey 8.0
// (config.c of redis 7.2.6 and valkey 8.0.1).
var lazySettings = [...]struct {
	name, what string
	ttl        bool // matters to keys with a TTL only
}{
	{"lazyfree-lazy-user-del", "DEL", false},
	{"lazyfree-lazy-expire", "expiry", true},
	{"lazyfree-lazy-eviction", "eviction", false},
	{"lazyfree-lazy-server-del", "being overwritten", false},
}

// AuditSettings are the options of redis.conf that findings look at, beside limits.
func AuditSettings() []string {
	var names []string
	for _, s := range lazySettings {
		names = append(names, s.name)
	}
	return names
}

// eager lists what frees large values at once on the server, and the settings
// that change it.
func (a *auditor) eager(withTTL bool) (what, settings []string) {
	for _, s := range lazySettings {
		value := strings.ToLower(a.o.Config[s.name])
		if value == "" && strings.HasPrefix(a.o.Line, "valkey-") {
			value = "yes"
		}
		if value != "yes" && (withTTL || !s.ttl) {
			what, settings = append(what, s.what), append(settings, s.name+" yes")
		}
	}
	return what, settings
}

func findBlocks(a *auditor) {
	a.eachMark(markBlocks, func(pattern string, s *marked) {
		what, settings := a.eager(s.more > 0)
		if len(settings) == 0 {
			return
		}
		evidence := fmt.Sprintf("up to %d elements or nodes are freed one by one, during which the server does nothing else for some %d to %d ms: by %s",
			s.most, s.most/10_000, 3*s.most/10_000, strings.Join(what, ", "))
		if s.more > 0 {
			evidence += fmt.Sprintf("; %d of the keys expire", s.more)
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "exact counts; the time is estimated from 0.1 to 0.3 microseconds for each",
			Evidence: evidence, Example: example(s.example),
			Advice: "UNLINK instead of DEL; in redis.conf: " + strings.Join(settings, "; ") + "; or split the keys",
		})
	})
}

func findIntset(a *auditor) {
	a.eachMark(markIntset, func(pattern string, s *marked) {
		more := s.after - s.before
		if more < 2*a.min {
			return
		}
		limit := a.o.Model.Limits.SetIntset
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.before, Sure: "exact for members as long as those there are, but for what is chance in the tables",
			Evidence: fmt.Sprintf("sets of integers with up to %d of %d members: as hash tables they take %s, %s more", s.most, limit, sizeText(s.after), sizeText(more)),
			Example:  example(s.example),
			Advice: fmt.Sprintf("in redis.conf, before they get there: set-max-intset-entries %d; an intset is searched by halving, so that costs little but the moving of its bytes on insertion. Or split the sets",
				2*limit),
		})
	})
}

// madeSense is the earliest time, 2010, in milliseconds, that is taken for one
// in a stream's IDs; what is less was counted by hand.
const madeSense = 1_262_304_000_000

// since is how long before the dump's moment a time in milliseconds was, in
// seconds; 0 if it makes no sense.
func since(ms, now int64) int64 {
	if ms < madeSense || ms > now {
		return 0
	}
	return (now - ms) / 1000
}

func findGrows(a *auditor) {
	a.eachMark(markGrows, func(pattern string, s *marked) {
		if s.before < 5*a.min {
			return
		}
		evidence := fmt.Sprintf("%d entries, none of which was ever removed", s.count)
		if age := -s.least; age > 0 {
			evidence += fmt.Sprintf("; the oldest is of %s before the dump", spanText(age))
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.before, Sure: "exact, since the streams were made or loaded by a server before 7.0; a limit that was not reached yet looks the same",
			Evidence: evidence, Example: example(s.example),
			Advice: "bound them where they are written: XADD key MAXLEN ~ N * ..., or by age: XADD key MINID ~ ID * ...; XTRIM does it once",
		})
	})
}

func findRoom(a *auditor) {
	var all marked
	var best string
	patterns := 0
	a.eachMark(markRoom, func(pattern string, s *marked) {
		if patterns++; s.most > all.most {
			best = pattern
		}
		all.merge(s)
	})
	if all.before-all.after < a.min || all.keys == 0 {
		return
	}
	evidence := fmt.Sprintf("%.1f entries on average, and up to %d bytes of room for more in each stream", float64(all.count)/float64(all.keys), all.most)
	if patterns > 1 { // the setting is one for all
		evidence += fmt.Sprintf("; of %d patterns", patterns)
		best = ""
	}
	a.found = append(a.found, Finding{
		Pattern: best, Keys: all.keys, Bytes: all.before, After: all.after, Sure: "exact after a restart; the live server has the room in every stream that was written since its last one",
		Evidence: evidence, Example: example(all.example),
		Advice: "a restart, or a failover to a replica that has been restarted, gives it back until the next XADD; in redis.conf: stream-node-max-bytes 512 sets less aside in new nodes; or join streams of few entries",
	})
}

// Pending entries that are so fresh are being worked on.
const pendingFresh = hour

func findPending(a *auditor) {
	a.eachMark(markPending, func(pattern string, s *marked) {
		age := -s.least
		if s.before-s.after < a.min || age < pendingFresh {
			return
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "exact for acknowledging them all; the entries themselves stay",
			Evidence: fmt.Sprintf("%d entries were delivered and not acknowledged, up to %d in a stream, in %d groups; the first %s before the dump", s.count, s.most, s.more, spanText(age)),
			Example:  example(s.example),
			Advice:   "look with XPENDING key group; XACK what is done, in the consumers as a rule (a group that needs no acknowledging reads with NOACK); XAUTOCLAIM for the rest",
		})
	})
}

func findGone(a *auditor) {
	a.eachMark(markGone, func(pattern string, s *marked) {
		if s.before-s.after < a.min && s.count < 100 {
			return
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: s.keys, Bytes: s.before, After: s.after, Sure: "exact counts; bytes by their share of all pending entries",
			Evidence: fmt.Sprintf("%d consumers that were not seen for %s or more hold %d entries that nobody else gets", s.more, spanText(estimate.GoneAfter/1000), s.count),
			Example:  example(s.example),
			Advice:   "have a living consumer take them: XAUTOCLAIM key group consumer 604800000 0; then XGROUP DELCONSUMER key group gone. Give consumers names that outlive a restart",
		})
	})
}

// slotExample is the largest key of the lists that is in a slot.
func (a *auditor) slotExample(slot int32) string {
	var best *topKey
	for t := range a.set.largest.heaps {
		for i := range a.set.largest.heaps[t] {
			if k := &a.set.largest.heaps[t][i]; k.r.Slot == slot && (best == nil || k.compare(best) < 0) {
				best = k
			}
		}
	}
	if best == nil {
		return ""
	}
	return string(appendKeptText(nil, best.r.Key))
}

func (a *auditor) percent(bytes int64) int64 {
	return int64(100 * float64(bytes) / float64(max(a.set.totals.Bytes, 1)))
}

func findHotSlot(a *auditor) {
	a.hotSlots(func(s *slotSums, tag *tagSums) {
		if tag != nil {
			return // findHotTag says it
		}
		a.found = append(a.found, Finding{
			Keys: s.keys, Bytes: s.bytes, After: s.bytes, Sure: "exact",
			Evidence: fmt.Sprintf("slot %d holds %d %% of all bytes, and a slot is on one node", s.at, a.percent(s.bytes)), Example: a.slotExample(s.at),
			Advice: "split its largest keys into parts with names of their own; a cluster moves slots, it never divides one",
		})
	})
}

func findHotTag(a *auditor) {
	a.hotSlots(func(s *slotSums, tag *tagSums) {
		if tag == nil {
			return
		}
		sure := "exact"
		if a.set.slots.slack > 0 {
			sure = fmt.Sprintf("at least this, and at most %s more", sizeText(a.set.slots.slack))
		}
		a.found = append(a.found, Finding{
			Pattern: tag.print(), Keys: tag.keys, Bytes: tag.bytes, After: tag.bytes, Sure: sure,
			Evidence: fmt.Sprintf("%d keys with this hash tag are %d %% of all bytes and all in slot %d, which is on one node", tag.keys, a.percent(tag.bytes), s.at),
			Example:  a.slotExample(s.at),
			Advice:   "narrow the tag to what must be used together, such as {user:17} in place of {user}",
		})
	})
}

func findNodes(a *auditor) {
	_, nodes, apart := bySlot(a.set.totals)
	var sum int64
	for i := range nodes {
		sum += nodes[i].bytes
	}
	n := int64(len(nodes))
	if !apart || n < 2 || 4*n*(nodes[0].bytes/5) < sum { // a quarter above the mean
		return
	}
	name := func(s *slotSums) string {
		if int(s.at) < len(a.o.Sources) {
			return a.o.Sources[s.at]
		}
		return fmt.Sprintf("dump %d", s.at)
	}
	most, least := &nodes[0], &nodes[n-1]
	a.found = append(a.found, Finding{
		Keys: most.keys, Bytes: most.bytes, After: most.bytes, Sure: "exact for the dumps given",
		Evidence: fmt.Sprintf("%s holds %s in %d slots, %s %s in %d; even would be %s", name(most), sizeText(most.bytes), most.slots,
			name(least), sizeText(least.bytes), least.slots, sizeText(sum/n)),
		Example: a.slotExample(a.largestSlot(most.at)),
		Advice:  "move slots to the emptier nodes: redis-cli --cluster rebalance makes their numbers even, which does not do where single slots are heavy: those of the table of slots first, by redis-cli --cluster reshard",
	})
}

// largestSlot is the slot of a dump that holds most.
func (a *auditor) largestSlot(source int32) int32 {
	list, _ := a.set.totals.Dicts()
	list = slices.DeleteFunc(list, func(d Dict) bool { return d.Source != source })
	if len(list) == 0 {
		return -1
	}
	return slices.MinFunc(list, func(x, y Dict) int { return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Slot, y.Slot)) }).Slot
}

// askModule says how to ask modules for the memory of a key, by type of value.
var askModule = map[string]string{
	"module:ReJSON-RL": "JSON.DEBUG MEMORY key",
	"module:TSDB-TYPE": "TS.INFO key (memoryUsage)",
	"module:MBbloom--": "BF.INFO key (Size)",
	"module:MBbloomCF": "CF.INFO key (Size)",
	"module:TDIS-TYPE": "TDIGEST.INFO key (Memory usage)",
}

// The columns of the table of types.
const (
	colType     = 0
	colEncoding = 1
	colTypeKeys = 2
	colTypeSum  = 3
)

func findOpaque(a *auditor) {
	for _, r := range a.types {
		name, keys, bytes := r[colType].S, r[colTypeKeys].I, r[colTypeSum].I
		// What no formula covers is shown as raw, which else only strings are.
		if r[colEncoding].S != estimate.Raw.String() || name == estimate.String.String() || bytes < 2*a.min {
			continue
		}
		f := Finding{
			Keys: keys, Bytes: bytes, After: bytes, Sure: "serialised bytes, not memory",
			Evidence: "values of type " + name + ", of which a dump shows what the module saves, not what it holds",
			Advice:   "ask the module, on a server that has it loaded: MEMORY USAGE key",
		}
		if ask := askModule[name]; ask != "" {
			f.Advice += ", or " + ask
		}
		if !strings.HasPrefix(name, "module:") {
			f.Evidence = "values of type " + name + " in a form of which no memory layout is known here"
			f.Advice = "ask a server that knows it: MEMORY USAGE key"
		}
		// The pattern with most of it.
		var most int64
		for _, p := range a.rows {
			if types := p[colTypes].S; p[colLeaf].I != 0 && p[colBytes].I > most && (types == name || strings.HasPrefix(types, name+" ")) {
				most, f.Pattern, f.Example = p[colBytes].I, p[colPattern].S, p[colMaxKey].S
			}
		}
		a.found = append(a.found, f)
	}
}

// findUnexplained looks at what the server says it uses beyond all that a
// dump accounts for.
func findUnexplained(a *auditor) {
	rest := a.o.UsedMemory - a.o.Estimate
	if a.o.UsedMemory <= 0 || a.o.Estimate <= 0 || 4*rest < a.o.UsedMemory || rest < 64<<20 {
		return
	}
	evidence := fmt.Sprintf("of %s in use, keys, tables and start-up explain %s", sizeText(a.o.UsedMemory), sizeText(a.o.Estimate))
	if len(a.o.Outside) > 0 {
		evidence += "; modules left data outside of keys: " + strings.Join(a.o.Outside, ", ")
	}
	a.found = append(a.found, Finding{
		Keys: a.set.totals.Keys, Bytes: rest, After: rest, Sure: "the server's own figure less the estimate",
		Evidence: evidence,
		Advice:   "MEMORY STATS and CLIENT LIST on the server: output buffers, the replication backlog, scripts and functions, modules; a dump shows none of these",
	})
}
