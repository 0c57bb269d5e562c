package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"rdbaudit/internal/source/fake"
)

// remotes are the kinds of URLs, each as one object of the fake is named there.
var remotes = []struct {
	name string
	url  func(s *fake.Server, path string) string
}{
	{"http", func(s *fake.Server, path string) string { return s.URL + "/web/" + path }},
	{"s3", func(_ *fake.Server, path string) string { return "s3://" + path }},
	{"gs", func(_ *fake.Server, path string) string { return "gs://" + path }},
	{"azblob", func(_ *fake.Server, path string) string { return "azblob://" + path }},
}

func start(t *testing.T) *fake.Server {
	s := fake.New(false)
	t.Cleanup(s.Close)
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
	return s
}

func stores() *Stores { return &Stores{pause: time.Millisecond} }

// noise is data in which no part is like another.
func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	return data
}

// readAll gives what one input holds.
func readAll(t *testing.T, st *Stores, arg string) ([]byte, error) {
	t.Helper()
	inputs := st.Expand(t.Context(), []string{arg})
	require.Len(t, inputs, 1)
	s, err := inputs[0].Open(t.Context(), nil)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(s)
	require.NoError(t, s.Close())
	if err == nil && inputs[0].Size >= 0 {
		require.Equal(t, inputs[0].Size, s.Stored())
	}
	return data, err
}

// TestStores: what is read is what is stored, whatever happens on the way.
func TestStores(t *testing.T) {
	s := start(t)
	small, large := noise(300_000), noise(5*parallelAt/2+12345)
	s.Put("bucket/dir/small ä+%41.rdb", small)
	s.Put("bucket/large.rdb", large)
	s.Put("bucket/empty.rdb", nil)
	web := func(kind, path string) string {
		if kind == "http" { // where names are escaped
			return strings.NewReplacer("ä", "%C3%A4", "%41", "%2541", " ", "%20").Replace(path)
		}
		return path
	}
	for _, r := range remotes {
		for _, c := range []struct {
			name string
			set  func()
		}{
			{"well", func() {}},
			{"cut", func() { s.Cut = 100_000 }},
			{"cut late", func() { s.Cut = 1_300_001 }},
			{"busy", func() { s.Busy = 2 }},
		} {
			t.Run(r.name+"/"+c.name, func(t *testing.T) {
				s.Cut, s.Busy = 0, 0
				c.set()
				defer func() { s.Cut, s.Busy = 0, 0 }()
				for path, want := range map[string][]byte{"bucket/dir/small ä+%41.rdb": small, "bucket/large.rdb": large, "bucket/empty.rdb": {}} {
					got, err := readAll(t, stores(), r.url(s, web(r.name, path)))
					require.NoError(t, err, path)
					require.Equal(t, sha256.Sum256(want), sha256.Sum256(got), path)
				}
			})
		}
	}
}

