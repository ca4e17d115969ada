package ui

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

func guaranteeID(c echo.Context) flags.DocumentID {
	return flags.DocumentID{Kind: flags.KindGuarantee, Name: pathParam(c, "name")}
}

func (u *UI) guarantee(c echo.Context) error {
	ctx := c.Request().Context()
	id := guaranteeID(c)
	versions, err := u.o.Catalogue.Versions(ctx, id)
	if err != nil {
		return err
	}
	from, to, err := revisions(c, versions)
	if err != nil {
		return err
	}
	m := page.Guarantee{Notices: staleNotice(u.o.Snapshot(), u.o.Now())}
	cur := &versions[guarantee.Held(versions)]
	u.guaranteeVerdict(&m, cur)
	if next := &versions[0]; next.Revision != cur.Revision {
		m.Notices = append(m.Notices, part.Notice{
			Tone: part.Tide, Text: "Version " + next.Version + " is a draft.", More: "Version " + cur.Version + " stays in force beside it, until a rollout that names the draft completes, or an active version is applied.",
			Link: part.Link{Text: "What it would change.", URL: address(guaranteeURL(id.Name), "revision", strconv.FormatInt(next.Revision, 10))},
		})
	}
	m.About, m.Versions = terms(cur), versionRows(id.Name, versions, from, to)
	m.Source = part.Command{ID: "document-text", Text: string(cur.Content)}
	m.Files = []part.Link{
		{Text: "Download YAML", URL: guaranteeURL(id.Name) + "/document"},
		{Text: "Download OpenSLO", URL: guaranteeURL(id.Name) + "/openslo"},
	}
	if m.Changes, err = u.changes(ctx, id, from, to); err != nil {
		return err
	}
	if err := u.guaranteeHistory(ctx, &m, cur); err != nil {
		return err
	}
	if who := auth.Who(c); who.MayControl(cur.Feature) {
		m.Review = u.reviewForm(ctx, id.Name)
		m.Review.Revision = revisionText(cur.Revision)
		if to != cur.Revision && who.MayControl(guarantee.Features(versions)...) {
			m.Restore = &page.Restore{
				Action: guaranteeURL(id.Name) + "/restore", Revision: strconv.FormatInt(to, 10), Base: revisionText(versions[0].Revision),
				Text: "What revision " + strconv.FormatInt(to, 10) + " says becomes a new revision, in force at once. Nothing is lost: the present one stays in the history and can be restored too.",
			}
		}
	}
	return u.show(c, view{title: id.Name, current: "/guarantees", topic: live.TopicOverview, body: page.ShowGuarantee(m)})
}

// revisions reads which two revisions to compare: the last two by default.
func revisions(c echo.Context, versions []guarantee.Stored) (from, to int64, err error) {
	to = versions[0].Revision
	if s := c.QueryParam("revision"); s != "" {
		if to, err = readRevision("revision", s, versions); err != nil {
			return 0, 0, err
		}
		return versions[guarantee.Held(versions)].Revision, to, nil
	}
	from = to
	if len(versions) > 1 {
		from = versions[1].Revision
	}
	return from, to, nil
}

func readRevision(name, s string, versions []guarantee.Stored) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		for i := range versions {
			if versions[i].Revision == n {
				return n, nil
			}
		}
	}
	return 0, respond.Bad(name, "There is no revision %q. Revisions are whole numbers from 1 to %d.", s, versions[0].Revision)
}

