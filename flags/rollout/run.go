package rollout

import (
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// run moves the clocks, decides, and does what was decided. While the rollout is
// paused the guardrails still guard; nothing else goes on.
func (t *turn) run() {
	t.clocks()
	d := t.decide()
	t.r.Decision = d
	paused := t.r.State == flags.RolloutPaused
	switch {
	case d.Verb == flags.VerbRevert:
		t.revert("revert", controller, d.Why)
	case paused:
	case d.Verb == flags.VerbAdvance:
		t.widen("advance", controller, d.Why)
	case d.Verb == flags.VerbComplete:
		t.complete("complete", controller, d.Why)
	case t.overdue() && t.frozen() == nil: // In a freeze nothing widens anyway, and it ends by itself.
		t.pauseOverdue()
	}
}

// overdue reports whether the deadline of what is in force has passed.
func (t *turn) overdue() bool {
	limit := time.Duration(t.r.Plan.Deadline)
	return limit > 0 && t.r.Ran > t.bake()+limit
}

// pauseOverdue stops a step that did not pass in time until somebody looks. That a
// deadline reverts is for decide to say.
func (t *turn) pauseOverdue() {
	why := "The deadline passed without a decision: " + t.r.Decision.Why
	t.r.Decision.Why = why
	t.move("deadline", controller, why, flags.RolloutPaused)
}

// bake is how long what is in force must run with traffic.
func (t *turn) bake() time.Duration {
	if !t.r.Stepped() {
		if ph := t.phase(); ph != nil {
			return time.Duration(ph.Bake)
		}
		return 0
	}
	return time.Duration(t.r.Plan.Steps[t.r.Step].Bake)
}

// clocks adds the time since the last tick, however the wall clock jumped: none when
// it went back, at most maxTick when it went ahead.
func (t *turn) clocks() {
	delta := time.Duration(0)
	if !t.r.TickedAt.IsZero() {
		delta = min(max(t.now.Sub(t.r.TickedAt), 0), maxTick)
	}
	t.r.TickedAt = t.now
	blind, news := t.look()
	if t.r.State != flags.RolloutRunning {
		return
	}
	t.r.Ran += delta
	switch {
	case blind:
		t.r.Quiet += delta
		return
	case news:
		t.r.Quiet = 0
	default:
		t.r.Quiet += delta
	}
	if t.r.Quiet < trafficGap {
		t.r.Baked += delta
	}
}

// look reports whether there is nothing to go by, and whether something new was heard
// of. Times are only compared for being the same, so that no clock can deceive it.
func (t *turn) look() (blind, news bool) {
	if !t.r.Stepped() {
		news = t.in.Heard != t.r.LastEvent
		t.r.LastEvent = t.in.Heard
		return t.in.Heard == 0, news
	}
	ev := t.in.Evidence
	if t.in.EvidenceErr != nil || ev == nil {
		return true, false
	}
	news = ev.LastEvent != t.r.LastEvent || ev.Writes != t.r.FlagWrites
	t.r.LastEvent, t.r.FlagWrites = ev.LastEvent, ev.Writes
	return len(ev.Silent) > 0 || ev.LastEvent == 0, news
}

// base is a decision with what is measured of it.
func (t *turn) base() flags.Decision {
	return flags.Decision{Verb: flags.VerbHold, At: t.now, Checks: []flags.Check{}, Baked: t.r.Baked, Bake: t.bake()}
}

func (t *turn) decide() flags.Decision {
	if !t.r.Stepped() {
		return t.decidePhase()
	}
	d := t.base()
	d.NeedUnits = t.r.Plan.Steps[t.r.Step].MinUnits
	if ev := t.in.Evidence; ev != nil && t.in.EvidenceErr == nil {
		t.measure(&d, ev)
	}
	if ph := t.phase(); ph != nil && unsafe(&t.in.Safe, ph, &d) {
		return d
	}
	if broken(&d) {
		return d
	}
	if t.blindness(&d) || t.noData(&d) {
		return d
	}
	if why := t.lacks(&d); why != "" {
		return t.hold(d, why)
	}
	if ph := t.phase(); ph != nil && t.lastStep() && !t.valid(&d) {
		return t.hold(d, d.Why)
	}
	if t.alone() {
		return t.ready(d, "No guardrail is broken, and nobody is left to compare with,")
	}
	return t.ready(d, "Every guardrail holds")
}

func (t *turn) lastStep() bool { return t.r.Step == len(t.r.Plan.Steps)-1 }

// measure compares the arms.
func (t *turn) measure(d *flags.Decision, ev *metrics.TrialEvidence) {
	for i := range ev.Steps {
		if s := &ev.Steps[i]; s.Index == t.r.Step {
			d.CandidateUnits, d.ControlUnits = s.Candidate.Units, s.Control.Units
		}
	}
	if ev.Writes > 0 {
		d.Coverage = float64(ev.Writes-ev.NoUnit) / float64(ev.Writes)
	}
	checks, ratio := t.m.Judge(&t.r.Plan, *ev, t.r.Step)
	d.Checks, d.SRM = checks, &ratio
}

// broken reverts when a guardrail that reverts is surely broken.
func broken(d *flags.Decision) bool {
	for i := range d.Checks {
		c := &d.Checks[i]
		if c.Outcome == flags.OutcomeFail && c.Guardrail.Action != flags.GuardHold {
			d.Verb, d.Why = flags.VerbRevert, guardWords(c)
			return true
		}
	}
	return false
}

// blindness holds when the evidence cannot be had.
func (t *turn) blindness(d *flags.Decision) bool {
	ev := t.in.Evidence
	switch {
	case t.in.EvidenceErr != nil:
		d.Why = "The evidence could not be read: " + t.in.EvidenceErr.Error() + ". Nothing widens until it can."
	case ev == nil:
		d.Why = "The evidence is still being computed."
	case len(ev.Silent) > 0:
		d.Why = "Nothing is known of " + join(ev.Silent) + ", which " + verb(len(ev.Silent), "reports", "report") + " nothing any more."
	case ev.LastEvent == 0:
		d.Why = "No event of either arm has come yet."
	default:
		return false
	}
	t.noData(d)
	return true
}

// noData holds when traffic has stopped, and reverts when that lasts.
func (t *turn) noData(d *flags.Decision) bool {
	if t.r.State == flags.RolloutPaused || t.r.Quiet < trafficGap && t.r.Quiet < time.Duration(t.r.Plan.NoData) {
		return false
	}
	if t.r.Quiet >= time.Duration(t.r.Plan.NoData) {
		d.Verb = flags.VerbRevert
		d.Why = sentence("For " + span(t.r.Quiet) + " there was nothing to go by, and no data is not good news. " + d.Why)
		return true
	}
	left := "; the rollout reverts after " + span(time.Duration(t.r.Plan.NoData)) + " of that."
	if d.Why == "" {
		d.Why = "No event came for " + span(t.r.Quiet) + ", so that the bake time stands still" + left
	} else {
		d.Why = trimDot(d.Why) + " for " + span(t.r.Quiet) + left
	}
	return true
}

// hold keeps things as they are, or reverts when the plan says that a deadline does.
func (t *turn) hold(d flags.Decision, why string) flags.Decision {
	d.Why = why
	if t.r.State == flags.RolloutRunning && t.overdue() && t.r.Plan.OnDeadline == flags.DeadlineRevert {
		d.Verb, d.Why = flags.VerbRevert, "The deadline passed without a decision: "+why
	}
	return d
}

// ready goes on, unless it is a time in which nothing widens.
func (t *turn) ready(d flags.Decision, cause string) flags.Decision {
	n := t.next()
	to := n.words(&t.r.Plan)
	if w := t.frozen(); w != nil {
		d.Why = "Ready for " + to + ", but frozen until " + stamp(w.Until) + because(w.Reason) + t.doubt(w.Until)
		return d
	}
	if t.r.State == flags.RolloutPaused {
		d.Why = "Ready for " + to + ", but paused."
		return d
	}
	d.Verb = flags.VerbAdvance
	if n.complete {
		d.Verb = flags.VerbComplete
	}
	d.Why = cause + t.sample(&d) + ": on to " + to + "."
	return d
}
