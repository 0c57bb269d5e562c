package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// lateHeap is how many bytes Go may hold before anything is collected. With
// the program's own pages that is less than the 64 MB that a process may take
// beside its tables.
const lateHeap = 40 << 20

// collectLate is for commands that fill tables. Nothing is collected until
// there is something worth it; from then on garbage takes at most percent of
// what lives. Tables hold few pointers, so that a low percentage costs little,
// while the many collections of a heap that grows from nothing do not. The
// function that it returns puts everything back.
func collectLate(percent int) (undo func()) {
	return collectAfter(lateHeap, percent)
}

// collectAfter is collectLate for any number of bytes.
func collectAfter(heap int64, percent int) (undo func()) {
	off := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	if metrics.Read(off); off[0].Value.Uint64() == math.MaxUint64 {
		return func() {} // somebody further out collects late already, or wants it off
	}
	limit := debug.SetMemoryLimit(-1)
	if limit <= heap { // GOMEMLIMIT is as tight
		before := debug.SetGCPercent(percent)
		return func() { debug.SetGCPercent(before) }
	}
	before := debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heap)
	var mu sync.Mutex
	over := false
	// The first collection, which the limit brings about, finds this unused.
	first := runtime.AddCleanup(new([64]byte), func(int) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			debug.SetGCPercent(percent)
			debug.SetMemoryLimit(limit)
		}
	}, 0)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		first.Stop()
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(limit)
	}
}
