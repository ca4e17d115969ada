// Package access says who may do what: API keys with scopes for services, roles
// for people, and the permission that each route asks for.
package access

import (
	"fmt"
	"slices"
	"time"
)

// Permission is what a route asks of whoever calls it.
type Permission string

// The permissions. A route without one is a mistake that a test finds.
const (
	// Public routes serve anyone: health, static files, the sign-in page.
	Public Permission = "public"
	// Anyone with an identity.
	Known Permission = "known"
	// Person asks for somebody who is signed in, whatever they may do: for what is theirs.
	Person Permission = "person"
	// Ingest asks for any publish or consume scope; each event is checked by itself.
	Ingest Permission = "ingest"
	// Evaluate asks for flag values.
	Evaluate Permission = "evaluate"
	// Sync asks for the whole definition of the flags.
	Sync Permission = "sync"
	// Read asks questions.
	Read Permission = "read"
	// Control changes documents, webhooks and alerts.
	Control Permission = "control"
	// Admin manages keys and people.
	Admin Permission = "admin"
)

// Permissions lists every permission.
func Permissions() []Permission {
	return []Permission{Public, Known, Person, Ingest, Evaluate, Sync, Read, Control, Admin}
}

// Role is what a person is.
type Role string

// The roles; each includes the one before it.
const (
	Viewer        Role = "viewer"   // reads
	Operator      Role = "operator" // and controls
	Administrator Role = "admin"    // and manages access
)

// Roles lists the roles, least first.
func Roles() []Role { return []Role{Viewer, Operator, Administrator} }

// User is a person.
type User struct {
	Name string
	Role Role
	// Features are those that the person's teams own: they may control them whatever
	// their role. Sorted.
	Features []string
	// Teams are those that the person is a member of. Sorted.
	Teams []string
}

// Owns reports whether one of the person's teams owns a feature.
func (u *User) Owns(feature string) bool {
	_, ok := slices.BinarySearch(u.Features, feature)
	return ok
}

// Identity is who makes a request: a service by its key, or a person by a
// session. The zero Identity is nobody.
type Identity struct {
	User    User    // when a person
	Session string  // the id of the person's session
	KeyID   string  // when a service
	Name    string  // of the service or person
	Rate    float64 // requests a second that the key may make; 0 = as many as any key

	actor   string
	expires time.Time
	scopes  map[Scope]struct{}
	reports bool // some feature
}

// ServiceIdentity is the identity that a key gives.
func ServiceIdentity(k *Key) *Identity {
	id := &Identity{
		KeyID: k.ID, Name: k.Name, actor: "key:" + k.Name + ":" + k.ID, Rate: k.Rate, expires: k.ExpiresAt,
		scopes: make(map[Scope]struct{}, len(k.Scopes)),
	}
	for _, s := range k.Scopes {
		id.scopes[s] = struct{}{}
		if _, _, ok := s.feature(); ok {
			id.reports = true
		}
	}
	return id
}

// PersonIdentity is the identity that a session gives.
func PersonIdentity(u User) *Identity { return &Identity{User: u, Name: u.Name} }

// Actor is how the identity is written in the audit log.
func (i *Identity) Actor() string {
	switch {
	case i.actor != "":
		return i.actor
	case i.KeyID != "":
		return "key:" + i.Name + ":" + i.KeyID
	}
	return "user:" + i.Name
}

// IsPerson reports whether a browser session, not a key, gave the identity.
func (i *Identity) IsPerson() bool { return i.User.Role != "" }

// May reports whether the identity has a permission.
func (i *Identity) May(p Permission) bool {
	if p == Public {
		return true
	}
	if i == nil || (i.KeyID == "" && !i.IsPerson()) {
		return false
	}
	if p == Known {
		return true
	}
	if i.IsPerson() {
		return i.personMay(p)
	}
	switch p {
	case Ingest:
		return i.reports
	case Evaluate:
		return i.has(ScopeEvaluate)
	case Sync:
		return i.has(ScopeSync)
	case Read:
		return i.has(ScopeRead)
	case Control:
		return i.has(ScopeControl)
	case Admin:
		return i.has(ScopeAdmin)
	}
	return false
}

func (i *Identity) personMay(p Permission) bool {
	switch p {
	case Person:
		return true
	case Read, Evaluate:
		return i.User.Role == Viewer || i.User.Role == Operator || i.User.Role == Administrator
	case Control:
		return i.User.Role == Operator || i.User.Role == Administrator
	case Admin:
		return i.User.Role == Administrator
	}
	return false
}

// Lacking is the refusal of somebody without a permission; it says who has it.
func Lacking(p Permission) error {
	who := ""
	switch p {
	case Person:
		who = ", which people who are signed in have, and no key"
	case Ingest:
		who = ", which keys with a scope publish:FEATURE or consume:FEATURE have"
	case Sync:
		who = ", which keys of that scope alone have"
	case Control:
		who = ", which operators, administrators and keys of that scope have"
	case Admin:
		who = ", which administrators and keys of that scope have"
	}
	return fmt.Errorf("%w: this needs the permission %q%s", ErrForbidden, p, who)
}

// MayControl reports whether the identity may change what is about those features:
// whoever may control everything, and the members of the teams that own them all.
func (i *Identity) MayControl(features ...string) bool {
	if i.May(Control) {
		return true
	}
	if i == nil || !i.IsPerson() || len(features) == 0 {
		return false
	}
	for _, f := range features {
		if !i.User.Owns(f) {
			return false
		}
	}
	return true
}

func (i *Identity) has(s Scope) bool {
	_, ok := i.scopes[s]
	return ok
}

// Grants are the scopes of a key, and the features that it names in scopes to publish
// and to consume; all sorted.
func (i *Identity) Grants() (scopes, publishes, consumes []string) {
	for s := range i.scopes {
		scopes = append(scopes, string(s))
		verb, feature, ok := s.feature()
		switch {
		case !ok || feature == "*":
		case verb == publishVerb:
			publishes = append(publishes, feature)
		case verb == consumeVerb:
			consumes = append(consumes, feature)
		}
	}
	slices.Sort(scopes)
	slices.Sort(publishes)
	slices.Sort(consumes)
	return scopes, publishes, consumes
}
