package guarantee

import (
	"time"

	"tidemark/flags"
)

// Verdict is what is said of a promise.
type Verdict string

// The verdicts, worst first.
const (
	VerdictBroken  Verdict = "broken"
	VerdictAtRisk  Verdict = "at risk"
	VerdictUnknown Verdict = "unknown"
	VerdictKept    Verdict = "kept"
)

// rank orders verdicts by trouble: 0 is the worst.
func (v Verdict) rank() int {
	switch v {
	case VerdictBroken:
		return 0
	case VerdictAtRisk:
		return 1
	case VerdictUnknown:
		return 2
	}
	return 3
}

// Result is the verdict on one guarantee. What is not known is nil.
type Result struct {
	Guarantee  string            `json:"guarantee"`
	Feature    string            `json:"feature"`
	Version    string            `json:"version"`
	Revision   int64             `json:"revision"`
	Owner      string            `json:"owner"`
	Story      string            `json:"story,omitempty"`
	Model      flags.Model       `json:"model"`
	Verdict    Verdict           `json:"verdict"`
	Why        string            `json:"why"` // a sentence
	Silent     []string          `json:"silent,omitempty"`
	Objectives []ObjectiveResult `json:"objectives"`
}

// ObjectiveResult is the verdict on one objective.
type ObjectiveResult struct {
	Key      string    `json:"key"`
	SLI      flags.SLI `json:"sli"`
	Words    string    `json:"words"`
	Verdict  Verdict   `json:"verdict"`
	Why      string    `json:"why"`
	Good     int64     `json:"good"`
	Eligible int64     `json:"eligible"`
	Goal     float64   `json:"goal,omitempty"` // share that must be good
	WindowNS int64     `json:"window_ns,omitempty"`

	Attainment *float64 `json:"attainment"`  // good ÷ eligible
	BudgetLeft *float64 `json:"budget_left"` // share; below 0 when overspent
	// ExhaustedInNS is when the budget will be gone at the burn rate of the last
	// hour; nil when it lasts, or is gone.
	ExhaustedInNS *int64       `json:"exhausted_in_ns"`
	Burn          []BurnResult `json:"burn,omitempty"`

	LimitNS int64  `json:"limit_ns,omitempty"` // backlog_age
	AgeNS   *int64 `json:"age_ns,omitempty"`   // backlog_age: of the oldest write that waits
}

// BurnResult is one rule with its burn rates; nil where nothing was eligible.
type BurnResult struct {
	Rule     string         `json:"rule"`
	Severity flags.Severity `json:"severity"`
	Factor   float64        `json:"factor"`
	LongNS   int64          `json:"long_ns"`
	ShortNS  int64          `json:"short_ns"`
	Long     *float64       `json:"long"`
	Short    *float64       `json:"short"`
	Exceeded bool           `json:"exceeded"`
}

// known reports whether both windows had something to judge.
func (b *BurnResult) known() bool { return b.Long != nil && b.Short != nil }

// Snapshot is the verdict on every active guarantee at one moment. It is never
// changed once published.
type Snapshot struct {
	At      time.Time `json:"at"` // zero before the first evaluation
	Results []Result  `json:"results"`
	// Error says why the latest evaluation failed; Results are then those before it.
	Error string `json:"error,omitempty"`
}

// Count returns how many guarantees have a verdict.
func (s *Snapshot) Count(v Verdict) int {
	n := 0
	for i := range s.Results {
		if s.Results[i].Verdict == v {
			n++
		}
	}
	return n
}

// Guarantee returns the result of one guarantee.
func (s *Snapshot) Guarantee(name string) (*Result, bool) {
	for i := range s.Results {
		if s.Results[i].Guarantee == name {
			return &s.Results[i], true
		}
	}
	return nil, false
}

// Feature returns the results of a feature's guarantees, worst first.
func (s *Snapshot) Feature(feature string) []Result {
	var out []Result
	for i := range s.Results {
		if s.Results[i].Feature == feature {
			out = append(out, s.Results[i])
		}
	}
	return out
}
