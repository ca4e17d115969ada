package ofrep

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/live"
)

// stream tells a page to evaluate again: when it begins to listen, unless it has said
// that it knows the flags in force; at each change; and before its token ends, so that
// it gets the address of the next stream. A client that reads too slowly misses
// notices, not changes: each says what is in force when it is sent.
func (h *Handler) stream(c echo.Context) error {
	ctx, now := c.Request().Context(), h.o.Now()
	keyID, ends, err := h.verify(c.QueryParam("token"), now)
	if err != nil {
		return tokenError()
	}
	if err := h.mayListen(ctx, keyID); err != nil {
		return err
	}
	l := listener{h: h, keyID: keyID, seen: c.Request().Header.Get("Last-Event-ID"), out: live.Begin(c)}
	return l.run(ctx, now, ends)
}

// mayListen refuses keys that were revoked, or have run out, since the token was made.
func (h *Handler) mayListen(ctx context.Context, keyID string) error {
	id, err := h.o.Identity(ctx, keyID)
	if err != nil {
		return err
	}
	if !id.May(access.Evaluate) {
		return fmt.Errorf("%w: this needs the permission %q", access.ErrForbidden, access.Evaluate)
	}
	return nil
}

// listener is one open stream.
type listener struct {
	h     *Handler
	keyID string
	seen  string // hash of the flags that the client was told of
	out   *live.Stream
}

// run returns nil when the stream is over, whoever ended it: there is nobody left to
// tell.
func (l *listener) run(ctx context.Context, now, ends time.Time) error {
	expire := time.NewTimer(ends.Sub(now))
	defer expire.Stop()
	// Not all clients at once: each at a moment of its own in the token's second epoch.
	renew := time.NewTimer(ends.Sub(now) - epochLength + rand.N(epochLength/2)) //nolint:gosec // Spreads load; no secret.
	defer renew.Stop()
	beat := time.NewTicker(live.Heartbeat)
	defer beat.Stop()
	for {
		changed := l.h.o.Flags.Changed()
		if err := l.tell(); err != nil {
			return nil // The client left.
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.h.o.Done:
			return nil
		case <-expire.C:
			return nil
		case <-renew.C:
			l.seen = ""
		case <-changed:
		case <-beat.C:
			if l.out.Alive() != nil {
				return nil
			}
		}
		if l.h.mayListen(ctx, l.keyID) != nil {
			return nil
		}
	}
}

// tell sends the flags that are in force, unless the client knows of them.
func (l *listener) tell() error {
	hash := l.h.o.Flags.Set().Hash()
	if hash == l.seen {
		return nil
	}
	l.seen = hash
	at := l.h.since.seen(hash, l.h.o.Now())
	return l.out.SendAs(hash, "message", `{"type":"refetchEvaluation","etag":"\"`+hash+`\"","lastModified":`+strconv.FormatInt(at.Unix(), 10)+`}`)
}

// since remembers when the flags in force were first told of.
type since struct {
	mu   sync.Mutex
	hash string
	at   time.Time
}

func (s *since) seen(hash string, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hash != hash {
		s.hash, s.at = hash, now
	}
	return s.at
}
