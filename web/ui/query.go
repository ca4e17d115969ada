package ui

import (
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/report"
	"tidemark/views/part"
	"tidemark/web/respond"
)

type writer = io.Writer

// span is one of the time ranges to choose from.
type span struct {
	name string // in the address
	text string
	d    time.Duration
}

func spans() []span {
	const day = 24 * time.Hour
	return []span{
		{"15m", "15 min", 15 * time.Minute},
		{"1h", "1 h", time.Hour},
		{"24h", "24 h", day},
		{"7d", "7 d", 7 * day},
		{"28d", "28 d", 28 * day},
	}
}

const defaultSpan = "1h"

// asked is what an address asks for: a range, filters, a comparison. The address
// is the whole state of a page.
type asked struct {
	path  string
	v     url.Values
	now   time.Time
	query report.Query
	span  string // name of the range; "" with from and to
}

// ask reads the address. Parameters that the page does not know are refused: a
// misspelt filter that is ignored gives a wrong answer that looks right.
func (u *UI) ask(c echo.Context, known ...string) (*asked, error) {
	a := &asked{path: c.Request().URL.EscapedPath(), v: c.QueryParams(), now: u.o.Now()}
	known = append([]string{"range", "from", "to"}, known...)
	for name := range a.v {
		if !slices.Contains(known, name) {
			return nil, respond.Bad(name, "This page has no parameter %q. It has: %s.", name, strings.Join(known, ", "))
		}
	}
	if err := a.readSpan(); err != nil {
		return nil, err
	}
	a.query.Replica, a.query.Model, a.query.Variant = a.v.Get("replica"), a.v.Get("model"), a.v.Get("variant")
	a.query.Region, a.query.Mechanism, a.query.By = a.v.Get("region"), a.v.Get("mechanism"), a.v.Get("by")
	return a, nil
}

func (a *asked) readSpan() error {
	from, to, name := a.v.Get("from"), a.v.Get("to"), a.v.Get("range")
	if from != "" || to != "" {
		if name != "" {
			return respond.Bad("range", "Give range, or from and to, not both.")
		}
		return a.readFromTo(from, to)
	}
	if name == "" {
		name = defaultSpan
	}
	for _, s := range spans() {
		if s.name == name {
			a.span = name
			a.query.From, a.query.To = a.now.Add(-s.d), a.now
			return nil
		}
	}
	return respond.Bad("range", "%q is no range. It is one of 15m, 1h, 24h, 7d and 28d; use from and to for another.", name)
}

func (a *asked) readFromTo(from, to string) (err error) {
	a.query.To = a.now
	if to != "" {
		if a.query.To, err = readTime("to", to); err != nil {
			return err
		}
	}
	a.query.From = a.query.To.Add(-time.Hour)
	if from != "" {
		if a.query.From, err = readTime("from", from); err != nil {
			return err
		}
	}
	if !a.query.From.Before(a.query.To) {
		return respond.Bad("from", "from must be before to.")
	}
	return nil
}

// fieldTimes are how browsers write what was chosen in a field for times, which the pages
// call UTC: without seconds when there are none.
func fieldTimes() []string { return []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} }

func readTime(name, s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	for _, layout := range fieldTimes() {
		if err != nil {
			t, err = time.Parse(layout, s)
		}
	}
	if err != nil {
		return t, respond.Bad(name, "%q is no time: want RFC 3339, such as 2026-01-31T13:00:00Z.", s)
	}
	return t, nil
}

// with is the page's address with some parameters changed: pairs of name and
// value; "" removes a parameter.
func (a *asked) with(pairs ...string) string {
	v := url.Values{}
	maps.Copy(v, a.v)
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Del(pairs[i])
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return a.path
	}
	return a.path + "?" + v.Encode()
}

// times are the parameters of the range, to be carried to another address.
func (a *asked) times() []string {
	if a.span != "" {
		return []string{"range", a.span}
	}
	return []string{"from", a.query.From.UTC().Format(time.RFC3339), "to", a.query.To.UTC().Format(time.RFC3339)}
}

// filters are the parameters of the filters in force.
func (a *asked) filters() []string {
	var out []string
	for _, name := range []string{"replica", "model", "variant", "region", "mechanism"} {
		if s := a.v.Get(name); s != "" {
			out = append(out, name, s)
		}
	}
	return out
}

// downloads are the addresses of the same answer as CSV and JSON.
func (a *asked) downloads(path string, more ...string) part.Downloads {
	pairs := append(append(a.times(), a.filters()...), more...)
	return part.Downloads{CSV: address(path, append(pairs, "format", "csv")...), JSON: address(path, append(pairs, "format", "json")...)}
}

// both are the addresses of an answer without parameters as CSV and JSON.
func both(path string) part.Downloads {
	return part.Downloads{CSV: path + "?format=csv", JSON: path}
}

// bar is the row of ranges and comparisons.
func (a *asked) bar(by ...string) part.Bar {
	b := part.Bar{Range: part.Choices{Label: "Time range"}}
	for _, s := range spans() {
		b.Range.Items = append(b.Range.Items, part.Choice{Text: s.text, URL: a.with("range", s.name, "from", "", "to", ""), Current: s.name == a.span})
	}
	if a.span == "" {
		b.Span = part.Span{From: a.query.From, To: a.query.To}
		b.Reset = a.with("from", "", "to", "")
	}
	if len(by) > 0 {
		b.By.Label = "Compare by"
	}
	b.Other.Action = a.path
	for _, name := range slices.Sorted(maps.Keys(a.v)) {
		if !slices.Contains([]string{"range", "from", "to", "skip"}, name) {
			b.Other.Keep = append(b.Other.Keep, [2]string{name, a.v.Get(name)})
		}
	}
	for _, name := range by {
		b.By.Items = append(b.By.Items, part.Choice{Text: "by " + dimension(name), URL: a.with("by", name), Current: name == a.query.By})
	}
	return b
}

// dimension is what a compared dimension is called on pages.
func dimension(by string) string {
	if by == report.ByVariant {
		return "arm"
	}
	return by
}

// address is a path with parameters: pairs of name and value, empty ones left out.
func address(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

func featureURL(name string) string { return "/features/" + url.PathEscape(name) }
func writeURL(feature, id string) string {
	return address("/writes/"+url.PathEscape(id), "feature", feature)
}
func conflictURL(id string) string    { return "/conflicts/" + url.PathEscape(id) }
func guaranteeURL(name string) string { return "/guarantees/" + url.PathEscape(name) }
func apiFeature(name, q string) string {
	return "/api/v1/features/" + url.PathEscape(name) + q
}
