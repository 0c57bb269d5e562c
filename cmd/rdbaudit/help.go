package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"
)

func writeUsage(w io.Writer) {
	fmt.Fprint(w, `rdbaudit reads Redis and Valkey RDB dumps, never a live server, and says where
the memory goes.

Usage: rdbaudit [COMMAND] [FLAGS] DUMP...

Commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, `
Without a command, report is meant: rdbaudit dump.rdb
DUMP is a file, a directory, a glob or - for standard input; gzip, zstd, lz4 and
xz are recognised.

  rdbaudit dump.rdb                       summary on the terminal
  rdbaudit dump.rdb -o report.html        and a page to pass on
  rdbaudit keys dump.rdb > keys.csv       a row per key
  rdbaudit key dump.rdb user:42           how the bytes of one key come about

rdbaudit help COMMAND tells more. Exit status: 0 good, 1 failed, 2 wrong usage,
3 a dump was damaged (what could be read was reported), 4 a rule was broken.
`)
}

func writeCommandHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "Usage: rdbaudit %s %s\n\n%s\n", c.name, c.args, strings.TrimSpace(c.long))
	fs := newFlagSet(c.name)
	c.setup(fs)
	if fs.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", fs.FlagUsagesWrapped(80))
	}
}

func helpCommand() command {
	return command{
		name: "help", args: "[COMMAND]", short: "explain a command",
		long: "Explains a command and its flags.",
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				if len(args) == 0 {
					writeUsage(e.stdout)
					return nil
				}
				c := findCommand(args[0])
				if c == nil {
					return usageError("no command is called %q; see rdbaudit help", args[0])
				}
				writeCommandHelp(e.stdout, c)
				return nil
			}
		},
	}
}

func versionCommand() command {
	return command{
		name: "version", short: "say which rdbaudit this is",
		long: "Prints the version of rdbaudit and of the Go that built it.",
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				_, err := fmt.Fprintln(e.stdout, "rdbaudit "+version()+goVersion())
				return err
			}
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return " (" + info.GoVersion + ")"
	}
	return ""
}

func completionCommand() command {
	return command{
		name: "completion", args: "bash|zsh|fish", short: "print a completion script for a shell",
		long: `Prints a script that completes commands, flags and files:

  bash: source <(rdbaudit completion bash)
  zsh:  rdbaudit completion zsh > "${fpath[1]}/_rdbaudit"
  fish: rdbaudit completion fish | source`,
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				if len(args) != 1 {
					return usageError("completion takes the name of a shell: bash, zsh or fish")
				}
				write := map[string]func(io.Writer){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}[args[0]]
				if write == nil {
					return usageError("no completion for %q; there is bash, zsh and fish", args[0])
				}
				write(e.stdout)
				return nil
			}
		},
	}
}

// flagNames lists the flags of a command, with their dashes.
func flagNames(c *command) []string {
	fs := newFlagSet(c.name)
	c.setup(fs)
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

func completeBash(w io.Writer) {
	fmt.Fprintf(w, "_rdbaudit() {\n  local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]} words=\n  case $cmd in\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "    %s) words=%q ;;\n", c.name, strings.Join(flagNames(&c), " "))
	}
	report := findCommand("report")
	fmt.Fprintf(w, "    *) words=%q ;;\n  esac\n", strings.Join(flagNames(report), " "))
	fmt.Fprintf(w, `  if [[ $COMP_CWORD -eq 1 && $cur != -* ]]; then words=%q; elif [[ $cur != -* ]]; then words=; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur") $(compgen -f -- "$cur"))
}
complete -o filenames -F _rdbaudit rdbaudit
`, strings.Join(commandNames(), " "))
}

func completeZsh(w io.Writer) {
	fmt.Fprintf(w, "#compdef rdbaudit\n_rdbaudit() {\n  local -a words\n  if (( CURRENT == 2 )); then\n    words=(%s)\n    compadd -a words; _files; return\n  fi\n  case $words[2] in\n", strings.Join(commandNames(), " "))
	for _, c := range commands() {
		fmt.Fprintf(w, "    %s) compadd -- %s ;;\n", c.name, strings.Join(flagNames(&c), " "))
	}
	fmt.Fprint(w, "  esac\n  _files\n}\n_rdbaudit \"$@\"\n")
}

func completeFish(w io.Writer) {
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c rdbaudit -n __fish_use_subcommand -a %s -d %q\n", c.name, c.short)
		for _, f := range flagNames(&c) {
			fmt.Fprintf(w, "complete -c rdbaudit -n '__fish_seen_subcommand_from %s' -l %s\n", c.name, strings.TrimPrefix(f, "--"))
		}
	}
}
