package output

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// promSample is a line of the text format.
type promSample struct {
	metric string
	labels map[string]string
	value  float64
}

var promMetric = regexp.MustCompile(`^rdbaudit_[a-z][a-z_]*$`)

// parseProm reads Prometheus' text format as strictly as a collector does.
func parseProm(text string) (samples []promSample, err error) {
	if !strings.HasSuffix(text, "\n") || !utf8.ValidString(text) {
		return nil, fmt.Errorf("no line feed at the end, or bytes that are no UTF-8")
	}
	metric, typed := "", false
	done, seen := map[string]bool{}, map[string]bool{}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(format string, args ...any) ([]promSample, error) {
			return nil, fmt.Errorf("line %d: %s: %q", n+1, fmt.Sprintf(format, args...), line)
		}
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			if !promMetric.MatchString(name) || help == "" || done[name] {
				return fail("bad or second HELP")
			}
			for i := 0; i < len(help); i++ {
				if help[i] == '\\' {
					if i++; i == len(help) || help[i] != '\\' && help[i] != 'n' {
						return fail("bad escape in HELP")
					}
				}
			}
			metric, typed, done[name] = name, false, true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if rest != metric+" gauge" || typed {
				return fail("TYPE without its HELP")
			}
			typed = true
			continue
		}
		if strings.HasPrefix(line, "#") {
			if !strings.HasPrefix(line, "# rdbaudit: ") || metric != "" {
				return fail("a comment in the middle")
			}
			continue
		}
		s := promSample{labels: map[string]string{}}
		open := strings.IndexByte(line, '{')
		if open < 0 {
			return fail("no labels")
		}
		s.metric = line[:open]
		if s.metric != metric || !typed {
			return fail("outside of its metric %s", metric)
		}
		rest := line[open+1:]
		for {
			eq := strings.Index(rest, `="`)
			if eq <= 0 || !regexp.MustCompile(`^[a-z_]+$`).MatchString(rest[:eq]) {
				return fail("bad label")
			}
			label := rest[:eq]
			rest = rest[eq+2:]
			var value strings.Builder
			i := 0
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] != '\\' {
					value.WriteByte(rest[i])
					continue
				}
				if i++; i == len(rest) || !strings.ContainsRune(`\"n`, rune(rest[i])) {
					return fail("bad escape")
				}
				if rest[i] == 'n' {
					value.WriteByte('\n')
				} else {
					value.WriteByte(rest[i])
				}
			}
			if _, twice := s.labels[label]; twice || i == len(rest) {
				return fail("label %s", label)
			}
			s.labels[label] = value.String()
			rest = rest[i+1:]
			if after, ok := strings.CutPrefix(rest, ","); ok {
				rest = after
				continue
			}
			break
		}
		rest, ok := strings.CutPrefix(rest, "} ")
		if !ok {
			return fail("labels do not end")
		}
		if s.value, err = strconv.ParseFloat(rest, 64); err != nil {
			return fail("value")
		}
		if id := fmt.Sprint(s.metric, s.labels); seen[id] {
			return fail("twice")
		} else {
			seen[id] = true
		}
		samples = append(samples, s)
	}
	return samples, nil
}

func promSamples(t *testing.T, r *Report) []promSample {
	t.Helper()
	samples, err := parseProm(render(t, "prom", r))
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func TestProm(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}}
	for range 60 {
		reports = append(reports, randomReport(rng))
	}
	for _, r := range reports {
		series := map[string]int{}
		for _, s := range promSamples(t, r) {
			series[s.metric]++
			for _, v := range s.labels {
				if strings.ContainsFunc(v, unicode.IsControl) || displayWidth(v) > promName+4 {
					t.Errorf("label %q", v)
				}
			}
		}
		for m, n := range series {
			if n > 101 {
				t.Errorf("%s has %d series", m, n)
			}
		}
	}
}

// What the metrics say is what the report says, and nothing is lost from a sum.
func TestPromSums(t *testing.T) {
	r := manyPatterns(500)
	sums := map[string]float64{}
	rest := 0
	for _, s := range promSamples(t, r) {
		sums[s.metric] += s.value
		if s.metric == "rdbaudit_pattern_bytes" && s.labels["pattern"] == promRest {
			rest++
		}
	}
	if rest != 1 {
		t.Errorf("%d series of the rest", rest)
	}
	keys, bytes := int64(0), int64(0)
	v := r.view("patterns")
	for i := range v.Rows {
		if v.int(i, "leaf") == 1 {
			keys += v.int(i, "keys")
			bytes += v.int(i, "bytes")
		}
	}
	for metric, want := range map[string]int64{
		"rdbaudit_keys": r.Totals.Keys, "rdbaudit_bytes": r.Totals.Bytes, "rdbaudit_no_ttl_keys": r.Totals.NoTTLKeys, "rdbaudit_pattern_keys": keys,
		"rdbaudit_pattern_bytes": bytes, "rdbaudit_memory_estimate_bytes": r.Memory.Estimate, "rdbaudit_damaged": 0, "rdbaudit_filtered": 0,
		"rdbaudit_dumps": int64(len(r.Sources)), "rdbaudit_database_keys": r.Totals.Keys,
	} {
		if sums[metric] != float64(want) {
			t.Errorf("%s sums to %v, want %d", metric, sums[metric], want)
		}
	}

	r = damagedReport()
	text := render(t, "prom", r)
	if !strings.HasPrefix(text, "# rdbaudit: backups/prod-1.rdb is damaged") || !strings.Contains(text, "# rdbaudit: Filtered: --type hash") {
		t.Errorf("starts with %.200q", text)
	}
	for _, s := range promSamples(t, r) {
		switch s.metric {
		case "rdbaudit_damaged", "rdbaudit_filtered", "rdbaudit_dump_damaged":
			if s.value != 1 {
				t.Errorf("%s is %v", s.metric, s.value)
			}
		case "rdbaudit_memory_estimate_bytes", "rdbaudit_memory_remainder_bytes", "rdbaudit_memory_tables_bytes":
			t.Errorf("a filtered report reconciles: %s", s.metric)
		}
	}
}
