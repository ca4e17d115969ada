package reconcile

import (
	"context"
	"time"

	"tidemark/metrics"
)

// Patience is how long a rule that decides by itself may take before a person is asked
// to look.
const Patience = time.Minute

// Waiting is an open conflict, and whether a person is needed.
type Waiting struct {
	metrics.Conflict
	NeedsPerson bool   `json:"needs_person"`
	Because     string `json:"because"` // in words
}

// Queue returns open conflicts: those that need a person first, oldest first within
// each part. It looks at the oldest limit of the feature, or of all.
func (d *Desk) Queue(ctx context.Context, feature string, limit int) ([]Waiting, error) {
	open, _, err := d.o.Judge.o.Reader.Conflicts(ctx, metrics.ConflictQuery{Feature: feature, State: "open", Oldest: true, Limit: limit})
	if err != nil {
		return nil, err
	}
	rules, now := newBook(d.o.Judge.o.Rules), d.o.Now().UnixNano()
	var first, later []Waiting
	for i := range open {
		c := &open[i]
		promised, err := d.promised(ctx, c)
		if err != nil {
			return nil, err
		}
		named, err := rules.inForce(ctx, c, promised)
		if err != nil {
			return nil, err
		}
		w := Waiting{Conflict: c.Told()}
		if w.NeedsPerson, w.Because = needs(&named, now-c.DetectedAt); w.NeedsPerson {
			first = append(first, w)
		} else {
			later = append(later, w)
		}
	}
	return append(first, later...), nil
}

// needs reports whether a conflict of some age waits for a person, without looking at
// its writes.
func needs(n *Named, age int64) (yes bool, because string) {
	switch {
	case n.Rule != nil && n.Rule.Strategy == Manual:
		return true, "Its rule leaves it to a person."
	case age > int64(Patience):
		if n.Rule == nil {
			return true, "Nobody decided it, and its rule is not known here."
		}
		return true, "Its rule decides by itself, and nobody reported that it did."
	case n.Rule == nil:
		return false, "Its rule is not known here; it may still be decided."
	case n.Rule.MayAsk():
		return false, "Its rule may leave it to a person, or still decide it."
	}
	return false, "Its rule should decide it any moment."
}
