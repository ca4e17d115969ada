// Package respond turns what handlers return into what clients get: a page, a
// fragment, JSON, CSV, or a problem document (RFC 9457). It holds the one table
// from error to HTTP status.
package respond

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/flags/flagset"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/report"
)

// ProblemType is the media type of a problem document.
const ProblemType = "application/problem+json"

// Problem is an RFC 9457 problem document. Code is stable: clients may depend on
// it. Title says what kind of problem it is, Detail what happened this time.
type Problem struct { //nolint:errname // A problem document, which also is an error.
	Type     string `json:"type"` // "about:blank": Status and Code say it all
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"`
	Field    string `json:"field,omitempty"`    // of the request, when one is wrong
	Instance string `json:"instance,omitempty"` // the request id
	// Rejected lists what was wrong with each event, when no event could be accepted.
	Rejected []metrics.Rejection `json:"rejected,omitempty"`

	RetryAfter time.Duration `json:"-"` // > 0 sets Retry-After, rounded up to seconds
	Encodings  string        `json:"-"` // the content encodings that are taken, when another was sent (RFC 9110, 15.5.16)
	cause      error
}

// Error implements error.
func (p *Problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.cause)
	}
	return p.Code + ": " + p.Detail
}

// Unwrap returns what caused the problem.
func (p *Problem) Unwrap() error { return p.cause }

