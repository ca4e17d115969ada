package decode

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tidemark/metrics"
)

// mapper turns spans and log records into events.
type mapper struct {
	b   *Batch
	o   *Options
	s   *spanBuffer
	err error // why the rest of the request is not read
}

// affords reports whether one more event, accepted or rejected, may be made.
func (m *mapper) affords() bool {
	if m.err == nil {
		m.err = m.b.afford()
	}
	return m.err == nil
}

// takes reports whether a span that has n links, or events, may have one more.
func (m *mapper) takes(n int) bool {
	if n >= maxOfSpan && m.err == nil {
		m.err = fmt.Errorf("%w: a span may have at most %d events and as many links", ErrTooMany, maxOfSpan)
	}
	return m.err == nil
}

// beginResource settles what every event of a resource shares.
func (m *mapper) beginResource() {
	r := &m.s.resource
	m.s.service, m.s.feature = r.service, r.find("feature")
	switch {
	case r.host != "" && r.instance != "":
		m.s.clock = m.b.keep([]byte(r.host + "/" + r.instance))
	case r.host != "":
		m.s.clock = r.host
	default:
		m.s.clock = r.instance
	}
}

const (
	originPrefix = "otel:"
	traceHexLen  = 2 * len(traceID{})
	spanHexLen   = 2 * len(spanID{})
	originLen    = len(originPrefix) + traceHexLen + 1 + spanHexLen
)

// origin is the write_id of a write that a span with no tidemark.write.id began.
func (m *mapper) origin(trace traceID, id spanID) string {
	start := m.b.room(originLen)
	a := append(m.b.arena, originPrefix...)
	a = append(hex.AppendEncode(a, trace[:]), ':')
	m.b.arena = hex.AppendEncode(a, id[:])
	return text(m.b.arena[start:])
}

// operation is what a span did with a message: send, create, receive, process,
// settle, or "" when it is not about messages.
func (s *span) operation() string {
	f := &s.facts
	if f.destination == "" && f.template == "" && f.system == "" && f.operation == "" && f.oldOperation == "" {
		return ""
	}
	op := f.operation
	if op == "" {
		op = f.oldOperation
	}
	switch op {
	case "send", "publish":
		return "send"
	case "create", "receive", "settle":
		return op
	case "process", "deliver":
		return "process"
	}
	switch s.kind {
	case spanProducer:
		return "send"
	case spanConsumer:
		return "process"
	}
	return ""
}

// spanDone maps the span that was read into m.s.span.
func (m *mapper) spanDone() error {
	index, err := m.b.begin()
	if err != nil {
		return err
	}
	sp := &m.s.span
	op := sp.operation()
	named := sp.facts.stage != ""
	if op == "" && !named && len(sp.facts.own) == 0 && len(sp.events) == 0 {
		return nil
	}
	before := len(m.b.Events) + len(m.b.Rejected)
	m.armOf(sp)
	at := item{index: index, id: m.origin(sp.trace, sp.id), facts: &sp.facts}
	switch {
	case named:
		m.named(sp, at)
	case op != "":
		m.messaging(sp, op, at)
	}
	for i := 0; i < len(sp.events) && m.err == nil; i++ {
		m.eventOf(sp, i, at)
	}
	if m.err == nil && before == len(m.b.Events)+len(m.b.Rejected) && op == "" && sp.facts.find("write.id") != "" {
		m.b.reject(index, at.id, metrics.CodeFieldMissing, "tidemark.stage", "the span has tidemark.write.id but neither tidemark.stage nor an event named tidemark.STAGE says what happened to that write")
	}
	return m.err
}

// item is the span or log record that events are being made of.
type item struct {
	index int
	id    string // otel:TRACE:SPAN
	facts *facts
}

// armOf learns the arm from the span's feature_flag.evaluation events; the last
// one counts.
func (m *mapper) armOf(sp *span) {
	for i := range sp.events {
		e := &sp.events[i]
		if isEvaluation(e.name) && e.facts.flag != "" {
			sp.facts.flag, sp.facts.variant = e.facts.flag, e.facts.variant
			if e.facts.unit != "" {
				sp.facts.unit = e.facts.unit
			}
		}
	}
}

// isEvaluation reports whether an event tells what a flag was evaluated to;
// feature_flag is what it was called before 2025.
func isEvaluation(name string) bool {
	return name == "feature_flag.evaluation" || name == "feature_flag"
}

// named maps a span that says its stage itself: one event, at its end.
func (m *mapper) named(sp *span, at item) {
	kind, ok := metrics.ParseKind(sp.facts.stage)
	if !ok {
		m.unknownStage(at, sp.facts.stage)
		return
	}
	m.events(kind, sp.end, m.targets(sp, kind, at), at, nil, "")
}

func (m *mapper) unknownStage(at item, stage string) {
	if !m.affords() {
		return
	}
	m.b.reject(at.index, at.id, metrics.CodeKindUnknown, "tidemark.stage", "tidemark.stage "+shorten(stage)+" is not known; it must be one of "+kinds())
}

