package provenance

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Status is what product code may tell a user about a change.
type Status struct {
	WriteID  string   `json:"write_id"`
	Feature  string   `json:"feature"`
	State    string   `json:"state"`    // pending, visible, late, conflict or unknown
	Answer   string   `json:"answer"`   // in words
	Progress string   `json:"progress"` // "3 of 4"; "" without a route
	Reached  []string `json:"reached"`  // replicas
	Missing  []string `json:"missing"`
	AgeNS    *int64   `json:"age_ns"`
	LagNS    *int64   `json:"lag_ns"` // time to visibility everywhere, once visible
	ETA      *ETA     `json:"eta"`
	// PromiseNS is the strictest objective for visibility everywhere, and Kept whether
	// this write keeps it; nil while that is open, or without an objective.
	PromiseNS *int64   `json:"promise_ns"`
	Kept      *bool    `json:"kept"`
	Conflicts []string `json:"conflicts"` // ids
}

// Status returns the compact form of what Story returns; ErrNotFound when unknown.
func (t *Teller) Status(ctx context.Context, feature, writeID string) (*Status, error) {
	c, err := t.collect(ctx, feature, writeID)
	if err != nil {
		return nil, err
	}
	s := c.tell()
	if err := t.conflicts(ctx, c, s); err != nil {
		return nil, err
	}
	if err := t.finish(ctx, c, s); err != nil {
		return nil, err
	}
	return s.status(c.objective()), nil
}

func (s *Story) status(promise *int64) *Status {
	out := &Status{
		WriteID: s.WriteID, Feature: s.Feature, State: s.State, Answer: s.Answer, Missing: s.Route.Missing,
		Reached: []string{}, AgeNS: s.AgeNS, LagNS: s.AllNS, ETA: s.ETA, PromiseNS: promise, Conflicts: []string{},
	}
	if s.Route.Total > 0 {
		out.Progress = fmt.Sprintf("%d of %d", s.Route.Reached, s.Route.Total)
		out.Kept = s.kept(promise)
	}
	for i := range s.Route.Replicas {
		if s.Route.Replicas[i].At != nil {
			out.Reached = append(out.Reached, s.Route.Replicas[i].Replica)
		}
	}
	for _, d := range s.Conflicts {
		out.Conflicts = append(out.Conflicts, d.ID)
	}
	return out
}

// kept judges the write against the promise: nil while it may still keep it, or
// when silence hides whether it did.
func (s *Story) kept(promise *int64) *bool {
	var kept bool
	switch {
	case promise == nil:
		return nil
	case s.AllNS != nil:
		kept = *s.AllNS <= *promise
	case s.AgeNS == nil || *s.AgeNS <= *promise || len(s.Route.Silent) > 0:
		return nil
	}
	return &kept
}

// VisibleAt reports whether the write is satisfied at a replica, or everywhere when
// replica is "".
func (s *Status) VisibleAt(replica string) bool {
	if replica == "" {
		return len(s.Missing) == 0 && len(s.Reached) > 0
	}
	return slices.Contains(s.Reached, replica)
}

// Subscriber tells when something of a write was folded. The channel may be sent
// to or closed; notices may be merged. Cancel releases it and may be called twice.
type Subscriber interface {
	Subscribe(writeID string) (changed <-chan struct{}, cancel func())
}

// MaxWait bounds how long Wait blocks.
const MaxWait = time.Minute

// Wait blocks until the write is visible at a replica (everywhere, when replica is
// ""), the timeout passes or ctx ends, and returns the status as it then is. A
// write that nothing is known of yet is waited for too; it is ErrNotFound at the
// end. Wait reads once at the start, once after each notice, and once at the end.
func (t *Teller) Wait(ctx context.Context, sub Subscriber, feature, writeID, replica string, timeout time.Duration) (*Status, error) {
	changed, cancel := sub.Subscribe(writeID) // before the first reading: nothing is missed
	defer cancel()
	timer := time.NewTimer(min(max(timeout, 0), MaxWait))
	defer timer.Stop()
	for {
		s, err := t.Status(ctx, feature, writeID)
		if err != nil && !isUnknown(err) {
			return nil, err
		}
		if err == nil && s.VisibleAt(replica) {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return t.Status(ctx, feature, writeID)
		case _, open := <-changed:
			if !open {
				changed = nil // no more notices: only the timeout is left
			}
		}
	}
}
