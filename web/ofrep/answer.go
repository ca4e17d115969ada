package ofrep

import (
	"encoding/json"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tidemark/flags/eval"
)

// jsonType is shared by all answers: net/http only reads it.
var jsonType = []string{"application/json"}

// send writes an answer. Its length is said, so that a long one is not sent in
// chunks.
func send(c echo.Context, status int, body []byte) error {
	w := c.Response()
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(body) > 2000 { // Below, net/http counts by itself.
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// appendFailure appends the members of an error.
func appendFailure(b []byte, code eval.ErrorCode, details string) []byte {
	b = append(b, `"errorCode":"`...)
	b = append(b, code...)
	b = append(b, `","errorDetails":`...)
	return appendString(b, details)
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

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil { // A string always encodes.
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
