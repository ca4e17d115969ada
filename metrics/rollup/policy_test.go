package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/storetest"
)

// hopsOf finds hops of labelled writes the slow way, from all events at once: how many
// were judged, and which were at a service without clearance.
func hopsOf(events []metrics.Event, v *metrics.Vocabulary) (judged int, against []string) {
	type place struct{ feature, write, replica string }
	labels, at, services := map[[2]string][]string{}, map[place]int64{}, map[place][]string{}
	for _, e := range events {
		if !ofWrite(&e) {
			continue
		}
		w := [2]string{e.Feature, e.WriteID}
		labels[w] = append(labels[w], e.Labels...)
		if e.Kind.AtOrigin() || e.Kind == metrics.KindFailed {
			continue
		}
		p := place{e.Feature, e.WriteID, cmp.Or(e.Replica, e.Service)}
		if old, ok := at[p]; !ok || e.Corrected() < old {
			at[p] = e.Corrected()
		}
		if e.Service != "" && !slices.Contains(services[p], e.Service) {
			services[p] = append(services[p], e.Service)
		}
	}
	for p, t := range at {
		list := services[p]
		if len(list) == 0 {
			list = []string{p.replica}
		}
		known := slices.Compact(slices.Sorted(slices.Values(labels[[2]string{p.feature, p.write}])))
		for _, s := range list {
			ok, lacks := v.Judge(known, s, t)
			if ok {
				judged++
			}
			if len(lacks) > 0 {
				against = append(against, fmt.Sprintf("%s %s %s %s %v %d", p.feature, p.write, p.replica, s, lacks, t))
			}
		}
	}
	slices.Sort(against)
	return judged, against
}

