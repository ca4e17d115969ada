package simulate_test

import (
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/simulate"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ledger adds up what a run reported, in the plainest way there is: it shares no
// code with the simulation or with tidemark's own fold.
type ledger struct {
	events    []*metrics.Event
	at        []time.Time
	initiated map[string]*metrics.Event
	reached   map[string]map[string]time.Duration // write → replica → lag by true or stated clocks
	kinds     map[metrics.Kind]int
}

func run(t *testing.T, sc simulate.Scenario, seed uint64) *ledger {
	t.Helper()
	s, err := simulate.New(sc, seed, epoch)
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{
		initiated: map[string]*metrics.Event{}, reached: map[string]map[string]time.Duration{},
		kinds: map[metrics.Kind]int{},
	}
	for at, e := range s.All() {
		l.events, l.at = append(l.events, e), append(l.at, at)
		l.kinds[e.Kind]++
		if e.Kind == metrics.KindInitiated {
			l.initiated[e.WriteID] = e
		}
	}
	for _, e := range l.events {
		l.reach(e)
	}
	return l
}

// reach notes the earliest "visible" of a write at a replica, or "applied" where
// the replica never reports visibility (only "search" does).
func (l *ledger) reach(e *metrics.Event) {
	i := l.initiated[e.WriteID]
	final := e.Kind == metrics.KindVisible || e.Kind == metrics.KindApplied && e.Replica != "search"
	if i == nil || !final {
		return
	}
	m := l.reached[e.WriteID]
	if m == nil {
		m = map[string]time.Duration{}
		l.reached[e.WriteID] = m
	}
	lag := time.Duration(e.Corrected() - i.Corrected())
	if old, ok := m[e.Replica]; !ok || lag < old {
		m[e.Replica] = lag
	}
}

// lags lists the lag of each write of a feature at a replica, -1 where it never
// came, for writes begun between two offsets from the start.
func (l *ledger) lags(feature, replica string, from, to time.Duration) []time.Duration {
	var out []time.Duration
	for id, e := range l.initiated {
		if off := time.Duration(e.Corrected() - epoch.UnixNano()); e.Feature != feature || off < from || off >= to {
			continue
		}
		if lag, ok := l.reached[id][replica]; ok {
			out = append(out, lag)
		} else {
			out = append(out, -1)
		}
	}
	return out
}

// share is the part of lags for which ok holds.
func share(lags []time.Duration, ok func(time.Duration) bool) float64 {
	n := 0
	for _, l := range lags {
		if ok(l) {
			n++
		}
	}
	return float64(n) / float64(max(len(lags), 1))
}

func within(d time.Duration) func(time.Duration) bool {
	return func(l time.Duration) bool { return l >= 0 && l <= d }
}

// op is one read or write of a session, with what the ledger knows of it.
type op struct {
	seq     int64
	read    bool
	key     string
	version metrics.Version
	arm     string
}

// sessions returns each session's operations; a session's writes carry their
// version on "initiated".
func (l *ledger) sessions(feature string) map[string]map[int64]op {
	out := map[string]map[int64]op{}
	for _, e := range l.events {
		if e.Feature != feature || e.SessionID == "" {
			continue
		}
		m := out[e.SessionID]
		if m == nil {
			m = map[int64]op{}
			out[e.SessionID] = m
		}
		m[e.SessionSeq] = op{e.SessionSeq, e.Kind == metrics.KindRead, e.Key, e.Version, e.Variant}
	}
	return out
}

// broken counts, for the reads of an arm ("" = any), how many could be checked
// against the session's earlier writes (ryw) or earlier reads (mr), and how many
// failed: a quadratic check straight from the definition.
func (l *ledger) broken(feature, arm string, ryw bool) (bad, checked int) {
	for _, ops := range l.sessions(feature) {
		for _, r := range ops {
			if !r.read || r.version.IsZero() || arm != "" && r.arm != arm {
				continue
			}
			can, fails := false, false
			for _, o := range ops {
				if o.seq < r.seq && o.key == r.key && o.read != ryw && !o.version.IsZero() {
					can = true
					fails = fails || !metrics.Dominates(r.version, o.version)
				}
			}
			if can {
				checked++
			}
			if fails {
				bad++
			}
		}
	}
	return bad, checked
}

func named(t *testing.T, name string, d time.Duration) simulate.Scenario {
	t.Helper()
	sc, err := simulate.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	sc.Duration = d
	return sc
}
