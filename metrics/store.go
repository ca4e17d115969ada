package metrics

import (
	"context"
	"errors"
	"slices"
	"time"

	"tidemark/metrics/sketch"
)

// Errors of a store. Wrap them with %w; test with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrDamaged  = errors.New("store is damaged")
	ErrFull     = errors.New("no space left to store")
	ErrLocked   = errors.New("store is in use by another process")
	ErrClosed   = errors.New("store is closed")
	ErrCursor   = errors.New("malformed cursor")
	// ErrUnsynced says that a write failed in a way after which nobody can tell what is
	// on the disk. Nothing more is stored until the store was opened again.
	ErrUnsynced = errors.New("an earlier write may not have reached the disk")
)

// Position counts the events of the log: an event's position is the number of
// events appended before it. Positions are never reused, not even after pruning.
type Position uint64

// Log keeps raw events. Appending is for one caller at a time; reading is for any
// number at once, also during an append.
type Log interface {
	// Append makes the events of all batches durable (on the disk, not only in its
	// cache) in one transaction and returns the position of the first; the rest
	// follow in order. On error nothing was stored. Once one failed with ErrUnsynced,
	// all later ones do, until the store is opened anew. The events and their strings
	// are not kept after the call.
	Append(ctx context.Context, batches ...[]Event) (Position, error)
	// End is the position after the last appended event; Begin that of the oldest
	// one that retention has kept.
	Begin() Position
	End() Position
	// Scan calls fn with runs of consecutive events from position from to End, in
	// order. The slice and its strings are only valid during the call.
	Scan(ctx context.Context, from Position, fn func(first Position, events []Event) error) error
	// Find returns, in log order, the events of an entity. A hash collision may add
	// events of others. No such event is an empty slice, not an error.
	Find(ctx context.Context, q FindQuery) (events []Event, more bool, err error)
}

// FindQuery selects the events of one entity.
type FindQuery struct {
	Kind   EntityKind
	Entity Entity
	// Feature leaves out the events of others, which may use the same id; "" = of none.
	Feature string
	// Pass is the most events of others that are passed over, 0 = MaxPassed; then more is
	// true, whatever else there is.
	Pass int
	// Before leaves out events at or after that position; 0 means no bound. The fold
	// needs it: the log is ahead of what was folded.
	Before Position
	// From leaves out events before that position.
	From Position
	// Since leaves out events that were observed before it (Unix ns); 0 means no bound.
	Since int64
	// Limit is the most events returned, 0 = 10,000; the latest are kept, or with
	// Earliest the earliest, and more is true when some were left out.
	Limit    int
	Earliest bool
}

// MaxPassed bounds the events of other features that one Find passes over.
const MaxPassed = 1_000_000

// Rollups keeps what the log adds up to.
type Rollups interface {
	// Commit stores a checkpoint in one transaction: all of it or nothing.
	Commit(ctx context.Context, c *Checkpoint) error
	// Checkpointed is the position up to which the log is included.
	Checkpointed(ctx context.Context) (Position, error)
	// Cells calls fn with each matching cell, ordered by series, then start.
	Cells(ctx context.Context, q CellQuery, fn CellFunc) error
	// ListSeries returns the series of a feature (of all, when feature is "").
	ListSeries(ctx context.Context, feature string) ([]Series, error)
	// Blob returns a named value that a checkpoint stored; ErrNotFound when absent.
	Blob(ctx context.Context, name string) ([]byte, error)

	Conflict(ctx context.Context, id string) (*Conflict, error)
	Conflicts(ctx context.Context, q ConflictQuery) (page []Conflict, next string, err error)
	Violations(ctx context.Context, q ViolationQuery) (page []Violation, next string, err error)
	Exemplars(ctx context.Context, q ExemplarQuery) ([]Exemplar, error)
	Spilled(ctx context.Context, q SpilledQuery) ([]OpenWrite, error)
	// SpilledOf returns the ids of those of a key, by id: at most limit of them, after one
	// id, "" from the first.
	SpilledOf(ctx context.Context, key Entity, after string, limit int) ([]string, error)
	// SpilledKeys calls fn once with each key that some of them have, in no order.
	SpilledKeys(ctx context.Context, fn func(key Entity)) error
	Heard(ctx context.Context) ([]Heard, error)
	// TrialUnits calls fn with the kept units of a trial, in no particular order.
	TrialUnits(ctx context.Context, trial string, fn func(TrialUnit) error) error

	// ResetRollups removes what is to be made anew, and sets the position: the first
	// half of a rebuild.
	ResetRollups(ctx context.Context, r Reset) error
}

// Reset says what ResetRollups removes. Blobs stay.
type Reset struct {
	Position Position // of the first event that will be folded again
	// Since is the start (Unix seconds) of the first windows that are made anew: what
	// begins before stays. That is cells by their start, conflicts by their detection
	// (their resolution when nobody reported that), violations by their time, exemplars
	// by their window, open writes by their initiation. Sources heard stay. With 0 there
	// is nothing that cannot be made anew, and all rows go.
	Since int64
	// Trials are those whose units stay, unless Since is 0.
	Trials []string
}

