package ofrep_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"tidemark/web"
	"tidemark/web/ofrep"
)

// manyFlags is a file of n flags, each with a rule and a 50/50 split.
func manyFlags(n int) string {
	var b strings.Builder
	b.WriteString(`{"flags":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"flag-%02d":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off",
			"targeting":{"if":[{"in":[{"var":"plan"},["pro","team"]]},{"fractional":[["on",50],["off",50]]},"off"]}}`, i)
	}
	b.WriteString("}}")
	return b.String()
}

const benchBody = `{"context":{"targetingKey":"user-8412","plan":"pro","country":"de","email":"a@shop.example","age":37,"beta":true}}`

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

func drive(b *testing.B, h http.Handler, path, token string) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, http.NoBody)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.ContentLength = int64(len(benchBody))
	body := bytes.NewReader(nil)
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset([]byte(benchBody))
		r.Body = io.NopCloser(body)
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

func unlimited(_ *ofrep.Options, w *web.Options) {
	w.Limits = web.Limits{KeyRate: 1e9, AddressRate: 1e9}
}

func BenchmarkSingle(b *testing.B) {
	s := open(b, compile(b, manyFlags(50)), unlimited)
	drive(b, s, "/ofrep/v1/evaluate/flags/flag-07", s.token)
}

func BenchmarkBulk50(b *testing.B) {
	s := open(b, compile(b, manyFlags(50)), unlimited)
	drive(b, s, "/ofrep/v1/evaluate/flags", s.token)
}

// BenchmarkBareEcho is what the others are held against: a handler that decodes the
// same body and answers a constant.
func BenchmarkBareEcho(b *testing.B) {
	e := echo.New()
	answer := []byte(`{"key":"flag-07","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{}}`)
	e.POST("/*", func(c echo.Context) error {
		var body struct{ Context map[string]any }
		if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, answer)
	})
	drive(b, e, "/ofrep/v1/evaluate/flags/flag-07", "none")
}
