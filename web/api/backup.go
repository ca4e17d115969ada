package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/web/auth"
	"tidemark/web/respond"
)

// backupStall is how long the reader of a backup may take none of it.
const backupStall = time.Minute

// postBackup streams a backup. It is a POST because it is recorded. What fails after
// the first byte leaves the backup without its manifest, and ends the connection, so
// that nobody takes a part for the whole.
func (a *API) postBackup(c echo.Context) error {
	p := a.readParams(c, "reason")
	if p.err != nil {
		return p.err
	}
	if !a.copying.TryLock() {
		return respond.New(http.StatusConflict, "backup_running", "Another backup is being made; one at a time can be.").Later(time.Minute)
	}
	defer a.copying.Unlock()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/x-tar")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="tidemark-backup.tar"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	w := &patient{w: c.Response(), control: http.NewResponseController(c.Response())}
	err := a.o.Backup(c.Request().Context(), auth.Who(c).Actor(), p.text("reason"), w)
	if err != nil && c.Response().Committed {
		a.o.Log.ErrorContext(c.Request().Context(), "a backup broke off", "error", err)
		panic(http.ErrAbortHandler) // The one way to cut a response that has begun.
	}
	if err != nil {
		h.Del(echo.HeaderContentDisposition)
	}
	return err
}

// patient lets a response take as long as it likes while somebody reads it.
type patient struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(backupStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}
