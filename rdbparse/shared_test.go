package rdbparse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// fitful gives some of what is asked for, and an error after so many bytes if it has one.
type fitful struct {
	in   io.Reader
	left int
	err  error
}

func (f *fitful) Read(p []byte) (int, error) {
	if len(p) > 70_000 {
		p = p[:1+rand.IntN(70_000)]
	}
	if f.err != nil {
		if f.left <= 0 {
			return 0, f.err
		}
		p = p[:min(len(p), f.left)]
	}
	n, err := f.in.Read(p)
	f.left -= n
	return n, err
}

// TestShared: with any number of helpers a Shared gives what direct reading
// gives: keys, values, and how it ended; and it can be closed at any time.
func TestShared(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	dump := []byte("REDIS0011\xfe\x00")
	for i := 0; len(dump) < 6*stretchSize; i++ {
		dump = binary.LittleEndian.AppendUint64(append(dump, 0, 8), uint64(i))
		n := rng.IntN(16_000)
		dump = append(dump, 0x40|byte(n>>8), byte(n))
		for range n {
			dump = append(dump, byte(rng.Uint32()))
		}
	}
	dump = appendCRC(append(dump, 0xff))
	type end struct {
		sum  uint64
		keys int
		err  string
	}
	run := func(cut int, fault error, helpers int, closeAt int) end {
		in := &fitful{bytes.NewReader(dump[:cut]), cut / 2, fault}
		var from io.Reader = in
		var s *Shared
		var stop atomic.Bool
		var wait sync.WaitGroup
		if helpers >= 0 {
			s = Share(in)
			from = s
			for range helpers {
				wait.Go(func() {
					for !stop.Load() {
						if s.Wanted() {
							s.Help()
						}
					}
				})
			}
		}
		sum, keys := fnv.New64a(), 0
		r, err := NewReader(from)
		for err == nil {
			var k *Key
			if k, err = r.Next(); err != nil {
				break
			}
			keys++
			sum.Write(k.Name)
			if keys%3 == 0 {
				r.Part()
				var b []byte
				b, err = r.Bytes()
				sum.Write(b)
			}
			if keys == closeAt {
				s.Close()
			}
		}
		if s != nil {
			s.Close()
			if s.Help() {
				t.Error("helped after Close")
			}
		}
		stop.Store(true)
		wait.Wait()
		return end{sum.Sum64(), keys, err.Error()}
	}
	boom := errors.New("boom")
	for i := range 12 {
		cut, fault := len(dump), error(nil)
		switch i % 3 {
		case 1:
			cut = rng.IntN(len(dump))
		case 2:
			fault = boom
		}
		want := run(cut, fault, -1, 0)
		if got := run(cut, fault, i%4, 0); got != want {
			t.Errorf("cut at %d of %d, %v, %d helpers: %+v, want %+v", cut, len(dump), fault, i%4, got, want)
		}
		if got := run(cut, fault, i%4, 100); got.keys < min(want.keys, 100) || got.keys > want.keys {
			t.Errorf("closed after 100 keys: %d of %d", got.keys, want.keys)
		}
	}
}

// TestClosedRead: what was closed gives nothing but an error in the end.
func TestClosedRead(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 3*stretchSize)
	shared, ahead := Share(bytes.NewReader(text)), ReadAhead(bytes.NewReader(text), false)
	shared.Close()
	ahead.Close()
	for name, in := range map[string]io.Reader{"shared": shared, "ahead": ahead} {
		got, err := io.ReadAll(in)
		if err != io.ErrClosedPipe || len(bytes.Trim(got, "x")) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
