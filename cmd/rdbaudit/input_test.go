package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"rdbaudit/fixtures"
)

func pack(t *testing.T, kind string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "gz":
		w = gzip.NewWriter(&b)
	case "zst":
		w, err = zstd.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	}
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

var packings = []string{"gz", "zst", "lz4", "xz"}

// withoutSource drops the last column, which names the dump.
func withoutSource(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(line[:strings.LastIndexByte(line, ',')] + "\n")
	}
	return b.String()
}

// TestInputs: the same dump by any way in gives the same rows.
func TestInputs(t *testing.T) {
	inDir(t)
	data := fixtures.Get(t, edges).Data
	write(t, "a.rdb", data)
	want := withoutSource(good(t, "keys", "a.rdb"))
	from := func(r result) string {
		t.Helper()
		require.Empty(t, r.stderr)
		require.Zero(t, r.status)
		return withoutSource(r.stdout)
	}
	require.Equal(t, want, from(runWith(bytes.NewReader(data), "keys", "-")))
	write(t, "dir/one/deep/a.rdb", data)
	write(t, "dir/one/notes.txt", []byte("no dump"))
	write(t, "dir/.hidden", []byte("no dump either"))
	require.Equal(t, want, from(rdbaudit("keys", "dir")))
	require.Equal(t, want, from(rdbaudit("keys", "dir/one/deep/*.rdb")))
	require.Equal(t, want, from(rdbaudit("keys", "d*/o*/d*/?.[r]db")))
	write(t, "no-ending", data)
	write(t, "dir2/no-ending", data)
	require.Equal(t, want, from(rdbaudit("keys", "no-ending")))
	require.Equal(t, want, from(rdbaudit("keys", "dir2")), "known by its first bytes")
	write(t, "odd[name]*.rdb", data)
	require.Equal(t, want, from(rdbaudit("keys", "odd[name]*.rdb")), "a file of that name comes before a glob")

	for _, kind := range packings {
		packed := pack(t, kind, data)
		write(t, kind+"/dump.rdb."+kind, packed)
		write(t, kind+".bin", packed)
		require.Equal(t, want, from(rdbaudit("keys", kind+".bin")), "known by its first bytes, not by its name")
		require.Equal(t, want, from(runWith(bytes.NewReader(packed), "keys", "-")))
		require.Equal(t, want, from(rdbaudit("keys", kind)), "a directory")
		require.Contains(t, good(t, "verify", kind+".bin"), "ok\t"+kind+".bin\tREDIS0011\tredis 7.2.6\t1159\t1940188\tok\t")

		// Cut anywhere, it is damage with a place, never a panic or a good end.
		for _, n := range []int{len(packed) / 2, len(packed) * 9 / 10, 40, 7} {
			write(t, "cut.bin", packed[:n])
			r := rdbaudit("report", "cut.bin")
			require.Contains(t, []int{exitDamaged, exitFailed}, r.status, "%s cut at %d: %s", kind, n, r.stderr)
			require.Regexp(t, `^rdbaudit: cut.bin: (offset \d+: )?(the compressed file ends too early|the file ends too early|damaged compression)`, r.stderr, "%s cut at %d", kind, n)
			require.Equal(t, 1, strings.Count(r.stderr, "\n"))
		}
		broken := bytes.Clone(packed)
		for i := len(broken) / 3; i < len(broken)/3+40; i++ {
			broken[i] ^= 0x5a
		}
		write(t, "broken.bin", broken)
		r := rdbaudit("verify", "broken.bin")
		require.Contains(t, []int{exitDamaged, exitFailed}, r.status, kind)
		write(t, "other.bin", pack(t, kind, []byte("some text")))
		require.Contains(t, rdbaudit("other.bin").stderr, `not an RDB file: it starts with "some text"`)
	}
	// A second member of a gzip file is more of the same file.
	half := len(data) / 2
	write(t, "two.gz", append(pack(t, "gz", data[:half]), pack(t, "gz", data[half:])...))
	require.Equal(t, want, from(rdbaudit("keys", "two.gz")))
}

