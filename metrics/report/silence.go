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
}

func (r *Reporter) heard(ctx context.Context, now int64) (*heard, error) {
	list, err := r.r.Heard(ctx)
	if err != nil {
		return nil, fmt.Errorf("read when sources were last heard: %w", err)
	}
	return &heard{now: now, list: list}, nil
}

// last is when anything of a feature was heard; nil when never.
func (h *heard) last(feature string) *int64 {
	var at *int64
	for i := range h.list {
		if e := &h.list[i]; e.Feature == feature && (at == nil || e.Last > *at) {
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
	for i := range h.list {
		e := &h.list[i]
		if e.Feature != feature || e.Replica == "" {
			continue
		}
		s := states.at(e.Replica)
		s.Region = cmp.Or(s.Region, e.Region)
		if s.LastHeard == nil || e.Last > *s.LastHeard {
			s.LastHeard = ptr(e.Last)
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

// openFrom is the initiation of the oldest open write; nil when there is none.
func (r *Reporter) openFrom(ctx context.Context, feature, replica string) (*int64, error) {
	open, err := r.r.OpenWrites(ctx, metrics.SpilledQuery{Feature: feature, Replica: replica, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read open writes of %q at %q: %w", feature, replica, err)
	}
	if len(open) == 0 {
		return nil, nil
	}
	first := slices.MinFunc(open, func(a, b metrics.OpenWrite) int { return cmp.Compare(a.Initiated, b.Initiated) })
	return &first.Initiated, nil
}

func since(at *int64, now int64) *int64 {
	if at == nil {
		return nil
	}
	return ptr(max(0, now-*at))
}