func (u *UI) guaranteeVerdict(m *page.Guarantee, cur *guarantee.Stored) {
	g := cur.Document.Guarantee
	m.Head = part.Head{
		Crumbs: []part.Crumb{{Text: "Guarantees", URL: "/guarantees"}, {Text: g.Name}},
		Answer: g.Name + " is not in force: its status is " + string(g.Status) + ".", Tone: part.Neutral, Sub: "“" + g.Story + "”",
		Facts: []string{"version " + g.Version, string(g.Model), "owner " + g.Owner},
	}
	r, ok := u.o.Snapshot().Guarantee(g.Name)
	if !ok {
		return
	}
	m.Head.Status = verdictStatus(r.Verdict)
	m.Head.Tone = m.Head.Status.Tone
	m.Head.Answer = g.Name + " is " + string(r.Verdict) + "."
	m.Head.Sub += " " + r.Why
	m.Head.Link = part.Link{Text: "Where the time of " + g.Feature + " goes", URL: featureURL(g.Feature)}
	for i := range r.Objectives {
		m.Objectives = append(m.Objectives, objectiveCard(&r.Objectives[i]))
	}
}

func objectiveCard(o *guarantee.ObjectiveResult) page.ObjectiveCard {
	c := page.ObjectiveCard{Words: o.Words, Status: verdictStatus(o.Verdict), Why: o.Why, Budget: budget(o)}
	if o.Goal == 0 {
		c.Facts = []part.Fact{{Name: "Oldest write that waits", Value: duration(o.AgeNS)}, {Name: "Limit", Value: part.Value{Text: format.Duration(o.LimitNS)}}}
		c.Budget.Known = false
		return c
	}
	lasts := duration(o.ExhaustedInNS)
	if o.ExhaustedInNS == nil && o.BudgetLeft != nil {
		lasts = part.Value{Text: "it lasts", Under: "at the rate of the last hour"}
		if *o.BudgetLeft <= 0 {
			lasts = part.Value{Text: "used up", Tone: part.Bad}
		}
	}
	c.Facts = []part.Fact{
		{Name: "Kept over " + format.Duration(o.WindowNS), Value: kept(o)},
		{Name: "Bad", Value: part.Value{Text: format.Short(o.Eligible - o.Good), Under: "of " + format.Short(o.Eligible) + " eligible"}},
		{Name: "Budget gone in", Value: lasts},
	}
	c.Burn = burnTable(o)
	return c
}

func burnTable(o *guarantee.ObjectiveResult) part.Table {
	t := part.Table{Caption: "Burn rates: how many times too fast the error budget is used", Tight: true, Columns: []part.Column{
		{Head: "Alert"}, {Head: "Status"}, {Head: "Fires above", Num: true}, {Head: "Long window", Num: true}, {Head: "Short window", Num: true},
	}}
	for i := range o.Burn {
		b := &o.Burn[i]
		st := part.Status{Tone: part.Good, Text: "Quiet"}
		switch {
		case b.Exceeded && b.Severity == flags.SeverityPage:
			st = part.Status{Tone: part.Bad, Text: "Exceeded"}
		case b.Exceeded:
			st = part.Status{Tone: part.Warn, Text: "Exceeded"}
		case b.Long == nil || b.Short == nil:
			st = part.Status{Tone: part.Neutral, Text: "Unknown"}
		}
		t.Rows = append(t.Rows, part.Row{Cells: []part.Cell{
			part.Text(string(b.Severity) + ", " + format.Duration(b.LongNS) + " and " + format.Duration(b.ShortNS)),
			{Status: st},
			part.Text(format.Times(b.Factor)), cell(rate(b.Long)), cell(rate(b.Short)),
		}})
	}
	return t
}

func rate(v *float64) part.Value {
	if v == nil {
		return part.Value{}
	}
	return part.Value{Text: format.Times(*v)}
}

