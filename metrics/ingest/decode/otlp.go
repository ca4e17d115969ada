package decode

import (
	"unsafe"

	"tidemark/metrics"
)

// Kinds of span, and the status code that means failure, as in OTLP.
const (
	spanClient   = 3
	spanProducer = 4
	spanConsumer = 5
	statusError  = 2
)

type (
	traceID [16]byte
	spanID  [8]byte
)

// attribute is one tidemark.* attribute, without that prefix.
type attribute struct {
	name  string
	value value
}

// value is an attribute's value; text is JSON when kind is valueJSON.
type value struct {
	kind valueKind
	text string
	n    int64
	f    float64
}

type valueKind uint8

const (
	valueNone valueKind = iota
	valueText
	valueInt
	valueFloat
	valueBool // n is 1 for true
	valueJSON // an array, a map
	valueLong // an array or a map that is longer than longestJSON
)

// longestJSON is how long an array or a map may be as JSON: as the longest field.
const longestJSON = metrics.MaxDelta

// facts are the attributes that matter, of a resource, a span, a span's event or
// a log record.
type facts struct {
	operation, oldOperation          string
	destination, template, system    string
	messageKey, errorType, eventName string
	flag, variant, unit              string
	service, host, instance, region  string
	attempt                          int64
	stage                            string
	own                              []attribute
	size                             int // bytes that setting all of it in one event counts for
}

// attributeCost is what setting an attribute counts for beside its text, in bytes.
const attributeCost = 32

func (f *facts) reset() {
	own := f.own
	clear(own)
	*f = facts{own: own[:0]}
}

// learn takes an attribute in.
func (f *facts) learn(name string, v value) {
	f.size += attributeCost + len(name) + len(v.text)
	if len(name) > len(ownPrefix) && name[:len(ownPrefix)] == ownPrefix {
		f.learnOwn(name[len(ownPrefix):], v)
		return
	}
	if p := f.place(name); p != nil && v.kind == valueText {
		*p = v.text
		return
	}
	switch name {
	case "messaging.gcp_pubsub.message.delivery_attempt", "messaging.servicebus.message.delivery_count":
		if v.kind == valueInt {
			f.attempt = v.n
		}
	case "feature_flag.result.value":
		if f.variant == "" && v.kind == valueText {
			f.variant = v.text
		}
	}
}

const ownPrefix = "tidemark."

func (f *facts) learnOwn(name string, v value) {
	if (name == "stage" || name == "kind") && v.kind == valueText {
		f.stage = v.text
		return
	}
	f.own = append(f.own, attribute{name, v})
}

// place returns where a text attribute is kept. The deprecated names are those of
// earlier semantic conventions that SDKs still send.
func (f *facts) place(name string) *string {
	switch name {
	case "messaging.operation.type":
		return &f.operation
	case "messaging.operation":
		return &f.oldOperation
	case "messaging.destination.name", "messaging.destination":
		return &f.destination
	case "messaging.destination.template":
		return &f.template
	case "messaging.system":
		return &f.system
	case "messaging.kafka.message.key", "messaging.kafka.message_key":
		return &f.messageKey
	case "error.type":
		return &f.errorType
	case "event.name":
		return &f.eventName
	case "feature_flag.key":
		return &f.flag
	case "feature_flag.result.variant", "feature_flag.variant":
		return &f.variant
	case "feature_flag.context.id":
		return &f.unit
	case "service.name":
		return &f.service
	case "host.name":
		return &f.host
	case "service.instance.id":
		return &f.instance
	case "cloud.region":
		return &f.region
	}
	return nil
}

// matter reports whether learn would do anything with an attribute of that name.
func matter(name string) bool {
	if len(name) < 8 {
		return false
	}
	switch name[:5] {
	case "messa", "tidem", "featu", "servi", "host.", "cloud", "error", "event":
		return true
	}
	return false
}

// find returns a tidemark.* attribute of text, by its name in dots.
func (f *facts) find(name string) string {
	for i := range f.own {
		if f.own[i].name == name && f.own[i].value.kind == valueText {
			return f.own[i].value.text
		}
	}
	return ""
}

