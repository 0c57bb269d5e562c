package rdbparse

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"testing"

	"rdbaudit/fixtures/synth"
)

// made are small dumps of the workloads, the same on every machine.
var made = map[string]func() []byte{
	"small": sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "small", Keys: 200_000, Seed: 1}) }),
	"mixed": sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "mixed", Keys: 40_000, Seed: 1}) }),
	"big":   sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "big", Keys: 10, Seed: 1}) }),
}

func synthesize(o synth.Options) []byte {
	var b bytes.Buffer
	if _, err := synth.Write(&b, o); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// consume reads a dump to its end as far as d says, and looks at nothing.
func consume(r *Reader, d depth) (keys int, err error) {
	var room []Item
	if d == items {
		room = make([]Item, 256)
	}
	for {
		if _, err = r.Next(); err != nil {
			return keys, err
		}
		keys++
		for d == lengths && r.Elements() >= 0 && err == nil {
			var room [256]int64
			_, err = r.Lengths(room[:])
		}
		for d == items && r.Elements() >= 0 && err == nil {
			_, err = r.Items(room)
		}
		for d > skipping {
			p, err := r.Part()
			if err != nil {
				break
			}
			if d <= parts {
				continue
			}
			if p.Format == Plain {
				r.Bytes()
				continue
			}
			for {
				if _, err := r.Entry(); err != nil {
					break
				}
			}
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for _, kind := range []string{"small", "mixed", "big"} {
		for _, d := range []depth{skipping, lengths, items, parts, deep} {
			b.Run(kind+"/"+d.String(), func(b *testing.B) {
				data := made[kind]()
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				keys := 0
				for b.Loop() {
					r, err := openBytes(data)
					if err != nil {
						b.Fatal(err)
					}
					r.SkipChecksum = true
					if keys, err = consume(r, d); err != io.EOF {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(keys), "ns/key")
			})
		}
	}
}

// BenchmarkWhole is a dump read as a command does, with its checksum.
func BenchmarkWhole(b *testing.B) {
	for _, way := range []string{"direct", "ahead"} {
		b.Run(way, func(b *testing.B) {
			data := made["mixed"]()
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var in io.Reader = bytes.NewReader(data)
				if way == "ahead" {
					a := ReadAhead(in, false)
					defer a.Close()
					in = a
				}
				r, err := NewReader(in)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := consume(r, skipping); err != io.EOF || r.Info().Checksum != ChecksumOK {
					b.Fatal(err, r.Info().Checksum)
				}
			}
		})
	}
}

func BenchmarkCRC(b *testing.B) {
	data := bytes.Repeat([]byte("checksum"), 64<<10/8)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		updateCRC(1, data)
	}
}

func BenchmarkLZF(b *testing.B) {
	r := seeded(1)
	words := make([]string, 3000)
	for i := range words {
		for range 3 + r.IntN(7) {
			words[i] += string(rune('a' + r.IntN(26)))
		}
	}
	// Words are what nodes of lists hold in practice: tokens of a few bytes.
	for name, letters := range map[string]int{"text": 20, "runs": 1, "words": 0} {
		b.Run(name, func(b *testing.B) {
			plain := make([]byte, 64<<10)
			if letters == 0 {
				for i := 0; i < len(plain); {
					i += copy(plain[i:], words[r.IntN(len(words))]+" ")
				}
			}
			for i := range plain {
				if letters == 0 {
					break
				}
				plain[i] = byte('a' + r.IntN(letters))
				if i > 100 && i%16 > 5 {
					plain[i] = plain[i-97]
				}
			}
			packed := compressLZF(plain)
			out := make([]byte, 0, len(plain))
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if got, rest, ok := expandLZF(out, packed, len(plain), len(plain)); !ok || len(rest) > 0 || len(got) != len(plain) {
					b.Fatal("does not expand")
				}
			}
		})
	}
}

// mallocs counts what a function allocates.
func mallocs(f func()) (count, bytes uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}
