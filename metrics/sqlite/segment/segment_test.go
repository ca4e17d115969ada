package segment_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
	"tidemark/metrics/storetest"
)

func codec(tb testing.TB) (*segment.Encoder, *segment.Decoder) {
	tb.Helper()
	e, err := segment.NewEncoder()
	if err != nil {
		tb.Fatal(err)
	}
	d, err := segment.NewDecoder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return e, d
}

func TestEveryFieldComesBack(t *testing.T) {
	t.Parallel()
	enc, dec := codec(t)
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(storetest.AnyEvent(), 1, 40).Draw(t, "events")
		b, err := enc.Encode(nil, events)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dec.Open(b); err != nil {
			t.Fatal(err)
		}
		if want, got := enc.Entities(), dec.Entities(); !reflect.DeepEqual(want, got) {
			t.Fatalf("entities: %s", cmp.Diff(want, got))
		}
		checkRows(t, dec, events)
		got, err := dec.Events()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(events, got) {
			t.Fatal(cmp.Diff(events, got))
		}
	})
}

// checkRows compares the rows of each entity of the events with those found.
func checkRows(t *rapid.T, dec *segment.Decoder, events []metrics.Event) {
	type entity struct {
		kind metrics.EntityKind
		hash metrics.Entity
	}
	want := map[entity][]int{}
	for i := range events {
		events[i].Entities(func(k metrics.EntityKind, e metrics.Entity) {
			want[entity{k, e}] = append(want[entity{k, e}], i)
		})
	}
	ents := dec.Entities()
	for e, rows := range want {
		if got := dec.Rows(nil, e.kind, e.hash, len(events)); !reflect.DeepEqual(rows, got) {
			t.Fatalf("rows of %v: got %v, want %v", e, got, rows)
		}
		if !ents.Has(e.kind, e.hash) {
			t.Fatalf("entity %v is not listed", e)
		}
		got, err := dec.Event(rows[0])
		if err != nil || !reflect.DeepEqual(got, events[rows[0]]) {
			t.Fatalf("row %d: %v %s", rows[0], err, cmp.Diff(events[rows[0]], got))
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	enc, dec := codec(t)
	b, err := enc.Encode(nil, storetest.NewTraffic(1, 1e18).Events(200))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 0x10
		if _, err := dec.Open(b); !errors.Is(err, segment.ErrDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		b[i] ^= 0x10
	}
	for n := range b {
		if _, err := dec.Open(b[:n]); !errors.Is(err, segment.ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := enc.Encode(nil, nil); err == nil {
		t.Fatal("a segment without events was encoded")
	}
}

func BenchmarkEncode(b *testing.B) {
	enc, _ := codec(b)
	events := storetest.NewTraffic(1, 1e18).Events(8192)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = enc.Encode(out[:0], events)
	}
	b.ReportMetric(float64(len(out))/8192, "B/event")
	b.ReportMetric(float64(b.N)*8192/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkDecode(b *testing.B) {
	enc, dec := codec(b)
	data, _ := enc.Encode(nil, storetest.NewTraffic(1, 1e18).Events(8192))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dec.Open(data); err != nil {
			b.Fatal(err)
		}
		if _, err := dec.Events(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*8192/b.Elapsed().Seconds(), "events/s")
}
