package metrics

import (
	"context"
	"errors"
	"fmt"
)

// ErrTrial is wrapped by errors about malformed trials.
var ErrTrial = errors.New("malformed trial")

// Trial is what a staged change asks of the telemetry: two arms of units compared
// step by step. A unit's place in [0, 10000) is
//
//	bucket = (uint64(murmur3_32(Salt + unit, seed 0)) * 10000) >> 32
//
// which is flagd's fractional bucketing with weights that sum to 10,000. In a step
// with percentage p (in hundredths of a percent, basis points) the unit is in the
// candidate arm when bucket < p, in the control arm when bucket ≥ 10000 − min(p, 5000),
// and otherwise it is not compared.
type Trial struct {
	ID        string // of the rollout
	Flag      string // events that carry this flag are looked at
	Feature   string // only this feature's writes and reads; "" = every feature
	Salt      string
	Candidate string // variant of the candidate arm
	Control   string // variant of the control arm
	// Deadline is the promised time to visibility, ns: a write that is not visible at
	// every expected replica by then is late. 0 = nothing was promised.
	Deadline int64
	Steps    []TrialStep // ordered by From; a step ends where the next begins
}

// Check says what is wrong with a trial; nil when nothing is.
func (t *Trial) Check() error {
	switch {
	case t.ID == "", t.Flag == "", t.Salt == "":
		return fmt.Errorf("%w %q: id, flag and salt are required", ErrTrial, t.ID)
	case t.Candidate == "", t.Control == "", t.Candidate == t.Control:
		return fmt.Errorf("%w %q: candidate and control are two variants, not %q and %q", ErrTrial, t.ID, t.Candidate, t.Control)
	case t.Deadline < 0:
		return fmt.Errorf("%w %q: deadline %d ns is below 0", ErrTrial, t.ID, t.Deadline)
	}
	for i, s := range t.Steps {
		if s.Percent < 0 || s.Percent > 10_000 {
			return fmt.Errorf("%w %q: steps[%d].percent %d is not within 0 and 10000", ErrTrial, t.ID, i, s.Percent)
		}
		if i > 0 && s.From < t.Steps[i-1].From {
			return fmt.Errorf("%w %q: steps[%d] begins before the one in front of it", ErrTrial, t.ID, i)
		}
	}
	return nil
}

// TrialStep is one stage of a trial.
type TrialStep struct {
	Index   int   // 0-based position in the plan; −1 ends the trial's last step
	From    int64 // Unix ns; writes initiated from here on belong to the step
	Percent int   // basis points, 0..10000; 0 compares nobody
}

// Moments sum up one number a unit: over Units units, Σx and Σx².
type Moments struct {
	Units int64   `json:"units"`
	Sum   float64 `json:"sum"`
	SumSq float64 `json:"sum_sq"`
}

// Mean returns Sum ÷ Units; ok is false when there are no units.
func (m Moments) Mean() (mean float64, ok bool) {
	if m.Units == 0 {
		return 0, false
	}
	return m.Sum / float64(m.Units), true
}

// Rare counts something that hardly ever happens.
type Rare struct {
	Units    int64 `json:"units"`    // units with at least one
	Events   int64 `json:"events"`   // all of them
	Eligible int64 `json:"eligible"` // of how many checks, writes or reads
}

// LagBucket is one cell of a histogram of one-per-unit samples.
type LagBucket struct {
	Lower int64 `json:"lower_ns"` // ns, exclusive
	Upper int64 `json:"upper_ns"` // ns, inclusive
	Count int64 `json:"count"`
}

// ArmEvidence is what one arm's units experienced in one step.
type ArmEvidence struct {
	Units  int64 `json:"units"` // that wrote or read at least once
	Writes int64 `json:"writes"`
	// Lag is, a unit, its mean time to visibility at every expected replica, seconds,
	// over its writes that got there.
	Lag Moments `json:"lag"`
	// Late is, a unit, the share of its writes older than the deadline that were not
	// visible everywhere by then.
	Late Moments `json:"late"`
	// Converged is, a unit, the share of its writes older than the deadline that are
	// visible everywhere by now.
	Converged Moments `json:"converged"`
	// LagSample holds one write a unit, picked by the hash of its id, in increasing
	// order of lag: an independent sample, fit for order statistics. Relative
	// accuracy 1 %.
	LagSample []LagBucket `json:"lag_sample"`

	Conflicts  Rare `json:"conflicts"`  // of writes
	Violations Rare `json:"violations"` // of session checks that could be made
	Errors     Rare `json:"errors"`     // failed events, of writes
	Replays    Rare `json:"replays"`    // of writes
}

// StepEvidence is both arms in one step of the plan. A step that was entered more
// than once is summed up as one.
type StepEvidence struct {
	Index     int         `json:"step"`
	Candidate ArmEvidence `json:"candidate"`
	Control   ArmEvidence `json:"control"`
}

// TrialEvidence is everything that is known of a trial.
type TrialEvidence struct {
	Trial string         `json:"trial"`
	Steps []StepEvidence `json:"steps"` // those with any unit, by Index
	// LastEvent is when an event of either arm last came, Unix ns; 0 = never.
	LastEvent int64 `json:"last_event_ns"`
	// Writes counts all writes with the flag since the first step; NoUnit those of
	// them that name no unit, OtherVariant those whose unit had another variant than
	// its arm's (pinned sessions, stale caches). Neither is compared.
	Writes       int64 `json:"writes"`
	NoUnit       int64 `json:"no_unit"`
	OtherVariant int64 `json:"other_variant"`
	// Overflow counts how often a unit beyond the limit of those that are followed was
	// named.
	Overflow int64 `json:"overflow"`
	// Silent lists expected replicas of the feature that report nothing any more.
	Silent []string `json:"silent"`
}

// TrialUnit is what one unit experienced in one step: a row that a fold keeps.
type TrialUnit struct {
	Trial string
	Step  int
	Unit  string
	Data  []byte // the fold's own encoding; never empty
}

// Trials follows trials. It is safe for concurrent use.
type Trials interface {
	// SetTrials replaces the trials that are followed, at most one a flag. A trial is
	// followed from the moment it is set: set it before anybody can be assigned. What is
	// known of a trial stays while it is set, also over a restart; it is forgotten when it
	// is left out. ErrTrial says what is wrong with one; nothing has changed then.
	SetTrials(ctx context.Context, trials []Trial) error
	// Evidence returns what is known of a trial; ok is false when it is not followed.
	Evidence(ctx context.Context, id string) (e TrialEvidence, ok bool, err error)
}
