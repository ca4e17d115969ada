package ui

import (
	"context"
	"slices"
	"strconv"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/rollout"
	"tidemark/views/page"
	"tidemark/views/part"
)

// underWay are the rollouts that decide what anybody gets, by feature.
type underWay struct {
	byFeature map[string][]page.UnderWay
	order     []string
}

func (u *UI) underWay(ctx context.Context, who *access.Identity) (*underWay, error) {
	out := &underWay{byFeature: map[string][]page.UnderWay{}}
	if u.o.Rollouts == nil {
		return out, nil
	}
	list, err := u.o.Rollouts.List(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b flags.Rollout) int { return urgency(&a) - urgency(&b) })
	for i := range list {
		r := &list[i]
		if !r.State.Active() {
			continue
		}
		w := page.UnderWay{Status: rolloutStatus(r), Name: rolloutName(r), URL: rolloutURL(r.ID)}
		w.Status.Text += " at " + percent(r.Percent)
		may, err := u.mayRollout(ctx, who, r)
		if err != nil {
			return nil, err
		}
		if may(rollout.CommandRevert) && slices.Contains(offered(r), rollout.CommandRevert) {
			w.Revert = rolloutURL(r.ID) + "/" + string(rollout.CommandRevert)
		}
		if _, seen := out.byFeature[r.Plan.Feature]; !seen {
			out.order = append(out.order, r.Plan.Feature)
		}
		out.byFeature[r.Plan.Feature] = append(out.byFeature[r.Plan.Feature], w)
	}
	return out, nil
}

// any reports whether a rollout decides what anybody gets.
func (w *underWay) any() bool { return len(w.order) > 0 }

// take returns the rollouts of a feature, which are then no longer among the rest.
func (w *underWay) take(feature string) []page.UnderWay {
	out := w.byFeature[feature]
	delete(w.byFeature, feature)
	return out
}

// rest are the rollouts of features that sent nothing: they must not go unseen.
func (w *underWay) rest() []part.Notice {
	var out []part.Notice
	for _, feature := range w.order {
		for _, r := range w.byFeature[feature] {
			out = append(out, part.Notice{Tone: part.Warn, Text: r.Status.Text + ":", More: r.Name + " is rolled out, and " + feature + " sent nothing in this range.", Link: part.Link{Text: "See it.", URL: r.URL}})
		}
	}
	return out
}

// rolloutMarks are the moments in the range at which rollouts of the feature, or the
// flags that they stage, changed.
func (u *UI) rolloutMarks(ctx context.Context, a *asked) ([]part.Mark, error) {
	if u.o.Rollouts == nil {
		return nil, nil
	}
	list, err := u.o.Rollouts.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []part.Mark
	var staged []string
	for i := range list {
		r := &list[i]
		if r.Plan.Feature != a.query.Feature {
			continue
		}
		if !slices.Contains(staged, r.Plan.Flag) {
			staged = append(staged, r.Plan.Flag)
		}
		if r.StartedAt.IsZero() || r.StartedAt.After(a.query.To) || (!r.EndedAt.IsZero() && r.EndedAt.Before(a.query.From)) {
			continue
		}
		ts, err := u.o.Rollouts.History(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, a.transitionMarks(ts)...)
	}
	more, err := u.flagMarks(ctx, a, staged)
	return append(out, more...), err
}

func (a *asked) transitionMarks(ts []flags.Transition) []part.Mark {
	var out []part.Mark
	for i := range ts {
		t := &ts[i]
		if t.At.Before(a.query.From) || t.At.After(a.query.To) || t.From == flags.RolloutDraft && t.To == flags.RolloutDraft {
			continue
		}
		text := pastTense(t.Action)
		if t.To == flags.RolloutRunning {
			text = percent(t.Percent)
		}
		out = append(out, part.Mark{At: t.At, Text: text})
	}
	return out
}

func (u *UI) flagMarks(ctx context.Context, a *asked, keys []string) ([]part.Mark, error) {
	var out []part.Mark
	for _, key := range keys {
		vs, err := u.o.Documents.Versions(ctx, flags.DocumentID{Kind: flags.KindFlag, Name: key})
		if err != nil {
			return nil, err
		}
		for i := range vs {
			if at := vs[i].At; at.After(a.query.From) && at.Before(a.query.To) {
				out = append(out, part.Mark{At: at, Text: key + " " + strconv.FormatInt(vs[i].Revision, 10)})
			}
		}
	}
	return out, nil
}
