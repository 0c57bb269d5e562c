package output

import (
	"bufio"
	"io"
	"strconv"

	"rdbaudit/aggregate"
)

// writeCSV writes one table: its column names, then a line per row.
func writeCSV(w io.Writer, t *aggregate.Table) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for i, c := range t.Columns {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, c.Name...)
	}
	bw.Write(append(line, '\n'))
	for _, row := range t.Rows {
		line = line[:0]
		for i := range t.Columns {
			if i > 0 {
				line = append(line, ',')
			}
			line = appendCSVCell(line, t.Columns[i].Kind, &row[i])
		}
		if len(line) == 0 { // readers take an empty line for no row
			line = append(line, `""`...)
		}
		if _, err := bw.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return bw.Flush()
}

func appendCSVCell(dst []byte, kind aggregate.Kind, c *aggregate.Cell) []byte {
	switch {
	case c.Null:
		return dst
	case kind == aggregate.Text || kind == aggregate.Name:
		if c.S == "" && kind == aggregate.Text {
			return dst
		}
		start := len(dst)
		return quoteCSV(appendClean(dst, c.S), start)
	case kind == aggregate.Share:
		return appendShare(dst, c.F)
	}
	return appendNumber(dst, kind, c.I)
}

// appendShare writes a ratio for machines: six digits.
func appendShare(dst []byte, f float64) []byte {
	return strconv.AppendFloat(dst, roundShare(f), 'f', -1, 64)
}

// WriteTableCSV writes one table as CSV.
func WriteTableCSV(w io.Writer, t *aggregate.Table) error { return writeCSV(w, t) }
