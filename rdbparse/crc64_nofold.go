//go:build !amd64 && !arm64

package rdbparse

const canFold = false

func foldCRC(uint64, []byte) (l, h uint64) { panic("rdbparse: foldCRC without canFold") }
