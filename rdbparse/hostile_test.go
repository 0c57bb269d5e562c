package rdbparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

var sentinels = map[string]error{
	"ErrMagic": ErrMagic, "ErrVersion": ErrVersion, "ErrType": ErrType, "ErrLength": ErrLength, "ErrString": ErrString, "ErrPacked": ErrPacked,
	"ErrValue": ErrValue, "ErrTruncated": ErrTruncated, "ErrChecksum": ErrChecksum, "ErrTooLong": ErrTooLong,
}

// A broken is a case of testdata/*.asm:
//
//	=== NAME | [soft] SENTINEL [| WORDS]
//
// and an assembly whose mark is where the error points. A soft one ends a value
// and not the dump. WORDS are part of the error's text.
type broken struct {
	name  string
	data  []byte
	mark  int
	soft  bool
	err   error
	words string
}

func loadBroken(tb testing.TB) (all []broken) {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*.asm")
	if err != nil || len(paths) == 0 {
		tb.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		for _, section := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			head, body, _ := strings.Cut(section, "\n")
			fields := append(strings.Split(head, " | "), "")
			b := broken{name: strings.TrimSuffix(filepath.Base(path), ".asm") + ": " + fields[0], words: strings.TrimSpace(fields[2])}
			name, soft := strings.CutPrefix(strings.TrimSpace(fields[1]), "soft ")
			b.soft, b.err = soft, sentinels[name]
			b.data, b.mark = fixtures.Asm(tb, body)
			if b.err == nil || b.mark < 0 {
				tb.Fatalf("%s: %q, mark %d", b.name, fields[1], b.mark)
			}
			all = append(all, b)
		}
	}
	return all
}

// TestBroken reads dumps that lie. Each names its fault and the place, with
// every way to read it.
func TestBroken(t *testing.T) {
	for _, b := range loadBroken(t) {
		t.Run(b.name, func(t *testing.T) {
			for d := range numDepths {
				for _, size := range []int{1, 5, 1 << 20} {
					r, err := openFeeder(&drip{data: b.data, next: inStretches(size)})
					if err == nil {
						res := drain(r, d)
						checkErrorKey(t, b.name, res)
						if err = res.err; b.soft {
							if err != io.EOF {
								t.Fatalf("%s: the dump ends with %v", d, err)
							}
							if d < deep {
								continue
							}
							if len(res.soft) == 0 {
								t.Fatalf("%s: no fault", d)
							}
							err = res.soft[0]
						}
						for _, soft := range res.soft {
							if !b.soft && !errors.Is(soft, ErrTooLong) {
								t.Errorf("%s: %v", d, soft)
							}
						}
					}
					e := checkError(t, b.name, err, len(b.data))
					if e.Err != b.err || e.Offset != int64(b.mark) || !strings.Contains(e.Error(), b.words) {
						t.Errorf("%s: %v, want %v at %d, with %q", d, err, b.err, b.mark, b.words)
					}
					if r != nil && !b.soft { // it stays
						if _, again := r.Next(); again != err {
							t.Errorf("Next again: %v", again)
						}
						if _, again := r.Part(); again != err {
							t.Errorf("Part again: %v", again)
						}
						if _, again := r.Bytes(); again != err {
							t.Errorf("Bytes again: %v", again)
						}
						if _, again := r.Entry(); again != err {
							t.Errorf("Entry again: %v", again)
						}
						if n, again := r.Lengths(make([]int64, 2)); n != 0 || again != err {
							t.Errorf("Lengths again: %v", again)
						}
					}
				}
			}
		})
	}
}

// TestErrorKey: a fault inside a value names its key, others none.
func TestErrorKey(t *testing.T) {
	for text, want := range map[string]string{
		`REDIS0011 00 str("k") 82`:                              `"k"`,
		`REDIS0011 00 str("") 82`:                               `""`,
		`REDIS0011 04 str("a\nb") len(2) str("x") 82`:           `"a\nb"`,
		`REDIS0011 00 82`:                                       ``,
		`REDIS0011 00 str("k") str("v") 08`:                     ``,
		`REDIS0011 07 str("k")`:                                 ``,
		`REDIS0011 00 str(rep(2000 "n")) 82`:                    `"` + strings.Repeat("n", 80) + `"...`,
		`REDIS0011 01 str("l") len(5) str("a") str("b") c0`:     `"l"`,
		`REDIS0011 10 str("h") str(u32le(5) u16le(0) ff)`:       `"h"`,
		`REDIS0013 f3 len(1) u32le(1) 07`:                       ``,
		`REDIS0011 00 str("k") str("v") f7 81b5eb2dfffadd6c 07`: ``,
	} {
		data, _ := fixtures.Asm(t, text)
		err := readAll(bytes.NewReader(data), parts).err
		e := checkError(t, text, err, len(data))
		if (e.Key != nil) != (want != "") || want != "" && !strings.HasSuffix(err.Error(), " (in key "+want+")") {
			t.Errorf("%s: %v, want key %s", text, err, want)
		}
	}
}

