package flags

import (
	"context"
	"encoding/json"
	"time"

	"tidemark/metrics"
)

// Plan says how a variant of a flag is to reach its cohort, and what must stay true
// on the way.
type Plan struct {
	Flag      string          `json:"flag"`
	Feature   string          `json:"feature"`   // whose telemetry is the evidence
	Candidate string          `json:"candidate"` // variants
	Control   string          `json:"control"`
	Cohort    json.RawMessage `json:"cohort,omitempty"` // targeting rule; nil = everyone
	// Guarantee names the promise whose objectives are the default guardrails; ""
	// means the active one of the feature, when there is one.
	Guarantee string `json:"guarantee,omitempty"`
	// Completes is the version of Guarantee that is activated on completion; "" = none.
	Completes  string         `json:"completes,omitempty"`
	Steps      []PlanStep     `json:"steps"`  // percentages rise
	Phases     []PlanPhase    `json:"phases"` // none for a change that needs no preparation
	Guardrails []Guardrail    `json:"guardrails"`
	Deadline   Duration       `json:"deadline,omitempty"` // of a step, beyond its bake time; 0 = none
	OnDeadline DeadlineAction `json:"on_deadline,omitempty"`
	NoData     Duration       `json:"no_data_after,omitempty"` // no event for so long reverts; default 15 min
	Approvals  int            `json:"approvals,omitempty"`     // people other than the author, 0..5
	Freeze     []FreezeWindow `json:"freeze,omitempty"`
	StartAt    time.Time      `json:"start_at,omitzero"`
	PinFor     Duration       `json:"pin_for,omitempty"` // default 24 h
	// NoPins lets every session follow the rollout at once, also back.
	NoPins bool `json:"no_pins,omitempty"`
	// LateAfter is the promised time to visibility that late and convergence count
	// against; the guarantee's when it is 0.
	LateAfter Duration `json:"late_after,omitempty"`
}

// PlanStep is one stage.
type PlanStep struct {
	Percent  Percent  `json:"percent"`   // basis points
	Bake     Duration `json:"bake"`      // with traffic
	MinUnits int64    `json:"min_units"` // of each arm
}

// DeadlineAction is what happens when a step does not pass in time. It never widens.
type DeadlineAction string

// The actions at a deadline.
const (
	DeadlineHold   DeadlineAction = "hold"
	DeadlineRevert DeadlineAction = "revert"
)

// Phase is a stage of a migration whose writers and readers must both be ready:
// writers first, then readers, then clean-up. The steps run in the live phase.
type Phase string

// The phases, in order.
const (
	PhaseOff        Phase = "off"
	PhaseDualWrite  Phase = "dual-write"
	PhaseShadowRead Phase = "shadow-read"
	PhaseLive       Phase = "live"
	PhaseRampDown   Phase = "ramp-down"
	PhaseComplete   Phase = "complete"
)

// PlanPhase is a phase with what must be true before the next one begins.
type PlanPhase struct {
	Phase   Phase    `json:"phase"`
	Variant string   `json:"variant"` // what everyone in the cohort gets in it; "" in live: by the steps
	Bake    Duration `json:"bake"`
	// Exactly one of the three validates it.
	Check   *PhaseCheck `json:"check,omitempty"`
	Webhook string      `json:"webhook,omitempty"`  // id of a webhook that must answer {"pass": true}
	SignOff string      `json:"sign_off,omitempty"` // who must say yes
	// Rollback must stay true as long as the phase lasts; when it does not, the rollout
	// reverts. Nil = nothing.
	Rollback *PhaseCheck `json:"rollback,omitempty"`
}

// PhaseCheck is a question to the telemetry that must have an answer within bounds.
//
// For time_to_visibility, staleness and backlog_age Value is in seconds; the first two
// are about their 99th percentile, the last about the oldest write. For the others it
// is a share.
type PhaseCheck struct {
	SLI   string  `json:"sli"`          // as in a guarantee's objectives
	Of    string  `json:"of,omitempty"` // violation_rate: ryw, mr, mw or wfr
	Op    string  `json:"op"`           // lte or gte
	Value float64 `json:"value"`
	// Within is the deadline of convergence_ratio; default 1 min.
	Within Duration `json:"within,omitempty"`
}

// GuardMetric is what a guardrail compares.
type GuardMetric string

// The metrics of guardrails, each with the test that serves it.
const (
	GuardLate        GuardMetric = "late"               // share of writes past the deadline; means
	GuardLag         GuardMetric = "time_to_visibility" // mean, seconds; means
	GuardLagP99      GuardMetric = "p99"                // seconds; quantile
	GuardConvergence GuardMetric = "convergence"        // share visible everywhere; means; higher is better
	GuardConflicts   GuardMetric = "conflict_rate"      // rare
	GuardViolations  GuardMetric = "violation_rate"     // rare
	GuardErrors      GuardMetric = "error_rate"         // rare
	GuardReplays     GuardMetric = "replay_rate"        // rare
)

