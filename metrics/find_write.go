package metrics

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Finder finds the raw events of an entity, as Log does, and says what of a write is in
// quarantine.
type Finder interface {
	Find(ctx context.Context, q FindQuery) (events []Event, more bool, err error)
	HeldWrites(id string) []HeldWrite
}

// Unread says what of a write was not read. It may say anything: bear a label too.
type Unread struct {
	More bool // it has more events than were read
	Held bool // an event of it is in quarantine
}

// Any reports whether something was not read.
func (u Unread) Any() bool { return u.More || u.Held }

// FindWrite returns the earliest events of a feature's write, at most limit, in the
// total order of the merge laws, and what was not read. What goes on from quarantine
// meanwhile is found or counts as held.
func FindWrite(ctx context.Context, from Finder, feature, id string, limit int) (events []Event, rest Unread, err error) {
	_, rest.Held = HeldOf(from.HeldWrites(id), feature)
	events, rest.More, err = from.Find(ctx, FindQuery{
		Kind: EntityWrite, Entity: WriteEntity(id), Feature: feature, Limit: limit, Earliest: true,
	})
	if err != nil {
		return nil, rest, fmt.Errorf("find write %q of %q: %w", id, feature, err)
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return e.WriteID != id }) // Its hash may be another's.
	SortEvents(events)
	return events, rest, nil
}

// HeldOf is what is held of a feature's write; ok is false when nothing is.
func HeldOf(held []HeldWrite, feature string) (w HeldWrite, ok bool) {
	for i := range held {
		if held[i].Feature == feature {
			return held[i], true
		}
	}
	return HeldWrite{}, false
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

// MaxTold is how many different labels of one write are told; one with more counts as
// not read whole.
const MaxTold = 256

// LabelsOf are the labels of events, each once, in the order in which they come; all is
// false when there are more than MaxTold.
func LabelsOf(events []Event) (labels []string, all bool) {
	known := map[string]struct{}{}
	for i := range events {
		for _, l := range events[i].Labels {
			if _, ok := known[l]; ok {
				continue
			}
			if len(labels) == MaxTold {
				return labels, false
			}
			known[l] = struct{}{}
			labels = append(labels, l)
		}
	}
	return labels, true
}
