package auth

import (
	"context"
	"html/template"
	"io"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tidemark/web/respond"
)

// PlainSignIn is the sign-in page without the design: it works when nothing else
// does.
func PlainSignIn(c echo.Context, status int, v SignInView) error {
	return respond.Page(c, status, templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		return plainSignIn().Execute(w, v)
	}))
}

func plainSignIn() *template.Template {
	return template.Must(template.New("signin").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Sign in · tidemark</title></head>
<body><main><h1>Sign in to tidemark</h1>
{{- if .Failed}}
<p role="alert">This sign-in link is not valid any more: a link works once, for 15 minutes.</p>
{{- end}}
{{- if .Error}}
<p role="alert">{{.Error}}</p>
{{- end}}
{{- if .Token}}
<form method="post" action="{{.Action}}"><input type="hidden" name="token" value="{{.Token}}">
<button type="submit">Sign in</button></form>
{{- else}}
<form method="post" action="{{.Action}}"><input type="hidden" name="to" value="{{.To}}">
<p><label>Name <input name="name" autocomplete="username" value="{{.Name}}" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<button type="submit">Sign in</button></form>
{{- if .ProviderURL}}
<p><a href="{{.ProviderURL}}">Sign in with {{.Provider}}</a></p>
{{- end}}
{{- end}}
</main></body></html>
`))
}
