package flagset

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// TestDistinctIsAsGoodAsItSays: small numbers are exact or nearly so, large ones within
// four standard errors, and merging counts what is in both once.
func TestDistinctIsAsGoodAsItSays(t *testing.T) {
	t.Parallel()
	var all []byte
	for _, n := range []int{0, 1, 3, 30, 300, 3000, 30_000, 100_000} {
		d := &distinct{}
		for i := range n {
			d.add(xxhash.Sum64String(fmt.Sprint("unit-", i)))
			d.add(xxhash.Sum64String(fmt.Sprint("unit-", i/2))) // again
		}
		all = d.registers()
		got := distinctCount(all)
		if off := math.Abs(got - float64(n)); off > max(0.5, 4*distinctError*float64(n)) || n < 10 && math.Round(got) != float64(n) {
			t.Errorf("%d different hashes are estimated as %.1f", n, got)
		}
	}
	half := &distinct{}
	for i := range 50_000 {
		half.add(xxhash.Sum64String(fmt.Sprint("unit-", i)))
	}
	merged := half.registers()
	mergeRegisters(merged, all)
	if a, b := distinctCount(merged), distinctCount(all); a != b {
		t.Errorf("a half merged into the whole gives %.0f; want %.0f", a, b)
	}
}

func TestDistinctLosesNothingTogether(t *testing.T) {
	t.Parallel()
	d, alone := &distinct{}, &distinct{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				d.add(xxhash.Sum64String(fmt.Sprint(g, "-", i)))
			}
		})
	}
	for g := range 8 {
		for i := range 5000 {
			alone.add(xxhash.Sum64String(fmt.Sprint(g, "-", i)))
		}
	}
	wg.Wait()
	if a, b := string(d.registers()), string(alone.registers()); a != b {
		t.Error("together they count something else than alone")
	}
}

// draining is a flag of which a rollout gives half of the units the candidate, with pins
// that last an hour.
type draining struct {
	*harness
	t  *testing.T
	as flags.Assignment
}

func openDraining(t *testing.T) *draining {
	t.Helper()
	d := &draining{harness: open4test(t), t: t, as: flags.Assignment{
		Rollout: "r1", Flag: "dark", Salt: "s", Percent: 5000, Candidate: "on", Control: "off", PinFor: time.Hour,
	}}
	d.save(t, flagID("dark"), `{"state":"ENABLED","variants":{"on":{"model":"causal"},"off":{"model":"eventual"}},"defaultVariant":"off"}`)
	d.restart(nil)
	return d
}

// restart opens the catalogue anew; broken is what the store says of broken pins.
func (d *draining) restart(broken map[string]int64) {
	d.t.Helper()
	c, err := Open(d.t.Context(), Options{Store: d.store, Usage: d.store, PinCounts: d.store, Rollouts: d.store, Pins: eval.NewPins(make([]byte, 32)), Now: d.clock.now})
	if err != nil {
		d.t.Fatal(err)
	}
	d.Catalogue = c
	if err := d.SetAssignments(d.t.Context(), []flags.Assignment{d.as}); err != nil {
		d.t.Fatal(err)
	}
	s := d.Catalogue.now.Load().clone()
	s.pinsBroken = broken
	if s.set, err = d.compile(s); err != nil {
		d.t.Fatal(err)
	}
	d.swap(s)
}

// ask evaluates for a unit as OFREP does, and returns the pin to send back.
func (d *draining) ask(unit, pin string) (variant, next string) {
	ctx := eval.Context{"targetingKey": unit}
	if pin != "" {
		ctx[eval.PinKey] = pin
	}
	set := d.Set()
	r := set.Evaluate("dark", ctx, d.clock.t)
	d.Observe(set, &r)
	return r.Variant, r.Metadata.Pin
}

