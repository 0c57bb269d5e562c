// Simulate merges the parts of a fleet that does not exist, to see where one
// merging machine ends:
//
//	go run ./simulate -parts 10000 -clusters 50 -as flat
//	go run ./simulate -parts 10000 -clusters 50 -as tree
//
// Every shard holds the patterns of its cluster's services, in its own
// numbers; some of all clusters (sessions, locks, rate limits), most of one; and
// a few that nobody else has. Which is which comes from the seed.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/internal/scan"
	"rdbaudit/output"
	"rdbaudit/rdbparse"
)

func main() {
	var f fleet
	var parts, fan int
	var as string
	flag.IntVar(&parts, "parts", 10000, "parts to merge")
	flag.IntVar(&f.clusters, "clusters", 50, "clusters that they belong to")
	flag.IntVar(&f.keys, "keys", 3000, "keys of a shard that are looked at: what a part weighs comes from its patterns")
	flag.IntVar(&f.common, "common", 60, "patterns of all clusters")
	flag.IntVar(&f.own, "own", 200, "patterns of each cluster")
	flag.IntVar(&f.alone, "alone", 5, "patterns that only one shard has")
	flag.StringVar(&as, "as", "flat", "flat: one after the other; tree: in groups, then the groups")
	flag.IntVar(&fan, "fan", 100, "parts of a group")
	flag.Parse()
	if err := run(&f, parts, fan, as); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

func run(f *fleet, parts, fan int, as string) error {
	if parts < 1 || fan < 2 || f.clusters < 1 || as != "flat" && as != "tree" {
		return fmt.Errorf("want parts, a fan of at least 2, clusters, and --as flat or tree")
	}
	debug.SetGCPercent(50) // as rdbaudit merge
	var making, merging, groups, last time.Duration
	var size, largest, between int64
	var all, group *scan.Part
	add := func(to **scan.Part, b []byte) error {
		p, err := scan.ReadPart(bytes.NewReader(b), 0)
		if err != nil {
			return err
		}
		if *to == nil {
			*to = p
			return nil
		}
		return (*to).Merge(p)
	}
	for i := range parts {
		start := time.Now()
		b, err := f.part(i)
		if err != nil {
			return err
		}
		making += time.Since(start)
		size += int64(len(b))
		largest = max(largest, int64(len(b)))
		start = time.Now()
		if as == "flat" {
			if err := add(&all, b); err != nil {
				return err
			}
			last += time.Since(start)
			merging += time.Since(start)
		} else {
			if err := add(&group, b); err != nil {
				return err
			}
			if (i+1)%fan == 0 || i+1 == parts {
				var w bytes.Buffer
				if err := group.Write(&w); err != nil {
					return err
				}
				between += int64(w.Len())
				group = nil
				groups += time.Since(start)
				merging += time.Since(start)
				start = time.Now()
				if err := add(&all, w.Bytes()); err != nil {
					return err
				}
				last += time.Since(start)
				merging += time.Since(start)
			} else {
				groups += time.Since(start)
				merging += time.Since(start)
			}
		}
		if (i+1)%1000 == 0 && os.Getenv("QUIET") == "" {
			fmt.Fprintf(os.Stderr, "%d parts, %.1f s of merging, peak %s\n", i+1, merging.Seconds(), peak())
		}
	}
	var w bytes.Buffer
	start := time.Now()
	if err := all.Write(&w); err != nil {
		return err
	}
	writing := time.Since(start)
	keys := all.Set.Totals().Keys
	start = time.Now()
	rep, _ := all.Report(&scan.View{Version: "simulate"})
	page := time.Since(start)
	runtime.KeepAlive(rep)
	fmt.Printf("%d parts of %d clusters, %s: mean %s, largest %s; %s in all\n", parts, f.clusters, as, output.Bytes(size/int64(parts)), output.Bytes(largest), output.Bytes(size))
	fmt.Printf("merging %.1f s", merging.Seconds())
	if as == "tree" {
		fmt.Printf(", of it %.1f s in groups of %d that %d workers share, %.1f s at the top over %s", groups.Seconds(), fan, (parts+fan-1)/fan, last.Seconds(), output.Bytes(between))
	}
	fmt.Printf("; writing the part %.1f s, report %.1f s; the merged part %s, %s patterns, %s keys; peak memory %s (making the parts took %.0f s beside)\n",
		writing.Seconds(), page.Seconds(), output.Bytes(int64(w.Len())), output.Count(int64(len(rep.Table("patterns").Rows))), output.Count(keys), peak(), making.Seconds())
	return nil
}

func peak() string {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return "?"
	}
	return output.Bytes(u.Maxrss * 1024)
}

