package rdbparse

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"rdbaudit/fixtures"
)

// TestTypes: every row of the table is read by a dump there is, or is marked
// untested and read here.
func TestTypes(t *testing.T) {
	met := map[Flavor]map[byte]bool{Redis: {}, Valkey: {}}
	for _, f := range fixtures.AsmAll(t) {
		res := readAll(bytes.NewReader(f.Data), parts)
		for _, k := range res.keys {
			met[res.info.Flavor][k.typ.Code] = true
		}
	}
	for _, f := range []Flavor{Redis, Valkey} {
		types := Types(f)
		if !slices.IsSortedFunc(types, func(a, b Type) int { return int(a.Code) - int(b.Code) }) {
			t.Errorf("%s: not in order", f)
		}
		names := map[string]bool{}
		for i, typ := range types {
			if i > 0 && typ.Code == types[i-1].Code || names[typ.Name] || typ.step == nil || typ.Since == "" || typ.Kind == StreamKind && typ.Level == 0 {
				t.Errorf("%s: %+v", f, typ)
			}
			names[typ.Name] = true
			if !met[Redis][typ.Code] && !met[f][typ.Code] && typ.Code != 33 && typ.Code != 64 {
				t.Errorf("%s: no dump has type %s", f, typ.Name)
			}
			if r := (&Reader{info: Info{Flavor: f}}); !r.typeOf(typ.Code, typ.Name) {
				t.Errorf("%s: type %d is not %s", f, typ.Code, typ.Name)
			}
		}
	}
	data, _ := fixtures.Asm(t, `REDIS0015
		21 str("gcra") len64(1700000000000000)
		40 str("cron") str("return 1") u64le(5) u64le(6) len(2) str("a") str("bc") len(1) str("d")
		40 str("none") str("return 2") u64le(5) u64le(6) len(0) len(0)
		00 str("k") str("v") ff crc()`)
	res := readAll(bytes.NewReader(data), full)
	if res.err != io.EOF || len(res.keys) != 4 || res.info.Checksum != ChecksumOK {
		t.Fatal(len(res.keys), res.err)
	}
	for i, want := range []int{1, 4, 1, 1} {
		if n := len(res.contents[i].items); n != want {
			t.Errorf("%s: %d parts, want %d", res.keys[i].name, n, want)
		}
	}
}

func (r *Reader) typeOf(code byte, name string) bool {
	r.index()
	return r.types[code] != nil && r.types[code].Name == name
}

// TestClone: a clone and its name outlive the reader's next key.
func TestClone(t *testing.T) {
	data, _ := fixtures.Asm(t, `REDIS0011 fa str("redis-ver") str("7.2.6") 00 str("first") str("v") 00 str("other") str("v") ff crc()`)
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := r.Info().AuxValue("redis-ver"); !ok || v != "7.2.6" {
		t.Errorf("redis-ver is %q", v)
	}
	if _, ok := r.Info().AuxValue("valkey-ver"); ok {
		t.Error("there is no valkey-ver")
	}
	k, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	clone := k.Clone()
	if k, err = r.Next(); err != nil || string(k.Name) != "other" || string(clone.Name) != "first" || clone.Offset >= k.Offset {
		t.Errorf("%q, then %q", clone.Name, k.Name)
	}
}

// TestOffsets: a key's offset is that of the first byte that belongs to it.
func TestOffsets(t *testing.T) {
	for _, text := range []string{
		`REDIS0011 fe len(0) fb len(1) len(0) @ 00 str("k") str("v") ff`,
		`REDIS0011 fe len(0) @ fc i64le(1) 00 str("k") str("v") ff`,
		`REDIS0011 @ fd i32le(1) f9 05 f8 06 00 str("k") str("v") ff`,
		`REDIS0013 f4 len(1) len(1) len(1) @ f9 05 f3 len(1) u32le(1) 02 01 00 00 str("k") str("v") ff`,
		`REDIS0011 @ fc i64le(1) fe len(5) fa str("a") str("b") 00 str("k") str("v") ff`,
		`VALKEY080 f3 str("job") len(1) len(0) len(5) @ fc i64le(1) 00 str("k") str("v") ff`,
	} {
		data, mark := fixtures.Asm(t, text)
		data = appendCRC(data)
		res := readAll(bytes.NewReader(data), parts)
		if res.err != io.EOF || len(res.keys) != 1 || res.keys[0].offset != int64(mark) {
			t.Errorf("%s: %v, %+v, want it at %d", text, res.err, res.keys, mark)
		}
	}
}

// TestWire: every record and part is told once, in order, with its place.
func TestWire(t *testing.T) {
	data, _ := fixtures.Asm(t, `REDIS0011 fa str("in") str("Info")
		fe len(0) fb len(1) len(0) fa str("a") str("b") fc i64le(1) 01 str("l") len(2) str("x") c0 05 03 str("z") len(1) str("m") 01 "2" f5 str("#!lua name=f") ff crc()`)
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	last := int64(-1)
	r.Wire = func(at int64, what, detail string) {
		told = append(told, what+" "+detail)
		if at <= last {
			t.Errorf("%s at %d after %d", what, at, last)
		}
		last = at
	}
	if _, err := consume(r, skipping); err != io.EOF {
		t.Fatal(err)
	}
	want := []string{
		"SELECTDB ", "RESIZEDB ", `AUX "a" "b"`, "EXPIRETIME_MS ", "LIST l", "element 1 bytes", "element 1 bytes", "ZSET z", "member 1 bytes", "score 2", "FUNCTION2 ", "EOF ",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q\nwant %q", told, want)
	}
}
