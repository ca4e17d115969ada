package web

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// healthRoutes is the URL map for whoever runs tidemark. The first two are public:
// load balancers have no key, and they say nothing but yes or no.
func (s *Server) healthRoutes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/healthz", May: access.Public, Handle: s.healthz, Always: true},
		{Method: http.MethodGet, Path: "/readyz", May: access.Public, Handle: s.readyz, Always: true},
		{Method: http.MethodGet, Path: "/metrics", May: access.Read, Handle: echo.WrapHandler(metricsHandler(s.o.Registry))},
	}
}

func (s *Server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func (s *Server) readyz(c echo.Context) error {
	if err := s.o.Ready(c.Request().Context()); err != nil {
		s.o.Log.WarnContext(c.Request().Context(), "not ready", "error", err)
		if errors.Is(err, metrics.ErrUnsynced) {
			return respond.From(err) // It needs a person, who is told so at once.
		}
		return respond.New(http.StatusServiceUnavailable, "not_ready", "tidemark is not ready to serve.").Later(time.Second)
	}
	return c.String(http.StatusOK, "ready\n")
}

// metricsHandler shows tidemark's own numbers in the Prometheus text format.
func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// MetricsServer serves /metrics alone, and asks nobody who they are.
func MetricsServer(r *prometheus.Registry, l *Limits) *http.Server {
	own := *l
	own.fill()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(r))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: own.ReadHeader, ReadTimeout: own.ReadBody, WriteTimeout: own.WriteAnswer,
		IdleTimeout: own.Idle, MaxHeaderBytes: own.MaxHeaderBytes,
	}
}

// requestMetrics counts requests.
type requestMetrics struct {
	took *prometheus.HistogramVec
}

func newRequestMetrics(r prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tidemark_http_request_seconds", Help: "Time to answer a request, by route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})}
	r.MustRegister(m.took)
	return m
}

// route prepares to count one route: by route, not by path, so that clients cannot
// make series.
func (m *requestMetrics) route(r auth.Route) *routeMetrics {
	route, method := r.Path, r.Method
	if route == "" {
		route, method = "none", "any"
	}
	return &routeMetrics{took: m.took.MustCurryWith(prometheus.Labels{"route": route, "method": method})}
}

// routeMetrics counts the requests of one route, by class of status.
type routeMetrics struct {
	took    prometheus.ObserverVec
	classes [6]atomic.Pointer[prometheus.Observer] // made when first seen
}

func (m *routeMetrics) done(status int, took time.Duration) {
	class := min(max(status/100, 0), 5)
	o := m.classes[class].Load()
	if o == nil {
		made := m.took.WithLabelValues(strconv.Itoa(class) + "xx")
		o = &made
		m.classes[class].Store(o)
	}
	(*o).Observe(took.Seconds())
}
