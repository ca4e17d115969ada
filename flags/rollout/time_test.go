package rollout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// silence lets time pass without any news.
func (b *bench) silence(t *testing.T, seconds int, ev *metrics.TrialEvidence) {
	t.Helper()
	for range seconds {
		b.now = b.now.Add(time.Second)
		if _, err := b.step(Input{Evidence: ev}); err != nil {
			t.Fatal(err)
		}
	}
}

// baking has begun with a first step of that bake time.
func baking(t *testing.T, bake time.Duration) *bench {
	t.Helper()
	b := newBench()
	b.r.Plan.Steps[0].Bake = flags.Duration(bake)
	if err := b.command(CommandStart); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) wantBaked(t *testing.T, when string, least, most time.Duration) {
	t.Helper()
	if b.r.Baked < least || b.r.Baked > most {
		t.Errorf("%s it has baked for %s; want %s to %s", when, b.r.Baked, least, most)
	}
}

// TestStoppedTrafficStopsTheBakeClock: a pause of a minute is no stop; beyond it the clock
// stands, goes on with the traffic, and the step takes as much longer.
func TestStoppedTrafficStopsTheBakeClock(t *testing.T) {
	t.Parallel()
	b := baking(t, 5*time.Minute)
	b.ticks(t, 120, 100)
	b.wantBaked(t, "after 2 min with traffic", 2*time.Minute, 2*time.Minute)
	b.silence(t, 600, b.evidence(100))
	b.wantBaked(t, "after 10 min without", 3*time.Minute-time.Second, 3*time.Minute+time.Second)
	if why := b.r.Decision.Why; b.r.Step != 0 || !strings.Contains(why, "the bake time stands still") || !strings.Contains(why, "reverts after 15 min") {
		t.Errorf("step %d: %s", b.r.Step, why)
	}
	b.ticks(t, 115, 100)
	if b.r.Step != 0 {
		t.Fatalf("widened after %s of baking", b.r.Baked)
	}
	b.ticks(t, 10, 100)
	if b.r.Step != 1 {
		t.Errorf("step %d after 5 min with traffic: %s", b.r.Step, b.r.Decision.Why)
	}
}

// TestWhatElseStopsTheBakeClock: a replica that fell silent, evidence that cannot be had,
// a paused rollout, and a server that was away.
func TestWhatElseStopsTheBakeClock(t *testing.T) {
	t.Parallel()
	silent := func(b *bench) Input {
		ev := b.evidence(100)
		ev.Silent = []string{"search"}
		return Input{Evidence: ev}
	}
	for name, c := range map[string]struct {
		in  func(b *bench) Input
		say string
	}{
		"a silent replica":     {silent, "Nothing is known of search"},
		"no evidence":          {func(*bench) Input { return Input{} }, "still being computed"},
		"evidence that failed": {func(*bench) Input { return Input{EvidenceErr: errors.New("the disk is gone")} }, "could not be read: the disk is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := baking(t, 5*time.Minute)
			b.ticks(t, 60, 100)
			for range 14 * 60 {
				b.now = b.now.Add(time.Second)
				if _, err := b.step(c.in(b)); err != nil {
					t.Fatal(err)
				}
			}
			b.wantBaked(t, "afterwards", time.Minute, time.Minute)
			if b.r.State != flags.RolloutRunning || b.r.Step != 0 || !strings.Contains(b.r.Decision.Why, c.say) {
				t.Fatalf("%s at step %d: %s", b.r.State, b.r.Step, b.r.Decision.Why)
			}
			for range 61 {
				b.now = b.now.Add(time.Second)
				if _, err := b.step(c.in(b)); err != nil {
					t.Fatal(err)
				}
			}
			if b.r.State != flags.RolloutReverting || !strings.Contains(b.r.Decision.Why, "no data is not good news") {
				t.Errorf("after 15 min %s: %s", b.r.State, b.r.Decision.Why)
			}
		})
	}
	t.Run("paused", func(t *testing.T) {
		t.Parallel()
		b := baking(t, 5*time.Minute)
		b.ticks(t, 60, 100)
		if err := b.command(CommandPause); err != nil {
			t.Fatal(err)
		}
		b.silence(t, 3600, b.evidence(100))
		if b.wantBaked(t, "while paused", time.Minute, time.Minute); b.r.State != flags.RolloutPaused {
			t.Errorf("a paused rollout without data is %s", b.r.State)
		}
	})
	t.Run("a server that was away", func(t *testing.T) {
		t.Parallel()
		b := baking(t, 5*time.Minute)
		b.ticks(t, 60, 100)
		b.now = b.now.Add(24 * time.Hour)
		b.ticks(t, 1, 100)
		if b.wantBaked(t, "after a day away", time.Minute, time.Minute+maxTick); b.r.State != flags.RolloutRunning || b.r.Step != 0 {
			t.Errorf("%s at step %d", b.r.State, b.r.Step)
		}
	})
}