// fleet says what its shards hold.
type fleet struct{ clusters, keys, common, own, alone int }

// part is the part of shard i, as its file.
func (f *fleet) part(i int) ([]byte, error) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	const moment = 2_000_000_000_000
	opts := &aggregate.Options{Now: moment, Separators: []string{":"}, Depth: 6, Top: 20}
	set, err := aggregate.NewSet(opts)
	if err != nil {
		return nil, err
	}
	cluster := i % f.clusters
	patterns := f.common + f.own + f.alone
	path := fmt.Sprintf("s3://dumps/cluster-%02d/shard-%05d.rdb", cluster, i)
	d := scan.Facts{Open: true, Moment: moment, MomentFrom: "dump", Line: "redis-7.2", From: "the dump", Verified: true, Largest: -1}
	batch := make([]estimate.Record, 0, 512)
	for k := range f.keys {
		// A few patterns have most of the keys.
		which := int(math.Pow(r.Float64(), 3) * float64(patterns))
		rec := f.record(r, cluster, i, which, k, moment)
		d.Keys++
		d.Bytes += rec.Alloc
		if rec.Alloc > d.Largest {
			d.Largest, d.LargestKey = rec.Alloc, rec.Key
		}
		if batch = append(batch, rec); len(batch) == cap(batch) || k == f.keys-1 {
			set.AddBatch(batch)
			batch = batch[:0]
		}
	}
	d.Source = output.Source{Path: path, Bytes: d.Bytes / 2, Size: d.Bytes / 2, Server: "redis 7.2.6", Format: "RDB 11", Created: moment, UsedMem: d.Bytes + 1<<20, Keys: d.Keys, Checksum: "ok"}
	p := &scan.Part{Version: "simulate", How: scan.How{Model: scan.Model{Allocator: "jemalloc", Cluster: "auto"}, Findings: true, JSONEvery: scan.SampleEvery}, Set: set, Dumps: []scan.Facts{d}}
	var w bytes.Buffer
	err = p.Write(&w)
	return w.Bytes(), err
}

func (f *fleet) record(r *rand.Rand, cluster, shard, which, k int, moment int64) estimate.Record {
	services := strings.Fields("session cart user order lock rate cache feed price stock mail token")
	var name string
	service := services[which%len(services)]
	switch id := shard*f.keys + k; {
	case which < f.common:
		name = fmt.Sprintf("%s:v%d:%d", service, which/len(services), id)
	case which < f.common+f.own:
		name = fmt.Sprintf("team%d:%s%s:%d:data", cluster, service, string(rune('a'+which/len(services))), id)
	default:
		name = fmt.Sprintf("tmp-shard%d-%s%c:%d", shard, service, 'a'+which%26, id)
	}
	kinds := []struct {
		t estimate.Type
		e estimate.Encoding
	}{{estimate.String, estimate.Raw}, {estimate.Hash, estimate.Listpack}, {estimate.Set, estimate.Hashtable}, {estimate.ZSet, estimate.Skiplist}}
	kind := kinds[which%len(kinds)]
	size := int64(64 + r.ExpFloat64()*400)
	rec := estimate.Record{Key: []byte(name), Type: kind.t, Encoding: kind.e, Size: size, Alloc: size + 16, Serialized: size / 2, Elems: 1 + size/40, Largest: size / 4,
		Expiry: rdbparse.NoExpiry, Idle: -1, Freq: -1, Slot: int32((shard*16 + k%16) % 16384)}
	if which%3 == 0 {
		rec.Expiry = moment + r.Int64N(7*24*3600*1000)
	}
	return rec
}
