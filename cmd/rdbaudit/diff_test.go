package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

// moments are dumps of one real server at three moments, with what was done to
// it in between. Without a server the test takes those that an earlier run
// kept (go test ./cmd/rdbaudit -run DiffServer -update).
func moments(t *testing.T) (dumps [][]byte, real bool) {
	dir := filepath.Join(home, "..", "..", "fixtures", "moments")
	if !*update && !haveServer() {
		for i := range momentTimes {
			dumps = append(dumps, unpack(t, filepath.Join(dir, fmt.Sprintf("moment%d.rdb.gz", i+1))))
		}
		return dumps, false
	}
	s := fixtures.StartServer(t, nil)
	value := func(n, seed int) string {
		return strings.Repeat(fmt.Sprintf("%x", md5.Sum([]byte{byte(seed), byte(seed >> 8)})), n/32+1)[:n]
	}
	uuid := func(n int) string {
		h := fmt.Sprintf("%x", md5.Sum([]byte("uuid"+strconv.Itoa(n))))
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	}
	expiry := strconv.FormatInt(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 10)
	session := func(n int) {
		s.Do("SET", "session:"+uuid(n), value(600, n), "PXAT", expiry)
	}
	keep := func() { dumps = append(dumps, dated(s.Dump(), momentTimes[len(dumps)])) }
	for n := range 1000 {
		s.Do("HSET", fmt.Sprintf("user:%d", n), "name", value(12, n), "mail", value(20, n), "city", value(9, n))
		if n < 500 {
			session(n)
		}
		if n < 300 {
			s.Do("SET", fmt.Sprintf("cache:page:%d", n), value(900, n))
		}
		if n < 50 {
			s.Do("SET", fmt.Sprintf("temp:%d", n), value(200, n))
			s.Do("RPUSH", "queue:jobs", value(40, n))
		}
		if n < 5 {
			s.Do("SADD", "tags", value(8, n))
			s.Do("SELECT", "1")
			s.Do("SET", fmt.Sprintf("other:%d", n), value(30, n))
			s.Do("SELECT", "0")
		}
	}
	keep()
	// Added, deleted, grown, expired, converted, new; nothing else.
	for n := 500; n < 700; n++ {
		session(n)
	}
	for n := range 100 {
		s.Do("DEL", fmt.Sprintf("cache:page:%d", n))
	}
	for n := 50; n < 5000; n++ {
		s.Do("RPUSH", "queue:jobs", value(40, n))
	}
	for n := range 50 {
		s.Do("PEXPIRE", fmt.Sprintf("temp:%d", n), "1")
	}
	s.Do("HSET", "user:7", "bio", value(200, 7)) // over hash-max-listpack-value
	for n := range 40 {
		s.Do("SET", fmt.Sprintf("job:%d", n), value(1200, n))
	}
	s.Do("PERSIST", "session:"+uuid(3))
	time.Sleep(20 * time.Millisecond)
	for n := range 50 { // touched, so that the server deletes them
		s.Do("EXISTS", fmt.Sprintf("temp:%d", n))
	}
	keep()
	for n := 700; n < 900; n++ {
		session(n)
	}
	for n := range 100 {
		s.Do("DEL", fmt.Sprintf("cache:page:%d", 100+n))
	}
	keep()
	if *update {
		for i, data := range dumps {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			z.Write(data)
			require.NoError(t, z.Close())
			write(t, filepath.Join(dir, fmt.Sprintf("moment%d.rdb.gz", i+1)), b.Bytes())
		}
	}
	return dumps, true
}

// momentTimes are when the dumps claim to be from: a test has no hours to wait.
var momentTimes = []time.Time{
	time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC),
}

// dated gives a dump another time of making, in the aux field that has it.
func dated(data []byte, at time.Time) []byte {
	out := bytes.Clone(data[:len(data)-8])
	i := bytes.Index(out, []byte("\x05ctime\xc2")) // a 32-bit integer
	if i < 0 {
		panic("no ctime in the dump")
	}
	binary.LittleEndian.PutUint32(out[i+7:], uint32(at.Unix()))
	return binary.LittleEndian.AppendUint64(out, wire.Checksum(0, out))
}

func unpack(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(z)
	require.NoError(t, err)
	return data
}

