package storetest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tidemark/metrics"
)

// Traffic makes up plausible events: writes of a few features that pass through
// their stages at three replicas, eight events a write, interleaved.
type Traffic struct {
	rng  *rand.Rand
	now  int64
	open []openWrite
}

type openWrite struct {
	base metrics.Event
	next int
}

// NewTraffic returns a source that starts at a time (Unix ns); equal seeds give equal events.
func NewTraffic(seed uint64, start int64) *Traffic {
	return &Traffic{rng: rand.New(rand.NewPCG(seed, 1)), now: start}
}

func (t *Traffic) id() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(t.rng.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

// interleaved is how many writes are in progress at once.
const interleaved = 64

// Events returns the next n events, in order of observation, about 1 µs apart.
func (t *Traffic) Events(n int) []metrics.Event {
	out := make([]metrics.Event, n)
	for i := range out {
		for len(t.open) < interleaved {
			t.open = append(t.open, openWrite{base: t.write()})
		}
		j := t.rng.IntN(len(t.open))
		w := &t.open[j]
		t.now += int64(t.rng.IntN(2000))
		out[i] = t.stage(w)
		if w.next++; w.next == 8 {
			t.open[j] = t.open[len(t.open)-1]
			t.open = t.open[:len(t.open)-1]
		}
	}
	return out
}

func (t *Traffic) write() metrics.Event {
	f := t.rng.IntN(5)
	var trace [16]byte
	for i := range trace {
		trace[i] = byte(t.rng.Uint32())
	}
	return metrics.Event{
		WriteID: t.id(), Feature: fmt.Sprintf("feature-%d", f), Key: fmt.Sprintf("user:%d", t.rng.IntN(200_000)),
		SessionID: fmt.Sprintf("session-%d", t.rng.IntN(50_000)), SessionSeq: int64(1 + t.rng.IntN(40)),
		Version: metrics.SeqVersion(uint64(t.rng.IntN(100_000))), TraceID: hex.EncodeToString(trace[:]),
		Actor: "user", Model: "causal", Variant: "candidate", Flag: fmt.Sprintf("feature-%d-consistency", f),
		Mechanism: "event_stream", Attempt: 1,
	}
}

func (t *Traffic) stage(w *openWrite) metrics.Event {
	e := w.base
	e.EventID = t.id()
	e.Kind = [...]metrics.Kind{1, 2, 3, 4, 5, 6, 5, 6}[w.next]
	e.Service = [...]string{"api", "api", "api", "indexer", "indexer", "search", "cache", "cache"}[w.next]
	e.Replica = [...]string{"", "", "", "search", "search", "search", "cache-eu", "cache-eu"}[w.next]
	e.Region = [...]string{"eu", "us"}[t.rng.IntN(2)]
	e.ClockID = e.Service + "-" + string(rune('0'+t.rng.IntN(4)))
	e.OccurredAt = (t.now - int64(t.rng.IntN(2_000_000))) / 1000 * 1000
	e.ObservedAt = t.now / 1_000_000 * 1_000_000
	return e
}

// AnyEvent draws an event with any value in any field, likely ones more often.
func AnyEvent() *rapid.Generator[metrics.Event] {
	texts := rapid.OneOf(
		rapid.Just(""), rapid.SampledFrom([]string{"a", "b", "cart", "profile-edit"}), rapid.String(),
		rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`[0-9a-fA-F]{16}|[0-9a-f]{32}|[0-9a-f]{64}|[0-9A-F-]{36}`),
		rapid.StringMatching(`otel:[0-9a-f]{32}:[0-9a-f]{16}`),
	)
	lists := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(texts, 0, 4))
	return rapid.Custom(func(t *rapid.T) metrics.Event {
		s := func(label string) string { return texts.Draw(t, label) }
		n := func(label string) int64 { return rapid.Int64().Draw(t, label) }
		return metrics.Event{
			EventID: s("event_id"), Kind: metrics.Kind(rapid.Uint8().Draw(t, "kind")), WriteID: s("write_id"),
			Feature: s("feature"), Key: s("key"), Entity: s("entity"), Service: s("service"), Replica: s("replica"),
			Region: s("region"), OccurredAt: n("occurred"), ObservedAt: n("observed"), ClockID: s("clock"),
			ClockOffset: n("offset"), ClockError: n("error"), HasOffset: rapid.Bool().Draw(t, "has_offset"),
			Version: metrics.Version{
				Kind: metrics.VersionKind(rapid.Uint8().Draw(t, "version_kind")),
				Seq:  rapid.Uint64().Draw(t, "version_seq"), Text: s("version_text"),
			},
			Parents: lists.Draw(t, "parents"), SessionID: s("session"), SessionSeq: n("session_seq"),
			Attempt: rapid.Int32().Draw(t, "attempt"), TraceID: s("trace"), SpanID: s("span"), Actor: s("actor"),
			Delta: s("delta"), BeforeHash: s("before"), AfterHash: s("after"), Owner: s("owner"),
			Labels: lists.Draw(t, "labels"), Flag: s("flag"), Variant: s("variant"), Model: s("model"), Unit: s("unit"),
			Expect: lists.Draw(t, "expect"), Mechanism: s("mechanism"), ConflictID: s("conflict"),
			With: lists.Draw(t, "with"), Rule: s("rule"), RuleVersion: s("rule_version"), Winner: s("winner"),
			Outcome: s("outcome"), Auto: metrics.Tri(rapid.Uint8().Draw(t, "auto")), Reason: s("reason"),
			Attributes: s("attributes"),
		}
	})
}
