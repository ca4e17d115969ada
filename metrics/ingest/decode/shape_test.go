package decode

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestShapeChangesNothing: whatever order, omissions, repetitions, spaces and escapes
// the events of one request show, each is read as it would be alone.
func TestShapeChangesNothing(t *testing.T) {
	t.Parallel()
	members := []string{
		`"event_id":"e1"`, `"event_id" : "e2"`, `"kind":"applied"`, `"kind":"nonsense"`, `"kind":7`,
		`"write_id":"w1"`, `"write_id":"w2"`, `"write_id":"w1\\u0032"`, `"write_id": "w1"`, `"write_id":""`, `"feature":"f"`, `"feature":null`, `"key":"k"`, `"k\u0065y":"escaped"`,
		`"replica":"r"`, `"replica":12`, `"occurred_at":1`, `"occurred_at":"never"`, `"session_seq":3`,
		`"session_seq":"x"`, `"expect":["a","b"]`, `"expect":[1]`, `"version":{"seq":4}`, `"delta":{"a":[1]}`,
		`"attributes":{"x":1}`, `"unknown":true`, `"":1`, `"attempt":2`, `"auto":false`,
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			gap := rapid.SampledFrom([]string{",", ", ", ",\t"}).Draw(t, "gap")
			return "{" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(members), 0, 12).Draw(t, "members"), gap) + "}"
		}), 1, 12).Draw(t, "lines")
		var together Batch
		if err := Native([]byte(strings.Join(lines, "\n")), "application/x-ndjson", &together); err != nil {
			t.Fatal(err)
		}
		var apart Batch
		for i, line := range lines {
			var one Batch
			if err := Native([]byte(line), "application/x-ndjson", &one); err != nil {
				t.Fatal(err)
			}
			apart.Events = append(apart.Events, one.Events...)
			for _, r := range one.Rejected {
				r.Index = i
				apart.Rejected = append(apart.Rejected, r)
			}
		}
		if len(together.Events)+len(apart.Events) > 0 && !reflect.DeepEqual(together.Events, apart.Events) {
			t.Fatalf("events differ:\n%+v\n%+v", together.Events, apart.Events)
		}
		if len(together.Rejected)+len(apart.Rejected) > 0 && !reflect.DeepEqual(together.Rejected, apart.Rejected) {
			t.Fatalf("rejections differ:\n%+v\n%+v", together.Rejected, apart.Rejected)
		}
	})
}
