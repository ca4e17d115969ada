package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/metrics"
)

// AgreementQuery selects the conflicts that are compared: the newest Limit of those in
// the range.
type AgreementQuery struct {
	Rule    string // name; "" = any
	Feature string // "" = any
	From    time.Time
	To      time.Time
	Limit   int // default 1,000, at most MaxCompared
	// Budget is how long it may take; what was not reached is said. 0 = no bound.
	Budget time.Duration
	May    May // nil = all
}

// MaxCompared bounds the conflicts of one question.
const MaxCompared = 5000

const defaultCompared = 1000

// Agreement is how far what services reported is what their rule gives.
type Agreement struct {
	Conflicts int  `json:"conflicts"` // looked at
	More      bool `json:"more"`      // there are older ones in the range that were not looked at
	Tally
	Services []ServiceAgreement `json:"services"`
	Examples []Instance         `json:"examples"` // conflicts that differ, newest first
}

// Tally counts verdicts. Coverage is (Agree + Differ) ÷ (Agree + Differ + Unjudged).
type Tally struct {
	Agree    int           `json:"agree"`
	Differ   int           `json:"differ"`
	Unjudged int           `json:"unjudged"`
	Causes   map[Cause]int `json:"causes,omitempty"` // of the unjudged ones
	Person   int           `json:"person"`           // decided by a person
	Open     int           `json:"open"`
}

func (t *Tally) add(v Verdict, c Cause) {
	switch v {
	case Agree:
		t.Agree++
	case Differ:
		t.Differ++
	case ByPerson:
		t.Person++
	case Open:
		t.Open++
	case Unjudged:
		t.Unjudged++
		if t.Causes == nil {
			t.Causes = map[Cause]int{}
		}
		t.Causes[c]++
	}
}

// ServiceAgreement is the tally of one service for one rule, version and feature.
type ServiceAgreement struct {
	Service string `json:"service"`
	Feature string `json:"feature"`
	Rule    string `json:"rule"`
	Version string `json:"version"`
	Tally
}

// Instance is a conflict that stands for others.
type Instance struct {
	Conflict string `json:"conflict"`
	Feature  string `json:"feature"`
	Key      string `json:"key"`
	Service  string `json:"service"`
	Version  string `json:"version"`
	Was      string `json:"was"` // as reported
	Now      string `json:"now"` // as the rule gives
	Why      string `json:"why"`
}

// leastCompared conflicts are looked at however long it takes, so that a question that
// is asked again comes further each time.
const leastCompared = 10

// errBudget ends a walk whose time is over.
var errBudget = errors.New("time is over")

