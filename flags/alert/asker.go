package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"tidemark/flags"
)

// MaxReason bounds the reason that a webhook gives with its answer, in bytes.
const MaxReason = 500

// AskerOptions are what an Asker needs.
type AskerOptions struct {
	Store flags.WebhookStore
	Now   func() time.Time
	// Allow lists networks that are not public and may be asked all the same.
	Allow []netip.Prefix
	NewID func() (string, error) // nil means UUIDv7
}

// Asker asks webhooks questions, signed as messages about alerts are. It is safe for
// concurrent use.
type Asker struct {
	opt     AskerOptions
	courier *courier
}

// NewAsker returns an asker with a connection of its own to the world.
func NewAsker(opt AskerOptions) *Asker {
	if opt.NewID == nil {
		opt.NewID = newID
	}
	return &Asker{opt, newCourier(opt.Allow)}
}

// Close closes idle connections.
func (a *Asker) Close() { a.courier.close() }

// Askable says why a webhook cannot be asked: flags.ErrNotFound when there is none of
// that id, flags.ErrRefused when it is switched off.
func (a *Asker) Askable(ctx context.Context, webhook string) error {
	_, err := a.hook(ctx, webhook)
	return err
}

func (a *Asker) hook(ctx context.Context, id string) (flags.Webhook, error) {
	w, err := a.opt.Store.Webhook(ctx, id)
	switch {
	case errors.Is(err, flags.ErrNotFound):
		return w, fmt.Errorf("%w: there is no webhook with the id %q", flags.ErrNotFound, id)
	case err != nil:
		return w, fmt.Errorf("webhook %q: %w", id, err)
	case !w.Enabled:
		return w, fmt.Errorf("%w: the webhook %q is switched off", flags.ErrRefused, w.Name)
	}
	return w, nil
}

// Ask sends a question of a type and waits for {"pass": true} or false, and perhaps a
// "reason" of at most MaxReason bytes; what is longer is cut. It asks once: whoever
// asks decides when to ask again.
func (a *Asker) Ask(ctx context.Context, webhook, kind string, question any) (pass bool, reason string, err error) {
	w, err := a.hook(ctx, webhook)
	if err != nil {
		return false, "", err
	}
	id, err := a.opt.NewID()
	if err != nil {
		return false, "", fmt.Errorf("ask %q: %w", w.Name, err)
	}
	now := a.opt.Now()
	payload, err := json.Marshal(Message{kind, now.UTC().Format(time.RFC3339Nano), question})
	if err != nil {
		return false, "", fmt.Errorf("ask %q: %w", w.Name, err)
	}
	_, body, err := a.courier.post(ctx, &w, id, now, payload)
	if err != nil {
		return false, "", fmt.Errorf("webhook %q: %w", w.Name, err)
	}
	return readAnswer(w.Name, body)
}

func readAnswer(name string, body []byte) (pass bool, reason string, err error) {
	var answer struct {
		Pass   *bool  `json:"pass"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Pass == nil {
		return false, "", fmt.Errorf(`webhook %q: its answer is not {"pass": true} or {"pass": false, "reason": "…"}`, name)
	}
	reason = answer.Reason
	for cut := MaxReason; len(reason) > MaxReason; cut-- {
		if utf8.RuneStart(reason[cut]) {
			reason = reason[:cut]
		}
	}
	return *answer.Pass, reason, nil
}
