package eval

import (
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
)

// Limits of the pins in one context.
const (
	MaxPinBytes = 16 << 10 // all of them together
	MaxPins     = 64
)

// pin lets the session's pin, when it sent one, have its say about a fresh answer, and
// gives one where a rollout decided.
func (s *Set) pin(f *flag, e *env, r *Result) {
	token, c := e.pinOf(f.key)
	switch {
	case token == "":
		s.givePin(f, e, r)
		return
	case s.pins == nil:
		r.Metadata.PinError = PinUnexpected
		return
	}
	why := PinMalformed
	if c != nil {
		why = s.pins.check(token)
	}
	if why == PinOK {
		why = s.accept(f, e, c)
	}
	if why != PinOK {
		e.trace.sayf("The session's pin is ignored (%s): it is treated as new.", why)
		s.givePin(f, e, r)
		r.Metadata.PinError = why
		return
	}
	s.hold(f, e, r, token, c)
}

// maxAhead is how far the clock of another server that signs may be ahead. A pin from
// further ahead would outlive that all pins are broken.
const maxAhead = 10 * time.Minute

// accept reports what speaks against a pin whose signature is good.
func (s *Set) accept(f *flag, e *env, c *claim) PinError {
	unit, ok := e.unit()
	if !ok || hashUnit(unit) != c.unit {
		return PinOtherUnit
	}
	broken := f.broken
	if f.split != nil {
		broken = max(broken, f.split.PinsBrokenAt)
	}
	current := f.split != nil && f.split.Rollout == c.rollout
	switch {
	case e.now.UnixNano() >= c.expires:
		return PinExpired
	case c.issued < broken, c.issued > e.now.Add(maxAhead).UnixNano():
		return PinBroken
	case !current && s.source.PinsBroken == nil:
		// The rollout is over, and nobody can say whether its pins were broken.
		return PinUnknown
	}
	if held := f.revisionOf(c.revision); held == nil || !held.has(c.variant) {
		return PinUnknown
	}
	return PinOK
}

func (f *flag) revisionOf(revision int64) *flag {
	if f.revision == revision {
		return f
	}
	return f.past[revision]
}

func (f *flag) has(variant string) bool {
	_, ok := f.byName[variant]
	return ok
}

// hold decides between what the session has and what it would get now. It moves only
// to a model that includes the one it has; where a variant names no model, it stays.
func (s *Set) hold(f *flag, e *env, r *Result, token string, c *claim) {
	held := f.revisionOf(c.revision)
	i := held.byName[c.variant]
	was, now := held.variants[i].model, f.modelOf(r)
	if was != "" && now != "" && now.Includes(was) {
		e.trace.sayf("The session is pinned to %s (%s); %s (%s) promises no less, so it moves.", c.variant, was, r.Variant, now)
		if r.Variant == c.variant && r.Metadata.Version == c.revision && r.Metadata.Rollout == c.rollout {
			r.Metadata.Pin = token // a pin is not made younger: in the end all sessions drain
			r.Metadata.Session = c.session(true)
			return
		}
		s.givePin(f, e, r)
		return
	}
	if e.trace != nil {
		e.trace.sayf("The session is pinned to %s of revision %d and stays there: %s.", c.variant, c.revision, whyStay(was, now, r))
	}
	held.answer(r, i, ReasonSplit)
	r.Metadata.base = f.meta
	r.Metadata.Rollout, r.Metadata.Step, r.Metadata.Arm = c.rollout, c.step, c.arm
	r.Metadata.Pin, r.Metadata.Pinned = token, true
	r.Metadata.Session = c.session(true)
}

func (c *claim) session(returned bool) Session {
	return Session{Issued: c.issued, Expires: c.expires, Unit: c.unit, Returned: returned}
}

func whyStay(was, now flags.Model, r *Result) string {
	switch {
	case was == "" || now == "":
		return "a session moves only between consistency models"
	case r.Variant == "":
		return "there is nothing else for it"
	}
	return fmt.Sprintf("%s does not include %s", now, was)
}

// modelOf is the model of an answer that was just worked out.
func (f *flag) modelOf(r *Result) flags.Model {
	if !r.HasValue() {
		return ""
	}
	return f.variants[f.byName[r.Variant]].model
}

// givePin adds a pin to an answer that a rollout decided.
func (s *Set) givePin(f *flag, e *env, r *Result) {
	if s.pins == nil || r.Reason != ReasonSplit || f.split == nil || f.split.PinFor <= 0 {
		return
	}
	unit, ok := e.unit()
	if !ok {
		return
	}
	issued := e.now.UnixNano()
	c := &claim{
		flag: f.key, variant: r.Variant, rollout: r.Metadata.Rollout,
		revision: f.revision, step: r.Metadata.Step, arm: r.Metadata.Arm,
		issued: issued, expires: issued + int64(f.split.PinFor), unit: hashUnit(unit),
	}
	r.Metadata.Pin, r.Metadata.Session = s.pins.seal(c), c.session(false)
}

// pinsIn returns what the context holds for pins, for whichever flag: nil for nothing.
func pinsIn(ctx Context) any {
	v := ctx[PinKey]
	if v == nil {
		within, ok := normal(ctx["tidemark"]).(map[string]any)
		if !ok {
			return nil
		}
		v = within["pin"]
	}
	return normal(v)
}

// pinOf returns the pin for a flag from the context: "" when there is none. Pins for
// other flags may stand beside it, divided by commas or as a list. What is no pin at
// all is returned without a claim, so that its sender hears of it.
func (e *env) pinOf(key string) (token string, c *claim) {
	switch t := e.pins.(type) {
	case nil:
		return "", nil
	case string:
		return findPin(strings.Split(t[:min(len(t), MaxPinBytes)], ","), key)
	case []any:
		tokens := make([]string, 0, min(len(t), MaxPins))
		for _, p := range t[:min(len(t), MaxPins)] {
			s, _ := p.(string)
			tokens = append(tokens, s)
		}
		return findPin(tokens, key)
	}
	return "?", nil
}

func findPin(tokens []string, key string) (token string, c *claim) {
	for _, t := range tokens[:min(len(tokens), MaxPins)] {
		t = strings.TrimSpace(t)
		if t == "" {
			continue
		}
		c, ok := readClaim(t)
		if !ok {
			token = t
			continue
		}
		if c.flag == key {
			return t, c
		}
	}
	return token, nil
}
