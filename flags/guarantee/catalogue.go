package guarantee

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Options are what a Catalogue needs.
type Options struct {
	Store flags.GuaranteeStore
	Now   func() time.Time
	// Changed is called after documents changed, such as to tell the fold; may be
	// nil. Its error is returned to whoever made the change, which stays made.
	Changed func(context.Context) error
}

// Catalogue is the documents with their history, and the rules by which they
// change. It is safe for concurrent use.
type Catalogue struct{ opt Options }

// NewCatalogue returns a catalogue over a store.
func NewCatalogue(opt Options) *Catalogue { return &Catalogue{opt} }

// Plan says what applying documents would do, and stores nothing.
func (c *Catalogue) Plan(ctx context.Context, docs []flags.Document) (*Plan, error) {
	if err := asError(duplicates(docs)); err != nil {
		return nil, err
	}
	for i := range docs {
		if ps := Validate(&docs[i]); len(ps) > 0 {
			return nil, asError(ps)
		}
	}
	k, err := c.known(ctx, docs)
	if err != nil {
		return nil, err
	}
	return makePlan(k, docs)
}

func (c *Catalogue) known(ctx context.Context, docs []flags.Document) (known, error) {
	k := known{current: map[flags.DocumentID]flags.DocumentVersion{}, inForce: map[flags.DocumentID]flags.DocumentVersion{}, versions: map[flags.DocumentID][]flags.DocumentVersion{}}
	current, err := c.opt.Store.Documents(ctx)
	if err != nil {
		return k, fmt.Errorf("plan: %w", err)
	}
	for _, v := range promises(current) {
		k.current[v.ID] = v
	}
	held, err := versionsInForce(ctx, c.opt.Store, promises(current))
	if err != nil {
		return k, fmt.Errorf("plan: %w", err)
	}
	for _, v := range held {
		k.inForce[v.ID] = v
	}
	for i := range docs {
		id := docs[i].ID()
		if _, ok := k.current[id]; !ok {
			continue
		}
		if k.versions[id], err = c.opt.Store.Versions(ctx, id); err != nil {
			return k, fmt.Errorf("plan %s: %w", id, err)
		}
	}
	return k, nil
}

// Apply plans and, unless something is refused, stores every new revision in one
// transaction. The plan is returned also with an error that wraps
// flags.ErrRefused. When someone else changed a document in between it plans once
// more and then gives flags.ErrChanged.
func (c *Catalogue) Apply(ctx context.Context, docs []flags.Document, by Author) (*Plan, error) {
	if err := by.Check(false); err != nil {
		return nil, err
	}
	p, err := c.apply(ctx, docs, by)
	if errors.Is(err, flags.ErrChanged) {
		p, err = c.apply(ctx, docs, by)
	}
	return p, err
}

func (c *Catalogue) apply(ctx context.Context, docs []flags.Document, by Author) (*Plan, error) {
	p, err := c.Plan(ctx, docs)
	if err != nil {
		return nil, err
	}
	if err := p.Err(); err != nil {
		return p, err
	}
	if !p.Changes() {
		return p, nil
	}
	change := flags.Change{Actor: by.Actor, Reason: by.Reason, At: c.opt.Now(), Action: "document.apply"}
	change.Documents = c.Changes(p, by)
	return p, c.store(ctx, change)
}

// Changes are what a plan stores, for whoever stores it together with other things.
// Tell must be called afterwards.
func (c *Catalogue) Changes(p *Plan, by Author) []flags.DocumentChange {
	var out []flags.DocumentChange
	now := c.opt.Now()
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action != ActionUnchanged {
			out = append(out, flags.DocumentChange{Version: c.revision(s.document, by, now, s.base+1), Base: s.base})
		}
	}
	return out
}

func (c *Catalogue) revision(d *flags.Document, by Author, at time.Time, number int64) flags.DocumentVersion {
	content := Encode(d)
	return flags.DocumentVersion{
		ID: d.ID(), Revision: number, Version: d.Version(), Hash: Hash(content), Content: content,
		Status: d.Status(), Feature: d.Feature(), Actor: by.Actor, Reason: by.Reason, At: at,
	}
}

func (c *Catalogue) store(ctx context.Context, change flags.Change) error {
	if err := c.opt.Store.ApplyDocuments(ctx, change); err != nil {
		return fmt.Errorf("apply %d documents: %w", len(change.Documents), err)
	}
	return c.Tell(ctx)
}

// Tell tells of documents that were stored.
func (c *Catalogue) Tell(ctx context.Context) error {
	if c.opt.Changed == nil {
		return nil
	}
	if err := c.opt.Changed(ctx); err != nil {
		return fmt.Errorf("documents are stored; telling of it: %w", err)
	}
	return nil
}

