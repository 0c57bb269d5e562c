package estimate_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
	"rdbaudit/rdbparse"
)

// TestAllocs holds the whole way from bytes to records, audit and search for
// JSON included, to no allocation per key or element: what it allocates does
// not grow with the dump.
func TestAllocs(t *testing.T) {
	dumps := map[string][]byte{}
	for _, kind := range []string{"small", "mixed"} {
		for name, keys := range map[string]int{kind: 30_000, kind + ", doubled": 60_000} {
			var b bytes.Buffer
			_, err := synth.Write(&b, synth.Options{Kind: kind, Keys: keys, Seed: 3})
			require.NoError(t, err)
			dumps[name] = b.Bytes()
		}
	}
	for _, name := range []string{"redis-8.6.3-shop", "redis-6.2.16-edges", "valkey-9.1.2-edges"} {
		dumps[name] = fixtures.Get(t, name).Data
	}
	for name, data := range dumps {
		t.Run(name, func(t *testing.T) {
			var keys int
			read := func() {
				keys = 0
				r, err := rdbparse.NewReader(bytes.NewReader(data))
				require.NoError(t, err)
				line, _, _ := estimate.ForInfo(r.Info())
				e := estimate.New(r, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, JSON: 8})
				e.EveryLargest = true
				var rec estimate.Record
				for ; err == nil; keys++ {
					err = e.Read(&rec)
				}
				require.ErrorIs(t, err, io.EOF)
			}
			read()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			read()
			runtime.ReadMemStats(&after)
			n := after.Mallocs - before.Mallocs
			t.Logf("%d allocations, %d bytes for %d keys", n, after.TotalAlloc-before.TotalAlloc, keys)
			// Scratch space that grows to the largest value, and the tables of what was worked out once.
			require.Less(t, n, uint64(500))
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		})
	}
}
