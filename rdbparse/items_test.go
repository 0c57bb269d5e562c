package rdbparse

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestItems holds Items and Lengths against a walk by parts, whatever the
// pieces in which the input arrives.
func TestItems(t *testing.T) {
	for _, f := range fixtures.All(t) {
		if f.Name != "redis-7.0.15-edges" && f.Name != "redis-8.6.3-shop" && f.Name != "redis-6.2.16-edges" {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			whole := func() io.Reader { return bytes.NewReader(f.Data) }
			want, scores := byParts(t, whole())
			integers := 0
			for _, in := range []io.Reader{whole(), iotest.HalfReader(whole())} {
				r, err := NewReader(in)
				require.NoError(t, err)
				var got []string
				var gotScores []float64
				var items [64]Item
				var values, widths [48]int64
				for eachPlain(t, r) {
					for {
						n, err := r.Integers(values[:], widths[:])
						for i, v := range values[:n] {
							text := strconv.AppendInt(nil, v, 10)
							require.Len(t, text, int(widths[i]))
							got = append(got, shortText(widths[i], text))
						}
						integers += n
						if n > 0 {
							continue
						}
						if err == nil {
							n, err = r.Items(items[:1+len(got)%len(items)])
							if n == 0 && err == nil { // pairs need room for two
								n, err = r.Items(items[:])
							}
						}
						if errors.Is(err, io.EOF) {
							break
						}
						require.NoError(t, err)
						for _, it := range items[:n] {
							var text []byte
							if it.IsInt {
								text = strconv.AppendInt(nil, it.Int, 10)
								require.Len(t, text, int(it.Len))
							}
							got = append(got, shortText(it.Len, text))
							if r.key.Type.Code == 5 {
								gotScores = append(gotScores, it.Score)
							}
						}
					}
				}
				require.Equal(t, want, got)
				require.Equal(t, scores, gotScores)
				require.Positive(t, integers)

				r, err = NewReader(whole())
				require.NoError(t, err)
				var lens [64]int64
				i := 0
				for eachPlain(t, r) {
					for {
						n, err := r.Lengths(lens[:])
						if errors.Is(err, io.EOF) {
							break
						}
						require.NoError(t, err)
						for _, l := range lens[:n] {
							require.Equal(t, shortLen(want[i]), l)
							i++
						}
					}
				}
				require.Len(t, want, i)
			}
		})
	}
}

// eachPlain goes to the next key that is stored element by element.
func eachPlain(t *testing.T, r *Reader) bool {
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return false
		}
		require.NoError(t, err)
		if r.Elements() >= 0 {
			return true
		}
	}
}

func shortText(n int64, text []byte) string {
	if _, ok := Integer(text); ok {
		return string(text)
	}
	return string(bytes.Repeat([]byte{'.'}, int(n)))
}

func shortLen(s string) int64 { return int64(len(s)) }

func byParts(t *testing.T, in io.Reader) (texts []string, scores []float64) {
	r, err := NewReader(in)
	require.NoError(t, err)
	for eachPlain(t, r) {
		for {
			p, err := r.Part()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if p.Kind == PartScore {
				scores = append(scores, p.Score)
				continue
			}
			var b []byte
			if p.Len <= longestInt {
				b, err = r.Bytes()
				require.NoError(t, err)
			}
			texts = append(texts, shortText(p.Len, b))
		}
	}
	require.False(t, len(scores) > 0 && math.IsNaN(scores[0]))
	return texts, scores
}
