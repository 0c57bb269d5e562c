package rdbparse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/synth"
)

// keysOf reads the keys of a dump, and says how reading ended.
func keysOf(r *Reader) (keys []string, err error) {
	for {
		k, err := r.Next()
		if err != nil {
			return keys, err
		}
		keys = append(keys, fmt.Sprint(k.Offset, k.DB, k.Slot, k.Expiry, k.Type.Name, string(k.Name)))
	}
}

// bySections reads the keys of a dump in sections that begin where they are
// guessed to, and again where that is wrong. It counts the guesses, and those
// that were right.
func bySections(data []byte, size int64) (keys []string, info Info, guesses, right int, err error) {
	base, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, info, 0, 0, err
	}
	place, err := base.Begin()
	if info = *base.Info(); err != nil {
		return nil, info, 0, 0, err
	}
	sum := base.Sum()
	in := bytes.NewReader(data)
	g := NewGuesser(base, in, int64(len(data))/int64(max(min(base.Announced(), 1<<40), 1)))
	r := base.Fork(in)
	for at := size; ; at += size {
		until, ok := g.After(at)
		if !ok {
			until = at
		}
		r.Section(place, until)
		some, err := keysOf(r)
		keys = append(keys, some...)
		info.Add(r.Info())
		sum = sum.Then(r.Sum())
		if !errors.Is(err, ErrUntil) {
			if said := r.Conclude(info, sum); errors.Is(err, io.EOF) {
				err = said
			}
			return keys, *r.Info(), guesses, right, err
		}
		// What is guessed is either where the section before ends, or is read again.
		if place = r.Place(); ok {
			if guesses++; place.Offset == until {
				right++
			}
		}
		if at > int64(2*len(data)) {
			return keys, info, guesses, right, errors.New("no end")
		}
	}
}

// checkSections holds that a dump read in sections is the dump.
func checkSections(t *testing.T, data []byte, size int64) (guesses, right int) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return 0, 0
	}
	want, wantErr := keysOf(r)
	got, info, guesses, right, err := bySections(data, size)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("sections of %d bytes: %v, not %v", size, err, wantErr)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("sections of %d bytes: %d keys, not %d, or others", size, len(got), len(want))
	}
	if a, b := fmt.Sprintf("%+v", info), fmt.Sprintf("%+v", *r.Info()); errors.Is(err, io.EOF) && a != b {
		t.Fatalf("sections of %d bytes: %s, not %s", size, a, b)
	}
	return guesses, right
}

// TestSections: dumps of all servers are the same in sections of any size.
func TestSections(t *testing.T) {
	for _, f := range fixtures.All(t) {
		for _, size := range []int64{1, 50, 333, 4096} {
			if int64(len(f.Data))/size < 3000 {
				checkSections(t, f.Data, size)
			}
		}
	}
}

// TestGuesses: in dumps of many small keys nearly all guesses are right.
func TestGuesses(t *testing.T) {
	for _, kind := range []string{"small", "mixed"} {
		var b bytes.Buffer
		if _, err := synth.Write(&b, synth.Options{Kind: kind, Keys: 20_000, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		guesses, right := checkSections(t, b.Bytes(), 8<<10)
		t.Logf("%s: %d of %d", kind, right, guesses)
		if most := b.Len() / (8 << 10); guesses < most/2 || right < guesses*95/100 { // some values are larger
			t.Errorf("%s: %d of %d guesses were right, of %d places", kind, right, guesses, most)
		}
	}
}

// TestGuessesForget: a guess is the same whatever was guessed before.
func TestGuessesForget(t *testing.T) {
	data := []byte("REDIS0014\xfe\x00\xfb\x41\x90\x00")
	for i := range 400 {
		if i == 20 {
			data = append(data, 0xf9, 5, 0xf2, 7, 1, 1, 'f') // a template between what belongs to a key
		}
		name := fmt.Sprintf("key:%d", i)
		if i < 30 {
			data = append(append(append(data, 0, byte(len(name))), name...), 1, 'v')
		} else { // a hash of that template
			data = append(append(append(data, 32, byte(len(name))), name...), 7, 1, 1, 'v')
		}
	}
	base, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(data)
	one := NewGuesser(base, in, 15)
	for at := range int64(len(data)) {
		a, ok := one.After(at)
		b, fresh := NewGuesser(base, in, 15).After(at)
		if a != b || ok != fresh {
			t.Fatalf("at %d: %d %v, and afresh %d %v", at, a, ok, b, fresh)
		}
	}
}

// FuzzSections reads any bytes in sections.
func FuzzSections(f *testing.F) {
	for _, a := range fixtures.AsmAll(f) {
		f.Add(a.Data, uint16(30))
	}
	for _, s := range fixtures.All(f) {
		for _, slice := range slicesOf(f, s.Data) {
			f.Add(slice, uint16(500))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		if len(data) > 1<<18 {
			return
		}
		checkSections(t, data, int64(size)+1+int64(len(data)/5000))
	})
}
