package ui

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// ErrorPage shows a problem to a person. It is what web.Options asks for.
func (u *UI) ErrorPage(c echo.Context, p *respond.Problem) error {
	m := page.Problem{Status: p.Status, Text: p.Detail, Field: p.Field, Request: p.Instance, Back: part.Link{Text: "Back to the overview", URL: "/"}}
	for _, said := range []error{access.ErrForbidden, flags.ErrRefused} { // by the title
		if rest, ok := strings.CutPrefix(p.Detail, said.Error()+": "); ok {
			m.Text = upperFirst(strings.TrimSuffix(rest, ".")) + "."
		}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		m.Title, m.Back = "You are not signed in.", part.Link{Text: "Sign in", URL: auth.SignInPath}
	case http.StatusForbidden:
		m.Title = "You may not do this."
	case http.StatusNotFound:
		m.Title = "There is nothing here."
	case http.StatusBadRequest:
		m.Title = "This address or form has a mistake."
	case http.StatusConflict:
		m.Title = "Somebody else changed this first."
	case http.StatusUnprocessableEntity:
		m.Title = "This was refused."
	case http.StatusTooManyRequests:
		m.Title = "Too many requests."
	case http.StatusServiceUnavailable:
		m.Title = "tidemark cannot answer right now."
	default:
		m.Title = p.Title + "."
		if p.Status >= http.StatusInternalServerError {
			m.Title = "Something went wrong inside tidemark."
		}
	}
	if p.RetryAfter > 0 {
		m.Text = strings.TrimSpace(m.Text + " " + whenAgain(c.Request().Method, p.RetryAfter))
	}
	if auth.Who(c) == nil && !respond.IsFragment(c) {
		return u.bare(c, p.Status, m.Title, page.ShowProblemAlone(m))
	}
	return u.show(c, view{title: m.Title, status: p.Status, body: page.ShowProblem(m)})
}

// whenAgain says how to try again, where that is a matter of time: a browser that shows the
// answer to a form still has what was filled in.
func whenAgain(method string, wait time.Duration) string {
	text := fmt.Sprintf("Reload this page in %d s to try again", int(math.Ceil(wait.Seconds())))
	if method == http.MethodPost {
		return text + ": your browser sends the form again as you filled it in."
	}
	return text + "."
}

func upperFirst(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}

// Docs is the API's own page. The routes are those that it is given.
func (u *UI) Docs(c echo.Context) error {
	m := page.Docs{
		Head: part.Head{Answer: "Everything a page can do, a program can do.", Sub: "Send a key as Authorization: Bearer, or X-API-Key. Errors are problem documents with a stable code."},
		Spec: part.Link{Text: "OpenAPI 3.1 description", URL: "/api/openapi.yaml"},
	}
	for _, o := range u.o.Operations {
		n := len(m.Groups)
		if n == 0 || m.Groups[n-1].Name != o.Group {
			m.Groups = append(m.Groups, page.RouteGroup{Name: o.Group})
			n++
		}
		g := &m.Groups[n-1]
		g.Routes = append(g.Routes, page.Route{Method: o.Method, Path: o.Path, Text: o.Text, Needs: o.Needs, More: o.More, Parameters: parameters(&o)})
	}
	return u.show(c, view{title: "API", body: page.ShowDocs(m)})
}

func parameters(o *Operation) part.Table {
	t := part.Table{Caption: "Parameters of " + o.Method + " " + o.Path, Tight: true, Columns: []part.Column{{Head: "Parameter"}, {Head: "In"}, {Head: "Required"}, {Head: "What"}}}
	for _, p := range o.Parameters {
		required := "no"
		if p.Required {
			required = "yes"
		}
		t.Rows = append(t.Rows, part.Row{Cells: []part.Cell{mono(p.Name), part.Text(p.In), part.Text(required), part.Text(p.Text)}})
	}
	return t
}
