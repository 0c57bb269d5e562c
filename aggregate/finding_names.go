package aggregate

import (
	"fmt"
	"math"

	"rdbaudit/estimate"
)

// Findings about names, and about keys that are better cut otherwise. They
// rest on a sample of the keys, chosen by name, and on the number of keys of
// the pattern, which is exact: so what is uncertain is only how much keys of
// one pattern differ.

// sampling is how many of a pattern's keys were looked at closely.
// They stand for n of the sample.
func (a *auditor) sampling(pattern string, l looks, n int64) sampling {
	of := a.keys[pattern]
	if of < l.seen { // folded away in the pattern table
		return sampling{l, n, n * max(a.o.Sample, 1), true}
	}
	return sampling{l, n, of, false}
}

// jsonSampling is the same for those of a row that were looked into for JSON,
// which are those looked at closely or all. A row that lacks keys, or holds
// those that others lack, stands for as many keys as it has seen itself.
func (a *auditor) jsonSampling(pattern string, r *auditRow, l looks, looked int64) sampling {
	if a.o.JSONEvery == 1 {
		return allOf(looked)
	}
	if r.late || r == &a.set.audit.other {
		return sampling{l, looked, looked * a.o.JSONEvery, true}
	}
	if row := a.sampled[pattern]; row != nil && a.o.JSONEvery == a.o.Sample {
		l, looked = row.looks, row.keys
	}
	return a.sampling(pattern, l, looked)
}

// Least sizes below which nobody would rename anything.
const (
	leastPrefix  = 12   // bytes that names start with
	leastStrings = 1000 // strings, to cut them into hashes
	leastFields  = 256  // fields looked at, to tell whether few names come again and again
)

func findNumbers(a *auditor) {
	a.set.sample.each(func(pattern string, r *namesRow) {
		c := r.numbers
		if c == nil || 10*c.keys < 9*r.texts {
			return
		}
		a.cheaper(pattern, r, c, c.before, Finding{
			Evidence: fmt.Sprintf("%s of %d texts looked at are numbers with a point, zeros in front, quotes or blanks", r.looks.count(c.keys, r.keys, 0), r.looks.part(r.texts, r.keys)),
			Advice:   "store them as plain integers: 150 instead of 1.50 (in hundredths), 7 instead of 007, if the zeros mean nothing; integers are kept in the object itself, and those below 10000 are shared by all keys unless maxmemory works by LRU or LFU",
		})
	})
}

// cheaper adds a finding that saves what keys of a sample save, if that is
// enough. now is what those of the sample take now.
func (a *auditor) cheaper(pattern string, r *namesRow, c *cheaper, now int64, f Finding) {
	of := a.sampling(pattern, r.looks, r.keys)
	saves := of.all(c.saves.sum)
	if saves < a.min || 10*c.saves.sum < now || of.few() || of.off(&c.saves) >= 1 {
		return
	}
	f.Pattern, f.Keys, f.Bytes, f.Sure, f.Example = pattern, of.all(c.keys), of.all(now), of.sure(&c.saves), example(r.example)
	f.After = f.Bytes - saves
	a.found = append(a.found, f)
}

func findFieldNames(a *auditor) {
	a.set.sample.each(func(pattern string, r *namesRow) {
		f := r.fields
		if f == nil {
			return
		}
		fields := r.looks.part(f.count, r.keys)
		if fields < leastFields {
			return
		}
		kinds, few := f.kinds()
		if !few {
			return
		}
		a.cheaper(pattern, r, &f.cheaper, f.before, Finding{
			Evidence: fmt.Sprintf("about %d names of fields, of %.1f bytes on average, come %s times in %d hashes looked at",
				kinds, float64(f.bytes)/float64(f.count), r.looks.count(f.count, r.keys, 0), r.looks.part(f.keys, r.keys)),
			Advice: "shorten the names of fields to one or two letters in the client's mapping (fn for first_name): each hash holds them anew",
		})
	})
}

func findKeyNames(a *auditor) {
	a.set.sample.each(func(pattern string, r *namesRow) {
		if r.before < leastPrefix || r.prefix == nil {
			return
		}
		a.cheaper(pattern, r, r.prefix, r.bytes, Finding{
			Evidence: fmt.Sprintf("names take %d %% of the bytes; all start with the same %d bytes", 100*r.names/max(r.bytes, 1), r.before),
			Advice:   fmt.Sprintf("begin the names with two bytes, a letter and a separator, instead of these %d", r.before),
		})
	})
}

