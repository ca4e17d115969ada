package guarantee

import (
	"slices"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Limits of what a document may say.
const (
	maxName       = 63
	maxLabels     = 32
	maxStory      = 1000 // characters
	maxText       = 200  // characters of owner, decision and the like
	maxNote       = 500  // characters of a review's note
	maxReplicas   = 200
	maxObjectives = 32
)

func (r *reader) document(top field) *flags.Document {
	m := top.fields("apiVersion", "kind", "metadata", "spec")
	if m == nil {
		return nil
	}
	if v, ok := r.need(m, "apiVersion", ""); ok {
		if s := v.text(); s != flags.APIVersion {
			v.problem("%q is not known; it must be %s", clip(s), flags.APIVersion)
		}
	}
	meta, metaOK := r.need(m, "metadata", "")
	spec, specOK := r.need(m, "spec", "")
	kind, kindOK := r.need(m, "kind", "")
	if !metaOK || !specOK || !kindOK {
		return nil
	}
	name, labels := r.metadata(meta)
	switch k := flags.DocumentKind(kind.text()); k {
	case flags.KindGuarantee:
		g := r.guarantee(spec)
		g.Name, g.Labels = name, labels
		return &flags.Document{Kind: k, Guarantee: g}
	case flags.KindRoute:
		rt := r.route(spec)
		rt.Name, rt.Labels = name, labels
		return &flags.Document{Kind: k, Route: rt}
	default:
		kind.problem("%q is not a kind of document; allowed: %s, %s", clip(string(k)), flags.KindGuarantee, flags.KindRoute)
	}
	return nil
}

// need returns a member that must be there and not be empty.
func (r *reader) need(m map[string]field, name, path string) (field, bool) {
	f, ok := m[name]
	if !ok {
		p := join(path, name)
		r.at(p, r.placeFor(p), "is missing")
		return f, false
	}
	if kindOf(f.node) == "empty" {
		f.problem("is empty")
		return f, false
	}
	return f, true
}

// maybe calls read with a member that is there and not null.
func maybe(m map[string]field, name string, read func(field)) {
	if f, ok := m[name]; ok && kindOf(f.node) != "empty" {
		read(f)
	}
}

func maybeText[T ~string](m map[string]field, name string, to *T) {
	maybe(m, name, func(f field) { *to = T(f.text()) })
}

func maybeDuration(m map[string]field, name string, to *time.Duration) {
	maybe(m, name, func(f field) { *to = f.duration() })
}

func (r *reader) metadata(f field) (name string, labels map[string]string) {
	m := f.fields("name", "labels")
	if m == nil {
		return "", nil
	}
	if n, ok := r.need(m, "name", "metadata"); ok {
		name = n.word()
	}
	maybe(m, "labels", func(l field) {
		for k, v := range l.fields() {
			if labels == nil {
				labels = map[string]string{}
			}
			labels[k] = v.text()
		}
	})
	return name, labels
}

func (r *reader) guarantee(f field) *flags.Guarantee {
	g := &flags.Guarantee{Status: flags.StatusActive}
	m := f.fields("version", "status", "feature", "story", "owner", "model", "mechanism", "replicas",
		"reconciliation", "objectives", "flag", "acceptance", "rollback", "review")
	if m == nil {
		return g
	}
	if v, ok := r.need(m, "version", "spec"); ok {
		g.Version = v.word()
	}
	for _, t := range []struct {
		name string
		to   *string
	}{{"feature", &g.Feature}, {"owner", &g.Owner}} {
		if v, ok := r.need(m, t.name, "spec"); ok {
			*t.to = v.text()
		}
	}
	if v, ok := r.need(m, "model", "spec"); ok {
		g.Model = flags.Model(v.text())
	}
	maybeText(m, "status", &g.Status)
	maybeText(m, "story", &g.Story)
	maybeText(m, "mechanism", &g.Mechanism)
	maybeText(m, "flag", &g.Flag)
	maybe(m, "replicas", func(f field) { g.Replicas = r.replicas(f) })
	if o, ok := r.need(m, "objectives", "spec"); ok {
		for _, it := range o.items(maxObjectives) {
			g.Objectives = append(g.Objectives, r.objective(it))
		}
	}
	r.conditions(m, g)
	return g
}

// conditions reads what surrounds the promise: how conflicts are decided, when a
// rollout may go on or back, and when to look again.
func (r *reader) conditions(m map[string]field, g *flags.Guarantee) {
	maybe(m, "reconciliation", func(f field) {
		g.Reconciliation = &flags.Reconciliation{Version: 1}
		n := f.fields("rule", "version")
		maybeText(n, "rule", &g.Reconciliation.Rule)
		maybe(n, "version", func(v field) { g.Reconciliation.Version = v.integer() })
	})
	maybe(m, "acceptance", func(f field) {
		g.Acceptance = &flags.Acceptance{}
		n := f.fields("min_units", "bake", "margin")
		maybe(n, "min_units", func(v field) { g.Acceptance.MinUnits = v.integer() })
		maybeDuration(n, "bake", &g.Acceptance.Bake)
		maybe(n, "margin", func(v field) { g.Acceptance.Margin = v.number() })
	})
	maybe(m, "rollback", func(f field) {
		g.Rollback = &flags.Rollback{}
		n := f.fields("drain", "deadline")
		maybeText(n, "drain", &g.Rollback.Drain)
		maybeText(n, "deadline", &g.Rollback.Deadline)
	})
	maybe(m, "review", func(f field) {
		g.Review = &flags.Review{}
		n := f.fields("every", "decision")
		maybeDuration(n, "every", &g.Review.Every)
		maybeText(n, "decision", &g.Review.Decision)
	})
}

func (r *reader) replicas(f field) []flags.Replica {
	var out []flags.Replica
	for _, it := range f.items(maxReplicas) {
		m := it.fields("name", "kind", "silence")
		var rep flags.Replica
		if v, ok := r.need(m, "name", it.path); ok {
			rep.Name = v.text()
		}
		maybe(m, "kind", func(v field) {
			switch s := v.text(); s {
			case "state":
				rep.Kind = metrics.StateBased
			case "op":
			default:
				v.problem("%q is not a kind of replica; allowed: state (a later version of a key stands for the earlier ones), op (each write itself is needed)", clip(s))
			}
		})
		maybeDuration(m, "silence", &rep.Silence)
		out = append(out, rep)
	}
	return out
}

func (r *reader) objective(f field) flags.Objective {
	var o flags.Objective
	m := f.fields("sli", "scope", "replica", "of", "within", "op", "value", "target", "window")
	if v, ok := r.need(m, "sli", f.path); ok {
		o.SLI = flags.SLI(v.text())
		if !knownSLI(o.SLI) {
			v.problem("%q is not an indicator; allowed: %s", clip(string(o.SLI)), list(flags.SLIs()))
			return o
		}
	}
	o.Op = defaultOp(o.SLI)
	if o.SLI == flags.SLITimeToVisibility || o.SLI == flags.SLIBacklogAge {
		o.Scope = metrics.ScopeAll
	}
	maybeText(m, "scope", &o.Scope)
	maybeText(m, "replica", &o.Replica)
	maybeText(m, "of", &o.Of)
	maybeText(m, "op", &o.Op)
	maybeDuration(m, "within", &o.Within)
	maybeDuration(m, "window", &o.Window)
	if v, ok := r.need(m, "value", f.path); ok {
		if o.IsDuration() {
			o.Value = float64(v.duration())
		} else {
			o.Value = v.number()
		}
	}
	maybe(m, "target", func(v field) { o.Target = v.number() })
	return o
}

func knownSLI(s flags.SLI) bool {
	return slices.Contains(flags.SLIs(), s)
}

func defaultOp(s flags.SLI) flags.Op {
	if s == flags.SLIConvergence {
		return flags.OpGTE
	}
	return flags.OpLTE
}

func (r *reader) route(f field) *flags.Route {
	rt := &flags.Route{Status: flags.StatusActive}
	m := f.fields("version", "status", "feature", "owner", "description", "replicas")
	if m == nil {
		return rt
	}
	if v, ok := r.need(m, "version", "spec"); ok {
		rt.Version = v.word()
	}
	if v, ok := r.need(m, "feature", "spec"); ok {
		rt.Feature = v.text()
	}
	maybeText(m, "status", &rt.Status)
	maybeText(m, "owner", &rt.Owner)
	maybeText(m, "description", &rt.Description)
	if v, ok := r.need(m, "replicas", "spec"); ok {
		rt.Replicas = r.replicas(v)
	}
	return rt
}

func list[T ~string](xs []T) string {
	s := make([]string, len(xs))
	for i, x := range xs {
		s[i] = string(x)
	}
	return strings.Join(s, ", ")
}
