package clock

import (
	"testing"
	"time"
)

// machine has a clock that can be set, and one that cannot.
type machine struct {
	wall time.Time
	up   map[time.Time]time.Duration // by what the clock said
	ran  time.Duration
}

func (m *machine) pass(d time.Duration) time.Time {
	m.wall, m.ran = m.wall.Add(d), m.ran+d
	m.up[m.wall] = m.ran
	return m.wall
}

func newMachine() (*machine, *Steady) {
	m := &machine{wall: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), up: map[time.Time]time.Duration{}}
	return m, &Steady{Settle: time.Hour, elapsed: func(from, to time.Time) time.Duration { return m.up[to] - m.up[from] }}
}

// TestAClockThatWasSetIsNotBelievedAtOnce: neither ahead nor back, until it went on for as
// long as it takes to settle.
func TestAClockThatWasSetIsNotBelievedAtOnce(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{time.Hour, 365 * 24 * time.Hour, -time.Hour, -365 * 24 * time.Hour} {
		m, s := newMachine()
		s.Tell(m.pass(0))
		m.wall = m.wall.Add(by)
		for range 59 {
			now := m.pass(time.Minute)
			if got := s.Tell(now); !got.Equal(now.Add(-by)) {
				t.Fatalf("set by %s, it told %s at %s", by, got, now)
			}
			if got, want := s.Earlier(now), now.Add(-max(by, 0)); !got.Equal(want) {
				t.Fatalf("set by %s, the earlier one was %s at %s", by, got, now)
			}
		}
		m.pass(time.Minute)
		if now := m.pass(time.Minute); !s.Tell(now).Equal(now) {
			t.Errorf("set by %s, it was not believed after an hour", by)
		}
	}
}

// TestAClockThatWasSetBackAgainIsBelieved is about a mistake that was mended.
func TestAClockThatWasSetBackAgainIsBelieved(t *testing.T) {
	t.Parallel()
	m, s := newMachine()
	s.Tell(m.pass(0))
	m.wall = m.wall.Add(time.Hour)
	s.Tell(m.pass(time.Minute))
	m.wall = m.wall.Add(-time.Hour)
	if now := m.pass(time.Second); !s.Tell(now).Equal(now) {
		t.Errorf("it told %s at %s", s.Tell(now), now)
	}
}

// TestAClockThatIsCorrectedBitByBitIsSteady: a time service slews by at most half a
// millisecond a second.
func TestAClockThatIsCorrectedBitByBitIsSteady(t *testing.T) {
	t.Parallel()
	m, s := newMachine()
	s.Tell(m.pass(0))
	for range 10_000 {
		m.wall = m.wall.Add(500 * time.Microsecond)
		if now := m.pass(time.Second); !s.Tell(now).Equal(now) {
			t.Fatalf("it told %s at %s", s.Tell(now), now)
		}
	}
}
