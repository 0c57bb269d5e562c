package output

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// parquetTable is a Parquet file as texts, in which CSV and Parquet are
// compared: numbers as they are, moments in milliseconds, nil for null.
type parquetTable struct {
	names []string
	rows  [][]*string
}

// readParquet reads with the library that wrote.
func readParquet(t *testing.T, data []byte) (p parquetTable) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Schema().Columns() {
		p.names = append(p.names, c[0])
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				cells := make([]*string, len(p.names))
				for _, v := range row {
					switch {
					case v.IsNull():
						continue
					case v.Kind() == parquet.Boolean:
						cells[v.Column()] = new(map[bool]string{true: "1", false: "0"}[v.Boolean()])
					case v.Kind() == parquet.Double:
						cells[v.Column()] = new(strconv.FormatFloat(v.Double(), 'g', -1, 64))
					default:
						cells[v.Column()] = new(strings.Clone(v.String()))
					}
				}
				p.rows = append(p.rows, cells)
			}
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
	}
	return p
}

// readDuckDB reads with DuckDB, which shares no code with us or the library.
func readDuckDB(t *testing.T, data []byte) (p parquetTable) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "it's.parquet")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/duckdb/read.mjs", path)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("DuckDB: %v\n%s", err, errs.String())
	}
	lines := bufio.NewReader(bytes.NewReader(out))
	d := json.NewDecoder(lines)
	if err := d.Decode(&p.names); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		var row []*string
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		p.rows = append(p.rows, row)
	}
	return p
}

// sameAsCSV holds a Parquet file against the CSV of the same rows.
func sameAsCSV(t *testing.T, p parquetTable, kinds []aggregate.Kind, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.names, rows[0]) || len(p.rows) != len(rows)-1 {
		t.Fatalf("%d rows of %q, CSV has %d of %q", len(p.rows), p.names, len(rows)-1, rows[0])
	}
	for i, row := range rows[1:] {
		for j, want := range row {
			if kinds[j] == aggregate.Time && want != "" {
				ms, err := parseTime(want)
				if err != nil {
					t.Fatal(err)
				}
				want = strconv.FormatInt(min(max(ms, parquetFirst), parquetLast), 10)
			}
			got := ""
			if p.rows[i][j] != nil {
				got = *p.rows[i][j]
			}
			if kinds[j] == aggregate.Share && want != "" {
				a, _ := strconv.ParseFloat(want, 64)
				b, err := strconv.ParseFloat(got, 64)
				if a != b || err != nil {
					t.Errorf("row %d: %s is %q, in CSV %q", i, p.names[j], got, want)
				}
			} else if got != want {
				t.Errorf("row %d: %s is %q, in CSV %q", i, p.names[j], got, want)
			}
		}
	}
}

// parquetFiles are files with the CSV of the same: rows per key, and all
// tables of some reports.
func parquetFiles(t *testing.T, check func(data []byte, kinds []aggregate.Kind, text string)) {
	rng := rand.New(rand.NewPCG(31, 32))
	var kinds []aggregate.Kind
	for _, c := range keyColumns {
		kinds = append(kinds, c.Kind)
	}
	var records []*estimate.Record
	for i := range 3000 {
		name := hostileNames[i%len(hostileNames)]
		rec := record(name + strconv.Itoa(rng.IntN(1000)))
		if i%3 == 0 {
			rec = unknownRecord(name)
		}
		rec.Size, rec.Expiry = int64(rng.Uint64()>>rng.IntN(60)>>1), rec.Expiry+int64(i)
		switch {
		case i%3 == 0:
			rec.Expiry = estimate.NoExpiry
		case i%100 == 1:
			rec.Expiry = int64(rng.Uint64())
		}
		records = append(records, rec)
	}
	check([]byte(writeKeys(t, KeyOptions{Format: "parquet"}, records...)), kinds, writeKeys(t, KeyOptions{}, records...))
	check([]byte(writeKeys(t, KeyOptions{Format: "parquet"})), kinds, writeKeys(t, KeyOptions{}))
	for _, r := range []*Report{sampleReport(), randomReport(rng)} {
		for i := range r.Tables {
			table := &r.Tables[i]
			if len(table.Columns) == 0 {
				continue
			}
			var kinds []aggregate.Kind
			for _, c := range table.Columns {
				kinds = append(kinds, c.Kind)
			}
			check([]byte(render(t, "parquet:"+table.Name, r)), kinds, render(t, "csv:"+table.Name, r))
		}
	}
}

