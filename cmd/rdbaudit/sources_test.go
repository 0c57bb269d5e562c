package main

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/internal/source/fake"
)

// stores starts a stand-in for all stores and points the clients there.
func stores(t *testing.T) *fake.Server {
	s := fake.New(false)
	t.Cleanup(s.Close)
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
	return s
}

// TestSourcesAgree: the same dump gives the same report from wherever it comes,
// but for its name, though connections break and the store is busy.
func TestSourcesAgree(t *testing.T) {
	inDir(t)
	s := stores(t)
	data := fixtures.Get(t, shop).Data
	write(t, "there/dump.rdb", data)
	s.Put("bucket/there/dump.rdb", data)
	for _, kind := range packings {
		s.Put("bucket/"+kind+"/dump.rdb."+kind, pack(t, kind, pack(t, "gz", data)))
	}
	s.Cut, s.Busy = 300_000, 1
	dir, err := os.Getwd()
	require.NoError(t, err)
	var want string
	for i, arg := range []string{
		"there/dump.rdb", "there", "there/*.rdb", "file://" + filepath.ToSlash(dir) + "/there/dump.rdb",
		s.URL + "/web/bucket/there/dump.rdb?X-Amz-Signature=SECRET", "s3://bucket/there/dump.rdb", "gs://bucket/there/dump.rdb", "azblob://bucket/there/dump.rdb",
		"s3://bucket/there/", "gs://bucket/t*/*.rdb", "azblob://bucket/there",
	} {
		got := good(t, "report", arg, "--format", "json")
		require.NotContains(t, got, "SECRET")
		_, tail, ok := strings.Cut(got, "there/dump.rdb\"")
		require.True(t, ok)
		tail = tail[strings.Index(tail, "\"size\""):]
		if i == 0 {
			want = tail
		}
		require.Equal(t, want, tail, arg)
		require.Contains(t, good(t, "report", arg), "57 % of 3.10 MiB is below events:")
		require.Contains(t, good(t, "verify", arg), "\tREDIS0011\tredis 7.2.6\t1891\t")
		require.Contains(t, good(t, "key", arg, "followers:268"), "27,080 bytes")
	}
	rows := withoutSource(good(t, "keys", "there"))
	for _, kind := range packings {
		for _, scheme := range []string{"s3", "gs", "azblob"} {
			require.Equal(t, rows, withoutSource(good(t, "keys", scheme+"://bucket/"+kind+"/")))
		}
	}
	// Standard input comes by another name and without a size.
	r := runWith(bytes.NewReader(data), "keys", "-")
	require.Equal(t, rows, withoutSource(r.stdout))
}

// TestSourceErrors: one line and the right status, alone and among others.
func TestSourceErrors(t *testing.T) {
	inDir(t, shop)
	s := stores(t)
	s.Put("bucket/a.rdb", fixtures.Get(t, shop).Data)
	s.Refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	line := "rdbaudit: s3://bucket/a.rdb: the secret key is wrong (403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided)\n"
	r := rdbaudit("s3://bucket/a.rdb")
	require.Equal(t, result{exitFailed, "", line}, r)
	r = rdbaudit("s3://bucket/a.rdb", shop+".rdb", "-q")
	require.Equal(t, result{exitDamaged, "", line}, r)
	r = rdbaudit(shop+".rdb", "-o", "s3://bucket/out/x.html")
	require.Equal(t, exitFailed, r.status)
	require.Equal(t, strings.Replace(line, "a.rdb", "out/x.html", 1), r.stderr)
	require.Empty(t, r.stdout, "said before anything is read")
	r = rdbaudit(strings.Replace(s.URL, "http", "ftp", 1) + "/x")
	require.Equal(t, exitFailed, r.status)
	require.Regexp(t, `^rdbaudit: ftp://.*/x: no ftp:// here; there are https://`, r.stderr)
}

