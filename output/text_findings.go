package output

// findings shows what looks wrong: the largest savings first, each with its
// evidence and what to do.
func (p *textPage) findings() {
	v := p.r.view("findings")
	if v == nil || len(v.Rows) == 0 {
		return
	}
	p.head("findings", "saves, of "+p.r.measureName())
	top := p.top(5)
	for row := range v.Rows {
		if row == top {
			break
		}
		saves := "-"
		if n := v.int(row, "saves"); n > 0 {
			saves = Bytes(n)
		}
		text := func(column string) string { return prose(v.cell(row, column).S) }
		spans := []span{{saves, figure}, {" " + text("finding") + " ", plain}}
		if pattern := v.cell(row, "pattern").S; pattern != "" {
			spans = append(spans, span{pattern, name})
		}
		p.para("  ", spans, normal)
		p.para("      ", []span{{Count(v.int(row, "keys")) + " keys, " + Bytes(v.int(row, "bytes")) + ": " + text("evidence") + ".", plain}}, normal)
		p.para("      ", []span{{text("advice") + ".", plain}}, dim)
	}
	if left := len(v.Rows) - top; left > 0 {
		p.para("  ", []span{{"and " + Count(int64(left)) + " more; rdbaudit explain KIND says what each means", plain}}, dim)
	}
}
