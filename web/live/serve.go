package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// Serve answers with a stream of the topics until the client leaves or the hub
// closes. Its events are those published, and: "reload" when what was missed since
// Last-Event-ID is not known any more, "dropped" as the last word to a client that
// was too slow, "stopping" when the server stops.
func (h *Hub) Serve(c echo.Context, topics ...string) error {
	return h.serve(c, nil, topics...)
}

// ServeTail is Serve of the tail: of the events whose fields equal those of want that are
// not "".
func (h *Hub) ServeTail(c echo.Context, want TailEvent) error {
	return h.serve(c, &want, TopicTail)
}

func (h *Hub) serve(c echo.Context, want *TailEvent, topics ...string) error {
	sub, err := h.subscribe(auth.Caller(c), lastID(c.Request().Header.Get("Last-Event-ID")), want, topics...)
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
			if err := s.Send(m); err != nil {
				return nil // The client left.
			}
		}
	}
	if err := s.pump(c.Request().Context(), sub); err != nil {
		return nil // The client left: there is nobody to tell.
	}
	return nil
}

// Stream writes server-sent events.
type Stream struct {
	c    echo.Context
	rc   *http.ResponseController
	text []byte // to be written at once
}

// writeAtOnce is about how much is written at once of the messages that wait.
const writeAtOnce = 16 << 10

// Begin sends the headers of a stream. Nothing but events may be written after it.
func Begin(c echo.Context) *Stream {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream; charset=utf-8")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	s := &Stream{c: c, rc: http.NewResponseController(c.Response().Writer)}
	s.text = append(s.text, "retry: 2000\n\n"...)
	_ = s.flush() // A client that has left is noticed by the next write.
	return s
}

// pump sends messages until the subscription or the client ends.
func (s *Stream) pump(ctx context.Context, sub *Subscription) error {
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
			if err := s.sendWaiting(m, sub.C); err != nil {
				return err
			}
		}
	}
}

// sendWaiting writes a message with those that wait behind it: each write of its own
// would cost more than all else that is done for a message.
func (s *Stream) sendWaiting(m Message, rest <-chan Message) error {
	s.put(idOf(m), m.Event, m.Data)
	for n := len(rest); n > 0 && len(s.text) < writeAtOnce; n-- {
		m, ok := <-rest
		if !ok {
			break // The next look at the channel tells why.
		}
		s.put(idOf(m), m.Event, m.Data)
	}
	return s.flush()
}

// last is what a subscriber is told when it ends.
func last(sub *Subscription) Message {
	if sub.Slow() {
		return Message{Event: "dropped", Data: `{"reason":"too slow: messages came faster than they were read"}`}
	}
	return Message{Event: "stopping", Data: "{}"}
}

// Send writes one message.
func (s *Stream) Send(m Message) error { return s.SendAs(idOf(m), m.Event, m.Data) }

func idOf(m Message) string {
	if m.ID == 0 {
		return ""
	}
	return strconv.FormatUint(m.ID, 10)
}

// SendAs writes one event with an id of the caller's; "" is none. None of the texts
// may hold a line break.
func (s *Stream) SendAs(id, event, data string) error {
	if len(data) <= writeAtOnce {
		s.put(id, event, data)
		return s.flush()
	}
	// By pieces, so that many who are sent the same much data hold no copies of it.
	if err := s.wait(); err != nil {
		return err
	}
	s.begin(id, event, writeAtOnce)
	text := s.text
	for len(data) > 0 {
		n := min(len(data), writeAtOnce-len(text))
		if err := s.write(append(text, data[:n]...)); err != nil {
			return err
		}
		text, data = text[:0], data[n:]
	}
	s.text = append(text, "\n\n"...)
	return s.flush()
}

// put adds an event to what is written next.
func (s *Stream) put(id, event, data string) {
	s.begin(id, event, len(data)+2)
	s.text = append(append(s.text, data...), "\n\n"...)
}

// begin adds the beginning of an event, and makes room for so much more.
func (s *Stream) begin(id, event string, room int) {
	s.text = slices.Grow(s.text, len(id)+len(event)+len("id: \nevent: \ndata: ")+room)
	if id != "" {
		s.text = append(append(append(s.text, "id: "...), id...), '\n')
	}
	s.text = append(append(append(s.text, "event: "...), event...), "\ndata: "...)
}

// Alive writes a comment, so that both sides know that the stream still is one.
func (s *Stream) Alive() error {
	s.text = append(s.text, ": alive\n\n"...)
	return s.flush()
}

// flush sends what was put, and keeps no room for it: thousands of streams wait, mostly.
func (s *Stream) flush() error {
	text := s.text
	s.text = nil
	if err := s.wait(); err != nil {
		return err
	}
	if err := s.write(text); err != nil {
		return err
	}
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("live stream: %w", err)
	}
	return nil
}

// wait gives the client its time to accept what is written next.
func (s *Stream) wait() error {
	// Test recorders have no deadlines; a real connection has.
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("live stream: %w", err)
	}
	return nil
}

func (s *Stream) write(text []byte) error {
	if _, err := s.c.Response().Write(text); err != nil {
		return fmt.Errorf("live stream: %w", err)
	}
	return nil
}
