package rollup

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/storetest"
)

// One conflict, and one write, of which one key goes on telling more: what is kept of
// them is bounded, or each event would cost by all that was told before.
func TestWhatOneKeyTellsOfOneThingIsBounded(t *testing.T) {
	t.Parallel()
	var events []metrics.Event
	for i := range 40 {
		at := epoch + int64(i)*second
		c := metrics.Event{
			Kind: metrics.KindConflictDetected, Feature: "feed", ConflictID: "big", OccurredAt: at, ObservedAt: at,
			With: numbered(fmt.Sprintf("w-%03d", 40-i), 0, 64), Labels: numbered(fmt.Sprintf("l-%03d", i), 0, 32),
		}
		w := metrics.Event{
			Kind: metrics.KindVisible, Feature: "feed", WriteID: "busy", Replica: "eu", Service: fmt.Sprintf("s-%03d", i),
			OccurredAt: at, ObservedAt: at, Labels: c.Labels,
		}
		for range 10 {
			w.Service += "x"
			events = append(events, w)
		}
		events = append(events, c)
	}
	for i := range events {
		events[i].EventID = fmt.Sprintf("e-%d", i)
	}
	_, e := run{batch: 7, resident: 1000}.fold(t, events)
	c, err := e.Conflict(t.Context(), "big")
	if err != nil || len(c.Writes) != metrics.MaxConflictWrites || len(c.Labels) != metrics.MaxConflictLabels || !c.MoreWrites || !c.MoreLabels {
		t.Errorf("the conflict has %d writes, %d labels, more %t %t (%v)", len(c.Writes), len(c.Labels), c.MoreWrites, c.MoreLabels, err)
	}
	w := e.writes.get(metrics.WriteEntity("busy"))
	if len(w.labels) != maxWriteLabels || len(w.others) != maxCarriers {
		t.Errorf("the write has %d labels, %d carriers", len(w.labels), len(w.others))
	}
}

func TestTheLeastAreKeptInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		told := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching("[a-d]{0,2}"), 0, 6), 0, 9).Draw(rt, "told")
		all := slices.DeleteFunc(slices.Concat(told...), func(s string) bool { return s == "" })
		slices.Sort(all)
		all = slices.Compact(all)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 1))
		told = append(told, told[:len(told)/2]...)
		r.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		var set []string
		more := false
		for _, list := range told {
			more = leastOf(&set, limit, list) || more
		}
		if want := all[:min(limit, len(all))]; !slices.Equal(set, want) || more != (len(all) > limit) {
			rt.Fatalf("%v of %v are kept, more %t", set, all, more)
		}
	})
}

// clockHops are writes of a feature, each of which goes from a clock to another at the
// minute that it is the write of.
func clockHops(feature string, n int, clocks func(i int) (from, to string)) []metrics.Event {
	var events []metrics.Event
	for i := range n {
		w := metrics.Event{Feature: feature, WriteID: fmt.Sprintf("%s-%d", feature, i), OccurredAt: epoch}
		from, to := with(w, metrics.KindCommitted, "", epoch), with(w, metrics.KindApplied, "eu", epoch+second)
		from.ClockID, to.ClockID = clocks(i)
		events = append(events, from, to)
	}
	for i := range events {
		events[i].EventID, events[i].ObservedAt = fmt.Sprintf("%s-%d", feature, i), epoch
	}
	return events
}

