package decode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tidemark/metrics"
)

// envelope is one Debezium change record. before, after and the values of source
// are JSON; scalars of source are without quotes.
type envelope struct {
	op            string
	before, after string
	at            int64 // when the connector handled the change, Unix ns
	source        map[string]string
	trace, span   string
}

// IsDebezium reports whether a body holds Debezium change records: whether its
// first object has op and source, or a payload that has them.
func IsDebezium(body []byte) bool {
	s := scanner{src: body, b: &Batch{}}
	if s.peek() == '[' {
		s.pos++
	}
	if s.peek() != '{' {
		return false
	}
	start := s.pos
	if some, ok := s.open('{', '}'); !some || !ok {
		return false
	}
	if name, ok := s.key(); !ok || !envelopeMember(name) {
		return false
	}
	s.pos = start
	return isEnvelope(&s, 1)
}

// envelopeMember reports whether a record could start with a member of that name;
// it spares reading an event of tidemark's own twice.
func envelopeMember(name string) bool {
	switch name {
	case "schema", "payload", "before", "after", "source", "op", "transaction", "ts_ms", "ts_us", "ts_ns":
		return true
	}
	return false
}

func isEnvelope(s *scanner, depth int) bool {
	var op, source, payload bool
	ok := s.members(func(name string) bool {
		c := s.peek()
		switch name {
		case "op":
			op = c == '"'
		case "source":
			source = c == '{'
		case "payload":
			if c == '{' && depth == 1 {
				at := *s
				payload = isEnvelope(&at, 2)
			} else {
				payload = c == 'n' && depth == 1 // a tombstone
			}
		}
		return s.skip(1)
	})
	return ok && (op && source || payload)
}

// Debezium reads change records as Debezium's JSON converter writes them, with or
// without the wrapper of schema and payload: one object, an array, or one a line.
// Each makes two events of one write, committed and published. docs/events.md says
// how the write and its key are named. Errors are those of Native.
func Debezium(body []byte, contentType string, o *Options, b *Batch) error {
	body, err := b.fixUTF8(body)
	if err != nil {
		return err
	}
	w := walk{b: b, read: func(s *scanner, index int) bool {
		raw, ok := s.raw()
		if !ok {
			return false
		}
		env, isEnv := b.parseEnvelope(raw)
		if !isEnv {
			b.reject(index, "", metrics.CodeFormatInvalid, "", "a Debezium record must have op and source, or a payload that has them")
			return true
		}
		b.envelope(env, o, index)
		return true
	}}
	return w.body(body, contentType)
}

// parseEnvelope reads a record from JSON that was checked already.
func (b *Batch) parseEnvelope(raw string) (*envelope, bool) { return b.unwrap(raw, 1) }

// unwrap reads a record that is inside at most one wrapper.
func (b *Batch) unwrap(raw string, depth int) (*envelope, bool) {
	env := &envelope{}
	s := scanner{src: bytesOf(raw), b: b}
	payload, clock := "", stamps{}
	ok := s.peek() == '{' && s.members(func(name string) bool {
		v, ok := s.raw()
		switch name {
		case "op":
			env.op = b.unquote(v)
		case "before":
			env.before = notNull(v)
		case "after":
			env.after = notNull(v)
		case "source":
			env.source = b.scalars(v, sourceFields)
		case "payload":
			payload = v
		default:
			clock.learn(name, v)
		}
		return ok
	})
	switch {
	case !ok || s.deep > MaxDepth:
		return nil, false
	case env.op == "" && payload == "null":
		env.op = "tombstone"
		return env, true
	case env.op == "" && depth == 1 && strings.HasPrefix(payload, "{"):
		return b.unwrap(payload, 2)
	}
	env.at = clock.ns()
	return env, env.op != "" && env.source != nil
}

// stamps are the three precisions in which Debezium writes one time.
type stamps struct{ ms, us, nano int64 }

func (t *stamps) learn(name, v string) {
	n, ok := parseInt(v)
	if !ok {
		return
	}
	switch name {
	case "ts_ms":
		t.ms = n
	case "ts_us":
		t.us = n
	case "ts_ns":
		t.nano = n
	}
}

// ns is the time in the best precision there is; 0 when there is none.
func (t *stamps) ns() int64 {
	const farthest = 1 << 62
	switch {
	case t.nano != 0:
		return t.nano
	case t.us != 0 && t.us < farthest/1000 && t.us > -farthest/1000:
		return t.us * 1000
	case t.ms < farthest/1_000_000 && t.ms > -farthest/1_000_000:
		return t.ms * 1_000_000
	}
	return 0
}

