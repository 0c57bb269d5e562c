//go:build unix

package main

import (
	"os"
	"syscall"
)

// umask is the process's mask for new files. It can only be read by setting it.
func umask() os.FileMode {
	m := syscall.Umask(0o077)
	syscall.Umask(m)
	return os.FileMode(m)
}
