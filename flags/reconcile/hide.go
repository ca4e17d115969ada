package reconcile

import (
	"slices"

	"tidemark/flags"
	"tidemark/metrics"
)

// May reports whether who asks may see the contents of a write of a feature with those
// labels; a nil May permits all.
type May func(feature string, labels []string) bool

// hides reports whether who asks may not see something of a conflict: a write's labels
// forbid it, or not all of them are known.
func (may May) hides(c *metrics.Conflict, all []Sibling) bool {
	if may == nil {
		return false
	}
	if c.MoreLabels || c.Held || len(all) == 0 && !may(c.Feature, c.Labels) {
		return true
	}
	return slices.ContainsFunc(all, func(s Sibling) bool {
		return s.Unread || !may(c.Feature, slices.Concat(s.Labels, c.Labels))
	})
}

// hide takes out of a case what is made of contents that who asks may not see, also what
// lets them be guessed: what a rule makes of fields, whether that was reported, and what
// is lost.
func (c *Case) hide(may May) {
	if c.hidesMade(may) {
		c.Verdict, c.Cause = Unjudged, CauseHidden
	}
	if c.Hidden = may.hides(c.Conflict, c.Siblings); !c.Hidden {
		return
	}
	for i := range c.Siblings {
		c.Siblings[i].Delta = ""
	}
	o := &c.Outcome
	o.Merged, o.Fields, o.Lost, o.LostWrites = nil, nil, nil, nil
	if c.Rule.Rule == nil || !c.Rule.Rule.byContents() {
		return // The rest goes by times, versions and owners, which all may see.
	}
	*o = Outcome{Kind: Unknown, Cause: CauseHidden, Why: "The rule goes by what the writes changed, which needs a clearance for their labels."}
	if c.Verdict != Open && c.Verdict != ByPerson {
		c.Verdict, c.Cause = Unjudged, CauseHidden
	}
}

// hidesMade reports whether the verdict is by the contents of a write, made of those that
// met, which who asks may not see: one that is the rule's would tell them.
func (c *Case) hidesMade(may May) bool {
	return c.made != nil && may.hides(c.Conflict, []Sibling{*c.made})
}

// hideIn takes out of a decision about the conflict what who asks may not see: it may be
// made of any of its writes.
func (f *File) hideIn(d *flags.ConflictDecision, may May) {
	unknown := f.Conflict.MoreWrites || len(f.rest) > 0 && may.hides(f.Conflict, f.rest)
	if may == nil || !f.Hidden && !unknown && may(d.Feature, d.Labels) {
		return
	}
	d.Merged, d.Salt, d.Redacted = nil, "", d.Merged != nil
	if !slices.Contains(d.Writes, d.Proposed) {
		d.Proposed = "" // What the rule made of the contents.
	}
}

// byContents reports whether what the rule gives depends on what the writes changed.
func (r *Rule) byContents() bool { return r.Strategy == Merge || r.Strategy == CRDT }
