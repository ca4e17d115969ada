package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/respond"
)

func escaped(id string) string { return url.PathEscape(id) }

// unknown is the problem of a name that nothing is known of.
func unknown(what, name string) error {
	return respond.New(http.StatusNotFound, "not_found", "No %s %q is known. It may be older than what is kept, or misspelt.", what, name)
}

const listLimit = 50

func (u *UI) writes(c echo.Context) error {
	a, err := u.ask(c, "feature", "key", "replica", "min_lag", "max_lag", "pending")
	if err != nil {
		return err
	}
	q, err := u.writeQuery(a)
	if err != nil {
		return err
	}
	m := page.Writes{Filters: u.writeFilters(a)}
	if q.Feature == "" {
		m.Head = part.Head{Answer: "Which feature's writes?", Sub: "Choose a feature to see its slowest and its pending writes, or search for a write by its id above."}
		m.List = chooseFeature(u.o.Reader.Features())
		return u.show(c, view{title: "Writes", current: "/writes", body: page.ShowWrites(m)})
	}
	w, err := u.o.Report.Writes(c.Request().Context(), q)
	if err != nil {
		return err
	}
	m.Head, m.List = writesHead(w, q), writeRows(a, w, q)
	if w.More {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Tide, Text: "There are more.", More: "The " + format.Count(listLimit) + " most telling are shown; narrow the filters to see others."})
	}
	return u.show(c, view{title: "Writes of " + q.Feature, current: "/writes", body: page.ShowWrites(m)})
}

// chooseFeature leads to the writes of each feature.
func chooseFeature(names []string) page.Section {
	s := page.Section{
		ID: "writes", Title: "Features",
		None:  part.Empty{Title: "No feature has sent an event yet", Text: "Send one first; the overview says how.", Link: part.Link{Text: "Overview", URL: "/"}},
		Table: part.Table{Caption: "Features", Steps: true, Columns: []part.Column{{Head: "Feature"}, {Head: "Or only"}}},
	}
	for _, name := range names {
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(name, address("/writes", "feature", name)), part.To("its pending writes", address("/writes", "feature", name, "pending", "true")),
		}})
	}
	return s
}

func (u *UI) writeQuery(a *asked) (report.WriteQuery, error) {
	q := report.WriteQuery{
		Feature: a.v.Get("feature"), Key: a.v.Get("key"), Replica: a.v.Get("replica"),
		From: a.query.From, To: a.query.To, Pending: a.v.Get("pending") == "true", Limit: listLimit,
	}
	if q.Key != "" && a.v.Get("from") == "" && a.v.Get("range") == "" {
		q.From, q.To = time.Time{}, time.Time{} // a key is looked up in all that is kept
	}
	var err error
	if q.MinLag, err = readLag(a, "min_lag"); err != nil {
		return q, err
	}
	q.MaxLag, err = readLag(a, "max_lag")
	return q, err
}

func readLag(a *asked, name string) (time.Duration, error) {
	s := a.v.Get(name)
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, respond.Bad(name, "%q is no duration: want such as 250ms, 2s or 5m.", s)
	}
	return d, nil
}

func (u *UI) writeFilters(a *asked) page.Filters {
	f := page.Filters{Action: "/writes"}
	features := []page.Option{{Value: "", Text: "Choose a feature"}}
	for _, name := range u.o.Reader.Features() {
		features = append(features, page.Option{Value: name, Text: name})
	}
	f.Fields = []page.Filter{
		{Name: "feature", Label: "Feature", Value: a.v.Get("feature"), Options: features},
		{Name: "key", Label: "Key", Value: a.v.Get("key"), Hint: "user:42"},
		{Name: "replica", Label: "Replica", Value: a.v.Get("replica"), Hint: "everywhere"},
		{Name: "min_lag", Label: "At least", Value: a.v.Get("min_lag"), Hint: "250ms"},
		{Name: "max_lag", Label: "At most", Value: a.v.Get("max_lag"), Hint: "2s"},
		{Name: "pending", Label: "State", Value: a.v.Get("pending"), Options: options("", "Any", "true", "Pending only")},
	}
	if a.v.Get("range") != "" || a.v.Get("from") != "" || a.v.Get("to") != "" {
		t := a.times()
		for i := 0; i < len(t); i += 2 {
			f.Hidden = append(f.Hidden, page.Hidden{Name: t[i], Value: t[i+1]})
		}
	}
	if len(a.v) > 0 {
		f.Clear = address("/writes", "feature", a.v.Get("feature"))
	}
	return f
}

