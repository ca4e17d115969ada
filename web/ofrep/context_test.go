package ofrep

import (
	"encoding/json"
	"reflect"
	"testing"

	"tidemark/flags/eval"
)

// FuzzParse holds the parser to encoding/json: the same contexts, and nothing taken
// that is no JSON.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"context":{"targetingKey":"u","n":-0,"f":1.5e3,"l":[1,"a",null,true,{}],"o":{"a":{"b":[]}}}}`,
		`{"context":{"é":"\u00e9\n","bad":"` + "\xff" + `","a":1,"a":2},"other":[{}],"context":{"b":123456789012345678}}`,
		`{"context":null}`, ` { } `, `{"context":{"a":01}}`, `{"context":{"a":1e999}}`, "{\"a\":\"\x01\"}", `{"a":"\ud800"}`, `[]`, `{"context":{"a":"\x"}}`, "\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := eval.Context{}
		if parseRequest(s, got) != nil || (&parser{text: s}).space() == 0 {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatalf("%q is no JSON: %v", s, err)
		}
		ctx, _ := want["context"].(map[string]any)
		if len(ctx)+len(got) > 0 && !reflect.DeepEqual(map[string]any(got), ctx) {
			t.Errorf("%q: %v, want %v", s, got, ctx)
		}
	})
}
