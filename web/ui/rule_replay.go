package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/reconcile"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/api"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// replayForm tries a rule on past conflicts.
func replayForm(cur *flags.DocumentVersion, versions []flags.DocumentVersion) *page.Form {
	f := &page.Form{
		ID: "replay", Title: "What if the rule were another?", Button: "Try it on past conflicts", Action: rulePages.of(cur.ID.Name) + "/replays",
		Does: "Counts how many conflicts would have ended otherwise, and what would have been lost. Nothing is changed by it. At most " + format.Count(reconcile.MaxCompared) + " conflicts are looked at, newest first.",
		Fields: []page.Field{
			{Name: "definition", ID: "draft", Label: "Draft", Kind: "area", Broad: true, Max: maxDefinition, Value: draftOf(cur), Hint: "A rule that is not stored. Change it and see what it would do."},
			{Name: "version", Label: "Or a version that is stored", Kind: "pick", Options: versionOptions(versions), Hint: "The draft is tried when none is picked."},
			{Name: "range", Label: "Conflicts of", Kind: "pick", Value: "24h", Options: options("1h", "the last hour", "24h", "the last 24 hours", "7d", "the last 7 days", "28d", "the last 28 days")},
			{Name: "feature", Label: "Feature", Max: 128, Hint: "Empty: every feature whose conflicts name the rule. Filled: every conflict of the feature, whatever rule it names."},
			{Name: "limit", Label: "At most", Kind: "number", Value: "1000", Hint: "Conflicts, up to " + format.Count(reconcile.MaxCompared) + "."},
		},
	}
	return f
}

// draftOf is the current rule with the next version, to begin a draft with.
func draftOf(cur *flags.DocumentVersion) string {
	text := indented(cur.Content)
	if n, err := strconv.Atoi(cur.Version); err == nil {
		text = strings.Replace(text, `"version": `+cur.Version, `"version": `+strconv.Itoa(n+1), 1)
	}
	return text
}

func versionOptions(versions []flags.DocumentVersion) []page.Option {
	out, seen := []page.Option{{Value: "", Text: "The draft"}}, map[string]bool{}
	for i := range versions {
		if v := versions[i].Version; v != "" && !seen[v] && !gone(&versions[i]) {
			seen[v] = true
			out = append(out, page.Option{Value: v, Text: "Version " + v})
		}
	}
	return out
}

func (u *UI) startReplay(c echo.Context) error {
	ctx, name := c.Request().Context(), pathParam(c, "key")
	definition := c.FormValue("definition")
	version := c.FormValue("version")
	if version != "" {
		definition = ""
	}
	q, err := reconcile.PrepareReplay(ctx, u.o.Documents, name, version, []byte(definition))
	if err != nil {
		return api.RuleProblem(err)
	}
	limit, err := strconv.Atoi(orElse(c.FormValue("limit"), "1000"))
	if err != nil || limit < 1 || limit > reconcile.MaxCompared {
		return respond.Bad("limit", "%q is not allowed: want 1 to %d.", c.FormValue("limit"), reconcile.MaxCompared)
	}
	now := u.o.Now()
	q.Of = reconcile.AgreementQuery{Rule: name, Feature: c.FormValue("feature"), To: now, Limit: limit}
	if q.Of.Feature != "" {
		q.Of.Rule = ""
	}
	for _, s := range spans() {
		if s.name == orElse(c.FormValue("range"), "24h") {
			q.Of.From = now.Add(-s.d)
		}
	}
	if q.Of.From.IsZero() {
		return respond.Bad("range", "%q is no range. It is one of 15m, 1h, 24h, 7d and 28d.", c.FormValue("range"))
	}
	q.Of.May = api.MaySee(u.o.Policy, auth.Who(c))
	job, err := u.o.Replays.Start(*q, auth.Who(c).Actor())
	if err != nil {
		return err
	}
	// Short ones are done by the time that the page is asked for.
	if _, err := u.o.Replays.Get(ctx, job.ID, job.By, q.Of.May, time.Second); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, replayURL(name, job.ID))
}

func replayURL(rule, id string) string { return rulePages.of(rule) + "/replays/" + escaped(id) }

