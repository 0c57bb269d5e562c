package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/stretchr/testify/require"

	"rdbaudit/internal/source"
)

const (
	account = "e2eaccount"
	access  = "e2eaccess"
)

var secret = base64.StdEncoding.EncodeToString([]byte("a secret of the tests, and of nobody else"))

// server is a store that runs as a program of its own. Its scheme's URLs reach
// it by the environment.
type server struct {
	name    string
	scheme  string
	install func(dir string) *exec.Cmd
	command func(dir, port string) *exec.Cmd
	env     func(url string) map[string]string
	bucket  func(t *testing.T, url string) // makes one named bucket
	denies  string                         // what a wrong secret gives, "" if nobody looks
}

func goInstall(pkg string) func(string) *exec.Cmd {
	return func(dir string) *exec.Cmd {
		cmd := exec.Command("go", "install", pkg)
		cmd.Dir = dir // no module of ours
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
		return cmd
	}
}

func aws(url string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1"}
}

var servers = []server{
	{
		name: "versitygw", scheme: "s3", install: goInstall("github.com/versity/versitygw/cmd/versitygw@v1.8.0"),
		command: func(dir, port string) *exec.Cmd {
			data := filepath.Join(dir, "data")
			os.MkdirAll(filepath.Join(data, "bucket"), 0o755)
			return exec.Command(filepath.Join(dir, "versitygw"), "--port", "127.0.0.1:"+port, "--access", access, "--secret", secret, "posix", data)
		},
		env: aws, denies: "the secret key is wrong (403 SignatureDoesNotMatch",
	},
	{
		name: "gofakes3", scheme: "s3", install: goInstall("github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0"),
		command: func(dir, port string) *exec.Cmd {
			return exec.Command(filepath.Join(dir, "gofakes3"), "-host", "127.0.0.1:"+port, "-backend", "mem", "-initialbucket", "bucket")
		},
		env: aws,
	},
	{
		name: "fake-gcs-server", scheme: "gs", install: goInstall("github.com/fsouza/fake-gcs-server@v1.56.1"),
		command: func(dir, port string) *exec.Cmd {
			return exec.Command(filepath.Join(dir, "fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory")
		},
		env: func(url string) map[string]string { return map[string]string{"STORAGE_EMULATOR_HOST": url} },
		bucket: func(t *testing.T, url string) {
			resp, err := http.Post(url+"/storage/v1/b", "application/json", strings.NewReader(`{"name":"bucket"}`))
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, 200, resp.StatusCode)
		},
	},
	{
		name: "azurite", scheme: "azblob",
		install: func(dir string) *exec.Cmd {
			return exec.Command("npm", "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "azurite@3.37.0")
		},
		command: func(dir, port string) *exec.Cmd {
			cmd := exec.Command("node", filepath.Join(dir, "node_modules", "azurite", "dist", "src", "blob", "main.js"), "--location", dir,
				"--blobHost", "127.0.0.1", "--blobPort", port, "--skipApiVersionCheck", "--silent")
			cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+account+":"+secret)
			return cmd
		},
		env: func(url string) map[string]string {
			return map[string]string{"AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": secret, "AZURE_STORAGE_SERVICE_ENDPOINT": url + "/" + account}
		},
		bucket: func(t *testing.T, url string) {
			key, err := azblob.NewSharedKeyCredential(account, secret)
			require.NoError(t, err)
			c, err := azblob.NewClientWithSharedKeyCredential(url+"/"+account, key, nil)
			require.NoError(t, err)
			_, err = c.CreateContainer(t.Context(), "bucket", nil)
			require.NoError(t, err)
		},
		denies: "access denied (403 AuthorizationFailure)",
	},
}

// installation is a server's program on its way.
type installation struct {
	dir  string
	done chan struct{}
	err  error
}

// begin installs a server while others are tested: that takes longer than all
// tests.
func (s *server) begin(t *testing.T) *installation {
	in := &installation{dir: t.TempDir(), done: make(chan struct{})}
	go func() {
		defer close(in.done)
		if out, err := s.install(in.dir).CombinedOutput(); err != nil {
			in.err = fmt.Errorf("%w: %s", err, out)
		}
	}()
	t.Cleanup(func() { <-in.done })
	return in
}

// start starts a server, or skips the test and says why.
func (s *server) start(t *testing.T, in *installation) (url string) {
	<-in.done
	if in.err != nil {
		t.Skipf("%s could not be installed: %v", s.name, in.err)
	}
	dir := in.dir
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := s.command(dir, port)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Skipf("%s does not start: %v", s.name, err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s", log.Bytes()[:min(log.Len(), 4000)])
		}
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, time.Minute, 50*time.Millisecond, s.name)
	url = "http://127.0.0.1:" + port
	if s.bucket != nil {
		s.bucket(t, url)
	}
	return url
}

// flaky passes connections on and breaks each after so many bytes of answers.
func flaky(t *testing.T, to string, after int64) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				up, err := net.Dial("tcp", strings.TrimPrefix(to, "http://"))
				if err != nil {
					return
				}
				defer up.Close()
				go io.Copy(up, c)
				io.CopyN(c, up, after)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestServers: the command reads from each server what was written there, over