func TestParquet(t *testing.T) {
	parquetFiles(t, func(data []byte, kinds []aggregate.Kind, text string) {
		sameAsCSV(t, readParquet(t, data), kinds, text)
	})
}

func TestParquetInDuckDB(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node here: Parquet was not read with DuckDB (output/testdata/duckdb)")
	}
	if _, err := os.Stat("testdata/duckdb/node_modules/@duckdb/node-api"); err != nil {
		t.Skip("DuckDB is not installed: (cd output/testdata/duckdb && npm install --ignore-scripts)")
	}
	n := 0
	parquetFiles(t, func(data []byte, kinds []aggregate.Kind, text string) {
		sameAsCSV(t, readDuckDB(t, data), kinds, text)
		n++
	})
	if n < 10 {
		t.Errorf("%d files", n)
	}
}

// Row groups bound what a writer holds; texts that repeat are held once, and
// equal rows give equal files.
func TestParquetShape(t *testing.T) {
	n := parquetRows + 1000
	write := func() []byte {
		var b bytes.Buffer
		w, err := NewKeyWriter(&b, KeyOptions{Format: "parquet"})
		if err != nil {
			t.Fatal(err)
		}
		rec := record("")
		for i := range n {
			rec.Key = fmt.Appendf(rec.Key[:0], "user:%d:name", i)
			if err := w.Add(rec, []byte("user:{num}:name"), "team", "dump.rdb"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	data := write()
	if !bytes.Equal(data, write()) {
		t.Error("the same rows give another file")
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if f.NumRows() != int64(n) || len(f.RowGroups()) != 2 {
		t.Errorf("%d rows in %d groups", f.NumRows(), len(f.RowGroups()))
	}
	for _, c := range f.Metadata().RowGroups[0].Columns {
		name := c.MetaData.PathInSchema[0]
		dictionary := false
		for _, e := range c.MetaData.Encoding {
			dictionary = dictionary || e.String() == "RLE_DICTIONARY"
		}
		text := slices.ContainsFunc(keyColumns, func(k KeyColumn) bool { return k.Name == name && k.number == noNumber && name != "key" })
		if c.MetaData.Codec.String() != "ZSTD" || dictionary != text {
			t.Errorf("%s: %s, dictionary %v", name, c.MetaData.Codec, dictionary)
		}
	}
	if per := len(data) / n; per > 20 {
		t.Errorf("%d bytes a key", per)
	}
}

// A long name is in the file once: not in the heads of pages, nor in an index
// that the writer holds to the end.
func TestParquetLongNames(t *testing.T) {
	var b bytes.Buffer
	w, err := NewKeyWriter(&b, KeyOptions{Format: "parquet"})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rec := record("")
	names := 0
	for range 30 {
		rec.Key = rec.Key[:0]
		for range 100_000 {
			rec.Key = append(rec.Key, byte('a'+rng.IntN(26)))
		}
		names += len(rec.Key)
		if err := w.Add(rec, []byte("{long}"), "", "dump.rdb"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Len() > names+names/10 {
		t.Errorf("%d bytes of names make a file of %d bytes", names, b.Len())
	}
}

// parquetText is a Parquet file for a golden file: its bytes change with the library.
func parquetText(t *testing.T, data string) string {
	p := readParquet(t, []byte(data))
	f, err := parquet.OpenFile(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, f.Schema())
	for _, row := range p.rows {
		for j, c := range row {
			if j > 0 {
				b.WriteByte('\t')
			}
			if c == nil {
				b.WriteString("null")
			} else {
				fmt.Fprintf(&b, "%q", *c)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
