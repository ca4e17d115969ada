package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
	"tidemark/flags/audit"
)

func draft(id, flag string, at time.Time) (flags.Rollout, flags.Transition) {
	r := flags.Rollout{
		ID: id, Title: "Sticky reads", Plan: flags.Plan{Flag: flag, Candidate: "causal", Control: "eventual", Steps: []flags.PlanStep{{Percent: 100, Bake: flags.Duration(time.Hour), MinUnits: 5}}},
		State: flags.RolloutDraft, Step: -1, Revision: 1, Salt: "s-" + id, CreatedAt: at, CreatedBy: "user:ann",
		Approvals: []flags.Approval{}, SignOffs: []flags.SignOff{}, Intervals: []flags.StepInterval{},
	}
	return r, flags.Transition{Rollout: id, Revision: 1, At: at, Actor: "user:ann", Action: "create", Reason: "try", From: "", To: flags.RolloutDraft, Step: -1}
}

// moved is the rollout one revision later.
func moved(r flags.Rollout, to flags.RolloutState, at time.Time) (flags.Rollout, flags.Transition) {
	from := r.State
	r.State, r.Revision = to, r.Revision+1
	d := flags.Decision{Verb: flags.VerbHold, Why: "Because.", At: at}
	return r, flags.Transition{Rollout: r.ID, Revision: r.Revision, At: at, Actor: "controller", Action: "move", From: from, To: to, Decision: &d}
}

func TestARolloutIsKeptWithItsHistoryAndItsAuditRecords(t *testing.T) {
	t.Parallel()
	s, ctx := open4test(t), t.Context()
	r1, t1 := draft("a", "f", t0)
	if err := s.SaveRollout(ctx, r1, t1); err != nil {
		t.Fatal(err)
	}
	r2, t2 := moved(r1, flags.RolloutRunning, t0.Add(time.Minute))
	if err := s.SaveRollout(ctx, r2, t2); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveRollout(ctx, r2, t2); !errors.Is(err, flags.ErrChanged) {
		t.Errorf("saving the same revision twice: %v", err)
	}
	got, err := s.Rollout(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r2, got); d != "" {
		t.Errorf("rollout (-want +got):\n%s", d)
	}
	ts, err := s.Transitions(ctx, "a")
	if err != nil || len(ts) != 2 || ts[0].Revision != 2 || ts[1].Action != "create" {
		t.Errorf("transitions %+v, %v", ts, err)
	}
	es, err := s.Entries(ctx, audit.Query{Subject: "rollout/a"})
	if err != nil || len(es) != 2 || es[0].Action != "rollout.move" || es[1].Reason != "try" || es[0].Before == nil {
		t.Errorf("audit %+v, %v", es, err)
	}
	if _, err := s.Rollout(ctx, "none"); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("unknown rollout: %v", err)
	}
}

