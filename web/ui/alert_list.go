package ui

import (
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

func (u *UI) alerts(c echo.Context) error {
	a, err := u.ask(c, "feature", "guarantee", "state", "severity", "cursor")
	if err != nil {
		return err
	}
	q := flags.AlertQuery{
		Feature: a.v.Get("feature"), Guarantee: a.v.Get("guarantee"), Cursor: a.v.Get("cursor"),
		State: flags.AlertState(a.v.Get("state")), Severity: flags.Severity(a.v.Get("severity")),
	}
	if err := checkAlertQuery(&q); err != nil {
		return err
	}
	ctx := c.Request().Context()
	firing, err := u.o.Alerts.Firing(ctx)
	if err != nil {
		return err
	}
	list, next, err := u.o.Alerts.Alerts(ctx, q)
	if err != nil {
		return err
	}
	m := page.Alerts{Head: alertsHead(firing), Filters: alertFilters(a), List: alertRows(a, list, next)}
	hooks, err := u.o.Webhooks.Webhooks(ctx)
	if err != nil {
		return err
	}
	control := auth.Who(c).May(access.Control)
	m.Hooks = webhookRows(hooks, control)
	if control {
		m.Actions = []page.Action{{Text: "Add a webhook", URL: webhooksURL + "/new"}}
	}
	return u.show(c, view{title: "Alerts", current: "/alerts", topic: live.TopicOverview, body: page.ShowAlerts(m)})
}

func checkAlertQuery(q *flags.AlertQuery) error {
	switch q.State {
	case "", flags.AlertFiring, flags.AlertResolved:
	default:
		return respond.Bad("state", "%q is no state: want firing or resolved.", q.State)
	}
	switch q.Severity {
	case "", flags.SeverityPage, flags.SeverityTicket:
	default:
		return respond.Bad("severity", "%q is no severity: want page or ticket.", q.Severity)
	}
	return nil
}

func alertsHead(firing []flags.Alert) part.Head {
	if len(firing) == 0 {
		return part.Head{Answer: "Nothing needs anybody now.", Tone: part.Good, Sub: "No alert is firing."}
	}
	pages := 0
	for _, a := range firing {
		if a.Severity == flags.SeverityPage {
			pages++
		}
	}
	h := part.Head{Tone: part.Warn, Answer: format.Plural(int64(len(firing)), "ticket is open", "tickets are open") + "; nothing must be done at once."}
	if pages > 0 {
		h.Tone = part.Bad
		h.Answer = format.Plural(int64(pages), "page is firing", "pages are firing") + ": somebody must look now."
		if rest := len(firing) - pages; rest > 0 {
			h.Sub = format.Plural(int64(rest), "ticket is", "tickets are") + " open too."
		}
	}
	return h
}

func alertFilters(a *asked) page.Filters {
	f := page.Filters{Action: "/alerts", Fields: []page.Filter{
		{Name: "state", Label: "State", Value: a.v.Get("state"), Options: options("", "Any", "firing", "Firing", "resolved", "Resolved")},
		{Name: "severity", Label: "Severity", Value: a.v.Get("severity"), Options: options("", "Any", "page", "Page", "ticket", "Ticket")},
		{Name: "feature", Label: "Feature", Value: a.v.Get("feature")},
		{Name: "guarantee", Label: "Guarantee", Value: a.v.Get("guarantee")},
	}}
	if len(a.v) > 0 {
		f.Clear = "/alerts"
	}
	return f
}

func alertRows(a *asked, list []flags.Alert, next string) page.Section {
	api := []string{"feature", a.v.Get("feature"), "guarantee", a.v.Get("guarantee"), "state", a.v.Get("state"), "severity", a.v.Get("severity")}
	s := page.Section{
		ID: "alerts", Title: "Alerts, latest first", About: "A page fires at 14.4× over 1 h and 5 min, or 6× over 6 h and 30 min; a ticket at 1× over 3 d and 6 h, both windows exceeding. A hop of a labelled write at a service without clearance is a ticket for an hour.",
		Get:  part.Downloads{CSV: address("/api/v1/alerts", append(api, "format", "csv")...), JSON: address("/api/v1/alerts", api...)},
		None: part.Empty{Title: "No alert", Text: "An alert fires when a promise uses its error budget too fast, or a hop is against policy."},
	}
	s.Table = part.Table{Caption: "Alerts", Steps: true, Columns: []part.Column{{Head: "What"}, {Head: "State"}, {Head: "Severity"}, {Head: "Fired"}, {Head: "Lasted", Num: true}, {Head: "Burn rate", Num: true, Hint: "Long window, when it fired"}, {Head: "Budget left", Num: true}, {Head: "Owner"}}}
	for i := range list {
		al := &list[i]
		first := part.To(al.Guarantee, guaranteeURL(al.Guarantee))
		if al.Guarantee == "" {
			first = part.To(al.Feature, address(violationsURL, "feature", al.Feature, "guarantee", string(metrics.MetricPolicy)))
		}
		first.Under, first.Class = al.Summary, "who"
		st, lasted := part.Status{Tone: part.Good, Text: "Resolved"}, part.Vacant()
		if al.State == flags.AlertFiring {
			st = part.Status{Tone: severityTone(al.Severity), Text: "Firing"}
		} else if !al.ResolvedAt.IsZero() {
			lasted = part.Text(format.Age(al.ResolvedAt.Sub(al.FiredAt)))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, {Status: st}, part.Text(string(al.Severity)), part.When(al.FiredAt), lasted, alertBurn(al), alertBudget(al), part.Text(al.Owner),
		}})
	}
	if next != "" {
		s.Next = part.Link{Text: "Older alerts", URL: a.with("cursor", next)}
	}
	return s
}

