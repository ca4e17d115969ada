package ui

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/rollout"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// offered lists what may be done to a rollout now.
func offered(r *flags.Rollout) []rollout.CommandVerb {
	var out []rollout.CommandVerb
	switch r.State {
	case flags.RolloutDraft:
		out = append(out, rollout.CommandStart)
		if r.Plan.Approvals > len(r.Approvals) {
			out = append(out, rollout.CommandApprove)
		}
		out = append(out, rollout.CommandRevert)
	case flags.RolloutWaiting:
		if r.Plan.Approvals > len(r.Approvals) {
			out = append(out, rollout.CommandApprove)
		}
		out = append(out, rollout.CommandRevert)
	case flags.RolloutRunning:
		if signOffOf(r) != "" {
			out = append(out, rollout.CommandSignOff)
		}
		out = append(out, rollout.CommandPause)
		if r.Step < len(r.Plan.Steps)-1 {
			out = append(out, rollout.CommandAdvance)
		} else {
			out = append(out, rollout.CommandComplete)
		}
		out = append(out, rollout.CommandRevert)
	case flags.RolloutPaused:
		out = append(out, rollout.CommandResume, rollout.CommandRevert)
	}
	if !r.Plan.NoPins && r.State.Active() {
		out = append(out, rollout.CommandBreakPins)
	}
	return out
}

// signOffOf is who must sign the phase in force off; "" when nobody must.
func signOffOf(r *flags.Rollout) string {
	for i := range r.Plan.Phases {
		if r.Plan.Phases[i].Phase == r.Phase {
			return r.Plan.Phases[i].SignOff
		}
	}
	return ""
}

func verbText(r *flags.Rollout, verb rollout.CommandVerb) string {
	switch {
	case verb == rollout.CommandBreakPins:
		return "Break all pins"
	case verb == rollout.CommandSignOff:
		return "Sign off"
	case verb == rollout.CommandRevert && !begun(r):
		return "Discard"
	}
	return strings.ToUpper(string(verb[:1])) + string(verb[1:])
}

// begun reports whether anybody ever got anything of the rollout.
func begun(r *flags.Rollout) bool {
	return r.State != flags.RolloutDraft && r.State != flags.RolloutWaiting
}

func dangerous(verb rollout.CommandVerb) bool {
	return verb == rollout.CommandRevert || verb == rollout.CommandBreakPins
}

func rolloutActions(r *flags.Rollout, may func(rollout.CommandVerb) bool) []page.Action {
	var out []page.Action
	for _, v := range offered(r) {
		if !may(v) {
			continue
		}
		out = append(out, page.Action{
			Text: verbText(r, v) + "…", URL: rolloutURL(r.ID) + "/" + string(v), Danger: dangerous(v),
			Primary: v == rollout.CommandStart || v == rollout.CommandApprove || v == rollout.CommandResume || v == rollout.CommandSignOff,
		})
	}
	return out
}

// askRollout asks before something is done.
func (u *UI) askRollout(c echo.Context) error {
	r, err := u.o.Rollouts.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	verb, err := readVerb(c)
	if err != nil {
		return err
	}
	return u.showConfirm(c, u.confirm(&r, verb, ""), 0)
}

func readVerb(c echo.Context) (rollout.CommandVerb, error) {
	verb := rollout.CommandVerb(pathParam(c, "verb"))
	if !slices.Contains(rollout.CommandVerbs(), verb) {
		return "", unknown("action", string(verb))
	}
	return verb, nil
}

func (u *UI) showConfirm(c echo.Context, m page.Confirm, status int) error {
	return u.show(c, view{title: m.Head.Answer, current: "/rollouts", status: status, body: page.ShowConfirm(m)})
}

// maxReason is how long a reason may be, in bytes.
const maxReason = 500

