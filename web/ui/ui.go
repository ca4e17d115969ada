// Package ui serves the pages: it asks the questions, maps the answers to what the
// screen shows, and renders it. Every page works without scripts; asked by htmx, it
// answers with the part of the page that changes.
package ui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/policy"
	"tidemark/flags/reconcile"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/static"
	"tidemark/views/layout"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// Options are what the pages are made from. All are required, but for those that
// say otherwise.
type Options struct {
	Now    func() time.Time
	Report *report.Reporter
	Reader metrics.Reader
	Teller *provenance.Teller
	// Policy says who may see deltas and actors; nil hides them all.
	Policy *policy.Book
	// Attempts counts the events that policies refuse; nil knows none.
	Attempts *policy.Attempts
	// People and Keys tell who is who, to try policies.
	People access.People
	Keys   access.Store
	Hub    *live.Hub

	// Snapshot returns the latest verdicts on promises.
	Snapshot  func() *guarantee.Snapshot
	Catalogue *guarantee.Catalogue
	Documents flags.GuaranteeStore
	Alerts    flags.AlertStore
	Webhooks  flags.WebhookStore
	Audit     audit.Log
	// Rollouts runs the rollouts, and Evidence is what they go by; nil leaves their
	// pages out.
	Rollouts Rollouts
	Evidence Evidence
	// Flags holds the flags and cohorts; nil leaves their pages out.
	Flags *flagset.Catalogue
	// Desk is where conflicts are decided, Judge compares them with their rules, and
	// Replays tries other rules; nil leaves the pages of rules out.
	Desk    *reconcile.Desk
	Judge   *reconcile.Judge
	Replays *reconcile.Jobs
	// Quarantine is where events with unknown labels are kept.
	Quarantine Quarantine
	// Pipeline describes the telemetry itself.
	Pipeline func(ctx context.Context) (Pipeline, error)
	// Updates says how a person's pages learn of changes: one of UpdatesStream,
	// UpdatesPoll and UpdatesOff; nil, and any other answer, is UpdatesStream.
	Updates func(ctx context.Context, person string) string
	// Operations lists the API's routes for its own page; may be nil.
	Operations []Operation
	// Base returns the address under which services reach the server, for the commands
	// that pages show: http://127.0.0.1:8080.
	Base    func() string
	Version string // of the program
}

// UpdatesFlag is the flag that decides how a person's pages learn of changes.
const UpdatesFlag = "tidemark-page-updates"

// The values of UpdatesFlag: a stream tells when something changed, or the page asks
// now and then (for networks whose proxies hold streams back), or it stays as it is.
const (
	UpdatesStream = "stream"
	UpdatesPoll   = "poll"
	UpdatesOff    = "off"
)

// Pipeline is what is known of the telemetry itself.
type Pipeline struct {
	Since time.Time // when counting began
	Stats ingest.Stats
	Store metrics.StoreStats
	// PerSecond is how many events a second were accepted lately; nil when not known.
	PerSecond *float64
	// Unfolded is how many late events only a rebuild counts, since the last one.
	Unfolded uint64
	// Error says why nothing is stored or counted any more; "" when all is well.
	Error string
}

// Operation is one route of the API, for its page.
type Operation struct {
	Group, Method, Path, Text, Needs string
	More                             string // a paragraph; may be empty
	Parameters                       []Parameter
}

// Parameter is one input of an Operation.
type Parameter struct {
	Name, In, Text string
	Required       bool
}

// UI serves the pages.
type UI struct{ o Options }

// New returns a UI.
func New(o Options) *UI { return &UI{o: o} }

