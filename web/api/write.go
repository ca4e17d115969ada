package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/metrics/provenance"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// getWrite tells the whole story of one write.
func (a *API) getWrite(c echo.Context) error {
	p := a.readParams(c, "feature")
	if p.err != nil {
		return p.err
	}
	story, err := a.o.Teller.Story(c.Request().Context(), p.text("feature"), pathParam(c, "id"))
	if err != nil {
		return err
	}
	a.o.Policy.RedactStory(auth.Who(c), story)
	return respond.JSON(c, http.StatusOK, story)
}

// getStatus answers what a user may be told about a write. With wait it blocks
// until the write is visible, at one replica or everywhere.
func (a *API) getStatus(c echo.Context) error {
	p := a.readParams(c, "feature", "wait", "replica")
	wait := p.duration("wait")
	if p.err == nil && wait > provenance.MaxWait {
		p.fail("wait", "%s: at most %s is allowed.", wait, provenance.MaxWait)
	}
	if p.err == nil && wait == 0 && p.text("replica") != "" {
		p.fail("replica", "It says what to wait for: give wait as well.")
	}
	if p.err != nil {
		return p.err
	}
	ctx, feature, id := c.Request().Context(), p.text("feature"), pathParam(c, "id")
	var status *provenance.Status
	var err error
	if wait > 0 {
		status, err = a.o.Teller.Wait(ctx, a.o.Feed, feature, id, p.text("replica"), wait)
	} else {
		status, err = a.o.Teller.Status(ctx, feature, id)
	}
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, status)
}

// Limits of a status stream.
const (
	statusLife  = 10 * time.Minute       // a page that is left open asks again
	statusPause = 100 * time.Millisecond // between two readings of the same write
	statusBeat  = 5 * time.Second        // age and ETA change when nothing happens
)

// streamStatus sends the status whenever it changes, until the write is visible
// everywhere ("done") or the stream has lasted statusLife.
func (a *API) streamStatus(c echo.Context) error {
	p := a.readParams(c, "feature")
	if p.err != nil {
		return p.err
	}
	feature, id := p.text("feature"), pathParam(c, "id")
	ctx, stop := context.WithTimeout(c.Request().Context(), statusLife)
	defer stop()
	changed, cancel := a.o.Feed.Subscribe(id)
	defer cancel()
	status, err := a.o.Teller.Status(ctx, feature, id)
	if err != nil {
		return err
	}
	s := live.Begin(c)
	beat := time.NewTicker(statusBeat)
	defer beat.Stop()
	for {
		if err := sendStatus(s, status); err != nil || status.State == provenance.StateVisible {
			return nil // The client left, or there is no more to say.
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.o.Hub.Done():
			_ = s.Send(live.Message{Event: "stopping", Data: "{}"}) // The client may be gone.
			return nil
		case <-changed:
		case <-beat.C:
		}
		if err := pause(ctx, statusPause); err != nil {
			return nil // The client left.
		}
		if status, err = a.o.Teller.Status(ctx, feature, id); err != nil {
			a.endStatus(ctx, s, err)
			return nil
		}
	}
}

// endStatus says that there is no more to tell: the headers were sent, so it is an
// event instead of a status code.
func (a *API) endStatus(ctx context.Context, s *live.Stream, err error) {
	if ctx.Err() != nil {
		return
	}
	code := "internal"
	if errors.Is(err, metrics.ErrNotFound) {
		code = "not_found"
	} else {
		a.o.Log.ErrorContext(ctx, "status stream", "error", err)
	}
	_ = s.Send(live.Message{Event: "error", Data: `{"code":"` + code + `"}`}) // The client may be gone.
}

func sendStatus(s *live.Stream, status *provenance.Status) error {
	raw, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	if err := s.Send(live.Message{Event: "status", Data: string(raw)}); err != nil || status.State != provenance.StateVisible {
		return err
	}
	return s.Send(live.Message{Event: "done", Data: "{}"})
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// getTime lets a client measure its offset to the server's clock, as NTP does: it
// sends its own time t1, and with its time t4 of the answer's arrival the offset is
// ((t2 − t1) + (t3 − t4)) / 2, give or take half the time on the way.
func (a *API) getTime(c echo.Context) error {
	received := a.o.Now().UnixNano()
	p := a.readParams(c, "t1")
	var t1 int64
	if s := p.text("t1"); s != "" {
		if _, err := fmt.Sscan(s, &t1); err != nil {
			p.fail("t1", "%q: want your clock in integer Unix nanoseconds.", s)
		}
	}
	if p.err != nil {
		return p.err
	}
	return respond.JSON(c, http.StatusOK, map[string]int64{"t1": t1, "t2": received, "t3": a.o.Now().UnixNano()})
}
