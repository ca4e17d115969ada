package rollup

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// lookingStore counts the looks for open writes of a key that were put down.
type lookingStore struct {
	metrics.Store
	looks int
}

func (s *lookingStore) SpilledOf(ctx context.Context, key metrics.Entity, after string, limit int) ([]string, error) {
	s.looks++
	return s.Store.SpilledOf(ctx, key, after, limit)
}

// openOfKey are n writes of one key that wait for a state-based replica, and others, so that
// they are put down.
func openOfKey(from, n int) (events []metrics.Event) {
	for i := from; i < from+n; i++ {
		w := metrics.Event{
			Kind: metrics.KindCommitted, Feature: "cart", Key: "k", WriteID: fmt.Sprint("w", i), Expect: []string{"eu"},
			Version: metrics.SeqVersion(uint64(1000 * (i + 1))), OccurredAt: epoch + int64(i), //nolint:gosec // not negative
		}
		w.EventID = w.WriteID
		events = append(events, w)
	}
	return append(events, metrics.Event{
		EventID: fmt.Sprint("o", from), Kind: metrics.KindCommitted, Feature: "cart", Key: "other", WriteID: fmt.Sprint("o", from), OccurredAt: epoch,
	})
}

// shownOfKey are m versions of the key, later than the first n, that arrived there.
func shownOfKey(n, m int) (events []metrics.Event) {
	for i := 1000*n + 1; i <= 1000*n+m; i++ {
		w := metrics.Event{
			Kind: metrics.KindVisible, Feature: "cart", Key: "k", WriteID: fmt.Sprint("x", i), Replica: "eu", Service: "reader", Expect: []string{"eu"},
			Version: metrics.SeqVersion(uint64(i)), OccurredAt: epoch + 60*second + int64(i), //nolint:gosec // not negative
		}
		w.EventID = w.WriteID
		events = append(events, w)
	}
	return events
}

// TestOpenWritesOfAKeyComeBackOnce: all that were put down come back with the first later
// version, be they stored or not, and later ones look for no more than were put down since.
func TestOpenWritesOfAKeyComeBackOnce(t *testing.T) {
	t.Parallel()
	const pages = 3
	st := &lookingStore{Store: storetest.NewMemory()}
	opts := run{resident: 20}.options() // The key is never put down whole.
	e := run{}.open(t, st, opts)
	open := func() (ids []string) {
		rows, err := e.OpenWrites(t.Context(), metrics.SpilledQuery{KeyEntity: metrics.KeyEntity("cart", "k"), Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			ids = append(ids, rows[i].WriteID)
		}
		return ids
	}
	fold := func(events []metrics.Event) {
		t.Helper()
		first, err := st.Append(t.Context(), events)
		if err == nil {
			err = e.Fold(t.Context(), first, events)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	store := func() {
		t.Helper()
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	begin := func(more int) { fold(openOfKey(n, more)); n += more }
	for _, c := range []struct {
		name  string
		begin func()
		looks int // that the first later version costs
	}{
		{"stored ones", func() { begin(openPage*pages - 10); store() }, pages},
		{"ones that are not stored", func() { begin(50) }, 0},
		{"ones that are stored since", func() { begin(50); store() }, 1},
		{"both", func() { begin(30); store(); begin(30) }, 1},
	} {
		c.begin()
		if got := len(open()); got < 50 {
			t.Fatalf("%s: %d are open", c.name, got)
		}
		st.looks = 0
		fold(shownOfKey(n, 200))
		looks := st.looks
		if left := open(); len(left) > 0 {
			t.Errorf("%s: %d are still open, such as %s", c.name, len(left), left[0])
		}
		if looks > c.looks {
			t.Errorf("%s: 200 later versions looked %d times; want %d", c.name, looks, c.looks)
		}
	}
	if u := e.Stats().Unfolded; u != 0 {
		t.Errorf("%d events were left out", u)
	}
}

// BenchmarkOpenOfKey folds 500 later versions of a key with 10,000 open writes that were put
// down, with as much time for reading back as a server gives it.
func BenchmarkOpenOfKey(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		st := storetest.NewMemory()
		e := run{}.open(b, st, Options{Resident: 100, Now: time.Now})
		fold := func(events []metrics.Event) {
			first, err := st.Append(context.Background(), events)
			if err == nil {
				err = e.Fold(context.Background(), first, events)
			}
			if err == nil {
				err = e.Checkpoint(context.Background())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		fold(openOfKey(0, 10_000))
		later := shownOfKey(10_000, 500)
		b.StartTimer()
		fold(later)
	}
}

// A restart asks for the keys of open writes that were put down, not for all of those writes:
// there may be any number of them.
func TestARestartReadsNoOpenWrites(t *testing.T) {
	t.Parallel()
	st := &noSpilled{Store: storetest.NewMemory()}
	opts := run{resident: 2}.options()
	e := run{}.open(t, st, opts)
	for i := range 30 {
		ev := metrics.Event{
			Kind: metrics.KindInitiated, Feature: "feed", WriteID: fmt.Sprint("w", i), EventID: fmt.Sprint(i), Key: fmt.Sprint("k", i),
			Expect: []string{"eu"}, OccurredAt: epoch, ObservedAt: epoch,
		}
		foldInto(t, st, e, ev)
	}
	e = run{}.open(t, st, opts)
	if !e.openKeys.has(uint64(metrics.KeyEntity("feed", "k1"))) || st.asked {
		t.Errorf("the key k1 is not known, or all open writes were read: %t", st.asked)
	}
}

type noSpilled struct {
	metrics.Store
	asked bool
}

func (s *noSpilled) Spilled(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	s.asked = true
	return s.Store.Spilled(ctx, q)
}
