package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrScope is wrapped by errors about malformed scopes.
var ErrScope = errors.New("malformed scope")

// maxFeature is the longest feature name in a scope, in bytes, as in an event.
const maxFeature = 256

// Scope is one thing that an API key may do: "publish:FEATURE", "consume:FEATURE"
// (FEATURE may be * for every one), "evaluate", "sync", "read", "control"
// or "admin".
type Scope string

// The scopes without a feature, and the verbs of those with one.
const (
	ScopeEvaluate Scope = "evaluate" // ask for flag values
	ScopeSync     Scope = "sync"     // take the whole definition of the flags
	ScopeRead     Scope = "read"     // every question
	ScopeControl  Scope = "control"  // documents, webhooks, rollouts
	ScopeAdmin    Scope = "admin"    // keys, people and teams

	publishVerb = "publish" // initiated, committed, published, conflicts, reads
	consumeVerb = "consume" // received, applied, visible, failed, heartbeats
)

// Scopes lists a scope of each kind; those with a feature stand for every one.
func Scopes() []Scope {
	return []Scope{publishVerb + ":*", consumeVerb + ":*", ScopeEvaluate, ScopeSync, ScopeRead, ScopeControl, ScopeAdmin}
}

// ParseScope checks a scope.
func ParseScope(s string) (Scope, error) {
	switch Scope(s) {
	case ScopeEvaluate, ScopeSync, ScopeRead, ScopeControl, ScopeAdmin:
		return Scope(s), nil
	}
	verb, feature, ok := strings.Cut(s, ":")
	if !ok || (verb != publishVerb && verb != consumeVerb) {
		return "", fmt.Errorf("%w %q: want publish:FEATURE, consume:FEATURE (* for every feature), evaluate, sync, read, control or admin", ErrScope, s)
	}
	if !isFeature(feature) {
		return "", fmt.Errorf("%w %q: the feature is 1 to %d bytes without space or comma and not . or .., or *", ErrScope, s, maxFeature)
	}
	return Scope(s), nil
}

// ParseScopes checks scopes, sorts them and removes repetitions. None is an error:
// such a key could do nothing.
func ParseScopes(in []string) ([]Scope, error) {
	if len(in) == 0 {
		return nil, fmt.Errorf("%w: at least one is required", ErrScope)
	}
	out := make([]Scope, 0, len(in))
	for _, s := range in {
		sc, err := ParseScope(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		out = append(out, sc)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// feature splits a scope with a feature.
func (s Scope) feature() (verb, feature string, ok bool) {
	verb, feature, ok = strings.Cut(string(s), ":")
	return verb, feature, ok
}

func isFeature(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxFeature && !strings.ContainsAny(s, " ,\t\r\n")
}