// Routes is the URL map of the pages.
func (u *UI) Routes() []auth.Route {
	page := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: path, May: access.Read, Handle: h}
	}
	heavy := func(path string, h echo.HandlerFunc) auth.Route {
		r := page(path, h)
		r.Heavy = true
		return r
	}
	routes := []auth.Route{
		heavy("/", u.overview),
		page("/features", respond.Takes(u.features)),
		heavy("/features/:feature", u.feature),
		heavy("/topology", u.topology),
		heavy("/writes", u.writes),
		heavy("/writes/:id", respond.Takes(u.write, "feature")),
		heavy("/search", respond.Takes(u.search, "q")),
		heavy("/conflicts", u.conflicts),
		heavy("/conflicts/:id", respond.Takes(u.conflict, "decided")),
		page("/guarantees", respond.Takes(u.guarantees)),
		page("/guarantees/:name", respond.Takes(u.guarantee, "revision")),
		page("/guarantees/:name/document", respond.Takes(u.guaranteeDocument)),
		page("/guarantees/:name/openslo", respond.Takes(u.guaranteeSLO)),
		{Method: http.MethodPost, Path: "/guarantees/:name/restore", May: access.Control, About: u.aboutGuarantee, Handle: u.restoreGuarantee},
		{Method: http.MethodPost, Path: "/guarantees/:name/reviews", May: access.Control, About: u.aboutReview, Handle: u.reviewGuarantee},
		page("/alerts", u.alerts),
		heavy(violationsURL, u.violationList),
		page("/pipeline", respond.Takes(u.pipeline)),
		{Method: http.MethodGet, Path: "/live", May: access.Read, Handle: respond.Takes(u.live, "topic"), Stream: true},
		{Method: http.MethodGet, Path: "/static/*", May: access.Public, Handle: files},
	}
	routes = append(routes, u.auditRoutes()...)
	routes = append(routes, u.labelRoutes()...)
	routes = append(routes, u.quarantineRoutes()...)
	routes = append(routes, u.definitionRoutes()...)
	routes = append(routes, u.policyRoutes()...)
	routes = append(routes, u.ownershipRoutes()...)
	routes = append(routes, u.decideRoutes()...)
	routes = append(routes, u.ruleRoutes()...)
	return append(routes, u.rolloutRoutes()...)
}

func files(c echo.Context) error {
	static.Handler().ServeHTTP(c.Response(), c.Request())
	return nil
}

// live is the one stream of a page: "changed" when it should fetch itself again.
func (u *UI) live(c echo.Context) error {
	topic := c.QueryParam("topic")
	switch {
	case topic == live.TopicOverview, topic == live.TopicPipeline, topic == live.TopicRollouts:
	case strings.HasPrefix(topic, live.FeatureTopic("")) && len(topic) <= 300:
	case strings.HasPrefix(topic, live.WriteTopic("")) && len(topic) <= 600:
	default:
		return respond.Bad("topic", "%q is no topic: want overview, pipeline, rollouts, feature:NAME or write:ID.", topic)
	}
	return u.o.Hub.Serve(c, topic)
}

// view is a page before it is framed.
type view struct {
	title   string
	current string // navigation item
	topic   string
	search  string
	charts  bool
	status  int // 0 = 200
	body    templ.Component
}

// show renders a view: the changing part for htmx, else the whole document.
func (u *UI) show(c echo.Context, v view) error {
	f := u.frame(c, v)
	if v.status == 0 {
		v.status = http.StatusOK
	}
	whole := templ.ComponentFunc(func(ctx context.Context, w writer) error {
		return layout.Document(f).Render(templ.WithChildren(ctx, v.body), w)
	})
	fragment := templ.ComponentFunc(func(ctx context.Context, w writer) error {
		return layout.Page(f).Render(templ.WithChildren(ctx, v.body), w)
	})
	return respond.PageOrFragment(c, v.status, whole, fragment)
}

func (u *UI) frame(c echo.Context, v view) layout.Frame {
	f := layout.Frame{
		Title: v.title, Current: v.current, Now: u.o.Now(), Topic: v.topic, Search: v.search,
		Version: u.o.Version, Alerts: -1, Conflicts: -1, Charts: v.charts,
	}
	id := auth.Who(c)
	if id == nil {
		return f
	}
	f.User = id.Name
	if id.IsPerson() {
		f.SignOut = "/signout"
	}
	f.Polls, f.Topic = u.updates(c.Request().Context(), id, v.topic)
	if v.status == http.StatusTooManyRequests || v.status == http.StatusServiceUnavailable {
		return f // To refuse costs less than to answer.
	}
	// The counts beside the navigation are a courtesy: a page is not refused for them.
	ctx := c.Request().Context()
	if id.May(access.Read) {
		if firing, err := u.o.Alerts.Firing(ctx); err == nil {
			f.Alerts = len(firing)
		}
		if open, _, err := u.o.Reader.Conflicts(ctx, metrics.ConflictQuery{State: report.ConflictOpen, Limit: navConflicts}); err == nil {
			f.Conflicts = len(open)
		}
	}
	return f
}

// updates is how a live page learns of changes, for whoever looks at it.
func (u *UI) updates(ctx context.Context, id *access.Identity, topic string) (polls bool, live string) {
	if topic == "" || u.o.Updates == nil {
		return false, topic
	}
	switch u.o.Updates(ctx, id.Actor()) {
	case UpdatesPoll:
		return true, topic
	case UpdatesOff:
		return false, ""
	}
	return false, topic
}

// navConflicts is the greatest number of open conflicts that the navigation counts.
const navConflicts = 99

func pathParam(c echo.Context, name string) string { return respond.PathParam(c, name) }