// Store is a Log with the Rollups made from it, what is kept apart, and its upkeep.
type Store interface {
	Log
	Rollups
	Quarantine
	// Prune deletes raw events and cells older than r allows at now. Raw events at
	// or after the checkpoint are never deleted.
	Prune(ctx context.Context, now time.Time, r Retention) error
	Stats(ctx context.Context) (StoreStats, error)
	Close() error
}

// Checkpoint is what the fold has learnt since the last one.
type Checkpoint struct {
	Position Position // of the first event not included
	// Deltas are differences to be added to the cell at every level.
	Deltas map[CellKey]*sketch.Cell
	// Rows to insert or replace by their natural key.
	Conflicts  []Conflict
	Violations []Violation
	Exemplars  []Exemplar
	Spilled    []OpenWrite
	Heard      []Heard
	TrialUnits []TrialUnit
	// Keys of rows to remove.
	ViolationsGone []string // Violation.ID
	SpilledGone    []WriteName
	TrialsGone     []string // Trial.ID: all of its units
	Blobs          map[string][]byte
	BlobsGone      []string
}

// Violation is one broken session guarantee, or one hop against policy.
type Violation struct {
	ID        string `json:"id"` // guarantee, session and operation (policy: write, replica, service): its natural key
	Feature   string `json:"feature"`
	Guarantee Metric `json:"guarantee"` // ryw, mr, mw, wfr, policy
	Verdict   string `json:"verdict"`   // older, concurrent, violated
	Session   string `json:"session"`
	Seq       int64  `json:"seq"`
	Key       string `json:"key"`
	Replica   string `json:"replica,omitempty"`
	At        int64  `json:"at"`
	Wanted    string `json:"wanted,omitempty"` // the version that had to be included
	Got       string `json:"got,omitempty"`
	WriteID   string `json:"write_id,omitempty"` // the write that broke it, for mw and wfr
	Earlier   string `json:"earlier,omitempty"`  // the write it overtook
	Model     string `json:"model,omitempty"`
	Variant   string `json:"variant,omitempty"`
	// Of a hop against policy: the service, the labels that it has no clearance for, and
	// the revisions that say so.
	Service   string          `json:"service,omitempty"`
	Labels    []string        `json:"labels,omitempty"`
	DecidedBy []LabelDecision `json:"decided_by,omitempty"`
}

// ViolationQuery selects violations, newest first.
type ViolationQuery struct {
	Feature   string
	Guarantee Metric
	Service   string // of hops against policy
	From, To  int64
	Cursor    string
	Limit     int
}

// Exemplar is a write that stands for a cell of the lag heatmap.
type Exemplar struct {
	Feature string `json:"feature"`
	Replica string `json:"replica"` // "" for all
	Start   int64  `json:"start"`   // 1-minute window, Unix seconds
	Octave  int32  `json:"octave"`  // floor(log2(lag ns)); −1 for lag ≤ 0
	Lag     int64  `json:"lag"`
	WriteID string `json:"write_id"`
	Key     string `json:"key"`
}

// ExemplarQuery selects exemplars, greatest lag first.
type ExemplarQuery struct {
	Feature, Replica string
	From, To         int64 // window starts, Unix seconds
	MinLag, MaxLag   int64 // ns; 0 = unbounded
	Limit            int   // 1..500; 0 = 50
}

// WriteName names a write: features may use the same id.
type WriteName struct{ Feature, ID string }

// Name names the write.
func (o *OpenWrite) Name() WriteName { return WriteName{o.Feature, o.WriteID} }

// OpenWrite is a write that some expected replica has not satisfied.
type OpenWrite struct {
	WriteID   string   `json:"write_id"`
	Feature   string   `json:"feature"`
	Key       string   `json:"key"`
	KeyEntity Entity   `json:"-"`
	Initiated int64    `json:"initiated"`
	Missing   []string `json:"missing"` // replicas, sorted
}

// SpilledQuery selects open writes that the fold put down, oldest first.
type SpilledQuery struct {
	Feature   string
	Replica   string
	KeyEntity Entity // 0 = any
	Limit     int    // 0 = all
}

// Wants reports whether an open write is one of those selected, Limit aside.
func (q *SpilledQuery) Wants(o *OpenWrite) bool {
	return (q.Feature == "" || q.Feature == o.Feature) && (q.KeyEntity == 0 || q.KeyEntity == o.KeyEntity) &&
		(q.Replica == "" || slices.Contains(o.Missing, q.Replica))
}

// Heard is when a source was last heard of.
type Heard struct {
	Feature string `json:"feature"`
	Service string `json:"service"`
	Replica string `json:"replica"`
	Region  string `json:"region,omitempty"`
	First   int64  `json:"first"` // server clock, ns
	Last    int64  `json:"last"`
	Events  int64  `json:"events"`
}

// Retention says how long things are kept; 0 means for ever.
type Retention struct {
	Raw   time.Duration
	Cells map[Level]time.Duration
	Rows  time.Duration // conflicts, violations, exemplars
}

// StoreStats is what the pipeline page and doctor show of a store.
type StoreStats struct {
	Events     uint64 `json:"events"`     // kept
	RawBytes   int64  `json:"raw_bytes"`  // on disk
	CellBytes  int64  `json:"cell_bytes"` // on disk, rollups and rows
	Segments   int64  `json:"segments"`
	Partitions int64  `json:"partitions"`
	OldestRaw  int64  `json:"oldest_raw"` // observed_at, Unix ns; 0 when empty
}