// csvRows reads a table of CSV: by row, by column.
func csvRows(t *testing.T, text string) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	var rows []map[string]string
	for _, r := range all[1:] {
		row := make(map[string]string)
		for i, name := range all[0] {
			row[name] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func integer(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err, s)
	return n
}

// inMoments makes a new working directory with the dumps of moments.
func inMoments(t *testing.T) {
	t.Helper()
	dumps, _ := moments(t)
	t.Chdir(t.TempDir())
	for i, data := range dumps {
		write(t, fmt.Sprintf("%d.rdb", i+1), data)
	}
}

// TestDiffServer holds the comparison against what was done to the server.
func TestDiffServer(t *testing.T) {
	inMoments(t)
	type sums struct{ keys, bytes int64 }
	byPattern := func(path string) map[string]sums {
		m := make(map[string]sums)
		for _, r := range csvRows(t, good(t, "keys", path)) {
			s := m[r["pattern"]]
			m[r["pattern"]] = sums{s.keys + 1, s.bytes + integer(t, r["allocated_bytes"])}
		}
		return m
	}
	before, after := byPattern("1.rdb"), byPattern("2.rdb")
	type change struct {
		status string
		keys   int64
	}
	done := map[string]change{
		"session:{uuid}": {"grew", 200}, "cache:page:{num}": {"shrank", -100}, "queue:jobs": {"grew", 0},
		"temp:{num}": {"gone", -50}, "job:{num}": {"new", 40}, "user:{num}": {"grew", 0},
	}
	seen := 0
	for _, r := range csvRows(t, good(t, "diff", "--format", "csv", "1.rdb", "2.rdb")) {
		if r["leaf"] == "0" {
			continue
		}
		p := r["pattern"]
		b, a := before[p], after[p]
		require.Equal(t, []int64{b.keys, a.keys, a.keys - b.keys, b.bytes, a.bytes, a.bytes - b.bytes},
			[]int64{integer(t, r["keys_before"]), integer(t, r["keys_after"]), integer(t, r["keys_change"]), integer(t, r["bytes_before"]), integer(t, r["bytes_after"]), integer(t, r["bytes_change"])}, p)
		require.InDelta(t, float64(a.bytes-b.bytes)/6, float64(integer(t, r["bytes_per_hour"])), 0.5, p)
		if want, ok := done[p]; ok {
			seen++
			require.Equal(t, want, change{r["status"], integer(t, r["keys_change"])}, p)
		} else {
			require.Equal(t, "same", r["status"], p)
		}
	}
	require.Equal(t, len(done), seen)
}

func haveServer() bool {
	_, err := exec.LookPath("redis-server")
	return err == nil
}

// TestDiffParts holds what else the comparison says of the known change.
func TestDiffParts(t *testing.T) {
	inMoments(t)
	find := func(rows []map[string]string, want map[string]string) map[string]string {
		t.Helper()
	next:
		for _, r := range rows {
			for name, value := range want {
				if r[name] != value {
					continue next
				}
			}
			return r
		}
		t.Fatalf("no row %v", want)
		return nil
	}
	table := func(name string, args ...string) []map[string]string {
		t.Helper()
		return csvRows(t, good(t, append([]string{"diff", "--format", "csv:" + name}, args...)...))
	}
	two := []string{"1.rdb", "2.rdb"}

	types := table("types", two...)
	require.Equal(t, "-1", find(types, map[string]string{"type": "hash", "encoding": "listpack"})["keys_change"])
	require.Equal(t, "1", find(types, map[string]string{"type": "hash", "encoding": "hashtable"})["keys_change"])
	require.Equal(t, "same", find(types, map[string]string{"type": "set"})["status"])

	databases := table("databases", two...)
	require.Equal(t, "90", find(databases, map[string]string{"database": "0"})["keys_change"])
	require.Equal(t, "same", find(databases, map[string]string{"database": "1"})["status"])

	changes := table("changes", two...)
	require.Equal(t, "1", find(changes, map[string]string{"pattern": "session:{uuid}"})["no_ttl_keys_change"], "one was persisted")
	require.Equal(t, "listpack 99.6%,hashtable 0.4%", find(changes, map[string]string{"pattern": "user:{num}"})["encodings_after"])

	appeared := table("appeared", two...)
	require.Equal(t, 2, len(appeared))
	require.Equal(t, "40", find(appeared, map[string]string{"pattern": "job:{num}", "status": "new"})["keys"])
	require.Equal(t, "50", find(appeared, map[string]string{"pattern": "temp:{num}", "status": "gone"})["keys"])

	// All keys that changed are listed, and each once.
	risers := table("risers", append(two, "--top", "10000")...)
	require.Equal(t, 200+40+1+1, len(risers))
	list := risers[0]
	require.Equal(t, []string{"queue:jobs", "grew", "50", "5000"}, []string{list["key"], list["status"], list["num_elements_before"], list["num_elements_after"]})
	hash := find(risers, map[string]string{"key": "user:7"})
	require.Equal(t, []string{"grew", "listpack", "hashtable"}, []string{hash["status"], hash["encoding_before"], hash["encoding_after"]})
	fallers := table("fallers", append(two, "--top", "10000")...)
	require.Equal(t, 100+50+1, len(fallers))
	persisted := fallers[150] // its place among the keys that expire
	require.Equal(t, []string{"shrank", "session:{uuid}"}, []string{persisted["status"], persisted["pattern"]})
	for _, r := range fallers[:150] {
		require.Equal(t, []string{"gone", "0"}, []string{r["status"], r["bytes_after"]}, r["key"])
	}
	// The same from a pipe, but for what needs a second look.
	piped, err := os.Open("2.rdb")
	require.NoError(t, err)
	defer piped.Close()
	r := runWith(piped, "diff", "--format", "csv:risers", "--top", "10000", "1.rdb", "-")
	require.Equal(t, "", r.stderr)
	require.Equal(t, risers, csvRows(t, r.stdout))

	// Nothing changed is said as such.
	same := good(t, "diff", "2.rdb", "2.rdb")
	require.Contains(t, same, "\nNothing changed: ")
	for _, r := range table("changes", "2.rdb", "2.rdb") {
		require.Equal(t, "same", r["status"])
	}
	for _, name := range []string{"risers", "fallers", "appeared"} {
		require.Zero(t, len(table(name, "2.rdb", "2.rdb")), name)
	}

	// Newer before older is said, and not turned round.
	back := good(t, "diff", "2.rdb", "1.rdb")
	require.Contains(t, strings.Join(strings.Fields(back), " "), "2.rdb (2026-11-22T12:00:00Z) is newer than 1.rdb (2026-11-22T06:00:00Z)")
	for i, r := range table("changes", "2.rdb", "1.rdb") {
		require.Equal(t, "", r["bytes_per_hour"])
		forth := find(changes, map[string]string{"pattern": r["pattern"], "leaf": r["leaf"]})
		require.Equal(t, -integer(t, forth["bytes_change"]), integer(t, r["bytes_change"]), i)
	}

	// When maxmemory is full: used-mem of both, and what is left.
	totals := table("totals", append(two, "--maxmemory", "8mb")...)
	used := find(totals, map[string]string{"metric": "used_mem_bytes"})
	room := int64(8<<20) - integer(t, used["after"])
	require.Equal(t, room*3600/integer(t, used["per_hour"]), integer(t, used["full_in_seconds"]))
}

// TestDiffSeries: three moments are a series whose ends are the diff of two;
// of two moments the series' slope is the diff's rate.
func TestDiffSeries(t *testing.T) {
	inMoments(t)
	ends := csvRows(t, good(t, "diff", "--format", "csv", "1.rdb", "3.rdb"))
	all := csvRows(t, good(t, "diff", "--format", "csv", "1.rdb", "2.rdb", "3.rdb"))
	require.Equal(t, len(ends), len(all))
	for i := range all {
		for _, column := range []string{"pattern", "keys_change", "bytes_before", "bytes_after", "bytes_change", "encodings_after"} {
			require.Equal(t, ends[i][column], all[i][column], column)
		}
	}
	series := csvRows(t, good(t, "diff", "--format", "csv:series", "1.rdb", "2.rdb", "3.rdb"))
	require.Equal(t, 3*len(all), len(series))
	for i, r := range series {
		c := all[i/3]
		require.Equal(t, c["pattern"], r["pattern"])
		require.Equal(t, strconv.Itoa(i%3+1), r["moment"])
		require.Equal(t, momentTimes[i%3].Format("2006-01-02T15:04:05.000Z"), r["time"])
		require.Equal(t, integer(t, r["bytes"])-integer(t, c["bytes_before"]), integer(t, r["from_first_change"]))
		require.Equal(t, integer(t, c["bytes_after"])-integer(t, r["bytes"]), integer(t, r["to_last_change"]))
	}
	// Least squares at 0, 6 and 15 hours, worked out by hand for one pattern.
	var y [3]float64
	for i, r := range series {
		if r["pattern"] == "cache:page:{num}" {
			y[i%3] = float64(integer(t, r["bytes"]))
		}
	}
	slope := ((0-7)*(y[0]-(y[0]+y[1]+y[2])/3) + (6-7)*(y[1]-(y[0]+y[1]+y[2])/3) + (15-7)*(y[2]-(y[0]+y[1]+y[2])/3)) / (49 + 1 + 64)
	for _, r := range all {
		if r["pattern"] == "cache:page:{num}" {
			require.InDelta(t, slope, float64(integer(t, r["bytes_per_hour"])), 0.5)
		}
	}
}

// TestDiffSaved: a saved report compares as the dump that it was made of.
func TestDiffSaved(t *testing.T) {
	inMoments(t)
	for _, n := range []string{"1", "2", "3"} {
		good(t, "report", "-q", "-o", n+".json", "-o", n+".rdbaudit", n+".rdb")
	}
	for _, table := range []string{"changes", "totals", "types", "databases", "findings", "appeared", "series"} {
		want := good(t, "diff", "--format", "csv:"+table, "1.rdb", "2.rdb", "3.rdb")
		for _, args := range [][]string{{"1.json", "2.rdb", "3.rdb"}, {"1.rdb", "2.json", "3.json"}, {"1.json", "2.json", "3.json"},
			{"1.rdbaudit", "2.rdbaudit", "3.rdbaudit"}, {"1.rdbaudit", "2.rdb", "3.json"}} {
			require.Equal(t, want, good(t, append([]string{"diff", "--format", "csv:" + table}, args...)...), "%s of %v", table, args)
		}
	}
	// Sides that were made otherwise are refused, by the name of the option.
	for option, args := range map[string][]string{
		"--measure": {"--measure", "usage"}, "the filter": {"--type", "hash"}, "--as": {"--as", "loaded"}, "--allocator": {"--allocator", "libc"},
		"--separator": {"--separator", "/"}, "--depth": {"--depth", "2"}, "--pattern": {"--pattern", "user:<id>"},
	} {
		r := rdbaudit(append([]string{"diff", "1.json", "2.rdb"}, args...)...)
		require.Equal(t, exitUsage, r.status, option)
		require.Contains(t, r.stderr, "cannot compare: 1.json was made with "+option)
		r = rdbaudit(append([]string{"diff", "1.rdbaudit", "2.rdb"}, args...)...)
		require.Equal(t, exitUsage, r.status, option)
		require.Contains(t, r.stderr, "cannot compare: 1.rdbaudit was made with "+option)
		good(t, append([]string{"diff", "1.rdb", "2.rdb"}, args...)...)
	}
	good(t, "report", "-q", "--redact-key", "12345678", "-o", "hidden.json", "1.rdb")
	require.Contains(t, rdbaudit("diff", "hidden.json", "2.rdb").stderr, "cannot compare: hidden.json was made with --redact on")
}

// TestDiffEndings holds what is said, and the status, where a side is not as it should be.
func TestDiffEndings(t *testing.T) {
	inMoments(t)
	r := rdbaudit("diff", "gone.rdb", "2.rdb")
	require.Equal(t, exitFailed, r.status)
	require.Contains(t, r.stderr, "gone.rdb: no such file")
	require.Empty(t, r.stdout)
	// Of a series the others are compared.
	r = rdbaudit("diff", "1.rdb", "gone.rdb", "3.rdb")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stdout, "PATTERNS THAT CHANGED")
	// What is missing of a damaged dump looks like change: that is said.
	write(t, "cut.rdb", []byte(read(t, "2.rdb")[:100_000]))
	r = rdbaudit("diff", "1.rdb", "cut.rdb")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, strings.Join(strings.Fields(r.stdout), " "), "! What could not be read of a dump is missing from its moment")
	// Rules are about the changes.
	r = rdbaudit("diff", "-q", "--fail-on", "bytes-change(session:*) > 100kb", "--fail-on", "keys-change(job:*) > 1000", "1.rdb", "2.rdb")
	require.Equal(t, exitRule, r.status)
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	require.Contains(t, r.stderr, "bytes-change(session:*) > 100kb: it is 150376", "200 keys of 752 bytes, less 24 of a TTL")
	require.Contains(t, rdbaudit("diff", "--fail-on", "p50-bytes > 1", "1.rdb", "2.rdb").stderr, "no metric is called p50-bytes")
	require.Zero(t, rdbaudit("diff", "-q", "--fail-on", "bytes-per-hour(session:*) > 100kb", "1.rdb", "2.rdb").status)
	// When it will be full: of all, what the totals say; of patterns, the soonest.
	for rule, is := range map[string]bool{
		"full-in-seconds < 4d": true, "full-in-seconds < 3d": false, "full-in-seconds(queue:*) < 8d": true, "full-in-seconds(session:*) < 8d": false,
		"full-in-seconds(temp:*) < 1000d": false, "growth > 30%": true, "growth > 40%": false, "growth(cache:*) < -30%": true, "growth(session:*) > 30%": true,
		"bytes-per-hour > 40kb": true, "bytes-change < 0": false,
	} {
		want := exitOK
		if is {
			want = exitRule
		}
		require.Equal(t, want, rdbaudit("diff", "-q", "--maxmemory", "8mb", "--fail-on", rule, "1.rdb", "2.rdb").status, rule)
	}
	// Sets of dumps are moments too.
	write(t, "mon/a.rdb", []byte(read(t, "1.rdb")))
	write(t, "mon/b.rdb", []byte(read(t, "2.rdb")))
	write(t, "tue/a.rdb", []byte(read(t, "2.rdb")))
	write(t, "tue/b.rdb", []byte(read(t, "3.rdb")))
	sets := csvRows(t, good(t, "diff", "--format", "csv", "mon", "tue/*.rdb"))
	require.Equal(t, strconv.Itoa(1857+1947), sets[0]["keys_before"])
	require.Equal(t, strconv.Itoa(1947+2047), sets[0]["keys_after"])
}

