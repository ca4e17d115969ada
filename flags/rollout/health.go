package rollout

import (
	"sync"
	"time"
)

// Health is how the controller does: whether rollouts are being decided about at all.
type Health struct {
	// TickedAt is when a tick last went well; zero before the first that did.
	TickedAt time.Time `json:"ticked_at,omitzero"`
	// Leads reports whether this server decides. Of several over one store one does.
	Leads bool `json:"leads"`
	// Error is what went wrong the last time, "" when all is well, and FailingSince when
	// that began.
	Error        string    `json:"error,omitempty"`
	FailingSince time.Time `json:"failing_since,omitzero"`
}

// failsFor is how long a failure is shown after it was last seen: what failed may be
// tried again less often than there are ticks.
const failsFor = choreEvery + 5*time.Second

// health remembers how the ticks went. It has a lock of its own, since a page must be
// able to ask while a tick waits for the store.
type health struct {
	mu     sync.Mutex
	now    Health
	failed time.Time // last
}

func (h *health) note(now time.Time, leads bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.Leads = leads
	if err != nil {
		if h.now.Error == "" {
			h.now.FailingSince = now
		}
		h.now.Error, h.failed = err.Error(), now
		return
	}
	h.now.TickedAt = now
	if since := now.Sub(h.failed); since >= failsFor || since < 0 {
		h.now.Error, h.now.FailingSince = "", time.Time{}
	}
}

// Health says how the last ticks went.
func (c *Controller) Health() Health {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.now
}
