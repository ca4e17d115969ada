package reconcile

import (
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/report/reporttest"
)

// TestWhatTheOriginSaysOfAWriteDecides, and not what a replica says that claims to have
// it from before.
func TestWhatTheOriginSaysOfAWriteDecides(t *testing.T) {
	t.Parallel()
	r := reporttest.New()
	r.Events = []metrics.Event{
		{EventID: "a", Kind: metrics.KindApplied, WriteID: "w", Feature: "cart", Replica: "eu", OccurredAt: 1, Delta: `{"a":9}`, Owner: "eu", Version: metrics.SeqVersion(99)},
		{EventID: "b", Kind: metrics.KindInitiated, WriteID: "w", Feature: "cart", OccurredAt: 5, Delta: `{"a":1}`, Owner: "us", Version: metrics.SeqVersion(2)},
		{EventID: "c", Kind: metrics.KindInitiated, WriteID: "w", Feature: "shop", OccurredAt: 0, Delta: `{"a":7}`, Labels: []string{"pii"}},
	}
	all, err := Load(t.Context(), r, &metrics.Conflict{Feature: "cart", Writes: []string{"w"}})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if s := all[0]; s.Delta != `{"a":1}` || s.Owner != "us" || s.Version.Seq != 2 || s.At != 5 || len(s.Labels) != 0 {
		t.Errorf("%+v", s)
	}
}
