package report

import (
	"context"
	"time"
)

// WriteQuery selects writes. A feature is required.
type WriteQuery struct {
	Feature  string
	Key      string // only writes of this key, from their events
	Replica  string // lag and pending at this replica; "" = everywhere
	From, To time.Time
	MinLag   time.Duration
	MaxLag   time.Duration // 0 = unbounded
	Pending  bool          // only writes that are not visible everywhere yet
	Cursor   string        // Next of the page before
	Limit    int           // 1..500; 0 = 50
}

// Writes is a list of example writes: pending ones first, oldest first, then those
// with the greatest lag. Without a key it is a sample (the exemplars of the heatmap
// and the open writes), not every write.
type Writes struct {
	Feature string     `json:"feature"`
	Now     int64      `json:"now"`
	Writes  []WriteRow `json:"writes"`
	More    bool       `json:"more"`           // Limit left some out
	Next    string     `json:"next,omitempty"` // the cursor of what was left out
	// Labelled says that rows tell who acted, and what may hide it: a list of a key.
	Labelled bool `json:"-"`
}

// WriteRow is one write.
type WriteRow struct {
	WriteID   string   `json:"write_id"`
	Feature   string   `json:"feature"`
	Key       string   `json:"key"`
	Replica   string   `json:"replica,omitempty"` // "" = everywhere
	Initiated *int64   `json:"initiated"`         // nil when only the minute is known (see Minute)
	Minute    *int64   `json:"minute"`            // start of the minute of its initiation
	LagNS     *int64   `json:"lag_ns"`            // nil while pending, or when no number is known
	AgeNS     *int64   `json:"age_ns"`            // of a pending write
	Pending   bool     `json:"pending"`
	Missing   []string `json:"missing"` // replicas not satisfied
	Version   string   `json:"version,omitempty"`
	Actor     string   `json:"actor,omitempty"`
	Labels    []string `json:"labels,omitempty"`
	// Unread says that it has more events than are read, so that it may bear other labels.
	Unread bool `json:"unread,omitempty"`
	// Held says that an event of it is in quarantine.
	Held bool `json:"held,omitempty"`
	// Redacted is set when this viewer is not told of an actor, named or not.
	Redacted *Redaction `json:"redacted,omitempty"`
}

// Writes lists writes that q selects.
func (r *Reporter) Writes(ctx context.Context, q WriteQuery) (*Writes, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	if q.Key != "" {
		return r.keyWrites(ctx, q)
	}
	return r.sampleWrites(ctx, q)
}
