package respond_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/report"
	"tidemark/web/respond"
)

func TestErrorsHaveTheirStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		says   string // part of the detail
		hides  string // what the client must not read
	}{
		"identity":  {access.ErrUnauthenticated, 401, "unauthenticated", "no valid identity", ""},
		"forbidden": {access.ErrForbidden, 403, "forbidden", "not permitted", ""},
		"not found": {metrics.ErrNotFound, 404, "not_found", "write", ""},
		"changed":   {flags.ErrChanged, 409, "changed", "meantime", ""},
		"refused":   {flags.ErrRefused, 422, "refused", "refused", ""},
		"query":     {&report.QueryError{Field: "by", Message: "m"}, 400, "bad_query", "m", ""},
		"overload":  {ingest.ErrOverloaded, 429, "overloaded", "", ""},
		"full":      {metrics.ErrFull, 503, "storage_full", "no space", "write 7"},
		"damaged":   {metrics.ErrDamaged, 503, "storage_damaged", "log", "write 7"},
		"too large": {&http.MaxBytesError{Limit: 9}, 413, "too_large", "9 bytes", ""},
		"unknown":   {errors.New("secret"), 500, "internal", "instance", "secret"},
		"echo":      {echo.ErrMethodNotAllowed, 405, "method_not_allowed", "", ""},
		"own":       {respond.Bad("x", "y"), 400, "bad_request", "y", ""},
		"left":      {context.Canceled, 499, "client_gone", "", ""},
	} {
		p := respond.From(fmt.Errorf("write 7: %w", c.err))
		if p.Status != c.status || p.Code != c.code || p.Title == "" || p.Type == "" {
			t.Errorf("%s: %+v, want %d %s", name, p, c.status, c.code)
		}
		if !strings.Contains(p.Detail, c.says) || (c.hides != "" && strings.Contains(p.Detail, c.hides)) {
			t.Errorf("%s: detail %q", name, p.Detail)
		}
	}
	if p := respond.From(&report.QueryError{Field: "by", Message: "m"}); p.Field != "by" {
		t.Errorf("field %q", p.Field)
	}
}

// answer runs a handler and returns what it wrote.
func answer(t *testing.T, target, accept string, h echo.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	if err := h(echo.New().NewContext(r, w)); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAProblemIsAProblemDocument(t *testing.T) {
	t.Parallel()
	w := answer(t, "/", "", respond.New(429, "x", "d").Later(1200*time.Millisecond).Send)
	if w.Code != 429 || w.Header().Get("Content-Type") != respond.ProblemType || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["code"] != "x" || got["detail"] != "d" {
		t.Errorf("%v %v", got, err)
	}
}

func TestWhatDoesNotEncodeIsNoHalfAnswer(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody), w)
	if err := respond.JSON(c, 200, math.NaN()); err == nil || c.Response().Committed {
		t.Errorf("error %v, committed %v", err, c.Response().Committed)
	}
}

func TestCSVIsHarmlessInASpreadsheet(t *testing.T) {
	t.Parallel()
	w := answer(t, "/", "", func(c echo.Context) error {
		return respond.CSV(c, respond.Table{Name: `a/b"c`, Header: []string{"x", "y"}, Rows: [][]string{
			{"=1+1", "-5"}, {"-cmd", "@x"}, {"a,b", "+1"}, {"", "plain"},
		}})
	})
	want := "x,y\r\n'=1+1,-5\r\n'-cmd,'@x\r\n\"a,b\",'+1\r\n,plain\r\n"
	if w.Body.String() != want || w.Header().Get("Content-Disposition") != `attachment; filename="a-b-c.csv"` {
		t.Errorf("%q %v", w.Body, w.Header())
	}
}

func TestOnlyNumbersBeginWithAMinus(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"-5": "-5", "-0.25": "-0.25", "-1e-07": "-1e-07", "-1.5E+9": "-1.5E+9",
		"-2+3+cmd|' /C calc'!A0": "'-2+3+cmd|' /C calc'!A0", "-1-1": "'-1-1", "-5ms": "'-5ms", "-0x1p3": "'-0x1p3", "-Inf": "'-Inf", "-": "'-",
		"\t=1+1": "\"\t'=1+1\"", "＝1+1": "'＝1+1", "－1＋1": "'－1＋1", "2026-01-31": "2026-01-31",
		// Where a comma is the decimal sign, spreadsheets begin a cell after a semicolon.
		"k;=1+cmd|' /C calc'!A0;": "k;'=1+cmd|' /C calc'!A0;", ";;@x;-5;-5ms": ";;'@x;-5;'-5ms", "k\t+1": "k\t'+1", "a; b;c=1": "a; b;c=1", "＝;＝": "'＝;'＝",
	} {
		w := answer(t, "/", "", func(c echo.Context) error {
			return respond.CSV(c, respond.Table{Name: "x", Header: []string{"x"}, Rows: [][]string{{cell}}})
		})
		if got := w.Body.String(); got != "x\r\n"+want+"\r\n" {
			t.Errorf("%q is written %q", cell, got)
		}
	}
	w := answer(t, "/", "", func(c echo.Context) error {
		return respond.CSV(c, respond.Table{Name: "x", Header: []string{"x"}, Rows: [][]string{{"\n=1+1"}, {"\r=1+1"}}})
	})
	if got := w.Body.String(); strings.Count(got, "'=1+1") != 2 {
		t.Errorf("line breaks: %q", got)
	}
}

func TestWhoWantsCSV(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, accept string
		want           bool
	}{
		{"/", "text/csv", true},
		{"/", "application/json, TEXT/CSV;q=0.5", true},
		{"/", "application/json", false},
		{"/?format=csv", "application/json", true},
		{"/?format=json", "text/csv", false},
	} {
		got := false
		answer(t, c.target, c.accept, func(ctx echo.Context) error {
			got = respond.WantsCSV(ctx)
			return nil
		})
		if got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
