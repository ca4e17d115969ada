package ui

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
)

func (u *UI) definitions(c echo.Context, k kindPages) error { return u.showDefinitions(c, &k, nil) }

func (u *UI) showDefinitions(c echo.Context, k *kindPages, t *attempt) error {
	status := http.StatusOK
	if t != nil {
		var explained bool
		if _, status, explained = t.problems(); !explained {
			return t.err
		}
	}
	q := strings.TrimSpace(c.QueryParam("q"))
	m := page.Definitions{Filters: page.Filters{Action: k.url, Fields: []page.Filter{{Name: "q", Label: "Key holds", Value: q}}}}
	if q != "" {
		m.Filters.Clear = k.url
	}
	var err error
	switch k.kind {
	case flags.KindFlag:
		err = u.listFlags(c, &m, q)
	case flags.KindRule:
		m.Filters.Fields[0].Label = "Name holds"
		err = u.listRules(c, &m, q)
	default:
		err = u.listCohorts(&m, q)
	}
	if err != nil {
		return err
	}
	if auth.Who(c).May(access.Control) {
		m.New = k.newForm(t)
	}
	return u.show(c, view{title: k.title, current: k.url, topic: live.TopicRollouts, status: status, body: page.ShowDefinitions(m)})
}

func holds(name, q string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(q)) }

// rolloutOf returns the rollout that decides a flag now.
func (u *UI) rolloutOf(flag string) *flags.Assignment {
	for _, a := range u.o.Flags.Assignments() {
		if a.Flag == flag {
			return &a
		}
	}
	return nil
}

func (u *UI) listFlags(c echo.Context, m *page.Definitions, q string) error {
	usages, err := u.o.Flags.Usages(c.Request().Context(), flagset.DefaultStale)
	if err != nil {
		return err
	}
	m.List = page.Section{ID: "flags", Title: "Flags", Get: part.Downloads{CSV: "/api/v1/flags?format=csv", JSON: "/api/v1/flags"}}
	m.List.Table = part.Table{Caption: "Flags", Steps: true, Columns: []part.Column{
		{Head: "Flag"}, {Head: "State"}, {Head: "By default"}, {Head: "Decided by"}, {Head: "Asked for", Num: true, Hint: "in the last 30 days"}, {Head: "Last asked"}, {Head: "Changed"},
	}}
	all, stale, held := 0, 0, 0
	for _, v := range u.o.Flags.List(flags.KindFlag) {
		all++
		s := flagset.Summarise(&v)
		use := usages[v.ID.Name]
		if use != nil && use.Stale != "" {
			stale++
		}
		a := u.rolloutOf(v.ID.Name)
		if a != nil {
			held++
		}
		if holds(v.ID.Name, q) {
			m.List.Table.Rows = append(m.List.Table.Rows, part.Row{Cells: flagRow(&v, &s, use, a)})
		}
	}
	m.Head = part.Head{Answer: "No flag is defined."}
	if all > 0 {
		m.Head = part.Head{Tone: part.Good, Answer: format.Plural(int64(all), "flag is", "flags are") + " defined; " + format.Plural(int64(held), "is", "are") + " being rolled out."}
		if held == 0 {
			m.Head.Answer = format.Plural(int64(all), "flag is", "flags are") + " defined; none is being rolled out."
		}
		if stale > 0 {
			m.Head.Sub = format.Plural(int64(stale), "looks as if it had", "look as if they had") + " served its time: see its page before you take it out of the code."
		}
	}
	m.List.None = part.Empty{
		Title: "No flag here", Text: "A flag is asked for by code, and answers with one of its variants. Create one below, or by a program:",
		Command: part.Command{ID: "first-flag", Text: "tidemark apply -f flags.yaml   # a plain flagd file"},
	}
	if q != "" {
		m.List.None = part.Empty{Title: "No flag’s key holds “" + q + "”", Text: "Keys match by any part of them."}
	}
	return nil
}

func flagState(s *flagset.Summary) part.Status {
	if s.State == "DISABLED" {
		return part.Status{Tone: part.Warn, Text: "Disabled"}
	}
	return part.Status{Tone: part.Good, Text: "Enabled"}
}

func byDefault(s *flagset.Summary) string {
	if s.Default == nil {
		return "the code’s default"
	}
	return *s.Default
}

