package metrics

import (
	"cmp"
	"strings"
)

// CompareSeries is the order in which stores yield series: field by field, in the
// order in which Series declares them.
func CompareSeries(a, b *Series) int {
	return cmp.Or(
		strings.Compare(a.Feature, b.Feature), strings.Compare(string(a.Metric), string(b.Metric)),
		strings.Compare(a.Replica, b.Replica), strings.Compare(a.Region, b.Region),
		strings.Compare(a.Model, b.Model), strings.Compare(a.Variant, b.Variant),
		strings.Compare(a.Mechanism, b.Mechanism),
		strings.Compare(a.FromStage, b.FromStage), strings.Compare(a.FromPlace, b.FromPlace),
		strings.Compare(a.ToStage, b.ToStage), strings.Compare(a.ToPlace, b.ToPlace),
		strings.Compare(a.Scope, b.Scope), cmp.Compare(a.Param, b.Param),
		strings.Compare(a.Rule, b.Rule), strings.Compare(a.Verdict, b.Verdict),
	)
}
