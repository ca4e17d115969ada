package metrics

import "fmt"

// Kind says what an event reports. The first six are the stages of a write.
type Kind uint8

// The kinds, in the order in which a write passes through its stages.
const (
	KindInitiated Kind = iota + 1
	KindCommitted
	KindPublished
	KindReceived
	KindApplied
	KindVisible
	KindConflictDetected
	KindConflictResolved
	KindRead
	KindFailed
	KindHeartbeat
)

var kindNames = [...]string{
	"", "initiated", "committed", "published", "received", "applied", "visible",
	"conflict_detected", "conflict_resolved", "read", "failed", "heartbeat",
}

// String returns the wire name, or "" for the zero Kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// IsStage reports whether the kind is a stage of a write.
func (k Kind) IsStage() bool { return k >= KindInitiated && k <= KindVisible }

// AtOrigin reports whether the stage happens where the write began rather than at a replica.
func (k Kind) AtOrigin() bool { return k >= KindInitiated && k <= KindPublished }

// IsConflict reports whether the kind is about several writes that met.
func (k Kind) IsConflict() bool { return k == KindConflictDetected || k == KindConflictResolved }

// ParseKind returns the kind with that wire name; ok is false when there is none.
func ParseKind(s string) (k Kind, ok bool) {
	for i := 1; i < len(kindNames); i++ {
		if kindNames[i] == s {
			return Kind(i), true
		}
	}
	return 0, false
}

// KindNames lists the wire names of every kind, in order.
func KindNames() []string { return append([]string(nil), kindNames[1:]...) }
