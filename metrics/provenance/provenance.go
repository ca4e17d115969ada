// Package provenance tells one write's story from its raw events: where it has been
// and when, what it depended on, what conflicted with it and why that was decided
// so, and how long it will still take.
package provenance

import (
	"context"
	"fmt"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
)

// Limits of what is read for one story: it costs by what it tells, not by what is
// stored.
const (
	maxEvents    = 5000 // of the write itself, the earliest
	maxFollowing = 24   // of its key, and of its session, that may follow it: later versions, children
	maxLatest    = 50   // of its key, when those leave a replica open
	maxOfParent  = 50   // of each parent, the earliest
	maxRelatives = 50   // parents, children and conflicts, each
)

// ErrNotFound is returned for a write of which no event is kept.
var ErrNotFound = metrics.ErrNotFound

// States of a write.
const (
	StatePending  = "pending"  // under way
	StateVisible  = "visible"  // every expected replica has satisfied it
	StateLate     = "late"     // under way, and past its objective or what is usual
	StateConflict = "conflict" // it takes part in a conflict that is not decided
	StateUnknown  = "unknown"  // no route says where it must arrive, or a replica is silent
)

// Teller tells stories. It is safe for concurrent use.
type Teller struct {
	r      metrics.Reader
	report *report.Reporter
	now    func() time.Time
}

// New returns a Teller that reads from r; curves for ETAs come from rep.
func New(r metrics.Reader, rep *report.Reporter, now func() time.Time) *Teller {
	return &Teller{r: r, report: rep, now: now}
}

// Story is everything that is known of one write. Times are Unix nanoseconds on the
// server's clock, durations nanoseconds; nil is unknown.
type Story struct {
	WriteID string `json:"write_id"`
	Feature string `json:"feature"`
	Key     string `json:"key"`
	Entity  string `json:"entity,omitempty"`
	Now     int64  `json:"now"`
	State   string `json:"state"`
	Answer  string `json:"answer"` // the first line, in words

	Initiated *int64 `json:"initiated"`
	Committed *int64 `json:"committed"`
	AgeNS     *int64 `json:"age_ns"` // now − initiated
	// FirstNS and AllNS are its times to visibility; nil until they are known.
	FirstNS *int64 `json:"first_ns"`
	AllNS   *int64 `json:"all_ns"`
	Route   Route  `json:"route"`
	ETA     *ETA   `json:"eta"` // nil when visible, or when the curve does not say

	Version    string   `json:"version,omitempty"`
	Actor      string   `json:"actor,omitempty"`
	Owner      string   `json:"owner,omitempty"`
	Labels     []string `json:"labels"`
	Delta      string   `json:"delta,omitempty"` // raw JSON
	BeforeHash string   `json:"before_hash,omitempty"`
	AfterHash  string   `json:"after_hash,omitempty"`
	SessionID  string   `json:"session_id,omitempty"`
	SessionSeq int64    `json:"session_seq,omitempty"`
	Flag       string   `json:"flag,omitempty"`
	Variant    string   `json:"variant,omitempty"`
	Model      string   `json:"model,omitempty"`
	Unit       string   `json:"unit,omitempty"`
	Mechanism  string   `json:"mechanism,omitempty"`
	Traces     []Trace  `json:"traces"`
	// Redacted is set when actor, delta and hashes were taken out for this viewer.
	Redacted *report.Redaction `json:"redacted,omitempty"`

	Timeline   []Step     `json:"timeline"`   // the first event of each (stage, place), in order
	Duplicates []Step     `json:"duplicates"` // later reports of the same
	Replays    []Step     `json:"replays"`    // deliveries after the first
	Failures   []Step     `json:"failures"`
	Parents    []Relative `json:"parents"`
	Children   []Relative `json:"children"`

	Conflicts []*report.ConflictDetail `json:"conflicts"`
	// Others are the features beside this one that use the same write_id; what they say
	// of it is no part of this story.
	Others []string `json:"other_features"`
	// Truncated is set when the write has more events than are read.
	Truncated bool `json:"truncated,omitempty"`
	// Held is set when an event of the write is in quarantine: it is not told here.
	Held bool `json:"held,omitempty"`
}

// Route is how far the write has come.
type Route struct {
	Replicas []Progress `json:"replicas"` // in order of name
	Reached  int        `json:"reached"`
	Total    int        `json:"total"` // 0 = no route
	Missing  []string   `json:"missing"`
	Silent   []string   `json:"silent"` // of the missing ones
}

