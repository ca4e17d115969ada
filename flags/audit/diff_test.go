package audit_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags/audit"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		want          []audit.FieldChange
	}{
		"new":           {``, `{"a":1,"b":{"c":[true,"x"]}}`, []audit.FieldChange{{"a", "", "1"}, {"b.c[0]", "", "true"}, {"b.c[1]", "", "x"}}},
		"gone":          {`{"a":"x"}`, ``, []audit.FieldChange{{"a", "x", ""}}},
		"changed":       {`{"a":1.50,"b":2}`, `{"a":1.5,"b":2}`, []audit.FieldChange{{"a", "1.50", "1.5"}}},
		"same":          {`{"a":null}`, `{"a":null}`, nil},
		"line inserted": {`{"t":"one\ntwo\nthree\n"}`, `{"t":"one\nand\ntwo\nthree\n"}`, []audit.FieldChange{{"t:2", "", "and"}}},
		"line changed":  {`{"t":"one\ntwo\nthree\n"}`, `{"t":"one\n2\nthree\n"}`, []audit.FieldChange{{"t:2", "two", "2"}}},
		"line removed":  {`{"t":"one\ntwo\nthree\n"}`, `{"t":"one\nthree\n"}`, []audit.FieldChange{{"t:2", "two", ""}}},
		"lines apart":   {`{"t":"a\nb\nc\nd\ne\n"}`, `{"t":"A\nb\nc\nd\nE\n"}`, []audit.FieldChange{{"t:1", "a", "A"}, {"t:5", "e", "E"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := audit.Diff(json.RawMessage(c.before), json.RawMessage(c.after))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzDiff: whatever is compared, nothing crashes, and equal states have no change.
func FuzzDiff(f *testing.F) {
	f.Add(`{"a":"x\ny"}`, `{"a":"y"}`)
	f.Add(`[1]`, ``)
	f.Fuzz(func(t *testing.T, before, after string) {
		audit.Diff(json.RawMessage(before), json.RawMessage(after))
		if same := audit.Diff(json.RawMessage(before), json.RawMessage(before)); len(same) != 0 {
			t.Errorf("a state differs from itself: %v", same)
		}
	})
}