func (d *draining) want(when, variant string, sessions, units int64) {
	d.t.Helper()
	all, err := d.Pinned(d.t.Context(), "r1", time.Time{})
	if err != nil {
		d.t.Fatal(err)
	}
	var got Pinned
	for _, p := range all {
		if p.Variant == variant {
			got = p
		}
	}
	// Two of so few may share a register.
	if max(sessions-got.Sessions, got.Sessions-sessions, units-got.Units, got.Units-units) > 1 || (got.Sessions == 0) != (sessions == 0) {
		d.t.Errorf("%s: %d sessions and %d units are pinned to %s; want %d and %d (%+v)", when, got.Sessions, got.Units, variant, sessions, units, all)
	}
}

// TestPinnedSessionsAreCounted: who was given a pin, and who came back with it, after a
// revert and a restart too; until the pins have ended, or were broken.
func TestPinnedSessionsAreCounted(t *testing.T) {
	t.Parallel()
	d := openDraining(t)
	pins := map[string]string{} // of the candidates
	for i := range 40 {
		unit := fmt.Sprint("unit-", i)
		for range 3 { // A client that drops its pin is given another; it is one unit.
			if variant, pin := d.ask(unit, ""); variant == "on" {
				pins[unit] = pin
			}
		}
	}
	given := int64(len(pins))
	if given < 10 || given > 30 {
		t.Fatalf("%d of 40 have the candidate", given)
	}
	d.want("before anybody came back", "on", 0, given)
	d.want("before anybody came back", "off", 0, 40-given)
	d.as.Percent = 0
	if err := d.FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.restart(nil)
	back := int64(0)
	for unit, pin := range pins {
		if back == 5 {
			break
		}
		back++
		for range 2 { // The same session twice is one.
			if variant, kept := d.ask(unit, pin); variant != "on" || kept != pin {
				t.Fatalf("%s is pinned and gets %s", unit, variant)
			}
		}
	}
	d.want("after the revert", "on", back, given)
	for range 2 { // A flush that is repeated adds nothing.
		if err := d.FlushUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.want("stored", "on", back, given)
	}
	d.restart(nil)
	d.want("after a restart", "on", back, given)
	if all, err := d.Pinned(t.Context(), "r1", d.clock.t.Add(time.Second)); err != nil || len(all) > 0 {
		t.Errorf("broken pins are counted: %+v, %v", all, err)
	}
	d.clock.t = d.clock.t.Add(time.Hour)
	d.want("when they end", "on", back, given) // They count for a stretch longer.
	d.clock.t = d.clock.t.Add(time.Hour / pinStretches * 2)
	d.want("when they have ended", "on", 0, 0)
	if err := d.FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.ask("another", "") // So that there is something to flush.
	if err := d.FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept, err := d.store.Pins(t.Context(), "r1"); err != nil || len(kept) != 1 {
		t.Errorf("%d sketches are kept, %v; want the one of now", len(kept), err)
	}
}

// TestPinsAfterTheBreakCount: those from before a break of all pins do not.
func TestPinsAfterTheBreakCount(t *testing.T) {
	t.Parallel()
	d := openDraining(t)
	d.as.Percent = flags.Whole
	d.restart(nil)
	d.ask("before", "")
	at := d.clock.t.Add(time.Second)
	d.clock.t = at
	d.restart(map[string]int64{"dark": at.UnixNano()})
	d.ask("after-1", "")
	d.ask("after-2", "")
	all, err := d.Pinned(t.Context(), "r1", at)
	if err != nil || len(all) != 1 || all[0].Units != 2 {
		t.Errorf("%+v, %v; want the two from after", all, err)
	}
}

// TestPinCountsAreBounded: beyond the limit it is said that some are not counted.
func TestPinCountsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPins()
	for i := range maxPinSketches + 10 {
		if d := p.part(pinPart{rollout: "r", until: int64(i)}); (d == nil) != (i >= maxPinSketches) {
			t.Fatalf("part %d: %v", i, d != nil)
		}
	}
	if !p.over.Load() || len(*p.parts.Load()) != maxPinSketches {
		t.Errorf("%d parts, over %v", len(*p.parts.Load()), p.over.Load())
	}
}
