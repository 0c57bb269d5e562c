package scan_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/aggregate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// dumps are files of dumps of real servers, of different lines, of generated
// shards, of one that is cut, and of one that is none.
func dumps(t testing.TB) []source.Input {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	for _, f := range fixtures.All(t) {
		if slices.Contains([]string{"redis-6.2.16-shop", "redis-7.2.6-cluster-shop", "redis-7.2.6-edges", "redis-8.6.3-shop", "valkey-8.1.1-shop", "valkey-9.1.2-shop"}, f.Name) {
			write(filepath.Base(f.Name)+".rdb", f.Data)
		}
	}
	for i := range 4 {
		for _, kind := range []string{"small", "mixed"} {
			var b bytes.Buffer
			_, err := synth.Write(&b, synth.Options{Kind: kind, Keys: 2000, Seed: 1, Shard: i, Shards: 4})
			require.NoError(t, err)
			write(kind+string(rune('0'+i))+".rdb", b.Bytes())
			if i == 3 {
				write(kind+"-cut.rdb", b.Bytes()[:b.Len()/2])
			}
		}
	}
	write("none.rdb", []byte("nothing of the kind"))
	var stores source.Stores
	inputs := stores.Expand(t.Context(), []string{dir})
	require.Greater(t, len(inputs), 12)
	return inputs
}

// options are the options that the laws are held under.
func options() []scan.Options {
	model := scan.Model{Allocator: "jemalloc", Cluster: "auto"}
	full := scan.Model{Allocator: "libc", Cluster: "on", As: "loaded", Options: scan.Config{"maxmemory": "100kb", "maxmemory-policy": "allkeys-lru"},
		Origin: scan.Config{"maxmemory": "flag", "maxmemory-policy": "flag"}}
	return []scan.Options{
		{How: scan.How{Model: model, Findings: true, JSONEvery: 8}, Aggregate: &aggregate.Options{}},
		{How: scan.How{Model: full, Findings: true, JSONEvery: 1}, Aggregate: &aggregate.Options{
			Eviction: true, Usage: true, Top: 7, Patterns: []string{"list:*", "session:<id>"}, Owners: []string{"us", ""}, Separators: []string{":", "/"},
		}},
		{How: scan.How{Model: scan.Model{Target: "valkey-9.1", Allocator: "jemalloc", Cluster: "auto"}, Now: 1_900_000_000_000, NowGiven: true, Filtered: "--no-ttl"},
			Aggregate: &aggregate.Options{Depth: 2}},
	}
}

func read(t testing.TB, o scan.Options, inputs ...source.Input) *scan.Part {
	t.Helper()
	o.Version, o.Jobs = "test", 1+rand.IntN(4)
	p, err := scan.Run(context.Background(), inputs, &o)
	require.NoError(t, err)
	return p
}

func write(t testing.TB, p *scan.Part) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.Bytes()
}

// shown is everything that is made of a part, a text for each format.
func shown(t testing.TB, p *scan.Part) map[string]string {
	t.Helper()
	out := map[string]string{"before": string(write(t, p))}
	rep, _ := p.Report(&scan.View{Version: "test", Max: 100 << 10, Policy: "allkeys-lru"})
	rep.Part = p
	for _, f := range output.Formats() {
		var b bytes.Buffer
		require.NoError(t, f.Write(&b, rep), f.Name)
		out[f.Name] = b.String()
	}
	require.Equal(t, out["before"], out["part"], "a part is the same before and after its report")
	return out
}

// TestPartsAreOnePass: parts of any split of dumps, written, read and merged in any
// order and nesting, are what one pass over all dumps is, to the byte.
func TestPartsAreOnePass(t *testing.T) {
	all := dumps(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, o := range options() {
		want := shown(t, read(t, o, all...))
		for range 2 {
			left := slices.Clone(all)
			rng.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
			var parts []*scan.Part
			for len(left) > 0 {
				n := 1 + rng.IntN(min(len(left), 6))
				parts = append(parts, again(t, read(t, o, left[:n]...)))
				left = left[n:]
			}
			for len(parts) > 1 {
				i := rng.IntN(len(parts) - 1)
				require.NoError(t, parts[i].Merge(parts[i+1]))
				if rng.IntN(2) == 0 {
					parts[i] = again(t, parts[i])
				}
				parts = slices.Delete(parts, i+1, i+2)
			}
			got := shown(t, parts[0])
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("options %+v: %s differs: %s", o.How, name, difference(got[name], want[name]))
				}
			}
		}
	}
}

