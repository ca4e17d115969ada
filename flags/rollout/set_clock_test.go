package rollout

import (
	"strings"
	"testing"
	"time"

	"tidemark/flags"
)

// setTick lets a second pass for a rollout whose clock was set by so much.
func (b *bench) setTick(t *testing.T, by time.Duration, units int64) {
	t.Helper()
	b.now = b.now.Add(time.Second)
	if _, err := b.step(Input{Evidence: b.evidence(units), Steady: b.now.Add(-by)}); err != nil {
		t.Fatal(err)
	}
}

// TestASetClockStartsNothing: a time to start at that comes because somebody set the clock
// ahead is waited for as before, and says so.
func TestASetClockStartsNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.r.Plan.StartAt = noon.Add(30 * time.Minute)
	if err := b.command(CommandStart); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Hour)
	for range 60 {
		b.setTick(t, time.Hour, 0)
	}
	const why = "Starts at 2026-03-01 12:30 UTC. That time has come only because the server's clock was set ahead by 1 h, which is believed when it has gone on for 1 h."
	if b.r.State != flags.RolloutWaiting || b.r.Decision.Why != why {
		t.Errorf("%s: %s", b.r.State, b.r.Decision.Why)
	}
	b.setTick(t, 0, 0)
	if b.r.State != flags.RolloutRunning {
		t.Errorf("the clock is believed, but it is %s: %s", b.r.State, b.r.Decision.Why)
	}
}

// TestASetClockEndsNoFreeze: neither one that was set ahead to behind the window, nor one
// that was set back to before it.
func TestASetClockEndsNoFreeze(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		b := started(t)
		b.r.Plan.Freeze = []flags.FreezeWindow{{From: noon.Add(-time.Hour), Until: noon.Add(time.Hour), Reason: "fair"}}
		b.ticks(t, 120, 100)
		if b.r.Step != 0 || !strings.HasPrefix(b.r.Decision.Why, "Ready for 20%, but frozen until 2026-03-01 13:00 UTC: fair") {
			t.Fatalf("step %d: %s", b.r.Step, b.r.Decision.Why)
		}
		b.now = b.now.Add(by)
		for range 120 {
			b.setTick(t, by, 100)
		}
		if b.r.Step != 0 {
			t.Errorf("set by %s, it widened to step %d in the freeze", by, b.r.Step)
		}
		if said := strings.Contains(b.r.Decision.Why, "set ahead by 365 d"); said != (by > 0) {
			t.Errorf("set by %s: %s", by, b.r.Decision.Why)
		}
	}
}
