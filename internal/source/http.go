package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// webStore reads what any server of HTTP gives out, presigned URLs of every
// store among it. Those are signed for GET alone, so nothing asks by HEAD.
type webStore struct{ client *http.Client }

// webName is a URL as people may see it.
func webName(arg string) (string, error) {
	u, err := url.Parse(arg)
	if err != nil || u.Host == "" {
		return hidden(arg), errors.New("not a URL")
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath(), nil
}

// byteRange is the value of a Range header.
func byteRange(off, n int64) string {
	if n < 0 {
		return fmt.Sprintf("bytes=%d-", off)
	}
	return fmt.Sprintf("bytes=%d-%d", off, off+n-1)
}

func (w *webStore) get(ctx context.Context, u string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", u, nil)
	if err != nil {
		return nil, final("not a URL")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return w.client.Do(req)
}

// webRange asks for bytes as they are stored, not packed for the way.
func webRange(off, n int64) http.Header {
	return http.Header{"Range": {byteRange(off, n)}, "Accept-Encoding": {"identity"}}
}

func (w *webStore) stat(ctx context.Context, u string) (object, error) {
	resp, err := w.get(ctx, u, webRange(0, 1))
	if err != nil {
		return object{}, err
	}
	defer resp.Body.Close()
	return statOf(resp)
}

// statOf takes size and version from the answer to a request for the first byte.
func statOf(resp *http.Response) (object, error) {
	o := object{size: -1, tag: resp.Header.Get("ETag")}
	o.time, _ = http.ParseTime(resp.Header.Get("Last-Modified"))
	switch resp.StatusCode {
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		_, size, ok := contentRange(resp)
		if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && size != 0 {
			return o, httpFault(resp)
		}
		if o.from = ok; ok {
			o.size = size
		}
	case http.StatusOK:
		o.size = resp.ContentLength
	default:
		return o, httpFault(resp)
	}
	return o, nil
}

// contentRange reads where an answer begins and how large the whole is.
func contentRange(resp *http.Response) (off, size int64, ok bool) {
	span, whole, ok1 := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "/")
	size, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		size = -1
	}
	first, _, _ := strings.Cut(span, "-")
	off, err2 := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	if span == "*" {
		off, err2 = 0, nil
	}
	return off, size, ok1 && err2 == nil && (size >= 0 || whole == "*")
}

func (w *webStore) open(ctx context.Context, u string, o object, off, n int64) (io.ReadCloser, error) {
	header := webRange(off, n)
	if o.tag != "" && !strings.HasPrefix(o.tag, "W/") { // weak tags never match there
		header.Set("If-Match", o.tag)
	}
	resp, err := w.get(ctx, u, header)
	if err != nil {
		return nil, err
	}
	body, err := rangeOf(resp, o, off, n)
	if err != nil {
		resp.Body.Close()
	}
	return body, err
}

// rangeOf checks that an answer is the part of the object that was asked for.
func rangeOf(resp *http.Response, o object, off, n int64) (io.ReadCloser, error) {
	size, at := resp.ContentLength, int64(0)
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var ok bool
		if at, size, ok = contentRange(resp); !ok || at > off {
			return nil, errors.New("the server sent another part than was asked for")
		}
	case http.StatusOK: // a server that always sends all of it
	case http.StatusPreconditionFailed:
		return nil, errChanged
	case http.StatusRequestedRangeNotSatisfiable:
		if o.size == 0 || off == o.size {
			return struct {
				io.Reader
				io.Closer
			}{bytes.NewReader(nil), resp.Body}, nil
		}
		return nil, errChanged
	default:
		return nil, httpFault(resp)
	}
	tag := resp.Header.Get("ETag")
	modified, _ := http.ParseTime(resp.Header.Get("Last-Modified"))
	if o.tag != "" && tag != "" && tag != o.tag || o.size >= 0 && size >= 0 && size != o.size ||
		o.tag == "" && !o.time.IsZero() && !modified.IsZero() && !modified.Equal(o.time) {
		return nil, errChanged
	}
	if at < off {
		if _, err := io.CopyN(io.Discard, resp.Body, off-at); err != nil {
			return nil, errShort
		}
	}
	return resp.Body, nil
}

func (w *webStore) list(context.Context, string) ([]entry, error) {
	return nil, final("a web server lists nothing")
}

// create uploads by PUT, which presigned URLs allow. The length must be known
// first, so what does not fit into one part is kept in a file till the end.
func (w *webStore) create(_ context.Context, u string) (uploader, error) {
	return &webUpload{client: w.client, url: u}, nil
}

type webUpload struct {
	client *http.Client
	url    string
	file   *os.File
	size   int64
}

func (w *webUpload) part(_ context.Context, _ int, data []byte) error {
	if err := w.keep(data); err != nil {
		return final("what is to be uploaded could not be kept: %w", err)
	}
	w.size += int64(len(data))
	return nil
}

func (w *webUpload) finish(ctx context.Context, _ int, data []byte) error {
	var body io.Reader = bytes.NewReader(data)
	if w.file != nil {
		if err := w.keep(data); err != nil {
			return final("what is to be uploaded could not be kept: %w", err)
		}
		body = io.NewSectionReader(w.file, 0, w.size+int64(len(data)))
	}
	req, err := http.NewRequestWithContext(ctx, "PUT", w.url, body)
	if err != nil {
		return final("not a URL")
	}
	req.ContentLength = w.size + int64(len(data))
	if strings.Contains(req.URL.Host, ".blob.core.") { // which asks for the kind
		req.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return httpFault(resp)
	}
	w.abort(ctx)
	return nil
}

// keep writes what comes next into the file.
func (w *webUpload) keep(data []byte) (err error) {
	if w.file == nil {
		if w.file, err = os.CreateTemp("", "rdbaudit-*.tmp"); err != nil {
			return err
		}
	}
	_, err = w.file.WriteAt(data, w.size)
	return err
}

func (w *webUpload) abort(context.Context) {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
		w.file = nil
	}
}
