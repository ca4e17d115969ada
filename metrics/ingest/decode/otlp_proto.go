package decode

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
)

// fields calls f for each field of a protobuf message.
func fields(data []byte, f func(fc *easyproto.FieldContext) error) error {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		var err error
		if data, err = fc.NextField(data); err != nil {
			return malformed(err)
		}
		if err = f(&fc); err != nil {
			return err
		}
	}
	return nil
}

func malformed(err error) error { return fmt.Errorf("%w: malformed protobuf: %w", ErrBody, err) }

// wrongType is the error of a field whose wire type is not the one of its message.
func wrongType(field string) error {
	return fmt.Errorf("%w: malformed protobuf: %s has another wire type", ErrBody, field)
}

// inside calls f for each field of the message that is in the current field.
func inside(fc *easyproto.FieldContext, field string, f func(fc *easyproto.FieldContext) error) error {
	data, ok := fc.MessageData()
	if !ok {
		return wrongType(field)
	}
	return fields(data, f)
}

func protoText(fc *easyproto.FieldContext, field string, p *string) error {
	s, ok := fc.String()
	if !ok {
		return wrongType(field)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	*p = s
	return nil
}

func protoFixed(fc *easyproto.FieldContext, field string, p *uint64) error {
	n, ok := fc.Fixed64()
	if !ok {
		return wrongType(field)
	}
	*p = n
	return nil
}

// protoID reads a trace or span id; one of another length is no id.
func protoID(fc *easyproto.FieldContext, field string, id []byte) error {
	p, ok := fc.Bytes()
	if !ok {
		return wrongType(field)
	}
	if len(p) == len(id) {
		copy(id, p)
	}
	return nil
}

// resources walks ResourceSpans or ResourceLogs, whose shapes are the same, and
// calls record with each span or log record.
func (m *mapper) resources(body []byte, record func(data []byte) error) error {
	return fields(body, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 1 {
			return nil
		}
		data, ok := fc.MessageData()
		if !ok {
			return wrongType("resource")
		}
		if err := m.resourceProto(data); err != nil {
			return err
		}
		return fields(data, func(fc *easyproto.FieldContext) error {
			if fc.FieldNum != 2 {
				return nil
			}
			return inside(fc, "scope", func(fc *easyproto.FieldContext) error {
				if fc.FieldNum != 2 {
					return nil
				}
				data, ok := fc.MessageData()
				if !ok {
					return wrongType("record")
				}
				return record(data)
			})
		})
	})
}

// resourceProto reads the resource before the rest, wherever it stands.
func (m *mapper) resourceProto(data []byte) error {
	m.s.resource.reset()
	err := fields(data, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 1 {
			return nil
		}
		return inside(fc, "resource", func(fc *easyproto.FieldContext) error {
			if fc.FieldNum != 1 {
				return nil
			}
			return m.attributeProto(fc, &m.s.resource)
		})
	})
	m.beginResource()
	return err
}

func (m *mapper) tracesProto(body []byte) error {
	return m.resources(body, func(data []byte) error {
		m.s.span.reset()
		if err := m.spanProto(data); err != nil {
			return err
		}
		return m.spanDone()
	})
}

func (m *mapper) logsProto(body []byte) error {
	return m.resources(body, func(data []byte) error {
		m.s.log.reset()
		if err := m.logProto(data); err != nil {
			return err
		}
		return m.logDone()
	})
}

