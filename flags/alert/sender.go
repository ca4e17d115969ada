package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"tidemark/flags"
)

// How deliveries are tried.
const (
	MaxAttempts  = 12
	firstWait    = 10 * time.Second
	maxWait      = 6 * time.Hour
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
	opt     SenderOptions
	courier *courier
	pruned  time.Time
}

// NewSender returns a sender with a connection of its own to the world.
func NewSender(opt SenderOptions) *Sender {
	if opt.Jitter == nil {
		opt.Jitter = func() float64 { return 0.8 + 0.4*rand.Float64() }
	}
	if opt.NewID == nil {
		opt.NewID = newID
	}
	return &Sender{opt: opt, courier: newCourier(opt.Allow)}
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
			s.courier.close()
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
	status, _, err = s.courier.post(ctx, w, d.ID, s.opt.Now(), d.Payload)
	return status, err
}
