package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fault is an answer of a store that is no success.
type fault struct {
	status int
	code   string // the store's own name for it, "" if it has none
	detail string // its own words
	login  string // why there were no credentials, if there were none
	after  time.Duration
}

func (f *fault) Error() string {
	said := f.code
	if f.detail != "" {
		said = strings.TrimPrefix(said+": "+f.detail, ": ")
	}
	if said == "" {
		said = http.StatusText(f.status)
	}
	say := ""
	switch f.code {
	case "NoSuchBucket", "ContainerNotFound":
		say = "no such bucket"
	case "NoSuchKey", "BlobNotFound":
		say = "no such object"
	case "SignatureDoesNotMatch":
		say = "the secret key is wrong"
	case "InvalidAccessKeyId":
		say = "the access key is not known there"
	case "ExpiredToken", "TokenRefreshRequired":
		say = "the credentials have expired"
	case "AuthenticationFailed":
		say = "the account key or token is wrong or has expired"
	}
	if say == "" {
		switch {
		case f.status == http.StatusNotFound:
			say = "not there"
		case f.status == http.StatusUnauthorized:
			say = "it wants other credentials"
		case f.status == http.StatusForbidden:
			say = "access denied"
		case f.status == http.StatusTooManyRequests, f.status >= 500:
			say = "the server cannot answer now"
		default:
			say = "the server refuses"
		}
	}
	text := fmt.Sprintf("%s (%d %s)", say, f.status, said)
	if f.login != "" && (f.status == http.StatusUnauthorized || f.status == http.StatusForbidden) {
		text += "; asked without credentials: " + f.login
	}
	return text
}

// httpFault makes a fault of an answer. XML error bodies of stores are named.
func httpFault(resp *http.Response) *fault {
	f := &fault{status: resp.StatusCode}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		f.after = time.Duration(min(s, 3600)) * time.Second
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	var said struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	if xml.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &said) == nil {
		f.code, f.detail = oneLine(said.Code), oneLine(said.Message)
	}
	return f
}

// oneLine keeps what a server says short and printable.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x2069 || r == 0xfffd {
			return -1
		}
		return r
	}, s)
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return strings.TrimSuffix(s, ".")
}

// transient says of an error that another try may help.
func transient(err error) bool {
	var f *fault
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &f):
		return f.status >= 500 && f.status != http.StatusNotImplemented || f.status == http.StatusTooManyRequests || f.status == http.StatusRequestTimeout
	case errors.Is(err, errChanged), errors.Is(err, context.Canceled), errors.As(err, &cert), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return false
	case errors.Is(err, errFinal):
		return false
	}
	return true
}

// errFinal marks what no other try can mend.
var errFinal = errors.New("")

func final(format string, args ...any) error {
	return fmt.Errorf("%w%w", errFinal, fmt.Errorf(format, args...))
}

// absent says of a first contact that nobody is there, for which to wait would
// be in vain.
func absent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED)
}

// explain says of an error what the user can use, without the URL: that can
// hold secrets.
func (l *location) explain(err error) error {
	var f *fault
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var timeout net.Error
	var where *url.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &f):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("no host of the name %s", dns.Name)
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s could not be looked up: %s", dns.Name, dns.Err)
	case errors.As(err, &unknown):
		return errors.New("the server's certificate is signed by nobody we know; SSL_CERT_FILE names a file of further authorities")
	case errors.As(err, &cert):
		return fmt.Errorf("the server's certificate is not right: %w", cert.Err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the server does not speak TLS; is it http://?")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody answers there: connection refused")
	case errors.Is(err, errChanged), errors.Is(err, errFinal):
		return err
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &where):
		if errors.Is(where.Err, io.EOF) || errors.Is(where.Err, io.ErrUnexpectedEOF) {
			return errors.New("the server hung up without an answer")
		}
		return where.Err
	}
	return err
}
