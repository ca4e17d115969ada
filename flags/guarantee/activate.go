package guarantee

import (
	"context"
	"fmt"

	"tidemark/flags"
)

// Activate puts a version of a guarantee's history in force: its newest revision
// becomes current again, with the status active. It is asked for by name, so that it
// may promise less than what was current. A version that is in force already stays as
// it is; flags.ErrNotFound when the history has no such version.
func (c *Catalogue) Activate(ctx context.Context, id flags.DocumentID, version string, by Author) (flags.DocumentVersion, error) {
	if err := by.Check(true); err != nil {
		return flags.DocumentVersion{}, err
	}
	versions, err := c.opt.Store.Versions(ctx, id)
	if err != nil {
		return flags.DocumentVersion{}, fmt.Errorf("activate %s %s: %w", id, version, err)
	}
	for i := range versions {
		if versions[i].Version == version {
			return c.activate(ctx, versions, &versions[i], by)
		}
	}
	return flags.DocumentVersion{}, fmt.Errorf("%s has no version %s: %w", id, version, flags.ErrNotFound)
}

func (c *Catalogue) activate(ctx context.Context, versions []flags.DocumentVersion, old *flags.DocumentVersion, by Author) (flags.DocumentVersion, error) {
	if old.Status == flags.StatusActive && old.Revision == versions[0].Revision {
		return *old, nil
	}
	d, err := decode(old)
	if err != nil {
		return flags.DocumentVersion{}, err
	}
	if d.Guarantee == nil {
		return flags.DocumentVersion{}, fmt.Errorf("%w: %s is no guarantee", flags.ErrInvalid, old.ID)
	}
	d.Guarantee.Status = flags.StatusActive
	if err := c.checkRestore(ctx, d); err != nil {
		return flags.DocumentVersion{}, err
	}
	v := c.revision(d, by, c.opt.Now(), versions[0].Revision+1)
	if v.Hash == old.Hash {
		v.Restores = old.Revision
	}
	return v, c.store(ctx, flags.Change{
		Actor: by.Actor, Reason: by.Reason, At: v.At, Action: "document.activate",
		Documents: []flags.DocumentChange{{Version: v, Base: versions[0].Revision}},
	})
}
