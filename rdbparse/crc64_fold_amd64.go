package rdbparse

import "golang.org/x/sys/cpu"

// canFoldWide says that the processor folds four lanes at once.
var canFoldWide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VPCLMULQDQ

// foldWide is foldCRC for such processors. len(p) must be at least wideStep.
//
//go:noescape
func foldWide(crc uint64, p []byte) (l, h uint64)