// TestAFreezeStopsWidening and nothing else: the step goes on baking, a person cannot
// widen either, a broken guardrail and a person may revert, and afterwards it goes on.
func TestAFreezeStopsWidening(t *testing.T) {
	t.Parallel()
	frozen := func(t *testing.T) *bench {
		t.Helper()
		b := newBench()
		b.r.Plan.Freeze = []flags.FreezeWindow{{From: noon.Add(30 * time.Second), Until: noon.Add(time.Hour), Reason: "the sale"}}
		b.r.Plan.Deadline, b.r.Plan.OnDeadline = flags.Duration(time.Minute), flags.DeadlineHold
		if err := b.command(CommandStart); err != nil {
			t.Fatal(err)
		}
		b.ticks(t, 10*60, 100)
		if b.r.State != flags.RolloutRunning || b.r.Step != 0 || b.r.Baked < time.Minute ||
			!strings.Contains(b.r.Decision.Why, "Ready for 20%, but frozen until 2026-03-01 13:00 UTC: the sale.") {
			t.Fatalf("in the freeze: %s at step %d: %s", b.r.State, b.r.Step, b.r.Decision.Why)
		}
		if err := b.command(CommandAdvance); !errors.Is(err, flags.ErrRefused) || !strings.Contains(err.Error(), "the sale") {
			t.Errorf("a person widens in the freeze: %v", err)
		}
		return b
	}
	t.Run("it ends", func(t *testing.T) {
		t.Parallel()
		b := frozen(t)
		b.now = noon.Add(time.Hour)
		b.ticks(t, 1, 100)
		if b.r.Step != 1 {
			t.Errorf("step %d after the freeze: %s", b.r.Step, b.r.Decision.Why)
		}
	})
	t.Run("a guardrail breaks", func(t *testing.T) {
		t.Parallel()
		b := frozen(t)
		b.outcome = flags.OutcomeFail
		b.ticks(t, 1, 100)
		if b.r.State != flags.RolloutReverting {
			t.Errorf("in the freeze a broken guardrail leaves it %s", b.r.State)
		}
	})
	t.Run("a person reverts", func(t *testing.T) {
		t.Parallel()
		b := frozen(t)
		if err := b.command(CommandRevert); err != nil || b.r.State != flags.RolloutReverting {
			t.Errorf("%s, %v", b.r.State, err)
		}
	})
}

