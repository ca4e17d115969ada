package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/web/api"
	"tidemark/web/auth"
)

// usersCmd is "tidemark users".
type usersCmd struct {
	List    usersListCmd    `cmd:"" help:"List people, with their roles and teams."`
	Create  usersCreateCmd  `cmd:"" help:"Make an account and print a link, alone, on standard output, with which its person chooses a password, once."`
	Invite  usersInviteCmd  `cmd:"" help:"Print a new link with which a person chooses a password, also one who forgot theirs; earlier links end."`
	Set     usersSetCmd     `cmd:"" help:"Change a person's role, or whether they may sign in; at once."`
	Signout usersSignoutCmd `cmd:"" help:"End every session of a person."`
}

func userPath(name string, below ...string) string {
	return "/api/v1/users/" + strings.Join(append([]string{url.PathEscape(name)}, below...), "/")
}

type usersListCmd struct {
	placeFlags `embed:""`

	JSON bool `help:"Print a JSON array." name:"json"`
}

// Run implements the verb.
func (c *usersListCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	list := listOf[api.UserView]{Items: []api.UserView{}}
	if online {
		err = c.call(e.ctx, http.MethodGet, "/api/v1/users", nil, &list)
	} else {
		err = c.withControl(e.ctx, func(s *control.Store) error {
			all, err := s.Accounts(e.ctx)
			for i := range all {
				list.Items = append(list.Items, api.ViewUser(&all[i]))
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list.Items)
	}
	w := tabwriter.NewWriter(plain{e.stdout}, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tSTATE\tTEAMS\tLAST SIGN-IN")
	for i := range list.Items {
		u := &list.Items[i]
		state := "may sign in"
		if u.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Name, u.Role, state, strings.Join(u.Teams, ","), when(u.LastSignIn))
	}
	return w.Flush()
}

// personFlags name a person at a server or in a data folder, and why they are changed.
type personFlags struct {
	placeFlags `embed:""`

	Name   string `arg:"" help:"Name of the person, as they sign in with it."`
	Reason string `help:"Why, for the audit log." placeholder:"TEXT"`
}

// inviteFlags are those of verbs that print a link.
type inviteFlags struct {
	personFlags `embed:""`

	URL string `help:"With --data: how browsers reach the server." name:"url" default:"http://127.0.0.1:8080" env:"TIDEMARK_PUBLIC_URL"`
}

// by is who changes a person in a data folder, and why.
func (f *personFlags) by(e *env) (access.Change, error) {
	c := access.Change{Actor: cliActor(), Reason: f.Reason, At: e.now()}
	if err := access.CheckReason(f.Reason); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// print prints the link of a person; base is the server's address.
func (f *inviteFlags) print(e *env, base, path string) error {
	fmt.Fprintf(e.stderr, "Give this link to %s, over a way that you trust; it works once, within %.0f hours.\n", f.Name, access.InviteLife.Hours())
	_, err := fmt.Fprintln(e.stdout, strings.TrimSuffix(base, "/")+path)
	return err
}

// offline runs change on the data folder and prints a new link.
func (f *inviteFlags) offline(e *env, change func(*control.Store, access.Change) error) error {
	if u, err := url.Parse(f.URL); err != nil || u.Host == "" {
		return usagef("url: %q: want http://HOST:PORT", f.URL)
	}
	by, err := f.by(e)
	if err != nil {
		return err
	}
	return f.withControl(e.ctx, func(s *control.Store) error {
		if err := change(s, by); err != nil {
			return err
		}
		path, _, err := auth.NewInvite(e.ctx, s, f.Name, by)
		if err != nil {
			return err
		}
		return f.print(e, f.URL, path)
	})
}

type usersCreateCmd struct {
	inviteFlags `embed:""`

	Role string `help:"What they may do: viewer, operator or admin." enum:"viewer,operator,admin" default:"viewer"`
}

// Run implements the verb.
func (c *usersCreateCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if !online {
		if err := access.CheckAccountName(c.Name); err != nil {
			return usageError{err}
		}
		return c.offline(e, func(s *control.Store, by access.Change) error {
			return s.CreateAccount(e.ctx, c.Name, access.Role(c.Role), by)
		})
	}
	var u api.UserView
	in := map[string]string{"name": c.Name, "role": c.Role, "reason": c.Reason}
	if err := c.call(e.ctx, http.MethodPost, "/api/v1/users", in, &u); err != nil {
		return err
	}
	return c.print(e, c.To, u.Invite)
}

type usersInviteCmd struct {
	inviteFlags `embed:""`
}

// Run implements the verb.
func (c *usersInviteCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if !online {
		return c.offline(e, func(*control.Store, access.Change) error { return nil })
	}
	var u api.UserView
	if err := c.call(e.ctx, http.MethodPost, userPath(c.Name, "invite"), map[string]string{"reason": c.Reason}, &u); err != nil {
		return err
	}
	return c.print(e, c.To, u.Invite)
}

type usersSetCmd struct {
	personFlags `embed:""`

	Role    string `help:"What they may do from now on: viewer, operator or admin." enum:",viewer,operator,admin" default:"" placeholder:"ROLE"`
	Disable bool   `help:"They may no longer sign in, and their sessions end." xor:"sign-in"`
	Enable  bool   `help:"They may sign in again." xor:"sign-in"`
}

// Run implements the verb.
func (c *usersSetCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if c.Role == "" && !c.Disable && !c.Enable {
		return usagef("say what is to change: --role ROLE, --disable or --enable")
	}
	var u api.UserView
	if online {
		in := map[string]any{"reason": c.Reason}
		if c.Role != "" {
			in["role"] = c.Role
		}
		if c.Disable || c.Enable {
			in["disabled"] = c.Disable
		}
		err = c.call(e.ctx, http.MethodPatch, userPath(c.Name), in, &u)
	} else {
		u, err = c.offline(e)
	}
	if err != nil {
		return err
	}
	state := "may sign in"
	if u.Disabled {
		state = "may not sign in"
	}
	fmt.Fprintf(e.stderr, "%s is %s and %s.\n", u.Name, u.Role, state)
	return nil
}

func (c *usersSetCmd) offline(e *env) (u api.UserView, err error) {
	by, err := c.by(e)
	if err != nil {
		return u, err
	}
	err = c.withControl(e.ctx, func(s *control.Store) error {
		if c.Role != "" {
			if err := s.SetRole(e.ctx, c.Name, access.Role(c.Role), by); err != nil {
				return err
			}
		}
		if c.Disable || c.Enable {
			if err := s.SetDisabled(e.ctx, c.Name, c.Disable, by); err != nil {
				return err
			}
		}
		a, err := s.Account(e.ctx, c.Name)
		u = api.ViewUser(&a)
		return err
	})
	return u, err
}

type usersSignoutCmd struct {
	personFlags `embed:""`
}

// Run implements the verb.
func (c *usersSignoutCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	var ended struct {
		Sessions int `json:"sessions_ended"`
	}
	if online {
		err = c.call(e.ctx, http.MethodPost, userPath(c.Name, "signout"), map[string]string{"reason": c.Reason}, &ended)
	} else {
		ended.Sessions, err = c.offline(e)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Sessions of %s that ended: %d.\n", c.Name, ended.Sessions)
	return nil
}

func (c *usersSignoutCmd) offline(e *env) (n int, err error) {
	by, err := c.by(e)
	if err != nil {
		return 0, err
	}
	err = c.withControl(e.ctx, func(s *control.Store) error {
		n, err = s.EndSessions(e.ctx, c.Name, "", by)
		return err
	})
	return n, err
}