// TestPlainServer: a server that knows no ranges is read too, and even resumed
// if it sends the same again; its weak tag is no hindrance.
func TestPlainServer(t *testing.T) {
	s := start(t)
	s.Plain = true
	data := noise(2 * parallelAt)
	s.Put("b/x", data)
	got, err := readAll(t, stores(), s.URL+"/web/b/x")
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	s.Cut = 500_000
	got, err = readAll(t, stores(), s.URL+"/web/b/x")
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

// TestChanged: an object that is replaced under the reader is refused, never
// mixed, with ranges side by side as well.
func TestChanged(t *testing.T) {
	for _, size := range []int{1 << 20, 3 * parallelAt} {
		s := start(t)
		for _, r := range remotes {
			t.Run(fmt.Sprint(r.name, size), func(t *testing.T) {
				s.Put("b/x.rdb", noise(size))
				s.Cut = 300_000
				defer func() { s.Cut = 0 }()
				st := stores()
				inputs := st.Expand(t.Context(), []string{r.url(s, "b/x.rdb")})
				stream, err := inputs[0].Open(t.Context(), nil)
				require.NoError(t, err)
				defer stream.Close()
				_, err = io.CopyN(io.Discard, stream, 100_000)
				require.NoError(t, err)
				changed := noise(size)
				changed[0]++
				s.Put("b/x.rdb", changed)
				_, err = io.Copy(io.Discard, stream)
				require.ErrorIs(t, err, errChanged)
				require.Equal(t, "it changed while it was being read; start again", err.Error())
			})
		}
	}
}

// TestGone: a server that never comes back ends the reading after a while,
// with the place.
func TestGone(t *testing.T) {
	s := start(t)
	s.Put("b/x.rdb", noise(1<<20))
	st := stores()
	inputs := st.Expand(t.Context(), []string{s.URL + "/web/b/x.rdb"})
	s.Cut = 400_000
	stream, err := inputs[0].Open(t.Context(), nil)
	require.NoError(t, err)
	defer stream.Close()
	s.Refuse(503, "SlowDown", "")
	_, err = io.Copy(io.Discard, stream)
	require.EqualError(t, err, "the server cannot answer now (503 SlowDown); given up at byte 400000 after 12 attempts")
}

// TestParallel: parts are fetched side by side, all objects together no more
// than the bound, in order; who reads the head alone gets no more.
func TestParallel(t *testing.T) {
	s := start(t)
	data := noise(8 * parallelAt)
	s.Put("b/x.rdb", data)
	st := stores()
	inputs := st.Expand(t.Context(), []string{"s3://b/x.rdb"})
	head, err := inputs[0].Open(t.Context(), nil)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, head, 1<<20)
	require.NoError(t, err)
	require.NoError(t, head.Close())
	require.Equal(t, []string{"GET /s3/b/x.rdb bytes=0-0", fmt.Sprintf("GET /s3/b/x.rdb bytes=0-%d", partSize-1)}, s.Requests)

	var all []*Stream
	sums := make(chan [32]byte)
	for range 5 {
		in := st.Expand(t.Context(), []string{"s3://b/x.rdb"})[0]
		stream, err := in.Open(t.Context(), nil)
		require.NoError(t, err)
		all = append(all, stream)
		go func() {
			h := sha256.New()
			io.Copy(h, stream)
			sums <- [32]byte(h.Sum(nil))
		}()
	}
	for range all {
		require.Equal(t, sha256.Sum256(data), <-sums)
	}
	require.Positive(t, st.spare)
	require.LessOrEqual(t, st.spare, maxParts)
	for _, stream := range all {
		require.NoError(t, stream.Close())
	}
	require.Zero(t, st.spare)
	require.LessOrEqual(t, s.MaxOpen, maxParts+len(all))
	require.Greater(t, s.MaxOpen, 5)
}

