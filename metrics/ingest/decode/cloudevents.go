package decode

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tidemark/metrics"
)

// cloudEvent is a CloudEvent 1.0. data is raw JSON; extensions are raw members,
// each after a comma.
type cloudEvent struct {
	specversion, id, source, kind, time string
	subject, traceparent, data          string
	extensions                          []byte
	err                                 error             // too much was made of the request
	debezium                            map[string]string // iodebezium* extensions, without the prefix
}

// debeziumPrefix starts the names of the extensions that Debezium's CloudEvents
// converter sets.
const debeziumPrefix = "iodebezium"

// CloudEvents reads CloudEvents 1.0 over HTTP in one of their three formats. The
// data of each is an event in tidemark's own form, or a Debezium record; what the
// data does not say is taken from the CloudEvent's attributes. Errors are those of
// Native.
func CloudEvents(h http.Header, format Format, body []byte, o *Options, b *Batch) error {
	body, err := b.fixUTF8(body)
	if err != nil {
		return err
	}
	if format == FormatCloudEventBinary {
		return b.binaryCloudEvent(h, body, o)
	}
	s := scanner{src: body, b: b}
	first := s.peek()
	if (format == FormatCloudEventBatch) != (first == '[') && first != 0 {
		return fmt.Errorf("%w: a structured CloudEvent is an object, a batch an array of them", ErrBody)
	}
	var tooMuch error
	w := walk{b: b, read: func(s *scanner, index int) bool {
		var ce cloudEvent
		if !ce.structured(s) {
			tooMuch = ce.err
			return false
		}
		b.cloudEvent(&ce, o, index)
		return true
	}}
	if err = w.body(body, "application/json"); tooMuch != nil {
		return tooMuch
	}
	return err
}

func (b *Batch) binaryCloudEvent(h http.Header, body []byte, o *Options) error {
	s := scanner{src: body, b: b}
	data, ok := s.raw()
	if !ok || s.peek() != 0 || s.pos < len(s.src) {
		return fmt.Errorf("%w: the data of a CloudEvent must be JSON", ErrBody)
	}
	index, err := b.begin()
	if err != nil {
		return err
	}
	ce := cloudEvent{data: data}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, header := range names {
		name, isAttribute := strings.CutPrefix(strings.ToLower(header), "ce-")
		if !isAttribute {
			continue
		}
		v := h.Get(header)
		if decoded, err := url.PathUnescape(v); err == nil {
			v = decoded
		}
		quoted, _ := json.Marshal(v) // a string always marshals
		ce.learn(name, strings.ToValidUTF8(v, "\uFFFD"), string(quoted))
	}
	ce.traceparent = orElse(ce.traceparent, h.Get("Traceparent"))
	b.cloudEvent(&ce, o, index)
	return nil
}

// structured reads the JSON format of a CloudEvent. It returns false after a
// syntax error.
func (ce *cloudEvent) structured(s *scanner) bool {
	return s.members(func(name string) bool {
		s.space()
		start := s.pos
		if s.peek() != '"' {
			raw, ok := s.raw()
			switch {
			case name == "data":
				ce.data = raw
			case raw != "null":
				ce.learn(name, raw, raw)
			}
			return ok
		}
		v, ok := s.str()
		if !ok {
			return false
		}
		if name == "data_base64" {
			ce.err = ce.decode(s.b, v)
			return ce.err == nil
		}
		ce.learn(name, v, text(s.src[start:s.pos]))
		return true
	})
}

// decode takes data in that came as base64, which counts among what is made of the request.
func (ce *cloudEvent) decode(b *Batch, v string) error {
	b.spent += base64.StdEncoding.DecodedLen(len(v))
	if err := b.afford(); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil //nolint:nilerr // There is then no data, as is said of it.
	}
	data, err = b.fixUTF8(data)
	ce.data = text(data)
	return err
}

