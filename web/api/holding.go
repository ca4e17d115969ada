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
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// holding is what one request of telemetry takes of the server: its body, the
// events that alias it, and the memory booked for both. The handler and the
// pipeline use it at once; it is given back when the last of them is done.
type holding struct {
	api   *API
	who   string // whose share of the memory it is
	batch *decode.Batch
	body  *decode.Body
	held  int64 // booked bytes
	packs int64 // how many bytes one of the body is taken to become
	reads booked
	users atomic.Int32
}

func (a *API) hold(c echo.Context) *holding {
	h := &holding{api: a, who: auth.Who(c).Actor(), batch: a.batches.get(), packs: 1}
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
	h.api.memory.give(h.who, h.held)
}

// footprint is roughly the memory that a body of n bytes takes with its events.
func footprint(n int64) int64 { return 3 * n }

// firstBooked is how much of a body is booked before a byte of it came; the rest as it
// comes, so that an announced length takes nothing from others.
const firstBooked = 256 << 10

// reserve books memory for a body before it is read, by what the headers say of
// its size, so that overload is refused early. Compression is taken to be fourfold
// until the real size is known.
func (h *holding) reserve(r *http.Request) error {
	n := r.ContentLength
	if n > h.api.o.MaxBody {
		return ingestProblem(fmt.Errorf("%w: it is %d bytes; at most %d are taken, after decompression", decode.ErrTooLarge, n, h.api.o.MaxBody), nil)
	}
	h.reads = booked{h: h, Reader: r.Body, may: min(n, firstBooked), most: n}
	if n < 0 { // Chunked: not said.
		h.reads.may, h.reads.most = 64<<10, h.api.o.MaxBody
	}
	if r.Header.Get(echo.HeaderContentEncoding) != "" {
		h.packs = 4
	}
	return h.bookBody(h.reads.may)
}

// bookBody books memory for a body of n bytes as they come.
func (h *holding) bookBody(n int64) error {
	return h.book(footprint(min(n*h.packs, h.api.o.MaxBody)))
}

// bookMade books memory for the body and n bytes of what was made of it.
func (h *holding) bookMade(n int64) error {
	return h.book(int64(len(h.body.Bytes())) + n)
}

// book makes sure that so many bytes are booked.
func (h *holding) book(want int64) error {
	want = min(want, h.api.memory.share)
	if want <= h.held {
		return nil
	}
	if !h.api.memory.take(h.who, want-h.held) {
		return respond.New(http.StatusTooManyRequests, "overloaded", "Too much telemetry is being handled at once.").Later(time.Second)
	}
	h.held = want
	return nil
}

// booked reads a body, and books memory before it takes more of it: twice as much as
// came so far.
type booked struct {
	io.Reader

	h         *holding
	came, may int64
	most      int64 // that the headers announce
}

func (b *booked) Read(p []byte) (int, error) {
	if b.may >= b.most {
		return b.Reader.Read(p) //nolint:wrapcheck // The caller looks at what it is.
	}
	if b.came == b.may {
		b.may = min(2*b.may, b.most)
		if err := b.h.bookBody(b.may); err != nil {
			return 0, err
		}
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.may-b.came)])
	b.came += int64(n)
	return n, err //nolint:wrapcheck // The caller looks at what it is.
}

func (h *holding) readBody(c echo.Context) error {
	r := c.Request()
	body, err := h.api.read(&h.reads, r.Header.Get(echo.HeaderContentEncoding))
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