// TestCancel: the user's signal ends what waits.
func TestCancel(t *testing.T) {
	hang := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(200)
		w.Write([]byte("REDIS"))
		w.(http.Flusher).Flush()
		if r.Header.Get("Range") != "bytes=0-0" {
			<-hang
		}
	}))
	defer server.Close()
	defer close(hang)
	ctx, cancel := context.WithCancel(t.Context())
	in := stores().Expand(ctx, []string{server.URL + "/x"})[0]
	require.NoError(t, in.Err)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := in.Open(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestExpandStores: prefixes and globs name the objects that a directory or a
// glob on disk would.
func TestExpandStores(t *testing.T) {
	s := start(t)
	for _, name := range []string{"a.rdb", "d/1.rdb", "d/2.RDB.gz", "d/readme.txt", "d/e/3.rdb.zst", "d/x.rdbaudit", "d/part?.rdb", "d/[1].rdb", "other/none", "dd/4.rdb"} {
		s.Put("bucket/"+name, []byte("REDIS0011"))
	}
	for _, r := range remotes[1:] {
		for _, c := range []struct{ arg, want string }{
			{"bucket/d/", "d/1.rdb d/2.RDB.gz d/[1].rdb d/e/3.rdb.zst d/part?.rdb"},
			{"bucket/d", "d/1.rdb d/2.RDB.gz d/[1].rdb d/e/3.rdb.zst d/part?.rdb"},
			{"bucket", "a.rdb d/1.rdb d/2.RDB.gz d/[1].rdb d/e/3.rdb.zst d/part?.rdb dd/4.rdb"},
			{"bucket/", "a.rdb d/1.rdb d/2.RDB.gz d/[1].rdb d/e/3.rdb.zst d/part?.rdb dd/4.rdb"},
			{"bucket/d*/*.rdb", "d/1.rdb d/[1].rdb d/part?.rdb dd/4.rdb"},
			{"bucket/d/*", "d/1.rdb d/2.RDB.gz d/[1].rdb d/part?.rdb d/readme.txt d/x.rdbaudit"},
			{"bucket/d/part?.rdb", "d/part?.rdb"},
			{"bucket/d/[1].rdb", "d/[1].rdb"},
			{"bucket/d/[12].rdb", "d/1.rdb"},
			{"bucket/other/none", "other/none"},
		} {
			var got []string
			for _, in := range stores().Expand(t.Context(), []string{r.name + "://" + c.arg}) {
				require.NoError(t, in.Err)
				require.EqualValues(t, 9, in.Size)
				require.Equal(t, 2026, in.Time.Year())
				got = append(got, strings.TrimPrefix(in.Path, r.name+"://bucket/"))
			}
			require.Equal(t, c.want, strings.Join(got, " "), c.arg)
		}
	}
}

// TestSayings: what goes wrong is one clear line, and no secret is in it.
func TestSayings(t *testing.T) {
	s := start(t)
	s.Put("bucket/a.rdb", []byte("REDIS0011"))
	s.Put("bucket/login", []byte("\n<!DOCTYPE html><title>Sign in</title>"))
	s.Put("bucket/plain.aof", []byte("*2\r\n$6\r\nSELECT\r\n"))
	say := func(arg string) string {
		t.Helper()
		in := stores().Expand(t.Context(), []string{arg})[0]
		_, err := in.Open(t.Context(), nil)
		require.Error(t, err, arg)
		require.NotContains(t, err.Error(), "\n")
		require.NotContains(t, err.Error()+in.Path, "SECRET")
		return strings.ReplaceAll(err.Error(), s.URL, "http://HOST")
	}
	withLogin := strings.Replace(s.URL, "http://", "http://user:SECRET@", 1)
	require.Equal(t, "http://HOST/web/bucket/gone: not there (404 Not Found)", say(withLogin+"/web/bucket/gone?X-Amz-Signature=SECRET"))
	require.Equal(t, "http://HOST/web/bucket/login: an HTML page, not a dump; is it the page of a login or of an error?", say(s.URL+"/web/bucket/login?sig=SECRET"))
	require.Equal(t, "s3://bucket/gone.rdb: no such object (404 NoSuchKey: The specified key does not exist)", say("s3://bucket/gone.rdb"))
	require.Equal(t, "s3://nobucket/a.rdb: no such bucket (404 NoSuchBucket: The specified bucket does not exist)", say("s3://nobucket/a.rdb"))
	require.Equal(t, "s3://bucket/none/: no dump there: none of 0 objects has .rdb in its name; a glob names others", say("s3://bucket/none/"))
	require.Equal(t, "s3://bucket/*.x: no object matches", say("s3://bucket/*.x"))
	require.Equal(t, "gs://bucket/gone.rdb: not there (404 No such object: bucket/gone.rdb)", say("gs://bucket/gone.rdb"))
	require.Equal(t, "gs://nobucket/: no such bucket (404 NoSuchBucket: The specified bucket does not exist)", say("gs://nobucket/"))
	require.Equal(t, "azblob://bucket/gone.rdb: no such object (404 BlobNotFound)", say("azblob://bucket/gone.rdb"))
	require.Equal(t, "azblob://nobucket/a.rdb: no such bucket (404 ContainerNotFound)", say("azblob://nobucket/a.rdb"))
	require.Equal(t, "s3://bucket/plain.aof: an append-only file with "+noPreamble, say("s3://bucket/plain.aof"))
	require.Equal(t, "ftp://host/x: no ftp:// here; there are https://, http://, s3://, gs://, azblob:// and file://", say("ftp://u:SECRET@host/x?SECRET"))
	require.Equal(t, "s3:///x: no bucket; it goes s3://BUCKET/NAME", say("s3:///x"))
	require.Equal(t, "https:///x: not a URL", say("https:///x?SECRET"))
	require.Equal(t, "file://there/x: not the URL of a file here; it goes file:///PATH", say("file://there/x"))

	s.Refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.\nStringToSign SECRET")
	require.Equal(t, "s3://bucket/a.rdb: the secret key is wrong (403 SignatureDoesNotMatch: The request signature we calculated does not match)", say("s3://bucket/a.rdb"))
	s.Refuse(403, "AccessDenied", "Request has expired")
	require.Equal(t, "http://HOST/web/bucket/a.rdb: access denied (403 AccessDenied: Request has expired)", say(s.URL+"/web/bucket/a.rdb?SECRET"))
	require.Equal(t, "s3://bucket/: access denied (403 AccessDenied: Request has expired)", say("s3://bucket/"))
	s.Refuse(403, "AuthenticationFailed", "")
	require.Equal(t, "azblob://bucket/a.rdb: the account key or token is wrong or has expired (403 AuthenticationFailed)", say("azblob://bucket/a.rdb"))
	s.Refuse(401, "", "Anonymous caller does not have storage.objects.get access")
	require.Equal(t, "gs://bucket/a.rdb: it wants other credentials (401 Anonymous caller does not have storage.objects.get access)", say("gs://bucket/a.rdb"))

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	s.Refuse(403, "AccessDenied", "Access Denied")
	require.Equal(t, "s3://bucket/a.rdb: access denied (403 AccessDenied: Access Denied); asked without credentials: AWS_ACCESS_KEY_ID, AWS_PROFILE, web identity and instance role gave none", say("s3://bucket/a.rdb"))
	t.Setenv("AZURE_STORAGE_SERVICE_ENDPOINT", "")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	require.Equal(t, "azblob://bucket/a.rdb: the Azure settings cannot be used: AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING must say whose storage it is", say("azblob://bucket/a.rdb"))

	s.Close()
	require.Equal(t, "http://HOST/x: nobody answers there: connection refused", say(s.URL+"/x?SECRET"))
	require.Contains(t, say("https://no-such-host.invalid/x?SECRET"), "https://no-such-host.invalid/x: ")
	tls := fake.New(true)
	defer tls.Close()
	require.Contains(t, say(tls.URL+"/x?SECRET"), "/x: the server's certificate is signed by nobody we know; SSL_CERT_FILE names a file of further authorities")
	plain := fake.New(false)
	defer plain.Close()
	require.Contains(t, say(strings.Replace(plain.URL, "http", "https", 1)+"/x?SECRET"), "/x: the server does not speak TLS; is it http://?")
}

// TestRedirect: redirects are followed, from https to http they are not.
func TestRedirect(t *testing.T) {
	plain := fake.New(false)
	defer plain.Close()
	plain.Put("b/x", []byte("REDIS0011"))
	var to string
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	open, tls := httptest.NewServer(redirect), httptest.NewTLSServer(redirect)
	defer open.Close()
	defer tls.Close()
	to = plain.URL + "/web/b/x"
	got, err := readAll(t, stores(), open.URL+"/y")
	require.NoError(t, err)
	require.Equal(t, "REDIS0011", string(got))
	st := stores()
	st.Transport = tls.Client().Transport
	_, err = readAll(t, st, tls.URL+"/y")
	require.ErrorContains(t, err, "/y: it redirects from https to http")
	to = open.URL + "/y"
	_, err = readAll(t, stores(), open.URL+"/y")
	require.ErrorContains(t, err, "/y: it redirects in a circle")
}

// TestUpload: what is written is there when it is complete, and nothing before.
func TestUpload(t *testing.T) {
	s := start(t)
	s.Put("bucket/a", nil)
	for _, r := range remotes {
		for _, size := range []int{0, 5, 3*uploadPart + 77, 2 * uploadPart} {
			data := noise(size)
			path := fmt.Sprintf("bucket/out/%s %d.html", r.name, size)
			url := r.url(s, path)
			if r.name == "http" {
				url = strings.ReplaceAll(url, " ", "%20")
			}
			t.Run(fmt.Sprint(r.name, size), func(t *testing.T) {
				up, err := stores().Create(t.Context(), url)
				require.NoError(t, err)
				s.Busy = 1
				for rest := data; len(rest) > 0; {
					n := min(len(rest), 1_000_003)
					_, err := up.Write(rest[:n])
					require.NoError(t, err)
					rest = rest[n:]
				}
				require.Nil(t, s.Get(path), "nothing before it is complete")
				s.Busy = 1
				require.NoError(t, up.Commit())
				up.Abort()
				require.True(t, bytes.Equal(data, s.Get(path)))
				require.Zero(t, s.Uploads())

				// Given up, it leaves what was there.
				ctx, cancel := context.WithCancel(t.Context())
				up, err = stores().Create(ctx, url)
				require.NoError(t, err)
				_, err = up.Write(noise(uploadPart + 1))
				require.NoError(t, err)
				cancel()
				require.Error(t, up.Commit())
				require.True(t, bytes.Equal(data, s.Get(path)))
				if r.name != "azblob" { // which forgets by itself
					require.Zero(t, s.Uploads())
				} else {
					s.Forget()
				}
			})
		}
	}
	s.Refuse(403, "AccessDenied", "Access Denied")
	for _, r := range remotes[1:] {
		_, err := stores().Create(t.Context(), r.url(s, "bucket/x"))
		require.ErrorContains(t, err, "access denied (403 ")
		require.NotContains(t, err.Error(), "\n")
	}
}

func gz(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zst(data []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(data, nil)
}

// TestNested: compression over compression is taken off twice, not three times.
func TestNested(t *testing.T) {
	dir := t.TempDir()
	data := append([]byte("REDIS0011"), noise(700_000)...)
	for _, c := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"none", data, true}, {"gz", gz(data), true}, {"gz zst", zst(gz(data)), true}, {"zst gz", gz(zst(data)), true},
		{"three", gz(gz(gz(data))), false},
	} {
		path := filepath.Join(dir, c.name)
		require.NoError(t, os.WriteFile(path, c.data, 0o644))
		got, err := readAll(t, stores(), path)
		require.NoError(t, err)
		require.Equal(t, c.ok, bytes.Equal(data, got), c.name)
		if c.name == "gz zst" { // cut within either
			require.NoError(t, os.WriteFile(path, c.data[:len(c.data)/2], 0o644))
			_, err = readAll(t, stores(), path)
			require.EqualError(t, err, "the compressed file ends too early")
			require.NoError(t, os.WriteFile(path, zst(gz(data)[:5000]), 0o644))
			_, err = readAll(t, stores(), path)
			require.EqualError(t, err, "the compressed file ends too early")
		}
	}
}

