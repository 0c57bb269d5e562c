package main

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
	"rdbaudit/rdbparse"
)

// A plantedStream is what a stream of a planted dump holds.
type plantedStream struct {
	entries, added int
	first          int // seconds before the dump of the first entry
	pending        int // of one group, owned by one consumer
	delivered      int // seconds before the dump
	seen           int // the consumer, likewise
}

func (p *planted) stream(ttl int, name string, s plantedStream) {
	const node = 100
	ms := func(ago int) uint64 { return uint64(plantedTime-ago) * 1000 }
	id := func(i int) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, ms(s.first)+uint64(i)), 0)
	}
	length := func(list ...uint64) {
		for _, n := range list {
			p.b = wire.AppendLen(p.b, n)
		}
	}
	p.key(ttl, 21, name)
	length(uint64((s.entries + node - 1) / node))
	for at := 0; at < s.entries; at += node {
		n := min(node, s.entries-at)
		lp := wire.BeginListpack(nil)
		for _, v := range []int64{int64(n), 0, 1} {
			lp = wire.AppendListpackInt(lp, v)
		}
		lp = wire.AppendListpackInt(wire.AppendListpackString(lp, "event"), 0)
		for i := range n {
			lp = wire.AppendListpackInt(lp, 2)
			lp = wire.AppendListpackInt(lp, int64(i))
			lp = wire.AppendListpackInt(lp, 0)
			lp = wire.AppendListpackString(lp, fmt.Sprintf("something happened, number %d", at+i))
			lp = wire.AppendListpackInt(lp, 4)
		}
		p.b = wire.AppendString(p.b, id(at))
		p.b = wire.AppendString(p.b, wire.EndListpack(lp, 0, 5+5*n))
	}
	last := ms(s.first) + uint64(s.entries-1)
	length(uint64(s.entries), last, 0, ms(s.first), 0, 0, 0, uint64(s.added))
	if s.pending == 0 {
		length(0)
		return
	}
	length(1)
	p.b = wire.AppendString(p.b, "workers")
	length(last, 0, uint64(s.added), uint64(s.pending))
	for i := range s.pending {
		p.b = binary.LittleEndian.AppendUint64(append(p.b, id(i)...), ms(s.delivered))
		length(1)
	}
	length(1)
	p.b = wire.AppendString(p.b, "worker-7f9c")
	p.b = binary.LittleEndian.AppendUint64(p.b, ms(s.seen))
	p.b = binary.LittleEndian.AppendUint64(p.b, ms(s.seen))
	length(uint64(s.pending))
	for i := range s.pending {
		p.b = append(p.b, id(i)...)
	}
}

// textIn is text for a TTL that an int of 32 bits does not hold.
func (p *planted) textIn(ttl int64, name, value string) {
	p.b = binary.LittleEndian.AppendUint64(append(p.b, 0xfc), uint64(plantedTime+ttl)*1000)
	p.text(0, name, value)
}

func (p *planted) intset(ttl int, name string, n int) {
	p.key(ttl, 11, name)
	b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 4), uint32(n))
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, uint32(1_000_000+i*7))
	}
	p.b = wire.AppendString(p.b, b)
}

func (p *planted) table(ttl int, name string, fields int) {
	p.key(ttl, 4, name)
	p.b = wire.AppendLen(p.b, uint64(fields))
	for i := range fields {
		p.b = wire.AppendString(wire.AppendString(p.b, fmt.Sprintf("field-%d", i)), "value")
	}
}

// module writes a value of a module, whose name has nine characters.
func (p *planted) module(ttl int, name, module, value string) {
	const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var id uint64
	for _, c := range module {
		id = id<<6 | uint64(strings.IndexRune(chars, c))
	}
	p.key(ttl, 7, name)
	p.b = binary.BigEndian.AppendUint64(append(p.b, 0x81), id<<10|3)
	p.b = append(wire.AppendString(append(p.b, 5), value), 0)
}

// noise is text that no compression helps.
func noise(i, n int) string {
	var b []byte
	for x := uint64(i+1) * 0x9e3779b97f4a7c15; len(b) < n; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = strconv.AppendUint(b, x, 36)
	}
	return string(b[:n])
}

func keepWell(p *planted) {
	for i := range 300 {
		p.text(3600+11*i, fmt.Sprintf("cache:item:%d", i), noise(i, 64))
	}
}