func writesHead(w *report.Writes, q report.WriteQuery) part.Head {
	h := part.Head{Crumbs: []part.Crumb{{Text: "Overview", URL: "/"}, {Text: q.Feature, URL: featureURL(q.Feature)}, {Text: "Writes"}}}
	pending := 0
	for _, r := range w.Writes {
		if r.Pending {
			pending++
		}
	}
	of := " of " + q.Feature
	if q.Key != "" {
		of = " of key " + q.Key
	}
	switch {
	case len(w.Writes) == 0:
		h.Answer = "No write" + of + " is known that these filters select."
	case pending > 0 && pending == len(w.Writes):
		h.Answer, h.Tone = "All "+format.Plural(int64(pending), "write", "writes")+of+" shown here are still pending.", part.Warn
		if pending == 1 {
			h.Answer = "This one write" + of + " is still pending."
		}
	case pending > 0:
		h.Answer = format.Number(pending) + " of these " + format.Plural(int64(len(w.Writes)), "write", "writes") + of + " are still pending."
		if pending == 1 {
			h.Answer = "One of these " + format.Plural(int64(len(w.Writes)), "write", "writes") + of + " is still pending."
		}
		h.Tone = part.Warn
	case len(w.Writes) == 1:
		h.Answer, h.Tone = "This one write"+of+" became visible.", part.Good
	default:
		h.Answer = "All " + format.Plural(int64(len(w.Writes)), "write", "writes") + of + " shown here became visible."
		h.Tone = part.Good
	}
	if q.Key == "" {
		h.Sub = "Without a key these are examples, not every write: the pending ones, then the slowest of each minute."
	}
	return h
}

// writeSpan is the range of a query as the API takes it; none when it has none.
func writeSpan(q report.WriteQuery) []string {
	if q.From.IsZero() {
		return nil
	}
	return []string{"from", q.From.UTC().Format(time.RFC3339), "to", q.To.UTC().Format(time.RFC3339)}
}

