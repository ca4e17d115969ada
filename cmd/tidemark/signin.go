package main

import (
	"fmt"
	"net/url"
	"strings"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/web/auth"
)

// signinCmd is "tidemark signin": whoever may write the data folder may sign in.
type signinCmd struct {
	dataFlag

	Name string `help:"Who signs in, as the audit log will name them." default:"operator"`
	Role string `help:"What they may do from now on: viewer, operator or admin. Without it an account keeps its role, and a new one is an admin's." default:"" enum:",viewer,operator,admin"`
	URL  string `help:"How the browser reaches the server." name:"url" default:"http://127.0.0.1:8080" env:"TIDEMARK_PUBLIC_URL"`
}

// Run implements the verb. It works beside a running server.
func (c *signinCmd) Run(e *env) error {
	if c.Data == "" {
		return usagef("data: a folder is required (--data or TIDEMARK_DATA)")
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" {
		return usagef("url: %q: want http://HOST:PORT", c.URL)
	}
	if err := access.CheckAccountName(c.Name); err != nil {
		return usageError{err}
	}
	return c.withControl(e.ctx, func(s *control.Store) error {
		who := access.User{Name: c.Name, Role: access.Role(c.Role)}
		path, err := auth.NewLink(e.ctx, s, who, e.now(), cliActor())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.stdout, strings.TrimSuffix(c.URL, "/")+path)
		return err
	})
}
