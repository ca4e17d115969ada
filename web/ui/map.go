package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"tidemark/flags/guarantee"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// ratio is a rate with its parts below it.
func ratio(r report.Ratio, of string) part.Value { return part.Percent(r.Numerator, r.Denominator, of) }

// at is a time that may be unknown.
func at(ns *int64) time.Time {
	if ns == nil {
		return time.Time{}
	}
	return time.Unix(0, *ns)
}

func duration(ns *int64) part.Value { return part.Duration(ns) }

func number(n int64) part.Value { return part.Count(&n) }

func cell(v part.Value) part.Cell { return part.Of(v) }

// floats are values of a line; unknown stays unknown.
func float(ns *int64) *float64 {
	if ns == nil {
		return nil
	}
	v := float64(*ns)
	return &v
}

// pretty indents JSON; what is no JSON stays as it is.
func pretty(raw string) string {
	if raw == "" {
		return ""
	}
	var out bytes.Buffer
	if json.Indent(&out, []byte(raw), "", "  ") != nil {
		return raw
	}
	return out.String()
}

func verdictStatus(v guarantee.Verdict) part.Status {
	switch v {
	case guarantee.VerdictBroken:
		return part.Status{Tone: part.Bad, Text: "Broken"}
	case guarantee.VerdictAtRisk:
		return part.Status{Tone: part.Warn, Text: "At risk"}
	case guarantee.VerdictKept:
		return part.Status{Tone: part.Good, Text: "Kept"}
	}
	return part.Status{Tone: part.Neutral, Text: "Unknown"}
}

// stateStatus is how a feature stands without a promise.
func stateStatus(state string) part.Status {
	switch state {
	case report.StateHealthy:
		return part.Status{Tone: part.Good, Text: "Healthy"}
	case report.StateSlow:
		return part.Status{Tone: part.Warn, Text: "Slow"}
	case report.StateBehind:
		return part.Status{Tone: part.Bad, Text: "Late"}
	case report.StateStopped:
		return part.Status{Tone: part.Bad, Text: "Stopped"}
	case report.StatePolicy:
		return part.Status{Tone: part.Bad, Text: "Against policy"}
	case report.StateNoData:
		return part.Status{Tone: part.Neutral, Text: "No data"}
	}
	return part.Status{Tone: part.Neutral, Text: "Unknown"}
}

// nines writes a convergence ratio's nines.
func nines(c report.Converged) string {
	switch {
	case c.AllNines:
		return "all"
	case c.Nines == nil:
		return ""
	}
	return format.Nines(*c.Nines)
}

// within10s is the convergence ratio at 10 s.
func within10s(cs []report.Converged) part.Value {
	for _, c := range cs {
		if c.TauNS != int64(10*time.Second) {
			continue
		}
		v := ratio(c.Ratio, "writes")
		if c.Ratio.Value != nil {
			v.Under = nines(c)
			if v.Under == "all" {
				v.Under = "all of " + format.Short(c.Ratio.Denominator)
			}
		}
		return v
	}
	return part.Value{}
}

// backlog is what is not satisfied now, with the age of the oldest.
func backlog(b report.BacklogSummary) part.Value {
	if b.Count == nil {
		v := part.Value{Under: format.List(b.Silent) + " silent"}
		if b.Unconfirmed > 0 {
			v.Under = format.Short(b.Unconfirmed) + " unconfirmed"
			v.Hint = format.List(b.Silent) + " is silent: what it holds is unknown"
		}
		return v
	}
	v := number(*b.Count)
	if b.OldestAgeNS != nil {
		v.Under = "oldest " + format.Duration(*b.OldestAgeNS)
	}
	return v
}

// violations sums up every session guarantee of a row.
func violations(checks []report.GuaranteeCheck) part.Value {
	var bad, all int64
	for i := range checks {
		bad += checks[i].Rate.Numerator
		all += checks[i].Rate.Denominator
	}
	v := part.Percent(bad, all, "checks")
	if bad > 0 {
		v.Tone = part.Bad
	}
	return v
}

// violationsOf sums up the session guarantees of a row, and names hops against policy
// beside them: those are of hops, not of checks.
func violationsOf(r *report.FeatureRow) part.Value {
	v := violations(r.Violations)
	if n := r.Policy.Numerator; n > 0 {
		v.Tone = part.Bad
		v.Under = strings.TrimPrefix(v.Under+"; "+format.Short(n)+" of "+format.Short(r.Policy.Denominator)+" hops against policy", "; ")
	}
	return v
}

// because is somebody's reason, which may be long.
func because(reason string) part.Cell {
	if reason == "" {
		return part.Cell{Value: part.Value{Text: "no reason given"}, Class: "muted"}
	}
	return part.Cell{Value: part.Value{Text: reason}, Class: "wrap"}
}

func tags(names []string) part.Cell { return part.Cell{Tags: names} }

// options are the alternatives of a filter: pairs of value and text.
func options(pairs ...string) []page.Option {
	out := make([]page.Option, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, page.Option{Value: pairs[i], Text: pairs[i+1]})
	}
	return out
}
