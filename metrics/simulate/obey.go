package simulate

import (
	"slices"
	"strconv"

	"tidemark/metrics"
)

// Ask decides what a session gets of its feature's flag, as a flag service does for a
// program. It is called in the order of simulated time, before each operation: the
// first one begins the session, and each later one carries the pin of the answer
// before it.
type Ask func(Question) Answer

// Question is one evaluation of a flag.
type Question struct {
	Feature, Flag string
	Unit          string // the targeting key: the user
	Session       string
	Pin           string // of the session's last answer; "" = none
	At            int64  // simulated time, Unix ns
}

// Answer is what the session gets.
type Answer struct {
	// Variant names the arm to behave as; "" = the flag decides nothing, and the session
	// does what the feature does by default.
	Variant string
	// Model is the model that the variant's value names; it says what a variant without
	// an arm of its name does.
	Model        string
	Arm, Rollout string // of a rollout, where one decided
	Pin          string // to send back
}

// models are those that a session can be told to follow.
func models() []string {
	return []string{Eventual, MonotonicRead, ReadYourWrite, Causal, Bounded, Strong}
}

// ask begins an operation: the session learns what it gets now, and keeps its pin.
func (s *session) ask() {
	f := s.f
	if f.ask == nil || f.Flag == "" {
		return
	}
	a := f.ask(Question{
		Feature: f.Name, Flag: f.Flag, Unit: s.user, Session: s.id, Pin: s.got.Pin, At: f.sim.start + f.sim.now,
	})
	if a.Pin == "" {
		a.Pin = s.got.Pin
	}
	if a.Variant != s.got.Variant || a.Model != s.got.Model || s.arm == nil {
		s.arm = f.armFor(a)
		s.sticky = nil
	}
	s.got, s.told.attributes = a, ""
	if a.Arm != "" || a.Rollout != "" {
		s.told.attributes = `{"arm":` + strconv.Quote(a.Arm) + `,"rollout":` + strconv.Quote(a.Rollout) + `}`
	}
}

// told is what a session was told by its flag, as its events say it.
type told struct{ flag, unit, attributes string }

func (t told) stamp(e *metrics.Event) {
	if t.flag != "" {
		e.Flag, e.Unit, e.Attributes = t.flag, t.unit, t.attributes
	}
}

// armFor is the arm that behaves as an answer says: the one of its name; else what the
// feature does by default, which is its last arm, with the model that the answer names.
func (f *feature) armFor(a Answer) *Arm {
	if i := slices.IndexFunc(f.arms, func(x Arm) bool { return x.Variant == a.Variant }); i >= 0 {
		return &f.arms[i]
	}
	name := a.Variant + "/" + a.Model
	if x := f.others[name]; x != nil {
		return x
	}
	x := f.arms[len(f.arms)-1]
	x.Variant = a.Variant
	if slices.Contains(models(), a.Model) {
		x.Model = a.Model
	}
	f.others[name] = &x
	return &x
}