// actRollout does what was asked for. Whoever saw an older state is told what
// changed, keeps what they wrote, and decides again.
func (u *UI) actRollout(c echo.Context) error {
	ctx := c.Request().Context()
	id, reason := pathParam(c, "id"), strings.Join(strings.Fields(c.FormValue("reason")), " ")
	verb, err := readVerb(c)
	if err != nil {
		return err
	}
	r, err := u.o.Rollouts.Get(ctx, id)
	if err != nil {
		return err
	}
	seen, err := strconv.ParseInt(c.FormValue("revision"), 10, 64)
	if err != nil || seen < 1 {
		return respond.Bad("revision", "%q is no revision: want the number that the page was made with.", c.FormValue("revision"))
	}
	if wrong := wrongReason(reason); wrong != "" {
		m := u.confirm(&r, verb, reason)
		m.Fields[0].Value, m.Fields[0].Error = reason, wrong
		return u.showConfirm(c, m, http.StatusBadRequest)
	}
	cmd := rollout.Command{Verb: verb, Revision: seen, Author: flags.Author{Actor: auth.Who(c).Actor(), Reason: reason}}
	if safer(verb) {
		cmd.Revision = 0
	}
	if _, err = u.o.Rollouts.Do(ctx, id, cmd); err != nil {
		return u.refused(c, id, verb, reason, seen, err)
	}
	return c.Redirect(http.StatusSeeOther, rolloutURL(id))
}

// safer reports whether a verb only takes risk away: it is carried out also when the
// rollout has moved on since the page was made.
func safer(verb rollout.CommandVerb) bool {
	return verb == rollout.CommandRevert || verb == rollout.CommandPause || verb == rollout.CommandBreakPins
}

// refused asks again, with what was written and why it was not done.
func (u *UI) refused(c echo.Context, id string, verb rollout.CommandVerb, reason string, seen int64, why error) error {
	if !errors.Is(why, flags.ErrChanged) && !errors.Is(why, flags.ErrRefused) && !errors.Is(why, flags.ErrInvalid) {
		return why
	}
	r, err := u.o.Rollouts.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if errors.Is(why, flags.ErrChanged) || r.Revision > seen {
		return u.tooLate(c, &r, verb, reason, seen)
	}
	m := u.confirm(&r, verb, reason)
	m.Notices = []part.Notice{{Tone: part.Bad, Text: "This was refused; nothing changed.", More: saidBy(why)}}
	return u.showConfirm(c, m, http.StatusUnprocessableEntity)
}

