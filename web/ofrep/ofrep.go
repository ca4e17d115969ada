package ofrep

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/flags/eval"
	"tidemark/web/auth"
)

// Flags is where the flags come from.
type Flags interface {
	// Set returns the flags that are in force. It is cheap.
	Set() *eval.Set
	// Changed is closed when the next Set is in force. Ask for it before Set, so that
	// no change is missed.
	Changed() <-chan struct{}
	// Observe is told of each answer and the Set that gave it, Asked of the context of
	// each request that was answered. They are quick, and keep nothing of what they get.
	Observe(set *eval.Set, r *eval.Result)
	Asked(ctx eval.Context)
}

// Options are what the handlers need.
type Options struct {
	Flags Flags
	Now   func() time.Time // default time.Now
	// Secret signs the tokens of streams; at least 32 bytes.
	Secret []byte
	// Origins are those whose pages may call: "https://shop.example", or "*" for all.
	Origins []string
	// Identity returns who a key's id belongs to, as long as the key is good.
	Identity func(ctx context.Context, keyID string) (*access.Identity, error)
	// Done is closed when the server stops: streams end.
	Done <-chan struct{}
}

// Handler answers OFREP requests.
type Handler struct {
	o       Options
	origins origins
	scratch sync.Pool // of *scratch
	tokens  tokens
	since   since
	meta    atomic.Pointer[setMetadata]
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{o: o, origins: newOrigins(o.Origins)}
	h.scratch.New = func() any { return &scratch{ctx: make(eval.Context, 8)} }
	return h
}

// The addresses. Those of evaluations are the protocol's, that of the stream is ours:
// clients take it from the answer to a bulk evaluation.
const (
	pathBulk   = "/ofrep/v1/evaluate/flags"
	pathSingle = "/ofrep/v1/evaluate/flags/:key"
	pathStream = "/ofrep/v1/stream"
)

// Routes is the URL map.
func (h *Handler) Routes() []auth.Route {
	post := func(path string, handle echo.HandlerFunc) auth.Route {
		return auth.Route{
			Method: http.MethodPost, Path: path, May: access.Evaluate, Handle: handle,
			Body: true, Light: true, Data: true, Fail: fail, Cross: h.origins.allow,
		}
	}
	preflight := func(path string) auth.Route {
		return auth.Route{Method: http.MethodOptions, Path: path, May: access.Public, Handle: h.origins.preflight, Light: true, Cross: h.origins.allow}
	}
	return []auth.Route{
		post(pathSingle, h.single),
		post(pathBulk, h.bulk),
		preflight(pathSingle),
		preflight(pathBulk),
		// A browser's EventSource can send no key: the token in the address stands for it.
		{Method: http.MethodGet, Path: pathStream, May: access.Public, Handle: h.stream, Stream: true, Fail: fail, Cross: h.origins.allow},
	}
}

// scratch is the memory of one request, used again by the next.
type scratch struct {
	body []byte
	out  []byte
	ctx  eval.Context
}

func (h *Handler) take() *scratch {
	s, _ := h.scratch.Get().(*scratch)
	return s
}

// maxKept is the largest buffer that waits for the next request.
const maxKept = 64 << 10

func (h *Handler) put(s *scratch) {
	if cap(s.body) > maxKept || cap(s.out) > 4*maxKept || len(s.ctx) > 100 {
		return
	}
	clear(s.ctx)
	h.scratch.Put(s)
}
