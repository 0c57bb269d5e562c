package notices

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write licences.txt")

// What is no module of go.mod.
const (
	ours  = "rdbaudit"
	theGo = "Go, its standard library and runtime"
)

// platforms are those that .ci/run builds for: a system's own files may bring
// in other modules.
func platforms() []string { return []string{"linux", "darwin", "windows"} }

// linked is what `go list` says of a package in the build.
type linked struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// TestText holds the committed text against what the build links today: a
// module added, left out, or of another version is another text.
func TestText(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to list the modules with")
	}
	text := collect(t)
	if *update {
		require.NoError(t, os.WriteFile("licences.txt", text, 0o644))
		return
	}
	require.Equal(t, string(text), Text(), "run: go test ./internal/notices -update")
}

// collect makes the text: those under the same words share them.
func collect(t *testing.T) []byte {
	files := make(map[string]map[string]bool) // of licences, by module
	root := make(map[string]string)           // folder of the module
	for _, system := range platforms() {
		for _, p := range list(t, system) {
			if p.Module == nil || p.Module.Main { // Go's own come below, once
				continue
			}
			name, top := p.Module.Path+" "+p.Module.Version, p.Module.Dir
			if files[name] == nil {
				files[name] = make(map[string]bool)
			}
			root[name] = top
			// Code that came from elsewhere has its licence beside it.
			for dir := p.Dir; ; dir = filepath.Dir(dir) {
				for _, f := range licences(t, dir) {
					files[name][f] = true
				}
				if dir == top {
					break
				}
			}
		}
	}
	// Go itself is under the words that its own modules carry; not all
	// distributions leave them in GOROOT.
	for name, top := range root {
		if strings.HasPrefix(name, "golang.org/x/sys ") {
			files[theGo], root[theGo] = files[name], top
		}
	}
	require.NotEmpty(t, files[theGo])
	files[ours], root[ours] = map[string]bool{filepath.Join("..", "..", "LICENSE"): true}, filepath.Join("..", "..")

	users := make(map[string][]string) // by the text of a licence
	for name, list := range files {
		require.NotEmpty(t, list, "%s has no licence file", name)
		for f := range list {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			rel, err := filepath.Rel(root[name], f)
			require.NoError(t, err)
			text := tidy(string(b))
			users[text] = append(users[text], name+", "+filepath.ToSlash(rel))
		}
	}
	first := func(text string) string {
		name := slices.Min(users[text])
		if strings.HasPrefix(name, ours+",") {
			return ""
		}
		return name
	}
	texts := slices.SortedFunc(maps.Keys(users), func(a, b string) int { return cmp.Compare(first(a), first(b)) })
	line := strings.Repeat("-", 78)
	var out bytes.Buffer
	for _, text := range texts {
		slices.Sort(users[text])
		fmt.Fprintf(&out, "%s\n%s\n%s\n\n%s\n\n", line, strings.Join(users[text], "\n"), line, text)
	}
	return out.Bytes()
}

func list(t *testing.T, system string) (list []linked) {
	c := exec.Command("go", "list", "-deps", "-json=Dir,Module", "rdbaudit/cmd/rdbaudit")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=amd64")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	require.NoError(t, err, "%s", stderr.String())
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p linked
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else {
			require.NoError(t, err)
		}
		list = append(list, p)
	}
}

// licences are the files in a folder that say under what terms its code is.
func licences(t *testing.T, dir string) (files []string) {
	is := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if is.MatchString(e.Name()) && e.Type().IsRegular() && filepath.Ext(e.Name()) != ".go" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}

// tidy leaves the words and drops what editors differ in.
func tidy(s string) string {
	s = strings.ReplaceAll(strings.TrimPrefix(s, "\ufeff"), "\r\n", "\n")
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\f")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}
