//go:build amd64 || arm64

// The other reader does not compile where an int has 32 bits.

package rdbparse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hdt3213/rdb/model"
	"github.com/hdt3213/rdb/parser"

	"rdbaudit/fixtures"
)

// A gap is what the peer cannot read, or reads wrongly.
type gap struct {
	why     string
	ends    string // part of the error that it ends with, "" if it reads all
	differs string // the name of a key of which it says something else
}

// peerGaps are the dumps that the peer does not read as a server does. A test
// fails when one of them is not true any more.
var peerGaps = func() map[string]gap {
	version := gap{why: "the peer knows versions up to 12", ends: "cannot parse version"}
	plain := gap{
		why:  "its estimate of memory counts plain nodes of lists (over 8 KiB from Redis 7.4 and Valkey 8 on) among the packed ones",
		ends: "index out of range",
	}
	slots := gap{why: "it takes the slots of a cluster for Valkey's alone", ends: "unsupported opcode 244"}
	return map[string]gap{
		"redis-8.6.3-edges": version, "redis-8.6.3-shop": version, "redis-8.6.3-cluster-shop": version,
		"v13-key-meta": version, "v14-array-untested": version, "v15-hash-templates-untested": version,
		"redis-7.4.1-edges": plain, "redis-8.0.6-edges": plain, "valkey-8.0.1-edges": plain, "valkey-8.1.1-edges": plain, "valkey-9.1.2-edges": plain, "v10-functions": plain,
		"redis-7.4.1-cluster-shop": slots, "v12-field-ttl": slots,
		"v2-zipmap-ziplist":  {why: "it has the long length of zipmaps at 253, servers have it at 254", ends: "illegal zip map item length"},
		"v10-unknown-counts": {why: "it takes a count of 65535 at its word", ends: "unexpected end"},
		"v10-functions-rc":   {why: "it does not know the functions of 7.0's release candidates", ends: "unknown type flag: 11110110"},
		"v1-expired":         {why: "it reads seconds before 1970 as seconds after 2106", differs: "before"},
		"v80-backlen-newest": {why: "it does not know the back lengths of Valkey 9.1", differs: "h"},
	}
}()

// TestPeer compares each dump with what github.com/hdt3213/rdb reads in it:
// database, name, type, expiry, idle time and frequency of each key, and the
// elements of each list, set, hash and sorted set. It ignores the checksum.
func TestPeer(t *testing.T) {
	run := func(name string, data []byte) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := peerGaps[name]
			same, all := comparePeer(t, data, g)
			if g.ends == "" {
				return
			}
			t.Logf("%d of %d keys compared: %s", same, all, g.why)
			// The rest again, without what the peer stumbles over.
			same, _ = comparePeer(t, withoutGaps(t, data), gap{})
			t.Logf("%d of %d keys compared in the end", same, all)
			if same < all*3/4 && all > 100 {
				t.Errorf("only %d of %d keys compared", same, all)
			}
		})
	}
	for _, f := range fixtures.AsmAll(t) {
		run(f.Name, f.Data)
	}
	for _, f := range someServers(t) {
		run(f.Name, f.Data)
	}
}

func comparePeer(t *testing.T, data []byte, g gap) (same, all int) {
	ours := readAll(bytes.NewReader(data), full)
	if ours.err != io.EOF && !errors.Is(ours.err, ErrChecksum) {
		t.Fatal(ours.err)
	}
	n, differ := 0, false
	err := parser.NewDecoder(bytes.NewReader(data)).Parse(func(o parser.RedisObject) bool {
		if n++; n > len(ours.keys) {
			t.Fatalf("the peer has a key more: %q", o.GetKey())
		}
		k := ours.keys[n-1]
		mine, theirs := ourText(k, ours.contents[n-1]), peerText(o)
		if mine == theirs {
			same++
		} else if differ = true; k.name != g.differs {
			t.Fatalf("key %d\nours %.1000q\npeer %.1000q", n-1, mine, theirs)
		}
		return true
	})
	switch {
	case differ != (g.differs != ""):
		t.Errorf("the peer reads %q as we do: %s is not true any more", g.differs, g.why)
	case g.ends != "" && (err == nil || !strings.Contains(err.Error(), g.ends)):
		t.Errorf("the peer ends with %v: %q is not true any more", err, g.why)
	case g.ends == "" && (err != nil || n != len(ours.keys)):
		t.Errorf("%d keys, the peer has %d and ends with %v", len(ours.keys), n, err)
	}
	return same, len(ours.keys)
}

