package flagset

import (
	"encoding/json"
	"maps"
	"slices"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// Summary is what lists show of a flag.
type Summary struct {
	State       string // ENABLED or DISABLED
	Type        string // boolean, string, number, object; "" when there is no variant
	Variants    []string
	Default     *string // nil: the code's default
	Targeted    bool
	Description string // of its metadata
}

// Summarise reads the summary of a flag's revision.
func Summarise(v *flags.DocumentVersion) Summary {
	var f struct {
		State    string                     `json:"state"`
		Variants map[string]json.RawMessage `json:"variants"`
		Default  *string                    `json:"defaultVariant"`
		Rule     json.RawMessage            `json:"targeting"`
		Metadata map[string]any             `json:"metadata"`
	}
	s := Summary{Variants: []string{}}
	if json.Unmarshal(v.Content, &f) != nil {
		return s // A tombstone; what is stored otherwise was checked.
	}
	s.State, s.Default = f.State, f.Default
	s.Variants = append(s.Variants, slices.Sorted(maps.Keys(f.Variants))...)
	s.Targeted = len(f.Rule) > 0 && string(f.Rule) != "null" && string(f.Rule) != "{}"
	s.Description, _ = f.Metadata["description"].(string)
	for _, raw := range f.Variants {
		s.Type = typeOf(raw)
		break
	}
	return s
}

func typeOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{', '[':
		return "object"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	}
	return "number"
}

// Try compiles the set with one document's content replaced, to ask what it would
// answer. Nothing is stored, and nobody else sees it. The error lists what is wrong.
func (c *Catalogue) Try(id flags.DocumentID, content json.RawMessage) (*eval.Set, error) {
	edit := Edit{ID: id, Content: content, Base: AnyBase}
	now := c.now.Load()
	cur := now.documents[id]
	if err := checkName(id); err != nil {
		return nil, flags.AsProblems([]flags.Problem{{Field: "name", Message: message(err)}})
	}
	v, err := c.revision(&edit, &cur)
	if err != nil {
		return nil, err
	}
	trial := now.clone()
	trial.documents[id] = v
	set, err := c.compile(trial)
	if err != nil {
		ps, err := blame(err, []Edit{edit})
		if err != nil {
			return nil, err
		}
		return nil, flags.AsProblems(ps)
	}
	return set, nil
}
