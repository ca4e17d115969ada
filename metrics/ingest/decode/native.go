package decode

import (
	"fmt"
	"strings"

	"tidemark/metrics"
)

// fieldError is what was wrong with one field of the event being read.
type fieldError struct {
	code, field, message string
	final                bool // also when the field is given once more
}

// Native reads tidemark's own events: one JSON object, an array of objects, or
// one object a line (NDJSON). application/x-ndjson, application/ndjson,
// application/jsonl and application/x-jsonlines mean lines; otherwise the body
// tells. It returns ErrBody when there is no event in it at all, and ErrTooMany.
func Native(body []byte, contentType string, b *Batch) error {
	body, err := b.fixUTF8(body)
	if err != nil {
		return err
	}
	w := walk{b: b, read: b.native}
	return w.body(body, contentType)
}

// native reads one event object. It returns false after a syntax error.
func (b *Batch) native(s *scanner, index int) bool {
	e := b.add(index)
	if !b.event(s, e) {
		b.drop()
		return false
	}
	b.settle(e, index)
	return true
}

// settle completes the last event, or rejects it for what was found wrong.
func (b *Batch) settle(e *metrics.Event, index int) {
	if len(b.errs) == 0 {
		b.seal(e)
		return
	}
	bad := b.errs[0]
	b.reject(index, e.EventID, bad.code, bad.field, bad.message)
	b.drop()
}

// event reads an object into e. It returns false after a syntax error; b.errs
// then and otherwise lists what was wrong with its fields.
func (b *Batch) event(s *scanner, e *metrics.Event) bool {
	b.errs, b.attrs, b.unkept = b.errs[:0], b.attrs[:0], false
	given := "" // the member attributes, as it was sent
	some, ok := s.open('{', '}')
	for place := 0; some && ok; place++ {
		if !b.member(s, e, &place, &given) {
			return false
		}
		some, ok = s.more('}')
	}
	if ok {
		e.Attributes = b.attributes(given)
	}
	return ok
}

// member reads the next member of an object, expected at a place of the shape, and
// its value.
func (b *Batch) member(s *scanner, e *metrics.Event, place *int, given *string) bool {
	s.space()
	from := s.pos
	if len(b.errs) == 0 {
		if m, at := b.shape.next(*place, s); m != nil {
			*place = at
			if m.isText {
				return b.textMember(s, m, e)
			}
			return b.field(s, e, m.name, s.src[from:s.pos-1], given)
		}
	}
	name, ok := s.str()
	if !ok {
		return false
	}
	quoted := s.src[from:s.pos]
	if !s.take(':', "a colon was expected") {
		return false
	}
	b.shape.learn(*place, e, s.src, from, s.pos, name)
	if len(b.errs) > 0 {
		b.forgive(name)
	}
	return b.field(s, e, name, quoted, given)
}

// forgive forgets what was wrong with a field that is given once more: of
// members with one name the last one counts.
func (b *Batch) forgive(name string) {
	kept := b.errs[:0]
	for _, x := range b.errs {
		if x.field != name || x.final {
			kept = append(kept, x)
		}
	}
	b.errs = kept
}

// wrong notes what is wrong with a field. Once is enough: only the first mistake of an
// event is told.
func (b *Batch) wrong(code, field, message string) {
	for i := range b.errs {
		if b.errs[i].field == field {
			return
		}
	}
	b.errs = append(b.errs, fieldError{code: code, field: field, message: message})
}

// field reads the value of one member.
func (b *Batch) field(s *scanner, e *metrics.Event, name string, quoted []byte, given *string) bool {
	if p := e.Text(name); p != nil {
		return b.textField(s, p, name)
	}
	switch name {
	case "kind":
		return b.kindField(s, e)
	case "occurred_at":
		return b.timeField(s, e)
	case "version":
		return b.versionField(s, e)
	case "delta":
		return b.rawField(s, &e.Delta, name)
	case "attributes":
		return b.attributesField(s, given)
	case "attempt":
		return b.attemptField(s, e)
	case "auto":
		return b.boolField(s, &e.Auto, name)
	}
	if p := e.Integer(name); p != nil {
		return b.integerField(s, e, p, name)
	}
	if p := e.List(name); p != nil {
		return b.listField(s, p, name)
	}
	return b.unknownField(s, quoted)
}