// TestPartsInStores: parts are written to stores, and merged from there.
func TestPartsInStores(t *testing.T) {
	inDir(t, shop)
	s := stores(t)
	s.Put("bucket/x", nil)
	for _, name := range []string{"1", "2"} {
		write(t, name+".rdb", fixtures.Get(t, shop).Data)
		for _, scheme := range []string{"s3", "gs", "azblob"} {
			good(t, "report", "-q", name+".rdb", "-o", scheme+"://bucket/parts/"+name+".rdbaudit")
		}
	}
	want := good(t, "report", "1.rdb", "2.rdb", "--format", "json")
	for _, scheme := range []string{"s3", "gs", "azblob"} {
		at := scheme + "://bucket/parts/"
		require.Equal(t, want, good(t, "merge", at+"*.rdbaudit", "--format", "json"))
		require.Equal(t, want, good(t, "merge", at+"2.rdbaudit", at+"1.rdbaudit", "--format", "json"))
		require.Equal(t, exitFailed, rdbaudit("merge", at+"3.rdbaudit").status)
	}
	require.Equal(t, want, good(t, "merge", s.URL+"/web/bucket/parts/1.rdbaudit?sig=SECRET", "s3://bucket/parts/2.rdbaudit", "--format", "json"))
}

// TestOutputsInStores: reports and rows are uploaded as they would be written.
func TestOutputsInStores(t *testing.T) {
	inDir(t, shop)
	s := stores(t)
	s.Put("bucket/x", nil)
	want := good(t, shop+".rdb", "--format", "json")
	rows := good(t, "keys", shop+".rdb")
	for scheme, at := range map[string]string{"web": s.URL + "/web/bucket/", "s3": "s3://bucket/", "gs": "gs://bucket/", "azblob": "azblob://bucket/"} {
		sign := ""
		if scheme == "web" {
			sign = "?signature=SECRET"
		}
		require.Empty(t, good(t, "-q", shop+".rdb", "-o", at+scheme+"/r.json"+sign, "-o", at+scheme+"/r.html"+sign, "-o", "csv:types="+at+scheme+"/types"+sign))
		require.Equal(t, want, string(s.Get("bucket/"+scheme+"/r.json")))
		require.Equal(t, good(t, shop+".rdb", "--format", "csv:types"), string(s.Get("bucket/"+scheme+"/types")))
		require.Contains(t, string(s.Get("bucket/"+scheme+"/r.html")), "</html>")
		require.Empty(t, good(t, "keys", shop+".rdb", "-o", at+scheme+"/rows.csv"+sign))
		require.Equal(t, rows, string(s.Get("bucket/"+scheme+"/rows.csv")))
		// A dump that cannot be read leaves no rows behind.
		require.Equal(t, exitFailed, rdbaudit("keys", "gone.rdb", "-o", at+scheme+"/none.csv"+sign).status)
		require.Nil(t, s.Get("bucket/"+scheme+"/none.csv"))
	}
	s.Forget() // what Azure would forget of the last
	r := rdbaudit(shop+".rdb", "-o", s.URL+"/web/bucket/x.odt?signature=SECRET")
	require.Equal(t, exitUsage, r.status)
	require.NotContains(t, r.stderr, "SECRET")
	good(t, "-q", shop+".rdb", "-o", "file://"+filepath.ToSlash(t.TempDir())+"/r.json")
}

