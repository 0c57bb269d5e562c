package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

const (
	// stallTime is how long a body may bring nothing before it is given up and
	// asked for again.
	stallTime = time.Minute
	// patience is how many times in a row an object is asked for without a
	// byte of it: with the pauses between them, about a minute.
	patience = 12
	maxPause = 30 * time.Second
)

var (
	errChanged = errors.New("it changed while it was being read; start again")
	errShort   = errors.New("the connection ended before the object did")
)

// resume reads a stretch of an object and, when a connection breaks, asks for
// the rest on a new one. No client of a store does that (see the note on
// object storage in our facts): a body of 50 GB rarely comes in one piece.
type resume struct {
	ctx     context.Context
	open    func(ctx context.Context, off, n int64) (io.ReadCloser, error)
	off     int64
	end     int64 // -1: unknown, a good end of the body is the end
	wait    func(ctx context.Context, try int, err error) error
	body    io.ReadCloser
	stop    context.CancelFunc
	stalled *time.Timer
	tries   int
	err     error
}

func (r *resume) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.end >= 0 && r.off >= r.end {
			r.drop()
			return 0, io.EOF
		}
		n, err := r.read(p)
		if n > 0 {
			r.tries = 0
			r.off += int64(n)
		}
		switch {
		case err == io.EOF && r.end < 0:
			r.drop()
			r.err = io.EOF
		case err == io.EOF && r.off < r.end:
			r.broke(errShort)
		case err != nil && err != io.EOF:
			r.broke(err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// broke makes ready for another connection, or ends it all.
func (r *resume) broke(err error) {
	r.drop()
	r.tries++
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	r.err = r.wait(r.ctx, r.tries, err)
	if r.err != nil && r.tries == patience {
		r.err = fmt.Errorf("%w; given up at byte %d after %d attempts", r.err, r.off, patience)
	}
}

// read takes what one connection brings.
func (r *resume) read(p []byte) (int, error) {
	if r.body == nil {
		ctx, stop := context.WithCancel(r.ctx)
		n := int64(-1)
		if r.end >= 0 {
			n = r.end - r.off
		}
		body, err := r.open(ctx, r.off, n)
		if err != nil {
			stop()
			return 0, err
		}
		r.body, r.stop = body, stop
		r.stalled = time.AfterFunc(stallTime, stop)
	}
	if left := r.end - r.off; r.end >= 0 && int64(len(p)) > left {
		p = p[:left]
	}
	r.stalled.Reset(stallTime)
	n, err := r.body.Read(p)
	if !r.stalled.Stop() && err != nil && r.ctx.Err() == nil {
		err = fmt.Errorf("no byte came in %s", stallTime)
	}
	return n, err
}

func (r *resume) drop() {
	if r.body != nil {
		r.stalled.Stop()
		r.stop()
		r.body.Close()
		r.body = nil
	}
}

func (r *resume) Close() error {
	r.drop()
	if r.err == nil {
		r.err = errors.New("closed")
	}
	return nil
}

// wait passes the time before the next try, or says that there shall be none.
func (s *Stores) wait(ctx context.Context, try, most int, err error) error {
	if try >= most || !transient(err) {
		return err
	}
	pause := s.pause
	if pause == 0 {
		pause = 50 * time.Millisecond
	}
	pause = min(pause<<(try-1), maxPause)
	pause = pause/2 + rand.N(pause/2+1) // so that many readers don't come back as one
	var f *fault
	if errors.As(err, &f) {
		pause = max(pause, min(f.after, maxPause))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// again does f until it succeeds or there is no hope, at most n times.
func (s *Stores) again(ctx context.Context, n int, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || ctx.Err() != nil || absent(err) {
			return err
		}
		if err = s.wait(ctx, try, n, err); err != nil {
			return err
		}
	}
}

// stream is a resuming reader of n bytes from off on, to the end if n < 0.
func (s *Stores) stream(ctx context.Context, r *remote, off, n int64) *resume {
	end := r.size
	if n >= 0 {
		end = off + n
	}
	return &resume{ctx: ctx, open: r.openAt, off: off, end: end, wait: func(ctx context.Context, try int, err error) error {
		return s.wait(ctx, try, patience, err)
	}}
}
