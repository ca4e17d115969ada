package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// healthRoutes is the URL map for whoever runs tidemark. The first two are public:
// load balancers have no key, and they say nothing but yes or no.
func (s *Server) healthRoutes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/healthz", May: access.Public, Handle: s.healthz},
		{Method: http.MethodGet, Path: "/readyz", May: access.Public, Handle: s.readyz},
		{Method: http.MethodGet, Path: "/metrics", May: access.Read, Handle: echo.WrapHandler(MetricsHandler(s.o.Registry))},
	}
}

func (s *Server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func (s *Server) readyz(c echo.Context) error {
	if err := s.o.Ready(c.Request().Context()); err != nil {
		s.o.Log.WarnContext(c.Request().Context(), "not ready", "error", err)
		return respond.New(http.StatusServiceUnavailable, "not_ready", "tidemark is not ready to serve.").Later(time.Second)
	}
	return c.String(http.StatusOK, "ready\n")
}

// MetricsHandler shows tidemark's own numbers in the Prometheus text format. It
// asks nobody who they are; serve it on an address of its own, or behind a route.
func MetricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
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

// done counts by route, not by path, so that clients cannot make series.
func (m *requestMetrics) done(c echo.Context, status int, took time.Duration) {
	route, method := c.Path(), c.Request().Method
	if route == "" || route == "/*" {
		route, method = "none", "any"
	}
	m.took.WithLabelValues(route, method, statusClass(status)).Observe(took.Seconds())
}
