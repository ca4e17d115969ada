package ui

import (
	"context"
	"fmt"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/views/layout"
	"tidemark/views/page"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// SignInPage is what auth.Options asks for.
func (u *UI) SignInPage(c echo.Context, status int, v auth.SignInView) error {
	m := page.SignIn{
		Action: v.Action, Token: v.Token, Failed: v.Failed, Name: v.Name, To: v.To, Error: v.Error,
		Provider: v.Provider, ProviderURL: v.ProviderURL,
	}
	return u.bare(c, status, "Sign in", page.ShowSignIn(m))
}

// SetUpPage is what auth.Options asks for.
func (u *UI) SetUpPage(c echo.Context, status int, v auth.SetUpView) error {
	title := "Choose a password"
	if v.First {
		title = "Set up"
	}
	m := page.SetUp{Action: v.Action, Token: v.Token, First: v.First, Name: v.Name, Error: v.Error, Failed: v.Failed, Rule: passwordRule()}
	return u.bare(c, status, title, page.ShowSetUp(m))
}

func passwordRule() string {
	return fmt.Sprintf("At least %d characters; a few words that nobody says together are good.", access.MinPassword)
}

// bare shows a page without navigation.
func (u *UI) bare(c echo.Context, status int, title string, body templ.Component) error {
	f := layout.Frame{Title: title, Now: u.o.Now()}
	return respond.Page(c, status, templ.ComponentFunc(func(ctx context.Context, w writer) error {
		return layout.Bare(f).Render(templ.WithChildren(ctx, body), w)
	}))
}
