package eval

import "github.com/cespare/xxhash/v2"

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
	before := AppendQuoted([]byte(`{"key":`), key)
	before = append(before, `,"value":`...)
	start := len(before)
	before = append(before, json...)
	end := len(before)
	before = append(before, `,"reason":"`...)
	after := AppendQuoted([]byte(`","variant":`), name)
	return variant{
		name: name, value: value, json: before[start:end:end], model: modelOf(value),
		before: before, after: append(after, `,"metadata":`...), sum: xxhash.Sum64String(name),
	}
}
