//go:build !amd64

package rdbparse

const canFoldWide = false

func foldWide(uint64, []byte) (l, h uint64) { panic("rdbparse: foldWide without canFoldWide") }
