package metrics

import "context"

// Reader answers questions from everything that was acknowledged and folded,
// including what is not yet in a checkpoint. It is safe for concurrent use.
type Reader interface {
	// Cells, ListSeries, Conflict, Conflicts, Violations, Exemplars and Heard are as
	// in Rollups, with what was folded since the last checkpoint added to Cells and
	// Heard. Rows may lag by one checkpoint interval (2 s by default). Conflicts say
	// whether something of them is held.
	Cells(ctx context.Context, q CellQuery, fn CellFunc) error
	ListSeries(ctx context.Context, feature string) ([]Series, error)
	Conflict(ctx context.Context, id string) (*Conflict, error)
	Conflicts(ctx context.Context, q ConflictQuery) (page []Conflict, next string, err error)
	Violations(ctx context.Context, q ViolationQuery) (page []Violation, next string, err error)
	Exemplars(ctx context.Context, q ExemplarQuery) ([]Exemplar, error)
	Heard(ctx context.Context) ([]Heard, error)

	// OpenWrites returns writes that some expected replica has not satisfied, oldest
	// first, both resident and put down, at most q.Limit (0 = 100).
	OpenWrites(ctx context.Context, q SpilledQuery) ([]OpenWrite, error)
	// Find is Log.Find: the raw events of a write, key or session.
	Find(ctx context.Context, q FindQuery) (events []Event, more bool, err error)
	// End is Log.End: where the next event goes.
	End() Position
	// HeldWrites is Quarantine.HeldWrites: what of a write is in quarantine.
	HeldWrites(id string) []HeldWrite
	// KeyVersions returns, for up to limit recently active keys of a feature chosen
	// by hash, the latest version seen at each replica.
	KeyVersions(ctx context.Context, feature string, limit int) ([]KeyVersions, error)
	// Config returns the config of a feature in force at a time (Unix ns); ok is
	// false when none was ever declared.
	Config(feature string, at int64) (c FeatureConfig, ok bool)
	// Features lists every feature that was seen or declared, sorted.
	Features() []string
	// ClockPairs returns what was measured between clocks.
	ClockPairs() []ClockPair
}

// KeyVersions is the latest version of one key at each replica that reported one.
type KeyVersions struct {
	Key      string
	Versions map[string]Version
}

// ClockPair sums up a feature's traffic from one clock to another in one window: the
// smallest difference (arrival on To's clock − departure on From's clock) seen.
type ClockPair struct {
	Feature  string
	From, To string // clock ids; the service name when a reporter gave none
	Start    int64  // window start, Unix seconds
	MinDiff  int64  // ns; may be negative
	Samples  int64
	Negative int64 // samples that were below 0
}

// Rejection says why one event of a request was not accepted.
type Rejection struct {
	Index   int    `json:"index"` // 0-based position in the request
	EventID string `json:"event_id,omitempty"`
	Code    string `json:"code"` // stable, documented in docs/events.md
	Field   string `json:"field,omitempty"`
	Message string `json:"message"` // a sentence: what was wrong, what is allowed
}
