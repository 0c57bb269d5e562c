package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"sort"
	"strings"
	"sync"
	"time"
)

// Stores are the places that URLs name. The zero value is ready. A client is
// made when the first URL asks for it, with what credentials its own chain
// finds then: what names no URL touches no network.
type Stores struct {
	// Transport replaces the network, for tests.
	Transport http.RoundTripper

	mu     sync.Mutex
	opened map[string]store
	client *http.Client
	spare  int // parts in the hands of readers, of maxParts
	pause  time.Duration
}

// store is one kind of place. A path is what follows the scheme's ://, for
// https the whole URL.
type store interface {
	// stat asks for an object's size and version.
	stat(ctx context.Context, path string) (object, error)
	// open gives n bytes from off on, all that follow if n < 0. It fails with
	// errChanged if the object is not the one that stat saw.
	open(ctx context.Context, path string, o object, off, n int64) (io.ReadCloser, error)
	// list gives all objects whose path starts so, in the order of their names.
	list(ctx context.Context, prefix string) ([]entry, error)
	// create begins an upload that appears when its last part has come.
	create(ctx context.Context, path string) (uploader, error)
}

// object is a version of a thing in a store.
type object struct {
	size int64     // -1: the store does not say
	tag  string    // ETag or generation, "" if the store gives none
	time time.Time // of the last change, zero if unknown
	from bool      // the store can begin in the middle
}

type entry struct {
	path string
	object
}

// scheme is a row of the list of stores.
type scheme struct {
	name  string
	lists bool // a path that ends in / or has a glob names many objects
	make  func(*Stores) store
}

func schemes() []scheme {
	web := func(s *Stores) store { return &webStore{client: s.http()} }
	return []scheme{
		{"https", false, web},
		{"http", false, web},
		{"s3", true, func(s *Stores) store { return &s3Store{client: s.http()} }},
		{"gs", true, func(s *Stores) store { return &gsStore{client: s.http()} }},
		{"azblob", true, func(s *Stores) store { return &azureStore{client: s.http()} }},
	}
}

// location is a URL that was told apart.
type location struct {
	scheme
	path  string // for the store
	shown string // for people: no password, no signature
}

// locate tells a URL apart. ok is false for what is none; a scheme that is not
// read is an error.
func locate(arg string) (l location, ok bool, err error) {
	name, rest, found := strings.Cut(arg, "://")
	name = strings.ToLower(name)
	if !found || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return l, false, nil
	}
	var names []string
	for _, s := range schemes() {
		if s.name != name {
			names = append(names, s.name+"://")
			continue
		}
		l = location{scheme: s, path: rest, shown: arg}
		if !s.lists {
			l.path = arg
			l.shown, err = webName(arg)
			return l, true, err
		}
		bucket, _, _ := strings.Cut(rest, "/")
		if bucket == "" {
			return l, true, fmt.Errorf("no bucket; it goes %s://BUCKET/NAME", name)
		}
		return l, true, nil
	}
	if name == "file" {
		return location{}, false, nil
	}
	return l, true, fmt.Errorf("no %s:// here; there are %s and file://", name, strings.Join(names, ", "))
}

// hidden cuts what may be secret off a URL that is not understood.
func hidden(arg string) string {
	arg, _, _ = strings.Cut(arg, "?")
	scheme, rest, _ := strings.Cut(arg, "://")
	host, tail, slash := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if slash {
		tail = "/" + tail
	}
	return scheme + "://" + host + tail
}

// IsURL says whether a path names an object of a store.
func IsURL(path string) bool {
	_, ok, _ := locate(path)
	return ok
}

// Shown is a path as messages and reports may print it: without the password
// and the signature that a URL can carry.
func Shown(path string) string {
	if l, ok, err := locate(path); ok && err == nil {
		return l.shown
	} else if ok {
		return hidden(path)
	}
	return path
}

// http is the client of all stores. It speaks HTTP/1.1: over HTTP/2 the ranges
// that are read side by side would share one connection, and its pace.
func (s *Stores) http() *http.Client {
	if s.client != nil {
		return s.client
	}
	transport := s.Transport
	if transport == nil {
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, Protocols: &protocols,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
			MaxIdleConnsPerHost: 2 * maxParts, IdleConnTimeout: 90 * time.Second,
			DisableCompression: true, // what is stored is what we want
		}
	}
	s.client = &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 10:
			return errors.New("it redirects in a circle")
		case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
			return errors.New("it redirects from https to " + req.URL.Scheme)
		}
		return nil
	}}
	return s.client
}

func (s *Stores) store(sch scheme) store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = make(map[string]store)
	}
	if s.opened[sch.name] == nil {
		s.opened[sch.name] = sch.make(s)
	}
	return s.opened[sch.name]
}

