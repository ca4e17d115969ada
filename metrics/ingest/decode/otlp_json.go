package decode

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// The JSON mapping of OTLP: names in lowerCamelCase, ids in hex, 64-bit integers
// as text or numbers, enumerations as numbers; members that are not known are
// passed over.

func (m *mapper) tracesJSON(body []byte) error {
	return m.documentJSON(body, "resourceSpans", "scopeSpans", "spans", func(s *scanner) (bool, error) {
		m.s.span.reset()
		if !m.spanJSON(s) {
			return false, m.err
		}
		return true, m.spanDone()
	})
}

func (m *mapper) logsJSON(body []byte) error {
	return m.documentJSON(body, "resourceLogs", "scopeLogs", "logRecords", func(s *scanner) (bool, error) {
		m.s.log.reset()
		if !m.logJSON(s) {
			return false, nil
		}
		return true, m.logDone()
	})
}

// documentJSON walks a whole request and calls record at each span or log record.
func (m *mapper) documentJSON(body []byte, resources, scopes, records string, record func(s *scanner) (bool, error)) error {
	s := &scanner{src: body, b: m.b}
	var stop error
	each := func() bool {
		ok, err := record(s)
		stop = err
		return ok && err == nil
	}
	ok := s.membersNamed(resources, func() bool {
		return s.elements(func() bool { return m.resourceJSON(s, scopes, records, each) })
	})
	switch {
	case stop != nil:
		return stop
	case !ok:
		return fmt.Errorf("%w: malformed OTLP JSON: %s", ErrBody, s.fault())
	case s.peek() != 0 || s.pos < len(s.src):
		return fmt.Errorf("%w: malformed OTLP JSON: there is more at byte %d, after the end", ErrBody, s.pos)
	}
	return nil
}

// membersNamed calls f at the member with that name and passes over the others.
func (s *scanner) membersNamed(name string, f func() bool) bool {
	return s.members(func(n string) bool {
		if n == name && s.peek() != 'n' {
			return f()
		}
		return s.skip(1)
	})
}

// resourceJSON reads the resource before the rest, wherever it stands.
func (m *mapper) resourceJSON(s *scanner, scopes, records string, each func() bool) bool {
	start := *s
	m.s.resource.reset()
	ok := s.membersNamed("resource", func() bool {
		return s.membersNamed("attributes", func() bool { return m.attributesJSON(s, &m.s.resource) })
	})
	if !ok {
		return false
	}
	m.beginResource()
	s.pos = start.pos
	return s.membersNamed(scopes, func() bool {
		return s.elements(func() bool {
			return s.membersNamed(records, func() bool { return s.elements(each) })
		})
	})
}

func (m *mapper) spanJSON(s *scanner) bool {
	sp := &m.s.span
	return s.members(func(name string) bool {
		switch name {
		case "traceId":
			return s.hexID(sp.trace[:])
		case "spanId":
			return s.hexID(sp.id[:])
		case "parentSpanId":
			return s.hexID(sp.parent[:])
		case "kind":
			return s.enum(&sp.kind)
		case "startTimeUnixNano":
			return s.fixed(&sp.start)
		case "endTimeUnixNano":
			return s.fixed(&sp.end)
		case "attributes":
			return m.attributesJSON(s, &sp.facts)
		case "events":
			return s.orNull(func() bool {
				return s.elements(func() bool { return m.takes(len(sp.events)) && m.eventJSON(s, sp.event()) })
			})
		case "links":
			return s.orNull(func() bool { return s.elements(func() bool { return m.linkJSON(s, sp) }) })
		case "status":
			return s.orNull(func() bool { return m.statusJSON(s, sp) })
		}
		return s.skip(1)
	})
}

func (m *mapper) statusJSON(s *scanner, sp *span) bool {
	return s.members(func(name string) bool {
		switch name {
		case "code":
			return s.enum(&sp.status)
		case "message":
			return s.textOr(&sp.message)
		}
		return s.skip(1)
	})
}

func (m *mapper) linkJSON(s *scanner, sp *span) bool {
	if !m.takes(len(sp.links)) {
		return false
	}
	sp.links = append(sp.links, link{})
	l := &sp.links[len(sp.links)-1]
	return s.members(func(name string) bool {
		switch name {
		case "traceId":
			return s.hexID(l.trace[:])
		case "spanId":
			return s.hexID(l.id[:])
		}
		return s.skip(1)
	})
}

func (m *mapper) eventJSON(s *scanner, e *spanEvent) bool {
	return s.members(func(name string) bool {
		switch name {
		case "timeUnixNano":
			return s.fixed(&e.at)
		case "name":
			return s.textOr(&e.name)
		case "attributes":
			return m.attributesJSON(s, &e.facts)
		}
		return s.skip(1)
	})
}

func (m *mapper) logJSON(s *scanner) bool {
	l := &m.s.log
	return s.members(func(name string) bool {
		switch name {
		case "traceId":
			return s.hexID(l.trace[:])
		case "spanId":
			return s.hexID(l.id[:])
		case "timeUnixNano":
			return s.fixed(&l.at)
		case "observedTimeUnixNano":
			return s.fixed(&l.observed)
		case "eventName":
			return s.textOr(&l.name)
		case "attributes":
			return m.attributesJSON(s, &l.facts)
		}
		return s.skip(1)
	})
}