// again writes a part and reads it.
func again(t testing.TB, p *scan.Part) *scan.Part {
	t.Helper()
	b := write(t, p)
	back, err := scan.ReadPart(bytes.NewReader(b), 0)
	require.NoError(t, err)
	if now := write(t, back); !bytes.Equal(b, now) {
		t.Fatalf("what was read is written otherwise: %q", difference(string(now), string(b)))
	}
	return back
}

func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, min(i-60, len(s))):min(len(s), i+60)] }
	return cut(a) + "\nnot\n" + cut(b)
}

// TestOrderOfDumps: the order in which dumps are named changes nothing.
func TestOrderOfDumps(t *testing.T) {
	all := dumps(t)[:6]
	o := options()[1]
	want := shown(t, read(t, o, all...))
	slices.Reverse(all)
	require.Equal(t, want, shown(t, read(t, o, all...)))
}

// TestOwnMoments: every dump is held against its own moment, whatever others
// it is read with.
func TestOwnMoments(t *testing.T) {
	all := dumps(t)
	o := options()[0]
	var expired, ttl int64
	for _, in := range all {
		s := read(t, o, in).Set
		expired += s.Totals().ExpiredKeys
		ttl += s.Totals().TTLKeys
	}
	s := read(t, o, all...).Set
	require.Equal(t, ttl, s.Totals().TTLKeys)
	require.Equal(t, expired, s.Totals().ExpiredKeys)
}

// TestMergeRefuses names the option that differs, and merges nothing.
func TestMergeRefuses(t *testing.T) {
	in := dumps(t)[0]
	for name, change := range map[string]func(*scan.Options){
		"--now":                     func(o *scan.Options) { o.Now, o.NowGiven = 5000, true },
		"filter":                    func(o *scan.Options) { o.Filtered = "--db 1" },
		"--no-findings":             func(o *scan.Options) { o.Findings = false },
		"--json-values":             func(o *scan.Options) { o.JSONEvery = 1 },
		"--target":                  func(o *scan.Options) { o.Model.Target = "redis-7.2" },
		"--as":                      func(o *scan.Options) { o.Model.As = "loaded" },
		"--allocator":               func(o *scan.Options) { o.Model.Allocator = "libc" },
		"--cluster":                 func(o *scan.Options) { o.Model.Cluster = "on" },
		"hash-max-listpack-entries": func(o *scan.Options) { o.Model.Options = scan.Config{"hash-max-listpack-entries": "7"} },
		"measure":                   func(o *scan.Options) { o.Aggregate = &aggregate.Options{Usage: true} },
		"separators":                func(o *scan.Options) { o.Aggregate = &aggregate.Options{Separators: []string{"/"}} },
		"depth":                     func(o *scan.Options) { o.Aggregate = &aggregate.Options{Depth: 3} },
		"top":                       func(o *scan.Options) { o.Aggregate = &aggregate.Options{Top: 3} },
		"patterns":                  func(o *scan.Options) { o.Aggregate = &aggregate.Options{Patterns: []string{"a:*"}} },
		"eviction":                  func(o *scan.Options) { o.Aggregate = &aggregate.Options{Eviction: true} },
		"owners": func(o *scan.Options) {
			o.Aggregate = &aggregate.Options{Patterns: []string{"b:*"}, Owners: []string{"x"}}
		},
		"option maxmemory-policy": func(o *scan.Options) { o.Model.Options = scan.Config{"maxmemory-policy": "noeviction"} },
	} {
		o := options()[0]
		if name == "owners" {
			o.Aggregate = &aggregate.Options{Patterns: []string{"b:*"}}
		}
		mine := read(t, o, in)
		before := write(t, mine)
		change(&o)
		err := mine.Merge(again(t, read(t, o, in)))
		require.ErrorContains(t, err, name)
		require.True(t, bytes.Equal(before, write(t, mine)), "%s: something was merged", name)
	}
}

