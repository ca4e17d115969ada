package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	status "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"tidemark/metrics"
)

func str(k, v string) *common.KeyValue {
	return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}}
}

func num(k string, v int64) *common.KeyValue {
	return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: v}}}
}

func strs(k string, v ...string) *common.KeyValue {
	var a common.ArrayValue
	for _, s := range v {
		a.Values = append(a.Values, &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}})
	}
	return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &a}}}
}

func kvs(k string, v ...*common.KeyValue) *common.KeyValue {
	return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: v}}}}
}

// tid and sid make ids that read as their number in hex.
func tid(n byte) []byte { return append(make([]byte, 15), n) }
func sid(n byte) []byte { return append(make([]byte, 7), n) }

const (
	t1 = "00000000000000000000000000000001"
	s1 = "0000000000000001"
	s2 = "0000000000000002"
	w1 = "otel:" + t1 + ":" + s1
	w2 = "otel:" + t1 + ":" + s2
)

func linkTo(t, s byte) *trace.Span_Link { return &trace.Span_Link{TraceId: tid(t), SpanId: sid(s)} }

func spanOf(id, parent byte, kind trace.Span_SpanKind, attrs ...*common.KeyValue) *trace.Span {
	sp := &trace.Span{
		TraceId: tid(1), SpanId: sid(id), Name: "n", Kind: kind,
		StartTimeUnixNano: 1000, EndTimeUnixNano: 2000, Attributes: attrs,
	}
	if parent != 0 {
		sp.ParentSpanId = sid(parent)
	}
	return sp
}

func tracesOf(spans ...*trace.Span) *coltrace.ExportTraceServiceRequest {
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			str("service.name", "svc"), str("host.name", "h"), str("service.instance.id", "i"), str("cloud.region", "eu"), str("telemetry.sdk.name", "x"),
		}},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "s"}, Spans: spans}},
	}}}
}

func options() *Options {
	return &Options{
		Destinations: []Mapping{{"profile.*", "any"}, {"profile.changes", "profile-edit"}, {"carts", "cart"}},
		Tables:       []Table{{Pattern: "public.*", Feature: "cart"}, {Pattern: "public.profiles", Feature: "profile-edit", Key: []string{"tenant", "user"}, WriteID: "wid"}},
	}
}

// otlpJSON is the OTLP JSON mapping, which has ids in hex where protojson has base64.
func otlpJSON(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := string(raw)
	for n := range 16 {
		for _, size := range []int{8, 16} {
			id := append(make([]byte, size-1), byte(n))
			j, err := protojson.Marshal(&trace.Span{SpanId: id})
			if err != nil {
				t.Fatal(err)
			}
			b64 := strings.TrimSuffix(string(j[strings.LastIndexByte(string(j), ':')+1:]), "}")
			out = strings.ReplaceAll(out, strings.TrimSpace(b64), fmt.Sprintf(`"%0*x"`, 2*size, n))
		}
	}
	for name, n := range trace.Span_SpanKind_value {
		out = strings.ReplaceAll(out, `"`+name+`"`, fmt.Sprint(n))
	}
	return []byte(strings.ReplaceAll(out, `"STATUS_CODE_ERROR"`, "2"))
}

// both decodes a request from protobuf and from JSON and checks that they agree.
func both(t *testing.T, req *coltrace.ExportTraceServiceRequest) *Batch {
	t.Helper()
	raw, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var p, j Batch
	if err := Traces(raw, false, options(), &p); err != nil {
		t.Fatal(err)
	}
	if err := Traces(otlpJSON(t, req), true, options(), &j); err != nil {
		t.Fatalf("%v\n%s", err, otlpJSON(t, req))
	}
	if diff := cmp.Diff(p.Events, j.Events); diff != "" {
		t.Fatalf("protobuf and JSON differ:\n%s", diff)
	}
	if diff := cmp.Diff(p.Rejected, j.Rejected); diff != "" {
		t.Fatalf("rejections differ:\n%s", diff)
	}
	return &p
}

// story is "kind@time write replica/service" of each event.
func story(b *Batch) string {
	var lines []string
	for i := range b.Events {
		e := &b.Events[i]
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s@%d %s %s %s", e.Kind, e.OccurredAt, e.WriteID, e.Feature, e.Replica)))
	}
	return strings.Join(lines, "\n")
}