// TestTLS: a server is trusted by SSL_CERT_FILE, in a process of its own, as
// the system's authorities are read once.
func TestTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	inDir(t, shop)
	s := fake.New(true)
	defer s.Close()
	s.Put("b/shop.rdb", []byte(read(t, shop+".rdb")))
	write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	self, err := os.Executable()
	require.NoError(t, err)
	run := func(env ...string) (string, error) {
		cmd := exec.Command(self, "verify", s.URL+"/web/b/shop.rdb?SECRET")
		cmd.Env = append(append(os.Environ(), "RDBAUDIT_TEST_AS_COMMAND=1"), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("SSL_CERT_FILE=ca.pem")
	if err != nil && strings.Contains(out, "signed by nobody we know") && os.PathSeparator != '/' {
		t.Skip("this system has its own store of authorities")
	}
	require.NoError(t, err, out)
	require.Equal(t, "ok\t"+s.URL+"/web/b/shop.rdb\tREDIS0011\tredis 7.2.6\t1891\t821288\tok\t\n", out)
	out, err = run()
	require.Error(t, err)
	require.Contains(t, out, "the server's certificate is signed by nobody we know")
}

// TestAOF: a preamble, an AOF in parts and a transfer are read as the dump in
// them, with a line about the commands that are not.
func TestAOF(t *testing.T) {
	inDir(t, shop)
	dump := read(t, shop+".rdb")
	want := withoutSource(good(t, "keys", shop+".rdb"))
	commands := strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", 1000)
	mark := "0123456789abcdef0123456789abcdef01234567"
	write(t, "appendonly.aof", []byte(dump+commands))
	write(t, "aof/a.aof.1.base.rdb", []byte(dump))
	write(t, "aof/a.aof.1.incr.aof", []byte(commands))
	write(t, "aof/a.aof.2.incr.aof", []byte("*1\r\n"))
	write(t, "aof/a.aof.manifest", []byte("file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\nfile a.aof.2.incr.aof seq 2 type i\n"))
	for _, c := range []struct{ arg, stdin, say string }{
		{"appendonly.aof", "", "appendonly.aof: 27,000 bytes of append-only file commands follow the dump and were not read"},
		{"aof", "", "aof/a.aof.1.base.rdb: 27,004 bytes of later commands in other files of the AOF were not read"},
		{"aof/a.aof.manifest", "", "aof/a.aof.1.base.rdb: 27,004 bytes of later commands in other files of the AOF were not read"},
		{"-", dump + mark, ""}, // redis-cli --rdb -
		{"-", "$821288\r\n" + dump, ""},
		{"-", "$821288\r\n" + dump + commands, "-: 27,000 bytes of append-only file commands follow the dump and were not read"},
		{"-", "$EOF:" + mark + "\r\n" + dump + mark, ""},
		{"-", "+FULLRESYNC " + mark + " 0\r\n\n$EOF:" + mark + "\r\n" + dump + mark + commands, "-: 27,000 bytes of append-only file commands follow the dump and were not read"},
	} {
		r := runWith(strings.NewReader(c.stdin), "keys", c.arg)
		require.Zero(t, r.status, r.stderr)
		require.Equal(t, want, withoutSource(r.stdout))
		if c.say != "" {
			c.say = "rdbaudit: " + c.say + "\n"
		}
		require.Equal(t, c.say, r.stderr)
		if c.say != "" { // and in the report, at its head
			r = runWith(strings.NewReader(c.stdin), "report", c.arg)
			head, _, _ := strings.Cut(r.stdout, "MEMORY")
			require.Contains(t, strings.Join(strings.Fields(head), " "), "were not read", c.arg)
		}
	}
	r := runWith(strings.NewReader("$EOF:"+mark+"\r\n"+dump[:500_000]), "report", "-", "-q")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stderr, "the transfer ends without its end mark")
	r = runWith(strings.NewReader("$821288\r\n"+dump[:500_000]), "report", "-", "-q")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stderr, "the transfer announces 821288 bytes and ends after 500000")
	r = runWith(strings.NewReader(commands), "report", "-")
	require.Equal(t, exitFailed, r.status)
	require.Equal(t, "rdbaudit: -: an append-only file with commands only, no RDB in front: CONFIG SET aof-use-rdb-preamble yes and BGREWRITEAOF give one, or BGSAVE a dump\n", r.stderr)
}

// TestUploadInterrupted: a signal leaves nothing in the store.
func TestUploadInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	inDir(t)
	s := stores(t)
	s.Put("bucket/x", nil)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "keys", "-", "-o", "s3://bucket/rows.csv")
	cmd.Env = append(os.Environ(), "RDBAUDIT_TEST_AS_COMMAND=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = in.Write(fixtures.Get(t, shop).Data[:700_000])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.Uploads() == 1 }, 10*time.Second, 5*time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Skip("no signals here")
	}
	time.Sleep(50 * time.Millisecond)
	in.Close()
	cmd.Wait()
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	require.Zero(t, s.Uploads())
	require.Nil(t, s.Get("bucket/rows.csv"))
}
