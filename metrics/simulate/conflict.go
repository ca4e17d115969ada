package simulate

import (
	"maps"
	"strconv"

	"tidemark/metrics"
)

const (
	maxHeads    = 4    // concurrent writes of one key that a place keeps apart
	maxDisputes = 8192 // conflicts remembered so that each is decided once
)

// dispute is a conflict between two writes.
type dispute struct {
	id   string
	a, b *write
	by   *place // that found it first and decides it
	seen uint64 // bits of the places that reported it
}

// disputes remembers the latest maxDisputes of them.
type disputes struct {
	byID map[string]*dispute
	ring []string
	next int
}

func (d *disputes) add(x *dispute) {
	if d.byID == nil {
		d.byID = map[string]*dispute{}
	}
	if len(d.ring) < maxDisputes {
		d.ring = append(d.ring, x.id)
	} else {
		delete(d.byID, d.ring[d.next])
		d.ring[d.next] = x.id
		d.next = (d.next + 1) % maxDisputes
	}
	d.byID[x.id] = x
}

// settle works w into what p holds of its key, and reports each write that is
// concurrent with it.
func (f *feature) settle(p *place, c *cell, w *write) {
	heads := c.heads[:0:0]
	for _, h := range c.heads {
		switch {
		case h.stamp.dominates(w.stamp):
			return // superseded before it came
		case !w.stamp.dominates(h.stamp):
			heads = append(heads, h)
		}
	}
	if f.Rule.Kind != "" {
		for _, h := range heads {
			f.detect(p, w, h)
		}
	}
	heads = append(heads, w)
	if f.Rule.Kind == LastWriterWins || f.Rule.Kind == OwnerWins {
		best := heads[0]
		for _, h := range heads[1:] {
			best, _ = f.winner(best, h)
		}
		heads = []*write{best}
	}
	if len(heads) > maxHeads {
		heads = heads[len(heads)-maxHeads:]
	}
	c.heads = heads
}

func (f *feature) detect(p *place, w, h *write) {
	a, b := w, h
	if a.id > b.id {
		a, b = b, a
	}
	id := "c-" + digest(a.id+b.id)
	d := f.disputes.byID[id]
	first := d == nil
	if first {
		d = &dispute{id: id, a: a, b: b, by: p}
		f.disputes.add(d)
	}
	if d.seen&p.bit != 0 {
		return
	}
	d.seen |= p.bit
	e := p.dispute(metrics.KindConflictDetected, w, d)
	e.With = []string{h.id}
	p.report(e)
	if first {
		f.plan(d)
	}
}

// dispute begins an event about a conflict.
func (p *place) dispute(kind metrics.Kind, w *write, d *dispute) *metrics.Event {
	e := p.stage(kind, w, 0)
	e.ConflictID, e.Rule, e.RuleVersion = d.id, p.f.Rule.Name, p.f.Rule.Version
	// Whoever reports it, it is counted for the same unit: a person's, where there is one.
	of := d.a
	if of.told.unit == "" {
		of = d.b
	}
	of.told.stamp(e)
	e.Model, e.Variant = of.arm.Model, of.arm.Variant
	return e
}

// plan decides when, and by whom, a conflict will be resolved.
func (f *feature) plan(d *dispute) {
	if f.Rule.Kind == Person || f.chance(f.Rule.Manual) {
		if f.Rule.Person != nil {
			f.sim.after(draw(f.Rule.Person, f.r), func() { f.resolve(d, true) })
		}
		return
	}
	f.sim.after(draw(f.Rule.Delay, f.r), func() { f.resolve(d, false) })
}

func (f *feature) resolve(d *dispute, person bool) {
	e := d.by.dispute(metrics.KindConflictResolved, d.a, d)
	e.With, e.Auto = []string{d.b.id}, metrics.Yes
	switch {
	case person || f.Rule.Kind == Merge:
		actor, reason := "rule:"+f.Rule.Name, "both edits were merged field by field"
		if person {
			actor = "agent-" + strconv.Itoa(1+f.r.IntN(5))
			reason = actor + " looked at both edits and wrote the result"
			e.Auto = metrics.No
		}
		e.Actor, e.Reason, e.Outcome = actor, reason, "merged"
		e.Winner = f.merge(d, actor).id
	default:
		w, reason := f.winner(d.a, d.b)
		e.Winner, e.Reason, e.Outcome = w.id, reason, "kept_one"
	}
	d.by.report(e)
}

// merge settles a conflict by a write that follows both, and everything else that
// the key's home holds. One place merges a key: were it done wherever a conflict
// is seen, the merges would conflict with each other and never end. If something
// newer than both is there already, it is the outcome.
func (f *feature) merge(d *dispute, actor string) *write {
	o := f.origins[int(d.a.key)%len(f.origins)]
	both := join(d.a.stamp, d.b.stamp)
	for _, h := range o.cell(d.a.key).heads {
		if h.stamp.dominates(both) {
			return h
		}
	}
	if m := f.merging[d.a.key]; m != nil && m.stamp.dominates(both) {
		return m
	}
	m := f.write(o, d.a.key, author{
		actor: actor, labels: d.a.labels, arm: d.a.arm,
		context: both, deps: []*write{d.a, d.b}, fields: f.mergeFields(d, o.Name == f.Rule.Astray),
	}, nil)
	f.merging[d.a.key] = m
	return m
}

// mergeFields keeps what either changed; where both changed a field, the later one's
// value. An origin that went astray keeps the earlier one's.
func (f *feature) mergeFields(d *dispute, astray bool) map[string]string {
	first, then := d.a, d.b
	if f.laterWins(first, then) != astray {
		first, then = then, first
	}
	out := maps.Clone(first.fields)
	maps.Copy(out, then.fields)
	return out
}

// winner decides between two concurrent writes, the same everywhere.
func (f *feature) winner(a, b *write) (w *write, reason string) {
	if f.Rule.Kind == OwnerWins {
		owner := f.origins[int(a.key)%len(f.origins)]
		if a.origin != b.origin && (a.origin == owner || b.origin == owner) {
			if b.origin == owner {
				a = b
			}
			return a, owner.Name + " owns this key"
		}
	}
	if f.laterWins(b, a) {
		a = b
	}
	return a, "it has the later timestamp"
}

func (f *feature) laterWins(a, b *write) bool {
	if f.Versions == metrics.VersionHLC {
		return a.stamp.laterHLC(b.stamp)
	}
	if a.stamped != b.stamped {
		return a.stamped > b.stamped
	}
	return a.id > b.id
}
