// Package fake is a small stand-in for all stores at once: a web server, S3,
// Google's and Azure's storage over one set of objects, with faults to order.
// It knows what internal/source asks of the real ones and checks no
// signatures; internal/e2e has servers that do.
package fake

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server holds objects, each under BUCKET/NAME.
type Server struct {
	*httptest.Server
	Cut   int  // break each body after so many bytes, 0: never
	Busy  int  // answer so many requests with 503 first
	Plain bool // the web server knows no ranges

	mu       sync.Mutex
	deny     int
	code     string
	reason   string
	objects  map[string]*object
	uploads  map[string]*upload
	Requests []string // method, path and range of each
	open     int
	MaxOpen  int // bodies that were sent at once
}

type object struct {
	data []byte
	gen  int
	etag string
	time time.Time
}

type upload struct {
	path  string
	parts map[string][]byte
}

// New starts a server; tls says whether it speaks TLS.
func New(tls bool) *Server {
	s := &Server{objects: make(map[string]*object), uploads: make(map[string]*upload)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// Env is what points the clients of the stores here.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": s.URL + "/s3", "AWS_ACCESS_KEY_ID": "AKIDFAKE", "AWS_SECRET_ACCESS_KEY": "secretfake", "AWS_REGION": "eu-west-1",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_ENDPOINT_URL_S3": "",
		"STORAGE_EMULATOR_HOST": s.URL,
		"AZURE_STORAGE_ACCOUNT": "fake", "AZURE_STORAGE_KEY": base64.StdEncoding.EncodeToString([]byte("keyfake")),
		"AZURE_STORAGE_SERVICE_ENDPOINT": s.URL + "/azure", "AZURE_STORAGE_CONNECTION_STRING": "", "AZURE_STORAGE_SAS_TOKEN": "",
	}
}

// Put makes or replaces an object.
func (s *Server) Put(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gen := 1
	if o := s.objects[path]; o != nil {
		gen = o.gen + 1
	}
	tag := fmt.Sprintf(`"%x-%d"`, md5.Sum(data), gen)
	s.objects[path] = &object{bytes.Clone(data), gen, tag, time.Date(2026, 11, 22, 15, 0, gen, 0, time.UTC)}
}

// Get gives an object, nil if it is not there.
func (s *Server) Get(path string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[path]; o != nil {
		return o.data
	}
	return nil
}

// Refuse answers all that is asked from now on with a status, the store's word
// for it and a text; with 0 no more.
func (s *Server) Refuse(status int, code, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deny, s.code, s.reason = status, code, reason
}

// Forget drops uploads that are not complete, as stores do in time.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.uploads)
}

// Uploads is how many are begun and neither complete nor taken back.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

func (o *object) tag() string { return o.etag }

// cutWriter ends a body in the middle, as a broken connection does.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	c.ResponseWriter.Write(p[:c.left])
	c.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.Requests = append(s.Requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	busy := s.Busy > 0
	if busy {
		s.Busy--
	}
	deny, code, reason := s.deny, s.code, s.reason
	s.mu.Unlock()
	if busy {
		deny, code, reason = 503, "SlowDown", "Please reduce your request rate."
	}
	azure, isAzure := strings.CutPrefix(r.URL.Path, "/azure/")
	s3, isS3 := strings.CutPrefix(r.URL.Path, "/s3/")
	web, isWeb := strings.CutPrefix(r.URL.Path, "/web/")
	google, isGoogle := strings.CutPrefix(r.URL.EscapedPath(), "/storage/v1/b/")
	begin, isUpload := strings.CutPrefix(r.URL.Path, "/upload/storage/v1/b/")
	fail := func(status int, code, message string) {
		switch {
		case isGoogle || isUpload:
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
		default:
			w.Header().Set("X-Ms-Error-Code", code)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
		}
	}
	if deny != 0 {
		io.Copy(io.Discard, r.Body)
		fail(deny, code, reason)
		return
	}
	switch {
	case isWeb:
		s.web(w, r, web, fail)
	case isS3:
		s.s3(w, r, s3, fail)
	case isAzure:
		s.azure(w, r, azure, fail)
	case isGoogle:
		s.google(w, r, google, fail)
	case isUpload:
		s.googleUpload(w, r, begin, fail)
	default:
		fail(404, "NotFound", "nothing there")
	}
}

type failure func(status int, code, message string)

// send gives out an object, or the part of it that is asked for.
func (s *Server) send(w http.ResponseWriter, r *http.Request, o *object) {
	s.mu.Lock()
	s.open++
	s.MaxOpen = max(s.MaxOpen, s.open)
	cut := s.Cut
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	w.Header().Set("ETag", o.tag())
	w.Header().Set("Content-Type", "application/octet-stream")
	if cut > 0 {
		w = &cutWriter{w, cut}
	}
	http.ServeContent(w, r, "", o.time, bytes.NewReader(o.data))
}

