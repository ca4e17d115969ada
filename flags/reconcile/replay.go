package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// ReplayQuery tries a rule on past conflicts. Nothing is changed by it.
type ReplayQuery struct {
	// Of selects the conflicts, and says what who asks may see of them: a rule of their
	// own would else find out, try by try, what they may not see. Its budget is not looked
	// at.
	Of AgreementQuery
	// Candidate is the rule that is tried, and Base what it is compared with as to what
	// is lost; nil = the rule that each conflict names.
	Candidate, Base *Rule
	Name            string // of the candidate
}

// Replay is what another rule would have made of past conflicts.
type Replay struct {
	Name      string    `json:"name"`
	Version   int       `json:"version"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Feature   string    `json:"feature,omitempty"`
	Conflicts int       `json:"conflicts"`
	More      bool      `json:"more"` // older ones in the range were not looked at
	Changes
	Features []FeatureReplay `json:"features"`
	// Examples are conflicts that would end otherwise, newest first.
	Examples []ReplayInstance `json:"examples"`
}

// Changes counts what would become of conflicts.
type Changes struct {
	Same     int           `json:"same"`     // as it was reported
	Changed  int           `json:"changed"`  // another winner, or another merge
	Asked    int           `json:"asked"`    // decided by a program, and would go to a person
	Spared   int           `json:"spared"`   // open or decided by a person, and would be decided
	Left     int           `json:"left"`     // open or decided by a person, and would be again
	Unjudged int           `json:"unjudged"` // cannot be told
	Causes   map[Cause]int `json:"causes,omitempty"`
	// PersonSame counts those of Spared that a person decided as the rule would.
	PersonSame int `json:"person_same"`
	// Doubtful counts outcomes whose order of writes is within what clocks may be wrong
	// by, or was not measured.
	Doubtful int  `json:"doubtful"`
	Before   Lost `json:"before"` // by the rule that it is compared with
	After    Lost `json:"after"`  // by the candidate
	// Compared counts the conflicts that Before and After are about.
	Compared int `json:"compared"`
}

// Lost counts what outcomes do not hold.
type Lost struct {
	Fields int `json:"fields"` // values of fields
	Writes int `json:"writes"` // writes of which nothing is left
}

func (l *Lost) add(o *Outcome) {
	l.Fields += len(o.Lost)
	l.Writes += len(o.LostWrites)
}

// FeatureReplay is a feature's part.
type FeatureReplay struct {
	Feature string `json:"feature"`
	Changes
}

// ReplayInstance is a conflict that would end otherwise.
type ReplayInstance struct {
	Instance
	Change     string `json:"change"` // changed, asked or spared
	LostBefore int    `json:"lost_before"`
	LostAfter  int    `json:"lost_after"`
	Doubt      Doubt  `json:"doubt,omitempty"`
}

// Replay tries the candidate. progress is called now and then with how many conflicts
// were looked at and how many there are; it may be nil.
func (j *Judge) Replay(ctx context.Context, q ReplayQuery, progress func(done, of int)) (*Replay, error) {
	out := &Replay{
		Name: q.Name, Version: q.Candidate.Version, From: q.Of.From, To: q.Of.To, Feature: q.Of.Feature,
		Features: []FeatureReplay{}, Examples: []ReplayInstance{},
	}
	var all []metrics.Conflict
	more, err := j.each(ctx, q.Of, func(c *metrics.Conflict) error {
		all = append(all, *c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.More = more
	rules, features := newBook(j.o.Rules), map[string]*FeatureReplay{}
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := &all[i]
		if progress != nil {
			progress(i, len(all))
		}
		f := features[c.Feature]
		if f == nil {
			f = &FeatureReplay{Feature: c.Feature}
			features[c.Feature] = f
		}
		if err := j.replayOne(ctx, out, f, rules, c, &q); err != nil {
			return nil, err
		}
	}
	for _, f := range features {
		out.Features = append(out.Features, *f)
	}
	slices.SortFunc(out.Features, func(a, b FeatureReplay) int { return strings.Compare(a.Feature, b.Feature) })
	out.Conflicts = len(all)
	return out, nil
}

func (j *Judge) replayOne(ctx context.Context, out *Replay, f *FeatureReplay, rules *book, c *metrics.Conflict, q *ReplayQuery) error {
	x, err := j.decide(ctx, c, &Named{Name: q.Name, Rule: q.Candidate})
	if err != nil {
		return err
	}
	if q.Of.May.hides(c, x.Siblings) {
		x.Outcome = Outcome{Kind: Unknown, Cause: CauseHidden}
	}
	base := q.Base
	if base == nil {
		named, err := rules.rule(ctx, c.Rule, c.RuleVersion)
		if err != nil {
			return err
		}
		base = named.Rule
	}
	was := Outcome{Kind: Unknown}
	if base != nil {
		was = base.Decide(x.Siblings)
	}
	change, same, err := j.changeOf(ctx, x, q.Of.May)
	if err != nil {
		return err
	}
	for _, n := range []*Changes{&out.Changes, &f.Changes} {
		n.count(x, change, same)
		if was.Kind != Unknown && x.Outcome.Kind != Unknown {
			n.Compared++
			n.Before.add(&was)
			n.After.add(&x.Outcome)
		}
	}
	if (change == "changed" || change == "asked" || change == "spared" && !same) && len(out.Examples) < maxShown {
		out.Examples = append(out.Examples, ReplayInstance{exampleOf(x), change, len(was.Lost), len(x.Outcome.Lost), x.Outcome.Doubt})
	}
	return nil
}

// changeOf says what becomes of a conflict, and whether a person had decided the same; for
// who may not see what decides that, it cannot be told.
func (j *Judge) changeOf(ctx context.Context, c *Case, may May) (change string, same bool, err error) {
	if c.Outcome.Kind == Unknown {
		c.Cause = c.Outcome.Cause
		return "unjudged", false, nil
	}
	if c.Verdict == Open || c.Verdict == ByPerson {
		if c.Outcome.Kind == Person {
			return "left", false, nil
		}
		if c.Verdict == Open {
			return "spared", false, nil
		}
		v, _, err := j.matches(ctx, c)
		if c.hidesMade(may) {
			c.Cause = CauseHidden
			return "unjudged", false, err
		}
		return "spared", v == Agree, err
	}
	switch {
	case c.hidesMade(may):
		c.Cause = CauseHidden
		return "unjudged", false, nil
	case c.Outcome.Kind == Person:
		return "asked", false, nil
	case c.Verdict == Agree:
		return "same", false, nil
	case c.Verdict == Differ, c.Cause == CauseClock:
		// By the clocks as they are the winner is another one; Doubt says how sure that is.
		return "changed", false, nil
	}
	return "unjudged", false, nil
}

func (n *Changes) count(c *Case, change string, same bool) {
	switch change {
	case "same":
		n.Same++
	case "changed":
		n.Changed++
	case "asked":
		n.Asked++
	case "spared":
		n.Spared++
		n.PersonSame += truth(same)
	case "left":
		n.Left++
	default:
		n.Unjudged++
		if n.Causes == nil {
			n.Causes = map[Cause]int{}
		}
		n.Causes[c.Cause]++
	}
	if c.Outcome.Doubt == DoubtClock || c.Outcome.Doubt == DoubtUnmeasured {
		n.Doubtful++
	}
}

// PrepareReplay finds the rule that is tried: a definition that is not stored, else a
// version of the rule, else its current one. What it is compared with is the rule that
// each conflict names.
func PrepareReplay(ctx context.Context, rules Documents, name, version string, definition []byte) (*ReplayQuery, error) {
	q := &ReplayQuery{Name: name}
	if len(definition) > 0 && string(definition) != "null" {
		r, err := Parse(definition)
		q.Candidate = r
		return q, err
	}
	n, err := newBook(rules).rule(ctx, name, version)
	if err != nil {
		return nil, err
	}
	if n.Rule == nil {
		return nil, fmt.Errorf("%w: %s", flags.ErrNotFound, n.Missing)
	}
	q.Candidate = n.Rule
	return q, nil
}
