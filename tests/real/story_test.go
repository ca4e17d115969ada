package real

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"tidemark/metrics"
	"tidemark/metrics/client"
	"tidemark/metrics/provenance"
	"tidemark/tests/tidemark"
)

// TestThreeReportersTellOneStory: the Go client reports the origin of a write, a stock
// OpenTelemetry exporter one replica, and curl with a CloudEvent the other. Together
// they are one write, visible everywhere.
func TestThreeReportersTellOneStory(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:checkout", "--scope", "read"))
	s := tidemark.Start(t, "serve", "--data", data, "--destination", "orders=checkout")

	c, err := client.New(client.Options{URL: s.URL, Key: key, Service: "orders-api"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Begin(t.Context(), client.WriteOptions{
		Feature: "checkout", Key: "order-7", Version: metrics.SeqVersion(1), Expect: []string{"search-indexer", "cache-eu"},
	})
	message := http.Header{}
	err = errors.Join(err, w.Committed(t.Context()), w.Ref().Inject(message), w.Published(t.Context()), c.Close(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	id := w.Ref().WriteID
	exportSpan(t, s.URL, key, id)

	event, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "17", "source": "/cache", "type": "tidemark.write.visible", "time": time.Now().UTC(),
		"data": map[string]string{"write_id": id, "feature": "checkout", "replica": "cache-eu"},
	})
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), curl, "-sS", "--fail-with-body", s.URL+"/v1/events", "-H", "Authorization: Bearer "+key,
		"-H", "Content-Type: application/cloudevents+json", "--data-binary", string(event)).CombinedOutput()
	if err != nil || !strings.Contains(string(said), `"accepted":1`) {
		t.Fatalf("curl: %v: %s", err, said)
	}

	a := &api{t: t, url: s.URL, key: key}
	eventually(t, 20*time.Second, "one story", func() error {
		var story provenance.Story
		if err := json.Unmarshal([]byte(a.get("/api/v1/writes/"+id)), &story); err != nil {
			return err
		}
		var stages []string
		for i := range story.Timeline {
			stages = append(stages, story.Timeline[i].Kind+" "+story.Timeline[i].Place)
		}
		slices.Sort(stages)
		want := []string{
			"applied search-indexer", "committed orders-api", "initiated orders-api",
			"published orders-api", "received search-indexer", "visible cache-eu",
		}
		if !slices.Equal(stages, want) || story.AllNS == nil {
			return fmt.Errorf("state %s, visible everywhere after %v, stages %q; want %q", story.State, story.AllNS, stages, want)
		}
		return nil
	})
}

// exportSpan lets a stock exporter say that a consumer has processed a write's message.
func exportSpan(t *testing.T, url, key, write string) {
	t.Helper()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(url+"/v1/traces"),
		otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + key}))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "search-indexer"))))
	_, span := provider.Tracer("consumer").Start(t.Context(), "orders process", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("messaging.operation.type", "process"), attribute.String("messaging.destination.name", "orders"),
			attribute.String("tidemark.write.id", write),
		))
	span.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
