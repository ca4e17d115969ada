package reconcile

import "encoding/json"

// Kind is what becomes of a conflict by a rule.
type Kind string

// The kinds of outcome.
const (
	Keep    Kind = "keep"    // one write wins
	Merged  Kind = "merge"   // a new write holds what the rule makes of all
	Person  Kind = "person"  // the rule leaves it to a person
	Unknown Kind = "unknown" // too little was reported to tell
)

// Cause is the stable code of why an outcome is what it is.
type Cause string

// The causes.
const (
	CauseVersion Cause = "later_version"
	CauseTime    Cause = "later_time"
	CauseTie     Cause = "tie_break" // the write id decided
	CauseOwner   Cause = "owner"
	CauseAlone   Cause = "one_write" // there is nothing to decide
	CauseFields  Cause = "fields"    // each field by its type

	CauseManual Cause = "manual"      // the rule is that a person decides
	CauseClash  Cause = "clash"       // a field clashes whose type is manual
	CauseValue  Cause = "value"       // a value does not fit the type of its field
	CauseForm   Cause = "form"        // a delta cannot be taken apart into fields
	CauseWithin Cause = "fields_nest" // one write changed a field within what another changed

	CauseRule    Cause = "rule_unknown"  // there is no such rule or version, or nobody can follow it
	CauseWrite   Cause = "write_unknown" // no event of a write was received, or none is kept
	CauseDelta   Cause = "delta_unknown" // a delta was not reported
	CauseTooMany Cause = "too_many"      // more writes than are looked at
	CauseHidden  Cause = "hidden"        // who asks may not see what a write changed
)

// Outcome is what a rule gives for some siblings.
type Outcome struct {
	Kind   Kind   `json:"kind"`
	Cause  Cause  `json:"cause"`
	Winner string `json:"winner,omitempty"` // a write_id, when one is kept
	// Merged is the proposed result as a delta: a JSON Patch when a sibling's delta is
	// one, else JSON of the same form. With Person it is a suggestion, where fields that
	// the rule leaves open have the latest value.
	Merged json.RawMessage `json:"merged,omitempty"`
	Fields []Field         `json:"fields,omitempty"` // of a merge, by path
	// Lost is what of the writes is not in the outcome, and LostWrites are those of
	// which nothing is.
	Lost       []Loss   `json:"lost,omitempty"`
	LostWrites []string `json:"lost_writes,omitempty"`
	// Doubt is why the order of the writes is not sure, and ByNS and ErrorNS are the
	// difference and what the clocks may be wrong by; 0 when not known.
	Doubt   Doubt `json:"doubt,omitempty"`
	ByNS    int64 `json:"by_ns,omitempty"`
	ErrorNS int64 `json:"error_ns,omitempty"`
	// Why is a sentence. It names no field and no value, so anyone may read it.
	Why string `json:"why"`
}

// Field is one field of a merge.
type Field struct {
	Path    string   `json:"path"`  // JSON pointer
	Type    Type     `json:"type"`  // by which it was decided
	Value   string   `json:"value"` // raw JSON; "" when it is removed
	Removed bool     `json:"removed,omitempty"`
	From    []string `json:"from"`            // the writes whose value it is
	Clash   bool     `json:"clash,omitempty"` // two or more changed it differently
	Open    bool     `json:"open,omitempty"`  // a person is to say; Value is the latest one

	append bool
}

// Loss is a field's value that is not in the outcome.
type Loss struct {
	WriteID string `json:"write_id"`
	Path    string `json:"path"`  // "" = what the write changed is not known
	Value   string `json:"value"` // raw JSON
}
