// Package report answers questions from what was folded: how long writes take to
// become visible, where the time goes, what conflicts, which session guarantees
// break, and what is unknown. It reads through metrics.Reader only and keeps no
// state, so any number of requests may share one Reporter.
//
// Durations are integers in nanoseconds (fields named …NS), times are integers in
// Unix nanoseconds (fields named …At or Start, …). What is not known is nil, and
// JSON null; it is never 0. Every rate carries its numerator and denominator.
package report

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"tidemark/metrics"
)

// ErrQuery is wrapped by every error about a question that cannot be asked.
var ErrQuery = errors.New("bad query")

// QueryError says which field of a Query is wrong, and what is allowed.
type QueryError struct {
	Field   string
	Message string
}

// Error returns "bad query: FIELD: MESSAGE".
func (e *QueryError) Error() string { return fmt.Sprintf("%v: %s: %s", ErrQuery, e.Field, e.Message) }

// Unwrap makes errors.Is(err, ErrQuery) true.
func (e *QueryError) Unwrap() error { return ErrQuery }

// Defaults of a Reporter.
const (
	// DefaultGrace is how long a session check may stay pending before it counts as
	// violated.
	DefaultGrace = time.Minute
	// keptFine and keptMiddle say for how long after its start a window is looked
	// for at the 10 s and at the 1 min level.
	keptFine   = 48 * time.Hour
	keptMiddle = 30 * 24 * time.Hour
)

// Reporter answers questions. It is safe for concurrent use.
type Reporter struct {
	r     metrics.Reader
	now   func() time.Time
	grace time.Duration
	kept  map[metrics.Level]time.Duration
	once  *once // nil when nothing is kept between questions
}

// Option changes a default of a Reporter.
type Option func(*Reporter)

// WithGrace sets how long a session check may stay pending before it counts as
// violated.
func WithGrace(d time.Duration) Option { return func(r *Reporter) { r.grace = d } }

// WithRetention tells for how long the store keeps cells of each level, so that
// older ranges are read at a level that still exists. 0 means for ever.
func WithRetention(kept map[metrics.Level]time.Duration) Option {
	return func(r *Reporter) {
		maps.Copy(r.kept, kept)
	}
}

// New returns a Reporter that reads from r and takes the present from now.
func New(r metrics.Reader, now func() time.Time, opts ...Option) *Reporter {
	rep := &Reporter{
		r: r, now: now, grace: DefaultGrace,
		kept: map[metrics.Level]time.Duration{metrics.Level10s: keptFine, metrics.Level1m: keptMiddle},
	}
	for _, o := range opts {
		o(rep)
	}
	return rep
}

// Ratio is a rate with what it is made of. Value is nil when the denominator is 0.
type Ratio struct {
	Numerator   int64    `json:"numerator"`
	Denominator int64    `json:"denominator"`
	Value       *float64 `json:"value"`
}

// NewRatio returns num ÷ den.
func NewRatio(num, den int64) Ratio {
	r := Ratio{Numerator: num, Denominator: den}
	if den > 0 {
		v := float64(num) / float64(den)
		r.Value = &v
	}
	return r
}

// Quantiles sums up measured durations. The percentiles are nil when nothing was
// measured; each is within 1 % of the sample of that rank. Negative values are
// counted apart and are in no percentile.
type Quantiles struct {
	P50      *int64 `json:"p50_ns"`
	P95      *int64 `json:"p95_ns"`
	P99      *int64 `json:"p99_ns"`
	Count    int64  `json:"count"`    // values ≥ 0
	Negative int64  `json:"negative"` // values < 0: clocks, not lags
}

// Span is the range that an answer covers, after aligning to windows.
type Span struct {
	From     int64 `json:"from"` // Unix ns
	To       int64 `json:"to"`   // Unix ns, exclusive
	StepNS   int64 `json:"step_ns"`
	WindowNS int64 `json:"window_ns"` // width of the windows that were read
	Now      int64 `json:"now"`       // the present of the answer, Unix ns
}

func notFound(what, name string) error {
	return fmt.Errorf("%s %q: %w", what, name, metrics.ErrNotFound)
}
