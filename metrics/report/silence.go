package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidemark/metrics"
)

// ReplicaState is when a replica of a feature was last heard of.
type ReplicaState struct {
	Replica   string `json:"replica"`
	Region    string `json:"region,omitempty"`
	Expected  bool   `json:"expected"`   // writes of the feature have to reach it
	LastHeard *int64 `json:"last_heard"` // Unix ns, server clock; nil = never
	SilenceNS int64  `json:"silence_ns"` // how long it may be silent
	Silent    bool   `json:"silent"`     // heard never, or longer ago than SilenceNS
}

// heard holds one reading of Reader.Heard with the present.
type heard struct {
	now  int64
	list []metrics.Heard
	by   map[string][]metrics.Heard // list by feature; nil when that is not worth it
}

// sort makes ready for questions about many features.
func (h *heard) sort() {
	h.by = map[string][]metrics.Heard{}
	for i := range h.list {
		h.by[h.list[i].Feature] = append(h.by[h.list[i].Feature], h.list[i])
	}
}

// about is all of a feature, and maybe of others.
func (h *heard) about(feature string) []metrics.Heard {
	if h.by == nil {
		return h.list
	}
	return h.by[feature]
}

func (r *Reporter) heard(ctx context.Context, now int64) (*heard, error) {
	list, err := r.sources(ctx)
	if err != nil {
		return nil, fmt.Errorf("read when sources were last heard: %w", err)
	}
	return &heard{now: now, list: list}, nil
}

// last is when anything of a feature was heard; nil when never.
func (h *heard) last(feature string) *int64 {
	var at *int64
	list := h.about(feature)
	for i := range list {
		if e := &list[i]; e.Feature == feature && (at == nil || e.Last > *at) {
			at = &e.Last
		}
	}
	return at
}

// replicas lists the replicas of a feature: those its route expects, those that
// writes themselves expected (also), and those that were heard. It is in order of
// name.
func (r *Reporter) replicas(h *heard, feature string, also []string) []ReplicaState {
	states := groups[ReplicaState]{}
	config, _ := r.r.Config(feature, h.now)
	for _, rr := range config.Replicas {
		s := states.at(rr.Name)
		s.Expected, s.SilenceNS = true, int64(rr.Silence)
	}
	for _, name := range also {
		states.at(name).Expected = true
	}
	list := h.about(feature)
	for i := range list {
		e := &list[i]
		name := e.Replica
		if _, ok := states[e.Service]; name == "" && ok {
			name = e.Service // a service that names no replica is its own
		}
		if e.Feature != feature || name == "" {
			continue
		}
		s := states.at(name)
		s.Region = cmp.Or(s.Region, e.Region)
		if s.LastHeard == nil || e.Last > *s.LastHeard {
			s.LastHeard = new(e.Last)
		}
	}
	out := make([]ReplicaState, 0, len(states))
	for _, name := range states.keys() {
		s := states[name]
		s.Replica = name
		s.SilenceNS = cmp.Or(s.SilenceNS, int64(metrics.DefaultSilence))
		s.Silent = s.LastHeard == nil || h.now-*s.LastHeard > s.SilenceNS
		out = append(out, *s)
	}
	return out
}

// silentNames lists the expected replicas that are silent.
func silentNames(states []ReplicaState) []string {
	out := []string{}
	for i := range states {
		if states[i].Expected && states[i].Silent {
			out = append(out, states[i].Replica)
		}
	}
	return out
}

// quiet reports whether a source was last heard longer ago than the default.
func quiet(last *int64, now int64) bool {
	return last == nil || now-*last > int64(metrics.DefaultSilence)
}

// openList is the oldest open writes, oldest first, in one reading.
type openList struct {
	rows []metrics.OpenWrite
	// rest is a time (Unix ns) before which no other write is open; nil when rows are
	// all there are.
	rest *int64
	by   map[string][]metrics.OpenWrite // rows by feature; nil when there are those of one
}

// maxOpenRows is how many open writes one answer looks at.
const maxOpenRows = 2000

func (r *Reporter) readOpen(ctx context.Context, feature string) (*openList, error) {
	rows, err := r.r.OpenWrites(ctx, metrics.SpilledQuery{Feature: feature, Limit: maxOpenRows})
	if err != nil {
		return nil, fmt.Errorf("read open writes of %q: %w", feature, err)
	}
	slices.SortStableFunc(rows, func(a, b metrics.OpenWrite) int { return cmp.Compare(a.Initiated, b.Initiated) })
	l := &openList{rows: rows}
	if feature == "" {
		l.by = map[string][]metrics.OpenWrite{}
		for i := range rows {
			l.by[rows[i].Feature] = append(l.by[rows[i].Feature], rows[i])
		}
	}
	if len(rows) >= maxOpenRows {
		l.rest = &rows[len(rows)-1].Initiated
	}
	return l, nil
}

// oldest is when the oldest open write of a feature (missing at a replica, when one
// is named) began. When it is not among the rows, exact is false and at is a bound
// before which there is none; nil says that there is none at all.
func (l *openList) oldest(feature, replica string) (at *int64, exact bool) {
	rows := l.rows
	if l.by != nil {
		rows = l.by[feature]
	}
	for i := range rows {
		w := &rows[i]
		if w.Feature == feature && (replica == "" || slices.Contains(w.Missing, replica)) {
			return &w.Initiated, true
		}
	}
	return l.rest, l.rest == nil
}

func since(at *int64, now int64) *int64 {
	if at == nil {
		return nil
	}
	return new(max(0, now-*at))
}

// Silence says when the replicas of a feature were last heard of, in order of name:
// those of its route, those named, and any others that were heard.
func (r *Reporter) Silence(ctx context.Context, feature string, also []string) ([]ReplicaState, error) {
	h, err := r.heard(ctx, r.now().UnixNano())
	if err != nil {
		return nil, err
	}
	return r.replicas(h, feature, also), nil
}
