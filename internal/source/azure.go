package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// azureStore is Azure's blob storage. The account and its key or token come
// from the variables that its command line takes, else from its identity chain.
type azureStore struct {
	client *http.Client

	mu      sync.Mutex
	service *service.Client
	login   string // why there are no credentials
}

func (a *azureStore) of(ctx context.Context, name string) (*container.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.service == nil {
		if err := a.connect(ctx); err != nil {
			return nil, err
		}
	}
	return a.service.NewContainerClient(name), nil
}

func (a *azureStore) connect(ctx context.Context) (err error) {
	o := &service.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: a.client, Retry: policy.RetryOptions{MaxRetries: -1}, // ours knows how far a body came
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}}
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = final("the Azure settings cannot be used: %s", oneLine(cause(err)))
		}
	}()
	if s := os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); s != "" {
		if a.service, err = service.NewClientFromConnectionString(s, o); err != nil {
			err = errors.New("AZURE_STORAGE_CONNECTION_STRING is not one")
		}
		return err
	}
	account := os.Getenv("AZURE_STORAGE_ACCOUNT")
	at := os.Getenv("AZURE_STORAGE_SERVICE_ENDPOINT")
	if account == "" && at == "" {
		return errors.New("AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING must say whose storage it is")
	}
	if at == "" {
		at = "https://" + account + ".blob.core.windows.net"
	}
	at = strings.TrimSuffix(at, "/") + "/"
	if key := os.Getenv("AZURE_STORAGE_KEY"); key != "" {
		shared, err := service.NewSharedKeyCredential(account, key)
		if err != nil {
			return errors.New("AZURE_STORAGE_KEY is not a key")
		}
		a.service, err = service.NewClientWithSharedKeyCredential(at, shared, o)
		return err
	}
	if token := os.Getenv("AZURE_STORAGE_SAS_TOKEN"); token != "" {
		a.service, err = service.NewClientWithNoCredential(at+"?"+strings.TrimPrefix(token, "?"), o)
		return err
	}
	if strings.HasPrefix(at, "https://") { // tokens go nowhere else
		chain, err := azidentity.NewDefaultAzureCredential(nil)
		if err == nil {
			short, stop := context.WithTimeout(ctx, 10*time.Second)
			_, err = chain.GetToken(short, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
			stop()
		}
		if err == nil {
			a.service, err = service.NewClient(at, chain, o)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	a.login = "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, az login and managed identity gave none"
	a.service, err = service.NewClientWithNoCredential(at, o)
	return err
}

// fault tells the answers of the store from failures on the way.
func (a *azureStore) fault(err error) error {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		return err
	}
	if resp.StatusCode == http.StatusPreconditionFailed || resp.ErrorCode == "InvalidRange" {
		return errChanged
	}
	return &fault{status: resp.StatusCode, code: resp.ErrorCode, login: a.login}
}

func (a *azureStore) stat(ctx context.Context, path string) (object, error) {
	name, key, _ := strings.Cut(path, "/")
	c, err := a.of(ctx, name)
	if err != nil {
		return object{}, err
	}
	p, err := c.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return object{}, a.fault(err)
	}
	return blobObject(p.ContentLength, p.ETag, p.LastModified), nil
}

func blobObject(size *int64, tag *azcore.ETag, changed *time.Time) object {
	o := object{size: -1, from: true}
	if size != nil {
		o.size = *size
	}
	if tag != nil {
		o.tag = string(*tag)
	}
	if changed != nil {
		o.time = *changed
	}
	return o
}

func (a *azureStore) open(ctx context.Context, path string, o object, off, n int64) (io.ReadCloser, error) {
	name, key, _ := strings.Cut(path, "/")
	c, err := a.of(ctx, name)
	if err != nil {
		return nil, err
	}
	if o.size == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	in := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: off, Count: max(n, 0)}}
	if tag := azcore.ETag(o.tag); tag != "" {
		in.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &tag}}
	}
	out, err := c.NewBlobClient(key).DownloadStream(ctx, in)
	if err != nil {
		return nil, a.fault(err)
	}
	return out.Body, nil
}

func (a *azureStore) list(ctx context.Context, prefix string) (found []entry, err error) {
	name, prefix, _ := strings.Cut(prefix, "/")
	c, err := a.of(ctx, name)
	if err != nil {
		return nil, err
	}
	pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, a.fault(err)
		}
		for _, b := range page.Segment.BlobItems {
			if b.Name != nil && b.Properties != nil {
				found = append(found, entry{name + "/" + *b.Name, blobObject(b.Properties.ContentLength, b.Properties.ETag, b.Properties.LastModified)})
			}
		}
	}
	return found, nil
}

// create stages a block that is never committed, to see whether it may.
func (a *azureStore) create(ctx context.Context, path string) (uploader, error) {
	name, key, _ := strings.Cut(path, "/")
	c, err := a.of(ctx, name)
	if err != nil {
		return nil, err
	}
	u := &azureUpload{azureStore: a, blob: c.NewBlockBlobClient(key)}
	return u, u.stage(ctx, 0, []byte("x"))
}

// azureUpload stages blocks; they are the blob when their list is committed.
// What is staged and not committed, the store forgets after a week.
type azureUpload struct {
	*azureStore
	blob *blockblob.Client
	ids  []string
}

func blockID(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "rdbaudit-%06d", n))
}

func (u *azureUpload) stage(ctx context.Context, n int, data []byte) error {
	_, err := u.blob.StageBlock(ctx, blockID(n), streaming.NopCloser(bytes.NewReader(data)), nil)
	return u.fault(err)
}

func (u *azureUpload) part(ctx context.Context, n int, data []byte) error {
	err := u.stage(ctx, n, data)
	if err == nil {
		u.ids = append(u.ids[:n-1], blockID(n))
	}
	return err
}

func (u *azureUpload) finish(ctx context.Context, n int, data []byte) error {
	u.ids = u.ids[:n-1]
	if len(data) > 0 { // a block is never empty, a blob may be
		if err := u.part(ctx, n, data); err != nil {
			return err
		}
	}
	_, err := u.blob.CommitBlockList(ctx, u.ids, nil)
	return u.fault(err)
}

func (u *azureUpload) abort(context.Context) {}