// saidBy is the sentence of an error, without the class that it begins with.
func saidBy(err error) string {
	s := err.Error()
	for _, class := range []error{flags.ErrRefused, flags.ErrInvalid} {
		if i := strings.Index(s, class.Error()+": "); i >= 0 {
			s = s[i+len(class.Error())+2:]
		}
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

func wrongReason(s string) string {
	switch {
	case s == "":
		return "A reason is required: it is kept in the history, beside your name."
	case len(s) > maxReason:
		return "A reason has at most " + strconv.Itoa(maxReason) + " bytes; this one has " + strconv.Itoa(len(s)) + "."
	}
	return ""
}

// tooLate tells what was done first. Nothing was changed, and sending the
// form again does it on top of what is so now.
func (u *UI) tooLate(c echo.Context, r *flags.Rollout, verb rollout.CommandVerb, reason string, seen int64) error {
	all, err := u.o.Rollouts.History(c.Request().Context(), r.ID)
	if err != nil {
		return err
	}
	since := slices.DeleteFunc(slices.Clone(all), func(t flags.Transition) bool { return t.Revision <= seen })
	m := u.confirm(r, verb, reason)
	m.Head.Tone = part.Warn
	m.Notices = append([]part.Notice{whoWasFirst(since, auth.Who(c).Actor())}, m.Notices...)
	m.Since = transitionTable(r.ID, since)
	m.Since.ID, m.Since.Title = "since", "What changed in the meantime"
	return u.showConfirm(c, m, http.StatusConflict)
}

// whoWasFirst says what was done since a form was made, latest first; it may have been me,
// on a page that I went back to or in another tab.
func whoWasFirst(since []flags.Transition, me string) part.Notice {
	n := part.Notice{Tone: part.Warn, Text: "Somebody else changed this rollout first;", More: "nothing of yours was done, and nothing of yours is lost. "}
	if len(since) == 0 {
		n.More += "Look again, and decide again."
		return n
	}
	t := &since[0]
	who := actorName(t.Actor)
	if t.Actor == me {
		n.Text, n.More, who = "You changed this rollout since this page was made;", "nothing more was done now. ", "You"
	}
	n.More += who + " had it " + pastTense(t.Action) + " at " + t.At.UTC().Format("15:04:05 UTC") + ". Look, and decide again."
	return n
}

func (u *UI) confirm(r *flags.Rollout, verb rollout.CommandVerb, reason string) page.Confirm {
	does, back := u.consequences(r, verb)
	m := page.Confirm{
		Head: part.Head{
			Crumbs: []part.Crumb{{Text: "Rollouts", URL: "/rollouts"}, {Text: rolloutName(r), URL: rolloutURL(r.ID)}, {Text: verbText(r, verb)}},
			Answer: confirmQuestion(r, verb), Status: rolloutStatus(r), Facts: []string{percent(r.Percent) + " in force", "step " + stepWords(r)},
			Sub: "Now: " + rolloutAnswer(r, u.o.Now()),
		},
		Does: does, Back: back, Action: rolloutURL(r.ID) + "/" + string(verb), Button: verbText(r, verb), Danger: dangerous(verb),
		Hidden: []page.Hidden{{Name: "revision", Value: strconv.FormatInt(r.Revision, 10)}},
		Cancel: part.Link{Text: "Leave it as it is", URL: rolloutURL(r.ID)},
	}
	why := page.Field{Name: "reason", Label: "Reason", Value: reason, Required: true, Focus: true, Max: maxReason, Hint: "Kept in the history and the audit log, beside your name."}
	if verb == rollout.CommandRevert && begun(r) {
		// What the evidence says is a reason at hand: going back must not wait for words.
		why.Kind = "prose"
		if reason == "" {
			why.Value = clipBytes("At "+percent(r.Percent)+", by hand. "+r.Decision.Why, maxReason)
		}
	}
	m.Fields = []page.Field{why}
	if !slices.Contains(offered(r), verb) {
		u.block(&m, r, verb)
	}
	return m
}

// block says that an action is not possible now, and what to do instead.
func (u *UI) block(m *page.Confirm, r *flags.Rollout, verb rollout.CommandVerb) {
	m.Blocked, m.Cancel.Text = true, "Back to the rollout"
	n := part.Notice{Tone: part.Warn, Text: "This is not possible now:", More: "the rollout is " + string(r.State) + "."}
	if verb == rollout.CommandRevert && r.State == flags.RolloutCompleted {
		n.More = "the rollout is completed, and " + r.Plan.Flag + " answers " + r.Plan.Candidate + " by itself. To go back, restore the flag's earlier revision: it holds for new evaluations at once."
		m.Instead = part.Link{Text: "Open the flag", URL: flagPages.of(r.Plan.Flag)}
	}
	m.Notices = append(m.Notices, n)
}

// clipBytes cuts a text at a rune's end.
func clipBytes(s string, n int) string {
	if len(s) <= n {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.ToValidUTF8(s[:n], ""))
}

func confirmQuestion(r *flags.Rollout, verb rollout.CommandVerb) string {
	name := rolloutName(r)
	switch verb {
	case rollout.CommandBreakPins:
		return "Break every pin of " + name + "?"
	case rollout.CommandSignOff:
		return "Sign phase " + string(r.Phase) + " of " + name + " off?"
	case rollout.CommandRevert:
		if !begun(r) {
			return "Discard " + name + "?"
		}
		return "Revert " + name + " to " + r.Plan.Control + "?"
	}
	return verbText(r, verb) + " " + name + "?"
}

// consequences says what a verb will do, and how to take it back.
func (u *UI) consequences(r *flags.Rollout, verb rollout.CommandVerb) (does []string, back string) {
	p := &r.Plan
	pinned := "Sessions that are pinned keep what they started with for up to " + chosen(p.PinFor) + "."
	if p.PinFor == 0 {
		pinned = "There are no pins: running sessions change too."
	}
	switch verb {
	case rollout.CommandStart:
		return u.startDoes(r), "Revert takes everybody back to " + p.Control + " at any time; pause stops it where it is."
	case rollout.CommandApprove:
		return []string{"Records your approval: " + strconv.Itoa(len(r.Approvals)+1) + " of " + strconv.Itoa(p.Approvals) + ". Nobody approves what they began.", "With the last one the rollout starts, at once or at its time."},
			"An approval stays in the history; the rollout can be paused or reverted at any time."
	case rollout.CommandPause:
		return []string{percent(r.Percent) + " of the cohort keep " + p.Candidate + "; nothing widens, and the bake time stands still.", "Guardrails are still looked at; a broken one still reverts."},
			"Resume goes on from the same step."
	case rollout.CommandResume:
		return []string{"Goes on at " + percent(r.Percent) + ", in step " + stepWords(r) + "; the bake time goes on."}, "Pause it again, or revert."
	case rollout.CommandAdvance:
		next := "the next step"
		if i := r.Step + 1; i >= 0 && i < len(p.Steps) {
			next = percent(p.Steps[i].Percent)
		}
		return []string{
			"Widens from " + percent(r.Percent) + " to " + next + " now, also where the sample, the bake time or a guardrail is not there yet; the history says so. A broken guardrail forbids it.",
			"Who has " + p.Candidate + " keeps it; new sessions of the added share get it.", "The evidence of the new step begins anew.",
		}, "Revert takes everybody back to " + p.Control + ". A share does not shrink otherwise."
	case rollout.CommandRevert:
		if !begun(r) {
			return []string{"The draft is given up before anybody got " + p.Candidate + "; it stays in the list."}, "Begin a new one from the same plan."
		}
		return []string{"New evaluations get " + p.Control + " at once.", pinned, "The rollout ends; its evidence and history stay."},
			"A reverted rollout cannot go on. Begin a new one from the same plan when the cause is mended."
	case rollout.CommandComplete:
		does = []string{"Everybody in the cohort gets " + p.Candidate + ", and the rollout ends."}
		if p.Completes != "" {
			does = append(does, "Version "+p.Completes+" of guarantee "+p.Guarantee+" becomes active.")
		}
		return does, "Restore an earlier version of the flag, or begin a rollout from " + p.Candidate + " to " + p.Control + "."
	case rollout.CommandSignOff:
		return []string{"Records that you looked at phase " + string(r.Phase) + " and found it ready.", "The next phase begins once its bake time is over."}, "Pause or revert at any time."
	case rollout.CommandBreakPins:
		return []string{"Every pin of flag " + p.Flag + " that was given before now is void.", "Running sessions get what new ones get at their next evaluation, also in the middle of their work: what they read may jump back."},
			"There is none: a broken pin cannot be mended. New sessions are pinned again."
	}
	return nil, ""
}

func (u *UI) startDoes(r *flags.Rollout) []string {
	p := &r.Plan
	out := []string{}
	if missing := p.Approvals - len(r.Approvals); missing > 0 {
		out = append(out, "Waits for "+format.Plural(int64(missing), "approval", "approvals")+" first.")
	}
	if p.StartAt.After(u.o.Now()) {
		out = append(out, "Waits until "+p.StartAt.UTC().Format("2 Jan 15:04 UTC")+".")
	}
	if len(p.Phases) > 0 {
		out = append(out, "Begins with phase "+string(p.Phases[0].Phase)+".")
	}
	if len(p.Steps) > 0 {
		out = append(out, percent(p.Steps[0].Percent)+" of the cohort get "+p.Candidate+", as many get "+p.Control+" to be compared with; the rest keep what the flag says.")
	}
	return append(out, "A guardrail that breaks reverts it without asking; it widens by itself when the evidence allows it.", "No session that runs changes its model: pins last "+chosen(p.PinFor)+".")
}
