package ui

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/rollout"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// Rollouts is what the pages ask of whoever runs the rollouts: a *rollout.Controller.
type Rollouts interface {
	List(ctx context.Context) ([]flags.Rollout, error)
	Get(ctx context.Context, id string) (flags.Rollout, error)
	History(ctx context.Context, id string) ([]flags.Transition, error)
	Preview(ctx context.Context, d rollout.Draft, control bool) (*rollout.Preview, error)
	Create(ctx context.Context, d rollout.Draft, by flags.Author) (flags.Rollout, error)
	Do(ctx context.Context, id string, c rollout.Command) (flags.Rollout, error)
	About(ctx context.Context, p *flags.Plan) ([]string, error)
	Health() rollout.Health
}

// Evidence is what is known of rollouts' units: metrics.Trials.
type Evidence interface {
	Evidence(ctx context.Context, id string) (e metrics.TrialEvidence, ok bool, err error)
}

// rolloutRoutes is the URL map of the rollouts' pages.
func (u *UI) rolloutRoutes() []auth.Route {
	if u.o.Rollouts == nil {
		return nil
	}
	return []auth.Route{
		{Method: http.MethodGet, Path: "/rollouts", May: access.Read, Handle: respond.Takes(u.rollouts)},
		{Method: http.MethodGet, Path: "/rollouts/new", May: access.Control, About: aboutOwn, Handle: respond.Takes(u.newRollout, "flag", "feature", "candidate", "control")},
		{Method: http.MethodPost, Path: "/rollouts/new", May: access.Control, About: u.aboutPlan, Handle: u.createRollout},
		{Method: http.MethodGet, Path: "/rollouts/:id", May: access.Read, Handle: respond.Takes(u.rollout, "revision")},
		{Method: http.MethodGet, Path: "/rollouts/:id/:verb", May: access.Control, About: u.aboutRollout, Safer: saferRollout, Handle: respond.Takes(u.askRollout)},
		{Method: http.MethodPost, Path: "/rollouts/:id/:verb", May: access.Control, About: u.aboutRollout, Safer: saferRollout, Handle: u.actRollout},
	}
}

func rolloutURL(id string) string { return "/rollouts/" + url.PathEscape(id) }

func rolloutAPI(id string) string { return "/api/v1/rollouts/" + url.PathEscape(id) }

// actorName is an actor as people speak of them: "ada", "deploy-bot (key)".
func actorName(actor string) string {
	kind, name, ok := strings.Cut(actor, ":")
	switch {
	case !ok:
		return actor
	case kind == "user":
		return name
	case kind == "key":
		name, _, _ = strings.Cut(name, ":")
		return name + " (key)"
	case kind == "cli":
		return name + " (command line)"
	}
	return actor
}

// actorCell shows an actor; hovering shows all of it.
func actorCell(actor string) part.Cell {
	return part.Cell{Value: part.Value{Text: actorName(actor), Hint: actor}}
}

// percent writes basis points: "25%", "0.5%".
func percent(p flags.Percent) string {
	return strconv.FormatFloat(float64(p)/100, 'f', -1, 64) + "%"
}

// rolloutName is what a rollout is called: its title, or what it does.
func rolloutName(r *flags.Rollout) string {
	if r.Title != "" {
		return r.Title
	}
	return r.Plan.Flag + " to " + r.Plan.Candidate
}

// rolloutStatus is the state as a word with a tone; what the controller would do
// counts where it is running.
func rolloutStatus(r *flags.Rollout) part.Status {
	switch r.State {
	case flags.RolloutDraft:
		return part.Status{Tone: part.Neutral, Text: "Draft"}
	case flags.RolloutWaiting:
		return part.Status{Tone: part.Tide, Text: "Waiting"}
	case flags.RolloutPaused:
		return part.Status{Tone: part.Warn, Text: "Paused"}
	case flags.RolloutCompleted:
		return part.Status{Tone: part.Good, Text: "Completed"}
	case flags.RolloutReverting:
		return part.Status{Tone: part.Bad, Text: "Reverting"}
	case flags.RolloutReverted:
		return part.Status{Tone: part.Bad, Text: "Reverted"}
	}
	return verbStatus(&r.Decision)
}

