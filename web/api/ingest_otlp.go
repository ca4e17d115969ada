package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/ingest/decode"
	"tidemark/web/respond"
)

// otlpSignal is what differs between traces and logs.
type otlpSignal struct {
	read   func(body []byte, isJSON bool, o *decode.Options, b *decode.Batch) error
	answer func(rejected int, message string, isJSON bool) []byte
}

func (a *API) postTraces(c echo.Context) error {
	return a.postOTLP(c, otlpSignal{decode.Traces, decode.TracesResponse})
}

func (a *API) postLogs(c echo.Context) error {
	return a.postOTLP(c, otlpSignal{decode.Logs, decode.LogsResponse})
}

// postOTLP answers as the OTLP/HTTP specification says: in the encoding of the
// request, with a partial success when some of it was rejected, and errors as a
// google.rpc.Status.
func (a *API) postOTLP(c echo.Context, s otlpSignal) error {
	isJSON, err := decode.IsOTLPJSON(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil {
		return ingestProblem(err, nil)
	}
	h := a.hold(c)
	defer h.release()
	receipt, err := a.take(c, h, func(body []byte) error { return s.read(body, isJSON, a.o.Decode, h.batch) })
	if err != nil {
		p := respond.From(err)
		p.SetHeaders(c)
		return otlpBlob(c, p.Status, decode.StatusBody(otlpCode(p.Status), p.Code+": "+p.Detail, isJSON), isJSON)
	}
	rejected, message := h.batch.Partial()
	if q := heldAnswer(&receipt); q != nil { // With nothing rejected it is a warning, as the specification has it.
		message = strings.TrimPrefix(message+"; "+q.Message, "; ")
	}
	return otlpBlob(c, http.StatusOK, s.answer(rejected, message, isJSON), isJSON)
}

func otlpBlob(c echo.Context, status int, body []byte, isJSON bool) error {
	kind := "application/x-protobuf"
	if isJSON {
		kind = echo.MIMEApplicationJSON
	}
	return c.Blob(status, kind, body)
}

// otlpCode is the google.rpc.Code of an HTTP status.
func otlpCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return decode.StatusUnauthenticated
	case http.StatusForbidden:
		return decode.StatusPermissionDenied
	case http.StatusTooManyRequests:
		return decode.StatusResourceExhausted
	case http.StatusRequestTimeout:
		return decode.StatusDeadlineExceeded
	case http.StatusServiceUnavailable:
		return decode.StatusUnavailable
	}
	if status >= http.StatusInternalServerError {
		return decode.StatusInternal
	}
	return decode.StatusInvalidArgument
}
