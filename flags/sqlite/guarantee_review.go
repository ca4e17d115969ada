package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tidemark/flags"
	"tidemark/flags/audit"
)

// AddReview implements flags.GuaranteeStore.
func (s *Store) AddReview(ctx context.Context, r flags.ReviewRecord) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		var n int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM documents WHERE kind = ? AND name = ? AND revision = ?",
			r.ID.Kind, r.ID.Name, r.Revision).Scan(&n)
		if err != nil {
			return audit.Record{}, fmt.Errorf("review of %s: %w", r.ID, err)
		}
		if n == 0 {
			return audit.Record{}, fmt.Errorf("%s revision %d: %w", r.ID, r.Revision, flags.ErrNotFound)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO document_reviews (kind, name, revision, decision, note, actor, at)
			VALUES (?,?,?,?,?,?,?)`, r.ID.Kind, r.ID.Name, r.Revision, r.Decision, r.Note, r.Actor, nanos(r.At))
		if err != nil {
			return audit.Record{}, fmt.Errorf("review of %s: %w", r.ID, err)
		}
		after, err := audit.State(map[string]any{"revision": r.Revision, "decision": r.Decision, "note": r.Note})
		return audit.Record{At: r.At, Actor: r.Actor, Action: "document.review", Subject: r.ID.String(), Reason: r.Decision, After: after}, err
	})
}

// Reviews implements flags.GuaranteeStore.
func (s *Store) Reviews(ctx context.Context, id flags.DocumentID) (out []flags.ReviewRecord, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT kind, name, revision, decision, note, actor, at FROM document_reviews
		WHERE (?1 = '' AND ?2 = '') OR (kind = ?1 AND name = ?2) ORDER BY seq DESC`, id.Kind, id.Name)
	if err != nil {
		return nil, fmt.Errorf("reviews: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.ReviewRecord{}
	for rows.Next() {
		var r flags.ReviewRecord
		var at int64
		if err := rows.Scan(&r.ID.Kind, &r.ID.Name, &r.Revision, &r.Decision, &r.Note, &r.Actor, &at); err != nil {
			return nil, fmt.Errorf("reviews: %w", err)
		}
		r.At = fromNanos(at)
		out = append(out, r)
	}
	return out, rows.Err()
}

// PutAttainment implements flags.GuaranteeStore.
func (s *Store) PutAttainment(ctx context.Context, points []flags.AttainmentPoint) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for _, p := range points {
			_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO attainment
				(guarantee, objective, day, version, good, eligible, goal, verdict) VALUES (?,?,?,?,?,?,?,?)`,
				p.Guarantee, p.Objective, p.Day, p.Version, p.Good, p.Eligible, p.Goal, p.Verdict)
			if err != nil {
				return fmt.Errorf("attainment of %s %s on %s: %w", p.Guarantee, p.Objective, p.Day, err)
			}
		}
		return nil
	})
}

// Attainment implements flags.GuaranteeStore.
func (s *Store) Attainment(ctx context.Context, guarantee, fromDay string) (out []flags.AttainmentPoint, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT guarantee, objective, day, version, good, eligible, goal, verdict
		FROM attainment WHERE guarantee = ? AND day >= ? ORDER BY objective, day`, guarantee, fromDay)
	if err != nil {
		return nil, fmt.Errorf("attainment of %s: %w", guarantee, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.AttainmentPoint{}
	for rows.Next() {
		var p flags.AttainmentPoint
		if err := rows.Scan(&p.Guarantee, &p.Objective, &p.Day, &p.Version, &p.Good, &p.Eligible, &p.Goal, &p.Verdict); err != nil {
			return nil, fmt.Errorf("attainment of %s: %w", guarantee, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
