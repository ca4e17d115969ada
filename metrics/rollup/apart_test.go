package rollup

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
)

// TestWhatAFeatureReportsCountsForItAlone: another feature uses the same ids of events,
// writes, sessions, conflicts and keys, in any order, with almost no memory; nothing that
// is counted or listed of the first one is another.
func TestWhatAFeatureReportsCountsForItAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		own := slices.DeleteFunc(genHistory(rt), func(e metrics.Event) bool { return e.Feature != "cart" })
		others := genHistory(rt)
		for i := range others {
			others[i].Feature = "feed"
		}
		if len(own) == 0 {
			rt.Skip("nothing is about it")
		}
		want, _ := run{batch: len(own), resident: 1000, ops: true}.fold(t, own)
		r := run{
			ops: true, batch: rapid.IntRange(1, 9).Draw(rt, "batch"), resident: rapid.SampledFrom([]int{2, 5, 1000}).Draw(rt, "resident"),
			restart: rapid.Bool().Draw(rt, "restart"),
		}
		got, e := r.fold(t, shuffled(rt, slices.Concat(own, others)))
		diff(rt, "beside another feature", ofCart(aggregates(t, want)), ofCart(aggregates(t, got)))
		if n := e.Stats().Unfolded; n != 0 && !r.restart {
			rt.Fatalf("%d events were not counted", n)
		}
	})
}

// ofCart keeps what is about the feature cart, with conflicts by the id that it gave.
func ofCart(aggregates []string) (out []string) {
	for _, s := range withoutWFR(aggregates) {
		if strings.Contains(s, "Feature:cart") {
			out = append(out, strings.ReplaceAll(s, metrics.ForeignConflict("cart", ""), ""))
		}
	}
	slices.Sort(out)
	return out
}
