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
	block := regexp.MustCompile("(?s)```console\n\\$ go run ./cmd/rdbaudit ([^\n]*)\n(.*?)```")
	ran := 0
	now := block.ReplaceAllStringFunc(string(readme), func(s string) string {
		ran++
		m := block.FindStringSubmatch(s)
		return "```console\n$ go run ./cmd/rdbaudit " + m[1] + "\n" + good(t, strings.Fields(strings.ReplaceAll(m[1], "'", ""))...) + "```"
	})
	require.NotZero(t, ran)
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(now), 0o644))
		return
	}
	require.Equal(t, string(readme), now, "run go test ./cmd/rdbaudit -run TestReadme -update, and read the diff")
}
