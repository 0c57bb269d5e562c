package rdbparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"testing"
	"time"

	"rdbaudit/fixtures"
)

// stdCRC is the checksum by hash/crc64, which inverts before and after.
func stdCRC(crc uint64, p []byte) uint64 { return ^crc64.Update(^crc, stdTable, p) }

var stdTable = crc64.MakeTable(crcPoly)

// appendCRC ends a dump with its checksum.
func appendCRC(dump []byte) []byte { return binary.LittleEndian.AppendUint64(dump, stdCRC(0, dump)) }

func TestCRC(t *testing.T) {
	minimal, _ := fixtures.Asm(t, `REDIS0009 fe len(0) 00 str("k") str("v") ff`)
	for text, want := range map[string]uint64{
		"": 0, "\x00": 0, "\x00\x00\x00": 0, "123456789": 0xe9c6d914c4b8d9ca, string(minimal): 0x85afe2872df1c3f1,
	} {
		if got := updateCRC(0, []byte(text)); got != want {
			t.Errorf("%q: %016x, want %016x", text, got, want)
		}
	}
}

// TestCRCFactor: the checksum of a whole comes of those of its parts.
func TestCRCFactor(t *testing.T) {
	text := make([]byte, 3*stretchSize)
	for i := range text {
		text[i] = byte(i * i >> 7)
	}
	for _, n := range []int{0, 1, 2, 7, 8, 64, 255, 1000, 65535, stretchSize - 1, stretchSize, 2*stretchSize + 3} {
		for _, m := range []int{0, 1, 100, stretchSize} {
			whole := text[:min(n+m, len(text))]
			a, b := whole[:min(m, len(whole))], whole[min(m, len(whole)):]
			if got, want := crcTimes(stdCRC(0, a), crcFactor(int64(len(b))))^stdCRC(0, b), stdCRC(0, whole); got != want {
				t.Errorf("%d and %d bytes: %016x, want %016x", len(a), len(b), got, want)
			}
		}
	}
}

// TestAheadSums: who has the time computes the checksum, and it is the same.
func TestAheadSums(t *testing.T) {
	text := make([]byte, (stretchesAhead+3)*stretchSize+12345)
	for i := range text {
		text[i] = byte(i * i >> 9)
	}
	for _, behind := range []bool{false, true} {
		// Read only when the parser waits, or as far ahead as can be.
		turn := make(chan bool, 64)
		a := ReadAhead(turns{bytes.NewReader(text), turn}, false)
		if behind {
			for range cap(turn) {
				turn <- true
			}
			for len(a.full) < stretchesAhead {
				time.Sleep(time.Millisecond)
			}
		}
		at, summed := 0, 0
		for {
			if !behind {
				turn <- true
			}
			s := a.feed(nil)
			if want := stdCRC(0, text[:at]); !s.sums || s.crc != want {
				t.Fatalf("behind %v, after %d bytes: %016x, %v, want %016x", behind, at, s.crc, s.sums, want)
			}
			if at += s.end - headroom; s.summed {
				summed++
			}
			if s.err != nil {
				break
			}
		}
		a.Close()
		if at != len(text) || !behind && summed > 0 || behind && summed < stretchesAhead-1 {
			t.Errorf("behind %v: %d bytes of %d, %d stretches summed ahead", behind, at, len(text), summed)
		}
	}
}

// turns reads a stretch whenever it is its turn.
type turns struct {
	in   io.Reader
	turn <-chan bool
}

func (r turns) Read(p []byte) (int, error) {
	<-r.turn
	return io.ReadFull(r.in, p)
}

// TestChecksum: a dump with a wrong sum is given as a whole before the fault.
func TestChecksum(t *testing.T) {
	for _, f := range fixtures.All(t)[:3] {
		want := readAll(bytes.NewReader(f.Data), parts)
		for _, at := range []int{len(f.Data) - 8, len(f.Data) - 1} {
			bad := bytes.Clone(f.Data)
			bad[at] ^= 0x10
			for name, res := range map[string]result{"direct": readAll(bytes.NewReader(bad), parts), "ahead": readAhead(bad, parts)} {
				e := checkError(t, name, res.err, len(bad))
				if !errors.Is(res.err, ErrChecksum) || e.Offset != int64(len(bad)-8) || res.info.Checksum != ChecksumWrong || res.info.Stored == res.info.Computed {
					t.Errorf("%s: %v, checksum %s", name, res.err, res.info.Checksum)
				}
				if len(res.keys) != len(want.keys) || res.end != want.end {
					t.Errorf("%s: %d keys to %d, want %d to %d", name, len(res.keys), res.end, len(want.keys), want.end)
				}
			}
			r, err := NewReader(bytes.NewReader(bad))
			if err != nil {
				t.Fatal(err)
			}
			r.SkipChecksum = true
			if _, err := consume(r, parts); err != io.EOF || r.Info().Checksum != ChecksumUnread {
				t.Errorf("nobody asked: %v, checksum %s", err, r.Info().Checksum)
			}
		}
		// A flipped bit anywhere changes the sum, if the dump can be read at all.
		bad := bytes.Clone(f.Data)
		name := bytes.Index(bad, []byte("redis-ver"))
		bad[name] ^= 0x20
		if res := readAll(bytes.NewReader(bad), skipping); !errors.Is(res.err, ErrChecksum) {
			t.Errorf("a changed name: %v", res.err)
		}
		zero := append(bytes.Clone(f.Data[:len(f.Data)-8]), make([]byte, 8)...)
		if res := readAll(bytes.NewReader(zero), skipping); res.err != io.EOF || res.info.Checksum != ChecksumAbsent {
			t.Errorf("stored zero: %v, checksum %s", res.err, res.info.Checksum)
		}
	}
}

// TestTrailing: what follows a dump is named and left alone, Rest counts it.
func TestTrailing(t *testing.T) {
	dump, _ := fixtures.Asm(t, `REDIS0009 fe len(0) 00 str("k") str("v") ff crc()`)
	mark := bytes.Repeat([]byte("0123456789abcdef"), 3)[:40]
	big := bytes.Repeat([]byte("*1\r\n$4\r\nPING\r\n"), 100_000)
	for _, c := range []struct {
		rest string
		want Trailing
	}{
		{"", TrailingNone}, {string(mark), TrailingEOFMark}, {string(mark) + "\n", TrailingUnknown}, {"*1\r\n", TrailingAOF}, {"#TS:1\r\n", TrailingAOF},
		{string(mark) + "*1\r\n$4\r\nPING\r\n", TrailingEOFMark}, {"*", TrailingUnknown}, {"*x", TrailingUnknown}, {"# not a time", TrailingUnknown},
		{string(dump), TrailingDump}, {"VALKEY080", TrailingDump}, {"\x00", TrailingUnknown}, {string(big), TrailingAOF},
	} {
		r, err := NewReader(bytes.NewReader(append(bytes.Clone(dump), c.rest...)))
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Rest(); n != 0 {
			t.Errorf("Rest before the end: %d", n)
		}
		_, err = consume(r, skipping)
		if err != io.EOF || r.Info().Trailing != c.want || r.Offset() != int64(len(dump)) {
			t.Errorf("%.50q: %v, %s, at %d", c.rest, err, r.Info().Trailing, r.Offset())
		}
		if n := r.Rest(); n != int64(len(c.rest)) {
			t.Errorf("%.50q: Rest says %d of %d", c.rest, n, len(c.rest))
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%.50q: Next after the end: %v", c.rest, err)
		}
		if s := fmt.Sprint(r.Info().Trailing, r.Info().Checksum, r.Info().Format()); s == "" {
			t.Error("no names")
		}
	}
}
