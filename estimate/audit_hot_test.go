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
					require.Nil(t, rec.Audit.Stream, "%q", rec.Key)
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
