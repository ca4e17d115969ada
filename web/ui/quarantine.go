package ui

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

const quarantineURL = "/quarantine"

// Quarantine is where events with labels that nobody declared are kept.
type Quarantine struct {
	Held   metrics.Quarantine
	Orders flags.QuarantineStore
	Order  func(ctx context.Context, action flags.QuarantineAction, feature, label string, by flags.Author) (flags.QuarantineOrder, error)
	Labels func() *metrics.Vocabulary
}

func (u *UI) quarantineRoutes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: quarantineURL, May: access.Read, Handle: func(c echo.Context) error { return u.showQuarantine(c, nil) }},
		{Method: http.MethodPost, Path: quarantineURL + "/release", May: access.Control, Handle: u.orderQuarantine(flags.QuarantineRelease)},
		{Method: http.MethodPost, Path: quarantineURL + "/discard", May: access.Control, Handle: u.orderQuarantine(flags.QuarantineDiscard)},
	}
}

// orderAttempt is an order that somebody sent, and what was wrong with it.
type orderAttempt struct {
	attempt

	action         flags.QuarantineAction
	label, feature string
}

// problems are those of a form; that nothing is like that is one of them.
func (t *orderAttempt) problems() (list []page.FormProblem, status int, ok bool) {
	if errors.Is(t.err, flags.ErrNotFound) {
		return []page.FormProblem{{Message: "No event in quarantine is like that; it may have gone on meanwhile."}}, http.StatusNotFound, true
	}
	return t.attempt.problems()
}

func (u *UI) orderQuarantine(action flags.QuarantineAction) echo.HandlerFunc {
	return func(c echo.Context) error {
		t := &orderAttempt{
			attempt: attempt{reason: c.FormValue(string(action) + "-reason")}, action: action,
			label: c.FormValue(string(action) + "-label"), feature: c.FormValue(string(action) + "-feature"),
		}
		by := flags.Author{Actor: auth.Who(c).Actor(), Reason: t.reason}
		if _, t.err = u.o.Quarantine.Order(c.Request().Context(), action, t.feature, t.label, by); t.err != nil {
			return u.showQuarantine(c, t)
		}
		return c.Redirect(http.StatusSeeOther, quarantineURL+"#orders")
	}
}

// showQuarantine shows what is kept apart, and what was wrong with an order.
func (u *UI) showQuarantine(c echo.Context, t *orderAttempt) error {
	status := http.StatusOK
	if t != nil {
		var explained bool
		if _, status, explained = t.problems(); !explained {
			return t.err
		}
	}
	a, err := u.ask(c, "feature", "label", "cursor")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	counts, more, err := u.mostHeld(ctx)
	if err != nil {
		return err
	}
	orders, err := u.o.Quarantine.Orders.QuarantineOrders(ctx, false, 20)
	if err != nil {
		return err
	}
	m := page.Quarantine{Head: u.quarantineHead(counts, more), Counts: u.heldCounts(counts, more), Orders: orderRows(orders)}
	if m.Events, err = u.heldRows(ctx, a); err != nil {
		return err
	}
	m.Filters = page.Filters{Action: quarantineURL, Fields: []page.Filter{
		{Name: "feature", Label: "Feature", Value: a.v.Get("feature")}, {Name: "label", Label: "Label", Value: a.v.Get("label")},
	}}
	if len(a.v) > 0 {
		m.Filters.Clear = quarantineURL
	}
	if auth.Who(c).May(access.Control) && (len(counts) > 0 || t != nil) {
		m.Forms = quarantineForms(a.v.Get("feature"), a.v.Get("label"), t)
	}
	v := view{title: "Quarantine", current: "/pipeline", topic: live.TopicPipeline, status: status}
	if t != nil {
		v.topic = "" // Fetched again, what was typed would be gone.
	}
	v.body = page.ShowQuarantine(m)
	return u.show(c, v)
}

