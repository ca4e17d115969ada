package flagset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// DefaultStale is how long a flag may go without being evaluated, or with one answer
// to all, before it is called stale.
const DefaultStale = 30 * flags.Day

// Usage is how a flag was evaluated in a span of days.
type Usage struct {
	Flag    string
	From    time.Time // the first day
	Count   int64     // evaluations
	Answers []Answer  // most frequent first
	Days    []DayCount
	Last    time.Time // zero: never, in the span
	// Stale says why the flag looks as if it had served its time; "" when it does not.
	Stale string
}

// Answer is how often a flag gave one answer.
type Answer struct {
	Variant string    `json:"variant"` // "" when the code's default counted
	Reason  string    `json:"reason"`
	Count   int64     `json:"count"`
	Last    time.Time `json:"last"`
}

// DayCount is the evaluations of one day.
type DayCount struct {
	Day   string `json:"day"`
	Count int64  `json:"count"`
}

// Usages returns how every flag was evaluated in the span before now, by key. Flags
// that were not are there too.
func (c *Catalogue) Usages(ctx context.Context, span time.Duration) (map[string]*Usage, error) {
	counts, err := c.counts(ctx, "", span)
	if err != nil {
		return nil, err
	}
	out := map[string]*Usage{}
	now := c.opt.Now()
	for _, v := range c.List(flags.KindFlag) {
		out[v.ID.Name] = &Usage{Flag: v.ID.Name, From: now.Add(-span), Answers: []Answer{}, Days: []DayCount{}}
	}
	for i := range counts {
		if u := out[counts[i].Flag]; u != nil {
			u.add(&counts[i])
		}
	}
	for _, u := range out {
		slices.SortStableFunc(u.Answers, func(a, b Answer) int { return int(b.Count - a.Count) })
		u.Stale = c.stale(ctx, u, span)
	}
	return out, nil
}

// Usage returns how one flag was evaluated in the span before now.
func (c *Catalogue) Usage(ctx context.Context, flag string, span time.Duration) (*Usage, error) {
	all, err := c.Usages(ctx, span)
	if err != nil {
		return nil, err
	}
	u, ok := all[flag]
	if !ok {
		return nil, fmt.Errorf("flag %q: %w", flag, flags.ErrNotFound)
	}
	return u, nil
}

// counts are those that are stored, and after them those that are not yet.
func (c *Catalogue) counts(ctx context.Context, flag string, span time.Duration) ([]flags.UsageCount, error) {
	c.usage.flushing.Lock()
	defer c.usage.flushing.Unlock()
	now := c.opt.Now()
	pending := c.usage.pending(now)
	if c.opt.Usage == nil {
		return pending, nil
	}
	stored, err := c.opt.Usage.Usage(ctx, flag, day(now.Add(-span)))
	if err != nil {
		return nil, fmt.Errorf("usage of flags: %w", err)
	}
	return append(stored, pending...), nil
}

func (u *Usage) add(n *flags.UsageCount) {
	u.Count += n.Count
	if n.Last.After(u.Last) {
		u.Last = n.Last
	}
	i := slices.IndexFunc(u.Answers, func(a Answer) bool { return a.Variant == n.Variant && a.Reason == n.Reason })
	if i < 0 {
		i = len(u.Answers)
		u.Answers = append(u.Answers, Answer{Variant: n.Variant, Reason: n.Reason})
	}
	u.Answers[i].Count += n.Count
	if n.Last.After(u.Answers[i].Last) {
		u.Answers[i].Last = n.Last
	}
	j := slices.IndexFunc(u.Days, func(d DayCount) bool { return d.Day == n.Day })
	if j < 0 {
		j = len(u.Days)
		u.Days = append(u.Days, DayCount{Day: n.Day})
	}
	u.Days[j].Count += n.Count
}

// stale says why a flag looks as if it had served its time. A flag that changed
// within the span, or that a rollout decides, is at work.
func (c *Catalogue) stale(_ context.Context, u *Usage, span time.Duration) string {
	s := c.now.Load()
	if v := s.documents[flags.DocumentID{Kind: flags.KindFlag, Name: u.Flag}]; c.opt.Now().Sub(v.At) < span {
		return ""
	}
	for i := range s.assignments {
		if s.assignments[i].Flag == u.Flag {
			return ""
		}
	}
	days := flags.SayDuration(span)
	variants := map[string]struct{}{}
	for _, a := range u.Answers {
		if a.Reason != string(eval.ReasonError) {
			variants[a.Variant] = struct{}{}
		}
	}
	switch {
	case u.Count == 0:
		return "was not evaluated here for " + days
	case len(variants) == 1 && u.Answers[0].Reason == string(eval.ReasonDisabled):
		return "was off for everyone for " + days
	case len(variants) == 1:
		return fmt.Sprintf("answered %q to everyone for %s", u.Answers[0].Variant, days)
	}
	return ""
}
