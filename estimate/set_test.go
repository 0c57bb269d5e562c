package estimate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures/wire"
	"rdbaudit/rdbparse"
)

// TestSetMembers: an audit, which looks at the texts of members as long as they
// matter, counts the same members, the same longest one and the same sizes as
// who looks at lengths alone, whatever the order of integers and texts.
func TestSetMembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for range 300 {
		n := []int{1, 8, 9, 100, 513, 700, 1100}[rng.IntN(7)]
		texts := []int{0, 0, 1, n / 2, n}[rng.IntN(5)]
		longest := 0
		value := wire.AppendLen(nil, uint64(n))
		for i := range n {
			if left := n - i; rng.IntN(left) < texts {
				texts--
				text := "t" + strconv.Itoa(i) + strings.Repeat("x", rng.IntN(30))
				value, longest = wire.AppendString(value, text), max(longest, len(text))
				continue
			}
			v := int32(rng.Uint32()) >> rng.IntN(31)
			value, longest = append(value, 0xc2, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)), max(longest, len(strconv.Itoa(int(v))))
		}
		for _, name := range []string{"redis-6.2", "redis-7.0", "redis-7.2", "valkey-9.1"} {
			line, _, _ := estimate.Lookup(name)
			var plain *estimate.Record
			for _, audit := range []bool{false, true} {
				r, err := rdbparse.NewReader(bytes.NewReader(dumpOf(2, value)))
				require.NoError(t, err)
				rec, err := estimate.New(r, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: audit}).Next()
				require.NoError(t, err)
				got := *rec
				got.Audit, got.Key = nil, nil
				what := fmt.Sprint(name, " ", n, " audit ", audit)
				require.EqualValues(t, n, got.Elems, what)
				require.EqualValues(t, longest, got.Largest, what)
				if plain == nil {
					plain = &got
				}
				require.Equal(t, *plain, got, what)
			}
		}
	}
}