func (u *UI) quarantineHead(counts []metrics.HeldCount, more bool) part.Head {
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Pipeline", URL: "/pipeline"}, {Text: "Quarantine"}}, Tone: part.Good, Answer: "Nothing is in quarantine.",
		Sub: "An event with a label that nobody declared is kept here, durably, and counted nowhere until the label is declared.",
	}
	total := u.o.Quarantine.Held.HeldTotal()
	if total.Events == 0 {
		return h
	}
	h.Tone = part.Warn
	h.Answer = format.Plural(total.Events, "event is", "events are") + " kept apart and counted nowhere"
	held := u.heldByLabel(counts)
	switch {
	case len(held) == 0 && more:
		h.Answer += "."
		return h
	case len(held) == 0:
		h.Answer += "; all labels are declared by now, and they are going on."
		return h
	}
	names := make([]string, 0, 4)
	for i, l := range held {
		if i == 3 {
			others := format.Count(int64(len(held)-i)) + " more"
			if more {
				others = "at least " + others
			}
			names = append(names, others)
			break
		}
		names = append(names, l.label)
	}
	h.Answer += ", because nobody declared " + format.List(names) + "."
	h.Link = part.Link{Text: "Declare " + held[0].label + ".", URL: address(labelPages.url, "label", held[0].label) + "#new"}
	return h
}

// maxHeldCounts bounds the features and labels that a page lists: whoever reports sends as
// many labels as they like.
const maxHeldCounts = 200

// mostHeld says how much is held by feature and label, with most events first; more is true
// when there are others.
func (u *UI) mostHeld(ctx context.Context) (counts []metrics.HeldCount, more bool, err error) {
	counts, err = u.o.Quarantine.Held.HeldCounts(ctx, metrics.HeldCountQuery{Limit: maxHeldCounts + 1})
	return counts[:min(len(counts), maxHeldCounts)], len(counts) > maxHeldCounts, err
}

func (u *UI) heldCounts(counts []metrics.HeldCount, more bool) page.Section {
	s := page.Section{
		ID: "counts", Title: "What is kept, by feature and label", About: "An event with several labels stands in several rows, and goes on when all of them are declared.",
		Get:  part.Downloads{CSV: "/api/v1/quarantine/counts?format=csv", JSON: "/api/v1/quarantine/counts"},
		None: part.Empty{Title: "Nothing is kept", Text: "Every label that came was declared."},
	}
	if more {
		s.About += " Those with most events are shown; there are others."
	}
	s.Table = part.Table{Caption: s.Title, Columns: []part.Column{{Head: "Label"}, {Head: "Declared"}, {Head: "Feature"}, {Head: "Events", Num: true}, {Head: "First"}, {Head: "Latest"}}}
	v, now := u.o.Quarantine.Labels(), u.o.Now().UnixNano()
	for _, n := range counts {
		name, st := part.To(n.Label, address(labelPages.url, "label", n.Label)+"#new"), part.Status{Tone: part.Warn, Text: "No"}
		if r, ok := v.Rule(n.Label, now); ok {
			name, st = part.To(n.Label, labelPages.of(r.Label)), part.Status{Tone: part.Good, Text: "Yes"}
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			name, {Status: st}, part.Text(n.Feature), cell(number(n.Events)), part.When(time.Unix(0, n.Oldest)), part.When(time.Unix(0, n.Newest)),
		}})
	}
	return s
}

// heldPage is how many events a page lists: each is a card on a phone.
const heldPage = 20

// heldRows lists events by what all readers may know of them: contents are not shown.
func (u *UI) heldRows(ctx context.Context, a *asked) (page.Section, error) {
	q := metrics.HeldQuery{Feature: a.v.Get("feature"), Label: a.v.Get("label"), Newest: true, Limit: heldPage + 1}
	if s := a.v.Get("cursor"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 2 {
			return page.Section{}, respond.Bad("cursor", "%q is no cursor of this list.", s)
		}
		q.Through = n - 1
	}
	list, err := u.o.Quarantine.Held.Held(ctx, q)
	if err != nil {
		return page.Section{}, err
	}
	api := []string{"feature", q.Feature, "label", q.Label}
	s := page.Section{
		ID: "events", Title: "Events, latest first", Get: part.Downloads{CSV: address("/api/v1/quarantine", append(api, "format", "csv")...), JSON: address("/api/v1/quarantine", api...)},
		None: part.Empty{Title: "No event", Text: "Events with a label that nobody declared are listed here."},
	}
	if q.Feature != "" || q.Label != "" {
		s.None.Text = "No event in quarantine is like that."
	}
	s.Table = part.Table{Caption: s.Title, Steps: true, Columns: []part.Column{{Head: "Arrived"}, {Head: "Kind"}, {Head: "Feature"}, {Head: "Write"}, {Head: "Service"}, {Head: "Labels"}}}
	if len(list) > heldPage {
		list = list[:heldPage]
		s.Next = part.Link{Text: "Earlier ones", URL: a.with("cursor", strconv.FormatInt(list[heldPage-1].Number, 10))}
	}
	for i := range list {
		e := &list[i].Event
		where := part.Text(e.Service)
		if e.Replica != "" {
			where.Value.Under = "replica " + e.Replica
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.When(time.Unix(0, list[i].HeldAt)), part.Text(e.Kind.String()), part.Text(e.Feature), mono(e.WriteID), where, tags(e.Labels),
		}})
	}
	return s, nil
}