// TestBreakInCompression: a connection that is lost for good is not called
// damage of the compression.
func TestBreakInCompression(t *testing.T) {
	s := start(t)
	for name, pack := range map[string]func([]byte) []byte{"x.gz": gz, "x.zst": zst} {
		s.Refuse(0, "", "")
		s.Cut = 300_000
		s.Put("b/"+name, pack(noise(1<<20)))
		in := stores().Expand(t.Context(), []string{"s3://b/" + name})[0]
		stream, err := in.Open(t.Context(), nil)
		require.NoError(t, err)
		s.Refuse(404, "NoSuchKey", "")
		_, err = io.Copy(io.Discard, stream)
		require.EqualError(t, err, "no such object (404 NoSuchKey)")
		stream.Close()
	}
}

// TestFraming: a transfer is read as the dump in it and the commands after it.
func TestFraming(t *testing.T) {
	mark := "0123456789abcdef0123456789abcdef01234567"
	for _, size := range []int{0, 1, 39, 40, 41, 1000, 255<<10 + 3, 256<<10 - 20, 600_000} {
		dump := append([]byte("REDIS0011"), noise(size)...)
		for _, tail := range []string{"", "*1\r\n$4\r\nPING\r\n", strings.Repeat("*1\r\n$4\r\nPING\r\n", 60_000)} {
			for name, data := range map[string]string{
				"plain":   string(dump) + tail,
				"length":  fmt.Sprintf("$%d\r\n%s%s", len(dump), dump, tail),
				"mark":    "$EOF:" + mark + "\r\n" + string(dump) + mark + tail,
				"psync":   "+FULLRESYNC 8371445e8b1b5a9ec4b4a36da3f1d3d3a6b5a1f2 14\r\n\n\n$EOF:" + mark + "\r\n" + string(dump) + mark + tail,
				"waiting": "\n\n\n" + fmt.Sprintf("$%d\r\n%s%s", len(dump), dump, tail),
			} {
				in := Input{Path: "-", Size: -1}
				// However the bytes come in.
				s, err := in.Open(t.Context(), &oddReader{data: []byte(data)})
				require.NoError(t, err)
				got, err := io.ReadAll(s)
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(append(bytes.Clone(dump), tail...), got), "%s %d %d", name, size, len(tail))
				if name != "plain" && tail == "" {
					s, err = in.Open(t.Context(), strings.NewReader(data[:len(data)-1]))
					require.NoError(t, err)
					_, err = io.ReadAll(s)
					require.ErrorContains(t, err, "the transfer ", name)
				}
			}
		}
	}
	for _, no := range []string{"$", "$\r\n", "$EOF:short\r\n", "$-1\r\n", "$12", "+FULLRESYNC", "$99999999999999999999\r\n"} {
		skip, _, _ := framing([]byte(no))
		require.Zero(t, skip, no)
	}
}

