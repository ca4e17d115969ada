// Package policy decides what may be shown of a write whose labels travel with it, and
// who may report about a feature. The rules are Cedar policies; what none permits is
// denied. Policies decide about data: who may change them, and everything else that is
// controlled, is decided by roles and scopes.
package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"tidemark/flags"
)

// NoPolicy is what a decision names when no policy permitted.
const NoPolicy = "deny-by-default"

// Action is what a policy decides about.
type Action string

// The actions.
const (
	ReadContents Action = "read_contents" // see actor, delta and hashes of a write
	Publish      Action = "publish"       // report what begins a write of a feature
	Consume      Action = "consume"       // report what happens to it at replicas
)

// Actions lists the actions.
func Actions() []Action { return []Action{ReadContents, Publish, Consume} }

// Policy is one policy of a Set, also when it has no say.
type Policy struct {
	Name        string
	Description string
	Cedar       string
	Effect      string // permit or forbid; "" when there is no statement
	Actions     []Action
	Enabled     bool
	Base        bool  // it comes with the program, or stands in for one that does
	Revision    int64 // of its document; 0 = as it comes with the program
}

// Ownership is what a document of kind Ownership says of a feature. A nil list declares
// nothing; an empty one nobody.
type Ownership struct {
	Description string   `json:"description,omitempty"`
	Publishers  []string `json:"publishers"`
	Consumers   []string `json:"consumers"`
}

// Set is policies that were compiled, with what is declared of features. It never
// changes, and is safe for concurrent use. A nil Set permits nothing.
type Set struct {
	version  string
	policies []Policy
	compiled map[Action]statements
	features map[string]feature
	reports  reportCache
}

// feature is what is declared of one.
type feature struct {
	team string
	Ownership
}

// Sources are what a Set is made of.
type Sources struct {
	Documents []flags.DocumentVersion // current ones; of other kinds too
	Teams     map[string]string       // feature → team that owns it
}

