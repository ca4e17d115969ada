package reconcile

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidemark/metrics"
)

// Example is a conflict with what the rule is expected to make of it. Examples are
// checked whenever a rule is stored: they say what the words mean.
type Example struct {
	Name   string         `json:"name"`
	Writes []ExampleWrite `json:"writes"`
	Expect Expectation    `json:"expect"`
}

// ExampleWrite is a write of an example.
type ExampleWrite struct {
	Write   string          `json:"write"`
	At      time.Time       `json:"at,omitzero"`
	Version string          `json:"version,omitempty"` // seq:N, hlc:WALL.LOGICAL or vv:NODE=N,…
	Service string          `json:"service,omitempty"`
	Replica string          `json:"replica,omitempty"`
	Region  string          `json:"region,omitempty"`
	Owner   string          `json:"owner,omitempty"`
	Delta   json.RawMessage `json:"delta,omitempty"`
}

// Expectation is exactly one of its members.
type Expectation struct {
	Winner string          `json:"winner,omitempty"`
	Merged json.RawMessage `json:"merged,omitempty"`
	Person bool            `json:"person,omitempty"`
}

func (r *Rule) checkExamples() error {
	if len(r.Examples) > maxExamples {
		return bad("examples", "has %d items; at most %d are allowed", len(r.Examples), maxExamples)
	}
	for i := range r.Examples {
		field := fmt.Sprintf("examples[%d]", i)
		all, err := r.Examples[i].siblings(field)
		if err != nil {
			return err
		}
		if err := r.Examples[i].check(field, r.Decide(all)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Example) siblings(field string) ([]Sibling, error) {
	if len(e.Writes) == 0 || len(e.Writes) > MaxSiblings {
		return nil, bad(field+".writes", "has %d items; between 1 and %d are allowed", len(e.Writes), MaxSiblings)
	}
	var out []Sibling
	for i := range e.Writes {
		w := &e.Writes[i]
		at := fmt.Sprintf("%s.writes[%d]", field, i)
		v, err := metrics.ParseVersion(w.Version)
		switch {
		case err != nil:
			return nil, bad(at+".version", "%s", err)
		case w.Write == "":
			return nil, bad(at+".write", "is empty; each write needs a name")
		case slices.ContainsFunc(out, func(s Sibling) bool { return s.WriteID == w.Write }):
			return nil, bad(at+".write", "%q is there twice", w.Write)
		}
		s := Sibling{
			WriteID: w.Write, Known: true, Version: v, Owner: w.Owner, ClockID: "example",
			Service: w.Service, Replica: w.Replica, Region: w.Region, Delta: string(w.Delta),
		}
		if !w.At.IsZero() {
			s.At = w.At.UnixNano()
			s.Reported = s.At
		}
		out = append(out, s)
	}
	return out, nil
}

// check compares what the rule gives with what was expected.
func (e *Example) check(field string, got Outcome) error {
	want := &e.Expect
	said := truth(want.Winner != "") + truth(len(want.Merged) > 0) + truth(want.Person)
	switch {
	case said != 1:
		return bad(field+".expect", "must have exactly one of winner, merged and person")
	case want.Person && got.Kind != Person:
		return bad(field, "a person is expected, and the rule gives %s", told(&got))
	case want.Winner != "" && (got.Kind != Keep || got.Winner != want.Winner):
		return bad(field, "%s is expected to win, and the rule gives %s", want.Winner, told(&got))
	case len(want.Merged) > 0 && (got.Kind != Merged || !equalJSON(want.Merged, got.Merged)):
		return bad(field, "%s is expected, and the rule gives %s", want.Merged, told(&got))
	}
	return nil
}

func told(o *Outcome) string {
	switch o.Kind {
	case Keep:
		return o.Winner
	case Merged:
		return string(o.Merged)
	case Person:
		return "it to a person: " + o.Why
	}
	return "nothing: " + o.Why
}

func equalJSON(a, b json.RawMessage) bool {
	x, errX := decode(string(a))
	y, errY := decode(string(b))
	return errX == nil && errY == nil && canonical(x) == canonical(y)
}
