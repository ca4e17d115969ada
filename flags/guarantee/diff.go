package guarantee

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Diff lists what changes from old to next, in the order of the document. It is
// empty exactly when both say the same. A nil old is a document that did not
// exist. Objectives and replicas are matched by what they are about, not by
// their position.
func Diff(old, next *flags.Document) []FieldChange {
	before, after := flatten(old), flatten(next)
	was := before.byField()
	var out []FieldChange
	for _, l := range after {
		o, ok := was[l.field]
		if strings.HasSuffix(l.field, orderField) && (!ok || !sameMembers(o, l.value)) {
			continue // members came or went: their own fields say so
		}
		if !ok || o != l.value {
			out = append(out, change(l.field, o, l.value))
		}
	}
	is := after.byField()
	for _, l := range before {
		if _, ok := is[l.field]; !ok && !strings.HasSuffix(l.field, orderField) {
			out = append(out, change(l.field, l.value, ""))
		}
	}
	return out
}

// orderField ends the field that holds the members of a list in their order.
const (
	orderField = "[order]"
	orderGap   = "\x00"
)

func sameMembers(a, b string) bool {
	x, y := strings.Split(a, orderGap), strings.Split(b, orderGap)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func change(field, before, after string) FieldChange {
	c := FieldChange{Field: field, Before: before, After: after}
	name := strings.TrimPrefix(strings.TrimPrefix(field, "spec."), "metadata.")
	switch {
	case strings.HasSuffix(field, orderField):
		c.Before, c.After = strings.ReplaceAll(before, orderGap, ", "), strings.ReplaceAll(after, orderGap, ", ")
		c.Words = fmt.Sprintf("the order of %s changes", strings.TrimSuffix(name, orderField))
	case before == "":
		c.Words = fmt.Sprintf("%s is now %s", name, after)
	case after == "":
		c.Words = fmt.Sprintf("%s is no longer said (was %s)", name, before)
	default:
		c.Words = fmt.Sprintf("%s changes from %s to %s", name, before, after)
	}
	return c
}

// leaf is one field of a document with its value as text, never "".
type leaf struct{ field, value string }

type leaves []leaf

func (ls *leaves) add(field, value string) {
	if value != "" {
		*ls = append(*ls, leaf{field, value})
	}
}

func (ls leaves) byField() map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.field] = l.value
	}
	return m
}

// flatten lists every field of a document that says something.
func flatten(d *flags.Document) leaves {
	var ls leaves
	switch {
	case d == nil:
	case d.Guarantee != nil:
		ls.add("kind", string(flags.KindGuarantee))
		ls.guarantee(d.Guarantee)
	case d.Route != nil:
		r := d.Route
		ls.add("kind", string(flags.KindRoute))
		ls.head(r.Name, r.Labels, r.Version, r.Status, r.Feature)
		ls.add("spec.owner", r.Owner)
		ls.add("spec.description", r.Description)
		ls.replicas(r.Replicas)
	}
	return ls
}

func (ls *leaves) head(name string, labels map[string]string, version string, status flags.Status, feature string) {
	ls.add("metadata.name", name)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		ls.add("metadata.labels."+k, strconv.Quote(labels[k]))
	}
	ls.add("spec.version", version)
	ls.add("spec.status", string(status))
	ls.add("spec.feature", feature)
}

func (ls *leaves) guarantee(g *flags.Guarantee) {
	ls.head(g.Name, g.Labels, g.Version, g.Status, g.Feature)
	ls.add("spec.story", g.Story)
	ls.add("spec.owner", g.Owner)
	ls.add("spec.model", string(g.Model))
	ls.add("spec.mechanism", g.Mechanism)
	ls.replicas(g.Replicas)
	if r := g.Reconciliation; r != nil {
		ls.add("spec.reconciliation.rule", r.Rule)
		ls.add("spec.reconciliation.version", strconv.Itoa(r.Version))
	}
	ls.objectives(g.Objectives)
	ls.add("spec.flag", g.Flag)
	if a := g.Acceptance; a != nil {
		ls.add("spec.acceptance.min_units", strconv.Itoa(a.MinUnits))
		ls.add("spec.acceptance.bake", flags.FormatDuration(a.Bake))
		ls.add("spec.acceptance.margin", number(a.Margin))
	}
	if r := g.Rollback; r != nil {
		ls.add("spec.rollback", "{}")
		ls.add("spec.rollback.drain", r.Drain)
		ls.add("spec.rollback.deadline", r.Deadline)
	}
	if r := g.Review; r != nil {
		ls.add("spec.review.every", flags.FormatDuration(r.Every))
		ls.add("spec.review.decision", r.Decision)
	}
}

func (ls *leaves) replicas(rs []flags.Replica) {
	var order []string
	for _, r := range rs {
		field := "spec.replicas[" + r.Name + "]"
		order = append(order, r.Name)
		kind := "op"
		if r.Kind == metrics.StateBased {
			kind = "state"
		}
		ls.add(field+".kind", kind)
		if r.Silence != 0 {
			ls.add(field+".silence", flags.FormatDuration(r.Silence))
		}
	}
	ls.add("spec.replicas"+orderField, strings.Join(order, orderGap))
}

func (ls *leaves) objectives(os []flags.Objective) {
	seen := map[string]int{}
	var order []string
	for i := range os {
		o := &os[i]
		id := about(o)
		seen[id]++
		if n := seen[id]; n > 1 {
			id += " #" + strconv.Itoa(n)
		}
		order = append(order, id)
		field := "spec.objectives[" + id + "]"
		ls.add(field+".op", string(o.Op))
		if o.IsDuration() {
			ls.add(field+".value", flags.FormatDuration(time.Duration(o.Value)))
		} else {
			ls.add(field+".value", number(o.Value))
		}
		if o.Target != 0 {
			ls.add(field+".target", number(o.Target))
		}
		if o.Window != 0 {
			ls.add(field+".window", flags.FormatDuration(o.Window))
		}
	}
	ls.add("spec.objectives"+orderField, strings.Join(order, orderGap))
}

// about names what an objective measures, whatever its limit: versions of a
// promise are compared objective by objective by this name.
func about(o *flags.Objective) string {
	parts := []string{string(o.SLI)}
	for _, p := range []string{o.Of, o.Scope, o.Replica} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if o.Within > 0 {
		parts = append(parts, flags.FormatDuration(o.Within))
	}
	return strings.Join(parts, " ")
}
