package report

import (
	"context"
	"math"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// States of a replica's backlog.
const (
	BacklogNone      = "none"      // everything expected is satisfied
	BacklogSteady    = "steady"    // only what is usually under way
	BacklogDraining  = "draining"  // shrinking: ETANS says how long
	BacklogDiverging = "diverging" // satisfied no faster than writes arrive
	BacklogUnknown   = "unknown"   // the replica is silent
)

// rateWindow is the time over which arrival and satisfaction rates are taken.
const rateWindow = 5 * time.Minute

// leastBacklog is how many unsatisfied writes it takes to speak of falling behind.
const leastBacklog = 10.0

// Backlog is what each replica has not satisfied now, whatever q's range.
type Backlog struct {
	Now      int64            `json:"now"`
	Feature  string           `json:"feature"`
	Replicas []ReplicaBacklog `json:"replicas"`
	Silent   []string         `json:"silent"` // expected replicas whose backlog is unknown
}

// ReplicaBacklog is one replica's. Count, OldestAgeNS and ETANS are nil when the
// replica is silent; Unconfirmed then says how many writes no event has shown to
// be there, which is all that is known.
type ReplicaBacklog struct {
	ReplicaState
	State       string `json:"state"`
	Count       *int64 `json:"count"`
	OldestAgeNS *int64 `json:"oldest_age_ns"`
	ETANS       *int64 `json:"eta_ns"` // nil unless draining
	Unconfirmed int64  `json:"unconfirmed"`
	// UnconfirmedSince is when the oldest of those was initiated; nil when none.
	UnconfirmedSince *int64 `json:"unconfirmed_since"`
	// Rates over the last five minutes, writes a second; satisfaction times are known
	// within a window and 1 % of the lag.
	Arrival   float64 `json:"arrival_per_s"`
	Satisfied float64 `json:"satisfied_per_s"`
}

type backlogAcc struct {
	open               int64
	first              int64 // Unix ns, start of the earliest window with an open pair
	arrived, satisfied float64
	recent             sketch.Cell
}

// Backlog returns each replica's backlog, age and ETA now. Only q.Feature and
// q.Replica are used.
func (r *Reporter) Backlog(ctx context.Context, q Query) (*Backlog, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	if err := q.Validate(); err != nil {
		return nil, err
	}
	now := r.now().UnixNano()
	h, err := r.heard(ctx, now)
	if err != nil {
		return nil, err
	}
	open, err := r.open(ctx, q.Feature)
	if err != nil {
		return nil, err
	}
	oldest, _ := open.oldest(q.Feature, q.Replica)
	acc, err := r.readBacklog(ctx, q, now, oldest)
	if err != nil {
		return nil, err
	}
	out := &Backlog{Now: now, Feature: q.Feature, Replicas: []ReplicaBacklog{}}
	for _, s := range r.replicas(h, q.Feature, acc.keys()) {
		if q.Replica != "" && s.Replica != q.Replica {
			continue
		}
		if !s.Expected {
			continue
		}
		out.Replicas = append(out.Replicas, replicaBacklog(q.Feature, s, acc.at(s.Replica), open, now))
	}
	states := make([]ReplicaState, len(out.Replicas))
	for i := range out.Replicas {
		states[i] = out.Replicas[i].ReplicaState
	}
	out.Silent = silentNames(states)
	return out, nil
}

// readBacklog reads the per-replica cells from the oldest open write on, and at
// least as far back as the rates need.
func (r *Reporter) readBacklog(ctx context.Context, q Query, now int64, oldest *int64) (groups[backlogAcc], error) {
	from := now - int64(time.Hour)
	if oldest != nil {
		from = min(from, *oldest-int64(2*rateWindow))
	}
	from = max(from, now-int64(MaxRange), 0)
	plan, err := r.plan(Query{Feature: q.Feature, Replica: q.Replica, From: time.Unix(0, from), To: time.Unix(0, now)}, MaxPoints)
	if err != nil {
		return nil, err
	}
	acc := groups[backlogAcc]{}
	err = r.cells(ctx, r.segments(plan, time.Hour), plan.match(), []metrics.Metric{metrics.MetricVisible},
		func(s *metrics.Series, w window, c *sketch.Cell) error {
			acc.at(s.Replica).add(now, w, c)
			return nil
		})
	return acc, err
}

func (a *backlogAcc) add(now int64, w window, c *sketch.Cell) {
	if n := pending(c); n > 0 {
		a.open += n
		if start := w.start * int64(time.Second); a.first == 0 || start < a.first {
			a.first = start
		}
	}
	since := now - int64(rateWindow)
	begin := w.start * int64(time.Second)
	a.arrived += float64(c.N) * overlap(begin, min(w.endNS(), max(now, begin+1)), since, now)
	before := a.satisfied
	a.satisfied += float64(c.Zero+c.Neg) * overlap(begin, w.endNS(), since, now)
	for b, n := range c.Buckets {
		v := int64(sketch.Value(b))
		a.satisfied += float64(n) * overlap(begin+v, w.endNS()+v, since, now)
	}
	if a.satisfied > before {
		a.recent.Merge(c)
	}
}

// overlap is the share of [begin,end) that lies in [from,to).
func overlap(begin, end, from, to int64) float64 {
	if end <= begin {
		return 0
	}
	return float64(max(0, min(end, to)-max(begin, from))) / float64(end-begin)
}

func replicaBacklog(feature string, s ReplicaState, a *backlogAcc, open *openList, now int64) ReplicaBacklog {
	b := ReplicaBacklog{
		ReplicaState: s, Unconfirmed: a.open,
		Arrival: a.arrived / rateWindow.Seconds(), Satisfied: a.satisfied / rateWindow.Seconds(),
	}
	if a.open > 0 {
		b.UnconfirmedSince = a.since(open, feature, s.Replica, now)
	}
	b.judge(now, quantile(&a.recent, 0.99))
	return b
}

// since is when the oldest open pair began: exact when its write is among those
// read, else the start of its window.
func (a *backlogAcc) since(open *openList, feature, replica string, now int64) *int64 {
	if at, exact := open.oldest(feature, replica); exact && at != nil {
		return at
	}
	return new(min(a.first, now))
}

// judge sets the state and what follows from it. usual is the 99th percentile of
// what was satisfied lately.
func (b *ReplicaBacklog) judge(now int64, usual *int64) {
	if b.Silent {
		b.State = BacklogUnknown
		return
	}
	b.Count, b.OldestAgeNS = new(b.Unconfirmed), since(b.UnconfirmedSince, now)
	switch net := b.Satisfied - b.Arrival; {
	case b.Unconfirmed == 0:
		b.State = BacklogNone
	case usual != nil && *b.OldestAgeNS <= *usual:
		b.State = BacklogSteady
	case net > 0:
		b.State = BacklogDraining
		b.ETANS = eta(b.Unconfirmed, net)
	case float64(b.Unconfirmed) < max(leastBacklog, b.Arrival) && *b.OldestAgeNS < int64(rateWindow):
		// A handful that is on its way: two counts so close say nothing of a trend.
		b.State = BacklogSteady
	default:
		b.State = BacklogDiverging
	}
}

// eta is count ÷ net rate in ns, nil when it is beyond what a range may be.
func eta(count int64, perSecond float64) *int64 {
	s := float64(count) / perSecond
	if s > MaxRange.Seconds() {
		return nil
	}
	return new(int64(math.Round(s * float64(time.Second))))
}
