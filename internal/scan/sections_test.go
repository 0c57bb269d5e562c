package scan_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures/synth"
	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
	"rdbaudit/rdbparse"
)

// sealedDump ends a dump with its end mark and checksum.
func sealedDump(b []byte) []byte {
	b = append(b, 0xff)
	return binary.LittleEndian.AppendUint64(b, rdbparse.Checksum(0, b))
}

func appendString(b []byte, s string) []byte {
	if len(s) < 64 {
		return append(append(b, byte(len(s))), s...)
	}
	return append(binary.BigEndian.AppendUint32(append(b, 0x80), uint32(len(s))), s...)
}

// sectionDumps are dumps of one file each that workers read together: with
// several databases, with values that look like dumps, with names and values
// that guess nothing, that end too early, with a wrong checksum, with commands behind.
func sectionDumps(t testing.TB, rng *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for _, kind := range []string{"small", "mixed"} {
		var b bytes.Buffer
		_, err := synth.Write(&b, synth.Options{Kind: kind, Keys: 3000, Seed: 1})
		require.NoError(t, err)
		files[kind] = b.Bytes()
		files[kind+"-cut"] = b.Bytes()[:rng.IntN(b.Len())]
		wrong := bytes.Clone(b.Bytes())
		wrong[len(wrong)-3] ^= 1
		files[kind+"-sum"] = wrong
		hit := bytes.Clone(b.Bytes())
		hit[len(hit)/4+rng.IntN(len(hit)/2)] ^= byte(1 + rng.IntN(255))
		files[kind+"-hit"] = hit
		files[kind+"-tail"] = append(bytes.Clone(b.Bytes()), "*1\r\n$4\r\nPING\r\n"...)
	}
	nested := sealedDump(records(nil, 0, 40, func(i int) string { return fmt.Sprint("inner value ", i) }))
	dump := []byte("REDIS0011")
	for db := range byte(4) {
		dump = append(dump, 0xfe, db, 0xfb, 0x41, 0x2c, 0x00) // 300 keys
		dump = records(dump, int(db)*1000, 300, func(i int) string {
			switch i % 7 {
			case 0:
				return string(nested[9:]) // which begins with records
			case 1:
				return strings.Repeat("\x00", i)
			case 2:
				return strings.Repeat("\x01", i)
			}
			return fmt.Sprint("value ", i)
		})
	}
	files["databases"] = sealedDump(dump)
	dump = append([]byte("REDIS0011\xfe\x00\xfb"), 0x41, 0x2c, 0x00)
	for i := range 300 {
		dump = appendString(append(dump, 0), "\x01\x02"+string(binary.BigEndian.AppendUint32(nil, uint32(i))))
		dump = appendString(dump, string(binary.BigEndian.AppendUint64(nil, rng.Uint64())))
	}
	files["binary"] = sealedDump(dump)
	bad := records([]byte("REDIS0011\xfe\x00\xfb\x43\xe8\x00"), 0, 1000, func(int) string { return "v" })
	files["bad"] = append(bad, 99) // instead of the end mark
	templated := []byte("REDIS0014\xfe\x00\xfb\x43\xe8\x00")
	for i := range 10 {
		templated = append(templated, 0xf2, byte(i), 1, 1, 'f')
		templated = records(templated, 100*i, 100, func(int) string { return "v" })
	}
	files["templates"] = sealedDump(templated)
	return files
}

// records appends some strings to a dump, some of which expire.
func records(b []byte, from, n int, value func(i int) string) []byte {
	for i := range n {
		if i%3 == 0 {
			b = binary.LittleEndian.AppendUint64(append(b, 0xfc), uint64(1_900_000_000_000+rng0(i)))
		}
		b = appendString(append(b, 0), fmt.Sprintf("key:%d", from+i))
		b = appendString(b, value(i))
	}
	return b
}

func rng0(i int) int { return i * 7919 % 1_000_000 }

// TestSections: however a file is cut into sections, and however many read them, it
// is read as by one.
func TestSections(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	o := options()[0]
	o.Version = "test"
	filtered := o
	filtered.Filtered, filtered.Min = "some", 100
	filtered.Keep = func() func(*rdbparse.Key) bool {
		return func(k *rdbparse.Key) bool { return len(k.Name)%3 > 0 }
	}
	run := func(ctx context.Context, o scan.Options, path string, jobs int, section int64) (*scan.Part, error) {
		o.Jobs, o.Section = jobs, section
		return scan.Run(ctx, new(source.Stores).Expand(ctx, []string{path}), &o)
	}
	for name, data := range sectionDumps(t, rng) {
		path := filepath.Join(dir, name+".rdb")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		for _, o := range []scan.Options{o, filtered} {
			one, err := run(t.Context(), o, path, 1, 0)
			require.NoError(t, err)
			want := write(t, one)
			for range 6 {
				jobs, section := 2+rng.IntN(4), 16+rng.Int64N(int64(len(data)/16))
				many, err := run(t.Context(), o, path, jobs, section)
				require.NoError(t, err)
				if got := write(t, many); !bytes.Equal(want, got) {
					t.Fatalf("%s, %d jobs, sections of %d bytes: %s", name, jobs, section, difference(string(got), string(want)))
				}
				ctx, cancel := context.WithCancel(t.Context())
				stop := time.AfterFunc(time.Duration(rng.IntN(3000))*time.Microsecond, cancel)
				if _, err := run(ctx, o, path, jobs, section); err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
				stop.Stop()
				cancel()
			}
		}
	}
}

// TestSectionsAlso: whoever else looks at the records sees each once.
func TestSectionsAlso(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.rdb")
	data := sectionDumps(t, rand.New(rand.NewPCG(1, 1)))["databases"]
	require.NoError(t, os.WriteFile(path, data, 0o600))
	o := options()[0]
	o.Jobs, o.Section = 3, 500
	var seen [3]map[string]int
	n := 0
	o.Also = func() func([]estimate.Record) {
		m := map[string]int{}
		seen[n] = m
		n++
		return func(records []estimate.Record) {
			for i := range records {
				m[fmt.Sprint(records[i].DB, string(records[i].Key))]++
			}
		}
	}
	_, err := scan.Run(t.Context(), new(source.Stores).Expand(t.Context(), []string{path}), &o)
	require.NoError(t, err)
	all := map[string]int{}
	for _, m := range seen {
		require.NotEmpty(t, m, "a worker has read nothing")
		for k, times := range m {
			all[k] += times
		}
	}
	require.Len(t, all, 1200)
	for k, times := range all {
		require.Equal(t, 1, times, k)
	}
}
