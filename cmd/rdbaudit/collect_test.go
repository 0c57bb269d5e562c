package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCollectAfter: the first collection sets the percentage, and whatever the
// caller had comes back, whether or not there was one.
func TestCollectAfter(t *testing.T) {
	// More than the tests before this one leave behind: what they hold would
	// bring about the first collection at once.
	const heap = 1 << 40
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

	undo := collectAfter(heap, 33)
	_, limit := settings()
	require.EqualValues(t, heap, limit)
	undo()
	percent, limit := settings()
	require.EqualValues(t, 77, percent)
	require.Equal(t, free, limit)

	undo = collectAfter(heap, 33)
	collected()
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)

	undo = collectAfter(heap, 33) // one within another does nothing
	inner := collectAfter(heap, 44)
	collected()
	inner()
	percent, limit = settings()
	require.EqualValues(t, 33, percent)
	require.Equal(t, free, limit)
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)

	debug.SetGCPercent(-1) // the user wants none
	undo = collectAfter(heap, 33)
	off, limit := settings()
	require.Equal(t, free, limit)
	undo()
	percent, _ = settings()
	require.Equal(t, off, percent)
	debug.SetGCPercent(77)

	defer debug.SetMemoryLimit(debug.SetMemoryLimit(heap / 2)) // the user's own, and tighter
	undo = collectAfter(heap, 33)
	percent, limit = settings()
	require.EqualValues(t, 33, percent)
	require.EqualValues(t, heap/2, limit)
	undo()
	percent, _ = settings()
	require.EqualValues(t, 77, percent)
}