// InSeconds reports whether the metric is a time; all others are shares.
func (m GuardMetric) InSeconds() bool { return m == GuardLag || m == GuardLagP99 }

// GuardAction is what a broken guardrail does.
type GuardAction string

// The actions of a guardrail.
const (
	GuardRevert GuardAction = "revert"
	GuardHold   GuardAction = "hold"
)

// Guardrail is one thing that the candidate must not make worse.
type Guardrail struct {
	Metric GuardMetric `json:"metric"`
	// Margin is how much worse the candidate may be, in the metric's unit, before it
	// must not widen: the upper bound of the difference must be below it.
	Margin float64 `json:"margin"`
	// Limit is an absolute bound on the candidate itself; 0 = none.
	Limit  float64     `json:"limit,omitempty"`
	Alpha  float64     `json:"alpha"`  // 0 < α < 1, of all guardrails together when 0: 0.05 split
	Action GuardAction `json:"action"` // default revert
	From   string      `json:"from,omitempty"`
}

// FreezeWindow is a time in which nothing widens. Reverting is always possible.
type FreezeWindow struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// RolloutState is where a rollout is.
type RolloutState string

// The states: draft → (approval) → running ⇄ paused → completed | reverting → reverted.
const (
	RolloutDraft     RolloutState = "draft"
	RolloutWaiting   RolloutState = "waiting" // approved and scheduled, or for approvals
	RolloutRunning   RolloutState = "running"
	RolloutPaused    RolloutState = "paused"
	RolloutCompleted RolloutState = "completed"
	RolloutReverting RolloutState = "reverting" // new sessions have the control; pinned ones drain
	RolloutReverted  RolloutState = "reverted"
)

// Active reports whether the rollout decides what anybody gets.
func (s RolloutState) Active() bool {
	return s == RolloutRunning || s == RolloutPaused || s == RolloutReverting
}

// Final reports whether nothing can change any more.
func (s RolloutState) Final() bool { return s == RolloutCompleted || s == RolloutReverted }

// Rollout is a plan on its way.
type Rollout struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Plan  Plan   `json:"plan"`
	// Document is the name of the RolloutPlan that it was made from; "" when a person
	// made it.
	Document string `json:"document,omitempty"`
	// EditedByHand says that a person changed the draft since its document last did.
	EditedByHand bool         `json:"edited_by_hand,omitempty"`
	State        RolloutState `json:"state"`
	Phase        Phase        `json:"phase,omitempty"`
	Step         int          `json:"step"`    // 0-based; −1 before the first
	Percent      Percent      `json:"percent"` // in force
	Revision     int64        `json:"revision"`
	Salt         string       `json:"salt"`

	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Authors   []string  `json:"authors"` // everyone who wrote any of the plan
	StartedAt time.Time `json:"started_at,omitzero"`
	StepAt    time.Time `json:"step_at,omitzero"` // when the step, or phase, began
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Baked is how long the step has run with traffic, Ran how long with or without,
	// and Quiet how long there was nothing to go by. None of them counts while the
	// rollout is paused or no server runs.
	Baked time.Duration `json:"baked_ns"`
	Ran   time.Duration `json:"ran_ns"`
	Quiet time.Duration `json:"quiet_ns"`
	// LastEvent is the newest event of either arm that was heard of, Unix ns.
	LastEvent    int64      `json:"last_event_ns"`
	FlagWrites   int64      `json:"flag_writes"` // writes with the flag that were heard of
	TickedAt     time.Time  `json:"ticked_at,omitzero"`
	PinsBrokenAt time.Time  `json:"pins_broken_at,omitzero"`
	DrainsUntil  time.Time  `json:"drains_until,omitzero"` // when the last pin given before the revert expires
	Approvals    []Approval `json:"approvals"`
	SignOffs     []SignOff  `json:"sign_offs"`
	// Pending is what completing still has to do. Until it is empty, everyone in the
	// cohort keeps the candidate by assignment.
	Pending []Chore `json:"pending,omitempty"`
	// Decision is the controller's latest: what it would do, and why, in a sentence.
	Decision Decision `json:"decision"`
	// Intervals are when each step was in force, for the evidence.
	Intervals []StepInterval `json:"intervals"`
}

// StepInterval is one time in which a step was in force.
type StepInterval struct {
	Step    int       `json:"step"`
	Percent Percent   `json:"percent"`
	From    time.Time `json:"from"`
}