func writeRows(a *asked, w *report.Writes, q report.WriteQuery) page.Section {
	pairs := append(writeSpan(q), "feature", q.Feature, "key", q.Key, "replica", q.Replica, "min_lag", a.v.Get("min_lag"), "max_lag", a.v.Get("max_lag"), "pending", a.v.Get("pending"))
	s := page.Section{
		ID: "writes", Title: "Writes",
		Get:  part.Downloads{CSV: address("/api/v1/writes", append(pairs, "format", "csv")...), JSON: address("/api/v1/writes", pairs...)},
		None: part.Empty{Title: "Nothing found", Text: "Choose a longer range or fewer filters."},
	}
	s.Table = part.Table{Caption: "Writes", Steps: true, Columns: []part.Column{{Head: "Write"}, {Head: "State"}, {Head: "Key"}, {Head: "Began"}, {Head: "Time to visibility", Num: true}, {Head: "Missing at"}, {Head: "Version"}}}
	versions := slices.ContainsFunc(w.Writes, func(r report.WriteRow) bool { return r.Version != "" })
	if !versions { // examples carry none
		s.Table.Columns = s.Table.Columns[:len(s.Table.Columns)-1]
	}
	for _, r := range w.Writes {
		began := r.Initiated
		if began == nil {
			began = r.Minute
		}
		st := part.Status{Tone: part.Good, Text: "Visible"}
		took := duration(r.LagNS)
		if r.Pending {
			st = part.Status{Tone: part.Warn, Text: "Pending"}
			if r.AgeNS != nil {
				took = part.Value{Text: "over " + format.Duration(*r.AgeNS)}
			}
		}
		id := part.To(r.WriteID, writeURL(r.Feature, r.WriteID))
		id.Mono = true
		missing := part.Vacant()
		if len(r.Missing) > 0 {
			missing = part.Text(format.List(r.Missing))
		}
		row := part.Row{Cells: []part.Cell{id, {Status: st}, mono(r.Key), part.When(at(began)), cell(took), missing}}
		if versions {
			row.Cells = append(row.Cells, mono(r.Version))
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	return s
}

// searchFeatures is how many features may be looked through for a key.
const searchFeatures = 200

func (u *UI) search(c echo.Context) error {
	q := strings.TrimSpace(c.QueryParam("q"))
	if len(q) > 256 {
		return respond.Bad("q", "What is searched for may be 256 bytes long at most.")
	}
	m := page.Search{}
	ctx := c.Request().Context()
	if q != "" {
		names := u.o.Reader.Features()
		m.Features = featureHits(names, q)
		m.Flags = u.definitionHits(q)
		story, _, err := u.o.Reader.Find(ctx, metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(q), Limit: 1})
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(story, func(e metrics.Event) bool { return e.WriteID == q }); i >= 0 {
			return c.Redirect(http.StatusSeeOther, writeURL("", q))
		}
		if m.Keys, err = u.keyHits(c, names, q); err != nil {
			return err
		}
	}
	if len(m.Features.Table.Rows) == 1 && len(m.Keys.Table.Rows)+len(m.Flags.Table.Rows) == 0 && slices.Contains(u.o.Reader.Features(), q) {
		return c.Redirect(http.StatusSeeOther, featureURL(q))
	}
	m.Head, m.Hint = searchHead(q, len(m.Features.Table.Rows)+len(m.Flags.Table.Rows), len(m.Keys.Table.Rows))
	return u.show(c, view{title: "Search", search: q, body: page.ShowSearch(m)})
}

func searchHead(q string, features, keys int) (part.Head, part.Empty) {
	switch {
	case q == "":
		return part.Head{Answer: "What are you looking for?"}, part.Empty{Title: "Search", Text: "Type part of the name of a feature, flag or cohort, or a whole write id or key."}
	case features+keys == 0:
		return part.Head{Answer: "Nothing is known of “" + q + "”."},
			part.Empty{Title: "Nothing matches", Text: "Features, flags and cohorts match by part of their name; write ids and keys must be whole. Events older than what is kept are gone."}
	}
	return part.Head{Answer: format.Number(features+keys) + " found for “" + q + "”."}, part.Empty{}
}

func featureHits(names []string, q string) page.Section {
	s := page.Section{ID: "features", Title: "Features"}
	s.Table = part.Table{Caption: "Features", Steps: true, Columns: []part.Column{{Head: "Feature"}}}
	for _, n := range names {
		if strings.Contains(strings.ToLower(n), strings.ToLower(q)) && len(s.Table.Rows) < 50 {
			s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.To(n, featureURL(n))}})
		}
	}
	return s
}

// definitionHits finds flags and cohorts by part of their keys.
func (u *UI) definitionHits(q string) page.Section {
	s := page.Section{ID: "flags", Title: "Flags and cohorts"}
	s.Table = part.Table{Caption: "Flags and cohorts", Steps: true, Columns: []part.Column{{Head: "Key"}, {Head: "Kind"}}}
	if u.o.Flags == nil {
		return s
	}
	for _, k := range []kindPages{flagPages, cohortPages} {
		for _, v := range u.o.Flags.List(k.kind) {
			if holds(v.ID.Name, q) && len(s.Table.Rows) < 50 {
				s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.To(v.ID.Name, k.of(v.ID.Name)), part.Text(k.one)}})
			}
		}
	}
	return s
}

// keyHits looks for a key in every feature: an entity lookup each.
func (u *UI) keyHits(c echo.Context, names []string, q string) (page.Section, error) {
	s := page.Section{ID: "keys", Title: "Keys"}
	s.Table = part.Table{Caption: "Keys", Steps: true, Columns: []part.Column{{Head: "Key"}, {Head: "Feature"}, {Head: "Last event"}}}
	for _, f := range names[:min(len(names), searchFeatures)] {
		events, _, err := u.o.Reader.Find(c.Request().Context(), metrics.FindQuery{Kind: metrics.EntityKey, Entity: metrics.KeyEntity(f, q), Limit: 20})
		if err != nil {
			return s, err
		}
		i := slices.IndexFunc(events, func(e metrics.Event) bool { return e.Key == q && e.Feature == f })
		if i < 0 {
			continue
		}
		key := part.To(q, address("/writes", "feature", f, "key", q))
		key.Mono = true
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{key, part.To(f, featureURL(f)), part.When(time.Unix(0, events[len(events)-1].Corrected()))}})
	}
	return s, nil
}
