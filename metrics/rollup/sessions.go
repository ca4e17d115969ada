package rollup

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unsafe"

	"tidemark/metrics"
	"tidemark/metrics/session"
)

// read is one read: its staleness is counted alone, its guarantees by its session.
type read struct {
	node    node
	id      string // natural key: session and sequence, else feature and event id
	f       *feature
	key     *keyState
	version metrics.Version
	at      stamp
	event   string // tie-break between events with one natural key
	replica uint16
	hasRep  bool
	region  uint32
	model   uint32
	variant uint32
	session *sessionState
	seq     int64
	source  *write
	trial   *trialRef

	dirty, counted bool
	place          int32 // among its source's readers
	weight         int32 // see weigh
	// What was counted: kept, because what it was computed from may be put down.
	countedAs staleness
}

type staleness struct {
	known      bool
	versions   int64
	behind, at int64
	series     staleSeries
}

// sessionState is what one feature says of one session: its operations by sequence.
type sessionState struct {
	f              *feature
	node           node
	entity         metrics.Entity
	next           *sessionState
	id             string
	ops            []sessionOp   // in order
	more           [][]sessionOp // those that come after, of a long session; each has some
	verdicts       []counted
	whole          uint64 // the engine's holes when all keys of its unlinked reads were complete
	dirty, counted bool
	weight         int32 // see weigh

	few [2]sessionOp // where ops begin
}

type sessionOp struct {
	seq int64
	w   *write
	r   *read
}

// maxSessionOps bounds what is checked of one session; later operations of a
// longer one are unverifiable.
const maxSessionOps = 512

// Kinds of operations, in the order in which those of one sequence are placed.
const (
	kindWrite = iota
	kindRead
)

func (o sessionOp) kind() int {
	if o.w != nil {
		return kindWrite
	}
	return kindRead
}

func (o sessionOp) id() string {
	if o.w != nil {
		return o.w.id
	}
	return o.r.id
}

// maxRun bounds how many operations move for one that comes or goes.
const maxRun = 1024

// all iterates the operations in order.
func (s *sessionState) all(yield func(sessionOp) bool) {
	for _, o := range s.ops {
		if !yield(o) {
			return
		}
	}
	for _, run := range s.more {
		for _, o := range run {
			if !yield(o) {
				return
			}
		}
	}
}

// order compares an operation with one of that sequence, kind and id.
func (o sessionOp) order(seq int64, kind int, id string) int {
	return cmp.Or(cmp.Compare(o.seq, seq), cmp.Compare(o.kind(), kind), strings.Compare(o.id(), id))
}

// find returns where an operation is, or has to be: in which run, 0 being s.ops, and where
// there.
func (s *sessionState) find(seq int64, kind int, id string) (run, i int, ok bool) {
	if len(s.more) > 0 { // the last run that begins at or before it
		run = sort.Search(len(s.more), func(i int) bool { return s.more[i][0].order(seq, kind, id) > 0 })
	}
	ops := *s.run(run)
	i = sort.Search(len(ops), func(i int) bool { return ops[i].order(seq, kind, id) >= 0 })
	return run, i, i < len(ops) && ops[i].order(seq, kind, id) == 0
}

func (s *sessionState) run(i int) *[]sessionOp {
	if i == 0 {
		return &s.ops
	}
	return &s.more[i-1]
}

func (s *sessionState) add(o sessionOp) {
	at, i, found := s.find(o.seq, o.kind(), o.id())
	if found {
		return
	}
	run := s.run(at)
	*run = slices.Insert(*run, i, o)
	if n := len(*run); n > maxRun {
		rest := slices.Clone((*run)[n/2:])
		clear((*run)[n/2:])
		*run = (*run)[:n/2]
		s.more = slices.Insert(s.more, at, rest)
	}
}

// read returns the read with that sequence and natural key, or nil.
func (s *sessionState) read(seq int64, id string) *read {
	at, i, ok := s.find(seq, kindRead, id)
	if !ok {
		return nil
	}
	return (*s.run(at))[i].r
}

func (s *sessionState) drop(o sessionOp) {
	at, i, ok := s.find(o.seq, o.kind(), o.id())
	if !ok {
		return
	}
	run := s.run(at)
	*run = slices.Delete(*run, i, i+1)
	switch {
	case len(*run) > 0 || len(s.more) == 0:
	case at == 0:
		s.ops, s.more = s.more[0], s.more[1:]
	default:
		s.more = slices.Delete(s.more, at-1, at)
	}
}

