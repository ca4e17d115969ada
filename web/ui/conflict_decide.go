package ui

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/reconcile"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/api"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// decideRoutes is the URL map of what people decide about conflicts.
func (u *UI) decideRoutes() []auth.Route {
	if u.o.Desk == nil {
		return nil
	}
	return []auth.Route{{
		Method: http.MethodPost, Path: "/conflicts/:id/decisions", May: access.Control, About: u.aboutConflict, Handle: u.decideConflict,
	}}
}

func (u *UI) aboutConflict(c echo.Context) ([]string, error) {
	d, err := u.o.Report.Conflict(c.Request().Context(), "", pathParam(c, "id"))
	if err != nil {
		return nil, err
	}
	return []string{d.Feature}, nil
}

// tried is a decision that was sent and refused.
type tried struct {
	choice, merged, reason string
	err                    error
}

func (u *UI) decideConflict(c echo.Context) error {
	t := tried{choice: c.FormValue("choice"), merged: c.FormValue("merged"), reason: c.FormValue("reason")}
	base, err := strconv.ParseInt(c.FormValue("base"), 10, 64)
	if err != nil || base < 0 {
		return respond.Bad("base", "%q is no revision: want the number that the page was made with.", c.FormValue("base"))
	}
	cmd := reconcile.Command{
		Base: base, Seen: c.FormValue("seen"), Action: flags.DecisionAction(t.choice), May: api.MaySee(u.o.Policy, auth.Who(c)),
	}
	switch id, keeps := strings.CutPrefix(t.choice, "keep:"); {
	case keeps:
		cmd.Action, cmd.Winner = flags.DecisionOverride, id
	case t.choice == string(flags.DecisionMerge):
		cmd.Merged = json.RawMessage(t.merged)
	}
	id := pathParam(c, "id")
	_, err = u.o.Desk.Decide(c.Request().Context(), id, cmd, flags.Author{Actor: auth.Who(c).Actor(), Reason: strings.TrimSpace(t.reason)})
	if err == nil {
		return c.Redirect(http.StatusSeeOther, address(conflictURL(id), "decided", strconv.FormatInt(base+1, 10)))
	}
	p := respond.From(err)
	if !mendable(p.Status) || !respond.WantsPage(c) {
		return err
	}
	t.err = err
	return u.showConflict(c, &t, p.Status)
}

// dossier fills what is known of a conflict beyond what was reported.
func (u *UI) dossier(c echo.Context, m *page.Conflict, d *report.ConflictDetail, t *tried) error {
	if u.o.Desk == nil {
		return nil
	}
	ctx, who := c.Request().Context(), auth.Who(c)
	f, err := u.o.Desk.File(ctx, d.ID, api.MaySee(u.o.Policy, who))
	if err != nil {
		return err
	}
	m.Proposal, m.History = proposalCard(f), decisionRows(f)
	if f.Overruled() {
		m.Notices = append(m.Notices, part.Notice{
			Tone: part.Warn, Text: "A later report says otherwise than the decision.", More: "The numbers follow the latest report; decide again to correct it.",
		})
	}
	if last := f.InForce(); last != nil {
		if last.ToldAt.IsZero() {
			m.Notices = append(m.Notices, part.Notice{Tone: part.Tide, Text: "The decision is recorded.", More: "The telemetry will have it in a moment; until then the numbers are as before."})
		} else if c.QueryParam("decided") == strconv.FormatInt(last.Revision, 10) && t == nil {
			m.Notices = append(m.Notices, part.Notice{Tone: part.Tide, Text: "Decided, and recorded in the audit log.", More: "Services read it at /v1/conflicts/" + d.ID + ". It can be corrected below; nothing is overwritten."})
		}
	}
	if who.May(access.Control) || who.MayControl(d.Feature) {
		m.Decide = decideForm(f, t)
		m.Decide.Next, err = u.nextWaiting(c, d.ID)
	}
	return err
}

