package aggregate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// moldOf makes the mold of a key, nil if there is none.
func moldOf(p *Patterner, key []byte) *mold {
	text, same := p.walk(nil, key, true)
	if m := (&mold{}); m.of(p, key, text, 1, same) {
		return m
	}
	return nil
}

// checkMold holds what a mold says of a key against the key's own pattern.
func checkMold(t *testing.T, p *Patterner, m *mold, made, key []byte) (fits bool) {
	t.Helper()
	if !m.fits(key) {
		return false
	}
	if text, same := p.walk(nil, key, true); !bytes.Equal(text, m.text) || same != m.same {
		t.Fatalf("the mold of %q says %q, %v of %q, which is %q, %v", made, m.text, m.same, key, text, same)
	}
	return true
}

// TestMold: a key that fits has the pattern, whatever separators, depth and
// bytes are changed; and keys of the usual kinds do fit.
func TestMold(t *testing.T) {
	rng := newRand(t)
	forms := []func() string{
		func() string { return fmt.Sprintf("user:%d:last_seen", rng.IntN(1e7)) },
		func() string { return fmt.Sprintf("sess:%016x", rng.Uint64()) },
		func() string { return fmt.Sprintf("session:%s", uuidText(rng)) },
		func() string { return fmt.Sprintf("board:%d:%06x", rng.IntN(500), rng.IntN(1<<24)) },
		func() string { return fmt.Sprintf("cache.page:%d::%d:x", rng.IntN(1e9), rng.IntN(1e5)) },
		func() string { return fmt.Sprintf("2001:%x:%d:a:b:c:d:e", rng.IntN(1<<16), rng.IntN(1e4)) },
		func() string {
			return fmt.Sprintf("%d:%d:%d:%d:%d:%d", rng.IntN(1e4), rng.IntN(1e4), rng.IntN(1e4), rng.IntN(99), rng.IntN(9), rng.IntN(9))
		},
		func() string { return fmt.Sprintf("feed:{%d}-1x:%d", rng.IntN(1e3), 1_600_000_000+rng.IntN(1e8)) },
		func() string { return fmt.Sprintf("\xff\x00*:<a>:%d:%s", rng.IntN(1e6), word(rng)) },
		func() string { return fmt.Sprintf("%x", rng.Uint64()) },
		func() string { return fmt.Sprintf("at:%d", 1_000_000_000+rng.Int64N(9_000_000_000)) },
		func() string { return fmt.Sprintf("%d:db8::%d:%d", 2000+rng.IntN(9), rng.IntN(1e4), rng.IntN(1e4)) },
		func() string { return fmt.Sprintf("a:%06x:%06x", rng.IntN(1<<24), rng.IntN(1<<24)) },
	}
	const bytesTried = "0123456789abcdefgAFZ:.-_{}`*\x00\xff@"
	fit := make([]int, len(forms))
	for _, o := range []*Options{
		{}, {Depth: 2}, {Separators: []string{"::", "."}}, {Separators: []string{":", "-1"}}, {Separators: []string{"a"}}, {Separators: []string{"-", ":", "_"}, Depth: 3},
	} {
		p, err := NewPatterner(o)
		if err != nil {
			t.Fatal(err)
		}
		for i, form := range forms {
			for range 300 {
				key := []byte(form())
				m := moldOf(p, key)
				if m == nil {
					continue
				}
				if !m.fits(key) {
					t.Fatalf("%q does not fit into its own mold", key)
				}
				for range 20 {
					if other := []byte(form()); checkMold(t, p, m, key, other) && o.Depth == 0 && o.Separators == nil {
						fit[i]++
					}
					other := slices.Clone(key)
					for range 1 + rng.IntN(3) {
						other[rng.IntN(len(other))] = bytesTried[rng.IntN(len(bytesTried))]
					}
					checkMold(t, p, m, key, other)
				}
			}
		}
	}
	for i, n := range fit[:4] {
		if n < 1000 {
			t.Errorf("%d of 6000 keys like %q fit", n, forms[i]())
		}
	}
}

// TestNamer: a Namer says of each key what its Patterner says, whatever came before.
func TestNamer(t *testing.T) {
	rng := newRand(t)
	forms := []func() string{
		func() string { return fmt.Sprintf("user:%d:seen", rng.IntN(1e3)) },
		func() string { return fmt.Sprintf("us:%d:%d:%d", rng.IntN(10), rng.IntN(10), rng.IntN(10)) },
		func() string { return fmt.Sprintf("user:%d:%s", rng.IntN(1e3), word(rng)[:3]) },
		func() string { return fmt.Sprintf("sess:%016x", rng.Uint64()) },
		func() string { return fmt.Sprintf("=x:%d:seen", rng.IntN(1e3)) },
		func() string { return fmt.Sprintf("tenant%d:cache:%d", rng.IntN(3), rng.IntN(1e3)) },
		func() string { return word(rng) },
		func() string { return "" },
	}
	for _, o := range []*Options{
		{}, {Depth: 2}, {Separators: []string{"::", "."}},
		{Patterns: []string{"tenant<n>:*", "user:<id>:seen"}, Owners: []string{"team", ""}},
	} {
		p, err := NewPatterner(o)
		if err != nil {
			t.Fatal(err)
		}
		n, molds := NewNamer(p), 0
		for range 20000 {
			key := []byte(forms[rng.IntN(1+rng.IntN(len(forms)))]())
			want, wantOwner := p.AppendOwned([]byte("before "), key)
			if n.molds.place(key).fits(key) {
				molds++
			}
			if got, owner := n.AppendOwned([]byte("before "), key); !bytes.Equal(got, want) || owner != wantOwner {
				t.Fatalf("%+v: %q is %q of %q, and %q of %q by the Patterner", o, key, got, owner, want, wantOwner)
			}
		}
		if o.Patterns == nil && o.Separators == nil && molds < 2000 {
			t.Errorf("%+v: a mold gave the pattern %d times of 20000", o, molds)
		}
	}
}

func uuidText(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}
