package sync

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/flags/provider/snapshot"
	"tidemark/web/auth"
	"tidemark/web/live"
)

// getFlagd answers with the flags as flagd's HTTP source polls them.
func (s *Server) getFlagd(c echo.Context) error {
	e, err := s.edition()
	if err != nil {
		return err
	}
	h := c.Response().Header()
	etag := `"` + e.hash + `"`
	h.Set("ETag", etag)
	h.Set(echo.HeaderCacheControl, "no-cache")
	for part := range strings.SplitSeq(c.Request().Header.Get("If-None-Match"), ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return c.NoContent(http.StatusNotModified)
		}
	}
	return c.Blob(http.StatusOK, "application/json", e.flagd)
}

// streamSnapshots sends the whole flags when a provider begins to listen, unless it
// has them already, and at each change. A provider that reads slowly misses what lay
// between, never what is in force.
func (s *Server) streamSnapshots(c echo.Context) error {
	ctx := c.Request().Context()
	changed := s.o.Flags.Changed()
	e, err := s.edition()
	if err != nil {
		return err
	}
	out := live.Begin(c)
	beat := time.NewTicker(live.Heartbeat)
	defer beat.Stop()
	seen := c.Request().Header.Get("Last-Event-ID")
	for {
		if e.hash != seen {
			if out.SendAs(e.hash, snapshot.EventSnapshot, e.native) != nil {
				return nil // The provider left.
			}
			seen = e.hash
		} else if out.Alive() != nil {
			return nil // The provider left.
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.o.Done:
			return nil
		case <-changed:
			changed = s.o.Flags.Changed()
			if e, err = s.edition(); err != nil {
				return err
			}
		case <-beat.C:
		}
		if !s.stillMay(c) {
			return nil
		}
	}
}

// stillMay reports whether the key that opened the stream has not been revoked since.
func (s *Server) stillMay(c echo.Context) bool {
	who := auth.Who(c)
	if who == nil || who.KeyID == "" {
		return false
	}
	id, err := s.o.Keys.IdentityOf(c.Request().Context(), who.KeyID)
	return err == nil && id.May(access.Sync)
}