// TestReadPartRefuses: what is no part, of a later version, or damaged anywhere.
func TestReadPartRefuses(t *testing.T) {
	b := write(t, read(t, options()[0], dumps(t)[0]))
	_, err := scan.ReadPart(bytes.NewReader(bytes.Replace(b, []byte("part 3\n"), []byte("part 4\n"), 1)), 0)
	require.ErrorContains(t, err, "later release")
	_, err = scan.ReadPart(strings.NewReader("REDIS0011"), 0)
	require.ErrorContains(t, err, "no part")
	other := sealed(bytes.Replace(b[:len(b)-8], []byte(`"layout":"string `), []byte(`"layout":"strong `), 1))
	_, err = scan.ReadPart(bytes.NewReader(other), 0)
	require.ErrorContains(t, err, "which counts other things")
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		bad := bytes.Clone(b)
		bad[len("rdbaudit part 3\n")+rng.IntN(len(b)-16)] ^= 1 << rng.IntN(8)
		_, err := scan.ReadPart(bytes.NewReader(bad), 0)
		require.ErrorIs(t, err, scan.ErrPart)
		_, err = scan.ReadPart(bytes.NewReader(b[:rng.IntN(len(b))]), 0)
		require.Error(t, err)
	}
}

// sealed puts a checksum behind the bytes of a part.
func sealed(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)))
}

// FuzzPart: a part that somebody made up is refused, or it can be shown,
// merged and written.
func FuzzPart(f *testing.F) {
	var parts [][]byte
	for _, o := range options() {
		var b bytes.Buffer
		_, err := synth.Write(&b, synth.Options{Kind: "mixed", Keys: 40, Seed: 1})
		require.NoError(f, err)
		path := filepath.Join(f.TempDir(), "x.rdb")
		require.NoError(f, os.WriteFile(path, b.Bytes(), 0o600))
		p := write(f, read(f, o, new(source.Stores).Expand(f.Context(), []string{path})...))
		parts = append(parts, p[:len(p)-8])
	}
	f.Add(uint8(0), []byte{0, 200, 255, 1, 0, 0})
	f.Add(uint8(1), []byte{4, 1, 128, 9, 9, 9})
	f.Add(uint8(2), []byte("0123456789ab"))
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		b := bytes.Clone(parts[int(which)%len(parts)])
		for e := edits; len(e) >= 3; e = e[3:] {
			b[(int(e[0])<<8|int(e[1]))%len(b)] = e[2]
		}
		b = sealed(b)
		p, err := scan.ReadPart(bytes.NewReader(b), 1<<20)
		if err != nil {
			return
		}
		other, err := scan.ReadPart(bytes.NewReader(write(t, p)), 1<<20)
		require.NoError(t, err, "what was read and written is read again")
		require.NoError(t, p.Merge(other))
		require.NoError(t, p.Write(io.Discard))
		rep, _ := p.Report(&scan.View{Version: "test", Max: 1 << 20, Policy: "allkeys-lru"})
		for _, format := range output.Formats() {
			if format.Name == "part" || len(edits)%16 > 0 && (format.Name == "html" || format.Name == "parquet") { // these take long
				continue
			}
			require.NoError(t, format.Write(io.Discard, rep), format.Name)
		}
	})
}

// TestPartVersion reads a part that was written when this version of the format
// was made: who changes what sums are written as gives the format a new
// version, and this file with it (RDBAUDIT_WRITE_PART=1 writes it).
func TestPartVersion(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	require.NoError(t, err)
	file := func(version int) string { return filepath.Join(dir, fmt.Sprintf("version-%d.rdbaudit", version)) }
	path := file(aggregate.PartVersion)
	if os.Getenv("RDBAUDIT_WRITE_PART") != "" {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile("lfu.rdb", fixtures.Get(t, "redis-7.2.6-lfu").Data, 0o600))
		var mixed bytes.Buffer
		_, err = synth.Write(&mixed, synth.Options{Kind: "mixed", Keys: 100, Seed: 1})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("mixed.rdb", mixed.Bytes(), 0o600))
		require.NoError(t, os.WriteFile(path, write(t, read(t, options()[1], new(source.Stores).Expand(t.Context(), []string{"."})...)), 0o644))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	p, err := scan.ReadPart(bytes.NewReader(b), 0)
	require.NoError(t, err, "the format has changed: give it a new version")
	require.True(t, bytes.Equal(b, write(t, p)), "the format has changed: give it a new version")
	require.Equal(t, 2, p.Read())

	for version := 1; version < aggregate.PartVersion; version++ {
		old, err := os.ReadFile(file(version))
		require.NoError(t, err)
		p, err = scan.ReadPart(bytes.NewReader(old), 0)
		require.NoError(t, err, "version %d is still read", version)
		require.True(t, bytes.Equal(b, write(t, p)), "version %d of the same dumps is the same part", version)
	}
}

