package rdbparse

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"rdbaudit/fixtures"
)

// jerky gives as many bytes at a time as it likes, sometimes none.
type jerky struct {
	in  io.Reader
	rng *rand.Rand
}

func (j jerky) Read(p []byte) (int, error) {
	n := 1 << j.rng.IntN(18)
	if j.rng.IntN(8) == 0 {
		n = 0
	}
	return j.in.Read(p[:min(n, len(p))])
}

// TestChunks: it does not matter how a dump arrives.
func TestChunks(t *testing.T) {
	forAll(t, func(t *testing.T, data []byte) {
		want := readAll(bytes.NewReader(data), deep)
		if want.err != io.EOF {
			t.Fatal(want.err)
		}
		ways := map[string]func() io.Reader{
			"one byte":     func() io.Reader { return iotest.OneByteReader(bytes.NewReader(data)) },
			"halves":       func() io.Reader { return iotest.HalfReader(bytes.NewReader(data)) },
			"data and EOF": func() io.Reader { return iotest.DataErrReader(bytes.NewReader(data)) },
			"jerky":        func() io.Reader { return jerky{bytes.NewReader(data), seeded(uint64(len(data)))} },
		}
		for name, way := range ways {
			d := deep
			if len(data) > 64<<10 && name != "jerky" {
				d = skipping
			}
			sameResult(t, name, readAll(way(), d), want)
			a := ReadAhead(way(), false)
			sameResult(t, name+", ahead", readAll(a, d), want)
			a.Close()
		}
	})
}

// TestStretches hands out the input in stretches of all sizes, so that every
// field lies across the border of two once.
func TestStretches(t *testing.T) {
	forAll(t, func(t *testing.T, data []byte) {
		want := readAll(bytes.NewReader(data), deep)
		for _, size := range []int{1, 2, 3, 7, 61, 4099, 70001} {
			d := deep
			if len(data)/size > 1000 { // each takes a buffer of its own
				if len(data) > 64<<10 {
					continue
				}
				d = lengths
			}
			r, err := openFeeder(&drip{data: data, next: func() int { return size }})
			if err != nil {
				t.Fatal(err)
			}
			sameResult(t, "stretches", drain(r, d), want)
		}
		rng := seeded(uint64(len(data)), 2)
		r, err := openFeeder(&drip{data: data, next: func() int { return rng.IntN(len(data)/100 + 2) }})
		if err != nil {
			t.Fatal(err)
		}
		sameResult(t, "random stretches", drain(r, deep), want)
	})
}

// TestReadErrors: what the input says goes to the caller, with the place.
func TestReadErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, f := range fixtures.AsmAll(t) {
		whole := wholeAt(t, f.Data)
		for cut := 0; cut < whole; cut += 1 + len(f.Data)/200 {
			for _, in := range []io.Reader{failing(f.Data[:cut], boom), ReadAhead(failing(f.Data[:cut], boom), false)} {
				res := readAll(in, parts)
				if e := checkError(t, f.Name, res.err, cut); e.Err != boom || e.Offset != int64(cut) || !errors.Is(res.err, boom) {
					t.Fatalf("%s: failed at %d: %v", f.Name, cut, res.err)
				}
			}
		}
		// An error behind a whole dump is none of the dump's.
		if res := readAll(failing(f.Data, boom), parts); res.err != io.EOF {
			t.Errorf("%s: failed behind the end: %v", f.Name, res.err)
		}
	}
	data := fixtures.Get(t, "redis-7.2.6-shop").Data
	for _, in := range []io.Reader{iotest.TimeoutReader(bytes.NewReader(data)), ReadAhead(iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(data))), false)} {
		if err := readAll(in, parts).err; !errors.Is(err, iotest.ErrTimeout) {
			t.Errorf("%v, want a timeout", err)
		}
	}
	for _, in := range []io.Reader{lazy{}, liar(-1), liar(1 << 30)} {
		r, err := NewReader(in)
		if e := checkError(t, "", err, 0); r != nil || e.Err == io.EOF {
			t.Errorf("%T: %v", in, err)
		}
	}
}

// lazy never gives anything, and no error; a liar an impossible count.
type lazy struct{}

func (lazy) Read([]byte) (int, error) { return 0, nil }

type liar int

func (l liar) Read([]byte) (int, error) { return int(l), nil }

// TestAheadClose: a reading that stops in the middle leaves no goroutine.
func TestAheadClose(t *testing.T) {
	data := fixtures.Get(t, "redis-7.2.6-edges").Data
	before := runtime.NumGoroutine()
	for keys := range 4 + 36/thin {
		a := ReadAhead(io.MultiReader(bytes.NewReader(data), endless{}), keys%2 == 0)
		r, err := NewReader(a)
		if err != nil {
			t.Fatal(err)
		}
		for range keys * 100 {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		a.Close()
		a.Close()
		// What is still under way may be read; then there is an error and no hang.
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatal(err)
		}
	}
	// One that waits for its input stops as soon as that moves.
	in := gate{make(chan bool), make(chan bool)}
	a := ReadAhead(in, false)
	<-in.waits
	closed := make(chan error)
	go func() { closed <- a.Close() }()
	select {
	case <-closed:
		t.Fatal("Close did not wait for a read under way")
	case <-time.After(10 * time.Millisecond):
	}
	close(in.open)
	<-closed
	for wait := 0; runtime.NumGoroutine() > before; wait++ {
		if wait == 500 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A gate gives nothing before it is open, and says when somebody waits.
type gate struct{ waits, open chan bool }

func (g gate) Read([]byte) (int, error) {
	g.waits <- true
	<-g.open
	return 0, io.EOF
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestAheadRead: an Ahead is an io.Reader as well.
func TestAheadRead(t *testing.T) {
	data := fixtures.Get(t, "redis-7.2.6-edges").Data
	for _, cut := range []int{0, 1, stretchSize - 1, stretchSize, stretchSize + 1, 2 * stretchSize, len(data)} {
		a := ReadAhead(bytes.NewReader(data[:cut]), true)
		if err := iotest.TestReader(a, data[:cut]); err != nil {
			t.Errorf("%d bytes: %v", cut, err)
		}
		a.Close()
	}
}

// TestStretchBorders: dumps that end round the border of a stretch.
func TestStretchBorders(t *testing.T) {
	for fill := stretchSize - 60; fill < stretchSize+20; fill++ {
		data, _ := fixtures.Asm(t, `REDIS0011 fe len(0) 00 str("k")`)
		data = append(data, 0x80, byte(fill>>24), byte(fill>>16), byte(fill>>8), byte(fill))
		data = append(data, make([]byte, fill)...)
		data = append(data, 0xff)
		data = appendCRC(data)
		for name, res := range map[string]result{"direct": readAll(bytes.NewReader(data), deep), "ahead": readAhead(data, deep)} {
			if res.err != io.EOF || res.info.Checksum != ChecksumOK || res.end != int64(len(data)) {
				t.Errorf("%s, %d bytes: %v, checksum %s", name, len(data), res.err, res.info.Checksum)
			}
		}
	}
}
