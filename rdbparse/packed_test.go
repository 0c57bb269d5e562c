package rdbparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"testing"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

// codeOf is a type whose value is one blob of each format.
var codeOf = map[Format]byte{Listpack: 16, Ziplist: 13, Intset: 11, Zipmap: 9}

// dumpOfBlob is a dump whose first key is a blob, compressed or not; another
// key follows.
func dumpOfBlob(f Format, blob []byte, lzf bool) []byte {
	dump := append([]byte("REDIS0011"), codeOf[f], 1, 'b')
	if lzf {
		packed := compressLZF(blob)
		dump = append(dump, 0xc3)
		dump = append(wire.AppendLen(wire.AppendLen(dump, uint64(len(packed))), uint64(len(blob))), packed...)
	} else {
		dump = wire.AppendString(dump, blob)
	}
	return appendCRC(append(dump, 0, 1, 'k', 1, 'v', 0xff))
}

// An entryMark is all that an entry says of itself, small enough to keep many.
type entryMark struct {
	isInt, shown bool
	num, len     int64
	sum          uint32
}

func markOf(e *Entry) entryMark {
	return entryMark{e.IsInt, e.Str != nil, e.Int, e.Len, crc32.ChecksumIEEE(e.Str)}
}

// walkBlob has the entries of the blob that a dump's first key is, and why they
// end; held says that the blob is to lie in memory as a whole.
func walkBlob(t *testing.T, r *Reader, held bool, most int) (entries []entryMark, fault error) {
	t.Helper()
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	p, err := r.Part()
	if err != nil {
		return nil, err
	}
	if p.Kind != PartPacked {
		t.Fatalf("a part %s", p.Kind)
	}
	if held {
		b, err := r.Bytes()
		if err != nil {
			return nil, err
		}
		if int64(len(b)) != p.Len {
			t.Fatalf("%d bytes of %d", len(b), p.Len)
		}
	}
	sum := int64(0)
	for most > 0 && err == nil {
		var e *Entry
		if e, err = r.Entry(); err != nil {
			break
		}
		most--
		if e.Len > headroom { // the window does not show it
			e.Str = nil
		} else if !e.IsInt && int64(len(e.Str)) != e.Len {
			t.Fatalf("entry %d: %d bytes of %d", len(entries), len(e.Str), e.Len)
		}
		if !e.IsInt {
			sum += e.Len
		}
		entries = append(entries, markOf(e))
	}
	if sum > p.Len || int64(len(entries)) > p.Len {
		t.Fatalf("%d entries of %d bytes in a blob of %d", len(entries), sum, p.Len)
	}
	// Whatever was found, the reader goes on behind the blob.
	if k, err := r.Next(); err != nil || string(k.Name) != "k" {
		t.Fatalf("after the blob: %v", err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("the dump ends with %v", err)
	}
	return entries, err
}

// window opens a dump so that even a small blob goes through the window, in
// stretches of such sizes.
func window(t *testing.T, dump []byte, next func() int) *Reader {
	t.Helper()
	r, err := openFeeder(&drip{data: dump, next: next})
	if err != nil {
		t.Fatal(err)
	}
	r.MaxHeld = 0
	return r
}

func inStretches(size int) func() int { return func() int { return size } }

// blobs makes blobs of each format of some size.
func blobs(t *testing.T, size int) map[Format][]byte {
	rng := seeded(uint64(size))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rng.IntN(26))
			if i > 40 && i%64 > 8 {
				b[i] = b[i-37]
			}
		}
		return b
	}
	lens := []int{0, 1, 10, 63, 64, 100, 127, 300, 4095, 4096, 5000, 16378, 20_000, 65_534, 65_535, 65_536, 65_537, 70_000}
	lp := wire.BeginListpack(nil)
	var zl strings.Builder
	zl.WriteString("ziplist(")
	zm := []byte{254}
	count := 0
	for len(lp) < size {
		n := lens[rng.IntN(len(lens))]
		if rng.IntN(3) > 0 {
			n = rng.IntN(300)
		}
		n = min(n, size)
		v := int64(rng.Uint64()) >> rng.IntN(64)
		s := random(n)
		lp = wire.AppendListpackInt(wire.AppendListpackString(lp, s), v)
		if n == 16378 { // as Valkey 9.1 marks it, too
			lp = append(append(binary.LittleEndian.AppendUint32(append(lp, 0xf0), uint32(n)), s...), 0x7f, 0xff)
			count++
		}
		fmt.Fprintf(&zl, "%q %d ", s, v)
		for i, s := range [][]byte{strconv.AppendInt(nil, v, 36), s} {
			if len(s) < 254 {
				zm = append(zm, byte(len(s)))
			} else {
				zm = binary.LittleEndian.AppendUint32(append(zm, 254), uint32(len(s)))
			}
			free := 0
			if i == 1 {
				free = []int{0, 3, 255}[rng.IntN(3)]
				zm = append(zm, byte(free))
			}
			zm = append(append(zm, s...), make([]byte, free)...)
		}
		count += 2
	}
	ziplist, _ := fixtures.Asm(t, zl.String()+")")
	is := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 8), uint32(size/8))
	for i := range size / 8 {
		is = binary.LittleEndian.AppendUint64(is, uint64(int64(i)*int64(i)-1000))
	}
	return map[Format][]byte{Listpack: wire.EndListpack(lp, 0, count), Ziplist: ziplist, Intset: is, Zipmap: append(zm, 0xff)}
}

