package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/policy"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// QuarantineOptions are what the routes about events in quarantine need.
type QuarantineOptions struct {
	Held interface {
		metrics.Quarantine
		metrics.Finder // of the write that an event belongs to, its labels
	}
	Orders flags.QuarantineStore
	// Order decides about what is held now: of a feature, with a label, or all of it.
	Order  func(ctx context.Context, action flags.QuarantineAction, feature, label string, by flags.Author) (flags.QuarantineOrder, error)
	Labels func() *metrics.Vocabulary
	Policy *policy.Book
}

// Quarantine answers programs about events that are kept apart.
type Quarantine struct {
	api *API
	o   QuarantineOptions
}

// NewQuarantine returns the part of the API that is about the quarantine.
func NewQuarantine(a *API, o QuarantineOptions) *Quarantine { return &Quarantine{a, o} }

// Routes is the URL map of the quarantine.
func (q *Quarantine) Routes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/api/v1/quarantine", May: access.Read, Handle: q.list},
		{Method: http.MethodGet, Path: "/api/v1/quarantine/counts", May: access.Read, Handle: q.counts},
		{Method: http.MethodGet, Path: "/api/v1/quarantine/orders", May: access.Read, Handle: q.orders},
		{Method: http.MethodPost, Path: "/api/v1/quarantine/release", May: access.Control, Handle: q.order(flags.QuarantineRelease)},
		{Method: http.MethodPost, Path: "/api/v1/quarantine/discard", May: access.Control, Handle: q.order(flags.QuarantineDiscard)},
	}
}

// HeldEvent is an event in quarantine as the asker may see it.
type HeldEvent struct {
	Number   int64             `json:"number"`
	HeldAt   int64             `json:"held_at"`
	Unknown  []string          `json:"unknown"` // the labels that are not declared by now
	Event    *metrics.Event    `json:"event"`
	Redacted *report.Redaction `json:"redacted,omitempty"`
}

// view shows what is held: the labels that keep it there, and of its contents what the
// identity may see.
func (q *Quarantine) view(ctx context.Context, who *access.Identity, list []metrics.Held) ([]HeldEvent, error) {
	out := make([]HeldEvent, len(list))
	labels, now := q.o.Labels(), q.api.o.Now().UnixNano()
	for i := range list {
		h := &list[i]
		out[i] = HeldEvent{Number: h.Number, HeldAt: h.HeldAt, Event: &h.Event, Unknown: orEmpty(labels.Unknown(h.Event.Labels, now))}
		var err error
		if out[i].Redacted, err = q.o.Policy.RedactHeld(ctx, who, q.o.Held, &h.Event); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (q *Quarantine) list(c echo.Context) error {
	p := q.api.readParams(c, "feature", "label", "cursor", "limit")
	ask := metrics.HeldQuery{Feature: p.text("feature"), Label: p.text("label"), Newest: true, Limit: p.int("limit", 1, 500)}
	if p.err != nil {
		return p.err
	}
	if s := p.text("cursor"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 2 {
			return fmt.Errorf("%w %q", metrics.ErrCursor, s)
		}
		ask.Through = n - 1
	}
	if ask.Limit == 0 {
		ask.Limit = 50
	}
	limit := ask.Limit
	ask.Limit++
	list, err := q.o.Held.Held(c.Request().Context(), ask)
	if err != nil {
		return err
	}
	answer := page[HeldEvent]{}
	if len(list) > limit {
		list = list[:limit]
		answer.Next = strconv.FormatInt(list[limit-1].Number, 10)
	}
	if answer.Items, err = q.view(c.Request().Context(), auth.Who(c), list); err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, heldTable(answer.Items))
	}
	return respond.JSON(c, http.StatusOK, answer)
}

func heldTable(items []HeldEvent) respond.Table {
	t := respond.Table{Name: "quarantine", Header: []string{
		"number", "held_at", "event_id", "kind", "write_id", "feature", "key", "service", "replica", "occurred_at", "labels", "unknown", "actor", "delta", "redacted_by",
	}}
	for _, h := range items {
		e, by := h.Event, ""
		if h.Redacted != nil {
			by = h.Redacted.Policy
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(h.Number, 10), stamp(h.HeldAt), e.EventID, e.Kind.String(), e.WriteID, e.Feature, e.Key, e.Service, e.Replica,
			stamp(e.OccurredAt), strings.Join(e.Labels, " "), strings.Join(h.Unknown, " "), e.Actor, e.Delta, by,
		})
	}
	return t
}

// quarantineCounts is how much is held, in all and by feature and label.
type quarantineCounts struct {
	metrics.HeldTotal

	Items []metrics.HeldCount `json:"items"`
	More  bool                `json:"more"` // others have no more events
}

// maxHeldCounts bounds the features and labels of one answer: whoever reports sends as
// many labels as they like.
const maxHeldCounts = 1000

func (q *Quarantine) counts(c echo.Context) error {
	p := q.api.readParams(c, "feature")
	if p.err != nil {
		return p.err
	}
	counts, err := q.o.Held.HeldCounts(c.Request().Context(), metrics.HeldCountQuery{Feature: p.text("feature"), Limit: maxHeldCounts + 1})
	if err != nil {
		return err
	}
	more := len(counts) > maxHeldCounts
	counts = counts[:min(len(counts), maxHeldCounts)]
	if respond.WantsCSV(c) {
		t := respond.Table{Name: "quarantine-counts", Header: []string{"feature", "label", "events", "oldest", "newest"}}
		for _, n := range counts {
			t.Rows = append(t.Rows, []string{n.Feature, n.Label, strconv.FormatInt(n.Events, 10), stamp(n.Oldest), stamp(n.Newest)})
		}
		return respond.CSV(c, t)
	}
	return respond.JSON(c, http.StatusOK, quarantineCounts{q.o.Held.HeldTotal(), orEmpty(counts), more})
}

func (q *Quarantine) orders(c echo.Context) error {
	p := q.api.readParams(c, "limit")
	limit := p.int("limit", 1, 500)
	if p.err != nil {
		return p.err
	}
	if limit == 0 {
		limit = 50
	}
	list, err := q.o.Orders.QuarantineOrders(c.Request().Context(), false, limit)
	if err != nil {
		return err
	}
	return page[flags.QuarantineOrder]{Items: list}.tell(c, orderTable)
}

var orderTable = tableOf("quarantine-orders", "id action feature label events actor reason at done_at", func(o *flags.QuarantineOrder) []string {
	return []string{o.ID, string(o.Action), o.Feature, o.Label, strconv.FormatInt(o.Events, 10), o.Actor, o.Reason, moment(&o.At), moment(o.DoneAt)}
})

// QuarantineRequest is the body of a decision: which events, and why.
type QuarantineRequest struct {
	Feature string `json:"feature"` // "" = of any feature
	Label   string `json:"label"`   // "" = with any label
	Reason  string `json:"reason"`
}

func (q *Quarantine) order(action flags.QuarantineAction) echo.HandlerFunc {
	return func(c echo.Context) error {
		var in QuarantineRequest
		if err := readJSON(c, &in); err != nil {
			return err
		}
		o, err := q.o.Order(c.Request().Context(), action, in.Feature, in.Label, flags.Author{Actor: auth.Who(c).Actor(), Reason: in.Reason})
		if err != nil {
			return err
		}
		return respond.JSON(c, http.StatusAccepted, o)
	}
}
