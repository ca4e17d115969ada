package provenance

import (
	"cmp"
	"slices"

	"tidemark/metrics"
	"tidemark/metrics/clock"
)

// tell makes everything of the story that the write's own events and its key say.
func (c *collected) tell() *Story {
	s := &Story{
		WriteID: c.id, Feature: c.feature, Key: c.key, Now: c.now, Truncated: c.truncated, Held: c.held, Others: c.others,
		Initiated: c.begun(), Committed: c.first(metrics.KindCommitted), Version: c.version().String(),
		Labels: []string{}, Traces: []Trace{}, Parents: []Relative{}, Children: []Relative{},
	}
	metrics.OriginFirst(c.events, s.describe)
	if labels, all := metrics.LabelsOf(c.events); len(labels) > 0 {
		s.Labels, s.Truncated = labels, s.Truncated || !all
	}
	if s.Initiated != nil {
		age := max(0, c.now-*s.Initiated)
		s.AgeNS = &age
	}
	c.steps(s)
	c.route(s)
	return s
}

// describe takes the fields of an event; the first to say something holds.
func (s *Story) describe(e *metrics.Event) {
	s.Entity = cmp.Or(s.Entity, e.Entity)
	s.Actor = cmp.Or(s.Actor, e.Actor)
	s.Owner = cmp.Or(s.Owner, e.Owner)
	s.Delta = cmp.Or(s.Delta, e.Delta)
	s.BeforeHash = cmp.Or(s.BeforeHash, e.BeforeHash)
	s.AfterHash = cmp.Or(s.AfterHash, e.AfterHash)
	if s.SessionID == "" && e.SessionID != "" {
		s.SessionID, s.SessionSeq = e.SessionID, e.SessionSeq
	}
	s.Flag = cmp.Or(s.Flag, e.Flag)
	s.Variant = cmp.Or(s.Variant, e.Variant)
	s.Model = cmp.Or(s.Model, e.Model)
	s.Unit = cmp.Or(s.Unit, e.Unit)
	s.Mechanism = cmp.Or(s.Mechanism, e.Mechanism)
	if tr := (Trace{e.TraceID, e.SpanID, e.Service}); e.TraceID != "" && !slices.Contains(s.Traces, tr) {
		s.Traces = append(s.Traces, tr)
	}
}

// cell is what the merge laws keep one time for.
type cell struct {
	kind  metrics.Kind
	place string
}

// steps sorts the events into the timeline and what is listed apart.
func (c *collected) steps(s *Story) {
	s.Timeline, s.Duplicates, s.Replays, s.Failures = []Step{}, []Step{}, []Step{}, []Step{}
	seen := map[cell]bool{}
	for i := range c.events {
		e := &c.events[i]
		at := cell{e.Kind, place(e)}
		step := s.step(e)
		switch {
		case e.Kind == metrics.KindFailed:
			s.Failures = append(s.Failures, step)
		case !e.Kind.IsStage():
		case !seen[at]:
			seen[at] = true
			s.Timeline = append(s.Timeline, step)
		case e.Attempt > 1:
			s.Replays = append(s.Replays, step)
		default:
			s.Duplicates = append(s.Duplicates, step)
		}
	}
	for i := 1; i < len(s.Timeline); i++ {
		s.Timeline[i].follow(&s.Timeline[i-1])
	}
}

func (s *Story) step(e *metrics.Event) Step {
	p := Step{
		EventID: e.EventID, Kind: e.Kind.String(), Service: e.Service, Replica: e.Replica, Place: place(e),
		Region: e.Region, At: e.Corrected(), RawAt: e.OccurredAt, ClockID: e.ClockID, Attempt: e.Attempt, Reason: e.Reason,
	}
	if e.HasOffset {
		p.ErrorNS = &e.ClockError
	}
	if s.Initiated != nil {
		d := p.At - *s.Initiated
		p.SinceStartNS = &d
	}
	return p
}

// follow relates a step to the one before. Two readings of one clock need no
// correction; readings of two clocks are as far apart as both errors allow.
func (p *Step) follow(before *Step) {
	d := p.At - before.At
	p.SincePreviousNS = &d
	same := cmp.Or(p.ClockID, p.Service) == cmp.Or(before.ClockID, before.Service)
	if !same && p.ErrorNS != nil && before.ErrorNS != nil {
		p.Undecided = clock.Compare(p.At, before.At, *p.ErrorNS+*before.ErrorNS) == clock.Undecided
	}
}

// route finds how far the write has come.
func (c *collected) route(s *Story) {
	s.Route = Route{Replicas: []Progress{}, Missing: []string{}, Silent: []string{}}
	var first, last *int64
	for _, name := range c.expected() {
		p := Progress{Replica: name, State: StatePending}
		p.At, p.SupersededBy = c.satisfied(name)
		s.Route.Total++
		if p.At == nil {
			s.Route.Missing = append(s.Route.Missing, name)
		} else {
			s.Route.Reached++
			p.State = StateVisible
			first, last = least(first, p.At), greatest(last, p.At)
			p.LagNS = less(p.At, s.Initiated)
		}
		s.Route.Replicas = append(s.Route.Replicas, p)
	}
	s.FirstNS = less(first, s.Initiated)
	if len(s.Route.Missing) == 0 {
		s.AllNS = less(last, s.Initiated)
	}
}

// judge sets the state. An undecided conflict is said first: whatever is visible may
// still change. Silence makes unknown only what nothing else says.
func (c *collected) judge(s *Story) {
	limit := c.objective()
	if limit != nil && s.AgeNS != nil && *s.AgeNS > *limit {
		for i := range s.Route.Replicas {
			if p := &s.Route.Replicas[i]; p.State == StatePending {
				p.State = StateLate
			}
		}
	}
	switch r := &s.Route; {
	case openConflict(s):
		s.State = StateConflict
	case r.Total == 0:
		s.State = StateUnknown
	case len(r.Missing) == 0:
		s.State = StateVisible
	case len(r.Silent) == len(r.Missing):
		s.State = StateUnknown
	case limit != nil && s.AgeNS != nil && *s.AgeNS > *limit:
		s.State = StateLate
	default:
		s.State = StatePending
	}
}

// objective is the strictest time to visibility everywhere; nil when none is declared.
func (c *collected) objective() *int64 {
	var limit *int64
	for _, t := range c.config.Thresholds {
		if t.Scope == metrics.ScopeAll {
			limit = least(limit, &t.Value)
		}
	}
	return limit
}

func least(a, b *int64) *int64 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

func greatest(a, b *int64) *int64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// less is a − b, nil when either is unknown.
func less(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	d := *a - *b
	return &d
}
