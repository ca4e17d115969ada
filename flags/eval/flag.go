package eval

import (
	"encoding/json"

	"tidemark/flags"
)

// flag is one compiled flag.
type flag struct {
	key      string
	revision int64
	disabled bool
	variants []variant
	byName   map[string]int
	fallback int  // index of the default variant; −1 = the code's default
	rule     node // nil: no targeting
	meta     *baseMetadata
	split    *assignment // nil: no rollout
	past     map[int64]*flag
	broken   int64 // pins given before are void, Unix ns
	first    int   // the first kind of its answers
}

// variant is one of a flag's values.
type variant struct {
	name  string
	value any
	json  json.RawMessage
	model flags.Model // "" when its value names none
	// Every answer's JSON up to its reason, and from there to its metadata.
	before, after []byte
	sum           uint64 // of its name
}

// assignment is a rollout as an evaluation needs it.
type assignment struct {
	flags.Assignment
	cohort    node // nil: everyone
	salt      []byte
	candidate int // variants
	control   int
	percent   uint64
}

// modelOf returns the consistency model that a variant's value names.
func modelOf(value any) flags.Model {
	m, ok := value.(map[string]any)
	if !ok {
		return ""
	}
	name, _ := m["model"].(string)
	model, _ := flags.ParseModel(name)
	return model
}
