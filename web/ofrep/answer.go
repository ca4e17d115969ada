package ofrep

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tidemark/flags/eval"
	"tidemark/web/wire"
)

// jsonType is shared by all answers: net/http only reads it.
var jsonType = []string{"application/json"}

// send writes an answer. Its length is said, so that a long one is not sent in
// chunks.
func send(c echo.Context, status int, body []byte) error {
	w := c.Response()
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(body) > 2000 { // Below, net/http counts by itself, and sends one piece.
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		wire.Whole(c.Request().Context(), len(body))
	}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// statusOf is the protocol's status for an error of one evaluation.
func statusOf(code eval.ErrorCode) int {
	switch code {
	case eval.CodeNone:
		return http.StatusOK
	case eval.CodeFlagNotFound:
		return http.StatusNotFound
	case eval.CodeGeneral:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
