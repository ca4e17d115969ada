package eval

import "github.com/cespare/xxhash/v2"

// AppendJSON appends the answer as the OpenFeature Remote Evaluation Protocol writes
// it: an evaluation, or why there is none.
func (r *Result) AppendJSON(b []byte) []byte {
	if r.Code != CodeNone {
		b = append(b, `{"key":`...)
		b = appendQuoted(b, r.Key)
		b = append(b, `,"errorCode":"`...)
		b = append(b, r.Code...)
		b = append(b, `","errorDetails":`...)
		return append(appendQuoted(b, r.Details), '}')
	}
	if v := r.written; v != nil {
		b = append(b, v.before...)
		b = append(b, r.Reason...)
		b = append(b, v.after...)
	} else { // Without a value the client takes its own default: it has none for null.
		b = append(b, `{"key":`...)
		b = appendQuoted(b, r.Key)
		b = append(b, `,"reason":"`...)
		b = append(b, r.Reason...)
		b = append(b, `","metadata":`...)
	}
	return append(r.Metadata.AppendJSON(b), '}')
}

// newVariant writes what every answer with a variant says before and after its reason.
func newVariant(key, name string, value any, json []byte) variant {
	before := appendQuoted([]byte(`{"key":`), key)
	before = append(before, `,"value":`...)
	start := len(before)
	before = append(before, json...)
	end := len(before)
	before = append(before, `,"reason":"`...)
	after := appendQuoted([]byte(`","variant":`), name)
	return variant{
		name: name, value: value, json: before[start:end:end], model: modelOf(value),
		before: before, after: append(after, `,"metadata":`...), sum: xxhash.Sum64String(name),
	}
}
