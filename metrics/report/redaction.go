package report

import "strings"

// Redaction says that delta and actor of a write were taken out for this viewer, and
// which policy decided so.
type Redaction struct {
	Labels        []string `json:"labels"` // that need a clearance
	Policy        string   `json:"policy"`
	PolicyVersion string   `json:"policy_version"`
}

// Words says it to a person.
func (r *Redaction) Words() string {
	return "redacted: needs clearance " + strings.Join(r.Labels, ", ")
}

// By names the decision.
func (r *Redaction) By() string { return "policy " + r.Policy + ", version " + r.PolicyVersion }
