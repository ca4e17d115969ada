package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/rollout"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// RolloutController drives rollouts.
type RolloutController interface {
	List(ctx context.Context) ([]flags.Rollout, error)
	Get(ctx context.Context, id string) (flags.Rollout, error)
	History(ctx context.Context, id string) ([]flags.Transition, error)
	Preview(ctx context.Context, d rollout.Draft, control bool) (*rollout.Preview, error)
	Create(ctx context.Context, d rollout.Draft, by flags.Author) (flags.Rollout, error)
	Edit(ctx context.Context, id string, d rollout.Draft, revision int64, by flags.Author) (flags.Rollout, error)
	Do(ctx context.Context, id string, cmd rollout.Command) (flags.Rollout, error)
	About(ctx context.Context, p *flags.Plan) ([]string, error)
	Health() rollout.Health
}

// Rollouts answers programs about rollouts, and obeys them.
type Rollouts struct {
	c    RolloutController
	pins PinCounter
}

// NewRollouts returns the part of the API that is about rollouts.
func NewRollouts(c RolloutController, pins PinCounter) *Rollouts { return &Rollouts{c, pins} }

// Routes is the URL map of rollouts.
func (r *Rollouts) Routes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/api/v1/rollouts", May: access.Read, Handle: plain(r.list)},
		{Method: http.MethodPost, Path: "/api/v1/rollouts", May: access.Control, About: r.aboutDraft, Handle: r.create},
		{Method: http.MethodPost, Path: "/api/v1/rollouts/preview", May: access.Read, Handle: r.preview},
		{Method: http.MethodGet, Path: "/api/v1/rollouts/:id", May: access.Read, Handle: plain(r.get)},
		{Method: http.MethodPut, Path: "/api/v1/rollouts/:id", May: access.Control, About: r.aboutEdit, Handle: r.edit},
		{Method: http.MethodGet, Path: "/api/v1/rollouts/:id/history", May: access.Read, Handle: plain(r.history)},
		{Method: http.MethodPost, Path: "/api/v1/rollouts/:id/:verb", May: access.Control, About: r.about, Safer: safer, Handle: r.do},
	}
}

// about says which features a rollout is about, so that who owns them all may act on it.
func (r *Rollouts) about(c echo.Context) ([]string, error) {
	now, err := r.c.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return nil, err
	}
	if err := rollout.CheckOwners(rollout.CommandVerb(pathParam(c, "verb")), &now.Plan); err != nil {
		return nil, fmt.Errorf("%w: %w", access.ErrForbidden, err)
	}
	return r.c.About(c.Request().Context(), &now.Plan)
}

// safer is about what who owns any of a rollout's features may do.
func safer(c echo.Context) bool { return rollout.CommandVerb(pathParam(c, "verb")).Safer() }

// aboutDraft says which features a plan is about.
func (r *Rollouts) aboutDraft(c echo.Context) ([]string, error) { return r.aboutBody(c, nil) }

// aboutBody says which features the plan in a body is about; kept is the cohort that the
// draft has already. The body is read, and put back for the handler.
func (r *Rollouts) aboutBody(c echo.Context, kept json.RawMessage) ([]string, error) {
	req := c.Request()
	raw, err := io.ReadAll(io.LimitReader(req.Body, rollout.MaxPlanBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	req.Body = readAgain{io.MultiReader(bytes.NewReader(raw), req.Body), req.Body}
	var d draft
	if !json.Valid(raw) { // About nothing: the handler, for whoever may ask it, says what is wrong.
		return []string{""}, nil
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, badJSON(err)
	}
	if err := rollout.CheckOwnersCohort(d.Plan.Cohort, kept); err != nil {
		return nil, fmt.Errorf("%w: %w", access.ErrForbidden, err)
	}
	return r.c.About(req.Context(), &d.Plan)
}

// readAgain is a body whose beginning was read.
type readAgain struct {
	io.Reader
	io.Closer
}

// aboutEdit is about the rollout as it is and as it would be.
func (r *Rollouts) aboutEdit(c echo.Context) ([]string, error) {
	now, err := r.c.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return nil, err
	}
	before, err := r.c.About(c.Request().Context(), &now.Plan)
	if err != nil {
		return nil, err
	}
	after, err := r.aboutBody(c, now.Plan.Cohort)
	return append(before, after...), err
}

// draft is a rollout as it is asked for.
type draft struct {
	Title    string     `json:"title"`
	Plan     flags.Plan `json:"plan"`
	Reason   string     `json:"reason"`
	Revision int64      `json:"revision"` // of an edit: the one that was looked at
}

// command is what a body says of an action.
type command struct {
	Reason   string      `json:"reason"`
	Revision int64       `json:"revision"`
	Phase    flags.Phase `json:"phase"`
}

func (r *Rollouts) list(c echo.Context) error {
	all, err := r.c.List(c.Request().Context())
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, rolloutTable(all))
	}
	return respond.JSON(c, http.StatusOK, rolloutsAnswer{Items: orEmpty(all), Controller: r.c.Health()})
}

