package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// gsStore is Google's storage by its JSON API, a few requests of it: the
// client library would triple the size of the program. Credentials come from
// where Google's tools take them; without any, a public bucket can be read.
type gsStore struct {
	client *http.Client

	mu    sync.Mutex
	asked bool
	token oauth2.TokenSource // nil: none
	login string             // why
}

// host is where the API is; STORAGE_EMULATOR_HOST names a stand-in, as it does
// for Google's clients.
func (g *gsStore) host() (host string, emulated bool) {
	if h := os.Getenv("STORAGE_EMULATOR_HOST"); h != "" {
		if !strings.Contains(h, "://") {
			h = "http://" + h
		}
		return strings.TrimSuffix(h, "/"), true
	}
	return "https://storage.googleapis.com", false
}

// do sends a request with the credentials that there are.
func (g *gsStore) do(req *http.Request) (*http.Response, error) {
	g.mu.Lock()
	if _, emulated := g.host(); !g.asked && !emulated {
		ctx := context.WithValue(context.Background(), oauth2.HTTPClient, g.client)
		found, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/devstorage.read_write")
		if err == nil {
			g.token = found.TokenSource
		} else if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
			g.login = oneLine(cause(err))
		} else {
			g.login = "GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login and the metadata server gave none"
		}
	}
	g.asked = true
	token := g.token
	g.mu.Unlock()
	if token != nil {
		t, err := token.Token()
		if err != nil {
			var refused *oauth2.RetrieveError
			if errors.As(err, &refused) {
				return nil, final("the Google credentials are refused: %s", oneLine(refused.ErrorCode+" "+refused.ErrorDescription))
			}
			return nil, err
		}
		t.SetAuthHeader(req)
	}
	return g.client.Do(req)
}

// request builds a request to the API.
func (g *gsStore) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	host, _ := g.host()
	req, err := http.NewRequestWithContext(ctx, method, host+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, final("the URL of the store is not right")
	}
	req.Header.Set("Accept-Encoding", "gzip") // or objects that are stored packed would come unpacked
	return req, nil
}

func objectPath(path string) string {
	bucket, key, _ := strings.Cut(path, "/")
	return "/storage/v1/b/" + url.PathEscape(bucket) + "/o/" + url.PathEscape(key)
}

// fault makes an error of an answer that is no success.
func (g *gsStore) fault(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusPreconditionFailed:
		return errChanged
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	var said struct{ Error struct{ Message string } }
	json.Unmarshal(data, &said)
	resp.Body = io.NopCloser(bytes.NewReader(nil))
	f := httpFault(resp)
	f.detail, f.login = oneLine(said.Error.Message), g.login
	if strings.Contains(f.detail, "bucket does not exist") {
		f.code = "NoSuchBucket"
	}
	return f
}

// gsObject is what the API says of an object.
type gsObject struct {
	Name       string
	Size       string
	Generation string
	Updated    time.Time
}

func (o *gsObject) object() object {
	size, err := strconv.ParseInt(o.Size, 10, 64)
	if err != nil {
		size = -1
	}
	return object{size: size, tag: o.Generation, time: o.Updated, from: true}
}

