// Package policy decides what may be shown of a write whose labels travel with it.
// The rules are Cedar policies; what none permits is denied.
package policy

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cedar-policy/cedar-go"

	"tidemark/flags/access"
	"tidemark/metrics"
)

// ErrPolicy is about a policy text that cannot be used. Test with errors.Is.
var ErrPolicy = errors.New("bad policy")

// maxDocument bounds a policy text.
const maxDocument = 64 << 10

// NoPolicy is what a decision names when no policy permitted.
const NoPolicy = "deny-by-default"

//go:embed default.cedar
var defaultDocument []byte

// Set is policies that were compiled. It never changes, and is safe for concurrent
// use. A nil Set permits nothing.
type Set struct {
	version  string
	policies *cedar.PolicySet
}

// Default returns the policies that come with tidemark.
func Default() (*Set, error) { return Compile("default", defaultDocument) }

// Compile reads a policy text. Each policy needs an @id of its own, by which
// decisions name it. An error says where the text is wrong.
func Compile(name string, document []byte) (*Set, error) {
	if len(document) > maxDocument {
		return nil, fmt.Errorf("%w: %s: %d bytes: want at most %d", ErrPolicy, name, len(document), maxDocument)
	}
	list, err := cedar.NewPolicyListFromBytes(name, document)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrPolicy, name, err)
	}
	sum := sha256.Sum256(document)
	s := &Set{version: name + "@" + hex.EncodeToString(sum[:6]), policies: cedar.NewPolicySet()}
	for _, p := range list {
		id, line := p.Annotations()["id"], p.Position().Line
		if id == "" {
			return nil, fmt.Errorf("%w: %s line %d: the policy has no @id", ErrPolicy, name, line)
		}
		if !s.policies.Add(cedar.PolicyID(id), p) {
			return nil, fmt.Errorf("%w: %s line %d: @id(%q) is used twice", ErrPolicy, name, line, id)
		}
	}
	return s, nil
}

// Version names the text that the policies were compiled from: its name and hash.
func (s *Set) Version() string {
	if s == nil {
		return ""
	}
	return s.version
}

// Decision is an answer, the policy that gave it, and the version of the text.
type Decision struct {
	Allowed bool
	Policy  string // NoPolicy when none permitted
	Version string
}

// Reveal decides whether an identity may see delta and actor of a write with labels.
func (s *Set) Reveal(who *access.Identity, feature string, labels []string) Decision {
	if s == nil || who == nil {
		return Decision{Policy: NoPolicy, Version: s.Version()}
	}
	write := cedar.NewEntityUID("Write", "asked")
	values := make([]cedar.Value, len(labels))
	for i, l := range labels {
		values[i] = cedar.String(l)
	}
	entities := cedar.EntityMap{write: {UID: write, Attributes: cedar.NewRecord(cedar.RecordMap{
		"feature": cedar.String(feature), "labels": cedar.NewSet(values...),
	})}}
	ok, why := cedar.Authorize(s.policies, entities, cedar.Request{
		Principal: principal(who), Action: cedar.NewEntityUID("Action", "reveal"), Resource: write,
		Context: cedar.NewRecord(cedar.RecordMap{
			"owner":   cedar.Boolean(owns(who, feature)),
			"control": cedar.Boolean(who.May(access.Control)),
			"admin":   cedar.Boolean(who.May(access.Admin)),
		}),
	})
	d := Decision{Allowed: ok == cedar.Allow, Policy: NoPolicy, Version: s.version}
	if len(why.Errors) > 0 { // A rule that cannot be worked out must not let through what it might forbid.
		return Decision{Policy: string(why.Errors[0].PolicyID), Version: s.version}
	}
	for i, r := range why.Reasons { // Sets have no order: the least name stands for all.
		if id := string(r.PolicyID); i == 0 || id < d.Policy {
			d.Policy = id
		}
	}
	return d
}

func principal(who *access.Identity) cedar.EntityUID {
	if who.IsPerson() {
		return cedar.NewEntityUID("Person", cedar.String(who.Name))
	}
	return cedar.NewEntityUID("Service", cedar.String(who.Name))
}

// owns reports whether the feature is the identity's own: by team, or by a key that
// publishes its writes.
func owns(who *access.Identity, feature string) bool {
	if who.IsPerson() {
		return who.User.Owns(feature)
	}
	return who.MayReport(feature, metrics.KindInitiated)
}
