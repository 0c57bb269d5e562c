package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// s3Store is S3 and what speaks like it. Credentials, region and endpoint come
// from where AWS's own tools take them.
type s3Store struct {
	client *http.Client

	mu      sync.Mutex
	config  *aws.Config
	login   string                // why there are no credentials
	regions map[string]string     // of buckets, where not the configured one
	clients map[string]*s3.Client // by region
}

// of gives a client for a bucket.
func (s *s3Store) of(ctx context.Context, bucket string) (*s3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config == nil {
		c, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, final("the AWS configuration cannot be used: %s", oneLine(err.Error()))
		}
		// To look after an instance's role is given up soon: off AWS nobody answers.
		short, stop := context.WithTimeout(ctx, 3*time.Second)
		_, err = c.Credentials.Retrieve(short)
		stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil { // a public bucket needs none
			s.login = "AWS_ACCESS_KEY_ID, AWS_PROFILE, web identity and instance role gave none"
			if named := os.Getenv("AWS_PROFILE"); named != "" {
				s.login = "the profile " + named + " gave none: " + oneLine(cause(err))
			}
			c.Credentials = aws.AnonymousCredentials{}
		}
		s.config, s.clients, s.regions = &c, make(map[string]*s3.Client), make(map[string]string)
	}
	region := s.regions[bucket]
	if region == "" {
		region = s.config.Region
	}
	if region == "" {
		region = "us-east-1"
	}
	if s.clients[region] == nil {
		own := os.Getenv("AWS_ENDPOINT_URL_S3") != "" || os.Getenv("AWS_ENDPOINT_URL") != "" || s.config.BaseEndpoint != nil
		s.clients[region] = s3.NewFromConfig(*s.config, func(o *s3.Options) {
			o.HTTPClient = s.client
			o.Region = region
			o.UsePathStyle = own
			o.Retryer = aws.NopRetryer{} // ours knows how far a body came
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.DisableLogOutputChecksumValidationSkipped = true
		})
	}
	return s.clients[region], nil
}

// cause is the innermost message of an error.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// do asks a bucket, once more if it lies in another region.
func (s *s3Store) do(ctx context.Context, bucket string, f func(*s3.Client) error) error {
	c, err := s.of(ctx, bucket)
	if err != nil {
		return err
	}
	err = f(c)
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		if region := resp.Response.Header.Get("X-Amz-Bucket-Region"); region != "" && region != c.Options().Region {
			s.mu.Lock()
			s.regions[bucket] = region
			s.mu.Unlock()
			if c, err = s.of(ctx, bucket); err == nil {
				err = f(c)
			}
		}
	}
	return s.fault(err)
}

// fault tells the answers of the store from failures on the way.
func (s *s3Store) fault(err error) error {
	var resp *awshttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil {
		return err
	}
	f := &fault{status: resp.HTTPStatusCode(), login: s.login}
	if f.status < 300 { // the body broke
		return err
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		f.code, f.detail = oneLine(api.ErrorCode()), oneLine(api.ErrorMessage())
	}
	switch f.status {
	case http.StatusPreconditionFailed:
		return errChanged
	case http.StatusMovedPermanently:
		f.detail = "the bucket is in another region; AWS_REGION names it"
	}
	return f
}

func (s *s3Store) stat(ctx context.Context, path string) (o object, err error) {
	bucket, key, _ := strings.Cut(path, "/")
	// As with web servers: a GET of the first byte needs no more rights than
	// reading does, and unlike HEAD it says in words what is wrong.
	err = s.do(ctx, bucket, func(c *s3.Client) error {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String(byteRange(0, 1))})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		o = object{size: aws.ToInt64(out.ContentLength), tag: aws.ToString(out.ETag), time: aws.ToTime(out.LastModified)}
		if span := aws.ToString(out.ContentRange); span != "" {
			_, o.size, o.from = contentRange(&http.Response{Header: http.Header{"Content-Range": {span}}})
		}
		return nil
	})
	var f *fault
	if errors.As(err, &f) && f.status == http.StatusRequestedRangeNotSatisfiable {
		return object{}, nil // an empty object
	}
	return o, err
}

func (s *s3Store) open(ctx context.Context, path string, o object, off, n int64) (body io.ReadCloser, err error) {
	bucket, key, _ := strings.Cut(path, "/")
	if o.size == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	err = s.do(ctx, bucket, func(c *s3.Client) error {
		in := &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String(byteRange(off, n))}
		if o.tag != "" {
			in.IfMatch = &o.tag
		}
		out, err := c.GetObject(ctx, in)
		if err != nil {
			return err
		}
		header := http.Header{"Content-Range": {aws.ToString(out.ContentRange)}, "Etag": {aws.ToString(out.ETag)}}
		status := http.StatusPartialContent
		if out.ContentRange == nil {
			status = http.StatusOK
		}
		body, err = rangeOf(&http.Response{StatusCode: status, Header: header, ContentLength: aws.ToInt64(out.ContentLength), Body: out.Body}, o, off, n)
		if err != nil {
			out.Body.Close()
		}
		return err
	})
	return body, err
}

func (s *s3Store) list(ctx context.Context, prefix string) (found []entry, err error) {
	bucket, prefix, _ := strings.Cut(prefix, "/")
	err = s.do(ctx, bucket, func(c *s3.Client) error {
		found = nil
		pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, o := range page.Contents {
				found = append(found, entry{bucket + "/" + aws.ToString(o.Key),
					object{size: aws.ToInt64(o.Size), tag: aws.ToString(o.ETag), time: aws.ToTime(o.LastModified), from: true}})
			}
		}
		return nil
	})
	return found, err
}

func (s *s3Store) create(ctx context.Context, path string) (uploader, error) {
	u := &s3Upload{s3Store: s}
	u.bucket, u.key, _ = strings.Cut(path, "/")
	err := s.do(ctx, u.bucket, func(c *s3.Client) error {
		out, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: &u.key})
		if err == nil {
			u.id = aws.ToString(out.UploadId)
		}
		return err
	})
	return u, err
}

// s3Upload is an upload in parts; they are one object when it is completed.
type s3Upload struct {
	*s3Store
	bucket, key, id string
	parts           []types.CompletedPart
}

func (u *s3Upload) part(ctx context.Context, n int, data []byte) error {
	return u.do(ctx, u.bucket, func(c *s3.Client) error {
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id,
			PartNumber: aws.Int32(int32(n)), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data)))})
		if err == nil {
			u.parts = append(u.parts[:n-1], types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(int32(n))})
		}
		return err
	})
}

func (u *s3Upload) finish(ctx context.Context, n int, data []byte) error {
	if n == 1 && len(data) == 0 { // not every store takes an empty part
		err := u.do(ctx, u.bucket, func(c *s3.Client) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &u.key})
			return err
		})
		if err == nil {
			u.abort(ctx)
		}
		return err
	}
	if err := u.part(ctx, n, data); err != nil {
		return err
	}
	return u.do(ctx, u.bucket, func(c *s3.Client) error {
		_, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}})
		return err
	})
}

func (u *s3Upload) abort(ctx context.Context) {
	u.do(ctx, u.bucket, func(c *s3.Client) error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id})
		return err
	})
}