func (b *Batch) versionField(s *scanner, e *metrics.Event) bool {
	if n, ok := s.seq(); ok {
		e.Version = metrics.SeqVersion(n)
		return true
	}
	if s.peek() == 'n' {
		e.Version = metrics.Version{}
		return s.word("null")
	}
	v, bad, ok := s.version()
	if e.Version = v; bad != "" {
		b.wrong(metrics.CodeVersionInvalid, "version", bad)
	}
	return ok
}

// textMember reads the value of a text field that the shape has foreseen.
func (b *Batch) textMember(s *scanner, m *member, e *metrics.Event) bool {
	p := m.field(e)
	if m.again(s) {
		*p = m.last
		return true
	}
	from := s.pos
	if !b.textField(s, p, m.name) {
		return false
	}
	m.last = ""
	if s.pos-from == len(*p)+2 { // as sent: neither escapes nor spaces
		m.last = *p
	}
	return true
}

func (b *Batch) textField(s *scanner, p *string, name string) (ok bool) {
	if s.peek() == '"' {
		*p, ok = s.str()
		return ok
	}
	return b.notText(s, p, name)
}

// notText reads a value where text was wanted: null, or a mistake.
func (b *Batch) notText(s *scanner, p *string, name string) bool {
	*p = ""
	if s.peek() == 'n' {
		return s.word("null")
	}
	b.wrong(metrics.CodeFieldInvalid, name, name+" must be a string")
	return s.skip(1)
}

func (b *Batch) kindField(s *scanner, e *metrics.Event) bool {
	var name string
	if !b.textField(s, &name, "kind") {
		return false
	}
	var known bool
	if e.Kind, known = metrics.ParseKind(name); !known && name != "" {
		b.wrong(metrics.CodeKindUnknown, "kind", fmt.Sprintf("kind %s is not known; it must be one of %s", shorten(name), kinds()))
	}
	return true
}

func (b *Batch) timeField(s *scanner, e *metrics.Event) bool {
	const forms = "occurred_at must be RFC 3339, like 2026-01-31T09:30:00.123456789Z, or integer Unix nanoseconds"
	if n, ok := s.whole(); ok {
		e.OccurredAt = n
		return true
	}
	e.OccurredAt = 0
	var good bool
	switch c := s.peek(); {
	case c == '"':
		str, ok := s.str()
		if !ok {
			return false
		}
		e.OccurredAt, good = parseTime(str)
	case c == '-' || c-'0' <= 9:
		num, ok := s.number()
		if !ok {
			return false
		}
		e.OccurredAt, good = parseInt(num)
	case c == 'n':
		return s.word("null")
	default:
		good = false
		if !s.skip(1) {
			return false
		}
	}
	if !good {
		b.wrong(metrics.CodeTimeInvalid, "occurred_at", forms)
	}
	return true
}

// rawField keeps a value as the JSON that it is.
func (b *Batch) rawField(s *scanner, p *string, name string) (ok bool) {
	*p = ""
	if s.peek() == 'n' {
		return s.word("null")
	}
	s.deep = 0
	*p, ok = s.raw()
	if s.deep > MaxDepth {
		b.wrong(metrics.CodeFieldInvalid, name, fmt.Sprintf("%s is nested %d deep; at most %d is allowed", name, s.deep, MaxDepth))
	}
	return ok
}

func (b *Batch) attributesField(s *scanner, given *string) bool {
	first := s.peek()
	if !b.rawField(s, given, "attributes") {
		return false
	}
	if *given != "" && first != '{' {
		*given = ""
		b.wrong(metrics.CodeFieldInvalid, "attributes", "attributes must be an object")
	}
	return true
}

// integer reads a whole number; null is 0 and said is false. ok is false after a
// syntax error.
func (b *Batch) integer(s *scanner, name string) (n int64, said, ok bool) {
	c := s.peek()
	if c == 'n' {
		return 0, false, s.word("null")
	}
	if n, ok = s.whole(); ok {
		return n, true, true
	}
	fits := false
	if c == '-' || c-'0' <= 9 {
		var num string
		if num, ok = s.number(); !ok {
			return 0, false, false
		}
		n, fits = parseInt(num)
	} else if !s.skip(1) {
		return 0, false, false
	}
	if !fits {
		b.wrong(metrics.CodeFieldInvalid, name, name+" must be a 64-bit integer")
	}
	return n, true, true
}

