package rollup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

const hour = 3600 * second

// later is a history some time after another one, of other writes, sessions, keys and
// conflicts.
func later(events []metrics.Event, by int64) []metrics.Event {
	out := slices.Clone(events)
	mark := fmt.Sprintf("+%d", by/second)
	for i := range out {
		e := &out[i]
		e.OccurredAt, e.ObservedAt, e.EventID = e.OccurredAt+by, e.ObservedAt+by, e.EventID+mark
		for _, id := range []*string{&e.WriteID, &e.SessionID, &e.Key, &e.ConflictID, &e.Winner} {
			if *id != "" {
				*id += mark
			}
		}
		e.With = slices.Clone(e.With)
		for j := range e.With {
			e.With[j] += mark
		}
	}
	return out
}

// rows are the rows that aggregates does not list; open writes and exemplars only those
// from before a time, because later ones depend on what was in memory at the time.
func rows(tb testing.TB, st metrics.Store, before int64) []string {
	tb.Helper()
	ctx := context.Background()
	var out []string
	open, err := st.Spilled(ctx, metrics.SpilledQuery{})
	if err != nil {
		tb.Fatal(err)
	}
	for _, o := range open {
		if o.Initiated >= before {
			continue
		}
		out = append(out, fmt.Sprintf("open %+v", o))
	}
	heard, err := st.Heard(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range heard {
		out = append(out, fmt.Sprintf("heard %+v", h))
	}
	for _, feature := range []string{"cart", "feed"} {
		for _, replica := range []string{"", "eu", "us", "search"} {
			found, err := st.Exemplars(ctx, metrics.ExemplarQuery{Feature: feature, Replica: replica, To: before / second, Limit: 500})
			if err != nil {
				tb.Fatal(err)
			}
			for _, x := range found {
				out = append(out, fmt.Sprintf("exemplar %+v", x))
			}
		}
	}
	for _, id := range []string{"r1", "r2"} {
		err := st.TrialUnits(ctx, id, func(u metrics.TrialUnit) error {
			out = append(out, fmt.Sprintf("unit %+v", u))
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

func rebuildOptions() Options {
	return Options{Labels: testLabels(), Now: func() time.Time { return time.Unix(0, epoch) }}
}

// TestARebuildKeepsWhatTheLogNoLongerHolds prunes the older of two histories and makes
// the rollups anew: everything is as it was.
func TestARebuildKeepsWhatTheLogNoLongerHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		old := inTrial(rt, genHistory(rt))
		recent := later(inTrial(rt, genHistory(rt)), 5*hour)
		slices.SortStableFunc(old, func(a, b metrics.Event) int { return int(a.ObservedAt - b.ObservedAt) })
		slices.SortStableFunc(recent, func(a, b metrics.Event) int { return int(a.ObservedAt - b.ObservedAt) })
		// What the log begins with is from the hours that are not made anew.
		between := metrics.Event{EventID: "between", Kind: metrics.KindHeartbeat, Feature: "cart", Service: "web", OccurredAt: epoch + 2*hour, ObservedAt: epoch + 2*hour}
		events := slices.Concat(old, []metrics.Event{between}, recent)
		recentTrial := testTrial()
		recentTrial.ID, recentTrial.Flag = "r2", "other-flag"
		recentTrial.Steps = []metrics.TrialStep{{From: epoch + 5*hour, Percent: 5000}}
		st, _ := run{batch: 50, resident: 1000, trials: []metrics.Trial{testTrial(), recentTrial}}.fold(t, events)
		want, wantRows := aggregates(t, st), rows(t, st, epoch+3*hour)
		if err := st.Prune(context.Background(), time.Unix(0, epoch+3*hour), metrics.Retention{Raw: 90 * time.Minute}); err != nil {
			rt.Fatal(err)
		}
		if int(st.Begin()) != len(old) {
			rt.Fatalf("the log begins at %d; want %d", st.Begin(), len(old))
		}
		for range 2 { // once more changes nothing
			if _, err := Rebuild(context.Background(), st, testConfigs(), rebuildOptions(), nil); err != nil {
				rt.Fatal(err)
			}
			diff(rt, "a rebuild of a pruned log", want, aggregates(t, st))
			diff(rt, "rows after a rebuild of a pruned log", wantRows, rows(t, st, epoch+3*hour))
		}
	})
}

// pruned is a store of five hours with an event a minute, of which the log holds the
// last three; the first hour that is made anew is the last but one.
func pruned(tb testing.TB) (*storetest.Memory, metrics.Position) {
	tb.Helper()
	ctx := context.Background()
	st := storetest.NewMemory()
	e, err := Open(ctx, st, testConfigs(), rebuildOptions())
	if err != nil {
		tb.Fatal(err)
	}
	for m := range int64(300) {
		at := epoch + m*60*second
		ev := metrics.Event{
			EventID: fmt.Sprint("m", m), Kind: metrics.KindConflictDetected, Feature: "cart", Service: "merger", Key: "k",
			ConflictID: fmt.Sprint("c", m), WriteID: fmt.Sprint("a", m), With: []string{fmt.Sprint("b", m)}, OccurredAt: at, ObservedAt: at,
		}
		add(tb, e, st, []metrics.Event{ev})
	}
	if err := e.Checkpoint(ctx); err != nil {
		tb.Fatal(err)
	}
	if err := st.Prune(ctx, time.Unix(0, epoch+5*hour), metrics.Retention{Raw: 3 * time.Hour}); err != nil {
		tb.Fatal(err)
	}
	return st, st.Begin()
}

// TestTheBoundaryOfARebuild takes rows on both sides of the boundary away, or alters them:
// what begins before it stays as it is, what begins there or later is made anew.
func TestTheBoundaryOfARebuild(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	st, begin := pruned(t)
	if begin != 120 {
		t.Fatalf("the log begins at %d; want 120", begin)
	}
	boundary := epoch + 3*hour // the log begins at 2 h, and the hour after is only history
	alter := metrics.Checkpoint{Position: st.End()}
	for _, m := range []int64{0, 119, 120, 179, 180, 299} {
		c, err := st.Conflict(ctx, fmt.Sprint("c", m))
		if err != nil {
			t.Fatal(err)
		}
		c.Reason = "altered"
		alter.Conflicts = append(alter.Conflicts, *c)
		alter.Violations = append(alter.Violations, metrics.Violation{ID: fmt.Sprint("v", m), Feature: "cart", Guarantee: metrics.MetricRYW, At: epoch + m*60*second})
		alter.Exemplars = append(alter.Exemplars, metrics.Exemplar{Feature: "cart", Start: (epoch + m*60*second) / second, WriteID: fmt.Sprint("x", m)})
		alter.Spilled = append(alter.Spilled, metrics.OpenWrite{WriteID: fmt.Sprint("o", m), Feature: "cart", Key: "k", Initiated: epoch + m*60*second, Missing: []string{"eu"}})
	}
	alter.Heard = []metrics.Heard{{Feature: "cart", Service: "gone", Replica: "ap", First: 1, Last: epoch, Events: 7}}
	if err := st.Commit(ctx, &alter); err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(ctx, st, testConfigs(), rebuildOptions(), nil); err != nil {
		t.Fatal(err)
	}
	for i := range alter.Conflicts {
		old := alter.Conflicts[i].DetectedAt < boundary
		if c, err := st.Conflict(ctx, alter.Conflicts[i].ID); err != nil || (c.Reason == "altered") != old {
			t.Errorf("conflict %s: %+v, %v; altered must be %v", alter.Conflicts[i].ID, c, err, old)
		}
	}
	kept := strings.Join(append(aggregates(t, st), rows(t, st, epoch+24*hour)...), "\n")
	for i, want := range []bool{true, true, true, true, false, false} {
		m := []int{0, 119, 120, 179, 180, 299}[i]
		for _, id := range []string{"violation {ID:v%d ", "WriteID:x%d ", "open {WriteID:o%d "} {
			if text := fmt.Sprintf(id, m); strings.Contains(kept, text) != want {
				t.Errorf("%q kept is %v; want %v", text, !want, want)
			}
		}
	}
	heard, err := st.Heard(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []metrics.Heard{
		{Feature: "cart", Service: "gone", Replica: "ap", First: 1, Last: epoch, Events: 7},
		{Feature: "cart", Service: "merger", First: epoch, Last: epoch + 299*60*second, Events: 300},
	}
	if d := cmp.Diff(want, heard); d != "" {
		t.Errorf("sources heard (-want +got):\n%s", d)
	}
}

// TestARebuildFirstTakesWhatWasNotYetFolded has a resolution at the end of the log, which
// no checkpoint includes, of a conflict that is older than the log.
func TestARebuildFirstTakesWhatWasNotYetFolded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	st, _ := pruned(t)
	at := epoch + 5*hour
	_, err := st.Append(ctx, []metrics.Event{{
		EventID: "r", Kind: metrics.KindConflictResolved, Feature: "cart", Service: "merger", Key: "k", ConflictID: "c5",
		Winner: "a5", Rule: "lww", Auto: metrics.Yes, OccurredAt: at, ObservedAt: at,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(ctx, st, testConfigs(), rebuildOptions(), nil); err != nil {
		t.Fatal(err)
	}
	c, err := st.Conflict(ctx, "c5")
	if err != nil || c.Winner != "a5" || c.DetectedAt != epoch+5*60*second || !slices.Equal(c.Writes, []string{"a5", "b5"}) {
		t.Errorf("%+v, %v; want detected then, and resolved for a5", c, err)
	}
}

// cutOff fails the second checkpoint of a rebuild.
type cutOff struct {
	*storetest.Memory
	commits int
}

var errCut = errors.New("cut off")

func (c *cutOff) Commit(ctx context.Context, cp *metrics.Checkpoint) error {
	if c.commits++; c.commits == 2 {
		return errCut
	}
	return c.Memory.Commit(ctx, cp)
}

// TestARebuildThatWasCutOff is not folded on from: that would count twice. Another
// rebuild finishes it.
func TestARebuildThatWasCutOff(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	st, _ := pruned(t)
	want := append(aggregates(t, st), rows(t, st, epoch+3*hour)...)
	if _, err := Rebuild(ctx, &cutOff{Memory: st}, testConfigs(), rebuildOptions(), nil); !errors.Is(err, errCut) {
		t.Fatalf("the rebuild ended with %v", err)
	}
	if _, err := Open(ctx, st, testConfigs(), rebuildOptions()); !errors.Is(err, metrics.ErrDamaged) {
		t.Fatalf("opened after half a rebuild: %v", err)
	}
	if _, err := Rebuild(ctx, st, testConfigs(), rebuildOptions(), nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, append(aggregates(t, st), rows(t, st, epoch+3*hour)...)); d != "" {
		t.Errorf("after the second one (-want +got):\n%s", d)
	}
	if _, err := Open(ctx, st, testConfigs(), rebuildOptions()); err != nil {
		t.Fatal(err)
	}
}
