package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Verdict says whether what was reported of a conflict is what a rule gives.
type Verdict string

// The verdicts.
const (
	Agree    Verdict = "agree"
	Differ   Verdict = "differ"
	Unjudged Verdict = "unjudged" // with a Cause
	ByPerson Verdict = "person"   // a person decided, as the rule may well want
	Open     Verdict = "open"     // nobody decided yet
)

// Causes of Unjudged beside those of an Outcome.
const (
	CauseClock    Cause = "clock"          // the order is not sure: see Doubt
	CauseNoResult Cause = "result_unknown" // no winner was reported, or nothing is known of the write that it names
	CauseLater    Cause = "later_write"    // the winner is another write, which does not name all of these as its parents
)

// Case is one conflict with what a rule makes of it.
type Case struct {
	Conflict *metrics.Conflict
	Rule     Named
	Siblings []Sibling
	Outcome  Outcome
	Verdict  Verdict
	Cause    Cause // of Unjudged
	Hidden   bool  // something was taken out for who asks

	made *Sibling // the write that was made of these, when the verdict is by what it holds
}

// Judge compares what was reported of conflicts with what rules give. It is safe for
// concurrent use.
type Judge struct {
	o     JudgeOptions
	mu    sync.Mutex
	known map[judged]verdict
}

// JudgeOptions are what a Judge needs.
type JudgeOptions struct {
	Reader Reader
	Rules  Documents
	Now    func() time.Time
}

// judged names what a verdict was about; each part changes with what it depends on.
type judged struct {
	conflict, resolved string
	writes             int
	rule               string
	revision           int64
}

type verdict struct {
	v    Verdict
	c    Cause
	bare []Sibling        // see there
	made *Sibling         // of which the same is known
	end  metrics.Position // of the log, when it was judged
}

// maxKnown bounds how many verdicts are remembered: 50,000 are about 20 MB.
const maxKnown = 50_000

// settleAfter is how old a resolution is before its verdict is remembered: events that
// it depends on may still be under way.
const settleAfter = 2 * time.Minute

// NewJudge returns a judge.
func NewJudge(o JudgeOptions) *Judge { return &Judge{o: o, known: map[judged]verdict{}} }

// Case reads one conflict and decides it by the rule in force: the one that its events
// name, else the fallback, which is what the feature's guarantee names.
func (j *Judge) Case(ctx context.Context, id string, fallback *flags.Reconciliation, may May) (*Case, error) {
	c, err := j.o.Reader.Conflict(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("conflict %q: %w", id, err)
	}
	named, err := InForce(ctx, j.o.Rules, c, fallback)
	if err != nil {
		return nil, err
	}
	x, err := j.decide(ctx, c, &named)
	if err != nil {
		return nil, err
	}
	x.hide(may)
	return x, nil
}

// InForce is the rule that decides a conflict: the one that its events name, in the
// version that they name, else the fallback.
func InForce(ctx context.Context, rules Documents, c *metrics.Conflict, fallback *flags.Reconciliation) (Named, error) {
	return newBook(rules).inForce(ctx, c, fallback)
}

func (b *book) inForce(ctx context.Context, c *metrics.Conflict, fallback *flags.Reconciliation) (Named, error) {
	name, version := c.Rule, c.RuleVersion
	if name == "" && fallback != nil {
		name, version = fallback.Rule, strconv.Itoa(fallback.Version)
	}
	return b.rule(ctx, name, version)
}

// decide reads the writes and applies the rule.
func (j *Judge) decide(ctx context.Context, c *metrics.Conflict, named *Named) (*Case, error) {
	out := &Case{Conflict: c, Rule: *named}
	var err error
	if out.Siblings, err = Load(ctx, j.o.Reader, c); err != nil {
		return nil, err
	}
	if named.Rule == nil {
		out.Outcome = Outcome{Kind: Unknown, Cause: CauseRule, Why: named.Missing}
	} else {
		out.Outcome = named.Rule.Decide(out.Siblings)
	}
	return out, j.compare(ctx, out)
}

// compare sets the verdict.
func (j *Judge) compare(ctx context.Context, c *Case) error {
	switch {
	case c.Conflict.ResolvedAt == 0:
		c.Verdict = Open
		return nil
	case c.Conflict.Auto == metrics.No:
		c.Verdict = ByPerson
		return nil
	}
	var err error
	c.Verdict, c.Cause, err = j.matches(ctx, c)
	return err
}

// matches reports whether the outcome is what was reported.
func (j *Judge) matches(ctx context.Context, c *Case) (Verdict, Cause, error) {
	o, winner := &c.Outcome, c.Conflict.Winner
	switch {
	case o.Kind == Unknown:
		return Unjudged, o.Cause, nil
	case o.Kind == Person:
		return Differ, "", nil // A program decided what the rule leaves to a person.
	case winner == "":
		return Unjudged, CauseNoResult, nil
	}
	v, cause, err := j.sameResult(ctx, c)
	if v == Differ && (o.Doubt == DoubtClock || o.Doubt == DoubtUnmeasured) {
		// Another order of the writes is as likely: no verdict on what is within the error.
		return Unjudged, CauseClock, nil
	}
	return v, cause, err
}

// sameResult compares the winner that was reported, or what was made of the writes.
func (j *Judge) sameResult(ctx context.Context, c *Case) (Verdict, Cause, error) {
	o, winner := &c.Outcome, c.Conflict.Winner
	sibling := slices.IndexFunc(c.Siblings, func(s Sibling) bool { return s.WriteID == winner })
	switch {
	case o.Kind == Keep && o.Winner == winner:
		return Agree, "", nil
	case sibling >= 0 && o.Kind == Keep:
		return Differ, "", nil
	case sibling >= 0:
		return sameFields(o, c.Siblings[sibling].Delta), "", nil
	}
	made, err := loadOne(ctx, j.o.Reader, c.Conflict.Feature, winner)
	switch {
	case err != nil:
		return "", "", err
	case !made.Known:
		return Unjudged, CauseNoResult, nil
	case !made.follows(c.Siblings):
		return Unjudged, CauseLater, nil
	case o.Kind == Keep:
		return Differ, "", nil // They were merged, and the rule keeps one.
	}
	c.made = &made
	if made.Delta == "" {
		return Unjudged, CauseNoResult, nil
	}
	return sameFields(o, made.Delta), "", nil
}

// sameFields compares a merge with what was made of it.
func sameFields(o *Outcome, made string) Verdict {
	d, err := readDelta(made)
	if err != nil || len(d.fields)+len(d.added) != len(o.Fields) {
		return Differ
	}
	for i := range o.Fields {
		f := &o.Fields[i]
		v, ok := d.fields[f.Path]
		if f.append {
			v, ok = "["+strings.Join(d.added[f.Path], ",")+"]", d.added[f.Path] != nil
		}
		if !ok || v != f.Value {
			return Differ
		}
	}
	return Agree
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