func (s *Server) find(path string) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// below lists the objects of a prefix, page by page: two make a page.
func (s *Server) below(prefix, after string) (paths []string, next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.objects {
		if strings.HasPrefix(path, prefix) && path > after {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	if len(paths) > 2 {
		paths, next = paths[:2], paths[1]
	}
	return paths, next
}

func (s *Server) bucketThere(path string) bool {
	bucket, _, _ := strings.Cut(path, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.objects {
		if strings.HasPrefix(p, bucket+"/") {
			return true
		}
	}
	return false
}

func (s *Server) web(w http.ResponseWriter, r *http.Request, path string, fail failure) {
	if r.Method == "PUT" {
		if r.ContentLength < 0 {
			fail(411, "MissingContentLength", "")
			return
		}
		data, err := io.ReadAll(r.Body)
		if err == nil {
			s.Put(path, data)
		}
		return
	}
	o := s.find(path)
	switch {
	case o == nil:
		fail(404, "", "")
	case r.Method != "GET":
		fail(403, "SignatureDoesNotMatch", "")
	case s.Plain:
		w.Header().Set("Content-Length", strconv.Itoa(len(o.data)))
		w.Header().Set("ETag", "W/"+o.tag())
		out := io.Writer(w)
		if s.Cut > 0 {
			s.mu.Lock()
			s.Cut *= 2 // or it would never end
			out = &cutWriter{w, s.Cut}
			s.mu.Unlock()
		}
		out.Write(o.data)
	default:
		s.send(w, r, o)
	}
}

func (s *Server) s3(w http.ResponseWriter, r *http.Request, path string, fail failure) {
	bucket, key, _ := strings.Cut(path, "/")
	q := r.URL.Query()
	id := q.Get("uploadId")
	switch {
	case !s.bucketThere(path):
		fail(404, "NoSuchBucket", "The specified bucket does not exist")
	case r.Method == "GET" && key == "":
		paths, next := s.below(bucket+"/"+q.Get("prefix"), q.Get("continuation-token"))
		type content struct {
			Key, ETag, LastModified string
			Size                    int
		}
		page := struct {
			XMLName               xml.Name `xml:"ListBucketResult"`
			IsTruncated           bool
			NextContinuationToken string `xml:",omitempty"`
			Contents              []content
		}{IsTruncated: next != "", NextContinuationToken: next}
		for _, p := range paths {
			o := s.find(p)
			page.Contents = append(page.Contents, content{p[len(bucket)+1:], o.tag(), o.time.Format(time.RFC3339), len(o.data)})
		}
		xml.NewEncoder(w).Encode(page)
	case r.Method == "POST" && q.Has("uploads"):
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", s.begin(path))
	case r.Method == "POST" && id != "":
		s.finish(id)
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
	case r.Method == "PUT" && id != "":
		n, _ := strconv.Atoi(q.Get("partNumber"))
		data, err := io.ReadAll(r.Body)
		if err == nil {
			s.part(id, fmt.Sprintf("%08d", n), data)
		}
		w.Header().Set("ETag", `"part"`)
	case r.Method == "PUT":
		if data, err := io.ReadAll(r.Body); err == nil {
			s.Put(path, data)
		}
	case r.Method == "DELETE" && id != "":
		s.drop(id)
		w.WriteHeader(204)
	case s.find(path) == nil:
		fail(404, "NoSuchKey", "The specified key does not exist.")
	default:
		s.send(w, r, s.find(path))
	}
}

func (s *Server) begin(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("upload%d", len(s.Requests))
	s.uploads[id] = &upload{path, make(map[string][]byte)}
	return id
}

func (s *Server) part(id, n string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.uploads[id]; u != nil {
		u.parts[n] = data
	}
}

func (s *Server) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, id)
}

// finish joins the parts in the order of their names.
func (s *Server) finish(id string) {
	s.mu.Lock()
	u := s.uploads[id]
	delete(s.uploads, id)
	s.mu.Unlock()
	if u == nil {
		return
	}
	var names []string
	for n := range u.parts {
		names = append(names, n)
	}
	sort.Strings(names)
	var all []byte
	for _, n := range names {
		all = append(all, u.parts[n]...)
	}
	s.Put(u.path, all)
}

func (s *Server) azure(w http.ResponseWriter, r *http.Request, path string, fail failure) {
	q := r.URL.Query()
	o := s.find(path)
	bucket, _, _ := strings.Cut(path, "/")
	switch {
	case !s.bucketThere(path):
		fail(404, "ContainerNotFound", "The specified container does not exist.")
	case q.Get("comp") == "list":
		paths, next := s.below(bucket+"/"+q.Get("prefix"), q.Get("marker"))
		fmt.Fprint(w, `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>`)
		for _, p := range paths {
			o := s.find(p)
			fmt.Fprint(w, "<Blob><Name>")
			xml.EscapeText(w, []byte(p[len(bucket)+1:]))
			fmt.Fprintf(w, "</Name><Properties><Last-Modified>%s</Last-Modified><Etag>%s</Etag><Content-Length>%d</Content-Length></Properties></Blob>",
				o.time.Format(http.TimeFormat), strings.ReplaceAll(o.tag(), `"`, "&quot;"), len(o.data))
		}
		fmt.Fprintf(w, "</Blobs><NextMarker>%s</NextMarker></EnumerationResults>", next)
	case q.Get("comp") == "block":
		data, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		if s.uploads[path] == nil {
			s.uploads[path] = &upload{path, make(map[string][]byte)}
		}
		s.mu.Unlock()
		s.part(path, q.Get("blockid"), data)
		w.WriteHeader(201)
	case q.Get("comp") == "blocklist":
		var list struct{ Latest []string }
		data, _ := io.ReadAll(r.Body)
		xml.Unmarshal(data, &list)
		if len(list.Latest) == 0 {
			s.Put(path, nil)
		}
		s.mu.Lock()
		if u := s.uploads[path]; u != nil { // named so that they sort as in the list
			parts := make(map[string][]byte)
			for i, id := range list.Latest {
				parts[fmt.Sprintf("%08d", i)] = u.parts[id]
			}
			u.parts = parts
		}
		s.mu.Unlock()
		s.finish(path)
		w.WriteHeader(201)
	case o == nil:
		fail(404, "BlobNotFound", "The specified blob does not exist.")
	default:
		if span := r.Header.Get("X-Ms-Range"); span != "" {
			r.Header.Set("Range", span)
			s.mu.Lock()
			s.Requests[len(s.Requests)-1] += " " + span
			s.mu.Unlock()
		}
		s.send(w, r, o)
	}
}

func (s *Server) google(w http.ResponseWriter, r *http.Request, path string, fail failure) {
	q := r.URL.Query()
	bucket, key, one := strings.Cut(path, "/o/")
	key, _ = url.PathUnescape(key)
	bucket = strings.TrimSuffix(bucket, "/o")
	type item struct {
		Name       string `json:"name"`
		Size       string `json:"size"`
		Generation string `json:"generation"`
		Updated    string `json:"updated"`
	}
	about := func(path string, o *object) item {
		return item{path[len(bucket)+1:], strconv.Itoa(len(o.data)), strconv.Itoa(o.gen), o.time.Format(time.RFC3339)}
	}
	if !one {
		if !s.bucketThere(bucket) {
			fail(404, "", "The specified bucket does not exist.")
			return
		}
		paths, next := s.below(bucket+"/"+q.Get("prefix"), q.Get("pageToken"))
		page := struct {
			Items []item `json:"items,omitempty"`
			Next  string `json:"nextPageToken,omitempty"`
		}{Next: next}
		for _, p := range paths {
			page.Items = append(page.Items, about(p, s.find(p)))
		}
		json.NewEncoder(w).Encode(page)
		return
	}
	o := s.find(bucket + "/" + key)
	switch {
	case o == nil || q.Get("generation") != "" && q.Get("generation") != strconv.Itoa(o.gen):
		fail(404, "", "No such object: "+bucket+"/"+key)
	case q.Get("alt") == "media":
		s.send(w, r, o)
	default:
		json.NewEncoder(w).Encode(about(bucket+"/"+key, o))
	}
}

func (s *Server) googleUpload(w http.ResponseWriter, r *http.Request, path string, fail failure) {
	q := r.URL.Query()
	id := q.Get("id")
	data, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == "POST":
		id = s.begin(strings.TrimSuffix(path, "/o") + "/" + q.Get("name"))
		w.Header().Set("Location", s.URL+"/upload/storage/v1/b/x/o?id="+id)
		return
	case r.Method == "DELETE":
		s.drop(id)
		w.WriteHeader(499)
		return
	}
	s.mu.Lock()
	u := s.uploads[id]
	s.mu.Unlock()
	if u == nil {
		fail(404, "", "no such upload")
		return
	}
	have := len(u.parts["x"])
	span, whole, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	if first, _, ok := strings.Cut(span, "-"); ok {
		if at, _ := strconv.Atoi(first); at > have {
			fail(400, "", "a gap")
			return
		} else {
			data = append(bytes.Clone(u.parts["x"][:at]), data...)
		}
		if whole == "*" { // takes whole units only, as Google does
			data = data[:len(data)/(256<<10)*(256<<10)]
		}
		s.part(id, "x", data)
		have = len(data)
	}
	if whole != "*" {
		s.finish(id)
		fmt.Fprint(w, "{}")
		return
	}
	if have > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", have-1))
	}
	w.WriteHeader(308)
}
