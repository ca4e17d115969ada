package metrics

// Text returns where the plain text field with that JSON name is kept, or nil
// when there is no such field. delta and attributes are raw JSON, not plain text.
func (e *Event) Text(name string) *string {
	switch name {
	case "event_id":
		return &e.EventID
	case "write_id":
		return &e.WriteID
	case "feature":
		return &e.Feature
	case "key":
		return &e.Key
	case "entity":
		return &e.Entity
	case "service":
		return &e.Service
	case "replica":
		return &e.Replica
	case "region":
		return &e.Region
	case "clock_id":
		return &e.ClockID
	case "session_id":
		return &e.SessionID
	case "trace_id":
		return &e.TraceID
	case "span_id":
		return &e.SpanID
	case "actor":
		return &e.Actor
	case "before_hash":
		return &e.BeforeHash
	case "after_hash":
		return &e.AfterHash
	case "owner":
		return &e.Owner
	}
	return e.policyText(name)
}

// policyText is Text for the fields of a rollout and of a conflict.
func (e *Event) policyText(name string) *string {
	switch name {
	case "flag":
		return &e.Flag
	case "variant":
		return &e.Variant
	case "model":
		return &e.Model
	case "unit":
		return &e.Unit
	case "mechanism":
		return &e.Mechanism
	case "conflict_id":
		return &e.ConflictID
	case "rule":
		return &e.Rule
	case "rule_version":
		return &e.RuleVersion
	case "winner":
		return &e.Winner
	case "outcome":
		return &e.Outcome
	case "reason":
		return &e.Reason
	}
	return nil
}

// List returns where the list field with that JSON name is kept, or nil when
// there is no such field.
func (e *Event) List(name string) *[]string {
	switch name {
	case "parents":
		return &e.Parents
	case "labels":
		return &e.Labels
	case "expect":
		return &e.Expect
	case "with":
		return &e.With
	}
	return nil
}

// Integer returns where a whole-number field with that JSON name is kept, or nil
// when there is no such field. occurred_at also comes as text and attempt is
// narrower; neither is here.
func (e *Event) Integer(name string) *int64 {
	switch name {
	case "clock_offset_ns":
		return &e.ClockOffset
	case "clock_error_ns":
		return &e.ClockError
	case "session_seq":
		return &e.SessionSeq
	}
	return nil
}

// SettleReplica lets the service stand for the replica where one is needed and
// none was named: a service that applies writes to its own copy is the replica.
func (e *Event) SettleReplica() {
	if e.Replica != "" {
		return
	}
	switch e.Kind {
	case KindReceived, KindApplied, KindVisible, KindFailed:
		e.Replica = e.Service
	}
}
