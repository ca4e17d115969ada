package eval

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// AppendJSON appends the answer as the OpenFeature Remote Evaluation Protocol writes
// it: an evaluation, or why there is none.
func (r *Result) AppendJSON(b []byte) []byte {
	if r.Code != CodeNone {
		b = append(b, `{"key":`...)
		b = append(AppendQuoted(b, r.Key), ',')
		return append(AppendFailure(b, r.Code, r.Details), '}')
	}
	if v := r.written; v != nil {
		b = append(b, v.before...)
		b = append(b, r.Reason...)
		b = append(b, v.after...)
	} else { // Without a value the client takes its own default: it has none for null.
		b = append(b, `{"key":`...)
		b = AppendQuoted(b, r.Key)
		b = append(b, `,"reason":"`...)
		b = append(b, r.Reason...)
		b = append(b, `","metadata":`...)
	}
	return r.Metadata.appendEnd(b)
}

// AppendFailure appends the protocol's members of an error, without braces.
func AppendFailure(b []byte, code ErrorCode, details string) []byte {
	b = append(b, `"errorCode":"`...)
	b = append(b, code...)
	b = append(b, `","errorDetails":`...)
	return AppendQuoted(b, details)
}

// newVariant writes what every answer with a variant says before and after its reason.
func newVariant(key, name string, value any, json []byte) variant {
	b := AppendQuoted([]byte(`{"key":`), key)
	b = append(b, `,"value":`...)
	start := len(b)
	b = append(b, json...)
	end := len(b)
	b = append(b, `,"reason":"`...)
	split := len(b)
	b = append(AppendQuoted(append(b, `","variant":`...), name), `,"metadata":`...)
	b = slices.Clip(slices.Clone(b)) // One piece of memory, and no larger than it must be.
	return variant{
		name: name, value: value, json: b[start:end:end], model: modelOf(value),
		before: b[:split:split], after: b[split:], sum: xxhash.Sum64String(name),
	}
}
