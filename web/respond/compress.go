package respond

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
	"github.com/valyala/bytebufferpool"
)

// leastCompressed is the least answer that is worth compressing: a smaller one fits
// into two packets as it is.
const leastCompressed = 2048

// writers are kept: each has about 1 MB of tables.
var writers = sync.Pool{New: func() any { //nolint:gochecknoglobals // A pool has no state that could be told apart.
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a constant that exists
	return w
}}

// send answers with a body that is whole, compressed where that is asked for, safe
// and worth it.
func send(c echo.Context, status int, body []byte) error {
	h := c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if len(body) < leastCompressed || h.Get("ETag") != "" || !mayCompress(c.Request()) {
		return write(c, status, body)
	}
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	z := writers.Get().(*gzip.Writer) //nolint:forcetypeassert // The pool holds nothing else.
	defer writers.Put(z)
	z.Reset(buf)
	if _, err := z.Write(body); err != nil {
		return fmt.Errorf("compress answer: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress answer: %w", err)
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return write(c, status, buf.B)
}

func write(c echo.Context, status int, body []byte) error {
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(body)
	return err
}

// mayCompress reports whether the answer to a request may be compressed. The length
// of a compressed answer tells something of what is in it to whoever can choose a
// part of it and see its length on the wire (the BREACH attack). So nothing that a
// form was sent for is compressed, and nothing that another site made a signed-in
// browser ask for: a browser that does not say who made it ask gets it as it is.
func mayCompress(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !acceptsGzip(r.Header.Get(echo.HeaderAcceptEncoding)) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		return r.Header.Get(echo.HeaderCookie) == ""
	}
	return false
}

// acceptsGzip reads an Accept-Encoding header: gzip is named, and not with q=0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, given := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !given {
			return true
		}
		v, err := strconv.ParseFloat(q, 64)
		return err == nil && v > 0
	}
	return false
}
