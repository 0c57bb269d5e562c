package source

import (
	"context"
	"errors"
	"time"
)

// uploader brings an object to a store in parts. Nobody sees it before finish
// has succeeded.
type uploader interface {
	part(ctx context.Context, n int, data []byte) error   // n counts from 1
	finish(ctx context.Context, n int, data []byte) error // the last part
	abort(ctx context.Context)
}

const (
	uploadPart = 8 << 20
	// A store takes 10,000 parts (S3) or 50,000 (Azure): they double in size
	// every doubleEvery parts, so that 120 GB fit and 32 MiB is the largest.
	doubleEvery = 2500
	largestPart = 4 * uploadPart
)

// Upload is an object that is being written.
type Upload struct {
	stores *Stores
	ctx    context.Context
	loc    location
	up     uploader
	buf    []byte
	n      int
	err    error
}

// Create begins to write the object of a URL. It is there once Commit has
// succeeded, and not before. Errors do not repeat the URL.
func (s *Stores) Create(ctx context.Context, url string) (*Upload, error) {
	l, _, err := locate(url)
	if err != nil {
		return nil, err
	}
	u := &Upload{stores: s, ctx: ctx, loc: l}
	err = s.again(ctx, 3, func() (err error) { u.up, err = s.store(l.scheme).create(ctx, l.path); return err })
	if err != nil {
		return nil, u.failed(err)
	}
	return u, nil
}

func (u *Upload) failed(err error) error {
	u.err = u.loc.explain(err)
	return u.err
}

func (u *Upload) size() int { return min(uploadPart<<(u.n/doubleEvery), largestPart) }

func (u *Upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	written := len(p)
	for len(p) > 0 {
		if len(u.buf) >= u.size() { // the last part is left for Commit
			if err := u.send(u.up.part); err != nil {
				return 0, err
			}
		}
		n := min(len(p), u.size()-len(u.buf))
		u.buf = append(u.buf, p[:n]...)
		p = p[n:]
	}
	return written, nil
}

func (u *Upload) send(to func(ctx context.Context, n int, data []byte) error) error {
	u.n++
	err := u.stores.again(u.ctx, patience, func() error { return to(u.ctx, u.n, u.buf) })
	if err != nil {
		return u.failed(err)
	}
	u.buf = u.buf[:0]
	return nil
}

// Commit makes the object appear. What fails leaves nothing behind.
func (u *Upload) Commit() error {
	if u.err == nil {
		u.send(u.up.finish)
	}
	if u.err != nil {
		err := u.err
		u.Abort()
		return err
	}
	u.err = errors.New("complete")
	u.up = nil
	return nil
}

// Abort takes back what is not committed.
func (u *Upload) Abort() {
	if u.up == nil {
		return
	}
	// Also when the user's signal has ended the context.
	ctx, stop := context.WithTimeout(context.WithoutCancel(u.ctx), 5*time.Second)
	defer stop()
	u.up.abort(ctx)
	u.up = nil
	if u.err == nil {
		u.err = errors.New("aborted")
	}
}
