package metrics_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/ingest/decode"
)

// anyEvent draws an event with every field possibly set.
func anyEvent(t *rapid.T) metrics.Event {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 12, 60))
	list := rapid.SliceOfN(rapid.StringN(1, 6, 20), 0, 3)
	var e metrics.Event
	for _, l := range metrics.Limits() {
		if p := e.Text(l.Field); p != nil {
			*p = text.Draw(t, l.Field)
		}
		if p := e.List(l.Field); p != nil {
			if got := list.Draw(t, l.Field); len(got) > 0 {
				*p = got
			}
		}
	}
	e.Kind = metrics.Kind(rapid.IntRange(1, 11).Draw(t, "kind"))
	e.EventID = "e" + e.EventID
	e.OccurredAt = rapid.Int64Range(1, 1<<62).Draw(t, "occurred_at")
	if e.HasOffset = rapid.Bool().Draw(t, "measured"); e.HasOffset {
		e.ClockOffset = rapid.Int64().Draw(t, "offset")
		e.ClockError = rapid.Int64Range(0, 1<<40).Draw(t, "error")
	}
	e.SessionSeq = rapid.Int64Range(0, 1<<50).Draw(t, "seq")
	e.Attempt = rapid.Int32Range(0, 1000).Draw(t, "attempt")
	e.Auto = metrics.Tri(rapid.IntRange(0, 2).Draw(t, "auto"))
	e.Mechanism = rapid.SampledFrom(append(metrics.Mechanisms(), "")).Draw(t, "mechanism")
	e.Delta = rapid.SampledFrom([]string{"", `{"a":[1,"\u00e9"]}`, `[]`, `"x"`, `null`}).Draw(t, "delta")
	if e.Delta == "null" {
		e.Delta = ""
	}
	e.Attributes = rapid.SampledFrom([]string{"", `{"x.y":1}`, `{"a":{"b":null},"c":"d"}`}).Draw(t, "attributes")
	e.Version = anyVersion(t)
	return e
}

func anyVersion(t *rapid.T) metrics.Version {
	switch rapid.IntRange(0, 3).Draw(t, "version") {
	case 1:
		return metrics.SeqVersion(rapid.Uint64().Draw(t, "n"))
	case 2:
		v, err := metrics.HLCVersion(rapid.StringMatching(`[1-9][0-9]{0,12}\.[0-9](\.[a-z]"?)?`).Draw(t, "hlc"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	case 3:
		v, err := metrics.VVVersion(rapid.MapOfN(rapid.StringMatching(`[a-zé"\\]{1,3}`), rapid.Uint64Range(1, 1<<62), 0, 4).Draw(t, "vv"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return metrics.Version{}
}

// What AppendJSON writes is what the decoder reads.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyEvent(t)
		body := want.AppendJSON([]byte(" ")) // appended to what is there
		var b decode.Batch
		if err := decode.Native(bytes.Clone(body), "application/json", &b); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if len(b.Events) != 1 || len(b.Rejected) != 0 {
			t.Fatalf("%d events, rejected %+v\n%s", len(b.Events), b.Rejected, body)
		}
		want.SettleReplica()
		if d := cmp.Diff(want, b.Events[0]); d != "" {
			t.Fatalf("event (-want +got):\n%s\n%s", d, body)
		}
	})
}

func TestJSONIsValidAndOneLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t)
		e.Reason = string(rapid.SliceOf(rapid.Byte()).Draw(t, "reason")) // not even UTF-8
		body, err := json.Marshal(&e)
		if err != nil || bytes.ContainsAny(body, "\n\r") {
			t.Fatalf("error %v in %q", err, body)
		}
		var back struct{ Reason string }
		if err := json.Unmarshal(e.AppendJSON(nil), &back); err != nil {
			t.Fatal(err)
		}
		if want := string(bytes.ToValidUTF8([]byte(e.Reason), nil)); len(back.Reason) < len(want) {
			t.Fatalf("reason %q became %q", e.Reason, back.Reason)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := metrics.Event{
		EventID: "01912345-6789-7abc-8def-0123456789ab", Kind: metrics.KindApplied, WriteID: "01912345-6789-7abc-8def-0123456789ac",
		Feature: "profile-edit", Key: "user-12345", Service: "search-indexer", Replica: "search", Region: "eu",
		OccurredAt: 1_800_000_000_000_000_000, Version: metrics.SeqVersion(42), Attempt: 1,
		TraceID: "0123456789abcdef0123456789abcdef", SpanID: "0123456789abcdef",
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
