package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/alert"
	"tidemark/flags/document"
	"tidemark/flags/guarantee"
	"tidemark/web/auth"
)

// PromiseOptions are what the routes about promises need.
type PromiseOptions struct {
	Catalogue *guarantee.Catalogue
	// Documents are those of every kind.
	Documents *document.Catalogue
	// Verdicts returns the latest evaluation, never nil.
	Verdicts func() *guarantee.Snapshot
	Store    flags.GuaranteeStore
	Alerts   flags.AlertStore
	Hooks    *alert.Hooks
	// Rollouts are what documents of plans make.
	Rollouts RolloutController
}

// Promises answers programs about documents, verdicts, alerts and webhooks.
type Promises struct {
	api *API
	o   PromiseOptions
}

// NewPromises returns the part of the API that is about promises.
func NewPromises(a *API, o PromiseOptions) *Promises { return &Promises{a, o} }

// Routes is the URL map of documents, guarantees, alerts and webhooks.
func (p *Promises) Routes() []auth.Route {
	get := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: path, May: access.Read, Handle: h}
	}
	change := func(method, path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: method, Path: path, May: access.Control, Handle: h}
	}
	owned := func(r auth.Route, about func(echo.Context) ([]string, error)) auth.Route {
		r.About = about
		return r
	}
	plan := owned(change(http.MethodPost, "/api/v1/documents/plan", p.planDocuments), p.aboutDocuments)
	plan.Heavy = true
	const document, hook = "/api/v1/documents/:kind/:name", "/api/v1/webhooks/:id"
	return []auth.Route{
		get("/api/v1/documents", p.listDocuments),
		plan,
		owned(change(http.MethodPost, "/api/v1/documents/apply", p.applyDocuments), p.aboutDocuments),
		get(document, plain(p.getDocument)),
		get(document+"/versions", plain(p.listVersions)),
		get(document+"/diff", p.diffVersions),
		owned(change(http.MethodPost, document+"/restore", p.restoreDocument), p.aboutDocument),
		owned(change(http.MethodPost, document+"/review", p.reviewDocument), p.aboutReview),

		get("/api/v1/guarantees", plain(p.listGuarantees)),
		get("/api/v1/guarantees/:name", plain(p.getGuarantee)),
		{Method: http.MethodGet, Path: "/api/v1/guarantees/:name/attainment", May: access.Read, Handle: p.getAttainment, Heavy: true},
		get("/api/v1/guarantees/:name/openslo", plain(p.getOpenSLO)),
		get("/api/v1/reviews", plain(p.listReviewsDue)),

		get("/api/v1/alerts", p.listAlerts),
		get("/api/v1/alerts/:id", plain(p.getAlert)),

		change(http.MethodGet, "/api/v1/webhooks", plain(p.listWebhooks)),
		change(http.MethodPost, "/api/v1/webhooks", p.createWebhook),
		change(http.MethodGet, hook, plain(p.getWebhook)),
		change(http.MethodPut, hook, p.putWebhook),
		change(http.MethodDelete, hook, p.deleteWebhook),
		change(http.MethodPost, hook+"/test", p.testWebhook),
		change(http.MethodGet, hook+"/deliveries", p.listDeliveries),
	}
}
