package rollup

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// stateKey is a key of a feature with four state-based replicas of five, under two configs,
// and the numbers of the replicas.
func stateKey() (*keyState, *feature) {
	f := &feature{stateBased: true, configs: []config{
		{src: metrics.FeatureConfig{From: minTime}, stateBased: []bool{true, true, true, true, false}},
		{src: metrics.FeatureConfig{From: 100}, stateBased: []bool{true, true, false, true, false}},
	}}
	return &keyState{f: f}, f
}

// TestAWriteTakesOverWhatLaterVersionsSatisfy, whatever the writes expect: as if each later
// version were looked at.
func TestAWriteTakesOverWhatLaterVersionsSatisfy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		k, f := stateKey()
		e := &Engine{opts: Options{}.withDefaults()}
		for i := range rapid.IntRange(1, 30).Draw(rt, "writes") {
			w := &write{id: fmt.Sprint(i), f: f, key: k, version: metrics.SeqVersion(uint64(i))} //nolint:gosec // not negative
			w.initiated.t, w.committed, w.published = rapid.SampledFrom([]int64{1, 200}).Draw(rt, "begun"), noStamp, noStamp
			w.expect = rapid.SliceOfNDistinct(rapid.Uint16Range(0, 5), 0, 3, rapid.ID).Draw(rt, "expect")
			slices.Sort(w.expect)
			for r := range uint16(5) {
				if rapid.Bool().Draw(rt, "arrived") {
					w.rep(r).sat = rapid.Int64Range(1, 50).Draw(rt, "at")
				}
			}
			k.ordered = append(k.ordered, w)
		}
		want := make([][5]int64, len(k.ordered))
		for i, w := range k.ordered {
			for r := range uint16(5) {
				want[i][r] = noTime
				for j, later := range k.ordered[i:] {
					if p := later.peek(r); p != nil && (j == 0 || w.takesLater(r)) {
						want[i][r] = min(want[i][r], p.sat)
					}
				}
			}
		}
		for i := range slices.Backward(k.ordered) {
			e.inherit(k, i)
		}
		for i, w := range k.ordered {
			for r := range uint16(5) {
				got := int64(noTime)
				if p := w.peek(r); p != nil {
					got = p.sat
				}
				if got != want[i][r] {
					rt.Fatalf("write %d of %d at replica %d: %d, want %d", i, len(k.ordered), r, got, want[i][r])
				}
			}
		}
	})
}

// BenchmarkExpecting folds 10,000 writes of a key that say where they have to arrive, the
// last version first.
func BenchmarkExpecting(b *testing.B) {
	for b.Loop() {
		e := run{resident: 100_000}.open(b, storetest.NewMemory(), run{resident: 100_000}.options())
		var events []metrics.Event
		for i := range 10_000 {
			id := fmt.Sprint("w", i)
			events = append(events, metrics.Event{
				Kind: metrics.KindInitiated, EventID: id, WriteID: id, Feature: "cart", Key: "k", OccurredAt: epoch + int64(i),
				Version: metrics.SeqVersion(uint64(20_000 - i)), Expect: []string{"eu", "search"}, //nolint:gosec // not negative
			}, metrics.Event{
				Kind: metrics.KindVisible, EventID: id + "v", WriteID: id, Feature: "cart", Replica: "eu", OccurredAt: epoch + second + int64(i),
			})
		}
		if err := e.Fold(context.Background(), 0, events); err != nil {
			b.Fatal(err)
		}
	}
}
