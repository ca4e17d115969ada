package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tidemark/flags"
	"tidemark/flags/audit"
)

var _ flags.GuaranteeStore = (*Store)(nil)

const documentColumns = `kind, name, revision, version, hash, content, status, feature, actor, reason, at, restores`

// Documents implements flags.GuaranteeStore.
func (s *Store) Documents(ctx context.Context) ([]flags.DocumentVersion, error) {
	return s.documents(ctx, `SELECT `+documentColumns+` FROM documents AS d
		WHERE revision = (SELECT max(revision) FROM documents WHERE kind = d.kind AND name = d.name)
		ORDER BY kind, name`)
}

// DocumentsOf returns the current revision of every document of some kinds, ordered by
// kind, then name.
func (s *Store) DocumentsOf(ctx context.Context, kinds ...flags.DocumentKind) (out []flags.DocumentVersion, err error) {
	for _, k := range kinds {
		vs, err := s.documents(ctx, `SELECT `+documentColumns+` FROM documents AS d
			WHERE kind = ? AND revision = (SELECT max(revision) FROM documents WHERE kind = d.kind AND name = d.name)
			ORDER BY name`, k)
		if err != nil {
			return nil, err
		}
		out = append(out, vs...)
	}
	return out, nil
}

// Document implements flags.GuaranteeStore.
func (s *Store) Document(ctx context.Context, id flags.DocumentID) (flags.DocumentVersion, error) {
	vs, err := s.documents(ctx, `SELECT `+documentColumns+` FROM documents
		WHERE kind = ? AND name = ? ORDER BY revision DESC LIMIT 1`, id.Kind, id.Name)
	if err != nil {
		return flags.DocumentVersion{}, err
	}
	if len(vs) == 0 {
		return flags.DocumentVersion{}, fmt.Errorf("document %s: %w", id, flags.ErrNotFound)
	}
	return vs[0], nil
}

// Versions implements flags.GuaranteeStore.
func (s *Store) Versions(ctx context.Context, id flags.DocumentID) ([]flags.DocumentVersion, error) {
	return s.documents(ctx, `SELECT `+documentColumns+` FROM documents
		WHERE kind = ? AND name = ? ORDER BY revision DESC`, id.Kind, id.Name)
}

// History implements flags.GuaranteeStore.
func (s *Store) History(ctx context.Context) ([]flags.DocumentVersion, error) {
	return s.documents(ctx, `SELECT `+documentColumns+` FROM documents ORDER BY seq`)
}

func (s *Store) documents(ctx context.Context, query string, args ...any) (out []flags.DocumentVersion, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.DocumentVersion{}
	for rows.Next() {
		v, err := scanDocument(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func scanDocument(rows *sql.Rows) (flags.DocumentVersion, error) {
	var v flags.DocumentVersion
	var at int64
	err := rows.Scan(&v.ID.Kind, &v.ID.Name, &v.Revision, &v.Version, &v.Hash, &v.Content,
		&v.Status, &v.Feature, &v.Actor, &v.Reason, &at, &v.Restores)
	if err != nil {
		return v, fmt.Errorf("documents: %w", err)
	}
	v.At = fromNanos(at)
	return v, nil
}

// ApplyDocuments implements flags.GuaranteeStore.
func (s *Store) ApplyDocuments(ctx context.Context, c flags.Change) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for i := range c.Documents {
			if err := applyDocument(ctx, tx, &c, &c.Documents[i]); err != nil {
				return err
			}
		}
		for i := range c.Rollouts {
			rec, err := saveRollout(ctx, tx, &c.Rollouts[i])
			if err != nil {
				return err
			}
			if err := appendAudit(ctx, tx, rec); err != nil {
				return err
			}
		}
		return nil
	})
}

func applyDocument(ctx context.Context, tx *sql.Tx, c *flags.Change, d *flags.DocumentChange) error {
	v := &d.Version
	before, err := currentDocument(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	if before.Revision != d.Base {
		return fmt.Errorf("document %s is at revision %d, not %d: %w", v.ID, before.Revision, d.Base, flags.ErrChanged)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO documents (`+documentColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
		v.ID.Kind, v.ID.Name, v.Revision, v.Version, v.Hash, v.Content, v.Status, v.Feature, v.Actor, v.Reason, nanos(v.At), v.Restores)
	if err != nil {
		return fmt.Errorf("document %s revision %d: %w", v.ID, v.Revision, err)
	}
	rec := audit.Record{At: c.At, Actor: c.Actor, Action: c.Action, Subject: v.ID.String(), Reason: c.Reason}
	if d.Base > 0 {
		if rec.Before, err = documentState(&before); err != nil {
			return err
		}
	}
	if rec.After, err = documentState(v); err != nil {
		return err
	}
	return appendAudit(ctx, tx, rec)
}

// currentDocument returns the zero DocumentVersion when there is none.
func currentDocument(ctx context.Context, tx *sql.Tx, id flags.DocumentID) (v flags.DocumentVersion, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+documentColumns+` FROM documents
		WHERE kind = ? AND name = ? ORDER BY revision DESC LIMIT 1`, id.Kind, id.Name)
	if err != nil {
		return v, fmt.Errorf("document %s: %w", id, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		return scanDocument(rows)
	}
	return v, rows.Err()
}

func documentState(v *flags.DocumentVersion) ([]byte, error) {
	return audit.State(struct {
		Revision int64  `json:"revision"`
		Version  string `json:"version"`
		Hash     string `json:"hash"`
		Content  string `json:"content"`
		Restores int64  `json:"restores,omitempty"`
	}{v.Revision, v.Version, v.Hash, string(v.Content), v.Restores})
}
