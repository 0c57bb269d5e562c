package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"

	"rdbaudit/internal/source"
)

func TestMain(m *testing.M) { ptest.Main(m) }

// fleet is dumps of real servers in three clusters, one cut and one that is none.
func fleet(t *testing.T) (manifest string, clusters map[string][]string) {
	t.Helper()
	dir := t.TempDir()
	dumps, _ := filepath.Glob("../../fixtures/truth/*.rdb.gz")
	if len(dumps) < 10 {
		t.Fatal("fixtures/truth has no dumps")
	}
	whole := unpack(t, dumps[0])
	for name, data := range map[string][]byte{"cut.rdb": whole[:len(whole)/2], "garbage.rdb": []byte(strings.Repeat("no dump at all\n", 300))} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		dumps = append(dumps, path)
	}
	dumps = append(dumps, filepath.Join(dir, "gone.rdb"))
	rand.Shuffle(len(dumps), func(i, j int) { dumps[i], dumps[j] = dumps[j], dumps[i] })
	clusters = make(map[string][]string)
	var text strings.Builder
	text.WriteString("# cluster and dump\n\n")
	for i, d := range dumps {
		d, _ = filepath.Abs(d)
		name := []string{"carts", "eu/sessions", "ümlaut"}[i%3]
		clusters[name] = append(clusters[name], d)
		fmt.Fprintf(&text, "%s%s%s\n", name, []string{" ", "\t"}[i%2], d)
	}
	manifest = filepath.Join(dir, "fleet.txt")
	if err := os.WriteFile(manifest, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return manifest, clusters
}

