package estimate_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/rdbparse"
)

// TestExplain checks that what `rdbaudit key` prints adds up: for every key
// of every dump, under each server line, in both views, the parts sum to the
// sizes.
func TestExplain(t *testing.T) {
	type dump struct {
		name string
		data []byte
	}
	var dumps []dump
	for _, f := range fixtures.All(t) {
		dumps = append(dumps, dump{f.Name, f.Data})
	}
	for _, f := range fixtures.AsmAll(t) {
		dumps = append(dumps, dump{f.Name, f.Data})
	}
	lines := estimate.LineNames()
	for i, d := range dumps {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for j, name := range lines {
				if testing.Short() && j != i%len(lines) {
					continue
				}
				line, _, ok := estimate.Lookup(name)
				require.True(t, ok, name)
				for _, loaded := range []bool{false, true} {
					// The allocators and cluster mode take turns: they change each size in one place.
					c := estimate.Config{Line: line, Loaded: loaded, Limits: estimate.DefaultLimits(),
						Allocator: estimate.Allocator((i + j) % 3), Cluster: (i+j)%2 == 1}
					explainAll(t, d.data, c)
				}
			}
		})
	}
}

func explainAll(t *testing.T, data []byte, c estimate.Config) {
	r, err := rdbparse.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	e := estimate.New(r, c)
	var items []estimate.Item
	e.Explain(&items)
	wrong := 0
	for {
		rec, err := e.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		var counted, alloc int64
		for _, it := range items {
			counted += it.Counted
			alloc += it.Alloc
			require.NotEmpty(t, it.What)
		}
		if counted != rec.Size || alloc != rec.Alloc {
			if wrong++; wrong <= 3 {
				t.Errorf("%s loaded=%v %s cluster=%v: %s %s %q: parts count %d and hold %d, the key %d and %d: %+v",
					c.Line.Name, c.Loaded, c.Allocator, c.Cluster, rec.TypeName(), rec.Encoding, rec.Key, counted, alloc, rec.Size, rec.Alloc, items)
			}
		}
	}
}
