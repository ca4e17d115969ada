package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// usersCmd is "tidemark users".
type usersCmd struct {
	List    usersListCmd    `cmd:"" help:"List people, with their roles and teams."`
	Create  usersCreateCmd  `cmd:"" help:"Make an account and print a link, alone, on standard output, with which its person chooses a password, once."`
	Invite  usersInviteCmd  `cmd:"" help:"Print a new link with which a person chooses a password; earlier links end."`
	Set     usersSetCmd     `cmd:"" help:"Change a person's role, or whether they may sign in; at once."`
	Signout usersSignoutCmd `cmd:"" help:"End every session of a person."`
}

// userView is an account as a server shows it.
type userView struct {
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	Disabled   bool       `json:"disabled"`
	Issuer     string     `json:"issuer"`
	Teams      []string   `json:"teams"`
	LastSignIn *time.Time `json:"last_sign_in"`
	Invite     string     `json:"invite"`
}

func userPath(name string, below ...string) string {
	return "/api/v1/users/" + strings.Join(append([]string{url.PathEscape(name)}, below...), "/")
}

type usersListCmd struct {
	remoteFlags `embed:""`

	JSON bool `help:"Print a JSON array." name:"json"`
}

// Run implements the verb.
func (c *usersListCmd) Run(e *env) error {
	var raw listOf[json.RawMessage]
	if err := c.call(e.ctx, http.MethodGet, "/api/v1/users", nil, &raw); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, raw.Items)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tSTATE\tTEAMS\tLAST SIGN-IN")
	for _, item := range raw.Items {
		var u userView
		if err := json.Unmarshal(item, &u); err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		state := "may sign in"
		if u.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Name, u.Role, state, strings.Join(u.Teams, ","), when(u.LastSignIn))
	}
	return w.Flush()
}

// invited prints the link that an answer holds.
func (f *remoteFlags) invited(e *env, u *userView) error {
	fmt.Fprintf(e.stderr, "Give this link to %s, over a way that you trust; it works once.\n", u.Name)
	_, err := fmt.Fprintln(e.stdout, strings.TrimSuffix(f.To, "/")+u.Invite)
	return err
}

type usersCreateCmd struct {
	remoteFlags `embed:""`

	Name   string `arg:"" help:"Name to sign in with."`
	Role   string `help:"What they may do: viewer, operator or admin." enum:"viewer,operator,admin" default:"viewer"`
	Reason string `help:"Why, for the audit log." placeholder:"TEXT"`
}

// Run implements the verb.
func (c *usersCreateCmd) Run(e *env) error {
	var u userView
	in := map[string]string{"name": c.Name, "role": c.Role, "reason": c.Reason}
	if err := c.call(e.ctx, http.MethodPost, "/api/v1/users", in, &u); err != nil {
		return err
	}
	return c.invited(e, &u)
}

// personFlags name a person at a server, and why.
type personFlags struct {
	remoteFlags `embed:""`

	Name   string `arg:"" help:"Name of the person."`
	Reason string `help:"Why, for the audit log." placeholder:"TEXT"`
}

type usersInviteCmd struct {
	personFlags `embed:""`
}

// Run implements the verb.
func (c *usersInviteCmd) Run(e *env) error {
	var u userView
	if err := c.call(e.ctx, http.MethodPost, userPath(c.Name, "invite"), map[string]string{"reason": c.Reason}, &u); err != nil {
		return err
	}
	return c.invited(e, &u)
}

type usersSetCmd struct {
	personFlags `embed:""`

	Role    string `help:"What they may do from now on: viewer, operator or admin." enum:",viewer,operator,admin" default:"" placeholder:"ROLE"`
	Disable bool   `help:"They may no longer sign in, and their sessions end." xor:"sign-in"`
	Enable  bool   `help:"They may sign in again." xor:"sign-in"`
}

// Run implements the verb.
func (c *usersSetCmd) Run(e *env) error {
	in := map[string]any{"reason": c.Reason}
	if c.Role != "" {
		in["role"] = c.Role
	}
	if c.Disable || c.Enable {
		in["disabled"] = c.Disable
	}
	if len(in) == 1 {
		return usagef("say what is to change: --role ROLE, --disable or --enable")
	}
	var u userView
	if err := c.call(e.ctx, http.MethodPatch, userPath(c.Name), in, &u); err != nil {
		return err
	}
	state := "may sign in"
	if u.Disabled {
		state = "may not sign in"
	}
	fmt.Fprintf(e.stderr, "%s is %s and %s.\n", u.Name, u.Role, state)
	return nil
}

type usersSignoutCmd struct {
	personFlags `embed:""`
}

// Run implements the verb.
func (c *usersSignoutCmd) Run(e *env) error {
	var ended struct {
		Sessions int `json:"sessions_ended"`
	}
	if err := c.call(e.ctx, http.MethodPost, userPath(c.Name, "signout"), map[string]string{"reason": c.Reason}, &ended); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Sessions of %s that ended: %d.\n", c.Name, ended.Sessions)
	return nil
}