// TestThinnedSample: of dumps that are so large that the sample thins, and of
// different sizes, what a finding says of a pattern in all of them is as it is
// if every value is looked at, within what it says that it may be off.
func TestThinnedSample(t *testing.T) {
	dir := t.TempDir()
	value := map[bool]string{
		true:  `{"alpha":1234567,"beta":7654321,"gamma":1111111,"delta":2222222,"epsilon":3333333}`,
		false: strings.Repeat("no object ", 8),
	}
	keys := map[bool]int{true: 300_000, false: 200_000}
	for json, n := range keys {
		dump := binary.BigEndian.AppendUint32([]byte("REDIS0011\xfe\x00\xfb\x80"), uint32(n))
		dump = append(dump, 0)
		for i := range n {
			name := fmt.Sprintf("doc:%d", i)
			dump = append(append(append(dump, 0, byte(len(name))), name...), 0x40, byte(len(value[json])))
			dump = append(dump, value[json]...)
		}
		dump = append(dump, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(json)+".rdb"), dump, 0o600))
	}
	for _, every := range []uint32{1, 8} {
		o := options()[0]
		o.JSONEvery = every
		p := again(t, read(t, o, new(source.Stores).Expand(t.Context(), []string{dir})...))
		rep, _ := p.Report(&scan.View{Version: "test"})
		found := false
		at := slices.IndexFunc(rep.Tables, func(t aggregate.Table) bool { return t.Name == "findings" })
		for _, row := range rep.Tables[at].Rows {
			if row[0].S != "json-strings" {
				continue
			}
			found = true
			require.Equal(t, "doc:{num}", row[1].S)
			if every == 1 {
				require.EqualValues(t, keys[true], row[2].I)
				continue
			}
			// 5 standard errors of a share of 3/5, of as many keys as the sample is worth.
			require.InEpsilon(t, keys[true], row[2].I, 5*math.Sqrt(0.4/0.6/36_000))
			require.Contains(t, row[6].S, "of 500000 keys: give or take 0.")
		}
		require.True(t, found)
	}
}

// TestFullTablesAgree: also where tables are full, and what they hold depends
// on who has counted what, a dump read again by as many workers gives the same
// part, to the byte.
func TestFullTablesAgree(t *testing.T) {
	// Strings that live for ten years more, which an audit notes, of patterns
	// that come once or twice.
	dump := []byte("REDIS0011\xfe\x00")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30_000 {
		name := "page:"
		for n := rng.IntN(25_000); n > 0; n /= 20 {
			name += string(rune('a' + n%20))
		}
		dump = binary.LittleEndian.AppendUint64(append(dump, 0xfc), 1_900_000_000_000+10*365*86_400_000)
		dump = append(append(dump, 0, byte(len(name))), name...)
		dump = append(dump, 5)
		dump = append(dump, "value"...)
	}
	dump = append(dump, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
	path := filepath.Join(t.TempDir(), "full.rdb")
	require.NoError(t, os.WriteFile(path, dump, 0o600))
	var stores source.Stores
	inputs := stores.Expand(t.Context(), []string{path})
	o := options()[0]
	o.Now, o.NowGiven, o.Jobs, o.Version = 1_900_000_000_000, true, 3, "test"
	o.Aggregate.TableMemory = 1 << 20
	var want []byte
	for i := range 5 {
		p, err := scan.Run(t.Context(), inputs, &o)
		require.NoError(t, err)
		got := write(t, p)
		if i == 0 {
			want = got
			folded, _ := p.Set.Patterns().Folded()
			require.Positive(t, folded)
			require.NotEmpty(t, p.Set.AuditPartial())
		}
		require.True(t, bytes.Equal(want, got), "another part the %d. time", i+1)
	}
}