func TestTracesByTheMessagingConventions(t *testing.T) {
	t.Parallel()
	const producer, consumer, client = trace.Span_SPAN_KIND_PRODUCER, trace.Span_SPAN_KIND_CONSUMER, trace.Span_SPAN_KIND_CLIENT
	dest := str("messaging.destination.name", "profile.changes")
	op := func(s string) *common.KeyValue { return str("messaging.operation.type", s) }
	linked := func(sp *trace.Span, links ...*trace.Span_Link) *trace.Span { sp.Links = links; return sp }
	failed := func(sp *trace.Span) *trace.Span {
		sp.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "boom"}
		return sp
	}
	for _, x := range []struct {
		name, want, rejected string
		spans                []*trace.Span
	}{
		{
			name: "producer", spans: []*trace.Span{spanOf(1, 0, producer, dest)},
			want: "initiated@1000 " + w1 + " profile-edit\npublished@2000 " + w1 + " profile-edit",
		},
		{
			name: "send", spans: []*trace.Span{spanOf(1, 9, producer, dest, op("send"))},
			want: "initiated@1000 " + w1 + " profile-edit\npublished@2000 " + w1 + " profile-edit",
		},
		{
			name: "create, then send with links", spans: []*trace.Span{spanOf(1, 0, producer, dest, op("create")), linked(spanOf(3, 0, client, dest, op("send")), linkTo(1, 1), linkTo(1, 2))},
			want: "initiated@1000 " + w1 + " profile-edit\npublished@2000 " + w1 + " profile-edit\npublished@2000 " + w1 + " profile-edit\npublished@2000 " + w2 + " profile-edit",
		},
		{
			name: "process over a link", spans: []*trace.Span{linked(spanOf(3, 4, consumer, dest, op("process")), linkTo(1, 1))},
			want: "received@1000 " + w1 + " profile-edit svc\napplied@2000 " + w1 + " profile-edit svc",
		},
		{
			name: "consumer over the parent", spans: []*trace.Span{spanOf(3, 1, consumer, dest)},
			want: "received@1000 " + w1 + " profile-edit svc\napplied@2000 " + w1 + " profile-edit svc",
		},
		{
			name: "deprecated operation", spans: []*trace.Span{spanOf(3, 1, consumer, dest, str("messaging.operation", "deliver"))},
			want: "received@1000 " + w1 + " profile-edit svc\napplied@2000 " + w1 + " profile-edit svc",
		},
		{
			name: "deprecated publish", spans: []*trace.Span{spanOf(1, 0, client, dest, str("messaging.operation", "publish"))},
			want: "initiated@1000 " + w1 + " profile-edit\npublished@2000 " + w1 + " profile-edit",
		},
		{
			name: "receive as a client", spans: []*trace.Span{linked(spanOf(3, 4, client, dest, op("receive")), linkTo(1, 1), linkTo(1, 2))},
			want: "received@2000 " + w1 + " profile-edit svc\nreceived@2000 " + w2 + " profile-edit svc",
		},
		{
			name: "process below a receive", spans: []*trace.Span{linked(spanOf(3, 4, client, dest, op("receive")), linkTo(1, 1)), spanOf(5, 3, consumer, dest, op("process"))},
			want: "received@2000 " + w1 + " profile-edit svc\nreceived@1000 " + w1 + " profile-edit svc\napplied@2000 " + w1 + " profile-edit svc",
		},
		{name: "empty poll", spans: []*trace.Span{spanOf(3, 4, client, dest, op("receive"))}},
		{name: "settle", spans: []*trace.Span{spanOf(3, 4, client, dest, op("settle"))}},
		{
			name: "failed process", spans: []*trace.Span{failed(spanOf(3, 1, consumer, dest))},
			want: "received@1000 " + w1 + " profile-edit svc\nfailed@2000 " + w1 + " profile-edit svc",
		},
		{
			name: "failed send", spans: []*trace.Span{failed(spanOf(1, 0, producer, dest))},
			want: "initiated@1000 " + w1 + " profile-edit\nfailed@2000 " + w1 + " profile-edit svc",
		},
		{
			name: "prefix mapping", spans: []*trace.Span{spanOf(1, 0, producer, str("messaging.destination.name", "profile.x"))},
			want: "initiated@1000 " + w1 + " any\npublished@2000 " + w1 + " any",
		},
		{name: "not mapped", spans: []*trace.Span{spanOf(1, 0, producer, str("messaging.destination.name", "other"))}, rejected: "0:feature_unmapped:messaging.destination.name"},
		{name: "no destination", spans: []*trace.Span{spanOf(1, 0, producer, str("messaging.system", "kafka"))}, rejected: "0:feature_unmapped:messaging.destination.name"},
		{
			name: "feature said", spans: []*trace.Span{spanOf(1, 0, producer, str("messaging.system", "kafka"), str("tidemark.feature", "f"), str("tidemark.write.id", "w"))},
			want: "initiated@1000 w f\npublished@2000 w f",
		},
		{name: "not about messages", spans: []*trace.Span{spanOf(1, 0, client, str("http.request.method", "GET")), spanOf(1, 0, producer)}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			b := both(t, tracesOf(x.spans...))
			if got := story(b); got != x.want || refused(b) != x.rejected {
				t.Errorf("got\n%s\nrejected %+v\nwant\n%s\nrejected %s", got, b.Rejected, x.want, x.rejected)
			}
		})
	}
}

