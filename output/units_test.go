package output

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(0), "0 B"},
		{Bytes(812), "812 B"},
		{Bytes(1023), "1023 B"},
		{Bytes(1024), "1.00 KiB"},
		{Bytes(10235), "10.0 KiB"},
		{Bytes(102350), "100 KiB"},
		{Bytes(1023 << 10), "1023 KiB"},
		{Bytes(1<<20 - 1), "1.00 MiB"},
		{Bytes(1567663718), "1.46 GiB"},
		{Bytes(-1567663718), "-1.46 GiB"},
		{Bytes(math.MaxInt64), "8.00 EiB"},
		{Bytes(math.MinInt64), "-8.00 EiB"},
		{Count(0), "0"},
		{Count(999), "999"},
		{Count(1234567), "1,234,567"},
		{Count(-123456), "-123,456"},
		{Count(math.MinInt64), "-9,223,372,036,854,775,808"},
		{Share(0), "0 %"},
		{Share(1e-9), "<0.1 %"},
		{Share(0.00099), "<0.1 %"},
		{Share(0.004), "0.4 %"},
		{Share(0.0994), "9.9 %"},
		{Share(0.0996), "10 %"},
		{Share(0.62), "62 %"},
		{Share(0.996), ">99 %"},
		{Share(1), "100 %"},
		{Share(1.5), "150 %"},
		{Share(-0.25), "-25 %"},
		{Share(math.NaN()), "0 %"},
		{Duration(0), "0s"},
		{Duration(45), "45s"},
		{Duration(3600), "1h"},
		{Duration(3*86400 + 4*3600 + 59), "3d 4h"},
		{Duration(86400 + 59), "1d"},
		{Duration(400 * 86400), "1y 35d"},
		{Duration(-90), "-1m 30s"},
		{Time(1714564800000), "2024-05-01T12:00:00Z"},
		{plural(1, "key"), "1 key"},
		{plural(1000, "key"), "1,000 keys"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		ms   int64
		want string
	}{
		{0, "1970-01-01T00:00:00.000Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
		{253402300800000, "10000-01-01T00:00:00.000Z"},
		{-62167219200001, "-0001-12-31T23:59:59.999Z"},
		{math.MaxInt64, "292278994-08-17T07:12:55.807Z"},
		{math.MinInt64, "-292275055-05-16T16:47:04.192Z"},
	} {
		if got := string(appendTime(nil, c.ms)); got != c.want {
			t.Errorf("%d: got %s, want %s", c.ms, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		ms := int64(rng.Uint64()) >> rng.IntN(64)
		s := string(appendTime(nil, ms))
		if back, err := parseTime(s); err != nil || back != ms {
			t.Fatalf("%d: %s read back as %d, %v", ms, s, back, err)
		}
		if tm := time.UnixMilli(ms).UTC(); tm.Year() >= 0 && tm.Year() < 10000 {
			if want := tm.Format("2006-01-02T15:04:05.000Z"); s != want {
				t.Fatalf("%d: got %s, want %s", ms, s, want)
			}
		}
	}
	for _, bad := range []string{"", "Z", "2024-05-01", "2024-05-01T12:00:00Z", "2024-05-01 12:00:00.000Z", "-", "99999999999999-01-01T00:00:00.000Z"} {
		if ms, err := parseTime(bad); err == nil {
			t.Errorf("%q read as %d", bad, ms)
		}
	}
}
