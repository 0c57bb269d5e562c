package aggregate

// Kind says what the cells of a column are, so that each format can print them its own way.
type Kind uint8

const (
	Text    Kind = iota // a tagged text: types, encodings, names of our own making
	Name                // key or pattern text in the reversible form of AppendEscaped
	Count               // a number of things
	Bytes               // a number of bytes
	Share               // a ratio between 0 and 1
	Time                // unix milliseconds
	Seconds             // a duration in seconds
	Flag                // 0 or 1
)

// Column describes one column of a Table. Names are the contract's: they do
// not change between releases.
type Column struct {
	Name string
	Kind Kind
	Doc  string // one line for help, schema and column heads' tooltips
}

// Cell is one value: Text and Name use S, Share uses F, all other kinds use I.
type Cell struct {
	S    string
	I    int64
	F    float64
	Null bool // nothing known: an empty field, null in JSON
}

// Table is what an analysis ends in and what every output format prints.
// Rows are sorted, with ties broken down to the last byte, so that equal
// inputs give equal bytes.
type Table struct {
	Name    string // stable, lower case: csv:NAME=PATH
	Title   string // for people
	Columns []Column
	Rows    [][]Cell
	Notes   []string // caps that bit, what was folded, what the dump does not say
}
