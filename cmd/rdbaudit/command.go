package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1 // no dump could be read, an output failed, a KEY was not there
	exitUsage   = 2
	exitDamaged = 3 // a dump was damaged or unreadable; what could be read was reported
	exitRule    = 4 // a rule of --fail-on was broken
)

// env is what a command works with: nothing else of the process is touched.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	ctx            context.Context
	stdoutTerm     bool
	stderrTerm     bool
	width          int // of the terminal on stdout, 80 otherwise
	getenv         func(string) string
	now            func() time.Time // only for --progress and file times, never for reports
	signal         func() os.Signal // the signal that ended ctx, if one did
}

func newEnv(stdin io.Reader, stdout, stderr *os.File) *env {
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr, width: 80, getenv: os.Getenv, now: time.Now}
	e.stdoutTerm = term.IsTerminal(int(stdout.Fd()))
	e.stderrTerm = term.IsTerminal(int(stderr.Fd()))
	if w, _, err := term.GetSize(int(stdout.Fd())); err == nil && w > 0 {
		e.width = w
	}
	// The first signal ends the work in order, the second at once.
	ctx, cancel := context.WithCancel(context.Background())
	e.ctx = ctx
	got := make(chan os.Signal, 2)
	caught := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-got
		caught <- sig
		cancel()
		os.Exit(signalStatus(<-got))
	}()
	e.signal = func() os.Signal {
		select {
		case s := <-caught:
			caught <- s
			return s
		default:
			return nil
		}
	}
	return e
}

func signalStatus(s os.Signal) int {
	if s == syscall.SIGTERM {
		return 143
	}
	return 130
}

// command is a row of the list of commands.
type command struct {
	name  string
	args  string // in usage lines
	short string
	long  string
	// setup declares the flags and gives the work.
	setup func(*pflag.FlagSet) func(*env, []string) error
}

// commands lists all commands, in the order of the help text.
func commands() []command {
	return []command{
		reportCommand(), keysCommand(), keyCommand(), verifyCommand(), whatifCommand(),
		helpCommand(), versionCommand(), completionCommand(),
	}
}

// exitError carries an exit status; its text, if any, is what is printed.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func failed(err error) error { return &exitError{exitFailed, err} }

// run dispatches and turns errors into exit statuses.
func run(args []string, e *env) int {
	err := dispatch(args, e)
	if e.ctx.Err() != nil && e.signal != nil {
		if s := e.signal(); s != nil {
			fmt.Fprintln(e.stderr, "rdbaudit: interrupted, nothing half-written was left")
			return signalStatus(s)
		}
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, errClosedStdout) {
		return exitOK // `| head` has seen enough
	}
	status := exitFailed
	var ee *exitError
	if errors.As(err, &ee) {
		status = ee.status
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(e.stderr, "rdbaudit: "+msg)
	}
	return status
}

func dispatch(args []string, e *env) error {
	name := "report"
	switch {
	case len(args) == 0:
		args = []string{"help"}
		name = "help"
		writeUsage(e.stderr)
		return &exitError{exitUsage, nil}
	case args[0] == "-h" || args[0] == "--help":
		writeUsage(e.stdout)
		return nil
	case args[0] == "--version" || args[0] == "-V":
		args[0] = "version"
		fallthrough
	default:
		if findCommand(args[0]) != nil {
			name, args = args[0], args[1:]
		}
	}
	c := findCommand(name)
	fs := newFlagSet(c.name)
	work := c.setup(fs)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			writeCommandHelp(e.stdout, c)
			return nil
		}
		return usageError("%s\nTry: rdbaudit help %s", hint(err), c.name)
	}
	return work(e, fs.Args())
}

// hint adds to a flag error what the user may have meant.
func hint(err error) string {
	msg := err.Error()
	if strings.Contains(msg, "--max-memory") {
		return msg + ": --maxmemory is the server's limit, --table-memory is how much rdbaudit may use for its tables"
	}
	return msg
}

func newFlagSet(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.SortFlags = false
	return fs
}

func findCommand(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}
