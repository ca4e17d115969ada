package ui

import (
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/rollout"
	"tidemark/views/format"
	"tidemark/views/part"
)

// healthNotice says that rollouts are not being decided about, and since when.
func healthNotice(h *rollout.Health, now time.Time) []part.Notice {
	if h.Error == "" {
		return nil
	}
	return []part.Notice{{
		Tone: part.Bad, Text: "Rollouts are not being decided, for " + format.Age(now.Sub(h.FailingSince)) + ":",
		More: sentence("the controller fails", h.Error, "") + " Nothing widens or goes back by itself until that is mended. It tries again every second.",
	}}
}

// hasPins reports whether sessions stay on what the rollout gave them.
func (s *rolloutStory) hasPins() bool { return s.r.Plan.PinFor > 0 && !s.r.StartedAt.IsZero() }

// pins is what is known of sessions that stay on what they started with.
func (s *rolloutStory) pins() ([]part.Fact, string) {
	r := &s.r
	if !s.hasPins() {
		return nil, ""
	}
	about := "A session that has started on one model keeps it; it may only move to a stronger one. Counted are the pins that this server gave, until they end."
	var out []part.Fact
	if s.then == nil {
		out = s.pinFacts()
	}
	out = append(out, part.Fact{Name: "A pin lasts", Value: part.Value{Text: chosen(r.Plan.PinFor)}})
	if s.known && s.then == nil {
		v := part.Value{Text: format.Short(s.evidence.OtherVariant), Under: "of units that had another variant than their arm’s"}
		out = append(out, part.Fact{Name: "Writes apart", Value: v})
	}
	if !r.PinsBrokenAt.IsZero() {
		out = append(out, part.Fact{Name: "All broken", Value: part.Value{Text: format.Age(s.now.Sub(r.PinsBrokenAt)) + " ago"}})
	}
	if left := r.DrainsUntil.Sub(s.now); r.State == flags.RolloutReverting && left > 0 {
		out = append(out, part.Fact{Name: "The last one ends", Value: part.Value{Text: "in " + format.Age(left), Under: "at the latest"}})
	}
	return out, about
}

// pinFacts count who is pinned. While the rollout reverts those with the candidate are
// what drains; the others have what everybody has.
func (s *rolloutStory) pinFacts() []part.Fact {
	if s.uncounted != nil {
		return []part.Fact{{Name: "Still pinned", Value: part.Value{Under: "could not be counted: " + s.uncounted.Error()}}}
	}
	ended := s.r.State == flags.RolloutReverting || s.r.State == flags.RolloutReverted
	var out []part.Fact
	for _, variant := range []string{s.r.Plan.Candidate, s.r.Plan.Control} {
		if p := pinnedTo(s.pinned, variant); !ended || variant == s.r.Plan.Candidate {
			out = append(out, part.Fact{Name: "Pinned to " + variant, Value: pinnedValue(p)})
		}
	}
	return out
}

func pinnedTo(all []flagset.Pinned, variant string) *flagset.Pinned {
	for i := range all {
		if all[i].Variant == variant {
			return &all[i]
		}
	}
	return &flagset.Pinned{Variant: variant}
}

// few is up to how many are counted nearly exactly.
const few = 10

func pinnedValue(p *flagset.Pinned) part.Value {
	if p.Units == 0 && p.Sessions == 0 {
		return part.Value{Text: "none", Under: "no pin that is good still"}
	}
	about := func(n int64) string {
		if n < few {
			return ""
		}
		return "about "
	}
	v := part.Value{
		Text:  about(p.Sessions) + format.Plural(p.Sessions, "session", "sessions"),
		Under: "came back with a pin that is good still; " + about(p.Units) + format.Plural(p.Units, "unit was", "units were") + " given one",
	}
	if p.Partial {
		v.Under += ", and more that were not counted"
	}
	return v
}

// draining is how many sessions a revert still waits for; "" when that is not known.
func (s *rolloutStory) draining() string {
	if s.r.State != flags.RolloutReverting || s.uncounted != nil || !s.hasPins() {
		return ""
	}
	p := pinnedTo(s.pinned, s.r.Plan.Candidate)
	if p.Sessions == 0 {
		return "no session came back with its pin so far"
	}
	return pinnedValue(p).Text + " still pinned"
}
