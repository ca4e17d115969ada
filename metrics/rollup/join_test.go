package rollup

import (
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
)

// otherwise makes an event say other things of its write than it does, where may allows.
func otherwise(t *rapid.T, ev *metrics.Event, may func(field said) bool) {
	pick := func(field said, known string, names ...string) string {
		if !may(field) || rapid.IntRange(0, 2).Draw(t, "as it is") == 0 {
			return known
		}
		return rapid.SampledFrom(names).Draw(t, "other")
	}
	ev.Model = pick(saidModel, ev.Model, "a-model", "causal", "z-model")
	ev.Variant = pick(saidVariant, ev.Variant, "new", "old", "a-variant")
	ev.Mechanism = pick(saidMechanism, ev.Mechanism, "cdc", "zzz")
	ev.Key = pick(saidKey, ev.Key, "k0", "k1", "k2", "k3")
	if may(saidTrial) && rapid.Bool().Draw(t, "other part") {
		ev.Flag = rapid.SampledFrom([]string{"cart-model", "another", "zzz"}).Draw(t, "flag")
		ev.Unit = rapid.SampledFrom([]string{"", "u1", "u4", "u6"}).Draw(t, "other unit")
	}
	if !ev.Kind.AtOrigin() && rapid.Bool().Draw(t, "other session") {
		ev.SessionID = rapid.SampledFrom([]string{"s0", "s1", "s2"}).Draw(t, "session")
		ev.SessionSeq = int64(rapid.IntRange(0, 40).Draw(t, "seq"))
	}
	if may(saidExpect) && rapid.Bool().Draw(t, "other route") {
		ev.Expect = rapid.SampledFrom([][]string{{"eu"}, {"eu", "search"}, {"elsewhere"}}).Draw(t, "route")
	}
	if may(saidVersion) && rapid.Bool().Draw(t, "other version") {
		ev.Version = genVersion(t, "mixed", rapid.IntRange(20, 40).Draw(t, "version")) // no other write has it
	}
}

// trialsOfJoin are two that a write may be in, by the flag that its events name.
func trialsOfJoin() []metrics.Trial {
	other := testTrial()
	other.ID, other.Flag = "r2", "another"
	return []metrics.Trial{testTrial(), other}
}

// TestWhatTheOriginSaysHolds: those who report that writes arrive say other things of them
// than their origins did, first or last, with almost no memory and over restarts. What is
// counted is what would be, had they said nothing.
func TestWhatTheOriginSaysHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		honest := inTrial(rt, genHistory(rt))
		origins := map[string]*metrics.Event{}
		for i := range honest {
			if honest[i].Kind == metrics.KindInitiated {
				origins[honest[i].WriteID] = &honest[i]
			}
		}
		lying := make([]metrics.Event, len(honest))
		for i := range honest {
			ev := &honest[i]
			w := origins[ev.WriteID]
			if w != nil && ofWrite(ev) { // all events of a write agree
				ev.Model, ev.Variant, ev.Mechanism, ev.Flag, ev.Unit = w.Model, w.Variant, w.Mechanism, w.Flag, w.Unit
				ev.Key, ev.Version, ev.SessionID, ev.SessionSeq, ev.Expect = w.Key, w.Version, w.SessionID, w.SessionSeq, w.Expect
			}
			lying[i] = *ev
			if w != nil && ofWrite(ev) && !ev.Kind.AtOrigin() {
				told := map[said]bool{
					saidModel: w.Model != "", saidVariant: w.Variant != "", saidMechanism: true, saidKey: true, saidTrial: w.Flag != "",
					saidVersion: !w.Version.IsZero(), saidExpect: w.Expect != nil,
				}
				otherwise(rt, &lying[i], func(field said) bool { return told[field] })
			}
		}
		plain := run{batch: len(honest), resident: 1000, ops: true, trials: trialsOfJoin()}
		want, we := plain.fold(t, honest)
		r := run{
			ops: true, batch: rapid.IntRange(1, 9).Draw(rt, "batch"), resident: rapid.SampledFrom([]int{2, 5, 1000}).Draw(rt, "resident"),
			restart: rapid.Bool().Draw(rt, "restart"), trials: trialsOfJoin(),
		}
		got, ge := r.fold(t, shuffled(rt, lying))
		diff(rt, "against what the origin said", withoutWFR(aggregates(t, want)), withoutWFR(aggregates(t, got)))
		if a, b := withoutChecks(evidenceAt(t, we)), withoutChecks(evidenceAt(t, ge)); a != b {
			rt.Fatalf("evidence differs:\n%s\n%s", a, b)
		}
	})
}

// TestEventsThatDisagreeCountTheSameInAnyOrder: whoever says what, at the origin or not.
func TestEventsThatDisagreeCountTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := inTrial(rt, genHistory(rt))
		for i := range events {
			if ofWrite(&events[i]) {
				otherwise(rt, &events[i], func(said) bool { return true })
			}
		}
		want, we := run{batch: len(events), resident: 1000, trials: trialsOfJoin()}.fold(t, events)
		got, ge := run{batch: rapid.IntRange(1, 40).Draw(rt, "batch"), resident: 1000, busy: genBusy(rt), trials: trialsOfJoin()}.fold(t, shuffled(rt, events))
		diff(rt, "another order", aggregates(t, want), aggregates(t, got))
		if a, b := evidenceAt(t, we), evidenceAt(t, ge); a != b {
			rt.Fatalf("evidence differs:\n%s\n%s", a, b)
		}
	})
}