func (u *UI) stopReplay(c echo.Context) error {
	id := pathParam(c, "id")
	if err := u.o.Replays.Stop(id, auth.Who(c).Actor()); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, replayURL(pathParam(c, "key"), id))
}

// replay shows how far a replay is, or what came of it.
func (u *UI) replay(c echo.Context) error {
	name, id := pathParam(c, "key"), pathParam(c, "id")
	who := auth.Who(c)
	job, err := u.o.Replays.Get(c.Request().Context(), id, who.Actor(), api.MaySee(u.o.Policy, who), 0)
	if err != nil {
		return err
	}
	m := page.Replay{Stop: replayURL(name, id) + "/stop", Again: part.Link{Text: "Look again", URL: replayURL(name, id)}}
	m.Head.Crumbs = []part.Crumb{{Text: "Rules", URL: rulePages.url}, {Text: name, URL: rulePages.of(name)}, {Text: "Replay"}}
	v := view{title: "Replay of " + name, current: rulePages.url}
	switch {
	case !job.Ended:
		// The page fetches itself again while it is open, and when events come in.
		v.topic = live.TopicOverview
		m.Running, m.Progress = true, "The conflicts are being listed."
		m.Head.Answer = "The rule is being tried on past conflicts."
		if job.Of > 0 {
			m.Share = float64(job.Done) / float64(job.Of)
			m.Progress = format.Count(int64(job.Done)) + " of " + format.Count(int64(job.Of)) + " conflicts."
		}
	case job.Result == nil:
		m.Head.Tone, m.Head.Answer, m.Head.Sub = part.Bad, "The replay did not come to its end.", job.Error
	default:
		fillReplay(&m, job.Result)
		m.Get = both("/api/v1/replays/" + escaped(id))
	}
	m.Head.Sub = strings.TrimSpace(m.Head.Sub + " Nothing was changed by it; results are kept for an hour.")
	v.body = page.ShowReplay(m)
	return u.show(c, v)
}

func fillReplay(m *page.Replay, r *reconcile.Replay) {
	crumbs := m.Head.Crumbs
	m.Head = replayHead(r)
	m.Head.Crumbs = crumbs
	m.Facts = []part.Fact{
		{Name: "Conflicts", Value: part.Value{Text: format.Count(int64(r.Conflicts)), Under: moreWords(r.More)}},
		{Name: "Other outcome", Value: part.Percent(int64(r.Changed), int64(r.Same+r.Changed+r.Asked), "decided by a program")},
		{Name: "Fields lost", Value: part.Value{Text: format.Count(int64(r.Before.Fields)) + " → " + format.Count(int64(r.After.Fields)), Under: "rule of then → this rule"}},
		{Name: "Writes lost whole", Value: part.Value{Text: format.Count(int64(r.Before.Writes)) + " → " + format.Count(int64(r.After.Writes)), Under: "in " + format.Count(int64(r.Compared)) + " conflicts"}},
	}
	m.Outcomes = replayOutcomes(r)
	if len(r.Features) > 1 {
		m.Features = replayFeatures(r)
	}
	m.Examples = replayExamples(r)
}

func moreWords(more bool) string {
	if more {
		return "older ones were not looked at"
	}
	return ""
}

func replayHead(r *reconcile.Replay) part.Head {
	h := part.Head{Tone: part.Tide, Facts: []string{r.Name, "version " + strconv.Itoa(r.Version)}}
	told := r.Conflicts - r.Unjudged
	switch {
	case r.Conflicts == 0:
		h.Tone, h.Answer = part.Neutral, "There was no conflict to try it on."
	case told == 0:
		h.Tone, h.Answer = part.Neutral, "What the rule would have made of these conflicts cannot be told from what was reported."
	case r.Changed == 0 && r.Asked == 0 && r.Spared == 0:
		h.Tone, h.Answer = part.Good, "None of "+format.Plural(int64(told), "conflict", "conflicts")+" would have ended otherwise."
	default:
		h.Answer = format.Count(int64(r.Changed)) + " of " + format.Plural(int64(told), "conflict", "conflicts") + " would have ended otherwise"
		switch {
		case r.Asked > 0:
			h.Answer += ", and " + format.Count(int64(r.Asked)) + " more would have gone to a person."
		case r.Spared > 0:
			h.Answer += ", and " + format.Count(int64(r.Spared)) + " would not have needed a person."
		default:
			h.Answer += "."
		}
	}
	return h
}