// expand gives the inputs that a URL names.
func (s *Stores) expand(ctx context.Context, l location) []Input {
	bad := func(err error) []Input {
		return []Input{{Path: l.shown, Size: -1, Err: fmt.Errorf("%s: %w", l.shown, l.explain(err))}}
	}
	st := s.store(l.scheme)
	input := func(e entry) Input {
		name := l.shown
		if l.lists {
			name = l.name + "://" + e.path
		}
		return Input{Path: name, Size: e.size, Time: e.time, remote: &remote{stores: s, store: st, loc: l, path: e.path, object: e.object}}
	}
	bucket, key, _ := strings.Cut(l.path, "/")
	if l.lists && strings.ContainsAny(key, "*?[") {
		return s.glob(ctx, st, l, bad, input)
	}
	if l.lists && (key == "" || strings.HasSuffix(key, "/")) {
		prefix := bucket + "/" + key
		found, err := s.listing(ctx, st, prefix)
		if err != nil {
			return bad(err)
		}
		if inputs := s.directory(ctx, st, found, input); inputs != nil {
			return inputs
		}
		return bad(fmt.Errorf("no dump there: none of %d objects has .rdb in its name; a glob names others", len(found)))
	}
	var o object
	err := s.again(ctx, 3, func() (err error) { o, err = st.stat(ctx, l.path); return err })
	if err == nil {
		if l.lists && strings.HasSuffix(key, ".manifest") {
			in, _ := s.multiPart(ctx, st, entry{l.path, o}, nil, input)
			return []Input{in}
		}
		return []Input{input(entry{l.path, o})}
	}
	var f *fault
	if l.lists && errors.As(err, &f) && f.status == http.StatusNotFound && f.code != "NoSuchBucket" {
		// As with a directory on disk, its name alone is enough.
		if found, listErr := s.listing(ctx, st, l.path+"/"); listErr == nil {
			if inputs := s.directory(ctx, st, found, input); inputs != nil {
				return inputs
			}
		}
	}
	return bad(err)
}

func (s *Stores) listing(ctx context.Context, st store, prefix string) (found []entry, err error) {
	err = s.again(ctx, 3, func() (err error) { found, err = st.list(ctx, prefix); return err })
	sort.Slice(found, func(i, j int) bool { return found[i].path < found[j].path })
	return found, err
}

// directory picks the dumps out of a listing. To look into each object would
// cost a request for each: their names must do.
func (s *Stores) directory(ctx context.Context, st store, found []entry, input func(entry) Input) []Input {
	var inputs []Input
	parts := make(map[string]bool) // of AOFs, which their manifests name
	for _, e := range found {
		if strings.HasSuffix(e.path, ".manifest") {
			in, names := s.multiPart(ctx, st, e, found, input)
			for _, name := range names {
				parts[path.Join(path.Dir(e.path), name)] = true
			}
			if !errors.Is(in.Err, errNoManifest) {
				inputs = append(inputs, in)
			}
		}
	}
	for _, e := range found {
		name := strings.ToLower(path.Base(e.path))
		if strings.Contains(name, ".rdb") && !strings.HasSuffix(name, ".rdbaudit") && !strings.HasSuffix(e.path, "/") && !parts[e.path] {
			inputs = append(inputs, input(e))
		}
	}
	sort.SliceStable(inputs, func(i, j int) bool { return inputs[i].Path < inputs[j].Path })
	return inputs
}

// glob lists what lies below the part of the name that is no pattern. As on
// disk, a star stops at a slash, and an object of that very name comes first.
func (s *Stores) glob(ctx context.Context, st store, l location, bad func(error) []Input, input func(entry) Input) []Input {
	if _, err := path.Match(l.path, ""); err != nil {
		return bad(errors.New("not a pattern of names"))
	}
	found, err := s.listing(ctx, st, l.path[:strings.IndexAny(l.path, "*?[")])
	if err != nil {
		return bad(err)
	}
	var inputs []Input
	for _, e := range found {
		if e.path == l.path {
			return []Input{input(e)}
		}
		if is, _ := path.Match(l.path, e.path); is {
			inputs = append(inputs, input(e))
		}
	}
	if inputs == nil {
		return bad(errors.New("no object matches"))
	}
	return inputs
}

// multiPart finds the base of an AOF in several parts, by its manifest. names
// are all files that this names.
func (s *Stores) multiPart(ctx context.Context, st store, e entry, found []entry, input func(entry) Input) (in Input, names []string) {
	in = input(e)
	from := s.stream(ctx, in.remote, 0, min(e.size, maxManifest))
	defer from.Close()
	data, err := io.ReadAll(from)
	m := &manifest{}
	if err == nil {
		m, err = parseManifest(data)
	}
	if err == nil && found == nil {
		found, err = s.listing(ctx, st, path.Dir(e.path)+"/")
	}
	files := make(map[string]entry)
	for _, f := range found {
		if path.Dir(f.path) == path.Dir(e.path) {
			files[path.Base(f.path)] = f
		}
	}
	if err == nil {
		var base entry
		if base, err = pick(m, files); err == nil {
			in = input(base)
			in.Later = m.later(func(name string) int64 { return files[name].size })
			return in, m.names
		}
	}
	in.Err = fmt.Errorf("%s: %w", in.Path, err)
	return in, m.names
}

// pick gives the base of what a manifest names.
func pick[F any](m *manifest, files map[string]F) (base F, err error) {
	if err = m.check(); err != nil {
		return base, err
	}
	base, ok := files[m.base]
	if !ok {
		err = fmt.Errorf("its base file %s is not there", m.base)
	}
	return base, err
}

// remote is where an input in a store lies.
type remote struct {
	stores *Stores
	store  store
	loc    location
	path   string
	object
}

func (r *remote) openAt(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return r.store.open(ctx, r.path, r.object, off, n)
}