// Restore makes the content of an earlier revision current again, as a new
// revision with its own author, time and reason: the history only grows. It may
// weaken the promise, because it is asked for by name and a reason is required. Base is
// the revision that is current, 0 whichever is; another one is flags.ErrChanged.
func (c *Catalogue) Restore(ctx context.Context, id flags.DocumentID, revision, base int64, by Author) (flags.DocumentVersion, error) {
	if err := by.Check(true); err != nil {
		return flags.DocumentVersion{}, err
	}
	versions, err := c.opt.Store.Versions(ctx, id)
	if err != nil {
		return flags.DocumentVersion{}, fmt.Errorf("restore %s: %w", id, err)
	}
	if now := versions[0].Revision; base != 0 && base != now {
		return flags.DocumentVersion{}, fmt.Errorf("%w: it is at revision %d, not %d", flags.ErrChanged, now, base)
	}
	old, ok := find(versions, revision)
	if !ok {
		return flags.DocumentVersion{}, fmt.Errorf("%s revision %d: %w", id, revision, flags.ErrNotFound)
	}
	if old.Hash == versions[0].Hash {
		return flags.DocumentVersion{}, fmt.Errorf("%w: %s revision %d is what is current", flags.ErrRefused, id, revision)
	}
	d, err := decode(&old)
	if err != nil {
		return flags.DocumentVersion{}, err
	}
	if err := c.checkRestore(ctx, d); err != nil {
		return flags.DocumentVersion{}, err
	}
	v := c.revision(d, by, c.opt.Now(), versions[0].Revision+1)
	v.Restores = revision
	return v, c.store(ctx, flags.Change{
		Actor: by.Actor, Reason: by.Reason, At: v.At, Action: "document.restore",
		Documents: []flags.DocumentChange{{Version: v, Base: versions[0].Revision}},
	})
}

// checkRestore refuses a restore that would contradict another active document.
func (c *Catalogue) checkRestore(ctx context.Context, d *flags.Document) error {
	k, err := c.known(ctx, nil)
	if err != nil {
		return err
	}
	p := &Plan{Steps: []Step{{Kind: d.Kind, Name: d.ID().Name, Action: ActionUpdate, document: d}}}
	if err := p.refuseClashes(k); err != nil {
		return err
	}
	return p.Err()
}

func find(versions []flags.DocumentVersion, revision int64) (flags.DocumentVersion, bool) {
	for _, v := range versions {
		if v.Revision == revision {
			return v, true
		}
	}
	return flags.DocumentVersion{}, false
}

// Current returns every current document with its revision, ordered by kind and name.
func (c *Catalogue) Current(ctx context.Context) ([]Stored, error) {
	vs, err := c.opt.Store.Documents(ctx)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	return decodeAll(vs)
}

// Stored is a document with the revision that holds it.
type Stored struct {
	flags.DocumentVersion
	Document *flags.Document
}

// promises are the revisions of the kinds that this package keeps; flags and the
// like are kept beside them.
func promises(vs []flags.DocumentVersion) []flags.DocumentVersion {
	return slices.DeleteFunc(vs, func(v flags.DocumentVersion) bool {
		return v.ID.Kind != flags.KindGuarantee && v.ID.Kind != flags.KindRoute
	})
}

func decodeAll(vs []flags.DocumentVersion) ([]Stored, error) {
	vs = promises(vs)
	out := make([]Stored, len(vs))
	for i := range vs {
		d, err := decode(&vs[i])
		if err != nil {
			return nil, err
		}
		out[i] = Stored{vs[i], d}
	}
	return out, nil
}

// Get returns the current revision of a document; flags.ErrNotFound when there is none.
func (c *Catalogue) Get(ctx context.Context, id flags.DocumentID) (Stored, error) {
	v, err := c.opt.Store.Document(ctx, id)
	if err != nil {
		return Stored{}, fmt.Errorf("%s: %w", id, err)
	}
	d, err := decode(&v)
	return Stored{v, d}, err
}

// Versions returns every revision of a document, newest first; flags.ErrNotFound
// when there is none.
func (c *Catalogue) Versions(ctx context.Context, id flags.DocumentID) ([]Stored, error) {
	vs, err := c.opt.Store.Versions(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	if len(vs) == 0 {
		return nil, fmt.Errorf("%s: %w", id, flags.ErrNotFound)
	}
	return decodeAll(vs)
}

// DiffRevisions compares two revisions of a document; from 0 is the document
// before it existed.
func (c *Catalogue) DiffRevisions(ctx context.Context, id flags.DocumentID, from, to int64) ([]FieldChange, []Weakening, error) {
	vs, err := c.Versions(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	pick := func(n int64) *flags.Document {
		for _, v := range vs {
			if v.Revision == n {
				return v.Document
			}
		}
		return nil
	}
	old, next := pick(from), pick(to)
	if next == nil || (old == nil && from != 0) {
		return nil, nil, fmt.Errorf("%s has no revision %d or %d: %w", id, from, to, flags.ErrNotFound)
	}
	if old == nil {
		return Diff(nil, next), nil, nil
	}
	return Diff(old, next), Compatible(old, next), nil
}

// FeatureConfigs is what the fold must know, from the whole history.
func (c *Catalogue) FeatureConfigs(ctx context.Context) ([]metrics.FeatureConfig, error) {
	vs, err := c.opt.Store.History(ctx)
	if err != nil {
		return nil, fmt.Errorf("history of documents: %w", err)
	}
	stored, err := decodeAll(vs)
	if err != nil {
		return nil, err
	}
	return FeatureConfigs(stored), nil
}