func TestTracesWithOwnAttributes(t *testing.T) {
	t.Parallel()
	sp := spanOf(7, 1, trace.Span_SPAN_KIND_INTERNAL,
		str("tidemark.stage", "visible"), str("tidemark.write.id", "w"), str("tidemark.feature", "cart"), str("tidemark.key", "k"),
		kvs("tidemark.version", kvs("vv", num("us", 2), num("eu", 4))), str("tidemark.replica", "search"), str("tidemark.session.id", "s"),
		num("tidemark.session.seq", 3), str("tidemark.model", "causal"), str("tidemark.variant", "v"), strs("tidemark.parents", "w0", "w9"),
		str("tidemark.expect", "search, cache"), strs("tidemark.labels", "pii"), str("tidemark.owner", "o"), num("tidemark.attempt", 2),
		str("tidemark.mechanism", "crdt"), str("tidemark.delta", `{"a":1}`), num("tidemark.clock.offset_ns", -5), num("tidemark.mine", 4), str("tidemark.region", "r"))
	b := both(t, tracesOf(sp))
	v, _ := metrics.VVVersion(map[string]uint64{"us": 2, "eu": 4})
	want := []metrics.Event{{
		EventID: "otel:" + t1 + ":0000000000000007:visible", Kind: metrics.KindVisible, WriteID: "w", Feature: "cart", Key: "k", Service: "svc", Replica: "search",
		Region: "r", OccurredAt: 2000, ClockID: "h/i", ClockOffset: -5, HasOffset: true, Version: v, Parents: []string{"w0", "w9"}, SessionID: "s", SessionSeq: 3,
		Attempt: 2, TraceID: t1, SpanID: "0000000000000007", Delta: `{"a":1}`, Owner: "o", Labels: []string{"pii"}, Variant: "v", Model: "causal",
		Expect: []string{"search", "cache"}, Mechanism: "crdt", Attributes: `{"mine":4}`,
	}}
	if diff := cmp.Diff(want, b.Events); diff != "" || len(b.Rejected) > 0 {
		t.Fatalf("%s\n%+v", diff, b.Rejected)
	}
}

func TestTracesSpanEventsAndArms(t *testing.T) {
	t.Parallel()
	sp := spanOf(1, 0, trace.Span_SPAN_KIND_SERVER, str("tidemark.feature", "cart"), str("tidemark.key", "k"))
	sp.Events = []*trace.Span_Event{
		{Name: "feature_flag.evaluation", TimeUnixNano: 1100, Attributes: []*common.KeyValue{str("feature_flag.key", "fl"), str("feature_flag.result.variant", "on"), str("feature_flag.context.id", "u1")}},
		{Name: "tidemark.initiated", TimeUnixNano: 1200, Attributes: []*common.KeyValue{num("tidemark.version", 4)}},
		{Name: "done", TimeUnixNano: 1300, Attributes: []*common.KeyValue{str("tidemark.stage", "committed"), str("tidemark.variant", "off")}},
		{Name: "exception", TimeUnixNano: 1400},
		{Name: "tidemark.sent", TimeUnixNano: 1500},
	}
	b := both(t, tracesOf(sp))
	if got, want := story(b), "initiated@1200 "+w1+" cart\ncommitted@1300 "+w1+" cart"; got != want || refused(b) != "0:kind_unknown:tidemark.stage" {
		t.Fatalf("got\n%s\nrejected %+v", got, b.Rejected)
	}
	first, second := b.Events[0], b.Events[1]
	if first.Flag != "fl" || first.Variant != "on" || first.Unit != "u1" || first.Version != metrics.SeqVersion(4) || second.Variant != "off" {
		t.Errorf("arm %q %q %q, version %v, second %q", first.Flag, first.Variant, first.Unit, first.Version, second.Variant)
	}
	if first.EventID == second.EventID || first.EventID != w1+":initiated:e1" {
		t.Errorf("ids %q, %q", first.EventID, second.EventID)
	}
}

