//go:build race

package rdbparse

// thin is how much less tests do that try many inputs on one goroutine, where
// the race detector has nothing to find and takes ten times as long.
const thin = 12