// Approval is one person's yes.
type Approval struct {
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// SignOff is the yes that a phase asked of a person by name.
type SignOff struct {
	Phase Phase     `json:"phase"`
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// Chore is something that completing does outside of the rollout itself. Each can be
// done twice without harm.
type Chore string

// The chores, in the order in which they are done.
const (
	// ChoreDefault makes the candidate what the flag answers by itself.
	ChoreDefault Chore = "flag-default"
	// ChoreGuarantee activates the version of the guarantee that the plan names.
	ChoreGuarantee Chore = "guarantee"
)

// Verb is what a decision does.
type Verb string

// The verbs of decisions.
const (
	VerbHold     Verb = "hold"
	VerbAdvance  Verb = "advance"
	VerbRevert   Verb = "revert"
	VerbComplete Verb = "complete"
)

// Decision is what the evidence says.
type Decision struct {
	Verb   Verb      `json:"verb"`
	Why    string    `json:"why"` // a sentence
	At     time.Time `json:"at,omitzero"`
	Checks []Check   `json:"checks"` // one a guardrail
	SRM    *Ratio    `json:"sample_ratio,omitempty"`
	// CandidateUnits and ControlUnits are those of the step; NeedUnits of each.
	CandidateUnits int64         `json:"candidate_units"`
	ControlUnits   int64         `json:"control_units"`
	NeedUnits      int64         `json:"need_units"`
	Baked          time.Duration `json:"baked_ns"`
	Bake           time.Duration `json:"bake_ns"`
	Coverage       float64       `json:"coverage"` // share of the flag's writes that name a unit
}

// Outcome is what one guardrail says.
type Outcome string

// The outcomes. An error in checking is not a failing check.
const (
	OutcomePass    Outcome = "pass"    // surely not worse than the margin
	OutcomeUnsure  Outcome = "unsure"  // the interval still holds both
	OutcomeFail    Outcome = "fail"    // surely worse, or over its limit
	OutcomeUnknown Outcome = "unknown" // no data
	OutcomeError   Outcome = "error"   // could not be checked
)

// Check is one guardrail against the evidence.
type Check struct {
	Guardrail Guardrail `json:"guardrail"`
	Outcome   Outcome   `json:"outcome"`
	Why       string    `json:"why"`
	// Candidate and Control are the arms' values, in the metric's unit; Difference and
	// its bounds say how much worse the candidate is (above 0 is worse). Bounds are
	// nil where the method gives none.
	Candidate  *float64 `json:"candidate"`
	Control    *float64 `json:"control"`
	Difference *float64 `json:"difference"`
	Lower      *float64 `json:"lower"`
	Upper      *float64 `json:"upper"`
	LogE       *float64 `json:"log_e,omitempty"` // of the rare-event test
	Samples    int64    `json:"samples"`         // units of both arms
	Method     string   `json:"method"`
}

// Ratio is the sample-ratio test.
type Ratio struct {
	Candidate int64   `json:"candidate"`
	Control   int64   `json:"control"`
	Expected  float64 `json:"expected"` // the candidate's share
	P         float64 `json:"p"`
	Mismatch  bool    `json:"mismatch"`
	Enough    bool    `json:"enough"` // at least 8 units an arm
}

// Transition is one step of a rollout's life, stored with its audit record.
type Transition struct {
	Rollout  string       `json:"rollout"`
	Revision int64        `json:"revision"` // of the rollout after it
	At       time.Time    `json:"at"`
	Actor    string       `json:"actor"` // "controller" or a person or key
	Action   string       `json:"action"`
	Reason   string       `json:"reason"`
	From     RolloutState `json:"from"`
	To       RolloutState `json:"to"`
	Step     int          `json:"step"`
	Percent  Percent      `json:"percent"`
	Decision *Decision    `json:"decision,omitempty"` // the evidence, where it decided
}

// RolloutStore keeps rollouts with their history. It is safe for concurrent use.
type RolloutStore interface {
	// Rollouts returns every rollout, latest created first. None is an empty slice.
	Rollouts(ctx context.Context) ([]Rollout, error)
	// Rollout returns one; ErrNotFound when there is none.
	Rollout(ctx context.Context, id string) (Rollout, error)
	// SaveRollout stores the rollout's new state with its transition and the audit
	// record in one transaction. ErrChanged when the stored revision is not
	// r.Revision − 1; ErrRefused when another active rollout holds the flag.
	SaveRollout(ctx context.Context, r Rollout, t Transition) error
	// NoteRollout stores what changes without a transition (decision, bake time). It
	// changes nothing when the revision is no longer the stored one.
	NoteRollout(ctx context.Context, r Rollout) error
	// Transitions returns a rollout's history, newest first.
	Transitions(ctx context.Context, id string) ([]Transition, error)
	// Lease takes or renews the right to run the controller until a time; false when
	// another holder has it.
	Lease(ctx context.Context, holder string, until, now time.Time) (bool, error)
}

// EvidenceSource answers what a rollout's units experienced.
type EvidenceSource interface {
	metrics.Trials
}
