package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/metrics"
)

// Limits of what is kept of refused events.
const (
	// MaxAttempts bounds the rows; beyond it the one that is longest ago goes.
	MaxAttempts = 5000
	// MaxAttemptsPerKey bounds the rows of one key, so that a flood of one does not push
	// out those of others; what is beyond it is counted in one further row for each
	// action, without feature and service.
	MaxAttemptsPerKey = 200
	// KeepAttempts is how long a row is kept after its last event.
	KeepAttempts = 90 * 24 * time.Hour
)

// Attempts counts the events that policies refuse: in memory, and in a store that is
// brought up to date by Flush. It is safe for concurrent use.
type Attempts struct {
	store   flags.AttemptStore
	now     func() time.Time
	counter *prometheus.CounterVec

	mu    sync.Mutex
	rows  map[flags.AttemptKey]*flags.Attempt
	ofKey map[string]int // rows of each key
	dirty map[flags.AttemptKey]struct{}
	gone  map[flags.AttemptKey]struct{} // in the store still
}

// OpenAttempts reads what is stored.
func OpenAttempts(ctx context.Context, store flags.AttemptStore, now func() time.Time, r prometheus.Registerer) (*Attempts, error) {
	stored, err := store.Attempts(ctx)
	if err != nil {
		return nil, err
	}
	t := &Attempts{
		store: store, now: now, rows: map[flags.AttemptKey]*flags.Attempt{}, ofKey: map[string]int{},
		dirty: map[flags.AttemptKey]struct{}{}, gone: map[flags.AttemptKey]struct{}{},
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemark_policy_refused_events_total", Help: "Events that a policy refused, by action and policy.",
		}, []string{"action", "policy"}),
	}
	r.MustRegister(t.counter)
	for i := range stored {
		t.rows[stored[i].AttemptKey] = &stored[i]
		t.ofKey[stored[i].KeyID]++
	}
	return t, nil
}

// Note counts an event that was refused. It keeps nothing of the memory of the event. A
// nil Attempts counts nothing.
func (t *Attempts) Note(who *access.Identity, a Action, e *metrics.Event, d *Decision) {
	if t == nil {
		return
	}
	t.counter.WithLabelValues(string(a), d.Policy).Inc()
	k := flags.AttemptKey{KeyID: who.KeyID, Feature: e.Feature, Action: string(a), Service: e.Service}
	now := t.now().UTC()
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[k]
	if row == nil && t.ofKey[k.KeyID] >= MaxAttemptsPerKey {
		k.Feature, k.Service = "", ""
		row = t.rows[k]
	}
	if row == nil {
		t.makeRoom()
		k.Feature, k.Service = strings.Clone(k.Feature), strings.Clone(k.Service)
		row = &flags.Attempt{AttemptKey: k, KeyName: who.Name, First: now}
		t.rows[k] = row
		t.ofKey[k.KeyID]++
		delete(t.gone, k)
	}
	row.Count++
	row.Last, row.EventID = now, strings.Clone(e.EventID)
	row.Policy, row.PolicyRevision, row.PolicyVersion = d.Policy, d.Revision, d.Version
	t.dirty[row.AttemptKey] = struct{}{}
}

// makeRoom removes the rows that are longest ago when all places are taken: a tenth of
// them at once, so that finding them is rare.
func (t *Attempts) makeRoom() {
	if len(t.rows) < MaxAttempts {
		return
	}
	all := t.sorted()
	for _, a := range all[len(all)-MaxAttempts/10:] {
		t.remove(a.AttemptKey)
	}
}

func (t *Attempts) remove(k flags.AttemptKey) {
	delete(t.rows, k)
	delete(t.dirty, k)
	t.gone[k] = struct{}{}
	if t.ofKey[k.KeyID]--; t.ofKey[k.KeyID] == 0 {
		delete(t.ofKey, k.KeyID)
	}
}

// sorted lists all rows, the latest first.
func (t *Attempts) sorted() []flags.Attempt {
	out := make([]flags.Attempt, 0, len(t.rows))
	for _, r := range t.rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b flags.Attempt) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(b.Count, a.Count), strings.Compare(a.KeyID, b.KeyID),
			strings.Compare(a.Feature, b.Feature), strings.Compare(a.Action, b.Action), strings.Compare(a.Service, b.Service))
	})
	return out
}

// List returns the attempts on a feature (on all, when it is ""), the latest first, with
// ids of events that tell nothing of what these say: they are shown to all who may read. A
// nil Attempts has none.
func (t *Attempts) List(feature string) []flags.Attempt {
	if t == nil {
		return []flags.Attempt{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.sorted()
	for i := range all {
		all[i].EventID = metrics.ToldID(all[i].EventID)
	}
	if feature == "" {
		return all
	}
	return slices.DeleteFunc(all, func(a flags.Attempt) bool { return a.Feature != feature })
}

// Flush stores what changed, and forgets what is too long ago. On error it is kept for
// the next time.
func (t *Attempts) Flush(ctx context.Context) error {
	t.mu.Lock()
	for k, r := range t.rows {
		if t.now().Sub(r.Last) > KeepAttempts {
			t.remove(k)
		}
	}
	put := make([]flags.Attempt, 0, len(t.dirty))
	for k := range t.dirty {
		put = append(put, *t.rows[k])
	}
	gone := make([]flags.AttemptKey, 0, len(t.gone))
	for k := range t.gone {
		gone = append(gone, k)
	}
	clear(t.dirty)
	clear(t.gone)
	t.mu.Unlock()
	if len(put)+len(gone) == 0 {
		return nil
	}
	err := t.store.SaveAttempts(ctx, put, gone)
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range put {
		if _, still := t.rows[put[i].AttemptKey]; still {
			t.dirty[put[i].AttemptKey] = struct{}{}
		}
	}
	for _, k := range gone {
		if _, again := t.rows[k]; !again {
			t.gone[k] = struct{}{}
		}
	}
	return fmt.Errorf("refused events: %w", err)
}
