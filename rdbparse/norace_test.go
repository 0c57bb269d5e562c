//go:build !race

package rdbparse

const thin = 1
