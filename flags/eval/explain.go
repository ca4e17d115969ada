package eval

import (
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
)

const maxExplainSteps = 500

// Explanation is an answer with how it came about.
type Explanation struct {
	Result Result
	Steps  []Step
}

// Step is one thing that was looked at, in order.
type Step struct {
	Words string `json:"words"`          // a sentence
	Path  string `json:"path,omitempty"` // of the rule: $.flags.NAME.targeting.if[0]
	Rule  string `json:"rule,omitempty"` // as JSON
	Found string `json:"found,omitempty"`
	// Bucket, Total and Ranges are set where a hash decided.
	Bucket *uint64 `json:"bucket,omitempty"`
	Total  uint64  `json:"total,omitempty"`
	Ranges []Range `json:"ranges,omitempty"`
}

// Range is the buckets of one variant: From ≤ bucket < To.
type Range struct {
	Variant string    `json:"variant"`
	Arm     flags.Arm `json:"arm,omitempty"`
	From    uint64    `json:"from"`
	To      uint64    `json:"to"`
	Hit     bool      `json:"hit"`
}

// Explain answers as Evaluate does and says how it got there.
func (s *Set) Explain(key string, ctx Context, now time.Time) Explanation {
	t := &tracer{}
	r := s.evaluate(key, ctx, now, t)
	t.add(Step{Words: r.sentence(), Found: string(r.JSON)})
	r.Metadata.Pin = "" // Whoever may ask, at whatever time, is not who uses the flag.
	return Explanation{Result: r, Steps: t.steps}
}

// note records what one part of a rule gave.
func (t *tracer) note(o *origin, v any, err error) {
	s := Step{Path: o.path, Rule: literal(o.src), Found: literal(v)}
	switch {
	case err != nil:
		s.Found, s.Words = "", fmt.Sprintf("%s cannot be worked out: %v.", phrase(o.src), err)
	case o.op == "fractional":
		t.locate(o, s.Found)
		return
	case o.op == "var" && v == nil:
		s.Words = fmt.Sprintf("The context has no %s.", phrase(o.src))
	case o.op == "var":
		s.Words = fmt.Sprintf("%s is %s.", phrase(o.src), s.Found)
	case o.op == "if" || o.op == "?:":
		s.Words = fmt.Sprintf("The rule gives %s.", s.Found)
	case v == true || v == false:
		s.Words = fmt.Sprintf("%s: %s.", phrase(o.src), map[any]string{true: "yes", false: "no"}[v])
	default:
		s.Words = fmt.Sprintf("%s gives %s.", phrase(o.src), s.Found)
	}
	t.add(s)
}

// locate says of the draw, or of the remark why there was none, which rule it belongs to.
func (t *tracer) locate(o *origin, found string) {
	if n := len(t.steps); t.paused == 0 && n > 0 && t.steps[n-1].Path == "" {
		last := &t.steps[n-1]
		last.Path, last.Rule, last.Found = o.path, literal(o.src), found
	}
}

// drawn records where a hash lies among the weights.
func (t *tracer) drawn(text []byte, shares []share, total, bucket uint64) {
	if t != nil { // Apart, so that nothing is allocated for nobody.
		t.draw(text, shares, total, bucket)
	}
}

func (t *tracer) draw(text []byte, shares []share, total, bucket uint64) {
	s := Step{Bucket: &bucket, Total: total}
	from, hit := uint64(0), "nothing"
	for _, sh := range shares {
		r := Range{Variant: string(appendText(nil, sh.variant)), From: from, To: from + sh.weight}
		r.Hit = bucket >= r.From && bucket < r.To
		if r.Hit {
			hit = r.Variant
		}
		s.Ranges = append(s.Ranges, r)
		from = r.To
	}
	s.Words = fmt.Sprintf("The hash of %q lies at %d of %d, which is %s.", text, bucket, total, hit)
	t.add(s)
}

func (t *tracer) cohort(a *assignment, inside bool) {
	if t == nil {
		return
	}
	words := "is not in the cohort of rollout %s: the flag's own targeting counts."
	if inside {
		words = "is in the cohort of rollout %s."
	}
	t.add(Step{Words: "The unit " + fmt.Sprintf(words, a.Rollout)})
}

// placed records where a unit lies in a rollout.
func (t *tracer) placed(a *assignment, unit string, bucket uint64, arm flags.Arm) {
	if t == nil {
		return
	}
	whole, p := uint64(flags.Whole), a.percent
	edge := max(p, whole-min(p, whole/2))
	ranges := []Range{
		{Variant: a.Candidate, Arm: flags.ArmCandidate, From: 0, To: p},
		{Variant: a.Control, Arm: flags.ArmRest, From: p, To: edge},
		{Variant: a.Control, Arm: flags.ArmControl, From: edge, To: whole},
	}
	s := Step{Bucket: &bucket, Total: whole}
	for _, r := range ranges {
		if r.From < r.To {
			r.Hit = bucket >= r.From && bucket < r.To
			s.Ranges = append(s.Ranges, r)
		}
	}
	stage := fmt.Sprintf("step %d", a.Step+1)
	if a.Step < 0 {
		stage = "in a phase without steps"
	}
	s.Words = fmt.Sprintf("Rollout %s, %s, gives %s of units the candidate. %q lies at %d of %d: %s.",
		a.Rollout, stage, percentWords(a.Percent), unit, bucket, whole, armWords(arm))
	t.add(s)
}

func percentWords(p flags.Percent) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", float64(p)/100), "0"), ".") + "%"
}

func armWords(a flags.Arm) string {
	switch a {
	case flags.ArmCandidate:
		return "the candidate"
	case flags.ArmControl:
		return "the control, which the candidate is compared with"
	}
	return "the control's variant, not compared"
}

// sentence says what the answer is.
func (r *Result) sentence() string {
	switch {
	case r.Code != CodeNone:
		return fmt.Sprintf("Error %s: %s.", r.Code, r.Details)
	case !r.HasValue():
		return fmt.Sprintf("The answer is the code's default (%s).", r.Reason)
	}
	return fmt.Sprintf("The answer is variant %s (%s).", r.Variant, r.Reason)
}
