package policy

import (
	"context"
	"slices"

	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
)

// RedactStory takes out of a story what the identity may not see.
func (b *Book) RedactStory(who *access.Identity, story *provenance.Story) {
	if r := b.Set().redaction(who, story.Feature, story.Labels, metrics.Unread{More: story.Truncated, Held: story.Held}); r != nil {
		story.Actor, story.Delta, story.BeforeHash, story.AfterHash, story.Redacted = "", "", "", "", r
		for _, steps := range [][]provenance.Step{story.Timeline, story.Duplicates, story.Replays, story.Failures} {
			for i := range steps {
				steps[i].EventID = metrics.ToldID(steps[i].EventID)
			}
		}
	}
	for _, d := range story.Conflicts {
		b.RedactConflict(who, d)
	}
}

// RedactConflict takes out of a conflict what the identity may not see of its writes,
// and of the comparison of their fields.
func (b *Book) RedactConflict(who *access.Identity, d *report.ConflictDetail) {
	s := b.Set()
	deltas, taken := make([]string, len(d.Siblings)), false
	for i := range d.Siblings {
		w := &d.Siblings[i]
		if r := s.redaction(who, d.Feature, union(w.Labels, d.Labels), metrics.Unread{More: w.Unread || d.MoreLabels, Held: w.Held || d.Held}); r != nil {
			w.Actor, w.Delta, w.Redacted, taken = "", "", r, true
			for j := range w.Events {
				w.Events[j].EventID = metrics.ToldID(w.Events[j].EventID)
			}
		}
		deltas[i] = w.Delta
	}
	if taken {
		d.Fields = report.DiffDeltas(deltas)
	}
}

// union is a, and what b adds to it.
func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, l := range b {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// RedactWrites takes out of a list what the identity may not see, and says so of each such
// write: whether it names an actor is hidden too. Rows of open writes and examples name none.
func (b *Book) RedactWrites(who *access.Identity, list *report.Writes) {
	if !list.Labelled {
		return
	}
	s := b.Set()
	var last *report.WriteRow // with the decision in r: most rows have the labels of the one before
	var r *report.Redaction
	for i := range list.Writes {
		w := &list.Writes[i]
		if last == nil || w.Feature != last.Feature || w.Unread != last.Unread || w.Held != last.Held || !slices.Equal(w.Labels, last.Labels) {
			last, r = w, s.redaction(who, w.Feature, w.Labels, metrics.Unread{More: w.Unread, Held: w.Held})
		}
		if r != nil {
			w.Actor, w.Redacted = "", r
		}
	}
}

// maxEvents bounds the events of one write that are read for their labels.
const maxEvents = 1000

// RedactHeld takes out of a single event, which is in quarantine, what the identity may
// not see, its unknown fields included, and returns what says so; nil when nothing was
// taken out.
func (b *Book) RedactHeld(ctx context.Context, who *access.Identity, from metrics.Finder, e *metrics.Event) (*report.Redaction, error) {
	r, err := b.Set().heldRedaction(ctx, who, from, e)
	if r != nil {
		e.Actor, e.Delta, e.BeforeHash, e.AfterHash, e.Attributes = "", "", "", "", ""
		e.EventID = metrics.ToldID(e.EventID)
	}
	return r, err
}

// heldRedaction says what hides an event that is held. It bears its own labels, and those
// of its write: on other events that are held, and on those in the log. What a conflict's
// event holds may be of any of its writes, of which it need not name one: nobody is told.
func (s *Set) heldRedaction(ctx context.Context, who *access.Identity, from metrics.Finder, e *metrics.Event) (*report.Redaction, error) {
	if e.Kind.IsConflict() {
		return s.redaction(who, e.Feature, e.Labels, metrics.Unread{More: true}), nil
	}
	if e.WriteID == "" {
		return s.redaction(who, e.Feature, e.Labels, metrics.Unread{}), nil
	}
	held, _ := metrics.HeldOf(from.HeldWrites(e.WriteID), e.Feature)
	known := []metrics.Event{{Labels: e.Labels}, {Labels: held.Labels}}
	labels, all := metrics.LabelsOf(known)
	if r := s.redaction(who, e.Feature, labels, metrics.Unread{More: held.More || !all}); r != nil {
		return r, nil
	}
	events, rest, err := metrics.FindWrite(ctx, from, e.Feature, e.WriteID, maxEvents)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says which write.
	}
	labels, all = metrics.LabelsOf(append(known, events...))
	return s.redaction(who, e.Feature, labels, metrics.Unread{More: rest.More || !all}), nil
}

// redaction is nil when all may be seen. Of a write of which something was not read
// nothing may: there may be other labels, and what no policy permits is denied.
func (s *Set) redaction(who *access.Identity, feature string, labels []string, rest metrics.Unread) *report.Redaction {
	d := s.Reveal(who, feature, labels)
	if d.Allowed && rest.Any() {
		d.Allowed, d.Policy, d.Revision = false, NoPolicy, 0
	}
	if d.Allowed {
		return nil
	}
	return &report.Redaction{
		Labels: append([]string{}, labels...), Unread: rest.More, Held: rest.Held,
		Policy: d.Policy, PolicyRevision: d.Revision, PolicyVersion: d.Version,
	}
}
