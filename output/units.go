package output

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// The functions of this file are the only ones that turn a number into words,
// so that one figure reads the same on the terminal, in the page and in Markdown.

// Bytes is a size with three significant digits: "812 B", "1.46 GiB".
func Bytes(n int64) string { return string(appendBytes(nil, n)) }

func appendBytes(dst []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		dst = append(dst, '-')
		u = -u
	}
	if u < 1024 {
		dst = strconv.AppendUint(dst, u, 10)
		return append(dst, " B"...)
	}
	const units = "KMGTPE"
	f, i := float64(u)/1024, 0
	for f >= 1023.5 && i < len(units)-1 {
		f /= 1024
		i++
	}
	prec := 0
	switch {
	case f < 9.995:
		prec = 2
	case f < 99.95:
		prec = 1
	}
	dst = strconv.AppendFloat(dst, f, 'f', prec, 64)
	return append(dst, ' ', units[i], 'i', 'B')
}

// Count is an integer with its digits in threes: "1,234,567".
func Count(n int64) string { return string(appendCount(nil, n)) }

func appendCount(dst []byte, n int64) []byte {
	var tmp [20]byte
	digits := strconv.AppendInt(tmp[:0], n, 10)
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, d)
	}
	return dst
}

// plural is a count with its noun: "1 key", "2,000 keys".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "ry"); ok {
		return Count(n) + " " + stem + "ries"
	}
	return Count(n) + " " + noun + "s"
}

// roundShare is the precision that every format gives a share, machine formats
// included: six digits, so that a report that was read back prints the same.
func roundShare(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 6, 64), 64)
	return r
}

// Share is a ratio in percent: "62 %", "0.4 %", "<0.1 %". What is not quite all
// never reads "100 %", and what is not nothing never "0 %".
func Share(f float64) string {
	r := roundShare(f)
	if r < 0 {
		return "-" + Share(-f)
	}
	switch p := r * 100; {
	case p == 0:
		return "0 %"
	case p < 0.1:
		return "<0.1 %"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	case p < 100 && p >= 99.5:
		return ">99 %"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
}

// ratio is part of whole as a share; 0 of nothing is 0.
func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Duration is a number of seconds by its two largest units: "3d 4h", "45s".
func Duration(s int64) string {
	u, sign := uint64(s), ""
	if s < 0 {
		u, sign = -u, "-"
	}
	units := [...]struct {
		secs uint64
		name byte
	}{{365 * 86400, 'y'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}
	for i, unit := range units {
		if u < unit.secs {
			continue
		}
		out := sign + strconv.FormatUint(u/unit.secs, 10) + string(unit.name)
		if i+1 < len(units) {
			if n := u % unit.secs / units[i+1].secs; n > 0 {
				out += " " + strconv.FormatUint(n, 10) + string(units[i+1].name)
			}
		}
		return out
	}
	return "0s"
}

// Time is a moment in RFC 3339, UTC, whole seconds.
func Time(ms int64) string {
	b := appendTime(nil, ms)
	return string(b[:len(b)-len(".000Z")]) + "Z"
}

// appendTime writes unix milliseconds as RFC 3339 with milliseconds, UTC. Every
// int64 has a text, because a dump may hold any: a year above 9999 has as many
// digits as it needs and a year before 0 a minus sign, both as ISO 8601 counts
// them (year 0 is 1 BC). parseTime reads all of it back.
func appendTime(dst []byte, ms int64) []byte {
	days, rest := ms/86400000, ms%86400000
	if rest < 0 {
		days--
		rest += 86400000
	}
	y, m, d := civil(days)
	if y < 0 {
		dst = append(dst, '-')
		y = -y
	}
	if y < 10000 {
		dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10))
	} else {
		dst = strconv.AppendInt(dst, y, 10)
	}
	s := rest / 1000
	dst = append2(append(dst, '-'), m)
	dst = append2(append(dst, '-'), d)
	dst = append2(append(dst, 'T'), s/3600)
	dst = append2(append(dst, ':'), s/60%60)
	dst = append2(append(dst, ':'), s%60)
	ms = rest % 1000
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// civil is the date of a day counted from 1970-01-01. The year is taken to start
// in March, so that the leap day is its last and the months' lengths follow a line.
func civil(days int64) (y, m, d int64) {
	const cycle = 146097 // days of 400 years
	days += 719468       // from 0000-03-01
	era := days / cycle
	if days < 0 && days%cycle != 0 {
		era--
	}
	doe := days - era*cycle
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	if m > 12 {
		m -= 12
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

// daysOf is the inverse of civil.
func daysOf(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 && y%400 != 0 {
		era--
	}
	yoe := y - era*400
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + (153*(m-3)+2)/5 + d - 1 - 719468
}

var errTime = errors.New("not a time of the form 2006-01-02T15:04:05.000Z")

// parseTime reads what appendTime writes.
func parseTime(s string) (int64, error) {
	body, sign := s, int64(1)
	if strings.HasPrefix(body, "-") {
		body, sign = body[1:], -1
	}
	i := strings.IndexByte(body, '-')
	if i < 4 || len(body) != i+len("-01-02T15:04:05.000Z") {
		return 0, errTime
	}
	const form = "-00-00T00:00:00.000Z"
	var v [6]int64
	n := 0
	tail := body[i:]
	for j := 0; j < len(form); j++ {
		switch {
		case form[j] != '0':
			if tail[j] != form[j] {
				return 0, errTime
			}
			n++
		case tail[j] < '0' || tail[j] > '9':
			return 0, errTime
		default:
			v[n-1] = v[n-1]*10 + int64(tail[j]-'0')
		}
	}
	y, err := strconv.ParseInt(body[:i], 10, 40)
	if err != nil || y > 300_000_000 {
		return 0, errTime
	}
	ms := ((v[2]*60+v[3])*60+v[4])*1000 + v[5]
	days := daysOf(sign*y, v[0], v[1])
	// One day more, then back: the first day of all is not a whole one.
	if days < 0 {
		return (days+1)*86400000 + (ms - 86400000), nil
	}
	return days*86400000 + ms, nil
}
