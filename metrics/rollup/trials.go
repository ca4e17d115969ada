package rollup

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// trialsBlob names the definitions and counts of the trials in a checkpoint; their
// units are rows.
const trialsBlob = "trials"

type storedTrial struct {
	Trial  metrics.Trial `json:"trial"`
	Counts trialCounts   `json:"counts"`
}

// SetTrials implements metrics.Trials. Writes in memory that belong to a trial whose
// steps change are counted again.
func (e *Engine) SetTrials(_ context.Context, trials []metrics.Trial) error {
	next := map[string]metrics.Trial{}
	for _, t := range trials {
		if err := t.Check(); err != nil {
			return err
		}
		if o, ok := next[t.Flag]; ok {
			return fmt.Errorf("%w %q: trial %q has the flag %q already", metrics.ErrTrial, t.ID, o.ID, t.Flag)
		}
		next[t.Flag] = t
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for flag, old := range e.trials {
		if n, ok := next[flag]; !ok || n.ID != old.def.ID {
			e.dropTrial(old)
		}
	}
	for flag, def := range next {
		if t := e.trials[flag]; t == nil {
			e.trials[flag] = e.newTrial(def)
		} else {
			e.redefine(t, def)
		}
	}
	e.settleNow()
	return nil
}

func (e *Engine) newTrial(def metrics.Trial) *trial {
	t := &trial{units: map[string]*unit{}, steps: map[int]map[*unit]*unitCell{}}
	e.define(t, def)
	return t
}

func (e *Engine) define(t *trial, def metrics.Trial) {
	def.Steps = slices.Clone(def.Steps)
	t.def, t.horizon = def, def.Deadline
	if t.horizon == 0 {
		t.horizon = defaultHorizon
	}
	t.candidate, t.control = e.names.id(def.Candidate), e.names.id(def.Control)
}

// redefine changes a trial that is followed. Only what began in a changed step can
// count differently, and all of that is in memory.
func (e *Engine) redefine(t *trial, def metrics.Trial) {
	if slices.Equal(t.def.Steps, def.Steps) && t.def.Deadline == def.Deadline {
		return
	}
	e.touchTrial(t)
	e.trialUnits.add(t.def.Feature, -len(t.units))
	e.trialUnits.add(def.Feature, len(t.units))
	e.define(t, def)
}

func (e *Engine) touchTrial(t *trial) {
	for w := range e.writes.all() {
		for ; w != nil; w = w.next {
			if w.trial != nil && w.trial.t == t {
				e.touchWrite(w)
			}
		}
	}
	touch := func(r *read) {
		if r.trial != nil && r.trial.t == t {
			e.touchRead(r)
		}
	}
	for _, r := range e.reads {
		touch(r)
	}
	for s := range e.sessions.all() {
		for ; s != nil; s = s.next {
			for o := range s.all {
				if o.r != nil {
					touch(o.r)
				}
			}
		}
	}
}

func (e *Engine) dropTrial(t *trial) {
	e.touchTrial(t)
	for _, w := range e.dirtyWrites {
		if w.trial != nil && w.trial.t == t {
			w.trial, w.young = nil, false
		}
	}
	for _, r := range e.dirtyReads {
		if r.trial != nil && r.trial.t == t {
			r.trial = nil
		}
	}
	e.trialUnits.add(t.def.Feature, -len(t.units))
	e.trialsGone = append(e.trialsGone, t.def.ID)
	delete(e.trials, t.def.Flag)
}

// cutTrials puts what changed into a checkpoint.
func (e *Engine) cutTrials(cp *metrics.Checkpoint) {
	if len(e.trials) == 0 && len(e.trialsGone) == 0 {
		return
	}
	cp.TrialsGone, e.trialsGone = e.trialsGone, nil
	var stored []storedTrial
	for _, flag := range slices.Sorted(maps.Keys(e.trials)) {
		t := e.trials[flag]
		stored = append(stored, storedTrial{t.def, t.counts})
		for _, c := range t.dirty {
			c.dirty = false
			cp.TrialUnits = append(cp.TrialUnits, metrics.TrialUnit{
				Trial: t.def.ID, Step: c.step, Unit: c.unit.name, Data: c.encode(),
			})
		}
		t.dirty = t.dirty[:0]
	}
	b, err := json.Marshal(stored)
	if err != nil {
		e.note(fmt.Errorf("encode trials: %w", err))
		return
	}
	cp.Blobs[trialsBlob] = b
}

// loadTrials reads what cutTrials wrote.
func (e *Engine) loadTrials(ctx context.Context) error {
	stored, err := readTrials(e.store.Blob(ctx, trialsBlob))
	if err != nil {
		return err
	}
	for _, s := range stored {
		t := e.newTrial(s.Trial)
		t.counts = s.Counts
		e.trials[s.Trial.Flag] = t
		if err := e.store.TrialUnits(ctx, s.Trial.ID, func(u metrics.TrialUnit) error { return e.loadUnit(t, u) }); err != nil {
			return fmt.Errorf("load units of trial %q: %w", s.Trial.ID, err)
		}
	}
	return nil
}

// loadUnit takes in what is stored, so that what was counted goes on.
func (e *Engine) loadUnit(t *trial, row metrics.TrialUnit) error {
	u, ok := t.units[row.Unit]
	if !ok {
		u = t.follow(e, row.Unit)
	}
	c := t.cell(u, row.Step, armRest)
	return c.decode(row.Data)
}

// fields are what is stored of a cell, in order.
func (c *unitCell) fields() [12]*int64 {
	return [...]*int64{
		&c.writes, &c.visible, &c.onTime, &c.reads, &c.lag, &c.conflicts, &c.violations,
		&c.checks, &c.errors, &c.replays, &c.samples[0].at, &c.samples[0].lag,
	}
}

func (c *unitCell) encode() []byte {
	b := []byte{byte(c.arm)}
	for _, f := range c.fields() {
		b = binary.AppendVarint(b, *f)
	}
	for i, s := range c.samples[:c.nSamples] {
		b = binary.LittleEndian.AppendUint64(b, s.hash)
		if i > 0 { // The first one's are among the fields.
			b = binary.LittleEndian.AppendUint64(b, uint64(s.at))
			b = binary.LittleEndian.AppendUint64(b, uint64(s.lag))
		}
	}
	return b
}

func (c *unitCell) decode(b []byte) error {
	damaged := fmt.Errorf("%w: unit %q of a trial", metrics.ErrDamaged, c.unit.name)
	if len(b) == 0 || arm(b[0]) > armControl {
		return damaged
	}
	c.arm, b = arm(b[0]), b[1:]
	for _, f := range c.fields() {
		v, n := binary.Varint(b)
		if n <= 0 {
			return damaged
		}
		*f, b = v, b[n:]
	}
	const first, more = 8, 24
	if len(b) == 0 {
		return nil
	}
	if len(b) < first || (len(b)-first)%more != 0 || (len(b)-first)/more >= maxSamples {
		return damaged
	}
	c.samples[0].hash, c.nSamples = binary.LittleEndian.Uint64(b), 1
	for b = b[first:]; len(b) > 0; b = b[more:] {
		c.samples[c.nSamples] = lagSample{
			binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:])),
		}
		c.nSamples++
	}
	return nil
}

