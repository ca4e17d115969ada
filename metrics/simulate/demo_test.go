package simulate_test

import (
	"io/fs"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/simulate"
)

// burn is the part of the error budget that is spent at a time after the start:
// writes begun since the start that were not within limit at all the replicas, or
// are not there although their time is up, over those that the target allows.
func (l *ledger) burn(feature string, replicas []string, at, limit time.Duration, target float64) float64 {
	var bad, all float64
	for id, e := range l.initiated {
		begun := time.Duration(e.Corrected() - epoch.UnixNano())
		if e.Feature != feature || begun+limit > at {
			continue
		}
		all++
		for _, r := range replicas {
			if lag, ok := l.reached[id][r]; !ok || lag > limit {
				bad++
				break
			}
		}
	}
	return bad / all / (1 - target)
}

// The demonstration must say what it promises to say from its first minute on, and
// go on saying it.
func TestDemoVerdicts(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "demo", simulate.DemoHistory+5*time.Minute), 1)
	for at := simulate.DemoHistory; at <= simulate.DemoHistory+5*time.Minute; at += time.Minute {
		if b := l.burn("cart", []string{"cart-eu", "cart-us", "cart-ap"}, at, 2*time.Second, 0.95); b < 0.76 || b >= 0.99 {
			t.Errorf("at %v cart has burnt %.2f of its budget; at risk is 0.76 to 0.99", at, b)
		}
		if b := l.burn("profile-edit", []string{"cache-eu"}, at, 2*time.Second, 0.99); b > 0.5 {
			t.Errorf("at %v profile-edit has burnt %.2f of its budget; want less than half", at, b)
		}
		if b := l.burn("feed", []string{"feed-eu", "feed-us"}, at, time.Minute, 0.995); b > 0.5 {
			t.Errorf("at %v feed has burnt %.2f of its budget; want less than half", at, b)
		}
		if b := l.burn("search-index", []string{"search-us"}, at, 10*time.Second, 0.99); b > 1 {
			t.Errorf("at %v search-us alone has burnt %.2f of its budget; it is the healthy one", at, b)
		}
		if b := l.stale("search-index", at, 15*time.Second, 0.999); b < 1.5 {
			t.Errorf("at %v search-index has burnt %.2f of its budget of stale reads; broken is over 1", at, b)
		}
	}
	conflicts := map[string]bool{}
	for _, e := range l.events {
		if e.Feature == "cart" && e.Kind == metrics.KindConflictDetected {
			conflicts[e.ConflictID] = true
		}
	}
	writes := len(l.lags("cart", "cart-eu", 0, time.Hour))
	if rate := float64(len(conflicts)) / float64(writes); rate < 0.001 || rate > 0.02 {
		t.Errorf("cart: %d conflicts in %d writes; the promise allows 5 %%", len(conflicts), writes)
	}
	if bad, checked := l.broken("profile-edit", "", true); bad > 0 || checked < 500 {
		t.Errorf("profile-edit: %d of %d reads missed the session's write; want none of many", bad, checked)
	}
	if bad, _ := l.broken("search-index", "", true); bad == 0 {
		t.Error("search-index: no session missed its own write; the demonstration shows some")
	}
}

// stale is the part of the budget spent by reads that returned a version older
// than one committed longer ago than limit.
func (l *ledger) stale(feature string, at, limit time.Duration, target float64) float64 {
	type commit struct {
		at  int64
		seq uint64
	}
	commits := map[string][]commit{}
	for _, e := range l.events {
		if e.Feature == feature && e.Kind == metrics.KindCommitted {
			commits[e.Key] = append(commits[e.Key], commit{e.OccurredAt, e.Version.Seq})
		}
	}
	var bad, all float64
	for _, e := range l.events {
		if e.Feature != feature || e.Kind != metrics.KindRead || e.Version.IsZero() || e.OccurredAt > epoch.Add(at).UnixNano() {
			continue
		}
		all++
		for _, c := range commits[e.Key] {
			if c.seq > e.Version.Seq && c.at < e.OccurredAt-int64(limit) {
				bad++
				break
			}
		}
	}
	return bad / all / (1 - target)
}

func TestDemoSilences(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "demo", simulate.DemoHistory+4*time.Minute), 1)
	heard := func(feature, replica string, from, to time.Duration) (n int) {
		for i, e := range l.events {
			off := l.at[i].Sub(epoch)
			if e.Feature == feature && e.Kind != metrics.KindRead && (replica == "" || e.Replica == replica) && off >= from && off < to {
				n++
			}
		}
		return n
	}
	live := simulate.DemoHistory
	if n := heard("search-index", "search-eu", live+12*time.Second, live+49*time.Second); n != 0 {
		t.Errorf("search-eu sent %d events while it was down", n)
	}
	if n := heard("search-index", "search-eu", live+51*time.Second, live+3*time.Minute); n < 100 {
		t.Errorf("search-eu sent %d events after it came back; want it to catch up", n)
	}
	if n := heard("invoices", "", live-14*time.Minute+3*time.Second, live+4*time.Minute); n != 0 {
		t.Errorf("%d events of invoices since it fell silent", n)
	}
	if n := heard("invoices", "", 0, live-14*time.Minute); n < 1000 {
		t.Errorf("%d events of invoices before; want a past", n)
	}
	if l.kinds[metrics.KindConflictDetected] < 20 || l.kinds[metrics.KindConflictResolved] < 10 {
		t.Errorf("kinds %v; want conflicts", l.kinds)
	}
}

func TestDemoGuaranteesCoverEveryFeature(t *testing.T) {
	t.Parallel()
	docs, err := simulate.DemoGuarantees()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range named(t, "demo", time.Minute).Features {
		if _, err := fs.Stat(docs, f.Name+".yaml"); err != nil {
			t.Errorf("feature %s: %v", f.Name, err)
		}
	}
}