func (m *mapper) attributesJSON(s *scanner, f *facts) bool {
	return s.orNull(func() bool {
		return s.elements(func() bool {
			name, v, ok := m.keyValueJSON(s)
			if ok && matter(name) {
				f.learn(name, v)
			}
			return ok
		})
	})
}

func (m *mapper) keyValueJSON(s *scanner) (key string, v value, ok bool) {
	ok = s.members(func(name string) bool {
		switch name {
		case "key":
			return s.textOr(&key)
		case "value":
			return s.orNull(func() bool {
				var ok bool
				v, ok = m.anyJSON(s)
				return ok
			})
		}
		return s.skip(1)
	})
	return key, v, ok
}

// anyJSON reads an AnyValue. Arrays and maps become plain JSON.
func (m *mapper) anyJSON(s *scanner) (v value, ok bool) {
	ok = s.members(func(name string) bool {
		switch name {
		case "arrayValue", "kvlistValue":
			var ok bool
			m.s.json, ok = m.nestedJSON(m.s.json[:0], s, name == "kvlistValue", 1)
			v = m.nested()
			return ok
		}
		return s.scalarJSON(name, &v)
	})
	return v, ok
}

// scalarJSON reads a member of an AnyValue that is neither an array nor a map.
func (s *scanner) scalarJSON(name string, v *value) bool {
	switch name {
	case "stringValue", "bytesValue":
		v.kind = valueText
		return s.textOr(&v.text)
	case "boolValue":
		v.kind, v.n = valueBool, 0
		if s.peek() == 't' {
			v.n = 1
		}
	case "intValue":
		v.kind = valueInt
		raw, ok := s.scalar()
		n, fits := parseInt(raw)
		if v.n = n; ok && !fits {
			return s.fail("intValue must be a 64-bit integer")
		}
		return ok
	case "doubleValue":
		v.kind = valueFloat
		raw, ok := s.scalar()
		v.f, _ = strconv.ParseFloat(raw, 64) // what is no number counts as 0, what is too large as infinite
		return ok
	}
	return s.skip(1)
}

// appendAnyJSON appends an AnyValue as plain JSON; of several values in one the last counts.
func (m *mapper) appendAnyJSON(dst []byte, s *scanner, depth int) ([]byte, bool) {
	if depth > MaxDepth {
		return dst, s.fail("an attribute is nested too deeply")
	}
	start := len(dst)
	var v value
	ok := s.members(func(name string) (ok bool) {
		switch name {
		case "arrayValue", "kvlistValue":
			v.kind = valueJSON
			dst, ok = m.nestedJSON(dst[:start], s, name == "kvlistValue", depth)
			return ok
		}
		return s.scalarJSON(name, &v)
	})
	if v.kind == valueJSON {
		return dst, ok
	}
	return appendBounded(dst[:start], &v), ok
}

// nestedJSON appends {"values": […]} of an array or map.
func (m *mapper) nestedJSON(dst []byte, s *scanner, isMap bool, depth int) ([]byte, bool) {
	dst = append(dst, "[{"[bit(isMap)])
	first := len(dst)
	ok := s.membersNamed("values", func() bool {
		return s.elements(func() (ok bool) {
			if len(dst) > first {
				dst = append(dst, ',')
			}
			if isMap {
				dst, ok = m.entryJSON(dst, s, depth)
			} else {
				dst, ok = m.appendAnyJSON(dst, s, depth+1)
			}
			return ok
		})
	})
	return bounded(append(dst, "]}"[bit(isMap)])), ok
}

// entryJSON appends one KeyValue of a map.
func (m *mapper) entryJSON(dst []byte, s *scanner, depth int) ([]byte, bool) {
	start, key := len(dst), ""
	said := false
	ok := s.members(func(name string) bool {
		switch name {
		case "key":
			return s.textOr(&key)
		case "value":
			return s.orNull(func() (ok bool) {
				dst, ok = m.appendAnyJSON(dst[:start], s, depth+1)
				said = true
				return ok
			})
		}
		return s.skip(1)
	})
	return entry(dst, start, key, said), ok
}

// orNull reads null, or what f reads.
func (s *scanner) orNull(f func() bool) bool { return s.null() || s.what == "" && f() }

// textOr reads a string; null leaves what was there.
func (s *scanner) textOr(p *string) (ok bool) {
	if s.peek() == 'n' {
		return s.word("null")
	}
	*p, ok = s.str()
	return ok
}

// scalar reads a number, or a string that holds one, as text.
func (s *scanner) scalar() (string, bool) {
	if s.peek() == '"' {
		return s.str()
	}
	return s.number()
}

func (s *scanner) fixed(p *uint64) bool {
	if s.peek() == 'n' {
		return s.word("null")
	}
	raw, ok := s.scalar()
	n, fits := parseUint(raw)
	if *p = n; ok && !fits {
		return s.fail("a time must be an unsigned 64-bit integer")
	}
	return ok
}

func (s *scanner) enum(p *int32) bool {
	if s.peek() == 'n' {
		return s.word("null")
	}
	raw, ok := s.number()
	n, fits := parseInt(raw)
	if ok && (!fits || n != int64(int32(n))) {
		return s.fail("an enumeration must be a 32-bit integer")
	}
	*p = int32(n)
	return ok
}

// hexID reads an id; one of another length, or not in hex, is no id.
func (s *scanner) hexID(id []byte) bool {
	var str string
	if !s.textOr(&str) {
		return false
	}
	if len(str) == 2*len(id) {
		if _, err := hex.Decode(id, []byte(str)); err != nil {
			clear(id)
		}
	}
	return true
}
