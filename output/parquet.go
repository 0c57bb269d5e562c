package output

import (
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// Parquet files hold the same columns as CSV, by the same names: texts as UTF-8
// with a dictionary, numbers as 64-bit integers, shares as doubles, moments as
// timestamps in milliseconds, UTC. What is not known is null.

// A dump may name any moment. Readers count in microseconds, and one value that
// they cannot hold makes DuckDB refuse the whole column: moments before the year
// -290308 or after 294246 become the first or last that it takes.
const (
	parquetFirst = -9223372022400000
	parquetLast  = 9223372036854775
)

const (
	parquetRows  = 64 << 10 // of a row group: what a writer holds in memory
	parquetBatch = 256      // rows handed to the library at a time
	parquetHeld  = 16 << 20 // bytes of texts in a row group: of names of usual length, less than 64 Ki rows have
)

// parquetGroup is a schema whose columns stay in their order; the library's own
// sorts them, and makes a Go type of their names, which may be anything here.
type parquetGroup struct{ fields []parquet.Field }

func (g *parquetGroup) ID() int                     { return 0 }
func (g *parquetGroup) String() string              { return "columns" }
func (g *parquetGroup) Type() parquet.Type          { return parquet.Group{}.Type() }
func (g *parquetGroup) Optional() bool              { return false }
func (g *parquetGroup) Repeated() bool              { return false }
func (g *parquetGroup) Required() bool              { return true }
func (g *parquetGroup) Leaf() bool                  { return false }
func (g *parquetGroup) Fields() []parquet.Field     { return g.fields }
func (g *parquetGroup) Encoding() encoding.Encoding { return nil }
func (g *parquetGroup) Compression() compress.Codec { return nil }
func (g *parquetGroup) GoType() reflect.Type        { return reflect.TypeFor[struct{}]() }

type parquetField struct {
	parquet.Node
	name string
}

func (f *parquetField) Name() string                      { return f.name }
func (f *parquetField) Value(reflect.Value) reflect.Value { return reflect.Value{} } // rows come as values, not as Go types

// parquetWriter gathers rows and writes them in batches.
type parquetWriter struct {
	w     *parquet.GenericWriter[any]
	kinds []aggregate.Kind
	rows  []parquet.Row
	cells []parquet.Value
	text  []byte // of the rows gathered
	held  int    // bytes of texts in the row group that is being made
}

// newParquetWriter makes a file of these columns. Plain says of a column that
// its values hardly repeat.
func newParquetWriter(w io.Writer, name string, columns []aggregate.Column, plain func(aggregate.Column) bool) *parquetWriter {
	g := &parquetGroup{}
	p := &parquetWriter{}
	options := []parquet.WriterOption{parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.MaxRowsPerRowGroup(parquetRows), parquet.CreatedBy("rdbaudit", "1", "0")}
	for _, c := range columns {
		var node parquet.Node
		switch c.Kind {
		case aggregate.Text, aggregate.Name:
			node = parquet.String()
			if !plain(c) {
				node = parquet.Encoded(node, &parquet.RLEDictionary)
			} else {
				// The library holds the bounds of all pages to the end, and writes
				// them four times into the head of each: with names of a megabyte
				// that is most of the file.
				options = append(options, parquet.SkipPageBounds(c.Name), parquet.SkipPageStatistics(c.Name))
			}
		case aggregate.Share:
			node = parquet.Leaf(parquet.DoubleType)
		case aggregate.Flag:
			node = parquet.Leaf(parquet.BooleanType)
		case aggregate.Time:
			node = parquet.Timestamp(parquet.Millisecond)
		default:
			node = parquet.Int(64)
		}
		g.fields = append(g.fields, &parquetField{parquet.Optional(node), c.Name})
		p.kinds = append(p.kinds, c.Kind)
	}
	p.w = parquet.NewGenericWriter[any](w, append(options, parquet.NewSchema(name, g))...)
	return p
}

// cell appends one value of the row that is being gathered. Text is copied.
func (p *parquetWriter) cell(known bool, n int64, f float64, text []byte) {
	column := len(p.cells) % len(p.kinds)
	var v parquet.Value
	if !known {
		p.cells = append(p.cells, parquet.NullValue().Level(0, 0, column))
		return
	}
	switch p.kinds[column] {
	case aggregate.Text, aggregate.Name:
		from := len(p.text)
		p.text = append(p.text, text...)
		v = parquet.ByteArrayValue(p.text[from:len(p.text):len(p.text)])
	case aggregate.Share:
		v = parquet.DoubleValue(f)
	case aggregate.Flag:
		v = parquet.BooleanValue(n != 0)
	case aggregate.Time:
		v = parquet.Int64Value(min(max(n, parquetFirst), parquetLast))
	default:
		v = parquet.Int64Value(n)
	}
	p.cells = append(p.cells, v.Level(0, 1, column))
}

// end ends a row.
func (p *parquetWriter) end() error {
	if len(p.cells) < parquetBatch*len(p.kinds) && len(p.text) < rowBufferKeep {
		return nil
	}
	return p.flush()
}

func (p *parquetWriter) flush() error {
	p.rows = p.rows[:0]
	for row := range slices.Chunk(p.cells, len(p.kinds)) {
		p.rows = append(p.rows, row)
	}
	_, err := p.w.WriteRows(p.rows)
	if p.held += len(p.text); p.held > parquetHeld && err == nil { // long names make small row groups
		p.held, err = 0, p.w.Flush()
	}
	p.cells, p.text = p.cells[:0], p.text[:0]
	if cap(p.text) > 2*rowBufferKeep {
		p.text = nil
	}
	return err
}

func (p *parquetWriter) close() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.w.Close()
}

// tableParquet writes one table of a report.
func tableParquet(name string) func(io.Writer, *Report) error {
	return func(w io.Writer, r *Report) error {
		t := r.Table(name)
		if t == nil {
			return r.noTable(name)
		}
		if len(t.Columns) == 0 {
			return fmt.Errorf("table %q has no columns", name)
		}
		p := newParquetWriter(w, t.Name, t.Columns, func(aggregate.Column) bool { return false })
		for _, row := range t.Rows {
			for i := range row {
				c := &row[i]
				p.cell(!c.Null, c.I, roundShare(c.F), []byte(clean(c.S)))
			}
			if err := p.end(); err != nil {
				return err
			}
		}
		return p.close()
	}
}

// parquetKeys writes rows per key as a Parquet file.
type parquetKeys struct {
	*parquetWriter
	row     keyRow
	scratch []byte
}

func newParquetKeys(b *rowBuffer, o *KeyOptions) (KeyWriter, error) {
	row, err := newKeyRow(o)
	var columns []aggregate.Column
	for _, c := range keyColumns {
		columns = append(columns, aggregate.Column{Name: c.Name, Kind: c.Kind})
	}
	plain := func(c aggregate.Column) bool { return c.Name == "key" }
	return &parquetKeys{parquetWriter: newParquetWriter(b.w, "keys", columns, plain), row: row}, err
}

func (k *parquetKeys) Add(rec *estimate.Record, pattern []byte, owner, source string) error {
	k.row.set(rec, pattern, owner, source)
	for i := range keyColumns {
		c := &keyColumns[i]
		if c.number != noNumber {
			n := k.row.numbers[c.number]
			known := n != unknown
			k.cell(known, n, 0, nil)
			continue
		}
		k.scratch = c.text(k.scratch[:0], &k.row)
		k.cell(true, 0, 0, k.scratch)
	}
	if cap(k.scratch) > rowBufferKeep {
		k.scratch = nil
	}
	return k.end()
}

func (k *parquetKeys) Close() error { return k.close() }