func orderRows(orders []flags.QuarantineOrder) page.Section {
	s := page.Section{ID: "orders", Title: "What was decided", Get: both("/api/v1/quarantine/orders"), None: part.Empty{Title: "Nothing was decided", Text: "Declaring a label releases its events without a decision about them."}}
	s.Table = part.Table{Caption: s.Title, Columns: []part.Column{{Head: "When"}, {Head: "What"}, {Head: "Of"}, {Head: "Events", Num: true}, {Head: "By"}, {Head: "Why"}, {Head: "Done"}}}
	for i := range orders {
		o := &orders[i]
		done := part.Cell{Status: part.Status{Tone: part.Warn, Text: "Under way"}}
		if o.DoneAt != nil {
			done = part.When(*o.DoneAt)
		}
		what := strings.TrimSpace(strings.Join([]string{o.Feature, o.Label}, " "))
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.When(o.At), part.Text(string(o.Action)), part.Text(orElse(what, "everything")), cell(number(o.Events)), actorCell(o.Actor), because(o.Reason), done,
		}})
	}
	return s
}

func quarantineForms(feature, label string, t *orderAttempt) []page.Form {
	forms := orderForms(feature, label)
	for i := range forms {
		f := &forms[i]
		if t == nil || f.ID != string(t.action) {
			continue
		}
		f.Open, f.Fields[0].Value, f.Fields[1].Value, f.Fields[2].Value = true, t.label, t.feature, t.reason
		f.Problems, _, _ = t.problems()
	}
	return forms
}

func orderForms(feature, label string) []page.Form {
	fields := func(action string) []page.Field {
		return []page.Field{
			{Name: action + "-label", Label: "With label", Value: label, Max: metrics.MaxName, Hint: "Empty means any."},
			{Name: action + "-feature", Label: "Of feature", Value: feature, Max: metrics.MaxName, Hint: "Empty means any."},
			whyField(action + "-reason"),
		}
	}
	return []page.Form{
		{
			ID: "release", Title: "Release", Button: "Release the events", Action: quarantineURL + "/release", Fields: fields("release"),
			Does: "They go on as they are, and are counted; their hops are not judged by labels that nobody declared. Declaring the label is the better way. There is no way back.",
		},
		{
			ID: "discard", Title: "Discard", Button: "Discard the events", Danger: true, Action: quarantineURL + "/discard", Fields: fields("discard"),
			Does: "They are removed for good, and counted nowhere. There is no way back.",
		},
	}
}

// heldNotice says how much of a feature is kept apart, by label; nil when nothing is.
func (u *UI) heldNotice(ctx context.Context, feature string) ([]part.Notice, error) {
	const named = 5
	counts, err := u.o.Quarantine.Held.HeldCounts(ctx, metrics.HeldCountQuery{Feature: feature, Limit: named + 1})
	if err != nil || len(counts) == 0 {
		return nil, err
	}
	var by []string
	for i, n := range counts {
		if i == named {
			by = append(by, "others")
			break
		}
		by = append(by, format.Count(n.Events)+" with "+n.Label)
	}
	return []part.Notice{{
		Tone: part.Warn, Text: "Not in these numbers: events in quarantine,", More: format.List(by) + ". Their labels are not declared.",
		Link: part.Link{Text: "See them", URL: address(quarantineURL, "feature", feature)},
	}}, nil
}

// unknownFeature sends whoever looks for a feature of which all is in quarantine there.
func (u *UI) unknownFeature(c echo.Context, name string) error {
	n, err := u.o.Quarantine.Held.HeldNumber(c.Request().Context(), name, "")
	if err != nil {
		return err
	}
	if n > 0 {
		return c.Redirect(http.StatusSeeOther, address(quarantineURL, "feature", name))
	}
	return unknown("feature", name)
}
