package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the folders in the order in which bytes pass through them. Each
// may import those before it, none may import one after it.
var layers = []string{"rdbparse", "estimate", "aggregate", "output", "cmd"}

// thirdParty is all that the first layers may import beside the standard
// library and each other.
var thirdParty = map[string][]string{
	"rdbparse":  {"golang.org/x/sys/cpu"},
	"estimate":  {"github.com/valyala/fastjson"},
	"aggregate": {},
}

// onlyIn says where a package may be imported at all: under a folder, or in
// tests alone.
var onlyIn = []struct{ pkg, where string }{
	{"github.com/spf13/pflag", "cmd"},
	{"github.com/schollz/progressbar", "cmd"},
	{"github.com/stretchr/testify", "tests"},
	{"github.com/hdt3213/rdb", "tests"},
	{"github.com/chromedp", "tests"},
	{"github.com/prometheus", "tests"},
	{"github.com/santhosh-tekuri/jsonschema", "tests"},
	{"github.com/parquet-go", "output"},
	{"github.com/aws", "internal"},
	{"github.com/Azure", "internal"},
	{"golang.org/x/oauth2", "internal"},
	{"net/http", "internal"},
	{"rdbaudit/fixtures", "tests"},
	{"rdbaudit/internal/source/fake", "tests"},
}

// TestImports holds the repository to imports that go one way.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	checked := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path == root {
				return nil
			}
			_, err := os.Stat(filepath.Join(path, "go.mod")) // a module of its own
			if err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		checked++
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := breach(filepath.ToSlash(file), imported); why != "" {
				t.Errorf("%s imports %s: %s", filepath.ToSlash(file), imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 10 {
		t.Errorf("only %d files checked", checked)
	}
}

// breach says what is wrong with an import, "" if nothing is.
func breach(file, imported string) string {
	folder, _, _ := strings.Cut(file, "/")
	test := strings.HasSuffix(file, "_test.go")
	for _, o := range onlyIn {
		if !within(imported, o.pkg) {
			continue
		}
		if o.where == "tests" && !test && (folder != "fixtures" || !within(imported, "rdbaudit/fixtures")) {
			return "only tests may"
		}
		if o.where != "tests" && folder != o.where && !test {
			return "only " + o.where + "/ may"
		}
		return ""
	}
	from := slices.Index(layers, folder)
	if own, ok := strings.CutPrefix(imported, "rdbaudit/"); ok {
		target, _, _ := strings.Cut(own, "/")
		to := slices.Index(layers, target)
		switch {
		case target == "cmd" && folder != "cmd":
			return "nothing may import a command"
		case folder == "fixtures" && to >= 0:
			return "the tests of every layer import fixtures"
		case from >= 0 && to > from:
			return "imports go one way: " + strings.Join(layers, " <- ")
		case thirdParty[folder] != nil && to < 0 && !test:
			return "only the layers before it"
		}
		return ""
	}
	host, _, _ := strings.Cut(imported, "/")
	if allowed, ok := thirdParty[folder]; ok && !test && strings.Contains(host, ".") && !slices.Contains(allowed, imported) {
		return "only the standard library and the layers before it"
	}
	return ""
}

// within says whether a package is pkg or lies below it.
func within(imported, pkg string) bool {
	return imported == pkg || strings.HasPrefix(imported, pkg+"/")
}

func TestBreach(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		ok             bool
	}{
		{"rdbparse/reader.go", "io", true},
		{"rdbparse/crc64.go", "golang.org/x/sys/cpu", true},
		{"estimate/a.go", "golang.org/x/sys/cpu", false},
		{"rdbparse/a.go", "rdbaudit/estimate", false},
		{"rdbparse/a_test.go", "rdbaudit/estimate", false},
		{"rdbparse/a_test.go", "rdbaudit/rdbparse", true},
		{"rdbparse/a.go", "rdbaudit/internal/source", false},
		{"cmd/rdbaudit/a.go", "net/http", false},
		{"cmd/rdbaudit/a_test.go", "net/http/httptest", true},
		{"internal/source/a.go", "github.com/aws/aws-sdk-go-v2/config", true},
		{"output/a.go", "github.com/aws/aws-sdk-go-v2/config", false},
		{"cmd/rdbaudit/a.go", "rdbaudit/internal/source/fake", false},
		{"cmd/rdbaudit/a_test.go", "rdbaudit/internal/source/fake", true},
		{"estimate/a.go", "rdbaudit/rdbparse", true},
		{"estimate/a.go", "github.com/valyala/fastjson", true},
		{"aggregate/a.go", "github.com/valyala/fastjson", false},
		{"aggregate/a.go", "rdbaudit/rdbparse", true},
		{"aggregate/a.go", "rdbaudit/output", false},
		{"output/a.go", "rdbaudit/aggregate", true},
		{"output/a.go", "github.com/spf13/pflag", false},
		{"output/a.go", "rdbaudit/cmd/rdbaudit", false},
		{"cmd/rdbaudit/a.go", "github.com/spf13/pflag", true},
		{"cmd/rdbaudit/a.go", "github.com/schollz/progressbar/v3", true},
		{"internal/source/a.go", "github.com/schollz/progressbar/v3", false},
		{"cmd/rdbaudit/a.go", "rdbaudit/internal/source", true},
		{"internal/e2e/a.go", "rdbaudit/output", true},
		{"internal/e2e/a.go", "rdbaudit/cmd/rdbaudit", false},
		{"estimate/a_test.go", "github.com/stretchr/testify/require", true},
		{"estimate/a.go", "github.com/stretchr/testify/require", false},
		{"cmd/rdbaudit/a.go", "github.com/hdt3213/rdb/parser", false},
		{"rdbparse/a_test.go", "rdbaudit/fixtures", true},
		{"rdbparse/a.go", "rdbaudit/fixtures", false},
		{"cmd/rdbaudit/a.go", "rdbaudit/fixtures/synth", false},
		{"fixtures/gen/main.go", "rdbaudit/fixtures/synth", true},
		{"fixtures/a.go", "github.com/hdt3213/rdb/encoder", false},
		{"fixtures/a_test.go", "github.com/hdt3213/rdb/parser", true},
		{"fixtures/a_test.go", "rdbaudit/rdbparse", false},
	} {
		if why := breach(c.file, c.imported); (why == "") != c.ok {
			t.Errorf("%s imports %s: %q", c.file, c.imported, why)
		}
	}
}
