package guarantee

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidemark/flags"
	"tidemark/metrics"
)

// Action is what applying a document will do.
type Action string

// The actions of a plan.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionUnchanged Action = "unchanged"
	ActionRefused   Action = "refused"
)

// Step is what a plan will do with one document.
type Step struct {
	Kind     flags.DocumentKind `json:"kind"`
	Name     string             `json:"name"`
	Source   string             `json:"source,omitempty"`
	Action   Action             `json:"action"`
	From     string             `json:"from,omitempty"` // version that is current; "" when there is none
	To       string             `json:"to"`
	Diff     []FieldChange      `json:"diff,omitempty"`
	Weakened []Weakening        `json:"weakened,omitempty"` // allowed by a new major version, or why it is refused
	Refusals []string           `json:"refusals,omitempty"` // sentences
	Notes    []string           `json:"notes,omitempty"`    // sentences: what else to know

	document *flags.Document
	base     int64
}

// Document is what the step makes current; nil when it is of a kind that is kept
// elsewhere.
func (s *Step) Document() *flags.Document { return s.document }

// ID returns the key of the step's document.
func (s *Step) ID() flags.DocumentID { return flags.DocumentID{Kind: s.Kind, Name: s.Name} }

// Plan is what applying some documents will do: all of its steps or, when one is
// refused, none. Documents that are not named stay as they are.
type Plan struct {
	Steps []Step `json:"steps"`
}

// Refused reports whether the plan cannot be applied.
func (p *Plan) Refused() bool { return p.count(ActionRefused) > 0 }

// Changes reports whether applying the plan would store anything.
func (p *Plan) Changes() bool { return p.count(ActionCreate)+p.count(ActionUpdate) > 0 }

func (p *Plan) count(a Action) int {
	n := 0
	for i := range p.Steps {
		if p.Steps[i].Action == a {
			n++
		}
	}
	return n
}

// Summary is the plan in one sentence.
func (p *Plan) Summary() string {
	return fmt.Sprintf("%d to create, %d to update, %d unchanged, %d refused.",
		p.count(ActionCreate), p.count(ActionUpdate), p.count(ActionUnchanged), p.count(ActionRefused))
}