func (r *Rollouts) get(c echo.Context) error {
	one, err := r.c.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, checkTable(one.Decision.Checks))
	}
	answer, err := r.detail(c.Request().Context(), &one)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, answer)
}

func (r *Rollouts) history(c echo.Context) error {
	id := pathParam(c, "id")
	if _, err := r.c.Get(c.Request().Context(), id); err != nil {
		return err
	}
	all, err := r.c.History(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, transitionTable(all))
	}
	return respond.JSON(c, http.StatusOK, page[flags.Transition]{Items: orEmpty(all)})
}

func (r *Rollouts) preview(c echo.Context) error {
	var d draft
	if err := readJSON(c, &d); err != nil {
		return err
	}
	p, err := r.c.Preview(c.Request().Context(), rollout.Draft{Title: d.Title, Plan: d.Plan}, auth.Who(c).May(access.Control))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, p)
}

func (r *Rollouts) create(c echo.Context) error {
	var d draft
	if err := readJSON(c, &d); err != nil {
		return err
	}
	made, err := r.c.Create(c.Request().Context(), rollout.Draft{Title: d.Title, Plan: d.Plan}, author(c, d.Reason))
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/rollouts/"+made.ID)
	return respond.JSON(c, http.StatusCreated, made)
}

func (r *Rollouts) edit(c echo.Context) error {
	var d draft
	if err := readJSON(c, &d); err != nil {
		return err
	}
	by := author(c, d.Reason)
	changed, err := r.c.Edit(c.Request().Context(), pathParam(c, "id"), rollout.Draft{Title: d.Title, Plan: d.Plan}, d.Revision, by)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, changed)
}

func (r *Rollouts) do(c echo.Context) error {
	var b command
	if err := readJSON(c, &b); err != nil {
		return err
	}
	changed, err := r.c.Do(c.Request().Context(), pathParam(c, "id"), rollout.Command{
		Verb: rollout.CommandVerb(pathParam(c, "verb")), Author: author(c, b.Reason), Revision: b.Revision, Phase: b.Phase,
	})
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, changed)
}

func rolloutTable(all []flags.Rollout) respond.Table {
	out := respond.Table{Name: "rollouts", Header: []string{"id", "title", "flag", "feature", "state", "phase", "step", "percent", "decision", "why", "revision", "created_by", "created_at"}}
	for i := range all {
		r := &all[i]
		out.Rows = append(out.Rows, []string{
			r.ID, r.Title, r.Plan.Flag, r.Plan.Feature, string(r.State), string(r.Phase), strconv.Itoa(r.Step), percent(r.Percent),
			string(r.Decision.Verb), r.Decision.Why, strconv.FormatInt(r.Revision, 10), r.CreatedBy, r.CreatedAt.UTC().Format(time.RFC3339),
		})
	}
	return out
}

// percent writes basis points as a percentage.
func percent(p flags.Percent) string { return strconv.FormatFloat(float64(p)/100, 'f', -1, 64) }

func checkTable(checks []flags.Check) respond.Table {
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	out := respond.Table{Name: "guardrails", Header: []string{"metric", "outcome", "candidate", "control", "difference", "lower", "upper", "margin", "limit", "alpha", "samples", "method", "why"}}
	for i := range checks {
		k := &checks[i]
		g := &k.Guardrail
		out.Rows = append(out.Rows, []string{
			string(g.Metric), string(k.Outcome), number(k.Candidate), number(k.Control), number(k.Difference), number(k.Lower), number(k.Upper),
			number(&g.Margin), number(&g.Limit), number(&g.Alpha), strconv.FormatInt(k.Samples, 10), k.Method, k.Why,
		})
	}
	return out
}

func transitionTable(all []flags.Transition) respond.Table {
	out := respond.Table{Name: "history", Header: []string{"revision", "at", "actor", "action", "from", "to", "step", "percent", "reason", "decision", "candidate_units", "control_units", "need_units", "coverage"}}
	for i := range all {
		t := &all[i]
		row := []string{
			strconv.FormatInt(t.Revision, 10), t.At.UTC().Format(time.RFC3339), t.Actor, t.Action, string(t.From), string(t.To),
			strconv.Itoa(t.Step), percent(t.Percent), t.Reason,
		}
		out.Rows = append(out.Rows, append(row, decisionCells(t.Decision)...))
	}
	return out
}

// decisionCells are what a transition was decided by; empty where nobody measured.
func decisionCells(d *flags.Decision) []string {
	if d == nil || d.NeedUnits == 0 {
		return []string{"", "", "", "", ""}
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return []string{string(d.Verb), n(d.CandidateUnits), n(d.ControlUnits), n(d.NeedUnits), strconv.FormatFloat(d.Coverage, 'g', -1, 64)}
}
