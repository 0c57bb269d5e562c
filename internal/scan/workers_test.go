package scan_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/internal/scan"
	"rdbaudit/internal/source"
)

// TestWorkersAgree: any number of workers, with and without a clock to share the
// work by, reads the same of files some of which are damaged or not there; and
// who is told to stop does.
func TestWorkersAgree(t *testing.T) {
	var stores source.Stores
	inputs := append(dumps(t), stores.Expand(t.Context(), []string{"nothing/of/the/kind.rdb"})...)
	o := options()[0]
	o.Version = "test"
	run := func(ctx context.Context, jobs int, clock bool, some []source.Input) (*scan.Part, error) {
		o := o
		if o.Jobs = jobs; clock {
			// One that runs at any pace it likes: nothing but who does what comes of it.
			begun := time.Now()
			o.Elapsed = func() time.Duration { return time.Since(begun) * time.Duration(1+rand.IntN(3)) }
		}
		return scan.Run(ctx, some, &o)
	}
	want, err := run(t.Context(), 1, false, inputs)
	require.NoError(t, err)
	all := write(t, want)
	for _, jobs := range []int{-1, 0, 1, 2, 3, 8, 20} {
		for _, clock := range []bool{false, true} {
			got, err := run(t.Context(), jobs, clock, inputs)
			require.NoError(t, err)
			require.Equal(t, all, write(t, got), "%d jobs, clock %v", jobs, clock)
			ctx, cancel := context.WithCancel(t.Context())
			stop := time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, cancel)
			if _, err := run(ctx, jobs, clock, inputs); err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			stop.Stop()
			cancel()
		}
	}
}
