// Command rdbaudit reads Redis and Valkey RDB dumps and says where the memory goes.
//
// Rules of its surface: data goes to stdout, all else to stderr; an error is
// one line that says what to do; exit statuses are those of the contract.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], newEnv(os.Stdin, os.Stdout, os.Stderr)))
}
