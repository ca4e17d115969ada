package ui

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

var labelPages = kindPages{kind: flags.KindLabel, may: access.Control, url: "/labels", api: "/api/v1/labels", one: "label", many: "labels", title: "Labels"}

// labelRoutes is the URL map of the pages about labels.
func (u *UI) labelRoutes() []auth.Route {
	if u.o.Flags == nil {
		return nil
	}
	change := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodPost, Path: labelPages.url + path, May: labelPages.may, Handle: h}
	}
	return []auth.Route{
		{Method: http.MethodGet, Path: labelPages.url, May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showLabels(c, nil) }, "q", "label")},
		{Method: http.MethodGet, Path: labelPages.url + "/:key", May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showLabel(c, nil) }, "revision")},
		change("", u.createLabel), change("/:key", u.saveLabel),
		change("/:key/restore", func(c echo.Context) error { return u.restoreDefinition(c, labelPages) }),
		change("/:key/delete", func(c echo.Context) error { return u.deleteDefinition(c, labelPages) }),
	}
}

// labelAttempt is what somebody sent, and what was wrong with it.
type labelAttempt struct {
	attempt

	services, description string
}

func readLabelForm(c echo.Context, name string, base int64) *labelAttempt {
	return &labelAttempt{
		attempt:  attempt{key: name, reason: c.FormValue("reason"), base: base},
		services: c.FormValue("services"), description: c.FormValue("description"),
	}
}

func (u *UI) storeLabel(c echo.Context, t *labelAttempt) error {
	l := flagset.Label{Description: t.description, Services: namesIn(t.services)}
	content, err := json.Marshal(l)
	if err != nil {
		return err
	}
	t.err = u.storeDefinition(c, &flagset.Edit{ID: flags.DocumentID{Kind: flags.KindLabel, Name: t.key}, Content: content, Base: t.base}, t.reason)
	return t.err
}

func (u *UI) createLabel(c echo.Context) error {
	name := strings.TrimSpace(c.FormValue("key"))
	t := readLabelForm(c, name, u.baseOfNew(flags.DocumentID{Kind: flags.KindLabel, Name: name}))
	if u.storeLabel(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, labelPages.of(t.key))
	}
	return u.showLabels(c, t)
}

func (u *UI) saveLabel(c echo.Context) error {
	base, err := formRevision(c, "base")
	if err != nil {
		return err
	}
	t := readLabelForm(c, pathParam(c, "key"), base)
	if u.storeLabel(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, labelPages.of(t.key))
	}
	return u.showLabel(c, t)
}

func (t *labelAttempt) status() (int, error) {
	if t == nil {
		return http.StatusOK, nil
	}
	return t.attempt.status()
}

func labelFields(t *labelAttempt) []page.Field {
	reason := whyField("reason")
	reason.Value = t.reason
	return []page.Field{
		{Name: "services", Label: "Services with clearance", Kind: "list", Value: t.services, Broad: true, Max: maxDefinition, Hint: "One a line. Empty: none may carry it. *: every service may."},
		{Name: "description", Label: "Description", Value: t.description, Broad: true, Max: 1000, Hint: "What the label says of a write, for people."},
		reason,
	}
}

func (u *UI) showLabels(c echo.Context, t *labelAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	counts, more, err := u.mostHeld(c.Request().Context())
	if err != nil {
		return err
	}
	held := u.heldByLabel(counts)
	q := strings.TrimSpace(c.QueryParam("q"))
	m := page.Definitions{Filters: page.Filters{Action: labelPages.url, Fields: []page.Filter{{Name: "q", Label: "Label holds", Value: q}}}}
	if q != "" {
		m.Filters.Clear = labelPages.url
	}
	all := u.o.Flags.List(flags.KindLabel)
	m.List, m.Head = u.labelRows(all, held, q), labelsHead(len(all), held, more)
	if auth.Who(c).May(labelPages.may) {
		m.New = newLabelForm(t, c.QueryParam("label"))
	}
	return u.show(c, view{title: "Labels", current: labelPages.url, status: status, body: page.ShowDefinitions(m)})
}

// undeclared is a label that keeps events in quarantine.
type undeclared struct {
	label  string
	events int64
}

