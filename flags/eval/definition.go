package eval

import (
	"encoding/json"
	"time"

	"tidemark/flags"
)

// Limits of what Compile accepts and of what one evaluation may do. Whatever is
// over a limit is refused with the limit in the message.
const (
	MaxFlags        = 10_000
	MaxKeyBytes     = 256       // of a flag key, a cohort's name or a variant's name
	MaxFlagBytes    = 256 << 10 // of one flag's or cohort's JSON
	MaxFileBytes    = 16 << 20  // of a file that ParseFlagd reads
	MaxVariants     = 200
	MaxMetadata     = 100    // entries of a flag's or the set's metadata
	MaxRuleDepth    = 64     // operators and arrays within each other, $ref followed
	MaxRuleNodes    = 10_000 // of one targeting, $ref followed
	MaxJSONDepth    = 100    // of a definition's JSON as such
	MaxWeight       = 1<<31 - 1
	MaxPastVersions = 1000    // of one flag
	MaxSteps        = 250_000 // rule nodes that one evaluation may visit within loops
	MaxTextBytes    = 64 << 10
	MaxListLength   = 32 << 10
)

// Definition is everything that a Set is compiled from.
type Definition struct {
	Flags   map[string]Source          // by key
	Cohorts map[string]json.RawMessage // "$evaluators": targeting rules that flags share by {"$ref": "NAME"}
	// Metadata is the set's; a flag's own entries win over it.
	Metadata    map[string]any
	Assignments []flags.Assignment // one a flag at most
	// Past holds older revisions of flags that pins may still name. A pin whose
	// revision is neither here nor current no longer holds its session.
	Past map[string][]Source
	// PinsBroken is when the pins of a flag were last broken, Unix ns, whatever rollout
	// gave them. When it is nil nobody kept account of that, and pins count only as long
	// as the rollout that gave them is among the assignments: a broken pin must never
	// come back to life because its rollout ended.
	PinsBroken map[string]int64
}

// Source is one flag as it was written.
type Source struct {
	Content   json.RawMessage // flagd's flag object: state, variants, defaultVariant, targeting, metadata
	Revision  int64
	Bucketing flags.Bucketing // "" means v2
}

// Context is what is known of the unit that asks: "targetingKey" names it, and
// anything else may be there. A pin is in "tidemark.pin", either under that key or as
// {"tidemark": {"pin": …}}.
type Context map[string]any

// Names in a context and in metadata.
const (
	TargetingKey = "targetingKey"
	PinKey       = "tidemark.pin"
)

// unixSeconds is $flagd.timestamp.
func unixSeconds(t time.Time) float64 { return float64(t.Unix()) }