// Err returns nil, or an error that wraps flags.ErrRefused and gives every reason.
func (p *Plan) Err() error {
	var lines []string
	for i := range p.Steps {
		for _, r := range p.Steps[i].Refusals {
			lines = append(lines, p.Steps[i].ID().String()+": "+r)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", flags.ErrRefused, strings.Join(lines, " "))
}

// known is what a plan is decided upon: the current revisions, those in force, and
// every revision of the documents that it names, newest first.
type known struct {
	current  map[flags.DocumentID]flags.DocumentVersion
	inForce  map[flags.DocumentID]flags.DocumentVersion
	versions map[flags.DocumentID][]flags.DocumentVersion
}

// makePlan decides what happens to each document, in the order given.
func makePlan(k known, docs []flags.Document) (*Plan, error) {
	p := &Plan{Steps: []Step{}}
	for i := range docs {
		s, err := makeStep(k, &docs[i])
		if err != nil {
			return nil, err
		}
		p.Steps = append(p.Steps, s)
	}
	if err := p.refuseClashes(k); err != nil {
		return nil, err
	}
	return p, nil
}

func makeStep(k known, d *flags.Document) (Step, error) {
	id := d.ID()
	s := Step{Kind: id.Kind, Name: id.Name, Source: d.Source, Action: ActionCreate, To: d.Version(), document: d}
	cur, ok := k.current[id]
	if !ok {
		s.Diff = Diff(nil, d)
		return s, nil
	}
	old, err := decode(&cur)
	if err != nil {
		return s, err
	}
	s.From, s.base = cur.Version, cur.Revision
	s.Diff = Diff(old, d)
	if len(s.Diff) == 0 {
		s.Action = ActionUnchanged
		return s, nil
	}
	if v := k.inForce[id]; v.Revision != cur.Revision && v.Hash == Hash(Encode(d)) {
		s.Action, s.Diff = ActionUnchanged, nil
		s.From, s.base = v.Version, v.Revision
		s.Notes = append(s.Notes, fmt.Sprintf("It is in force; the draft of version %s beside it stays.", cur.Version))
		return s, nil
	}
	s.Action = ActionUpdate
	s.refuseVersion(k.versions[id], Encode(d))
	return s, s.weakens(k.inForce[id], d)
}

// weakens compares with the version in force, and refuses to promise less without a new
// major version. A draft is compared as what it will be once it is activated.
func (s *Step) weakens(v flags.DocumentVersion, d *flags.Document) error {
	held, err := decode(&v)
	if err != nil {
		return err
	}
	if d.Status() == flags.StatusDraft && held.Status() == flags.StatusActive {
		s.Notes = append(s.Notes, fmt.Sprintf("Version %s stays in force beside this draft.", v.Version))
		d = activated(d)
	}
	s.Weakened = Compatible(held, d)
	if len(s.Weakened) > 0 && s.To != v.Version && !newMajor(v.Version, s.To) {
		s.refuseWeakening(v.Version)
	}
	return nil
}

// refuseVersion applies the rules of version numbers: each stands for one content
// for ever, and a new content has a number above all before it.
func (s *Step) refuseVersion(history []flags.DocumentVersion, content []byte) {
	highest := s.To
	for i := range history {
		v := &history[i]
		if v.Version == s.To {
			if v.Hash == Hash(content) {
				s.refuse("version %s is in the history as revision %d and was replaced by %s since; restore it, giving a reason, or raise the version.", s.To, v.Revision, s.From)
			} else {
				s.refuse("version %s already stands for other content (revision %d); raise the version to change it.", s.To, v.Revision)
			}
			return
		}
		if CompareVersions(v.Version, highest) > 0 {
			highest = v.Version
		}
	}
	if highest != s.To {
		s.refuse("version %s is not above %s, the highest so far; a new version has a higher number.", s.To, highest)
	}
}

func (s *Step) refuseWeakening(held string) {
	reasons := make([]string, len(s.Weakened))
	for i, w := range s.Weakened {
		reasons[i] = w.Message
	}
	s.refuse("version %s promises less than %s without a new major version: %s.", s.To, held, strings.Join(reasons, "; "))
}

// Refuse makes the step one that cannot be applied.
func (s *Step) Refuse(why string) { s.refuse("%s", why) }

func (s *Step) refuse(format string, args ...any) {
	s.Action = ActionRefused
	s.Refusals = append(s.Refusals, fmt.Sprintf(format, args...))
}

// refuseClashes refuses steps after which two active documents would contradict
// each other about one feature.
func (p *Plan) refuseClashes(k known) error {
	after := map[flags.DocumentID]*flags.Document{}
	for id, cur := range k.inForce {
		d, err := decode(&cur)
		if err != nil {
			return err
		}
		after[id] = d
	}
	before := maps.Clone(after)
	for i := range p.Steps {
		s := &p.Steps[i]
		if held := after[s.ID()]; s.document.Status() == flags.StatusDraft && held != nil && held.Status() == flags.StatusActive {
			continue
		}
		after[s.ID()] = s.document
	}
	ids := slices.SortedFunc(maps.Keys(after), func(a, b flags.DocumentID) int { return strings.Compare(a.String(), b.String()) })
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Action != ActionUnchanged && s.document.Status() == flags.StatusActive {
			s.refuseClash(ids, after)
			s.refuseMany(before[s.ID()], after)
		}
	}
	return nil
}

// What one feature may promise at once: each objective is judged anew every few seconds.
const (
	mostPromises   = 50
	mostObjectives = 200
)

// refuseMany refuses a step that adds to the promises of a feature, or to their objectives,
// when there are too many after the plan. held is what the step replaces; it may be nil.
func (s *Step) refuseMany(held *flags.Document, after map[flags.DocumentID]*flags.Document) {
	feature := s.document.Feature()
	had, objectives := promised(held, feature)
	has, wants := promised(s.document, feature)
	if has <= had && wants <= objectives {
		return
	}
	had, objectives = 0, 0
	for _, o := range after {
		n, m := promised(o, feature)
		had, objectives = had+n, objectives+m
	}
	if had > mostPromises || objectives > mostObjectives {
		s.refuse("feature %s would have %d promises in force with %d objectives; at most %d with %d are allowed.", feature, had, objectives, mostPromises, mostObjectives)
	}
}

// promised counts what a document promises of a feature.
func promised(d *flags.Document, feature string) (promises, objectives int) {
	if d == nil || d.Guarantee == nil || d.Status() != flags.StatusActive || d.Feature() != feature {
		return 0, 0
	}
	return 1, len(d.Guarantee.Objectives)
}

// refuseClash looks at the others in the order of ids.
func (s *Step) refuseClash(ids []flags.DocumentID, after map[flags.DocumentID]*flags.Document) {
	d := s.document
	for _, id := range ids {
		o := after[id]
		if id == d.ID() || o.Status() != flags.StatusActive || o.Feature() != d.Feature() {
			continue
		}
		if d.Route != nil && o.Route != nil {
			s.refuse("%s is already the route of feature %s; a feature has one active route.", id, d.Feature())
		}
		if d.Guarantee != nil && o.Guarantee != nil {
			s.refuseReplicas(o)
		}
	}
}

func (s *Step) refuseReplicas(o *flags.Document) {
	for _, a := range s.document.Replicas() {
		for _, b := range o.Replicas() {
			if a.Name == b.Name && a != b {
				s.refuse("replica %s of feature %s is %s here and %s in %s; they must agree.",
					a.Name, o.Feature(), replicaWords(a), replicaWords(b), o.ID())
			}
		}
	}
}

func replicaWords(r flags.Replica) string {
	kind := "op"
	if r.Kind == metrics.StateBased {
		kind = "state"
	}
	if r.Silence != 0 {
		return kind + " with silence " + flags.FormatDuration(r.Silence)
	}
	return kind
}

// decode reads the content of a stored revision.
func decode(v *flags.DocumentVersion) (*flags.Document, error) {
	docs, err := Parse(v.ID.String(), v.Content)
	if err != nil {
		return nil, fmt.Errorf("stored %s revision %d: %w", v.ID, v.Revision, err)
	}
	if len(docs) != 1 {
		return nil, fmt.Errorf("stored %s revision %d: %w: %d documents", v.ID, v.Revision, flags.ErrInvalid, len(docs))
	}
	docs[0].Source = ""
	return &docs[0], nil
}
