// Package api is what programs talk to: telemetry in, questions out, answers for
// product code, and control. openapi.yaml describes every route of it.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/flags/policy"
	"tidemark/flags/reconcile"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/ingest/decode"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/web/auth"
	"tidemark/web/live"
)

// Pipeline makes events durable; ingest.Pipeline is one.
type Pipeline interface {
	// Submit returns when the events are durable. release is called once, when they
	// and their strings are needed no more, which may be later.
	Submit(ctx context.Context, events []metrics.Event, release func()) (ingest.Receipt, error)
	// CountRejected counts events that did not get as far as Submit.
	CountRejected(rs []metrics.Rejection)
}

// Options are what the API needs.
type Options struct {
	Log    *slog.Logger
	Now    func() time.Time
	Ingest Pipeline
	// Decode says how telemetry of others maps to features.
	Decode *decode.Options
	// MaxBody is how large a body may be after decompression; default decode.MaxBody.
	MaxBody int64
	// BodyMemory is how many bytes all bodies being handled may take; default 256 MiB.
	BodyMemory int64

	Report *report.Reporter
	Teller *provenance.Teller
	// Policy says who may see deltas and actors, and who may report what; nil permits
	// nothing.
	Policy *policy.Book
	// Attempts counts the events that policies refuse.
	Attempts *policy.Attempts
	// Desk is where people decide conflicts; nil leaves out what rules propose.
	Desk *reconcile.Desk
	// Pipeline describes the telemetry itself.
	Pipeline func(ctx context.Context) (PipelineReport, error)

	Hub      *live.Hub
	Feed     *live.Feed
	Keys     access.Store
	Keyring  *access.Keyring
	Audit    audit.Log
	Registry prometheus.Registerer
	// Backup writes a copy of everything, checked, as of one moment.
	Backup func(ctx context.Context, actor, reason string, w io.Writer) error
	// DocsPage shows the API to a person; nil shows the plain page.
	DocsPage func(c echo.Context) error
}

// API answers programs.
type API struct {
	o       Options
	bodies  *decode.Bodies
	batches batchPool
	// unpacking has a place for each body that may be unpacked at once: no more than
	// there are cores, since it is work for one.
	unpacking chan struct{}
	memory    *memory
	counts    *ingestMetrics
	copying   sync.Mutex // held by the one backup at a time
}

// New returns an API.
func New(o Options) *API {
	if o.MaxBody <= 0 {
		o.MaxBody = decode.MaxBody
	}
	if o.BodyMemory <= 0 {
		o.BodyMemory = 256 << 20
	}
	return &API{
		o: o, bodies: &decode.Bodies{}, memory: newMemory(o.BodyMemory, footprint(o.MaxBody)),
		unpacking: make(chan struct{}, runtime.GOMAXPROCS(0)), counts: newIngestMetrics(o.Registry),
	}
}

// Routes is the URL map of the API.
func (a *API) Routes() []auth.Route {
	routes := []auth.Route{
		{Method: http.MethodPost, Path: "/v1/events", May: access.Ingest, Handle: a.postEvents, Body: true},
		{Method: http.MethodPost, Path: "/v1/traces", May: access.Ingest, Handle: a.postTraces, Body: true},
		{Method: http.MethodPost, Path: "/v1/logs", May: access.Ingest, Handle: a.postLogs, Body: true},
		{Method: http.MethodGet, Path: "/v1/time", May: access.Known, Handle: a.getTime},
		{Method: http.MethodGet, Path: "/v1/writes/:id/status", May: access.Read, Handle: a.getStatus, Stream: true},
		{Method: http.MethodGet, Path: "/v1/writes/:id/status/stream", May: access.Read, Handle: a.streamStatus, Stream: true},
		{Method: http.MethodGet, Path: "/v1/conflicts/:id", May: access.Read, Handle: a.getConflict, Heavy: true},

		{Method: http.MethodGet, Path: "/api/v1/features", May: access.Read, Handle: ask(a, "features", (*report.Reporter).Features), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature", May: access.Read, Handle: ask(a, "feature", (*report.Reporter).Feature), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/lag", May: access.Read, Handle: ask(a, "lag", (*report.Reporter).Lag), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/heatmap", May: access.Read, Handle: ask(a, "heatmap", (*report.Reporter).Heatmap), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/convergence", May: access.Read, Handle: ask(a, "convergence", (*report.Reporter).Convergence), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/hops", May: access.Read, Handle: ask(a, "hops", (*report.Reporter).Hops), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/conflicts", May: access.Read, Handle: ask(a, "conflicts", (*report.Reporter).ConflictSummary), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/violations", May: access.Read, Handle: ask(a, "violations", (*report.Reporter).Violations), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/backlog", May: access.Read, Handle: ask(a, "backlog", (*report.Reporter).Backlog), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/staleness", May: access.Read, Handle: ask(a, "staleness", (*report.Reporter).Staleness), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/features/:feature/phi", May: access.Read, Handle: a.getPhi, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/topology", May: access.Read, Handle: ask(a, "topology", (*report.Reporter).Topology), Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/writes", May: access.Read, Handle: a.listWrites, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/writes/:id", May: access.Read, Handle: a.getWrite, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/conflicts", May: access.Read, Handle: a.listConflicts, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/conflicts/:id", May: access.Read, Handle: a.getConflict, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/violations", May: access.Read, Handle: a.listViolations, Heavy: true},
		{Method: http.MethodGet, Path: "/api/v1/pipeline", May: access.Read, Handle: a.getPipeline},
		{Method: http.MethodGet, Path: "/api/v1/events/stream", May: access.Read, Handle: a.streamEvents, Stream: true},
		{Method: http.MethodGet, Path: "/api/v1/live", May: access.Read, Handle: a.streamLive, Stream: true},

		{Method: http.MethodGet, Path: "/api/v1/keys", May: access.Admin, Handle: plain(a.listKeys)},
		{Method: http.MethodPost, Path: "/api/v1/keys", May: access.Admin, Handle: a.createKey},
		{Method: http.MethodDelete, Path: "/api/v1/keys/:id", May: access.Admin, Handle: a.revokeKey},
		{Method: http.MethodPost, Path: "/api/v1/keys/:id/rotate", May: access.Admin, Handle: a.rotateKey},

		{Method: http.MethodPost, Path: "/api/v1/backup", May: access.Admin, Handle: a.postBackup, Stream: true},

		{Method: http.MethodGet, Path: "/api/openapi.yaml", May: access.Known, Handle: plain(a.getSpec)},
		{Method: http.MethodGet, Path: "/api/docs", May: access.Known, Handle: plain(a.getDocs)},
	}
	return append(routes, a.auditRoutes()...)
}
