package estimate

// What a server holds beside its keys: the main dictionary and the expires
// dictionary of each database, in cluster mode of each slot, and what an empty
// server starts with (db.c, kvstore.c@redis-7.4.1, hashtable.c@valkey-8.1.1).

// Tables is the memory of the two dictionaries of a database, or of a slot of
// it in cluster mode, with so many keys and keys with a TTL: mean bytes, and
// their variance.
func (c *Config) Tables(keys, ttlKeys int64) (bytes, variance int64) {
	l := c.Line
	kMean, kVar := c.dictionary(keys)
	tMean, tVar := c.dictionary(ttlKeys)
	bytes = int64(kMean + tMean + 0.5)
	if c.Cluster {
		bytes += l.perSlot
		if ttlKeys > 0 {
			bytes += l.perSlotX
		}
	} else {
		bytes += l.once
	}
	return bytes, int64(kVar + tVar + 0.5)
}

func (c *Config) dictionary(n int64) (mean, variance float64) {
	if n == 0 {
		return 0, 0
	}
	a, l := c.Allocator, c.Line
	if l.bucketed {
		b := bucketsFor(n)
		if !c.Loaded {
			b = bucketsGrown(n)
		}
		kids, v := children(n, b)
		return float64(a.Class(bucketBytes*b)) + bucketBytes*kids, bucketBytes * bucketBytes * v
	}
	slots := pow2(n)
	mean = float64(a.Class(8 * slots))
	if l.entries == entriesAny {
		// Keys are objects; only those that share a bucket need an entry.
		ne, v := nonEmpty(n, slots)
		mean += 16 * (float64(n) - ne)
		variance = 256 * v
	}
	return mean, variance
}

// Startup is what an empty server of the line has used.
func (c *Config) Startup() int64 {
	if c.Cluster {
		return c.Line.startupCluster
	}
	return c.Line.startup
}

// SlotTables says whether a server of the line in cluster mode has dictionaries
// of each slot (7.4, Valkey 8.0), so that Tables is to be asked per slot.
func (c *Config) SlotTables() bool { return c.Cluster && c.Line.perSlot > 0 }
