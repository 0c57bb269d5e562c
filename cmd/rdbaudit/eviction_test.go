package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
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

// full writes a dump of two patterns and returns its estimate: sessions that
// expire and have long been idle, and others that neither expire nor rest.
func full(t *testing.T, path string) int64 {
	p := newPlanted()
	for i := range 3000 {
		p.b = wire.AppendLen(append(p.b, 0xf8), uint64(50_000+i))
		p.text(3600+i, fmt.Sprintf("session:%d", i), strings.Repeat("s", 200))
		p.b = wire.AppendLen(append(p.b, 0xf8), uint64(i))
		p.text(0, fmt.Sprintf("user:%d", i), strings.Repeat("u", 200))
	}
	p.write(t, path)
	return *reportJSON(t, path).Memory.Estimate
}

// TestEvictionFindings plants what eviction would do and wants exactly that said.
func TestEvictionFindings(t *testing.T) {
	t.Chdir(t.TempDir())
	used := full(t, "full.rdb")
	size := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no limit", nil, nil},
		{"fits", []string{"--maxmemory", size(used + 1000), "--maxmemory-policy", "allkeys-lru"}, nil},
		{"nobody says which policy", []string{"--maxmemory", size(used / 2)}, nil},
		{"sessions go", []string{"--maxmemory", size(used - used/4), "--maxmemory-policy", "allkeys-lru"}, []string{"eviction-takes session:{num}"}},
		{"sessions go for new data", []string{"--maxmemory", size(used), "--growth", size(used / 4), "--maxmemory-policy", "volatile-ttl"}, []string{"eviction-takes session:{num}"}},
		{"few go", []string{"--maxmemory", size(used - used/50), "--maxmemory-policy", "allkeys-lru"}, nil},
		{"sessions do not do", []string{"--maxmemory", size(used / 3), "--maxmemory-policy", "VOLATILE-TTL"}, []string{"eviction-takes session:{num}", "eviction-cannot-free"}},
		{"none may go", []string{"--maxmemory", size(used - 100_000), "--maxmemory-policy", "noeviction"}, []string{"eviction-cannot-free"}},
		{"not known", []string{"--maxmemory", size(used - used/4), "--maxmemory-policy", "allkeys-lfu"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := without(findings(t, "full.rdb", c.args...), "no-ttl")
			require.ElementsMatch(t, c.want, got)
		})
	}
}

