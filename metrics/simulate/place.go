package simulate

import (
	"time"

	"tidemark/metrics"
)

// place is a replica, an origin, or both.
type place struct {
	Replica
	f        *feature
	bit      uint64
	hidden   bool // an origin that is no replica: it does not report as one
	origin   bool
	node     uint8
	clockID  string
	faults   []Fault
	cells    map[int32]*cell
	busy     [maxOrigins]int64 // per origin: until when its backlog is caught up
	issued   map[int32]uint32  // writes begun here, by key
	poisoned int64             // end of the Stuck fault whose first write is being tried
	wall     int64             // its hybrid logical clock
	logical  uint32
}

// cell is what a place holds of one key.
type cell struct {
	stamp   stamp
	heads   []*write // newest writes that nothing here has superseded; more than one = conflict
	arrival int64    // of the last write, for KeyOrder
}

func newPlace(f *feature, cfg Replica) *place {
	p := &place{Replica: cfg, f: f, cells: map[int32]*cell{}, issued: map[int32]uint32{}, bit: uint64(1) << len(f.replicas)}
	p.CatchUp = cfg.catchUp()
	p.clockID = cfg.Service + "@" + cfg.Name
	for _, x := range f.Faults {
		if x.Place == cfg.Name || x.Place == "" || x.Kind == Partition {
			p.faults = append(p.faults, x)
		}
	}
	return p
}

func (p *place) cell(k int32) *cell {
	c := p.cells[k]
	if c == nil {
		c = &cell{}
		p.cells[k] = c
	}
	return c
}

func (p *place) fault(kind FaultKind, t int64) (until int64, ok bool) {
	for i := range p.faults {
		x := &p.faults[i]
		if x.Kind == kind && (kind == Partition || x.Place == p.Name || x.Place == "") {
			if end, on := x.active(t); on {
				until, ok = max(until, end), true
			}
		}
	}
	return until, ok
}

// cut says until when a partition lies between two places.
func (p *place) cut(from *place, t int64) (until int64, ok bool) {
	if p.Region == from.Region {
		return 0, false
	}
	for i := range p.faults {
		x := &p.faults[i]
		if x.Kind == Partition && (x.Place == p.Region || x.Place == from.Region) {
			if end, on := x.active(t); on {
				until, ok = max(until, end), true
			}
		}
	}
	return until, ok
}

// slow is the factor of the W leg to p at t.
func (p *place) slow(t int64) float64 {
	factor := 1.0
	for i := range p.faults {
		if x := &p.faults[i]; x.Kind == Slow {
			if _, on := x.active(t); on {
				factor *= x.Factor
			}
		}
	}
	return factor
}

func (p *place) alive(t int64) bool {
	_, down := p.fault(Down, t)
	return !down
}

// clock is what p's clock shows at t ns after the start, in Unix ns.
func (p *place) clock(t int64) int64 {
	return p.f.sim.start + t + int64(p.Clock.Skew) + int64(p.Clock.Drift*float64(t))
}

// tick is the next value of p's hybrid logical clock, after everything in seen.
func (p *place) tick(seen stamp) (wall int64, logical uint32) {
	now := p.clock(p.f.sim.now) / int64(time.Millisecond)
	if seen.wall > p.wall || seen.wall == p.wall && seen.logical > p.logical {
		p.wall, p.logical = seen.wall, seen.logical
	}
	if now > p.wall {
		p.wall, p.logical = now, 0
	} else {
		p.logical++
	}
	return p.wall, p.logical
}

// beat sends heartbeats for as long as users act.
func (p *place) beat() {
	s := p.f.sim
	if s.now >= s.end {
		return
	}
	if p.alive(s.now) {
		e := p.event(metrics.KindHeartbeat)
		if !p.hidden {
			e.Replica = p.Name
		}
		p.report(e)
	}
	s.after(int64(p.f.Telemetry.Heartbeat), p.beat)
}

// leg is a one-way message between p and another place of the feature.
func (p *place) leg(d Dist, other *place) int64 {
	t := draw(d, p.f.r)
	if p.Region != other.Region {
		t += draw(p.f.Cross, p.f.r)
	}
	return t
}

// catchUp is CatchUp with its default.
func (r *Replica) catchUp() float64 {
	if r.CatchUp > 0 {
		return r.CatchUp
	}
	return 200
}