// nextWaiting leads to the conflict that waits for a person the longest.
func (u *UI) nextWaiting(c echo.Context, not string) (part.Link, error) {
	queue, err := u.o.Desk.Queue(c.Request().Context(), "", 20)
	if err != nil {
		return part.Link{}, err
	}
	for i := range queue {
		if queue[i].NeedsPerson && queue[i].ID != not {
			return part.Link{Text: "Next that needs a person", URL: conflictURL(queue[i].ID)}, nil
		}
	}
	return part.Link{}, nil
}

func proposalCard(f *reconcile.File) *page.Proposal {
	o := f.Outcome
	p := &page.Proposal{Title: "What the rule gives", Why: o.Why, Rule: part.Text("none is named")}
	if f.Rule.Name != "" {
		p.Rule = part.Text(ruleName(f.Rule.Name, f.Rule.Version))
		if f.Rule.Revision > 0 {
			p.Rule.URL = address(rulePages.of(f.Rule.Name), "revision", strconv.FormatInt(f.Rule.Revision, 10))
		}
		if f.Promised {
			p.Rule.Under = "which the feature’s guarantee names; no event names one"
		}
	}
	p.Answer, p.Status = outcomeAnswer(f), caseStatus(f)
	if f.Verdict == reconcile.Unjudged && f.Outcome.Kind != reconcile.Unknown {
		p.Note = "Whether it is what was reported cannot be judged: " + f.Cause.Words() + "."
	}
	if f.Hidden && o.Cause != reconcile.CauseHidden {
		p.Note = "What it makes of the contents is not shown: it needs a clearance for their labels."
	}
	p.Fields, p.Lost, p.Result = mergedFields(&o), lostFields(&o), pretty(string(o.Merged))
	return p
}

func outcomeAnswer(f *reconcile.File) string {
	o := &f.Outcome
	switch o.Kind {
	case reconcile.Keep:
		return "Keep " + o.Winner + "."
	case reconcile.Merged:
		return "Merge the " + format.Count(int64(len(f.Siblings))) + " writes into a new one."
	case reconcile.Person:
		return "A person decides."
	}
	if o.Cause == reconcile.CauseHidden {
		return "It is not shown to you."
	}
	return "It cannot be told."
}

func caseStatus(f *reconcile.File) part.Status {
	if f.Outcome.Cause == reconcile.CauseHidden {
		return part.Status{Tone: part.Neutral, Text: "Hidden"}
	}
	switch f.Verdict {
	case reconcile.Agree:
		return part.Status{Tone: part.Good, Text: "As reported"}
	case reconcile.Differ:
		return part.Status{Tone: part.Bad, Text: "Reported otherwise"}
	case reconcile.ByPerson:
		return part.Status{Tone: part.Tide, Text: "A person decided"}
	case reconcile.Open:
		return part.Status{Tone: part.Warn, Text: "Proposed"}
	}
	return part.Status{Tone: part.Neutral, Text: "Cannot be judged"}
}

func mergedFields(o *reconcile.Outcome) part.Table {
	t := part.Table{Caption: "The result, field by field", Tight: true, Columns: []part.Column{{Head: "Field"}, {Head: "Result"}, {Head: "By"}, {Head: "From"}}}
	for i := range o.Fields {
		f := &o.Fields[i]
		value := mono(f.Value)
		if f.Removed {
			value = part.Text("removed")
		}
		if f.Open {
			value.Under = "the latest; a person is to say"
		}
		by := part.Text("changed by one, or alike")
		if f.Clash {
			by = part.Text(string(f.Type))
			by.Status = part.Status{Tone: part.Warn, Text: "Clash"}
		}
		t.Rows = append(t.Rows, part.Row{Cells: []part.Cell{mono(orElse(f.Path, "the whole")), value, by, mono(orElse(strings.Join(f.From, ", "), "none"))}})
	}
	return t
}