// Compile makes the set of all policies: those that come with the program, and over
// them those of the documents.
func (c *Checker) Compile(from Sources) (*Set, error) {
	s := &Set{compiled: map[Action]statements{}, features: map[string]feature{}}
	for f, team := range from.Teams {
		s.features[f] = feature{team: team}
	}
	all := map[string]Policy{}
	for _, b := range c.base {
		all[b.Name] = Policy{Name: b.Name, Description: b.Description, Cedar: b.Cedar, Enabled: true, Base: true}
	}
	changes := int64(0)
	for i := range from.Documents {
		d := &from.Documents[i]
		var err error
		switch d.ID.Kind {
		case flags.KindPolicy:
			err = c.put(all, d)
		case flags.KindOwnership:
			err = s.declare(d)
		default:
			continue
		}
		if err != nil {
			return nil, &StoredError{d.ID, d.Revision, err}
		}
		changes += d.Revision
	}
	for _, p := range all {
		if err := s.add(c, p); err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	slices.SortFunc(s.policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	for _, list := range s.compiled {
		slices.SortFunc(list, func(a, b statement) int { return cmp.Compare(a.name, b.name) })
	}
	s.version = s.versionAfter(changes)
	return s, nil
}

// StoredError says that a stored document is none that this program takes: an earlier one
// took it, or it was changed by other means.
type StoredError struct {
	ID       flags.DocumentID
	Revision int64
	Err      error
}

// Error implements error, on one line.
func (e *StoredError) Error() string {
	return fmt.Sprintf("%s revision %d is not taken: %s", e.ID, e.Revision, strings.ReplaceAll(e.Err.Error(), "\n", "; "))
}

// Unwrap returns what is wrong with the document.
func (e *StoredError) Unwrap() error { return e.Err }

// put lets a document take the place of the policy of its name.
func (c *Checker) put(all map[string]Policy, d *flags.DocumentVersion) error {
	if d.Status == flags.StatusDeleted {
		return nil
	}
	if err := c.Check(d.ID.Name, d.Content); err != nil {
		return err
	}
	var spec Spec
	if err := json.Unmarshal(d.Content, &spec); err != nil {
		return err
	}
	p := Policy{Name: d.ID.Name, Description: spec.Description, Cedar: spec.Cedar, Enabled: spec.On(), Revision: d.Revision}
	if b, ok := c.Base(p.Name); ok {
		p.Base = true
		p.Description, p.Cedar = cmp.Or(p.Description, b.Description), cmp.Or(p.Cedar, b.Cedar)
	}
	all[p.Name] = p
	return nil
}

func (s *Set) declare(d *flags.DocumentVersion) error {
	if d.Status == flags.StatusDeleted {
		return nil
	}
	f := s.features[d.ID.Name]
	if err := json.Unmarshal(d.Content, &f.Ownership); err != nil {
		return err
	}
	s.features[d.ID.Name] = f
	return nil
}

// add compiles a policy, for the actions that its head names.
func (s *Set) add(c *Checker, p Policy) error {
	compiled, wrong := c.statement(p.Name, p.Cedar)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	p.Effect = "permit"
	if compiled.Effect() == cedar.Forbid {
		p.Effect = "forbid"
	}
	p.Actions = actionsOf((*ast.Policy)(compiled.AST()).Action)
	s.policies = append(s.policies, p)
	if !p.Enabled {
		return nil
	}
	for _, a := range p.Actions {
		s.compiled[a] = append(s.compiled[a], statement{p.Name, p.Revision, compiled})
	}
	return nil
}

// actionsOf are those that the head of a policy can match. Actions have no groups.
func actionsOf(head ast.IsActionScopeNode) []Action {
	var named []cedar.EntityUID
	switch h := head.(type) {
	case ast.ScopeTypeEq:
		named = append(named, h.Entity)
	case ast.ScopeTypeIn:
		named = append(named, h.Entity)
	case ast.ScopeTypeInSet:
		named = h.Entities
	default:
		return Actions()
	}
	var out []Action
	for _, a := range Actions() {
		if slices.Contains(named, uid("Action", string(a))) {
			out = append(out, a)
		}
	}
	return out
}

// statement is a policy that has a say.
type statement struct {
	name     string
	revision int64
	policy   *cedar.Policy
}

type statements []statement

// All implements cedar.PolicyIterator.
func (ss statements) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range ss {
			if !yield(cedar.PolicyID(ss[i].name), ss[i].policy) {
				return
			}
		}
	}
}

func (ss statements) find(id cedar.PolicyID) *statement {
	i, ok := slices.BinarySearchFunc(ss, string(id), func(s statement, name string) int { return strings.Compare(s.name, name) })
	if !ok {
		return nil
	}
	return &ss[i]
}

// versionAfter names all that was written and decides: how many changes there were, and
// a hash of what is in force now.
func (s *Set) versionAfter(changes int64) string {
	h := sha256.New()
	for _, p := range s.policies {
		if p.Enabled {
			fmt.Fprintf(h, "%q %q\n", p.Name, p.Cedar)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.features)) {
		if f := s.features[name]; f.declares() {
			fmt.Fprintf(h, "%q %t %q %t %q\n", name, f.Publishers != nil, f.Publishers, f.Consumers != nil, f.Consumers)
		}
	}
	name := "default"
	if changes > 0 {
		name = "v" + strconv.FormatInt(changes, 10)
	}
	return name + "@" + hex.EncodeToString(h.Sum(nil)[:6])
}

// Version names all policies and ownerships together: default, or how often any was
// changed, and a hash of those in force.
func (s *Set) Version() string {
	if s == nil {
		return ""
	}
	return s.version
}

// Policies lists every policy, those that are switched off too, by name.
func (s *Set) Policies() []Policy { return slices.Clone(s.policies) }

// Policy returns one policy.
func (s *Set) Policy(name string) (Policy, bool) {
	for _, p := range s.policies {
		if p.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}

// Declared is what is declared of a feature.
func (s *Set) Declared(name string) Ownership {
	if s == nil {
		return Ownership{}
	}
	return s.features[name].Ownership
}