// checked adapts a write to what the session checks ask of it. Replicas go by the
// number of their name.
type checked struct{ w *write }

// Replicas implements session.Write.
func (c checked) Replicas(yield func(replica uint32, applied int64)) {
	f := c.w.f
	for i := range c.w.reps {
		if at := c.w.reps[i].appliedAt(); at != noTime {
			yield(f.repIDs[c.w.reps[i].replica], at)
		}
	}
	for _, r := range c.w.expected() {
		if p := c.w.peek(r); p == nil || p.sat == noTime && p.appliedAt() == noTime {
			yield(f.repIDs[r], session.Unapplied)
		}
	}
}

// counted is a verdict that is in the series, and the violation noted with it.
type counted struct {
	series    *series
	start     int64
	violation string
	trial     *trial
	cell      *unitCell // of the unit that experienced it; nil when it is in no trial
}

// uncountSession takes away the verdicts that were counted of a session. They are
// kept rather than computed again, because states they came from may be gone.
func (e *Engine) uncountSession(s *sessionState) {
	for i := range s.verdicts {
		c := &s.verdicts[i]
		e.book.count(c.series, c.start, -1, 0)
		c.count(-1)
		if c.violation != "" {
			delete(e.violations, c.violation)
			e.violationsGone[c.violation] = struct{}{}
		}
	}
}

// judgeSession computes the verdicts on a session's operations.
func (e *Engine) judgeSession(s *sessionState) {
	ops, of := e.ops[:0], e.opsOf[:0]
	for o := range s.all {
		of = append(of, o)
		op := session.Op{Seq: o.seq}
		if len(of) > maxSessionOps {
			op.Seq = 0
		}
		switch {
		case o.w != nil:
			op.Write, op.Version = checked{o.w}, o.w.version
			if o.w.key != nil {
				op.Key = o.w.key.entity
			}
		default:
			op.Version = o.r.version
			if o.r.key != nil {
				op.Key = o.r.key.entity
			}
			if o.r.source != nil {
				op.Source = checked{o.r.source}
			}
		}
		ops = append(ops, op)
	}
	e.ops, e.opsOf = ops, of
	e.found = e.found[:0]
	e.check.Check(ops, func(f session.Finding) { e.finding(s, of[f.Op], f) })
	clear(of) // what is put down is not held by it
	s.verdicts = append(s.verdicts[:0], e.found...)
	e.weigh(&s.weight, s.bytes())
	clear(e.found)
}

// countSession counts what judgeSession found.
func (e *Engine) countSession(s *sessionState) {
	e.judgeSession(s)
	for i := range s.verdicts {
		e.book.count(s.verdicts[i].series, s.verdicts[i].start, +1, 0)
		s.verdicts[i].count(+1)
	}
}

type verdictKey struct {
	f              *feature
	guarantee      metrics.Metric
	verdict        session.Verdict
	replica        uint32 // name; 0 = none
	model, variant uint32
}

// finding keeps one verdict and notes a violation.
func (e *Engine) finding(s *sessionState, o sessionOp, fd session.Finding) {
	k := verdictKey{guarantee: fd.Guarantee, verdict: fd.Verdict}
	var at int64
	if o.w != nil {
		k.f, k.model, k.variant, k.replica = o.w.f, o.w.model, o.w.variant, fd.Replica
		at, _ = o.w.begun()
	} else {
		k.f, k.model, k.variant, at = o.r.f, o.r.model, o.r.variant, o.r.at.t
		if o.r.hasRep {
			k.replica = o.r.f.repIDs[o.r.replica]
		}
	}
	if at == noTime || at == 0 {
		return
	}
	c := counted{series: e.verdictSeries(k), start: metrics.Level10s.Start(at)}
	if fd.Verdict.IsViolation() {
		c.violation = e.noteViolation(s, o, fd, k, at)
	}
	if len(e.trials) > 0 && fd.Verdict != session.Unverifiable && fd.Verdict != session.Pending {
		c.trial, c.cell = o.trialCell(at)
	}
	e.found = append(e.found, c)
}

func (e *Engine) verdictSeries(k verdictKey) *series {
	if sr, ok := e.verdicts[k]; ok {
		return sr
	}
	m := metrics.Series{
		Feature: k.f.name, Metric: k.guarantee, Verdict: k.verdict.String(),
		Model: e.names.text[k.model], Variant: e.names.text[k.variant],
	}
	m.Replica = e.names.text[k.replica]
	sr := e.book.intern(m)
	if sr != nil {
		e.verdicts[k] = sr
	}
	return sr
}

