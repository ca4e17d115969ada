package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// rolloutLease names the right to run the rollout controller.
const rolloutLease = "rollouts"

// Lease implements flags.RolloutStore. A lease that ends later than anyone could ask
// for now was given before the clock was set back, and holds nobody off.
func (s *Store) Lease(ctx context.Context, holder string, until, now time.Time) (bool, error) {
	var taken bool
	err := s.update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE holder = excluded.holder OR until <= ?4 OR until > excluded.until`,
			rolloutLease, holder, nanos(until), nanos(now))
		if err != nil {
			return fmt.Errorf("lease of the rollout controller: %w", err)
		}
		n, err := res.RowsAffected()
		taken = n > 0
		return err
	})
	return taken, err
}
