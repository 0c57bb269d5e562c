package estimate_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
	"rdbaudit/rdbparse"
)

// valkeyBit of a fuzzed type says that its dump is one of Valkey 9.
const valkeyBit = 0x80

// dumpOf is a dump of one key, with a second behind it that tells whether the
// first was read to its end.
func dumpOf(code byte, value []byte) []byte {
	b := []byte("REDIS0015")
	if code&valkeyBit != 0 {
		b = []byte("VALKEY080")
	}
	b = wire.AppendString(append(b, code&^valkeyBit), "key")
	b = append(append(b, value...), 0, 1, 'k', 1, 'v', 0xff)
	return append(b, make([]byte, 8)...)
}

// fuzzValues gives any bytes to the estimator as the value of a key of some
// kinds. It may not panic; sizes are none below zero; they do not depend on
// what else is looked at beside them, nor on which other servers are asked
// after; and the parts of a key sum to it.
func fuzzValues(f *testing.F, kinds ...rdbparse.Kind) {
	codes := map[byte]bool{}
	seed := func(data []byte, most int64) {
		r, err := rdbparse.NewReader(bytes.NewReader(data))
		if err != nil {
			f.Fatal(err)
		}
		smallest := map[byte][]byte{}
		for {
			k, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				f.Fatal(err)
			}
			code, from := k.Type.Code, r.Offset()
			if r.Info().Flavor == rdbparse.Valkey {
				code |= valkeyBit
			}
			if err := r.End(); err != nil {
				f.Fatal(err)
			}
			v := data[from:r.Offset()]
			for _, kind := range kinds {
				if k.Type.Kind == kind && int64(len(v)) < most && len(v) > 12 && (smallest[code] == nil || len(v) < len(smallest[code])) {
					smallest[code], codes[code] = v, true
				}
			}
		}
		for code, v := range smallest {
			f.Add(code, v)
		}
	}
	for _, d := range fixtures.AsmAll(f) {
		seed(d.Data, 4<<10)
	}
	for _, d := range fixtures.All(f) {
		seed(d.Data, 4<<10)
	}
	var configs []estimate.Config
	for i, name := range estimate.LineNames() {
		line, _, _ := estimate.Lookup(name)
		for _, loaded := range []bool{false, true} {
			configs = append(configs, estimate.Config{Line: line, Loaded: loaded, Limits: estimate.DefaultLimits(), Allocator: estimate.Allocator(i % 3), Cluster: i%2 == 1})
		}
	}
	f.Fuzz(func(t *testing.T, code byte, value []byte) {
		if !codes[code] || len(value) > 64<<10 {
			return
		}
		data := dumpOf(code, value)
		all, allErr := recordsOf(t, data, nil, configs...)
		turn := (int(code) + len(value)) % len(configs)
		c := configs[turn]
		for i := range all {
			checkRecord(t, &configs[i%len(configs)], &all[i], int64(len(data)))
		}
		alone, err := recordsOf(t, data, nil, c)
		honest := !lies(data) // others open what one does not
		if same(err) != same(allErr) && honest || err != nil && allErr == nil {
			t.Fatalf("alone %v, with others %v", err, allErr)
		}
		for i, r := range alone[:min(len(alone), len(all)/len(configs))] { // a record of each key
			o := all[i*len(configs)+turn]
			o.Slot, r.Slot, o.Largest, r.Largest = 0, 0, 0, 0 // of the dump, and what somebody looked at
			if honest && !reflect.DeepEqual(r, o) {
				t.Fatalf("%s loaded=%v alone %+v, with others %+v", c.Line.Name, c.Loaded, r, o)
			}
		}
		// Looking closer finds more faults, and else changes no size.
		for name, look := range map[string]func(*estimate.Config, *estimate.Estimator){
			"largest": func(_ *estimate.Config, e *estimate.Estimator) {
				if e != nil {
					e.EveryLargest = true
				}
			},
			"audit": func(c *estimate.Config, _ *estimate.Estimator) {
				c.Audit, c.JSON, c.Sample, c.Now = true, 1, 1, 1_700_000_000_000
			},
		} {
			closer := c
			look(&closer, nil)
			more, moreErr := recordsOf(t, data, func(e *estimate.Estimator) { look(&estimate.Config{}, e) }, closer)
			if err != nil && moreErr == nil || len(more) > len(alone) {
				t.Fatalf("%s: %v without, %v with", name, err, moreErr)
			}
			for i := range more {
				a, b := alone[i], more[i]
				a.Audit, b.Audit, a.Largest, b.Largest = nil, nil, 0, 0
				if honest && !reflect.DeepEqual(a, b) {
					t.Fatalf("%s: %s loaded=%v without %+v, with %+v", name, c.Line.Name, c.Loaded, a, b)
				}
			}
		}
		// Asking for the longest entry changes nothing else and brings no faults, and
		// what is found does not depend on when it is known that it is wanted.
		if err == nil && len(alone) == 1 && (alone[0].Type == estimate.List || alone[0].Type == estimate.Stream) {
			asked := func(least int64) estimate.Record {
				list, err := recordsOf(t, data, func(e *estimate.Estimator) {
					e.WantLargest = func(_ *rdbparse.Key, _, alloc int64) bool { return alloc >= least }
					e.KeepNodes = int64(code) << 16
				}, c)
				if err != nil || len(list) != 1 {
					t.Fatalf("asked: %v, %d records", err, len(list))
				}
				return list[0]
			}
			atOnce, atSize, above := asked(0), asked(alone[0].Alloc), asked(alone[0].Alloc+1)
			if !reflect.DeepEqual(atOnce, atSize) || above.Largest != -1 && above.Largest != atOnce.Largest {
				t.Fatalf("%s loaded=%v: at once %+v, at its size %+v, above %+v", c.Line.Name, c.Loaded, atOnce, atSize, above)
			}
			atOnce.Largest, above.Largest = alone[0].Largest, alone[0].Largest
			if !reflect.DeepEqual(alone[0], atOnce) || !reflect.DeepEqual(alone[0], above) {
				t.Fatalf("%s loaded=%v: not asked %+v, asked %+v and %+v", c.Line.Name, c.Loaded, alone[0], atOnce, above)
			}
		}
		// The parts sum to the whole.
		var items []estimate.Item
		r, _ := rdbparse.NewReader(bytes.NewReader(data))
		e := estimate.New(r, c)
		e.Explain(&items)
		for range alone {
			rec, err := e.Next()
			if err != nil {
				t.Fatalf("explained: %v", err)
			}
			var size, alloc int64
			for _, it := range items {
				size, alloc = size+it.Counted, alloc+it.Alloc
			}
			if size != rec.Size || alloc != rec.Alloc {
				t.Fatalf("%s loaded=%v: parts of %d and %d, %+v", c.Line.Name, c.Loaded, size, alloc, rec)
			}
		}
	})
}

