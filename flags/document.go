package flags

import "time"

// DocumentKind is the kind of a document, as written in its kind field.
type DocumentKind string

// The kinds of document that tidemark keeps.
const (
	KindGuarantee DocumentKind = "ConsistencyGuarantee"
	KindRoute     DocumentKind = "Route"
)

// StatusDeleted is the status of the revision by which a document went. Its content is
// empty; an earlier revision can be restored.
const StatusDeleted Status = "deleted"

// APIVersion is the apiVersion of every document.
const APIVersion = "tidemark/v1alpha1"

// Document is one thing that somebody wrote down. Exactly one of Guarantee and
// Route is set: the one that Kind names.
type Document struct {
	Kind      DocumentKind
	Guarantee *Guarantee
	Route     *Route
	Source    string // file:line where it was read; "" when it came from a store
}

// DocumentID names a document. It is its natural key.
type DocumentID struct {
	Kind DocumentKind
	Name string
}

// String returns "Kind/name".
func (id DocumentID) String() string { return string(id.Kind) + "/" + id.Name }

// ID returns the document's key.
func (d *Document) ID() DocumentID {
	if d.Guarantee != nil {
		return DocumentID{KindGuarantee, d.Guarantee.Name}
	}
	if d.Route != nil {
		return DocumentID{KindRoute, d.Route.Name}
	}
	return DocumentID{}
}

// Version returns the semantic version that the author gave it.
func (d *Document) Version() string {
	if d.Guarantee != nil {
		return d.Guarantee.Version
	}
	if d.Route != nil {
		return d.Route.Version
	}
	return ""
}

// Feature returns the feature that it is about.
func (d *Document) Feature() string {
	if d.Guarantee != nil {
		return d.Guarantee.Feature
	}
	if d.Route != nil {
		return d.Route.Feature
	}
	return ""
}

// Status returns whether it is in force.
func (d *Document) Status() Status {
	if d.Guarantee != nil {
		return d.Guarantee.Status
	}
	if d.Route != nil {
		return d.Route.Status
	}
	return ""
}

// Replicas returns the replicas that it names.
func (d *Document) Replicas() []Replica {
	if d.Guarantee != nil {
		return d.Guarantee.Replicas
	}
	if d.Route != nil {
		return d.Route.Replicas
	}
	return nil
}

// DocumentVersion is one immutable revision of a document. A document's current
// revision is the one with the greatest number; nothing is ever changed or
// removed, so the same version may come back as a later revision by a restore.
type DocumentVersion struct {
	ID       DocumentID
	Revision int64  // 1, 2, 3 … for each document
	Version  string // semantic version of Content
	Hash     string // SHA-256 of Content, hex
	Content  []byte // canonical YAML
	Status   Status
	Feature  string
	Actor    string // who
	Reason   string // why
	At       time.Time
	Restores int64 // the revision whose content came back; 0 when it is new
}

// ReviewRecord is a note that somebody looked at a promise again and decided something.
type ReviewRecord struct {
	ID       DocumentID
	Revision int64 // the revision that was looked at
	Decision string
	Note     string
	Actor    string
	At       time.Time
}

// Change is a set of new revisions that become current together or not at all.
type Change struct {
	Documents []DocumentChange
	Rollouts  []RolloutChange // that the documents make
	Actor     string
	Reason    string
	At        time.Time
	// Action is the verb of the audit records: document.apply or document.restore.
	Action string
}

// DocumentChange is one new revision of a Change.
type DocumentChange struct {
	Version DocumentVersion
	// Base is the revision that the change was decided upon; 0 when there was none.
	Base int64
}

// RolloutChange is a rollout with the transition that makes it what it is.
type RolloutChange struct {
	Rollout    Rollout
	Transition Transition
}

// AttainmentPoint is what an objective added up to by the end of one UTC day.
type AttainmentPoint struct {
	Guarantee string
	Objective string // Objective key
	Day       string // YYYY-MM-DD
	Version   string
	Good      int64
	Eligible  int64 // 0: nothing was known
	Goal      float64
	Verdict   string
}
