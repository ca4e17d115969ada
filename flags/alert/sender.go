package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"tidemark/flags"
)

// How deliveries are tried.
const (
	MaxAttempts  = 12
	firstWait    = 10 * time.Second
	maxWait      = 6 * time.Hour
	sendTimeout  = 10 * time.Second
	maxResponse  = 64 << 10
	batch        = 20
	keepFinished = 30 * flags.Day
)

// SenderOptions are what a Sender needs.
type SenderOptions struct {
	Store flags.WebhookStore
	Now   func() time.Time
	// Allow lists networks that are not public and may be written to all the same.
	Allow []netip.Prefix
	// Jitter returns a factor for each wait; nil means 0.8 to 1.2 at random.
	Jitter func() float64
	NewID  func() (string, error) // nil means UUIDv7
}

// Sender empties the outbox. One caller runs Send at a time.
type Sender struct {
	opt    SenderOptions
	client *http.Client
	pruned time.Time
}

// NewSender returns a sender with an HTTP client of its own that follows no
// redirects, uses no proxy, and connects to allowed addresses only.
func NewSender(opt SenderOptions) *Sender {
	if opt.Jitter == nil {
		opt.Jitter = func() float64 { return 0.8 + 0.4*rand.Float64() }
	}
	if opt.NewID == nil {
		opt.NewID = newID
	}
	g := &guard{opt.Allow, special()}
	dialer := &net.Dialer{Timeout: sendTimeout, Control: g.control}
	return &Sender{opt: opt, client: &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: sendTimeout, ResponseHeaderTimeout: sendTimeout,
			MaxResponseHeaderBytes: maxResponse, MaxIdleConns: 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run sends what is due every interval until ctx is done. Errors of the store go
// to report; what could not be delivered stays in the outbox.
func (s *Sender) Run(ctx context.Context, every time.Duration, report func(error)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := s.Send(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			s.client.CloseIdleConnections()
			return
		case <-t.C:
		}
	}
}

// Send tries every delivery that is due once. A delivery that fails is not an
// error: it waits for its next turn, and is given up after MaxAttempts.
func (s *Sender) Send(ctx context.Context) error {
	now := s.opt.Now()
	for ctx.Err() == nil {
		due, err := s.opt.Store.Due(ctx, now, batch)
		if err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		var g errgroup.Group // one dead receiver must not hold up the others
		for i := range due {
			g.Go(func() error { return s.deliver(ctx, &due[i]) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if len(due) < batch {
			break
		}
	}
	if now.Sub(s.pruned) < time.Hour {
		return ctx.Err()
	}
	s.pruned = now
	if err := s.opt.Store.PruneDeliveries(ctx, now.Add(-keepFinished)); err != nil {
		return fmt.Errorf("prune the log of deliveries: %w", err)
	}
	return ctx.Err()
}

func (s *Sender) deliver(ctx context.Context, d *flags.Delivery) error {
	w, err := s.opt.Store.Webhook(ctx, d.WebhookID)
	if errors.Is(err, flags.ErrNotFound) {
		return nil // removed since, and its deliveries with it
	}
	if err != nil {
		return fmt.Errorf("deliver %s: %w", d.ID, err)
	}
	status, sendErr := s.post(ctx, &w, d)
	if ctx.Err() != nil {
		return fmt.Errorf("deliver %s: %w", d.ID, ctx.Err()) // stopping: this was no attempt
	}
	s.settle(d, status, sendErr)
	if err := s.opt.Store.SaveDelivery(ctx, *d); err != nil && !errors.Is(err, flags.ErrNotFound) {
		return fmt.Errorf("deliver %s: %w", d.ID, err)
	}
	return nil
}

// settle decides what an attempt means for the delivery.
func (s *Sender) settle(d *flags.Delivery, status int, err error) {
	now := s.opt.Now()
	d.Attempts++
	d.Status, d.Error = status, ""
	switch {
	case err == nil:
		d.State, d.DoneAt = flags.DeliveryDelivered, now
		return
	case d.Attempts >= MaxAttempts || status == http.StatusGone:
		d.State, d.DoneAt = flags.DeliveryFailed, now
	default:
		d.NextAt = now.Add(s.wait(d.Attempts))
	}
	d.Error = err.Error()
}

// wait grows fourfold with each attempt, from 10 s to 6 h, with jitter.
func (s *Sender) wait(attempts int) time.Duration {
	d := firstWait
	for i := 1; i < attempts && d < maxWait; i++ {
		d *= 4
	}
	return time.Duration(float64(min(d, maxWait)) * s.opt.Jitter())
}

// post sends a delivery once. The status is 0 when there was no answer; err is nil
// for 2xx only.
func (s *Sender) post(ctx context.Context, w *flags.Webhook, d *flags.Delivery) (status int, err error) {
	now := s.opt.Now()
	signature, err := Sign(w.Secret, d.ID, now, d.Payload)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tidemark")
	req.Header.Set(HeaderID, d.ID)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(HeaderSignature, signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("no answer: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if _, err := io.CopyN(io.Discard, resp.Body, maxResponse); err != nil && !errors.Is(err, io.EOF) {
		return resp.StatusCode, fmt.Errorf("answer %s broke off: %w", resp.Status, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("answered %s; only 2xx counts as delivered", resp.Status)
	}
	return resp.StatusCode, nil
}