// TestLabelsAreJoined: labels that hold for all that a resource sends cannot be lost.
func TestLabelsAreJoined(t *testing.T) {
	t.Parallel()
	stage, f := str("tidemark.stage", "initiated"), str("tidemark.feature", "f")
	said := func(labels ...*common.KeyValue) *trace.Span {
		return spanOf(1, 0, 1, append(labels, f)...)
	}
	event := said(str("tidemark.labels", "span"))
	event.Events = []*trace.Span_Event{{Name: "tidemark.initiated", TimeUnixNano: 1, Attributes: []*common.KeyValue{strs("tidemark.labels", "event", "pii")}}}
	many := strs("tidemark.labels", strings.Split("a"+strings.Repeat(" a", longestList), " ")...)
	for _, x := range []struct {
		span     *trace.Span
		want     []string
		rejected string
	}{
		{said(stage), []string{"pii", "tenant:a"}, ""},
		{said(stage, strs("tidemark.labels", "b", "tenant:a")), []string{"pii", "tenant:a", "b"}, ""},
		{said(stage, str("tidemark.labels", "")), []string{"pii", "tenant:a"}, ""},
		{said(stage, strs("tidemark.labels")), []string{"pii", "tenant:a"}, ""},
		{said(stage, str("tidemark.labels", "b"), str("tidemark.labels", "c")), []string{"pii", "tenant:a", "b", "c"}, ""},
		{event, []string{"pii", "tenant:a", "span", "event"}, ""},
		{said(stage, num("tidemark.labels", 1)), nil, "0:field_invalid:tidemark.labels"},
		{said(stage, many), nil, "0:field_too_long:tidemark.labels"},
	} {
		req := tracesOf(x.span)
		req.ResourceSpans[0].Resource.Attributes = append(req.ResourceSpans[0].Resource.Attributes, str("tidemark.labels", "pii, tenant:a"))
		b := both(t, req)
		var got []string
		if len(b.Events) > 0 {
			got = b.Events[0].Labels
		}
		if !slices.Equal(got, x.want) || refused(b) != x.rejected {
			t.Errorf("%q %+v, want %q %s", got, b.Rejected, x.want, x.rejected)
		}
	}
}

func TestTracesRejects(t *testing.T) {
	t.Parallel()
	w, f := str("tidemark.write.id", "w"), str("tidemark.feature", "f")
	for want, sp := range map[string]*trace.Span{
		"0:kind_unknown:tidemark.stage":       spanOf(1, 0, 1, str("tidemark.stage", "sent"), w, f),
		"0:field_missing:tidemark.stage":      spanOf(1, 0, 1, w, f),
		"0:field_invalid:tidemark.labels":     spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, num("tidemark.labels", 1)),
		"0:field_invalid:tidemark.expect":     spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, kvs("tidemark.expect")),
		"0:field_invalid:tidemark.attempt":    spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, num("tidemark.attempt", -1)),
		"0:version_invalid:tidemark.version":  spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, str("tidemark.version", "x")),
		"0:field_invalid:tidemark.auto":       spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, str("tidemark.auto", "x")),
		"0:field_invalid:tidemark.key":        spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, strs("tidemark.key", "x")),
		"0:time_invalid:tidemark.occurred_at": spanOf(1, 0, 1, str("tidemark.stage", "applied"), w, f, str("tidemark.occurred_at", "x")),
	} {
		if b := both(t, tracesOf(sp)); refused(b) != want || len(b.Events) > 0 {
			t.Errorf("got %s %+v, want %s", story(b), b.Rejected, want)
		}
	}
}

