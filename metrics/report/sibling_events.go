package report

import (
	"cmp"
	"context"
	"strings"

	"tidemark/metrics"
)

// Limits of what is read for one conflict or one key.
const (
	maxSiblings      = 32
	maxSiblingEvents = 1000
	maxKeyEvents     = 5000
)

func (r *Reporter) detail(ctx context.Context, c *metrics.Conflict) (*ConflictDetail, error) {
	d := &ConflictDetail{Conflict: c.Told(), State: conflictState(c), Siblings: []Sibling{}}
	if c.ResolvedAt == 0 && c.DetectedAt != 0 {
		d.AgeNS = since(&c.DetectedAt, r.now().UnixNano())
	}
	for i, id := range c.Writes {
		if i == maxSiblings {
			break
		}
		s, err := r.sibling(ctx, c.Feature, id)
		if err != nil {
			return nil, err
		}
		s.Winner = id == c.Winner
		d.Siblings = append(d.Siblings, s)
	}
	deltas := make([]string, len(d.Siblings))
	for i := range d.Siblings {
		deltas[i] = d.Siblings[i].Delta
	}
	d.Fields = DiffDeltas(deltas)
	d.Why = why(d)
	return d, nil
}

func conflictState(c *metrics.Conflict) string {
	switch {
	case c.ResolvedAt == 0:
		return ConflictOpen
	case c.Auto == metrics.No:
		return ConflictManual
	}
	return ConflictAuto
}

// sibling reads a write of the conflict's feature: of another's, whose contents are for
// others to see, the conflict tells the id alone. The earliest events say what it is, as
// where rules are tried; its labels may stand on any of them.
func (r *Reporter) sibling(ctx context.Context, feature, id string) (Sibling, error) {
	s := Sibling{WriteID: id, Events: []SiblingEvent{}}
	events, rest, err := metrics.FindWrite(ctx, r.r, feature, id, maxSiblingEvents)
	if err != nil {
		return s, err
	}
	labels, all := metrics.LabelsOf(events)
	s.Labels, s.Unread, s.Held = labels, rest.More || !all, rest.Held
	for i := range events {
		e := &events[i]
		if e.Kind.IsStage() {
			s.Events = append(s.Events, SiblingEvent{
				At: e.Corrected(), Kind: e.Kind.String(), Service: e.Service, Replica: e.Replica, EventID: e.EventID,
			})
		}
	}
	metrics.OriginFirst(events, s.take)
	return s, nil
}

// take adds what one event says; what was said first holds.
func (s *Sibling) take(e *metrics.Event) {
	if !e.Kind.IsStage() {
		return
	}
	s.Known = true
	if e.Kind == metrics.KindInitiated && s.Initiated == nil {
		s.Initiated = new(e.Corrected())
	}
	s.Actor = cmp.Or(s.Actor, e.Actor)
	s.Version = cmp.Or(s.Version, e.Version.String())
	s.Delta = cmp.Or(s.Delta, e.Delta)
	s.SessionID = cmp.Or(s.SessionID, e.SessionID)
	s.Model = cmp.Or(s.Model, e.Model)
	if e.Kind.AtOrigin() {
		s.Region = cmp.Or(s.Region, e.Region)
		s.Service = cmp.Or(s.Service, e.Service)
	}
}

// why puts the reported decision in words.
func why(d *ConflictDetail) string {
	if d.State == ConflictOpen {
		return "Not decided yet."
	}
	by := "a rule that was not named"
	if d.Rule != "" {
		by = "the rule " + d.Rule
		if d.RuleVersion != "" {
			by += " version " + d.RuleVersion
		}
	}
	if d.State == ConflictManual {
		by = "a person"
		if d.Rule != "" {
			by += " instead of the rule " + d.Rule
		}
	}
	parts := []string{"Decided by " + by}
	if d.ResolvedBy != "" {
		parts = append(parts, "at "+d.ResolvedBy)
	}
	switch {
	case d.Winner != "":
		parts = append(parts, "in favour of "+d.Winner)
	case d.Outcome != "":
		parts = append(parts, "with the outcome “"+d.Outcome+"”")
	}
	s := strings.Join(parts, " ")
	if d.Reason != "" {
		return s + ": " + strings.TrimSuffix(d.Reason, ".") + "."
	}
	return s + "; no reason was reported."
}