// Agreement compares decided conflicts with their rules.
func (j *Judge) Agreement(ctx context.Context, q AgreementQuery) (*Agreement, error) {
	out := &Agreement{Services: []ServiceAgreement{}, Examples: []Instance{}}
	rules, began := newBook(j.o.Rules), j.o.Now()
	seen := map[[4]string]*ServiceAgreement{}
	more, err := j.each(ctx, q, func(c *metrics.Conflict) error {
		if q.Budget > 0 && out.Conflicts >= leastCompared && j.o.Now().Sub(began) > q.Budget {
			return errBudget
		}
		named, err := rules.rule(ctx, c.Rule, c.RuleVersion)
		if err != nil {
			return err
		}
		x, err := j.cached(ctx, c, &named, q.May)
		if err != nil {
			return err
		}
		out.Conflicts++
		out.add(x.Verdict, x.Cause)
		of := [4]string{c.ResolvedBy, c.Feature, c.Rule, named.Version}
		if seen[of] == nil {
			seen[of] = &ServiceAgreement{Service: c.ResolvedBy, Feature: c.Feature, Rule: c.Rule, Version: named.Version}
		}
		seen[of].add(x.Verdict, x.Cause)
		if x.Verdict == Differ && len(out.Examples) < maxShown {
			return j.show(ctx, out, c, &named, q.May)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.More = more
	for _, s := range seen {
		if s.Agree+s.Differ+s.Unjudged > 0 {
			out.Services = append(out.Services, *s)
		}
	}
	slices.SortFunc(out.Services, func(a, b ServiceAgreement) int {
		return strings.Compare(a.Feature+"\x00"+a.Service+"\x00"+a.Version, b.Feature+"\x00"+b.Service+"\x00"+b.Version)
	})
	return out, nil
}

// cached is decide, but for what is remembered of it: the verdict alone, and what labels
// may hide it. It holds while no further event came of the writes.
func (j *Judge) cached(ctx context.Context, c *metrics.Conflict, named *Named, may May) (*Case, error) {
	held, end := j.held(c), j.o.Reader.End() // Before the log is read, where what comes meanwhile is.
	k := judged{c.ID, c.ResolvedEvent, len(c.Writes), named.Name + "\x00" + named.Version, named.Revision}
	j.mu.Lock()
	v, ok := j.known[k]
	j.mu.Unlock()
	if ok = ok && !held; ok {
		more, err := j.heardSince(ctx, c, v.end)
		if err != nil {
			return nil, err
		}
		ok = !more
	}
	if ok {
		v.end = end
		j.remember(k, v)
		x := &Case{Conflict: c, Rule: *named, Siblings: v.bare, Verdict: v.v, Cause: v.c, made: v.made}
		x.hide(may)
		return x, nil
	}
	x, err := j.decide(ctx, c, named)
	if err != nil {
		return nil, err
	}
	if !held && c.ResolvedAt != 0 && j.o.Now().Sub(time.Unix(0, c.ResolvedAt)) > settleAfter {
		j.remember(k, verdict{x.Verdict, x.Cause, bare(x.Siblings), x.bareMade(), end})
	}
	x.hide(may)
	return x, nil
}

func (j *Judge) remember(k judged, v verdict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.known[k]; !ok && len(j.known) >= maxKnown {
		clear(j.known)
	}
	j.known[k] = v
}

// judgedBy are the writes that a verdict goes by: those that met, and what was kept of
// them or made.
func judgedBy(c *metrics.Conflict) []string {
	if c.Winner == "" || slices.Contains(c.Writes, c.Winner) {
		return c.Writes
	}
	return append(slices.Clip(c.Writes), c.Winner)
}

// heardSince reports whether the log has events of what a conflict is judged by at a
// position or after it: they may bear labels, or say something else.
func (j *Judge) heardSince(ctx context.Context, c *metrics.Conflict, from metrics.Position) (bool, error) {
	for _, id := range judgedBy(c) {
		q := metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(id), Feature: c.Feature, From: from, Limit: 1}
		events, more, err := j.o.Reader.Find(ctx, q)
		if err != nil {
			return false, fmt.Errorf("find write %q of %q: %w", id, c.Feature, err)
		}
		if more || len(events) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// held reports whether something of a conflict, of its writes, or of what was made of them is
// in quarantine: what was remembered of it says nothing of that, and will say something else
// when it is not.
func (j *Judge) held(c *metrics.Conflict) bool {
	return c.Held || slices.ContainsFunc(judgedBy(c), func(id string) bool {
		_, held := metrics.HeldOf(j.o.Reader.HeldWrites(id), c.Feature)
		return held
	})
}

// bare is what of some writes says who may see them, each alike once.
func bare(all []Sibling) []Sibling {
	var out []Sibling
	for i := range all {
		s := Sibling{Labels: all[i].Labels, Unread: all[i].Unread}
		if !slices.ContainsFunc(out, func(o Sibling) bool { return o.Unread == s.Unread && slices.Equal(o.Labels, s.Labels) }) {
			out = append(out, s)
		}
	}
	return slices.Clip(out)
}

// bareMade is the same of what was made of them.
func (c *Case) bareMade() *Sibling {
	if c.made == nil {
		return nil
	}
	return &bare([]Sibling{*c.made})[0]
}

// maxShown bounds the conflicts that stand for others.
const maxShown = 20

func (j *Judge) show(ctx context.Context, a *Agreement, c *metrics.Conflict, named *Named, may May) error {
	x, err := j.decide(ctx, c, named)
	if err != nil {
		return err
	}
	x.hide(may)
	a.Examples = append(a.Examples, exampleOf(x))
	return nil
}

func exampleOf(c *Case) Instance {
	return Instance{
		Conflict: c.Conflict.ID, Feature: c.Conflict.Feature, Key: c.Conflict.Key, Service: c.Conflict.ResolvedBy, Version: c.Rule.Version,
		Was: reported(c.Conflict), Now: c.Outcome.short(), Why: c.Outcome.Why,
	}
}

// reported says what became of a conflict, without contents.
func reported(c *metrics.Conflict) string {
	switch {
	case c.ResolvedAt == 0:
		return "open"
	case c.Winner == "":
		return "no winner named"
	case slices.Contains(c.Writes, c.Winner):
		return c.Winner
	}
	return "merged into " + c.Winner
}

// short says what becomes of a conflict, without contents.
func (o *Outcome) short() string {
	switch o.Kind {
	case Keep:
		return o.Winner
	case Merged:
		return "a merge"
	case Person:
		return "left to a person"
	}
	return "not known"
}

// each calls fn with the conflicts that a query selects, newest first. more is true
// when others are in the range.
func (j *Judge) each(ctx context.Context, q AgreementQuery, fn func(*metrics.Conflict) error) (more bool, err error) {
	left := q.Limit
	if left <= 0 {
		left = defaultCompared
	}
	left = min(left, MaxCompared)
	ask := metrics.ConflictQuery{Feature: q.Feature, Rule: q.Rule, From: nanos(q.From), To: nanos(q.To)}
	for {
		ask.Limit = min(left, 500)
		page, next, err := j.o.Reader.Conflicts(ctx, ask)
		if err != nil {
			return false, fmt.Errorf("list conflicts: %w", err)
		}
		for i := range page {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if err := fn(&page[i]); errors.Is(err, errBudget) {
				return true, nil
			} else if err != nil {
				return false, err
			}
		}
		left -= len(page)
		if next == "" || left <= 0 {
			return next != "", nil
		}
		ask.Cursor = next
	}
}
