package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	control "tidemark/flags/sqlite"
	"tidemark/web/api"
)

type keysRotateCmd struct {
	placeFlags `embed:""`

	ID      string `arg:"" help:"The id of the key that is replaced, as keys list shows it."`
	Overlap string `help:"How long the old key still works, such as 12h or 7d; 0s ends it now; the default is a day." default:"24h" placeholder:"TIME"`
	Reason  string `help:"Why, for the audit log."`
	JSON    bool   `help:"Print a JSON object with the new key's id and scopes." name:"json"`
}

// Run implements the verb.
func (c *keysRotateCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	var out api.RotatedKey
	if online {
		in := api.RotateKey{Overlap: c.Overlap, Reason: c.Reason}
		err = c.call(e.ctx, http.MethodPost, "/api/v1/keys/"+url.PathEscape(c.ID)+"/rotate", in, &out)
	} else {
		out, err = c.offline(e)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%s works until %s.\n", c.ID, when(out.Old.ExpiresAt))
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(out.KeyView)
	}
	_, err = fmt.Fprintln(e.stdout, out.Key)
	return err
}

func (c *keysRotateCmd) offline(e *env) (out api.RotatedKey, err error) {
	overlap, err := time.ParseDuration(c.Overlap)
	if err != nil {
		if overlap, err = days(c.Overlap); err != nil {
			return out, usagef("overlap: %w", err)
		}
	}
	err = c.withControl(e.ctx, func(s *control.Store) error {
		k, err := s.Key(e.ctx, c.ID)
		if err != nil {
			return err
		}
		old, next, token, err := k.Rotate(overlap, e.now())
		if err != nil {
			return err
		}
		out = api.RotatedKey{KeyView: api.ViewKey(&next, e.now()), Old: api.ViewKey(&old, e.now())}
		out.Key = token
		return s.RotateKey(e.ctx, old, next, cliActor(), c.Reason)
	})
	return out, err
}
