package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"tidemark/metrics"
	"tidemark/metrics/ingest/decode"
)

// The formats of requests.
const (
	formatNDJSON = "ndjson"
	formatOTLP   = "otlp"
)

const (
	perRequest = 500 // events or spans
	perWrite   = 8   // events
	keys       = 100_000
	feature    = "profile-edit"
)

// body is one request that is sent again and again with new ids and times, which
// are patched into the encoded bytes: encoding would cost the generator more than
// decoding costs the server.
type body struct {
	kind    string // Content-Type
	path    string
	bytes   []byte
	items   int // events or spans
	events  int // what they come to
	patches []patch
	r       *rand.Rand
	lastID  string // write id of the latest request's first write
}

// patch is a place in the bytes that changes.
type patch struct {
	at    int
	what  field
	write int   // which write of the request
	after int64 // of a time: ns after the write began
}

// field is what a place holds.
type field uint8

const (
	eventID field = iota // 36 characters
	writeID              // 36 characters
	instant              // 19 digits
	seq                  // 19 digits
	key                  // 6 digits
	session              // 16 hexadecimal digits
	traceID              // 16 bytes
	spanID               // 8 bytes, the producer's
	ownSpan              // 8 bytes
	nanos                // 8 bytes, little endian
)

// Marks stand in a template where something is patched; they occur nowhere else.
const (
	markEvent   = "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee"
	markWrite   = "ffffffff-ffff-ffff-ffff-ffffffffffff"
	markSeq     = "7777777777777777777"
	markKey     = "user-333333"
	markSession = "s-cccccccccccccccc"
	firstTime   = 1_111_111_111_000_000_000 // + the number of the event
)

func newBody(format string, r *rand.Rand) (*body, error) {
	if format != formatOTLP {
		return newEvents(r), nil
	}
	b, err := newSpans(r)
	if err != nil {
		return nil, err
	}
	var batch decode.Batch
	if err := decode.Traces(bytes.Clone(b.bytes), false, &decode.Options{}, &batch); err != nil {
		return nil, fmt.Errorf("decode spans: %w", err)
	}
	b.events = len(batch.Events)
	return b, nil
}

// newEvents is NDJSON of perRequest events, perWrite of each write: begun, committed,
// published, applied and visible at two replicas, and read back by its session.
func newEvents(r *rand.Rand) *body {
	b := &body{kind: "application/x-ndjson", path: "/v1/events", items: perRequest, events: perRequest, r: r}
	for i := range perRequest {
		e := template(i % perWrite)
		e.OccurredAt = firstTime + int64(i)
		line := append(e.AppendJSON(nil), '\n')
		at, w := len(b.bytes), i/perWrite
		b.mark(line, markEvent, at, 0, patch{what: eventID, write: w})
		b.mark(line, markWrite, at, 0, patch{what: writeID, write: w})
		b.mark(line, markSeq, at, 0, patch{what: seq, write: w})
		b.mark(line, markKey, at, len("user-"), patch{what: key, write: w})
		b.mark(line, markSession, at, len("s-"), patch{what: session, write: w})
		b.mark(line, strconv.FormatInt(e.OccurredAt, 10), at, 0, patch{what: instant, write: w, after: delay(i % perWrite)})
		b.bytes = append(b.bytes, line...)
	}
	return b
}

func (b *body) mark(line []byte, mark string, at, skip int, p patch) {
	if i := bytes.Index(line, []byte(mark)); i >= 0 {
		p.at = at + i + skip
		b.patches = append(b.patches, p)
	}
}

// delay is how long after the write began its nth event happens.
func delay(n int) int64 {
	return []int64{0, 3e6, 8e6, 31e6, 48e6, 77e6, 96e6, 140e6}[n]
}

// template is the nth event of a write.
func template(n int) metrics.Event {
	e := metrics.Event{
		EventID: markEvent, WriteID: markWrite, Feature: feature, Key: markKey, Version: metrics.SeqVersion(7777777777777777777),
		Service: "profile-api", Region: "eu", Model: "causal",
	}
	switch n {
	case 0:
		e.Kind, e.SessionID, e.SessionSeq, e.Expect = metrics.KindInitiated, markSession, 1, []string{"cache", "search"}
		e.Mechanism = "event_stream"
	case 1:
		e.Kind = metrics.KindCommitted
	case 2:
		e.Kind = metrics.KindPublished
	case 3, 4:
		e.Kind, e.Service, e.Replica = metrics.KindApplied+metrics.Kind(n-3), "profile-cache", "cache"
	case 5, 6:
		e.Kind, e.Service, e.Replica = metrics.KindApplied+metrics.Kind(n-5), "search-indexer", "search"
	default:
		e.Kind, e.WriteID, e.Replica, e.SessionID, e.SessionSeq = metrics.KindRead, "", "cache", markSession, 2
	}
	return e
}

