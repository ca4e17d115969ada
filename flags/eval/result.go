package eval

import (
	"encoding/json"

	"tidemark/flags"
)

// Reason says what decided an answer, in OpenFeature's words.
type Reason string

// The reasons.
const (
	ReasonStatic         Reason = "STATIC"          // the flag has no targeting
	ReasonDefault        Reason = "DEFAULT"         // targeting gave null, or the code's default counts
	ReasonTargetingMatch Reason = "TARGETING_MATCH" // targeting named the variant
	ReasonSplit          Reason = "SPLIT"           // a rollout decided
	ReasonDisabled       Reason = "DISABLED"        // the flag is off: the code's default counts
	ReasonError          Reason = "ERROR"           // Code says which
)

// ErrorCode is one of OpenFeature's.
type ErrorCode string

// The error codes that an evaluation gives. Compile refuses what would give
// PARSE_ERROR, and the type is checked by whoever knows what type was asked for.
const (
	CodeNone                ErrorCode = ""
	CodeFlagNotFound        ErrorCode = "FLAG_NOT_FOUND"
	CodeParseError          ErrorCode = "PARSE_ERROR"
	CodeTypeMismatch        ErrorCode = "TYPE_MISMATCH"
	CodeTargetingKeyMissing ErrorCode = "TARGETING_KEY_MISSING"
	CodeInvalidContext      ErrorCode = "INVALID_CONTEXT"
	CodeGeneral             ErrorCode = "GENERAL"
)

// Result is the answer to one question. Value and JSON belong to the Set and must
// not be changed. Both are nil when the code's default counts: for an error, for a
// disabled flag, and where neither targeting nor a default variant names one.
type Result struct {
	Key      string
	Value    any             // bool, string, float64 or map[string]any
	JSON     json.RawMessage // Value as it was written, compact
	Variant  string
	Reason   Reason
	Code     ErrorCode
	Details  string // of an error, a sentence
	Metadata Metadata

	written *variant // the one that Value, JSON and Variant are of; nil when they are of none
	kind    int
}

// HasValue reports whether the flag says what to use, rather than the code's default.
func (r *Result) HasValue() bool { return r.JSON != nil }

// PinError says why a pin was ignored.
type PinError string

// The errors of pins. The evaluation goes on as for a new session.
const (
	PinOK         PinError = ""
	PinMalformed  PinError = "malformed"        // not something that was ever given out
	PinForged     PinError = "forged"           // the signature does not fit
	PinOtherUnit  PinError = "other_unit"       // given to another unit
	PinExpired    PinError = "expired"          // older than the rollout's pin_for
	PinBroken     PinError = "broken"           // all pins of the flag were broken since
	PinUnknown    PinError = "unknown_revision" // the revision or variant that it names is gone
	PinUnexpected PinError = "not_accepted"     // this evaluator has no key to check pins
)

// Arm of the result's metadata, empty outside of a rollout.
func (r *Result) Arm() flags.Arm { return r.Metadata.Arm }
