package estimate_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/rdbparse"
)

// sized reads all records of a dump under one configuration.
func sized(t *testing.T, dump []byte, c estimate.Config) []estimate.Record {
	r, err := rdbparse.NewReader(bytes.NewReader(dump))
	require.NoError(t, err)
	e := estimate.New(r, c)
	var list []estimate.Record
	for {
		rec, err := e.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			return append(list, estimate.Record{Module: err.Error()})
		}
		x := *rec
		x.Key = bytes.Clone(rec.Key)
		x.Audit = audit(rec)
		list = append(list, x)
	}
}

// audit is a copy of a record's audit, empty if it has none.
func audit(r *estimate.Record) *estimate.Audit {
	if r.Audit == nil {
		return &estimate.Audit{}
	}
	a := *r.Audit
	return &a
}

// TestSampleChangesNothing looks closely at every key of every fixture: what
// is said of it otherwise stays the same, but that the longest entry of packed
// values that were opened is known.
func TestSampleChangesNothing(t *testing.T) {
	looked := 0
	for _, d := range fixtures.All(t) {
		for _, name := range []string{"redis-6.2", "redis-7.0", "redis-7.4", "redis-8.6", "valkey-9.1"} {
			line, _, _ := estimate.Lookup(name)
			for _, loaded := range []bool{false, true} {
				c := estimate.Config{Line: line, Loaded: loaded, Limits: estimate.DefaultLimits(), Audit: true}
				want := sized(t, d.Data, c)
				c.Sample, c.JSON = 1, 1
				got := sized(t, d.Data, c)
				require.Len(t, got, len(want), d.Name)
				for i := range got {
					if got[i].Audit.FieldMask != 0 {
						looked++
						require.GreaterOrEqual(t, got[i].Largest, want[i].Largest)
						got[i].Largest = want[i].Largest
					}
					a := got[i].Audit // without what is known of the sample only
					*a = estimate.Audit{Packed: a.Packed, Over: a.Over, Squeezed: a.Squeezed, Pieces: a.Pieces, Unpacked: a.Unpacked, Stream: a.Stream}
					require.Equal(t, want[i], got[i], "%s %q under %s", d.Name, want[i].Key, name)
				}
			}
		}
	}
	require.Greater(t, looked, 1000)
}

// TestSampleIsFair chooses about one of so many keys, whatever their names
// have in common.
func TestSampleIsFair(t *testing.T) {
	const every, n = 8, 40_000
	line, _, _ := estimate.Lookup("redis-7.2")
	for _, form := range []string{"%d", "user:%d", "a:much:longer:name:that:they:share:%d", "%d:cart:items:of:a:user", "%032x", "%08d"} {
		var b strings.Builder
		b.WriteString("REDIS0011 fe00\n")
		for i := range n {
			fmt.Fprintf(&b, "00 str(%q) str(\"v\")\n", fmt.Sprintf(form, i*3))
		}
		b.WriteString("ff crc()")
		dump, _ := fixtures.Asm(t, b.String())
		chosen := 0
		for _, rec := range sized(t, dump, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, Sample: every}) {
			if rec.Audit.Config != nil {
				chosen++
			}
		}
		// 5 standard deviations of a fair draw.
		require.InDelta(t, n/every, chosen, 5*66, form)
	}
}

// TestSampleThins chooses fewer of the keys of a database that announces many,
// and says for how many each stands: together for about as many as a sample
// that does not thin has.
func TestSampleThins(t *testing.T) {
	const n = 1_000_000
	dump := []byte("REDIS0011")
	for db := range byte(2) {
		dump = append(dump, 0xfe, db)
		if db > 0 {
			dump = binary.BigEndian.AppendUint32(append(dump, 0xfb, 0x80), n)
			dump = append(dump, 0)
		}
		for i := range n {
			name := fmt.Sprintf("k%d", i)
			dump = append(append(append(dump, 0, byte(len(name))), name...), 1, 'v')
		}
	}
	dump = append(dump, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
	line, _, _ := estimate.Lookup("redis-7.2")
	for _, every := range []uint32{1, 8} {
		r, err := rdbparse.NewReader(bytes.NewReader(dump))
		require.NoError(t, err)
		e := estimate.New(r, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, Sample: every, JSON: every})
		var chosen, standFor, squares [2]int
		for i := 0; ; i++ {
			rec, err := e.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			if rec.Audit == nil {
				continue
			}
			require.NotNil(t, rec.Audit.Config)
			require.Equal(t, estimate.JSONNone, rec.Audit.JSON)
			require.Equal(t, rec.Audit.Thins, rec.Audit.JSONThins)
			times := 1 << rec.Audit.Thins
			chosen[i/n]++
			standFor[i/n] += times
			squares[i/n] += times * times
		}
		for db := range chosen {
			if every == 1 {
				require.Equal(t, n, chosen[db])
				require.Equal(t, n, standFor[db])
				continue
			}
			require.InDelta(t, n/8/[]int{1, 4}[db], chosen[db], 2000)
			require.InDelta(t, n/8, standFor[db], 5*math.Sqrt(8*float64(squares[db])))
		}
	}
}

