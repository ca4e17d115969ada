package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tidemark/flags"
)

// Limits of a plan.
const (
	MaxPlanBytes  = 256 << 10
	MaxSteps      = 50
	MaxGuardrails = 20
	MaxFreezes    = 100
	MaxApprovals  = 5
	MaxText       = 200 // characters of a title, a name, a flag's key
	maxCohort     = 64 << 10
	maxBake       = 30 * flags.Day
	minBake       = time.Second
	maxUnits      = 1_000_000_000
	maxPin        = 30 * flags.Day
	minPin        = time.Minute
	minNoData     = 10 * time.Second
	maxNoData     = 7 * flags.Day
	maxLate       = 30 * flags.Day
)

// What a plan that does not say gets.
const (
	DefaultMinUnits = 1000
	DefaultNoData   = 15 * time.Minute
	DefaultPin      = 24 * time.Hour
	// checkWithin is the deadline of a check of convergence.
	checkWithin = time.Minute
)

// DefaultSteps are 1, 5, 10, 25, 50 and 100 %, each with a longer look than the one
// before, since each reaches people that have not been asked.
func DefaultSteps() []flags.PlanStep {
	step := func(percent int, bake time.Duration) flags.PlanStep {
		return flags.PlanStep{Percent: flags.Percent(percent * 100), Bake: flags.Duration(bake), MinUnits: DefaultMinUnits}
	}
	return []flags.PlanStep{
		step(1, 30*time.Minute), step(5, time.Hour), step(10, time.Hour),
		step(25, 2*time.Hour), step(50, 4*time.Hour), step(100, 12*time.Hour),
	}
}

// defaultBake is for steps that say a percentage and nothing else.
const defaultBake = time.Hour

// Parse reads a plan in JSON. Fields that are not known are refused: a misspelt
// guardrail that is ignored is none.
func Parse(data []byte) (flags.Plan, error) {
	var p flags.Plan
	if len(data) > MaxPlanBytes {
		return p, invalid("", "is %d bytes; at most %d are allowed", len(data), MaxPlanBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return p, parseError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return p, invalid("", "holds more than one JSON value")
	}
	return p, nil
}

func parseError(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid(t.Field, "is %s; want %s", t.Value, kindWords(t.Type.Kind().String()))
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid(strings.Trim(field, `"`), "is no field of a plan; see docs/rollouts.md for those that are")
	}
	return invalid("", "is not the JSON object of a plan: %s", err)
}

func kindWords(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "slice":
		return "a list"
	case kind == "struct":
		return "an object"
	case kind == "bool":
		return "true or false"
	}
	return "a " + kind
}

func invalid(field, format string, args ...any) error {
	return flags.AsProblems([]flags.Problem{{Field: field, Message: fmt.Sprintf(format, args...)}})
}

// Complete fills in what the plan leaves out: from the feature's guarantee, when g is
// not nil, else from the defaults of this package.
func Complete(p flags.Plan, g *flags.Guarantee) flags.Plan {
	p = fromGuarantee(p, g)
	if len(p.Steps) == 0 {
		p.Steps = DefaultSteps()
		acceptance(p.Steps, g, true)
	} else {
		p.Steps = append([]flags.PlanStep{}, p.Steps...)
		acceptance(p.Steps, g, false)
	}
	if len(p.Guardrails) == 0 {
		p.Guardrails = guardrailsOf(g)
	}
	p.Guardrails = append([]flags.Guardrail{}, p.Guardrails...)
	for i := range p.Guardrails {
		if p.Guardrails[i].Action == "" {
			p.Guardrails[i].Action = flags.GuardRevert
		}
	}
	p.Phases = completePhases(p.Phases, p.Candidate)
	if p.OnDeadline == "" {
		p.OnDeadline = flags.DeadlineHold
	}
	if p.NoData == 0 {
		p.NoData = flags.Duration(DefaultNoData)
	}
	if p.PinFor == 0 && !p.NoPins {
		p.PinFor = flags.Duration(DefaultPin)
	}
	return p
}

// acceptance fills in how long and how many: what the guarantee asks for (all steps,
// when they are the default ones), else the defaults.
func acceptance(steps []flags.PlanStep, g *flags.Guarantee, replace bool) {
	bake, units := defaultBake, int64(DefaultMinUnits)
	asked := g != nil && g.Acceptance != nil
	if asked && g.Acceptance.Bake > 0 {
		bake = g.Acceptance.Bake
	}
	if asked && g.Acceptance.MinUnits > 0 {
		units = int64(g.Acceptance.MinUnits)
	}
	for i := range steps {
		if steps[i].Bake == 0 || (replace && asked && g.Acceptance.Bake > 0) {
			steps[i].Bake = flags.Duration(bake)
		}
		if steps[i].MinUnits == 0 || (replace && asked) {
			steps[i].MinUnits = units
		}
	}
}

// completePhases says what everyone gets while the candidate is being cleaned up
// after.
func completePhases(phases []flags.PlanPhase, candidate string) []flags.PlanPhase {
	out := make([]flags.PlanPhase, len(phases))
	for i, ph := range phases {
		if ph.Phase == flags.PhaseRampDown && ph.Variant == "" {
			ph.Variant = candidate
		}
		out[i] = ph
	}
	return out
}
