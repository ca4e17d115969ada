package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/alert"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

func (p *Promises) listAlerts(c echo.Context) error {
	q := p.api.readParams(c, "guarantee", "feature", "state", "severity", "cursor", "limit")
	query := flags.AlertQuery{
		Guarantee: q.text("guarantee"), Feature: q.text("feature"), State: flags.AlertState(q.text("state")),
		Severity: flags.Severity(q.text("severity")), Cursor: q.text("cursor"), Limit: q.int("limit", 1, 500),
	}
	switch query.State {
	case "", flags.AlertFiring, flags.AlertResolved:
	default:
		q.fail("state", "%q is no state of an alert: want firing or resolved.", string(query.State))
	}
	switch query.Severity {
	case "", flags.SeverityPage, flags.SeverityTicket:
	default:
		q.fail("severity", "%q is no severity: want page or ticket.", string(query.Severity))
	}
	if q.err != nil {
		return q.err
	}
	list, next, err := p.o.Alerts.Alerts(c.Request().Context(), query)
	if err != nil {
		return err
	}
	linkNext(c, next)
	if respond.WantsCSV(c) {
		return respond.CSV(c, alertTable(list))
	}
	items := make([]alert.Body, len(list))
	for i := range list {
		items[i] = alert.NewBody(&list[i])
	}
	return respond.JSON(c, http.StatusOK, page[alert.Body]{Items: items, Next: next})
}

func alertTable(list []flags.Alert) respond.Table {
	t := respond.Table{Name: "alerts", Header: []string{"id", "guarantee", "feature", "objective", "rule", "severity", "state", "fired_at", "resolved_at", "summary"}}
	for i := range list {
		a := &list[i]
		ended := ""
		if !a.ResolvedAt.IsZero() {
			ended = a.ResolvedAt.Format(time.RFC3339Nano)
		}
		t.Rows = append(t.Rows, []string{
			a.ID, a.Guarantee, a.Feature, a.Objective, a.Rule, string(a.Severity), string(a.State),
			a.FiredAt.Format(time.RFC3339Nano), ended, a.Summary,
		})
	}
	return t
}

func (p *Promises) getAlert(c echo.Context) error {
	a, err := p.o.Alerts.Alert(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, alert.NewBody(&a))
}

// Webhook is an address that is told about alerts. Secret is only there in the
// answer to its creation.
type Webhook struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	URL         string           `json:"url"`
	Severities  []flags.Severity `json:"severities"`  // empty = all
	Checkpoints bool             `json:"checkpoints"` // is also sent those of the audit log
	Enabled     bool             `json:"enabled"`
	CreatedAt   time.Time        `json:"created_at"`
	CreatedBy   string           `json:"created_by"`
	Seen        string           `json:"seen"` // to be sent along when it is replaced
	Secret      string           `json:"secret,omitempty"`
}

func viewWebhook(w *flags.Webhook) Webhook {
	return Webhook{w.ID, w.Name, w.URL, orEmpty(w.Severities), w.Checkpoints, w.Enabled, w.CreatedAt, w.CreatedBy, w.Seen(), w.Secret}
}

// WebhookInput creates or replaces a webhook.
type WebhookInput struct {
	Name        string           `json:"name"`
	URL         string           `json:"url"`
	Severities  []flags.Severity `json:"severities"`
	Checkpoints bool             `json:"checkpoints"`
	Enabled     *bool            `json:"enabled"` // default true
	Seen        string           `json:"seen"`    // "" = whatever is there
	Reason      string           `json:"reason"`
}

func readWebhook(c echo.Context) (alert.Input, string, error) {
	var in WebhookInput
	if err := readJSON(c, &in); err != nil {
		return alert.Input{}, "", err
	}
	return alert.Input{
		Name: in.Name, URL: in.URL, Severities: in.Severities, Checkpoints: in.Checkpoints, Enabled: in.Enabled == nil || *in.Enabled,
		Replaces: in.Seen,
	}, in.Reason, nil
}

func (p *Promises) listWebhooks(c echo.Context) error {
	ws, err := p.o.Hooks.List(c.Request().Context())
	if err != nil {
		return err
	}
	items := make([]Webhook, len(ws))
	for i := range ws {
		items[i] = viewWebhook(&ws[i])
	}
	return page[Webhook]{Items: items}.tell(c, tableOf("webhooks", "id name url severities enabled created_at created_by", webhookRow))
}

func (p *Promises) createWebhook(c echo.Context) error {
	in, reason, err := readWebhook(c)
	if err != nil {
		return err
	}
	w, err := p.o.Hooks.Create(c.Request().Context(), in, auth.Who(c).Actor(), reason)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusCreated, viewWebhook(&w))
}

func (p *Promises) getWebhook(c echo.Context) error {
	w, err := p.o.Hooks.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, viewWebhook(&w))
}

func (p *Promises) putWebhook(c echo.Context) error {
	in, reason, err := readWebhook(c)
	if err != nil {
		return err
	}
	w, err := p.o.Hooks.Update(c.Request().Context(), pathParam(c, "id"), in, auth.Who(c).Actor(), reason)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, viewWebhook(&w))
}

func (p *Promises) deleteWebhook(c echo.Context) error {
	q := p.api.readParams(c, "reason")
	if q.err != nil {
		return q.err
	}
	if err := p.o.Hooks.Delete(c.Request().Context(), pathParam(c, "id"), auth.Who(c).Actor(), q.text("reason")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// Delivery is one message to a webhook and what became of it.
type Delivery struct {
	ID        string              `json:"id"`
	AlertID   string              `json:"alert_id,omitempty"`
	Type      string              `json:"type"`
	State     flags.DeliveryState `json:"state"`
	Attempts  int                 `json:"attempts"`
	CreatedAt time.Time           `json:"created_at"`
	NextAt    *time.Time          `json:"next_at"` // null once it is done
	DoneAt    *time.Time          `json:"done_at"`
	Status    int                 `json:"status,omitempty"` // of the last answer
	Error     string              `json:"error,omitempty"`
}

func viewDelivery(d *flags.Delivery) Delivery {
	v := Delivery{
		ID: d.ID, AlertID: d.AlertID, Type: d.Type, State: d.State, Attempts: d.Attempts,
		CreatedAt: d.CreatedAt, Status: d.Status, Error: d.Error,
	}
	if d.State == flags.DeliveryPending {
		v.NextAt = &d.NextAt
	} else {
		v.DoneAt = &d.DoneAt
	}
	return v
}

func (p *Promises) testWebhook(c echo.Context) error {
	d, err := p.o.Hooks.Test(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusAccepted, viewDelivery(&d))
}

func (p *Promises) listDeliveries(c echo.Context) error {
	q := p.api.readParams(c, "limit")
	limit := q.int("limit", 1, 200)
	if q.err != nil {
		return q.err
	}
	if limit == 0 {
		limit = 50
	}
	ds, err := p.o.Hooks.Deliveries(c.Request().Context(), pathParam(c, "id"), limit)
	if err != nil {
		return err
	}
	items := make([]Delivery, len(ds))
	for i := range ds {
		items[i] = viewDelivery(&ds[i])
	}
	return page[Delivery]{Items: items}.tell(c, tableOf("deliveries", "id alert_id type state attempts created_at next_at done_at status error", deliveryRow))
}