func logsOf(records ...*logs.LogRecord) *collogs.ExportLogsServiceRequest {
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{str("service.name", "svc")}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: records}},
	}}}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	req := logsOf(
		&logs.LogRecord{EventName: "tidemark.applied", TimeUnixNano: 5, TraceId: tid(1), SpanId: sid(1), Attributes: []*common.KeyValue{str("tidemark.write.id", "w"), str("tidemark.feature", "cart")}},
		&logs.LogRecord{ObservedTimeUnixNano: 6, Attributes: []*common.KeyValue{str("event.name", "tidemark.read"), str("tidemark.feature", "cart"), str("tidemark.session.id", "s")}},
		&logs.LogRecord{EventName: "feature_flag.evaluation", TraceId: tid(1), SpanId: sid(1), Attributes: []*common.KeyValue{str("feature_flag.key", "fl"), str("feature_flag.result.variant", "on")}},
		&logs.LogRecord{TimeUnixNano: 7, Attributes: []*common.KeyValue{str("tidemark.write.id", "w")}},
		&logs.LogRecord{TimeUnixNano: 8},
	)
	raw, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var p, j Batch
	if err := Logs(raw, false, options(), &p); err != nil {
		t.Fatal(err)
	}
	if err := Logs(otlpJSON(t, req), true, options(), &j); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Events, j.Events); diff != "" {
		t.Fatal(diff)
	}
	if got := story(&p); got != "applied@5 w cart svc\nread@6  cart" || refused(&p) != "3:field_missing:tidemark.stage" || p.Items() != 5 {
		t.Errorf("got\n%s\nrejected %+v", got, p.Rejected)
	}
	if e := p.Events[0]; e.Flag != "fl" || e.Variant != "on" || e.TraceID != t1 || e.SpanID != s1 || e.EventID != metrics.ContentID(&e) {
		t.Errorf("%+v", e)
	}
}

// evaluated is a log record that tells what a flag was evaluated to within a span.
func evaluated(span byte, flag, variant string) *logs.LogRecord {
	return &logs.LogRecord{EventName: "feature_flag.evaluation", TraceId: tid(1), SpanId: sid(span), Attributes: []*common.KeyValue{str("feature_flag.key", flag), str("feature_flag.result.variant", variant)}}
}

// TestTheFirstArmOfASpanCounts, wherever in the request its record stands.
func TestTheFirstArmOfASpanCounts(t *testing.T) {
	t.Parallel()
	of := func(span []byte, attrs ...*common.KeyValue) *logs.LogRecord {
		return &logs.LogRecord{EventName: "tidemark.initiated", TimeUnixNano: 5, TraceId: tid(1), SpanId: span, Attributes: append(attrs, str("tidemark.write.id", "w"), str("tidemark.feature", "cart"))}
	}
	nowhere := evaluated(1, "f", "nowhere")
	nowhere.SpanId = nil
	raw, err := proto.Marshal(logsOf(of(sid(1)), evaluated(1, "f", "first"), evaluated(1, "f", "second"), evaluated(2, "g", "other"), nowhere,
		of(sid(2)), of(sid(3)), of(nil), of(sid(1), str("tidemark.flag", "own"), str("tidemark.variant", "said"))))
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	for range 2 { // a batch that is used again remembers nothing
		b.Reset()
		if err := Logs(raw, false, options(), &b); err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range b.Events {
			got = append(got, b.Events[i].Flag+"="+b.Events[i].Variant)
		}
		if want := []string{"f=first", "g=other", "=", "=", "own=said"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// BenchmarkLogsWithArms: the time of a request grows with its records alone, however many
// of them tell of flags.
func BenchmarkLogsWithArms(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		var records []*logs.LogRecord
		for i := range n {
			told := evaluated(0, "f", "on")
			stage := &logs.LogRecord{EventName: "tidemark.initiated", TimeUnixNano: 5, TraceId: tid(1), SpanId: sid(0), Attributes: []*common.KeyValue{str("tidemark.feature", "cart")}}
			binary.LittleEndian.PutUint64(told.SpanId, uint64(i+1))
			binary.LittleEndian.PutUint64(stage.SpanId, uint64(n-i))
			records = append(records, told, stage)
		}
		raw, err := proto.Marshal(logsOf(records...))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var batch Batch
			for b.Loop() {
				batch.Reset()
				if err := Logs(raw, false, options(), &batch); err != nil || batch.Events[0].Flag != "f" {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*n), "ns/record")
		})
	}
}

// BenchmarkSpansOfAWideResource: what a resource says is looked through once, not for each
// of its spans.
func BenchmarkSpansOfAWideResource(b *testing.B) {
	req := tracesOf(slices.Repeat([]*trace.Span{spanOf(1, 0, trace.Span_SPAN_KIND_PRODUCER, str("messaging.destination.name", "other"))}, 2000)...)
	req.ResourceSpans[0].Resource.Attributes = slices.Repeat([]*common.KeyValue{num("tidemark.attempt", 1)}, 20_000)
	raw, err := proto.Marshal(req)
	if err != nil {
		b.Fatal(err)
	}
	var batch Batch
	for b.Loop() {
		batch.Reset()
		if err := Traces(raw, false, options(), &batch); err != nil || len(batch.Rejected) != 2000 {
			b.Fatal(err, len(batch.Rejected))
		}
	}
}

