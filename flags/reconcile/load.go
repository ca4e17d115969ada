package reconcile

import (
	"cmp"
	"context"
	"slices"

	"tidemark/metrics"
)

// Reader is the part of metrics.Reader that conflicts are read from.
type Reader interface {
	Conflict(ctx context.Context, id string) (*metrics.Conflict, error)
	Conflicts(ctx context.Context, q metrics.ConflictQuery) (page []metrics.Conflict, next string, err error)
	// End is where the next event goes: what was read before holds until there is one.
	End() metrics.Position
	metrics.Finder
}

// maxEvents bounds the events of one write that are read; the earliest say what it is.
const maxEvents = 1000

// Load reads the writes of a conflict, in the order in which it names them. It stops at
// one more than MaxSiblings.
func Load(ctx context.Context, r Reader, c *metrics.Conflict) ([]Sibling, error) {
	return loadAll(ctx, r, c.Feature, c.Writes[:min(len(c.Writes), MaxSiblings+1)])
}

// loadRest reads the writes that Load leaves out: no rule looks at them, but what people
// decide may be made of them.
func loadRest(ctx context.Context, r Reader, c *metrics.Conflict) ([]Sibling, error) {
	return loadAll(ctx, r, c.Feature, c.Writes[min(len(c.Writes), MaxSiblings+1):])
}

func loadAll(ctx context.Context, r Reader, feature string, ids []string) ([]Sibling, error) {
	out := make([]Sibling, 0, len(ids))
	for _, id := range ids {
		s, err := loadOne(ctx, r, feature, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// loadOne reads a write of a feature; of another feature's it knows nothing.
func loadOne(ctx context.Context, r Reader, feature, id string) (Sibling, error) {
	s := Sibling{WriteID: id}
	events, rest, err := metrics.FindWrite(ctx, r, feature, id, maxEvents)
	if err != nil {
		return s, err
	}
	labels, all := metrics.LabelsOf(events)
	s.Labels, s.Unread = labels, rest.Any() || !all
	metrics.OriginFirst(events, s.take)
	return s, nil
}

// take adds what an event says, in order: what was said first holds.
func (s *Sibling) take(e *metrics.Event) {
	if !e.Kind.IsStage() {
		return
	}
	s.Known = true
	for _, p := range e.Parents {
		if len(s.Parents) < maxEvents && !slices.Contains(s.Parents, p) {
			s.Parents = append(s.Parents, p)
		}
	}
	s.Delta = cmp.Or(s.Delta, e.Delta)
	s.Owner = cmp.Or(s.Owner, e.Owner)
	if s.Version.IsZero() {
		s.Version = e.Version
	}
	if !e.Kind.AtOrigin() {
		return
	}
	s.Service, s.Replica, s.Region = cmp.Or(s.Service, e.Service), cmp.Or(s.Replica, e.Replica), cmp.Or(s.Region, e.Region)
	if e.Kind == metrics.KindInitiated && s.At == 0 {
		s.At, s.Reported, s.ClockID = e.Corrected(), e.OccurredAt, cmp.Or(e.ClockID, e.Service)
		s.Measured, s.Error = e.HasOffset, e.ClockError
	}
}

// follows reports whether a write names all of some others as its parents: then it was
// made of them.
func (s *Sibling) follows(all []Sibling) bool {
	for i := range all {
		if !slices.Contains(s.Parents, all[i].WriteID) {
			return false
		}
	}
	return true
}