// TestWhatDelaysTheStart: a time to start at, and a freeze; it begins by itself when both
// are over, once.
func TestWhatDelaysTheStart(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.r.Plan.StartAt = noon.Add(time.Hour)
	b.r.Plan.Freeze = []flags.FreezeWindow{{From: noon.Add(59 * time.Minute), Until: noon.Add(2 * time.Hour), Reason: "the sale"}}
	if err := b.command(CommandStart); err != nil || b.r.State != flags.RolloutWaiting || b.r.Percent != 0 {
		t.Fatalf("%s at %d, %v", b.r.State, b.r.Percent, err)
	}
	for _, c := range []struct {
		at  time.Duration
		say string
	}{{59*time.Minute + 59*time.Second, "Starts at 2026-03-01 13:00 UTC."}, {time.Hour, "Waits for the end of a freeze at 2026-03-01 14:00 UTC: the sale."}} {
		b.now = noon.Add(c.at)
		if _, err := b.step(Input{}); err != nil || b.r.State != flags.RolloutWaiting || b.r.Decision.Why != c.say {
			t.Errorf("after %s: %s, %q, %v", c.at, b.r.State, b.r.Decision.Why, err)
		}
	}
	b.now = noon.Add(2 * time.Hour)
	made, err := b.step(Input{})
	if err != nil || made == nil || made.Action != "start" || made.Actor != controller || b.r.State != flags.RolloutRunning || !b.r.StartedAt.Equal(b.now) {
		t.Fatalf("%s, %+v, %v", b.r.State, made, err)
	}
	if made, err := b.step(Input{Evidence: b.evidence(0)}); err != nil || made != nil {
		t.Errorf("started twice: %+v, %v", made, err)
	}
}

// TestADeadlineNeverWidens: it stops the step until a person looks, or takes it back, as
// the plan says; a pause begins it anew.
func TestADeadlineNeverWidens(t *testing.T) {
	t.Parallel()
	unsure := func(t *testing.T, action flags.DeadlineAction) *bench {
		t.Helper()
		b := newBench()
		b.outcome = flags.OutcomeUnsure
		b.r.Plan.Deadline, b.r.Plan.OnDeadline = flags.Duration(5*time.Minute), action
		if err := b.command(CommandStart); err != nil {
			t.Fatal(err)
		}
		b.ticks(t, 6*60, 100)
		if b.r.State != flags.RolloutRunning || b.r.Step != 0 {
			t.Fatalf("before the deadline %s at step %d: %s", b.r.State, b.r.Step, b.r.Decision.Why)
		}
		b.ticks(t, 1, 100)
		if b.r.Percent > 100 || !strings.Contains(b.r.Decision.Why, "The deadline passed without a decision: Late writes: said so.") {
			t.Errorf("at the deadline %d: %s", b.r.Percent, b.r.Decision.Why)
		}
		return b
	}
	t.Run("revert", func(t *testing.T) {
		t.Parallel()
		if b := unsure(t, flags.DeadlineRevert); b.r.State != flags.RolloutReverting || b.r.Percent != 0 {
			t.Errorf("%s at %d", b.r.State, b.r.Percent)
		}
	})
	t.Run("hold", func(t *testing.T) {
		t.Parallel()
		b := unsure(t, flags.DeadlineHold)
		if b.r.State != flags.RolloutPaused || b.r.Percent != 100 {
			t.Fatalf("%s at %d", b.r.State, b.r.Percent)
		}
		b.outcome = flags.OutcomePass
		b.ticks(t, 600, 100)
		if b.r.State != flags.RolloutPaused || b.r.Step != 0 || b.r.Decision.Why != "Ready for 20%, but paused." {
			t.Errorf("while paused %s at step %d: %s", b.r.State, b.r.Step, b.r.Decision.Why)
		}
		b.outcome = flags.OutcomeUnsure
		if err := b.command(CommandResume); err != nil {
			t.Fatal(err)
		}
		if b.ticks(t, 6*60, 100); b.r.State != flags.RolloutRunning {
			t.Errorf("%s %s after it was resumed: %s", b.r.State, b.now.Sub(noon), b.r.Decision.Why)
		}
		if b.ticks(t, 2, 100); b.r.State != flags.RolloutPaused {
			t.Errorf("%s: the deadline did not begin anew", b.r.State)
		}
	})
}
