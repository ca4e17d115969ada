package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"tidemark/flags"
)

var _ flags.AttemptStore = (*Store)(nil)

const attemptColumns = `key_id, feature, action, service, key_name, count, first_at, last_at, event_id, policy, policy_revision, policy_version`

// Attempts implements flags.AttemptStore.
func (s *Store) Attempts(ctx context.Context) ([]flags.Attempt, error) {
	all, err := list(ctx, s.read, func(row scanner) (a flags.Attempt, err error) {
		var first, last int64
		err = row.Scan(&a.KeyID, &a.Feature, &a.Action, &a.Service, &a.KeyName, &a.Count, &first, &last,
			&a.EventID, &a.Policy, &a.PolicyRevision, &a.PolicyVersion)
		a.First, a.Last = fromNanos(first), fromNanos(last)
		return a, err
	}, "SELECT "+attemptColumns+" FROM policy_attempts")
	if err != nil {
		return nil, fmt.Errorf("attempts: %w", err)
	}
	return all, nil
}

// SaveAttempts implements flags.AttemptStore.
func (s *Store) SaveAttempts(ctx context.Context, put []flags.Attempt, gone []flags.AttemptKey) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for _, k := range gone {
			_, err := tx.ExecContext(ctx, "DELETE FROM policy_attempts WHERE key_id = ? AND feature = ? AND action = ? AND service = ?",
				k.KeyID, k.Feature, k.Action, k.Service)
			if err != nil {
				return fmt.Errorf("remove attempt of key %s: %w", k.KeyID, err)
			}
		}
		stmt, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO policy_attempts ("+attemptColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?)")
		if err != nil {
			return fmt.Errorf("save attempts: %w", err)
		}
		defer stmt.Close()
		for i := range put {
			a := &put[i]
			_, err := stmt.ExecContext(ctx, a.KeyID, a.Feature, a.Action, a.Service, a.KeyName, a.Count, nanos(a.First), nanos(a.Last),
				a.EventID, a.Policy, a.PolicyRevision, a.PolicyVersion)
			if err != nil {
				return fmt.Errorf("save attempt of key %s: %w", a.KeyID, err)
			}
		}
		return nil
	})
}
