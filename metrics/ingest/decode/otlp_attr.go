package decode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tidemark/metrics"
)

// longestField is longer than the name of any field.
const longestField = 24

func itoa(i int) string { return strconv.Itoa(i) }

// apply sets fields from tidemark.* attributes. A dot in a name stands for an
// underscore in the field's: tidemark.write.id is write_id.
func (m *mapper) apply(e *metrics.Event, own []attribute) {
	for i := range own {
		a := &own[i]
		if a.value.kind == valueLong {
			m.b.wrong(metrics.CodeFieldTooLong, ownPrefix+a.name, fmt.Sprintf("%s%s is more than %d bytes long as JSON", ownPrefix, a.name, longestJSON))
			continue
		}
		var buf [longestField]byte
		if len(a.name) > len(buf) {
			m.unknown(a)
			continue
		}
		n := copy(buf[:], a.name)
		for j := range n {
			if buf[j] == '.' {
				buf[j] = '_'
			}
		}
		m.set(e, text(buf[:n]), a)
	}
}

// set sets one field. field is only valid during the call.
func (m *mapper) set(e *metrics.Event, field string, a *attribute) {
	v := &a.value
	if p := e.Text(field); p != nil {
		m.setText(p, v, a)
		return
	}
	if p := e.Integer(field); p != nil {
		n, ok := v.integer()
		if !ok {
			m.mistake(a, " must be an integer")
		}
		*p = n
		e.HasOffset = e.HasOffset || p == &e.ClockOffset
		return
	}
	if p := e.List(field); p != nil {
		before := *p
		m.setList(p, v, a)
		if p == &e.Labels {
			m.joinLabels(p, before)
		}
		return
	}
	m.setOther(e, field, a)
}

func (m *mapper) setOther(e *metrics.Event, field string, a *attribute) {
	v := &a.value
	switch field {
	case "occurred_at":
		m.setTime(e, a)
	case "version", "version_seq", "version_hlc":
		m.setVersion(e, field, a)
	case "delta":
		e.Delta = m.delta(v)
	case "attempt":
		n, ok := v.integer()
		if !ok || n < 0 || n > metrics.MaxAttempt {
			m.mistake(a, " must be an integer from 1 to "+strconv.Itoa(metrics.MaxAttempt))
			return
		}
		e.Attempt = int32(n)
	case "auto":
		switch {
		case v.kind != valueBool:
			m.mistake(a, " must be a boolean")
		case v.n != 0:
			e.Auto = metrics.Yes
		default:
			e.Auto = metrics.No
		}
	default:
		m.unknown(a)
	}
}

// mistake records that an attribute's value is of no use.
func (m *mapper) mistake(a *attribute, must string) {
	m.b.wrong(metrics.CodeFieldInvalid, ownPrefix+a.name, ownPrefix+a.name+must)
}

func (m *mapper) setText(p *string, v *value, a *attribute) {
	switch v.kind {
	case valueText:
		*p = v.text
	case valueInt:
		*p = m.b.keep(strconv.AppendInt(m.b.scratch[:0], v.n, 10))
	default:
		m.mistake(a, " must be a string")
	}
}

// setList takes an array of strings, or one string with commas.
func (m *mapper) setList(p *[]string, v *value, a *attribute) {
	switch v.kind {
	case valueText:
		n := 0
		m.b.list = m.b.list[:0]
		for item := range strings.SplitSeq(v.text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				n = m.b.listed(item, n)
			}
		}
		m.b.listDone(p, n, ownPrefix+a.name)
	case valueJSON:
		s := scanner{src: bytesOf(v.text), b: m.b}
		if s.peek() == '[' {
			if n, good, ok := m.b.listItems(&s); good && ok {
				m.b.listDone(p, n, ownPrefix+a.name)
				return
			}
		}
		fallthrough
	default:
		m.mistake(a, " must be an array of strings")
	}
}

// joinLabels puts labels that were said before in front of those that are said now: what a
// resource says of all it sends, none of its spans takes back.
func (m *mapper) joinLabels(p *[]string, before []string) {
	if len(before) == 0 {
		return
	}
	b := m.b
	b.list = append(b.list[:0], before...)
	n := len(before)
	for _, l := range *p {
		if !slices.Contains(before, l) {
			n = b.listed(l, n)
		}
	}
	*p = before
	if n > len(before) {
		b.listDone(p, n, ownPrefix+"labels")
	}
}

func (m *mapper) setTime(e *metrics.Event, a *attribute) {
	v := &a.value
	ok := v.kind == valueInt
	e.OccurredAt = v.n
	if v.kind == valueText {
		e.OccurredAt, ok = parseTime(v.text)
	}
	if !ok {
		m.b.wrong(metrics.CodeTimeInvalid, ownPrefix+a.name, ownPrefix+a.name+" must be RFC 3339 or integer Unix nanoseconds")
	}
}

