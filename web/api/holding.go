package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/ingest/decode"
	"tidemark/web/respond"
)

// holding is what one request of telemetry takes of the server: its body, the
// events that alias it, and the memory booked for both. The handler and the
// pipeline use it at once; it is given back when the last of them is done.
type holding struct {
	api   *API
	batch *decode.Batch
	body  *decode.Body
	held  int64 // booked bytes
	users atomic.Int32
}

func (a *API) hold() *holding {
	h := &holding{api: a, batch: a.batches.get()}
	h.users.Store(1)
	return h
}

// release ends one use.
func (h *holding) release() {
	if h.users.Add(-1) > 0 {
		return
	}
	h.api.batches.put(h.batch)
	h.body.Release()
	h.api.memory.Release(h.held)
}

// footprint is roughly the memory that a body of n bytes takes with its events.
func footprint(n int64) int64 { return 3 * n }

// reserve books memory for a body before it is read, by what the headers say of
// its size, so that overload is refused early. Compression is taken to be fourfold
// until the real size is known.
func (h *holding) reserve(r *http.Request) error {
	n := r.ContentLength
	if n > h.api.o.MaxBody {
		return ingestProblem(fmt.Errorf("%w: it is %d bytes; at most %d are taken, after decompression", decode.ErrTooLarge, n, h.api.o.MaxBody), nil)
	}
	if n < 0 {
		n = 64 << 10 // Chunked: not said.
	}
	if r.Header.Get(echo.HeaderContentEncoding) != "" {
		n *= 4
	}
	return h.book(footprint(min(n, h.api.o.MaxBody)))
}

// book makes sure that so many bytes are booked.
func (h *holding) book(want int64) error {
	want = min(want, h.api.o.BodyMemory)
	if want <= h.held {
		return nil
	}
	if !h.api.memory.TryAcquire(want - h.held) {
		return respond.New(http.StatusTooManyRequests, "overloaded", "Too much telemetry is being handled at once.").Later(time.Second)
	}
	h.held = want
	return nil
}

func (h *holding) readBody(c echo.Context) error {
	r := c.Request()
	body, err := h.api.read(r.Body, r.Header.Get(echo.HeaderContentEncoding))
	if err != nil {
		// The rest of the body is not worth waiting for.
		c.Response().Header().Set(echo.HeaderConnection, "close")
		return ingestProblem(err, nil)
	}
	h.body = body
	// The deadline was for the body; past it, net/http would take the connection for
	// dead while the events are being stored.
	err = http.NewResponseController(c.Response().Writer).SetReadDeadline(time.Time{})
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err //nolint:wrapcheck // There is nothing to add.
	}
	return h.book(footprint(int64(len(body.Bytes()))))
}

// read reads a body and unpacks it. A packed one is read whole before it takes one of
// the few places for unpacking, so that neither many bombs at once nor slow senders
// take more than those places.
func (a *API) read(r io.Reader, encoding string) (*decode.Body, error) {
	if encoding == "" {
		return a.bodies.Read(r, encoding, a.o.MaxBody) //nolint:wrapcheck // There is nothing to add.
	}
	packed, err := a.bodies.Read(r, "", a.o.MaxBody)
	if err != nil {
		return nil, err //nolint:wrapcheck // There is nothing to add.
	}
	defer packed.Release()
	a.unpacking <- struct{}{}
	defer func() { <-a.unpacking }()
	return a.bodies.Read(bytes.NewReader(packed.Bytes()), encoding, a.o.MaxBody) //nolint:wrapcheck // There is nothing to add.
}

// batchPool keeps decoded batches for the next request.
type batchPool struct{ pool sync.Pool }

// maxKeptBatch is the largest batch that is kept, in bytes.
const maxKeptBatch = 8 << 20

func (p *batchPool) get() *decode.Batch {
	if b, ok := p.pool.Get().(*decode.Batch); ok {
		return b
	}
	return &decode.Batch{}
}

func (p *batchPool) put(b *decode.Batch) {
	if b.Size() > maxKeptBatch {
		return
	}
	b.Reset()
	p.pool.Put(b)
}
