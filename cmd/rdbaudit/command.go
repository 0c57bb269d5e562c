package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1 // no dump could be read, an output failed, a KEY was not there
	exitUsage   = 2
	exitDamaged = 3 // a dump was damaged or unreadable; what could be read was reported
	exitRule    = 4 // a rule of --fail-on or of a rules file was broken
)

// env is what a command works with: nothing else of the process is touched.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	ctx            context.Context
	stdoutTerm     bool
	stderrTerm     bool
	width          int // of the terminal on stdout, 80 otherwise
	barWidth       int // of the terminal on stderr, 80 otherwise
	getenv         func(string) string
	now            func() time.Time // only for --progress and file times, never for reports
	signal         func() os.Signal // the signal that ended ctx, if one did
	temps          tempFiles
	stores         source.Stores
	drawing        sync.Mutex // held while the bar is drawn
}

func newEnv(stdin io.Reader, stdout, stderr *os.File) *env {
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr, width: 80, barWidth: 80, getenv: os.Getenv, now: time.Now}
	e.stdoutTerm = term.IsTerminal(int(stdout.Fd()))
	e.stderrTerm = term.IsTerminal(int(stderr.Fd()))
	if w, _, err := term.GetSize(int(stdout.Fd())); err == nil && w > 0 {
		e.width = w
	}
	if w, _, err := term.GetSize(int(stderr.Fd())); err == nil && w > 0 {
		e.barWidth = w
	}
	// A closed stdout is an error of Write, for run to end quietly on, and not
	// the end of the process with its temporary files left behind.
	signal.Ignore(syscall.SIGPIPE)
	// The first signal ends the work in order. What hangs in a read of a pipe
	// ends after a moment, or at the second signal.
	ctx, cancel := context.WithCancel(context.Background())
	e.ctx = ctx
	got := make(chan os.Signal, 2)
	caught := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-got
		caught <- sig
		cancel()
		select {
		case <-got:
		case <-time.After(time.Second):
		}
		e.temps.removeAll()
		// No bar is drawn any more, and what there is of one goes; but a terminal
		// that takes nothing must not hold up the end.
		for range 50 {
			if e.drawing.TryLock() {
				if e.stderrTerm {
					fmt.Fprint(stderr, "\x1b[2K\r")
				}
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Fprintln(stderr, interrupted)
		os.Exit(signalStatus(sig))
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

const interrupted = "rdbaudit: interrupted"

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
		reportCommand(), keysCommand(), keyCommand(), verifyCommand(), whatifCommand(), diffCommand(), mergeCommand(), explainCommand(),
		helpCommand(), versionCommand(), licensesCommand(), completionCommand(),
	}
}

// exitError carries an exit status; its text, if any, is what is printed.
type exitError struct {
	status int
	err    error
	try    string // a second line
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{status: exitUsage, err: fmt.Errorf(format, args...)}
}

func failed(err error) error { return &exitError{status: exitFailed, err: err} }

// run dispatches and turns errors into exit statuses.
func run(args []string, e *env) int {
	err := dispatch(args, e)
	if e.ctx.Err() != nil && e.signal != nil {
		if s := e.signal(); s != nil {
			fmt.Fprintln(e.stderr, interrupted)
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
		e.say("%s", msg)
		if ee != nil && ee.try != "" {
			fmt.Fprintln(e.stderr, ee.try)
		}
	}
	return status
}

// say writes a message to stderr. It stays one line of plain text, whatever the
// paths, keys and arguments in it hold.
func (e *env) say(format string, args ...any) {
	fmt.Fprintln(e.stderr, "rdbaudit: "+output.Printable(fmt.Sprintf(format, args...)))
}

func dispatch(args []string, e *env) error {
	if len(args) == 0 {
		writeUsage(e.stderr)
		return &exitError{status: exitUsage}
	}
	name := args[0]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-V", "--version":
		name = "version"
	}
	if findCommand(name) != nil {
		args = args[1:]
	} else {
		if meant := nearest(name, commandNames()); meant != "" && !exists(name) {
			return usageError("%s: no such file; did you mean the command %s?", name, meant)
		}
		name = "report"
	}
	c := findCommand(name)
	fs := newFlagSet(c.name)
	work := c.setup(fs)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return e.print(func(w io.Writer) { writeCommandHelp(w, c) })
		}
		return &exitError{exitUsage, errors.New(hint(err, c)), "Try: rdbaudit help " + c.name}
	}
	return work(e, fs.Args())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// hint adds to a flag error what the user may have meant.
func hint(err error, c *command) string {
	msg := err.Error()
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return msg
	}
	name := unknown.GetSpecifiedName()
	if name == "max-memory" {
		return msg + "; --maxmemory is the server's limit, --table-memory is how much rdbaudit may use for its tables"
	}
	var having []string
	for _, other := range commands() {
		if slices.Contains(flagNames(&other), "--"+name) {
			having = append(having, other.name)
		}
	}
	if having != nil {
		return msg + " of " + c.name + "; it is one of " + strings.Join(having, ", ")
	}
	if meant := nearest("--"+name, flagNames(c)); meant != "" {
		return msg + "; did you mean " + meant + "?"
	}
	return msg
}

// nearest is the word of a list that differs from s by a slip of the keys, ""
// if there is none.
func nearest(s string, list []string) string {
	best, found := min(3, 1+len(s)/3), ""
	for _, word := range list {
		if d := distance(s, word); d < best {
			best, found = d, word
		}
	}
	return found
}

// distance counts the bytes to insert, delete or replace, and the neighbours
// to swap, that turn a into b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
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
