package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	"tidemark/flags/policy"
	"tidemark/flags/reconcile"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// RuleOptions are what the routes about rules and decisions need.
type RuleOptions struct {
	Judge   *reconcile.Judge
	Desk    *reconcile.Desk
	Replays *reconcile.Jobs
	Rules   reconcile.Documents
	// Bindings returns which guarantees name which rules.
	Bindings func(ctx context.Context) ([]guarantee.Binding, error)
}

// Rules answers programs about what rules decide, and takes what people decide.
type Rules struct {
	api *API
	o   RuleOptions
}

// NewRules returns the part of the API that is about rules and decisions.
func NewRules(a *API, o RuleOptions) *Rules { return &Rules{a, o} }

// Routes is the URL map of rules and decisions; the documents of rules are with those
// of other kinds.
func (r *Rules) Routes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/api/v1/conflicts/waiting", May: access.Read, Handle: r.listWaiting},
		{Method: http.MethodPost, Path: "/api/v1/conflicts/:id/decisions", May: access.Control, About: r.aboutConflict, Handle: r.postDecision},
		{Method: http.MethodGet, Path: "/api/v1/rules/:name/agreement", May: access.Read, Handle: r.getAgreement, Heavy: true},
		{Method: http.MethodPost, Path: "/api/v1/rules/:name/replays", May: access.Read, Handle: r.postReplay},
		{Method: http.MethodGet, Path: "/api/v1/replays/:id", May: access.Read, Handle: r.getReplay},
		{Method: http.MethodDelete, Path: "/api/v1/replays/:id", May: access.Read, Handle: r.deleteReplay},
	}
}

// Agreement is how far what services reported is what a rule gives, and who is bound
// to it.
type Agreement struct {
	Rule string    `json:"rule"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	*reconcile.Agreement
	Bound []guarantee.Binding `json:"bound"`
}

// agreementBudget is how long one answer may take; what was not reached is said, and
// the next one goes on from what is remembered.
const agreementBudget = 5 * time.Second

func (r *Rules) getAgreement(c echo.Context) error {
	p := r.api.readParams(c, "feature", "from", "to", "limit")
	q := reconcile.AgreementQuery{
		Rule: pathParam(c, "name"), Feature: p.text("feature"), From: p.time("from"), To: p.time("to"),
		Limit: p.int("limit", 1, reconcile.MaxCompared), Budget: agreementBudget,
		May: MaySee(r.api.o.Policy, auth.Who(c)),
	}
	if p.err != nil {
		return p.err
	}
	ctx := c.Request().Context()
	answer, err := r.o.Judge.Agreement(ctx, q)
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, agreementTable(q.Rule, answer))
	}
	out := Agreement{Rule: q.Rule, From: q.From, To: q.To, Agreement: answer, Bound: []guarantee.Binding{}}
	all, err := r.o.Bindings(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.Rule == q.Rule {
			out.Bound = append(out.Bound, b)
		}
	}
	return respond.JSON(c, http.StatusOK, out)
}

func agreementTable(rule string, a *reconcile.Agreement) respond.Table {
	t := respond.Table{Name: "agreement-" + rule, Header: []string{"service", "feature", "rule", "version", "agree", "differ", "unjudged", "person", "open"}}
	for i := range a.Services {
		s := &a.Services[i]
		t.Rows = append(t.Rows, []string{
			s.Service, s.Feature, s.Rule, s.Version, strconv.Itoa(s.Agree), strconv.Itoa(s.Differ), strconv.Itoa(s.Unjudged), strconv.Itoa(s.Person), strconv.Itoa(s.Open),
		})
	}
	return t
}

// ReplayRequest says what is tried on which conflicts.
type ReplayRequest struct {
	// Version of the rule that is tried; the current one when neither it nor Definition
	// is given.
	Version string `json:"version,omitempty"`
	// Definition is a rule that is not stored.
	Definition json.RawMessage `json:"definition,omitempty"`
	// Against is the rule whose conflicts are looked at; the one in the path by default,
	// and "*" is any.
	Against string    `json:"against,omitempty"`
	Feature string    `json:"feature,omitempty"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	Limit   int       `json:"limit,omitempty"`
}

