package main

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures/synth"
)

// TestAllocs holds whole commands to no allocation per key or element: twice
// the keys take hardly more allocations, but for new patterns.
func TestAllocs(t *testing.T) {
	t.Chdir(t.TempDir())
	const keys = 100_000
	for _, kind := range []string{"small", "mixed"} {
		for n := 1; n <= 2; n++ {
			f, err := os.Create(fmt.Sprintf("%s-%d.rdb", kind, n))
			require.NoError(t, err)
			_, err = synth.Write(f, synth.Options{Kind: kind, Keys: n * keys})
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		for _, command := range []string{"verify", "keys", "report"} {
			mallocs := func(n int) uint64 {
				var before, after runtime.MemStats
				args := []string{command, fmt.Sprintf("%s-%d.rdb", kind, n), "--progress", "none"}
				if command != "verify" {
					args = append(args, "-o", "out.csv")
				}
				good(t, args...)
				runtime.ReadMemStats(&before)
				good(t, args...)
				runtime.ReadMemStats(&after)
				return after.Mallocs - before.Mallocs
			}
			one, two := mallocs(1), mallocs(2)
			t.Logf("%s of %s: %d allocations for %d keys, %d for %d", command, kind, one, keys, two, 2*keys)
			more := uint64(keys / 20)
			if command == "report" { // a part of the keys are patterns of their own
				more = keys / 2
			}
			require.Less(t, two, one+more, command)
		}
	}
}