func flagRow(v *flags.DocumentVersion, s *flagset.Summary, use *flagset.Usage, a *flags.Assignment) []part.Cell {
	name := part.To(v.ID.Name, flagPages.of(v.ID.Name))
	name.Under = s.Description
	decided := part.Text("its default")
	if s.Targeted {
		decided = part.Text("its targeting")
	}
	if a != nil {
		decided = part.To("a rollout", rolloutURL(a.Rollout))
	}
	cells := []part.Cell{name, {Status: flagState(s)}, part.Text(byDefault(s)), decided, {Value: part.Value{Text: "0"}}, {}, part.When(v.At)}
	if use != nil {
		cells[4] = cell(number(use.Count))
		if !use.Last.IsZero() {
			cells[5] = part.When(use.Last)
		}
		if use.Stale != "" {
			cells[1].Status = part.Status{Tone: part.Neutral, Text: "Stale?"}
			cells[1].Hint = use.Stale
		}
	}
	return cells
}

// fillFlag fills what is particular to a flag's page.
func (u *UI) fillFlag(c echo.Context, m *page.Definition, cur *flags.DocumentVersion) error {
	key := cur.ID.Name
	s := flagset.Summarise(cur)
	a := u.rolloutOf(key)
	m.Head = part.Head{
		Crumbs: []part.Crumb{{Text: "Flags", URL: flagPages.url}, {Text: key}}, Answer: flagAnswer(key, &s, a), Tone: part.Good,
		Sub: s.Description, Status: flagState(&s), Facts: []string{s.Type, "revision " + format.Count(cur.Revision)},
	}
	switch {
	case gone(cur):
		m.Head = part.Head{Crumbs: m.Head.Crumbs, Answer: key + " was deleted: everyone gets the default in the code.", Sub: "Open a revision below to restore it."}
	case s.State == "DISABLED":
		m.Head.Tone = part.Warn
	}
	if a != nil {
		m.Head.Link = part.Link{Text: "See the rollout", URL: rolloutURL(a.Rollout)}
	}
	m.About = flagPairs(cur, &s, u.o.Flags.Cohorts(key))
	if gone(cur) {
		m.Usage = page.Section{ID: "usage", Title: "Asked for", None: part.Empty{Title: "It is deleted", Text: "Code that still asks gets its own default."}}
	} else if err := u.fillUsage(c, m, key); err != nil {
		return err
	}
	if !gone(cur) && auth.Who(c).May(access.Control) {
		m.Forms = append(m.Forms, switchForm(cur, &s))
	}
	return u.fillPlay(c, &flagPages, m, key, func(ctx eval.Context, now time.Time) (*eval.Explanation, error) {
		x := u.o.Flags.Set().Explain(key, ctx, now)
		m.Play.Answer, m.Play.Status, m.Play.Facts = played(&x)
		return &x, nil
	})
}

func flagAnswer(key string, s *flagset.Summary, a *flags.Assignment) string {
	switch {
	case s.State == "DISABLED":
		return key + " is disabled: everyone gets the default in the code."
	case a != nil:
		return "A rollout decides who gets what of " + key + "."
	case s.Targeted:
		return key + " goes by its targeting; else units get " + byDefault(s) + "."
	}
	return "Everyone gets " + byDefault(s) + " of " + key + "."
}

func flagPairs(cur *flags.DocumentVersion, s *flagset.Summary, cohorts []string) []page.Pair {
	pairs := []page.Pair{
		{Name: "Variants", Cell: part.Text(strings.Join(s.Variants, ", "))}, {Name: "By default", Cell: part.Text(byDefault(s))},
	}
	if len(cohorts) > 0 {
		pairs = append(pairs, page.Pair{Name: "Cohorts", Cell: part.Text(strings.Join(cohorts, ", "))})
	}
	if cur.Feature != "" {
		pairs = append(pairs, page.Pair{Name: "Feature", Cell: part.To(cur.Feature, featureURL(cur.Feature))})
	}
	return append(pairs, page.Pair{Name: "Changed", Cell: part.When(cur.At)}, page.Pair{Name: "By", Cell: actorCell(cur.Actor)})
}

