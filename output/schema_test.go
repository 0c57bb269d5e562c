package output

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// closeObjects refuses fields that a schema does not describe: a reader must
// bear with them, the writer must not make them.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, x := range v {
			closeObjects(x)
		}
	case []any:
		for _, x := range v {
			closeObjects(x)
		}
	}
}

func reportSchema(t *testing.T) *jsonschema.Schema { return readSchema(t, "report.schema.json") }

func readSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Every report is as report.schema.json says, with no field that it does not describe.
func TestJSONSchema(t *testing.T) {
	schema := reportSchema(t)
	rng := rand.New(rand.NewPCG(51, 52))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}}
	for range 30 {
		reports = append(reports, randomReport(rng))
	}
	for i, r := range reports {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, "json", r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("report %d: %v", i, err)
		}
	}

	// A schema that takes anything would prove nothing: without any one of its
	// fields, or with one more, a report is none.
	var whole map[string]any
	if err := json.Unmarshal([]byte(render(t, "json", sampleReport())), &whole); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	n := 0
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if strings.Contains(path, "/rows/") || path == "/tables" {
				break // by the names of columns and tables
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				x := v[name]
				delete(v, name)
				n++
				if schema.Validate(whole) == nil {
					t.Errorf("%s/%s may be missing", path, name)
				}
				v[name] = x
			}
			v["one more"] = "x"
			if schema.Validate(whole) == nil {
				t.Errorf("%s may have any field", path)
			}
			delete(v, "one more")
		}
		switch v := v.(type) {
		case map[string]any:
			for name, x := range v {
				walk(path+"/"+name, x)
			}
		case []any:
			for _, x := range v[:min(len(v), 1)] {
				walk(path+"/0", x)
			}
		}
	}
	walk("", whole)
	if n < 80 {
		t.Errorf("only %d fields looked at", n)
	}
}

// Prometheus' own parser takes the metrics, and finds as many as ours does.
func TestPromParser(t *testing.T) {
	rng := rand.New(rand.NewPCG(53, 54))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}, manyPatterns(500)}
	for range 30 {
		reports = append(reports, randomReport(rng))
	}
	for i, r := range reports {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(render(t, "prom", r)))
		if err != nil {
			t.Fatalf("report %d: %v", i, err)
		}
		id := func(metric string, labels map[string]string) string {
			for _, name := range slices.Sorted(maps.Keys(labels)) {
				metric += "\x00" + name + "\x00" + labels[name]
			}
			return metric
		}
		got, want := map[string]float64{}, map[string]float64{}
		for name, f := range families {
			if f.GetHelp() == "" {
				t.Errorf("%s has no help", name)
			}
			for _, m := range f.Metric {
				labels := map[string]string{}
				for _, l := range m.Label {
					labels[l.GetName()] = l.GetValue()
				}
				got[id(name, labels)] = m.GetGauge().GetValue()
			}
		}
		for _, s := range promSamples(t, r) {
			want[id(s.metric, s.labels)] = s.value
		}
		if !maps.Equal(got, want) {
			t.Errorf("report %d: %d series, %d by our reading, or other values", i, len(got), len(want))
		}
	}
}
