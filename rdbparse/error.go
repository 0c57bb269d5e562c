package rdbparse

import (
	"errors"
	"fmt"
	"strconv"
)

// The kinds of faults. Every error of a Reader is an *Error that unwraps to
// one of these, or to the error of the underlying reader.
var (
	ErrMagic     = errors.New("not an RDB file")
	ErrVersion   = errors.New("RDB version that no server reads")
	ErrType      = errors.New("unknown type or opcode")
	ErrLength    = errors.New("invalid length")
	ErrString    = errors.New("invalid string")
	ErrPacked    = errors.New("invalid packed value")
	ErrValue     = errors.New("invalid value")
	ErrTruncated = errors.New("the file ends too early")
	ErrChecksum  = errors.New("wrong checksum")
	ErrTooLong   = errors.New("string longer than the limit for held strings")
)

// Error is a fault at a place of the file.
type Error struct {
	Offset int64  // bytes from the start of the RDB data
	Key    []byte // name of the key that Next gave last, if the fault lies in its value; else nil
	Detail string // what was found, in words
	Err    error  // one of the Err values, or a read error
}

func (e *Error) Error() string {
	s := "offset " + strconv.FormatInt(e.Offset, 10) + ": " + e.Err.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Key != nil {
		name, cut := e.Key, ""
		if len(name) > 80 {
			name, cut = name[:80], "..."
		}
		s += fmt.Sprintf(" (in key %q%s)", name, cut)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }
