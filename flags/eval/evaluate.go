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
	e, _ := s.envs.Get().(*env)
	e.ctx, e.now, e.trace = ctx, now, t
	r := s.answer(f, e)
	e.ctx, e.trace = nil, nil
	s.envs.Put(e)
	return r
}

// answer evaluates one flag in an environment that has its context and time.
func (s *Set) answer(f *flag, e *env) Result {
	if f.disabled {
		e.trace.say("The flag is disabled: the code's default counts.")
		return Result{Key: f.key, Reason: ReasonDisabled, Metadata: f.metadata()}
	}
	e.key, e.steps = f.key, 0
	r := f.fresh(e)
	s.pin(f, e, &r)
	return r
}

// EvaluateAll appends what Evaluate answers for every flag, in the order of Keys.
func (s *Set) EvaluateAll(dst []Result, ctx Context, now time.Time) []Result {
	e, _ := s.envs.Get().(*env)
	e.ctx, e.now = ctx, now
	for _, f := range s.order {
		dst = append(dst, s.answer(f, e))
	}
	e.ctx = nil
	s.envs.Put(e)
	return dst
}

func (f *flag) metadata() Metadata { return Metadata{base: f.meta, Version: f.revision} }

// fresh answers as for a session that has just begun: the rollout first, then the
// flag's own targeting.
func (f *flag) fresh(e *env) Result {
	if f.split != nil {
		if r, decided := f.assign(e); decided {
			return r
		}
	}
	return f.target(e)
}

func (f *flag) target(e *env) Result {
	if f.rule == nil {
		e.trace.say("The flag has no targeting.")
		return f.fallbackResult(ReasonStatic, e.trace)
	}
	v, err := f.rule.eval(e, nil)
	if err != nil {
		return f.fail(CodeGeneral, fmt.Sprintf("targeting of flag %q cannot be worked out: %v", f.key, err))
	}
	if v == nil {
		e.trace.say("Targeting gives null, which means the default variant.")
		return f.fallbackResult(ReasonDefault, e.trace)
	}
	name, isText := v.(string)
	if !isText {
		name = string(appendText(nil, v))
	}
	i, known := f.byName[name]
	if !known {
		return f.fail(CodeGeneral, fmt.Sprintf("variant %.100q not found in flag %q", name, f.key))
	}
	return f.answer(i, ReasonTargetingMatch)
}

func (f *flag) fallbackResult(reason Reason, t *tracer) Result {
	if f.fallback < 0 {
		t.say("There is no default variant: the code's default counts.")
		return Result{Key: f.key, Reason: ReasonDefault, Metadata: f.metadata()}
	}
	return f.answer(f.fallback, reason)
}

func (f *flag) answer(i int, reason Reason) Result {
	v := &f.variants[i]
	return Result{
		Key: f.key, Value: v.value, JSON: v.json, Variant: v.name,
		Reason: reason, Metadata: f.metadata(),
	}
}

func (f *flag) fail(code ErrorCode, details string) Result {
	return Result{Key: f.key, Reason: ReasonError, Code: code, Details: details, Metadata: f.metadata()}
}

// assign lets the rollout decide; decided is false when the unit is not in its cohort.
func (f *flag) assign(e *env) (r Result, decided bool) {
	a := f.split
	if a.cohort != nil {
		v, err := a.cohort.eval(e, nil)
		if err != nil {
			return f.fail(CodeGeneral, fmt.Sprintf("the cohort of rollout %s cannot be worked out: %v", a.Rollout, err)), true
		}
		e.trace.cohort(a, truthy(v))
		if !truthy(v) {
			return Result{}, false
		}
	}
	unit, ok := e.unit()
	if !ok {
		return f.fail(CodeTargetingKeyMissing, fmt.Sprintf(
			"flag %q is being rolled out by %s, which needs a targetingKey in the context", f.key, a.Rollout)), true
	}
	arm, i, bucket := a.place(e.buf, unit)
	e.trace.placed(a, unit, bucket, arm)
	r = f.answer(i, ReasonSplit)
	r.Metadata.Rollout, r.Metadata.Step, r.Metadata.Arm = a.Rollout, a.Step, arm
	return r, true
}

// unit returns the targeting key as text; ok is false when there is none.
func (e *env) unit() (string, bool) {
	switch v := normal(e.ctx[TargetingKey]).(type) {
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
