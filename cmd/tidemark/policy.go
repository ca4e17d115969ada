package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tidemark/flags/policy"
)

// policyCmd is "tidemark policy".
type policyCmd struct {
	Try policyTryCmd `cmd:"" help:"Say who may do what, by which policy and why, without anybody doing it."`
}

type policyTryCmd struct {
	remoteFlags `embed:""`

	Action    string   `arg:"" help:"read_contents, publish or consume."`
	Feature   string   `arg:"" help:"The feature."`
	Principal string   `help:"me, role:ROLE, team:NAME (a viewer of that team), scopes:SCOPE,SCOPE (a key that has them), person:NAME or key:NAME." default:"me"`
	Label     []string `help:"Label of the write; give it once for each." sep:"none"`
	JSON      bool     `help:"Print the answer as JSON." name:"json"`
}

// Run implements the verb. What is denied is no failure: it was asked, and answered.
func (c *policyTryCmd) Run(e *env) error {
	q := url.Values{"principal": {c.Principal}, "action": {c.Action}, "feature": {c.Feature}, "label": c.Label}
	var x policy.Tried
	if err := c.call(e.ctx, http.MethodGet, "/api/v1/policy/try?"+q.Encode(), nil, &x); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, &x)
	}
	var b strings.Builder
	word := "denied"
	if x.Allowed {
		word = "permitted"
	}
	fmt.Fprintf(&b, "%s: %s (version %s)\n", word, x.Why, x.Version)
	for _, f := range x.Policies {
		fmt.Fprintf(&b, "  %-8s %s", f.Says, f.Policy)
		if f.Revision > 0 {
			fmt.Fprintf(&b, " revision %d", f.Revision)
		}
		if f.Error != "" {
			fmt.Fprintf(&b, ": %s", f.Error)
		}
		b.WriteByte('\n')
	}
	_, err := plain{e.stdout}.Write([]byte(b.String()))
	return err
}
