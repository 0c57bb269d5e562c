package estimate_test

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"rdbaudit/estimate"
	"rdbaudit/fixtures/synth"
	"rdbaudit/rdbparse"
)

// made are small dumps of the workloads, the same on every machine.
var made = map[string]func() []byte{
	"small": sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "small", Keys: 200_000, Seed: 1}) }),
	"mixed": sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "mixed", Keys: 40_000, Seed: 1}) }),
	"big":   sync.OnceValue(func() []byte { return synthesize(synth.Options{Kind: "big", Keys: 10, Seed: 1}) }),
}

func synthesize(o synth.Options) []byte {
	var b bytes.Buffer
	if _, err := synth.Write(&b, o); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// BenchmarkEstimator sizes the keys of the workloads, the reading included:
// alone, with their longest elements as rows have them, and with what findings ask for.
func BenchmarkEstimator(b *testing.B) {
	line, _, _ := estimate.Lookup("redis-7.2")
	for _, kind := range []string{"small", "mixed", "big"} {
		for _, way := range []string{"sizes", "rows", "audit"} {
			b.Run(kind+"/"+way, func(b *testing.B) {
				data := made[kind]()
				c := estimate.Config{Line: line, Limits: estimate.DefaultLimits()}
				if way == "audit" {
					c.Audit, c.JSON, c.Sample = true, 8, 8
				}
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				keys := 0
				for b.Loop() {
					r, err := rdbparse.NewReader(bytes.NewReader(data))
					if err != nil {
						b.Fatal(err)
					}
					r.SkipChecksum = true
					e := estimate.New(r, c)
					e.EveryLargest = way == "rows"
					for keys = 0; err == nil; keys++ {
						_, err = e.Next()
					}
					if err != io.EOF {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(keys), "ns/key")
			})
		}
	}
}
