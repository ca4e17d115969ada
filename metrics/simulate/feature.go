package simulate

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"tidemark/metrics"
)

// feature is the running state of one Feature.
type feature struct {
	Feature
	sim      *Simulation
	r        *rand.Rand
	zipf     *rand.Zipf
	places   []*place // replicas first, then origins that are no replica
	replicas []*place
	origins  []*place
	readable []*place
	nodes    []string // origin names in the order of a version vector's text
	expect   []string
	arms     []Arm
	ask      Ask
	others   map[string]*Arm // those of variants without an arm, by variant and model
	seqs     map[int32]uint64
	disputes disputes
	merging  map[int32]*write // the latest merge of a key
}

func newFeature(s *Simulation, cfg *Feature, seed uint64, ask Ask) *feature {
	f := &feature{
		Feature: *cfg, sim: s, r: source(seed, cfg.Name), arms: cfg.Arms, ask: ask, others: map[string]*Arm{},
		seqs: map[int32]uint64{}, merging: map[int32]*write{},
	}
	if cfg.Skew > 1 {
		f.zipf = rand.NewZipf(f.r, cfg.Skew, 4, uint64(cfg.Keys-1))
	}
	if len(f.arms) == 0 {
		f.arms = []Arm{{Model: Eventual, Share: 1}}
	}
	for i := range f.Replicas {
		p := newPlace(f, f.Replicas[i])
		f.replicas = append(f.replicas, p)
		f.expect = append(f.expect, p.Name)
		if !p.Unread {
			f.readable = append(f.readable, p)
		}
	}
	f.places = slices.Clone(f.replicas)
	f.addOrigins()
	return f
}

// addOrigins makes the origins; their index in f.origins is also their node in
// version vectors, and the nodes are sorted by name as canonical text wants it.
func (f *feature) addOrigins() {
	origins := slices.Clone(f.Origins)
	slices.SortFunc(origins, func(a, b Origin) int { return cmpString(a.Name, b.Name) })
	for i, o := range origins {
		p := f.placeNamed(o.Name)
		if p == nil {
			p = newPlace(f, Replica{Name: o.Name, Service: o.Service, Region: o.Region, Clock: o.Clock})
			p.hidden = true
			f.places = append(f.places, p)
			p.bit = uint64(1) << (len(f.places) - 1)
		}
		p.origin, p.node = true, uint8(i)
		f.origins = append(f.origins, p)
		f.nodes = append(f.nodes, o.Name)
	}
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (f *feature) placeNamed(name string) *place {
	for _, p := range f.places {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// begin starts the sessions and the heartbeats.
func (f *feature) begin() {
	for range f.underWay() {
		f.newSession().next()
	}
	f.nextSession()
	if f.Telemetry.Heartbeat <= 0 {
		return
	}
	for _, p := range f.places {
		f.sim.at(int64(f.r.Float64()*float64(f.Telemetry.Heartbeat)), p.beat)
	}
}

// underWay is how many sessions are already in their midst when a run begins, so
// that traffic is at its level from the first second. What is left of such a
// session is distributed as a whole one, because its length is memoryless.
func (f *feature) underWay() int {
	const draws = 200
	var think int64
	for range draws {
		think += draw(f.Sessions.Think, f.r)
	}
	life := float64(think) / draws / 1e9 * float64(f.Sessions.Ops)
	rate, _ := f.arrivals()
	return int(rate*life + 0.5)
}

// arrivals is how many sessions begin a second, and until when.
func (f *feature) arrivals() (rate float64, until int64) {
	if q := f.Sessions.Quiet; f.sim.now < int64(q.Until) {
		return f.Sessions.PerSecond * q.Share, int64(q.Until)
	}
	return f.Sessions.PerSecond, never
}

func (f *feature) nextSession() {
	rate, until := f.arrivals()
	gap := int64(f.r.ExpFloat64() / rate * 1e9)
	if f.sim.now+gap >= until {
		f.sim.at(until, f.nextSession) // What is left of a wait does not depend on how long it was.
		return
	}
	f.sim.after(gap, func() {
		if f.sim.now < f.sim.end {
			f.newSession().next()
			f.nextSession()
		}
	})
}

// pickKey draws a key by popularity.
func (f *feature) pickKey() int32 {
	if f.zipf != nil {
		return int32(f.zipf.Uint64())
	}
	return int32(f.r.IntN(f.Keys))
}

func (f *feature) keyName(k int32) string {
	return f.Entity + ":" + strconv.Itoa(int(k)+1)
}

// chance is true with probability p.
func (f *feature) chance(p float64) bool { return p > 0 && f.r.Float64() < p }

// stamp orders the writes of one key: as a vector of counters, one an origin,
// which is the truth about what happened before what; and as the hybrid logical
// clock or sequence number that the feature may show instead.
type stamp struct {
	vec     [maxOrigins]uint32
	wall    int64 // HLC, ms
	logical uint32
	node    uint8
	seq     uint64
}

func (s stamp) dominates(o stamp) bool {
	for i, n := range o.vec {
		if s.vec[i] < n {
			return false
		}
	}
	return true
}

func (s stamp) laterHLC(o stamp) bool {
	if s.wall != o.wall {
		return s.wall > o.wall
	}
	if s.logical != o.logical {
		return s.logical > o.logical
	}
	return s.node > o.node
}

func join(a, b stamp) stamp {
	for i, n := range b.vec {
		a.vec[i] = max(a.vec[i], n)
	}
	a.seq = max(a.seq, b.seq)
	if b.laterHLC(a) {
		a.wall, a.logical, a.node = b.wall, b.logical, b.node
	}
	return a
}

// version is the stamp as the feature's events show it. The version of a key that
// was never written is before every other: seq 0, hlc 0.0 or the empty vector.
func (f *feature) version(s stamp) metrics.Version {
	switch f.Versions {
	case metrics.VersionSeq:
		return metrics.SeqVersion(s.seq)
	case metrics.VersionHLC:
		text := strconv.FormatInt(s.wall, 10) + "." + strconv.FormatUint(uint64(s.logical), 10)
		if s.wall > 0 {
			text += "." + f.nodes[s.node]
		}
		return metrics.Version{Kind: metrics.VersionHLC, Text: text}
	}
	var b []byte
	for i, name := range f.nodes {
		if n := s.vec[i]; n > 0 {
			if len(b) > 0 {
				b = append(b, ',')
			}
			b = append(append(b, name...), '=')
			b = strconv.AppendUint(b, uint64(n), 10)
		}
	}
	return metrics.Version{Kind: metrics.VersionVV, Text: string(b)}
}
