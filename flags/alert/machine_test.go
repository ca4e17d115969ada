package alert

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/flags"
)

// memory is a store that can fail.
type memory struct {
	flags.WebhookStore
	alerts map[string]flags.Alert
	fail   bool
	sent   int
}

func (m *memory) Firing(context.Context) (out []flags.Alert, err error) {
	for _, a := range m.alerts {
		if a.State == flags.AlertFiring {
			out = append(out, a)
		}
	}
	return out, nil
}

func (m *memory) Alert(context.Context, string) (flags.Alert, error) {
	return flags.Alert{}, flags.ErrNotFound
}

func (m *memory) Alerts(context.Context, flags.AlertQuery) ([]flags.Alert, string, error) {
	return nil, "", nil
}

var errFull = errors.New("full")

func (m *memory) RecordAlerts(_ context.Context, ts []flags.AlertTransition) error {
	if m.fail {
		return errFull
	}
	for _, t := range ts {
		m.alerts[t.Alert.ID] = t.Alert
		m.sent += len(t.Deliveries)
	}
	return nil
}

func (m *memory) Webhooks(context.Context) ([]flags.Webhook, error) {
	return []flags.Webhook{{ID: "a", Enabled: true}, {ID: "b"}, {ID: "c", Enabled: true, Severities: []flags.Severity{flags.SeverityTicket}}}, nil
}

func counter() func() (string, error) {
	n := 0
	return func() (string, error) { n++; return fmt.Sprintf("%06d", n), nil }
}

// model is what one rule should do, written plainly.
type model struct {
	firing bool
	since  time.Time
}

func (m *model) step(c *flags.AlertCondition, now time.Time) (transition bool) {
	if c == nil {
		was := m.firing
		*m = model{}
		return was
	}
	if !c.Known {
		return false
	}
	if c.Holds == m.firing {
		m.since = time.Time{}
		return false
	}
	if m.since.IsZero() {
		m.since = now
	}
	need := c.Hold
	if m.firing {
		need = Clear
	}
	if now.Sub(m.since) < need {
		return false
	}
	*m = model{firing: !m.firing}
	return true
}

// TestMachineFollowsItsModel runs random conditions with failing stores and
// restarts. A failed Step must be as if only time had passed; a restart may only
// forget how long a rule has been waiting.
func TestMachineFollowsItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store := &memory{alerts: map[string]flags.Alert{}}
		ids := counter()
		machine := NewMachine(Options{Alerts: store, Webhooks: store, NewID: ids})
		models := map[int]*model{0: {}, 1: {}, 2: {}}
		now := time.Unix(1e9, 0)
		transitions := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				machine = NewMachine(Options{Alerts: store, Webhooks: store, NewID: ids})
				for _, m := range models {
					m.since = time.Time{}
				}
			}
			var conditions []flags.AlertCondition
			store.fail = rapid.IntRange(0, 4).Draw(t, "fail") == 0
			trial := map[int]model{}
			changed := 0
			for k := range 3 {
				trial[k] = *models[k]
				next := trial[k]
				if rapid.IntRange(0, 19).Draw(t, "withdrawn") == 0 {
					if next.step(nil, now) {
						changed++
					}
				} else {
					c := flags.AlertCondition{
						AlertKey: flags.AlertKey{Guarantee: "g", Objective: "o", Rule: fmt.Sprint(k)}, Severity: flags.SeverityPage,
						Known: rapid.IntRange(0, 4).Draw(t, "known") > 0, Holds: rapid.Bool().Draw(t, "holds"), Hold: time.Duration(k) * 30 * time.Second,
					}
					conditions = append(conditions, c)
					if next.step(&c, now) {
						changed++
					}
				}
				trial[k] = next
			}
			err := machine.Step(context.Background(), now, conditions)
			if changed > 0 && store.fail {
				if !errors.Is(err, errFull) {
					t.Fatalf("a failing store gave %v", err)
				}
				// Nothing is believed that is not stored: start over from what is.
				machine = NewMachine(Options{Alerts: store, Webhooks: store, NewID: ids})
				for _, m := range models {
					m.since = time.Time{}
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			transitions += changed
			for k := range models {
				m := trial[k]
				models[k] = &m
			}
			firing, _ := store.Firing(context.Background())
			want := 0
			for _, m := range models {
				if m.firing {
					want++
				}
			}
			if len(firing) != want || store.sent != transitions {
				t.Fatalf("%d fire, want %d; %d messages, want %d", len(firing), want, store.sent, transitions)
			}
		}
		seen := map[flags.AlertKey]bool{}
		for _, a := range store.alerts {
			if a.State == flags.AlertFiring && seen[a.AlertKey] {
				t.Fatalf("%v fires twice", a.AlertKey)
			}
			seen[a.AlertKey] = seen[a.AlertKey] || a.State == flags.AlertFiring
			if a.State == flags.AlertResolved && a.ResolvedAt.Before(a.FiredAt) {
				t.Fatalf("%v ended before it began", a)
			}
		}
	})
}

func TestAFailedStepIsTriedAgain(t *testing.T) {
	t.Parallel()
	store := &memory{alerts: map[string]flags.Alert{}, fail: true}
	m := NewMachine(Options{Alerts: store, Webhooks: store})
	now := time.Unix(1e9, 0)
	if err := m.Step(t.Context(), now, []flags.AlertCondition{burning(true)}); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	store.fail = false
	for range 3 {
		if err := m.Step(t.Context(), now, []flags.AlertCondition{burning(true)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.alerts) != 1 || store.sent != 1 {
		t.Fatalf("%d alerts, %d messages", len(store.alerts), store.sent)
	}
}

func TestUnknownNeitherFiresNorEnds(t *testing.T) {
	t.Parallel()
	store := &memory{alerts: map[string]flags.Alert{}}
	m := NewMachine(Options{Alerts: store, Webhooks: store})
	now := time.Unix(1e9, 0)
	unknown := burning(false)
	unknown.Known = false
	for i, c := range []flags.AlertCondition{unknown, burning(true), unknown, unknown} {
		now = now.Add(time.Hour)
		if err := m.Step(t.Context(), now, []flags.AlertCondition{c}); err != nil {
			t.Fatal(err)
		}
		firing, _ := store.Firing(t.Context())
		if want := min(i, 1); len(firing) != want {
			t.Fatalf("step %d: %d fire", i, len(firing))
		}
	}
}