func notNull(raw string) string {
	if raw == "null" {
		return ""
	}
	return raw
}

// unquote returns a JSON string's text, and any other value as it is.
func (b *Batch) unquote(raw string) string {
	if !strings.HasPrefix(raw, `"`) {
		return notNull(raw)
	}
	s := scanner{src: bytesOf(raw), b: b}
	str, _ := s.str() // its syntax was checked
	return str
}

// sourceFields are what of a record's source matters.
var sourceFields = []string{
	"connector", "name", "db", "schema", "table", "collection", "ts_ms", "ts_us", "ts_ns", "txId",
	"lsn", "commit_lsn", "change_lsn", "event_serial_no", "scn", "file", "pos", "row", "ord",
}

// scalars reads those members of an object that are asked for: there may be very many.
func (b *Batch) scalars(raw string, names []string) map[string]string {
	if !strings.HasPrefix(raw, "{") {
		return nil
	}
	m := map[string]string{}
	s := scanner{src: bytesOf(raw), b: b}
	s.members(func(name string) bool {
		v, ok := s.raw()
		if slices.Contains(names, name) {
			m[name] = b.unquote(v)
		}
		return ok
	})
	return m
}

// envelopeIn finds a record in a CloudEvent: whole, or with its op and source in
// iodebezium* extensions as Debezium's CloudEvents converter puts them.
func (b *Batch) envelopeIn(ce *cloudEvent) (*envelope, bool) {
	s := scanner{src: bytesOf(ce.data), b: b}
	if s.peek() != '{' {
		return nil, false
	}
	if at := s; isEnvelope(&at, 1) {
		return b.parseEnvelope(ce.data)
	}
	if ce.debezium["op"] == "" || !json.Valid(bytesOf(ce.data)) {
		return nil, false
	}
	data := b.raws(ce.data)
	if strings.HasPrefix(data["payload"], "{") {
		data = b.raws(data["payload"])
	}
	env := &envelope{op: ce.debezium["op"], before: notNull(data["before"]), after: notNull(data["after"]), source: map[string]string{}}
	for name, v := range ce.debezium {
		env.source[extensionField(name)] = v
	}
	if env.at, _ = parseTime(ce.time); env.at == 0 {
		env.at = sourceTime(env.source)
	}
	return env, true
}

// extensionField is the name in source of an extension, which has no underscores
// and no capitals.
func extensionField(name string) string {
	switch name {
	case "tsms":
		return "ts_ms"
	case "tsus":
		return "ts_us"
	case "tsns":
		return "ts_ns"
	case "txid":
		return "txId"
	case "commitlsn":
		return "commit_lsn"
	case "changelsn":
		return "change_lsn"
	case "eventserialno":
		return "event_serial_no"
	}
	return name
}

// raws reads the members of an object that a record's row may be in.
func (b *Batch) raws(raw string) map[string]string {
	m := map[string]string{}
	s := scanner{src: bytesOf(raw), b: b}
	s.members(func(name string) bool {
		v, ok := s.raw()
		if name == "before" || name == "after" || name == "payload" {
			m[name] = v
		}
		return ok
	})
	return m
}

func sourceTime(source map[string]string) int64 {
	var t stamps
	for _, name := range []string{"ts_ms", "ts_us", "ts_ns"} {
		t.learn(name, source[name])
	}
	return t.ns()
}

// envelope adds the two events of a record, or rejects it.
func (b *Batch) envelope(env *envelope, o *Options, index int) {
	switch env.op {
	case "c", "u", "d":
	case "r":
		b.reject(index, "", metrics.CodeOperationIgnored, "op", `op "r" is a row read for a snapshot, not a write`)
		return
	default:
		b.reject(index, "", metrics.CodeOperationIgnored, "op", "op "+shorten(env.op)+" is not a write of one row; c, u and d are")
		return
	}
	name := tableName(env.source)
	t := o.table(name)
	if t == nil {
		b.reject(index, "", metrics.CodeFeatureUnmapped, "source.table", "no feature is mapped to the table "+shorten(name)+"; add it to the tables in the settings")
		return
	}
	b.mapped.set(index)
	key := b.rowKey(env, t)
	write := b.writeOf(env, t, name, key)
	if write == "" {
		b.reject(index, "", metrics.CodeFieldMissing, "write_id", "the record says no position in the database's log, so that an id of its write would be made of what the table's labels hide; name a column that holds the write_id in the settings")
		return
	}
	base := metrics.Event{
		WriteID: write, Feature: t.Feature, Key: key, Entity: name,
		Service: env.source["name"], Mechanism: "cdc", Version: versionOfRow(env.source),
		TraceID: env.trace, SpanID: env.span, Labels: t.Labels,
	}
	setDelta(&base, env)
	b.stageOfRow(index, &base, metrics.KindCommitted, sourceTime(env.source), ":source")
	b.stageOfRow(index, &base, metrics.KindPublished, env.at, ":connector")
}

// stageOfRow adds one of the two events. The database's clock and the connector's
// are two clocks.
func (b *Batch) stageOfRow(index int, base *metrics.Event, kind metrics.Kind, at int64, clock string) {
	if at == 0 {
		b.reject(index, base.WriteID, metrics.CodeTimeMissing, "ts_ms", "the record has no ts_ms for the stage "+kind.String())
		return
	}
	e := b.add(index)
	*e = *base
	e.Kind, e.OccurredAt = kind, at
	e.EventID = base.WriteID + ":" + kind.String()
	if len(e.EventID) > metrics.MaxID {
		e.EventID = b.idFrom("dbz:", e.EventID)
	}
	if base.Service != "" {
		e.ClockID = base.Service + clock
	}
	if kind == metrics.KindPublished {
		e.Delta = "" // once a write is enough
	}
	b.seal(e)
}

// tableName is schema.table, or database.table where there are no schemas.
func tableName(source map[string]string) string {
	table := orElse(source["table"], source["collection"])
	if schema := orElse(source["schema"], source["db"]); schema != "" {
		return schema + "." + table
	}
	return table
}

// rowKey is the row's key: the columns named for the table, else the column id.
func (b *Batch) rowKey(env *envelope, t *Table) string {
	columns := t.Key
	if len(columns) == 0 {
		columns = []string{"id"}
	}
	row := b.scalars(orElse(env.after, env.before), columns)
	values := make([]string, 0, len(columns))
	for _, c := range columns {
		values = append(values, row[c])
	}
	return strings.Join(values, ",")
}

// writeOf names the write: by the column that holds its id, else by where it
// stands in the database's log, so that a record that is sent again is the same. Without
// either it is by what changed, and "" where that has labels: who may not see it could try
// guesses by the id.
func (b *Batch) writeOf(env *envelope, t *Table, table, key string) string {
	if t.WriteID != "" {
		if id := b.scalars(orElse(env.after, env.before), []string{t.WriteID})[t.WriteID]; id != "" {
			return id
		}
	}
	parts := []string{env.source["connector"], env.source["name"], table}
	positioned := false
	for _, field := range []string{"lsn", "commit_lsn", "change_lsn", "event_serial_no", "scn", "file", "pos", "row", "ord", "txId"} {
		if v := env.source[field]; v != "" {
			parts = append(parts, v)
			positioned = true
		}
	}
	if !positioned && len(t.Labels) > 0 {
		return ""
	}
	if !positioned {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%d\x00%s\x00%s\x00%s", sourceTime(env.source), env.at, env.op, env.before, env.after))
		parts = append(parts, hex.EncodeToString(sum[:]))
	}
	return b.idFrom("dbz:", strings.Join(append(parts, key), ":"))
}

// versionOfRow is the log sequence number of PostgreSQL, which rises with every
// change of a row. Other positions are not one number.
func versionOfRow(source map[string]string) metrics.Version {
	if n, ok := parseUint(source["lsn"]); ok {
		return metrics.SeqVersion(n)
	}
	return metrics.Version{}
}

// setDelta keeps what changed. Of rows too large to keep, only hashes are.
func setDelta(e *metrics.Event, env *envelope) {
	orNull := func(raw string) string { return orElse(raw, "null") }
	before, after := orNull(env.before), orNull(env.after)
	e.BeforeHash, e.AfterHash = hashOf(env.before), hashOf(env.after)
	if size := len(`{"op":"c","before":,"after":}`) + len(before) + len(after); size > metrics.MaxDelta {
		e.Attributes = fmt.Sprintf(`{"delta_bytes":%d,"op":%q}`, size, env.op)
		return
	}
	e.Delta = fmt.Sprintf(`{"op":%q,"before":%s,"after":%s}`, env.op, before, after)
}

func hashOf(raw string) string {
	if raw == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:])
}