// TestWindow: a blob that passes through a window has the entries of one that
// lies in memory as a whole.
func TestWindow(t *testing.T) {
	sizes := []int{300, 20_000, 3 << 20}
	if thin > 1 {
		sizes[2] = wholeBlob + 1000
	}
	for _, size := range sizes {
		for f, blob := range blobs(t, size) {
			t.Run(fmt.Sprintf("%s of %d", f, len(blob)), func(t *testing.T) {
				t.Parallel()
				for _, lzf := range []bool{false, true} {
					dump := dumpOfBlob(f, blob, lzf)
					r, err := openBytes(dump)
					if err != nil {
						t.Fatal(err)
					}
					want, fault := walkBlob(t, r, true, len(blob))
					if fault != io.EOF || len(want) < size/40_000 {
						t.Fatalf("%d entries, then %v", len(want), fault)
					}
					rng := seeded(uint64(size), uint64(f))
					ways := []func() int{inStretches(1 << 30), inStretches(stretchSize), inStretches(4093), func() int { return 1 + rng.IntN(1<<rng.IntN(19)) }}
					if size < 1<<20 {
						ways = append(ways, inStretches(1), inStretches(2), inStretches(13), inStretches(100))
					}
					for _, way := range ways {
						got, fault := walkBlob(t, window(t, dump, way), false, len(blob))
						sameEntries(t, got, want, fault, io.EOF)
					}
					// Left in the middle.
					for range 8 {
						n := rng.IntN(len(want))
						got, fault := walkBlob(t, window(t, dump, inStretches(100_000)), false, n)
						sameEntries(t, got, want[:n], fault, nil)
					}
				}
			})
		}
	}
}