// Evidence implements metrics.Trials.
func (e *Engine) Evidence(_ context.Context, id string) (metrics.TrialEvidence, bool, error) {
	e.mu.Lock() // Writes that have passed the horizon are let go.
	defer e.mu.Unlock()
	for _, t := range e.trials {
		if t.def.ID == id {
			return e.evidence(t), true, nil
		}
	}
	return metrics.TrialEvidence{}, false, nil
}

func (e *Engine) evidence(t *trial) metrics.TrialEvidence {
	now := e.opts.Now().UnixNano()
	out := metrics.TrialEvidence{
		Trial: t.def.ID, LastEvent: t.counts.LastEvent, Writes: t.counts.Writes, NoUnit: t.counts.NoUnit,
		OtherVariant: t.counts.OtherVariant, Overflow: t.counts.Overflow, Silent: e.silentReplicas(t.def.Feature, now),
	}
	young := t.stillYoung(now)
	for _, step := range slices.Sorted(maps.Keys(t.steps)) {
		s := metrics.StepEvidence{Index: step}
		candidate, control := newArm(t), newArm(t)
		for _, c := range t.steps[step] {
			switch c.arm {
			case armCandidate:
				candidate.add(c, young[c], now)
			case armControl:
				control.add(c, young[c], now)
			}
		}
		s.Candidate, s.Control = candidate.sum(), control.sum()
		if s.Candidate.Units+s.Control.Units > 0 {
			out.Steps = append(out.Steps, s)
		}
	}
	return out
}