// TestFindingsHot plants one problem in each dump, or something that looks like
// one and is none, and wants exactly the finding.
func TestFindingsHot(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "lazy.conf", []byte("lazyfree-lazy-user-del yes\nlazyfree-lazy-expire yes\nlazyfree-lazy-eviction yes\nlazyfree-lazy-server-del yes\n"))
	many := func(n int, f func(i int)) {
		for i := range n {
			f(i)
		}
	}
	const days = 86400
	for _, c := range []struct {
		name  string
		plant func(*planted)
		want  []string
		args  []string
	}{
		{"clean", func(*planted) {}, nil, nil},
		{"clean cluster", func(*planted) {}, nil, []string{"--cluster", "on"}},

		{"milliseconds as seconds", func(p *planted) {
			many(30, func(i int) { p.textIn(30*days*1000, fmt.Sprintf("wrong:%d", i), noise(i, 64)) })
		}, []string{"ttl-decades wrong:{num}"}, nil},
		{"a time in milliseconds", func(p *planted) {
			many(30, func(i int) { p.textIn((plantedTime+3600)*1000, fmt.Sprintf("wrong:%d", i), noise(i, 64)) })
		}, []string{"ttl-decades wrong:{num}"}, nil},
		{"years", func(p *planted) {
			many(30, func(i int) { p.text(1000*days+i, fmt.Sprintf("wrong:%d", i), noise(i, 64)) })
		}, []string{"ttl-far wrong:{num}"}, nil},
		{"months", func(p *planted) {
			many(30, func(i int) { p.text(364*days+i, fmt.Sprintf("right:%d", i), noise(i, 64)) })
		}, nil, nil},

		{"storm", func(p *planted) {
			many(1200, func(i int) { p.text(7200, fmt.Sprintf("batch:%d", i), noise(i, 64)) })
		}, []string{"expiry-storm batch:{num}"}, nil},
		{"storm in a week", func(p *planted) {
			many(1200, func(i int) { p.text(7*days+i%2, fmt.Sprintf("batch:%d", i), noise(i, 64)) })
		}, []string{"expiry-storm batch:{num}"}, nil},
		{"spread", func(p *planted) {
			many(5000, func(i int) { p.text(7200+i%3600, fmt.Sprintf("batch:%d", i), noise(i, 64)) })
		}, nil, nil},
		{"few at once", func(p *planted) {
			many(900, func(i int) { p.text(7200, fmt.Sprintf("batch:%d", i), noise(i, 64)) })
		}, nil, nil},

		{"large table", func(p *planted) { p.table(days, "everything", 100_000) }, []string{"blocking-keys everything"}, nil},
		{"large table, freed in the background", func(p *planted) { p.table(days, "everything", 100_000) }, nil, []string{"--config", "lazy.conf"}},
		{"large table on Valkey", func(p *planted) { p.table(days, "everything", 100_000) }, nil, []string{"--target", "valkey-8.1"}},
		{"table", func(p *planted) { p.table(days, "everything", 99_999) }, nil, nil},

		{"full intsets", func(p *planted) {
			many(20, func(i int) { p.intset(days+i, fmt.Sprintf("members:%d", i), 512) })
		}, []string{"intset-near-limit members:{num}"}, nil},
		{"intsets under another limit", func(p *planted) {
			many(20, func(i int) { p.intset(days+i, fmt.Sprintf("members:%d", i), 512) })
		}, nil, []string{"--set-max-intset-entries", "1024"}},
		{"intsets", func(p *planted) {
			many(20, func(i int) { p.intset(days+i, fmt.Sprintf("members:%d", i), 479) })
		}, nil, nil},

		{"untrimmed stream", func(p *planted) {
			p.stream(days, "events", plantedStream{entries: 5000, added: 5000, first: 90 * days})
		}, []string{"stream-untrimmed events"}, nil},
		{"trimmed stream", func(p *planted) {
			p.stream(days, "events", plantedStream{entries: 5000, added: 7000, first: 90 * days})
		}, nil, nil},
		{"short streams", func(p *planted) {
			many(50, func(i int) {
				p.stream(days+i, fmt.Sprintf("events:%d", i), plantedStream{entries: 100, added: 100, first: 90 * days})
			})
		}, nil, nil},
		{"room in streams", func(p *planted) {
			many(300, func(i int) {
				p.stream(days+i, fmt.Sprintf("events:%d", i), plantedStream{entries: 2, added: 2, first: 90 * days})
			})
		}, []string{"stream-room events:{num}"}, nil},
		{"room in streams after a restart", func(p *planted) {
			many(300, func(i int) {
				p.stream(days+i, fmt.Sprintf("events:%d", i), plantedStream{entries: 2, added: 2, first: 90 * days})
			})
		}, nil, []string{"--as", "loaded"}},
		{"never acknowledged", func(p *planted) {
			p.stream(days, "events", plantedStream{entries: 2000, added: 9000, first: 2 * days, pending: 1500, delivered: days, seen: 5})
		}, []string{"stream-pending events"}, nil},
		{"at work", func(p *planted) {
			p.stream(days, "events", plantedStream{entries: 2000, added: 9000, first: 2 * days, pending: 1500, delivered: 60, seen: 5})
		}, nil, nil},
		{"consumer gone", func(p *planted) {
			p.stream(days, "events", plantedStream{entries: 2000, added: 9000, first: 40 * days, pending: 1500, delivered: 30 * days, seen: 30 * days})
		}, []string{"stream-consumers-gone events"}, nil},

		{"hot tag", func(p *planted) {
			many(300, func(i int) { p.text(7200+i, fmt.Sprintf("{user}:%d", i), noise(i, 400)) })
		}, []string{"hash-tag-piles-up {user}"}, []string{"--cluster", "on"}},
		{"hot tag without a cluster", func(p *planted) {
			many(300, func(i int) { p.text(7200+i, fmt.Sprintf("{user}:%d", i), noise(i, 400)) })
		}, nil, nil},
		{"hot slot", func(p *planted) { p.text(7200, "blob", noise(1, 100_000)) }, []string{"hot-slot"}, []string{"--cluster", "on"}},

		{"module", func(p *planted) { p.module(7200, "doc:1", "ReJSON-RL", noise(1, 5000)) }, []string{"opaque doc:{num}"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlanted()
			keepWell(p)
			c.plant(p)
			p.write(t, "planted.rdb")
			require.Equal(t, c.want, findings(t, "planted.rdb", c.args...))
		})
	}
}

