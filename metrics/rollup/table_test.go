package rollup

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
)

func TestTableAgreesWithMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tab table[int]
		want := map[metrics.Entity]*int{}
		// Few distinct low bits, so that probes run into each other.
		ent := rapid.Custom(func(t *rapid.T) metrics.Entity {
			return metrics.Entity(rapid.Uint64Range(0, 3).Draw(t, "high")<<60 | rapid.Uint64Range(0, 40).Draw(t, "low"))
		})
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			e := ent.Draw(t, "entity")
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				tab.drop(e)
				delete(want, e)
			} else {
				v := rapid.Int().Draw(t, "value")
				tab.put(e, &v)
				want[e] = &v
			}
			probe := ent.Draw(t, "probe")
			if got := tab.get(probe); got != want[probe] {
				t.Fatalf("get(%d) = %v, want %v", probe, got, want[probe])
			}
		}
		got := map[*int]bool{}
		for item := range tab.all() {
			got[item] = true
		}
		if tab.n != len(want) || len(got) != len(want) {
			t.Fatalf("%d items (%d found), want %d", tab.n, len(got), len(want))
		}
		for v := range maps.Values(want) {
			if !got[v] {
				t.Fatalf("%v was not among all items", v)
			}
		}
	})
}
