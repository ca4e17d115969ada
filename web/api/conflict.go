package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/reconcile"
	"tidemark/metrics/report"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// Conflict is a conflict as programs and product code see it: its writes, what its rule
// proposes, and what people decided.
type Conflict struct {
	*report.ConflictDetail
	Proposal *Proposal `json:"proposal,omitempty"`
	// Decision is the one in force; Decisions are all, oldest first.
	Decision  *flags.ConflictDecision  `json:"decision,omitempty"`
	Decisions []flags.ConflictDecision `json:"decisions,omitempty"`
	// Overruled says that somebody reported another outcome after the decision.
	Overruled bool `json:"overruled,omitempty"`
}

// Proposal is what the rule in force gives.
type Proposal struct {
	Rule     string `json:"rule,omitempty"`
	Version  string `json:"version,omitempty"`
	Revision int64  `json:"revision,omitempty"` // of the rule's document
	// Promised says that the feature's guarantee names the rule, and no event does.
	Promised bool `json:"promised,omitempty"`
	reconcile.Outcome
	// Verdict compares what was reported with the outcome.
	Verdict  reconcile.Verdict `json:"verdict"`
	Seen     string            `json:"seen"` // to be sent along when it is accepted
	Redacted bool              `json:"redacted,omitempty"`
}

// Tables of a conflict.
const (
	tableWrites    = "writes"
	tableDecisions = "decisions"
)

func (a *API) getConflict(c echo.Context) error {
	p := a.readParams(c, "feature", "table")
	table := p.oneOf("table", tableWrites, tableDecisions)
	if p.err != nil {
		return p.err
	}
	answer, err := a.conflict(c, p.text("feature"), pathParam(c, "id"))
	if err != nil {
		return err
	}
	if table == tableDecisions && respond.WantsCSV(c) {
		return respond.CSV(c, decisionTable(answer.Decisions))
	}
	return tell(c, "conflict", answer)
}

func decisionTable(items []flags.ConflictDecision) respond.Table {
	return tableOf("conflict-decisions", "revision at action winner merged redacted actor reason rule rule_version proposed", func(d *flags.ConflictDecision) []string {
		return []string{
			strconv.FormatInt(d.Revision, 10), moment(&d.At), string(d.Action), d.Winner, string(d.Merged), yesNo(d.Redacted), d.Actor, d.Reason, d.Rule, d.RuleVersion, d.Proposed,
		}
	})(items)
}

// conflict is all of a conflict that the caller may see. With a feature it is the one
// that events of this feature call so.
func (a *API) conflict(c echo.Context, feature, id string) (*Conflict, error) {
	ctx, who := c.Request().Context(), auth.Who(c)
	d, err := a.o.Report.Conflict(ctx, feature, id)
	if err != nil {
		return nil, err
	}
	a.o.Policy.RedactConflict(who, d)
	out := &Conflict{ConflictDetail: d}
	if a.o.Desk == nil {
		return out, nil
	}
	f, err := a.o.Desk.File(ctx, d.ID, MaySee(a.o.Policy, who))
	if err != nil {
		return nil, err
	}
	out.Proposal = &Proposal{
		Rule: f.Rule.Name, Version: f.Rule.Version, Revision: f.Rule.Revision, Promised: f.Promised,
		Outcome: f.Outcome, Verdict: f.Verdict, Redacted: f.Hidden,
	}
	if !f.Hidden { // It is made of the contents.
		out.Proposal.Seen = f.Outcome.Seen()
	}
	out.Decisions = f.Decisions
	if n := len(out.Decisions); n > 0 {
		out.Decision, out.Overruled = &out.Decisions[n-1], f.Overruled()
	}
	return out, nil
}

// DecisionRequest is what a person decides about a conflict.
type DecisionRequest struct {
	Action flags.DecisionAction `json:"action"`           // accept, override or merge
	Winner string               `json:"winner,omitempty"` // of an override: one of the writes
	Merged json.RawMessage      `json:"merged,omitempty"` // of a merge: the result, any JSON
	// Seen is that of the proposal that is accepted; when it says something else by now,
	// nothing is decided. "" accepts whatever it is.
	Seen string `json:"seen,omitempty"`
	// Base is the revision of the decision that this one corrects; 0 when it is the first.
	Base   int64  `json:"base"`
	Reason string `json:"reason"`
}

func (r *Rules) postDecision(c echo.Context) error {
	var in DecisionRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	if in.Base < 0 {
		return respond.Bad("base", "%d: want the revision of the decision that is corrected, or 0 when it is the first.", in.Base)
	}
	id := pathParam(c, "id")
	cmd := reconcile.Command{
		Action: in.Action, Winner: in.Winner, Merged: in.Merged, Seen: in.Seen, Base: in.Base, May: MaySee(r.api.o.Policy, auth.Who(c)),
	}
	if _, err := r.o.Desk.Decide(c.Request().Context(), id, cmd, author(c, in.Reason)); err != nil {
		return err
	}
	answer, err := r.api.conflict(c, "", id)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusCreated, answer)
}

// aboutConflict says which feature a conflict is of, so that its owners may decide it.
func (r *Rules) aboutConflict(c echo.Context) ([]string, error) {
	return AboutConflict(c.Request().Context(), r.api.o.Report, pathParam(c, "id"))
}

// AboutConflict says which feature a conflict is of.
func AboutConflict(ctx context.Context, from *report.Reporter, id string) ([]string, error) {
	d, err := from.Conflict(ctx, "", id)
	if err != nil {
		return nil, err
	}
	return []string{d.Feature}, nil
}

// listWaiting lists open conflicts, those that need a person first.
func (r *Rules) listWaiting(c echo.Context) error {
	p := r.api.readParams(c, "feature", "limit")
	feature, limit := p.text("feature"), p.int("limit", 1, 500)
	if p.err != nil {
		return p.err
	}
	items, err := r.o.Desk.Queue(c.Request().Context(), feature, limit)
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, waitingTable(items))
	}
	return respond.JSON(c, http.StatusOK, page[reconcile.Waiting]{Items: orEmpty(items)})
}

func waitingTable(items []reconcile.Waiting) respond.Table {
	t := respond.Table{Name: "conflicts-waiting", Header: []string{"id", "feature", "key", "writes", "detected_at", "rule", "rule_version", "needs_person", "because"}}
	for i := range items {
		w := &items[i]
		t.Rows = append(t.Rows, []string{
			w.ID, w.Feature, w.Key, joined(w.Writes), stamp(w.DetectedAt), w.Rule, w.RuleVersion, yesNo(w.NeedsPerson), w.Because,
		})
	}
	return t
}
