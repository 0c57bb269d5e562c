package rdbparse

import (
	"bytes"
	"io"
	"testing"

	"rdbaudit/fixtures"
)

// TestAllocs holds the reader to no allocation per key: what it allocates does
// not grow with the dump.
func TestAllocs(t *testing.T) {
	dumps := map[string][]byte{}
	if thin == 1 {
		dumps["mixed"], dumps["small"] = made["mixed"](), made["small"]()
	}
	for _, name := range []string{"redis-8.6.3-shop", "redis-6.2.16-edges", "valkey-9.1.2-edges"} {
		dumps[name] = fixtures.Get(t, name).Data
	}
	for _, name := range []string{"v2-zipmap-ziplist", "v1-oldest"} { // zipmaps, scores in text: the same keys often
		for _, f := range fixtures.AsmAll(t) {
			if f.Name == name {
				body := f.Data[9 : len(f.Data)-1]
				dumps[name] = append(append(bytes.Clone(f.Data[:9]), bytes.Repeat(body, 500)...), opEOF)
			}
		}
	}
	for name, data := range dumps {
		for d := range full {
			keys := 0
			once := func() {
				r, err := NewReader(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if keys, err = consume(r, d); err != io.EOF {
					t.Fatal(err)
				}
			}
			once()
			count, total := mallocs(once)
			// Its buffers, which grow to the longest string, the aux fields and functions.
			t.Logf("%s, %s: %d allocations of %d bytes for %d keys", name, d, count, total, keys)
			if count > 150 {
				t.Errorf("%s, %s: %d allocations for %d keys", name, d, count, keys)
			}
			if most := uint64(8 << 20); total > most {
				t.Errorf("%s, %s: %d bytes allocated for %d keys", name, d, total, keys)
			}
		}
	}
}