func terms(cur *guarantee.Stored) []page.Pair {
	g := cur.Document.Guarantee
	names := make([]string, 0, len(g.Replicas))
	for _, r := range g.Replicas {
		names = append(names, r.Name)
	}
	pairs := []page.Pair{
		{Name: "Feature", Cell: part.To(g.Feature, featureURL(g.Feature))},
		{Name: "Model", Cell: part.Cell{Value: part.Value{Text: string(g.Model), Under: g.Model.Words()}}},
		{Name: "Replicas", Cell: part.Text(strings.Join(names, ", "))},
	}
	add := func(name, value string) {
		if value != "" {
			pairs = append(pairs, page.Pair{Name: name, Cell: part.Text(value)})
		}
	}
	add("Mechanism", g.Mechanism)
	if g.Reconciliation != nil {
		add("Conflicts", "by rule "+ruleName(g.Reconciliation.Rule, strconv.Itoa(g.Reconciliation.Version)))
	}
	add("Flag", g.Flag)
	if a := g.Acceptance; a != nil {
		add("Widened when", format.Plural(int64(a.MinUnits), "unit", "units")+", "+format.Age(a.Bake)+", at most "+format.Target(a.Margin)+" worse")
	}
	if r := g.Rollback; r != nil {
		add("Taken back", "drain by "+r.Drain+"; at the deadline "+r.Deadline)
	}
	if r := g.Review; r != nil {
		add("Review", "every "+format.Age(r.Every))
		add("Decision", r.Decision)
	}
	return append(pairs, page.Pair{Name: "In force since", Cell: part.When(cur.At)})
}

func versionRows(name string, vs []guarantee.Stored, from, to int64) page.Section {
	s := page.Section{ID: "versions", Title: "Versions, newest first", About: "Every change makes a revision; none is ever changed or removed.", Get: both("/api/v1/documents/" + string(flags.KindGuarantee) + "/" + escaped(name) + "/versions")}
	s.Table = part.Table{Caption: "Versions", Columns: []part.Column{{Head: "Revision"}, {Head: "Version"}, {Head: "When"}, {Head: "By"}, {Head: "Why"}}}
	for i := range vs {
		v := &vs[i]
		first := part.To(strconv.FormatInt(v.Revision, 10), address(guaranteeURL(name), "revision", strconv.FormatInt(v.Revision, 10)))
		if v.Restores > 0 {
			first.Under = "restores " + strconv.FormatInt(v.Restores, 10)
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Current: v.Revision == to || v.Revision == from, Cells: []part.Cell{
			first, {Value: part.Value{Text: v.Version, Under: string(v.Status)}}, part.When(v.At), actorCell(v.Actor), because(v.Reason),
		}})
	}
	return s
}

func (u *UI) changes(ctx context.Context, id flags.DocumentID, from, to int64) (page.Changes, error) {
	out := page.Changes{Title: "From revision " + strconv.FormatInt(from, 10) + " to " + strconv.FormatInt(to, 10), None: "They say the same."}
	if from == to {
		return page.Changes{Title: "What changed", None: "There is one revision so far; nothing to compare."}, nil
	}
	diff, weak, err := u.o.Catalogue.DiffRevisions(ctx, id, from, to)
	if err != nil {
		return out, err
	}
	for _, d := range diff {
		out.Rows = append(out.Rows, page.Change{Field: d.Field, Before: strings.ReplaceAll(d.Before, "\x00", ", "), After: strings.ReplaceAll(d.After, "\x00", ", "), Words: d.Words})
	}
	for _, w := range weak {
		out.Weak = append(out.Weak, w.Message)
	}
	return out, nil
}

// historyDays is how far back the attainment is drawn.
const historyDays = 90

func (u *UI) guaranteeHistory(ctx context.Context, m *page.Guarantee, cur *guarantee.Stored) error {
	g := cur.Document.Guarantee
	since := u.o.Now().AddDate(0, 0, -historyDays).UTC().Format(time.DateOnly)
	points, err := u.o.Documents.Attainment(ctx, g.Name, since)
	if err != nil {
		return err
	}
	snap := u.o.Snapshot()
	standing(points, snap, g.Name)
	m.History = page.Section{ID: "history", Title: "Day by day", Get: both("/api/v1/guarantees/" + escaped(g.Name) + "/attainment")}
	m.History.Table = part.Table{Caption: "Attainment day by day", Tight: true, Columns: []part.Column{{Head: "Day"}, {Head: "Objective"}, {Head: "Verdict"}, {Head: "Kept", Num: true}, {Head: "Version"}}}
	words := objectiveWords(m, snap, g.Name)
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		m.History.Table.Rows = append(m.History.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(p.Day), part.Text(orElse(words[p.Objective], p.Objective)), {Status: verdictStatus(guarantee.Verdict(p.Verdict))}, cell(part.Percent(p.Good, p.Eligible, "eligible")), part.Text(p.Version),
		}})
	}
	m.Attained = attained(points, words)
	reviews, err := u.o.Catalogue.Reviews(ctx, flags.DocumentID{Kind: flags.KindGuarantee, Name: g.Name})
	if err != nil {
		return err
	}
	m.Reviews = reviewRows(reviews)
	return nil
}

