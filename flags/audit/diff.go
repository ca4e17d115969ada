package audit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// FieldChange is one field of a state that differs between before and after.
type FieldChange struct {
	Field  string // "scopes[0]", "content:12" for a line of a text
	Before string // "" when there was none
	After  string // "" when it is gone
}

// Words says the change in a few words.
func (c FieldChange) Words() string {
	switch {
	case c.Before == "":
		return c.Field + " is new"
	case c.After == "":
		return c.Field + " is gone"
	}
	return c.Field + " changed"
}

// Diff lists the fields that differ between two states, ordered by name. Texts of
// several lines are compared by line.
func Diff(before, after json.RawMessage) []FieldChange {
	was, is := fields(before), fields(after)
	names := make([]string, 0, len(was)+len(is))
	for name := range was {
		names = append(names, name)
	}
	for name := range is {
		if _, ok := was[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []FieldChange
	for _, name := range names {
		if was[name] == is[name] {
			continue
		}
		if strings.Contains(was[name]+is[name], "\n") {
			out = append(out, diffLines(name, was[name], is[name])...)
			continue
		}
		out = append(out, FieldChange{name, was[name], is[name]})
	}
	return out
}

// fields flattens a state to texts by path.
func fields(raw json.RawMessage) map[string]string {
	out := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if len(raw) == 0 || dec.Decode(&v) != nil {
		return out
	}
	flatten(out, "", v)
	return out
}

func flatten(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(out, strings.TrimPrefix(path+"."+k, "."), x)
		}
	case []any:
		for i, x := range v {
			flatten(out, path+"["+strconv.Itoa(i)+"]", x)
		}
	case string:
		out[path] = v
	default:
		text, err := json.Marshal(v)
		if err == nil {
			out[path] = string(text)
		}
	}
}

// diffLines drops the lines that both texts begin and end with, and pairs off the rest
// by the longest common run of lines, so that an inserted line is one change.
func diffLines(name, before, after string) []FieldChange {
	a, b := lines(before), lines(after)
	var out []FieldChange
	at := func(i int) string { return name + ":" + strconv.Itoa(i+1) }
	for _, e := range edits(a, b) {
		for k := range max(e.aTo-e.aFrom, e.bTo-e.bFrom) {
			c := FieldChange{Field: at(min(e.bFrom+k, max(e.bTo-1, e.bFrom)))}
			if e.aFrom+k < e.aTo {
				c.Before = blank(a[e.aFrom+k])
			}
			if e.bFrom+k < e.bTo {
				c.After = blank(b[e.bFrom+k])
			}
			out = append(out, c)
		}
	}
	return out
}

// blank keeps an empty line apart from no line.
func blank(line string) string {
	if line == "" {
		return " "
	}
	return line
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// edit replaces a[aFrom:aTo] by b[bFrom:bTo].
type edit struct{ aFrom, aTo, bFrom, bTo int }

// maxLines bounds the work of comparing texts; longer ones are one edit in the middle.
const maxLines = 2000

// edits finds the shortest list of edits by the table of longest common subsequences.
func edits(a, b []string) []edit {
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo] == b[lo] {
		lo++
	}
	aHi, bHi := len(a), len(b)
	for aHi > lo && bHi > lo && a[aHi-1] == b[bHi-1] {
		aHi, bHi = aHi-1, bHi-1
	}
	if aHi-lo > maxLines || bHi-lo > maxLines {
		return []edit{{lo, aHi, lo, bHi}}
	}
	return walk(common(a[lo:aHi], b[lo:bHi]), a[lo:aHi], b[lo:bHi], lo)
}

// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
func common(a, b []string) [][]int32 {
	t := make([][]int32, len(a)+1)
	for i := range t {
		t[i] = make([]int32, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				t[i][j] = t[i+1][j+1] + 1
			} else {
				t[i][j] = max(t[i+1][j], t[i][j+1])
			}
		}
	}
	return t
}

func walk(t [][]int32, a, b []string, shift int) []edit {
	var out []edit
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		e := edit{aFrom: i + shift, bFrom: j + shift}
		for i < len(a) || j < len(b) {
			if i < len(a) && j < len(b) && a[i] == b[j] {
				break
			}
			if j == len(b) || (i < len(a) && t[i+1][j] >= t[i][j+1]) {
				i++
			} else {
				j++
			}
		}
		e.aTo, e.bTo = i+shift, j+shift
		out = append(out, e)
	}
	return out
}
