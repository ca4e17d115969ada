package metrics

import (
	"fmt"
	"strings"
	"time"
)

// Codes of a Rejection. They are part of the interface: a code is never renamed.
// docs/events.md explains each to senders.
const (
	CodeFieldMissing       = "field_missing"        // a field that this kind needs is not there
	CodeFieldTooLong       = "field_too_long"       // longer than Limits allows, or a list with too many items
	CodeFieldInvalid       = "field_invalid"        // of the wrong type or form
	CodeValueOutOfRange    = "value_out_of_range"   // a number beyond what is allowed
	CodeKindUnknown        = "kind_unknown"         // kind is none of KindNames
	CodeMechanismUnknown   = "mechanism_unknown"    // mechanism is none of Mechanisms
	CodeTimeMissing        = "time_missing"         // no occurred_at
	CodeTimeInvalid        = "time_invalid"         // neither RFC 3339 nor integer Unix nanoseconds
	CodeTimeOutOfRange     = "time_out_of_range"    // occurred_at outside MaxPast and MaxFuture
	CodeVersionInvalid     = "version_invalid"      // not one of {"seq"}, {"hlc"}, {"vv"}
	CodeAttributesTooLarge = "attributes_too_large" // unknown fields add up to more than Limits allows
	CodeJSONInvalid        = "json_invalid"         // the event is not JSON, or not an object
	CodeArrayBroken        = "array_broken"         // a syntax error in an array; what follows it was not read
	CodeFeatureUnmapped    = "feature_unmapped"     // a destination or table has no feature in the settings
	CodeOperationIgnored   = "operation_ignored"    // a change-data record that is not a write
	CodeFormatInvalid      = "format_invalid"       // not a well-formed CloudEvent, Debezium or OTLP item
)

// How far occurred_at, corrected by the offset of its clock, may be from the server's
// clock. A little ahead is drift. Much ahead is a wrong clock, which would make every
// event after it look late, and its lag mean nothing.
const (
	MaxPast   = 397 * 24 * time.Hour // 13 months: what rollups are kept for
	MaxFuture = 10 * time.Minute
	// MaxOffset bounds clock_offset_ns and clock_error_ns.
	MaxOffset = 24 * time.Hour
	// MaxAttempt bounds attempt.
	MaxAttempt = 1_000_000
)

// Limits on lengths, in bytes of UTF-8, and on numbers of list items.
const (
	MaxID         = 256      // event_id, write_id, conflict_id, winner, and items of parents and with
	MaxName       = 128      // feature, service, replica, owner, flag, variant, rule, and items of expect and labels
	MaxShort      = 64       // region, model, rule_version, trace_id, span_id
	MaxText       = 256      // entity, actor, unit, session_id, clock_id, before_hash, after_hash
	MaxKey        = 512      // key
	MaxReason     = 2048     // reason, outcome
	MaxVersion    = 4096     // the text of a version
	MaxDelta      = 64 << 10 // delta
	MaxAttributes = 16 << 10 // attributes
	MaxParents    = 64       // items of parents and with
	MaxLabels     = 32       // items of labels
	MaxExpect     = 100      // items of expect
	maxCanonical  = 1 << 10  // first guess at the size of an event's canonical content
)

// Limit is how long one field may be.
type Limit struct {
	Field string
	Bytes int // of the value, or of each item of a list
	Items int // 0 when the field is not a list
}

// Limits lists the limit of every text and list field, in the order of docs/events.md.
func Limits() []Limit {
	return []Limit{
		{"event_id", MaxID, 0},
		{"write_id", MaxID, 0},
		{"feature", MaxName, 0},
		{"key", MaxKey, 0},
		{"entity", MaxText, 0},
		{"service", MaxName, 0},
		{"replica", MaxName, 0},
		{"region", MaxShort, 0},
		{"clock_id", MaxText, 0},
		{"version", MaxVersion, 0},
		{"session_id", MaxText, 0},
		{"trace_id", MaxShort, 0},
		{"span_id", MaxShort, 0},
		{"actor", MaxText, 0},
		{"delta", MaxDelta, 0},
		{"before_hash", MaxText, 0},
		{"after_hash", MaxText, 0},
		{"owner", MaxName, 0},
		{"flag", MaxName, 0},
		{"variant", MaxName, 0},
		{"model", MaxShort, 0},
		{"unit", MaxText, 0},
		{"conflict_id", MaxID, 0},
		{"rule", MaxName, 0},
		{"rule_version", MaxShort, 0},
		{"winner", MaxID, 0},
		{"outcome", MaxReason, 0},
		{"reason", MaxReason, 0},
		{"attributes", MaxAttributes, 0},
		{"parents", MaxID, MaxParents},
		{"labels", MaxName, MaxLabels},
		{"expect", MaxName, MaxExpect},
		{"with", MaxID, MaxParents},
	}
}

// Mechanisms lists the values of the field mechanism.
func Mechanisms() []string {
	return []string{"event_stream", "cdc", "crdt", "replication", "cache"}
}

