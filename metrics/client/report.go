package client

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tidemark/metrics"
)

// Session numbers the operations of one user's session, so that the server can
// order them whatever order they arrive in.
type Session struct {
	ID  string
	seq atomic.Int64
}

// NewSession starts a session; after is the number of its last operation so far,
// 0 for a new one.
func NewSession(id string, after int64) *Session {
	s := &Session{ID: id}
	s.seq.Store(after)
	return s
}

// Seq is the number of the latest operation.
func (s *Session) Seq() int64 { return s.seq.Load() }

// next is the number of the next operation, with the session's id.
func (s *Session) next(e *metrics.Event) {
	if s != nil {
		e.SessionID, e.SessionSeq = s.ID, s.seq.Add(1)
	}
}

// WriteOptions describe a write that begins. Feature is required; the others are
// as the fields of metrics.Event.
type WriteOptions struct {
	WriteID   string // default: a new UUIDv7
	Feature   string
	Key       string
	Entity    string
	Version   metrics.Version
	Session   *Session
	Parents   []string
	Actor     string
	Delta     string // raw JSON
	Owner     string
	Labels    []string
	Flag      string
	Variant   string
	Model     string
	Unit      string
	Expect    []string
	Mechanism string
	At        time.Time // default: now
}

// Write is a write that this service began.
type Write struct {
	c      *Client
	ref    WriteRef
	entity string
}

// Begin reports that a write was initiated. The Write is of use even when the
// report could not be buffered, which is what the error says.
func (c *Client) Begin(ctx context.Context, o WriteOptions) (*Write, error) {
	if o.WriteID == "" {
		o.WriteID = newID()
	}
	w := &Write{c: c, entity: o.Entity, ref: WriteRef{
		WriteID: o.WriteID, Feature: o.Feature, Key: o.Key, Version: o.Version, Labels: o.Labels,
		Model: o.Model, Variant: o.Variant, Mechanism: o.Mechanism, Owner: o.Owner,
	}}
	e := w.ref.event(ctx, metrics.KindInitiated)
	e.Entity, e.Parents, e.Actor, e.Delta, e.Owner = o.Entity, o.Parents, o.Actor, o.Delta, o.Owner
	e.Flag, e.Unit, e.Expect = o.Flag, o.Unit, o.Expect
	if !o.At.IsZero() {
		e.OccurredAt = o.At.UnixNano()
	}
	o.Session.next(e)
	return w, c.Send(e)
}

// Ref is what the write's consumers need; put it into the message's headers.
func (w *Write) Ref() WriteRef { return w.ref }

// Versioned sets the version, when it is known only after the commit.
func (w *Write) Versioned(v metrics.Version) { w.ref.Version = v }

// Committed reports that the write is durable where it began.
func (w *Write) Committed(ctx context.Context) error { return w.report(ctx, metrics.KindCommitted, "") }

// Published reports that the write was sent on its way.
func (w *Write) Published(ctx context.Context) error { return w.report(ctx, metrics.KindPublished, "") }

// Failed reports that the write, or sending it, did not succeed.
func (w *Write) Failed(ctx context.Context, reason string) error {
	return w.report(ctx, metrics.KindFailed, reason)
}

func (w *Write) report(ctx context.Context, k metrics.Kind, reason string) error {
	e := w.ref.event(ctx, k)
	e.Entity, e.Reason = w.entity, reason
	return w.c.Send(e)
}

// At says where something happened to a write and at which attempt.
type At struct {
	Replica string    // default: the client's Service
	Attempt int32     // 1 = first delivery, which 0 means too
	Time    time.Time // default: now
	Reason  string    // of Failed
}

// Received reports that a message with the write has arrived.
func (c *Client) Received(ctx context.Context, r WriteRef, at At) error {
	return c.reached(ctx, metrics.KindReceived, r, at)
}

// Applied reports that a replica holds the write.
func (c *Client) Applied(ctx context.Context, r WriteRef, at At) error {
	return c.reached(ctx, metrics.KindApplied, r, at)
}

// Visible reports that readers of a replica see the write.
func (c *Client) Visible(ctx context.Context, r WriteRef, at At) error {
	return c.reached(ctx, metrics.KindVisible, r, at)
}