func (b *Batch) integerField(s *scanner, e *metrics.Event, p *int64, name string) (ok bool) {
	var said bool
	*p, said, ok = b.integer(s, name)
	if p == &e.ClockOffset {
		e.HasOffset = said
	}
	return ok
}

func (b *Batch) attemptField(s *scanner, e *metrics.Event) bool {
	n, _, ok := b.integer(s, "attempt")
	if n < 0 || n > metrics.MaxAttempt {
		b.wrong(metrics.CodeValueOutOfRange, "attempt", fmt.Sprintf("attempt is %d; it must be between 1 and %d", n, metrics.MaxAttempt))
		n = 0
	}
	e.Attempt = int32(n)
	return ok
}

func (b *Batch) boolField(s *scanner, p *metrics.Tri, name string) bool {
	*p = metrics.Unsaid
	switch s.peek() {
	case 't':
		*p = metrics.Yes
		return s.word("true")
	case 'f':
		*p = metrics.No
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	b.wrong(metrics.CodeFieldInvalid, name, name+" must be true or false")
	return s.skip(1)
}

// listField reads an array of strings.
func (b *Batch) listField(s *scanner, p *[]string, name string) bool {
	*p = nil
	switch s.peek() {
	case 'n':
		return s.word("null")
	case '[':
	default:
		b.wrong(metrics.CodeFieldInvalid, name, name+" must be an array of strings")
		return s.skip(1)
	}
	n, good, ok := b.listItems(s)
	if !good {
		b.wrong(metrics.CodeFieldInvalid, name, name+" must be an array of strings")
	}
	b.listDone(p, n, name)
	return ok
}

// listItems gathers the strings of an array in b.list and returns how many there are.
// good is false when there are other things among them, ok after a syntax error.
func (b *Batch) listItems(s *scanner) (n int, good, ok bool) {
	b.list = b.list[:0]
	good = true
	some, ok := s.open('[', ']')
	for some && ok {
		if s.peek() == '"' {
			var item string
			item, ok = s.str()
			n = b.listed(item, n)
		} else {
			good, ok = false, s.skip(1)
		}
		if ok {
			some, ok = s.more(']')
		}
	}
	return n, good, ok
}

// listed adds one more item to the n that were in a list; those that no list may have
// are only counted.
func (b *Batch) listed(item string, n int) int {
	if n < longestList {
		b.list = append(b.list, item)
	}
	return n + 1
}

// listDone sets a field to what was gathered in b.list of n items.
func (b *Batch) listDone(p *[]string, n int, name string) {
	if n > longestList {
		b.wrong(metrics.CodeFieldTooLong, name, fmt.Sprintf("%s has %d items; no list may have more than %d", name, n, longestList))
		return
	}
	*p = b.keepList()
}

// unknownField keeps a member that is not a field for the event's attributes.
func (b *Batch) unknownField(s *scanner, quoted []byte) bool {
	s.deep = 0
	value, ok := s.raw()
	if s.deep >= MaxDepth && !b.unkept {
		b.unkept = true
		b.errs = append(b.errs, fieldError{
			metrics.CodeFieldInvalid, "attributes", fmt.Sprintf("a field that is not known is nested %d deep; at most %d is allowed", s.deep, MaxDepth-1), true,
		})
	}
	b.attrs = append(append(b.attrs, ','), quoted...)
	b.attrs = append(append(b.attrs, ':'), value...)
	return ok
}

// attributes joins the member attributes, as it was given, with the unknown
// members.
func (b *Batch) attributes(given string) string {
	if len(b.attrs) == 0 {
		if given == "" || isEmptyObject(given) {
			return ""
		}
		return given
	}
	start := b.room(len(given) + len(b.attrs) + 2)
	if given == "" || isEmptyObject(given) {
		b.arena = append(append(b.arena, '{'), b.attrs[1:]...)
	} else {
		b.arena = append(append(b.arena, given[:len(given)-1]...), b.attrs...)
	}
	b.arena = append(b.arena, '}')
	return text(b.arena[start:])
}

func isEmptyObject(raw string) bool {
	return len(strings.TrimSpace(raw[1:len(raw)-1])) == 0
}