func policyOf(t *rapid.T, st metrics.Store) (hops, hits int64, against []string) {
	ctx := context.Background()
	q := metrics.CellQuery{Level: metrics.Level1h, To: math.MaxInt64, Metrics: []metrics.Metric{metrics.MetricPolicy}, AllFeatures: true}
	err := st.Cells(ctx, q, func(_ *metrics.Series, _ int64, c *sketch.Cell) error {
		hops, hits = hops+c.N, hits+c.Hits
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := st.Violations(ctx, metrics.ViolationQuery{Guarantee: metrics.MetricPolicy, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range rows {
		against = append(against, fmt.Sprintf("%s %s %s %s %v %d", v.Feature, v.WriteID, v.Replica, v.Service, v.DecidedBy, v.At))
	}
	slices.Sort(against)
	return hops, hits, against
}

func TestEveryHopOfALabelledWriteIsJudged(t *testing.T) {
	t.Parallel()
	v := metrics.NewVocabulary(testLabels())
	rapid.Check(t, func(rt *rapid.T) {
		events := genHistory(rt)
		judged, want := hopsOf(events, v)
		r := run{
			ops: true, batch: rapid.IntRange(1, 9).Draw(rt, "batch"),
			resident: rapid.SampledFrom([]int{2, 1000}).Draw(rt, "resident"), restart: rapid.Bool().Draw(rt, "restart"),
		}
		st, _ := r.fold(t, shuffled(rt, events))
		hops, hits, got := policyOf(rt, st)
		if int(hops) != judged || int(hits) != len(want) {
			rt.Errorf("%d hops, %d against policy; want %d and %d", hops, hits, judged, len(want))
		}
		if d := gocmp.Diff(want, got); d != "" {
			rt.Errorf("hops against policy (-want +got):\n%s", d)
		}
	})
}

// A rule that comes later judges what comes later, and leaves everything else as it was.
func TestALaterRuleChangesNothingBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := genHistory(rt)
		want, _ := run{batch: len(events), resident: 1000}.fold(t, events)
		got, e := run{batch: len(events), resident: 1000}.fold(t, events)
		late := append(testLabels(), metrics.LabelRule{Label: "pii", From: epoch + 3600*second, Services: []string{"none"}})
		if err := e.SetLabels(context.Background(), late); err != nil {
			rt.Fatal(err)
		}
		if err := e.Checkpoint(context.Background()); err != nil {
			rt.Fatal(err)
		}
		diff(rt, "after a later rule", aggregates(t, want), aggregates(t, got))
		if err := e.SetLabels(context.Background(), nil); err != nil {
			rt.Fatal(err)
		}
		if err := e.Checkpoint(context.Background()); err != nil {
			rt.Fatal(err)
		}
		if hops, hits, rows := policyOf(rt, got); hops != 0 || hits != 0 || len(rows) != 0 {
			rt.Errorf("without rules: %d hops, %d against policy, rows %v", hops, hits, rows)
		}
	})
}

// Rules that arrive late, in any order, with restarts between, some never told before one,
// judge every hop since their own time: also of writes that were put down meanwhile.
func TestRulesThatArriveLateJudgeAsARebuildDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := shuffled(rt, genHistory(rt))
		all := testLabels()
		for i := range all {
			all[i].Revision = int64(i + 1)
		}
		r := run{ops: rapid.Bool().Draw(rt, "ops"), resident: rapid.SampledFrom([]int{1, 3, 1000}).Draw(rt, "resident")}
		st := storetest.NewMemory()
		opts := r.options()
		opts.Labels = all[:rapid.IntRange(0, len(all)).Draw(rt, "known at first")]
		e := r.open(t, st, opts)
		ctx := context.Background()
		for chunk := range slices.Chunk(events, rapid.IntRange(1, 9).Draw(rt, "batch")) {
			first, err := st.Append(ctx, chunk)
			if err != nil {
				rt.Fatal(err)
			}
			if err := e.Fold(ctx, first, chunk); err != nil {
				rt.Fatal(err)
			}
			known := all[:rapid.IntRange(len(opts.Labels), len(all)).Draw(rt, "known")]
			opts.Labels = known
			switch rapid.SampledFrom([]string{"told", "told and stored", "crash", "stored and crash", "nothing"}).Draw(rt, "then") {
			case "told":
				err = e.SetLabels(ctx, known)
			case "told and stored":
				err = errors.Join(e.SetLabels(ctx, known), e.Checkpoint(ctx))
			case "stored and crash":
				err = e.Checkpoint(ctx)
				e = r.open(t, st, opts)
			case "crash":
				e = r.open(t, st, opts)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		if err := errors.Join(e.SetLabels(ctx, all), e.Checkpoint(ctx)); err != nil {
			rt.Fatal(err)
		}
		judged, want := hopsOf(events, metrics.NewVocabulary(all))
		hops, hits, got := policyOf(rt, st)
		if int(hops) != judged || int(hits) != len(want) {
			rt.Errorf("%d hops, %d against policy; want %d and %d", hops, hits, judged, len(want))
		}
		if d := gocmp.Diff(want, got); d != "" {
			rt.Errorf("hops against policy (-want +got):\n%s", d)
		}
		opts.Labels = all
		if _, err := Rebuild(ctx, st, r.configs(), opts, nil); err != nil {
			rt.Fatal(err)
		}
		_, _, rebuilt := policyOf(rt, st)
		if d := gocmp.Diff(rebuilt, got); d != "" {
			rt.Errorf("hops against policy (-rebuilt +folded):\n%s", d)
		}
	})
}

func TestWhereInTheLogToLookForAHop(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	st := storetest.NewMemory()
	e, err := Open(ctx, st, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(100) {
		batch := []metrics.Event{{EventID: fmt.Sprint(i), Kind: metrics.KindHeartbeat, Feature: "f", Replica: "r", OccurredAt: epoch, ObservedAt: epoch + i/3*second}}
		first, err := st.Append(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Fold(ctx, first, batch); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[int64]metrics.Position{epoch - second: 0, epoch: 0, epoch + 1: 3, epoch + 20*second: 60, epoch + 33*second: 99, epoch + 34*second: 100} {
		if got, err := e.observedFrom(ctx, at); err != nil || got != want {
			t.Errorf("from %d: %d, %v; want %d", (at-epoch)/second, got, err, want)
		}
	}
}
