//go:build race

package rdbparse

// thin is how much less is done by tests that try many inputs on one goroutine:
// there the race detector has nothing to find and takes ten times as long.
const thin = 12