// MaySee says of which writes somebody may see the contents.
func MaySee(book *policy.Book, who *access.Identity) reconcile.May {
	return func(feature string, labels []string) bool { return book.Set().Reveal(who, feature, labels).Allowed }
}

// waitForReplay is how long an answer waits for a replay to end.
const waitForReplay = 2 * time.Second

func (r *Rules) postReplay(c echo.Context) error {
	var in ReplayRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	if in.Limit < 0 || in.Limit > reconcile.MaxCompared {
		return respond.Bad("limit", "%d is not allowed: want 1 to %d.", in.Limit, reconcile.MaxCompared)
	}
	ctx, name := c.Request().Context(), pathParam(c, "name")
	q, err := reconcile.PrepareReplay(ctx, r.o.Rules, name, in.Version, in.Definition)
	if err != nil {
		return RuleProblem(err)
	}
	q.Of = reconcile.AgreementQuery{Rule: name, Feature: in.Feature, From: in.From, To: in.To, Limit: in.Limit, May: MaySee(r.api.o.Policy, auth.Who(c))}
	if in.Against != "" {
		q.Of.Rule = strings.TrimSuffix(in.Against, "*")
	}
	job, err := r.o.Replays.Start(*q, auth.Who(c).Actor())
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/replays/"+job.ID)
	return r.sendReplay(c, job.ID, waitForReplay)
}

// RuleProblem makes of what is wrong with a rule a problem that names the field.
func RuleProblem(err error) error {
	if f, ok := errors.AsType[*reconcile.FieldError](err); ok {
		field := "definition"
		if f.Field != "" {
			field += "." + f.Field
		}
		return respond.Bad(field, "%s.", strings.ToUpper(f.Message[:1])+strings.TrimSuffix(f.Message[1:], "."))
	}
	return err
}

func (r *Rules) getReplay(c echo.Context) error {
	p := r.api.readParams(c, "wait")
	wait := p.duration("wait")
	if p.err != nil {
		return p.err
	}
	return r.sendReplay(c, pathParam(c, "id"), min(wait, 20*time.Second))
}

// sendReplay answers 202 while it runs.
func (r *Rules) sendReplay(c echo.Context, id string, wait time.Duration) error {
	who := auth.Who(c)
	job, err := r.o.Replays.Get(c.Request().Context(), id, who.Actor(), MaySee(r.api.o.Policy, who), wait)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !job.Ended {
		status = http.StatusAccepted
		c.Response().Header().Set(echo.HeaderRetryAfter, "1")
	}
	if job.Result != nil && respond.WantsCSV(c) {
		return respond.CSV(c, replayTable(job.Result))
	}
	return respond.JSON(c, status, job)
}

// replayTable has a row for each feature, and the first for all of them together.
func replayTable(r *reconcile.Replay) respond.Table {
	all := append([]reconcile.FeatureReplay{{Changes: r.Changes}}, r.Features...)
	return tableOf("replay-"+r.Name, "feature same changed asked spared left unjudged person_same doubtful compared fields_lost_before fields_lost_after writes_lost_before writes_lost_after",
		func(f *reconcile.FeatureReplay) []string {
			row := []string{f.Feature}
			for _, n := range []int{
				f.Same, f.Changed, f.Asked, f.Spared, f.Left, f.Unjudged, f.PersonSame, f.Doubtful, f.Compared,
				f.Before.Fields, f.After.Fields, f.Before.Writes, f.After.Writes,
			} {
				row = append(row, strconv.Itoa(n))
			}
			return row
		})(all)
}

func (r *Rules) deleteReplay(c echo.Context) error {
	if err := r.o.Replays.Stop(pathParam(c, "id"), auth.Who(c).Actor()); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func joined(list []string) string { return strings.Join(list, " ") }

func yesNo(b bool) string { return strconv.FormatBool(b) }
