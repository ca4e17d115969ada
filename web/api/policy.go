package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/document"
	"tidemark/flags/policy"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// policyRoutes is the URL map of policies, of who is declared to publish and consume
// what, and of what was refused.
func (f *Flags) policyRoutes() []auth.Route {
	get := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: path, May: access.Read, Handle: h}
	}
	routes := []auth.Route{
		get("/api/v1/policies", f.listPolicies),
		get("/api/v1/policy/vocabulary", f.getVocabulary),
		get("/api/v1/policy/try", f.tryPolicy),
		get("/api/v1/policy/attempts", f.listAttempts),
		get("/api/v1/ownership", f.listOf(flags.KindOwnership)),
	}
	for _, r := range f.documentRoutes("/api/v1/policies/:name", flags.KindPolicy, "name") {
		if r.May == access.Control { // They say who may do what, as keys and teams do.
			r.May = access.Admin
		}
		if r.Method == http.MethodGet && r.Path == "/api/v1/policies/:name" {
			r.Handle = f.getPolicy
		}
		routes = append(routes, r)
	}
	for _, r := range f.documentRoutes("/api/v1/ownership/:feature", flags.KindOwnership, "feature") {
		if r.May == access.Control {
			r.About = func(c echo.Context) ([]string, error) { return []string{pathParam(c, "feature")}, nil }
		}
		routes = append(routes, r)
	}
	return routes
}

// PolicyView is one policy, be it a document or one that comes with the program.
type PolicyView struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Cedar       string          `json:"cedar"`
	Effect      string          `json:"effect"` // permit or forbid
	Actions     []policy.Action `json:"actions"`
	Enabled     bool            `json:"enabled"`
	Base        bool            `json:"base"`     // it comes with the program, or stands in for one that does
	Revision    int64           `json:"revision"` // of its document; 0 = as it comes with the program
	Actor       string          `json:"actor,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	At          *time.Time      `json:"at"` // null = as it comes with the program
}

func (f *Flags) viewPolicy(p *policy.Policy) PolicyView {
	v := PolicyView{
		Name: p.Name, Description: p.Description, Cedar: p.Cedar, Effect: p.Effect, Actions: p.Actions,
		Enabled: p.Enabled, Base: p.Base, Revision: p.Revision,
	}
	if d := f.o.Catalogue.Head(flags.DocumentID{Kind: flags.KindPolicy, Name: p.Name}); p.Revision > 0 && d.Revision == p.Revision {
		v.Actor, v.Reason, v.At = d.Actor, d.Reason, &d.At
	}
	return v
}

// Policies is every policy, and the version that names all of them.
type Policies struct {
	Version string       `json:"version"`
	Items   []PolicyView `json:"items"`
}

func (f *Flags) listPolicies(c echo.Context) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	set := f.api.o.Policy.Set()
	out := Policies{Version: set.Version(), Items: []PolicyView{}}
	for _, p := range set.Policies() {
		out.Items = append(out.Items, f.viewPolicy(&p))
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, policyTable(out.Items))
	}
	return respond.JSON(c, http.StatusOK, out)
}

func policyTable(items []PolicyView) respond.Table {
	t := respond.Table{Name: "policies", Header: []string{"name", "effect", "actions", "enabled", "base", "revision", "actor", "reason", "description", "cedar"}}
	for i := range items {
		p := &items[i]
		actions := make([]string, len(p.Actions))
		for j, a := range p.Actions {
			actions[j] = string(a)
		}
		t.Rows = append(t.Rows, []string{
			p.Name, p.Effect, strings.Join(actions, " "), strconv.FormatBool(p.Enabled), strconv.FormatBool(p.Base),
			strconv.FormatInt(p.Revision, 10), p.Actor, p.Reason, p.Description, p.Cedar,
		})
	}
	return t
}

func (f *Flags) getPolicy(c echo.Context) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	name := pathParam(c, "name")
	p, ok := f.api.o.Policy.Set().Policy(name)
	if !ok {
		return respond.New(http.StatusNotFound, "not_found", "There is no policy %q.", name)
	}
	return respond.JSON(c, http.StatusOK, f.viewPolicy(&p))
}

func (f *Flags) getVocabulary(c echo.Context) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	return c.Blob(http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(policy.Vocabulary()))
}

func (f *Flags) tryPolicy(c echo.Context) error {
	p := f.api.readParams(c, "principal", "action", "feature", "label")
	if p.err != nil {
		return p.err
	}
	t := policy.Trier{Book: f.api.o.Policy, People: f.o.People, Keys: f.api.o.Keys, Now: f.o.Now}
	tried, err := t.Try(c.Request().Context(), auth.Who(c), policy.Trial{
		Principal: p.text("principal"), Action: p.text("action"), Feature: p.text("feature"), Labels: p.q["label"],
	})
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, tried)
}

func (f *Flags) listAttempts(c echo.Context) error {
	p := f.api.readParams(c, "feature")
	if p.err != nil {
		return p.err
	}
	items := f.api.o.Attempts.List(p.text("feature"))
	if respond.WantsCSV(c) {
		return respond.CSV(c, attemptTable(items))
	}
	return respond.JSON(c, http.StatusOK, page[flags.Attempt]{Items: items})
}

func attemptTable(items []flags.Attempt) respond.Table {
	t := respond.Table{Name: "attempts", Header: []string{
		"key", "key_id", "feature", "action", "service", "count", "first", "last", "event_id", "policy", "policy_revision", "policy_version",
	}}
	for i := range items {
		a := &items[i]
		t.Rows = append(t.Rows, []string{
			a.KeyName, a.KeyID, a.Feature, a.Action, a.Service, strconv.FormatInt(a.Count, 10), a.First.Format(time.RFC3339Nano), a.Last.Format(time.RFC3339Nano),
			a.EventID, a.Policy, strconv.FormatInt(a.PolicyRevision, 10), a.PolicyVersion,
		})
	}
	return t
}

// mayApply refuses documents of kind Policy from whoever may not manage access.
func mayApply(c echo.Context, b *document.Batch) error {
	for i := range b.Edits {
		if b.Edits[i].ID.Kind == flags.KindPolicy && !auth.Who(c).May(access.Admin) {
			return fmt.Errorf("%w: a document of kind Policy says who may do what, and takes the permission admin", access.ErrForbidden)
		}
	}
	return nil
}
