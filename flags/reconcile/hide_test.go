package reconcile

import (
	"fmt"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
	"tidemark/metrics/report/reporttest"
)

// TestHide: what goes by contents is taken out for who may not see them, and what all may
// know stays.
func TestHide(t *testing.T) {
	t.Parallel()
	never := func(string, []string) bool { return false }
	unlabelled := func(_ string, labels []string) bool { return len(labels) == 0 }
	for name, x := range map[string]struct {
		strategy string
		labels   []string
		unread   bool
		of       []string // labels of the conflict
		may      May
		hidden   bool
		kind     Kind
		verdict  Verdict
	}{
		"everything may be seen":     {strategy: "merge", labels: []string{"pii"}, kind: Merged, verdict: Differ},
		"nothing is labelled":        {strategy: "merge", may: unlabelled, kind: Merged, verdict: Differ},
		"a write is":                 {strategy: "merge", labels: []string{"pii"}, may: unlabelled, hidden: true, kind: Unknown, verdict: Unjudged},
		"the conflict is":            {strategy: "crdt", of: []string{"pii"}, may: unlabelled, hidden: true, kind: Unknown, verdict: Unjudged},
		"a write was not read whole": {strategy: "merge", unread: true, may: unlabelled, hidden: true, kind: Unknown, verdict: Unjudged},
		"a rule that goes by times":  {strategy: "last-writer-wins", may: never, hidden: true, kind: Keep, verdict: Agree},
		"a rule that asks a person":  {strategy: "manual", may: never, hidden: true, kind: Person, verdict: Differ},
	} {
		rule, ok := Implicit(x.strategy)
		if !ok {
			t.Fatalf("no strategy %s", x.strategy)
		}
		c := &Case{
			Conflict: &metrics.Conflict{Feature: "cart", Labels: x.of, ResolvedAt: 9, Winner: "w2", Auto: metrics.Yes},
			Rule:     Named{Rule: rule},
			Siblings: []Sibling{
				{WriteID: "w1", Known: true, At: 1, ClockID: "c", Delta: `{"a":1}`, Labels: x.labels, Unread: x.unread},
				{WriteID: "w2", Known: true, At: 2, ClockID: "c", Delta: `{"b":2}`},
			},
		}
		c.Outcome = rule.Decide(c.Siblings)
		if err := NewJudge(JudgeOptions{}).compare(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.hide(x.may)
		if c.Hidden != x.hidden || c.Outcome.Kind != x.kind || c.Verdict != x.verdict {
			t.Errorf("%s: hidden %v, %+v, %s; want %v, %s, %s", name, c.Hidden, c.Outcome, c.Verdict, x.hidden, x.kind, x.verdict)
		}
		told := c.Siblings[0].Delta != "" || c.Outcome.Merged != nil || c.Outcome.Fields != nil || c.Outcome.Lost != nil || c.Outcome.LostWrites != nil
		if told == x.hidden {
			t.Errorf("%s: contents are told %v: %+v", name, told, c)
		}
		d := flags.ConflictDecision{Writes: []string{"w1", "w2"}, Proposed: "a merge", Merged: []byte(`{}`), Salt: "s"}
		if (&File{Case: *c}).hideIn(&d, x.may); d.Redacted != x.hidden || (d.Merged == nil) != x.hidden || (d.Proposed == "") != x.hidden || (d.Salt == "") != x.hidden {
			t.Errorf("%s: a decision: %+v", name, d)
		}
	}
}

// TestWhatIsRememberedIsHiddenWhileSomethingIsHeld: a verdict that was remembered is not
// told while an event of one of the writes is in quarantine, and is told after it.
func TestWhatIsRememberedIsHiddenWhileSomethingIsHeld(t *testing.T) {
	t.Parallel()
	all := func(string, []string) bool { return true }
	rule, _ := Implicit("merge")
	r := reporttest.New()
	for i, id := range []string{"w1", "w2"} {
		r.Events = append(r.Events, metrics.Event{EventID: id, Kind: metrics.KindInitiated, WriteID: id, Feature: "cart", OccurredAt: int64(i + 1), Delta: `{"` + id + `":1}`})
	}
	j := NewJudge(JudgeOptions{Reader: r, Now: func() time.Time { return time.Unix(3600, 0) }})
	c := &metrics.Conflict{ID: "c", Feature: "cart", Writes: []string{"w1", "w2"}, DetectedAt: 3, ResolvedAt: 9, Winner: "w2", Auto: metrics.Yes}
	for i, held := range []map[string][]metrics.HeldWrite{
		{"w2": {{Feature: "cart"}}},
		nil,
		{"w2": {{Feature: "cart"}}},
		{"w2": {{Feature: "shop"}}},
		nil,
	} {
		r.Held = held
		x, err := j.cached(t.Context(), c, &Named{Name: "merge", Rule: rule}, all)
		if err != nil {
			t.Fatal(err)
		}
		if want := len(held["w2"]) > 0 && held["w2"][0].Feature == "cart"; x.Hidden != want {
			t.Errorf("question %d, held %v: hidden %v, want %v", i, held, x.Hidden, want)
		}
	}
}

// TestWhatWasMadeOfTheWritesIsHidden: whether a labelled write is what a rule gives tells
// what it holds, so it is no verdict for who may not see it: not at first, not when it is
// remembered, and not in a replay of another rule.
func TestWhatWasMadeOfTheWritesIsHidden(t *testing.T) {
	t.Parallel()
	rule, _ := Implicit("merge")
	r := reporttest.New()
	r.Events = []metrics.Event{
		{EventID: "w1", Kind: metrics.KindInitiated, WriteID: "w1", Feature: "cart", OccurredAt: 1, Delta: `{"a":1}`},
		{EventID: "w2", Kind: metrics.KindInitiated, WriteID: "w2", Feature: "cart", OccurredAt: 2, Delta: `{"b":2}`},
		{EventID: "w3", Kind: metrics.KindInitiated, WriteID: "w3", Feature: "cart", OccurredAt: 3, Delta: `{"a":1,"b":2}`, Labels: []string{"pii"}, Parents: []string{"w1", "w2"}},
	}
	j := NewJudge(JudgeOptions{Reader: r, Now: func() time.Time { return time.Unix(3600, 0) }})
	decided := func(auto metrics.Tri) *metrics.Conflict {
		return &metrics.Conflict{ID: "c" + string('0'+rune(auto)), Feature: "cart", Writes: []string{"w1", "w2"}, DetectedAt: 3, ResolvedAt: 9, Winner: "w3", Auto: auto}
	}
	unlabelled := func(_ string, labels []string) bool { return len(labels) == 0 }
	all := func(string, []string) bool { return true }
	for i, x := range []struct {
		may     May
		held    bool
		verdict Verdict
	}{{unlabelled, false, Unjudged}, {unlabelled, false, Unjudged}, {all, false, Agree}, {all, true, Unjudged}, {all, false, Agree}} {
		r.Held = nil
		if x.held {
			r.Held = map[string][]metrics.HeldWrite{"w3": {{Feature: "cart"}}}
		}
		c, err := j.cached(t.Context(), decided(metrics.Yes), &Named{Name: "merge", Rule: rule}, x.may)
		if err != nil {
			t.Fatal(err)
		}
		if c.Verdict != x.verdict || c.Hidden || (c.Cause == CauseHidden) != (x.verdict == Unjudged) {
			t.Errorf("question %d: %s %s, hidden %v; want %s", i, c.Verdict, c.Cause, c.Hidden, x.verdict)
		}
	}
	for _, x := range []struct {
		auto metrics.Tri
		may  May
		want Changes
	}{
		{metrics.Yes, all, Changes{Same: 1}},
		{metrics.Yes, unlabelled, Changes{Unjudged: 1}},
		{metrics.No, all, Changes{Spared: 1, PersonSame: 1}},
		{metrics.No, unlabelled, Changes{Unjudged: 1}},
	} {
		var got Replay
		q := &ReplayQuery{Candidate: rule, Base: rule, Of: AgreementQuery{May: x.may}}
		if err := j.replayOne(t.Context(), &got, &FeatureReplay{}, newBook(nil), decided(x.auto), q); err != nil {
			t.Fatal(err)
		}
		if got.Same != x.want.Same || got.Spared != x.want.Spared || got.PersonSame != x.want.PersonSame || got.Unjudged != x.want.Unjudged || got.Causes[CauseHidden] != x.want.Unjudged {
			t.Errorf("a replay: %+v, want %+v", got.Changes, x.want)
		}
	}
}

// TestWhatIsRememberedHeedsWhatComesLater: a verdict that was remembered is judged anew
// when one of the writes, or what was made of them, gets a label or says something else.
func TestWhatIsRememberedHeedsWhatComesLater(t *testing.T) {
	t.Parallel()
	unlabelled := func(_ string, labels []string) bool { return len(labels) == 0 }
	rule, _ := Implicit("merge")
	for _, late := range []string{"w1", "w2", "w3"} {
		r := reporttest.New()
		add := func(id, feature string, e metrics.Event) {
			e.EventID, e.WriteID, e.Feature, e.OccurredAt = fmt.Sprint(len(r.Events)), id, feature, int64(len(r.Events))+1
			r.Events = append(r.Events, e)
		}
		add("w1", "cart", metrics.Event{Kind: metrics.KindInitiated, Delta: `{"a":1}`})
		add("w2", "cart", metrics.Event{Kind: metrics.KindInitiated, Delta: `{"b":2}`})
		add("w3", "cart", metrics.Event{Kind: metrics.KindInitiated, Delta: `{"a":1,"b":2}`, Parents: []string{"w1", "w2"}})
		now := time.Unix(3600, 0)
		j := NewJudge(JudgeOptions{Reader: r, Now: func() time.Time { return now }})
		c := &metrics.Conflict{ID: "c", Feature: "cart", Writes: []string{"w1", "w2"}, DetectedAt: 3, ResolvedAt: 9, Winner: "w3", Auto: metrics.Yes}
		ask := func(when string, may May, want Verdict) {
			t.Helper()
			x, err := j.cached(t.Context(), c, &Named{Name: "merge", Rule: rule}, may)
			if err != nil || x.Verdict != want {
				t.Errorf("%s of %s: %s %s, %v; want %s", when, late, x.Verdict, x.Cause, err, want)
			}
		}
		ask("before the label", unlabelled, Agree)
		add(late, "shop", metrics.Event{Kind: metrics.KindFailed, Labels: []string{"pii"}})
		ask("after another feature's label", unlabelled, Agree)
		r.Held = map[string][]metrics.HeldWrite{late: {{Feature: "cart"}}}
		ask("while something is held", unlabelled, Unjudged)
		r.Held = nil
		ask("after it", unlabelled, Agree)
		add(late, "cart", metrics.Event{Kind: metrics.KindFailed, Labels: []string{"pii"}})
		ask("after the label", unlabelled, Unjudged)
		ask("after the label, again", unlabelled, Unjudged)
		ask("after the label, for who sees all", nil, Agree)
	}
}
