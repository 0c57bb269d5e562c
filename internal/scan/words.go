package scan

import (
	"fmt"
	"strings"

	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

// dbCount is what came of a database, to be held against what was announced.
type dbCount struct {
	db            uint64
	keys, expires uint64
}

// maxCounted bounds the databases that are counted apart.
const maxCounted = 4096

// census counts keys by database.
type census struct {
	keys    int64
	counted map[uint64]*dbCount
	now     *dbCount // of the database being read
}

func (c *census) add(db uint64, expires bool) {
	c.keys++
	if c.now == nil || c.now.db != db {
		c.now = c.of(db)
	}
	c.now.keys++
	if expires {
		c.now.expires++
	}
}

// of is what is counted of a database.
func (c *census) of(db uint64) *dbCount {
	n := c.counted[db]
	if n == nil {
		n = &dbCount{db: db}
		if c.counted == nil {
			c.counted = make(map[uint64]*dbCount)
		}
		if len(c.counted) < maxCounted {
			c.counted[db] = n
		}
	}
	return n
}

// take counts what o has counted, and empties it.
func (c *census) take(o *census) {
	c.keys += o.keys
	for db, n := range o.counted {
		to := c.of(db)
		to.keys += n.keys
		to.expires += n.expires
	}
	o.reset()
}

func (c *census) reset() {
	c.keys, c.now = 0, nil
	clear(c.counted)
}

// Count counts a key of the dump, whether or not a filter lets it pass.
func (d *Dump) Count(k *rdbparse.Key) {
	d.census.add(k.DB, k.Expiry != rdbparse.NoExpiry)
	d.Src.Keys = d.census.keys
}

// Bad counts the values with bad contents, each once.
func (d *Dump) Bad(err error) {
	if d.FirstBad == nil {
		d.FirstBad = err
	}
	if d.badKey != d.Src.Keys {
		d.badKey = d.Src.Keys
		d.Skipped++
	}
}

func badValues(n int64) string {
	if n == 1 {
		return "1 value has bad contents and was left out"
	}
	return output.Count(n) + " values have bad contents and were left out"
}

// announced says in words where a dump that was read to its end holds other
// numbers of keys than it announces. That is no damage: a server that moves
// slots announces keys that it does not write.
func (d *Dump) announced() string {
	info := d.R.Info()
	if d.Src.Checksum == "unread" || len(d.census.counted) == maxCounted || len(info.Hints) == rdbparse.MaxHints {
		return ""
	}
	hints := make(map[uint64]rdbparse.Hint) // a database can be selected twice
	var dbs []uint64
	for _, h := range info.Hints {
		sum, again := hints[h.DB]
		if !again {
			dbs = append(dbs, h.DB)
		}
		hints[h.DB] = rdbparse.Hint{Keys: sum.Keys + h.Keys, Expires: sum.Expires + h.Expires}
	}
	var say []string
	more := 0
	for _, db := range dbs {
		c := d.census.counted[db]
		if c == nil {
			c = &dbCount{}
		}
		h := hints[db]
		text := ""
		switch {
		case h.Keys != c.keys:
			text = fmt.Sprintf("%s in database %d, %d came", keysOf(h.Keys), db, c.keys)
		case h.Expires != c.expires:
			text = fmt.Sprintf("%s with a TTL in database %d, %d came", keysOf(h.Expires), db, c.expires)
		default:
			continue
		}
		if len(say) == 3 {
			more++
			continue
		}
		say = append(say, text)
	}
	if len(say) == 0 {
		return ""
	}
	text := "the dump announces " + strings.Join(say, ", and ")
	if more > 0 {
		text += fmt.Sprintf(", and as wrongly of %d more databases", more)
	}
	return text
}

func keysOf(n uint64) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}

// rest says in words what follows the dump, in its file and in others.
func (d *Dump) rest() string {
	tail := d.tail()
	if d.In.Later > 0 {
		if tail != "" {
			tail += "; "
		}
		tail += output.Count(d.In.Later) + " bytes of later commands in other files of the AOF were not read"
	}
	return tail
}

// tail is rest of the file itself.
func (d *Dump) tail() string {
	info := d.R.Info()
	if info.Trailing == rdbparse.TrailingNone {
		return ""
	}
	n := int64(-1)
	if d.In.Size >= 0 && d.Stream.Stored() <= d.In.Size && d.Src.Format != "" {
		if total := d.In.Size - d.R.Offset(); total > 0 && !d.Stream.Compressed {
			n = total
		}
	}
	if n < 0 {
		n = d.R.Rest()
	}
	if info.Trailing == rdbparse.TrailingEOFMark {
		if n > 40 {
			return fmt.Sprintf("%s bytes follow the dump and were not read: the end mark of a replication stream, then commands", output.Count(n))
		}
		return "" // a whole transfer, as redis-cli --rdb - leaves it
	}
	return fmt.Sprintf("%s bytes of %s follow the dump and were not read", output.Count(n), info.Trailing)
}

// Damage says of a damaged dump where and why reading ended, and what part of
// the whole the figures are of.
func (d *Dump) Damage() string {
	part := ""
	if d.In.Size > 0 && !d.Compressed && d.Src.Bytes < d.In.Size {
		part = fmt.Sprintf(", %s of its %s", output.Share(float64(d.Src.Bytes)/float64(d.In.Size)), output.Bytes(d.In.Size))
	}
	keys := output.Count(d.Src.Keys) + " keys were read from "
	if d.Src.Keys == 1 {
		keys = "1 key was read from "
	}
	if hint := d.R.Info().HintKeys; hint > uint64(d.Src.Keys) && hint < 1<<62 {
		keys = fmt.Sprintf("%s keys (of %s announced so far) were read from ", output.Count(d.Src.Keys), output.Count(int64(hint)))
	}
	return fmt.Sprintf("%s is damaged: %s. %s%s bytes%s.", BaseName(d.In.Path), d.Src.Error, keys, output.Count(d.Src.Bytes), part)
}
