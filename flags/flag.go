package flags

import (
	"encoding/json"
	"time"
)

// The kinds of document that say what a flag answers. Flags, cohorts and the
// settings of the flag set are documents with revisions like any other; their
// content is canonical JSON in flagd's definition format (flagd-schemas, draft-07).
const (
	// KindFlag: one entry of "flags": state, variants, defaultVariant, targeting, metadata.
	KindFlag DocumentKind = "Flag"
	// KindCohort: one entry of "$evaluators": a named, reusable targeting rule, which
	// flags use by {"$ref": "NAME"}.
	KindCohort DocumentKind = "Cohort"
	// KindFlagSet: the set's "metadata"; there is one, named "default".
	KindFlagSet DocumentKind = "FlagSet"
	// KindRolloutPlan: a plan kept in Git, from which rollouts are made.
	KindRolloutPlan DocumentKind = "RolloutPlan"
	// KindRule: a reconciliation rule.
	KindRule DocumentKind = "ReconciliationRule"
	// KindLabel: a label of writes, and which services may carry it.
	KindLabel DocumentKind = "Label"
	// KindPolicy: one Cedar policy about who sees and who reports what.
	KindPolicy DocumentKind = "Policy"
	// KindOwnership: which services publish and consume the feature of its name.
	KindOwnership DocumentKind = "Ownership"
)

// Bucketing names how fractional targeting turns a unit into a bucket. It is stored
// with each flag, so that an upgrade never moves anybody.
type Bucketing string

// BucketingV2 is flagd 0.16's: (uint64(murmur3_32(s)) * total weight) >> 32.
const BucketingV2 Bucketing = "v2"

// Percent is a share in hundredths of a percent (basis points): 0 to 10,000.
type Percent int

// Whole is everybody.
const Whole Percent = 10_000

// Assignment is how a rollout decides who gets what of one flag, as far as an
// evaluation needs it. It is the same everywhere: here, in the Go provider, and in
// the flagd definition that is synced, where it is the fractional operation
//
//	{"fractional": [{"cat": [SALT, {"var": "targetingKey"}]}, [CANDIDATE, p], [CONTROL, 10000−2p], [CONTROL, p]]}
//
// (for p ≤ ½; beyond it [CANDIDATE, p], [CONTROL, 10000−p]), in front of which stands
// the cohort's rule: who is outside of it gets what the flag's own targeting says.
type Assignment struct {
	Rollout   string          `json:"rollout"` // id
	Flag      string          `json:"flag"`
	Salt      string          `json:"salt"`
	Step      int             `json:"step"` // 0-based
	Percent   Percent         `json:"percent"`
	Candidate string          `json:"candidate"` // variants
	Control   string          `json:"control"`
	Cohort    json.RawMessage `json:"cohort,omitempty"` // targeting rule; nil = everyone
	// PinFor is how long a session may stay on what it started with; 0 = no pins.
	PinFor time.Duration `json:"pin_for"`
	// PinsBrokenAt voids every pin of the flag that was given before; Unix ns.
	PinsBrokenAt int64 `json:"pins_broken_at"`
}

// Arm is the part of a rollout that a unit is in.
type Arm string

// The arms.
const (
	ArmNone      Arm = ""          // outside of the cohort, or no rollout
	ArmCandidate Arm = "candidate" // bucket < p
	ArmControl   Arm = "control"   // bucket ≥ 10000 − min(p, 5000)
	ArmRest      Arm = "rest"      // in the cohort, not compared
)
