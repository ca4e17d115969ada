package rollout

import (
	"fmt"
	"math"
	"slices"

	"tidemark/flags"
)

// phaseOrder is the order of the phases: writers first, then readers, then clean-up.
func phaseOrder() []flags.Phase {
	return []flags.Phase{
		flags.PhaseOff, flags.PhaseDualWrite, flags.PhaseShadowRead,
		flags.PhaseLive, flags.PhaseRampDown, flags.PhaseComplete,
	}
}

func (c *checker) phases(p *flags.Plan, flag *FlagInfo) {
	last, live := -1, false
	for i := range p.Phases {
		ph := &p.Phases[i]
		field := fmt.Sprintf("phases[%d]", i)
		place := slices.Index(phaseOrder(), ph.Phase)
		switch {
		case place < 0:
			c.problem(field+".phase", "%q is not known; allowed: %s", clip(string(ph.Phase)), list(phaseOrder()))
		case place <= last:
			c.problem(field+".phase", "%s comes after %s; the order is %s, each at most once", ph.Phase, p.Phases[i-1].Phase, list(phaseOrder()))
		}
		last, live = max(last, place), live || ph.Phase == flags.PhaseLive
		c.phase(field, ph, flag)
	}
	if len(p.Phases) > 0 && !live {
		c.problem("phases", "lacks the phase %s, in which the steps run", flags.PhaseLive)
	}
}

func (c *checker) phase(field string, ph *flags.PlanPhase, flag *FlagInfo) {
	switch ph.Phase {
	case flags.PhaseDualWrite, flags.PhaseShadowRead, flags.PhaseRampDown:
		c.variant(field+".variant", ph.Variant, flag)
	default:
		if ph.Variant != "" {
			c.problem(field+".variant", "is %q; in the phase %s nobody gets a variant of the phase's own", clip(ph.Variant), ph.Phase)
		}
	}
	if ph.Bake != 0 {
		c.between(field+".bake", ph.Bake, minBake, maxBake)
	}
	c.validators(field, ph)
	if ph.Check != nil {
		c.check(field+".check", ph.Check)
	}
	if ph.Rollback != nil {
		c.check(field+".rollback", ph.Rollback)
	}
	c.line(field+".webhook", ph.Webhook, false)
	c.line(field+".sign_off", ph.SignOff, false)
}

// validators checks that each phase says by one means what must be true before the
// next begins. Live has its steps; what is complete has no next.
func (c *checker) validators(field string, ph *flags.PlanPhase) {
	n := 0
	for _, said := range []bool{ph.Check != nil, ph.Webhook != "", ph.SignOff != ""} {
		if said {
			n++
		}
	}
	switch {
	case ph.Phase == flags.PhaseComplete && (n > 0 || ph.Bake != 0 || ph.Rollback != nil):
		c.problem(field, "says what must be true in %s, but nothing comes after it", flags.PhaseComplete)
	case ph.Phase == flags.PhaseLive && n > 1:
		c.problem(field, "says %d of check, webhook and sign_off; say at most one in %s", n, flags.PhaseLive)
	case ph.Phase != flags.PhaseLive && ph.Phase != flags.PhaseComplete && n != 1:
		c.problem(field, "says %d of check, webhook and sign_off; say exactly one: what must be true before the next phase begins", n)
	}
}

func (c *checker) check(field string, k *flags.PhaseCheck) {
	sli := flags.SLI(k.SLI)
	if !slices.Contains(flags.SLIs(), sli) {
		c.problem(field+".sli", "%q is not known; allowed: %s", clip(k.SLI), list(flags.SLIs()))
	}
	if k.Op != string(flags.OpLTE) && k.Op != string(flags.OpGTE) {
		c.problem(field+".op", "%q is not known; allowed: %s, %s", clip(k.Op), flags.OpLTE, flags.OpGTE)
	}
	upper := sli == flags.SLIConvergence || sli == ""
	if (k.Op == string(flags.OpGTE)) != upper && k.Op != "" && sli != "" {
		c.problem(field+".op", "is %s; for %s it is the other one, since that is the better side", k.Op, k.SLI)
	}
	if !(k.Value >= 0) || math.IsInf(k.Value, 0) {
		c.problem(field+".value", "is %v; it must be 0 or above", k.Value)
	}
	if (sli == flags.SLIViolationRate) != (k.Of != "") {
		c.problem(field+".of", "is %q; it is ryw, mr, mw or wfr for violation_rate, and absent for the others", clip(k.Of))
	} else if k.Of != "" && !slices.Contains([]string{"ryw", "mr", "mw", "wfr"}, k.Of) {
		c.problem(field+".of", "%q is not known; allowed: ryw, mr, mw, wfr", clip(k.Of))
	}
	if k.Within != 0 && sli != flags.SLIConvergence {
		c.problem(field+".within", "is only for %s", flags.SLIConvergence)
	}
}
