package alert

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidemark/flags"
)

// maxHooks bounds how many webhooks there are, and maxHookName their names.
const (
	maxHooks    = 50
	maxHookName = 100
)

// HooksOptions are what Hooks needs.
type HooksOptions struct {
	Store flags.WebhookStore
	Now   func() time.Time
	Allow []netip.Prefix         // as SenderOptions.Allow
	NewID func() (string, error) // nil means UUIDv7
}

// Hooks keeps the list of webhooks. It is safe for concurrent use.
type Hooks struct{ opt HooksOptions }

// NewHooks returns the list over a store.
func NewHooks(opt HooksOptions) *Hooks {
	if opt.NewID == nil {
		opt.NewID = newID
	}
	return &Hooks{opt}
}

// Input is what somebody says of a webhook.
type Input struct {
	Name       string
	URL        string
	Severities []flags.Severity // empty = all
	// Checkpoints asks for the signed heads of the audit log too.
	Checkpoints bool
	Enabled     bool
	// Replaces is the Seen of the webhook that an update goes over; "" = of whatever is there.
	Replaces string
}

func (h *Hooks) check(in *Input) error {
	if n := utf8.RuneCountInString(in.Name); strings.TrimSpace(in.Name) == "" || n > maxHookName || !utf8.ValidString(in.Name) {
		return fmt.Errorf("%w: name: must be 1 to %d characters", flags.ErrInvalid, maxHookName)
	}
	for _, s := range in.Severities {
		if s != flags.SeverityPage && s != flags.SeverityTicket {
			return fmt.Errorf("%w: severities: %q is not one; allowed: page, ticket", flags.ErrInvalid, string(s))
		}
	}
	return CheckURL(in.URL, h.opt.Allow)
}

// List returns every webhook, without secrets, ordered by name.
func (h *Hooks) List(ctx context.Context) ([]flags.Webhook, error) {
	ws, err := h.opt.Store.Webhooks(ctx)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	for i := range ws {
		ws[i].Secret = ""
	}
	return ws, nil
}

// Get returns one webhook without its secret.
func (h *Hooks) Get(ctx context.Context, id string) (flags.Webhook, error) {
	w, err := h.opt.Store.Webhook(ctx, id)
	w.Secret = ""
	return w, err
}

// Create adds a webhook. The result holds the secret, which is shown only here.
func (h *Hooks) Create(ctx context.Context, in Input, actor, reason string) (flags.Webhook, error) {
	if err := h.check(&in); err != nil {
		return flags.Webhook{}, err
	}
	ws, err := h.opt.Store.Webhooks(ctx)
	if err != nil {
		return flags.Webhook{}, fmt.Errorf("webhooks: %w", err)
	}
	if len(ws) >= maxHooks {
		return flags.Webhook{}, fmt.Errorf("%w: there are %d webhooks, the most allowed", flags.ErrRefused, maxHooks)
	}
	id, err := h.opt.NewID()
	if err != nil {
		return flags.Webhook{}, err
	}
	secret, err := NewSecret()
	if err != nil {
		return flags.Webhook{}, err
	}
	now := h.opt.Now()
	w := flags.Webhook{
		ID: id, Name: in.Name, URL: in.URL, Secret: secret, Severities: slices.Clone(in.Severities),
		Checkpoints: in.Checkpoints, Enabled: in.Enabled, CreatedAt: now, CreatedBy: actor,
	}
	return w, h.opt.Store.PutWebhook(ctx, w, actor, reason, now)
}

// Update changes a webhook; its secret stays. flags.ErrChanged says that it is no longer
// what the input says that it replaces.
func (h *Hooks) Update(ctx context.Context, id string, in Input, actor, reason string) (flags.Webhook, error) {
	if err := h.check(&in); err != nil {
		return flags.Webhook{}, err
	}
	w, err := h.opt.Store.Webhook(ctx, id)
	if err != nil {
		return flags.Webhook{}, err
	}
	w.Name, w.URL, w.Severities = in.Name, in.URL, slices.Clone(in.Severities)
	w.Checkpoints, w.Enabled, w.Replaces = in.Checkpoints, in.Enabled, in.Replaces
	err = h.opt.Store.PutWebhook(ctx, w, actor, reason, h.opt.Now())
	w.Secret = ""
	return w, err
}

// Delete removes a webhook with its pending deliveries and its log.
func (h *Hooks) Delete(ctx context.Context, id, actor, reason string) error {
	return h.opt.Store.DeleteWebhook(ctx, id, actor, reason, h.opt.Now())
}

// Test queues a test message; the log of deliveries shows what became of it.
func (h *Hooks) Test(ctx context.Context, id string) (flags.Delivery, error) {
	if _, err := h.opt.Store.Webhook(ctx, id); err != nil {
		return flags.Delivery{}, err
	}
	msg, err := h.opt.NewID()
	if err != nil {
		return flags.Delivery{}, err
	}
	d, err := newTest(msg, id, h.opt.Now())
	if err != nil {
		return d, err
	}
	if err := h.opt.Store.Enqueue(ctx, []flags.Delivery{d}); err != nil {
		return d, fmt.Errorf("queue a test message: %w", err)
	}
	return d, nil
}

// SendCheckpoint queues a signed head of the audit log for every webhook that wants them.
func (h *Hooks) SendCheckpoint(ctx context.Context, c CheckpointBody) error {
	ws, err := h.opt.Store.Webhooks(ctx)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	var ds []flags.Delivery
	for i := range ws {
		if !ws[i].Enabled || !ws[i].Checkpoints {
			continue
		}
		id, err := h.opt.NewID()
		if err != nil {
			return err
		}
		d, err := newMessage(id, ws[i].ID, TypeCheckpoint, c, h.opt.Now())
		if err != nil {
			return err
		}
		ds = append(ds, d)
	}
	if len(ds) == 0 {
		return nil
	}
	if err := h.opt.Store.Enqueue(ctx, ds); err != nil {
		return fmt.Errorf("queue a checkpoint: %w", err)
	}
	return nil
}

// Deliveries returns the latest deliveries of a webhook, newest first.
func (h *Hooks) Deliveries(ctx context.Context, id string, limit int) ([]flags.Delivery, error) {
	if _, err := h.opt.Store.Webhook(ctx, id); err != nil {
		return nil, err
	}
	return h.opt.Store.Deliveries(ctx, id, min(max(limit, 1), 200))
}
