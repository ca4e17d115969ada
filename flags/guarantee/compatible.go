package guarantee

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"tidemark/flags"
	"tidemark/metrics"
)

// Weakening is one way in which a new version promises less than the old one.
type Weakening struct {
	Field   string `json:"field"`
	Message string `json:"message"` // a clause: "spec.model falls from causal to eventual"
}

// Compatible lists every way in which next promises less than old; none means that
// whoever relied on old may rely on next. "No weakening" is a preorder: every
// promise is compatible with itself, and compatibility carries through a chain of
// versions. What is not active promises nothing.
func Compatible(old, next *flags.Document) []Weakening {
	if old.Status() != flags.StatusActive {
		return nil
	}
	var w weakenings
	if next.Status() != flags.StatusActive {
		w.add("spec.status", "falls from active to %s: the promise is withdrawn", next.Status())
		return w
	}
	if old.Feature() != next.Feature() {
		w.add("spec.feature", "moves from %s to %s: %s loses its promise", old.Feature(), next.Feature(), old.Feature())
	}
	w.replicas(old.Replicas(), next.Replicas())
	if old.Guarantee != nil && next.Guarantee != nil {
		w.model(old.Guarantee.Model, next.Guarantee.Model)
		w.objectives(old.Guarantee.Objectives, next.Guarantee.Objectives)
	}
	return w
}

type weakenings []Weakening

func (w *weakenings) add(field, format string, args ...any) {
	*w = append(*w, Weakening{field, field + " " + fmt.Sprintf(format, args...)})
}

func (w *weakenings) model(old, next flags.Model) {
	switch {
	case next.Includes(old):
	case old.Includes(next):
		w.add("spec.model", "falls from %s to %s", old, next)
	default:
		w.add("spec.model", "changes from %s to %s, which does not include it", old, next)
	}
}

func (w *weakenings) replicas(old, next []flags.Replica) {
	for _, o := range old {
		field := "spec.replicas[" + o.Name + "]"
		i := slices.IndexFunc(next, func(n flags.Replica) bool { return n.Name == o.Name })
		switch {
		case i < 0:
			w.add(field, "is no longer promised")
		case o.Kind == metrics.OperationBased && next[i].Kind == metrics.StateBased:
			w.add(field+".kind", "falls from op to state: a write may be stood for by a later one")
		}
	}
}

// objectives asks that each old objective be implied by some new one.
func (w *weakenings) objectives(old, next []flags.Objective) {
	for i := range old {
		o := &old[i]
		if !slices.ContainsFunc(next, func(n flags.Objective) bool { return len(weaker(o, &n)) == 0 }) {
			*w = append(*w, closest(o, next)...)
		}
	}
}

// closest explains a lost objective by the new one that is about the same and
// differs least.
func closest(o *flags.Objective, next []flags.Objective) weakenings {
	field := "spec.objectives[" + about(o) + "]"
	var best weakenings
	for i := range next {
		if about(&next[i]) != about(o) {
			continue
		}
		if w := weaker(o, &next[i]); best == nil || len(w) < len(best) {
			best = w
		}
	}
	if best == nil {
		best.add(field, "is removed: %s", Words(o))
	}
	return best
}

// weaker lists in what n promises less than o; objectives about different things
// promise nothing about each other.
func weaker(o, n *flags.Objective) weakenings {
	var w weakenings
	field := "spec.objectives[" + about(o) + "]"
	if about(o) != about(n) {
		w.add(field, "is not promised")
		return w
	}
	switch {
	case o.Op != n.Op:
		w.add(field+".op", "changes from %s to %s", o.Op, n.Op)
	case o.Op == flags.OpLTE && n.Value > o.Value:
		w.add(field+".value", "rises from %s to %s", valueText(o), valueText(n))
	case o.Op == flags.OpGTE && n.Value < o.Value:
		w.add(field+".value", "falls from %s to %s", valueText(o), valueText(n))
	}
	if n.Target < o.Target {
		w.add(field+".target", "falls from %s to %s", percent(o.Target), percent(n.Target))
	}
	if n.Window > o.Window {
		w.add(field+".window", "grows from %s to %s: a longer window forgives more at once", flags.FormatDuration(o.Window), flags.FormatDuration(n.Window))
	}
	return w
}

func valueText(o *flags.Objective) string {
	if o.IsDuration() {
		return flags.FormatDuration(time.Duration(o.Value))
	}
	return percent(o.Value)
}

// CompareVersions orders two semantic versions: −1, 0 or +1.
func CompareVersions(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// newMajor reports whether next begins a new major version after old.
func newMajor(old, next string) bool {
	return semver.Compare(semver.Major("v"+next), semver.Major("v"+old)) > 0
}
