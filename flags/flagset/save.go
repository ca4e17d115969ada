package flagset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
)

// AnyBase as the base of an Edit means: whatever is current.
const AnyBase int64 = -1

// Edit is one new content of a document, or its end.
type Edit struct {
	ID flags.DocumentID
	// Content is the document's; nil deletes it.
	Content json.RawMessage
	// Bucketing of a flag; "" leaves it as it is, or v2 for a new flag.
	Bucketing flags.Bucketing
	// Base is the revision that the edit was decided upon: 0 when there was none,
	// AnyBase to go over whatever is there.
	Base int64
	// Restores is the revision whose content comes back; 0 when it is new.
	Restores int64
	// Source is where it was read, file:line; "" when it was not in a file.
	Source string
}

// ChangedError says that a document is no longer at the revision that an edit was
// decided upon, and what has changed since. It wraps flags.ErrChanged.
type ChangedError struct {
	ID      flags.DocumentID
	Base    int64
	Current flags.DocumentVersion // the zero value when there is none
	Changes []flags.FieldChange   // from Base to Current
}

// Error says who changed what, and why.
func (e *ChangedError) Error() string {
	if e.Current.Revision == 0 {
		return fmt.Sprintf("%s: %v: it does not exist, and the change was made to revision %d", e.ID, flags.ErrChanged, e.Base)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v: it is at revision %d by %s, not %d", e.ID, flags.ErrChanged, e.Current.Revision, e.Current.Actor, e.Base)
	if e.Current.Reason != "" {
		fmt.Fprintf(&b, " (%q)", e.Current.Reason)
	}
	for i, c := range e.Changes {
		if i == 5 {
			fmt.Fprintf(&b, "; and %d more", len(e.Changes)-i)
			break
		}
		b.WriteString("; " + c.Words)
	}
	return b.String()
}

// Unwrap returns flags.ErrChanged.
func (e *ChangedError) Unwrap() error { return flags.ErrChanged }

// Save stores one edit and returns the revision that is then current. An edit that
// says what is current already stores nothing. The error lists what is wrong
// (*flags.ProblemsError), or is a *ChangedError.
func (c *Catalogue) Save(ctx context.Context, e Edit, by flags.Author) (flags.DocumentVersion, error) {
	if err := by.Check(false); err != nil {
		return flags.DocumentVersion{}, err
	}
	verb := ".save"
	switch {
	case e.Content == nil:
		verb = ".delete"
	case e.Restores > 0:
		verb = ".restore"
	}
	if _, err := c.commit(ctx, []Edit{e}, by, strings.ToLower(string(e.ID.Kind))+verb, Others{}); err != nil {
		return flags.DocumentVersion{}, err
	}
	return c.now.Load().documents[e.ID], nil
}

// Delete takes a document out of force by a revision that says so: its history stays,
// and an earlier revision can be restored. A reason is required.
func (c *Catalogue) Delete(ctx context.Context, id flags.DocumentID, base int64, by flags.Author) (flags.DocumentVersion, error) {
	if err := by.Check(true); err != nil {
		return flags.DocumentVersion{}, err
	}
	if _, err := c.Get(id); err != nil {
		return flags.DocumentVersion{}, err
	}
	return c.Save(ctx, Edit{ID: id, Base: base}, by)
}

// Restore makes the content of an earlier revision current again, as a new revision.
// A reason is required.
func (c *Catalogue) Restore(ctx context.Context, id flags.DocumentID, revision, base int64, by flags.Author) (flags.DocumentVersion, error) {
	if err := by.Check(true); err != nil {
		return flags.DocumentVersion{}, err
	}
	versions, err := c.Versions(ctx, id)
	if err != nil {
		return flags.DocumentVersion{}, err
	}
	old, ok := find(versions, revision)
	switch {
	case !ok || old.Status == flags.StatusDeleted:
		return flags.DocumentVersion{}, fmt.Errorf("%s has no revision %d with a content: %w", id, revision, flags.ErrNotFound)
	case old.Hash == versions[0].Hash && old.Version == versions[0].Version:
		return flags.DocumentVersion{}, fmt.Errorf("%w: %s revision %d says what is current", flags.ErrRefused, id, revision)
	}
	return c.Save(ctx, Edit{ID: id, Content: old.Content, Bucketing: flags.Bucketing(old.Version), Base: base, Restores: revision}, by)
}

// Apply stores edits in one transaction, all of them or none, together with changes
// of other kinds that belong to the same decision.
func (c *Catalogue) Apply(ctx context.Context, edits []Edit, by flags.Author, others Others) (*Plan, error) {
	if err := by.Check(false); err != nil {
		return nil, err
	}
	return c.commit(ctx, edits, by, "document.apply", others)
}

// Others are changes that are stored in the transaction of some edits.
type Others struct {
	Documents []flags.DocumentChange
	Rollouts  []flags.RolloutChange
}

// commit plans, stores and makes current, with nobody else in between.
func (c *Catalogue) commit(ctx context.Context, edits []Edit, by flags.Author, action string, others Others) (*Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, next, err := c.plan(ctx, edits)
	if err != nil {
		return nil, err
	}
	change := flags.Change{Documents: others.Documents, Rollouts: others.Rollouts, Actor: by.Actor, Reason: by.Reason, At: c.opt.Now(), Action: action}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action != ActionUnchanged {
			s.stamp(by, change.At)
			change.Documents = append(change.Documents, flags.DocumentChange{Version: s.version, Base: s.base})
		}
	}
	if len(change.Documents) == 0 && len(change.Rollouts) == 0 {
		return p, nil
	}
	if err := c.opt.Store.ApplyDocuments(ctx, change); err != nil {
		return nil, c.lost(ctx, edits, fmt.Errorf("save %d documents: %w", len(change.Documents), err))
	}
	if !p.Changes() {
		return p, nil
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action != ActionUnchanged {
			next.put(s.version, change.At)
		}
	}
	// The past of flags has grown, for sessions that are pinned to it.
	if next.set, err = c.compile(next); err != nil {
		return nil, fmt.Errorf("the change is stored and cannot be evaluated: %w", err)
	}
	c.swap(next)
	return p, errors.Join(c.labelsChanged(ctx, p), c.policiesChanged(ctx, p))
}

// lost makes of a refused transaction what the author should know: another process
// changed a document first. What it stored is read, so that the next try sees it.
func (c *Catalogue) lost(ctx context.Context, edits []Edit, err error) error {
	if !errors.Is(err, flags.ErrChanged) {
		return err
	}
	s, rerr := c.read(ctx)
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	old := c.now.Load()
	s.assignments, s.pinsBroken = old.assignments, old.pinsBroken
	if s.set, rerr = c.compile(s); rerr != nil {
		return errors.Join(err, rerr)
	}
	c.swap(s)
	for i := range edits {
		was, is := old.documents[edits[i].ID], s.documents[edits[i].ID]
		if was.Revision != is.Revision {
			return &ChangedError{ID: is.ID, Base: was.Revision, Current: is, Changes: Diff(&was, &is)}
		}
	}
	return err
}

func (s *Step) stamp(by flags.Author, at time.Time) {
	s.version.Actor, s.version.Reason, s.version.At = by.Actor, by.Reason, at
}

func find(versions []flags.DocumentVersion, revision int64) (flags.DocumentVersion, bool) {
	for _, v := range versions {
		if v.Revision == revision {
			return v, true
		}
	}
	return flags.DocumentVersion{}, false
}
