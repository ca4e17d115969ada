package simulate

import (
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"time"

	"tidemark/metrics"
)

// drain is how long after Scenario.Duration what is under way may finish.
const drain = time.Minute

// Simulation is a run of a scenario. It is not safe for concurrent use.
type Simulation struct {
	start    int64 // Unix ns
	end      int64 // ns after start: users stop
	now      int64 // ns after start
	actions  queue[func()]
	reports  queue[*metrics.Event]
	features []*feature
}

// New prepares a run that begins at start. The events depend on nothing else.
func New(sc Scenario, seed uint64, start time.Time) (*Simulation, error) {
	if err := sc.Check(); err != nil {
		return nil, err
	}
	s := &Simulation{start: start.UnixNano(), end: never}
	if sc.Duration > 0 {
		s.end = int64(sc.Duration)
	}
	for i := range sc.Features {
		f := newFeature(s, &sc.Features[i], seed, sc.Ask)
		s.features = append(s.features, f)
		f.begin()
	}
	return s, nil
}

// Next returns the next event and the true time at which its reporter sends it;
// ok is false after the last one. Times never decrease.
func (s *Simulation) Next() (at time.Time, e *metrics.Event, ok bool) {
	for s.actions.len() > 0 && s.actions.next() <= s.reports.next() {
		if s.actions.next() > s.last() {
			break
		}
		t, do := s.actions.pop()
		s.now = t
		do()
	}
	if s.reports.len() == 0 || s.reports.next() > s.last() {
		return time.Time{}, nil, false
	}
	t, e := s.reports.pop()
	return time.Unix(0, s.start+t).UTC(), e, true
}

func (s *Simulation) last() int64 {
	if s.end == never {
		return never - 1
	}
	return s.end + int64(drain)
}

// All iterates the rest of the run.
func (s *Simulation) All() iter.Seq2[time.Time, *metrics.Event] {
	return func(yield func(time.Time, *metrics.Event) bool) {
		for {
			at, e, ok := s.Next()
			if !ok || !yield(at, e) {
				return
			}
		}
	}
}

func (s *Simulation) after(d int64, do func()) { s.at(s.now+max(d, 0), do) }

func (s *Simulation) at(t int64, do func()) {
	if t < never {
		s.actions.push(max(t, s.now), do)
	}
}

// source makes the random numbers of one feature, so that a change to one leaves
// the others as they were.
func source(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash never fails to write
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
