package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/web/api"
)

// keysCmd is "tidemark keys".
type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key and print it, alone, on standard output; it is shown only now."`
	List   keysListCmd   `cmd:"" help:"List keys, without their secrets."`
	Rotate keysRotateCmd `cmd:"" help:"Make a key's successor and print it, alone, on standard output; the old key ends after an overlap."`
	Revoke keysRevokeCmd `cmd:"" help:"End a key now."`
}

// placeFlags say where something is: in a data folder, or at a server.
type placeFlags struct {
	dataFlag    `embed:""`
	remoteFlags `embed:""`
}

func (f *placeFlags) online() (bool, error) {
	switch {
	case f.Data != "" && f.To != "":
		return false, usagef("give --data or --to, not both")
	case f.Data == "" && f.To == "":
		return false, usagef("say where: --data DIR, or --to URL with --key KEY")
	case f.To != "":
		return true, f.check()
	}
	return false, nil
}

// open opens the control store of a data folder that exists, so that a mistyped
// path does not become a new, empty store.
func (f *dataFlag) openControl(ctx context.Context) (*control.Store, error) {
	path := filepath.Join(f.Data, control.FileName)
	if _, err := os.Stat(f.Data); err != nil {
		return nil, usagef("data: %w", err)
	}
	if err := checkSchema(ctx, path); err != nil {
		return nil, err
	}
	return control.Open(ctx, path)
}

// checkSchema refuses control data of an earlier schema, which opening brings up to
// date: a verb that is about something else should not do that, least of all beside the
// older server that has it open.
func checkSchema(ctx context.Context, path string) (err error) {
	if _, err := os.Stat(path); err != nil {
		return nil // There is none yet: it is made at the newest schema.
	}
	s, err := control.Inspect(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	is, err := s.Version(ctx)
	if err != nil {
		return err
	}
	known, err := control.Known()
	if err == nil && is > 0 && is < known {
		err = olderSchema(control.FileName, is, known)
	}
	return err
}

func olderSchema(file string, is, known int64) error {
	return fmt.Errorf("%s has the schema %d, which this program would bring to %d: make a backup with the program that wrote it, stop its server, and run tidemark migrate up", file, is, known)
}

// inspectControl runs fn on the control store as it is: nothing is written, also no
// newer schema.
func (f *dataFlag) inspectControl(ctx context.Context, fn func(*control.Store) error) (err error) {
	store, err := control.Inspect(ctx, filepath.Join(f.Data, control.FileName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return fn(store)
}

// withControl runs fn on the control store of the data folder.
func (f *dataFlag) withControl(ctx context.Context, fn func(*control.Store) error) (err error) {
	store, err := f.openControl(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return fn(store)
}

type keysCreateCmd struct {
	placeFlags `embed:""`

	Name    string   `arg:"" help:"Name of the service; at most two live keys may share it, so that one can replace the other."`
	Scope   []string `help:"What it may do: publish:FEATURE, consume:FEATURE (* for every feature), evaluate, sync, read, control; may be repeated." required:"" placeholder:"SCOPE"`
	Env     string   `help:"Environment in the key's text: 1 to 16 of a-z and 0-9." default:"live"`
	Expires string   `help:"How long it is good for, such as 12h or 90d; for ever by default." placeholder:"TIME"`
	Rate    float64  `help:"Requests a second that it may make; by default as many as the server allows any key." placeholder:"N"`
	Reason  string   `help:"Why, for the audit log."`
	JSON    bool     `help:"Print a JSON object with the key's id and scopes." name:"json"`
}

// Run implements the verb.
func (c *keysCreateCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	var view api.KeyView
	if online {
		in := api.NewKey{Name: c.Name, Env: c.Env, Scopes: c.Scope, Expires: c.Expires, Rate: c.Rate, Reason: c.Reason}
		err = c.call(e.ctx, http.MethodPost, "/api/v1/keys", in, &view)
	} else {
		view, err = c.offline(e)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(view)
	}
	_, err = fmt.Fprintln(e.stdout, view.Key)
	return err
}

func (c *keysCreateCmd) offline(e *env) (view api.KeyView, err error) {
	o := access.NewKeyOptions{Name: c.Name, Env: c.Env, Scopes: c.Scope, Rate: c.Rate}
	if c.Expires != "" {
		if o.Expires, err = days(c.Expires); err != nil {
			return view, usagef("expires: %w", err)
		}
	}
	k, token, err := access.NewKey(o, e.now())
	if err != nil {
		return view, usageError{err}
	}
	err = c.withControl(e.ctx, func(s *control.Store) error { return s.CreateKey(e.ctx, k, cliActor(), c.Reason) })
	view = api.ViewKey(&k, e.now())
	view.Key = token
	return view, err
}

// days is a duration that may be written in days: 90d.
func days(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16)
		if err == nil && d > 0 {
			return time.Duration(d) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no duration above 0: want such as 12h or 90d", s)
}

type keysListCmd struct {
	placeFlags `embed:""`

	All  bool `help:"Also those that are revoked or expired."`
	JSON bool `help:"Print a JSON array." name:"json"`
}

// Run implements the verb.
func (c *keysListCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	var list struct {
		Items []api.KeyView `json:"items"`
	}
	if online {
		err = c.call(e.ctx, http.MethodGet, "/api/v1/keys", nil, &list)
	} else {
		err = c.withControl(e.ctx, func(s *control.Store) error {
			keys, err := s.Keys(e.ctx)
			for i := range keys {
				list.Items = append(list.Items, api.ViewKey(&keys[i], e.now()))
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	return c.print(e, list.Items)
}

func (c *keysListCmd) print(e *env, keys []api.KeyView) error {
	shown := []api.KeyView{}
	for _, k := range keys {
		if k.Live || c.All {
			shown = append(shown, k)
		}
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(shown)
	}
	w := tabwriter.NewWriter(plain{e.stdout}, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tENV\tSTATE\tSCOPES\tEXPIRES\tLAST USED")
	for _, k := range shown {
		scopes := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			scopes[i] = string(s)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Env, stateOf(k), strings.Join(scopes, ","), when(k.ExpiresAt), when(k.LastUsed))
	}
	return w.Flush()
}

func stateOf(k api.KeyView) string {
	switch {
	case k.Live:
		return "live"
	case k.RevokedAt != nil:
		return "revoked"
	}
	return "expired"
}

func when(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

type keysRevokeCmd struct {
	placeFlags `embed:""`

	ID     string `arg:"" help:"The key's id, as keys list shows it."`
	Reason string `help:"Why, for the audit log."`
}

// Run implements the verb.
func (c *keysRevokeCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if online {
		path := "/api/v1/keys/" + url.PathEscape(c.ID)
		if c.Reason != "" {
			path += "?" + url.Values{"reason": {c.Reason}}.Encode()
		}
		err = c.call(e.ctx, http.MethodDelete, path, nil, nil)
	} else {
		err = c.withControl(e.ctx, func(s *control.Store) error {
			return s.RevokeKey(e.ctx, c.ID, e.now(), cliActor(), c.Reason)
		})
	}
	if err == nil {
		fmt.Fprintf(e.stderr, "Revoked %s.\n", c.ID)
	}
	return err
}
