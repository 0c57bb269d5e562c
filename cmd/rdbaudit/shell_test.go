package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompletion: the scripts are scripts of their shells, and complete.
func TestCompletion(t *testing.T) {
	inDir(t)
	for _, c := range []struct {
		shell string
		check []string
		ask   string // completes what "$@" says, a word a line
	}{
		{"bash", []string{"-n"}, `. ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rdbaudit; printf '%s\n' "${COMPREPLY[@]}"`},
		{"zsh", []string{"-f", "-n"}, `compadd() { local w; for w in ${(P)2}; do [[ $w == $words[CURRENT]* ]] && print -r -- $w; done }; _files() {}; compdef() {}
			words=("$@"); CURRENT=$#; . ./script; _rdbaudit; true`},
		{"fish", []string{"--no-execute"}, `source ./script; complete -C (string join " " -- $argv) | string replace -r "\t.*" ""; true`},
	} {
		t.Run(c.shell, func(t *testing.T) {
			path, err := exec.LookPath(c.shell)
			if err != nil {
				t.Skip("no " + c.shell + " on this machine")
			}
			write(t, "script", []byte(good(t, "completion", c.shell)))
			out, err := exec.Command(path, append(c.check, "script")...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Empty(t, string(out))
			complete := func(words ...string) []string {
				t.Helper()
				args := append([]string{"-c", c.ask, "x"}, words...)
				if c.shell == "fish" {
					args = append([]string{"--no-config", "-c", c.ask}, words...)
				}
				cmd := exec.Command(path, args...)
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
				out, err := cmd.Output()
				require.NoError(t, err, string(out))
				return strings.Fields(string(out))
			}
			require.Subset(t, complete("rdbaudit", ""), commandNames())
			require.Equal(t, []string{"keys"}, complete("rdbaudit", "keys"))
			require.ElementsMatch(t, []string{"--key-encoding", "--key"}, complete("rdbaudit", "keys", "--key"))
			require.ElementsMatch(t, []string{"--top"}, complete("rdbaudit", "report", "--top"))
			require.ElementsMatch(t, []string{"--table-memory"}, complete("rdbaudit", "--table"))
			require.ElementsMatch(t, []string{"--min-size"}, complete("rdbaudit", "keys", "x.rdb", "--min"))
			require.ElementsMatch(t, []string{"bash"}, complete("rdbaudit", "completion", "ba"))
			require.ElementsMatch(t, []string{"verify", "version"}, complete("rdbaudit", "help", "ver"))
		})
	}
}

// TestFlagsDocumented: no flag without a word of what it does.
func TestFlagsDocumented(t *testing.T) {
	for _, c := range commands() {
		require.NotEmpty(t, c.short)
		require.NotEmpty(t, c.long)
		for _, name := range flagNames(&c) {
			fs := newFlagSet(c.name)
			c.setup(fs)
			f := fs.Lookup(strings.TrimPrefix(name, "--"))
			require.Greater(t, len(f.Usage), 10, "%s %s", c.name, name)
			require.NotContains(t, f.Usage, "`")
			require.Regexp(t, `[^.]$`, f.Usage, "%s: a phrase, no sentence", name)
		}
	}
}