// undecided is what of a cell is too young to be judged.
type undecided struct{ writes, visible, onTime int64 }

// stillYoung lets go of writes that have passed the horizon, and sums up the others
// by cell: however fast they were, they do not count yet.
func (t *trial) stillYoung(now int64) map[*unitCell]undecided {
	out := map[*unitCell]undecided{}
	kept := t.young[:0]
	for _, y := range t.young {
		if y.w.trial != nil && y.w.trial.t != t { // its origin named another flag since
			continue
		}
		if y.at+t.horizon <= now || y.w.trial == nil || y.w.trial.unit == nil {
			y.w.young = false
			continue
		}
		kept = append(kept, y)
		t0, _ := y.w.begun()
		c, _ := t.cellAt(y.w.trial.unit, t0, y.w.variant)
		if c == nil || !y.w.counted {
			continue
		}
		u := out[c]
		u.writes++
		if lag := y.w.lagEverywhere(t0); lag >= 0 {
			u.visible++
			if lag <= t.horizon {
				u.onTime++
			}
		}
		out[c] = u
	}
	clear(t.young[len(kept):])
	t.young = kept
	return out
}

// armSum adds up the units of one arm in one step.
type armSum struct {
	t       *trial
	out     metrics.ArmEvidence
	samples map[int32]int64
	never   int64 // samples that are not visible past the horizon
}

func newArm(t *trial) *armSum { return &armSum{t: t, samples: map[int32]int64{}} }

func (a *armSum) add(c *unitCell, young undecided, now int64) {
	if c.writes+c.reads+c.conflicts+c.checks == 0 {
		return
	}
	o := &a.out
	o.Units++
	o.Writes += c.writes
	if c.visible > 0 {
		observe(&o.Lag, float64(c.lag)/float64(c.visible)/1e9)
	}
	if old := c.writes - young.writes; old > 0 {
		observe(&o.Converged, float64(c.visible-young.visible)/float64(old))
		if a.t.def.Deadline > 0 {
			observe(&o.Late, 1-float64(c.onTime-young.onTime)/float64(old))
		}
	}
	rare(&o.Conflicts, c.conflicts, c.writes)
	rare(&o.Violations, c.violations, c.checks)
	rare(&o.Errors, c.errors, c.writes)
	rare(&o.Replays, c.replays, c.writes)
	switch s := c.samples[0]; {
	case c.nSamples == 0:
	case s.lag >= 0:
		a.samples[sketch.Bucket(max(s.lag, 1))]++
	case s.at+a.t.horizon <= now:
		a.never++
	}
}

func observe(m *metrics.Moments, x float64) {
	m.Units++
	m.Sum += x
	m.SumSq += x * x
}

func rare(r *metrics.Rare, events, eligible int64) {
	r.Events += events
	r.Eligible += eligible
	if events > 0 {
		r.Units++
	}
}

func (a *armSum) sum() metrics.ArmEvidence {
	for _, b := range slices.SortedFunc(maps.Keys(a.samples), cmp.Compare[int32]) {
		a.out.LagSample = append(a.out.LagSample, metrics.LagBucket{
			Lower: int64(sketch.Upper(b - 1)), Upper: int64(sketch.Upper(b)), Count: a.samples[b],
		})
	}
	if a.never > 0 {
		a.out.LagSample = append(a.out.LagSample, metrics.LagBucket{Lower: a.t.horizon, Upper: math.MaxInt64, Count: a.never})
	}
	return a.out
}

// silentReplicas lists the expected replicas that were not heard of lately.
func (e *Engine) silentReplicas(name string, now int64) []string {
	f := e.features[name]
	if f == nil {
		return nil
	}
	cfg := f.configAt(now)
	if cfg == nil {
		return nil
	}
	last := map[uint32]int64{}
	for k, h := range e.heard {
		if k.f == f {
			last[k.replica] = max(last[k.replica], h.last)
		}
	}
	var out []string
	for _, r := range cfg.src.Replicas {
		grace := r.Silence
		if grace <= 0 {
			grace = metrics.DefaultSilence
		}
		if now-last[e.names.id(r.Name)] > int64(grace) {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return out
}
