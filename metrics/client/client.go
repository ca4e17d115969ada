package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"tidemark/metrics"
	"tidemark/metrics/clock"
)

// Errors of Send; test with errors.Is.
var (
	ErrClosed  = errors.New("client is closed")
	ErrFull    = errors.New("client's buffer is full")
	ErrInvalid = errors.New("event is not valid")
)

// UnsentError is returned by Close when events were left over.
type UnsentError struct {
	Events int
	Last   error // why the last request failed; nil when none did
}

// Error implements error.
func (e *UnsentError) Error() string {
	if e.Last == nil {
		return fmt.Sprintf("client: %d events were not sent before the time was up", e.Events)
	}
	return fmt.Sprintf("client: %d events were not sent: %v", e.Events, e.Last)
}

// Unwrap returns why the last request failed.
func (e *UnsentError) Unwrap() error { return e.Last }

// Stats counts what became of the events that were given to a Client. Once it is
// idle, Sent + Rejected + Failed = Enqueued.
type Stats struct {
	Enqueued   uint64 // taken into the buffer
	Dropped    uint64 // refused, because the buffer was full
	Invalid    uint64 // refused, because the event could not be right
	Sent       uint64 // acknowledged as durable, duplicates included
	Duplicates uint64 // acknowledged as known before
	Rejected   uint64 // refused by the server one by one
	// Quarantined are those of Sent that count only once their labels are declared.
	Quarantined uint64
	Failed      uint64 // in requests that the server refused as a whole
	Retries     uint64 // requests sent again

	Buffered      int // events in memory, under way included
	BufferedBytes int
	LastError     string // of a request; "" when none failed yet

	// Offset of the server's clock from this one, once it is known.
	Offset, OffsetError time.Duration
	OffsetKnown         bool
}

// Client reports events. It is safe for concurrent use.
type Client struct {
	o      Options
	events string // URL
	time   string // URL
	enc    *zstd.Encoder

	ctx    context.Context // done when the senders must stop
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	work   *sync.Cond // queue or closed changed
	open   *batch     // being filled; never nil
	queue  []*batch
	live   map[*batch]struct{} // queued or under way
	timer  *time.Timer         // seals open when it is old enough
	closed bool
	last   error
	stats  Stats
	offset clock.Estimate
}

// batch is one request.
type batch struct {
	body   []byte // NDJSON
	events int
	done   chan struct{} // closed when nothing more happens to it
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// New starts a client; Close stops it. It does not talk to the server: a server
// that is away now may come back.
func New(o Options) (*Client, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(o.Senders), zstd.WithWindowSize(512<<10))
	if err != nil {
		return nil, fmt.Errorf("client: set up zstd: %w", err)
	}
	base := strings.TrimRight(o.URL, "/")
	c := &Client{
		o: o, events: base + "/v1/events", time: base + "/v1/time", enc: enc,
		open: newBatch(), live: map[*batch]struct{}{},
	}
	c.work = sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.timer = time.AfterFunc(o.MaxAge, c.seal)
	c.timer.Stop()
	for range o.Senders {
		c.done.Go(c.run)
	}
	if o.MeasureClock > 0 {
		c.done.Go(c.measure)
	}
	return c, nil
}

// Send puts events into the buffer. It fills in EventID, OccurredAt, Service,
// Region, ClockID and the clock offset where they are not said, on a copy. The
// error joins one per event that was not taken: ErrClosed, ErrFull, or ErrInvalid
// with the field and what is wrong; the others are taken.
func (c *Client) Send(events ...*metrics.Event) error {
	var errs []error
	for _, e := range events {
		if err := c.send(e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Client) send(given *metrics.Event) error {
	e, now := *given, c.o.Now()
	c.complete(&e, now)
	server := now.UnixNano() // as far as it is known
	if e.HasOffset {
		server += e.ClockOffset
	}
	if r := metrics.Validate(&e, server); r != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stats.Invalid++
		return fmt.Errorf("client: %w: %s: %s", ErrInvalid, r.Field, r.Message)
	}
	scratch := lines.Get().(*[]byte)
	defer lines.Put(scratch)
	*scratch = append(e.AppendJSON((*scratch)[:0]), '\n')
	return c.enqueue(*scratch)
}

// lines are buffers for one event each, so that encoding needs no lock.
var lines = sync.Pool{New: func() any { return new([]byte) }}

func (c *Client) enqueue(line []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("client: %w", ErrClosed)
	}
	if c.stats.BufferedBytes+len(line) > c.o.MaxBuffered {
		c.stats.Dropped++
		return fmt.Errorf("client: %w: %d bytes wait to be sent; %d are allowed", ErrFull, c.stats.BufferedBytes, c.o.MaxBuffered)
	}
	if c.open.events > 0 && len(c.open.body)+len(line) > c.o.MaxBytes {
		c.sealLocked()
	}
	if c.open.events == 0 {
		c.timer.Reset(c.o.MaxAge)
	}
	c.open.body = append(c.open.body, line...)
	c.open.events++
	c.stats.Enqueued++
	c.stats.Buffered++
	c.stats.BufferedBytes += len(line)
	if c.open.events >= c.o.MaxEvents {
		c.sealLocked()
	}
	return nil
}

// complete fills in what the event does not say.
func (c *Client) complete(e *metrics.Event, now time.Time) {
	if e.EventID == "" {
		e.EventID = newID()
	}
	if e.OccurredAt == 0 {
		e.OccurredAt = now.UnixNano()
	}
	if e.Service == "" {
		e.Service = c.o.Service
	}
	if e.Region == "" {
		e.Region = c.o.Region
	}
	if e.ClockID == "" {
		e.ClockID = c.o.ClockID
	}
	if e.HasOffset || e.ClockID != c.o.ClockID {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offset.Known == clock.Both {
		e.HasOffset, e.ClockOffset, e.ClockError = true, c.offset.Offset, c.offset.Error
	}
}

// newID is a UUIDv7: random, and sorted by time, which lets a store find it sooner.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil { // only when the system has no randomness, and then Go itself stops
		return uuid.NewString()
	}
	return id.String()
}

func (c *Client) seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealLocked()
}

func (c *Client) sealLocked() {
	if c.open.events == 0 {
		return
	}
	c.timer.Stop()
	c.queue = append(c.queue, c.open)
	c.live[c.open] = struct{}{}
	c.open = newBatch()
	c.work.Signal()
}

// Flush waits until everything given to Send before has been dealt with, or ctx
// is done; then it returns ctx's error.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	c.sealLocked()
	waiting := make([]*batch, 0, len(c.live))
	for b := range c.live {
		waiting = append(waiting, b)
	}
	c.mu.Unlock()
	for _, b := range waiting {
		select {
		case <-b.done:
		case <-ctx.Done():
			return fmt.Errorf("client: flush: %w", ctx.Err())
		}
	}
	return nil
}

// Close takes no more events, sends what it has until ctx is done, and stops. It
// returns *UnsentError when events were left over. Further calls return nil.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	err := c.Flush(ctx)
	c.mu.Lock()
	c.cancel()
	c.work.Broadcast() // under the lock: else a sender about to wait would miss it
	c.mu.Unlock()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.stats.Buffered; left > 0 {
		return &UnsentError{Events: left, Last: errors.Join(c.last, err)}
	}
	return nil
}

// Stats returns the counts so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	if c.last != nil {
		s.LastError = c.last.Error()
	}
	if c.offset.Known == clock.Both {
		s.Offset, s.OffsetError, s.OffsetKnown = time.Duration(c.offset.Offset), time.Duration(c.offset.Error), true
	}
	return s
}