func TestOTLPRefusesBodies(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"\xff", "\x0a\xff\x01", "{", `{"resourceSpans":[{]}`, `{} x`, `{"resourceSpans":5}`} {
		isJSON := body[0] == '{'
		var b Batch
		if err := Traces([]byte(body), isJSON, options(), &b); !errors.Is(err, ErrBody) {
			t.Errorf("%q: %v", body, err)
		}
	}
	many := tracesOf(make([]*trace.Span, MaxEvents+1)...)
	for i := range many.ResourceSpans[0].ScopeSpans[0].Spans {
		many.ResourceSpans[0].ScopeSpans[0].Spans[i] = &trace.Span{}
	}
	raw, err := proto.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := Traces(raw, false, options(), &b); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
}

// TestOTLPBoundsWhatIsMade sends little that would become much: a span gives an event
// for each of its links, for each of its events.
func TestOTLPBoundsWhatIsMade(t *testing.T) {
	t.Parallel()
	span := func(links, events int, name string) *trace.Span {
		sp := spanOf(1, 0, trace.Span_SPAN_KIND_INTERNAL, str("tidemark.feature", "cart"))
		for range links {
			sp.Links = append(sp.Links, &trace.Span_Link{SpanId: sid(2)})
		}
		for range events {
			sp.Events = append(sp.Events, &trace.Span_Event{Name: name})
		}
		return sp
	}
	for _, x := range []struct {
		name         string
		want         error
		spans        int
		links, event int
		stage        string
	}{
		{"each link of each event", nil, 1, 100, 100, "tidemark.applied"},
		{"too many links times events", ErrTooMany, 1, 300, 300, "tidemark.applied"},
		{"too many events of several spans", ErrTooMany, 9, 100, 100, "tidemark.applied"},
		{"too many refused", ErrTooMany, 5, 0, MaxEvents, "tidemark.x"},
		{"links that mean nothing", ErrTooMany, 1, MaxEvents + 1, 0, ""},
		{"events that mean nothing", ErrTooMany, 1, 0, MaxEvents + 1, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			req := tracesOf(slices.Repeat([]*trace.Span{span(x.links, x.event, x.stage)}, x.spans)...)
			raw, err := proto.Marshal(req)
			if err != nil {
				t.Fatal(err)
			}
			for isJSON, body := range map[bool][]byte{false: raw, true: otlpJSON(t, req)} {
				var b Batch
				err := Traces(body, isJSON, options(), &b)
				if made := len(b.Events) + len(b.Rejected); !errors.Is(err, x.want) || made > maxMade || err == nil && made != x.links*x.event {
					t.Errorf("json %v: %d made, %v", isJSON, made, err)
				}
			}
		})
	}
}

// TestOTLPBoundsWhatAResourceGives sends little that would become much: what a resource
// says holds for each of its spans.
func TestOTLPBoundsWhatAResourceGives(t *testing.T) {
	t.Parallel()
	many := func(n int, kv *common.KeyValue) []*common.KeyValue { return slices.Repeat([]*common.KeyValue{kv}, n) }
	for _, x := range []struct {
		name  string
		want  error
		gives []*common.KeyValue
	}{
		{"a text that is kept", nil, many(1, str("tidemark.mine", strings.Repeat("x", 1000)))},
		{"a long text that is kept", ErrTooLarge, many(1, str("tidemark.mine", strings.Repeat("x", 15<<10)))},
		{"a text that widens", ErrTooLarge, many(1, str("tidemark.delta", strings.Repeat("\x00", 2<<10)))},
		{"a long text of a field", ErrTooLarge, many(1, str("tidemark.delta", "["+strings.Repeat(" ", 60<<10)+"]"))},
		{"a text of the conventions", ErrTooLarge, many(1, str("service.name", strings.Repeat("x", 1<<20)))},
		{"a list", ErrTooLarge, many(1, str("tidemark.expect", strings.Repeat("a,", 5<<10)))},
		{"many attributes", ErrTooLarge, many(1000, num("tidemark.attempt", 1))},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			req := tracesOf(slices.Repeat([]*trace.Span{spanOf(1, 0, trace.Span_SPAN_KIND_INTERNAL, str("tidemark.stage", "initiated"), str("tidemark.feature", "f"))}, MaxEvents)...)
			req.ResourceSpans[0].Resource.Attributes = x.gives
			raw, err := proto.Marshal(req)
			if err != nil {
				t.Fatal(err)
			}
			var b Batch
			if err := Traces(raw, false, options(), &b); !errors.Is(err, x.want) || err == nil && len(b.Events) != MaxEvents {
				t.Errorf("%d events, %v", len(b.Events), err)
			}
		})
	}
}

