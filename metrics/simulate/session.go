package simulate

import (
	"hash/fnv"
	"slices"
	"strconv"

	"tidemark/metrics"
)

// maxDeps is how many writes a session remembers as causes of its next one.
const maxDeps = 4

// session is one user's sequence of reads and writes, one at a time.
type session struct {
	f      *feature
	id     string
	user   string
	labels []string
	seq    int64
	left   int
	own    int32 // the user's own key
	front  *place
	arm    *Arm   // nil before the first answer of Scenario.Ask
	got    Answer // the last one
	told   told
	sticky *place
	wrote  map[int32]stamp
	read   map[int32]stamp
	deps   []*write
}

func (f *feature) newSession() *session {
	user := f.r.IntN(f.Sessions.Users)
	s := &session{
		f: f, id: "s-" + hex64(f.r.Uint64()), user: "user-" + strconv.Itoa(user+1),
		left: 1 + int(f.r.ExpFloat64()*float64(f.Sessions.Ops-1)+0.5), own: int32(user % f.Keys),
		front: f.origins[f.r.IntN(len(f.origins))], wrote: map[int32]stamp{}, read: map[int32]stamp{},
	}
	s.labels = slices.Clone(f.Labels)
	if n := len(f.Tenants); n > 0 {
		s.labels = append(s.labels, "tenant:"+f.Tenants[user%n])
	}
	if f.Flag != "" {
		s.told = told{flag: f.Flag, unit: s.user}
	}
	if f.ask == nil || f.Flag == "" {
		s.arm = f.armOf(s.user)
	}
	return s
}

// armOf assigns a user to an arm, always the same one.
func (f *feature) armOf(user string) *Arm {
	h := fnv.New64a()
	_, _ = h.Write([]byte(f.Name + "/" + user)) // a hash never fails to write
	var sum float64
	for i := range f.arms {
		sum += f.arms[i].Share
	}
	x := h.Sum64()
	x ^= x >> 33 // FNV mixes its high bits poorly on short input
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	u := float64(x>>11) / (1 << 53) * sum
	for i := range f.arms {
		if u -= f.arms[i].Share; u < 0 {
			return &f.arms[i]
		}
	}
	return &f.arms[len(f.arms)-1]
}

// next does the session's next operation after it has thought.
func (s *session) next() {
	if s.left <= 0 {
		return
	}
	s.left--
	s.f.sim.after(draw(s.f.Sessions.Think, s.f.r), func() {
		if s.f.sim.now >= s.f.sim.end {
			return
		}
		s.ask()
		key := s.pickKey()
		if s.f.chance(s.f.Sessions.Writes) {
			s.write(key)
		} else {
			s.look(key)
		}
	})
}

// pickKey is mostly the user's own key, where users have one.
func (s *session) pickKey() int32 {
	if s.f.Sessions.OwnKey && s.f.r.Float64() < 0.9 {
		return s.own
	}
	return s.f.pickKey()
}

func (s *session) write(key int32) {
	f := s.f
	o := s.front
	if !o.alive(f.sim.now) {
		i := slices.IndexFunc(f.origins, func(p *place) bool { return p.alive(f.sim.now) })
		if i < 0 {
			s.next()
			return
		}
		o = f.origins[i]
	}
	s.seq++
	by := author{
		session: s, actor: s.user, labels: s.labels, arm: s.arm,
		context: join(s.wrote[key], s.read[key]), deps: slices.Clone(s.deps),
	}
	var w *write
	w = f.write(o, key, by, func() {
		s.wrote[key] = join(s.wrote[key], w.stamp)
		s.depend(w)
		if !f.chance(f.Sessions.ReadBack) {
			s.next()
			return
		}
		f.sim.after(draw(f.Sessions.BackAfter, f.r), func() {
			s.ask()
			s.look(key)
		})
	})
}

func (s *session) depend(w *write) {
	if w == nil || slices.Contains(s.deps, w) {
		return
	}
	if len(s.deps) == maxDeps {
		s.deps = s.deps[1:]
	}
	s.deps = append(slices.Clip(s.deps), w)
}

// answer is what a read finds.
type answer struct {
	at    *place
	stamp stamp
	head  *write
}