// withoutGaps cuts out of a dump what the peer cannot read: keys of types that
// it does not know, with metadata or plain nodes, and slots; and gives the dump
// a version that it knows. The checksum is wrong then.
func withoutGaps(t *testing.T, data []byte) []byte {
	r, err := openBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	r.SkipChecksum = true
	var out []byte
	from := 0
	drop := func(at, to int64) {
		out = append(out, data[from:at]...)
		from = int(to)
	}
	r.Wire = func(at int64, what, _ string) {
		switch what {
		case "SLOT_INFO", "HASH_TEMPLATE", "FUNCTION_PRE_GA":
			drop(at, r.Offset())
		}
	}
	for {
		k, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		bad := k.Meta > 0 || k.Type.Code > 25 || k.Type.Format == Zipmap
		for {
			p, err := r.Part()
			if err != nil {
				break
			}
			bad = bad || p.Kind == PartNode && p.Format == Plain || p.Format != Plain && p.Count < 0
		}
		if bad {
			drop(k.Offset, r.Offset())
		}
	}
	out = append(out, data[from:]...)
	if string(out[:5]) == "REDIS" && r.Info().Version > 12 {
		copy(out, "REDIS0012")
	}
	return out
}

// ourText and peerText put a key and its elements into one text, in an order of
// their own where a server has none.
func ourText(k seen, c content) string {
	kind := kindNames[k.typ.Kind]
	if k.typ.Kind == ModuleKind {
		kind = k.module
	}
	head := fmt.Sprintf("%d %s %q %d %d %d\n", k.db, kind, k.name, expireMs(k), k.idle, k.freq)
	var texts, fields []string
	var ttl []int64
	var scores []float64
	per := 1
	switch k.typ.Kind {
	case HashKind, ZSetKind:
		per = 2
	}
	if k.typ.Code == 23 || k.typ.Code == 25 {
		per = 3
	}
	for _, it := range c.items {
		switch {
		case it.packed || per == 1:
			texts = append(texts, it.text)
		case it.part == PartField, it.part == PartFieldValue, it.part == PartMember:
			texts = append(texts, it.text)
		case it.part == PartScore:
			scores = append(scores, it.score)
		case it.part == PartFieldTTL:
			ttl = append(ttl, it.expiry)
		}
	}
	switch k.typ.Kind {
	case ListKind:
		return head + fmt.Sprintf("%q", texts)
	case SetKind:
		slices.Sort(texts)
		return head + fmt.Sprintf("%q", texts)
	case HashKind:
		for i := 0; i+1 < len(texts); i += per {
			when := int64(0)
			if per == 3 {
				when, _ = strconv.ParseInt(texts[i+2], 10, 64)
			} else if len(ttl) > 0 && ttl[i/2] != NoExpiry {
				when = ttl[i/2]
			}
			fields = append(fields, fmt.Sprintf("%q=%q@%d", texts[i], texts[i+1], when))
		}
	case ZSetKind:
		if len(scores) > 0 {
			for i, s := range scores {
				fields = append(fields, fmt.Sprintf("%q=%x", texts[i], math.Float64bits(s)))
			}
			break
		}
		for i := 0; i+1 < len(texts); i += 2 {
			s, _ := strconv.ParseFloat(texts[i+1], 64)
			fields = append(fields, fmt.Sprintf("%q=%x", texts[i], math.Float64bits(s)))
		}
	case StringKind:
		return head + fmt.Sprintf("%q", texts)
	case StreamKind:
		return head + strconv.FormatInt(c.elements, 10)
	}
	slices.Sort(fields)
	return head + strings.Join(fields, "\n")
}

func peerText(o parser.RedisObject) string {
	ms := int64(-1)
	if e := o.GetExpiration(); e != nil {
		ms = e.UnixMilli()
	}
	idle, freq := int64(-1), int64(-1)
	if e, ok := o.(model.EvictionInfo); ok {
		idle, freq = e.GetIdleTime(), e.GetFreq()
	}
	head := fmt.Sprintf("%d %s %q %d %d %d\n", o.GetDBIndex(), o.GetType(), o.GetKey(), ms, idle, freq)
	var fields []string
	switch o := o.(type) {
	case *parser.StringObject:
		return head + fmt.Sprintf("%q", []string{string(o.Value)})
	case *parser.ListObject:
		return head + fmt.Sprintf("%q", o.Values)
	case *parser.SetObject:
		slices.SortFunc(o.Members, bytes.Compare)
		return head + fmt.Sprintf("%q", o.Members)
	case *parser.HashObject:
		for f, v := range o.Hash {
			fields = append(fields, fmt.Sprintf("%q=%q@%d", f, v, o.FieldExpirations[f]))
		}
	case *parser.ZSetObject:
		for _, e := range o.Entries {
			fields = append(fields, fmt.Sprintf("%q=%x", e.Member, math.Float64bits(e.Score)))
		}
	case *parser.StreamObject:
		return head + strconv.FormatUint(o.Length, 10)
	}
	slices.Sort(fields)
	return head + strings.Join(fields, "\n")
}