func verbStatus(d *flags.Decision) part.Status {
	switch d.Verb {
	case flags.VerbAdvance:
		return part.Status{Tone: part.Good, Text: "Widening"}
	case flags.VerbComplete:
		return part.Status{Tone: part.Good, Text: "Completing"}
	case flags.VerbRevert:
		return part.Status{Tone: part.Bad, Text: "Reverting"}
	}
	if needsSomebody(d) {
		return part.Status{Tone: part.Warn, Text: "Holding"}
	}
	return part.Status{Tone: part.Tide, Text: "Holding"}
}

// needsSomebody reports whether a person should look: a check that failed or could
// not be made, or a split that is not as planned.
func needsSomebody(d *flags.Decision) bool {
	if d.SRM != nil && d.SRM.Mismatch {
		return true
	}
	for i := range d.Checks {
		if o := d.Checks[i].Outcome; o == flags.OutcomeFail || o == flags.OutcomeError {
			return true
		}
	}
	return false
}

// rolloutAnswer says whether to widen, hold or revert.
func rolloutAnswer(r *flags.Rollout, now time.Time) string {
	at := percent(r.Percent)
	switch r.State {
	case flags.RolloutDraft:
		return "Not started: nobody has " + r.Plan.Candidate + " yet."
	case flags.RolloutWaiting:
		return waitingAnswer(r, now)
	case flags.RolloutPaused:
		return "Paused at " + at + ": nothing widens until somebody resumes it."
	case flags.RolloutCompleted:
		return "Completed: " + whom(r) + " gets " + r.Plan.Candidate + "."
	case flags.RolloutReverting:
		return "Reverting: new sessions get " + r.Plan.Control + ", pinned ones drain."
	case flags.RolloutReverted:
		return sentence("Reverted", r.Decision.Why, "everybody gets "+r.Plan.Control+" again")
	}
	switch r.Decision.Verb {
	case flags.VerbAdvance:
		return sentence("Widen from "+at, r.Decision.Why, "every guardrail allows it")
	case flags.VerbComplete:
		return sentence("Complete at "+at, r.Decision.Why, "every guardrail allows it")
	case flags.VerbRevert:
		return sentence("Revert from "+at, r.Decision.Why, "a guardrail is broken")
	}
	return sentence("Hold at "+at, r.Decision.Why, "nothing was judged yet")
}

func waitingAnswer(r *flags.Rollout, now time.Time) string {
	if missing := r.Plan.Approvals - len(r.Approvals); missing > 0 {
		return "Waiting for " + format.Plural(int64(missing), "more approval", "more approvals") + "."
	}
	if r.Plan.StartAt.After(now) {
		return "Approved: starts in " + format.Age(r.Plan.StartAt.Sub(now)) + "."
	}
	return sentence("Waiting to start", r.Decision.Why, "the controller begins it at its next turn")
}

// sentence joins a verb and its reason; otherwise is the reason where none is given.
func sentence(verb, why, otherwise string) string {
	if why == "" {
		why = otherwise
	}
	return strings.TrimSuffix(verb+": "+lowerFirst(why), ".") + "."
}

// lowerFirst begins a text in lower case, unless its first word is an abbreviation.
func lowerFirst(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if !unicode.IsLower(second) && second != ' ' {
		return s
	}
	return string(unicode.ToLower(first)) + s[n:]
}

// whom names the cohort in words.
func whom(r *flags.Rollout) string {
	if len(r.Plan.Cohort) == 0 {
		return "everybody"
	}
	return "everybody in the cohort"
}

// stepWords is where a rollout stands among its steps.
func stepWords(r *flags.Rollout) string {
	if r.Step < 0 {
		return "none of " + strconv.Itoa(len(r.Plan.Steps))
	}
	return strconv.Itoa(r.Step+1) + " of " + strconv.Itoa(len(r.Plan.Steps))
}

// chosen is a duration of a plan.
func chosen(d flags.Duration) string { return format.Exact(time.Duration(d)) }