func (p *place) answer(key int32) answer {
	a := answer{at: p}
	if c := p.cells[key]; c != nil {
		a.stamp = c.stamp
		if n := len(c.heads); n > 0 {
			a.head = c.heads[n-1]
		}
	}
	return a
}

// look reads a key as the session's model demands.
func (s *session) look(key int32) {
	s.seq++
	if s.f.Sessions.Roam {
		s.front = s.f.origins[s.f.r.IntN(len(s.f.origins))]
	}
	e := s.front.event(metrics.KindRead)
	e.SessionSeq = s.seq
	if s.f.ReadQuorum > 0 {
		s.lookQuorum(key, e)
		return
	}
	p := s.pickReplica()
	if p == nil {
		s.next()
		return
	}
	f := s.f
	f.sim.after(p.leg(p.Legs.R, s.front), func() {
		a := p.answer(key)
		if p == s.front || !s.front.alive(f.sim.now) || s.content(key, a) {
			f.sim.after(p.leg(p.Legs.S, s.front), func() { s.done(key, e, a) })
			return
		}
		// Not fresh enough for the session's model: the origin answers instead.
		f.sim.after(p.leg(p.Legs.S, s.front), func() { s.done(key, e, s.front.answer(key)) })
	})
}

// pickReplica is where the session's model reads; nil when nothing is alive.
func (s *session) pickReplica() *place {
	f, now := s.f, s.f.sim.now
	if s.arm.Model == Strong && s.front.alive(now) {
		return s.front
	}
	if s.sticky != nil && s.sticky.alive(now) {
		return s.sticky
	}
	var alive []*place
	for _, p := range f.readable {
		if p.alive(now) {
			alive = append(alive, p)
		}
	}
	if len(alive) == 0 {
		return nil
	}
	p := alive[f.r.IntN(len(alive))]
	if s.arm.Model == MonotonicRead || s.arm.Model == Causal {
		s.sticky = p
	}
	return p
}

// content says whether an answer satisfies the session's model.
func (s *session) content(key int32, a answer) bool {
	switch s.arm.Model {
	case ReadYourWrite:
		return a.stamp.dominates(s.wrote[key])
	case Causal:
		return a.stamp.dominates(join(s.wrote[key], s.read[key]))
	case Bounded:
		return !s.staleFor(key, a)
	}
	return true
}

// staleFor says whether the origin holds a newer version, committed longer ago
// than the arm's bound.
func (s *session) staleFor(key int32, a answer) bool {
	o := s.front.answer(key)
	if a.stamp.dominates(o.stamp) {
		return false
	}
	return o.head != nil && s.f.sim.now-o.head.committed > int64(s.arm.Bound)
}

// lookQuorum asks every replica and takes the newest of the first R responses.
func (s *session) lookQuorum(key int32, e *metrics.Event) {
	f := s.f
	need := f.ReadQuorum
	if s.arm.Model == Strong {
		need = max(len(f.replicas)-f.WriteQuorum+1, need)
	}
	var got int
	var best answer
	front := s.front
	asked := 0
	for _, p := range f.replicas {
		if !p.alive(f.sim.now) {
			continue
		}
		asked++
		f.sim.after(p.leg(p.Legs.R, front), func() {
			a := p.answer(key)
			f.sim.after(p.leg(p.Legs.S, front), func() {
				got++
				if got == 1 || !best.stamp.dominates(a.stamp) {
					best = answer{at: a.at, stamp: join(best.stamp, a.stamp), head: a.head}
				}
				if got == need {
					s.done(key, e, best)
				}
			})
		})
	}
	if asked < need {
		s.next()
	}
}

// done ends a read: it reports what came back, and the session goes on.
func (s *session) done(key int32, e *metrics.Event, a answer) {
	f := s.f
	s.read[key] = join(s.read[key], a.stamp)
	s.depend(a.head)
	e.Key, e.Entity, e.Replica, e.Region = f.keyName(key), f.Entity, a.at.Name, a.at.Region
	e.SessionID, e.Actor, e.Model, e.Variant = s.id, s.user, s.arm.Model, s.arm.Variant
	e.Mechanism, e.TraceID, e.SpanID = f.Mechanism, traceID(f.r), spanID(f.r)
	s.told.stamp(e)
	if !f.chance(f.Sessions.Unversioned) {
		e.Version = f.version(a.stamp)
	}
	s.front.report(e)
	s.next()
}