// span is a span, as far as it matters here.
type span struct {
	trace      traceID
	id, parent spanID
	kind       int32
	start, end uint64
	status     int32
	message    string
	facts      facts
	links      []link
	events     []spanEvent
}

type link struct {
	trace traceID
	id    spanID
}

type spanEvent struct {
	name  string
	at    uint64
	facts facts
}

func (s *span) reset() {
	f, links, events := s.facts, s.links[:0], s.events[:0]
	f.reset()
	*s = span{facts: f, links: links, events: events}
}

// size is roughly how much memory a span keeps for the next, in bytes.
func (s *span) size() int {
	n := cap(s.links)*int(unsafe.Sizeof(link{})) + cap(s.events)*int(unsafe.Sizeof(spanEvent{}))
	for _, e := range s.events[:cap(s.events)] {
		n += cap(e.facts.own) * int(unsafe.Sizeof(attribute{}))
	}
	return n
}

// event makes room for one more event of the span, with the memory of an earlier one.
func (s *span) event() *spanEvent {
	if len(s.events) < cap(s.events) {
		s.events = s.events[:len(s.events)+1]
	} else {
		s.events = append(s.events, spanEvent{})
	}
	e := &s.events[len(s.events)-1]
	e.name, e.at = "", 0
	e.facts.reset()
	return e
}

// logRecord is a log record, as far as it matters here.
type logRecord struct {
	trace        traceID
	id           spanID
	name         string
	at, observed uint64
	facts        facts
}

func (l *logRecord) reset() {
	f := l.facts
	f.reset()
	*l = logRecord{facts: f}
}

// spanBuffer is the working memory of a request of OpenTelemetry data.
type spanBuffer struct {
	resource facts
	clock    string // of the resource
	service  string
	feature  string // that the resource names
	span     span
	log      logRecord
	writes   []string
	received map[spanID]link // what each receive span in the request got, when that was one message
	arms     map[string]arm  // what a flag was evaluated to first, by span
	json     []byte          // an array or a map that is being read
}

// arm is what a flag was evaluated to within a span.
type arm struct {
	flag, variant, unit string
}

func (s *spanBuffer) reset() {
	s.resource.reset()
	s.span.reset()
	s.log.reset()
	s.clock, s.service, s.feature = "", "", ""
	clear(s.writes)
	clear(s.received)
	s.writes, s.arms = s.writes[:0], nil
}

// Traces reads an OTLP ExportTraceServiceRequest: protobuf, or its JSON mapping.
// docs/events.md has the mapping from spans to events. Items are spans. It returns
// ErrBody when the request is malformed, and ErrTooMany.
func Traces(body []byte, isJSON bool, o *Options, b *Batch) error {
	m := mapper{b: b, o: o, s: &b.spans}
	if isJSON {
		body, err := b.fixUTF8(body)
		if err != nil {
			return err
		}
		return m.tracesJSON(body)
	}
	return m.tracesProto(body)
}

// Logs reads an OTLP ExportLogsServiceRequest, as Traces does. Items are log
// records.
func Logs(body []byte, isJSON bool, o *Options, b *Batch) error {
	m := mapper{b: b, o: o, s: &b.spans}
	var err error
	if isJSON {
		if body, err = b.fixUTF8(body); err == nil {
			err = m.logsJSON(body)
		}
	} else {
		err = m.logsProto(body)
	}
	if err == nil {
		m.stampArms()
	}
	return err
}

// stampArms puts the arm that a flag was evaluated to on the other events of the
// same span, and completes all events.
func (m *mapper) stampArms() {
	for i := range m.b.Events {
		e := &m.b.Events[i]
		if a, ok := m.s.arms[e.SpanID]; ok && e.Flag == "" {
			e.Flag, e.Variant = a.flag, a.variant
			if e.Unit == "" {
				e.Unit = a.unit
			}
		}
		m.b.seal(e)
	}
}