// TestEvictionSources: the limit and the policy come from flags, --config and
// --info, flags first, and what is used from whoever knows best.
func TestEvictionSources(t *testing.T) {
	t.Chdir(t.TempDir())
	used := full(t, "full.rdb")
	write(t, "redis.conf", []byte("maxmemory 1000kb\nmaxmemory-policy volatile-lru\n"))
	write(t, "other.conf", []byte("maxmemory 1000kb\nmaxmemory-policy volatile-best\n"))
	write(t, "info.txt", []byte("used_memory:1500000\r\nmem_not_counted_for_evict:200000\r\nmaxmemory:1200000\r\nmaxmemory_policy:allkeys-lru\r\n"))
	write(t, "free.txt", []byte("used_memory:1500000\r\nmaxmemory:0\r\nmaxmemory_policy:volatile-ttl\r\n"))
	for _, c := range []struct {
		args   []string
		policy string // in force
		need   int64  // -1: no table
	}{
		{nil, "", -1},
		{[]string{"--maxmemory", "0"}, "", -1},
		{[]string{"--maxmemory", "1m"}, "", used - 1_000_000},
		{[]string{"--config", "redis.conf"}, "volatile-lru", used - 1_024_000},
		{[]string{"--config", "other.conf"}, "", used - 1_024_000},
		{[]string{"--config", "redis.conf", "--maxmemory", "1m", "--maxmemory-policy", "volatile-lfu"}, "volatile-lfu", used - 1_000_000},
		{[]string{"--info", "info.txt"}, "allkeys-lru", 100_000},
		{[]string{"--info", "info.txt", "--growth", "1k"}, "allkeys-lru", 101_000},
		{[]string{"--info", "info.txt", "--config", "redis.conf"}, "volatile-lru", 1_300_000 - 1_024_000},
		{[]string{"--info", "free.txt"}, "volatile-ttl", -1},
		{[]string{"--info", "free.txt", "--maxmemory", "1400000"}, "volatile-ttl", 100_000},
		{[]string{"--maxmemory", "1m", "--type", "string"}, "", -1},
		{[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lrm"}, "allkeys-lrm", 0},
	} {
		if c.need < 0 {
			r := rdbaudit(append([]string{"report", "--format", "csv:eviction", "full.rdb"}, c.args...)...)
			require.Equal(t, exitFailed, r.status, c.args)
			require.Contains(t, r.stderr, "no table")
			continue
		}
		force, need := "", int64(0)
		for _, r := range tableOf(t, "eviction", append([]string{"full.rdb"}, c.args...)...) {
			if r["pattern"] == "" && r["in_force"] == "1" {
				force = r["policy"]
			}
			if r["policy"] == "noeviction" && r["pattern"] == "" {
				need = int64(asFloat(t, r["short_bytes"]))
			}
		}
		require.Equal(t, c.policy, force, c.args)
		require.Equal(t, c.need, need, c.args)
	}
	for _, args := range [][]string{
		{"--growth", "1mb"}, {"--growth", "x", "--maxmemory", "1mb"}, {"--maxmemory", "-5"}, {"--maxmemory", "1mb", "--maxmemory-policy", "best"},
		{"--maxmemory", "1mb", "--growth", "1mb", "--db", "0"},
		{"--fail-on", "short-bytes > 0"}, {"--fail-on", "short-bytes > 0", "--maxmemory", "1mb"},
	} {
		require.Equal(t, exitUsage, rdbaudit(append([]string{"report", "full.rdb"}, args...)...).status, args)
	}
	// Each of several dumps has a server with that limit of its own.
	write(t, "copy.rdb", readFile(t, "full.rdb"))
	for _, r := range tableOf(t, "eviction", "full.rdb", "copy.rdb", "--maxmemory", "1m") {
		if r["policy"] == "noeviction" && r["pattern"] == "" {
			require.Equal(t, float64(2*(used-1_000_000)), asFloat(t, r["short_bytes"]))
		}
	}
}

// TestEvictionRules holds --fail-on for what the policy in force does.
func TestEvictionRules(t *testing.T) {
	t.Chdir(t.TempDir())
	used := full(t, "full.rdb")
	for _, c := range []struct {
		policy, rule string
		status       int
	}{
		{"volatile-ttl", "evicted-share(session:*) > 30%", exitRule},
		{"volatile-ttl", "evicted-share(session:*) > 90%", exitOK},
		{"volatile-ttl", "evicted_keys(user:*) > 0", exitOK},
		{"allkeys-random", "evicted-bytes(user:*) > 10k", exitRule},
		{"allkeys-random", "evicted-keys(nothing:*) > 0", exitOK},
		{"noeviction", "short-bytes > 0", exitRule},
		{"allkeys-lru", "short-bytes > 0", exitOK},
		{"allkeys-lfu", "evicted-keys > 1000000", exitRule}, // not known
	} {
		r := rdbaudit("report", "-q", "--maxmemory", strconv.FormatInt(used-used/4, 10), "--maxmemory-policy", c.policy, "--fail-on", c.rule, "full.rdb")
		require.Equal(t, c.status, r.status, c.policy+" "+c.rule+" "+r.stderr)
	}
}

// TestEvictionShown: the policy in force and its failure are on the terminal
// and in Markdown.
func TestEvictionShown(t *testing.T) {
	t.Chdir(t.TempDir())
	used := full(t, "full.rdb")
	for _, format := range []string{"text", "md"} {
		out := good(t, "report", "--format", format, "--maxmemory", strconv.FormatInt(used/3, 10), "--maxmemory-policy", "volatile-lru", "full.rdb")
		for _, want := range []string{"volatile-lru *", "writes fail", "session:{num}", "allkeys-lru", "must go"} {
			require.Contains(t, strings.ReplaceAll(out, "&#42;", "*"), want, format)
		}
	}
	require.Contains(t, good(t, "report", "--maxmemory", strconv.FormatInt(used/3, 10), "--maxmemory-policy", "volatile-lru", "full.rdb"), "volatile-lru, the policy in force")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
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