// setVersion takes an integer (a sequence number), text as metrics.ParseVersion
// reads it, or the same object as in an event, as text or as a map.
func (m *mapper) setVersion(e *metrics.Event, field string, a *attribute) {
	v, bad := &a.value, ""
	switch {
	case v.kind == valueInt && v.n >= 0 && field != "version_hlc":
		e.Version = metrics.SeqVersion(uint64(v.n))
	case v.kind == valueText && field == "version_hlc":
		e.Version, bad = hlcVersion(v.text)
	case v.kind == valueJSON || v.kind == valueText && strings.HasPrefix(v.text, "{"):
		s := scanner{src: bytesOf(v.text), b: m.b}
		var ok bool
		if e.Version, bad, ok = s.version(); !ok {
			bad = versionForms
		}
	case v.kind == valueText:
		if n, ok := parseUint(v.text); ok {
			e.Version = metrics.SeqVersion(n)
			return
		}
		var err error
		if e.Version, err = metrics.ParseVersion(v.text); err != nil {
			bad = err.Error()
		}
	default:
		bad = versionForms
	}
	if bad != "" {
		m.b.wrong(metrics.CodeVersionInvalid, ownPrefix+a.name, bad)
	}
}

// unknown keeps an attribute that is not a field, without its prefix.
func (m *mapper) unknown(a *attribute) {
	b := m.b
	if len(b.attrs)+len(a.name)+len(a.value.text) > metrics.MaxAttributes {
		if len(b.errs) == 0 {
			b.wrong(metrics.CodeAttributesTooLarge, "attributes", fmt.Sprintf("attributes, with the fields that are not known, are more than %d bytes long", metrics.MaxAttributes))
		}
		return
	}
	name, _ := json.Marshal(a.name) // a string always marshals
	b.attrs = append(append(append(b.attrs, ','), name...), ':')
	if a.value.isJSON() {
		b.attrs = append(b.attrs, a.value.text...)
		return
	}
	b.attrs = appendValue(b.attrs, &a.value)
}

// delta returns a value as JSON; one that is too long is not worth the work.
func (m *mapper) delta(v *value) string {
	if len(v.text) > metrics.MaxDelta || v.isJSON() {
		return v.text
	}
	return m.b.keep(appendValue(nil, v))
}

// isJSON reports whether the text of a value is JSON already, and is left as it is.
func (v *value) isJSON() bool {
	if v.kind != valueText {
		return v.kind == valueJSON
	}
	s := scanner{src: bytesOf(v.text)}
	c := s.peek()
	return (c == '{' || c == '[') && s.skip(1) && s.deep <= MaxDepth && s.peek() == 0 && s.pos == len(s.src)
}

// nested is the array or map in m.s.json.
func (m *mapper) nested() value {
	if len(m.s.json) > longestJSON {
		return value{kind: valueLong}
	}
	return value{kind: valueJSON, text: m.b.keep(m.s.json)}
}

// bounded cuts an array or map that is being written once it is too long for any field;
// its length then says so.
func bounded(dst []byte) []byte { return dst[:min(len(dst), longestJSON+1)] }

// overlong is too long for any field, whatever it holds.
func overlong(dst []byte) []byte {
	return slices.Grow(dst, max(0, longestJSON+1-len(dst)))[:longestJSON+1]
}

// appendBounded appends a scalar, unless that makes more than any field takes.
func appendBounded(dst []byte, v *value) []byte {
	if len(dst)+len(v.text) > longestJSON {
		return overlong(dst)
	}
	return bounded(appendValue(dst, v))
}

// entry puts the key before the value that dst has from start on.
func entry(dst []byte, start int, key string, said bool) []byte {
	if !said {
		dst = append(dst, "null"...)
	}
	if len(dst)+len(key) > longestJSON {
		return overlong(dst)
	}
	quoted, _ := json.Marshal(key) // a string always marshals
	return bounded(slices.Insert(dst, start, append(quoted, ':')...))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// integer reads a value that should be a whole number.
func (v *value) integer() (int64, bool) {
	switch v.kind {
	case valueInt:
		return v.n, true
	case valueText:
		return parseInt(v.text)
	}
	return 0, false
}

// appendValue appends a scalar as JSON.
func appendValue(dst []byte, v *value) []byte {
	var out []byte
	var err error
	switch v.kind {
	case valueText:
		out, err = json.Marshal(v.text)
	case valueFloat:
		if out, err = json.Marshal(v.f); err != nil { // NaN and infinities
			out, err = json.Marshal(strconv.FormatFloat(v.f, 'g', -1, 64))
		}
	case valueInt:
		return strconv.AppendInt(dst, v.n, 10)
	case valueBool:
		return strconv.AppendBool(dst, v.n != 0)
	case valueJSON:
		return append(dst, v.text...)
	}
	if err != nil || out == nil {
		return append(dst, "null"...)
	}
	return append(dst, out...)
}
