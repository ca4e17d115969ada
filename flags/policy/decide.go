package policy

import (
	"github.com/cedar-policy/cedar-go"

	"tidemark/flags/access"
)

// Decision is an answer, the policy that gave it, and the version of all of them.
type Decision struct {
	Allowed  bool
	Policy   string // NoPolicy when none permitted
	Revision int64  // of the policy's document; 0 = as it comes with the program
	Version  string
}

// Question is who wants to do what with what.
type Question struct {
	Who     *access.Identity
	Action  Action
	Feature string
	Labels  []string // of the write, for ReadContents
}

// Decide answers a question. Nobody may do nothing.
func (s *Set) Decide(q Question) Decision {
	if s == nil || q.Who == nil {
		return Decision{Policy: NoPolicy, Version: s.Version()}
	}
	request, entities := s.world(q)
	list := s.compiled[q.Action]
	allowed, why := cedar.Authorize(list, entities, request)
	return s.judge(list, allowed, why)
}

// Reveal decides whether an identity may see delta and actor of a write with labels.
func (s *Set) Reveal(who *access.Identity, feature string, labels []string) Decision {
	return s.Decide(Question{who, ReadContents, feature, labels})
}

func (s *Set) judge(list statements, allowed cedar.Decision, why cedar.Diagnostic) Decision {
	d := Decision{Allowed: allowed == cedar.Allow, Policy: NoPolicy, Version: s.version}
	for _, e := range why.Errors { // A rule that cannot be worked out must not let through what it might forbid.
		if st := list.find(e.PolicyID); st != nil && st.policy.Effect() == cedar.Forbid {
			return Decision{Policy: st.name, Revision: st.revision, Version: s.version}
		}
	}
	for i, r := range why.Reasons { // Several may agree: the least name stands for all.
		if st := list.find(r.PolicyID); st != nil && (i == 0 || st.name < d.Policy) {
			d.Policy, d.Revision = st.name, st.revision
		}
	}
	return d
}

// Finding is what one policy says to a question.
type Finding struct {
	Policy   string `json:"policy"`
	Revision int64  `json:"revision"`
	// Says is permits, forbids, silent (its conditions do not hold) or fails (they
	// cannot be worked out).
	Says  string `json:"says"`
	Error string `json:"error,omitempty"`
}

// Explain answers a question, and says what each policy in force for the action says.
func (s *Set) Explain(q Question) (Decision, []Finding) {
	d, out := s.Decide(q), []Finding{}
	if s == nil || q.Who == nil {
		return d, out
	}
	request, entities := s.world(q)
	list := s.compiled[q.Action]
	for i := range list {
		f := Finding{Policy: list[i].name, Revision: list[i].revision, Says: "silent"}
		_, why := cedar.Authorize(list[i:i+1], entities, request)
		switch {
		case len(why.Errors) > 0:
			f.Says, f.Error = "fails", why.Errors[0].Message
		case len(why.Reasons) > 0 && list[i].policy.Effect() == cedar.Forbid:
			f.Says = "forbids"
		case len(why.Reasons) > 0:
			f.Says = "permits"
		}
		out = append(out, f)
	}
	return d, out
}

// world is the question in Cedar's words.
func (s *Set) world(q Question) (cedar.Request, cedar.EntityMap) {
	who, subject := principal(q.Who), uid("Feature", q.Feature)
	entities := cedar.EntityMap{who.UID: who, subject: s.featureEntity(subject, q.Feature)}
	r := cedar.Request{Principal: who.UID, Action: uid("Action", string(q.Action)), Resource: subject}
	if q.Action == ReadContents {
		r.Resource = uid("Write", "shown")
		entities[r.Resource] = cedar.Entity{UID: r.Resource, Attributes: cedar.NewRecord(cedar.RecordMap{
			"feature": subject, "labels": texts(q.Labels),
		})}
	}
	return r, entities
}

func (s *Set) featureEntity(id cedar.EntityUID, name string) cedar.Entity {
	f := s.features[name]
	a := cedar.RecordMap{"name": cedar.String(name)}
	if f.team != "" {
		a["team"] = uid("Team", f.team)
	}
	if f.Publishers != nil {
		a["publishers"] = texts(f.Publishers)
	}
	if f.Consumers != nil {
		a["consumers"] = texts(f.Consumers)
	}
	return cedar.Entity{UID: id, Attributes: cedar.NewRecord(a)}
}

func principal(who *access.Identity) cedar.Entity {
	a := cedar.RecordMap{"name": cedar.String(who.Name)}
	if who.IsPerson() {
		a["role"] = cedar.String(who.User.Role)
		a["owns"] = features(who.User.Features)
		parents := make([]cedar.EntityUID, len(who.User.Teams))
		for i, t := range who.User.Teams {
			parents[i] = uid("Team", t)
		}
		return cedar.Entity{UID: uid("Person", who.Name), Parents: cedar.NewEntityUIDSet(parents...), Attributes: cedar.NewRecord(a)}
	}
	scopes, publishes, consumes := who.Grants()
	a["scopes"], a["publishes"], a["consumes"] = texts(scopes), features(publishes), features(consumes)
	return cedar.Entity{UID: uid("Key", who.Name), Attributes: cedar.NewRecord(a)}
}

func uid(kind cedar.EntityType, id string) cedar.EntityUID {
	return cedar.NewEntityUID(kind, cedar.String(id))
}

func texts(list []string) cedar.Set {
	values := make([]cedar.Value, len(list))
	for i, t := range list {
		values[i] = cedar.String(t)
	}
	return cedar.NewSet(values...)
}

func features(names []string) cedar.Set {
	values := make([]cedar.Value, len(names))
	for i, n := range names {
		values[i] = uid("Feature", n)
	}
	return cedar.NewSet(values...)
}
