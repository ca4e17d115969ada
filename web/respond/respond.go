package respond

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	"github.com/valyala/bytebufferpool"
)

// JSON answers with a value. Nothing is cached by browsers or proxies: every
// answer depends on who asks and when.
func JSON(c echo.Context, status int, v any) error {
	c.Response().Header().Set(echo.HeaderContentType, "application/json; charset=utf-8")
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return writeJSON(c, status, v)
}

// writeJSON encodes into a buffer first, so that a value that does not encode is a
// problem and not half an answer.
func writeJSON(c echo.Context, status int, v any) error {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return send(c, status, buf.B)
}

// Table is what a CSV answer holds.
type Table struct {
	Name   string // of the file, without ".csv"
	Header []string
	Rows   [][]string
}

// WantsCSV reports whether the client asked for CSV, by Accept or ?format=csv.
func WantsCSV(c echo.Context) bool {
	if f := c.QueryParam("format"); f != "" {
		return f == "csv"
	}
	for part := range strings.SplitSeq(c.Request().Header.Get(echo.HeaderAccept), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "text/csv") {
			return true
		}
	}
	return false
}

// CSV answers with a table (RFC 4180, header row). Cells that a spreadsheet would
// take for a formula are quoted with an apostrophe.
func CSV(c echo.Context, t Table) error {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	w := csv.NewWriter(buf)
	w.UseCRLF = true
	if err := w.Write(t.Header); err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	for _, row := range t.Rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = harmless(cell)
		}
		if err := w.Write(safe); err != nil {
			return fmt.Errorf("csv: %w", err)
		}
	}
	w.Flush()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8; header=present")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="`+fileName(t.Name)+`.csv"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	return send(c, http.StatusOK, buf.B)
}

// harmless keeps a spreadsheet from running what a client sent: a cell that begins as a
// formula, also in full-width signs or after a line break, is text, and so is what comes
// after what separates cells elsewhere. A number may begin with a minus.
func harmless(cell string) string {
	var b strings.Builder
	for {
		end := strings.IndexAny(cell, separators)
		if end < 0 {
			b.WriteString(asText(cell))
			return b.String()
		}
		b.WriteString(asText(cell[:end]))
		b.WriteByte(cell[end])
		cell = cell[end+1:]
	}
}

// separators begin a cell or a row of spreadsheets that do not take commas for it, as where
// a comma is the decimal sign; those do not heed our quotes either.
const separators = ";\t\r\n"

func asText(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	switch first {
	case '=', '+', '@', '＝', '＋', '－', '＠':
		return "'" + cell
	case '-':
		if !isNumber(cell) {
			return "'" + cell
		}
	}
	return cell
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "0123456789.eE+-") == ""
}

func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, name)
}

// permissions switches off what no page of ours uses; the clipboard is for copying
// commands.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), " +
	"microphone=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// Page answers with a whole page. It is rendered to a buffer before the first
// byte, so that a page that fails is an error page and not half a page.
func Page(c echo.Context, status int, page templ.Component) error {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	if err := page.Render(c.Request().Context(), buf); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/html; charset=utf-8")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Add(echo.HeaderVary, "HX-Request, Accept, Cookie")
	return send(c, status, visible(buf.B))
}

// PageOrFragment answers with the fragment when htmx asks for it, else with the
// whole page.
func PageOrFragment(c echo.Context, status int, page, fragment templ.Component) error {
	if IsFragment(c) {
		return Page(c, status, fragment)
	}
	return Page(c, status, page)
}

// IsFragment reports whether htmx asks for a part of the page.
func IsFragment(c echo.Context) bool {
	h := c.Request().Header
	return h.Get("HX-Request") == "true" && h.Get("HX-History-Restore-Request") != "true" && h.Get("HX-Boosted") != "true"
}

// WantsPage reports whether a person's browser asks, rather than a program.
func WantsPage(c echo.Context) bool {
	return strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") && c.QueryParam("format") == ""
}