// TestSampleNumbers knows numbers that are kept as text by what they would
// save as integers: the difference between the two, as keys.
func TestSampleNumbers(t *testing.T) {
	for _, name := range estimate.LineNames() {
		line, _, _ := estimate.Lookup(name)
		c := estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, Sample: 1}
		for _, x := range []struct {
			text   string
			number bool
		}{
			{"1.50000000", true}, {"00042", true}, {"-0.5", true}, {"+7", true}, {" 42 ", true}, {"\\\"42\\\"", true}, {"42\\r\\n", true}, {"0.000000001", true},
			{"123456789012345678.9", false}, {"1.", false}, {".5", false}, {"1.2.3", false}, {"1e5", false}, {"0x1f", false}, {"", false}, {"-", false}, {"+", false},
			{"\\\"\\\"", false}, {"12 34", false}, {"nan", false}, {"1,5", false}, {strings.Repeat("0", 80), false}, {"123456", false},
		} {
			dump, _ := fixtures.Asm(t, `REDIS0011 fe00 00 str("a key") str("`+x.text+`") 00 str("a key") str("123456789012") ff crc()`)
			list := sized(t, dump, c)
			require.Len(t, list, 2)
			want := int32(0)
			if x.number {
				want = int32(list[0].Alloc - list[1].Alloc)
			}
			require.Equal(t, want, list[0].Audit.NumberSaves, "%s: %q", name, x.text)
		}
	}
}

// hashText writes a hash field by field, as type 4, or packed, as type 16.
func hashText(packed bool, pairs ...string) string {
	var b strings.Builder
	if packed {
		b.WriteString("10 str(\"a key\") str(listpack(")
	} else {
		fmt.Fprintf(&b, "04 str(\"a key\") len(%d) ", len(pairs)/2)
	}
	for _, s := range pairs {
		if packed {
			fmt.Fprintf(&b, "%q ", s)
		} else {
			fmt.Fprintf(&b, "str(%q) ", s)
		}
	}
	if packed {
		b.WriteString("))")
	}
	return b.String() + "\n"
}

// TestSampleHashes holds what short names of fields save, and what becomes of
// JSON in fields, against the hashes that are so.
func TestSampleHashes(t *testing.T) {
	var long, short []string
	for i := range 40 {
		v := strings.Repeat("v", i)
		long, short = append(long, fmt.Sprintf("name-of-field-%d", i), v), append(short, fmt.Sprintf("%c%c", 'a'+i/26, 'a'+i%26), v)
	}
	object := `{"sku":"abc","n":12,"in":[1]}`
	flat := []string{"one", "1", "cart.sku", "abc", "cart.n", "12", "cart.in", "[1]", "last", object[1:]}
	for _, name := range estimate.LineNames() {
		line, _, _ := estimate.Lookup(name)
		for _, packed := range []bool{false, true} {
			if packed && name == "redis-6.2" {
				continue // has no listpacks, and would unpack them
			}
			dump, _ := fixtures.Asm(t, "REDIS0011 fe00 "+hashText(packed, long...)+hashText(packed, short...)+
				hashText(packed, "one", "1", "cart", object, "last", object[1:])+hashText(packed, flat...)+"ff crc()")
			c := estimate.Config{Line: line, Loaded: packed, Limits: estimate.DefaultLimits(), Audit: true, Sample: 1, JSON: 1}
			list := sized(t, dump, c)
			require.Len(t, list, 4)
			require.EqualValues(t, 10*15+30*16, list[0].Audit.FieldBytes, name)
			require.Equal(t, list[0].Alloc-list[1].Alloc, list[0].Audit.FieldSaves, "%s, packed %v", name, packed)
			require.Zero(t, list[1].Audit.FieldSaves)
			a := list[2].Audit
			require.Equal(t, estimate.JSONObject, a.JSON)
			require.EqualValues(t, 1, a.Fields)
			require.Equal(t, estimate.JSONNone, list[3].Audit.JSON)
			c.Loaded = true
			require.Equal(t, sized(t, dump, c)[3].Alloc, a.AsHash, "%s, packed %v", name, packed)
			require.False(t, a.Apart)
		}
	}
}

// TestProbe holds what a key would take under another name against that key,
// of strings of all encodings and of a hash, on every line.
func TestProbe(t *testing.T) {
	values := []string{"00 %s str(\"12\")", "00 %s str(\"123456789\")", "00 %s str(\"short\")", "00 %s str(\"" + strings.Repeat("x", 40) + "\")",
		"00 %s str(\"" + strings.Repeat("x", 100) + "\")", "10 %s str(listpack(\"a\" \"b\"))"}
	lengths := []int{1, 5, 15, 20, 31, 32, 47, 64, 90, 127, 128, 200, 260}
	for _, name := range estimate.LineNames() {
		line, _, _ := estimate.Lookup(name)
		for _, allocator := range []estimate.Allocator{estimate.Jemalloc, estimate.JemallocQ16, estimate.Libc} {
			for _, loaded := range []bool{false, true} {
				c := estimate.Config{Line: line, Allocator: allocator, Loaded: loaded, Limits: estimate.DefaultLimits(), Audit: true, Sample: 1}
				probe := estimate.NewProbe(&c)
				for _, value := range values {
					var b strings.Builder
					b.WriteString("REDIS0011 fe00\n")
					for _, n := range lengths {
						key := fmt.Sprintf("str(%q)", strings.Repeat("k", n))
						fmt.Fprintf(&b, value+" fc 0000008000000000 "+value+"\n", key, key)
					}
					b.WriteString("ff crc()")
					dump, _ := fixtures.Asm(t, b.String())
					list := sized(t, dump, c)
					require.Len(t, list, 2*len(lengths))
					for i := range list {
						for j := i % 2; j < len(list); j += 2 { // the same TTL
							require.Equal(t, list[j].Alloc-list[i].Alloc, probe.Renamed(&list[i], int64(len(list[j].Key))),
								"%s %v %.20s: from %d to %d bytes", name, allocator, value, len(list[i].Key), len(list[j].Key))
						}
					}
				}
			}
		}
	}
}