// TestSomeBad: one bad file among good ones is named, and the others are read.
func TestSomeBad(t *testing.T) {
	inDir(t)
	write(t, "d/a.rdb", fixtures.Get(t, shop).Data)
	write(t, "d/b/b.rdb", fixtures.Get(t, edges).Data)
	write(t, "d/c.rdb", nil)
	write(t, "d/d.rdb", []byte("garbage"))
	write(t, "d/e.rdb.gz", pack(t, "gz", []byte("garbage too")))
	require.NoError(t, os.Symlink("nowhere", "d/f.rdb"))
	r := rdbaudit("report", "d", "-o", "r.json")
	require.Equal(t, exitDamaged, r.status)
	for _, bad := range []string{"d/c.rdb: offset 0: the file ends too early: the file is empty", `d/d.rdb: offset 0: not an RDB file: it starts with "garbage"`,
		`d/e.rdb.gz: offset 0: not an RDB file: it starts with "garbage t`} {
		require.Contains(t, r.stderr, "rdbaudit: "+bad)
	}
	require.Equal(t, 3, strings.Count(r.stderr, "\n"), r.stderr)
	require.EqualValues(t, 1891+1159, parseReport(t, read(t, "r.json")).Totals.Keys)
	require.Equal(t, exitDamaged, rdbaudit("keys", "d").status)
	require.Equal(t, exitDamaged, rdbaudit("verify", "d").status)
	require.Equal(t, 5, strings.Count(rdbaudit("verify", "d").stdout, "\n"))
	r = rdbaudit("key", "d", "user:1", "db3:1")
	require.Contains(t, r.stdout, "dump             d/a.rdb\n")

	if os.Getuid() != 0 { // root may read all files
		require.NoError(t, os.Chmod("d/c.rdb", 0))
		require.Contains(t, rdbaudit("d").stderr, "d/c.rdb: permission denied")
	}
}

// TestTar: an archive is refused, with what to do instead.
func TestTar(t *testing.T) {
	inDir(t)
	data := fixtures.Get(t, shop).Data
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "dump.rdb", Mode: 0o644, Size: int64(len(data))}))
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	write(t, "backup.tar", b.Bytes())
	r := rdbaudit("backup.tar")
	require.Equal(t, exitFailed, r.status)
	require.Equal(t, "rdbaudit: backup.tar: a tar archive; pipe the dump out of it: tar -xO -f backup.tar NAME.rdb | rdbaudit -\n", r.stderr)
	for _, kind := range packings {
		name := "backup.tar." + kind
		write(t, name, pack(t, kind, b.Bytes()))
		r := rdbaudit(name)
		require.Equal(t, exitFailed, r.status)
		require.Contains(t, r.stderr, "a tar archive; pipe the dump out of it: tar -xO -f "+name, kind)
	}
	r = runWith(bytes.NewReader(b.Bytes()), "-")
	require.Contains(t, r.stderr, "tar -xO NAME.rdb | rdbaudit -")
}

// TestSeveralOutputs: all formats of one run have the same numbers.
func TestSeveralOutputs(t *testing.T) {
	inDir(t, shop)
	require.Empty(t, good(t, "-q", shop+".rdb", "-o", "r.json", "-o", "p.csv", "-o", "csv:types=types.csv", "-o", "html=page", "-o", "r.html", "-o", "r.md", "-o", "r.prom", "-o", "text=r"))
	want := reportJSON(t, shop+".rdb")
	require.Equal(t, want, parseReport(t, read(t, "r.json")))
	require.Equal(t, good(t, shop+".rdb"), read(t, "r"))
	require.Equal(t, read(t, "page"), read(t, "r.html"))
	require.Equal(t, good(t, shop+".rdb", "--format", "csv"), read(t, "p.csv"))
	require.Equal(t, want.Totals.Bytes, parseTable(t, read(t, "types.csv")).sum(t, "bytes"))
	require.Equal(t, want.Totals.Bytes, keysTable(t, shop+".rdb").sum(t, "allocated_bytes"))
	require.Equal(t, good(t, shop+".rdb"), good(t, "-o", "-", shop+".rdb"), "- alone is the summary")
	require.Equal(t, good(t, shop+".rdb", "--format", "json"), good(t, "-o", "-", "--format", "json", shop+".rdb"))
	// The ending is enough for rows per key too.
	good(t, "keys", shop+".rdb", "-o", "k.ndjson")
	require.Equal(t, good(t, "keys", "--format", "ndjson", shop+".rdb"), read(t, "k.ndjson"))
	require.Empty(t, good(t, "-q", shop+".rdb"))
}
