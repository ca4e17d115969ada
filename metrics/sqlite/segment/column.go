package segment

import (
	"unsafe"

	"tidemark/metrics"
)

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

// textOffset is where the field of each text column is in an event.
var textOffset = [texts]uintptr{
	colWriteID:     unsafe.Offsetof(metrics.Event{}.WriteID),
	colFeature:     unsafe.Offsetof(metrics.Event{}.Feature),
	colKey:         unsafe.Offsetof(metrics.Event{}.Key),
	colSession:     unsafe.Offsetof(metrics.Event{}.SessionID),
	colEventID:     unsafe.Offsetof(metrics.Event{}.EventID),
	colEntity:      unsafe.Offsetof(metrics.Event{}.Entity),
	colService:     unsafe.Offsetof(metrics.Event{}.Service),
	colReplica:     unsafe.Offsetof(metrics.Event{}.Replica),
	colRegion:      unsafe.Offsetof(metrics.Event{}.Region),
	colClockID:     unsafe.Offsetof(metrics.Event{}.ClockID),
	colVersionText: unsafe.Offsetof(metrics.Event{}.Version) + unsafe.Offsetof(metrics.Version{}.Text),
	colTraceID:     unsafe.Offsetof(metrics.Event{}.TraceID),
	colSpanID:      unsafe.Offsetof(metrics.Event{}.SpanID),
	colActor:       unsafe.Offsetof(metrics.Event{}.Actor),
	colDelta:       unsafe.Offsetof(metrics.Event{}.Delta),
	colBeforeHash:  unsafe.Offsetof(metrics.Event{}.BeforeHash),
	colAfterHash:   unsafe.Offsetof(metrics.Event{}.AfterHash),
	colOwner:       unsafe.Offsetof(metrics.Event{}.Owner),
	colFlag:        unsafe.Offsetof(metrics.Event{}.Flag),
	colVariant:     unsafe.Offsetof(metrics.Event{}.Variant),
	colModel:       unsafe.Offsetof(metrics.Event{}.Model),
	colUnit:        unsafe.Offsetof(metrics.Event{}.Unit),
	colMechanism:   unsafe.Offsetof(metrics.Event{}.Mechanism),
	colConflictID:  unsafe.Offsetof(metrics.Event{}.ConflictID),
	colRule:        unsafe.Offsetof(metrics.Event{}.Rule),
	colRuleVersion: unsafe.Offsetof(metrics.Event{}.RuleVersion),
	colWinner:      unsafe.Offsetof(metrics.Event{}.Winner),
	colOutcome:     unsafe.Offsetof(metrics.Event{}.Outcome),
	colReason:      unsafe.Offsetof(metrics.Event{}.Reason),
	colAttributes:  unsafe.Offsetof(metrics.Event{}.Attributes),
}

// textAt is the text field at an offset. A switch over the columns, forty times an
// event, took a tenth of the time of encoding.
func textAt(e *metrics.Event, offset uintptr) string {
	return *(*string)(unsafe.Add(unsafe.Pointer(e), offset))
}

// text returns the field of a text column.
func text(e *metrics.Event, c textColumn) *string {
	return (*string)(unsafe.Add(unsafe.Pointer(e), textOffset[c]))
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

// gatherNumbers appends the values of a column.
func gatherNumbers(dst []int64, rows []metrics.Event, c numberColumn) []int64 {
	switch c {
	case colOccurred:
		for i := range rows {
			dst = append(dst, rows[i].OccurredAt)
		}
	case colObserved:
		for i := range rows {
			dst = append(dst, rows[i].ObservedAt)
		}
	case colKind:
		for i := range rows {
			dst = append(dst, int64(rows[i].Kind))
		}
	case colClockOffset:
		for i := range rows {
			dst = append(dst, rows[i].ClockOffset)
		}
	case colClockError:
		for i := range rows {
			dst = append(dst, rows[i].ClockError)
		}
	case colFlags:
		for i := range rows {
			dst = append(dst, flags(&rows[i]))
		}
	case colVersionSeq:
		for i := range rows {
			dst = append(dst, int64(rows[i].Version.Seq))
		}
	case colSessionSeq:
		for i := range rows {
			dst = append(dst, rows[i].SessionSeq)
		}
	default:
		for i := range rows {
			dst = append(dst, int64(rows[i].Attempt))
		}
	}
	return dst
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
