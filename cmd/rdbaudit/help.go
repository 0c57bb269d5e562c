package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/estimate"
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
DUMP is a file, a directory, a glob, a URL (https://, s3://, gs://, azblob://) or
- for standard input; gzip, zstd, lz4 and xz are recognised. rdbaudit help sources
says more.

  rdbaudit dump.rdb                       summary on the terminal
  rdbaudit dump.rdb -o report.html        and a page to pass on
  rdbaudit keys dump.rdb > keys.csv       a row per key
  rdbaudit key dump.rdb user:42           how the bytes of one key come about
  rdbaudit diff monday.rdb tuesday.rdb    what grew, and how fast

rdbaudit help COMMAND tells more. Exit status: 0 good, 1 failed, 2 wrong usage,
3 a dump was damaged (what could be read was reported), 4 a rule was broken.
`)
}

func writeCommandHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", strings.TrimSpace("rdbaudit "+c.name+" "+c.args), strings.TrimSpace(c.long))
	fs := newFlagSet(c.name)
	c.setup(fs)
	isLimit := make(map[string]bool)
	for _, s := range estimate.Settings() {
		isLimit[s.Name] = true
	}
	var limits []string
	title := "\nFlags:\n"
	fs.VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden:
		case isLimit[f.Name]:
			limits = append(limits, f.Name)
		default:
			fmt.Fprint(w, title)
			title = ""
			writeFlag(w, f)
		}
	})
	if limits == nil {
		return
	}
	fmt.Fprint(w, `
The server's limits by their names in redis.conf, each with a number. Without
them: what --config says, else the server line's defaults, raised to what the
dump proves.
`)
	for _, name := range limits {
		fmt.Fprintf(w, "      --%s N\n", name)
	}
}

const (
	helpWidth  = 80
	helpColumn = 28 // where the descriptions of flags begin
)

// valueNames says in help texts what a flag takes, where VALUE would say too little.
var valueNames = map[string]string{
	"output": "PATH", "config": "FILE", "info": "FILE", "rules": "FILE",
	"key": "REGEX", "not-key": "REGEX", "in": "PATTERN", "pattern": "PATTERN",
	"min-size": "SIZE", "maxmemory": "SIZE", "table-memory": "SIZE",
	"db": "N", "type": "TYPE", "target": "LINE", "maxmemory-policy": "POLICY",
	"format": "NAME", "allocator": "NAME", "key-encoding": "NAME", "compat": "NAME",
	"color": "WHEN", "progress": "HOW", "on-error": "HOW", "as": "VIEW", "now": "TIME",
	"separator": "TEXT", "measure": "WHAT", "cluster": "WHEN", "sweep": "LIMIT=A..B",
	"fail-on": "RULE", "redact-key": "KEY", "growth": "SIZE", "json-values": "WHAT",
}

// writeFlag writes a flag, its value and what it does.
func writeFlag(w io.Writer, f *pflag.Flag) {
	usage := f.Usage
	head := "      --" + f.Name
	if f.Shorthand != "" {
		head = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.Value.Type() != "bool" {
		value := valueNames[f.Name]
		switch {
		case value != "":
		case f.Value.Type() == "int":
			value = "N"
		default:
			value = "VALUE"
		}
		head += " " + value
		if d := f.DefValue; d != "" && d != "[]" && !strings.Contains(usage, "default") {
			usage += " (default " + d + ")"
		}
	}
	lines := wrapWords(usage, helpWidth-helpColumn)
	if len(head) > helpColumn-2 {
		fmt.Fprintln(w, head)
		head = ""
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%-*s%s\n", helpColumn, head, line)
		head = ""
	}
}

// wrapWords breaks text into lines of at most width bytes, if words allow.
func wrapWords(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

const sourcesHelp = `DUMP, wherever a command takes one:

  dump.rdb             a file; the first bytes say what it is, not the name
  backups/             a directory: all dumps below it
  'shard-*/dump.rdb'   a glob
  -                    standard input: redis-cli --rdb - | rdbaudit -
  https://HOST/PATH    any web server, presigned URLs of all stores among them
  s3://BUCKET/NAME     S3 and what speaks like it
  gs://BUCKET/NAME     Google's storage
  azblob://CONTAINER/NAME
                       Azure's blob storage
  file:///PATH         a file

In stores a NAME that ends in /, or is the beginning of others, means all objects
below it with .rdb in their names; a glob means what it matches:
s3://backups/2026-11-22/ and 's3://backups/*/shard-?.rdb.gz'. -o takes the same
URLs: what is written is uploaded in parts and is there when all of it is.

gzip, zstd, lz4 and xz are recognised, also one within another. An AOF with an
RDB preamble and an AOF in parts (its directory, or its .manifest) are read up to
the commands, and a line says how many bytes of those there are. What a primary
sends to a replica is read too, with its $LENGTH or $EOF: framing.

Credentials and settings come from where the stores' own tools take them:

  s3      AWS_ACCESS_KEY_ID, AWS_PROFILE, SSO, web identity, instance roles;
          AWS_REGION; AWS_ENDPOINT_URL for stores that are not Amazon's
  gs      GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login,
          the metadata server; STORAGE_EMULATOR_HOST
  azblob  AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with
          AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, az login or managed
          identity; AZURE_STORAGE_SERVICE_ENDPOINT for another address
  https   a name and password in the URL; HTTPS_PROXY; SSL_CERT_FILE

Without any, a bucket is asked as the public is. Passwords, signatures and tokens
of URLs are in no report and no message. A connection that breaks is resumed where
it broke, for about a minute without a byte; an object that has changed since is
refused. Objects over 16 MiB are read by up to 4 requests side by side, which take
4 MiB each and 32 MiB for all objects together. The network is used for what URLs
name and, where a store needs credentials, for those alone.
`

func helpCommand() command {
	return command{
		name: "help", args: "[COMMAND]", short: "explain a command",
		long: "Explains a command and its flags. rdbaudit help sources says what a DUMP can be.",
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				if len(args) == 0 {
					return e.print(writeUsage)
				}
				if args[0] == "sources" {
					return e.print(func(w io.Writer) { io.WriteString(w, sourcesHelp) })
				}
				c := findCommand(args[0])
				if meant := nearest(args[0], commandNames()); c == nil && meant != "" {
					return usageError("no command is called %q; did you mean %s?", args[0], meant)
				}
				if c == nil {
					return usageError("no command is called %q; see rdbaudit help", args[0])
				}
				return e.print(func(w io.Writer) { writeCommandHelp(w, c) })
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
				return e.print(func(w io.Writer) { fmt.Fprintln(w, "rdbaudit "+version()+goVersion()) })
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
				return e.print(write)
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

// Files are left to the shell: it knows how to quote their names.

func completeBash(w io.Writer) {
	fmt.Fprintf(w, `_rdbaudit() {
  local cur=${COMP_WORDS[COMP_CWORD]} words=
  case ${COMP_WORDS[1]} in
`)
	for _, c := range commands() {
		fmt.Fprintf(w, "    %s) words=\"%s\" ;;\n", c.name, strings.Join(completions(&c), " "))
	}
	fmt.Fprintf(w, `    *) words="%s" ;;
  esac
  if [[ $COMP_CWORD -eq 1 && $cur != -* ]]; then words="%s"; fi
  [[ $COMP_CWORD -gt 1 && $cur != -* && $words == --* ]] && words=
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _rdbaudit rdbaudit
`, strings.Join(completions(findCommand("report")), " "), strings.Join(commandNames(), " "))
}

func completeZsh(w io.Writer) {
	fmt.Fprintf(w, `#compdef rdbaudit
_rdbaudit() {
  local -a list
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    list=(%s)
    compadd -a list
    _files
    return
  fi
  case $words[2] in
`, strings.Join(commandNames(), " "))
	for _, c := range commands() {
		fmt.Fprintf(w, "    %s) list=(%s) ;;\n", c.name, strings.Join(completions(&c), " "))
	}
	fmt.Fprintf(w, `    *) list=(%s) ;;
  esac
  if [[ $words[CURRENT] == -* || $list[1] != -* ]]; then compadd -a list; else _files; fi
}
if [[ $funcstack[1] == _rdbaudit ]]; then _rdbaudit "$@"; else compdef _rdbaudit rdbaudit; fi
`, strings.Join(completions(findCommand("report")), " "))
}

func completeFish(w io.Writer) {
	names := strings.Join(commandNames(), " ")
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c rdbaudit -n __fish_use_subcommand -a %s -d '%s'\n", c.name, fishText(c.short))
		when := "__fish_seen_subcommand_from " + c.name
		if c.name == "report" { // also without its name
			when = "not __fish_seen_subcommand_from " + strings.ReplaceAll(names, "report ", "")
		}
		fs := newFlagSet(c.name)
		c.setup(fs)
		fs.VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			fmt.Fprintf(w, "complete -c rdbaudit -n '%s' -l %s", when, f.Name)
			if f.Shorthand != "" {
				fmt.Fprintf(w, " -s %s", f.Shorthand)
			}
			if f.Value.Type() != "bool" {
				fmt.Fprint(w, " -r")
			}
			fmt.Fprintf(w, " -d '%s'\n", fishText(f.Usage))
		})
		if words := completions(&c); len(words) > 0 && words[0][0] != '-' {
			fmt.Fprintf(w, "complete -c rdbaudit -n '%s' -f -a '%s'\n", when, strings.Join(words, " "))
		}
	}
}

func fishText(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }

// completions are the words that can follow a command: its flags, or what it takes.
func completions(c *command) []string {
	switch c.name {
	case "help":
		return append(commandNames(), "sources")
	case "completion":
		return []string{"bash", "zsh", "fish"}
	}
	return flagNames(c)
}
