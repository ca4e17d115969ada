package guarantee

import (
	"context"
	"fmt"

	"tidemark/flags"
)

// inForce is which of a document's revisions, newest first, holds. A draft is written
// before it holds: the active version before it goes on until another takes its place, so
// that a promise is kept while its next version is tried. Without one it is the newest.
func inForce(revisions int, status func(i int) flags.Status) int {
	for i := range revisions {
		if s := status(i); s == flags.StatusActive {
			return i
		} else if s != flags.StatusDraft {
			break
		}
	}
	return 0
}

// Held returns which of the revisions of a document, newest first, is in force.
func Held(versions []Stored) int {
	return inForce(len(versions), func(i int) flags.Status { return versions[i].Status })
}

// Features lists which features the revisions of a document are about.
func Features(versions []Stored) []string {
	out := make([]string, len(versions))
	for i := range versions {
		out[i] = versions[i].Feature
	}
	return out
}

// versionsInForce replaces drafts by the versions that go on beside them.
func versionsInForce(ctx context.Context, store flags.GuaranteeStore, current []flags.DocumentVersion) ([]flags.DocumentVersion, error) {
	out := make([]flags.DocumentVersion, len(current))
	for i := range current {
		out[i] = current[i]
		if current[i].Status != flags.StatusDraft {
			continue
		}
		vs, err := store.Versions(ctx, current[i].ID)
		if err != nil {
			return nil, fmt.Errorf("what is in force of %s: %w", current[i].ID, err)
		}
		if len(vs) > 0 {
			out[i] = vs[inForce(len(vs), func(j int) flags.Status { return vs[j].Status })]
		}
	}
	return out, nil
}

// InForce returns, of every document, the revision that holds, ordered by kind and
// name: the current one, unless that is a draft beside an active version.
func (c *Catalogue) InForce(ctx context.Context) ([]Stored, error) {
	vs, err := c.opt.Store.Documents(ctx)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	if vs, err = versionsInForce(ctx, c.opt.Store, promises(vs)); err != nil {
		return nil, err
	}
	return decodeAll(vs)
}

// GetInForce returns the revision of a document that is in force; flags.ErrNotFound when
// there is no such document.
func (c *Catalogue) GetInForce(ctx context.Context, id flags.DocumentID) (Stored, error) {
	vs, err := c.Versions(ctx, id)
	if err != nil {
		return Stored{}, err
	}
	return vs[Held(vs)], nil
}

// activated is a copy of a document with the status active.
func activated(d *flags.Document) *flags.Document {
	out := *d
	if d.Guarantee != nil {
		g := *d.Guarantee
		g.Status = flags.StatusActive
		out.Guarantee = &g
	}
	if d.Route != nil {
		r := *d.Route
		r.Status = flags.StatusActive
		out.Route = &r
	}
	return &out
}