// ask gets an answer in JSON.
func (g *gsStore) ask(ctx context.Context, path string, query url.Values, answer any) error {
	req, err := g.request(ctx, "GET", path, query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := g.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return g.fault(resp)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(answer)
}

func (g *gsStore) stat(ctx context.Context, path string) (object, error) {
	var o gsObject
	err := g.ask(ctx, objectPath(path), url.Values{"fields": {"name,size,generation,updated"}}, &o)
	return o.object(), err
}

func (g *gsStore) open(ctx context.Context, path string, o object, off, n int64) (io.ReadCloser, error) {
	// A generation is one version for good: if it is replaced, it is not found,
	// or, where versions are kept, still what it was.
	query := url.Values{"alt": {"media"}}
	if o.tag != "" {
		query.Set("generation", o.tag)
	}
	req, err := g.request(ctx, "GET", objectPath(path), query, nil)
	if err != nil {
		return nil, err
	}
	if o.size != 0 {
		req.Header.Set("Range", byteRange(off, n))
	}
	resp, err := g.do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound && o.tag != "" {
		resp.Body.Close()
		return nil, errChanged
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		defer resp.Body.Close()
		return nil, g.fault(resp)
	}
	body, err := rangeOf(resp, object{size: o.size}, off, n)
	if err != nil {
		resp.Body.Close()
	}
	return body, err
}

func (g *gsStore) list(ctx context.Context, prefix string) (found []entry, err error) {
	bucket, prefix, _ := strings.Cut(prefix, "/")
	query := url.Values{"prefix": {prefix}, "fields": {"items(name,size,generation,updated),nextPageToken"}}
	for {
		var page struct {
			Items         []gsObject
			NextPageToken string
		}
		if err := g.ask(ctx, "/storage/v1/b/"+url.PathEscape(bucket)+"/o", query, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			found = append(found, entry{bucket + "/" + o.Name, o.object()})
		}
		if page.NextPageToken == "" {
			return found, nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

// create begins a resumable upload: the object is there when its last chunk is.
func (g *gsStore) create(ctx context.Context, path string) (uploader, error) {
	bucket, key, _ := strings.Cut(path, "/")
	req, err := g.request(ctx, "POST", "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o", url.Values{"uploadType": {"resumable"}, "name": {key}}, strings.NewReader("{}"))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, g.fault(resp)
	}
	session := resp.Header.Get("Location")
	if session == "" {
		return nil, final("the store began no upload")
	}
	return &gsUpload{gsStore: g, session: session}, nil
}

type gsUpload struct {
	*gsStore
	session string
	sent    int64 // of the parts before this one
}

// put sends bytes, or asks with none how many have come.
func (u *gsUpload) put(ctx context.Context, data []byte, span string) (status int, have int64, err error) {
	req, err := http.NewRequestWithContext(ctx, "PUT", u.session, bytes.NewReader(data))
	if err != nil {
		return 0, 0, final("the store's upload has no address")
	}
	req.Header.Set("Content-Range", "bytes "+span)
	resp, err := u.do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return resp.StatusCode, -1, nil
	}
	if resp.StatusCode != http.StatusPermanentRedirect { // which here means: go on
		return resp.StatusCode, 0, u.fault(resp)
	}
	if _, last, ok := strings.Cut(resp.Header.Get("Range"), "-"); ok {
		if have, err = strconv.ParseInt(last, 10, 64); err == nil {
			have++
		}
	}
	return resp.StatusCode, have, nil
}

// send brings a part there, from where the store has come to.
func (u *gsUpload) send(ctx context.Context, data []byte, whole string) error {
	end := u.sent + int64(len(data))
	from := u.sent
	for try := 0; ; try++ {
		span := fmt.Sprintf("%d-%d/%s", from, end-1, whole)
		if from == end {
			span = "*/" + whole
		}
		status, have, err := u.put(ctx, data[from-u.sent:], span)
		switch {
		case err != nil && try < 3 && transient(err) && ctx.Err() == nil: // what of it has come?
			if _, at, err2 := u.put(ctx, nil, "*/*"); err2 == nil && at >= u.sent && at <= end {
				from = at
			} else if err2 == nil && at == -1 {
				return nil
			} else {
				return err
			}
		case err != nil:
			return err
		case status/100 == 2 || have >= end && whole == "*":
			return nil
		case have < u.sent || have <= from || have > end:
			return fmt.Errorf("the store has %d bytes of an upload of %d", have, end)
		default:
			from = have
		}
	}
}

func (u *gsUpload) part(ctx context.Context, _ int, data []byte) error {
	err := u.send(ctx, data, "*")
	if err == nil {
		u.sent += int64(len(data))
	}
	return err
}

func (u *gsUpload) finish(ctx context.Context, _ int, data []byte) error {
	return u.send(ctx, data, strconv.FormatInt(u.sent+int64(len(data)), 10))
}

func (u *gsUpload) abort(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, "DELETE", u.session, nil)
	if err != nil {
		return
	}
	if resp, err := u.do(req); err == nil {
		resp.Body.Close()
	}
}