// TestFindingNodes gives dumps of nodes of a cluster, and of others.
func TestFindingNodes(t *testing.T) {
	t.Chdir(t.TempDir())
	nodes := func(heavy int) {
		low, high := newPlanted(), newPlanted()
		for i := range 2000 {
			key := fmt.Sprintf("cache:item:%d", i)
			if estimate.Slot([]byte(key)) < 8192 {
				low.text(3600+i, key, noise(i, 64+heavy))
			} else {
				high.text(3600+i, key, noise(i, 64))
			}
		}
		low.write(t, "low.rdb")
		high.write(t, "high.rdb")
	}
	nodes(200)
	require.Equal(t, []string{"nodes-unbalanced"}, findings(t, "low.rdb", "high.rdb", "--cluster", "on"))
	require.Empty(t, findings(t, "low.rdb", "high.rdb"), "not of a cluster")
	require.Empty(t, findings(t, "low.rdb", "low.rdb", "high.rdb", "--cluster", "on"), "copies of a node")
	nodes(0)
	require.Empty(t, findings(t, "low.rdb", "high.rdb", "--cluster", "on"), "even nodes")
}

// TestFindingUnexplained plants a server that uses more than its keys.
func TestFindingUnexplained(t *testing.T) {
	t.Chdir(t.TempDir())
	for used, want := range map[int][]string{2 << 20: nil, 60 << 20: nil, 80 << 20: {"unexplained-memory"}} {
		p := newPlanted()
		p.b = p.b[:len(p.b)-2]
		p.b = wire.AppendInt(wire.AppendString(append(p.b, 0xfa), "used-mem"), int64(used))
		p.b = append(p.b, 0xfe, 0)
		keepWell(p)
		p.write(t, "planted.rdb")
		require.Equal(t, want, findings(t, "planted.rdb"))
		require.Empty(t, findings(t, "planted.rdb", "--key", "cache:item:1.*"), "of a part")
		require.Empty(t, findings(t, "planted.rdb", "--target", "valkey-8.1"), "of another server")
	}
}

// csvTable is a table of a report, by column.
func csvTable(t *testing.T, table string, args ...string) []map[string]string {
	rows, err := csv.NewReader(strings.NewReader(good(t, append([]string{"report", "--format", "csv:" + table}, args...)...))).ReadAll()
	require.NoError(t, err)
	var list []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = r[i]
		}
		list = append(list, m)
	}
	return list
}

