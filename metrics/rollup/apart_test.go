package rollup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
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

// TestARestartTellsTheIDsOfFeaturesApart: what is replayed of one feature is not taken for
// something that was put down because another used the same ids before, or each late event
// of it would cost a look into the log.
func TestARestartTellsTheIDsOfFeaturesApart(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), storetest.NewMemory()
	opts := Options{Resident: 10_000, ReloadShare: 1}
	fold := func(e *Engine, feature string, kind metrics.Kind, at int64) {
		t.Helper()
		events := make([]metrics.Event, 200)
		for i := range events {
			events[i] = metrics.Event{
				EventID: fmt.Sprintf("%s-%d-%d", feature, kind, i), Kind: kind, WriteID: fmt.Sprintf("w%d", i), Feature: feature, Key: "k", Replica: "eu",
				SessionID: fmt.Sprintf("s%d", i), SessionSeq: 1, OccurredAt: at, ObservedAt: at, Expect: []string{"eu"},
			}
		}
		first, err := st.Append(ctx, events)
		if err == nil {
			err = e.Fold(ctx, first, events)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func() *Engine {
		e, err := Open(ctx, st, nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	fold(e, "feed", metrics.KindInitiated, epoch)
	fold(e, "cart", metrics.KindInitiated, epoch+second)
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	e = open()
	fold(e, "cart", metrics.KindVisible, epoch+2*second)
	if s := e.Stats(); s.Reloads != 0 || s.Unfolded != 0 {
		t.Errorf("%d look-ups, %d events not counted", s.Reloads, s.Unfolded)
	}
}

// TestWhatAnEarlierProgramSawIsStillKnown: it told writes and sessions apart by their ids
// alone, and a write of then must not begin anew.
func TestWhatAnEarlierProgramSawIsStillKnown(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), storetest.NewMemory()
	size := seenSize{mark: 2, marks: 2, entities: 10, partitions: 2}
	old, cp := newSeen(size), &metrics.Checkpoint{Blobs: map[string][]byte{}}
	write := metrics.WriteEntity("w1")
	old.add(uint64(write))
	for pos := range metrics.Position(13) {
		old.advance(pos, cp)
	}
	head := old.header()
	cp.Blobs[seenBlob] = head[:len(head)-1] // as it was without the last number
	if err := st.Commit(ctx, cp); err != nil {
		t.Fatal(err)
	}
	f := newFeature("cart", nil)
	s, _, err := loadSeen(ctx, st, size)
	if err != nil || !s.hasOwn(f, write) || s.hasOwn(f, metrics.WriteEntity("w2")) {
		t.Fatalf("%+v, %v", s, err)
	}
	cp = &metrics.Checkpoint{Blobs: map[string][]byte{}}
	for pos, end := s.mark, s.mark+40; pos < end; pos++ {
		s.advance(pos, cp)
	}
	if s.hasOwn(f, write) {
		t.Error("what is further back than the filters reach is still asked for")
	}
}