// connections that break, and writes its outputs there; a wrong secret is one line.
func TestServers(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "rdbaudit")
	root := filepath.Join("..", "..")
	build := exec.Command("go", "build", "-o", bin, "./cmd/rdbaudit")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	packed := filepath.Join(root, "fixtures", "truth", "redis-7.2.6-shop.rdb.gz")
	small, err := os.ReadFile(packed)
	require.NoError(t, err)
	large := filepath.Join(t.TempDir(), "large.rdb")
	gen := exec.Command("go", "run", "./fixtures/gen", "--kind", "mixed", "-o", large, "--keys", "120000")
	gen.Dir = root
	out, err = gen.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(large)
	require.NoError(t, err)
	require.Greater(t, len(data), 30<<20, "large enough for ranges side by side")

	coming := make(map[string]*installation)
	for _, s := range servers {
		if only := os.Getenv("RDBAUDIT_E2E"); only == "" || only == s.name {
			coming[s.name] = s.begin(t)
		}
	}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			if coming[s.name] == nil {
				t.Skip("RDBAUDIT_E2E names another")
			}
			url := s.start(t, coming[s.name])
			env := func(url string) []string {
				all := os.Environ()
				for k, v := range s.env(url) {
					t.Setenv(k, v)
					all = append(all, k+"="+v)
				}
				return append(all, "AWS_EC2_METADATA_DISABLED=true")
			}
			run := func(env []string, args ...string) (string, string, int) {
				cmd := exec.Command(bin, args...)
				cmd.Env = env
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				cmd.Run()
				return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
			}
			good := func(env []string, args ...string) string {
				t.Helper()
				stdout, stderr, status := run(env, args...)
				require.Zero(t, status, stderr)
				require.Empty(t, stderr)
				return stdout
			}
			steady := env(url)
			at := s.scheme + "://bucket/"
			var stores source.Stores
			for name, data := range map[string][]byte{"backups/2026-11-22/shop.rdb.gz": small, "large/large.rdb": data} {
				up, err := stores.Create(context.Background(), at+name)
				require.NoError(t, err)
				_, err = up.Write(data)
				require.NoError(t, err)
				require.NoError(t, up.Commit())
			}
			// All rows, but for the name of the dump at their ends.
			want := strings.ReplaceAll(good(nil, "keys", large), large+"\n", "\n")
			broken := env(flaky(t, url, 3<<20))
			begun := time.Now()
			got := good(broken, "keys", at+"large/large.rdb")
			t.Logf("%d MiB over connections that break every 3 MiB: %s", len(data)>>20, time.Since(begun).Round(time.Millisecond))
			require.True(t, want == strings.ReplaceAll(got, at+"large/large.rdb\n", "\n"))
			for _, arg := range []string{"backups/2026-11-22/shop.rdb.gz", "backups/2026-11-22/", "backups", "backups/*/*.gz"} {
				require.Contains(t, good(steady, "verify", at+arg), "\tREDIS0011\tredis 7.2.6\t1891\t821288\tok\t")
			}
			require.Empty(t, good(steady, "-q", packed, "-o", at+"out/r.json", "-o", at+"out/r.html", "-o", "text="+at+"out/r"))
			require.Equal(t, good(steady, packed, "--format", "json"), object(t, at+"out/r.json"))
			require.Equal(t, good(steady, packed), object(t, at+"out/r"))
			good(steady, "keys", large, "-o", at+"out/rows.csv")
			require.True(t, want == strings.ReplaceAll(object(t, at+"out/rows.csv"), large+"\n", "\n"), "an upload in several parts")
			_, stderr, status := run(steady, "keys", packed, "--key", "^$", "--format", "list", "-o", at+"out/empty")
			require.Zero(t, status, stderr)
			require.Empty(t, object(t, at+"out/empty"))

			var stdout string
			stdout, stderr, status = run(steady, at+"gone.rdb")
			require.Equal(t, 1, status)
			require.Empty(t, stdout)
			require.Regexp(t, `^rdbaudit: `+at+`gone.rdb: (no such object|not there) \(404 .*\)\n$`, stderr)
			_, stderr, status = run(steady, s.scheme+"://nobucket/gone.rdb")
			require.Equal(t, 1, status)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			if s.denies == "" {
				return
			}
			wrong := base64.StdEncoding.EncodeToString([]byte("a wrong secret"))
			_, stderr, status = run(append(steady, "AWS_SECRET_ACCESS_KEY="+wrong, "AZURE_STORAGE_KEY="+wrong), at+"large/large.rdb")
			require.Equal(t, 1, status)
			require.Contains(t, stderr, fmt.Sprintf("rdbaudit: %slarge/large.rdb: %s", at, s.denies))
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			_, stderr, status = run(append(steady, "AWS_SECRET_ACCESS_KEY="+wrong, "AZURE_STORAGE_KEY="+wrong), packed, "-o", at+"x.json")
			require.Equal(t, 1, status)
			require.Contains(t, stderr, fmt.Sprintf("rdbaudit: %sx.json: %s", at, s.denies))
			_, stderr, status = run(append(steady, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AZURE_STORAGE_KEY="), at+"large/large.rdb")
			require.Equal(t, 1, status)
			require.Contains(t, stderr, "asked without credentials")
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
}

// object gives what a store holds.
func object(t *testing.T, url string) string {
	t.Helper()
	var stores source.Stores
	in := stores.Expand(t.Context(), []string{url})[0]
	s, err := in.Open(t.Context(), nil)
	require.NoError(t, err)
	defer s.Close()
	data, err := io.ReadAll(s)
	require.NoError(t, err)
	return string(data)
}
