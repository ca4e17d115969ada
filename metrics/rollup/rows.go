package rollup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"tidemark/metrics"
)

type exemplarKey struct {
	f       *feature
	replica int32 // −1 = all
	start   int64
	octave  int32
}

type exemplar struct {
	lag     int64
	id, key string
}

// octave is floor(log2(lag)); −1 for what is not above 0.
func octave(lag int64) int32 {
	if lag <= 0 {
		return -1
	}
	return int32(bits.Len64(uint64(lag))) - 1
}

// noteExemplars lets a write stand for the heatmap cells that it falls in. The
// first of a cell in each checkpoint stays: any write of the cell would do.
func (e *Engine) noteExemplars(w *write) {
	t0, ok := w.begun()
	if !ok {
		return
	}
	start := metrics.Level1m.Start(t0)
	last := int64(minTime)
	for _, r := range w.expected() {
		p := w.peek(r)
		if p == nil || p.sat == noTime {
			last = noTime
			break
		}
		last = max(last, p.sat)
	}
	if last != noTime && last != minTime {
		e.noteExemplar(w, -1, start, last-t0)
	}
	for i := range w.reps {
		if p := &w.reps[i]; p.sat != noTime {
			e.noteExemplar(w, int32(p.replica), start, p.sat-t0)
		}
	}
}

func (e *Engine) noteExemplar(w *write, replica int32, start, lag int64) {
	k := exemplarKey{f: w.f, replica: replica, start: start, octave: octave(lag)}
	if _, ok := e.exemplars[k]; ok {
		return
	}
	x := exemplar{lag: lag, id: w.id}
	if w.key != nil {
		x.key = w.key.key
	}
	e.exemplars[k] = x
}

type heardKey struct {
	f                        *feature
	service, replica, region uint32
}

// lastHeard is a source that was heard of lately.
type lastHeard struct {
	k heardKey
	h *heard
}

type heard struct {
	first, last, events int64
	fresh               bool // since the last checkpoint
}

// hear notes that a source is alive.
func (e *Engine) hear(ev *metrics.Event) {
	n := &e.names
	k := heardKey{e.feature(ev.Feature), n.id(ev.Service), n.id(ev.Replica), n.id(ev.Region)}
	last := &e.heardLast[(k.service*31+k.replica*7+k.region)%uint32(len(e.heardLast))]
	if last.h == nil || last.k != k {
		last.k, last.h = k, e.source(k, ev.ObservedAt)
	}
	h := last.h
	h.first, h.last = min(h.first, ev.ObservedAt), max(h.last, ev.ObservedAt)
	h.events++
	h.fresh = true
}

// maxSources bounds the sources that are told apart of one feature, which are as many as
// services times replicas times regions. Of further ones the replica alone is heard.
const maxSources = 2_000

func (e *Engine) source(k heardKey, observed int64) *heard {
	h, ok := e.heard[k]
	if !ok && k.f.sources >= maxSources {
		k.service, k.region = 0, 0
		h, ok = e.heard[k]
	}
	if !ok {
		h = &heard{first: observed}
		e.heard[k] = h
		k.f.sources++
	}
	return h
}

func (e *Engine) heardRow(k heardKey, h *heard) metrics.Heard {
	t := e.names.text
	return metrics.Heard{
		Feature: k.f.name, Service: t[k.service], Replica: t[k.replica], Region: t[k.region],
		First: h.first, Last: h.last, Events: h.events,
	}
}

// cutRows moves the rows that changed into a checkpoint.
func (e *Engine) cutRows(cp *metrics.Checkpoint) {
	e.rowsOfAged(e.seen.replayFrom())
	for _, c := range e.conflict {
		cp.Conflicts = append(cp.Conflicts, c.row)
	}
	for _, v := range e.violations {
		cp.Violations = append(cp.Violations, v)
	}
	for id := range e.violationsGone {
		cp.ViolationsGone = append(cp.ViolationsGone, id)
	}
	for _, o := range e.spilledRows {
		cp.Spilled = append(cp.Spilled, o)
	}
	for id := range e.spilledGone {
		cp.SpilledGone = append(cp.SpilledGone, id)
	}
	for k, x := range e.exemplars {
		row := metrics.Exemplar{
			Feature: k.f.name, Start: k.start, Octave: k.octave, Lag: x.lag, WriteID: x.id, Key: x.key,
		}
		if k.replica >= 0 {
			row.Replica = k.f.repNames[k.replica]
		}
		cp.Exemplars = append(cp.Exemplars, row)
	}
	for k, h := range e.heard {
		if h.fresh {
			cp.Heard = append(cp.Heard, e.heardRow(k, h))
			h.fresh = false
		}
	}
	e.storing, e.conflict = e.conflict, map[string]*conflictState{}
	clear(e.violations)
	clear(e.violationsGone)
	clear(e.spilledRows)
	clear(e.spilledGone)
	e.puttingDown, e.putDown = e.putDown, putDown{}
	clear(e.exemplars)
}

// foldState is what the fold keeps beside cells and rows.
type foldState struct {
	// PutDown is, by feature, the latest time of anything folded: a restart puts it
	// all down, but for what it replays.
	PutDown map[string]int64 `json:"put_down"`
	// Reads lists the features that have reads.
	Reads []string `json:"reads"`
	// Uncounted is Stats.Unfolded: a restart does not count them either.
	Uncounted uint64 `json:"uncounted,omitempty"`
}

const stateBlob = "fold"

func (e *Engine) cutState(cp *metrics.Checkpoint) {
	st := foldState{PutDown: map[string]int64{}, Uncounted: e.stats.Unfolded}
	for name, f := range e.features {
		if f.latest != minTime {
			st.PutDown[name] = f.latest
		}
		if f.hasReads {
			st.Reads = append(st.Reads, name)
		}
	}
	slices.Sort(st.Reads)
	b, err := json.Marshal(st)
	if err != nil {
		e.note(fmt.Errorf("encode fold state: %w", err))
		return
	}
	cp.Blobs[stateBlob] = b
}

// loadState reads what cutState wrote, the sources that were heard, and the keys
// with open writes that were put down.
func (e *Engine) loadState(ctx context.Context) error {
	b, err := e.store.Blob(ctx, stateBlob)
	switch {
	case errors.Is(err, metrics.ErrNotFound):
	case err != nil:
		return fmt.Errorf("load fold state: %w", err)
	default:
		if err := e.applyState(b); err != nil {
			return err
		}
	}
	if err := e.loadTrials(ctx); err != nil {
		return err
	}
	rows, err := e.store.Heard(ctx)
	if err != nil {
		return fmt.Errorf("load sources heard: %w", err)
	}
	for _, h := range rows {
		n := &e.names
		k := heardKey{e.feature(h.Feature), n.id(h.Service), n.id(h.Replica), n.id(h.Region)}
		e.heard[k] = &heard{first: h.First, last: h.Last, events: h.Events}
		k.f.sources++
	}
	if err := e.store.SpilledKeys(ctx, func(key metrics.Entity) { e.openKeys.add(uint64(key)) }); err != nil {
		return fmt.Errorf("load keys of open writes: %w", err)
	}
	return nil
}

func (e *Engine) applyState(b []byte) error {
	var st foldState
	if err := json.Unmarshal(b, &st); err != nil {
		return fmt.Errorf("load fold state: %w: %w", metrics.ErrDamaged, err)
	}
	for name, t := range st.PutDown {
		f := e.feature(name)
		f.evictedMax, f.latest = t, t
	}
	for _, name := range st.Reads {
		e.feature(name).hasReads = true
	}
	e.stats.Unfolded = st.Uncounted
	return nil
}
