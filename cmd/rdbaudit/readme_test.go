package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadmeExamples runs the README's commands from the top of the repository
// and holds what it prints there to what they print.
func TestReadmeExamples(t *testing.T) {
	t.Chdir("../..")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	// Of a long report, one section may be shown.
	section := regexp.MustCompile(`^(.*) \| sed -n '/\^(\w+)/,/\^\$/p'$`)
	block := regexp.MustCompile("(?s)```console\n\\$ go run ./cmd/rdbaudit ([^\n]*)\n(.*?)```")
	ran := 0
	now := block.ReplaceAllStringFunc(string(readme), func(s string) string {
		ran++
		m := block.FindStringSubmatch(s)
		args, only := m[1], section.FindStringSubmatch(m[1])
		if only != nil {
			args = only[1]
		}
		out := good(t, strings.Fields(strings.ReplaceAll(args, "'", ""))...)
		if only != nil {
			_, out, _ = strings.Cut(out, "\n"+only[2])
			out, _, _ = strings.Cut(only[2]+out, "\n\n")
			out += "\n\n"
		}
		return "```console\n$ go run ./cmd/rdbaudit " + m[1] + "\n" + out + "```"
	})
	require.NotZero(t, ran)
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(now), 0o644))
		return
	}
	require.Equal(t, string(readme), now, "run go test ./cmd/rdbaudit -run TestReadme -update, and read the diff")
}
