package flags_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tidemark/flags"
)

func TestJSONMistakesAreSaidInWordsOfJSON(t *testing.T) {
	t.Parallel()
	type inner struct {
		Share *float64 `json:"share"`
	}
	type body struct {
		Name  string            `json:"name"`
		On    bool              `json:"on"`
		Count uint8             `json:"count"`
		List  []inner           `json:"list"`
		Map   map[string]string `json:"map"`
	}
	for text, want := range map[string][2]string{
		``:                         {"", "is empty"},
		`[]`:                       {"", "is an array; want an object"},
		`{"name":1}`:               {"name", "is a number; want a string"},
		`{"name":{}}`:              {"name", "is an object; want a string"},
		`{"on":"yes"}`:             {"on", "is a string; want true or false"},
		`{"count":300}`:            {"count", "is a number 300; want a whole number"},
		`{"list":{}}`:              {"list", "is an object; want an array"},
		`{"list":[{"share":"x"}]}`: {"list.share", "is a string; want a number"},
		`{"map":[]}`:               {"map", "is an array; want an object"},
		`{"nam":"x"}`:              {"nam", "is not known here"},
		`{"name":"x"`:              {"", "is not JSON: unexpected EOF"},
		`{"name":x}`:               {"", "is not JSON: invalid character 'x' looking for beginning of value"},
	} {
		var b body
		dec := json.NewDecoder(strings.NewReader(text))
		dec.DisallowUnknownFields()
		field, message := flags.JSONMistake(dec.Decode(&b))
		if field != want[0] || message != want[1] || strings.Contains(message, "Go ") {
			t.Errorf("%s: %q %q; want %q", text, field, message, want)
		}
	}
}