func lostFields(o *reconcile.Outcome) part.Table {
	t := part.Table{Caption: "What is lost", Tight: true, Columns: []part.Column{{Head: "Lost of"}, {Head: "Field"}, {Head: "Value"}}}
	for _, l := range o.Lost {
		field, value := mono(orElse(l.Path, "the whole")), mono(orElse(l.Value, "removed"))
		if l.Path == "" && l.Value == "" {
			field, value = part.Text("all of it"), part.Text("what it changed was not reported")
		}
		t.Rows = append(t.Rows, part.Row{Cells: []part.Cell{mono(l.WriteID), field, value}})
	}
	return t
}

// decisionRows lists what people decided, newest first.
func decisionRows(f *reconcile.File) page.Section {
	s := page.Section{ID: "decisions", Title: "What people decided", About: "The newest is in force; earlier ones stay as they were."}
	s.Get = part.Downloads{JSON: "/api/v1/conflicts/" + escaped(f.Conflict.ID)}
	s.Get.CSV = address(s.Get.JSON, "format", "csv", "table", "decisions")
	s.Table = part.Table{Caption: "Decisions, newest first", Columns: []part.Column{{Head: "When"}, {Head: "Decision"}, {Head: "By"}, {Head: "Why"}, {Head: "The rule gave"}}}
	for i := range slices.Backward(f.Decisions) {
		d := &f.Decisions[i]
		first := part.When(d.At)
		first.Under = "revision " + strconv.FormatInt(d.Revision, 10)
		if i == len(f.Decisions)-1 {
			first.Status = part.Status{Tone: part.Good, Text: "In force"}
		}
		what := part.Text(decisionWords(d))
		if d.Merged != nil {
			what.Under = clipBytes(string(d.Merged), 400)
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Current: i == len(f.Decisions)-1, Cells: []part.Cell{
			first, what, actorCell(d.Actor), part.Text(d.Reason), part.Text(orElse(d.Proposed, "nothing")),
		}})
	}
	return s
}

func decisionWords(d *flags.ConflictDecision) string {
	switch {
	case d.Action == flags.DecisionMerge:
		return "Merged by hand"
	case d.Merged != nil || d.Redacted:
		return "Accepted the rule’s merge"
	case d.Action == flags.DecisionAccept:
		return "Accepted " + d.Winner
	}
	return "Kept " + d.Winner
}

func decideForm(f *reconcile.File, t *tried) *page.Decide {
	o, id := &f.Outcome, f.Conflict.ID
	d := &page.Decide{
		Title: "Decide", Button: "Record the decision", Action: conflictURL(id) + "/decisions",
		Does:   "It is recorded with your name in the audit log, and reported as decided by a person; services read it from the API. It can be corrected later, and nothing is overwritten.",
		Hidden: []page.Hidden{{Name: "base", Value: strconv.Itoa(len(f.Decisions))}},
		Reason: whyField("reason"),
	}
	if !f.Hidden { // It is made of the contents.
		d.Hidden = append(d.Hidden, page.Hidden{Name: "seen", Value: o.Seen()})
	}
	if len(f.Decisions) > 0 {
		d.Title, d.Button = "Correct the decision", "Record the correction"
	}
	if o.Kind == reconcile.Keep || o.Kind == reconcile.Merged {
		d.Choices = append(d.Choices, page.DecideChoice{ID: "choice-accept", Value: string(flags.DecisionAccept), Text: "Accept what the rule gives", Hint: outcomeAnswer(f), Checked: f.Verdict == reconcile.Open})
	}
	for i := range f.Siblings {
		s := &f.Siblings[i]
		c := page.DecideChoice{ID: "choice-" + strconv.Itoa(i), Value: "keep:" + s.WriteID, Text: "Keep " + s.WriteID, Hint: placeOf(s)}
		if o.Kind == reconcile.Keep && o.Winner == s.WriteID {
			continue // It is what the rule gives.
		}
		d.Choices = append(d.Choices, c)
	}
	if !f.Hidden {
		d.Choices = append(d.Choices, page.DecideChoice{ID: "choice-merge", Value: string(flags.DecisionMerge), Text: "Merge them yourself", Hint: "The result below is used as you leave it."})
		d.Merged = page.Field{Name: "merged", Label: "Result of your merge", Kind: "area", Broad: true, Max: reconcile.MaxMerged, Value: pretty(startOf(f)), Hint: "JSON, in the form that the writes have. It begins as what the rule makes of them."}
	}
	if t != nil {
		d.Reason.Value, d.Merged.Value = t.reason, t.merged
		for i := range d.Choices {
			d.Choices[i].Checked = d.Choices[i].Value == t.choice
		}
		d.Problems = []page.FormProblem{{Message: saidBy(t.err)}}
	}
	return d
}

