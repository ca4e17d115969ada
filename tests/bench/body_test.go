package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/ingest/decode"
)

func decoded(t *testing.T, b *body) []metrics.Event {
	t.Helper()
	var batch decode.Batch
	raw := bytes.Clone(b.bytes)
	var err error
	if b.path == "/v1/traces" {
		err = decode.Traces(raw, false, &decode.Options{}, &batch)
	} else {
		err = decode.Native(raw, b.kind, &batch)
	}
	if err != nil {
		t.Fatal(err)
	}
	batch.Validate(time.Now().UnixNano())
	if len(batch.Rejected) > 0 {
		t.Fatalf("rejected: %+v", batch.Rejected[0])
	}
	return batch.Events
}

// A renewed request is as good as a newly encoded one: everything in it is valid,
// and no id was there before.
func TestRenewedRequestsAreNew(t *testing.T) {
	t.Parallel()
	for _, format := range []string{formatNDJSON, formatOTLP} {
		b, err := newBody(format, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		seen, size := map[string]bool{}, len(b.bytes)
		now := time.Now().UnixNano()
		for i := range int64(3) {
			b.renew(now+i*1e9, 1e6)
			events := decoded(t, b)
			if len(events) < perRequest || len(b.bytes) != size {
				t.Fatalf("%s: %d events in %d bytes; want %d in %d", format, len(events), len(b.bytes), perRequest, size)
			}
			writes := map[string]int{}
			for _, e := range events {
				if seen[e.EventID] {
					t.Fatalf("%s: event id %s comes again", format, e.EventID)
				}
				seen[e.EventID] = true
				writes[e.WriteID]++
				if e.OccurredAt < now+i*1e9 || e.OccurredAt > now+i*1e9+1e9 {
					t.Fatalf("%s: %v occurs %v after the start", format, e.Kind, time.Duration(e.OccurredAt-now))
				}
			}
			if format == formatNDJSON && (writes[b.lastID] != perWrite-1 || len(writes) != 64) {
				t.Errorf("%d writes, %d events of %s; want 63 and %d, and reads of none", len(writes)-1, writes[b.lastID], b.lastID, perWrite-1)
			}
			if format == formatOTLP && len(writes) != perRequest/spansPerWrite {
				t.Errorf("%d writes in the spans; want %d, joined over links", len(writes), perRequest/spansPerWrite)
			}
		}
	}
}

func TestEventsAreOfRealisticSize(t *testing.T) {
	t.Parallel()
	b := newEvents(rand.New(rand.NewPCG(1, 2)))
	if size := len(b.bytes) / perRequest; size < 300 || size > 325 {
		t.Errorf("%d bytes an event; the comparison is made with about 312", size)
	}
}

func TestSpreadOverTime(t *testing.T) {
	t.Parallel()
	b := newEvents(rand.New(rand.NewPCG(1, 2)))
	b.renew(1_700_000_000e9, 60e9)
	var first, last int64 = 1 << 62, 0
	for _, e := range decodedAnyTime(t, b) {
		first, last = min(first, e.OccurredAt), max(last, e.OccurredAt)
	}
	if got := time.Duration(last - first); got < 62*time.Minute || got > 63*time.Minute {
		t.Errorf("63 writes a minute apart span %v", got)
	}
}

func decodedAnyTime(t *testing.T, b *body) []metrics.Event {
	t.Helper()
	var batch decode.Batch
	if err := decode.Native(bytes.Clone(b.bytes), b.kind, &batch); err != nil {
		t.Fatal(err)
	}
	return batch.Events
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	d := []time.Duration{1, 2, 3, 4}
	if quantile(d, 0) != 1 || quantile(d, 0.5) != 3 || quantile(d, 0.99) != 4 || quantile(nil, 0.5) != 0 {
		t.Errorf("quantiles %v %v %v", quantile(d, 0), quantile(d, 0.5), quantile(d, 0.99))
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-formats", "xml"}, {"-conns", "0"}, {"-d", "0s"}, {"-fill", "-1"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
	o, err := parse(nil)
	if err != nil || len(o.conns) != 2 || len(o.formats) != 2 {
		t.Errorf("defaults %+v, %v", o, err)
	}
}