// TestTooMuchIsNeverLeftOut: an attribute that is too much for its event refuses it.
func TestTooMuchIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	for want, kv := range map[string]*common.KeyValue{
		"0:attributes_too_large:attributes": str("tidemark.mine", strings.Repeat("x", metrics.MaxAttributes)),
		"0:field_too_long:delta":            str("tidemark.delta", strings.Repeat("x", metrics.MaxDelta+1)),
		"0:field_too_long:tidemark.labels":  str("tidemark.labels", strings.Repeat("a,", 101)),
		"0:field_too_long:tidemark.expect":  strs("tidemark.expect", slices.Repeat([]string{"a"}, 101)...),
		"0:field_too_long:labels":           strs("tidemark.labels", slices.Repeat([]string{"a"}, metrics.MaxLabels+1)...),
	} {
		b := both(t, tracesOf(spanOf(1, 0, 1, str("tidemark.stage", "initiated"), str("tidemark.feature", "f"), num("tidemark.occurred_at", now), kv)))
		if b.Validate(now); refused(b) != want || len(b.Events) > 0 {
			t.Errorf("got %s %+v, want %s", story(b), b.Rejected, want)
		}
	}
}

func anys(v ...*common.AnyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: v}}}
}

// TestNestedAttributesAreJSON: arrays and maps within each other are what they would be as
// JSON, in whatever order their parts come.
func TestNestedAttributesAreJSON(t *testing.T) {
	t.Parallel()
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	list := &common.KeyValue{Key: "list", Value: anys(text("a\"b"), anys(), anys(text(""), anys(text("<"))), &common.AnyValue{})}
	b := both(t, tracesOf(spanOf(1, 0, 1, str("tidemark.stage", "initiated"), str("tidemark.feature", "f"),
		kvs("tidemark.mine", num("n", 1), kvs("m", num("x", 2), kvs("none"), str("y", "z")), list, &common.KeyValue{Key: "nothing"}))))
	const want = `{"mine":{"n":1,"m":{"x":2,"none":{},"y":"z"},"list":["a\"b",[],["",["\u003c"]],null],"nothing":null}}`
	if len(b.Events) != 1 || b.Events[0].Attributes != want {
		t.Errorf("%s %+v\nwant %s", b.Events[0].Attributes, b.Rejected, want)
	}
	var late Batch
	err := Traces([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[
		{"key":"tidemark.stage","value":{"stringValue":"initiated"}},
		{"key":"tidemark.mine","value":{"kvlistValue":{"values":[{"value":{"stringValue":"x","kvlistValue":{"values":[{"value":{"intValue":1},"key":"b"}]},"arrayValue":{"values":[{"intValue":7}]}},"key":"a"}]}}}]}]}]}]}`), true, options(), &late)
	if err != nil || late.Events[0].Attributes != `{"mine":{"a":[7]}}` {
		t.Errorf("key after value: %+v, %v", late.Events, err)
	}
}

// TestNestedAttributesAreNotCopiedAtEachDepth counts what is allocated, so that it has to
// be alone.
func TestNestedAttributesAreNotCopiedAtEachDepth(t *testing.T) {
	v := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.Repeat("\x00", 1<<20)}}
	for range MaxDepth - 1 {
		v = anys(v)
	}
	req := tracesOf(spanOf(1, 0, 1, str("tidemark.stage", "initiated"), str("tidemark.feature", "f"), &common.KeyValue{Key: "tidemark.mine", Value: v}))
	raw, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for isJSON, body := range map[bool][]byte{false: raw, true: otlpJSON(t, req)} {
		var before, after runtime.MemStats
		var b Batch
		runtime.ReadMemStats(&before)
		err := Traces(body, isJSON, options(), &b)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > 16<<20 || refused(&b) != "0:field_too_long:tidemark.mine" {
			t.Errorf("json %v: %d bytes taken, %+v, %v", isJSON, took, b.Rejected, err)
		}
	}
}

// TestMemoryIsBookedBeforeItIsTaken: what a request becomes ends where no memory is left.
func TestMemoryIsBookedBeforeItIsTaken(t *testing.T) {
	t.Parallel()
	none, booked := errors.New("none is left"), int64(0)
	body := strings.Repeat(minimal("x")+"\n", MaxEvents)
	var b Batch
	b.Book = func(n int64) error {
		if n > 5<<20 {
			return none
		}
		booked = n
		return nil
	}
	if err := Native([]byte(body), "", &b); !errors.Is(err, none) || booked == 0 || int64((len(b.Events)-1)*eventSize) > booked {
		t.Errorf("%d bytes booked for %d events: %v", booked, len(b.Events), err)
	}
	if b.Reset(); b.Book != nil {
		t.Error("the next request books for this one")
	}
}

func TestOTLPResponses(t *testing.T) {
	t.Parallel()
	for _, isJSON := range []bool{false, true} {
		read := func(raw []byte, m proto.Message) {
			t.Helper()
			var err error
			if isJSON {
				err = protojson.Unmarshal(raw, m)
			} else {
				err = proto.Unmarshal(raw, m)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var tr, none coltrace.ExportTraceServiceResponse
		read(TracesResponse(3, "why", isJSON), &tr)
		read(TracesResponse(0, "", isJSON), &none)
		var lr collogs.ExportLogsServiceResponse
		read(LogsResponse(2, "how", isJSON), &lr)
		var st status.Status
		read(StatusBody(StatusUnavailable, "full", isJSON), &st)
		if tr.GetPartialSuccess().GetRejectedSpans() != 3 || tr.GetPartialSuccess().GetErrorMessage() != "why" || none.GetPartialSuccess() != nil ||
			lr.GetPartialSuccess().GetRejectedLogRecords() != 2 || st.GetCode() != 14 || st.GetMessage() != "full" {
			t.Errorf("json %v: %v %v %v %v", isJSON, &tr, &none, &lr, &st)
		}
	}
}

func FuzzOTLP(f *testing.F) {
	req := tracesOf(spanOf(1, 0, trace.Span_SPAN_KIND_PRODUCER, str("messaging.destination.name", "carts"), strs("tidemark.labels", "a"), kvs("tidemark.version", num("seq", 3))),
		spanOf(2, 1, trace.Span_SPAN_KIND_CONSUMER, str("messaging.destination.name", "carts")))
	req.ResourceSpans[0].ScopeSpans[0].Spans[1].Links = []*trace.Span_Link{linkTo(1, 1)}
	lg := logsOf(&logs.LogRecord{EventName: "tidemark.applied", TimeUnixNano: 5, Attributes: []*common.KeyValue{str("tidemark.write.id", "w")}})
	for _, m := range []proto.Message{req, lg} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, false)
		f.Add(otlpJSON(f, m), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		var tb, lb Batch
		errT, errL := Traces(body, isJSON, options(), &tb), Logs(body, isJSON, options(), &lb)
		if !isJSON && errT == nil {
			var want coltrace.ExportTraceServiceRequest
			if proto.Unmarshal(body, &want) == nil && countSpans(&want) != tb.Items() {
				t.Fatalf("%d spans, protobuf has %d", tb.Items(), countSpans(&want))
			}
		}
		for _, b := range []*Batch{&tb, &lb} {
			b.Validate(now)
			b.Reset()
		}
		_, _ = errT, errL
	})
}

func countSpans(r *coltrace.ExportTraceServiceRequest) (n int) {
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			n += len(ss.GetSpans())
		}
	}
	return n
}

func BenchmarkTraces(b *testing.B) {
	var spans []*trace.Span
	for i := range 500 {
		sp := spanOf(1, 0, trace.Span_SPAN_KIND_PRODUCER, str("messaging.system", "kafka"), str("messaging.operation.type", "send"),
			str("messaging.destination.name", "profile.changes"), str("messaging.kafka.message.key", "user:1234"), str("server.address", "kafka-1"), num("server.port", 9092))
		if i%2 == 1 {
			sp.Kind, sp.Attributes[1] = trace.Span_SPAN_KIND_CONSUMER, str("messaging.operation.type", "process")
			sp.Links = []*trace.Span_Link{linkTo(1, 1)}
		}
		binary.LittleEndian.PutUint64(sp.SpanId, uint64(i))
		spans = append(spans, sp)
	}
	raw, err := proto.Marshal(tracesOf(spans...))
	if err != nil {
		b.Fatal(err)
	}
	rate := func(b *testing.B) { b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "spans/s") }
	b.Run("tidemark", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		var batch Batch
		o := options()
		for b.Loop() {
			batch.Reset()
			if err := Traces(raw, false, o, &batch); err != nil || len(batch.Events) != 1000 {
				b.Fatal(err, len(batch.Events), batch.Rejected)
			}
		}
		rate(b)
	})
	b.Run("protobuf", func(b *testing.B) {
		for b.Loop() {
			var req coltrace.ExportTraceServiceRequest
			if err := proto.Unmarshal(raw, &req); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
}
