package simulate

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"tidemark/metrics"
)

// event begins an event that p's service reports about now.
func (p *place) event(kind metrics.Kind) *metrics.Event {
	f, t := p.f, p.f.sim.now
	e := &metrics.Event{
		EventID: uuidV7(f.r, f.sim.start+t), Kind: kind, Feature: f.Name, Service: p.Service,
		Region: p.Region, ClockID: p.clockID, OccurredAt: p.clock(t),
	}
	if p.Clock.Measured {
		half := int64(p.Clock.Error)
		e.HasOffset, e.ClockError = true, half
		e.ClockOffset = f.sim.start + t - e.OccurredAt
		if half > 0 {
			e.ClockOffset += f.r.Int64N(2*half+1) - half
		}
	}
	return e
}

// stage begins an event about a stage of w at p.
func (p *place) stage(kind metrics.Kind, w *write, attempt int32) *metrics.Event {
	e := p.event(kind)
	e.WriteID, e.Key, e.Entity = w.id, w.keyName, p.f.Entity
	e.Version, e.TraceID, e.SpanID = w.version, w.trace, spanID(p.f.r)
	e.Labels, e.Mechanism, e.Attempt = w.labels, p.f.Mechanism, attempt
	e.Model, e.Variant = w.arm.Model, w.arm.Variant
	if !p.hidden {
		e.Replica = p.Name
	}
	return e
}

// report hands an event to p's reporter, which sends it after a while, perhaps
// twice, perhaps never; while p is silent, not before that is over.
func (p *place) report(e *metrics.Event) {
	f := p.f
	if f.chance(f.Telemetry.Loss) {
		return
	}
	at := f.sim.now
	if until, silent := p.fault(Silent, at); silent {
		if until == never {
			return
		}
		at = until
	}
	f.sim.reports.push(at+max(draw(f.Telemetry.Delay, f.r), 0), e)
	if f.chance(f.Telemetry.Duplicate) {
		again := *e
		f.sim.reports.push(at+max(draw(f.Telemetry.Delay, f.r), 0)+int64(time.Second), &again)
	}
}

// uuidV7 is an RFC 9562 version 7 UUID for a time in Unix ns.
func uuidV7(r *rand.Rand, ns int64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(ns/1e6)<<16|r.Uint64()&0xffff)
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

func hex64(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return hex.EncodeToString(b[:])
}

func spanID(r *rand.Rand) string { return hex64(r.Uint64() | 1) }

func traceID(r *rand.Rand) string { return hex64(r.Uint64()) + hex64(r.Uint64()|1) }
