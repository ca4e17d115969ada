package ui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/alert"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

const (
	alertsURL   = "/alerts"
	webhooksURL = alertsURL + "/webhooks"
	// deliveriesShown is how many of a webhook's deliveries its page lists.
	deliveriesShown = 50
)

// Webhooks serves the pages about who is told of alerts. They show addresses, which
// may hold secrets, so they are for those who control.
type Webhooks struct {
	ui    *UI
	hooks *alert.Hooks
}

// NewWebhooks returns the pages about who is told of alerts.
func NewWebhooks(u *UI, hooks *alert.Hooks) *Webhooks { return &Webhooks{u, hooks} }

// Routes is the URL map of the pages about who is told of alerts.
func (w *Webhooks) Routes() []auth.Route {
	routes := []auth.Route{{Method: http.MethodGet, Path: webhooksURL + "/:id", May: access.Control, Handle: respond.Takes(w.show)}}
	return append(routes, desk{w.ui, part.Crumb{Text: "Alerts", URL: alertsURL}}.routes([]act{
		{"/webhooks/new", access.Control, w.askNew, w.doNew},
		{"/webhooks/:id/edit", access.Control, w.askEdit, w.doEdit},
		{"/webhooks/:id/test", access.Control, w.askTest, w.doTest},
		{"/webhooks/:id/remove", access.Control, w.askRemove, w.doRemove},
	})...)
}

func webhookURL(id string) string { return webhooksURL + "/" + url.PathEscape(id) }

func (w *Webhooks) show(c echo.Context) error {
	ctx := c.Request().Context()
	h, err := w.hooks.Get(ctx, pathParam(c, "id"))
	if err != nil {
		return err
	}
	sent, err := w.hooks.Deliveries(ctx, h.ID, deliveriesShown)
	if err != nil {
		return err
	}
	m := page.AccessItem{
		Head: webhookHead(&h, sent),
		Actions: []page.Action{
			{Text: "Send a test", URL: webhookURL(h.ID) + "/test", Primary: true},
			{Text: "Change", URL: webhookURL(h.ID) + "/edit"},
			{Text: "Remove", URL: webhookURL(h.ID) + "/remove", Danger: true},
		},
		About: []page.Pair{
			{Name: "Address", Cell: mono(h.URL)},
			{Name: "Is told about", Cell: part.Text(toldAbout(&h))},
			{Name: "Made", Cell: part.When(h.CreatedAt)},
			{Name: "By", Cell: part.Text(h.CreatedBy)},
			{Name: "History", Cell: part.To("in the audit log", historyURL("webhook/"+h.ID))},
		},
		Tables: []page.Section{deliveryRows(&h, sent)},
	}
	return w.ui.show(c, view{title: "Webhook " + h.Name, current: alertsURL, body: page.ShowAccessItem(m)})
}

func toldAbout(h *flags.Webhook) string {
	about := "pages and tickets"
	if len(h.Severities) == 1 {
		about = string(h.Severities[0]) + "s only"
	}
	if h.Checkpoints {
		about += ", and signed heads of the audit log"
	}
	return about
}

func webhookStatus(h *flags.Webhook) part.Status {
	if h.Enabled {
		return part.Status{Tone: part.Good, Text: "On"}
	}
	return part.Status{Tone: part.Neutral, Text: "Off"}
}

// webhookHead says whether messages arrive, going by the latest that is done.
func webhookHead(h *flags.Webhook, sent []flags.Delivery) part.Head {
	head := part.Head{Crumbs: []part.Crumb{{Text: "Alerts", URL: alertsURL}, {Text: h.Name}}, Status: webhookStatus(h)}
	head.Answer = "Nothing was sent to " + h.Name + " yet: whether messages arrive is unknown."
	for i := range sent {
		d := &sent[i]
		if d.State == flags.DeliveryPending && d.Attempts == 0 {
			continue
		}
		switch d.State {
		case flags.DeliveryDelivered:
			head.Tone, head.Answer = part.Good, "Messages arrive at "+h.Name+"."
		case flags.DeliveryPending:
			head.Tone, head.Answer = part.Warn, "The latest message to "+h.Name+" has not arrived yet; it is tried again."
		default:
			head.Tone, head.Answer = part.Bad, "The latest message to "+h.Name+" was given up."
		}
		break
	}
	if !h.Enabled {
		head.Tone, head.Sub = part.Neutral, "It is switched off: alerts are not sent to it."
	}
	return head
}

