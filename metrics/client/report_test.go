package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"tidemark/metrics"
	"tidemark/metrics/client"
)

// One write told by a producer and a consumer that share nothing but a header.
func TestOneWriteIsOneStory(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	producer := start(t, quick(s.URL))
	o := quick(s.URL)
	o.Service, o.Region = "search-indexer", "eu"
	consumer := start(t, o)
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), sc)
	session := client.NewSession("s1", 4)

	w, err := producer.Begin(ctx, client.WriteOptions{
		Feature: "profile-edit", Key: "user-7", Version: metrics.SeqVersion(42), Session: session,
		Labels: []string{"pii", "tenant:a&b=c"}, Model: "causal", Variant: "candidate", Flag: "f", Unit: "user-7",
		Delta: `{"name":"x"}`, Parents: []string{"w0"}, Expect: []string{"search"}, Mechanism: "event_stream",
	})
	message := http.Header{}
	err = errors.Join(err, w.Committed(ctx), w.Ref().Inject(message), w.Published(ctx))
	ref, xerr := client.Extract(message)
	at := client.At{Replica: "search", Attempt: 2}
	err = errors.Join(err, xerr, consumer.Received(ctx, ref, at), consumer.ApplyFailed(ctx, ref, client.At{Replica: "search", Reason: "full"}),
		consumer.Applied(ctx, ref, at), consumer.Visible(ctx, ref, at),
		producer.Read(ctx, client.ReadOptions{Feature: "profile-edit", Key: "user-7", Version: metrics.SeqVersion(41), Session: session, Replica: "search"}),
		consumer.Heartbeat(ctx, "profile-edit", "search"))
	conflict := client.Conflict{ID: "c1", Write: ref, With: []string{"w9"}, Replica: "search", Rule: "lww", RuleVersion: "1"}
	err = errors.Join(err, consumer.Conflict(ctx, conflict),
		consumer.Resolved(ctx, conflict, client.Resolution{Winner: ref.WriteID, Outcome: "kept_one", Reason: "later", Auto: true}))
	if err != nil {
		t.Fatal(err)
	}
	flush(t, producer)
	flush(t, consumer)

	var kinds []string
	for _, e := range s.set {
		kinds = append(kinds, e.Kind.String())
		if e.TraceID != sc.TraceID().String() || e.SpanID != sc.SpanID().String() {
			t.Errorf("%v: trace %q span %q; want those of the context", e.Kind, e.TraceID, e.SpanID)
		}
		if e.Kind.IsStage() && (e.WriteID != ref.WriteID || e.Version != metrics.SeqVersion(42) || !slices.Equal(e.Labels, ref.Labels) || e.Model != "causal") {
			t.Errorf("%v: %+v; want the write's id, version, labels and model", e.Kind, e)
		}
		if e.Kind == metrics.KindInitiated && (e.SessionID != "s1" || e.SessionSeq != 5) || e.Kind == metrics.KindRead && e.SessionSeq != 6 {
			t.Errorf("%v: session %q %d; want the write before the read", e.Kind, e.SessionID, e.SessionSeq)
		}
		if e.Kind == metrics.KindApplied && (e.Replica != "search" || e.Service != "search-indexer" || e.Region != "eu" || e.Attempt != 2) {
			t.Errorf("applied: %+v", e)
		}
	}
	slices.Sort(kinds)
	want := metrics.KindNames()
	slices.Sort(want)
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("kinds (-want +got):\n%s", d)
	}
}

func TestRefRoundTrip(t *testing.T) {
	t.Parallel()
	vv, err := metrics.VVVersion(map[string]uint64{"eu": 4, "us": 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []client.WriteRef{
		{WriteID: "w", Feature: "f"},
		{WriteID: "w/ 1", Feature: "f&=;,", Key: "ключ", Version: vv, Labels: []string{"pii", "tenant:x"}, Model: "m", Variant: "v", Mechanism: "cdc", Owner: "o"},
	} {
		got, err := client.ParseRef(want.String())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("header (-want +got):\n%s", d)
		}
		h := http.Header{}
		h.Set("Baggage", "a=b, "+want.BaggageMember()+";prop=1,c=d")
		if got, err = client.Extract(h); err != nil || !cmp.Equal(want, got) {
			t.Errorf("baggage: %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestBadRefs(t *testing.T) {
	t.Parallel()
	if _, err := client.Extract(http.Header{}); !errors.Is(err, client.ErrNoRef) {
		t.Errorf("no header: %v; want ErrNoRef", err)
	}
	for _, s := range []string{"%zz", "id=w", "feature=f", "id=w&feature=f&version=seq:x", strings.Repeat("x", 5000)} {
		if _, err := client.ParseRef(s); !errors.Is(err, client.ErrRef) {
			t.Errorf("%.20q: error %v; want ErrRef", s, err)
		}
	}
	long := client.WriteRef{WriteID: "w", Feature: "f", Key: strings.Repeat("%", 2000)}
	if err := long.Inject(http.Header{}); err == nil {
		t.Error("a reference over the limit was injected")
	}
}

func TestContextCarriesRef(t *testing.T) {
	t.Parallel()
	want := client.WriteRef{WriteID: "w", Feature: "f"}
	got, ok := client.WriteFromContext(client.ContextWithWrite(context.Background(), want))
	if !ok || got.WriteID != "w" {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := client.WriteFromContext(context.Background()); ok {
		t.Error("found a reference in an empty context")
	}
}

func TestTimesOfTheCaller(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := start(t, quick(s.URL))
	at := time.Now().Add(-time.Minute)
	if _, err := c.Begin(t.Context(), client.WriteOptions{Feature: "f", At: at}); err != nil {
		t.Fatal(err)
	}
	flush(t, c)
	for _, e := range s.set {
		if e.OccurredAt != at.UnixNano() || e.ClockID != "api" {
			t.Errorf("occurred_at %d of clock %q; want %d of api", e.OccurredAt, e.ClockID, at.UnixNano())
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("id=w&feature=f&version=vv%3Aeu%3D4&label=a&label=b")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := client.ParseRef(s)
		if err != nil {
			return
		}
		again, err := client.ParseRef(r.String())
		if err == nil && !cmp.Equal(r, again) {
			t.Errorf("%q: %+v, then %+v", s, r, again)
		}
	})
}
