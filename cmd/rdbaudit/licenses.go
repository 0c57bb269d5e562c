package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/internal/notices"
	"rdbaudit/output"
)

func licensesCommand() command {
	return command{
		name: "licenses", short: "print the licences of rdbaudit and of what is in it",
		long: `Prints under what terms rdbaudit may be passed on, and those of everything that
was built into it: Go, the modules, and the libraries that HTML reports carry.`,
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				if len(args) > 0 {
					return usageError("licenses takes no arguments")
				}
				return e.print(func(w io.Writer) {
					line := strings.Repeat("-", 78)
					fmt.Fprintf(w, "%s%s\nin each HTML report\n%s\n\n%s", notices.Text(), line, line, output.Notices())
				})
			}
		},
	}
}
