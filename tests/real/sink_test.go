package real

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// sink keeps every span that is sent to it, by service.
type sink struct {
	mu    sync.Mutex
	spans map[string][]*tracepb.Span
	bad   []string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req coltrace.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || r.URL.Path != "/v1/traces" {
		s.bad = append(s.bad, fmt.Sprintf("%s %s: %v", r.Method, r.URL.Path, err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			s.spans[service] = append(s.spans[service], ss.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// TestShopSpeaksOnlyOpenTelemetry checks the premise of the tests beside it: what
// the shop sends are the spans of the messaging conventions, tied by links, and
// nothing in them was made for tidemark.
func TestShopSpeaksOnlyOpenTelemetry(t *testing.T) {
	as := serverAccount(t)
	pg, cache := startPostgres(t, as), startRedis(t, as)
	s := &sink{spans: map[string][]*tracepb.Span{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	shop := startShop(t, pg, cache, 100, srv.URL, "")
	eventually(t, 20*time.Second, "50 orders are everywhere", func() error {
		if tr := shop.truth(time.Now()); tr.written-max(tr.standbyMissed, tr.cacheMissed) < 50 {
			return fmt.Errorf("%+v", tr)
		}
		return nil
	})
	shop.stop() // flushes

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bad) > 0 {
		t.Fatalf("requests that no OTLP server takes: %v", s.bad)
	}
	produced := map[string]bool{}
	for _, sp := range s.spans["orders-api"] {
		if sp.GetKind() != tracepb.Span_SPAN_KIND_PRODUCER {
			t.Fatalf("orders-api sent a span of kind %s", sp.GetKind())
		}
		produced[string(sp.GetSpanId())] = true
	}
	if len(produced) < 50 {
		t.Fatalf("orders-api sent %d spans; want 50 or more", len(produced))
	}
	for _, service := range []string{"standby-1", "cache-eu"} {
		linked := 0
		for _, sp := range s.spans[service] {
			if sp.GetKind() == tracepb.Span_SPAN_KIND_CONSUMER && len(sp.GetLinks()) == 1 && produced[string(sp.GetLinks()[0].GetSpanId())] {
				linked++
			}
		}
		if linked < 50 {
			t.Errorf("%s: %d consumer spans are linked to a producer span; want 50 or more", service, linked)
		}
	}
	for service, spans := range s.spans {
		for _, sp := range spans {
			for _, a := range sp.GetAttributes() {
				if strings.Contains(a.GetKey(), "tidemark") {
					t.Fatalf("%s: a span has attribute %s", service, a.GetKey())
				}
			}
		}
	}
}
