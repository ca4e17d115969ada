package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tidemark/flags"
)

// Strategy is the family that a rule belongs to.
type Strategy string

// The strategies.
const (
	LastWriterWins Strategy = "last-writer-wins" // the write with the greatest stamp
	OwnerWins      Strategy = "owner-wins"       // the write that the key's owner made
	Merge          Strategy = "merge"            // field by field
	CRDT           Strategy = "crdt"             // field by field, and never a person
	Manual         Strategy = "manual"           // a person
)

// Strategies lists them.
func Strategies() []Strategy {
	return []Strategy{LastWriterWins, OwnerWins, Merge, CRDT, Manual}
}

// Order is what makes one write later than another. Each is a total order of writes:
// what it leaves equal, the greater write id decides.
type Order string

// The orders.
const (
	ByVersion  Order = "version"  // seq or hlc, then corrected time; the default
	ByTime     Order = "time"     // of initiation, on the server's clock
	ByReported Order = "reported" // of initiation, on the clock of whoever wrote
)

// Orders lists them.
func Orders() []Order { return []Order{ByVersion, ByTime, ByReported} }

// Type is how a field is decided that several writes changed differently.
type Type string

// The types of field.
const (
	TypeLast    Type = "last-writer-wins"
	TypeMax     Type = "max"         // the greatest number
	TypeMin     Type = "min"         // the least number
	TypeCounter Type = "counter"     // the sum of what each write adds
	TypeSet     Type = "set-union"   // all elements of the arrays, each once
	TypeEnable  Type = "enable-wins" // true when any write says true
	TypeManual  Type = "manual"      // a person; of strategy merge only
)

// Types lists them.
func Types() []Type {
	return []Type{TypeLast, TypeMax, TypeMin, TypeCounter, TypeSet, TypeEnable, TypeManual}
}

