package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// removed is the value of a field that a write took away.
const removed = ""

// delta is what one write did: its fields by JSON pointer, as canonical JSON.
type delta struct {
	fields map[string]string
	// added holds elements that a JSON Patch appends to an array, as an array.
	added map[string][]string
	patch bool // it is a JSON Patch (RFC 6902)
}

// maxTouched bounds the fields of one write that are looked at.
const maxTouched = 500

// errDelta says that a delta cannot be taken apart into fields.
var errDelta = errors.New("cannot be taken apart into fields")

// readDelta takes a delta apart. A JSON Patch sets or removes the path of each
// operation; any other JSON sets each of its members, at any depth, where an array
// counts as one value: positions in two arrays do not mean the same.
func readDelta(raw string) (*delta, error) {
	d := &delta{fields: map[string]string{}, added: map[string][]string{}}
	v, err := decode(raw)
	if err != nil {
		return nil, errDelta
	}
	ops, ok := patchOf(v)
	if !ok {
		if err := d.take("", v, 0); err != nil {
			return nil, err
		}
		return d, d.check()
	}
	d.patch = true
	for _, op := range ops {
		if err := d.apply(op); err != nil {
			return nil, err
		}
	}
	return d, d.check()
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(raw string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// canonical writes a value with sorted members and without space.
func canonical(v any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "null" // What was decoded can be encoded.
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// patchOf returns the operations of a JSON Patch.
func patchOf(v any) (ops []map[string]any, ok bool) {
	list, isList := v.([]any)
	if !isList || len(list) == 0 {
		return nil, false
	}
	known := []string{"add", "remove", "replace", "move", "copy", "test"}
	for _, e := range list {
		op, isMap := e.(map[string]any)
		name, _ := op["op"].(string)
		_, hasPath := op["path"].(string)
		if !isMap || !hasPath || !slices.Contains(known, name) {
			return nil, false
		}
		ops = append(ops, op)
	}
	return ops, true
}

func (d *delta) apply(op map[string]any) error {
	path, _ := op["path"].(string)
	value, has := op["value"]
	switch op["op"] {
	case "test":
		return nil
	case "remove":
		return d.put(path, removed)
	case "add":
		if array, ok := strings.CutSuffix(path, "/-"); ok && has {
			d.added[array] = append(d.added[array], canonical(value))
			return nil
		}
		fallthrough
	case "replace":
		if !has {
			return errDelta
		}
		return d.put(path, canonical(value))
	}
	return errDelta // move and copy depend on what was there.
}

func (d *delta) put(path, value string) error {
	if path != "" && path[0] != '/' {
		return errDelta
	}
	d.fields[path] = value
	return nil
}

// maxDepth is how deep a delta is taken apart; deeper values count as a whole.
const maxDepth = 32

func (d *delta) take(path string, v any, depth int) error {
	if m, ok := v.(map[string]any); ok && (len(m) > 0 || depth == 0) && depth < maxDepth {
		for k, e := range m {
			if err := d.take(path+"/"+escape(k), e, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return d.put(path, canonical(v))
}

func escape(member string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}

func unescape(member string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(member)
}

// check refuses what touches a field and something within it.
func (d *delta) check() error {
	if len(d.fields)+len(d.added) > maxTouched || overlap(d.paths()) {
		return errDelta
	}
	for path := range d.added {
		if _, both := d.fields[path]; both {
			return errDelta
		}
	}
	return nil
}

func (d *delta) paths() []string {
	all := sorted(d.fields)
	for path := range d.added {
		all = append(all, path)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// overlap reports whether one path of a sorted list leads through another.
func overlap(paths []string) bool {
	if len(paths) > 1 && paths[0] == "" {
		return true
	}
	known := map[string]bool{}
	for _, p := range paths {
		known[p] = true
	}
	for _, p := range paths {
		for at := strings.LastIndexByte(p, '/'); at > 0; at = strings.LastIndexByte(p[:at], '/') {
			if known[p[:at]] {
				return true
			}
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
