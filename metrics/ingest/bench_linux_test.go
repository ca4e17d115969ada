package ingest_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/ingest/decode"
	"tidemark/metrics/rollup"
	"tidemark/metrics/sqlite"
)

// cpu is the processor time of the process, its garbage collection included. On a
// machine that is shared it says more than the time of day does.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// lines is NDJSON of events of which eight belong to one write, as tests/bench sends
// them: begun, committed, published, applied and visible at two replicas, read back.
type lines struct {
	rand *rand.Rand
	at   int64
	buf  []byte
}

func (l *lines) next(events int) []byte {
	kinds := []metrics.Kind{
		metrics.KindInitiated, metrics.KindCommitted, metrics.KindPublished, metrics.KindApplied,
		metrics.KindVisible, metrics.KindApplied, metrics.KindVisible, metrics.KindRead,
	}
	l.buf = l.buf[:0]
	var e metrics.Event
	for i := range events {
		n := i % len(kinds)
		if n == 0 {
			l.at += 1e5
			e = metrics.Event{
				WriteID: l.uuid(), Feature: "profile-edit", Key: "user-" + strconv.Itoa(100_000+l.rand.IntN(100_000)),
				Version: metrics.SeqVersion(uint64(l.at)), Region: "eu", Model: "causal",
			}
			e.SessionID = "s-" + e.WriteID[24:] + "abcd"
		}
		one := e
		one.EventID, one.Kind, one.Service, one.OccurredAt = l.uuid(), kinds[n], "profile-api", l.at+int64(n)*7e6
		one.SessionID = ""
		switch n {
		case 0:
			one.SessionID, one.SessionSeq, one.Expect, one.Mechanism = e.SessionID, 1, []string{"cache", "search"}, "event_stream"
		case 3, 4:
			one.Service, one.Replica = "profile-cache", "cache"
		case 5, 6:
			one.Service, one.Replica = "search-indexer", "search"
		case 7:
			one.WriteID, one.Replica, one.SessionID, one.SessionSeq = "", "cache", e.SessionID, 2
		}
		l.buf = append(one.AppendJSON(l.buf), '\n')
	}
	return l.buf
}

// uuid is a UUID of version 7.
func (l *lines) uuid() string {
	const hex = "0123456789abcdef"
	hi, lo := uint64(l.at/1e6)<<16|0x7000|l.rand.Uint64()&0xfff, l.rand.Uint64()&^(3<<62)|1<<63
	b := []byte("00000000-0000-0000-0000-000000000000")
	for i, v := 35, lo; i >= 0; i-- {
		if b[i] == '-' {
			continue
		}
		if i == 17 {
			v = hi
		}
		b[i] = hex[v&15]
		v >>= 4
	}
	return string(b)
}

// BenchmarkPath takes groups of four requests of 500 events the whole way, each step
// after the other: decoded and checked, stored, folded. It reports the processor time
// of each step, once as many states are resident as may be.
func BenchmarkPath(b *testing.B) {
	const requests, perRequest, warmUp = 4, 500, 450
	store, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	fold, err := rollup.Open(b.Context(), store, nil, rollup.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l := &lines{rand: rand.New(rand.NewPCG(1, 2)), at: 1_700_000_000_000_000_000}
	var batches [requests]decode.Batch
	var bodies [requests][]byte
	group := make([][]metrics.Event, requests)
	last := l.at
	step := func() (decoded, stored, folded time.Duration) {
		t0 := cpu(b)
		for i := range batches {
			batches[i].Reset()
			if err := decode.Native(bodies[i], "application/x-ndjson", &batches[i]); err != nil {
				b.Fatal(err)
			}
			batches[i].Validate(l.at)
			group[i] = batches[i].Events
		}
		t1 := cpu(b)
		first, err := store.Append(context.Background(), group...)
		if err != nil {
			b.Fatal(err)
		}
		t2 := cpu(b)
		if err := fold.Fold(context.Background(), first, group...); err != nil {
			b.Fatal(err)
		}
		if fold.Due(time.Time{}) || l.at-last > 2e9 {
			last = l.at
			if err := fold.Checkpoint(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		return t1 - t0, t2 - t1, cpu(b) - t2
	}
	prepare := func() {
		for i := range bodies {
			bodies[i] = append(bodies[i][:0], l.next(perRequest)...)
		}
	}
	for range warmUp {
		prepare()
		step()
	}
	var decoded, stored, folded time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		prepare()
		b.StartTimer()
		d, s, f := step()
		decoded, stored, folded = decoded+d, stored+s, folded+f
	}
	events := float64(b.N * requests * perRequest)
	b.ReportMetric(float64(decoded)/events, "decode-ns/event")
	b.ReportMetric(float64(stored)/events, "store-ns/event")
	b.ReportMetric(float64(folded)/events, "fold-ns/event")
	b.ReportMetric(float64(decoded+stored+folded)/events, "cpu-ns/event")
}