func (m *mapper) spanProto(data []byte) error {
	sp := &m.s.span
	var fc easyproto.FieldContext
	for len(data) > 0 {
		var err error
		if data, err = fc.NextField(data); err != nil {
			return malformed(err)
		}
		if err = m.spanField(sp, &fc); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapper) spanField(sp *span, fc *easyproto.FieldContext) error {
	switch fc.FieldNum {
	case 1:
		return protoID(fc, "trace_id", sp.trace[:])
	case 2:
		return protoID(fc, "span_id", sp.id[:])
	case 4:
		return protoID(fc, "parent_span_id", sp.parent[:])
	case 6:
		kind, ok := fc.Int32()
		if sp.kind = kind; !ok {
			return wrongType("kind")
		}
	case 7:
		return protoFixed(fc, "start_time_unix_nano", &sp.start)
	case 8:
		return protoFixed(fc, "end_time_unix_nano", &sp.end)
	case 9:
		return m.attributeProto(fc, &sp.facts)
	case 11:
		if !m.takes(len(sp.events)) {
			return m.err
		}
		return m.eventProto(fc, sp.event())
	case 13:
		if !m.takes(len(sp.links)) {
			return m.err
		}
		sp.links = append(sp.links, link{})
		return linkProto(fc, &sp.links[len(sp.links)-1])
	case 15:
		return inside(fc, "status", func(fc *easyproto.FieldContext) error {
			switch fc.FieldNum {
			case 2:
				return protoText(fc, "status.message", &sp.message)
			case 3:
				code, ok := fc.Int32()
				if sp.status = code; !ok {
					return wrongType("status.code")
				}
			}
			return nil
		})
	}
	return nil
}

func linkProto(fc *easyproto.FieldContext, l *link) error {
	data, ok := fc.MessageData()
	if !ok {
		return wrongType("link")
	}
	var inner easyproto.FieldContext
	for len(data) > 0 {
		var err error
		if data, err = inner.NextField(data); err != nil {
			return malformed(err)
		}
		switch inner.FieldNum {
		case 1:
			err = protoID(&inner, "link.trace_id", l.trace[:])
		case 2:
			err = protoID(&inner, "link.span_id", l.id[:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *mapper) eventProto(fc *easyproto.FieldContext, e *spanEvent) error {
	return inside(fc, "event", func(fc *easyproto.FieldContext) error {
		switch fc.FieldNum {
		case 1:
			return protoFixed(fc, "event.time_unix_nano", &e.at)
		case 2:
			return protoText(fc, "event.name", &e.name)
		case 3:
			return m.attributeProto(fc, &e.facts)
		}
		return nil
	})
}

func (m *mapper) logProto(data []byte) error {
	l := &m.s.log
	return fields(data, func(fc *easyproto.FieldContext) error {
		switch fc.FieldNum {
		case 1:
			return protoFixed(fc, "time_unix_nano", &l.at)
		case 6:
			return m.attributeProto(fc, &l.facts)
		case 9:
			return protoID(fc, "trace_id", l.trace[:])
		case 10:
			return protoID(fc, "span_id", l.id[:])
		case 11:
			return protoFixed(fc, "observed_time_unix_nano", &l.observed)
		case 12:
			return protoText(fc, "event_name", &l.name)
		}
		return nil
	})
}

// attributeProto reads one KeyValue. Those that do not matter are passed over
// after their key.
func (m *mapper) attributeProto(fc *easyproto.FieldContext, f *facts) error {
	data, ok := fc.MessageData()
	if !ok {
		return wrongType("attribute")
	}
	var name string
	var v value
	var inner easyproto.FieldContext
	for rest := data; len(rest) > 0; {
		var err error
		if rest, err = inner.NextField(rest); err != nil {
			return malformed(err)
		}
		switch inner.FieldNum {
		case 1:
			if err = protoText(&inner, "attribute.key", &name); err != nil || !matter(name) {
				return err
			}
		case 2:
			data, ok := inner.MessageData()
			if !ok {
				return wrongType("attribute.value")
			}
			if v, err = m.anyProto(data, 1); err != nil {
				return err
			}
		}
	}
	if matter(name) {
		f.learn(name, v)
	}
	return nil
}

// anyProto reads an AnyValue. Arrays and maps become JSON.
func (m *mapper) anyProto(data []byte, depth int) (v value, err error) {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return v, malformed(err)
		}
		if fc.FieldNum == 5 || fc.FieldNum == 6 {
			m.s.json, err = m.nestedProto(m.s.json[:0], &fc, depth)
			v = m.nested()
		} else {
			err = scalarProto(&fc, &v)
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// scalarProto reads a field of an AnyValue that is neither an array nor a map.
func scalarProto(fc *easyproto.FieldContext, v *value) error {
	ok := true
	switch fc.FieldNum {
	case 1:
		v.kind = valueText
		return protoText(fc, "string_value", &v.text)
	case 2:
		var yes bool
		if yes, ok = fc.Bool(); yes {
			v.n = 1
		}
		v.kind = valueBool
	case 3:
		v.n, ok = fc.Int64()
		v.kind = valueInt
	case 4:
		v.f, ok = fc.Double()
		v.kind = valueFloat
	case 7:
		var p []byte
		p, ok = fc.Bytes()
		v.kind, v.text = valueText, base64.StdEncoding.EncodeToString(p)
	}
	if !ok {
		return wrongType("attribute.value")
	}
	return nil
}

// appendAnyProto appends an AnyValue as JSON; of several values in one the last counts.
func (m *mapper) appendAnyProto(dst, data []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, fmt.Errorf("%w: an attribute is nested more than %d deep", ErrBody, MaxDepth)
	}
	start := len(dst)
	var v value
	var fc easyproto.FieldContext
	for len(data) > 0 {
		var err error
		if data, err = fc.NextField(data); err != nil {
			return dst, malformed(err)
		}
		if fc.FieldNum == 5 || fc.FieldNum == 6 {
			v.kind = valueJSON
			dst, err = m.nestedProto(dst[:start], &fc, depth)
		} else {
			err = scalarProto(&fc, &v)
		}
		if err != nil {
			return dst, err
		}
	}
	if v.kind == valueJSON {
		return dst, nil
	}
	return appendBounded(dst[:start], &v), nil
}

// nestedProto appends an ArrayValue or a KeyValueList as JSON.
func (m *mapper) nestedProto(dst []byte, fc *easyproto.FieldContext, depth int) ([]byte, error) {
	isMap := fc.FieldNum == 6
	dst = append(dst, "[{"[bit(isMap)])
	first := len(dst)
	err := inside(fc, "array_value", func(fc *easyproto.FieldContext) (err error) {
		data, ok := fc.MessageData()
		if fc.FieldNum != 1 || !ok {
			return nil
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		if isMap {
			dst, err = m.entryProto(dst, data, depth)
		} else {
			dst, err = m.appendAnyProto(dst, data, depth+1)
		}
		return err
	})
	return bounded(append(dst, "]}"[bit(isMap)])), err
}

// entryProto appends one KeyValue of a map.
func (m *mapper) entryProto(dst, data []byte, depth int) ([]byte, error) {
	start, key := len(dst), ""
	said := false
	err := fields(data, func(fc *easyproto.FieldContext) error {
		switch fc.FieldNum {
		case 1:
			return protoText(fc, "key", &key)
		case 2:
			data, ok := fc.MessageData()
			if !ok {
				return wrongType("value")
			}
			var err error
			dst, err = m.appendAnyProto(dst[:start], data, depth+1)
			said = true
			return err
		}
		return nil
	})
	return entry(dst, start, key, said), err
}
