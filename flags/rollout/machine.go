package rollout

import (
	"slices"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// The clocks of a rollout.
const (
	// maxTick is the most that one tick counts: a clock that jumps forward, or a server
	// that was away, adds no more to any clock than a tick that came late.
	maxTick = 5 * time.Second
	// trafficGap is how long no event may come before traffic counts as stopped.
	trafficGap = time.Minute
	// settle is how long a clock that was set must go on steadily before anything widens
	// by it.
	settle = time.Hour
)

// controller is who acts when nobody commands.
const controller = "controller"

// JudgeFunc compares the arms of a step: one check a guardrail, and the sample-ratio
// test.
type JudgeFunc func(p *flags.Plan, ev metrics.TrialEvidence, step int) ([]flags.Check, flags.Ratio)

// Probe is the answer to a question of a phase.
type Probe struct {
	Asked bool // the phase has the question
	Known bool // it was answered
	Pass  bool
	Why   string // a sentence
	Err   error  // it could not be answered
}

// Input is what a step of the machine depends on beside the clock and the rollout.
type Input struct {
	// Evidence is nil as long as it is not known; EvidenceErr says that it could not be
	// read.
	Evidence    *metrics.TrialEvidence
	EvidenceErr error
	// Heard is the newest event of the feature, Unix ns: what phases without arms go by.
	Heard int64
	// Valid says whether the phase may be left, Safe whether it may last.
	Valid, Safe Probe
	// HeldBy names another rollout that decides what the flag answers; "" = none.
	HeldBy  string
	Command *Command
	// Steady is the time as it would be had nobody set the clock lately; zero when nobody
	// did.
	Steady time.Time
}

// Machine decides what becomes of a rollout. It has no state of its own.
type Machine struct{ Judge JudgeFunc }

// Step returns the rollout after one tick or one command. The transition is nil when
// only clocks and the decision changed. A command that is refused returns an error,
// and the rollout as it was.
func (m Machine) Step(now time.Time, r flags.Rollout, in Input) (flags.Rollout, *flags.Transition, error) {
	t := &turn{m: m, now: now.UTC(), r: r, in: in}
	if in.Command != nil {
		if err := t.command(in.Command); err != nil {
			return r, nil, err
		}
		return t.r, t.made, nil
	}
	t.tick()
	return t.r, t.made, nil
}

// turn is one step of the machine being made.
type turn struct {
	m    Machine
	now  time.Time
	r    flags.Rollout
	in   Input
	made *flags.Transition
}

// move makes the transition. Everything that changed must be in t.r before.
func (t *turn) move(action, actor, reason string, to flags.RolloutState) {
	from := t.r.State
	t.r.State = to
	t.r.Revision++
	t.r.TickedAt = t.now
	if to.Final() {
		t.r.EndedAt = t.now
	}
	d := t.r.Decision
	t.made = &flags.Transition{
		Rollout: t.r.ID, Revision: t.r.Revision, At: t.now, Actor: actor, Action: action, Reason: reason,
		From: from, To: to, Step: t.r.Step, Percent: t.r.Percent, Decision: &d,
	}
}

func (t *turn) tick() {
	switch t.r.State {
	case flags.RolloutWaiting:
		t.wait()
	case flags.RolloutRunning, flags.RolloutPaused:
		t.run()
	case flags.RolloutReverting:
		t.drain()
	case flags.RolloutDraft, flags.RolloutCompleted, flags.RolloutReverted:
	}
}

// wait starts what is approved and due.
func (t *turn) wait() {
	if why := t.obstacle(); why != "" {
		t.r.Decision = flags.Decision{Verb: flags.VerbHold, Why: why, At: t.now}
		return
	}
	t.start(controller, "Approved and due.")
}

// obstacle says why the rollout cannot start now; "" when it can.
func (t *turn) obstacle() string {
	p := &t.r.Plan
	if missing := p.Approvals - len(t.r.Approvals); missing > 0 {
		return "Waits for " + count(int64(missing), "more approval") + "."
	}
	if t.now.Before(p.StartAt) || t.steady().Before(p.StartAt) {
		return "Starts at " + stamp(p.StartAt) + "." + t.doubt(p.StartAt)
	}
	if w := t.frozen(); w != nil {
		return "Waits for the end of a freeze at " + stamp(w.Until) + because(w.Reason) + t.doubt(w.Until)
	}
	if t.in.HeldBy != "" {
		return "Waits for rollout " + t.in.HeldBy + ", which holds the flag."
	}
	return ""
}

// frozen returns the window in which nothing may widen now; nil when there is none. That
// somebody set the clock neither ends one at once nor goes back to before it.
func (t *turn) frozen() *flags.FreezeWindow {
	for i := range t.r.Plan.Freeze {
		w := &t.r.Plan.Freeze[i]
		for _, now := range []time.Time{t.now, t.steady()} {
			if !now.Before(w.From) && now.Before(w.Until) {
				return w
			}
		}
	}
	return nil
}

// steady is the time that had come without anybody setting the clock.
func (t *turn) steady() time.Time {
	if t.in.Steady.IsZero() {
		return t.now
	}
	return t.in.Steady
}

// doubt says why a time that the clock has passed is waited for; "" when it has not.
func (t *turn) doubt(at time.Time) string {
	if t.now.Before(at) {
		return ""
	}
	return " That time has come only because the server's clock was set ahead by " + span(t.now.Round(0).Sub(t.steady().Round(0))) +
		", which is believed when it has gone on for " + span(settle) + "."
}

func (t *turn) start(actor, reason string) {
	t.r.StartedAt = t.now
	if len(t.r.Plan.Phases) > 0 {
		t.enterPhase(0)
	} else {
		t.enterStep(0)
	}
	t.r.Decision = flags.Decision{Verb: flags.VerbHold, Why: "Has just started.", At: t.now}
	t.move("start", actor, reason, flags.RolloutRunning)
}

// enterStep puts a step in force and sets its clocks to zero.
func (t *turn) enterStep(i int) {
	t.r.Step, t.r.Percent = i, t.r.Plan.Steps[i].Percent
	t.resetClocks()
	t.interval(i, t.r.Percent)
}

func (t *turn) resetClocks() {
	t.r.StepAt, t.r.TickedAt = t.now, t.now
	t.r.Baked, t.r.Ran, t.r.Quiet = 0, 0, 0
}

// interval notes from when on a step is in force; step −1 ends the last one. Times of
// intervals rise even when the clock goes back.
func (t *turn) interval(step int, p flags.Percent) {
	from := t.now
	if n := len(t.r.Intervals); n > 0 {
		last := &t.r.Intervals[n-1]
		if last.Step == step && last.Percent == p {
			return
		}
		if !from.After(last.From) {
			from = last.From.Add(1)
		}
	} else if step < 0 {
		return
	}
	t.r.Intervals = append(slices.Clone(t.r.Intervals), flags.StepInterval{Step: step, Percent: p, From: from})
}

// phase is the phase that the rollout is in; nil when the plan has none.
func (t *turn) phase() *flags.PlanPhase { return t.r.PlanPhase() }

// enterPhase begins the phase at that place of the plan.
func (t *turn) enterPhase(i int) {
	ph := &t.r.Plan.Phases[i]
	t.r.Phase = ph.Phase
	switch ph.Phase {
	case flags.PhaseLive:
		t.enterStep(0)
		return
	case flags.PhaseRampDown:
		t.r.Percent = flags.Whole
	default:
		t.r.Step, t.r.Percent = -1, 0
	}
	t.resetClocks()
	t.interval(-1, 0)
}

// next is what comes after what is in force now.
type next struct {
	step     int // when ≥ 0
	phase    int // of the plan, when ≥ 0
	complete bool
}

func (t *turn) next() next {
	if t.r.Stepped() && t.r.Step+1 < len(t.r.Plan.Steps) {
		return next{step: t.r.Step + 1, phase: -1}
	}
	for i := range t.r.Plan.Phases {
		if t.r.Plan.Phases[i].Phase != t.r.Phase {
			continue
		}
		if i+1 < len(t.r.Plan.Phases) && t.r.Plan.Phases[i+1].Phase != flags.PhaseComplete {
			return next{step: -1, phase: i + 1}
		}
	}
	return next{step: -1, phase: -1, complete: true}
}

// words name where next leads.
func (n next) words(p *flags.Plan) string {
	switch {
	case n.complete:
		return "completion"
	case n.phase >= 0:
		return "the phase " + string(p.Phases[n.phase].Phase)
	}
	return percent(p.Steps[n.step].Percent)
}

// widen goes to what comes next.
func (t *turn) widen(action, actor, reason string) {
	n := t.next()
	switch {
	case n.complete:
		t.complete(action, actor, reason)
		return
	case n.phase >= 0:
		t.enterPhase(n.phase)
	default:
		t.enterStep(n.step)
	}
	t.move(action, actor, reason, t.r.State)
}

// complete ends the rollout with the candidate for everyone in the cohort, and notes
// what is left to do outside.
func (t *turn) complete(action, actor, reason string) {
	t.interval(-1, 0)
	t.r.Percent, t.r.StepAt = flags.Whole, t.now
	if t.r.Phase != "" {
		t.r.Phase = flags.PhaseComplete
	}
	t.r.Pending = []flags.Chore{flags.ChoreDefault}
	if t.r.Plan.Completes != "" {
		t.r.Pending = append(t.r.Pending, flags.ChoreGuarantee)
	}
	t.move(action, actor, reason, flags.RolloutCompleted)
}

// revert takes the candidate from new sessions at once; pinned ones drain.
func (t *turn) revert(action, actor, reason string) {
	t.interval(-1, 0)
	t.r.Percent, t.r.StepAt = 0, t.now
	to := flags.RolloutReverting
	if t.r.Plan.NoPins {
		to = flags.RolloutReverted
	} else {
		t.r.DrainsUntil = t.now.Add(time.Duration(t.r.Plan.PinFor))
	}
	t.move(action, actor, reason, to)
}

// drain ends the revert when no pin of before it can be good any more.
func (t *turn) drain() {
	t.r.TickedAt = t.now
	if t.now.Before(t.r.DrainsUntil) {
		return
	}
	t.move("drained", controller, "No pin given before the revert is good any more.", flags.RolloutReverted)
}
