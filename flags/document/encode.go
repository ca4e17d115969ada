package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
)

// Encode writes a batch so that Parse reads it back, and where each document came
// from: by "NAME:LINE" of what was written, as the problems of Parse(name, …) have it.
func Encode(name string, b *Batch) (text []byte, sources map[string]string, err error) {
	var out bytes.Buffer
	sources = map[string]string{}
	line := 1
	put := func(source string, doc []byte) {
		sources[name+":"+strconv.Itoa(line)] = source
		out.Write(doc)
		out.WriteString("---\n")
		line += bytes.Count(doc, []byte("\n")) + 1
	}
	for i := range b.Promises {
		put(b.Promises[i].Source, guarantee.Encode(&b.Promises[i]))
	}
	for i := range b.Edits {
		doc, err := encodeEdit(&b.Edits[i])
		if err != nil {
			return nil, nil, err
		}
		put(b.Edits[i].Source, doc)
	}
	return out.Bytes(), sources, nil
}

// encodeEdit writes a document as one line of JSON, which no reader can take for
// anything else.
func encodeEdit(e *flagset.Edit) ([]byte, error) {
	title, spec, err := takeTitle(e.ID.Kind, e.Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.ID, err)
	}
	type metadata struct {
		Name  string `json:"name"`
		Title string `json:"title,omitempty"`
	}
	if e.Bucketing != "" {
		if spec, err = withMember(spec, "bucketing", string(e.Bucketing)); err != nil {
			return nil, fmt.Errorf("%s: %w", e.ID, err)
		}
	}
	out, err := json.Marshal(struct {
		APIVersion string             `json:"apiVersion"`
		Kind       flags.DocumentKind `json:"kind"`
		Metadata   metadata           `json:"metadata"`
		Spec       json.RawMessage    `json:"spec"`
	}{flags.APIVersion, e.ID.Kind, metadata{e.ID.Name, title}, spec})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.ID, err)
	}
	return append(out, '\n'), nil
}

func withMember(spec json.RawMessage, name, value string) (json.RawMessage, error) {
	var m map[string]any
	if err := json.Unmarshal(spec, &m); err != nil {
		return nil, err
	}
	m[name] = value
	return json.Marshal(m)
}

// takeTitle separates the title of a plan from its fields.
func takeTitle(kind flags.DocumentKind, content json.RawMessage) (title string, spec json.RawMessage, err error) {
	if kind != flags.KindRolloutPlan {
		return "", content, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(content, &m); err != nil {
		return "", nil, err
	}
	raw, ok := m["title"]
	if !ok {
		return "", content, nil
	}
	if err := json.Unmarshal(raw, &title); err != nil {
		return "", nil, err
	}
	delete(m, "title")
	spec, err = json.Marshal(m)
	return title, spec, err
}

// YAML writes a stored document of a kind that package flagset keeps, for people to
// read and to keep in Git. Parse reads it back to the same content.
func YAML(id flags.DocumentID, content json.RawMessage) ([]byte, error) {
	title, spec, err := takeTitle(id.Kind, content)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", id, err)
	}
	dec := json.NewDecoder(bytes.NewReader(spec))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("write %s: %w", id, err)
	}
	y := &yamlWriter{}
	fmt.Fprintf(y, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", flags.APIVersion, id.Kind, guarantee.YAMLText(id.Name))
	if title != "" {
		fmt.Fprintf(y, "  title: %s\n", guarantee.YAMLText(title))
	}
	y.WriteString("spec:")
	y.value(1, v)
	return y.Bytes(), nil
}

// yamlWriter writes JSON values as YAML: what fits a line in one, the rest in blocks.
type yamlWriter struct{ bytes.Buffer }

// lineWidth is how long a value in one line may be.
const lineWidth = 76

// value writes what stands after "KEY:" at a level above.
func (y *yamlWriter) value(level int, v any) {
	if s, ok := v.(string); ok && isBlock(s) {
		y.block(level, s)
		return
	}
	flat := flow(v)
	_, isMap := v.(map[string]any)
	if len(flat) <= lineWidth && (!isMap || level > 2) || len(flat) <= 2 {
		y.WriteString(" " + flat + "\n")
		return
	}
	switch v := v.(type) {
	case map[string]any:
		y.WriteByte('\n')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			y.indent(level)
			y.WriteString(guarantee.YAMLText(k) + ":")
			y.value(level+1, v[k])
		}
	case []any:
		y.WriteByte('\n')
		for _, item := range v {
			y.indent(level)
			y.WriteByte('-')
			y.value(level+1, item)
		}
	default:
		y.WriteString(" " + flat + "\n")
	}
}

// isBlock reports whether text reads better as a block: it has lines, and nothing that a
// block cannot hold.
func isBlock(s string) bool {
	if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") || strings.HasSuffix(s, "\n\n") {
		return false
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		if strings.HasPrefix(line, "\t") || strings.TrimRight(line, " \t") != line ||
			strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) {
			return false
		}
	}
	return s[0] != ' ' && s[0] != '\n'
}

// block writes lines of text as they are.
func (y *yamlWriter) block(level int, s string) {
	y.WriteString(" |")
	if !strings.HasSuffix(s, "\n") {
		y.WriteByte('-')
	}
	y.WriteByte('\n')
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		if line != "" {
			y.indent(level)
		}
		y.WriteString(line + "\n")
	}
}

func (y *yamlWriter) indent(n int) { y.WriteString(strings.Repeat("  ", n)) }

// flow writes a value in one line.
func flow(v any) string {
	switch v := v.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, guarantee.YAMLText(k)+": "+flow(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, 0, len(v))
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return guarantee.YAMLText(v)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}