// oddReader gives its data in pieces of odd sizes.
type oddReader struct {
	data []byte
	n    int
}

func (o *oddReader) Read(p []byte) (int, error) {
	if len(o.data) == 0 {
		return 0, io.EOF
	}
	o.n = (o.n*7 + 13) % 9973
	n := copy(p[:min(len(p), 1+o.n)], o.data)
	o.data = o.data[n:]
	return n, nil
}

// FuzzFraming: whatever comes, a transfer ends, and gives nothing that did not
// come.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("$5\r\nREDIS"))
	f.Add([]byte("$EOF:0123456789abcdef0123456789abcdef01234567\r\nREDIS00110123456789abcdef0123456789abcdef01234567*1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := Input{Path: "-", Size: -1}
		s, err := in.Open(context.Background(), bytes.NewReader(data))
		if err != nil {
			return
		}
		got, err := io.ReadAll(io.LimitReader(s, 1<<24))
		if _, _, mark := framing(data[:min(512, len(data))]); !s.Compressed && !bytes.Equal(got, data) {
			t.Fatalf("%q became %q, %v", data, got, err)
		} else if mark != nil && err == nil && !bytes.Contains(data[1+len(mark):], mark) {
			t.Fatal("a good end without the mark")
		}
	})
}

// TestMultiPart: an AOF in several parts is its base, and says what it leaves out.
func TestMultiPart(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	files := map[string]string{
		"aof/a.aof.3.base.rdb": "REDIS0011 base", "aof/a.aof.2.base.rdb": "REDIS0011 history",
		"aof/a.aof.1.incr.aof": "*1\r\n", "aof/a.aof.2.incr.aof": "*1\r\n$4\r\nPING\r\n",
		"aof/a.aof.manifest": "# comment\nfile a.aof.3.base.rdb seq 3 type b\nseq 2 file a.aof.2.base.rdb type h startoffset 7\nfile \"a.aof.1.incr.aof\" seq 1 type i\nfile a.aof.2.incr.aof seq 2 type i\n",
		"aof/other.rdb":      "REDIS0011 other", "aof/npm.manifest": "{}",
		"bad/b.aof.manifest": "file b.1.base.rdb seq 1 type b\n", "up/c.manifest": "file ../x.rdb seq 1 type b\n",
		"nobase/d.aof.manifest": "file d.1.incr.aof seq 1 type i\n", "nobase/d.1.incr.aof": "*1\r\n",
		"plain/e.manifest": "file e.base.aof seq 1 type b\n", "plain/e.base.aof": "*1\r\n$4\r\nPING\r\n",
		"old/f.manifest": "file f.aof seq 1 type b\n", "old/f.aof": "REDIS0011*1\r\n",
	}
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		s.Put("bucket/"+name, []byte(text))
	}
	for _, at := range []string{dir, "s3://bucket", "gs://bucket", "azblob://bucket"} {
		names := func(arg string) string {
			var all []string
			for _, in := range stores().Expand(t.Context(), []string{at + "/" + arg}) {
				_, err := in.Open(t.Context(), nil)
				all = append(all, fmt.Sprint(strings.TrimPrefix(filepath.ToSlash(in.Path), filepath.ToSlash(at)+"/"), " ", in.Later))
				if err != nil {
					all = append(all, strings.TrimPrefix(err.Error(), in.Path+": "))
				}
			}
			return strings.Join(all, "; ")
		}
		require.Equal(t, "aof/a.aof.3.base.rdb 18; aof/other.rdb 0", names("aof"))
		require.Equal(t, "aof/a.aof.3.base.rdb 18", names("aof/a.aof.manifest"))
		require.Equal(t, "bad/b.aof.manifest 0; its base file b.1.base.rdb is not there", names("bad"))
		require.Equal(t, "up/c.manifest 0; line 1 of the AOF manifest names no file of its directory", names("up/c.manifest"))
		require.Equal(t, "nobase/d.aof.manifest 0; an AOF without a base file yet; BGREWRITEAOF makes one, or BGSAVE a dump", names("nobase"))
		require.Equal(t, "plain/e.base.aof 0; an append-only file with "+noPreamble, names("plain"))
		require.Equal(t, "old/f.aof 0", names("old"))
	}
}

// TestFileURL: a file by its URL.
func TestFileURL(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a b.rdb"), []byte("REDIS0011"), 0o644))
	got, err := readAll(t, stores(), "file://"+filepath.ToSlash(dir)+"/a%20b.rdb")
	require.NoError(t, err)
	require.Equal(t, "REDIS0011", string(got))
	require.False(t, IsURL("file:///x"))
	require.False(t, IsURL("C:/x"))
	require.True(t, IsURL("s3://b/x"))
	require.Equal(t, "https://h:1/a%20b", Shown("https://u:p@h:1/a%20b?sig=x#y"))
	require.Equal(t, "plain?x", Shown("plain?x"))
	require.True(t, errors.Is(final("x"), errFinal))
}
