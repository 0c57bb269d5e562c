package estimate

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNameHash holds that about one name of every so many is chosen, however
// regular the names are.
func TestNameHash(t *testing.T) {
	for _, format := range []string{"%d", "u:%d", "user:%d:last_seen", "sess:%016x", "k%07d", "%d:suffix-that-is-long-and-never-changes", "prefix-that-is-long-and-never-changes:%d", "what-is-around-%d-is-long-and-never-changes"} {
		for _, every := range []uint32{2, 8, 64} {
			const n = 100_000
			chosen := 0
			for i := range n {
				if uint32(nameHash(fmt.Appendf(nil, format, i)))%every == 0 {
					chosen++
				}
			}
			want := float64(n) / float64(every)
			require.InDelta(t, want, chosen, 6*math.Sqrt(want), "%s, one of %d", format, every)
		}
	}
}
