package rdbparse

import (
	"bytes"
	"io"
	"testing"

	"rdbaudit/fixtures"
)

var kindNames = map[Kind]string{
	StringKind: "string", ListKind: "list", SetKind: "set", ZSetKind: "zset", HashKind: "hash", StreamKind: "stream", OtherKind: "array",
}

func typeName(k seen) string {
	if k.typ.Kind == ModuleKind {
		return "module:" + k.module
	}
	return kindNames[k.typ.Kind]
}

func expireMs(k seen) int64 {
	if k.expiry == NoExpiry {
		return -1
	}
	return k.expiry
}

// TestAsmAll reads the dumps written by hand and finds what they say they hold.
func TestAsmAll(t *testing.T) {
	for _, f := range fixtures.AsmAll(t) {
		t.Run(f.Name, func(t *testing.T) {
			res := readAll(bytes.NewReader(f.Data), deep)
			if res.err != io.EOF {
				t.Fatal(res.err)
			}
			for _, err := range res.soft {
				t.Error(err)
			}
			if len(res.keys) != len(f.Keys) {
				t.Fatalf("%d keys, want %d", len(res.keys), len(f.Keys))
			}
			for i, want := range f.Keys {
				k := res.keys[i]
				got := fixtures.AsmKey{DB: k.db, Type: typeName(k), Key: k.name, Elements: res.contents[i].elements, ExpireMs: expireMs(k)}
				if got != want {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
				if k.typ.Untested && !f.Untested {
					t.Errorf("type %s is marked untested, this file is not", k.typ.Name)
				}
			}
			switch sum := res.info.Checksum; {
			case f.Data[5] == '0' && res.info.Version < 5, f.Name == "v10-stored-zero-checksum":
				if sum != ChecksumAbsent {
					t.Errorf("checksum %s", sum)
				}
			case sum != ChecksumOK:
				t.Errorf("checksum %s", sum)
			}
		})
	}
}

// TestTruths reads the dumps of real servers and finds the keys that those say
// they wrote.
func TestTruths(t *testing.T) {
	for i, truth := range fixtures.Truths(t) {
		if i%((thin+1)/2) != 0 { // as in someServers
			continue
		}
		if !truth.Own || truth.Name != truth.Dump.Name {
			continue
		}
		t.Run(truth.Name, func(t *testing.T) {
			t.Parallel()
			res := readAll(bytes.NewReader(truth.Dump.Data), deep)
			if res.err != io.EOF {
				t.Fatal(res.err)
			}
			for _, err := range res.soft {
				t.Error(err)
			}
			sum := ChecksumOK
			if truth.Options["rdbchecksum"] == "no" {
				sum = ChecksumAbsent
			}
			if res.info.Checksum != sum || res.info.Trailing != TrailingNone || res.end != int64(len(truth.Dump.Data)) {
				t.Errorf("checksum %s, then %s, at %d of %d", res.info.Checksum, res.info.Trailing, res.end, len(truth.Dump.Data))
			}
			if n := uint64(len(res.keys)); res.info.HintKeys != n {
				t.Errorf("%d keys, the dump announces %d", n, res.info.HintKeys)
			}
			type id struct {
				db  uint64
				key string
			}
			want := map[id]fixtures.Row{}
			for _, row := range truth.Rows {
				want[id{row.DB, string(row.Key)}] = row
			}
			expires := uint64(0)
			for i, k := range res.keys {
				if k.expiry != NoExpiry {
					expires++
				}
				row, ok := want[id{k.db, k.name}]
				if !ok {
					t.Errorf("key %q of database %d is not among the server's", k.name, k.db)
					continue
				}
				delete(want, id{k.db, k.name})
				off := int64(0)
				if truth.Line == "redis-6.2" && row.ExpireMs >= 0 { // it has no PEXPIRETIME: a time and a rest were added up
					off = 20
				}
				if diff := expireMs(k) - row.ExpireMs; diff < -off || diff > off || k.typ.Kind != ModuleKind && typeName(k) != row.Type {
					t.Errorf("key %q: %s, expires %d, want %s, %d", k.name, typeName(k), expireMs(k), row.Type, row.ExpireMs)
				}
				if k.typ.Untested {
					t.Errorf("type %s is marked untested", k.typ.Name)
				}
				if res.contents[i].elements == 0 && row.Type != "stream" {
					t.Errorf("key %q is empty", k.name)
				}
			}
			for k := range want {
				t.Errorf("key %q of database %d was not seen", k.key, k.db)
			}
			if expires != res.info.HintExpires {
				t.Errorf("%d keys expire, the dump announces %d", expires, res.info.HintExpires)
			}
		})
	}
}

// TestDepths: what is read of a value does not change which keys there are,
// where they stand and where the dump ends.
func TestDepths(t *testing.T) {
	forAll(t, func(t *testing.T, data []byte) {
		want := readAll(bytes.NewReader(data), full)
		for d := range full {
			sameResult(t, d.String(), readAll(bytes.NewReader(data), d), want)
		}
	})
}

// forAll runs a test over each dump there is.
func forAll(t *testing.T, run func(t *testing.T, data []byte)) {
	for _, f := range fixtures.AsmAll(t) {
		t.Run(f.Name, func(t *testing.T) { t.Parallel(); run(t, f.Data) })
	}
	for _, f := range someServers(t) {
		t.Run(f.Name, func(t *testing.T) { t.Parallel(); run(t, f.Data) })
	}
}

// someServers is every dump of a server, or some where that would take too long.
func someServers(t *testing.T) []fixtures.Fixture {
	all := fixtures.All(t)
	n := 0
	for i := 0; i < len(all); i += (thin + 1) / 2 {
		all[n] = all[i]
		n++
	}
	return all[:n]
}
