// Package notices holds the licences of the command and of what is linked into
// it: the modules of go.mod that are, and Go itself. Those of the report's
// chart library are in the package output, which carries it.
package notices

import _ "embed"

//go:embed licences.txt
var text string

// Text is who is under which licence, and each licence once. It is made from
// what the build links, by
//
//	go test ./internal/notices -update
func Text() string { return text }
