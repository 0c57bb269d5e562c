package estimate_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/rdbparse"
)

var update = flag.Bool("update", false, "write the table of exactness into the README")

// TestReadme holds the README's table of exactness to what the truth files say
// today.
func TestReadme(t *testing.T) {
	const open, shut = "<!-- exactness -->\n", "<!-- /exactness -->"
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), open)
	require.True(t, ok)
	old, after, ok := strings.Cut(rest, shut)
	require.True(t, ok)
	now := exactness(t)
	if *update {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+open+now+shut+after), 0o644))
		return
	}
	require.Equal(t, old, now, "run go test ./estimate -run TestReadme -update")
}

// lineScore counts keys of one server line.
type lineScore struct {
	name               string
	exact, certain     int
	near, chance       int
	live, liveAll      int
	grew, say          int64
	types              map[string]*[2]int // equal, compared
	liveBytes, liveOff int64              // of all live keys; by how much those that differ are off
	differ             map[string]bool
}

var scoreTypes = []string{"string", "list", "set", "zset", "hash", "stream"}

func exactness(t *testing.T) string {
	scores := make(map[string]*lineScore)
	for _, truth := range fixtures.Truths(t) {
		s := scores[truth.Line]
		if s == nil {
			s = &lineScore{name: truth.Line, types: make(map[string]*[2]int), differ: make(map[string]bool)}
			scores[truth.Line] = s
		}
		scoreTruth(t, truth, s)
	}
	var b strings.Builder
	b.WriteString("| server line | exact | string | list | set | zset | hash | stream | chance | live | sum |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range estimate.LineNames() {
		s := scores[name]
		require.NotNil(t, s, name)
		fmt.Fprintf(&b, "| %s | %s |", name, ratio(s.exact, s.certain))
		for _, typ := range scoreTypes {
			c := s.types[typ]
			require.NotNil(t, c, typ)
			fmt.Fprintf(&b, " %s |", ratio(c[0], c[1]))
		}
		fmt.Fprintf(&b, " %s | %s | %+.2f %% |\n", ratio(s.near, s.chance), ratio(s.live, s.liveAll), 100*float64(s.say-s.grew)/float64(s.grew))
	}
	var live, all int
	var bytes, off int64
	differ := make(map[string]bool)
	for _, s := range scores {
		live, all = live+s.live, all+s.liveAll
		bytes, off = bytes+s.liveBytes, off+s.liveOff
		for k := range s.differ {
			differ[k] = true
		}
	}
	fmt.Fprintf(&b, "\nLive, %d of %d keys differ, by %.2f %% of all bytes. Only their past explains them:\n", all-live, all, 100*float64(off)/float64(bytes))
	reasons := make(map[string][]string)
	for k := range differ {
		require.NotEmpty(t, byHistory[k], "%s differs and is not known to", k)
		reasons[byHistory[k]] = append(reasons[byHistory[k]], "`"+k+"`")
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		slices.Sort(reasons[reason])
		fmt.Fprintf(&b, "- %s: %s\n", strings.Join(reasons[reason], ", "), reason)
	}
	return b.String()
}

func ratio(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", n, of)
}

func scoreTruth(t *testing.T, truth fixtures.Truth, s *lineScore) {
	rows := make(map[string]fixtures.Row)
	for _, row := range truth.Rows {
		rows[fmt.Sprint(row.DB, " ", string(row.Key))] = row
	}
	each := func(loaded bool, do func(*estimate.Record, fixtures.Row)) {
		r, err := rdbparse.NewReader(bytes.NewReader(truth.Dump.Data))
		require.NoError(t, err)
		e := estimate.New(r, configFor(t, truth, loaded))
		for {
			rec, err := e.Next()
			if err == io.EOF {
				return
			}
			require.NoError(t, err)
			do(rec, rows[fmt.Sprint(rec.DB, " ", string(rec.Key))])
		}
	}
	config := configFor(t, truth, true)
	dicts := make(map[[2]int64][2]int64)
	var say int64
	each(true, func(rec *estimate.Record, row fixtures.Row) {
		id := [2]int64{int64(rec.DB), -1}
		if config.SlotTables() {
			id[1] = int64(estimate.Slot(rec.Key))
		}
		d := dicts[id]
		d[0]++
		if rec.Expiry != estimate.NoExpiry {
			d[1]++
		}
		dicts[id] = d
		if row.SD < 0 {
			say += row.LoadedBytes // a module's own figure, which no formula gives
			return
		}
		say += rec.Alloc
		same := rec.Encoding.String() == row.LoadedEncoding
		if row.SD > 0 {
			s.chance++
			if same && math.Abs(float64(rec.Size-row.LoadedBytes)) <= 5*row.SD+1 {
				s.near++
			}
			return
		}
		c := s.types[row.Type]
		if c == nil {
			c = new([2]int)
			s.types[row.Type] = c
		}
		s.certain++
		c[1]++
		if same && rec.Size == row.LoadedBytes {
			s.exact++
			c[0]++
		}
	})
	for _, d := range dicts {
		b, _ := config.Tables(d[0], d[1])
		say += b
	}
	if !truth.Cluster { // see TestTruth: the cluster files' own figure is off
		s.grew += truth.LoadedData
		s.say += say
	}
	if !truth.Own {
		return
	}
	each(false, func(rec *estimate.Record, row fixtures.Row) {
		if row.SD < 0 {
			return
		}
		s.liveAll++
		off := math.Abs(float64(rec.Size - row.LiveBytes))
		if rec.Encoding.String() == row.LiveEncoding && off <= 5*math.Sqrt(float64(rec.SizeVar)) {
			s.live++
		} else {
			s.liveOff += int64(off)
			s.differ[string(rec.Key)] = true
		}
		s.liveBytes += row.LiveBytes
	})
}
