package estimate_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/rdbparse"
)

// shortStrings is a dump of strings of all short forms, with names around the
// lengths up to which what they take is remembered.
func shortStrings(rng *rand.Rand) []byte {
	dump := []byte("REDIS0011\xfe\x00")
	text := func(b []byte) {
		if len(b) < 64 {
			dump = append(dump, byte(len(b)))
		} else {
			dump = append(dump, 0x40, byte(len(b)))
		}
		dump = append(dump, b...)
	}
	for i := range 3000 {
		switch rng.IntN(4) {
		case 0:
			dump = append(dump, 0xfc, 1, 2, 3, 4, 5, 1, 0, 0)
		case 1:
			dump = append(dump, 0xfd, 1, 2, 3, 4)
		}
		switch rng.IntN(5) {
		case 0:
			dump = append(dump, 0xf8, 5)
		case 1:
			dump = append(dump, 0xf9, 7)
		}
		dump = append(dump, 0)
		name := fmt.Append(nil, i)
		for most := rng.IntN(70); len(name) < most; {
			name = append(name, "ab{}:c"[rng.IntN(6)])
		}
		text(name)
		b := make([]byte, 4)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		switch rng.IntN(6) {
		case 0:
			dump = append(append(dump, 0xc0), b[:1]...)
		case 1:
			dump = append(append(dump, 0xc1), b[:2]...)
		case 2:
			dump = append(append(dump, 0xc2), b...)
		case 3:
			text(fmt.Append(nil, rng.Int64()>>rng.IntN(63)))
		default:
			value := make([]byte, rng.IntN(200))
			for i := range value {
				value[i] = "0 {}a\""[rng.IntN(6)]
			}
			text(value)
		}
	}
	return append(dump, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
}

// TestShortStrings: the short way for short strings gives what the way of all
// values gives, which is taken where there are several configurations.
func TestShortStrings(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range estimate.LineNames() {
		line, _, _ := estimate.Lookup(name)
		for bits := range 32 {
			c := estimate.Config{
				Line: line, Limits: estimate.DefaultLimits(), Allocator: estimate.Allocator(bits % 3),
				Loaded: bits&1 != 0, Cluster: bits&2 != 0, NoSharedInts: bits&4 != 0, Audit: bits&8 != 0,
			}
			if bits&16 != 0 && c.Audit {
				c.Sample, c.JSON = 8, 8
			}
			dump := shortStrings(rng)
			var both [2]*estimate.Estimator
			for i, configs := range [][]estimate.Config{{c}, {c, c}} {
				r, err := rdbparse.NewReader(bytes.NewReader(dump))
				require.NoError(t, err)
				both[i] = estimate.New(r, configs...)
			}
			for {
				short, err := both[0].Next()
				long, longErr := both[1].Next()
				require.Equal(t, longErr, err)
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				if short.Audit != nil && long.Audit != nil {
					require.Equal(t, short.Audit.Config == nil, long.Audit.Config == nil)
					short.Audit.Config, long.Audit.Config = nil, nil // the same, of each one's own
				}
				require.True(t, reflect.DeepEqual(long, short), "%s %+v: %+v and %+v", name, c, long, short)
			}
		}
	}
}