func sameEntries(t *testing.T, got, want []entryMark, fault, wantFault error) {
	t.Helper()
	if fmt.Sprint(fault) != fmt.Sprint(wantFault) || len(got) != len(want) {
		t.Fatalf("%d entries, then %v; want %d, then %v", len(got), fault, len(want), wantFault)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("entry %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestWindowBorder puts an entry of each size that has a border of its own at
// each place round the end of the window.
func TestWindowBorder(t *testing.T) {
	for _, n := range []int{0, 60, 122, 123, 16377, 16378, 16379, headroom - 1, headroom, headroom + 1, 2*headroom + 5} {
		for shift := 0; shift < 40; shift += thin {
			lp := wire.BeginListpack(nil)
			count := 0
			// The window is full where the entry ends, or nearly so.
			for fill := blobWindow + headroom - n - 30 + shift - len(lp); fill > 0; count++ {
				k := min(fill, 60_000)
				lp = wire.AppendListpackString(lp, bytes.Repeat([]byte{'f'}, max(k-9, 0)))
				fill -= k
			}
			text := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			lp = wire.AppendListpackString(lp, text)
			if n == 16378 {
				lp = append(append(binary.LittleEndian.AppendUint32(append(lp, 0xf0), uint32(n)), text...), 0x7f, 0xff)
				count++
			}
			lp = wire.AppendListpackInt(lp, 1<<40)
			for range 5 { // what takes the place of all that lay in the window
				lp = wire.AppendListpackString(lp, bytes.Repeat([]byte{'a'}, 65_000))
			}
			dump := dumpOfBlob(Listpack, wire.EndListpack(lp, 0, count+7), false)
			r, err := openBytes(dump)
			if err != nil {
				t.Fatal(err)
			}
			want, fault := walkBlob(t, r, true, 1000)
			if fault != io.EOF {
				t.Fatal(fault)
			}
			got, fault := walkBlob(t, window(t, dump, inStretches(1<<30)), false, 1000)
			sameEntries(t, got, want, fault, io.EOF)
		}
	}
}

// TestWindowFaults: a damaged blob breaks at the same entry, whole or through
// the window.
func TestWindowFaults(t *testing.T) {
	rng := seeded(9)
	for _, size := range []int{60, 300, 20_000} {
		for f, blob := range blobs(t, size) {
			for range 1000 / thin / (1 + size/1000) {
				bad := bytes.Clone(blob)
				head := map[Format]int{Listpack: 6, Ziplist: 8, Intset: 8, Zipmap: 0}[f]
				for range 1 + rng.IntN(3) {
					i := head + rng.IntN(len(bad)-head)
					if bad[i] = byte(rng.Uint32()); rng.IntN(2) == 0 {
						bad[i] = 0xff
					}
				}
				checkBlob(t, f, bad)
			}
		}
	}
	// What follows the end in compressed bytes.
	blob := blobs(t, 20_000)[Listpack]
	dump := append([]byte("REDIS0011"), 16, 1, 'b', 0xc3)
	packed := append(compressLZF(blob), 0, 'x')
	dump = append(wire.AppendLen(wire.AppendLen(dump, uint64(len(packed))), uint64(len(blob))), packed...)
	dump = appendCRC(append(dump, 0, 1, 'k', 1, 'v', 0xff))
	for _, held := range []bool{false, true} {
		if _, fault := walkBlob(t, window(t, dump, inStretches(1000)), held, len(blob)); held && !errors.Is(fault, ErrTooLong) || !held && !errors.Is(fault, ErrString) {
			t.Errorf("bytes behind the end: %v", fault)
		}
	}
}

// checkBlob walks any bytes as a blob, whole and through the window.
func checkBlob(t *testing.T, f Format, blob []byte) {
	t.Helper()
	dump := dumpOfBlob(f, blob, false)
	r, err := openBytes(dump)
	if err != nil {
		t.Fatal(err)
	}
	want, fault := walkBlob(t, r, true, len(blob)+1)
	if fault == nil {
		t.Fatalf("%s %x: no end", f, blob)
	}
	if fault != io.EOF {
		if e := checkError(t, "", fault, len(dump)); e.Err != ErrPacked || e.Offset > int64(len(dump)-len(blob)) {
			t.Fatalf("%s %x: %v", f, blob, fault)
		}
	}
	got, again := walkBlob(t, window(t, dump, inStretches(1+len(blob)/3)), false, len(blob)+1)
	sameEntries(t, got, want, again, fault)
}

func fuzzBlob(f *testing.F, format Format, seeds ...string) {
	for _, s := range seeds {
		blob, _ := fixtures.Asm(f, s)
		f.Add(blob)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		// The header's own length is put right, so that the fuzzer gets inside.
		switch {
		case format == Listpack && len(blob) >= 6, format == Ziplist && len(blob) >= 10:
			binary.LittleEndian.PutUint32(blob, uint32(len(blob)))
		case format == Intset && len(blob) >= 8:
			width := uint32(2) << (blob[0] % 3)
			n := (uint32(len(blob)) - 8) / width
			blob = blob[:8+n*width]
			binary.LittleEndian.PutUint32(blob, width)
			binary.LittleEndian.PutUint32(blob[4:], n)
		case format == Zipmap && len(blob) >= 2:
		default:
			return
		}
		checkBlob(t, format, blob)
	})
}

func FuzzListpack(f *testing.F) {
	fuzzBlob(f, Listpack, `listpack()`, `listpack("a" 1 -7)`,
		`listpack("f" "v" "n" 42 "neg" -4096 "neg2" -4097 "k24" -8388608 "k32" 2147483647 "k64" 9223372036854775807)`,
		`u32le(20) u16le(65535) 816102 0101 816202 83322e3504 ff`, `u32le(0) u16le(1) e040 rep(64 61) 42 ff`, `u32le(0) u16le(1) f0 u32le(1) 61 06 ff`)
}

func FuzzZiplist(f *testing.F) {
	fuzzBlob(f, Ziplist, `ziplist()`, `ziplist("a" 1 -7 12 13 300 -40000 100000 1099511627776 "b")`,
		`1a0000001a0000000500 00 02 6530 04 c0 0100 04 02 6532 04 c0 0300 04 02 6534 ff`,
		`u32le(0) u32le(10) u16le(1) 00 4040 rep(64 61) ff`, `u32le(0) u32le(13) u16le(2) 00 01 61 fe u32le(3) 80 u32le(1) 61 ff`)
}

func FuzzIntset(f *testing.F) {
	fuzzBlob(f, Intset, `intset()`, `intset(1 2 3)`, `intset(-3 100000)`, `intset(5 1099511627776)`)
}

func FuzzZipmap(f *testing.F) {
	fuzzBlob(f, Zipmap, `00 ff`, `03 0166 01 00 76 03666f6f 02 00 6869 016e 02 00 3132 ff`,
		`02 0161 01 03 31 000000 0162 02 01 3232 00 ff`, `01 fe u32le(4) rep(4 "k") fe u32le(3) 00 rep(3 "v") ff`)
}

// TestWindowLZF damages compressed blobs that pass through the window, and cuts
// the file inside of them.
func TestWindowLZF(t *testing.T) {
	rng := seeded(10)
	broken := 0
	for f, blob := range blobs(t, 100_000) {
		dump := dumpOfBlob(f, blob, true)
		r, err := openBytes(dump)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := walkBlob(t, r, true, len(blob))
		head, tail := 40, 20 // the name and the blob's lengths; the key behind it
		for range 200 / thin {
			bad := bytes.Clone(dump)
			for range 1 + rng.IntN(2) {
				bad[head+rng.IntN(len(bad)-head-tail)] ^= byte(1 << rng.IntN(8))
			}
			r, err := openBytes(bad)
			if err != nil {
				t.Fatal(err)
			}
			r.MaxHeld = 0
			got, fault := walkBlob(t, r, false, len(blob))
			if fault == io.EOF && len(got) > len(blob) {
				t.Fatalf("%s: %d entries", f, len(got))
			}
			if fault != io.EOF {
				broken++
				if e := checkError(t, f.String(), fault, len(bad)); e.Err != ErrPacked && e.Err != ErrString || e.Offset > 30 {
					t.Fatalf("%s: %v", f, fault)
				}
			}
		}
		for range 50 {
			cut := head + rng.IntN(len(dump)-head-tail)
			r, err := openFeeder(&drip{data: dump[:cut], next: inStretches(1 + rng.IntN(50_000))})
			if err != nil {
				t.Fatal(err)
			}
			r.MaxHeld = 0
			if _, err = r.Next(); err == nil {
				_, err = r.Part()
			}
			n := 0
			for ; err == nil; n++ {
				var e *Entry
				if e, err = r.Entry(); err == nil && e.Len <= headroom && markOf(e) != want[n] {
					t.Fatalf("%s: entry %d before the cut", f, n)
				}
			}
			checkCut(t, cut, err)
			_, again := r.Next()
			checkCut(t, cut, again)
		}
	}
	if broken < 200/thin {
		t.Errorf("only %d of the damaged blobs broke", broken)
	}
}