func unpack(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pipeline runs the program's main function but for the process.
func pipeline(t *testing.T, args ...string) (status int, said string) {
	t.Helper()
	var o options
	fs := flag.NewFlagSet("rdbaudit-beam", flag.ContinueOnError)
	o.add(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	status = run(t.Context(), &o, fs.Args(), "prism", &stderr)
	return status, stderr.String()
}

// TestSameAsReport: the files that the pipeline writes are those of the main
// program, to the byte, whatever the options: the same flags mean the same.
func TestSameAsReport(t *testing.T) {
	program := filepath.Join(t.TempDir(), "rdbaudit")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./cmd/rdbaudit")
	build.Dir = "../.." // of the main module: its libraries are not all ours
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(conf, []byte("hash-max-listpack-entries 64\nmaxmemory 3mb\nmaxmemory-policy allkeys-lru\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		own    []string // flags of the pipeline alone
		shared []string
	}{
		{"defaults", nil, nil},
		{"one at a time", []string{"--pool=1"}, []string{"--top=3", "--depth=2", "--separator=:", "--separator=/", "--pattern=user:<id>:*", "--measure=usage", "--json-values=full"}},
		{"another server", []string{"--pool=7"}, []string{"--target=valkey-8.1", "--now=2026-11-22", "--no-findings", "--allocator=libc", "--cluster=on", "--json-values=off"}},
		{"full server", nil, []string{"--config=" + conf, "--zset-max-listpack-entries=10", "--on-error=skip", "--as=loaded"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest, clusters := fleet(t)
			out := t.TempDir()
			args := append(append([]string{"--output", out, "--manifest", manifest}, test.own...), test.shared...)
			if status, said := pipeline(t, args...); status != 3 || !strings.Contains(said, "unreadable.csv") {
				t.Fatalf("status %d, said %s", status, said)
			}
			var all []string
			same := func(dumps []string, got string) {
				t.Helper()
				want := t.TempDir()
				args := append([]string{"report", "-q"}, test.shared...)
				names := []string{"report.html", "report.json", "report.csv", "part.rdbaudit"}
				for _, name := range names {
					args = append(args, "-o", filepath.Join(want, name))
				}
				if out, err := exec.Command(program, append(args, dumps...)...).CombinedOutput(); err != nil && err.(*exec.ExitError).ExitCode() != 3 {
					t.Fatalf("%v\n%s", err, out)
				}
				for _, name := range names {
					a, err := os.ReadFile(filepath.Join(want, name))
					if err != nil {
						t.Fatal(err)
					}
					b, err := os.ReadFile(filepath.Join(got, name))
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(a, b) {
						t.Errorf("%s of %s: %d bytes, and %d of rdbaudit report, which differ", name, got, len(b), len(a))
					}
				}
			}
			for name, dumps := range clusters {
				all = append(all, dumps...)
				same(dumps, filepath.Join(out, "clusters", folder("cluster", name)))
			}
			same(all, filepath.Join(out, "fleet"))
			unreadable(t, out, clusters)
			recorded(t, out, all, test.shared)
		})
	}
}

// unreadable: the list has the dumps that are no whole dumps, and no others.
func unreadable(t *testing.T, out string, clusters map[string][]string) {
	t.Helper()
	f, err := os.Open(filepath.Join(out, "unreadable.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, r := range rows[1:] {
		got[r[1]] = r[0]
		if r[3] == "" {
			t.Errorf("%s: no word why", r[1])
		}
	}
	want := make(map[string]string)
	for name, dumps := range clusters {
		for _, d := range dumps {
			if !strings.HasSuffix(d, ".gz") {
				want[d] = name
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("unreadable.csv has %v, want %v", got, want)
	}
}

// recorded: run.json has what it takes to run this again.
func recorded(t *testing.T, out string, dumps, flags []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Inputs) != len(dumps) || r.Results["dumps"] != int64(len(dumps)) || r.Results["dumps_bad"] != 3 || r.Results["dumps_not_opened"] != 2 {
		t.Errorf("run.json: %d inputs of %d, results %v", len(r.Inputs), len(dumps), r.Results)
	}
	for i := 1; i < len(r.Inputs); i++ {
		if r.Inputs[i].Size > r.Inputs[i-1].Size {
			t.Errorf("input %d is larger than the one before: the largest must come first", i)
		}
	}
}

// TestNothingRead: no report of nothing, and a status that says so.
func TestNothingRead(t *testing.T) {
	out := t.TempDir()
	status, said := pipeline(t, "--output", out, filepath.Join(t.TempDir(), "gone.rdb"))
	if status != 1 || !strings.Contains(said, "none of the dumps") {
		t.Errorf("status %d, said %s", status, said)
	}
	if _, err := os.Stat(filepath.Join(out, "fleet", "report.html")); err == nil {
		t.Error("a report of nothing")
	}
}

// TestWrongUsage: what cannot be is refused before anything runs.
func TestWrongUsage(t *testing.T) {
	dump := "../../fixtures/truth/redis-7.2.6-shop.rdb.gz"
	out := filepath.Join(t.TempDir(), "out")
	for _, test := range []struct{ args, say string }{
		{dump, "--output"},
		{"--output " + out, "no dump given"},
		{"--output " + out + " " + dump + " " + dump, "twice"},
		{"--output " + out + " -", "standard input"},
		{"--output " + out + " --measure x " + dump, "--measure"},
		{"--output " + out + " --target nonsense " + dump, "--target"},
		{"--output " + out + " --formats pdf " + dump, "--formats"},
		{"--output " + out + " --now yesterday " + dump, "--now"},
		{"--output " + out + " --depth 0 " + dump, "--depth"},
		{"--output " + out + " --depth 99 " + dump, "depth"},
		{"--output " + out + " --maxmemory lots " + dump, "maxmemory"},
	} {
		status, said := pipeline(t, strings.Fields(test.args)...)
		if status != 2 || !strings.Contains(said, test.say) {
			t.Errorf("%s: status %d, said %q; want 2 and %q", test.args, status, said, test.say)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// TestCoder: what Beam carries is the part, to the byte. Without our coder
// Beam would write the exported fields: none.
func TestCoder(t *testing.T) {
	var o options
	o.add(flag.NewFlagSet("", flag.ContinueOnError))
	o.output = "x"
	job, err := o.job("test", true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.read(t.Context(), &source.Stores{}, Dump{Path: "../../fixtures/truth/redis-7.2.6-shop.rdb.gz"})
	if err != nil || r.keys == 0 {
		t.Fatal(r.keys, err)
	}
	f := mergeFn{TableMemory: 32 << 20}
	full, err := f.AddInput(f.CreateAccumulator(), r.part)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*sums{full, f.CreateAccumulator()} {
		var b bytes.Buffer
		typ := reflect.TypeFor[*sums]()
		if err := beam.NewElementEncoder(typ).Encode(s, &b); err != nil {
			t.Fatal(err)
		}
		got, err := beam.NewElementDecoder(typ).Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		back := got.(*sums)
		if back.memory != 32<<20 {
			t.Errorf("memory for tables became %d", back.memory)
		}
		out, err := f.ExtractOutput(back)
		if err != nil {
			t.Fatal(err)
		}
		want := r.part
		if s != full {
			want = nil
		}
		if !bytes.Equal(out, want) {
			t.Errorf("%d bytes went in, and %d others came out", len(want), len(out))
		}
	}
	if _, err := decodeSums([]byte("1048576\nrdbaudit part 3\nnonsense")); err == nil {
		t.Error("a damaged part was taken")
	}
}

// TestFolder: names of clusters are one folder each, and none is another's.
func TestFolder(t *testing.T) {
	seen := make(map[string]string)
	for _, s := range []string{"a", "a/b", "a%2Fb", "..", ".", "", "A", "ü", "x=y", "a b", "-"} {
		f := folder("cluster", s)
		if strings.ContainsAny(f, "/\\ ") || strings.HasSuffix(f, "=..") || strings.HasSuffix(f, "=.") {
			t.Errorf("%q is the folder %q", s, f)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q are the same folder", s, other)
		}
		seen[f] = s
	}
}