func same(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// recordsOf reads a dump under some configurations: the records of its first
// key under each, then those of the second.
func recordsOf(t *testing.T, data []byte, with func(*estimate.Estimator), configs ...estimate.Config) (all []estimate.Record, err error) {
	r, err := rdbparse.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.SkipChecksum = true
	e := estimate.New(r, configs...)
	if with != nil {
		with(e)
	}
	for {
		rec, err := e.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		for _, o := range append([]estimate.Record{*rec}, e.Others()...) {
			o.Key = bytes.Clone(o.Key)
			if o.Audit != nil {
				a := *o.Audit
				o.Audit = &a
			}
			all = append(all, o)
		}
	}
}

// checkRecord holds a record to what is true of any.
func checkRecord(t *testing.T, c *estimate.Config, r *estimate.Record, most int64) {
	t.Helper()
	for _, n := range []int64{r.Size, r.Alloc, r.SizeVar, r.AllocVar, r.Slack, r.Elems, r.FieldTTLs, r.Largest + 1, r.Alloc - r.Slack} {
		if n < 0 {
			t.Fatalf("%s loaded=%v: %+v", c.Line.Name, c.Loaded, r)
		}
	}
	if r.Serialized <= 0 || r.Serialized > most || r.FieldTTLs > r.Elems || r.Encoding >= estimate.NumEncodings {
		t.Fatalf("%s loaded=%v: %+v", c.Line.Name, c.Loaded, r)
	}
}

// lies says whether a packed value of a dump holds other than its head says, or
// entries that do not come out even.
func lies(data []byte) bool {
	r, err := rdbparse.NewReader(bytes.NewReader(data))
	if err != nil {
		return true
	}
	for {
		k, err := r.Next()
		if err != nil {
			return err != io.EOF
		}
		per := int64(1)
		switch {
		case strings.HasPrefix(k.Type.Name, "HASH_LISTPACK_EX"):
			per = 3
		case k.Type.Kind == rdbparse.HashKind || k.Type.Kind == rdbparse.ZSetKind:
			per = 2
		}
		for {
			p, err := r.Part()
			if err == io.EOF {
				break
			}
			if err != nil {
				return true
			}
			if p.Format == rdbparse.Plain {
				if _, err := r.Bytes(); err != nil && !errors.Is(err, rdbparse.ErrTooLong) {
					return true
				}
				continue
			}
			n, want, format, kind := int64(0), p.Count, p.Format, p.Kind
			for {
				if _, err = r.Entry(); err != nil {
					break
				}
				n++
			}
			if kind == rdbparse.PartPacked && n%per != 0 {
				return true
			}
			if format == rdbparse.Zipmap {
				n /= 2
			}
			if err != io.EOF || want >= 0 && want != n {
				return true
			}
		}
	}
}

func FuzzStrings(f *testing.F) { fuzzValues(f, rdbparse.StringKind) }
func FuzzLists(f *testing.F)   { fuzzValues(f, rdbparse.ListKind) }
func FuzzSets(f *testing.F)    { fuzzValues(f, rdbparse.SetKind) }
func FuzzZSets(f *testing.F)   { fuzzValues(f, rdbparse.ZSetKind) }
func FuzzHashes(f *testing.F)  { fuzzValues(f, rdbparse.HashKind) }
func FuzzStreams(f *testing.F) { fuzzValues(f, rdbparse.StreamKind) }
func FuzzOthers(f *testing.F)  { fuzzValues(f, rdbparse.ModuleKind) }
