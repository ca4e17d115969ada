package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// maxDiffFields bounds how many fields a diff names.
const maxDiffFields = 500

// DiffDeltas compares deltas field by field. A delta that is a JSON Patch (RFC 6902)
// touches the path of each operation; any other JSON touches each of its leaves; ""
// or invalid JSON touches the whole ("") with its text. Fields are in order of path.
func DiffDeltas(deltas []string) []FieldDiff {
	touched := make([]map[string]string, len(deltas))
	paths := map[string]bool{}
	for i, d := range deltas {
		touched[i] = touch(d)
		for p := range touched[i] {
			paths[p] = true
		}
	}
	out := []FieldDiff{}
	for _, p := range sortedKeys(paths) {
		if len(out) == maxDiffFields {
			break
		}
		out = append(out, fieldDiff(p, touched))
	}
	return out
}

func fieldDiff(path string, touched []map[string]string) FieldDiff {
	f := FieldDiff{Path: path, Values: make([]*string, len(touched)), Same: true}
	var first *string
	for i, m := range touched {
		v, ok := m[path]
		if !ok {
			continue
		}
		f.Values[i] = &v
		if first == nil {
			first = &v
		} else if v != *first {
			f.Same, f.Clash = false, true
		}
	}
	return f
}

// touch maps each JSON pointer that a delta touches to what it does there.
func touch(delta string) map[string]string {
	out := map[string]string{}
	if strings.TrimSpace(delta) == "" {
		return out
	}
	if ops, ok := patch(delta); ok {
		for _, op := range ops {
			out[op.Path] = op.effect()
		}
		return out
	}
	dec := json.NewDecoder(strings.NewReader(delta))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		out[""] = strconv.Quote(delta)
		return out
	}
	leaves(out, "", v, 0)
	return out
}

type patchOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  string          `json:"from"`
	Value json.RawMessage `json:"value"`
}

// patch reads a JSON Patch; ok is false when the delta is something else.
func patch(delta string) (ops []patchOp, ok bool) {
	if json.Unmarshal([]byte(delta), &ops) != nil || len(ops) == 0 {
		return nil, false
	}
	known := []string{"add", "remove", "replace", "move", "copy", "test"}
	for i := range ops {
		if !slices.Contains(known, ops[i].Op) {
			return nil, false
		}
	}
	return slices.DeleteFunc(ops, func(o patchOp) bool { return o.Op == "test" }), true
}

// effect is the value that an operation leaves at its path. To add and to replace
// leave the same, so that they do not look like a clash.
func (o *patchOp) effect() string {
	switch o.Op {
	case "remove":
		return "(removed)"
	case "move", "copy":
		return "(" + o.Op + " of " + o.From + ")"
	}
	var b bytes.Buffer
	if json.Compact(&b, o.Value) != nil {
		return string(o.Value)
	}
	return b.String()
}

// maxDepth is how deep leaves looks; deeper values are compared as a whole.
const maxDepth = 32

func leaves(out map[string]string, path string, v any, depth int) {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	switch x := v.(type) {
	case map[string]any:
		if len(x) > 0 && depth < maxDepth {
			for k, e := range x {
				leaves(out, path+"/"+escape.Replace(k), e, depth+1)
			}
			return
		}
	case []any:
		if len(x) > 0 && depth < maxDepth {
			for i, e := range x {
				leaves(out, path+"/"+strconv.Itoa(i), e, depth+1)
			}
			return
		}
	}
	b, err := json.Marshal(v)
	if err == nil {
		out[path] = string(b)
	}
}