func severityTone(s flags.Severity) string {
	if s == flags.SeverityPage {
		return part.Bad
	}
	return part.Warn
}

// alertBurn is the evidence: a burn rate, for ages the age, for policy the hops. That a
// replica fell silent is evidence without a number.
func alertBurn(a *flags.Alert) part.Cell {
	switch {
	case a.Rule == guarantee.RulePolicy:
		return cell(part.Value{Text: format.Plural(int64(a.Fired.Long), "hop", "hops"), Under: "against policy"})
	case a.Fired.Threshold == 0:
		return part.Vacant()
	case a.Fired.LongWindow == 0:
		return cell(part.Value{Text: format.Duration(int64(a.Fired.Long)), Under: "limit " + format.Duration(int64(a.Fired.Threshold))})
	}
	return cell(part.Value{Text: format.Times(a.Fired.Long), Under: "over " + format.Duration(int64(a.Fired.LongWindow)) + ", limit " + format.Times(a.Fired.Threshold)})
}

func alertBudget(a *flags.Alert) part.Cell {
	if a.Fired.Eligible == 0 {
		return part.Vacant()
	}
	if a.Fired.BudgetLeft < 0 {
		return cell(part.Value{Text: "used up " + format.Times(1-a.Fired.BudgetLeft), Tone: part.Bad})
	}
	return part.Text(format.Target(float64(int(a.Fired.BudgetLeft*100)) / 100))
}

func webhookRows(hooks []flags.Webhook, control bool) page.Section {
	s := page.Section{
		ID: "webhooks", Title: "Who is told", About: "Webhooks get a signed message when an alert fires or resolves.", Get: both("/api/v1/webhooks"),
		None: part.Empty{Title: "Nobody is told by webhook", Text: "Operators and administrators can add one."},
	}
	if control {
		s.None.Text, s.None.Link = "Alerts are only on this page.", part.Link{Text: "Add a webhook", URL: webhooksURL + "/new"}
	}
	s.Table = part.Table{Caption: "Webhooks", Columns: []part.Column{{Head: "Name"}, {Head: "State"}, {Head: "Host"}, {Head: "Is told about"}, {Head: "Since"}}}
	for i := range hooks {
		h := &hooks[i]
		name := part.Text(h.Name)
		if control {
			name = part.To(h.Name, webhookURL(h.ID))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{name, {Status: webhookStatus(h)}, part.Text(hostOf(h.URL)), part.Text(toldAbout(h)), part.When(h.CreatedAt.Truncate(time.Second))}})
	}
	return s
}

// hostOf shows where a webhook leads without what may be secret in its path.
func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	return "unreadable address"
}