// Progress is one expected replica.
type Progress struct {
	Replica string `json:"replica"`
	State   string `json:"state"` // visible, pending, late or unknown
	At      *int64 `json:"at"`    // when it was satisfied
	LagNS   *int64 `json:"lag_ns"`
	// SupersededBy is the later write that satisfied this one, when it was not itself
	// that became visible.
	SupersededBy *Superseded `json:"superseded_by"`
}

// Superseded names the later version of the same key that satisfied a write.
type Superseded struct {
	WriteID string `json:"write_id"`
	Version string `json:"version"`
	At      int64  `json:"at"`
	// AtMost is set when the key is so busy that not all between was read: an earlier
	// one may have satisfied it before.
	AtMost bool `json:"at_most,omitempty"`
}

// ETA is how much longer the write will take, from the convergence curve of its
// feature given its age.
type ETA struct {
	P50NS *int64 `json:"p50_ns"`
	P95NS *int64 `json:"p95_ns"`
}

// Trace refers to a distributed trace that reported on the write.
type Trace struct {
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id,omitempty"`
	Service string `json:"service,omitempty"`
}

// Step is one event of the timeline.
type Step struct {
	EventID string `json:"event_id"`
	Kind    string `json:"kind"`
	Service string `json:"service,omitempty"`
	Replica string `json:"replica,omitempty"`
	Place   string `json:"place"` // replica, else service
	Region  string `json:"region,omitempty"`
	At      int64  `json:"at"`       // corrected
	RawAt   int64  `json:"raw_at"`   // by the reporter's clock
	ErrorNS *int64 `json:"error_ns"` // ± of At; nil when the clock was not measured
	ClockID string `json:"clock_id,omitempty"`
	Attempt int32  `json:"attempt,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// SinceStartNS is At less initiated; SincePreviousNS At less the step before.
	SinceStartNS    *int64 `json:"since_start_ns"`
	SincePreviousNS *int64 `json:"since_previous_ns"`
	// Undecided is set when the step before is nearer than both clocks' errors: which
	// came first is not known.
	Undecided bool `json:"undecided,omitempty"`
}

// Relative is a write that this one depends on, or that depends on it.
type Relative struct {
	WriteID   string `json:"write_id"`
	Known     bool   `json:"known"`
	Feature   string `json:"feature,omitempty"`
	Key       string `json:"key,omitempty"`
	Initiated *int64 `json:"initiated"`
}

// Story tells the story of a feature's write; ErrNotFound when none of its events is
// kept. With feature "" it is that of the feature whose event of it arrived first.
func (t *Teller) Story(ctx context.Context, feature, writeID string) (*Story, error) {
	c, err := t.collect(ctx, feature, writeID)
	if err != nil {
		return nil, err
	}
	s := c.tell()
	if err := t.relatives(ctx, c, s); err != nil {
		return nil, err
	}
	if err := t.conflicts(ctx, c, s); err != nil {
		return nil, err
	}
	if err := t.finish(ctx, c, s); err != nil {
		return nil, err
	}
	return s, nil
}

// finish sets what depends on everything else: silence, state, ETA, the answer.
func (t *Teller) finish(ctx context.Context, c *collected, s *Story) error {
	if len(s.Route.Missing) > 0 {
		if err := t.silence(ctx, c, s); err != nil {
			return err
		}
		if err := t.eta(ctx, s); err != nil {
			return err
		}
	}
	c.judge(s)
	s.Answer = answer(s)
	return nil
}

func (t *Teller) silence(ctx context.Context, c *collected, s *Story) error {
	states, err := t.report.Silence(ctx, c.feature, s.Route.Missing)
	if err != nil {
		return fmt.Errorf("story of %q: %w", c.id, err)
	}
	for _, st := range states {
		if !st.Silent {
			continue
		}
		for i := range s.Route.Replicas {
			if p := &s.Route.Replicas[i]; p.Replica == st.Replica && p.At == nil {
				p.State = StateUnknown
				s.Route.Silent = append(s.Route.Silent, st.Replica)
			}
		}
	}
	return nil
}

// eta reads the curve of the feature's last hour at the write's age.
func (t *Teller) eta(ctx context.Context, s *Story) error {
	if s.AgeNS == nil {
		return nil
	}
	curve, err := t.report.Curve(ctx, s.Feature, "")
	if err != nil {
		return fmt.Errorf("story of %q: %w", s.WriteID, err)
	}
	eta := &ETA{}
	if d, ok := curve.Remaining(*s.AgeNS, 0.50); ok {
		eta.P50NS = &d
	}
	if d, ok := curve.Remaining(*s.AgeNS, 0.95); ok {
		eta.P95NS = &d
	}
	if eta.P50NS != nil || eta.P95NS != nil {
		s.ETA = eta
	}
	return nil
}
