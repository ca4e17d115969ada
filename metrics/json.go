package metrics

import (
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the event as one JSON object in the wire format, without
// white space or a line break, and returns the extended slice. Fields that say
// nothing are left out. ObservedAt is not written: a server sets it. Attributes
// become members of the object again, as their sender wrote them; text that is
// not UTF-8 is written with U+FFFD. It never fails: Delta and Attributes are
// taken to be valid JSON, as the decoders and Validate leave them.
func (e *Event) AppendJSON(dst []byte) []byte {
	w := objectWriter{append(dst, '{')}
	w.text("event_id", e.EventID)
	w.text("kind", e.Kind.String())
	w.text("write_id", e.WriteID)
	w.text("feature", e.Feature)
	w.text("key", e.Key)
	w.text("entity", e.Entity)
	w.text("service", e.Service)
	w.text("replica", e.Replica)
	w.text("region", e.Region)
	w.integer("occurred_at", e.OccurredAt)
	w.text("clock_id", e.ClockID)
	if e.HasOffset {
		w.name("clock_offset_ns")
		w.b = strconv.AppendInt(w.b, e.ClockOffset, 10)
		w.integer("clock_error_ns", e.ClockError)
	}
	w.version(e.Version)
	w.list("parents", e.Parents)
	w.text("session_id", e.SessionID)
	w.integer("session_seq", e.SessionSeq)
	w.integer("attempt", int64(e.Attempt))
	e.appendProvenance(&w)
	e.appendPolicy(&w)
	e.appendConflict(&w)
	if n := len(e.Attributes); n > 2 {
		w.comma()
		w.b = append(w.b, e.Attributes[1:n-1]...)
	}
	return append(w.b, '}')
}

// MarshalJSON implements json.Marshaler; see AppendJSON.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

func (e *Event) appendProvenance(w *objectWriter) {
	w.text("trace_id", e.TraceID)
	w.text("span_id", e.SpanID)
	w.text("actor", e.Actor)
	w.raw("delta", e.Delta)
	w.text("before_hash", e.BeforeHash)
	w.text("after_hash", e.AfterHash)
}

func (e *Event) appendPolicy(w *objectWriter) {
	w.text("owner", e.Owner)
	w.list("labels", e.Labels)
	w.text("flag", e.Flag)
	w.text("variant", e.Variant)
	w.text("model", e.Model)
	w.text("unit", e.Unit)
	w.list("expect", e.Expect)
	w.text("mechanism", e.Mechanism)
}

func (e *Event) appendConflict(w *objectWriter) {
	w.text("conflict_id", e.ConflictID)
	w.list("with", e.With)
	w.text("rule", e.Rule)
	w.text("rule_version", e.RuleVersion)
	w.text("winner", e.Winner)
	w.text("outcome", e.Outcome)
	switch e.Auto {
	case Yes:
		w.raw("auto", "true")
	case No:
		w.raw("auto", "false")
	case Unsaid:
	}
	w.text("reason", e.Reason)
}

// objectWriter appends the members of one JSON object.
type objectWriter struct{ b []byte }

func (w *objectWriter) comma() {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
}

func (w *objectWriter) name(s string) {
	w.comma()
	w.b = append(append(append(w.b, '"'), s...), '"', ':')
}

func (w *objectWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.b = appendQuoted(w.b, s)
	}
}

func (w *objectWriter) raw(name, json string) {
	if json != "" {
		w.name(name)
		w.b = append(w.b, json...)
	}
}

func (w *objectWriter) integer(name string, n int64) {
	if n != 0 {
		w.name(name)
		w.b = strconv.AppendInt(w.b, n, 10)
	}
}

func (w *objectWriter) list(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = appendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
}

func (w *objectWriter) version(v Version) {
	switch v.Kind {
	case VersionSeq:
		w.raw("version", `{"seq":`)
		w.b = append(strconv.AppendUint(w.b, v.Seq, 10), '}')
	case VersionHLC:
		w.raw("version", `{"hlc":`)
		w.b = append(appendQuoted(w.b, v.Text), '}')
	case VersionVV:
		w.raw("version", `{"vv":{`)
		v.vv(func(node string, n uint64) bool {
			w.comma()
			w.b = append(appendQuoted(w.b, node), ':')
			w.b = strconv.AppendUint(w.b, n, 10)
			return true
		})
		w.b = append(w.b, '}', '}')
	case VersionNone:
	}
}

// appendQuoted appends s as a JSON string. Runs that need no escape, which is
// nearly all there is, are copied whole.
func appendQuoted(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[from:i]...), "\ufffd"...)
		} else {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
