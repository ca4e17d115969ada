package report

import (
	"strconv"
	"strings"
)

// Redaction says that delta and actor of a write were taken out for this viewer, and
// which policy decided so.
type Redaction struct {
	Labels         []string `json:"labels"` // that need a clearance
	Policy         string   `json:"policy"`
	PolicyRevision int64    `json:"policy_revision"` // of its document; 0 = as it comes with the program
	PolicyVersion  string   `json:"policy_version"`  // of all policies together
	// Unread says that the write has more events than are read: as one of them may bear
	// a label that forbids it, nobody is shown the contents.
	Unread bool `json:"unread,omitempty"`
	// Held says that an event of the write is in quarantine: until its label is known,
	// nobody is shown the contents.
	Held bool `json:"held,omitempty"`
}

// Words says it to a person.
func (r *Redaction) Words() string {
	if r.Held {
		return "redacted: an event of it is in quarantine, with a label that nobody declared"
	}
	if r.Unread {
		return "redacted: it has more events than are read, and one of them may bear a label"
	}
	return "redacted: needs clearance " + strings.Join(r.Labels, ", ")
}

// By names the decision.
func (r *Redaction) By() string {
	by := "policy " + r.Policy
	if r.PolicyRevision > 0 {
		by += " revision " + strconv.FormatInt(r.PolicyRevision, 10)
	}
	return by + ", version " + r.PolicyVersion
}
