package output

import (
	"cmp"
	"slices"
	"strings"
)

// A grid lays cells out in columns that fit a terminal: columns that matter
// least are left out first, then the flexible one is cut.

type gridColumn struct {
	head  string
	right bool
	flex  bool // takes the room that is left and is cut if there is none
	bar   bool // drawn from share
	drop  int  // 0: always there; higher ones go first
}

type gridCell struct {
	text         string
	st           style
	share, whole float64 // of a bar
}

type grid struct {
	columns []gridColumn
	rows    [][]gridCell
}

func (g *grid) row(cells ...gridCell) { g.rows = append(g.rows, cells) }

const (
	gridGap     = 2
	gridFlexMin = 20
	gridBarMin  = 8
	gridBarMax  = 24
)

// widths are the columns' widths in a terminal; -1 for what is left out.
func (g *grid) widths(width int) []int {
	widths := make([]int, len(g.columns))
	for i, c := range g.columns {
		if c.bar {
			widths[i] = gridBarMin
			continue
		}
		widths[i] = displayWidth(c.head)
		for _, row := range g.rows {
			widths[i] = max(widths[i], displayWidth(row[i].text))
		}
		if widths[i] == 0 {
			widths[i] = -1 // nothing in it
		}
	}
	need := func() int {
		sum := -gridGap
		for i, w := range widths {
			if w >= 0 {
				if g.columns[i].flex {
					w = min(w, gridFlexMin)
				}
				sum += w + gridGap
			}
		}
		return sum
	}
	for need() > width {
		worst := -1
		for i, c := range g.columns {
			if widths[i] >= 0 && c.drop > 0 && (worst < 0 || c.drop > g.columns[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		widths[worst] = -1
	}
	room := width + gridGap
	for _, w := range widths {
		if w >= 0 {
			room -= w + gridGap
		}
	}
	for i, c := range g.columns {
		if c.flex && widths[i] >= 0 && room < 0 {
			w := max(widths[i]+room, 1)
			room += widths[i] - w
			widths[i] = w
		}
	}
	// Still too wide: the widest give, whatever they hold.
	for room < 0 {
		w := slices.Index(widths, slices.Max(widths))
		if widths[w] <= 1 {
			break
		}
		widths[w]--
		room++
	}
	for i, c := range g.columns {
		if c.bar && widths[i] >= 0 && room > 0 {
			w := min(widths[i]+room, gridBarMax)
			room -= w - widths[i]
			widths[i] = w
		}
	}
	return widths
}

func (p *textPage) grid(g *grid, indent string) {
	if len(g.rows) == 0 {
		return
	}
	widths := g.widths(p.o.Width - displayWidth(indent))
	headed := false
	head := make([]gridCell, len(g.columns))
	for i, c := range g.columns {
		head[i] = gridCell{text: c.head, st: dim}
		headed = headed || c.head != ""
	}
	if headed {
		p.gridRow(g, widths, head, indent, true)
	}
	for _, row := range g.rows {
		p.gridRow(g, widths, row, indent, false)
	}
}

func (p *textPage) gridRow(g *grid, widths []int, row []gridCell, indent string, head bool) {
	var line strings.Builder
	line.WriteString(indent)
	gap := 0
	for i, w := range widths {
		if w < 0 {
			continue
		}
		text, st := middle(row[i].text, w), row[i].st
		if g.columns[i].bar && !head {
			text, st = bar(row[i].share, w), blue
		}
		text = strings.TrimRight(text, " ")
		pad := max(w-displayWidth(text), 0)
		if g.columns[i].right {
			gap += pad
			pad = 0
		}
		if text != "" {
			line.WriteString(strings.Repeat(" ", gap))
			line.WriteString(p.styled(text, st))
			gap = 0
		}
		gap += pad
		gap += gridGap
	}
	p.line(line.String())
}

// bar draws a share with block characters, an eighth of a column fine. What is
// not nothing shows.
func bar(share float64, width int) string {
	const eighths = "▏▎▍▌▋▊▉█"
	share = roundShare(share)
	n := int(min(max(share, 0), 1)*float64(width*8) + 0.5)
	if n == 0 && share > 0 {
		n = 1
	}
	s := strings.Repeat("█", n/8)
	if n%8 > 0 {
		s += eighths[(n%8-1)*3 : n%8*3]
	}
	return s
}

// sortBy sorts indexes by a number, stable.
func sortBy(s []int, key func(int) int64) {
	slices.SortStableFunc(s, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
}
