package metrics

// Event is one immutable telemetry event: what one service saw happen to one
// write, read, conflict or replica. The zero value of an optional field means
// "not said". Times are Unix nanoseconds.
//
// Strings of an Event may alias a request's buffer: whoever keeps one beyond the
// call that was given the event must copy it (strings.Clone), or keep the whole
// batch.
type Event struct {
	// First what nearly every event has and the fold reads: a batch is larger than the
	// processor's nearest cache, and what lies together is fetched together.
	EventID string // dedupe key; decoders fill it with ContentID when the sender gave none
	WriteID string // required for stages, failed and conflict events
	Feature string // required
	Key     string // may be a client-side hash

	OccurredAt  int64 // the reporter's clock
	ObservedAt  int64 // set by the server, never by the client
	ClockOffset int64 // server clock − reporter's clock, measured by the client, ns
	SessionSeq  int64 // from 1; 0 = none
	SessionID   string
	Service     string // who reports
	Replica     string // where it happened

	Version   Version
	Kind      Kind
	Auto      Tri
	HasOffset bool
	Attempt   int32 // 1 = first delivery; 0 = not said, read as 1
	Region    string
	Model     string

	ClockID   string
	Mechanism string // event_stream | cdc | crdt | replication | cache
	Flag      string
	Variant   string

	Labels []string
	Expect []string // replicas that this write must reach; overrides the feature's route
	Unit   string

	// Then the rest.
	ClockError int64    // half-width of ClockOffset, ns; meaningful with HasOffset
	Parents    []string // write_ids that this write causally depends on
	Entity     string

	TraceID    string
	SpanID     string
	Actor      string
	Delta      string // raw JSON
	BeforeHash string
	AfterHash  string
	Owner      string

	ConflictID  string
	With        []string
	Rule        string
	RuleVersion string
	Winner      string
	Outcome     string
	Reason      string

	Attributes string // raw JSON object of fields that tidemark does not know; "" when none
}

// Corrected is the time of the event on the server's clock: the reporter's time
// plus the offset that was frozen with the event when it was accepted.
func (e *Event) Corrected() int64 {
	if e.HasOffset {
		return e.OccurredAt + e.ClockOffset
	}
	return e.OccurredAt
}

// Tri is a boolean that may be unsaid.
type Tri uint8

// The values of a Tri.
const (
	Unsaid Tri = iota
	No
	Yes
)
