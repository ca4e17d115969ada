package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
)

func openForAlerts(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func alertAt(n int, at time.Time) flags.Alert {
	return flags.Alert{
		ID: fmt.Sprintf("id%02d", n), AlertKey: flags.AlertKey{Guarantee: "g", Objective: "o", Rule: fmt.Sprint(n)}, Feature: "f",
		Severity: flags.SeverityPage, State: flags.AlertFiring, FiredAt: at, Fired: flags.AlertNumbers{Long: 20, LongWindow: time.Hour},
	}
}

func TestAlertsArePagedAndFiltered(t *testing.T) {
	t.Parallel()
	s := openForAlerts(t)
	at := time.Unix(1_700_000_000, 0).UTC()
	var all []flags.AlertTransition
	for i := range 7 { // pairs fire at the same moment
		all = append(all, flags.AlertTransition{Alert: alertAt(i, at.Add(time.Duration(i/2)*time.Second))})
	}
	if err := s.RecordAlerts(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	ended := alertAt(3, at.Add(time.Second))
	ended.State, ended.ResolvedAt = flags.AlertResolved, at.Add(time.Hour)
	if err := s.RecordAlerts(t.Context(), []flags.AlertTransition{{Alert: ended}}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	q := flags.AlertQuery{Limit: 3}
	for range 5 {
		page, next, err := s.Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		if q.Cursor = next; next == "" {
			break
		}
	}
	if d := cmp.Diff([]string{"id06", "id05", "id04", "id03", "id02", "id01", "id00"}, ids); d != "" {
		t.Error(d)
	}
	got, err := s.Alert(t.Context(), "id03")
	if d := cmp.Diff(ended, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	for want, q := range map[int]flags.AlertQuery{1: {State: flags.AlertResolved}, 6: {State: flags.AlertFiring, Feature: "f"}, 0: {Severity: flags.SeverityTicket}, 7: {Guarantee: "g"}} {
		if page, _, err := s.Alerts(t.Context(), q); err != nil || len(page) != want {
			t.Errorf("%+v: %d alerts, %v", q, len(page), err)
		}
	}
	if firing, err := s.Firing(t.Context()); err != nil || len(firing) != 6 {
		t.Errorf("%d fire, %v", len(firing), err)
	}
	if _, _, err := s.Alerts(t.Context(), flags.AlertQuery{Cursor: "nonsense"}); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	twin := alertAt(6, at)
	twin.ID = "other"
	if err := s.RecordAlerts(t.Context(), []flags.AlertTransition{{Alert: alertAt(9, at)}, {Alert: twin}}); err == nil {
		t.Error("two alerts of one rule fire")
	}
	if _, err := s.Alert(t.Context(), "id09"); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("half of the transitions were stored: %v", err)
	}
}

func TestTheOutboxIsInOrderAndGoesWithItsWebhook(t *testing.T) {
	t.Parallel()
	s := openForAlerts(t)
	at := time.Unix(1_700_000_000, 0).UTC()
	w := flags.Webhook{ID: "w", Name: "ops", URL: "https://example.com/", Secret: "s", Severities: []flags.Severity{flags.SeverityPage, flags.SeverityTicket}, Enabled: true, CreatedAt: at, CreatedBy: "user:a"}
	if err := s.PutWebhook(t.Context(), w, "user:a", "", at); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Webhook(t.Context(), "w"); err != nil || cmp.Diff(w, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(w, got))
	}
	d := func(id, hook string, next time.Duration) flags.Delivery {
		return flags.Delivery{ID: id, WebhookID: hook, Type: "test", Payload: []byte("{}"), State: flags.DeliveryPending, CreatedAt: at, NextAt: at.Add(next)}
	}
	if err := s.Enqueue(t.Context(), []flags.Delivery{d("later", "w", time.Hour), d("second", "w", time.Second), d("first", "w", 0), d("orphan", "gone", 0)}); err != nil {
		t.Fatal(err)
	}
	due, err := s.Due(t.Context(), at.Add(time.Minute), 10)
	if err != nil || len(due) != 2 || due[0].ID != "first" || due[1].ID != "second" {
		t.Fatalf("%+v, %v", due, err)
	}
	due[0].State, due[0].DoneAt, due[0].Attempts, due[0].Status = flags.DeliveryDelivered, at.Add(time.Second), 1, 200
	if err := s.SaveDelivery(t.Context(), due[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.PruneDeliveries(t.Context(), at.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if log, err := s.Deliveries(t.Context(), "w", 10); err != nil || len(log) != 3 {
		t.Errorf("%d deliveries, %v", len(log), err)
	}
	if err := s.PruneDeliveries(t.Context(), at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDelivery(t.Context(), due[0]); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.DeleteWebhook(t.Context(), "w", "user:a", "", at); err != nil {
		t.Fatal(err)
	}
	if due, err := s.Due(t.Context(), at.Add(24*time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("%+v, %v", due, err)
	}
	if _, err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