// heldByLabel lists the labels that are not known and keep events, most first.
func (u *UI) heldByLabel(counts []metrics.HeldCount) (out []undeclared) {
	by := map[string]int64{}
	v, now := u.o.Quarantine.Labels(), u.o.Now().UnixNano()
	for _, n := range counts {
		if _, ok := v.Rule(n.Label, now); !ok {
			by[n.Label] += n.Events
		}
	}
	for l, n := range by {
		out = append(out, undeclared{l, n})
	}
	slices.SortFunc(out, func(a, b undeclared) int {
		if a.events != b.events {
			return int(b.events - a.events)
		}
		return strings.Compare(a.label, b.label)
	})
	return out
}

func labelsHead(declared int, held []undeclared, more bool) part.Head {
	h := part.Head{Tone: part.Good, Answer: format.Plural(int64(declared), "label is", "labels are") + " declared.", Sub: "A label travels with a write: it may reach only services with clearance for it."}
	if declared == 0 {
		h.Tone, h.Answer = "", "No label is declared."
	}
	if len(held) > 0 {
		h.Tone = part.Warn
		h.Answer += " "
		if more {
			h.Answer += "At least "
		}
		h.Answer += format.Plural(int64(len(held)), "label that nobody declared keeps", "labels that nobody declared keep") + " events in quarantine."
		h.Link = part.Link{Text: "See the quarantine.", URL: quarantineURL}
	}
	return h
}

func clearance(services []string) part.Cell {
	switch {
	case len(services) == 0:
		return part.Text("no service")
	case slices.Contains(services, metrics.EveryService):
		return part.Text("every service")
	}
	return tags(services)
}

func labelOf(v *flags.DocumentVersion) (l flagset.Label) {
	_ = json.Unmarshal(v.Content, &l) // It was checked when it was stored.
	return l
}

func (u *UI) labelRows(all []flags.DocumentVersion, held []undeclared, q string) page.Section {
	s := page.Section{ID: "labels", Title: "Labels", Get: both(labelPages.api)}
	s.None = part.Empty{Title: "No label here", Text: "A label, such as pii or tenant:*, says which services may carry a write that has it. Declare one below."}
	s.Table = part.Table{Caption: "Labels", Steps: true, Columns: []part.Column{{Head: "Label"}, {Head: "Services with clearance"}, {Head: "Changed"}, {Head: "By"}}}
	for _, h := range held {
		if !holds(h.label, q) {
			continue
		}
		name := part.To(h.label, address(labelPages.url, "label", h.label)+"#new")
		name.Under = format.Plural(h.events, "event waits", "events wait") + " in quarantine"
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{name, {Status: part.Status{Tone: part.Warn, Text: "Not declared"}}, part.Vacant(), part.Vacant()}})
	}
	for i := range all {
		v := &all[i]
		l := labelOf(v)
		if !holds(v.ID.Name, q) {
			continue
		}
		name := part.To(v.ID.Name, labelPages.of(v.ID.Name))
		name.Under = l.Description
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{name, clearance(l.Services), part.When(v.At), actorCell(v.Actor)}})
	}
	return s
}

func newLabelForm(t *labelAttempt, label string) *page.Form {
	f := &page.Form{
		ID: "new", Title: "Declare a label", Button: "Declare the label", Action: labelPages.url, Open: t != nil || label != "",
		Does: "It holds for hops from now on. Events that wait for it in quarantine go on by themselves. The way back: delete it.",
	}
	if t == nil {
		t = &labelAttempt{attempt: attempt{key: label}}
	} else {
		f.Problems, _, _ = t.problems()
	}
	name := page.Field{Name: "key", Label: "Label", Required: true, Max: metrics.MaxName, Value: t.key, Hint: "As writes have it. A * at the end stands for all that begin so: tenant:*."}
	f.Fields = append([]page.Field{name}, labelFields(t)...)
	return f
}

