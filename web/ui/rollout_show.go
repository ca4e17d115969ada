package ui

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/rollout"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// rolloutStory is everything that a rollout's page shows.
type rolloutStory struct {
	r        flags.Rollout
	history  []flags.Transition
	evidence metrics.TrialEvidence
	known    bool // there is evidence
	failed   error
	now      time.Time
	health   rollout.Health
	// pinned is who holds good pins, by variant; uncounted is why that is not known.
	pinned    []flagset.Pinned
	uncounted error
	// then is the transition whose evidence is shown; nil for the present.
	then *flags.Transition
}

func (u *UI) rollout(c echo.Context) error {
	s, err := u.rolloutStory(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	if err := s.pick(c); err != nil {
		return err
	}
	may, err := u.mayRollout(c.Request().Context(), auth.Who(c), &s.r)
	if err != nil {
		return err
	}
	m := s.page(may)
	m.About = append(m.About, u.reconcilesBy(&s.r.Plan)...)
	topic := live.TopicRollouts
	if s.r.State.Final() || s.then != nil {
		topic = "" // Nothing of it can change any more.
	}
	return u.show(c, view{title: rolloutName(&s.r), current: "/rollouts", topic: topic, body: page.ShowRollout(m)})
}

func (u *UI) rolloutStory(ctx context.Context, id string) (*rolloutStory, error) {
	s := &rolloutStory{now: u.o.Now()}
	var err error
	if s.r, err = u.o.Rollouts.Get(ctx, id); err != nil {
		return nil, err
	}
	if s.history, err = u.o.Rollouts.History(ctx, id); err != nil {
		return nil, err
	}
	// That the telemetry does not answer is something to show, not a reason for no page.
	s.evidence, s.known, s.failed = u.o.Evidence.Evidence(ctx, id)
	s.health = u.o.Rollouts.Health()
	if s.hasPins() && u.o.Flags != nil {
		s.pinned, s.uncounted = u.o.Flags.Pinned(ctx, id, s.r.PinsBrokenAt)
	}
	return s, nil
}

// pick reads which moment of the history is asked for.
func (s *rolloutStory) pick(c echo.Context) error {
	raw := c.QueryParam("revision")
	if raw == "" {
		return nil
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	for i := range s.history {
		if t := &s.history[i]; err == nil && t.Revision == n && t.Decision != nil {
			s.then = t
			return nil
		}
	}
	return respond.Bad("revision", "%q is no revision of this rollout with evidence of its own.", raw)
}

// decision is the one that is shown.
func (s *rolloutStory) decision() *flags.Decision {
	if s.then != nil {
		return s.then.Decision
	}
	return &s.r.Decision
}

func (s *rolloutStory) page(may func(rollout.CommandVerb) bool) page.Rollout {
	r, d := &s.r, s.decision()
	m := page.Rollout{
		Head: s.head(), Notices: s.notices(), Stages: stages(r, s.now), Phases: phases(r),
		Decision: s.decided(), Sample: s.sample(), Guards: guards(d), Numbers: guardNumbers(r.ID, d),
		About: planPairs(r), History: s.past(),
	}
	m.Pins, m.PinsText = s.pins()
	if s.then == nil {
		m.Actions = rolloutActions(r, may)
	}
	return m
}

func (s *rolloutStory) head() part.Head {
	r := &s.r
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Rollouts", URL: "/rollouts"}, {Text: rolloutName(r)}},
		Answer: rolloutAnswer(r, s.now), Status: rolloutStatus(r),
		Sub: r.Plan.Candidate + " (candidate) against " + r.Plan.Control + " (control) of flag " + r.Plan.Flag + ", for " + r.Plan.Feature + ".",
	}
	if r.Plan.Feature != "" {
		h.Link = part.Link{Text: "See where its time goes.", URL: featureURL(r.Plan.Feature)}
		if r.State.Final() && s.then == nil {
			h.Link = part.Link{Text: "What came after it ended counts there, by variant.", URL: address(featureURL(r.Plan.Feature), "by", "variant")}
		}
	}
	h.Tone = h.Status.Tone
	if h.Tone == part.Tide {
		h.Tone = part.Neutral
		if r.State == flags.RolloutRunning {
			h.Tone = part.Tide
		}
	}
	h.Facts = append(h.Facts, "step "+stepWords(r), percent(r.Percent)+" in force", "begun by "+actorName(r.CreatedBy))
	if d := s.draining(); d != "" && s.then == nil {
		h.Facts = append(h.Facts, d)
	}
	if left, ok := deadlineIn(r); ok {
		h.Facts = append(h.Facts, "deadline in "+format.Age(left)+", then "+string(r.Plan.OnDeadline))
	}
	return h
}

// deadlineIn is how much longer the step may run; ok is false without a deadline.
func deadlineIn(r *flags.Rollout) (left time.Duration, ok bool) {
	if r.Plan.Deadline == 0 || r.State != flags.RolloutRunning || r.Step < 0 || r.Step >= len(r.Plan.Steps) {
		return 0, false
	}
	return max(0, time.Duration(r.Plan.Steps[r.Step].Bake)+time.Duration(r.Plan.Deadline)-r.Ran), true
}

func (s *rolloutStory) notices() []part.Notice {
	out := healthNotice(&s.health, s.now)
	if s.then != nil {
		out = append(out, part.Notice{
			Tone: part.Tide, Text: "This is the evidence as it was on " + s.then.At.UTC().Format("2 Jan 2006 15:04:05 UTC") + ",",
			More: "when the rollout was " + pastTense(s.then.Action) + ".", Link: part.Link{Text: "Back to the present.", URL: rolloutURL(s.r.ID)},
		})
	}
	d := s.decision()
	if d.SRM != nil && d.SRM.Mismatch {
		out = append(out, part.Notice{
			Tone: part.Bad, Text: "The sample ratio is off:", More: ratioText(d.SRM) + " Units went missing from one arm, so the arms cannot be compared; nothing widens until it is understood.",
		})
	}
	if s.failed != nil {
		out = append(out, part.Notice{Tone: part.Warn, Text: "The evidence could not be read:", More: s.failed.Error()})
	}
	for i := range d.Checks {
		if c := &d.Checks[i]; c.Outcome == flags.OutcomeError {
			out = append(out, part.Notice{Tone: part.Warn, Text: guardTitle(c.Guardrail.Metric) + " could not be checked:", More: c.Why})
		}
	}
	if len(s.evidence.Silent) > 0 && s.r.State == flags.RolloutRunning {
		out = append(out, part.Notice{Tone: part.Warn, Text: format.List(s.evidence.Silent) + " fell silent:", More: "what does not arrive cannot be judged, so the rollout holds."})
	}
	return out
}

// stages are the steps of the plan, done, in force and to come.
func stages(r *flags.Rollout, now time.Time) []part.Stage {
	out := make([]part.Stage, 0, len(r.Plan.Steps))
	for i, st := range r.Plan.Steps {
		s := part.Stage{Name: percent(st.Percent), State: "next", Text: stepNeeds(&st)}
		switch {
		case r.State == flags.RolloutCompleted || (i < r.Step && !r.State.Final()):
			s.State, s.Text = "done", stepLasted(r, i, now)
		case r.State == flags.RolloutReverting || r.State == flags.RolloutReverted:
			s.State = "off"
			if i == r.Step {
				s.Text = "reverted here"
			} else if i < r.Step {
				s.Text = stepLasted(r, i, now)
			} else {
				s.Text = "not reached"
			}
		case i == r.Step && r.State.Active():
			s.State = "now"
			s.Text, s.Share, s.Known = stepProgress(r, &st)
		}
		out = append(out, s)
	}
	return out
}

func stepNeeds(st *flags.PlanStep) string {
	if st.Bake == 0 {
		return format.Short(st.MinUnits) + " units an arm"
	}
	return "bake " + chosen(st.Bake) + ", " + format.Short(st.MinUnits) + " units an arm"
}

func stepProgress(r *flags.Rollout, st *flags.PlanStep) (text string, share float64, known bool) {
	word := "now"
	if r.State == flags.RolloutPaused {
		word = "paused"
	}
	if st.Bake == 0 {
		return word, 0, false
	}
	return word + ", " + format.Age(min(r.Baked, time.Duration(st.Bake))) + " of " + chosen(st.Bake), float64(r.Baked) / float64(st.Bake), true
}

// stepLasted is when a step was last entered and how long it was in force.
func stepLasted(r *flags.Rollout, i int, now time.Time) string {
	var from, to time.Time
	for j, iv := range r.Intervals {
		if iv.Step != i {
			continue
		}
		from, to = iv.From, now
		if !r.EndedAt.IsZero() {
			to = r.EndedAt
		}
		if j+1 < len(r.Intervals) {
			to = r.Intervals[j+1].From
		}
	}
	if from.IsZero() {
		return "passed over"
	}
	return from.UTC().Format("2 Jan") + ", " + format.Age(to.Sub(from))
}

// phases are those of a migration.
func phases(r *flags.Rollout) []part.Stage {
	out := make([]part.Stage, 0, len(r.Plan.Phases))
	before := r.Phase != "" && r.Phase != flags.PhaseOff
	for _, p := range r.Plan.Phases {
		s := part.Stage{Name: string(p.Phase), State: "next", Text: phaseNeeds(&p)}
		switch {
		case p.Phase == r.Phase && !r.State.Final():
			s.State, before = "now", false
		case before || r.State == flags.RolloutCompleted:
			s.State = "done"
		}
		out = append(out, s)
	}
	return out
}

func phaseNeeds(p *flags.PlanPhase) string {
	text := p.Variant
	if p.Phase == flags.PhaseLive {
		text = "by the steps"
	}
	switch {
	case p.SignOff != "":
		text += ", signed off by " + p.SignOff
	case p.Webhook != "":
		text += ", passed by a webhook"
	case p.Check != nil:
		text += ", " + checkWords(p.Check)
	}
	return text
}

func checkWords(k *flags.PhaseCheck) string {
	name := k.SLI
	if k.Of != "" {
		name += " of " + k.Of
	}
	return name + " " + opWord(k.Op) + " " + strconv.FormatFloat(k.Value, 'g', -1, 64)
}

func opWord(op string) string {
	if op == "gte" {
		return "at least"
	}
	return "at most"
}

// planPairs is the plan in words.
func planPairs(r *flags.Rollout) []page.Pair {
	p := &r.Plan
	link := part.To(p.Flag, flagPages.of(p.Flag))
	out := []page.Pair{
		{Name: "Flag", Cell: link},
		{Name: "Feature", Cell: part.To(p.Feature, featureURL(p.Feature))},
		{Name: "Candidate", Cell: part.Text(p.Candidate)},
		{Name: "Control", Cell: part.Text(p.Control)},
		{Name: "Who", Cell: part.Text(cohortWords(p.Cohort))},
	}
	add := func(name, text string) { out = append(out, page.Pair{Name: name, Cell: part.Text(text)}) }
	if p.Guarantee != "" {
		text := part.To(p.Guarantee, guaranteeURL(p.Guarantee))
		if p.Completes != "" {
			text.Under = "completing it activates version " + p.Completes
		}
		out = append(out, page.Pair{Name: "Promise", Cell: text})
	}
	if p.Deadline > 0 {
		add("Deadline of a step", chosen(p.Deadline)+" beyond its bake time, then "+string(p.OnDeadline))
	}
	if p.NoData > 0 {
		add("Without data", "reverts after "+chosen(p.NoData))
	}
	if p.PinFor > 0 {
		add("Sessions stay pinned", "for "+chosen(p.PinFor))
	}
	if p.Approvals > 0 {
		add("Approvals", strconv.Itoa(len(r.Approvals))+" of "+strconv.Itoa(p.Approvals))
	}
	for _, a := range r.Approvals {
		out = append(out, page.Pair{Name: "Approved by", Cell: part.Cell{Value: part.Value{Text: actorName(a.Actor), Hint: a.Actor, Under: a.Note}}})
	}
	for _, f := range p.Freeze {
		add("Frozen", f.From.UTC().Format("2 Jan 15:04")+" to "+f.Until.UTC().Format("2 Jan 15:04 UTC")+": "+f.Reason)
	}
	out = append(out, page.Pair{Name: "Begun", Cell: part.Cell{Value: part.Value{Under: "by " + actorName(r.CreatedBy), Hint: r.CreatedBy}, At: r.CreatedAt}})
	return out
}

// cohortWords says who may get the candidate.
func cohortWords(rule json.RawMessage) string {
	if len(rule) == 0 {
		return "everybody"
	}
	var ref struct {
		Ref string `json:"$ref"`
	}
	if json.Unmarshal(rule, &ref) == nil && ref.Ref != "" {
		return "cohort " + ref.Ref
	}
	return "those for whom " + string(rule)
}
