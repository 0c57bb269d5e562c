package estimate_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
	"rdbaudit/rdbparse"
)

// TestAuditStream reads what an audit knows of streams of the oldest and the
// newest form.
func TestAuditStream(t *testing.T) {
	const now = 1_700_000_000_550 + estimate.GoneAfter
	want := map[string]estimate.StreamAudit{
		"v9-stream-1":        {Added: -1, First: 1_700_000_000_000, Last: 1_700_000_000_003, Groups: 1, Pending: 2, Oldest: 1_700_000_000_500, Gone: 1, GonePending: 1},
		"v14-array-untested": {Added: 2, First: 5, Last: 6, Groups: 1, Pending: 2, Oldest: 1_700_000_000_000, Gone: 1, GonePending: 1},
	}
	for _, f := range fixtures.AsmAll(t) {
		w, ok := want[f.Name]
		if !ok {
			continue
		}
		delete(want, f.Name)
		for _, at := range []int64{now, now - estimate.GoneAfter, 0} {
			r, err := rdbparse.NewReader(bytes.NewReader(f.Data))
			require.NoError(t, err)
			line, _, _ := estimate.ForInfo(r.Info())
			e := estimate.New(r, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, Now: at})
			streams := 0
			for {
				rec, err := e.Next()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				if string(rec.Key) != "x" {
					require.Nil(t, audit(rec).Stream, "%q", rec.Key)
					continue
				}
				streams++
				got := *rec.Audit.Stream
				require.Greater(t, got.PendingSize, int64(2*(24+16*2))) // an entry of each list has an ID of 16 bytes at the least
				require.Less(t, got.PendingSize, rec.Alloc)
				x := w
				x.PendingSize = got.PendingSize
				if at != now {
					x.Gone, x.GonePending = 0, 0
				}
				require.Equal(t, x, got)
			}
			require.Equal(t, 1, streams)
		}
	}
	require.Empty(t, want)
}

// TestAuditIntset holds sets of integers near their limit against the table
// that the same members make when they are over it.
func TestAuditIntset(t *testing.T) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	line, _, _ := estimate.Lookup("redis-7.2")
	size := func(members []int64, limits estimate.Limits) *estimate.Record {
		var b []byte
		b = binary.LittleEndian.AppendUint32(b, 8)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(members)))
		for _, v := range members {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		dump := wire.AppendString(wire.AppendString([]byte("REDIS0011\xfe\x00\x0b"), "members"), b)
		r, err := rdbparse.NewReader(bytes.NewReader(append(dump, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)))
		require.NoError(t, err)
		rec, err := estimate.New(r, estimate.Config{Line: line, Loaded: true, Limits: limits, Given: estimate.Given{SetIntset: true}, Audit: true}).Next()
		require.NoError(t, err)
		return rec
	}
	for _, spread := range []int64{400, 4000, 1e6, 1e18} {
		var members []int64
		for v := int64(-300); len(members) < 513; v += 1 + rng.Int64N(spread/200) {
			members = append(members, v)
		}
		limits := estimate.DefaultLimits()
		near := size(members[:512], limits)
		require.Equal(t, estimate.Intset, near.Encoding)
		over := size(members, limits)
		require.Equal(t, estimate.Hashtable, over.Encoding)
		// The last member need not be as long as the average.
		require.InDelta(t, over.Alloc, near.Audit.Unpacked, 32)
		require.Zero(t, size(members[:479], limits).Audit)
		require.Positive(t, size(members[:480], limits).Audit.Unpacked)
		limits.SetIntset = 600
		require.Zero(t, size(members[:512], limits).Audit)
	}
}