// endlessly is a dump's start, then the same bytes n times, then its end.
func endlessly(start, again, end []byte, n int) io.Reader {
	block := bytes.Repeat(again, 1+(64<<10)/max(len(again), 1))
	each := len(block) / len(again)
	in := []io.Reader{bytes.NewReader(start)}
	var rest io.Reader = bytes.NewReader(block[:n%each*len(again)])
	return io.MultiReader(append(in, &repeater{block: block, left: n / each}, rest, bytes.NewReader(end))...)
}

type repeater struct {
	block []byte
	pos   int
	left  int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.block[r.pos:])
	if r.pos += n; r.pos == len(r.block) {
		r.pos = 0
		r.left--
	}
	return n, nil
}

// TestFlat reads large and absurd dumps that come out of nowhere, and holds
// what all that allocates to a few buffers.
func TestFlat(t *testing.T) {
	asm := func(text string) []byte { b, _ := fixtures.Asm(t, text); return b }
	zeroSum := asm(`ff 0000000000000000`)
	mega := 1 << 20 / thin
	bomb := []byte{0xe0, 0xff, 0x00} // copies 264 bytes
	bombHead := func(n int) []byte {
		return append(wire.AppendLen(wire.AppendLen([]byte{0xc3}, uint64(2+3*n)), uint64(1+264*n)), 0, 'x')
	}
	for _, c := range []struct {
		name  string
		in    func() io.Reader
		keys  int
		err   error
		depth depth
		bytes uint64 // the most that may be allocated, above the reader's own
	}{
		{"a name of 500 MB", func() io.Reader {
			return endlessly(asm(`REDIS0011 00 len(500000000)`), []byte("0123456789"), append([]byte{1, 'v'}, zeroSum...), 50_000_000)
		}, 1, nil, parts, 8 << 20},
		{"a compressed name of 264 MB", func() io.Reader {
			return endlessly(append(asm(`REDIS0011 00`), bombHead(1_000_000)...), bomb, append([]byte{1, 'v'}, zeroSum...), 1_000_000)
		}, 1, nil, parts, 8 << 20},
		{"an aux field of 264 MB, compressed", func() io.Reader {
			return endlessly(append(asm(`REDIS0011 fa str("x")`), bombHead(1_000_000)...), bomb, zeroSum, 1_000_000)
		}, 0, nil, parts, 1 << 20},
		{"a million databases", func() io.Reader {
			return endlessly(asm(`REDIS0011`), asm(`fe len64(18446744073709551615) fb len64(18446744073709551615) len64(18446744073709551615) 00 str("k") str("v")`), zeroSum, mega)
		}, mega, nil, lengths, 1 << 20},
		{"a million aux fields", func() io.Reader {
			return endlessly(asm(`REDIS0011`), asm(`fa str("name") str("value")`), zeroSum, mega)
		}, 0, nil, parts, 24 << 20},
		{"a million functions", func() io.Reader {
			return endlessly(asm(`REDIS0011`), asm(`f5 str("#!lua name=x\n")`), zeroSum, mega)
		}, 0, nil, parts, 48 << 20},
		{"a million scripts, slots and foreign records", func() io.Reader {
			return endlessly(asm(`REDIS0011`), asm(`fa str("lua") str("return 1") f4 len(5) len(1) len(1) 6b 01 dc u32le(2) u32le(5) 81 05`), zeroSum, mega)
		}, 0, nil, parts, 64 << 20},
		{"16 million expiries before no key", func() io.Reader {
			return endlessly(asm(`REDIS0011`), asm(`fd u32le(5)`), zeroSum, 16*mega)
		}, 0, nil, skipping, 1 << 20},
		{"a list of 16 million", func() io.Reader {
			return endlessly(asm(fmt.Sprintf(`REDIS0011 01 str("l") len(%d)`, 16*mega)), asm(`01 61`), zeroSum, 16*mega)
		}, 1, nil, lengths, 1 << 20},
		{"a list of 2^63 of which 16 million are there", func() io.Reader {
			return endlessly(asm(`REDIS0011 01 str("l") len64(9223372036854775808)`), asm(`01 61`), nil, 16*mega)
		}, 1, ErrTruncated, skipping, 1 << 20},
		{"a sorted set of a million", func() io.Reader {
			return endlessly(asm(fmt.Sprintf(`REDIS0011 03 str("z") len(%d)`, mega)), asm(`01 61 03 "1.5"`), zeroSum, mega)
		}, 1, nil, parts, 1 << 20},
		{"a string of 1 GB", func() io.Reader {
			return endlessly(asm(`REDIS0011 00 str("k") len(1000000000)`), []byte("0123456789"), zeroSum, 100_000_000)
		}, 1, nil, deep, 1 << 20},
		{"a listpack of 256 MB of one string", func() io.Reader {
			head := binary.LittleEndian.AppendUint32(wire.AppendLen(asm(`REDIS0011 10 str("h")`), 17+256<<20), 17+256<<20)
			head = append(head, 1, 0, 0xf0, 0, 0, 0, 16)
			n := 5 + 256<<20
			tail := []byte{byte(n >> 28), byte(n>>21) | 128, byte(n>>14) | 128, byte(n>>7) | 128, byte(n) | 128, 0xff}
			return endlessly(head, []byte("0123456789abcdef"), append(tail, zeroSum...), 16<<20)
		}, 1, nil, deep, 1 << 20},
		{"a listpack of 256 MB of small numbers, cut", func() io.Reader {
			n := 7 + 2*(128<<20)
			head := binary.LittleEndian.AppendUint32(wire.AppendLen(asm(`REDIS0011 14 str("s")`), uint64(n)), uint32(n))
			return endlessly(append(head, 0xff, 0xff), []byte{5, 1}, append([]byte{0xff}, zeroSum...), 128<<20/64)
		}, 1, ErrTruncated, deep, 1 << 20},
		{"a compressed string of 264 MB", func() io.Reader {
			return endlessly(append(asm(`REDIS0011 00 str("k")`), bombHead(1_000_000)...), bomb, zeroSum, 1_000_000)
		}, 1, nil, deep, 1 << 20},
		{"a compressed ziplist of 264 MB that is none", func() io.Reader {
			return endlessly(append(asm(`REDIS0011 0a str("l")`), bombHead(1_000_000)...), bomb, zeroSum, 1_000_000)
		}, 1, ErrPacked, deep, 1 << 20},
		{"a zipmap of 264 MB, compressed", func() io.Reader {
			return endlessly(append(asm(`REDIS0011 09 str("h")`), bombHead(1_000_000)...), bomb, zeroSum, 1_000_000)
		}, 1, nil, deep, 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			keys := 0
			_, total := mallocs(func() {
				r, err := NewReader(c.in())
				if err != nil {
					t.Fatal(err)
				}
				r.SkipChecksum = true
				for {
					if _, err = r.Next(); err != nil {
						break
					}
					keys++
					for c.depth > skipping && err == nil {
						if c.depth == lengths && r.Elements() >= 0 {
							var room [512]int64
							_, err = r.Lengths(room[:])
							continue
						}
						var p *Part
						if p, err = r.Part(); err != nil || c.depth < deep {
							continue
						}
						if b, fault := r.Bytes(); int64(len(b)) != p.Len && p.Format == Plain && !errors.Is(fault, ErrTooLong) {
							t.Errorf("%d bytes of %d: %v", len(b), p.Len, fault)
						}
						fault := error(nil)
						for fault == nil {
							_, fault = r.Entry()
						}
						if c.err == nil && p.Format == Listpack && fault != io.EOF {
							t.Error(fault)
						}
					}
				}
				if c.err == nil && err != io.EOF || c.err != nil && !errors.Is(err, c.err) {
					t.Errorf("ends with %v, want %v", err, c.err)
				}
			})
			if keys != c.keys {
				t.Errorf("%d keys, want %d", keys, c.keys)
			}
			own := uint64(headroom + stretchSize + 256<<10) // its buffers and those of the test's input
			if total > own+c.bytes {
				t.Errorf("%d bytes allocated, at most %d were to be", total, own+c.bytes)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestTooLong: strings longer than MaxHeld have no bytes, and the reader goes on.
func TestTooLong(t *testing.T) {
	plain := bytes.Repeat([]byte("0123456789"), 10_000)
	packed := compressLZF(plain)
	dump := append([]byte("REDIS0011\x01"), "\x04list\x03"...)
	dump = wire.AppendString(dump, plain)
	at := len(dump)
	dump = append(wire.AppendLen(wire.AppendLen(append(dump, 0xc3), uint64(len(packed))), uint64(len(plain))), packed...)
	dump = append(dump, 1, 'a')
	dump = appendCRC(append(dump, 0, 1, 'k', 1, 'v', 0xff))
	for _, most := range []int64{-1, 0, 65_536, 99_999, 100_000} {
		r, err := NewReader(bytes.NewReader(dump))
		if err != nil {
			t.Fatal(err)
		}
		r.MaxHeld = most
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		for i, where := range []int{at - len(plain), at + 7, 0} {
			if _, err := r.Part(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // asked twice, it says the same
				b, err := r.Bytes()
				switch {
				case i == 2:
					if err != nil || string(b) != "a" {
						t.Errorf("MaxHeld %d: %q, %v", most, b, err)
					}
				case most >= 100_000:
					if err != nil || !bytes.Equal(b, plain) {
						t.Errorf("MaxHeld %d: %d bytes, %v", most, len(b), err)
					}
				default:
					e := checkError(t, "", err, len(dump))
					if e.Err != ErrTooLong || math.Abs(float64(e.Offset-int64(where))) > 3 || string(e.Key) != "list" {
						t.Errorf("MaxHeld %d: %v, want it at %d", most, err, where)
					}
				}
			}
		}
		if k, err := r.Next(); err != nil || string(k.Name) != "k" {
			t.Errorf("MaxHeld %d: the next key: %v", most, err)
		}
		if _, err := r.Next(); err != io.EOF || r.Info().Checksum != ChecksumOK {
			t.Errorf("MaxHeld %d: %v, checksum %s", most, err, r.Info().Checksum)
		}
	}
}

// TestTemplates: what a file can make the reader remember is bounded.
func TestTemplates(t *testing.T) {
	var dump []byte
	dump = append(dump, "REDIS0015"...)
	for i := range maxTemplates + 1 {
		dump = append(wire.AppendLen(append(dump, 0xf2), uint64(i)), 1, 1, 'f')
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := NewReader(bytes.NewReader(dump))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Next(); !errors.Is(err, ErrLength) {
		t.Errorf("a million hash templates and one: %v", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 48<<20 {
		t.Errorf("%d bytes held", held)
	}
	runtime.KeepAlive(r)
}

// TestAbsurdNumbers: numbers that no server writes and every reader must bear.
func TestAbsurdNumbers(t *testing.T) {
	data, _ := fixtures.Asm(t, `REDIS0012
		fe len64(18446744073709551615) fb len64(18446744073709551615) len64(1) fb len(5) len64(18446744073709551615)
		f4 len(16384) len64(18446744073709551615) len(0)
		fc i64le(-9223372036854775807) f8 len64(18446744073709551615) f9 ff 00 str("k") c2 00000080
		fd i32le(-2147483648) 03 str("z") len(3) str("a") ff str("b") fe str("c") 05 "1e999"
		18 str("h") i64le(281474976710655) len(1) len(1) str("f") str("v")
		f4 len(7) len(0) len(0) 00 str("s") str("v")
		ff crc()`)
	res := readAll(bytes.NewReader(data), full)
	if res.err != io.EOF || len(res.keys) != 4 {
		t.Fatal(len(res.keys), res.err)
	}
	k := res.keys[0]
	if k.db != math.MaxUint64 || k.expiry != -math.MaxInt64 || k.idle != math.MaxInt64 || k.freq != 255 || k.slot != -1 || res.contents[0].items[0].text != "-2147483648" {
		t.Errorf("%+v, %+v", k, res.contents[0])
	}
	if k := res.keys[1]; k.expiry != -2147483648000 || k.idle != -1 || k.freq != -1 {
		t.Errorf("%+v", k)
	}
	if s := fmt.Sprint(res.contents[1].items[1].score, res.contents[1].items[3].score, res.contents[1].items[5].score); s != "-Inf +Inf +Inf" {
		t.Error(s)
	}
	if e := res.contents[2].items[0].expiry; e != maxFieldExpiry || res.keys[3].slot != 7 {
		t.Error(e, res.keys[3].slot)
	}
	if res.info.HintKeys != math.MaxUint64 || res.info.HintExpires != math.MaxUint64 || !res.info.Cluster {
		t.Errorf("%+v", res.info)
	}
}