func replayOutcomes(r *reconcile.Replay) page.Section {
	s := page.Section{ID: "outcomes", Title: "What would become of them"}
	s.Table = part.Table{Caption: "Outcomes", Columns: []part.Column{{Head: "Outcome"}, {Head: "Conflicts", Num: true}, {Head: "What it means"}}}
	add := func(name string, n int, means string) {
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.Text(name), cell(part.Percent(int64(n), int64(r.Conflicts), "conflicts")), part.Text(means)}})
	}
	add("As it was", r.Same, "the same winner, or a merge with the same result")
	add("Otherwise", r.Changed, "another winner, or another result")
	add("To a person", r.Asked, "a program decided it, and this rule would not")
	add("Without a person", r.Spared, "it was open or a person decided it; of those decided, "+format.Count(int64(r.PersonSame))+" as this rule would")
	add("Still to a person", r.Left, "it was open or a person decided it, and this rule leaves it so")
	add("Cannot be told", r.Unjudged, causeWords(r.Causes))
	if r.Doubtful > 0 {
		add("Of all, in doubt", r.Doubtful, "the order of the writes is within what the clocks may be wrong by, or was not measured")
	}
	return s
}

func replayFeatures(r *reconcile.Replay) page.Section {
	s := page.Section{ID: "features", Title: "By feature"}
	s.Table = part.Table{Caption: "By feature", Columns: []part.Column{{Head: "Feature"}, {Head: "As it was", Num: true}, {Head: "Otherwise", Num: true}, {Head: "To a person", Num: true}, {Head: "Fields lost", Num: true}}}
	for i := range r.Features {
		f := &r.Features[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(f.Feature, featureURL(f.Feature)), cell(number(int64(f.Same))), cell(number(int64(f.Changed))), cell(number(int64(f.Asked))),
			part.Text(format.Count(int64(f.Before.Fields)) + " → " + format.Count(int64(f.After.Fields))),
		}})
	}
	return s
}

func replayExamples(r *reconcile.Replay) page.Section {
	s := page.Section{ID: "examples", Title: "Conflicts that would have ended otherwise", About: "The newest ones, at most 20.", None: part.Empty{Title: "None", Text: "Every conflict that can be told would have ended as it did."}}
	s.Table = part.Table{Caption: "Examples", Steps: true, Columns: []part.Column{{Head: "Conflict"}, {Head: "Feature"}, {Head: "Was"}, {Head: "Would be"}, {Head: "Why"}, {Head: "Fields lost", Num: true}}}
	for i := range r.Examples {
		e := &r.Examples[i]
		first := part.To(e.Key, conflictURL(e.Conflict))
		first.Mono = true
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, part.To(e.Feature, featureURL(e.Feature)), mono(e.Was), mono(e.Now), part.Text(e.Why), part.Text(format.Count(int64(e.LostBefore)) + " → " + format.Count(int64(e.LostAfter))),
		}})
	}
	return s
}

// replayRows lists somebody's replays of a rule that run, or are kept.
func (u *UI) replayRows(name string, who *access.Identity) page.Section {
	s := page.Section{ID: "replays", Title: "Your replays of the last hour"}
	s.Table = part.Table{Caption: "Replays", Tight: true, Columns: []part.Column{{Head: "Began"}, {Head: "Otherwise", Num: true}}}
	for _, j := range u.o.Replays.Of(name, who.Actor(), api.MaySee(u.o.Policy, who)) {
		changed := part.Text("under way")
		if j.Ended {
			changed = part.Text("stopped")
		}
		if j.Result != nil {
			changed = cell(part.Percent(int64(j.Result.Changed), int64(j.Result.Conflicts), "conflicts"))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{{At: j.Began, URL: replayURL(name, j.ID)}, changed}})
	}
	return s
}