func (u *UI) showLabel(c echo.Context, t *labelAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	id := documentID(c, &labelPages)
	ctx := c.Request().Context()
	versions, err := u.o.Flags.Versions(ctx, id)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return unknown("label", id.Name)
	}
	cur := &versions[0]
	against, err := u.hopsAgainst(c, id.Name)
	if err != nil {
		return err
	}
	l := labelOf(cur)
	m := page.Declaration{Head: labelHead(cur, &l, against, u.o.Now()), Below: violationSection(against, false)}
	m.Below.ID, m.Below.Title = "against", "Hops against it"
	m.Below.About = "Of the latest 500 hops against policy, those decided by this label."
	m.Below.None = part.Empty{Title: "No hop against it", Text: "Of the latest 500 hops against policy, none was decided by this label."}
	m.About = []page.Pair{
		{Name: "May be carried by", Cell: clearance(l.Services)},
		{Name: "Features with hops against it", Cell: part.Text(orElse(join(distinct(against, func(v *metrics.Violation) string { return v.Feature })), "none"))},
		{Name: "Services without clearance", Cell: part.Text(orElse(join(distinct(against, func(v *metrics.Violation) string { return v.Service })), "none"))},
		{Name: "Changed", Cell: part.When(cur.At)},
		{Name: "By", Cell: actorCell(cur.Actor)},
	}
	var d page.Definition
	if err := u.fillVersions(c, &labelPages, &d, versions); err != nil {
		return err
	}
	m.Changes, m.Versions, m.Restore = d.Changes, d.Versions, d.Restore
	m.Versions.Get.CSV = ""
	if auth.Who(c).May(labelPages.may) && !gone(cur) {
		m.Edit, m.Forms = editLabelForm(cur, &l, t), []page.Form{deleteLabelForm(cur)}
	}
	return u.show(c, view{title: id.Name, current: labelPages.url, status: status, body: page.ShowDeclaration(m)})
}

// hopsAgainst lists, of the latest hops against policy, those that a label decided, or
// its family.
func (u *UI) hopsAgainst(c echo.Context, label string) ([]metrics.Violation, error) {
	list, _, err := u.o.Report.ViolationList(c.Request().Context(), metrics.ViolationQuery{Guarantee: metrics.MetricPolicy, Limit: 500})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(v metrics.Violation) bool {
		return !slices.Contains(v.Labels, label) && !slices.ContainsFunc(v.DecidedBy, func(d metrics.LabelDecision) bool { return d.Rule == label })
	}), nil
}

func distinct(list []metrics.Violation, of func(*metrics.Violation) string) []string {
	var out []string
	for i := range list {
		if s := of(&list[i]); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

func labelHead(cur *flags.DocumentVersion, l *flagset.Label, against []metrics.Violation, now time.Time) part.Head {
	name := cur.ID.Name
	h := part.Head{Crumbs: []part.Crumb{{Text: "Labels", URL: labelPages.url}, {Text: name}}, Tone: part.Good, Sub: l.Description, Facts: []string{"revision " + format.Count(cur.Revision)}}
	if gone(cur) {
		h.Tone, h.Answer, h.Sub = part.Neutral, name+" was deleted: events with it are kept in quarantine.", "Open a revision below to restore it."
		return h
	}
	switch {
	case slices.Contains(l.Services, metrics.EveryService):
		h.Answer = "Every service may carry " + name + "."
	case len(l.Services) == 0:
		h.Answer = "No service may carry " + name + "."
	default:
		h.Answer = format.Plural(int64(len(l.Services)), "service", "services") + " may carry " + name + "."
	}
	if len(against) > 0 {
		h.Tone = part.Bad
		h.Answer += " The latest hop against it was at service " + against[0].Service + ", " + format.Age(now.Sub(time.Unix(0, against[0].At))) + " ago."
	}
	return h
}

func editLabelForm(cur *flags.DocumentVersion, l *flagset.Label, t *labelAttempt) *page.Form {
	f := &page.Form{
		ID: "edit", Title: "Who may carry it", Open: true, Button: "Store as revision " + revisionText(cur.Revision+1),
		Does:   "Stored, it holds for hops from then on, and changes nothing before. The way back: restore an earlier revision.",
		Action: labelPages.of(cur.ID.Name), Hidden: []page.Hidden{{Name: "base", Value: revisionText(cur.Revision)}},
	}
	if t == nil {
		t = &labelAttempt{services: strings.Join(l.Services, "\n"), description: l.Description}
	} else {
		f.Problems, _, _ = t.problems()
	}
	f.Fields = labelFields(t)
	return f
}

func deleteLabelForm(cur *flags.DocumentVersion) page.Form {
	return page.Form{
		ID: "delete", Title: "Delete", Button: "Delete the label", Danger: true, Action: labelPages.of(cur.ID.Name) + "/delete",
		Does:   "Events with it are then kept in quarantine and counted nowhere, unless a family of labels covers it; hops from then on are not judged by it. The way back: restore a revision; the history stays.",
		Hidden: []page.Hidden{{Name: "base", Value: revisionText(cur.Revision)}},
		Fields: []page.Field{whyField("delete-reason")},
	}
}
