package flags

import (
	"context"
	"time"
)

// UsageCount is how often a flag gave one answer on one day.
type UsageCount struct {
	Flag    string
	Day     string // UTC, YYYY-MM-DD
	Variant string // "" when the answer was the code's default, or an error
	Reason  string
	Count   int64
	Last    time.Time // of these, to within a flush
}

// UsageStore keeps how often flags were evaluated. It is safe for concurrent use.
type UsageStore interface {
	// AddUsage adds counts to those of the same flag, day, variant and reason, and
	// moves Last forward, never back. All of it or nothing.
	AddUsage(ctx context.Context, counts []UsageCount) error
	// Usage returns the counts of a flag (of every flag, when it is "") from a day
	// (inclusive), ordered by flag, day, variant and reason. None is an empty slice.
	Usage(ctx context.Context, flag, fromDay string) ([]UsageCount, error)
	// PruneUsage removes the counts of days before a day.
	PruneUsage(ctx context.Context, beforeDay string) error
}

// SecretStore keeps random secrets that the server makes for itself.
type SecretStore interface {
	// Secret returns the secret of that name. The first call makes one of size random
	// bytes, with an audit record that leaves its value out.
	Secret(ctx context.Context, name string, size int, now time.Time) ([]byte, error)
}
