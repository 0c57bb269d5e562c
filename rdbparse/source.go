package rdbparse

import (
	"encoding/binary"
	"io"
)

// source is the input as a window with a sticky error: after a failure every
// read gives zeros and no progress, so that decoding is straight-line code
// that looks at err once.
type source struct {
	buf      []byte
	pos, end int   // buf[pos:end] has arrived and is not read
	base     int64 // offset in the file of buf[0]
	in       feeder
	cur      stretch
	err      error // io.ErrUnexpectedEOF at the end, else a read error or a sentinel of error.go
	errAt    int64
	detail   string
	foreseen byte // what foresee has read, so that it does
}

func (s *source) offset() int64 { return s.base + int64(s.pos) }

// fail records the first fault, at the file offset at.
func (s *source) fail(err error, at int64, detail string) {
	if s.err == nil {
		s.err, s.errAt, s.detail = err, at, detail
		s.end = s.pos // nothing more is had from the window
	}
}

// more brings at least n bytes into the window; n is at most headroom.
func (s *source) more(n int) bool {
	if s.err != nil {
		return false
	}
	if n > headroom {
		s.fail(ErrLength, s.offset(), "asked to see more than a window")
		return false
	}
	for s.end-s.pos < n {
		if err := s.cur.err; err != nil {
			if err == io.EOF {
				err = ErrTruncated
			}
			s.pos = s.end
			s.fail(err, s.offset(), "")
			return false
		}
		s.advance()
	}
	return true
}

// advance takes the next stretch, carrying what is unread.
func (s *source) advance() {
	carry := s.buf[s.pos:s.end]
	at, n := s.offset(), len(carry)
	s.cur = s.in.feed(carry)
	s.buf = s.cur.buf
	s.pos, s.end = headroom-n, s.cur.end
	s.base = at - int64(s.pos)
}

// need gives a view of the next n bytes (n at most headroom) without reading
// them, or nil after a failure. It is valid until the next read.
func (s *source) need(n int) []byte {
	if s.end-s.pos < n && !s.more(n) {
		return nil
	}
	return s.buf[s.pos : s.pos+n]
}

// peek is need for as many bytes as there are, up to n. It never fails.
func (s *source) peek(n int) []byte {
	for s.end-s.pos < n && s.err == nil && s.cur.err == nil {
		s.advance()
	}
	return s.buf[s.pos:min(s.pos+n, s.end)]
}

// foresee fetches what comes behind the next n bytes, while these are looked at:
// input was written by another processor, and no pattern tells this one where
// the next record begins.
func (s *source) foresee(n uint64) {
	if at := uint64(s.pos) + n; at < uint64(s.end) {
		s.foreseen += s.buf[at]
		if at += 64; at < uint64(s.end) {
			s.foreseen += s.buf[at]
		}
	}
}

// u8 reads a byte.
func (s *source) u8() byte {
	if s.pos == s.end && !s.more(1) {
		return 0
	}
	b := s.buf[s.pos]
	s.pos++
	return b
}

// take reads n bytes, at most headroom. The view is valid until the next read.
func (s *source) take(n int) []byte {
	b := s.need(n)
	s.pos += len(b)
	return b
}

func (s *source) u32() uint32 {
	if b := s.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (s *source) u64() uint64 {
	if b := s.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// skip passes over n bytes.
func (s *source) skip(n uint64) {
	for {
		if have := uint64(s.end - s.pos); have >= n {
			s.pos += int(n)
			return
		} else {
			n -= have
			s.pos = s.end
		}
		if !s.more(1) {
			return
		}
	}
}

// read copies up to len(p) bytes, at least one unless it fails.
func (s *source) read(p []byte) int {
	if s.pos == s.end && !s.more(1) {
		return 0
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	return n
}

// sum is the checksum of all that was read so far. It may be asked for only
// where the last byte read belongs to the current stretch, not to what was
// carried into it; the end mark always does, because it is asked for alone.
func (s *source) sum() uint64 {
	if s.pos < headroom {
		return 0
	}
	return updateCRC(s.cur.crc, s.buf[headroom:s.pos])
}

// The special string forms of a length byte (rdb.h@redis-8.6.3 RDB_ENC_*).
const (
	formInt8  = 0
	formInt16 = 1
	formInt32 = 2
	formLZF   = 3
)

// head reads a length, or the number of a special string form
// (rdb.c@redis-8.6.3 rdbLoadLenByRef).
func (s *source) head() (n uint64, special bool) {
	at := s.offset()
	b := s.u8()
	switch b >> 6 {
	case 0:
		return uint64(b), false
	case 1:
		return uint64(b&0x3f)<<8 | uint64(s.u8()), false
	case 3:
		return uint64(b & 0x3f), true
	}
	switch b {
	case 0x80:
		if p := s.take(4); p != nil {
			return uint64(binary.BigEndian.Uint32(p)), false
		}
	case 0x81:
		if p := s.take(8); p != nil {
			return binary.BigEndian.Uint64(p), false
		}
	default:
		s.fail(ErrLength, at, "length byte "+hexByte(b))
	}
	return 0, false
}

// length reads a plain number. Servers take the low bits of a special form for
// a number too, but none ever writes that: it is refused.
func (s *source) length() uint64 {
	if s.pos < s.end { // the usual short forms without a call
		if b := s.buf[s.pos]; b < 0x40 {
			s.pos++
			return uint64(b)
		}
	}
	at := s.offset()
	n, special := s.head()
	if special {
		s.fail(ErrLength, at, "a string form where a number must stand")
		return 0
	}
	return n
}

func hexByte(b byte) string {
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[b>>4], digits[b&15]})
}
