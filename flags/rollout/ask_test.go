package rollout

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
)

// gate is a webhook that answers as it is told.
type gate struct {
	asked  []Question
	kinds  []string
	pass   bool
	reason string
	err    error
}

func (*gate) Askable(context.Context, string) error { return nil }

func (g *gate) Ask(_ context.Context, _, kind string, question any) (pass bool, reason string, err error) {
	q, ok := question.(Question)
	if !ok {
		return false, "", errors.New("that is no question")
	}
	g.asked, g.kinds = append(g.asked, q), append(g.kinds, kind)
	return g.pass, g.reason, g.err
}

// quiet is telemetry of which nothing is asked here but whether there is any.
type quiet struct{ Telemetry }

func (quiet) Heard(context.Context, string) (int64, error) { return 1, nil }

// TestAPhaseAsksItsWebhook goes through what a webhook says in turn: each answer is
// good for hookFor, and only a pass lets the phase be left.
func TestAPhaseAsksItsWebhook(t *testing.T) {
	t.Parallel()
	g, now := &gate{}, noon
	opt := Options{Asker: g, Telemetry: quiet{}, Now: func() time.Time { return now }}
	var q questions
	q.init(&opt)
	r := &flags.Rollout{ID: "r", Title: "t", Phase: flags.PhaseDualWrite, StepAt: noon, Plan: flags.Plan{
		Flag: "f", Feature: "cart", Candidate: "new",
		Phases: []flags.PlanPhase{{Phase: flags.PhaseDualWrite, Variant: "both", Bake: flags.Duration(time.Minute), Webhook: "hook"}},
	}}
	ask := func() (in Input) {
		q.answer(t.Context(), now, r, &in)
		q.wait()
		return in
	}
	if in := ask(); len(g.asked) != 0 || !in.Valid.Asked || in.Valid.Known || !strings.Contains(in.Valid.Why, "bake time") {
		t.Fatalf("asked %d times before the phase has baked: %+v", len(g.asked), in.Valid)
	}
	r.Baked = time.Minute
	for i, c := range []struct {
		pass        bool
		reason, say string
		err         error
	}{
		{false, "the backfill runs", "says to wait: the backfill runs.", nil},
		{false, "", "", errors.New("no answer")},
		{true, "", "says to go on.", nil},
	} {
		g.pass, g.reason, g.err = c.pass, c.reason, c.err
		ask() // asks; the answer is there the next time
		v := ask().Valid
		if len(g.asked) != i+1 {
			t.Fatalf("asked %d times, want %d: an answer is good for %s", len(g.asked), i+1, hookFor)
		}
		if v.Pass != c.pass || v.Known != (c.err == nil) || !errors.Is(v.Err, c.err) || !strings.Contains(v.Why, c.say) {
			t.Errorf("answer %d: %+v", i, v)
		}
		now = now.Add(hookFor)
	}
	want := Question{Rollout: "r", Title: "t", Flag: "f", Feature: "cart", Candidate: "new", Phase: flags.PhaseDualWrite, Since: noon}
	if g.asked[0] != want || g.kinds[0] != "rollout.phase" {
		t.Errorf("asked %s %+v", g.kinds[0], g.asked[0])
	}
}
