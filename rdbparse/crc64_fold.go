//go:build amd64 || arm64

package rdbparse

import "golang.org/x/sys/cpu"

// canFold: of the two, the one of another architecture is always false.
var canFold = cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasPMULL

// foldCRC returns 16 bytes, as two little-endian numbers, whose checksum from 0 is
// that of p from crc. len(p) must be a multiple of 16 and at least foldStep.
//
//go:noescape
func foldCRC(crc uint64, p []byte) (l, h uint64)
