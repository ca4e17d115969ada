package eval

import (
	"fmt"
	"time"

	"tidemark/flags"
)

// Evaluate answers what the context's unit gets of a flag.
func (s *Set) Evaluate(key string, ctx Context, now time.Time) Result {
	return s.evaluate(key, ctx, now, nil)
}

func (s *Set) evaluate(key string, ctx Context, now time.Time, t *tracer) Result {
	f := s.flags[key]
	if f == nil {
		return Result{
			Key: key, Reason: ReasonError, Code: CodeFlagNotFound,
			Details: fmt.Sprintf("flag %q not found", key),
		}
	}
	e := s.begin(ctx, now, t)
	var r Result
	s.answer(f, e, &r)
	s.end(e)
	return r
}

// EvaluateAll tells what Evaluate answers for every flag, in the order of Keys. The next
// answer is written over the one before it.
func (s *Set) EvaluateAll(ctx Context, now time.Time, tell func(r *Result)) {
	e := s.begin(ctx, now, nil)
	for _, f := range s.order {
		s.answer(f, e, &e.result)
		tell(&e.result)
	}
	s.end(e)
}

// answer evaluates one flag in an environment that has its context and time. Like all
// that follow it writes each member of r, which may hold an older answer: to return
// and copy them would cost more than most evaluations.
func (s *Set) answer(f *flag, e *env, r *Result) {
	if f.disabled {
		e.trace.say("The flag is disabled: the code's default counts.")
		f.codeDefault(r, ReasonDisabled)
		return
	}
	e.key, e.steps = f.key, 0
	f.fresh(e, r)
	s.pin(f, e, r)
}

// fresh answers as for a session that has just begun: the rollout first, then the
// flag's own targeting.
func (f *flag) fresh(e *env, r *Result) {
	if f.split == nil || !f.assign(e, r) {
		f.target(e, r)
	}
}

func (f *flag) target(e *env, r *Result) {
	if f.rule == nil {
		e.trace.say("The flag has no targeting.")
		f.fallbackResult(r, ReasonStatic, e.trace)
		return
	}
	v, err := f.rule.eval(e, nil)
	if err != nil {
		f.fail(r, CodeGeneral, fmt.Sprintf("targeting of flag %q cannot be worked out: %v", f.key, err))
		return
	}
	if v == nil {
		e.trace.say("Targeting gives null, which means the default variant.")
		f.fallbackResult(r, ReasonDefault, e.trace)
		return
	}
	name, isText := v.(string)
	if !isText {
		name = string(appendText(nil, v))
	}
	if i, known := f.variantOf(name); known {
		f.answer(r, i, ReasonTargetingMatch)
		return
	}
	f.fail(r, CodeGeneral, fmt.Sprintf("variant %.100q not found in flag %q", name, f.key))
}

// fewVariants is up to how many are sooner compared than hashed.
const fewVariants = 4

func (f *flag) variantOf(name string) (i int, known bool) {
	if len(f.variants) > fewVariants {
		i, known = f.byName[name]
		return i, known
	}
	for i := range f.variants {
		if f.variants[i].name == name {
			return i, true
		}
	}
	return 0, false
}

func (f *flag) fallbackResult(r *Result, reason Reason, t *tracer) {
	if f.fallback < 0 {
		t.say("There is no default variant: the code's default counts.")
		f.codeDefault(r, ReasonDefault)
		return
	}
	f.answer(r, f.fallback, reason)
}

func (f *flag) answer(r *Result, i int, reason Reason) {
	v := &f.variants[i]
	r.Key, r.Value, r.JSON, r.Variant = f.key, v.value, v.json, v.name
	r.Reason = reason
	if r.Code != CodeNone {
		r.Code, r.Details = CodeNone, ""
	}
	r.written, r.kind = v, f.kind(i, reason)
	r.Metadata.of(f)
}

// codeDefault answers that the flag says nothing.
func (f *flag) codeDefault(r *Result, reason Reason) {
	*r = Result{Key: f.key, Reason: reason, kind: f.kind(noVariant, reason)}
	r.Metadata.of(f)
}

func (f *flag) fail(r *Result, code ErrorCode, details string) {
	*r = Result{Key: f.key, Reason: ReasonError, Code: code, Details: details, kind: f.kind(noVariant, ReasonError)}
	r.Metadata.of(f)
}

// assign lets the rollout decide; it returns false when the unit is not in its cohort.
func (f *flag) assign(e *env, r *Result) (decided bool) {
	a := f.split
	if a.cohort != nil {
		v, err := a.cohort.eval(e, nil)
		if err != nil {
			f.fail(r, CodeGeneral, fmt.Sprintf("the cohort of rollout %s cannot be worked out: %v", a.Rollout, err))
			return true
		}
		e.trace.cohort(a, truthy(v))
		if !truthy(v) {
			return false
		}
	}
	unit, ok := e.unit()
	if !ok {
		f.assignNobody(e, r)
		return true
	}
	arm, i, bucket := a.place(e.buf, unit)
	e.trace.placed(a, unit, bucket, arm)
	f.answer(r, i, ReasonSplit)
	r.Metadata.Rollout, r.Metadata.Step, r.Metadata.Arm = a.Rollout, a.Step, arm
	return true
}

// assignNobody answers a context that names no unit. Where the rollout gives everyone the
// same it needs none, so that a revert reaches callers without a key too; else it would
// be a guess.
func (f *flag) assignNobody(e *env, r *Result) {
	a := f.split
	i := a.control
	switch a.percent {
	case uint64(flags.Whole):
		i = a.candidate
	case 0:
	default:
		f.fail(r, CodeTargetingKeyMissing, fmt.Sprintf(
			"flag %q is being rolled out by %s, which needs a targetingKey in the context", f.key, a.Rollout))
		return
	}
	f.answer(r, i, ReasonSplit)
	r.Metadata.Rollout, r.Metadata.Step = a.Rollout, a.Step
	if e.trace != nil {
		e.trace.sayf("Rollout %s gives everyone %s now, with or without a targetingKey.", a.Rollout, r.Variant)
	}
}

// unit returns the targeting key as text; ok is false when there is none.
func (e *env) unit() (string, bool) {
	switch v := e.attribute(TargetingKey, unitSlot).(type) {
	case string:
		return v, v != ""
	case float64, bool:
		return string(appendText(nil, v)), true
	}
	return "", false
}

// place returns the arm and variant of a unit.
func (a *assignment) place(scratch []byte, unit string) (arm flags.Arm, variant int, bucket uint64) {
	text := append(append(scratch[:0], a.salt...), unit...)
	bucket = bucketOf(text, uint64(flags.Whole))
	switch {
	case bucket < a.percent:
		return flags.ArmCandidate, a.candidate, bucket
	case bucket >= uint64(flags.Whole)-min(a.percent, uint64(flags.Whole)/2):
		return flags.ArmControl, a.control, bucket
	}
	return flags.ArmRest, a.control, bucket
}

// Assign returns the arm and the variant that the rollout of a flag gives a unit. It
// takes the unit to be in the rollout's cohort and looks at no pin. ok is false when
// no rollout holds the flag, or it is disabled.
func (s *Set) Assign(key, unit string) (arm flags.Arm, variant string, ok bool) {
	f := s.flags[key]
	if f == nil || f.split == nil || f.disabled || unit == "" {
		return flags.ArmNone, "", false
	}
	var scratch [256]byte
	arm, i, _ := f.split.place(scratch[:], unit)
	return arm, f.variants[i].name, true
}