func asInt(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// TestComesBack holds the table of hours against the keys' TTLs.
func TestComesBack(t *testing.T) {
	t.Chdir(t.TempDir())
	p := newPlanted()
	const hour, day = 3600, 86400
	ttls := []int{1, hour - 1, hour, 5*hour + 7, day, 47*hour + 59, 48 * hour, 30*day + 5, 31 * day, 400 * day, -5, 0}
	for i, ttl := range ttls {
		p.text(ttl, fmt.Sprintf("key:%d", i), "value")
	}
	p.write(t, "planted.rdb")
	for table, unit := range map[string]int{"expiry_hours": hour, "expiry_days": day} {
		rows := csvTable(t, table, "planted.rdb")
		want := map[int]int{}
		limit := 48
		if unit == day {
			limit = 31
		}
		for _, ttl := range ttls {
			if at := ttl / unit; ttl > 0 && at < limit {
				want[at]++
			} else if ttl > 0 && unit == day {
				want[limit]++
			}
		}
		var sum int64
		for i, r := range rows {
			require.EqualValues(t, i*unit, asInt(t, r["from_seconds"]), table)
			require.EqualValues(t, want[i], asInt(t, r["keys"]), "%s, row %d", table, i)
			sum += asInt(t, r["bytes"])
			require.EqualValues(t, sum, asInt(t, r["cumulated_bytes"]))
			delete(want, i)
		}
		for _, n := range want {
			require.Zero(t, n, "rows after the last of %s", table)
		}
	}
}

// serverFlags are those by which sizes follow a real server that has loaded a dump.
func serverFlags(s *fixtures.Server) []string {
	flags := []string{"--as", "loaded"}
	if strings.Contains(fmt.Sprint(s.Do("MEMORY", "MALLOC-STATS")), "Quantum size: 16") {
		flags = append(flags, "--allocator", "jemalloc-q16")
	}
	return flags
}

// close5 wants what was foretold within 5 % of what a server really did.
func close5(t *testing.T, want, got int64, what string) {
	t.Helper()
	t.Logf("%s: %d really, %d foretold", what, want, got)
	require.InEpsilon(t, float64(want), float64(got), 0.05, what)
}

// TestPendingServer holds what acknowledging saves against a real server.
func TestPendingServer(t *testing.T) {
	s := fixtures.StartServer(t, nil)
	for i := range 20 {
		key := fmt.Sprintf("events:%d", i)
		s.Do("EVAL", "for i=1,2000 do redis.call('XADD',KEYS[1],i..'-0','field','value '..i) end", "1", key)
		s.Do("XGROUP", "CREATE", key, "workers", "0")
		s.Do("XREADGROUP", "GROUP", "workers", "one", "COUNT", strconv.Itoa(700+i), "STREAMS", key, ">")
		s.Do("XREADGROUP", "GROUP", "workers", "two", "COUNT", "500", "STREAMS", key, ">")
	}
	t.Chdir(t.TempDir())
	write(t, "dump.rdb", s.Dump())
	s.Restart()
	before := usedMemory(t, s)
	later := strconv.FormatInt(asInt(t, s.Do("TIME").([]any)[0].(string))+7200, 10)
	var saves int64
	for _, f := range csvTable(t, "findings", append(serverFlags(s), "--now", later, "dump.rdb")...) {
		if f["finding"] == "stream-pending" {
			require.EqualValues(t, 20, asInt(t, f["keys"]))
			saves += asInt(t, f["saves"])
		}
	}
	for i := range 20 {
		s.Do("EVAL", "for i=1,2000 do redis.call('XACK',KEYS[1],'workers',i..'-0') end", "1", fmt.Sprintf("events:%d", i))
	}
	s.Dump()
	s.Restart()
	close5(t, before-usedMemory(t, s), saves, "bytes of pending entries")
}

// TestIntsetServer holds what sets of integers become against a real server.
func TestIntsetServer(t *testing.T) {
	s := fixtures.StartServer(t, nil)
	const add = "for i=1,tonumber(ARGV[1]) do redis.call('SADD',KEYS[1],100000+i*11) end"
	for i := range 100 {
		s.Do("EVAL", add, "1", fmt.Sprintf("members:%d", i), "512")
	}
	t.Chdir(t.TempDir())
	write(t, "dump.rdb", s.Dump())
	s.Restart()
	before := usedMemory(t, s)
	r, config := openServer(t, s, "dump.rdb")
	e := estimate.New(r, config)
	var more int64
	for range 100 {
		rec, err := e.Next()
		require.NoError(t, err)
		require.Positive(t, rec.Audit.Unpacked)
		more += rec.Audit.Unpacked - rec.Alloc
	}
	for i := range 100 {
		s.Do("EVAL", add, "1", fmt.Sprintf("members:%d", i), "513")
	}
	s.Dump()
	s.Restart()
	close5(t, usedMemory(t, s)-before, more, "bytes more as tables")
}

// openServer reads a dump that a real server wrote, as an audit does.
func openServer(t *testing.T, s *fixtures.Server, path string) (*rdbparse.Reader, estimate.Config) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := rdbparse.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	line, verified, ok := estimate.Lookup(s.Line())
	if !ok || !verified {
		t.Skipf("%s is no server line of ours", s.Line())
	}
	c := estimate.Config{Line: line, Loaded: true, Limits: estimate.DefaultLimits(), Audit: true}
	if len(serverFlags(s)) > 2 {
		c.Allocator = estimate.JemallocQ16
	}
	return r, c
}
