package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tidemark/flags"
)

// Clear is how long a rule must not be met before its alert ends, so that a rate
// that hovers at its limit is one alert and not many.
const Clear = time.Minute

// Options are what a Machine needs.
type Options struct {
	Alerts   flags.AlertStore
	Webhooks flags.WebhookStore
	// NewID makes ids of alerts and deliveries; nil means UUIDv7.
	NewID func() (string, error)
}

// Machine keeps one small state for each rule: quiet, met but not for long enough,
// firing, or firing but no longer met. Only firing is stored; the times in between
// begin anew after a restart.
type Machine struct {
	opt    Options
	mu     sync.Mutex
	loaded bool
	rules  map[flags.AlertKey]*rule
}

type rule struct {
	firing *flags.Alert
	since  time.Time // met since, while not firing; not met since, while firing; zero = neither
}

// NewMachine returns a machine that will read which alerts fire at its first Step.
func NewMachine(opt Options) *Machine {
	if opt.NewID == nil {
		opt.NewID = newID
	}
	return &Machine{opt: opt, rules: map[flags.AlertKey]*rule{}}
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// Step takes the state of every rule at a moment. An alert fires when its rule was
// met for its Hold, and ends when it was not met for Clear, or when its rule is no
// longer there because the promise changed. A condition that is not known changes
// nothing. On error nothing changed, and the next Step tries again.
func (m *Machine) Step(ctx context.Context, now time.Time, conditions []flags.AlertCondition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(ctx); err != nil {
		return err
	}
	var todo []change
	seen := make(map[flags.AlertKey]bool, len(conditions))
	for i := range conditions {
		c := &conditions[i]
		seen[c.AlertKey] = true
		if t, ok, err := m.advance(c, now); err != nil {
			return err
		} else if ok {
			todo = append(todo, t)
		}
	}
	todo = append(todo, m.withdrawn(seen, now)...)
	return m.commit(ctx, todo, now)
}

// change is a transition that is not stored yet.
type change struct {
	key   flags.AlertKey
	alert flags.Alert
}

func (m *Machine) load(ctx context.Context) error {
	if m.loaded {
		return nil
	}
	firing, err := m.opt.Alerts.Firing(ctx)
	if err != nil {
		return fmt.Errorf("read firing alerts: %w", err)
	}
	for i := range firing {
		m.rules[firing[i].AlertKey] = &rule{firing: &firing[i]}
	}
	m.loaded = true
	return nil
}

func (m *Machine) advance(c *flags.AlertCondition, now time.Time) (change, bool, error) {
	r := m.rules[c.AlertKey]
	if r == nil {
		r = &rule{}
		m.rules[c.AlertKey] = r
	}
	if !c.Known {
		return change{}, false, nil
	}
	if c.Holds == (r.firing != nil) {
		r.since = time.Time{} // as it should be
		return change{}, false, nil
	}
	if r.since.IsZero() || now.Before(r.since) {
		r.since = now
	}
	wait := c.Hold
	if r.firing != nil {
		wait = Clear
	}
	if now.Sub(r.since) < wait {
		return change{}, false, nil
	}
	if r.firing != nil {
		return change{c.AlertKey, resolved(r.firing, c.Numbers, now)}, true, nil
	}
	a, err := m.fired(c, now)
	return change{c.AlertKey, a}, true, err
}

func (m *Machine) fired(c *flags.AlertCondition, now time.Time) (flags.Alert, error) {
	id, err := m.opt.NewID()
	if err != nil {
		return flags.Alert{}, err
	}
	return flags.Alert{
		ID: id, AlertKey: c.AlertKey, Feature: c.Feature, Owner: c.Owner, Version: c.Version,
		Severity: c.Severity, State: flags.AlertFiring, Summary: c.Summary, FiredAt: now, Fired: c.Numbers,
	}, nil
}

func resolved(a *flags.Alert, numbers flags.AlertNumbers, now time.Time) flags.Alert {
	end := *a
	end.State, end.ResolvedAt, end.Resolved = flags.AlertResolved, now, numbers
	return end
}

// withdrawn ends the alerts of rules that are no longer there, in order of key.
func (m *Machine) withdrawn(seen map[flags.AlertKey]bool, now time.Time) []change {
	var out []change
	for k, r := range m.rules {
		switch {
		case seen[k]:
		case r.firing == nil:
			delete(m.rules, k)
		default:
			out = append(out, change{k, resolved(r.firing, flags.AlertNumbers{}, now)})
		}
	}
	slices.SortFunc(out, func(a, b change) int { return strings.Compare(a.alert.ID, b.alert.ID) })
	return out
}

// commit stores the transitions with the messages about them, then believes them.
func (m *Machine) commit(ctx context.Context, todo []change, now time.Time) error {
	if len(todo) == 0 {
		return nil
	}
	hooks, err := m.opt.Webhooks.Webhooks(ctx)
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	ts := make([]flags.AlertTransition, len(todo))
	for i := range todo {
		if ts[i], err = m.transition(&todo[i].alert, hooks, now); err != nil {
			return err
		}
	}
	if err := m.opt.Alerts.RecordAlerts(ctx, ts); err != nil {
		return fmt.Errorf("record %d alerts: %w", len(ts), err)
	}
	for i := range todo {
		r := m.rules[todo[i].key]
		r.since, r.firing = time.Time{}, nil
		if todo[i].alert.State == flags.AlertFiring {
			r.firing = &todo[i].alert
		}
	}
	return nil
}

func (m *Machine) transition(a *flags.Alert, hooks []flags.Webhook, now time.Time) (flags.AlertTransition, error) {
	t := flags.AlertTransition{Alert: *a}
	for i := range hooks {
		if !hooks[i].Wants(a.Severity) {
			continue
		}
		id, err := m.opt.NewID()
		if err != nil {
			return t, err
		}
		d, err := newDelivery(id, hooks[i].ID, a, now)
		if err != nil {
			return t, err
		}
		t.Deliveries = append(t.Deliveries, d)
	}
	return t, nil
}
