package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxSiblings bounds the writes of one conflict that are looked at.
const MaxSiblings = 32

// Decide is what the rule gives for some siblings. It depends on nothing else, and
// neither on their order nor on how often each is there; a write id stands for one
// content.
func (r *Rule) Decide(siblings []Sibling) Outcome {
	all := distinct(siblings)
	switch {
	case r.unknown != "":
		return Outcome{Kind: Unknown, Cause: CauseRule, Why: "Nobody can follow this rule: " + r.unknown + "."}
	case r.Strategy == Manual:
		return Outcome{Kind: Person, Cause: CauseManual, Why: "The rule is that a person decides."}
	case len(all) == 0:
		return Outcome{Kind: Unknown, Cause: CauseWrite, Why: "No write is known that takes part."}
	case len(all) > MaxSiblings:
		return Outcome{Kind: Unknown, Cause: CauseTooMany, Why: fmt.Sprintf("%d writes take part; at most %d are looked at.", len(all), MaxSiblings)}
	}
	if n := unknown(all); n > 0 {
		return Outcome{Kind: Unknown, Cause: CauseWrite, Why: fmt.Sprintf("Of %d of the %d writes no event is known.", n, len(all))}
	}
	if r.Strategy == Merge || r.Strategy == CRDT {
		return r.merge(all)
	}
	return r.keep(all)
}

// distinct puts writes in order of their id, each once.
func distinct(siblings []Sibling) []Sibling {
	all := slices.Clone(siblings)
	slices.SortFunc(all, func(a, b Sibling) int { return strings.Compare(a.WriteID, b.WriteID) })
	return slices.CompactFunc(all, func(a, b Sibling) bool { return a.WriteID == b.WriteID })
}

func unknown(all []Sibling) int {
	n := 0
	for i := range all {
		if !all[i].Known {
			n++
		}
	}
	return n
}

// keep picks the write that wins over all others.
func (r *Rule) keep(all []Sibling) Outcome {
	best := &all[0]
	for i := range all {
		if r.compare(&all[i], best) > 0 {
			best = &all[i]
		}
	}
	o := Outcome{Kind: Keep, Winner: best.WriteID, Cause: CauseAlone, Why: "Only one write takes part."}
	if len(all) > 1 {
		r.explainKeep(&o, best, all)
	}
	o.lose(best, all)
	return o
}

// explainKeep says why the best write is the best, by what decided against the write
// that comes nearest to it.
func (r *Rule) explainKeep(o *Outcome, best *Sibling, all []Sibling) {
	var next *Sibling
	for i := range all {
		if s := &all[i]; s.WriteID != best.WriteID && (next == nil || r.compare(s, next) > 0) {
			next = s
		}
	}
	owned := r.Strategy == OwnerWins && best.owned(r.set.Owner)
	if owned && !next.owned(r.set.Owner) {
		o.Cause, o.Why = CauseOwner, "The key's owner made this write."
		return
	}
	o.Doubt, o.ByNS, o.ErrorNS = r.doubt(best, next)
	switch {
	case r.compareStamps(best, next) == 0:
		o.Cause, o.Why = CauseTie, "Nothing says which write is later: the greater write id decides, the same everywhere."
	case r.set.Order == ByVersion && compareVersions(best.Version, next.Version) != 0:
		o.Cause, o.Why = CauseVersion, "It has the later version."
		if o.Doubt == DoubtTie {
			o.Why = "Its version is of a kind that ranks first; versions of two kinds say nothing of each other."
		}
	default:
		o.Cause, o.Why = CauseTime, "It began later"+o.margin(r.set.Order)
	}
	switch {
	case r.Strategy == OwnerWins && owned:
		o.Why = "The key's owner made more than one of these writes. " + o.Why
	case r.Strategy == OwnerWins:
		o.Why = "The key's owner made none of these writes. " + o.Why
	}
}

// margin says by how much a write is later, and how sure that is; it ends a sentence.
func (o *Outcome) margin(order Order) string {
	if order == ByReported {
		if o.Doubt == DoubtTie {
			return ", as one of the two times is not known."
		}
		return ", by " + time.Duration(o.ByNS).String() + " on the clocks of those who wrote."
	}
	by := ", by " + time.Duration(o.ByNS).String()
	switch o.Doubt {
	case DoubtClock:
		return by + ". That is less than the clocks may be wrong by (" + time.Duration(o.ErrorNS).String() + "): which one really was later is not known."
	case DoubtUnmeasured:
		return by + ". The offset of the two clocks was not measured."
	case DoubtTie:
		return ", as one of the two times is not known."
	}
	if o.ErrorNS > 0 {
		return by + ", which is more than the clocks may be wrong by (" + time.Duration(o.ErrorNS).String() + ")."
	}
	return by + " of the same clock."
}

// lose lists what of the other writes the winner does not hold as well.
func (o *Outcome) lose(best *Sibling, all []Sibling) {
	kept, _ := readDelta(best.Delta)
	for i := range all {
		s := &all[i]
		if s.WriteID == best.WriteID {
			continue
		}
		d, err := readDelta(s.Delta)
		if err != nil || kept == nil {
			o.Lost = append(o.Lost, Loss{WriteID: s.WriteID})
			o.LostWrites = append(o.LostWrites, s.WriteID)
			continue
		}
		if survives := o.loseFields(s.WriteID, d, kept); !survives {
			o.LostWrites = append(o.LostWrites, s.WriteID)
		}
	}
}

func (o *Outcome) loseFields(id string, d, kept *delta) (survives bool) {
	for _, path := range d.paths() {
		v, set := d.fields[path]
		if !set {
			v = "[" + strings.Join(d.added[path], ",") + "]"
		}
		if k, ok := kept.fields[path]; ok && set && k == v {
			survives = true
			continue
		}
		o.Lost = append(o.Lost, Loss{id, path, v})
	}
	return survives
}
