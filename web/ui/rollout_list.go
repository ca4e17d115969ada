package ui

import (
	"slices"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
)

func (u *UI) rollouts(c echo.Context) error {
	list, err := u.o.Rollouts.List(c.Request().Context())
	if err != nil {
		return err
	}
	may := auth.Who(c).May(access.Control)
	var running, ended []flags.Rollout
	for i := range list {
		if list[i].State.Final() {
			ended = append(ended, list[i])
		} else {
			running = append(running, list[i])
		}
	}
	slices.SortStableFunc(running, func(a, b flags.Rollout) int { return urgency(&a) - urgency(&b) })
	m := page.Rollouts{
		Head:    rolloutsHead(running, ended),
		Running: u.rolloutRows("running", "Under way, those that need somebody first", running, may),
		Ended:   u.rolloutRows("ended", "Over", ended, false),
	}
	m.Running.None = firstRollout(len(ended) > 0)
	if may {
		m.New = part.Link{Text: "New rollout", URL: "/rollouts/new"}
	}
	return u.show(c, view{title: "Rollouts", current: "/rollouts", topic: live.TopicRollouts, body: page.ShowRollouts(m)})
}

// urgency is 0 for a rollout that needs a person most.
func urgency(r *flags.Rollout) int {
	if r.State == flags.RolloutDraft {
		return 5
	}
	if r.State == flags.RolloutWaiting && r.Plan.Approvals > len(r.Approvals) {
		return 2
	}
	return toneRank(rolloutStatus(r).Tone)
}

func rolloutsHead(running, ended []flags.Rollout) part.Head {
	if len(running) == 0 {
		h := part.Head{Answer: "Nothing is being rolled out.", Tone: part.Neutral}
		if len(ended) > 0 {
			h.Sub = format.Plural(int64(len(ended)), "rollout is", "rollouts are") + " over."
		}
		return h
	}
	h := part.Head{Tone: part.Good, Answer: format.Plural(int64(len(running)), "rollout is", "rollouts are") + " under way; none needs you."}
	if st := rolloutStatus(&running[0]); urgency(&running[0]) < 3 {
		h.Tone = st.Tone
		n := 0
		for i := range running {
			if urgency(&running[i]) < 3 {
				n++
			}
		}
		h.Answer = format.Plural(int64(n), "rollout needs", "rollouts need") + " somebody."
		h.Sub = rolloutName(&running[0]) + ": " + running[0].Decision.Why
	}
	return h
}

// firstRollout says how one is begun.
func firstRollout(before bool) part.Empty {
	e := part.Empty{
		Title: "Begin the first rollout",
		Text:  "A rollout gives a flag’s new variant to more and more units, and the telemetry decides whether it widens. It needs a flag with two variants, and a feature whose writes name the flag and their unit.",
		Link:  part.Link{Text: "Begin one here, or by a program:", URL: "/rollouts/new"},
		Command: part.Command{
			ID: "first-rollout",
			Text: "curl -X POST $TIDEMARK_URL/api/v1/rollouts -H \"Authorization: Bearer $TIDEMARK_KEY\" -d '{\n" +
				"  \"title\": \"Causal profiles\", \"reason\": \"try it\", \"plan\": {\n" +
				"    \"flag\": \"profile-consistency\", \"feature\": \"profile-edit\",\n" +
				"    \"candidate\": \"causal\", \"control\": \"eventual\"}}'",
		},
	}
	if before {
		e.Title = "Nothing is under way"
	}
	return e
}

func (u *UI) rolloutRows(id, title string, list []flags.Rollout, may bool) page.Section {
	s := page.Section{ID: id, Title: title, Get: part.Downloads{CSV: "/api/v1/rollouts?format=csv", JSON: "/api/v1/rollouts"}}
	s.Table = part.Table{Caption: title, Cards: true, Steps: true, Columns: []part.Column{
		{Head: "Rollout"}, {Head: "State"}, {Head: "Share", Num: true}, {Head: "Why"}, {Head: "Flag"}, {Head: "Feature"}, {Head: "Begun by"}, {Head: "Changed"},
	}}
	for i := range list {
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: u.rolloutRow(&list[i])})
	}
	if may && len(list) > 0 {
		s.Table.Columns = append(s.Table.Columns, part.Column{Head: "Way back"})
		for i := range list {
			cells := &s.Table.Rows[i].Cells
			if list[i].State.Active() && list[i].State != flags.RolloutReverting {
				*cells = append(*cells, part.To("Revert…", rolloutURL(list[i].ID)+"/revert"))
			} else {
				*cells = append(*cells, part.Cell{Value: part.Value{Text: "none needed"}, Class: "muted"})
			}
		}
	}
	return s
}

func (u *UI) rolloutRow(r *flags.Rollout) []part.Cell {
	first := part.To(rolloutName(r), rolloutURL(r.ID))
	first.Under, first.Class = r.Plan.Candidate+" against "+r.Plan.Control, "who"
	share := part.Value{Text: percent(r.Percent), Under: "step " + stepWords(r)}
	changed := r.StepAt
	if !r.EndedAt.IsZero() {
		changed = r.EndedAt
	} else if changed.IsZero() {
		changed = r.CreatedAt
	}
	why := part.Text(r.Decision.Why)
	if why.Text == "" {
		why.Text = rolloutAnswer(r, u.o.Now())
	}
	why.Class = "wrap"
	return []part.Cell{
		first,
		{Status: rolloutStatus(r)},
		cell(share), why, mono(r.Plan.Flag), part.To(r.Plan.Feature, featureURL(r.Plan.Feature)),
		part.Text(r.CreatedBy), part.When(changed),
	}
}
