package metrics_test

import (
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
)

// TestVectorsAreComparedNodeByNode, whatever their nodes are called.
func TestVectorsAreComparedNodeByNode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		vector := rapid.MapOf(rapid.SampledFrom([]string{"a", "a!", "aa", "b", "é", "\x01"}), rapid.Uint64Range(0, 3))
		a, b := vector.Draw(rt, "a"), vector.Draw(rt, "b")
		within := func(x, y map[string]uint64) bool {
			for node, n := range x {
				if n > y[node] {
					return false
				}
			}
			return true
		}
		want := metrics.Concurrent
		switch in, holds := within(a, b), within(b, a); {
		case in && holds:
			want = metrics.Same
		case in:
			want = metrics.Before
		case holds:
			want = metrics.After
		}
		v, err := metrics.VVVersion(a)
		if err != nil {
			rt.Fatal(err)
		}
		w, err := metrics.VVVersion(b)
		if err != nil {
			rt.Fatal(err)
		}
		if got := metrics.Compare(v, w); got != want {
			rt.Fatalf("%s and %s: %v, want %v", v, w, got, want)
		}
	})
}
