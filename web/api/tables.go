package api

import (
	"strconv"
	"strings"
	"time"

	"tidemark/metrics"
	"tidemark/web/respond"
)

// nanos is Unix ns, 0 for the zero time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// stamp is a time of a CSV cell: RFC 3339 in UTC, "" when unknown.
func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

func conflictTable(items []metrics.Conflict) respond.Table {
	t := respond.Table{Name: "conflicts", Header: []string{
		"id", "feature", "key", "writes", "detected_at", "detected_by", "replica", "resolved_at", "rule", "rule_version", "winner", "outcome", "auto", "reason",
	}}
	for _, c := range items {
		t.Rows = append(t.Rows, []string{
			c.ID, c.Feature, c.Key, strings.Join(c.Writes, " "), stamp(c.DetectedAt), c.DetectedBy, c.Replica, stamp(c.ResolvedAt),
			c.Rule, c.RuleVersion, c.Winner, c.Outcome, triText(c.Auto), c.Reason,
		})
	}
	return t
}

func triText(t metrics.Tri) string {
	switch t {
	case metrics.Yes:
		return "true"
	case metrics.No:
		return "false"
	}
	return ""
}

func violationTable(items []metrics.Violation) respond.Table {
	t := respond.Table{Name: "violations", Header: []string{
		"id", "feature", "guarantee", "verdict", "session", "seq", "key", "replica", "at", "wanted", "got", "write_id", "earlier", "model", "variant", "service", "labels", "decided_by",
	}}
	for _, v := range items {
		var by []string
		for _, d := range v.DecidedBy {
			by = append(by, d.Rule+"@"+strconv.FormatInt(d.Revision, 10))
		}
		t.Rows = append(t.Rows, []string{
			v.ID, v.Feature, string(v.Guarantee), v.Verdict, v.Session, strconv.FormatInt(v.Seq, 10), v.Key, v.Replica,
			stamp(v.At), v.Wanted, v.Got, v.WriteID, v.Earlier, v.Model, v.Variant, v.Service, strings.Join(v.Labels, " "), strings.Join(by, " "),
		})
	}
	return t
}