// renew gives the request new ids, keys and versions, and lets its writes begin at
// start (Unix ns) and every step ns after.
func (b *body) renew(start, step int64) {
	writes := b.patches[len(b.patches)-1].write + 1
	ids := make([][2]uint64, writes)
	for i := range ids {
		ms := uint64(start+int64(i)*step) / 1e6
		ids[i] = [2]uint64{ms<<16 | 0x7000 | b.r.Uint64()&0xfff, b.r.Uint64()&^(3<<62) | 1<<63}
	}
	for i := range b.patches {
		p := &b.patches[i]
		id := ids[p.write]
		at := start + int64(p.write)*step
		switch p.what {
		case eventID:
			putUUID(b.bytes[p.at:], id[0]&^0xfff|b.r.Uint64()&0xfff, b.r.Uint64()&^(3<<62)|1<<63)
		case writeID:
			putUUID(b.bytes[p.at:], id[0], id[1])
		case instant:
			strconv.AppendInt(b.bytes[p.at:p.at], at+p.after, 10)
		case seq:
			strconv.AppendInt(b.bytes[p.at:p.at], at, 10)
		case key:
			strconv.AppendUint(b.bytes[p.at:p.at], 100_000+id[1]%keys, 10)
		case session:
			putHex(b.bytes[p.at:], id[1], 16)
		case traceID:
			binary.BigEndian.PutUint64(b.bytes[p.at:], id[0])
			binary.BigEndian.PutUint64(b.bytes[p.at+8:], id[1])
		case spanID:
			binary.BigEndian.PutUint64(b.bytes[p.at:], id[1])
		case ownSpan:
			binary.BigEndian.PutUint64(b.bytes[p.at:], b.r.Uint64())
		case nanos:
			binary.LittleEndian.PutUint64(b.bytes[p.at:], uint64(at+p.after))
		}
	}
	b.lastID = uuidText(ids[0])
}

func putHex(b []byte, v uint64, digits int) {
	const hex = "0123456789abcdef"
	for i := digits - 1; i >= 0; i-- {
		b[i] = hex[v&15]
		v >>= 4
	}
}

func putUUID(b []byte, hi, lo uint64) {
	putHex(b[0:], hi>>32, 8)
	putHex(b[9:], hi>>16, 4)
	putHex(b[14:], hi, 4)
	putHex(b[19:], lo>>48, 4)
	putHex(b[24:], lo, 12)
}

func uuidText(id [2]uint64) string {
	b := []byte(markEvent)
	putUUID(b, id[0], id[1])
	return string(b)
}

const spansPerWrite = 4

// newSpans is OTLP of perRequest spans as stock instrumentation of a message queue
// makes them: a producer, and three consumers that are linked to it.
func newSpans(r *rand.Rand) (*body, error) {
	b := &body{kind: "application/x-protobuf", path: "/v1/traces", items: perRequest, r: r}
	req := &collector.ExportTraceServiceRequest{}
	services := []string{"profile-api", "profile-cache", "search-indexer", "mailer"}
	for n, service := range services {
		rs := &trace.ResourceSpans{
			Resource:   &resource.Resource{Attributes: []*common.KeyValue{text("service.name", service), text("tidemark.feature", feature)}},
			ScopeSpans: []*trace.ScopeSpans{{}},
		}
		for w := range perRequest / spansPerWrite {
			rs.ScopeSpans[0].Spans = append(rs.ScopeSpans[0].Spans, span(n, w))
		}
		req.ResourceSpans = append(req.ResourceSpans, rs)
	}
	raw, err := proto.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	b.bytes = raw
	for n := range services {
		for w := range perRequest / spansPerWrite {
			b.markSpan(n, w)
		}
	}
	if want := perRequest / spansPerWrite * (4*4 + 3*2); len(b.patches) != want {
		return nil, fmt.Errorf("encode spans: %d places to patch; want %d", len(b.patches), want)
	}
	return b, nil
}

func text(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// span is the nth span of write w, with marks for its ids and times.
func span(n, w int) *trace.Span {
	s := &trace.Span{
		TraceId: mark('t', n, w, 16), SpanId: mark('s', n, w, 8), Name: "profile.changes send", Kind: trace.Span_SPAN_KIND_PRODUCER,
		StartTimeUnixNano: binary.LittleEndian.Uint64(mark('b', n, w, 8)), EndTimeUnixNano: binary.LittleEndian.Uint64(mark('e', n, w, 8)),
		Attributes: []*common.KeyValue{
			text("messaging.system", "kafka"), text("messaging.destination.name", "profile.changes"),
			text("messaging.operation.type", "send"),
		},
	}
	if n > 0 {
		s.Name, s.Kind = "profile.changes process", trace.Span_SPAN_KIND_CONSUMER
		s.Attributes[2] = text("messaging.operation.type", "process")
		s.Links = []*trace.Span_Link{{TraceId: mark('l', n, w, 16), SpanId: mark('k', n, w, 8)}}
	}
	return s
}

// mark is size bytes that occur once in a request.
func mark(what byte, n, w, size int) []byte {
	b := bytes.Repeat([]byte{0xf7}, size)
	b[0], b[1], b[2], b[3] = what, byte(n), byte(w>>8), byte(w)
	return b
}

func (b *body) markSpan(n, w int) {
	late := int64(n) * 40e6
	// The producer's trace and span are the write; a consumer has a span of its own.
	own := patch{what: ownSpan, write: w}
	if n == 0 {
		own.what = spanID
	}
	b.mark(b.bytes, string(mark('t', n, w, 16)), 0, 0, patch{what: traceID, write: w})
	b.mark(b.bytes, string(mark('s', n, w, 8)), 0, 0, own)
	b.mark(b.bytes, string(mark('b', n, w, 8)), 0, 0, patch{what: nanos, write: w, after: late})
	b.mark(b.bytes, string(mark('e', n, w, 8)), 0, 0, patch{what: nanos, write: w, after: late + 5e6})
	if n > 0 {
		b.mark(b.bytes, string(mark('l', n, w, 16)), 0, 0, patch{what: traceID, write: w})
		b.mark(b.bytes, string(mark('k', n, w, 8)), 0, 0, patch{what: spanID, write: w})
	}
}