func deliveryRows(h *flags.Webhook, sent []flags.Delivery) page.Section {
	s := page.Section{
		ID: "deliveries", Title: "What was sent, latest first", About: "A message that does not arrive is tried again, at longer and longer intervals.",
		Get:  both("/api/v1/webhooks/" + url.PathEscape(h.ID) + "/deliveries"),
		None: part.Empty{Title: "Nothing was sent yet", Text: "Send a test to see whether messages arrive.", Link: part.Link{Text: "Send a test", URL: webhookURL(h.ID) + "/test"}},
	}
	s.Table = part.Table{Caption: "Messages", Columns: []part.Column{{Head: "When"}, {Head: "What"}, {Head: "Status"}, {Head: "Attempts", Num: true}, {Head: "Answer"}}}
	for i := range sent {
		d := &sent[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.When(d.CreatedAt), part.Text(deliveryWhat(d)), {Status: deliveryStatus(d)}, part.Text(strconv.Itoa(d.Attempts)), deliveryAnswer(d),
		}})
	}
	return s
}

func deliveryWhat(d *flags.Delivery) string {
	switch d.Type {
	case "alert.firing":
		return "an alert fired"
	case "alert.resolved":
		return "an alert was resolved"
	case alert.TypeCheckpoint:
		return "a signed head of the audit log"
	}
	return d.Type
}

func deliveryStatus(d *flags.Delivery) part.Status {
	switch d.State {
	case flags.DeliveryDelivered:
		return part.Status{Tone: part.Good, Text: "Delivered"}
	case flags.DeliveryFailed:
		return part.Status{Tone: part.Bad, Text: "Given up"}
	}
	if d.Attempts > 0 {
		return part.Status{Tone: part.Warn, Text: "Trying again"}
	}
	return part.Status{Tone: part.Tide, Text: "Waiting"}
}

func deliveryAnswer(d *flags.Delivery) part.Cell {
	text := "none yet"
	if d.Status > 0 {
		text = strconv.Itoa(d.Status) + " " + http.StatusText(d.Status)
	}
	return part.Cell{Value: part.Value{Text: text, Under: d.Error}}
}

// severitiesOf are the choices of what a webhook is told about.
func severitiesOf(choice string) ([]flags.Severity, error) {
	switch choice {
	case "all":
		return nil, nil
	case string(flags.SeverityPage), string(flags.SeverityTicket):
		return []flags.Severity{flags.Severity(choice)}, nil
	}
	return nil, respond.Bad("severities", "%q is no choice: want all, page or ticket.", choice)
}

func hookFields(h *flags.Webhook) []page.Field {
	about := "all"
	if len(h.Severities) == 1 {
		about = string(h.Severities[0])
	}
	heads := "no"
	if h.Checkpoints {
		heads = "yes"
	}
	return []page.Field{
		{Name: "name", Label: "Name", Required: true, Focus: true, Max: 100, Value: h.Name, Hint: "Such as on-call of checkout."},
		{Name: "url", Label: "Address", Required: true, Max: 2000, Value: h.URL, Hint: "https://… that takes a POST. Private networks only where the server allows them."},
		{Name: "severities", Label: "Is told about", Kind: "pick", Value: about, Options: options("all", "Pages and tickets", "page", "Pages only", "ticket", "Tickets only")},
		{
			Name: "checkpoints", Label: "Signed heads of the audit log", Kind: "pick", Value: heads, Options: options("no", "Not sent", "yes", "Sent, at most once an hour"),
			Hint: "Whoever keeps them can show later whether an entry was changed.",
		},
	}
}

func hookInput(c echo.Context, enabled bool) (alert.Input, error) {
	severities, err := severitiesOf(c.FormValue("severities"))
	return alert.Input{
		Name: strings.TrimSpace(c.FormValue("name")), URL: strings.TrimSpace(c.FormValue("url")), Severities: severities, Checkpoints: c.FormValue("checkpoints") == "yes", Enabled: enabled,
		Replaces: c.FormValue("seen"),
	}, err
}

func (w *Webhooks) askNew(c echo.Context) (page.Confirm, error) {
	return page.Confirm{
		Head:   part.Head{Answer: "Who is to be told when an alert fires or resolves?"},
		Does:   []string{"Send a signed message to the address from now on.", "Make the secret that signs them; it is shown once, on the next page."},
		Back:   "Switch the webhook off, or remove it.",
		Button: "Add the webhook",
		Fields: typed(c, append(hookFields(&flags.Webhook{}), reasonField(false))),
	}, nil
}

