package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCollectLate: the first collection sets the percentage, and whatever the
// caller had comes back, whether or not there was one.
func TestCollectLate(t *testing.T) {
	settings := func() (percent, limit uint64) {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64(), s[1].Value.Uint64()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	_, free := settings()
	collected := func() { // until the first collection has had its effect
		t.Helper()
		require.Eventually(t, func() bool {
			runtime.GC()
			percent, limit := settings()
			return percent == 33 && limit == free
		}, 10*time.Second, time.Millisecond)
	}

	undo := collectLate(33)
	_, limit := settings()
	require.EqualValues(t, lateHeap, limit)
	undo()
	percent, limit := settings()
	require.EqualValues(t, 77, percent)
	require.Equal(t, free, limit)

	undo = collectLate(33)
	collected()
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)

	undo = collectLate(33) // one within another does nothing
	inner := collectLate(44)
	collected()
	inner()
	percent, limit = settings()
	require.EqualValues(t, 33, percent)
	require.Equal(t, free, limit)
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)

	defer debug.SetMemoryLimit(debug.SetMemoryLimit(lateHeap / 2)) // the user's own, and tighter
	undo = collectLate(33)
	percent, limit = settings()
	require.EqualValues(t, 33, percent)
	require.EqualValues(t, lateHeap/2, limit)
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)
}