// ApplyFailed reports that an attempt to apply the write failed.
func (c *Client) ApplyFailed(ctx context.Context, r WriteRef, at At) error {
	return c.reached(ctx, metrics.KindFailed, r, at)
}

func (c *Client) reached(ctx context.Context, k metrics.Kind, r WriteRef, at At) error {
	e := r.event(ctx, k)
	e.Replica, e.Attempt, e.Reason = at.Replica, at.Attempt, at.Reason
	if e.Replica == "" {
		e.Replica = c.o.Service
	}
	if !at.Time.IsZero() {
		e.OccurredAt = at.Time.UnixNano()
	}
	return c.Send(e)
}

// ReadOptions describe a read. Feature is required; Version is the one that the
// read returned.
type ReadOptions struct {
	Feature string
	Key     string
	Entity  string
	Replica string
	Version metrics.Version
	Session *Session
	Actor   string
	Flag    string
	Variant string
	Model   string
	Unit    string
	At      time.Time // default: now
}

// Read reports a read.
func (c *Client) Read(ctx context.Context, o ReadOptions) error {
	e := newEvent(ctx, metrics.KindRead, o.Feature)
	e.Key, e.Entity, e.Replica, e.Version, e.Actor = o.Key, o.Entity, o.Replica, o.Version, o.Actor
	e.Flag, e.Variant, e.Model, e.Unit = o.Flag, o.Variant, o.Model, o.Unit
	if !o.At.IsZero() {
		e.OccurredAt = o.At.UnixNano()
	}
	o.Session.next(e)
	return c.Send(e)
}

// Conflict describes a conflict. Its ID must be the same wherever it is found:
// derive it from the writes' ids.
type Conflict struct {
	ID          string
	Write       WriteRef
	With        []string
	Replica     string
	Rule        string
	RuleVersion string
}

// Resolution says how a conflict was decided.
type Resolution struct {
	Winner  string // the write that holds now; a new one after a merge
	Outcome string
	Reason  string
	Auto    bool   // by a rule, not by a person
	Actor   string // who or what decided
}

// Conflict reports that two or more writes are in conflict.
func (c *Client) Conflict(ctx context.Context, x Conflict) error {
	return c.Send(x.event(ctx, metrics.KindConflictDetected))
}

// Resolved reports that a conflict was decided.
func (c *Client) Resolved(ctx context.Context, x Conflict, r Resolution) error {
	e := x.event(ctx, metrics.KindConflictResolved)
	e.Winner, e.Outcome, e.Reason, e.Actor, e.Auto = r.Winner, r.Outcome, r.Reason, r.Actor, metrics.No
	if r.Auto {
		e.Auto = metrics.Yes
	}
	return c.Send(e)
}

func (x *Conflict) event(ctx context.Context, k metrics.Kind) *metrics.Event {
	e := x.Write.event(ctx, k)
	e.ConflictID, e.With, e.Replica, e.Rule, e.RuleVersion = x.ID, x.With, x.Replica, x.Rule, x.RuleVersion
	return e
}

// Heartbeat reports that a replica is alive, even if it has nothing to apply.
func (c *Client) Heartbeat(ctx context.Context, feature, replica string) error {
	e := newEvent(ctx, metrics.KindHeartbeat, feature)
	e.Replica = replica
	return c.Send(e)
}

// event begins an event about the write.
func (r WriteRef) event(ctx context.Context, k metrics.Kind) *metrics.Event {
	e := newEvent(ctx, k, r.Feature)
	e.WriteID, e.Key, e.Version, e.Labels = r.WriteID, r.Key, r.Version, r.Labels
	e.Model, e.Variant, e.Mechanism = r.Model, r.Variant, r.Mechanism
	return e
}

// newEvent begins an event with the trace of the context's span.
func newEvent(ctx context.Context, k metrics.Kind, feature string) *metrics.Event {
	e := &metrics.Event{Kind: k, Feature: feature}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		e.TraceID, e.SpanID = s.TraceID().String(), s.SpanID().String()
	}
	return e
}
