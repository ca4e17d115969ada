package clock

import (
	"sync"
	"time"
)

// stepped is how far a wall clock must be off what elapsed before it counts as set:
// what a time service corrects bit by bit stays far below.
const stepped = time.Second

// Steady tells, of this machine's clock, what it would say had nobody set it lately. What
// must not happen before a time waits for both: a clock that was set wrongly has come
// to nothing by the time that it is noticed, and one that was set right is believed when
// it went on steadily for Settle. It is safe for concurrent use.
type Steady struct {
	Settle time.Duration

	mu    sync.Mutex
	last  time.Time
	ahead time.Duration // by how much the clock was set ahead within Settle
	since time.Time     // of the last time that it was set
	// elapsed is between two readings, whatever the clock was set to meanwhile; nil =
	// by their monotonic part.
	elapsed func(from, to time.Time) time.Duration
}

// Tell returns the steady time of a reading of the clock. A reading without a monotonic
// part is taken for steady itself.
func (s *Steady) Tell(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.IsZero() {
		s.last = now
		return now
	}
	jump := now.Round(0).Sub(s.last.Round(0)) - s.between(s.last, now)
	if jump.Abs() >= stepped {
		s.ahead += jump
		s.since = now
	}
	s.last = now
	if s.ahead.Abs() < stepped || s.between(s.since, now) >= s.Settle {
		s.ahead = 0
	}
	return now.Add(-s.ahead)
}

// Earlier returns the time that both the clock and the steady one have reached.
func (s *Steady) Earlier(now time.Time) time.Time {
	if t := s.Tell(now); t.Before(now) {
		return t
	}
	return now
}

func (s *Steady) between(from, to time.Time) time.Duration {
	if s.elapsed != nil {
		return s.elapsed(from, to)
	}
	return to.Sub(from)
}
