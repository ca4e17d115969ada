package segment

import "tidemark/metrics"

// A text column, in the order in which they are stored. Columns up to lastFind are
// enough to find an entity.
type textColumn int

const (
	colWriteID textColumn = iota
	colFeature
	colKey
	colSession
	colEventID
	colEntity
	colService
	colReplica
	colRegion
	colClockID
	colVersionText
	colTraceID
	colSpanID
	colActor
	colDelta
	colBeforeHash
	colAfterHash
	colOwner
	colFlag
	colVariant
	colModel
	colUnit
	colMechanism
	colConflictID
	colRule
	colRuleVersion
	colWinner
	colOutcome
	colReason
	colAttributes
	texts
)

const lastFind = colSession

// plain reports whether values are expected to differ in every row, so that looking
// for repetitions is wasted.
func (c textColumn) plain() bool { return c == colEventID || c == colSpanID }

// text returns the field of a text column.
func text(e *metrics.Event, c textColumn) *string {
	switch c {
	case colWriteID:
		return &e.WriteID
	case colFeature:
		return &e.Feature
	case colKey:
		return &e.Key
	case colSession:
		return &e.SessionID
	case colEventID:
		return &e.EventID
	case colEntity:
		return &e.Entity
	case colService:
		return &e.Service
	case colReplica:
		return &e.Replica
	case colRegion:
		return &e.Region
	case colClockID:
		return &e.ClockID
	case colVersionText:
		return &e.Version.Text
	case colTraceID:
		return &e.TraceID
	case colSpanID:
		return &e.SpanID
	case colActor:
		return &e.Actor
	case colDelta:
		return &e.Delta
	case colBeforeHash:
		return &e.BeforeHash
	case colAfterHash:
		return &e.AfterHash
	case colOwner:
		return &e.Owner
	case colFlag:
		return &e.Flag
	case colVariant:
		return &e.Variant
	case colModel:
		return &e.Model
	case colUnit:
		return &e.Unit
	case colMechanism:
		return &e.Mechanism
	case colConflictID:
		return &e.ConflictID
	case colRule:
		return &e.Rule
	case colRuleVersion:
		return &e.RuleVersion
	case colWinner:
		return &e.Winner
	case colOutcome:
		return &e.Outcome
	case colReason:
		return &e.Reason
	default:
		return &e.Attributes
	}
}

// A list column: a list is one text, see joinList.
type listColumn int

const (
	colParents listColumn = iota
	colLabels
	colExpect
	colWith
	lists

	columns = texts + textColumn(lists)
)

func list(e *metrics.Event, c listColumn) *[]string {
	switch c {
	case colParents:
		return &e.Parents
	case colLabels:
		return &e.Labels
	case colExpect:
		return &e.Expect
	default:
		return &e.With
	}
}

// A number column.
type numberColumn int

const (
	colOccurred numberColumn = iota
	colObserved
	colKind
	colClockOffset
	colClockError
	colFlags // HasOffset, Auto, Version.Kind
	colVersionSeq
	colSessionSeq
	colAttempt
	numbers
)

// running reports whether a column is stored as differences between neighbours.
func (c numberColumn) running() bool { return c <= colObserved }

func number(e *metrics.Event, c numberColumn) int64 {
	switch c {
	case colOccurred:
		return e.OccurredAt
	case colObserved:
		return e.ObservedAt
	case colKind:
		return int64(e.Kind)
	case colClockOffset:
		return e.ClockOffset
	case colClockError:
		return e.ClockError
	case colFlags:
		return flags(e)
	case colVersionSeq:
		return int64(e.Version.Seq)
	case colSessionSeq:
		return e.SessionSeq
	default:
		return int64(e.Attempt)
	}
}

func flags(e *metrics.Event) int64 {
	f := int64(e.Auto)<<9 | int64(e.Version.Kind)<<1
	if e.HasOffset {
		f |= 1
	}
	return f
}

func setNumber(e *metrics.Event, c numberColumn, v int64) {
	switch c {
	case colOccurred:
		e.OccurredAt = v
	case colObserved:
		e.ObservedAt = v
	case colKind:
		e.Kind = metrics.Kind(v)
	case colClockOffset:
		e.ClockOffset = v
	case colClockError:
		e.ClockError = v
	case colFlags:
		e.HasOffset = v&1 == 1
		e.Version.Kind = metrics.VersionKind(v >> 1)
		e.Auto = metrics.Tri(v >> 9)
	case colVersionSeq:
		e.Version.Seq = uint64(v)
	case colSessionSeq:
		e.SessionSeq = v
	default:
		e.Attempt = int32(v)
	}
}