// Rule is a reconciliation rule: how a conflict is decided. Its content is carried by
// flags and guarantees under its name and version.
type Rule struct {
	Version     int             `json:"version"` // from 1
	Strategy    Strategy        `json:"strategy"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // as the strategy knows them
	Examples    []Example       `json:"examples,omitempty"`

	set parameters
	// unknown is why the parameters cannot be followed; "" when they can.
	unknown string
}

// parameters are those of every strategy together.
type parameters struct {
	Order   Order           `json:"order"`
	Owner   string          `json:"owner"`
	Default Type            `json:"default"`
	Fields  map[string]Type `json:"fields"`
}

// Limits of a rule.
const (
	maxDescription = 1000 // characters
	maxFields      = 200  // named by a rule
	maxExamples    = 50
	maxPointer     = 500 // bytes of a field's path
)

// FieldError says which part of a rule is wrong.
type FieldError struct{ Field, Message string }

// Error implements error.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

func bad(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// Parse reads a rule and checks all of it, its examples too. Every error is a
// *FieldError.
func Parse(content []byte) (*Rule, error) {
	r, err := read(content)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Version < 1:
		return nil, bad("version", "is %d; it must be a whole number from 1", r.Version)
	case !slices.Contains(Strategies(), r.Strategy):
		return nil, bad("strategy", "%q is not known; allowed: %v", r.Strategy, Strategies())
	case utf8.RuneCountInString(r.Description) > maxDescription:
		return nil, bad("description", "must be at most %d characters", maxDescription)
	}
	if err := r.readParameters(); err != nil {
		return nil, err
	}
	return r, r.checkExamples()
}

// Stored reads a rule that was stored, perhaps before its parameters were looked at:
// with parameters that nobody knows it decides nothing, and says so.
func Stored(content []byte) (*Rule, error) {
	r, err := read(content)
	if err != nil {
		return nil, err
	}
	if err := r.readParameters(); err != nil {
		r.unknown = err.Error()
	}
	return r, nil
}

// Implicit is the rule that a bare strategy stands for, where a service or a guarantee
// names one; ok is false for any other name.
func Implicit(name string) (r *Rule, ok bool) {
	if !slices.Contains(Strategies(), Strategy(name)) {
		return nil, false
	}
	r = &Rule{Version: 1, Strategy: Strategy(name)}
	r.set = parameters{Order: ByVersion, Default: TypeLast}
	return r, true
}

func read(content []byte) (*Rule, error) {
	var r Rule
	if err := strict(content, &r); err != nil {
		field, mistake := flags.JSONMistake(err)
		return nil, bad(field, "%s; the members of a rule are version, strategy, description, parameters and examples", mistake)
	}
	return &r, nil
}

// strict decodes JSON and refuses members that are not known.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into) //nolint:wrapcheck // The caller puts it into words.
}

// knows lists the parameters of a strategy.
func (s Strategy) knows() []string {
	switch s {
	case LastWriterWins:
		return []string{"order"}
	case OwnerWins:
		return []string{"order", "owner"}
	case Merge, CRDT:
		return []string{"order", "default", "fields"}
	}
	return nil
}

func (r *Rule) readParameters() error {
	r.set = parameters{Order: ByVersion, Default: TypeLast}
	if len(r.Parameters) == 0 || string(r.Parameters) == "null" {
		return nil
	}
	var named map[string]json.RawMessage
	if err := json.Unmarshal(r.Parameters, &named); err != nil {
		return bad("parameters", "must be an object")
	}
	for _, name := range sorted(named) {
		if !slices.Contains(r.Strategy.knows(), name) {
			return bad("parameters."+name, "is not known to %s; allowed: %s", r.Strategy, listed(r.Strategy.knows()))
		}
	}
	if err := strict(r.Parameters, &r.set); err != nil {
		field, mistake := flags.JSONMistake(err)
		return bad(strings.TrimSuffix("parameters."+field, "."), "%s", mistake)
	}
	switch {
	case !slices.Contains(Orders(), r.set.Order):
		return bad("parameters.order", "%q is not known; allowed: %v", r.set.Order, Orders())
	case len(r.set.Owner) > maxPointer:
		return bad("parameters.owner", "must be at most %d bytes", maxPointer)
	case len(r.set.Fields) > maxFields:
		return bad("parameters.fields", "has %d members; at most %d are allowed", len(r.set.Fields), maxFields)
	}
	if err := r.checkType("parameters.default", r.set.Default); err != nil {
		return err
	}
	for _, path := range sorted(r.set.Fields) {
		field := fmt.Sprintf("parameters.fields[%s]", path)
		switch {
		case !strings.HasPrefix(path, "/") || len(path) > maxPointer:
			return bad(field, "must be a JSON pointer, such as /quantity, or one that ends with /* for all below it, of at most %d bytes", maxPointer)
		case strings.Contains(strings.TrimSuffix(path, "/*"), "*"):
			return bad(field, "may have a * at its end alone, after a /")
		}
		if err := r.checkType(field, r.set.Fields[path]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rule) checkType(field string, t Type) error {
	allowed := Types()
	if r.Strategy == CRDT {
		allowed = allowed[:len(allowed)-1] // A CRDT asks nobody.
	}
	if !slices.Contains(allowed, t) {
		return bad(field, "%q is not known to %s; allowed: %v", t, r.Strategy, allowed)
	}
	return nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// typeOf is how a field is decided: as its own path says, else as the longest path
// with a star that holds it, else as the default.
func (r *Rule) typeOf(path string) Type {
	if t, ok := r.set.Fields[path]; ok {
		return t
	}
	for at := path; ; {
		i := strings.LastIndexByte(at, '/')
		if i < 0 {
			return r.set.Default
		}
		at = at[:i]
		if t, ok := r.set.Fields[at+"/*"]; ok {
			return t
		}
	}
}

// MayAsk reports whether the rule may leave a conflict to a person.
func (r *Rule) MayAsk() bool {
	if r.Strategy == Manual || r.unknown != "" {
		return true
	}
	if r.Strategy != Merge {
		return false
	}
	for _, t := range r.set.Fields {
		if t == TypeManual {
			return true
		}
	}
	return r.set.Default == TypeManual
}
