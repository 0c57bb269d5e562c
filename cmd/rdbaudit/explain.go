package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
)

func explainCommand() command {
	return command{
		name: "explain", args: "[FINDING]", short: "say what a finding means and what to do about it",
		long: "Explains a kind of finding in a page of plain words; without one it lists them.",
		setup: func(*pflag.FlagSet) func(*env, []string) error {
			return func(e *env, args []string) error {
				kinds := aggregate.FindingKinds()
				if len(args) == 0 {
					for _, k := range kinds {
						if _, err := fmt.Fprintf(e.stdout, "%-22s %s\n", k.Name, k.Title); err != nil {
							return writeError("-", err)
						}
					}
					return nil
				}
				var names []string
				for _, k := range kinds {
					names = append(names, k.Name)
					if k.Name == args[0] {
						if _, err := fmt.Fprintf(e.stdout, "%s\n%s\n\n%s\n", k.Title, strings.Repeat("=", len(k.Title)), k.Doc); err != nil {
							return writeError("-", err)
						}
						return nil
					}
				}
				return usageError("no finding is called %q; there are %s", args[0], strings.Join(names, ", "))
			}
		},
	}
}