func (w *Webhooks) doNew(c echo.Context, by access.Change) error {
	in, err := hookInput(c, true)
	if err != nil {
		return err
	}
	h, err := w.hooks.Create(c.Request().Context(), in, by.Actor, by.Reason)
	if err != nil {
		return err
	}
	m := page.Secret{
		Head:    part.Head{Answer: "The webhook " + h.Name + " is made.", Tone: part.Good},
		Title:   "Copy its secret now",
		Text:    "It is shown only here: whoever takes the messages checks their signatures with it (Standard Webhooks).",
		Command: part.Command{ID: "new-secret", Text: h.Secret},
		Facts:   []page.Pair{{Name: "Host", Cell: part.Text(hostOf(h.URL))}, {Name: "Is told about", Cell: part.Text(toldAbout(&h))}},
		Back:    part.Link{Text: "I have copied it", URL: webhookURL(h.ID)},
	}
	return w.ui.show(c, view{title: "The new webhook", current: alertsURL, body: page.ShowSecret(m)})
}

func (w *Webhooks) askEdit(c echo.Context) (page.Confirm, error) {
	h, err := w.hooks.Get(c.Request().Context(), pathParam(c, "id"))
	state := "off"
	if h.Enabled {
		state = "on"
	}
	return page.Confirm{
		Head:   part.Head{Answer: "Change the webhook " + h.Name + "?"},
		Does:   []string{"Hold for every message that is sent from now on.", "Its secret stays."},
		Back:   "Change it again; the audit log has what it was.",
		Button: "Change the webhook", Cancel: part.Link{Text: "Cancel", URL: webhookURL(h.ID)}, Hidden: []page.Hidden{{Name: "seen", Value: h.Seen()}},
		Fields: typed(c, append(hookFields(&h),
			page.Field{Name: "enabled", Label: "It is", Kind: "pick", Value: state, Options: options("on", "On", "off", "Off: nothing is sent")}, reasonField(true))),
	}, err
}

func (w *Webhooks) doEdit(c echo.Context, by access.Change) error {
	id := pathParam(c, "id")
	in, err := hookInput(c, c.FormValue("enabled") == "on")
	switch {
	case err != nil:
		return err
	case by.Reason == "":
		return respond.Bad("reason", "A reason is wanted.")
	}
	if _, err := w.hooks.Update(c.Request().Context(), id, in, by.Actor, by.Reason); err != nil {
		return again(err)
	}
	return done(c, webhookURL(id))
}

func (w *Webhooks) askTest(c echo.Context) (page.Confirm, error) {
	h, err := w.hooks.Get(c.Request().Context(), pathParam(c, "id"))
	return page.Confirm{
		Head:   part.Head{Answer: "Send a test message to " + h.Name + "?"},
		Does:   []string{"Send a signed message of type test to " + hostOf(h.URL) + ", within seconds.", "Its page says what became of it."},
		Back:   "None is needed: a test is about no alert.",
		Button: "Send the test", Cancel: part.Link{Text: "Cancel", URL: webhookURL(h.ID)},
	}, err
}

func (w *Webhooks) doTest(c echo.Context, _ access.Change) error {
	id := pathParam(c, "id")
	if _, err := w.hooks.Test(c.Request().Context(), id); err != nil {
		return err
	}
	return done(c, webhookURL(id)+"#deliveries")
}

func (w *Webhooks) askRemove(c echo.Context) (page.Confirm, error) {
	ctx := c.Request().Context()
	h, err := w.hooks.Get(ctx, pathParam(c, "id"))
	if err != nil {
		return page.Confirm{}, err
	}
	sent, err := w.hooks.Deliveries(ctx, h.ID, 200)
	waiting := int64(0)
	for i := range sent {
		if sent[i].State == flags.DeliveryPending {
			waiting++
		}
	}
	return page.Confirm{
		Head: part.Head{Answer: "Remove the webhook " + h.Name + "?"},
		Does: []string{"Send nothing to " + hostOf(h.URL) + " any more.", "Forget what was sent to it, and " + format.Plural(waiting, "message that waits", "messages that wait") + "."},
		Back: "None: add it again, with a new secret. Switching it off keeps it.", Button: "Remove the webhook", Danger: true,
		Cancel: part.Link{Text: "Cancel", URL: webhookURL(h.ID)}, Fields: typed(c, []page.Field{reasonField(true)}),
	}, err
}

func (w *Webhooks) doRemove(c echo.Context, by access.Change) error {
	if by.Reason == "" {
		return respond.Bad("reason", "A reason is wanted.")
	}
	if err := w.hooks.Delete(c.Request().Context(), pathParam(c, "id"), by.Actor, by.Reason); err != nil {
		return err
	}
	return done(c, alertsURL+"#webhooks")
}
