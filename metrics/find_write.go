package metrics

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Finder finds the raw events of an entity, as Log does.
type Finder interface {
	Find(ctx context.Context, q FindQuery) (events []Event, more bool, err error)
}

// FindWrite returns the earliest events of a feature's write, at most limit, in the
// total order of the merge laws. When more is true there are others, which may say
// anything: bear a label too.
func FindWrite(ctx context.Context, from Finder, feature, id string, limit int) (events []Event, more bool, err error) {
	events, more, err = from.Find(ctx, FindQuery{
		Kind: EntityWrite, Entity: WriteEntity(id), Feature: feature, Limit: limit, Earliest: true,
	})
	if err != nil {
		return nil, false, fmt.Errorf("find write %q of %q: %w", id, feature, err)
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return e.WriteID != id }) // Its hash may be another's.
	SortEvents(events)
	return events, more, nil
}

// SortEvents puts events in the total order of the merge laws: corrected time, then
// event id.
func SortEvents(events []Event) {
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Corrected(), b.Corrected()), cmp.Compare(a.EventID, b.EventID))
	})
}

// OriginFirst calls fn with each event, those of the origin before the others, in order
// within both: what the origin says of a write holds, whatever a replica adds.
func OriginFirst(events []Event, fn func(e *Event)) {
	for _, origin := range []bool{true, false} {
		for i := range events {
			if events[i].Kind.AtOrigin() == origin {
				fn(&events[i])
			}
		}
	}
}

// JoinLabels adds those of an event that are not there yet.
func JoinLabels(labels []string, e *Event) []string {
	for _, l := range e.Labels {
		if !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	return labels
}