// findTiny finds strings that are mostly overhead, and cuts them into hashes
// of about perBucket fields.
func findTiny(a *auditor) {
	c := &a.o.Model
	if c.Line == nil || c.Limits.HashEntries < perBucket {
		return
	}
	probe := estimate.NewProbe(c)
	a.set.sample.each(func(pattern string, r *namesRow) {
		t := r.tiny
		if t == nil || 10*t.keys < 9*r.keys {
			return
		}
		of := a.sampling(pattern, r.looks, r.keys)
		n := of.all(t.keys)
		if n < leastStrings || of.few() {
			return
		}
		// Identifiers that follow each other give full hashes and fields of two
		// digits; others are spread by their checksum, and stay as the field.
		one := float64(t.keys)
		size, advice, name := 0.0, "", float64(t.heads)/one
		buckets := float64(n) / perBucket
		span := float64(t.most - t.least + 1)
		if seen := float64(of.seen); !of.exact() { // the first and the last were hardly seen
			span *= seen / (seen - 1)
		}
		if t.odd == 0 && float64(n) >= 0.7*span {
			buckets = math.Ceil(span / perBucket)
			each := float64(n) / buckets
			field := 0.0
			for i := range perBucket {
				field += float64(probe.Entry([]byte(fmt.Sprint(i)))) / perBucket
			}
			size = expected(probe, each*(field+float64(t.entries.sum)/one), math.Sqrt(each*t.entries.variance(t.keys)))
			advice = fmt.Sprintf("HSET with the identifier cut in two: instead of SET %s use HSET with all but the last two digits in the key and these two as field", pattern)
		} else {
			mean, v := float64(t.pairs.sum)/one, t.pairs.variance(t.keys)
			size = expected(probe, perBucket*mean, math.Sqrt(perBucket*(mean*mean+v)))
			digits := int64(len(fmt.Sprint(int64(buckets))))
			name = float64(probe.Hash(r.before + digits + r.after))
			advice = fmt.Sprintf("HSET with the key chosen by crc32(identifier) %% %d and the identifier as field, instead of SET %s", max(int64(buckets), 1), pattern)
		}
		after := int64(buckets*(name+size) + 0.5)
		before := of.all(t.before)
		tables := -a.tables(r.db, r.source, r.spreads, int64(buckets)-n)
		saves := before + tables - after
		if saves < a.min || 10*saves < 3*before {
			return
		}
		sure := "exact by the memory model"
		if !of.exact() {
			sure = of.sure(&t.saves)
		}
		evidence := fmt.Sprintf("%.1f bytes of value on average in %.1f bytes of memory", float64(t.values)/one, float64(t.before)/one)
		if tables > 0 {
			evidence += fmt.Sprintf("; %d of these bytes are slots of the dictionary of keys", tables)
		}
		if rest := r.keys - t.keys; rest > 0 {
			evidence += fmt.Sprintf("; %s of %d keys looked at have a TTL or a long value and stay", r.looks.count(rest, r.keys, 0), r.looks.seen)
		}
		a.found = append(a.found, Finding{
			Pattern: pattern, Keys: n, Bytes: before + tables, After: after, Sure: sure, Evidence: evidence, Example: example(r.example),
			Advice: advice + fmt.Sprintf(" (%d to a hash, within %s %d and -value %d). Fields have no TTL before HEXPIRE of 7.4, and no LRU of their own",
				perBucket, a.setting(estimate.Hash, "entries"), c.Limits.HashEntries, c.Limits.HashValue),
		})
	})
}

// expected is what the allocator holds on average for packed values of about
// so many bytes of entries, give or take: it rounds up, so the mean of its
// sizes is not the size of the mean.
func expected(probe *estimate.Probe, mean, deviation float64) float64 {
	sum, weights := 0.0, 0.0
	for i := -30; i <= 30; i++ {
		z := float64(i) / 10
		w := math.Exp(-z * z / 2)
		sum += w * float64(probe.Packed(int64(max(mean+z*deviation, 1)+0.5)))
		weights += w
	}
	return sum / weights
}

// tables is what the dictionary of keys takes more, or less if negative, once
// a database has so many keys more. Where they lie in several databases or
// slots it is not said: the most that more can take, and nothing less.
func (a *auditor) tables(db uint64, source int32, spreads bool, more int64) int64 {
	unknown := max(16*more, 0) // two slots right after the table has doubled
	if spreads {
		return unknown
	}
	list, _ := a.set.totals.Dicts()
	var all int64
	for _, d := range list {
		if d.Slot >= 0 && a.o.Model.SlotTables() {
			return unknown
		}
		if d.DB == db && d.Source == source {
			all += d.Keys
		}
	}
	if a.o.Model.Line == nil || all+more < 0 {
		return unknown
	}
	now, _ := a.o.Model.Tables(all, 0)
	then, _ := a.o.Model.Tables(all+more, 0)
	return then - now
}
