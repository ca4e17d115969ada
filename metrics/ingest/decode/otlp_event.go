package decode

import (
	"tidemark/metrics"
)

// eventSuffix tells the events of one span apart in their ids.
func eventSuffix(i int) string {
	return ":e" + itoa(i)
}

// events adds one event of a kind for each write. more are facts that go before
// those of the item itself.
func (m *mapper) events(kind metrics.Kind, at uint64, writes []string, from item, more *facts, suffix string) {
	if len(writes) == 0 {
		m.event(kind, at, "", from, more, suffix)
		return
	}
	for i, w := range writes {
		if m.err != nil {
			return
		}
		if len(writes) > 1 {
			m.event(kind, at, w, from, more, suffix+"#"+itoa(i))
			continue
		}
		m.event(kind, at, w, from, more, suffix)
	}
}

func (m *mapper) event(kind metrics.Kind, at uint64, write string, from item, more *facts, suffix string) {
	m.b.spent += m.s.resource.size + from.facts.size + len(m.s.span.message)
	if more != nil {
		m.b.spent += more.size
	}
	if !m.affords() {
		return
	}
	e := m.b.add(from.index)
	m.b.errs, m.b.attrs = m.b.errs[:0], m.b.attrs[:0]
	e.Kind, e.WriteID, e.OccurredAt = kind, write, int64(min(at, 1<<63-1))
	e.Service, e.ClockID, e.Region = m.s.service, m.s.clock, m.s.resource.region
	if len(from.id) == originLen {
		m.identify(e, from.id, kind, suffix)
	}
	m.fill(e, from.facts)
	m.apply(e, m.s.resource.own)
	m.apply(e, from.facts.own)
	if more != nil {
		m.fillArm(e, more)
		m.apply(e, more.own)
	}
	e.Attributes = m.b.attributes("")
	if e.Feature == "" {
		e.Feature = m.featureOf(from.facts)
		m.b.mapped.set(from.index)
	}
	if len(m.b.errs) == 0 && len(from.id) != originLen {
		return // a log record is completed when all of them are known
	}
	m.b.settle(e, from.index)
}

// identify gives the event the ids that its span implies, so that a span that is
// exported again makes the same events.
func (m *mapper) identify(e *metrics.Event, id string, kind metrics.Kind, suffix string) {
	start := m.b.room(len(id) + len(suffix) + 32)
	a := append(append(m.b.arena, id...), ':')
	m.b.arena = append(append(a, kind.String()...), suffix...)
	e.EventID = text(m.b.arena[start:])
	e.TraceID = id[len(originPrefix) : len(originPrefix)+traceHexLen]
	e.SpanID = id[originLen-spanHexLen:]
}

// fill copies what the conventions say of a message.
func (m *mapper) fill(e *metrics.Event, f *facts) {
	e.Key = f.messageKey
	e.Attempt = int32(min(max(f.attempt, 0), metrics.MaxAttempt))
	if f.destination != "" || f.system != "" {
		e.Mechanism = "event_stream"
	}
	if e.Kind == metrics.KindFailed {
		e.Reason = f.errorType
		if m.s.span.message != "" && f == &m.s.span.facts {
			e.Reason = m.s.span.message
		}
	}
	m.fillArm(e, f)
}

func (m *mapper) fillArm(e *metrics.Event, f *facts) {
	if f.flag != "" {
		e.Flag, e.Variant = f.flag, f.variant
	}
	if f.unit != "" {
		e.Unit = f.unit
	}
}

// logDone maps the log record that was read into m.s.log.
func (m *mapper) logDone() error {
	index, err := m.b.begin()
	if err != nil {
		return err
	}
	l := &m.s.log
	name := l.name
	if name == "" {
		name = l.facts.eventName
	}
	at := item{index: index, facts: &l.facts}
	trace, id := "", ""
	if l.id != (spanID{}) {
		origin := m.origin(l.trace, l.id)
		trace, id = origin[len(originPrefix):len(originPrefix)+traceHexLen], origin[originLen-spanHexLen:]
	}
	if isEvaluation(name) && l.facts.flag != "" {
		m.learnArm(id, arm{l.facts.flag, l.facts.variant, l.facts.unit})
		return nil
	}
	stage, ok := stageOf(name, &l.facts)
	if !ok {
		if l.facts.find("write.id") != "" {
			m.b.reject(index, "", metrics.CodeFieldMissing, "tidemark.stage", "the log record has tidemark.write.id but neither tidemark.stage nor the event name tidemark.STAGE says what happened to that write")
		}
		return nil
	}
	kind, known := metrics.ParseKind(stage)
	if !known {
		m.unknownStage(at, stage)
		return m.err
	}
	when := l.at
	if when == 0 {
		when = l.observed
	}
	write := ""
	if kind.AtOrigin() && id != "" {
		write = m.origin(l.trace, l.id)
	}
	before := len(m.b.Events)
	m.event(kind, when, write, at, nil, "")
	if len(m.b.Events) > before {
		e := &m.b.Events[before]
		e.TraceID, e.SpanID = orElse(e.TraceID, trace), orElse(e.SpanID, id)
	}
	return m.err
}

// learnArm notes what a flag was evaluated to within a span; the first counts.
func (m *mapper) learnArm(span string, a arm) {
	if _, known := m.s.arms[span]; known || span == "" {
		return
	}
	if m.s.arms == nil {
		m.s.arms = map[string]arm{}
	}
	m.s.arms[span] = a
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