// standing brings the points of the day that is not over to where the objectives stand now,
// as the page says above them: they are kept once a minute only.
func standing(points []flags.AttainmentPoint, s *guarantee.Snapshot, name string) {
	r, ok := s.Guarantee(name)
	if !ok {
		return
	}
	today := s.At.UTC().Format(time.DateOnly)
	for i := range points {
		p := &points[i]
		for j := range r.Objectives {
			if o := &r.Objectives[j]; p.Day == today && o.Key == p.Objective {
				p.Good, p.Eligible, p.Goal, p.Verdict, p.Version = o.Good, o.Eligible, o.Goal, string(o.Verdict), r.Version
			}
		}
	}
}

func objectiveWords(_ *page.Guarantee, s *guarantee.Snapshot, name string) map[string]string {
	out := map[string]string{}
	if r, ok := s.Guarantee(name); ok {
		for i := range r.Objectives {
			out[r.Objectives[i].Key] = r.Objectives[i].Words
		}
	}
	return out
}

// attained draws each objective's days: the share that was good.
func attained(points []flags.AttainmentPoint, words map[string]string) []page.Attained {
	var out []page.Attained
	at := map[string]int{}
	for i := range points {
		p := &points[i]
		j, ok := at[p.Objective]
		if !ok {
			j = len(out)
			at[p.Objective] = j
			out = append(out, page.Attained{Title: orElse(words[p.Objective], p.Objective), Spark: part.Spark{Promise: p.Goal, Tone: part.Good, None: "nothing was eligible"}})
		}
		a := &out[j]
		var v *float64
		if p.Eligible > 0 {
			share := float64(p.Good) / float64(p.Eligible)
			v = &share
		}
		a.Spark.Points = append(a.Spark.Points, v)
		a.Spark.Label = a.Title + ", day by day; latest " + format.Percent(p.Good, p.Eligible)
		a.Spark.Tone = verdictStatus(guarantee.Verdict(p.Verdict)).Tone
		a.Now = part.Percent(p.Good, p.Eligible, "eligible")
		a.Now.Under = "on " + p.Day
	}
	return out
}

func reviewRows(reviews []flags.ReviewRecord) page.Section {
	s := page.Section{ID: "reviews", Title: "Reviews", None: part.Empty{Title: "No review yet", Text: "A review says that somebody looked at the promise again, and what was decided."}}
	s.Table = part.Table{Caption: "Reviews", Columns: []part.Column{{Head: "When"}, {Head: "Decision"}, {Head: "By"}, {Head: "Revision", Num: true}}}
	for _, r := range reviews {
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.When(r.At), {Value: part.Value{Text: r.Decision, Under: r.Note}}, actorCell(r.Actor), cell(number(r.Revision))}})
	}
	return s
}

func (u *UI) reviewForm(ctx context.Context, name string) *page.ReviewForm {
	f := &page.ReviewForm{Action: guaranteeURL(name) + "/reviews", Text: "Say that somebody looked at this promise again."}
	due, err := u.o.Catalogue.ReviewsDue(ctx)
	if err != nil {
		return f // the date is a courtesy
	}
	for _, d := range due {
		if d.Name == name {
			f.Due = d.Due
			f.Text = "Due on " + dayText(d.Due) + "."
			if d.Overdue {
				f.Text = "Overdue since " + dayText(d.Due) + "."
			}
		}
	}
	return f
}