// noteViolation keeps a row of a violation and returns its id.
func (e *Engine) noteViolation(s *sessionState, o sessionOp, fd session.Finding, k verdictKey, at int64) string {
	id := violationID(s, o, fd, e.names.text[k.replica])
	if e.silent || s.counted { // the row is there
		return id
	}
	v := metrics.Violation{
		ID: id, Feature: k.f.name, Guarantee: fd.Guarantee, Verdict: fd.Verdict.String(),
		Session: s.id, Seq: o.seq, At: at, Wanted: fd.Wanted.String(),
		Model: e.names.text[k.model], Variant: e.names.text[k.variant],
	}
	v.Replica = e.names.text[k.replica]
	if o.w != nil {
		v.WriteID, v.Got = o.w.id, o.w.version.String()
		if o.w.key != nil {
			v.Key = o.w.key.key
		}
	} else {
		v.Got = o.r.version.String()
		if o.r.key != nil {
			v.Key = o.r.key.key
		}
	}
	if c, ok := fd.Earlier.(checked); ok {
		v.Earlier = c.w.id
	}
	delete(e.violationsGone, id)
	e.violations[id] = v
	return id
}

// violationID is the natural key of a violation. The length of the feature's name keeps
// those of two features apart, whatever they call their sessions.
func violationID(s *sessionState, o sessionOp, fd session.Finding, replica string) string {
	id := string(fd.Guarantee) + ":" + strconv.Itoa(len(s.f.name)) + ":" + s.f.name + ":" + s.id + ":" + strconv.FormatInt(o.seq, 10)
	if o.w != nil {
		return id + ":" + o.w.id + ":" + replica
	}
	return id
}

// contributeRead adds or takes away one read's staleness.
func (e *Engine) contributeRead(r *read, sign int64) {
	r.contributeTrial(sign)
	if r.key == nil {
		return
	}
	if sign > 0 {
		r.countedAs = e.stalenessOf(r)
	}
	c := r.countedAs
	start := metrics.Level10s.Start(c.at)
	if !c.known {
		e.book.count(c.series.versions, start, sign, 0)
		e.book.count(c.series.time, start, sign, 0)
		return
	}
	e.book.sample(c.series.versions, start, c.versions, sign)
	e.book.sample(c.series.time, start, c.behind, sign)
}

// stalenessOf computes how stale a read was; not known without a version, or when
// newer versions were put down and could not be read back. It is for use within withStale.
func (e *Engine) stalenessOf(r *read) staleness {
	k := staleKey{f: r.f, replica: -1, model: r.model, variant: r.variant, region: r.region}
	if r.hasRep {
		k.replica = int32(r.replica)
	}
	c := staleness{at: r.at.t, series: e.staleSeries(k)}
	if r.version.IsZero() || !r.key.covers(r) {
		return c
	}
	c.known = true
	n, first := e.newer(r.key, r.version, r.at.t)
	if c.versions = n; n > 0 {
		c.behind = r.at.t - first
	}
	return c
}

type staleKey struct {
	f                      *feature
	replica                int32
	model, variant, region uint32
}

type staleSeries struct{ versions, time *series }

func (e *Engine) staleSeries(k staleKey) staleSeries {
	if s, ok := e.stale[k]; ok {
		return s
	}
	m := metrics.Series{
		Feature: k.f.name, Model: e.names.text[k.model],
		Variant: e.names.text[k.variant], Region: e.names.text[k.region],
	}
	if k.replica >= 0 {
		m.Replica = k.f.repNames[k.replica]
	}
	var s staleSeries
	m.Metric = metrics.MetricStaleVersions
	s.versions = e.book.intern(m)
	m.Metric = metrics.MetricStaleTime
	s.time = e.book.intern(m)
	if s.versions != nil || s.time != nil {
		e.stale[k] = s
	}
	return s
}

// readID is the natural key of a read event. It is valid until the next call.
func (e *Engine) readID(ev *metrics.Event) string {
	if ev.SessionID == "" {
		e.id = append(append(append(e.id[:0], ev.Feature...), 0), ev.EventID...)
		return unsafe.String(&e.id[0], len(e.id))
	}
	if ev.SessionSeq == 0 {
		return ev.EventID
	}
	e.id = append(append(e.id[:0], ev.SessionID...), 0)
	e.id = strconv.AppendInt(e.id, ev.SessionSeq, 10)
	return unsafe.String(&e.id[0], len(e.id))
}