// Validate says why the event cannot be accepted at the server's time now (Unix
// ns), or nil. It does not allocate when there is nothing to say. Index is left 0.
func Validate(e *Event, now int64) *Rejection {
	if e.fits() && e.complete() && inTime(e.Corrected(), now) && knownMechanism(e.Mechanism) && e.inRange() && e.namesOwnConflict() && e.linkable() {
		return nil
	}
	return explain(e, now)
}

// fits reports whether every text and list is within its limit. It says the same
// as tooLong, without saying which.
func (e *Event) fits() bool {
	return len(e.EventID) <= MaxID && len(e.WriteID) <= MaxID && len(e.Feature) <= MaxName &&
		len(e.Key) <= MaxKey && len(e.Entity) <= MaxText && len(e.Service) <= MaxName &&
		len(e.Replica) <= MaxName && len(e.Region) <= MaxShort && len(e.ClockID) <= MaxText &&
		len(e.Version.Text) <= MaxVersion && len(e.SessionID) <= MaxText &&
		len(e.TraceID) <= MaxShort && len(e.SpanID) <= MaxShort && len(e.Actor) <= MaxText &&
		len(e.Delta) <= MaxDelta && len(e.BeforeHash) <= MaxText && len(e.AfterHash) <= MaxText &&
		len(e.Owner) <= MaxName && len(e.Flag) <= MaxName && len(e.Variant) <= MaxName &&
		len(e.Model) <= MaxShort && len(e.Unit) <= MaxText && len(e.ConflictID) <= MaxID &&
		len(e.Rule) <= MaxName && len(e.RuleVersion) <= MaxShort && len(e.Winner) <= MaxID &&
		len(e.Outcome) <= MaxReason && len(e.Reason) <= MaxReason && len(e.Attributes) <= MaxAttributes &&
		listFits(e.Parents, MaxParents, MaxID) && listFits(e.Labels, MaxLabels, MaxName) &&
		listFits(e.Expect, MaxExpect, MaxName) && listFits(e.With, MaxParents, MaxID)
}

func listFits(list []string, items, bytes int) bool {
	if len(list) > items {
		return false
	}
	for _, s := range list {
		if len(s) > bytes || s == "" {
			return false
		}
	}
	return true
}

// complete reports whether the fields that the event's kind needs are there.
func (e *Event) complete() bool {
	if e.Feature == "" || e.OccurredAt == 0 {
		return false
	}
	switch e.Kind {
	case KindInitiated, KindCommitted, KindPublished, KindFailed:
		return e.WriteID != ""
	case KindReceived, KindApplied, KindVisible:
		return e.WriteID != "" && (e.Replica != "" || e.Service != "")
	case KindConflictDetected, KindConflictResolved:
		return e.ConflictID != ""
	case KindRead:
		return e.SessionID != "" || e.Key != ""
	case KindHeartbeat:
		return e.Replica != "" || e.Service != ""
	}
	return false
}

func inTime(at, now int64) bool {
	return at >= now-int64(MaxPast) && at <= now+int64(MaxFuture)
}

func knownMechanism(s string) bool {
	switch s {
	case "", "event_stream", "cdc", "crdt", "replication", "cache":
		return true
	}
	return false
}

func (e *Event) inRange() bool {
	return e.ClockOffset >= -int64(MaxOffset) && e.ClockOffset <= int64(MaxOffset) &&
		e.ClockError >= 0 && e.ClockError <= int64(MaxOffset) &&
		e.SessionSeq >= 0 && e.Attempt >= 0 && e.Attempt <= MaxAttempt
}

// namesOwnConflict reports whether the id of a conflict is none that is reserved for
// another feature.
func (e *Event) namesOwnConflict() bool {
	if e.Kind != KindConflictDetected && e.Kind != KindConflictResolved {
		return true
	}
	own := OwnConflict(e.Feature, e.ConflictID)
	return own != "" && !strings.Contains(own, conflictMark) && !strings.HasPrefix(own, conflictMark[:1])
}

// linkable reports whether what the event is about has an address: browsers take . and ..
// in one, however it is escaped, for a step up.
func (e *Event) linkable() bool {
	return !isDots(e.Feature) && !isDots(e.WriteID) && !isDots(OwnConflict(e.Feature, e.ConflictID))
}

func isDots(s string) bool { return s == "." || s == ".." }

// explain finds the first thing wrong with an event and puts it into a sentence.
func explain(e *Event, now int64) *Rejection {
	r := &Rejection{}
	for _, f := range []func(*Event) (code, field, message string){missing, tooLong, outOfRange, foreignConflict, dots} {
		if r.Code, r.Field, r.Message = f(e); r.Code != "" {
			break
		}
	}
	switch {
	case r.Code != "":
	case !inTime(e.Corrected(), now):
		r.Code, r.Field, r.Message = timeOutOfRange(e.Corrected(), now)
	default:
		r.Code, r.Field = CodeMechanismUnknown, "mechanism"
		r.Message = fmt.Sprintf("mechanism %s is not known; it must be one of %s, or left out",
			quote(e.Mechanism), strings.Join(Mechanisms(), ", "))
	}
	if len(e.EventID) <= MaxID {
		r.EventID = strings.Clone(e.EventID)
	}
	return r
}

