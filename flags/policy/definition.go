package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"

	"tidemark/flags"
)

// Limits of policies.
const (
	MaxPolicies    = 200      // that are stored, those that are switched off too
	MaxText        = 16 << 10 // bytes of one
	MaxDescription = 1000     // characters
)

// Spec is the content of a document of kind Policy: one Cedar statement, whose id is the
// document's name. A document with the name of a policy that comes with the program
// takes its place.
type Spec struct {
	Description string `json:"description,omitempty"`
	Cedar       string `json:"cedar,omitempty"`
	// Enabled is true when it is left out. A policy that is not enabled has no say; with
	// the name of one that comes with the program it switches that off.
	Enabled *bool `json:"enabled,omitempty"`
}

// On reports whether the policy has a say.
func (s *Spec) On() bool { return s.Enabled == nil || *s.Enabled }

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Check says everything that is wrong with a policy, field by field; nil when it can be
// used. The evaluator never sees one that was not checked.
func (c *Checker) Check(name string, content []byte) error {
	var problems []flags.Problem
	wrong := func(field, format string, args ...any) {
		problems = append(problems, flags.Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if !nameForm.MatchString(name) || name == NoPolicy {
		wrong("metadata.name", "%q is no name of a policy: want 1 to 64 of a-z, 0-9, '.', '_' or '-', beginning with a letter or digit, and not %s", name, NoPolicy)
	}
	var s Spec
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		wrong("spec", "is not a policy: %s; its members are cedar, description and enabled", strings.TrimPrefix(err.Error(), "json: "))
		return flags.AsProblems(problems)
	}
	if utf8.RuneCountInString(s.Description) > MaxDescription {
		wrong("spec.description", "must be at most %d characters", MaxDescription)
	}
	_, isBase := c.Base(name)
	switch {
	case len(s.Cedar) > MaxText:
		wrong("spec.cedar", "is %d bytes; at most %d are allowed", len(s.Cedar), MaxText)
	case strings.TrimSpace(s.Cedar) == "" && isBase && !s.On():
	case strings.TrimSpace(s.Cedar) == "":
		wrong("spec.cedar", "is empty: write one statement, such as permit (principal, action == Action::\"read_contents\", resource) when { resource.labels == [\"pii\"] };")
	default:
		if _, text := c.statement(name, s.Cedar); len(text) > 0 {
			for _, t := range text {
				wrong("spec.cedar", "%s", t)
			}
		}
	}
	return flags.AsProblems(problems)
}

// statement reads the one statement of a text, or says what is wrong with it.
func (c *Checker) statement(name, text string) (*cedar.Policy, []string) {
	list, err := cedar.NewPolicyListFromBytes("", []byte(text))
	if err != nil {
		return nil, []string{readable(text, err)}
	}
	if len(list) != 1 {
		at := where(1, 1)
		if len(list) > 1 {
			at = where(list[1].Position().Line, list[1].Position().Column)
		}
		return nil, []string{fmt.Sprintf("%sthere are %d statements; a policy is exactly one", at, len(list))}
	}
	p := list[0]
	if id, has := p.Annotations()["id"]; has && string(id) != name {
		return nil, []string{fmt.Sprintf("%s@id is %q; it must be the policy's name, %q, or be left out", where(p.Position().Line, p.Position().Column), id, name)}
	}
	return p, c.types(text, p)
}
