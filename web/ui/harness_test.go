package ui_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	"tidemark/flags/policy"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/rollup"
	"tidemark/metrics/storetest"
	"tidemark/tests/plainsql"
	"tidemark/web"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/ui"
)

// present is now, for everything that the tests ask.
var present = time.Date(2026, 3, 14, 14, 0, 0, 0, time.UTC)

func clock() time.Time { return present }

// earlier is when documents are applied: before the first write.
func earlier() time.Time { return present.Add(-time.Hour) }

const promise = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: cart-everywhere}
spec:
  version: VERSION
  status: active
  feature: cart
  story: "My cart is the same on every device."
  owner: team-checkout
  model: causal
  replicas: [{name: cart-eu, kind: state}, {name: cart-us, kind: state}]
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.999, window: 28d}
  review: {every: 90d, decision: docs/adr/0001.md}
`

// site is a server with pages over a store in memory.
type site struct {
	t      *testing.T
	server *web.Server
	keys   map[string]string // by scope
	judge  *guarantee.Evaluator
	cat    *guarantee.Catalogue
	engine *rollup.Engine
	log    *storetest.Memory

	control *control.Store
	path    string // of the control store
}

// open starts a site where nothing was reported yet.
func open(t *testing.T) *site {
	t.Helper()
	return openWith(t, func(*ui.Options) {})
}

// openWith is open with something else in the pages' options.
func openWith(t *testing.T, change func(*ui.Options)) *site {
	t.Helper()
	ctx := t.Context()
	s := &site{t: t, log: storetest.NewMemory(), keys: map[string]string{}}
	s.path = filepath.Join(t.TempDir(), "control.db")
	store, err := control.Open(ctx, s.path)
	must(t, err)
	s.control = store
	t.Cleanup(func() { must(t, store.Close()) })
	s.engine, err = rollup.Open(ctx, s.log, nil, rollup.Options{Now: clock})
	must(t, err)
	rep := report.New(s.engine, clock)
	s.cat = guarantee.NewCatalogue(guarantee.Options{Store: store, Now: earlier, Changed: s.changed})
	s.judge = guarantee.NewEvaluator(guarantee.EvaluatorOptions{Store: store, Observer: &guarantee.ReportObserver{Reader: s.engine, Reporter: rep}})
	hub := live.NewHub(live.Options{})
	t.Cleanup(hub.Close)
	checker, err := policy.NewChecker()
	must(t, err)
	rules, err := policy.Open(ctx, policy.BookOptions{Checker: checker, Documents: store.Documents, Teams: store.Teams})
	must(t, err)
	opts := ui.Options{
		Policy: rules,
		Now:    clock, Report: rep, Reader: s.engine, Teller: provenance.New(s.engine, rep, clock), Hub: hub,
		Snapshot: s.judge.Snapshot, Catalogue: s.cat, Documents: store, Alerts: store, Webhooks: store, Audit: store,
		Quarantine: ui.Quarantine{Held: s.log, Orders: store, Labels: func() *metrics.Vocabulary { return nil }},
		Pipeline: func(context.Context) (ui.Pipeline, error) {
			return ui.Pipeline{Unfolded: 3, Since: present.Add(-time.Hour), Stats: ingest.Stats{Accepted: 9, Rejected: map[string]int64{"too_long": 1}, QueueLimit: 100}}, nil
		},
		Base: func() string { return "http://tidemark.test" }, Version: "test",
	}
	change(&opts)
	pages := ui.New(opts)
	keyring := access.NewKeyring(access.KeyringOptions{Store: store})
	who := auth.New(auth.Options{
		Keys: keyring, Store: store, Sessions: &control.Sessions{Store: store, Now: clock}, Now: clock,
		SignInPage: pages.SignInPage, Failures: auth.NewLimiter(100, 100, 100, time.Now),
	})
	s.server, err = web.New(web.Options{
		Log: slog.New(slog.DiscardHandler), Auth: who, Routes: [][]auth.Route{pages.Routes()}, ErrorPage: pages.ErrorPage,
		Ready: func(context.Context) error { return nil }, Registry: prometheus.NewRegistry(),
	})
	must(t, err)
	for _, scope := range []string{"read", "control", "evaluate"} {
		scopes := []string{scope}
		if scope == "control" {
			scopes = append(scopes, "read")
		}
		k, token, err := access.NewKey(access.NewKeyOptions{Name: scope, Scopes: scopes}, time.Now())
		must(t, err)
		must(t, store.CreateKey(ctx, k, "cli:test", ""))
		s.keys[scope] = token
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) changed(ctx context.Context) error {
	configs, err := s.cat.FeatureConfigs(ctx)
	if err != nil {
		return err
	}
	s.engine.SetConfigs(configs)
	return s.judge.Reload(ctx)
}

// apply puts a version of the promise in force and judges it.
func (s *site) apply(version string) {
	s.t.Helper()
	s.promise(promise, version)
}

// promise is apply with a text of its own.
func (s *site) promise(text, version string) {
	s.t.Helper()
	docs, err := guarantee.Parse("test", []byte(strings.Replace(text, "VERSION", version, 1)))
	must(s.t, err)
	_, err = s.cat.Apply(s.t.Context(), docs, guarantee.Author{Actor: "cli:test", Reason: "test"})
	must(s.t, err)
}

func (s *site) tell(events ...metrics.Event) {
	s.t.Helper()
	for i := range events {
		events[i].EventID = metrics.ContentID(&events[i])
		events[i].ObservedAt = events[i].OccurredAt
	}
	first, err := s.log.Append(s.t.Context(), events)
	must(s.t, err)
	must(s.t, s.engine.Fold(s.t.Context(), first, events))
}

// stage is one stage of a write, some time ago.
func stage(kind metrics.Kind, id, replica string, ago time.Duration) metrics.Event {
	return metrics.Event{
		Kind: kind, WriteID: id, Feature: "cart", Key: "cart:7", Service: "cart-api", Replica: replica,
		OccurredAt: present.Add(-ago).UnixNano(), Version: metrics.SeqVersion(uint64(3600 - ago/time.Second)),
	}
}

// traffic is a minute of writes ten minutes ago that were visible in 300 ms, one
// that is still missing at cart-us, and a conflict that waits.
func (s *site) traffic() {
	s.t.Helper()
	for i := range 60 {
		id, ago := "w-"+string(rune('A'+i)), 10*time.Minute-time.Duration(i)*time.Second
		s.tell(
			stage(metrics.KindInitiated, id, "", ago), stage(metrics.KindCommitted, id, "", ago-5*time.Millisecond),
			stage(metrics.KindVisible, id, "cart-eu", ago-90*time.Millisecond), stage(metrics.KindVisible, id, "cart-us", ago-300*time.Millisecond),
		)
	}
	s.tell(
		stage(metrics.KindInitiated, "w-open", "", 20*time.Second), stage(metrics.KindVisible, "w-open", "cart-eu", 19*time.Second),
		stage(metrics.KindHeartbeat, "", "cart-us", time.Second),
	)
	c := stage(metrics.KindConflictDetected, "w-A", "cart-eu", 5*time.Minute)
	c.ConflictID, c.With = "c-1", []string{"w-B"}
	s.tell(c)
	s.judged()
}

// judged counts what was told, and judges the promises by it.
func (s *site) judged() {
	s.t.Helper()
	must(s.t, s.engine.Checkpoint(s.t.Context()))
	must(s.t, s.judge.Tick(s.t.Context(), present))
}

// sql changes the control store behind its back.
func (s *site) sql(stmt string) {
	s.t.Helper()
	must(s.t, plainsql.Exec(s.t.Context(), s.path, stmt))
}

type header struct{ name, value string }

// get asks for a page as a browser does.
func (s *site) get(scope, path string, more ...header) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.do(http.MethodGet, scope, path, nil, more...)
}

func (s *site) do(method, scope, path string, form url.Values, more ...header) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html,*/*")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if scope != "" {
		r.Header.Set("Authorization", "Bearer "+s.keys[scope])
	}
	for _, h := range more {
		r.Header.Set(h.name, h.value)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

func (s *site) page(path string) *goquery.Document {
	s.t.Helper()
	w := s.get("read", path)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d: %s", path, w.Code, words(parse(s.t, w)))
	}
	return parse(s.t, w)
}

func parse(t *testing.T, w *httptest.ResponseRecorder) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(w.Body)
	must(t, err)
	return doc
}

func words(doc *goquery.Document) string {
	return strings.Join(strings.Fields(doc.Find("main").Text()), " ")
}

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }
