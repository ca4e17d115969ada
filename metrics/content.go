package metrics

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ContentID is the event_id of an event whose sender gave none: SHA-256, in hex,
// over everything that the sender said. Two events have the same ContentID
// exactly when they say the same; event_id and observed_at do not take part, nor
// does white space between the tokens of delta and attributes.
func ContentID(e *Event) string {
	sum := sha256.Sum256(appendContent(make([]byte, 0, maxCanonical), e))
	return hex.EncodeToString(sum[:])
}

// ToldID is an event's id for who may not see what the event says: "" for one that may be
// its ContentID, by which guesses could be tried.
func ToldID(id string) string {
	if _, err := hex.DecodeString(id); err == nil && len(id) == hex.EncodedLen(sha256.Size) {
		return ""
	}
	return id
}

// AppendContentID appends ContentID to dst, using scratch for working memory; it
// returns both so that a caller can use them again.
func AppendContentID(dst, scratch []byte, e *Event) (id, grown []byte) {
	grown = appendContent(scratch[:0], e)
	sum := sha256.Sum256(grown)
	return hex.AppendEncode(dst, sum[:]), grown
}

// appendContent writes each field that was said as tag, length and bytes, so that
// no two different events have the same encoding.
func appendContent(b []byte, e *Event) []byte {
	b = append(b, byte(e.Kind))
	for tag, s := range [...]*string{
		&e.WriteID, &e.Feature, &e.Key, &e.Entity, &e.Service, &e.Replica, &e.Region,
		&e.ClockID, &e.SessionID, &e.TraceID, &e.SpanID, &e.Actor, &e.BeforeHash,
		&e.AfterHash, &e.Owner, &e.Flag, &e.Variant, &e.Model, &e.Unit, &e.Mechanism,
		&e.ConflictID, &e.Rule, &e.RuleVersion, &e.Winner, &e.Outcome, &e.Reason,
	} {
		b = appendText(b, byte(tag+1), *s)
	}
	for tag, n := range [...]int64{e.OccurredAt, e.ClockOffset, e.ClockError, e.SessionSeq, int64(e.Attempt), int64(e.Auto)} {
		b = appendNumber(b, byte(tag+64), uint64(n))
	}
	if e.HasOffset {
		b = append(b, 80)
	}
	for tag, list := range [...]*[]string{&e.Parents, &e.Labels, &e.Expect, &e.With} {
		for _, s := range *list {
			b = append(b, byte(tag+96))
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	b = appendNumber(b, 112, uint64(e.Version.Kind))
	b = appendNumber(b, 113, e.Version.Seq)
	b = appendText(b, 114, e.Version.Text)
	b = appendJSON(b, 115, e.Delta)
	return appendJSON(b, 116, e.Attributes)
}

func appendText(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendNumber(b []byte, tag byte, n uint64) []byte {
	if n == 0 {
		return b
	}
	return binary.AppendUvarint(append(b, tag), n)
}

// appendJSON writes raw JSON without the white space between its tokens, ended by
// a byte that JSON cannot hold.
func appendJSON(b []byte, tag byte, raw string) []byte {
	if raw == "" {
		return b
	}
	b = append(b, tag)
	inString := false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case inString && c == '\\' && i+1 < len(raw):
			b = append(b, c)
			i++
			c = raw[i]
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		b = append(b, c)
	}
	return append(b, 0)
}
