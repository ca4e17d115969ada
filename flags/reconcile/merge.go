package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// touch is what one write did to one field.
type touch struct {
	by     *Sibling
	value  string // raw JSON; removed when it took the field away
	append bool   // value is an array of elements that are added
}

// state is every field that was touched, and by whom: a map of grow-only sets. Its
// join is a union, so it is commutative, associative and idempotent, and the value of
// each field is a function of the set alone.
type state map[string]map[string]touch

func stateOf(s *Sibling, d *delta) state {
	out := state{}
	for path, v := range d.fields {
		out[path] = map[string]touch{s.WriteID: {by: s, value: v}}
	}
	for path, added := range d.added {
		out[path] = map[string]touch{s.WriteID: {by: s, value: "[" + strings.Join(added, ",") + "]", append: true}}
	}
	return out
}

// join is the least state that holds both.
func (a state) join(b state) state {
	out := make(state, len(a)+len(b))
	for _, s := range []state{a, b} {
		for path, touches := range s {
			if out[path] == nil {
				out[path] = map[string]touch{}
			}
			maps.Copy(out[path], touches)
		}
	}
	return out
}

// merge decides field by field.
func (r *Rule) merge(all []Sibling) Outcome {
	var whole state
	patch := false
	for i := range all {
		if all[i].Delta == "" {
			return Outcome{Kind: Unknown, Cause: CauseDelta, Why: "What one of the writes changed was not reported."}
		}
		d, err := readDelta(all[i].Delta)
		if err != nil {
			return Outcome{Kind: Person, Cause: CauseForm, Why: "What one of the writes changed cannot be taken apart into fields: a person has to look."}
		}
		whole, patch = whole.join(stateOf(&all[i], d)), patch || d.patch
	}
	if overlap(sorted(whole)) {
		return Outcome{Kind: Person, Cause: CauseWithin, Why: "One write changed a field within what another one changed as a whole: a person has to look."}
	}
	o := Outcome{Kind: Merged, Cause: CauseFields}
	for _, path := range sorted(whole) {
		r.settle(&o, path, whole[path])
	}
	o.Merged = compose(o.Fields, patch)
	for i := range all {
		if !slices.ContainsFunc(o.Fields, func(f Field) bool { return slices.Contains(f.From, all[i].WriteID) }) {
			o.LostWrites = append(o.LostWrites, all[i].WriteID)
		}
	}
	o.explainMerge()
	return o
}

// settle decides one field.
func (r *Rule) settle(o *Outcome, path string, touches map[string]touch) {
	list := make([]touch, 0, len(touches))
	for _, id := range sorted(touches) {
		list = append(list, touches[id])
	}
	f := Field{Path: path, Type: r.typeOf(path)}
	for i := range list[1:] {
		f.Clash = f.Clash || list[i+1].value != list[0].value || list[i+1].append || list[i].append
	}
	ok, lost := true, []touch(nil)
	switch {
	case len(list) == 1:
		f.Value, f.append = list[0].value, list[0].append
		f.From = []string{list[0].by.WriteID}
	case f.Type == TypeCounter || f.Type == TypeSet || f.Clash && f.Type != TypeLast && f.Type != TypeManual:
		ok, lost = f.combine(list)
	case !f.Clash:
		f.Value, f.From = list[0].value, writesOf(list)
	case f.Type == TypeManual || slices.ContainsFunc(list, func(t touch) bool { return t.append }):
		ok = false
	default:
		lost = r.last(o, &f, list)
	}
	if !ok {
		f.Open, f.From = true, nil
		_ = r.last(nil, &f, list)
		o.leave(&f)
	}
	f.Removed = f.Value == removed
	o.Fields = append(o.Fields, f)
	for _, t := range lost {
		o.Lost = append(o.Lost, Loss{t.by.WriteID, path, t.value})
	}
}

// leave makes the outcome a person's, for a field that the rule does not decide.
func (o *Outcome) leave(f *Field) {
	o.Kind = Person
	if f.Type == TypeManual {
		o.Cause = CauseClash
	} else if o.Cause != CauseClash {
		o.Cause = CauseValue
	}
}

func writesOf(list []touch) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].by.WriteID
	}
	return out
}

// last takes the value of the latest write, and returns those of others that differ.
// With an outcome it also notes how sure the order is.
func (r *Rule) last(o *Outcome, f *Field, list []touch) (lost []touch) {
	best := list[0]
	for _, t := range list[1:] {
		if r.compare(t.by, best.by) > 0 {
			best = t
		}
	}
	f.Value, f.append = best.value, best.append
	for _, t := range list {
		if t.value == best.value && t.append == best.append {
			f.From = append(f.From, t.by.WriteID)
			continue
		}
		lost = append(lost, t)
		if o != nil && o.Doubt == "" {
			o.Doubt, o.ByNS, o.ErrorNS = r.doubt(best.by, t.by)
			if o.Doubt == "" {
				o.ByNS, o.ErrorNS = 0, 0
			}
		}
	}
	return lost
}

func (o *Outcome) explainMerge() {
	clashes, open := 0, 0
	for i := range o.Fields {
		clashes += truth(o.Fields[i].Clash)
		open += truth(o.Fields[i].Open)
	}
	switch {
	case open > 0 && o.Cause == CauseClash:
		o.Why = count(open, "field") + " " + verb(open, "was", "were") + " changed differently, and the rule leaves that to a person."
	case open > 0:
		o.Why = count(open, "field") + " " + verb(open, "holds", "hold") + " what the rule cannot combine: a person has to look."
	case clashes > 0 && len(o.Fields) == 1:
		o.Why = "The writes changed one field differently; it is decided by its type."
	case clashes == 0:
		o.Why = "The writes changed different fields, or the same ones alike: all of it is kept."
	default:
		o.Why = "Of " + count(len(o.Fields), "field") + ", " + strconv.Itoa(clashes) + " " + verb(clashes, "was", "were") + " changed differently; each is decided by its type."
	}
	switch o.Doubt {
	case DoubtClock:
		o.Why += " Two of the writes are nearer to each other than their clocks may be wrong by."
	case DoubtUnmeasured:
		o.Why += " The offset of two of the clocks was not measured."
	case DoubtTie:
		o.Why += " Where nothing says which write is later, the greater write id decides."
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