// startOf is what a merge by hand begins with.
func startOf(f *reconcile.File) string {
	if f.Outcome.Merged != nil {
		return string(f.Outcome.Merged)
	}
	for i := range f.Siblings {
		if s := &f.Siblings[i]; s.WriteID == f.Outcome.Winner || f.Outcome.Winner == "" && s.Delta != "" {
			return s.Delta
		}
	}
	return ""
}

func placeOf(s *reconcile.Sibling) string {
	var of []string
	if s.Service != "" {
		of = append(of, "by "+s.Service)
	}
	if place := orElse(s.Replica, s.Region); place != "" {
		of = append(of, "at "+place)
	}
	if s.At > 0 {
		of = append(of, time.Unix(0, s.At).UTC().Format("2 Jan 15:04:05.000 UTC"))
	}
	if len(of) == 0 {
		return "Its own events are not known."
	}
	return strings.Join(of, ", ")
}

// queueShown is how many open conflicts the queue lists.
const queueShown = 50

// queueSection lists open conflicts: those that need a person first, oldest first.
func (u *UI) queueSection(c echo.Context, feature string) (page.Section, int, error) {
	s := page.Section{
		ID: "queue", Title: "Open, those that need a person first", About: "Oldest first. j and k step through them, Enter opens one.",
		Get:  part.Downloads{CSV: address("/api/v1/conflicts/waiting", "feature", feature, "format", "csv"), JSON: address("/api/v1/conflicts/waiting", "feature", feature)},
		None: part.Empty{Title: "Nothing waits", Text: "No open conflict is known."},
	}
	if u.o.Desk == nil {
		return s, 0, nil
	}
	list, err := u.o.Desk.Queue(c.Request().Context(), feature, queueShown)
	if err != nil {
		return s, 0, err
	}
	need := 0
	s.Table = part.Table{Caption: "Open conflicts", Steps: true, Columns: []part.Column{{Head: "Open since"}, {Head: "Needs a person"}, {Head: "Feature"}, {Head: "Key"}, {Head: "Writes", Num: true}, {Head: "Rule"}}}
	for i := range list {
		w := &list[i]
		status := part.Status{Tone: part.Neutral, Text: "Not yet"}
		if w.NeedsPerson {
			need++
			status = part.Status{Tone: part.Warn, Text: "Yes"}
		}
		first := part.Cell{At: time.Unix(0, w.DetectedAt), URL: conflictURL(w.ID)}
		why := part.Text(w.Because)
		why.Status = status
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, why, part.To(w.Feature, featureURL(w.Feature)), mono(w.Key), cell(number(int64(len(w.Writes)))), u.ruleCell(&w.Conflict),
		}})
	}
	return s, need, nil
}

// ruleCell is the rule that a conflict's events name, which may be none that is stored.
func (u *UI) ruleCell(c *metrics.Conflict) part.Cell {
	if c.Rule == "" {
		return part.Text("none named")
	}
	return u.toRule(c.Rule, ruleName(c.Rule, c.RuleVersion))
}

// toRule links a rule where one of that name is stored.
func (u *UI) toRule(rule, text string) part.Cell {
	if u.o.Flags == nil || u.o.Flags.Head(flags.DocumentID{Kind: flags.KindRule, Name: rule}).Revision == 0 {
		return part.Text(text)
	}
	return part.To(text, rulePages.of(rule))
}
