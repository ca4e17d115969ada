package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/report"
	"tidemark/web/respond"
)

// params reads the query of a request. The first mistake is kept; later ones would
// only confuse.
type params struct {
	q   url.Values
	now time.Time
	err error
}

// readParams refuses parameters that are not known: a misspelt filter that is
// ignored gives a wrong answer that looks right.
func (a *API) readParams(c echo.Context, known ...string) *params {
	p := &params{q: c.QueryParams(), now: a.o.Now()}
	for name := range p.q {
		if name != "format" && !slices.Contains(known, name) {
			slices.Sort(known)
			p.err = respond.Bad(name, "There is no such parameter; known: %s.", strings.Join(known, ", "))
		}
	}
	return p
}

// plain is a handler that reads no parameter but format.
func plain(h echo.HandlerFunc) echo.HandlerFunc { return respond.Takes(h, "format") }

func (p *params) fail(name, format string, args ...any) {
	if p.err == nil {
		p.err = respond.Bad(name, format, args...)
	}
}

func (p *params) text(name string) string { return p.q.Get(name) }

// time reads RFC 3339, Unix nanoseconds, "now", or a negative duration before now.
func (p *params) time(name string) time.Time {
	s := p.q.Get(name)
	switch {
	case s == "":
		return time.Time{}
	case s == "now":
		return p.now
	case s[0] == '-':
		d, err := duration(s[1:])
		if err == nil {
			return p.now.Add(-d)
		}
	default:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Unix(0, n).UTC()
		}
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t
		}
	}
	p.fail(name, "%q is no time: want RFC 3339, integer Unix nanoseconds, now, or a time before now such as -6h.", s)
	return time.Time{}
}

// duration is Go's, and also days: 28d.
func duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err //nolint:wrapcheck // The caller says what is allowed.
	}
	return time.ParseDuration(s) //nolint:wrapcheck // The caller says what is allowed.
}

func (p *params) duration(name string) time.Duration {
	s := p.q.Get(name)
	if s == "" {
		return 0
	}
	d, err := duration(s)
	if err != nil || d < 0 {
		p.fail(name, "%q is no duration: want such as 250ms, 2s, 1h or 28d.", s)
	}
	return d
}

func (p *params) int(name string, least, most int) int {
	s := p.q.Get(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		p.fail(name, "%q: want a whole number from %d to %d.", s, least, most)
	}
	return n
}

// oneOf reads a word of a list; "" when absent.
func (p *params) oneOf(name string, allowed ...string) string {
	s := p.q.Get(name)
	if s != "" && !slices.Contains(allowed, s) {
		p.fail(name, "%q is not known; want %s.", s, strings.Join(allowed, ", "))
	}
	return s
}

func (p *params) bool(name string) bool {
	switch s := p.q.Get(name); s {
	case "", "false", "0":
		return false
	case "true", "1":
		return true
	default:
		p.fail(name, "%q: want true or false.", s)
		return false
	}
}

// queryNames are the parameters of every question about features.
func queryNames() []string {
	return []string{"from", "to", "range", "step", "replica", "model", "variant", "region", "mechanism", "by", "feature"}
}

// query reads a report.Query. range is short for from=-RANGE.
func (a *API) query(c echo.Context) (report.Query, error) {
	p := a.readParams(c, queryNames()...)
	q := report.Query{
		Feature: p.text("feature"), From: p.time("from"), To: p.time("to"), Step: p.duration("step"),
		Replica: p.text("replica"), Model: p.text("model"), Variant: p.text("variant"),
		Region: p.text("region"), Mechanism: p.text("mechanism"), By: p.text("by"),
	}
	if r := p.duration("range"); r > 0 {
		to := q.To
		if to.IsZero() {
			to = p.now
		}
		if !q.From.IsZero() {
			p.fail("range", "Give from or range, not both.")
		}
		q.From = to.Add(-r)
	}
	if f := pathParam(c, "feature"); f != "" {
		q.Feature = f
	}
	return q, p.err
}

func pathParam(c echo.Context, name string) string { return respond.PathParam(c, name) }