// fillUsage says how often the flag was asked for, and with what answer.
func (u *UI) fillUsage(c echo.Context, m *page.Definition, key string) error {
	use, err := u.o.Flags.Usage(c.Request().Context(), key, flagset.DefaultStale)
	if err != nil {
		return err
	}
	m.Usage = page.Section{ID: "usage", Title: "Asked for, 30 days", Get: part.Downloads{CSV: "/api/v1/flags/" + escaped(key) + "/usage?format=csv", JSON: "/api/v1/flags/" + escaped(key) + "/usage"}}
	m.Usage.About = "Evaluations by this server; services that evaluate in process are not seen."
	m.Usage.None = part.Empty{Title: "Nobody asked for it", Text: "No evaluation of it in 30 days. If no code asks for it any more, delete it."}
	m.Usage.Table = part.Table{Caption: "Answers", Tight: true, Columns: []part.Column{{Head: "Variant"}, {Head: "Reason"}, {Head: "Answers", Num: true}, {Head: "Last"}}}
	for _, a := range use.Answers {
		m.Usage.Table.Rows = append(m.Usage.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(orElse(a.Variant, "the code’s default")), part.Text(a.Reason), cell(part.Percent(a.Count, use.Count, "answers")), part.When(a.Last),
		}})
	}
	if len(use.Days) > 1 {
		m.Days = part.Spark{Tone: part.Tide, Label: "Evaluations day by day", None: "none"}
		for _, d := range use.Days {
			n := float64(d.Count)
			m.Days.Points = append(m.Days.Points, &n)
		}
		m.DaysText = format.Short(use.Count) + " evaluations since " + use.From.UTC().Format("2 Jan") + ", day by day"
	}
	if use.Stale != "" {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Warn, Text: "This flag may have served its time:", More: use.Stale})
	}
	return nil
}

// played puts an explanation's result into words.
func played(x *eval.Explanation) (answer string, st part.Status, facts []string) {
	r := &x.Result
	if r.Code != "" {
		return r.Details, part.Status{Tone: part.Bad, Text: string(r.Code)}, nil
	}
	st = part.Status{Tone: part.Good, Text: string(r.Reason)}
	value := string(r.JSON)
	if value == "" || value == "null" {
		return "The default in the code", st, nil
	}
	facts = append(facts, "variant "+r.Variant)
	if arm, ok := r.Metadata.Map()["arm"].(string); ok && arm != "" {
		facts = append(facts, "arm "+arm)
	}
	return value, st, facts
}

// switchForm turns a flag off or on again.
func switchForm(cur *flags.DocumentVersion, s *flagset.Summary) page.Form {
	f := page.Form{
		ID: "switch", Title: "Disable", Button: "Disable the flag", Danger: true, Action: flagPages.of(cur.ID.Name) + "/switch",
		Does:   "Everyone gets the default in the code at once, whatever the targeting says. The way back: enable it here.",
		Hidden: []page.Hidden{{Name: "base", Value: revisionText(cur.Revision)}, {Name: "state", Value: "DISABLED"}},
		Fields: []page.Field{whyField("switch-reason")},
	}
	if s.State == "DISABLED" {
		f.Title, f.Button, f.Danger = "Enable", "Enable the flag", false
		f.Does = "Units get its variants again, as the definition says. The way back: disable it here."
		f.Hidden[1].Value = "ENABLED"
	}
	return f
}

// switchFlag stores the flag as it is, with another state.
func (u *UI) switchFlag(c echo.Context) error {
	base, err := formRevision(c, "base")
	if err != nil {
		return err
	}
	id := documentID(c, &flagPages)
	cur, err := u.o.Flags.Get(id)
	if err != nil {
		return err
	}
	content, err := withState(cur.Content, c.FormValue("state"))
	if err != nil {
		return err
	}
	edit := flagset.Edit{ID: id, Content: content, Base: base}
	t := attempt{key: id.Name, content: indented(content), reason: c.FormValue("switch-reason"), base: base}
	if t.err = u.storeDefinition(c, &edit, t.reason); t.err == nil {
		return c.Redirect(http.StatusSeeOther, flagPages.of(id.Name))
	}
	return u.showDefinition(c, &flagPages, &t)
}

// withState is a definition with its state replaced and everything else as it is.
func withState(content []byte, state string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(content))
	if err := dec.Decode(&fields); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	fields["state"] = raw
	return json.Marshal(fields)
}
