package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rdbaudit/internal/source"
	"rdbaudit/output"
)

// endings collects how each dump ended, for the exit status and for stderr.
type endings struct {
	read, bad int
	messages  []string
}

// unreadable counts an input that could not be opened as a dump.
func (s *endings) unreadable(err error) {
	if errors.Is(err, context.Canceled) {
		return // the user's signal, of which main tells
	}
	s.bad++
	s.messages = append(s.messages, err.Error())
}

func (s *endings) add(d *output.Source) {
	s.read++
	if d.Error != "" {
		s.bad++
		keys := "keys"
		if d.Keys == 1 {
			keys = "key"
		}
		s.messages = append(s.messages, fmt.Sprintf("%s: %s; %d %s and %d bytes were read", d.Path, d.Error, d.Keys, keys, d.Bytes))
	}
	for _, say := range d.Remarks() {
		s.messages = append(s.messages, d.Path+": "+say)
	}
}

// result prints what there is to say and gives the exit status.
func (s *endings) result(e *env) error {
	for _, m := range s.messages {
		e.say("%s", m)
	}
	switch {
	case s.read == 0:
		return &exitError{status: exitFailed}
	case s.bad > 0:
		return &exitError{status: exitDamaged}
	}
	return nil
}

func exitOf(err error) int {
	var ee *exitError
	if errors.As(err, &ee) {
		return ee.status
	}
	return exitFailed
}

// readBytes sums what has been read of all streams.
type readBytes struct {
	mu   sync.Mutex
	all  []*source.Stream
	done int64
}

func (r *readBytes) follow(s *source.Stream) {
	r.mu.Lock()
	r.all = append(r.all, s)
	r.mu.Unlock()
}

func (r *readBytes) sum() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.done
	for _, s := range r.all {
		n += s.Stored()
	}
	return n
}

func totalSize(inputs []source.Input) int64 {
	total := int64(0)
	for _, in := range inputs {
		switch {
		case in.Err != nil:
		case in.Size < 0:
			return -1
		default:
			total += in.Size
		}
	}
	return total
}
