package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// serve runs command lines, one a line of in, until in ends, and answers each
// with a line of out: fixtures/campaign watches such a process from outside,
// because to start one for each of its runs would take most of its time. The
// answer's shape is known there too.
func serve(in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var args []string
		if err := requests.Decode(&args); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var stdout, stderr bytes.Buffer
		e := &env{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, ctx: context.Background(), width: 80,
			getenv: func(string) string { return "" }, now: time.Now,
		}
		status := run(args, e)
		if err := answers.Encode(struct {
			Status         int
			Stdout, Stderr []byte
		}{status, stdout.Bytes(), stderr.Bytes()}); err != nil {
			return err
		}
	}
}

func serveAndExit() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