func missing(e *Event) (code, field, message string) {
	need := func(field, why string) (string, string, string) {
		return CodeFieldMissing, field, why
	}
	switch {
	case e.Kind == 0:
		return need("kind", "kind is missing; it must be one of "+strings.Join(KindNames(), ", "))
	case e.Kind > KindHeartbeat:
		return CodeKindUnknown, "kind", fmt.Sprintf("%s is not known; it must be one of %s", e.Kind, strings.Join(KindNames(), ", "))
	case e.Feature == "":
		return need("feature", "feature is missing; every event names the feature whose promise it is about")
	case e.OccurredAt == 0:
		return CodeTimeMissing, "occurred_at", "occurred_at is missing; give RFC 3339 with nanoseconds, or integer Unix nanoseconds"
	case e.complete():
		return "", "", ""
	case (e.Kind.IsStage() || e.Kind == KindFailed) && e.WriteID == "":
		return need("write_id", fmt.Sprintf("write_id is missing; an event of kind %s names the write it is about", e.Kind))
	case e.Kind.IsStage() || e.Kind == KindHeartbeat:
		return need("replica", fmt.Sprintf("replica is missing; an event of kind %s says where it happened by replica or, failing that, service", e.Kind))
	case e.Kind == KindRead:
		return need("session_id", "session_id is missing; an event of kind read has a session_id, a key, or both")
	}
	return need("conflict_id", fmt.Sprintf("conflict_id is missing; an event of kind %s names its conflict", e.Kind))
}

func tooLong(e *Event) (code, field, message string) {
	if len(e.Attributes) > MaxAttributes {
		return CodeAttributesTooLarge, "attributes", fmt.Sprintf("attributes, with the fields that are not known, are %d bytes long; at most %d are kept", len(e.Attributes), MaxAttributes)
	}
	for _, l := range Limits() {
		if l.Items > 0 {
			if message = listTooLong(l, *e.List(l.Field)); message == "" {
				continue
			}
			return CodeFieldTooLong, l.Field, message
		}
		if n := len(e.text(l.Field)); n > l.Bytes {
			return CodeFieldTooLong, l.Field, fmt.Sprintf("%s is %d bytes long; at most %d are allowed", l.Field, n, l.Bytes)
		}
	}
	return "", "", ""
}

func listTooLong(l Limit, list []string) string {
	if len(list) > l.Items {
		return fmt.Sprintf("%s has %d items; at most %d are allowed", l.Field, len(list), l.Items)
	}
	for i, s := range list {
		if len(s) > l.Bytes || s == "" {
			return fmt.Sprintf("%s[%d] is %d bytes long; 1 to %d are allowed", l.Field, i, len(s), l.Bytes)
		}
	}
	return ""
}

// text is the value of a text field, or the canonical text of the version.
func (e *Event) text(field string) string {
	switch field {
	case "version":
		return e.Version.Text
	case "delta":
		return e.Delta
	case "attributes":
		return e.Attributes
	}
	return *e.Text(field)
}

func outOfRange(e *Event) (code, field, message string) {
	for _, x := range []struct {
		field     string
		v, lo, hi int64
	}{
		{"clock_offset_ns", e.ClockOffset, -int64(MaxOffset), int64(MaxOffset)},
		{"clock_error_ns", e.ClockError, 0, int64(MaxOffset)},
		{"session_seq", e.SessionSeq, 0, 1<<63 - 1},
		{"attempt", int64(e.Attempt), 0, MaxAttempt},
	} {
		if x.v < x.lo || x.v > x.hi {
			return CodeValueOutOfRange, x.field, fmt.Sprintf("%s is %d; it must be between %d and %d", x.field, x.v, x.lo, x.hi)
		}
	}
	return "", "", ""
}

func foreignConflict(e *Event) (code, field, message string) {
	if e.namesOwnConflict() {
		return "", "", ""
	}
	return CodeFieldInvalid, "conflict_id", fmt.Sprintf("conflict_id %s begins with ~ or has %s in it; that is allowed after the name of the event's own feature alone, as FEATURE%sID, where ID is not empty and does neither",
		quote(e.ConflictID), conflictMark, conflictMark)
}

func dots(e *Event) (code, field, message string) {
	for _, field := range []string{"feature", "write_id", "conflict_id"} {
		if s := e.text(field); isDots(s) || field == "conflict_id" && isDots(OwnConflict(e.Feature, s)) {
			return CodeFieldInvalid, field, fmt.Sprintf("%s is %s; no address can name that, so that . and .. are not allowed", field, quote(s))
		}
	}
	return "", "", ""
}

func timeOutOfRange(at, now int64) (code, field, message string) {
	message = fmt.Sprintf("occurred_at is %s; it may be at most 13 months before and 10 minutes after the server's clock, which says %s",
		rfc3339(at), rfc3339(now))
	if at > 0 && at < now/100 {
		message += "; integers are nanoseconds since 1970, not seconds, milliseconds or microseconds"
	}
	return CodeTimeOutOfRange, "occurred_at", message
}

func rfc3339(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// quote shortens what a sender wrote so that a message stays one sentence.
func quote(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
