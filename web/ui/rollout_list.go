package ui

import (
	"fmt"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/rollout"
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
	who := auth.Who(c)
	var running, ended []flags.Rollout
	for i := range list {
		if list[i].State.Final() {
			ended = append(ended, list[i])
		} else {
			running = append(running, list[i])
		}
	}
	slices.SortStableFunc(running, func(a, b flags.Rollout) int { return urgency(&a) - urgency(&b) })
	shown := running[:min(len(running), maxUnderWay)]
	mayRevert := make([]bool, len(shown))
	for i := range shown {
		may, err := u.mayRollout(c.Request().Context(), who, &shown[i])
		if err != nil {
			return err
		}
		mayRevert[i] = may(rollout.CommandRevert)
	}
	m := page.Rollouts{
		Head:    rolloutsHead(running, ended),
		Running: u.rolloutRows("running", "Under way, those that need somebody first", shown, mayRevert),
		Ended:   u.rolloutRows("ended", "Over", ended[:min(len(ended), maxOver)], nil),
	}
	m.Running.About, m.Ended.About = partOf(len(shown), len(running), "first"), partOf(len(m.Ended.Table.Rows), len(ended), "latest")
	health := u.o.Rollouts.Health()
	m.Notices = healthNotice(&health, u.o.Now())
	begins := who.May(access.Control) || len(who.User.Features) > 0
	m.Running.None = firstRollout(len(ended) > 0, begins)
	if begins {
		m.New = part.Link{Text: "New rollout", URL: "/rollouts/new"}
	}
	return u.show(c, view{title: "Rollouts", current: "/rollouts", topic: live.TopicRollouts, body: page.ShowRollouts(m)})
}

// Bounds of the page: the lists that it links to have all.
const (
	maxUnderWay = 200
	maxOver     = 50
)

// partOf says of a list that not all is shown; "" when all is.
func partOf(shown, all int, which string) string {
	if shown == all {
		return ""
	}
	return fmt.Sprintf("The %s %d of %s; CSV and JSON have all.", which, shown, format.Count(int64(all)))
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
		h := part.Head{Answer: "Nothing is being rolled out."}
		if len(ended) > 0 {
			h.Sub = format.Plural(int64(len(ended)), "rollout is", "rollouts are") + " over."
		}
		return h
	}
	waiting := slices.DeleteFunc(slices.Clone(running), func(r flags.Rollout) bool {
		return urgency(&r) >= 3 || r.State == flags.RolloutReverting // It goes back by itself.
	})
	h := part.Head{Tone: part.Good, Answer: format.Plural(int64(len(running)), "rollout is", "rollouts are") + " under way; none needs you."}
	switch first := &running[0]; {
	case len(waiting) > 0:
		h.Tone = rolloutStatus(&waiting[0]).Tone
		h.Answer = format.Plural(int64(len(waiting)), "rollout needs", "rollouts need") + " somebody."
		h.Sub = rolloutName(&waiting[0]) + ": " + waiting[0].Decision.Why
	case first.State == flags.RolloutReverting:
		h.Tone = part.Warn
		h.Answer = rolloutName(first) + " is going back; nobody has to act."
		h.Sub = "New sessions have " + first.Plan.Control + " already, pinned ones drain. " + first.Decision.Why
	}
	return h
}

// firstRollout says how one is begun, to whom may.
func firstRollout(before, may bool) part.Empty {
	if !may {
		return part.Empty{Title: "Nothing is being rolled out", Text: "Operators begin rollouts, and the teams that own a feature begin those of its flags."}
	}
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

// rolloutRows lists rollouts, with the way back of those that whoever looks may revert.
func (u *UI) rolloutRows(id, title string, list []flags.Rollout, mayRevert []bool) page.Section {
	s := page.Section{ID: id, Title: title, Get: part.Downloads{CSV: "/api/v1/rollouts?format=csv", JSON: "/api/v1/rollouts"}}
	s.Table = part.Table{Caption: title, Steps: true, Columns: []part.Column{
		{Head: "Rollout"}, {Head: "State"}, {Head: "Share", Num: true}, {Head: "Why"},
	}}
	for i := range list {
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: u.rolloutRow(&list[i])})
	}
	if slices.Contains(mayRevert, true) {
		// Beside the reason, so that nobody has to scroll for it.
		s.Table.Columns = append(s.Table.Columns, part.Column{Head: "Way back"})
		for i := range list {
			cells := &s.Table.Rows[i].Cells
			switch r := &list[i]; {
			case !mayRevert[i]:
				*cells = append(*cells, part.Cell{Value: part.Value{Text: "its owners'"}, Class: "muted"})
			case r.State.Active() && slices.Contains(offered(r), rollout.CommandRevert):
				*cells = append(*cells, part.To("Revert…", rolloutURL(list[i].ID)+"/revert"))
			default:
				*cells = append(*cells, part.Cell{Value: part.Value{Text: "none needed"}, Class: "muted"})
			}
		}
	}
	s.Table.Columns = append(s.Table.Columns, part.Column{Head: "Feature"}, part.Column{Head: "Begun by"}, part.Column{Head: "Changed"})
	for i := range list {
		r, cells := &list[i], &s.Table.Rows[i].Cells
		*cells = append(*cells, part.To(r.Plan.Feature, featureURL(r.Plan.Feature)), actorCell(r.CreatedBy), part.When(lastChange(r)))
	}
	return s
}

// lastChange is when a rollout last changed its step or state.
func lastChange(r *flags.Rollout) time.Time {
	switch {
	case !r.EndedAt.IsZero():
		return r.EndedAt
	case !r.StepAt.IsZero():
		return r.StepAt
	}
	return r.CreatedAt
}

func (u *UI) rolloutRow(r *flags.Rollout) []part.Cell {
	first := part.To(rolloutName(r), rolloutURL(r.ID))
	first.Under, first.Class = r.Plan.Candidate+" against "+r.Plan.Control+", flag "+r.Plan.Flag, "who"
	share := part.Value{Text: percent(r.Percent), Under: "step " + stepWords(r)}
	why := part.Text(r.Decision.Why)
	if why.Text == "" {
		why.Text = rolloutAnswer(r, u.o.Now())
	}
	why.Class = "wrap"
	return []part.Cell{
		first,
		{Status: rolloutStatus(r)},
		cell(share), why,
	}
}
