package simulate

import (
	"fmt"
	"slices"
	"time"
)

// Limits of AtRate.
const (
	maxRate  = 1e6 // events a second
	sampling = 2 * time.Minute
)

// AtRate is the scenario with as many users, keys and sessions as make about so
// many events a second from the start, faults aside. What happens to one user or one
// key stays as it is.
func (s Scenario) AtRate(perSecond float64) (Scenario, error) {
	if perSecond <= 0 || perSecond > maxRate {
		return s, fmt.Errorf("%w %q: rate %g; want more than 0 and at most %g events a second", ErrScenario, s.Name, perSecond, float64(maxRate))
	}
	beats, others, err := s.pace()
	if err != nil {
		return s, err
	}
	if others == 0 {
		return s, fmt.Errorf("%w %q: it makes no events", ErrScenario, s.Name)
	}
	// Heartbeats do not grow with traffic; at a very low rate they are all there is.
	return s.scaled(max((perSecond-beats)/others, 1e-3)), nil
}

// pace measures how many events a second the scenario makes without its faults
// and quiet times: heartbeats, and others.
func (s Scenario) pace() (beats, others float64, err error) {
	calm := s
	calm.Ask = nil
	calm.Features = slices.Clone(s.Features)
	for i := range calm.Features {
		f := &calm.Features[i]
		f.Faults, f.Sessions.Quiet = nil, Quiet{}
		if f.Telemetry.Heartbeat > 0 {
			beats += float64(f.heartbeats()) / f.Telemetry.Heartbeat.Seconds()
		}
		f.Telemetry.Heartbeat = 0
	}
	calm.Duration = sampling
	run, err := New(calm, 1, time.Unix(0, 0))
	if err != nil {
		return 0, 0, err
	}
	n := 0
	for range run.All() {
		n++
	}
	return beats, float64(n) / sampling.Seconds(), nil
}

// heartbeats is how many places of the feature send them.
func (f *Feature) heartbeats() int {
	n := len(f.Replicas)
	for _, o := range f.Origins {
		if !slices.ContainsFunc(f.Replicas, func(r Replica) bool { return r.Name == o.Name }) {
			n++
		}
	}
	return n
}

func (s Scenario) scaled(k float64) Scenario {
	s.Features = slices.Clone(s.Features)
	for i := range s.Features {
		f := &s.Features[i]
		f.Sessions.PerSecond *= k
		f.Sessions.Quiet = Quiet{}
		f.Sessions.Users = max(int(float64(f.Sessions.Users)*k), 1)
		f.Keys = min(max(int(float64(f.Keys)*k), 1), maxKeys)
		f.Replicas = slices.Clone(f.Replicas)
		for j := range f.Replicas {
			if r := &f.Replicas[j]; k > 1 {
				r.CatchUp = k * r.catchUp()
			}
		}
	}
	return s
}