// TestGoldenDiff holds the summary of two moments and of three, from the dumps that are kept.
func TestGoldenDiff(t *testing.T) {
	dir := filepath.Join(home, "..", "..", "fixtures", "moments")
	t.Chdir(t.TempDir())
	for _, n := range []string{"1", "2", "3"} {
		write(t, n+".rdb", unpack(t, filepath.Join(dir, "moment"+n+".rdb.gz")))
	}
	out := good(t, "diff", "--maxmemory", "8mb", "1.rdb", "2.rdb")
	series := good(t, "diff", "1.rdb", "2.rdb", "3.rdb")
	for line := range strings.Lines(out + series) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
	}
	golden(t, "diff.txt", out)
	golden(t, "diff-series.txt", series)
	golden(t, "diff.md", good(t, "diff", "--format", "md", "--maxmemory", "8mb", "1.rdb", "2.rdb", "3.rdb"))
	golden(t, "diff.prom", good(t, "diff", "--format", "prom", "--maxmemory", "8mb", "1.rdb", "2.rdb"))
	golden(t, "diff.csv", good(t, "diff", "--format", "csv", "1.rdb", "2.rdb"))
	hidden := good(t, "diff", "--redact-key", "12345678", "--format", "json", "1.rdb", "2.rdb", "3.rdb") +
		good(t, "diff", "--redact-key", "12345678", "1.rdb", "2.rdb", "3.rdb") + good(t, "diff", "--redact-key", "12345678", "--format", "html", "1.rdb", "2.rdb", "3.rdb")
	for _, word := range []string{"session", "queue", "jobs", "temp:", "user:"} {
		require.NotContains(t, strings.ReplaceAll(hidden, "used-mem", ""), word)
	}
}
