package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

// crowdOf is a pattern of planted keys: means of what they differ in.
type crowdOf struct {
	name       string
	part       int // of 10 keys
	idle, freq float64
	ttl        float64 // seconds; 0: none
	size       int
}

var crowds = []crowdOf{
	{"cache", 4, 90_000, 10, 40_000, 200},
	{"session", 3, 4_000, 40, 9_000, 90},
	{"feed", 2, 30_000, 60, 0, 400},
	{"config", 1, 300_000, 120, 0, 60},
}

// plantCrowds makes a dump of so many keys in databases 0 to dbs-1, the first
// much larger than the next.
func plantCrowds(n, dbs int) *planted {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	p := newPlanted()
	copy(p.b, "REDIS0010") // for servers of 7.0 on
	at := 0
	for db := range dbs {
		end := n - (n-at)/8
		if db == dbs-1 {
			end = n
		}
		p.b = wire.AppendLen(append(p.b, 0xfe), uint64(db))
		for ; at < end; at++ {
			c := &crowds[0]
			for pick := rng.IntN(10); pick >= c.part; c = &crowds[indexOfCrowd(c)+1] {
				pick -= c.part
			}
			p.b = wire.AppendLen(append(p.b, 0xf8), uint64(rng.ExpFloat64()*c.idle))
			p.b = append(p.b, 0xf9, byte(min(255, c.freq*(0.4+rng.ExpFloat64()))))
			ttl := 0
			if c.ttl > 0 { // far enough away that none expires during the test
				ttl = int(time.Now().Unix()-plantedTime) + 3600 + int(rng.ExpFloat64()*c.ttl)
			}
			p.text(ttl, fmt.Sprintf("%s:%d", c.name, at), strings.Repeat("v", c.size/2+rng.IntN(c.size)))
		}
	}
	return p
}

func indexOfCrowd(c *crowdOf) int {
	for i := range crowds {
		if &crowds[i] == c {
			return i
		}
	}
	return -1
}

// tableOf runs a report and gives rows of a table by column name.
func tableOf(t *testing.T, table string, args ...string) (rows []map[string]string) {
	t.Helper()
	out := good(t, append([]string{"report", "--json-values", "off", "--format", "csv:" + table}, args...)...)
	all, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	for _, r := range all[1:] {
		row := make(map[string]string)
		for i, name := range all[0] {
			row[name] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func asFloat(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return f
}

// bytesOf are the bytes of each pattern of a dump.
func bytesOf(t *testing.T, path, allocator string) map[string]float64 {
	sums := make(map[string]float64)
	for _, r := range tableOf(t, "patterns", path, allocator) {
		if r["leaf"] == "1" {
			sums[r["pattern"]] = asFloat(t, r["bytes"])
		}
	}
	return sums
}

// TestEvictionOnServer gives a real server the data and a maxmemory that 30 %
// of its keys are too much for, and holds what it evicted against what we say
// from the dump it wrote before. Where patterns differ as much as here, a
// guess that each loses its part is no help.
func TestEvictionOnServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds for each policy")
	}
	for _, c := range []struct {
		policy string
		dbs    int
	}{
		{"allkeys-lru", 1}, {"volatile-lru", 1}, {"allkeys-lfu", 1}, {"volatile-ttl", 1},
		{"volatile-lfu", 1}, {"allkeys-random", 1}, {"allkeys-lru", 3}, {"volatile-ttl", 3},
	} {
		t.Run(fmt.Sprintf("%s in %d databases", c.policy, c.dbs), func(t *testing.T) {
			t.Chdir(t.TempDir())
			data := plantCrowds(150_000, c.dbs).bytes()
			s := fixtures.StartServer(t, data, "--maxmemory-policy", c.policy, "--hz", "100")
			steady(t, s, "used_memory") // tables grow for some time after loading
			write(t, "before.rdb", s.Dump())
			info := s.Do("INFO").(string)
			write(t, "info.txt", []byte(info))
			allocator := "--allocator=jemalloc"
			if strings.Contains(fmt.Sprint(s.Do("MEMORY", "MALLOC-STATS")), "Quantum size: 16") {
				allocator += "-q16"
			}
			before := bytesOf(t, "before.rdb", allocator)
			all := 0.0
			for _, n := range before {
				all += n
			}
			used := infoNumber(t, info, "used_memory") - infoNumber(t, info, "mem_not_counted_for_evict")
			limit := used - int64(0.3*all)
			rows := tableOf(t, "eviction", "before.rdb", allocator, "--info", "info.txt", "--maxmemory", strconv.FormatInt(limit, 10), "--maxmemory-policy", c.policy)

			s.Do("CONFIG", "SET", "maxmemory", strconv.FormatInt(limit, 10))
			steady(t, s, "evicted_keys")
			write(t, "after.rdb", s.Dump())
			after := bytesOf(t, "after.rdb", allocator)

			lost, left := 0.0, 0.0
			for _, n := range after {
				left += n
			}
			lost = 1 - left/all
			ours, guess := 0.0, 0.0
			seen := 0
			for _, r := range rows {
				if r["policy"] != c.policy || r["pattern"] == "" {
					continue
				}
				seen++
				require.Equal(t, "1", r["in_force"])
				was, said := 1-after[r["pattern"]]/before[r["pattern"]], asFloat(t, r["evicted_share"])
				t.Logf("%-16s lost %5.1f %%, we said %5.1f %%, its part %5.1f %%", r["pattern"], 100*was, 100*said, 100*lost)
				ours, guess = max(ours, math.Abs(was-said)), max(guess, math.Abs(was-lost))
			}
			t.Logf("largest error %.1f points, of the proportional guess %.1f", 100*ours, 100*guess)
			require.Equal(t, len(crowds), seen)
			require.LessOrEqual(t, ours, 0.10)
			if c.policy != "allkeys-random" { // there the guess is right
				require.GreaterOrEqual(t, guess, 0.30, "the data is too plain to tell")
				require.Less(t, ours, guess/3)
			}
		})
	}
}

// steady waits until a figure of INFO has stopped to change.
func steady(t *testing.T, s *fixtures.Server, name string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for last, times := int64(-1), 0; times < 3; times++ {
		require.True(t, time.Now().Before(deadline), "%s goes on changing", name)
		time.Sleep(100 * time.Millisecond)
		if n := infoNumber(t, s.Do("INFO").(string), name); n != last || n == 0 {
			last, times = n, 0
		}
	}
}

func infoNumber(t *testing.T, info, name string) int64 {
	t.Helper()
	for _, l := range strings.Split(info, "\r\n") {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("INFO has no %s", name)
	return 0
}
