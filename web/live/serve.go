package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/web/auth"
	"tidemark/web/respond"
)

// Heartbeat is how often a quiet stream says that it is alive, so that proxies keep
// it open and clients notice when it is not.
const Heartbeat = 15 * time.Second

// writeWait is how long a client may take to accept one message.
const writeWait = 10 * time.Second

// Keep decides whether a subscriber gets a message, and may rewrite it. nil keeps all.
type Keep func(m Message) (Message, bool)

// Serve answers with a stream of the topics until the client leaves or the hub
// closes. Its events are those published, and: "reload" when what was missed since
// Last-Event-ID is not known any more, "dropped" as the last word to a client that
// was too slow, "stopping" when the server stops.
func (h *Hub) Serve(c echo.Context, keep Keep, topics ...string) error {
	sub, err := h.Subscribe(auth.Caller(c), lastID(c.Request().Header.Get("Last-Event-ID")), topics...)
	if errors.Is(err, ErrTooManyOwn) {
		return respond.New(http.StatusTooManyRequests, "live_full", "%s.", err).Later(5 * time.Second)
	}
	if errors.Is(err, ErrTooMany) || errors.Is(err, ErrClosed) {
		return respond.New(http.StatusServiceUnavailable, "live_full", "%s.", err).Later(5 * time.Second)
	}
	if err != nil {
		return err
	}
	defer sub.Close()
	s := Begin(c)
	if c.Request().Header.Get("Last-Event-ID") != "" {
		missed, complete := sub.Missed()
		if !complete {
			missed = []Message{{Event: "reload", Data: "{}"}}
		}
		for _, m := range missed {
			if err := s.sendKept(m, keep); err != nil {
				return nil // The client left.
			}
		}
	}
	if err := s.pump(c.Request().Context(), sub, keep); err != nil {
		return nil // The client left: there is nobody to tell.
	}
	return nil
}

// Stream writes server-sent events.
type Stream struct {
	c  echo.Context
	rc *http.ResponseController
}

// Begin sends the headers of a stream. Nothing but events may be written after it.
func Begin(c echo.Context) *Stream {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream; charset=utf-8")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	s := &Stream{c: c, rc: http.NewResponseController(c.Response().Writer)}
	_ = s.write("retry: 2000\n\n") // A client that has left is noticed by the next write.
	return s
}

// pump sends messages until the subscription or the client ends.
func (s *Stream) pump(ctx context.Context, sub *Subscription, keep Keep) error {
	beat := time.NewTicker(Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := s.Alive(); err != nil {
				return err
			}
		case m, ok := <-sub.C:
			if !ok {
				return s.Send(last(sub))
			}
			if err := s.sendKept(m, keep); err != nil {
				return err
			}
		}
	}
}

// last is what a subscriber is told when it ends.
func last(sub *Subscription) Message {
	if sub.Slow() {
		return Message{Event: "dropped", Data: `{"reason":"too slow: messages came faster than they were read"}`}
	}
	return Message{Event: "stopping", Data: "{}"}
}

func (s *Stream) sendKept(m Message, keep Keep) error {
	if keep != nil {
		var ok bool
		if m, ok = keep(m); !ok {
			return nil
		}
	}
	return s.Send(m)
}

// Send writes one message.
func (s *Stream) Send(m Message) error {
	id := ""
	if m.ID > 0 {
		id = strconv.FormatUint(m.ID, 10)
	}
	return s.SendAs(id, m.Event, m.Data)
}

// SendAs writes one event with an id of the caller's; "" is none. None of the texts
// may hold a line break.
func (s *Stream) SendAs(id, event, data string) error {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(id + "event: " + event + "\ndata: " + data + "\n\n")
}

// Alive writes a comment, so that both sides know that the stream still is one.
func (s *Stream) Alive() error { return s.write(": alive\n\n") }

func (s *Stream) write(text string) error {
	// Test recorders have no deadlines; a real connection has.
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("live stream: %w", err)
	}
	if _, err := s.c.Response().Write([]byte(text)); err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("live stream: %w", err)
	}
	return nil
}