func TestAFlagIsHeldByOneRollout(t *testing.T) {
	t.Parallel()
	s, ctx := open4test(t), t.Context()
	var rs []flags.Rollout
	for i, id := range []string{"a", "b"} {
		r, tr := draft(id, "f", t0.Add(time.Duration(i)))
		if err := s.SaveRollout(ctx, r, tr); err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	ra, ta := moved(rs[0], flags.RolloutRunning, t0)
	if err := s.SaveRollout(ctx, ra, ta); err != nil {
		t.Fatal(err)
	}
	rb, tb := moved(rs[1], flags.RolloutRunning, t0)
	if err := s.SaveRollout(ctx, rb, tb); !errors.Is(err, flags.ErrRefused) {
		t.Fatalf("second rollout of the flag: %v", err)
	}
	if got, err := s.Rollout(ctx, "b"); err != nil || got.State != flags.RolloutDraft {
		t.Errorf("the refused one is %v, %v", got.State, err)
	}
	if h, err := s.Entries(ctx, audit.Query{Subject: "rollout/b"}); err != nil || len(h) != 1 {
		t.Errorf("a refused change left %d records, %v", len(h), err)
	}
	ra, ta = moved(ra, flags.RolloutReverted, t0)
	if err := s.SaveRollout(ctx, ra, ta); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveRollout(ctx, rb, tb); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
	all, err := s.Rollouts(ctx)
	if err != nil || len(all) != 2 || all[0].ID != "b" {
		t.Errorf("latest first: %v, %v", all, err)
	}
}

func TestANoteChangesNothingOfAnotherRevision(t *testing.T) {
	t.Parallel()
	s, ctx := open4test(t), t.Context()
	r, tr := draft("a", "f", t0)
	if err := s.SaveRollout(ctx, r, tr); err != nil {
		t.Fatal(err)
	}
	old := r
	r.Baked = time.Minute
	if err := s.NoteRollout(ctx, r); err != nil {
		t.Fatal(err)
	}
	r2, t2 := moved(r, flags.RolloutRunning, t0)
	if err := s.SaveRollout(ctx, r2, t2); err != nil {
		t.Fatal(err)
	}
	old.Baked = time.Hour
	if err := s.NoteRollout(ctx, old); err != nil {
		t.Fatal(err)
	}
	got, err := s.Rollout(ctx, "a")
	if err != nil || got.Baked != time.Minute || got.State != flags.RolloutRunning {
		t.Errorf("got %v in %s, %v", got.Baked, got.State, err)
	}
}

func TestOneHolderHasTheLease(t *testing.T) {
	t.Parallel()
	s, ctx := open4test(t), t.Context()
	const ttl = 10 * time.Second
	for _, c := range []struct {
		name, holder string
		at           time.Time
		want         bool
	}{
		{"first", "x", t0, true},
		{"another", "y", t0.Add(time.Second), false},
		{"renewed", "x", t0.Add(5 * time.Second), true},
		{"not yet over", "y", t0.Add(14 * time.Second), false},
		{"over", "y", t0.Add(15 * time.Second), true},
		{"lost", "x", t0.Add(16 * time.Second), false},
		{"clock set back", "x", t0.Add(-time.Hour), true},
	} {
		got, err := s.Lease(ctx, c.holder, c.at.Add(ttl), c.at)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestDocumentsAndTheRolloutsThatTheyMakeAreStoredTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s, ctx := open4test(t), t.Context()
	r, tr := draft("a", "f", t0)
	r.Document = "plan"
	id := flags.DocumentID{Kind: flags.KindRolloutPlan, Name: "plan"}
	c := flags.Change{
		Actor: "user:ann", Reason: "try", At: t0, Action: "document.apply",
		Documents: []flags.DocumentChange{{Version: flags.DocumentVersion{ID: id, Revision: 1, Content: []byte("{}"), Status: flags.StatusActive, At: t0}}},
		Rollouts:  []flags.RolloutChange{{Rollout: r, Transition: tr}},
	}
	late := c
	late.Rollouts = []flags.RolloutChange{{Rollout: r, Transition: tr}}
	late.Rollouts[0].Rollout.Revision, late.Rollouts[0].Transition.Revision = 7, 7
	if err := s.ApplyDocuments(ctx, late); !errors.Is(err, flags.ErrChanged) {
		t.Fatalf("a rollout that is elsewhere: %v", err)
	}
	if _, err := s.Document(ctx, id); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("the document was stored without its rollout: %v", err)
	}
	if es, err := s.Entries(ctx, audit.Query{}); err != nil || len(es) != 0 {
		t.Errorf("there are %d records of what was not stored, %v", len(es), err)
	}
	if err := s.ApplyDocuments(ctx, c); err != nil {
		t.Fatal(err)
	}
	got, err := s.Rollout(ctx, "a")
	if err != nil || got.Document != "plan" {
		t.Errorf("got %+v, %v", got, err)
	}
	es, err := s.Entries(ctx, audit.Query{})
	if err != nil || len(es) != 2 || es[0].Action != "rollout.create" || es[1].Subject != "RolloutPlan/plan" {
		t.Errorf("audit %+v, %v", es, err)
	}
}
