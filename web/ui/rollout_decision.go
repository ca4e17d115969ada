package ui

import (
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// decided is the decision with its reason, and what must still be true.
func (s *rolloutStory) decided() page.RolloutDecision {
	d := s.decision()
	out := page.RolloutDecision{Title: "Why", Status: verbStatus(d), Why: d.Why, At: part.When(d.At)}
	if d.Verb == "" {
		out.Status = part.Status{Tone: part.Neutral, Text: "Not judged"}
	}
	if out.Why == "" {
		out.Why = "Nothing was judged yet: the evidence is looked at once the rollout runs."
	}
	if s.then != nil {
		out.Title, out.Status = "Why it was "+pastTense(s.then.Action), actionStatus(s.then.Action)
		if s.then.Reason != "" && s.then.Reason != out.Why {
			out.Why = s.then.Reason + " " + d.Why
		}
		return out
	}
	switch s.r.State {
	case flags.RolloutRunning:
		out.Title, out.Next, out.Until = "What the evidence says", s.missing(), "Before it widens"
		if s.r.Step == len(s.r.Plan.Steps)-1 {
			out.Until = "Before it completes"
		}
	case flags.RolloutReverted, flags.RolloutReverting, flags.RolloutCompleted:
		out.Title, out.Status = "Why it ended", rolloutStatus(&s.r)
		if done := s.r.State == flags.RolloutCompleted && len(s.r.Pending) == 0; done && len(s.history) > 0 {
			out.Why = s.history[0].Reason
		}
	case flags.RolloutPaused:
		out.Title = "What the evidence said last"
	}
	return out
}

// alone reports whether everybody has the candidate: there is nobody to compare with, so
// that only what is broken holds it back.
func (s *rolloutStory) alone() bool { return s.r.Percent == flags.Whole }

// missing lists what must still be true before the rollout widens.
func (s *rolloutStory) missing() []string {
	r, d := &s.r, &s.r.Decision
	if d.Verb != flags.VerbHold {
		return nil
	}
	var out []string
	for _, arm := range []struct {
		name  string
		units int64
	}{{"candidate", d.CandidateUnits}, {"control", d.ControlUnits}} {
		if need := d.NeedUnits - arm.units; need > 0 && (!s.alone() || arm.name == "candidate") {
			out = append(out, format.Count(need)+" more units in "+arm.name+s.inTime(arm.units, need)+".")
		}
	}
	if left := d.Bake - d.Baked; left > 0 {
		out = append(out, format.Age(left)+" more of bake time, counted while traffic comes in.")
	}
	for i := range d.Checks {
		c := &d.Checks[i]
		undecided := c.Outcome == flags.OutcomeUnknown || c.Outcome == flags.OutcomeUnsure
		if c.Outcome != flags.OutcomePass && (!undecided || !s.alone()) {
			out = append(out, guardTitle(c.Guardrail.Metric)+": "+strings.ToLower(outcomeStatus(c).Text)+".")
		}
	}
	if d.SRM != nil && d.SRM.Mismatch {
		out = append(out, "A sample ratio as planned.")
	}
	for _, f := range r.Plan.Freeze {
		if !s.now.Before(f.From) && s.now.Before(f.Until) {
			out = append(out, "The end of the freeze on "+f.Until.UTC().Format("2 Jan 15:04 UTC")+": "+f.Reason+".")
		}
	}
	return out
}

// inTime says how long it takes at the step's traffic so far.
func (s *rolloutStory) inTime(have, need int64) string {
	if s.r.Ran < time.Minute || have == 0 {
		return ""
	}
	left := time.Duration(float64(s.r.Ran) * float64(need) / float64(have))
	return ", in about " + format.Age(left) + " at the traffic so far"
}

// sample is the arms against what is required, and the balance between them.
func (s *rolloutStory) sample() page.Sample {
	d := s.decision()
	out := page.Sample{
		Arms: []page.SampleArm{
			sampleArm("Candidate: "+s.r.Plan.Candidate, d.CandidateUnits, d.NeedUnits),
			sampleArm("Control: "+s.r.Plan.Control, d.ControlUnits, d.NeedUnits),
		},
		Ratio: ratioStatus(d.SRM), RatioText: ratioText(d.SRM),
	}
	if s.alone() && d.ControlUnits == 0 {
		out.Arms[1].Text, out.Arms[1].Share = "none needed", 0
	}
	out.Facts = []part.Fact{{Name: "Coverage", Value: s.coverage(d)}, {Name: "Bake time", Value: bakeValue(d)}}
	out.Table = part.Table{Caption: "Sample", Tight: true, Columns: []part.Column{{Head: "Arm"}, {Head: "Variant"}, {Head: "Units", Num: true}, {Head: "Needed", Num: true}}}
	need := part.Text(format.Count(d.NeedUnits))
	out.Table.Rows = []part.Row{
		{Cells: []part.Cell{part.Text("candidate"), part.Text(s.r.Plan.Candidate), part.Text(format.Count(d.CandidateUnits)), need}},
		{Cells: []part.Cell{part.Text("control"), part.Text(s.r.Plan.Control), part.Text(format.Count(d.ControlUnits)), need}},
	}
	return out
}

func sampleArm(name string, units, need int64) page.SampleArm {
	a := page.SampleArm{Name: name, Text: format.Plural(units, "unit", "units"), Tone: part.Tide, Share: 1}
	if need > 0 {
		a.Text = format.Count(units) + " of " + format.Plural(need, "unit", "units")
		a.Share = float64(units) / float64(need)
	}
	if units >= need {
		a.Tone = part.Good
	}
	return a
}

func bakeValue(d *flags.Decision) part.Value {
	if d.Bake == 0 {
		return part.Value{Text: "none needed"}
	}
	return part.Value{Text: format.Age(d.Baked), Under: "of " + format.Exact(d.Bake)}
}

// coverage is the share of the flag's writes that can be compared at all.
func (s *rolloutStory) coverage(d *flags.Decision) part.Value {
	if s.then != nil {
		return part.Value{Text: format.Share(d.Coverage), Under: "of the flag’s writes named a unit"}
	}
	if !s.known || s.evidence.Writes == 0 {
		if s.r.State.Final() {
			return part.Value{Text: format.Share(d.Coverage), Under: "of the flag’s writes named a unit"}
		}
		return part.Value{Under: "no write with the flag yet"}
	}
	v := part.Percent(s.evidence.Writes-s.evidence.NoUnit, s.evidence.Writes, "writes name a unit")
	if s.evidence.NoUnit > 0 {
		v.Under += " writes name a unit"
	}
	return v
}

func ratioStatus(r *flags.Ratio) part.Status {
	switch {
	case r == nil:
		return part.Status{Tone: part.Neutral, Text: "Ratio not tested"}
	case r.Expected == 1:
		return part.Status{Tone: part.Neutral, Text: "Nothing to compare"}
	case r.Mismatch:
		return part.Status{Tone: part.Bad, Text: "Ratio is off"}
	case !r.Enough:
		return part.Status{Tone: part.Neutral, Text: "Too few to test"}
	}
	return part.Status{Tone: part.Good, Text: "Ratio as planned"}
}

func ratioText(r *flags.Ratio) string {
	if r == nil {
		return "The sample ratio is tested once both arms have units."
	}
	if r.Expected == 1 {
		return "Everybody has the candidate: no control is left to compare with, and none is needed."
	}
	all := r.Candidate + r.Control
	if all == 0 || !r.Enough {
		return "The sample ratio needs at least 8 units an arm; there are " + format.Count(r.Candidate) + " and " + format.Count(r.Control) + "."
	}
	return format.Percent(r.Candidate, all) + " of " + format.Count(all) + " units are in candidate; " + format.Share(r.Expected) +
		" are expected (p = " + strconv.FormatFloat(r.P, 'g', 2, 64) + ")."
}

// pastTense says what was done.
func pastTense(action string) string {
	words := map[string]string{
		"create": "drafted", "edit": "rewritten", "approve": "approved", "schedule": "scheduled", "start": "started",
		"advance": "widened", "pause": "paused", "resume": "resumed", "revert": "reverted", "drained": "drained", "discard": "discarded",
		"complete": "completed", "sign-off": "signed off", "break-pins": "rid of its pins", "deadline": "held at its deadline",
	}
	verb, rest, without := strings.Cut(action, "-without-evidence")
	w, known := words[verb]
	switch {
	case !known:
		return action
	case without && rest == "":
		return w + " by hand"
	}
	return w
}

func actionStatus(action string) part.Status {
	text := pastTense(action)
	st := part.Status{Tone: part.Neutral, Text: strings.ToUpper(text[:1]) + text[1:]}
	switch verb, _, without := strings.Cut(action, "-without-evidence"); verb {
	case "revert", "break-pins":
		st.Tone = part.Bad
	case "pause", "deadline":
		st.Tone = part.Warn
	case "advance", "complete", "start", "drained":
		st.Tone = part.Good
		if without {
			st.Tone = part.Warn
		}
	case "approve", "sign-off", "resume", "schedule":
		st.Tone = part.Tide
	}
	return st
}

// past is every transition with the evidence of its time.
func (s *rolloutStory) past() page.Section {
	out := transitionTable(s.r.ID, s.history)
	out.ID, out.Title, out.About = "history", "History", "Each transition with its reason; the evidence is as it was at that time."
	out.Get = part.Downloads{CSV: rolloutAPI(s.r.ID) + "/history?format=csv", JSON: rolloutAPI(s.r.ID) + "/history"}
	out.None = part.Empty{Title: "Nothing happened yet", Text: "Transitions are listed here with their reasons."}
	for i := range out.Table.Rows {
		out.Table.Rows[i].Current = s.then != nil && s.history[i].Revision == s.then.Revision
	}
	return out
}

func transitionTable(id string, ts []flags.Transition) page.Section {
	out := page.Section{Table: part.Table{Caption: "Transitions, latest first", Columns: []part.Column{
		{Head: "What"}, {Head: "Why"}, {Head: "When"}, {Head: "Share", Num: true}, {Head: "By"}, {Head: "Evidence"},
	}}}
	for i := range ts {
		t := &ts[i]
		first := part.Cell{Status: actionStatus(t.Action), Class: "who"}
		evidence := part.Cell{Value: part.Value{Text: "none needed"}, Class: "muted"}
		if t.Decision != nil {
			evidence = part.To(evidenceWords(t.Decision), address(rolloutURL(id), "revision", strconv.FormatInt(t.Revision, 10)))
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
			first, because(t.Reason), part.When(t.At), part.Text(percent(t.Percent)), actorCell(t.Actor), evidence,
		}})
	}
	return out
}

// evidenceWords counts the outcomes of a decision.
func evidenceWords(d *flags.Decision) string {
	const alone flags.Outcome = "alone" // the candidate is known, and nothing to compare it with
	n := map[flags.Outcome]int{}
	for i := range d.Checks {
		o := d.Checks[i].Outcome
		if o == flags.OutcomeUnknown && d.Checks[i].Candidate != nil {
			o = alone
		}
		n[o]++
	}
	var parts []string
	for _, o := range []struct {
		outcome flags.Outcome
		word    string
	}{
		{flags.OutcomeFail, "broken"},
		{flags.OutcomeError, "not checked"},
		{flags.OutcomeUnknown, "without data"},
		{alone, "not compared"},
		{flags.OutcomeUnsure, "undecided"},
		{flags.OutcomePass, "passed"},
	} {
		if n[o.outcome] > 0 {
			parts = append(parts, strconv.Itoa(n[o.outcome])+" "+o.word)
		}
	}
	if len(parts) == 0 {
		return "no guardrail"
	}
	return join(parts)
}
