package flagset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tidemark/flags"
)

// Diff lists what changes between two revisions, ordered by field. A revision that is
// deleted, or the zero one, says nothing. It is empty exactly when both say the same.
func Diff(old, next *flags.DocumentVersion) []flags.FieldChange {
	d := differ{}
	d.compare("", decode(old), decode(next))
	if old.Version != next.Version && next.ID.Kind == flags.KindFlag && old.Revision > 0 && next.Status != flags.StatusDeleted {
		d.add("bucketing", quoted(old.Version), quoted(next.Version))
	}
	return orNone(d.out)
}

func orNone(in []flags.FieldChange) []flags.FieldChange {
	if in == nil {
		return []flags.FieldChange{}
	}
	return in
}

// absent stands for what is not said, which is not the same as null.
type absent struct{}

func decode(v *flags.DocumentVersion) any {
	if len(v.Content) == 0 {
		return absent{}
	}
	dec := json.NewDecoder(bytes.NewReader(v.Content))
	dec.UseNumber()
	var out any
	if dec.Decode(&out) != nil {
		return string(v.Content) // Not what this package stored; shown as it is.
	}
	return out
}

type differ struct{ out []flags.FieldChange }

func (d *differ) compare(path string, a, b any) {
	x, okX := members(a, path)
	y, okY := members(b, path)
	if okX && okY && (x != nil || y != nil) {
		for _, k := range slices.Sorted(maps.Keys(union(x, y))) {
			d.compare(join(path, k), member(x, k), member(y, k))
		}
		return
	}
	p, okP := a.([]any)
	q, okQ := b.([]any)
	if okP && okQ && len(p) == len(q) {
		for i := range p {
			d.compare(path+"["+strconv.Itoa(i)+"]", p[i], q[i])
		}
		return
	}
	if before, after := text(a), text(b); before != after {
		d.add(path, before, after)
	}
}

// members are those of an object; a document that is absent is an object of none.
func members(v any, path string) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case absent:
		return nil, path == ""
	}
	return nil, false
}

func union(a, b map[string]any) map[string]struct{} {
	out := map[string]struct{}{}
	for k := range a {
		out[k] = struct{}{}
	}
	for k := range b {
		out[k] = struct{}{}
	}
	return out
}

func member(m map[string]any, k string) any {
	if v, ok := m[k]; ok {
		return v
	}
	return absent{}
}

func join(path, name string) string {
	if strings.ContainsAny(name, ".[]\" ") || name == "" {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// text is a value as JSON; "" when it is absent.
func text(v any) string {
	if _, none := v.(absent); none {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func (d *differ) add(field, before, after string) {
	c := flags.FieldChange{Field: field, Before: before, After: after}
	name := field
	if name == "" {
		name = "it"
	}
	switch {
	case before == "":
		c.Words = fmt.Sprintf("%s is now %s", name, clip(after))
	case after == "":
		c.Words = fmt.Sprintf("%s is no longer said (was %s)", name, clip(before))
	default:
		c.Words = fmt.Sprintf("%s changes from %s to %s", name, clip(before), clip(after))
	}
	d.out = append(d.out, c)
}

// clip keeps sentences short; the whole value is in the change.
func clip(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
