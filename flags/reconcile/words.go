package reconcile

import (
	"slices"
	"strconv"
	"strings"
)

// Words says in sentences what a rule does.
func (r *Rule) Words() []string {
	if r.unknown != "" {
		return []string{"Nobody can follow this rule: " + r.unknown + "."}
	}
	switch r.Strategy {
	case LastWriterWins:
		return []string{"The later write wins; the other writes are dropped.", r.orderWords()}
	case OwnerWins:
		owner := "the owner that the writes name"
		if r.set.Owner != "" {
			owner = r.set.Owner
		}
		return []string{
			"The write wins that was made at " + owner + ", by service, replica or region; the other writes are dropped.",
			"When the owner made none of them, or several, the later one wins. " + r.orderWords(),
		}
	case Merge, CRDT:
		return append([]string{"Each field is decided by itself: what one write changed is kept, whatever the others changed."}, r.fieldWords()...)
	case Manual:
		return []string{"A person decides every conflict."}
	}
	return []string{"Its strategy " + strconv.Quote(string(r.Strategy)) + " is not known."}
}

func (r *Rule) orderWords() string {
	switch r.set.Order {
	case ByReported:
		return "Later is what began later by the clock of whoever wrote it, then the greater write id."
	case ByTime:
		return "Later is what began later by the server's clock, then the greater write id."
	}
	return "Later is the greater version (seq or hlc), then what began later, then the greater write id."
}

// fieldWords says how fields are decided that clash, type by type.
func (r *Rule) fieldWords() []string {
	byType := map[Type][]string{}
	for _, path := range sorted(r.set.Fields) {
		byType[r.set.Fields[path]] = append(byType[r.set.Fields[path]], path)
	}
	var out []string
	later := r.set.Default == TypeLast
	for _, t := range Types() {
		if paths := byType[t]; len(paths) > 0 && t != r.set.Default {
			out = append(out, "Where "+strings.Join(paths, ", ")+" "+verb(len(paths), "clashes", "clash")+": "+t.words()+".")
			later = later || t == TypeLast
		}
	}
	rest := "Where a field clashes: "
	if len(out) > 0 {
		rest = "Where any other field clashes: "
	}
	out = append(out, rest+r.set.Default.words()+".")
	if later {
		out = append(out, r.orderWords())
	}
	return out
}

func (t Type) words() string {
	switch t {
	case TypeLast:
		return "the later write's value"
	case TypeMax:
		return "the greatest number"
	case TypeMin:
		return "the least number"
	case TypeCounter:
		return "the sum of what each write adds"
	case TypeSet:
		return "all elements, each once"
	case TypeEnable:
		return "true when any write says true"
	case TypeManual:
		return "a person decides"
	}
	return string(t)
}

// Order is what makes one write later than another by this rule.
func (r *Rule) Order() Order { return r.set.Order }

// Paths lists the fields that the rule names, in order.
func (r *Rule) Paths() []string { return slices.Clip(sorted(r.set.Fields)) }

// Words says a cause to a person.
func (c Cause) Words() string {
	switch c {
	case CauseRule:
		return "the rule or its version is not known here"
	case CauseWrite:
		return "no event of one of the writes is kept"
	case CauseDelta:
		return "what a write changed was not reported"
	case CauseTooMany:
		return "too many writes take part"
	case CauseClock:
		return "the writes are nearer to each other than their clocks are known"
	case CauseHidden:
		return "a label hides what a write changed from who asks"
	case CauseNoResult:
		return "the result was not reported"
	case CauseLater:
		return "a later write took their place before they were merged"
	}
	return string(c)
}
