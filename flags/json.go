package flags

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// JSONMistake says in the words of JSON, and not of the program, why a decoder refused a
// text: the member, when it is known, and what is wrong with it.
func JSONMistake(err error) (field, message string) {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return t.Field, fmt.Sprintf("is %s; want %s", jsonValue(t.Value), jsonKind(t.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return strings.Trim(name, `"`), "is not known here"
	}
	if errors.Is(err, io.EOF) {
		return "", "is empty"
	}
	return "", "is not JSON: " + strings.TrimPrefix(err.Error(), "json: ")
}

// jsonValue is what stands in the text; the decoder says of a number which it is.
func jsonValue(said string) string {
	kind, rest, _ := strings.Cut(said, " ")
	switch kind {
	case "array", "object":
		return strings.TrimSpace("an " + kind + " " + rest)
	}
	return strings.TrimSpace("a " + kind + " " + rest)
}

func jsonKind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	default:
		return "an object"
	}
}