// targets are the writes that a stage with no tidemark.write.id is about: at the
// origin the one that the span began, elsewhere those it is linked to, or else
// its parent's.
func (m *mapper) targets(sp *span, kind metrics.Kind, at item) []string {
	w := m.s.writes[:0]
	switch {
	case kind.AtOrigin():
		w = append(w, at.id)
	case kind.IsStage() || kind == metrics.KindFailed:
		w = m.senders(sp, w)
	}
	m.s.writes = w
	return w
}

// senders appends the writes of the messages that a span is about: its links are
// their creation contexts; a span without links is its producer's child.
func (m *mapper) senders(sp *span, w []string) []string {
	for _, l := range sp.links {
		if l.id != (spanID{}) {
			w = append(w, m.origin(l.trace, l.id))
		}
	}
	if len(w) > 0 || sp.parent == (spanID{}) {
		return w
	}
	if l, ok := m.s.received[sp.parent]; ok {
		return append(w, m.origin(l.trace, l.id))
	}
	return append(w, m.origin(sp.trace, sp.parent))
}

// messaging maps a span that follows the messaging conventions.
func (m *mapper) messaging(sp *span, op string, at item) {
	if op == "settle" || m.unmapped(sp, at) {
		return
	}
	failed := sp.status == statusError
	switch op {
	case "create", "send":
		m.sent(sp, op, at, failed)
	case "receive":
		m.pulled(sp, at)
	case "process":
		w := m.senders(sp, m.s.writes[:0])
		m.s.writes = w
		if len(w) == 0 {
			w = append(w, "") // only a tidemark.write.id can name the write
		}
		m.events(metrics.KindReceived, sp.start, w, at, nil, "")
		m.events(outcome(failed, metrics.KindApplied), sp.end, w, at, nil, "")
	}
}

func outcome(failed bool, kind metrics.Kind) metrics.Kind {
	if failed {
		return metrics.KindFailed
	}
	return kind
}

// sent maps a span that creates or sends messages. A CLIENT span with links sends
// messages that other spans created.
func (m *mapper) sent(sp *span, op string, at item, failed bool) {
	w := m.s.writes[:0]
	if op == "send" && sp.kind == spanClient && len(sp.links) > 0 {
		w = m.senders(sp, w)
	} else {
		w = append(w, at.id)
		m.events(metrics.KindInitiated, sp.start, w, at, nil, "")
	}
	m.s.writes = w
	m.events(outcome(failed, metrics.KindPublished), sp.end, w, at, nil, "")
}

// pulled maps a span that asked for messages. It ends when they are there; what
// it was waiting for before is not known, so its start means nothing.
func (m *mapper) pulled(sp *span, at item) {
	if len(sp.links) == 1 {
		if m.s.received == nil {
			m.s.received = map[spanID]link{}
		}
		m.s.received[sp.id] = sp.links[0]
	}
	if len(sp.links) == 0 && sp.kind != spanConsumer && sp.facts.find("write.id") == "" {
		return // an empty poll
	}
	w := m.senders(sp, m.s.writes[:0])
	m.s.writes = w
	if len(w) == 0 && sp.facts.find("write.id") != "" {
		w = append(w, "")
	}
	m.events(outcome(sp.status == statusError, metrics.KindReceived), sp.end, w, at, nil, "")
}

// unmapped rejects a span of a destination that no feature was given to.
func (m *mapper) unmapped(sp *span, at item) bool {
	f := &sp.facts
	if f.find("feature") != "" || m.s.feature != "" || m.featureOf(f) != "" {
		return false
	}
	if f.destination == "" && f.template == "" {
		m.b.reject(at.index, at.id, metrics.CodeFeatureUnmapped, "messaging.destination.name", "the span has no messaging.destination.name to find its feature by, and no tidemark.feature")
		return true
	}
	m.b.reject(at.index, at.id, metrics.CodeFeatureUnmapped, "messaging.destination.name",
		"no feature is mapped to the destination "+shorten(f.destination+f.template)+"; add it to the destinations in the settings, or set tidemark.feature")
	return true
}

func (m *mapper) featureOf(f *facts) string {
	if f.destination != "" {
		if feature := m.o.feature(f.destination); feature != "" {
			return feature
		}
	}
	if f.template != "" {
		return m.o.feature(f.template)
	}
	return ""
}

// eventOf maps the i-th event of a span, when it is named tidemark.STAGE or has
// the attribute tidemark.stage.
func (m *mapper) eventOf(sp *span, i int, at item) {
	e := &sp.events[i]
	stage, ok := stageOf(e.name, &e.facts)
	if !ok {
		return
	}
	kind, known := metrics.ParseKind(stage)
	if !known {
		m.unknownStage(at, stage)
		return
	}
	m.events(kind, e.at, m.targets(sp, kind, at), at, &e.facts, eventSuffix(i))
}

func stageOf(name string, f *facts) (stage string, ok bool) {
	if f.stage != "" {
		return f.stage, true
	}
	return strings.CutPrefix(name, ownPrefix)
}