// A feature whose every event has a clock of its own takes no more memory for it, and
// leaves those of others as they are.
func TestClocksOfOneFeatureAreBounded(t *testing.T) {
	t.Parallel()
	flood := clockHops("feed", 3*maxClocks, func(i int) (from, to string) { return fmt.Sprint("from-", i), fmt.Sprint("to-", i) })
	own := clockHops("cart", 3, func(int) (from, to string) { return "from-1", "to-1" })
	st, e := run{batch: 500, resident: 1000}.fold(t, append(flood, own...))
	of := map[string]int{}
	for _, p := range e.ClockPairs() {
		of[p.Feature]++
		if p.Feature == "cart" && (p.From != "from-1" || p.To != "to-1" || p.Samples != 3) {
			t.Errorf("the pair of cart is %+v", p)
		}
	}
	if of["feed"] == 0 || of["feed"] > maxClockPairs || of["cart"] != 1 {
		t.Errorf("pairs measured: %v", of)
	}
	if n, f := len(e.names.text), e.features["feed"]; n > 20 || len(f.clocks.text) > maxClocks+1 {
		t.Errorf("%d names, %d clocks are kept", n, len(f.clocks.text))
	}
	later := clockHops("feed", 2, func(int) (from, to string) { return "new", "newer" })
	for i := range later {
		later[i].WriteID, later[i].EventID, later[i].ObservedAt = "later", fmt.Sprint("later-", i), epoch+3600*second
	}
	first, err := st.Append(t.Context(), later)
	if err == nil {
		err = e.Fold(t.Context(), first, later)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(e.ClockPairs(), func(p metrics.ClockPair) bool { return p.From == "new" && p.To == "newer" }) {
		t.Error("an hour later no new pair is measured")
	}
}

// A feature that has taken its share of the series leaves the rest to others, also after
// a restart, and what it had goes on to be counted.
func TestOneFeatureTakesNoMoreThanItsShareOfSeries(t *testing.T) {
	t.Parallel()
	event := func(feature string, i int) metrics.Event {
		at := epoch + int64(i)*second
		return metrics.Event{
			Kind: metrics.KindInitiated, Feature: feature, WriteID: fmt.Sprint(feature, i), EventID: fmt.Sprint(feature, i),
			Model: fmt.Sprint("m-", i), Replica: fmt.Sprint("r-", i), Service: "web", OccurredAt: at, ObservedAt: at,
		}
	}
	st := storetest.NewMemory()
	opts := run{resident: 1000}.options()
	opts.MaxSeries, opts.FeatureSeries = 200, 40
	e := run{}.open(t, st, opts)
	fold := func(events ...metrics.Event) {
		t.Helper()
		foldInto(t, st, e, events...)
	}
	writes := func(feature string) (n int64) {
		t.Helper()
		q := metrics.CellQuery{Level: metrics.Level10s, To: 1 << 40, Metrics: []metrics.Metric{metrics.MetricWrites}, Match: metrics.Series{Feature: feature}}
		if err := e.Cells(t.Context(), q, func(_ *metrics.Series, _ int64, c *sketch.Cell) error { n += c.N; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range 300 {
		fold(event("feed", i))
	}
	counted := writes("feed")
	if counted == 0 || counted >= 300 || e.Stats().DroppedSamples == 0 {
		t.Fatalf("%d of 300 writes of feed count, %d samples are dropped", counted, e.Stats().DroppedSamples)
	}
	if f := e.features["feed"]; f.resolved > opts.FeatureSeries || len(f.dims) > opts.FeatureSeries {
		t.Errorf("%d series are kept resolved, %d dims", f.resolved, len(f.dims))
	}
	fold(event("cart", 1))
	if n := writes("cart"); n != 1 {
		t.Errorf("cart has %d writes beside feed; want 1", n)
	}
	e = run{}.open(t, st, opts)
	again := event("feed", 0)
	again.WriteID, again.EventID = "again", "again"
	refused := event("feed", 299)
	refused.WriteID, refused.EventID = "more", "more"
	fold(again, refused, event("cart", 2))
	if feed, cart := writes("feed"), writes("cart"); feed != counted+1 || cart != 2 {
		t.Errorf("after a restart feed has %d writes, cart %d; want %d and 2", feed, cart, counted+1)
	}
}

// Services times replicas times regions are many sources: beyond a limit a replica is
// heard all the same, also after a restart.
func TestSourcesOfOneFeatureAreBounded(t *testing.T) {
	t.Parallel()
	var events []metrics.Event
	for i := range 3 * maxSources {
		at := epoch + int64(i)
		events = append(events, metrics.Event{
			Kind: metrics.KindHeartbeat, Feature: "feed", EventID: fmt.Sprint(i), OccurredAt: at, ObservedAt: at,
			Service: fmt.Sprint("s-", i%100), Replica: fmt.Sprint("r-", i/3%50), Region: fmt.Sprint("g-", i),
		})
	}
	for _, restart := range []bool{false, true} {
		_, e := run{batch: 500, resident: 10, restart: restart}.fold(t, events)
		rows, err := e.Heard(t.Context())
		if err != nil || len(rows) <= maxSources || len(rows) > maxSources+50 {
			t.Fatalf("%d sources are kept (%v)", len(rows), err)
		}
		sum, last := int64(0), map[string]int64{}
		for _, h := range rows {
			sum += h.Events
			last[h.Replica] = max(last[h.Replica], h.Last)
		}
		if sum != int64(len(events)) || len(last) != 50 || last["r-49"] < epoch+int64(len(events)-150) {
			t.Errorf("%d events of %d replicas were heard, r-49 last at %d", sum, len(last), last["r-49"]-epoch)
		}
	}
}

// Events of many times have many cells, for which a checkpoint is due before its time.
func TestManyCellsAreDue(t *testing.T) {
	t.Parallel()
	e := run{}.open(t, storetest.NewMemory(), run{resident: 1000}.options())
	events := make([]metrics.Event, maxPending/4)
	for i := range events {
		events[i] = metrics.Event{
			Kind: metrics.KindInitiated, Feature: "feed", WriteID: fmt.Sprint(i), EventID: fmt.Sprint(i),
			Expect: []string{"eu"}, OccurredAt: epoch + int64(i)*60*second, ObservedAt: epoch,
		}
	}
	fold := func(first, n int) {
		t.Helper()
		if err := e.Fold(t.Context(), metrics.Position(first), events[first:first+n]); err != nil { //nolint:gosec // small
			t.Fatal(err)
		}
	}
	fold(0, len(events)/2)
	if e.Due(time.Time{}) || e.Full() {
		t.Error("a checkpoint is due of half as many cells")
	}
	fold(len(events)/2, len(events)/2)
	if !e.Due(time.Time{}) || !e.Full() {
		t.Errorf("no checkpoint is due of %d cells", e.book.pending)
	}
	e.cut()
	if e.Full() {
		t.Error("what a checkpoint took is still waiting")
	}
}
