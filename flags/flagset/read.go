package flagset

import (
	"context"
	"fmt"

	"tidemark/flags"
)

// Get returns the current revision of a document; flags.ErrNotFound when there is
// none or it is deleted.
func (c *Catalogue) Get(id flags.DocumentID) (flags.DocumentVersion, error) {
	v, ok := c.now.Load().documents[id]
	if !ok || v.Status == flags.StatusDeleted {
		return flags.DocumentVersion{}, fmt.Errorf("%s: %w", id, flags.ErrNotFound)
	}
	return v, nil
}

// Head returns the newest revision of a document, be it a tombstone; the zero value
// when there never was one. Its number is the base of the next edit.
func (c *Catalogue) Head(id flags.DocumentID) flags.DocumentVersion {
	return c.now.Load().documents[id]
}

// List returns the documents of a kind that are not deleted, ordered by name.
func (c *Catalogue) List(k flags.DocumentKind) []flags.DocumentVersion {
	return c.now.Load().current(k)
}

// Versions returns every revision of a document, newest first, tombstones too;
// flags.ErrNotFound when there never was one.
func (c *Catalogue) Versions(ctx context.Context, id flags.DocumentID) ([]flags.DocumentVersion, error) {
	vs, err := c.opt.Store.Versions(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	if len(vs) == 0 || !Keeps(id.Kind) {
		return nil, fmt.Errorf("%s: %w", id, flags.ErrNotFound)
	}
	return vs, nil
}

// Compare lists what changes from one revision of a document to another; from 0 is
// the document before it existed.
func (c *Catalogue) Compare(ctx context.Context, id flags.DocumentID, from, to int64) ([]flags.FieldChange, error) {
	vs, err := c.Versions(ctx, id)
	if err != nil {
		return nil, err
	}
	old, okOld := find(vs, from)
	next, okNext := find(vs, to)
	if !okNext || !okOld && from != 0 {
		return nil, fmt.Errorf("%s has no revision %d or %d: %w", id, from, to, flags.ErrNotFound)
	}
	return Diff(&old, &next), nil
}
