package policy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/access"
)

// Trial asks what somebody may do, without their doing it.
type Trial struct {
	// Principal is me, role:ROLE, team:NAME (a viewer of that team), scopes:SCOPE,SCOPE
	// (a key that has them), person:NAME or key:NAME.
	Principal string
	Action    string
	Feature   string
	Labels    []string
}

// Tried is the answer to a Trial, and how it came about.
type Tried struct {
	Principal string    `json:"principal"`
	Action    Action    `json:"action"`
	Feature   string    `json:"feature"`
	Labels    []string  `json:"labels"`
	Allowed   bool      `json:"allowed"`
	Policy    string    `json:"policy"`
	Revision  int64     `json:"policy_revision"`
	Version   string    `json:"policy_version"`
	Why       string    `json:"why"`
	Policies  []Finding `json:"policies"` // that are in force for the action, by name
}

// Limits of a Trial.
const (
	maxTrialLabels  = 32
	maxTrialScopes  = 50
	maxTrialFeature = 256 // bytes
)

// Trier answers trials. People and Keys tell who is who; they are asked only for those
// who may manage access.
type Trier struct {
	Book   *Book
	People access.People
	Keys   access.Store
	Now    func() time.Time
}

// Try answers a trial of somebody. Errors wrap flags.ErrInvalid, or say who is not
// there.
func (t *Trier) Try(ctx context.Context, self *access.Identity, x Trial) (*Tried, error) {
	if !slices.Contains(Actions(), Action(x.Action)) {
		return nil, invalid("action", "%q is not known; allowed: read_contents, publish, consume", x.Action)
	}
	if x.Feature == "" || len(x.Feature) > maxTrialFeature {
		return nil, invalid("feature", "must be 1 to %d bytes", maxTrialFeature)
	}
	if len(x.Labels) > maxTrialLabels {
		return nil, invalid("label", "has %d values; at most %d are allowed", len(x.Labels), maxTrialLabels)
	}
	who, err := t.principal(ctx, self, x.Principal)
	if err != nil {
		return nil, err
	}
	d, all := t.Book.Set().Explain(Question{Who: who, Action: Action(x.Action), Feature: x.Feature, Labels: x.Labels})
	return &Tried{
		Principal: x.Principal, Action: Action(x.Action), Feature: x.Feature, Labels: append([]string{}, x.Labels...),
		Allowed: d.Allowed, Policy: d.Policy, Revision: d.Revision, Version: d.Version, Why: d.Why(), Policies: all,
	}, nil
}

// Why puts a decision into a sentence.
func (d *Decision) Why() string {
	by := d.Policy
	if d.Revision > 0 {
		by += " (revision " + strconv.FormatInt(d.Revision, 10) + ")"
	}
	switch {
	case d.Allowed:
		return "Policy " + by + " permits it, and none forbids it."
	case d.Policy == NoPolicy:
		return "No policy permits it, and what none permits is denied."
	}
	return "Policy " + by + " forbids it, and what one forbids none can permit."
}

func invalid(field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", flags.ErrInvalid, field, fmt.Sprintf(format, args...))
}

func (t *Trier) principal(ctx context.Context, self *access.Identity, text string) (*access.Identity, error) {
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "", "me":
		return self, nil
	case "role":
		r, err := access.ParseRole(name)
		if err != nil {
			return nil, invalid("principal", "role %q is not known; allowed: viewer, operator, admin", name)
		}
		return access.PersonIdentity(access.User{Name: "somebody", Role: r}), nil
	case "team":
		return t.member(ctx, name)
	case "scopes":
		list := strings.Split(name, ",")
		if len(list) > maxTrialScopes {
			return nil, invalid("principal", "%d scopes; at most %d are allowed", len(list), maxTrialScopes)
		}
		scopes, err := access.ParseScopes(list)
		if err != nil {
			return nil, invalid("principal", "%s", err)
		}
		return access.ServiceIdentity(&access.Key{ID: "tried", Name: "somebody", Scopes: scopes}), nil
	case "person", "key":
		if !self.May(access.Admin) {
			return nil, fmt.Errorf("%w: naming a %s takes the permission admin; try me, role:NAME, team:NAME or scopes:LIST", access.ErrForbidden, kind)
		}
		if kind == "key" {
			return t.key(ctx, name)
		}
		return t.person(ctx, name)
	}
	return nil, invalid("principal", "%q is not known; allowed: me, role:ROLE, team:NAME, scopes:SCOPE,SCOPE, person:NAME, key:NAME", text)
}

// member is a viewer who is in one team.
func (t *Trier) member(ctx context.Context, team string) (*access.Identity, error) {
	teams, err := t.People.Teams(ctx)
	if err != nil {
		return nil, err
	}
	for i := range teams {
		if teams[i].Name == team {
			return access.PersonIdentity(access.User{Name: "somebody", Role: access.Viewer, Features: teams[i].Features, Teams: []string{team}}), nil
		}
	}
	return nil, fmt.Errorf("team %q: %w", team, access.ErrNoTeam)
}

func (t *Trier) person(ctx context.Context, name string) (*access.Identity, error) {
	a, err := t.People.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	teams, err := t.People.Teams(ctx)
	if err != nil {
		return nil, err
	}
	u := access.User{Name: a.Name, Role: a.Role, Teams: a.Teams}
	for i := range teams {
		if slices.Contains(a.Teams, teams[i].Name) {
			u.Features = append(u.Features, teams[i].Features...)
		}
	}
	slices.Sort(u.Features)
	return access.PersonIdentity(u), nil
}

// key is the newest live key of a name.
func (t *Trier) key(ctx context.Context, name string) (*access.Identity, error) {
	keys, err := t.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].Name == name && keys[i].Live(t.Now()) {
			return access.ServiceIdentity(&keys[i]), nil
		}
	}
	return nil, fmt.Errorf("no live key is named %q: %w", name, access.ErrNoKey)
}