// New returns a problem with a detail for the client.
func New(status int, code, format string, args ...any) *Problem {
	return &Problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Bad is a 400 about one field of the request.
func Bad(field, format string, args ...any) *Problem {
	p := New(http.StatusBadRequest, "bad_request", format, args...)
	p.Field = field
	return p
}

// Later sets how long the client should wait before it tries again.
func (p *Problem) Later(d time.Duration) *Problem {
	p.RetryAfter = d
	return p
}

// row maps errors to a status. tell says whether the error's own text is fit for
// the client; otherwise the detail is the row's.
type row struct {
	err    error
	status int
	code   string
	tell   bool
	detail string
	retry  time.Duration
}

// table is the one place where an error becomes a status; the first match counts.
func table() []row {
	return []row{
		{err: access.ErrUnauthenticated, status: http.StatusUnauthorized, code: "unauthenticated", tell: true},
		{err: access.ErrForbidden, status: http.StatusForbidden, code: "forbidden", tell: true},
		{err: access.ErrSignIn, status: http.StatusForbidden, code: "sign_in_link", tell: true},
		{err: access.ErrNoKey, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: access.ErrTooManyKeys, status: http.StatusConflict, code: "too_many_keys", tell: true},
		{err: access.ErrScope, status: http.StatusBadRequest, code: "bad_request", tell: true},
		{err: access.ErrKeyName, status: http.StatusBadRequest, code: "bad_request", tell: true},
		{err: access.ErrNoAccount, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: access.ErrNoTeam, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: access.ErrNoSession, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: access.ErrNameTaken, status: http.StatusConflict, code: "name_taken", tell: true},
		{err: access.ErrOwned, status: http.StatusConflict, code: "owned", tell: true},
		{err: access.ErrLastAdmin, status: http.StatusUnprocessableEntity, code: "last_admin", tell: true},
		{err: access.ErrDisabled, status: http.StatusUnprocessableEntity, code: "disabled", tell: true},
		{err: access.ErrAccount, status: http.StatusBadRequest, code: "bad_request", tell: true},
		{err: access.ErrPassword, status: http.StatusBadRequest, code: "bad_password", tell: true},
		{err: access.ErrBusy, status: http.StatusServiceUnavailable, code: "busy", tell: true, retry: 2 * time.Second},
		{err: audit.ErrNoEntry, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: audit.ErrTampered, status: http.StatusInternalServerError, code: "audit_tampered", tell: true},
		{err: flagset.ErrTrials, status: http.StatusTooManyRequests, code: "too_many_trials", tell: true, retry: time.Second},
		{err: flagset.ErrTrial, status: http.StatusUnprocessableEntity, code: "rule_too_slow", tell: true},
		{err: flags.ErrNotFound, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: flags.ErrChanged, status: http.StatusConflict, code: "changed", tell: true},
		{err: flags.ErrRefused, status: http.StatusUnprocessableEntity, code: "refused", tell: true},
		{err: flags.ErrInvalid, status: http.StatusBadRequest, code: "invalid", tell: true},
		{err: report.ErrQuery, status: http.StatusBadRequest, code: "bad_query", tell: true},
		{err: metrics.ErrCursor, status: http.StatusBadRequest, code: "bad_query", detail: "The cursor is none of this list: it is the one that the page before gave."},
		{err: metrics.ErrNotFound, status: http.StatusNotFound, code: "not_found", tell: true},
		{err: ingest.ErrOverloaded, status: http.StatusTooManyRequests, code: "overloaded", detail: "Too many events are waiting to be stored; nothing of this request was.", retry: time.Second},
		{err: ingest.ErrStopped, status: http.StatusServiceUnavailable, code: "stopping", detail: "The server is stopping.", retry: 5 * time.Second},
		{err: metrics.ErrUnsynced, status: http.StatusServiceUnavailable, code: "storage_unsynced", detail: "An earlier write may not have reached the disk, so nothing more is stored until the server was restarted; nothing of this request was.", retry: time.Minute},
		{err: metrics.ErrFull, status: http.StatusServiceUnavailable, code: "storage_full", detail: "There is no space left to store events; nothing of this request was stored.", retry: 30 * time.Second},
		{err: metrics.ErrDamaged, status: http.StatusServiceUnavailable, code: "storage_damaged", detail: "The store is damaged; see the server's log.", retry: time.Minute},
		{err: metrics.ErrLocked, status: http.StatusServiceUnavailable, code: "storage_locked", detail: "The store is in use by another process.", retry: 5 * time.Second},
		{err: metrics.ErrClosed, status: http.StatusServiceUnavailable, code: "stopping", detail: "The server is stopping.", retry: 5 * time.Second},
		{err: context.DeadlineExceeded, status: http.StatusServiceUnavailable, code: "timeout", detail: "The answer took too long.", retry: 5 * time.Second},
		{err: context.Canceled, status: statusClientGone, code: "client_gone", detail: "The client went away."},
	}
}

// statusClientGone is what logs show when nobody waits for the answer any more.
const statusClientGone = 499

// From turns any error into a problem. Errors that are in no table are 500, and
// their text is for the log only.
func From(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return finish(p)
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return finish(New(http.StatusRequestEntityTooLarge, "too_large", "The body is larger than %d bytes.", tooBig.Limit))
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return finish(&Problem{Status: he.Code, Code: codeOf(he.Code), cause: err})
	}
	for _, r := range table() {
		if !errors.Is(err, r.err) {
			continue
		}
		p := &Problem{Status: r.status, Code: r.code, Detail: r.detail, RetryAfter: r.retry, cause: err}
		if r.tell {
			p.Detail = err.Error()
		}
		if q, ok := errors.AsType[*report.QueryError](err); ok {
			p.Field = q.Field
		}
		return finish(p)
	}
	return finish(&Problem{
		Status: http.StatusInternalServerError, Code: "internal",
		Detail: "Something went wrong inside tidemark; the server's log has it under this instance.", cause: err,
	})
}

func finish(p *Problem) *Problem {
	p.Type = "about:blank"
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if p.Title == "" {
		p.Title = "Client Closed Request"
	}
	return p
}

func codeOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	}
	return "http_" + strconv.Itoa(status)
}

// Send writes the problem as JSON.
func (p *Problem) Send(c echo.Context) error {
	p.SetHeaders(c)
	c.Response().Header().Set(echo.HeaderContentType, ProblemType)
	return writeJSON(c, p.Status, p)
}

// SetHeaders sets what goes with the status, whatever the body's form: Accept-Encoding, Retry-After
// and WWW-Authenticate.
func (p *Problem) SetHeaders(c echo.Context) {
	h := c.Response().Header()
	p.Instance = h.Get(echo.HeaderXRequestID)
	if p.Encodings != "" {
		h.Set(echo.HeaderAcceptEncoding, p.Encodings)
	}
	if p.RetryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="tidemark"`)
	}
	h.Set(echo.HeaderCacheControl, "no-store")
}