// learn takes an attribute in; raw is its value as JSON.
func (ce *cloudEvent) learn(name, v, raw string) {
	if short, ok := strings.CutPrefix(name, debeziumPrefix); ok {
		if short != "op" && !slices.Contains(sourceFields, extensionField(short)) {
			return
		}
		if ce.debezium == nil {
			ce.debezium = map[string]string{}
		}
		ce.debezium[short] = v
		return
	}
	switch name {
	case "specversion":
		ce.specversion = v
	case "id":
		ce.id = v
	case "source":
		ce.source = v
	case "type":
		ce.kind = v
	case "time":
		ce.time = v
	case "subject":
		ce.subject = v
	case "traceparent":
		ce.traceparent = v
	case "data":
		ce.data = raw
	case "datacontenttype", "dataschema", "tracestate":
	default:
		quoted, _ := json.Marshal(name) // a string always marshals
		ce.extensions = append(append(append(ce.extensions, ','), quoted...), ':')
		ce.extensions = append(ce.extensions, raw...)
	}
}

// cloudEvent adds the events of one CloudEvent, or rejects it.
func (b *Batch) cloudEvent(ce *cloudEvent, o *Options, index int) {
	if why := ce.malformed(); why != "" {
		b.reject(index, "", metrics.CodeFormatInvalid, "", why)
		return
	}
	s := scanner{src: bytesOf(ce.data), b: b}
	if env, ok := b.envelopeIn(ce); ok {
		env.trace, env.span = traceOf(ce.traceparent)
		b.envelope(env, o, index)
		return
	}
	e := b.add(index)
	if s.peek() != '{' || !b.event(&s, e) || s.peek() != 0 || s.pos < len(s.src) {
		b.drop()
		b.reject(index, "", metrics.CodeFormatInvalid, "data", "the data of a CloudEvent must be an event as a JSON object")
		return
	}
	b.complete(e, ce)
	b.settle(e, index)
}

func (ce *cloudEvent) malformed() string {
	switch {
	case ce.specversion != "1.0":
		return "specversion is " + shorten(ce.specversion) + `; it must be "1.0"`
	case ce.id == "" || ce.source == "" || ce.kind == "":
		return "a CloudEvent must have id, source and type"
	case ce.data == "":
		return "the CloudEvent has no data; it must be an event as a JSON object"
	}
	return ""
}

// complete takes from the attributes what the data did not say.
func (b *Batch) complete(e *metrics.Event, ce *cloudEvent) {
	if e.EventID == "" {
		e.EventID = b.idFrom("ce:", ce.source+" "+ce.id)
	}
	if e.Kind == 0 {
		e.Kind = kindOf(ce.kind)
	}
	if e.OccurredAt == 0 && ce.time != "" {
		var ok bool
		if e.OccurredAt, ok = parseTime(ce.time); !ok {
			b.wrong(metrics.CodeTimeInvalid, "time", "time must be RFC 3339, like 2026-01-31T09:30:00.123456789Z")
		}
	}
	e.Key = orElse(e.Key, ce.subject)
	if trace, span := traceOf(ce.traceparent); e.TraceID == "" && e.SpanID == "" {
		e.TraceID, e.SpanID = trace, span
	}
	if len(ce.extensions) > 0 {
		b.attrs = append(b.attrs[:0], ce.extensions...)
		e.Attributes = b.attributes(e.Attributes)
	}
}

// idFrom is prefix and id, or the hash of an id that is too long.
func (b *Batch) idFrom(prefix, id string) string {
	if len(prefix)+len(id) > metrics.MaxID-len(":committed") {
		sum := sha256.Sum256([]byte(id))
		return prefix + hex.EncodeToString(sum[:])
	}
	return prefix + id
}

// kindOf finds the kind in the type of a CloudEvent: its last word, or its last
// two, as in com.example.write.applied and com.example.conflict.detected.
func kindOf(eventType string) metrics.Kind {
	words := strings.FieldsFunc(eventType, func(r rune) bool { return r == '.' || r == '/' })
	for n := 1; n <= min(2, len(words)); n++ {
		if k, ok := metrics.ParseKind(strings.Join(words[len(words)-n:], "_")); ok {
			return k
		}
	}
	return 0
}

// traceOf takes the ids from a W3C traceparent: 00-TRACE-SPAN-FLAGS.
func traceOf(traceparent string) (trace, span string) {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != traceHexLen || len(parts[2]) != spanHexLen {
		return "", ""
	}
	return parts[1], parts[2]
}
