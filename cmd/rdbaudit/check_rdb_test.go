package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/rdbparse"
)

// TestVerifyAgainstServer damages values at random and asks the server's own
// checker as well, which looks at contents as with sanitize-dump-payload: what
// it refuses, verify --deep refuses. RDBAUDIT_MUTATIONS says how many.
func TestVerifyAgainstServer(t *testing.T) {
	checker, err := exec.LookPath("redis-check-rdb")
	if err != nil {
		t.Skip("no redis-check-rdb here (Debian: apt install redis-tools): nobody to compare with")
	}
	var records [][]byte
	for _, name := range []string{"redis-7.0.15-edges", "redis-7.0.15-shop", "redis-6.2.16-edges"} {
		records = append(records, recordsOf(t, fixtures.Get(t, name).Data, 600)...)
	}
	tries := 400
	if n, err := strconv.Atoi(os.Getenv("RDBAUDIT_MUTATIONS")); err == nil {
		tries = n
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("RDBAUDIT_SEED"); s != "" {
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("RDBAUDIT_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	inDir(t)
	refuses := func(record []byte) (string, bool) {
		// No checksum: it would find everything.
		write(t, "d.rdb", slices.Concat([]byte("REDIS0010\xfe\x00"), record, []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00")))
		out, err := exec.Command(checker, "d.rdb").CombinedOutput()
		return string(out), err != nil
	}
	both, ours := 0, 0
	why := make(map[string]int)
	for i := range tries {
		record := bytes.Clone(records[rng.IntN(len(records))])
		if i < 20 {
			if out, no := refuses(record); no {
				t.Fatalf("not damaged yet, and refused: %q\n%s", record, out)
			}
		}
		for range 1 + rng.IntN(2) {
			at := 1 + rng.IntN(len(record)-1)
			switch rng.IntN(4) {
			case 0:
				record[at] ^= 1 << rng.IntN(8)
			case 1:
				record[at] = byte(rng.Uint32())
			case 2:
				record[at]++
			case 3: // the same bytes once more: duplicates
				to := 1 + rng.IntN(len(record)-1)
				n := min(1+rng.IntN(12), len(record)-at, len(record)-to)
				copy(record[to:to+n], bytes.Clone(record[at:at+n]))
			}
		}
		out, theirs := refuses(record)
		r := rdbaudit("verify", "--deep", "d.rdb")
		require.Contains(t, []int{exitOK, exitDamaged}, r.status)
		switch {
		case theirs && r.status == exitOK:
			t.Errorf("the server's checker refuses what verify finds whole: %q\n%s\n%s", record, r.stdout, out)
		case theirs:
			both++
		case r.status != exitOK:
			ours++
			_, reason, _ := strings.Cut(r.stdout, "offset ")
			if len(reason) > 60 {
				reason = reason[:60]
			}
			why[strings.TrimLeft(reason, "0123456789: ")]++
		}
	}
	t.Logf("%d damaged, both refuse %d, verify alone %d", tries, both, ours)
	for reason, n := range why {
		t.Logf("%4d alone: %s", n, reason)
	}
	require.Positive(t, both, "nothing was compared")
}

// recordsOf cuts the records of up to limit bytes out of a dump.
func recordsOf(t *testing.T, data []byte, limit int64) (all [][]byte) {
	r, err := rdbparse.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	for {
		k, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		from := k.Offset
		require.NoError(t, r.End())
		if n := r.Offset() - from; n <= limit && k.Type.Kind != rdbparse.StringKind && k.Expiry == rdbparse.NoExpiry && data[from] < 200 {
			all = append(all, data[from:r.Offset()])
		}
	}
}
