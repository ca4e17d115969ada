package rollout

import (
	"tidemark/flags"
)

// decidePhase decides about a phase without arms: by its own questions, its bake time
// and traffic of the feature.
func (t *turn) decidePhase() flags.Decision {
	d := t.base()
	ph := t.phase()
	if ph == nil {
		d.Why = "The plan has no phase " + string(t.r.Phase) + "; revert, and make a new rollout."
		return d
	}
	if unsafe(&t.in.Safe, ph, &d) {
		return d
	}
	if t.in.Heard == 0 {
		d.Why = "No event of the feature has come yet."
	}
	if t.noData(&d) || d.Why != "" {
		return d
	}
	if left := d.Bake - d.Baked; left > 0 {
		return t.hold(d, "Needs "+wait(left)+" more with traffic.")
	}
	if !t.valid(&d) {
		return t.hold(d, d.Why)
	}
	return t.ready(d, trimDot(d.Why))
}

// unsafe reverts when what must stay true in the phase surely is not.
func unsafe(p *Probe, ph *flags.PlanPhase, d *flags.Decision) bool {
	if p.Asked && p.Known && p.Err == nil && !p.Pass {
		d.Verb, d.Why = flags.VerbRevert, sentence("In the phase "+string(ph.Phase)+": "+p.Why)
		return true
	}
	return false
}

// valid reports whether the phase may be left, and says why or why not.
func (t *turn) valid(d *flags.Decision) bool {
	ph := t.phase()
	if ph.SignOff != "" {
		for i := range t.r.SignOffs {
			if s := &t.r.SignOffs[i]; s.Phase == ph.Phase {
				d.Why = s.Actor + " signed off."
				return true
			}
		}
		d.Why = "Waits for the sign-off of " + ph.SignOff + "."
		return false
	}
	v := &t.in.Valid
	switch {
	case !v.Asked:
		d.Why = "Nothing more is asked of the phase " + string(ph.Phase) + "."
		return ph.Check == nil && ph.Webhook == ""
	case v.Err != nil:
		d.Why = "The phase could not be validated: " + sentence(v.Err.Error())
	case !v.Known:
		d.Why = sentence(orElse(v.Why, "The phase is being validated"))
	default:
		d.Why = sentence(v.Why)
		return v.Pass
	}
	return false
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
